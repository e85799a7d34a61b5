/* What publishing asks EC2 about images and snapshots. */
#ifndef VMLIFT_AWS_EC2_IMAGE_H
#define VMLIFT_AWS_EC2_IMAGE_H

#include "ec2.h"
#include "vmlift/ami.h"

/* RegisterImage, with everything that has a default said: *again as ec2_send has it. */
int ec2_register(struct vml_aws *aws, const struct vml_image *a, char id[32], bool *again,
                 struct vml_error *err);
struct ec2_snapshot {
    char state[32]; /* "pending", "completed", "error" */
    char message[128];
    uint64_t gib;
};
/* VML_ENOTFOUND InvalidSnapshot.NotFound. */
int ec2_snapshot(struct vml_aws *aws, const char *id, struct ec2_snapshot *out,
                 struct vml_error *err);
/* Is made also after an interruption.  One that is not there (any more) is no error. */
int ec2_delete_snapshot(struct vml_aws *aws, const char *id, struct vml_error *err);

/* Asks until it is so: first at once, then at growing distances.  tick (may be NULL) is told each
 * state.  VML_EIO aws/failed: it will not be. */
typedef void ec2_tick(void *arg, const char *id, const char *state);
int ec2_wait_snapshot(struct vml_aws *aws, const char *id, ec2_tick *tick, void *arg,
                      struct vml_error *err);
int ec2_wait_image(struct vml_aws *aws, const char *id, ec2_tick *tick, void *arg,
                   struct vml_error *err);

#endif
