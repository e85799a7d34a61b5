/* raw: the disk's bytes and nothing else.
 *
 *   0                                   size
 *   |  data  |  hole  |     data        |      no header, no footer
 *
 * The smallest complete format: copy this file to start another.
 */
#include <stdlib.h>
#include <string.h>

#include "vmlift/copy.h"
#include "vmlift/image.h"

enum { SECTOR = 512, SPARSE_UNIT = 4096 };

/* --- reading -------------------------------------------------------------------------------- */

struct raw_reader {
    struct vml_reader base;
    struct vml_input *in;
    uint64_t pos; /* of a pipe */
};

/* Anything may be raw, so any other format's claim wins. */
static int raw_probe(struct vml_input *in, struct vml_error *err)
{
    (void)in;
    (void)err;
    return 1;
}

/* A pipe hands over its bytes as it gives them, one chunk at a time. */
static int raw_pipe_extent(struct raw_reader *r, uint64_t off, struct vml_extent *x,
                           struct vml_error *err)
{
    size_t want = r->base.unit, got = 0;

    if (r->base.size != VML_SIZE_UNKNOWN)
        want = (size_t)vml_min_u64(want, r->base.size - off);
    x->payload = malloc(want);
    if (x->payload == NULL)
        return vml_fail_nomem(err);
    if (vml_input_read(r->in, x->payload, want, &got, err) < 0)
        return -1;
    if (got < want && r->base.size != VML_SIZE_UNKNOWN)
        return vml_fail(err, VML_EDATA, "input/truncated",
                        "ends at %llu, and the disk has %llu bytes",
                        (unsigned long long)(off + got), (unsigned long long)r->base.size);
    if (got == 0)
        vml_extent_clear(x);
    x->payload_len = x->len = got;
    r->pos = off + got;
    return 0;
}

static int raw_extent(struct vml_reader *base, uint64_t off, struct vml_extent *x,
                      struct vml_error *err)
{
    struct raw_reader *r = (struct raw_reader *)base;
    uint64_t end;
    bool hole;

    if (!r->base.can_seek)
        return raw_pipe_extent(r, off, x, err);
    if (off >= vml_input_size(r->in)) { /* the zeroes that fill the last sector */
        x->kind = VML_HOLE;
        x->len = r->base.size - off;
        return 0;
    }
    if (vml_input_run(r->in, off, &hole, &end, err) < 0)
        return -1;
    x->kind = hole ? VML_HOLE : VML_DATA;
    x->len = end - off;
    x->at = off;
    return 0;
}

static int raw_load(struct vml_reader *base, const struct vml_extent *x, uint64_t off, size_t len,
                    void *buf, struct vml_error *err)
{
    struct raw_reader *r = (struct raw_reader *)base;

    if (x->payload != NULL) {
        memcpy(buf, (const uint8_t *)x->payload + (off - x->off), len);
        return 0;
    }
    return vml_input_pread(r->in, buf, len, off, err);
}

/* A file must be what it was; a pipe whose size was given must not go on after it. */
static int raw_end(struct vml_reader *base, struct vml_error *err)
{
    struct raw_reader *r = (struct raw_reader *)base;
    uint8_t more;
    size_t got = 0;

    if (vml_input_unchanged(r->in, err) < 0)
        return -1;
    if (r->base.can_seek)
        return 0;
    if (vml_input_read(r->in, &more, 1, &got, err) < 0)
        return -1;
    if (got > 0)
        return vml_fail(err, VML_EDATA, "raw/size", "goes on after the disk's %llu bytes",
                        (unsigned long long)r->base.size);
    return 0;
}

static void raw_reader_free(struct vml_reader *base)
{
    struct raw_reader *r = (struct raw_reader *)base;

    vml_input_free(r->in);
    free(r);
}

static const struct vml_reader_ops raw_reader_ops = {
    .extent = raw_extent, .load = raw_load, .end = raw_end, .free = raw_reader_free
};

/* The size of the disk is the file's, filled up with zeroes to a whole sector: that is what every
 * hypervisor makes of such a file, and qemu-img says so too. */
static int raw_open(struct vml_reader **out, struct vml_input *in, struct vml_error *err)
{
    struct raw_reader *r = calloc(1, sizeof *r);
    uint64_t size = vml_input_size(in);

    if (r == NULL)
        return vml_fail_nomem(err);
    r->base = (struct vml_reader){ .ops = &raw_reader_ops,
                                   .format = "raw",
                                   .subformat = "raw",
                                   .size = size,
                                   .stored_size = size,
                                   .can_seek = vml_input_can_seek(in) };
    r->base.unit = r->base.can_seek ? SECTOR : VML_CHUNK;
    if (size != VML_SIZE_UNKNOWN && size % SECTOR != 0 && r->base.can_seek) {
        r->base.size = vml_round_up(size, SECTOR);
        vml_note(&r->base.notes, "raw/size",
                 "%llu bytes are no whole number of sectors; read with %llu zeroes more",
                 (unsigned long long)size, (unsigned long long)(r->base.size - size));
    }
    r->in = in;
    *out = &r->base;
    return 0;
}

/* --- writing -------------------------------------------------------------------------------- */

struct raw_writer {
    struct vml_writer base;
    struct vml_output *out;
};

static int raw_stream(struct raw_writer *w, const struct vml_chunk *c, struct vml_error *err)
{
    static const uint8_t zeroes[64 << 10];
    uint64_t left = c->len;

    if (c->kind == VML_DATA)
        return vml_output_write(w->out, c->data, c->len, err);
    while (left > 0) {
        size_t n = (size_t)vml_min_u64(left, sizeof zeroes);

        if (vml_output_write(w->out, zeroes, n, err) < 0)
            return -1;
        left -= n;
    }
    return 0;
}

/* Runs of data are written, runs of zeroes stay the holes that a new file begins as. */
static int raw_put(struct vml_writer *base, const struct vml_chunk *c, struct vml_error *err)
{
    struct raw_writer *w = (struct raw_writer *)base;

    if (!vml_output_can_seek(w->out))
        return raw_stream(w, c, err);
    if (c->kind != VML_DATA)
        return vml_output_zero(w->out, c->off, c->len, err);
    return vml_write_sparse(w->out, c->data, c->len, c->off, err);
}

static int raw_finish(struct vml_writer *base, uint64_t size, struct vml_error *err)
{
    struct raw_writer *w = (struct raw_writer *)base;

    if (vml_output_can_seek(w->out) && vml_output_resize(w->out, size, err) < 0)
        return -1;
    return vml_output_commit(w->out, err);
}

static void raw_writer_free(struct vml_writer *base)
{
    struct raw_writer *w = (struct raw_writer *)base;

    vml_output_free(w->out);
    free(w);
}

static const struct vml_writer_ops raw_writer_ops = { .put = raw_put,
                                                      .finish = raw_finish,
                                                      .free = raw_writer_free };

static int raw_create(struct vml_writer **out, struct vml_output *o, const struct vml_create *c,
                      struct vml_error *err)
{
    struct raw_writer *w;

    if (c->size != VML_SIZE_UNKNOWN && vml_output_can_seek(o) &&
        vml_output_resize(o, c->size, err) < 0)
        return -1;
    w = calloc(1, sizeof *w);
    if (w == NULL)
        return vml_fail_nomem(err);
    w->base = (struct vml_writer){ .ops = &raw_writer_ops,
                                   .format = "raw",
                                   .subformat = "raw",
                                   .size = c->size,
                                   .unit = SPARSE_UNIT,
                                   .ordered = !vml_output_can_seek(o) };
    w->out = o;
    *out = &w->base;
    return 0;
}

static const struct vml_subformat raw_subformats[] = {
    { .name = "raw",
      .can = VML_CAN_READ | VML_CAN_WRITE | VML_PIPE_READ | VML_PIPE_WRITE | VML_ANY_SIZE,
      .max = VML_DISK_MAX,
      .align = SECTOR },
    { .name = NULL },
};

const struct vml_format vml_format_raw = {
    .name = "raw",
    .summary = "plain bytes of the disk: sparse file or block device",
    .suffixes = "raw img bin",
    .subformats = raw_subformats,
    .probe = raw_probe,
    .open = raw_open,
    .create = raw_create,
};
