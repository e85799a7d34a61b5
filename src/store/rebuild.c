/* rebuild: a new catalog from the packs alone.
 *
 *     scan      each frame of each pack, on all cores: a good one gets its row, and a record is
 * noted records   of each object the newest one whose commit came to its end becomes rows again
 *     walk      what suffers from what was damaged or is missing
 *     swap      the new catalog takes the name of the old one, which is kept (catalog_swap.c)
 *
 * Nothing of the old catalog is believed.  A pack whose index is damaged is read frame by frame.  A
 * commit that was killed between its pack and its SQL transaction, and after which there was none,
 * is found whole in the packs, and counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

struct rebuild {
    struct vml_store *store;
    struct vml_db *db; /* the new catalog */
    struct vml_damage damage;
    struct vml_rebuilt *out;
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    uint64_t done, total;
    struct found {
        char id[VML_KEY];
        uint64_t bytes;
    } * packs; /* the files */
    size_t n_packs, next;
    /* good frames of the pack that is being read, until its rows are written at one stroke */
    struct vml_scan_item *good;
    size_t n_good, cap_good;
};

/* --- the scan: which frames there are ------------------------------------------------------- */

static int list_pack(void *arg, const char *key, uint64_t size, struct vml_error *err)
{
    struct rebuild *r = arg;
    struct found *more = realloc(r->packs, (r->n_packs + 1) * sizeof *more);

    if (more == NULL)
        return vml_fail_nomem(err);
    r->packs = more;
    memcpy(more[r->n_packs].id, key, VML_KEY);
    more[r->n_packs++].bytes = size;
    r->total += size;
    return 0;
}

static int open_pack(struct rebuild *r, size_t number, struct vml_scan_item **items, size_t *n,
                     struct vml_error *err)
{
    VML_AUTO(vml_freep) struct vml_entry *index = NULL;
    const char *pack = r->packs[number].id;
    struct vml_error fault;

    if (vml_pack_index(r->store->packs, pack, &index, n, &fault) < 0) {
        *err = fault;
        if (fault.code != VML_EDATA || vml_damage_note(&r->damage, NULL, &fault, err) < 0 ||
            vml_pack_salvage(r->store->packs, pack, &index, n, err) < 0)
            return -1;
    }
    *items = calloc(*n + 1, sizeof **items);
    if (*items == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < *n; i++) {
        (*items)[i] = (struct vml_scan_item){ .entry = index[i], .tag = (int)number };
        memcpy((*items)[i].pack, pack, VML_KEY);
    }
    return 0;
}

static int next_pack(void *arg, struct vml_scan_item **items, size_t *n, struct vml_error *err)
{
    struct rebuild *r = arg;

    *n = 0;
    while (*n == 0 && r->next < r->n_packs) {
        free(*items);
        *items = NULL;
        if (open_pack(r, r->next++, items, n, err) < 0)
            return -1;
    }
    return 0;
}

/* --- the scan: which of them are good ------------------------------------------------------- */

static int insert_rows(struct rebuild *r, struct vml_error *err)
{
    const struct found *pack = &r->packs[r->good[0].tag];

    if (vml_row_insert(r->db, err, "packs", "ti", pack->id, (int64_t)pack->bytes) < 0)
        return -1;
    for (size_t i = 0; i < r->n_good; i++) {
        const struct vml_entry *e = &r->good[i].entry;

        /* where a block is in several packs, one of them will do */
        if (vml_row_insert(r->db, err, "blocks", "btiiiii", e->address, (size_t)32, pack->id,
                           (int64_t)e->off, (int64_t)e->stored, (int64_t)e->raw, (int64_t)e->codec,
                           (int64_t)e->type) < 0 &&
            err->code != VML_EEXISTS)
            return -1;
    }
    return 0;
}

static int flush_rows(struct rebuild *r, struct vml_error *err)
{
    if (r->n_good == 0)
        return 0;
    if (vml_db_begin(r->db, err) < 0)
        return -1;
    if (insert_rows(r, err) < 0) {
        vml_db_rollback(r->db);
        return -1;
    }
    r->n_good = 0;
    r->out->packs++;
    return vml_db_commit(r->db, err);
}

static int note_record(struct rebuild *r, const struct vml_entry *e, const void *text,
                       struct vml_error *err)
{
    VML_AUTO(vml_record_clear) struct vml_record record = { .rows = NULL };
    struct vml_error fault;

    if (vml_record_parse(&record, text, e->raw, &fault) < 0) {
        *err = fault;
        return fault.code == VML_EDATA ? vml_damage_note(&r->damage, NULL, &fault, err) : -1;
    }
    return vml_db_run(r->db, NULL, err, "INSERT OR IGNORE INTO found VALUES (?, ?, ?, ?)", "tiib",
                      record.object, record.seq, record.after, e->address, (size_t)32);
}

static int done_frame(void *arg, const struct vml_scan_item *item, const void *raw,
                      const struct vml_error *fault, struct vml_error *err)
{
    struct rebuild *r = arg;

    r->done += VML_FRAME_HEADER + item->entry.stored;
    if (r->progress != NULL)
        r->progress(r->damage.arg, vml_min_u64(r->done, r->total), r->total);
    if (r->n_good > 0 && r->good[0].tag != item->tag && flush_rows(r, err) < 0)
        return -1;
    if (fault != NULL)
        return vml_damage_note(&r->damage, item->entry.address, fault, err);
    if (r->n_good == r->cap_good) {
        size_t cap = r->cap_good > 0 ? 2 * r->cap_good : 256;
        void *more = realloc(r->good, cap * sizeof *r->good);

        if (more == NULL)
            return vml_fail_nomem(err);
        r->good = more;
        r->cap_good = cap;
    }
    r->good[r->n_good++] = *item;
    return item->entry.type == VML_FRAME_RECORD ? note_record(r, &item->entry, raw, err) : 0;
}

static int scan(struct rebuild *r, struct vml_error *err)
{
    const struct vml_scan scan = { .next = next_pack, .done = done_frame, .arg = r };

    if (vml_db_exec(r->db,
                    "CREATE TEMP TABLE found (object TEXT, seq INTEGER, after INTEGER,"
                    " address BLOB PRIMARY KEY) WITHOUT ROWID;"
                    "CREATE TEMP TABLE void (seq INTEGER PRIMARY KEY)",
                    err) < 0 ||
        vml_objects_list(r->store->packs, list_pack, r, err) < 0 ||
        vml_scan(&scan, r->store->packs, err) < 0 || flush_rows(r, err) < 0)
        return -1;
    /* a damaged copy of what is good in another pack harms nobody */
    return vml_db_exec(r->db, "DELETE FROM bad WHERE address IN (SELECT address FROM blocks)", err);
}

/* --- records -------------------------------------------------------------------------------- */

/* The numbers of commits that never came to their end: those between some record's after and its
 * seq.  *last: the highest number there is. */
static int find_void(struct rebuild *r, int64_t *last, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int64_t lowest = INT64_MAX;
    int rc;

    *last = 0;
    if (vml_db_query(r->db, &st, err,
                     "SELECT seq, min(after) FROM found GROUP BY seq ORDER BY seq DESC", "") < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        int64_t seq = vml_stmt_int(st, 0), after = vml_stmt_int(st, 1);

        if (seq > lowest &&
            vml_db_run(r->db, NULL, err, "INSERT INTO void VALUES (?)", "i", seq) < 0)
            return -1;
        *last = seq > *last ? seq : *last;
        lowest = after < lowest ? after : lowest;
    }
    return rc;
}

static int drop_object(struct rebuild *r, const char *object, struct vml_error *err)
{
    for (size_t i = vml_n_tables; i-- > 0;) {
        const struct vml_sql_table *t = &vml_tables[i];
        char where[64];

        if (t->object < 0)
            continue;
        snprintf(where, sizeof where, "%s = ?", t->columns[t->object]);
        if (vml_row_delete(r->db, NULL, err, t->name, where, "t", object) < 0)
            return -1;
    }
    return 0;
}

static int load_text(struct rebuild *r, const uint8_t *address, struct vml_record *record,
                     struct vml_error *err)
{
    VML_AUTO(vml_freep) uint8_t *text = malloc(VML_FRAME_MAX);
    struct vml_place place;
    bool found;

    if (text == NULL)
        return vml_fail_nomem(err);
    if (vml_block_find(r->db, address, &place, &found, err) < 0 ||
        vml_block_read(r->store, r->db, NULL, address, text, found ? place.entry.raw : 0, err) < 0)
        return -1;
    return vml_record_parse(record, text, place.entry.raw, err);
}

/* One that contradicts a newer one (both claim a name, since the record between them is lost) is
 * left out, and told. */
static int load_record(struct rebuild *r, const char *object, const uint8_t *address,
                       struct vml_error *err)
{
    VML_AUTO(vml_record_clear) struct vml_record record = { .rows = NULL };
    struct vml_error fault;

    if (load_text(r, address, &record, &fault) < 0 || vml_record_load(r->db, &record, &fault) < 0) {
        *err = fault;
        if (fault.code != VML_EDATA && fault.code != VML_EEXISTS)
            return -1;
        vml_error_prefix(&fault, "%s: left out", object);
        return drop_object(r, object, err) < 0 ? -1
                                               : vml_damage_note(&r->damage, NULL, &fault, err);
    }
    return vml_row_put(r->db, err, "records", "tiib", object, record.seq, record.after, address,
                       (size_t)32);
}

static int load_newest(struct rebuild *r, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(r->db, &st, err,
                     "SELECT object, address FROM found f WHERE seq NOT IN (SELECT seq FROM void)"
                     " AND NOT EXISTS (SELECT 1 FROM found g WHERE g.object = f.object"
                     " AND g.seq > f.seq AND g.seq NOT IN (SELECT seq FROM void))"
                     " ORDER BY seq DESC, object",
                     "") < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        char object[64];
        uint8_t address[32];
        size_t len;

        snprintf(object, sizeof object, "%s", vml_stmt_text(st, 0));
        memcpy(address, vml_stmt_blob(st, 1, &len), sizeof address);
        if (load_record(r, object, address, err) < 0)
            return -1;
    }
    return rc;
}

static int load_records(struct rebuild *r, struct vml_error *err)
{
    int64_t last;

    if (vml_db_exec(r->db, "CREATE INDEX temp.found_object ON found (object, seq)", err) < 0 ||
        find_void(r, &last, err) < 0 || vml_db_begin(r->db, err) < 0)
        return -1;
    if (load_newest(r, err) < 0 || vml_counter_set(r->db, VML_RESERVED, last, err) < 0 ||
        vml_counter_set(r->db, VML_COMMITTED, last, err) < 0) {
        vml_db_rollback(r->db);
        return -1;
    }
    vml_db_recorded(r->db); /* they are what was read */
    return vml_db_commit(r->db, err);
}

static int count_rows(struct rebuild *r, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;

    if (vml_db_query(r->db, &st, err,
                     "SELECT (SELECT count(*) FROM blocks), (SELECT count(*) FROM snapshots),"
                     " (SELECT count(*) FROM images WHERE state <> 'deregistered')",
                     "") < 0 ||
        vml_stmt_step(st, err) < 0)
        return -1;
    r->out->blocks = (uint64_t)vml_stmt_int(st, 0);
    r->out->snapshots = (uint64_t)vml_stmt_int(st, 1);
    r->out->images = (uint64_t)vml_stmt_int(st, 2);
    return 0;
}

static int fill(struct rebuild *r, struct vml_error *err)
{
    if (vml_damage_begin(&r->damage, err) < 0 || scan(r, err) < 0 || load_records(r, err) < 0 ||
        vml_damage_walk(&r->damage, err) < 0 || vml_damage_tell(&r->damage, err) < 0)
        return -1;
    return count_rows(r, err) < 0 ? -1 : vml_db_exec(r->db, "PRAGMA wal_checkpoint(TRUNCATE)", err);
}

/* --- all of it ------------------------------------------------------------------------------ */

static int rebuild(struct rebuild *r, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = vml_in_folder(r->store->dir, VML_CATALOG_NEW, err);
    VML_AUTO(vml_db_freep) struct vml_db *db = NULL;
    int rc;

    if (path == NULL || vml_db_open(&db, path, true, err) < 0)
        return -1;
    r->db = r->damage.db = db;
    rc = fill(r, err);
    vml_db_freep(&db);
    return rc < 0 ? -1 : vml_catalog_swap(r->store, r->out->kept, err);
}

int vml_store_rebuild(const char *dir, unsigned flags, vml_fault_fn *fn, void *arg,
                      void (*progress)(void *arg, uint64_t done, uint64_t total),
                      struct vml_rebuilt *out, struct vml_error *err)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(vml_close_fdp) int lock = -1;
    struct rebuild r = { .out = out, .progress = progress };
    struct vml_error ignored;
    uint64_t swept = 0;
    int rc;

    *out = (struct vml_rebuilt){ 0 };
    if (vml_store_open_packs(&s, dir, flags, &lock, err) < 0 ||
        vml_catalog_sweep(s, &swept, err) < 0)
        return -1;
    r.store = s;
    r.damage = (struct vml_damage){ .store = s, .fn = fn, .arg = arg };
    rc = rebuild(&r, err);
    if (rc < 0)
        (void)vml_catalog_sweep(s, &swept, &ignored);
    free(r.packs);
    free(r.good);
    out->faults = r.damage.faults;
    return rc;
}
