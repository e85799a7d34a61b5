/* The verbs of "vmlift image", a file each, and what they share. */
#ifndef VMLIFT_CLI_IMAGE_H
#define VMLIFT_CLI_IMAGE_H

#include "local.h"
#include "out.h"

verb_fn image_list, image_show, image_deregister;

/* As EC2's DescribeImages has it, and beside that what the registry alone knows. */
json_t *image_json(const struct vml_image *a, struct vml_store *s);
/* The key of a mapping's snapshot, "" where it has none. */
const char *image_key(struct vml_store *s, const struct vml_mapping *m, char key[37]);

#endif
