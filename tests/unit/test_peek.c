/* Both ends of a disk, kept as it passes. */
#include "check.h"

#include "ami/peek.h"
#include "vmlift/copy.h"

#define MIB (1u << 20)

static struct vml_error err;

/* --- a disk of known bytes: data but for a hole --------------------------------------------- */

struct source {
    struct vml_reader r;
    uint64_t size, hole_from, hole_to;
};

static uint8_t source_byte(const struct source *s, uint64_t off)
{
    if (off >= s->hole_from && off < s->hole_to)
        return 0;
    return (uint8_t)(off * 2654435761u >> 13 | 1);
}

static int source_extent(struct vml_reader *r, uint64_t off, struct vml_extent *x,
                         struct vml_error *e)
{
    const struct source *s = (struct source *)r;
    uint64_t end = s->size;
    (void)e;
    x->off = off;
    x->kind = off >= s->hole_from && off < s->hole_to ? VML_HOLE : VML_DATA;
    if (off < s->hole_from)
        end = vml_min_u64(end, s->hole_from);
    else if (off < s->hole_to)
        end = vml_min_u64(end, s->hole_to);
    x->len = end - off;
    return 0;
}

static int source_load(struct vml_reader *r, const struct vml_extent *x, uint64_t off, size_t len,
                       void *buf, struct vml_error *e)
{
    (void)x;
    (void)e;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)buf)[i] = source_byte((struct source *)r, off + i);
    return 0;
}

static void source_free(struct vml_reader *r)
{
    (void)r;
}

static const struct vml_reader_ops source_ops = {
    .extent = source_extent,
    .load = source_load,
    .free = source_free,
};

/* --- a writer that sees what came through --------------------------------------------------- */

struct sink {
    struct vml_writer w;
    uint64_t next, finished, fail_at;
    bool freed;
};

static int sink_encode(struct vml_writer *w, struct vml_chunk *c, struct vml_error *e)
{
    (void)w;
    if (vml_chunk_reserve(c, 1, e) < 0)
        return -1;
    c->enc[0] = c->data[0];
    c->enc_len = 1;
    return 0;
}

static int sink_put(struct vml_writer *w, const struct vml_chunk *c, struct vml_error *e)
{
    struct sink *s = (struct sink *)w;
    CHECK_INT(c->off, s->next);
    s->next += c->len;
    if (c->kind == VML_DATA) {
        CHECK_INT(c->enc_len, 1);
        CHECK_INT(c->enc[0], c->data[0]);
    }
    if (c->off >= s->fail_at)
        return vml_fail(e, VML_EIO, "sink/full", "no room");
    return 0;
}

static int sink_finish(struct vml_writer *w, uint64_t size, struct vml_error *e)
{
    (void)e;
    ((struct sink *)w)->finished = size;
    return 0;
}

static void sink_free(struct vml_writer *w)
{
    ((struct sink *)w)->freed = true;
}

static const struct vml_writer_ops sink_ops = {
    .encode = sink_encode,
    .put = sink_put,
    .finish = sink_finish,
    .free = sink_free,
};

/* --- tests ---------------------------------------------------------------------------------- */

static void check_range(struct vml_reader *r, const struct source *s, uint64_t from, uint64_t to)
{
    VML_AUTO(vml_freep) uint8_t *buf = malloc(to - from + 1);
    CHECK(buf);
    CHECK_OK(vml_pread(r, buf, to - from, from, &err), &err);
    for (uint64_t off = from; off < to; off++) {
        if (buf[off - from] != source_byte(s, off)) {
            fprintf(stderr, "size %" PRIu64 ", hole %" PRIu64 "-%" PRIu64 ": offset %" PRIu64 "\n",
                    s->size, s->hole_from, s->hole_to, off);
            abort();
        }
    }
}

static void check_disk(uint64_t size, uint64_t hole_from, uint64_t hole_to, unsigned threads)
{
    struct source source = {
        .r = { .ops = &source_ops, .size = size, .unit = 512, .can_seek = true },
        .size = size,
        .hole_from = hole_from,
        .hole_to = hole_to
    };
    struct sink sink = { .w = { .ops = &sink_ops, .size = size, .unit = 512 },
                         .fail_at = UINT64_MAX };
    struct vml_copy copy = { .threads = threads };
    {
        VML_AUTO(vml_writer_freep) struct vml_writer *w = &sink.w;
        VML_AUTO(vml_reader_freep) struct vml_reader *seen = NULL;
        CHECK_OK(vml_peek_writer(&w, &err), &err);
        CHECK(w != &sink.w);
        CHECK_OK(vml_copy(&source.r, w, &copy, &err), &err);
        CHECK_OK(vml_peek_reader(&seen, w, &err), &err);
        CHECK_INT(seen->size, size);
        uint64_t end = vml_min_u64(size, VML_PEEK_END);
        check_range(seen, &source, 0, end);
        check_range(seen, &source, size - end, size);
        check_range(seen, &source, size - vml_min_u64(size, 33 * 512), size);
    }
    CHECK(sink.freed);
    CHECK_INT(sink.next, size);
    CHECK_INT(sink.finished, size);
}

static void test_ends(void)
{
    static const uint64_t sizes[] = {
        512,         1000,          MIB - 512,     MIB,           MIB + 100,   2 * MIB,
        2 * MIB + 1, 2 * MIB + 512, 3 * MIB - 512, 3 * MIB + 511, 5 * MIB + 7, 9 * MIB,
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint64_t size = sizes[i];
        check_disk(size, 0, 0, 1);
        check_disk(size, 0, size, 2);
        check_disk(size, vml_round_down(size / 4, 512), vml_round_down(size / 4 * 3, 512), 3);
        check_disk(size, 0, vml_round_down(size / 2, 512), 2);
        check_disk(size, vml_round_down(size - 256, 512), size, 2);
    }
    check_disk(UINT64_C(1) << 40, 4096, (UINT64_C(1) << 40) - 8192, 2);
}

static void test_failure_passes(void)
{
    struct source source = {
        .r = { .ops = &source_ops, .size = 4 * MIB, .unit = 512, .can_seek = true },
        .size = 4 * MIB,
    };
    struct sink sink = { .w = { .ops = &sink_ops, .size = 4 * MIB, .unit = 512 },
                         .fail_at = 2 * MIB };
    struct vml_copy copy = { .threads = 2 };
    {
        VML_AUTO(vml_writer_freep) struct vml_writer *w = &sink.w;
        sink.w.name = strdup("the sink");
        CHECK_OK(vml_peek_writer(&w, &err), &err);
        CHECK_FAILS(vml_copy(&source.r, w, &copy, &err), &err, "sink/full");
        CHECK_STR(err.text, "the sink: no room");
    }
    CHECK(sink.freed);
    CHECK_INT(sink.finished, 0);
}

int main(void)
{
    test_ends();
    test_failure_passes();
    return 0;
}
