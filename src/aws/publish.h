/* One publish, of publish.c, publish_parent.c and publish_dry.c. */
#ifndef VMLIFT_AWS_PUBLISH_H
#define VMLIFT_AWS_PUBLISH_H

#include "job.h"

struct publish {
    struct vml_aws *aws;
    struct vml_publish *how;
    struct vml_image *image;
    struct job job;
    size_t n; /* disks */
};
void publish_say(const struct publish *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Each disk of the source once, in the order in which it has them, by its number; then whether the
 * source was what it should be.  p->n becomes how many there are. */
typedef int publish_disk_fn(struct publish *p, void *arg, size_t i, struct vml_reader *r,
                            struct vml_error *err);
int publish_each_disk(struct publish *p, publish_disk_fn *fn, void *arg, struct vml_error *err);

/* The snapshot that disk i is to be a child of, or "". */
const char *publish_parent_id(const struct publish *p, size_t i);
/* What it has, as far as that is known; NULL: id is "", there is no parent. */
int publish_parent(struct publish *p, const char *id, uint64_t blocks, struct ledger **out,
                   struct vml_error *err);

/* Reads the disks and says what would be done with them. */
int publish_dry(struct publish *p, struct vml_error *err);

/* --- publish_via.c: through a bucket ---------------------------------------------------------- */

/* The bucket, before a byte is read. */
int publish_via_check(const struct publish *p, struct vml_error *err);
/* Disk i becomes a snapshot, which the job has then; goes on with what was begun. */
int publish_via_disk(struct publish *p, size_t i, struct vml_reader *r, struct vml_error *err);
/* What was begun of disk i and has made no snapshot: its task is cancelled, its object removed. */
int publish_via_take_back(struct publish *p, size_t i, struct vml_error *err);
/* The whole machine by ImportImage: *p->image becomes what EC2 has. */
int publish_via_image(struct publish *p, struct vml_error *err);

#endif
