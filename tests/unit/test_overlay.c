/* The overlay: fake disks over each other, against what they make together, written down by hand.
 */
#include "check.h"
#include "core/chain.h"
#include "fake.h"
#include "vmlift/copy.h"

enum { LAYERS_MAX = 4 };

/* --- a fake whose data is stored in units, as compressed formats do --------------------------- */

/* Only the start of a unit is an offset that it knows; in runs without data it takes any. */
static int unit_extent(struct vml_reader *r, uint64_t off, struct vml_extent *x,
                       struct vml_error *err)
{
    if (fake_extent(r, off, x, err) < 0)
        return -1;
    if (x->kind != VML_DATA)
        return 0;
    CHECK(off % r->unit == 0);
    x->len = vml_min_u64(x->len, r->unit);
    return 0;
}

static int unit_load(struct vml_reader *r, const struct vml_extent *x, uint64_t off, size_t len,
                     void *buf, struct vml_error *err)
{
    CHECK(x->off % r->unit == 0 && x->len <= r->unit);
    CHECK(off >= x->off && off + len <= x->off + x->len);
    return fake_load(r, x, off, len, buf, err);
}

static const struct vml_reader_ops unit_ops = { .extent = unit_extent,
                                                .load = unit_load,
                                                .free = fake_free };

/* "unit/disk", or a disk in sectors */
static struct vml_reader *layer_open(const char *spec)
{
    const char *slash = strchr(spec, '/');
    struct vml_reader *r = fake_open(slash != NULL ? slash + 1 : spec);

    if (slash != NULL) {
        r->unit = (uint32_t)strtoul(spec, NULL, 10);
        r->ops = &unit_ops;
    }
    return r;
}

/* --- what a stack of them must be ------------------------------------------------------------- */

struct row {
    const char *layers[LAYERS_MAX];
    const char *whole;
};

static const struct row rows[] = {
    { { "data:8K hole:8K data:1K", "text:17K" }, "data:8K text:8K data:1K" },
    /* zeroes of the child hide the parent's data */
    { { "hole:8K zero:8K hole:8K", "text:24K" }, "text:8K zero:8K text:8K" },
    { { "hole:1M data:512 hole:1M", "hole:512K text:1M hole:524800" },
      "hole:512K text:512K data:512 text:523776 hole:524800" },
    /* a parent of another size */
    { { "hole:8K data:1K hole:55K", "text:4K" }, "text:4K hole:4K data:1K hole:55K" },
    { { "hole:4K data:4K", "text:64K" }, "text:4K data:4K" },
    { { "hole:8K", "text:1000 hole:24" }, "text:1000 hole:7192" },
    /* three generations; the middle one is the smallest, and the oldest ends where it does */
    { { "data:4K hole:60K", "hole:8K text:4K hole:4K", "data:64K" },
      "data:8K text:4K data:4K hole:48K" },
    { { "hole:4K data:4K hole:8K", "hole:16K", "hole:2K zero:2K hole:12K", "text:16K" },
      "text:2K zero:2K data:4K text:8K" },
    /* units: sectors of a child inside a unit of its parent, and the other way round */
    { { "hole:512 data:512 hole:130048 data:512 hole:512", "65536/text:128K hole:1K" },
      "text:512 data:512 text:130048 data:512 hole:512" },
    { { "65536/hole:64K data:64K hole:64K", "text:1536 hole:63K text:128K" },
      "text:1536 hole:64000 data:64K text:64K" },
    { { "4096/hole:64K data:4K hole:60K", "hole:512 data:512 hole:130048",
        "65536/text:64K hole:64K" },
      "text:512 data:512 text:64512 data:4K hole:60K" },
    /* larger than chunks */
    { { "hole:3M data:512 hole:3144192", "65536/text:6M" }, "text:3M data:512 text:3144192" },
};

static struct vml_reader *stack_open(const struct row *row)
{
    struct vml_reader *layers[LAYERS_MAX], *r = NULL;
    struct vml_error err = { 0 };
    size_t n = 0;

    for (; n < LAYERS_MAX && row->layers[n] != NULL; n++)
        layers[n] = layer_open(row->layers[n]);
    CHECK_OK(vml_overlay_open(&r, layers, n, &err), &err);
    return r;
}

static bool reads_zero(enum vml_kind kind)
{
    return kind != VML_DATA;
}

/* Runs from 0 to the end without gap; data where the whole has data. */
static void check_extents(struct vml_reader *r, struct vml_reader *whole)
{
    struct vml_error err = { 0 };

    for (uint64_t off = 0; off < r->size;) {
        struct vml_extent x, want;

        CHECK_OK(vml_extent_at(r, off, &x, &err), &err);
        for (uint64_t at = off; at < off + x.len; at += want.len) {
            CHECK_OK(vml_extent_at(whole, at, &want, &err), &err);
            want.len -= at - want.off;
            CHECK(reads_zero(want.kind) == reads_zero(x.kind));
        }
        CHECK(x.kind != VML_DATA || off % r->unit == 0);
        off += x.len;
    }
}

/* Short reads at every kind of place. */
static void check_preads(struct vml_reader *r, struct vml_reader *whole)
{
    enum { LEN = 3000 };
    struct vml_error err = { 0 };

    for (uint64_t off = 0; off<r->size; off += r->size> 1 << 20 ? 40961 : 509) {
        uint8_t got[LEN], want[LEN];
        size_t len = (size_t)vml_min_u64(LEN, r->size - off);

        memset(got, 0xaa, len);
        CHECK_OK(vml_pread(r, got, len, off, &err), &err);
        CHECK_OK(vml_pread(whole, want, len, off, &err), &err);
        CHECK(memcmp(got, want, len) == 0);
    }
}

static void test_rows(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = stack_open(&rows[i]);
        VML_AUTO(vml_reader_freep) struct vml_reader *whole = fake_open(rows[i].whole);
        struct vml_error err = { 0 };

        CHECK_INT(r->size, whole->size);
        check_extents(r, whole);
        check_preads(r, whole);
        for (unsigned threads = 1; threads <= 4; threads += 3) {
            struct vml_copy copy = { .threads = threads };
            uint64_t first = 0;

            CHECK_OK(vml_compare(r, whole, &copy, &first, &err), &err);
            if (first != VML_SIZE_UNKNOWN) {
                fprintf(stderr, "row %zu: differs at %" PRIu64 "\n", i, first);
                abort();
            }
            CHECK_OK(vml_compare(whole, r, &copy, &first, &err), &err);
            CHECK(first == VML_SIZE_UNKNOWN);
        }
    }
}

/* A failure names the parent that it is in; the child's name is the core's to say. */
static void test_errors(void)
{
    struct vml_reader *layers[2] = { fake_open("data:4K hole:4K"), fake_open("text:8K") };
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_error err = { 0 };
    uint8_t buf[512];

    layers[0]->name = strdup("child");
    layers[1]->name = strdup("base");
    vml_note(&layers[0]->notes, "fake/a", "is young");
    vml_note(&layers[1]->notes, "fake/b", "is old");
    CHECK_OK(vml_overlay_open(&r, layers, 2, &err), &err);
    CHECK_STR(r->name, "child");
    CHECK_INT(r->notes.n, 2);
    CHECK_STR(r->notes.items[0].text, "is young");
    CHECK_STR(r->notes.items[1].text, "base: is old");
    atomic_store(&((struct fake *)layers[1])->fail_at, 0);
    CHECK_OK(vml_pread(r, buf, sizeof buf, 0, &err), &err);
    CHECK_FAILS(vml_pread(r, buf, sizeof buf, 4096, &err), &err, "fake/load");
    CHECK_STR(err.text, "base: load fails at 4096");
    atomic_store(&((struct fake *)layers[0])->fail_at, 0);
    CHECK_FAILS(vml_pread(r, buf, sizeof buf, 512, &err), &err, "fake/load");
    CHECK_STR(err.text, "load fails at 512");
}

int main(void)
{
    test_rows();
    test_errors();
    return 0;
}
