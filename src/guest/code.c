/* What a BIOS would start: the code in the first sector, known by the texts and numbers that its
 * authors left in it, and what it goes on with.
 *
 *     GRUB 2       boot.img: 0x5a u16 0x8000, 0x5c u64 the sector of core.img, which says "loading"
 *     GRUB legacy  stage1: 0x3e 3, 2; 0x42 u16 0x8000 or 0x2000, 0x44 u32 the sector of the next
 * stage SYSLINUX, Windows, DOS   start the first sector of the active partition */
#include "guest/internal.h"

#include <stdio.h>
#include <string.h>

#include "vmlift/endian.h"

#define CODE 440u /* bytes of code in an MBR */

#define TYPE_FREEBSD_BOOT "83bd6b9d-7f41-11dc-be0b-001560b84f0f"

static bool has(const uint8_t *p, size_t len, const char *text)
{
    return memmem(p, len, text, strlen(text)) != NULL;
}

static bool is_grub(const uint8_t *s)
{
    return has(s, VML_SECTOR, "GRUB ") && has(s, VML_SECTOR, "Geom");
}

static bool is_grub_legacy(const uint8_t *s)
{
    return s[0x3e] == 3 && (le16(s + 0x42) == 0x8000 || le16(s + 0x42) == 0x2000);
}

/* "": there is no code. */
static const char *code_of(const uint8_t *s)
{
    static const struct {
        const char *text, *kind;
    } texts[] = {
        { "isolinux.bin missing", "isolinux" },
        { "Operating system load error", "syslinux" }, /* mbr.bin, altmbr.bin */
        { "Missing OS", "syslinux" },                  /* gptmbr.bin */
        { "BOOTMGR", "windows" },
        { "NTLDR", "windows" },
        { "Invalid partition table", "windows" }, /* DOS's, too */
        { "Missing operating system", "windows" },
    };

    if (!vml_sector_signed(s) || vml_is_zero(s, CODE))
        return "";
    if (is_grub(s))
        return is_grub_legacy(s) ? "grub-legacy" : "grub2";
    if (memcmp(s + 6, "LILO", 4) == 0 || memcmp(s + 2, "LILO", 4) == 0)
        return "lilo";
    if (memcmp(s + 3, "SYSLINUX", 8) == 0)
        return "syslinux";
    if (memcmp(s + 3, "EXTLINUX", 8) == 0)
        return "extlinux";
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (has(s, VML_SECTOR, texts[i].text))
            return texts[i].kind;
    return "unknown";
}

/* --- what GRUB goes on with ----------------------------------------------------------------- */

static bool sector_has(const struct vml_region *disk, uint64_t number, const char *text)
{
    uint8_t s[VML_SECTOR];

    return number > 0 && number < disk->len / VML_SECTOR &&
           vml_region_read(disk, s, sizeof s, number * VML_SECTOR) &&
           (text != NULL ? has(s, sizeof s, text) : !vml_is_zero(s, sizeof s));
}

/* GRUB's first sector knows the next one by number. */
static bool grub_goes_on(struct vml_boot *b, const struct vml_region *disk, const uint8_t *s)
{
    bool legacy = is_grub_legacy(s);
    uint64_t next = legacy ? le32(s + 0x44) : le64(s + 0x5c);

    if (!legacy && le16(s + 0x5a) != 0x8000)
        return true; /* older than 1.98, which has its number elsewhere */
    if (sector_has(disk, next, legacy ? NULL : "loading"))
        return true;
    vml_note(&b->notes, "boot/grub-core",
             "GRUB's boot code goes on with sector %llu, where nothing of GRUB is",
             (unsigned long long)next);
    return false;
}

/* --- what the others start ------------------------------------------------------------------ */

/* An extlinux or SYSLINUX in NTFS or FAT says its name; a Windows the name of its next file. */
static bool partition_starts(struct vml_boot *b, const struct vml_region *disk,
                             const struct vml_partition *p)
{
    uint8_t s[VML_SECTOR];
    const char *kind;

    if (p->outside || !vml_region_read(disk, s, sizeof s, p->off))
        return false;
    kind = code_of(s);
    if (kind[0] == '\0')
        return false;
    if (strcmp(kind, "unknown") != 0)
        vml_boot_add_loader(b, kind, p->number, "");
    return strncmp(kind, "grub", 4) != 0 || grub_goes_on(b, disk, s);
}

static bool active_starts(struct vml_boot *b, const struct vml_region *disk)
{
    const struct vml_partition *active = NULL;
    unsigned n = 0;

    for (size_t i = 0; i < b->n_partitions; i++) {
        const struct vml_partition *p = &b->partitions[i];

        if (!p->active || p->logical)
            continue;
        if (n++ == 0)
            active = p;
    }
    if (n > 1 && b->table == VML_TABLE_MBR)
        vml_note(&b->notes, "boot/active-many", "%u partitions are active, and only one may be", n);
    if (active != NULL && partition_starts(b, disk, active))
        return true;
    if (b->table == VML_TABLE_MBR)
        vml_note(&b->notes, "boot/active-none",
                 active == NULL ? "the boot code starts the active partition, and none is active"
                                : "the active partition has no boot code");
    return false;
}

/* Some firmware starts the code in front of a GPT only where its cover is active: so that is set
 * where the code is meant to be started. */
static bool has_active_entry(const uint8_t *mbr)
{
    for (size_t i = 0; i < 4; i++)
        if (mbr[VML_MBR_ENTRIES + 16 * i] == 0x80 && mbr[VML_MBR_ENTRIES + 16 * i + 4] != 0)
            return true;
    return false;
}

/* What nobody here knows is believed where something is marked for it to start: data disks have
 * code too, parted's for one. */
static bool unknown_starts(const struct vml_boot *b, const uint8_t *mbr)
{
    if (b->table == VML_TABLE_GPT && has_active_entry(mbr))
        return true;
    for (size_t i = 0; i < b->n_partitions; i++) {
        const struct vml_partition *p = &b->partitions[i];

        if (!p->outside && (p->active || p->bios_boot || strcmp(p->type, TYPE_FREEBSD_BOOT) == 0))
            return true;
    }
    return false;
}

void vml_code_read(struct vml_boot *b, const struct vml_region *disk, const uint8_t mbr[VML_SECTOR])
{
    const char *kind = code_of(mbr);
    bool table = b->table != VML_TABLE_NONE;

    snprintf(b->code, sizeof b->code, "%s", kind);
    if (kind[0] == '\0')
        return;
    if (strncmp(kind, "grub", 4) == 0)
        b->bios = grub_goes_on(b, disk, mbr);
    else if (strcmp(kind, "lilo") == 0 || strcmp(kind, "isolinux") == 0)
        b->bios = true;
    else if (strcmp(kind, "unknown") == 0)
        b->bios = table && unknown_starts(b, mbr);
    else
        b->bios = !table || active_starts(b, disk);
    if (strcmp(kind, "unknown") != 0)
        vml_boot_add_loader(b, kind, 0, "");
}
