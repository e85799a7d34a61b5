/* Steps without which a kernel does not come to its root: fstab, LVM, the initramfs, the loader
 * that firmware looks for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "guest/edit.h"
#include "guest/plan.h"
#include "vmlift/inspect.h"

/* --- names of disks ------------------------------------------------------------------------- */

static const struct vml_guest_volume *find_volume(const struct vml_guest *g, const char *device)
{
    for (size_t i = 0; i < g->n_volumes; i++)
        if (strcmp(g->volumes[i].device, device) == 0)
            return &g->volumes[i];
    return NULL;
}

/* The guest's sdb1 or nvme1n1p1 is the first partition of its second disk, which is the appliance's
 * sdb1. */
static const struct vml_guest_volume *find_named(const struct vml_guest *g, const char *spec)
{
    const char *part_word = strstr(spec, "-part");
    unsigned disk = 0, part = 0;
    char device[32];

    if (!vml_device_parse(spec, &disk, &part)) {
        /* by-id and by-path, which say nothing here but the number of the partition */
        if (g->n_disks != 1)
            return NULL;
        part = part_word != NULL ? (unsigned)(strtoul(part_word + 5, NULL, 10) & 0xffff) : 0;
    }
    if (disk > 25)
        return NULL;
    if (part > 0)
        snprintf(device, sizeof device, "/dev/sd%c%u", (char)('a' + disk), part);
    else
        snprintf(device, sizeof device, "/dev/sd%c", (char)('a' + disk));
    return find_volume(g, device);
}

static const struct vml_guest_volume *find_tagged(const struct vml_guest *g, const char *spec)
{
    static const struct {
        const char *prefix;
        bool label;
    } kinds[] = { { "UUID=", false },
                  { "LABEL=", true },
                  { "/dev/disk/by-uuid/", false },
                  { "/dev/disk/by-label/", true } };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t len = strlen(kinds[i].prefix);
        char value[128];

        if (strncmp(spec, kinds[i].prefix, len) != 0)
            continue;
        len += spec[len] == '"';
        snprintf(value, sizeof value, "%.*s", (int)strcspn(spec + len, "\""), spec + len);
        for (size_t k = 0; k < g->n_volumes; k++)
            if (strcasecmp(kinds[i].label ? g->volumes[k].label : g->volumes[k].uuid, value) == 0)
                return &g->volumes[k];
    }
    return NULL;
}

bool vml_guest_resolve(void *guest, const char *spec, const char *mount, char uuid[64])
{
    const struct vml_guest *g = guest;
    const struct vml_guest_volume *v;

    uuid[0] = '\0';
    if (strcmp(mount, "/") == 0) { /* that one is known, whatever it was called */
        snprintf(uuid, 64, "%s", g->root_uuid);
        return true;
    }
    v = vml_device_moves(spec) ? find_named(g, spec) : find_tagged(g, spec);
    if (v == NULL)
        return false;
    snprintf(uuid, 64, "%s", v->uuid);
    return true;
}

int vml_step_fstab(struct vml_plan *p, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = NULL;

    if (vml_plan_read(p, "/etc/fstab", &text, err) < 0)
        return -1;
    if (text == NULL) {
        vml_plan_note(p, "prep/no-fstab", "there is no /etc/fstab");
        return 0;
    }
    return vml_plan_write(p, "/etc/fstab",
                          vml_edit_fstab(text, vml_guest_resolve, (void *)vml_plan_guest(p)), err);
}

/* --- LVM ------------------------------------------------------------------------------------ */

/* RHEL 9 uses only the disks whose serial numbers are listed there. */
int vml_step_lvm(struct vml_plan *p, struct vml_error *err)
{
    static const char path[] = "/etc/lvm/devices/system.devices";
    VML_AUTO(vml_freep) char *text = NULL;
    VML_AUTO(vml_freep) char *config = NULL;
    struct vml_text_line line;

    if (vml_plan_read(p, path, &text, err) < 0 ||
        vml_plan_read(p, "/etc/lvm/lvm.conf", &config, err) < 0)
        return -1;
    if (text != NULL &&
        vml_plan_aside(p, path, "it lists disks by what they were, and no other is used", err) < 0)
        return -1;
    for (const char *at = config; at != NULL && vml_text_line_next(&at, &line);)
        if ((vml_text_line_begins(&line, "filter") ||
             vml_text_line_begins(&line, "global_filter")) &&
            memmem(line.text, line.len, "/dev/", 5) != NULL)
            vml_plan_note(p, "prep/lvm-filter",
                          "/etc/lvm/lvm.conf has a filter of device names, which are others in "
                          "EC2: %.*s",
                          (int)(line.len < 120 ? line.len : 120), line.text);
    return 0;
}

/* --- the initramfs -------------------------------------------------------------------------- */

/* What goes with each of vml_driver: virtio's disks hang on its bus, and either driver may have
 * them.
 */
static const struct {
    const char *name;
    enum vml_driver driver;
} modules[] = {
    { "nvme", VML_DRIVER_NVME },
    { "ena", VML_DRIVER_ENA },
    { "virtio_pci", VML_DRIVER_VIRTIO_BLK },
    { "virtio_blk", VML_DRIVER_VIRTIO_BLK },
    { "virtio_scsi", VML_DRIVER_VIRTIO_BLK },
    { "virtio_net", VML_DRIVER_VIRTIO_NET },
    { "xen-blkfront", VML_DRIVER_XEN_BLK },
    { "xen-netfront", VML_DRIVER_XEN_NET },
};
#define N_MODULES (sizeof modules / sizeof modules[0])

static bool is_wanted(size_t module, uint32_t drivers)
{
    return (drivers & (UINT32_C(1) << modules[module].driver)) != 0;
}

static uint32_t lacking(const struct vml_guest *g)
{
    uint32_t all = 0;

    for (size_t i = 0; i < g->n_kernels; i++)
        all |= g->kernels[i].lacking;
    return all;
}

/* Nitro has no other disks and network cards than these two. */
static void note_absent(struct vml_plan *p)
{
    static const enum vml_driver needed[] = { VML_DRIVER_NVME, VML_DRIVER_ENA };
    const struct vml_guest *g = vml_plan_guest(p);

    for (size_t i = 0; i < g->n_kernels; i++)
        for (size_t d = 0; d < 2; d++)
            if ((g->kernels[i].absent & (UINT32_C(1) << needed[d])) != 0)
                vml_plan_note(p, "prep/no-driver",
                              "kernel %s has no %s: current instance types have no other %s; "
                              "install a newer kernel",
                              g->kernels[i].version, vml_driver_name(needed[d]),
                              d == 0 ? "disks" : "network cards");
}

static int write_module_list(struct vml_plan *p, uint32_t drivers, struct vml_error *err)
{
    static const char path[] = "/etc/initramfs-tools/modules";
    VML_AUTO(vml_freep) char *text = NULL;

    if (vml_plan_read(p, path, &text, err) < 0)
        return -1;
    if (text == NULL && (text = strdup("")) == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < N_MODULES; i++) {
        char *old = text;

        if (!is_wanted(i, drivers))
            continue;
        text = vml_edit_list(old, modules[i].name);
        free(old);
        if (text == NULL)
            return vml_fail_nomem(err);
    }
    char *new = text;
    text = NULL;
    return vml_plan_write(p, path, new, err);
}

/* MODULES=dep is what the machine has that the initramfs is made on. */
static int widen_modules(struct vml_plan *p, const char *path, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = NULL;
    VML_AUTO(vml_freep) char *value = NULL;

    if (vml_plan_read(p, path, &text, err) < 0)
        return -1;
    value = text != NULL ? vml_variable(text, "MODULES") : NULL;
    if (value == NULL || strcmp(value, "dep") != 0)
        return 0;
    return vml_plan_write(p, path, vml_edit_variable(text, "MODULES", "most", false), err);
}

/* Where it fails, preparing fails: without those drivers the machine would not start. */
static int initramfs_tools(struct vml_plan *p, uint32_t drivers, struct vml_error *err)
{
    VML_AUTO(vml_names_freep) char **names = NULL;
    const struct vml_guest *g = vml_plan_guest(p);

    if (write_module_list(p, drivers, err) < 0 ||
        widen_modules(p, "/etc/initramfs-tools/initramfs.conf", err) < 0 ||
        vml_plan_list(p, "/etc/initramfs-tools/conf.d", &names, err) < 0)
        return -1;
    for (size_t i = 0; names[i] != NULL; i++) {
        char path[512];

        snprintf(path, sizeof path, "/etc/initramfs-tools/conf.d/%s", names[i]);
        if (names[i][0] != '.' && widen_modules(p, path, err) < 0)
            return -1;
    }
    bool all = vml_plan_touches(p, "/etc/initramfs-tools/") || vml_plan_touches(p, "/etc/lvm/");
    for (size_t i = 0; i < g->n_kernels; i++) {
        char command[256];

        snprintf(command, sizeof command, "update-initramfs -u -k '%s'", g->kernels[i].version);
        if ((all || g->kernels[i].lacking != 0) &&
            vml_plan_run(p, command, "the initramfs gets what this start needs", NULL, err) < 0)
            return -1;
    }
    return 0;
}

static int dracut(struct vml_plan *p, uint32_t drivers, struct vml_error *err)
{
    const struct vml_guest *g = vml_plan_guest(p);
    struct vml_text t;

    if (drivers != 0) {
        if (!vml_text_begin(&t))
            return vml_fail_nomem(err);
        fputs("add_drivers+=\"", t.f);
        for (size_t i = 0; i < N_MODULES; i++)
            if (is_wanted(i, drivers))
                fprintf(t.f, " %s", modules[i].name);
        fputs(" \"\n", t.f);
        if (vml_plan_write(p, "/etc/dracut.conf.d/vmlift.conf", vml_text_end(&t), err) < 0)
            return -1;
    }
    for (size_t i = 0; i < g->n_kernels; i++) {
        char command[512];
        const char *v = g->kernels[i].version;

        snprintf(command, sizeof command, "dracut --force '/boot/initramfs-%s.img' '%s'", v, v);
        if ((g->kernels[i].lacking != 0 || vml_plan_touches(p, "/etc/lvm/")) &&
            vml_plan_run(p, command, "the initramfs gets what this start needs", NULL, err) < 0)
            return -1;
    }
    return 0;
}

static bool has_program(struct vml_plan *p, const char *name)
{
    static const char *const folders[] = { "/usr/sbin", "/usr/bin", "/sbin", "/bin" };

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char path[128];

        snprintf(path, sizeof path, "%s/%s", folders[i], name);
        if (vml_plan_has(p, path))
            return true;
    }
    return false;
}

int vml_step_initramfs(struct vml_plan *p, struct vml_error *err)
{
    uint32_t drivers = lacking(vml_plan_guest(p));

    note_absent(p);
    if (has_program(p, "update-initramfs"))
        return initramfs_tools(p, drivers, err);
    if (has_program(p, "dracut"))
        return dracut(p, drivers, err);
    if (drivers != 0)
        vml_plan_note(
            p, "prep/no-initramfs-tool",
            "the initramfs lacks drivers that EC2 needs, and neither update-initramfs nor "
            "dracut is there to make it anew");
    return 0;
}

/* --- the loader that firmware looks for ----------------------------------------------------- */

/* The name in the folder, in whatever case; NULL: it is not there. */
static const char *find_name(char *const *names, const char *name)
{
    for (; *names != NULL; names++)
        if (strcasecmp(*names, name) == 0)
            return *names;
    return NULL;
}

static int copy_loader(struct vml_plan *p, const char *folder, char *const *names, const char *name,
                       const char *boot, const char *as, struct vml_error *err)
{
    const char *found = find_name(names, name);
    char from[512], to[512];

    if (found == NULL)
        return 0;
    snprintf(from, sizeof from, "%s/%s", folder, found);
    snprintf(to, sizeof to, "%s/%s", boot, as);
    return vml_plan_has(p, to) ? 0 : vml_plan_copy(p, from, to, err);
}

/* A shim that is started as BOOTX64.EFI looks beside itself for GRUB. */
static int copy_from(struct vml_plan *p, const char *folder, const char *boot, const char *arch,
                     bool *done, struct vml_error *err)
{
    VML_AUTO(vml_names_freep) char **names = NULL;
    char shim[32], grub[32], mok[32], systemd[32], fallback[32];
    const char *lead;

    snprintf(shim, sizeof shim, "shim%s.efi", arch);
    snprintf(grub, sizeof grub, "grub%s.efi", arch);
    snprintf(mok, sizeof mok, "mm%s.efi", arch);
    snprintf(systemd, sizeof systemd, "systemd-boot%s.efi", arch);
    snprintf(fallback, sizeof fallback, "BOOT%s.EFI", strcmp(arch, "x64") == 0 ? "X64" : "AA64");
    if (vml_plan_list(p, folder, &names, err) < 0)
        return -1;
    lead = find_name(names, shim) != NULL ? shim : find_name(names, grub) != NULL ? grub : systemd;
    if (find_name(names, lead) == NULL)
        return 0;
    *done = true;
    if (copy_loader(p, folder, names, lead, boot, fallback, err) < 0)
        return -1;
    if (lead != shim)
        return 0;
    return copy_loader(p, folder, names, grub, boot, grub, err) < 0
               ? -1
               : copy_loader(p, folder, names, mok, boot, mok, err);
}

static int make_fallback(struct vml_plan *p, const char *efi, char *const *vendors,
                         const char *boot, struct vml_error *err)
{
    static const char *const archs[] = { "x64", "aa64" };
    bool done = false;

    for (size_t a = 0; a < 2 && !done; a++)
        for (size_t i = 0; vendors[i] != NULL && !done; i++) {
            char folder[512];

            snprintf(folder, sizeof folder, "%s/%s", efi, vendors[i]);
            if (strcasecmp(vendors[i], "BOOT") != 0 && strcasecmp(vendors[i], "Microsoft") != 0 &&
                copy_from(p, folder, boot, archs[a], &done, err) < 0)
                return -1;
        }
    if (!done)
        vml_plan_note(p, "prep/no-fallback",
                      "the EFI system partition has no BOOTX64.EFI, and no loader that could be "
                      "copied to it");
    return 0;
}

int vml_step_fallback(struct vml_plan *p, struct vml_error *err)
{
    VML_AUTO(vml_names_freep) char **vendors = NULL;
    VML_AUTO(vml_names_freep) char **there = NULL;
    const struct vml_guest *g = vml_plan_guest(p);
    char efi[96], boot[384];

    if (g->esp[0] == '\0')
        return 0;
    snprintf(efi, sizeof efi, "%s/EFI", g->esp);
    if (vml_plan_list(p, efi, &vendors, err) < 0)
        return -1;
    const char *name = find_name(vendors, "BOOT");
    snprintf(boot, sizeof boot, "%s/%s", efi, name != NULL ? name : "BOOT");
    if (vml_plan_list(p, boot, &there, err) < 0)
        return -1;
    if (find_name(there, "BOOTX64.EFI") != NULL || find_name(there, "BOOTAA64.EFI") != NULL)
        return 0;
    return make_fallback(p, efi, vendors, boot, err);
}
