#include <string.h>

#include "image.h"

struct image {
    struct local local;
    bool delete_snapshots;
};

static const struct opt opts[] = {
    { 0, "delete-snapshots", NULL, OPT_FLAG, offsetof(struct image, delete_snapshots),
      "delete those of its snapshots that no other AMI uses" },
    OPT_STORE(image),
    OPT_SHARED_FS(image),
    OPT_WHERE(image),
    { 0 },
};

static const struct opt_verb deregister_verb = {
    "image deregister",
    "AMI...",
    1,
    -1,
    "Takes each AMI, given by ID or name, out of the registry. Its snapshots stay: their IDs are "
    "printed, one on a line, as \"vmlift snapshot delete\" takes them.\nWith --delete-snapshots a "
    "line for each snapshot has its ID and what became of it: success, or skipped, since another "
    "AMI uses it.",
    opts
};

static json_t *result_json(const struct vml_deregistered *d, bool delete_snapshots)
{
    json_t *ids = json_array(), *results = json_array();

    for (size_t i = 0; i < d->n; i++) {
        const struct vml_left *left = &d->snapshots[i];
        json_array_append_new(ids, json_string(left->snapshot));
        json_array_append_new(results, json_pack("{s:s, s:s}", "SnapshotId", left->snapshot,
                                                 "ReturnCode", left->result));
    }
    json_t *v = json_pack("{s:s, s:o}", "ImageId", d->image.id, "SnapshotIds", ids);
    if (delete_snapshots)
        json_object_set_new(v, "DeleteSnapshotResults", results);
    else
        json_decref(results);
    return v;
}

static void print_lines(const struct vml_deregistered *d)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct vml_left *left = &d->snapshots[i];
        out_line(stdout, "%s%s%s", left->snapshot, left->result[0] != '\0' ? " " : "",
                 left->result);
    }
}

/* The IDs of what stays: of what nobody uses any more, or of what others use. */
static size_t list_left(const struct vml_deregistered *d, bool used, char *text, size_t size)
{
    size_t n = 0, len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < d->n; i++) {
        const struct vml_left *left = &d->snapshots[i];
        bool gone = left->result[0] != '\0' && strcmp(left->result, "skipped") != 0;
        if (gone || (left->user[0] != '\0') != used)
            continue;
        len += (size_t)snprintf(text + len, size - len, "%s%s", n > 0 ? " " : "", left->snapshot);
        n++;
    }
    return n;
}

#define IDS (VML_MAPPINGS_MAX * sizeof((struct vml_left *)0)->snapshot)

/* What is kept costs what it did, AMI or not; who wants to be rid of it gets the words for it.
 * given: the options that tell where. */
static void print_notes(const struct vml_deregistered *d, const struct local *given)
{
    char ids[IDS];

    if (list_left(d, false, ids, sizeof ids) > 0)
        out_line(
            stderr,
            "vmlift: note: %s is deregistered; its snapshots stay, and go on to cost: \"vmlift "
            "snapshot delete%s%s%s%s%s%s %s\" deletes them [image/snapshots-stay]",
            d->image.id, given->store != NULL ? " --store " : "",
            given->store != NULL ? given->store : "", given->account != NULL ? " --account " : "",
            given->account != NULL ? given->account : "", given->region != NULL ? " --region " : "",
            given->region != NULL ? given->region : "", ids);
    if (list_left(d, true, ids, sizeof ids) > 0)
        out_line(stderr,
                 "vmlift: note: %s is deregistered; other AMIs use %s, which therefore cannot be "
                 "deleted [image/snapshots-used]",
                 d->image.id, ids);
}

int image_deregister(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct image how = { 0 };
    VML_AUTO(json_freep) json_t *images = json_array();
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_where where;
    int rc = opt_parse(cli, &deregister_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    const struct local given = how.local; /* before it is filled in */
    if (local_open(&how.local, LOCAL_WRITE, &where, &s, err) < 0)
        return -1;
    for (int i = 0; i < cli->n_words; i++) {
        VML_AUTO(vml_deregistered_clear) struct vml_deregistered d = { 0 };
        if (vml_registry_deregister(s, &where, cli->words[i], how.delete_snapshots, &d, err) < 0) {
            vml_error_prefix(err, "%s", cli->words[i]);
            out_done_before(cli, i);
            return -1;
        }
        json_array_append_new(images, result_json(&d, how.delete_snapshots));
        if (!cli->json)
            print_lines(&d);
        print_notes(&d, &given);
    }
    return cli->json ? out_json(json_pack("{s:O}", "Images", images), err) : 0;
}
