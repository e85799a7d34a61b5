#include "list.h"
#include "local.h"
#include "snapshot.h"

struct list_how {
    struct local local;
    struct opt_list owners, restorable_by, filters;
    bool orphans;
};

static void how_clear(struct list_how *how)
{
    opt_list_clear(&how->owners);
    opt_list_clear(&how->restorable_by);
    opt_list_clear(&how->filters);
}

static const struct opt opts[] = {
    { 0, "owner", "WHO", OPT_LIST, offsetof(struct list_how, owners),
      "only those of an account, of \"self\" or of \"all\"; may be repeated" },
    { 0, "restorable-by", "WHO", OPT_LIST, offsetof(struct list_how, restorable_by),
      "only those that an account, \"self\", or \"all\" may create volumes of; may be repeated" },
    { 0, "filter", "F", OPT_LIST, offsetof(struct list_how, filters),
      "only those for which EC2's filter holds: tag:Env=Prod,encrypted=true or "
      "Name=volume-size,Values=8,30; may be repeated" },
    { 0, "orphans", NULL, OPT_FLAG, offsetof(struct list_how, orphans),
      "only the account's own that no registered AMI uses" },
    OPT_PASSPHRASE(list_how),
    OPT_STORE(list_how),
    OPT_WHERE(list_how),
    { 0 },
};

static const struct opt_verb list_verb = {
    "snapshot list",
    "[SNAPSHOT...]",
    0,
    -1,
    "Lists the snapshots in the region that the account owns or that are shared with it; or of "
    "these the ones that are named. The oldest first.",
    opts
};

static int list_one(void *arg, const struct vml_registry_snapshot *r, struct vml_error *err)
{
    const struct vml_snapshot *s = &r->is;
    struct list *l = arg;
    char size[32], data[32], when[32];
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot own = { 0 };
    const char *text = s->description;

    if (s->key[0] != '\0') {
        if (vml_snapshot_get(l->store, s->id, &own, err) < 0)
            return -1;
        text = snapshot_described(l->store, &own, err);
        if (text == NULL)
            return -1;
    }
    if (l->json) {
        json_array_append_new(l->items, snapshot_json(r, text));
        return 0;
    }
    return table_add(&l->table, err, s->id, s->owner, vml_size_format(size, s->size),
                     vml_size_format(data, s->data_size), out_time(when, s->created), text, NULL);
}

int snapshot_list(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(how_clear) struct list_how how = { .local.quiet = true };
    VML_AUTO(vml_filters_clear) struct vml_filters filters = { .of = VML_FILTER_SNAPSHOTS };
    VML_AUTO(list_clear) struct list list = { .items = json_array() };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_where where;
    int rc = opt_parse(cli, &list_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (list_filters(&filters, &how.filters, err) < 0)
        return -1;
    const struct vml_snapshot_query query = {
        .filters = &filters,
        .ids = (const char *const *)cli->words,
        .n_ids = (size_t)cli->n_words,
        .owners = how.owners.items,
        .n_owners = how.owners.n,
        .restorable_by = how.restorable_by.items,
        .n_restorable_by = how.restorable_by.n,
        .orphans = how.orphans,
    };
    if (local_open(&how.local, cli->n_words > 0 ? LOCAL_READ : LOCAL_LIST, &where, &s, err) < 0 ||
        table_add(&list.table, err, "ID", "OWNER", "SIZE", "DATA", "CREATED", "DESCRIPTION", NULL) <
            0)
        return -1;
    list.store = s;
    list.json = cli->json;
    if (s != NULL && vml_registry_snapshot_list(s, &where, &query, list_one, &list, err) < 0)
        return -1;
    return list_print(&list, "Snapshots", err);
}
