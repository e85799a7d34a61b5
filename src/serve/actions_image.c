/* EC2: what images there are, and making and unmaking them. */
#include <stdlib.h>
#include <string.h>

#include "serve/actions.h"
#include "serve/filters.h"
#include "serve/page.h"
#include "vmlift/rules.h"

#define VOLUME_TYPE "gp2" /* EC2's default */

/* --- DescribeImages --------------------------------------------------------------------------- */

struct describe {
    struct vml_answer *a;
    struct vml_page page;
};

static int describe_one(void *arg, const struct vml_image *image, struct vml_error *err)
{
    struct describe *d = arg;
    char position[64];

    (void)err;
    snprintf(position, sizeof position, "%016llx", (unsigned long long)image->seq);
    if (vml_page_takes(&d->page, position))
        vml_print_image(d->a, image);
    return 0;
}

/* What is asked for, and by whom it may be used. */
struct query {
    struct vml_filters filters;
    struct vml_texts ids, owners, executable_by;
};

static void query_clear(struct query *q)
{
    vml_filters_clear(&q->filters);
    vml_texts_clear(&q->ids);
    vml_texts_clear(&q->owners);
    vml_texts_clear(&q->executable_by);
}

int vml_do_describe_images(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(query_clear) struct query q = { .filters = { .of = VML_FILTER_IMAGES } };
    struct describe d = { .a = a };
    bool deprecated = false, disabled = false;

    if (vml_request_filters(r, &q.filters, err) < 0 ||
        vml_param_list(r, "ImageId", &q.ids, err) < 0 ||
        vml_param_list(r, "Owner", &q.owners, err) < 0 ||
        vml_param_list(r, "ExecutableBy", &q.executable_by, err) < 0 ||
        vml_param_bool(r, &deprecated, err, "IncludeDeprecated") < 0 ||
        vml_param_bool(r, &disabled, err, "IncludeDisabled") < 0 ||
        vml_check_image_ids(&q.ids, err) < 0 || vml_page_read(&d.page, r, 1, err) < 0 ||
        vml_dry_run(r, err) < 0)
        return -1;
    const struct vml_image_query query = {
        .filters = &q.filters,
        .ids = q.ids.items,
        .n_ids = q.ids.n,
        .owners = q.owners.items,
        .n_owners = q.owners.n,
        .executable_by = q.executable_by.items,
        .n_executable_by = q.executable_by.n,
        .deprecated = deprecated,
        .disabled = disabled,
    };
    vml_xml_open(a, "imagesSet");
    if (vml_registry_list(r->store, &r->where, &query, describe_one, &d, err) < 0)
        return -1;
    vml_xml_close(a, "imagesSet");
    vml_page_end(&d.page, a);
    return 0;
}

/* --- RegisterImage ---------------------------------------------------------------------------- */

static const char *or_else(const struct vml_request *r, const char *name, const char *otherwise)
{
    const char *value = vml_param(r, "%s", name);

    return value != NULL ? value : otherwise;
}

/* What is not said is as EC2 has it, which is i386 and paravirtual. */
static int read_record(struct vml_request *r, struct vml_image *image, struct vml_error *err)
{
    const char *location = or_else(r, "ImageLocation", "");
    bool bundle = location[0] != '\0';

    return VML_SET(image->name, "Name", or_else(r, "Name", ""), err) < 0 ||
                   VML_SET(image->description, "Description", or_else(r, "Description", ""), err) <
                       0 ||
                   VML_SET(image->owner, "Owner", r->account, err) < 0 ||
                   VML_SET(image->region, "Region", r->region, err) < 0 ||
                   VML_SET(image->architecture, "Architecture", or_else(r, "Architecture", "i386"),
                           err) < 0 ||
                   VML_SET(image->virtualization, "VirtualizationType",
                           or_else(r, "VirtualizationType", "paravirtual"), err) < 0 ||
                   VML_SET(image->root_device, "RootDeviceName",
                           or_else(r, "RootDeviceName", "/dev/sda1"), err) < 0 ||
                   VML_SET(image->kernel, "KernelId", or_else(r, "KernelId", ""), err) < 0 ||
                   VML_SET(image->ramdisk, "RamdiskId", or_else(r, "RamdiskId", ""), err) < 0 ||
                   VML_SET(image->boot_mode, "BootMode", or_else(r, "BootMode", ""), err) < 0 ||
                   VML_SET(image->tpm, "TpmSupport", or_else(r, "TpmSupport", ""), err) < 0 ||
                   VML_SET(image->imds, "ImdsSupport", or_else(r, "ImdsSupport", ""), err) < 0 ||
                   VML_SET(image->sriov, "SriovNetSupport", or_else(r, "SriovNetSupport", ""),
                           err) < 0 ||
                   VML_SET(image->root_type, "RootDeviceType", bundle ? VML_INSTANCE_STORE : "ebs",
                           err) < 0 ||
                   vml_set_owned(&image->location, location, err) < 0 ||
                   vml_param_bool(r, &image->ena, err, "EnaSupport") < 0
               ? -1
               : 0;
}

static int read_products(struct vml_request *r, struct vml_image *image, struct vml_error *err)
{
    VML_AUTO(vml_texts_clear) struct vml_texts products = { NULL, 0 };

    if (vml_param_list(r, "BillingProduct", &products, err) < 0)
        return -1;
    for (size_t i = 0; i < products.n; i++)
        if (vml_marks_code(&image->marks, VML_PRODUCT_BILLING, products.items[i], err) < 0)
            return -1;
    return 0;
}

static int register_image(struct vml_request *r, struct vml_image *image, struct vml_error *err)
{
    VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };

    if (vml_register(r->store, image, &notes, err) == 0)
        return 0;
    for (size_t i = 0; i < image->n_mappings; i++)
        vml_not_yet(r, image->mappings[i].snapshot, err);
    return -1;
}

int vml_do_register_image(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(vml_image_clear) struct vml_image image = { 0 };
    const char *name;

    if (vml_param_need(r, "Name", &name, err) < 0 || vml_rule_name(name, err) < 0 ||
        read_record(r, &image, err) < 0 || read_products(r, &image, err) < 0 ||
        vml_request_mappings(r, VOLUME_TYPE, &image, err) < 0 ||
        vml_request_tags(r, "image", "image", &image.marks, err) < 0 || vml_dry_run(r, err) < 0 ||
        register_image(r, &image, err) < 0)
        return -1;
    vml_xml_text(a, "imageId", image.id);
    return 0;
}

/* --- CreateImage ------------------------------------------------------------------------------ */

/* What there is no image for was no machine either. */
static int create(struct vml_request *r, const char *instance, const char *origin, bool no_reboot,
                  struct vml_image *image, struct vml_error *err)
{
    VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
    const struct vml_creating how = { origin, no_reboot, &notes };

    if (vml_registry_create(r->store, &how, image, err) == 0)
        return 0;
    if (err->code == VML_ENOTFOUND && strncmp(err->slug, "InvalidAMIID.", 13) == 0)
        return vml_fail(err, VML_ENOTFOUND, "InvalidInstanceID.NotFound",
                        "The instance ID '%.64s' does not exist", instance);
    return -1;
}

int vml_do_create_image(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(vml_image_clear) struct vml_image image = { 0 };
    VML_AUTO(vml_marks_clear) struct vml_marks snapshots = { 0 };
    const char *name, *instance, *description = vml_param(r, "Description");
    bool no_reboot = false;
    char origin[32];

    if (vml_param_need(r, "Name", &name, err) < 0 ||
        vml_param_need(r, "InstanceId", &instance, err) < 0 ||
        vml_origin(instance, "i-", "ami-", "InvalidInstance", origin, err) < 0 ||
        vml_param_bool(r, &no_reboot, err, "NoReboot") < 0 || vml_rule_name(name, err) < 0 ||
        VML_SET(image.name, "Name", name, err) < 0 ||
        VML_SET(image.description, "Description", description != NULL ? description : "", err) <
            0 ||
        VML_SET(image.owner, "Owner", r->account, err) < 0 ||
        VML_SET(image.region, "Region", r->region, err) < 0 ||
        vml_request_mappings(r, "", &image, err) < 0 ||
        vml_request_tags(r, "image", "image snapshot", &image.marks, err) < 0 ||
        vml_request_tags(r, "snapshot", "image snapshot", &snapshots, err) < 0 ||
        vml_dry_run(r, err) < 0)
        return -1;
    if (create(r, instance, origin, no_reboot, &image, err) < 0 ||
        vml_tag_made(r, &image, &snapshots, err) < 0)
        return -1;
    vml_xml_text(a, "imageId", image.id);
    return 0;
}

/* --- DeregisterImage -------------------------------------------------------------------------- */

int vml_do_deregister_image(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(vml_deregistered_clear) struct vml_deregistered done = { .n = 0 };
    bool delete_snapshots = false;
    const char *id;

    if (vml_need_image(r, "ImageId", &id, err) < 0 ||
        vml_param_bool(r, &delete_snapshots, err, "DeleteAssociatedSnapshots") < 0 ||
        vml_check_own_image(r, id, err) < 0 || vml_dry_run(r, err) < 0 ||
        vml_registry_deregister(r->store, &r->where, id, delete_snapshots, &done, err) < 0)
        return -1;
    vml_print_true(a);
    if (!delete_snapshots)
        return 0;
    vml_xml_open(a, "deleteSnapshotResultSet");
    for (size_t i = 0; i < done.n; i++) {
        vml_xml_open(a, "item");
        vml_xml_text(a, "snapshotId", done.snapshots[i].snapshot);
        vml_xml_text(a, "returnCode", done.snapshots[i].result);
        vml_xml_close(a, "item");
    }
    vml_xml_close(a, "deleteSnapshotResultSet");
    return 0;
}
