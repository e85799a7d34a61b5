/* An image as rows of the catalog. */
#include "ami/image_rows.h"

#include <stddef.h>
#include <string.h>

/* --- fields and cells ----------------------------------------------------------------------- */

/* Where a column's cell is in a record.  text and owned are what the catalog has as text. */
struct field {
    enum { F_TEXT, F_OWNED, F_NUMBER, F_FLAG } kind;
    size_t at, size;
};
#define FIELD(kind, record, member)                                   \
    {                                                                 \
        kind, offsetof(record, member), sizeof(((record *)0)->member) \
    }
#define TEXT(record, member)   FIELD(F_TEXT, record, member)
#define OWNED(record, member)  FIELD(F_OWNED, record, member)
#define NUMBER(record, member) FIELD(F_NUMBER, record, member)
#define FLAG(record, member)   FIELD(F_FLAG, record, member)

/* In the order of the schema's columns. */
static const struct field image_fields[] = {
    TEXT(struct vml_image, id),
    NUMBER(struct vml_image, seq),
    TEXT(struct vml_image, name),
    TEXT(struct vml_image, description),
    TEXT(struct vml_image, owner),
    TEXT(struct vml_image, region),
    TEXT(struct vml_image, architecture),
    TEXT(struct vml_image, virtualization),
    TEXT(struct vml_image, boot_mode),
    TEXT(struct vml_image, root_device),
    TEXT(struct vml_image, root_type),
    TEXT(struct vml_image, platform),
    TEXT(struct vml_image, kernel),
    TEXT(struct vml_image, ramdisk),
    TEXT(struct vml_image, tpm),
    TEXT(struct vml_image, sriov),
    TEXT(struct vml_image, imds),
    FLAG(struct vml_image, ena),
    TEXT(struct vml_image, state),
    OWNED(struct vml_image, location),
    OWNED(struct vml_image, source),
    OWNED(struct vml_image, source_format),
    TEXT(struct vml_image, source_image),
    TEXT(struct vml_image, source_region),
    FLAG(struct vml_image, crash_consistent),
    NUMBER(struct vml_image, created),
    NUMBER(struct vml_image, deprecated),
    TEXT(struct vml_image, protection),
    NUMBER(struct vml_image, protected_until),
};
static const struct field mapping_fields[] = {
    TEXT(struct vml_mapping, device),
    TEXT(struct vml_mapping, snapshot),
    NUMBER(struct vml_mapping, size_gib),
    TEXT(struct vml_mapping, volume_type),
    NUMBER(struct vml_mapping, iops),
    NUMBER(struct vml_mapping, throughput),
    FLAG(struct vml_mapping, delete_on_termination),
    FLAG(struct vml_mapping, encrypted),
    TEXT(struct vml_mapping, virtual_name),
    FLAG(struct vml_mapping, no_device),
};
#define COUNT(fields) (sizeof(fields) / sizeof *(fields))

static struct vml_value text_cell(const char *text)
{
    const char *p = text ? text : "";
    return (struct vml_value){ .type = 't', .p = p, .len = strlen(p) };
}

static struct vml_value number_cell(int64_t n)
{
    return (struct vml_value){ .type = 'i', .i = n };
}

static void to_cells(const struct field *fields, size_t n, const void *record,
                     struct vml_value *cells)
{
    for (size_t i = 0; i < n; i++) {
        const char *at = (const char *)record + fields[i].at;
        const char *owned;
        int64_t number;
        switch (fields[i].kind) {
        case F_TEXT:
            cells[i] = text_cell(at);
            break;
        case F_OWNED:
            memcpy(&owned, at, sizeof owned);
            cells[i] = text_cell(owned);
            break;
        case F_NUMBER:
            memcpy(&number, at, sizeof number);
            cells[i] = number_cell(number);
            break;
        case F_FLAG:
            cells[i] = number_cell(*(const bool *)at);
            break;
        }
    }
}

/* A row with a good sum was written from such a record: what does not fit was written by something
 * else. */
static int from_row(const struct field *fields, size_t n, struct vml_stmt *st, int column,
                    void *record, struct vml_error *err)
{
    for (size_t i = 0; i < n; i++, column++) {
        char *at = (char *)record + fields[i].at;
        char *owned = NULL;
        int64_t number = vml_stmt_int(st, column);
        bool flag = number != 0;
        switch (fields[i].kind) {
        case F_TEXT:
            if (vml_set_text(at, fields[i].size, "cell", vml_stmt_text(st, column), err) < 0)
                return vml_fail(err, VML_EDATA, "catalog/corrupt",
                                "catalog: text of column %d is longer than %zu bytes", column,
                                fields[i].size - 1);
            break;
        case F_OWNED:
            if (vml_set_owned(&owned, vml_stmt_text(st, column), err) < 0)
                return -1;
            memcpy(at, &owned, sizeof owned);
            break;
        case F_NUMBER:
            memcpy(at, &number, sizeof number);
            break;
        case F_FLAG:
            memcpy(at, &flag, sizeof flag);
            break;
        }
    }
    return 0;
}

/* --- mappings ------------------------------------------------------------------------------- */

int vml_image_read_mapping(void *image, struct vml_stmt *st, struct vml_error *err)
{
    struct vml_mapping m = { 0 };
    return from_row(mapping_fields, COUNT(mapping_fields), st, 2, &m, err) < 0
               ? -1
               : vml_image_map(image, &m, err);
}

static int write_mappings(struct vml_db *db, const struct vml_image *a, struct vml_error *err)
{
    struct vml_value cells[2 + COUNT(mapping_fields)];
    for (size_t i = 0; i < a->n_mappings; i++) {
        cells[0] = text_cell(a->id);
        cells[1] = number_cell((int64_t)i);
        to_cells(mapping_fields, COUNT(mapping_fields), &a->mappings[i], cells + 2);
        if (vml_row_insert_values(db, vml_table("mappings"), cells, err) < 0)
            return -1;
    }
    return 0;
}

/* --- the whole ------------------------------------------------------------------------------ */

int vml_image_read(struct vml_image *a, struct vml_stmt *st, struct vml_error *err)
{
    return vml_row_check(st, 0, "images", err) < 0
               ? -1
               : from_row(image_fields, COUNT(image_fields), st, 0, a, err);
}

int vml_image_read_mappings(struct vml_db *db, struct vml_image *a, struct vml_error *err)
{
    return vml_side_read(db, "mappings", "image", "position", a->id, vml_image_read_mapping, a,
                         err);
}

int vml_image_write(struct vml_db *db, const struct vml_image *a, struct vml_error *err)
{
    struct vml_value cells[COUNT(image_fields)];
    to_cells(image_fields, COUNT(image_fields), a, cells);
    return vml_row_put_values(db, vml_table("images"), cells, err) < 0 ||
                   vml_row_delete(db, NULL, err, "mappings", "image = ?", "t", a->id) < 0 ||
                   write_mappings(db, a, err) < 0
               ? -1
               : vml_marks_write(db, a->id, &a->marks, err);
}
