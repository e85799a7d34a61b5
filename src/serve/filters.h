/* Which of them: the filters of a request. */
#ifndef VMLIFT_SERVE_FILTERS_H
#define VMLIFT_SERVE_FILTERS_H

#include "serve/serve.h"
#include "vmlift/filter.h"

/* Adds those of images or snapshots.  Errors: of vml_filters_add_values, and MissingParameter. */
int vml_request_filters(const struct vml_request *r, struct vml_filters *f, struct vml_error *err);

/* Those of what is told about by texts alone. */
struct vml_wanted {
    struct vml_wanted_item {
        const char *name; /* the request's */
        struct vml_texts values;
    } * items;
    size_t n;
};
/* names: which there are, "key value tag:"; one that ends in ':' goes on with anything.
 * InvalidParameterValue. */
int vml_wanted_read(struct vml_wanted *w, const struct vml_request *r, const char *names,
                    struct vml_error *err);
/* The same of a parameter that is called otherwise: "Filters". */
int vml_wanted_read_as(struct vml_wanted *w, const struct vml_request *r, const char *filter,
                       const char *names, struct vml_error *err);
void vml_wanted_clear(struct vml_wanted *w);
/* Does the text pass all filters of that name?  Without any it does. */
bool vml_wanted_takes(const struct vml_wanted *w, const char *name, const char *text);

#endif
