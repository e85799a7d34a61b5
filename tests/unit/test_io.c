/* Inputs and outputs on real files and pipes. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "vmlift/io.h"

static char folder[] = "/tmp/vmlift-io.XXXXXX";
static struct vml_error err;

static size_t count_files(void)
{
    DIR *d = opendir(folder);
    size_t n = 0;

    CHECK(d != NULL);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n - 2;
}

static void put_file(const char *name, const void *bytes, size_t len)
{
    FILE *f = fopen(name, "wb");

    CHECK(f != NULL && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
}

static void tap_sum(void *arg, const void *buf, size_t len)
{
    uint64_t *sum = arg;

    for (size_t i = 0; i < len; i++)
        *sum = *sum * 31 + ((const uint8_t *)buf)[i];
}

static void seekable(void)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    VML_AUTO(vml_input_freep) struct vml_input *window = NULL;
    VML_AUTO(vml_input_freep) struct vml_input *stream = NULL;
    struct vml_input *none;
    uint64_t sum = 0, want = 0;
    char buf[32];
    const void *p;
    size_t n;

    put_file("a", "0123456789", 10);
    CHECK_OK(vml_input_open(&in, "a", &err), &err);
    CHECK(vml_input_can_seek(in));
    CHECK_INT(vml_input_size(in), 10);
    CHECK_OK(vml_input_peek(in, 4, &p, &n, &err), &err);
    CHECK(n == 4 && memcmp(p, "0123", 4) == 0);
    CHECK_OK(vml_input_peek(in, 64, &p, &n, &err), &err);
    CHECK_INT(n, 10);
    CHECK_OK(vml_input_read(in, buf, 32, &n, &err), &err);
    CHECK(n == 10 && memcmp(buf, "0123456789", 10) == 0);
    CHECK_FAILS(vml_input_pread(in, buf, 4, 7, &err), &err, "input/truncated");
    CHECK_FAILS(vml_input_pread(in, buf, 1, UINT64_MAX, &err), &err, "input/truncated");
    CHECK_OK(vml_input_window(&window, in, "w", 3, 5, &err), &err);
    CHECK_OK(vml_input_pread(window, buf, 2, 3, &err), &err);
    CHECK(memcmp(buf, "67", 2) == 0);
    CHECK_FAILS(vml_input_pread(window, buf, 3, 3, &err), &err, "input/truncated");
    CHECK_FAILS(vml_input_window(&none, in, "w", 8, 3, &err), &err, "input/truncated");
    CHECK_FAILS(vml_input_window(&none, in, "w", 3, UINT64_MAX, &err), &err, "input/truncated");
    CHECK_OK(vml_input_stream(&stream, window, tap_sum, &sum, &err), &err);
    CHECK(!vml_input_can_seek(stream));
    CHECK_OK(vml_input_peek(stream, 2, &p, &n, &err), &err);
    CHECK_OK(vml_input_read(stream, buf, 3, &n, &err), &err);
    CHECK(n == 3 && memcmp(buf, "345", 3) == 0);
    CHECK_OK(vml_input_read(stream, buf, 9, &n, &err), &err);
    CHECK(n == 2 && memcmp(buf, "67", 2) == 0);
    tap_sum(&want, "34567", 5);
    CHECK_INT(sum, want); /* each byte once, also those that were looked at ahead */
    CHECK_FAILS(vml_input_open(&none, "missing", &err), &err, "io/not-found");
    CHECK_FAILS(vml_input_open(&none, ".", &err), &err, "input/kind");
    CHECK(unlink("a") == 0);
}

static void holes(void)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    VML_AUTO(vml_input_freep) struct vml_input *window = NULL;
    int fd = open("h", O_RDWR | O_CREAT, 0600);
    uint64_t end;
    bool hole;

    CHECK(ftruncate(fd, 3 << 20) == 0 && pwrite(fd, "x", 1, 1 << 20) == 1);
    close(fd);
    CHECK_OK(vml_input_open(&in, "h", &err), &err);
    CHECK_OK(vml_input_window(&window, in, "w", 4096, 2 << 20, &err), &err);
    CHECK_OK(vml_input_run(in, 0, &hole, &end, &err), &err);
    if (hole) { /* the file system tells */
        CHECK_INT(end, 1 << 20);
        CHECK_OK(vml_input_run(window, 0, &hole, &end, &err), &err);
        CHECK(hole);
        CHECK_INT(end, (1 << 20) - 4096);
        CHECK_OK(vml_input_run(in, 2 << 20, &hole, &end, &err), &err);
        CHECK(hole);
        CHECK_INT(end, 3 << 20);
        CHECK(truncate("h", 2 << 20) == 0); /* what is gone is no hole */
        CHECK_FAILS(vml_input_run(in, 2 << 20, &hole, &end, &err), &err, "source/changed");
    }
    CHECK(unlink("h") == 0);
}

static void pipes(void)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    char buf[64];
    const void *p;
    size_t n;

    CHECK(mkfifo("p", 0600) == 0);
    CHECK(system("(printf 0123; sleep 0.1; printf 456789) >p &") == 0);
    CHECK_OK(vml_input_open(&in, "p", &err), &err);
    CHECK(!vml_input_can_seek(in) && vml_input_size(in) == VML_SIZE_UNKNOWN);
    CHECK_OK(vml_input_peek(in, 2, &p, &n, &err), &err);
    CHECK_OK(vml_input_peek(in, 6, &p, &n, &err), &err);
    CHECK(n == 6 && memcmp(p, "012345", 6) == 0);
    CHECK_OK(vml_input_read(in, buf, 3, &n, &err), &err);
    CHECK(n == 3 && memcmp(buf, "012", 3) == 0);
    CHECK_OK(vml_input_read(in, buf, 64, &n, &err), &err);
    CHECK(n == 7 && memcmp(buf, "3456789", 7) == 0);
    CHECK(unlink("p") == 0);
}

struct pushed {
    char text[16];
    size_t len;
};

static int push(void *arg, const void *buf, size_t len, struct vml_error *e)
{
    struct pushed *p = arg;

    if (len > sizeof p->text - p->len)
        return vml_fail(e, VML_EIO, "io/full", "no room");
    memcpy(p->text + p->len, buf, len);
    p->len += len;
    return 0;
}

static void callback_output(void)
{
    struct pushed to = { .len = 0 };
    struct vml_output *o = NULL;

    CHECK_OK(vml_output_callback(&o, "push", push, &to, &err), &err);
    CHECK(!vml_output_can_seek(o));
    CHECK_OK(vml_output_write(o, "0123456789", 10, &err), &err);
    CHECK_FAILS(vml_output_write(o, "abcdefg", 7, &err), &err, "io/full");
    CHECK_INT(vml_output_tell(o), 10);
    CHECK_OK(vml_output_write(o, "abcdef", 6, &err), &err);
    CHECK_OK(vml_output_commit(o, &err), &err);
    CHECK(to.len == 16 && memcmp(to.text, "0123456789abcdef", 16) == 0);
    vml_output_free(o);
}

static void outputs(void)
{
    struct vml_output *o = NULL, *member = NULL;
    uint64_t sum = 0, want = 0;
    struct stat st;

    CHECK_OK(vml_output_create(&o, "out", 0, &err), &err);
    CHECK_OK(vml_output_write(o, "abc", 3, &err), &err);
    CHECK_OK(vml_output_append(&member, o, "m", tap_sum, &sum, &err), &err);
    CHECK_OK(vml_output_write(member, "def", 3, &err), &err);
    tap_sum(&want, "def", 3);
    CHECK(sum == want && vml_output_tell(member) == 3 && vml_output_tell(o) == 6);
    CHECK_OK(vml_output_commit(member, &err), &err);
    vml_output_free(member);
    CHECK_OK(vml_output_pwrite(o, "X", 1, 0, &err), &err);
    CHECK_INT(count_files(), 0); /* no name before the commit */
    CHECK_OK(vml_output_commit(o, &err), &err);
    vml_output_free(o);
    CHECK(system("[ \"$(cat out)\" = Xbcdef ]") == 0);

    CHECK_FAILS(vml_output_create(&o, "out", 0, &err), &err, "output/exists");
    CHECK_OK(vml_output_create(&o, "out", VML_OUTPUT_FORCE, &err), &err);
    CHECK_OK(vml_output_write(o, "new", 3, &err), &err);
    vml_output_free(o); /* not committed: the old one stays */
    CHECK(system("[ \"$(cat out)\" = Xbcdef ]") == 0);
    CHECK_OK(vml_output_create(&o, "out", VML_OUTPUT_FORCE, &err), &err);
    CHECK_OK(vml_output_resize(o, 1 << 20, &err), &err);
    CHECK_OK(vml_output_commit(o, &err), &err);
    vml_output_free(o);
    CHECK(stat("out", &st) == 0 && st.st_size == 1 << 20);
    CHECK_INT(count_files(), 1);
    CHECK(unlink("out") == 0);

    /* somebody else takes the name meanwhile */
    CHECK_OK(vml_output_create(&o, "late", 0, &err), &err);
    put_file("late", "theirs", 6);
    CHECK_FAILS(vml_output_commit(o, &err), &err, "output/exists");
    vml_output_free(o);
    CHECK(system("[ \"$(cat late)\" = theirs ]") == 0);
    CHECK(unlink("late") == 0);
    CHECK_FAILS(vml_output_create(&o, "no/such/folder", 0, &err), &err, "io/not-found");
    CHECK_FAILS(vml_output_create(&o, ".", 0, &err), &err, "output/kind");
}

/* In a child: the limit stays. */
static void full(void)
{
    struct rlimit limit = { .rlim_cur = 4096, .rlim_max = 4096 };
    char big[8192] = { 0 };
    int status;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        struct vml_output *o;

        signal(SIGXFSZ, SIG_IGN);
        CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        CHECK_OK(vml_output_create(&o, "big", 0, &err), &err);
        CHECK_FAILS(vml_output_write(o, big, sizeof big, &err), &err, "io/full");
        CHECK_INT(vml_error_status(&err), 7);
        vml_output_free(o);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK_INT(count_files(), 0);
}

static void siblings(void)
{
    static const struct {
        const char *name, *slug;
    } list[] = {
        { "../b", "input/outside" },
        { "sub/../b", "input/outside" },
        { "sub/..", "input/outside" },
        { "/etc/passwd", "input/outside" },
        { "", "input/outside" },
        { "json:{\"file.filename\":\"b\"}", "input/outside" },
        { "nbd://localhost/b", "input/outside" },
        { "C:b", "input/outside" },
        { "link", "input/outside" },   /* to /etc/passwd */
        { "inside", "input/outside" }, /* to b: where it leads does not count */
        { "away/passwd", "input/outside" },
        { "missing", "io/not-found" },
        { "sub/missing", "io/not-found" },
        { "sub", "input/kind" },
        { "fifo", "input/kind" }, /* and does not wait for a writer */
    };
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    VML_AUTO(vml_input_freep) struct vml_input *window = NULL;
    VML_AUTO(vml_input_freep) struct vml_input *stream = NULL;
    VML_AUTO(vml_input_freep) struct vml_input *b = NULL;
    VML_AUTO(vml_input_freep) struct vml_input *c = NULL;
    VML_AUTO(vml_input_freep) struct vml_input *d = NULL;
    VML_AUTO(vml_input_freep) struct vml_input *here = NULL;
    struct vml_input *none;
    char path[64], buf[4];

    CHECK(mkdir("s", 0700) == 0 && mkdir("s/sub", 0700) == 0);
    put_file("s/a", "aaaa", 4);
    put_file("s/b", "bbbb", 4);
    put_file("s/sub/c", "cccc", 4);
    put_file("s/sub/..d", "dddd", 4); /* a name like any other */
    put_file("b", "no!!", 4);
    CHECK(symlink("/etc/passwd", "s/link") == 0 && symlink("b", "s/inside") == 0);
    CHECK(symlink("/etc", "s/away") == 0 && mkfifo("s/fifo", 0600) == 0);
    snprintf(path, sizeof path, "%s/s/a", folder);
    CHECK_OK(vml_input_open(&in, path, &err), &err);
    CHECK_OK(vml_input_sibling(&b, in, "b", &err), &err);
    CHECK_INT(vml_input_size(b), 4);
    CHECK_OK(vml_input_pread(b, buf, 4, 0, &err), &err);
    CHECK(memcmp(buf, "bbbb", 4) == 0);
    CHECK_OK(vml_input_sibling(&c, b, "sub/c", &err), &err);
    CHECK_OK(vml_input_sibling(&d, c, "..d", &err), &err); /* its own folder is s/sub */
    CHECK_FAILS(vml_input_sibling(&none, c, "b", &err), &err, "io/not-found");
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        CHECK_FAILS(vml_input_sibling(&none, in, list[i].name, &err), &err, list[i].slug);
    CHECK(strstr(err.text, "s/fifo") != NULL);

    /* a name without a folder is in the current one */
    CHECK_OK(vml_input_open(&here, "b", &err), &err);
    CHECK_OK(vml_input_sibling(&none, here, "s/b", &err), &err);
    vml_input_free(none);
    CHECK_OK(vml_input_window(&window, in, "w", 0, 4, &err), &err); /* all of it: the same file */
    CHECK_OK(vml_input_sibling(&none, window, "b", &err), &err);
    vml_input_free(none);
    vml_input_freep(&window);
    CHECK_OK(vml_input_window(&window, in, "w", 0, 3, &err), &err);
    CHECK_FAILS(vml_input_sibling(&none, window, "b", &err), &err, "input/no-folder");
    CHECK_OK(vml_input_stream(&stream, in, NULL, NULL, &err), &err);
    CHECK_FAILS(vml_input_sibling(&none, stream, "b", &err), &err, "input/no-folder");
    CHECK_OK(vml_input_beneath(&none, "s", "sub/c", &err), &err);
    vml_input_free(none);
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        CHECK_FAILS(vml_input_beneath(&none, "s", list[i].name, &err), &err,
                    strchr(list[i].name, ':') != NULL ? "io/not-found" : list[i].slug);
    CHECK(system("rm -r s b") == 0);
}

/* NAME and two siblings that hold `text`, committed; -1 with err. */
static int put_group(const char *text, unsigned flags)
{
    VML_AUTO(vml_output_freep) struct vml_output *o = NULL;
    struct vml_output *a, *b;

    if (vml_output_create(&o, "g/name", flags, &err) < 0 ||
        vml_output_sibling(&a, o, "a", &err) < 0 || vml_output_sibling(&b, o, "b", &err) < 0)
        return -1;
    CHECK_OK(vml_output_write(o, text, strlen(text), &err), &err);
    CHECK_OK(vml_output_pwrite(a, text, strlen(text), 0, &err), &err);
    CHECK_OK(vml_output_write(b, text, strlen(text), &err), &err);
    return vml_output_commit(o, &err);
}

static bool group_is(const char *name, const char *a, const char *b)
{
    char command[200];

    snprintf(command, sizeof command,
             "[ \"$(cat g/name) $(cat g/a) $(cat g/b) $(ls -A g | tr '\\n' ' ')\" = "
             "'%s %s %s a b name ' ]",
             name, a, b);
    return system(command) == 0;
}

static void output_siblings(void)
{
    struct vml_output *o = NULL, *a = NULL, *member = NULL;
    int out = dup(1), p[2];

    CHECK(mkdir("g", 0700) == 0);
    CHECK_OK(vml_output_create(&o, "g/name", 0, &err), &err);
    CHECK_OK(vml_output_sibling(&a, o, "a", &err), &err);
    CHECK_STR(vml_output_name(a), "g/a");
    CHECK_OK(vml_output_write(a, "x", 1, &err), &err);
    CHECK(rmdir("g") == 0 && mkdir("g", 0700) == 0); /* nothing in it before the commit */
    vml_output_free(o);

    CHECK_OK(put_group("old", 0), &err);
    CHECK(group_is("old", "old", "old"));
    CHECK_FAILS(put_group("new", 0), &err, "output/exists");
    CHECK(strncmp(err.text, "g/name: ", 8) == 0);
    CHECK_OK(put_group("new", VML_OUTPUT_FORCE), &err);
    CHECK(group_is("new", "new", "new"));

    /* one of the siblings alone is in the way: known before anything is written */
    CHECK(unlink("g/name") == 0 && unlink("g/b") == 0);
    CHECK_FAILS(put_group("more", 0), &err, "output/exists");
    CHECK(strncmp(err.text, "g/a: ", 5) == 0);
    CHECK(access("g/name", F_OK) < 0 && access("g/b", F_OK) < 0);
    CHECK_OK(put_group("more", VML_OUTPUT_FORCE), &err);
    CHECK(group_is("more", "more", "more"));
    CHECK(unlink("g/a") == 0 && mkdir("g/a", 0700) == 0);
    CHECK_FAILS(put_group("none", VML_OUTPUT_FORCE), &err, "output/kind");
    CHECK(rmdir("g/a") == 0 && symlink("b", "g/a") == 0); /* the link goes, not where it leads */
    CHECK_OK(put_group("link", VML_OUTPUT_FORCE), &err);
    CHECK(group_is("link", "link", "link"));
    CHECK(system("rm -r g") == 0);

    /* what has no folder has no siblings */
    CHECK_OK(vml_output_create(&o, "whole", 0, &err), &err);
    CHECK_OK(vml_output_append(&member, o, "m", NULL, NULL, &err), &err);
    CHECK_FAILS(vml_output_sibling(&a, member, "a", &err), &err, "output/no-folder");
    vml_output_free(member);
    vml_output_free(o);
    CHECK(pipe(p) == 0 && dup2(p[1], 1) == 1);
    CHECK_OK(vml_output_create(&o, "-", 0, &err), &err);
    CHECK_FAILS(vml_output_sibling(&a, o, "a", &err), &err, "output/no-folder");
    vml_output_free(o);
    CHECK(dup2(out, 1) == 1 && close(out) == 0 && close(p[0]) == 0 && close(p[1]) == 0);
}

/* Somebody takes a name while the group is written: all is as it was, whichever name it is. */
static void siblings_late(void)
{
    static const char *const names[] = { "g/name", "g/a", "g/b" };

    for (size_t i = 0; i < 3; i++)
        for (unsigned force = 0; force < 2; force++) {
            struct vml_output *o, *sibling;

            CHECK(mkdir("g", 0700) == 0);
            CHECK_OK(vml_output_create(&o, "g/name", force != 0 ? VML_OUTPUT_FORCE : 0, &err),
                     &err);
            CHECK_OK(vml_output_sibling(&sibling, o, "a", &err), &err);
            CHECK_OK(vml_output_sibling(&sibling, o, "b", &err), &err);
            put_file(names[i], "theirs", 6);
            if (force != 0) {
                CHECK_OK(vml_output_commit(o, &err), &err);
            } else {
                CHECK_FAILS(vml_output_commit(o, &err), &err, "output/exists");
                CHECK(strncmp(err.text, names[i], strlen(names[i])) == 0);
                CHECK(system("[ \"$(cat g/*)\" = theirs ] && [ $(ls -A g | wc -l) = 1 ]") == 0);
            }
            vml_output_free(o);
            CHECK(system(force != 0 ? "[ $(ls -A g | wc -l) = 3 ] && [ -z \"$(cat g/*)\" ]"
                                    : "[ $(ls -A g | wc -l) = 1 ]") == 0);
            CHECK(system("rm -r g") == 0);
        }
}

int main(void)
{
    CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
    seekable();
    holes();
    pipes();
    siblings();
    callback_output();
    outputs();
    output_siblings();
    siblings_late();
    full();
    CHECK_INT(count_files(), 0);
    CHECK(chdir("/") == 0 && rmdir(folder) == 0);
    return 0;
}
