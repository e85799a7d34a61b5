/* Disks and packages in a file that is compressed as a whole. */
#ifndef VMLIFT_CORE_COMPRESSED_H
#define VMLIFT_CORE_COMPRESSED_H

#include "vmlift/image.h"

/* What is inside a compressed `of`, from its start, for a caller that keeps `of`: any number of
 * times, but one at a time where it cannot seek. */
int vml_compressed_look(struct vml_input **out, struct vml_input *of, struct vml_error *err);
/* *in, which is compressed, becomes what is inside, and *f the format of that: the one called
 * `name`, or (NULL) the probed one.  The size of a raw disk is counted by a pass of its own where
 * *in can seek. */
int vml_compressed_open(struct vml_input **in, const struct vml_format **f,
                        const struct vml_format *const *table, const char *name,
                        struct vml_error *err);

/* image.c: vml_image_probe; any_raw: raw need not be asked for, since its end was or will be looked
 * at. */
int vml_image_probe_raw(const struct vml_format **out, const struct vml_format *const *table,
                        struct vml_input *in, bool any_raw, struct vml_error *err);

#endif
