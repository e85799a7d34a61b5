/* verify: is everything that the catalog promises there, and right?
 *
 *     records   each snapshot's row against its record's digest: SQLite does not notice a flipped
 * bit packs     header, index, footer; each frame's XXH3, and its bytes' SHA-256; index against
 * rows trees     each digest has a row and no fault
 *
 * What is wrong with a block is first noted in a temporary table, by its address; the walk of the
 * trees then tells it with the snapshot and the bytes that suffer, and what no tree tells is told
 * at the end. */
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

#include "vmlift/codec.h"

struct verify {
    struct vml_store *store;
    struct vml_db *db; /* its own connection: the temporary tables are nobody else's */
    vml_fault_fn *fn;
    void *arg;
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    uint64_t done, total, faults;
    const char *snapshot; /* being walked */
    uint8_t *frame, *raw; /* room for the largest */
};

static void tell(struct verify *v, const struct vml_error *fault)
{
    v->faults++;
    if (v->fn != NULL)
        v->fn(v->arg, fault->slug, fault->text);
}

/* A fault of the store is told; a failure to look is handed on. */
static int tell_if_data(struct verify *v, struct vml_error *err)
{
    if (err->code != VML_EDATA)
        return -1;
    tell(v, err);
    return 0;
}

static int note_bad(struct verify *v, const uint8_t address[32], const struct vml_error *fault,
                    bool told, struct vml_error *err)
{
    return vml_db_run(v->db, NULL, err,
                      "INSERT INTO bad (address, slug, text, told) VALUES (?, ?, ?, ?)"
                      " ON CONFLICT (address) DO NOTHING",
                      "btti", address, (size_t)32, fault->slug, fault->text, (int64_t)told);
}

/* --- packs ---------------------------------------------------------------------------------- */

static int check_frame(struct verify *v, const char *pack, const struct vml_entry *e,
                       struct vml_error *fault)
{
    uint8_t address[32];

    if (vml_frame_fetch(v->store->packs, pack, e, v->frame, fault) < 0 ||
        vml_frame_expand(pack, e, v->frame, v->raw, fault) < 0)
        return -1;
    vml_sha256(v->raw, e->raw, address);
    if (memcmp(address, e->address, 32) != 0)
        return vml_frame_damaged(fault, pack, e, "its bytes do not have that SHA-256");
    return 0;
}

/* A frame in the index; row: the block is found there, so the walk of the trees will tell. */
static int verify_frame(struct verify *v, const char *pack, const struct vml_entry *e, bool row,
                        struct vml_error *err)
{
    struct vml_error fault;

    if (vml_interrupted())
        return vml_fail_interrupted(err);
    v->done += VML_FRAME_HEADER + e->stored;
    if (v->progress != NULL)
        v->progress(v->arg, v->done, v->total);
    if (check_frame(v, pack, e, &fault) == 0)
        return 0;
    if (fault.code == VML_EDATA && row)
        return note_bad(v, e->address, &fault, false, err);
    *err = fault;
    return tell_if_data(v, err);
}

static bool same_entry(const struct vml_entry *a, const struct vml_entry *b)
{
    return memcmp(a->address, b->address, 32) == 0 && a->off == b->off && a->stored == b->stored &&
           a->raw == b->raw && a->type == b->type && a->codec == b->codec;
}

/* The rows of a pack and its index, both ascending by offset.  A row that the index does not have
 * is a fault; a frame without a row is garbage, but no bit of it may have changed. */
static int verify_frames(struct verify *v, const char *pack, const struct vml_entry *index,
                         size_t n, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    struct vml_place row;
    size_t i = 0;
    int rc;

    if (vml_db_query(v->db, &st, err,
                     "SELECT " VML_PLACE_COLUMNS " FROM blocks WHERE pack = ? ORDER BY off", "t",
                     pack) < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        struct vml_error fault;

        if (vml_place_row(st, &row, &fault) < 0) {
            tell(v, &fault);
            continue;
        }
        for (; i < n && index[i].off < row.entry.off; i++)
            if (verify_frame(v, pack, &index[i], false, err) < 0)
                return -1;
        if (i < n && same_entry(&index[i], &row.entry)) {
            if (verify_frame(v, pack, &index[i++], true, err) < 0)
                return -1;
        } else {
            vml_frame_damaged(&fault, pack, &row.entry, "the pack's index has no such frame");
            if (note_bad(v, row.entry.address, &fault, false, err) < 0)
                return -1;
        }
    }
    if (rc < 0)
        return -1;
    for (; i < n; i++)
        if (verify_frame(v, pack, &index[i], false, err) < 0)
            return -1;
    return 0;
}

/* Without an index: what the rows say is there. */
static int verify_rows(struct verify *v, const char *pack, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    struct vml_place row;
    int rc;

    if (vml_db_query(v->db, &st, err,
                     "SELECT " VML_PLACE_COLUMNS " FROM blocks WHERE pack = ? ORDER BY off", "t",
                     pack) < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        struct vml_error fault;

        if (vml_place_row(st, &row, &fault) < 0)
            tell(v, &fault);
        else if (verify_frame(v, pack, &row.entry, true, err) < 0)
            return -1;
    }
    return rc;
}

static int verify_pack(struct verify *v, const char *pack, uint64_t bytes, struct vml_error *err)
{
    VML_AUTO(vml_freep) struct vml_entry *index = NULL;
    uint64_t start = v->done, size = 0;
    size_t n = 0;
    int rc;

    if (vml_pack_index(v->store->packs, pack, &index, &n, err) == 0) {
        rc = vml_objects_size(v->store->packs, pack, &size, err);
        if (rc == 0 && size != bytes) {
            vml_fail(err, VML_EDATA, "catalog/corrupt",
                     "catalog: pack %s has %llu bytes, and its row says %llu", pack,
                     (unsigned long long)size, (unsigned long long)bytes);
            tell(v, err);
        }
        if (rc == 0)
            rc = verify_frames(v, pack, index, n, err);
    } else {
        rc = tell_if_data(v, err);
        if (rc == 0)
            rc = verify_rows(v, pack, err);
    }
    v->done = start + bytes;
    return rc;
}

/* A row whose pack has no row itself, which no foreign key allows: the catalog is damaged. */
static int verify_orphans(struct verify *v, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    struct vml_place row;
    int rc;

    if (vml_db_query(v->db, &st, err,
                     "SELECT " VML_PLACE_COLUMNS " FROM blocks"
                     " WHERE pack NOT IN (SELECT id FROM packs)",
                     "") < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        struct vml_error fault;

        if (vml_place_row(st, &row, &fault) < 0) {
            tell(v, &fault);
            continue;
        }
        vml_frame_damaged(&fault, row.pack, &row.entry, "the catalog does not know the pack");
        if (note_bad(v, row.entry.address, &fault, false, err) < 0)
            return -1;
    }
    return rc;
}

static int verify_packs(struct verify *v, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(v->db, &st, err, "SELECT sum(bytes) FROM packs", "") < 0 ||
        vml_stmt_step(st, err) < 0)
        return -1;
    v->total = (uint64_t)vml_stmt_int(st, 0);
    vml_stmt_freep(&st);
    if (vml_db_query(v->db, &st, err, "SELECT id, bytes FROM packs ORDER BY id", "") < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        const char *pack = vml_stmt_text(st, 0);

        if (strlen(pack) != VML_KEY - 1 || strspn(pack, "0123456789abcdef") != VML_KEY - 1) {
            vml_fail(err, VML_EDATA, "catalog/corrupt", "catalog: a pack is called '%.40s'", pack);
            tell(v, err);
        } else if (verify_pack(v, pack, (uint64_t)vml_stmt_int(st, 1), err) < 0) {
            return -1;
        }
    }
    if (rc == 0 && v->progress != NULL)
        v->progress(v->arg, v->total, v->total);
    return rc < 0 ? -1 : verify_orphans(v, err);
}

/* --- trees ---------------------------------------------------------------------------------- */

/* 1: the block is there and right, 0: it is not, and that has been told. */
static int judge(struct verify *v, const uint8_t address[32], uint64_t off, uint64_t len,
                 struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    struct vml_error fault;
    char hex[65];

    vml_hex(hex, address, 32);
    if (vml_db_query(v->db, &st, err,
                     "SELECT EXISTS (SELECT 1 FROM blocks WHERE address = ?1), slug, text, told"
                     " FROM (SELECT 1) LEFT JOIN bad ON bad.address = ?1",
                     "b", address, (size_t)32) < 0 ||
        vml_stmt_step(st, err) < 0)
        return -1;
    if (vml_stmt_int(st, 3) != 0)
        return 0;
    if (vml_stmt_text(st, 1)[0] != '\0')
        vml_fail(&fault, VML_EDATA, vml_stmt_text(st, 1), "%s", vml_stmt_text(st, 2));
    else if (vml_stmt_int(st, 0) == 0)
        vml_fail(&fault, VML_EDATA, "store/block-missing",
                 "block %.16s is in no pack that the catalog knows", hex);
    else
        return 1;
    vml_error_prefix(&fault, "snapshot %s: bytes %llu..%llu", v->snapshot, (unsigned long long)off,
                     (unsigned long long)(off + len));
    tell(v, &fault);
    vml_stmt_freep(&st);
    if (note_bad(v, address, &fault, true, err) < 0)
        return -1;
    return vml_db_run(v->db, NULL, err, "UPDATE bad SET told = 1 WHERE address = ?", "b", address,
                      (size_t)32);
}

/* A leaf that was walked for another snapshot has told all it had to tell. */
static int verify_block(void *arg, enum vml_frame_type type, const uint8_t address[32],
                        uint64_t off, uint64_t len, struct vml_error *err)
{
    struct verify *v = arg;
    int64_t added = 1;
    int good = judge(v, address, off, len, err);

    if (good != 1 || type == VML_FRAME_DATA)
        return good;
    if (vml_interrupted())
        return vml_fail_interrupted(err);
    if (vml_db_run(v->db, &added, err,
                   "INSERT INTO walked (address) VALUES (?) ON CONFLICT (address) DO NOTHING", "b",
                   address, (size_t)32) < 0)
        return -1;
    return added > 0;
}

static int verify_record(struct verify *v, const struct vml_snapshot *snap, const uint8_t *record,
                         struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = NULL;
    struct vml_error fault;
    uint8_t address[32];
    int good;

    if (vml_snapshot_record(snap, &text, &fault) < 0 && fault.code != VML_EUSAGE) {
        *err = fault;
        return -1;
    }
    if (text != NULL)
        vml_sha256(text, strlen(text), address);
    if (text == NULL || record == NULL || memcmp(address, record, 32) != 0) {
        vml_fail(&fault, VML_EDATA, "store/record",
                 "snapshot %s: its row does not match its record", snap->id);
        tell(v, &fault);
    }
    good = record != NULL ? judge(v, record, 0, snap->size, err) : 1;
    return good < 0 ? -1 : 0;
}

static int verify_snapshot(void *arg, const struct vml_snapshot *snap, const uint8_t *record,
                           struct vml_error *err)
{
    struct verify *v = arg;

    v->snapshot = snap->id;
    if (verify_record(v, snap, record, err) < 0)
        return -1;
    if (vml_tree_walk(v->store, v->db, snap, verify_block, v, err) == 0)
        return 0;
    if (err->code != VML_EDATA)
        return -1;
    vml_error_prefix(err, "snapshot %s", snap->id);
    return tell_if_data(v, err);
}

static int tell_rest(struct verify *v, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(v->db, &st, err, "SELECT slug, text FROM bad WHERE told = 0 ORDER BY text",
                     "") < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        struct vml_error fault;

        vml_fail(&fault, VML_EDATA, vml_stmt_text(st, 0), "%s", vml_stmt_text(st, 1));
        tell(v, &fault);
    }
    return rc;
}

/* --- the catalog itself --------------------------------------------------------------------- */

static int verify_catalog(struct verify *v, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(v->db, &st, err, "PRAGMA integrity_check", "") < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        struct vml_error fault;

        if (strcmp(vml_stmt_text(st, 0), "ok") == 0)
            continue;
        vml_fail(&fault, VML_EDATA, "catalog/corrupt", "catalog: %s", vml_stmt_text(st, 0));
        tell(v, &fault);
    }
    return rc;
}

/* Inside one read transaction: what is imported meanwhile is not looked at. */
static int verify(struct verify *v, struct vml_error *err)
{
    if (vml_db_exec(v->db,
                    "CREATE TEMP TABLE bad (address BLOB PRIMARY KEY, slug TEXT, text TEXT,"
                    " told INTEGER) WITHOUT ROWID;"
                    "CREATE TEMP TABLE walked (address BLOB PRIMARY KEY) WITHOUT ROWID",
                    err) < 0 ||
        verify_catalog(v, err) < 0 || vml_db_exec(v->db, "BEGIN", err) < 0)
        return -1;
    if (verify_packs(v, err) < 0 || vml_snapshot_rows(v->db, verify_snapshot, v, err) < 0)
        return -1;
    return tell_rest(v, err);
}

int vml_store_verify(struct vml_store *s, vml_fault_fn *fn, void *arg,
                     void (*progress)(void *arg, uint64_t done, uint64_t total), uint64_t *faults,
                     struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int lock = -1;
    VML_AUTO(vml_db_freep) struct vml_db *db = NULL;
    VML_AUTO(vml_freep) uint8_t *frame = malloc(VML_FRAME_HEADER + VML_FRAME_MAX);
    VML_AUTO(vml_freep) uint8_t *raw = malloc(VML_FRAME_MAX);
    struct verify v = {
        .store = s, .fn = fn, .arg = arg, .progress = progress, .frame = frame, .raw = raw
    };

    *faults = 0;
    if (frame == NULL || raw == NULL)
        return vml_fail_nomem(err);
    if (vml_store_lock(s, false, &lock, err) < 0 || vml_db_open(&db, s->catalog, false, err) < 0)
        return -1;
    v.db = db;
    if (verify(&v, err) < 0)
        return -1;
    *faults = v.faults;
    return 0;
}
