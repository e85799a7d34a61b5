/* A source that somebody writes to, cuts, lengthens or replaces while it is read: the copy fails,
 * and there is no output.  The progress callback is where the somebody acts. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"
#include "vmlift/copy.h"
#include "vmlift/package.h"

static const char disk[] = "data:3M hole:1M text:4M";
static char folder[] = "/tmp/test_changed.XXXXXX";
static struct vml_error err;

/* --- sources ---------------------------------------------------------------------------------- */

static void make(const char *path, const struct vml_format *f, const char *subformat)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open(disk);
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct vml_output *o = NULL;
    struct vml_copy c = { .threads = 1 };

    CHECK_OK(vml_output_create(&o, path, VML_OUTPUT_FORCE, &err), &err);
    CHECK_OK(vml_image_create(&w, f, o, r->size, subformat, NULL, &err), &err);
    CHECK_OK(vml_copy(r, w, &c, &err), &err);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* What is opened, and which file of it is changed. */
static const struct source {
    const char *open, *change, *subformat;
    const struct vml_format *format;
} sources[] = {
    { "a.raw", "a.raw", "raw", &vml_format_raw },
    { "a.vhd", "a.vhd", "dynamic", &vml_format_vhd },
    { "f.vhd", "f.vhd", "fixed", &vml_format_vhd },
    { "a.vmdk", "a.vmdk", "monolithicSparse", &vml_format_vmdk },
    { "s.vmdk", "s.vmdk", "streamOptimized", &vml_format_vmdk },
    { "flat.vmdk", "flat.vmdk", NULL, NULL },
    { "flat.vmdk", "flat.bin", "raw", &vml_format_raw }, /* makes flat.bin, as it is changed last */
};

static void make_source(const struct source *s)
{
    static const struct timespec long_ago[2] = { { 1000000000, 0 }, { 1000000000, 0 } };

    if (strcmp(s->open, "flat.vmdk") == 0) {
        make("flat.bin", &vml_format_raw, "raw");
        write_text("flat.vmdk", "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n"
                                "createType=\"monolithicFlat\"\nRW 16384 FLAT \"flat.bin\" 0\n");
        CHECK(utimensat(AT_FDCWD, "flat.bin", long_ago, 0) == 0);
    } else {
        make(s->open, s->format, s->subformat);
    }
    /* a file system's clock may tick 100 times a second only */
    CHECK(utimensat(AT_FDCWD, s->open, long_ago, 0) == 0);
}

/* --- changes ---------------------------------------------------------------------------------- */

static void longer(const char *path)
{
    struct stat st;

    CHECK(stat(path, &st) == 0 && truncate(path, st.st_size + 1) == 0);
}

static void shorter(const char *path)
{
    struct stat st;

    CHECK(stat(path, &st) == 0 && truncate(path, st.st_size - 1) == 0);
}

static void written(const char *path)
{
    int fd = open(path, O_RDWR);
    char byte;

    CHECK(fd >= 0 && pread(fd, &byte, 1, 0) == 1 && pwrite(fd, &byte, 1, 0) == 1);
    close(fd);
}

static void replaced(const char *path)
{
    write_text("new", "another file");
    CHECK(rename("new", path) == 0);
}

static void removed(const char *path)
{
    CHECK(unlink(path) == 0);
}

static void nothing(const char *path)
{
    struct stat st;

    CHECK(stat(path, &st) == 0 && chmod(path, st.st_mode | 0111) == 0); /* as far as bytes go */
}

static const struct change {
    const char *name;
    void (*act)(const char *path);
    bool seen; /* a file that lost its name is still whole */
} changes[] = {
    { "longer", longer, true },     { "shorter", shorter, true },  { "written to", written, true },
    { "replaced", replaced, true }, { "removed", removed, false }, { "as it was", nothing, false },
};

struct somebody {
    const struct change *change;
    const char *path;
    bool done;
};

static void act(void *arg, uint64_t done, uint64_t size)
{
    struct somebody *s = arg;

    (void)done;
    (void)size;
    if (!s->done)
        s->change->act(s->path);
    s->done = true;
}

/* --- what comes of it ------------------------------------------------------------------------- */

static int copy(struct vml_reader *r, struct somebody *s)
{
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct vml_output *o = NULL;
    struct vml_copy c = { .threads = 2, .progress = act, .arg = s };

    CHECK_OK(vml_output_create(&o, "out.raw", 0, &err), &err);
    CHECK_OK(vml_image_create(&w, &vml_format_raw, o, r->size, NULL, NULL, &err), &err);
    return vml_copy(r, w, &c, &err);
}

static void check_result(const struct source *s, const struct change *c, int rc)
{
    if (rc < 0)
        printf("%s, %s %s: %s [%s]\n", s->open, s->change, c->name, err.text, err.slug);
    CHECK_INT(rc, c->seen ? -1 : 0);
    if (c->seen) {
        CHECK_STR(err.slug, "source/changed");
        CHECK_INT(err.code, VML_EIO);
        CHECK(strstr(err.text, s->change) != NULL);
    }
    CHECK_INT(access("out.raw", F_OK), c->seen ? -1 : 0);
    unlink("out.raw");
}

static void check_disk(const struct source *s, const struct change *c)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct somebody somebody = { .change = c, .path = s->change };
    struct vml_input *in = NULL;

    make_source(s);
    CHECK_OK(vml_input_open(&in, s->open, &err), &err);
    CHECK_OK(vml_image_open(&r, vml_formats, in, NULL, &err), &err);
    check_result(s, c, copy(r, &somebody));
    CHECK(somebody.done);
}

/* What only the package can see: the disk is read through an input that is not the file. */
static void check_package(const char *kind, const struct change *c)
{
    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    const struct source *s = &sources[4];
    struct vml_input *in = NULL;
    size_t i;
    int rc;

    make_source(s);
    CHECK_OK(vml_input_open(&in, s->open, &err), &err);
    CHECK_OK(vml_package_open(&p, vml_formats, in, NULL, &err), &err);
    CHECK_OK(vml_package_next(p, &i, &r, &err), &err);
    c->act(s->change);
    rc = vml_package_verify(p, &err);
    if (rc < 0)
        printf("%s %s: %s [%s]\n", kind, c->name, err.text, err.slug);
    CHECK_INT(rc, c->seen ? -1 : 0);
    if (c->seen)
        CHECK_STR(err.slug, "source/changed");
}

/* A callback tells what it reads from. */
static int pull(void *arg, void *buf, size_t len, size_t *got, struct vml_error *e)
{
    return vml_input_read(arg, buf, len, got, e);
}

static void check_callback(void)
{
    VML_AUTO(vml_input_freep) struct vml_input *file = NULL;
    VML_AUTO(vml_input_freep) struct vml_input *window = NULL;
    VML_AUTO(vml_input_freep) struct vml_input *stream = NULL;
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;

    make_source(&sources[0]);
    CHECK_OK(vml_input_open(&file, sources[0].open, &err), &err);
    CHECK_OK(vml_input_window(&window, file, "w", 5, 100, &err), &err);
    CHECK_OK(vml_input_stream(&stream, window, NULL, NULL, &err), &err);
    CHECK_OK(vml_input_callback(&in, "c", VML_SIZE_UNKNOWN, pull, stream, &err), &err);
    vml_input_reads_from(in, stream);
    CHECK_OK(vml_input_unchanged(in, &err), &err);
    written(sources[0].open);
    CHECK_FAILS(vml_input_unchanged(in, &err), &err, "source/changed");
}

int main(void)
{
    CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
    for (size_t k = 0; k < sizeof changes / sizeof changes[0]; k++) {
        for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
            check_disk(&sources[i], &changes[k]);
        check_package("a lone disk", &changes[k]);
    }
    check_callback();
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        unlink(sources[i].open);
        unlink(sources[i].change);
    }
    CHECK(chdir("/") == 0 && rmdir(folder) == 0);
    return 0;
}
