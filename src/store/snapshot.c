/* Snapshots as rows. */
#include "store/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vml_snapshot_clear(struct vml_snapshot *s)
{
    free(s->description);
    free(s->sealed);
    s->description = NULL;
    s->sealed = NULL;
    s->sealed_len = 0;
}

/* --- rows ----------------------------------------------------------------------------------- */

static int parse_row(struct vml_stmt *st, struct vml_snapshot *snap, struct vml_error *err)
{
    size_t root_len, sealed_len;
    const void *root = vml_stmt_blob(st, 6, &root_len),
               *sealed = vml_stmt_blob(st, 10, &sealed_len);
    const char *description = vml_stmt_text(st, 8), *key = vml_stmt_text(st, 9);
    int64_t size = vml_stmt_int(st, 4), data_size = vml_stmt_int(st, 5);

    if (vml_row_check(st, 0, "snapshots", err) < 0)
        return -1;
    if (root_len != 32 || size < 0 || (uint64_t)size > VML_DISK_MAX || data_size < 0 ||
        data_size > size || strlen(key) >= sizeof snap->key ||
        (key[0] == '\0' ? sealed_len != 0 : sealed_len < VML_ENVELOPE || description[0] != '\0'))
        return vml_fail(err, VML_EDATA, "catalog/corrupt",
                        "catalog: the row of snapshot %.40s cannot be: size %lld, data %lld",
                        vml_stmt_text(st, 0), (long long)size, (long long)data_size);
    *snap = (struct vml_snapshot){ .size = (uint64_t)size,
                                   .data_size = (uint64_t)data_size,
                                   .created = vml_stmt_int(st, 7),
                                   .seq = vml_stmt_int(st, 1) };
    snprintf(snap->id, sizeof snap->id, "%s", vml_stmt_text(st, 0));
    snprintf(snap->owner, sizeof snap->owner, "%s", vml_stmt_text(st, 2));
    snprintf(snap->region, sizeof snap->region, "%s", vml_stmt_text(st, 3));
    memcpy(snap->root, root, 32);
    memcpy(snap->key, key, strlen(key));
    snap->description = strdup(description);
    snap->sealed = malloc(sealed_len + 1);
    snap->sealed_len = sealed_len;
    if (snap->description == NULL || snap->sealed == NULL)
        return vml_fail_nomem(err);
    if (sealed_len > 0)
        memcpy(snap->sealed, sealed, sealed_len);
    return 0;
}

int vml_snapshot_rows(struct vml_db *db, vml_snapshot_fn *fn, void *arg, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(db, &st, err, "SELECT * FROM snapshots ORDER BY seq, id", "") < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        struct vml_snapshot snap;

        if (parse_row(st, &snap, err) < 0)
            return -1;
        rc = fn(arg, &snap, err);
        vml_snapshot_clear(&snap);
        if (rc < 0)
            return -1;
    }
    return rc;
}

int vml_snapshot_each(struct vml_store *s, vml_snapshot_fn *fn, void *arg, struct vml_error *err)
{
    return vml_snapshot_rows(s->db, fn, arg, err);
}

static int not_found(const char *id, struct vml_error *err)
{
    return vml_fail(err, VML_ENOTFOUND, "snapshot/not-found", "%s: there is no such snapshot", id);
}

int vml_snapshot_get(struct vml_store *s, const char *id, struct vml_snapshot *out,
                     struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(s->db, &st, err, "SELECT * FROM snapshots WHERE id = ?", "t", id) < 0 ||
        (rc = vml_stmt_step(st, err)) < 0)
        return -1;
    return rc == 1 ? parse_row(st, out, err) : not_found(id, err);
}

/* --- deleting ------------------------------------------------------------------------------- */

int vml_snapshot_user(struct vml_db *db, const char *id, char image[32], struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;

    if (vml_db_query(db, &st, err,
                     "SELECT images.id FROM mappings JOIN images ON images.id = mappings.image"
                     " WHERE mappings.snapshot = ? AND images.state <> 'deregistered'"
                     " ORDER BY images.seq LIMIT 1",
                     "t", id) < 0)
        return -1;
    int rc = vml_stmt_step(st, err);
    if (rc == 1)
        snprintf(image, 32, "%s", vml_stmt_text(st, 0));
    return rc;
}

int vml_snapshot_uses_check(struct vml_db *db, struct vml_error *err)
{
    return vml_table_check(db, "mappings", err) < 0 ? -1 : vml_table_check(db, "images", err);
}

static int check_unused(struct vml_db *db, const char *id, struct vml_error *err)
{
    char image[32];
    int used = vml_snapshot_user(db, id, image, err);

    if (used > 0)
        return vml_fail(err, VML_EREFUSED, "InvalidSnapshot.InUse",
                        "the snapshot %s is currently in use by %s", id, image);
    return used;
}

int vml_snapshot_delete_next(struct vml_db *db, const char *id, struct vml_error *err)
{
    static const char *const parts[] = { "tags", "grants", "codes", "history" };
    int64_t deleted = 0;

    if (check_unused(db, id, err) < 0 ||
        vml_row_delete(db, &deleted, err, "snapshots", "id = ?", "t", id) < 0)
        return -1;
    if (deleted == 0)
        return not_found(id, err);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (vml_row_delete(db, NULL, err, parts[i], "resource = ?", "t", id) < 0)
            return -1;
    return 0;
}

int vml_snapshot_delete_also(struct vml_db *db, const char *id, struct vml_error *err)
{
    return vml_snapshot_uses_check(db, err) < 0 ? -1 : vml_snapshot_delete_next(db, id, err);
}

static int delete_one(void *arg, struct vml_db *db, struct vml_error *err)
{
    return vml_snapshot_delete_also(db, arg, err);
}

int vml_snapshot_delete(struct vml_store *s, const char *id, struct vml_error *err)
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;

    return vml_txn_begin(&t, s, err) < 0
               ? -1
               : vml_txn_commit(t, delete_one, (void *)(uintptr_t)id, err);
}
