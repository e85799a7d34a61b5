#include <inttypes.h>
#include <string.h>

#include "local.h"
#include "out.h"
#include "table.h"

struct image {
    struct local local;
};

static const struct opt opts[] = {
    OPT_STORE(image),
    OPT_WHERE(image),
    { 0 },
};
static const struct opt write_opts[] = {
    OPT_STORE(image),
    OPT_SHARED_FS(image),
    OPT_WHERE(image),
    { 0 },
};

/* The key of a mapping's snapshot, "" where it has none. */
static const char *key_of(struct vml_store *s, const struct vml_mapping *m, char key[37])
{
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot snap = { 0 };
    struct vml_error ignored = { 0 };

    key[0] = '\0';
    if (m->encrypted && vml_snapshot_get(s, m->snapshot, &snap, &ignored) == 0)
        memcpy(key, snap.key, sizeof snap.key);
    return key;
}

/* --- as EC2's DescribeImages has it --------------------------------------------------------- */

static json_t *mapping_json(const struct vml_mapping *m, struct vml_store *s)
{
    char key[37];
    json_t *v = json_pack("{s:s, s:{s:s, s:I, s:s, s:b, s:b}}", "DeviceName", m->device, "Ebs",
                          "SnapshotId", m->snapshot, "VolumeSize", (json_int_t)m->size_gib,
                          "VolumeType", m->volume_type, "DeleteOnTermination",
                          m->delete_on_termination, "Encrypted", m->encrypted);
    if (key_of(s, m, key)[0] != '\0')
        json_object_set_new(json_object_get(v, "Ebs"), "KmsKeyId", json_string(key));
    return v;
}

static json_t *image_json(const struct vml_image *a, struct vml_store *s)
{
    json_t *mappings = json_array(), *tags = json_array();
    char when[32];

    for (size_t i = 0; i < a->n_mappings; i++)
        json_array_append_new(mappings, mapping_json(&a->mappings[i], s));
    for (size_t i = 0; i < a->n_tags; i++)
        json_array_append_new(tags, json_pack("{s:o, s:o}", "Key", json_text(a->tags[i].key),
                                              "Value", json_text(a->tags[i].value)));
    json_t *v = json_pack(
        "{s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "ImageId", a->id,
        "Name", json_text(a->name), "Description", json_text(a->description), "State", a->state,
        "OwnerId", a->owner, "CreationDate", out_ec2_time(when, a->created), "Architecture",
        a->architecture, "VirtualizationType", a->virtualization, "RootDeviceType", "ebs",
        "RootDeviceName", a->root_device, "BlockDeviceMappings", mappings, "Tags", tags, "Source",
        json_text(a->source != NULL ? a->source : ""));
    /* Members that EC2 leaves out, too, when there is nothing to say. */
    if (a->boot_mode[0] != '\0')
        json_object_set_new(v, "BootMode", json_string(a->boot_mode));
    if (a->platform[0] != '\0')
        json_object_set_new(v, "Platform", json_text(a->platform));
    return v;
}

/* --- list ----------------------------------------------------------------------------------- */

struct list {
    struct vml_store *store;
    struct table table;
    json_t *images;
};

static void list_clear(struct list *l)
{
    table_clear(&l->table);
    json_decref(l->images);
}

static int list_one(void *arg, const struct vml_image *a, struct vml_error *err)
{
    struct list *l = arg;
    uint64_t gib = 0;
    char size[32], when[32];

    for (size_t i = 0; i < a->n_mappings; i++)
        gib += a->mappings[i].size_gib;
    json_array_append_new(l->images, image_json(a, l->store));
    return table_add(&l->table, err, a->id, a->name, a->state, a->architecture, a->virtualization,
                     a->boot_mode[0] != '\0' ? a->boot_mode : "-",
                     vml_size_format(size, gib * VML_GIB), out_time(when, a->created), NULL);
}

static const struct opt_verb list_verb = {
    "image list", "", 0, 0, "Lists the account's AMIs in the region, the oldest first.", opts
};

static int image_list(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct image how = { 0 };
    VML_AUTO(list_clear) struct list list = { .images = json_array() };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_where where;
    int rc = opt_parse(cli, &list_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (local_where(&how.local, &where, err) < 0 ||
        local_store(&how.local, LOCAL_LIST, &s, err) < 0 ||
        table_add(&list.table, err, "ID", "NAME", "STATE", "ARCH", "VIRT", "BOOT", "SIZE",
                  "CREATED", NULL) < 0)
        return -1;
    list.store = s;
    if (s != NULL && vml_registry_each(s, &where, list_one, &list, err) < 0)
        return -1;
    if (cli->json)
        return out_json(json_pack("{s:O}", "Images", list.images), err);
    table_print(&list.table);
    return 0;
}

/* --- show ----------------------------------------------------------------------------------- */

static void show_text(const struct vml_image *a, struct vml_store *s)
{
    char when[32], key[37];

    out_line(stdout, "%-14s %s", "id:", a->id);
    out_line(stdout, "%-14s %s", "name:", a->name);
    if (a->description[0] != '\0')
        out_line(stdout, "%-14s %s", "description:", a->description);
    out_line(stdout, "%-14s %s", "state:", a->state);
    out_line(stdout, "%-14s %s", "owner:", a->owner);
    out_line(stdout, "%-14s %s", "region:", a->region);
    out_line(stdout, "%-14s %s", "created:", out_time(when, a->created));
    if (a->source != NULL && a->source[0] != '\0')
        out_line(stdout, "%-14s %s", "source:", a->source);
    out_line(stdout, "%-14s %s, %s", "machine:", a->architecture, a->virtualization);
    if (a->platform[0] != '\0')
        out_line(stdout, "%-14s %s", "platform:", a->platform);
    out_line(stdout, "%-14s %s", "boot mode:", a->boot_mode[0] != '\0' ? a->boot_mode : "not said");
    out_line(stdout, "%-14s %s", "root device:", a->root_device);
    for (size_t i = 0; i < a->n_mappings; i++) {
        const struct vml_mapping *m = &a->mappings[i];
        out_line(stdout, "%-14s %s %s %" PRIu64 " GiB %s%s%s%s", "disk:", m->device, m->snapshot,
                 m->size_gib, m->volume_type, m->encrypted ? " encrypted with " : "",
                 m->encrypted ? key_of(s, m, key) : "",
                 m->delete_on_termination ? "" : " kept on termination");
    }
    for (size_t i = 0; i < a->n_tags; i++)
        out_line(stdout, "%-14s %s=%s", "tag:", a->tags[i].key, a->tags[i].value);
}

static const struct opt_verb show_verb = {
    "image show", "AMI...", 1, -1, "Tells all that is recorded of each AMI, given by ID or name.",
    opts
};

static int image_show(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct image how = { 0 };
    VML_AUTO(json_freep) json_t *images = json_array();
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_where where;
    int rc = opt_parse(cli, &show_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (local_where(&how.local, &where, err) < 0 ||
        local_store(&how.local, LOCAL_READ, &s, err) < 0)
        return -1;
    for (int i = 0; i < cli->n_words; i++) {
        VML_AUTO(vml_image_clear) struct vml_image a = { 0 };
        if (vml_registry_get(s, &where, cli->words[i], &a, err) < 0)
            return -1;
        if (cli->json) {
            json_array_append_new(images, image_json(&a, s));
            continue;
        }
        if (i > 0)
            out_line(stdout, "%s", "");
        show_text(&a, s);
    }
    return cli->json ? out_json(json_pack("{s:O}", "Images", images), err) : 0;
}

/* --- deregister ----------------------------------------------------------------------------- */

static json_t *snapshot_ids(const struct vml_image *a)
{
    json_t *ids = json_array();

    for (size_t i = 0; i < a->n_mappings; i++)
        json_array_append_new(ids, json_string(a->mappings[i].snapshot));
    return ids;
}

static const struct opt_verb deregister_verb = {
    "image deregister",
    "AMI...",
    1,
    -1,
    "Takes each AMI, given by ID or name, out of the registry. Its snapshots stay: their IDs are "
    "printed, one on a line, as \"vmlift snapshot delete\" takes them.",
    write_opts
};

static int image_deregister(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct image how = { 0 };
    VML_AUTO(json_freep) json_t *images = json_array();
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_where where;
    int rc = opt_parse(cli, &deregister_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (local_where(&how.local, &where, err) < 0 ||
        local_store(&how.local, LOCAL_WRITE, &s, err) < 0)
        return -1;
    for (int i = 0; i < cli->n_words; i++) {
        VML_AUTO(vml_image_clear) struct vml_image a = { 0 };
        if (vml_registry_deregister(s, &where, cli->words[i], &a, err) < 0)
            return -1;
        json_array_append_new(
            images, json_pack("{s:s, s:o}", "ImageId", a.id, "SnapshotIds", snapshot_ids(&a)));
        for (size_t k = 0; !cli->json && k < a.n_mappings; k++)
            out_line(stdout, "%s", a.mappings[k].snapshot);
        out_line(stderr,
                 "vmlift: note: %s is deregistered and its snapshots stay; \"vmlift snapshot "
                 "delete\" removes them [image/snapshots-stay]",
                 a.id);
    }
    return cli->json ? out_json(json_pack("{s:O}", "Images", images), err) : 0;
}

static const struct verb verbs[] = {
    { "list", image_list, "list the account's AMIs in the region" },
    { "show", image_show, "tell all about some AMIs" },
    { "deregister", image_deregister, "take AMIs out of the registry; their snapshots stay" },
    { 0 },
};

int cmd_image(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return verb_run(cli, verbs, "image", argc, argv, err);
}
