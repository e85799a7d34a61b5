/* A disk of several files: the descriptor in a file of its own, its data in those it names.
 *
 *     RW     4192256 SPARSE "disk-s001.vmdk"    |  files beside the descriptor, each with a piece
 *     RW     4192256 SPARSE "disk-s002.vmdk"    |  of the disk, in this order
 *     RDONLY 2048    FLAT   "disk-f003.vmdk" 16 |  bytes as they are, from sector 16 on
 *     RW     4096    ZERO                       |  no file
 *
 * The names come from a text that anyone may have written: only a plain file beside the descriptor
 * is opened (vml_input_sibling), whatever is asked for; qemu-img gives away /etc/passwd here.  A
 * name's bytes are tried as they stand, then, if there is no such file, in UTF-8.  qemu-img also
 * skips ZERO and RDONLY, so that what follows moves forward. */
#include "vmdk_extents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- reading -------------------------------------------------------------------------------- */

static const struct piece *piece_of(const struct extents *e, uint64_t off)
{
    size_t low = 0, high = e->n;

    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;

        if (e->pieces[mid].start <= off)
            low = mid;
        else
            high = mid;
    }
    return &e->pieces[low];
}

int extents_failed_in(const struct piece *p, struct vml_error *err)
{
    if (err->code != VML_EINTERRUPTED)
        vml_error_prefix(err, "%s", p->name);
    return -1;
}

static int flat_extent(const struct extents *e, const struct piece *p, uint64_t off,
                       struct vml_extent *x, struct vml_error *err)
{
    uint64_t end = 0;
    bool hole = false;

    if (vml_input_run(p->in, p->at + (off - p->start), &hole, &end, err) < 0)
        return extents_failed_in(p, err);
    x->at = p->at + (off - p->start);
    x->len = end - x->at;
    x->kind = VML_DATA;
    /* A child's flat file hides its parent also where the file system keeps nothing of it. */
    if (hole)
        x->kind = e->r.parent_name != NULL ? VML_ZERO : VML_HOLE;
    return 0;
}

static int extents_extent(struct vml_reader *r, uint64_t off, struct vml_extent *x,
                          struct vml_error *err)
{
    const struct extents *e = (struct extents *)r;
    const struct piece *p = piece_of(e, off);
    uint64_t left = p->size - (off - p->start);

    *x = (struct vml_extent){ .kind = VML_ZERO, .len = left };
    if (p->in != NULL && flat_extent(e, p, off, x, err) < 0)
        return -1;
    if (p->disk != NULL && vml_extent_at(p->disk, off - p->start, x, err) < 0)
        return extents_failed_in(p, err);
    x->off = off;
    x->len = vml_min_u64(x->len, left);
    return 0;
}

static int extents_load(struct vml_reader *r, const struct vml_extent *x, uint64_t off, size_t len,
                        void *buf, struct vml_error *err)
{
    const struct piece *p = piece_of((struct extents *)r, x->off);
    struct vml_extent inner = *x;

    inner.off -= p->start;
    if ((p->in != NULL ? vml_input_pread(p->in, buf, len, x->at + (off - x->off), err)
                       : p->disk->ops->load(p->disk, &inner, off - p->start, len, buf, err)) < 0)
        return extents_failed_in(p, err);
    return 0;
}

static int extents_end(struct vml_reader *r, struct vml_error *err)
{
    const struct extents *e = (struct extents *)r;

    for (size_t i = 0; i < e->n; i++) {
        const struct piece *p = &e->pieces[i];

        if ((p->in != NULL && vml_input_unchanged(p->in, err) < 0) ||
            (p->disk != NULL && p->disk->ops->end(p->disk, err) < 0))
            return extents_failed_in(p, err);
    }
    return vml_input_unchanged(e->in, err);
}

static void extents_free(struct vml_reader *r)
{
    struct extents *e = (struct extents *)r;

    for (size_t i = 0; i < e->n; i++) {
        vml_input_free(e->pieces[i].in);
        vml_reader_free(e->pieces[i].disk);
        free(e->pieces[i].name);
    }
    free(e->pieces);
    vml_input_free(e->in);
    free(e);
}

static const struct vml_reader_ops extents_ops = {
    .extent = extents_extent,
    .load = extents_load,
    .end = extents_end,
    .free = extents_free,
};

/* --- what the descriptor asks for ----------------------------------------------------------- */

static const struct {
    const char *name, *subformat;
} create_types[] = {
    { "monolithicFlat", "monolithicFlat" },
    { "monolithicSparse", "monolithicSparse" }, /* its text taken out */
    { "twoGbMaxExtentSparse", "twoGbMaxExtentSparse" },
    { "2GbMaxExtentSparse", "twoGbMaxExtentSparse" },
    { "twoGbMaxExtentFlat", "twoGbMaxExtentFlat" },
    { "2GbMaxExtentFlat", "twoGbMaxExtentFlat" },
    { "vmfs", "vmfs" },
    { "vmfsThin", "vmfs" },
    { "vmfsPreallocated", "vmfs" },
    { "vmfsEagerZeroedThick", "vmfs" },
    { "vmfsSparse", "vmfsSparse" },
    { "seSparse", "seSparse" },
    { "vmfsSeSparse", "seSparse" },
    { "custom", "custom" },
};
static const char *const devices[] = {
    "fullDevice",       "partitionedDevice",          "vmfsRaw", "vmfsRDM", "vmfsRDMP",
    "vmfsRawDeviceMap", "vmfsPassthroughRawDeviceMap"
};

static int find_subformat(struct vml_reader *r, const char *type, struct vml_error *err)
{
    for (size_t i = 0; i < sizeof create_types / sizeof create_types[0]; i++)
        if (strcasecmp(type, create_types[i].name) == 0) {
            r->subformat = create_types[i].subformat;
            return 0;
        }
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++)
        if (strcasecmp(type, devices[i]) == 0)
            return vml_fail(err, VML_EUNSUPPORTED, "vmdk/extent-type",
                            "%s: the data is on a device of the machine that made this, not in "
                            "files",
                            type);
    return vml_fail(err, VML_EUNSUPPORTED, "vmdk/subformat",
                    "'%s' is not known as a disk of several files", type);
}

int extents_type(const struct vmdk_piece *line, struct vml_error *err)
{
    static const struct {
        const char *name;
        int type;
    } types[] = {
        { "FLAT", TYPE_FLAT },         { "VMFS", TYPE_FLAT },       { "SPARSE", TYPE_SPARSE },
        { "VMFSSPARSE", TYPE_SPARSE }, { "SESPARSE", TYPE_SPARSE }, { "ZERO", TYPE_ZERO },
    };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcasecmp(line->type, types[i].name) == 0)
            return types[i].type;
    return vml_fail(err, VML_EUNSUPPORTED, "vmdk/extent-type",
                    "descriptor line %u: an extent of type '%s' is not read", line->line,
                    line->type);
}

static int check_line(const struct vmdk_piece *line, int type, struct vml_error *err)
{
    if (line->no_access)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/no-access",
                        "descriptor line %u: %llu bytes of the disk are not to be read (NOACCESS)",
                        line->line, (unsigned long long)line->size);
    if (line->size == 0)
        return vml_fail(err, VML_EDATA, "vmdk/extent-size",
                        "descriptor line %u: an extent of 0 sectors", line->line);
    if (type != TYPE_FLAT && line->offset != 0)
        return vml_fail(err, VML_EDATA, "vmdk/extent-size",
                        "descriptor line %u: an extent of type %s has no offset", line->line,
                        line->type);
    return 0;
}

/* The size of all files together: a file that several lines name counts once. */
static void count_file(struct extents *e, size_t i, const struct vml_input *in)
{
    for (size_t k = 0; k < i; k++)
        if (e->pieces[k].name != NULL && strcmp(e->pieces[k].name, e->pieces[i].name) == 0)
            return;
    e->r.stored_size += vml_input_size(in);
}

int extents_open_named(const struct extents *e, const struct vmdk_piece *line,
                       const struct piece *p, struct vml_input **in, struct vml_error *err)
{
    /* A backslash is looked for among characters, not bytes. */
    bool plain = line->file[0] != '\0' && strpbrk(p->name, "\\%") == NULL;
    struct vml_error cause;

    if (plain && vml_input_sibling(in, e->in, line->file, &cause) == 0)
        return 0;
    if (plain && strcmp(cause.slug, "io/not-found") == 0 && strcmp(p->name, line->file) != 0 &&
        vml_input_sibling(in, e->in, p->name, &cause) == 0)
        return 0;
    if (!plain || strcmp(cause.slug, "input/outside") == 0)
        return vml_fail(err, VML_EREFUSED, "vmdk/extent-path",
                        "descriptor line %u names '%s': only a plain file beside the descriptor is "
                        "opened",
                        line->line, p->name);
    if (strcmp(cause.slug, "input/no-folder") == 0)
        return vml_fail(err, VML_EUNSUPPORTED, "input/no-folder",
                        "is only the description of a disk whose data is in other files (%zu; the "
                        "first is '%s'), and here, in a package or a pipe, there is no file beside "
                        "it",
                        e->n, p->name);
    if (strcmp(cause.slug, "io/not-found") == 0)
        return vml_fail(err, VML_ENOTFOUND, "io/not-found",
                        "the descriptor (line %u) needs '%s' beside it, with %llu bytes of the "
                        "disk: there is no such file",
                        line->line, p->name, (unsigned long long)line->size);
    return vml_fail(err, cause.code, cause.slug, "%s", cause.text);
}

/* --- opening -------------------------------------------------------------------------------- */

static int open_flat(struct piece *p, const struct vmdk_piece *line, struct vml_input **in,
                     struct vml_error *err)
{
    uint64_t have = vml_input_size(*in);

    if (have < line->offset || have - line->offset < line->size)
        return vml_fail(err, VML_EDATA, "input/truncated",
                        "%llu bytes from offset %llu are the disk's (descriptor line %u), but the "
                        "file ends at %llu",
                        (unsigned long long)line->size, (unsigned long long)line->offset,
                        line->line, (unsigned long long)have);
    p->at = line->offset;
    p->in = *in;
    *in = NULL;
    return 0;
}

static int open_sparse(struct piece *p, const struct vmdk_piece *line, enum vmdk_magic magic,
                       struct vml_input **in, struct vml_error *err)
{
    int rc;

    switch (magic) {
    case VMDK_SPARSE:
        rc = vmdk_sparse_open(&p->disk, *in, true, err);
        break;
    case VMDK_COWD:
        rc = vmdk_cowd_open(&p->disk, *in, err);
        break;
    case VMDK_SESPARSE:
        rc = vmdk_sesparse_open(&p->disk, *in, err);
        break;
    default:
        return vml_fail(err, VML_EDATA, "vmdk/magic",
                        "descriptor line %u: the file is not of type %s", line->line, line->type);
    }
    if (rc < 0)
        return -1;
    *in = NULL;
    /* VirtualBox rounds what the file holds up to a grain. */
    if (p->disk->size < line->size || p->disk->size - line->size >= VMDK_GRAIN)
        return vml_fail(err, VML_EDATA, "vmdk/extent-size",
                        "descriptor line %u says %llu bytes, and the file's own header %llu",
                        line->line, (unsigned long long)line->size,
                        (unsigned long long)p->disk->size);
    return 0;
}

static int open_file(struct extents *e, const struct vmdk_piece *line, int type, struct piece *p,
                     struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    enum vmdk_magic magic;
    int rc;

    if (vmdk_name_utf8(&p->name, line->file, e->encoding, err) < 0)
        return -1;
    if (extents_open_named(e, line, p, &in, err) < 0)
        return -1;
    count_file(e, (size_t)(p - e->pieces), in);
    if (vmdk_magic(&magic, in, err) < 0)
        return extents_failed_in(p, err);
    if (magic == VMDK_TEXT && line->offset == 0)
        rc = vml_fail(err, VML_EDATA, "vmdk/nested",
                      "is a descriptor again, where data should be (descriptor line %u)",
                      line->line);
    else
        rc = type == TYPE_FLAT ? open_flat(p, line, &in, err)
                               : open_sparse(p, line, magic, &in, err);
    return rc < 0 ? extents_failed_in(p, err) : 0;
}

int extents_open_piece(struct extents *e, size_t i, const struct vmdk_piece *line,
                       struct vml_error *err)
{
    struct piece *p = &e->pieces[i];
    int type = extents_type(line, err);

    p->start = e->r.size;
    p->size = line->size;
    e->r.size += line->size;
    if (type < 0 || check_line(line, type, err) < 0)
        return -1;
    if (type != TYPE_ZERO && open_file(e, line, type, p, err) < 0)
        return -1;
    for (size_t k = 0; p->disk != NULL && k < p->disk->notes.n; k++)
        vml_note(&e->r.notes, p->disk->notes.items[k].slug, "%s: %s", p->name,
                 p->disk->notes.items[k].text);
    return 0;
}

static int read_text(struct vmdk_desc *d, struct vml_input *in, struct vml_error *err)
{
    const void *p;
    const char *text;
    size_t have, len;

    if (vml_input_size(in) != VML_SIZE_UNKNOWN && vml_input_size(in) > VMDK_DESC_MAX)
        return vml_fail(err, VML_EDATA, "vmdk/desc-size",
                        "a descriptor of %llu bytes; up to %u are read",
                        (unsigned long long)vml_input_size(in), VMDK_DESC_MAX);
    if (vml_input_peek(in, VMDK_DESC_MAX, &p, &have, err) < 0)
        return -1;
    text = p;
    len = strnlen(text, have);
    if (!vml_is_zero(text + len, have - len))
        return vml_fail(err, VML_EDATA, "vmdk/desc-line",
                        "the descriptor goes on after a NUL at offset %zu", len);
    return vmdk_desc_parse(d, text, len, err);
}

/* Cut between two extents a descriptor is a shorter disk, as good as any, but for the disk data
 * base: VMware, VirtualBox and qemu-img all write it behind the extents.  Where nearly every disk
 * has several extents that is an error; a lone one written by hand does without. */
static int check_end(struct extents *e, const struct vmdk_desc *d, struct vml_error *err)
{
    if (d->ended)
        return 0;
    if (strncmp(e->r.subformat, "twoGb", 5) == 0)
        return vml_fail(err, VML_EDATA, "vmdk/desc-end",
                        "the %s descriptor has no disk data base (ddb.*) behind its %zu extents: "
                        "it may have been cut, and extents with it",
                        d->create_type, d->n_pieces);
    vml_note(&e->r.notes, "vmdk/desc-end",
             "the descriptor has no disk data base (ddb.*) behind its extents (%zu): if it was "
             "cut, some may be missing",
             d->n_pieces);
    return 0;
}

int extents_open_text(struct extents *e, struct vmdk_desc *d, struct vml_error *err)
{
    if (read_text(d, e->in, err) < 0 || find_subformat(&e->r, d->create_type, err) < 0)
        return -1;
    if (d->size == 0 || d->size > VML_DISK_MAX)
        return vml_fail(err, VML_EDATA, "vmdk/extent-size",
                        "the descriptor's %zu extents make a disk of %llu bytes; from 1 to %llu",
                        d->n_pieces, (unsigned long long)d->size, (unsigned long long)VML_DISK_MAX);
    if (check_end(e, d, err) < 0 || vmdk_desc_parent(d, &e->r, err) < 0)
        return -1;
    e->pieces = calloc(d->n_pieces, sizeof *e->pieces);
    if (e->pieces == NULL)
        return vml_fail_nomem(err);
    e->n = d->n_pieces;
    snprintf(e->encoding, sizeof e->encoding, "%s", d->encoding);
    return 0;
}

struct extents *extents_new(struct vml_input *in)
{
    struct extents *e = calloc(1, sizeof *e);

    if (e == NULL)
        return NULL;
    e->r = (struct vml_reader){ .ops = &extents_ops,
                                .format = "vmdk",
                                .unit = VMDK_SECTOR,
                                .can_seek = true,
                                .stored_size = vml_input_size(in) };
    e->in = in;
    return e;
}

void extents_discard(struct extents *e)
{
    e->in = NULL;
    vml_notes_clear(&e->r.notes);
    free(e->r.parent_name);
    extents_free(&e->r);
}

static int extents_fill(struct extents *e, struct vml_error *err)
{
    VML_AUTO(vmdk_desc_clear) struct vmdk_desc d = { 0 };

    if (extents_open_text(e, &d, err) < 0)
        return -1;
    for (size_t i = 0; i < d.n_pieces; i++)
        if (extents_open_piece(e, i, &d.pieces[i], err) < 0)
            return -1;
    return 0;
}

int vmdk_extents_open(struct vml_reader **out, struct vml_input *in, struct vml_error *err)
{
    struct extents *e = extents_new(in);

    if (e == NULL)
        return vml_fail_nomem(err);
    if (extents_fill(e, err) < 0) {
        extents_discard(e);
        return -1;
    }
    *out = &e->r;
    return 0;
}
