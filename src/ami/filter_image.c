/* DescribeImages' filters (EC2 API reference), and what they ask of the record. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "ami/filter.h"

/* --- what follows from the record ----------------------------------------------------------- */

const char *vml_image_location(const struct vml_image *a, char buf[192])
{
    if (a->location && a->location[0])
        return a->location;
    snprintf(buf, 192, "%s/%s", a->owner, a->name);
    return buf;
}

static bool is_marketplace(const struct vml_image *a)
{
    for (size_t i = 0; i < a->marks.n_codes; i++) {
        if (strcmp(a->marks.codes[i].type, VML_PRODUCT_MARKETPLACE) == 0)
            return true;
    }
    return false;
}

/* Amazon Linux, Windows, and the Marketplace publish from these accounts (EC2 User Guide).  What
 * was made of a product has its code, and is not the product. */
const char *vml_image_owner_alias(const struct vml_image *a)
{
    static const char *const amazon[] = { "137112412989", "801119661308" };
    for (size_t i = 0; i < sizeof amazon / sizeof *amazon; i++) {
        if (strcmp(a->owner, amazon[i]) == 0)
            return "amazon";
    }
    return strcmp(a->owner, "679593333241") == 0 || (is_marketplace(a) && !a->source_image[0])
               ? "aws-marketplace"
               : "";
}

/* --- answers: of the image itself ----------------------------------------------------------- */

static bool creation_date(const struct vml_filter *f, const void *record)
{
    const struct vml_image *a = record;
    char buf[32];
    return vml_filter_has(f, vml_ec2_time(buf, a->created));
}

static bool ena(const struct vml_filter *f, const void *record)
{
    const struct vml_image *a = record;
    return vml_filter_flag(f, a->ena);
}

static bool hypervisor(const struct vml_filter *f, const void *record)
{
    (void)record;
    return vml_filter_has(f, "xen"); /* of Nitro's, too */
}

static bool image_type(const struct vml_filter *f, const void *record)
{
    (void)record;
    return vml_filter_has(f, "machine"); /* kernels and RAM disks are none of the registry's */
}

static bool is_public(const struct vml_filter *f, const void *record)
{
    return vml_filter_flag(f, vml_image_public(record));
}

static bool location(const struct vml_filter *f, const void *record)
{
    char buf[192];
    return vml_filter_has(f, vml_image_location(record, buf));
}

static bool owner_alias(const struct vml_filter *f, const void *record)
{
    return vml_filter_has(f, vml_image_owner_alias(record));
}

/* Made of no instance, and never failing: no image has one. */
static bool absent(const struct vml_filter *f, const void *record)
{
    (void)f;
    (void)record;
    return false;
}

/* --- answers: one of several ---------------------------------------------------------------- */

typedef bool mapping_fn(const struct vml_filter *f, const struct vml_mapping *m);

static bool any_mapping(const struct vml_filter *f, const void *record, mapping_fn *test)
{
    const struct vml_image *a = record;
    for (size_t i = 0; i < a->n_mappings; i++) {
        if (test(f, &a->mappings[i]))
            return true;
    }
    return false;
}

/* What there is to say of a volume is not said of an instance's own, nor of none. */
static bool is_volume(const struct vml_mapping *m)
{
    return !m->no_device && !m->virtual_name[0];
}

#define MAPPING(name, test)                                                        \
    static bool name##_of(const struct vml_filter *f, const struct vml_mapping *m) \
    {                                                                              \
        return test;                                                               \
    }                                                                              \
    static bool name(const struct vml_filter *f, const void *record)               \
    {                                                                              \
        return any_mapping(f, record, name##_of);                                  \
    }
MAPPING(device_name, vml_filter_has(f, m->device))
MAPPING(snapshot_id, vml_filter_has(f, m->snapshot))
MAPPING(volume_type, is_volume(m) && vml_filter_has(f, m->volume_type))
MAPPING(volume_size, is_volume(m) && vml_filter_number(f, m->size_gib))
MAPPING(on_termination, is_volume(m) && vml_filter_flag(f, m->delete_on_termination))
MAPPING(encrypted, is_volume(m) && vml_filter_flag(f, m->encrypted))

/* Licences (VML_PRODUCT_BILLING) are no product codes: EC2 tells of them as the usage operation. */
static bool any_code(const struct vml_filter *f, const struct vml_marks *m, bool type)
{
    for (size_t i = 0; i < m->n_codes; i++) {
        const struct vml_product_code *c = &m->codes[i];
        if (strcmp(c->type, VML_PRODUCT_BILLING) != 0 &&
            vml_filter_has(f, type ? c->type : c->code))
            return true;
    }
    return false;
}

static bool product_code(const struct vml_filter *f, const void *record)
{
    const struct vml_image *a = record;
    return any_code(f, &a->marks, false);
}

static bool product_type(const struct vml_filter *f, const void *record)
{
    const struct vml_image *a = record;
    return any_code(f, &a->marks, true);
}

static bool tag_key(const struct vml_filter *f, const void *record)
{
    const struct vml_image *a = record;
    return vml_filter_tag_key(f, &a->marks);
}

static bool tag(const struct vml_filter *f, const void *record)
{
    const struct vml_image *a = record;
    return vml_filter_tag(f, &a->marks);
}

/* --- the table ------------------------------------------------------------------------------ */

#define TEXT(name, member, column)                                          \
    {                                                                       \
        name, VML_BY_TEXT, offsetof(struct vml_image, member), NULL, column \
    }
#define ANSWER(name, fn)                 \
    {                                    \
        name, VML_BY_ANSWER, 0, fn, NULL \
    }

const struct vml_filter_kind vml_image_filters[] = {
    TEXT("architecture", architecture, "architecture"),
    ANSWER("block-device-mapping.delete-on-termination", on_termination),
    ANSWER("block-device-mapping.device-name", device_name),
    ANSWER("block-device-mapping.encrypted", encrypted),
    ANSWER("block-device-mapping.snapshot-id", snapshot_id),
    ANSWER("block-device-mapping.volume-size", volume_size),
    ANSWER("block-device-mapping.volume-type", volume_type),
    ANSWER("creation-date", creation_date),
    TEXT("description", description, "description"),
    ANSWER("ena-support", ena),
    { "free-tier-eligible", VML_BY_NOBODY, 0, NULL, NULL },
    ANSWER("hypervisor", hypervisor),
    { "image-allowed", VML_BY_NOBODY, 0, NULL, NULL },
    TEXT("image-id", id, "id"),
    ANSWER("image-type", image_type),
    ANSWER("is-public", is_public),
    TEXT("kernel-id", kernel, "kernel"),
    ANSWER("manifest-location", location),
    TEXT("name", name, "name"),
    ANSWER("owner-alias", owner_alias),
    TEXT("owner-id", owner, "owner"),
    TEXT("platform", platform, "platform"),
    ANSWER("product-code", product_code),
    ANSWER("product-code.type", product_type),
    TEXT("ramdisk-id", ramdisk, "ramdisk"),
    TEXT("root-device-name", root_device, "root_device"),
    TEXT("root-device-type", root_type, "root_type"),
    TEXT("source-image-id", source_image, "source_image"),
    TEXT("source-image-region", source_region, "source_region"),
    ANSWER("source-instance-id", absent),
    TEXT("sriov-net-support", sriov, "sriov"),
    TEXT("state", state, "state"),
    ANSWER("state-reason-code", absent),
    ANSWER("state-reason-message", absent),
    ANSWER("tag-key", tag_key),
    ANSWER("tag:", tag),
    TEXT("virtualization-type", virtualization, "virtualization"),
    { 0 },
};

bool vml_filters_image(const struct vml_filters *f, const struct vml_image *a)
{
    return vml_filters_take(f, a);
}
