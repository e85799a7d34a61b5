/* The files and the registry of what is mounted in libguestfs's appliance. */
#ifndef VMLIFT_GUEST_APPLIANCE_H
#define VMLIFT_GUEST_APPLIANCE_H

#include "guest/inspect.h"

struct guestfs_h;

void vml_appliance_tree(struct guestfs_h *g, struct vml_tree *t);

/* The registry is read one hive at a time: questions about the same one in a row are quicker. */
struct vml_appliance_hives {
    struct guestfs_h *g;
    const char *paths[2]; /* in the guest, of SYSTEM and SOFTWARE; NULL: not there */
    int open;             /* which of them is; -1 */
};
void vml_appliance_hives(struct vml_appliance_hives *a, struct vml_hives *h);
void vml_appliance_hives_close(struct vml_appliance_hives *a);

#endif
