#include <string.h>

#include "marks.h"
#include "snapshot.h"
#include "vmlift/codec.h"
#include "vmlift/filter.h"

const char *snapshot_described(struct vml_store *store, struct vml_snapshot *s,
                               struct vml_error *err)
{
    if (vml_snapshot_reveal(store, s, err) == 0)
        return s->description != NULL ? s->description : "";
    if (strncmp(err->slug, "key/", 4) == 0)
        return "(encrypted)";
    return err->code == VML_EDATA ? "(damaged)" : NULL;
}

json_t *snapshot_json(const struct vml_registry_snapshot *r, const char *description)
{
    const struct vml_snapshot *s = &r->is;
    char when[32], root[65];
    json_t *v = json_pack(
        "{s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:o}", "SnapshotId", s->id,
        "OwnerId", s->owner, "Description", json_text(description), "State", "completed",
        "Progress", "100%", "VolumeId", VML_NO_VOLUME, "StorageTier", "standard", "StartTime",
        vml_ec2_time(when, s->created), "VolumeSize", (json_int_t)vml_div_up(s->size, VML_GIB),
        "SizeInBytes", (json_int_t)s->size, "FullSnapshotSizeInBytes", (json_int_t)s->data_size,
        "Encrypted", s->key[0] != '\0', "Tags", marks_tags(&r->marks));

    vml_hex(root, s->root, sizeof s->root);
    if (s->key[0] != '\0')
        json_object_set_new(v, "KmsKeyId", json_string(s->key));
    else
        json_object_set_new(v, "Root", json_string(root));
    return v;
}
