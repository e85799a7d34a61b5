#include "image.h"

static const struct verb verbs[] = {
    { "list", image_list, "list the account's AMIs in the region" },
    { "show", image_show, "tell all about some AMIs" },
    { "deregister", image_deregister, "take AMIs out of the registry; their snapshots stay" },
    { 0 },
};

int cmd_image(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return verb_run(cli, verbs, "image", argc, argv, err);
}
