/* publish --pull: an AMI in AWS becomes one of the local registry. */
#ifndef VMLIFT_CLI_PULL_H
#define VMLIFT_CLI_PULL_H

#include "local.h"
#include "progress.h"
#include "vmlift/aws.h"

struct pull {
    const char *ami;  /* its ID or, of one's own, its name */
    const char *name; /* of the local one; NULL: the same */
    struct vml_store *store;
    struct vml_where where; /* whose it becomes */
    unsigned connections;
    bool progress;
};
/* All its disks, and the image, in one transaction; *image becomes what was registered.
 * VML_EUNSUPPORTED pull/instance-store; InvalidAMIName.Duplicate before a byte is fetched. */
int pull_image(struct vml_aws *aws, const struct pull *p, struct vml_image *image,
               struct vml_error *err);

#endif
