#include <stdio.h>
#include <string.h>

#include "image.h"
#include "record.h"
#include "vmlift/rules.h"

struct image {
    struct local local;
    struct record record;
    const char *from_image, *from_snapshot;
    bool no_reboot;
};

static const struct opt opts[] = {
    { 0, "from-image", "AMI", OPT_TEXT, offsetof(struct image, from_image),
      "what the machine was started from" },
    { 0, "from-snapshot", "SNAP,...", OPT_TEXT, offsetof(struct image, from_snapshot),
      "what the machine's disks are of, the root's first" },
    { 0, "no-reboot", NULL, OPT_FLAG, offsetof(struct image, no_reboot),
      "the machine was not stopped: the AMI is as after a crash" },
    OPT_RECORD(image),
    OPT_PASSPHRASE(image),
    OPT_STORE(image),
    OPT_SHARED_FS(image),
    OPT_WHERE(image),
    { 0 },
};

static const struct opt_verb verb = {
    "image create",
    "",
    0,
    0,
    "Makes an AMI of a machine's disks, as EC2's CreateImage does, and prints its ID. The machine "
    "is what it was started from: an AMI, for which the permission to launch it is enough, or "
    "snapshots. The AMI has snapshots of its own, for which no bytes are copied, and of an AMI all "
    "but its name, description, tags and who may use it.\n"
    "With --from-image a --mapping adds a device, or takes one away (none), or says of a volume "
    "that is there only whether it is deleted with the machine (/dev/sdf=::false).",
    opts
};

static void image_clear(struct image *how)
{
    record_clear(&how->record);
}

static int check_words(const struct image *how, struct vml_error *err)
{
    const struct record *r = &how->record;
    const struct {
        const char *name;
        bool said;
    } inherited[] = {
        { "arch", r->arch != NULL },
        { "virt", r->virt != NULL },
        { "kernel", r->kernel != NULL },
        { "ramdisk", r->ramdisk != NULL },
        { "boot-mode", r->boot_mode != NULL },
        { "tpm", r->tpm != NULL },
        { "imds", r->imds != NULL },
        { "ena", r->ena },
        { "no-ena", r->no_ena },
        { "sriov", r->sriov },
        { "platform", r->platform != NULL },
        { "root-device", r->root_device != NULL },
        { "volume-type", r->volume_type != NULL },
        { "billing-product", r->products.n > 0 },
    };

    if ((how->from_image == NULL) == (how->from_snapshot == NULL))
        return vml_fail(err, VML_EUSAGE, "usage/source",
                        "image create: --from-image or --from-snapshot: one of them");
    for (size_t i = 0; how->from_image != NULL && i < sizeof inherited / sizeof *inherited; i++)
        if (inherited[i].said)
            return vml_fail(err, VML_EUSAGE, "usage/source",
                            "image create: --%s: with --from-image that is as of %s",
                            inherited[i].name, how->from_image);
    return 0;
}

/* Each snapshot of the list is at its own device, whose mapping may be there. */
static int map_snapshots(const struct image *how, struct vml_image *a, struct vml_error *err)
{
    const char *rest = how->from_snapshot;

    for (size_t n = 0; rest != NULL; n++) {
        const char *comma = strchr(rest, ',');
        char id[64], device[32];
        snprintf(id, sizeof id, "%.*s", (int)strcspn(rest, ","), rest);
        rest = comma != NULL ? comma + 1 : NULL;
        if (vml_rule_nth_device(device, a->root_device, n, err) < 0 ||
            record_map(&how->record, a, device, id, err) < 0)
            return -1;
    }
    return 0;
}

static int create(struct image *how, struct vml_image *a, struct vml_notes *notes,
                  struct vml_error *err)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    const struct vml_creating what = { how->from_image, how->no_reboot, notes };
    const char *type = how->from_image != NULL ? "" : EC2_VOLUME_TYPE;
    struct vml_where where;

    if (check_words(how, err) < 0 || local_where(&how->local, &where, err) < 0 ||
        record_fill(&how->record, "image create", &where, type, a, err) < 0 ||
        map_snapshots(how, a, err) < 0 || local_store(&how->local, LOCAL_WRITE, &s, err) < 0)
        return -1;
    return vml_registry_create(s, &what, a, err);
}

int image_create(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(image_clear) struct image how = { 0 };
    VML_AUTO(vml_image_clear) struct vml_image a = { 0 };
    VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    rc = create(&how, &a, &notes, err);
    out_notes(how.record.name, &notes);
    return rc < 0 ? -1 : record_print(cli, &a, NULL, &notes, err);
}
