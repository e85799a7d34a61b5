#include "image.h"

struct image {
    struct local local;
    bool with_cooldown, off;
};

static const struct opt opts[] = {
    { 0, "with-cooldown", NULL, OPT_FLAG, offsetof(struct image, with_cooldown),
      "once it is switched off, it is to hold for another 24 hours" },
    { 0, "off", NULL, OPT_FLAG, offsetof(struct image, off), "switch the protection off" },
    OPT_STORE(image),
    OPT_SHARED_FS(image),
    OPT_WHERE(image),
    { 0 },
};

static const struct opt_verb protect_verb = {
    "image protect",
    "AMI...",
    1,
    -1,
    "Keeps each AMI from being deregistered until the protection is switched off.",
    opts
};

static int protect(void *arg, struct vml_store *s, const struct vml_where *where, const char *ami,
                   struct vml_image *out, struct vml_error *err)
{
    return vml_registry_protect(s, where, ami, *(const enum vml_protect *)arg, out, err);
}

int image_protect(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct image how = { 0 };
    int rc = opt_parse(cli, &protect_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (how.off && how.with_cooldown)
        return vml_fail(err, VML_EUSAGE, "usage/protect",
                        "image protect: --with-cooldown or --off, not both");
    enum vml_protect what = how.off             ? VML_PROTECT_OFF
                            : how.with_cooldown ? VML_PROTECT_WITH_COOLDOWN
                                                : VML_PROTECT_ON;
    return image_each(cli, &how.local, protect, &what, err);
}
