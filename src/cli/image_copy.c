#include "copying.h"
#include "image.h"
#include "record.h"

static const struct opt opts[] = {
    { 0, "name", "NAME", OPT_TEXT, offsetof(struct copying, name), "of the copy; required" },
    { 0, "description", "TEXT", OPT_TEXT, offsetof(struct copying, description),
      "of the copy; by default it says what it is a copy of" },
    { 0, "copy-tags", NULL, OPT_FLAG, offsetof(struct copying, tags),
      "the account's own tags, too" },
    OPT_COPYING,
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

int image_copy(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct copying how = { 0 };
    VML_AUTO(copier_close) struct copier c = { 0 };
    VML_AUTO(vml_image_clear) struct vml_image made = { 0 };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (how.name == NULL)
        return vml_fail(err, VML_EUSAGE, "usage/name",
                        "image copy: the AMI needs a name: --name NAME");
    if (copier_open(&c, &how, cli->words[0], err) < 0 ||
        vml_registry_copy_image(c.store, &c.where, cli->words[0], &c.how, &made, err) < 0)
        return -1;
    json_t *v = json_pack("{s:s, s:o}", "ImageId", made.id, "SnapshotIds", record_snapshots(&made));
    return copier_answer(cli, made.id, v, err);
}
