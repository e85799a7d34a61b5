/* What image.c, overlay.c, chain.c and package.c share about disks that have parents. */
#ifndef VMLIFT_CORE_CHAIN_H
#define VMLIFT_CORE_CHAIN_H

#include "vmlift/image.h"

/* image.c: one disk by itself, child or not; packed: it may be compressed as a whole.  Takes `in`
 * over, also on failure. */
int vml_image_open_alone(struct vml_reader **out, const struct vml_format *const *table,
                         struct vml_input *in, const char *format, bool packed,
                         struct vml_error *err);
/* image.c: the run that holds off, which is at or in front of off: a compressed unit is found at
 * its start. */
int vml_run_at(struct vml_reader *r, uint64_t off, struct vml_extent *x, struct vml_error *err);

/* overlay.c: the disk that n readers make together, which can all seek: the child first, then its
 * parent, and so on.  Takes them over when it succeeds. */
int vml_overlay_open(struct vml_reader **out, struct vml_reader *const *layers, size_t n,
                     struct vml_error *err);

/* chain.c: vml_image_open for a member of a package, which can have no parents, and is
 * compressed only where its package says so. */
int vml_image_open_member(struct vml_reader **out, const struct vml_format *const *table,
                          struct vml_input *in, const char *format, struct vml_error *err);

#endif
