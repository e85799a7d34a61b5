/* A disk becomes a tree of blocks.
 *
 *     root   32 bytes for each 8 GiB of the disk: the digest of a leaf
 *     leaf   512 KiB: 16384 digests of blocks
 *     block  512 KiB of the disk, the last one padded with zeroes
 *
 * A digest of 32 zeroes is a hole, in a leaf of 512 KiB, in the root of 8 GiB.  An all-zero leaf is
 * never written, so 64 TiB of holes are one root of 256 KiB that compresses to a few bytes; a leaf
 * that another snapshot has too is a block that is known. */
#include "store/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "vmlift/codec.h"
#include "vmlift/endian.h"

/* What encode leaves for put: for each block of the chunk its digest and the length of its frame
 * (0: the block is known, or a hole), then the frames. */
#define NOTE 36u

struct snapshot_writer {
    struct vml_writer base;
    struct vml_txn *txn;
    struct vml_snapshot *what;
    uint8_t *root;        /* VML_LEAVES_MAX digests */
    uint8_t *leaf;        /* the one being filled */
    uint64_t leaf_number; /* in the root */
    bool leaf_used;
    uint64_t data_size;
};

static struct snapshot_writer *writer_of(struct vml_writer *w)
{
    return (struct snapshot_writer *)w;
}

/* --- encode: parallel ----------------------------------------------------------------------- */

static int encode_block(struct snapshot_writer *w, const uint8_t *block, uint8_t *note,
                        struct vml_chunk *c, struct vml_error *err)
{
    struct vml_place place;
    size_t len;
    bool known;

    memset(note, 0, NOTE);
    if (vml_is_zero(block, VML_BLOCK))
        return 0;
    vml_sha256(block, VML_BLOCK, note);
    if (vml_block_find(vml_txn_store(w->txn)->db, note, &place, &known, err) < 0)
        return -1;
    if (known)
        return 0;
    if (vml_frame_make(VML_FRAME_DATA, note, block, VML_BLOCK, c->enc + c->enc_len, &len, err) < 0)
        return -1;
    put_le32(note + 32, (uint32_t)len);
    c->enc_len += len;
    return 0;
}

static int writer_encode(struct vml_writer *base, struct vml_chunk *c, struct vml_error *err)
{
    size_t n = (size_t)vml_div_up(c->len, VML_BLOCK), tail = c->len % VML_BLOCK;
    VML_AUTO(vml_freep) uint8_t *padded = NULL;

    if (vml_chunk_reserve(c, n * (NOTE + vml_frame_bound(VML_BLOCK)), err) < 0)
        return -1;
    if (tail > 0) {
        padded = calloc(1, VML_BLOCK);
        if (padded == NULL)
            return vml_fail_nomem(err);
        memcpy(padded, c->data + (n - 1) * VML_BLOCK, tail);
    }
    c->enc_len = n * NOTE;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *block = i == n - 1 && tail > 0 ? padded : c->data + i * VML_BLOCK;

        if (encode_block(writer_of(base), block, c->enc + i * NOTE, c, err) < 0)
            return -1;
    }
    return 0;
}

/* --- put: in the order of the disk ---------------------------------------------------------- */

static int flush_leaf(struct snapshot_writer *w, struct vml_error *err)
{
    if (!w->leaf_used)
        return 0;
    if (vml_txn_block(w->txn, VML_FRAME_LEAF, w->leaf, VML_BLOCK, w->root + w->leaf_number * 32,
                      err) < 0)
        return -1;
    memset(w->leaf, 0, VML_BLOCK);
    w->leaf_used = false;
    return 0;
}

static int add_block(struct snapshot_writer *w, uint64_t number, const uint8_t digest[32],
                     struct vml_error *err)
{
    uint64_t leaf = number / VML_LEAF_BLOCKS;

    if (leaf != w->leaf_number && flush_leaf(w, err) < 0)
        return -1;
    assert(leaf >= w->leaf_number && leaf < VML_LEAVES_MAX);
    w->leaf_number = leaf;
    w->leaf_used = true;
    memcpy(w->leaf + number % VML_LEAF_BLOCKS * 32, digest, 32);
    return 0;
}

static int writer_put(struct vml_writer *base, const struct vml_chunk *c, struct vml_error *err)
{
    struct snapshot_writer *w = writer_of(base);
    size_t n = (size_t)vml_div_up(c->len, VML_BLOCK);
    const uint8_t *frame;

    assert(c->off % VML_BLOCK == 0);
    if (c->off > VML_DISK_MAX || c->len > VML_DISK_MAX - c->off) /* a pipe that does not end */
        return vml_fail(err, VML_EUNSUPPORTED, "store/too-large",
                        "the disk is larger than %llu bytes", (unsigned long long)VML_DISK_MAX);
    if (c->kind != VML_DATA)
        return 0;
    frame = c->enc + n * NOTE;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *note = c->enc + i * NOTE;
        size_t len = le32(note + 32);

        if (vml_is_hole(note))
            continue;
        if ((len > 0 && vml_txn_frame(w->txn, frame, len, err) < 0) ||
            add_block(w, c->off / VML_BLOCK + i, note, err) < 0)
            return -1;
        frame += len;
        w->data_size += vml_min_u64(VML_BLOCK, c->len - i * VML_BLOCK);
    }
    return 0;
}

/* --- the end -------------------------------------------------------------------------------- */

static int write_record(struct snapshot_writer *w, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = NULL;
    uint8_t address[32];

    if (vml_snapshot_record(w->what, &text, err) < 0 ||
        vml_txn_block(w->txn, VML_FRAME_RECORD, text, strlen(text), address, err) < 0)
        return -1;
    return vml_txn_add_snapshot(w->txn, w->what, address, err);
}

static int writer_finish(struct vml_writer *base, uint64_t size, struct vml_error *err)
{
    struct snapshot_writer *w = writer_of(base);
    struct vml_snapshot *what = w->what;

    assert(base->size == VML_SIZE_UNKNOWN || base->size == size);
    if (flush_leaf(w, err) < 0 ||
        vml_txn_block(w->txn, VML_FRAME_ROOT, w->root, vml_div_up(size, VML_LEAF_SPAN) * 32,
                      what->root, err) < 0 ||
        vml_new_id(what->id, "snap-", err) < 0)
        return -1;
    what->size = size;
    what->data_size = w->data_size;
    return write_record(w, err);
}

/* What is in the pack already stays: blocks that nothing refers to. */
static void writer_free(struct vml_writer *base)
{
    struct snapshot_writer *w = writer_of(base);

    free(w->root);
    free(w->leaf);
    free(w);
}

static const struct vml_writer_ops writer_ops = {
    .encode = writer_encode,
    .put = writer_put,
    .finish = writer_finish,
    .free = writer_free,
};

int vml_txn_snapshot(struct vml_txn *t, uint64_t size, struct vml_snapshot *what,
                     struct vml_writer **out, struct vml_error *err)
{
    VML_AUTO(vml_writer_freep) struct vml_writer *base = NULL;
    struct snapshot_writer *w;

    if (size != VML_SIZE_UNKNOWN && size > VML_DISK_MAX)
        return vml_fail(err, VML_EUNSUPPORTED, "store/too-large",
                        "a snapshot holds %llu bytes at most, and the disk has %llu",
                        (unsigned long long)VML_DISK_MAX, (unsigned long long)size);
    w = calloc(1, sizeof *w);
    if (w == NULL)
        return vml_fail_nomem(err);
    base = &w->base;
    w->base = (struct vml_writer){ .ops = &writer_ops,
                                   .format = "store",
                                   .subformat = "snapshot",
                                   .name = strdup(vml_txn_store(t)->dir),
                                   .size = size,
                                   .unit = VML_BLOCK,
                                   .ordered = true };
    w->txn = t;
    w->what = what;
    w->root = calloc(VML_LEAVES_MAX, 32);
    w->leaf = calloc(1, VML_BLOCK);
    if (w->base.name == NULL || w->root == NULL || w->leaf == NULL)
        return vml_fail_nomem(err);
    *out = base;
    base = NULL;
    return 0;
}
