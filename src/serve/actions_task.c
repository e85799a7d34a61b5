/* EC2: VM Import/Export.  Objects are files in the folder that stands for buckets (buckets.h); the
 * role that EC2 would read them by is taken and not asked. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "serve/actions.h"
#include "serve/buckets.h"
#include "serve/filters.h"
#include "serve/page.h"
#include "serve/tasks.h"
#include "vmlift/rules.h"

#define DISKS_MAX 21u /* VM Import's own limit */

/* --- what is asked for ------------------------------------------------------------------------ */

static int need_buckets(const struct vml_request *r, struct vml_error *err)
{
    return vml_server_config(r->server)->buckets != NULL
               ? 0
               : vml_fail(err, VML_EUNSUPPORTED, "UnsupportedOperation",
                          "There are no buckets here: vmlift serve --buckets");
}

/* *out gets the value of a parameter that may be one of the words only; "" where there is none. */
static int read_word(char *out, size_t size, const struct vml_request *r, const char *name,
                     const char *words, struct vml_error *err)
{
    const char *said = vml_param(r, "%s", name);
    size_t len = said != NULL ? strlen(said) : 0;

    out[0] = '\0';
    if (len == 0)
        return 0;
    for (const char *at = words; *at != '\0'; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        if (n == len && n < size && strncasecmp(at, said, n) == 0) {
            memcpy(out, at, n);
            out[n] = '\0';
            return 0;
        }
        at += n;
    }
    return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                    "Value (%.128s) for parameter %s is invalid. Expected one of: %s", said, name,
                    words);
}
#define READ_WORD(field, r, name, words, err) read_word(field, sizeof(field), r, name, words, err)

/* Of a structure at prefix: S3Bucket and S3Key, or a URL of s3. */
static int read_place(struct vml_task_disk *d, const struct vml_request *r, const char *prefix,
                      struct vml_error *err)
{
    const char *url = vml_param(r, "%s.Url", prefix);
    const char *bucket = vml_param(r, "%s.UserBucket.S3Bucket", prefix);
    const char *key = vml_param(r, "%s.UserBucket.S3Key", prefix);

    if (url != NULL && (bucket != NULL || key != NULL))
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "%s: Url and UserBucket exclude each other", prefix);
    d->by_url = url != NULL;
    if (url != NULL) {
        size_t n = strncmp(url, "s3://", 5) == 0 ? strcspn(url + 5, "/") : 0;
        if (n == 0 || url[5 + n] == '\0')
            return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                            "Invalid S3 source location: '%.200s': only s3://bucket/key is served",
                            url);
        d->bucket = strndup(url + 5, n);
        d->key = strdup(url + 5 + n + 1);
    } else {
        if (bucket == NULL || key == NULL)
            return vml_fail(err, VML_EREFUSED, "MissingParameter",
                            "The request must contain the parameters %s.UserBucket.S3Bucket and "
                            "%s.UserBucket.S3Key",
                            prefix, prefix);
        d->bucket = strdup(bucket);
        d->key = strdup(key);
    }
    return d->bucket != NULL && d->key != NULL ? vml_bucket_check(d->bucket, d->key, err)
                                               : vml_fail_nomem(err);
}

/* The object must be there now; what is in it is looked at later. */
static int read_disk(struct vml_task_disk *d, const struct vml_request *r, const char *prefix,
                     const char *formats, struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *of = NULL;
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    const char *description = vml_param(r, "%s.Description", prefix);
    char name[80];

    snprintf(name, sizeof name, "%s.Format", prefix);
    if (READ_WORD(d->format, r, name, formats, err) < 0)
        return -1;
    if (d->format[0] == '\0')
        return vml_fail(err, VML_EREFUSED, "MissingParameter",
                        "The request must contain the parameter %s", name);
    if (read_place(d, r, prefix, err) < 0 ||
        vml_set_owned(&d->description, description != NULL ? description : "", err) < 0 ||
        vml_bucket_open(&in, &of, vml_server_config(r->server)->buckets, d->bucket, d->key, err) <
            0)
        return -1;
    d->size = vml_input_size(in);
    return 0;
}

static int read_encryption(struct vml_task *t, struct vml_request *r, struct vml_error *err)
{
    const char *key = NULL;

    if (vml_param_bool(r, &t->encrypted, err, "Encrypted") < 0 || vml_request_key(r, &key, err) < 0)
        return -1;
    if (vml_param(r, "KmsKeyId") != NULL && !t->encrypted)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterDependency",
                        "The parameter KmsKeyId requires the parameter Encrypted to be set.");
    return key != NULL ? VML_SET(t->key, "KmsKeyId", key, err) : 0;
}

/* What all tasks have; types: of TagSpecification. */
static int begin_task(struct vml_task **out, struct vml_request *r, enum vml_task_kind kind,
                      const char *type, struct vml_error *err)
{
    VML_AUTO(vml_task_freep) struct vml_task *t = calloc(1, sizeof *t);
    const char *description = vml_param(r, "Description");
    const char *role = vml_param(r, "RoleName");

    if (t == NULL)
        return vml_fail_nomem(err);
    t->kind = kind;
    memcpy(t->account, r->account, sizeof t->account);
    memcpy(t->region, r->region, sizeof t->region);
    if (need_buckets(r, err) < 0 ||
        vml_set_owned(&t->description, description != NULL ? description : "", err) < 0 ||
        vml_rule_description(t->description, err) < 0 ||
        VML_SET(t->role, "RoleName", role != NULL && role[0] != '\0' ? role : "vmimport", err) <
            0 ||
        vml_request_tags(r, type, type, &t->tags, err) < 0)
        return -1;
    *out = t;
    t = NULL;
    return 0;
}

/* Hands it over, and answers with what is said of it. */
static int submit(struct vml_task **t, struct vml_request *r, vml_task_fn *print,
                  struct vml_answer *a, struct vml_error *err)
{
    struct vml_tasks *tasks = vml_server_tasks(r->server);
    struct vml_task *task = *t;
    char id[40];

    if (vml_dry_run(r, err) < 0)
        return -1;
    *t = NULL;
    return vml_tasks_add(tasks, task, id, err) < 0
               ? -1
               : vml_tasks_get(tasks, &r->where, id, print, a, err);
}

/* --- what is said of them --------------------------------------------------------------------- */

static void print_progress(struct vml_answer *a, const struct vml_task *t)
{
    if (t->ended == 0)
        vml_xml_number(a, "progress", t->progress);
}

static void print_tags_of(struct vml_answer *a, const struct vml_task *t)
{
    vml_print_tags(a, t->tags.tags, t->tags.n_tags);
}

static void print_disk(struct vml_answer *a, const struct vml_task_disk *d)
{
    vml_xml_option(a, "description", d->description);
    if (d->size > 0)
        vml_xml_number(a, "diskImageSize", d->size);
    vml_xml_text(a, "format", d->format);
    vml_xml_option(a, "snapshotId", d->snapshot);
    if (d->by_url) {
        char url[sizeof "s3:///" + 63 + VML_KEY_MAX];
        snprintf(url, sizeof url, "s3://%s/%s", d->bucket, d->key);
        vml_xml_text(a, "url", url);
    }
    vml_xml_open(a, "userBucket");
    vml_xml_text(a, "s3Bucket", d->bucket);
    vml_xml_text(a, "s3Key", d->key);
    vml_xml_close(a, "userBucket");
}

static int print_import_snapshot(void *answer, const struct vml_task *t, struct vml_error *err)
{
    struct vml_answer *a = answer;

    (void)err;
    vml_xml_option(a, "description", t->description);
    vml_xml_text(a, "importTaskId", t->id);
    vml_xml_open(a, "snapshotTaskDetail");
    print_disk(a, &t->disks[0]);
    vml_xml_bool(a, "encrypted", t->encrypted);
    vml_xml_option(a, "kmsKeyId", t->key);
    print_progress(a, t);
    vml_xml_text(a, "status", t->status);
    vml_xml_option(a, "statusMessage", t->message);
    vml_xml_close(a, "snapshotTaskDetail");
    print_tags_of(a, t);
    return 0;
}

/* What ImportImage itself says, without how the machine boots, which it does not. */
static int print_begun_image(void *answer, const struct vml_task *t, struct vml_error *err)
{
    struct vml_answer *a = answer;

    (void)err;
    vml_xml_option(a, "architecture", t->architecture);
    vml_xml_option(a, "description", t->description);
    vml_xml_bool(a, "encrypted", t->encrypted);
    vml_xml_text(a, "hypervisor", "xen");
    vml_xml_option(a, "imageId", t->image);
    vml_xml_text(a, "importTaskId", t->id);
    vml_xml_option(a, "kmsKeyId", t->key);
    vml_xml_option(a, "licenseType", t->license);
    vml_xml_option(a, "platform", t->platform);
    print_progress(a, t);
    vml_xml_open(a, "snapshotDetailSet");
    for (size_t i = 0; i < t->n_disks; i++) {
        vml_xml_open(a, "item");
        vml_xml_option(a, "deviceName", t->disks[i].device);
        print_disk(a, &t->disks[i]);
        vml_xml_text(a, "status", t->status);
        vml_xml_close(a, "item");
    }
    vml_xml_close(a, "snapshotDetailSet");
    vml_xml_text(a, "status", t->status);
    vml_xml_option(a, "statusMessage", t->message);
    print_tags_of(a, t);
    vml_xml_option(a, "usageOperation", t->usage);
    return 0;
}

static int print_import_image(void *answer, const struct vml_task *t, struct vml_error *err)
{
    vml_xml_option(answer, "bootMode", t->boot_mode);
    return print_begun_image(answer, t, err);
}

static int print_export(void *answer, const struct vml_task *t, struct vml_error *err)
{
    struct vml_answer *a = answer;

    (void)err;
    vml_xml_option(a, "description", t->description);
    vml_xml_text(a, "exportImageTaskId", t->id);
    vml_xml_text(a, "imageId", t->image);
    print_progress(a, t);
    vml_xml_open(a, "s3ExportLocation");
    vml_xml_text(a, "s3Bucket", t->bucket);
    vml_xml_option(a, "s3Prefix", t->prefix);
    vml_xml_close(a, "s3ExportLocation");
    vml_xml_text(a, "status", t->status);
    vml_xml_option(a, "statusMessage", t->message);
    print_tags_of(a, t);
    return 0;
}

static int print_begun_export(void *answer, const struct vml_task *t, struct vml_error *err)
{
    vml_xml_text(answer, "diskImageFormat", t->format);
    vml_xml_text(answer, "roleName", t->role);
    return print_export(answer, t, err);
}

/* --- the actions ------------------------------------------------------------------------------ */

int vml_do_import_snapshot(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(vml_task_freep) struct vml_task *t = NULL;

    if (begin_task(&t, r, VML_TASK_IMPORT_SNAPSHOT, "import-snapshot-task", err) < 0 ||
        read_encryption(t, r, err) < 0)
        return -1;
    t->disks = calloc(1, sizeof *t->disks);
    if (t->disks == NULL)
        return vml_fail_nomem(err);
    t->n_disks = 1;
    if (read_disk(&t->disks[0], r, "DiskContainer", "VMDK VHD VHDX RAW", err) < 0)
        return -1;
    return submit(&t, r, print_import_snapshot, a, err);
}

static int read_disks(struct vml_task *t, struct vml_request *r, struct vml_error *err)
{
    VML_AUTO(vml_numbers_clear) struct vml_numbers numbers = { NULL, 0 };

    if (vml_param_numbers(r, &numbers, err, "DiskContainer") < 0)
        return -1;
    if (numbers.n == 0)
        return vml_fail(err, VML_EREFUSED, "MissingParameter",
                        "The request must contain the parameter DiskContainer");
    if (numbers.n > DISKS_MAX)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "%zu disk containers, at most %u allowed", numbers.n, DISKS_MAX);
    t->disks = calloc(numbers.n, sizeof *t->disks);
    if (t->disks == NULL)
        return vml_fail_nomem(err);
    t->n_disks = numbers.n;
    for (size_t i = 0; i < numbers.n; i++) {
        const char *device = vml_param(r, "DiskContainer.%u.DeviceName", numbers.items[i]);
        char prefix[32];
        snprintf(prefix, sizeof prefix, "DiskContainer.%u", numbers.items[i]);
        if (read_disk(&t->disks[i], r, prefix,
                      numbers.n == 1 ? "OVA VMDK VHD VHDX RAW" : "VMDK VHD VHDX RAW", err) < 0 ||
            (device != NULL && VML_SET(t->disks[i].device, "DeviceName", device, err) < 0))
            return -1;
    }
    return 0;
}

static int read_machine(struct vml_task *t, const struct vml_request *r, struct vml_error *err)
{
    char hypervisor[8];

    if (READ_WORD(t->architecture, r, "Architecture", "i386 x86_64 arm64", err) < 0 ||
        READ_WORD(t->platform, r, "Platform", "Linux Windows", err) < 0 ||
        READ_WORD(t->boot_mode, r, "BootMode", "legacy-bios uefi", err) < 0 ||
        READ_WORD(t->license, r, "LicenseType", "AWS BYOL", err) < 0 ||
        READ_WORD(t->usage, r, "UsageOperation",
                  "RunInstances RunInstances:0002 RunInstances:0800 RunInstances:0006 "
                  "RunInstances:0102 RunInstances:0202 RunInstances:0004 RunInstances:0100 "
                  "RunInstances:0200",
                  err) < 0 ||
        READ_WORD(hypervisor, r, "Hypervisor", "xen", err) < 0)
        return -1;
    if (t->license[0] != '\0' && t->usage[0] != '\0')
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "LicenseType and UsageOperation exclude each other");
    return 0;
}

int vml_do_import_image(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(vml_task_freep) struct vml_task *t = NULL;

    if (begin_task(&t, r, VML_TASK_IMPORT_IMAGE, "import-image-task", err) < 0 ||
        read_encryption(t, r, err) < 0 || read_machine(t, r, err) < 0 || read_disks(t, r, err) < 0)
        return -1;
    return submit(&t, r, print_begun_image, a, err);
}

/* A bucket that is there, and a prefix that names something in it. */
static int read_target(struct vml_task *t, struct vml_request *r, struct vml_error *err)
{
    const char *bucket, *prefix = vml_param(r, "S3ExportLocation.S3Prefix");
    VML_AUTO(vml_freep) char *key = NULL;

    if (vml_param_need(r, "S3ExportLocation.S3Bucket", &bucket, err) < 0 ||
        vml_set_owned(&t->bucket, bucket, err) < 0 ||
        vml_set_owned(&t->prefix, prefix != NULL ? prefix : "", err) < 0)
        return -1;
    if (asprintf(&key, "%sexport-ami-0123456789abcdef0.vmdk", t->prefix) < 0) {
        key = NULL;
        return vml_fail_nomem(err);
    }
    return vml_bucket_check(bucket, key, err) < 0 ||
                   vml_bucket_exists(vml_server_config(r->server)->buckets, bucket, err) < 0
               ? -1
               : 0;
}

/* It must be one's own, and of one disk, which is all that a file of these formats holds. */
static int check_exported(struct vml_request *r, const char *id, struct vml_error *err)
{
    VML_AUTO(vml_image_clear) struct vml_image image = { .id = "" };
    size_t disks = 0;

    if (vml_check_own_image(r, id, err) < 0 ||
        vml_registry_get(r->store, &r->where, id, &image, err) < 0)
        return -1;
    for (size_t i = 0; i < image.n_mappings; i++)
        disks += image.mappings[i].snapshot[0] != '\0';
    return disks == 1 ? 0
                      : vml_fail(err, VML_EUNSUPPORTED, "UnsupportedOperation",
                                 "%s has %zu disks: images of one can be exported", id, disks);
}

int vml_do_export_image(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(vml_task_freep) struct vml_task *t = NULL;
    const char *id, *format;

    if (begin_task(&t, r, VML_TASK_EXPORT_IMAGE, "export-image-task", err) < 0 ||
        vml_need_image(r, "ImageId", &id, err) < 0 ||
        vml_param_need(r, "DiskImageFormat", &format, err) < 0 ||
        READ_WORD(t->format, r, "DiskImageFormat", "VMDK VHD RAW", err) < 0 ||
        read_target(t, r, err) < 0 || check_exported(r, id, err) < 0 ||
        VML_SET(t->image, "ImageId", id, err) < 0)
        return -1;
    return submit(&t, r, print_begun_export, a, err);
}

int vml_do_cancel_import_task(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    const char *id, *reason = vml_param(r, "CancelReason");
    char previous[12];

    if (vml_param_need(r, "ImportTaskId", &id, err) < 0)
        return -1;
    if (!vml_is_id(id, "import-ami-") && !vml_is_id(id, "import-snap-"))
        return vml_fail(err, VML_EREFUSED, "InvalidConversionTaskId.Malformed",
                        "Invalid id: \"%.64s\" (expecting \"import-ami-...\" or "
                        "\"import-snap-...\")",
                        id);
    if (vml_dry_run(r, err) < 0 ||
        vml_tasks_cancel(vml_server_tasks(r->server), &r->where, id, reason != NULL ? reason : "",
                         previous, err) < 0)
        return -1;
    vml_xml_text(a, "importTaskId", id);
    vml_xml_text(a, "previousState", previous);
    vml_xml_text(a, "state", VML_TASK_DELETING);
    return 0;
}

/* --- describing ------------------------------------------------------------------------------- */

struct describing {
    struct vml_answer *a;
    const struct vml_wanted *wanted;
    struct vml_page *page;
    const struct vml_texts *ids;
    vml_task_fn *print;
    size_t found; /* of the IDs */
};

static bool is_asked_for(struct describing *d, const char *id)
{
    for (size_t i = 0; i < d->ids->n; i++)
        if (strcmp(d->ids->items[i], id) == 0) {
            d->found++;
            return true;
        }
    return d->ids->n == 0;
}

static int describe_one(void *arg, const struct vml_task *t, struct vml_error *err)
{
    struct describing *d = arg;
    char position[24];

    if (!is_asked_for(d, t->id) || !vml_wanted_takes(d->wanted, "task-state", t->status))
        return 0;
    snprintf(position, sizeof position, "%020llu", (unsigned long long)t->seq);
    if (!vml_page_takes(d->page, position))
        return 0;
    vml_xml_open(d->a, "item");
    int rc = d->print(d->a, t, err);
    vml_xml_close(d->a, "item");
    return rc;
}

/* filter: how the parameter is called, which EC2 does not do the same everywhere. */
static int describe(struct vml_request *r, struct vml_answer *a, enum vml_task_kind kind,
                    const char *filter, const char *id_name, const char *set, vml_task_fn *print,
                    struct vml_error *err)
{
    VML_AUTO(vml_wanted_clear) struct vml_wanted wanted = { NULL, 0 };
    VML_AUTO(vml_texts_clear) struct vml_texts ids = { NULL, 0 };
    struct vml_page page;
    struct describing d = { a, &wanted, &page, &ids, print, 0 };

    if (vml_wanted_read_as(&wanted, r, filter, "task-state", err) < 0 ||
        vml_param_list(r, id_name, &ids, err) < 0 || vml_page_read(&page, r, 1, err) < 0 ||
        vml_dry_run(r, err) < 0)
        return -1;
    vml_xml_open(a, set);
    if (vml_tasks_each(vml_server_tasks(r->server), &r->where, kind, describe_one, &d, err) < 0)
        return -1;
    vml_xml_close(a, set);
    vml_page_end(&page, a);
    if (d.found < ids.n)
        return vml_fail(err, VML_ENOTFOUND, "InvalidConversionTaskId",
                        "The specified task does not exist: %s",
                        ids.n == 1 ? ids.items[0] : "one of them");
    return 0;
}

int vml_do_describe_import_snapshot_tasks(struct vml_request *r, struct vml_answer *a,
                                          struct vml_error *err)
{
    return describe(r, a, VML_TASK_IMPORT_SNAPSHOT, "Filters", "ImportTaskId",
                    "importSnapshotTaskSet", print_import_snapshot, err);
}

int vml_do_describe_import_image_tasks(struct vml_request *r, struct vml_answer *a,
                                       struct vml_error *err)
{
    return describe(r, a, VML_TASK_IMPORT_IMAGE, "Filters", "ImportTaskId", "importImageTaskSet",
                    print_import_image, err);
}

int vml_do_describe_export_image_tasks(struct vml_request *r, struct vml_answer *a,
                                       struct vml_error *err)
{
    return describe(r, a, VML_TASK_EXPORT_IMAGE, "Filter", "ExportImageTaskId",
                    "exportImageTaskSet", print_export, err);
}
