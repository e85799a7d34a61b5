#include "ec2_image.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAIT_FIRST 0.5 /* seconds */
#define WAIT_MOST  15.0

/* --- RegisterImage ---------------------------------------------------------------------------- */

static void add_given(struct ec2_request *r, const char *name, const char *value)
{
    if (value[0] != '\0')
        ec2_add(r, value, "%s", name);
}

static void add_mapping(struct ec2_request *r, unsigned n, const struct vml_mapping *m)
{
    char number[24];

    ec2_add(r, m->device, "BlockDeviceMapping.%u.DeviceName", n);
    if (m->no_device) {
        ec2_add(r, "", "BlockDeviceMapping.%u.NoDevice", n);
        return;
    }
    if (m->virtual_name[0] != '\0') {
        ec2_add(r, m->virtual_name, "BlockDeviceMapping.%u.VirtualName", n);
        return;
    }
    if (m->snapshot[0] != '\0')
        ec2_add(r, m->snapshot, "BlockDeviceMapping.%u.Ebs.SnapshotId", n);
    else if (m->encrypted)
        ec2_add(r, "true", "BlockDeviceMapping.%u.Ebs.Encrypted", n);
    if (m->size_gib > 0) {
        snprintf(number, sizeof number, "%" PRIu64, m->size_gib);
        ec2_add(r, number, "BlockDeviceMapping.%u.Ebs.VolumeSize", n);
    }
    if (m->volume_type[0] != '\0')
        ec2_add(r, m->volume_type, "BlockDeviceMapping.%u.Ebs.VolumeType", n);
    if (m->iops > 0) {
        snprintf(number, sizeof number, "%" PRIu64, m->iops);
        ec2_add(r, number, "BlockDeviceMapping.%u.Ebs.Iops", n);
    }
    if (m->throughput > 0) {
        snprintf(number, sizeof number, "%" PRIu64, m->throughput);
        ec2_add(r, number, "BlockDeviceMapping.%u.Ebs.Throughput", n);
    }
    ec2_add(r, m->delete_on_termination ? "true" : "false",
            "BlockDeviceMapping.%u.Ebs.DeleteOnTermination", n);
}

int ec2_register(struct vml_aws *aws, const struct vml_image *a, char id[32], bool *again,
                 struct vml_error *err)
{
    VML_AUTO(ec2_clear) struct ec2_request r = { 0 };
    VML_AUTO(xml_freep) xmlDoc *doc = NULL;

    ec2_begin(&r, "RegisterImage");
    ec2_add(&r, a->name, "Name");
    add_given(&r, "Description", a->description);
    /* EC2's own defaults are i386 and paravirtual */
    ec2_add(&r, a->architecture, "Architecture");
    ec2_add(&r, a->virtualization, "VirtualizationType");
    ec2_add(&r, a->root_device, "RootDeviceName");
    add_given(&r, "BootMode", a->boot_mode);
    add_given(&r, "KernelId", a->kernel);
    add_given(&r, "RamdiskId", a->ramdisk);
    add_given(&r, "TpmSupport", a->tpm);
    add_given(&r, "SriovNetSupport", a->sriov);
    add_given(&r, "ImdsSupport", a->imds);
    if (strcmp(a->virtualization, "hvm") == 0)
        ec2_add(&r, a->ena ? "true" : "false", "EnaSupport");
    for (size_t i = 0; i < a->n_mappings; i++)
        add_mapping(&r, (unsigned)i + 1, &a->mappings[i]);
    for (size_t i = 0, n = 0; i < a->marks.n_codes; i++)
        if (strcmp(a->marks.codes[i].type, VML_PRODUCT_BILLING) == 0)
            ec2_add(&r, a->marks.codes[i].code, "BillingProduct.%zu", ++n);
    if (a->marks.n_tags > 0)
        ec2_add(&r, "image", "TagSpecification.1.ResourceType");
    for (size_t i = 0; i < a->marks.n_tags; i++) {
        ec2_add(&r, a->marks.tags[i].key, "TagSpecification.1.Tag.%zu.Key", i + 1);
        ec2_add(&r, a->marks.tags[i].value, "TagSpecification.1.Tag.%zu.Value", i + 1);
    }
    if (ec2_send(aws, &r, &doc, again, err) < 0)
        return -1;
    xml_text(xmlDocGetRootElement(doc), "imageId", id, 32);
    return id[0] != '\0' ? 0
                         : vml_fail(err, VML_EIO, "aws/answer",
                                    "RegisterImage: the answer has no image's ID");
}

/* --- DescribeImages --------------------------------------------------------------------------- */

static bool text_is(xmlNode *in, const char *path, const char *value)
{
    char text[32];

    return strcmp(xml_text(in, path, text, sizeof text), value) == 0;
}

static uint64_t text_number(xmlNode *in, const char *path)
{
    char text[32];

    return strtoull(xml_text(in, path, text, sizeof text), NULL, 10);
}

#define READ(node, path, field) xml_text(node, path, field, sizeof(field))

static int read_mapping(xmlNode *item, struct vml_image *a, struct vml_error *err)
{
    struct vml_mapping m = { 0 };
    xmlNode *ebs = xml_find(item, "ebs");

    READ(item, "deviceName", m.device);
    READ(item, "virtualName", m.virtual_name);
    m.no_device = xml_find(item, "noDevice") != NULL;
    READ(ebs, "snapshotId", m.snapshot);
    READ(ebs, "volumeType", m.volume_type);
    m.size_gib = text_number(ebs, "volumeSize");
    m.iops = text_number(ebs, "iops");
    m.throughput = text_number(ebs, "throughput");
    m.delete_on_termination = text_is(ebs, "deleteOnTermination", "true");
    m.encrypted = text_is(ebs, "encrypted", "true");
    return vml_image_map(a, &m, err);
}

static int read_tags(xmlNode *set, struct vml_image *a, struct vml_error *err)
{
    for (xmlNode *tag = xml_find(set, "item"); tag != NULL; tag = xml_next(tag)) {
        char key[520], value[1040]; /* 128 and 256 characters */

        READ(tag, "key", key);
        READ(tag, "value", value);
        if (vml_marks_tag(&a->marks, key, value, err) < 0)
            return -1;
    }
    return 0;
}

static int64_t read_time(xmlNode *item, const char *path)
{
    char text[32];
    struct tm tm = { 0 };

    READ(item, path, text);
    return strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) != NULL ? (int64_t)timegm(&tm) : 0;
}

static int read_image(xmlNode *item, struct vml_image *a, struct vml_error *err)
{
    READ(item, "imageId", a->id);
    READ(item, "name", a->name);
    READ(item, "description", a->description);
    READ(item, "imageOwnerId", a->owner);
    READ(item, "architecture", a->architecture);
    READ(item, "virtualizationType", a->virtualization);
    READ(item, "bootMode", a->boot_mode);
    READ(item, "rootDeviceName", a->root_device);
    READ(item, "rootDeviceType", a->root_type);
    READ(item, "platform", a->platform);
    READ(item, "kernelId", a->kernel);
    READ(item, "ramdiskId", a->ramdisk);
    READ(item, "tpmSupport", a->tpm);
    READ(item, "sriovNetSupport", a->sriov);
    READ(item, "imdsSupport", a->imds);
    READ(item, "imageState", a->state);
    a->ena = text_is(item, "enaSupport", "true");
    a->created = read_time(item, "creationDate");
    for (xmlNode *m = xml_find(item, "blockDeviceMapping/item"); m != NULL; m = xml_next(m))
        if (read_mapping(m, a, err) < 0)
            return -1;
    return read_tags(xml_find(item, "tagSet"), a, err);
}

int vml_aws_image(struct vml_aws *aws, const char *id_or_name, struct vml_image *out,
                  struct vml_error *err)
{
    VML_AUTO(ec2_clear) struct ec2_request r = { 0 };
    VML_AUTO(xml_freep) xmlDoc *doc = NULL;
    xmlNode *item;

    ec2_begin(&r, "DescribeImages");
    if (strncmp(id_or_name, "ami-", 4) == 0) {
        ec2_add(&r, id_or_name, "ImageId.1");
    } else {
        ec2_add(&r, "self", "Owner.1");
        ec2_add(&r, "name", "Filter.1.Name");
        ec2_add(&r, id_or_name, "Filter.1.Value.1");
    }
    if (ec2_send(aws, &r, &doc, NULL, err) < 0)
        return -1;
    item = xml_find(xmlDocGetRootElement(doc), "imagesSet/item");
    if (item == NULL)
        return vml_fail(err, VML_ENOTFOUND, "InvalidAMIID.NotFound",
                        "DescribeImages: there is no image %s in %s", id_or_name,
                        vml_aws_region(aws));
    if (xml_next(item) != NULL)
        return vml_fail(err, VML_EREFUSED, "image/ambiguous",
                        "DescribeImages: several images are called %s: give the ID", id_or_name);
    return read_image(item, out, err);
}

/* --- snapshots -------------------------------------------------------------------------------- */

int ec2_snapshot(struct vml_aws *aws, const char *id, struct ec2_snapshot *out,
                 struct vml_error *err)
{
    VML_AUTO(ec2_clear) struct ec2_request r = { 0 };
    VML_AUTO(xml_freep) xmlDoc *doc = NULL;
    xmlNode *item;

    ec2_begin(&r, "DescribeSnapshots");
    ec2_add(&r, id, "SnapshotId.1");
    if (ec2_send(aws, &r, &doc, NULL, err) < 0)
        return -1;
    item = xml_find(xmlDocGetRootElement(doc), "snapshotSet/item");
    if (item == NULL)
        return vml_fail(err, VML_ENOTFOUND, "InvalidSnapshot.NotFound",
                        "DescribeSnapshots: there is no snapshot %s in %s", id,
                        vml_aws_region(aws));
    READ(item, "status", out->state);
    READ(item, "statusMessage", out->message);
    out->gib = text_number(item, "volumeSize");
    return 0;
}

int ec2_delete_snapshot(struct vml_aws *aws, const char *id, struct vml_error *err)
{
    VML_AUTO(ec2_clear) struct ec2_request r = { 0 };
    VML_AUTO(xml_freep) xmlDoc *doc = NULL;

    ec2_begin(&r, "DeleteSnapshot");
    r.cleanup = true;
    ec2_add(&r, id, "SnapshotId");
    if (ec2_send(aws, &r, &doc, NULL, err) == 0)
        return 0;
    return err->code == VML_ENOTFOUND ? 0 : -1;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* 1: so it is, 0: not yet. */
typedef int look_fn(struct vml_aws *aws, const char *id, char state[32], struct vml_error *err);

static int look_at_snapshot(struct vml_aws *aws, const char *id, char state[32],
                            struct vml_error *err)
{
    struct ec2_snapshot s;

    if (ec2_snapshot(aws, id, &s, err) < 0)
        return -1;
    memcpy(state, s.state, 32);
    if (strcmp(s.state, "error") == 0)
        return vml_fail(err, VML_EIO, "aws/failed", "snapshot %s came to an error%s%s", id,
                        s.message[0] != '\0' ? ": " : "", s.message);
    return strcmp(s.state, "completed") == 0;
}

static int look_at_image(struct vml_aws *aws, const char *id, char state[32], struct vml_error *err)
{
    VML_AUTO(vml_image_clear) struct vml_image a = { 0 };

    if (vml_aws_image(aws, id, &a, err) < 0)
        return -1;
    snprintf(state, 32, "%s", a.state);
    if (strcmp(a.state, "failed") == 0 || strcmp(a.state, "error") == 0 ||
        strcmp(a.state, "invalid") == 0 || strcmp(a.state, "deregistered") == 0)
        return vml_fail(err, VML_EIO, "aws/failed", "image %s is %s", id, a.state);
    return strcmp(a.state, VML_AVAILABLE) == 0;
}

/* What was made a moment ago may not be known everywhere yet. */
static int wait_for(struct vml_aws *aws, look_fn *look, const char *id, ec2_tick *tick, void *arg,
                    struct vml_error *err)
{
    double seconds = WAIT_FIRST, unknown = 0;
    char state[32] = "";

    for (;;) {
        int rc = look(aws, id, state, err);

        if (rc > 0)
            return 0;
        if (rc < 0 && (err->code != VML_ENOTFOUND || unknown > 120))
            return -1;
        if (rc < 0)
            unknown += seconds;
        if (tick != NULL)
            tick(arg, id, state);
        if (http_sleep(seconds, false, err) < 0)
            return -1;
        seconds = seconds * 1.5 < WAIT_MOST ? seconds * 1.5 : WAIT_MOST;
    }
}

int ec2_wait_snapshot(struct vml_aws *aws, const char *id, ec2_tick *tick, void *arg,
                      struct vml_error *err)
{
    return wait_for(aws, look_at_snapshot, id, tick, arg, err);
}

int ec2_wait_image(struct vml_aws *aws, const char *id, ec2_tick *tick, void *arg,
                   struct vml_error *err)
{
    return wait_for(aws, look_at_image, id, tick, arg, err);
}
