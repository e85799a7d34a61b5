/* The store's folder: making and opening it, its lock, its figures. */
#include "store/internal.h"

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

#include "vmlift/codec.h"

#define STORE_VERSION 1
#define FORMAT_WORDS  "vmlift store "
#define FORMAT_MAX    160

void vml_close_fdp(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

char *vml_in_folder(const char *dir, const char *name, struct vml_error *err)
{
    char *path;

    if (asprintf(&path, "%s/%s", dir, name) < 0) {
        vml_fail_nomem(err);
        return NULL;
    }
    return path;
}

/* --- the lock ------------------------------------------------------------------------------- */

int vml_wait_lock(int fd, int how, const char *path, struct vml_error *err)
{
    while (flock(fd, how | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return vml_fail_errno(err, "%s", path);
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        nanosleep(&(struct timespec){ .tv_nsec = 100 * 1000 * 1000 }, NULL);
    }
    return 0;
}

static int lock_file(const char *dir, const char *name, int how, int *fd, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = vml_in_folder(dir, name, err);
    VML_AUTO(vml_close_fdp) int lock = -1;

    if (path == NULL)
        return -1;
    lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0)
        return vml_fail_errno(err, "%s", path);
    if (vml_wait_lock(lock, how, path, err) < 0)
        return -1;
    *fd = lock;
    lock = -1;
    return 0;
}

/* flock is not fair: where several importers take turns, `lock` is never free, and a gc would wait
 * for ever.  So everybody comes through `queue`, and holds it until `lock` is theirs: while a gc
 * stands there, no new importer passes, and it waits for those only that began before it. */
static int lock_folder(const char *dir, int how, int *fd, struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int queue = -1;

    return lock_file(dir, "queue", how, &queue, err) < 0 ? -1
                                                         : lock_file(dir, "lock", how, fd, err);
}

/* Who waited for a rebuild still has the catalog open that it put aside. */
static int check_same_catalog(const struct vml_store *s, struct vml_error *err)
{
    struct stat st;

    if (stat(s->catalog, &st) == 0 && st.st_dev == s->catalog_dev && st.st_ino == s->catalog_ino)
        return 0;
    return vml_fail(err, VML_EIO, "store/replaced",
                    "%s: the catalog was made anew meanwhile: run the command again", s->dir);
}

int vml_store_lock(const struct vml_store *s, bool exclusive, int *fd, struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int lock = -1;

    if (lock_folder(s->dir, exclusive ? LOCK_EX : LOCK_SH, &lock, err) < 0 ||
        check_same_catalog(s, err) < 0)
        return -1;
    *fd = lock;
    lock = -1;
    return 0;
}

/* --- the format file ------------------------------------------------------------------------ */

/* Any changed bit is found: the sum is of all before it, and no file is right but this one. */
static void print_format(char text[FORMAT_MAX], const char *uuid)
{
    uint8_t digest[32];
    char sum[65];
    int len = snprintf(text, FORMAT_MAX, FORMAT_WORDS "%d\n%s\n", STORE_VERSION, uuid);

    vml_sha256(text, (size_t)len, digest);
    vml_hex(sum, digest, sizeof digest);
    snprintf(text + len, FORMAT_MAX - (size_t)len, "%s\n", sum);
}

static int write_format(const char *path, unsigned flags, struct vml_error *err)
{
    VML_AUTO(vml_output_freep) struct vml_output *o = NULL;
    uint8_t raw[16];
    char text[FORMAT_MAX], uuid[37];

    if (vml_uuid_new(raw, uuid, err) < 0)
        return -1;
    print_format(text, uuid);
    if (vml_output_create(&o, path, flags, err) < 0 ||
        vml_output_write(o, text, strlen(text), err) < 0)
        return -1;
    return vml_output_commit(o, err);
}

static int parse_format(const char *text, size_t len, char uuid[37], struct vml_error *err)
{
    char canonical[FORMAT_MAX];
    const char *line;
    long version;

    if (strncmp(text, FORMAT_WORDS, strlen(FORMAT_WORDS)) != 0)
        return vml_fail(err, VML_EDATA, "store/format", "its file 'format' is not a store's");
    version = strtol(text + strlen(FORMAT_WORDS), NULL, 10);
    if (version > STORE_VERSION)
        return vml_fail(err, VML_EUNSUPPORTED, "store/version",
                        "a store of version %ld, and this vmlift knows version %d", version,
                        STORE_VERSION);
    line = strchr(text, '\n');
    snprintf(uuid, 37, "%s", line != NULL ? line + 1 : "");
    print_format(canonical, uuid);
    if (len == strlen(canonical) && memcmp(text, canonical, len) == 0)
        return 0;
    uuid[0] = '\0';
    return vml_fail(err, VML_EDATA, "store/format",
                    "its file 'format' is damaged; \"vmlift store rebuild\" makes it anew");
}

/* *found: there is a format file, and it is one that this version reads. */
static int read_format(const char *path, char uuid[37], bool *found, struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[FORMAT_MAX];
    ssize_t n;

    *found = fd >= 0;
    if (fd < 0)
        return errno == ENOENT ? 0 : vml_fail_errno(err, "format");
    n = read(fd, text, sizeof text - 1);
    if (n < 0)
        return vml_fail_errno(err, "format");
    text[n] = '\0';
    return parse_format(text, (size_t)n, uuid, err);
}

/* --- making a store ------------------------------------------------------------------------- */

int vml_sync_above(const char *path, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *above = vml_in_folder(path, "..", err);
    VML_AUTO(vml_close_fdp) int fd = -1;

    if (above == NULL)
        return -1;
    fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return vml_fail_errno(err, "sync of the folder above");
    return 0;
}

/* The folder and those above it, each durable; its own mode keeps other users out. */
static int make_folders(const char *dir, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = strdup(dir);
    char *p = path;

    if (path == NULL)
        return vml_fail_nomem(err);
    while (*p != '\0') {
        char kept;

        p += strspn(p, "/");
        p += strcspn(p, "/");
        kept = *p;
        *p = '\0';
        if (mkdir(path, kept != '\0' && p[1 + strspn(p + 1, "/")] != '\0' ? 0777 : 0700) == 0) {
            if (vml_sync_above(path, err) < 0)
                return -1;
        } else if (errno != EEXIST) {
            return vml_fail_errno(err, "making %s", path);
        }
        *p = kept;
    }
    return 0;
}

/* A folder in `packs` may hold somebody's snapshots, `format` or not. */
static bool holds_packs(const char *dir)
{
    struct vml_error err;
    VML_AUTO(vml_freep) char *packs = vml_in_folder(dir, "packs", &err);
    DIR *d = packs != NULL ? opendir(packs) : NULL;
    const struct dirent *entry;
    bool any = d == NULL && errno != ENOENT;

    while (d != NULL && (entry = readdir(d)) != NULL)
        any = any || entry->d_name[0] != '.';
    if (d != NULL)
        closedir(d);
    return any;
}

/* Nothing is there but what a creation that was cut short may have left. */
static int check_empty(const char *dir, bool *empty, struct vml_error *err)
{
    static const char *const ours[] = {
        ".",     "..",      "lock",           "queue",          VML_CATALOG,
        "packs", "reserve", "catalog.db-wal", "catalog.db-shm", "catalog.db-journal"
    };
    DIR *d = opendir(dir);
    const struct dirent *entry;

    if (d == NULL)
        return vml_fail_errno(err, "reading the folder");
    *empty = true;
    while ((entry = readdir(d)) != NULL) {
        bool known = strncmp(entry->d_name, ".format.", 8) == 0;

        for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
            known = known || strcmp(entry->d_name, ours[i]) == 0;
        *empty = *empty && known;
    }
    closedir(d);
    *empty = *empty && !holds_packs(dir);
    return 0;
}

/* Catalog first, `format` last: that it is there says that the rest is. */
static int make_store(const char *dir, const char *format, const char *catalog,
                      struct vml_error *err)
{
    VML_AUTO(vml_freep) char *packs = vml_in_folder(dir, "packs", err);
    VML_AUTO(vml_db_freep) struct vml_db *db = NULL;
    VML_AUTO(vml_close_fdp) int lock = -1;
    char uuid[37];
    bool found;

    if (packs == NULL || lock_folder(dir, LOCK_EX, &lock, err) < 0)
        return -1;
    if (read_format(format, uuid, &found, err) < 0)
        return -1;
    if (found) /* another process was faster */
        return 0;
    if (mkdir(packs, 0700) < 0 && errno != EEXIST)
        return vml_fail_errno(err, "packs");
    return vml_db_open(&db, catalog, true, err) < 0 ? -1 : write_format(format, 0, err);
}

static int find_or_make(struct vml_store *s, bool create, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *format = vml_in_folder(s->dir, "format", err);
    struct stat st;
    bool found, empty;

    if (format == NULL || (create && make_folders(s->dir, err) < 0))
        return -1;
    if (stat(s->dir, &st) < 0)
        return errno == ENOENT
                   ? vml_fail(err, VML_ENOTFOUND, "store/not-found", "there is no store")
                   : vml_fail_errno(err, "the folder");
    if (!S_ISDIR(st.st_mode))
        return vml_fail(err, VML_EDATA, "store/format", "a store is a folder, and this is none");
    if (read_format(format, s->uuid, &found, err) < 0)
        return -1;
    if (found)
        return 0;
    if (check_empty(s->dir, &empty, err) < 0)
        return -1;
    /* another process may have made the store while we looked */
    if (!empty && read_format(format, s->uuid, &found, err) < 0)
        return -1;
    if (found)
        return 0;
    if (!empty)
        return vml_fail(err, VML_EDATA, "store/format",
                        "the folder is not empty, and it is not a store: it has no file 'format'%s",
                        holds_packs(s->dir)
                            ? "; if it was one, \"vmlift store rebuild\" makes that file anew"
                            : "");
    if (!create)
        return vml_fail(err, VML_ENOTFOUND, "store/not-found", "there is no store");
    if (make_store(s->dir, format, s->catalog, err) < 0)
        return -1;
    vml_reserve_make(s);
    return read_format(format, s->uuid, &found, err);
}

static int open_catalog(struct vml_store *s, struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int opening = -1;
    struct stat st;

    if (vml_lock_opening(s, false, &opening, err) < 0)
        return -1;
    if (vml_db_open(&s->db, s->catalog, false, err) < 0) {
        s->spent = strcmp(err->slug, "io/full") == 0 && vml_reserve_spend(s);
        if (!s->spent || vml_db_open(&s->db, s->catalog, false, err) < 0)
            return -1;
    }
    if (stat(s->catalog, &st) < 0)
        return vml_fail_errno(err, "%s", s->catalog);
    s->catalog_dev = st.st_dev;
    s->catalog_ino = st.st_ino;
    return 0;
}

static int open_store(struct vml_store *s, const char *dir, unsigned flags, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *packs = vml_in_folder(dir, "packs", err);

    s->pack_target = VML_PACK_TARGET;
    vml_keyring_init(&s->keys);
    s->dir = strdup(dir);
    s->catalog = vml_in_folder(dir, VML_CATALOG, err);
    if (packs == NULL || s->dir == NULL || s->catalog == NULL)
        return vml_fail_nomem(err);
    s->shared_fs = vml_shared_fs(dir);
    s->shared_fs_allowed = (flags & VML_STORE_SHARED_FS) != 0;
    if ((flags & VML_STORE_CREATE) != 0 && vml_store_check_shared(s, err) < 0)
        return -1;
    if (find_or_make(s, (flags & VML_STORE_CREATE) != 0, err) < 0) {
        if (err->code != VML_EINTERRUPTED)
            vml_error_prefix(err, "%s", dir);
        return -1;
    }
    return open_catalog(s, err) < 0 ? -1 : vml_objects_open(&s->packs, packs, err);
}

int vml_store_open(struct vml_store **out, const char *dir, unsigned flags, struct vml_error *err)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = calloc(1, sizeof *s);

    if (s == NULL)
        return vml_fail_nomem(err);
    if (dir[0] == '\0')
        return vml_fail(err, VML_EUSAGE, "store/name", "the store's folder has no name");
    if (open_store(s, dir, flags, err) < 0)
        return -1;
    *out = s;
    s = NULL;
    return 0;
}

/* The file that says that this is a store; it may have been lost with the catalog. */
static int ensure_format(struct vml_store *s, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *format = vml_in_folder(s->dir, "format", err);
    bool found = false;

    if (format == NULL)
        return -1;
    if (read_format(format, s->uuid, &found, err) < 0 && err->code != VML_EDATA)
        return -1;
    if (found && s->uuid[0] != '\0')
        return 0;
    if (!holds_packs(s->dir))
        return vml_fail(err, VML_ENOTFOUND, "store/not-found", "%s: there is no store", s->dir);
    return write_format(format, VML_OUTPUT_FORCE, err) < 0
               ? -1
               : read_format(format, s->uuid, &found, err);
}

int vml_store_open_packs(struct vml_store **out, const char *dir, unsigned flags, int *lock,
                         struct vml_error *err)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = calloc(1, sizeof *s);
    VML_AUTO(vml_freep) char *packs = vml_in_folder(dir, "packs", err);

    if (s == NULL)
        return vml_fail_nomem(err);
    vml_keyring_init(&s->keys);
    s->dir = strdup(dir);
    s->catalog = vml_in_folder(dir, VML_CATALOG, err);
    if (packs == NULL || s->dir == NULL || s->catalog == NULL)
        return vml_fail_nomem(err);
    if (access(packs, F_OK) < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? vml_fail(err, VML_ENOTFOUND, "store/not-found",
                              "%s: there is no store: it has no folder 'packs'", dir)
                   : vml_fail_errno(err, "%s", packs);
    s->shared_fs = vml_shared_fs(dir);
    s->shared_fs_allowed = (flags & VML_STORE_SHARED_FS) != 0;
    if (vml_store_check_shared(s, err) < 0 || lock_folder(dir, LOCK_EX, lock, err) < 0 ||
        ensure_format(s, err) < 0 || vml_objects_open(&s->packs, packs, err) < 0)
        return -1;
    *out = s;
    s = NULL;
    return 0;
}

void vml_store_free(struct vml_store *s)
{
    if (s == NULL)
        return;
    vml_keyring_clear(&s->keys);
    vml_objects_free(s->packs);
    vml_db_free(s->db);
    if (s->spent)
        vml_reserve_make(s);
    free(s->catalog);
    free(s->dir);
    free(s);
}

void vml_store_freep(struct vml_store **s)
{
    vml_store_free(*s);
    *s = NULL;
}

struct vml_db *vml_store_db(struct vml_store *s)
{
    return s->db;
}

/* --- figures -------------------------------------------------------------------------------- */

int vml_store_stats(struct vml_store *s, struct vml_store_stats *out, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;

    if (vml_db_query(s->db, &st, err,
                     "SELECT (SELECT count(*) FROM snapshots),"
                     " (SELECT count(*) FROM images WHERE state <> 'deregistered'),"
                     " (SELECT count(*) FROM packs),"
                     " (SELECT count(*) FROM blocks WHERE type = ?1),"
                     " (SELECT coalesce(sum(size), 0) FROM snapshots),"
                     " (SELECT coalesce(sum(data_size), 0) FROM snapshots),"
                     " (SELECT coalesce(sum((data_size + ?2 - 1) / ?2 * ?2), 0) FROM snapshots),"
                     " (SELECT coalesce(sum(bytes), 0) FROM packs)",
                     "ii", (int64_t)VML_FRAME_DATA, (int64_t)VML_BLOCK) < 0 ||
        vml_stmt_step(st, err) < 0)
        return -1;
    *out = (struct vml_store_stats){
        .snapshots = (uint64_t)vml_stmt_int(st, 0),
        .images = (uint64_t)vml_stmt_int(st, 1),
        .packs = (uint64_t)vml_stmt_int(st, 2),
        .blocks = (uint64_t)vml_stmt_int(st, 3),
        .logical = (uint64_t)vml_stmt_int(st, 4),
        .data = (uint64_t)vml_stmt_int(st, 5),
        .data_blocks = (uint64_t)vml_stmt_int(st, 6),
        .stored = (uint64_t)vml_stmt_int(st, 7),
    };
    return 0;
}
