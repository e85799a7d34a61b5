/* An image as rows of the catalog, both ways. */
#ifndef VMLIFT_AMI_IMAGE_ROWS_H
#define VMLIFT_AMI_IMAGE_ROWS_H

#include "ami/marks_rows.h"

/* The row of table images that st is at ("SELECT *"), checked; *a was empty.  Its mappings and its
 * marks are other rows. */
int vml_image_read(struct vml_image *a, struct vml_stmt *st, struct vml_error *err);
/* The mappings of one that was read. */
int vml_image_read_mappings(struct vml_db *db, struct vml_image *a, struct vml_error *err);
/* Adds the mapping that st is at to the struct vml_image: for vml_side_take. */
int vml_image_read_mapping(void *image, struct vml_stmt *st, struct vml_error *err);
/* Inserts the image's row, or makes it say this, and all rows of its mappings and marks in place of
 * those that there are. */
int vml_image_write(struct vml_db *db, const struct vml_image *a, struct vml_error *err);

#endif
