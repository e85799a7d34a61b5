/* Into AWS through a bucket and VM Import: disks are uploaded as VMDKs, a task imports them, and
 * the objects go again, whatever became of the task. */
#ifndef VMLIFT_AWS_VIA_H
#define VMLIFT_AWS_VIA_H

#include "ec2.h"
#include "publish.h"
#include "s3.h"

struct via_object {
    char *key; /* owned; NULL: there is none */
    char version[128];
    bool made; /* here, and just now */
};
/* The key of disk i, which follows from the AMI's name: who tries again finds what an earlier try
 * has left. */
int via_key(const struct publish *p, size_t i, struct via_object *o, struct vml_error *err);
/* Disk i to there.  A failure leaves nothing. */
int via_upload(const struct publish *p, struct vml_reader *disk, struct via_object *o,
               struct vml_error *err);
/* Takes the object away, if it is vmlift's; a note tells where that fails. */
void via_remove(const struct publish *p, struct via_object *o);

struct via_task {
    const char *start, *describe; /* "ImportSnapshot", "DescribeImportSnapshotTasks" */
    const char *item;             /* of the answer: "importSnapshotTaskSet/item" */
    const char *detail;           /* in it: "snapshotTaskDetail" or "" */
    const char *result;           /* in that: "snapshotId" */
    const char *command;          /* of aws ec2: "describe-import-snapshot-tasks" */
};
/* What all tasks are told: description, role, key, token. */
void via_params(const struct publish *p, struct ec2_request *r, const char *description,
                const char *token);
/* Sends r, which is filled in.  Who asks twice with one token starts one task. */
int via_start(const struct publish *p, const struct via_task *t, struct ec2_request *r, char id[40],
              struct vml_error *err);
/* Waits until the task has ended; result gets what it made.  VML_EREFUSED vmimport/failed, in the
 * task's words.  When it is not to be waited for, it is cancelled. */
int via_wait(const struct publish *p, const struct via_task *t, const char *id, char result[32],
             struct vml_error *err);
/* Also after an interruption; a note tells where that fails. */
void via_cancel(const struct publish *p, const struct via_task *t, const char *id);

#endif
