/* What prep plans and does, on guests that are lists of files. */
#include <unistd.h>

#include "check.h"
#include "guest/diff.h"
#include "guest/plan.h"

/* --- a guest -------------------------------------------------------------------------------- */

enum { FILES = 128 };

struct fake {
    struct file {
        char *path, *text; /* a link's text is where it leads */
        bool link;
    } files[FILES];
    size_t n;
    char ran[512];       /* commands, each with a newline */
    const char *failing; /* a command that fails */
    unsigned writes;
};

static struct file *find(struct fake *f, const char *path)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->files[i].path, path) == 0)
            return &f->files[i];
    return NULL;
}

static void put(struct fake *f, const char *path, const char *text, bool link)
{
    struct file *file = find(f, path);

    if (file == NULL) {
        CHECK(f->n < FILES);
        file = &f->files[f->n++];
        file->path = strdup(path);
        file->text = NULL;
    }
    free(file->text);
    file->text = strdup(text);
    file->link = link;
}

static void take(struct fake *f, const char *path)
{
    struct file *file = find(f, path);

    CHECK(file != NULL);
    free(file->path);
    free(file->text);
    *file = f->files[--f->n];
}

static void fake_clear(struct fake *f)
{
    while (f->n > 0)
        take(f, f->files[0].path);
}

static int fake_stat(void *arg, const char *path, enum vml_stat *kind, char **target,
                     struct vml_error *err)
{
    const struct file *file = find(arg, path);

    (void)err;
    *target = file != NULL && file->link ? strdup(file->text) : NULL;
    *kind = file == NULL ? VML_STAT_NONE : file->link ? VML_STAT_LINK : VML_STAT_FILE;
    return 0;
}

static int fake_read(void *arg, const char *path, char **real, char **text, struct vml_error *err)
{
    const struct file *file = find(arg, path);

    (void)err;
    while (file != NULL && file->link)
        file = find(arg, file->text);
    *real = file != NULL ? strdup(file->path) : NULL;
    *text = file != NULL ? strdup(file->text) : NULL;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int fake_list(void *arg, const char *folder, char ***names, struct vml_error *err)
{
    struct fake *f = arg;
    size_t len = strlen(folder), n = 0;

    (void)err;
    *names = calloc(FILES + 1, sizeof **names);
    for (size_t i = 0; i < f->n; i++) {
        const char *rest = f->files[i].path + len;
        bool seen = false;

        if (strncmp(f->files[i].path, folder, len) != 0 || *rest++ != '/')
            continue;
        char *name = strndup(rest, strcspn(rest, "/"));
        for (size_t k = 0; k < n; k++)
            seen = seen || strcmp((*names)[k], name) == 0;
        if (seen)
            free(name);
        else
            (*names)[n++] = name;
    }
    qsort(*names, n, sizeof **names, by_name);
    return 0;
}

static int fake_write(void *arg, const char *path, const char *text, size_t len,
                      struct vml_error *err)
{
    struct fake *f = arg;

    (void)err;
    CHECK_INT(strlen(text), len);
    f->writes++;
    put(f, path, text, false);
    return 0;
}

static int fake_copy(void *arg, const char *from, const char *to, struct vml_error *err)
{
    const struct file *file = find(arg, from);

    (void)err;
    CHECK(file != NULL);
    put(arg, to, file->text, file->link);
    return 0;
}

static int fake_move(void *arg, const char *from, const char *to, struct vml_error *err)
{
    if (fake_copy(arg, from, to, err) < 0)
        return -1;
    take(arg, from);
    return 0;
}

static int fake_remove(void *arg, const char *path, struct vml_error *err)
{
    (void)err;
    take(arg, path);
    return 0;
}

static int fake_link(void *arg, const char *target, const char *path, struct vml_error *err)
{
    (void)err;
    CHECK(find(arg, path) == NULL);
    put(arg, path, target, true);
    return 0;
}

static int fake_run(void *arg, const char *command, struct vml_error *err)
{
    struct fake *f = arg;

    if (f->failing != NULL && strstr(command, f->failing) != NULL)
        return vml_fail(err, VML_EIO, "prep/command", "%s: it failed", command);
    snprintf(f->ran + strlen(f->ran), sizeof f->ran - strlen(f->ran), "%s\n", command);
    return 0;
}

static const struct vml_guest_ops fake_ops = { .stat = fake_stat,
                                               .read = fake_read,
                                               .list = fake_list,
                                               .write = fake_write,
                                               .copy = fake_copy,
                                               .move = fake_move,
                                               .remove = fake_remove,
                                               .link = fake_link,
                                               .run = fake_run };

static struct vml_guest_volume volumes[] = {
    { .device = "/dev/sda1", .uuid = "1111-root" },
    { .device = "/dev/sda5", .uuid = "5555-swap" },
    { .device = "/dev/sdb1", .uuid = "2222-data", .label = "DATA" },
};

/* Files of a Debian on a VMware, as an administrator may have left them. */
static void make_debian(struct fake *f)
{
    static const char *const files[][2] = {
        { "/etc/fstab", "/dev/sda1 / ext4 errors=remount-ro 0 1\n/dev/sda5 none swap sw 0 0\n"
                        "/dev/sdb1 /data ext4 defaults 0 2\n/dev/sdc1 /gone ext4 defaults 0 2\n" },
        { "/etc/default/grub", "GRUB_DEFAULT=0\nGRUB_TIMEOUT=-1\nGRUB_CMDLINE_LINUX_DEFAULT=quiet\n"
                               "GRUB_CMDLINE_LINUX=\"\"\nGRUB_DISABLE_LINUX_UUID=true\n" },
        { "/boot/grub/grub.cfg",
          "set default=\"0\"\nset timeout=-1\n### END /etc/grub.d/00_header ###\n"
          "menuentry 'Debian' {\n\tlinux /boot/vmlinuz root=/dev/sda1 ro quiet\n"
          "\tinitrd /boot/initrd.img\n}\n" },
        { "/etc/network/interfaces", "source /etc/network/interfaces.d/*\nauto lo\niface lo inet "
                                     "loopback\n" },
        { "/etc/network/interfaces.d/ens33",
          "auto ens33\niface ens33 inet static\n address 10.0.0.5/24\n gateway 10.0.0.1\n" },
        { "/etc/udev/rules.d/70-persistent-net.rules", "SUBSYSTEM==\"net\", NAME=\"eth7\"\n" },
        { "/etc/initramfs-tools/initramfs.conf", "MODULES=dep\n" },
        { "/etc/initramfs-tools/modules", "# comment\n" },
        { "/etc/initramfs-tools/conf.d/resume", "RESUME=/dev/sda5\n" },
        { "/usr/sbin/update-initramfs", "" },
        { "/sbin/dhclient", "" },
        { "/usr/bin/apt-get", "" },
        { "/usr/bin/ssh-keygen", "" },
        { "/lib/systemd/systemd", "" },
        { "/lib/systemd/system/open-vm-tools.service", "[Unit]\n" },
        { "/lib/systemd/system/ssh.service", "[Unit]\n" },
        { "/etc/ssh/ssh_host_rsa_key", "secret" },
        { "/etc/ssh/ssh_host_rsa_key.pub", "public" },
        { "/etc/ssh/sshd_config", "" },
        { "/etc/machine-id", "0123\n" },
        { "/var/lib/dbus/machine-id", "0123\n" },
        { "/boot/efi/EFI/debian/grubx64.efi", "GRUB" },
        { "/boot/efi/EFI/debian/shimx64.efi", "SHIM" },
    };

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        put(f, files[i][0], files[i][1], false);
}

/* --- runs ----------------------------------------------------------------------------------- */

static int try_prepare(struct fake *f, uint32_t steps, bool network, bool apply, uint32_t lacking,
                       struct vml_prepared *out, struct vml_error *err)
{
    struct vml_guest_kernel kernel = { .version = "6.1.0", .lacking = lacking };
    struct vml_guest guest = { .ops = &fake_ops,
                               .arg = f,
                               .root_uuid = "1111-root",
                               .esp = "/boot/efi",
                               .volumes = volumes,
                               .n_volumes = sizeof volumes / sizeof volumes[0],
                               .kernels = &kernel,
                               .n_kernels = 1,
                               .n_disks = 2 };
    VML_AUTO(vml_plan_freep) struct vml_plan *plan = NULL;

    CHECK_OK(vml_plan_open(&plan, &guest, out, err), err);
    CHECK_OK(vml_plan_steps(plan, steps, network, err), err);
    CHECK_INT(vml_plan_is_empty(plan), out->n_changes == 0);
    return apply ? vml_plan_apply(plan, err) : 0;
}

static void prepare(struct fake *f, uint32_t steps, bool network, bool apply, uint32_t lacking,
                    struct vml_prepared *out)
{
    struct vml_error err;

    CHECK_OK(try_prepare(f, steps, network, apply, lacking, out, &err), &err);
}

static const char *text_of(struct fake *f, const char *path)
{
    const struct file *file = find(f, path);

    return file != NULL ? file->text : "(none)";
}

static bool noted(const struct vml_prepared *p, const char *slug)
{
    for (size_t i = 0; i < p->notes.n; i++)
        if (strcmp(p->notes.items[i].slug, slug) == 0)
            return true;
    return false;
}

static bool told(const struct vml_prepared *p, const char *step)
{
    for (size_t i = 0; i < p->n_changes; i++)
        if (strcmp(p->changes[i].step, step) == 0)
            return true;
    return false;
}

static uint32_t step(const char *id)
{
    struct vml_error err;
    uint32_t bit = 0;

    CHECK_OK(vml_prep_step_find(&bit, id, &err), &err);
    return bit;
}

#define EXTRA "console=tty0 console=ttyS0,115200n8"
#define NAMES "net.ifnames=0 biosdevname=0"

static void test_all(void)
{
    VML_AUTO(fake_clear) struct fake f = { .n = 0 };
    VML_AUTO(vml_prepared_clear) struct vml_prepared dry = { 0 }, done = { 0 }, again = { 0 };
    uint32_t all = vml_prep_usual() | step("ssh-host-keys") | step("machine-id");

    make_debian(&f);
    prepare(&f, all, false, false, 1, &dry);
    CHECK_INT(f.writes, 0);
    CHECK_STR(text_of(&f, "/etc/fstab.vmlift-orig"), "(none)");
    prepare(&f, all, false, true, 1, &done);
    CHECK_INT(dry.n_changes, done.n_changes);
    for (size_t i = 0; i < dry.n_changes; i++)
        CHECK_STR(dry.changes[i].what, done.changes[i].what);

    CHECK_STR(text_of(&f, "/etc/fstab"),
              "UUID=1111-root / ext4 errors=remount-ro 0 1\nUUID=5555-swap none swap sw 0 0\n"
              "UUID=2222-data /data ext4 defaults 0 2\n/dev/sdc1 /gone ext4 defaults,nofail 0 2\n");
    CHECK(strstr(text_of(&f, "/etc/.fstab.vmlift-orig"), "/dev/sda1 / ") != NULL);
    CHECK_STR(text_of(&f, "/etc/default/grub"),
              "GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=quiet\n"
              "GRUB_CMDLINE_LINUX=\"" NAMES " " EXTRA "\"\n#GRUB_DISABLE_LINUX_UUID=true\n"
              "GRUB_TERMINAL=\"console serial\"\n"
              "GRUB_SERIAL_COMMAND=\"serial --unit=0 --speed=115200\"\n");
    CHECK(strstr(text_of(&f, "/boot/grub/grub.cfg"),
                 "root=UUID=1111-root ro quiet " NAMES " " EXTRA "\n") != NULL);
    CHECK(strstr(text_of(&f, "/boot/grub/grub.cfg"), "set timeout=5\n") != NULL);
    CHECK_STR(text_of(&f, "/etc/network/interfaces.d/ens33"), "auto eth0\niface eth0 inet dhcp\n");
    CHECK_STR(text_of(&f, "/etc/udev/rules.d/70-persistent-net.rules"), "(none)");
    CHECK_STR(text_of(&f, "/etc/initramfs-tools/modules"), "# comment\nnvme\n");
    CHECK_STR(text_of(&f, "/etc/initramfs-tools/initramfs.conf"), "MODULES=most\n");
    CHECK_STR(text_of(&f, "/etc/initramfs-tools/conf.d/resume"), "RESUME=UUID=5555-swap\n");
    CHECK_STR(f.ran, "update-initramfs -u -k '6.1.0'\n");
    CHECK_STR(text_of(&f, "/boot/efi/EFI/BOOT/BOOTX64.EFI"), "SHIM");
    CHECK_STR(text_of(&f, "/boot/efi/EFI/BOOT/grubx64.efi"), "GRUB");
    CHECK_STR(text_of(&f, "/etc/systemd/system/open-vm-tools.service"), "/dev/null");
    CHECK(noted(&done, "prep/no-cloud-init"));
    /* identities leave no copies */
    CHECK_STR(text_of(&f, "/etc/machine-id"), "");
    CHECK_STR(text_of(&f, "/etc/.machine-id.vmlift-orig"), "(none)");
    CHECK_STR(text_of(&f, "/etc/ssh/ssh_host_rsa_key"), "(none)");
    CHECK_STR(text_of(&f, "/etc/ssh/sshd_config"), "");
    CHECK(find(&f, "/etc/systemd/system/ssh.service.wants/vmlift-ssh-host-keys.service") != NULL);

    f.writes = 0;
    f.ran[0] = '\0';
    prepare(&f, all, false, true, 0, &again);
    for (size_t i = 0; i < again.n_changes; i++)
        fprintf(stderr, "again: %s: %s\n", again.changes[i].step, again.changes[i].what);
    CHECK_INT(again.n_changes, 0);
    CHECK_INT(f.writes, 0);
    CHECK_STR(f.ran, "");
}

/* What is kept is what there was at first, not what a run before this one made. */
static void test_kept_once(void)
{
    VML_AUTO(fake_clear) struct fake f = { .n = 0 };
    VML_AUTO(vml_prepared_clear) struct vml_prepared one = { 0 }, two = { 0 };

    make_debian(&f);
    prepare(&f, step("menu"), false, true, 0, &one);
    prepare(&f, step("root"), false, true, 0, &two);
    CHECK(told(&one, "menu") && !told(&one, "root"));
    CHECK(told(&two, "root") && !told(&two, "menu"));
    CHECK(strstr(text_of(&f, "/boot/grub/grub.cfg"), "timeout=5") != NULL);
    CHECK(strstr(text_of(&f, "/boot/grub/.grub.cfg.vmlift-orig"), "timeout=-1") != NULL);
}

/* Without its drivers a machine does not start; without cloud-init it does. */
static void test_failures(void)
{
    VML_AUTO(fake_clear) struct fake f = { .n = 0, .failing = "update-initramfs" };
    VML_AUTO(vml_prepared_clear) struct vml_prepared p = { 0 }, n = { 0 }, q = { 0 };
    struct vml_error err;

    make_debian(&f);
    CHECK_INT(try_prepare(&f, step("initramfs"), false, true, 3, &p, &err), -1);
    CHECK_STR(err.slug, "prep/command");
    f.failing = "apt-get";
    prepare(&f, step("cloud-init"), true, true, 0, &n);
    CHECK(noted(&n, "prep/cloud-init-failed"));
    f.failing = NULL;
    prepare(&f, step("cloud-init"), true, true, 0, &q);
    CHECK(strstr(f.ran, "apt-get -q -y --no-install-recommends install cloud-init\n") != NULL);
    CHECK(!noted(&q, "prep/no-cloud-init"));
}

static void test_rhel(void)
{
    static const char ifcfg[] = "/etc/sysconfig/network-scripts/ifcfg-ens192";
    VML_AUTO(fake_clear) struct fake f = { .n = 0 };
    VML_AUTO(vml_prepared_clear) struct vml_prepared p = { 0 }, again = { 0 };

    put(&f, "/etc/fstab", "UUID=1111-root / xfs defaults 0 0\n", false);
    put(&f, "/boot/grub2/grub.cfg", "set timeout=1\nlinux /vmlinuz root=UUID=1111-root\n", false);
    put(&f, "/etc/grub2.cfg", "/boot/grub2/grub.cfg", true);
    put(&f, ifcfg, "DEVICE=ens192\nBOOTPROTO=none\nIPADDR=10.0.0.5\n", false);
    put(&f, "/usr/bin/dracut", "", false);
    put(&f, "/etc/lvm/devices/system.devices", "IDTYPE=sys_wwid\n", false);
    put(&f, "/etc/lvm/lvm.conf", "devices {\n\tfilter = [ \"a|/dev/sda|\" ]\n}\n", false);
    put(&f, "/etc/selinux/config", "SELINUX=enforcing\n", false);
    prepare(&f, vml_prep_usual(), false, true, 3, &p);
    CHECK_STR(text_of(&f, "/etc/sysconfig/network-scripts/ifcfg-eth0"),
              "DEVICE=eth0\nBOOTPROTO=dhcp\n");
    CHECK_STR(text_of(&f, ifcfg), "(none)");
    CHECK(strstr(text_of(&f, "/etc/sysconfig/network-scripts/.ifcfg-ens192.vmlift-orig"),
                 "10.0.0.5") != NULL);
    CHECK_STR(text_of(&f, "/etc/dracut.conf.d/vmlift.conf"), "add_drivers+=\" nvme ena \"\n");
    CHECK_STR(f.ran, "dracut --force '/boot/initramfs-6.1.0.img' '6.1.0'\n");
    CHECK_STR(text_of(&f, "/etc/lvm/devices/system.devices"), "(none)");
    CHECK(noted(&p, "prep/lvm-filter"));
    CHECK_STR(text_of(&f, "/.autorelabel"), "");
    take(&f, "/.autorelabel"); /* as the first start does */
    prepare(&f, vml_prep_usual(), false, true, 0, &again);
    CHECK_INT(again.n_changes, 0);
}

static void test_netplan(void)
{
    VML_AUTO(fake_clear) struct fake f = { .n = 0 };
    VML_AUTO(vml_prepared_clear) struct vml_prepared p = { 0 }, again = { 0 };

    put(&f, "/etc/netplan/01-a.yaml", "network:\n ethernets:\n  ens3:\n   dhcp4: true\n", false);
    put(&f, "/etc/netplan/02-b.yaml", "network:\n ethernets:\n  ens4:\n   dhcp4: true\n", false);
    prepare(&f, step("network"), false, true, 0, &p);
    CHECK(strstr(text_of(&f, "/etc/netplan/01-a.yaml"), "name: \"e*\"") != NULL);
    CHECK_STR(text_of(&f, "/etc/netplan/02-b.yaml"), "(none)");
    prepare(&f, step("network"), false, true, 0, &again);
    CHECK_INT(again.n_changes, 0);
}

/* A kernel without an initrd cannot look for a UUID. */
static void test_no_initrd(void)
{
    VML_AUTO(fake_clear) struct fake f = { .n = 0 };
    VML_AUTO(vml_prepared_clear) struct vml_prepared p = { 0 };

    put(&f, "/boot/extlinux.conf", "label l\nlinux /vmlinuz\nappend root=/dev/sda1\n", false);
    prepare(&f, step("root"), false, true, 0, &p);
    CHECK(noted(&p, "prep/no-initrd"));
    CHECK_INT(p.n_changes, 0);
}

/* --- the difference of two texts ------------------------------------------------------------ */

struct hunks {
    char text[512];
};

static int add_hunk(void *arg, unsigned line, const char *before, size_t n_before,
                    const char *after, size_t n_after, struct vml_error *err)
{
    struct hunks *h = arg;

    (void)err;
    snprintf(h->text + strlen(h->text), sizeof h->text - strlen(h->text), "%u<%.*s>%.*s|", line,
             (int)n_before, before, (int)n_after, after);
    return 0;
}

static void test_diff(void)
{
    static const char *const rows[][3] = {
        { "", "", "" },
        { "a\n", "a\n", "" },
        { "", "a\nb\n", "1<>a\nb\n|" },
        { "a\nb\n", "", "1<a\nb\n>|" },
        { "a\nb\nc\n", "a\nx\nc\n", "2<b\n>x\n|" },
        { "a\nb\nc\nd\ne\n", "a\nB\nc\nd\nE\nf\n", "2<b\n>B\n|5<e\n>E\nf\n|" },
        { "a\nb\nc\nd\n", "a\nd\n", "2<b\nc\n>|" },
        { "a", "a\n", "1<a>a\n|" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hunks h = { "" };
        struct vml_error err;

        CHECK_OK(vml_diff(rows[i][0], rows[i][1], add_hunk, &h, &err), &err);
        CHECK_STR(h.text, rows[i][2]);
    }
}

static void test_table(void)
{
    struct vml_error err;
    uint32_t bit;

    CHECK_FAILS(vml_prep_step_find(&bit, "fstap", &err), &err, "usage/step");
    CHECK(strstr(err.text, "fstab, root, network") != NULL);
    CHECK_INT(vml_prep_usual() & (step("machine-id") | step("ssh-host-keys")), 0);
    CHECK((vml_prep_usual() & step("fstab")) != 0);
}

int main(void)
{
    test_diff();
    test_table();
    test_all();
    test_kept_once();
    test_failures();
    test_rhel();
    test_netplan();
    test_no_initrd();
    return 0;
}
