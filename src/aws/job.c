#include "job.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmlift/codec.h"

enum { PARENTS_MAX = 1000 }; /* more than any lineage has: they go round */

static void json_free(json_t **v)
{
    json_decref(*v);
}

/* --- folders and names ------------------------------------------------------------------------ */

static int make_folder(const char *path, struct vml_error *err)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : vml_fail_errno(err, "%s", path);
}

static int print(char **out, struct vml_error *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int print(char **out, struct vml_error *err, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(out, fmt, ap);
    va_end(ap);
    if (n >= 0)
        return 0;
    *out = NULL;
    return vml_fail_nomem(err);
}

static int ledger_path(const struct job *j, size_t i, char **out, struct vml_error *err)
{
    return print(out, err, "%s/%zu.ledger", j->own, i);
}

static int known_path(const struct job *j, const char *snapshot, char **out, struct vml_error *err)
{
    return print(out, err, "%s/%s.ledger", j->folder, snapshot);
}

static int sync_folder(const char *path, struct vml_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

    if (fd < 0)
        return vml_fail_errno(err, "%s", path);
    rc = fsync(fd) == 0 ? 0 : vml_fail_errno(err, "%s", path);
    close(fd);
    return rc;
}

/* --- the record ------------------------------------------------------------------------------- */

static int read_text(char *to, size_t size, const json_t *v, const char *name)
{
    const char *text = json_string_value(json_object_get(v, name));

    if (text == NULL || strlen(text) >= size)
        return -1;
    memcpy(to, text, strlen(text) + 1);
    return 0;
}

static int parse_job(struct job *j, const char *path, struct vml_error *err)
{
    VML_AUTO(json_free) json_t *v = json_load_file(path, 0, NULL);
    const json_t *disks = json_object_get(v, "disks");
    size_t n = json_array_size(disks);

    if (!json_is_array(disks) || n > JOB_DISKS_MAX)
        return vml_fail(err, VML_EDATA, "publish/job",
                        "%s: not a job of vmlift's; without it nothing is known of what was begun",
                        path);
    for (size_t i = 0; i < n; i++) {
        const json_t *d = json_array_get(disks, i);
        struct job_disk *to = &j->disks[i];

        if (read_text(to->token, sizeof to->token, d, "token") < 0 ||
            read_text(to->snapshot, sizeof to->snapshot, d, "snapshot") < 0 ||
            read_text(to->parent, sizeof to->parent, d, "parent") < 0)
            return vml_fail(err, VML_EDATA, "publish/job", "%s: disk %zu is not whole", path, i);
        if (json_object_get(d, "task") != NULL &&
            read_text(to->task, sizeof to->task, d, "task") < 0)
            return vml_fail(err, VML_EDATA, "publish/job", "%s: disk %zu is not whole", path, i);
        to->gib = (uint64_t)json_integer_value(json_object_get(d, "gib"));
        to->completed = json_is_true(json_object_get(d, "completed"));
    }
    j->found = true;
    return 0;
}

int job_save(const struct job *j, struct vml_error *err)
{
    VML_AUTO(json_free) json_t *v = NULL;
    VML_AUTO(vml_freep) char *path = NULL;
    VML_AUTO(vml_freep) char *part = NULL;
    json_t *disks = json_array();
    bool all = disks != NULL;
    size_t n = JOB_DISKS_MAX;
    int fd, rc;

    /* They come in any order, so there may be gaps. */
    while (n > 0 && j->disks[n - 1].token[0] == '\0')
        n--;
    for (size_t i = 0; i < n; i++) {
        const struct job_disk *d = &j->disks[i];

        all = json_array_append_new(
                  disks, json_pack("{s:s, s:s, s:s, s:s, s:I, s:b}", "token", d->token, "snapshot",
                                   d->snapshot, "parent", d->parent, "task", d->task, "gib",
                                   (json_int_t)d->gib, "completed", d->completed)) == 0 &&
              all;
    }
    v = json_pack("{s:i, s:o}", "version", 1, "disks", disks);
    if (v == NULL || !all)
        return vml_fail_nomem(err);
    if (print(&path, err, "%s/job", j->own) < 0 || print(&part, err, "%s/job.part", j->own) < 0)
        return -1;
    fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return vml_fail_errno(err, "%s", part);
    rc = json_dumpfd(v, fd, JSON_INDENT(1)) == 0 && fsync(fd) == 0 ? 0 : -1;
    if (rc < 0)
        vml_fail_errno(err, "%s", part);
    close(fd);
    if (rc == 0 && rename(part, path) < 0)
        rc = vml_fail_errno(err, "%s", path);
    return rc < 0 ? -1 : sync_folder(j->own, err);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* The lock goes with the process that has it.  1: got it; 0: whoever had it has ended the job, and
 * taken the folder away. */
static int take_lock(struct job *j, struct vml_error *err)
{
    struct stat st;

    if (make_folder(j->own, err) < 0)
        return -1;
    j->lock = open(j->own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j->lock < 0)
        return errno == ENOENT ? 0 : vml_fail_errno(err, "%s", j->own);
    if (flock(j->lock, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return vml_fail_errno(err, "%s", j->own);
        return vml_fail(err, VML_EREFUSED, "publish/busy",
                        "another process is publishing an image of this name to there");
    }
    if (fstat(j->lock, &st) == 0 && st.st_nlink > 0)
        return 1;
    close(j->lock);
    j->lock = -1;
    return 0;
}

int job_open(struct job *j, const char *folder, const char *where, const char *name,
             struct vml_error *err)
{
    VML_AUTO(vml_freep) char *key = NULL;
    VML_AUTO(vml_freep) char *jobs = NULL;
    VML_AUTO(vml_freep) char *record = NULL;
    uint8_t digest[32];
    char id[33];
    int rc;

    *j = (struct job){ .lock = -1 };
    if (print(&key, err, "%s\n%s", where, name) < 0)
        return -1;
    vml_sha256(key, strlen(key), digest);
    vml_hex(id, digest, 16);
    if (print(&j->folder, err, "%s", folder) < 0 || print(&jobs, err, "%s/jobs", folder) < 0 ||
        print(&j->own, err, "%s/%s", jobs, id) < 0 || print(&record, err, "%s/job", j->own) < 0)
        return -1;
    if (make_folder(folder, err) < 0 || make_folder(jobs, err) < 0)
        return -1;
    do
        rc = take_lock(j, err);
    while (rc == 0);
    if (rc < 0)
        return -1;
    if (access(record, F_OK) < 0)
        return errno == ENOENT ? 0 : vml_fail_errno(err, "%s", record);
    return parse_job(j, record, err);
}

void job_clear(struct job *j)
{
    if (j->lock >= 0)
        close(j->lock);
    free(j->folder);
    free(j->own);
}

/* --- ledgers ---------------------------------------------------------------------------------- */

int job_ledger(const struct job *j, size_t i, uint64_t blocks, struct ledger **out,
               struct vml_error *err)
{
    const struct job_disk *d = &j->disks[i];
    VML_AUTO(vml_freep) char *path = NULL;
    struct ledger_head head = { .blocks = blocks };

    if (ledger_path(j, i, &path, err) < 0)
        return -1;
    if (ledger_open(out, path, err) == 0) {
        const struct ledger_head *h = ledger_head(*out);

        if (strcmp(h->snapshot, d->snapshot) == 0 && h->blocks == blocks)
            return 0;
        ledger_freep(out);
        if (unlink(path) < 0) /* of a snapshot that was given up */
            return vml_fail_errno(err, "%s", path);
    } else if (err->code != VML_ENOTFOUND && err->code != VML_EDATA) {
        return -1;
    } else if (err->code == VML_EDATA && unlink(path) < 0) {
        return vml_fail_errno(err, "%s", path); /* killed while it was made */
    }
    snprintf(head.snapshot, sizeof head.snapshot, "%s", d->snapshot);
    snprintf(head.parent, sizeof head.parent, "%s", d->parent);
    return ledger_create(out, path, &head, err);
}

int job_forget_disk(struct job *j, size_t i, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = NULL;

    j->disks[i] = (struct job_disk){ 0 };
    if (ledger_path(j, i, &path, err) < 0)
        return -1;
    return unlink(path) == 0 || errno == ENOENT ? 0 : vml_fail_errno(err, "%s", path);
}

int job_known(const struct job *j, const char *snapshot, uint64_t blocks, struct ledger **out,
              struct vml_error *err)
{
    VML_AUTO(ledger_freep) struct ledger *all = NULL;
    struct ledger_head head = { .blocks = blocks };
    char next[EBS_ID];

    *out = NULL;
    snprintf(head.snapshot, sizeof head.snapshot, "%s", snapshot);
    snprintf(next, sizeof next, "%s", snapshot);
    for (unsigned n = 0; next[0] != '\0'; n++) {
        VML_AUTO(vml_freep) char *path = NULL;
        VML_AUTO(ledger_freep) struct ledger *l = NULL;

        if (known_path(j, next, &path, err) < 0)
            return -1;
        if (n > PARENTS_MAX || ledger_open(&l, path, err) < 0) /* then all of it is unknown */
            return n > PARENTS_MAX || err->code == VML_ENOTFOUND || err->code == VML_EDATA ? 0 : -1;
        if ((all == NULL && ledger_create(&all, NULL, &head, err) < 0) ||
            ledger_add(all, l, err) < 0) /* a child's word goes first */
            return -1;
        snprintf(next, sizeof next, "%s", ledger_head(l)->parent);
    }
    *out = all;
    all = NULL;
    return 0;
}

/* --- the end ---------------------------------------------------------------------------------- */

static int end_ledger(const struct job *j, size_t i, bool keep, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = NULL;
    VML_AUTO(vml_freep) char *known = NULL;
    int rc;

    if (ledger_path(j, i, &path, err) < 0 || known_path(j, j->disks[i].snapshot, &known, err) < 0)
        return -1;
    rc = keep && j->disks[i].snapshot[0] != '\0' ? rename(path, known) : unlink(path);
    return rc == 0 || errno == ENOENT ? 0 : vml_fail_errno(err, "%s", path);
}

int job_end(struct job *j, bool keep, struct vml_error *err)
{
    static const char *const names[] = { "job", "job.part" };

    for (size_t i = 0; i < JOB_DISKS_MAX; i++)
        if (end_ledger(j, i, keep, err) < 0)
            return -1;
    for (size_t i = 0; i < 2; i++) {
        VML_AUTO(vml_freep) char *path = NULL;

        if (print(&path, err, "%s/%s", j->own, names[i]) < 0)
            return -1;
        if (unlink(path) < 0 && errno != ENOENT)
            return vml_fail_errno(err, "%s", path);
    }
    return rmdir(j->own) == 0 || errno == ENOENT ? 0 : vml_fail_errno(err, "%s", j->own);
}
