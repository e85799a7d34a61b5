#include "serve/buckets.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BUCKET_CHARS "abcdefghijklmnopqrstuvwxyz0123456789.-"

int vml_bucket_name(char **out, const char *bucket, const char *key, struct vml_error *err)
{
    if (asprintf(out, "s3://%s/%s", bucket, key) >= 0)
        return 0;
    *out = NULL;
    return vml_fail_nomem(err);
}

/* S3 itself takes any key; here it is the path of a file. */
static bool is_path(const char *key)
{
    for (const char *at = key;; at++) {
        size_t n = strcspn(at, "/");
        if (n == 0 || n > 255 || (n == 1 && at[0] == '.') || (n == 2 && strncmp(at, "..", 2) == 0))
            return false;
        at += n;
        if (*at == '\0')
            return true;
    }
}

int vml_bucket_check(const char *bucket, const char *key, struct vml_error *err)
{
    size_t len = strlen(bucket);

    if (len < 3 || len > 63 || strspn(bucket, BUCKET_CHARS) != len || bucket[0] == '.' ||
        bucket[0] == '-')
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "The specified bucket is not valid: %.128s", bucket);
    if (strlen(key) > VML_KEY_MAX || !is_path(key))
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "Invalid S3 source location: the key '%.128s' is not one that is served "
                        "here",
                        key);
    return 0;
}

int vml_bucket_open(struct vml_input **out, struct vml_input **of, const char *dir,
                    const char *bucket, const char *key, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = NULL;
    VML_AUTO(vml_freep) char *name = NULL;
    VML_AUTO(vml_input_freep) struct vml_input *file = NULL;

    if (vml_bucket_check(bucket, key, err) < 0 || vml_bucket_name(&name, bucket, key, err) < 0)
        return -1;
    if (asprintf(&path, "%s/%s", bucket, key) < 0) {
        path = NULL;
        return vml_fail_nomem(err);
    }
    if (vml_input_beneath(&file, dir, path, err) < 0) {
        if (err->code == VML_ENOMEM)
            return -1;
        return vml_fail(err, VML_ENOTFOUND, "InvalidParameter",
                        "Invalid S3 source location: there is no %.300s", name);
    }
    if (vml_input_window(out, file, name, 0, vml_input_size(file), err) < 0)
        return -1;
    vml_input_alone(*out);
    *of = file;
    file = NULL;
    return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int fail_folder(const char *bucket, const char *name, struct vml_error *err)
{
    return vml_fail(err, VML_EREFUSED, "InvalidParameter",
                    "The bucket %.63s has no room for that prefix: '%.200s': %s", bucket, name,
                    strerror(errno));
}

/* A folder in another one, which is closed; made where make is set. */
static int step(int folder, const char *name, bool make)
{
    struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };

    int fd = make && mkdirat(folder, name, 0777) < 0 && errno != EEXIST
                 ? -1
                 : (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
    int saved = errno;
    close(folder);
    errno = saved;
    return fd;
}

static int open_bucket(const char *dir, const char *bucket, struct vml_error *err)
{
    int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return vml_fail_errno(err, "%s", dir);
    fd = step(fd, bucket, false);
    return fd >= 0 ? fd
                   : vml_fail(err, VML_ENOTFOUND, "InvalidParameter",
                              "The specified bucket does not exist: %s", bucket);
}

int vml_bucket_exists(const char *dir, const char *bucket, struct vml_error *err)
{
    int fd = open_bucket(dir, bucket, err);

    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

/* The folder that the object is in. */
static int open_folder(const char *dir, const char *bucket, char *key, const char **base,
                       struct vml_error *err)
{
    int fd = open_bucket(dir, bucket, err);

    if (fd < 0)
        return -1;
    for (char *slash; (slash = strchr(key, '/')) != NULL; key = slash + 1) {
        *slash = '\0';
        fd = step(fd, key, true);
        if (fd < 0)
            return fail_folder(bucket, key, err);
    }
    *base = key;
    return fd;
}

int vml_bucket_create(struct vml_output **out, const char *dir, const char *bucket, const char *key,
                      struct vml_error *err)
{
    VML_AUTO(vml_freep) char *copy = strdup(key);
    VML_AUTO(vml_freep) char *path = NULL;
    const char *base;

    if (copy == NULL)
        return vml_fail_nomem(err);
    if (vml_bucket_check(bucket, key, err) < 0)
        return -1;
    int fd = open_folder(dir, bucket, copy, &base, err);
    if (fd < 0)
        return -1;
    int rc = asprintf(&path, "/proc/self/fd/%d/%s", fd, base);
    if (rc < 0)
        path = NULL;
    rc = rc < 0 ? vml_fail_nomem(err) : vml_output_create(out, path, 0, err);
    close(fd); /* the output has opened the folder by itself */
    return rc;
}
