/* PutSnapshotBlock and CompleteSnapshot. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "serve/ebs.h"

/* --- what both of them begin with ----------------------------------------------------------- */

/* It was started by somebody else, or it is in the store already. */
static int not_pending(struct vml_request *r, const char *id, struct vml_error *err)
{
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot s = { 0 };

    if (vml_ebs_snapshot(r, id, &s, err) < 0)
        return -1;
    if (strcmp(s.is.owner, r->account) != 0)
        return vml_fail(err, VML_EREFUSED, EBS_DENIED, "The snapshot '%s' is another account's.",
                        id);
    return vml_fail(err, VML_EREFUSED, EBS_SNAPSHOT_ID,
                    "The snapshot '%s' is not in the pending state.", id);
}

/* It has ended. */
static int has_ended(const struct pending *p, enum pending_state state, struct vml_error *err)
{
    if (state == COMPLETED)
        return vml_fail(err, VML_EREFUSED, EBS_SNAPSHOT_ID, "The snapshot '%s' is completed.",
                        p->what.id);
    return vml_fail(err, VML_EREFUSED, "ValidationException/WRITE_REQUEST_TIMEOUT",
                    "The snapshot '%s' is in the error state: nothing was put for too long, or it "
                    "could not be stored.",
                    p->what.id);
}

/* What the upload has said; where nothing can be done with it any more it has ended. */
static int upload_error(struct vml_ebs *e, struct pending *p, struct vml_error *err)
{
    if (vml_upload_dead(p->upload))
        vml_pending_end(e, p, FAILED);
    if (strcmp(err->slug, "upload/block") == 0)
        strcpy(err->slug, EBS_BLOCK);
    else if (strcmp(err->slug, "upload/expired") == 0)
        return has_ended(p, FAILED, err);
    else if (strcmp(err->slug, "upload/over") == 0)
        return has_ended(p, COMPLETED, err);
    else if (strncmp(err->slug, "upload/", 7) == 0)
        strcpy(err->slug, EBS_PARAMETER);
    return vml_ebs_key_error(err);
}

/* A checksum that is told: base64 of a SHA-256.  1: it is there. */
static int read_checksum(const struct vml_request *r, uint8_t out[32], struct vml_error *err)
{
    const char *sum = vml_request_header(r, "x-amz-Checksum"),
               *algorithm = vml_request_header(r, "x-amz-Checksum-Algorithm");

    if (sum == NULL && algorithm == NULL)
        return 0;
    if (algorithm == NULL || strcmp(algorithm, "SHA256") != 0)
        return vml_fail(err, VML_EREFUSED, EBS_PARAMETER,
                        "x-amz-Checksum-Algorithm must be SHA256");
    if (sum == NULL || !vml_base64_parse(out, sum))
        return vml_fail(err, VML_EREFUSED, EBS_PARAMETER,
                        "x-amz-Checksum must be the base64 of a SHA-256");
    return 1;
}

/* --- PutSnapshotBlock ----------------------------------------------------------------------- */

static int check_block(struct vml_request *r, uint64_t number, uint64_t *progress,
                       struct vml_error *err)
{
    uint8_t sum[32];
    uint64_t len = 0;
    int there;

    if (vml_request_header(r, "Content-Encoding") != NULL &&
        strcasecmp(vml_request_header(r, "Content-Encoding"), "identity") != 0)
        return vml_fail(err, VML_EREFUSED, "ValidationException/INVALID_CONTENT_ENCODING",
                        "A block cannot be encoded");
    there = vml_ebs_number(r, "x-amz-Data-Length", UINT32_MAX, &len, err);
    if (there < 0)
        return -1;
    if (len != VML_BLOCK || r->body_len != VML_BLOCK)
        return vml_fail(err, VML_EREFUSED, EBS_PARAMETER,
                        "x-amz-Data-Length is %llu, and the body has %zu bytes: both must be %u",
                        (unsigned long long)len, r->body_len, VML_BLOCK);
    if (vml_ebs_number(r, "x-amz-Progress", 100, progress, err) < 0 ||
        (there = read_checksum(r, sum, err)) < 0)
        return -1;
    if (there == 0)
        return vml_fail(err, VML_EREFUSED, EBS_PARAMETER, "x-amz-Checksum is missing");
    return memcmp(sum, vml_request_digest(r), sizeof sum) == 0
               ? 0
               : vml_fail(err, VML_EREFUSED, EBS_BLOCK,
                          "Block %llu does not have the checksum that was given",
                          (unsigned long long)number);
}

static int answer_put(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    char sum[45];

    vml_base64_print(sum, vml_request_digest(r));
    return vml_answer_json(a, 201, json_object(), err) < 0 ||
                   vml_answer_header(a, "x-amz-Checksum", err, "%s", sum) < 0
               ? -1
               : vml_answer_header(a, "x-amz-Checksum-Algorithm", err, "SHA256");
}

static int put(struct vml_ebs *e, struct pending *p, struct vml_request *r, uint64_t number,
               struct vml_error *err)
{
    uint64_t progress = 0;

    if (check_block(r, number, &progress, err) < 0)
        return -1;
    if (vml_upload_put(p->upload, number, r->body, vml_request_digest(r), err) < 0)
        return upload_error(e, p, err);
    pthread_mutex_lock(&e->lock);
    p->progress = progress > 0 ? (unsigned)progress : p->progress;
    pthread_mutex_unlock(&e->lock);
    return 0;
}

int vml_ebs_put(struct vml_ebs *e, struct vml_request *r, const struct ebs_call *c,
                struct vml_answer *a, struct vml_error *err)
{
    enum pending_state state;
    struct pending *p = vml_pending_hold(e, &r->where, c->id, &state);

    if (p == NULL)
        return not_pending(r, c->id, err);
    int rc = state == PENDING ? put(e, p, r, c->number, err) : has_ended(p, state, err);
    vml_pending_let_go(e, p);
    return rc < 0 ? -1 : answer_put(r, a, err);
}

/* --- CompleteSnapshot ----------------------------------------------------------------------- */

static int read_promises(const struct vml_request *r, struct ebs_promises *said,
                         struct vml_error *err)
{
    const char *method = vml_request_header(r, "x-amz-Checksum-Aggregation-Method");
    int there =
        vml_ebs_number(r, "x-amz-ChangedBlocksCount", VML_DISK_MAX / VML_BLOCK, &said->count, err);

    if (there == 0)
        return vml_fail(err, VML_EREFUSED, EBS_PARAMETER, "x-amz-ChangedBlocksCount is missing");
    if (there < 0 || (there = read_checksum(r, said->aggregate, err)) < 0)
        return -1;
    said->has_aggregate = there == 1;
    if (said->has_aggregate != (method != NULL) ||
        (method != NULL && strcmp(method, "LINEAR") != 0))
        return vml_fail(err, VML_EREFUSED, EBS_PARAMETER,
                        "x-amz-Checksum-Aggregation-Method must be LINEAR where there is a "
                        "checksum, and only there");
    return 0;
}

static int add_marks(void *arg, struct vml_db *db, struct vml_error *err)
{
    const struct pending *p = arg;
    char detail[96] = "";

    if (p->parent[0] != '\0')
        snprintf(detail, sizeof detail, "over %s of lineage %s", p->parent, p->lineage);
    return vml_registry_snapshot_add(db, &p->what, &p->marks, "upload", detail, err);
}

static int complete(struct vml_ebs *e, struct pending *p, const struct ebs_promises *said,
                    struct vml_error *err)
{
    if (vml_upload_finish(p->upload, said->count, said->has_aggregate ? said->aggregate : NULL,
                          add_marks, p, err) < 0)
        return upload_error(e, p, err);
    pthread_mutex_lock(&e->lock);
    p->said = *said;
    pthread_mutex_unlock(&e->lock);
    vml_pending_end(e, p, COMPLETED);
    return 0;
}

/* Who asks again, since the answer got lost, says the same again. */
static int complete_again(struct vml_ebs *e, const struct pending *p,
                          const struct ebs_promises *said, struct vml_error *err)
{
    struct ebs_promises before;

    pthread_mutex_lock(&e->lock);
    before = p->said;
    pthread_mutex_unlock(&e->lock);
    if (said->count == before.count &&
        (!said->has_aggregate || !before.has_aggregate ||
         memcmp(said->aggregate, before.aggregate, sizeof before.aggregate) == 0))
        return 0;
    return vml_fail(err, VML_EREFUSED, EBS_PARAMETER,
                    "The snapshot '%s' was completed with another count or checksum.", p->what.id);
}

int vml_ebs_complete(struct vml_ebs *e, struct vml_request *r, const struct ebs_call *c,
                     struct vml_answer *a, struct vml_error *err)
{
    struct ebs_promises said = { .count = 0 };
    enum pending_state state;
    struct pending *p = vml_pending_hold(e, &r->where, c->id, &state);

    if (p == NULL)
        return not_pending(r, c->id, err);
    int rc = read_promises(r, &said, err);
    if (rc == 0)
        rc = state == PENDING     ? complete(e, p, &said, err)
             : state == COMPLETED ? complete_again(e, p, &said, err)
                                  : has_ended(p, state, err);
    vml_pending_let_go(e, p);
    /* As EBS says it, where the rest takes time; here it is completed already. */
    return rc < 0 ? -1 : vml_answer_json(a, 202, json_pack("{s:s}", "Status", "pending"), err);
}
