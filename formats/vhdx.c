/* VHDX, reading.  The layout is drawn in vhdx.h.
 *
 * Of a differencing disk only the blocks that are not present are the parent's: those that are
 * undefined, unmapped or zero are not to be looked for there ([MS-VHDX] 2.5.1.1). */
#include <pthread.h>
#include <stdlib.h>

#include "vhdx.h"
#include "vmlift/facts.h"

struct vhdx_reader {
    struct vml_reader base;
    struct vhdx_file f;

    pthread_mutex_t lock; /* for all below */
    struct vhdx_bat bat;
    uint64_t bitmap_block; /* whose bitmap is in `bitmap` */
    uint8_t *bitmap;       /* of a differencing disk */
    struct {
        uint64_t first, end; /* blocks last found without data: a long run is searched once */
        enum vml_kind kind;
    } empty;
};

/* --- extents -------------------------------------------------------------------------------- */

static enum vml_kind kind_of(const struct vhdx_reader *r, uint64_t entry)
{
    switch (vhdx_state(entry)) {
    case VHDX_PRESENT:
    case VHDX_PARTIAL:
        return VML_DATA;
    case VHDX_NOT_PRESENT:
        return VML_HOLE;
    case VHDX_ZERO:
        return VML_ZERO;
    default:
        return r->f.params.has_parent ? VML_ZERO : VML_HOLE;
    }
}

/* Where the run of blocks without data that begins at `block` ends.  Under the lock. */
static int empty_end(struct vhdx_reader *r, uint64_t block, enum vml_kind kind, uint64_t *end,
                     struct vml_error *err)
{
    for (*end = block + 1; *end < r->bat.blocks; (*end)++) {
        uint64_t entry;

        if (kind == VML_HOLE && vhdx_bat_skip(&r->bat, end, err) < 0)
            return -1;
        if (*end == r->bat.blocks)
            break;
        if (vhdx_bat_block(&r->bat, *end, &entry, err) < 0)
            return -1;
        if (kind_of(r, entry) != kind)
            break;
    }
    return 0;
}

static int empty_extent(struct vhdx_reader *r, uint64_t block, enum vml_kind kind,
                        struct vml_extent *x, struct vml_error *err)
{
    if (block < r->empty.first || block >= r->empty.end) {
        uint64_t end;

        if (empty_end(r, block, kind, &end, err) < 0)
            return -1;
        r->empty.first = block;
        r->empty.end = end;
        r->empty.kind = kind;
    }
    x->kind = kind;
    x->len = vml_min_u64(r->empty.end * r->f.params.block_size, r->base.size) - x->off;
    return 0;
}

/* Blocks of a fixed disk are all there, and most of them may be a hole of the file. */
static int present_extent(struct vhdx_reader *r, struct vml_extent *x, struct vml_error *err)
{
    uint32_t sector = r->f.params.sector_size;
    uint64_t end;
    bool hole;

    if (r->f.n_patches > 0 || x->at >= r->f.size)
        return 0;
    if (vml_input_run(r->f.in, x->at, &hole, &end, err) < 0)
        return -1;
    end = hole ? vml_round_down(end, sector) : vml_round_up(end, sector);
    if (end <= x->at) /* a hole of less than a sector */
        return 0;
    x->len = vml_min_u64(x->len, end - x->at);
    if (hole)
        x->kind = r->f.params.has_parent ? VML_ZERO : VML_HOLE;
    return 0;
}

static bool bitmap_bit(const uint8_t *bitmap, uint32_t sector)
{
    return (bitmap[sector / 8] >> sector % 8 & 1) != 0; /* unlike a VHD's, from the low end */
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

static int read_bitmap(struct vhdx_reader *r, uint64_t block, struct vml_error *err)
{
    uint32_t len = r->f.params.block_size / r->f.params.sector_size / 8;
    uint64_t entry;

    if (r->bitmap_block == block)
        return 0;
    r->bitmap_block = UINT64_MAX;
    if (vhdx_bat_bitmap(&r->bat, block, &entry, err) < 0 ||
        vhdx_pread(&r->f, r->bitmap, len, vhdx_offset(entry) + block % r->bat.ratio * len, err) < 0)
        return -1;
    r->bitmap_block = block;
    return 0;
}

/* The run inside a block of which some sectors are the parent's.  Under the lock. */
static int partial_extent(struct vhdx_reader *r, uint64_t block, struct vml_extent *x,
                          struct vml_error *err)
{
    const struct vhdx_params *p = &r->f.params;
    uint64_t start = block * p->block_size, end;
    uint32_t sector = (uint32_t)(x->off - start) / p->sector_size;

    if (read_bitmap(r, block, err) < 0)
        return -1;
    if (!bitmap_bit(r->bitmap, sector))
        x->kind = VML_HOLE;
    end = start +
          (uint64_t)bitmap_run(r->bitmap, sector, p->block_size / p->sector_size) * p->sector_size;
    x->len = vml_min_u64(end, r->base.size) - x->off;
    return 0;
}

static int extent_locked(struct vhdx_reader *r, struct vml_extent *x, struct vml_error *err)
{
    uint64_t size = r->f.params.block_size, block = x->off / size, entry;

    if (block >= r->empty.first && block < r->empty.end)
        return empty_extent(r, block, r->empty.kind, x, err);
    if (vhdx_bat_block(&r->bat, block, &entry, err) < 0)
        return -1;
    if (kind_of(r, entry) != VML_DATA)
        return empty_extent(r, block, kind_of(r, entry), x, err);
    x->kind = VML_DATA;
    x->at = vhdx_offset(entry) + x->off % size;
    x->len = vml_min_u64((block + 1) * size, r->base.size) - x->off;
    return vhdx_state(entry) == VHDX_PARTIAL ? partial_extent(r, block, x, err)
                                             : present_extent(r, x, err);
}

static int vhdx_extent(struct vml_reader *base, uint64_t off, struct vml_extent *x,
                       struct vml_error *err)
{
    struct vhdx_reader *r = (struct vhdx_reader *)base;
    int rc;

    *x = (struct vml_extent){ .off = off };
    pthread_mutex_lock(&r->lock);
    rc = extent_locked(r, x, err);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

static int vhdx_load(struct vml_reader *base, const struct vml_extent *x, uint64_t off, size_t len,
                     void *buf, struct vml_error *err)
{
    return vhdx_pread(&((struct vhdx_reader *)base)->f, buf, len, x->at + (off - x->off), err);
}

static int vhdx_end(struct vml_reader *base, struct vml_error *err)
{
    return vml_input_unchanged(((struct vhdx_reader *)base)->f.in, err);
}

/* Without the input, which a failed open leaves to its caller. */
static void reader_discard(struct vhdx_reader **r)
{
    if (*r == NULL)
        return;
    vml_notes_clear(&(*r)->base.notes);
    free((*r)->base.parent_name);
    pthread_mutex_destroy(&(*r)->lock);
    vhdx_bat_clear(&(*r)->bat);
    vhdx_clear(&(*r)->f);
    free((*r)->bitmap);
    free(*r);
    *r = NULL;
}

static void vhdx_free(struct vml_reader *base)
{
    struct vhdx_reader *r = (struct vhdx_reader *)base;

    vml_input_free(r->f.in);
    reader_discard(&r);
}

static const struct vml_reader_ops ops = {
    .extent = vhdx_extent, .load = vhdx_load, .end = vhdx_end, .free = vhdx_free
};

/* --- opening -------------------------------------------------------------------------------- */

static int vhdx_probe(struct vml_input *in, struct vml_error *err)
{
    const void *head;
    size_t have;

    if (vml_input_peek(in, 8, &head, &have, err) < 0)
        return -1;
    return have == 8 && memcmp(head, "vhdxfile", 8) == 0 ? 100 : 0;
}

static int note_fault(void *notes, const struct vml_error *fault, struct vml_error *err)
{
    (void)err;
    vml_note(notes, fault->slug, "%s; its double is whole, and counts", fault->text);
    return 0;
}

static int end_at_fault(void *arg, const struct vml_error *fault, struct vml_error *err)
{
    (void)arg;
    *err = *fault;
    return -1;
}

static int open_parsed(struct vhdx_reader *r, struct vml_error *err)
{
    const struct vhdx_params *p = &r->f.params;

    r->base.subformat = vhdx_subformat(p);
    r->base.size = p->disk_size;
    r->base.stored_size = r->f.size;
    r->base.unit = p->sector_size;
    vhdx_guid_print(r->base.id, r->f.header.data_guid);
    /* All entries, before any byte of the disk is handed out. */
    if (vhdx_bat_open(&r->bat, &r->f, err) < 0 ||
        vhdx_bat_check(&r->bat, end_at_fault, NULL, err) < 0)
        return -1;
    if (!p->has_parent)
        return 0;
    r->bitmap_block = UINT64_MAX;
    r->bitmap = malloc(VHDX_BITMAP_MAX);
    if (r->bitmap == NULL)
        return vml_fail_nomem(err);
    return vhdx_parent(&r->base, &r->f, err);
}

static int vhdx_open(struct vml_reader **out, struct vml_input *in, struct vml_error *err)
{
    VML_AUTO(reader_discard) struct vhdx_reader *r = NULL;

    if (!vml_input_can_seek(in))
        return vml_fail(err, VML_EUNSUPPORTED, "vhdx/needs-seek",
                        "cannot be read from a pipe: its table points anywhere; give the file "
                        "itself");
    r = calloc(1, sizeof *r);
    if (r == NULL)
        return vml_fail_nomem(err);
    pthread_mutex_init(&r->lock, NULL);
    r->base = (struct vml_reader){ .ops = &ops, .format = "vhdx", .can_seek = true };
    if (vhdx_parse(&r->f, in, &r->base.notes, note_fault, &r->base.notes, err) < 0 ||
        open_parsed(r, err) < 0)
        return -1;
    *out = &r->base;
    r = NULL;
    return 0;
}

static const struct vml_subformat subformats[] = {
    { "dynamic", VML_CAN_READ, VML_DISK_MAX, 512 },
    { "fixed", VML_CAN_READ, VML_DISK_MAX, 512 },
    { "differencing", VML_CAN_READ, VML_DISK_MAX, 512 },
    { 0 },
};

const struct vml_format vml_format_vhdx = {
    .name = "vhdx",
    .summary = "Hyper-V",
    .suffixes = "vhdx",
    .subformats = subformats,
    .probe = vhdx_probe,
    .open = vhdx_open,
    .check = vml_vhdx_check,
    .facts = vml_vhdx_facts,
};
