/* What a task does.
 *
 *     ImportSnapshot   object -> disk -> snapshot
 *     ImportImage      objects -> machine, or disks -> snapshots -> image
 *     ExportImage      image -> disk -> object
 *
 * The words of its state are those of VM Import, as far as they have a meaning here: no guest is
 * changed, and none is started. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "serve/buckets.h"
#include "serve/tasks.h"
#include "vmlift/key.h"
#include "vmlift/rules.h"

#define VOLUME_TYPE "gp2" /* what EC2 takes where none is said */

/* How far a task's only copy, or its i-th of n, has come, in per cent of the task. */
struct doing {
    struct vml_server *server;
    struct vml_tasks *tasks;
    struct vml_task *task;
    const char *message;
    unsigned from, to; /* per cent, of the copy */
    struct vml_store *store;
    char key[37]; /* of what is imported; "" */
    struct vml_copy copy;
    time_t ticked;
};

static void on_progress(void *arg, uint64_t done, uint64_t size)
{
    struct doing *d = arg;
    unsigned share = d->from;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec == d->ticked)
        return;
    d->ticked = now.tv_sec;
    if (size != VML_SIZE_UNKNOWN && size > 0)
        share += (unsigned)((double)(d->to - d->from) * ((double)done / (double)size));
    vml_task_says(d->tasks, d->task, share, d->message);
    vml_ebs_tick(vml_server_ebs(d->server)); /* what else this thread is for */
}

static bool on_stop(void *arg)
{
    const struct doing *d = arg;

    return vml_task_cancelled(d->tasks, d->task);
}

static void says(struct doing *d, unsigned from, unsigned to, const char *message)
{
    d->message = message;
    d->from = from;
    d->to = to;
    vml_task_says(d->tasks, d->task, from, message);
}

static int check_cancelled(const struct doing *d, struct vml_error *err)
{
    return vml_task_cancelled(d->tasks, d->task) ? vml_fail_interrupted(err) : 0;
}

/* --- objects ---------------------------------------------------------------------------------- */

/* An object that is a disk, or a machine; opened until it is cleared. */
struct source {
    struct vml_input *of;
    struct vml_package *package;
};

static void source_clear(struct source *s)
{
    vml_package_free(s->package);
    vml_input_free(s->of);
}

/* VM Import's words in front. */
static int fail_disk(struct vml_error *err, const char *what)
{
    if (err->code == VML_EDATA || err->code == VML_EUNSUPPORTED || err->code == VML_EREFUSED)
        vml_error_prefix(err, "Disk validation failed [%s]", what);
    return -1;
}

/* Whatever else a VMDK may be, AWS takes none but these. */
static int check_vmdk(const struct vml_reader *r, struct vml_error *err)
{
    if (strcmp(r->format, "vmdk") != 0 || strcmp(r->subformat, "streamOptimized") == 0)
        return 0;
    (void)vml_fail(err, VML_EDATA, "serve/vmdk", "%s: it is %s, and must be streamOptimized",
                   r->name, r->subformat);
    return fail_disk(err, "Unsupported VMDK File Format");
}

static int check_disks(struct vml_package *p, struct vml_error *err)
{
    for (size_t i = 0; i < vml_package_count(p); i++) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
        if (vml_package_reader(p, i, &r, err) < 0)
            return fail_disk(err, "Unsupported disk image");
        if (check_vmdk(r, err) < 0)
            return -1;
    }
    return 0;
}

static int open_source(const struct doing *d, struct vml_task_disk *disk, struct source *s,
                       struct vml_error *err)
{
    struct vml_input *in = NULL;
    char format[8] = "";
    const struct vml_open how = { .format = format, .parents = { .alone = false } };

    for (size_t i = 0; disk->format[i] != '\0'; i++)
        format[i] = (char)(disk->format[i] | 0x20);
    if (vml_bucket_open(&in, &s->of, vml_server_config(d->server)->buckets, disk->bucket, disk->key,
                        err) < 0)
        return -1;
    vml_tasks_lock(d->tasks);
    disk->size = vml_input_size(in);
    vml_tasks_unlock(d->tasks);
    if (vml_package_open_as(&s->package, vml_formats, in, &how, err) < 0)
        return fail_disk(err, strcmp(format, "ova") == 0 ? "Unsupported OVA format"
                                                         : "Unsupported disk image");
    return check_disks(s->package, err);
}

/* --- what is imported ------------------------------------------------------------------------- */

static int choose_key(struct doing *d, struct vml_error *err)
{
    const struct vml_task *t = d->task;
    VML_AUTO(vml_key_clear) struct vml_key key = { .id = "" };
    const struct vml_key_new what = { .owner = t->account,
                                      .region = t->region,
                                      .description = "default key" };
    bool made;

    if (!t->encrypted)
        return 0;
    if ((t->key[0] != '\0' ? vml_key_get(d->store, t->key, t->account, t->region, &key, err)
                           : vml_key_default(d->store, &what, &key, &made, err)) < 0)
        return -1;
    memcpy(d->key, key.id, sizeof d->key);
    return 0;
}

/* Disk i of the task, which is a lone one, becomes a snapshot. */
static int import_disk(struct doing *d, size_t i, const char *description, struct vml_error *err)
{
    struct vml_task_disk *disk = &d->task->disks[i];
    VML_AUTO(source_clear) struct source s = { NULL, NULL };
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot snap = { .id = "" };
    VML_AUTO(vml_freep) char *name = NULL;

    if (open_source(d, disk, &s, err) < 0 ||
        vml_bucket_name(&name, disk->bucket, disk->key, err) < 0 ||
        vml_package_reader(s.package, 0, &r, err) < 0)
        return -1;
    snprintf(snap.owner, sizeof snap.owner, "%s", d->task->account);
    snprintf(snap.region, sizeof snap.region, "%s", d->task->region);
    memcpy(snap.key, d->key, sizeof snap.key);
    if (vml_set_owned(&snap.description, description, err) < 0)
        return -1;
    if (vml_import_snapshot(d->store, r, d->key[0] != '\0' ? d->task->id : name, &d->copy, &snap,
                            err) < 0)
        return fail_disk(err, "Damaged disk image");
    vml_tasks_lock(d->tasks);
    memcpy(disk->snapshot, snap.id, sizeof disk->snapshot);
    vml_tasks_unlock(d->tasks);
    return 0;
}

static int import_snapshot(struct doing *d, struct vml_error *err)
{
    says(d, 22, 95, VML_TASK_CONVERTING);
    return import_disk(d, 0, d->task->description, err);
}

/* --- images ----------------------------------------------------------------------------------- */

static int fill_image(const struct doing *d, struct vml_image *a, struct vml_error *err)
{
    const struct vml_task *t = d->task;

    a->ena = true;
    return VML_SET(a->name, "Name", t->id, err) < 0 ||
                   VML_SET(a->description, "Description", t->description, err) < 0 ||
                   VML_SET(a->owner, "Owner", t->account, err) < 0 ||
                   VML_SET(a->region, "Region", t->region, err) < 0 ||
                   VML_SET(a->architecture, "Architecture", t->architecture, err) < 0 ||
                   VML_SET(a->virtualization, "Virtualization type", "hvm", err) < 0 ||
                   VML_SET(a->boot_mode, "Boot mode", t->boot_mode, err) < 0 ||
                   VML_SET(a->root_device, "Root device", "/dev/sda1", err) < 0 ||
                   (strcasecmp(t->platform, "windows") == 0 &&
                    VML_SET(a->platform, "Platform", "windows", err) < 0)
               ? -1
               : 0;
}

/* Disks behind the first, each an object of its own: snapshots before there is an image. */
static int import_others(struct doing *d, struct vml_image *a, struct vml_error *err)
{
    for (size_t i = 1; i < d->task->n_disks; i++) {
        const struct vml_task_disk *disk = &d->task->disks[i];
        VML_AUTO(vml_snapshot_clear) struct vml_snapshot snap = { .id = "" };
        struct vml_mapping m = { .delete_on_termination = false };
        char description[256];

        says(d, 28 + (unsigned)(i * 50 / d->task->n_disks),
             28 + (unsigned)((i + 1) * 50 / d->task->n_disks), "converting");
        snprintf(description, sizeof description, "created by %s", d->task->id);
        if (import_disk(d, i, description, err) < 0 ||
            vml_snapshot_get(d->store, disk->snapshot, &snap, err) < 0)
            return -1;
        m.size_gib = vml_div_up(snap.size, VML_GIB);
        if ((disk->device[0] != '\0' ? VML_SET(m.device, "Device name", disk->device, err)
                                     : vml_rule_nth_device(m.device, a->root_device, i, err)) < 0 ||
            VML_SET(m.snapshot, "Snapshot ID", disk->snapshot, err) < 0 ||
            VML_SET(m.volume_type, "Volume type", VOLUME_TYPE, err) < 0 ||
            vml_image_map(a, &m, err) < 0)
            return -1;
    }
    return 0;
}

/* The snapshots of an image that is there. */
static void note_image(struct doing *d, const struct vml_image *a)
{
    struct vml_task *t = d->task;

    vml_tasks_lock(d->tasks);
    memcpy(t->image, a->id, sizeof t->image);
    for (size_t i = 0; i < t->n_disks && i < a->n_mappings; i++) {
        memcpy(t->disks[i].snapshot, a->mappings[i].snapshot, sizeof t->disks[i].snapshot);
        memcpy(t->disks[i].device, a->mappings[i].device, sizeof t->disks[i].device);
    }
    vml_tasks_unlock(d->tasks);
}

static int import_machine(struct doing *d, struct vml_image *a, struct vml_error *err)
{
    struct vml_task_disk *first = &d->task->disks[0];
    VML_AUTO(source_clear) struct source s = { NULL, NULL };
    VML_AUTO(vml_freep) char *name = NULL;
    const struct vml_import how = { .key = d->key[0] != '\0' ? d->key : NULL,
                                    .volume_type = VOLUME_TYPE,
                                    .copy = &d->copy };
    struct vml_import with = how;

    if (open_source(d, first, &s, err) < 0 ||
        vml_bucket_name(&name, first->bucket, first->key, err) < 0 || check_cancelled(d, err) < 0)
        return -1;
    with.source = name;
    says(d, 28, 28 + 50 / (unsigned)d->task->n_disks, "converting");
    if (vml_import(d->store, s.package, &with, a, err) < 0)
        return -1;
    note_image(d, a);
    says(d, 84, 84, "preparing ami");
    return 0;
}

/* Takes back what became of disks without an image. */
static void drop_snapshots(struct doing *d)
{
    struct vml_error ignored;

    for (size_t i = 0; i < d->task->n_disks; i++) {
        struct vml_task_disk *disk = &d->task->disks[i];
        if (disk->snapshot[0] == '\0' ||
            vml_snapshot_delete(d->store, disk->snapshot, &ignored) < 0)
            continue;
        vml_tasks_lock(d->tasks);
        disk->snapshot[0] = '\0';
        vml_tasks_unlock(d->tasks);
    }
}

static int import_image(struct doing *d, struct vml_error *err)
{
    VML_AUTO(vml_image_clear) struct vml_image a = { .id = "" };

    says(d, 10, 28, "validated");
    if (fill_image(d, &a, err) == 0 && import_others(d, &a, err) == 0 &&
        import_machine(d, &a, err) == 0)
        return 0;
    drop_snapshots(d);
    return -1;
}

/* --- exports ---------------------------------------------------------------------------------- */

static int export_image(struct doing *d, struct vml_error *err)
{
    const struct vml_task *t = d->task;
    const struct vml_format *format = strcmp(t->format, "VMDK") == 0  ? &vml_format_vmdk
                                      : strcmp(t->format, "VHD") == 0 ? &vml_format_vhd
                                                                      : &vml_format_raw;
    const struct vml_export how = {
        .table = vml_formats,
        .format = format,
        .subformat = format == &vml_format_vmdk ? "streamOptimized" : NULL,
        .where = &t->where,
        .copy = &d->copy,
    };
    struct vml_output *o = NULL;

    says(d, 10, 95, "converting");
    if (vml_bucket_create(&o, vml_server_config(d->server)->buckets, t->bucket, t->object, err) < 0)
        return -1;
    return vml_export(d->store, t->image, o, &how, err);
}

/* ---------------------------------------------------------------------------------------------- */

static int run(struct doing *d, struct vml_error *err)
{
    if (choose_key(d, err) < 0)
        return -1;
    switch (d->task->kind) {
    case VML_TASK_IMPORT_SNAPSHOT:
        return import_snapshot(d, err);
    case VML_TASK_IMPORT_IMAGE:
        return import_image(d, err);
    case VML_TASK_EXPORT_IMAGE:
        break;
    }
    return export_image(d, err);
}

int vml_task_run(struct vml_server *server, struct vml_tasks *tasks, struct vml_task *t,
                 struct vml_error *err)
{
    struct doing d = { .server = server, .tasks = tasks, .task = t };

    d.copy = (struct vml_copy){ .progress = on_progress, .stop = on_stop, .arg = &d };
    if (vml_server_hold(server, t->account, &d.store, err) < 0)
        return -1;
    int rc = run(&d, err);
    vml_server_let_go(server, d.store);
    return rc;
}
