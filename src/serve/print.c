/* Images and snapshots as EC2's XML has them. */
#include <string.h>

#include "serve/actions.h"
#include "vmlift/filter.h"
#include "vmlift/key.h"

void vml_print_true(struct vml_answer *a)
{
    vml_xml_bool(a, "return", true);
}

void vml_print_tags(struct vml_answer *a, const struct vml_tag *tags, size_t n)
{
    if (n == 0)
        return;
    vml_xml_open(a, "tagSet");
    for (size_t i = 0; i < n; i++) {
        vml_xml_open(a, "item");
        vml_xml_text(a, "key", tags[i].key);
        vml_xml_text(a, "value", tags[i].value);
        vml_xml_close(a, "item");
    }
    vml_xml_close(a, "tagSet");
}

/* Keys are told as KMS's ARNs, in which there is whose they are. */
static int print_key(struct vml_answer *a, struct vml_request *r, const char *id,
                     struct vml_error *err)
{
    VML_AUTO(vml_key_clear) struct vml_key key = { .id = "" };
    char arn[160];

    if (id[0] == '\0')
        return 0;
    if (vml_key_get(r->store, id, NULL, r->region, &key, err) < 0) {
        if (err->code == VML_ENOMEM)
            return -1;
        vml_xml_text(a, "kmsKeyId", id); /* its file is gone, or damaged */
        return 0;
    }
    snprintf(arn, sizeof arn, "arn:aws:kms:%s:%s:key/%s", key.region, key.owner, key.id);
    vml_xml_text(a, "kmsKeyId", arn);
    return 0;
}

/* --- images ----------------------------------------------------------------------------------- */

static void print_ebs(struct vml_answer *a, const struct vml_mapping *m)
{
    vml_xml_open(a, "ebs");
    vml_xml_option(a, "snapshotId", m->snapshot);
    if (m->size_gib > 0)
        vml_xml_number(a, "volumeSize", m->size_gib);
    vml_xml_bool(a, "deleteOnTermination", m->delete_on_termination);
    vml_xml_option(a, "volumeType", m->volume_type);
    if (m->iops > 0)
        vml_xml_number(a, "iops", m->iops);
    if (m->throughput > 0)
        vml_xml_number(a, "throughput", m->throughput);
    vml_xml_bool(a, "encrypted", m->encrypted);
    vml_xml_close(a, "ebs");
}

static void print_mapping(struct vml_answer *a, const struct vml_mapping *m)
{
    vml_xml_open(a, "item");
    vml_xml_text(a, "deviceName", m->device);
    if (m->no_device)
        vml_xml_text(a, "noDevice", "");
    else if (m->virtual_name[0] != '\0')
        vml_xml_text(a, "virtualName", m->virtual_name);
    else
        print_ebs(a, m);
    vml_xml_close(a, "item");
}

void vml_print_products(struct vml_answer *a, const struct vml_marks *m)
{
    vml_xml_open(a, "productCodes");
    for (size_t i = 0; i < m->n_codes; i++) {
        if (strcmp(m->codes[i].type, VML_PRODUCT_BILLING) == 0)
            continue; /* told of as what is billed */
        vml_xml_open(a, "item");
        vml_xml_text(a, "productCode", m->codes[i].code);
        vml_xml_text(a, "type", m->codes[i].type);
        vml_xml_close(a, "item");
    }
    vml_xml_close(a, "productCodes");
}

static void print_support(struct vml_answer *a, const struct vml_image *i)
{
    vml_xml_option(a, "sriovNetSupport", i->sriov);
    vml_xml_bool(a, "enaSupport", i->ena);
    vml_xml_option(a, "bootMode", i->boot_mode);
    vml_xml_option(a, "tpmSupport", i->tpm);
    vml_xml_option(a, "imdsSupport", i->imds);
}

void vml_print_image(struct vml_answer *a, const struct vml_image *i)
{
    char location[192];

    vml_xml_open(a, "item");
    vml_xml_text(a, "imageId", i->id);
    vml_xml_text(a, "imageLocation", vml_image_location(i, location));
    vml_xml_text(a, "imageState", i->state);
    vml_xml_text(a, "imageOwnerId", i->owner);
    vml_xml_time(a, "creationDate", i->created);
    vml_xml_bool(a, "isPublic", vml_image_public(i));
    vml_print_products(a, &i->marks);
    vml_xml_text(a, "architecture", i->architecture);
    vml_xml_text(a, "imageType", "machine");
    vml_xml_option(a, "kernelId", i->kernel);
    vml_xml_option(a, "ramdiskId", i->ramdisk);
    vml_xml_option(a, "platform", i->platform);
    vml_xml_option(a, "platformDetails", vml_image_platform_details(i));
    vml_xml_option(a, "usageOperation", vml_image_usage_operation(i));
    vml_xml_option(a, "imageOwnerAlias", vml_image_owner_alias(i));
    vml_xml_text(a, "name", i->name);
    vml_xml_option(a, "description", i->description);
    vml_xml_text(a, "rootDeviceType", i->root_type[0] != '\0' ? i->root_type : "ebs");
    vml_xml_text(a, "rootDeviceName", i->root_device);
    vml_xml_open(a, "blockDeviceMapping");
    for (size_t k = 0; k < i->n_mappings; k++)
        print_mapping(a, &i->mappings[k]);
    vml_xml_close(a, "blockDeviceMapping");
    vml_xml_text(a, "virtualizationType", i->virtualization);
    vml_xml_text(a, "hypervisor", "xen");
    print_support(a, i);
    if (i->deprecated != 0)
        vml_xml_time(a, "deprecationTime", i->deprecated);
    vml_xml_option(a, "sourceImageId", i->source_image);
    vml_xml_option(a, "sourceImageRegion", i->source_region);
    vml_xml_text(a, "deregistrationProtection", vml_image_deregistration(i, vml_now()));
    vml_print_tags(a, i->marks.tags, i->marks.n_tags);
    vml_xml_close(a, "item");
}

/* --- snapshots -------------------------------------------------------------------------------- */

/* That of an encrypted one is for who may use its key. */
static int print_description(struct vml_answer *a, struct vml_request *r,
                             const struct vml_registry_snapshot *s, struct vml_error *err)
{
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot own = { .id = "" };
    const char *text = s->is.description;

    if (s->is.key[0] != '\0' && s->state == NULL) {
        if (vml_snapshot_get(r->store, s->is.id, &own, err) < 0)
            return -1;
        if (vml_snapshot_reveal(r->store, &own, err) == 0)
            text = own.description;
        else if (strncmp(err->slug, "key/", 4) != 0 && err->code != VML_EDATA)
            return -1;
    }
    vml_xml_text(a, "description", text != NULL ? text : "");
    return 0;
}

int vml_print_snapshot(struct vml_answer *a, struct vml_request *r,
                       const struct vml_registry_snapshot *s, struct vml_error *err)
{
    const struct vml_snapshot *is = &s->is;

    vml_xml_open(a, "item");
    vml_xml_text(a, "snapshotId", is->id);
    vml_xml_text(a, "volumeId", VML_NO_VOLUME);
    vml_xml_text(a, "status", s->state != NULL ? s->state : "completed");
    vml_xml_time(a, "startTime", is->created);
    vml_xml_text(a, "progress", s->progress != NULL ? s->progress : "100%");
    vml_xml_text(a, "ownerId", is->owner);
    vml_xml_number(a, "volumeSize", vml_div_up(is->size, VML_GIB));
    if (print_description(a, r, s, err) < 0)
        return -1;
    vml_xml_bool(a, "encrypted", is->key[0] != '\0');
    if (print_key(a, r, is->key, err) < 0)
        return -1;
    vml_xml_text(a, "storageTier", "standard");
    if (s->state == NULL)
        vml_xml_number(a, "fullSnapshotSizeInBytes", is->data_size);
    vml_print_tags(a, s->marks.tags, s->marks.n_tags);
    vml_xml_close(a, "item");
    return 0;
}
