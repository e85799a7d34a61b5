#include <inttypes.h>
#include <string.h>

#include "local.h"
#include "marks.h"
#include "snapshot.h"
#include "table.h"
#include "vmlift/codec.h"

struct snapshot {
    struct local local;
};

static const struct opt read_opts[] = {
    OPT_PASSPHRASE(snapshot),
    OPT_STORE(snapshot),
    OPT_WHERE(snapshot),
    { 0 },
};
static const struct opt delete_opts[] = {
    OPT_STORE(snapshot),
    OPT_SHARED_FS(snapshot),
    OPT_WHERE(snapshot),
    { 0 },
};

/* --- show ----------------------------------------------------------------------------------- */

static void show_text(const struct vml_registry_snapshot *r, const char *description)
{
    const struct vml_snapshot *s = &r->is;
    char buf[32], root[65];

    vml_hex(root, s->root, sizeof s->root);
    out_line(stdout, "%-14s %s", "id:", s->id);
    if (description[0] != '\0')
        out_line(stdout, "%-14s %s", "description:", description);
    out_line(stdout, "%-14s %s", "owner:", s->owner);
    out_line(stdout, "%-14s %s", "region:", s->region);
    out_line(stdout, "%-14s %s", "created:", out_time(buf, s->created));
    out_line(stdout, "%-14s %s (%" PRIu64 " bytes)", "size:", vml_size_format(buf, s->size),
             s->size);
    out_line(stdout, "%-14s %s (%" PRIu64 " bytes)", "data:", vml_size_format(buf, s->data_size),
             s->data_size);
    if (s->key[0] != '\0')
        out_line(stdout, "%-14s %s", "key:", s->key);
    else
        out_line(stdout, "%-14s %s", "root:", root);
    marks_show(&r->marks);
}

/* Whom a snapshot is shared with and what was done to it is its owner's to know. */
static int add_for_owner(json_t *v, const struct vml_registry_snapshot *r, struct vml_store *s,
                         struct vml_error *err)
{
    json_t *history = marks_history(s, r->is.id, err);

    json_object_set_new(v, "CreateVolumePermissions",
                        marks_grants(&r->marks, VML_GRANT_CREATE_VOLUME));
    if (history == NULL)
        return -1;
    json_object_set_new(v, "History", history);
    return 0;
}

static int show_one(struct vml_store *s, const struct vml_where *where, const char *id,
                    json_t *snapshots, struct vml_error *err)
{
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot r = { 0 };

    if (vml_registry_snapshot_get(s, where, id, &r, err) < 0)
        return -1;
    const char *description = snapshot_described(s, &r.is, err);
    bool own = strcmp(r.is.owner, where->owner) == 0;
    if (description == NULL)
        return -1;
    if (snapshots != NULL) {
        json_t *v = snapshot_json(&r, description);
        json_array_append_new(snapshots, v);
        return own ? add_for_owner(v, &r, s, err) : 0;
    }
    show_text(&r, description);
    if (own)
        marks_show_grants(&r.marks, VML_GRANT_CREATE_VOLUME, "shared with:");
    return 0;
}

static const struct opt_verb show_verb = {
    "snapshot show", "SNAPSHOT...", 1, -1, "Tells all that is recorded of each snapshot.", read_opts
};

static int snapshot_show(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct snapshot how = { .local.quiet = true };
    struct vml_where where;
    VML_AUTO(json_freep) json_t *snapshots = json_array();
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    int rc = opt_parse(cli, &show_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (local_open(&how.local, LOCAL_READ, &where, &s, err) < 0)
        return -1;
    for (int i = 0; i < cli->n_words; i++) {
        if (i > 0 && !cli->json)
            out_line(stdout, "%s", "");
        if (show_one(s, &where, cli->words[i], cli->json ? snapshots : NULL, err) < 0)
            return -1;
    }
    return cli->json ? out_json(json_pack("{s:O}", "Snapshots", snapshots), err) : 0;
}

/* --- delete --------------------------------------------------------------------------------- */

static const struct opt_verb delete_verb = {
    "snapshot delete",
    "SNAPSHOT...",
    1,
    -1,
    "Deletes each of the account's snapshots, unless an AMI uses it. \"vmlift store gc\" frees the "
    "space.",
    delete_opts
};

static int snapshot_delete(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct snapshot how = { 0 };
    struct vml_where where;
    VML_AUTO(json_freep) json_t *ids = json_array();
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    int rc = opt_parse(cli, &delete_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (local_open(&how.local, LOCAL_WRITE, &where, &s, err) < 0)
        return -1;
    for (int i = 0; i < cli->n_words; i++) {
        if (vml_registry_snapshot_delete(s, &where, cli->words[i], err) < 0)
            return -1;
        json_array_append_new(ids, json_text(cli->words[i]));
    }
    return cli->json ? out_json(json_pack("{s:O}", "SnapshotIds", ids), err) : 0;
}

/* --- the group ------------------------------------------------------------------------------ */

static const struct verb verbs[] = {
    { "list", snapshot_list, "list the snapshots that the account sees in the region" },
    { "show", snapshot_show, "tell all about some snapshots" },
    { "copy", snapshot_copy, "make a snapshot of the same content, also in another region" },
    { "diff", snapshot_diff, "tell where two snapshots differ" },
    { "share", snapshot_share, "let other accounts read and copy snapshots" },
    { "unshare", snapshot_unshare, "take that back" },
    { "tag", snapshot_tag, "give snapshots tags" },
    { "untag", snapshot_untag, "take tags from snapshots" },
    { "delete", snapshot_delete, "delete snapshots that no AMI uses" },
    { "history", snapshot_history, "tell what was done to a snapshot, when and by whom" },
    { 0 },
};

int cmd_snapshot(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return verb_run(cli, verbs, "snapshot", argc, argv, err);
}
