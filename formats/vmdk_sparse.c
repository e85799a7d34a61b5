/* VMDK from a file that can seek: monolithicSparse, and streamOptimized by its tables.
 *
 *     grain directory       grain tables             grains
 *     | u32 sector |------> | 512 u32 sectors |----> 64 KiB, or marker and zlib stream
 *     | 0          |        | 0: never written
 *     | ..         |        | 1: zeroes, with the header's flag; damage without it
 *
 * A grain table covers 32 MiB at the usual grain size.  A disk of 2 TiB has 128 MiB of tables, and
 * twice that with the redundant copy, so they are read piece by piece: one page of each directory
 * and the last few tables.  What is remembered of all tables is a bit for each table (its copy was
 * compared) and, of uncompressed files, a bit for each grain of the file (some table points there),
 * which finds two entries that share a grain. */
#include "vmdk_sparse.h"

#include <pthread.h>
#include <stdlib.h>

#include "vmlift/endian.h"

enum {
    READS_PER_RUN =
        4096,           /* tables read to lengthen one run: 64 GiB of empty ones and their copies */
    DATA_PER_RUN = 128, /* grains merged into one run of data */
    FOLLOWERS = 16,     /* markers that may stand between two grains */
};

/* --- grains --------------------------------------------------------------------------------- */

struct entry {
    enum vml_kind kind;
    uint32_t sector;       /* DATA: of the grain, or of its marker */
    uint32_t table_sector; /* where that was read */
    uint64_t run;          /* grains from this one on that are known to be of this kind; DATA: 1 */
};

static bool meets(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
    return a < b + b_len && b < a + a_len;
}

/* bytes at e's sector: inside the file, and not on top of its tables. */
static int check_place(const struct sparse *s, uint64_t grain, const struct entry *e,
                       uint64_t bytes, struct vml_error *err)
{
    const struct vmdk_header *h = &s->h;
    uint64_t sectors = vml_div_up(bytes, VMDK_SECTOR);

    if (!sparse_in_file(s, e->sector, 1))
        return vml_fail(err, VML_EDATA, "vmdk/grain-range",
                        "grain %llu: sector %u is past the end of the file (%llu sectors)",
                        (unsigned long long)grain, e->sector,
                        (unsigned long long)(s->file_size / VMDK_SECTOR));
    if (!sparse_in_file(s, e->sector, bytes))
        return vml_fail(err, VML_EDATA, "input/truncated",
                        "grain %llu: needs %llu bytes at offset %llu, but the file ends at %llu",
                        (unsigned long long)grain, (unsigned long long)bytes,
                        (unsigned long long)e->sector * VMDK_SECTOR,
                        (unsigned long long)s->file_size);
    if (e->sector < h->overhead_sectors ||
        meets(e->sector, sectors, h->desc_sector, h->desc_sectors) ||
        meets(e->sector, sectors, h->gd_sector, vmdk_gd_sectors(h)) ||
        (vmdk_has_rgd(h) && meets(e->sector, sectors, h->rgd_sector, vmdk_gd_sectors(h))) ||
        meets(e->sector, sectors, e->table_sector, VMDK_GT_BYTES / VMDK_SECTOR))
        return vml_fail(err, VML_EDATA, "vmdk/grain-overlap",
                        "grain %llu: sector %u belongs to the file's own tables",
                        (unsigned long long)grain, e->sector);
    return 0;
}

/* As many bytes of a grain as the disk has. */
static uint64_t grain_len(const struct sparse *s, uint64_t grain)
{
    return vml_min_u64(s->h.grain, s->r.size - grain * s->h.grain);
}

static int entry_get(struct sparse *s, uint64_t grain, struct entry *e, struct vml_error *err)
{
    const struct table *t;
    unsigned i = grain % VMDK_GTES, n = i;

    *e = (struct entry){ .kind = VML_HOLE, .run = VMDK_GTES - i };
    if (sparse_table_get(s, grain / VMDK_GTES, &t, &e->table_sector, err) < 0)
        return -1;
    if (t == NULL)
        return 0;
    e->sector = le32(t->bytes + i * 4);
    if (e->sector <= VMDK_GTE_ZERO) {
        while (n < VMDK_GTES && le32(t->bytes + n * 4) == e->sector)
            n++;
        e->run = n - i;
        if (e->sector == 0)
            return 0;
        if ((s->h.flags & VMDK_ZERO_GTE) == 0)
            return vml_fail(err, VML_EDATA, "vmdk/zero-gte",
                            "grain %llu is marked as zeroes, but the header's flag for such grains "
                            "is not set",
                            (unsigned long long)grain);
        e->kind = VML_ZERO;
        return 0;
    }
    e->kind = VML_DATA;
    e->run = 1;
    return check_place(s, grain, e, (s->h.flags & VMDK_COMPRESSED) != 0 ? 16 : grain_len(s, grain),
                       err);
}

/* Does the grain after a run of n that begins with `first` go on with it? */
static bool goes_on(const struct sparse *s, const struct entry *first, uint64_t n,
                    const struct entry *next)
{
    if (next->kind != first->kind)
        return false;
    if (first->kind != VML_DATA)
        return true;
    return (s->h.flags & VMDK_COMPRESSED) == 0 && n < DATA_PER_RUN &&
           next->sector == first->sector + n * (s->h.grain / VMDK_SECTOR);
}

/* The run of grains that begins with `grain`. */
static int run_get(struct sparse *s, uint64_t grain, struct entry *first, uint64_t *run,
                   struct vml_error *err)
{
    struct vml_error later; /* what is wrong further on is told when that is asked for */
    struct entry next;

    s->reads = 0;
    if (entry_get(s, grain, first, err) < 0)
        return -1;
    *run = first->run;
    if (first->kind == VML_DATA && (s->h.flags & VMDK_COMPRESSED) != 0)
        return 0;
    while (grain + *run < s->h.grains && s->reads < READS_PER_RUN &&
           entry_get(s, grain + *run, &next, &later) == 0 && goes_on(s, first, *run, &next))
        *run += next.run;
    return 0;
}

/* Do the tables lead to the grain whose marker is here?  What is wrong with the table itself is
 * told when that grain is asked for. */
static int is_known(struct sparse *s, const struct vmdk_marker *m, uint64_t sector,
                    struct vml_error *err)
{
    uint64_t grain = m->value / (s->h.grain / VMDK_SECTOR);
    struct vml_error later;
    struct entry e = { .kind = VML_HOLE };
    int rc;

    if (vmdk_marker_check(m, &s->h, sector * VMDK_SECTOR, &later) < 0)
        return 0;
    pthread_mutex_lock(&s->lock);
    rc = entry_get(s, grain, &e, &later);
    pthread_mutex_unlock(&s->lock);
    if (rc < 0 || (e.kind == VML_DATA && e.sector == sector))
        return 0;
    return vml_fail(
        err, VML_EDATA, "vmdk/lba-gte",
        "the grain at offset %llu is for sector %llu of the disk, and the tables do not "
        "lead to it",
        (unsigned long long)sector * VMDK_SECTOR, (unsigned long long)m->value);
}

/* An entry that was lost leaves a hole, and nothing in the tables says so; but the grain is still
 * in the file, right behind the one before it.  So of each grain the next one in the file is looked
 * for, across a table and progress markers: one read, of what is wanted next anyway. */
static int check_follower(struct sparse *s, uint64_t sector, struct vml_error *err)
{
    for (unsigned skipped = 0; skipped < FOLLOWERS && sparse_in_file(s, sector, 16); skipped++) {
        struct vmdk_marker m;
        uint8_t p[16];

        if (vml_input_pread(s->in, p, sizeof p, sector * VMDK_SECTOR, err) < 0)
            return -1;
        m = vmdk_marker_parse(p);
        if (m.size != 0)
            return is_known(s, &m, sector, err);
        if (m.type == VMDK_GT)
            sector += VMDK_GT_BYTES / VMDK_SECTOR;
        else if (m.type != VMDK_PROGRESS)
            return 0;
        sector++;
    }
    return 0;
}

/* The marker must say what the table says. */
static int compressed_extent(struct sparse *s, uint64_t grain, const struct entry *e,
                             struct vml_extent *x, struct vml_error *err)
{
    uint64_t at = (uint64_t)e->sector * VMDK_SECTOR;
    uint8_t p[16];
    struct vmdk_marker m;

    if (vml_input_pread(s->in, p, sizeof p, at, err) < 0)
        return -1;
    m = vmdk_marker_parse(p);
    if (vmdk_marker_check(&m, &s->h, at, err) < 0)
        return -1;
    if (m.value != grain * (s->h.grain / VMDK_SECTOR))
        return vml_fail(
            err, VML_EDATA, "vmdk/lba-gte",
            "the table has sector %llu of the disk at offset %llu, where the marker says "
            "%llu",
            (unsigned long long)(grain * (s->h.grain / VMDK_SECTOR)), (unsigned long long)at,
            (unsigned long long)m.value);
    if (check_place(s, grain, e, (uint64_t)m.size + VMDK_MARKER, err) < 0)
        return -1;
    x->at = at + VMDK_MARKER;
    x->stored = m.size;
    return check_follower(s, e->sector + vml_div_up((uint64_t)m.size + VMDK_MARKER, VMDK_SECTOR),
                          err);
}

static int locked_run(struct sparse *s, uint64_t off, struct entry *e, uint64_t *end,
                      struct vml_error *err)
{
    uint64_t grain = off / s->h.grain, run = 0;

    if (off >= s->hole.off && off - s->hole.off < s->hole.len) {
        *e = (struct entry){ .kind = VML_HOLE };
        *end = s->hole.off + s->hole.len;
        return 0;
    }
    if (run_get(s, grain, e, &run, err) < 0)
        return -1;
    *end = vml_min_u64(s->r.size, (grain + run) * s->h.grain);
    if (e->kind == VML_HOLE)
        s->hole = (struct vml_extent){ .off = off, .len = *end - off };
    return 0;
}

static int sparse_extent(struct vml_reader *r, uint64_t off, struct vml_extent *x,
                         struct vml_error *err)
{
    struct sparse *s = (struct sparse *)r;
    uint64_t grain = off / s->h.grain, end = 0;
    struct entry e;
    int rc;

    pthread_mutex_lock(&s->lock);
    rc = locked_run(s, off, &e, &end, err);
    pthread_mutex_unlock(&s->lock);
    if (rc < 0)
        return -1;
    *x = (struct vml_extent){ .off = off, .len = end - off, .kind = e.kind };
    if (e.kind != VML_DATA)
        return 0;
    if ((s->h.flags & VMDK_COMPRESSED) != 0)
        return compressed_extent(s, grain, &e, x, err);
    x->at = (uint64_t)e.sector * VMDK_SECTOR + off % s->h.grain;
    return 0;
}

static int sparse_fetch(struct vml_reader *r, struct vml_extent *x, struct vml_error *err)
{
    const struct sparse *s = (struct sparse *)r;

    x->payload = malloc(x->stored);
    if (x->payload == NULL)
        return vml_fail_nomem(err);
    x->payload_len = x->stored;
    if (vml_input_pread(s->in, x->payload, x->stored, x->at, err) == 0)
        return 0;
    vml_extent_clear(x);
    return -1;
}

static int sparse_load(struct vml_reader *r, const struct vml_extent *x, uint64_t off, size_t len,
                       void *buf, struct vml_error *err)
{
    struct sparse *s = (struct sparse *)r;
    struct vml_extent whole = *x;
    int rc;

    if (x->stored == 0)
        return vml_input_pread(s->in, buf, len, x->at + (off - x->off), err);
    if (x->payload == NULL && sparse_fetch(r, &whole, err) < 0)
        return -1;
    rc = vmdk_grain_inflate(&s->h, vml_round_down(x->off, s->h.grain), whole.payload, x->stored,
                            off, len, buf, err);
    if (x->payload == NULL)
        vml_extent_clear(&whole);
    return rc;
}

static int sparse_end(struct vml_reader *r, struct vml_error *err)
{
    return vml_input_unchanged(((struct sparse *)r)->in, err);
}

/* --- opening -------------------------------------------------------------------------------- */

static void sparse_free(struct vml_reader *r)
{
    struct sparse *s = (struct sparse *)r;

    pthread_mutex_destroy(&s->lock);
    vml_input_free(s->in);
    free(s->checked);
    free(s->claimed);
    free(s);
}

static const struct vml_reader_ops sparse_ops = {
    .extent = sparse_extent,
    .load = sparse_load,
    .fetch = sparse_fetch,
    .end = sparse_end,
    .free = sparse_free,
};

/* The last three sectors: footer marker, footer, end-of-stream marker. */
static int read_footer(struct sparse *s, const uint8_t header[VMDK_SECTOR], struct vml_error *err)
{
    uint8_t p[3 * VMDK_SECTOR];
    struct vmdk_marker m;

    if (s->file_size < VMDK_SECTOR + sizeof p)
        return vml_fail(err, VML_EDATA, "input/truncated",
                        "the header points to a footer, but the file has only %llu bytes",
                        (unsigned long long)s->file_size);
    if (vml_input_pread(s->in, p, sizeof p, s->file_size - sizeof p, err) < 0)
        return -1;
    m = vmdk_marker_parse(p + 2 * (size_t)VMDK_SECTOR);
    if (s->file_size % VMDK_SECTOR != 0 || m.value != 0 || m.size != 0 || m.type != VMDK_EOS)
        return vml_fail(err, VML_EDATA, "input/truncated",
                        "no end-of-stream marker at the end of the file (%llu bytes)",
                        (unsigned long long)s->file_size);
    m = vmdk_marker_parse(p);
    if (m.value != 1 || m.size != 0 || m.type != VMDK_FOOTER)
        return vml_fail(
            err, VML_EDATA, "vmdk/footer",
            "no footer in front of the last sector: the file was cut short or something "
            "was appended to it");
    return vmdk_footer_parse(&s->h, header, p + VMDK_SECTOR, err);
}

static int read_descriptor(struct sparse *s, bool piece, struct vml_error *err)
{
    size_t len = (size_t)vml_min_u64(s->h.desc_sectors * VMDK_SECTOR, VMDK_DESC_MAX);
    VML_AUTO(vml_freep) char *text = malloc(VMDK_DESC_MAX);

    if (text == NULL)
        return vml_fail_nomem(err);
    if (len > 0 && vml_input_pread(s->in, text, len, s->h.desc_sector * VMDK_SECTOR, err) < 0)
        return -1;
    if (!piece)
        return vmdk_desc_check(text, len, &s->h, &s->r, err);
    if (!vmdk_desc_empty(text, len)) /* with a parent, or an ID, which nobody would ask for */
        return vml_fail(err, VML_EDATA, "vmdk/nested",
                        "has a descriptor of its own: a disk by itself, not a piece of one");
    if ((s->h.flags & VMDK_COMPRESSED) != 0)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/subformat",
                        "compressed grains in a piece of a disk are not read");
    return 0;
}

static int sparse_fill(struct sparse *s, bool piece, struct vml_error *err)
{
    uint8_t header[VMDK_SECTOR];

    if (vml_input_pread(s->in, header, sizeof header, 0, err) < 0 ||
        vmdk_header_parse(&s->h, header, err) < 0)
        return -1;
    if (s->h.gd_sector == VMDK_GD_AT_END && read_footer(s, header, err) < 0)
        return -1;
    if (read_descriptor(s, piece, err) < 0 || sparse_check_tables(s, err) < 0)
        return -1;
    if (s->h.dirty)
        vml_note(&s->r.notes, "vmdk/dirty", "was not closed by the program that wrote it last");
    s->r.size = s->h.size;
    s->r.unit = (s->h.flags & VMDK_COMPRESSED) != 0 ? s->h.grain : VMDK_SECTOR;
    s->r.codec = (s->h.flags & VMDK_COMPRESSED) != 0 ? VML_CODEC_ZLIB : VML_CODEC_NONE;
    s->r.subformat = (s->h.flags & VMDK_COMPRESSED) != 0 ? "streamOptimized" : "monolithicSparse";
    return (s->h.flags & VMDK_COMPRESSED) != 0 ? check_follower(s, s->h.overhead_sectors, err) : 0;
}

int vmdk_sparse_open(struct vml_reader **out, struct vml_input *in, bool piece,
                     struct vml_error *err)
{
    struct sparse *s = calloc(1, sizeof *s);

    if (s == NULL)
        return vml_fail_nomem(err);
    s->r = (struct vml_reader){ .ops = &sparse_ops, .format = "vmdk", .can_seek = true };
    s->in = in;
    s->file_size = vml_input_size(in);
    s->r.stored_size = s->file_size;
    pthread_mutex_init(&s->lock, NULL);
    if (sparse_fill(s, piece, err) < 0) {
        s->in = NULL; /* stays the caller's */
        vml_notes_clear(&s->r.notes);
        free(s->r.parent_name);
        sparse_free(&s->r);
        return -1;
    }
    *out = &s->r;
    return 0;
}
