/* Folders that other machines may have mounted, too.
 *
 * There the kernel's locks may be this machine's alone (a gc elsewhere would not wait for an import
 * here), the catalog's shared memory always is, and what fsync promises is the server's to keep.
 * The types are those of statfs(2) and linux/magic.h; of FUSE nobody can tell what is behind it. */
#include "store/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

static const struct {
    uint32_t type;
    const char *name;
} types[] = {
    { 0x00006969, "NFS" },      { 0x0000517b, "SMB" },    { 0xff534d42, "CIFS" },
    { 0xfe534d42, "SMB2" },     { 0x65735546, "FUSE" },   { 0x01021997, "9P" },
    { 0x00c36400, "Ceph" },     { 0x5346414f, "AFS" },    { 0x6b414653, "AFS" },
    { 0x73757245, "Coda" },     { 0x0bd00bd0, "Lustre" }, { 0x786f4256, "VirtualBox's" },
    { 0xbacbacbc, "VMware's" }, { 0x01161970, "GFS2" },   { 0x7461636f, "OCFS2" },
    { 0x47504653, "GPFS" },     { 0x19830326, "BeeGFS" }, { 0x20030528, "OrangeFS" },
};

/* Of a folder that is not there yet: where it would be made. */
const char *vml_shared_fs(const char *dir)
{
    VML_AUTO(vml_freep) char *path = strdup(dir);
    struct statfs st;
    int rc = -1;

    while (path != NULL && (rc = statfs(path, &st)) < 0 && errno == ENOENT &&
           strcmp(path, ".") != 0) {
        char *slash = strrchr(path, '/');

        if (slash == NULL)
            strcpy(path, ".");
        else
            slash[slash == path] = '\0'; /* "/" stays */
    }
    for (size_t i = 0; rc == 0 && i < sizeof types / sizeof types[0]; i++)
        if (types[i].type == (uint32_t)st.f_type)
            return types[i].name;
    return NULL;
}

int vml_store_check_shared(const struct vml_store *s, struct vml_error *err)
{
    if (s->shared_fs == NULL || s->shared_fs_allowed)
        return 0;
    return vml_fail(err, VML_EREFUSED, "store/shared-fs",
                    "%s: is on a %s file system, where locks may not keep other machines from "
                    "writing at the same time: nothing is written there without --shared-fs",
                    s->dir, s->shared_fs);
}

const char *vml_store_shared_fs(const struct vml_store *s)
{
    return s->shared_fs;
}
