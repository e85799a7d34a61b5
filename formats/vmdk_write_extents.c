/* Writing disks of several files: a descriptor, and beside it the files with the data.
 *
 *     monolithicFlat        NAME.vmdk  NAME-flat.vmdk                    the disk's bytes
 *     vmfs                  likewise; ESX's spelling of it
 *     twoGbMaxExtentFlat    NAME.vmdk  NAME-f001.vmdk NAME-f002.vmdk ..  2047 MiB of them each
 *     twoGbMaxExtentSparse  NAME.vmdk  NAME-s001.vmdk NAME-s002.vmdk ..  vmdk_write_sparse.c
 *
 * The pieces are VMware's, 4192256 sectors: with the tables of a sparse one still less than 2 GiB.
 * (qemu-img's have 2 GiB of data, and more than 2 GiB with tables.)  All files become visible
 * together (vml_output_sibling). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmdk.h"

#define NAME_MAX_BYTES 255u

struct layout {
    const char *subformat, *type; /* of the extent lines */
    char letter;                  /* NAME-f001.vmdk; 0: one file, NAME-flat.vmdk */
    bool offset;                  /* the line ends with the offset in the file */
    bool sparse;
};
static const struct layout layouts[] = {
    { "monolithicFlat", "FLAT", 0, true, false },
    { "vmfs", "VMFS", 0, false, false }, /* without an offset, as ESX writes it */
    { "twoGbMaxExtentFlat", "FLAT", 'f', true, false },
    { "twoGbMaxExtentSparse", "SPARSE", 's', false, true },
};

struct piece {
    struct vml_output *o; /* a sibling of the descriptor, and freed with it */
    struct vmdk_sparse *sparse;
};

struct extents {
    struct vml_writer w; /* first: this is what core holds */
    const struct layout *layout;
    struct vml_output *o; /* the descriptor */
    uint64_t piece_size;  /* of each but the last, bytes */
    struct piece *pieces;
    size_t n;
};

static uint64_t size_of(const struct extents *e, size_t i)
{
    return vml_min_u64(e->piece_size, e->w.size - i * e->piece_size);
}

/* Which of the files it was. */
static int failed_in(const struct piece *p, struct vml_error *err)
{
    if (err->code != VML_EINTERRUPTED)
        vml_error_prefix(err, "%s", vml_output_name(p->o));
    return -1;
}

/* --- putting --------------------------------------------------------------------------------- */

/* Part of a chunk, inside one piece. */
static int put_part(const struct extents *e, const struct piece *p, const struct vml_chunk *c,
                    uint64_t done, uint64_t off, uint64_t len, struct vml_error *err)
{
    if (e->layout->sparse)
        return c->kind != VML_DATA ? 0
                                   : vmdk_sparse_put(p->sparse, off, c->data + done, (size_t)len,
                                                     c->enc + done / VMDK_GRAIN, err);
    return c->kind != VML_DATA ? vml_output_zero(p->o, off, len, err)
                               : vml_write_sparse(p->o, c->data + done, (size_t)len, off, err);
}

static int extents_put(struct vml_writer *w, const struct vml_chunk *c, struct vml_error *err)
{
    const struct extents *e = (struct extents *)w;

    for (uint64_t done = 0, len; done < c->len; done += len) {
        const struct piece *p = &e->pieces[(c->off + done) / e->piece_size];
        uint64_t off = (c->off + done) % e->piece_size;

        len = vml_min_u64(c->len - done, e->piece_size - off);
        if (put_part(e, p, c, done, off, len, err) < 0)
            return failed_in(p, err);
    }
    return 0;
}

static int extents_finish(struct vml_writer *w, uint64_t size, struct vml_error *err)
{
    struct extents *e = (struct extents *)w;

    (void)size; /* known all along */
    for (size_t i = 0; e->layout->sparse && i < e->n; i++)
        if (vmdk_sparse_end(e->pieces[i].sparse, err) < 0)
            return failed_in(&e->pieces[i], err);
    return vml_output_commit(e->o, err);
}

/* --- creating -------------------------------------------------------------------------------- */

/* Without the output, which a failed create leaves to its caller. */
static void discard(struct extents **e)
{
    if (*e == NULL)
        return;
    for (size_t i = 0; (*e)->pieces != NULL && i < (*e)->n; i++)
        free((*e)->pieces[i].sparse);
    free((*e)->pieces);
    free(*e);
    *e = NULL;
}

static void extents_free(struct vml_writer *w)
{
    struct extents *e = (struct extents *)w;

    vml_output_free(e->o);
    discard(&e);
}

static const struct vml_writer_ops flat_ops = {
    .put = extents_put,
    .finish = extents_finish,
    .free = extents_free,
};
static const struct vml_writer_ops sparse_ops = {
    .encode = vmdk_sparse_map,
    .put = extents_put,
    .finish = extents_finish,
    .free = extents_free,
};

/* What is in front of "-flat.vmdk": the name of the descriptor without ".vmdk". */
static int stem_of(char stem[NAME_MAX_BYTES + 1], const char *path, struct vml_error *err)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    size_t len = strlen(name);

    if (len > 5 && strcasecmp(name + len - 5, ".vmdk") == 0)
        len -= 5;
    if (len == 0 || len > NAME_MAX_BYTES)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/name",
                        "a name of %zu bytes; from 1 to %u are possible", len, NAME_MAX_BYTES);
    memcpy(stem, name, len);
    stem[len] = '\0';
    return vmdk_desc_name(stem, true, err);
}

static int create_piece(struct extents *e, size_t i, const char *name, struct vml_error *err)
{
    struct piece *p = &e->pieces[i];

    if (vml_output_sibling(&p->o, e->o, name, err) < 0)
        return -1;
    if (!e->layout->sparse)
        return vml_output_resize(p->o, size_of(e, i), err) < 0 ? failed_in(p, err) : 0;
    p->sparse = malloc(sizeof *p->sparse);
    if (p->sparse == NULL)
        return vml_fail_nomem(err);
    return vmdk_sparse_begin(p->sparse, p->o, size_of(e, i), NULL, err) < 0 ? failed_in(p, err) : 0;
}

/* The files, and their lines of the descriptor. */
static int create_pieces(struct extents *e, const char *stem, FILE *lines, struct vml_error *err)
{
    for (size_t i = 0; i < e->n; i++) {
        char name[NAME_MAX_BYTES + 32];

        if (e->layout->letter == 0)
            snprintf(name, sizeof name, "%s-flat.vmdk", stem);
        else
            snprintf(name, sizeof name, "%s-%c%03zu.vmdk", stem, e->layout->letter, i + 1);
        if (create_piece(e, i, name, err) < 0)
            return -1;
        fprintf(lines, "RW %llu %s \"%s\"%s\n", (unsigned long long)(size_of(e, i) / VMDK_SECTOR),
                e->layout->type, name, e->layout->offset ? " 0" : "");
    }
    return 0;
}

static int write_descriptor(struct extents *e, const struct vml_create *c, const char *lines,
                            struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = NULL;

    if (vmdk_desc_text(&text, c, "encoding=\"UTF-8\"\n", lines, err) < 0)
        return -1;
    if (strlen(text) > VMDK_DESC_MAX)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/desc-size",
                        "a descriptor of %zu bytes for %zu files; up to %u are read: a shorter "
                        "name, or monolithicFlat",
                        strlen(text), e->n, VMDK_DESC_MAX);
    return vml_output_write(e->o, text, strlen(text), err);
}

static int extents_fill(struct extents *e, const struct vml_create *c, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *lines = NULL;
    char stem[NAME_MAX_BYTES + 1];
    size_t len;
    FILE *f;
    int rc;

    if (stem_of(stem, vml_output_name(e->o), err) < 0)
        return -1;
    e->piece_size = e->layout->letter == 0 ? vml_max_u64(e->w.size, 1) : VMDK_SPLIT;
    e->n = (size_t)vml_max_u64(1, vml_div_up(e->w.size, e->piece_size));
    e->pieces = calloc(e->n, sizeof *e->pieces);
    f = vml_memstream(&lines, &len);
    if (e->pieces == NULL || f == NULL) {
        if (f != NULL)
            fclose(f);
        return vml_fail_nomem(err);
    }
    rc = create_pieces(e, stem, f, err);
    if (fclose(f) != 0 && rc == 0)
        rc = vml_fail_nomem(err);
    return rc < 0 ? -1 : write_descriptor(e, c, lines, err);
}

int vmdk_extents_create(struct vml_writer **out, struct vml_output *o, const struct vml_create *c,
                        struct vml_error *err)
{
    VML_AUTO(discard) struct extents *e = calloc(1, sizeof *e);
    const struct layout *layout = layouts;

    if (e == NULL)
        return vml_fail_nomem(err);
    while (strcmp(layout->subformat, c->subformat) != 0)
        layout++;
    e->layout = layout;
    e->o = o;
    e->w = (struct vml_writer){ .ops = layout->sparse ? &sparse_ops : &flat_ops,
                                .format = "vmdk",
                                .subformat = layout->subformat,
                                .size = c->size,
                                .unit = layout->sparse ? VMDK_GRAIN : VMDK_FLAT_UNIT,
                                .ordered = layout->sparse };
    if (extents_fill(e, c, err) < 0)
        return -1;
    *out = &e->w;
    e = NULL;
    return 0;
}
