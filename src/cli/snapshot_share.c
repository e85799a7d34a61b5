#include "marks.h"
#include "share.h"
#include "snapshot.h"

struct share {
    struct local local;
    struct whom whom;
};

static const struct opt share_opts[] = {
    OPT_WITH(share), OPT_STORE(share), OPT_SHARED_FS(share), OPT_WHERE(share), { 0 },
};
static const struct opt unshare_opts[] = {
    OPT_WITH(share),      OPT_ALL(share),   OPT_STORE(share),
    OPT_SHARED_FS(share), OPT_WHERE(share), { 0 },
};
static const struct opt_verb share_verb = {
    "snapshot share",
    "SNAPSHOT...",
    1,
    -1,
    "Lets other accounts create volumes of each snapshot: read it, export it and copy it. "
    "Prints their IDs.",
    share_opts
};
static const struct opt_verb unshare_verb = {
    "snapshot unshare",
    "SNAPSHOT...",
    1,
    -1,
    "Takes back what \"vmlift snapshot share\" gave. What was copied stays where it is. Prints "
    "their IDs.",
    unshare_opts
};

static int snapshot_sharing(struct cli *cli, const struct opt_verb *v, bool remove, int argc,
                            char **argv, struct vml_error *err)
{
    struct share how = { 0 };
    VML_AUTO(json_freep) json_t *snapshots = json_array();
    VML_AUTO(grantees_clear) struct grantees g = { 0 };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_where where;
    int rc = opt_parse(cli, v, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (grantees_read(&g, &how.whom, v->name, VML_GRANT_CREATE_VOLUME, remove, err) < 0 ||
        local_open(&how.local, LOCAL_WRITE, &where, &s, err) < 0)
        return -1;
    for (int i = 0; i < cli->n_words; i++) {
        VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot r = { 0 };
        VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
        rc = vml_registry_share_snapshot(s, &where, cli->words[i], &g.how, &notes, &r, err);
        if (rc == 0 && !remove && r.is.key[0] != '\0')
            vml_note(
                &notes, "snapshot/key",
                "is encrypted: who is to use it needs its key, too: \"vmlift key grant %s --to "
                "N\"",
                r.is.key);
        out_notes(cli->words[i], &notes);
        if (rc < 0) {
            vml_error_prefix(err, "%s", cli->words[i]);
            out_done_before(cli, i);
            return -1;
        }
        if (!cli->json)
            out_line(stdout, "%s", r.is.id);
        json_array_append_new(
            snapshots, json_pack("{s:s, s:o}", "SnapshotId", r.is.id, "CreateVolumePermissions",
                                 marks_grants(&r.marks, VML_GRANT_CREATE_VOLUME)));
    }
    return cli->json ? out_json(json_pack("{s:O}", "Snapshots", snapshots), err) : 0;
}

int snapshot_share(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return snapshot_sharing(cli, &share_verb, false, argc, argv, err);
}

int snapshot_unshare(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return snapshot_sharing(cli, &unshare_verb, true, argc, argv, err);
}
