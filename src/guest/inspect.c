/* What is inside a machine's disks: the appliance is started, the system's file systems are mounted
 * read-only, and the other files read what is in them. */
#include "guest/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/appliance.h"
#include "guest/libguestfs.h"
#include "guest/session.h"

/* --- lists ---------------------------------------------------------------------------------- */

int vml_inspect_agent(struct vml_inspect *v, const char *name, const char *of, const char *path,
                      struct vml_error *err)
{
    for (size_t i = 0; i < v->n_agents; i++)
        if (strcmp(v->agents[i].name, name) == 0)
            return 0;
    struct vml_agent *more = realloc(v->agents, (v->n_agents + 1) * sizeof *more);
    if (more == NULL)
        return vml_fail_nomem(err);
    v->agents = more;
    more += v->n_agents++;
    snprintf(more->name, sizeof more->name, "%s", name);
    snprintf(more->of, sizeof more->of, "%s", of);
    snprintf(more->path, sizeof more->path, "%s", path);
    return 0;
}

int vml_inspect_identity(struct vml_inspect *v, const char *what, const char *path,
                         struct vml_error *err)
{
    struct vml_identity *more = realloc(v->identity, (v->n_identity + 1) * sizeof *more);

    if (more == NULL)
        return vml_fail_nomem(err);
    v->identity = more;
    more += v->n_identity++;
    snprintf(more->what, sizeof more->what, "%s", what);
    snprintf(more->path, sizeof more->path, "%s", path);
    return 0;
}

void vml_inspect_clear(struct vml_inspect *v)
{
    free(v->usage);
    free(v->agents);
    free(v->identity);
    free(v->kernels);
    free(v->mounts);
    free(v->nics);
    vml_notes_clear(&v->notes);
    *v = (struct vml_inspect){ .os = VML_OS_NONE };
}

#ifdef VMLIFT_GUESTFS

/* "key", "value", "key", "value", NULL, as libguestfs hands out; owned. */
static void list_freep(char ***list)
{
    vml_tree_list_freep(list);
}

static void take(char *to, size_t cap, char *from)
{
    if (from != NULL && strcmp(from, "unknown") != 0)
        snprintf(to, cap, "%s", from);
    free(from);
}

/* --- what the disks hold -------------------------------------------------------------------- */

struct blocks {
    struct vml_block *items;
    size_t n;
};

static void blocks_clear(struct blocks *b)
{
    free(b->items);
}

static void name_block(guestfs_h *g, struct vml_block *b)
{
    static const struct {
        const char *key;
        size_t at, cap;
    } names[] = {
        { "UUID", offsetof(struct vml_block, uuid), sizeof b->uuid },
        { "LABEL", offsetof(struct vml_block, label), sizeof b->label },
        { "PART_ENTRY_UUID", offsetof(struct vml_block, partuuid), sizeof b->partuuid },
        { "PART_ENTRY_NAME", offsetof(struct vml_block, partlabel), sizeof b->partlabel },
    };
    VML_AUTO(list_freep) char **told = vml_guestfs.blkid(g, b->device);

    for (char **p = told; p != NULL && p[0] != NULL && p[1] != NULL; p += 2)
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (strcmp(p[0], names[i].key) == 0)
                snprintf((char *)b + names[i].at, names[i].cap, "%s", p[1]);
}

static void note_encrypted(struct vml_inspect *v, const struct vml_block *b)
{
    if (strcmp(b->type, "crypto_LUKS") != 0 && strcmp(b->type, "BitLocker") != 0)
        return;
    v->encrypted = true;
    snprintf(v->encrypted_where, sizeof v->encrypted_where, "%.40s on %.40s", b->type, b->device);
}

static int find_blocks(guestfs_h *g, struct vml_inspect *v, struct blocks *b, struct vml_error *err)
{
    VML_AUTO(list_freep) char **told = vml_guestfs.list_filesystems(g);
    size_t n = 0;

    if (told == NULL)
        return 0; /* nothing on them can be read: no system is found either */
    while (told[n] != NULL)
        n++;
    b->items = calloc(n / 2 + 1, sizeof *b->items);
    if (b->items == NULL)
        return vml_fail_nomem(err);
    for (char **p = told; p[0] != NULL && p[1] != NULL; p += 2) {
        struct vml_block *at = &b->items[b->n];

        if (strncmp(p[0], "btrfsvol:", 9) == 0) /* its file system is in the list, too */
            continue;
        snprintf(at->device, sizeof at->device, "%s", p[0]);
        snprintf(at->type, sizeof at->type, "%s", p[1]);
        note_encrypted(v, at);
        name_block(g, at);
        b->n++;
    }
    return 0;
}

/* --- the system ----------------------------------------------------------------------------- */

static void name_system(guestfs_h *g, struct vml_inspect *v, const char *root)
{
    char type[16] = "";
    const char *device = root;

    take(type, sizeof type, vml_guestfs.inspect_get_type(g, root));
    v->os = strcmp(type, "linux") == 0     ? VML_OS_LINUX
            : strcmp(type, "windows") == 0 ? VML_OS_WINDOWS
                                           : VML_OS_OTHER;
    take(v->distro, sizeof v->distro, vml_guestfs.inspect_get_distro(g, root));
    take(v->product, sizeof v->product, vml_guestfs.inspect_get_product_name(g, root));
    take(v->arch, sizeof v->arch, vml_guestfs.inspect_get_arch(g, root));
    take(v->hostname, sizeof v->hostname, vml_guestfs.inspect_get_hostname(g, root));
    take(v->packages, sizeof v->packages, vml_guestfs.inspect_get_package_format(g, root));
    v->major = vml_guestfs.inspect_get_major_version(g, root);
    v->minor = vml_guestfs.inspect_get_minor_version(g, root);
    if (strncmp(root, "btrfsvol:", 9) == 0) { /* btrfsvol:/dev/sda2/@rootfs */
        const char *slash = strchr(root + 9 + strlen("/dev/"), '/');

        device = root + 9;
        snprintf(v->root_subvolume, sizeof v->root_subvolume, "%s", slash != NULL ? slash + 1 : "");
        snprintf(v->root, sizeof v->root, "%.*s",
                 slash != NULL ? (int)(slash - device) : (int)strlen(device), device);
        return;
    }
    snprintf(v->root, sizeof v->root, "%s", device);
}

/* Of "/dev/sdb1" 2: the appliance names the disks in their order, without gaps. */
static unsigned disk_number(const char *device)
{
    unsigned n = 0;

    if (strncmp(device, "/dev/sd", 7) != 0)
        return 0;
    for (const char *p = device + 7; *p >= 'a' && *p <= 'z'; p++)
        n = 26 * n + (unsigned)(*p - 'a' + 1);
    return n;
}

/* A volume is on the disk that all physical volumes are on, where that is one. */
static unsigned find_root_disk(guestfs_h *g, const char *root)
{
    unsigned disk = disk_number(root);
    VML_AUTO(list_freep) char **pvs = disk == 0 ? vml_guestfs.pvs(g) : NULL;

    for (size_t i = 0; pvs != NULL && pvs[i] != NULL; i++) {
        unsigned one = disk_number(pvs[i]);

        if (i > 0 && one != disk)
            return 0;
        disk = one;
    }
    return disk;
}

/* The first that is a Linux or a Windows; the others are named. */
static const char *choose_root(guestfs_h *g, struct vml_inspect *v, char **roots)
{
    for (size_t i = 0; roots[i] != NULL; i++) {
        char name[128] = "";
        size_t used = strlen(v->others);

        if (i == 0)
            continue;
        take(name, sizeof name, vml_guestfs.inspect_get_product_name(g, roots[i]));
        snprintf(v->others + used, sizeof v->others - used, "%s%s on %s", used > 0 ? ", " : "",
                 name[0] != '\0' ? name : "a system", roots[i]);
    }
    for (v->n_systems = 0; roots[v->n_systems] != NULL;)
        v->n_systems++;
    return roots[0];
}

static int by_length(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return (strlen(*x) > strlen(*y)) - (strlen(*x) < strlen(*y));
}

static int add_usage(guestfs_h *g, struct vml_inspect *v, const struct blocks *b, const char *dir,
                     const char *device, struct vml_error *err)
{
    struct guestfs_statvfs *st = vml_guestfs.statvfs(g, dir);
    struct vml_space *more;

    if (st == NULL)
        return 0;
    more = realloc(v->usage, (v->n_usage + 1) * sizeof *more);
    if (more != NULL) {
        v->usage = more;
        more += v->n_usage++;
        *more = (struct vml_space){ .size = (uint64_t)st->blocks * (uint64_t)st->frsize,
                                    .free = (uint64_t)st->bavail * (uint64_t)st->frsize };
        snprintf(more->dir, sizeof more->dir, "%s", dir);
        snprintf(more->device, sizeof more->device, "%s", device);
        for (size_t i = 0; i < b->n; i++)
            if (strcmp(b->items[i].device, device) == 0)
                snprintf(more->type, sizeof more->type, "%s", b->items[i].type);
        if (strcmp(dir, "/") == 0)
            snprintf(v->root_type, sizeof v->root_type, "%s", more->type);
    }
    vml_guestfs.free_statvfs(st);
    return more != NULL ? 0 : vml_fail_nomem(err);
}

/* In the order of their depth.  What cannot be mounted is told; of a root nothing could be told
 * that is right. */
static int mount_all(struct vml_session *s, struct vml_inspect *v, const struct blocks *b,
                     const char *root, struct vml_error *err)
{
    guestfs_h *g = vml_session_guestfs(s);
    VML_AUTO(list_freep) char **points = vml_guestfs.inspect_get_mountpoints(g, root);
    size_t n = 0;

    while (points != NULL && points[n] != NULL)
        n++;
    if (n > 2) /* pairs of a folder and a device */
        qsort(points, n / 2, 2 * sizeof *points, by_length);
    for (size_t i = 0; i + 1 < n; i += 2) {
        const char *dir = points[i], *device = points[i + 1];

        if (vml_guestfs.mount_ro(g, device, dir) < 0) {
            if (strcmp(dir, "/") == 0)
                return vml_session_fail(s, err, "the root cannot be mounted");
            vml_note(&v->notes, "inspect/mount", "%s cannot be mounted on %s: %s", device, dir,
                     vml_guestfs.last_error(g));
            continue;
        }
        /* a subvolume is measured by its file system */
        if (add_usage(g, v, b, dir, strcmp(dir, "/") == 0 ? v->root : device, err) < 0)
            return -1;
    }
    return 0;
}

static int look_at_windows(guestfs_h *g, struct vml_inspect *v, const char *root,
                           const struct vml_tree *t, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *system = vml_guestfs.inspect_get_windows_system_hive(g, root);
    VML_AUTO(vml_freep) char *software = vml_guestfs.inspect_get_windows_software_hive(g, root);
    VML_AUTO(vml_freep)
    char *control = vml_guestfs.inspect_get_windows_current_control_set(g, root);
    struct vml_appliance_hives a = { .g = g, .paths = { system, software } };
    struct vml_hives h;
    int rc;

    if (system == NULL || software == NULL)
        vml_note(&v->notes, "inspect/registry", "the registry's hive %s is not there",
                 system == NULL ? "SYSTEM" : "SOFTWARE");
    vml_appliance_hives(&a, &h);
    rc = vml_inspect_windows(t, &h, control != NULL ? control : "ControlSet001", v, err);
    vml_appliance_hives_close(&a);
    return rc;
}

static int look_at_linux(struct vml_inspect *v, const struct vml_tree *t, const struct blocks *b,
                         struct vml_error *err)
{
    if (vml_inspect_linux(t, v, err) < 0)
        return -1;
    vml_inspect_missing(v, b->items, b->n);
    return 0;
}

/* libguestfs gives up where a Linux's fstab has a line that is none, of which its users would be
 * told above all: then the first file system that has what a Linux has is the root, and nothing
 * else is mounted. */
static int look_for_linux(guestfs_h *g, struct vml_inspect *v, const struct vml_tree *t,
                          const struct blocks *b, const char *why, struct vml_error *err)
{
    static const char *const types[] = { "ext2", "ext3", "ext4", "xfs", "btrfs", "jfs" };

    vml_note(&v->notes, "inspect/libguestfs", "%s", why);
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
            const char *device = b->items[i].device;

            if (strcmp(b->items[i].type, types[k]) != 0 || vml_guestfs.mount_ro(g, device, "/") < 0)
                continue;
            if (!vml_tree_has(t, "/etc/fstab") || !vml_tree_has(t, "/bin")) {
                (void)vml_guestfs.umount_all(g);
                continue;
            }
            v->os = VML_OS_LINUX;
            v->n_systems = 1;
            v->root_disk = find_root_disk(g, device);
            snprintf(v->root, sizeof v->root, "%s", device);
            take(v->arch, sizeof v->arch, vml_guestfs.file_architecture(g, "/bin/ls"));
            if (add_usage(g, v, b, "/", device, err) < 0)
                return -1;
            return look_at_linux(v, t, b, err);
        }
    return vml_fail(err, VML_EIO, "guest/libguestfs", "%s", why);
}

static int look(struct vml_session *s, struct vml_inspect *v, struct vml_error *err)
{
    guestfs_h *g = vml_session_guestfs(s);
    VML_AUTO(blocks_clear) struct blocks b = { 0 };
    VML_AUTO(list_freep) char **roots = NULL;
    struct vml_tree tree;

    vml_appliance_tree(g, &tree);
    if (find_blocks(g, v, &b, err) < 0)
        return -1;
    roots = vml_guestfs.inspect_os(g);
    if (roots == NULL) {
        (void)vml_session_fail(s, err, "looking for a system");
        if (vml_guestfs.is_ready(g) != 1 || vml_guestfs.umount_all(g) < 0)
            return -1;
        const struct vml_error why = *err;
        return look_for_linux(g, v, &tree, &b, why.text, err);
    }
    if (roots[0] == NULL)
        return 0;
    const char *root = choose_root(g, v, roots);
    name_system(g, v, root);
    v->root_disk = find_root_disk(g, v->root);
    if (mount_all(s, v, &b, root, err) < 0)
        return -1;
    if (v->os == VML_OS_WINDOWS)
        return look_at_windows(g, v, root, &tree, err);
    return v->os == VML_OS_LINUX ? look_at_linux(v, &tree, &b, err) : 0;
}

int vml_inspect_read(const struct vml_appliance *how, struct vml_inspect *v, struct vml_error *err)
{
    VML_AUTO(vml_session_freep) struct vml_session *s = NULL;

    *v = (struct vml_inspect){ .os = VML_OS_NONE };
    if (vml_session_open(&s, how, err) < 0 || look(s, v, err) < 0)
        return -1;
    if (vml_interrupted())
        return vml_fail_interrupted(err);
    /* files that seemed not to be there, since nobody was left to say that they are */
    return vml_guestfs.is_ready(vml_session_guestfs(s)) == 1
               ? 0
               : vml_fail(err, VML_EIO, "guest/libguestfs", "the appliance ended before its time");
}

#else

int vml_inspect_read(const struct vml_appliance *how, struct vml_inspect *v, struct vml_error *err)
{
    (void)how;
    *v = (struct vml_inspect){ .os = VML_OS_NONE };
    return vml_guestfs_load(err);
}

#endif
