/* The verbs of "vmlift snapshot" that have files of their own. */
#ifndef VMLIFT_CLI_SNAPSHOT_H
#define VMLIFT_CLI_SNAPSHOT_H

#include "cli.h"

verb_fn snapshot_copy, snapshot_diff, snapshot_share, snapshot_unshare, snapshot_tag,
    snapshot_untag, snapshot_history;

#endif
