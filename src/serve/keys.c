/* Access keys: STORE/access-keys.
 *
 *     {"version": 1, "keys": [{"AccessKeyId", "SecretAccessKey", "Account", "CreateDate"}, ..]}
 *
 * Secrets stand in it as they are, since signatures are checked by making them once more; so it is
 * for its owner alone, and no part of the catalog, whose rows go into packs.  Who changes it holds
 * flock on the store's folder, writes it anew and renames; who reads it takes no lock. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "serve/serve.h"
#include "vmlift/io.h"

#define NAME       "access-keys"
#define FILE_MAX   (1u << 20)
#define ID_LETTERS 16
#define SECRET_RAW 30 /* bytes; 40 characters of base64 */

struct keys {
    struct vml_access_key *items;
    size_t n;
};

void vml_access_key_clear(struct vml_access_key *k)
{
    OPENSSL_cleanse(k, sizeof *k);
}

static void keys_clear(struct keys *k)
{
    if (k->items != NULL)
        OPENSSL_cleanse(k->items, k->n * sizeof *k->items);
    free(k->items);
    *k = (struct keys){ NULL, 0 };
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static char *file_path(const char *dir, struct vml_error *err)
{
    char *path;

    if (asprintf(&path, "%s/" NAME, dir) >= 0)
        return path;
    vml_fail_nomem(err);
    return NULL;
}

/* --- parse and print -------------------------------------------------------------------------- */

static void json_freep(json_t **v)
{
    json_decref(*v);
}

static bool take(char *to, size_t size, const char *text)
{
    size_t len = text != NULL ? strlen(text) : 0;

    if (len == 0 || len >= size)
        return false;
    memcpy(to, text, len + 1);
    return true;
}

static bool parse_key(const json_t *v, struct vml_access_key *k)
{
    const json_t *created = json_object_get(v, "CreateDate");

    k->created = json_integer_value(created);
    return json_is_integer(created) &&
           take(k->id, sizeof k->id, json_string_value(json_object_get(v, "AccessKeyId"))) &&
           take(k->secret, sizeof k->secret,
                json_string_value(json_object_get(v, "SecretAccessKey"))) &&
           take(k->account, sizeof k->account, json_string_value(json_object_get(v, "Account")));
}

static int parse(const char *text, size_t len, struct keys *out, struct vml_error *err)
{
    VML_AUTO(json_freep) json_t *v = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *keys = json_object_get(v, "keys");
    size_t n = json_array_size(keys);

    if (json_integer_value(json_object_get(v, "version")) != 1 || !json_is_array(keys) ||
        n > VML_ACCESS_KEYS_MAX)
        return vml_fail(err, VML_EDATA, "serve/key-damaged", NAME ": this is no list of keys");
    out->items = calloc(n + 1, sizeof *out->items);
    if (out->items == NULL)
        return vml_fail_nomem(err);
    for (; out->n < n; out->n++)
        if (!parse_key(json_array_get(keys, out->n), &out->items[out->n]))
            return vml_fail(err, VML_EDATA, "serve/key-damaged", NAME ": entry %zu is no key",
                            out->n);
    return 0;
}

static char *print(const struct keys *k)
{
    VML_AUTO(json_freep) json_t *keys = json_array();

    for (size_t i = 0; k->items != NULL && i < k->n; i++) {
        const struct vml_access_key *key = &k->items[i];
        if (json_array_append_new(keys,
                                  json_pack("{s:s, s:s, s:s, s:I}", "AccessKeyId", key->id,
                                            "SecretAccessKey", key->secret, "Account", key->account,
                                            "CreateDate", (json_int_t)key->created)) < 0)
            return NULL;
    }
    VML_AUTO(json_freep) json_t *v = json_pack("{s:i, s:O}", "version", 1, "keys", keys);
    return v != NULL ? json_dumps(v, JSON_INDENT(1)) : NULL;
}

/* --- the file --------------------------------------------------------------------------------- */

static void wipe_text(char **text)
{
    if (*text != NULL)
        OPENSSL_cleanse(*text, strlen(*text));
    free(*text);
}

/* The keys of the open file. */
static int read_all(int fd, const char *path, struct keys *out, struct vml_error *err)
{
    VML_AUTO(wipe_text) char *text = calloc(1, FILE_MAX + 1);
    size_t got = 0;
    ssize_t n;

    if (text == NULL)
        return vml_fail_nomem(err);
    while (got < FILE_MAX && (n = read(fd, text + got, FILE_MAX - got)) != 0) {
        if (n < 0 && errno != EINTR)
            return vml_fail_errno(err, "%s", path);
        got += n > 0 ? (size_t)n : 0;
    }
    return parse(text, got, out, err);
}

/* 1: they are read; 0: there is no file, and so no key.  *st is the file's. */
static int load(const char *dir, struct keys *out, struct stat *st, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = file_path(dir, err);
    VML_AUTO(close_fd) int fd = -1;

    *st = (struct stat){ .st_ino = 0 };
    if (path == NULL)
        return -1;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, st) < 0)
        return vml_fail_errno(err, "%s", path);
    if (!S_ISREG(st->st_mode))
        return vml_fail(err, VML_EDATA, "serve/key-damaged", "%s: not a file", path);
    if ((st->st_mode & 077) != 0)
        return vml_fail(
            err, VML_EREFUSED, "serve/key-mode",
            "%s: mode %04o: others may read the secrets; chmod 600, and replace the keys", path,
            st->st_mode & 07777u);
    return read_all(fd, path, out, err) < 0 ? -1 : 1;
}

static int save(const char *dir, const struct keys *k, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = file_path(dir, err);
    VML_AUTO(wipe_text) char *text = print(k);
    VML_AUTO(vml_output_freep) struct vml_output *o = NULL;

    if (path == NULL)
        return -1;
    if (text == NULL)
        return vml_fail_nomem(err);
    return vml_output_create(&o, path, VML_OUTPUT_PRIVATE | VML_OUTPUT_FORCE, err) < 0 ||
                   vml_output_write(o, text, strlen(text), err) < 0
               ? -1
               : vml_output_commit(o, err);
}

/* One who changes keys at a time.  It is held for no longer than a file takes to be written. */
static int lock(const char *dir, int *fd, struct vml_error *err)
{
    *fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0)
        return vml_fail_errno(err, "%s", dir);
    while (flock(*fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return vml_fail_errno(err, "%s", dir);
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        nanosleep(&(struct timespec){ .tv_nsec = 20 * 1000 * 1000 }, NULL);
    }
    return 0;
}

/* --- changing --------------------------------------------------------------------------------- */

/* IDs as AWS makes them are base32. */
static int make_key(const char *account, struct vml_access_key *k, struct vml_error *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t raw[ID_LETTERS + SECRET_RAW];

    if (vml_random(raw, sizeof raw, err) < 0)
        return -1;
    *k = (struct vml_access_key){ .id = "AKIA", .created = vml_now() };
    for (size_t i = 0; i < ID_LETTERS; i++)
        k->id[4 + i] = letters[raw[i] & 31];
    EVP_EncodeBlock((unsigned char *)k->secret, raw + ID_LETTERS, SECRET_RAW);
    OPENSSL_cleanse(raw, sizeof raw);
    snprintf(k->account, sizeof k->account, "%s", account);
    return 0;
}

int vml_access_key_add(const char *dir, const char *account, struct vml_access_key *out,
                       struct vml_error *err)
{
    VML_AUTO(close_fd) int fd = -1;
    VML_AUTO(keys_clear) struct keys keys = { NULL, 0 };
    struct stat st;

    if (lock(dir, &fd, err) < 0 || load(dir, &keys, &st, err) < 0 ||
        make_key(account, out, err) < 0)
        return -1;
    if (keys.n == VML_ACCESS_KEYS_MAX)
        return vml_fail(err, VML_EREFUSED, "serve/key-many", "%zu access keys, at most %u", keys.n,
                        VML_ACCESS_KEYS_MAX);
    struct vml_access_key *more = calloc(keys.n + 1, sizeof *more);
    if (more == NULL)
        return vml_fail_nomem(err);
    if (keys.n > 0)
        memcpy(more, keys.items, keys.n * sizeof *more);
    more[keys.n] = *out;
    struct keys all = { more, keys.n + 1 };
    int rc = save(dir, &all, err);
    keys_clear(&all);
    if (rc < 0)
        vml_access_key_clear(out);
    return rc;
}

static int fail_missing(const char *id, struct vml_error *err)
{
    return vml_fail(err, VML_ENOTFOUND, "serve/key-missing", "access key %.64s: there is none", id);
}

static struct vml_access_key *find(const struct keys *k, const char *id)
{
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->items[i].id, id) == 0)
            return &k->items[i];
    return NULL;
}

int vml_access_key_remove(const char *dir, const char *id, struct vml_error *err)
{
    VML_AUTO(close_fd) int fd = -1;
    VML_AUTO(keys_clear) struct keys keys = { NULL, 0 };
    struct stat st;

    if (lock(dir, &fd, err) < 0 || load(dir, &keys, &st, err) < 0)
        return -1;
    struct vml_access_key *at = find(&keys, id);
    if (at == NULL)
        return fail_missing(id, err);
    memmove(at, at + 1, (size_t)(keys.items + keys.n - at - 1) * sizeof *at);
    vml_access_key_clear(&keys.items[--keys.n]);
    return save(dir, &keys, err);
}

int vml_access_key_each(const char *dir, vml_access_key_fn *fn, void *arg, struct vml_error *err)
{
    VML_AUTO(keys_clear) struct keys keys = { NULL, 0 };
    struct stat st;

    if (load(dir, &keys, &st, err) < 0)
        return -1;
    for (size_t i = 0; i < keys.n; i++)
        if (fn(arg, &keys.items[i], err) < 0)
            return -1;
    return 0;
}

/* --- as a server has them --------------------------------------------------------------------- */

struct vml_access_keys {
    char *dir, *path;
    pthread_mutex_t lock;
    struct stat st; /* of the file that they are of */
    struct keys keys;
};

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mode == b->st_mode && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int refresh(struct vml_access_keys *k, struct vml_error *err)
{
    VML_AUTO(keys_clear) struct keys fresh = { NULL, 0 };
    struct stat st = { .st_ino = 0 };

    if (stat(k->path, &st) < 0 && errno != ENOENT)
        return vml_fail_errno(err, "%s", k->path);
    if (is_same(&st, &k->st))
        return 0;
    if (load(k->dir, &fresh, &st, err) < 0)
        return -1;
    struct keys old = k->keys;
    k->keys = fresh;
    fresh = old;
    k->st = st;
    return 0;
}

int vml_access_keys_new(struct vml_access_keys **out, const char *dir, struct vml_error *err)
{
    struct vml_access_keys *k = calloc(1, sizeof *k);

    if (k == NULL)
        return vml_fail_nomem(err);
    pthread_mutex_init(&k->lock, NULL);
    k->dir = strdup(dir);
    k->path = file_path(dir, err);
    if (k->dir == NULL || k->path == NULL)
        vml_fail_nomem(err);
    if (k->dir == NULL || k->path == NULL || refresh(k, err) < 0) {
        vml_access_keys_free(k);
        return -1;
    }
    *out = k;
    return 0;
}

void vml_access_keys_free(struct vml_access_keys *k)
{
    if (k == NULL)
        return;
    keys_clear(&k->keys);
    pthread_mutex_destroy(&k->lock);
    free(k->dir);
    free(k->path);
    free(k);
}

int vml_access_keys_find(struct vml_access_keys *k, const char *id, struct vml_access_key *out,
                         struct vml_error *err)
{
    pthread_mutex_lock(&k->lock);
    int rc = refresh(k, err);
    const struct vml_access_key *found = rc == 0 ? find(&k->keys, id) : NULL;
    if (found != NULL)
        *out = *found;
    pthread_mutex_unlock(&k->lock);
    return rc < 0 ? -1 : found != NULL;
}
