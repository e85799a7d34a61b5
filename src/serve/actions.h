/* EC2's actions, a file for each subject, and what these share. */
#ifndef VMLIFT_SERVE_ACTIONS_H
#define VMLIFT_SERVE_ACTIONS_H

#include "serve/serve.h"

/* actions_region.c */
vml_action_fn vml_do_describe_regions;
/* actions_image.c */
vml_action_fn vml_do_describe_images, vml_do_register_image, vml_do_create_image,
    vml_do_deregister_image;
/* actions_copy.c */
vml_action_fn vml_do_copy_image, vml_do_copy_snapshot;
/* actions_life.c */
vml_action_fn vml_do_enable_image, vml_do_disable_image, vml_do_enable_image_deprecation,
    vml_do_disable_image_deprecation, vml_do_enable_image_protection,
    vml_do_disable_image_protection, vml_do_cancel_launch_permission;
/* actions_attribute.c */
vml_action_fn vml_do_describe_image_attribute, vml_do_modify_image_attribute,
    vml_do_reset_image_attribute, vml_do_describe_snapshot_attribute,
    vml_do_modify_snapshot_attribute, vml_do_reset_snapshot_attribute;
/* actions_snapshot.c */
vml_action_fn vml_do_describe_snapshots, vml_do_create_snapshot, vml_do_delete_snapshot;
/* Is it a snapshot of the account that is still being written? */
int vml_is_unwritten(struct vml_request *r, const char *id, bool *yes, struct vml_error *err);
/* Where the failure is that there is no such snapshot, and it is one that is still being written:
 * makes it IncorrectState. */
void vml_not_yet(struct vml_request *r, const char *id, struct vml_error *err);
/* actions_tag.c */
vml_action_fn vml_do_create_tags, vml_do_delete_tags, vml_do_describe_tags;

/* actions_task.c */
vml_action_fn vml_do_import_image, vml_do_import_snapshot, vml_do_export_image,
    vml_do_cancel_import_task, vml_do_describe_import_image_tasks,
    vml_do_describe_import_snapshot_tasks, vml_do_describe_export_image_tasks;

/* --- words.c: what parameters say ------------------------------------------------------------- */

/* Is it one of the words, "image snapshot"? */
bool vml_is_word(const char *words, const char *word);
/* An ID that is needed: MissingParameter, InvalidAMIID.Malformed, InvalidSnapshotID.Malformed.  A
 * name is none. */
int vml_need_image(const struct vml_request *r, const char *name, const char **id,
                   struct vml_error *err);
int vml_need_snapshot(const struct vml_request *r, const char *name, const char **id,
                      struct vml_error *err);
int vml_check_image_ids(const struct vml_texts *ids, struct vml_error *err);
/* "i-X" for a machine started from ami-X, "vol-X" for a volume made of snap-X: the ID of that. */
int vml_origin(const char *id, const char *prefix, const char *of, const char *code_prefix,
               char out[32], struct vml_error *err);
/* Adds to *m the tags that TagSpecification has for the type of resource ("image").  types: those
 * that there may be, "image snapshot". */
int vml_request_tags(const struct vml_request *r, const char *type, const char *types,
                     struct vml_marks *m, struct vml_error *err);
/* The key of KmsKeyId: an ID, or an ARN that ends with it; NULL: none is named, or the default one
 * (alias/aws/ebs). InvalidParameterValue. */
int vml_request_key(const struct vml_request *r, const char **id, struct vml_error *err);
/* Is the image one that the account may change? */
int vml_check_own_image(struct vml_request *r, const char *id, struct vml_error *err);

/* BlockDeviceMapping.N, all of them.  type: of a volume that says none. */
int vml_request_mappings(const struct vml_request *r, const char *type, struct vml_image *image,
                         struct vml_error *err);
/* Tags snapshots that were just made as TagSpecification says. */
int vml_tag_made(struct vml_request *r, const struct vml_image *image, const struct vml_marks *m,
                 struct vml_error *err);

/* --- print.c: records as EC2 has them --------------------------------------------------------- */

void vml_print_image(struct vml_answer *a, const struct vml_image *image);
int vml_print_snapshot(struct vml_answer *a, struct vml_request *r,
                       const struct vml_registry_snapshot *s, struct vml_error *err);
void vml_print_tags(struct vml_answer *a, const struct vml_tag *tags, size_t n);
void vml_print_products(struct vml_answer *a, const struct vml_marks *m);
/* <return>true</return> */
void vml_print_true(struct vml_answer *a);

#endif
