/* The digest that a disk's tree would have in the store, of a disk that is not there. */
#include "store/internal.h"

#include <string.h>

#include "vmlift/codec.h"

struct tree_hash {
    struct vml_writer base;
    struct vml_grow tree;
    uint8_t *root;
};

static int encode_block(void *digests, size_t i, const uint8_t *block, const uint8_t digest[32],
                        struct vml_error *err)
{
    (void)block;
    (void)err;
    memcpy((uint8_t *)digests + i * 32, digest, 32);
    return 0;
}

static int hash_encode(struct vml_writer *base, struct vml_chunk *c, struct vml_error *err)
{
    size_t n = (size_t)vml_div_up(c->len, VML_BLOCK);

    (void)base;
    if (vml_chunk_reserve(c, n * 32, err) < 0)
        return -1;
    c->enc_len = n * 32;
    return vml_grow_each(c, encode_block, c->enc, err);
}

static int hash_put(struct vml_writer *base, const struct vml_chunk *c, struct vml_error *err)
{
    struct tree_hash *w = (struct tree_hash *)base;

    if (vml_grow_check(c->off, c->len, err) < 0)
        return -1;
    if (c->kind != VML_DATA)
        return 0;
    for (size_t i = 0; i < c->enc_len / 32; i++)
        if (!vml_is_hole(c->enc + i * 32) &&
            vml_grow_block(&w->tree, c->off / VML_BLOCK + i, c->enc + i * 32, err) < 0)
            return -1;
    return 0;
}

static int hash_finish(struct vml_writer *base, uint64_t size, struct vml_error *err)
{
    struct tree_hash *w = (struct tree_hash *)base;

    return vml_grow_end(&w->tree, size, w->root, err);
}

static const struct vml_writer_ops hash_ops = { .encode = hash_encode,
                                                .put = hash_put,
                                                .finish = hash_finish };

/* Nodes are digested and forgotten. */
static int digest_node(void *arg, enum vml_frame_type type, const void *raw, size_t len,
                       uint8_t address[32], struct vml_error *err)
{
    (void)arg;
    (void)type;
    (void)err;
    vml_sha256(raw, len, address);
    return 0;
}

int vml_tree_hash(struct vml_reader *r, struct vml_copy *c, uint8_t root[32], struct vml_error *err)
{
    struct tree_hash w = {
        .base = { .ops = &hash_ops,
                  .size = r->size,
                  .unit = VML_BLOCK,
                  .batch = VML_DIGESTED * VML_BLOCK,
                  .ordered = true },
        .root = root,
    };
    int rc = vml_grow_begin(&w.tree, digest_node, NULL, err);

    if (rc == 0)
        rc = vml_copy(r, &w.base, c, err);
    vml_grow_clear(&w.tree);
    return rc;
}
