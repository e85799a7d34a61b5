/* What every format owes: run for each row of the table and each subformat that can be written.  A
 * disk may be several files, so each lies in a folder of its own. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disks.h"
#include "fake.h"
#include "vmlift/package.h"

static const char *const disks[] = {
    "data:1M",
    "hole:1M",
    "data:64K hole:1M text:512 zero:200K data:3M",
    "hole:3M data:512 hole:5M text:1M data:100K hole:77M data:1536",
    "text:70K",
    "zero:40M data:4K hole:2500M text:3M hole:2M data:512",
    "hole:2045M text:1M data:3M hole:2043M data:200K text:2M", /* across pieces of 2047 MiB */
};
enum { N_DISKS = sizeof disks / sizeof disks[0] };

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

static void round_trip(const struct vml_format *f, const struct vml_subformat *s, const char *spec)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *fake = fake_open(spec);
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    char one[200], eight[200];
    struct vml_error err;

    CHECK_OK(write_disk(f, s->name, fake, disk_in(one, "one"), 1, &err), &err);
    CHECK_OK(write_disk(f, s->name, fake, disk_in(eight, "eight"), 8, &err), &err);
    CHECK_OK(open_disk(&r, one, NULL, &err), &err);
    CHECK_STR(r->format, f->name);
    CHECK_STR(r->subformat, s->name);
    CHECK_INT(r->size, vml_round_up(fake->size, s->align));
    walk(r);
    same_disk(fake, r);
    same_files(one, eight);
}

static void check_clean(void *arg, enum vml_level level, const char *slug, const char *text)
{
    (void)arg;
    if (level != VML_NOTE) {
        fprintf(stderr, "%s: found fault with: %s [%s]\n", now, text, slug);
        abort();
    }
}

/* The format's own check finds nothing wrong with what it wrote. */
static void clean(const struct vml_format *f, const struct vml_subformat *s)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *fake = fake_open(disks[3]);
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    struct vml_error err;
    char path[200];

    if (f->check == NULL)
        return;
    CHECK_OK(write_disk(f, s->name, fake, disk_in(path, "clean"), 2, &err), &err);
    CHECK_OK(vml_input_open(&in, path, &err), &err);
    CHECK_OK(f->check(in, check_clean, NULL, &err), &err);
    remove_disk(path, 0);
}

/* A machine of one disk, or a disk by itself. */
static int write_any(const struct vml_format *f, const char *sub, struct vml_reader *r,
                     const char *path, struct vml_error *err)
{
    VML_AUTO(vml_package_out_freep) struct vml_package_out *p = NULL;
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct vml_machine machine = { .name = "machine" };
    struct vml_new_disk disk = { .size = r->size };
    struct vml_copy c = { .threads = 2 };
    struct vml_output *o;

    if (vml_output_create(&o, path, 0, err) < 0 ||
        vml_package_create(&p, vml_formats, f, o, &machine, &disk, 1, sub, NULL, err) < 0 ||
        vml_package_add(p, 0, &w, err) < 0 || vml_copy(r, w, &c, err) < 0)
        return -1;
    vml_writer_freep(&w);
    return vml_package_finish(p, err);
}

struct any {
    struct vml_package *p;
    struct vml_reader *r;
};

static void any_clear(struct any *a)
{
    vml_reader_free(a->r);
    vml_package_free(a->p);
}

static void open_any(struct any *a, const char *path, const struct vml_format *f)
{
    struct vml_error err;
    struct vml_input *in;

    CHECK_OK(vml_input_open(&in, path, &err), &err);
    CHECK_OK(vml_package_open(&a->p, vml_formats, in, NULL, &err), &err);
    CHECK_STR(vml_package_format(a->p), f->name);
    CHECK_OK(vml_package_reader(a->p, 0, &a->r, &err), &err);
}

/* From what f wrote as s to each that can be written, machines too. */
static void pairs(const struct vml_format *f, const struct vml_subformat *s)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *fake = fake_open(disks[2]);
    VML_AUTO(any_clear) struct any from = { 0 };
    struct vml_error err;
    char path[200], other[200];

    CHECK_OK(write_any(f, s->name, fake, disk_in(path, "from"), &err), &err);
    open_any(&from, path, f);
    for (size_t i = 0; vml_formats[i] != NULL; i++)
        for (const struct vml_subformat *t = vml_formats[i]->subformats; t->name != NULL; t++) {
            VML_AUTO(any_clear) struct any to = { 0 };

            if ((t->can & VML_CAN_WRITE) == 0)
                continue;
            CHECK_OK(write_any(vml_formats[i], t->name, from.r, disk_in(other, "to"), &err), &err);
            open_any(&to, other, vml_formats[i]);
            same_disk(fake, to.r);
            remove_disk(other, 0);
        }
    remove_disk(path, 0);
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

    CHECK_OK(write_disk(f, s->name, b, disk_in(path, "b"), 2, &err), &err);
    CHECK_OK(open_disk(&r, path, f->name, &err), &err);
    CHECK_OK(vml_compare(a, r, &c, &first, &err), &err);
    CHECK_INT(first, (3 << 20) + (64 << 10));
    CHECK_OK(vml_compare(r, a, &c, &first, &err), &err);
    CHECK_INT(first, (3 << 20) + (64 << 10));
    remove_disk(path, 0);
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
            CHECK_FAILS(write_disk(f, s->name, fake, disk_in(path, "x"), threads[t], &err), &err,
                        "fake/load");
            expect_nothing(path);
        }
}

/* Cut to any length a file is refused at the latest when the disk is read; never other bytes with
 * success.  A descriptor may lose what says nothing of the bytes (its last lines). */
static void cut_file(const struct vml_format *f, const char *path, const char *file,
                     struct vml_reader *fake)
{
    VML_AUTO(vml_freep) uint8_t *bytes = NULL;
    struct vml_error err;
    struct stat st;
    bool text;
    int fd = open(file, O_RDWR);

    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    bytes = malloc((size_t)st.st_size);
    CHECK(bytes != NULL && pread(fd, bytes, (size_t)st.st_size, 0) == st.st_size);
    text = memcmp(bytes, "# Disk DescriptorFile", 21) == 0;
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
        if (rc == 0 && !(text && first == VML_SIZE_UNKNOWN && r->size >= fake->size)) {
            fprintf(stderr, "%s: %s cut to %lld of %lld bytes: no error\n", now, file,
                    (long long)cut, (long long)st.st_size);
            abort();
        }
        CHECK(rc == 0 || err.code == VML_EDATA || err.code == VML_EUNSUPPORTED ||
              (text && (err.code == VML_ENOTFOUND || err.code == VML_EREFUSED)));
        CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, (size_t)st.st_size, 0) == st.st_size);
    }
    close(fd);
}

/* Each file of the disk is cut, and each but the one that is opened is taken away. */
static void truncation(const struct vml_format *f, const struct vml_subformat *s)
{
    VML_AUTO(vml_reader_freep)
    struct vml_reader *fake = fake_open("text:90K hole:3M data:3M text:4K");
    struct vml_error err;
    char path[200], file[500];
    struct dirent *e;
    DIR *d;

    if (strcmp(f->name, "raw") == 0)
        return; /* a shorter raw disk is a raw disk */
    CHECK_OK(write_disk(f, s->name, fake, disk_in(path, "whole"), 2, &err), &err);
    d = opendir(path_of(file, "whole"));
    CHECK(d != NULL);
    while ((e = readdir(d)) != NULL) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;

        if (e->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/whole/%s", folder, e->d_name);
        cut_file(f, path, file, fake);
        if (strcmp(file, path) != 0) {
            char away[520];

            snprintf(away, sizeof away, "%s.away", file);
            CHECK(rename(file, away) == 0);
            CHECK_FAILS(open_disk(&r, path, NULL, &err), &err, "io/not-found");
            CHECK(rename(away, file) == 0);
        }
    }
    closedir(d);
    remove_disk(path, 0);
}

/* A name that is taken is told before a byte is read, whichever of the disk's files has it. */
static void in_the_way(const struct vml_format *f, const struct vml_subformat *s)
{
    char path[200], dir[200], taken[500], names[8][260];
    struct vml_error err;
    struct dirent *e;
    size_t n = 0;
    DIR *d;

    VML_AUTO(vml_reader_freep) struct vml_reader *first = fake_open(disks[0]);
    CHECK_OK(write_disk(f, s->name, first, disk_in(path, "taken"), 2, &err), &err);
    d = opendir(path_of(dir, "taken"));
    CHECK(d != NULL);
    while ((e = readdir(d)) != NULL && n < 8)
        if (e->d_name[0] != '.')
            snprintf(names[n++], sizeof names[0], "%s", e->d_name);
    closedir(d);
    remove_disk(path, n);
    for (size_t i = 0; i < n; i++) {
        VML_AUTO(vml_reader_freep) struct vml_reader *fake = fake_open(disks[0]);
        int fd;

        atomic_store(&((struct fake *)fake)->fail_at, 0); /* it must not come to a load */
        disk_in(path, "taken");
        snprintf(taken, sizeof taken, "%s/taken/%s", folder, names[i]);
        fd = open(taken, O_WRONLY | O_CREAT | O_EXCL, 0600);
        CHECK(fd >= 0 && close(fd) == 0);
        CHECK_FAILS(write_disk(f, s->name, fake, path, 2, &err), &err, "output/exists");
        remove_disk(path, 1);
    }
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

    CHECK_OK(write_disk(f, s->name, fake, disk_in(file, "file"), 2, &err), &err);
    disk_in(piped, "piped");
    CHECK(pipe(fd) == 0);
    cat = fork();
    CHECK(cat >= 0);
    if (cat == 0) {
        int to = open(piped, O_WRONLY | O_CREAT | O_TRUNC, 0644);

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
    same_files(file, piped);
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
            if ((s->can & VML_CAN_WRITE) == 0)
                continue;
            snprintf(what, sizeof what, "%s %s", f->name, s->name);
            now = what;
            pairs(f, s);
            if (f->create == NULL)
                continue; /* a package */
            for (size_t d = 0; d < N_DISKS; d++)
                round_trip(f, s, disks[d]);
            clean(f, s);
            finds_difference(f, s);
            failure_leaves_nothing(f, s);
            truncation(f, s);
            in_the_way(f, s);
            if ((s->can & VML_PIPE_WRITE) != 0)
                pipe_write(f, s);
            if ((s->can & VML_PIPE_READ) != 0)
                pipe_read(f, s);
            printf("ok %zu %s\n", ++n, now);
        }
    }
    CHECK(n >= 9);
    CHECK(rmdir(folder) == 0);
    return 0;
}
