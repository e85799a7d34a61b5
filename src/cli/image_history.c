#include "image.h"
#include "marks.h"

struct image {
    struct local local;
};

static const struct opt opts[] = {
    OPT_STORE(image),
    OPT_WHERE(image),
    { 0 },
};

static const struct opt_verb history_verb = {
    "image history",
    "AMI",
    1,
    1,
    "Tells what was done to an AMI of the account, the oldest first: when, which account, and "
    "what. Of one that is deregistered, too, when it is given by its ID.",
    opts
};

int image_history(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct image how = { 0 };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_where where;
    char id[32];
    int rc = opt_parse(cli, &history_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    return local_open(&how.local, LOCAL_READ, &where, &s, err) < 0 ||
                   vml_registry_own(s, &where, cli->words[0], id, err) < 0
               ? -1
               : marks_print_history(cli, s, "Image", id, err);
}
