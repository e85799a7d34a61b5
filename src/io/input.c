/* Inputs: one struct, four kinds (file, pipe, window, stream), each a few functions in a table. */
#include "vmlift/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct input_ops {
    int (*read)(struct vml_input *in, void *buf, size_t len, size_t *got, struct vml_error *err);
    int (*pread)(struct vml_input *in, void *buf, size_t len, uint64_t off, struct vml_error *err);
    int (*run)(struct vml_input *in, uint64_t off, bool *hole, uint64_t *end,
               struct vml_error *err);
};

struct vml_input {
    const struct input_ops *ops;
    char *name;
    uint64_t size;
    bool can_seek;
    bool by_path;         /* opened under its name, so that it has a folder, */
    bool alone;           /* which is not looked into */
    int fd;               /* file, pipe; -1 otherwise */
    struct stat opened;   /* a file, when it was opened; st_mode is 0 otherwise */
    uint64_t pos;         /* of the next read, for what can seek below */
    struct vml_input *of; /* window, stream; of a callback what it reads from, or NULL */
    uint64_t base;        /* window: where it starts in `of` */
    vml_tap *tap;         /* stream */
    vml_pull *pull;       /* callback */
    const struct vml_random_ops *random; /* likewise, seekable */
    void *arg;                           /* of tap, pull or random */
    void (*drop)(void *);                /* frees arg; may be NULL */
    uint8_t *head;                       /* what peek took from a pipe, handed out by read first */
    size_t head_len, head_pos;
};

static struct vml_input *input_new(const struct input_ops *ops, const char *name,
                                   struct vml_error *err)
{
    struct vml_input *in = calloc(1, sizeof *in);
    char *copy = strdup(name);

    if (in == NULL || copy == NULL) {
        free(in);
        free(copy);
        vml_fail_nomem(err);
        return NULL;
    }
    *in = (struct vml_input){ .ops = ops, .name = copy, .fd = -1, .size = VML_SIZE_UNKNOWN };
    return in;
}

/* --- files and devices ---------------------------------------------------------------------- */

static int past_end(struct vml_error *err, size_t len, uint64_t off, uint64_t size)
{
    return vml_fail(err, VML_EDATA, "input/truncated",
                    "needs %zu bytes at offset %llu, but the input ends at %llu", len,
                    (unsigned long long)off, (unsigned long long)size);
}

/* Whoever made it shorter may have changed what was read before, too. */
static int shorter(const struct vml_input *in, uint64_t end, struct vml_error *err)
{
    return vml_fail(err, VML_EIO, "source/changed",
                    "changed while it was read: it ends at %llu, and ended at %llu when it was "
                    "opened",
                    (unsigned long long)end, (unsigned long long)in->size);
}

static bool fits(const struct vml_input *in, size_t len, uint64_t off)
{
    return off <= in->size && len <= in->size - off;
}

static int file_pread(struct vml_input *in, void *buf, size_t len, uint64_t off,
                      struct vml_error *err)
{
    uint8_t *p = buf;

    if (!fits(in, len, off))
        return past_end(err, len, off, in->size);
    while (len > 0) {
        ssize_t n = pread(in->fd, p, len, (off_t)off);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return vml_fail_errno(err, "read of %zu bytes at offset %llu", len,
                                  (unsigned long long)off);
        if (n == 0)
            return shorter(in, off, err);
        p += n;
        off += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int file_run(struct vml_input *in, uint64_t off, bool *hole, uint64_t *end,
                    struct vml_error *err)
{
    off_t data = lseek(in->fd, (off_t)off, SEEK_DATA), stop;
    struct stat st;

    if (data < 0 && errno == ENXIO) { /* nothing but a hole up to the end, which may have moved */
        if (fstat(in->fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size < in->size)
            return shorter(in, (uint64_t)st.st_size, err);
        *hole = true;
        *end = in->size;
        return 0;
    }
    if (data < 0 && errno == EINVAL) { /* devices and file systems that do not tell */
        *hole = false;
        *end = in->size;
        return 0;
    }
    if (data < 0)
        return vml_fail_errno(err, "search for data at offset %llu", (unsigned long long)off);
    if ((uint64_t)data > off) {
        *hole = true;
        *end = vml_min_u64((uint64_t)data, in->size);
        return 0;
    }
    stop = lseek(in->fd, (off_t)off, SEEK_HOLE);
    *hole = false;
    *end = stop < 0 || (uint64_t)stop <= off ? in->size : vml_min_u64((uint64_t)stop, in->size);
    return 0;
}

/* In order, on what can seek. */
static int seekable_read(struct vml_input *in, void *buf, size_t len, size_t *got,
                         struct vml_error *err)
{
    *got = (size_t)vml_min_u64(len, in->size - in->pos);
    if (*got > 0 && in->ops->pread(in, buf, *got, in->pos, err) < 0)
        return -1;
    in->pos += *got;
    return 0;
}

static const struct input_ops file_ops = { .read = seekable_read,
                                           .pread = file_pread,
                                           .run = file_run };

/* --- pipes ---------------------------------------------------------------------------------- */

/* One read(2), in slices of waiting so that an interruption ends a silent pipe too. */
static int pipe_some(struct vml_input *in, void *buf, size_t len, size_t *got,
                     struct vml_error *err)
{
    for (;;) {
        struct pollfd p = { .fd = in->fd, .events = POLLIN };
        ssize_t n;

        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (poll(&p, 1, 200) <= 0) /* a signal ends it too */
            continue;
        n = read(in->fd, buf, len);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return vml_fail_errno(err, "read at offset %llu", (unsigned long long)in->pos);
        *got = (size_t)n;
        return 0;
    }
}

static int pipe_read(struct vml_input *in, void *buf, size_t len, size_t *got,
                     struct vml_error *err)
{
    uint8_t *p = buf;

    *got = 0;
    while (*got < len) {
        size_t n = 0;

        if ((in->pull != NULL ? in->pull(in->arg, p + *got, len - *got, &n, err)
                              : pipe_some(in, p + *got, len - *got, &n, err)) < 0)
            return -1;
        if (n == 0)
            break;
        *got += n;
        in->pos += n;
    }
    return 0;
}

static const struct input_ops pipe_ops = { .read = pipe_read };

/* --- windows and streams over another input ------------------------------------------------- */

static int window_pread(struct vml_input *in, void *buf, size_t len, uint64_t off,
                        struct vml_error *err)
{
    if (!fits(in, len, off))
        return past_end(err, len, off, in->size);
    return vml_input_pread(in->of, buf, len, in->base + off, err);
}

static int window_run(struct vml_input *in, uint64_t off, bool *hole, uint64_t *end,
                      struct vml_error *err)
{
    if (vml_input_run(in->of, in->base + off, hole, end, err) < 0)
        return -1;
    *end = vml_min_u64(*end - in->base, in->size);
    return 0;
}

static const struct input_ops window_ops = { .read = seekable_read,
                                             .pread = window_pread,
                                             .run = window_run };

static int stream_read(struct vml_input *in, void *buf, size_t len, size_t *got,
                       struct vml_error *err)
{
    *got = (size_t)vml_min_u64(len, in->size - in->pos);
    if (*got > 0 && vml_input_pread(in->of, buf, *got, in->pos, err) < 0)
        return -1;
    if (*got > 0 && in->tap != NULL)
        in->tap(in->arg, buf, *got);
    in->pos += *got;
    return 0;
}

static const struct input_ops stream_ops = { .read = stream_read };

int vml_input_window(struct vml_input **out, struct vml_input *of, const char *name, uint64_t off,
                     uint64_t size, struct vml_error *err)
{
    struct vml_input *in;

    assert(of->can_seek);
    if (off > of->size || size > of->size - off)
        return vml_fail(err, VML_EDATA, "input/truncated",
                        "%s: %llu bytes at offset %llu, but the input ends at %llu", name,
                        (unsigned long long)size, (unsigned long long)off,
                        (unsigned long long)of->size);
    in = input_new(&window_ops, name, err);
    if (in == NULL)
        return -1;
    in->of = of;
    in->base = off;
    in->size = size;
    in->can_seek = true;
    *out = in;
    return 0;
}

int vml_input_stream(struct vml_input **out, struct vml_input *of, vml_tap *tap, void *arg,
                     struct vml_error *err)
{
    struct vml_input *in = input_new(&stream_ops, of->name, err);

    assert(of->can_seek);
    if (in == NULL)
        return -1;
    in->of = of;
    in->size = of->size;
    in->tap = tap;
    in->arg = arg;
    *out = in;
    return 0;
}

int vml_input_callback(struct vml_input **out, const char *name, uint64_t size, vml_pull *pull,
                       void *arg, struct vml_error *err)
{
    struct vml_input *in = input_new(&pipe_ops, name, err);

    if (in == NULL)
        return -1;
    in->size = size;
    in->pull = pull;
    in->arg = arg;
    *out = in;
    return 0;
}

static int random_pread(struct vml_input *in, void *buf, size_t len, uint64_t off,
                        struct vml_error *err)
{
    return fits(in, len, off) ? in->random->pread(in->arg, buf, len, off, err)
                              : past_end(err, len, off, in->size);
}

static int random_run(struct vml_input *in, uint64_t off, bool *hole, uint64_t *end,
                      struct vml_error *err)
{
    return in->random->run(in->arg, off, hole, end, err);
}

static const struct input_ops random_ops = { .read = seekable_read,
                                             .pread = random_pread,
                                             .run = random_run };

int vml_input_random(struct vml_input **out, const char *name, uint64_t size,
                     const struct vml_random_ops *ops, void *arg, struct vml_error *err)
{
    struct vml_input *in = input_new(&random_ops, name, err);

    if (in == NULL)
        return -1;
    in->size = size;
    in->can_seek = true;
    in->random = ops;
    in->arg = arg;
    *out = in;
    return 0;
}

void vml_input_reads_from(struct vml_input *in, struct vml_input *of)
{
    assert(in->pull != NULL);
    in->of = of;
}

void vml_input_on_free(struct vml_input *in, void (*drop)(void *arg))
{
    assert((in->pull != NULL || in->random != NULL) && in->drop == NULL);
    in->drop = drop;
}

/* --- opening, and what all kinds share ------------------------------------------------------ */

/* Whether fd is something to read a disk from, and how. */
static int input_kind(struct vml_input *in, struct vml_error *err)
{
    struct stat st;
    off_t at;

    if (fstat(in->fd, &st) < 0)
        return vml_fail_errno(err, "%s", in->name);
    if (S_ISREG(st.st_mode)) {
        in->opened = st;
        in->can_seek = true;
        in->size = (uint64_t)st.st_size;
        /* standard input may stand behind the start of its file: then it is read on, as a pipe is
         */
        at = lseek(in->fd, 0, SEEK_CUR);
        if (at > 0) {
            in->can_seek = false;
            in->size = (uint64_t)st.st_size > (uint64_t)at ? (uint64_t)(st.st_size - at) : 0;
        }
    } else if (S_ISBLK(st.st_mode)) {
        in->can_seek = true;
        if (ioctl(in->fd, BLKGETSIZE64, &in->size) < 0)
            return vml_fail_errno(err, "%s: size of the device", in->name);
    } else if (!S_ISFIFO(st.st_mode) && !(S_ISCHR(st.st_mode) && !isatty(in->fd)) &&
               !S_ISSOCK(st.st_mode)) {
        return vml_fail(err, VML_EDATA, "input/kind", "%s: %s is not a disk or a package", in->name,
                        S_ISDIR(st.st_mode) ? "a directory" : "a terminal");
    }
    if (!in->can_seek)
        in->ops = &pipe_ops;
    else
        (void)posix_fadvise(in->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return 0;
}

int vml_input_open(struct vml_input **out, const char *path, struct vml_error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    VML_AUTO(vml_input_freep)
    struct vml_input *in = input_new(&file_ops, is_stdin ? "(stdin)" : path, err);

    if (in == NULL)
        return -1;
    in->fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0 && errno == EINTR && vml_interrupted()) /* a named pipe without a writer */
        return vml_fail_interrupted(err);
    if (in->fd < 0 && errno == ENXIO) /* what open(2) says to one */
        return vml_fail(err, VML_EDATA, "input/kind", "%s: a socket is not a disk or a package",
                        in->name);
    if (in->fd < 0)
        return vml_fail_errno(err, "%s", in->name);
    if (input_kind(in, err) < 0)
        return -1;
    in->by_path = !is_stdin;
    *out = in;
    in = NULL;
    return 0;
}

/* --- files beside one ----------------------------------------------------------------------- */

/* "json:{..}", "nbd://..", "C:..": for other programs more than a name. */
static bool has_scheme(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

    return n > 0 && name[n] == ':';
}

static bool goes_up(const char *name)
{
    for (size_t n; *name != '\0'; name += n + (name[n] == '/')) {
        n = strcspn(name, "/");
        if (n == 2 && memcmp(name, "..", 2) == 0)
            return true;
    }
    return false;
}

static int open_beneath(const char *folder, const char *name, struct vml_error *err)
{
    struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
    int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, saved;

    if (dir < 0)
        return vml_fail_errno(err, "%s", folder);
    fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
    saved = errno;
    close(dir);
    if (fd >= 0)
        return fd;
    if (saved == ELOOP || saved == EXDEV)
        return vml_fail(err, VML_EREFUSED, "input/outside",
                        "%s: a symbolic link on the way is not followed", name);
    errno = saved;
    return vml_fail_errno(err, "%s/%s", folder, name);
}

/* The plain file of that name, which has been looked at. */
static int open_in_folder(struct vml_input **out, const char *folder, const char *name,
                          struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = NULL;
    VML_AUTO(vml_input_freep) struct vml_input *new = NULL;
    struct stat st;

    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        path = NULL;
        return vml_fail_nomem(err);
    }
    new = input_new(&file_ops, path, err);
    if (new == NULL)
        return -1;
    new->fd = open_beneath(folder, name, err);
    if (new->fd < 0)
        return -1;
    if (fstat(new->fd, &st) < 0)
        return vml_fail_errno(err, "%s", path);
    if (!S_ISREG(st.st_mode)) /* a device would be as far outside as a link */
        return vml_fail(err, VML_EDATA, "input/kind", "%s: not a file", path);
    if (input_kind(new, err) < 0)
        return -1;
    new->by_path = true;
    *out = new;
    new = NULL;
    return 0;
}

int vml_input_beneath(struct vml_input **out, const char *folder, const char *name,
                      struct vml_error *err)
{
    if (name[0] == '\0' || name[0] == '/' || goes_up(name))
        return vml_fail(err, VML_EREFUSED, "input/outside", "%s: not the name of a file in %s",
                        name, folder);
    return open_in_folder(out, folder, name, err);
}

int vml_input_sibling(struct vml_input **out, struct vml_input *in, const char *name,
                      struct vml_error *err)
{
    VML_AUTO(vml_freep) char *copy = NULL;

    while (in->ops == &window_ops && in->base == 0 && in->size == in->of->size)
        in = in->of;
    copy = strdup(in->name);
    if (copy == NULL)
        return vml_fail_nomem(err);
    if (!in->by_path || in->alone || !in->can_seek)
        return vml_fail(err, VML_EUNSUPPORTED, "input/no-folder",
                        "%s: lies beside a file, but this is a pipe or part of a package", name);
    if (name[0] == '\0' || name[0] == '/' || has_scheme(name) || goes_up(name))
        return vml_fail(err, VML_EREFUSED, "input/outside",
                        "%s: not the name of a file in the same folder", name);
    return open_in_folder(out, dirname(copy), name, err);
}

void vml_input_alone(struct vml_input *in)
{
    in->alone = true;
}

/* --- what happened to the file meanwhile ---------------------------------------------------- */

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

int vml_input_unchanged(const struct vml_input *in, struct vml_error *err)
{
    struct stat st;

    while (in->of != NULL)
        in = in->of;
    if (in->opened.st_mode == 0)
        return 0;
    if (fstat(in->fd, &st) < 0)
        return vml_fail_errno(err, "is it still the same file?");
    if (st.st_size != in->opened.st_size)
        return vml_fail(err, VML_EIO, "source/changed",
                        "changed while it was read: it has %llu bytes, and had %llu when it was "
                        "opened",
                        (unsigned long long)st.st_size, (unsigned long long)in->opened.st_size);
    if (!same_time(st.st_mtim, in->opened.st_mtim))
        return vml_fail(err, VML_EIO, "source/changed",
                        "changed while it was read: it was last written to at %lld.%09ld, and "
                        "before it was opened at %lld.%09ld",
                        (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                        (long long)in->opened.st_mtim.tv_sec, in->opened.st_mtim.tv_nsec);
    /* Its bytes are whole, but they are no longer what the name stands for. */
    if (in->by_path && stat(in->name, &st) == 0 &&
        (st.st_ino != in->opened.st_ino || st.st_dev != in->opened.st_dev))
        return vml_fail(err, VML_EIO, "source/changed",
                        "was replaced while it was read: another file has its name");
    return 0;
}

void vml_input_free(struct vml_input *in)
{
    if (in == NULL)
        return;
    if (in->fd >= 0)
        close(in->fd);
    if (in->drop != NULL)
        in->drop(in->arg);
    free(in->head);
    free(in->name);
    free(in);
}

void vml_input_freep(struct vml_input **in)
{
    vml_input_free(*in);
    *in = NULL;
}

const char *vml_input_name(const struct vml_input *in)
{
    return in->name;
}

uint64_t vml_input_size(const struct vml_input *in)
{
    return in->size;
}

bool vml_input_can_seek(const struct vml_input *in)
{
    return in->can_seek;
}

int vml_input_peek(struct vml_input *in, size_t want, const void **p, size_t *have,
                   struct vml_error *err)
{
    assert(want <= VML_PEEK_MAX && in->head_pos == 0);
    if (in->head == NULL && (in->head = malloc(VML_PEEK_MAX)) == NULL)
        return vml_fail_nomem(err);
    if (want > in->head_len) {
        size_t got = 0;

        if (in->can_seek) {
            got = (size_t)vml_min_u64(want, in->size);
            if (vml_input_pread(in, in->head, got, 0, err) < 0)
                return -1;
            in->head_len = got;
        } else {
            if (in->ops->read(in, in->head + in->head_len, want - in->head_len, &got, err) < 0)
                return -1;
            in->head_len += got;
        }
    }
    *p = in->head;
    *have = vml_min_u64(want, in->head_len);
    return 0;
}

int vml_input_read(struct vml_input *in, void *buf, size_t len, size_t *got, struct vml_error *err)
{
    uint8_t *p = buf;
    size_t first = 0;

    if (!in->can_seek && in->head_pos < in->head_len) {
        first = vml_min_u64(len, in->head_len - in->head_pos);
        memcpy(p, in->head + in->head_pos, first);
        in->head_pos += first;
    }
    *got = 0;
    if (len > first && in->ops->read(in, p + first, len - first, got, err) < 0)
        return -1;
    *got += first;
    return 0;
}

int vml_input_pread(struct vml_input *in, void *buf, size_t len, uint64_t off,
                    struct vml_error *err)
{
    assert(in->can_seek);
    return in->ops->pread(in, buf, len, off, err);
}

int vml_input_run(struct vml_input *in, uint64_t off, bool *hole, uint64_t *end,
                  struct vml_error *err)
{
    assert(in->can_seek && off < in->size);
    return in->ops->run(in, off, hole, end, err);
}
