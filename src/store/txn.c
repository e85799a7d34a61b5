/* A transaction: packs are filled and sealed on the way, snapshots are shown at the end.
 *
 *     fill      blocks into packs; a full one is sealed, and its rows are shown
 *     commit    a number is taken; in one SQL transaction: the rows of snapshots, images and what
 *               else changes, a record of each object that changed into the last pack, its seal,
 *               its rows
 *
 * A sealed pack's rows go into the catalog at once: blocks without a snapshot are merely garbage
 * until the commit, and no gc can run meanwhile, since it waits for the lock that the transaction
 * holds. So what is kept in memory is one pack's index, however large the disks are. */
#include "store/internal.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "vmlift/codec.h"
#include "vmlift/endian.h"

#define LATELY 65536u /* stored blocks that were found good, as far as is remembered */
#define FLUSH                                                                          \
    (1u << 20) /* a pack of more bytes reaches the disk before others are kept waiting \
                */

struct vml_txn {
    struct vml_store *store;
    int lock;
    struct vml_pack *pack; /* NULL: nothing since the last seal */
    struct vml_snapshot *pending;
    size_t n_pending;
    _Atomic uint64_t *good; /* LATELY: the first bytes of an address each, by their own low bits */
    pthread_mutex_t lock_bad;
    struct vml_addresses bad; /* blocks whose stored copies are damaged or gone */
    uint64_t healed;
    bool over; /* committed, or failed on the way: neither may go on */
};

int vml_txn_begin_unlocked(struct vml_txn **out, struct vml_store *s, struct vml_error *err)
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = calloc(1, sizeof *t);

    if (t == NULL)
        return vml_fail_nomem(err);
    t->store = s;
    t->lock = -1;
    pthread_mutex_init(&t->lock_bad, NULL);
    t->good = calloc(LATELY, sizeof *t->good);
    if (t->good == NULL)
        return vml_fail_nomem(err);
    if (vml_store_check_shared(s, err) < 0)
        return -1;
    *out = t;
    t = NULL;
    return 0;
}

int vml_txn_begin(struct vml_txn **out, struct vml_store *s, struct vml_error *err)
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;

    if (vml_txn_begin_unlocked(&t, s, err) < 0 || vml_store_lock(s, false, &t->lock, err) < 0)
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
        vml_snapshot_clear(&t->pending[i]);
    free(t->pending);
    free(t->good);
    vml_addresses_clear(&t->bad);
    pthread_mutex_destroy(&t->lock_bad);
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

uint64_t vml_txn_healed(const struct vml_txn *t)
{
    return t->healed;
}

/* --- filling -------------------------------------------------------------------------------- */

static int check_alive(const struct vml_txn *t, struct vml_error *err)
{
    return t->over ? vml_fail(err, VML_EIO, "store/transaction",
                              "the transaction is over: an earlier step of it failed")
                   : 0;
}

static int add_rows(struct vml_txn *t, struct vml_error *err)
{
    int rc;

    pthread_mutex_lock(&t->lock_bad);
    vml_addresses_sort(&t->bad);
    rc = vml_blocks_add(t->store->db, t->pack, &t->bad, &t->healed, err);
    pthread_mutex_unlock(&t->lock_bad);
    return rc;
}

static int seal_and_show(struct vml_txn *t, struct vml_error *err)
{
    struct vml_db *db = t->store->db;

    if (vml_pack_seal(t->pack, err) < 0 || vml_db_begin(db, err) < 0)
        return -1;
    if (add_rows(t, err) < 0) {
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

/* The frame's XXH3 says whether it is what was written, and its address was the SHA-256 of what it
 * holds when it was: to compute that again would find only what somebody changed on purpose, sums
 * and all, and who can write to the store needs no such detour.  (verify computes it.) */
int vml_txn_known(struct vml_txn *t, const uint8_t address[32], uint8_t *scratch, bool *known,
                  struct vml_error *err)
{
    struct vml_place place;
    uint64_t tag = le64(address) | 1; /* not 0, which is nobody's */
    int rc;

    if (vml_block_find(t->store->db, address, &place, known, err) < 0)
        return -1;
    if (!*known || atomic_load(&t->good[tag / 2 % LATELY]) == tag)
        return 0;
    if (vml_frame_fetch(t->store->packs, place.pack, &place.entry, scratch, err) == 0) {
        atomic_store(&t->good[tag / 2 % LATELY], tag);
        return 0;
    }
    if (err->code != VML_EDATA)
        return -1;
    *known = false;
    pthread_mutex_lock(&t->lock_bad);
    rc = vml_addresses_add(&t->bad, address, err);
    pthread_mutex_unlock(&t->lock_bad);
    return rc;
}

int vml_txn_stored(struct vml_txn *t, const uint8_t address[32], bool *stored,
                   struct vml_error *err)
{
    struct vml_place place;

    *stored = t->pack != NULL && vml_pack_has(t->pack, address);
    return *stored ? 0 : vml_block_find(t->store->db, address, &place, stored, err);
}

int vml_txn_block(struct vml_txn *t, enum vml_frame_type type, const void *raw, size_t len,
                  uint8_t address[32], struct vml_error *err)
{
    VML_AUTO(vml_freep) uint8_t *frame = malloc(vml_frame_bound(VML_FRAME_MAX));
    size_t frame_len;
    bool known;

    if (frame == NULL)
        return vml_fail_nomem(err);
    vml_sha256(raw, len, address);
    if (vml_txn_known(t, address, frame, &known, err) < 0)
        return -1;
    if (known)
        return 0;
    if (vml_frame_make(type, NULL, address, raw, len, frame, &frame_len, err) < 0)
        return -1;
    return vml_txn_frame(t, frame, frame_len, err);
}

int vml_txn_add_snapshot(struct vml_txn *t, const struct vml_snapshot *snap, struct vml_error *err)
{
    struct vml_snapshot *more;
    struct vml_snapshot copy = *snap;

    if (check_alive(t, err) < 0)
        return -1;
    more = realloc(t->pending, (t->n_pending + 1) * sizeof *more);
    if (more == NULL)
        return vml_fail_nomem(err);
    t->pending = more;
    /* What is sealed is nowhere else. */
    copy.description =
        strdup(snap->description != NULL && snap->key[0] == '\0' ? snap->description : "");
    copy.sealed = malloc(snap->sealed_len + 1);
    if (copy.description == NULL || copy.sealed == NULL) {
        vml_snapshot_clear(&copy);
        return vml_fail_nomem(err);
    }
    if (snap->sealed_len > 0)
        memcpy(copy.sealed, snap->sealed, snap->sealed_len);
    more[t->n_pending++] = copy;
    return 0;
}

/* A pack that is sealed can be read, and blocks that are in one are found as any others. */
int vml_txn_reader(struct vml_txn *t, const struct vml_snapshot *snap, struct vml_reader **out,
                   struct vml_error *err)
{
    const struct vml_cipher *cipher = NULL;

    if (check_alive(t, err) < 0)
        return -1;
    if (t->pack != NULL && seal_and_show(t, err) < 0) {
        t->over = true;
        return -1;
    }
    if (snap->key[0] != '\0' && vml_cipher_get(t->store, snap->key, snap->region, &cipher, err) < 0)
        return -1;
    return vml_snapshot_reader(out, t->store, snap, cipher, err);
}

/* --- the commit: inside its SQL transaction ------------------------------------------------- */

static int insert_snapshots(struct vml_txn *t, struct vml_error *err)
{
    struct vml_db *db = t->store->db;

    for (size_t i = 0; i < t->n_pending; i++) {
        const struct vml_snapshot *snap = &t->pending[i];
        int64_t seq;

        if (vml_row_next(db, "snapshots", &seq, err) < 0 ||
            vml_row_insert(db, err, "snapshots", "tittiibittb", snap->id, seq, snap->owner,
                           snap->region, (int64_t)snap->size, (int64_t)snap->data_size, snap->root,
                           sizeof snap->root, snap->created, snap->description, snap->key,
                           snap->sealed, snap->sealed_len) < 0)
            return -1;
    }
    return 0;
}

static int seal_last(struct vml_txn *t, struct vml_error *err)
{
    if (t->pack == NULL)
        return 0;
    if (vml_pack_seal(t->pack, err) < 0 || add_rows(t, err) < 0)
        return -1;
    vml_pack_freep(&t->pack);
    return 0;
}

static int write_record(struct vml_txn *t, const char *object, int64_t seq, int64_t after,
                        struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = NULL;
    VML_AUTO(vml_freep) uint8_t *frame = NULL;
    uint8_t address[32];
    size_t len;

    if (vml_record_make(t->store->db, object, seq, after, &text, err) < 0)
        return -1;
    frame = malloc(vml_frame_bound(strlen(text)));
    if (frame == NULL)
        return vml_fail_nomem(err);
    vml_sha256(text, strlen(text), address);
    if (vml_frame_make(VML_FRAME_RECORD, NULL, address, text, strlen(text), frame, &len, err) < 0)
        return -1;
    if (t->pack != NULL && vml_pack_crowded(t->pack) && seal_last(t, err) < 0)
        return -1;
    if ((t->pack == NULL && vml_pack_create(&t->pack, t->store->packs, err) < 0) ||
        vml_pack_append(t->pack, frame, len, err) < 0)
        return -1;
    return vml_row_put(t->store->db, err, "records", "tiib", object, seq, after, address,
                       sizeof address);
}

static int show_all(struct vml_txn *t, int64_t seq, int64_t after, vml_txn_also *also, void *arg,
                    struct vml_error *err)
{
    struct vml_db *db = t->store->db;
    const char *object;

    if (insert_snapshots(t, err) < 0 || (also != NULL && also(arg, db, err) < 0))
        return -1;
    for (size_t i = 0; (object = vml_db_changed(db, i)) != NULL; i++)
        if (write_record(t, object, seq, after, err) < 0)
            return -1;
    vml_db_recorded(db);
    return seal_last(t, err) < 0 ? -1 : vml_counter_set(db, VML_COMMITTED, seq, err);
}

int vml_txn_commit(struct vml_txn *t, vml_txn_also *also, void *arg, struct vml_error *err)
{
    struct vml_db *db = t->store->db;
    int64_t seq, after;

    if (check_alive(t, err) < 0)
        return -1;
    t->over = true;
    /* The pack is sealed while nobody else can write to the catalog: let that be short. */
    if (t->pack != NULL && vml_pack_bytes(t->pack) > FLUSH && vml_pack_flush(t->pack, err) < 0)
        return -1;
    if (vml_interrupted())
        return vml_fail_interrupted(err);
    if (vml_commit_begin(db, &seq, &after, err) < 0)
        return -1;
    if (show_all(t, seq, after, also, arg, err) < 0) {
        vml_db_rollback(db);
        return -1;
    }
    return vml_db_commit(db, err);
}
