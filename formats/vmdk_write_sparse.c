/* Writing hosted sparse files: monolithicSparse, and the pieces of twoGbMaxExtentSparse, which are
 * the same without a descriptor.
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

enum { TABLE_SECTORS = VMDK_GT_BYTES / VMDK_SECTOR };
#define NO_TABLE UINT64_MAX

/* --- a file ---------------------------------------------------------------------------------- */

static uint64_t table_sector(const struct vmdk_sparse *s, uint64_t gd_sector, uint64_t table)
{
    return gd_sector + vmdk_gd_sectors(&s->h) + table * TABLE_SECTORS;
}

static int write_table(struct vmdk_sparse *s, struct vml_error *err)
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

int vmdk_sparse_map(struct vml_writer *w, struct vml_chunk *c, struct vml_error *err)
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

/* n grains from number `grain` on, all of them with something in them; len bytes of data. */
static int put_grains(struct vmdk_sparse *s, uint64_t grain, size_t n, const uint8_t *data,
                      size_t len, struct vml_error *err)
{
    uint64_t room = (uint64_t)n * VMDK_GRAIN, at = s->end;

    if (vmdk_header_reach((at + room) / VMDK_SECTOR, err) < 0)
        return -1;
    for (uint64_t i = grain; i < grain + n; i++, at += VMDK_GRAIN) {
        if (i / VMDK_GTES != s->table) {
            if (write_table(s, err) < 0)
                return -1;
            s->table = i / VMDK_GTES;
        }
        put_le32(s->entries + i % VMDK_GTES * 4, (uint32_t)(at / VMDK_SECTOR));
    }
    if (vml_output_resize(s->o, s->end + room, err) < 0 ||
        vml_output_pwrite(s->o, data, len, s->end, err) < 0)
        return -1;
    if (len < room && vml_output_zero(s->o, s->end + len, room - len, err) < 0)
        return -1;
    s->end += room;
    return 0;
}

int vmdk_sparse_put(struct vmdk_sparse *s, uint64_t off, const uint8_t *data, size_t len,
                    const uint8_t *map, struct vml_error *err)
{
    size_t n = (size_t)vml_div_up(len, VMDK_GRAIN), first, last;

    for (first = 0; first < n; first = last) {
        size_t from, end;

        while (first < n && map[first] == 0)
            first++;
        last = first;
        while (last < n && map[last] != 0)
            last++;
        from = first * (size_t)VMDK_GRAIN;
        end = (size_t)vml_min_u64(len, last * (uint64_t)VMDK_GRAIN);
        if (last > first &&
            put_grains(s, off / VMDK_GRAIN + first, last - first, data + from, end - from, err) < 0)
            return -1;
    }
    return 0;
}

int vmdk_sparse_end(struct vmdk_sparse *s, struct vml_error *err)
{
    return write_table(s, err);
}

static int write_directory(struct vmdk_sparse *s, uint64_t gd_sector, struct vml_error *err)
{
    uint64_t sectors = vmdk_gd_sectors(&s->h);
    VML_AUTO(vml_freep) uint8_t *p = calloc(sectors, VMDK_SECTOR);

    if (p == NULL)
        return vml_fail_nomem(err);
    for (uint64_t i = 0; i < s->h.tables; i++)
        put_le32(p + i * 4, (uint32_t)table_sector(s, gd_sector, i));
    return vml_output_pwrite(s->o, p, sectors * VMDK_SECTOR, gd_sector * VMDK_SECTOR, err);
}

static int write_front(struct vmdk_sparse *s, const struct vml_create *c, struct vml_error *err)
{
    VML_AUTO(vml_freep) uint8_t *p = calloc(1 + VMDK_DESC_SECTORS, VMDK_SECTOR);
    const char *path = vml_output_name(s->o), *slash = strrchr(path, '/');

    if (p == NULL)
        return vml_fail_nomem(err);
    vmdk_header_print(p, &s->h);
    /* The extent is this file: libvmdk and VMware look for it by this name. */
    if (c != NULL &&
        vmdk_desc_print((char *)p + VMDK_SECTOR, c, slash != NULL ? slash + 1 : path, err) < 0)
        return -1;
    /* A device may have held something else: tables that are not written must be zero. */
    if (vml_output_resize(s->o, s->end, err) < 0 || vml_output_zero(s->o, 0, s->end, err) < 0 ||
        vml_output_pwrite(s->o, p, s->h.rgd_sector * VMDK_SECTOR, 0, err) < 0)
        return -1;
    return write_directory(s, s->h.rgd_sector, err) < 0 ? -1
                                                        : write_directory(s, s->h.gd_sector, err);
}

int vmdk_sparse_begin(struct vmdk_sparse *s, struct vml_output *o, uint64_t size,
                      const struct vml_create *c, struct vml_error *err)
{
    *s = (struct vmdk_sparse){ .o = o, .table = NO_TABLE };
    vmdk_header_plan(&s->h, size);
    if (c == NULL)
        s->h.desc_sector = s->h.desc_sectors = 0;
    s->h.version = 1;
    s->h.flags = VMDK_NEWLINE | VMDK_RGD;
    s->h.rgd_sector = 1 + s->h.desc_sectors;
    s->h.gd_sector = table_sector(s, s->h.rgd_sector, s->h.tables);
    s->h.overhead_sectors =
        vml_round_up(table_sector(s, s->h.gd_sector, s->h.tables), VMDK_GRAIN / VMDK_SECTOR);
    s->end = s->h.overhead_sectors * VMDK_SECTOR;
    return write_front(s, c, err);
}

/* --- monolithicSparse: a disk in one such file ------------------------------------------------ */

struct mono {
    struct vml_writer w; /* first: this is what core holds */
    struct vmdk_sparse s;
};

static int mono_put(struct vml_writer *w, const struct vml_chunk *c, struct vml_error *err)
{
    struct mono *m = (struct mono *)w;

    return c->kind == VML_DATA ? vmdk_sparse_put(&m->s, c->off, c->data, c->len, c->enc, err) : 0;
}

static int mono_finish(struct vml_writer *w, uint64_t size, struct vml_error *err)
{
    struct mono *m = (struct mono *)w;

    (void)size; /* known all along */
    return vmdk_sparse_end(&m->s, err) < 0 ? -1 : vml_output_commit(m->s.o, err);
}

static void mono_free(struct vml_writer *w)
{
    struct mono *m = (struct mono *)w;

    vml_output_free(m->s.o);
    free(m);
}

static const struct vml_writer_ops mono_ops = {
    .encode = vmdk_sparse_map,
    .put = mono_put,
    .finish = mono_finish,
    .free = mono_free,
};

int vmdk_sparse_create(struct vml_writer **out, struct vml_output *o, const struct vml_create *c,
                       struct vml_error *err)
{
    struct mono *m = calloc(1, sizeof *m);

    if (m == NULL)
        return vml_fail_nomem(err);
    m->w = (struct vml_writer){ .ops = &mono_ops,
                                .format = "vmdk",
                                .subformat = "monolithicSparse",
                                .size = c->size,
                                .unit = VMDK_GRAIN,
                                .ordered = true };
    if (vmdk_sparse_begin(&m->s, o, c->size, c, err) < 0) {
        free(m);
        return -1;
    }
    *out = &m->w;
    return 0;
}
