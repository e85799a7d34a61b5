/* A disk becomes a tree of blocks, as grow.c draws it.
 *
 * An all-zero leaf is never written, so 64 TiB of holes are one root of 256 KiB that compresses to
 * a few bytes; a leaf that another snapshot has too is a block that is known.
 *
 * Of an encrypted snapshot the blocks are encrypted, and found by HMACs of their digests.  The
 * nodes above hold nothing but these, and are stored as they are: gc and verify must walk trees
 * without any key.  Whoever reads the store learns from them where the disk has holes and which of
 * its blocks are equal, and nothing of what is in them. */
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
    const struct vml_cipher *cipher; /* NULL: it is not encrypted */
    struct vml_grow tree;
    uint64_t data_size;
};

static struct snapshot_writer *writer_of(struct vml_writer *w)
{
    return (struct snapshot_writer *)w;
}

/* --- encode: parallel ----------------------------------------------------------------------- */

struct encoder {
    struct vml_txn *txn;
    const struct vml_cipher *cipher;
    struct vml_chunk *c;
};

static int encode_block(void *arg, size_t i, const uint8_t *block, const uint8_t digest[32],
                        struct vml_error *err)
{
    const struct encoder *e = arg;
    struct vml_chunk *c = e->c;
    uint8_t *note = c->enc + i * NOTE;
    size_t len;
    bool known;

    memset(note, 0, NOTE);
    if (vml_is_hole(digest))
        return 0;
    if (e->cipher != NULL)
        vml_cipher_address(e->cipher, digest, note);
    else
        memcpy(note, digest, 32);
    if (vml_txn_known(e->txn, note, c->enc + c->enc_len, &known, err) < 0)
        return -1;
    if (known)
        return 0;
    if (vml_frame_make(VML_FRAME_DATA, e->cipher, note, block, VML_BLOCK, c->enc + c->enc_len, &len,
                       err) < 0)
        return -1;
    put_le32(note + 32, (uint32_t)len);
    c->enc_len += len;
    return 0;
}

static int writer_encode(struct vml_writer *base, struct vml_chunk *c, struct vml_error *err)
{
    const struct snapshot_writer *w = writer_of(base);
    struct encoder e = { .txn = w->txn, .cipher = w->cipher, .c = c };
    size_t n = (size_t)vml_div_up(c->len, VML_BLOCK);

    if (vml_chunk_reserve(c, n * (NOTE + vml_frame_bound(VML_BLOCK)), err) < 0)
        return -1;
    c->enc_len = n * NOTE;
    return vml_grow_each(c, encode_block, &e, err);
}

/* --- put: in the order of the disk ---------------------------------------------------------- */

static int writer_put(struct vml_writer *base, const struct vml_chunk *c, struct vml_error *err)
{
    struct snapshot_writer *w = writer_of(base);
    size_t n = (size_t)vml_div_up(c->len, VML_BLOCK);
    const uint8_t *frame;

    assert(c->off % VML_BLOCK == 0);
    if (vml_grow_check(c->off, c->len, err) < 0)
        return -1;
    if (c->kind != VML_DATA)
        return 0;
    frame = c->enc + n * NOTE;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *note = c->enc + i * NOTE;
        size_t len = le32(note + 32);

        if (vml_is_hole(note))
            continue;
        if ((len > 0 && vml_txn_frame(w->txn, frame, len, err) < 0) ||
            vml_grow_block(&w->tree, c->off / VML_BLOCK + i, note, err) < 0)
            return -1;
        frame += len;
        w->data_size += vml_min_u64(VML_BLOCK, c->len - i * VML_BLOCK);
    }
    return 0;
}

/* --- the end -------------------------------------------------------------------------------- */

static int writer_finish(struct vml_writer *base, uint64_t size, struct vml_error *err)
{
    struct snapshot_writer *w = writer_of(base);
    struct vml_snapshot *what = w->what;

    assert(base->size == VML_SIZE_UNKNOWN || base->size == size);
    if (vml_grow_end(&w->tree, size, what->root, err) < 0 || vml_new_id(what->id, "snap-", err) < 0)
        return -1;
    what->size = size;
    what->data_size = w->data_size;
    if (w->cipher != NULL && vml_snapshot_seal(w->cipher, what, err) < 0)
        return -1;
    return vml_txn_add_snapshot(w->txn, what, err);
}

/* What is in the pack already stays: blocks that nothing refers to. */
static void writer_free(struct vml_writer *base)
{
    struct snapshot_writer *w = writer_of(base);

    vml_grow_clear(&w->tree);
    free(w);
}

static const struct vml_writer_ops writer_ops = {
    .encode = writer_encode,
    .put = writer_put,
    .finish = writer_finish,
    .free = writer_free,
};

static int write_node(void *txn, enum vml_frame_type type, const void *raw, size_t len,
                      uint8_t address[32], struct vml_error *err)
{
    return vml_txn_block(txn, type, raw, len, address, err);
}

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
                                   .batch = VML_DIGESTED * VML_BLOCK,
                                   .ordered = true };
    w->txn = t;
    w->what = what;
    if (w->base.name == NULL)
        return vml_fail_nomem(err);
    if ((what->key[0] != '\0' &&
         vml_cipher_get(vml_txn_store(t), what->key, what->region, &w->cipher, err) < 0) ||
        vml_grow_begin(&w->tree, write_node, t, err) < 0)
        return -1;
    *out = base;
    base = NULL;
    return 0;
}
