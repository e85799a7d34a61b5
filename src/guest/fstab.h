/* fstab, and what the words mean by which a disk is named there and elsewhere. */
#ifndef VMLIFT_GUEST_FSTAB_H
#define VMLIFT_GUEST_FSTAB_H

#include "vmlift/inspect.h"

/* type and options may be "". */
enum vml_spec vml_spec_kind(const char *spec, const char *type, const char *options);
/* Adds the entries of a text, in their order; a line that is none is one of VML_SPEC_BAD. */
int vml_fstab_parse(const char *text, struct vml_mount **mounts, size_t *n, struct vml_error *err);

#endif
