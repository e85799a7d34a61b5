/* Comparing is a copy whose writer looks at the other disk instead of writing. */
#include "vmlift/copy.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct compare {
    struct vml_writer base;
    struct vml_reader *other;
    _Atomic uint64_t first;
};

static int differ(struct compare *w, uint64_t at, struct vml_error *err)
{
    uint64_t seen = atomic_load(&w->first);

    while (at < seen && !atomic_compare_exchange_weak(&w->first, &seen, at))
        ;
    return vml_fail(err, VML_EDATA, "compare/differs", "differs at offset %llu",
                    (unsigned long long)at);
}

static uint64_t first_difference(const uint8_t *a, const uint8_t *b, uint64_t len)
{
    uint64_t i = 0;

    while (i < len && a[i] == b[i])
        i++;
    return i;
}

static uint64_t first_set(const uint8_t *p)
{
    uint64_t i = 0;

    while (p[i] == 0)
        i++;
    return i;
}

/* Bytes of the one disk against those of the other; beyond the other's end against zeroes. */
static int compare_encode(struct vml_writer *base, struct vml_chunk *c, struct vml_error *err)
{
    struct compare *w = (struct compare *)base;
    uint64_t both = c->off < w->other->size ? vml_min_u64(c->len, w->other->size - c->off) : 0;

    if (vml_chunk_reserve(c, c->len, err) < 0 || vml_pread(w->other, c->enc, both, c->off, err) < 0)
        return -1;
    memset(c->enc + both, 0, c->len - both);
    if (memcmp(c->enc, c->data, c->len) == 0)
        return 0;
    return differ(w, c->off + first_difference(c->enc, c->data, c->len), err);
}

/* A run of zeroes in the one disk: the other must have no data there that is not zero. */
static int compare_put(struct vml_writer *base, const struct vml_chunk *c, struct vml_error *err)
{
    struct compare *w = (struct compare *)base;
    uint64_t pos = c->off, end = vml_min_u64(c->off + c->len, w->other->size);
    VML_AUTO(vml_freep) uint8_t *buf = NULL;

    if (c->kind == VML_DATA)
        return 0;
    while (pos < end) { /* pos starts at a multiple of either unit, and so do runs of data */
        struct vml_extent x;
        uint64_t stop;

        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (vml_extent_at(w->other, pos, &x, err) < 0)
            return -1;
        stop = vml_min_u64(pos + x.len, end);
        while (x.kind == VML_DATA && pos < stop) {
            size_t n = (size_t)vml_min_u64(stop - pos, VML_CHUNK);

            if (buf == NULL && (buf = malloc(VML_CHUNK)) == NULL)
                return vml_fail_nomem(err);
            if (w->other->ops->load(w->other, &x, pos, n, buf, err) < 0)
                return -1;
            if (!vml_is_zero(buf, n))
                return differ(w, pos + first_set(buf), err);
            pos += n;
        }
        pos = stop;
    }
    return 0;
}

static int compare_finish(struct vml_writer *base, uint64_t size, struct vml_error *err)
{
    const struct compare *w = (struct compare *)base;

    (void)size;
    return w->other->ops->end != NULL ? w->other->ops->end(w->other, err) : 0;
}

static const struct vml_writer_ops compare_ops = { .encode = compare_encode,
                                                   .put = compare_put,
                                                   .finish = compare_finish };

int vml_compare(struct vml_reader *a, struct vml_reader *b, struct vml_copy *c, uint64_t *first,
                struct vml_error *err)
{
    struct vml_reader *swapped = a;
    struct compare w;
    int rc;

    if (!b->can_seek) { /* one of them may be read front to back */
        a = b;
        b = swapped;
    }
    if (!b->can_seek)
        return vml_fail(err, VML_EUNSUPPORTED, "compare/needs-seek",
                        "%s and %s can both be read front to back only: unpack one of them",
                        a->name, b->name);
    w = (struct compare){
        .base = { .ops = &compare_ops,
                  .name = b->name,
                  .unit = b->unit,
                  .size = vml_max_u64(a->size, b->size) },
        .other = b,
        .first = VML_SIZE_UNKNOWN,
    };
    assert(a->size != VML_SIZE_UNKNOWN);
    rc = vml_copy(a, &w.base, c, err);
    *first = atomic_load(&w.first);
    return *first != VML_SIZE_UNKNOWN ? 0 : rc;
}
