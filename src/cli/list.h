/* What lists of images and of snapshots have in common. */
#ifndef VMLIFT_CLI_LIST_H
#define VMLIFT_CLI_LIST_H

#include "opt.h"
#include "out.h"
#include "table.h"
#include "vmlift/filter.h"

struct list {
    struct vml_store *store;
    struct table table; /* or, with --json, */
    json_t *items;
    bool json;
};
void list_clear(struct list *l);
/* Prints it; name is EC2's ("Images"). */
int list_print(const struct list *l, const char *name, struct vml_error *err);

/* All that --filter was given. */
int list_filters(struct vml_filters *f, const struct opt_list *texts, struct vml_error *err);

#endif
