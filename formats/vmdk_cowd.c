/* COWD, the redo logs of ESX up to 6.0 (vmfsSparse), each one file of a descriptor's.
 *
 *     | header, 4 sectors | grain directory | tables of 4096 u32 and grains, as they came |
 *
 *      0  4  "COWD"                       20  4  grain directory
 *      4  4  version 1                    24  4  its entries
 *      8  4  flags                        28  4  the next free sector
 *     12  4  capacity                     32     parent's name, geometry, description ..
 *     16  4  grain size, mostly 1       1648  4  unclean shutdown
 *
 * Little endian; sizes and places are in sectors; an entry of 0 is: not here.  The parent's name is
 * said again by the descriptor, which counts. */
#include "vmdk.h"
#include "vmlift/endian.h"

enum { HEADER = 4 * VMDK_SECTOR, GRAIN_MAX_SECTORS = 2048 };

static bool sector_at(const struct vmdk_delta *d, uint64_t entry, enum vml_kind *kind, uint64_t *at)
{
    (void)d;
    *kind = entry == 0 ? VML_HOLE : VML_DATA;
    *at = entry * VMDK_SECTOR;
    return true;
}

static int cowd_parse(struct vmdk_delta *d, const uint8_t *p, uint64_t file_size,
                      struct vml_error *err)
{
    uint64_t sectors = le32(p + 12), grain = le32(p + 16), entries = le32(p + 24), need;

    if (memcmp(p, "COWD", 4) != 0 || le32(p + 4) != 1)
        return vml_fail(err, VML_EDATA, "vmdk/magic", "does not begin with \"COWD\" and version 1");
    if (sectors == 0)
        return vml_fail(err, VML_EDATA, "vmdk/capacity", "capacity of 0 sectors");
    if (grain == 0 || grain > GRAIN_MAX_SECTORS || (grain & (grain - 1)) != 0)
        return vml_fail(err, VML_EDATA, "vmdk/grain-size",
                        "grains of %llu sectors; a power of two from 1 to %d is expected",
                        (unsigned long long)grain, GRAIN_MAX_SECTORS);
    *d = (struct vmdk_delta){ .size = sectors * VMDK_SECTOR,
                              .grain = (uint32_t)grain * VMDK_SECTOR,
                              .width = 4,
                              .gd = (uint64_t)le32(p + 20) * VMDK_SECTOR,
                              .table_at = sector_at,
                              .grain_at = sector_at };
    need = vml_div_up(sectors, grain * VMDK_DELTA_GTES);
    if (entries < need)
        return vml_fail(err, VML_EDATA, "vmdk/capacity",
                        "a grain directory of %llu entries; a disk of %llu sectors needs %llu",
                        (unsigned long long)entries, (unsigned long long)sectors,
                        (unsigned long long)need);
    if (d->gd < HEADER || d->gd > file_size || entries * 4 > file_size - d->gd)
        return vml_fail(err, VML_EDATA, "vmdk/gd-range",
                        "grain directory at offset %llu: %llu entries are not behind the header in "
                        "a file of %llu bytes",
                        (unsigned long long)d->gd, (unsigned long long)entries,
                        (unsigned long long)file_size);
    d->tables = d->grains = vml_round_up(d->gd + entries * 4, VMDK_SECTOR);
    d->tables = d->grains = vml_min_u64(d->tables, file_size);
    d->tables_len = d->grains_len = file_size - d->tables;
    return 0;
}

int vmdk_cowd_open(struct vml_reader **out, struct vml_input *in, struct vml_error *err)
{
    struct vmdk_delta d;
    uint8_t p[HEADER];

    if (vml_input_pread(in, p, sizeof p, 0, err) < 0 ||
        cowd_parse(&d, p, vml_input_size(in), err) < 0 || vmdk_delta_open(out, in, &d, err) < 0)
        return -1;
    if (le32(p + 1648) != 0)
        vml_note(&(*out)->notes, "vmdk/dirty", "was not closed by the program that wrote it last");
    return 0;
}
