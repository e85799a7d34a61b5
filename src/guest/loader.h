/* What a Linux guest's boot loader would start by default, from its configuration. */
#ifndef VMLIFT_GUEST_LOADER_H
#define VMLIFT_GUEST_LOADER_H

#include "guest/tree.h"
#include "vmlift/inspect.h"

struct vml_menu_entry {
    char kernel[160];  /* as it is written there: perhaps from the root of another file system */
    char options[256]; /* of the kernel */
};
/* Of a text of each kind, the entry that is started by itself; false: there is none. */
bool vml_menu_grub2(const char *text, struct vml_menu_entry *e);
bool vml_menu_legacy(const char *text, struct vml_menu_entry *e);   /* menu.lst */
bool vml_menu_syslinux(const char *text, struct vml_menu_entry *e); /* extlinux too */
bool vml_menu_entry(const char *text, struct vml_menu_entry *e);    /* a file of the Boot Loader
                                                                       Specification */
/* Is option among the words, or a word that begins with it where it ends in '='?  Its rest, or
 * NULL.
 */
const char *vml_kernel_option(const char *options, const char *option);

/* v->menus and all about kernel options; kernel is the base name of what is started, or "". */
void vml_loader_read(const struct vml_tree *t, struct vml_inspect *v, char kernel[160]);

#endif
