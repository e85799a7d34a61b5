/* What AWS asks of a Linux.  Two ways lead there: ImportImage, which looks into the disk, changes
 * it and refuses what it does not know, and ImportSnapshot or the EBS direct APIs with
 * RegisterImage, which take it as it is: then what is a warning here is found by the first start.
 */
#include <stdio.h>
#include <string.h>

#include "rules.h"

static bool is_32_bit(const struct look *l, struct told *t)
{
    return strcmp(l->s->arch, "i386") == 0 && say(t, "the system is for i386");
}

/* --- file systems --------------------------------------------------------------------------- */

static bool root_type(const struct look *l, struct told *t)
{
    static const char *const types[] = { "ext2", "ext3", "ext4", "btrfs", "jfs", "xfs", "" };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(l->s->root_type, types[i]) == 0)
            return false;
    return say(t, "the root's file system is %s", l->s->root_type);
}

static bool subvolume(const struct look *l, struct told *t)
{
    return l->s->root_subvolume[0] != '\0' &&
           say(t, "the root is subvolume %s of a Btrfs", l->s->root_subvolume);
}

static bool no_fstab(const struct look *l, struct told *t)
{
    return !l->s->fstab && say(t, "there is no /etc/fstab that can be read");
}

/* Of the lines that fit: "/dev/sda1 on / (line 3)". */
static bool lines(const struct look *l, struct told *t, bool (*fits)(const struct vml_mount *m))
{
    for (size_t i = 0; i < l->s->n_mounts; i++) {
        const struct vml_mount *m = &l->s->mounts[i];

        if (fits(m))
            say_more(t, "%s on %s (line %u)", m->spec, m->dir[0] != '\0' ? m->dir : "nothing",
                     m->line);
    }
    return t->text[0] != '\0';
}

static bool has_option(const struct vml_mount *m, const char *option)
{
    return strstr(m->options, option) != NULL;
}

static bool is_bad(const struct vml_mount *m)
{
    return m->kind == VML_SPEC_BAD;
}

/* A drive for media that is mounted on request is nobody's obstacle. */
static bool is_device(const struct vml_mount *m)
{
    return (m->kind == VML_SPEC_DEVICE || m->kind == VML_SPEC_ID) && !has_option(m, "noauto");
}

static bool is_missing(const struct vml_mount *m)
{
    return m->missing && !has_option(m, "noauto") && !has_option(m, "nofail");
}

static bool is_foreign(const struct vml_mount *m)
{
    return m->kind == VML_SPEC_SHARED ||
           (m->kind == VML_SPEC_NETWORK && strncmp(m->type, "nfs", 3) != 0);
}

static bool is_nfs(const struct vml_mount *m)
{
    return m->kind == VML_SPEC_NETWORK && strncmp(m->type, "nfs", 3) == 0 &&
           !has_option(m, "noauto");
}

static bool bad_lines(const struct look *l, struct told *t)
{
    if (!lines(l, t, is_bad))
        return false;
    say_more(t, "which are no entries of fstab: ImportImage comments them out");
    return true;
}

static bool by_device(const struct look *l, struct told *t)
{
    if (!lines(l, t, is_device))
        return false;
    say_more(t, "by names that disks of Nitro instances do not have: the start waits for them and "
                "ends in emergency mode; ImportImage writes UUIDs, and nofail where none fits");
    return true;
}

static bool missing(const struct look *l, struct told *t)
{
    if (!lines(l, t, is_missing))
        return false;
    say_more(t, "which none of the disks is: the start waits for it and ends in emergency mode");
    return true;
}

static bool foreign_types(const struct look *l, struct told *t)
{
    return lines(l, t, is_foreign);
}

static bool network_mounts(const struct look *l, struct told *t)
{
    if (!lines(l, t, is_nfs))
        return false;
    say_more(t, "which must be reachable from there");
    return true;
}

/* --- what starts it ------------------------------------------------------------------------- */

static bool root_by_device(const struct look *l, struct told *t)
{
    return (l->s->kernel_root_kind == VML_SPEC_DEVICE || l->s->kernel_root_kind == VML_SPEC_ID) &&
           l->s->kernel_root[0] != '\0' &&
           say(t,
               "the boot loader tells the kernel root=%s, a name that the disks of Nitro instances "
               "do not have: the start ends in the initramfs, \"ALERT! %s does not exist\"",
               l->s->kernel_root, l->s->kernel_root);
}

static bool is_grub(const struct look *l)
{
    for (size_t i = 0; i < l->g->n_boots; i++)
        for (size_t k = 0; k < l->g->boots[i].n_loaders; k++)
            if (strncmp(l->g->boots[i].loaders[k].kind, "grub", 4) == 0)
                return true;
    return l->s->n_menus > 0;
}

static bool other_loader(const struct look *l, struct told *t)
{
    for (size_t i = 0; i < l->g->n_boots && !is_grub(l); i++)
        if (l->g->boots[i].n_loaders > 0)
            return say(t, "the boot loader is %s; ImportSnapshot with RegisterImage takes any",
                       l->g->boots[i].loaders[0].kind);
    return false;
}

static bool several_menus(const struct look *l, struct told *t)
{
    return l->s->n_menus > 1 && say(t, "%zu menus: %s", l->s->n_menus, l->s->menus);
}

static bool no_default(const struct look *l, struct told *t)
{
    return l->s->loader_spec && l->s->kernel_options[0] == '\0' &&
           say(t, "GRUB reads /boot/loader/entries, and none of them is the one that is started");
}

static bool other_kernel(const struct look *l, struct told *t)
{
    bool listed = false;
    const char *kernels = l->k != NULL ? target_kernels(l->s, l->k->version, &listed) : NULL;

    if (kernels == NULL || listed)
        return false;
    snprintf(t->args[0], sizeof t->args[0], "%s", l->k->version);
    return say(t, "the kernel is %s, and for %s VM Import lists %s", l->k->version, l->s->product,
               kernels);
}

static bool initramfs(const struct look *l, struct told *t)
{
    if (l->k == NULL)
        return l->s->n_kernels == 0 && say(t, "there is no kernel in /boot");
    if (l->k->initramfs[0] == '\0')
        return say(t, "the kernel %s has no initramfs", l->k->version);
    return !l->k->initramfs_read && say(t, "%s cannot be read", l->k->initramfs);
}

static bool no_disk(const struct look *l, struct told *t)
{
    return l->k != NULL && !target_starts_with(l->k, VML_DRIVER_NVME) &&
           l->k->drivers[VML_DRIVER_NVME] != VML_DRIVER_UNKNOWN &&
           !target_starts_with(l->k, VML_DRIVER_XEN_BLK) &&
           say(t,
               "neither nvme (%s) nor xen-blkfront (%s) is in the kernel %s or its initramfs: as "
               "it "
               "is, no instance finds its root; ImportImage adds drivers for Xen alone",
               vml_driver_at_name(l->k->drivers[VML_DRIVER_NVME]),
               vml_driver_at_name(l->k->drivers[VML_DRIVER_XEN_BLK]), l->k->version);
}

static bool no_nvme(const struct look *l, struct told *t)
{
    return l->k != NULL && !target_starts_with(l->k, VML_DRIVER_NVME) &&
           l->k->drivers[VML_DRIVER_NVME] != VML_DRIVER_UNKNOWN &&
           target_starts_with(l->k, VML_DRIVER_XEN_BLK) &&
           say(t,
               "nvme is neither in the kernel %s nor in its initramfs (%s): Nitro instances do not "
               "find their root, those on Xen do",
               l->k->version, vml_driver_at_name(l->k->drivers[VML_DRIVER_NVME]));
}

static bool no_ena(const struct look *l, struct told *t)
{
    return l->k != NULL && l->k->drivers[VML_DRIVER_ENA] == VML_DRIVER_ABSENT &&
           say(t, "the kernel %s has no ena: a Nitro instance has no network", l->k->version);
}

static bool no_xen(const struct look *l, struct told *t)
{
    return l->k != NULL && target_starts_with(l->k, VML_DRIVER_NVME) &&
           (l->k->drivers[VML_DRIVER_XEN_BLK] == VML_DRIVER_ABSENT ||
            l->k->drivers[VML_DRIVER_XEN_BLK] == VML_DRIVER_MODULE) &&
           say(t,
               "xen-blkfront is neither in the kernel %s nor in its initramfs (%s): instances on "
               "Xen (t2, m4 and older) do not find their root, and the import's own start is one",
               l->k->version, vml_driver_at_name(l->k->drivers[VML_DRIVER_XEN_BLK]));
}

static bool no_console(const struct look *l, struct told *t)
{
    return !l->s->serial_console &&
           say(t,
               "the kernel is not told console=ttyS0: get-console-output and the serial console of "
               "EC2 show nothing");
}

/* --- network and access --------------------------------------------------------------------- */

/* eth0, or a pattern: these find the interface of any machine. */
static bool is_tied(const struct vml_interface *n)
{
    return n->name[0] != '\0' && strpbrk(n->name, "*?[") == NULL &&
           strncmp(n->name, "eth", 3) != 0 && strncmp(n->name, "en", 2) == 0;
}

static bool tied_names(const struct look *l, struct told *t)
{
    for (size_t i = 0; l->s->predictable == VML_YES && i < l->s->n_nics; i++)
        if (is_tied(&l->s->nics[i]))
            say_more(t, "%s (%s)", l->s->nics[i].name, l->s->nics[i].file);
    if (t->text[0] == '\0')
        return false;
    say_more(t,
             "a name that the interface has in this machine alone; it will be ens5 on Nitro, and "
             "not be configured");
    return true;
}

static bool predictable(const struct look *l, struct told *t)
{
    for (size_t i = 0; i < l->s->n_nics; i++)
        if (is_tied(&l->s->nics[i]))
            return false; /* has been said */
    return l->s->predictable == VML_YES &&
           say(t, "interfaces have predictable names (%s); nothing depends on one",
               l->s->predictable_from);
}

static bool tied_to_card(const struct look *l, struct told *t)
{
    for (size_t i = 0; i < l->s->n_nics; i++)
        if (l->s->nics[i].mac[0] != '\0')
            say_more(t, "%s is for the card %s alone (%s)", l->s->nics[i].name, l->s->nics[i].mac,
                     l->s->nics[i].file);
    if (l->s->net_rules[0] != '\0')
        say_more(t, "%s ties names to this machine's cards", l->s->net_rules);
    return t->text[0] != '\0';
}

static bool no_client(const struct look *l, struct told *t)
{
    return l->s->dhcp_client == VML_NO && say(t, "no DHCP client is installed");
}

static bool no_ssh(const struct look *l, struct told *t)
{
    if (l->s->ssh == VML_NO)
        return say(t, "no SSH server is installed");
    return l->s->ssh == VML_YES && l->s->ssh_enabled == VML_NO &&
           say(t, "the SSH server is not started with the system");
}

const struct rule target_linux_rules[] = {
    /* guide, "Limitations": sure */
    { "target/architecture", AWS, VML_FAULT, is_32_bit,
      "Imported Linux VMs must use 64-bit images. Migrating 32-bit Linux images is not supported.",
      MEND_NONE },
    /* guide, "Requirements", file systems: sure */
    { "target/root-type", AWS, VML_FAULT, root_type, NULL, MEND_NONE },
    { "target/root-type", AWS, VML_FAULT, subvolume, "Btrfs subvolumes are not supported.",
      MEND_NONE },
    /* guide, "Troubleshooting": sure */
    { "target/fstab", AWS, VML_FAULT, no_fstab, "Invalid configuration - Could not read fstab",
      MEND_NONE },
    /* guide, "Programmatic modifications": it goes on */
    { "target/fstab", AWS, VML_WARNING, bad_lines, NULL, MEND_NONE },
    { "target/fstab-device", AWS, VML_WARNING, by_device,
      "As a best practice when preparing your VMs for import, we recommend that you specify your "
      "VM "
      "disk devices by UUID rather than device name.",
      MEND_PREP },
    /* systemd.mount(5): without nofail local-fs.target fails */
    { "target/fstab-missing", AWS, VML_WARNING, missing, NULL, MEND_NONE },
    { "target/fstab-type", AWS, VML_WARNING, foreign_types,
      "Entries in /etc/fstab that contain non-standard file system types (cifs, smbfs, vboxsf, "
      "sshfs, etc.) are disabled.",
      MEND_NONE },
    { "target/fstab-type", AWS, VML_NOTE, network_mounts, NULL, MEND_NONE },
    /* seen: started with an NVMe disk such a guest ends there */
    { "target/kernel-root", AWS, VML_FAULT, root_by_device, NULL, MEND_PREP },
    /* guide, "Prepare your VM" */
    { "target/boot-loader", AWS, VML_WARNING, other_loader,
      "Make sure that your Linux VM uses GRUB (GRUB legacy) or GRUB 2 as its bootloader.",
      MEND_NONE },
    /* guide, "Troubleshooting"; whether they differ enough is AWS's judgement */
    { "target/boot-menus", AWS, VML_WARNING, several_menus,
      "Multiple different grub/menu.lst files found", MEND_NONE },
    { "target/default-kernel", AWS, VML_WARNING, no_default,
      "BLSC-style GRUB found, but unable to detect default kernel", MEND_NONE },
    { "target/kernel-version", AWS, VML_WARNING, other_kernel, "Unsupported kernel version %s",
      MEND_NONE },
    { "target/initramfs", AWS, VML_WARNING, initramfs,
      "We were unable to read your import's initramfs/initrd", MEND_PREP },
    /* EC2 User Guide, "NVMe EBS volumes", "Enhanced networking": seen with an NVMe disk */
    { "target/nvme", AWS, VML_FAULT, no_disk, NULL, MEND_PREP },
    { "target/nvme", AWS, VML_WARNING, no_nvme, NULL, MEND_PREP },
    { "target/ena", AWS, VML_WARNING, no_ena, NULL, MEND_NONE },
    { "target/xen", AWS, VML_NOTE, no_xen, NULL, MEND_PREP },
    { "target/console", AWS, VML_NOTE, no_console, NULL, MEND_PREP },
    /* guide, "Limitations": predictable names are not supported; a name that nothing depends on
     * has done no harm */
    { "target/interface-names", AWS, VML_WARNING, tied_names,
      "Predictable network interface names are not supported for virtual machine imports.",
      MEND_PREP },
    { "target/interface-names", AWS, VML_NOTE, predictable,
      "Predictable network interface names are not supported for virtual machine imports.",
      MEND_PREP },
    { "target/interface-card", AWS, VML_WARNING, tied_to_card, NULL, MEND_PREP },
    /* guide, "Prepare your VM" */
    { "target/dhcp", AWS, VML_WARNING, no_client,
      "Your source VM must have a functional DHCP client service.", MEND_NONE },
    { "target/ssh", AWS, VML_WARNING, no_ssh, "Enable Secure Shell (SSH) for remote access.",
      MEND_NONE },
    { 0 },
};
