/* verify: is everything that the catalog promises there, and right?
 *
 *     catalog   the engine's check, the schema, each row's sum, each table's total; no pack has a
 *               commit that the catalog does not know of
 *     packs     header, index, footer; each frame's XXH3, and (not when it is to be quick) its
 *               bytes' SHA-256; index against rows
 *     trees     each digest has a row and no fault
 *     records   each object has one, and it says what the rows say
 *     keys      each file is whole; each encrypted snapshot's row opens with its key, and so do its
 *               frames.  Where a key is not to be had, their XXH3 is what is left
 *
 * A pack's faults are noted while its frames are read by all cores, and told at the end with what
 * suffers from them (damage.c). */
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

struct verify {
    struct vml_store *store;
    struct vml_db *db; /* its own connection: the temporary tables are nobody else's */
    bool quick;
    struct vml_damage damage;
    struct vml_checked_keys keys;
    uint64_t closed; /* encrypted snapshots whose keys are not to be had */
    struct pack {
        char id[VML_KEY];
        uint64_t bytes;
    } * packs;
    size_t n_packs, next;
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    uint64_t done, total;
};

enum { NO_ROW, HAS_ROW };

/* --- packs: called by the scan for more frames ---------------------------------------------- */

struct items {
    struct vml_scan_item *list;
    size_t n, cap;
};

static int add_item(struct items *items, const char *pack, const struct vml_entry *e, int tag,
                    struct vml_error *err)
{
    if (items->n == items->cap) {
        size_t cap = items->cap > 0 ? 2 * items->cap : 256;
        void *more = realloc(items->list, cap * sizeof *items->list);

        if (more == NULL)
            return vml_fail_nomem(err);
        items->list = more;
        items->cap = cap;
    }
    items->list[items->n] = (struct vml_scan_item){ .entry = *e, .tag = tag };
    memcpy(items->list[items->n++].pack, pack, VML_KEY);
    return 0;
}

static bool same_entry(const struct vml_entry *a, const struct vml_entry *b)
{
    return memcmp(a->address, b->address, 32) == 0 && a->off == b->off && a->stored == b->stored &&
           a->raw == b->raw && a->type == b->type && a->codec == b->codec;
}

/* The rows of a pack and its index (NULL: it cannot be read), both ascending by offset.  A row that
 * the index does not have is a fault; a frame without a row is garbage, and read all the same. */
static int list_frames(struct verify *v, const char *pack, const struct vml_entry *index, size_t n,
                       struct items *items, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    struct vml_place row;
    struct vml_error fault;
    size_t i = 0;
    int rc;

    if (vml_db_query(v->db, &st, err, "SELECT * FROM blocks WHERE pack = ? ORDER BY off", "t",
                     pack) < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        if (vml_place_row(st, &row, &fault) < 0)
            continue; /* told as a fault of the catalog */
        for (; i < n && index[i].off < row.entry.off; i++)
            if (add_item(items, pack, &index[i], NO_ROW, err) < 0)
                return -1;
        if (index == NULL || (i < n && same_entry(&index[i], &row.entry))) {
            if (add_item(items, pack, &row.entry, HAS_ROW, err) < 0)
                return -1;
            i += index != NULL;
        } else {
            vml_frame_damaged(&fault, pack, &row.entry, "the pack's index has no such frame");
            if (vml_damage_note(&v->damage, row.entry.address, &fault, err) < 0)
                return -1;
        }
    }
    for (; rc == 0 && i < n; i++)
        rc = add_item(items, pack, &index[i], NO_ROW, err);
    return rc;
}

/* A pack that nothing refers to any more may be gone. */
static int is_used(struct verify *v, const char *pack, bool *used, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(v->db, &st, err, "SELECT 1 FROM blocks WHERE pack = ? LIMIT 1", "t", pack) <
            0 ||
        (rc = vml_stmt_step(st, err)) < 0)
        return -1;
    *used = rc == 1;
    return 0;
}

static int open_pack(struct verify *v, const struct pack *pack, struct items *items,
                     struct vml_error *err)
{
    VML_AUTO(vml_freep) struct vml_entry *index = NULL;
    struct vml_error fault;
    uint64_t size = 0;
    size_t n = 0;
    bool used;

    if (vml_pack_index(v->store->packs, pack->id, &index, &n, &fault) == 0) {
        if (vml_objects_size(v->store->packs, pack->id, &size, err) < 0)
            return -1;
        if (size != pack->bytes) {
            vml_fail(&fault, VML_EDATA, "catalog/corrupt",
                     "catalog: pack %s has %llu bytes, and its row says %llu", pack->id,
                     (unsigned long long)size, (unsigned long long)pack->bytes);
            if (vml_damage_note(&v->damage, NULL, &fault, err) < 0)
                return -1;
        }
    } else {
        *err = fault;
        if (fault.code != VML_EDATA || is_used(v, pack->id, &used, err) < 0)
            return -1;
        if (used && vml_damage_note(&v->damage, NULL, &fault, err) < 0)
            return -1;
    }
    return list_frames(v, pack->id, index, n, items, err);
}

static int next_pack(void *arg, struct vml_scan_item **items, size_t *n, struct vml_error *err)
{
    struct verify *v = arg;
    struct items list = { .list = NULL };

    while (list.n == 0 && v->next < v->n_packs)
        if (open_pack(v, &v->packs[v->next++], &list, err) < 0) {
            free(list.list);
            return -1;
        }
    *items = list.list;
    *n = list.n;
    return 0;
}

/* A bad frame whose block is stored elsewhere is what healing left behind: gc takes it away. */
static int done_frame(void *arg, const struct vml_scan_item *item, const void *raw,
                      const struct vml_error *fault, struct vml_error *err)
{
    struct verify *v = arg;
    struct vml_place place;
    bool found = false;

    (void)raw;
    v->done += VML_FRAME_HEADER + item->entry.stored;
    if (v->progress != NULL)
        v->progress(v->damage.arg, vml_min_u64(v->done, v->total), v->total);
    if (fault == NULL)
        return 0;
    if (item->tag == NO_ROW &&
        vml_block_find(v->db, item->entry.address, &place, &found, err) < 0 &&
        err->code != VML_EDATA)
        return -1;
    return found ? 0
                 : vml_damage_note(&v->damage, item->tag == HAS_ROW ? item->entry.address : NULL,
                                   fault, err);
}

/* --- packs ---------------------------------------------------------------------------------- */

static int list_packs(struct verify *v, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(v->db, &st, err, "SELECT * FROM packs ORDER BY id", "") < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        struct pack *more;

        if (vml_row_check(st, 0, "packs", err) < 0)
            continue; /* told as a fault of the catalog */
        if (strlen(vml_stmt_text(st, 0)) != VML_KEY - 1)
            return vml_fail(err, VML_EDATA, "catalog/corrupt", "catalog: a pack is called '%.40s'",
                            vml_stmt_text(st, 0));
        more = realloc(v->packs, (v->n_packs + 1) * sizeof *more);
        if (more == NULL)
            return vml_fail_nomem(err);
        v->packs = more;
        memcpy(more[v->n_packs].id, vml_stmt_text(st, 0), VML_KEY);
        more[v->n_packs].bytes = (uint64_t)vml_stmt_int(st, 1);
        v->total += more[v->n_packs++].bytes;
    }
    return rc;
}

/* A row whose pack has no row itself, which no foreign key allows: the catalog is damaged. */
static int note_orphans(struct verify *v, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    struct vml_place row;
    int rc;

    if (vml_db_query(v->db, &st, err,
                     "SELECT * FROM blocks WHERE pack NOT IN (SELECT id FROM packs)", "") < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        struct vml_error fault;

        if (vml_place_row(st, &row, &fault) < 0)
            continue;
        vml_frame_damaged(&fault, row.pack, &row.entry, "the catalog does not know the pack");
        if (vml_damage_note(&v->damage, row.entry.address, &fault, err) < 0)
            return -1;
    }
    return rc;
}

static int verify_packs(struct verify *v, struct vml_error *err)
{
    const struct vml_scan scan = {
        .next = next_pack, .done = done_frame, .arg = v, .keys = &v->keys, .quick = v->quick
    };

    if (list_packs(v, err) < 0 || vml_scan(&scan, v->store->packs, err) < 0)
        return -1;
    if (v->progress != NULL)
        v->progress(v->damage.arg, v->total, v->total);
    return note_orphans(v, err);
}

/* --- all of it ------------------------------------------------------------------------------ */

static void tell_catalog(void *arg, const struct vml_error *fault)
{
    struct verify *v = arg;

    vml_damage_say(&v->damage, fault);
}

static int verify_catalog(struct verify *v, struct vml_error *err)
{
    if (vml_catalog_check(v->db, tell_catalog, v, err) < 0)
        return -1;
    if (vml_catalog_behind(v->store, v->db, err) == 0)
        return 0;
    if (err->code != VML_EDATA)
        return -1;
    if (strcmp(err->slug, "catalog/behind") == 0)
        vml_damage_say(&v->damage, err);
    return 0;
}

/* What the catalog's damage keeps from being looked at is no failure when it has been told. */
static int or_told(struct verify *v, int rc, struct vml_error *err)
{
    if (rc == 0 || err->code != VML_EDATA)
        return rc;
    if (v->damage.faults == 0)
        vml_damage_say(&v->damage, err);
    return 0;
}

/* Inside one read transaction: what is imported meanwhile is not looked at. */
static int verify(struct verify *v, struct vml_error *err)
{
    if (vml_damage_begin(&v->damage, err) < 0 || vml_db_exec(v->db, "BEGIN", err) < 0 ||
        verify_catalog(v, err) < 0 || or_told(v, verify_packs(v, err), err) < 0 ||
        or_told(v, vml_damage_walk(&v->damage, err), err) < 0 ||
        or_told(v, vml_damage_keys(&v->damage, &v->keys, &v->closed, err), err) < 0)
        return -1;
    return vml_damage_tell(&v->damage, err);
}

int vml_store_verify(struct vml_store *s, bool quick, vml_fault_fn *fn, void *arg,
                     void (*progress)(void *arg, uint64_t done, uint64_t total),
                     struct vml_verified *out, struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int lock = -1;
    VML_AUTO(vml_db_freep) struct vml_db *db = NULL;
    struct verify v = { .store = s, .quick = quick, .progress = progress };
    int rc;

    *out = (struct vml_verified){ 0 };
    if (vml_store_lock(s, false, &lock, err) < 0 || vml_db_open(&db, s->catalog, false, err) < 0)
        return -1;
    v.db = db;
    v.damage = (struct vml_damage){ .store = s, .db = db, .fn = fn, .arg = arg };
    vml_checked_keys_init(&v.keys, s);
    rc = verify(&v, err);
    vml_checked_keys_clear(&v.keys);
    free(v.packs);
    *out = (struct vml_verified){ .faults = v.damage.faults, .ciphertext = v.closed };
    return rc;
}
