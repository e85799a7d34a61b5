/* The guest that is in a session's disks: the one system there, mounted. */
#ifndef VMLIFT_GUEST_PREP_GUEST_H
#define VMLIFT_GUEST_PREP_GUEST_H

#include "guest/plan.h"
#include "guest/session.h"

struct vml_prep_guest {
    struct vml_guest guest; /* its arg is this */
    struct vml_session *session;
    char type[32];     /* "linux", "windows" .. */
    char product[128]; /* "Debian GNU/Linux 12 (bookworm)" */
};
extern const struct vml_guest_ops vml_prep_guest_ops; /* prep_ops.c: its files and programs */
/* VML_EUNSUPPORTED prep/no-system, prep/several-systems.  Of a Linux all file systems are mounted
 * that its fstab has and that are there; of others type and product are all that is known.  *out is
 * to be cleared, also after a failure. */
int vml_prep_guest_open(struct vml_prep_guest *out, struct vml_session *s, struct vml_notes *notes,
                        struct vml_error *err);
void vml_prep_guest_clear(struct vml_prep_guest *g);

#endif
