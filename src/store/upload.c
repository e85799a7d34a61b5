/* A snapshot that is written block by block, over hours, by whoever has a block.
 *
 *     put      store's lock, shared; digest, compress (in parallel); then one at a time: append to
 *              the pack, pin, note the digest.  Lock released.
 *     finish   alone: count and aggregate are checked, the tree is made, one commit.
 *
 * Between puts no lock is held: an upload may stay for days, and neither a gc nor those who would
 * have to wait behind it should.  What gc must not take is pinned (pins.c): the parent's tree, and
 * each block by its address, be it in a pack that was sealed, in one that is being filled, which gc
 * does not see, or in that of another snapshot, which may be deleted.  A pin is written before the
 * lock is released under which the block was found or appended. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/patch.h"

#include "vmlift/codec.h"
#include "vmlift/upload.h"

struct vml_upload {
    struct vml_store *store;
    const struct vml_cipher *cipher; /* NULL: it is not encrypted */
    struct vml_snapshot parent;      /* id "" where there is none */
    unsigned timeout;                /* seconds; 0: none */
    pthread_rwlock_t going;          /* put shared, finish exclusively */
    pthread_mutex_t lock;            /* all below, where somebody may be putting or asking */
    struct vml_snapshot what;
    struct vml_txn *txn;
    struct vml_pins *pins;
    struct vml_patch patch;
    uint64_t deadline;       /* on vml_pins_clock */
    struct vml_error failed; /* code VML_OK: it did not */
    bool finished;
};

/* --- beginning ------------------------------------------------------------------------------ */

static uint64_t next_deadline(const struct vml_upload *u)
{
    return u->timeout > 0 ? vml_pins_clock() + u->timeout + 1 : VML_PINS_FOREVER;
}

static int check_parent(struct vml_upload *u, struct vml_error *err)
{
    const struct vml_snapshot *p = &u->parent;

    if (u->what.size < p->size)
        return vml_fail(err, VML_EUSAGE, "upload/size",
                        "the disk has %llu bytes, and that of its parent %s has %llu",
                        (unsigned long long)u->what.size, p->id, (unsigned long long)p->size);
    if (u->what.key[0] != '\0' && strcmp(u->what.key, p->key) != 0)
        return vml_fail(err, VML_EREFUSED, "upload/key",
                        "the parent %s is encrypted with %s, and so is what is put over it", p->id,
                        p->key[0] != '\0' ? p->key : "no key");
    memcpy(u->what.key, p->key, sizeof p->key);
    return 0;
}

/* Under the store's lock, so that no gc comes between the parent that was found and its pin. */
static int begin(struct vml_upload *u, const char *parent, struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int lock = -1;

    if (vml_store_lock(u->store, false, &lock, err) < 0 ||
        (parent != NULL && (vml_snapshot_get(u->store, parent, &u->parent, err) < 0 ||
                            vml_snapshot_cipher(u->store, &u->parent, &u->cipher, err) < 0 ||
                            check_parent(u, err) < 0)))
        return -1;
    if (u->cipher == NULL && u->what.key[0] != '\0' &&
        vml_cipher_get(u->store, u->what.key, u->what.region, &u->cipher, err) < 0)
        return -1;
    u->deadline = next_deadline(u);
    return vml_txn_begin_unlocked(&u->txn, u->store, err) < 0 ||
                   vml_patch_begin(&u->patch, u->what.size, err) < 0 ||
                   vml_new_id(u->what.id, "snap-", err) < 0
               ? -1
               : vml_pins_create(&u->pins, u->store, u->what.id, parent != NULL ? &u->parent : NULL,
                                 u->deadline, err);
}

int vml_upload_begin(struct vml_upload **out, struct vml_store *s, uint64_t size,
                     const char *parent, const struct vml_snapshot *what, unsigned timeout,
                     struct vml_error *err)
{
    VML_AUTO(vml_upload_freep) struct vml_upload *u = NULL;

    if (size == 0)
        return vml_fail(err, VML_EUSAGE, "upload/size", "a disk of no bytes has no blocks");
    if (vml_grow_check(0, size, err) < 0)
        return -1;
    u = calloc(1, sizeof *u);
    if (u == NULL)
        return vml_fail_nomem(err);
    pthread_rwlock_init(&u->going, NULL);
    pthread_mutex_init(&u->lock, NULL);
    u->store = s;
    u->timeout = timeout;
    u->what = (struct vml_snapshot){ .size = size, .created = what->created };
    memcpy(u->what.owner, what->owner, sizeof what->owner);
    memcpy(u->what.region, what->region, sizeof what->region);
    memcpy(u->what.key, what->key, sizeof what->key);
    u->what.description = strdup(what->description != NULL ? what->description : "");
    if (u->what.description == NULL)
        return vml_fail_nomem(err);
    if (begin(u, parent, err) < 0)
        return -1;
    *out = u;
    u = NULL;
    return 0;
}

const struct vml_snapshot *vml_upload_snapshot(const struct vml_upload *u)
{
    return &u->what;
}

/* With no put under way. */
static void let_go(struct vml_upload *u)
{
    vml_txn_freep(&u->txn);
    vml_pins_freep(&u->pins);
}

void vml_upload_free(struct vml_upload *u)
{
    if (u == NULL)
        return;
    let_go(u);
    vml_patch_clear(&u->patch);
    vml_snapshot_clear(&u->parent);
    vml_snapshot_clear(&u->what);
    pthread_mutex_destroy(&u->lock);
    pthread_rwlock_destroy(&u->going);
    free(u);
}

void vml_upload_freep(struct vml_upload **u)
{
    vml_upload_free(*u);
    *u = NULL;
}

/* --- does it go on? ------------------------------------------------------------------------- */

static bool has_failed(const struct vml_upload *u)
{
    return u->failed.code != VML_OK;
}

/* With the lock, and the store's: what gc has found to be over goes on for nobody. */
static int check_alive(struct vml_upload *u, struct vml_error *err)
{
    if (!has_failed(u) && u->deadline <= vml_pins_clock())
        vml_fail(&u->failed, VML_EREFUSED, "upload/expired",
                 "%s: nothing was put for %u seconds, and the upload has ended", u->what.id,
                 u->timeout);
    if (!has_failed(u))
        return 0;
    *err = u->failed;
    return -1;
}

/* What may have lost a block that was put, or has half of a commit: nothing goes on from there. */
static int give_up(struct vml_upload *u, const struct vml_error *err)
{
    u->failed = *err;
    return -1;
}

/* The store's lock.  A rebuild that came between ends the upload: the catalog that it knows is none
 * any more. */
static int lock_store(struct vml_upload *u, int *lock, struct vml_error *err)
{
    if (vml_store_lock(u->store, false, lock, err) == 0)
        return 0;
    if (strcmp(err->slug, "store/replaced") == 0) {
        pthread_mutex_lock(&u->lock);
        give_up(u, err);
        pthread_mutex_unlock(&u->lock);
    }
    return -1;
}

static int renew(struct vml_upload *u, struct vml_error *err)
{
    uint64_t deadline = next_deadline(u);

    if (deadline == u->deadline)
        return 0;
    if (vml_pins_renew(u->pins, deadline, err) < 0)
        return -1;
    u->deadline = deadline;
    return 0;
}

bool vml_upload_dead(struct vml_upload *u)
{
    struct vml_error err;
    bool dead;

    pthread_mutex_lock(&u->lock);
    dead = !u->finished && check_alive(u, &err) < 0;
    pthread_mutex_unlock(&u->lock);
    return dead;
}

uint64_t vml_upload_count(struct vml_upload *u)
{
    uint64_t count;

    pthread_mutex_lock(&u->lock);
    count = u->patch.count;
    pthread_mutex_unlock(&u->lock);
    return count;
}

/* --- putting -------------------------------------------------------------------------------- */

/* A block on its way: its frame, unless the store has the block already. */
struct putting {
    uint64_t number;
    const void *block;
    uint8_t digest[32], address[32];
    bool hole;
    uint8_t *frame;
    size_t frame_len; /* 0: there is none */
};

static int make_frame(struct vml_upload *u, struct putting *p, struct vml_error *err)
{
    bool known;

    if (p->hole)
        return 0;
    if (u->cipher != NULL)
        vml_cipher_address(u->cipher, p->digest, p->address);
    else
        memcpy(p->address, p->digest, 32);
    p->frame = malloc(vml_frame_bound(VML_BLOCK));
    if (p->frame == NULL)
        return vml_fail_nomem(err);
    if (vml_txn_known(u->txn, p->address, p->frame, &known, err) < 0)
        return -1;
    return known ? 0
                 : vml_frame_make(VML_FRAME_DATA, u->cipher, p->address, p->block, VML_BLOCK,
                                  p->frame, &p->frame_len, err);
}

/* With the lock. */
static int keep(struct vml_upload *u, const struct putting *p, struct vml_error *err)
{
    if (check_alive(u, err) < 0)
        return -1;
    if (p->frame_len > 0 && vml_txn_frame(u->txn, p->frame, p->frame_len, err) < 0)
        return give_up(u, err);
    if ((!p->hole && vml_pins_add(u->pins, p->address, err) < 0) || renew(u, err) < 0)
        return -1;
    return vml_patch_set(&u->patch, p->number, p->digest, err);
}

/* While nobody finishes. */
static int put(struct vml_upload *u, struct putting *p, struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int lock = -1;
    int rc;

    if (u->finished)
        return vml_fail(err, VML_EREFUSED, "upload/over", "%s: the upload is finished", u->what.id);
    if (lock_store(u, &lock, err) < 0 || make_frame(u, p, err) < 0)
        return -1;
    pthread_mutex_lock(&u->lock);
    rc = keep(u, p, err);
    pthread_mutex_unlock(&u->lock);
    return rc;
}

int vml_upload_put(struct vml_upload *u, uint64_t number, const void *block,
                   const uint8_t digest[32], struct vml_error *err)
{
    struct putting p = { .number = number, .block = block };
    uint64_t blocks = vml_div_up(u->what.size, VML_BLOCK);
    int rc;

    if (number >= blocks)
        return vml_fail(err, VML_EUSAGE, "upload/block", "block %llu: the disk has %llu",
                        (unsigned long long)number, (unsigned long long)blocks);
    if (digest != NULL)
        memcpy(p.digest, digest, sizeof p.digest);
    else
        vml_sha256(block, VML_BLOCK, p.digest);
    p.hole = vml_is_zero_digest(p.digest);
    pthread_rwlock_rdlock(&u->going);
    rc = put(u, &p, err);
    pthread_rwlock_unlock(&u->going);
    free(p.frame);
    return rc;
}

/* --- finishing ------------------------------------------------------------------------------ */

static int check_promises(struct vml_upload *u, uint64_t count, const uint8_t aggregate[32],
                          struct vml_error *err)
{
    uint8_t sum[32];
    char is[65], should[65];

    if (count != u->patch.count)
        return vml_fail(err, VML_EREFUSED, "upload/count",
                        "%s: %llu blocks were put, and %llu were told", u->what.id,
                        (unsigned long long)u->patch.count, (unsigned long long)count);
    if (aggregate == NULL)
        return 0;
    if (vml_patch_aggregate(&u->patch, sum, err) < 0)
        return -1;
    if (memcmp(sum, aggregate, sizeof sum) == 0)
        return 0;
    vml_hex(is, sum, 32);
    vml_hex(should, aggregate, 32);
    return vml_fail(err, VML_EREFUSED, "upload/aggregate",
                    "%s: the SHA-256 of the blocks' SHA-256s is %.16s..., and %.16s... was told",
                    u->what.id, is, should);
}

/* Nobody kept the key from being deleted meanwhile, but it is not now that the lock is held. */
static int check_key(struct vml_upload *u, struct vml_error *err)
{
    const struct vml_cipher *now;

    return u->cipher == NULL ? 0 : vml_cipher_get(u->store, u->what.key, u->what.region, &now, err);
}

static int commit(struct vml_upload *u, vml_txn_also *also, void *arg, struct vml_error *err)
{
    if (vml_patch_tree(&u->patch, u->txn, &u->parent, u->cipher, &u->what, err) < 0 ||
        (u->cipher != NULL && vml_snapshot_seal(u->cipher, &u->what, err) < 0) ||
        vml_txn_add_snapshot(u->txn, &u->what, err) < 0)
        return -1;
    return vml_txn_commit(u->txn, also, arg, err);
}

/* What others ask of the upload meanwhile must not wait for the disk. */
static int check_and_renew(struct vml_upload *u, struct vml_error *err)
{
    int rc;

    pthread_mutex_lock(&u->lock);
    rc = check_alive(u, err) < 0 ? -1 : renew(u, err);
    pthread_mutex_unlock(&u->lock);
    return rc;
}

static int note_end(struct vml_upload *u, int rc, const struct vml_error *err)
{
    pthread_mutex_lock(&u->lock);
    if (rc < 0)
        give_up(u, err);
    u->finished = rc == 0;
    pthread_mutex_unlock(&u->lock);
    return rc;
}

/* With no put under way.  Pins go while the lock is held, after what they stood for is in use. */
static int finish(struct vml_upload *u, uint64_t count, const uint8_t aggregate[32],
                  vml_txn_also *also, void *arg, struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int lock = -1;

    if (u->finished)
        return check_promises(u, count, aggregate, err);
    if (lock_store(u, &lock, err) < 0 || check_and_renew(u, err) < 0 ||
        check_promises(u, count, aggregate, err) < 0 || check_key(u, err) < 0 ||
        note_end(u, commit(u, also, arg, err), err) < 0)
        return -1;
    let_go(u);
    return 0;
}

int vml_upload_finish(struct vml_upload *u, uint64_t count, const uint8_t aggregate[32],
                      vml_txn_also *also, void *arg, struct vml_error *err)
{
    int rc;

    pthread_rwlock_wrlock(&u->going);
    rc = finish(u, count, aggregate, also, arg, err);
    pthread_rwlock_unlock(&u->going);
    return rc;
}
