/* VHD: footers and dynamic header, and what they mean.
 *
 * - A fixed disk has no header: what it is stands in its last 512 bytes (511 in those of early
 * Virtual PC), so that looking at its start alone takes it for a raw disk with 512 bytes too many.
 * - The size has two fields, and they differ: see vhd_disk_size.
 * - The footer at the start is a copy for the case that the file's end is lost.  The end is lost
 * when a download stops, too, and then blocks are missing: such a file is refused.  The reverse, a
 * copy that is gone while the end is whole, does no harm.
 */
#include <stdio.h>
#include <string.h>

#include "vhd.h"

#define BLOCK_SIZE_MIN (4u << 10)
#define BLOCK_SIZE_MAX (256u << 20)

static bool has_cookie(const uint8_t *p)
{
    return memcmp(p, "conectix", 8) == 0;
}

static bool sum_is_right(const uint8_t *p)
{
    return be32(p + VHD_FOOTER_SUM) == vhd_sum(p, VHD_FOOTER, VHD_FOOTER_SUM);
}

int vhd_parse_footer(struct vhd_footer *f, const uint8_t *p, uint64_t off, struct vml_error *err)
{
    if (!sum_is_right(p))
        return vml_fail(err, VML_EDATA, "vhd/footer-sum",
                        "the footer at offset %llu has checksum %08x, but its bytes sum to %08x",
                        (unsigned long long)off, be32(p + VHD_FOOTER_SUM),
                        vhd_sum(p, VHD_FOOTER, VHD_FOOTER_SUM));
    *f = (struct vhd_footer){
        .version = be32(p + 12),
        .header_off = be64(p + 16),
        .time = be32(p + 24),
        .original_size = be64(p + 40),
        .current_size = be64(p + 48),
        .cylinders = be16(p + 56),
        .heads = p[58],
        .spt = p[59],
        .type = be32(p + 60),
        .saved = p[84] != 0,
    };
    memcpy(f->creator, p + VHD_CREATOR, sizeof f->creator);
    memcpy(f->uuid, p + 68, sizeof f->uuid);
    if (f->version >> 16 != VHD_VERSION >> 16)
        return vml_fail(err, VML_EUNSUPPORTED, "vhd/version",
                        "the footer at offset %llu has version %08x, not 1.x (%08x)",
                        (unsigned long long)off, f->version, VHD_VERSION);
    if (f->type < VHD_FIXED || f->type > VHD_DIFFERENCING)
        return vml_fail(err, VML_EDATA, "vhd/type",
                        "disk type %u, not 2 (fixed), 3 (dynamic) or 4 (differencing)", f->type);
    return 0;
}

static int parse_header(struct vhd_header *h, const uint8_t *p, uint64_t off, struct vml_error *err)
{
    uint32_t sum = vhd_sum(p, VHD_HEADER, VHD_HEADER_SUM);

    if (memcmp(p, "cxsparse", 8) != 0)
        return vml_fail(err, VML_EDATA, "vhd/header-cookie", "no dynamic header at offset %llu",
                        (unsigned long long)off);
    if (be32(p + VHD_HEADER_SUM) != sum)
        return vml_fail(err, VML_EDATA, "vhd/header-sum",
                        "the dynamic header at offset %llu has checksum %08x, but its bytes sum to "
                        "%08x",
                        (unsigned long long)off, be32(p + VHD_HEADER_SUM), sum);
    *h = (struct vhd_header){
        .table_off = be64(p + 16),
        .version = be32(p + 24),
        .entries = be32(p + 28),
        .block_size = be32(p + 32),
    };
    if (h->version >> 16 != VHD_VERSION >> 16)
        return vml_fail(err, VML_EUNSUPPORTED, "vhd/version",
                        "the dynamic header has version %08x, not 1.x (%08x)", h->version,
                        VHD_VERSION);
    return 0;
}

/* The footer that ends the file: *off is where it starts, UINT64_MAX when there is none.  One of
 * 511 bytes is taken from Virtual PC only, its last byte as the zero that it would be: from anybody
 * else it means that the file is cut short. */
int vhd_read_tail(struct vml_input *in, uint8_t p[VHD_FOOTER], uint64_t *off, struct vml_error *err)
{
    uint64_t size = vml_input_size(in);

    *off = UINT64_MAX;
    if (size < VHD_FOOTER)
        return 0;
    if (vml_input_pread(in, p, VHD_FOOTER, size - VHD_FOOTER, err) < 0)
        return -1;
    if (has_cookie(p)) {
        *off = size - VHD_FOOTER;
    } else if (has_cookie(p + 1) && memcmp(p + 1 + VHD_CREATOR, "vpc ", 4) == 0) {
        memmove(p, p + 1, VHD_FOOTER - 1);
        p[VHD_FOOTER - 1] = 0;
        *off = size - (VHD_FOOTER - 1);
    }
    return 0;
}

static int read_footers(struct vml_input *in, struct vhd_file *f, struct vml_notes *notes,
                        struct vml_error *err)
{
    uint8_t head[VHD_FOOTER], tail[VHD_FOOTER];
    struct vhd_footer copy;

    f->size = vml_input_size(in);
    if (f->size < VHD_FOOTER)
        return vml_fail(err, VML_EDATA, "input/truncated",
                        "%llu bytes, but a VHD's footer alone has %u", (unsigned long long)f->size,
                        VHD_FOOTER);
    if (vhd_read_tail(in, tail, &f->footer_off, err) < 0 ||
        vml_input_pread(in, head, sizeof head, 0, err) < 0)
        return -1;
    if (f->footer_off == UINT64_MAX && !has_cookie(head))
        return vml_fail(err, VML_EDATA, "vhd/cookie",
                        "no footer (\"conectix\") at the start or in the last 512 bytes");
    if (f->footer_off == UINT64_MAX)
        return vml_fail(err, VML_EDATA, "vhd/footer-missing",
                        "no footer in the last 512 bytes of %llu: the file is cut short",
                        (unsigned long long)f->size);
    if (vhd_parse_footer(&f->footer, tail, f->footer_off, err) < 0)
        return -1;
    if (f->footer.type == VHD_FIXED) /* the start belongs to the disk */
        return 0;
    if (!has_cookie(head)) {
        vml_note(notes, "vhd/footer-copy",
                 "the copy of the footer at the start is lost; the one at the end is used");
        return 0;
    }
    if (vhd_parse_footer(&copy, head, 0, err) < 0)
        return -1;
    if (memcmp(head, tail, VHD_FOOTER) != 0)
        return vml_fail(err, VML_EDATA, "vhd/footer-mismatch",
                        "the footers at offsets 0 and %llu differ",
                        (unsigned long long)f->footer_off);
    return 0;
}

int vhd_read_header(struct vml_input *in, struct vhd_file *f, uint8_t p[VHD_HEADER],
                    struct vml_error *err)
{
    uint64_t at = f->footer.header_off, end = f->footer_off, table_len;

    if (at < VHD_FOOTER || at > end || end - at < VHD_HEADER)
        return vml_fail(err, VML_EDATA, "vhd/range",
                        "the dynamic header is said to be at offset %llu; it must lie between %u "
                        "and the footer at %llu",
                        (unsigned long long)at, VHD_FOOTER, (unsigned long long)end);
    if (vml_input_pread(in, p, VHD_HEADER, at, err) < 0)
        return -1;
    if (parse_header(&f->header, p, at, err) < 0)
        return -1;
    table_len = (uint64_t)f->header.entries * 4;
    if (f->header.table_off < VHD_FOOTER || f->header.table_off > end ||
        end - f->header.table_off < table_len ||
        vhd_overlap(f->header.table_off, table_len, at, VHD_HEADER))
        return vml_fail(err, VML_EDATA, "vhd/range",
                        "the block table (%u entries) is said to be at offset %llu, which runs "
                        "into the header at %llu or past the footer at %llu",
                        f->header.entries, (unsigned long long)f->header.table_off,
                        (unsigned long long)at, (unsigned long long)end);
    return 0;
}

/* --- what they mean ------------------------------------------------------------------------- */

static bool created_by(const struct vhd_footer *f, const char *const *names)
{
    for (; *names != NULL; names++)
        if (memcmp(f->creator, *names, sizeof f->creator) == 0)
            return true;
    return false;
}

/* Which of the two sizes the producer's own machine showed its guest.  Virtual PC shows
 * cylinders * heads * sectors, which by the specification's algorithm is up to a cylinder less than
 * the current size; so does qemu, which makes both the same.  Everybody else shows the current
 * size: Hyper-V, disk2vhd, Citrix and Xen (where qemu knows that) and VirtualBox and others (where
 * qemu does not, and cuts their disks).  The geometry's maximum says nothing, and neither does zero
 * (mkimg). */
uint64_t vhd_disk_size(const struct vhd_footer *f, struct vml_notes *notes)
{
    static const char *const shows_geometry[] = { "vpc ", "qemu", NULL };
    static const char *const known[] = { "win ", "qem2", "d2v ", "CTXS", "tap", NULL };
    uint64_t sectors = (uint64_t)f->cylinders * f->heads * f->spt;
    uint64_t geometry = sectors * VHD_SECTOR;
    bool use_geometry = created_by(f, shows_geometry) && geometry < f->current_size;
    char creator[5] = "????";

    if (sectors == 0 || sectors == VHD_CYLINDERS_MAX * VHD_HEADS_MAX * VHD_SPT_MAX ||
        geometry == f->current_size || created_by(f, known))
        return f->current_size;
    for (size_t i = 0; i < sizeof f->creator; i++)
        creator[i] = f->creator[i] >= ' ' && f->creator[i] <= '~' ? f->creator[i] : '?';
    vml_note(
        notes, "vhd/size",
        "the current size is %llu bytes, the geometry %u/%u/%u makes %llu: of creator \"%s\" the "
        "%s is used; other readers may take the other",
        (unsigned long long)f->current_size, f->cylinders, f->heads, f->spt,
        (unsigned long long)geometry, creator, use_geometry ? "geometry" : "current size");
    return use_geometry ? geometry : f->current_size;
}

int vhd_check_size(const struct vhd_file *f, struct vml_error *err)
{
    uint64_t max = f->footer.type == VHD_FIXED ? VML_DISK_MAX : VHD_DYNAMIC_MAX;

    if (f->footer.current_size == 0 || f->footer.current_size > max)
        return vml_fail(err, VML_EDATA, "vhd/size-limit", "a disk of %llu bytes; from 1 to %llu",
                        (unsigned long long)f->footer.current_size, (unsigned long long)max);
    if (f->footer.type == VHD_FIXED && f->footer.current_size > f->footer_off)
        return vml_fail(err, VML_EDATA, "vhd/fixed-size",
                        "a fixed disk of %llu bytes, but only %llu lie before the footer",
                        (unsigned long long)f->footer.current_size,
                        (unsigned long long)f->footer_off);
    return 0;
}

/* The footer's checksum holds its size, and nothing holds the file's: tools leave room. */
void vhd_note_room(const struct vhd_file *f, struct vml_notes *notes)
{
    if (f->footer.type == VHD_FIXED && f->footer.current_size < f->footer_off)
        vml_note(
            notes, "vhd/fixed-size",
            "%llu bytes between the end of the disk (%llu) and the footer at %llu are not part "
            "of the disk",
            (unsigned long long)(f->footer_off - f->footer.current_size),
            (unsigned long long)f->footer.current_size, (unsigned long long)f->footer_off);
}

int vhd_check_header(const struct vhd_file *f, struct vml_error *err)
{
    const struct vhd_header *h = &f->header;
    uint64_t need;

    if (h->block_size < BLOCK_SIZE_MIN || h->block_size > BLOCK_SIZE_MAX ||
        (h->block_size & (h->block_size - 1)) != 0)
        return vml_fail(err, VML_EDATA, "vhd/block-size",
                        "blocks of %u bytes, not a power of two from %u to %u", h->block_size,
                        BLOCK_SIZE_MIN, BLOCK_SIZE_MAX);
    need = vml_div_up(f->footer.current_size, h->block_size);
    if (h->entries < need)
        return vml_fail(err, VML_EDATA, "vhd/bat-size",
                        "%u entries in the block table, but a disk of %llu bytes has %llu blocks",
                        h->entries, (unsigned long long)f->footer.current_size,
                        (unsigned long long)need);
    return 0;
}

int vml_vhd_parse(struct vhd_file *f, struct vml_input *in, struct vml_notes *notes,
                  struct vml_error *err)
{
    uint8_t header[VHD_HEADER];

    if (read_footers(in, f, notes, err) < 0 || vhd_check_size(f, err) < 0)
        return -1;
    if (f->footer.type != VHD_FIXED) {
        if (vhd_read_header(in, f, header, err) < 0 || vhd_check_header(f, err) < 0)
            return -1;
    }
    f->disk_size = vhd_disk_size(&f->footer, notes);
    vhd_note_room(f, notes);
    if (f->footer.saved)
        vml_note(notes, "vhd/saved",
                 "the footer says that a suspended machine uses this disk: its memory may hold "
                 "writes that the disk lacks");
    return 0;
}

/* --- probing -------------------------------------------------------------------------------- */

/* A cookie with a wrong checksum still claims the file, and so does a part of a footer, or a
 * dynamic header that lost both of them: that it is damaged is said by open, rather than its tables
 * being copied as part of a raw disk. */
static int claim(const uint8_t *p)
{
    return !has_cookie(p) ? 0 : sum_is_right(p) ? 100 : 70;
}

static int claim_head(const uint8_t *p, size_t have)
{
    if (have >= VHD_FOOTER && has_cookie(p))
        return claim(p);
    if (have >= 8 && has_cookie(p))
        return 70;
    return have >= VHD_FOOTER + 8 && memcmp(p + VHD_FOOTER, "cxsparse", 8) == 0 ? 60 : 0;
}

/* A footer that is whole but for its cookie: the sum comes out right with the cookie in its place.
 */
static bool lost_cookie(const uint8_t *p)
{
    uint8_t whole[VHD_FOOTER];

    memcpy(whole, p, sizeof whole);
    memcpy(whole, "conectix", 8);
    return !has_cookie(p) && sum_is_right(whole);
}

int vml_vhd_probe(struct vml_input *in, struct vml_error *err)
{
    uint8_t tail[VHD_FOOTER];
    const void *head;
    uint64_t off = UINT64_MAX;
    size_t have;
    int first, last = 0;

    if (vml_input_peek(in, VHD_FOOTER + 8, &head, &have, err) < 0)
        return -1;
    first = claim_head(head, have);
    if (!vml_input_can_seek(in))
        return first;
    if (vhd_read_tail(in, tail, &off, err) < 0)
        return -1;
    if (off != UINT64_MAX)
        last = claim(tail);
    else if (vml_input_size(in) >= VHD_FOOTER && lost_cookie(tail))
        last = 60;
    return first > last ? first : last;
}
