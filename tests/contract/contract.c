/* What every format owes: run for each row of the table and each subformat that can be written. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"
#include "vmlift/copy.h"

static char folder[] = "/tmp/vmlift-contract.XXXXXX";
static const char *now = ""; /* what is being tested, for messages */

static const char *const disks[] = {
    "data:1M",
    "hole:1M",
    "data:64K hole:1M text:512 zero:200K data:3M",
    "hole:3M data:512 hole:5M text:1M data:100K hole:77M data:1536",
    "text:70K",
    "zero:40M data:4K hole:2500M text:3M hole:2M data:512",
};
enum { N_DISKS = sizeof disks / sizeof disks[0] };

static char *path_of(char buf[200], const char *name)
{
    snprintf(buf, 200, "%s/%s", folder, name);
    return buf;
}

static void expect_empty_folder(void)
{
    DIR *d = opendir(folder);
    struct dirent *e;

    CHECK(d != NULL);
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.' || e->d_name[1] == 'p') {
            fprintf(stderr, "%s: left behind: %s\n", now, e->d_name);
            abort();
        }
    closedir(d);
}

static int write_disk(const struct vml_format *f, const char *sub, struct vml_reader *r,
                      const char *path, unsigned threads, struct vml_error *err)
{
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct vml_copy c = { .threads = threads };
    struct vml_output *o;

    if (vml_output_create(&o, path, 0, err) < 0 ||
        vml_image_create(&w, f, o, r->size, sub, NULL, err) < 0)
        return -1;
    return vml_copy(r, w, &c, err);
}

static int open_disk(struct vml_reader **out, const char *path, const char *format,
                     struct vml_error *err)
{
    struct vml_input *in;

    if (vml_input_open(&in, path, err) < 0)
        return -1;
    return vml_image_open(out, vml_formats, in, format, err);
}

static void same_disk(struct vml_reader *a, struct vml_reader *b)
{
    struct vml_copy c = { .threads = 2 };
    struct vml_error err;
    uint64_t first;

    CHECK_OK(vml_compare(a, b, &c, &first, &err), &err);
    CHECK_INT(first, VML_SIZE_UNKNOWN);
    CHECK_OK(vml_compare(b, a, &c, &first, &err), &err);
    CHECK_INT(first, VML_SIZE_UNKNOWN);
}

/* Extents are contiguous and complete, from any starting point, and data starts at units. */
static void walk(struct vml_reader *r)
{
    struct vml_error err;
    struct vml_extent x;
    uint64_t off = 0;

    while (off < r->size) {
        CHECK_OK(vml_extent_at(r, off, &x, &err), &err);
        CHECK(x.len > 0 && x.off == off && off + x.len <= r->size);
        if (x.kind == VML_DATA)
            CHECK_INT(off % r->unit, 0);
        off += x.len;
    }
    CHECK_INT(off, r->size);
}

static bool same_bytes(const char *a, const char *b)
{
    char command[500];

    snprintf(command, sizeof command, "cmp -s '%s' '%s'", a, b);
    return system(command) == 0;
}

static void round_trip(const struct vml_format *f, const struct vml_subformat *s, const char *spec)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *fake = fake_open(spec);
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    char one[200], eight[200];
    struct vml_error err;

    /* the same name both times: some formats hold their own */
    CHECK_OK(write_disk(f, s->name, fake, path_of(eight, "disk"), 1, &err), &err);
    CHECK(rename(eight, path_of(one, "one")) == 0);
    CHECK_OK(write_disk(f, s->name, fake, eight, 8, &err), &err);
    CHECK(same_bytes(one, eight));
    CHECK_OK(open_disk(&r, one, NULL, &err), &err);
    CHECK_STR(r->format, f->name);
    CHECK_STR(r->subformat, s->name);
    CHECK_INT(r->size, vml_round_up(fake->size, s->align));
    walk(r);
    same_disk(fake, r);
    CHECK(unlink(one) == 0 && unlink(eight) == 0);
}

/* A second disk that differs in one byte is found to differ there. */
static void finds_difference(const struct vml_format *f, const struct vml_subformat *s)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *a = fake_open("hole:2M data:64K hole:2M");
    VML_AUTO(vml_reader_freep)
    struct vml_reader *b = fake_open("hole:2M data:64K hole:1M text:512");
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_copy c = { .threads = 2 };
    struct vml_error err;
    char path[200];
    uint64_t first;

    CHECK_OK(write_disk(f, s->name, b, path_of(path, "b"), 2, &err), &err);
    CHECK_OK(open_disk(&r, path, f->name, &err), &err);
    CHECK_OK(vml_compare(a, r, &c, &first, &err), &err);
    CHECK_INT(first, (3 << 20) + (64 << 10));
    CHECK_OK(vml_compare(r, a, &c, &first, &err), &err);
    CHECK_INT(first, (3 << 20) + (64 << 10));
    CHECK(unlink(path) == 0);
}

/* A load that fails at any step fails the copy and leaves nothing; so does an interruption. */
static void failure_leaves_nothing(const struct vml_format *f, const struct vml_subformat *s)
{
    static const unsigned threads[] = { 1, 4 };
    struct vml_error err;
    char path[200];

    for (size_t t = 0; t < 2; t++)
        for (long k = 0; k < 12; k++) {
            VML_AUTO(vml_reader_freep)
            struct vml_reader *fake = fake_open("data:4M hole:1M text:1M hole:3M data:1M");

            atomic_store(&((struct fake *)fake)->fail_at, k);
            CHECK_FAILS(write_disk(f, s->name, fake, path_of(path, "x"), threads[t], &err), &err,
                        "fake/load");
            expect_empty_folder();
        }
}

/* The file cut at any length is refused at the latest when read; never other bytes with success. */
static void truncation(const struct vml_format *f, const struct vml_subformat *s)
{
    VML_AUTO(vml_reader_freep)
    struct vml_reader *fake = fake_open("text:90K hole:3M data:3M text:4K");
    VML_AUTO(vml_freep) uint8_t *bytes = NULL;
    struct vml_error err;
    struct stat st;
    char path[200];
    int fd;

    if (strcmp(f->name, "raw") == 0)
        return; /* a shorter raw disk is a raw disk */
    CHECK_OK(write_disk(f, s->name, fake, path_of(path, "whole"), 2, &err), &err);
    fd = open(path, O_RDWR);
    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    bytes = malloc((size_t)st.st_size);
    CHECK(bytes != NULL && pread(fd, bytes, (size_t)st.st_size, 0) == st.st_size);
    for (int i = 0; i < 64; i++) {
        off_t cut = i < 32 ? st.st_size * i / 32 : st.st_size - (1 << (i - 31) / 2);
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
        struct vml_copy c = { .threads = 2 };
        uint64_t first = 0;
        int rc;

        if (cut < 0 || cut >= st.st_size)
            continue;
        CHECK(ftruncate(fd, cut) == 0);
        rc = open_disk(&r, path, f->name, &err);
        if (rc == 0)
            rc = vml_compare(r, fake, &c, &first, &err);
        if (rc == 0) {
            fprintf(stderr, "%s: cut to %lld of %lld bytes: no error\n", now, (long long)cut,
                    (long long)st.st_size);
            abort();
        }
        CHECK(err.code == VML_EDATA || err.code == VML_EUNSUPPORTED);
        CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, (size_t)st.st_size, 0) == st.st_size);
    }
    close(fd);
    CHECK(unlink(path) == 0);
}

/* Runs fn in a child whose standard input or output is a pipe to or from a file through cat. */
static int through_cat(const char *command)
{
    int status = system(command);

    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void pipe_write(const struct vml_format *f, const struct vml_subformat *s)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *fake = fake_open(disks[2]);
    char file[200], piped[200];
    struct vml_error err;
    int fd[2], status;
    pid_t cat;

    CHECK_OK(write_disk(f, s->name, fake, path_of(file, "file"), 2, &err), &err);
    CHECK(pipe(fd) == 0);
    cat = fork();
    CHECK(cat >= 0);
    if (cat == 0) {
        int to = open(path_of(piped, "piped"), O_WRONLY | O_CREAT | O_TRUNC, 0644);

        dup2(fd[0], 0);
        dup2(to, 1);
        close(fd[0]);
        close(fd[1]);
        execlp("cat", "cat", (char *)NULL);
        _exit(127);
    } else {
        int saved = dup(1);

        fflush(stdout);
        dup2(fd[1], 1);
        close(fd[0]);
        close(fd[1]);
        CHECK_OK(write_disk(f, s->name, fake, "-", 2, &err), &err);
        dup2(saved, 1);
        close(saved);
    }
    CHECK(waitpid(cat, &status, 0) == cat && status == 0);
    CHECK(same_bytes(file, path_of(piped, "piped")));
    CHECK(unlink(file) == 0 && unlink(piped) == 0);
}

static void pipe_read(const struct vml_format *f, const struct vml_subformat *s)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *fake = fake_open(disks[3]);
    char file[200], fifo[200], raw[200], command[600];
    struct vml_error err;

    CHECK_OK(write_disk(f, s->name, fake, path_of(file, "file"), 2, &err), &err);
    CHECK(mkfifo(path_of(fifo, "fifo"), 0600) == 0);
    for (int cut = 0; cut < 2; cut++) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
        int rc;

        snprintf(command, sizeof command, "head -c -%d '%s' >'%s' 2>/dev/null &", cut ? 700 : 0,
                 file, fifo);
        CHECK_INT(through_cat(command), 0);
        CHECK_OK(open_disk(&r, fifo, f->name, &err), &err);
        CHECK(!r->can_seek);
        rc = write_disk(&vml_format_raw, NULL, r, path_of(raw, "raw"), 3, &err);
        if (cut == 0) {
            VML_AUTO(vml_reader_freep) struct vml_reader *back = NULL;

            CHECK_OK(rc, &err);
            CHECK_OK(open_disk(&back, raw, "raw", &err), &err);
            same_disk(fake, back);
            CHECK(unlink(raw) == 0);
        } else if (strcmp(f->name, "raw") != 0) {
            CHECK(rc < 0);
            CHECK(access(raw, F_OK) < 0);
        } else {
            CHECK(rc == 0 && unlink(raw) == 0); /* a shorter raw disk is a raw disk */
        }
    }
    CHECK(unlink(file) == 0 && unlink(fifo) == 0);
}

int main(void)
{
    static char what[100];
    size_t n = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    CHECK(mkdtemp(folder) != NULL);
    vml_set_clock(1700000000);
    for (size_t i = 0; vml_formats[i] != NULL; i++) {
        const struct vml_format *f = vml_formats[i];

        for (const struct vml_subformat *s = f->subformats; s->name != NULL; s++) {
            if (f->create == NULL || (s->can & VML_CAN_WRITE) == 0)
                continue;
            snprintf(what, sizeof what, "%s %s", f->name, s->name);
            now = what;
            for (size_t d = 0; d < N_DISKS; d++)
                round_trip(f, s, disks[d]);
            finds_difference(f, s);
            failure_leaves_nothing(f, s);
            truncation(f, s);
            if ((s->can & VML_PIPE_WRITE) != 0)
                pipe_write(f, s);
            if ((s->can & VML_PIPE_READ) != 0)
                pipe_read(f, s);
            expect_empty_folder();
            printf("ok %zu %s\n", ++n, now);
        }
    }
    CHECK(n >= 5);
    CHECK(rmdir(folder) == 0);
    return 0;
}
