/* The local registry: the snapshots that are asked for. */
#include <stdlib.h>
#include <string.h>

#include "ami/filter.h"
#include "ami/registry.h"
#include "catalog/rows.h"

struct walk {
    struct vml_store *store;
    const struct vml_where *where;
    const struct vml_snapshot_query *query;
    bool reveals; /* descriptions are asked for */
    vml_registry_snapshot_fn *fn;
    void *arg;
};

static bool is_own(const struct walk *w, const struct vml_registry_snapshot *r)
{
    return strcmp(r->is.owner, w->where->owner) == 0;
}

static bool has_owner(const struct walk *w, const struct vml_registry_snapshot *r)
{
    const struct vml_snapshot_query *q = w->query;
    for (size_t i = 0; i < q->n_owners; i++) {
        if (strcmp(q->owners[i], VML_EVERYONE) == 0 ||
            strcmp(r->is.owner, vml_query_account(q->owners[i], w->where)) == 0)
            return true;
    }
    return q->n_owners == 0;
}

/* "self" is for those that one owns or was given the permission for (EC2 API reference). */
static bool is_restorable(const struct walk *w, const struct vml_registry_snapshot *r)
{
    const struct vml_snapshot_query *q = w->query;
    for (size_t i = 0; is_own(w, r) && i < q->n_restorable_by; i++) {
        if (strcmp(q->restorable_by[i], "self") == 0)
            return true;
    }
    return q->n_restorable_by == 0 ||
           vml_query_granted(q->restorable_by, q->n_restorable_by, w->where, r->is.owner, &r->marks,
                             VML_GRANT_CREATE_VOLUME);
}

/* 1: none uses it, 0: one does. */
static int is_orphan(struct vml_db *db, const char *id, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    if (vml_db_query(db, &st, err,
                     "SELECT 1 FROM mappings m JOIN images i ON i.id = m.image"
                     " WHERE m.snapshot = ?" VML_REGISTERED " LIMIT 1",
                     "t", id) < 0)
        return -1;
    int row = vml_stmt_step(st, err);
    return row < 0 ? -1 : row == 0;
}

/* An encrypted one has no description before it is opened; without its key it has none to match. */
static int filter(const struct walk *w, const struct vml_registry_snapshot *r,
                  struct vml_error *err)
{
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot own = { 0 };
    if (!w->query->filters)
        return 1;
    if (!w->reveals || !r->is.key[0])
        return vml_filters_snapshot(w->query->filters, r);
    if (vml_snapshot_get(w->store, r->is.id, &own, err) < 0)
        return -1;
    if (vml_snapshot_reveal(w->store, &own, err) < 0 && strncmp(err->slug, "key/", 4) != 0)
        return -1;
    const struct vml_registry_snapshot revealed = { .is = own, .marks = r->marks };
    return vml_filters_snapshot(w->query->filters, &revealed);
}

static int see(void *arg, const struct vml_registry_snapshot *r, struct vml_error *err)
{
    const struct walk *w = arg;
    int orphan = 1;
    if (!has_owner(w, r) || !is_restorable(w, r) || (w->query->orphans && !is_own(w, r)))
        return 0;
    if (w->query->orphans)
        orphan = is_orphan(vml_store_db(w->store), r->is.id, err);
    int passes = orphan > 0 ? filter(w, r, err) : orphan;
    return passes > 0 ? w->fn(w->arg, r, err) : passes;
}

static bool asks_description(const struct vml_filters *f)
{
    for (size_t i = 0; f && i < f->n; i++) {
        if (strcmp(f->items[i].name, "description") == 0)
            return true;
    }
    return false;
}

struct named {
    const char *const *ids;
    size_t n;
    struct walk *walk;
};

/* In the order of all, which is by age. */
static int see_named(void *arg, const struct vml_registry_snapshot *r, struct vml_error *err)
{
    const struct named *l = arg;
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->ids[i], r->is.id) == 0)
            return see(l->walk, r, err);
    }
    return 0;
}

int vml_registry_snapshot_list(struct vml_store *s, const struct vml_where *where,
                               const struct vml_snapshot_query *q, vml_registry_snapshot_fn *fn,
                               void *arg, struct vml_error *err)
{
    struct walk w = { s, where, q, asks_description(q->filters), fn, arg };
    struct named named = { q->ids, q->n_ids, &w };
    if (vml_query_check(q->owners, q->n_owners, true, err) < 0 ||
        vml_query_check(q->restorable_by, q->n_restorable_by, false, err) < 0)
        return -1;
    /* What is damaged might use one. */
    if (q->orphans && (vml_table_check(vml_store_db(s), "mappings", err) < 0 ||
                       vml_table_check(vml_store_db(s), "images", err) < 0))
        return -1;
    /* EC2 leaves out what exists and is not seen; that would tell that it exists. */
    for (size_t i = 0; i < q->n_ids; i++) {
        VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot r = { 0 };
        if (vml_registry_snapshot_get(s, where, q->ids[i], &r, err) < 0)
            return -1;
    }
    return q->n_ids > 0 ? vml_registry_snapshot_each(s, where, see_named, &named, err)
                        : vml_registry_snapshot_each(s, where, see, &w, err);
}
