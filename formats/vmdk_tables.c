/* The grain directory and the grain tables of a sparse file, piece by piece and with their copies;
 * vmdk_sparse.c has the drawing. */
#include <stdlib.h>

#include "vmdk_sparse.h"
#include "vmlift/endian.h"

static bool bit_get(const uint8_t *bits, uint64_t n)
{
    return (bits[n / 8] >> (n % 8) & 1) != 0;
}

static void bit_set(uint8_t *bits, uint64_t n, bool on)
{
    bits[n / 8] = (uint8_t)((bits[n / 8] & ~(1u << n % 8)) | (unsigned)on << n % 8);
}

/* Entry `number` of the directory at gd_sector. */
static int directory_entry(struct sparse *s, struct page *p, uint64_t gd_sector, uint64_t number,
                           uint32_t *entry, struct vml_error *err)
{
    uint64_t first = number - number % VMDK_GTES;

    if (!p->valid || p->first != first) {
        size_t n = (size_t)vml_min_u64(VMDK_GTES, s->h.tables - first);

        p->valid = false;
        s->reads++;
        if (vml_input_pread(s->in, p->bytes, n * 4, gd_sector * VMDK_SECTOR + first * 4, err) < 0)
            return -1;
        p->valid = true;
        p->first = first;
    }
    *entry = le32(p->bytes + number % VMDK_GTES * 4);
    return 0;
}

static int read_table(struct sparse *s, uint8_t bytes[VMDK_GT_BYTES], uint64_t number,
                      uint32_t sector, struct vml_error *err)
{
    if (!sparse_in_file(s, sector, VMDK_GT_BYTES) ||
        sector - s->h.desc_sector < s->h.desc_sectors) /* unsigned: also when it lies before */
        return vml_fail(
            err, VML_EDATA, "vmdk/gt-range",
            "grain table %llu at sector %u: not inside the file's %llu sectors behind the "
            "descriptor",
            (unsigned long long)number, sector, (unsigned long long)(s->file_size / VMDK_SECTOR));
    s->reads++;
    return vml_input_pread(s->in, bytes, VMDK_GT_BYTES, (uint64_t)sector * VMDK_SECTOR, err);
}

/* Both copies must agree, or there is no telling which one is right. */
static int compare_copy(struct sparse *s, uint64_t number, const uint8_t table[VMDK_GT_BYTES],
                        uint32_t sector, struct vml_error *err)
{
    uint8_t copy[VMDK_GT_BYTES];
    uint32_t twin;

    if (!vmdk_has_rgd(&s->h))
        return 0;
    if (directory_entry(s, &s->rgd, s->h.rgd_sector, number, &twin, err) < 0)
        return -1;
    if (twin == sector)
        return 0;
    if (twin == 0)
        memset(copy, 0, sizeof copy);
    else if (read_table(s, copy, number, twin, err) < 0)
        return -1;
    if (memcmp(copy, table, sizeof copy) != 0)
        return vml_fail(
            err, VML_EDATA, "vmdk/gd-mismatch",
            "grain table %llu at sector %u differs from its redundant copy at sector %u",
            (unsigned long long)number, sector, twin);
    return 0;
}

static int claim_grains(struct sparse *s, const struct table *t, struct vml_error *err)
{
    uint64_t grain_sectors = s->h.grain / VMDK_SECTOR;

    if (s->claimed == NULL)
        return 0;
    for (unsigned i = 0; i < VMDK_GTES; i++) {
        uint32_t e = le32(t->bytes + i * 4);

        if (e <= VMDK_GTE_ZERO || !sparse_in_file(s, e, 1)) /* the latter is told when it is read */
            continue;
        if (!bit_get(s->claimed, e / grain_sectors)) {
            bit_set(s->claimed, e / grain_sectors, true);
            continue;
        }
        vml_fail(err, VML_EDATA, "vmdk/grain-dup",
                 "grain %llu at sector %u shares its place with another grain",
                 (unsigned long long)(t->number * VMDK_GTES + i), e);
        while (i-- > 0) { /* let go, so that asking again says the same */
            e = le32(t->bytes + i * 4);
            if (e > VMDK_GTE_ZERO && sparse_in_file(s, e, 1))
                bit_set(s->claimed, e / grain_sectors, false);
        }
        return -1;
    }
    return 0;
}

int sparse_table_get(struct sparse *s, uint64_t number, const struct table **out, uint32_t *sector,
                     struct vml_error *err)
{
    static const uint8_t nothing[VMDK_GT_BYTES];
    struct table *t = NULL;

    *out = NULL;
    if (directory_entry(s, &s->gd, s->h.gd_sector, number, sector, err) < 0)
        return -1;
    if (*sector == 0 && !bit_get(s->checked, number)) { /* a directory that is not there has none */
        if (compare_copy(s, number, nothing, 0, err) < 0)
            return -1;
        bit_set(s->checked, number, true);
    }
    for (unsigned i = 0; i < CACHED_TABLES; i++)
        if (s->cache[i].valid && s->cache[i].number == number)
            t = &s->cache[i];
    if (*sector != 0 && t == NULL) {
        t = &s->cache[s->oldest++ % CACHED_TABLES];
        t->valid = false;
        t->number = number;
        if (read_table(s, t->bytes, number, *sector, err) < 0)
            return -1;
        if (!bit_get(s->checked, number)) {
            if (compare_copy(s, number, t->bytes, *sector, err) < 0 || claim_grains(s, t, err) < 0)
                return -1;
            bit_set(s->checked, number, true);
        }
        t->valid = true;
    }
    *out = t;
    return 0;
}

static int check_directory(const struct sparse *s, const char *which, uint64_t sector,
                           struct vml_error *err)
{
    if (!sparse_in_file(s, sector, s->h.tables * 4) ||
        sector - s->h.desc_sector < s->h.desc_sectors)
        return vml_fail(err, VML_EDATA, "vmdk/gd-range",
                        "%s at sector %llu: %llu entries are not inside the file's %llu sectors "
                        "behind the descriptor",
                        which, (unsigned long long)sector, (unsigned long long)s->h.tables,
                        (unsigned long long)(s->file_size / VMDK_SECTOR));
    return 0;
}

int sparse_check_tables(struct sparse *s, struct vml_error *err)
{
    if (s->h.tables * 4 > s->file_size)
        return vml_fail(
            err, VML_EDATA, "vmdk/capacity",
            "a disk of %llu bytes needs %llu directory entries, more than fit into a file "
            "of %llu bytes",
            (unsigned long long)s->h.size, (unsigned long long)s->h.tables,
            (unsigned long long)s->file_size);
    if (check_directory(s, "grain directory", s->h.gd_sector, err) < 0)
        return -1;
    if (vmdk_has_rgd(&s->h) &&
        check_directory(s, "redundant grain directory", s->h.rgd_sector, err) < 0)
        return -1;
    if (s->h.overhead_sectors > s->file_size / VMDK_SECTOR)
        return vml_fail(err, VML_EDATA, "input/truncated",
                        "the tables end at sector %llu, but the file has %llu sectors",
                        (unsigned long long)s->h.overhead_sectors,
                        (unsigned long long)(s->file_size / VMDK_SECTOR));
    s->checked = calloc(s->h.tables / 8 + 1, 1);
    if (s->checked == NULL)
        return vml_fail_nomem(err);
    if ((s->h.flags & VMDK_COMPRESSED) != 0) /* there the marker tells whose grain it is */
        return 0;
    s->claimed = calloc(s->file_size / s->h.grain / 8 + 1, 1);
    return s->claimed == NULL ? vml_fail_nomem(err) : 0;
}
