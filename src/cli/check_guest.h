/* What is inside the disks of a file that is checked for a target. */
#ifndef VMLIFT_CLI_CHECK_GUEST_H
#define VMLIFT_CLI_CHECK_GUEST_H

#include "vmlift/target.h"

struct check_guest {
    struct vml_target_guest facts; /* points to the others */
    struct vml_boot *boots;
    struct vml_inspect system;
    char unread[700];
};
/* Opens the file at path, in the format called `format` or (NULL) the probed one.  What keeps it
 * from being looked into is a fact; -1 only for want of memory and after an interruption.
 * libguestfs is asked where a disk holds anything that it could find a system in.  *g is to be
 * cleared. */
int check_guest_gather(struct check_guest *g, const char *path, const char *format,
                       struct vml_error *err);
void check_guest_clear(struct check_guest *g);

#endif
