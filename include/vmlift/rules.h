/* EC2's rules for images.  Pure: nothing is read and nothing changed, so the shell and any endpoint
 * say the same of the same record.  Each refusal is VML_EREFUSED with EC2's error code as slug and
 * its words where they are known.  Any thread may call. */
#ifndef VMLIFT_RULES_H
#define VMLIFT_RULES_H

#include "vmlift/ami.h"

#ifdef __cplusplus
extern "C" {
#endif

int vml_rule_name(const char *name, struct vml_error *err);       /* InvalidAMIName.Malformed */
int vml_rule_account(const char *account, struct vml_error *err); /* 12 digits */
int vml_rule_region(const char *region, struct vml_error *err);   /* like us-east-1 */
int vml_rule_device(const char *device, const char *virtualization, bool root,
                    struct vml_error *err);
/* The part of vml_rule_register that needs no disk: everything but the mappings. */
int vml_rule_record(const struct vml_image *a, struct vml_error *err);
/* The whole record as RegisterImage would check it; snapshot_size (bytes) for each mapping. */
int vml_rule_register(const struct vml_image *a, const uint64_t *snapshot_size,
                      struct vml_error *err);
/* The device name for disk i of an image whose root is root_device: the root itself for 0, then
 * /dev/sdf .. /dev/sdp, then /dev/sdq .. /dev/sdz, then /dev/sdb .. /dev/sde (VML_EREFUSED
 * ami/too-many-disks after that). */
int vml_rule_nth_device(char out[32], const char *root_device, size_t i, struct vml_error *err);

/* --- rules_life.c: what may be done to an image that is there ------------------------------- */

/* now and at are seconds since 1970. */

#define VML_TAGS_MAX 50u /* of an image or a snapshot */
/* Keys of 1 to 128 characters that do not begin with "aws:", values of up to 256. */
int vml_rule_tag_key(const char *key, struct vml_error *err); /* InvalidTagKey.Malformed */
int vml_rule_tag(const char *key, const char *value, struct vml_error *err);
/* All that a resource is to have, or that are to be added at once. */
int vml_rule_tags(const struct vml_tag *tags, size_t n, struct vml_error *err);

int vml_rule_description(const char *description, struct vml_error *err);
int vml_rule_imds(const char *support, struct vml_error *err);
int vml_rule_product_code(const struct vml_image *a, const char *code, struct vml_error *err);

/* at: as it was asked for, before it is rounded to the minute. */
int vml_rule_deprecate(const struct vml_image *a, int64_t at, int64_t now, struct vml_error *err);
int vml_rule_undeprecate(const struct vml_image *a, struct vml_error *err);
/* IncorrectState when it is so already. */
int vml_rule_disable(const struct vml_image *a, struct vml_error *err);
int vml_rule_enable(const struct vml_image *a, struct vml_error *err);

#define VML_COOLDOWN INT64_C(86400) /* seconds for which protection outlives its end */
int vml_rule_protect(const struct vml_image *a, bool with_cooldown, int64_t now,
                     struct vml_error *err);
int vml_rule_deregister(const struct vml_image *a, int64_t now, struct vml_error *err);

#ifdef __cplusplus
}
#endif
#endif
