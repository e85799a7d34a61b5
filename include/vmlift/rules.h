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
/* The whole record as RegisterImage would check it.  snapshot_size: bytes of each mapping's
 * snapshot, 0 where it has none; NULL: the snapshots are still to come, and what depends on them is
 * not checked. */
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
/* When an image that becomes public is deprecated: of itself 2 years after its creation, unless it
 * was to be before that. */
int64_t vml_rule_public_deprecated(const struct vml_image *a);
/* IncorrectState when it is so already. */
int vml_rule_disable(const struct vml_image *a, struct vml_error *err);
int vml_rule_enable(const struct vml_image *a, struct vml_error *err);

#define VML_COOLDOWN INT64_C(86400) /* seconds for which protection outlives its end */
int vml_rule_protect(const struct vml_image *a, bool with_cooldown, int64_t now,
                     struct vml_error *err);
int vml_rule_deregister(const struct vml_image *a, int64_t now, struct vml_error *err);

/* --- paravirtual images --------------------------------------------------------------------- */

/* UnsupportedOperation where the region has none. */
int vml_rule_pv_region(const char *region, struct vml_error *err);
/* The kernel that starts them: EC2's newest PV-GRUB for the architecture (x86_64, i386) in the
 * region; NULL: there is none. */
const char *vml_rule_pv_grub(const char *region, const char *architecture);
/* InvalidParameterCombination when this kernel cannot read a GPT. */
int vml_rule_pv_gpt(const char *kernel, struct vml_error *err);

/* --- sharing and copying (rules_share.c) ----------------------------------------------------- */

/* notes (may be NULL) gets the way round a refusal where there is one, as a command. */

#define VML_CHANGES_MAX 500u /* at once */
/* Whom grants are given to, or taken from. */
struct vml_sharing {
    const char *kind;            /* VML_GRANT_LAUNCH .. */
    const char *const *grantees; /* accounts, VML_EVERYONE */
    size_t n;
    bool remove;
    bool all;                       /* with remove: from whoever has one, grantees apart */
    const struct vml_sharing *then; /* of an image: what is done with it, or nothing is; or NULL */
};
/* InvalidAMIAttributeItemValue for a grantee that is neither. */
int vml_rule_grantees(const struct vml_sharing *how, struct vml_error *err);
/* default_key: a snapshot of it is encrypted with an account's default key, as EC2's aws/ebs is. */
int vml_rule_share_image(const struct vml_image *a, const struct vml_sharing *how, bool default_key,
                         struct vml_notes *notes, struct vml_error *err);
int vml_rule_share_snapshot(const struct vml_snapshot *s, const struct vml_marks *m,
                            const struct vml_sharing *how, bool default_key,
                            struct vml_notes *notes, struct vml_error *err);
/* An account gives up its own permission to launch. */
int vml_rule_leave(const struct vml_image *a, const char *account, struct vml_error *err);

/* What is known of a snapshot that is to be read. */
struct vml_source {
    const char *snapshot; /* "": there is none */
    const char *key;      /* "": it is not encrypted */
    bool readable;        /* the account owns it, or may create volumes of it */
    bool key_usable;      /* the account owns the key, or was granted it */
};
/* Who copies, to where, and how; key NULL: none is named. */
struct vml_copying {
    const char *account, *region;
    bool encrypt;
    const char *key;
};
/* All of the image's disks: InvalidRequest.  sources: of each mapping. */
int vml_rule_read_image(const struct vml_image *a, const char *account,
                        const struct vml_source *sources, struct vml_notes *notes,
                        struct vml_error *err);
int vml_rule_copy_image(const struct vml_image *a, const struct vml_copying *how,
                        const struct vml_source *sources, struct vml_notes *notes,
                        struct vml_error *err);
int vml_rule_copy_snapshot(const struct vml_copying *how, const struct vml_source *source,
                           struct vml_notes *notes, struct vml_error *err);

#ifdef __cplusplus
}
#endif
#endif
