/* What images and snapshots are marked with: tags, grants, product codes. */
#include <stdlib.h>
#include <string.h>

#include "vmlift/ami.h"

void vml_marks_clear(struct vml_marks *m)
{
    for (size_t i = 0; i < m->n_tags; i++) {
        free(m->tags[i].key);
        free(m->tags[i].value);
    }
    free(m->tags);
    free(m->grants);
    free(m->codes);
    *m = (struct vml_marks){ 0 };
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

int vml_marks_tag(struct vml_marks *m, const char *key, const char *value, struct vml_error *err)
{
    struct vml_tag *tags = grow(m->tags, &m->n_tags, sizeof *tags, err);
    if (!tags)
        return -1;
    m->tags = tags;
    struct vml_tag *t = &tags[m->n_tags - 1];
    return vml_set_owned(&t->key, key, err) < 0 ? -1 : vml_set_owned(&t->value, value, err);
}

int vml_marks_grant(struct vml_marks *m, const char *kind, const char *grantee,
                    struct vml_error *err)
{
    struct vml_grant *grants = grow(m->grants, &m->n_grants, sizeof *grants, err);
    if (!grants)
        return -1;
    m->grants = grants;
    struct vml_grant *g = &grants[m->n_grants - 1];
    return VML_SET(g->kind, "Kind", kind, err) < 0 ? -1
                                                   : VML_SET(g->grantee, "Grantee", grantee, err);
}

int vml_marks_code(struct vml_marks *m, const char *type, const char *code, struct vml_error *err)
{
    struct vml_product_code *codes = grow(m->codes, &m->n_codes, sizeof *codes, err);
    if (!codes)
        return -1;
    m->codes = codes;
    struct vml_product_code *c = &codes[m->n_codes - 1];
    return VML_SET(c->type, "Code type", type, err) < 0
               ? -1
               : VML_SET(c->code, "Product code", code, err);
}

static bool grants(const struct vml_grant *g, const char *account)
{
    return strcmp(g->grantee, account) == 0 || strcmp(g->grantee, VML_EVERYONE) == 0;
}

bool vml_marks_granted(const struct vml_marks *m, const char *kind, const char *account)
{
    for (size_t i = 0; i < m->n_grants; i++) {
        if (strcmp(m->grants[i].kind, kind) == 0 && grants(&m->grants[i], account))
            return true;
    }
    return false;
}

void vml_marks_hide(struct vml_marks *m, const char *account)
{
    size_t kept = 0;
    for (; m->n_tags > 0; m->n_tags--) {
        free(m->tags[m->n_tags - 1].key);
        free(m->tags[m->n_tags - 1].value);
    }
    for (size_t i = 0; i < m->n_grants; i++) {
        if (grants(&m->grants[i], account))
            m->grants[kept++] = m->grants[i];
    }
    m->n_grants = kept;
}
