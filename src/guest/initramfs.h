/* What files an initramfs has. */
#ifndef VMLIFT_GUEST_INITRAMFS_H
#define VMLIFT_GUEST_INITRAMFS_H

#include "guest/tree.h"

/* Tells each name in it.  false: it could not be read to its end; some names may have been told. */
typedef void vml_initramfs_fn(void *arg, const char *name);
bool vml_initramfs_list(const struct vml_tree *t, const char *path, vml_initramfs_fn *tell,
                        void *arg);

#endif
