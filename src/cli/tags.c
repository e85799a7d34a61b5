#include "tags.h"

#include <stdlib.h>
#include <string.h>

void tags_clear(struct tags *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->items[i].key);
    free(t->items);
}

/* Key and value stay in one copy of the word. */
int tags_read(const struct opt_verb *v, const struct opt_list *words, bool bare, struct tags *out,
              struct vml_error *err)
{
    if (v != NULL && words->n == 0)
        return vml_fail(err, VML_EUSAGE, "usage/tag", "%s: which tags? --tag %s", v->name,
                        bare ? "K[=V]" : "K=V");
    out->items = calloc(words->n + 1, sizeof *out->items);
    for (size_t i = 0; out->items != NULL && i < words->n; i++) {
        char *key = strdup(words->items[i]);
        char *equals = key != NULL ? strchr(key, '=') : NULL;
        if (key == NULL)
            return vml_fail_nomem(err);
        out->items[out->n++].key = key;
        if (equals == NULL && !bare)
            return vml_fail(err, VML_EUSAGE, "usage/tag", "--tag: %s is not KEY=VALUE", key);
        if (equals == NULL)
            continue;
        *equals = '\0';
        out->items[i].value = equals + 1;
    }
    return out->items != NULL ? 0 : vml_fail_nomem(err);
}
