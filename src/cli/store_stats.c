#include <inttypes.h>

#include "cost.h"
#include "local.h"
#include "out.h"
#include "store.h"
#include "table.h"

struct stats {
    struct local local;
    bool images, cost;
    const char *price;
};

static const struct opt opts[] = {
    { 0, "images", NULL, OPT_FLAG, offsetof(struct stats, images),
      "also each AMI and each snapshot, and what deleting it would free" },
    { 0, "cost", NULL, OPT_FLAG, offsetof(struct stats, cost),
      "also what keeping it costs in a month, here and in EBS" },
    OPT_PRICE(stats),
    OPT_STORE(stats),
    { 0 },
};

static const struct opt_verb verb = {
    "store stats",
    "",
    0,
    0,
    "Counts what the store holds. logical: the disks as they are seen; data: what in them is no "
    "hole; unique: every block once; compressed: the same as it is stored; stored: what the store "
    "takes on its disk; garbage: what of that nothing uses any more, or not yet.",
    opts
};

/* --- each image and snapshot ---------------------------------------------------------------- */

struct list {
    struct table table;
    json_t *images, *snapshots;
};

static void list_clear(struct list *l)
{
    table_clear(&l->table);
    json_decref(l->images);
    json_decref(l->snapshots);
}

static int list_one(void *arg, const struct vml_used *u, struct vml_error *err)
{
    struct list *l = arg;
    char size[32], data[32], own[32];
    json_t *v =
        json_pack("{s:s, s:I, s:I, s:I}", u->image ? "ImageId" : "SnapshotId", u->id, "logical",
                  (json_int_t)u->size, "data", (json_int_t)u->data, "frees", (json_int_t)u->own);

    if (u->image)
        json_object_set_new(v, "Name", json_text(u->name));
    json_array_append_new(u->image ? l->images : l->snapshots, v);
    return table_add(&l->table, err, u->id, vml_size_format(size, u->size),
                     vml_size_format(data, u->data), vml_size_format(own, u->own), u->name, NULL);
}

/* --- what it costs -------------------------------------------------------------------------- */

/* Bytes as EBS counts them. */
struct ebs {
    uint64_t all, unused;
};

static int add_cost(void *arg, const struct vml_snapshot_cost *c, struct vml_error *err)
{
    struct ebs *ebs = arg;

    (void)err;
    ebs->all += c->ebs;
    ebs->unused += c->used ? 0 : c->ebs;
    return 0;
}

static void print_cost(const char *name, uint64_t bytes, double price)
{
    char usd[48], size[32];

    out_line(stdout, "%-12s %s a month, for %s", name, cost_format(usd, bytes, price),
             vml_size_format(size, bytes));
}

static json_t *cost_json(const struct vml_usage *u, const struct ebs *ebs, double price)
{
    return json_pack("{s:f, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "price", price, "currency", "USD",
                     "bytes", json_size(u->compressed), "monthly", json_cost(u->compressed, price),
                     "ebs_bytes", json_size(ebs->all), "ebs_monthly", json_cost(ebs->all, price),
                     "ebs_unused_bytes", json_size(ebs->unused), "ebs_unused_monthly",
                     json_cost(ebs->unused, price));
}

/* --- all of it ------------------------------------------------------------------------------ */

static double ratio(uint64_t a, uint64_t b)
{
    return b > 0 ? (double)a / (double)b : 1;
}

static int print(struct cli *cli, const struct stats *how, const struct vml_store_stats *st,
                 const struct vml_usage *u, const struct ebs *ebs, double price, struct list *list,
                 struct vml_error *err)
{
    const struct {
        const char *name;
        uint64_t value;
        bool bytes;
    } rows[] = {
        { "images", st->images, false },  { "snapshots", st->snapshots, false },
        { "packs", st->packs, false },    { "blocks", st->blocks, false },
        { "logical", st->logical, true }, { "data", st->data, true },
        { "unique", u->unique, true },    { "compressed", u->compressed, true },
        { "stored", st->stored, true },   { "garbage", u->garbage, true },
    };
    const double dedup = ratio(st->data_blocks, u->unique),
                 compression = ratio(u->unique, u->compressed);
    json_t *v = cli->json ? json_object() : NULL;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char buf[32];
        if (cli->json)
            json_object_set_new(v, rows[i].name, json_size(rows[i].value));
        else if (rows[i].bytes)
            out_line(stdout, "%-12s %s", rows[i].name, vml_size_format(buf, rows[i].value));
        else
            out_line(stdout, "%-12s %" PRIu64, rows[i].name, rows[i].value);
    }
    if (cli->json) {
        json_object_update_new(v, json_pack("{s:f, s:f, s:O, s:O}", "dedup_ratio", dedup,
                                            "compression_ratio", compression, "Images",
                                            list->images, "Snapshots", list->snapshots));
        if (how->cost)
            json_object_set_new(v, "cost", cost_json(u, ebs, price));
        return out_json(v, err);
    }
    out_line(stdout, "%-12s %.2f", "dedup", dedup);
    out_line(stdout, "%-12s %.2f", "compression", compression);
    if (how->cost) {
        print_cost("cost", u->compressed, price);
        print_cost("cost in EBS", ebs->all, price);
        print_cost("of no AMI", ebs->unused, price);
    }
    if (how->images) {
        out_line(stdout, "%s", "");
        table_print(&list->table);
    }
    return 0;
}

int store_stats(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct stats how = { 0 };
    VML_AUTO(list_clear) struct list list = { .images = json_array(), .snapshots = json_array() };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_store_stats st;
    struct vml_usage usage;
    struct ebs ebs = { 0 };
    double price;
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (cost_price(&price, how.price, err) < 0)
        return -1;
    if (local_store(&how.local, LOCAL_READ, &s, err) < 0 ||
        table_add(&list.table, err, "ID", "SIZE", "DATA", "FREES", "NAME", NULL) < 0 ||
        vml_store_stats(s, &st, err) < 0 || vml_store_usage(s, &usage, list_one, &list, err) < 0 ||
        (how.cost && vml_snapshot_costs(s, add_cost, &ebs, err) < 0))
        return -1;
    return print(cli, &how, &st, &usage, &ebs, price, &list, err);
}
