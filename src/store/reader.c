/* The disk of a snapshot, read through its tree. */
#include "store/internal.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vmlift/upload.h"

#define LEAVES_KEPT 2
#define NO_LEAF     UINT64_MAX

struct snapshot_reader {
    struct vml_reader base;
    struct vml_store *store;
    const struct vml_cipher *cipher; /* NULL: it is not encrypted */
    uint8_t *root;
    uint64_t n_leaves;
    pthread_mutex_t lock; /* all below */
    struct {
        uint64_t number;
        uint8_t *digests;
    } kept[LEAVES_KEPT];
    unsigned next; /* to be replaced */
};

static struct snapshot_reader *reader_of(struct vml_reader *r)
{
    return (struct snapshot_reader *)r;
}

/* Which bytes of the disk suffer is known here; whose disk it is, by the caller. */
static int suffers(const struct snapshot_reader *r, uint64_t off, uint64_t len,
                   struct vml_error *err)
{
    if (err->code == VML_EDATA)
        vml_error_prefix(err, "bytes %llu..%llu", (unsigned long long)off,
                         (unsigned long long)vml_min_u64(off + len, r->base.size));
    return -1;
}

/* The digests of a leaf that is no hole, with the lock held. */
static int get_leaf(struct snapshot_reader *r, uint64_t number, const uint8_t **digests,
                    struct vml_error *err)
{
    unsigned i = 0;

    while (i < LEAVES_KEPT && r->kept[i].number != number)
        i++;
    if (i == LEAVES_KEPT) {
        i = r->next;
        if (r->kept[i].digests == NULL && (r->kept[i].digests = malloc(VML_BLOCK)) == NULL)
            return vml_fail_nomem(err);
        r->kept[i].number = NO_LEAF;
        if (vml_block_read(r->store, r->store->db, NULL, r->root + number * 32, r->kept[i].digests,
                           VML_BLOCK, err) < 0)
            return suffers(r, number * VML_LEAF_SPAN, VML_LEAF_SPAN, err);
        r->kept[i].number = number;
        r->next = (i + 1) % LEAVES_KEPT;
    }
    *digests = r->kept[i].digests;
    return 0;
}

/* --- extents -------------------------------------------------------------------------------- */

static uint64_t hole_of_leaves(const struct snapshot_reader *r, uint64_t number)
{
    while (number < r->n_leaves && vml_is_hole(r->root + number * 32))
        number++;
    return number * VML_LEAF_SPAN;
}

/* Where the run of data, or of holes, that holds block i of a leaf ends in that leaf. */
static uint64_t run_in_leaf(const uint8_t *digests, uint64_t i)
{
    bool hole = vml_is_hole(digests + i * 32);

    while (i < VML_LEAF_BLOCKS && vml_is_hole(digests + i * 32) == hole)
        i++;
    return i;
}

static int reader_extent(struct vml_reader *base, uint64_t off, struct vml_extent *x,
                         struct vml_error *err)
{
    struct snapshot_reader *r = reader_of(base);
    uint64_t number = off / VML_LEAF_SPAN, block = off / VML_BLOCK % VML_LEAF_BLOCKS, end;
    const uint8_t *digests = NULL;
    int rc;

    x->kind = VML_HOLE;
    if (vml_is_hole(r->root + number * 32)) {
        end = hole_of_leaves(r, number);
    } else {
        pthread_mutex_lock(&r->lock);
        rc = get_leaf(r, number, &digests, err);
        end = rc < 0 ? 0 : run_in_leaf(digests, block);
        if (rc == 0 && !vml_is_hole(digests + block * 32))
            x->kind = VML_DATA;
        pthread_mutex_unlock(&r->lock);
        if (rc < 0)
            return -1;
        end = number * VML_LEAF_SPAN + end * VML_BLOCK;
    }
    x->len = vml_min_u64(end, base->size) - off;
    return 0;
}

/* --- bytes ---------------------------------------------------------------------------------- */

static int block_address(struct snapshot_reader *r, uint64_t number, uint8_t address[32],
                         struct vml_error *err)
{
    const uint8_t *digests = NULL;
    int rc;

    pthread_mutex_lock(&r->lock);
    rc = get_leaf(r, number / VML_LEAF_BLOCKS, &digests, err);
    if (rc == 0)
        memcpy(address, digests + number % VML_LEAF_BLOCKS * 32, 32);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

/* Bytes [skip, skip+len) of a block. */
static int load_part(struct snapshot_reader *r, uint64_t number, size_t skip, size_t len, void *buf,
                     struct vml_error *err)
{
    VML_AUTO(vml_freep) uint8_t *whole = NULL;
    uint8_t address[32];
    uint8_t *to = buf;

    if (block_address(r, number, address, err) < 0)
        return -1;
    assert(!vml_is_hole(address)); /* load is called inside an extent of data */
    if (len < VML_BLOCK) {
        to = whole = malloc(VML_BLOCK);
        if (whole == NULL)
            return vml_fail_nomem(err);
    }
    if (vml_block_read(r->store, r->store->db, r->cipher, address, to, VML_BLOCK, err) < 0)
        return suffers(r, number * VML_BLOCK, VML_BLOCK, err);
    if (whole != NULL)
        memcpy(buf, whole + skip, len);
    return 0;
}

static int reader_load(struct vml_reader *base, const struct vml_extent *x, uint64_t off,
                       size_t len, void *buf, struct vml_error *err)
{
    uint8_t *p = buf;

    (void)x;
    while (len > 0) {
        size_t skip = off % VML_BLOCK, n = (size_t)vml_min_u64(len, VML_BLOCK - skip);

        if (load_part(reader_of(base), off / VML_BLOCK, skip, n, p, err) < 0)
            return -1;
        p += n;
        off += n;
        len -= n;
    }
    return 0;
}

/* --- opening -------------------------------------------------------------------------------- */

static void reader_free(struct vml_reader *base)
{
    struct snapshot_reader *r = reader_of(base);

    for (unsigned i = 0; i < LEAVES_KEPT; i++)
        free(r->kept[i].digests);
    pthread_mutex_destroy(&r->lock);
    free(r->root);
    free(r);
}

static const struct vml_reader_ops reader_ops = {
    .extent = reader_extent,
    .load = reader_load,
    .free = reader_free,
};

static int open_tree(struct snapshot_reader *r, const struct vml_snapshot *snap,
                     struct vml_error *err)
{
    r->n_leaves = vml_div_up(snap->size, VML_LEAF_SPAN);
    r->base.name = strdup(snap->id);
    r->root = malloc(r->n_leaves * 32 + 1);
    if (r->base.name == NULL || r->root == NULL)
        return vml_fail_nomem(err);
    if (vml_block_read(r->store, r->store->db, NULL, snap->root, r->root, r->n_leaves * 32, err) <
        0) {
        suffers(r, 0, snap->size, err);
        if (err->code != VML_EINTERRUPTED)
            vml_error_prefix(err, "%s", snap->id);
        return -1;
    }
    return 0;
}

int vml_snapshot_reader(struct vml_reader **out, struct vml_store *s,
                        const struct vml_snapshot *snap, const struct vml_cipher *cipher,
                        struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *base = NULL;
    struct snapshot_reader *r = calloc(1, sizeof *r);

    if (r == NULL)
        return vml_fail_nomem(err);
    pthread_mutex_init(&r->lock, NULL);
    for (unsigned i = 0; i < LEAVES_KEPT; i++)
        r->kept[i].number = NO_LEAF;
    base = &r->base;
    r->base = (struct vml_reader){ .ops = &reader_ops,
                                   .format = "store",
                                   .subformat = "snapshot",
                                   .size = snap->size,
                                   .stored_size = VML_SIZE_UNKNOWN,
                                   .unit = VML_BLOCK,
                                   .can_seek = true };
    r->store = s;
    r->cipher = cipher;
    if (open_tree(r, snap, err) < 0)
        return -1;
    *out = base;
    base = NULL;
    return 0;
}

/* That the row opens with the key says that its root is the one which was written, and so are the
 * addresses beneath it. */
int vml_snapshot_cipher(struct vml_store *s, struct vml_snapshot *snap,
                        const struct vml_cipher **cipher, struct vml_error *err)
{
    *cipher = NULL;
    if (snap->key[0] == '\0')
        return 0;
    if (vml_cipher_get(s, snap->key, snap->region, cipher, err) == 0 &&
        vml_snapshot_unseal(*cipher, snap, err) == 0)
        return 0;
    if (err->code != VML_EINTERRUPTED)
        vml_error_prefix(err, "%s", snap->id);
    return -1;
}

static void snapshot_freep(struct vml_snapshot *s)
{
    vml_snapshot_clear(s);
}

int vml_snapshot_open(struct vml_reader **out, struct vml_store *s, const char *id,
                      struct vml_error *err)
{
    VML_AUTO(snapshot_freep) struct vml_snapshot snap = { .description = NULL };
    const struct vml_cipher *cipher;

    return vml_snapshot_get(s, id, &snap, err) < 0 ||
                   vml_snapshot_cipher(s, &snap, &cipher, err) < 0
               ? -1
               : vml_snapshot_reader(out, s, &snap, cipher, err);
}

int vml_snapshot_block(struct vml_store *s, const char *id, const uint8_t name[32], void *block,
                       struct vml_error *err)
{
    VML_AUTO(snapshot_freep) struct vml_snapshot snap = { .description = NULL };
    const struct vml_cipher *cipher;

    if (vml_snapshot_get(s, id, &snap, err) < 0 || vml_snapshot_cipher(s, &snap, &cipher, err) < 0)
        return -1;
    if (vml_block_read(s, s->db, cipher, name, block, VML_BLOCK, err) == 0)
        return 0;
    if (err->code == VML_EDATA)
        vml_error_prefix(err, "%s", id);
    return -1;
}
