/* The MBR's table and the logical partitions behind it.
 *
 *     446   4 entries of 16 bytes: 0 status (0x80: active), 4 type, 8 u32 first sector, 12 u32
 * count 510   55 AA
 *
 * An extended partition begins with a sector of the same shape: its first entry is a logical
 * partition, counted from that sector; its second the next such sector, counted from the start of
 * the extended partition.  The chain is the disk's word, so it is followed only inside the extended
 * partition, to no sector twice, and MAX_LOGICAL times. */
#include "guest/internal.h"

#include <stdio.h>
#include <string.h>

#include "vmlift/endian.h"

#define ENTRY       16u
#define MAX_LOGICAL 100u /* as many as Linux takes */

bool vml_sector_signed(const uint8_t sector[VML_SECTOR])
{
    return sector[510] == 0x55 && sector[511] == 0xaa;
}

static const uint8_t *entry_of(const uint8_t *sector, size_t i)
{
    return sector + VML_MBR_ENTRIES + i * ENTRY;
}

static uint64_t first_of(const uint8_t *e)
{
    return le32(e + 8);
}

static uint64_t count_of(const uint8_t *e)
{
    return le32(e + 12);
}

static bool is_used(const uint8_t *e)
{
    return e[4] != 0 && count_of(e) > 0;
}

static bool is_extended(const uint8_t *e)
{
    return e[4] == 0x05 || e[4] == 0x0f || e[4] == 0x85;
}

bool vml_mbr_covers(const uint8_t mbr[VML_SECTOR], bool *hybrid)
{
    bool covers = false;

    *hybrid = false;
    if (!vml_sector_signed(mbr))
        return false;
    for (size_t i = 0; i < 4; i++) {
        const uint8_t *e = entry_of(mbr, i);

        if (e[4] == 0xee)
            covers = true;
        else if (is_used(e))
            *hybrid = true;
    }
    return covers;
}

/* Boot sectors of file systems end in 55 AA too, and have text or code where the entries are. */
static bool looks_right(const uint8_t *mbr)
{
    for (size_t i = 0; i < 4; i++)
        if ((entry_of(mbr, i)[0] & 0x7f) != 0)
            return false;
    return vml_sector_signed(mbr);
}

static struct vml_partition *add(struct vml_boot *b, unsigned number, const uint8_t *e,
                                 uint64_t base)
{
    struct vml_partition *p = vml_boot_add_partition(b);

    if (p == NULL)
        return NULL;
    p->number = number;
    p->off = (base + first_of(e)) * VML_SECTOR;
    p->len = count_of(e) * VML_SECTOR;
    snprintf(p->type, sizeof p->type, "0x%02x", e[4]);
    p->active = e[0] == 0x80;
    p->esp = e[4] == 0xef;
    return p;
}

/* --- logical partitions --------------------------------------------------------------------- */

struct chain {
    uint64_t start, end; /* of the extended partition, in sectors */
    uint64_t seen[MAX_LOGICAL];
    size_t n;
};

static bool was_seen(const struct chain *c, uint64_t sector)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->seen[i] == sector)
            return true;
    return false;
}

/* The sector after this one, 0 at the end. */
static uint64_t next_link(struct vml_boot *b, const struct chain *c, const uint8_t *sector)
{
    uint64_t next;

    for (size_t i = 0; i < 4; i++) {
        const uint8_t *e = entry_of(sector, i);

        if (!is_used(e) || !is_extended(e))
            continue;
        next = c->start + first_of(e);
        if (next >= c->end) {
            vml_note(
                &b->notes, "boot/extended-outside",
                "the chain of logical partitions leaves the extended partition, to sector %llu",
                (unsigned long long)next);
            return 0;
        }
        if (was_seen(c, next)) {
            vml_note(&b->notes, "boot/extended-loop",
                     "the chain of logical partitions comes back to sector %llu",
                     (unsigned long long)next);
            return 0;
        }
        return next;
    }
    return 0;
}

static void read_logical(struct vml_boot *b, const struct vml_region *disk, const uint8_t *extended,
                         unsigned *number)
{
    struct chain c = { .start = first_of(extended) };
    uint8_t sector[VML_SECTOR];

    c.end = c.start + count_of(extended);
    for (uint64_t at = c.start; at != 0; at = next_link(b, &c, sector)) {
        if (c.n == MAX_LOGICAL) {
            vml_note(&b->notes, "boot/extended-many",
                     "more than %u logical partitions; the rest is not looked at", MAX_LOGICAL);
            return;
        }
        c.seen[c.n++] = at;
        if (!vml_region_read(disk, sector, sizeof sector, at * VML_SECTOR) ||
            !vml_sector_signed(sector)) {
            vml_note(&b->notes, "boot/extended-damaged",
                     "there is no table of logical partitions at sector %llu",
                     (unsigned long long)at);
            return;
        }
        for (size_t i = 0; i < 4; i++) {
            const uint8_t *e = entry_of(sector, i);
            struct vml_partition *p;

            if (!is_used(e) || is_extended(e) || (p = add(b, *number, e, at)) == NULL)
                continue;
            p->logical = true;
            ++*number;
        }
    }
}

bool vml_mbr_read(struct vml_boot *b, const struct vml_region *disk, const uint8_t mbr[VML_SECTOR])
{
    unsigned number = 5;

    if (!looks_right(mbr))
        return false;
    b->table = VML_TABLE_MBR;
    for (size_t i = 0; i < 4; i++) {
        const uint8_t *e = entry_of(mbr, i);
        struct vml_partition *p;

        if (is_used(e) && (p = add(b, (unsigned)i + 1, e, 0)) != NULL)
            p->extended = is_extended(e);
    }
    for (size_t i = 0; i < 4; i++)
        if (is_used(entry_of(mbr, i)) && is_extended(entry_of(mbr, i)))
            read_logical(b, disk, entry_of(mbr, i), &number);
    return true;
}
