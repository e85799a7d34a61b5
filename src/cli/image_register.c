#include "image.h"
#include "record.h"

struct image {
    struct local local;
    struct record record;
    const char *snapshot, *location;
};

static const struct opt opts[] = {
    { 0, "snapshot", "SNAP", OPT_TEXT, offsetof(struct image, snapshot), "the root disk" },
    { 0, "location", "BUCKET/MANIFEST", OPT_TEXT, offsetof(struct image, location),
      "the bundle of an AMI whose root is in an instance store" },
    OPT_RECORD(image),
    OPT_PASSPHRASE(image),
    OPT_STORE(image),
    OPT_SHARED_FS(image),
    OPT_WHERE(image),
    { 0 },
};

static const struct opt_verb verb = {
    "image register",
    "",
    0,
    0,
    "Registers an AMI of snapshots that are in the store and prints its ID. What EC2's "
    "RegisterImage refuses is refused, with its error code. What is not said is as EC2 has it, but "
    "for architecture and virtualization: a volume is of type gp2 and as large as its snapshot.",
    opts
};

static void image_clear(struct image *how)
{
    record_clear(&how->record);
}

static int register_image(struct image *how, struct vml_image *a, struct vml_notes *notes,
                          struct vml_error *err)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_where where;

    if (local_where(&how->local, &where, err) < 0 ||
        record_fill(&how->record, "image register", &where, EC2_VOLUME_TYPE, a, err) < 0 ||
        (how->snapshot != NULL &&
         record_map(&how->record, a, a->root_device, how->snapshot, err) < 0))
        return -1;
    if (how->location != NULL &&
        (vml_set_owned(&a->location, how->location, err) < 0 ||
         VML_SET(a->root_type, "Root device type", VML_INSTANCE_STORE, err) < 0))
        return -1;
    if (local_store(&how->local, how->location != NULL ? LOCAL_CREATE : LOCAL_WRITE, &s, err) < 0)
        return -1;
    return vml_register(s, a, notes, err);
}

int image_register(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(image_clear) struct image how = { 0 };
    VML_AUTO(vml_image_clear) struct vml_image a = { 0 };
    VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    rc = register_image(&how, &a, &notes, err);
    out_notes(how.record.name, &notes);
    return rc < 0 ? -1 : record_print(cli, &a, NULL, &notes, err);
}
