#include "disks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"

void disks_clear(struct disks *d)
{
    vml_package_out_free(d->to);
    vml_package_free(d->from);
    vml_notes_clear(&d->notes);
    json_decref(d->list);
}

int disks_choose(struct disks *d, const char *src, unsigned disk, const struct vml_format *to,
                 struct vml_error *err)
{
    size_t n = vml_package_count(d->from);

    d->n = n;
    if (disk > n)
        return vml_fail(err, VML_EUSAGE, "usage/disk", "%s: there is no disk %u, only %zu", src,
                        disk, n);
    if (disk > 0) {
        d->first = disk - 1;
        d->n = 1;
    } else if (n > 1 && to->package == NULL) {
        return vml_fail(err, VML_EUNSUPPORTED, "package/one-disk",
                        "%s: holds %zu disks and %s takes one: pick it with --disk N, or write an "
                        "OVA",
                        src, n, to->name);
    }
    return 0;
}

/* Nothing becomes visible before this. */
static int check_source(void *arg, struct vml_error *err)
{
    struct disks *d = arg;

    return vml_package_verify(d->from, err);
}

/* Disk i to be read: in one pass with the manifest where the order of storage allows that. */
static int source_disk(struct disks *d, size_t i, struct vml_reader **out, struct vml_error *err)
{
    size_t at;

    if (d->read != NULL)
        return d->read(d->arg, i, out, err);
    for (;;) {
        if (vml_package_next(d->from, &at, out, err) < 0)
            return -1;
        if (*out == NULL || at == i)
            break;
        if (!d->seekable && at > i && at < d->first + d->n)
            return vml_fail(err, VML_EUNSUPPORTED, "convert/disk-order",
                            "%s: disk %zu comes before disk %zu, and the result needs them in "
                            "order: give a file, not a pipe",
                            (*out)->name, at + 1, i + 1);
        vml_reader_freep(out);
    }
    return *out != NULL ? 0 : vml_package_reader(d->from, i, out, err);
}

/* The size of disk i before it is read: its own where it can be asked, else the description's. */
static int disk_size(const struct disks *d, size_t i, uint64_t *size, struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;

    *size = vml_package_disk(d->from, i)->capacity;
    if (!d->seekable)
        return 0;
    if ((d->read != NULL ? d->read(d->arg, i, &r, err) : vml_package_reader(d->from, i, &r, err)) <
        0)
        return -1;
    *size = r->size;
    return 0;
}

/* --repack promises that what is compressed stays as it is. */
static int check_passed_on(const struct vml_reader *r, const struct vml_writer *w,
                           struct vml_error *err)
{
    if (r->codec != VML_CODEC_NONE && r->codec == w->codec && r->unit == w->unit)
        return 0;
    return vml_fail(err, VML_EUNSUPPORTED, "convert/repack",
                    "%s: is a %s %s, which an OVA cannot take as it is stored; without --repack it "
                    "is converted",
                    r->name, r->format, r->subformat);
}

static void add_disk(struct disks *d, const struct vml_writer *w, uint64_t size)
{
    json_array_append_new(
        d->list,
        json_pack("{s:s, s:s, s:o, s:I, s:I, s:I}", "format", w->format, "subformat", w->subformat,
                  "virtual_size", json_size(size), "data", (json_int_t)d->copy.bytes.data, "zero",
                  (json_int_t)d->copy.bytes.zero, "hole", (json_int_t)d->copy.bytes.hole));
}

/* Disk k of the result. */
static int copy_disk(struct disks *d, size_t k, struct vml_reader *r, uint64_t size,
                     struct vml_error *err)
{
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;

    if (r->size != size)
        return vml_fail(err, VML_EDATA, "convert/capacity",
                        "%s: has %" PRIu64 " bytes, and the machine's description says %" PRIu64,
                        r->name, r->size, size);
    if (vml_package_add(d->to, k, &w, err) < 0 || (d->repack && check_passed_on(r, w, err) < 0))
        return -1;
    if (!d->machine) { /* this one's finish is all there is */
        struct vml_writer *plain = w;
        w = NULL;
        if (vml_writer_guard(&w, plain, check_source, d, err) < 0)
            return -1;
    }
    if (vml_copy(r, w, &d->copy, err) < 0)
        return -1;
    for (size_t i = 0; i < r->notes.n; i++)
        vml_note(&d->notes, r->notes.items[i].slug, "%s", r->notes.items[i].text);
    add_disk(d, w, size);
    return 0;
}

/* A machine's disks without a file stay so; anything else is a disk that is written.  *lead is the
 * first of these, opened, or NULL. */
static int plan_disks(struct disks *d, struct vml_new_disk *disks, struct vml_reader **lead,
                      struct vml_error *err)
{
    size_t first = d->n;

    for (size_t k = d->n; k-- > 0;) {
        const struct vml_disk *disk = vml_package_disk(d->from, d->first + k);

        disks[k].empty = d->machine && disk->file == NULL;
        memcpy(disks[k].controller, disk->controller, sizeof disks[k].controller);
        if (disks[k].empty)
            disks[k].size = disk->capacity;
        else
            first = k;
    }
    for (size_t k = first + 1; k < d->n; k++)
        if (!disks[k].empty && disk_size(d, d->first + k, &disks[k].size, err) < 0)
            return -1;
    if (first == d->n)
        return 0;
    if (source_disk(d, d->first + first, lead, err) < 0)
        return -1;
    disks[first].size = (*lead)->size;
    return 0;
}

static int copy_disks(struct disks *d, const struct vml_new_disk *disks, struct vml_reader **lead,
                      struct vml_error *err)
{
    for (size_t k = 0; k < d->n; k++) {
        if (disks[k].empty) {
            json_array_append_new(d->list, json_pack("{s:b, s:o}", "empty", true, "virtual_size",
                                                     json_size(disks[k].size)));
            continue;
        }
        if (*lead == NULL && source_disk(d, d->first + k, lead, err) < 0)
            return -1;
        if (copy_disk(d, k, *lead, disks[k].size, err) < 0)
            return -1;
        vml_reader_freep(lead);
    }
    return 0;
}

int disks_copy(struct disks *d, const struct vml_format *format, struct vml_output **o,
               const char *subformat, const char *options, struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    VML_AUTO(vml_freep) struct vml_new_disk *disks = calloc(d->n, sizeof *disks);
    VML_AUTO(progress_end) struct progress progress = { 0 };
    struct vml_output *taken;
    uint64_t total = 0;

    if (disks == NULL || d->list == NULL)
        return vml_fail_nomem(err);
    if (plan_disks(d, disks, &r, err) < 0)
        return -1;
    for (size_t k = 0; k < d->n; k++)
        if (!disks[k].empty)
            total = disks[k].size == VML_SIZE_UNKNOWN ? disks[k].size : total + disks[k].size;
    taken = *o;
    *o = NULL;
    if (vml_package_create(&d->to, vml_formats, format, taken, vml_package_machine(d->from), disks,
                           d->n, subformat, options, err) < 0)
        return -1;
    progress_start(&progress, d->progress, total);
    progress_attach(&progress, &d->copy);
    if (copy_disks(d, disks, &r, err) < 0 || (d->machine && check_source(d, err) < 0))
        return -1;
    return vml_package_finish(d->to, err);
}
