/* Pruning: which images go, and one transaction in which they do. */
#include "vmlift/prune.h"

#include <stdlib.h>
#include <string.h>

#include "ami/registry.h"
#include "vmlift/filter.h"
#include "vmlift/rules.h"

struct candidate {
    struct vml_image image;
    const char *why, *stays; /* as struct vml_pruned has them; why NULL: it is not to go */
    bool newest;             /* one of those to keep */
    struct vml_deregistered gone;
};

struct plan {
    struct vml_store *store;
    const struct vml_where *where;
    const struct vml_prune *how;
    int64_t now;
    struct candidate *items; /* oldest first */
    size_t n, room;
};

static void plan_clear(struct plan *p)
{
    for (size_t i = 0; i < p->n; i++) {
        vml_image_clear(&p->items[i].image);
        vml_deregistered_clear(&p->items[i].gone);
    }
    free(p->items);
}

/* --- which ---------------------------------------------------------------------------------- */

static bool is_named(const struct vml_prune *how, const struct vml_image *a)
{
    size_t i = 0;
    while (i < how->n_names && !vml_pattern_match(how->names[i], a->name))
        i++;
    return how->n_names == 0 || i < how->n_names;
}

/* Takes the record over by asking for it: what a list tells of is the list's own. */
static int add(void *arg, const struct vml_image *a, struct vml_error *err)
{
    struct plan *p = arg;
    if (!is_named(p->how, a))
        return 0;
    if (p->n == p->room) {
        size_t room = p->room > 0 ? p->room * 2 : 64;
        struct candidate *more = reallocarray(p->items, room, sizeof *more);
        if (!more)
            return vml_fail_nomem(err);
        p->items = more;
        p->room = room;
    }
    struct candidate *c = &p->items[p->n];
    *c = (struct candidate){ 0 };
    if (vml_registry_get(p->store, p->where, a->id, &c->image, err) < 0)
        return -1;
    p->n++;
    return 0;
}

static void mark_newest(struct plan *p)
{
    for (size_t k = 0; k < p->how->n_names; k++) {
        unsigned kept = 0;
        for (size_t i = p->n; i-- > 0 && kept < p->how->keep_last;) {
            struct candidate *c = &p->items[i];
            if (strcmp(c->image.state, VML_DISABLED) == 0 ||
                !vml_pattern_match(p->how->names[k], c->image.name))
                continue;
            c->newest = true;
            kept++;
        }
    }
}

static const char *reason(const struct plan *p, const struct vml_image *a)
{
    if (p->how->deprecated && a->deprecated != 0 && a->deprecated <= p->now)
        return "deprecated";
    if (p->how->max_age >= 0 && a->created < p->now - p->how->max_age)
        return "old";
    return p->how->deprecated || p->how->max_age >= 0 ? NULL : "superseded";
}

static void decide(struct plan *p)
{
    mark_newest(p);
    for (size_t i = 0; i < p->n; i++) {
        struct candidate *c = &p->items[i];
        struct vml_error ignored = { 0 };
        c->why = c->newest ? NULL : reason(p, &c->image);
        if (strcmp(c->image.state, VML_DISABLED) == 0)
            c->stays = "disabled";
        else if (vml_rule_deregister(&c->image, p->now, &ignored) < 0)
            c->stays = "protected";
    }
}

static int make_plan(struct plan *p, struct vml_error *err)
{
    static const char *const self[] = { "self" };
    const struct vml_image_query own = { .owners = self, .n_owners = 1, .disabled = true };
    if (vml_registry_list(p->store, p->where, &own, add, p, err) < 0)
        return -1;
    decide(p);
    return 0;
}

int vml_prune_check(const struct vml_prune *how, struct vml_error *err)
{
    if (how->max_age < 0 && !how->deprecated && how->keep_last == 0)
        return vml_fail(err, VML_EUSAGE, "usage/prune",
                        "prune: which ones? Say --older-than, --deprecated or --keep-last");
    if (how->keep_last > 0 && how->n_names == 0)
        return vml_fail(err, VML_EUSAGE, "usage/prune", "prune: the last %u of which? Say --name",
                        how->keep_last);
    for (size_t i = 0; i < how->n_names; i++) {
        if (vml_pattern_check(how->names[i], err) < 0)
            return -1;
    }
    return 0;
}

/* --- going ---------------------------------------------------------------------------------- */

/* Decided inside the transaction: nobody protects one meanwhile, or registers a newer one. */
static int prune(void *arg, struct vml_db *db, struct vml_error *err)
{
    struct plan *p = arg;
    if (make_plan(p, err) < 0 || (p->how->delete_snapshots && vml_snapshot_uses_check(db, err) < 0))
        return -1;
    for (size_t i = 0; i < p->n; i++) {
        struct candidate *c = &p->items[i];
        if (!c->why || c->stays)
            continue;
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (vml_deregister_in(p->store, db, p->where, "prune", c->image.id,
                              p->how->delete_snapshots, &c->gone, err) < 0)
            return -1;
    }
    return 0;
}

static int tell(struct plan *p, vml_prune_fn *fn, void *arg, struct vml_error *err)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct candidate *c = &p->items[i];
        const struct vml_pruned pruned = {
            .image = &c->image,
            .why = c->why,
            .stays = c->stays,
            .gone = p->how->dry_run || c->stays ? NULL : &c->gone,
        };
        if (c->why && fn(arg, &pruned, err) < 0)
            return -1;
    }
    return 0;
}

int vml_registry_prune(struct vml_store *s, const struct vml_where *where,
                       const struct vml_prune *how, vml_prune_fn *fn, void *arg,
                       struct vml_error *err)
{
    VML_AUTO(plan_clear)
    struct plan p = { .store = s, .where = where, .how = how, .now = vml_now() };
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    if (vml_prune_check(how, err) < 0)
        return -1;
    if (how->dry_run)
        return make_plan(&p, err) < 0 ? -1 : tell(&p, fn, arg, err);
    return vml_txn_begin(&t, s, err) < 0 || vml_txn_commit(t, prune, &p, err) < 0
               ? -1
               : tell(&p, fn, arg, err);
}
