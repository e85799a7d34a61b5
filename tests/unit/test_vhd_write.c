/* VHD: what the writer makes, looked at byte by byte. */
#include "vhd_file.h"

/* A disk in memory, with holes wherever 4 KiB are zero. */
struct memory {
    struct vml_reader base;
    const uint8_t *bytes;
};

static int memory_extent(struct vml_reader *base, uint64_t off, struct vml_extent *x,
                         struct vml_error *err)
{
    struct memory *m = (struct memory *)base;
    uint64_t len = vml_min_u64(4096 - off % 4096, base->size - off);

    (void)err;
    *x = (struct vml_extent){ .off = off, .len = len };
    x->kind = vml_is_zero(m->bytes + off, len) ? VML_HOLE : VML_DATA;
    return 0;
}

static int memory_load(struct vml_reader *base, const struct vml_extent *x, uint64_t off,
                       size_t len, void *buf, struct vml_error *err)
{
    struct memory *m = (struct memory *)base;

    (void)x;
    (void)err;
    memcpy(buf, m->bytes + off, len);
    return 0;
}

static void memory_free(struct vml_reader *base)
{
    (void)base;
}

static const struct vml_reader_ops memory_ops = { .extent = memory_extent,
                                                  .load = memory_load,
                                                  .free = memory_free };

/* The file that a disk of these bytes becomes.  to_pipe: through an output that cannot seek. */
static uint8_t *written(const uint8_t *bytes, uint64_t size, const char *subformat, bool to_pipe,
                        unsigned threads, size_t *len)
{
    const char *path = path_of("written.vhd");
    struct memory m = { .base = { .ops = &memory_ops,
                                  .format = "memory",
                                  .size = size,
                                  .unit = 512,
                                  .can_seek = true },
                        .bytes = bytes };
    struct vml_copy copy = { .threads = threads };
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    VML_AUTO(vml_output_freep) struct vml_output *below = NULL;
    struct vml_output *o = NULL;
    struct vml_error err = { 0 };

    unlink(path);
    CHECK_OK(vml_output_create(&o, path, 0, &err), &err);
    if (to_pipe) {
        below = o;
        CHECK_OK(vml_output_append(&o, below, "pipe", NULL, NULL, &err), &err);
    }
    CHECK_OK(vml_image_create(&w, &vml_format_vhd, o, size, subformat, "align=512", &err), &err);
    CHECK_OK(vml_copy(&m.base, w, &copy, &err), &err);
    if (to_pipe)
        CHECK_OK(vml_output_commit(below, &err), &err);
    return read_file(path, len);
}

static uint8_t *make_disk(uint64_t size)
{
    uint8_t *bytes = calloc(1, size);

    CHECK(bytes != NULL);
    memset(bytes, 0x11, 700);
    memset(bytes + size - 512, 0x22, 512);
    if (size > 5u << 20)
        memset(bytes + (2u << 20) - 5000, 0x33, 10000); /* across a block's border */
    return bytes;
}

static void test_write_dynamic(void)
{
    enum { DISK_SIZE = (9 << 20) + 512 };
    VML_AUTO(vml_freep) uint8_t *disk = make_disk(DISK_SIZE);
    size_t len;
    VML_AUTO(vml_freep) uint8_t *file = written(disk, DISK_SIZE, "dynamic", false, 4, &len);
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    VML_AUTO(vml_freep) uint8_t *back = malloc(DISK_SIZE);
    struct vml_error err = { 0 };
    uint8_t copy[1024];

    /* five blocks, of which 0, 1 and 4 hold something; the table takes a sector */
    CHECK_INT(len, 2048 + 3 * (512 + (2 << 20)) + 512);
    CHECK(memcmp(file, file + len - 512, 512) == 0);
    CHECK(memcmp(file, "conectix", 8) == 0);
    CHECK_INT(be64(file + 48), DISK_SIZE);
    CHECK_INT(be32(file + 60), 3);
    memcpy(copy, file, 512);
    sum(copy, 512, 64);
    CHECK(memcmp(copy, file, 512) == 0);
    CHECK_INT(be64(file + 512 + 8), -1);
    CHECK_INT(be32(file + 512 + 28), 5);
    memcpy(copy, file + 512, 1024);
    sum(copy, 1024, 36);
    CHECK(memcmp(copy, file + 512, 1024) == 0);
    CHECK_INT(be32(file + 1536), 4);
    CHECK_INT(be32(file + 1540), 4 + 4097);
    CHECK_INT(be32(file + 1544), UINT32_MAX);
    CHECK_INT(be32(file + 1548), UINT32_MAX);
    CHECK_INT(be32(file + 1552), 4 + 2 * 4097);
    CHECK_INT(be32(file + 1556), UINT32_MAX);
    CHECK_INT(file[2048], 0xff);
    CHECK_INT(file[2048 + 511], 0xff);

    CHECK(back != NULL);
    CHECK_OK(open_file(&r, path_of("written.vhd"), NULL, &err), &err);
    CHECK_INT(r->size, DISK_SIZE);
    CHECK_INT(r->notes.n, 0);
    CHECK_OK(vml_pread(r, back, DISK_SIZE, 0, &err), &err);
    CHECK(memcmp(back, disk, DISK_SIZE) == 0);
}

static void test_write_fixed(void)
{
    enum { DISK_SIZE = (5 << 20) + 1536 };
    VML_AUTO(vml_freep) uint8_t *disk = make_disk(DISK_SIZE);

    for (int pipe = 0; pipe < 2; pipe++) {
        size_t len;
        VML_AUTO(vml_freep)
        uint8_t *file = written(disk, DISK_SIZE, "fixed", pipe == 1, 3, &len);
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
        struct vml_error err = { 0 };

        CHECK_INT(len, DISK_SIZE + 512);
        CHECK(memcmp(file, disk, DISK_SIZE) == 0);
        CHECK(memcmp(file + DISK_SIZE, "conectix", 8) == 0);
        CHECK_INT(be64(file + DISK_SIZE + 16), -1);
        CHECK_INT(be32(file + DISK_SIZE + 60), 2);
        CHECK_OK(open_file(&r, path_of("written.vhd"), NULL, &err), &err);
        CHECK_STR(r->subformat, "fixed");
        CHECK_INT(r->size, DISK_SIZE);
    }
}

/* Geometries that Hyper-V gave its own files of these sizes, and the two ends of the algorithm. */
static void test_geometry(void)
{
    static const struct {
        uint64_t size;
        unsigned cylinders, heads, spt;
    } rows[] = {
        { 4194304, 120, 4, 17 },
        { 41943040, 963, 5, 17 },
        { 1073741824, 2080, 16, 63 },
        { 512, 0, 4, 17 },
        { UINT64_C(2040) << 30, 65535, 16, 255 },
    };
    struct vml_error err = { 0 };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
        VML_AUTO(vml_freep) uint8_t *file = NULL;
        struct vml_output *o = NULL;
        const char *path = path_of("geometry.vhd");
        size_t len;

        unlink(path);
        CHECK_OK(vml_output_create(&o, path, 0, &err), &err);
        CHECK_OK(vml_image_create(&w, &vml_format_vhd, o, rows[i].size, NULL, "align=512", &err),
                 &err);
        CHECK_OK(w->ops->finish(w, rows[i].size, &err), &err);
        file = read_file(path, &len);
        CHECK_INT(be16(file + 56), rows[i].cylinders);
        CHECK_INT(file[58], rows[i].heads);
        CHECK_INT(file[59], rows[i].spt);
    }
}

/* With the clock set, equal disks give equal files, whatever the threads; other disks another UUID.
 */
static void test_reproducible(void)
{
    enum { DISK_SIZE = 6 << 20 };
    static const char *const subformats[] = { "dynamic", "fixed" };
    VML_AUTO(vml_freep) uint8_t *disk = make_disk(DISK_SIZE);

    vml_set_clock(1700000000);
    for (size_t i = 0; i < 2; i++) {
        size_t len, again_len, other_len;
        VML_AUTO(vml_freep)
        uint8_t *file = written(disk, DISK_SIZE, subformats[i], false, 1, &len);
        VML_AUTO(vml_freep)
        uint8_t *again = written(disk, DISK_SIZE, subformats[i], false, 8, &again_len);
        VML_AUTO(vml_freep) uint8_t *other = NULL;

        CHECK_INT(len, again_len);
        CHECK(memcmp(file, again, len) == 0);
        CHECK_INT(be32(file + len - 512 + 24), 1700000000 - 946684800);
        disk[1 << 20] ^= 1;
        other = written(disk, DISK_SIZE, subformats[i], false, 1, &other_len);
        CHECK_INT(len, other_len);
        CHECK(memcmp(file + len - 512 + 68, other + len - 512 + 68, 16) != 0);
        disk[1 << 20] ^= 1;
    }
}

int main(void)
{
    make_folder();
    test_write_dynamic();
    test_write_fixed();
    test_geometry();
    test_reproducible(); /* last: it sets the clock */
    CHECK_INT(unlink(path_of("written.vhd")), 0);
    CHECK_INT(unlink(path_of("geometry.vhd")), 0);
    CHECK_INT(rmdir(folder), 0);
    return 0;
}
