/* Rows with checksums, totals of tables, and which objects a transaction changed. */
#include "catalog/rows.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define HINT "; \"vmlift store rebuild\" makes the catalog anew from the packs"

/* What a transaction has done so far. */
struct vml_rows {
    struct {
        int64_t rows;
        uint64_t total[2];
        bool any;
    } delta[VML_TABLES_MAX]; /* by number of the table */
    char **changed;          /* IDs of objects */
    size_t n_changed;
};

/* --- tables --------------------------------------------------------------------------------- */

const struct vml_sql_table *vml_table(const char *name)
{
    for (size_t i = 0; i < vml_n_tables; i++)
        if (strcmp(vml_tables[i].name, name) == 0)
            return &vml_tables[i];
    return NULL;
}

static size_t width(const struct vml_sql_table *t)
{
    return strlen(t->types);
}

/* SQL is put together from the names in vml_tables alone. */
struct sql {
    char text[1024];
    size_t len;
};

static void add(struct sql *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct sql *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    s->len += (size_t)vsnprintf(s->text + s->len, sizeof s->text - s->len, fmt, ap);
    va_end(ap);
    assert(s->len < sizeof s->text);
}

static void add_keys(struct sql *s, const struct vml_sql_table *t)
{
    for (size_t i = 0; i < t->keys; i++)
        add(s, "%s%s = ?", i > 0 ? " AND " : " WHERE ", t->columns[i]);
}

/* --- sums ----------------------------------------------------------------------------------- */

static void put_number(XXH3_state_t *state, uint64_t n)
{
    uint8_t b[8];

    for (int i = 0; i < 8; i++)
        b[i] = (uint8_t)(n >> 8 * i);
    XXH3_128bits_update(state, b, sizeof b);
}

static void sum_of(const struct vml_sql_table *t, const struct vml_value *values,
                   uint8_t sum[VML_ROW_SUM])
{
    XXH3_state_t state;
    XXH128_canonical_t canonical;

    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, t->name, strlen(t->name) + 1);
    for (size_t i = 0; i < width(t); i++) {
        const struct vml_value *v = &values[i];

        XXH3_128bits_update(&state, &v->type, 1);
        put_number(&state, v->type == 'i' ? (uint64_t)v->i : v->len);
        if (v->type != 'i' && v->len > 0)
            XXH3_128bits_update(&state, v->p, v->len);
    }
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
    memcpy(sum, canonical.digest, VML_ROW_SUM);
}

static uint64_t half(const uint8_t *sum)
{
    uint64_t n = 0;

    for (int i = 7; i >= 0; i--)
        n = n << 8 | sum[i];
    return n;
}

/* --- reading -------------------------------------------------------------------------------- */

struct vml_value vml_row_value(struct vml_stmt *st, int column, size_t n)
{
    struct vml_value v = { .type = vml_stmt_type(st, column + (int)n) };

    if (v.type == 'i')
        v.i = vml_stmt_int(st, column + (int)n);
    else
        v.p = vml_stmt_blob(st, column + (int)n, &v.len);
    return v;
}

/* "packs 0123", "mappings ami-1, 0": the row by its key, as far as that can be read. */
static void name_row(char out[160], const struct vml_sql_table *t, const struct vml_value *values)
{
    size_t len = (size_t)snprintf(out, 160, "%s", t->name);

    for (size_t i = 0; i < t->keys && len < 120; i++) {
        const struct vml_value *v = &values[i];

        len += (size_t)snprintf(out + len, 160 - len, "%s ", i > 0 ? "," : "");
        if (v->type == 'i')
            len += (size_t)snprintf(out + len, 160 - len, "%lld", (long long)v->i);
        else if (v->type == 't')
            len += (size_t)snprintf(out + len, 160 - len, "%.40s", (const char *)v->p);
        else
            for (size_t k = 0; k < v->len && k < 8; k++)
                len += (size_t)snprintf(out + len, 160 - len, "%02x", ((const uint8_t *)v->p)[k]);
    }
}

static int check_row(struct vml_stmt *st, int column, const struct vml_sql_table *t,
                     uint8_t sum[VML_ROW_SUM], struct vml_error *err)
{
    struct vml_value values[VML_COLUMNS_MAX];
    size_t n = width(t), len = 0;
    const void *stored = NULL;
    bool good = true;
    char name[160];

    for (size_t i = 0; i < n; i++) {
        values[i] = vml_row_value(st, column, i);
        good = good && values[i].type == t->types[i];
    }
    if (good) {
        sum_of(t, values, sum);
        if (vml_stmt_type(st, column + (int)n) == 'b')
            stored = vml_stmt_blob(st, column + (int)n, &len);
        if (len == VML_ROW_SUM && memcmp(stored, sum, VML_ROW_SUM) == 0)
            return 0;
    }
    name_row(name, t, values);
    return vml_fail(err, VML_EDATA, "catalog/corrupt",
                    "catalog: row %s is not what was written: its checksum differs" HINT, name);
}

int vml_row_check(struct vml_stmt *st, int column, const char *table, struct vml_error *err)
{
    const struct vml_sql_table *t = vml_table(table);
    uint8_t sum[VML_ROW_SUM];

    assert(t != NULL);
    return check_row(st, column, t, sum, err);
}

/* --- what a transaction changes ------------------------------------------------------------- */

static struct vml_rows *rows_of(struct vml_db *db, struct vml_error *err)
{
    struct vml_rows **r = vml_db_rows(db);

    if (*r == NULL && (*r = calloc(1, sizeof **r)) == NULL)
        vml_fail_nomem(err);
    return *r;
}

void vml_rows_free(struct vml_rows *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n_changed; i++)
        free(r->changed[i]);
    free(r->changed);
    free(r);
}

void vml_rows_forget(struct vml_db *db)
{
    struct vml_rows **r = vml_db_rows(db);

    vml_rows_free(*r);
    *r = NULL;
}

const char *vml_db_changed(struct vml_db *db, size_t i)
{
    const struct vml_rows *r = *vml_db_rows(db);

    return r != NULL && i < r->n_changed ? r->changed[i] : NULL;
}

void vml_db_recorded(struct vml_db *db)
{
    struct vml_rows *r = *vml_db_rows(db);

    for (size_t i = 0; r != NULL && i < r->n_changed; i++)
        free(r->changed[i]);
    if (r != NULL)
        r->n_changed = 0;
}

static int remember(struct vml_rows *r, const struct vml_value *object, struct vml_error *err)
{
    char **more;
    char *id;

    for (size_t i = 0; i < r->n_changed; i++)
        if (strlen(r->changed[i]) == object->len &&
            memcmp(r->changed[i], object->p, object->len) == 0)
            return 0;
    more = realloc(r->changed, (r->n_changed + 1) * sizeof *more);
    if (more == NULL)
        return vml_fail_nomem(err);
    r->changed = more;
    id = strndup(object->p, object->len);
    if (id == NULL)
        return vml_fail_nomem(err);
    r->changed[r->n_changed++] = id;
    return 0;
}

/* A row with this sum came (sign 1) or went (-1). */
static int count_row(struct vml_db *db, const struct vml_sql_table *t,
                     const struct vml_value *values, const uint8_t sum[VML_ROW_SUM], int sign,
                     struct vml_error *err)
{
    struct vml_rows *r = rows_of(db, err);
    size_t i = (size_t)(t - vml_tables);

    if (r == NULL)
        return -1;
    r->delta[i].any = true;
    r->delta[i].rows += sign;
    r->delta[i].total[0] += sign > 0 ? half(sum) : -half(sum);
    r->delta[i].total[1] += sign > 0 ? half(sum + 8) : -half(sum + 8);
    return t->object >= 0 ? remember(r, &values[t->object], err) : 0;
}

/* --- writing -------------------------------------------------------------------------------- */

static int run_values(struct vml_db *db, struct vml_error *err, const char *sql,
                      const struct vml_value *values, size_t n)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query_values(db, &st, err, sql, values, n) < 0)
        return -1;
    do
        rc = vml_stmt_step(st, err);
    while (rc == 1);
    return rc;
}

/* values has room for the sum. */
static int insert(struct vml_db *db, const struct vml_sql_table *t, struct vml_value *values,
                  struct vml_error *err)
{
    struct sql sql = { .len = 0 };
    uint8_t sum[VML_ROW_SUM];
    size_t n = width(t);

    assert(vml_db_in_txn(db));
    sum_of(t, values, sum);
    values[n] = (struct vml_value){ .type = 'b', .p = sum, .len = sizeof sum };
    add(&sql, "INSERT INTO %s VALUES (", t->name);
    for (size_t i = 0; i <= n; i++)
        add(&sql, i > 0 ? ", ?" : "?");
    add(&sql, ")");
    return run_values(db, err, sql.text, values, n + 1) < 0 ? -1
                                                            : count_row(db, t, values, sum, 1, err);
}

int vml_row_insert_values(struct vml_db *db, const struct vml_sql_table *t,
                          const struct vml_value *values, struct vml_error *err)
{
    struct vml_value copy[VML_COLUMNS_MAX + 1];

    memcpy(copy, values, width(t) * sizeof *values);
    return insert(db, t, copy, err);
}

int vml_row_insert(struct vml_db *db, struct vml_error *err, const char *table, const char *types,
                   ...)
{
    struct vml_value values[VML_VALUES_MAX];
    const struct vml_sql_table *t = vml_table(table);
    va_list ap;

    assert(t != NULL && strcmp(types, t->types) == 0);
    va_start(ap, types);
    vml_take_values(values, types, ap);
    va_end(ap);
    return insert(db, t, values, err);
}

/* Takes the row with that key out of the totals; *found: there is one. */
static int uncount(struct vml_db *db, const struct vml_sql_table *t, const struct vml_value *keys,
                   bool *found, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    struct vml_value values[VML_COLUMNS_MAX];
    struct sql sql = { .len = 0 };
    uint8_t sum[VML_ROW_SUM];
    int rc;

    add(&sql, "SELECT * FROM %s", t->name);
    add_keys(&sql, t);
    if (vml_db_query_values(db, &st, err, sql.text, keys, t->keys) < 0 ||
        (rc = vml_stmt_step(st, err)) < 0)
        return -1;
    *found = rc == 1;
    if (!*found)
        return 0;
    if (check_row(st, 0, t, sum, err) < 0)
        return -1;
    for (size_t i = 0; i < width(t); i++)
        values[i] = vml_row_value(st, 0, i);
    return count_row(db, t, values, sum, -1, err);
}

static int update(struct vml_db *db, const struct vml_sql_table *t, const struct vml_value *values,
                  struct vml_error *err)
{
    struct vml_value cells[VML_COLUMNS_MAX + 1];
    struct sql sql = { .len = 0 };
    uint8_t sum[VML_ROW_SUM];
    size_t n = width(t), k = 0;

    sum_of(t, values, sum);
    add(&sql, "UPDATE %s SET ", t->name);
    for (size_t i = t->keys; i < n; i++) {
        add(&sql, "%s = ?, ", t->columns[i]);
        cells[k++] = values[i];
    }
    add(&sql, "sum = ?");
    cells[k++] = (struct vml_value){ .type = 'b', .p = sum, .len = sizeof sum };
    add_keys(&sql, t);
    for (size_t i = 0; i < t->keys; i++)
        cells[k++] = values[i];
    return run_values(db, err, sql.text, cells, k) < 0 ? -1 : count_row(db, t, values, sum, 1, err);
}

static int put(struct vml_db *db, const struct vml_sql_table *t, struct vml_value *values,
               struct vml_error *err)
{
    bool found;

    assert(vml_db_in_txn(db));
    if (uncount(db, t, values, &found, err) < 0)
        return -1;
    return found ? update(db, t, values, err) : insert(db, t, values, err);
}

int vml_row_put_values(struct vml_db *db, const struct vml_sql_table *t,
                       const struct vml_value *values, struct vml_error *err)
{
    struct vml_value copy[VML_COLUMNS_MAX + 1];

    memcpy(copy, values, width(t) * sizeof *values);
    return put(db, t, copy, err);
}

int vml_row_put(struct vml_db *db, struct vml_error *err, const char *table, const char *types, ...)
{
    struct vml_value values[VML_VALUES_MAX];
    const struct vml_sql_table *t = vml_table(table);
    va_list ap;

    assert(t != NULL && strcmp(types, t->types) == 0);
    va_start(ap, types);
    vml_take_values(values, types, ap);
    va_end(ap);
    return put(db, t, values, err);
}

int vml_row_delete(struct vml_db *db, int64_t *deleted, struct vml_error *err, const char *table,
                   const char *where, const char *types, ...)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    const struct vml_sql_table *t = vml_table(table);
    struct vml_value params[VML_VALUES_MAX];
    struct sql sql = { .len = 0 };
    size_t n_params;
    int64_t n = 0;
    va_list ap;
    int rc;

    assert(t != NULL && vml_db_in_txn(db));
    add(&sql, "DELETE FROM %s WHERE %s RETURNING *", t->name, where);
    va_start(ap, types);
    n_params = vml_take_values(params, types, ap);
    va_end(ap);
    if (vml_db_query_values(db, &st, err, sql.text, params, n_params) < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        struct vml_value values[VML_COLUMNS_MAX];
        uint8_t sum[VML_ROW_SUM];

        if (check_row(st, 0, t, sum, err) < 0)
            return -1;
        for (size_t i = 0; i < width(t); i++)
            values[i] = vml_row_value(st, 0, i);
        if (count_row(db, t, values, sum, -1, err) < 0)
            return -1;
        n++;
    }
    if (rc == 0 && deleted != NULL)
        *deleted = n;
    return rc;
}

int vml_row_next(struct vml_db *db, const char *table, int64_t *seq, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    struct sql sql = { .len = 0 };

    add(&sql, "SELECT coalesce(max(seq), 0) + 1 FROM %s", table);
    if (vml_db_query(db, &st, err, sql.text, "") < 0 || vml_stmt_step(st, err) < 0)
        return -1;
    *seq = vml_stmt_int(st, 0);
    return 0;
}

/* --- totals --------------------------------------------------------------------------------- */

struct total {
    int64_t rows;
    uint64_t total[2];
};

static void print_total(uint8_t out[16], const uint64_t total[2])
{
    for (int i = 0; i < 16; i++)
        out[i] = (uint8_t)(total[i / 8] >> 8 * (i % 8));
}

/* *out is zero where there is no row: an empty table that never had any. */
static int read_total(struct vml_db *db, const char *name, struct total *out, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    const uint8_t *total;
    size_t len;
    int rc;

    *out = (struct total){ 0 };
    if (vml_db_query(db, &st, err, "SELECT * FROM totals WHERE name = ?", "t", name) < 0 ||
        (rc = vml_stmt_step(st, err)) < 0)
        return -1;
    if (rc == 0)
        return 0;
    if (vml_row_check(st, 0, "totals", err) < 0)
        return -1;
    total = vml_stmt_blob(st, 2, &len);
    if (len != 16)
        return vml_fail(err, VML_EDATA, "catalog/corrupt", "catalog: total of %s cannot be", name);
    *out = (struct total){ vml_stmt_int(st, 1), { half(total), half(total + 8) } };
    return 0;
}

/* What the transaction under way has changed so far. */
static void add_delta(struct vml_db *db, const struct vml_sql_table *t, struct total *total)
{
    const struct vml_rows *r = *vml_db_rows(db);
    size_t i = (size_t)(t - vml_tables);

    if (r == NULL || !r->delta[i].any)
        return;
    total->rows += r->delta[i].rows;
    total->total[0] += r->delta[i].total[0];
    total->total[1] += r->delta[i].total[1];
}

int vml_rows_flush(struct vml_db *db, struct vml_error *err)
{
    const struct vml_rows *r = *vml_db_rows(db);
    const struct vml_sql_table *totals = vml_table("totals");

    assert(vml_db_changed(db, 0) == NULL); /* else an object's record was forgotten */
    for (size_t i = 0; r != NULL && i < vml_n_tables; i++) {
        struct total total;
        uint8_t blob[16];

        if (!r->delta[i].any || &vml_tables[i] == totals)
            continue;
        if (read_total(db, vml_tables[i].name, &total, err) < 0)
            return -1;
        add_delta(db, &vml_tables[i], &total);
        print_total(blob, total.total);
        if (vml_row_put(db, err, "totals", "tib", vml_tables[i].name, total.rows, blob,
                        sizeof blob) < 0)
            return -1;
    }
    return 0;
}

/* --- checking whole tables ------------------------------------------------------------------ */

static int check_table(struct vml_db *db, const struct vml_sql_table *t, vml_catalog_fault *fn,
                       void *arg, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    struct total found = { 0 }, want = { 0 };
    struct sql sql = { .len = 0 };
    struct vml_error fault;
    bool good = true;
    int rc;

    add(&sql, "SELECT * FROM %s", t->name);
    if (vml_db_query(db, &st, err, sql.text, "") < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        uint8_t sum[VML_ROW_SUM];

        if (check_row(st, 0, t, sum, &fault) < 0) {
            fn(arg, &fault);
            good = false;
            continue;
        }
        found.rows++;
        found.total[0] += half(sum);
        found.total[1] += half(sum + 8);
    }
    if (rc < 0)
        return -1;
    if (strcmp(t->name, "totals") == 0)
        return 0;
    if (read_total(db, t->name, &want, err) < 0)
        return -1;
    add_delta(db, t, &want);
    if (!good || (found.rows == want.rows && found.total[0] == want.total[0] &&
                  found.total[1] == want.total[1]))
        return 0;
    vml_fail(&fault, VML_EDATA, "catalog/corrupt",
             "catalog: table %s has %lld rows, which are not the %lld that were written" HINT,
             t->name, (long long)found.rows, (long long)want.rows);
    fn(arg, &fault);
    return 0;
}

static void keep_first(void *arg, const struct vml_error *fault)
{
    struct vml_error *first = arg;

    if (first->code == VML_OK)
        *first = *fault;
}

int vml_table_check(struct vml_db *db, const char *table, struct vml_error *err)
{
    const struct vml_sql_table *t = vml_table(table);
    struct vml_error first = { .code = VML_OK };

    assert(t != NULL);
    if (check_table(db, t, keep_first, &first, err) < 0)
        return -1;
    if (first.code == VML_OK)
        return 0;
    *err = first;
    return -1;
}

/* A pragma that lists what is wrong, or says "ok". */
static int check_engine(struct vml_db *db, const char *pragma, const char *what,
                        vml_catalog_fault *fn, void *arg, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(db, &st, err, pragma, "") < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1) {
        struct vml_error fault;

        if (strcmp(vml_stmt_text(st, 0), "ok") == 0)
            continue;
        vml_fail(&fault, VML_EDATA, "catalog/corrupt", "catalog: %s%s", what, vml_stmt_text(st, 0));
        fn(arg, &fault);
    }
    return rc;
}

/* The schema as it stands in the file: a flipped bit there can turn an index into another. */
static int check_schema(struct vml_db *db, vml_catalog_fault *fn, void *arg, struct vml_error *err)
{
    VML_AUTO(vml_db_freep) struct vml_db *fresh = NULL;
    VML_AUTO(vml_stmt_freep) struct vml_stmt *a = NULL;
    VML_AUTO(vml_stmt_freep) struct vml_stmt *b = NULL;
    static const char sql[] =
        "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY name";
    struct vml_error fault;
    int left, right;

    if (vml_db_open_empty(&fresh, err) < 0 || vml_db_query(fresh, &b, err, sql, "") < 0 ||
        vml_db_query(db, &a, err, sql, "") < 0)
        return -1;
    for (;;) {
        if ((left = vml_stmt_step(a, err)) < 0 || (right = vml_stmt_step(b, err)) < 0)
            return -1;
        if (left != right)
            break;
        if (left == 0)
            return 0;
        for (int i = 0; i < 4; i++)
            if (strcmp(vml_stmt_text(a, i), vml_stmt_text(b, i)) != 0)
                left = -1;
        if (left < 0)
            break;
    }
    vml_fail(&fault, VML_EDATA, "catalog/corrupt",
             "catalog: its schema is not the one of version %d" HINT, VML_SCHEMA_VERSION);
    fn(arg, &fault);
    return 0;
}

/* What cannot be read is a fault like any other, and the rest is looked at all the same. */
static int or_fault(int rc, vml_catalog_fault *fn, void *arg, struct vml_error *err)
{
    if (rc == 0)
        return 0;
    if (err->code != VML_EDATA && strcmp(err->slug, "catalog/error") != 0)
        return -1;
    fn(arg, err);
    return 0;
}

int vml_catalog_check(struct vml_db *db, vml_catalog_fault *fn, void *arg, struct vml_error *err)
{
    if (or_fault(check_engine(db, "PRAGMA integrity_check", "", fn, arg, err), fn, arg, err) < 0 ||
        or_fault(check_engine(db, "PRAGMA foreign_key_check", "a reference to nothing in ", fn, arg,
                              err),
                 fn, arg, err) < 0 ||
        or_fault(check_schema(db, fn, arg, err), fn, arg, err) < 0)
        return -1;
    for (size_t i = 0; i < vml_n_tables; i++)
        if (or_fault(check_table(db, &vml_tables[i], fn, arg, err), fn, arg, err) < 0)
            return -1;
    return 0;
}
