/* The header of a hosted sparse extent, which a streamOptimized file repeats as its footer.
 *
 *      0  4  "KDMV"                           44  4  entries of a grain table, 512
 *      4  4  version 1..3                     48  8  redundant grain directory
 *      8  4  flags                            56  8  grain directory; all ones: see the footer
 *     12  8  capacity                         64  8  overHead: where the grains begin
 *     20  8  grain size                       72  1  unclean shutdown
 *     28  8  descriptor                       73  4  "\n \r\n", to notice text-mode transfers
 *     36  8  its size                         77  2  compression, 1 is deflate (unaligned)
 *
 * Little endian; sizes and places are in sectors. */
#include "vmdk.h"
#include "vmlift/endian.h"

enum { FLAGS_KNOWN_HIGH = 0x30000, GRAIN_MIN_SECTORS = 8, GRAIN_MAX_SECTORS = 2048 };
static const uint8_t newlines[4] = { '\n', ' ', '\r', '\n' };

bool vmdk_header_probe(const uint8_t *p, size_t len)
{
    return (len >= 4 && (memcmp(p, "KDMV", 4) == 0 || memcmp(p, "kdmv", 4) == 0)) ||
           (len >= VMDK_SECTOR && memcmp(p + 73, newlines, sizeof newlines) == 0 &&
            le32(p + 44) == VMDK_GTES && le32(p + 4) - 1 < 3);
}

static int parse_flags(struct vmdk_header *h, const uint8_t *p, struct vml_error *err)
{
    h->version = le32(p + 4);
    h->flags = le32(p + 8);
    if (h->version < 1 || h->version > 3)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/version",
                        "header version %u; 1 to 3 are known", h->version);
    if ((h->flags & VMDK_NEWLINE) != 0 && memcmp(p + 73, newlines, sizeof newlines) != 0)
        return vml_fail(err, VML_EDATA, "vmdk/text-mode",
                        "the line ends at offset 73 are %02x %02x %02x %02x, not 0a 20 0d 0a: the "
                        "file was damaged by a transfer in text mode",
                        p[73], p[74], p[75], p[76]);
    /* The low half may be ignored by design, the high half may not. */
    if ((h->flags & 0xffff0000u & ~(uint32_t)FLAGS_KNOWN_HIGH) != 0)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/flags",
                        "flags 0x%08x: bits that may not be ignored are unknown", h->flags);
    if (((h->flags & VMDK_COMPRESSED) != 0) != ((h->flags & VMDK_MARKERS) != 0))
        return vml_fail(err, VML_EDATA, "vmdk/flags",
                        "flags 0x%08x: compressed grains and markers go together", h->flags);
    if ((h->flags & VMDK_COMPRESSED) != 0 && le16(p + 77) != 1)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/compression",
                        "compression algorithm %u; 1 (deflate) is known", le16(p + 77));
    return 0;
}

/* size and grain are known: how many entries that makes. */
static void count_entries(struct vmdk_header *h)
{
    h->grains = vml_div_up(h->size, h->grain);
    h->tables = vml_div_up(h->grains, VMDK_GTES);
}

static int parse_geometry(struct vmdk_header *h, const uint8_t *p, struct vml_error *err)
{
    uint64_t capacity = le64(p + 12), grain = le64(p + 20);

    if (grain < GRAIN_MIN_SECTORS || grain > GRAIN_MAX_SECTORS || (grain & (grain - 1)) != 0)
        return vml_fail(err, VML_EDATA, "vmdk/grain-size",
                        "grains of %llu sectors; a power of two from %d to %d is expected",
                        (unsigned long long)grain, GRAIN_MIN_SECTORS, GRAIN_MAX_SECTORS);
    if (le32(p + 44) != VMDK_GTES)
        return vml_fail(err, VML_EDATA, "vmdk/gt-size", "grain tables of %u entries, not %u",
                        le32(p + 44), VMDK_GTES);
    if (capacity == 0 || capacity > VML_DISK_MAX / VMDK_SECTOR)
        return vml_fail(err, VML_EDATA, "vmdk/capacity", "capacity of %llu sectors; from 1 to %llu",
                        (unsigned long long)capacity,
                        (unsigned long long)(VML_DISK_MAX / VMDK_SECTOR));
    h->size = capacity * VMDK_SECTOR;
    h->grain = (uint32_t)grain * VMDK_SECTOR;
    count_entries(h);
    return 0;
}

/* The descriptor's place, in bounds that keep later sums far from overflow. */
static int parse_places(struct vmdk_header *h, const uint8_t *p, struct vml_error *err)
{
    h->desc_sector = le64(p + 28);
    h->desc_sectors = le64(p + 36);
    h->rgd_sector = le64(p + 48);
    h->gd_sector = le64(p + 56);
    h->overhead_sectors = le64(p + 64);
    h->dirty = p[72] != 0;
    if (h->desc_sector > UINT32_MAX || h->desc_sectors > UINT32_MAX ||
        (h->desc_sectors > 0 && h->desc_sector == 0))
        return vml_fail(err, VML_EDATA, "vmdk/desc-range",
                        "descriptor of %llu sectors at sector %llu",
                        (unsigned long long)h->desc_sectors, (unsigned long long)h->desc_sector);
    if (h->overhead_sectors > UINT32_MAX)
        return vml_fail(err, VML_EDATA, "vmdk/overhead", "grains begin at sector %llu; %u at most",
                        (unsigned long long)h->overhead_sectors, UINT32_MAX);
    if (h->gd_sector == VMDK_GD_AT_END && (h->flags & VMDK_COMPRESSED) != 0)
        return 0;
    if (h->gd_sector == 0 || h->gd_sector > UINT32_MAX)
        return vml_fail(err, VML_EDATA, "vmdk/gd-range", "grain directory at sector %llu",
                        (unsigned long long)h->gd_sector);
    return 0;
}

int vmdk_header_parse(struct vmdk_header *h, const uint8_t p[VMDK_SECTOR], struct vml_error *err)
{
    *h = (struct vmdk_header){ 0 };
    if (memcmp(p, "kdmv", 4) == 0) /* open-vmdk capitalises it when all else is written */
        return vml_fail(err, VML_EDATA, "input/truncated",
                        "its writer did not finish this file (magic \"kdmv\")");
    if (memcmp(p, "KDMV", 4) != 0)
        return vml_fail(err, VML_EDATA, "vmdk/magic", "does not begin with \"KDMV\"");
    if (parse_flags(h, p, err) < 0 || parse_geometry(h, p, err) < 0)
        return -1;
    return parse_places(h, p, err);
}

void vmdk_header_plan(struct vmdk_header *h, uint64_t size)
{
    *h = (struct vmdk_header){
        .size = size, .grain = VMDK_GRAIN, .desc_sector = 1, .desc_sectors = VMDK_DESC_SECTORS
    };
    count_entries(h);
}

int vmdk_header_reach(uint64_t end_sector, struct vml_error *err)
{
    if (end_sector > UINT32_MAX)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/too-large",
                        "the file would pass 2 TiB, beyond which a VMDK cannot point");
    return 0;
}

void vmdk_header_print(uint8_t p[VMDK_SECTOR], const struct vmdk_header *h)
{
    memset(p, 0, VMDK_SECTOR);
    memcpy(p, "KDMV", 4);
    put_le32(p + 4, h->version);
    put_le32(p + 8, h->flags);
    put_le64(p + 12, h->size / VMDK_SECTOR);
    put_le64(p + 20, h->grain / VMDK_SECTOR);
    put_le64(p + 28, h->desc_sector);
    put_le64(p + 36, h->desc_sectors);
    put_le32(p + 44, VMDK_GTES);
    put_le64(p + 48, h->rgd_sector);
    put_le64(p + 56, h->gd_sector);
    put_le64(p + 64, h->overhead_sectors);
    p[72] = h->dirty;
    memcpy(p + 73, newlines, sizeof newlines);
    put_le16(p + 77, (h->flags & VMDK_COMPRESSED) != 0);
}

int vmdk_footer_parse(struct vmdk_header *h, const uint8_t header[VMDK_SECTOR],
                      const uint8_t footer[VMDK_SECTOR], struct vml_error *err)
{
    uint64_t gd = le64(footer + 56);

    for (unsigned i = 0; i < 79; i++)
        if (header[i] != footer[i] && (i < 56 || i > 63) && i != 72)
            return vml_fail(err, VML_EDATA, "vmdk/footer",
                            "the footer differs from the header at byte %u (0x%02x, not 0x%02x)", i,
                            footer[i], header[i]);
    if (gd == VMDK_GD_AT_END)
        return vml_fail(err, VML_EDATA, "vmdk/footer", "the footer points to a footer again");
    if (gd == 0 || gd > UINT32_MAX)
        return vml_fail(err, VML_EDATA, "vmdk/gd-range", "grain directory at sector %llu",
                        (unsigned long long)gd);
    h->gd_sector = gd;
    return 0;
}
