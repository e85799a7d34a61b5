/* A disk without a file, which a machine's description asks to be created empty. */
#ifndef VMLIFT_CORE_EMPTY_H
#define VMLIFT_CORE_EMPTY_H

#include "vmlift/image.h"

/* A disk of `size` bytes, all of them a hole; its name is "package: disk".  VML_EDATA image/size.
 */
int vml_empty_open(struct vml_reader **out, const char *package, const char *disk, uint64_t size,
                   struct vml_error *err);

#endif
