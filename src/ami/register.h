/* What every way of registering an image does with the record. */
#ifndef VMLIFT_AMI_REGISTER_H
#define VMLIFT_AMI_REGISTER_H

#include "vmlift/registry.h"

/* A paravirtual image that names no kernel gets the newest PV-GRUB there is; a note says which. */
int vml_image_kernel(struct vml_image *a, struct vml_notes *notes, struct vml_error *err);
/* What the root disk's partition table means for the image: a GPT that its kernel cannot read is
 * refused, an MBR on too large a volume is a note. */
int vml_image_look(const struct vml_image *a, uint64_t root_gib, const struct vml_boot *boot,
                   struct vml_notes *notes, struct vml_error *err);

/* The snapshots of an image's mappings; empty where a mapping has none. */
struct vml_disks {
    struct vml_registry_snapshot *are;
    uint64_t *sizes; /* as of vml_rule_register */
    size_t n;
};
void vml_disks_clear(struct vml_disks *d);
/* Those that the account sees; with unseen any.  InvalidSnapshot.NotFound,
 * InvalidSnapshotID.Malformed. */
int vml_disks_get(struct vml_store *s, const struct vml_image *a, bool unseen,
                  struct vml_disks *out, struct vml_error *err);
/* Whose products the disks are, the image is, too. */
int vml_disks_codes(const struct vml_disks *d, struct vml_image *a, struct vml_error *err);
/* vml_image_look, of which the root disk is read where something depends on it. */
int vml_disks_look(struct vml_store *s, const struct vml_disks *d, const struct vml_image *a,
                   struct vml_notes *notes, struct vml_error *err);

#endif
