/* Outputs.  A file is written without a name (O_TMPFILE) and linked to its name by commit, so that
 * not even a kill -9 leaves half of one behind.  Where the file system has no nameless files (some
 * FUSE and network ones) it is ".NAME.XXXXXX.part" beside the target until then. */
#include "output.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEHIND (8u << 20) /* bytes: enough that the file system finds one place for them */

void vml_output_freep(struct vml_output **o)
{
    vml_output_free(*o);
    *o = NULL;
}

void vml_output_free(struct vml_output *o)
{
    if (o == NULL)
        return;
    while (o->whole == NULL && o->next != NULL) {
        struct vml_output *sibling = o->next;

        o->next = sibling->next;
        sibling->next = NULL;
        vml_output_free(sibling);
    }
    if (o->part != NULL)
        (void)unlinkat(output_folder(o), o->part, 0);
    if (o->fd >= 0)
        close(o->fd);
    if (o->dir >= 0)
        close(o->dir);
    free(o->part);
    free(o->old);
    free(o->name);
    free(o);
}

static struct vml_output *output_new(enum output_kind kind, const char *name, struct vml_error *err)
{
    struct vml_output *o = calloc(1, sizeof *o);
    char *copy = strdup(name);

    if (o == NULL || copy == NULL) {
        free(o);
        free(copy);
        vml_fail_nomem(err);
        return NULL;
    }
    *o = (struct vml_output){ .kind = kind, .name = copy, .fd = -1, .dir = -1 };
    return o;
}

static int open_folder(struct vml_output *o, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *copy = strdup(o->name);

    if (copy == NULL)
        return vml_fail_nomem(err);
    o->dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return o->dir < 0 ? vml_fail_errno(err, "%s: its folder", o->name) : 0;
}

int output_working_name(const struct vml_output *o, char **name, struct vml_error *err)
{
    uint32_t tag = 0;

    if (vml_random(&tag, sizeof tag, err) < 0)
        return -1;
    if (asprintf(name, ".%.200s.%08x.part", output_base(o), tag) < 0) {
        *name = NULL;
        return vml_fail_nomem(err);
    }
    return 0;
}

size_t vml_output_part_of(const char *entry)
{
    static const char form[] = ".hhhhhhhh.part";
    size_t len = strlen(entry), end = sizeof form - 1;

    if (entry[0] != '.' || len < end + 2)
        return 0;
    entry += len - end;
    for (size_t i = 0; i < end; i++)
        if (i >= 1 && i <= 8 ? strchr("0123456789abcdef", entry[i]) == NULL : entry[i] != form[i])
            return 0;
    return len - end - 1;
}

static int open_part(struct vml_output *o, struct vml_error *err)
{
    if (output_working_name(o, &o->part, err) < 0)
        return -1;
    o->fd = openat(output_folder(o), o->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, o->mode);
    if (o->fd >= 0)
        return 0;
    free(o->part);
    o->part = NULL;
    return vml_fail_errno(err, "%s", o->name);
}

int output_exists(const struct vml_output *o, struct vml_error *err)
{
    return vml_fail(err, VML_EEXISTS, "output/exists", "%s: exists already (--force replaces it)",
                    o->name);
}

static int open_nameless(struct vml_output *o, struct vml_error *err)
{
    o->fd = openat(output_folder(o), ".", O_RDWR | O_TMPFILE | O_CLOEXEC, o->mode);
    if (o->fd >= 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)
        return vml_fail_errno(err, "%s", o->name);
    return open_part(o, err);
}

static int open_file(struct vml_output *o, struct vml_error *err)
{
    return open_folder(o, err) < 0 ? -1 : open_nameless(o, err);
}

static int open_device(struct vml_output *o, struct vml_error *err)
{
    o->kind = OUTPUT_DEVICE;
    if (!o->force)
        return vml_fail(err, VML_EEXISTS, "output/exists",
                        "%s: a block device (--force writes to it)", o->name);
    /* O_EXCL on a device: not while it is mounted or otherwise in use */
    o->fd = open(o->name, O_RDWR | O_EXCL | O_CLOEXEC);
    if (o->fd < 0)
        return vml_fail_errno(err, "%s", o->name);
    if (ioctl(o->fd, BLKGETSIZE64, &o->size) < 0)
        return vml_fail_errno(err, "%s: size of the device", o->name);
    return 0;
}

static int open_stdout(struct vml_output *o, struct vml_error *err)
{
    struct stat st;

    o->kind = OUTPUT_PIPE;
    if (isatty(STDOUT_FILENO))
        return vml_fail(err, VML_EUSAGE, "output/terminal",
                        "%s: a terminal; send it to a file or a pipe", o->name);
    /* A pipe is opened anew, so that O_NONBLOCK is ours alone and not that of everyone who shares
     * the descriptor. */
    if (fstat(STDOUT_FILENO, &st) == 0 && S_ISFIFO(st.st_mode))
        o->fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (o->fd < 0)
        o->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    return o->fd < 0 ? vml_fail_errno(err, "%s", o->name) : 0;
}

int vml_output_create(struct vml_output **out, const char *path, unsigned flags,
                      struct vml_error *err)
{
    bool is_stdout = strcmp(path, "-") == 0;
    VML_AUTO(vml_output_freep)
    struct vml_output *o = output_new(OUTPUT_FILE, is_stdout ? "(stdout)" : path, err);
    struct stat st;
    int rc;

    if (o == NULL)
        return -1;
    o->force = (flags & VML_OUTPUT_FORCE) != 0;
    o->mode = (flags & VML_OUTPUT_PRIVATE) != 0 ? 0600 : 0666;
    if (is_stdout)
        rc = open_stdout(o, err);
    else if (stat(path, &st) < 0)
        rc = errno == ENOENT ? open_file(o, err) : vml_fail_errno(err, "%s", o->name);
    else if (S_ISBLK(st.st_mode))
        rc = open_device(o, err);
    else if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
        o->kind = OUTPUT_PIPE;
        o->fd = open(path, O_WRONLY | O_CLOEXEC);
        rc = o->fd < 0 ? vml_fail_errno(err, "%s", o->name) : 0;
    } else if (!S_ISREG(st.st_mode))
        rc = vml_fail(err, VML_EUSAGE, "output/kind", "%s: not a file", o->name);
    else
        rc = o->force ? open_file(o, err) : output_exists(o, err);
    if (rc < 0)
        return -1;
    *out = o;
    o = NULL;
    return 0;
}

/* Something has the name of a sibling already. */
static int taken(const struct vml_output *o, const struct stat *st, struct vml_error *err)
{
    if (!S_ISREG(st->st_mode) && !S_ISLNK(st->st_mode))
        return vml_fail(err, VML_EUSAGE, "output/kind", "%s: not a file", o->name);
    return o->force ? 0 : output_exists(o, err);
}

int vml_output_sibling(struct vml_output **out, struct vml_output *of, const char *name,
                       struct vml_error *err)
{
    VML_AUTO(vml_output_freep) struct vml_output *o = NULL;
    VML_AUTO(vml_freep) char *path = NULL;
    struct stat st;

    assert(name[0] != '\0' && strchr(name, '/') == NULL && of->whole == NULL);
    if (of->kind != OUTPUT_FILE)
        return vml_fail(err, VML_EUNSUPPORTED, "output/no-folder",
                        "'%s' would lie beside it, but this is no file in a folder", name);
    if (asprintf(&path, "%.*s%s", (int)(output_base(of) - of->name), of->name, name) < 0) {
        path = NULL;
        return vml_fail_nomem(err);
    }
    o = output_new(OUTPUT_FILE, path, err);
    if (o == NULL)
        return -1;
    o->whole = of;
    o->force = of->force;
    o->mode = of->mode;
    if (fstatat(of->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (taken(o, &st, err) < 0)
            return -1;
    } else if (errno != ENOENT) {
        return vml_fail_errno(err, "%s", o->name);
    }
    if (open_nameless(o, err) < 0)
        return -1;
    o->next = of->next;
    of->next = o;
    *out = o;
    o = NULL;
    return 0;
}

int vml_output_append(struct vml_output **out, struct vml_output *of, const char *name,
                      vml_tap *tap, void *arg, struct vml_error *err)
{
    struct vml_output *o = output_new(OUTPUT_APPEND, name, err);

    if (o == NULL)
        return -1;
    o->of = of;
    o->tap = tap;
    o->arg = arg;
    *out = o;
    return 0;
}

int vml_output_callback(struct vml_output **out, const char *name, vml_push *push, void *arg,
                        struct vml_error *err)
{
    struct vml_output *o = output_new(OUTPUT_CALLBACK, name, err);

    if (o == NULL)
        return -1;
    o->push = push;
    o->arg = arg;
    *out = o;
    return 0;
}

const char *vml_output_name(const struct vml_output *o)
{
    return o->name;
}

bool vml_output_can_seek(const struct vml_output *o)
{
    return o->kind == OUTPUT_FILE || o->kind == OUTPUT_DEVICE;
}

uint64_t vml_output_tell(const struct vml_output *o)
{
    return o->end;
}

/* What was written sets out for the disk, so that little is left for the commit to wait for. A
 * hint: a write that fails in the background is told by the commit's sync, and not taken note of
 * here, since only waiting for it would. */
static void write_behind(struct vml_output *o, size_t len)
{
    uint64_t before = atomic_fetch_add(&o->written, len);

    if (before / BEHIND != (before + len) / BEHIND)
        (void)sync_file_range(o->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static int put_all(struct vml_output *o, const void *buf, size_t len, uint64_t off,
                   struct vml_error *err)
{
    const uint8_t *p = buf;

    while (len > 0) {
        ssize_t n;

        if (o->kind ==
            OUTPUT_PIPE) { /* a reader that stalls must not keep an interruption waiting */
            struct pollfd pfd = { .fd = o->fd, .events = POLLOUT };

            if (vml_interrupted())
                return vml_fail_interrupted(err);
            if (poll(&pfd, 1, 200) <= 0)
                continue;
            n = write(o->fd, p, len);
        } else {
            n = pwrite(o->fd, p, len, (off_t)off);
        }
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return vml_fail_errno(err, "write of %zu bytes at offset %llu", len,
                                  (unsigned long long)off);
        p += n;
        off += (uint64_t)n;
        len -= (size_t)n;
        if (o->kind != OUTPUT_PIPE)
            write_behind(o, (size_t)n);
    }
    return 0;
}

int vml_output_write(struct vml_output *o, const void *buf, size_t len, struct vml_error *err)
{
    if (o->kind == OUTPUT_APPEND) {
        if (vml_output_write(o->of, buf, len, err) < 0)
            return -1;
        if (o->tap != NULL)
            o->tap(o->arg, buf, len);
    } else if (o->kind == OUTPUT_CALLBACK) {
        if (o->push(o->arg, buf, len, err) < 0)
            return -1;
    } else if (put_all(o, buf, len, o->end, err) < 0) {
        return -1;
    }
    o->end += len;
    return 0;
}

int vml_output_pwrite(struct vml_output *o, const void *buf, size_t len, uint64_t off,
                      struct vml_error *err)
{
    assert(vml_output_can_seek(o));
    return put_all(o, buf, len, off, err);
}

int vml_output_zero(struct vml_output *o, uint64_t off, uint64_t len, struct vml_error *err)
{
    static const uint8_t zeroes[64 << 10];

    assert(vml_output_can_seek(o));
    if (o->kind == OUTPUT_FILE || len == 0)
        return 0;
    if (fallocate(o->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) == 0)
        return 0;
    while (len > 0) {
        size_t n = (size_t)vml_min_u64(len, sizeof zeroes);

        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (put_all(o, zeroes, n, off, err) < 0)
            return -1;
        off += n;
        len -= n;
    }
    return 0;
}

int vml_output_resize(struct vml_output *o, uint64_t size, struct vml_error *err)
{
    assert(vml_output_can_seek(o));
    if (o->kind == OUTPUT_DEVICE && o->size < size)
        return vml_fail(err, VML_EIO, "output/device-size",
                        "needs %llu bytes, but the device has %llu", (unsigned long long)size,
                        (unsigned long long)o->size);
    if (o->kind == OUTPUT_FILE && ftruncate(o->fd, (off_t)size) < 0)
        return vml_fail_errno(err, "setting the length to %llu", (unsigned long long)size);
    return 0;
}
