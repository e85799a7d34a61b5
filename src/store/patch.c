/* The blocks that an upload has put, and the tree that they make.
 *
 * Leaves that nothing was put in are the parent's; of the others the parent's are read, changed and
 * written.  So what a finish takes follows from what was put, not from the disk's size. */
#include "store/patch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "vmlift/codec.h"

#define PAGE       256u /* digests */
#define LEAF_PAGES (VML_LEAF_BLOCKS / PAGE)

/* --- digests -------------------------------------------------------------------------------- */

bool vml_is_zero_digest(const uint8_t digest[32])
{
    static const uint8_t zero[32] = { 0x07, 0x85, 0x4d, 0x2f, 0xef, 0x29, 0x7a, 0x06,
                                      0xba, 0x81, 0x68, 0x5e, 0x66, 0x0c, 0x33, 0x2d,
                                      0xe3, 0x6d, 0x5d, 0x18, 0xd5, 0x46, 0x92, 0x7d,
                                      0x30, 0xda, 0xad, 0x6d, 0x7f, 0xda, 0x15, 0x41 };

    return memcmp(digest, zero, sizeof zero) == 0;
}

int vml_patch_begin(struct vml_patch *p, uint64_t size, struct vml_error *err)
{
    *p = (struct vml_patch){ .n_pages = vml_div_up(size, (uint64_t)PAGE * VML_BLOCK) };
    p->pages = calloc(p->n_pages + 1, sizeof *p->pages);
    return p->pages != NULL ? 0 : vml_fail_nomem(err);
}

void vml_patch_clear(struct vml_patch *p)
{
    for (uint64_t i = 0; p->pages != NULL && i < p->n_pages; i++)
        free(p->pages[i]);
    free(p->pages);
    *p = (struct vml_patch){ .pages = NULL };
}

int vml_patch_set(struct vml_patch *p, uint64_t number, const uint8_t digest[32],
                  struct vml_error *err)
{
    uint8_t **page = &p->pages[number / PAGE], *at;

    assert(number / PAGE < p->n_pages && !vml_is_hole(digest));
    if (*page == NULL && (*page = calloc(PAGE, 32)) == NULL)
        return vml_fail_nomem(err);
    at = *page + number % PAGE * 32;
    p->count += vml_is_hole(at);
    memcpy(at, digest, 32);
    return 0;
}

/* The digest of a block, NULL where none was put; number is in a page that is there. */
static const uint8_t *digest_at(const struct vml_patch *p, uint64_t number)
{
    const uint8_t *at = p->pages[number / PAGE] + number % PAGE * 32;

    return vml_is_hole(at) ? NULL : at;
}

int vml_patch_aggregate(const struct vml_patch *p, uint8_t out[32], struct vml_error *err)
{
    VML_AUTO(vml_digest_freep) struct vml_digest *d = NULL;
    uint8_t sum[VML_DIGEST_MAX];
    size_t len;

    if (vml_digest_new(&d, "sha256", err) < 0)
        return -1;
    for (uint64_t i = 0; i < p->n_pages; i++)
        for (uint64_t k = 0; p->pages[i] != NULL && k < PAGE; k++) {
            const uint8_t *digest = digest_at(p, i * PAGE + k);

            if (digest != NULL)
                vml_digest_update(d, digest, 32);
        }
    vml_digest_final(d, sum, &len);
    memcpy(out, sum, 32);
    return 0;
}

/* --- the tree ------------------------------------------------------------------------------- */

struct weave {
    const struct vml_patch *patch;
    struct vml_txn *txn;
    const struct vml_cipher *cipher;
    const struct vml_snapshot *parent;
    struct vml_snapshot *what;
    struct vml_grow tree;
    uint8_t *root, *leaf; /* the parent's: its root, and the leaf at hand */
    uint64_t n_leaves;    /* the parent's */
};

static void weave_clear(struct weave *w)
{
    vml_grow_clear(&w->tree);
    free(w->root);
    free(w->leaf);
}

static int write_node(void *txn, enum vml_frame_type type, const void *raw, size_t len,
                      uint8_t address[32], struct vml_error *err)
{
    return vml_txn_block(txn, type, raw, len, address, err);
}

/* The parent's node, of which len bytes are read. */
static int read_node(struct weave *w, const uint8_t address[32], void *buf, size_t len,
                     struct vml_error *err)
{
    struct vml_store *s = vml_txn_store(w->txn);

    if (vml_block_read(s, s->db, NULL, address, buf, len, err) == 0)
        return 0;
    if (err->code == VML_EDATA)
        vml_error_prefix(err, "the parent %s", w->parent->id);
    return -1;
}

static int read_leaf(struct weave *w, uint64_t leaf, struct vml_error *err)
{
    const uint8_t *address = w->root + leaf * 32;

    if (leaf < w->n_leaves && !vml_is_hole(address))
        return read_node(w, address, w->leaf, VML_BLOCK, err);
    memset(w->leaf, 0, VML_BLOCK);
    return 0;
}

/* What a block counts for in data_size, on a disk of that size. */
static uint64_t weight(uint64_t number, uint64_t size)
{
    return vml_min_u64(VML_BLOCK, size - number * VML_BLOCK);
}

/* The name of a block that was put, which must be in the store: whatever has become of its pin, no
 * snapshot is shown that lacks a block. */
static int name_of(struct weave *w, uint64_t number, const uint8_t digest[32], uint8_t name[32],
                   struct vml_error *err)
{
    bool stored;

    if (vml_is_zero_digest(digest)) {
        memset(name, 0, 32);
        return 0;
    }
    if (w->cipher != NULL)
        vml_cipher_address(w->cipher, digest, name);
    else
        memcpy(name, digest, 32);
    if (vml_txn_stored(w->txn, name, &stored, err) < 0)
        return -1;
    return stored ? 0
                  : vml_fail(err, VML_EDATA, "store/block-missing",
                             "block %llu was put, and is in the store no more",
                             (unsigned long long)number);
}

static int weave_block(struct weave *w, uint64_t number, uint8_t name[32], struct vml_error *err)
{
    const uint8_t *put =
        w->patch->pages[number / PAGE] != NULL ? digest_at(w->patch, number) : NULL;
    bool was = !vml_is_hole(name);

    if (put != NULL) {
        if (name_of(w, number, put, name, err) < 0)
            return -1;
        if (was)
            w->what->data_size -= weight(number, w->what->size);
        if (!vml_is_hole(name))
            w->what->data_size += weight(number, w->what->size);
    }
    return vml_is_hole(name) ? 0 : vml_grow_block(&w->tree, number, name, err);
}

static bool is_touched(const struct weave *w, uint64_t leaf)
{
    uint64_t first = leaf * LEAF_PAGES, end = vml_min_u64(first + LEAF_PAGES, w->patch->n_pages);

    while (first < end && w->patch->pages[first] == NULL)
        first++;
    return first < end;
}

static int weave_leaf(struct weave *w, uint64_t leaf, struct vml_error *err)
{
    uint64_t first = leaf * VML_LEAF_BLOCKS,
             n = vml_min_u64(vml_div_up(w->what->size, VML_BLOCK) - first, VML_LEAF_BLOCKS);

    if (!is_touched(w, leaf))
        return leaf < w->n_leaves && !vml_is_hole(w->root + leaf * 32)
                   ? vml_grow_leaf(&w->tree, leaf, w->root + leaf * 32, err)
                   : 0;
    if (read_leaf(w, leaf, err) < 0)
        return -1;
    for (uint64_t i = 0; i < n; i++)
        if (weave_block(w, first + i, w->leaf + i * 32, err) < 0)
            return -1;
    return 0;
}

/* A smaller parent's last block may have been counted in part, and is here as a whole. */
static int count_parent(struct weave *w, struct vml_error *err)
{
    uint64_t last;

    w->what->data_size = w->parent->data_size;
    if (w->parent->size == w->what->size || w->parent->size % VML_BLOCK == 0)
        return 0;
    last = w->parent->size / VML_BLOCK;
    if (read_leaf(w, last / VML_LEAF_BLOCKS, err) < 0)
        return -1;
    if (!vml_is_hole(w->leaf + last % VML_LEAF_BLOCKS * 32))
        w->what->data_size += weight(last, w->what->size) - weight(last, w->parent->size);
    return 0;
}

static int weave_all(struct weave *w, struct vml_error *err)
{
    uint64_t n = vml_div_up(w->what->size, VML_LEAF_SPAN);

    w->n_leaves = vml_div_up(w->parent->size, VML_LEAF_SPAN);
    w->root = calloc(w->n_leaves + 1, 32);
    w->leaf = malloc(VML_BLOCK);
    if (w->root == NULL || w->leaf == NULL)
        return vml_fail_nomem(err);
    if (w->parent->id[0] != '\0' &&
        read_node(w, w->parent->root, w->root, w->n_leaves * 32, err) < 0)
        return -1;
    if (count_parent(w, err) < 0 || vml_grow_begin(&w->tree, write_node, w->txn, err) < 0)
        return -1;
    for (uint64_t i = 0; i < n; i++) {
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (weave_leaf(w, i, err) < 0)
            return -1;
    }
    return vml_grow_end(&w->tree, w->what->size, w->what->root, err);
}

int vml_patch_tree(const struct vml_patch *p, struct vml_txn *t, const struct vml_snapshot *parent,
                   const struct vml_cipher *cipher, struct vml_snapshot *what,
                   struct vml_error *err)
{
    VML_AUTO(weave_clear)
    struct weave w = { .patch = p, .txn = t, .cipher = cipher, .parent = parent, .what = what };

    return weave_all(&w, err);
}
