/* Boot mode and architecture of an image, from what is said of them and what its root disk shows.
 */
#ifndef VMLIFT_AMI_FIRMWARE_H
#define VMLIFT_AMI_FIRMWARE_H

#include "vmlift/ami.h"

/* Who said what. */
struct vml_said {
    char user_mode[16], user_arch[16]; /* "" where the user did not say it */
    enum vml_firmware ovf;
    bool force; /* the words hold although the disk contradicts them */
};
/* As the words in *a and the package are, before anything else is filled in. */
struct vml_said vml_firmware_said(const struct vml_image *a, const struct vml_machine *ovf,
                                  bool force);
/* Fills in a->architecture and a->boot_mode, as far as they can be known without the disk (b NULL)
 * or with it: then `disk` is its name.  VML_EREFUSED import/boot-mode, import/architecture: the
 * disk contradicts who says it, and both are named. */
int vml_firmware_settle(const struct vml_said *said, struct vml_image *a, const struct vml_boot *b,
                        const char *disk, struct vml_notes *notes, struct vml_error *err);

#endif
