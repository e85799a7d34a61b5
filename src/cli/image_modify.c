#include "image.h"

struct image {
    struct local local;
    const char *description, *imds;
    struct opt_list codes;
};

static const struct opt opts[] = {
    { 0, "description", "TEXT", OPT_TEXT, offsetof(struct image, description),
      "the AMI's description; \"\" is none" },
    { 0, "imds", "V", OPT_TEXT, offsetof(struct image, imds),
      "v2.0: machines ask for metadata by token only; cannot be taken back" },
    { 0, "product-code", "CODE", OPT_LIST, offsetof(struct image, codes),
      "a code of the marketplace; may be repeated; cannot be taken back" },
    OPT_STORE(image),
    OPT_SHARED_FS(image),
    OPT_WHERE(image),
    { 0 },
};

static const struct opt_verb modify_verb = {
    "image modify",
    "AMI...",
    1,
    -1,
    "Changes what is recorded of each AMI. What an AMI boots and which disks it has cannot be "
    "changed: register another one of the same snapshots. A product code cannot be removed, nor "
    "can an AMI that has one be public, or be copied by another account.",
    opts
};

static int modify(void *arg, struct vml_store *s, const struct vml_where *where, const char *ami,
                  struct vml_image *out, struct vml_error *err)
{
    return vml_registry_modify(s, where, ami, arg, out, err);
}

static void image_clear(struct image *how)
{
    opt_list_clear(&how->codes);
}

int image_modify(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(image_clear) struct image how = { 0 };
    int rc = opt_parse(cli, &modify_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (how.description == NULL && how.imds == NULL && how.codes.n == 0)
        return vml_fail(err, VML_EUSAGE, "usage/nothing",
                        "image modify: what is to change? --description, --imds or "
                        "--product-code");
    struct vml_modify what = { how.description, how.imds, how.codes.items, how.codes.n };
    return image_each(cli, &how.local, modify, &what, err);
}
