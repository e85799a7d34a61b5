/* EC2: the table of actions, and what is the same for each of them. */
#include "serve/actions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "vmlift/codec.h"

#define API_VERSION "2016-11-15"
#define NAMESPACE   "http://ec2.amazonaws.com/doc/" API_VERSION "/"
#define TOKEN_MAX   64 /* characters: EC2 API reference, "Ensuring idempotency" */

#define MAPPINGS                                    \
    "BlockDeviceMapping.#.DeviceName "              \
    "BlockDeviceMapping.#.VirtualName "             \
    "BlockDeviceMapping.#.NoDevice "                \
    "BlockDeviceMapping.#.Ebs.SnapshotId "          \
    "BlockDeviceMapping.#.Ebs.VolumeSize "          \
    "BlockDeviceMapping.#.Ebs.VolumeType "          \
    "BlockDeviceMapping.#.Ebs.Iops "                \
    "BlockDeviceMapping.#.Ebs.Throughput "          \
    "BlockDeviceMapping.#.Ebs.DeleteOnTermination " \
    "BlockDeviceMapping.#.Ebs.Encrypted "           \
    "!BlockDeviceMapping.#.Ebs "
#define FILTERS "Filter.#.Name Filter.#.Value.# "
#define PAGES   "MaxResults NextToken "
#define TAG_SPEC \
    "TagSpecification.#.ResourceType TagSpecification.#.Tag.#.Key TagSpecification.#.Tag.#.Value "
#define TAGS           "ResourceId.# Tag.#.Key Tag.#.Value "
#define IMPORT_FILTERS "Filters.#.Name Filters.#.Value.# ImportTaskId.# "
#define IMPORT                                                                              \
    "ClientData.Comment ClientData.UploadEnd ClientData.UploadSize ClientData.UploadStart " \
    "ClientToken Description Encrypted KmsKeyId RoleName "
#define CONTAINER(at) \
    at "Description " at "Format " at "Url " at "UserBucket.S3Bucket " at "UserBucket.S3Key "
#define CONTAINERS CONTAINER("DiskContainer.#.")
#define LAUNCH                          \
    "LaunchPermission.Add.#.UserId "    \
    "LaunchPermission.Add.#.Group "     \
    "LaunchPermission.Remove.#.UserId " \
    "LaunchPermission.Remove.#.Group "
#define CREATE_VOLUME                         \
    "CreateVolumePermission.Add.#.UserId "    \
    "CreateVolumePermission.Add.#.Group "     \
    "CreateVolumePermission.Remove.#.UserId " \
    "CreateVolumePermission.Remove.#.Group "

static const struct vml_action actions[] = {
    { "CancelImageLaunchPermission", vml_do_cancel_launch_permission, "ImageId" },
    { "CancelImportTask", vml_do_cancel_import_task, "CancelReason ImportTaskId" },
    { "CopyImage", vml_do_copy_image,
      TAG_SPEC
      "ClientToken CopyImageTags Description Encrypted KmsKeyId Name SourceImageId SourceRegion "
      "!DestinationAvailabilityZone !DestinationAvailabilityZoneId !DestinationOutpostArn "
      "!SnapshotCopyCompletionDurationMinutes" },
    { "CopySnapshot", vml_do_copy_snapshot,
      TAG_SPEC
      "ClientToken Description DestinationRegion Encrypted KmsKeyId PresignedUrl SourceRegion "
      "SourceSnapshotId !CompletionDurationMinutes !DestinationAvailabilityZone "
      "!DestinationOutpostArn" },
    { "CreateImage", vml_do_create_image,
      MAPPINGS TAG_SPEC "Description InstanceId Name NoReboot !SnapshotLocation" },
    { "CreateSnapshot", vml_do_create_snapshot,
      TAG_SPEC "Description VolumeId !Location !OutpostArn" },
    { "CreateTags", vml_do_create_tags, TAGS },
    { "DeleteSnapshot", vml_do_delete_snapshot, "SnapshotId" },
    { "DeleteTags", vml_do_delete_tags, TAGS },
    { "DeregisterImage", vml_do_deregister_image, "DeleteAssociatedSnapshots ImageId" },
    { "DescribeExportImageTasks", vml_do_describe_export_image_tasks,
      FILTERS PAGES "ExportImageTaskId.#" },
    { "DescribeImageAttribute", vml_do_describe_image_attribute, "Attribute ImageId" },
    { "DescribeImages", vml_do_describe_images,
      FILTERS PAGES "ExecutableBy.# ImageId.# IncludeDeprecated IncludeDisabled Owner.#" },
    { "DescribeImportImageTasks", vml_do_describe_import_image_tasks, IMPORT_FILTERS PAGES },
    { "DescribeImportSnapshotTasks", vml_do_describe_import_snapshot_tasks, IMPORT_FILTERS PAGES },
    { "DescribeRegions", vml_do_describe_regions, FILTERS "AllRegions RegionName.#" },
    { "DescribeSnapshotAttribute", vml_do_describe_snapshot_attribute, "Attribute SnapshotId" },
    { "DescribeSnapshots", vml_do_describe_snapshots,
      FILTERS PAGES "Owner.# RestorableBy.# SnapshotId.#" },
    { "DescribeTags", vml_do_describe_tags, FILTERS PAGES },
    { "DisableImage", vml_do_disable_image, "ImageId" },
    { "DisableImageDeprecation", vml_do_disable_image_deprecation, "ImageId" },
    { "DisableImageDeregistrationProtection", vml_do_disable_image_protection, "ImageId" },
    { "EnableImage", vml_do_enable_image, "ImageId" },
    { "EnableImageDeprecation", vml_do_enable_image_deprecation, "DeprecateAt ImageId" },
    { "EnableImageDeregistrationProtection", vml_do_enable_image_protection,
      "ImageId WithCooldown" },
    { "ExportImage", vml_do_export_image,
      TAG_SPEC "ClientToken Description DiskImageFormat ImageId RoleName S3ExportLocation.S3Bucket "
               "S3ExportLocation.S3Prefix" },
    { "ImportImage", vml_do_import_image,
      TAG_SPEC IMPORT CONTAINERS
      "DiskContainer.#.DeviceName !DiskContainer.#.SnapshotId Architecture BootMode Hypervisor "
      "LicenseType Platform UsageOperation !LicenseSpecifications" },
    { "ImportSnapshot", vml_do_import_snapshot, TAG_SPEC IMPORT CONTAINER("DiskContainer.") },
    { "ModifyImageAttribute", vml_do_modify_image_attribute,
      LAUNCH "Attribute Description.Value ImageId ImdsSupport.Value OperationType "
             "ProductCode.# UserGroup.# UserId.# Value !LaunchPermission "
             "!OrganizationArn !OrganizationalUnitArn" },
    { "ModifySnapshotAttribute", vml_do_modify_snapshot_attribute,
      CREATE_VOLUME "Attribute OperationType SnapshotId UserGroup.# UserId.#" },
    { "RegisterImage", vml_do_register_image,
      MAPPINGS TAG_SPEC
      "Architecture BillingProduct.# BootMode Description EnaSupport ImageLocation "
      "ImdsSupport KernelId Name RamdiskId RootDeviceName SriovNetSupport TpmSupport "
      "VirtualizationType !UefiData" },
    { "ResetImageAttribute", vml_do_reset_image_attribute, "Attribute ImageId" },
    { "ResetSnapshotAttribute", vml_do_reset_snapshot_attribute, "Attribute SnapshotId" },
    { NULL, NULL, NULL },
};

static const struct vml_action *find(const char *name)
{
    const struct vml_action *a = actions;

    while (a->name != NULL && strcmp(a->name, name) != 0)
        a++;
    return a->name != NULL ? a : NULL;
}

int vml_dry_run(struct vml_request *r, struct vml_error *err)
{
    return r->dry_run ? vml_fail(err, VML_EREFUSED, "DryRunOperation",
                                 "Request would have succeeded, but DryRun flag is set.")
                      : 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* What else there may be in a query is refused, too. */
static int check_kind(const struct vml_request *r, struct vml_error *err)
{
    static const char form[] = "application/x-www-form-urlencoded";
    const char *type = vml_request_header(r, "Content-Type");

    if (strcmp(r->method, "GET") != 0 && strcmp(r->method, "POST") != 0)
        return vml_fail(err, VML_EREFUSED, "InvalidRequest",
                        "The method %.16s is not allowed: POST is", r->method);
    if (strcmp(r->path, "/") != 0)
        return vml_fail(err, VML_EREFUSED, "InvalidRequest", "There is nothing at %.128s", r->path);
    if (r->body_len > 0 && type != NULL && strncasecmp(type, form, sizeof form - 1) != 0)
        return vml_fail(err, VML_EREFUSED, "InvalidRequest", "The body is not of type %s", form);
    return 0;
}

static int read_action(struct vml_request *r, const struct vml_action **out, struct vml_error *err)
{
    const char *name, *version = NULL;

    if (check_kind(r, err) < 0 ||
        vml_params_parse(&r->params, r->query, r->body, r->body_len, err) < 0)
        return -1;
    name = vml_param(r, "Action");
    version = vml_param(r, "Version");
    if (name == NULL)
        return vml_fail(err, VML_EREFUSED, "MissingAction",
                        "The request must contain the parameter Action");
    snprintf(r->action, sizeof r->action, "%s", name);
    *out = find(name);
    if (*out == NULL)
        return vml_fail(err, VML_EREFUSED, "InvalidAction",
                        "The action %.64s is not valid for this web service.", name);
    if (version == NULL || strcmp(version, API_VERSION) != 0)
        return vml_fail(
            err, VML_EREFUSED, "NoSuchVersion",
            "The requested version (%.32s) of service AmazonEC2 does not exist: it is " API_VERSION,
            version != NULL ? version : "");
    return vml_params_check(&r->params, (*out)->params, err) < 0 ||
                   vml_param_bool(r, &r->dry_run, err, "DryRun") < 0
               ? -1
               : 0;
}

/* --- answering -------------------------------------------------------------------------------- */

/* What is inside of the answer's element. */
static int run(const struct vml_action *action, struct vml_request *r, char **text,
               struct vml_error *err)
{
    VML_AUTO(vml_answer_clear) struct vml_answer inside = { .status = 200 };
    VML_AUTO(vml_freep) char *out = NULL;
    size_t len;

    inside.xml = vml_memstream(&out, &len);
    if (inside.xml == NULL)
        return vml_fail_nomem(err);
    int rc = action->run(r, &inside, err);
    assert(rc < 0 || !r->dry_run);
    FILE *f = inside.xml;
    inside.xml = NULL;
    if (fclose(f) != 0 && rc == 0)
        rc = vml_fail_nomem(err);
    if (rc < 0)
        return -1;
    *text = out;
    out = NULL;
    return 0;
}

/* Everything that is asked, but for the token and where it came from. */
static int digest_params(const struct vml_request *r, uint8_t out[32], struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = NULL;
    size_t len;
    FILE *f = vml_memstream(&text, &len);

    if (f == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < r->params.n; i++) {
        const struct vml_param *p = &r->params.items[i];
        /* SDKs sign this one anew each time. */
        if (strcmp(p->name, "ClientToken") != 0 && strcmp(p->name, "PresignedUrl") != 0)
            fprintf(f, "%zu %s=%zu %s\n", strlen(p->name), p->name, strlen(p->value), p->value);
    }
    if (fclose(f) != 0)
        return vml_fail_nomem(err);
    vml_sha256(text, len, out);
    return 0;
}

static int run_once(const struct vml_action *action, struct vml_request *r, const char *token,
                    char **text, struct vml_error *err)
{
    struct vml_tokens *tokens = vml_server_tokens(r->server);
    char key[192];
    uint8_t digest[32];

    if (strlen(token) > TOKEN_MAX)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "ClientToken of %zu characters, at most %d allowed", strlen(token),
                        TOKEN_MAX);
    snprintf(key, sizeof key, "%s %s %s %s", r->account, r->region, action->name, token);
    if (digest_params(r, digest, err) < 0)
        return -1;
    int rc = vml_tokens_begin(tokens, key, digest, text, err);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    rc = run(action, r, text, err);
    vml_tokens_end(tokens, key, rc == 0 ? *text : NULL);
    return rc;
}

int vml_ec2_answer(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *inside = NULL;
    const struct vml_action *action;
    char *body = NULL;

    if (read_action(r, &action, err) < 0)
        return -1;
    const char *token = vml_param(r, "ClientToken");
    if ((token != NULL && token[0] != '\0' && !r->dry_run ? run_once(action, r, token, &inside, err)
                                                          : run(action, r, &inside, err)) < 0)
        return -1;
    int len =
        asprintf(&body,
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                 "<%sResponse xmlns=\"" NAMESPACE "\"><requestId>%s</requestId>%s</%sResponse>",
                 action->name, r->id, inside, action->name);
    if (len < 0)
        return vml_fail_nomem(err);
    vml_answer_bytes(a, 200, "text/xml;charset=UTF-8", body, (size_t)len);
    return 0;
}
