/* VHD, reading.  The layout is drawn in vhd.h.
 *
 * The bitmaps count: VirtualBox, Hyper-V and Xen set single bits, and the bytes under a clear one
 * can be anything.
 */
#include <pthread.h>
#include <stdlib.h>

#include "vhd.h"
#include "vmlift/codec.h"

#define WINDOW     16384u     /* entries of the BAT that are held: 64 KiB */
#define STARTS_MAX (4u << 20) /* entries of the overlap check: 16 MiB at most */

struct vhd_reader {
    struct vml_reader base;
    struct vml_input *in;
    uint64_t table_off, blocks; /* of the BAT; how many of its entries the disk has */
    uint32_t block_size, bitmap_size;

    pthread_mutex_t lock;                /* for all below */
    uint64_t window_first, window_count; /* entries of the BAT in `window`, as stored */
    uint8_t *window;
    uint64_t bitmap_block; /* whose bitmap is in `bitmap` */
    uint8_t *bitmap;
    uint64_t hole_first, hole_end; /* blocks last found empty: a long run is searched once */
};

/* --- the block table ------------------------------------------------------------------------ */

/* Entry i, out of a window that moves along the table.  Under the lock. */
static int table_entry(struct vhd_reader *r, uint64_t i, uint32_t *entry, struct vml_error *err)
{
    if (i - r->window_first >= r->window_count) {
        uint64_t first = vml_round_down(i, WINDOW);
        uint64_t count = vml_min_u64(WINDOW, r->blocks - first);

        r->window_count = 0;
        if (vml_input_pread(r->in, r->window, count * 4, r->table_off + first * 4, err) < 0)
            return -1;
        r->window_first = first;
        r->window_count = count;
    }
    *entry = be32(r->window + (i - r->window_first) * 4);
    return 0;
}

/* Which blocks lie where: two overlap when they start less than a block apart.  Slot k holds the
 * block that starts in bytes [k, k+1) * stride of the file (there can be one only): the sector of
 * its start and 1, or 0. */
struct vhd_starts {
    uint64_t stride, count;
    uint32_t *slot; /* NULL: too many to check */
};

static int check_overlap(struct vhd_starts *s, uint64_t block, uint32_t entry,
                         struct vml_error *err)
{
    uint64_t at = (uint64_t)entry * VHD_SECTOR, k = at / s->stride;

    for (uint64_t i = k > 0 ? k - 1 : 0; i <= k + 1 && i < s->count; i++) {
        uint64_t other = ((uint64_t)s->slot[i] - 1) * VHD_SECTOR;

        if (s->slot[i] != 0 && vhd_overlap(at, s->stride, other, s->stride))
            return vml_fail(err, VML_EDATA, "vhd/bat-dup",
                            "block %llu at offset %llu shares bytes with the one at offset %llu",
                            (unsigned long long)block, (unsigned long long)at,
                            (unsigned long long)other);
    }
    s->slot[k] = entry + 1;
    return 0;
}

static int check_entry(const struct vhd_reader *r, const struct vhd_file *f, uint64_t block,
                       uint32_t entry, struct vml_error *err)
{
    uint64_t at = (uint64_t)entry * VHD_SECTOR, start = block * r->block_size;
    /* of the last block no more than the disk has of it: some writers end the file there */
    uint64_t len = r->bitmap_size + vml_min_u64(r->block_size, f->footer.current_size - start);

    if (at < VHD_FOOTER || vhd_overlap(at, len, f->footer.header_off, VHD_HEADER) ||
        vhd_overlap(at, len, r->table_off, (uint64_t)f->header.entries * 4))
        return vml_fail(err, VML_EDATA, "vhd/bat-range",
                        "block %llu is said to be at offset %llu, inside the header or the table",
                        (unsigned long long)block, (unsigned long long)at);
    if (at > f->footer_off || f->footer_off - at < len)
        return vml_fail(err, VML_EDATA, "vhd/bat-range",
                        "block %llu is said to take %llu bytes at offset %llu, past the footer at "
                        "%llu",
                        (unsigned long long)block, (unsigned long long)len, (unsigned long long)at,
                        (unsigned long long)f->footer_off);
    return 0;
}

static int check_entries(struct vhd_reader *r, const struct vhd_file *f, struct vhd_starts *starts,
                         struct vml_error *err)
{
    for (uint64_t i = 0; i < r->blocks; i++) {
        uint32_t entry;

        if (i % WINDOW == 0 && vml_interrupted())
            return vml_fail_interrupted(err);
        if (table_entry(r, i, &entry, err) < 0)
            return -1;
        if (entry == VHD_NO_BLOCK)
            continue;
        if (check_entry(r, f, i, entry, err) < 0)
            return -1;
        if (starts->slot != NULL && check_overlap(starts, i, entry, err) < 0)
            return -1;
    }
    return 0;
}

/* All entries, before any byte of the disk is handed out. */
static int check_table(struct vhd_reader *r, const struct vhd_file *f, struct vml_error *err)
{
    struct vhd_starts starts = { .stride = (uint64_t)r->bitmap_size + r->block_size };
    int rc;

    starts.count = f->size / starts.stride + 1;
    if (starts.count <= STARTS_MAX) {
        starts.slot = calloc(starts.count, sizeof *starts.slot);
        if (starts.slot == NULL)
            return vml_fail_nomem(err);
    }
    rc = check_entries(r, f, &starts, err);
    free(starts.slot);
    return rc;
}

/* --- reading -------------------------------------------------------------------------------- */

/* Empty blocks from `block` on, as one hole.  Under the lock. */
static int hole_extent(struct vhd_reader *r, uint64_t block, struct vml_extent *x,
                       struct vml_error *err)
{
    uint32_t entry = VHD_NO_BLOCK;

    if (block < r->hole_first || block >= r->hole_end) {
        uint64_t end = block + 1;

        while (end < r->blocks) {
            if (table_entry(r, end, &entry, err) < 0)
                return -1;
            if (entry != VHD_NO_BLOCK)
                break;
            end++;
        }
        r->hole_first = block;
        r->hole_end = end;
    }
    x->kind = VML_HOLE;
    x->len = vml_min_u64(r->hole_end * r->block_size, r->base.size) - x->off;
    return 0;
}

static bool bitmap_bit(const uint8_t *bitmap, uint32_t sector)
{
    return (bitmap[sector / 8] >> (7 - sector % 8) & 1) != 0;
}

/* How far the bits from `sector` on are the same. */
static uint32_t bitmap_run(const uint8_t *bitmap, uint32_t sector, uint32_t sectors)
{
    bool bit = bitmap_bit(bitmap, sector);

    do
        sector += sector % 8 == 0 && bitmap[sector / 8] == (bit ? 0xff : 0) ? 8 : 1;
    while (sector < sectors && bitmap_bit(bitmap, sector) == bit);
    return sector;
}

/* The run inside a block that is there.  Under the lock. */
static int block_extent(struct vhd_reader *r, uint64_t block, uint32_t entry, struct vml_extent *x,
                        struct vml_error *err)
{
    uint64_t at = (uint64_t)entry * VHD_SECTOR, start = block * r->block_size;
    uint32_t inside = (uint32_t)(x->off - start), sector = inside / VHD_SECTOR;
    uint64_t end;

    if (r->bitmap_block != block) {
        r->bitmap_block = UINT64_MAX;
        if (vml_input_pread(r->in, r->bitmap, r->bitmap_size, at, err) < 0)
            return -1;
        r->bitmap_block = block;
    }
    x->kind = bitmap_bit(r->bitmap, sector) ? VML_DATA : VML_HOLE;
    x->at = at + r->bitmap_size + inside;
    end = start + (uint64_t)bitmap_run(r->bitmap, sector, r->block_size / VHD_SECTOR) * VHD_SECTOR;
    x->len = vml_min_u64(end, r->base.size) - x->off;
    return 0;
}

static int dynamic_extent_locked(struct vhd_reader *r, struct vml_extent *x, struct vml_error *err)
{
    uint64_t block = x->off / r->block_size;
    uint32_t entry;

    if (block >= r->hole_first && block < r->hole_end)
        return hole_extent(r, block, x, err);
    if (table_entry(r, block, &entry, err) < 0)
        return -1;
    return entry == VHD_NO_BLOCK ? hole_extent(r, block, x, err)
                                 : block_extent(r, block, entry, x, err);
}

static int dynamic_extent(struct vml_reader *base, uint64_t off, struct vml_extent *x,
                          struct vml_error *err)
{
    struct vhd_reader *r = (struct vhd_reader *)base;
    int rc;

    *x = (struct vml_extent){ .off = off };
    pthread_mutex_lock(&r->lock);
    rc = dynamic_extent_locked(r, x, err);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

static int fixed_extent(struct vml_reader *base, uint64_t off, struct vml_extent *x,
                        struct vml_error *err)
{
    struct vhd_reader *r = (struct vhd_reader *)base;
    uint64_t end;
    bool hole;

    if (vml_input_run(r->in, off, &hole, &end, err) < 0)
        return -1;
    *x = (struct vml_extent){ .off = off,
                              .len = vml_min_u64(end, base->size) - off,
                              .kind = hole ? VML_HOLE : VML_DATA,
                              .at = off };
    return 0;
}

static int vhd_load(struct vml_reader *base, const struct vml_extent *x, uint64_t off, size_t len,
                    void *buf, struct vml_error *err)
{
    struct vhd_reader *r = (struct vhd_reader *)base;

    return vml_input_pread(r->in, buf, len, x->at + (off - x->off), err);
}

static int vhd_end(struct vml_reader *base, struct vml_error *err)
{
    return vml_input_unchanged(((struct vhd_reader *)base)->in, err);
}

/* Without the input, which a failed open leaves to its caller. */
static void reader_discard(struct vhd_reader **r)
{
    if (*r == NULL)
        return;
    vml_notes_clear(&(*r)->base.notes);
    free((*r)->base.parent_name);
    pthread_mutex_destroy(&(*r)->lock);
    free((*r)->window);
    free((*r)->bitmap);
    free(*r);
    *r = NULL;
}

static void vhd_free(struct vml_reader *base)
{
    struct vhd_reader *r = (struct vhd_reader *)base;

    vml_input_free(r->in);
    reader_discard(&r);
}

static const struct vml_reader_ops fixed_ops = {
    .extent = fixed_extent, .load = vhd_load, .end = vhd_end, .free = vhd_free
};
static const struct vml_reader_ops dynamic_ops = {
    .extent = dynamic_extent, .load = vhd_load, .end = vhd_end, .free = vhd_free
};

/* --- opening -------------------------------------------------------------------------------- */

static int open_dynamic(struct vhd_reader *r, const struct vhd_file *f, struct vml_error *err)
{
    r->base.ops = &dynamic_ops;
    r->base.subformat = f->footer.type == VHD_DIFFERENCING ? "differencing" : "dynamic";
    r->table_off = f->header.table_off;
    r->block_size = f->header.block_size;
    r->bitmap_size = vhd_bitmap_size(r->block_size);
    r->blocks = vml_div_up(f->footer.current_size, r->block_size);
    r->bitmap_block = UINT64_MAX;
    r->bitmap = malloc(r->bitmap_size);
    r->window = malloc(WINDOW * 4);
    if (r->bitmap == NULL || r->window == NULL)
        return vml_fail_nomem(err);
    return check_table(r, f, err);
}

static int vhd_open(struct vml_reader **out, struct vml_input *in, struct vml_error *err)
{
    VML_AUTO(reader_discard) struct vhd_reader *r = NULL;
    struct vhd_file f = { 0 };

    if (!vml_input_can_seek(in))
        return vml_fail(err, VML_EUNSUPPORTED, "vhd/needs-seek",
                        "cannot be read from a pipe: a fixed disk is described in its last bytes, "
                        "and the table of a dynamic one points anywhere; give the file itself");
    r = calloc(1, sizeof *r);
    if (r == NULL)
        return vml_fail_nomem(err);
    pthread_mutex_init(&r->lock, NULL);
    r->in = in;
    r->base = (struct vml_reader){
        .ops = &fixed_ops,
        .format = "vhd",
        .subformat = "fixed",
        .unit = VHD_SECTOR,
        .can_seek = true,
    };
    if (vml_vhd_parse(&f, in, &r->base.notes, err) < 0)
        return -1;
    r->base.size = f.disk_size;
    r->base.stored_size = f.size;
    vml_hex(r->base.id, f.footer.uuid, sizeof f.footer.uuid);
    if (f.footer.type != VHD_FIXED && open_dynamic(r, &f, err) < 0)
        return -1;
    if (f.footer.type == VHD_DIFFERENCING && vml_vhd_parent(&r->base, in, &f, err) < 0)
        return -1;
    *out = &r->base;
    r = NULL;
    return 0;
}

static const struct vml_subformat subformats[] = {
    { "dynamic", VML_CAN_READ | VML_CAN_WRITE, VHD_DYNAMIC_MAX, 1u << 20 },
    { "fixed", VML_CAN_READ | VML_CAN_WRITE | VML_PIPE_WRITE, VML_DISK_MAX, 1u << 20 },
    { "differencing", VML_CAN_READ, VHD_DYNAMIC_MAX, 1u << 20 },
    { 0 },
};

/* Azure takes whole MiB only, hence the subformats' align. */
static const struct vml_option options[] = {
    { "align", "round the disk's size up to a multiple of this: 512, 1024 .. 1M (1M)" },
    { 0 },
};

const struct vml_format vml_format_vhd = {
    .name = "vhd",
    .summary = "Virtual PC, Hyper-V, Azure, Xen",
    .suffixes = "vhd vpc",
    .subformats = subformats,
    .options = options,
    .probe = vml_vhd_probe,
    .open = vhd_open,
    .create = vml_vhd_create,
    .check = vml_vhd_check,
    .facts = vml_vhd_facts,
};
