/* VHD: what is wrong with a file, all of it.  The layout is drawn in vhd.h.
 *
 * Where one footer is lost the other one leads on; without a header there is no table. */
#include <stdlib.h>
#include <string.h>

#include "findings.h"
#include "vhd.h"

enum { ENTRIES = 4096 };       /* of the table, read at a time */
#define STARTS_MAX (16u << 20) /* 64 MiB of them */

struct check {
    struct findings to;
    struct vml_input *in;
    struct vhd_file f;
    uint64_t stride;   /* bytes of a block with its bitmap */
    uint64_t n_starts; /* the file in strides: which block starts in each, by its sector and 1 */
    uint32_t *starts;
};

static int took(const struct check *c, int rc, const struct vml_error *err)
{
    return rc < 0 ? findings_error(&c->to, err) : 0;
}

/* --- footers -------------------------------------------------------------------------------- */

static bool has_cookie(const uint8_t *p)
{
    return memcmp(p, "conectix", 8) == 0;
}

/* A footer into c->f: the one at the end, else the copy.  *usable: is there any? */
static int check_footers(struct check *c, bool *usable, struct vml_error *err)
{
    uint8_t head[VHD_FOOTER], tail[VHD_FOOTER];
    struct vhd_footer copy;
    bool have_tail, have_copy = false;

    *usable = false;
    c->f.size = vml_input_size(c->in);
    if (c->f.size < VHD_FOOTER) {
        findings_add(&c->to, VML_FAULT, "input/truncated",
                     "%llu bytes, but a VHD's footer alone has %u", (unsigned long long)c->f.size,
                     VHD_FOOTER);
        return 0;
    }
    if (vhd_read_tail(c->in, tail, &c->f.footer_off, err) < 0 ||
        vml_input_pread(c->in, head, sizeof head, 0, err) < 0)
        return -1;
    have_tail = c->f.footer_off != UINT64_MAX;
    if (!have_tail && !has_cookie(head)) {
        findings_add(&c->to, VML_FAULT, "vhd/cookie",
                     "no footer (\"conectix\") at the start or in the last 512 bytes");
        return 0;
    }
    if (!have_tail) {
        findings_add(&c->to, VML_FAULT, "vhd/footer-missing",
                     "no footer in the last 512 bytes of %llu: the file is cut short",
                     (unsigned long long)c->f.size);
        c->f.footer_off = c->f.size;
    } else if (vhd_parse_footer(&c->f.footer, tail, c->f.footer_off, err) == 0) {
        *usable = true;
    } else if (findings_error(&c->to, err) < 0) {
        return -1;
    }
    if (*usable && c->f.footer.type == VHD_FIXED) /* the start belongs to the disk */
        return 0;
    if (!has_cookie(head)) {
        if (*usable)
            findings_add(&c->to, VML_WARNING, "vhd/footer-copy",
                         "the copy of the footer at the start is lost");
        return 0;
    }
    if (vhd_parse_footer(&copy, head, 0, err) == 0)
        have_copy = true;
    else if (findings_error(&c->to, err) < 0)
        return -1;
    if (*usable && have_copy && memcmp(head, tail, VHD_FOOTER) != 0)
        findings_add(&c->to, VML_FAULT, "vhd/footer-mismatch",
                     "the footers at offsets 0 and %llu differ",
                     (unsigned long long)c->f.footer_off);
    if (!*usable && have_copy) {
        c->f.footer = copy;
        *usable = true;
    }
    return 0;
}

/* --- the block table ------------------------------------------------------------------------ */

static void check_overlap(struct check *c, uint64_t block, uint32_t entry)
{
    uint64_t at = (uint64_t)entry * VHD_SECTOR, k = at / c->stride;

    if (c->starts == NULL || k >= c->n_starts)
        return;
    for (uint64_t i = k > 0 ? k - 1 : 0; i <= k + 1 && i < c->n_starts; i++) {
        uint64_t other = ((uint64_t)c->starts[i] - 1) * VHD_SECTOR;

        if (c->starts[i] != 0 && vhd_overlap(at, c->stride, other, c->stride))
            findings_add(&c->to, VML_FAULT, "vhd/bat-dup",
                         "block %llu at offset %llu shares bytes with the one at offset %llu",
                         (unsigned long long)block, (unsigned long long)at,
                         (unsigned long long)other);
    }
    if (c->starts[k] == 0)
        c->starts[k] = entry + 1;
}

static void check_entry(struct check *c, uint64_t block, uint32_t entry)
{
    const struct vhd_file *f = &c->f;
    uint64_t start = block * f->header.block_size, at = (uint64_t)entry * VHD_SECTOR, len;

    if (entry == VHD_NO_BLOCK)
        return;
    if (start >= f->footer.current_size) {
        findings_add(&c->to, VML_WARNING, "vhd/bat-range",
                     "entry %llu of the block table is used, and the disk ends before that block",
                     (unsigned long long)block);
        return;
    }
    /* of the last block no more than the disk has of it: some writers end the file there */
    len = c->stride - f->header.block_size +
          vml_min_u64(f->header.block_size, f->footer.current_size - start);
    if (at < VHD_FOOTER || vhd_overlap(at, len, f->footer.header_off, VHD_HEADER) ||
        vhd_overlap(at, len, f->header.table_off, (uint64_t)f->header.entries * 4))
        findings_add(&c->to, VML_FAULT, "vhd/bat-range",
                     "block %llu is said to be at offset %llu, inside the header or the table",
                     (unsigned long long)block, (unsigned long long)at);
    else if (at > f->footer_off || f->footer_off - at < len)
        findings_add(&c->to, VML_FAULT, "vhd/bat-range",
                     "block %llu is said to take %llu bytes at offset %llu, past the footer at "
                     "%llu",
                     (unsigned long long)block, (unsigned long long)len, (unsigned long long)at,
                     (unsigned long long)f->footer_off);
    else
        check_overlap(c, block, entry);
}

static int check_table(struct check *c, struct vml_error *err)
{
    const struct vhd_header *h = &c->f.header;
    uint8_t entries[ENTRIES * 4];

    c->stride = (uint64_t)vhd_bitmap_size(h->block_size) + h->block_size;
    c->n_starts = c->f.size / c->stride + 1;
    if (c->n_starts <= STARTS_MAX) {
        c->starts = calloc(c->n_starts, sizeof *c->starts);
        if (c->starts == NULL)
            return vml_fail_nomem(err);
    } else {
        findings_add(&c->to, VML_NOTE, "vhd/bat-dup",
                     "blocks of %u bytes are too many to be held against each other",
                     h->block_size);
    }
    for (uint64_t i = 0; i < h->entries; i++) {
        if (i % ENTRIES == 0) {
            if (vml_interrupted())
                return vml_fail_interrupted(err);
            if (vml_input_pread(c->in, entries, vml_min_u64(ENTRIES, h->entries - i) * 4,
                                h->table_off + i * 4, err) < 0)
                return -1;
        }
        check_entry(c, i, be32(entries + i % ENTRIES * 4));
    }
    return 0;
}

static int check_dynamic(struct check *c, struct vml_error *err)
{
    uint8_t header[VHD_HEADER];

    if (vhd_read_header(c->in, &c->f, header, err) < 0 || vhd_check_header(&c->f, err) < 0)
        return took(c, -1, err);
    return check_table(c, err);
}

static int check_all(struct check *c, struct vml_error *err)
{
    struct vml_notes notes = { 0 };
    bool usable;

    if (check_footers(c, &usable, err) < 0)
        return -1;
    if (!usable)
        return 0;
    if (vhd_check_size(&c->f, err) < 0)
        return took(c, -1, err);
    vhd_disk_size(&c->f.footer, &notes);
    vhd_note_room(&c->f, &notes);
    findings_notes(&c->to, VML_NOTE, &notes);
    vml_notes_clear(&notes);
    if (c->f.footer.saved)
        findings_add(&c->to, VML_WARNING, "vhd/saved",
                     "the footer says that a suspended machine uses this disk");
    return c->f.footer.type == VHD_FIXED ? 0 : check_dynamic(c, err);
}

int vml_vhd_check(struct vml_input *in, vml_finding *tell, void *arg, struct vml_error *err)
{
    struct check c = { .to = { tell, arg }, .in = in };
    int rc = check_all(&c, err);

    free(c.starts);
    return rc;
}
