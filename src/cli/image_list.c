#include "image.h"
#include "table.h"

struct image {
    struct local local;
};

static const struct opt opts[] = {
    OPT_STORE(image),
    OPT_WHERE(image),
    { 0 },
};

struct list {
    struct vml_store *store;
    struct table table;
    json_t *images;
};

static void list_clear(struct list *l)
{
    table_clear(&l->table);
    json_decref(l->images);
}

static int list_one(void *arg, const struct vml_image *a, struct vml_error *err)
{
    struct list *l = arg;
    uint64_t gib = 0;
    char size[32], when[32];

    for (size_t i = 0; i < a->n_mappings; i++)
        gib += a->mappings[i].size_gib;
    json_array_append_new(l->images, image_json(a, l->store));
    return table_add(&l->table, err, a->id, a->name, a->state, a->architecture, a->virtualization,
                     a->boot_mode[0] != '\0' ? a->boot_mode : "-",
                     vml_size_format(size, gib * VML_GIB), out_time(when, a->created), NULL);
}

static const struct opt_verb list_verb = {
    "image list", "", 0, 0, "Lists the account's AMIs in the region, the oldest first.", opts
};

int image_list(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct image how = { 0 };
    VML_AUTO(list_clear) struct list list = { .images = json_array() };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_where where;
    int rc = opt_parse(cli, &list_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (local_open(&how.local, LOCAL_LIST, &where, &s, err) < 0 ||
        table_add(&list.table, err, "ID", "NAME", "STATE", "ARCH", "VIRT", "BOOT", "SIZE",
                  "CREATED", NULL) < 0)
        return -1;
    list.store = s;
    if (s != NULL && vml_registry_each(s, &where, list_one, &list, err) < 0)
        return -1;
    if (cli->json)
        return out_json(json_pack("{s:O}", "Images", list.images), err);
    table_print(&list.table);
    return 0;
}
