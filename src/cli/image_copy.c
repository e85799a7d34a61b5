#include "encrypt.h"
#include "image.h"
#include "progress.h"
#include "target.h"
#include "vmlift/share.h"

struct copy {
    struct local local;
    struct encrypt encrypt;
    const char *name, *description, *source_region;
    bool tags, progress;
    unsigned threads;
};

static const struct opt opts[] = {
    { 0, "name", "NAME", OPT_TEXT, offsetof(struct copy, name), "of the copy; required" },
    { 0, "description", "TEXT", OPT_TEXT, offsetof(struct copy, description),
      "of the copy; by default it says what it is a copy of" },
    { 0, "source-region", "R", OPT_TEXT, offsetof(struct copy, source_region),
      "the region that the AMI is in, by default that of the copy" },
    { 0, "copy-tags", NULL, OPT_FLAG, offsetof(struct copy, tags), "the account's own tags, too" },
    OPT_ENCRYPT(copy),
    OPT_PASSPHRASE(copy),
    OPT_STORE(copy),
    OPT_SHARED_FS(copy),
    OPT_WHERE(copy),
    OPT_COPY(copy),
    { 0 },
};

static const struct opt_verb verb = {
    "image copy",
    "AMI",
    1,
    1,
    "Makes an AMI of the same disks, with snapshots of its own, and prints its ID. It is the "
    "account's, in the region that --region names. Who may use the source has nothing to do with "
    "it. Another account's AMI can be copied when its snapshots are shared, too.\n"
    "No bytes are copied unless the key is another one: with --encrypt, of another account's "
    "encrypted disks, and of any encrypted ones into another region.",
    opts
};

static int copy(struct copy *how, const char *id, struct vml_image *out, struct vml_notes *found,
                struct vml_error *err)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(progress_end) struct progress progress = { 0 };
    struct vml_copy copy = { .threads = how->threads };
    struct vml_where where;

    if (how->name == NULL)
        return vml_fail(err, VML_EUSAGE, "usage/name",
                        "image copy: the AMI needs a name: --name NAME");
    if (local_open(&how->local, LOCAL_WRITE, &where, &s, err) < 0)
        return -1;
    const struct vml_where there = { where.owner, how->source_region != NULL ? how->source_region
                                                                             : where.region };
    progress_start(&progress, how->progress, local_size(s, &there, id));
    progress_attach(&progress, &copy);
    struct encrypt_where key = { &how->local, s, &where, found };
    const struct vml_copying_how what = { .source_region = how->source_region,
                                          .name = how->name,
                                          .description = how->description,
                                          .tags = how->tags,
                                          .encrypt = how->encrypt.on,
                                          .key = how->encrypt.key,
                                          .default_key = encrypt_default,
                                          .arg = &key,
                                          .copy = &copy,
                                          .notes = found };
    return vml_registry_copy_image(s, &where, id, &what, out, err);
}

static json_t *result(const struct vml_image *a)
{
    json_t *snapshots = json_array();

    for (size_t i = 0; i < a->n_mappings; i++)
        if (a->mappings[i].snapshot[0] != '\0')
            json_array_append_new(snapshots, json_string(a->mappings[i].snapshot));
    return json_pack("{s:s, s:o}", "ImageId", a->id, "SnapshotIds", snapshots);
}

int image_copy(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct copy how = { 0 };
    VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
    VML_AUTO(vml_image_clear) struct vml_image a = { 0 };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    rc = copy(&how, cli->words[0], &a, &notes, err);
    out_notes(cli->words[0], &notes);
    if (rc < 0)
        return -1;
    if (!cli->json)
        out_line(stdout, "%s", a.id);
    else if (out_json(result(&a), err) < 0)
        return -1;
    if (out_flush(err) < 0) { /* it is there all the same, and the user must learn its name */
        vml_error_prefix(err, "%s is registered", a.id);
        return -1;
    }
    return 0;
}
