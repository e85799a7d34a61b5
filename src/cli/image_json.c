#include <string.h>

#include "image.h"
#include "marks.h"

const char *image_key(struct vml_store *s, const struct vml_mapping *m, char key[37])
{
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot snap = { 0 };
    struct vml_error ignored = { 0 };

    key[0] = '\0';
    if (m->encrypted && vml_snapshot_get(s, m->snapshot, &snap, &ignored) == 0)
        memcpy(key, snap.key, sizeof snap.key);
    return key;
}

static json_t *mapping_json(const struct vml_mapping *m, struct vml_store *s)
{
    char key[37];
    json_t *v = json_pack("{s:s, s:{s:s, s:I, s:s, s:b, s:b}}", "DeviceName", m->device, "Ebs",
                          "SnapshotId", m->snapshot, "VolumeSize", (json_int_t)m->size_gib,
                          "VolumeType", m->volume_type, "DeleteOnTermination",
                          m->delete_on_termination, "Encrypted", m->encrypted);
    if (image_key(s, m, key)[0] != '\0')
        json_object_set_new(json_object_get(v, "Ebs"), "KmsKeyId", json_string(key));
    return v;
}

json_t *image_json(const struct vml_image *a, struct vml_store *s)
{
    json_t *mappings = json_array();
    char when[32];

    for (size_t i = 0; i < a->n_mappings; i++)
        json_array_append_new(mappings, mapping_json(&a->mappings[i], s));
    json_t *v = json_pack(
        "{s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "ImageId", a->id,
        "Name", json_text(a->name), "Description", json_text(a->description), "State", a->state,
        "OwnerId", a->owner, "CreationDate", out_ec2_time(when, a->created), "Architecture",
        a->architecture, "VirtualizationType", a->virtualization, "RootDeviceType", "ebs",
        "RootDeviceName", a->root_device, "BlockDeviceMappings", mappings, "Tags",
        marks_tags(&a->marks), "Source", json_text(a->source != NULL ? a->source : ""));
    /* Members that EC2 leaves out, too, when there is nothing to say. */
    if (a->boot_mode[0] != '\0')
        json_object_set_new(v, "BootMode", json_string(a->boot_mode));
    if (a->platform[0] != '\0')
        json_object_set_new(v, "Platform", json_text(a->platform));
    return v;
}
