/* Differencing VHDs, made here by the specification, and the opening of chains of them. */
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "vmlift/endian.h"
#include "vmlift/package.h"

static const struct vml_format *const formats[] = { &vml_format_raw, &vml_format_vhd, NULL };
static char folder[64];

static const char *path_of(const char *name)
{
    static char path[32][160];
    static unsigned next;
    char *p = path[next++ % 32];

    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

/* --- disks by the specification --------------------------------------------------------------- */

/* Blocks of 4 KiB, of which the first N are in the file:
 *   0 footer | 512 header | 1536 BAT | 2048 locators | 4096 blocks of 512 + 4096 | footer */
enum { HEADER = 512, BAT = 1536, RELATIVE = 2048, ABSOLUTE = 3072, BLOCKS = 4096, BLOCK = 4096 };
enum { BLOCKS_MAX = 4, FILE_MAX = BLOCKS + BLOCKS_MAX * (512 + BLOCK) + 512 };

struct vhd {
    const char *file;
    uint32_t type;          /* 3, 4 */
    uint8_t id, parent_id;  /* every byte of the UUID */
    unsigned blocks;        /* of the disk */
    int bitmap[BLOCKS_MAX]; /* of each block: its 8 bits; -1: the block is not there */
    uint8_t fill;           /* every byte of the blocks */
    const char *relative;   /* locators; NULL: none */
    const char *absolute;
    const char *name; /* in the header */
};

static void sum(uint8_t *p, size_t len, size_t at)
{
    uint32_t total = 0;

    put_be32(p + at, 0);
    for (size_t i = 0; i < len; i++)
        total += p[i];
    put_be32(p + at, ~total);
}

/* The space is told in bytes and far too large, as by some who write these files. */
static void put_locator(uint8_t *file, unsigned slot, const char *code, size_t at, const char *path)
{
    uint8_t *p = file + HEADER + 576 + 24 * (size_t)slot;

    if (path == NULL)
        return;
    memcpy(p, code, 4);
    put_be32(p + 4, 65536);
    put_be32(p + 8, (uint32_t)(2 * strlen(path)));
    put_be64(p + 16, at);
    for (size_t i = 0; i < strlen(path); i++)
        put_le16(file + at + 2 * i, (uint8_t)path[i]);
}

static size_t make(uint8_t file[FILE_MAX], const struct vhd *v)
{
    size_t at = BLOCKS;

    memset(file, 0, FILE_MAX);
    memcpy(file, "conectix", 8);
    put_be32(file + 8, 2);
    put_be32(file + 12, 0x10000);
    put_be64(file + 16, HEADER);
    memcpy(file + 28, "win ", 4);
    memcpy(file + 36, "Wi2k", 4);
    put_be64(file + 40, v->blocks * BLOCK);
    put_be64(file + 48, v->blocks * BLOCK);
    put_be32(file + 60, v->type);
    memset(file + 68, v->id, 16);
    sum(file, 512, 64);
    memcpy(file + HEADER, "cxsparse", 8);
    put_be64(file + HEADER + 8, UINT64_MAX);
    put_be64(file + HEADER + 16, BAT);
    put_be32(file + HEADER + 24, 0x10000);
    put_be32(file + HEADER + 28, v->blocks);
    put_be32(file + HEADER + 32, BLOCK);
    memset(file + HEADER + 40, v->parent_id, 16);
    for (size_t i = 0; v->name != NULL && i < strlen(v->name); i++)
        put_be16(file + HEADER + 64 + 2 * i, (uint8_t)v->name[i]);
    put_locator(file, 0, "W2ku", ABSOLUTE, v->absolute);
    put_locator(file, 3, "W2ru", RELATIVE, v->relative);
    sum(file + HEADER, 1024, 36);
    memset(file + BAT, 0xff, 512);
    for (unsigned b = 0; b < v->blocks; b++) {
        if (v->bitmap[b] < 0)
            continue;
        put_be32(file + BAT + 4 * (size_t)b, (uint32_t)(at / 512));
        file[at] = (uint8_t)v->bitmap[b];
        memset(file + at + 512, v->fill, BLOCK);
        at += 512 + BLOCK;
    }
    memcpy(file + at, file, 512);
    return at + 512;
}

static void write_file(const char *path, const void *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");

    CHECK(f != NULL);
    CHECK_INT(fwrite(bytes, 1, len, f), len);
    CHECK_INT(fclose(f), 0);
}

static void write_vhd(const struct vhd *v)
{
    uint8_t file[FILE_MAX];
    size_t len = make(file, v);

    write_file(path_of(v->file), file, len);
}

/* Three generations.  A sector of a digit is its generation's; of G only the first two blocks. */
static const struct vhd base = { .file = "base.vhd",
                                 .type = 3,
                                 .id = 0xb0,
                                 .blocks = 4,
                                 .bitmap = { 0xff, 0xf0, -1, 0xff },
                                 .fill = '0' };
static const struct vhd middle = { .file = "middle.vhd",
                                   .type = 4,
                                   .id = 0xb1,
                                   .parent_id = 0xb0,
                                   .blocks = 3,
                                   .bitmap = { 0x80, -1, 0x01 },
                                   .fill = '1',
                                   .relative = ".\\base.vhd",
                                   .absolute = "D:\\old\\base.vhd" };
static const struct vhd child = { .file = "child.vhd",
                                  .type = 4,
                                  .id = 0xb2,
                                  .parent_id = 0xb1,
                                  .blocks = 4,
                                  .bitmap = { 0x41, 0x08, -1, 0x10 },
                                  .fill = '2',
                                  .relative = ".\\middle.vhd",
                                  .name = "C:\\vm\\wrong.vhd" };
/* By sectors; '.' is zero.  middle.vhd has three blocks: behind them base.vhd does not count. */
static const char whole[] = "12000002"
                            "00002..."
                            ".......1"
                            "...2....";

static int open_with(struct vml_reader **r, const char *file, const struct vml_parents *parents,
                     struct vml_error *err)
{
    struct vml_input *in = NULL;

    CHECK_OK(vml_input_open(&in, path_of(file), err), err);
    return vml_image_open_chain(r, formats, in, NULL, parents, err);
}

static void check_disk(struct vml_reader *r, const char *sectors)
{
    struct vml_error err = { 0 };

    CHECK_INT(r->size, 512 * strlen(sectors));
    for (size_t i = 0; i < strlen(sectors); i++) {
        uint8_t got[512], want[512];

        memset(want, sectors[i] == '.' ? 0 : sectors[i], sizeof want);
        CHECK_OK(vml_pread(r, got, sizeof got, 512 * i, &err), &err);
        if (memcmp(got, want, sizeof want) != 0) {
            fprintf(stderr, "sector %zu: %02x, not '%c'\n", i, got[0], sectors[i]);
            abort();
        }
    }
}

/* --- chains ----------------------------------------------------------------------------------- */

static void test_chain(void)
{
    const char *files[] = { path_of("middle.vhd"), path_of("base.vhd") };
    const struct vml_parents named = { .files = files, .n_files = 2 }, follow = { .follow = true },
                             both = { .files = files, .n_files = 1, .follow = true },
                             *all[] = { &named, &follow, &both };
    struct vml_error err = { 0 };

    write_vhd(&base);
    write_vhd(&middle);
    write_vhd(&child);
    for (size_t i = 0; i < 3; i++) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;

        CHECK_OK(open_with(&r, "child.vhd", all[i], &err), &err);
        check_disk(r, whole);
        CHECK_STR(r->subformat, "differencing");
        CHECK_STR(r->parent_name, "middle.vhd");
        CHECK_STR(r->name, path_of("child.vhd"));
    }
}

static void test_alone(void)
{
    const struct vml_parents alone = { .alone = true };
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_error err = { 0 };

    CHECK_OK(open_with(&r, "child.vhd", &alone, &err), &err);
    check_disk(r, ".2.....2"
                  "....2..."
                  "........"
                  "...2....");
    CHECK_STR(r->parent_name, "middle.vhd");
    CHECK_STR(r->parent_id, "b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1");
    CHECK_STR(r->id, "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2");
}

/* A lone disk is a package, whose readers may be had again and again. */
static void test_package(void)
{
    const struct vml_open follow = { .parents.follow = true };
    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;
    struct vml_input *in = NULL;
    struct vml_error err = { 0 };

    CHECK_OK(vml_input_open(&in, path_of("child.vhd"), &err), &err);
    CHECK_OK(vml_package_open_as(&p, formats, in, &follow, &err), &err);
    for (int i = 0; i < 3; i++) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;

        CHECK_OK(vml_package_reader(p, 0, &r, &err), &err);
        check_disk(r, whole);
    }
}

static void test_refused(void)
{
    const char *wrong[] = { path_of("base.vhd"), path_of("middle.vhd") };
    const char *more[] = { path_of("middle.vhd"), path_of("base.vhd"), path_of("base.vhd") };
    const struct vml_parents none = { 0 }, swapped = { .files = wrong, .n_files = 2 },
                             extra = { .files = more, .n_files = 3 },
                             first = { .files = more, .n_files = 1 };
    struct vml_input *in = NULL;
    struct vml_reader *r = NULL;
    struct vml_package *p = NULL;
    struct vml_error err = { 0 };

    CHECK_FAILS(open_with(&r, "child.vhd", &none, &err), &err, "image/parent");
    CHECK_INT(err.code, VML_EUNSUPPORTED);
    CHECK(strstr(err.text, "'middle.vhd'") != NULL && strstr(err.text, "--follow-parents") != NULL);
    CHECK_OK(vml_input_open(&in, path_of("child.vhd"), &err), &err);
    CHECK_FAILS(vml_image_open(&r, formats, in, NULL, &err), &err, "image/parent");
    CHECK_OK(vml_input_open(&in, path_of("child.vhd"), &err), &err);
    CHECK_FAILS(vml_package_open(&p, formats, in, NULL, &err), &err, "image/parent");
    CHECK_FAILS(open_with(&r, "child.vhd", &first, &err), &err, "image/parent");
    CHECK(strstr(err.text, "'base.vhd'") != NULL);
    CHECK_FAILS(open_with(&r, "child.vhd", &swapped, &err), &err, "image/parent-id");
    CHECK_INT(err.code, VML_EDATA);
    CHECK_FAILS(open_with(&r, "child.vhd", &extra, &err), &err, "image/parent-unused");
    CHECK_FAILS(open_with(&r, "base.vhd", &first, &err), &err, "image/parent-unused");
}

/* A raw disk has no ID, so nobody can say that it is the right one; unless the child does not. */
static void test_no_id(void)
{
    struct vhd v = { .file = "orphan.vhd",
                     .type = 4,
                     .parent_id = 7,
                     .blocks = 1,
                     .bitmap = { 0x0f },
                     .fill = '5',
                     .relative = "base.raw" };
    const struct vml_parents follow = { .follow = true };
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_error err = { 0 };
    char raw[8192];

    memset(raw, '6', sizeof raw);
    write_file(path_of("base.raw"), raw, sizeof raw);
    write_vhd(&v);
    CHECK_FAILS(open_with(&r, "orphan.vhd", &follow, &err), &err, "image/parent-id");
    v.parent_id = 0;
    write_vhd(&v);
    CHECK_OK(open_with(&r, "orphan.vhd", &follow, &err), &err);
    check_disk(r, "66665555");
}

static void test_loop(void)
{
    const struct vhd a = { .file = "orphan.vhd",
                           .type = 4,
                           .id = 1,
                           .parent_id = 2,
                           .blocks = 1,
                           .bitmap = { -1 },
                           .relative = "loop.vhd" },
                     b = { .file = "loop.vhd",
                           .type = 4,
                           .id = 2,
                           .parent_id = 1,
                           .blocks = 1,
                           .bitmap = { -1 },
                           .relative = "orphan.vhd" };
    const struct vml_parents follow = { .follow = true };
    struct vml_reader *r = NULL;
    struct vml_error err = { 0 };

    write_vhd(&a);
    write_vhd(&b);
    CHECK_FAILS(open_with(&r, "orphan.vhd", &follow, &err), &err, "image/parent-loop");
}

/* Not one file outside the child's folder is opened because the child names it. */
static void test_outside(void)
{
    static const char *const names[] = { "..\\base.vhd", "/etc/passwd", "sub\\..\\..\\base.vhd",
                                         "link.vhd" };
    struct vhd v = { .file = "orphan.vhd", .type = 4, .blocks = 1, .bitmap = { -1 } };
    const struct vml_parents follow = { .follow = true };
    struct vml_reader *r = NULL;
    struct vml_error err = { 0 };

    CHECK_INT(symlink("base.vhd", path_of("link.vhd")), 0);
    CHECK_INT(mkdir(path_of("sub"), 0700), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        v.relative = names[i];
        write_vhd(&v);
        CHECK_FAILS(open_with(&r, "orphan.vhd", &follow, &err), &err, "input/outside");
    }
    v.relative = "gone.vhd";
    write_vhd(&v);
    CHECK_FAILS(open_with(&r, "orphan.vhd", &follow, &err), &err, "io/not-found");
    CHECK(strstr(err.text, "orphan.vhd") != NULL && strstr(err.text, "gone.vhd") != NULL);
    CHECK_INT(rmdir(path_of("sub")), 0);
    CHECK_INT(unlink(path_of("link.vhd")), 0);
}

/* --- what the child calls its parent ---------------------------------------------------------- */

static void test_names(void)
{
    static const struct {
        const char *relative, *absolute, *name, *want;
    } rows[] = {
        { ".\\a\\b.vhd", "C:\\x.vhd", "y.vhd", "a/b.vhd" },
        { "b.vhd", NULL, NULL, "b.vhd" },
        { "..\\b.vhd", NULL, "y.vhd", "../b.vhd" },
        { NULL, "C:\\x.vhd", "\\\\?\\D:\\v\\y.vhd", "y.vhd" },
        { NULL, "C:\\v\\x.vhd", NULL, "x.vhd" },
        { NULL, "C:x.vhd", NULL, "x.vhd" },
        { "", NULL, "/v/y.vhd", "y.vhd" },
        { NULL, NULL, NULL, "" },
        { NULL, NULL, "\xe9.vhd", "\xc3\xa9.vhd" },
        { "\x1b[2J\n.vhd", NULL, NULL, "\x1b[2J\n.vhd" }, /* who prints it escapes it */
    };
    const struct vml_parents alone = { .alone = true }, follow = { .follow = true };
    struct vml_error err = { 0 };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct vhd v = { .file = "orphan.vhd",
                               .type = 4,
                               .blocks = 1,
                               .bitmap = { -1 },
                               .relative = rows[i].relative,
                               .absolute = rows[i].absolute,
                               .name = rows[i].name };
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;

        write_vhd(&v);
        CHECK_OK(open_with(&r, "orphan.vhd", &alone, &err), &err);
        CHECK_STR(r->parent_name, rows[i].want);
        vml_reader_freep(&r);
        if (rows[i].want[0] == '\0')
            CHECK_FAILS(open_with(&r, "orphan.vhd", &follow, &err), &err, "image/parent");
    }
}

/* One field of the locator, or of the texts. */
static void test_bad_names(void)
{
    static const struct {
        size_t at;
        unsigned bytes;
        uint64_t value;
    } rows[] = {
        { HEADER + 576 + 72 + 8, 4, 3 },
        { HEADER + 576 + 72 + 8, 4, 4098 },
        { HEADER + 576 + 72 + 8, 4, UINT32_MAX },
        { HEADER + 576 + 72 + 16, 8, UINT64_MAX },
        { HEADER + 576 + 72 + 16, 8, BLOCKS - 10 },
        { RELATIVE, 2, 0x00dc },      /* half a character */
        { RELATIVE, 2, 0x00d8 },      /* the other half is no half */
        { RELATIVE + 18, 2, 0x3dd8 }, /* nor is what follows the end */
    };
    const struct vhd v = {
        .file = "orphan.vhd", .type = 4, .blocks = 1, .bitmap = { -1 }, .relative = ".\\base.vhd"
    };
    const struct vml_parents alone = { .alone = true };
    struct vml_reader *r = NULL;
    struct vml_error err = { 0 };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t file[FILE_MAX];
        size_t len = make(file, &v);

        for (unsigned k = 0; k < rows[i].bytes; k++)
            file[rows[i].at + k] = (uint8_t)(rows[i].value >> 8 * (rows[i].bytes - 1 - k));
        sum(file + HEADER, 1024, 36);
        write_file(path_of("orphan.vhd"), file, len);
        if (open_with(&r, "orphan.vhd", &alone, &err) == 0 ||
            strcmp(err.slug, "vhd/parent-name") != 0) {
            fprintf(stderr, "row %zu: [%s]\n", i, err.slug);
            abort();
        }
    }
}

int main(void)
{
    static const char *const files[] = { "base.vhd",   "middle.vhd", "child.vhd",
                                         "orphan.vhd", "loop.vhd",   "base.raw" };
    const char *tmp = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%.40s/vhd_diff.XXXXXX", tmp != NULL ? tmp : "/tmp");
    CHECK(mkdtemp(folder) != NULL);
    test_chain();
    test_alone();
    test_package();
    test_refused();
    test_no_id();
    test_loop();
    test_outside();
    test_names();
    test_bad_names();
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        CHECK_INT(unlink(path_of(files[i])), 0);
    CHECK_INT(rmdir(folder), 0);
    return 0;
}
