/* What EBS would count. */
#include "vmlift/cost.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "ami/registry.h"
#include "catalog/db.h"

/* What a lineage has in common: content, owner, region, key. */
struct content {
    uint8_t root[32];
    char owner[16], region[32], key[37];
};

struct costs {
    struct vml_store *store;
    vml_snapshot_cost_fn *fn;
    void *arg;
    void *seen; /* tree of contents */
};

static void costs_clear(struct costs *c)
{
    tdestroy(c->seen, free);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct content));
}

/* 1: an earlier snapshot has this content. */
static int is_seen(struct costs *c, const struct vml_snapshot *s, struct vml_error *err)
{
    struct content *new = calloc(1, sizeof *new); /* no byte of it is left to chance */
    if (!new)
        return vml_fail_nomem(err);
    memcpy(new->root, s->root, sizeof new->root);
    strcpy(new->owner, s->owner);
    strcpy(new->region, s->region);
    strcpy(new->key, s->key);
    struct content **there = tsearch(new, &c->seen, compare);
    if (!there) {
        free(new);
        return vml_fail_nomem(err);
    }
    if (*there == new)
        return 0;
    free(new);
    return 1;
}

/* 1: there is a row. */
static int any(struct vml_db *db, const char *sql, const char *id, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    return vml_db_query(db, &st, err, sql, "t", id) < 0 ? -1 : vml_stmt_step(st, err);
}

/* By its own history, or as a part of an image that was made of another one.  The same disk
 * imported twice is none. */
static int is_copy(struct vml_db *db, const char *id, struct vml_error *err)
{
    int copied =
        any(db, "SELECT 1 FROM history WHERE resource = ? AND action = 'copy' LIMIT 1", id, err);
    return copied != 0 ? copied
                       : any(db,
                             "SELECT 1 FROM mappings m JOIN images i ON i.id = m.image"
                             " WHERE m.snapshot = ? AND i.source_image <> '' LIMIT 1",
                             id, err);
}

static int count(void *arg, const struct vml_snapshot *s, struct vml_error *err)
{
    struct costs *c = arg;
    struct vml_db *db = vml_store_db(c->store);
    int again = is_seen(c, s, err);
    if (again > 0)
        again = is_copy(db, s->id, err);
    if (again < 0)
        return -1;
    int used = any(db,
                   "SELECT 1 FROM mappings m JOIN images i ON i.id = m.image"
                   " WHERE m.snapshot = ?" VML_REGISTERED " LIMIT 1",
                   s->id, err);
    if (used < 0)
        return -1;
    const struct vml_snapshot_cost cost = {
        .snapshot = s,
        /* the disk's last block may be a short one here */
        .ebs = again ? 0 : vml_round_up(s->data_size, VML_BLOCK),
        .used = used > 0,
    };
    return c->fn(c->arg, &cost, err);
}

int vml_snapshot_costs(struct vml_store *s, vml_snapshot_cost_fn *fn, void *arg,
                       struct vml_error *err)
{
    VML_AUTO(costs_clear) struct costs c = { .store = s, .fn = fn, .arg = arg };
    return vml_snapshot_each(s, count, &c, err);
}

double vml_monthly_cost(uint64_t bytes, double price)
{
    return (double)bytes / (double)VML_GIB * price;
}
