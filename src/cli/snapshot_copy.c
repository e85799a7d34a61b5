#include <string.h>

#include "encrypt.h"
#include "out.h"
#include "progress.h"
#include "snapshot.h"
#include "target.h"
#include "vmlift/share.h"

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
    "that --region names. No bytes are copied unless the key is another one: with --encrypt, of "
    "another account's encrypted snapshot, and of any encrypted one into another region.",
    opts
};

static int copy(struct copy *how, const char *id, struct vml_snapshot *out, struct vml_notes *found,
                struct vml_error *err)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(progress_end) struct progress progress = { 0 };
    struct vml_copy copy = { .threads = how->threads };
    struct vml_where where;

    if (local_open(&how->local, LOCAL_WRITE, &where, &s, err) < 0)
        return -1;
    progress_start(&progress, how->progress, local_size(s, &where, id));
    progress_attach(&progress, &copy);
    struct encrypt_where key = { &how->local, s, &where, found };
    const struct vml_copying_how what = { .source_region = how->source_region,
                                          .description = how->description,
                                          .encrypt = how->encrypt.on,
                                          .key = how->encrypt.key,
                                          .default_key = encrypt_default,
                                          .arg = &key,
                                          .copy = &copy,
                                          .notes = found };
    return vml_registry_copy_snapshot(s, &where, id, &what, out, err);
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
