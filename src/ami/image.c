/* The record of a machine image. */
#include <stdlib.h>
#include <string.h>

#include "vmlift/ami.h"

void vml_image_clear(struct vml_image *a)
{
    for (size_t i = 0; i < a->n_tags; i++) {
        free(a->tags[i].key);
        free(a->tags[i].value);
    }
    free(a->tags);
    free(a->mappings);
    free(a->source);
    *a = (struct vml_image){ 0 };
}

int vml_image_tag(struct vml_image *a, const char *key, const char *value, struct vml_error *err)
{
    struct vml_tag *tags = reallocarray(a->tags, a->n_tags + 1, sizeof *tags);
    if (!tags)
        return vml_fail_nomem(err);
    a->tags = tags;
    struct vml_tag *t = &tags[a->n_tags++]; /* counted first: clear frees what a failure leaves */
    t->key = strdup(key);
    t->value = strdup(value);
    return t->key && t->value ? 0 : vml_fail_nomem(err);
}

const struct vml_mapping *vml_image_root(const struct vml_image *a)
{
    for (size_t i = 0; i < a->n_mappings; i++) {
        if (strcmp(a->mappings[i].device, a->root_device) == 0)
            return &a->mappings[i];
    }
    return NULL;
}
