/* The verbs of "vmlift snapshot" that have files of their own. */
#ifndef VMLIFT_CLI_SNAPSHOT_H
#define VMLIFT_CLI_SNAPSHOT_H

#include "out.h"
#include "vmlift/registry.h"

verb_fn snapshot_list, snapshot_copy, snapshot_diff, snapshot_share, snapshot_unshare, snapshot_tag,
    snapshot_untag, snapshot_history;

/* The description of an encrypted snapshot opens with its key only; what cannot be opened without
 * asking is not worth a question here.  NULL: that could not be found out. */
const char *snapshot_described(struct vml_store *store, struct vml_snapshot *s,
                               struct vml_error *err);
/* As EC2's DescribeSnapshots has it, and the disk's exact size, which EC2 rounds up to GiB, and
 * what "vmlift hash --tree" says of the same disk: that of an encrypted one is not known. */
json_t *snapshot_json(const struct vml_registry_snapshot *r, const char *description);

#endif
