#include "image.h"

struct image {
    struct local local;
};

static const struct opt opts[] = {
    OPT_STORE(image),
    OPT_SHARED_FS(image),
    OPT_WHERE(image),
    { 0 },
};

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
    opts
};

int image_deregister(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct image how = { 0 };
    VML_AUTO(json_freep) json_t *images = json_array();
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_where where;
    int rc = opt_parse(cli, &deregister_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (local_open(&how.local, LOCAL_WRITE, &where, &s, err) < 0)
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
