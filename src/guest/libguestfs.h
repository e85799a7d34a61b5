/* libguestfs, loaded when it is first needed: it brings some forty libraries along, which would
 * double the time that every other command takes to start, and it may not be installed.
 *
 * A function of it that is wanted is added to the list, and called as vml_guestfs.launch(g). */
#ifndef VMLIFT_GUEST_LIBGUESTFS_H
#define VMLIFT_GUEST_LIBGUESTFS_H

#include "vmlift/base.h"

#ifdef VMLIFT_GUESTFS

#include <guestfs.h>

#define VML_GUESTFS_FUNCTIONS(X) \
    X(add_drive_opts)            \
    X(close)                     \
    X(config)                    \
    X(create_flags)              \
    X(disk_create)               \
    X(last_error)                \
    X(launch)                    \
    X(parse_environment_list)    \
    X(set_backend)               \
    X(set_error_handler)         \
    X(set_event_callback)        \
    X(set_tmpdir)                \
    X(shutdown)                  \
    X(umount_all)

#define VML_GUESTFS_POINTER(name) __typeof__(guestfs_##name) *(name);
extern struct vml_guestfs {
    VML_GUESTFS_FUNCTIONS(VML_GUESTFS_POINTER)
} vml_guestfs;

#endif

/* Before any of them is called; again and again, by any thread.  VML_EUNSUPPORTED
 * guest/no-libguestfs. */
int vml_guestfs_load(struct vml_error *err);

#endif
