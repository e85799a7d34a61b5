/* The one SQL schema, and what rows.c must know of its tables. */
#ifndef VMLIFT_CATALOG_SCHEMA_H
#define VMLIFT_CATALOG_SCHEMA_H

#include <stddef.h>

/* 2: every row carries the checksum of what it says.  3: all of an image that EC2 knows. */
#define VML_SCHEMA_VERSION 3
extern const char vml_schema[];

#define VML_COLUMNS_MAX 32

/* A table as rows.c writes and checks it: its columns in the order of the schema, in which `sum` is
 * one more at the end. */
struct vml_sql_table {
    const char *name;
    const char *types; /* a letter for each column, as vml_db_query takes them; none is NULL */
    const char *columns[VML_COLUMNS_MAX];
    size_t keys; /* how many of the first columns are the primary key */
    /* The column with the ID of the object that the row is part of, a snapshot or an image; -1:
     * none.  Such rows are what the object's record in a pack says (store/record.c). */
    int object;
};
extern const struct vml_sql_table vml_tables[];
extern const size_t vml_n_tables;
#define VML_TABLES_MAX 24

#endif
