/* What an upload puts over its parent's tree. */
#ifndef VMLIFT_STORE_PATCH_H
#define VMLIFT_STORE_PATCH_H

#include "store/internal.h"

/* The SHA-256 of each block that was put, by number: pages of 256 digests, made when the first one
 * of theirs comes.  A digest of zeroes, which no block has, is a block that was not put. */
struct vml_patch {
    uint8_t **pages;
    uint64_t n_pages, count; /* of blocks */
};
int vml_patch_begin(struct vml_patch *p, uint64_t size, struct vml_error *err);
int vml_patch_set(struct vml_patch *p, uint64_t number, const uint8_t digest[32],
                  struct vml_error *err);
/* SHA-256 of all digests, in the order of the disk. */
int vml_patch_aggregate(const struct vml_patch *p, uint8_t out[32], struct vml_error *err);
void vml_patch_clear(struct vml_patch *p);

/* Writes the tree of the parent (whose id is "" where there is none) with the blocks that were put
 * over it, and fills root and data_size of `what`, whose size is set.  cipher as the parent's.
 * VML_EDATA store/block-missing: one of them is not in the store. */
int vml_patch_tree(const struct vml_patch *p, struct vml_txn *t, const struct vml_snapshot *parent,
                   const struct vml_cipher *cipher, struct vml_snapshot *what,
                   struct vml_error *err);
/* Is it the SHA-256 of a block of zeroes?  Such a block is a hole. */
bool vml_is_zero_digest(const uint8_t digest[32]);

#endif
