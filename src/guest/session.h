/* The appliance of libguestfs over the disks of a machine, from its start to its end:
 *
 *     vmlift's reader <- nbdkit and the plugin <- socket in a private folder <- qemu, the appliance
 *
 * What libguestfs may be told is the caller's business: this owns the processes and the folder. */
#ifndef VMLIFT_GUEST_SESSION_H
#define VMLIFT_GUEST_SESSION_H

#include "vmlift/appliance.h"

struct guestfs_h;
struct vml_session;

/* Starts it, which takes seconds.  The disks are added in their order; nothing is
 * mounted.  Everything in *how must outlive the session. VML_EUNSUPPORTED
 * guest/no-libguestfs (built without it), guest/no-nbdkit, guest/no-appliance: what is missing and
 * which packages of Debian have it; VML_EIO guest/nbdkit: what nbdkit said. Interruption ends any
 * of libguestfs's calls in less than two seconds. */
int vml_session_open(struct vml_session **out, const struct vml_appliance *how,
                     struct vml_error *err);
/* What disk number `disk` is called among libguestfs's disk labels: which of /dev/sda, /dev/sdb ..
 * it is, is up to the appliance's kernel, and may be another with each start. */
void vml_session_label(char label[8], size_t disk);
/* Launched, and silent: its functions fail without printing, then see vml_session_fail. */
struct guestfs_h *vml_session_guestfs(struct vml_session *s);
/* "what: what libguestfs says", VML_EIO guest/libguestfs; or that it was interrupted.  -1. */
int vml_session_fail(struct vml_session *s, struct vml_error *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define vml_session_fail(...) vml_failed(vml_session_fail(__VA_ARGS__))
/* Everything written is in the overlays when it returns 0: unmounts, and ends the appliance. */
int vml_session_finish(struct vml_session *s, struct vml_error *err);
/* Ends it at once, also where nothing was finished: no process and no folder is left; overlays are
 * the caller's.  Accepts NULL. */
void vml_session_free(struct vml_session *s);
void vml_session_freep(struct vml_session **s);

#endif
