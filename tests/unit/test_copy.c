/* The copy loop with a writer that notes what it gets. */
#include <pthread.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"
#include "vmlift/copy.h"

struct trace {
    struct vml_writer base;
    pthread_mutex_t lock;
    char lines[4096];
    uint64_t next;        /* where the next chunk must start, when ordered */
    uint64_t fail_put_at; /* offset; UINT64_MAX: never */
    uint64_t slow_below;  /* encode sleeps for chunks below this offset */
    bool finished;
};

static int trace_encode(struct vml_writer *base, struct vml_chunk *c, struct vml_error *err)
{
    struct trace *t = (struct trace *)base;

    if (c->off < t->slow_below)
        usleep(2000);
    if (vml_chunk_reserve(c, c->len, err) < 0)
        return -1;
    memcpy(c->enc, c->data, c->len);
    c->enc_len = c->len;
    return 0;
}

static int trace_put(struct vml_writer *base, const struct vml_chunk *c, struct vml_error *err)
{
    static const char *const kinds[] = { "data", "zero", "hole" };
    struct trace *t = (struct trace *)base;
    int rc = 0;

    pthread_mutex_lock(&t->lock);
    CHECK(c->len > 0);
    CHECK_INT(c->off % t->base.unit, 0);
    CHECK(c->len % t->base.unit == 0 || c->off + c->len == t->base.size);
    if (c->kind == VML_DATA) {
        CHECK(c->len <= vml_max_u64(VML_CHUNK, t->base.batch) && !vml_is_zero(c->data, c->len));
        CHECK(c->enc_len == c->len && memcmp(c->enc, c->data, c->len) == 0);
    } else {
        CHECK(c->data == NULL);
    }
    if (t->base.ordered) {
        size_t used = strlen(t->lines);

        CHECK_INT(c->off, t->next);
        t->next += c->len;
        snprintf(t->lines + used, sizeof t->lines - used, "%s %llu %llu\n", kinds[c->kind],
                 (unsigned long long)c->off, (unsigned long long)c->len);
    }
    if (c->off >= t->fail_put_at)
        rc = vml_fail(err, VML_EIO, "trace/put", "put fails at %llu", (unsigned long long)c->off);
    pthread_mutex_unlock(&t->lock);
    return rc;
}

static int trace_finish(struct vml_writer *base, uint64_t size, struct vml_error *err)
{
    struct trace *t = (struct trace *)base;

    (void)err;
    CHECK_INT(size, t->base.size);
    t->finished = true;
    return 0;
}

static const struct vml_writer_ops trace_ops = { .encode = trace_encode,
                                                 .put = trace_put,
                                                 .finish = trace_finish };

static struct trace trace_of(uint64_t size, bool ordered)
{
    return (struct trace){
        .base = { .ops = &trace_ops, .size = size, .unit = 65536, .ordered = ordered },
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .fail_put_at = UINT64_MAX
    };
}

/* Chunks are cut by the disk alone, never by the threads. */
static void chunks(void)
{
    static const char want[] = "data 0 131072\n"
                               "hole 131072 3080192\n"
                               "data 3211264 524288\n"
                               "data 3735552 524288\n"
                               "data 4259840 131072\n"
                               "zero 4390912 1073676288\n"
                               "data 1078067200 65536\n";

    for (unsigned threads = 1; threads <= 8; threads++) {
        VML_AUTO(vml_reader_freep)
        struct vml_reader *r = fake_open("data:100K hole:3M data:1K text:1100K zero:1G data:512");
        struct trace t = trace_of(vml_round_up(r->size, 65536), true);
        struct vml_copy c = { .threads = threads };
        struct vml_error err;

        CHECK_OK(vml_copy(r, &t.base, &c, &err), &err);
        CHECK(t.finished);
        CHECK_INT(t.next, t.base.size);
        CHECK_INT(c.bytes.data + c.bytes.zero + c.bytes.hole, t.base.size);
        CHECK_STR(t.lines, want);
    }
}

/* A writer that likes more at once gets it, where the disk has it in one run. */
static void batches(void)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open("text:5M hole:64K data:512K");
    struct trace t = trace_of(r->size, true);
    struct vml_copy c = { .threads = 3 };
    struct vml_error err;

    t.base.batch = 2 << 20;
    CHECK_OK(vml_copy(r, &t.base, &c, &err), &err);
    CHECK_STR(t.lines, "data 0 2097152\n"
                       "data 2097152 2097152\n"
                       "data 4194304 1048576\n"
                       "hole 5242880 65536\n"
                       "data 5308416 524288\n");
}

/* Of several failures the one that lies first in the disk is reported, whatever is quicker. */
static void first_failure(void)
{
    for (int round = 0; round < 50; round++) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open("data:16M");
        struct trace t = trace_of(r->size, round % 2 == 0);
        struct vml_copy c = { .threads = 8 };
        struct vml_error err;

        t.fail_put_at = 3 << 20;
        t.slow_below = (3 << 20) + 1;
        CHECK_FAILS(vml_copy(r, &t.base, &c, &err), &err, "trace/put");
        CHECK_STR(err.text, "put fails at 3145728");
        CHECK(!t.finished);
    }
}

static void progress(void *arg, uint64_t done, uint64_t size)
{
    uint64_t *last = arg;

    CHECK(done > *last && done <= size);
    *last = done;
}

static void reports_progress(void)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open("data:5M hole:1T text:3M");
    struct trace t = trace_of(r->size, false);
    uint64_t last = 0;
    struct vml_copy c = { .threads = 3, .progress = progress, .arg = &last };
    struct vml_error err;

    CHECK_OK(vml_copy(r, &t.base, &c, &err), &err);
    CHECK_INT(last, r->size);
    CHECK_INT(c.bytes.data, 8 << 20);
}

static bool is_enough(void *arg)
{
    return atomic_fetch_add((atomic_int *)arg, 1) == 5;
}

/* One that is not wanted any more ends by itself; the process goes on. */
static void stop(void)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open("data:16M");
    struct trace t = trace_of(r->size, true);
    atomic_int asked = 0;
    struct vml_copy c = { .threads = 4, .stop = is_enough, .arg = &asked };
    struct vml_error err;

    CHECK_FAILS(vml_copy(r, &t.base, &c, &err), &err, "interrupted");
    CHECK(!t.finished && !vml_interrupted());
}

static void interruption(void)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open("data:16M");
    struct trace t = trace_of(r->size, true);
    struct vml_copy c = { .threads = 4 };
    struct vml_error err;

    vml_interrupt(); /* sticks: the last test */
    CHECK_FAILS(vml_copy(r, &t.base, &c, &err), &err, "interrupted");
    CHECK(!t.finished);
}

int main(void)
{
    chunks();
    batches();
    first_failure();
    reports_progress();
    stop();
    interruption();
    return 0;
}
