/* The check of one disk of a package: by the check of its own format, or, where it is compressed or
 * stored in chunks, by reading all of it front to back. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "findings.h"
#include "ova.h"

#define STEP ((size_t)1 << 20)

struct in_member {
    const struct findings *to;
    const char *name;
};

static void tell_in_member(void *arg, enum vml_level level, const char *slug, const char *text)
{
    const struct in_member *m = arg;

    findings_add(m->to, level, slug, "%s: %s", m->name, text);
}

static int probe(struct vml_input *in, const struct vml_format **out, struct vml_error *err)
{
    int most = 0;

    *out = NULL;
    for (size_t i = 0; vml_formats[i] != NULL; i++) {
        int claim = vml_formats[i]->package == NULL ? vml_formats[i]->probe(in, err) : 0;

        if (claim < 0)
            return -1;
        if (claim > most) {
            most = claim;
            *out = vml_formats[i];
        }
    }
    return 0;
}

/* What the description says of the disk, against the disk. */
static void check_capacity(const struct findings *to, const struct vml_format *f, uint64_t size,
                           const struct vml_disk *d)
{
    if (d->capacity == VML_SIZE_UNKNOWN || size == d->capacity)
        return;
    if (f->check == NULL)
        findings_add(to, VML_FAULT, "package/no-format",
                     "'%s' has no mark of a disk format, and is no raw disk either: %llu bytes, "
                     "where the description says %llu",
                     d->file, (unsigned long long)size, (unsigned long long)d->capacity);
    else
        findings_add(to, VML_WARNING, "ovf/capacity-differs",
                     "'%s' holds %llu bytes, where the description says %llu", d->file,
                     (unsigned long long)size, (unsigned long long)d->capacity);
}

static int check_whole(const struct ova *p, const struct ova_member *m, const struct vml_disk *d,
                       const struct findings *to, struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct in_member in_member = { to, m->name };
    const struct vml_format *f;
    struct vml_error told; /* by the disk's own check */

    if (m->size == 0) {
        if (d != NULL)
            findings_add(to, VML_FAULT, "input/truncated", "'%s' is empty", m->name);
        return 0;
    }
    if (vml_input_window(&in, m->file != NULL ? m->file : p->in, m->name, m->off, m->size, err) <
            0 ||
        probe(in, &f, err) < 0)
        return ova_took(to, err);
    assert(f != NULL); /* raw claims anything */
    if (f->check != NULL && f->check(in, tell_in_member, &in_member, err) < 0) {
        vml_error_prefix(err, "%s", m->name);
        if (ova_took(to, err) < 0)
            return -1;
    }
    if (d == NULL || f->open(&r, in, &told) < 0)
        return 0;
    in = NULL;
    check_capacity(to, f, r->size, d);
    return 0;
}

/* --- compressed, or in chunks ----------------------------------------------------------------- */

/* A raw disk's bytes, as many as the description says. */
static int pull(void *in, void *buf, size_t len, size_t *got, struct vml_error *err)
{
    return vml_input_read(in, buf, len, got, err);
}

static int load_run(struct vml_reader *r, const struct vml_extent *x, uint8_t *buf,
                    struct vml_error *err)
{
    for (uint64_t done = 0; done < x->len; done += STEP) {
        size_t len = (size_t)vml_min_u64(STEP, x->len - done);

        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (r->ops->load(r, x, x->off + done, len, buf, err) < 0)
            return -1;
    }
    return 0;
}

/* All of the disk, as a copy would read it. */
static int read_all(struct vml_reader *r, uint64_t *size, struct vml_error *err)
{
    VML_AUTO(vml_freep) uint8_t *buf = malloc(STEP);
    int rc = 0;

    *size = 0;
    if (buf == NULL)
        return vml_fail_nomem(err);
    while (rc == 0 && (r->size == VML_SIZE_UNKNOWN || *size < r->size)) {
        struct vml_extent x = { 0 };

        if (r->ops->extent(r, *size, &x, err) < 0)
            return -1;
        if (x.kind == VML_DATA)
            rc = load_run(r, &x, buf, err);
        vml_extent_clear(&x);
        if (x.len == 0)
            break;
        *size += x.len;
    }
    return rc == 0 && r->ops->end != NULL ? r->ops->end(r, err) : rc;
}

/* *sized is what a raw disk is read from, whose size its bytes do not say. */
static int open_parts(const struct vml_disk *d, struct vml_input **in, struct vml_input **sized,
                      const struct vml_format **f, struct vml_reader **r, struct vml_error *err)
{
    struct vml_input **from = in;

    if (probe(*in, f, err) < 0)
        return -1;
    assert(*f != NULL); /* raw claims anything */
    if ((*f)->check == NULL) {
        if (vml_input_callback(sized, d->file, d->capacity, pull, *in, err) < 0)
            return -1;
        from = sized;
    }
    if ((*f)->open(r, *from, err) < 0)
        return -1;
    *from = NULL;
    return 0;
}

static int check_parts(struct ova *p, size_t i, const struct findings *to, struct vml_error *err)
{
    const struct vml_disk *d = &p->base.disks[i];
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    VML_AUTO(vml_input_freep) struct vml_input *sized = NULL;
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    const struct vml_format *f = NULL;
    uint64_t size;

    if (ova_disk(&p->base, i, false, &in, err) < 0)
        return ova_took(to, err);
    if (open_parts(d, &in, &sized, &f, &r, err) < 0 || read_all(r, &size, err) < 0) {
        if (err->code == VML_EUNSUPPORTED) {
            findings_add(to, VML_NOTE, "check/nothing",
                         "'%s' cannot be read front to back, and is not looked into: %s", d->file,
                         err->text);
            return 0;
        }
        vml_error_prefix(err, "%s", d->file);
        return ova_took(to, err);
    }
    check_capacity(to, f, size, d);
    return 0;
}

int ova_check_disk(struct ova *p, size_t m, size_t i, const struct findings *to,
                   struct vml_error *err)
{
    const struct vml_disk *d = i != OVA_NONE ? &p->base.disks[i] : NULL;

    return d != NULL && ova_in_parts(p, i) ? check_parts(p, i, to, err)
                                           : check_whole(p, &p->members[m], d, to, err);
}
