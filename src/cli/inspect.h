/* What inspect finds in a disk, as text and as JSON. */
#ifndef VMLIFT_CLI_INSPECT_H
#define VMLIFT_CLI_INSPECT_H

#include "out.h"
#include "vmlift/guest.h"
#include "vmlift/inspect.h"

/* How a disk boots: members of its object; the caller's. */
json_t *inspect_boot_json(const struct vml_boot *b);
int inspect_boot_text(const struct vml_boot *b, struct vml_error *err);
/* Likewise of the system in a machine's disks. */
json_t *inspect_guest_json(const struct vml_inspect *g);
int inspect_guest_text(const struct vml_inspect *g, struct vml_error *err);

#endif
