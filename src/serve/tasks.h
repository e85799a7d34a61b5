/* Tasks of VM Import/Export: begun by a request, done by and by.
 *
 * They are done one after another by the thread that the server itself runs in (vml_server_run), in
 * the order in which they were begun; a copy uses all CPUs as it is.  They live as long as the
 * server does, and for 7 days after their end. */
#ifndef VMLIFT_SERVE_TASKS_H
#define VMLIFT_SERVE_TASKS_H

#include "serve/serve.h"

enum vml_task_kind { VML_TASK_IMPORT_IMAGE, VML_TASK_IMPORT_SNAPSHOT, VML_TASK_EXPORT_IMAGE };

/* What an import of a snapshot says meanwhile; in two, so that it is taken for no slug. */
#define VML_TASK_CONVERTING \
    "downloading"           \
    "/converting"

#define VML_TASK_ACTIVE    "active"
#define VML_TASK_COMPLETED "completed"
#define VML_TASK_DELETING  "deleting"
#define VML_TASK_DELETED   "deleted" /* what EC2 calls a failure, and what was cancelled */

struct vml_task_disk {
    char *bucket, *key, *description; /* owned; description "" */
    bool by_url;                      /* how it was named: s3://bucket/key */
    char format[8], device[32];       /* "VMDK"; device "": the next */
    uint64_t size;                    /* of the object, bytes; 0: not known yet */
    char snapshot[32];                /* that it became; "" */
};
struct vml_task {
    enum vml_task_kind kind;
    char id[40];
    struct vml_where where;
    char account[16], region[32]; /* what where points to */
    uint64_t seq;
    int64_t begun, ended; /* seconds since 1970; ended 0: not yet */
    /* Change while it is done. */
    char status[12], message[400];
    unsigned progress; /* per cent; told while it is active */
    bool cancelled;    /* it is to end */

    char *description; /* owned; "" */
    struct vml_marks tags;
    char architecture[16], platform[16], boot_mode[16], license[8], usage[24], role[68];
    bool encrypted;
    char key[40];                /* "": the default */
    struct vml_task_disk *disks; /* owned; of imports */
    size_t n_disks;
    char image[32]; /* that it makes, or exports */
    char *bucket;   /* owned; where an export goes: */
    char *prefix;   /* owned */
    char *object;   /* owned; prefix, ID and suffix */
    char format[8]; /* of the export */
};
void vml_task_free(struct vml_task *t);
void vml_task_freep(struct vml_task **t);

struct vml_tasks;
int vml_tasks_new(struct vml_tasks **out, struct vml_server *server, struct vml_error *err);
void vml_tasks_free(struct vml_tasks *tasks);
/* Takes t over, also on failure, and gives it an ID, which id gets; it is pending then.
 * ResourceLimitExceeded. */
int vml_tasks_add(struct vml_tasks *tasks, struct vml_task *t, char id[40], struct vml_error *err);
/* Those of the account in the region, the oldest first, while nothing of them changes.  fn must not
 * call any of these functions, and returns -1 to stop. */
typedef int vml_task_fn(void *arg, const struct vml_task *t, struct vml_error *err);
int vml_tasks_each(struct vml_tasks *tasks, const struct vml_where *where, enum vml_task_kind kind,
                   vml_task_fn *fn, void *arg, struct vml_error *err);
/* One of the account's: InvalidConversionTaskId.  fn as above. */
int vml_tasks_get(struct vml_tasks *tasks, const struct vml_where *where, const char *id,
                  vml_task_fn *fn, void *arg, struct vml_error *err);
/* IncorrectState when it has ended.  It was `previous`. */
int vml_tasks_cancel(struct vml_tasks *tasks, const struct vml_where *where, const char *id,
                     const char *reason, char previous[12], struct vml_error *err);
/* Does one task, if there is any to do.  The main thread's. */
void vml_tasks_work(struct vml_tasks *tasks);

/* --- for task_run.c --------------------------------------------------------------------------- */

/* What a task is at. */
void vml_task_says(struct vml_tasks *tasks, struct vml_task *t, unsigned progress,
                   const char *message);
bool vml_task_cancelled(struct vml_tasks *tasks, const struct vml_task *t);
/* Results are read by others: changed with the lock held. */
void vml_tasks_lock(struct vml_tasks *tasks);
void vml_tasks_unlock(struct vml_tasks *tasks);

/* task_run.c: does it.  -1: the error is what the task has failed of. */
int vml_task_run(struct vml_server *server, struct vml_tasks *tasks, struct vml_task *t,
                 struct vml_error *err);

#endif
