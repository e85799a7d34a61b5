/* Marks and history as rows of the catalog. */
#include "ami/marks_rows.h"

#include <stdio.h>
#include <string.h>

/* --- side by side --------------------------------------------------------------------------- */

int vml_side_open(struct vml_side *side, struct vml_db *db, const char *objects, const char *table,
                  const char *column, const char *order, const char *which,
                  const struct vml_where *where, const char *value, struct vml_error *err)
{
    char sql[1024];
    side->table = table;
    snprintf(sql, sizeof sql,
             "SELECT p.* FROM %s i JOIN %s p ON p.%s = i.id WHERE %s ORDER BY i.seq, i.id, %s",
             objects, table, column, which, order);
    return vml_db_query(db, &side->st, err, sql, value ? "ttt" : "tt", where->owner, where->region,
                        value);
}

void vml_side_close(struct vml_side *side)
{
    vml_stmt_free(side->st);
}

static int next(struct vml_side *side, struct vml_error *err)
{
    side->row = vml_stmt_step(side->st, err);
    return side->row < 0 ? -1 : 0;
}

int vml_side_take(struct vml_side *side, const char *object, vml_side_fn *read, void *arg,
                  struct vml_error *err)
{
    if (!side->started && next(side, err) < 0)
        return -1;
    side->started = true;
    while (side->row > 0 && strcmp(vml_stmt_text(side->st, 0), object) == 0) {
        if (vml_row_check(side->st, 0, side->table, err) < 0 || read(arg, side->st, err) < 0 ||
            next(side, err) < 0)
            return -1;
    }
    return 0;
}

int vml_side_read(struct vml_db *db, const char *table, const char *column, const char *order,
                  const char *object, vml_side_fn *read, void *arg, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    char sql[128];
    int row;
    snprintf(sql, sizeof sql, "SELECT * FROM %s WHERE %s = ? ORDER BY %s", table, column, order);
    if (vml_db_query(db, &st, err, sql, "t", object) < 0)
        return -1;
    while ((row = vml_stmt_step(st, err)) > 0) {
        if (vml_row_check(st, 0, table, err) < 0 || read(arg, st, err) < 0)
            return -1;
    }
    return row;
}

/* --- marks ---------------------------------------------------------------------------------- */

static int read_tag(void *marks, struct vml_stmt *st, struct vml_error *err)
{
    return vml_marks_tag(marks, vml_stmt_text(st, 1), vml_stmt_text(st, 2), err);
}

static int write_tags(struct vml_db *db, const char *object, const struct vml_marks *m,
                      struct vml_error *err)
{
    for (size_t i = 0; i < m->n_tags; i++) {
        if (vml_row_insert(db, err, "tags", "ttt", object, m->tags[i].key, m->tags[i].value) < 0)
            return -1;
    }
    return 0;
}

static int read_grant(void *marks, struct vml_stmt *st, struct vml_error *err)
{
    return vml_marks_grant(marks, vml_stmt_text(st, 1), vml_stmt_text(st, 2), err);
}

static int write_grants(struct vml_db *db, const char *object, const struct vml_marks *m,
                        struct vml_error *err)
{
    for (size_t i = 0; i < m->n_grants; i++) {
        if (vml_row_insert(db, err, "grants", "ttt", object, m->grants[i].kind,
                           m->grants[i].grantee) < 0)
            return -1;
    }
    return 0;
}

static int read_code(void *marks, struct vml_stmt *st, struct vml_error *err)
{
    return vml_marks_code(marks, vml_stmt_text(st, 1), vml_stmt_text(st, 2), err);
}

static int write_codes(struct vml_db *db, const char *object, const struct vml_marks *m,
                       struct vml_error *err)
{
    for (size_t i = 0; i < m->n_codes; i++) {
        if (vml_row_insert(db, err, "codes", "ttt", object, m->codes[i].type, m->codes[i].code) < 0)
            return -1;
    }
    return 0;
}

static const struct {
    const char *table, *order;
    vml_side_fn *read;
    int (*write)(struct vml_db *db, const char *object, const struct vml_marks *m,
                 struct vml_error *err);
} tables[VML_MARK_TABLES] = {
    { "tags", "key", read_tag, write_tags },
    { "grants", "kind, grantee", read_grant, write_grants },
    { "codes", "type, code", read_code, write_codes },
};

int vml_marks_open(struct vml_marks_cursor *c, struct vml_db *db, const char *objects,
                   const char *which, const struct vml_where *where, const char *value,
                   struct vml_error *err)
{
    for (size_t i = 0; i < VML_MARK_TABLES; i++) {
        if (vml_side_open(&c->sides[i], db, objects, tables[i].table, "resource", tables[i].order,
                          which, where, value, err) < 0)
            return -1;
    }
    return 0;
}

void vml_marks_close(struct vml_marks_cursor *c)
{
    for (size_t i = 0; i < VML_MARK_TABLES; i++)
        vml_side_close(&c->sides[i]);
}

int vml_marks_take(struct vml_marks_cursor *c, const char *object, struct vml_marks *m,
                   struct vml_error *err)
{
    for (size_t i = 0; i < VML_MARK_TABLES; i++) {
        if (vml_side_take(&c->sides[i], object, tables[i].read, m, err) < 0)
            return -1;
    }
    return 0;
}

int vml_marks_read(struct vml_db *db, const char *object, struct vml_marks *m,
                   struct vml_error *err)
{
    for (size_t i = 0; i < VML_MARK_TABLES; i++) {
        if (vml_side_read(db, tables[i].table, "resource", tables[i].order, object, tables[i].read,
                          m, err) < 0)
            return -1;
    }
    return 0;
}

int vml_marks_write(struct vml_db *db, const char *object, const struct vml_marks *m,
                    struct vml_error *err)
{
    for (size_t i = 0; i < VML_MARK_TABLES; i++) {
        if (vml_row_delete(db, NULL, err, tables[i].table, "resource = ?", "t", object) < 0 ||
            tables[i].write(db, object, m, err) < 0)
            return -1;
    }
    return 0;
}

/* --- history -------------------------------------------------------------------------------- */

int vml_history_add(struct vml_db *db, const char *object, const char *account, const char *action,
                    const char *detail, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    if (vml_db_query(db, &st, err, "SELECT count(*) FROM history WHERE resource = ?", "t", object) <
            0 ||
        vml_stmt_step(st, err) < 0)
        return -1;
    int64_t position = vml_stmt_int(st, 0);
    return vml_row_insert(db, err, "history", "tiittt", object, position, vml_now(), account,
                          action, detail);
}
