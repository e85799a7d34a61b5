/* What the texts of a guest's configuration say: fstab, network, boot loaders, kernels; and of a
 * Windows its registry. */
#include "check.h"
#include "guest_tree.h"

#include "guest/fstab.h"
#include "guest/inspect.h"
#include "guest/kernel.h"
#include "guest/loader.h"
#include "guest/network.h"

/* --- fstab ---------------------------------------------------------------------------------- */

static void test_specs(void)
{
    static const struct {
        const char *spec, *type, *options;
        enum vml_spec kind;
    } rows[] = {
        { "/dev/sda1", "ext4", "", VML_SPEC_DEVICE },
        { "/dev/hda1", "ext3", "", VML_SPEC_DEVICE },
        { "/dev/xvda1", "ext4", "", VML_SPEC_DEVICE },
        { "/dev/nvme0n1p1", "xfs", "", VML_SPEC_DEVICE },
        { "UUID=1234", "ext4", "", VML_SPEC_UUID },
        { "/dev/disk/by-uuid/1234", "ext4", "", VML_SPEC_UUID },
        { "LABEL=root", "ext4", "", VML_SPEC_LABEL },
        { "/dev/disk/by-label/root", "ext4", "", VML_SPEC_LABEL },
        { "PARTUUID=1-01", "ext4", "", VML_SPEC_PARTUUID },
        { "PARTLABEL=root", "ext4", "", VML_SPEC_PARTLABEL },
        { "/dev/disk/by-id/ata-VBOX_HARDDISK-part1", "ext4", "", VML_SPEC_ID },
        { "/dev/disk/by-path/pci-0000:00:10.0-scsi-0:0:0:0-part1", "ext4", "", VML_SPEC_ID },
        { "/dev/mapper/vg-root", "ext4", "", VML_SPEC_VOLUME },
        { "/dev/vg0/root", "ext4", "", VML_SPEC_VOLUME },
        { "/dev/md0", "ext4", "", VML_SPEC_VOLUME },
        { "nas:/home", "nfs", "", VML_SPEC_NETWORK },
        { "//server/share", "cifs", "", VML_SPEC_NETWORK },
        { "user@host:/x", "fuse.sshfs", "", VML_SPEC_NETWORK },
        { "share", "vboxsf", "", VML_SPEC_SHARED },
        { ".host:/", "fuse.vmhgfs-fuse", "", VML_SPEC_SHARED },
        { "proc", "proc", "", VML_SPEC_VIRTUAL },
        { "tmpfs", "tmpfs", "", VML_SPEC_VIRTUAL },
        { "/srv", "none", "bind", VML_SPEC_VIRTUAL },
        { "/dev/sdb1", "auto", "ro,bind", VML_SPEC_VIRTUAL },
        { "/swapfile", "swap", "sw", VML_SPEC_FILE },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_STR(vml_spec_name(vml_spec_kind(rows[i].spec, rows[i].type, rows[i].options)),
                  vml_spec_name(rows[i].kind));
}

static void test_fstab(void)
{
    static const char text[] = "# <file system> <mount point>\n"
                               "\n"
                               "/dev/sda1 / ext4 defaults 0 1\r\n"
                               "  UUID=\"ab-cd\"\t/with\\040blank\tvfat\numask=077\n"
                               "/dev/sdb1 /data\n"
                               "/dev/sdc1 relative ext4 defaults 0 0\n"
                               "/dev/sdd1 /d ext4 defaults 0 x\n"
                               "/dev/sde1 none swap sw # a remark\n"
                               "LABEL=last /last xfs noauto";
    struct vml_inspect v = { 0 };
    struct vml_error err = { 0 };

    CHECK_OK(vml_fstab_parse(text, &v.mounts, &v.n_mounts, &err), &err);
    CHECK_INT(v.n_mounts, 8);
    CHECK_STR(v.mounts[0].spec, "/dev/sda1");
    CHECK_STR(v.mounts[0].options, "defaults");
    CHECK_INT(v.mounts[0].line, 3);
    CHECK_STR(v.mounts[1].spec, "UUID=ab-cd");
    CHECK_STR(v.mounts[1].dir, "/with blank");
    CHECK_INT(v.mounts[1].kind, VML_SPEC_UUID);
    for (size_t i = 2; i < 6; i++)
        CHECK_INT(v.mounts[i].kind, VML_SPEC_BAD);
    CHECK_INT(v.mounts[6].kind, VML_SPEC_DEVICE);
    CHECK_STR(v.mounts[7].options, "noauto");
    vml_inspect_clear(&v);
}

static void test_missing(void)
{
    static const char text[] = "UUID=AB-CD / ext4 x 0 0\n"
                               "UUID=ab-ce /a ext4 x 0 0\n"
                               "LABEL=data /b ext4 x 0 0\n"
                               "/dev/mapper/vg--0-root /c ext4 x 0 0\n"
                               "/dev/vg-0/home /d ext4 x 0 0\n"
                               "/dev/disk/by-partuuid/12-01 /e ext4 x 0 0\n"
                               "/dev/sdz1 /f ext4 x 0 0\n";
    static const bool missing[] = { false, true, true, false, true, false, false };
    static const struct vml_block blocks[] = {
        { .device = "/dev/sda1", .uuid = "ab-cd", .label = "Data", .partuuid = "12-01" },
        { .device = "/dev/vg-0/root" },
    };
    struct vml_inspect v = { 0 };
    struct vml_error err = { 0 };

    CHECK_OK(vml_fstab_parse(text, &v.mounts, &v.n_mounts, &err), &err);
    vml_inspect_missing(&v, blocks, 2);
    for (size_t i = 0; i < v.n_mounts; i++)
        CHECK_INT(v.mounts[i].missing, missing[i]);
    vml_inspect_clear(&v);
}

/* --- network -------------------------------------------------------------------------------- */

struct nic_row {
    const char *name;
    enum vml_address address;
    const char *ip, *mac;
};

static void check_nics(vml_network_parse *parse, const char *file, const char *text,
                       const struct nic_row *rows, size_t n)
{
    struct vml_inspect v = { 0 };
    struct vml_error err = { 0 };

    CHECK_OK(parse(&v, file, text, &err), &err);
    CHECK_INT(v.n_nics, n);
    for (size_t i = 0; i < n; i++) {
        CHECK_STR(v.nics[i].name, rows[i].name);
        CHECK_INT(v.nics[i].address, rows[i].address);
        CHECK_STR(v.nics[i].ip, rows[i].ip);
        CHECK_STR(v.nics[i].mac, rows[i].mac);
        CHECK_STR(v.nics[i].file, file);
    }
    vml_inspect_clear(&v);
}
#define NICS(...)                            \
    (const struct nic_row[]){ __VA_ARGS__ }, \
        sizeof((const struct nic_row[]){ __VA_ARGS__ }) / sizeof(struct nic_row)

static void test_network(void)
{
    check_nics(vml_network_ifupdown, "interfaces",
               "auto lo\niface lo inet loopback\n"
               "# iface eth9 inet dhcp\n"
               "allow-hotplug ens192\niface ens192 inet static\n\taddress 192.0.2.10/24\n"
               "\tgateway 192.0.2.1\niface ens192 inet6 auto\n"
               "auto eth1\niface eth1 inet dhcp\niface br0 inet manual\n",
               NICS({ "ens192", VML_ADDRESS_STATIC, "192.0.2.10/24", "" },
                    { "eth1", VML_ADDRESS_DHCP, "", "" }, { "br0", VML_ADDRESS_NONE, "", "" }));
    check_nics(vml_network_netplan, "50.yaml",
               "# written by hand\n"
               "network:\n"
               "  version: 2\n"
               "  renderer: networkd\n"
               "  ethernets:\n"
               "    ens3:\n"
               "      dhcp4: true\n"
               "      match:\n"
               "        macaddress: \"52:54:00:12:34:56\"\n"
               "    ens4:\n"
               "      dhcp4: no\n"
               "      addresses: [ 10.0.0.2/24, \"2001:db8::2/64\" ]\n"
               "      nameservers:\n"
               "        addresses: [192.0.2.53]\n"
               "    ens5:\n"
               "      addresses:\n"
               "      - 2001:db8::5/64\n"
               "      - 10.0.0.5/24 # the first of IPv4\n"
               "      nameservers:\n"
               "        addresses:\n"
               "        - 192.0.2.53\n"
               "    ens6:\n"
               "      nameservers:\n"
               "        addresses:\n"
               "        - 192.0.2.53\n"
               "  bridges:\n"
               "    br0:\n"
               "      interfaces: [ens6]\n"
               "      dhcp4: yes\n",
               NICS({ "ens3", VML_ADDRESS_DHCP, "", "52:54:00:12:34:56" },
                    { "ens4", VML_ADDRESS_STATIC, "10.0.0.2/24", "" },
                    { "ens5", VML_ADDRESS_STATIC, "10.0.0.5/24", "" },
                    { "ens6", VML_ADDRESS_NONE, "", "" }, { "br0", VML_ADDRESS_DHCP, "", "" }));
    check_nics(vml_network_ifcfg, "/etc/sysconfig/network-scripts/ifcfg-eth0",
               "DEVICE=\"eth0\"\nBOOTPROTO=dhcp\nHWADDR=00:50:56:AB:CD:EF\nONBOOT=yes\n",
               NICS({ "eth0", VML_ADDRESS_DHCP, "", "00:50:56:AB:CD:EF" }));
    check_nics(vml_network_ifcfg, "/etc/sysconfig/network-scripts/ifcfg-ens192",
               "BOOTPROTO=none\nIPADDR=192.0.2.9\nPREFIX=24\n",
               NICS({ "ens192", VML_ADDRESS_STATIC, "192.0.2.9", "" }));
    check_nics(vml_network_ifcfg, "/etc/sysconfig/network/ifcfg-lo", "IPADDR=127.0.0.1/8\n", NULL,
               0);
    check_nics(vml_network_keyfile, "eth0.nmconnection",
               "[connection]\nid=Wired\ntype=ethernet\ninterface-name=ens3\n\n[ethernet]\n"
               "mac-address=00:50:56:00:00:01\n[ipv4]\naddress1=10.1.0.4/16,10.1.0.1\n"
               "method=manual\n[ipv6]\nmethod=auto\n",
               NICS({ "ens3", VML_ADDRESS_STATIC, "10.1.0.4/16", "00:50:56:00:00:01" }));
    check_nics(vml_network_networkd, "20.network", "[Match]\nName=en*\n\n[Network]\nDHCP=yes\n",
               NICS({ "en*", VML_ADDRESS_DHCP, "", "" }));
    check_nics(vml_network_networkd, "20.network",
               "[Match]\nMACAddress=00:11:22:33:44:55\n[Network]\nDHCP=no\n[Address]\n"
               "Address=10.2.0.4/16\n",
               NICS({ "", VML_ADDRESS_STATIC, "10.2.0.4/16", "00:11:22:33:44:55" }));
}

/* --- boot loaders --------------------------------------------------------------------------- */

static void test_menus(void)
{
    struct vml_menu_entry e = { 0 };

    CHECK(vml_menu_grub2("set default=\"0\"\n# linux /no\nmenuentry 'Debian' {\n"
                         "\tlinux\t/boot/vmlinuz-6.1 root=UUID=x ro  quiet\n\tinitrd /i\n}\n"
                         "menuentry 'old' {\n\tlinux /boot/vmlinuz-5.10 root=/dev/sda1\n}\n",
                         &e));
    CHECK_STR(e.kernel, "/boot/vmlinuz-6.1");
    CHECK_STR(e.options, "root=UUID=x ro  quiet");
    CHECK(!vml_menu_grub2("set default=0\n", &e));
    CHECK(vml_menu_legacy("default=1\ntimeout=5\ntitle one\n root (hd0,0)\n kernel /vmlinuz-1 ro\n"
                          "title two\n kernel /vmlinuz-2 root=LABEL=/\n",
                          &e));
    CHECK_STR(e.kernel, "/vmlinuz-2");
    CHECK_STR(e.options, "root=LABEL=/");
    CHECK(vml_menu_legacy("title one\n kernel /vmlinuz-1 ro\ntitle two\n kernel /vmlinuz-2\n", &e));
    CHECK_STR(e.kernel, "/vmlinuz-1");
    CHECK(
        vml_menu_syslinux("DEFAULT b\nPROMPT 0\nLABEL a\n  KERNEL /vmlinuz-a\n  APPEND ro\n"
                          "LABEL b\n  LINUX /vmlinuz-b\n  APPEND root=/dev/sda1 ro\n  INITRD /i\n",
                          &e));
    CHECK_STR(e.kernel, "/vmlinuz-b");
    CHECK_STR(e.options, "root=/dev/sda1 ro");
    CHECK(vml_menu_entry("title Fedora\nversion 6\nlinux /vmlinuz-6\noptions root=UUID=y\n", &e));
    CHECK_STR(e.kernel, "/vmlinuz-6");
    CHECK_STR(e.options, "root=UUID=y");

    CHECK(vml_kernel_option("ro net.ifnames=0", "net.ifnames=")[0] == '0');
    CHECK(vml_kernel_option("xroot=/a ro", "root=") == NULL);
    CHECK(vml_kernel_option("quietly", "quiet") == NULL);
    CHECK(vml_kernel_option("ro quiet", "quiet") != NULL);
}

/* --- kernels -------------------------------------------------------------------------------- */

static void test_kernel_texts(void)
{
    static const char config[] = "CONFIG_XEN=y\nCONFIG_XEN_PV=y\n# CONFIG_XEN_PVH is not set\n"
                                 "CONFIG_BLK_DEV_NVME=m\nCONFIG_BLK_DEV_NVME_X=y\n";
    static const char dep[] =
        "kernel/drivers/nvme/host/nvme.ko.xz: kernel/drivers/nvme/host/nvme-core.ko.xz\n"
        "kernel/drivers/block/xen-blkfront.ko:\nkernel/drivers/net/ethernet/amazon/ena/ena.ko:\n";

    CHECK_INT(vml_kernel_config(config, "CONFIG_XEN"), 'y');
    CHECK_INT(vml_kernel_config(config, "CONFIG_XEN_PVH"), 'n');
    CHECK_INT(vml_kernel_config(config, "CONFIG_BLK_DEV_NVME"), 'm');
    CHECK_INT(vml_kernel_config(config, "CONFIG_XEN_PVHVM"), 0);
    CHECK(vml_kernel_lists(dep, "nvme"));
    CHECK(vml_kernel_lists(dep, "xen_blkfront"));
    CHECK(vml_kernel_lists(dep, "ena"));
    CHECK(!vml_kernel_lists(dep, "nvme_core")); /* only needed by another */
    CHECK(!vml_kernel_lists(dep, "na"));
    CHECK(!vml_kernel_lists("nvme.k", "nvme"));
}

static const struct made_file debian[] = {
    { "/boot/vmlinuz-6.1.0-9-amd64", "x", 0 },
    { "/boot/vmlinuz-6.1.0-18-amd64", "x", 0 },
    { "/boot/vmlinuz-0-rescue-abc", "x", 0 },
    { "/boot/config-6.1.0-18-amd64",
      "CONFIG_XEN=y\nCONFIG_XEN_PV=y\nCONFIG_XEN_PVHVM=y\nCONFIG_BLK_DEV_NVME=y\n"
      "CONFIG_ENA_ETHERNET=m\nCONFIG_VIRTIO_BLK=m\n",
      0 },
    { "/lib/modules/6.1.0-18-amd64/modules.dep",
      "kernel/drivers/block/virtio_blk.ko:\nkernel/drivers/net/xen-netfront.ko:\n", 0 },
    { "/lib/modules/6.1.0-18-amd64/modules.builtin", "kernel/drivers/block/xen-blkfront.ko\n", 0 },
    { "/boot/grub/grub.cfg", "linux /boot/vmlinuz-6.1.0-18-amd64 root=/dev/sda1 console=ttyS0,9600",
      0 },
    { "/boot/grub/menu.lst", "-> ./grub.conf", 0 },
    { "/etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n", 0 },
    { "/etc/crypttab", "swap /dev/sda2 /dev/urandom swap\n# x y z\n", 0 },
    { "/etc/machine-id", "0123456789abcdef0123456789abcdef\n", 0 },
    { "/etc/ssh/ssh_host_rsa_key", "x", 0 },
    { "/etc/ssh/ssh_host_rsa_key.pub", "x", 0 },
    { "/etc/os-release", "NAME=Debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n", 0 },
    { "/etc/network/interfaces", "iface eth0 inet dhcp\n", 0 },
    { "/etc/network/interfaces.d/more~", "iface eth9 inet dhcp\n", 0 },
    { "/etc/network/interfaces.d/more", "iface eth1 inet static\n address 192.0.2.2\n", 0 },
    { "/etc/udev/rules.d/70-persistent-net.rules", "# made by udev\nSUBSYSTEM==\"net\"\n", 0 },
    { "/sbin/dhclient", "x", 0 },
    { "/usr/sbin/sshd", "x", 0 },
    { "/etc/systemd/system/multi-user.target.wants/ssh.service", "-> /lib/x", 0 },
    { "/etc/ufw/ufw.conf", "ENABLED=no\n", 0 },
    { "/usr/bin/cloud-init", "x", 0 },
    { "/etc/cloud/cloud.cfg.d/90_dpkg.cfg", "datasource_list: [ NoCloud, None ]\n", 0 },
    { "/usr/bin/vmtoolsd", "x", 0 },
    { "/lib/udev/rules.d/80-net-setup-link.rules", "x", 0 },
    { NULL, NULL, 0 },
};

static void test_linux(void)
{
    struct vml_tree tree = made_tree(debian);
    struct vml_inspect v = { 0 };
    struct vml_error err = { 0 };

    CHECK_OK(vml_inspect_linux(&tree, &v, &err), &err);
    CHECK_STR(v.product, "Debian GNU/Linux 12 (bookworm)");
    CHECK_INT(v.n_kernels, 2);
    const struct vml_kernel *k = &v.kernels[0];
    CHECK_STR(k->version, "6.1.0-18-amd64");
    CHECK(k->chosen && !v.kernels[1].chosen);
    CHECK_INT(k->drivers[VML_DRIVER_NVME], VML_DRIVER_BUILTIN);
    CHECK_INT(k->drivers[VML_DRIVER_ENA], VML_DRIVER_ABSENT); /* of a package that is not there */
    CHECK_INT(k->drivers[VML_DRIVER_VIRTIO_BLK], VML_DRIVER_MODULE);
    CHECK_INT(k->drivers[VML_DRIVER_XEN_BLK], VML_DRIVER_BUILTIN);
    CHECK_INT(k->drivers[VML_DRIVER_XEN_NET], VML_DRIVER_MODULE);
    CHECK_INT(k->xen_pv, VML_YES);
    CHECK_INT(v.kernels[1].xen_pv, VML_UNKNOWN);
    CHECK_INT(v.kernels[1].drivers[VML_DRIVER_NVME], VML_DRIVER_UNKNOWN);
    CHECK_STR(v.menus, "/boot/grub/grub.cfg");
    CHECK_INT(v.kernel_root_kind, VML_SPEC_DEVICE);
    CHECK(v.serial_console);
    CHECK(!v.encrypted);
    CHECK_INT(v.n_identity, 2);
    CHECK_INT(v.n_nics, 2);
    CHECK_INT(v.nics[1].address, VML_ADDRESS_STATIC);
    CHECK(v.net_rules[0] != '\0');
    CHECK_INT(v.dhcp_client, VML_YES);
    CHECK_INT(v.ssh, VML_YES);
    CHECK_INT(v.ssh_enabled, VML_YES);
    CHECK_INT(v.firewall, VML_NO);
    CHECK_INT(v.cloud_init, VML_YES);
    CHECK_STR(v.cloud_init_off, "/etc/cloud/cloud.cfg.d/90_dpkg.cfg has no Ec2");
    CHECK_INT(v.n_agents, 1);
    CHECK_STR(v.agents[0].of, "VMware");
    CHECK_INT(v.predictable, VML_YES);
    vml_inspect_clear(&v);
}

/* --- Windows -------------------------------------------------------------------------------- */

struct value {
    const char *hive, *key, *name, *text;
    uint32_t number;
};
static const struct value registry[] = {
#define CS "ControlSet001\\"
    { "SYSTEM", CS "Control\\Session Manager\\Memory Management", "PagingFiles", "?:\\pagefile.sys",
      0 },
    { "SYSTEM", CS "Control\\Power", "HibernateEnabled", NULL, 1 },
    { "SYSTEM", CS "Control\\Terminal Server", "fDenyTSConnections", NULL, 1 },
    { "SYSTEM", CS "Services\\stornvme", "Start", NULL, 0 },
    { "SYSTEM", CS "Services\\vioscsi", "Start", NULL, 4 },
    { "SYSTEM", CS "Services\\Tcpip\\Parameters\\Interfaces\\{1}", "EnableDHCP", NULL, 0 },
    { "SYSTEM", CS "Services\\Tcpip\\Parameters\\Interfaces\\{1}", "IPAddress",
      "192.0.2.7 192.0.2.8", 0 },
    { "SYSTEM", CS "Services\\Tcpip\\Parameters\\Interfaces\\{2}", "EnableDHCP", NULL, 1 },
    { "SYSTEM", CS "Control\\Nls\\Language", "InstallLanguage", "0407", 0 },
    { "SYSTEM", CS "Services\\SharedAccess\\Parameters\\FirewallPolicy\\PublicProfile",
      "EnableFirewall", NULL, 1 },
    { "SOFTWARE", "Microsoft\\Windows NT\\CurrentVersion", "EditionID", "ServerStandard", 0 },
    { "SOFTWARE", "Microsoft\\Windows\\CurrentVersion\\Uninstall\\{A}", "DisplayName",
      "VMware Tools", 0 },
    { "SOFTWARE", "Microsoft\\Windows\\CurrentVersion\\Uninstall\\{B}", "DisplayName",
      "Cloudbase-Init 1.1", 0 },
    { "SOFTWARE", "Microsoft\\NET Framework Setup\\NDP\\v4\\Full", "Release", NULL, 528040 },
};

static const struct value *find_value(const char *hive, const char *key, const char *name)
{
    for (size_t i = 0; i < sizeof registry / sizeof registry[0]; i++)
        if (strcmp(registry[i].hive, hive) == 0 && strcmp(registry[i].key, key) == 0 &&
            strcmp(registry[i].name, name) == 0)
            return &registry[i];
    return NULL;
}

static char *hive_text(void *arg, const char *hive, const char *key, const char *name)
{
    const struct value *v = find_value(hive, key, name);

    (void)arg;
    return v != NULL && v->text != NULL ? strdup(v->text) : NULL;
}

static bool hive_number(void *arg, const char *hive, const char *key, const char *name, uint32_t *n)
{
    const struct value *v = find_value(hive, key, name);

    (void)arg;
    if (v == NULL || v->text != NULL)
        return false;
    *n = v->number;
    return true;
}

static char **hive_list(void *arg, const char *hive, const char *key)
{
    char **names = calloc(sizeof registry / sizeof registry[0] + 1, sizeof *names);
    size_t n = 0, len = strlen(key);

    (void)arg;
    CHECK(names != NULL);
    for (size_t i = 0; i < sizeof registry / sizeof registry[0]; i++) {
        const char *rest = registry[i].key + len;

        if (strcmp(registry[i].hive, hive) != 0 || strncmp(registry[i].key, key, len) != 0 ||
            *rest != '\\' || strchr(rest + 1, '\\') != NULL)
            continue;
        if (n == 0 || strcmp(names[n - 1], rest + 1) != 0)
            names[n++] = strdup(rest + 1);
    }
    return names;
}

static void test_windows(void)
{
    static const struct made_file files[] = { { "/hiberfil.sys", "HIBRxxxx", 0 },
                                              { NULL, NULL, 0 } };
    struct vml_hives hives = { hive_text, hive_number, hive_list, NULL };
    struct vml_tree tree = made_tree(files);
    struct vml_inspect v = { 0 };
    struct vml_error err = { 0 };

    CHECK_OK(vml_inspect_windows(&tree, &hives, "ControlSet001", &v, &err), &err);
    CHECK_INT(v.windows.pagefile, VML_PAGEFILE_MANAGED);
    CHECK_INT(v.windows.hibernation, VML_YES);
    CHECK_INT(v.windows.hibernated, VML_YES);
    CHECK_INT(v.windows.fast_startup, VML_UNKNOWN);
    CHECK_INT(v.windows.remote_desktop, VML_NO);
    CHECK_INT(v.windows.nvme, VML_YES);
    CHECK_INT(v.windows.virtio, VML_NO); /* it is switched off */
    CHECK_INT(v.windows.ena, VML_NO);
    CHECK_INT(v.windows.dotnet, VML_YES);
    CHECK_STR(v.windows.language, "0407");
    CHECK_STR(v.windows.edition, "ServerStandard");
    CHECK_INT(v.firewall, VML_YES);
    CHECK_INT(v.n_nics, 2);
    CHECK_INT(v.nics[0].address, VML_ADDRESS_STATIC);
    CHECK_STR(v.nics[0].ip, "192.0.2.7");
    CHECK_INT(v.nics[1].address, VML_ADDRESS_DHCP);
    CHECK_INT(v.n_agents, 2);
    CHECK_STR(v.agents[0].name, "VMware Tools");
    CHECK_INT(v.cloud_init, VML_YES);
    CHECK_INT(v.n_identity, 1); /* nobody ran sysprep */
    vml_inspect_clear(&v);
}

int main(void)
{
    test_specs();
    test_fstab();
    test_missing();
    test_network();
    test_menus();
    test_kernel_texts();
    test_linux();
    test_windows();
    return 0;
}
