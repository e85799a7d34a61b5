/* The loaders of an EFI system partition: programs in the PE format, beneath EFI.
 *
 *     0x3c u32   where "PE\0\0" is; behind it: u16 machine, u16 sections, 16 u16 length of the
 *                optional header, and behind that 40 bytes for each section, its name first
 *
 * A loader is known by the names of its sections: GRUB keeps its modules in "mods", systemd-boot
 * its mark in ".sdmagic", shim the vendor's certificate in ".vendor_cert", and a kernel in one file
 * with its initramfs is ".linux". */
#include "guest/internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "vmlift/endian.h"

#define HEAD        4096u
#define FOLDERS_MAX 32u

static const struct {
    uint16_t machine;
    const char *arch, *fallback;
} machines[] = {
    { 0x8664, "x86_64", "BOOTX64.EFI" },      { 0xaa64, "arm64", "BOOTAA64.EFI" },
    { 0x014c, "i386", "BOOTIA32.EFI" },       { 0x01c2, "arm", "BOOTARM.EFI" },
    { 0x5064, "riscv64", "BOOTRISCV64.EFI" },
};
#define N_MACHINES (sizeof machines / sizeof machines[0])

static size_t pe_header(const uint8_t *p, size_t len)
{
    uint32_t at;

    if (len < 64 || memcmp(p, "MZ", 2) != 0)
        return 0;
    at = le32(p + 0x3c);
    return at > 0 && at <= len - 24 && memcmp(p + at, "PE\0\0", 4) == 0 ? at : 0;
}

const char *vml_pe_arch(const uint8_t *p, size_t len)
{
    size_t at = pe_header(p, len);

    for (size_t i = 0; at > 0 && i < N_MACHINES; i++)
        if (machines[i].machine == le16(p + at + 4))
            return machines[i].arch;
    return "";
}

/* Who made it, by the line of its own in the list of revocable components (.sbat). */
static const char *kind_by_sbat(const struct vml_fat *fat, const struct vml_file *f, uint32_t off)
{
    static const struct {
        const char *line, *kind;
    } lines[] = { { "\nshim,", "shim" },
                  { "\ngrub,", "grub2" },
                  { "\nsystemd-boot,", "systemd-boot" } };
    char text[513];

    text[vml_fat_read(fat, f, text, sizeof text - 1, off)] = '\0';
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (strstr(text, lines[i].line) != NULL)
            return lines[i].kind;
    return "unknown";
}

/* p: the program's first bytes. */
static const char *kind_of(const struct vml_fat *fat, const struct vml_file *f, const uint8_t *p,
                           size_t len)
{
    static const struct {
        const char *section, *kind;
    } kinds[] = { { "mods", "grub2" }, { ".sdmagic", "systemd-boot" }, { ".linux", "linux" } };
    size_t at = pe_header(p, len), n, section;
    uint32_t sbat = 0;

    if (at == 0)
        return "unknown";
    n = le16(p + at + 6);
    section = at + 24 + le16(p + at + 20);
    for (; n > 0 && section + 40 <= len; n--, section += 40) {
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
            if (strncmp((const char *)p + section, kinds[k].section, 8) == 0)
                return kinds[k].kind;
        if (strncmp((const char *)p + section, ".sbat", 8) == 0)
            sbat = le32(p + section + 20);
    }
    return sbat > 0 ? kind_by_sbat(fat, f, sbat) : "unknown";
}

/* --- the loaders ---------------------------------------------------------------------------- */

struct esp {
    struct vml_boot *b;
    const struct vml_partition *p;
    const struct vml_fat *fat;
    char folder[64];
    unsigned folders;
};

static void add_loader(struct esp *e, const char *path, const struct vml_file *f, bool fallback)
{
    uint8_t head[HEAD];
    size_t len = vml_fat_read(e->fat, f, head, sizeof head, 0);
    const char *kind = kind_of(e->fat, f, head, len), *arch = vml_pe_arch(head, len);
    struct vml_loader *l;
    char from[160];

    if (pe_header(head, len) == 0) {
        vml_note(&e->b->notes, "boot/loader-damaged", "partition %u: %s is no program for UEFI",
                 e->p->number, path);
        return;
    }
    if (strcmp(kind, "unknown") == 0 && strcasestr(path, "Microsoft") != NULL)
        kind = "windows";
    l = vml_boot_add_loader(e->b, kind, e->p->number, path);
    if (l == NULL)
        return;
    l->fallback = fallback;
    snprintf(l->arch, sizeof l->arch, "%s", arch);
    snprintf(from, sizeof from, "%s of partition %u", path, e->p->number);
    vml_boot_arch(e->b, fallback ? VML_ARCH_LOADER : VML_ARCH_WEAK, arch, from);
}

/* Firmware that was not told anything starts these. */
static void read_fallbacks(struct esp *e)
{
    char path[64];

    for (size_t i = 0; i < N_MACHINES; i++) {
        struct vml_file f;

        snprintf(path, sizeof path, "/EFI/BOOT/%s", machines[i].fallback);
        if (vml_fat_find(e->fat, path, &f) && !f.folder)
            add_loader(e, path, &f, true);
    }
}

/* Helpers of shim: it is told of itself. */
static bool is_helper(const char *name)
{
    return strncasecmp(name, "mm", 2) == 0 || strncasecmp(name, "fb", 2) == 0 ||
           strncasecmp(name, "fwup", 4) == 0;
}

static bool see_file(void *arg, const char *name, const struct vml_file *f)
{
    struct esp *e = arg;
    size_t len = strlen(name);
    char path[128];

    if (f->folder || len < 5 || strcasecmp(name + len - 4, ".efi") != 0 || is_helper(name))
        return true;
    snprintf(path, sizeof path, "%s/%.48s", e->folder, name);
    add_loader(e, path, f, false);
    return e->b->n_loaders < VML_BOOT_LOADERS;
}

static bool see_folder(void *arg, const char *name, const struct vml_file *f)
{
    struct esp *e = arg;
    struct vml_file inner;

    if (!f->folder || strcasecmp(name, "BOOT") == 0)
        return true;
    if (e->folders++ == FOLDERS_MAX)
        return false;
    if (strcasecmp(name, "Microsoft") == 0) {
        if (vml_fat_find(e->fat, "/EFI/Microsoft/Boot/bootmgfw.efi", &inner))
            add_loader(e, "/EFI/Microsoft/Boot/bootmgfw.efi", &inner, false);
        return true;
    }
    snprintf(e->folder, sizeof e->folder, "/EFI/%.48s", name);
    vml_fat_list(e->fat, f, see_file, e);
    return true;
}

static void read_files(struct esp *e)
{
    static const struct {
        const char *path, *kind;
    } files[] = { { "/loader/loader.conf", "systemd-boot" },
                  { "/syslinux.cfg", "syslinux" },
                  { "/syslinux/syslinux.cfg", "syslinux" },
                  { "/grub/grub.cfg", "grub2" },
                  { "/bootmgr", "windows" } };
    struct vml_file f;

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (vml_fat_find(e->fat, files[i].path, &f) && !f.folder)
            vml_boot_add_loader(e->b, files[i].kind, e->p->number, files[i].path);
}

void vml_efi_read(struct vml_boot *b, const struct vml_partition *p, const struct vml_region *g)
{
    struct vml_fat fat;
    struct esp e = { .b = b, .p = p, .fat = &fat };
    struct vml_file folder;

    if (!vml_fat_open(&fat, g)) {
        if (p->esp)
            vml_note(&b->notes, "boot/esp-damaged",
                     "partition %u is an EFI system partition, and no FAT is in it", p->number);
        return;
    }
    read_fallbacks(&e);
    if (vml_fat_find(&fat, "/EFI", &folder) && folder.folder)
        vml_fat_list(&fat, &folder, see_folder, &e);
    read_files(&e);
}
