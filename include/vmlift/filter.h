/* Which images and snapshots are asked for: the filters of EC2's DescribeImages and
 * DescribeSnapshots.
 *
 * A filter is a name and some values: it lets through what has one of them.  Several must all let
 * it through.  Names and values are case-sensitive; in a value * stands for any characters, ? for
 * one, and a backslash takes that meaning from the next character (EC2 User Guide, "Find your
 * Amazon EC2 resources").  What is absent from a record matches nothing, not even "*".
 *
 * Pure but for memory: nothing is read.  Any thread may ask; one at a time may add. */
#ifndef VMLIFT_FILTER_H
#define VMLIFT_FILTER_H

#include "vmlift/registry.h"

#ifdef __cplusplus
extern "C" {
#endif

enum vml_filter_of { VML_FILTER_IMAGES, VML_FILTER_SNAPSHOTS };

struct vml_filter_value {
    char *pattern; /* as EC2 takes it */
    char *literal; /* what it stands for; NULL where it has wildcards */
};
struct vml_filter {
    char *name;                         /* "architecture", "tag:Env" */
    const struct vml_filter_kind *kind; /* src/ami/filter.h */
    struct vml_filter_value *values;
    size_t n;
};
struct vml_filters {
    enum vml_filter_of of;
    struct vml_filter *items;
    size_t n;
};

/* Adds those of a text, which is one of
 *     name=web-*,state=available,tag:Env=Prod,Test   filters; what has no "=" is one more value
 *     Name=tag:a=b,Values=Prod,Test                  one filter, as the AWS CLI has it
 * where "\," is a comma in a value.  VML_EUSAGE usage/filter; VML_EREFUSED InvalidParameterValue
 * (no filter of that name, a wrong escape sequence), FilterLimitExceeded; VML_EUNSUPPORTED
 * image/filter: one of EC2's that nothing in a record can answer. */
int vml_filters_add(struct vml_filters *f, const char *text, struct vml_error *err);
/* Adds one, its values as EC2 takes them; errors likewise. */
int vml_filters_add_values(struct vml_filters *f, const char *name, const char *const *values,
                           size_t n, struct vml_error *err);
void vml_filters_clear(struct vml_filters *f);

bool vml_filters_image(const struct vml_filters *f, const struct vml_image *a);
bool vml_filters_snapshot(const struct vml_filters *f, const struct vml_registry_snapshot *r);

int vml_pattern_check(const char *pattern, struct vml_error *err); /* InvalidParameterValue */
/* Does a value with wildcards stand for the text?  Its escapes are good ones. */
bool vml_pattern_match(const char *pattern, const char *text);

/* --- asking the registry --------------------------------------------------------------------- */

struct vml_image_query {
    const struct vml_filters *filters; /* NULL: none */
    const char *const *ids;            /* IDs or names; none: all that are seen */
    size_t n_ids;
    /* Any of these: accounts, "self", "all", and the aliases "amazon" and "aws-marketplace". */
    const char *const *owners;
    size_t n_owners;
    /* Any of these: accounts, "self", or "all", that were themselves given the permission to launch
     * ("all": that are public).  Of others' images only one's own permission is told. */
    const char *const *executable_by;
    size_t n_executable_by;
    bool deprecated; /* also others' that are deprecated, which else only their IDs bring up */
    bool disabled;   /* also those that are disabled */
    bool brief;      /* one's own may come without their marks, where nothing is asked of these */
    struct vml_notes *notes; /* may be NULL: gets which of `ids` are left out as disabled
                                (image/hidden) */
};
/* Oldest first.  fn returns -1 to stop.  Errors: of vml_registry_get for each ID, and
 * InvalidUserID.Malformed. */
int vml_registry_list(struct vml_store *s, const struct vml_where *where,
                      const struct vml_image_query *q, vml_image_fn *fn, void *arg,
                      struct vml_error *err);

struct vml_snapshot_query {
    const struct vml_filters *filters; /* NULL: none */
    const char *const *ids;            /* none: all that are seen */
    size_t n_ids;
    const char *const *owners; /* as above */
    size_t n_owners;
    /* Any of these: accounts or "all" that were given the permission to create volumes, or "self",
     * which is one's own, too. */
    const char *const *restorable_by;
    size_t n_restorable_by;
    bool orphans; /* only one's own that no registered image uses */
};
/* Oldest first.  Errors: of vml_registry_snapshot_get for each ID, InvalidUserID.Malformed. */
int vml_registry_snapshot_list(struct vml_store *s, const struct vml_where *where,
                               const struct vml_snapshot_query *q, vml_registry_snapshot_fn *fn,
                               void *arg, struct vml_error *err);

/* --- what DescribeImages tells that follows from the record -------------------------------- */

/* "owner/name", or where in a bucket its manifest is. */
const char *vml_image_location(const struct vml_image *a, char buf[192]);
/* "amazon" of Amazon's own accounts, "aws-marketplace" of what was published there, or "". */
const char *vml_image_owner_alias(const struct vml_image *a);
/* "Linux/UNIX" and "RunInstances", "Windows BYOL" and so on; "" where the record cannot tell. */
const char *vml_image_platform_details(const struct vml_image *a);
const char *vml_image_usage_operation(const struct vml_image *a);
/* Its protection from deregistration at that time: "disabled", "enabled-without-cooldown" .. */
const char *vml_image_deregistration(const struct vml_image *a, int64_t now);
/* Snapshots, which no volume was made for, have the one that EC2 gives to copies. */
#define VML_NO_VOLUME "vol-ffffffff"

#ifdef __cplusplus
}
#endif
#endif
