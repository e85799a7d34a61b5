/* The kernels of a Linux guest, and what they can drive. */
#ifndef VMLIFT_GUEST_KERNEL_H
#define VMLIFT_GUEST_KERNEL_H

#include "guest/tree.h"
#include "vmlift/inspect.h"

/* v->kernels, the newest first; chosen is the base name of what the loader starts, or "". */
int vml_kernels_read(const struct vml_tree *t, struct vml_inspect *v, const char *chosen,
                     struct vml_error *err);

/* 'y', 'm', 'n' of an option in a kernel's configuration; 0: it is not spoken of there. */
char vml_kernel_config(const char *text, const char *option);
/* Is the module in a list of paths, each on a line (modules.dep, modules.builtin)? */
bool vml_kernel_lists(const char *text, const char *module);
/* Is the path that of the module, compressed or not? */
bool vml_kernel_is_module(const char *path, size_t len, const char *module);

#endif
