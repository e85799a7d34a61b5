/* Objects in a folder: DIR/xx/KEY.pack, xx being the key's first two digits. */
#include "store/objects.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX     ".pack"
#define KEPT_FILES 32 /* files kept open between two gets */

/* A file that stays open.  Without a key it was deleted meanwhile and is for its users only. */
struct kept {
    char key[VML_KEY];
    struct vml_input *in;
    unsigned users;
    uint64_t last;
};

struct vml_objects {
    char *dir;
    pthread_mutex_t lock;
    uint64_t clock;
    struct kept kept[KEPT_FILES];
};

int vml_objects_open(struct vml_objects **out, const char *dir, struct vml_error *err)
{
    VML_AUTO(vml_objects_freep) struct vml_objects *o = calloc(1, sizeof *o);

    if (o == NULL)
        return vml_fail_nomem(err);
    pthread_mutex_init(&o->lock, NULL);
    o->dir = strdup(dir);
    if (o->dir == NULL)
        return vml_fail_nomem(err);
    *out = o;
    o = NULL;
    return 0;
}

void vml_objects_free(struct vml_objects *o)
{
    if (o == NULL)
        return;
    for (size_t i = 0; i < KEPT_FILES; i++) {
        assert(o->kept[i].users == 0);
        vml_input_free(o->kept[i].in);
    }
    pthread_mutex_destroy(&o->lock);
    free(o->dir);
    free(o);
}

void vml_objects_freep(struct vml_objects **o)
{
    vml_objects_free(*o);
    *o = NULL;
}

/* --- names ---------------------------------------------------------------------------------- */

static bool is_hex(const char *s, size_t len)
{
    return strspn(s, "0123456789abcdef") >= len;
}

static char *object_path(const struct vml_objects *o, const char *key, struct vml_error *err)
{
    char *path;

    assert(strlen(key) == VML_KEY - 1 && is_hex(key, VML_KEY - 1));
    if (asprintf(&path, "%s/%.2s/%s" SUFFIX, o->dir, key, key) < 0) {
        vml_fail_nomem(err);
        return NULL;
    }
    return path;
}

/* "KEY.pack" in the folder that the key says. */
static bool is_object(const char *folder, const char *name)
{
    return is_hex(name, VML_KEY - 1) && strcmp(name + VML_KEY - 1, SUFFIX) == 0 &&
           strncmp(name, folder, 2) == 0;
}

/* What an object that is being put goes by where the file system has no nameless files. */
static bool is_leftover(const char *folder, const char *name)
{
    char object[VML_KEY + sizeof SUFFIX];

    if (vml_output_part_of(name) != VML_KEY - 1 + strlen(SUFFIX))
        return false;
    snprintf(object, VML_KEY + strlen(SUFFIX), "%s", name + 1);
    return is_object(folder, object);
}

/* --- put ------------------------------------------------------------------------------------ */

/* The folder that `path` is to stand in, durably. */
static int make_folder(const struct vml_objects *o, const char *path, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *folder = strndup(path, strlen(o->dir) + 3);
    int fd, rc;

    if (folder == NULL)
        return vml_fail_nomem(err);
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return vml_fail_errno(err, "%s", folder);
    /* Also when it was there: who made it may not have come to this line. */
    fd = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return vml_fail_errno(err, "%s", o->dir);
    rc = fsync(fd);
    close(fd);
    return rc < 0 ? vml_fail_errno(err, "%s: sync", o->dir) : 0;
}

int vml_objects_create(struct vml_objects *o, const char *key, struct vml_output **out,
                       struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = object_path(o, key, err);

    if (path == NULL || make_folder(o, path, err) < 0)
        return -1;
    return vml_output_create(out, path, 0, err);
}

/* --- get ------------------------------------------------------------------------------------ */

static struct kept *find_kept(struct vml_objects *o, const char *key)
{
    for (size_t i = 0; i < KEPT_FILES; i++)
        if (strcmp(o->kept[i].key, key) == 0)
            return &o->kept[i];
    return NULL;
}

/* The unused one that was used longest ago, emptied; NULL when all are in use. */
static struct kept *make_room(struct vml_objects *o)
{
    struct kept *oldest = NULL;

    for (size_t i = 0; i < KEPT_FILES; i++)
        if (o->kept[i].users == 0 && (oldest == NULL || o->kept[i].last < oldest->last))
            oldest = &o->kept[i];
    if (oldest != NULL) {
        vml_input_free(oldest->in);
        *oldest = (struct kept){ 0 };
    }
    return oldest;
}

static int open_object(struct vml_objects *o, const char *key, struct vml_input **in,
                       struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = object_path(o, key, err);

    return path == NULL ? -1 : vml_input_open(in, path, err);
}

/* *k is NULL when there was no room to keep the file; then the caller frees *in. */
static int acquire(struct vml_objects *o, const char *key, struct kept **k, struct vml_input **in,
                   struct vml_error *err)
{
    int rc = 0;

    pthread_mutex_lock(&o->lock);
    *k = find_kept(o, key);
    if (*k == NULL) {
        rc = open_object(o, key, in, err);
        *k = rc == 0 ? make_room(o) : NULL;
        if (*k != NULL) {
            strcpy((*k)->key, key);
            (*k)->in = *in;
        }
    }
    if (*k != NULL) {
        (*k)->users++;
        (*k)->last = ++o->clock;
        *in = (*k)->in;
    }
    pthread_mutex_unlock(&o->lock);
    return rc;
}

static void release(struct vml_objects *o, struct kept *k, struct vml_input *in)
{
    if (k == NULL) {
        vml_input_free(in);
        return;
    }
    pthread_mutex_lock(&o->lock);
    if (--k->users == 0 && k->key[0] == '\0') {
        vml_input_free(k->in);
        *k = (struct kept){ 0 };
    }
    pthread_mutex_unlock(&o->lock);
}

int vml_objects_get(struct vml_objects *o, const char *key, void *buf, size_t len, uint64_t off,
                    struct vml_error *err)
{
    struct vml_input *in = NULL;
    struct kept *k;
    int rc;

    if (acquire(o, key, &k, &in, err) < 0)
        return -1;
    rc = vml_input_pread(in, buf, len, off, err);
    release(o, k, in);
    return rc;
}

int vml_objects_size(struct vml_objects *o, const char *key, uint64_t *size, struct vml_error *err)
{
    struct vml_input *in = NULL;
    struct kept *k;

    if (acquire(o, key, &k, &in, err) < 0)
        return -1;
    *size = vml_input_size(in);
    release(o, k, in);
    return 0;
}

/* --- list and delete ------------------------------------------------------------------------ */

static void closedirp(DIR **d)
{
    if (*d != NULL)
        closedir(*d);
}

/* What to do with one name in a folder. */
typedef int entry_fn(struct vml_objects *o, int dir, const char *folder, const char *name,
                     void *arg, struct vml_error *err);

static int each_in_folder(struct vml_objects *o, const char *folder, entry_fn *fn, void *arg,
                          struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = NULL;
    VML_AUTO(closedirp) DIR *d = NULL;
    const struct dirent *entry;

    if (asprintf(&path, "%s/%s", o->dir, folder) < 0) {
        path = NULL;
        return vml_fail_nomem(err);
    }
    d = opendir(path);
    if (d == NULL)
        return errno == ENOENT || errno == ENOTDIR ? 0 : vml_fail_errno(err, "%s", path);
    for (errno = 0; (entry = readdir(d)) != NULL; errno = 0)
        if (fn(o, dirfd(d), folder, entry->d_name, arg, err) < 0)
            return -1;
    return errno != 0 ? vml_fail_errno(err, "%s", path) : 0;
}

static int each_name(struct vml_objects *o, entry_fn *fn, void *arg, struct vml_error *err)
{
    for (unsigned i = 0; i < 256; i++) {
        char folder[3];

        snprintf(folder, sizeof folder, "%02x", i);
        if (each_in_folder(o, folder, fn, arg, err) < 0)
            return -1;
    }
    return 0;
}

struct list_arg {
    vml_object_fn *fn;
    void *arg;
};

static int list_entry(struct vml_objects *o, int dir, const char *folder, const char *name,
                      void *arg, struct vml_error *err)
{
    const struct list_arg *list = arg;
    char key[VML_KEY];
    struct stat st;

    (void)o;
    if (!is_object(folder, name) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG(st.st_mode))
        return 0;
    memcpy(key, name, VML_KEY - 1);
    key[VML_KEY - 1] = '\0';
    return list->fn(list->arg, key, (uint64_t)st.st_size, err);
}

int vml_objects_list(struct vml_objects *o, vml_object_fn *fn, void *arg, struct vml_error *err)
{
    return each_name(o, list_entry, &(struct list_arg){ fn, arg }, err);
}

static int sweep_entry(struct vml_objects *o, int dir, const char *folder, const char *name,
                       void *arg, struct vml_error *err)
{
    uint64_t *bytes = arg;
    struct stat st;

    if (!is_leftover(folder, name) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG(st.st_mode))
        return 0;
    if (unlinkat(dir, name, 0) < 0)
        return vml_fail_errno(err, "%s/%s/%s", o->dir, folder, name);
    *bytes += (uint64_t)st.st_size;
    return 0;
}

int vml_objects_sweep(struct vml_objects *o, uint64_t *bytes, struct vml_error *err)
{
    return each_name(o, sweep_entry, bytes, err);
}

int vml_objects_delete(struct vml_objects *o, const char *key, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = object_path(o, key, err);
    struct kept *k;

    if (path == NULL)
        return -1;
    /* An open file keeps its space: close it, or leave it to its users. */
    pthread_mutex_lock(&o->lock);
    k = find_kept(o, key);
    if (k != NULL && k->users == 0) {
        vml_input_free(k->in);
        *k = (struct kept){ 0 };
    } else if (k != NULL) {
        k->key[0] = '\0';
    }
    pthread_mutex_unlock(&o->lock);
    if (unlink(path) < 0 && errno != ENOENT)
        return vml_fail_errno(err, "%s", path);
    return 0;
}
