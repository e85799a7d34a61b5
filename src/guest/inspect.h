/* The parts of an inspection; inspect.c puts them together. */
#ifndef VMLIFT_GUEST_INSPECT_H
#define VMLIFT_GUEST_INSPECT_H

#include "guest/tree.h"
#include "vmlift/inspect.h"

/* Something on the disks that has a file system or is used as one. */
struct vml_block {
    char device[96]; /* in the appliance */
    char type[24];
    char uuid[64], label[64], partuuid[64], partlabel[112];
};

/* All of *v that the files of a Linux tell. */
int vml_inspect_linux(const struct vml_tree *t, struct vml_inspect *v, struct vml_error *err);
/* Which entries of fstab name something that none of the blocks is. */
void vml_inspect_missing(struct vml_inspect *v, const struct vml_block *blocks, size_t n);

/* A value of a Windows registry, malloc'd, with NULs behind it; NULL: there is none.  key is
 * written "Microsoft\\Windows"; text is for those of the types of text: in UTF-8, lists with ' '
 * between. */
struct vml_hives {
    char *(*text)(void *arg, const char *hive, const char *key, const char *value);
    bool (*number)(void *arg, const char *hive, const char *key, const char *value, uint32_t *n);
    char **(*list)(void *arg, const char *hive, const char *key); /* its subkeys */
    void *arg;
};
/* All of *v that the files and the registry of a Windows tell; hives are "SYSTEM", "SOFTWARE";
 * control is the control set that was current. */
int vml_inspect_windows(const struct vml_tree *t, const struct vml_hives *h, const char *control,
                        struct vml_inspect *v, struct vml_error *err);

int vml_inspect_agent(struct vml_inspect *v, const char *name, const char *of, const char *path,
                      struct vml_error *err);
int vml_inspect_identity(struct vml_inspect *v, const char *what, const char *path,
                         struct vml_error *err);

#endif
