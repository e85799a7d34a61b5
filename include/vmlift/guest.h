/* What is inside a disk, from its own bytes. */
#ifndef VMLIFT_GUEST_H
#define VMLIFT_GUEST_H

#include "vmlift/image.h"

#ifdef __cplusplus
extern "C" {
#endif

enum vml_table { VML_TABLE_NONE, VML_TABLE_MBR, VML_TABLE_GPT };
struct vml_boot {
    enum vml_table table;
    unsigned partitions;
    bool bios;        /* boot code that a BIOS would start, and something for it to start */
    bool uefi;        /* an EFI system partition */
    char reason[200]; /* one line: what was found */
};
/* Reads at most the first and last MiB of a seekable disk.  A lying table is a finding in reason,
 * never a failure; -1 only when the disk cannot be read. */
int vml_boot_read(struct vml_reader *r, struct vml_boot *b, struct vml_error *err);
/* "legacy-bios", "uefi", "uefi-preferred" (both) or "" (neither). */
const char *vml_boot_mode(const struct vml_boot *b);

#ifdef __cplusplus
}
#endif
#endif
