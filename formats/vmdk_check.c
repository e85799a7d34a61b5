/* VMDK: what is wrong with a sparse file, all of it.
 *
 * The tables are walked twice: first directories and tables take their places in the file and are
 * held against their redundant copies, then the grains take theirs.  A bit for each sector of the
 * file (1/4096 of its size) tells when two want the same one.
 *
 * A streamOptimized file is walked a third time, from marker to marker: the only way to find grains
 * that no table has, and a directory when the footer is lost. */
#include <stdlib.h>
#include <string.h>

#include "findings.h"
#include "vmdk.h"
#include "vmlift/endian.h"

#define GT_SECTORS (VMDK_GT_BYTES / VMDK_SECTOR)

struct check {
    struct findings to;
    struct vml_input *in;
    struct vmdk_header h;
    uint8_t header[VMDK_SECTOR];
    uint64_t file_size, sectors;
    uint8_t *used;              /* a bit for each sector */
    uint64_t walked, promised;  /* grains: met by their markers, told of by the tables */
    uint64_t directory, footer; /* sectors: behind their markers; 0: not met */
    uint64_t walk_ended;        /* offset */
    bool walk_whole, compressed;
    uint8_t *stored, *grain; /* of a compressed grain */
};

/* One grain directory and its place in the file; read a page at a time. */
struct directory {
    const char *name;
    uint64_t sector, first; /* number of the page's first entry; UINT64_MAX: none was read */
    bool usable;
    uint8_t page[VMDK_GT_BYTES];
};

static bool in_file(const struct check *c, uint64_t sector, uint64_t bytes)
{
    return sector <= c->sectors && bytes <= c->file_size - sector * VMDK_SECTOR;
}

/* Takes the sectors, which are in the file; false when some were taken before. */
static bool take(struct check *c, uint64_t sector, uint64_t n)
{
    bool free = true;

    for (uint64_t i = sector; i < sector + n; i++) {
        free = free && (c->used[i / 8] >> i % 8 & 1) == 0;
        c->used[i / 8] = (uint8_t)(c->used[i / 8] | 1u << i % 8);
    }
    return free;
}

static int took(const struct check *c, int rc, const struct vml_error *err)
{
    return rc < 0 ? findings_error(&c->to, err) : 0;
}

/* --- header, footer, descriptor ------------------------------------------------------------- */

/* The last three sectors: footer marker, footer, end-of-stream marker.  Leaves c->h.gd_sector at
 * VMDK_GD_AT_END when there is no telling. */
static int check_footer(struct check *c, struct vml_error *err)
{
    uint8_t p[3 * VMDK_SECTOR];
    struct vmdk_marker m;

    if (c->file_size < VMDK_SECTOR + sizeof p) {
        findings_add(&c->to, VML_FAULT, "input/truncated",
                     "the header points to a footer, but the file has only %llu bytes",
                     (unsigned long long)c->file_size);
        return 0;
    }
    if (vml_input_pread(c->in, p, sizeof p, c->file_size - sizeof p, err) < 0)
        return -1;
    m = vmdk_marker_parse(p + 2 * (size_t)VMDK_SECTOR);
    if (c->file_size % VMDK_SECTOR != 0 || m.value != 0 || m.size != 0 || m.type != VMDK_EOS)
        findings_add(&c->to, VML_FAULT, "input/truncated",
                     "no end-of-stream marker at the end of the file (%llu bytes)",
                     (unsigned long long)c->file_size);
    m = vmdk_marker_parse(p);
    if (m.value != 1 || m.size != 0 || m.type != VMDK_FOOTER)
        findings_add(&c->to, VML_FAULT, "vmdk/footer", "no footer in front of the last sector");
    else if (took(c, vmdk_footer_parse(&c->h, c->header, p + VMDK_SECTOR, err), err) < 0)
        return -1;
    return 0;
}

static int check_descriptor(struct check *c, struct vml_error *err)
{
    size_t len = (size_t)vml_min_u64(c->h.desc_sectors * VMDK_SECTOR, VMDK_DESC_MAX);
    VML_AUTO(vml_freep) char *text = calloc(1, VMDK_DESC_MAX);
    struct vml_reader says = { 0 }; /* what an open would have learnt */
    int rc;

    if (text == NULL)
        return vml_fail_nomem(err);
    if (!in_file(c, c->h.desc_sector, c->h.desc_sectors * VMDK_SECTOR)) {
        findings_add(&c->to, VML_FAULT, "vmdk/desc-range",
                     "descriptor of %llu sectors at sector %llu, past the file's %llu",
                     (unsigned long long)c->h.desc_sectors, (unsigned long long)c->h.desc_sector,
                     (unsigned long long)c->sectors);
        return 0;
    }
    if (len > 0 && vml_input_pread(c->in, text, len, c->h.desc_sector * VMDK_SECTOR, err) < 0)
        return -1;
    take(c, c->h.desc_sector, c->h.desc_sectors);
    rc = took(c, vmdk_desc_check(text, len, &c->h, &says, err), err);
    if (rc < 0 && err->code == VML_EUNSUPPORTED) { /* a piece of a disk: no damage */
        findings_add(&c->to, VML_NOTE, err->slug, "%s", err->text);
        rc = 0;
    }
    findings_notes(&c->to, VML_WARNING, &says.notes);
    vml_notes_clear(&says.notes);
    free(says.parent_name);
    return rc;
}

/* --- markers, from the first grain on -------------------------------------------------------- */

/* Sectors behind a marker that is no grain's. */
static int walk_marker(struct check *c, const struct vmdk_marker *m, uint64_t at, uint64_t *skip)
{
    uint64_t behind = at / VMDK_SECTOR + 1;

    *skip = m->type == VMDK_GT       ? GT_SECTORS
            : m->type == VMDK_GD     ? vmdk_gd_sectors(&c->h)
            : m->type == VMDK_FOOTER ? 1
                                     : 0;
    if (m->type > VMDK_PROGRESS || (m->type <= VMDK_FOOTER && m->value != *skip)) {
        findings_add(&c->to, VML_FAULT, "vmdk/marker",
                     "marker of type %u for %llu sectors at offset %llu; what follows is not "
                     "walked",
                     m->type, (unsigned long long)m->value, (unsigned long long)at);
        return -1;
    }
    if (m->type == VMDK_GD)
        c->directory = behind;
    if (m->type == VMDK_FOOTER)
        c->footer = behind;
    return 0;
}

/* What stands behind the end of the stream; qemu-img leaves zeroes. */
static int walk_rest(struct check *c, bool at_end, uint64_t at, struct vml_error *err)
{
    uint8_t p[16 * VMDK_SECTOR];

    for (uint64_t pos = at; pos < c->file_size;) {
        size_t n = (size_t)vml_min_u64(sizeof p, c->file_size - pos);

        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (vml_input_pread(c->in, p, n, pos, err) < 0)
            return -1;
        if (at_end || !vml_is_zero(p, n)) {
            findings_add(&c->to, VML_FAULT, "vmdk/footer",
                         "something follows the end-of-stream marker, at offset %llu",
                         (unsigned long long)pos);
            return 0;
        }
        pos += n;
    }
    return 0;
}

static int walk(struct check *c, bool at_end, struct vml_error *err)
{
    uint64_t at = c->h.overhead_sectors * VMDK_SECTOR, next = 0;
    bool eos = false, in_order = true;

    while (!eos && at < c->file_size) {
        struct vmdk_marker m;
        uint8_t p[16] = { 0 };
        uint64_t skip = 0, left = c->file_size - at;

        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (vml_input_pread(c->in, p, (size_t)vml_min_u64(sizeof p, left), at, err) < 0)
            return -1;
        m = vmdk_marker_parse(p);
        if (m.size == 0) {
            eos = m.value == 0 && m.type == VMDK_EOS;
            if (walk_marker(c, &m, at, &skip) < 0)
                return 0;
            at += (1 + skip) * VMDK_SECTOR;
            continue;
        }
        if (vmdk_marker_check(&m, &c->h, at, err) < 0) {
            findings_error(&c->to, err);
            if (strcmp(err->slug, "vmdk/marker-size") == 0)
                return 0; /* and there is no telling where the next one is */
        } else {
            in_order = in_order && m.value >= next;
            next = m.value + 1;
        }
        c->walked++;
        if (left < VMDK_MARKER + (uint64_t)m.size)
            findings_add(&c->to, VML_FAULT, "input/truncated",
                         "the grain at offset %llu has %u bytes, but the file ends at %llu",
                         (unsigned long long)at, m.size, (unsigned long long)c->file_size);
        at += vml_round_up(VMDK_MARKER + (uint64_t)m.size, VMDK_SECTOR);
    }
    if (!in_order)
        findings_add(&c->to, VML_NOTE, "vmdk/pipe-order",
                     "the grains are not in the order of the disk: it cannot be read from a pipe");
    if (at_end && !eos)
        findings_add(&c->to, VML_FAULT, "input/truncated",
                     "the markers end at offset %llu without an end-of-stream marker",
                     (unsigned long long)at);
    c->walk_whole = true;
    return eos ? walk_rest(c, at_end, at, err) : 0;
}

/* --- directories and tables ------------------------------------------------------------------ */

static void place_directory(struct check *c, struct directory *d, uint64_t sector, const char *name)
{
    *d = (struct directory){ .name = name, .sector = sector, .first = UINT64_MAX };
    if (!in_file(c, sector, c->h.tables * 4)) {
        findings_add(&c->to, VML_FAULT, "vmdk/gd-range",
                     "%s at sector %llu: %llu entries are not inside the file's %llu sectors", name,
                     (unsigned long long)sector, (unsigned long long)c->h.tables,
                     (unsigned long long)c->sectors);
        return;
    }
    d->usable = true;
    if (!take(c, sector, vml_min_u64(vmdk_gd_sectors(&c->h), c->sectors - sector)))
        findings_add(&c->to, VML_FAULT, "vmdk/gd-range",
                     "%s at sector %llu lies on top of the header, the descriptor or another one",
                     name, (unsigned long long)sector);
}

static int directory_entry(const struct check *c, struct directory *d, uint64_t i, uint32_t *entry,
                           struct vml_error *err)
{
    uint64_t first = i - i % VMDK_GTES;

    if (d->first != first) {
        size_t n = (size_t)vml_min_u64(VMDK_GTES, c->h.tables - first);

        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (vml_input_pread(c->in, d->page, n * 4, d->sector * VMDK_SECTOR + first * 4, err) < 0)
            return -1;
        d->first = first;
    }
    *entry = le32(d->page + i % VMDK_GTES * 4);
    return 0;
}

/* Table i of a directory into p; *got is false where there is none, or none that is in the file.
 * tell: the first time. */
static int table_read(struct check *c, struct directory *d, uint64_t i, uint8_t p[VMDK_GT_BYTES],
                      bool tell, bool *got, uint32_t *sector, struct vml_error *err)
{
    *got = false;
    if (directory_entry(c, d, i, sector, err) < 0)
        return -1;
    if (*sector == 0)
        return 0;
    *got = in_file(c, *sector, VMDK_GT_BYTES);
    if (!*got) {
        if (tell)
            findings_add(&c->to, VML_FAULT, "vmdk/gt-range",
                         "%s: table %llu at sector %u is not inside the file's %llu sectors",
                         d->name, (unsigned long long)i, *sector, (unsigned long long)c->sectors);
        return 0;
    }
    if (tell && !take(c, *sector, GT_SECTORS))
        findings_add(&c->to, VML_FAULT, "vmdk/gt-overlap",
                     "%s: table %llu at sector %u lies on top of another part of the file", d->name,
                     (unsigned long long)i, *sector);
    return vml_input_pread(c->in, p, VMDK_GT_BYTES, (uint64_t)*sector * VMDK_SECTOR, err);
}

/* The first time through the tables: their places and their copies. */
static int check_tables(struct check *c, struct directory *gd, struct directory *rgd,
                        struct vml_error *err)
{
    uint8_t table[VMDK_GT_BYTES], copy[VMDK_GT_BYTES];

    for (uint64_t i = 0; i < c->h.tables; i++) {
        uint32_t sector = 0, twin = 0;
        bool got = false, got_copy = false;

        if (gd->usable && table_read(c, gd, i, table, true, &got, &sector, err) < 0)
            return -1;
        if (!rgd->usable || directory_entry(c, rgd, i, &twin, err) < 0) {
            if (rgd->usable)
                return -1;
            continue;
        }
        if (gd->usable && twin == sector) /* one table in both directories */
            continue;
        if (table_read(c, rgd, i, copy, true, &got_copy, &twin, err) < 0)
            return -1;
        if (!gd->usable || (sector != 0 && !got) || (twin != 0 && !got_copy))
            continue; /* that is told already */
        if (!got)
            memset(table, 0, sizeof table);
        if (!got_copy)
            memset(copy, 0, sizeof copy);
        if (memcmp(table, copy, sizeof table) != 0)
            findings_add(&c->to, VML_FAULT, "vmdk/gd-mismatch",
                         "grain table %llu at sector %u differs from its redundant copy at sector "
                         "%u",
                         (unsigned long long)i, sector, twin);
    }
    return 0;
}

/* --- grains ---------------------------------------------------------------------------------- */

/* A compressed grain: its marker, and every byte of it. *bytes gets what it takes in the file. */
static int check_compressed(struct check *c, uint64_t grain, uint64_t sector, uint64_t *bytes,
                            struct vml_error *err)
{
    uint64_t at = sector * VMDK_SECTOR, lba = grain * (c->h.grain / VMDK_SECTOR);
    struct vmdk_marker m;

    *bytes = 0;
    if (!in_file(c, sector, 16)) {
        findings_add(&c->to, VML_FAULT, "input/truncated",
                     "grain %llu: the file ends inside its marker at offset %llu",
                     (unsigned long long)grain, (unsigned long long)at);
        return 0;
    }
    if (vml_input_pread(c->in, c->stored, 16, at, err) < 0)
        return -1;
    m = vmdk_marker_parse(c->stored);
    if (m.value != lba) {
        findings_add(&c->to, VML_FAULT, "vmdk/lba-gte",
                     "the table has sector %llu of the disk at offset %llu, where the marker says "
                     "%llu",
                     (unsigned long long)lba, (unsigned long long)at, (unsigned long long)m.value);
        return 0;
    }
    if (vmdk_marker_check(&m, &c->h, at, err) < 0)
        return took(c, -1, err);
    *bytes = VMDK_MARKER + (uint64_t)m.size;
    if (!in_file(c, sector, *bytes)) {
        findings_add(&c->to, VML_FAULT, "input/truncated",
                     "grain %llu: needs %llu bytes at offset %llu, but the file ends at %llu",
                     (unsigned long long)grain, (unsigned long long)*bytes, (unsigned long long)at,
                     (unsigned long long)c->file_size);
        *bytes = 0;
        return 0;
    }
    if (vml_input_pread(c->in, c->stored, m.size, at + VMDK_MARKER, err) < 0)
        return -1;
    return took(c,
                vmdk_grain_inflate(&c->h, grain * c->h.grain, c->stored, m.size, grain * c->h.grain,
                                   c->h.grain, c->grain, err),
                err);
}

static int check_grain(struct check *c, uint64_t grain, uint32_t sector, struct vml_error *err)
{
    uint64_t bytes = vml_min_u64(c->h.grain, c->h.size - grain * c->h.grain);

    if (!in_file(c, sector, 1)) {
        findings_add(&c->to, VML_FAULT, "vmdk/grain-range",
                     "grain %llu: sector %u is past the end of the file (%llu sectors)",
                     (unsigned long long)grain, sector, (unsigned long long)c->sectors);
        return 0;
    }
    if (sector < c->h.overhead_sectors) {
        findings_add(&c->to, VML_FAULT, "vmdk/grain-overlap",
                     "grain %llu: sector %u belongs to the file's own tables",
                     (unsigned long long)grain, sector);
        return 0;
    }
    if (c->compressed) {
        if (check_compressed(c, grain, sector, &bytes, err) < 0)
            return -1;
    } else if (!in_file(c, sector, bytes)) {
        findings_add(&c->to, VML_FAULT, "input/truncated",
                     "grain %llu: needs %llu bytes at offset %llu, but the file ends at %llu",
                     (unsigned long long)grain, (unsigned long long)bytes,
                     (unsigned long long)sector * VMDK_SECTOR, (unsigned long long)c->file_size);
        return 0;
    }
    if (bytes > 0 && !take(c, sector, vml_div_up(bytes, VMDK_SECTOR)))
        findings_add(&c->to, VML_FAULT, "vmdk/grain-overlap",
                     "grain %llu at sector %u lies on top of another grain or of a table",
                     (unsigned long long)grain, sector);
    return 0;
}

static int check_entries(struct check *c, uint64_t number, const uint8_t table[VMDK_GT_BYTES],
                         struct vml_error *err)
{
    for (unsigned i = 0; i < VMDK_GTES; i++) {
        uint64_t grain = number * VMDK_GTES + i;
        uint32_t e = le32(table + i * 4);

        if (e == 0)
            continue;
        if (grain >= c->h.grains) {
            findings_add(&c->to, VML_WARNING, "vmdk/grain-range",
                         "grain %llu is used, and the disk ends before it",
                         (unsigned long long)grain);
            continue;
        }
        if (e == VMDK_GTE_ZERO) {
            if ((c->h.flags & VMDK_ZERO_GTE) == 0)
                findings_add(&c->to, VML_FAULT, "vmdk/zero-gte",
                             "grain %llu is marked as zeroes, but the header's flag for such "
                             "grains is not set",
                             (unsigned long long)grain);
            continue;
        }
        c->promised++;
        if (check_grain(c, grain, e, err) < 0)
            return -1;
    }
    return 0;
}

/* The second time: the grains of the directory that can be used. */
static int check_grains(struct check *c, struct directory *d, struct vml_error *err)
{
    uint8_t table[VMDK_GT_BYTES];

    for (uint64_t i = 0; i < c->h.tables; i++) {
        uint32_t sector;
        bool got;

        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (table_read(c, d, i, table, false, &got, &sector, err) < 0 ||
            (got && check_entries(c, i, table, err) < 0))
            return -1;
    }
    return 0;
}

/* --- all of it ------------------------------------------------------------------------------- */

static int allocate(struct check *c, struct vml_error *err)
{
    c->used = calloc(c->sectors / 8 + 1, 1);
    if (c->used == NULL)
        return vml_fail_nomem(err);
    if (!c->compressed)
        return 0;
    c->stored = malloc(2 * (size_t)c->h.grain);
    c->grain = malloc(c->h.grain);
    return c->stored != NULL && c->grain != NULL ? 0 : vml_fail_nomem(err);
}

/* Which directory leads on: the header's or footer's, else the one that the walk met. */
static void choose_directory(struct check *c)
{
    if (c->h.gd_sector == VMDK_GD_AT_END && c->directory != 0) {
        c->h.gd_sector = c->directory;
        findings_add(&c->to, VML_NOTE, "vmdk/footer",
                     "the grain directory behind the marker at sector %llu is used",
                     (unsigned long long)(c->directory - 1));
    } else if (c->directory != 0 && c->h.gd_sector >= c->h.overhead_sectors &&
               c->h.gd_sector != c->directory) {
        findings_add(&c->to, VML_FAULT, "vmdk/footer",
                     "the grain directory is said to be at sector %llu, where it is at %llu",
                     (unsigned long long)c->h.gd_sector, (unsigned long long)c->directory);
    }
}

static int check_disk(struct check *c, struct vml_error *err)
{
    struct directory gd = { .usable = false }, rgd = { .usable = false };
    bool at_end = c->h.gd_sector == VMDK_GD_AT_END;

    if (allocate(c, err) < 0)
        return -1;
    take(c, 0, 1);
    if (c->h.dirty)
        findings_add(&c->to, VML_WARNING, "vmdk/dirty",
                     "was not closed by the program that wrote it last");
    if (c->h.overhead_sectors > c->sectors)
        findings_add(&c->to, VML_FAULT, "input/truncated",
                     "the tables end at sector %llu, but the file has %llu sectors",
                     (unsigned long long)c->h.overhead_sectors, (unsigned long long)c->sectors);
    if ((at_end && check_footer(c, err) < 0) || check_descriptor(c, err) < 0 ||
        (c->compressed && walk(c, at_end, err) < 0))
        return -1;
    choose_directory(c);
    if (c->h.gd_sector != VMDK_GD_AT_END)
        place_directory(c, &gd, c->h.gd_sector, "grain directory");
    if (vmdk_has_rgd(&c->h))
        place_directory(c, &rgd, c->h.rgd_sector, "redundant grain directory");
    if (!gd.usable && !rgd.usable)
        return 0;
    if (check_tables(c, &gd, &rgd, err) < 0 || check_grains(c, gd.usable ? &gd : &rgd, err) < 0)
        return -1;
    if (c->compressed && c->walk_whole && c->walked != c->promised)
        findings_add(&c->to, VML_FAULT, "vmdk/lba-gte",
                     "%llu grains are in the file, and the tables tell of %llu",
                     (unsigned long long)c->walked, (unsigned long long)c->promised);
    return 0;
}

int vmdk_check(struct vml_input *in, vml_finding *tell, void *arg, struct vml_error *err)
{
    struct check c = { .to = { tell, arg }, .in = in };
    enum vmdk_magic magic;
    int rc;

    c.file_size = vml_input_size(in);
    c.sectors = c.file_size / VMDK_SECTOR;
    if (vml_input_pread(in, c.header, (size_t)vml_min_u64(sizeof c.header, c.file_size), 0, err) <
        0)
        return -1;
    if (vmdk_magic(&magic, in, err) < 0)
        return -1;
    if (magic == VMDK_TEXT)
        return vmdk_extents_check(in, &c.to, err);
    if (magic == VMDK_COWD || magic == VMDK_SESPARSE)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/subformat",
                        "ESX's redo logs (COWD, seSparse) are not checked");
    if (c.sectors == 0) {
        findings_add(&c.to, VML_FAULT, "input/truncated",
                     "%llu bytes, but a VMDK's header alone has %u",
                     (unsigned long long)c.file_size, VMDK_SECTOR);
        return 0;
    }
    if (vmdk_header_parse(&c.h, c.header, err) < 0)
        return took(&c, -1, err);
    c.compressed = (c.h.flags & VMDK_COMPRESSED) != 0;
    rc = check_disk(&c, err);
    free(c.used);
    free(c.stored);
    free(c.grain);
    return rc;
}
