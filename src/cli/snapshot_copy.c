#include <string.h>

#include "encrypt.h"
#include "out.h"
#include "progress.h"
#include "snapshot.h"
#include "target.h"

struct copy {
    struct local local;
    struct encrypt encrypt;
    const char *description, *source_region;
    bool progress;
    unsigned threads;
};

static const struct opt opts[] = {
    { 0, "description", "TEXT", OPT_TEXT, offsetof(struct copy, description),
      "of the copy; by default the snapshot's own" },
    { 0, "source-region", "R", OPT_TEXT, offsetof(struct copy, source_region),
      "the region that the snapshot is in, by default that of the copy" },
    OPT_ENCRYPT(copy),
    OPT_PASSPHRASE(copy),
    OPT_STORE(copy),
    OPT_SHARED_FS(copy),
    OPT_WHERE(copy),
    OPT_COPY(copy),
    { 0 },
};

static const struct opt_verb verb = {
    "snapshot copy",
    "SNAPSHOT",
    1,
    1,
    "Makes a snapshot of the same content and prints its ID. It is the account's, in the region "
    "that --region names. No bytes are copied, but with --encrypt.",
    opts
};

/* IDs are valid in their own region only, and are the account's own. */
static int check_source(struct vml_store *s, const char *id, const struct vml_where *where,
                        const char *region, struct vml_snapshot *from, struct vml_error *err)
{
    if (vml_snapshot_get(s, id, from, err) < 0)
        return -1;
    if (strcmp(from->owner, where->owner) != 0 || strcmp(from->region, region) != 0)
        return vml_fail(
            err, VML_ENOTFOUND, "snapshot/not-found", "%s: no such snapshot of account %s in %s%s",
            id, where->owner, region,
            strcmp(from->owner, where->owner) == 0 ? "; --source-region says where it is" : "");
    return 0;
}

static int copy(struct copy *how, const char *id, struct vml_snapshot *what,
                struct vml_notes *found, struct vml_error *err)
{
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot from = { 0 };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(progress_end) struct progress progress = { 0 };
    struct vml_copy copy = { .threads = how->threads };
    struct vml_where where;

    if (local_open(&how->local, LOCAL_WRITE, &where, &s, err) < 0 ||
        check_source(s, id, &where, how->source_region != NULL ? how->source_region : where.region,
                     &from, err) < 0 ||
        encrypt_key(&how->encrypt, "snapshot copy", &how->local, s, &where, what->key, found, err) <
            0)
        return -1;
    what->created = vml_now();
    memcpy(what->owner, where.owner, strlen(where.owner) + 1);
    memcpy(what->region, where.region, strlen(where.region) + 1);
    if (how->description != NULL && (what->description = strdup(how->description)) == NULL)
        return vml_fail_nomem(err);
    if (strcmp(what->key, from.key) != 0 && what->key[0] != '\0') {
        progress_start(&progress, how->progress, from.size);
        progress_attach(&progress, &copy);
    }
    return vml_snapshot_copy(s, id, what, &copy, err);
}

int snapshot_copy(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct copy how = { 0 };
    VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot what = { 0 };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    rc = copy(&how, cli->words[0], &what, &notes, err);
    out_notes(NULL, &notes);
    if (rc < 0)
        return -1;
    if (!cli->json)
        out_line(stdout, "%s", what.id);
    else if (out_json(json_pack("{s:s}", "SnapshotId", what.id), err) < 0)
        return -1;
    if (out_flush(err) < 0) { /* it is there all the same, and the user must learn its name */
        vml_error_prefix(err, "%s is made", what.id);
        return -1;
    }
    return 0;
}
