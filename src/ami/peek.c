/* How a disk boots is read from its first and last MiB, but a disk from a pipe passes once, and the
 * snapshot it went into is not there before the commit.  So both ends are kept on the way:
 *
 *     disk   |--- head ---|-------------------------------|--- tail ---|
 *              1 MiB, as it lies                            a ring: byte off is at off % TAIL
 */
#include "ami/peek.h"

#include <stdlib.h>
#include <string.h>

#define HEAD ((size_t)VML_PEEK_END)
/* The reader's runs start at whole units, so the last of them needs a little more. */
#define TAIL (2 * HEAD)
#define UNIT 512

struct peek {
    struct vml_writer w;
    struct vml_writer *inner;
    uint64_t size; /* known when finished */
    uint8_t head[HEAD], tail[TAIL];
};
struct peek_reader {
    struct vml_reader r;
    const struct peek *seen;
};

/* --- writer --------------------------------------------------------------------------------- */

static int peek_encode(struct vml_writer *w, struct vml_chunk *c, struct vml_error *err)
{
    struct vml_writer *inner = ((struct peek *)w)->inner;
    return inner->ops->encode ? inner->ops->encode(inner, c, err) : 0;
}

static void keep(uint8_t *to, const uint8_t *from, size_t len)
{
    if (from)
        memcpy(to, from, len);
    else
        memset(to, 0, len);
}

static int peek_put(struct vml_writer *w, const struct vml_chunk *c, struct vml_error *err)
{
    struct peek *p = (struct peek *)w;
    const uint8_t *data = c->kind == VML_DATA ? c->data : NULL;
    if (c->off < HEAD)
        keep(p->head + c->off, data, (size_t)vml_min_u64(c->len, HEAD - c->off));
    /* Of a chunk that is longer than the ring only the end can matter. */
    uint64_t skip = c->len > TAIL ? c->len - TAIL : 0;
    while (skip < c->len) {
        size_t at = (size_t)((c->off + skip) % TAIL);
        size_t n = (size_t)vml_min_u64(c->len - skip, TAIL - at);
        keep(p->tail + at, data ? data + skip : NULL, n);
        skip += n;
    }
    return p->inner->ops->put(p->inner, c, err);
}

static int peek_finish(struct vml_writer *w, uint64_t size, struct vml_error *err)
{
    struct peek *p = (struct peek *)w;
    p->size = size;
    return p->inner->ops->finish(p->inner, size, err);
}

static void peek_free(struct vml_writer *w)
{
    struct peek *p = (struct peek *)w;
    vml_writer_free(p->inner);
    free(p);
}

static const struct vml_writer_ops peek_writer_ops = {
    .encode = peek_encode,
    .put = peek_put,
    .finish = peek_finish,
    .free = peek_free,
};

int vml_peek_writer(struct vml_writer **w, struct vml_error *err)
{
    struct peek *p = calloc(1, sizeof *p);
    if (!p)
        return vml_fail_nomem(err);
    const struct vml_writer *inner = *w;
    p->w = *inner;
    p->w.ops = &peek_writer_ops;
    p->w.ordered = true; /* a ring is filled in order */
    p->w.name = inner->name ? strdup(inner->name) : NULL;
    if (inner->name && !p->w.name) {
        free(p);
        return vml_fail_nomem(err);
    }
    p->inner = *w;
    *w = &p->w;
    return 0;
}

/* --- reader --------------------------------------------------------------------------------- */

static int peek_extent(struct vml_reader *r, uint64_t off, struct vml_extent *x,
                       struct vml_error *err)
{
    (void)err;
    uint64_t head = vml_min_u64(HEAD, r->size);
    uint64_t tail = r->size > head + HEAD ? vml_round_down(r->size - HEAD, UNIT) : head;
    uint64_t end = off < head ? head : off < tail ? tail : r->size;
    *x = (struct vml_extent){ .off = off, .len = end - off, .kind = VML_DATA };
    if (off >= head && off < tail)
        x->kind = VML_ZERO;
    return 0;
}

static int peek_load(struct vml_reader *r, const struct vml_extent *x, uint64_t off, size_t len,
                     void *buf, struct vml_error *err)
{
    (void)err;
    const struct peek *p = ((struct peek_reader *)r)->seen;
    if (x->off < HEAD) {
        memcpy(buf, p->head + off, len);
        return 0;
    }
    uint8_t *to = buf;
    while (len > 0) {
        size_t at = (size_t)(off % TAIL);
        size_t n = (size_t)vml_min_u64(len, TAIL - at);
        memcpy(to, p->tail + at, n);
        to += n;
        off += n;
        len -= n;
    }
    return 0;
}

static void peek_reader_free(struct vml_reader *r)
{
    free(r);
}

static const struct vml_reader_ops peek_reader_ops = {
    .extent = peek_extent,
    .load = peek_load,
    .free = peek_reader_free,
};

int vml_peek_reader(struct vml_reader **out, struct vml_writer *peek, struct vml_error *err)
{
    struct peek_reader *pr = calloc(1, sizeof *pr);
    if (!pr)
        return vml_fail_nomem(err);
    pr->seen = (const struct peek *)peek;
    pr->r = (struct vml_reader){
        .ops = &peek_reader_ops,
        .format = "peek",
        .size = pr->seen->size,
        .stored_size = VML_SIZE_UNKNOWN,
        .unit = UNIT,
        .can_seek = true,
    };
    *out = &pr->r;
    return 0;
}
