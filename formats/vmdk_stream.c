/* streamOptimized from a pipe, front to back.
 *
 *     disklib    header desc pad | grains, each 32 MiB followed by their table | directory
 *                footer EOS; VirtualBox likewise
 *     vmdktool   the same, but the header has the directory's real place
 *     qemu-img   header desc redundant-copy directory tables pad | grains | zeroes, or nothing
 *     open-vmdk  header desc directory tables pad | grains | EOS
 *
 * The first two are whole when their footer and end marker have come.  The last two may end
 * anywhere: their tables stand in front, so it is known how many grains must come.
 *
 * The markers say where a grain belongs, and the tables say it again.  What reads the file by its
 * tables must find the same disk, so both are summed up as they pass and compared at the end:
 * weight(number of the table) * sum over its entries of hash(place in the table, sector).  The
 * order of grains and tables does not matter to the sum, and no table need be kept: 12 bytes are,
 * until the directory tells which number it has. */
#include "vmdk.h"

#include <assert.h>
#include <stdlib.h>

#include "vmlift/endian.h"

/* The most tables of which that is kept; enough for 128 TiB at the usual grain size. */
#define TABLES_MAX (UINT64_C(4) << 20)

struct passed {
    uint32_t sector;
    uint64_t sum; /* of its entries */
};

struct stream {
    struct vml_reader r; /* first: this is what core holds */
    struct vml_input *in;
    struct vmdk_header h;
    uint8_t header[VMDK_SECTOR];
    uint64_t pos;          /* of the input, bytes */
    bool in_front;         /* the tables stand before the grains */
    bool footer, eos, end; /* what was seen; end: no more grains come */
    uint64_t directory_at; /* sector of the directory behind its marker; 0: not seen */
    uint64_t promised;     /* grains that the tables tell of, */
    uint64_t seen;         /* and those that came; */
    uint64_t promised_sum, seen_sum;
    struct passed *tables; /* those between the grains, ascending */
    size_t n_tables, cap_tables;
    uint64_t next;           /* byte of the disk where the next grain may be at the earliest */
    struct vml_extent grain; /* read, not yet handed out; len is 0 when there is none */
};

/* --- bytes ---------------------------------------------------------------------------------- */

static int read_some(struct stream *s, void *buf, size_t len, size_t *got, struct vml_error *err)
{
    if (vml_input_read(s->in, buf, len, got, err) < 0)
        return -1;
    s->pos += *got;
    return 0;
}

static int cut_short(const struct stream *s, const char *missing, struct vml_error *err)
{
    return vml_fail(err, VML_EDATA, "input/truncated", "the input ends at offset %llu: %s",
                    (unsigned long long)s->pos, missing);
}

static int read_all(struct stream *s, void *buf, size_t len, const char *what,
                    struct vml_error *err)
{
    size_t got;

    if (read_some(s, buf, len, &got, err) < 0)
        return -1;
    return got < len ? cut_short(s, what, err) : 0;
}

static int skip_to(struct stream *s, uint64_t sector, struct vml_error *err)
{
    uint8_t buf[8 * VMDK_SECTOR];

    while (s->pos < sector * VMDK_SECTOR) {
        size_t n = (size_t)vml_min_u64(sizeof buf, sector * VMDK_SECTOR - s->pos);

        if (read_all(s, buf, n, "before the first grain", err) < 0)
            return -1;
    }
    return 0;
}

/* --- sums ----------------------------------------------------------------------------------- */

static uint64_t scatter(uint64_t x)
{
    x = (x ^ x >> 31) * UINT64_C(0x7fb5d329728ea185);
    x = (x ^ x >> 27) * UINT64_C(0x81dadef4bc2dd44d);
    return x ^ x >> 33;
}

static uint64_t entry_hash(uint64_t place, uint64_t sector)
{
    return scatter((place + 1) << 32 | sector);
}

static uint64_t table_weight(uint64_t number)
{
    return scatter(number + 1) | 1;
}

/* --- what stands in front of the grains ----------------------------------------------------- */

static int read_table(struct stream *s, uint64_t *sum, struct vml_error *err)
{
    uint8_t table[VMDK_GT_BYTES];

    *sum = 0;
    if (read_all(s, table, sizeof table, "inside a grain table", err) < 0)
        return -1;
    for (unsigned i = 0; i < VMDK_GTES; i++) {
        uint32_t e = le32(table + i * 4);

        if (e == VMDK_GTE_ZERO && (s->h.flags & VMDK_ZERO_GTE) == 0)
            return vml_fail(err, VML_EDATA, "vmdk/zero-gte",
                            "the grain table before offset %llu has an entry for zeroes, but the "
                            "header's flag for those is not set",
                            (unsigned long long)s->pos);
        if (e > VMDK_GTE_ZERO) {
            s->promised++;
            *sum += entry_hash(i, e);
        }
    }
    return 0;
}

static int read_descriptor(struct stream *s, struct vml_error *err)
{
    size_t len = (size_t)vml_min_u64(s->h.desc_sectors * VMDK_SECTOR, VMDK_DESC_MAX);
    VML_AUTO(vml_freep) char *text = malloc(VMDK_DESC_MAX);

    if (text == NULL)
        return vml_fail_nomem(err);
    if (read_all(s, text, len, "inside the descriptor", err) < 0)
        return -1;
    return vmdk_desc_check(text, len, &s->h, &s->r, err);
}

struct front {
    uint8_t *directory; /* NULL until it was read */
    uint64_t table;     /* the next one to come */
    bool descriptor;    /* was read */
};

/* Directory entry of the next table that exists; 0 when there is none any more. */
static uint32_t front_table(struct front *f, const struct vmdk_header *h)
{
    while (f->directory != NULL && f->table < h->tables) {
        uint32_t e = le32(f->directory + f->table * 4);

        if (e != 0)
            return e;
        f->table++;
    }
    return 0;
}

/* One step: the descriptor, the directory, a table, or on to the nearest of them. */
static int front_step(struct stream *s, struct front *f, struct vml_error *err)
{
    const struct vmdk_header *h = &s->h;
    uint64_t at = s->pos / VMDK_SECTOR, to = h->overhead_sectors;
    uint32_t table = front_table(f, h);
    uint64_t sum;

    if (!f->descriptor && at == h->desc_sector) {
        f->descriptor = true;
        return read_descriptor(s, err);
    }
    if (s->in_front && f->directory == NULL && at == h->gd_sector) {
        f->directory = malloc(h->tables * 4);
        if (f->directory == NULL)
            return vml_fail_nomem(err);
        if (read_all(s, f->directory, h->tables * 4, "inside the grain directory", err) < 0)
            return -1;
        return skip_to(s, vml_div_up(s->pos, VMDK_SECTOR), err);
    }
    if (table != 0 && at == table) {
        if (read_table(s, &sum, err) < 0)
            return -1;
        s->promised_sum += table_weight(f->table++) * sum;
        return 0;
    }
    if (!f->descriptor && h->desc_sector > at)
        to = vml_min_u64(to, h->desc_sector);
    if (s->in_front && f->directory == NULL && h->gd_sector > at)
        to = vml_min_u64(to, h->gd_sector);
    if (table > at)
        to = vml_min_u64(to, table);
    return skip_to(s, to, err);
}

static int read_front(struct stream *s, struct vml_error *err)
{
    VML_AUTO(vml_freep) uint8_t *directory = NULL;
    struct front f = { .descriptor = s->h.desc_sectors == 0 };
    int rc = 0;

    while (rc == 0 && s->pos < s->h.overhead_sectors * VMDK_SECTOR)
        rc = front_step(s, &f, err);
    directory = f.directory;
    if (rc < 0)
        return -1;
    if (s->h.desc_sectors == 0) /* says what to do without one */
        return vmdk_desc_check("", 0, &s->h, &s->r, err);
    if (!f.descriptor || s->pos > s->h.overhead_sectors * VMDK_SECTOR ||
        (s->in_front && (directory == NULL || front_table(&f, &s->h) != 0)))
        return vml_fail(
            err, VML_EUNSUPPORTED, "vmdk/pipe-order",
            "descriptor, directory and tables do not follow one another in front of the "
            "grains: give a file, not a pipe");
    return 0;
}

/* --- grains and other markers --------------------------------------------------------------- */

/* head: the sector with the marker and the first 500 bytes. */
static int take_grain(struct stream *s, const struct vmdk_marker *m, const uint8_t *head,
                      uint64_t at, struct vml_error *err)
{
    VML_AUTO(vml_freep) uint8_t *data = NULL;
    uint64_t off = m->value * VMDK_SECTOR;
    size_t first = VMDK_SECTOR - VMDK_MARKER, whole, got;

    if (vmdk_marker_check(m, &s->h, at, err) < 0)
        return -1;
    if (off < s->next)
        return off + s->h.grain == s->next
                   ? vml_fail(err, VML_EDATA, "vmdk/lba", "sector %llu of the disk comes twice",
                              (unsigned long long)m->value)
                   : vml_fail(err, VML_EUNSUPPORTED, "vmdk/pipe-order",
                              "sector %llu of the disk comes after sector %llu: give a file, not a "
                              "pipe",
                              (unsigned long long)m->value,
                              (unsigned long long)((s->next - s->h.grain) / VMDK_SECTOR));
    whole = (size_t)vml_round_up(VMDK_MARKER + (uint64_t)m->size, VMDK_SECTOR) - VMDK_MARKER;
    data = malloc(whole);
    if (data == NULL)
        return vml_fail_nomem(err);
    memcpy(data, head + VMDK_MARKER, first);
    if (read_some(s, data + first, whole - first, &got, err) < 0)
        return -1;
    if (first + got < m->size)
        return cut_short(s, "inside a grain", err);
    s->seen++;
    s->seen_sum += table_weight(off / s->h.grain / VMDK_GTES) *
                   entry_hash(off / s->h.grain % VMDK_GTES, at / VMDK_SECTOR);
    s->next = off + s->h.grain;
    s->grain = (struct vml_extent){ .off = off,
                                    .len = vml_min_u64(s->h.grain, s->h.size - off),
                                    .kind = VML_DATA,
                                    .at = at + VMDK_MARKER,
                                    .stored = m->size,
                                    .payload = data,
                                    .payload_len = m->size };
    data = NULL;
    return 0;
}

static int take_table(struct stream *s, struct vml_error *err)
{
    uint64_t sector = s->pos / VMDK_SECTOR;

    /* not h.tables: vmdktool writes one too many, an empty one */
    if (s->n_tables == TABLES_MAX || sector > UINT32_MAX)
        return vml_fail(err, VML_EDATA, "vmdk/marker",
                        "grain table %zu at sector %llu is one too many", s->n_tables,
                        (unsigned long long)sector);
    if (s->n_tables == s->cap_tables) {
        size_t cap = s->cap_tables == 0 ? 64 : 2 * s->cap_tables;
        struct passed *more = realloc(s->tables, cap * sizeof *more);

        if (more == NULL)
            return vml_fail_nomem(err);
        s->tables = more;
        s->cap_tables = cap;
    }
    s->tables[s->n_tables].sector = (uint32_t)sector;
    return read_table(s, &s->tables[s->n_tables++].sum, err);
}

static int compare_sector(const void *key, const void *passed)
{
    uint32_t a = *(const uint32_t *)key, b = ((const struct passed *)passed)->sector;

    return a < b ? -1 : a > b;
}

static int take_directory(struct stream *s, struct vml_error *err)
{
    uint8_t p[VMDK_SECTOR];

    s->directory_at = s->pos / VMDK_SECTOR;
    for (uint64_t i = 0; i < s->h.tables; i++) {
        const struct passed *t;
        uint32_t e;

        if (i % (sizeof p / 4) == 0 &&
            read_all(s, p, sizeof p, "inside the grain directory", err) < 0)
            return -1;
        e = le32(p + i % (sizeof p / 4) * 4);
        if (e == 0 || s->in_front)
            continue;
        t = s->n_tables == 0 ? NULL
                             : bsearch(&e, s->tables, s->n_tables, sizeof *t, compare_sector);
        if (t == NULL)
            return vml_fail(err, VML_EDATA, "vmdk/gt-range",
                            "the grain directory has table %llu at sector %u, where none came",
                            (unsigned long long)i, e);
        s->promised_sum += table_weight(i) * t->sum;
    }
    return 0;
}

static int take_footer(struct stream *s, struct vml_error *err)
{
    uint8_t footer[VMDK_SECTOR];
    struct vmdk_header h = s->h;

    if (read_all(s, footer, sizeof footer, "inside the footer", err) < 0)
        return -1;
    if (h.gd_sector == VMDK_GD_AT_END) {
        if (vmdk_footer_parse(&h, s->header, footer, err) < 0)
            return -1;
        if (h.gd_sector != s->directory_at)
            return vml_fail(
                err, VML_EDATA, "vmdk/footer",
                "the footer has the grain directory at sector %llu, where it is at %llu",
                (unsigned long long)h.gd_sector, (unsigned long long)s->directory_at);
    }
    s->footer = true;
    return 0;
}

static int take_marker(struct stream *s, const struct vmdk_marker *m, uint64_t at,
                       struct vml_error *err)
{
    uint64_t expected = m->type == VMDK_GT       ? VMDK_GT_BYTES / VMDK_SECTOR
                        : m->type == VMDK_GD     ? vmdk_gd_sectors(&s->h)
                        : m->type == VMDK_FOOTER ? 1
                                                 : m->value;

    if (m->value != expected || m->type > VMDK_PROGRESS)
        return vml_fail(err, VML_EDATA, "vmdk/marker",
                        "marker of type %u for %llu sectors at offset %llu", m->type,
                        (unsigned long long)m->value, (unsigned long long)at);
    switch (m->type) {
    case VMDK_GT:
        return s->in_front ? skip_to(s, s->pos / VMDK_SECTOR + expected, err) : take_table(s, err);
    case VMDK_GD:
        return take_directory(s, err);
    case VMDK_FOOTER:
        return take_footer(s, err);
    case VMDK_EOS:
        s->eos = true;
        return 0;
    default: /* VMDK_PROGRESS, of some vSphere exports: the marker's sector is all there is */
        return 0;
    }
}

/* Did all come that there is? */
static int check_end(const struct stream *s, struct vml_error *err)
{
    if (!s->in_front && !s->eos)
        return cut_short(s, "no end-of-stream marker", err);
    if (s->h.gd_sector == VMDK_GD_AT_END && !s->footer)
        return vml_fail(err, VML_EDATA, "vmdk/footer", "the stream ended without a footer");
    if (s->in_front && s->seen < s->promised)
        return vml_fail(err, VML_EDATA, "input/truncated",
                        "the input ends at offset %llu after %llu grains; its tables tell of %llu",
                        (unsigned long long)s->pos, (unsigned long long)s->seen,
                        (unsigned long long)s->promised);
    if (s->seen_sum != s->promised_sum)
        return vml_fail(
            err, VML_EDATA, "vmdk/lba-gte",
            "the %llu grains that came are not the %llu that the tables tell of, or not "
            "in their places",
            (unsigned long long)s->seen, (unsigned long long)s->promised);
    return 0;
}

/* Up to the next grain, or the end. */
static int next_grain(struct stream *s, struct vml_error *err)
{
    uint8_t p[VMDK_SECTOR];
    struct vmdk_marker m;
    size_t got;

    while (s->grain.len == 0 && !s->end) {
        uint64_t at = s->pos;

        if (read_some(s, p, sizeof p, &got, err) < 0)
            return -1;
        if (got > 0) {
            memset(p + got, 0, sizeof p - got);
            m = vmdk_marker_parse(p);
            if (got < sizeof p && (m.size == 0 || got < VMDK_MARKER + (uint64_t)m.size))
                return cut_short(s, "inside a marker", err);
            if ((m.size != 0 ? take_grain(s, &m, p, at, err) : take_marker(s, &m, at, err)) < 0)
                return -1;
        }
        if ((got == 0 || s->eos) && check_end(s, err) < 0)
            return -1;
        s->end = got == 0 || s->eos;
    }
    return 0;
}

/* --- the reader ----------------------------------------------------------------------------- */

static int stream_extent(struct vml_reader *r, uint64_t off, struct vml_extent *x,
                         struct vml_error *err)
{
    struct stream *s = (struct stream *)r;

    if (next_grain(s, err) < 0)
        return -1;
    if (s->grain.len != 0 && s->grain.off == off) {
        *x = s->grain; /* and its payload */
        s->grain = (struct vml_extent){ 0 };
        return 0;
    }
    assert(s->grain.len == 0 || s->grain.off > off);
    *x = (struct vml_extent){ .off = off,
                              .len = (s->grain.len != 0 ? s->grain.off : r->size) - off,
                              .kind = VML_HOLE };
    return 0;
}

static int stream_load(struct vml_reader *r, const struct vml_extent *x, uint64_t off, size_t len,
                       void *buf, struct vml_error *err)
{
    const struct stream *s = (struct stream *)r;

    return vmdk_grain_inflate(&s->h, vml_round_down(x->off, s->h.grain), x->payload, x->payload_len,
                              off, len, buf, err);
}

/* Behind the end qemu-img leaves zeroes; the others leave nothing, and what looks for the footer
 * from the end of the file would not find it behind anything else. */
static int stream_end(struct vml_reader *r, struct vml_error *err)
{
    struct stream *s = (struct stream *)r;
    uint8_t buf[8 * VMDK_SECTOR];
    size_t got = 1;

    if (next_grain(s, err) < 0)
        return -1;
    assert(s->end);
    while (got > 0) {
        uint64_t at = s->pos;

        if (read_some(s, buf, sizeof buf, &got, err) < 0)
            return -1;
        if (got > 0 && (s->h.gd_sector == VMDK_GD_AT_END || !vml_is_zero(buf, got)))
            return vml_fail(err, VML_EDATA, "vmdk/footer",
                            "something follows the end-of-stream marker, at offset %llu",
                            (unsigned long long)at);
    }
    return vml_input_unchanged(s->in, err);
}

static void stream_free(struct vml_reader *r)
{
    struct stream *s = (struct stream *)r;

    vml_extent_clear(&s->grain);
    free(s->tables);
    vml_input_free(s->in);
    free(s);
}

static const struct vml_reader_ops stream_ops = {
    .extent = stream_extent,
    .load = stream_load,
    .end = stream_end,
    .free = stream_free,
};

static int stream_fill(struct stream *s, struct vml_error *err)
{
    if (read_all(s, s->header, sizeof s->header, "inside the header", err) < 0 ||
        vmdk_header_parse(&s->h, s->header, err) < 0)
        return -1;
    if ((s->h.flags & VMDK_COMPRESSED) == 0)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/pipe-order",
                        "monolithicSparse keeps its grains in any order: give a file, not a pipe");
    s->in_front = s->h.gd_sector < s->h.overhead_sectors;
    if (s->h.tables > TABLES_MAX)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/pipe-order",
                        "%llu grain tables are too many to keep track of: give a file, not a pipe",
                        (unsigned long long)s->h.tables);
    s->r.size = s->h.size;
    s->r.unit = s->h.grain;
    s->r.codec = VML_CODEC_ZLIB;
    if (s->h.dirty)
        vml_note(&s->r.notes, "vmdk/dirty", "was not closed by the program that wrote it last");
    return read_front(s, err);
}

int vmdk_stream_open(struct vml_reader **out, struct vml_input *in, struct vml_error *err)
{
    struct stream *s = calloc(1, sizeof *s);

    if (s == NULL)
        return vml_fail_nomem(err);
    s->r =
        (struct vml_reader){ .ops = &stream_ops, .format = "vmdk", .subformat = "streamOptimized" };
    s->in = in;
    s->r.stored_size = vml_input_size(in);
    if (stream_fill(s, err) < 0) {
        s->in = NULL; /* stays the caller's */
        vml_notes_clear(&s->r.notes);
        free(s->r.parent_name);
        stream_free(&s->r);
        return -1;
    }
    *out = &s->r;
    return 0;
}
