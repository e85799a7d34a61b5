/* Opening a disk together with its parents.
 *
 * A child names its parent, and whoever made the file chose the name: it is followed only when the
 * user says so, and only beneath the folder that the child is in.  What the user names himself is
 * opened wherever it is. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/chain.h"

#define CHAIN_MAX 64u /* disks in a chain; VMware allows 32 snapshots */

struct chain {
    const struct vml_format *const *table;
    const struct vml_parents *parents;
    struct vml_input *in; /* the last layer's */
    size_t files_used;
    struct vml_reader *layers[CHAIN_MAX];
    size_t n;
};

static void chain_clear(struct chain *c)
{
    while (c->n > 0)
        vml_reader_free(c->layers[--c->n]);
}

static int refuse_child(const struct vml_reader *child, const char *why, struct vml_error *err)
{
    bool named = child->parent_name[0] != '\0';

    return vml_fail(err, VML_EUNSUPPORTED, "image/parent",
                    "%s: holds only what differs from its parent, %s%s%s; %s", child->name,
                    named ? "'" : "which it does not name", named ? child->parent_name : "",
                    named ? "'" : "", why);
}

/* The file of the parent of `child`, the last layer. */
static int find_parent(struct chain *c, const struct vml_reader *child, struct vml_input **out,
                       struct vml_error *err)
{
    if (c->files_used < c->parents->n_files)
        return vml_input_open(out, c->parents->files[c->files_used++], err);
    if (!c->parents->follow)
        return refuse_child(child,
                            "--parent FILE names it, and --follow-parents finds it beside the "
                            "child",
                            err);
    if (child->parent_name[0] == '\0')
        return refuse_child(child, "--parent FILE names it", err);
    if (vml_input_sibling(out, c->in, child->parent_name, err) < 0) {
        if (err->code != VML_EINTERRUPTED)
            vml_error_prefix(err, "%s: its parent", child->name);
        return -1;
    }
    return 0;
}

/* A parent that was written to after the child was made, or another disk altogether, would give a
 * mixture of the two. */
static int check_id(const struct vml_reader *child, const struct vml_reader *parent,
                    struct vml_error *err)
{
    if (child->parent_id[0] == '\0' || strcasecmp(child->parent_id, parent->id) == 0)
        return 0;
    return vml_fail(err, VML_EDATA, "image/parent-id",
                    "%s: its parent has the ID %s, and %s has %s: it is another disk, or was "
                    "changed since",
                    child->name, child->parent_id, parent->name,
                    parent->id[0] != '\0' ? parent->id : "none");
}

/* A raw disk is whatever its guest wrote there, a header of another format too: a child that can
 * say that its parent is raw must do so. */
static int check_format(const struct vml_reader *child, const struct vml_reader *parent,
                        struct vml_error *err)
{
    if (!child->parent_not_raw || strcmp(parent->format, "raw") != 0)
        return 0;
    return vml_fail(err, VML_EUNSUPPORTED, "image/parent-format",
                    "%s: does not say which format its parent has, and %s has the marks of none; "
                    "qemu-img rebase -u -b NAME -F raw writes it down",
                    child->name, parent->name);
}

static int add_parent(struct chain *c, struct vml_error *err)
{
    const struct vml_reader *child = c->layers[c->n - 1];
    const char *format = child->parent_format[0] != '\0' ? child->parent_format : NULL;
    struct vml_input *in = NULL;

    if (c->parents == NULL)
        return refuse_child(child, "inside a package it cannot have one", err);
    if (!child->can_seek)
        return refuse_child(child, "from a pipe it cannot be read together with it: give a file",
                            err);
    if (c->n == CHAIN_MAX)
        return vml_fail(err, VML_EDATA, "image/parent-loop",
                        "%s: the parents go on past %u generations; do they name each other?",
                        c->layers[0]->name, CHAIN_MAX);
    if (find_parent(c, child, &in, err) < 0)
        return -1;
    c->in = in; /* the reader keeps it */
    if (vml_image_open_alone(&c->layers[c->n], c->table, in, format, format == NULL, err) < 0)
        return -1;
    c->n++;
    if (!c->layers[c->n - 1]->can_seek)
        return refuse_child(child, "a parent cannot be read from a pipe", err);
    if (check_id(child, c->layers[c->n - 1], err) < 0)
        return -1;
    return check_format(child, c->layers[c->n - 1], err);
}

/* parents is NULL for a member of a package. */
static int open_chain(struct vml_reader **out, const struct vml_format *const *table,
                      struct vml_input *in, const char *format, const struct vml_parents *parents,
                      struct vml_error *err)
{
    VML_AUTO(chain_clear)
    struct chain c = { .table = table, .parents = parents, .in = in };

    if (vml_image_open_alone(&c.layers[0], table, in, format, parents != NULL, err) < 0)
        return -1;
    c.n = 1;
    while (c.layers[c.n - 1]->parent_name != NULL && (parents == NULL || !parents->alone))
        if (add_parent(&c, err) < 0)
            return -1;
    if (parents != NULL && !parents->alone && c.files_used < parents->n_files)
        return vml_fail(err, VML_EUSAGE, "image/parent-unused",
                        "%s: is given as a parent, but %s is whole without it",
                        parents->files[c.files_used], c.layers[c.n - 1]->name);
    if (c.n == 1)
        *out = c.layers[0];
    else if (vml_overlay_open(out, c.layers, c.n, err) < 0)
        return -1;
    c.n = 0; /* *out has them */
    return 0;
}

int vml_image_open_chain(struct vml_reader **out, const struct vml_format *const *table,
                         struct vml_input *in, const char *format,
                         const struct vml_parents *parents, struct vml_error *err)
{
    return open_chain(out, table, in, format, parents, err);
}

int vml_image_open(struct vml_reader **out, const struct vml_format *const *table,
                   struct vml_input *in, const char *format, struct vml_error *err)
{
    static const struct vml_parents none = { 0 };

    return open_chain(out, table, in, format, &none, err);
}

int vml_image_open_member(struct vml_reader **out, const struct vml_format *const *table,
                          struct vml_input *in, const char *format, struct vml_error *err)
{
    return open_chain(out, table, in, format, NULL, err);
}

int vml_image_open_over(struct vml_reader **out, const struct vml_format *const *table,
                        struct vml_input *in, const char *format, struct vml_reader *parent,
                        struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *below = parent;
    VML_AUTO(vml_reader_freep) struct vml_reader *child = NULL;

    if (vml_image_open_alone(&child, table, in, format, false, err) < 0)
        return -1;
    struct vml_reader *layers[] = { child, below };
    if (vml_overlay_open(out, layers, 2, err) < 0)
        return -1;
    child = below = NULL; /* *out has them */
    return 0;
}
