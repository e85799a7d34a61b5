/* The catalog's narrow interface, on SQLite: versions, transactions, threads and processes. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog/db.h"
#include "catalog/rows.h"
#include "check.h"

static char dir[] = "/tmp/vmlift-test-db.XXXXXX";

static const char *in_dir(char buf[128], const char *name)
{
    snprintf(buf, 128, "%s/%s", dir, name);
    return buf;
}

static int64_t count(struct vml_db *db, const char *sql)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    struct vml_error err;

    CHECK_OK(vml_db_query(db, &st, &err, sql, ""), &err);
    CHECK_INT(vml_stmt_step(st, &err), 1);
    return vml_stmt_int(st, 0);
}

static int add_tag(struct vml_db *db, const char *resource, const char *key, struct vml_error *err)
{
    return vml_db_run(db, NULL, err, "INSERT INTO tags VALUES (?, ?, ?, x'00')", "ttt", resource,
                      key, "value");
}

static void test_open(void)
{
    VML_AUTO(vml_db_freep) struct vml_db *db = NULL;
    struct vml_error err;
    char path[128];

    in_dir(path, "open.db");
    CHECK_FAILS(vml_db_open(&db, path, false, &err), &err, "catalog/not-found");
    CHECK_OK(vml_db_open(&db, path, true, &err), &err);
    CHECK_INT(count(db, "SELECT count(*) FROM snapshots"), 0);
    CHECK_OK(add_tag(db, "r", "k", &err), &err);
    vml_db_freep(&db);
    CHECK_OK(vml_db_open(&db, path, false, &err), &err);
    CHECK_INT(count(db, "SELECT count(*) FROM tags"), 1);
    /* what protects the rows */
    CHECK_INT(count(db, "PRAGMA synchronous"), 2);
    CHECK_INT(count(db, "PRAGMA foreign_keys"), 1);
    CHECK_INT(count(db, "PRAGMA trusted_schema"), 0);
    CHECK_INT(count(db, "PRAGMA cell_size_check"), 1);
    CHECK_FAILS(
        vml_db_exec(db, "INSERT INTO blocks VALUES (x'00', 'none', 0, 0, 0, 0, 0, x'00')", &err),
        &err, "catalog/error");
}

static void test_foreign(void)
{
    VML_AUTO(vml_db_freep) struct vml_db *db = NULL;
    struct vml_error err;
    char path[128];
    FILE *f;

    in_dir(path, "newer.db");
    CHECK_OK(vml_db_open(&db, path, true, &err), &err);
    CHECK_OK(vml_db_exec(db, "PRAGMA user_version = 99", &err), &err);
    vml_db_freep(&db);
    CHECK_FAILS(vml_db_open(&db, path, true, &err), &err, "catalog/version");

    in_dir(path, "foreign.db");
    CHECK_OK(vml_db_open(&db, path, true, &err), &err);
    CHECK_OK(vml_db_exec(db, "PRAGMA application_id = 1", &err), &err);
    vml_db_freep(&db);
    CHECK_FAILS(vml_db_open(&db, path, false, &err), &err, "catalog/version");

    in_dir(path, "text.db");
    f = fopen(path, "w");
    CHECK(f != NULL && fprintf(f, "%s", "this is a text and no database at all, is it not?") > 0);
    fclose(f);
    CHECK_FAILS(vml_db_open(&db, path, true, &err), &err, "catalog/corrupt");
    CHECK_INT(err.code, VML_EDATA);

    in_dir(path, "none/such.db");
    CHECK(vml_db_open(&db, path, true, &err) < 0);
    CHECK(db == NULL);
}

static void test_statements(void)
{
    VML_AUTO(vml_db_freep) struct vml_db *db = NULL;
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    struct vml_error err;
    char path[128];
    int64_t changed = 0;
    size_t len;

    CHECK_OK(vml_db_open(&db, in_dir(path, "statements.db"), true, &err), &err);
    CHECK_OK(vml_db_query(db, &st, &err, "SELECT ?, ?, ?, ?", "itbt", INT64_MIN, "caf\xc3\xa9",
                          "a\0b", (size_t)3, NULL),
             &err);
    CHECK_INT(vml_stmt_step(st, &err), 1);
    CHECK_INT(vml_stmt_int(st, 0), INT64_MIN);
    CHECK_STR(vml_stmt_text(st, 1), "caf\xc3\xa9");
    CHECK(memcmp(vml_stmt_blob(st, 2, &len), "a\0b", 3) == 0 && len == 3);
    CHECK_STR(vml_stmt_text(st, 3), "");
    CHECK_INT(vml_stmt_step(st, &err), 0);
    vml_stmt_freep(&st);

    CHECK_FAILS(vml_db_query(db, &st, &err, "SELECT nonsense FROM nowhere", ""), &err,
                "catalog/error");
    CHECK_OK(add_tag(db, "r", "k1", &err), &err);
    CHECK_OK(add_tag(db, "r", "k2", &err), &err);
    CHECK_FAILS(add_tag(db, "r", "k1", &err), &err, "catalog/duplicate");
    CHECK_INT(err.code, VML_EEXISTS);
    CHECK_OK(vml_db_run(db, &changed, &err, "DELETE FROM tags WHERE resource = ?", "t", "r"), &err);
    CHECK_INT(changed, 2);
}

static void test_transactions(void)
{
    VML_AUTO(vml_db_freep) struct vml_db *db = NULL;
    VML_AUTO(vml_db_freep) struct vml_db *other = NULL;
    struct vml_error err;
    char path[128];

    CHECK_OK(vml_db_open(&db, in_dir(path, "txn.db"), true, &err), &err);
    CHECK_OK(vml_db_open(&other, path, false, &err), &err);
    vml_db_rollback(db); /* nothing to roll back */
    CHECK_OK(vml_db_begin(db, &err), &err);
    CHECK_OK(add_tag(db, "r", "k", &err), &err);
    CHECK_INT(count(db, "SELECT count(*) FROM tags"), 1);
    CHECK_INT(count(other, "SELECT count(*) FROM tags"), 0);
    vml_db_rollback(db);
    CHECK_INT(count(db, "SELECT count(*) FROM tags"), 0);

    CHECK_OK(vml_db_begin(db, &err), &err);
    CHECK_OK(add_tag(db, "r", "k", &err), &err);
    /* one writer at a time */
    vml_db_set_wait(other, 120);
    CHECK_FAILS(vml_db_begin(other, &err), &err, "catalog/busy");
    CHECK_FAILS(add_tag(other, "r", "k2", &err), &err, "catalog/busy");
    CHECK_OK(vml_db_commit(db, &err), &err);
    CHECK_OK(add_tag(other, "r", "k2", &err), &err);
    CHECK_INT(count(db, "SELECT count(*) FROM tags"), 2);
}

/* --- rows ----------------------------------------------------------------------------------- */

static int faults;

static void count_fault(void *arg, const struct vml_error *fault)
{
    (void)arg;
    CHECK_STR(fault->slug, "catalog/corrupt");
    faults++;
}

static int faults_of(struct vml_db *db)
{
    struct vml_error err;

    faults = 0;
    CHECK_OK(vml_catalog_check(db, count_fault, NULL, &err), &err);
    return faults;
}

/* What rows.c knows of the tables is what the schema says. */
static void test_tables(struct vml_db *db)
{
    CHECK_INT(count(db, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"), vml_n_tables);
    CHECK(vml_n_tables <= VML_TABLES_MAX);
    for (size_t i = 0; i < vml_n_tables; i++) {
        const struct vml_sql_table *t = &vml_tables[i];
        VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
        struct vml_error err;
        size_t n = 0;

        CHECK_OK(vml_db_query(db, &st, &err,
                              "SELECT name, type, \"notnull\", pk FROM pragma_table_info(?)", "t",
                              t->name),
                 &err);
        for (; vml_stmt_step(st, &err) == 1; n++) {
            bool sum = n == strlen(t->types);
            char type = sum ? 'b' : t->types[n];

            CHECK(n <= strlen(t->types));
            CHECK_STR(vml_stmt_text(st, 0), sum ? "sum" : t->columns[n]);
            CHECK_STR(vml_stmt_text(st, 1), type == 'i'   ? "INTEGER"
                                            : type == 't' ? "TEXT"
                                                          : "BLOB");
            CHECK_INT(vml_stmt_int(st, 2), 1);
            CHECK_INT(vml_stmt_int(st, 3), n < t->keys ? n + 1 : 0);
        }
        CHECK_INT(n, strlen(t->types) + 1);
    }
}

static void test_rows(void)
{
    VML_AUTO(vml_db_freep) struct vml_db *db = NULL;
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    struct vml_error err;
    char path[128];
    int64_t n = 0, seq;

    CHECK_OK(vml_db_open(&db, in_dir(path, "rows.db"), true, &err), &err);
    test_tables(db);
    CHECK_INT(faults_of(db), 0);
    CHECK_OK(vml_db_begin(db, &err), &err);
    CHECK_OK(vml_row_insert(db, &err, "packs", "ti", "a", INT64_C(1)), &err);
    CHECK_OK(vml_row_insert(db, &err, "packs", "ti", "b", INT64_C(-2)), &err);
    CHECK_FAILS(vml_row_insert(db, &err, "packs", "ti", "b", INT64_C(3)), &err,
                "catalog/duplicate");
    CHECK_OK(vml_row_put(db, &err, "packs", "ti", "b", INT64_C(4)), &err);
    CHECK_OK(vml_row_put(db, &err, "packs", "ti", "c", INT64_C(5)), &err);
    CHECK_OK(vml_table_check(db, "packs", &err), &err); /* with what is not committed yet */
    CHECK_OK(vml_db_commit(db, &err), &err);
    CHECK_INT(faults_of(db), 0);
    CHECK_INT(count(db, "SELECT sum(bytes) FROM packs"), 10);
    CHECK_OK(vml_db_begin(db, &err), &err);
    CHECK_OK(vml_row_delete(db, &n, &err, "packs", "bytes > ?", "i", INT64_C(4)), &err);
    CHECK_INT(n, 1);
    vml_db_rollback(db);
    CHECK_INT(faults_of(db), 0);
    CHECK_OK(vml_db_begin(db, &err), &err);
    CHECK_OK(vml_row_delete(db, &n, &err, "packs", "bytes > ?", "i", INT64_C(4)), &err);
    CHECK_OK(vml_row_next(db, "images", &seq, &err), &err);
    CHECK_INT(seq, 1);
    /* objects */
    CHECK(vml_db_changed(db, 0) == NULL);
    CHECK_OK(vml_row_insert(db, &err, "tags", "ttt", "snap-1", "k", "v"), &err);
    CHECK_OK(vml_row_insert(db, &err, "tags", "ttt", "ami-1", "k", ""), &err);
    CHECK_OK(vml_row_insert(db, &err, "tags", "ttt", "snap-1", "l", "v"), &err);
    CHECK_STR(vml_db_changed(db, 0), "snap-1");
    CHECK_STR(vml_db_changed(db, 1), "ami-1");
    CHECK(vml_db_changed(db, 2) == NULL);
    vml_db_recorded(db);
    CHECK_OK(vml_db_commit(db, &err), &err);
    CHECK_INT(faults_of(db), 0);
    CHECK_OK(vml_table_check(db, "packs", &err), &err);

    /* a changed cell, a type, a row too few, one too many, a row of another table */
    CHECK_OK(vml_db_query(db, &st, &err, "SELECT * FROM packs WHERE id = 'a'", ""), &err);
    CHECK_INT(vml_stmt_step(st, &err), 1);
    CHECK_OK(vml_row_check(st, 0, "packs", &err), &err);
    CHECK_FAILS(vml_row_check(st, 0, "counters", &err), &err, "catalog/corrupt");
    vml_stmt_freep(&st);
    CHECK_OK(vml_db_exec(db, "UPDATE packs SET bytes = 2 WHERE id = 'a'", &err), &err);
    CHECK_FAILS(vml_table_check(db, "packs", &err), &err, "catalog/corrupt");
    CHECK(strstr(err.text, "packs a") != NULL && strstr(err.text, "store rebuild") != NULL);
    CHECK_INT(faults_of(db), 1);
    CHECK_OK(vml_db_begin(db, &err), &err);
    CHECK_FAILS(vml_row_put(db, &err, "packs", "ti", "a", INT64_C(1)), &err, "catalog/corrupt");
    vml_db_rollback(db);
    CHECK_OK(vml_db_exec(db, "UPDATE packs SET bytes = x'01' WHERE id = 'a'", &err), &err);
    CHECK_INT(faults_of(db), 1);
    CHECK_OK(vml_db_exec(db, "UPDATE packs SET bytes = 1 WHERE id = 'a'", &err), &err);
    CHECK_INT(faults_of(db), 0);
    CHECK_OK(vml_db_exec(db,
                         "CREATE TABLE kept AS SELECT * FROM packs WHERE id = 'a';"
                         "DELETE FROM packs WHERE id = 'a'",
                         &err),
             &err);
    CHECK_INT(faults_of(db), 2); /* the schema, too */
    CHECK_OK(vml_db_exec(db, "INSERT INTO packs SELECT * FROM kept; DROP TABLE kept", &err), &err);
    CHECK_INT(faults_of(db), 0);
    CHECK_OK(vml_db_exec(db, "DROP INDEX mappings_snapshot", &err), &err);
    CHECK_INT(faults_of(db), 1);
}

/* A thread or process that adds 50 tags, each read and written in a transaction of its own. */
static void add_many(struct vml_db *db, const char *name)
{
    struct vml_error err;

    for (int i = 0; i < 50; i++) {
        char key[16];

        CHECK_OK(vml_db_begin(db, &err), &err);
        snprintf(key, sizeof key, "%" PRId64, count(db, "SELECT count(*) FROM tags"));
        CHECK_OK(add_tag(db, "shared", key, &err), &err);
        CHECK_OK(add_tag(db, name, key, &err), &err);
        CHECK_OK(vml_db_commit(db, &err), &err);
    }
}

static void *thread_main(void *db)
{
    add_many(db, "thread");
    return NULL;
}

static void test_concurrent(void)
{
    VML_AUTO(vml_db_freep) struct vml_db *db = NULL;
    struct vml_error err;
    char path[128];
    pthread_t thread;
    pid_t child;
    int status;

    in_dir(path, "many.db");
    child = fork();
    CHECK(child >= 0);
    if (child == 0) { /* makes the catalog at the same time, too */
        CHECK_OK(vml_db_open(&db, path, true, &err), &err);
        add_many(db, "child");
        vml_db_freep(&db);
        _exit(0);
    }
    CHECK_OK(vml_db_open(&db, path, true, &err), &err);
    CHECK(pthread_create(&thread, NULL, thread_main, db) == 0);
    add_many(db, "main");
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK_INT(count(db, "SELECT count(*) FROM tags"), 300);
    CHECK_INT(count(db, "SELECT count(*) FROM tags WHERE resource = 'shared'"), 150);
}

/* Last: the flag stays up. */
static void test_interrupt(void)
{
    VML_AUTO(vml_db_freep) struct vml_db *db = NULL;
    VML_AUTO(vml_db_freep) struct vml_db *other = NULL;
    struct vml_error err;
    char path[128];

    CHECK_OK(vml_db_open(&db, in_dir(path, "interrupt.db"), true, &err), &err);
    CHECK_OK(vml_db_open(&other, path, false, &err), &err);
    CHECK_OK(vml_db_begin(db, &err), &err);
    vml_interrupt();
    CHECK_FAILS(vml_db_begin(other, &err), &err, "interrupted");
    CHECK_FAILS(vml_db_exec(other,
                            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
                            " SELECT count(*) FROM n",
                            &err),
                &err, "interrupted");
    vml_db_rollback(db);
}

int main(void)
{
    char command[64];

    CHECK(mkdtemp(dir) != NULL);
    test_open();
    test_foreign();
    test_statements();
    test_transactions();
    test_rows();
    test_concurrent();
    test_interrupt();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK(system(command) == 0);
    return 0;
}
