/* A publish that is under way, in a folder of its own, so that another process can go on with it.
 *
 *     FOLDER/jobs/ID/job       what was begun, as JSON; replaced at one stroke
 *     FOLDER/jobs/ID/N.ledger  which blocks of disk N were acknowledged
 *     FOLDER/snap-..ledger     the same of what is published, for children to come
 *
 * The ID follows from where an image goes and what it is called, which its account has only once.
 * A token is on the disk before it is used: whoever comes back with it gets the same snapshot. */
#ifndef VMLIFT_AWS_JOB_H
#define VMLIFT_AWS_JOB_H

#include "ebs.h"

enum { JOB_DISKS_MAX = VML_MAPPINGS_MAX };
#define JOB_NO_TASK "-" /* none has been begun, as far as is known */

struct job_disk {
    char token[40];
    char snapshot[EBS_ID]; /* "": not started, as far as is known */
    char parent[EBS_ID];
    char task[40]; /* of VM Import, which makes the snapshot; "": EBS's direct APIs do */
    uint64_t gib;
    bool completed;
};
struct job {
    char *folder; /* of all publishing */
    char *own;    /* of this job */
    int lock;
    struct job_disk disks[JOB_DISKS_MAX];
    bool found; /* somebody began it */
};
/* where and name: the endpoint, region and profile; the image's name.  VML_EREFUSED publish/busy:
 * another process is at it. */
int job_open(struct job *j, const char *folder, const char *where, const char *name,
             struct vml_error *err);
void job_clear(struct job *j);
/* What it says now is on the disk. */
int job_save(const struct job *j, struct vml_error *err);
/* The ledger of disk i, new or as it was left. */
int job_ledger(const struct job *j, size_t i, uint64_t blocks, struct ledger **out,
               struct vml_error *err);
/* Disk i begins anew. */
int job_forget_disk(struct job *j, size_t i, struct vml_error *err);
/* Nothing of it is left but, when `keep`, the ledgers of its snapshots, by their IDs. */
int job_end(struct job *j, bool keep, struct vml_error *err);

/* All that a snapshot has as far as it is noted, its own parents' too, into one ledger without a
 * name; NULL where nothing is noted of it. */
int job_known(const struct job *j, const char *snapshot, uint64_t blocks, struct ledger **out,
              struct vml_error *err);

#endif
