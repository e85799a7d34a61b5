/* What inspect finds in a disk, as text and as JSON. */
#ifndef VMLIFT_CLI_INSPECT_H
#define VMLIFT_CLI_INSPECT_H

#include "out.h"
#include "vmlift/guest.h"

/* The members of a disk's object; the caller's. */
json_t *inspect_boot_json(const struct vml_boot *b);
int inspect_boot_text(const struct vml_boot *b, struct vml_error *err);

#endif
