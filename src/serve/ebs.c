/* EBS's direct APIs: REST and JSON (botocore's service model of EBS, 2019-11-02).
 *
 *     POST /snapshots                          StartSnapshot
 *     PUT  /snapshots/ID/blocks/N              PutSnapshotBlock
 *     POST /snapshots/completion/ID            CompleteSnapshot
 *     GET  /snapshots/ID/blocks                ListSnapshotBlocks
 *     GET  /snapshots/ID/changedblocks         ListChangedBlocks
 *     GET  /snapshots/ID/blocks/N              GetSnapshotBlock
 *
 * What AWS does not say, or says nowhere, is refused here with the closest reason there is. */
#include <stdlib.h>
#include <string.h>

#include "serve/ebs.h"

#define NUMBER_DIGITS 10 /* of a block: 64 TiB have 2^27 */

int vml_ebs_new(struct vml_ebs **out, struct vml_server *s, struct vml_error *err)
{
    struct vml_ebs *e = calloc(1, sizeof *e);

    if (e == NULL)
        return vml_fail_nomem(err);
    e->server = s;
    pthread_mutex_init(&e->lock, NULL);
    if (vml_ebs_secret(vml_server_config(s)->dir, e->secret, err) < 0) {
        vml_ebs_free(e);
        return -1;
    }
    *out = e;
    return 0;
}

/* --- numbers -------------------------------------------------------------------------------- */

int vml_ebs_parse_number(const char *text, const char *what, uint64_t max, uint64_t *out,
                         struct vml_error *err)
{
    size_t len = strlen(text);

    *out = len > 0 && len < 19 && strspn(text, "0123456789") == len ? strtoull(text, NULL, 10)
                                                                    : UINT64_MAX;
    return *out <= max ? 0
                       : vml_fail(err, VML_EREFUSED, EBS_PARAMETER,
                                  "%s is '%.32s', and must be a number of 0 to %llu", what, text,
                                  (unsigned long long)max);
}

int vml_ebs_number(const struct vml_request *r, const char *header, uint64_t max, uint64_t *out,
                   struct vml_error *err)
{
    const char *text = vml_request_header(r, header);

    if (text == NULL)
        return 0;
    return vml_ebs_parse_number(text, header, max, out, err) < 0 ? -1 : 1;
}

/* --- snapshots ------------------------------------------------------------------------------ */

/* Of one that is still being written there is nothing to be read; to others it does not exist. */
static int not_readable(struct vml_request *r, const char *id, struct vml_error *err)
{
    struct vml_ebs *e = vml_server_ebs(r->server);
    enum pending_state state;
    struct pending *p = vml_pending_hold(e, &r->where, id, &state);

    if (p == NULL)
        return vml_fail(err, VML_ENOTFOUND, EBS_NOT_FOUND, "The snapshot '%s' does not exist.", id);
    vml_pending_let_go(e, p);
    return vml_fail(err, VML_EREFUSED, EBS_SNAPSHOT_ID, "The snapshot '%s' is not completed.", id);
}

int vml_ebs_snapshot(struct vml_request *r, const char *id, struct vml_registry_snapshot *out,
                     struct vml_error *err)
{
    if (vml_registry_snapshot_get(r->store, &r->where, id, out, err) == 0)
        return 0;
    if (strcmp(err->slug, "InvalidSnapshotID.Malformed") == 0)
        return vml_fail(err, VML_EREFUSED, EBS_SNAPSHOT_ID, "The snapshot ID '%.64s' is not valid.",
                        id);
    return strcmp(err->slug, "InvalidSnapshot.NotFound") == 0 ? not_readable(r, id, err) : -1;
}

int vml_ebs_key_error(struct vml_error *err)
{
    bool key = strncmp(err->slug, "key/", 4) == 0;

    if (strcmp(err->slug, "key/denied") == 0)
        strcpy(err->slug, EBS_KEY_DENIED);
    else if (key && (err->code == VML_ENOTFOUND || err->code == VML_EREFUSED))
        strcpy(err->slug, EBS_KEY);
    return -1;
}

static int find_lineage(void *lineage, const struct vml_event *event, struct vml_error *err)
{
    const char *of = strstr(event->detail, " lineage ");

    (void)err;
    if (strcmp(event->action, "upload") == 0 && of != NULL)
        snprintf(lineage, 32, "%s", of + strlen(" lineage "));
    return 0;
}

int vml_ebs_lineage(struct vml_store *s, const char *id, char out[32], struct vml_error *err)
{
    snprintf(out, 32, "%s", id);
    return vml_registry_history(s, id, find_lineage, out, err);
}

json_t *vml_ebs_key_arn(const struct vml_request *r, const char *key)
{
    return key[0] != '\0' ? json_sprintf("arn:aws:kms:%s:%s:key/%s", r->region, r->account, key)
                          : json_null();
}

/* --- paths ---------------------------------------------------------------------------------- */

struct route {
    const char *method, *before, *after; /* of the ID */
    bool number;                         /* follows */
    const char *action;
    ebs_fn *run;
};

static const struct route routes[] = {
    { "PUT", "/snapshots/", "/blocks/", true, "PutSnapshotBlock", vml_ebs_put },
    { "GET", "/snapshots/", "/blocks/", true, "GetSnapshotBlock", vml_ebs_get },
    { "GET", "/snapshots/", "/blocks", false, "ListSnapshotBlocks", vml_ebs_list },
    { "GET", "/snapshots/", "/changedblocks", false, "ListChangedBlocks", vml_ebs_changed },
    { "POST", "/snapshots/completion/", "", false, "CompleteSnapshot", vml_ebs_complete },
};

/* Fills id and number where the path is one of this route. */
static bool fits(const struct route *t, const char *method, const char *path, struct ebs_call *c)
{
    size_t before = strlen(t->before), after = strlen(t->after), id;

    if (strcmp(method, t->method) != 0 || strncmp(path, t->before, before) != 0)
        return false;
    path += before;
    id = strcspn(path, "/");
    if (id == 0 || id >= sizeof c->id || strncmp(path + id, t->after, after) != 0)
        return false;
    snprintf(c->id, sizeof c->id, "%.*s", (int)id, path);
    path += id + after;
    if (!t->number)
        return *path == '\0';
    c->number = strtoull(path, NULL, 10);
    return *path != '\0' && strspn(path, "0123456789") == strlen(path) &&
           strlen(path) <= NUMBER_DIGITS;
}

int vml_ebs_answer(struct vml_ebs *e, struct vml_request *r, struct vml_answer *a,
                   struct vml_error *err)
{
    struct ebs_call c = { .number = 0 };

    if (strcmp(r->method, "POST") == 0 && strcmp(r->path, "/snapshots") == 0) {
        snprintf(r->action, sizeof r->action, "StartSnapshot");
        return vml_ebs_start(e, r, &c, a, err);
    }
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (fits(&routes[i], r->method, r->path, &c)) {
            snprintf(r->action, sizeof r->action, "%s", routes[i].action);
            return routes[i].run(e, r, &c, a, err);
        }
    return vml_fail(err, VML_EUNSUPPORTED, "UnknownOperationException",
                    "%s %.128s: EBS has no such operation", r->method, r->path);
}
