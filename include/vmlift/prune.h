/* Deregistering the images that are not needed any more. */
#ifndef VMLIFT_PRUNE_H
#define VMLIFT_PRUNE_H

#include "vmlift/registry.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An account's own images in its region.  Of those whose name is one of the patterns (filter.h),
 * or of all where there is none, these go: with max_age or deprecated, what is older or whose
 * deprecation date has passed; with neither, all.  With keep_last, of each pattern's images the
 * newest that many stay in any case; disabled ones, which nobody can launch, do not count.
 *
 * One of max_age, deprecated and keep_last must be asked, and keep_last goes with names:
 * VML_EUSAGE usage/prune.  Disabled images, and those that are protected from deregistration, are
 * told and stay. */
struct vml_prune {
    const char *const *names;
    size_t n_names;
    int64_t max_age; /* seconds; negative: not asked */
    bool deprecated;
    unsigned keep_last;    /* 0: not asked */
    bool delete_snapshots; /* those that no image uses then */
    bool dry_run;          /* only tell */
};

/* Is it asked as it must be?  Also InvalidParameterValue: a pattern with a wrong escape. */
int vml_prune_check(const struct vml_prune *how, struct vml_error *err);

struct vml_pruned {
    const struct vml_image *image; /* as it was */
    const char *why;               /* "deprecated", "old", "superseded" */
    const char *stays;             /* NULL, or why it stays: "disabled", "protected" */
    /* What became of its snapshots; NULL with dry_run and where it stays. */
    const struct vml_deregistered *gone;
};
typedef int vml_prune_fn(void *arg, const struct vml_pruned *p, struct vml_error *err);

/* All go in one transaction, which decides which ones, or none does.  fn is told of each, oldest
 * first, when it is durable. */
int vml_registry_prune(struct vml_store *s, const struct vml_where *where,
                       const struct vml_prune *how, vml_prune_fn *fn, void *arg,
                       struct vml_error *err);

#ifdef __cplusplus
}
#endif
#endif
