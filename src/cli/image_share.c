#include <string.h>

#include "image.h"
#include "marks.h"
#include "share.h"

struct share {
    struct local local;
    struct whom whom;
    bool bucket, with_snapshots, me;
    struct grantees grantees;
};

static const struct opt share_opts[] = {
    OPT_WITH(share),
    { 0, "with-snapshots", NULL, OPT_FLAG, offsetof(struct share, with_snapshots),
      "they may also create volumes of its snapshots, and so copy it" },
    { 0, "bucket", NULL, OPT_FLAG, offsetof(struct share, bucket),
      "of one in an instance store: they may read its bucket, and so copy it" },
    OPT_STORE(share),
    OPT_SHARED_FS(share),
    OPT_WHERE(share),
    { 0 },
};
static const struct opt unshare_opts[] = {
    OPT_WITH(share),
    OPT_ALL(share),
    { 0, "me", NULL, OPT_FLAG, offsetof(struct share, me),
      "the account itself, of an AMI that is shared with it" },
    { 0, "with-snapshots", NULL, OPT_FLAG, offsetof(struct share, with_snapshots),
      "nor may they create volumes of its snapshots" },
    { 0, "bucket", NULL, OPT_FLAG, offsetof(struct share, bucket),
      "of one in an instance store: they may no longer read its bucket" },
    OPT_STORE(share),
    OPT_SHARED_FS(share),
    OPT_WHERE(share),
    { 0 },
};

static const struct opt_verb share_verb = {
    "image share",
    "AMI...",
    1,
    -1,
    "Lets other accounts launch machines of each AMI, given by ID or name, which stays the "
    "account's. Its snapshots need not be shared for that; without them it cannot be copied, but "
    "what is launched of it can be made an image. Prints their IDs.",
    share_opts
};
static const struct opt_verb unshare_verb = {
    "image unshare",
    "AMI...",
    1,
    -1,
    "Takes back what \"vmlift image share\" gave. Who has no such permission does not "
    "matter. Prints their IDs.",
    unshare_opts
};

void image_add_sharing(json_t *v, const struct vml_image *a, const char *account)
{
    json_object_set_new(v, "Visibility", json_string(vml_image_type(a)));
    if (strcmp(a->owner, account) != 0)
        return;
    json_object_set_new(v, "LaunchPermissions", marks_grants(&a->marks, VML_GRANT_LAUNCH));
    json_object_set_new(v, "BucketPermissions", marks_grants(&a->marks, VML_GRANT_READ_BUCKET));
}

void image_show_sharing(const struct vml_image *a, const char *account)
{
    bool own = strcmp(a->owner, account) == 0;
    VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };

    out_line(stdout, "%-14s %s", "type:", vml_image_type(a));
    if (own) {
        marks_show_grants(&a->marks, VML_GRANT_LAUNCH, "launched by:");
        marks_show_grants(&a->marks, VML_GRANT_READ_BUCKET, "bucket read by:");
    }
    if (!own || strcmp(vml_image_type(a), "private") != 0)
        vml_note(&notes, "image/loophole", "%s", IMAGE_LOOPHOLE);
    out_notes(a->id, &notes);
}

/* Who cannot use the key cannot launch it either. */
static void note_keys(const struct vml_image *a, struct vml_store *s, struct vml_notes *notes)
{
    for (size_t i = 0; i < a->n_mappings; i++) {
        char key[37];
        if (image_key(s, &a->mappings[i], key)[0] == '\0')
            continue;
        vml_note(notes, "image/key",
                 "%s is encrypted: who is to use it needs its key, too: \"vmlift key grant %s --to "
                 "N\"",
                 a->mappings[i].device, key);
        return;
    }
}

static void note_shared(const struct share *how, const struct vml_image *a, struct vml_store *s,
                        struct vml_notes *notes)
{
    if (how->bucket)
        return;
    if (!how->with_snapshots)
        vml_note(notes, "image/launch-only",
                 "may be launched without permission to its snapshots, which copying takes "
                 "(--with-snapshots); " IMAGE_LOOPHOLE);
    note_keys(a, s, notes);
}

static int share(void *arg, struct vml_store *s, const struct vml_where *where, const char *ami,
                 struct vml_image *out, struct vml_error *err)
{
    const struct share *how = arg;
    const struct vml_sharing *sharing = &how->grantees.how;
    VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
    int rc =
        how->me ? vml_registry_leave(s, where, ami, out, err)
                : vml_registry_share(s, where, ami, sharing, how->with_snapshots, &notes, out, err);

    if (rc == 0 && !how->me && !sharing->remove)
        note_shared(how, out, s, &notes);
    out_notes(ami, &notes);
    return rc;
}

static void share_clear(struct share *how)
{
    grantees_clear(&how->grantees);
}

static int image_sharing(struct cli *cli, const struct opt_verb *v, bool remove, int argc,
                         char **argv, struct vml_error *err)
{
    VML_AUTO(share_clear) struct share how = { 0 };
    int rc = opt_parse(cli, v, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (how.me && (how.whom.with != NULL || how.whom.everyone || how.whom.all ||
                   how.with_snapshots || how.bucket))
        return vml_fail(err, VML_EUSAGE, "usage/share", "%s: --me goes alone", v->name);
    if (!how.me &&
        grantees_read(&how.grantees, &how.whom, v->name,
                      how.bucket ? VML_GRANT_READ_BUCKET : VML_GRANT_LAUNCH, remove, err) < 0)
        return -1;
    return image_each(cli, &how.local, share, &how, err);
}

int image_share(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return image_sharing(cli, &share_verb, false, argc, argv, err);
}

int image_unshare(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return image_sharing(cli, &unshare_verb, true, argc, argv, err);
}
