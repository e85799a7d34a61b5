/* A tree of blocks grows: leaves fill in the order of the disk, the root when they are full.
 *
 *     root   32 bytes for each 8 GiB of the disk: the digest of a leaf
 *     leaf   512 KiB: 16384 digests of blocks
 *     block  512 KiB of the disk, the last one padded with zeroes
 *
 * A digest of 32 zeroes is a hole, in a leaf of 512 KiB, in the root of 8 GiB.  What becomes of a
 * node is the caller's: the store writes it, a digest of the disk forgets it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

#include "vmlift/codec.h"

int vml_grow_begin(struct vml_grow *g, vml_grow_node *node, void *arg, struct vml_error *err)
{
    *g = (struct vml_grow){ .node = node, .arg = arg };
    g->root = calloc(VML_LEAVES_MAX, 32);
    g->leaf = calloc(1, VML_BLOCK);
    return g->root != NULL && g->leaf != NULL ? 0 : vml_fail_nomem(err);
}

void vml_grow_clear(struct vml_grow *g)
{
    free(g->root);
    free(g->leaf);
    *g = (struct vml_grow){ 0 };
}

static int flush_leaf(struct vml_grow *g, struct vml_error *err)
{
    if (!g->leaf_used)
        return 0;
    if (g->node(g->arg, VML_FRAME_LEAF, g->leaf, VML_BLOCK, g->root + g->leaf_number * 32, err) < 0)
        return -1;
    memset(g->leaf, 0, VML_BLOCK);
    g->leaf_used = false;
    return 0;
}

int vml_grow_block(struct vml_grow *g, uint64_t number, const uint8_t digest[32],
                   struct vml_error *err)
{
    uint64_t leaf = number / VML_LEAF_BLOCKS;

    if (leaf != g->leaf_number && flush_leaf(g, err) < 0)
        return -1;
    assert(leaf >= g->leaf_number && leaf < VML_LEAVES_MAX);
    g->leaf_number = leaf;
    g->leaf_used = true;
    memcpy(g->leaf + number % VML_LEAF_BLOCKS * 32, digest, 32);
    return 0;
}

int vml_grow_leaf(struct vml_grow *g, uint64_t leaf, const uint8_t digest[32],
                  struct vml_error *err)
{
    if (flush_leaf(g, err) < 0)
        return -1;
    assert(leaf >= g->leaf_number && leaf < VML_LEAVES_MAX);
    g->leaf_number = leaf;
    memcpy(g->root + leaf * 32, digest, 32);
    return 0;
}

int vml_grow_end(struct vml_grow *g, uint64_t size, uint8_t root[32], struct vml_error *err)
{
    return flush_leaf(g, err) < 0 ? -1
                                  : g->node(g->arg, VML_FRAME_ROOT, g->root,
                                            vml_div_up(size, VML_LEAF_SPAN) * 32, root, err);
}

/* The digests of n blocks, VML_DIGESTED at most. */
static void digest_blocks(uint8_t (*digests)[32], const uint8_t *const *blocks, size_t n)
{
    const void *full[VML_DIGESTED] = { NULL };
    uint8_t sums[VML_DIGESTED][32];
    size_t lens[VML_DIGESTED] = { 0 }, which[VML_DIGESTED], n_full = 0;

    memset(digests, 0, n * sizeof *digests);
    for (size_t i = 0; i < n; i++) {
        if (vml_is_zero(blocks[i], VML_BLOCK))
            continue;
        full[n_full] = blocks[i];
        lens[n_full] = VML_BLOCK;
        which[n_full++] = i;
    }
    vml_sha256_many(sums, full, lens, n_full);
    for (size_t i = 0; i < n_full; i++)
        memcpy(digests[which[i]], sums[i], sizeof sums[i]);
}

int vml_grow_each(const struct vml_chunk *c, vml_grow_fn *fn, void *arg, struct vml_error *err)
{
    size_t n = (size_t)vml_div_up(c->len, VML_BLOCK), tail = c->len % VML_BLOCK;
    VML_AUTO(vml_freep) uint8_t *padded = NULL;

    if (tail > 0) {
        padded = calloc(1, VML_BLOCK);
        if (padded == NULL)
            return vml_fail_nomem(err);
        memcpy(padded, c->data + (n - 1) * VML_BLOCK, tail);
    }
    for (size_t first = 0; first < n; first += VML_DIGESTED) {
        size_t some = (size_t)vml_min_u64(n - first, VML_DIGESTED);
        const uint8_t *blocks[VML_DIGESTED];
        uint8_t digests[VML_DIGESTED][32];

        for (size_t i = 0; i < some; i++)
            blocks[i] = first + i == n - 1 && tail > 0 ? padded : c->data + (first + i) * VML_BLOCK;
        digest_blocks(digests, blocks, some);
        for (size_t i = 0; i < some; i++)
            if (fn(arg, first + i, blocks[i], digests[i], err) < 0)
                return -1;
    }
    return 0;
}

int vml_grow_check(uint64_t off, uint64_t len, struct vml_error *err)
{
    if (off <= VML_DISK_MAX && len <= VML_DISK_MAX - off)
        return 0;
    return vml_fail(err, VML_EUNSUPPORTED, "store/too-large", "the disk is larger than %llu bytes",
                    (unsigned long long)VML_DISK_MAX);
}
