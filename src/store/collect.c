/* gc: frees what no snapshot uses.
 *
 *     look      is the catalog sound, and as new as the packs?  Else nothing is freed
 *     mark      walk every tree; live addresses into a temporary table, what uploads have pinned,
 * and the newest records
 *     drop      one SQL transaction deletes the rows of dead blocks and of packs without any
 *     sweep     remove the files of packs that the catalog does not know (any more)
 *     graves    forget the records of what is gone, once no pack has older ones
 *     rewrite   packs that are 30 % garbage, many small ones, and those whose header, index or
 * footer is damaged: copy what lives into new ones, move the rows, sweep again
 *
 * Whole packs go first, so that a full disk gets room for the rewriting.  Rows go before files: cut
 * short anywhere, a gc leaves files that the next one sweeps.  No clock is asked: the exclusive
 * lock says that nobody is writing, and trees say what lives. */
#include <stdlib.h>
#include <string.h>

#include "store/keys.h"

#define GARBAGE_PERCENT 30
#define SMALL_PART      16 /* a pack is small below this part of a full one */
#define SMALL_PACKS     16 /* so many of them are merged */

struct collect {
    struct vml_store *store;
    struct vml_db *db; /* its own connection: the temporary tables are nobody else's */
    struct vml_collected *done;
    uint64_t freed, written;
};

/* --- look ----------------------------------------------------------------------------------- */

static void keep_first(void *arg, const struct vml_error *fault)
{
    struct vml_error *first = arg;

    if (first->code == VML_OK)
        *first = *fault;
}

static int look(struct collect *c, struct vml_error *err)
{
    struct vml_error first = { .code = VML_OK };

    if (vml_catalog_check(c->db, keep_first, &first, err) < 0)
        return -1;
    if (first.code == VML_OK && vml_catalog_behind(c->store, c->db, err) == 0)
        return 0;
    if (first.code != VML_OK)
        *err = first;
    if (err->code == VML_EDATA)
        vml_error_prefix(err, "nothing was freed");
    return -1;
}

/* --- mark ----------------------------------------------------------------------------------- */

static int add_live(struct collect *c, const uint8_t address[32], struct vml_error *err)
{
    return vml_db_run(c->db, NULL, err,
                      "INSERT INTO live (address) VALUES (?) ON CONFLICT (address) DO NOTHING", "b",
                      address, (size_t)32);
}

/* A leaf that was walked for one snapshot is not walked again.  That it is live does not say so: a
 * disk may have a block with the very bytes of another disk's leaf. */
static int mark_block(void *arg, enum vml_frame_type type, const uint8_t address[32], uint64_t off,
                      uint64_t len, struct vml_error *err)
{
    struct collect *c = arg;
    int64_t added = 0;

    (void)off;
    (void)len;
    if (add_live(c, address, err) < 0)
        return -1;
    if (type == VML_FRAME_DATA)
        return 1;
    if (vml_db_run(c->db, &added, err,
                   "INSERT INTO walked (address) VALUES (?) ON CONFLICT (address) DO NOTHING", "b",
                   address, (size_t)32) < 0)
        return -1;
    return added > 0;
}

static int mark_snapshot(void *arg, const struct vml_snapshot *snap, struct vml_error *err)
{
    struct collect *c = arg;

    if (vml_tree_walk(c->store, c->db, snap, mark_block, c, err) == 0)
        return 0;
    if (err->code == VML_EDATA)
        vml_error_prefix(err, "nothing was freed, since it is not known what is in use: %s",
                         snap->id);
    return -1;
}

static int mark_pinned(void *arg, const uint8_t address[32], struct vml_error *err)
{
    return add_live(arg, address, err);
}

/* In one SQL transaction for the sake of speed; it writes only the temporary tables. */
static int mark(struct collect *c, struct vml_error *err)
{
    const struct vml_pins_seen pinned = { .tree = mark_snapshot, .block = mark_pinned, .arg = c };

    if (vml_db_exec(c->db,
                    "CREATE TEMP TABLE live (address BLOB PRIMARY KEY) WITHOUT ROWID;"
                    "CREATE TEMP TABLE walked (address BLOB PRIMARY KEY) WITHOUT ROWID;"
                    "BEGIN",
                    err) < 0)
        return -1;
    if (vml_snapshot_rows(c->db, mark_snapshot, c, err) < 0 ||
        vml_pins_each(c->store, &pinned, err) < 0 ||
        vml_db_exec(c->db, "INSERT OR IGNORE INTO live SELECT address FROM records", err) < 0)
        return -1;
    return vml_db_exec(c->db, "COMMIT", err);
}

/* --- drop and sweep ------------------------------------------------------------------------- */

/* One SQL transaction that deletes rows. */
static int delete_rows(struct collect *c, const char *table, const char *where, int64_t *deleted,
                       struct vml_error *err)
{
    if (vml_db_begin(c->db, err) < 0)
        return -1;
    if (vml_row_delete(c->db, deleted, err, table, where, "") < 0) {
        vml_db_rollback(c->db);
        return -1;
    }
    return vml_db_commit(c->db, err);
}

static int drop_rows(struct collect *c, struct vml_error *err)
{
    int64_t dropped = 0;

    if (delete_rows(c, "blocks", "address NOT IN (SELECT address FROM live)", &dropped, err) < 0)
        return -1;
    c->done->blocks += (uint64_t)dropped;
    return 0;
}

static int sweep_pack(void *arg, const char *key, uint64_t size, struct vml_error *err)
{
    struct collect *c = arg;
    bool known;

    if (vml_interrupted())
        return vml_fail_interrupted(err);
    if (vml_pack_known(c->db, key, &known, err) < 0)
        return -1;
    if (known)
        return 0;
    if (vml_objects_delete(c->store->packs, key, err) < 0)
        return -1;
    c->done->packs++;
    c->freed += size;
    return 0;
}

static int sweep(struct collect *c, struct vml_error *err)
{
    if (delete_rows(c, "packs", "NOT EXISTS (SELECT 1 FROM blocks WHERE blocks.pack = packs.id)",
                    NULL, err) < 0)
        return -1;
    if (vml_objects_list(c->store->packs, sweep_pack, c, err) < 0)
        return -1;
    return vml_objects_sweep(c->store->packs, &c->freed, err);
}

/* --- graves --------------------------------------------------------------------------------- */

/* Objects without rows: what is left of them is the record that says so. */
#define GONE                                   \
    "object NOT IN (SELECT id FROM snapshots)" \
    " AND object NOT IN (SELECT id FROM images)"

static int old_record(void *arg, const struct vml_entry *e, const struct vml_record *r,
                      struct vml_error *err)
{
    struct collect *c = arg;

    return vml_db_run(c->db, NULL, err,
                      "INSERT OR IGNORE INTO remembered SELECT ?1"
                      " WHERE NOT EXISTS (SELECT 1 FROM records WHERE address = ?2)",
                      "tb", r->object, e->address, (size_t)32);
}

static int each_pack(void *arg, const char *key, uint64_t size, struct vml_error *err)
{
    struct collect *c = arg;

    (void)size;
    if (vml_interrupted())
        return vml_fail_interrupted(err);
    return vml_pack_records(c->store, key, old_record, c, err);
}

static int any_gone(struct collect *c, bool *any, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;

    if (vml_db_query(c->db, &st, err, "SELECT EXISTS (SELECT 1 FROM records WHERE " GONE ")", "") <
            0 ||
        vml_stmt_step(st, err) < 0)
        return -1;
    *any = vml_stmt_int(st, 0) != 0;
    return 0;
}

/* A pack that cannot be read may hold an old record of anything: then all of them stay. */
static int forget_graves(struct collect *c, struct vml_error *err)
{
    bool any;

    if (any_gone(c, &any, err) < 0)
        return -1;
    if (!any)
        return 0;
    if (vml_db_exec(c->db, "CREATE TEMP TABLE remembered (object TEXT PRIMARY KEY) WITHOUT ROWID",
                    err) < 0)
        return -1;
    if (vml_objects_list(c->store->packs, each_pack, c, err) < 0)
        return err->code == VML_EDATA ? 0 : -1;
    if (delete_rows(c, "records", GONE " AND object NOT IN (SELECT object FROM remembered)", NULL,
                    err) < 0 ||
        vml_db_exec(c->db,
                    "DELETE FROM live WHERE address IN (SELECT address FROM blocks WHERE type = 4)"
                    " AND address NOT IN (SELECT address FROM records)",
                    err) < 0)
        return -1;
    return drop_rows(c, err) < 0 ? -1 : sweep(c, err);
}

/* --- rewrite -------------------------------------------------------------------------------- */

/* The live frames of a pack, ascending; malloc'd. */
static int live_frames(struct collect *c, const char *pack, struct vml_place **out, size_t *n,
                       struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    VML_AUTO(vml_freep) struct vml_place *list = NULL;
    size_t cap = 0;
    int rc;

    *n = 0;
    if (vml_db_query(c->db, &st, err, "SELECT * FROM blocks WHERE pack = ? ORDER BY off", "t",
                     pack) < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        if (*n == cap) {
            void *more = realloc(list, (cap = cap > 0 ? 2 * cap : 256) * sizeof *list);

            if (more == NULL)
                return vml_fail_nomem(err);
            list = more;
        }
        if (vml_place_row(st, &list[*n], err) < 0)
            return -1;
        ++*n;
    }
    *out = list;
    list = NULL;
    return rc;
}

static int move_rows(struct collect *c, const struct vml_pack *pack, struct vml_error *err)
{
    const char *id = vml_pack_id(pack);
    size_t n;
    const struct vml_entry *e = vml_pack_entries(pack, &n);

    if (vml_row_insert(c->db, err, "packs", "ti", id, (int64_t)vml_pack_bytes(pack)) < 0)
        return -1;
    for (size_t i = 0; i < n; i++, e++)
        if (vml_place_put(c->db, id, e, err) < 0)
            return -1;
    return 0;
}

static int seal_and_move(struct collect *c, struct vml_pack **pack, struct vml_error *err)
{
    if (vml_pack_seal(*pack, err) < 0 || vml_db_begin(c->db, err) < 0)
        return -1;
    if (move_rows(c, *pack, err) < 0) {
        vml_db_rollback(c->db);
        return -1;
    }
    if (vml_db_commit(c->db, err) < 0)
        return -1;
    c->written += vml_pack_bytes(*pack);
    vml_pack_freep(pack);
    return sweep(c, err);
}

/* A frame that is damaged stays where it is, and with it what is left of its pack: gc is not the
 * one to decide that it is of no use. */
static int copy_frame(struct collect *c, const struct vml_place *p, struct vml_pack **pack,
                      struct vml_error *err)
{
    VML_AUTO(vml_freep) uint8_t *frame = malloc(VML_FRAME_HEADER + p->entry.stored);

    if (frame == NULL)
        return vml_fail_nomem(err);
    if (vml_frame_fetch(c->store->packs, p->pack, &p->entry, frame, err) < 0)
        return err->code == VML_EDATA ? 0 : -1;
    if (*pack == NULL && vml_pack_create(pack, c->store->packs, err) < 0)
        return -1;
    if (vml_pack_append(*pack, frame, VML_FRAME_HEADER + p->entry.stored, err) < 0)
        return -1;
    if (vml_pack_bytes(*pack) < c->store->pack_target && !vml_pack_crowded(*pack))
        return 0;
    return seal_and_move(c, pack, err);
}

static int rewrite_pack(struct collect *c, const char *id, struct vml_pack **pack,
                        struct vml_error *err)
{
    VML_AUTO(vml_freep) struct vml_place *list = NULL;
    size_t n;

    if (live_frames(c, id, &list, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (copy_frame(c, &list[i], pack, err) < 0)
            return -1;
    }
    return 0;
}

struct keys {
    struct collect *c;
    char (*list)[VML_KEY];
    size_t n, cap;
};

static void keys_clear(struct keys *k)
{
    free(k->list);
}

static int add_key(struct keys *k, const char *key, struct vml_error *err)
{
    if (strlen(key) != VML_KEY - 1)
        return vml_fail(err, VML_EDATA, "catalog/corrupt", "catalog: a pack is called '%.40s'",
                        key);
    if (k->n == k->cap) {
        size_t cap = k->cap > 0 ? 2 * k->cap : 64;
        void *more = realloc(k->list, cap * sizeof *k->list);

        if (more == NULL)
            return vml_fail_nomem(err);
        k->list = more;
        k->cap = cap;
    }
    memcpy(k->list[k->n++], key, VML_KEY);
    return 0;
}

/* Those that are mostly garbage, and small ones where there are many. */
static int wasteful_packs(struct keys *keys, struct vml_error *err)
{
    const struct collect *c = keys->c;
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(c->db, &st, err,
                     "SELECT id, (SELECT sum(stored + ?1) FROM blocks WHERE pack = id) AS used"
                     " FROM packs WHERE used + ?2 < bytes - bytes * ?3 / 100 OR (bytes < ?4"
                     " AND (SELECT count(*) FROM packs WHERE bytes < ?4) >= ?5)",
                     "iiiii", (int64_t)(VML_FRAME_HEADER + VML_INDEX_ENTRY),
                     (int64_t)(VML_PACK_HEADER + VML_PACK_FOOTER), (int64_t)GARBAGE_PERCENT,
                     (int64_t)(c->store->pack_target / SMALL_PART), (int64_t)SMALL_PACKS) < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1)
        if (add_key(keys, vml_stmt_text(st, 0), err) < 0)
            return -1;
    return rc;
}

/* One whose own words about its frames are damaged: nobody but a rebuild needs them, which then has
 * to search all of it, and finds no frame behind one whose header is damaged, too. */
static int add_unsound(void *arg, const char *key, uint64_t size, struct vml_error *err)
{
    struct keys *keys = arg;
    VML_AUTO(vml_freep) struct vml_entry *index = NULL;
    size_t n;

    (void)size;
    if (vml_interrupted())
        return vml_fail_interrupted(err);
    if (vml_pack_index(keys->c->store->packs, key, &index, &n, err) == 0)
        return 0;
    return err->code == VML_EDATA ? add_key(keys, key, err) : -1;
}

static int rewrite_all(struct collect *c, struct vml_error *err)
{
    VML_AUTO(keys_clear) struct keys keys = { .c = c };
    VML_AUTO(vml_pack_freep) struct vml_pack *pack = NULL;

    if (wasteful_packs(&keys, err) < 0 ||
        vml_objects_list(c->store->packs, add_unsound, &keys, err) < 0)
        return -1;
    for (size_t i = 0; i < keys.n; i++)
        if (rewrite_pack(c, keys.list[i], &pack, err) < 0)
            return -1;
    return pack != NULL ? seal_and_move(c, &pack, err) : 0;
}

/* Without room for a new pack the old ones stay as they are: that is no failure of the rest. */
static int rewrite(struct collect *c, struct vml_error *err)
{
    if (rewrite_all(c, err) == 0)
        return 0;
    return strcmp(err->slug, "io/full") == 0 ? sweep(c, err) : -1;
}

/* --- all of it ------------------------------------------------------------------------------ */

static int collect(struct collect *c, struct vml_error *err)
{
    if (look(c, err) < 0 || mark(c, err) < 0 || drop_rows(c, err) < 0 || sweep(c, err) < 0 ||
        forget_graves(c, err) < 0)
        return -1;
    return rewrite(c, err);
}

int vml_store_collect(struct vml_store *s, struct vml_collected *out, struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int lock = -1;
    VML_AUTO(vml_db_freep) struct vml_db *db = NULL;
    struct collect c = { .store = s, .done = out };
    int rc;

    *out = (struct vml_collected){ 0 };
    if (vml_store_check_shared(s, err) < 0 || vml_store_lock(s, true, &lock, err) < 0 ||
        vml_db_open(&db, s->catalog, false, err) < 0)
        return -1;
    c.db = db;
    if (vml_catalog_sweep(s, &c.freed, err) < 0 || vml_key_sweep(s, err) < 0)
        return -1;
    /* Always: what the disk has left when the WAL grows is not known now. */
    (void)vml_reserve_spend(s);
    rc = collect(&c, err);
    vml_reserve_make(s);
    out->bytes = c.freed > c.written ? c.freed - c.written : 0;
    return rc;
}
