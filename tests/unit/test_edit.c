/* Texts of a guest's configuration: what each edit makes of them, and that it leaves alone what it
 * has made. */
#include "check.h"
#include "guest/edit.h"

/* The disk has /dev/sda1, a swap /dev/sda5, and /dev/sda6 without a UUID; the root is found by any
 * name. */
static bool resolve(void *arg, const char *spec, const char *mount, char uuid[64])
{
    static const char *const there[] = { "/dev/sda1", "/dev/hda1", "/dev/nvme0n1p1", "UUID=root",
                                         "LABEL=ROOT" };

    (void)arg;
    uuid[0] = '\0';
    if (strcmp(mount, "/") == 0)
        return strcpy(uuid, "root") != NULL;
    if (strcmp(spec, "/dev/sda5") == 0)
        return strcpy(uuid, "swap") != NULL;
    if (strcmp(spec, "/dev/sda6") == 0 || strcmp(spec, "UUID=swap") == 0)
        return true;
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++)
        if (strcmp(spec, there[i]) == 0)
            return strcpy(uuid, "root") != NULL;
    return false;
}

/* --- the edits as one kind of function ------------------------------------------------------ */

static char *fstab(const char *text)
{
    return vml_edit_fstab(text, resolve, NULL);
}

static char *cmdline(const char *text, enum vml_cmdline_kind kind, const char *add_to)
{
    struct vml_cmdline how = {
        .resolve = resolve, .console = true, .names = true, .add_to = add_to
    };

    return vml_edit_cmdline(text, kind, &how);
}

static char *grub(const char *text)
{
    return cmdline(text, VML_CMDLINE_GRUB, NULL);
}

static char *legacy(const char *text)
{
    return cmdline(text, VML_CMDLINE_LEGACY, NULL);
}

static char *extlinux(const char *text)
{
    return cmdline(text, VML_CMDLINE_EXTLINUX, NULL);
}

static char *bls(const char *text)
{
    return cmdline(text, VML_CMDLINE_BLS, NULL);
}

static char *defaults(const char *text)
{
    return cmdline(text, VML_CMDLINE_DEFAULTS, "GRUB_CMDLINE_LINUX");
}

static char *defaults_d(const char *text)
{
    return cmdline(text, VML_CMDLINE_DEFAULTS, NULL);
}

static char *plain(const char *text)
{
    return cmdline(text, VML_CMDLINE_PLAIN, NULL);
}

static char *root_only(const char *text)
{
    struct vml_cmdline how = { .resolve = resolve };

    return vml_edit_cmdline(text, VML_CMDLINE_GRUB, &how);
}

static char *interfaces(const char *text)
{
    struct vml_nics nics = { .n = 0 };
    bool by_hand = false;

    return vml_edit_interfaces(text, &nics, &by_hand);
}

static char *networkd(const char *text)
{
    struct vml_nics nics = { .n = 0 };
    bool by_hand = false;

    return vml_edit_networkd(text, &nics, &by_hand);
}

static char *ifcfg(const char *text)
{
    struct vml_nics nics = { .n = 0 };
    char name[16] = "ens192";

    return vml_edit_ifcfg(text, &nics, name);
}

static char *timeout_variable(const char *text)
{
    return vml_edit_grub_timeouts(text);
}

#define SERIAL   "console=tty0 console=ttyS0,115200n8"
#define IFNAMES  "net.ifnames=0 biosdevname=0"
#define ADDED    SERIAL " " IFNAMES
#define ENTRY(t) "menuentry '" t "' {\n\tlinux /vmlinuz root=UUID=x\n}\n"
#define MEMTEST  "menuentry \"Memory test\" {\n\tlinux16 /boot/memtest86+.bin\n}\n"

static const struct {
    char *(*edit)(const char *text);
    const char *before, *after; /* NULL: the same */
} rows[] = {
    /* fstab: names that move */
    { fstab, "/dev/sda1 / ext4 errors=remount-ro 0 1\n",
      "UUID=root / ext4 errors=remount-ro 0 1\n" },
    { fstab, "/dev/hda1\t/\text3\tdefaults\t1 1", "UUID=root\t/\text3\tdefaults\t1 1" },
    { fstab, "/dev/nvme0n1p1 /srv xfs defaults 0 0\n", "UUID=root /srv xfs defaults 0 0\n" },
    { fstab, "/dev/sdq7 / ext4 defaults 0 1\n", "UUID=root / ext4 defaults 0 1\n" },
    { fstab, "# a word\n\n/dev/sda5 none swap sw 0 0\n",
      "# a word\n\nUUID=swap none swap sw 0 0\n" },
    { fstab, "/dev/disk/by-path/pci-0000:00:10.0-scsi-0:0:0:0-part1 / ext4 defaults 0 1\n",
      "UUID=root / ext4 defaults 0 1\n" },
    { fstab, "/dev/sda6 /boot/efi vfat umask=0077 0 1\n", NULL },
    /* those that do not */
    { fstab, "UUID=root / ext4 defaults 0 1\nLABEL=ROOT /x ext4 defaults 0 0\n", NULL },
    { fstab, "/dev/mapper/vg0-root / xfs defaults 0 0\n/dev/vg0/var /var xfs defaults 0 0\n",
      NULL },
    { fstab, "tmpfs /tmp tmpfs size=1g 0 0\nproc /proc proc defaults\n", NULL },
    { fstab, "/dev/sda /x ext4 noauto 0 0\n", NULL },
    /* what is not there */
    { fstab, "/dev/sdb1 /data ext4 defaults,noatime 0 2 # data\n",
      "/dev/sdb1 /data ext4 defaults,noatime,nofail 0 2 # data\n" },
    { fstab, "/dev/sdb1 /data ext4\n", "/dev/sdb1 /data ext4 defaults,nofail\n" },
    { fstab, "UUID=gone /data ext4 defaults 0 2\n", "UUID=gone /data ext4 defaults,nofail 0 2\n" },
    { fstab, "/dev/sr0 /media/cdrom0 udf,iso9660 user 0 0\n",
      "/dev/sr0 /media/cdrom0 udf,iso9660 user,nofail 0 0\n" },
    { fstab, "/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0\n", NULL },
    { fstab, "//nas/x /x cifs credentials=/root/c 0 0\n",
      "//nas/x /x cifs credentials=/root/c,nofail 0 0\n" },
    { fstab, "//nas/x /x cifs nofail 0 0\n", NULL },
    { fstab, ".host:/ /mnt/hgfs fuse.vmhgfs-fuse defaults 0 0\n",
      "# vmlift: .host:/ /mnt/hgfs fuse.vmhgfs-fuse defaults 0 0\n" },
    { fstab, "share /media/sf vboxsf defaults 0 0\n",
      "# vmlift: share /media/sf vboxsf defaults 0 0\n" },
    { fstab, "just words\n", "# vmlift: just words\n" },
    { fstab, "  # words of a person\n", NULL },
    { fstab, "", NULL },
    /* kernels' command lines */
    { grub, "\tlinux\t/boot/vmlinuz-6.1 root=/dev/sda1 ro  quiet\n\tinitrd /boot/initrd\n",
      "\tlinux\t/boot/vmlinuz-6.1 root=UUID=root ro  quiet " ADDED "\n\tinitrd /boot/initrd\n" },
    { grub, "linuxefi /vmlinuz root=/dev/mapper/vg-root\n",
      "linuxefi /vmlinuz root=/dev/mapper/vg-root " ADDED "\n" },
    { grub, "linux /vmlinuz root=UUID=x console=ttyS0 net.ifnames=0 biosdevname=0\n", NULL },
    { grub, "linux /vmlinuz console=tty1 net.ifnames=1 biosdevname=0 \n",
      "linux /vmlinuz console=tty1 net.ifnames=0 biosdevname=0 console=ttyS0,115200n8 \n" },
    { grub, "linux /vmlinuz resume=/dev/sda5 " ADDED "\n",
      "linux /vmlinuz resume=UUID=swap " ADDED "\n" },
    { grub, "linux /vmlinuz resume=/dev/sdb9 " ADDED "\n", "linux /vmlinuz " ADDED "\n" },
    { grub, "linux16 /boot/memtest86+.bin\nset root='hd0,msdos1'\n", NULL },
    { grub, "multiboot2 /boot/xen.gz placeholder\nmodule2 /vmlinuz x root=/dev/sda1 ro\n",
      "multiboot2 /boot/xen.gz placeholder\nmodule2 /vmlinuz x root=UUID=root ro\n" },
    { root_only, "linux /vmlinuz root=/dev/vda1 ro\n", "linux /vmlinuz root=UUID=root ro\n" },
    { legacy, "# kopt=root=/dev/hda1 ro\ntitle x\nkernel /vmlinuz root=/dev/hda1 ro\n",
      "# kopt=root=UUID=root ro " ADDED "\ntitle x\nkernel /vmlinuz root=UUID=root ro " ADDED
      "\n" },
    { extlinux, "LABEL l\n  LINUX /vmlinuz\n  APPEND root=/dev/sda1 ro\n",
      "LABEL l\n  LINUX /vmlinuz\n  APPEND root=UUID=root ro " ADDED "\n" },
    { extlinux, "label m\n  kernel chain.c32\n  append hd0 1\n", NULL },
    { bls, "title x\noptions root=/dev/vda1 ro\n",
      "title x\noptions root=UUID=root ro " ADDED "\n" },
    { bls, "options $kernelopts $tuned_params\n", NULL },
    { plain, "root=/dev/sda1 ro\n", "root=UUID=root ro " ADDED "\n" },
    { defaults, "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"\"\n",
      "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"" ADDED "\"\n" },
    { defaults, "GRUB_CMDLINE_LINUX_DEFAULT='quiet console=ttyS0'\n",
      "GRUB_CMDLINE_LINUX_DEFAULT='quiet console=ttyS0'\nGRUB_CMDLINE_LINUX=\"" IFNAMES "\"\n" },
    { defaults, "GRUB_CMDLINE_LINUX='root=/dev/sda1 splash'",
      "GRUB_CMDLINE_LINUX='root=UUID=root splash " ADDED "'" },
    { defaults, "#GRUB_CMDLINE_LINUX=x",
      "#GRUB_CMDLINE_LINUX=x\nGRUB_CMDLINE_LINUX=\"" ADDED "\"\n" },
    { defaults_d, "GRUB_CMDLINE_LINUX_DEFAULT=\"root=/dev/sda1\"\n",
      "GRUB_CMDLINE_LINUX_DEFAULT=\"root=UUID=root\"\n" },
    /* menus */
    { vml_edit_grub_menu, "set timeout=5\nset default=\"0\"\n" ENTRY("Debian"), NULL },
    { vml_edit_grub_menu, "  set timeout=-1\n" ENTRY("Debian"),
      "  set timeout=5\n" ENTRY("Debian") },
    { vml_edit_grub_menu, "set timeout=300\n", "set timeout=5\n" },
    { vml_edit_grub_menu, ENTRY("Debian"), "set timeout=5\n" ENTRY("Debian") },
    { vml_edit_grub_menu, "set timeout=5\nset default=\"1\"\n" ENTRY("Debian") MEMTEST,
      "set timeout=5\nset default=\"0\"\n" ENTRY("Debian") MEMTEST },
    { vml_edit_grub_menu, "set timeout=5\nset default=\"7\"\n" MEMTEST ENTRY("Debian"),
      "set timeout=5\nset default=\"1\"\n" MEMTEST ENTRY("Debian") },
    { vml_edit_grub_menu,
      "set timeout=5\nset default='More>Debian'\n" MEMTEST
      "submenu 'More' {\n" ENTRY("Debian") "}\n",
      NULL },
    { vml_edit_grub_menu, "set timeout=5\nset default=\"${saved_entry}\"\n" MEMTEST ENTRY("Debian"),
      NULL },
    { timeout_variable, "GRUB_TIMEOUT=-1\nGRUB_RECORDFAIL_TIMEOUT=30\n",
      "GRUB_TIMEOUT=5\nGRUB_RECORDFAIL_TIMEOUT=30\n" },
    { timeout_variable, "GRUB_TIMEOUT=\"60\" # long\n", "GRUB_TIMEOUT=\"5\" # long\n" },
    { vml_edit_legacy_menu, "default 0\ntitle x\n", "timeout 5\ndefault 0\ntitle x\n" },
    { vml_edit_legacy_menu, "timeout 100\ntitle x\n", "timeout 5\ntitle x\n" },
    { vml_edit_extlinux_menu, "PROMPT 1\nTIMEOUT 0\nLABEL x\n", "PROMPT 1\ntimeout 50\nLABEL x\n" },
    { vml_edit_extlinux_menu, "prompt 1\nlabel x\n", "timeout 50\nprompt 1\nlabel x\n" },
    { vml_edit_extlinux_menu, "default x\nprompt 0\ntimeout 50\nlabel x\n", NULL },
    { vml_edit_extlinux_menu, "default x\ntimeout 0\nlabel x\n", NULL },
    /* ttyS0 */
    { vml_edit_grub_serial, "terminal_output gfxterm\n### END /etc/grub.d/00_header ###\n",
      "terminal_output gfxterm\nserial --unit=0 --speed=115200\nterminal_input console serial\n"
      "terminal_output console serial\n### END /etc/grub.d/00_header ###\n" },
    { vml_edit_grub_defaults_serial, "GRUB_TERMINAL=console\n",
      "GRUB_TERMINAL=\"console serial\"\nGRUB_SERIAL_COMMAND=\"serial --unit=0 "
      "--speed=115200\"\n" },
    { vml_edit_grub_defaults_serial, "GRUB_TERMINAL_OUTPUT=serial\n", NULL },
    { vml_edit_legacy_serial, "title x\n",
      "serial --unit=0 --speed=115200\nterminal --timeout=5 serial console\ntitle x\n" },
    { vml_edit_extlinux_serial, "default l0\ninclude themes/linux.cfg\n",
      "serial 0 115200\ndefault l0\ninclude themes/linux.cfg\n" },
    { vml_edit_extlinux_serial, "SERIAL 0 9600\nLABEL x\n", NULL },
    { vml_edit_inittab, "1:2345:respawn:/sbin/getty 38400 tty1\n#T0:23:respawn:/sbin/getty ttyS0\n",
      "1:2345:respawn:/sbin/getty 38400 tty1\n#T0:23:respawn:/sbin/getty ttyS0\n"
      "T0:23:respawn:/sbin/getty -L ttyS0 115200 vt100\n" },
    /* ifupdown */
    { interfaces,
      "auto lo\niface lo inet loopback\n\nauto ens33\niface ens33 inet static\n"
      "    address 10.0.0.5/24\n    gateway 10.0.0.1\n    dns-nameservers 10.0.0.1\n"
      "    mtu 1400\n",
      "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n    mtu 1400\n" },
    { interfaces, "allow-hotplug enp0s3\niface enp0s3 inet dhcp\niface enp0s8 inet dhcp",
      "allow-hotplug eth0\niface eth0 inet dhcp\niface eth1 inet dhcp" },
    { interfaces, "auto eth0\niface eth0 inet dhcp\niface eth0 inet6 auto\n", NULL },
    { interfaces, "iface eth0 inet6 static\n  address 2001:db8::2/64\n",
      "iface eth0 inet6 auto\n" },
    { interfaces, "iface br0 inet static\n address 10.0.0.1\n bridge_ports eth1\n", NULL },
    { interfaces, "source /etc/network/interfaces.d/*\n", NULL },
    /* systemd-networkd */
    { networkd,
      "[Match]\nName=ens33\nMACAddress=00:0c:29:aa:bb:cc\n\n[Network]\nAddress=10.0.0.5/24\n"
      "Gateway=10.0.0.1\nDNS=10.0.0.1\n\n[Route]\nDestination=10.1.0.0/16\n",
      "[Match]\nName=eth0\n\n[Network]\nDHCP=yes\n\n" },
    { networkd, "[Match]\nName=en*\n\n[Network]\nDHCP=ipv4\n",
      "[Match]\nName=en* eth*\n\n[Network]\nDHCP=ipv4\n" },
    { networkd, "[Match]\nName=e*\n[Network]\nDHCP=yes\n", NULL },
    { networkd, "[Match]\nMACAddress=00:0c:29:aa:bb:cc\n[Network]\nDHCP=yes\n",
      "[Match]\nName=eth0\n[Network]\nDHCP=yes\n" },
    { networkd, "[Match]\nName=ens33\n[Network]\nBridge=br0\n", NULL },
    /* NetworkManager */
    { vml_edit_nm,
      "[connection]\nid=x\ntype=ethernet\ninterface-name=ens192\n\n[ethernet]\n"
      "mac-address=00:50:56:00:00:01\n\n[ipv4]\naddress1=10.0.0.5/24,10.0.0.1\ndns=10.0.0.1;\n"
      "method=manual\n\n[ipv6]\nmethod=ignore\n",
      "[connection]\nid=x\ntype=ethernet\n\n[ethernet]\n\n[ipv4]\nmethod=auto\n\n[ipv6]\n"
      "method=ignore\n" },
    { vml_edit_nm, "[connection]\ntype=wifi\ninterface-name=wlan0\n", NULL },
    /* ifcfg */
    { ifcfg,
      "TYPE=Ethernet\nBOOTPROTO=none\nDEVICE=ens192\nHWADDR=00:50:56:00:00:01\nIPADDR=10.0.0.5\n"
      "PREFIX=24\nGATEWAY=10.0.0.1\nDNS1=10.0.0.1\nONBOOT=yes\n",
      "TYPE=Ethernet\nBOOTPROTO=dhcp\nDEVICE=eth0\nONBOOT=yes\n" },
    { ifcfg, "BOOTPROTO='static'\nIPADDR='10.0.0.5/24'\nSTARTMODE='auto'\n",
      "BOOTPROTO='dhcp'\nSTARTMODE='auto'\n" },
    { ifcfg, "DEVICE=ens192\nMASTER=bond0\nIPADDR=1.2.3.4\n", NULL },
    { ifcfg, "DEVICE=eth0\nBOOTPROTO=dhcp\nPEERDNS=no\n", NULL },
};

static void test_rows(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *want = rows[i].after != NULL ? rows[i].after : rows[i].before;
        VML_AUTO(vml_freep) char *got = rows[i].edit(rows[i].before);

        CHECK(got != NULL);
        if (strcmp(got, want) != 0)
            fprintf(stderr, "row %zu:\n%s", i, rows[i].before);
        CHECK_STR(got, want);
        VML_AUTO(vml_freep) char *again = rows[i].edit(got);
        CHECK(again != NULL);
        CHECK_STR(again, got);
    }
}

/* No edit reads behind a text that ends anywhere, or makes nothing of it. */
static void test_cut(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t n = strlen(rows[i].before); n-- > 0;) {
            VML_AUTO(vml_freep) char *cut = strndup(rows[i].before, n);
            VML_AUTO(vml_freep) char *got = rows[i].edit(cut);

            CHECK(got != NULL);
        }
}

static void test_devices(void)
{
    static const struct {
        const char *name;
        bool is;
        unsigned disk, part;
    } names[] = {
        { "/dev/sda", true, 0, 0 },       { "/dev/sda1", true, 0, 1 },
        { "/dev/vdc15", true, 2, 15 },    { "/dev/sdaa2", true, 26, 2 },
        { "/dev/xvdb", true, 1, 0 },      { "/dev/nvme1n1p3", true, 1, 3 },
        { "/dev/nvme0n1", true, 0, 0 },   { "/dev/mmcblk0p2", true, 0, 2 },
        { "/dev/sd", false, 0, 0 },       { "/dev/sda1x", false, 0, 0 },
        { "/dev/nvme0n1p", false, 0, 0 }, { "/dev/md0", false, 0, 0 },
        { "/dev/sda12345", false, 0, 0 }, { "/dev/vg0/root", false, 0, 0 },
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unsigned disk = 0, part = 0;

        CHECK_INT(vml_device_parse(names[i].name, &disk, &part), names[i].is);
        if (names[i].is) {
            CHECK_INT(disk, names[i].disk);
            CHECK_INT(part, names[i].part);
        }
    }
}

/* GRUB refuses a block of another size. */
static void test_grubenv(void)
{
    char block[1025];
    static const char head[] = "# GRUB Environment Block\nkernelopts=root=/dev/sda1 ro\n";
    struct vml_cmdline how = { .resolve = resolve, .console = true };

    memset(block, '#', 1024);
    block[1024] = '\0';
    memcpy(block, head, sizeof head - 1);
    VML_AUTO(vml_freep) char *got = vml_edit_cmdline(block, VML_CMDLINE_GRUBENV, &how);
    CHECK(got != NULL);
    CHECK_INT(strlen(got), 1024);
    CHECK(strstr(got, "\nkernelopts=root=UUID=root ro " SERIAL "\n###") != NULL);

    /* no room */
    memset(block + sizeof head - 2, 'x', 1024 - sizeof head);
    VML_AUTO(vml_freep) char *full = vml_edit_cmdline(block, VML_CMDLINE_GRUBENV, &how);
    CHECK_STR(full, block);
}

static void test_netplan(void)
{
    bool by_hand = false;
    VML_AUTO(vml_freep) char *ours = vml_netplan_dhcp("network:\n  renderer: networkd\n");

    CHECK(strstr(ours, "renderer: networkd\n") != NULL);
    CHECK(vml_netplan_is_dhcp(ours, &by_hand));
    CHECK(vml_netplan_is_dhcp("network:\n ethernets:\n  eth0:\n   dhcp4: yes\n", &by_hand));
    CHECK(!vml_netplan_is_dhcp("network:\n ethernets:\n  ens3:\n   dhcp4: yes\n", &by_hand));
    CHECK(!vml_netplan_is_dhcp(
        "network:\n ethernets:\n  eth0:\n   dhcp4: no\n   addresses: [10.0.0.1/8]\n", &by_hand));
    CHECK(!vml_netplan_is_dhcp("network:\n ethernets:\n  all:\n   match:\n    name: en*\n"
                               "   dhcp4: true\n",
                               &by_hand));
    CHECK(!by_hand);
    (void)vml_netplan_is_dhcp("network:\n bridges:\n  br0:\n", &by_hand);
    CHECK(by_hand);
}

static void test_variables(void)
{
    static const char text[] = "A=1\n#A=2\n export B='x y'\nA=\"3\" # three\nC=";
    VML_AUTO(vml_freep) char *a = vml_variable(text, "A");
    VML_AUTO(vml_freep) char *b = vml_variable(text, "B");
    VML_AUTO(vml_freep) char *c = vml_variable(text, "C");
    VML_AUTO(vml_freep) char *added = vml_edit_variable(text, "D", "x y", true);
    VML_AUTO(vml_freep) char *bare = vml_edit_variable("A=1\n", "A", "x y", true);
    VML_AUTO(vml_freep) char *gone = vml_edit_unset("A=1\nB=2\n", "A");

    CHECK_STR(a, "3");
    CHECK_STR(b, "x y");
    CHECK(c == NULL || c[0] == '\0');
    CHECK(vml_variable(text, "D") == NULL);
    CHECK(strstr(added, "\nD=\"x y\"\n") != NULL);
    CHECK_STR(bare, "A=\"x y\"\n");
    CHECK_STR(gone, "#A=1\nB=2\n");
}

int main(void)
{
    test_rows();
    test_cut();
    test_devices();
    test_grubenv();
    test_netplan();
    test_variables();
    return 0;
}
