/* The facts of a file: the format's own, and of a package those of each disk by the disk's format.
 */
#include <stdlib.h>

#include "vmlift/facts.h"

/* Is it the file that cannot be read, rather than something in our way? */
static bool is_the_file(const struct vml_error *err)
{
    return err->code == VML_EDATA || err->code == VML_EUNSUPPORTED || err->code == VML_EREFUSED;
}

static int gather_disk(struct vml_disk_facts *d, const struct vml_format *format,
                       struct vml_input *in, struct vml_error *err)
{
    if (format->facts != NULL) {
        if (format->facts(in, d, err) == 0 || is_the_file(err))
            return 0;
        return -1;
    }
    d->format = format->name;
    d->size = vml_input_size(in);
    return 0;
}

static int gather_member(struct vml_disk_facts *d, const struct vml_format *const *table,
                         struct vml_package_reader *p, size_t i, struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    const struct vml_format *format;

    if (p->ops->disk(p, i, false, &in, err) < 0 || vml_image_probe(&format, table, in, err) < 0)
        return is_the_file(err) ? 0 : -1;
    return format->package == NULL ? gather_disk(d, format, in, err) : 0;
}

static int gather_members(struct vml_facts *f, const struct vml_format *const *table,
                          const struct vml_format *format, struct vml_input *in,
                          struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *whole = NULL;
    const struct vml_open how = { .look = true };
    struct vml_package_reader *p = NULL;
    int rc = 0;

    if (vml_input_window(&whole, in, vml_input_name(in), 0, vml_input_size(in), err) < 0)
        return -1;
    if (format->package->open(&p, whole, &how, err) < 0)
        return is_the_file(err) ? 0 : -1;
    whole = NULL;
    for (size_t i = 0; rc == 0 && i < f->n_disks && i < p->n_disks; i++)
        if (p->disks[i].file != NULL && !p->disks[i].absent && !f->disks[i].gzip &&
            !f->disks[i].chunked)
            rc = gather_member(&f->disks[i], table, p, i, err);
    p->ops->close(p);
    return rc;
}

int vml_facts_gather(struct vml_facts *f, const struct vml_format *const *table,
                     const struct vml_format *format, struct vml_input *in, struct vml_error *err)
{
    *f = (struct vml_facts){ .format = format->name, .is_package = format->package != NULL };
    if (format->package != NULL) {
        if (format->package->facts == NULL)
            return 0;
        if (format->package->facts(in, f, err) < 0)
            return is_the_file(err) ? 0 : -1;
        return gather_members(f, table, format, in, err);
    }
    f->disks = calloc(1, sizeof *f->disks);
    if (f->disks == NULL)
        return vml_fail_nomem(err);
    f->n_disks = 1;
    f->disks[0].said_capacity = f->disks[0].said_stored = VML_SIZE_UNKNOWN;
    f->disks[0].stored = vml_input_size(in);
    return gather_disk(&f->disks[0], format, in, err);
}

void vml_facts_clear(struct vml_facts *f)
{
    for (size_t i = 0; i < f->n_disks; i++)
        free(f->disks[i].name);
    free(f->disks);
    *f = (struct vml_facts){ 0 };
}
