/* The one way a disk's bytes move: extents -> chunks -> workers -> writer. */
#ifndef VMLIFT_COPY_H
#define VMLIFT_COPY_H

#include "vmlift/image.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VML_CHUNK (512u << 10) /* what a worker carries, unless a unit or batch is larger */

struct vml_copy {
    unsigned threads; /* 0: one for each CPU */
    /* Called now and then, one call at a time, from any worker.  size is VML_SIZE_UNKNOWN for a raw
     * pipe. */
    void (*progress)(void *arg, uint64_t done, uint64_t size);
    /* Is it not wanted any more?  It then ends as by an interruption.  Any thread; may be NULL. */
    bool (*stop)(void *arg);
    void *arg; /* of both */
    struct {
        uint64_t data, zero, hole; /* filled in: bytes of the disk by what reached the writer */
    } bytes;
};

static inline uint32_t vml_chunk_size(const struct vml_reader *r, const struct vml_writer *w)
{
    return (uint32_t)vml_max_u64(vml_max_u64(VML_CHUNK, w->batch), vml_max_u64(r->unit, w->unit));
}

/* Copies the whole disk and finishes the writer; neither is freed.  The writer's size may be larger
 * than the reader's (alignment): the rest is a hole.  The result is the same bytes for any number
 * of threads.  After a failure nothing more is put and the failure that lies first in the disk is
 * reported, prefixed with the name of its reader or writer. */
int vml_copy(struct vml_reader *r, struct vml_writer *w, struct vml_copy *c, struct vml_error *err);

/* A writer like w, but that `before` must succeed before w's finish makes anything visible: the
 * place to check what can only be known once the source was read to its end (a manifest).  An error
 * of `before` names its own object.  Takes w over, also on failure. */
int vml_writer_guard(struct vml_writer **out, struct vml_writer *w,
                     int (*before)(void *arg, struct vml_error *err), void *arg,
                     struct vml_error *err);

/* Are two seekable disks the same?  *first gets the offset of the first difference, or
 * VML_SIZE_UNKNOWN.  Of unequal sizes the rest of the larger must be zero to be the same. */
int vml_compare(struct vml_reader *a, struct vml_reader *b, struct vml_copy *c, uint64_t *first,
                struct vml_error *err);

/* SHA-256 of all bytes of a disk, which is read once, front to back; its holes are not read. */
int vml_hash(struct vml_reader *r, struct vml_copy *c, uint8_t out[32], struct vml_error *err);

#ifdef __cplusplus
}
#endif
#endif
