/* What a Linux file system says of how its machine starts: the loaders' configurations, the
 * kernels, and whether it is the root.  Only ext2, ext3 and ext4 are read. */
#include "guest/internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmlift/endian.h"

#define CONFIG_MAX (64u << 10) /* bytes of a configuration that are looked at */

struct place {
    struct vml_boot *b;
    unsigned partition;
    const char *volume; /* or NULL */
    struct vml_ext ext;
    char what[160]; /* "partition 1", "volume vg0/root" */
    char folder[64];
};

/* --- configurations ------------------------------------------------------------------------- */

/* The first root= that a kernel is given: what stands in it is up to the loader's shell. */
static void take_root_word(struct vml_boot *b, const char *text)
{
    const char *p = text;
    size_t len;

    while (b->root_word[0] == '\0' && (p = strstr(p, "root=")) != NULL) {
        bool begins = p > text && isspace((unsigned char)p[-1]);

        p += 5;
        len = strcspn(p, " \t\r\n\"'");
        if (begins && len > 0 && p[0] != '$' && p[0] != '(')
            snprintf(b->root_word, sizeof b->root_word, "%.*s", (int)vml_min_u64(len, 120), p);
    }
}

static void read_config(struct place *at, const struct vml_file *f)
{
    char text[8192 + 1];

    for (uint64_t off = 0; off < CONFIG_MAX && at->b->root_word[0] == '\0';) {
        size_t n = vml_ext_read(&at->ext, f, text, sizeof text - 1, off);

        text[n] = '\0';
        take_root_word(at->b, text);
        if (n < sizeof text - 1)
            return;
        off += n - 256; /* a word may lie across */
    }
}

/* Beneath /boot of a root, and in the root of a partition of its own. */
static void read_configs(struct place *at)
{
    static const struct {
        const char *path, *kind;
    } files[] = {
        { "/boot/grub/grub.cfg", "grub2" },
        { "/boot/grub2/grub.cfg", "grub2" },
        { "/grub/grub.cfg", "grub2" },
        { "/grub2/grub.cfg", "grub2" },
        { "/boot/grub/menu.lst", "grub-legacy" },
        { "/boot/grub/grub.conf", "grub-legacy" },
        { "/grub/menu.lst", "grub-legacy" },
        { "/grub/grub.conf", "grub-legacy" },
        { "/boot/extlinux/extlinux.conf", "extlinux" },
        { "/boot/syslinux/syslinux.cfg", "extlinux" },
        { "/extlinux/extlinux.conf", "extlinux" },
        { "/syslinux/syslinux.cfg", "extlinux" },
        { "/boot/extlinux.conf", "extlinux" },
        { "/extlinux.conf", "extlinux" },
        { "/etc/lilo.conf", "lilo" },
    };
    struct vml_loader *l;
    struct vml_file f;

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (!vml_ext_find(&at->ext, files[i].path, &f) || f.folder)
            continue;
        l = vml_boot_add_loader(at->b, files[i].kind, at->partition, files[i].path);
        if (l != NULL && at->volume != NULL)
            snprintf(l->volume, sizeof l->volume, "%s", at->volume);
        read_config(at, &f);
    }
}

/* Where PV-GRUB of EC2 looks, in its order: of a disk that is one file system, then of its first
 * four partitions. */
static void read_xen_menu(struct place *at)
{
    static const char *const paths[] = { "/boot/grub/menu.lst", "/grub/menu.lst" };
    unsigned n = at->partition;
    struct vml_file f;

    if (at->b->xen_menu[0] != '\0' || at->volume != NULL || n > 4)
        return;
    for (size_t i = 0; i < (n > 0 ? 2 : 1); i++) {
        if (!vml_ext_find(&at->ext, paths[i], &f) || f.folder)
            continue;
        if (n > 0)
            snprintf(at->b->xen_menu, sizeof at->b->xen_menu, "(hd0,%u)%s", n - 1, paths[i]);
        else
            snprintf(at->b->xen_menu, sizeof at->b->xen_menu, "(hd0)%s", paths[i]);
        return;
    }
}

/* --- architecture --------------------------------------------------------------------------- */

/* Linux' own header: x86 since protocol 2.12 (3.8) says whether it is one of 64 bits, before that
 * nothing does; that of arm64 is a text. */
static const char *kernel_arch(const uint8_t *p, size_t len)
{
    if (len < 0x240)
        return "";
    if (memcmp(p + 0x38, "ARM\x64", 4) == 0)
        return "arm64";
    if (memcmp(p + 0x202, "HdrS", 4) == 0 && le16(p + 0x206) >= 0x020c)
        return (le16(p + 0x236) & 1) != 0 ? "x86_64" : "i386";
    return memcmp(p + 0x202, "HdrS", 4) == 0 ? "" : vml_pe_arch(p, len);
}

static const char *elf_arch(const uint8_t *p, size_t len)
{
    if (len < 20 || memcmp(p, "\177ELF", 4) != 0 || p[5] != 1)
        return "";
    switch (le16(p + 18)) {
    case 3:
        return "i386";
    case 62:
        return "x86_64";
    case 183:
        return "arm64";
    case 40:
        return "arm";
    case 243:
        return "riscv64";
    default:
        return "";
    }
}

static bool see_kernel(void *arg, const char *name, const struct vml_file *f)
{
    struct place *at = arg;
    uint8_t head[1024];
    const char *arch;
    char from[160];

    if (strncmp(name, "vmlinuz", 7) != 0 && strncmp(name, "vmlinux", 7) != 0 &&
        strncmp(name, "Image", 5) != 0 && strncmp(name, "bzImage", 7) != 0 &&
        strncmp(name, "kernel-", 7) != 0)
        return true;
    arch = kernel_arch(head, vml_ext_read(&at->ext, f, head, sizeof head, 0));
    if (arch[0] == '\0')
        return true;
    snprintf(from, sizeof from, "the kernel %s/%.64s of %.64s",
             strcmp(at->folder, "/") == 0 ? "" : at->folder, name, at->what);
    vml_boot_arch(at->b, VML_ARCH_KERNEL, arch, from);
    return false;
}

static void read_arch(struct place *at)
{
    static const char *const folders[] = { "/boot", "/" };
    static const char *const programs[] = { "/sbin/init", "/bin/sh", "/bin/busybox" };
    struct vml_file f;
    char from[160];

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (!vml_ext_find(&at->ext, folders[i], &f) || !f.folder)
            continue;
        snprintf(at->folder, sizeof at->folder, "%s", folders[i]);
        vml_ext_list(&at->ext, &f, see_kernel, at);
    }
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        uint8_t head[64];

        if (!vml_ext_find(&at->ext, programs[i], &f))
            continue;
        snprintf(from, sizeof from, "%s of %.96s", programs[i], at->what);
        vml_boot_arch(at->b, VML_ARCH_WEAK,
                      elf_arch(head, vml_ext_read(&at->ext, &f, head, sizeof head, 0)), from);
    }
}

/* --- the root ------------------------------------------------------------------------------- */

static void set_root(struct vml_boot *b, unsigned partition, const char *volume, const char *from)
{
    if (b->root > 0 || b->root_volume[0] != '\0' || b->root_from[0] != '\0')
        return;
    b->root = partition;
    snprintf(b->root_volume, sizeof b->root_volume, "%s", volume != NULL ? volume : "");
    snprintf(b->root_from, sizeof b->root_from, "%s", from);
}

static void read_root(struct place *at)
{
    static const char *const signs[] = { "/etc/fstab", "/etc/os-release", "/sbin/init" };
    struct vml_file f;
    char from[64];

    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (!vml_ext_find(&at->ext, signs[i], &f))
            continue;
        snprintf(from, sizeof from, "it has %s", signs[i]);
        set_root(at->b, at->partition, at->volume, from);
        return;
    }
}

void vml_linux_read(struct vml_boot *b, unsigned partition, const char *volume,
                    const struct vml_region *g)
{
    struct place at = { .b = b, .partition = partition, .volume = volume };

    if (!vml_ext_open(&at.ext, g))
        return;
    if (volume != NULL)
        snprintf(at.what, sizeof at.what, "volume %.128s", volume);
    else if (partition > 0)
        snprintf(at.what, sizeof at.what, "partition %u", partition);
    else
        snprintf(at.what, sizeof at.what, "the disk");
    read_root(&at);
    read_configs(&at);
    read_xen_menu(&at);
    read_arch(&at);
}

/* --- the root, where its files cannot be read ----------------------------------------------- */

static bool is_root_content(const struct vml_content *c)
{
    static const char *const types[] = { "ext2",  "ext3", "ext4", "xfs",
                                         "btrfs", "jfs",  "ntfs", "reiserfs" };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(c->type, types[i]) == 0)
            return true;
    return false;
}

static bool word_means(const char *word, const struct vml_content *c)
{
    if (strncmp(word, "UUID=", 5) == 0)
        return c->uuid[0] != '\0' && strcmp(word + 5, c->uuid) == 0;
    if (strncmp(word, "LABEL=", 6) == 0)
        return c->label[0] != '\0' && strcmp(word + 6, c->label) == 0;
    return false;
}

/* "/dev/mapper/vg0-root", where a dash of a name is doubled, or "/dev/vg0/root". */
static bool word_is_volume(const char *word, const char *name)
{
    char mapped[2 * sizeof((struct vml_volume *)0)->name + 1];
    size_t n = 0;

    if (strncmp(word, "/dev/", 5) == 0 && strcmp(word + 5, name) == 0)
        return true;
    for (; *name != '\0'; name++) {
        mapped[n++] = (char)(*name == '/' ? '-' : *name);
        if (*name == '-')
            mapped[n++] = '-';
    }
    mapped[n] = '\0';
    return strncmp(word, "/dev/mapper/", 12) == 0 && strcmp(word + 12, mapped) == 0;
}

/* "/dev/sda1", "/dev/nvme0n1p2": the number at its end. */
static unsigned word_number(const char *word)
{
    size_t len = strlen(word), at = len;

    while (at > 0 && isdigit((unsigned char)word[at - 1]))
        at--;
    return strncmp(word, "/dev/", 5) == 0 && len - at > 0 && len - at < 4
               ? (unsigned)strtoul(word + at, NULL, 10)
               : 0;
}

static void by_word(struct vml_boot *b)
{
    unsigned number = word_number(b->root_word);
    char from[160];

    if (b->root_word[0] == '\0')
        return;
    snprintf(from, sizeof from, "the loader says root=%s", b->root_word);
    for (size_t i = 0; i < b->n_volumes; i++)
        if (word_is_volume(b->root_word, b->volumes[i].name) ||
            word_means(b->root_word, &b->volumes[i].content))
            set_root(b, 0, b->volumes[i].name, from);
    for (size_t i = 0; i < b->n_partitions; i++)
        if (word_means(b->root_word, &b->partitions[i].content) ||
            (number > 0 && number == b->partitions[i].number))
            set_root(b, b->partitions[i].number, NULL, from);
}

/* The Discoverable Partitions Specification's types, which are a word about the architecture too.
 */
static void by_type(struct vml_boot *b)
{
    static const struct {
        const char *type, *arch;
    } types[] = {
        { "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "x86_64" },
        { "44479540-f297-41b2-9af7-d131d5f0458a", "i386" },
        { "b921b045-1df0-41c3-af44-4c6f280d3fae", "arm64" },
    };
    char from[64];

    for (size_t i = 0; i < b->n_partitions; i++)
        for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
            const struct vml_partition *p = &b->partitions[i];

            if (strcmp(p->type, types[k].type) != 0)
                continue;
            set_root(b, p->number, NULL, "its type is that of a root");
            snprintf(from, sizeof from, "the type of partition %u", p->number);
            vml_boot_arch(b, VML_ARCH_WEAK, types[k].arch, from);
        }
}

static void by_name(struct vml_boot *b)
{
    for (size_t i = 0; i < b->n_volumes; i++) {
        const char *name = strchr(b->volumes[i].name, '/');

        if (name != NULL && strcasestr(name, "root") != NULL)
            set_root(b, 0, b->volumes[i].name, "its name");
    }
}

static void by_size(struct vml_boot *b)
{
    const struct vml_partition *p = NULL;
    const struct vml_volume *v = NULL;

    for (size_t i = 0; i < b->n_volumes; i++)
        if (is_root_content(&b->volumes[i].content) && (v == NULL || b->volumes[i].len > v->len))
            v = &b->volumes[i];
    for (size_t i = 0; i < b->n_partitions; i++)
        if (is_root_content(&b->partitions[i].content) &&
            (p == NULL || b->partitions[i].len > p->len))
            p = &b->partitions[i];
    if (v != NULL && (p == NULL || v->len > p->len))
        set_root(b, 0, v->name, "it is the largest that can be one");
    else if (p != NULL)
        set_root(b, p->number, NULL, "it is the largest that can be one");
}

void vml_linux_root(struct vml_boot *b)
{
    by_word(b);
    by_type(b);
    by_name(b);
    if (b->bios || b->uefi || b->xen_menu[0] != '\0') /* and no disk of data */
        by_size(b);
}
