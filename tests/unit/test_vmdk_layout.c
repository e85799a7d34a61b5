/* VMDK: what our writer makes, looked at byte by byte and read again. */
#include "vmdk_disk.h"

static void test_options(void)
{
    static const struct {
        const char *options, *text; /* in the descriptor; NULL: refused */
    } list[] = {
        { NULL, "ddb.adapterType = \"lsilogic\"" },
        { NULL, "ddb.geometry.heads = \"255\"" },
        { NULL, "ddb.virtualHWVersion = \"10\"" },
        { "adapter=ide", "ddb.geometry.heads = \"16\"" },
        { "adapter=buslogic,hwversion=21", "ddb.virtualHWVersion = \"21\"" },
        { "level=9", "RDONLY 81920 SPARSE \"generated-stream.vmdk\"" },
        { "adapter=pvscsi", NULL },
        { "level=0", NULL },
        { "level=10", NULL },
        { "hwversion=old", NULL },
        { "hwversion=100", NULL },
    };

    for (size_t i = 0; i < N(list); i++) {
        struct vml_error err;
        struct vml_output *o;
        struct vml_writer *w;
        struct bytes b;

        if (list[i].text == NULL) {
            CHECK_OK(vml_output_create(&o, path, VML_OUTPUT_FORCE, &err), &err);
            CHECK_FAILS(
                vml_image_create(&w, &vml_format_vmdk, o, DISK, NULL, list[i].options, &err), &err,
                "image/option");
            continue;
        }
        b = make("streamOptimized", list[i].options, DISK);
        CHECK(strstr((char *)b.p + SECTOR, list[i].text) != NULL);
        good(b, FILE_MODE, DISK, __LINE__);
        free(b.p);
    }
}

/* The layout that strict readers want, and the same bytes for the same disk. */
static void test_layout(void)
{
    struct bytes a, b;
    size_t end, gd;

    vml_set_clock(0); /* from here on everything is reproducible */
    a = make("streamOptimized", NULL, DISK);
    b = make("streamOptimized", NULL, DISK);
    end = a.len;
    CHECK(a.len == b.len && memcmp(a.p, b.p, a.len) == 0);
    CHECK_INT(le32(a.p + 4), 3);
    CHECK_INT(le32(a.p + 8), 0x30001);
    CHECK(le64(a.p + 56) == UINT64_MAX);
    CHECK_INT(le64(a.p + 64), 128);
    CHECK(vml_is_zero(a.p + end - 512, 512));                               /* end of stream */
    CHECK(memcmp(a.p + end - 1024, a.p, 56) == 0);                          /* footer */
    CHECK(le64(a.p + end - 1536) == 1 && le32(a.p + end - 1536 + 12) == 3); /* its marker */
    gd = (size_t)le64(a.p + end - 1024 + 56) * SECTOR;
    CHECK_INT(gd, end - 2048);
    CHECK(le64(a.p + gd - 512) == 1 && le32(a.p + gd - 512 + 12) == 2);
    for (unsigned i = 0; i < 2; i++) {
        size_t gt = (size_t)le32(a.p + gd + i * 4) * SECTOR;

        CHECK(le64(a.p + gt - 512) == 4 && le32(a.p + gt - 512 + 12) == 1);
    }
    free(a.p);
    free(b.p);
    a = make("monolithicSparse", NULL, DISK);
    b = make("monolithicSparse", NULL, DISK);
    CHECK(a.len == b.len && memcmp(a.p, b.p, a.len) == 0);
    gd = (size_t)le64(a.p + 56) * SECTOR;
    CHECK(le32(a.p + gd) != 0 && le32(a.p + gd + 4) != 0); /* all tables have a place */
    CHECK_INT(le32(a.p + (size_t)le32(a.p + gd) * SECTOR) % 128, 0);
    free(a.p);
    free(b.p);
}

/* The disk's end inside a grain: with align=512 the capacity is exact, the grain whole all the
 * same. */
static void test_exact_size(void)
{
    static const char *const subformats[] = { "streamOptimized", "monolithicSparse" };
    uint64_t size = 513 * GRAIN + 1024;

    for (unsigned i = 0; i < 2; i++) {
        struct bytes b = make(subformats[i], "align=512", size);

        CHECK_INT(le64(b.p + 12), size / SECTOR);
        good(b, FILE_MODE, size, __LINE__);
        if (i == 0)
            good(b, PIPE_MODE, size, __LINE__);
        else
            CHECK_INT(b.len % GRAIN, 0);
        free(b.p);
    }
}

/* A huge empty disk is one run, and any part of a grain can be read. */
static void test_random_access(void)
{
    static const char *const subformats[] = { "streamOptimized", "monolithicSparse" };

    for (unsigned i = 0; i < 2; i++) {
        struct bytes b = make(subformats[i], NULL, DISK);
        uint8_t got[3000], want[3000];
        struct vml_reader *r;
        struct vml_extent x;
        struct vml_error err;

        CHECK_OK(open_as(&r, &b, FILE_MODE, &err), &err);
        for (uint64_t off = 17; off < DISK - sizeof got; off = off * 3 / 2 + 1000) {
            CHECK_OK(vml_pread(r, got, sizeof got, off, &err), &err);
            fill(want, off, sizeof want);
            CHECK(memcmp(got, want, sizeof got) == 0);
        }
        CHECK_OK(vml_extent_at(r, 6 * GRAIN, &x, &err), &err);
        CHECK(x.kind == VML_HOLE && x.len == 507 * GRAIN); /* across the tables' border */
        CHECK_OK(vml_extent_at(r, 0, &x, &err), &err);
        CHECK(x.kind == VML_DATA && x.len == (i == 0 ? 1 : 2) * GRAIN);
        vml_reader_free(r);
        free(b.p);
    }
}

static void test_huge(void)
{
    static const char *const subformats[] = { "streamOptimized", "monolithicSparse" };
    const uint64_t size = UINT64_C(2) << 40;

    for (unsigned i = 0; i < 2; i++) {
        struct vml_chunk c = { .len = size, .kind = VML_HOLE };
        struct vml_error err;
        struct vml_output *o;
        struct vml_writer *w;
        struct vml_input *in;
        struct vml_reader *r;
        struct vml_extent x;
        unsigned runs = 0;

        CHECK_OK(vml_output_create(&o, path, VML_OUTPUT_FORCE, &err), &err);
        CHECK_OK(vml_image_create(&w, &vml_format_vmdk, o, size, subformats[i], NULL, &err), &err);
        put(w, &c);
        CHECK_OK(w->ops->finish(w, size, &err), &err);
        vml_writer_free(w);
        CHECK_OK(vml_input_open(&in, path, &err), &err);
        CHECK_OK(vml_image_open(&r, table, in, NULL, &err), &err);
        CHECK_INT(r->size, size);
        for (uint64_t off = 0; off < size; off += x.len, runs++) {
            CHECK_OK(vml_extent_at(r, off, &x, &err), &err);
            CHECK(x.kind == VML_HOLE);
        }
        CHECK(runs <= (i == 0 ? 1 : 64)); /* empty tables that exist are read 64 GiB at a time */
        vml_reader_free(r);
    }
}

int main(void)
{
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    close(fd);
    make_pattern();
    test_options();
    test_random_access();
    test_exact_size();
    test_layout();
    test_huge();
    CHECK_INT(unlink(path), 0);
    return 0;
}
