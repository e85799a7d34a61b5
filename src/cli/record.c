#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mapping.h"
#include "tags.h"
#include "vmlift/rules.h"

void record_clear(struct record *r)
{
    opt_list_clear(&r->mappings);
    opt_list_clear(&r->products);
    opt_list_clear(&r->tags);
}

static const char *or_else(const char *value, const char *otherwise)
{
    return value != NULL ? value : otherwise;
}

const char *record_volume_type(const struct record *r, const char *type)
{
    return or_else(r->volume_type, type);
}

static int fill_tags(const struct opt_list *words, struct vml_image *a, struct vml_error *err)
{
    VML_AUTO(tags_clear) struct tags tags = { 0 };

    if (tags_read(NULL, words, false, &tags, err) < 0)
        return -1;
    for (size_t i = 0; i < tags.n; i++)
        if (vml_marks_tag(&a->marks, tags.items[i].key, tags.items[i].value, err) < 0)
            return -1;
    return 0;
}

static int fill_mappings(const struct record *r, const char *type, struct vml_image *a,
                         struct vml_error *err)
{
    for (size_t i = 0; i < r->mappings.n; i++) {
        struct vml_mapping m;
        if (mapping_parse(&m, r->mappings.items[i], a->root_device, err) < 0)
            return -1;
        bool volume = m.virtual_name[0] == '\0' && !m.no_device;
        if (volume && m.volume_type[0] == '\0' &&
            VML_SET(m.volume_type, "Volume type", record_volume_type(r, type), err) < 0)
            return -1;
        if (vml_image_map(a, &m, err) < 0)
            return -1;
    }
    return 0;
}

int record_fill(const struct record *r, const char *verb, const struct vml_where *where,
                const char *type, struct vml_image *a, struct vml_error *err)
{
    if (r->name == NULL)
        return vml_fail(err, VML_EUSAGE, "usage/name", "%s: the AMI needs a name: --name NAME",
                        verb);
    if (r->ena && r->no_ena)
        return vml_fail(err, VML_EUSAGE, "usage/ena", "--ena and --no-ena exclude each other");
    /* What is no option at all comes before what EC2 refuses. */
    if (VML_SET(a->root_device, "Root device", or_else(r->root_device, "/dev/sda1"), err) < 0 ||
        fill_tags(&r->tags, a, err) < 0 || fill_mappings(r, type, a, err) < 0)
        return -1;
    if (vml_rule_name(r->name, err) < 0 || VML_SET(a->name, "Name", r->name, err) < 0 ||
        VML_SET(a->description, "Description", or_else(r->description, ""), err) < 0 ||
        VML_SET(a->owner, "Owner", where->owner, err) < 0 ||
        VML_SET(a->region, "Region", where->region, err) < 0 ||
        VML_SET(a->architecture, "Architecture", or_else(r->arch, "x86_64"), err) < 0 ||
        VML_SET(a->virtualization, "Virtualization type", or_else(r->virt, "hvm"), err) < 0 ||
        VML_SET(a->kernel, "Kernel ID", or_else(r->kernel, ""), err) < 0 ||
        VML_SET(a->ramdisk, "RAM disk ID", or_else(r->ramdisk, ""), err) < 0 ||
        VML_SET(a->boot_mode, "Boot mode", or_else(r->boot_mode, ""), err) < 0 ||
        VML_SET(a->tpm, "TPM", or_else(r->tpm, ""), err) < 0 ||
        VML_SET(a->imds, "IMDS", or_else(r->imds, ""), err) < 0 ||
        VML_SET(a->sriov, "SR-IOV", r->sriov ? "simple" : "", err) < 0 ||
        VML_SET(a->platform, "Platform", or_else(r->platform, ""), err) < 0 ||
        VML_SET(a->root_type, "Root device type", "ebs", err) < 0)
        return -1;
    a->ena = r->ena || (!r->no_ena && strcmp(a->virtualization, "hvm") == 0);
    for (size_t i = 0; i < r->products.n; i++)
        if (vml_marks_code(&a->marks, VML_PRODUCT_BILLING, r->products.items[i], err) < 0)
            return -1;
    return 0;
}

int record_map(const struct record *r, struct vml_image *a, const char *device,
               const char *snapshot, struct vml_error *err)
{
    struct vml_mapping added = { .delete_on_termination = strcmp(device, a->root_device) == 0 };

    for (size_t i = 0; i < a->n_mappings; i++) {
        struct vml_mapping *m = &a->mappings[i];
        if (strcmp(m->device, device) != 0)
            continue;
        if (m->snapshot[0] != '\0')
            return vml_fail(err, VML_EUSAGE, "usage/mapping",
                            "--mapping: %s: its snapshot is said twice", device);
        return VML_SET(m->snapshot, "Snapshot ID", snapshot, err);
    }
    return VML_SET(added.device, "Device name", device, err) < 0 ||
                   VML_SET(added.snapshot, "Snapshot ID", snapshot, err) < 0 ||
                   VML_SET(added.volume_type, "Volume type", record_volume_type(r, EC2_VOLUME_TYPE),
                           err) < 0
               ? -1
               : vml_image_map(a, &added, err);
}

json_t *record_snapshots(const struct vml_image *a)
{
    json_t *ids = json_array();

    for (size_t i = 0; i < a->n_mappings; i++)
        if (a->mappings[i].snapshot[0] != '\0')
            json_array_append_new(ids, json_string(a->mappings[i].snapshot));
    return ids;
}

static json_t *result(const struct vml_image *a, json_t *more, const struct vml_notes *notes)
{
    json_t *told = json_array();

    json_add_notes(told, notes);
    json_t *v = json_pack("{s:s, s:o, s:o}", "ImageId", a->id, "SnapshotIds", record_snapshots(a),
                          "notes", told);
    if (more != NULL)
        json_object_update(v, more);
    json_decref(more);
    return v;
}

int record_print(const struct cli *cli, const struct vml_image *a, json_t *more,
                 const struct vml_notes *notes, struct vml_error *err)
{
    int rc = 0;

    if (cli->json) {
        rc = out_json(result(a, more, notes), err);
    } else {
        json_decref(more);
        out_line(stdout, "%s", a->id);
    }
    if (rc == 0 && out_flush(err) == 0)
        return 0;
    vml_error_prefix(err, "%s is registered", a->id);
    return -1;
}
