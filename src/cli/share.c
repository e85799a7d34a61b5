#include "share.h"

#include <stdlib.h>
#include <string.h>

void grantees_clear(struct grantees *g)
{
    free(g->text);
    free(g->items);
}

int grantees_read(struct grantees *g, const struct whom *w, const char *verb, const char *kind,
                  bool remove, struct vml_error *err)
{
    size_t most = 2;

    if (w->with == NULL && !w->everyone && !w->all)
        return vml_fail(err, VML_EUSAGE, "usage/share",
                        "%s: with whom? --with N[,N...] or --public%s", verb,
                        remove ? ", or --all" : "");
    if (w->all && (w->with != NULL || w->everyone))
        return vml_fail(err, VML_EUSAGE, "usage/share",
                        "%s: --all goes without --with and --public", verb);
    for (const char *p = w->with; p != NULL && *p != '\0'; p++)
        most += *p == ',';
    g->text = strdup(w->with != NULL ? w->with : "");
    g->items = calloc(most, sizeof *g->items);
    if (g->text == NULL || g->items == NULL)
        return vml_fail_nomem(err);
    for (char *p = w->with != NULL ? g->text : NULL, *comma; p != NULL;
         p = comma != NULL ? comma + 1 : NULL) {
        comma = strchr(p, ',');
        if (comma != NULL)
            *comma = '\0';
        g->items[g->n++] = p;
    }
    if (w->everyone)
        g->items[g->n++] = VML_EVERYONE;
    g->how = (struct vml_sharing){
        .kind = kind, .grantees = g->items, .n = g->n, .remove = remove, .all = w->all
    };
    return 0;
}
