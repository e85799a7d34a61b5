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

/* --- writing -------------------------------------------------------------------------------- */

/* A snapshot that is being written: blocks come in any order, from any thread, over hours, and all
 * of them are seen at once when it is finished.  Until then it is this process's alone, and ends
 * with it.
 *
 * It keeps no lock while nobody is putting: a gc runs beside it, waits for the puts under way, and
 * leaves alone what the upload is made of (src/store/README.md), until the upload is freed, its
 * process has ended, or its time is up.  Memory: 32 bytes for each block that was put (8 KiB at
 * least for each 128 MiB of the disk that are touched), one pack's index, and 1 MiB for each thread
 * that is putting. */
struct vml_upload;

/* what->owner, region, description, created and key are copied.  With a parent (NULL: none) the
 * disk is the parent's until blocks are put over it; the parent may be smaller, and what->key must
 * be "" or the parent's own, which it has then too (VML_EREFUSED upload/key).  timeout, seconds:
 * for so long after the last put (or this) the upload is kept, 0 is for ever; the clock goes on
 * while the machine sleeps.  Errors: upload/size (VML_EUSAGE: 0 bytes, or less than the parent's),
 * store/too-large, those of vml_snapshot_get of the parent and, with a key, of vml_txn_snapshot. */
int vml_upload_begin(struct vml_upload **out, struct vml_store *s, uint64_t size,
                     const char *parent, const struct vml_snapshot *what, unsigned timeout,
                     struct vml_error *err);
/* Any thread, any number of them at a time.  block has VML_BLOCK bytes; digest is their SHA-256,
 * for a caller who has computed it, or NULL.  A block that was put before is put over; of two at
 * the same time either stays.  A block of zeroes becomes a hole, whatever the parent has there.
 * Digest and compression are the calling thread's. VML_EUSAGE upload/block: the disk has no such
 * block; VML_EREFUSED upload/expired, upload/over (finished); after a failure that may have lost a
 * block (a full disk) every other call fails as that one did. */
int vml_upload_put(struct vml_upload *u, uint64_t number, const void *block,
                   const uint8_t digest[32], struct vml_error *err);
/* How many blocks were put, each counted once. */
uint64_t vml_upload_count(struct vml_upload *u);
/* Waits for puts under way; then the snapshot is durable and seen, as one commit of a transaction,
 * with also (may be NULL) in it.  count is how many blocks the caller has put, each counted once
 * (VML_EREFUSED upload/count); aggregate (NULL: not told) the SHA-256 of their SHA-256s, in the
 * order of the disk (EBS's LINEAR): VML_EREFUSED upload/aggregate.  After these two more may be put
 * and it may be finished again.  Finished once more: fine, if both are right. */
int vml_upload_finish(struct vml_upload *u, uint64_t count, const uint8_t aggregate[32],
                      vml_txn_also *also, void *arg, struct vml_error *err);
/* The snapshot: ID, size and what was given never change; data_size, root and sealed are there once
 * it is finished. */
const struct vml_snapshot *vml_upload_snapshot(const struct vml_upload *u);
/* Is its time up, or did it fail?  Then nothing but free is left to do. */
bool vml_upload_dead(struct vml_upload *u);
void vml_upload_free(struct vml_upload *u); /* not finished: nothing is visible */
void vml_upload_freep(struct vml_upload **u);

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
