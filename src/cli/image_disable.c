#include "image.h"

struct image {
    struct local local;
};

static const struct opt opts[] = {
    OPT_STORE(image),
    OPT_SHARED_FS(image),
    OPT_WHERE(image),
    { 0 },
};

static const struct opt_verb disable_verb = {
    "image disable",
    "AMI...",
    1,
    -1,
    "Lets nobody launch, share or copy each AMI, and takes it from everyone that it is shared "
    "with. Its snapshots stay in use.",
    opts
};
static const struct opt_verb enable_verb = {
    "image enable",
    "AMI...",
    1,
    -1,
    "Lets each AMI, which was disabled, be used again. Whom it was shared with is not known any "
    "more: share it anew.",
    opts
};

static int disable(void *arg, struct vml_store *s, const struct vml_where *where, const char *ami,
                   struct vml_image *out, struct vml_error *err)
{
    (void)arg;
    return vml_registry_disable(s, where, ami, out, err);
}

static int enable(void *arg, struct vml_store *s, const struct vml_where *where, const char *ami,
                  struct vml_image *out, struct vml_error *err)
{
    (void)arg;
    return vml_registry_enable(s, where, ami, out, err);
}

static int run(struct cli *cli, const struct opt_verb *verb, image_fn *fn, int argc, char **argv,
               struct vml_error *err)
{
    struct image how = { 0 };
    int rc = opt_parse(cli, verb, &how, argc, argv, err);

    return rc != 0 ? (rc < 0 ? -1 : 0) : image_each(cli, &how.local, fn, NULL, err);
}

int image_disable(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return run(cli, &disable_verb, disable, argc, argv, err);
}

int image_enable(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return run(cli, &enable_verb, enable, argc, argv, err);
}
