/* The local registry: adding and changing images, each in one transaction with its history. */
#include <stdlib.h>
#include <string.h>

#include "ami/image_rows.h"
#include "ami/registry.h"
#include "vmlift/rules.h"

/* --- adding --------------------------------------------------------------------------------- */

int vml_registry_name_free(struct vml_db *db, const struct vml_image *a, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    if (vml_db_query(db, &st, err,
                     "SELECT * FROM images WHERE owner = ? AND region = ? AND name = ?"
                     " AND state <> '" VML_DEREGISTERED "'",
                     "ttt", a->owner, a->region, a->name) < 0)
        return -1;
    int row = vml_stmt_step(st, err);
    if (row > 0 && vml_row_check(st, 0, "images", err) < 0)
        return -1;
    if (row > 0)
        return vml_fail(err, VML_EREFUSED, "InvalidAMIName.Duplicate",
                        "AMI name %s is already in use by AMI %s", a->name, vml_stmt_text(st, 0));
    return row;
}

struct disks {
    uint64_t *size; /* of each mapping's snapshot, bytes */
    bool *encrypted;
};

static void disks_clear(struct disks *d)
{
    free(d->size);
    free(d->encrypted);
}

/* The snapshots must be the image's owner's and in its region. */
static int look_at_snapshots(struct vml_db *db, const struct vml_image *a, struct disks *d,
                             struct vml_error *err)
{
    d->size = calloc(a->n_mappings + 1, sizeof *d->size);
    d->encrypted = calloc(a->n_mappings + 1, sizeof *d->encrypted);
    if (!d->size || !d->encrypted)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < a->n_mappings; i++) {
        VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
        const char *id = a->mappings[i].snapshot;
        if (!id[0])
            continue;
        if (vml_db_query(db, &st, err,
                         "SELECT * FROM snapshots WHERE id = ? AND owner = ? AND region = ?", "ttt",
                         id, a->owner, a->region) < 0)
            return -1;
        int row = vml_stmt_step(st, err);
        if (row < 0)
            return -1;
        if (row == 0)
            return vml_snapshot_missing(id, err);
        if (vml_row_check(st, 0, "snapshots", err) < 0)
            return -1;
        d->size[i] = (uint64_t)vml_stmt_int(st, 4);
        d->encrypted[i] = vml_stmt_text(st, 9)[0] != '\0';
    }
    return 0;
}

/* Who registers says nothing of encryption: a volume is encrypted when its snapshot is.  And it is
 * as large as that, unless it is to be larger. */
static int check(struct vml_db *db, struct vml_image *a, struct vml_error *err)
{
    VML_AUTO(disks_clear) struct disks d = { 0 };
    if (look_at_snapshots(db, a, &d, err) < 0)
        return -1;
    for (size_t i = 0; i < a->n_mappings; i++) {
        if (a->mappings[i].snapshot[0] && a->mappings[i].size_gib == 0)
            a->mappings[i].size_gib = vml_div_up(d.size[i], VML_GIB);
    }
    if (vml_rule_register(a, d.size, err) < 0)
        return -1;
    for (size_t i = 0; i < a->n_mappings; i++) {
        if (a->mappings[i].snapshot[0])
            a->mappings[i].encrypted = d.encrypted[i];
    }
    return 0;
}

static void put_root_first(struct vml_image *a)
{
    const struct vml_mapping *at = vml_image_root(a);
    if (!at)
        return;
    size_t i = (size_t)(at - a->mappings);
    struct vml_mapping root = a->mappings[i];
    memmove(a->mappings + 1, a->mappings, i * sizeof root);
    a->mappings[0] = root;
}

int vml_registry_add_copy(struct vml_db *db, struct vml_image *a, const char *action,
                          const char *detail, struct vml_error *err)
{
    if (check(db, a, err) < 0 || (!a->id[0] && vml_new_id(a->id, "ami-", err) < 0))
        return -1;
    put_root_first(a);
    if (vml_row_next(db, "images", &a->seq, err) < 0 || vml_image_write(db, a, err) < 0)
        return -1;
    return vml_history_add(db, a->id, a->owner, action, detail, err);
}

int vml_registry_add(struct vml_db *db, struct vml_image *a, const char *action, const char *detail,
                     struct vml_error *err)
{
    return vml_registry_name_free(db, a, err) < 0
               ? -1
               : vml_registry_add_copy(db, a, action, detail, err);
}

/* --- changing ------------------------------------------------------------------------------- */

/* Of another account's image all that it is, and not what is shown of it: it is to be written back.
 */
static int see_all(struct vml_store *s, const struct vml_where *where, struct vml_image *a,
                   struct vml_error *err)
{
    struct vml_image shown = *a;
    const struct vml_where owner = { shown.owner, where->region };
    *a = (struct vml_image){ 0 };
    int rc = vml_registry_get(s, &owner, shown.id, a, err);
    vml_image_clear(&shown);
    return rc;
}

int vml_change_in(struct vml_store *s, struct vml_db *db, const struct vml_where *where,
                  const char *id_or_name, const struct vml_change *how, struct vml_image *out,
                  struct vml_error *err)
{
    char detail[256] = "";
    if (vml_registry_get(s, where, id_or_name, out, err) < 0)
        return -1;
    if (!how->by_others && strcmp(out->owner, where->owner) != 0)
        return vml_fail(err, VML_EREFUSED, "AuthFailure", "Not authorized for image:%s", out->id);
    if (strcmp(out->owner, where->owner) != 0 && see_all(s, where, out, err) < 0)
        return -1;
    int changed = how->edit(how->arg, out, detail, err);
    if (changed > 0 && (vml_image_write(db, out, err) < 0 ||
                        (how->also && how->also(how->arg, db, out, detail, err) < 0)))
        return -1;
    vml_image_hide(out, where->owner);
    if (changed <= 0)
        return changed;
    return vml_history_add(db, out->id, where->owner, how->action, detail, err);
}

struct change {
    struct vml_store *store;
    const struct vml_where *where;
    const char *id_or_name;
    const struct vml_change *how;
    struct vml_image is;
};

static int change(void *arg, struct vml_db *db, struct vml_error *err)
{
    struct change *c = arg;
    return vml_change_in(c->store, db, c->where, c->id_or_name, c->how, &c->is, err);
}

int vml_registry_change(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                        const struct vml_change *how, struct vml_image *out, struct vml_error *err)
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    struct change c = { .store = s, .where = where, .id_or_name = id_or_name, .how = how };
    if (out)
        *out = (struct vml_image){ 0 };
    int rc = vml_txn_begin(&t, s, err) < 0 ? -1 : vml_txn_commit(t, change, &c, err);
    if (rc == 0 && out)
        *out = c.is;
    else
        vml_image_clear(&c.is);
    return rc;
}
