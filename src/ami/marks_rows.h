/* What belongs to an image or a snapshot and is rows of tables beside its own: marks and history.
 */
#ifndef VMLIFT_AMI_MARKS_ROWS_H
#define VMLIFT_AMI_MARKS_ROWS_H

#include "catalog/rows.h"
#include "vmlift/registry.h"

/* A statement that walks such a table in the order in which another one walks its objects, side by
 * side with it: however many objects there are, it is one query for each table. */
struct vml_side {
    const char *table; /* of the schema */
    struct vml_stmt *st;
    int row;      /* once started: 1 when there is a row */
    bool started; /* with the first object, whose statement then has an open row: all see one
                     state of the catalog */
};
/* Of the rows of `objects` (images, snapshots) that are `which`, in the order of seq and ID:
 * "objects i JOIN table p ON p.column = i.id WHERE which".  which has ?1 for who asks, ?2 for the
 * region, and ?3 for value, unless that is NULL. */
int vml_side_open(struct vml_side *side, struct vml_db *db, const char *objects, const char *table,
                  const char *column, const char *order, const char *which,
                  const struct vml_where *where, const char *value, struct vml_error *err);
void vml_side_close(struct vml_side *side);
/* Reads each row, checked, of the object that the other statement is at. */
typedef int vml_side_fn(void *arg, struct vml_stmt *st, struct vml_error *err);
int vml_side_take(struct vml_side *side, const char *object, vml_side_fn *read, void *arg,
                  struct vml_error *err);

/* The same of one object alone. */
int vml_side_read(struct vml_db *db, const char *table, const char *column, const char *order,
                  const char *object, vml_side_fn *read, void *arg, struct vml_error *err);

/* The marks of objects that are walked. */
#define VML_MARK_TABLES 3u
struct vml_marks_cursor {
    struct vml_side sides[VML_MARK_TABLES];
};
int vml_marks_open(struct vml_marks_cursor *c, struct vml_db *db, const char *objects,
                   const char *which, const struct vml_where *where, const char *value,
                   struct vml_error *err);
void vml_marks_close(struct vml_marks_cursor *c);
/* *m was empty. */
int vml_marks_take(struct vml_marks_cursor *c, const char *object, struct vml_marks *m,
                   struct vml_error *err);

/* The same of one object alone. */
int vml_marks_read(struct vml_db *db, const char *object, struct vml_marks *m,
                   struct vml_error *err);

/* The object has these marks, in place of those that it has; inside a transaction. */
int vml_marks_write(struct vml_db *db, const char *object, const struct vml_marks *m,
                    struct vml_error *err);

/* What is done to an object, in its history; inside a transaction. */
int vml_history_add(struct vml_db *db, const char *object, const char *account, const char *action,
                    const char *detail, struct vml_error *err);

#endif
