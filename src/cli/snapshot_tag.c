#include "local.h"
#include "out.h"
#include "snapshot.h"
#include "tags.h"

struct snapshot {
    struct local local;
    struct opt_list tags;
};

static const struct opt tag_opts[] = {
    OPT_TAG(snapshot), OPT_STORE(snapshot), OPT_SHARED_FS(snapshot), OPT_WHERE(snapshot), { 0 },
};
static const struct opt untag_opts[] = {
    OPT_UNTAG(snapshot), OPT_STORE(snapshot), OPT_SHARED_FS(snapshot), OPT_WHERE(snapshot), { 0 },
};

static const struct opt_verb tag_verb = {
    "snapshot tag",
    "SNAPSHOT... --tag K=V",
    1,
    -1,
    "Gives each snapshot the tags, in place of those that have the same keys, as \"vmlift image "
    "tag\" does with AMIs.",
    tag_opts
};
static const struct opt_verb untag_verb = {
    "snapshot untag",
    "SNAPSHOT... --tag K[=V]",
    1,
    -1,
    "Takes the tags from each snapshot, as \"vmlift image untag\" does from AMIs.",
    untag_opts
};

typedef int tag_fn(struct vml_store *s, const struct vml_where *where, const char *id,
                   const struct vml_tag *tags, size_t n, struct vml_error *err);

static void snapshot_clear(struct snapshot *how)
{
    opt_list_clear(&how->tags);
}

static int run(struct cli *cli, const struct opt_verb *verb, tag_fn *fn, int argc, char **argv,
               struct vml_error *err)
{
    VML_AUTO(snapshot_clear) struct snapshot how = { 0 };
    VML_AUTO(tags_clear) struct tags tags = { 0 };
    VML_AUTO(json_freep) json_t *ids = json_array();
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_where where;
    int rc = opt_parse(cli, verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (tags_read(verb, &how.tags, verb == &untag_verb, &tags, err) < 0 ||
        local_open(&how.local, LOCAL_WRITE, &where, &s, err) < 0)
        return -1;
    for (int i = 0; i < cli->n_words; i++) {
        if (fn(s, &where, cli->words[i], tags.items, tags.n, err) < 0) {
            vml_error_prefix(err, "%s", cli->words[i]);
            out_done_before(cli, i);
            return -1;
        }
        if (!cli->json)
            out_line(stdout, "%s", cli->words[i]);
        json_array_append_new(ids, json_text(cli->words[i]));
    }
    return cli->json ? out_json(json_pack("{s:O}", "SnapshotIds", ids), err) : 0;
}

int snapshot_tag(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return run(cli, &tag_verb, vml_registry_snapshot_tag, argc, argv, err);
}

int snapshot_untag(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return run(cli, &untag_verb, vml_registry_snapshot_untag, argc, argv, err);
}
