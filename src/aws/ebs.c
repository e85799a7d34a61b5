#include "ebs.h"

#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "vmlift/codec.h"

enum { BASE64 = 45 }; /* a digest, and a NUL */

static void json_free(json_t **v)
{
    json_decref(*v);
}

static void free_text(char **text)
{
    free(*text);
}

static void base64(char out[BASE64], const uint8_t digest[32])
{
    EVP_EncodeBlock((unsigned char *)out, digest, 32);
}

static int broken(struct vml_error *err, const char *what)
{
    return vml_fail(err, VML_EIO, "aws/broken", "the answer %s", what);
}

static int check_json(void *arg, const struct http_answer *a, struct vml_error *err)
{
    json_t **v = arg;

    json_decref(*v);
    *v = a->body != NULL ? json_loadb(a->body, a->body_len, 0, NULL) : NULL;
    return json_is_object(*v) ? 0 : broken(err, "is not JSON, or not all of it");
}

/* --- writing ---------------------------------------------------------------------------------- */

static json_t *start_body(const struct ebs_start *s)
{
    json_t *v = json_pack("{s:I, s:s, s:s, s:I}", "VolumeSize", (json_int_t)s->gib, "Description",
                          s->description, "ClientToken", s->client_token, "Timeout",
                          (json_int_t)s->timeout);
    json_t *tags = json_array();

    for (size_t i = 0; i < s->n_tags; i++)
        json_array_append_new(
            tags, json_pack("{s:s, s:s}", "Key", s->tags[i].key, "Value", s->tags[i].value));
    if (json_array_size(tags) != s->n_tags || v == NULL ||
        (s->n_tags > 0 && json_object_set(v, "Tags", tags) < 0) ||
        (s->parent[0] != '\0' &&
         json_object_set_new(v, "ParentSnapshotId", json_string(s->parent)) < 0) ||
        (s->encrypted && json_object_set_new(v, "Encrypted", json_true()) < 0) ||
        (s->encrypted && s->kms_key != NULL &&
         json_object_set_new(v, "KmsKeyArn", json_string(s->kms_key)) < 0)) {
        json_decref(v);
        v = NULL;
    }
    json_decref(tags);
    return v;
}

/* EBS's own pattern, but for its length: it becomes a part of paths. */
static bool is_id(const char *id)
{
    return id != NULL && strncmp(id, "snap-", 5) == 0 && strlen(id) < EBS_ID && id[5] != '\0' &&
           strspn(id + 5, "0123456789abcdef") == strlen(id + 5);
}

int ebs_start(struct vml_aws *aws, const struct ebs_start *s, char id[EBS_ID],
              struct vml_error *err)
{
    static const struct vml_header type = { "Content-Type", "application/json" };
    VML_AUTO(http_answer_clear) struct http_answer a = { 0 };
    VML_AUTO(json_free) json_t *body = start_body(s);
    VML_AUTO(json_free) json_t *v = NULL;
    VML_AUTO(free_text) char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    const char *given;

    if (text == NULL)
        return vml_fail_nomem(err);
    if (aws_call(aws,
                 &(const struct aws_call){ .service = "ebs",
                                           .name = "StartSnapshot",
                                           .method = "POST",
                                           .path = "/snapshots",
                                           .headers = &type,
                                           .n_headers = 1,
                                           .body = text,
                                           .body_len = strlen(text),
                                           .check = check_json,
                                           .arg = &v },
                 &a, NULL, err) < 0)
        return -1;
    given = json_string_value(json_object_get(v, "SnapshotId"));
    if (!is_id(given))
        return vml_fail(err, VML_EIO, "aws/answer",
                        "StartSnapshot: the answer has no snapshot's ID");
    if (json_integer_value(json_object_get(v, "BlockSize")) != EBS_BLOCK)
        return vml_fail(err, VML_EUNSUPPORTED, "aws/answer",
                        "StartSnapshot: blocks of %s are of %lld bytes, not of %u", given,
                        (long long)json_integer_value(json_object_get(v, "BlockSize")), EBS_BLOCK);
    snprintf(id, EBS_ID, "%s", given);
    return 0;
}

int ebs_put_block(struct vml_aws *aws, const char *snapshot, uint64_t block, const void *bytes,
                  const uint8_t digest[32], struct vml_error *err)
{
    VML_AUTO(http_answer_clear) struct http_answer a = { 0 };
    char path[EBS_ID + 48], name[64], sum[BASE64];
    const struct vml_header headers[] = { { "x-amz-Data-Length", "524288" },
                                          { "x-amz-Checksum", sum },
                                          { "x-amz-Checksum-Algorithm", "SHA256" } };

    base64(sum, digest);
    snprintf(path, sizeof path, "/snapshots/%s/blocks/%" PRIu64, snapshot, block);
    snprintf(name, sizeof name, "PutSnapshotBlock %" PRIu64, block);
    return aws_call(aws,
                    &(const struct aws_call){ .service = "ebs",
                                              .name = name,
                                              .method = "PUT",
                                              .path = path,
                                              .headers = headers,
                                              .n_headers = 3,
                                              .body = bytes,
                                              .body_len = EBS_BLOCK,
                                              .unsigned_body = true,
                                              .missing = 120 },
                    &a, NULL, err);
}

int ebs_complete(struct vml_aws *aws, const char *snapshot, uint64_t count, const uint8_t sum[32],
                 struct vml_error *err)
{
    VML_AUTO(http_answer_clear) struct http_answer a = { 0 };
    char path[EBS_ID + 32], number[24], text[BASE64];
    const struct vml_header headers[] = { { "x-amz-ChangedBlocksCount", number },
                                          { "x-amz-Checksum", text },
                                          { "x-amz-Checksum-Algorithm", "SHA256" },
                                          { "x-amz-Checksum-Aggregation-Method", "LINEAR" } };

    base64(text, sum);
    snprintf(number, sizeof number, "%" PRIu64, count);
    snprintf(path, sizeof path, "/snapshots/completion/%s", snapshot);
    return aws_call(aws,
                    &(const struct aws_call){ .service = "ebs",
                                              .name = "CompleteSnapshot",
                                              .method = "POST",
                                              .path = path,
                                              .headers = headers,
                                              .n_headers = 4,
                                              .missing = 120 },
                    &a, NULL, err);
}

/* --- reading ---------------------------------------------------------------------------------- */

void ebs_page_clear(struct ebs_page *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->items[i].token);
    free(p->items);
    *p = (struct ebs_page){ 0 };
}

/* Adds what one answer lists; blocks ascend over all of them. */
static int add_listed(struct ebs_page *p, const json_t *list, const char *snapshot,
                      struct vml_error *err)
{
    size_t n = json_array_size(list);
    struct ebs_listed *grown = realloc(p->items, (p->n + n + 1) * sizeof *grown);

    if (grown == NULL)
        return vml_fail_nomem(err);
    p->items = grown;
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        json_int_t block = json_integer_value(json_object_get(item, "BlockIndex"));
        const char *token = json_string_value(json_object_get(item, "BlockToken"));

        if (token == NULL || block < 0 || (uint64_t)block < p->from ||
            (uint64_t)block >= p->gib * EBS_PER_GIB ||
            (p->n > 0 && (uint64_t)block <= p->items[p->n - 1].block))
            return vml_fail(err, VML_EIO, "aws/answer",
                            "ListSnapshotBlocks: %s has %" PRIu64
                            " GiB, and its blocks are not in order, or beyond its end",
                            snapshot, p->gib);
        p->items[p->n] = (struct ebs_listed){ .block = (uint64_t)block, .token = strdup(token) };
        if (p->items[p->n++].token == NULL)
            return vml_fail_nomem(err);
    }
    return 0;
}

static int list_query(char **out, uint64_t from, const char *next, struct vml_error *err)
{
    size_t len;
    FILE *f = vml_memstream(out, &len);

    if (f == NULL)
        return vml_fail_nomem(err);
    fprintf(f, "maxResults=%u", EBS_PAGE);
    if (next != NULL) {
        fputs("&pageToken=", f);
        aws_encode(f, next, false);
    } else {
        fprintf(f, "&startingBlockIndex=%" PRIu64, from);
    }
    return fclose(f) == 0 ? 0 : vml_fail_nomem(err);
}

/* One request; *next is the token of the next page, to be freed, or NULL. */
static int list_some(struct vml_aws *aws, const char *snapshot, struct ebs_page *p, char **next,
                     struct vml_error *err)
{
    VML_AUTO(http_answer_clear) struct http_answer a = { 0 };
    VML_AUTO(json_free) json_t *v = NULL;
    VML_AUTO(free_text) char *query = NULL;
    char path[EBS_ID + 32];
    const char *token;

    snprintf(path, sizeof path, "/snapshots/%s/blocks", snapshot);
    if (list_query(&query, p->from, *next, err) < 0 ||
        aws_call(aws,
                 &(const struct aws_call){ .service = "ebs",
                                           .name = "ListSnapshotBlocks",
                                           .method = "GET",
                                           .path = path,
                                           .query = query,
                                           .check = check_json,
                                           .arg = &v },
                 &a, NULL, err) < 0)
        return -1;
    if (json_integer_value(json_object_get(v, "BlockSize")) != EBS_BLOCK)
        return vml_fail(err, VML_EUNSUPPORTED, "aws/answer",
                        "ListSnapshotBlocks: blocks of %s are not of %u bytes", snapshot,
                        EBS_BLOCK);
    p->gib = (uint64_t)json_integer_value(json_object_get(v, "VolumeSize"));
    if (p->gib == 0 || p->gib > VML_DISK_MAX / VML_GIB)
        return vml_fail(err, VML_EIO, "aws/answer", "ListSnapshotBlocks: %s has %" PRIu64 " GiB",
                        snapshot, p->gib);
    if (add_listed(p, json_object_get(v, "Blocks"), snapshot, err) < 0)
        return -1;
    token = json_string_value(json_object_get(v, "NextToken"));
    free(*next);
    *next = token != NULL && token[0] != '\0' ? strdup(token) : NULL;
    return token == NULL || token[0] == '\0' || *next != NULL ? 0 : vml_fail_nomem(err);
}

int ebs_list(struct vml_aws *aws, const char *snapshot, uint64_t from, struct ebs_page *p,
             struct vml_error *err)
{
    VML_AUTO(free_text) char *next = NULL;

    *p = (struct ebs_page){ .from = from };
    if (!is_id(snapshot))
        return vml_fail(err, VML_EUSAGE, "InvalidSnapshotID.Malformed",
                        "%s: not the ID of a snapshot", snapshot);
    /* pages may be empty, and yet others follow */
    do {
        if (list_some(aws, snapshot, p, &next, err) < 0) {
            ebs_page_clear(p);
            return -1;
        }
    } while (next != NULL && p->n == 0 && !vml_interrupted());
    p->end = next == NULL ? UINT64_MAX : p->n > 0 ? p->items[p->n - 1].block + 1 : from;
    return 0;
}

/* A block is what its sum says, or it comes again. */
static int check_block(void *arg, const struct http_answer *a, struct vml_error *err)
{
    char got[128], want[BASE64];
    uint8_t digest[32];

    (void)arg;
    if (a->body_len != EBS_BLOCK)
        return broken(err, "is not of a block's length");
    if (http_header(a, "x-amz-Checksum", got, sizeof got) == NULL)
        return broken(err, "has no sum");
    vml_sha256(a->body, a->body_len, digest);
    base64(want, digest);
    return strcmp(got, want) == 0 ? 0 : broken(err, "does not have the sum that came with it");
}

int ebs_get_block(struct vml_aws *aws, const char *snapshot, const struct ebs_listed *which,
                  void *bytes, struct vml_error *err)
{
    VML_AUTO(http_answer_clear) struct http_answer a = { 0 };
    VML_AUTO(vml_freep) char *query = NULL;
    char path[EBS_ID + 48], name[64];
    size_t len;
    FILE *f = vml_memstream(&query, &len);

    if (f == NULL)
        return vml_fail_nomem(err);
    fputs("blockToken=", f);
    aws_encode(f, which->token, false);
    if (fclose(f) != 0)
        return vml_fail_nomem(err);
    snprintf(path, sizeof path, "/snapshots/%s/blocks/%" PRIu64, snapshot, which->block);
    snprintf(name, sizeof name, "GetSnapshotBlock %" PRIu64, which->block);
    if (aws_call(aws,
                 &(const struct aws_call){ .service = "ebs",
                                           .name = name,
                                           .method = "GET",
                                           .path = path,
                                           .query = query,
                                           .check = check_block },
                 &a, NULL, err) < 0)
        return -1;
    memcpy(bytes, a.body, EBS_BLOCK);
    return 0;
}
