/* What every way of registering an image does with the record. */
#ifndef VMLIFT_AMI_REGISTER_H
#define VMLIFT_AMI_REGISTER_H

#include "vmlift/ami.h"

/* A paravirtual image that names no kernel gets the newest PV-GRUB there is; a note says which. */
int vml_image_kernel(struct vml_image *a, struct vml_notes *notes, struct vml_error *err);
/* What the root disk's partition table means for the image: a GPT that its kernel cannot read is
 * refused, an MBR on too large a volume is a note. */
int vml_image_look(const struct vml_image *a, uint64_t root_gib, const struct vml_boot *boot,
                   struct vml_notes *notes, struct vml_error *err);

#endif
