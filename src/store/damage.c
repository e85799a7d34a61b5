/* Faults, and what suffers from them.
 *
 * What is wrong with a block is noted by its address, in a temporary table; a walk of all trees
 * then notes each place of a disk that has such a block; at the end each fault is told, with all
 * that suffers from it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"
#include "vmlift/codec.h"

int vml_damage_begin(struct vml_damage *d, struct vml_error *err)
{
    return vml_db_exec(
        d->db,
        "CREATE TEMP TABLE bad (id INTEGER PRIMARY KEY, address BLOB UNIQUE, slug TEXT, text TEXT);"
        "CREATE TEMP TABLE hits (bad INTEGER, object TEXT, off INTEGER, len INTEGER);"
        "CREATE INDEX temp.hits_bad ON hits (bad);"
        "CREATE TEMP TABLE clean (address BLOB PRIMARY KEY) WITHOUT ROWID",
        err);
}

int vml_damage_note(struct vml_damage *d, const uint8_t *address, const struct vml_error *fault,
                    struct vml_error *err)
{
    return vml_db_run(d->db, NULL, err,
                      "INSERT INTO bad (address, slug, text) VALUES (?, ?, ?)"
                      " ON CONFLICT (address) DO NOTHING",
                      "btt", address, address != NULL ? (size_t)32 : (size_t)0, fault->slug,
                      fault->text);
}

void vml_damage_say(struct vml_damage *d, const struct vml_error *fault)
{
    d->faults++;
    if (d->fn != NULL)
        d->fn(d->arg, &(struct vml_fault){ .slug = fault->slug, .text = fault->text });
}

/* --- the walk ------------------------------------------------------------------------------- */

/* The number of the fault at that address, 0 where there is none. */
static int find_bad(struct vml_damage *d, const uint8_t address[32], int64_t *bad,
                    struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    struct vml_error fault;
    bool known;
    char hex[65];

    if (vml_db_query(d->db, &st, err,
                     "SELECT coalesce((SELECT id FROM bad WHERE address = ?1), 0),"
                     " EXISTS (SELECT 1 FROM blocks WHERE address = ?1)",
                     "b", address, (size_t)32) < 0 ||
        vml_stmt_step(st, err) < 0)
        return -1;
    *bad = vml_stmt_int(st, 0);
    known = vml_stmt_int(st, 1) != 0;
    vml_stmt_freep(&st);
    if (*bad != 0 || known)
        return 0;
    vml_hex(hex, address, 32);
    vml_fail(&fault, VML_EDATA, "store/block-missing",
             "block %.16s is in no pack that the catalog knows", hex);
    return vml_damage_note(d, address, &fault, err) < 0 ? -1 : find_bad(d, address, bad, err);
}

/* Runs of the same block, which zeroed or patterned disks have, are one hit. */
static int flush_hit(struct vml_damage *d, struct vml_error *err)
{
    int64_t bad = d->hit.bad;

    d->hit.bad = 0;
    if (bad == 0)
        return 0;
    return vml_db_run(d->db, NULL, err, "INSERT INTO hits VALUES (?, ?, ?, ?)", "itii", bad,
                      d->object, (int64_t)d->hit.off, (int64_t)d->hit.len);
}

static int add_hit(struct vml_damage *d, int64_t bad, uint64_t off, uint64_t len,
                   struct vml_error *err)
{
    d->leaf_bad = true;
    if (d->hit.bad == bad && d->hit.off + d->hit.len == off) {
        d->hit.len += len;
        return 0;
    }
    if (flush_hit(d, err) < 0)
        return -1;
    d->hit.bad = bad;
    d->hit.off = off;
    d->hit.len = len;
    return 0;
}

/* A leaf whose blocks are all good need not be walked again for another snapshot. */
static int leave_leaf(struct vml_damage *d, struct vml_error *err)
{
    bool clean = d->in_leaf && !d->leaf_bad;

    d->in_leaf = false;
    return clean ? vml_db_run(d->db, NULL, err, "INSERT OR IGNORE INTO clean VALUES (?)", "b",
                              d->leaf, sizeof d->leaf)
                 : 0;
}

static int enter_leaf(struct vml_damage *d, const uint8_t address[32], struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_interrupted())
        return vml_fail_interrupted(err);
    if (vml_db_query(d->db, &st, err, "SELECT 1 FROM clean WHERE address = ?", "b", address,
                     (size_t)32) < 0 ||
        (rc = vml_stmt_step(st, err)) < 0)
        return -1;
    if (rc == 1)
        return 0;
    memcpy(d->leaf, address, 32);
    d->in_leaf = true;
    d->leaf_bad = false;
    return 1;
}

static int see_block(void *arg, enum vml_frame_type type, const uint8_t address[32], uint64_t off,
                     uint64_t len, struct vml_error *err)
{
    struct vml_damage *d = arg;
    int64_t bad;

    if (type != VML_FRAME_DATA && leave_leaf(d, err) < 0)
        return -1;
    if (find_bad(d, address, &bad, err) < 0)
        return -1;
    if (bad != 0)
        return add_hit(d, bad, off, len, err);
    return type == VML_FRAME_LEAF ? enter_leaf(d, address, err) : 1;
}

static int walk_snapshot(void *arg, const struct vml_snapshot *snap, struct vml_error *err)
{
    struct vml_damage *d = arg;
    struct vml_error fault;

    d->object = snap->id;
    d->in_leaf = false;
    if (vml_tree_walk(d->store, d->db, snap, see_block, d, &fault) < 0) {
        d->in_leaf = false;
        if (fault.code != VML_EDATA) {
            *err = fault;
            return -1;
        }
        vml_error_prefix(&fault, "snapshot %s", snap->id);
        if (vml_damage_note(d, NULL, &fault, err) < 0)
            return -1;
    }
    return leave_leaf(d, err) < 0 ? -1 : flush_hit(d, err);
}

/* --- records -------------------------------------------------------------------------------- */

static int compare_record(struct vml_damage *d, const char *object, int64_t seq, int64_t after,
                          const uint8_t *want, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = NULL;
    struct vml_error fault;
    uint8_t address[32];

    if (vml_record_make(d->db, object, seq, after, &text, &fault) < 0) {
        if (fault.code == VML_EDATA) /* a row that does not match its sum, which is told as such */
            return 0;
        *err = fault;
        return -1;
    }
    vml_sha256(text, strlen(text), address);
    if (memcmp(address, want, 32) == 0)
        return 0;
    vml_fail(&fault, VML_EDATA, "store/record", "%s: its rows are not what its record says",
             object);
    return vml_damage_note(d, NULL, &fault, err);
}

/* Each record's frame is there, and says what the rows say. */
static int walk_records(struct vml_damage *d, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(d->db, &st, err, "SELECT * FROM records ORDER BY object", "") < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        size_t len;
        const uint8_t *address = vml_stmt_blob(st, 3, &len);
        int64_t bad;

        if (vml_row_check(st, 0, "records", err) < 0)
            continue; /* told as a fault of the catalog */
        d->object = vml_stmt_text(st, 0);
        if (compare_record(d, d->object, vml_stmt_int(st, 1), vml_stmt_int(st, 2), address, err) <
                0 ||
            find_bad(d, address, &bad, err) < 0 ||
            (bad != 0 && (add_hit(d, bad, 0, 0, err) < 0 || flush_hit(d, err) < 0)))
            return -1;
    }
    return rc;
}

static int walk_unrecorded(struct vml_damage *d, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(d->db, &st, err,
                     "SELECT id FROM snapshots WHERE id NOT IN (SELECT object FROM records)"
                     " UNION SELECT id FROM images WHERE id NOT IN (SELECT object FROM records)",
                     "") < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        struct vml_error fault;

        vml_fail(&fault, VML_EDATA, "store/record", "%.40s: it has no record",
                 vml_stmt_text(st, 0));
        if (vml_damage_note(d, NULL, &fault, err) < 0)
            return -1;
    }
    return rc;
}

int vml_damage_walk(struct vml_damage *d, struct vml_error *err)
{
    struct vml_error fault;

    if (vml_snapshot_rows(d->db, walk_snapshot, d, &fault) < 0) {
        /* a damaged row ends the list: what it says is told as a fault of the catalog */
        if (fault.code != VML_EDATA) {
            *err = fault;
            return -1;
        }
        if (vml_damage_note(d, NULL, &fault, err) < 0)
            return -1;
    }
    return walk_records(d, err) < 0 ? -1 : walk_unrecorded(d, err);
}

/* --- telling -------------------------------------------------------------------------------- */

struct users {
    struct vml_fault_image *items;
    size_t n;
};

static void users_clear(struct users *u)
{
    free(u->items);
}

/* The images that boot or mount a snapshot, those that are registered. */
static int find_users(struct vml_damage *d, const char *snapshot, struct users *u,
                      struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(d->db, &st, err,
                     "SELECT DISTINCT i.seq, i.id, i.name FROM mappings m"
                     " JOIN images i ON i.id = m.image"
                     " WHERE m.snapshot = ? AND i.state <> 'deregistered' ORDER BY i.seq, i.id",
                     "t", snapshot) < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        struct vml_fault_image *more = realloc(u->items, (u->n + 1) * sizeof *more);

        if (more == NULL)
            return vml_fail_nomem(err);
        u->items = more;
        snprintf(more[u->n].id, sizeof more[u->n].id, "%s", vml_stmt_text(st, 1));
        snprintf(more[u->n].name, sizeof more[u->n].name, "%s", vml_stmt_text(st, 2));
        u->n++;
    }
    return rc;
}

static int tell_hits(struct vml_damage *d, int64_t bad, struct vml_fault *f, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(d->db, &st, err,
                     "SELECT object, off, len FROM hits WHERE bad = ? ORDER BY rowid", "i",
                     bad) < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        VML_AUTO(users_clear) struct users users = { .items = NULL };

        f->object = vml_stmt_text(st, 0);
        f->off = (uint64_t)vml_stmt_int(st, 1);
        f->len = (uint64_t)vml_stmt_int(st, 2);
        if (find_users(d, f->object, &users, err) < 0)
            return -1;
        f->images = users.items;
        f->n_images = users.n;
        if (d->fn != NULL)
            d->fn(d->arg, f);
        f->more = true;
    }
    return rc;
}

int vml_damage_tell(struct vml_damage *d, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(d->db, &st, err, "SELECT id, slug, text FROM bad ORDER BY id", "") < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        struct vml_fault f = { .slug = vml_stmt_text(st, 1), .text = vml_stmt_text(st, 2) };

        d->faults++;
        if (tell_hits(d, vml_stmt_int(st, 0), &f, err) < 0)
            return -1;
        if (!f.more && d->fn != NULL)
            d->fn(d->arg, &f);
    }
    return rc;
}
