/* libguestfs, loaded when it is first needed: it brings some forty libraries along, which would
 * double the time that every other command takes to start, and it may not be installed.
 *
 * A function of it that is wanted is added to the list, and called as vml_guestfs.launch(g). */
#ifndef VMLIFT_GUEST_LIBGUESTFS_H
#define VMLIFT_GUEST_LIBGUESTFS_H

#include "vmlift/base.h"

#ifdef VMLIFT_GUESTFS

#include <guestfs.h>

#define VML_GUESTFS_FUNCTIONS(X)               \
    X(add_drive_opts)                          \
    X(blkid)                                   \
    X(close)                                   \
    X(config)                                  \
    X(cp_a)                                    \
    X(create_flags)                            \
    X(disk_create)                             \
    X(file_architecture)                       \
    X(filesize)                                \
    X(free_hivex_node_list)                    \
    X(free_statns)                             \
    X(free_statvfs)                            \
    X(hivex_close)                             \
    X(hivex_node_children)                     \
    X(hivex_node_get_child)                    \
    X(hivex_node_get_value)                    \
    X(hivex_node_name)                         \
    X(hivex_open)                              \
    X(hivex_root)                              \
    X(hivex_value_type)                        \
    X(hivex_value_value)                       \
    X(inspect_get_arch)                        \
    X(inspect_get_distro)                      \
    X(inspect_get_hostname)                    \
    X(inspect_get_major_version)               \
    X(inspect_get_minor_version)               \
    X(inspect_get_mountpoints)                 \
    X(inspect_get_package_format)              \
    X(inspect_get_product_name)                \
    X(inspect_get_type)                        \
    X(inspect_get_windows_current_control_set) \
    X(inspect_get_windows_software_hive)       \
    X(inspect_get_windows_system_hive)         \
    X(inspect_os)                              \
    X(is_dir_opts)                             \
    X(is_file_opts)                            \
    X(is_ready)                                \
    X(last_errno)                              \
    X(last_error)                              \
    X(launch)                                  \
    X(list_disk_labels)                        \
    X(list_filesystems)                        \
    X(ln_sf)                                   \
    X(ls)                                      \
    X(lstatns)                                 \
    X(mkdir_p)                                 \
    X(mount)                                   \
    X(mount_ro)                                \
    X(mountable_device)                        \
    X(mv)                                      \
    X(parse_environment_list)                  \
    X(pread)                                   \
    X(pvs)                                     \
    X(read_file)                               \
    X(readlink)                                \
    X(realpath)                                \
    X(rm)                                      \
    X(set_backend)                             \
    X(set_error_handler)                       \
    X(set_event_callback)                      \
    X(set_network)                             \
    X(set_tmpdir)                              \
    X(sh)                                      \
    X(shutdown)                                \
    X(statns)                                  \
    X(statvfs)                                 \
    X(umount_all)                              \
    X(vfs_label)                               \
    X(vfs_uuid)                                \
    X(write)

#define VML_GUESTFS_POINTER(name) __typeof__(guestfs_##name) *(name);
extern struct vml_guestfs {
    VML_GUESTFS_FUNCTIONS(VML_GUESTFS_POINTER)
} vml_guestfs;

#endif

/* Before any of them is called; again and again, by any thread.  VML_EUNSUPPORTED
 * guest/no-libguestfs. */
int vml_guestfs_load(struct vml_error *err);

#endif
