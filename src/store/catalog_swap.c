/* Another catalog in the place of the one that a rebuild found, by one rename.
 *
 * SQLite finds a database's log by the database's name, and a log says nothing of the database it
 * is of: the new file must never stand beside the old one's.  So that each step leaves a store that
 * works:
 *
 *     settle    what the old log holds goes into the old file; the log is empty from then on, since
 *               the store's lock keeps out who would write
 *     keep      the old file gets a second name
 *     rename    the new one takes its first
 *     remove    the empty log's name, before anyone opens the new file
 *
 * Who has the old catalog open goes on reading it, under the names that are gone: SQLite removes
 * nothing by name once the file has moved, nor while somebody else (we) has it open.  Who is just
 * opening it has the lock of `format` shared, and so has both files of the old one or of the new
 * one.
 *
 * A catalog that SQLite cannot open has nothing to lose but what a person may find in it: its log
 * is put aside first. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"

#define LIVE VML_CATALOG
#define KEPT VML_CATALOG ".damaged-"

static const char *const logs[] = { "-wal", "-journal", "-shm" };
#define LOGS (sizeof logs / sizeof logs[0])

int vml_lock_opening(const struct vml_store *s, bool exclusive, int *fd, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = vml_in_folder(s->dir, "format", err);
    VML_AUTO(vml_close_fdp) int lock = -1;

    if (path == NULL)
        return -1;
    lock = open(path, (exclusive ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (lock < 0)
        return vml_fail_errno(err, "%s", path);
    if (vml_wait_lock(lock, exclusive ? LOCK_EX : LOCK_SH, path, err) < 0)
        return -1;
    *fd = lock;
    lock = -1;
    return 0;
}

/* --- leftovers ------------------------------------------------------------------------------ */

static void remove_logs(int dir, const char *name)
{
    char path[96];

    for (size_t i = 0; i < LOGS; i++) {
        snprintf(path, sizeof path, "%s%s", name, logs[i]);
        (void)unlinkat(dir, path, 0);
    }
}

/* What the new catalog, or `format`, is made in; or a second name that the old catalog got before
 * it was to lose its first. */
static bool is_leftover(int dir, const char *name, const struct stat *live, struct stat *st)
{
    if (fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st->st_mode))
        return false;
    if (strncmp(name, VML_CATALOG_NEW, strlen(VML_CATALOG_NEW)) == 0 ||
        (vml_output_part_of(name) == 6 && strncmp(name + 1, "format", 6) == 0))
        return true;
    return strncmp(name, KEPT, strlen(KEPT)) == 0 && st->st_ino == live->st_ino &&
           st->st_dev == live->st_dev;
}

int vml_catalog_sweep(const struct vml_store *s, uint64_t *bytes, struct vml_error *err)
{
    DIR *d = opendir(s->dir);
    struct stat live = { 0 }, st;
    const struct dirent *entry;

    if (d == NULL)
        return vml_fail_errno(err, "%s", s->dir);
    (void)fstatat(dirfd(d), LIVE, &live, AT_SYMLINK_NOFOLLOW);
    while ((entry = readdir(d)) != NULL)
        if (is_leftover(dirfd(d), entry->d_name, &live, &st) &&
            unlinkat(dirfd(d), entry->d_name, 0) == 0 && st.st_nlink == 1)
            *bytes += (uint64_t)st.st_size;
    closedir(d);
    return 0;
}

/* --- the swap ------------------------------------------------------------------------------- */

/* *old: NULL when there is none, or none that SQLite can open.  A disk that does not read is as
 * good as damage: that is what a rebuild is for. */
static int settle(const struct vml_store *s, struct vml_db **old, struct vml_error *err)
{
    if (vml_db_settle(old, s->catalog, err) == 0)
        return 0;
    return err->code == VML_EINTERRUPTED || err->code == VML_ENOMEM ||
                   strcmp(err->slug, "catalog/busy") == 0
               ? -1
               : 0;
}

static bool exists(int dir, const char *name, const char *end)
{
    char path[96];

    snprintf(path, sizeof path, "%s%s", name, end);
    return faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A name that neither a file nor a log of one has. */
static void find_name(int dir, char kept[64])
{
    bool taken;

    for (unsigned n = 1;; n++) {
        snprintf(kept, 64, KEPT "%u", n);
        taken = exists(dir, kept, "");
        for (size_t i = 0; i < LOGS; i++)
            taken = taken || exists(dir, kept, logs[i]);
        if (!taken)
            return;
    }
}

/* Where a file has one name only, as on FAT, there is no catalog for a moment. */
static int keep_file(int dir, const char *kept, struct vml_error *err)
{
    if (linkat(dir, LIVE, dir, kept, 0) == 0 || errno == ENOENT)
        return 0;
    if ((errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK) &&
        renameat(dir, LIVE, dir, kept) == 0)
        return 0;
    return vml_fail_errno(err, LIVE);
}

static int keep_logs(int dir, const char *kept, struct vml_error *err)
{
    char from[96], to[96];

    for (size_t i = 0; i < LOGS; i++) {
        snprintf(from, sizeof from, LIVE "%s", logs[i]);
        snprintf(to, sizeof to, "%s%s", kept, logs[i]);
        if (renameat(dir, from, dir, to) < 0 && errno != ENOENT)
            return vml_fail_errno(err, "%s", from);
    }
    return 0;
}

static int swap(const struct vml_store *s, int dir, char kept[64], struct vml_error *err)
{
    VML_AUTO(vml_db_freep) struct vml_db *old = NULL; /* until its log's name is gone */
    VML_AUTO(vml_close_fdp) int opening = -1;

    if (settle(s, &old, err) < 0 || vml_lock_opening(s, true, &opening, err) < 0)
        return -1;
    find_name(dir, kept);
    if (keep_file(dir, kept, err) < 0 || (old == NULL && keep_logs(dir, kept, err) < 0))
        return -1;
    if (renameat(dir, VML_CATALOG_NEW, dir, LIVE) < 0)
        return vml_fail_errno(err, VML_CATALOG_NEW);
    remove_logs(dir, LIVE);
    return fsync(dir) < 0 ? vml_fail_errno(err, "sync of the folder") : 0;
}

int vml_catalog_swap(const struct vml_store *s, char kept[64], struct vml_error *err)
{
    VML_AUTO(vml_close_fdp) int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    kept[0] = '\0';
    if (dir < 0)
        return vml_fail_errno(err, "%s", s->dir);
    if (swap(s, dir, kept, err) < 0)
        return -1;
    if (!exists(dir, kept, ""))
        kept[0] = '\0';
    return 0;
}
