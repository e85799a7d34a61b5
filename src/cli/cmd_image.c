#include "image.h"

static const struct verb verbs[] = {
    { "list", image_list, "list the account's AMIs in the region" },
    { "show", image_show, "tell all about some AMIs" },
    { "register", image_register, "make an AMI of snapshots" },
    { "create", image_create, "make an AMI of a machine's disks" },
    { "copy", image_copy, "make an AMI of the same disks, also in another region" },
    { "share", image_share, "let other accounts launch AMIs" },
    { "unshare", image_unshare, "take that back" },
    { "tag", image_tag, "give AMIs tags" },
    { "untag", image_untag, "take tags from AMIs" },
    { "modify", image_modify, "change the description of AMIs, and the like" },
    { "deprecate", image_deprecate, "say from when on AMIs should not be used" },
    { "disable", image_disable, "let nobody use AMIs, and end their being shared" },
    { "enable", image_enable, "let disabled AMIs be used again" },
    { "protect", image_protect, "keep AMIs from being deregistered" },
    { "deregister", image_deregister, "take AMIs out of the registry; their snapshots stay" },
    { "prune", image_prune, "deregister the AMIs that are not needed any more" },
    { "history", image_history, "tell what was done to an AMI, when and by whom" },
    { 0 },
};

int cmd_image(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return verb_run(cli, verbs, "image", argc, argv, err);
}
