#include "via.h"

#include <stdlib.h>
#include <string.h>

#include "pace.h"

#define PREFIX     "vmlift/"
#define KEY_MAX    1024u /* S3's */
#define POLL_FIRST 0.5   /* seconds; each wait is half as long again, up to: */
#define POLL_MAX   15.0
#define NEW_FOR    120.0 /* seconds for which a task that is new need not be known everywhere */

/* --- objects ---------------------------------------------------------------------------------- */

int via_key(const struct publish *p, size_t i, struct via_object *o, struct vml_error *err)
{
    const char *prefix = p->how->bucket->prefix != NULL ? p->how->bucket->prefix : PREFIX;

    if (asprintf(&o->key, "%s%s/disk%zu.vmdk", prefix, p->image->name, i + 1) < 0) {
        o->key = NULL;
        return vml_fail_nomem(err);
    }
    if (strlen(o->key) <= KEY_MAX)
        return 0;
    vml_freep(&o->key);
    return vml_fail(err, VML_EUSAGE, "s3/key", "%.40s..: more than the %u bytes of a key of S3",
                    prefix, KEY_MAX);
}

int via_upload(const struct publish *p, struct vml_reader *disk, struct via_object *o,
               struct vml_error *err)
{
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    const struct s3_object to = { p->aws, p->how->bucket->name, o->key };
    const struct s3_disk what = { &vml_format_vmdk, "streamOptimized", NULL, disk->size };

    publish_say(p, "s3://%s/%s takes it", to.bucket, to.key);
    if (s3_writer(&w, &to, &what, o->version, err) < 0 || vml_copy(disk, w, p->how->copy, err) < 0)
        return -1;
    o->made = true;
    return 0;
}

void via_remove(const struct publish *p, struct via_object *o)
{
    const char *bucket = p->how->bucket->name;
    const struct s3_object at = { p->aws, bucket, o->key };
    struct vml_error err;
    bool exists = true, ours = true;

    if (o->key == NULL)
        return;
    if (!o->made && (s3_head(&at, &exists, &ours, &err) < 0 || !exists || !ours)) {
        vml_freep(&o->key);
        return;
    }
    if (s3_delete(&at, o->version, &err) < 0)
        vml_note(p->how->notes, "publish/left",
                 "s3://%s/%s is left (%s): aws s3 rm --region %s 's3://%s/%s' removes it", bucket,
                 o->key, err.text, vml_aws_region(p->aws), bucket, o->key);
    vml_freep(&o->key);
}

/* --- tasks ------------------------------------------------------------------------------------ */

void via_params(const struct publish *p, struct ec2_request *r, const char *description,
                const char *token)
{
    const struct vml_publish *how = p->how;

    if (description[0] != '\0')
        ec2_add(r, description, "Description");
    if (how->bucket->role != NULL)
        ec2_add(r, how->bucket->role, "RoleName");
    if (how->encrypt)
        ec2_add(r, "true", "Encrypted");
    if (how->encrypt && how->kms_key != NULL)
        ec2_add(r, how->kms_key, "KmsKeyId");
    ec2_add(r, token, "ClientToken");
}

int via_start(const struct publish *p, const struct via_task *t, struct ec2_request *r, char id[40],
              struct vml_error *err)
{
    VML_AUTO(xml_freep) xmlDoc *doc = NULL;

    if (ec2_send(p->aws, r, &doc, NULL, err) < 0)
        return -1;
    xml_text(xmlDocGetRootElement(doc), "importTaskId", id, 40);
    return id[0] != '\0'
               ? 0
               : vml_fail(err, VML_EIO, "vmimport/lost", "%s: the answer names no task", t->start);
}

struct state {
    char id[40], status[24], message[512], progress[12];
    char result[32];
};

/* What VM Import's words do not say.  From its troubleshooting page, and from what others ran into.
 */
static const char *advice_for(const char *message)
{
    static const struct {
        const char *words, *advice;
    } known[] = {
        { "service role",
          "the role must exist, trust vmie.amazonaws.com with the external ID vmimport, and may "
          "read the bucket (s3:GetBucketLocation, s3:GetObject, s3:ListBucket) and use EC2 "
          "(ec2:ModifySnapshotAttribute, ec2:CopySnapshot, ec2:RegisterImage, ec2:Describe*)" },
        { "not local to the region", "the bucket must be in the region that is imported to" },
        { "Unsupported kernel", "--via ebs and --via import-snapshot do not look at the kernel" },
        { "Unsupported OVA format", "a role without rights on the KMS key is told like this, too" },
        { "Unsupported VMDK", "a role without rights on the KMS key is told like this, too" },
        { "kms", "the role needs kms:CreateGrant, kms:Decrypt, kms:DescribeKey, kms:Encrypt, "
                 "kms:GenerateDataKey* and kms:ReEncrypt* on the key" },
        { "initramfs", "--via ebs and --via import-snapshot do not look into the guest" },
        { "grub", "--via ebs and --via import-snapshot do not look into the guest" },
        { "FirstBootFailure", "--via ebs and --via import-snapshot do not start the guest" },
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcasestr(message, known[i].words) != NULL)
            return known[i].advice;
    return NULL;
}

/* EC2's own waiters know of "error" alone and wait on for whatever else a failure is called. */
static int judge(const struct state *s, struct vml_error *err)
{
    static const char *const failed[] = { "deleting",  "deleted",  "cancelling", "cancelled",
                                          "canceling", "canceled", "error" };
    const char *advice = advice_for(s->message);

    if (strcmp(s->status, "completed") == 0)
        return s->result[0] != '\0'
                   ? 1
                   : vml_fail(err, VML_EIO, "vmimport/lost",
                              "%s is completed, and does not say what it made", s->id);
    for (size_t i = 0; i < sizeof failed / sizeof failed[0]; i++)
        if (strcmp(s->status, failed[i]) == 0)
            return vml_fail(err, VML_EREFUSED, "vmimport/failed", "%s is %s: %s%s%s", s->id,
                            s->status, s->message[0] != '\0' ? s->message : "it does not say why",
                            advice != NULL ? "; " : "", advice != NULL ? advice : "");
    return 0;
}

static void say(const struct publish *p, const struct state *s, char last[600])
{
    char text[600];

    snprintf(text, sizeof text, "%s: %s%s%s%s%s", s->id, s->status,
             s->message[0] != '\0' ? ", " : "", s->message, s->progress[0] != '\0' ? ", " : "",
             s->progress);
    if (s->progress[0] != '\0')
        snprintf(text + strlen(text), sizeof text - strlen(text), " %%");
    if (strcmp(text, last) != 0)
        publish_say(p, "%s", text);
    memcpy(last, text, sizeof text);
}

static void read_state(const struct via_task *t, xmlNode *item, struct state *s)
{
    xmlNode *detail = xml_find(item, t->detail);

    xml_text(detail, "status", s->status, sizeof s->status);
    xml_text(detail, "statusMessage", s->message, sizeof s->message);
    xml_text(detail, "progress", s->progress, sizeof s->progress);
    xml_text(detail, t->result, s->result, sizeof s->result);
}

/* 1: told, 0: it is not known yet. */
static int ask(const struct publish *p, const struct via_task *t, struct state *s, bool fresh,
               struct vml_error *err)
{
    VML_AUTO(ec2_clear) struct ec2_request r = { 0 };
    VML_AUTO(xml_freep) xmlDoc *doc = NULL;
    xmlNode *item;

    ec2_begin(&r, t->describe);
    ec2_add(&r, s->id, "ImportTaskId.1");
    if (ec2_send(p->aws, &r, &doc, NULL, err) < 0)
        return fresh && strncmp(err->slug, "InvalidConversionTaskId", 23) == 0 ? 0 : -1;
    item = xml_find(xmlDocGetRootElement(doc), t->item);
    if (item == NULL)
        return fresh ? 0
                     : vml_fail(err, VML_EIO, "vmimport/lost",
                                "%s: nothing is known of it any more", s->id);
    read_state(t, item, s);
    return 1;
}

static int wait_for(const struct publish *p, const struct via_task *t, struct state *s,
                    struct vml_error *err)
{
    char last[600] = "";
    double started = pace_now(), pause = POLL_FIRST;

    for (;;) {
        int rc = ask(p, t, s, pace_now() - started < NEW_FOR, err);
        if (rc > 0) {
            say(p, s, last);
            rc = judge(s, err);
        }
        if (rc != 0)
            return rc < 0 ? -1 : 0;
        if (http_sleep(pause, false, err) < 0)
            return -1;
        pause = pause * 1.5 < POLL_MAX ? pause * 1.5 : POLL_MAX;
    }
}

void via_cancel(const struct publish *p, const struct via_task *t, const char *id)
{
    VML_AUTO(ec2_clear) struct ec2_request r = { 0 };
    VML_AUTO(xml_freep) xmlDoc *doc = NULL;
    const char *region = vml_aws_region(p->aws);
    struct vml_error err;

    ec2_begin(&r, "CancelImportTask");
    r.cleanup = true;
    ec2_add(&r, id, "ImportTaskId");
    ec2_add(&r, "given up by vmlift", "CancelReason");
    if (ec2_send(p->aws, &r, &doc, NULL, &err) < 0)
        vml_note(p->how->notes, "publish/left",
                 "%s may go on (%s): aws ec2 cancel-import-task --region %s --import-task-id %s "
                 "ends it, aws ec2 %s --region %s --import-task-ids %s tells what it made",
                 id, err.text, region, id, t->command, region, id);
}

int via_wait(const struct publish *p, const struct via_task *t, const char *id, char result[32],
             struct vml_error *err)
{
    struct state s = { .id = "" };

    snprintf(s.id, sizeof s.id, "%s", id);
    if (wait_for(p, t, &s, err) < 0) {
        if (strcmp(err->slug, "vmimport/failed") != 0)
            via_cancel(p, t, id);
        return -1;
    }
    memcpy(result, s.result, sizeof s.result);
    return 0;
}
