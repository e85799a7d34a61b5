/* An AMI may be given by its name, and any word may be one: so what is a tag says --tag, as with
 * import, and nothing is told from an operand's place or looks. */
#include "image.h"
#include "tags.h"

struct image {
    struct local local;
    struct opt_list tags;
};

static const struct opt tag_opts[] = {
    OPT_TAG(image), OPT_STORE(image), OPT_SHARED_FS(image), OPT_WHERE(image), { 0 },
};
static const struct opt untag_opts[] = {
    OPT_UNTAG(image), OPT_STORE(image), OPT_SHARED_FS(image), OPT_WHERE(image), { 0 },
};

static const struct opt_verb tag_verb = {
    "image tag",
    "AMI... --tag K=V",
    1,
    -1,
    "Gives each AMI the tags, in place of those that have the same keys. An AMI has at most 50; a "
    "key has 1 to 128 characters and does not begin with \"aws:\", a value has up to 256.",
    tag_opts
};
static const struct opt_verb untag_verb = {
    "image untag",
    "AMI... --tag K[=V]",
    1,
    -1,
    "Takes the tags from each AMI: K takes it whatever its value, K=V only if V is its value, and "
    "K= only if that is empty. A tag that is not there is not missed.",
    untag_opts
};

static int tag(void *arg, struct vml_store *s, const struct vml_where *where, const char *ami,
               struct vml_image *out, struct vml_error *err)
{
    const struct tags *t = arg;

    return vml_registry_tag(s, where, ami, t->items, t->n, out, err);
}

static int untag(void *arg, struct vml_store *s, const struct vml_where *where, const char *ami,
                 struct vml_image *out, struct vml_error *err)
{
    const struct tags *t = arg;

    return vml_registry_untag(s, where, ami, t->items, t->n, out, err);
}

static void image_clear(struct image *how)
{
    opt_list_clear(&how->tags);
}

static int run(struct cli *cli, const struct opt_verb *verb, image_fn *fn, int argc, char **argv,
               struct vml_error *err)
{
    VML_AUTO(image_clear) struct image how = { 0 };
    VML_AUTO(tags_clear) struct tags tags = { 0 };
    int rc = opt_parse(cli, verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (tags_read(verb, &how.tags, verb == &untag_verb, &tags, err) < 0)
        return -1;
    return image_each(cli, &how.local, fn, &tags, err);
}

int image_tag(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return run(cli, &tag_verb, tag, argc, argv, err);
}

int image_untag(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return run(cli, &untag_verb, untag, argc, argv, err);
}
