/* Machines and their disks.  A package format brings its own operations; any other input is a
 * package of one disk, which has no description. */
#include "vmlift/package.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/chain.h"
#include "core/compressed.h"
#include "core/create.h"
#include "core/empty.h"

struct vml_package {
    const struct vml_format *format;
    const struct vml_format *const *table;
    struct vml_parents parents;        /* of a lone disk */
    char *name;                        /* of the input, for errors */
    bool can_seek;                     /* the input does: a lone disk can be had again */
    bool packed;                       /* the input is compressed as a whole */
    bool asked;                        /* the format was named, not probed */
    struct vml_package_reader *reader; /* of a package format; else NULL, and: */
    struct vml_input *in;              /* the lone disk's, kept where it can seek */
    struct vml_input *source;          /* the same or the reader's, or NULL: did it change? */
    struct vml_reader *lone;           /* opened, and not yet handed out */
    struct vml_machine machine;
    struct vml_disk disk;
    struct vml_notes notes;
    size_t last; /* of those with a file that vml_package_next gave; SIZE_MAX before the first */
    bool *given; /* disk; by vml_package_next */
    bool ended;
};

/* --- opening -------------------------------------------------------------------------------- */

/* The input's name in front of what a format said.  What vml_image_open says has one already. */
static int named(const struct vml_package *p, int rc, struct vml_error *err)
{
    if (rc < 0 && err->code != VML_EINTERRUPTED)
        vml_error_prefix(err, "%s", p->name);
    return rc;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static int open_lone_disk(struct vml_package *p, struct vml_reader **out, struct vml_error *err)
{
    struct vml_input *window;

    if (named(p, vml_input_window(&window, p->in, p->name, 0, vml_input_size(p->in), err), err) < 0)
        return -1;
    /* raw in compressed data is found again: with its end in view, which was not looked at yet */
    return vml_image_open_chain(out, p->table, window,
                                p->packed && !p->asked ? NULL : p->format->name, &p->parents, err);
}

/* An input that can seek stays here, and every reader gets a window of it. */
static int open_lone(struct vml_package *p, struct vml_input **in, struct vml_error *err)
{
    const char *base = base_name(p->name), *dot = strrchr(base, '.');
    struct vml_input *given = *in;
    int rc;

    *in = NULL;
    if (p->can_seek) {
        p->in = p->source = given;
        rc = open_lone_disk(p, &p->lone, err);
    } else {
        rc = vml_image_open_chain(&p->lone, p->table, given, p->format->name, &p->parents, err);
    }
    if (rc < 0)
        return -1;
    p->disk = (struct vml_disk){ .file = strdup(base),
                                 .capacity = p->lone->size,
                                 .stored_size = p->lone->stored_size };
    if (p->disk.file == NULL)
        return vml_fail_nomem(err);
    snprintf(p->machine.name, sizeof p->machine.name, "%.*s",
             (int)(dot != NULL && dot != base ? (size_t)(dot - base) : strlen(base)), base);
    return 0;
}

static int find_format(struct vml_package *p, struct vml_input *in, const char *format,
                       struct vml_error *err)
{
    return format != NULL
               ? vml_format_find(&p->format, p->table, format, err)
               : vml_image_probe_raw(&p->format, p->table, in, p->packed && p->can_seek, err);
}

/* What is compressed is a package from a pipe, or a lone disk, which opens itself. */
static int unpack(struct vml_package *p, struct vml_input **in, const char *format,
                  struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *inside = NULL;

    if (p->can_seek) {
        if (vml_compressed_look(&inside, *in, err) < 0 || find_format(p, inside, format, err) < 0)
            return -1;
        if (p->format->package == NULL)
            return 0;
        vml_input_freep(&inside);
    }
    if (vml_input_decompress(&inside, *in, VML_SIZE_UNKNOWN, VML_DISK_MAX, err) < 0)
        return -1;
    *in = inside;
    inside = NULL;
    p->can_seek = false;
    return find_format(p, *in, format, err);
}

/* Takes *in over when it succeeds. */
static int open_machine(struct vml_package *p, struct vml_input **in, const struct vml_open *how,
                        struct vml_error *err)
{
    if (how->parents.n_files > 0)
        return vml_fail(err, VML_EUSAGE, "image/parent-unused",
                        "%s: is given as a parent, but the disks of %s can have none",
                        how->parents.files[0], p->name);
    if (named(p, p->format->package->open(&p->reader, *in, how, err), err) < 0)
        return -1;
    p->source = *in;
    *in = NULL;
    p->given = calloc(p->reader->n_disks + 1, sizeof *p->given);
    return p->given != NULL ? 0 : vml_fail_nomem(err);
}

int vml_package_open_as(struct vml_package **out, const struct vml_format *const *table,
                        struct vml_input *in, const struct vml_open *how, struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *owned = in;
    VML_AUTO(vml_package_freep) struct vml_package *p = calloc(1, sizeof *p);
    const char *kind;

    if (p == NULL || (p->name = strdup(vml_input_name(in))) == NULL)
        return vml_fail_nomem(err);
    p->table = table;
    p->parents = how->parents;
    p->can_seek = vml_input_can_seek(in);
    p->last = SIZE_MAX;
    if (named(p, vml_input_compression(in, &kind, err), err) < 0)
        return -1;
    p->packed = kind != NULL;
    p->asked = how->format != NULL;
    if (named(p,
              p->packed ? unpack(p, &owned, how->format, err)
                        : find_format(p, in, how->format, err),
              err) < 0)
        return -1;
    if (p->format->package == NULL && how->vm != NULL)
        return vml_fail(err, VML_EUSAGE, "package/vm-unused",
                        "%s: is a disk, in which there is no machine '%s' to choose", p->name,
                        how->vm);
    if ((p->format->package == NULL ? open_lone(p, &owned, err)
                                    : open_machine(p, &owned, how, err)) < 0)
        return -1;
    *out = p;
    p = NULL;
    return 0;
}

int vml_package_open(struct vml_package **out, const struct vml_format *const *table,
                     struct vml_input *in, const char *format, struct vml_error *err)
{
    const struct vml_open how = { .format = format };

    return vml_package_open_as(out, table, in, &how, err);
}

void vml_package_free(struct vml_package *p)
{
    if (p == NULL)
        return;
    vml_reader_free(p->lone);
    if (p->reader != NULL)
        p->reader->ops->close(p->reader);
    vml_input_free(p->in);
    vml_notes_clear(&p->notes);
    free(p->disk.file);
    free(p->given);
    free(p->name);
    free(p);
}

void vml_package_freep(struct vml_package **p)
{
    vml_package_free(*p);
    *p = NULL;
}

/* --- what it says --------------------------------------------------------------------------- */

const char *vml_package_format(const struct vml_package *p)
{
    return p->format->name;
}

const struct vml_machine *vml_package_machine(const struct vml_package *p)
{
    return p->reader != NULL ? &p->reader->machine : &p->machine;
}

bool vml_package_can_seek(const struct vml_package *p)
{
    return p->can_seek;
}

size_t vml_package_count(const struct vml_package *p)
{
    return p->reader != NULL ? p->reader->n_disks : 1;
}

const struct vml_disk *vml_package_disk(const struct vml_package *p, size_t i)
{
    assert(i < vml_package_count(p));
    return p->reader != NULL ? &p->reader->disks[i] : &p->disk;
}

const char *vml_package_disk_name(const struct vml_package *p, size_t i)
{
    const char *file = vml_package_disk(p, i)->file;

    return file != NULL ? file : "(empty)";
}

const struct vml_notes *vml_package_notes(const struct vml_package *p)
{
    return p->reader != NULL ? &p->reader->notes : &p->notes;
}

/* --- its disks ------------------------------------------------------------------------------ */

static int lone_reader(struct vml_package *p, struct vml_reader **out, struct vml_error *err)
{
    if (p->lone == NULL && !p->can_seek)
        return vml_fail(err, VML_EUNSUPPORTED, "package/once",
                        "%s: a disk from a pipe can be read once", p->name);
    if (p->lone == NULL)
        return open_lone_disk(p, out, err);
    *out = p->lone;
    p->lone = NULL;
    return 0;
}

/* The description was made beside the disk and may be rounded or wrong; a disk knows its size.  But
 * bytes that are a raw disk only because they have no mark of any format are one only where their
 * number is the one described: else they are a disk whose mark is damaged. */
static int check_capacity(struct vml_package *p, size_t i, struct vml_reader **out,
                          struct vml_error *err)
{
    struct vml_disk *d = &p->reader->disks[i];
    uint64_t size = (*out)->size, said = d->capacity;

    if (size == VML_SIZE_UNKNOWN || said == size)
        return 0;
    if (said != VML_SIZE_UNKNOWN && strcmp((*out)->format, "raw") == 0) {
        vml_reader_freep(out);
        return vml_fail(err, VML_EDATA, "package/no-format",
                        "%s: '%s' has no mark of a disk format, and is no raw disk either: %llu "
                        "bytes, where the description says %llu",
                        p->name, d->file, (unsigned long long)size, (unsigned long long)said);
    }
    if (said != VML_SIZE_UNKNOWN)
        vml_note(&p->reader->notes, "ovf/capacity-differs",
                 "'%s' holds %llu bytes, where the description says %llu; the disk is right",
                 d->file, (unsigned long long)size, (unsigned long long)said);
    d->capacity = size;
    return 0;
}

static int sized_pull(void *arg, void *buf, size_t len, size_t *got, struct vml_error *err)
{
    return vml_input_read(arg, buf, len, got, err);
}

static void sized_free(void *arg)
{
    vml_input_free(arg);
}

/* What the disk is.  Bytes that pass once do not show their end, where a fixed VHD has its mark;
 * there the description's number of bytes is what makes a raw disk one (check_capacity). */
static int find_member_format(struct vml_package *p, size_t i, struct vml_input *in,
                              const struct vml_format **f, struct vml_error *err)
{
    bool said = vml_package_disk(p, i)->capacity != VML_SIZE_UNKNOWN;

    if (vml_image_probe_raw(f, p->table, in, said, err) == 0)
        return 0;
    vml_error_prefix(err, "%s", vml_input_name(in));
    return -1;
}

/* Takes `in` over, also on failure. */
static int open_member(struct vml_package *p, size_t i, struct vml_input *in,
                       struct vml_reader **out, struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *owned = in;
    const struct vml_format *f = NULL;
    struct vml_input *sized;

    if (find_member_format(p, i, in, &f, err) < 0)
        return -1;
    if (strcmp(f->name, "raw") == 0 && vml_input_size(in) == VML_SIZE_UNKNOWN) {
        if (vml_input_callback(&sized, vml_input_name(in), vml_package_disk(p, i)->capacity,
                               sized_pull, in, err) < 0)
            return -1;
        vml_input_on_free(sized, sized_free);
        in = sized;
    }
    owned = NULL;
    return vml_image_open_member(out, p->table, in, f->name, err);
}

static bool is_empty(const struct vml_package *p, size_t i)
{
    return p->reader->disks[i].file == NULL;
}

static int empty_reader(const struct vml_package *p, size_t i, struct vml_reader **out,
                        struct vml_error *err)
{
    char number[32];

    snprintf(number, sizeof number, "disk %zu (empty)", i + 1);
    return vml_empty_open(out, p->name, number, p->reader->disks[i].capacity, err);
}

int vml_package_reader(struct vml_package *p, size_t i, struct vml_reader **out,
                       struct vml_error *err)
{
    struct vml_input *in;

    assert(i < vml_package_count(p));
    if (p->reader == NULL)
        return lone_reader(p, out, err);
    if (is_empty(p, i))
        return empty_reader(p, i, out, err);
    if (named(p, p->reader->ops->disk(p->reader, i, false, &in, err), err) < 0 ||
        open_member(p, i, in, out, err) < 0)
        return -1;
    return check_capacity(p, i, out, err);
}

static bool reads_pipes(const struct vml_format *f)
{
    for (const struct vml_subformat *s = f->subformats; s->name != NULL; s++)
        if ((s->can & VML_PIPE_READ) != 0)
            return true;
    return false;
}

/* Does the data stand in the file in the disk's order?  By the tables alone. */
static int stored_in_order(struct vml_reader *r, bool *in_order, struct vml_error *err)
{
    struct vml_extent x;
    uint64_t last = 0;

    *in_order = true;
    for (uint64_t off = 0; *in_order && off < r->size; off += x.len) {
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (vml_extent_at(r, off, &x, err) < 0) {
            vml_error_prefix(err, "%s", r->name);
            return -1;
        }
        if (x.kind != VML_DATA)
            continue;
        *in_order = x.at >= last;
        last = x.at;
    }
    return 0;
}

/* The disk at random, if it cannot be read front to back though its format can: a streamOptimized
 * VMDK whose grains were written as they came.  A stream would only meet that in the middle. */
static int open_unordered(struct vml_package *p, size_t i, const struct vml_format *f,
                          struct vml_reader **out, struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_input *in;
    bool in_order;

    *out = NULL;
    if (named(p, p->reader->ops->disk(p->reader, i, false, &in, err), err) < 0 ||
        vml_image_open_member(&r, p->table, in, f->name, err) < 0 ||
        stored_in_order(r, &in_order, err) < 0)
        return -1;
    if (!in_order) {
        *out = r;
        r = NULL;
    }
    return 0;
}

/* Front to back where the format can do that, so that the digests are taken on the way; else at
 * random, and vml_package_verify reads the disk once more.  What the disk is, is decided with its
 * end in view, where a fixed VHD has its mark. */
static int open_once(struct vml_package *p, size_t i, struct vml_reader **out,
                     struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *window = NULL;
    struct vml_input *stream;
    const struct vml_format *f;

    if (named(p, p->reader->ops->disk(p->reader, i, false, &window, err), err) < 0 ||
        find_member_format(p, i, window, &f, err) < 0)
        return -1;
    if (!vml_input_can_seek(window)) {
        if (named(p, p->reader->ops->disk(p->reader, i, true, &stream, err), err) < 0)
            return -1;
        return open_member(p, i, stream, out, err);
    }
    if (reads_pipes(f)) {
        if (open_unordered(p, i, f, out, err) < 0)
            return -1;
        if (*out != NULL)
            return 0;
        if (named(p, p->reader->ops->disk(p->reader, i, true, &stream, err), err) < 0)
            return -1;
        if (vml_image_open_member(out, p->table, stream, f->name, err) == 0)
            return 0;
        if (err->code != VML_EUNSUPPORTED) /* it may still be for who can seek */
            return -1;
    }
    stream = window;
    window = NULL;
    return vml_image_open_member(out, p->table, stream, f->name, err);
}

/* The empty disk that is due: who writes the machine's disks in their order would miss it later. */
static size_t next_empty(const struct vml_package *p)
{
    for (size_t i = 0; i < p->reader->n_disks; i++)
        if (is_empty(p, i) && !p->given[i] && (i == 0 || p->given[i - 1]))
            return i;
    return SIZE_MAX;
}

/* *i: of the disk in *out. */
static int next_reader(struct vml_package *p, size_t *i, struct vml_reader **out,
                       struct vml_error *err)
{
    struct vml_input *in;

    *i = next_empty(p);
    if (*i != SIZE_MAX)
        return empty_reader(p, *i, out, err);
    if (named(p, p->reader->ops->next(p->reader, &p->last, err), err) < 0)
        return -1;
    *i = p->last;
    if (p->last == SIZE_MAX) {
        p->ended = true;
        return 0;
    }
    if (p->can_seek)
        return open_once(p, p->last, out, err);
    if (named(p, p->reader->ops->disk(p->reader, p->last, true, &in, err), err) < 0)
        return -1;
    return open_member(p, p->last, in, out, err);
}

int vml_package_next(struct vml_package *p, size_t *i, struct vml_reader **out,
                     struct vml_error *err)
{
    *out = NULL;
    *i = SIZE_MAX;
    if (p->ended)
        return 0;
    if (p->reader == NULL) {
        p->ended = true;
        *i = 0;
        return lone_reader(p, out, err);
    }
    if (next_reader(p, i, out, err) < 0)
        return -1;
    if (*out == NULL)
        return 0;
    p->given[*i] = true;
    return check_capacity(p, *i, out, err);
}

int vml_package_verify(struct vml_package *p, struct vml_error *err)
{
    if (p->reader != NULL && named(p, p->reader->ops->verify(p->reader, err), err) < 0)
        return -1;
    return p->source != NULL ? named(p, vml_input_unchanged(p->source, err), err) : 0;
}

/* --- writing -------------------------------------------------------------------------------- */

struct vml_package_out {
    const struct vml_format *const *table;
    char *name; /* of the output */
    struct vml_new_disk *disks;
    size_t n;
    struct vml_package_writer *writer; /* of a package format; else NULL, and: */
    struct vml_writer *lone;           /* not yet handed out */
};

/* Takes *o over when it succeeds. */
static int create_package(struct vml_package_out *p, const struct vml_format *f,
                          struct vml_output **o, const struct vml_machine *machine,
                          struct vml_create *c, struct vml_error *err)
{
    const struct vml_subformat *s;

    if (vml_create_check(f, *o, c, &s, err) < 0 ||
        f->package->create(&p->writer, *o, machine, p->disks, p->n, c, err) < 0) {
        vml_error_prefix(err, "%s", p->name);
        return -1;
    }
    *o = NULL;
    p->writer->ops = f->package;
    return 0;
}

static int create_lone(struct vml_package_out *p, const struct vml_format *f, struct vml_output **o,
                       const struct vml_create *c, struct vml_error *err)
{
    struct vml_output *given = *o;

    if (p->n != 1)
        return vml_fail(err, VML_EUNSUPPORTED, "package/one-disk",
                        "%s: %s holds one disk, and there are %zu", p->name, f->name, p->n);
    *o = NULL;
    return vml_image_create(&p->lone, f, given, p->disks[0].size, c->subformat, c->options, err);
}

int vml_package_create(struct vml_package_out **out, const struct vml_format *const *table,
                       const struct vml_format *format, struct vml_output *o,
                       const struct vml_machine *machine, const struct vml_new_disk *disks,
                       size_t n, const char *subformat, const char *options, struct vml_error *err)
{
    VML_AUTO(vml_output_freep) struct vml_output *owned = o;
    VML_AUTO(vml_package_out_freep) struct vml_package_out *p = calloc(1, sizeof *p);
    struct vml_create c = { .size = VML_SIZE_UNKNOWN, .subformat = subformat, .options = options };

    if (p == NULL || (p->name = strdup(vml_output_name(o))) == NULL ||
        (p->disks = calloc(n + 1, sizeof *p->disks)) == NULL)
        return vml_fail_nomem(err);
    p->table = table;
    p->n = n;
    memcpy(p->disks, disks, n * sizeof *disks);
    if ((format->package != NULL ? create_package(p, format, &owned, machine, &c, err)
                                 : create_lone(p, format, &owned, &c, err)) < 0)
        return -1;
    *out = p;
    p = NULL;
    return 0;
}

const struct vml_notes *vml_package_out_notes(const struct vml_package_out *p)
{
    static const struct vml_notes none = { 0 };

    return p->writer != NULL ? &p->writer->notes : &none;
}

int vml_package_add(struct vml_package_out *p, size_t i, struct vml_writer **out,
                    struct vml_error *err)
{
    const struct vml_format *f;
    struct vml_output *o;

    assert(i < p->n);
    if (p->writer == NULL) {
        assert(p->lone != NULL);
        *out = p->lone;
        p->lone = NULL;
        return 0;
    }
    assert(!p->disks[i].empty);
    if (vml_format_find(&f, p->table, p->writer->disk_format, err) < 0 ||
        p->writer->ops->add(p->writer, i, &o, err) < 0) {
        vml_error_prefix(err, "%s", p->name);
        return -1;
    }
    return vml_image_create(out, f, o, p->disks[i].size, p->writer->disk_subformat,
                            p->writer->disk_options, err);
}

int vml_package_finish(struct vml_package_out *p, struct vml_error *err)
{
    if (p->writer == NULL || p->writer->ops->finish(p->writer, err) == 0)
        return 0; /* a lone disk was finished by its own writer */
    vml_error_prefix(err, "%s", p->name);
    return -1;
}

void vml_package_out_free(struct vml_package_out *p)
{
    if (p == NULL)
        return;
    if (p->writer != NULL)
        p->writer->ops->free(p->writer);
    vml_writer_free(p->lone);
    free(p->disks);
    free(p->name);
    free(p);
}

void vml_package_out_freep(struct vml_package_out **p)
{
    vml_package_out_free(*p);
    *p = NULL;
}
