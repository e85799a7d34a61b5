#include "list.h"

void list_clear(struct list *l)
{
    table_clear(&l->table);
    json_decref(l->items);
}

int list_print(const struct list *l, const char *name, struct vml_error *err)
{
    if (l->json)
        return out_json(json_pack("{s:O}", name, l->items), err);
    table_print(&l->table);
    return 0;
}

int list_filters(struct vml_filters *f, const struct opt_list *texts, struct vml_error *err)
{
    for (size_t i = 0; i < texts->n; i++) {
        if (vml_filters_add(f, texts->items[i], err) < 0)
            return -1;
    }
    return 0;
}
