/* Snapshots as rows and as records. */
#include "store/internal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmlift/codec.h"

#define COLUMNS "id, owner, region, size, data_size, root, created, description, record"

void vml_snapshot_clear(struct vml_snapshot *s)
{
    free(s->description);
    s->description = NULL;
}

/* --- records -------------------------------------------------------------------------------- */

static void json_freep(json_t **j)
{
    json_decref(*j);
}

int vml_snapshot_record(const struct vml_snapshot *snap, char **text, struct vml_error *err)
{
    char root[65];
    VML_AUTO(json_freep) json_t *record = NULL;

    vml_hex(root, snap->root, sizeof snap->root);
    record =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:s}", "id", snap->id, "owner", snap->owner,
                  "region", snap->region, "size", (json_int_t)snap->size, "data_size",
                  (json_int_t)snap->data_size, "root", root, "created", (json_int_t)snap->created,
                  "description", snap->description != NULL ? snap->description : "");
    if (record == NULL) /* jansson takes nothing else */
        return vml_fail(err, VML_EUSAGE, "snapshot/text",
                        "owner, region and description must be UTF-8");
    *text = json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS);
    if (*text == NULL)
        return vml_fail_nomem(err);
    if (strlen(*text) <= VML_FRAME_MAX)
        return 0;
    free(*text);
    *text = NULL;
    return vml_fail(err, VML_EUSAGE, "snapshot/text", "the description is longer than %u bytes",
                    VML_FRAME_MAX);
}

/* --- rows ----------------------------------------------------------------------------------- */

/* *record points into the row. */
static int parse_row(struct vml_stmt *st, struct vml_snapshot *snap, const uint8_t **record,
                     struct vml_error *err)
{
    size_t root_len, record_len;
    const void *root = vml_stmt_blob(st, 5, &root_len);
    int64_t size = vml_stmt_int(st, 3), data_size = vml_stmt_int(st, 4);

    *record = vml_stmt_blob(st, 8, &record_len);
    if (root_len != 32 || (record_len != 32 && record_len != 0) || size < 0 ||
        (uint64_t)size > VML_DISK_MAX || data_size < 0 || data_size > size)
        return vml_fail(err, VML_EDATA, "catalog/corrupt",
                        "catalog: the row of snapshot %.40s cannot be: size %lld, data %lld",
                        vml_stmt_text(st, 0), (long long)size, (long long)data_size);
    *snap = (struct vml_snapshot){ .size = (uint64_t)size,
                                   .data_size = (uint64_t)data_size,
                                   .created = vml_stmt_int(st, 6) };
    snprintf(snap->id, sizeof snap->id, "%s", vml_stmt_text(st, 0));
    snprintf(snap->owner, sizeof snap->owner, "%s", vml_stmt_text(st, 1));
    snprintf(snap->region, sizeof snap->region, "%s", vml_stmt_text(st, 2));
    memcpy(snap->root, root, 32);
    snap->description = strdup(vml_stmt_text(st, 7));
    if (record_len == 0)
        *record = NULL;
    return snap->description != NULL ? 0 : vml_fail_nomem(err);
}

int vml_snapshot_rows(struct vml_db *db, vml_snapshot_row_fn *fn, void *arg, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(db, &st, err, "SELECT " COLUMNS " FROM snapshots ORDER BY seq", "") < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        struct vml_snapshot snap;
        const uint8_t *record;

        if (parse_row(st, &snap, &record, err) < 0)
            return -1;
        rc = fn(arg, &snap, record, err);
        vml_snapshot_clear(&snap);
        if (rc < 0)
            return -1;
    }
    return rc;
}

struct each {
    vml_snapshot_fn *fn;
    void *arg;
};

static int each_row(void *arg, const struct vml_snapshot *snap, const uint8_t *record,
                    struct vml_error *err)
{
    const struct each *each = arg;

    (void)record;
    return each->fn(each->arg, snap, err);
}

int vml_snapshot_each(struct vml_store *s, vml_snapshot_fn *fn, void *arg, struct vml_error *err)
{
    return vml_snapshot_rows(s->db, each_row, &(struct each){ fn, arg }, err);
}

static int not_found(const char *id, struct vml_error *err)
{
    return vml_fail(err, VML_ENOTFOUND, "snapshot/not-found", "%s: there is no such snapshot", id);
}

int vml_snapshot_get(struct vml_store *s, const char *id, struct vml_snapshot *out,
                     struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    const uint8_t *record;
    int rc;

    if (vml_db_query(s->db, &st, err, "SELECT " COLUMNS " FROM snapshots WHERE id = ?", "t", id) <
            0 ||
        (rc = vml_stmt_step(st, err)) < 0)
        return -1;
    return rc == 1 ? parse_row(st, out, &record, err) : not_found(id, err);
}

/* --- deleting ------------------------------------------------------------------------------- */

static int check_unused(struct vml_db *db, const char *id, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(db, &st, err,
                     "SELECT images.id FROM mappings JOIN images ON images.id = mappings.image"
                     " WHERE mappings.snapshot = ? AND images.state <> 'deregistered'"
                     " ORDER BY images.seq LIMIT 1",
                     "t", id) < 0 ||
        (rc = vml_stmt_step(st, err)) < 0)
        return -1;
    if (rc == 0)
        return 0;
    return vml_fail(err, VML_EREFUSED, "InvalidSnapshot.InUse",
                    "the snapshot %s is currently in use by %s", id, vml_stmt_text(st, 0));
}

static int delete_row(struct vml_db *db, const char *id, struct vml_error *err)
{
    int64_t changed = 0;

    if (check_unused(db, id, err) < 0 ||
        vml_db_run(db, &changed, err, "DELETE FROM snapshots WHERE id = ?", "t", id) < 0)
        return -1;
    if (changed == 0)
        return not_found(id, err);
    return vml_db_run(db, NULL, err, "DELETE FROM tags WHERE resource = ?", "t", id);
}

int vml_snapshot_delete(struct vml_store *s, const char *id, struct vml_error *err)
{
    if (vml_db_begin(s->db, err) < 0)
        return -1;
    if (delete_row(s->db, id, err) < 0) {
        vml_db_rollback(s->db);
        return -1;
    }
    return vml_db_commit(s->db, err);
}
