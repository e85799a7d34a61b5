/* VHD: files made here by the specification, field by field, and what the reader says of them. */
#include "vhd_file.h"

static const char *note_of(const struct vml_reader *r, const char *slug)
{
    for (size_t i = 0; i < r->notes.n; i++)
        if (strcmp(r->notes.items[i].slug, slug) == 0)
            return r->notes.items[i].text;
    return NULL;
}

/* --- a small VHD by the specification ------------------------------------------------------- */

/* A disk of 10 KiB in blocks of 4 KiB, the smallest that are allowed:
 *   0 footer | 512 header | 1536 BAT | 2048 block 0 | 6656 block 2 | 11264 footer
 * Block 1 was never written; of block 2 only half belongs to the disk.  Every byte of block 0 is
 * E0, of block 2 is E2, also where the bitmap says that nothing was written. */
enum {
    HEADER = 512,
    BAT = 1536,
    BLOCK0 = 2048,
    BLOCK2 = 6656,
    TAIL = 11264,
    FILE_SIZE = 11776,
    DISK = 10240,
    BLOCK = 4096
};

static void make_footer(uint8_t *p, uint32_t type, uint64_t size)
{
    memset(p, 0, 512);
    memcpy(p, "conectix", 8);
    put_be32(p + 8, 2);
    put_be32(p + 12, 0x10000);
    put_be64(p + 16, type == 2 ? UINT64_MAX : 512);
    memcpy(p + 28, "win ", 4);
    memcpy(p + 36, "Wi2k", 4);
    put_be64(p + 40, size);
    put_be64(p + 48, size);
    put_be32(p + 60, type);
    memset(p + 68, 0x55, 16);
    sum(p, 512, 64);
}

static void make_dynamic(uint8_t file[FILE_SIZE])
{
    memset(file, 0, FILE_SIZE);
    make_footer(file, 3, DISK);
    make_footer(file + TAIL, 3, DISK);
    memcpy(file + HEADER, "cxsparse", 8);
    put_be64(file + HEADER + 8, UINT64_MAX);
    put_be64(file + HEADER + 16, BAT);
    put_be32(file + HEADER + 24, 0x10000);
    put_be32(file + HEADER + 28, 3);
    put_be32(file + HEADER + 32, BLOCK);
    sum(file + HEADER, 1024, 36);
    memset(file + BAT, 0xff, 512);
    put_be32(file + BAT, BLOCK0 / 512);
    put_be32(file + BAT + 8, BLOCK2 / 512);
    memset(file + BLOCK0, 0xff, 1);
    memset(file + BLOCK0 + 512, 0xe0, BLOCK);
    memset(file + BLOCK2, 0xff, 1);
    memset(file + BLOCK2 + 512, 0xe2, BLOCK);
}

static void make_fixed(uint8_t *file, uint64_t size)
{
    memset(file, 0xf1, size);
    make_footer(file + size, 2, size);
}

/* --- what is refused ------------------------------------------------------------------------ */

enum { IN_FOOTERS, IN_HEAD, IN_TAIL, IN_HEADER, IN_BAT };
enum { KEEP_SUM = 1 };

static const struct {
    const char *slug;
    int place;
    unsigned at, bytes; /* the field */
    uint64_t value;
    unsigned flags;
} rejects[] = {
    { "vhd/cookie", IN_FOOTERS, 0, 4, 0, 0 },
    { "vhd/footer-missing", IN_TAIL, 0, 4, 0, 0 },
    { "vhd/footer-sum", IN_FOOTERS, 64, 4, 0, KEEP_SUM },
    { "vhd/footer-sum", IN_FOOTERS, 511, 1, 1, KEEP_SUM },
    { "vhd/footer-sum", IN_HEAD, 64, 4, 0, KEEP_SUM },
    { "vhd/footer-sum", IN_TAIL, 64, 4, 0, KEEP_SUM },
    { "vhd/footer-mismatch", IN_TAIL, 68, 4, 7, 0 },
    { "vhd/footer-mismatch", IN_HEAD, 511, 1, 1, 0 },
    { "vhd/version", IN_FOOTERS, 12, 4, 0x20000, 0 },
    { "vhd/type", IN_FOOTERS, 60, 4, 0, 0 },
    { "vhd/type", IN_FOOTERS, 60, 4, 5, 0 },
    { "image/parent", IN_FOOTERS, 60, 4, 4, 0 },
    { "vhd/size-limit", IN_FOOTERS, 48, 8, (UINT64_C(2040) << 30) + 512, 0 },
    { "vhd/size-limit", IN_FOOTERS, 48, 8, UINT64_C(1) << 60, 0 },
    { "vhd/size-limit", IN_FOOTERS, 48, 8, UINT64_MAX, 0 },
    { "vhd/size-limit", IN_FOOTERS, 48, 8, 0, 0 },
    { "vhd/bat-size", IN_FOOTERS, 48, 8, 3 * BLOCK + 1, 0 },
    { "vhd/range", IN_FOOTERS, 16, 8, 0, 0 },
    { "vhd/range", IN_FOOTERS, 16, 8, TAIL - 1023, 0 },
    { "vhd/range", IN_FOOTERS, 16, 8, FILE_SIZE, 0 },
    { "vhd/range", IN_FOOTERS, 16, 8, UINT64_C(1) << 63, 0 },
    { "vhd/range", IN_FOOTERS, 16, 8, UINT64_MAX - 511, 0 },
    { "vhd/header-cookie", IN_FOOTERS, 16, 8, 1024, 0 },
    { "vhd/header-cookie", IN_HEADER, 0, 4, 0, 0 },
    { "vhd/header-sum", IN_HEADER, 36, 4, 0, KEEP_SUM },
    { "vhd/header-sum", IN_HEADER, 1023, 1, 1, KEEP_SUM },
    { "vhd/version", IN_HEADER, 24, 4, 0x20000, 0 },
    { "vhd/range", IN_HEADER, 16, 8, 0, 0 },
    { "vhd/range", IN_HEADER, 16, 8, 1024, 0 },
    { "vhd/range", IN_HEADER, 16, 8, TAIL - 11, 0 },
    { "vhd/range", IN_HEADER, 16, 8, UINT64_MAX - 3, 0 },
    { "vhd/range", IN_HEADER, 28, 4, UINT32_MAX, 0 },
    { "vhd/range", IN_HEADER, 28, 4, (TAIL - BAT) / 4 + 1, 0 },
    { "vhd/bat-size", IN_HEADER, 28, 4, 2, 0 },
    { "vhd/bat-size", IN_HEADER, 28, 4, 0, 0 },
    { "vhd/block-size", IN_HEADER, 32, 4, 0, 0 },
    { "vhd/block-size", IN_HEADER, 32, 4, 2048, 0 },
    { "vhd/block-size", IN_HEADER, 32, 4, 4097, 0 },
    { "vhd/block-size", IN_HEADER, 32, 4, 6144, 0 },
    { "vhd/block-size", IN_HEADER, 32, 4, 512u << 20, 0 },
    { "vhd/block-size", IN_HEADER, 32, 4, UINT32_MAX, 0 },
    { "vhd/bat-range", IN_BAT, 0, 4, 0, 0 },
    { "vhd/bat-range", IN_BAT, 0, 4, 1, 0 },
    { "vhd/bat-range", IN_BAT, 0, 4, BAT / 512, 0 },
    { "vhd/bat-range", IN_BAT, 0, 4, BLOCK2 / 512 + 1, 0 },
    { "vhd/bat-range", IN_BAT, 0, 4, TAIL / 512, 0 },
    { "vhd/bat-range", IN_BAT, 0, 4, FILE_SIZE / 512, 0 },
    { "vhd/bat-range", IN_BAT, 0, 4, 0x7fffffff, 0 },
    { "vhd/bat-range", IN_BAT, 0, 4, 0xfffffffe, 0 },
    { "vhd/bat-range", IN_BAT, 8, 4, (TAIL - 512 - 2048) / 512 + 1,
      0 }, /* half a block at the end */
};

static void poke(uint8_t *p, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

static void test_rejects(void)
{
    const char *path = path_of("reject.vhd");

    for (size_t i = 0; i < sizeof rejects / sizeof rejects[0]; i++) {
        int place = rejects[i].place;
        bool sums = (rejects[i].flags & KEEP_SUM) == 0;
        uint8_t file[FILE_SIZE];
        struct vml_reader *r = NULL;
        struct vml_error err = { 0 };

        make_dynamic(file);
        if (place == IN_HEAD || place == IN_FOOTERS) {
            poke(file + rejects[i].at, rejects[i].bytes, rejects[i].value);
            if (sums)
                sum(file, 512, 64);
        }
        if (place == IN_TAIL || place == IN_FOOTERS) {
            poke(file + TAIL + rejects[i].at, rejects[i].bytes, rejects[i].value);
            if (sums)
                sum(file + TAIL, 512, 64);
        }
        if (place == IN_HEADER) {
            poke(file + HEADER + rejects[i].at, rejects[i].bytes, rejects[i].value);
            if (sums)
                sum(file + HEADER, 1024, 36);
        }
        if (place == IN_BAT)
            poke(file + BAT + rejects[i].at, rejects[i].bytes, rejects[i].value);
        write_file(path, file, sizeof file);
        if (open_file(&r, path, "vhd", &err) == 0 || strcmp(err.slug, rejects[i].slug) != 0) {
            fprintf(stderr, "row %zu: [%s], not [%s]\n", i, err.slug, rejects[i].slug);
            abort();
        }
        /* damage is not a reason to take the file for a raw disk */
        if (strcmp(rejects[i].slug, "vhd/cookie") != 0)
            CHECK_FAILS(open_file(&r, path, NULL, &err), &err, rejects[i].slug);
        CHECK(r == NULL);
    }
}

/* Two blocks may touch, in either order, and may not share a byte.  A block takes nine sectors. */
static void test_overlap(void)
{
    static const struct {
        uint32_t bat[3];
        bool right;
    } rows[] = {
        { { 4, UINT32_MAX, 13 }, true },   { { 13, 4, UINT32_MAX }, true },
        { { 4, 4, UINT32_MAX }, false },   { { 4, 5, UINT32_MAX }, false },
        { { 5, 4, UINT32_MAX }, false },   { { 4, 12, UINT32_MAX }, false },
        { { 12, 4, UINT32_MAX }, false },  { { 13, 8, UINT32_MAX }, false },
        { { 13, UINT32_MAX, 13 }, false }, { { UINT32_MAX, UINT32_MAX, UINT32_MAX }, true },
    };
    const char *path = path_of("overlap.vhd");
    uint8_t file[FILE_SIZE];
    struct vml_error err = { 0 };

    make_dynamic(file);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;

        for (size_t b = 0; b < 3; b++)
            put_be32(file + BAT + 4 * b, rows[i].bat[b]);
        write_file(path, file, sizeof file);
        if (rows[i].right)
            CHECK_OK(open_file(&r, path, NULL, &err), &err);
        else
            CHECK_FAILS(open_file(&r, path, NULL, &err), &err, "vhd/bat-dup");
    }
}

/* Cut anywhere, it is no disk. */
static void test_truncation(void)
{
    const char *path = path_of("cut.vhd");
    uint8_t file[FILE_SIZE];
    struct vml_reader *r = NULL;
    struct vml_error err = { 0 };

    make_dynamic(file);
    for (size_t len = 0; len < FILE_SIZE; len += len < 600 || len > TAIL - 99 ? 1 : 97) {
        write_file(path, file, len);
        /* at 512 the copy at the start is taken for the footer at the end */
        CHECK_FAILS(open_file(&r, path, "vhd", &err), &err,
                    len < 512    ? "input/truncated"
                    : len == 512 ? "vhd/range"
                                 : "vhd/footer-missing");
    }
}

static void test_fixed_rejects(void)
{
    const char *path = path_of("fixed-reject.vhd");
    uint8_t file[8192 + 512];
    struct vml_reader *r = NULL;
    struct vml_error err = { 0 };

    make_fixed(file, 8192);
    put_be64(file + 8192 + 48, 8193);
    sum(file + 8192, 512, 64);
    write_file(path, file, sizeof file);
    CHECK_FAILS(open_file(&r, path, NULL, &err), &err, "vhd/fixed-size");
    put_be64(file + 8192 + 48, (UINT64_C(64) << 40) + 512);
    sum(file + 8192, 512, 64);
    write_file(path, file, sizeof file);
    CHECK_FAILS(open_file(&r, path, NULL, &err), &err, "vhd/size-limit");
}

static int pull(void *arg, void *buf, size_t len, size_t *got, struct vml_error *err)
{
    (void)err;
    *got = fread(buf, 1, len, arg);
    return 0;
}

static void test_pipe(void)
{
    const char *path = path_of("pipe.vhd");
    uint8_t file[FILE_SIZE];
    struct vml_input *in = NULL;
    struct vml_reader *r = NULL;
    struct vml_error err = { 0 };
    FILE *f;

    make_dynamic(file);
    write_file(path, file, sizeof file);
    f = fopen(path, "rb");
    CHECK(f != NULL);
    CHECK_OK(vml_input_callback(&in, "pipe", VML_SIZE_UNKNOWN, pull, f, &err), &err);
    CHECK_FAILS(vml_image_open(&r, formats, in, NULL, &err), &err, "vhd/needs-seek");
    fclose(f);
}

/* --- what is read --------------------------------------------------------------------------- */

static void expect_bytes(struct vml_reader *r, uint64_t off, size_t len, int byte)
{
    uint8_t buf[BLOCK];
    struct vml_error err = { 0 };

    CHECK(len <= sizeof buf);
    CHECK_OK(vml_pread(r, buf, len, off, &err), &err);
    for (size_t i = 0; i < len; i++)
        CHECK_INT(buf[i], byte);
}

static void expect_run(struct vml_reader *r, uint64_t off, uint64_t len, enum vml_kind kind)
{
    struct vml_extent x;
    struct vml_error err = { 0 };

    CHECK_OK(vml_extent_at(r, off, &x, &err), &err);
    CHECK_INT(x.kind, kind);
    CHECK_INT(x.len, len);
}

static void test_dynamic(void)
{
    const char *path = path_of("dynamic.vhd");
    uint8_t file[FILE_SIZE];
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_error err = { 0 };

    make_dynamic(file);
    write_file(path, file, sizeof file);
    CHECK_OK(open_file(&r, path, NULL, &err), &err);
    CHECK_STR(r->format, "vhd");
    CHECK_STR(r->subformat, "dynamic");
    CHECK_INT(r->size, DISK);
    CHECK_INT(r->stored_size, FILE_SIZE);
    CHECK_INT(r->notes.n, 0);
    expect_run(r, 0, BLOCK, VML_DATA);
    expect_run(r, 512, BLOCK - 512, VML_DATA);
    expect_run(r, BLOCK, BLOCK, VML_HOLE);
    expect_run(r, BLOCK + 1024, BLOCK - 1024, VML_HOLE);
    expect_run(r, 2 * BLOCK, DISK - 2 * BLOCK, VML_DATA);
    expect_bytes(r, 0, BLOCK, 0xe0);
    expect_bytes(r, BLOCK, BLOCK, 0);
    expect_bytes(r, 2 * BLOCK, DISK - 2 * BLOCK, 0xe2);
}

/* Sectors whose bit is clear are zero, whatever is stored there. */
static void test_bitmap(void)
{
    const char *path = path_of("bitmap.vhd");
    uint8_t file[FILE_SIZE];
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_error err = { 0 };

    make_dynamic(file);
    file[BLOCK0] = 0xb0; /* 1011 0000 */
    file[BLOCK2] = 0x0f; /* set only beyond the disk's end */
    write_file(path, file, sizeof file);
    CHECK_OK(open_file(&r, path, NULL, &err), &err);
    expect_run(r, 0, 512, VML_DATA);
    expect_run(r, 512, 512, VML_HOLE);
    expect_run(r, 1024, 1024, VML_DATA);
    expect_run(r, 1536, 512, VML_DATA);
    expect_run(r, 2048, 2048, VML_HOLE);
    expect_run(r, 2 * BLOCK, DISK - 2 * BLOCK, VML_HOLE);
    expect_bytes(r, 0, 512, 0xe0);
    expect_bytes(r, 512, 512, 0);
    expect_bytes(r, 1024, 1024, 0xe0);
    expect_bytes(r, 2048, 2048, 0);
    expect_bytes(r, 2 * BLOCK, DISK - 2 * BLOCK, 0);
}

/* What is no fault: a lost copy of the footer, 511 bytes of it at the end, a last block that ends
 * with the disk, a table that is longer than the disk needs. */
static void test_tolerated(void)
{
    const char *path = path_of("tolerated.vhd");
    uint8_t file[FILE_SIZE];
    struct vml_error err = { 0 };

    for (int i = 0; i < 4; i++) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
        size_t len = FILE_SIZE;

        make_dynamic(file);
        if (i == 0)
            memset(file, 0, 512);
        if (i == 1) {
            memcpy(file + 28, "vpc ", 4);
            sum(file, 512, 64);
            memcpy(file + TAIL, file, 512);
            len--;
        }
        if (i == 2) {
            memmove(file + TAIL - 2048, file + TAIL, 512);
            len -= 2048;
        }
        if (i == 3) {
            put_be32(file + HEADER + 28, 100);
            sum(file + HEADER, 1024, 36);
        }
        write_file(path, file, len);
        CHECK_OK(open_file(&r, path, NULL, &err), &err);
        CHECK_INT(r->size, DISK);
        CHECK_INT(note_of(r, "vhd/footer-copy") != NULL, i == 0);
        expect_bytes(r, 0, BLOCK, 0xe0);
        expect_bytes(r, 2 * BLOCK, DISK - 2 * BLOCK, 0xe2);
    }
}

static void test_fixed(void)
{
    const char *path = path_of("fixed.vhd");
    uint8_t file[8192 + 512];
    struct vml_error err = { 0 };

    make_fixed(file, 8192);
    make_footer(file, 3, 8192); /* what the guest keeps in its first sector is its own affair */
    for (size_t len = sizeof file; len >= sizeof file - 1; len--) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;

        if (len < sizeof file) { /* Virtual PC's of 511 bytes */
            memcpy(file + 8192 + 28, "vpc ", 4);
            sum(file + 8192, 512, 64);
        }

        write_file(path, file, len);
        CHECK_OK(open_file(&r, path, NULL, &err), &err);
        CHECK_STR(r->format, "vhd");
        CHECK_STR(r->subformat, "fixed");
        CHECK_INT(r->size, 8192);
        expect_bytes(r, 512, 4096, 0xf1);
        expect_bytes(r, 8192 - 512, 512, 0xf1);
    }
}

static void test_saved(void)
{
    const char *path = path_of("saved.vhd");
    uint8_t file[8192 + 512];
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_error err = { 0 };

    make_fixed(file, 8192);
    file[8192 + 84] = 1;
    sum(file + 8192, 512, 64);
    write_file(path, file, sizeof file);
    CHECK_OK(open_file(&r, path, NULL, &err), &err);
    CHECK(note_of(r, "vhd/saved") != NULL);
}

/* --- which size ----------------------------------------------------------------------------- */

static const struct {
    const char *creator;
    unsigned cylinders, heads, spt;
    uint64_t current, want;
    bool note;
} sizes[] = {
    { "win ", 2, 2, 2, 8192, 8192, false },        { "qem2", 2, 2, 2, 8192, 8192, false },
    { "d2v ", 2, 2, 2, 8192, 8192, false },        { "CTXS", 2, 2, 2, 8192, 8192, false },
    { "tap\0", 2, 2, 2, 8192, 8192, false },       { "vbox", 2, 2, 2, 8192, 8192, true },
    { "vmlf", 2, 2, 2, 8192, 8192, true },         { "\x1b[2J", 2, 2, 2, 8192, 8192, true },
    { "vpc ", 2, 2, 2, 8192, 4096, true },         { "qemu", 2, 2, 2, 8192, 4096, true },
    { "qemu", 4, 2, 2, 8192, 8192, false },        /* as qemu writes them */
    { "vpc ", 5, 2, 2, 8192, 8192, true },         /* the file has no bytes for more */
    { "vpc ", 0, 2, 2, 8192, 8192, false },        /* a geometry that says nothing */
    { "qemu", 65535, 16, 255, 8192, 8192, false }, /* likewise: force_size of older qemu */
    { "*img", 0, 255, 63, 8192, 8192, false },     /* mkimg */
};

static void test_sizes(void)
{
    const char *path = path_of("size.vhd");
    struct vml_error err = { 0 };

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
        uint8_t file[8192 + 512], *footer = file + 8192;
        const char *note;

        make_fixed(file, 8192);
        memcpy(footer + 28, sizes[i].creator, 4);
        put_be64(footer + 48, sizes[i].current);
        put_be16(footer + 56, (uint16_t)sizes[i].cylinders);
        footer[58] = (uint8_t)sizes[i].heads;
        footer[59] = (uint8_t)sizes[i].spt;
        sum(footer, 512, 64);
        write_file(path, file, sizeof file);
        CHECK_OK(open_file(&r, path, NULL, &err), &err);
        CHECK_INT(r->size, sizes[i].want);
        note = note_of(r, "vhd/size");
        CHECK_INT(note != NULL, sizes[i].note);
        CHECK(note == NULL || strchr(note, '\x1b') == NULL);
    }
}

int main(void)
{
    static const char *const files[] = {
        "reject.vhd", "cut.vhd",       "fixed-reject.vhd", "pipe.vhd", "dynamic.vhd", "bitmap.vhd",
        "fixed.vhd",  "tolerated.vhd", "saved.vhd",        "size.vhd", "overlap.vhd",
    };

    make_folder();
    test_rejects();
    test_overlap();
    test_truncation();
    test_fixed_rejects();
    test_pipe();
    test_dynamic();
    test_bitmap();
    test_tolerated();
    test_fixed();
    test_saved();
    test_sizes();
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        CHECK_INT(unlink(path_of(files[i])), 0);
    CHECK_INT(rmdir(folder), 0);
    return 0;
}
