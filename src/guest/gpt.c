/* A GUID partition table (UEFI 2.10, 5.3): a header in the second sector, its copy in the last one,
 * each with a table of entries and the CRC-32s of both.
 *
 *     header   0 "EFI PART", 12 u32 length, 16 u32 CRC of it (this field 0), 24 u64 own sector,
 *              32 u64 the other's sector, 72 u64 first sector of the entries, 80 u32 how many,
 *              84 u32 length of each, 88 u32 CRC of all
 *     entry    0 type, 16 own GUID, 32 u64 first sector, 40 u64 last, 48 u64 attributes,
 *              56 name, 36 UTF-16LE */
#include "guest/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmlift/codec.h"
#include "vmlift/endian.h"

#define HEADER      92u
#define ENTRY_MIN   128u
#define ENTRIES_MAX (128u << 10)       /* bytes; they are 16 KiB unless somebody asked for more */
#define BOOTABLE    (UINT64_C(1) << 2) /* attribute: legacy BIOS bootable, for syslinux */

struct gpt {
    uint64_t other; /* where it says that the other header is */
    uint32_t count, size;
    uint8_t *entries; /* owned */
};

static void gpt_clear(struct gpt *t)
{
    free(t->entries);
}

/* NULL, or what is wrong with the table whose header is in that sector. */
static const char *read_table(struct gpt *t, const struct vml_region *disk, uint64_t sector)
{
    uint8_t h[VML_SECTOR];
    uint32_t len, sum;
    uint64_t bytes;

    if (!vml_region_read(disk, h, sizeof h, sector * VML_SECTOR) || memcmp(h, "EFI PART", 8) != 0)
        return "there is none";
    len = le32(h + 12);
    sum = le32(h + 16);
    put_le32(h + 16, 0);
    if (len < HEADER || len > sizeof h || vml_crc32(0, h, len) != sum)
        return "its header does not match its CRC";
    if (le64(h + 24) != sector)
        return "its header is that of another sector";
    t->other = le64(h + 32);
    t->count = le32(h + 80);
    t->size = le32(h + 84);
    bytes = (uint64_t)t->count * t->size;
    if (t->size < ENTRY_MIN || t->size % 8 != 0 || bytes > ENTRIES_MAX)
        return "it has entries of a strange length, or too many";
    t->entries = vml_view_alloc(disk->view, (size_t)bytes + 1);
    if (t->entries == NULL || le64(h + 72) > disk->len / VML_SECTOR ||
        !vml_region_read(disk, t->entries, (size_t)bytes, le64(h + 72) * VML_SECTOR))
        return "its entries cannot be read";
    if (vml_crc32(0, t->entries, (size_t)bytes) != le32(h + 88))
        return "its entries do not match their CRC";
    return NULL;
}

/* --- entries -------------------------------------------------------------------------------- */

/* The first three fields are little-endian numbers. */
static void print_guid(char text[40], const uint8_t *p)
{
    uint8_t raw[16];

    put_be32(raw, le32(p));
    put_be16(raw + 4, le16(p + 4));
    put_be16(raw + 6, le16(p + 6));
    memcpy(raw + 8, p + 8, 8);
    vml_uuid_print(text, raw);
}

/* What is no character of the basic plane becomes '?'. */
static void print_name(char *to, size_t size, const uint8_t *p, size_t units)
{
    char *end = to + size - 4;

    for (; units > 0 && to < end && le16(p) != 0; p += 2, units--) {
        unsigned c = le16(p);

        if (c >= 0xd800 && c < 0xe000)
            c = '?';
        if (c < 0x80) {
            *to++ = (char)c;
        } else if (c < 0x800) {
            *to++ = (char)(0xc0 | c >> 6);
            *to++ = (char)(0x80 | (c & 0x3f));
        } else {
            *to++ = (char)(0xe0 | c >> 12);
            *to++ = (char)(0x80 | (c >> 6 & 0x3f));
            *to++ = (char)(0x80 | (c & 0x3f));
        }
    }
    *to = '\0';
}

static void add_entries(struct vml_boot *b, const struct gpt *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        const uint8_t *e = t->entries + (size_t)i * t->size;
        uint64_t first = le64(e + 32), last = le64(e + 40);
        struct vml_partition *p;

        if (vml_is_zero(e, 16))
            continue;
        if (last < first || last >= VML_DISK_MAX / VML_SECTOR) {
            vml_note(&b->notes, "boot/partition-range",
                     "partition %u goes from sector %llu to %llu, which cannot be", i + 1,
                     (unsigned long long)first, (unsigned long long)last);
            continue;
        }
        if ((p = vml_boot_add_partition(b)) == NULL)
            continue;
        p->number = i + 1;
        p->off = first * VML_SECTOR;
        p->len = (last - first + 1) * VML_SECTOR;
        print_guid(p->type, e);
        print_name(p->name, sizeof p->name, e + 56, 36);
        p->active = (le64(e + 48) & BOOTABLE) != 0;
        p->esp = strcmp(p->type, VML_TYPE_ESP) == 0;
        p->bios_boot = strcmp(p->type, VML_TYPE_BIOS_BOOT) == 0;
    }
}

/* --- the two tables ------------------------------------------------------------------------- */

/* That a disk was enlarged leaves the backup in its midst, where only the first header finds it. */
static void check_backup(struct vml_boot *b, const struct vml_region *disk, const struct gpt *first)
{
    VML_AUTO(gpt_clear) struct gpt t = { .entries = NULL };
    uint64_t last = disk->len / VML_SECTOR - 1;
    const char *wrong = read_table(&t, disk, first->other);

    if (wrong != NULL)
        vml_note(&b->notes, "boot/gpt-backup",
                 "the GPT's backup in sector %llu is damaged: %s; the first one is used",
                 (unsigned long long)first->other, wrong);
    else if (first->other != last)
        vml_note(&b->notes, "boot/gpt-not-at-end",
                 "the GPT's backup is in sector %llu and not in the disk's last one, %llu",
                 (unsigned long long)first->other, (unsigned long long)last);
}

static bool is_large_sectors(const struct vml_region *disk)
{
    uint8_t magic[8];

    return vml_region_read(disk, magic, sizeof magic, 4096) && memcmp(magic, "EFI PART", 8) == 0;
}

static bool no_table(struct vml_boot *b, const struct vml_region *disk, bool covered,
                     const char *first_wrong)
{
    if (is_large_sectors(disk))
        vml_note(&b->notes, "boot/gpt-4096",
                 "a GPT for sectors of 4096 bytes, which machines with sectors of 512 do not see");
    else if (covered)
        vml_note(&b->notes, "boot/gpt-lost",
                 "the MBR announces a GPT, but there is none that is whole: the first: %s",
                 first_wrong);
    return false;
}

bool vml_gpt_read(struct vml_boot *b, const struct vml_region *disk, const uint8_t mbr[VML_SECTOR])
{
    VML_AUTO(gpt_clear) struct gpt first = { .entries = NULL };
    VML_AUTO(gpt_clear) struct gpt backup = { .entries = NULL };
    bool hybrid, covered = vml_mbr_covers(mbr, &hybrid);
    const char *first_wrong, *backup_wrong = NULL;

    if (disk->len < 3 * VML_SECTOR)
        return false;
    first_wrong = read_table(&first, disk, 1);
    if (first_wrong != NULL)
        backup_wrong = read_table(&backup, disk, disk->len / VML_SECTOR - 1);
    if (first_wrong != NULL && backup_wrong != NULL)
        return no_table(b, disk, covered, first_wrong);
    if (!covered) { /* neither firmware nor Linux looks at it then */
        vml_note(&b->notes, "boot/gpt-unannounced",
                 "there is a GPT, but no entry of type 0xee in the MBR: nobody looks at it");
        return false;
    }
    b->table = VML_TABLE_GPT;
    b->hybrid = hybrid;
    if (first_wrong != NULL)
        vml_note(&b->notes, "boot/gpt-first",
                 "the first GPT is damaged: %s; its backup at the disk's end is used", first_wrong);
    else
        check_backup(b, disk, &first);
    add_entries(b, first_wrong == NULL ? &first : &backup);
    return true;
}
