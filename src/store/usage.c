/* Whose the stored bytes are: what deleting a snapshot or an image would free, and what nobody
 * uses.
 *
 *     roots     each with the one snapshot and the one image that has it, or 0 for several
 *     leaves    the same, from the roots: each distinct root is read once
 *     used      the same of every block, from the leaves: each distinct leaf is read once
 *
 * A block is a snapshot's own when all that leads to it is.  So disks that share most of their
 * trees cost what is different in them, and memory is SQLite's, which spills. */
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

/* What one frame takes in its pack, and a pack besides. */
#define FRAME_COST (VML_FRAME_HEADER + VML_INDEX_ENTRY)
#define PACK_COST  (VML_PACK_HEADER + VML_PACK_FOOTER)

struct usage {
    struct vml_store *store;
    struct vml_db *db; /* its own connection: the temporary tables are nobody else's */
    struct vml_usage *out;
};

/* --- marking -------------------------------------------------------------------------------- */

/* Something at address belongs to that snapshot and that image; for what others have too, 0. */
#define UPSERT                                                                     \
    " ON CONFLICT (address) DO UPDATE SET"                                         \
    " snapshot = CASE WHEN snapshot = excluded.snapshot THEN snapshot ELSE 0 END," \
    " image = CASE WHEN image = excluded.image THEN image ELSE 0 END"

static int add_root(void *arg, const struct vml_snapshot *snap, struct vml_error *err)
{
    struct usage *u = arg;

    return vml_db_run(u->db, NULL, err,
                      "INSERT INTO roots SELECT ?1, ?2, number, image FROM owners"
                      " WHERE id = ?3" UPSERT,
                      "bit", snap->root, (size_t)32, (int64_t)vml_div_up(snap->size, VML_LEAF_SPAN),
                      snap->id);
}

/* The digests in a node of n of them go into a table, and are the node's. */
static int add_children(struct usage *u, const char *sql, const uint8_t *node, uint64_t n,
                        int64_t snapshot, int64_t image, struct vml_error *err)
{
    for (uint64_t i = 0; i < n; i++)
        if (!vml_is_hole(node + i * 32) && vml_db_run(u->db, NULL, err, sql, "bii", node + i * 32,
                                                      (size_t)32, snapshot, image) < 0)
            return -1;
    return 0;
}

/* All nodes in a table; what they lead to is added by sql. */
static int descend(struct usage *u, const char *from, const char *sql, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    VML_AUTO(vml_freep) uint8_t *node = malloc(VML_FRAME_MAX);
    int rc;

    if (node == NULL)
        return vml_fail_nomem(err);
    if (vml_db_query(u->db, &st, err, from, "") < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        size_t len;
        uint64_t n = (uint64_t)vml_stmt_int(st, 1);
        uint8_t address[32];

        if (vml_interrupted())
            return vml_fail_interrupted(err);
        memcpy(address, vml_stmt_blob(st, 0, &len), sizeof address);
        if (vml_block_read(u->store, u->db, NULL, address, node, n * 32, err) < 0 ||
            add_children(u, sql, node, n, vml_stmt_int(st, 2), vml_stmt_int(st, 3), err) < 0)
            return -1;
    }
    return rc;
}

/* Snapshots are numbered from 1; `image` is the number of the one image that uses it, 0 of several.
 * One that no image uses is by itself: its own number, negative. */
static const char owners[] =
    "CREATE TEMP TABLE owners (id TEXT PRIMARY KEY, number INTEGER, image INTEGER) WITHOUT ROWID;"
    "CREATE TEMP TABLE numbers (id TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID;"
    "CREATE TEMP TABLE roots (address BLOB PRIMARY KEY, n INTEGER, snapshot INTEGER,"
    " image INTEGER) WITHOUT ROWID;"
    "CREATE TEMP TABLE leaves (address BLOB PRIMARY KEY, snapshot INTEGER, image INTEGER)"
    " WITHOUT ROWID;"
    "CREATE TEMP TABLE used (address BLOB PRIMARY KEY, snapshot INTEGER, image INTEGER,"
    " data INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
    "BEGIN;"
    "INSERT INTO numbers SELECT id, row_number() OVER (ORDER BY seq, id) FROM images"
    " WHERE state <> 'deregistered';"
    "INSERT INTO owners SELECT id, number, CASE used WHEN 0 THEN -number WHEN 1 THEN"
    " (SELECT number FROM numbers JOIN mappings ON mappings.image = numbers.id"
    "  WHERE mappings.snapshot = s.id) ELSE 0 END"
    " FROM (SELECT id, row_number() OVER (ORDER BY seq, id) AS number,"
    "  (SELECT count(DISTINCT image) FROM mappings JOIN numbers ON numbers.id = mappings.image"
    "   WHERE mappings.snapshot = snapshots.id) AS used FROM snapshots) AS s;";

static int mark(struct usage *u, struct vml_error *err)
{
    if (vml_db_exec(u->db, owners, err) < 0 || vml_snapshot_rows(u->db, add_root, u, err) < 0 ||
        descend(u, "SELECT address, n, snapshot, image FROM roots",
                "INSERT INTO leaves VALUES (?, ?, ?)" UPSERT, err) < 0 ||
        descend(u, "SELECT address, 16384, snapshot, image FROM leaves",
                "INSERT INTO used VALUES (?, ?, ?, 1)" UPSERT, err) < 0)
        return -1;
    /* A disk may have a block with the very bytes of a node. */
    return vml_db_exec(u->db,
                       "INSERT INTO used SELECT address, snapshot, image, 0 FROM leaves"
                       " WHERE true" UPSERT ";"
                       "INSERT INTO used SELECT address, snapshot, image, 0 FROM roots"
                       " WHERE true" UPSERT ";",
                       err);
}

/* --- figures -------------------------------------------------------------------------------- */

/* A file in the packs' folder that the catalog does not know is garbage as a whole. */
static int add_stray(void *arg, const char *key, uint64_t size, struct vml_error *err)
{
    struct usage *u = arg;
    bool known;

    if (vml_pack_known(u->db, key, &known, err) < 0)
        return -1;
    if (!known)
        u->out->garbage += size;
    return 0;
}

static int totals(struct usage *u, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;

    if (vml_db_query(u->db, &st, err,
                     "SELECT (SELECT coalesce(sum(raw), 0) FROM used JOIN blocks USING (address)"
                     "  WHERE data = 1),"
                     " (SELECT coalesce(sum(stored), 0) FROM used JOIN blocks USING (address)"
                     "  WHERE data = 1),"
                     " (SELECT coalesce(sum(bytes), 0) FROM packs)"
                     " - (SELECT coalesce(sum(stored + ?1), 0) FROM blocks WHERE address IN"
                     "    (SELECT address FROM used UNION SELECT address FROM records))"
                     " - ?2 * (SELECT count(DISTINCT pack) FROM blocks WHERE address IN"
                     "    (SELECT address FROM used UNION SELECT address FROM records))",
                     "ii", (int64_t)FRAME_COST, (int64_t)PACK_COST) < 0 ||
        vml_stmt_step(st, err) < 0)
        return -1;
    u->out->unique = (uint64_t)vml_stmt_int(st, 0);
    u->out->compressed = (uint64_t)vml_stmt_int(st, 1);
    u->out->garbage = (uint64_t)vml_stmt_int(st, 2);
    return vml_objects_list(u->store->packs, add_stray, u, err);
}

/* Rows of: ID, name, size, data, own. */
static int tell(struct usage *u, bool image, const char *sql, vml_usage_fn *fn, void *arg,
                struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(u->db, &st, err, sql, "i", (int64_t)FRAME_COST) < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        const struct vml_used used = { .image = image,
                                       .id = vml_stmt_text(st, 0),
                                       .name = vml_stmt_text(st, 1),
                                       .size = (uint64_t)vml_stmt_int(st, 2),
                                       .data = (uint64_t)vml_stmt_int(st, 3),
                                       .own = (uint64_t)vml_stmt_int(st, 4) };

        if (fn(arg, &used, err) < 0)
            return -1;
    }
    return rc;
}

#define OWN(column)                                                               \
    "(SELECT " column " AS number, sum(stored + ?1) AS own FROM used JOIN blocks" \
    " USING (address) GROUP BY " column ")"

static const char images[] =
    "SELECT i.id, i.name, coalesce(sum(s.size), 0), coalesce(sum(s.data_size), 0), coalesce(own, 0)"
    " FROM images AS i JOIN numbers ON numbers.id = i.id"
    " LEFT JOIN (SELECT DISTINCT image, snapshot FROM mappings) AS m ON m.image = i.id"
    " LEFT JOIN snapshots AS s ON s.id = m.snapshot"
    " LEFT JOIN " OWN("image") " AS o ON o.number = numbers.number"
                               " GROUP BY i.id ORDER BY i.seq, i.id";

static const char snapshots[] = "SELECT s.id, '', s.size, s.data_size, coalesce(own, 0)"
                                " FROM snapshots AS s JOIN owners ON owners.id = s.id"
                                " LEFT JOIN " OWN("snapshot") " AS o ON o.number = owners.number"
                                                              " ORDER BY s.seq, s.id";

int vml_store_usage(struct vml_store *s, struct vml_usage *out, vml_usage_fn *fn, void *arg,
                    struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int lock = -1;
    VML_AUTO(vml_db_freep) struct vml_db *db = NULL;
    struct usage u = { .store = s, .out = out };

    *out = (struct vml_usage){ 0 };
    if (vml_store_lock(s, false, &lock, err) < 0 || vml_db_open(&db, s->catalog, false, err) < 0)
        return -1;
    u.db = db;
    if (mark(&u, err) < 0 || totals(&u, err) < 0)
        return -1;
    if (fn == NULL)
        return 0;
    return tell(&u, true, images, fn, arg, err) < 0 ? -1 : tell(&u, false, snapshots, fn, arg, err);
}
