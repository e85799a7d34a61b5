/* VHDX: the block table.  The layout is drawn in vhdx.h.
 *
 * A disk of 64 TiB in blocks of 1 MiB has 512 MiB of it, most of them a hole of the file: it is
 * read by pieces, and holes are passed over. */
#include <stdlib.h>

#include "vhdx.h"

#define WINDOW    8192u      /* entries that are held: 64 KiB */
#define CELLS_MAX (1u << 28) /* MiB of a file whose blocks are held against each other: 256 TiB */
#define RESERVED  0xffff8u   /* bits 3 to 19 of an entry */
#define CHUNK     (1u << 23) /* sectors */

int vhdx_bat_open(struct vhdx_bat *b, const struct vhdx_file *f, struct vml_error *err)
{
    const struct vhdx_params *p = &f->params;

    *b = (struct vhdx_bat){ .f = f };
    b->blocks = vml_div_up(p->disk_size, p->block_size);
    b->ratio = (uint64_t)CHUNK * p->sector_size / p->block_size;
    b->entries = p->has_parent ? vml_div_up(b->blocks, b->ratio) * (b->ratio + 1)
                               : b->blocks + (b->blocks - 1) / b->ratio;
    if (b->entries > f->bat.len / 8)
        return vml_fail(err, VML_EDATA, "vhdx/bat-size",
                        "the block table has room for %llu entries, and a disk of %llu bytes in "
                        "blocks of %u needs %llu",
                        (unsigned long long)f->bat.len / 8, (unsigned long long)p->disk_size,
                        (unsigned)p->block_size, (unsigned long long)b->entries);
    b->window = malloc(WINDOW * 8);
    return b->window != NULL ? 0 : vml_fail_nomem(err);
}

void vhdx_bat_clear(struct vhdx_bat *b)
{
    free(b->window);
    b->window = NULL;
}

static int entry_at(struct vhdx_bat *b, uint64_t i, uint64_t *entry, struct vml_error *err)
{
    if (i - b->window_first >= b->window_count) {
        uint64_t first = vml_round_down(i, WINDOW);
        uint64_t count = vml_min_u64(WINDOW, b->entries - first);

        if (vml_interrupted())
            return vml_fail_interrupted(err);
        b->window_count = 0;
        if (vhdx_pread(b->f, b->window, count * 8, b->f->bat.off + first * 8, err) < 0)
            return -1;
        b->window_first = first;
        b->window_count = count;
    }
    *entry = le64(b->window + (i - b->window_first) * 8);
    return 0;
}

int vhdx_bat_block(struct vhdx_bat *b, uint64_t block, uint64_t *entry, struct vml_error *err)
{
    return entry_at(b, block + block / b->ratio, entry, err);
}

int vhdx_bat_bitmap(struct vhdx_bat *b, uint64_t block, uint64_t *entry, struct vml_error *err)
{
    return entry_at(b, (block / b->ratio + 1) * (b->ratio + 1) - 1, entry, err);
}

/* The first entry from *i on that is not known to be zero by a hole of the file. */
static int skip_hole(struct vhdx_bat *b, uint64_t *i, struct vml_error *err)
{
    uint64_t at = b->f->bat.off + *i * 8, end;
    bool hole;

    if (*i - b->window_first < b->window_count || b->f->n_patches > 0 || at >= b->f->size)
        return 0;
    if (vml_input_run(b->f->in, at, &hole, &end, err) < 0)
        return -1;
    if (hole)
        *i = vml_min_u64(b->entries, vml_max_u64(*i, (end - b->f->bat.off) / 8));
    return 0;
}

int vhdx_bat_skip(struct vhdx_bat *b, uint64_t *block, struct vml_error *err)
{
    uint64_t i = *block + *block / b->ratio, chunk;

    if (skip_hole(b, &i, err) < 0)
        return -1;
    chunk = i / (b->ratio + 1);
    /* A bitmap's entry counts as the first block behind it. */
    *block = vml_max_u64(*block, vml_min_u64(b->blocks, i - chunk));
    return 0;
}

/* --- the check ------------------------------------------------------------------------------ */

struct check {
    struct vhdx_bat *b;
    uint64_t cells; /* MiB of the file */
    uint8_t *taken; /* a bit for each; NULL: too many */
    vhdx_fault *fault;
    void *arg;
};

/* False: some of it was taken before.  Both are whole MiB but for the file's last one. */
static bool take(struct check *c, uint64_t off, uint64_t len)
{
    bool was_free = true;

    for (uint64_t i = off / VHDX_MIB; i < vml_div_up(off + len, VHDX_MIB) && i < c->cells; i++) {
        uint8_t bit = (uint8_t)(1u << i % 8);

        was_free = was_free && (c->taken[i / 8] & bit) == 0;
        c->taken[i / 8] |= bit;
    }
    return was_free;
}

static int check_structures(struct check *c, struct vml_error *err)
{
    const struct vhdx_file *f = c->b->f;
    struct vml_error why;

    take(c, 0, VHDX_MIB);
    if (take(c, f->header.log_off, f->header.log_len) &&
        take(c, f->metadata.off, f->metadata.len) && take(c, f->bat.off, f->bat.len))
        return 0;
    (void)vml_fail(&why, VML_EDATA, "vhdx/overlap",
                   "the log at offset %llu, the metadata at %llu and the block table at %llu share "
                   "bytes",
                   (unsigned long long)f->header.log_off, (unsigned long long)f->metadata.off,
                   (unsigned long long)f->bat.off);
    return c->fault(c->arg, &why, err);
}

/* Where an entry that is used says its `len` bytes are. */
static int check_place(struct check *c, const char *what, uint64_t n, uint64_t entry, uint64_t len,
                       struct vml_error *why)
{
    const struct vhdx_file *f = c->b->f;
    uint64_t at = vhdx_offset(entry);

    if ((entry & RESERVED) != 0)
        return vml_fail(why, VML_EDATA, "vhdx/bat-reserved",
                        "the entry of %s %llu, %016llx, has bits that are reserved", what,
                        (unsigned long long)n, (unsigned long long)entry);
    if (!vhdx_fits(f, at, len))
        return vml_fail(why, VML_EDATA, "vhdx/bat-range",
                        "%s %llu is said to take %llu bytes at offset %llu, not between 1 MiB and "
                        "the file's end at %llu",
                        what, (unsigned long long)n, (unsigned long long)len,
                        (unsigned long long)at, (unsigned long long)f->end);
    if (c->taken != NULL && !take(c, at, len))
        return vml_fail(why, VML_EDATA, "vhdx/bat-dup",
                        "%s %llu at offset %llu shares bytes with another block, a bitmap, the "
                        "log, the metadata or the block table",
                        what, (unsigned long long)n, (unsigned long long)at);
    return 0;
}

static int bad_state(const char *what, uint64_t n, uint64_t entry, const char *why_not,
                     struct vml_error *why)
{
    return vml_fail(why, VML_EDATA, "vhdx/bat-state", "%s %llu has state %u%s", what,
                    (unsigned long long)n, (unsigned)vhdx_state(entry), why_not);
}

static int check_bitmap(struct check *c, uint64_t chunk, uint64_t entry, struct vml_error *why)
{
    /* Without a parent nobody looks at it; qemu-img before 8.1 leaves remains there. */
    if (!c->b->f->params.has_parent || vhdx_state(entry) == VHDX_NOT_PRESENT)
        return 0;
    if (vhdx_state(entry) != VHDX_PRESENT)
        return bad_state("bitmap", chunk, entry, "; it is 0 or 6", why);
    return check_place(c, "bitmap", chunk, entry, VHDX_MIB, why);
}

static int check_block(struct check *c, uint64_t block, uint64_t entry, struct vml_error *why)
{
    const struct vhdx_params *p = &c->b->f->params;
    /* of the last block no more than the disk has of it: nobody misses the rest */
    uint64_t len = vml_min_u64(p->block_size, p->disk_size - block * p->block_size);

    switch (vhdx_state(entry)) {
    case VHDX_NOT_PRESENT:
    case VHDX_UNDEFINED:
    case VHDX_ZERO:
    case VHDX_UNMAPPED:
    case VHDX_UNMAPPED_095: /* their offsets mean nothing, or where they were */
        return 0;
    case VHDX_PRESENT:
        return check_place(c, "block", block, entry, len, why);
    case VHDX_PARTIAL:
        if (!p->has_parent)
            return bad_state("block", block, entry,
                             ", partly here and partly in a parent, and the disk has none", why);
        return check_place(c, "block", block, entry, len, why);
    }
    return bad_state("block", block, entry, ", which is reserved", why);
}

/* Blocks of which a part is the parent's need the bitmap. */
static int check_partial(struct check *c, uint64_t chunk, uint64_t bitmap, uint64_t partial,
                         struct vml_error *err)
{
    struct vml_error why;

    if (partial == UINT64_MAX || vhdx_state(bitmap) == VHDX_PRESENT)
        return 0;
    (void)vml_fail(&why, VML_EDATA, "vhdx/bat-state",
                   "block %llu is partly in the parent, and bitmap %llu, which would say what, is "
                   "not present",
                   (unsigned long long)partial, (unsigned long long)chunk);
    return c->fault(c->arg, &why, err);
}

static int check_entries(struct check *c, struct vml_error *err)
{
    struct vhdx_bat *b = c->b;
    uint64_t partial = UINT64_MAX; /* the last such block of the chunk */

    for (uint64_t i = 0; i < b->entries; i++) {
        uint64_t chunk, block, entry;
        struct vml_error why;
        bool bitmap;

        /* not past the bitmap that a block needs */
        if (partial == UINT64_MAX && skip_hole(b, &i, err) < 0)
            return -1;
        if (i == b->entries)
            return 0;
        if (entry_at(b, i, &entry, err) < 0)
            return -1;
        chunk = i / (b->ratio + 1);
        block = i - chunk;
        bitmap = i % (b->ratio + 1) == b->ratio;
        if (!bitmap && block >= b->blocks) /* a child's table goes on to the chunk's bitmap */
            continue;
        if ((bitmap ? check_bitmap(c, chunk, entry, &why) : check_block(c, block, entry, &why)) <
                0 &&
            c->fault(c->arg, &why, err) < 0)
            return -1;
        if (bitmap) {
            if (check_partial(c, chunk, entry, partial, err) < 0)
                return -1;
            partial = UINT64_MAX;
        } else if (vhdx_state(entry) == VHDX_PARTIAL) {
            partial = block;
        }
    }
    return 0;
}

int vhdx_bat_check(struct vhdx_bat *b, vhdx_fault *fault, void *arg, struct vml_error *err)
{
    struct check c = { .b = b, .fault = fault, .arg = arg };
    int rc = 0;

    c.cells = vml_div_up(b->f->end, VHDX_MIB);
    if (c.cells > CELLS_MAX)
        return vml_fail(err, VML_EUNSUPPORTED, "vhdx/file-size",
                        "a file of %llu bytes; vmlift takes at most %llu",
                        (unsigned long long)b->f->end, (unsigned long long)CELLS_MAX * VHDX_MIB);
    c.taken = calloc(c.cells / 8 + 1, 1);
    if (c.taken == NULL)
        return vml_fail_nomem(err);
    if (check_structures(&c, err) < 0 || check_entries(&c, err) < 0)
        rc = -1;
    free(c.taken);
    return rc;
}
