/* Publishing through a bucket and VM Import.
 *
 *     import-snapshot   for each disk: object -> ImportSnapshot -> wait -> object away; then as
 * ever import-image      all disks: objects -> ImportImage -> wait -> objects away -> tags
 *
 * Of the first the task is noted with the job: who goes on with it waits for what was begun. */
#include <stdlib.h>
#include <string.h>

#include "ec2_image.h"
#include "via.h"

static const struct via_task snapshot_task = { "ImportSnapshot",
                                               "DescribeImportSnapshotTasks",
                                               "importSnapshotTaskSet/item",
                                               "snapshotTaskDetail",
                                               "snapshotId",
                                               "describe-import-snapshot-tasks" };
static const struct via_task image_task = {
    "ImportImage", "DescribeImportImageTasks",   "importImageTaskSet/item", "",
    "imageId",     "describe-import-image-tasks"
};

int publish_via_check(const struct publish *p, struct vml_error *err)
{
    return s3_check_bucket(p->aws, p->how->bucket->name, err);
}

/* --- import-snapshot -------------------------------------------------------------------------- */

static int begin_disk(struct publish *p, size_t i, uint64_t size, struct vml_error *err)
{
    struct job_disk *d = &p->job.disks[i];
    uint8_t raw[16];

    if (d->token[0] != '\0')
        return 0;
    d->gib = vml_div_up(size, VML_GIB);
    snprintf(d->task, sizeof d->task, "%s", JOB_NO_TASK);
    return vml_uuid_new(raw, d->token, err) < 0 ? -1 : job_save(&p->job, err);
}

static int start_import(struct publish *p, size_t i, const struct via_object *o,
                        struct vml_error *err)
{
    VML_AUTO(ec2_clear) struct ec2_request r = { 0 };
    struct job_disk *d = &p->job.disks[i];
    char description[256], id[40];

    snprintf(description, sizeof description, "%.200s, disk %zu, by vmlift", p->image->name, i + 1);
    ec2_begin(&r, snapshot_task.start);
    via_params(p, &r, description, d->token);
    ec2_add(&r, "VMDK", "DiskContainer.Format");
    ec2_add(&r, p->how->bucket->name, "DiskContainer.UserBucket.S3Bucket");
    ec2_add(&r, o->key, "DiskContainer.UserBucket.S3Key");
    if (via_start(p, &snapshot_task, &r, id, err) < 0)
        return -1;
    memcpy(d->task, id, sizeof d->task);
    return job_save(&p->job, err);
}

static int import_disk(struct publish *p, size_t i, struct vml_reader *r, struct via_object *o,
                       struct vml_error *err)
{
    struct job_disk *d = &p->job.disks[i];
    struct vml_error ignored;

    if (strcmp(d->task, JOB_NO_TASK) == 0 &&
        (via_upload(p, r, o, err) < 0 || start_import(p, i, o, err) < 0))
        return -1;
    if (via_wait(p, &snapshot_task, d->task, d->snapshot, err) < 0) {
        /* it has ended, or been cancelled: the next try is another task */
        if (job_forget_disk(&p->job, i, &ignored) == 0)
            (void)job_save(&p->job, &ignored);
        return -1;
    }
    d->completed = true;
    return job_save(&p->job, err);
}

int publish_via_disk(struct publish *p, size_t i, struct vml_reader *r, struct vml_error *err)
{
    struct via_object o = { .key = NULL };

    if (via_key(p, i, &o, err) < 0)
        return -1;
    int rc = begin_disk(p, i, r->size, err);
    if (rc == 0)
        rc = import_disk(p, i, r, &o, err);
    via_remove(p, &o);
    return rc;
}

int publish_via_take_back(struct publish *p, size_t i, struct vml_error *err)
{
    struct job_disk *d = &p->job.disks[i];
    struct via_object o = { .key = NULL };
    bool exists, ours;

    if (p->how->bucket == NULL)
        return vml_fail(err, VML_EUSAGE, "publish/way",
                        "it was begun with --via import-snapshot: --via and --bucket are needed to "
                        "take it back");
    if (via_key(p, i, &o, err) < 0)
        return -1;
    const struct s3_object at = { p->aws, p->how->bucket->name, o.key };
    /* The answer that named a task may have been lost: its token brings it again. */
    if (strcmp(d->task, JOB_NO_TASK) == 0 && d->snapshot[0] == '\0' &&
        s3_head(&at, &exists, &ours, err) == 0 && exists && ours)
        (void)start_import(p, i, &o, err);
    if (strcmp(d->task, JOB_NO_TASK) != 0 && d->snapshot[0] == '\0')
        via_cancel(p, &snapshot_task, d->task);
    via_remove(p, &o);
    return 0;
}

/* --- import-image ----------------------------------------------------------------------------- */

/* objects: of JOB_DISKS_MAX disks; those that have a key are there. */
static int upload_disk(struct publish *p, void *objects, size_t i, struct vml_reader *r,
                       struct vml_error *err)
{
    struct via_object *o = (struct via_object *)objects + i;

    if (via_key(p, i, o, err) < 0)
        return -1;
    if (via_upload(p, r, o, err) < 0) {
        vml_freep(&o->key);
        return -1;
    }
    return 0;
}

static int start_image(struct publish *p, const struct via_object *o, char id[40],
                       struct vml_error *err)
{
    VML_AUTO(ec2_clear) struct ec2_request r = { 0 };
    const struct vml_image *image = p->image;
    char token[37];
    uint8_t raw[16];

    if (vml_uuid_new(raw, token, err) < 0)
        return -1;
    ec2_begin(&r, image_task.start);
    via_params(p, &r, image->description[0] != '\0' ? image->description : image->name, token);
    ec2_add(&r, image->architecture, "Architecture");
    if (strcmp(image->platform, "windows") == 0)
        ec2_add(&r, "Windows", "Platform");
    if (image->boot_mode[0] != '\0')
        ec2_add(&r, image->boot_mode, "BootMode");
    for (size_t i = 0; i < p->n; i++) {
        ec2_add(&r, "VMDK", "DiskContainer.%zu.Format", i + 1);
        ec2_add(&r, p->how->bucket->name, "DiskContainer.%zu.UserBucket.S3Bucket", i + 1);
        ec2_add(&r, o[i].key, "DiskContainer.%zu.UserBucket.S3Key", i + 1);
    }
    return via_start(p, &image_task, &r, id, err);
}

/* VM Import has named it; what was to be its name is a tag. */
static int tag_image(struct publish *p, struct vml_error *err)
{
    VML_AUTO(ec2_clear) struct ec2_request r = { 0 };
    VML_AUTO(xml_freep) xmlDoc *doc = NULL;
    const struct vml_marks *marks = &p->image->marks;
    bool named = false;
    size_t n = 0;

    ec2_begin(&r, "CreateTags");
    ec2_add(&r, p->image->id, "ResourceId.1");
    for (; n < marks->n_tags; n++) {
        ec2_add(&r, marks->tags[n].key, "Tag.%zu.Key", n + 1);
        ec2_add(&r, marks->tags[n].value, "Tag.%zu.Value", n + 1);
        named |= strcmp(marks->tags[n].key, "Name") == 0;
    }
    if (!named) {
        ec2_add(&r, "Name", "Tag.%zu.Key", n + 1);
        ec2_add(&r, p->image->name, "Tag.%zu.Value", n + 1);
    }
    return ec2_send(p->aws, &r, &doc, NULL, err);
}

/* What it has become, by its ID. */
static int look_at_image(struct publish *p, struct vml_error *err)
{
    struct vml_image there = { .id = "" };

    if (vml_aws_image(p->aws, p->image->id, &there, err) < 0) {
        vml_image_clear(&there);
        return -1;
    }
    vml_image_clear(p->image);
    *p->image = there;
    return 0;
}

static int import_image(struct publish *p, const struct via_object *o, struct vml_error *err)
{
    char id[40];

    if (start_image(p, o, id, err) < 0 || via_wait(p, &image_task, id, p->image->id, err) < 0)
        return -1;
    if (tag_image(p, err) < 0 || look_at_image(p, err) < 0) {
        vml_note(p->how->notes, "publish/left", "%s is there, in %s", p->image->id,
                 vml_aws_region(p->aws));
        return -1;
    }
    return 0;
}

int publish_via_image(struct publish *p, struct vml_error *err)
{
    VML_AUTO(vml_freep) struct via_object *o = calloc(JOB_DISKS_MAX, sizeof *o);

    if (o == NULL)
        return vml_fail_nomem(err);
    if (strcmp(p->image->boot_mode, "uefi-preferred") == 0)
        return vml_fail(err, VML_EREFUSED, "vmimport/boot-mode",
                        "boot mode uefi-preferred: ImportImage takes legacy-bios or uefi");
    if (publish_via_check(p, err) < 0)
        return -1;
    int rc = publish_each_disk(p, upload_disk, o, err);
    if (rc == 0)
        rc = import_image(p, o, err);
    for (size_t i = 0; i < JOB_DISKS_MAX; i++)
        via_remove(p, &o[i]);
    return rc;
}
