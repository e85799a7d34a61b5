/* What unfinished uploads keep from gc, since no snapshot says yet that it is in use.
 *
 *     STORE/uploads/SNAPSHOT.pins    flock: held by the process whose upload it is
 *
 *     0   "VMLPINS1", 8 u64 deadline, 16 u64 size of the parent's disk, 24 zeroes, 32 its root (all
 *         zeroes: no parent)
 *     64  32 bytes for each block that was put: its address
 *
 * A file whose lock is free is nobody's any more: its process has ended, or the machine.  So it
 * need not be durable, and it is written only under the store's lock, shared, so that a gc, which
 * has that lock exclusively, sees it whole.  What is past its deadline is not pinned: gc says so by
 * the same clock by which the upload itself refuses to go on, under the same lock. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/internal.h"

#include "vmlift/endian.h"

#define FOLDER   "uploads"
#define SUFFIX   ".pins"
#define HEADER   64u
#define DEADLINE 8u
#define AT_ONCE  2048u /* addresses that gc reads at a time */

struct vml_pins {
    int fd;
    char *path;
    uint64_t end; /* of the file */
};

uint64_t vml_pins_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec;
}

/* --- the upload's side ---------------------------------------------------------------------- */

static int write_at(const struct vml_pins *p, const void *buf, size_t len, uint64_t off,
                    struct vml_error *err)
{
    const uint8_t *from = buf;

    while (len > 0) {
        ssize_t n = pwrite(p->fd, from, len, (off_t)off);

        if (n < 0 && errno != EINTR)
            return vml_fail_errno(err, "%s", p->path);
        n = n < 0 ? 0 : n;
        from += n;
        len -= (size_t)n;
        off += (uint64_t)n;
    }
    return 0;
}

static int write_header(struct vml_pins *p, const struct vml_snapshot *parent, uint64_t deadline,
                        struct vml_error *err)
{
    uint8_t header[HEADER] = { 0 };

    memcpy(header, "VMLPINS1", 8);
    put_le64(header + DEADLINE, deadline);
    if (parent != NULL) {
        put_le64(header + 16, parent->size);
        memcpy(header + 32, parent->root, 32);
    }
    p->end = sizeof header;
    return write_at(p, header, sizeof header, 0, err);
}

int vml_pins_create(struct vml_pins **out, const struct vml_store *s, const char *id,
                    const struct vml_snapshot *parent, uint64_t deadline, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *folder = vml_in_folder(s->dir, FOLDER, err);
    VML_AUTO(vml_pins_freep) struct vml_pins *p = calloc(1, sizeof *p);

    if (p == NULL)
        return vml_fail_nomem(err);
    p->fd = -1;
    if (folder == NULL || asprintf(&p->path, "%s/%s" SUFFIX, folder, id) < 0) {
        p->path = NULL;
        return vml_fail_nomem(err);
    }
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return vml_fail_errno(err, "%s", folder);
    p->fd = open(p->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (p->fd < 0 || flock(p->fd, LOCK_EX | LOCK_NB) < 0)
        return vml_fail_errno(err, "%s", p->path);
    if (write_header(p, parent, deadline, err) < 0)
        return -1;
    *out = p;
    p = NULL;
    return 0;
}

int vml_pins_add(struct vml_pins *p, const uint8_t address[32], struct vml_error *err)
{
    if (write_at(p, address, 32, p->end, err) < 0)
        return -1;
    p->end += 32;
    return 0;
}

int vml_pins_renew(struct vml_pins *p, uint64_t deadline, struct vml_error *err)
{
    uint8_t raw[8];

    put_le64(raw, deadline);
    return write_at(p, raw, sizeof raw, DEADLINE, err);
}

void vml_pins_free(struct vml_pins *p)
{
    if (p == NULL)
        return;
    if (p->fd >= 0)
        unlink(p->path);
    vml_close_fdp(&p->fd);
    free(p->path);
    free(p);
}

void vml_pins_freep(struct vml_pins **p)
{
    vml_pins_free(*p);
    *p = NULL;
}

/* --- gc's side ------------------------------------------------------------------------------ */

/* Up to len bytes, less at the end of the file only. */
static int read_up_to(int fd, void *buf, size_t len, uint64_t off, size_t *got,
                      struct vml_error *err)
{
    *got = 0;
    while (*got < len) {
        ssize_t n = pread(fd, (uint8_t *)buf + *got, len - *got, (off_t)(off + *got));

        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return vml_fail_errno(err, "reading");
        *got += n < 0 ? 0 : (size_t)n;
    }
    return 0;
}

static int see_addresses(int fd, const struct vml_pins_seen *seen, struct vml_error *err)
{
    VML_AUTO(vml_freep) uint8_t *some = malloc(AT_ONCE * 32);
    uint64_t off = HEADER;
    size_t got;

    if (some == NULL)
        return vml_fail_nomem(err);
    do {
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (read_up_to(fd, some, AT_ONCE * 32, off, &got, err) < 0)
            return -1;
        for (size_t at = 0; at + 32 <= got; at += 32)
            if (seen->block(seen->arg, some + at, err) < 0)
                return -1;
        off += got;
    } while (got == AT_ONCE * 32);
    return 0;
}

/* *alive: it is not past its deadline. */
static int see_file(int fd, const char *id, const struct vml_pins_seen *seen, bool *alive,
                    struct vml_error *err)
{
    struct vml_snapshot parent = { .description = NULL };
    uint8_t header[HEADER];
    size_t got;

    if (read_up_to(fd, header, sizeof header, 0, &got, err) < 0)
        return -1;
    parent.size = got == sizeof header ? le64(header + 16) : VML_SIZE_UNKNOWN;
    if (memcmp(header, "VMLPINS1", 8) != 0 || parent.size > VML_DISK_MAX)
        return vml_fail(err, VML_EDATA, "upload/pins", "the file is damaged");
    *alive = le64(header + DEADLINE) > vml_pins_clock();
    if (!*alive)
        return 0;
    memcpy(parent.root, header + 32, 32);
    snprintf(parent.id, sizeof parent.id, "%s", id);
    if (!vml_is_hole(parent.root) && seen->tree(seen->arg, &parent, err) < 0)
        return -1;
    return see_addresses(fd, seen, err);
}

/* One entry of the folder.  Who has the lock of a file that is nobody's may remove it. */
static int see_entry(int folder, const char *name, const struct vml_pins_seen *seen,
                     struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t len = strlen(name) - strlen(SUFFIX);
    char id[32] = "";
    bool alive = false;

    if (fd < 0)
        return errno == ENOENT ? 0 : vml_fail_errno(err, "opening");
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return vml_fail_errno(err, "locking");
        snprintf(id, sizeof id, "%.*s", (int)len, name);
        if (see_file(fd, id, seen, &alive, err) < 0)
            return -1;
    }
    return alive || unlinkat(folder, name, 0) == 0 || errno == ENOENT
               ? 0
               : vml_fail_errno(err, "removing");
}

static bool is_pins(const char *name)
{
    size_t len = strlen(name), end = strlen(SUFFIX);

    return len > end && strcmp(name + len - end, SUFFIX) == 0;
}

int vml_pins_each(const struct vml_store *s, const struct vml_pins_seen *seen,
                  struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = vml_in_folder(s->dir, FOLDER, err);
    DIR *d = path != NULL ? opendir(path) : NULL;
    const struct dirent *entry;
    int rc = 0;

    if (path == NULL)
        return -1;
    if (d == NULL)
        return errno == ENOENT ? 0 : vml_fail_errno(err, "%s", path);
    while (rc == 0 && (entry = readdir(d)) != NULL)
        if (is_pins(entry->d_name) && (rc = see_entry(dirfd(d), entry->d_name, seen, err)) < 0 &&
            err->code != VML_EINTERRUPTED)
            vml_error_prefix(err, "%s/%s", path, entry->d_name);
    closedir(d);
    return rc;
}
