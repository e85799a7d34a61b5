#include "serve/tasks.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vmlift/ami.h"

#define ACTIVE_MAX 20u /* as EC2 has it */
#define KEPT_FOR   (INT64_C(7) * 24 * 3600)
#define KEPT_MAX   1000u

struct kept {
    struct kept *next;
    struct vml_task *task;
};
struct vml_tasks {
    struct vml_server *server;
    pthread_mutex_t lock;
    struct kept *first, **last; /* the oldest first */
    size_t n;
    uint64_t seq;
};

void vml_task_free(struct vml_task *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n_disks; i++) {
        free(t->disks[i].bucket);
        free(t->disks[i].key);
        free(t->disks[i].description);
    }
    free(t->disks);
    free(t->description);
    free(t->bucket);
    free(t->prefix);
    free(t->object);
    vml_marks_clear(&t->tags);
    free(t);
}

void vml_task_freep(struct vml_task **t)
{
    vml_task_free(*t);
    *t = NULL;
}

int vml_tasks_new(struct vml_tasks **out, struct vml_server *server, struct vml_error *err)
{
    struct vml_tasks *t = calloc(1, sizeof *t);

    if (t == NULL)
        return vml_fail_nomem(err);
    t->server = server;
    t->last = &t->first;
    pthread_mutex_init(&t->lock, NULL);
    *out = t;
    return 0;
}

/* Takes *at out of the list. */
static void drop(struct vml_tasks *tasks, struct kept **at)
{
    struct kept *k = *at;

    *at = k->next;
    if (tasks->last == &k->next)
        tasks->last = at;
    tasks->n--;
    vml_task_free(k->task);
    free(k);
}

void vml_tasks_free(struct vml_tasks *tasks)
{
    if (tasks == NULL)
        return;
    while (tasks->first != NULL)
        drop(tasks, &tasks->first);
    pthread_mutex_destroy(&tasks->lock);
    free(tasks);
}

void vml_tasks_lock(struct vml_tasks *tasks)
{
    pthread_mutex_lock(&tasks->lock);
}

void vml_tasks_unlock(struct vml_tasks *tasks)
{
    pthread_mutex_unlock(&tasks->lock);
}

/* --- adding ----------------------------------------------------------------------------------- */

/* What has ended long ago, and the oldest of what is too much. */
static void forget(struct vml_tasks *tasks)
{
    int64_t now = vml_now();

    for (struct kept **at = &tasks->first; *at != NULL;) {
        const struct vml_task *t = (*at)->task;
        if (t->ended != 0 && (now - t->ended > KEPT_FOR || tasks->n >= KEPT_MAX))
            drop(tasks, at);
        else
            at = &(*at)->next;
    }
}

static int count_active(const struct vml_tasks *tasks, struct vml_error *err)
{
    unsigned n = 0;

    for (const struct kept *k = tasks->first; k != NULL; k = k->next)
        n += k->task->ended == 0;
    return n < ACTIVE_MAX
               ? 0
               : vml_fail(err, VML_EREFUSED, "ResourceLimitExceeded",
                          "Too many tasks are active: %u, at most %u are", n, ACTIVE_MAX);
}

static int name_task(struct vml_task *t, struct vml_error *err)
{
    static const char *const prefixes[] = { [VML_TASK_IMPORT_IMAGE] = "import-ami-",
                                            [VML_TASK_IMPORT_SNAPSHOT] = "import-snap-",
                                            [VML_TASK_EXPORT_IMAGE] = "export-ami-" };
    static const struct {
        const char *format, *suffix;
    } suffixes[] = { { "VMDK", "vmdk" }, { "VHD", "vhd" }, { "RAW", "raw" } };
    const char *suffix = "";

    if (vml_new_id(t->id, prefixes[t->kind], err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (strcmp(t->format, suffixes[i].format) == 0)
            suffix = suffixes[i].suffix;
    if (t->kind == VML_TASK_EXPORT_IMAGE &&
        asprintf(&t->object, "%s%s.%s", t->prefix, t->id, suffix) < 0) {
        t->object = NULL;
        return vml_fail_nomem(err);
    }
    return 0;
}

static int add(struct vml_tasks *tasks, struct vml_task *t, struct vml_error *err)
{
    forget(tasks);
    if (count_active(tasks, err) < 0 || name_task(t, err) < 0)
        return -1;
    struct kept *k = calloc(1, sizeof *k);
    if (k == NULL)
        return vml_fail_nomem(err);
    t->seq = ++tasks->seq;
    t->begun = vml_now();
    t->where = (struct vml_where){ t->account, t->region };
    snprintf(t->status, sizeof t->status, "%s", VML_TASK_ACTIVE);
    snprintf(t->message, sizeof t->message, "pending");
    t->progress = t->kind == VML_TASK_IMPORT_SNAPSHOT ? 3 : 2;
    k->task = t;
    *tasks->last = k;
    tasks->last = &k->next;
    tasks->n++;
    return 0;
}

int vml_tasks_add(struct vml_tasks *tasks, struct vml_task *t, char id[40], struct vml_error *err)
{
    vml_tasks_lock(tasks);
    int rc = add(tasks, t, err);
    if (rc == 0)
        memcpy(id, t->id, sizeof t->id); /* it may be over by the time the lock is let go */
    vml_tasks_unlock(tasks);
    if (rc < 0)
        vml_task_free(t);
    return rc;
}

/* --- looking ---------------------------------------------------------------------------------- */

static bool is_of(const struct vml_task *t, const struct vml_where *where)
{
    return strcmp(t->account, where->owner) == 0 && strcmp(t->region, where->region) == 0;
}

int vml_tasks_each(struct vml_tasks *tasks, const struct vml_where *where, enum vml_task_kind kind,
                   vml_task_fn *fn, void *arg, struct vml_error *err)
{
    int rc = 0;

    vml_tasks_lock(tasks);
    forget(tasks);
    for (const struct kept *k = tasks->first; k != NULL && rc == 0; k = k->next)
        if (k->task->kind == kind && is_of(k->task, where))
            rc = fn(arg, k->task, err);
    vml_tasks_unlock(tasks);
    return rc < 0 ? -1 : 0;
}

/* With the lock held. */
static struct vml_task *find(struct vml_tasks *tasks, const struct vml_where *where, const char *id,
                             struct vml_error *err)
{
    for (struct kept *k = tasks->first; k != NULL; k = k->next)
        if (strcmp(k->task->id, id) == 0 && is_of(k->task, where))
            return k->task;
    (void)vml_fail(err, VML_ENOTFOUND, "InvalidConversionTaskId",
                   "The specified task does not exist: %.64s", id);
    return NULL;
}

int vml_tasks_get(struct vml_tasks *tasks, const struct vml_where *where, const char *id,
                  vml_task_fn *fn, void *arg, struct vml_error *err)
{
    vml_tasks_lock(tasks);
    const struct vml_task *t = find(tasks, where, id, err);
    int rc = t != NULL ? fn(arg, t, err) : -1;
    vml_tasks_unlock(tasks);
    return rc;
}

static void end(struct vml_task *t, const char *status)
{
    snprintf(t->status, sizeof t->status, "%s", status);
    t->ended = vml_now();
}

static int cancel(struct vml_tasks *tasks, const struct vml_where *where, const char *id,
                  const char *reason, char previous[12], struct vml_error *err)
{
    struct vml_task *t = find(tasks, where, id, err);
    bool waits;

    if (t == NULL)
        return -1;
    if (t->ended != 0)
        return vml_fail(err, VML_EREFUSED, "IncorrectState", "The task %s is %s already", t->id,
                        t->status);
    memcpy(previous, t->status, sizeof t->status);
    waits = strcmp(t->message, "pending") == 0;
    t->cancelled = true;
    snprintf(t->status, sizeof t->status, "%s", VML_TASK_DELETING);
    snprintf(t->message, sizeof t->message, "User initiated task cancelation.%s%.300s",
             reason[0] != '\0' ? " " : "", reason);
    if (waits)
        end(t, VML_TASK_DELETED);
    return 0;
}

int vml_tasks_cancel(struct vml_tasks *tasks, const struct vml_where *where, const char *id,
                     const char *reason, char previous[12], struct vml_error *err)
{
    vml_tasks_lock(tasks);
    int rc = cancel(tasks, where, id, reason, previous, err);
    vml_tasks_unlock(tasks);
    return rc;
}

/* --- doing ------------------------------------------------------------------------------------ */

void vml_task_says(struct vml_tasks *tasks, struct vml_task *t, unsigned progress,
                   const char *message)
{
    vml_tasks_lock(tasks);
    if (!t->cancelled) {
        t->progress = progress;
        snprintf(t->message, sizeof t->message, "%s", message);
    }
    vml_tasks_unlock(tasks);
}

bool vml_task_cancelled(struct vml_tasks *tasks, const struct vml_task *t)
{
    vml_tasks_lock(tasks);
    bool is = t->cancelled;
    vml_tasks_unlock(tasks);
    return is;
}

/* What is the client's to mend is told, what is not is for the log. */
static void print_failure(struct vml_task *t, const struct vml_error *err)
{
    bool own = err->code == VML_EDATA || err->code == VML_EREFUSED || err->code == VML_ENOTFOUND ||
               err->code == VML_EUNSUPPORTED || err->code == VML_EEXISTS || err->code == VML_EUSAGE;

    if (err->code == VML_EINTERRUPTED)
        snprintf(t->message, sizeof t->message, "ServerError: the server is stopping");
    else if (own)
        snprintf(t->message, sizeof t->message, "ClientError: %s", err->text);
    else
        snprintf(t->message, sizeof t->message, "ServerError: an internal error has occurred");
}

static void finish(struct vml_tasks *tasks, struct vml_task *t, const struct vml_error *failed)
{
    vml_tasks_lock(tasks);
    if (failed == NULL)
        t->message[0] = '\0';
    else if (!t->cancelled)
        print_failure(t, failed);
    end(t, failed == NULL ? VML_TASK_COMPLETED : VML_TASK_DELETED);
    vml_tasks_unlock(tasks);
}

void vml_tasks_work(struct vml_tasks *tasks)
{
    struct vml_error err = { .code = VML_OK };
    struct vml_task *t = NULL;

    vml_tasks_lock(tasks);
    for (struct kept *k = tasks->first; k != NULL && t == NULL; k = k->next)
        if (k->task->ended == 0)
            t = k->task;
    /* From now on it is not pending, and nobody else ends it or takes it away. */
    if (t != NULL)
        snprintf(t->message, sizeof t->message, "%s",
                 t->kind == VML_TASK_IMPORT_SNAPSHOT ? VML_TASK_CONVERTING : "validating");
    vml_tasks_unlock(tasks);
    if (t == NULL)
        return;
    int rc = vml_task_run(tasks->server, tasks, t, &err);
    finish(tasks, t, rc < 0 ? &err : NULL);
    vml_server_tell_task(tasks->server, t, rc < 0 ? &err : NULL);
}
