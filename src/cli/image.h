/* The verbs of "vmlift image", a file each, and what they share. */
#ifndef VMLIFT_CLI_IMAGE_H
#define VMLIFT_CLI_IMAGE_H

#include "local.h"
#include "out.h"

verb_fn image_list, image_show, image_register, image_create, image_copy, image_share,
    image_unshare, image_tag, image_untag, image_modify, image_deprecate, image_disable,
    image_enable, image_protect, image_deregister, image_prune, image_history;

/* Changes each AMI that the command line names, one transaction each, and prints their IDs, or
 * their records as JSON.  Where one is refused, the error names it, and a note those before it. */
typedef int image_fn(void *arg, struct vml_store *s, const struct vml_where *where, const char *ami,
                     struct vml_image *out, struct vml_error *err);
int image_each(struct cli *cli, struct local *local, image_fn *fn, void *arg,
               struct vml_error *err);

#define IMAGE_LOOPHOLE "create-volume off does not stop a launcher from copying"

/* As EC2's DescribeImages has it, and beside that what the registry alone knows. */
json_t *image_json(const struct vml_image *a, struct vml_store *s);
/* The key of a mapping's snapshot, "" where it has none. */
const char *image_key(struct vml_store *s, const struct vml_mapping *m, char key[37]);

/* Of image show: lines that say who may use it, and on standard error what that means. */
void image_show_sharing(const struct vml_image *a, const char *account);
/* The same as members of its JSON: "Visibility", and for its owner "LaunchPermissions" and
 * "BucketPermissions". */
void image_add_sharing(json_t *v, const struct vml_image *a, const char *account);

#endif
