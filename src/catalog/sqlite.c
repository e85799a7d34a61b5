/* The catalog in SQLite: one file beside the packs, WAL, durable at every commit. */
#include "catalog/db.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "catalog/rows.h"

#define APPLICATION_ID 0x564d4c46 /* "VMLF" */
#define WAIT_MS        30000u
#define SLICE_MS       50u   /* the longest sleep between two tests of vml_interrupted */
#define STEPS          20000 /* virtual machine steps between two of them: some milliseconds */
#define IDLE           24    /* statements that are kept prepared */

struct vml_db {
    sqlite3 *sqlite;
    pthread_mutex_t lock; /* recursive */
    bool in_txn;
    struct vml_rows *rows;    /* what the transaction did */
    sqlite3_stmt *idle[IDLE]; /* prepared, in nobody's use: parsing costs more than a row */
    unsigned next_idle;
    unsigned wait_ms;
    struct timespec busy_since;
};

struct vml_stmt {
    struct vml_db *db;
    sqlite3_stmt *sqlite;
};

static void db_lock(struct vml_db *db)
{
    int rc = pthread_mutex_lock(&db->lock);

    assert(rc == 0);
    (void)rc;
}

static void db_unlock(struct vml_db *db)
{
    int rc = pthread_mutex_unlock(&db->lock);

    assert(rc == 0);
    (void)rc;
}

/* --- waiting -------------------------------------------------------------------------------- */

static unsigned elapsed_ms(const struct timespec *since)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned)((now.tv_sec - since->tv_sec) * 1000 +
                      (now.tv_nsec - since->tv_nsec) / 1000000);
}

/* SQLite asks whether to try again; 0 ends the wait. */
static int busy(void *arg, int count)
{
    struct vml_db *db = arg;
    unsigned ms = count < 6 ? 1u << count : SLICE_MS;

    if (count == 0)
        clock_gettime(CLOCK_MONOTONIC, &db->busy_since);
    if (vml_interrupted() || elapsed_ms(&db->busy_since) >= db->wait_ms)
        return 0;
    usleep(ms * 1000);
    return 1;
}

static int stop_when_interrupted(void *arg)
{
    (void)arg;
    return vml_interrupted();
}

void vml_db_set_wait(struct vml_db *db, unsigned ms)
{
    db_lock(db);
    db->wait_ms = ms;
    db_unlock(db);
}

/* --- errors --------------------------------------------------------------------------------- */

/* What the system said last of the database's file or its WAL; sqlite3_system_errno is not told of
 * what fails in a commit. */
static int file_errno(struct vml_db *db)
{
    static const int files[] = { SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER };

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        sqlite3_file *f = NULL;
        int number = 0;

        if (sqlite3_file_control(db->sqlite, "main", files[i], &f) == SQLITE_OK && f != NULL &&
            f->pMethods != NULL &&
            f->pMethods->xFileControl(f, SQLITE_FCNTL_LAST_ERRNO, &number) == SQLITE_OK &&
            number != 0)
            return number;
    }
    return 0;
}

static int db_fail(struct vml_db *db, struct vml_error *err)
{
    int rc = sqlite3_extended_errcode(db->sqlite);
    const char *text = sqlite3_errmsg(db->sqlite);

    if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
        rc == SQLITE_CONSTRAINT_ROWID)
        return vml_fail(err, VML_EEXISTS, "catalog/duplicate", "catalog: %s", text);
    switch (rc & 0xff) {
    case SQLITE_INTERRUPT:
        return vml_fail_interrupted(err);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        return vml_fail(err, VML_EIO, "catalog/busy",
                        "catalog: another process did not let go of it within %u s: %s",
                        db->wait_ms / 1000, text);
    case SQLITE_NOMEM:
        return vml_fail_nomem(err);
    case SQLITE_FULL:
        return vml_fail(err, VML_EIO, "io/full", "catalog: %s", text);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return vml_fail(err, VML_EDATA, "catalog/corrupt",
                        "catalog: %s; \"vmlift store rebuild\" makes it anew from the packs", text);
    case SQLITE_IOERR:                  /* also a quota, or a full disk that only the sync met */
        if (rc == SQLITE_IOERR_SHMSIZE) /* SQLite keeps no errno of this one */
            return vml_fail(err, VML_EIO, "io/full",
                            "catalog: its -shm cannot grow; is the disk full? (%s)", text);
        errno = file_errno(db);
        if (errno != 0)
            return vml_fail_errno(err, "catalog: %s", text);
        /* fall through */
    default:
        return vml_fail(err, VML_EIO, "catalog/error", "catalog: %s", text);
    }
}

/* --- opening -------------------------------------------------------------------------------- */

static int read_int(struct vml_db *db, const char *sql, int64_t *value, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(db, &st, err, sql, "") < 0 || (rc = vml_stmt_step(st, err)) < 0)
        return -1;
    *value = rc == 1 ? vml_stmt_int(st, 0) : 0;
    return 0;
}

/* *fresh: there is nothing in it yet. */
static int check_version(struct vml_db *db, bool *fresh, struct vml_error *err)
{
    int64_t application, version, tables;

    if (read_int(db, "PRAGMA application_id", &application, err) < 0 ||
        read_int(db, "PRAGMA user_version", &version, err) < 0 ||
        read_int(db, "SELECT count(*) FROM sqlite_schema", &tables, err) < 0)
        return -1;
    *fresh = application == 0 && version == 0 && tables == 0;
    if (*fresh)
        return 0;
    if (application != APPLICATION_ID)
        return vml_fail(err, VML_EUNSUPPORTED, "catalog/version",
                        "catalog: a database of another program (application id %#llx)",
                        (unsigned long long)application);
    if (version != VML_SCHEMA_VERSION)
        return vml_fail(err, VML_EUNSUPPORTED, "catalog/version",
                        "catalog: schema version %lld, and this vmlift knows version %d%s",
                        (long long)version, VML_SCHEMA_VERSION,
                        version < VML_SCHEMA_VERSION
                            ? "; \"vmlift store rebuild\" makes it anew from the packs"
                            : "");
    return 0;
}

static int make_schema(struct vml_db *db, struct vml_error *err)
{
    char stamp[96];
    bool fresh;

    snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             APPLICATION_ID, VML_SCHEMA_VERSION);
    if (vml_db_begin(db, err) < 0)
        return -1;
    /* Another process may have been faster. */
    if (check_version(db, &fresh, err) < 0 ||
        (fresh && (vml_db_exec(db, vml_schema, err) < 0 || vml_db_exec(db, stamp, err) < 0))) {
        vml_db_rollback(db);
        return -1;
    }
    return vml_db_commit(db, err);
}

/* SQLite does not call the busy handler for this one change: it is an exclusive step that two
 * processes which make the same catalog may collide in. */
static int set_wal(struct vml_db *db, struct vml_error *err)
{
    for (int count = 0;; count++) {
        int rc = sqlite3_exec(db->sqlite, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);

        if (rc == SQLITE_OK)
            return 0;
        if ((rc & 0xff) != SQLITE_BUSY || !busy(db, count))
            return db_fail(db, err);
    }
}

static void configure(struct vml_db *db)
{
    sqlite3_extended_result_codes(db->sqlite, 1);
    sqlite3_busy_handler(db->sqlite, busy, db);
    sqlite3_progress_handler(db->sqlite, STEPS, stop_when_interrupted, NULL);
    sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
}

static int prepare(struct vml_db *db, bool create, struct vml_error *err)
{
    bool fresh;

    configure(db);
    if (vml_db_exec(
            db,
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
            "PRAGMA cell_size_check = ON;"
            "BEGIN", /* another process may be making the catalog: all of it is seen, or none */
            err) < 0 ||
        check_version(db, &fresh, err) < 0 || vml_db_exec(db, "COMMIT", err) < 0)
        return -1;
    if (!fresh)
        return 0;
    if (!create)
        return vml_fail(err, VML_EDATA, "catalog/corrupt", "catalog: it has no tables");
    return set_wal(db, err) < 0 || make_schema(db, err) < 0 ? -1 : 0;
}

static void lock_init(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(lock, &attr);
    pthread_mutexattr_destroy(&attr);
}

static struct vml_db *new_db(struct vml_error *err)
{
    struct vml_db *db = calloc(1, sizeof *db);

    if (db == NULL) {
        vml_fail_nomem(err);
        return NULL;
    }
    lock_init(&db->lock);
    db->wait_ms = WAIT_MS;
    return db;
}

int vml_db_open_empty(struct vml_db **out, struct vml_error *err)
{
    VML_AUTO(vml_db_freep) struct vml_db *db = new_db(err);

    if (db == NULL)
        return -1;
    if (sqlite3_open_v2(":memory:", &db->sqlite,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return db->sqlite != NULL ? db_fail(db, err) : vml_fail_nomem(err);
    configure(db);
    if (make_schema(db, err) < 0)
        return -1;
    *out = db;
    db = NULL;
    return 0;
}

/* The file, of which nothing has been read yet. */
static int open_file(struct vml_db *db, const char *path, bool create, struct vml_error *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    VML_AUTO(vml_freep) char *plain = NULL;

    /* "./": a name may begin with "file:" or be ":memory:", which mean more to SQLite */
    if (asprintf(&plain, "%s%s", path[0] == '/' ? "" : "./", path) < 0) {
        plain = NULL;
        return vml_fail_nomem(err);
    }
    if (!create && access(plain, F_OK) < 0)
        return errno == ENOENT ? vml_fail(err, VML_ENOTFOUND, "catalog/not-found",
                                          "%s: there is no catalog; \"vmlift store rebuild\" "
                                          "makes it anew from the packs",
                                          path)
                               : vml_fail_errno(err, "%s", path);
    if (sqlite3_open_v2(plain, &db->sqlite, flags, NULL) != SQLITE_OK)
        return db->sqlite != NULL ? db_fail(db, err) : vml_fail_nomem(err);
    return 0;
}

int vml_db_open(struct vml_db **out, const char *path, bool create, struct vml_error *err)
{
    VML_AUTO(vml_db_freep) struct vml_db *db = new_db(err);

    if (db == NULL || open_file(db, path, create, err) < 0)
        return -1;
    if (prepare(db, create, err) < 0) {
        if (err->code != VML_EINTERRUPTED)
            vml_error_prefix(err, "%s", path);
        return -1;
    }
    *out = db;
    db = NULL;
    return 0;
}

/* A first read opens the log, or rolls back what a journal holds; only then is there something to
 * check for the checkpoint. */
int vml_db_settle(struct vml_db **out, const char *path, struct vml_error *err)
{
    VML_AUTO(vml_db_freep) struct vml_db *db = new_db(err);
    int64_t tables, held;

    if (db == NULL || open_file(db, path, false, err) < 0)
        return -1;
    configure(db);
    if (read_int(db, "SELECT count(*) FROM sqlite_schema", &tables, err) < 0 ||
        read_int(db, "PRAGMA wal_checkpoint(TRUNCATE)", &held, err) < 0)
        return -1;
    if (held != 0)
        return vml_interrupted() ? vml_fail_interrupted(err)
                                 : vml_fail(err, VML_EIO, "catalog/busy",
                                            "catalog: another process has been reading it for %u s",
                                            db->wait_ms / 1000);
    *out = db;
    db = NULL;
    return 0;
}

void vml_db_free(struct vml_db *db)
{
    int rc;

    if (db == NULL)
        return;
    assert(!db->in_txn);
    for (size_t i = 0; i < IDLE; i++)
        sqlite3_finalize(db->idle[i]);
    vml_rows_free(db->rows);
    rc = sqlite3_close(db->sqlite);
    assert(rc == SQLITE_OK); /* else a statement was not freed */
    (void)rc;
    pthread_mutex_destroy(&db->lock);
    free(db);
}

void vml_db_freep(struct vml_db **db)
{
    vml_db_free(*db);
    *db = NULL;
}

/* --- transactions --------------------------------------------------------------------------- */

int vml_db_exec(struct vml_db *db, const char *sql, struct vml_error *err)
{
    int rc = 0;

    db_lock(db);
    if (sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) != SQLITE_OK)
        rc = db_fail(db, err);
    db_unlock(db);
    return rc;
}

int vml_db_begin(struct vml_db *db, struct vml_error *err)
{
    db_lock(db);
    assert(!db->in_txn);
    if (vml_db_exec(db, "BEGIN IMMEDIATE", err) < 0) {
        db_unlock(db);
        return -1;
    }
    db->in_txn = true;
    return 0;
}

/* Some failures (a full disk) have rolled back already; then SQLite is in autocommit again. */
static void end_txn(struct vml_db *db)
{
    if (!sqlite3_get_autocommit(db->sqlite))
        sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
    db->in_txn = false;
    vml_rows_forget(db);
    db_unlock(db);
}

int vml_db_commit(struct vml_db *db, struct vml_error *err)
{
    int rc;

    assert(db->in_txn);
    rc = vml_rows_flush(db, err) < 0 ? -1 : vml_db_exec(db, "COMMIT", err);
    end_txn(db);
    return rc;
}

void vml_db_rollback(struct vml_db *db)
{
    db_lock(db);
    if (db->in_txn)
        end_txn(db);
    db_unlock(db);
}

bool vml_db_in_txn(const struct vml_db *db)
{
    return db->in_txn;
}

struct vml_rows **vml_db_rows(struct vml_db *db)
{
    return &db->rows;
}

/* --- statements ----------------------------------------------------------------------------- */

static int bind_values(struct vml_stmt *st, const struct vml_value *v, size_t n,
                       struct vml_error *err)
{
    for (int i = 1; i <= (int)n; i++, v++) {
        int rc = v->type == 'i' ? sqlite3_bind_int64(st->sqlite, i, v->i)
                 : v->type == 't' && v->p != NULL
                     ? sqlite3_bind_text64(st->sqlite, i, v->p, v->len, SQLITE_STATIC, SQLITE_UTF8)
                     : sqlite3_bind_blob64(st->sqlite, i, v->p, v->len, SQLITE_STATIC);

        if (rc != SQLITE_OK)
            return db_fail(st->db, err);
    }
    return 0;
}

/* A pragma may do its work when it is prepared, and is never kept. */
static bool keeps(const char *sql)
{
    return strncmp(sql, "PRAGMA", 6) != 0;
}

static sqlite3_stmt *take_idle(struct vml_db *db, const char *sql)
{
    for (size_t i = 0; i < IDLE; i++) {
        sqlite3_stmt *st = db->idle[i];

        if (st != NULL && strcmp(sqlite3_sql(st), sql) == 0) {
            db->idle[i] = NULL;
            return st;
        }
    }
    return NULL;
}

/* Where there is no empty place, the one that has been there longest goes. */
static void keep_idle(struct vml_db *db, sqlite3_stmt *st)
{
    size_t i = 0;

    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    while (i < IDLE && db->idle[i] != NULL)
        i++;
    if (i == IDLE) {
        i = db->next_idle++ % IDLE;
        sqlite3_finalize(db->idle[i]);
    }
    db->idle[i] = st;
}

/* The lock is held from here until the statement is freed. */
static struct vml_stmt *new_stmt(struct vml_db *db, const char *sql, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = calloc(1, sizeof *st);
    struct vml_stmt *made;
    const char *rest = "";

    if (st == NULL) {
        vml_fail_nomem(err);
        return NULL;
    }
    st->db = db;
    db_lock(db);
    st->sqlite = take_idle(db, sql);
    if (st->sqlite == NULL && sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                                 &st->sqlite, &rest) != SQLITE_OK) {
        db_fail(db, err);
        return NULL;
    }
    assert(*rest == '\0');
    made = st;
    st = NULL;
    return made;
}

int vml_db_query_values(struct vml_db *db, struct vml_stmt **out, struct vml_error *err,
                        const char *sql, const struct vml_value *values, size_t n)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = new_stmt(db, sql, err);

    if (st == NULL)
        return -1;
    assert((int)n == sqlite3_bind_parameter_count(st->sqlite));
    if (bind_values(st, values, n, err) < 0)
        return -1;
    *out = st;
    st = NULL;
    return 0;
}

int vml_db_query(struct vml_db *db, struct vml_stmt **out, struct vml_error *err, const char *sql,
                 const char *types, ...)
{
    struct vml_value values[VML_VALUES_MAX];
    va_list ap;
    size_t n;

    va_start(ap, types);
    n = vml_take_values(values, types, ap);
    va_end(ap);
    return vml_db_query_values(db, out, err, sql, values, n);
}

int vml_stmt_step(struct vml_stmt *st, struct vml_error *err)
{
    switch (sqlite3_step(st->sqlite)) {
    case SQLITE_ROW:
        return 1;
    case SQLITE_DONE:
        return 0;
    default:
        return db_fail(st->db, err);
    }
}

int64_t vml_stmt_int(struct vml_stmt *st, int column)
{
    return sqlite3_column_int64(st->sqlite, column);
}

const char *vml_stmt_text(struct vml_stmt *st, int column)
{
    const unsigned char *text = sqlite3_column_text(st->sqlite, column);

    return text != NULL ? (const char *)text : "";
}

const void *vml_stmt_blob(struct vml_stmt *st, int column, size_t *len)
{
    const void *blob = sqlite3_column_blob(st->sqlite, column);

    *len = (size_t)sqlite3_column_bytes(st->sqlite, column);
    return blob;
}

char vml_stmt_type(struct vml_stmt *st, int column)
{
    switch (sqlite3_column_type(st->sqlite, column)) {
    case SQLITE_INTEGER:
        return 'i';
    case SQLITE_TEXT:
        return 't';
    case SQLITE_BLOB:
        return 'b';
    case SQLITE_NULL:
        return 'n';
    default:
        return 'r';
    }
}

void vml_stmt_free(struct vml_stmt *st)
{
    if (st == NULL)
        return;
    if (st->sqlite != NULL && keeps(sqlite3_sql(st->sqlite)))
        keep_idle(st->db, st->sqlite);
    else
        sqlite3_finalize(st->sqlite);
    db_unlock(st->db);
    free(st);
}

void vml_stmt_freep(struct vml_stmt **st)
{
    vml_stmt_free(*st);
    *st = NULL;
}

int vml_db_run(struct vml_db *db, int64_t *changed, struct vml_error *err, const char *sql,
               const char *types, ...)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    struct vml_value values[VML_VALUES_MAX];
    va_list ap;
    size_t n;
    int rc;

    va_start(ap, types);
    n = vml_take_values(values, types, ap);
    va_end(ap);
    if (vml_db_query_values(db, &st, err, sql, values, n) < 0)
        return -1;
    do
        rc = vml_stmt_step(st, err);
    while (rc == 1);
    if (rc == 0 && changed != NULL)
        *changed = sqlite3_changes64(db->sqlite);
    return rc;
}
