/* Rows that carry checksums: the only way to write any, and what every reader of one asks first.
 *
 * SQLite does not notice most flipped bits (of 3000 single ones 44 % gave wrong rows while its
 * integrity_check said ok).  So each row ends in the XXH3-128 of its table's name and its columns,
 * types and lengths among them; and for rows that vanish or double, table `totals` has for each
 * table the number of rows and the sum of their sums, which the same transactions keep.
 *
 * Rows that are part of an object (a snapshot, an image) are remembered until the transaction ends:
 * a commit that has not written the object's record is a broken promise (vml_db_changed). */
#ifndef VMLIFT_CATALOG_ROWS_H
#define VMLIFT_CATALOG_ROWS_H

#include "catalog/db.h"
#include "catalog/schema.h"

#define VML_ROW_SUM 16u

const struct vml_sql_table *vml_table(const char *name); /* NULL: there is none of that name */

/* --- writing: inside a transaction ---------------------------------------------------------- */

/* All columns in the order of the schema, but sum; types and arguments as of vml_db_query, and
 * those that the table has.  The key is there already: VML_EEXISTS catalog/duplicate. */
int vml_row_insert(struct vml_db *db, struct vml_error *err, const char *table, const char *types,
                   ...);
/* The same with cells. */
int vml_row_insert_values(struct vml_db *db, const struct vml_sql_table *t,
                          const struct vml_value *values, struct vml_error *err);
/* Inserts the row, or makes the one that has its key say this. */
int vml_row_put(struct vml_db *db, struct vml_error *err, const char *table, const char *types,
                ...);
/* The same with cells. */
int vml_row_put_values(struct vml_db *db, const struct vml_sql_table *t,
                       const struct vml_value *values, struct vml_error *err);
/* Deletes the rows for which `where`, SQL with parameters, holds; *deleted (may be NULL) counts
 * them.  A damaged one among them is catalog/corrupt. */
int vml_row_delete(struct vml_db *db, int64_t *deleted, struct vml_error *err, const char *table,
                   const char *where, const char *types, ...);

/* One more than the largest number in the table's column seq. */
int vml_row_next(struct vml_db *db, const char *table, int64_t *seq, struct vml_error *err);

/* --- reading -------------------------------------------------------------------------------- */

/* Is the row of `table` whose columns, all of them with sum at the end ("SELECT *"), begin at
 * `column` what was written?  VML_EDATA catalog/corrupt, naming table and row. */
int vml_row_check(struct vml_stmt *st, int column, const char *table, struct vml_error *err);
/* The cell of column n of a row whose columns begin at `column`; until the next step.
 */
struct vml_value vml_row_value(struct vml_stmt *st, int column, size_t n);

/* All rows of a table, and whether they are all that there should be, with what the transaction
 * under way has changed: for those who are about to destroy what the table does not mention. */
int vml_table_check(struct vml_db *db, const char *table, struct vml_error *err);
/* The whole catalog: the engine's own check, the schema, each row, each total.  fn is told each
 * fault; -1 only when the check could not be done. */
typedef void vml_catalog_fault(void *arg, const struct vml_error *fault);
int vml_catalog_check(struct vml_db *db, vml_catalog_fault *fn, void *arg, struct vml_error *err);

/* --- objects that change -------------------------------------------------------------------- */

/* The i-th object that the transaction changed since its begin (or the last vml_db_recorded), NULL
 * after the last one. */
const char *vml_db_changed(struct vml_db *db, size_t i);
/* Their records are written. */
void vml_db_recorded(struct vml_db *db);

/* --- for the engine's file ------------------------------------------------------------------ */

struct vml_rows;
struct vml_rows **vml_db_rows(struct vml_db *db);
void vml_rows_free(struct vml_rows *r);
int vml_rows_flush(struct vml_db *db, struct vml_error *err); /* before a commit */
void vml_rows_forget(struct vml_db *db);                      /* after a commit or rollback */

#endif
