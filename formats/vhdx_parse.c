/* VHDX: headers, region tables, metadata.  The layout is drawn in vhdx.h.
 *
 *   header        "head" | 4 CRC-32C of 4 KiB | 8 sequence (8) | 16 file's GUID | 32 data's GUID |
 *                 48 log's GUID | 64 log's version (2) | 66 version (2) | 68 log's length (4) |
 *                 72 log's offset (8)
 *   region table  "regi" | 4 CRC-32C of 64 KiB | 8 entries (4) | 16 entries of 32 bytes:
 *                 GUID | 16 offset (8) | 24 length (4) | 28 bit 0: required
 *   metadata      "metadata" | 10 entries (2) | 32 entries of 32 bytes:
 *                 GUID | 16 offset in the region (4) | 20 length (4) |
 *                 24 bit 0: of a user, 1: of the virtual disk, 2: required
 */
#include <stdio.h>
#include <stdlib.h>

#include "vhdx.h"
#include "vmlift/codec.h"

#define ENTRY    32u
#define ITEM_MAX (1u << 20) /* bytes of an item of metadata */

void vhdx_guid_print(char text[40], const uint8_t g[16])
{
    snprintf(text, 40, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", (unsigned)le32(g),
             (unsigned)le16(g + 4), (unsigned)le16(g + 6), g[8], g[9], g[10], g[11], g[12], g[13],
             g[14], g[15]);
}

static bool is_guid(const uint8_t g[16], const char *text)
{
    char own[40];

    vhdx_guid_print(own, g);
    return strcmp(own, text) == 0;
}

/* The sum that is stored at p + 4, with zeroes in its place. */
static int check_sum(uint8_t *p, size_t len, uint64_t at, const char *what, const char *slug,
                     struct vml_error *err)
{
    uint32_t said = le32(p + 4), is;

    put_le32(p + 4, 0);
    is = vml_crc32c(0, p, len);
    put_le32(p + 4, said);
    if (said == is)
        return 0;
    return vml_fail(err, VML_EDATA, slug,
                    "the %s at offset %llu has checksum %08x, and sums to %08x", what,
                    (unsigned long long)at, (unsigned)said, (unsigned)is);
}

/* --- headers -------------------------------------------------------------------------------- */

static int parse_header(struct vhdx_header *h, uint8_t *p, uint64_t at, struct vml_error *err)
{
    if (memcmp(p, "head", 4) != 0)
        return vml_fail(err, VML_EDATA, "vhdx/header-sum", "no header (\"head\") at offset %llu",
                        (unsigned long long)at);
    if (check_sum(p, VHDX_PAGE, at, "header", "vhdx/header-sum", err) < 0)
        return -1;
    h->seq = le64(p + 8);
    memcpy(h->data_guid, p + 32, 16);
    memcpy(h->log_guid, p + 48, 16);
    h->log_version = le16(p + 64);
    h->version = le16(p + 66);
    h->log_len = le32(p + 68);
    h->log_off = le64(p + 72);
    return 0;
}

static int check_header(const struct vhdx_file *f, struct vml_error *err)
{
    const struct vhdx_header *h = &f->header;

    if (h->version != 1 || h->log_version != 0)
        return vml_fail(err, VML_EUNSUPPORTED, "vhdx/version",
                        "version %u with a log of version %u, not 1 and 0", h->version,
                        h->log_version);
    if (h->log_len == 0)
        return 0;
    if (h->log_len % VHDX_MIB != 0 || h->log_off % VHDX_MIB != 0 ||
        !vhdx_fits(f, h->log_off, h->log_len))
        return vml_fail(err, VML_EDATA, "vhdx/range",
                        "the log is said to take %u bytes at offset %llu; both are whole MiB, from "
                        "1 MiB to the file's end at %llu",
                        (unsigned)h->log_len, (unsigned long long)h->log_off,
                        (unsigned long long)f->end);
    return 0;
}

/* The header that counts. */
static int read_headers(struct vhdx_file *f, vhdx_fault *fault, void *arg, struct vml_error *err)
{
    uint8_t page[2][VHDX_PAGE];
    struct vhdx_header h[2];
    struct vml_error why[2];
    bool whole[2];

    for (unsigned i = 0; i < 2; i++) {
        uint64_t at = (i + UINT64_C(1)) * VHDX_HEADERS;

        if (vml_input_pread(f->in, page[i], VHDX_PAGE, at, err) < 0)
            return -1;
        whole[i] = parse_header(&h[i], page[i], at, &why[i]) == 0;
    }
    if (!whole[0] && !whole[1]) {
        *err = why[0];
        vml_error_prefix(err, "both headers are lost");
        return -1;
    }
    if (whole[0] && whole[1] && h[0].seq == h[1].seq && memcmp(page[0], page[1], VHDX_PAGE) != 0)
        return vml_fail(err, VML_EDATA, "vhdx/header-mismatch",
                        "the headers at offsets %u and %u differ, and have the same sequence "
                        "number, %llu",
                        VHDX_HEADERS, 2 * VHDX_HEADERS, (unsigned long long)h[0].seq);
    for (unsigned i = 0; i < 2; i++)
        if (!whole[i] && fault(arg, &why[i], err) < 0)
            return -1;
    f->header = whole[0] && (!whole[1] || h[0].seq >= h[1].seq) ? h[0] : h[1];
    return check_header(f, err);
}

/* --- regions -------------------------------------------------------------------------------- */

static int parse_regions(uint8_t *p, uint64_t at, struct vml_error *err)
{
    if (memcmp(p, "regi", 4) != 0)
        return vml_fail(err, VML_EDATA, "vhdx/region-sum",
                        "no region table (\"regi\") at offset %llu", (unsigned long long)at);
    if (check_sum(p, VHDX_TABLE, at, "region table", "vhdx/region-sum", err) < 0)
        return -1;
    if (le32(p + 8) > VHDX_ENTRIES)
        return vml_fail(err, VML_EDATA, "vhdx/region-count",
                        "the region table at offset %llu is said to have %u entries; at most %u",
                        (unsigned long long)at, (unsigned)le32(p + 8), VHDX_ENTRIES);
    return 0;
}

static int take_region(struct vhdx_file *f, const uint8_t *p, struct vml_error *err)
{
    bool bat = is_guid(p, "2dc27766-f623-4200-9d64-115e9bfd4a08");
    bool metadata = is_guid(p, "8b7ca206-4790-4b9a-b8fe-575f050f886e");
    struct vhdx_region *r = bat ? &f->bat : &f->metadata;
    char guid[40];

    vhdx_guid_print(guid, p);
    if (!bat && !metadata) {
        if ((le32(p + 28) & 1) == 0)
            return 0;
        return vml_fail(err, VML_EUNSUPPORTED, "vhdx/region-unknown",
                        "region %s is required, and vmlift does not know it", guid);
    }
    if (r->len != 0)
        return vml_fail(err, VML_EDATA, "vhdx/region-dup", "region %s is told twice", guid);
    r->off = le64(p + 16);
    r->len = le32(p + 24);
    if (r->off % VHDX_MIB != 0 || r->len % VHDX_MIB != 0 || r->len == 0 ||
        !vhdx_fits(f, r->off, r->len))
        return vml_fail(err, VML_EDATA, "vhdx/range",
                        "the %s is said to take %llu bytes at offset %llu; both are whole MiB, "
                        "from 1 MiB to the file's end at %llu",
                        bat ? "block table" : "metadata", (unsigned long long)r->len,
                        (unsigned long long)r->off, (unsigned long long)f->end);
    return 0;
}

static int take_regions(struct vhdx_file *f, const uint8_t *table, struct vml_error *err)
{
    for (uint32_t i = 0; i < le32(table + 8); i++)
        if (take_region(f, table + 16 + (size_t)i * ENTRY, err) < 0)
            return -1;
    if (f->bat.len == 0 || f->metadata.len == 0)
        return vml_fail(err, VML_EDATA, "vhdx/region-missing",
                        "the region table does not tell of the %s",
                        f->bat.len == 0 ? "block table" : "metadata");
    return 0;
}

static int read_regions(struct vhdx_file *f, uint8_t *tables, vhdx_fault *fault, void *arg,
                        struct vml_error *err)
{
    struct vml_error why[2];
    bool whole[2];

    if (vhdx_pread(f, tables, (size_t)2 * VHDX_TABLE, VHDX_TABLES, err) < 0)
        return -1;
    for (unsigned i = 0; i < 2; i++)
        whole[i] = parse_regions(tables + (size_t)i * VHDX_TABLE,
                                 VHDX_TABLES + i * UINT64_C(1) * VHDX_TABLE, &why[i]) == 0;
    if (!whole[0] && !whole[1]) {
        *err = why[0];
        vml_error_prefix(err, "both region tables are lost");
        return -1;
    }
    if (whole[0] && whole[1] && memcmp(tables, tables + VHDX_TABLE, VHDX_TABLE) != 0)
        return vml_fail(err, VML_EDATA, "vhdx/region-mismatch",
                        "the region tables at offsets %u and %u differ", VHDX_TABLES,
                        VHDX_TABLES + VHDX_TABLE);
    for (unsigned i = 0; i < 2; i++)
        if (!whole[i] && fault(arg, &why[i], err) < 0)
            return -1;
    return take_regions(f, whole[0] ? tables : tables + VHDX_TABLE, err);
}

/* --- metadata ------------------------------------------------------------------------------- */

enum item { PARAMS, DISK_SIZE, DISK_ID, SECTOR_SIZE, PHYSICAL_SIZE, LOCATOR, ITEMS };
static const struct {
    const char *name, *guid;
    uint32_t len; /* 0: any */
} items[ITEMS] = {
    [PARAMS] = { "file parameters", "caa16737-fa36-4d43-b3b6-33f0aa44e76b", 8 },
    [DISK_SIZE] = { "disk's size", "2fa54224-cd1b-4876-b211-5dbed83bf4b8", 8 },
    [DISK_ID] = { "disk's ID", "beca12ab-b2e6-4523-93ef-c309e000c746", 16 },
    [SECTOR_SIZE] = { "logical sector size", "8141bf1d-a96f-4709-ba47-f233a8faab5f", 4 },
    [PHYSICAL_SIZE] = { "physical sector size", "cda348c7-445d-4471-9cc9-e9885251c556", 4 },
    [LOCATOR] = { "parent locator", "a8d35f2d-b30b-454d-abf7-d3d84834ab0c", 0 },
};

struct found {
    uint64_t off[ITEMS]; /* in the file; 0: not there */
    uint32_t len[ITEMS];
};

static int find_item(struct found *found, const struct vhdx_file *f, const uint8_t *p,
                     struct vml_error *err)
{
    uint32_t off = le32(p + 16), len = le32(p + 20), flags = le32(p + 24);
    bool user = (flags & 1) != 0;
    unsigned i = 0;
    char guid[40];

    while (i < ITEMS && (user || !is_guid(p, items[i].guid)))
        i++;
    vhdx_guid_print(guid, p);
    if (i == ITEMS) {
        if ((flags & 4) == 0)
            return 0;
        return vml_fail(err, VML_EUNSUPPORTED, "vhdx/metadata-unknown",
                        "item %s of the metadata is required, and vmlift does not know it", guid);
    }
    if (found->off[i] != 0)
        return vml_fail(err, VML_EDATA, "vhdx/metadata-dup", "the metadata has two of the %s",
                        items[i].name);
    if (off < VHDX_TABLE || off > f->metadata.len || f->metadata.len - off < len ||
        len > ITEM_MAX || (items[i].len != 0 && len != items[i].len))
        return vml_fail(err, VML_EDATA, "vhdx/metadata-range",
                        "the %s is said to take %u bytes at offset %u of the metadata, which has "
                        "%llu, its items behind the first %u",
                        items[i].name, (unsigned)len, (unsigned)off,
                        (unsigned long long)f->metadata.len, VHDX_TABLE);
    found->off[i] = f->metadata.off + off;
    found->len[i] = len;
    return 0;
}

static int find_items(struct found *found, const struct vhdx_file *f, uint8_t *table,
                      struct vml_error *err)
{
    if (vhdx_pread(f, table, VHDX_TABLE, f->metadata.off, err) < 0)
        return -1;
    if (memcmp(table, "metadata", 8) != 0 || le16(table + 10) > VHDX_ENTRIES)
        return vml_fail(err, VML_EDATA, "vhdx/metadata",
                        "the table at offset %llu is not one of metadata (\"metadata\") with at "
                        "most %u entries",
                        (unsigned long long)f->metadata.off, VHDX_ENTRIES);
    for (unsigned i = 0; i < le16(table + 10); i++)
        if (find_item(found, f, table + (i + (size_t)1) * ENTRY, err) < 0)
            return -1;
    for (unsigned i = 0; i < LOCATOR; i++)
        if (found->off[i] == 0)
            return vml_fail(err, VML_EDATA, "vhdx/metadata-missing",
                            "the metadata does not tell the %s", items[i].name);
    return 0;
}

static int check_params(const struct vhdx_file *f, uint32_t flags, uint32_t physical,
                        struct vml_error *err)
{
    const struct vhdx_params *p = &f->params;

    if ((flags & ~3u) != 0)
        return vml_fail(err, VML_EUNSUPPORTED, "vhdx/flags",
                        "the file parameters have flags %#x, of which vmlift knows 0x3",
                        (unsigned)flags);
    if (p->block_size < VHDX_MIB || p->block_size > VHDX_BLOCK_MAX ||
        (p->block_size & (p->block_size - 1)) != 0)
        return vml_fail(err, VML_EDATA, "vhdx/block-size",
                        "blocks of %u bytes; a power of two from 1 MiB to 256 MiB",
                        (unsigned)p->block_size);
    if ((p->sector_size != 512 && p->sector_size != 4096) || (physical != 512 && physical != 4096))
        return vml_fail(err, VML_EDATA, "vhdx/sector-size",
                        "logical sectors of %u bytes on physical ones of %u; each is 512 or 4096",
                        (unsigned)p->sector_size, (unsigned)physical);
    if (p->disk_size == 0 || p->disk_size > VML_DISK_MAX || p->disk_size % p->sector_size != 0)
        return vml_fail(err, VML_EDATA, "vhdx/size",
                        "a disk of %llu bytes; at most %llu, in whole sectors of %u",
                        (unsigned long long)p->disk_size, (unsigned long long)VML_DISK_MAX,
                        (unsigned)p->sector_size);
    return 0;
}

static int read_params(struct vhdx_file *f, const struct found *found, struct vml_error *err)
{
    struct vhdx_params *p = &f->params;
    uint8_t raw[8], size[8], logical[4], physical[4];

    if (vhdx_pread(f, raw, 8, found->off[PARAMS], err) < 0 ||
        vhdx_pread(f, size, 8, found->off[DISK_SIZE], err) < 0 ||
        vhdx_pread(f, logical, 4, found->off[SECTOR_SIZE], err) < 0 ||
        vhdx_pread(f, physical, 4, found->off[PHYSICAL_SIZE], err) < 0)
        return -1;
    p->block_size = le32(raw);
    p->leave_allocated = (raw[4] & 1) != 0;
    p->has_parent = (raw[4] & 2) != 0;
    p->disk_size = le64(size);
    p->sector_size = le32(logical);
    p->locator_off = found->off[LOCATOR];
    p->locator_len = found->len[LOCATOR];
    if (check_params(f, le32(raw + 4), le32(physical), err) < 0)
        return -1;
    if (p->has_parent && p->locator_off == 0)
        return vml_fail(err, VML_EDATA, "vhdx/metadata-missing",
                        "the disk has a parent, and the metadata does not tell the %s",
                        items[LOCATOR].name);
    return 0;
}

/* --- all of it ------------------------------------------------------------------------------ */

static int parse_rest(struct vhdx_file *f, uint8_t *tables, vhdx_fault *fault, void *arg,
                      struct vml_error *err)
{
    struct found found = { 0 };

    if (read_regions(f, tables, fault, arg, err) < 0 || find_items(&found, f, tables, err) < 0)
        return -1;
    return read_params(f, &found, err);
}

int vhdx_parse(struct vhdx_file *f, struct vml_input *in, struct vml_notes *notes,
               vhdx_fault *fault, void *arg, struct vml_error *err)
{
    uint8_t mark[8];
    uint8_t *tables;
    int rc;

    *f = (struct vhdx_file){ .in = in, .size = vml_input_size(in), .end = vml_input_size(in) };
    if (vml_input_pread(in, mark, sizeof mark, 0, err) < 0)
        return -1;
    if (memcmp(mark, "vhdxfile", sizeof mark) != 0)
        return vml_fail(err, VML_EDATA, "vhdx/signature", "does not begin with \"vhdxfile\"");
    if (read_headers(f, fault, arg, err) < 0 || vhdx_log_replay(f, notes, err) < 0)
        return -1;
    tables = malloc((size_t)2 * VHDX_TABLE);
    if (tables == NULL)
        return vml_fail_nomem(err);
    rc = parse_rest(f, tables, fault, arg, err);
    free(tables);
    return rc;
}

void vhdx_clear(struct vhdx_file *f)
{
    free(f->patches);
    f->patches = NULL;
    f->n_patches = 0;
}
