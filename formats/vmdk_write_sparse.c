/* Writing monolithicSparse.
 *
 *     | header | descriptor, 20 sectors | redundant directory | its tables | directory | tables |
 * pad | grains that are not all zero, one behind the other in the order of the disk, each at a
 * multiple of 64 KiB
 *
 * Both directories are full and all tables have their place from the start, as VMware wants them.
 * The file is new, so a table without entries need not be written: 2 TiB take 256 MiB of tables,
 * all of them holes at first. */
#include "vmdk.h"

#include <stdlib.h>

#include "vmlift/endian.h"

enum { RGD_SECTOR = 1 + VMDK_DESC_SECTORS, TABLE_SECTORS = VMDK_GT_BYTES / VMDK_SECTOR };
#define NO_TABLE UINT64_MAX

struct sparse {
    struct vml_writer w; /* first: this is what core holds */
    struct vml_output *o;
    struct vmdk_header h;
    uint64_t end;   /* of the file, bytes */
    uint64_t table; /* the number of the one that is being filled, or NO_TABLE */
    uint8_t entries[VMDK_GT_BYTES];
};

static uint64_t table_sector(const struct sparse *s, uint64_t gd_sector, uint64_t table)
{
    return gd_sector + vmdk_gd_sectors(&s->h) + table * TABLE_SECTORS;
}

static int write_table(struct sparse *s, struct vml_error *err)
{
    const uint64_t directories[] = { s->h.rgd_sector, s->h.gd_sector };

    if (s->table == NO_TABLE)
        return 0;
    for (unsigned i = 0; i < 2; i++)
        if (vml_output_pwrite(s->o, s->entries, sizeof s->entries,
                              table_sector(s, directories[i], s->table) * VMDK_SECTOR, err) < 0)
            return -1;
    memset(s->entries, 0, sizeof s->entries);
    s->table = NO_TABLE;
    return 0;
}

/* A byte for each grain: is there anything in it?  Any thread. */
static int sparse_encode(struct vml_writer *w, struct vml_chunk *c, struct vml_error *err)
{
    (void)w;
    c->enc_len = (size_t)vml_div_up(c->len, VMDK_GRAIN);
    if (vml_chunk_reserve(c, c->enc_len, err) < 0)
        return -1;
    for (size_t i = 0; i < c->enc_len; i++) {
        uint64_t at = (uint64_t)i * VMDK_GRAIN;

        c->enc[i] = !vml_is_zero(c->data + at, (size_t)vml_min_u64(VMDK_GRAIN, c->len - at));
    }
    return 0;
}

/* Grains [first, last) of the chunk, all of them with something in them. */
static int put_grains(struct sparse *s, const struct vml_chunk *c, size_t first, size_t last,
                      struct vml_error *err)
{
    uint64_t len = (uint64_t)(last - first) * VMDK_GRAIN, at = s->end;
    uint64_t data = vml_min_u64(len, c->len - (uint64_t)first * VMDK_GRAIN);

    if ((at + len) / VMDK_SECTOR > UINT32_MAX)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/too-large",
                        "the file would pass 2 TiB, beyond which a VMDK cannot point");
    for (size_t i = first; i < last; i++, at += VMDK_GRAIN) {
        uint64_t grain = c->off / VMDK_GRAIN + i;

        if (grain / VMDK_GTES != s->table) {
            if (write_table(s, err) < 0)
                return -1;
            s->table = grain / VMDK_GTES;
        }
        put_le32(s->entries + grain % VMDK_GTES * 4, (uint32_t)(at / VMDK_SECTOR));
    }
    if (vml_output_resize(s->o, s->end + len, err) < 0 ||
        vml_output_pwrite(s->o, c->data + (uint64_t)first * VMDK_GRAIN, (size_t)data, s->end, err) <
            0)
        return -1;
    if (data < len && vml_output_zero(s->o, s->end + data, len - data, err) < 0)
        return -1;
    s->end += len;
    return 0;
}

static int sparse_put(struct vml_writer *w, const struct vml_chunk *c, struct vml_error *err)
{
    struct sparse *s = (struct sparse *)w;
    size_t first = 0, last;

    if (c->kind != VML_DATA)
        return 0;
    for (; first < c->enc_len; first = last) {
        while (first < c->enc_len && c->enc[first] == 0)
            first++;
        last = first;
        while (last < c->enc_len && c->enc[last] != 0)
            last++;
        if (last > first && put_grains(s, c, first, last, err) < 0)
            return -1;
    }
    return 0;
}

static int sparse_finish(struct vml_writer *w, uint64_t size, struct vml_error *err)
{
    struct sparse *s = (struct sparse *)w;

    (void)size; /* known all along */
    return write_table(s, err) < 0 ? -1 : vml_output_commit(s->o, err);
}

/* --- opening -------------------------------------------------------------------------------- */

static void sparse_free(struct vml_writer *w)
{
    struct sparse *s = (struct sparse *)w;

    vml_output_free(s->o);
    free(s);
}

static const struct vml_writer_ops sparse_ops = {
    .encode = sparse_encode,
    .put = sparse_put,
    .finish = sparse_finish,
    .free = sparse_free,
};

static int write_directory(struct sparse *s, uint64_t gd_sector, struct vml_error *err)
{
    uint64_t sectors = vmdk_gd_sectors(&s->h);
    VML_AUTO(vml_freep) uint8_t *p = calloc(sectors, VMDK_SECTOR);

    if (p == NULL)
        return vml_fail_nomem(err);
    for (uint64_t i = 0; i < s->h.tables; i++)
        put_le32(p + i * 4, (uint32_t)table_sector(s, gd_sector, i));
    return vml_output_pwrite(s->o, p, sectors * VMDK_SECTOR, gd_sector * VMDK_SECTOR, err);
}

static int write_front(struct sparse *s, const struct vml_create *c, struct vml_error *err)
{
    VML_AUTO(vml_freep) uint8_t *p = calloc(RGD_SECTOR, VMDK_SECTOR);
    const char *path = vml_output_name(s->o), *slash = strrchr(path, '/');

    if (p == NULL)
        return vml_fail_nomem(err);
    vmdk_header_print(p, &s->h);
    /* The extent is this file: libvmdk and VMware look for it by this name. */
    if (vmdk_desc_print((char *)p + VMDK_SECTOR, c, slash != NULL ? slash + 1 : path, err) < 0)
        return -1;
    /* A device may have held something else: tables that are not written must be zero. */
    if (vml_output_resize(s->o, s->end, err) < 0 || vml_output_zero(s->o, 0, s->end, err) < 0 ||
        vml_output_pwrite(s->o, p, (size_t)RGD_SECTOR * VMDK_SECTOR, 0, err) < 0)
        return -1;
    return write_directory(s, s->h.rgd_sector, err) < 0 ? -1
                                                        : write_directory(s, s->h.gd_sector, err);
}

int vmdk_sparse_create(struct vml_writer **out, struct vml_output *o, const struct vml_create *c,
                       struct vml_error *err)
{
    struct sparse *s = calloc(1, sizeof *s);

    if (s == NULL)
        return vml_fail_nomem(err);
    s->w = (struct vml_writer){ .ops = &sparse_ops,
                                .format = "vmdk",
                                .subformat = "monolithicSparse",
                                .size = c->size,
                                .unit = VMDK_GRAIN,
                                .ordered = true };
    s->o = o;
    s->table = NO_TABLE;
    vmdk_header_plan(&s->h, c->size);
    s->h.version = 1;
    s->h.flags = VMDK_NEWLINE | VMDK_RGD;
    s->h.rgd_sector = RGD_SECTOR;
    s->h.gd_sector = table_sector(s, RGD_SECTOR, s->h.tables);
    s->h.overhead_sectors =
        vml_round_up(table_sector(s, s->h.gd_sector, s->h.tables), VMDK_GRAIN / VMDK_SECTOR);
    s->end = s->h.overhead_sectors * VMDK_SECTOR;
    if (write_front(s, c, err) < 0) {
        s->o = NULL; /* stays the caller's */
        sparse_free(&s->w);
        return -1;
    }
    *out = &s->w;
    return 0;
}
