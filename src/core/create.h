/* What image.c and package.c check alike before anything is created. */
#ifndef VMLIFT_CORE_CREATE_H
#define VMLIFT_CORE_CREATE_H

#include "vmlift/image.h"

/* The subformat and the options exist, and the output can take them.  c->subformat, which may be
 * NULL, becomes the row's. */
int vml_create_check(const struct vml_format *f, const struct vml_output *o, struct vml_create *c,
                     const struct vml_subformat **out, struct vml_error *err);

#endif
