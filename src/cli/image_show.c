#include <inttypes.h>

#include "image.h"
#include "marks.h"

struct image {
    struct local local;
};

static const struct opt opts[] = {
    OPT_STORE(image),
    OPT_WHERE(image),
    { 0 },
};

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
                 m->encrypted ? image_key(s, m, key) : "",
                 m->delete_on_termination ? "" : " kept on termination");
    }
    marks_show(&a->marks);
}

static const struct opt_verb show_verb = {
    "image show", "AMI...", 1, -1, "Tells all that is recorded of each AMI, given by ID or name.",
    opts
};

int image_show(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct image how = { 0 };
    VML_AUTO(json_freep) json_t *images = json_array();
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_where where;
    int rc = opt_parse(cli, &show_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (local_open(&how.local, LOCAL_READ, &where, &s, err) < 0)
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
