/* Where what is inside disks is looked into and changed: libguestfs's appliance, a small Linux in a
 * machine of its own, so that a hostile file system meets no kernel but that one. */
#ifndef VMLIFT_APPLIANCE_H
#define VMLIFT_APPLIANCE_H

#include "vmlift/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct vml_appliance_disk {
    /* What nbdkit-vmlift-plugin(1) is told: "file=web.ova", "disk=2"; NULL ends them.  The disk is
     * served from where it lies and is never written to. */
    const char *const *params;
    /* A QCOW2 file that is made there, and takes what is written; its backing is the served disk,
     * which is gone with the appliance.  NULL: the disk is read-only. */
    const char *overlay;
};
struct vml_appliance {
    const struct vml_appliance_disk *disks; /* of one machine, in its order */
    size_t n_disks;
    const char *plugin; /* the path of nbdkit-vmlift-plugin.so, or "vmlift": where nbdkit looks */
    /* "NAME=VALUE", NULL ends it: nbdkit's, and libguestfs's settings (LIBGUESTFS_BACKEND and so
     * on, guestfs(3)); where it does not name a backend, it is "direct". */
    char *const *environment;
    bool network;    /* programs of the guest reach what this machine reaches */
    const char *tmp; /* the folder for sockets, in a folder of their own; NULL: /tmp */
    /* May be NULL.  How far the call is that libguestfs is busy with, the start first of all. */
    void (*progress)(void *arg, unsigned percent);
    /* May be NULL.  What libguestfs and its appliance say; more of it with LIBGUESTFS_DEBUG=1. */
    void (*log)(void *arg, const char *text, size_t len);
    void *arg; /* of these two */
};

#ifdef __cplusplus
}
#endif
#endif
