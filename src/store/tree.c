/* Walking a snapshot's tree, for those who want its digests and not its bytes.  No node of a tree
 * is encrypted, so that it takes no key: those of an encrypted snapshot hold HMACs. */
#include "store/internal.h"

#include <stdlib.h>

struct walk {
    struct vml_store *store;
    struct vml_db *db;
    uint64_t size;
    vml_tree_fn *fn;
    void *arg;
};

static int suffers(uint64_t off, uint64_t len, struct vml_error *err)
{
    if (err->code == VML_EDATA)
        vml_error_prefix(err, "bytes %llu..%llu", (unsigned long long)off,
                         (unsigned long long)(off + len));
    return -1;
}

static int walk_leaf(const struct walk *w, const uint8_t address[32], uint64_t off,
                     struct vml_error *err)
{
    uint64_t len = vml_min_u64(VML_LEAF_SPAN, w->size - off), end = off + len;
    VML_AUTO(vml_freep) uint8_t *digests = NULL;
    int rc = w->fn(w->arg, VML_FRAME_LEAF, address, off, len, err);

    if (rc <= 0)
        return rc;
    digests = malloc(VML_BLOCK);
    if (digests == NULL)
        return vml_fail_nomem(err);
    if (vml_block_read(w->store, w->db, NULL, address, digests, VML_BLOCK, err) < 0)
        return suffers(off, len, err);
    for (const uint8_t *d = digests; off < end; d += 32, off += VML_BLOCK)
        if (!vml_is_hole(d) &&
            w->fn(w->arg, VML_FRAME_DATA, d, off, vml_min_u64(VML_BLOCK, end - off), err) < 0)
            return -1;
    return 0;
}

int vml_tree_walk(struct vml_store *s, struct vml_db *db, const struct vml_snapshot *snap,
                  vml_tree_fn *fn, void *arg, struct vml_error *err)
{
    const struct walk w = { .store = s, .db = db, .size = snap->size, .fn = fn, .arg = arg };
    uint64_t n = vml_div_up(snap->size, VML_LEAF_SPAN);
    VML_AUTO(vml_freep) uint8_t *root = NULL;
    int rc = fn(arg, VML_FRAME_ROOT, snap->root, 0, snap->size, err);

    if (rc <= 0)
        return rc;
    root = malloc(n * 32 + 1);
    if (root == NULL)
        return vml_fail_nomem(err);
    if (vml_block_read(s, db, NULL, snap->root, root, n * 32, err) < 0)
        return suffers(0, snap->size, err);
    for (uint64_t i = 0; i < n; i++) {
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (!vml_is_hole(root + i * 32) && walk_leaf(&w, root + i * 32, i * VML_LEAF_SPAN, err) < 0)
            return -1;
    }
    return 0;
}
