/* Keeps both ends of a disk as they pass to a writer. */
#ifndef VMLIFT_AMI_PEEK_H
#define VMLIFT_AMI_PEEK_H

#include "vmlift/image.h"

#define VML_PEEK_END (1u << 20) /* how much of either end is kept; what vml_boot_read reads */

/* Puts a writer that keeps them around *w, which it takes over when it succeeds. */
int vml_peek_writer(struct vml_writer **w, struct vml_error *err);
/* The disk that was copied to `peek`, seekable, as far as it was kept: zeroes between the two ends.
 * Once peek is finished; freed before it. */
int vml_peek_reader(struct vml_reader **out, struct vml_writer *peek, struct vml_error *err);

#endif
