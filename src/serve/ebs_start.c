/* StartSnapshot: a snapshot that blocks may be put into from now on. */
#include <stdlib.h>
#include <string.h>

#include "serve/ebs.h"
#include "vmlift/codec.h"
#include "vmlift/key.h"
#include "vmlift/rules.h"

#define TIMEOUT     60u /* minutes, where none is asked for */
#define TIMEOUT_MIN 10u
#define TIMEOUT_MAX 4320u
#define TOKEN_MAX   255u
#define TEXT_MAX    255u /* characters of a description */

/* What is asked for; texts are the document's. */
struct start {
    json_t *document;
    const char *parent, *description, *token, *key_arn;
    uint64_t size_gib, timeout;
    bool encrypted, has_encrypted;
    struct vml_marks marks; /* tags alone */
};

static void start_clear(struct start *s)
{
    json_decref(s->document);
    vml_marks_clear(&s->marks);
}

/* --- reading -------------------------------------------------------------------------------- */

static int wrong(const char *slug, const char *what, const char *why, struct vml_error *err)
{
    return vml_fail(err, VML_EREFUSED, slug, "%s %s", what, why);
}

static int read_text(json_t *v, const char *name, const char **out, struct vml_error *err)
{
    *out = json_string_value(v);
    return *out != NULL && strlen(*out) == json_string_length(v)
               ? 0
               : wrong(EBS_PARAMETER, name, "must be a text", err);
}

static int read_number(json_t *v, const char *slug, const char *name, uint64_t min, uint64_t max,
                       uint64_t *out, struct vml_error *err)
{
    json_int_t i = json_integer_value(v);

    if (!json_is_integer(v) || i < (json_int_t)min || i > (json_int_t)max)
        return vml_fail(err, VML_EREFUSED, slug, "%s must be a number of %llu to %llu", name,
                        (unsigned long long)min, (unsigned long long)max);
    *out = (uint64_t)i;
    return 0;
}

static int read_tags(json_t *v, struct start *s, struct vml_error *err)
{
    static const char slug[] = "ValidationException/INVALID_TAG";
    json_t *tag;
    size_t i;

    if (!json_is_array(v))
        return wrong(slug, "Tags", "must be a list", err);
    json_array_foreach(v, i, tag)
    {
        const char *key = NULL, *value = "";

        if (json_unpack(tag, "{s:s, s?:s}", "Key", &key, "Value", &value) < 0)
            return wrong(slug, "Tags", "must have a Key and a Value each", err);
        if (vml_marks_tag(&s->marks, key, value, err) < 0)
            return -1;
    }
    if (vml_rule_tags(s->marks.tags, s->marks.n_tags, err) == 0)
        return 0;
    if (err->code == VML_EREFUSED)
        strcpy(err->slug, slug);
    return -1;
}

static int read_description(json_t *v, struct start *s, struct vml_error *err)
{
    size_t count;

    if (read_text(v, "Description", &s->description, err) < 0)
        return -1;
    return vml_utf8_count(s->description, &count) && count <= TEXT_MAX
               ? 0
               : wrong(EBS_PARAMETER, "Description", "must have 255 characters at most", err);
}

static int read_token(json_t *v, struct start *s, struct vml_error *err)
{
    if (read_text(v, "ClientToken", &s->token, err) < 0)
        return -1;
    return s->token[0] != '\0' && strlen(s->token) <= TOKEN_MAX &&
                   strcspn(s->token, " \t\r\n\v\f") == strlen(s->token)
               ? 0
               : wrong(EBS_PARAMETER, "ClientToken",
                       "must have 1 to 255 characters, none of them white space", err);
}

static int read_encrypted(json_t *v, struct start *s, struct vml_error *err)
{
    s->has_encrypted = true;
    s->encrypted = json_is_true(v);
    return json_is_boolean(v) ? 0 : wrong(EBS_PARAMETER, "Encrypted", "must be true or false", err);
}

static int read_member(struct start *s, const char *name, json_t *v, struct vml_error *err)
{
    if (json_is_null(v))
        return 0;
    if (strcmp(name, "VolumeSize") == 0)
        return read_number(v, EBS_SIZE, name, 1, VML_DISK_MAX / VML_GIB, &s->size_gib, err);
    if (strcmp(name, "ParentSnapshotId") == 0)
        return read_text(v, name, &s->parent, err);
    if (strcmp(name, "Tags") == 0)
        return read_tags(v, s, err);
    if (strcmp(name, "Description") == 0)
        return read_description(v, s, err);
    if (strcmp(name, "ClientToken") == 0)
        return read_token(v, s, err);
    if (strcmp(name, "Encrypted") == 0)
        return read_encrypted(v, s, err);
    if (strcmp(name, "KmsKeyArn") == 0)
        return read_text(v, name, &s->key_arn, err);
    if (strcmp(name, "Timeout") == 0)
        return read_number(v, EBS_PARAMETER, name, TIMEOUT_MIN, TIMEOUT_MAX, &s->timeout, err);
    return vml_fail(err, VML_EREFUSED, EBS_PARAMETER, "There is no parameter '%.64s'", name);
}

/* What goes together. */
static int check(const struct start *s, struct vml_error *err)
{
    if (s->size_gib == 0)
        return wrong(EBS_SIZE, "VolumeSize", "is missing", err);
    if (s->parent != NULL && s->has_encrypted)
        return wrong(EBS_PARAMETER, "Encrypted",
                     "cannot be given with ParentSnapshotId: a snapshot is encrypted as its parent "
                     "is",
                     err);
    if (s->parent != NULL && s->key_arn != NULL)
        return wrong(EBS_KEY, "KmsKeyArn",
                     "cannot be given with ParentSnapshotId: a snapshot has its parent's key", err);
    if (s->key_arn != NULL && !s->encrypted)
        return wrong(EBS_KEY, "KmsKeyArn", "needs Encrypted to be true", err);
    return 0;
}

static int read_start(const struct vml_request *r, struct start *s, struct vml_error *err)
{
    const char *name;
    json_t *v;

    s->timeout = TIMEOUT;
    s->description = "";
    s->document = json_loadb((const char *)r->body, r->body_len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(s->document))
        return wrong("SerializationException", "The body", "is not a JSON object", err);
    json_object_foreach(s->document, name, v) if (read_member(s, name, v, err) < 0) return -1;
    return check(s, err);
}

/* --- keys ----------------------------------------------------------------------------------- */

/* "arn:aws:kms:REGION:ACCOUNT:key/ID", of this region; whose it is, the key itself knows. */
static int read_arn(const struct vml_request *r, const char *arn, char key[37],
                    struct vml_error *err)
{
    char region[33] = "", account[13] = "", id[37] = "";
    int end = 0;

    if (sscanf(arn, "arn:%*[a-z-]:kms:%32[a-z0-9-]:%12[0-9]:key/%36[0-9a-f-]%n", region, account,
               id, &end) != 3 ||
        arn[end] != '\0' || strlen(id) != 36)
        return vml_fail(err, VML_EREFUSED, EBS_KEY, "The KMS key '%.128s' is not an ARN of a key",
                        arn);
    if (strcmp(region, r->region) != 0)
        return vml_fail(err, VML_EREFUSED, EBS_KEY, "The KMS key is one of region %s, not of %s",
                        region, r->region);
    memcpy(key, id, 37);
    return 0;
}

static int choose_key(const struct vml_request *r, const struct start *s, char key[37],
                      struct vml_error *err)
{
    const struct vml_key_new what = { .owner = r->account,
                                      .region = r->region,
                                      .description = "Default key that protects my snapshots" };
    struct vml_key k;
    bool made;

    if (!s->encrypted)
        return 0;
    if (s->key_arn != NULL)
        return read_arn(r, s->key_arn, key, err);
    if (vml_key_default(r->store, &what, &k, &made, err) < 0)
        return -1;
    memcpy(key, k.id, sizeof k.id);
    vml_key_clear(&k);
    return 0;
}

/* --- starting ------------------------------------------------------------------------------- */

/* It is seen, is completed, and fits; what it is encrypted with its child is, too. */
static int read_parent(struct vml_request *r, const struct start *s, struct pending *p,
                       struct vml_error *err)
{
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot parent = { 0 };

    if (s->parent == NULL)
        return 0;
    if (vml_ebs_snapshot(r, s->parent, &parent, err) < 0)
        return -1;
    if (parent.is.size > p->what.size)
        return vml_fail(err, VML_EREFUSED, EBS_SIZE,
                        "VolumeSize is smaller than that of the parent snapshot, which is %llu",
                        (unsigned long long)vml_div_up(parent.is.size, VML_GIB));
    memcpy(p->parent, parent.is.id, sizeof p->parent);
    memcpy(p->what.key, parent.is.key, sizeof p->what.key);
    return vml_ebs_lineage(r->store, parent.is.id, p->lineage, err);
}

static int fill(struct vml_request *r, struct start *s, struct pending *p, struct vml_error *err)
{
    memcpy(p->account, r->account, sizeof p->account);
    snprintf(p->region, sizeof p->region, "%s", r->region);
    p->what.size = s->size_gib * VML_GIB;
    p->what.created = vml_now();
    memcpy(p->what.owner, r->account, sizeof p->what.owner);
    snprintf(p->what.region, sizeof p->what.region, "%s", r->region);
    p->what.description = strdup(s->description);
    p->marks = s->marks;
    s->marks = (struct vml_marks){ .n_tags = 0 };
    if (p->what.description == NULL)
        return vml_fail_nomem(err);
    if (choose_key(r, s, p->what.key, err) < 0 || read_parent(r, s, p, err) < 0 ||
        vml_server_hold(r->server, r->account, &p->store, err) < 0)
        return -1;
    if (vml_upload_begin(&p->upload, p->store, p->what.size,
                         p->parent[0] != '\0' ? p->parent : NULL, &p->what,
                         (unsigned)s->timeout * 60, err) < 0)
        return vml_ebs_key_error(err);
    memcpy(p->what.id, vml_upload_snapshot(p->upload)->id, sizeof p->what.id);
    return 0;
}

static json_t *print_tags(const struct vml_marks *m)
{
    json_t *list = json_array();

    for (size_t i = 0; i < m->n_tags; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s}", "Key", m->tags[i].key, "Value", m->tags[i].value));
    return list;
}

/* EBS sends what there is not as null. */
static char *print(const struct vml_request *r, const struct pending *p)
{
    const struct vml_snapshot *s = &p->what;
    bool encrypted = s->key[0] != '\0';
    json_t *v = json_pack(
        "{s:s, s:s, s:s, s:f, s:I, s:i, s:o, s:o, s:o, s:o, s:s}", "SnapshotId", s->id, "OwnerId",
        s->owner, "Status", "pending", "StartTime", (double)s->created, "VolumeSize",
        (json_int_t)(s->size / VML_GIB), "BlockSize", (int)VML_BLOCK, "Description",
        s->description[0] != '\0' ? json_string(s->description) : json_null(), "ParentSnapshotId",
        p->parent[0] != '\0' ? json_string(p->parent) : json_null(), "KmsKeyArn",
        vml_ebs_key_arn(r, s->key), "Tags",
        p->marks.n_tags > 0 ? print_tags(&p->marks) : json_null(), "SseType",
        encrypted ? "sse-kms" : "none");
    char *text = v != NULL ? json_dumps(v, JSON_COMPACT) : NULL;

    json_decref(v);
    return text;
}

static int start(struct vml_ebs *e, struct vml_request *r, struct start *s, char **text,
                 struct vml_error *err)
{
    struct pending *p = calloc(1, sizeof *p);

    if (p == NULL)
        return vml_fail_nomem(err);
    if (fill(r, s, p, err) < 0) {
        vml_pending_drop(e, p);
        return -1;
    }
    *text = print(r, p);
    if (*text == NULL) {
        vml_pending_drop(e, p);
        return vml_fail_nomem(err);
    }
    return vml_pending_add(e, p, err);
}

/* The same token with the same words is the same snapshot. */
static int start_once(struct vml_ebs *e, struct vml_request *r, struct start *s, char **text,
                      struct vml_error *err)
{
    struct vml_tokens *tokens = vml_server_tokens(r->server);
    VML_AUTO(vml_freep) char *words = json_dumps(s->document, JSON_COMPACT | JSON_SORT_KEYS);
    VML_AUTO(vml_freep) char *key = NULL;
    uint8_t digest[32];

    if (words == NULL ||
        asprintf(&key, "%s %s StartSnapshot %s", r->account, r->region, s->token) < 0) {
        key = NULL;
        return vml_fail_nomem(err);
    }
    vml_sha256(words, strlen(words), digest);
    int rc = vml_tokens_begin(tokens, key, digest, text, err);
    if (rc < 0 && strcmp(err->slug, "IdempotentParameterMismatch") == 0)
        strcpy(err->slug, "ConflictException");
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    rc = start(e, r, s, text, err);
    vml_tokens_end(tokens, key, rc == 0 ? *text : NULL);
    return rc;
}

int vml_ebs_start(struct vml_ebs *e, struct vml_request *r, const struct ebs_call *c,
                  struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(start_clear) struct start s = { .document = NULL };
    VML_AUTO(vml_freep) char *text = NULL;

    (void)c;
    if (read_start(r, &s, err) < 0 ||
        (s.token != NULL ? start_once(e, r, &s, &text, err) : start(e, r, &s, &text, err)) < 0)
        return -1;
    vml_answer_bytes(a, 201, "application/json", text, strlen(text));
    text = NULL;
    return 0;
}
