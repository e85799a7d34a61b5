/* All that is wrong with a disk of several files: its descriptor, its files, and the tables in
 * them. */
#include <string.h>

#include "findings.h"
#include "vmdk_extents.h"

struct in_file {
    const struct findings *to;
    const char *name;
    unsigned faults;
};

static void tell_in_file(void *arg, enum vml_level level, const char *slug, const char *text)
{
    struct in_file *f = arg;

    if (level == VML_NOTE && strcmp(slug, "vmdk/subformat") == 0)
        return; /* that it is a piece of a disk is known here */
    f->faults += level == VML_FAULT;
    findings_add(f->to, level, slug, "%s: %s", f->name, text);
}

/* The tables of a sparse piece. */
static int check_inside(const struct extents *e, const struct piece *p,
                        const struct vmdk_piece *line, struct in_file *f, struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    struct vml_error ignored; /* why it does not open is told already */
    enum vmdk_magic magic;

    if (extents_type(line, &ignored) != TYPE_SPARSE || p->name == NULL ||
        extents_open_named(e, line, p, &in, &ignored) < 0)
        return 0;
    if (vmdk_magic(&magic, in, err) < 0)
        return -1;
    if (magic == VMDK_SPARSE)
        return vmdk_check(in, tell_in_file, f, err) < 0 ? extents_failed_in(p, err) : 0;
    if (magic == VMDK_COWD || magic == VMDK_SESPARSE)
        findings_add(f->to, VML_NOTE, "vmdk/subformat", "%s: ESX's tables are not checked",
                     p->name);
    return 0;
}

static int check_piece(struct extents *e, size_t i, const struct vmdk_piece *line,
                       const struct findings *to, struct vml_error *err)
{
    struct in_file f = { .to = to };
    struct vml_error why;
    int rc = extents_open_piece(e, i, line, &why);

    if (rc < 0 && why.code != VML_EDATA && why.code != VML_ENOTFOUND && why.code != VML_EREFUSED) {
        *err = why;
        return -1;
    }
    f.name = e->pieces[i].name;
    if (check_inside(e, &e->pieces[i], line, &f, err) < 0)
        return -1;
    if (rc < 0 && f.faults == 0) /* else that is what it is about */
        findings_add(to, VML_FAULT, why.slug, "%s", why.text);
    return 0;
}

static int check_all(struct extents *e, const struct findings *to, struct vml_error *err)
{
    VML_AUTO(vmdk_desc_clear) struct vmdk_desc d = { 0 };

    if (extents_open_text(e, &d, err) < 0)
        return findings_error(to, err);
    findings_notes(to, VML_NOTE, &e->r.notes);
    for (size_t i = 0; i < d.n_pieces; i++) {
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (check_piece(e, i, &d.pieces[i], to, err) < 0)
            return -1;
    }
    return 0;
}

int vmdk_extents_check(struct vml_input *in, const struct findings *to, struct vml_error *err)
{
    struct extents *e = extents_new(in);
    int rc;

    if (e == NULL)
        return vml_fail_nomem(err);
    rc = check_all(e, to, err);
    extents_discard(e);
    return rc;
}
