/* Snapshots block by block, as EBS direct APIs write and read them.
 *
 * A block is VML_BLOCK bytes of a disk and has a number: block n is at n * VML_BLOCK, the disk's
 * last one padded with zeroes.  To an unencrypted snapshot a block's name is its SHA-256, to one
 * that is encrypted an HMAC of that under its key; equal names are equal blocks, and a block
 * without one is a hole, which reads as zeroes. */
#ifndef VMLIFT_UPLOAD_H
#define VMLIFT_UPLOAD_H

#include "vmlift/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- reading -------------------------------------------------------------------------------- */

/* Each block from number `first` on that is no hole, ascending, with its name.  fn returns 0 to go
 * on, 1 when that is enough, -1 to fail.  No key is needed.  snapshot/not-found. */
typedef int vml_block_fn(void *arg, uint64_t number, const uint8_t name[32], struct vml_error *err);
int vml_snapshot_blocks(struct vml_store *s, const char *id, uint64_t first, vml_block_fn *fn,
                        void *arg, struct vml_error *err);
/* Each block from number `first` on in which two snapshots differ, with its name in both; NULL is a
 * hole.  Otherwise as vml_snapshot_diff. */
typedef int vml_blocks_fn(void *arg, uint64_t number, const uint8_t *a, const uint8_t *b,
                          struct vml_error *err);
int vml_snapshot_diff_blocks(struct vml_store *s, const char *a, const char *b, uint64_t first,
                             vml_blocks_fn *fn, void *arg, struct vml_error *err);
/* The VML_BLOCK bytes of a block of that name, which is one of the snapshot's.  Any thread.  Errors
 * as of vml_snapshot_open, and store/block-missing where it is not (or no more). */
int vml_snapshot_block(struct vml_store *s, const char *id, const uint8_t name[32], void *block,
                       struct vml_error *err);

#ifdef __cplusplus
}
#endif
#endif
