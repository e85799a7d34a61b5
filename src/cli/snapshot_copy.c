#include "copying.h"
#include "snapshot.h"

static const struct opt opts[] = {
    { 0, "description", "TEXT", OPT_TEXT, offsetof(struct copying, description),
      "of the copy; by default the snapshot's own" },
    OPT_COPYING,
};

static const struct opt_verb verb = {
    "snapshot copy",
    "SNAPSHOT",
    1,
    1,
    "Makes a snapshot of the same content and prints its ID. It is the account's, in the region "
    "that --region names. No bytes are copied unless the key is another one: with --encrypt, of "
    "another account's encrypted snapshot, and of any encrypted one into another region.",
    opts
};

int snapshot_copy(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct copying how = { 0 };
    VML_AUTO(copier_close) struct copier c = { 0 };
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot made = { 0 };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (copier_open(&c, &how, cli->words[0], err) < 0 ||
        vml_registry_copy_snapshot(c.store, &c.where, cli->words[0], &c.how, &made, err) < 0)
        return -1;
    return copier_answer(cli, made.id, json_pack("{s:s}", "SnapshotId", made.id), err);
}
