/* What keeping snapshots would cost in EBS: by its own way of counting, and an estimate.
 *
 * EBS bills each snapshot for the blocks of 512 KiB that it does not have in common with an earlier
 * one of its lineage, unpacked (EBS User Guide, "How Amazon EBS snapshots work").  A disk that was
 * imported has no lineage: all of its blocks count that are no holes.  A copy within an account, a
 * region and a key has that of its source, and counts nothing.  What is copied elsewhere, or
 * encrypted anew, counts in full once more.
 *
 * Deregistering an image ends no cost: its snapshots do, when they are deleted. */
#ifndef VMLIFT_COST_H
#define VMLIFT_COST_H

#include "vmlift/registry.h"

#ifdef __cplusplus
extern "C" {
#endif

/* USD for a GB (2^30 bytes, as EBS sizes volumes) kept for a month: standard snapshots in
 * us-east-1, https://aws.amazon.com/ebs/pricing/ */
#define VML_SNAPSHOT_PRICE 0.05

struct vml_snapshot_cost {
    const struct vml_snapshot *snapshot;
    uint64_t ebs; /* bytes that EBS counts */
    bool used;    /* by a registered image */
};
/* fn returns -1 to stop. */
typedef int vml_snapshot_cost_fn(void *arg, const struct vml_snapshot_cost *c,
                                 struct vml_error *err);
/* Each snapshot of the store, whosever and wherever, oldest first. */
int vml_snapshot_costs(struct vml_store *s, vml_snapshot_cost_fn *fn, void *arg,
                       struct vml_error *err);

/* USD in a month. */
double vml_monthly_cost(uint64_t bytes, double price);

#ifdef __cplusplus
}
#endif
#endif
