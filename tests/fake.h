/* A disk described in a line: "data:64K hole:1M text:512 zero:2G data:1".  data is bytes that do
 * not compress, text bytes that do; both follow from their offset, so nothing is stored. */
#ifndef FAKE_H
#define FAKE_H

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "vmlift/image.h"

enum { FAKE_RUNS_MAX = 64 };

struct fake {
    struct vml_reader base;
    struct {
        char what[8];
        uint64_t end;
    } runs[FAKE_RUNS_MAX];
    size_t n_runs;
    atomic_long fail_at; /* the load that fails (0: the first); negative: none */
    bool text_only;
};

static inline void fake_bytes(const char *what, uint64_t off, size_t len, uint8_t *buf)
{
    for (size_t i = 0; i < len; i++) {
        uint64_t z = (off + i) / 8 * UINT64_C(0x9e3779b97f4a7c15) + 0x1234567;

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z ^= z >> 27;
        buf[i] = what[0] == 't' ? (uint8_t) "the quick brown fox "[(off + i) % 20]
                                : (uint8_t)(z >> 8 * ((off + i) % 8));
        if (buf[i] == 0 && what[0] == 'd')
            buf[i] = 1;
    }
}

static inline size_t fake_run(const struct fake *f, uint64_t off)
{
    size_t i = 0;

    while (f->runs[i].end <= off)
        i++;
    return i;
}

static inline int fake_extent(struct vml_reader *r, uint64_t off, struct vml_extent *x,
                              struct vml_error *err)
{
    struct fake *f = (struct fake *)r;
    size_t i = fake_run(f, off);

    (void)err;
    x->off = off;
    x->len = f->runs[i].end - off;
    x->at = i;
    x->kind = f->runs[i].what[0] == 'h'   ? VML_HOLE
              : f->runs[i].what[0] == 'z' ? VML_ZERO
                                          : VML_DATA;
    return 0;
}

static inline int fake_load(struct vml_reader *r, const struct vml_extent *x, uint64_t off,
                            size_t len, void *buf, struct vml_error *err)
{
    struct fake *f = (struct fake *)r;

    if (atomic_load(&f->fail_at) >= 0 && atomic_fetch_sub(&f->fail_at, 1) == 0)
        return vml_fail(err, VML_EIO, "fake/load", "load fails at %llu", (unsigned long long)off);
    fake_bytes(f->runs[x->at].what, off, len, buf);
    return 0;
}

static inline void fake_free(struct vml_reader *r)
{
    free(r);
}

static const struct vml_reader_ops fake_ops = { .extent = fake_extent,
                                                .load = fake_load,
                                                .free = fake_free };

static inline struct vml_reader *fake_open(const char *spec)
{
    struct fake *f = calloc(1, sizeof *f);
    uint64_t pos = 0;

    CHECK(f != NULL);
    atomic_init(&f->fail_at, -1);
    while (*spec != '\0') {
        struct vml_error err;
        char size[32];
        uint64_t len;
        int used = 0;

        CHECK(f->n_runs < FAKE_RUNS_MAX);
        CHECK(sscanf(spec, "%7[a-z]:%31[0-9A-Z]%n", f->runs[f->n_runs].what, size, &used) == 2);
        CHECK_OK(vml_size_parse(&len, size, &err), &err);
        pos += len;
        f->runs[f->n_runs++].end = pos;
        spec += used;
        spec += strspn(spec, " ");
    }
    f->base = (struct vml_reader){ .ops = &fake_ops,
                                   .format = "fake",
                                   .subformat = "fake",
                                   .size = pos,
                                   .stored_size = pos,
                                   .unit = 512,
                                   .can_seek = true };
    return &f->base;
}

#endif
