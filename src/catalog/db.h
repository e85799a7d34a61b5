/* The catalog behind a narrow interface: plain SQL in, rows out, so that SQLite now and a server
 * later are one file each.  Errors are VML_EIO catalog/error (catalog/busy, catalog/corrupt
 * (VML_EDATA), io/full) and carry the engine's own text.
 *
 * A struct vml_db may be used by several threads: each statement holds its lock from prepare to
 * free; a SQL transaction from begin to commit or rollback (recursive for the thread that holds
 * it). */
#ifndef VMLIFT_CATALOG_DB_H
#define VMLIFT_CATALOG_DB_H

#include <stdarg.h>
#include <string.h>

#include "vmlift/base.h"

struct vml_db;
struct vml_stmt;

/* A cell: of type 'i', 't' (p, len without the NUL) or 'b'. */
struct vml_value {
    char type;
    int64_t i;
    const void *p; /* NULL: SQL's */
    size_t len;
};
#define VML_VALUES_MAX 40

/* Opens, or with create makes, the file and brings the schema to this version (schema.c). Foreign
 * or newer: VML_EUNSUPPORTED catalog/version. */
int vml_db_open(struct vml_db **out, const char *path, bool create, struct vml_error *err);
/* Opens a catalog of any version that another file is to replace: all its log held is in the file
 * itself and durable, and the log is empty, until somebody writes.  While *out is open nobody else
 * who closes it removes its log.  Waits for those who read it: catalog/busy. */
int vml_db_settle(struct vml_db **out, const char *path, struct vml_error *err);
/* A catalog without rows, in memory: what the schema should look like. */
int vml_db_open_empty(struct vml_db **out, struct vml_error *err);
void vml_db_free(struct vml_db *db);
void vml_db_freep(struct vml_db **db);
/* How long to wait for another process's transaction (30 s) before catalog/busy. */
void vml_db_set_wait(struct vml_db *db, unsigned ms);

/* Transactions do not nest.  begin takes the write lock at once.  After commit the transaction is
 * over: durable, or when that failed, rolled back. */
int vml_db_begin(struct vml_db *db, struct vml_error *err);
int vml_db_commit(struct vml_db *db, struct vml_error *err);
void vml_db_rollback(struct vml_db *db); /* nothing to roll back: fine */
bool vml_db_in_txn(const struct vml_db *db);
int vml_db_exec(struct vml_db *db, const char *sql,
                struct vml_error *err); /* no parameters, no rows */

/* The arguments that `types` tells of; their number.  (Here, since analyzers lose sight of a
 * va_list that goes from file to file.) */
static inline size_t vml_take_values(struct vml_value values[VML_VALUES_MAX], const char *types,
                                     va_list ap)
{
    size_t n = 0;

    for (; types[n] != '\0'; n++) {
        struct vml_value *v = &values[n];

        *v = (struct vml_value){ .type = types[n] };
        if (v->type == 'i') {
            v->i = va_arg(ap, int64_t);
            continue;
        }
        v->p = va_arg(ap, const void *);
        v->len = v->type == 'b' ? va_arg(ap, size_t)
                 : v->p != NULL ? strlen((const char *)v->p)
                                : 0;
    }
    return n;
}

/* A statement; parameters are bound from the arguments by types, one letter each:
 *   i int64_t (cast what is not)   t const char * (NULL is SQL NULL)   b const void *, size_t
 * Text and blobs must stay as they are until the statement is freed. */
int vml_db_query(struct vml_db *db, struct vml_stmt **out, struct vml_error *err, const char *sql,
                 const char *types, ...);
int vml_db_query_values(struct vml_db *db, struct vml_stmt **out, struct vml_error *err,
                        const char *sql, const struct vml_value *values, size_t n);
/* 1: a row, 0: done, -1: failed. */
int vml_stmt_step(struct vml_stmt *st, struct vml_error *err);
int64_t vml_stmt_int(struct vml_stmt *st, int column);
const char *vml_stmt_text(struct vml_stmt *st, int column); /* "" for NULL; until the next step */
const void *vml_stmt_blob(struct vml_stmt *st, int column, size_t *len); /* of a text, too */
char vml_stmt_type(struct vml_stmt *st, int column); /* i, t, b as it is stored; n: NULL; else r */
void vml_stmt_free(struct vml_stmt *st);
void vml_stmt_freep(struct vml_stmt **st);
/* query, step to the end, free: for what is not to last (rows of the catalog itself are written by
 * rows.h). *changed (may be NULL): rows. A broken
 * UNIQUE constraint is VML_EEXISTS catalog/duplicate. */
int vml_db_run(struct vml_db *db, int64_t *changed, struct vml_error *err, const char *sql,
               const char *types, ...);

#endif
