/* The local registry: snapshots.  What a snapshot is belongs to the store; whose it is, who may use
 * it and what it is marked with, is here. */
#include <stdio.h>
#include <string.h>

#include "ami/marks_rows.h"
#include "ami/registry.h"

#define SEEN VML_SEEN(VML_GRANT_CREATE_VOLUME)

void vml_registry_snapshot_clear(struct vml_registry_snapshot *r)
{
    vml_snapshot_clear(&r->is);
    vml_marks_clear(&r->marks);
    *r = (struct vml_registry_snapshot){ 0 };
}

int vml_snapshot_missing(const char *id, struct vml_error *err)
{
    if (!vml_is_id(id, "snap-"))
        return vml_fail(err, VML_EREFUSED, "InvalidSnapshotID.Malformed",
                        "Invalid id: \"%.128s\" (expecting \"snap-...\")", id);
    return vml_fail(err, VML_ENOTFOUND, "InvalidSnapshot.NotFound",
                    "The snapshot '%s' does not exist", id);
}

/* --- reading -------------------------------------------------------------------------------- */

int vml_registry_snapshot_get(struct vml_store *s, const struct vml_where *where, const char *id,
                              struct vml_registry_snapshot *out, struct vml_error *err)
{
    static const char which[] = SEEN " AND i.id = ?3";
    VML_AUTO(vml_stmt_freep) struct vml_stmt *seen = NULL;
    VML_AUTO(vml_marks_close) struct vml_marks_cursor marks = { 0 };
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot r = { 0 };
    struct vml_db *db = vml_store_db(s);
    char sql[512];
    *out = (struct vml_registry_snapshot){ 0 };
    snprintf(sql, sizeof sql, "SELECT 1 FROM snapshots i WHERE %s", which);
    if (vml_db_query(db, &seen, err, sql, "ttt", where->owner, where->region, id) < 0)
        return -1;
    int row = vml_stmt_step(seen, err); /* stays open: what follows sees the same state */
    if (row <= 0)
        return row < 0 ? -1 : vml_snapshot_missing(id, err);
    if (vml_snapshot_get(s, id, &r.is, err) < 0 ||
        vml_marks_open(&marks, db, "snapshots", which, where, id, err) < 0 ||
        vml_marks_take(&marks, r.is.id, &r.marks, err) < 0)
        return -1;
    if (strcmp(r.is.owner, where->owner) != 0)
        vml_marks_hide(&r.marks, where->owner);
    *out = r;
    r = (struct vml_registry_snapshot){ 0 };
    return 0;
}

struct walk {
    const struct vml_where *where;
    struct vml_marks_cursor marks;
    vml_registry_snapshot_fn *fn;
    void *arg;
};

static void walk_close(struct walk *w)
{
    vml_marks_close(&w->marks);
}

static int see(void *arg, const struct vml_snapshot *snap, struct vml_error *err)
{
    struct walk *w = arg;
    VML_AUTO(vml_marks_clear) struct vml_marks marks = { 0 };
    if (strcmp(snap->region, w->where->region) != 0)
        return 0;
    if (vml_marks_take(&w->marks, snap->id, &marks, err) < 0)
        return -1;
    if (strcmp(snap->owner, w->where->owner) != 0) {
        if (!vml_marks_granted(&marks, VML_GRANT_CREATE_VOLUME, w->where->owner))
            return 0;
        vml_marks_hide(&marks, w->where->owner);
    }
    const struct vml_registry_snapshot r = { .is = *snap, .marks = marks };
    return w->fn(w->arg, &r, err);
}

int vml_registry_snapshot_each(struct vml_store *s, const struct vml_where *where,
                               vml_registry_snapshot_fn *fn, void *arg, struct vml_error *err)
{
    VML_AUTO(walk_close) struct walk w = { .where = where, .fn = fn, .arg = arg };
    if (vml_marks_open(&w.marks, vml_store_db(s), "snapshots", SEEN, where, NULL, err) < 0)
        return -1;
    return vml_snapshot_each(s, see, &w, err);
}

/* --- changing ------------------------------------------------------------------------------- */

/* One's own; what is only seen cannot be changed. */
static int get_own(struct vml_store *s, const struct vml_where *where, const char *id,
                   struct vml_registry_snapshot *out, struct vml_error *err)
{
    if (vml_registry_snapshot_get(s, where, id, out, err) < 0)
        return -1;
    return strcmp(out->is.owner, where->owner) == 0
               ? 0
               : vml_fail(err, VML_EREFUSED, "AuthFailure", "Not authorized for snapshot:%s", id);
}

int vml_registry_snapshot_own(struct vml_store *s, const struct vml_where *where, const char *id,
                              struct vml_error *err)
{
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot r = { 0 };
    return get_own(s, where, id, &r, err);
}

int vml_snapshot_change_in(struct vml_store *s, const struct vml_where *where, const char *id,
                           const struct vml_snapshot_change *how, struct vml_registry_snapshot *out,
                           struct vml_error *err)
{
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot r = { 0 };
    struct vml_db *db = vml_store_db(s);
    char detail[256] = "";
    if (get_own(s, where, id, &r, err) < 0)
        return -1;
    int changed = how->edit(how->arg, &r, detail, err);
    if (changed < 0 ||
        (changed > 0 && (vml_marks_write(db, r.is.id, &r.marks, err) < 0 ||
                         vml_history_add(db, r.is.id, where->owner, how->action, detail, err) < 0)))
        return -1;
    if (out) {
        *out = r;
        r = (struct vml_registry_snapshot){ 0 };
    }
    return changed;
}

struct change {
    struct vml_store *store;
    const struct vml_where *where;
    const char *id;
    const struct vml_snapshot_change *how;
    struct vml_registry_snapshot is;
};

static int change(void *arg, struct vml_db *db, struct vml_error *err)
{
    struct change *c = arg;
    (void)db;
    return vml_snapshot_change_in(c->store, c->where, c->id, c->how, &c->is, err) < 0 ? -1 : 0;
}

int vml_registry_snapshot_change(struct vml_store *s, const struct vml_where *where, const char *id,
                                 const struct vml_snapshot_change *how,
                                 struct vml_registry_snapshot *out, struct vml_error *err)
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    struct change c = { .store = s, .where = where, .id = id, .how = how };
    if (out)
        *out = (struct vml_registry_snapshot){ 0 };
    int rc = vml_txn_begin(&t, s, err) < 0 ? -1 : vml_txn_commit(t, change, &c, err);
    if (rc == 0 && out)
        *out = c.is;
    else
        vml_registry_snapshot_clear(&c.is);
    return rc;
}

int vml_registry_snapshot_add(struct vml_db *db, const struct vml_snapshot *snap,
                              const struct vml_marks *marks, const char *action, const char *detail,
                              struct vml_error *err)
{
    return vml_marks_write(db, snap->id, marks, err) < 0
               ? -1
               : vml_history_add(db, snap->id, snap->owner, action, detail, err);
}

/* Whose it is does not change, so that it can be asked before the store's own transaction. */
int vml_registry_snapshot_delete(struct vml_store *s, const struct vml_where *where, const char *id,
                                 struct vml_error *err)
{
    return vml_registry_snapshot_own(s, where, id, err) < 0 ? -1 : vml_snapshot_delete(s, id, err);
}
