#include <string.h>

#include "image.h"
#include "marks.h"
#include "vmlift/filter.h"

const char *image_key(struct vml_store *s, const struct vml_mapping *m, char key[37])
{
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot snap = { 0 };
    struct vml_error ignored = { 0 };

    key[0] = '\0';
    if (!m->encrypted || m->snapshot[0] == '\0')
        return key;
    if (vml_snapshot_get(s, m->snapshot, &snap, &ignored) == 0)
        memcpy(key, snap.key, sizeof snap.key);
    else if (ignored.code == VML_ENOMEM)
        out_lost();
    return key;
}

/* Members that EC2 leaves out, too, when there is nothing to say. */
static void set_text(json_t *v, const char *member, const char *text)
{
    if (text != NULL && text[0] != '\0')
        json_object_set_new(v, member, json_text(text));
}

static void set_number(json_t *v, const char *member, uint64_t number)
{
    if (number != 0)
        json_object_set_new(v, member, json_size(number));
}

static void set_time(json_t *v, const char *member, int64_t seconds)
{
    char when[32];

    if (seconds != 0)
        json_object_set_new(v, member, json_string(vml_ec2_time(when, seconds)));
}

/* --- mappings ------------------------------------------------------------------------------- */

static json_t *ebs_json(const struct vml_mapping *m, struct vml_store *s)
{
    char key[37];
    json_t *v = json_pack("{s:b, s:b}", "DeleteOnTermination", m->delete_on_termination,
                          "Encrypted", m->encrypted);

    set_text(v, "SnapshotId", m->snapshot);
    set_number(v, "VolumeSize", m->size_gib);
    set_text(v, "VolumeType", m->volume_type);
    set_number(v, "Iops", m->iops);
    set_number(v, "Throughput", m->throughput);
    set_text(v, "KmsKeyId", image_key(s, m, key));
    return v;
}

static json_t *mapping_json(const struct vml_mapping *m, struct vml_store *s)
{
    if (m->no_device)
        return json_pack("{s:s, s:s}", "DeviceName", m->device, "NoDevice", "");
    if (m->virtual_name[0] != '\0')
        return json_pack("{s:s, s:s}", "DeviceName", m->device, "VirtualName", m->virtual_name);
    return json_pack("{s:s, s:o}", "DeviceName", m->device, "Ebs", ebs_json(m, s));
}

static json_t *mappings_json(const struct vml_image *a, struct vml_store *s)
{
    json_t *mappings = json_array();

    for (size_t i = 0; i < a->n_mappings; i++)
        json_array_append_new(mappings, mapping_json(&a->mappings[i], s));
    return mappings;
}

/* --- products ------------------------------------------------------------------------------- */

/* DescribeImages tells of licences as what is billed for a machine, and of other products by their
 * codes. */
static void set_codes(json_t *v, const struct vml_image *a)
{
    json_t *products = json_array(), *licences = json_array();

    for (size_t i = 0; i < a->marks.n_codes; i++) {
        const struct vml_product_code *c = &a->marks.codes[i];
        if (strcmp(c->type, VML_PRODUCT_BILLING) == 0)
            json_array_append_new(licences, json_text(c->code));
        else
            json_array_append_new(products,
                                  json_pack("{s:o, s:s}", "ProductCodeId", json_text(c->code),
                                            "ProductCodeType", c->type));
    }
    set_text(v, "PlatformDetails", vml_image_platform_details(a));
    set_text(v, "UsageOperation", vml_image_usage_operation(a));
    if (json_array_size(products) > 0)
        json_object_set(v, "ProductCodes", products);
    if (json_array_size(licences) > 0)
        json_object_set(v, "BillingProducts", licences);
    json_decref(products);
    json_decref(licences);
}

/* --- the image ------------------------------------------------------------------------------ */

static void set_rest(json_t *v, const struct vml_image *a)
{
    set_text(v, "BootMode", a->boot_mode);
    set_text(v, "Platform", a->platform);
    set_text(v, "KernelId", a->kernel);
    set_text(v, "RamdiskId", a->ramdisk);
    set_text(v, "SriovNetSupport", a->sriov);
    set_text(v, "TpmSupport", a->tpm);
    set_text(v, "ImdsSupport", a->imds);
    set_text(v, "ImageOwnerAlias", vml_image_owner_alias(a));
    set_text(v, "SourceImageId", a->source_image);
    set_text(v, "SourceImageRegion", a->source_region);
    set_time(v, "DeprecationTime", a->deprecated);
    set_codes(v, a);
    /* What EC2 does not know. */
    set_text(v, "SourceFormat", a->source_format);
    if (a->crash_consistent)
        json_object_set_new(v, "CrashConsistent", json_true());
}

json_t *image_json(const struct vml_image *a, struct vml_store *s)
{
    char when[32], location[192];
    json_t *v = json_pack(
        "{s:s, s:o, s:o, s:s, s:s, s:s, s:o, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:o, "
        "s:o, s:o}",
        "ImageId", a->id, "Name", json_text(a->name), "Description", json_text(a->description),
        "State", a->state, "OwnerId", a->owner, "CreationDate", vml_ec2_time(when, a->created),
        "ImageLocation", json_text(vml_image_location(a, location)), "Public", vml_image_public(a),
        "ImageType", "machine", "Architecture", a->architecture, "VirtualizationType",
        a->virtualization, "Hypervisor", "xen", "RootDeviceType",
        a->root_type[0] != '\0' ? a->root_type : "ebs", "RootDeviceName", a->root_device,
        "EnaSupport", a->ena, "DeregistrationProtection", vml_image_deregistration(a, vml_now()),
        "BlockDeviceMappings", mappings_json(a, s), "Tags", marks_tags(&a->marks), "Source",
        json_text(a->source != NULL ? a->source : ""));

    set_rest(v, a);
    return v;
}
