/* Records: what the catalog says of an object (a snapshot, an image), as a frame in a pack, so that
 * the packs alone tell what is in the store.
 *
 *     {"object": "ami-...", "seq": 12, "after": 11, "rows": {"images": [{...}], "tags": [...]}}
 *
 * The rows are all those of the tables that schema.c gives an object; without any the object is
 * gone.  Cells that are 0 or "" are left out.  Each commit has a number: seq, taken durably before
 * its pack is written and never given again.  after is the number of the last commit before it.  So
 * of two records of an object the one with the higher seq holds; and a number between a record's
 * after and its seq was taken by a commit that never came to its end, whose records, if they are in
 * some pack, do not hold.  No clock is asked. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"
#include "vmlift/codec.h"

static void json_freep(json_t **j)
{
    json_decref(*j);
    *j = NULL;
}

/* --- cells ---------------------------------------------------------------------------------- */

static bool is_utf8(const char *text, size_t len)
{
    size_t count;

    return strlen(text) == len && vml_utf8_count(text, &count);
}

/* Text is a string, and where it is no UTF-8 (a path may be anything) in hex, as blobs are.  NULL
 * without memory, which jansson does not tell apart from text that is none. */
static json_t *print_cell(const struct vml_value *v)
{
    VML_AUTO(vml_freep) char *text = NULL;
    VML_AUTO(vml_freep) char *hex = NULL;
    json_t *cell;

    if (v->type == 'i')
        return json_integer(v->i);
    if (v->type == 't') {
        cell = json_stringn(v->p, v->len);
        text = cell == NULL ? strndup(v->p, v->len) : NULL;
        if (cell != NULL || text == NULL || is_utf8(text, v->len))
            return cell;
    }
    hex = malloc(2 * v->len + 1);
    if (hex == NULL)
        return NULL;
    vml_hex(hex, v->p, v->len);
    return json_pack("{s:s}", "hex", hex);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place of the string that jansson owns: it is not read again. */
static bool parse_hex(json_t *cell, struct vml_value *v)
{
    const char *hex = json_string_value(json_object_get(cell, "hex"));
    size_t len = hex != NULL ? strlen(hex) : 1;
    uint8_t *to = (uint8_t *)(uintptr_t)hex;

    if (len % 2 != 0)
        return false;
    for (size_t i = 0; i < len / 2; i++) {
        int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        to[i] = (uint8_t)(high << 4 | low);
    }
    v->p = to;
    v->len = len / 2;
    return true;
}

/* No cell at all: 0 or "". */
static bool parse_cell(json_t *cell, char type, struct vml_value *v)
{
    *v = (struct vml_value){ .type = type, .p = type == 'i' ? NULL : "" };
    if (cell == NULL)
        return true;
    if (type == 'i') {
        v->i = json_integer_value(cell);
        return json_is_integer(cell);
    }
    if (type == 't' && json_is_string(cell)) {
        v->p = json_string_value(cell);
        v->len = json_string_length(cell);
        return true;
    }
    return parse_hex(cell, v);
}

/* --- making --------------------------------------------------------------------------------- */

static json_t *print_row(struct vml_stmt *st, const struct vml_sql_table *t)
{
    VML_AUTO(json_freep) json_t *row = json_object();

    for (size_t i = 0; t->types[i] != '\0'; i++) {
        struct vml_value v = vml_row_value(st, 0, i);

        if (v.type == 'i' ? v.i == 0 : v.len == 0)
            continue;
        if (json_object_set_new(row, t->columns[i], print_cell(&v)) < 0)
            return NULL;
    }
    return json_incref(row);
}

static int print_rows(struct vml_db *db, const struct vml_sql_table *t, const char *object,
                      json_t *all, struct vml_error *err)
{
    VML_AUTO(json_freep) json_t *rows = json_array();
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    char sql[256];
    int rc;

    int len = snprintf(sql, sizeof sql, "SELECT * FROM %s WHERE %s = ? ORDER BY ", t->name,
                       t->columns[t->object]);
    for (size_t i = 0; i < t->keys; i++)
        len +=
            snprintf(sql + len, sizeof sql - (size_t)len, "%s%s", i > 0 ? ", " : "", t->columns[i]);
    if (vml_db_query(db, &st, err, sql, "t", object) < 0)
        return -1;
    while ((rc = vml_stmt_step(st, err)) == 1)
        if (vml_row_check(st, 0, t->name, err) < 0)
            return -1;
        else if (json_array_append_new(rows, print_row(st, t)) < 0)
            return vml_fail_nomem(err);
    if (rc < 0 || json_array_size(rows) == 0)
        return rc;
    return json_object_set(all, t->name, rows) < 0 ? vml_fail_nomem(err) : 0;
}

/* Not json_dumps: where memory is missing on the way, that of jansson 2.14 leaves out a piece and
 * says nothing.  NULL without memory. */
static char *dump(const json_t *record)
{
    const size_t flags = JSON_COMPACT | JSON_SORT_KEYS;
    size_t len = json_dumpb(record, NULL, 0, flags);
    char *text = len > 0 ? malloc(len + 1) : NULL;

    if (text == NULL || json_dumpb(record, text, len, flags) != len) {
        free(text);
        return NULL;
    }
    text[len] = '\0';
    return text;
}

int vml_record_make(struct vml_db *db, const char *object, int64_t seq, int64_t after, char **text,
                    struct vml_error *err)
{
    VML_AUTO(json_freep) json_t *rows = json_object();
    VML_AUTO(json_freep) json_t *record = NULL;

    for (size_t i = 0; i < vml_n_tables; i++)
        if (vml_tables[i].object >= 0 && print_rows(db, &vml_tables[i], object, rows, err) < 0)
            return -1;
    record = json_pack("{s:s, s:I, s:I, s:O}", "object", object, "seq", (json_int_t)seq, "after",
                       (json_int_t)after, "rows", rows);
    *text = record != NULL ? dump(record) : NULL;
    if (*text == NULL)
        return vml_fail_nomem(err);
    if (strlen(*text) <= VML_FRAME_MAX)
        return 0;
    free(*text);
    *text = NULL;
    return vml_fail(err, VML_EUSAGE, "store/record-size",
                    "%s: what is to be recorded of it is longer than %u bytes", object,
                    VML_FRAME_MAX);
}

/* --- reading -------------------------------------------------------------------------------- */

static int damaged(const char *why, struct vml_error *err)
{
    return vml_fail(err, VML_EDATA, "store/record", "a record %s", why);
}

int vml_record_parse(struct vml_record *out, const void *text, size_t len, struct vml_error *err)
{
    VML_AUTO(json_freep) json_t *record = NULL;
    const char *object;
    json_int_t seq, after;
    json_t *rows;

    /* A want of memory must not pass for damage: rebuild would leave the object out. jansson itself
     * does not always tell the two apart. */
    errno = 0;
    record = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    if (record == NULL && errno == ENOMEM)
        return vml_fail_nomem(err);
    if (record == NULL || json_unpack(record, "{s:s, s:I, s:I, s:o}", "object", &object, "seq",
                                      &seq, "after", &after, "rows", &rows) < 0)
        return damaged("cannot be parsed", err);
    if (strlen(object) >= sizeof out->object || !json_is_object(rows) || seq <= after || after < 0)
        return damaged("cannot be", err);
    *out = (struct vml_record){ .seq = seq, .after = after, .gone = json_object_size(rows) == 0 };
    strcpy(out->object, object);
    out->rows = json_incref(rows);
    return 0;
}

void vml_record_clear(struct vml_record *r)
{
    json_decref(r->rows);
    r->rows = NULL;
}

static int load_row(struct vml_db *db, const struct vml_sql_table *t, json_t *row,
                    struct vml_error *err)
{
    struct vml_value values[VML_COLUMNS_MAX];
    size_t known = 0;

    for (size_t i = 0; t->types[i] != '\0'; i++) {
        json_t *cell = json_object_get(row, t->columns[i]);

        known += cell != NULL;
        if (!parse_cell(cell, t->types[i], &values[i]))
            return damaged("has a cell that cannot be", err);
    }
    return known == json_object_size(row) ? vml_row_insert_values(db, t, values, err)
                                          : damaged("has cells of unknown columns", err);
}

/* In the order of the schema, in which each table comes after those that it refers to. */
int vml_record_load(struct vml_db *db, const struct vml_record *r, struct vml_error *err)
{
    size_t known = 0;

    for (size_t i = 0; i < vml_n_tables; i++) {
        json_t *rows = json_object_get(r->rows, vml_tables[i].name), *row;
        size_t k;

        if (rows == NULL || vml_tables[i].object < 0)
            continue;
        known++;
        json_array_foreach(rows, k, row) if (load_row(db, &vml_tables[i], row, err) < 0) return -1;
    }
    return known == json_object_size(r->rows) ? 0 : damaged("has rows of unknown tables", err);
}

static int read_record(struct vml_store *s, const char *pack, const struct vml_entry *e,
                       struct vml_record *out, struct vml_error *err)
{
    VML_AUTO(vml_freep) uint8_t *frame = malloc(VML_FRAME_HEADER + e->stored);
    VML_AUTO(vml_freep) uint8_t *text = malloc((size_t)e->raw + 1);

    if (frame == NULL || text == NULL)
        return vml_fail_nomem(err);
    if (vml_frame_fetch(s->packs, pack, e, frame, err) < 0 ||
        vml_frame_expand(pack, e, NULL, frame, text, err) < 0)
        return -1;
    return vml_record_parse(out, text, e->raw, err);
}

int vml_pack_records(struct vml_store *s, const char *pack, vml_record_fn *fn, void *arg,
                     struct vml_error *err)
{
    VML_AUTO(vml_freep) struct vml_entry *index = NULL;
    size_t n;

    if (vml_pack_index(s->packs, pack, &index, &n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        VML_AUTO(vml_record_clear) struct vml_record r = { .rows = NULL };

        if (index[i].type != VML_FRAME_RECORD)
            continue;
        if (read_record(s, pack, &index[i], &r, err) < 0 || fn(arg, &index[i], &r, err) < 0)
            return -1;
    }
    return 0;
}

/* --- the numbers of commits ----------------------------------------------------------------- */

int vml_counter_get(struct vml_db *db, const char *name, int64_t *value, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    *value = 0;
    if (vml_db_query(db, &st, err, "SELECT * FROM counters WHERE name = ?", "t", name) < 0 ||
        (rc = vml_stmt_step(st, err)) < 0)
        return -1;
    if (rc == 0)
        return 0;
    *value = vml_stmt_int(st, 1);
    return vml_row_check(st, 0, "counters", err);
}

int vml_counter_set(struct vml_db *db, const char *name, int64_t value, struct vml_error *err)
{
    return vml_row_put(db, err, "counters", "ti", name, value);
}

static int reserve(struct vml_db *db, int64_t *seq, struct vml_error *err)
{
    if (vml_db_begin(db, err) < 0)
        return -1;
    if (vml_counter_get(db, VML_RESERVED, seq, err) < 0 ||
        vml_counter_set(db, VML_RESERVED, ++*seq, err) < 0) {
        vml_db_rollback(db);
        return -1;
    }
    return vml_db_commit(db, err);
}

int vml_commit_begin(struct vml_db *db, int64_t *seq, int64_t *after, struct vml_error *err)
{
    for (;;) {
        int64_t last;

        if (reserve(db, seq, err) < 0 || vml_db_begin(db, err) < 0)
            return -1;
        if (vml_counter_get(db, VML_RESERVED, &last, err) < 0 ||
            vml_counter_get(db, VML_COMMITTED, after, err) < 0) {
            vml_db_rollback(db);
            return -1;
        }
        if (last == *seq)
            return 0;
        vml_db_rollback(db); /* another one took a number in between: ours must not come after it */
    }
}

/* --- a catalog that is behind --------------------------------------------------------------- */

struct behind {
    struct vml_store *store;
    struct vml_db *db;
    int64_t reserved;
};

static int look_at_record(void *arg, const struct vml_entry *e, const struct vml_record *r,
                          struct vml_error *err)
{
    struct behind *b = arg;

    (void)e;
    if (r->seq <= b->reserved)
        return 0;
    /* A commit may have taken its number since that was read. */
    if (vml_counter_get(b->db, VML_RESERVED, &b->reserved, err) < 0)
        return -1;
    if (r->seq <= b->reserved)
        return 0;
    return vml_fail(
        err, VML_EDATA, "catalog/behind",
        "catalog: it has come to commit %lld, and commit %lld is in the packs; \"vmlift "
        "store rebuild\" makes it anew from them",
        (long long)b->reserved, (long long)r->seq);
}

static int look_at_pack(void *arg, const char *key, uint64_t size, struct vml_error *err)
{
    struct behind *b = arg;
    bool known;

    (void)size;
    if (vml_interrupted())
        return vml_fail_interrupted(err);
    if (vml_pack_known(b->db, key, &known, err) < 0)
        return -1;
    if (known || vml_pack_records(b->store, key, look_at_record, b, err) == 0)
        return 0;
    /* a pack that cannot be read tells nothing */
    return err->code == VML_EDATA && strcmp(err->slug, "catalog/behind") != 0 ? 0 : -1;
}

int vml_catalog_behind(struct vml_store *s, struct vml_db *db, struct vml_error *err)
{
    struct behind b = { .store = s, .db = db };

    if (vml_counter_get(db, VML_RESERVED, &b.reserved, err) < 0)
        return -1;
    return vml_objects_list(s->packs, look_at_pack, &b, err);
}
