/* A transaction: packs are filled and sealed on the way, snapshots are shown at the end.
 *
 * A sealed pack's rows go into the catalog at once: blocks without a snapshot are merely garbage
 * until the commit, and no gc can run meanwhile, since it waits for the lock that the transaction
 * holds. So what is kept in memory is one pack's index, however large the disks are. */
#include "store/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "vmlift/codec.h"

struct pending {
    struct vml_snapshot snap;
    uint8_t record[32];
};

struct vml_txn {
    struct vml_store *store;
    int lock;
    struct vml_pack *pack; /* NULL: nothing since the last seal */
    struct pending *pending;
    size_t n_pending;
    bool over; /* committed, or failed on the way: neither may go on */
};

int vml_txn_begin(struct vml_txn **out, struct vml_store *s, struct vml_error *err)
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = calloc(1, sizeof *t);

    if (t == NULL)
        return vml_fail_nomem(err);
    t->store = s;
    t->lock = -1;
    if (vml_store_lock(s, false, &t->lock, err) < 0)
        return -1;
    *out = t;
    t = NULL;
    return 0;
}

void vml_txn_free(struct vml_txn *t)
{
    if (t == NULL)
        return;
    vml_pack_free(t->pack);
    for (size_t i = 0; i < t->n_pending; i++)
        vml_snapshot_clear(&t->pending[i].snap);
    free(t->pending);
    vml_close_fdp(&t->lock);
    free(t);
}

void vml_txn_freep(struct vml_txn **t)
{
    vml_txn_free(*t);
    *t = NULL;
}

struct vml_store *vml_txn_store(struct vml_txn *t)
{
    return t->store;
}

/* --- filling -------------------------------------------------------------------------------- */

static int check_alive(const struct vml_txn *t, struct vml_error *err)
{
    return t->over ? vml_fail(err, VML_EIO, "store/transaction",
                              "the transaction is over: an earlier step of it failed")
                   : 0;
}

static int seal_and_show(struct vml_txn *t, struct vml_error *err)
{
    struct vml_db *db = t->store->db;

    if (vml_pack_seal(t->pack, err) < 0 || vml_db_begin(db, err) < 0)
        return -1;
    if (vml_blocks_add(db, t->pack, err) < 0) {
        vml_db_rollback(db);
        return -1;
    }
    if (vml_db_commit(db, err) < 0)
        return -1;
    vml_pack_freep(&t->pack);
    return 0;
}

static int append(struct vml_txn *t, const uint8_t *frame, size_t len, struct vml_error *err)
{
    if (t->pack == NULL && vml_pack_create(&t->pack, t->store->packs, err) < 0)
        return -1;
    if (vml_pack_has(t->pack, frame + 16))
        return 0;
    if (vml_pack_append(t->pack, frame, len, err) < 0)
        return -1;
    if (vml_pack_bytes(t->pack) < t->store->pack_target && !vml_pack_crowded(t->pack))
        return 0;
    return seal_and_show(t, err);
}

int vml_txn_frame(struct vml_txn *t, const uint8_t *frame, size_t len, struct vml_error *err)
{
    if (check_alive(t, err) < 0)
        return -1;
    if (append(t, frame, len, err) == 0)
        return 0;
    t->over = true; /* the pack may end in half a frame, or be sealed and not shown */
    return -1;
}

int vml_txn_block(struct vml_txn *t, enum vml_frame_type type, const void *raw, size_t len,
                  uint8_t address[32], struct vml_error *err)
{
    VML_AUTO(vml_freep) uint8_t *frame = NULL;
    struct vml_place place;
    size_t frame_len;
    bool known;

    vml_sha256(raw, len, address);
    if (vml_block_find(t->store->db, address, &place, &known, err) < 0)
        return -1;
    if (known)
        return 0;
    frame = malloc(vml_frame_bound(len));
    if (frame == NULL)
        return vml_fail_nomem(err);
    if (vml_frame_make(type, address, raw, len, frame, &frame_len, err) < 0)
        return -1;
    return vml_txn_frame(t, frame, frame_len, err);
}

int vml_txn_add_snapshot(struct vml_txn *t, const struct vml_snapshot *snap,
                         const uint8_t record[32], struct vml_error *err)
{
    struct pending *more;
    char *description;

    if (check_alive(t, err) < 0)
        return -1;
    more = realloc(t->pending, (t->n_pending + 1) * sizeof *more);
    if (more == NULL)
        return vml_fail_nomem(err);
    t->pending = more;
    description = strdup(snap->description != NULL ? snap->description : "");
    if (description == NULL)
        return vml_fail_nomem(err);
    more[t->n_pending].snap = *snap;
    more[t->n_pending].snap.description = description;
    memcpy(more[t->n_pending].record, record, 32);
    t->n_pending++;
    return 0;
}

/* --- the commit ----------------------------------------------------------------------------- */

static int show_all(struct vml_txn *t, vml_txn_also *also, void *arg, struct vml_error *err)
{
    struct vml_db *db = t->store->db;

    if (t->pack != NULL && vml_blocks_add(db, t->pack, err) < 0)
        return -1;
    for (size_t i = 0; i < t->n_pending; i++) {
        const struct vml_snapshot *snap = &t->pending[i].snap;

        if (vml_db_run(db, NULL, err,
                       "INSERT INTO snapshots (id, owner, region, size, data_size, root, created,"
                       " description, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                       "tttiibitb", snap->id, snap->owner, snap->region, (int64_t)snap->size,
                       (int64_t)snap->data_size, snap->root, sizeof snap->root, snap->created,
                       snap->description, t->pending[i].record, (size_t)32) < 0)
            return -1;
    }
    return also != NULL ? also(arg, db, err) : 0;
}

int vml_txn_commit(struct vml_txn *t, vml_txn_also *also, void *arg, struct vml_error *err)
{
    struct vml_db *db = t->store->db;

    if (check_alive(t, err) < 0)
        return -1;
    t->over = true;
    if (t->pack != NULL && vml_pack_seal(t->pack, err) < 0)
        return -1;
    if (vml_interrupted())
        return vml_fail_interrupted(err);
    if (vml_db_begin(db, err) < 0)
        return -1;
    if (show_all(t, also, arg, err) < 0) {
        vml_db_rollback(db);
        return -1;
    }
    return vml_db_commit(db, err);
}
