#include "local.h"
#include "marks.h"
#include "snapshot.h"

struct snapshot {
    struct local local;
};

static const struct opt opts[] = {
    OPT_STORE(snapshot),
    OPT_WHERE(snapshot),
    { 0 },
};

static const struct opt_verb history_verb = {
    "snapshot history",
    "SNAPSHOT",
    1,
    1,
    "Tells what was done to a snapshot of the account, the oldest first: when, which account, and "
    "what.",
    opts
};

int snapshot_history(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct snapshot how = { 0 };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_where where;
    int rc = opt_parse(cli, &history_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    return local_open(&how.local, LOCAL_READ, &where, &s, err) < 0 ||
                   vml_registry_snapshot_own(s, &where, cli->words[0], err) < 0
               ? -1
               : marks_print_history(cli, s, "Snapshot", cli->words[0], err);
}
