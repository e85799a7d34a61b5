/* The folder of keys: STORE/keys, mode 0700, made with the first one.
 *
 * A key is changed by writing its file anew and renaming it over the old one; who reads it takes no
 * lock.  Who changes it holds flock on the folder, so that no change is lost, and first removes
 * what somebody left who was killed between the two: it holds a key's secrets. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/keys.h"

#define SUFFIX ".key"

/* --- names ---------------------------------------------------------------------------------- */

static bool is_uuid(const char *id, size_t len)
{
    static const char form[] = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";

    if (len != sizeof form - 1)
        return false;
    for (size_t i = 0; i < len; i++)
        if (form[i] == '-' ? id[i] != '-' : strchr("0123456789abcdef", id[i]) == NULL)
            return false;
    return true;
}

static char *key_path(const struct vml_store *s, const char *id, struct vml_error *err)
{
    char *path;

    if (asprintf(&path, "%s/keys/%s" SUFFIX, s->dir, id) < 0) {
        vml_fail_nomem(err);
        return NULL;
    }
    return path;
}

int vml_key_missing(const char *id, struct vml_error *err)
{
    return vml_fail(err, VML_ENOTFOUND, "key/missing", "key %.64s: the store has no such key", id);
}

static bool is_key(const char *name, size_t len)
{
    size_t end = sizeof SUFFIX - 1;

    return len > end && strncmp(name + len - end, SUFFIX, end) == 0 && is_uuid(name, len - end);
}

int vml_key_names(const struct vml_store *s, vml_key_name_fn *fn, void *arg, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = vml_in_folder(s->dir, "keys", err);
    DIR *d = path != NULL ? opendir(path) : NULL;
    const struct dirent *entry;
    int rc = 0;

    if (path == NULL)
        return -1;
    if (d == NULL)
        return errno == ENOENT ? 0 : vml_fail_errno(err, "%s", path);
    while (rc == 0 && (entry = readdir(d)) != NULL) {
        char id[37];

        if (!is_key(entry->d_name, strlen(entry->d_name)))
            continue;
        snprintf(id, sizeof id, "%.36s", entry->d_name);
        rc = fn(arg, id, err);
    }
    closedir(d);
    return rc;
}

/* --- reading and writing a file ------------------------------------------------------------- */

struct bytes {
    uint8_t *p;
    size_t len;
};

static void bytes_clear(struct bytes *b)
{
    if (b->p != NULL)
        vml_wipe(b->p, b->len);
    free(b->p);
}

static int read_file(const char *path, struct bytes *b, struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t got = 0;
    ssize_t n;

    if (fd < 0)
        return vml_fail_errno(err, "%s", path);
    b->len = VML_KEY_FILE_MAX + 1; /* one more: what is longer is no key */
    b->p = calloc(1, b->len);
    if (b->p == NULL)
        return vml_fail_nomem(err);
    while (got < b->len && (n = read(fd, b->p + got, b->len - got)) != 0) {
        if (n < 0)
            return vml_fail_errno(err, "%s", path);
        got += (size_t)n;
    }
    b->len = got;
    return 0;
}

int vml_key_load(const struct vml_store *s, const char *id, struct vml_key_file *f,
                 struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = NULL;
    VML_AUTO(bytes_clear) struct bytes b = { .p = NULL };

    *f = (struct vml_key_file){ .data = NULL };
    if (!is_uuid(id, strlen(id)))
        return vml_key_missing(id, err);
    path = key_path(s, id, err);
    if (path == NULL)
        return -1;
    if (read_file(path, &b, err) < 0)
        return err->code == VML_ENOTFOUND ? vml_key_missing(id, err) : -1;
    if (vml_key_file_parse(b.p, b.len, f, err) < 0) {
        vml_error_prefix(err, "key %s", id);
        return -1;
    }
    if (strcmp(f->key.id, id) != 0)
        return vml_fail(err, VML_EDATA, "key/damaged", "key %s: the file is that of key %s", id,
                        f->key.id);
    return 0;
}

int vml_key_save(const struct vml_store *s, const struct vml_key_file *f, bool replace,
                 struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = key_path(s, f->key.id, err);
    VML_AUTO(bytes_clear) struct bytes b = { .p = NULL };
    VML_AUTO(vml_output_freep) struct vml_output *o = NULL;

    if (path == NULL || vml_key_file_print(f, &b.p, &b.len, err) < 0 ||
        vml_output_create(&o, path, VML_OUTPUT_PRIVATE | (replace ? VML_OUTPUT_FORCE : 0u), err) <
            0 ||
        vml_output_write(o, b.p, b.len, err) < 0)
        return -1;
    return vml_output_commit(o, err);
}

static int remove_leftovers(const char *path, struct vml_error *err)
{
    DIR *d = opendir(path);
    const struct dirent *entry;
    int rc = 0;

    if (d == NULL)
        return vml_fail_errno(err, "%s", path);
    while (rc == 0 && (entry = readdir(d)) != NULL)
        if (is_key(entry->d_name + 1, vml_output_part_of(entry->d_name)) &&
            unlinkat(dirfd(d), entry->d_name, 0) < 0)
            rc = vml_fail_errno(err, "%s/%s", path, entry->d_name);
    closedir(d);
    return rc;
}

int vml_key_lock(const struct vml_store *s, bool make, int *fd, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = vml_in_folder(s->dir, "keys", err);
    VML_AUTO(vml_close_fdp) int lock = -1;

    if (path == NULL || vml_store_check_shared(s, err) < 0)
        return -1;
    if (make && mkdir(path, 0700) == 0) {
        if (vml_sync_above(path, err) < 0)
            return -1;
    } else if (make && errno != EEXIST) {
        return vml_fail_errno(err, "%s", path);
    }
    lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0)
        return vml_fail_errno(err, "%s", path);
    if (vml_wait_lock(lock, LOCK_EX, path, err) < 0 || remove_leftovers(path, err) < 0)
        return -1;
    *fd = lock;
    lock = -1;
    return 0;
}

int vml_key_sweep(const struct vml_store *s, struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int lock = -1;

    return vml_key_lock(s, false, &lock, err) == 0 || err->code == VML_ENOTFOUND ? 0 : -1;
}

int vml_key_remove(const struct vml_store *s, const char *id, int folder, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = key_path(s, id, err);

    if (path == NULL)
        return -1;
    return unlink(path) < 0 || fsync(folder) < 0 ? vml_fail_errno(err, "%s", path) : 0;
}
