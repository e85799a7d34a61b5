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
    free(a->grants);
    free(a->codes);
    free(a->location);
    free(a->source);
    free(a->source_format);
    *a = (struct vml_image){ 0 };
}

int vml_set_text(char *field, size_t size, const char *what, const char *value,
                 struct vml_error *err)
{
    size_t len = strlen(value);
    if (len >= size)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "%s of %zu bytes, at most %zu allowed", what, len, size - 1);
    memcpy(field, value, len + 1);
    return 0;
}

int vml_set_owned(char **field, const char *value, struct vml_error *err)
{
    char *copy = strdup(value);
    if (!copy)
        return vml_fail_nomem(err);
    free(*field);
    *field = copy;
    return 0;
}

/* The array with room for one more item, zeroed and counted: clear frees what a failure leaves. */
static void *grow(void *items, size_t *n, size_t size, struct vml_error *err)
{
    char *all = reallocarray(items, *n + 1, size);
    if (!all) {
        vml_fail_nomem(err);
        return NULL;
    }
    memset(all + (*n)++ * size, 0, size);
    return all;
}

int vml_image_tag(struct vml_image *a, const char *key, const char *value, struct vml_error *err)
{
    struct vml_tag *tags = grow(a->tags, &a->n_tags, sizeof *tags, err);
    if (!tags)
        return -1;
    a->tags = tags;
    struct vml_tag *t = &tags[a->n_tags - 1];
    return vml_set_owned(&t->key, key, err) < 0 ? -1 : vml_set_owned(&t->value, value, err);
}

int vml_image_grant(struct vml_image *a, const char *kind, const char *grantee,
                    struct vml_error *err)
{
    struct vml_grant *grants = grow(a->grants, &a->n_grants, sizeof *grants, err);
    if (!grants)
        return -1;
    a->grants = grants;
    struct vml_grant *g = &grants[a->n_grants - 1];
    return VML_SET(g->kind, "Kind", kind, err) < 0 ? -1
                                                   : VML_SET(g->grantee, "Grantee", grantee, err);
}

int vml_image_code(struct vml_image *a, const char *type, const char *code, struct vml_error *err)
{
    struct vml_product_code *codes = grow(a->codes, &a->n_codes, sizeof *codes, err);
    if (!codes)
        return -1;
    a->codes = codes;
    struct vml_product_code *c = &codes[a->n_codes - 1];
    return VML_SET(c->type, "Code type", type, err) < 0
               ? -1
               : VML_SET(c->code, "Product code", code, err);
}

int vml_image_map(struct vml_image *a, const struct vml_mapping *m, struct vml_error *err)
{
    struct vml_mapping *mappings = grow(a->mappings, &a->n_mappings, sizeof *mappings, err);
    if (!mappings)
        return -1;
    a->mappings = mappings;
    mappings[a->n_mappings - 1] = *m;
    return 0;
}

const struct vml_mapping *vml_image_root(const struct vml_image *a)
{
    for (size_t i = 0; i < a->n_mappings; i++) {
        if (strcmp(a->mappings[i].device, a->root_device) == 0)
            return &a->mappings[i];
    }
    return NULL;
}

bool vml_image_granted(const struct vml_image *a, const char *kind, const char *account)
{
    for (size_t i = 0; i < a->n_grants; i++) {
        const struct vml_grant *g = &a->grants[i];
        if (strcmp(g->kind, kind) == 0 &&
            (strcmp(g->grantee, account) == 0 || strcmp(g->grantee, VML_EVERYONE) == 0))
            return true;
    }
    return false;
}

bool vml_image_public(const struct vml_image *a)
{
    return vml_image_granted(a, VML_GRANT_LAUNCH, VML_EVERYONE);
}
