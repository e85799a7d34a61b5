/* What AWS says of the system inside: a guest that it takes, and a row for each thing that it does
 * not. */
#include "check.h"

#include "vmlift/target.h"

#define GIB              (UINT64_C(1) << 30)
#define SET(field, text) snprintf(field, sizeof(field), "%s", text)

static struct vml_error err;

/* --- a guest that nobody has anything against ------------------------------------------------- */

static struct vml_boot boot;
static struct vml_note notes[2];
static struct vml_inspect sys;
static struct vml_kernel kernel;
static struct vml_mount mounts[2];
static struct vml_interface nics[2];
static struct vml_space space;
static struct vml_agent agent;
static struct vml_identity own;
static struct vml_target_guest guest;
static struct vml_disk_facts disk;
static struct vml_facts facts;

static void add_mount(const char *spec, enum vml_spec kind, const char *type, const char *options)
{
    struct vml_mount *m = &mounts[sys.n_mounts++];

    *m = (struct vml_mount){ .line = 3, .kind = kind };
    SET(m->spec, spec);
    SET(m->dir, "/x");
    SET(m->type, type);
    SET(m->options, options);
}

static void add_nic(const char *name, enum vml_address address)
{
    struct vml_interface *n = &nics[sys.n_nics++];

    *n = (struct vml_interface){ .address = address };
    SET(n->name, name);
    SET(n->file, "/etc/x");
}

static void any_system(void)
{
    disk = (struct vml_disk_facts){ .format = "raw", .size = GIB };
    facts = (struct vml_facts){ .format = "raw", .disks = &disk, .n_disks = 1 };
    boot = (struct vml_boot){ .table = VML_TABLE_MBR, .bios = true, .n_loaders = 1 };
    SET(boot.loaders[0].kind, "grub2");
    SET(boot.reason, "MBR with 1 partition");
    space = (struct vml_space){ .size = 20 * GIB, .free = 10 * GIB };
    SET(space.dir, "/");
    sys = (struct vml_inspect){ .n_systems = 1,
                                .root_disk = 1,
                                .usage = &space,
                                .n_usage = 1,
                                .cloud_init = VML_YES,
                                .mounts = mounts,
                                .nics = nics };
    SET(sys.arch, "x86_64");
    guest = (struct vml_target_guest){ .boots = &boot, .n_boots = 1, .system = &sys };
}

static void linux_system(void)
{
    any_system();
    sys.os = VML_OS_LINUX;
    sys.major = 11;
    SET(sys.distro, "debian");
    SET(sys.product, "Debian GNU/Linux 11 (bullseye)");
    SET(sys.root, "/dev/sda1");
    SET(sys.root_type, "ext4");
    SET(sys.kernel_options, "root=UUID=1");
    sys.kernel_root_kind = VML_SPEC_UUID;
    sys.fstab = sys.serial_console = true;
    sys.predictable = VML_NO;
    sys.ssh = sys.ssh_enabled = sys.dhcp_client = VML_YES;
    sys.n_menus = 1;
    kernel = (struct vml_kernel){ .chosen = true, .initramfs_read = true, .configured = true };
    SET(kernel.version, "5.10.0-28-amd64");
    SET(kernel.initramfs, "/boot/initrd.img");
    for (unsigned d = 0; d < VML_DRIVERS; d++)
        kernel.drivers[d] = VML_DRIVER_INITRAMFS;
    kernel.xen_pv = kernel.xen_pvhvm = VML_YES;
    sys.kernels = &kernel;
    sys.n_kernels = 1;
    add_mount("UUID=1", VML_SPEC_UUID, "ext4", "defaults");
    add_nic("eth0", VML_ADDRESS_DHCP);
}

static void windows_system(void)
{
    any_system();
    sys.os = VML_OS_WINDOWS;
    sys.major = 10;
    SET(sys.distro, "windows");
    SET(sys.product, "Windows Server 2019 Standard");
    SET(sys.root_type, "ntfs");
    SET(sys.windows.edition, "ServerStandard");
    SET(sys.windows.language, "0409");
    SET(sys.windows.build, "17763");
    sys.windows.pagefile = VML_PAGEFILE_FIXED;
    sys.windows.remote_desktop = sys.windows.nvme = sys.windows.ena = sys.windows.dotnet =
        sys.windows.utc_clock = VML_YES;
    sys.windows.fast_startup = sys.windows.hibernated = sys.windows.hyperv_role =
        sys.windows.autologon = VML_NO;
}

/* --- what is broken --------------------------------------------------------------------------- */

static void note(const char *slug)
{
    static char text[] = "the loader is elsewhere";

    notes[0].text = text;
    SET(notes[0].slug, slug);
    boot.notes = (struct vml_notes){ .n = 1, .items = notes };
}

static void uefi(void)
{
    boot.bios = false;
    boot.uefi = true;
}

#define BREAK(name, ...)   \
    static void name(void) \
    {                      \
        __VA_ARGS__        \
    }
BREAK(b_unread, guest.system = NULL; guest.unread = "there is no libguestfs";)
BREAK(b_none, sys.os = VML_OS_NONE;)
BREAK(b_none_ova, sys.os = VML_OS_NONE; facts.is_package = true;)
BREAK(b_other, sys.os = VML_OS_OTHER;)
BREAK(b_no_boot, boot.bios = false;)
BREAK(b_fallback, uefi(); note("boot/no-fallback"); SET(sys.distro, "rhel"); sys.major = 8;
      SET(kernel.version, "4.18.0-1");)
BREAK(b_fallback_debian, uefi(); note("boot/no-fallback");)
BREAK(b_both, boot.uefi = true;)
BREAK(b_uefi, uefi();)
BREAK(b_lvm, note("boot/lvm");)
BREAK(b_encrypted, sys.encrypted = true;)
BREAK(b_two, sys.n_systems = 2; SET(sys.others, "Fedora on /dev/sda2");)
BREAK(b_root_disk, sys.root_disk = 2;)
BREAK(b_arm, SET(sys.arch, "aarch64");)
BREAK(b_i386, SET(sys.arch, "i386");)
BREAK(b_not_listed, SET(sys.distro, "slackware");)
BREAK(b_version, sys.major = 12;)
BREAK(b_static, nics[0].address = VML_ADDRESS_STATIC;)
BREAK(b_nics, add_nic("eth1", VML_ADDRESS_DHCP);)
BREAK(b_vmware, SET(agent.name, "open-vm-tools"); SET(agent.of, "VMware"); sys.agents = &agent;
      sys.n_agents = 1;)
BREAK(b_kvm, SET(agent.name, "qemu-guest-agent"); SET(agent.of, "KVM"); sys.agents = &agent;
      sys.n_agents = 1;)
BREAK(b_space, space.free = 100 << 20;)
BREAK(b_firewall, sys.firewall = VML_YES;)
BREAK(b_cloud, sys.cloud_init = VML_NO;)
BREAK(b_cloud_off, SET(sys.cloud_init_off, "/etc/cloud/cloud-init.disabled");)
BREAK(b_identity, SET(own.what, "machine-id"); sys.identity = &own; sys.n_identity = 1;)
BREAK(b_licence, SET(own.what, "licence: Ubuntu Pro"); sys.identity = &own; sys.n_identity = 1;)
BREAK(b_zfs, SET(sys.root_type, "zfs");)
BREAK(b_subvolume, SET(sys.root_type, "btrfs"); SET(sys.root_subvolume, "@");)
BREAK(b_no_fstab, sys.fstab = false;)
BREAK(b_bad_line, add_mount("/dev/sdb1", VML_SPEC_BAD, "", "");)
BREAK(b_device, add_mount("/dev/sda2", VML_SPEC_DEVICE, "ext4", "defaults");)
BREAK(b_by_path, add_mount("/dev/disk/by-path/x", VML_SPEC_ID, "ext4", "defaults");)
BREAK(b_missing, mounts[0].missing = true;)
BREAK(b_cifs, add_mount("//a/b", VML_SPEC_NETWORK, "cifs", "");)
BREAK(b_vboxsf, add_mount("share", VML_SPEC_SHARED, "vboxsf", "");)
BREAK(b_nfs, add_mount("a:/b", VML_SPEC_NETWORK, "nfs", "");)
BREAK(b_kernel_root, SET(sys.kernel_root, "/dev/sda1"); sys.kernel_root_kind = VML_SPEC_DEVICE;)
BREAK(b_loader, SET(boot.loaders[0].kind, "syslinux"); sys.n_menus = 0;)
BREAK(b_menus, sys.n_menus = 2;)
BREAK(b_bls, sys.loader_spec = true; sys.kernel_options[0] = '\0';)
BREAK(b_kernel, SET(kernel.version, "5.100.0");)
BREAK(b_initramfs, kernel.initramfs_read = false;)
BREAK(b_no_initramfs, kernel.initramfs[0] = '\0';)
BREAK(b_no_kernel, sys.n_kernels = 0;)
BREAK(b_no_disk, kernel.drivers[VML_DRIVER_NVME] = VML_DRIVER_MODULE;
      kernel.drivers[VML_DRIVER_XEN_BLK] = VML_DRIVER_ABSENT;)
BREAK(b_nvme, kernel.drivers[VML_DRIVER_NVME] = VML_DRIVER_MODULE;)
BREAK(b_ena, kernel.drivers[VML_DRIVER_ENA] = VML_DRIVER_ABSENT;)
BREAK(b_xen, kernel.drivers[VML_DRIVER_XEN_BLK] = VML_DRIVER_MODULE;)
BREAK(b_console, sys.serial_console = false;)
BREAK(b_names, sys.predictable = VML_YES; SET(nics[0].name, "ens192");)
BREAK(b_predictable, sys.predictable = VML_YES; SET(nics[0].name, "en*");)
BREAK(b_mac, SET(nics[0].mac, "00:50:56:00:00:01");)
BREAK(b_rules, SET(sys.net_rules, "/etc/udev/rules.d/70-persistent-net.rules");)
BREAK(b_dhcp, sys.dhcp_client = VML_NO;)
BREAK(b_ssh, sys.ssh = VML_NO;)
BREAK(b_ssh_off, sys.ssh_enabled = VML_NO;)
BREAK(b_fat, SET(sys.root_type, "vfat");)
BREAK(b_nano, SET(sys.windows.edition, "ServerDatacenterNano");)
BREAK(b_11, SET(sys.windows.edition, "Professional"); SET(sys.windows.build, "22000");
      SET(sys.product, "Windows 10 Pro");)
BREAK(b_german, SET(sys.windows.edition, "Professional"); SET(sys.windows.language, "0407");
      SET(sys.product, "Windows 10 Pro");)
BREAK(b_german_server, SET(sys.windows.language, "0407");)
BREAK(b_pagefile, sys.windows.pagefile = VML_PAGEFILE_MANAGED;)
BREAK(b_hibernated, sys.windows.hibernated = VML_YES;)
BREAK(b_fast, sys.windows.fast_startup = VML_YES;)
BREAK(b_hyperv, sys.windows.hyperv_role = VML_YES;)
BREAK(b_gpt, boot.table = VML_TABLE_GPT;)
BREAK(b_rdp, sys.windows.remote_desktop = VML_NO;)
BREAK(b_dotnet, sys.windows.dotnet = VML_NO;)
BREAK(b_autologon, sys.windows.autologon = VML_YES;)
BREAK(b_clock, sys.windows.utc_clock = VML_NO;)
BREAK(b_drivers, sys.windows.ena = VML_NO;)
BREAK(b_win_space, space.free = 5 * GIB;)

static const struct row {
    void (*start)(void), (*break_it)(void);
    enum vml_level level;
    const char *rule, *says;
    bool prep;
} rows[] = {
    { linux_system, b_unread, VML_WARNING, "target/guest-unread", NULL, false },
    { linux_system, b_none, VML_NOTE, "target/no-system", "Unknown OS", false },
    { linux_system, b_none_ova, VML_FAULT, "target/no-system", "Unknown OS", false },
    { linux_system, b_other, VML_FAULT, "target/no-system", "Unknown OS", false },
    { linux_system, b_no_boot, VML_FAULT, "target/no-boot", "No bootable partition", false },
    { linux_system, b_fallback, VML_FAULT, "target/fallback", "BOOTX64.EFI", true },
    { linux_system, b_fallback_debian, VML_WARNING, "target/fallback", "BOOTX64.EFI", true },
    { linux_system, b_both, VML_NOTE, "target/boot-mode", NULL, false },
    { linux_system, b_uefi, VML_NOTE, "target/boot-mode", NULL, false },
    { linux_system, b_lvm, VML_WARNING, "target/volume-group", "activation failed", false },
    { linux_system, b_encrypted, VML_FAULT, "target/encrypted", "encrypted volumes", false },
    { linux_system, b_two, VML_FAULT, "target/several-systems", "Multiple directories", false },
    { linux_system, b_root_disk, VML_WARNING, "target/root-disk", "may fail to boot", false },
    { linux_system, b_arm, VML_FAULT, "target/architecture", NULL, false },
    { linux_system, b_i386, VML_FAULT, "target/architecture", "64-bit", false },
    { linux_system, b_not_listed, VML_WARNING, "target/system-version", NULL, false },
    { linux_system, b_version, VML_WARNING, "target/system-version", NULL, false },
    { linux_system, b_static, VML_WARNING, "target/address", "static IP", true },
    { linux_system, b_nics, VML_NOTE, "target/nics", "Multiple network", false },
    { linux_system, b_vmware, VML_WARNING, "target/agents", "VMware Tools", true },
    { windows_system, b_vmware, VML_WARNING, "target/agents", "VMware Tools", false },
    { linux_system, b_kvm, VML_NOTE, "target/agents", NULL, false },
    { linux_system, b_space, VML_WARNING, "target/space", NULL, false },
    { linux_system, b_firewall, VML_NOTE, "target/firewall", "access your instance", false },
    { linux_system, b_cloud, VML_NOTE, "target/cloud-init", NULL, false },
    { linux_system, b_cloud_off, VML_NOTE, "target/cloud-init", NULL, false },
    { linux_system, b_identity, VML_NOTE, "target/identity", NULL, false },
    { linux_system, b_licence, VML_NOTE, "target/licence", NULL, false },
    { linux_system, b_zfs, VML_FAULT, "target/root-type", NULL, false },
    { linux_system, b_subvolume, VML_FAULT, "target/root-type", "subvolumes", false },
    { linux_system, b_no_fstab, VML_FAULT, "target/fstab", "Could not read fstab", false },
    { linux_system, b_bad_line, VML_WARNING, "target/fstab", NULL, false },
    { linux_system, b_device, VML_WARNING, "target/fstab-device", "by UUID", true },
    { linux_system, b_by_path, VML_WARNING, "target/fstab-device", "by UUID", true },
    { linux_system, b_missing, VML_WARNING, "target/fstab-missing", NULL, false },
    { linux_system, b_cifs, VML_WARNING, "target/fstab-type", "cifs", false },
    { linux_system, b_vboxsf, VML_WARNING, "target/fstab-type", "vboxsf", false },
    { linux_system, b_nfs, VML_NOTE, "target/fstab-type", NULL, false },
    { linux_system, b_kernel_root, VML_FAULT, "target/kernel-root", NULL, true },
    { linux_system, b_loader, VML_WARNING, "target/boot-loader", "GRUB 2", false },
    { linux_system, b_menus, VML_WARNING, "target/boot-menus", "grub/menu.lst", false },
    { linux_system, b_bls, VML_WARNING, "target/default-kernel", "BLSC-style", false },
    { linux_system, b_kernel, VML_WARNING, "target/kernel-version", "version 5.100.0", false },
    { linux_system, b_initramfs, VML_WARNING, "target/initramfs", "initramfs", true },
    { linux_system, b_no_initramfs, VML_WARNING, "target/initramfs", "initramfs", true },
    { linux_system, b_no_kernel, VML_WARNING, "target/initramfs", "initramfs", true },
    { linux_system, b_no_disk, VML_FAULT, "target/nvme", NULL, true },
    { linux_system, b_nvme, VML_WARNING, "target/nvme", NULL, true },
    { linux_system, b_ena, VML_WARNING, "target/ena", NULL, false },
    { linux_system, b_xen, VML_NOTE, "target/xen", NULL, true },
    { linux_system, b_console, VML_NOTE, "target/console", NULL, true },
    { linux_system, b_names, VML_WARNING, "target/interface-names", "Predictable", true },
    { linux_system, b_predictable, VML_NOTE, "target/interface-names", "Predictable", true },
    { linux_system, b_mac, VML_WARNING, "target/interface-card", NULL, true },
    { linux_system, b_rules, VML_WARNING, "target/interface-card", NULL, true },
    { linux_system, b_dhcp, VML_WARNING, "target/dhcp", "DHCP client", false },
    { linux_system, b_ssh, VML_WARNING, "target/ssh", "Secure Shell", false },
    { linux_system, b_ssh_off, VML_WARNING, "target/ssh", "Secure Shell", false },
    { windows_system, b_fat, VML_FAULT, "target/root-type", NULL, false },
    { windows_system, b_nano, VML_FAULT, "target/windows-edition", "Nano", false },
    { windows_system, b_11, VML_FAULT, "target/windows-edition", "Windows 11", false },
    { windows_system, b_german, VML_FAULT, "target/language", "US English", false },
    { windows_system, b_german_server, VML_WARNING, "target/language", "English", false },
    { windows_system, b_pagefile, VML_WARNING, "target/pagefile", "pagefile", false },
    { windows_system, b_hibernated, VML_WARNING, "target/hibernation", "FirstBootFailure", false },
    { windows_system, b_fast, VML_NOTE, "target/hibernation", NULL, false },
    { windows_system, b_hyperv, VML_WARNING, "target/hyper-v", NULL, false },
    { windows_system, b_gpt, VML_NOTE, "target/gpt", NULL, false },
    { windows_system, b_rdp, VML_WARNING, "target/remote-desktop", "Remote Desktop", false },
    { windows_system, b_dotnet, VML_NOTE, "target/dotnet", ".NET", false },
    { windows_system, b_autologon, VML_WARNING, "target/autologon", "Autologon", false },
    { windows_system, b_clock, VML_NOTE, "target/clock", "RealTimeIsUniversal", false },
    { windows_system, b_drivers, VML_NOTE, "target/windows-drivers", NULL, false },
    { windows_system, b_win_space, VML_WARNING, "target/space", NULL, false },
};

/* --- asking ----------------------------------------------------------------------------------- */

struct heard {
    const struct row *row;
    unsigned right, others;
    bool virtualization;
    char text[640];
};

static void hear(void *arg, const struct vml_target_finding *f)
{
    struct heard *h = arg;

    if (strcmp(f->rule, "target/virtualization") == 0) {
        h->virtualization = true;
        CHECK_INT(f->level, VML_NOTE);
        SET(h->text, f->text);
        return;
    }
    if (h->row == NULL || h->row->rule == NULL || strcmp(f->rule, h->row->rule) != 0) {
        if (strcmp(f->rule, "target/boot-mode") == 0 && boot.uefi)
            return; /* is said of every such machine */
        if (h->row == NULL || h->row->rule != NULL)
            fprintf(stderr, "%s: %s\n", f->rule, f->text);
        h->others++;
        return;
    }
    h->right++;
    CHECK_INT(f->level, h->row->level);
    CHECK((f->says != NULL) == (h->row->says != NULL));
    CHECK(f->says == NULL || strstr(f->says, h->row->says) != NULL);
    CHECK((f->mend != NULL) == h->row->prep);
    CHECK(f->mend == NULL || strcmp(f->mend, facts.is_package ? "vmlift prep w w-ready.ova"
                                                              : "vmlift prep w w-ready.vmdk") == 0);
}

static void ask(struct heard *h)
{
    static const struct vml_target_file file = { .path = "w" };

    CHECK_OK(vml_target_judge_guest(&facts, &guest, VML_TARGET_AWS, &file, hear, h, &err), &err);
}

static void test_rows(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct heard before = { .row = NULL }, after = { .row = &rows[i] };

        rows[i].start();
        ask(&before);
        CHECK_INT(before.others, 0);
        CHECK(before.virtualization);
        rows[i].start();
        rows[i].break_it();
        ask(&after);
        if (after.right == 0 || after.others > 0)
            fprintf(stderr, "row %zu: %s\n", i, rows[i].rule);
        CHECK(after.right > 0);
        CHECK_INT(after.others, 0);
    }
}

/* Nobody but AWS has a word to say. */
static void test_others(void)
{
    struct heard h = { .row = NULL };

    linux_system();
    b_kernel_root();
    for (unsigned t = VML_TARGET_AWS + 1; t < VML_TARGETS; t++)
        CHECK_OK(vml_target_judge_guest(&facts, &guest, t, &(struct vml_target_file){ .path = "w" },
                                        hear, &h, &err),
                 &err);
    CHECK_INT(h.others, 0);
    CHECK(!h.virtualization);
}

static void check_virtualization(const char *word)
{
    struct heard h = { .row = &(struct row){ .rule = NULL } };

    ask(&h);
    CHECK(strstr(h.text, word) != NULL);
}

static void test_virtualization(void)
{
    linux_system();
    check_virtualization("as hvm, but not as paravirtual (there is no menu.lst");
    SET(boot.xen_menu, "(hd0,0)/boot/grub/menu.lst");
    check_virtualization("as hvm, and as paravirtual, and hvm is the better");
    kernel.drivers[VML_DRIVER_XEN_BLK] = VML_DRIVER_MODULE;
    check_virtualization("not as paravirtual (xen-blkfront is neither");
    kernel.xen_pv = VML_NO;
    check_virtualization("not as paravirtual (its kernel has no CONFIG_XEN_PV)");
    windows_system();
    check_virtualization("not as paravirtual (only a Linux can)");
    linux_system();
    boot.bios = false;
    SET(boot.xen_menu, "(hd0)/boot/grub/menu.lst");
    check_virtualization(
        "cannot start as hvm (no disk has what firmware starts), and as paravirtual");
}

int main(void)
{
    test_rows();
    test_others();
    test_virtualization();
    return 0;
}
