/* An image as rows of the catalog, both ways: a table of fields for each table of the schema. */
#ifndef VMLIFT_AMI_IMAGE_ROWS_H
#define VMLIFT_AMI_IMAGE_ROWS_H

#include "catalog/rows.h"
#include "vmlift/ami.h"

/* A table of which an image has any number of rows. */
struct vml_part {
    const char *table;
    const char *order; /* of one image's rows */
    /* Adds the row that st is at; checked already. */
    int (*read)(struct vml_image *a, struct vml_stmt *st, struct vml_error *err);
    /* Inserts all that the image has. */
    int (*write)(struct vml_db *db, const struct vml_image *a, struct vml_error *err);
};
#define VML_PARTS 4u
extern const struct vml_part vml_image_parts[VML_PARTS];

/* The row of table images that st is at ("SELECT *"), checked; *a was empty. */
int vml_image_read(struct vml_image *a, struct vml_stmt *st, struct vml_error *err);
/* Inserts the image's row, or makes it say this, and all rows of its parts in place of those that
 * there are. */
int vml_image_write(struct vml_db *db, const struct vml_image *a, struct vml_error *err);

/* What is done to a resource (an image or a snapshot), in its history; inside a transaction. */
int vml_history_add(struct vml_db *db, const char *resource, const char *account,
                    const char *action, const char *detail, struct vml_error *err);

#endif
