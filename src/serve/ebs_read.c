/* ListSnapshotBlocks, ListChangedBlocks and GetSnapshotBlock. */
#include <stdlib.h>
#include <string.h>

#include "serve/ebs.h"
#include "vmlift/codec.h"

#define RESULTS_MIN 100u /* less is as if it were that */
#define RESULTS_MAX 10000u

/* --- what is asked for ---------------------------------------------------------------------- */

struct listing {
    const struct vml_ebs *e;
    struct vml_params params;
    struct ebs_token page; /* of the list; its number is where to begin */
    uint64_t max;
    json_t *blocks;
    bool more; /* there is a next page, from page.number on */
};

static void listing_clear(struct listing *l)
{
    vml_params_clear(&l->params);
    json_decref(l->blocks);
}

/* NULL: it is not there. */
static const char *find_param(const struct vml_params *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->items[i].name, name) == 0)
            return p->items[i].value;
    return NULL;
}

static int read_query(const struct vml_request *r, const char *known, struct vml_params *p,
                      struct vml_error *err)
{
    if (vml_params_parse(p, r->query, NULL, 0, err) == 0 && vml_params_check(p, known, err) == 0)
        return 0;
    if (err->code == VML_EREFUSED)
        strcpy(err->slug, EBS_PARAMETER);
    return -1;
}

static int read_listing(const struct vml_request *r, const char *known, struct listing *l,
                        struct vml_error *err)
{
    const char *max, *start, *page;

    if (read_query(r, known, &l->params, err) < 0)
        return -1;
    max = find_param(&l->params, "maxResults");
    start = find_param(&l->params, "startingBlockIndex");
    page = find_param(&l->params, "pageToken");
    l->page.region = r->region;
    l->max = RESULTS_MAX;
    l->blocks = json_array();
    if (l->blocks == NULL)
        return vml_fail_nomem(err);
    if ((max != NULL && vml_ebs_parse_number(max, "maxResults", RESULTS_MAX, &l->max, err) < 0) ||
        (start != NULL &&
         vml_ebs_parse_number(start, "startingBlockIndex", INT32_MAX, &l->page.number, err) < 0))
        return -1;
    l->max = vml_max_u64(l->max, RESULTS_MIN);
    l->page.first = find_param(&l->params, "firstSnapshotId");
    return page != NULL ? vml_ebs_token_parse(l->e, &l->page, page, err) : 0;
}

/* --- blocks --------------------------------------------------------------------------------- */

/* The token of a block under its name; no name is no token. */
static int add_token(const struct listing *l, json_t *block, const char *member,
                     const char *snapshot, uint64_t number, const uint8_t *name,
                     struct vml_error *err)
{
    struct ebs_token t = {
        .kind = 'b', .region = l->page.region, .snapshot = snapshot, .number = number
    };
    char text[EBS_TOKEN_SIZE];

    if (name == NULL)
        return 0;
    memcpy(t.name, name, sizeof t.name);
    if (vml_ebs_token_print(l->e, &t, text, err) < 0)
        return -1;
    return json_object_set_new(block, member, json_string(text)) < 0 ? vml_fail_nomem(err) : 0;
}

/* One more of the list: the first NULL but for changes.  1: that is all of this page. */
static int add_block(struct listing *l, uint64_t number, const uint8_t *first,
                     const uint8_t *second, struct vml_error *err)
{
    bool changes = l->page.kind == 'c';
    json_t *block;

    if (json_array_size(l->blocks) == l->max) {
        l->page.number = number;
        l->more = true;
        return 1;
    }
    block = json_pack("{s:I}", "BlockIndex", (json_int_t)number);
    if (block == NULL || json_array_append_new(l->blocks, block) < 0)
        return vml_fail_nomem(err);
    return add_token(l, block, "FirstBlockToken", l->page.first, number, first, err) < 0
               ? -1
               : add_token(l, block, changes ? "SecondBlockToken" : "BlockToken", l->page.snapshot,
                           number, second, err);
}

static int see_block(void *arg, uint64_t number, const uint8_t name[32], struct vml_error *err)
{
    return add_block(arg, number, NULL, name, err);
}

static int see_blocks(void *arg, uint64_t number, const uint8_t *a, const uint8_t *b,
                      struct vml_error *err)
{
    return add_block(arg, number, a, b, err);
}

/* --- lists ---------------------------------------------------------------------------------- */

static int answer(struct listing *l, const char *member, uint64_t size, struct vml_answer *a,
                  struct vml_error *err)
{
    char next[EBS_TOKEN_SIZE];
    json_t *v;

    if (l->more && vml_ebs_token_print(l->e, &l->page, next, err) < 0)
        return -1;
    v = json_pack("{s:O, s:f, s:I, s:i, s:o}", member, l->blocks, "ExpiryTime",
                  (double)(vml_now() + EBS_BLOCK_TIME), "VolumeSize",
                  (json_int_t)vml_div_up(size, VML_GIB), "BlockSize", (int)VML_BLOCK, "NextToken",
                  l->more ? json_string(next) : json_null());
    return vml_answer_json(a, 200, v, err);
}

int vml_ebs_list(struct vml_ebs *e, struct vml_request *r, const struct ebs_call *c,
                 struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(listing_clear)
    struct listing l = { .e = e, .page = { .kind = 'l', .snapshot = c->id } };
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot s = { 0 };

    if (vml_ebs_snapshot(r, c->id, &s, err) < 0 ||
        read_listing(r, "maxResults pageToken startingBlockIndex", &l, err) < 0 ||
        vml_snapshot_blocks(r->store, c->id, l.page.number, see_block, &l, err) < 0)
        return -1;
    return answer(&l, "Blocks", s.is.size, a, err);
}

/* As in EBS, where changes are those of one volume; what else is in the store can be compared, but
 * not there. */
static int check_related(struct vml_request *r, const char *first, const char *second,
                         struct vml_error *err)
{
    char a[32], b[32];

    if (vml_ebs_lineage(r->store, first, a, err) < 0 ||
        vml_ebs_lineage(r->store, second, b, err) < 0)
        return -1;
    return strcmp(a, b) == 0
               ? 0
               : vml_fail(err, VML_EREFUSED, "ValidationException/UNRELATED_SNAPSHOTS",
                          "The snapshots '%s' and '%s' are not of one lineage.", first, second);
}

/* Without a first one all that the second has is changed. */
int vml_ebs_changed(struct vml_ebs *e, struct vml_request *r, const struct ebs_call *c,
                    struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(listing_clear)
    struct listing l = { .e = e, .page = { .kind = 'c', .snapshot = c->id } };
    VML_AUTO(vml_registry_snapshot_clear)
    struct vml_registry_snapshot first = { 0 }, second = { 0 };
    uint64_t size;
    int rc;

    if (vml_ebs_snapshot(r, c->id, &second, err) < 0 ||
        read_listing(r, "firstSnapshotId maxResults pageToken startingBlockIndex", &l, err) < 0)
        return -1;
    if (l.page.first != NULL && (vml_ebs_snapshot(r, l.page.first, &first, err) < 0 ||
                                 check_related(r, l.page.first, c->id, err) < 0))
        return -1;
    size = vml_max_u64(first.is.size, second.is.size);
    rc = l.page.first != NULL
             ? vml_snapshot_diff_blocks(r->store, l.page.first, c->id, l.page.number, see_blocks,
                                        &l, err)
             : vml_snapshot_blocks(r->store, c->id, l.page.number, see_block, &l, err);
    return rc < 0 ? -1 : answer(&l, "ChangedBlocks", size, a, err);
}

/* --- GetSnapshotBlock ----------------------------------------------------------------------- */

static int answer_block(const struct vml_snapshot *s, const uint8_t name[32], uint8_t *block,
                        struct vml_answer *a, struct vml_error *err)
{
    uint8_t digest[32];
    char sum[45];

    if (s->key[0] == '\0')
        memcpy(digest, name, sizeof digest);
    else
        vml_sha256(block, VML_BLOCK, digest);
    vml_base64_print(sum, digest);
    vml_answer_bytes(a, 200, "application/octet-stream", block, VML_BLOCK);
    return vml_answer_header(a, "x-amz-Data-Length", err, "%u", VML_BLOCK) < 0 ||
                   vml_answer_header(a, "x-amz-Checksum", err, "%s", sum) < 0
               ? -1
               : vml_answer_header(a, "x-amz-Checksum-Algorithm", err, "SHA256");
}

static int read_token(const struct vml_ebs *e, const struct vml_request *r,
                      const struct ebs_call *c, struct ebs_token *t, struct vml_error *err)
{
    VML_AUTO(vml_params_clear) struct vml_params params = { .n = 0 };
    const char *text;

    *t = (struct ebs_token){ .kind = 'b', .region = r->region, .snapshot = c->id };
    if (read_query(r, "blockToken", &params, err) < 0)
        return -1;
    text = find_param(&params, "blockToken");
    if (text == NULL)
        return vml_fail(err, VML_EREFUSED, EBS_PARAMETER, "blockToken is missing");
    if (vml_ebs_token_parse(e, t, text, err) < 0)
        return -1;
    return t->number == c->number
               ? 0
               : vml_fail(err, VML_EREFUSED, "ValidationException/INVALID_BLOCK_TOKEN",
                          "The block token is that of block %llu, not of %llu",
                          (unsigned long long)t->number, (unsigned long long)c->number);
}

int vml_ebs_get(struct vml_ebs *e, struct vml_request *r, const struct ebs_call *c,
                struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot s = { 0 };
    struct ebs_token t;
    uint8_t *block;

    if (vml_ebs_snapshot(r, c->id, &s, err) < 0 || read_token(e, r, c, &t, err) < 0)
        return -1;
    block = malloc(VML_BLOCK);
    if (block == NULL)
        return vml_fail_nomem(err);
    if (vml_snapshot_block(r->store, c->id, t.name, block, err) < 0) {
        free(block);
        return vml_ebs_key_error(err);
    }
    return answer_block(&s.is, t.name, block, a, err);
}
