#include "image.h"
#include "list.h"

struct list_how {
    struct local local;
    struct opt_list owners, executable_by, filters;
    bool deprecated, disabled;
};

static void how_clear(struct list_how *how)
{
    opt_list_clear(&how->owners);
    opt_list_clear(&how->executable_by);
    opt_list_clear(&how->filters);
}

static const struct opt opts[] = {
    { 0, "owner", "WHO", OPT_LIST, offsetof(struct list_how, owners),
      "only those of an account, of \"self\", of \"all\", \"amazon\" or \"aws-marketplace\"; may "
      "be repeated" },
    { 0, "executable-by", "WHO", OPT_LIST, offsetof(struct list_how, executable_by),
      "only those that an account, \"self\", or \"all\" was given the permission to launch; may be "
      "repeated" },
    { 0, "filter", "F", OPT_LIST, offsetof(struct list_how, filters),
      "only those for which EC2's filter holds: name=web-*,state=available,tag:Env=Prod or "
      "Name=architecture,Values=arm64,x86_64; may be repeated" },
    { 0, "include-deprecated", NULL, OPT_FLAG, offsetof(struct list_how, deprecated),
      "also others' AMIs that are deprecated" },
    { 0, "include-disabled", NULL, OPT_FLAG, offsetof(struct list_how, disabled),
      "also AMIs that are disabled" },
    OPT_STORE(list_how),
    OPT_WHERE(list_how),
    { 0 },
};

static const struct opt_verb list_verb = {
    "image list",
    "[AMI...]",
    0,
    -1,
    "Lists the AMIs in the region that the account sees: its own, those that are shared with it, "
    "and public ones; or of these the ones that are named. The oldest first, the newest last.",
    opts
};

static int list_one(void *arg, const struct vml_image *a, struct vml_error *err)
{
    struct list *l = arg;
    uint64_t gib = 0;
    char size[32], when[32];

    if (l->json) {
        json_array_append_new(l->items, image_json(a, l->store));
        return 0;
    }
    for (size_t i = 0; i < a->n_mappings; i++)
        gib += a->mappings[i].size_gib;
    return table_add(&l->table, err, a->id, a->name, a->owner, a->state, a->architecture,
                     a->virtualization, a->boot_mode[0] != '\0' ? a->boot_mode : "-",
                     vml_size_format(size, gib * VML_GIB), out_time(when, a->created), NULL);
}

int image_list(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(how_clear) struct list_how how = { 0 };
    VML_AUTO(vml_filters_clear) struct vml_filters filters = { .of = VML_FILTER_IMAGES };
    VML_AUTO(list_clear) struct list list = { .items = json_array() };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
    struct vml_where where;
    int rc = opt_parse(cli, &list_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (list_filters(&filters, &how.filters, err) < 0)
        return -1;
    const struct vml_image_query query = {
        .filters = &filters,
        .ids = (const char *const *)cli->words,
        .n_ids = (size_t)cli->n_words,
        .owners = how.owners.items,
        .n_owners = how.owners.n,
        .executable_by = how.executable_by.items,
        .n_executable_by = how.executable_by.n,
        .deprecated = how.deprecated,
        .disabled = how.disabled,
        .brief = !cli->json,
        .notes = &notes,
    };
    if (local_open(&how.local, cli->n_words > 0 ? LOCAL_READ : LOCAL_LIST, &where, &s, err) < 0 ||
        table_add(&list.table, err, "ID", "NAME", "OWNER", "STATE", "ARCH", "VIRT", "BOOT", "SIZE",
                  "CREATED", NULL) < 0)
        return -1;
    list.store = s;
    list.json = cli->json;
    if (s != NULL && vml_registry_list(s, &where, &query, list_one, &list, err) < 0)
        return -1;
    out_notes(NULL, &notes);
    return list_print(&list, "Images", err);
}
