#include "guest/prep_guest.h"

#ifdef VMLIFT_GUESTFS

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/appliance.h"
#include "guest/edit.h"
#include "guest/kernel.h"
#include "guest/libguestfs.h"

enum { DISKS_MAX = 26 }; /* that have a name of one letter */

/* --- the system ----------------------------------------------------------------------------- */

static int find_system(struct vml_session *s, char ***roots, struct vml_error *err)
{
    guestfs_h *h = vml_session_guestfs(s);
    size_t n = 0;

    if ((*roots = vml_guestfs.inspect_os(h)) == NULL)
        return vml_session_fail(s, err, "the system");
    while ((*roots)[n] != NULL)
        n++;
    if (n == 0)
        return vml_fail(err, VML_EUNSUPPORTED, "prep/no-system",
                        "no operating system was found in the disks");
    if (n > 1)
        return vml_fail(err, VML_EUNSUPPORTED, "prep/several-systems",
                        "%zu operating systems are in the disks, on %s and %s: EC2 starts one", n,
                        (*roots)[0], (*roots)[1]);
    return 0;
}

static void name_system(struct vml_prep_guest *g, guestfs_h *h, const char *root)
{
    VML_AUTO(vml_freep) char *type = vml_guestfs.inspect_get_type(h, root);
    VML_AUTO(vml_freep) char *distro = vml_guestfs.inspect_get_distro(h, root);
    VML_AUTO(vml_freep) char *product = vml_guestfs.inspect_get_product_name(h, root);
    bool bare; /* of Debian it is "12.15" */

    snprintf(g->type, sizeof g->type, "%s", type != NULL ? type : "unknown");
    bare = product == NULL || (product[0] >= '0' && product[0] <= '9');
    snprintf(g->product, sizeof g->product, "%s%s%s", bare && distro != NULL ? distro : "",
             bare && distro != NULL && product != NULL ? " " : "", product != NULL ? product : "");
}

/* --- its file systems ----------------------------------------------------------------------- */

/* Of Btrfs a mount is of a subvolume of the device. */
static bool is_there(const struct vml_prep_guest *g, const char *mountable)
{
    VML_AUTO(vml_freep)
    char *device = vml_guestfs.mountable_device(vml_session_guestfs(g->session), mountable);

    for (size_t i = 0; device != NULL && i < g->guest.n_volumes; i++)
        if (strcmp(g->guest.volumes[i].here, device) == 0)
            return true;
    return false;
}

/* What cannot be mounted is not looked into; "/" must be. */
static int mount_one(struct vml_prep_guest *g, const char *device, const char *at,
                     struct vml_notes *notes, struct vml_error *err)
{
    guestfs_h *h = vml_session_guestfs(g->session);

    if (strcmp(at, "/") != 0 && !is_there(g, device))
        return 0; /* that is fstab's matter */
    if (vml_guestfs.mount(h, device, at) == 0)
        return 0;
    if (strcmp(at, "/") == 0 || vml_interrupted())
        return vml_session_fail(g->session, err, "%s", device);
    vml_note(notes, "prep/not-mounted", "%s: was not looked into: %s", at,
             vml_guestfs.last_error(h));
    return 0;
}

struct mount {
    char at[160], device[160];
};

static int by_depth(const void *a, const void *b)
{
    const struct mount *x = a, *y = b;

    return (int)strlen(x->at) - (int)strlen(y->at);
}

/* Where fstab's line has a disk by its name it is looked up among the machine's disks: libguestfs
 * takes it for one of the appliance's, which may have them in another order.  NULL: there is none
 * such. */
static const char *find_named(const struct vml_prep_guest *g, const char *spec)
{
    unsigned disk, part;
    char device[32];

    if (!vml_device_parse(spec, &disk, &part) || disk > 25)
        return NULL;
    snprintf(device, sizeof device, part > 0 ? "/dev/sd%c%u" : "/dev/sd%c", (char)('a' + disk),
             part);
    for (size_t i = 0; i < g->guest.n_volumes; i++)
        if (strcmp(g->guest.volumes[i].device, device) == 0)
            return g->guest.volumes[i].here;
    return NULL;
}

/* The place where the mount at `at` is of a name that moves; true: *device is what is to be mounted
 * there, or NULL. */
static bool find_in_fstab(const struct vml_prep_guest *g, const char *fstab, const char *at,
                          const char **device)
{
    struct vml_text_line line;

    while (fstab != NULL && vml_text_line_next(&fstab, &line)) {
        const char *p = line.text, *end = p + line.len;
        struct vml_word spec, folder;
        char name[256];

        if (!vml_word_next(&p, end, &spec) || spec.text[0] == '#' ||
            !vml_word_next(&p, end, &folder) || !vml_word_is(&folder, at))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)spec.len, spec.text);
        *device = find_named(g, name);
        return vml_device_moves(name);
    }
    return false;
}

/* "/" first, then what is in it: what libguestfs found, but for names that move. */
static int mount_all(struct vml_prep_guest *g, char *const *pairs, struct vml_notes *notes,
                     struct vml_error *err)
{
    guestfs_h *h = vml_session_guestfs(g->session);
    VML_AUTO(vml_freep) char *fstab = NULL;
    size_t n = 0, len;

    while (pairs[2 * n] != NULL)
        n++;
    VML_AUTO(vml_freep) struct mount *mounts = calloc(n + 1, sizeof *mounts);
    if (mounts == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        snprintf(mounts[i].at, sizeof mounts[i].at, "%s", pairs[2 * i]);
        snprintf(mounts[i].device, sizeof mounts[i].device, "%s", pairs[2 * i + 1]);
    }
    qsort(mounts, n, sizeof *mounts, by_depth);
    for (size_t i = 0; i < n; i++) {
        const char *device = mounts[i].device, *named;
        bool root = strcmp(mounts[i].at, "/") == 0;

        if (!root && find_in_fstab(g, fstab, mounts[i].at, &named))
            device = named;
        if (device != NULL && mount_one(g, device, mounts[i].at, notes, err) < 0)
            return -1;
        if (root)
            fstab = vml_guestfs.read_file(h, "/etc/fstab", &len);
    }
    return 0;
}

static void find_esp(struct vml_prep_guest *g)
{
    static const char *const places[] = { "/boot/efi", "/efi", "/boot" };
    guestfs_h *h = vml_session_guestfs(g->session);

    for (size_t i = 0; i < sizeof places / sizeof places[0] && g->guest.esp[0] == '\0'; i++) {
        char path[80];

        snprintf(path, sizeof path, "%s/EFI", places[i]);
        if (vml_guestfs.is_dir_opts(h, path, -1) == 1)
            snprintf(g->guest.esp, sizeof g->guest.esp, "%s", places[i]);
    }
}

static void set_text(char *to, size_t cap, char *from)
{
    snprintf(to, cap, "%s", from != NULL ? from : "");
    free(from);
}

/* What each is called: also swaps, and those that nothing mounts. */
static int name_volumes(struct vml_prep_guest *g, struct vml_error *err)
{
    guestfs_h *h = vml_session_guestfs(g->session);
    VML_AUTO(vml_names_freep) char **pairs = vml_guestfs.list_filesystems(h);
    size_t n = 0;

    if (pairs == NULL)
        return vml_session_fail(g->session, err, "the file systems");
    while (pairs[2 * n] != NULL)
        n++;
    if ((g->guest.volumes = calloc(n + 1, sizeof *g->guest.volumes)) == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        struct vml_guest_volume *v = &g->guest.volumes[g->guest.n_volumes];
        VML_AUTO(vml_freep) char *device = vml_guestfs.mountable_device(h, pairs[2 * i]);

        if (device == NULL || strcmp(pairs[2 * i + 1], "unknown") == 0)
            continue;
        snprintf(v->device, sizeof v->device, "%s", device);
        snprintf(v->here, sizeof v->here, "%s", device);
        set_text(v->uuid, sizeof v->uuid, vml_guestfs.vfs_uuid(h, device));
        set_text(v->label, sizeof v->label, vml_guestfs.vfs_label(h, device));
        g->guest.n_volumes++;
    }
    return vml_interrupted() ? vml_fail_interrupted(err) : 0;
}

/* Which of the machine's disks the appliance calls so; false: none. */
static bool find_disk(char *const *labels, const char *disk, size_t *number)
{
    char label[8];

    for (*number = 0; *number < DISKS_MAX; ++*number) {
        vml_session_label(label, *number);
        for (size_t i = 0; labels[i] != NULL; i += 2)
            if (strcmp(labels[i], label) == 0 && strcmp(labels[i + 1], disk) == 0)
                return true;
    }
    return false;
}

/* "/dev/sdc1" of the appliance is "/dev/sda1" where that is the first disk of the machine.  What is
 * on none of them by itself (a volume of LVM) keeps its name. */
static void name_as_machine(struct vml_guest_volume *v, char *const *labels)
{
    unsigned letter, part;
    char disk[32], rest[16];
    size_t number;

    if (!vml_device_parse(v->device, &letter, &part) || letter > 25)
        return;
    snprintf(disk, sizeof disk, "/dev/sd%c", (char)('a' + letter));
    snprintf(rest, sizeof rest, "%s", v->device + strlen(disk));
    if (find_disk(labels, disk, &number))
        snprintf(v->device, sizeof v->device, "/dev/sd%c%s", (char)('a' + number), rest);
    else
        v->device[0] = '\0';
}

/* Partitions have labels, too: those with a number behind. */
static size_t count_labels(char *const *labels)
{
    size_t n = 0;

    for (; labels[0] != NULL; labels += 2)
        n += strpbrk(labels[0], "0123456789") == NULL;
    return n;
}

static int name_disks(struct vml_prep_guest *g, struct vml_error *err)
{
    VML_AUTO(vml_names_freep)
    char **labels = vml_guestfs.list_disk_labels(vml_session_guestfs(g->session));

    if (labels == NULL)
        return vml_session_fail(g->session, err, "the disks");
    g->guest.n_disks = count_labels(labels);
    for (size_t i = 0; i < g->guest.n_volumes; i++)
        name_as_machine(&g->guest.volumes[i], labels);
    return 0;
}

/* --- its kernels ---------------------------------------------------------------------------- */

static void name_kernel(struct vml_guest_kernel *to, const struct vml_kernel *k,
                        struct vml_notes *notes)
{
    bool read = k->initramfs_read;

    snprintf(to->version, sizeof to->version, "%s", k->version);
    if (k->initramfs[0] != '\0' && !read)
        vml_note(
            notes, "prep/initramfs-unread",
            "%s: cannot be listed, so that it is not known whether it has the drivers that EC2 "
            "needs",
            k->initramfs);
    for (unsigned d = 0; d < VML_DRIVERS; d++) {
        if (k->drivers[d] == VML_DRIVER_MODULE && read)
            to->lacking |= UINT32_C(1) << d;
        if (k->drivers[d] == VML_DRIVER_ABSENT)
            to->absent |= UINT32_C(1) << d;
    }
}

static int find_kernels(struct vml_prep_guest *g, struct vml_notes *notes, struct vml_error *err)
{
    VML_AUTO(vml_inspect_clear) struct vml_inspect found = { .os = VML_OS_LINUX };
    struct vml_tree tree;

    vml_appliance_tree(vml_session_guestfs(g->session), &tree);
    if (vml_kernels_read(&tree, &found, "", err) < 0)
        return -1;
    g->guest.kernels = calloc(found.n_kernels + 1, sizeof *g->guest.kernels);
    if (g->guest.kernels == NULL)
        return vml_fail_nomem(err);
    for (; g->guest.n_kernels < found.n_kernels; g->guest.n_kernels++)
        name_kernel(&g->guest.kernels[g->guest.n_kernels], &found.kernels[g->guest.n_kernels],
                    notes);
    return 0;
}

static int open_linux(struct vml_prep_guest *g, const char *root, struct vml_notes *notes,
                      struct vml_error *err)
{
    guestfs_h *h = vml_session_guestfs(g->session);
    VML_AUTO(vml_names_freep) char **mounts = vml_guestfs.inspect_get_mountpoints(h, root);
    VML_AUTO(vml_freep) char *device = vml_guestfs.mountable_device(h, root);

    if (mounts == NULL || device == NULL)
        return vml_session_fail(g->session, err, "%s", root);
    set_text(g->guest.root_uuid, sizeof g->guest.root_uuid, vml_guestfs.vfs_uuid(h, device));
    if (name_volumes(g, err) < 0 || name_disks(g, err) < 0 || mount_all(g, mounts, notes, err) < 0)
        return -1;
    find_esp(g);
    return find_kernels(g, notes, err);
}

int vml_prep_guest_open(struct vml_prep_guest *out, struct vml_session *s, struct vml_notes *notes,
                        struct vml_error *err)
{
    VML_AUTO(vml_names_freep) char **roots = NULL;

    *out = (struct vml_prep_guest){ .guest = { .ops = &vml_prep_guest_ops }, .session = s };
    out->guest.arg = out;
    if (find_system(s, &roots, err) < 0)
        return -1;
    name_system(out, vml_session_guestfs(s), roots[0]);
    return strcmp(out->type, "linux") == 0 ? open_linux(out, roots[0], notes, err) : 0;
}

void vml_prep_guest_clear(struct vml_prep_guest *g)
{
    free(g->guest.volumes);
    free(g->guest.kernels);
    *g = (struct vml_prep_guest){ .session = NULL };
}

#endif
