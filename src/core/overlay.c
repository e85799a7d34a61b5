/* A child disk over its parent, over its parent's parent ..
 *
 *     child    |data|    hole    |zero|  hole  |       what is no hole, counts
 *     parent   |     data     |   hole    |            else the next below
 *     whole    |    data      |h |zero|  hole  |       below all: zeroes
 *
 * A layer that is smaller than the child ends all below it there: what lies behind its end was
 * zeroes to whoever made the child, whatever its own parent has there.
 *
 * The layers' units may differ, and a run of a child (512 bytes of a VHD's bitmap) may begin and
 * end inside a compressed unit of its parent (64 KiB of a VMDK).  So the overlay's own unit is a
 * sector, its extents say only which layer has the bytes, and load asks that layer as any reader
 * at random does, which looks the run up again and inflates a unit for each part of it that is
 * wanted.  The copy wants nearly all of them whole: its chunks are larger than any unit. */
#include <stdlib.h>
#include <string.h>

#include "core/chain.h"

#define SECTOR 512u

struct overlay {
    struct vml_reader base;
    size_t n;
    struct vml_reader *layers[]; /* the child first */
};

/* The core prefixes the child's name; of a parent, this one goes behind it. */
static int layer_result(const struct overlay *o, size_t i, int rc, struct vml_error *err)
{
    if (rc < 0 && i > 0 && o->layers[i]->name != NULL && err->code != VML_EINTERRUPTED)
        vml_error_prefix(err, "%s", o->layers[i]->name);
    return rc;
}

static int overlay_extent(struct vml_reader *base, uint64_t off, struct vml_extent *x,
                          struct vml_error *err)
{
    struct overlay *o = (struct overlay *)base;
    uint64_t end = base->size;

    *x = (struct vml_extent){ .off = off, .kind = VML_HOLE };
    for (size_t i = 0; x->kind == VML_HOLE && i < o->n && off < o->layers[i]->size; i++) {
        struct vml_extent run;

        if (layer_result(o, i, vml_run_at(o->layers[i], off, &run, err), err) < 0)
            return -1;
        end = vml_min_u64(end, run.off + run.len);
        x->kind = run.kind;
        x->at = i;
    }
    x->len = end - off;
    return 0;
}

static int overlay_load(struct vml_reader *base, const struct vml_extent *x, uint64_t off,
                        size_t len, void *buf, struct vml_error *err)
{
    struct overlay *o = (struct overlay *)base;

    return layer_result(o, x->at, vml_pread(o->layers[x->at], buf, len, off, err), err);
}

static int overlay_end(struct vml_reader *base, struct vml_error *err)
{
    struct overlay *o = (struct overlay *)base;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < o->n; i++)
        if (o->layers[i]->ops->end != NULL)
            rc = layer_result(o, i, o->layers[i]->ops->end(o->layers[i], err), err);
    return rc;
}

static void overlay_free(struct vml_reader *base)
{
    struct overlay *o = (struct overlay *)base;

    for (size_t i = 0; i < o->n; i++)
        vml_reader_free(o->layers[i]);
    free(o);
}

static const struct vml_reader_ops overlay_ops = {
    .extent = overlay_extent, .load = overlay_load, .end = overlay_end, .free = overlay_free
};

/* The child's notes as they are, a parent's with its name. */
static void gather_notes(struct overlay *o)
{
    for (size_t i = 0; i < o->n; i++) {
        const struct vml_reader *r = o->layers[i];

        for (size_t k = 0; k < r->notes.n; k++)
            vml_note(&o->base.notes, r->notes.items[k].slug, "%s%s%s",
                     i > 0 && r->name != NULL ? r->name : "", i > 0 && r->name != NULL ? ": " : "",
                     r->notes.items[k].text);
    }
}

int vml_overlay_open(struct vml_reader **out, struct vml_reader *const *layers, size_t n,
                     struct vml_error *err)
{
    struct overlay *o = calloc(1, sizeof *o + n * sizeof(struct vml_reader *));
    const struct vml_reader *child = layers[0];
    char *name = child->name != NULL ? strdup(child->name) : NULL;
    char *parent = child->parent_name != NULL ? strdup(child->parent_name) : NULL;

    if (o == NULL || (name == NULL && child->name != NULL) ||
        (parent == NULL && child->parent_name != NULL)) {
        free(o);
        free(name);
        free(parent);
        return vml_fail_nomem(err);
    }
    o->base = *child;
    o->base.ops = &overlay_ops;
    o->base.name = name;
    o->base.parent_name = parent;
    o->base.unit = SECTOR;
    o->base.codec = VML_CODEC_NONE; /* its runs are not the layers' units */
    o->base.notes = (struct vml_notes){ 0 };
    o->n = n;
    memcpy(o->layers, layers, n * sizeof(struct vml_reader *));
    gather_notes(o);
    *out = &o->base;
    return 0;
}
