/* VMDK: how a file was written.  Of a stream the markers tell, from the first grain to the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmdk.h"
#include "vmlift/codec.h"
#include "vmlift/facts.h"

/* --- markers -------------------------------------------------------------------------------- */

struct walk {
    struct vml_input *in;
    const struct vmdk_header *h;
    uint64_t at, file_size;
    uint64_t next; /* the least sector of the disk that keeps the order */
};

/* Does the grain behind the marker, in which the disk ends, inflate to less than a grain? */
static int look_at_last(const struct walk *w, const struct vmdk_marker *m, struct vml_vmdk_facts *f,
                        struct vml_error *err)
{
    size_t end = (size_t)(w->h->size - m->value * VMDK_SECTOR), used;
    VML_AUTO(vml_freep) uint8_t *stored = malloc((size_t)m->size + 1), *grain = malloc(w->h->grain);
    struct vml_error hurt;

    if (stored == NULL || grain == NULL)
        return vml_fail_nomem(err);
    if (vml_input_pread(w->in, stored, m->size, w->at + VMDK_MARKER, err) < 0)
        return -1;
    f->short_grain =
        end < w->h->grain && vml_inflate(stored, m->size, &used, grain, end, &hurt) == 0;
    return 0;
}

static int look_at_grain(struct walk *w, const struct vmdk_marker *m, struct vml_vmdk_facts *f,
                         struct vml_error *err)
{
    f->ordered = f->ordered && m->value >= w->next;
    w->next = m->value + 1;
    if (m->value + w->h->grain / VMDK_SECTOR > w->h->size / VMDK_SECTOR &&
        look_at_last(w, m, f, err) < 0)
        return -1;
    w->at += vml_round_up(VMDK_MARKER + (uint64_t)m->size, VMDK_SECTOR);
    return 0;
}

/* Past a marker that is no grain's, and what it stands for. */
static void look_at_marker(struct walk *w, const struct vmdk_marker *m, struct vml_vmdk_facts *f)
{
    uint64_t behind = m->type == VMDK_GT       ? VMDK_GT_BYTES / VMDK_SECTOR
                      : m->type == VMDK_GD     ? vmdk_gd_sectors(w->h)
                      : m->type == VMDK_FOOTER ? 1
                                               : 0;

    f->eos = m->type == VMDK_EOS;
    w->at += (1 + behind) * VMDK_SECTOR;
}

static int walk(struct vml_input *in, const struct vmdk_header *h, struct vml_vmdk_facts *f,
                struct vml_error *err)
{
    struct walk w = {
        .in = in, .h = h, .at = h->overhead_sectors * VMDK_SECTOR, .file_size = vml_input_size(in)
    };

    f->ordered = true;
    while (!f->eos && w.at + VMDK_SECTOR <= w.file_size) {
        struct vmdk_marker m;
        uint8_t p[16];

        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (vml_input_pread(in, p, sizeof p, w.at, err) < 0)
            return -1;
        m = vmdk_marker_parse(p);
        if (m.size == 0 && m.type <= VMDK_PROGRESS)
            look_at_marker(&w, &m, f);
        else if (vmdk_marker_check(&m, h, w.at, err) < 0 || look_at_grain(&w, &m, f, err) < 0)
            return -1;
    }
    f->trailing = f->eos && w.at < w.file_size ? w.file_size - w.at : 0;
    return 0;
}

/* --- descriptor and header ------------------------------------------------------------------ */

static void take_descriptor(struct vml_disk_facts *f, const struct vmdk_desc *d)
{
    snprintf(f->subformat, sizeof f->subformat, "%s", d->create_type);
    snprintf(f->vmdk.adapter, sizeof f->vmdk.adapter, "%s", d->adapter);
    f->child =
        d->hint != NULL || (d->parent_cid[0] != '\0' && strcmp(d->parent_cid, "ffffffff") != 0);
}

/* *used is the text's length; an area without text is no failure: d stays empty. */
static int read_descriptor(struct vml_input *in, uint64_t off, size_t len, size_t *used,
                           struct vmdk_desc *d, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = calloc(1, len + 1);

    if (text == NULL)
        return vml_fail_nomem(err);
    if (vml_input_pread(in, text, len, off, err) < 0)
        return -1;
    *used = strnlen(text, len);
    return vmdk_desc_empty(text, len) ? 0 : vmdk_desc_parse(d, text, len, err);
}

static int of_text(struct vml_input *in, struct vml_disk_facts *f, struct vml_error *err)
{
    struct vmdk_desc d = { 0 };
    size_t used;
    int rc = read_descriptor(in, 0, (size_t)vml_min_u64(vml_input_size(in), VMDK_DESC_MAX), &used,
                             &d, err);

    if (rc == 0) {
        take_descriptor(f, &d);
        f->size = d.size;
    }
    vmdk_desc_clear(&d);
    return rc;
}

static int of_sparse(struct vml_input *in, struct vml_disk_facts *f, struct vml_error *err)
{
    uint8_t p[VMDK_SECTOR];
    struct vmdk_header h;
    struct vmdk_desc d = { 0 };
    size_t used = 0, area;
    int rc = 0;

    if (vml_input_pread(in, p, sizeof p, 0, err) < 0 || vmdk_header_parse(&h, p, err) < 0)
        return -1;
    area = (size_t)vml_min_u64(h.desc_sectors * VMDK_SECTOR, VMDK_DESC_MAX);
    if (area > 0) {
        rc = read_descriptor(in, h.desc_sector * VMDK_SECTOR, area, &used, &d, err);
        take_descriptor(f, &d);
        vmdk_desc_clear(&d);
    }
    f->size = h.size;
    f->vmdk.sparse = true;
    f->vmdk.version = h.version;
    f->vmdk.compression = (h.flags & VMDK_COMPRESSED) != 0; /* the one that is known */
    f->vmdk.desc_room = area - used;
    f->vmdk.piece = used == 0;
    if (rc < 0 || f->vmdk.compression == 0)
        return rc;
    snprintf(f->subformat, sizeof f->subformat, "streamOptimized");
    return walk(in, &h, &f->vmdk, err);
}

int vmdk_facts(struct vml_input *in, struct vml_disk_facts *f, struct vml_error *err)
{
    enum vmdk_magic magic;
    int rc = 0;

    f->size = VML_SIZE_UNKNOWN;
    if (vmdk_magic(&magic, in, err) < 0)
        return -1;
    if (magic == VMDK_SPARSE)
        rc = of_sparse(in, f, err);
    else if (magic == VMDK_TEXT)
        rc = of_text(in, f, err);
    else if (magic == VMDK_NOTHING)
        rc = vml_fail(err, VML_EDATA, "vmdk/magic", "not a VMDK");
    else /* the descriptor that says more is another file */
        snprintf(f->subformat, sizeof f->subformat, "%s",
                 magic == VMDK_COWD ? "vmfsSparse" : "seSparse");
    if (rc == 0)
        f->format = "vmdk";
    return rc;
}
