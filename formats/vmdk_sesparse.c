/* seSparse, the snapshots of ESX 6.5 and later (and of disks beyond 2 TiB before).
 *
 *     | header | volatile header | journal | directory | tables | free map | back map | grains |
 *
 * VMware publishes no description; these fields are what readers agree on.  Little endian, each 8
 * bytes, sizes and places in sectors:
 *
 *       0  0xcafebabe              80, 88    volatile header (0xcafecafe; at 24: journal to replay)
 *       8  version 2.1            128, 136   grain directory, an entry 0x10000000 and u32 number
 *      16  capacity               144, 152   grain tables, by number, of 64 sectors
 *      24  grain size, 8          192, 200   grains, by number
 *      32  table size, 64
 *      40  flags, reserved: 0
 *
 * The top four bits of a table's entry say: 0 not here, 1 unmapped by the guest, 2 zeroes, 3 data,
 * whose number is in the rest with its upper 48 bits rotated: the low 12 come first. */
#include "vmdk.h"
#include "vmlift/endian.h"

#define MAGIC          UINT64_C(0xcafebabe)
#define VOLATILE_MAGIC UINT64_C(0xcafecafe)
#define VERSION        UINT64_C(0x200000001)
enum { GRAIN_SECTORS = 8, TABLE_SECTORS = 64, GRAIN = GRAIN_SECTORS * VMDK_SECTOR };

static bool table_at(const struct vmdk_delta *d, uint64_t entry, enum vml_kind *kind, uint64_t *at)
{
    *kind = entry == 0 ? VML_HOLE : VML_DATA;
    *at = d->tables + (entry & UINT32_MAX) * TABLE_SECTORS * VMDK_SECTOR;
    return entry == 0 || entry >> 32 == 0x10000000;
}

static bool grain_at(const struct vmdk_delta *d, uint64_t entry, enum vml_kind *kind, uint64_t *at)
{
    uint64_t number = (entry >> 48 & 0xfff) | (entry & UINT64_C(0xffffffffffff)) << 12;

    *at = 0;
    switch (entry >> 60) {
    case 0:
        *kind = VML_HOLE;
        return entry == 0;
    case 1:
    case 2:
        *kind = VML_ZERO;
        return true;
    case 3:
        *kind = VML_DATA;
        if (number > VML_DISK_MAX / GRAIN) /* which leaves no room to overflow */
            return false;
        *at = d->grains + number * GRAIN;
        return true;
    default:
        return false;
    }
}

/* A pair of place and size in sectors at p + field, which has to lie in the file. */
static int parse_area(uint64_t *at, uint64_t *len, const uint8_t *p, unsigned field,
                      const char *what, uint64_t file_size, struct vml_error *err)
{
    uint64_t sector = le64(p + field), sectors = le64(p + field + 8);

    if (sector == 0 || sector > file_size / VMDK_SECTOR ||
        sectors > file_size / VMDK_SECTOR - sector)
        return vml_fail(err, VML_EDATA, "input/truncated",
                        "%s: %llu sectors at sector %llu, but the file has %llu", what,
                        (unsigned long long)sectors, (unsigned long long)sector,
                        (unsigned long long)(file_size / VMDK_SECTOR));
    *at = sector * VMDK_SECTOR;
    *len = sectors * VMDK_SECTOR;
    return 0;
}

static int parse_header(struct vmdk_delta *d, const uint8_t *p, struct vml_error *err)
{
    uint64_t capacity = le64(p + 16);

    if (le64(p) != MAGIC)
        return vml_fail(err, VML_EDATA, "vmdk/magic", "does not begin with 0xcafebabe");
    if (le64(p + 8) != VERSION)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/version",
                        "seSparse version 0x%llx; 0x%llx is known", (unsigned long long)le64(p + 8),
                        (unsigned long long)VERSION);
    if (le64(p + 24) != GRAIN_SECTORS)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/grain-size",
                        "grains of %llu sectors; seSparse has %d", (unsigned long long)le64(p + 24),
                        GRAIN_SECTORS);
    if (le64(p + 32) != TABLE_SECTORS)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/gt-size",
                        "grain tables of %llu sectors; seSparse has %d",
                        (unsigned long long)le64(p + 32), TABLE_SECTORS);
    for (unsigned i = 40; i < 80; i += 8)
        if (le64(p + i) != 0)
            return vml_fail(err, VML_EUNSUPPORTED, "vmdk/flags",
                            "flags 0x%llx at offset %u: none is known",
                            (unsigned long long)le64(p + i), i);
    if (capacity == 0 || capacity > VML_DISK_MAX / VMDK_SECTOR)
        return vml_fail(err, VML_EDATA, "vmdk/capacity", "capacity of %llu sectors; from 1 to %llu",
                        (unsigned long long)capacity,
                        (unsigned long long)(VML_DISK_MAX / VMDK_SECTOR));
    *d = (struct vmdk_delta){ .size = capacity * VMDK_SECTOR,
                              .grain = GRAIN,
                              .width = 8,
                              .table_at = table_at,
                              .grain_at = grain_at };
    return 0;
}

static int parse_areas(struct vmdk_delta *d, const uint8_t *p, uint64_t file_size,
                       struct vml_error *err)
{
    uint64_t need = vml_div_up(vml_div_up(d->size, GRAIN), VMDK_DELTA_GTES), len = 0;

    if (parse_area(&d->gd, &len, p, 128, "grain directory", file_size, err) < 0 ||
        parse_area(&d->tables, &d->tables_len, p, 144, "grain tables", file_size, err) < 0)
        return -1;
    if (len / 8 < need)
        return vml_fail(err, VML_EDATA, "vmdk/capacity",
                        "a grain directory of %llu entries; the disk needs %llu",
                        (unsigned long long)(len / 8), (unsigned long long)need);
    /* The area of the grains grows as they come: the file ends where the last one does. */
    d->grains = le64(p + 192);
    if (d->grains == 0 || d->grains > file_size / VMDK_SECTOR)
        return vml_fail(
            err, VML_EDATA, "input/truncated", "grains begin at sector %llu, but the file has %llu",
            (unsigned long long)d->grains, (unsigned long long)(file_size / VMDK_SECTOR));
    d->grains *= VMDK_SECTOR;
    d->grains_len = file_size - d->grains;
    return 0;
}

static int check_volatile(struct vml_input *in, const uint8_t *p, struct vml_error *err)
{
    uint8_t v[VMDK_SECTOR];
    uint64_t at = 0, len;

    if (parse_area(&at, &len, p, 80, "volatile header", vml_input_size(in), err) < 0 ||
        vml_input_pread(in, v, sizeof v, at, err) < 0)
        return -1;
    if (le64(v) != VOLATILE_MAGIC)
        return vml_fail(err, VML_EDATA, "vmdk/magic",
                        "the volatile header at offset %llu begins with 0x%llx, not 0xcafecafe",
                        (unsigned long long)at, (unsigned long long)le64(v));
    if (le64(v + 24) != 0)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/journal",
                        "its tables are not up to date: a journal is to be replayed, which ESX "
                        "does when it opens the disk");
    return 0;
}

int vmdk_sesparse_open(struct vml_reader **out, struct vml_input *in, struct vml_error *err)
{
    struct vmdk_delta d;
    uint8_t p[VMDK_SECTOR];

    if (vml_input_pread(in, p, sizeof p, 0, err) < 0 || parse_header(&d, p, err) < 0 ||
        parse_areas(&d, p, vml_input_size(in), err) < 0 || check_volatile(in, p, err) < 0)
        return -1;
    return vmdk_delta_open(out, in, &d, err);
}
