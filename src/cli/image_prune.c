#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "table.h"
#include "vmlift/prune.h"

struct prune_how {
    struct local local;
    struct opt_list names;
    const char *older_than;
    unsigned keep_last;
    bool deprecated, delete_snapshots, dry_run;
};

static void how_clear(struct prune_how *how)
{
    opt_list_clear(&how->names);
}

static const struct opt opts[] = {
    { 0, "name", "PATTERN", OPT_LIST, offsetof(struct prune_how, names),
      "only those of this name, in which * stands for any characters and ? for one; may be "
      "repeated" },
    { 0, "older-than", "DAYS", OPT_TEXT, offsetof(struct prune_how, older_than),
      "those that were made before so many days" },
    { 0, "deprecated", NULL, OPT_FLAG, offsetof(struct prune_how, deprecated),
      "those whose deprecation date has passed" },
    { 0, "keep-last", "K", OPT_COUNT, offsetof(struct prune_how, keep_last),
      "of each --name keep the newest K" },
    { 0, "delete-snapshots", NULL, OPT_FLAG, offsetof(struct prune_how, delete_snapshots),
      "delete those of their snapshots that no other AMI uses" },
    { 0, "dry-run", NULL, OPT_FLAG, offsetof(struct prune_how, dry_run),
      "only tell what would go" },
    OPT_STORE(prune_how),
    OPT_SHARED_FS(prune_how),
    OPT_WHERE(prune_how),
    { 0 },
};

static const struct opt_verb prune_verb = {
    "image prune",
    "",
    0,
    0,
    "Deregisters the account's own AMIs that are not needed any more: of those named, or of all, "
    "the "
    "ones that are deprecated or older than so many days; or, with neither, all but the newest K. "
    "With --keep-last the newest K of each name stay in any case. AMIs that are protected or "
    "disabled are named and stay. Prints each that goes, why, and what only it takes in the store; "
    "all go at once, or none.",
    opts
};

static int read_days(int64_t *seconds, const char *text, struct vml_error *err)
{
    *seconds = -1;
    if (text == NULL)
        return 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return vml_fail(err, VML_EUSAGE, "usage/value",
                        "--older-than: %s is not a number of days from 0 to 99999", text);
    *seconds = (int64_t)strtol(text, NULL, 10) * 86400;
    return 0;
}

/* --- what it frees -------------------------------------------------------------------------- */

struct frees {
    struct free_one {
        char id[32];
        uint64_t bytes;
    } * items;
    size_t n, room;
};

static int add_free(void *arg, const struct vml_used *u, struct vml_error *err)
{
    struct frees *f = arg;

    if (!u->image || u->own == 0)
        return 0;
    if (f->n == f->room) {
        size_t room = f->room > 0 ? f->room * 2 : 64;
        struct free_one *more = reallocarray(f->items, room, sizeof *more);
        if (more == NULL)
            return vml_fail_nomem(err);
        f->items = more;
        f->room = room;
    }
    snprintf(f->items[f->n].id, sizeof f->items[f->n].id, "%s", u->id);
    f->items[f->n++].bytes = u->own;
    return 0;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct free_one *)a)->id, ((const struct free_one *)b)->id);
}

static uint64_t freed_by(const struct frees *f, const char *id)
{
    struct free_one key;
    const struct free_one *one;

    if (f->n == 0)
        return 0;
    snprintf(key.id, sizeof key.id, "%s", id);
    one = bsearch(&key, f->items, f->n, sizeof key, by_id);
    return one != NULL ? one->bytes : 0;
}

/* --- telling -------------------------------------------------------------------------------- */

struct told {
    const struct prune_how *how;
    struct frees frees;
    struct table table;
    json_t *images, *stay;
    uint64_t bytes;
    size_t n, snapshots; /* snapshots: how many were deleted */
};

static void told_clear(struct told *t)
{
    free(t->frees.items);
    table_clear(&t->table);
    json_decref(t->images);
    json_decref(t->stay);
}

static json_t *result_json(const struct vml_deregistered *d)
{
    json_t *results = json_array();

    for (size_t i = 0; i < d->n; i++)
        json_array_append_new(results,
                              json_pack("{s:s, s:s}", "SnapshotId", d->snapshots[i].snapshot,
                                        "ReturnCode", d->snapshots[i].result));
    return results;
}

static int tell_one(void *arg, const struct vml_pruned *p, struct vml_error *err)
{
    struct told *t = arg;
    const struct vml_image *a = p->image;
    uint64_t bytes = freed_by(&t->frees, a->id);
    char when[32], size[32];
    json_t *v = json_pack("{s:s, s:o, s:s}", "ImageId", a->id, "Name", json_text(a->name), "Reason",
                          p->why);

    if (p->stays != NULL) {
        json_object_set_new(v, "Stays", json_string(p->stays));
        json_array_append_new(t->stay, v);
        out_line(stderr, "vmlift: note: %s (%s) is %s and %s, and stays [image/stays]", a->id,
                 a->name, p->why, p->stays);
        return 0;
    }
    json_object_set_new(v, "OwnBytes", json_size(bytes));
    if (p->gone != NULL && t->how->delete_snapshots)
        json_object_set_new(v, "DeleteSnapshotResults", result_json(p->gone));
    json_array_append_new(t->images, v);
    for (size_t i = 0; p->gone != NULL && i < p->gone->n; i++)
        t->snapshots += strcmp(p->gone->snapshots[i].result, "success") == 0;
    t->bytes += bytes;
    t->n++;
    return table_add(&t->table, err, a->id, a->name, out_time(when, a->created), p->why,
                     vml_size_format(size, bytes), NULL);
}

/* What two of them share is neither's own, and goes all the same when both do. */
static void sum_up(const struct told *t)
{
    char size[32];

    vml_size_format(size, t->bytes);
    if (t->n == 0)
        out_line(stderr, "vmlift: note: no AMI goes [image/pruned]");
    else if (t->how->dry_run)
        out_line(stderr, "vmlift: note: %zu AMIs would go, %s at least %s [image/pruned]", t->n,
                 t->how->delete_snapshots ? "and with their snapshots and \"vmlift store gc\""
                                          : "whose snapshots would stay, and take",
                 size);
    else if (t->how->delete_snapshots)
        out_line(stderr,
                 "vmlift: note: %zu AMIs and %zu snapshots are gone; \"vmlift store gc\" frees at "
                 "least %s [image/pruned]",
                 t->n, t->snapshots, size);
    else
        out_line(stderr,
                 "vmlift: note: %zu AMIs are gone; their snapshots stay, and take at least %s: "
                 "\"vmlift snapshot list --orphans\" lists them [image/snapshots-stay]",
                 t->n, size);
}

/* --- the verb ------------------------------------------------------------------------------- */

static int prune(struct prune_how *how, struct told *t, struct vml_error *err)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_where where;
    struct vml_usage usage;
    struct vml_prune what = {
        .names = how->names.items,
        .n_names = how->names.n,
        .deprecated = how->deprecated,
        .keep_last = how->keep_last,
        .delete_snapshots = how->delete_snapshots,
        .dry_run = how->dry_run,
    };

    if (read_days(&what.max_age, how->older_than, err) < 0 ||
        local_open(&how->local, how->dry_run ? LOCAL_READ : LOCAL_WRITE, &where, &s, err) < 0 ||
        vml_prune_check(&what, err) < 0 || vml_store_usage(s, &usage, add_free, &t->frees, err) < 0)
        return -1;
    if (t->frees.n > 0)
        qsort(t->frees.items, t->frees.n, sizeof *t->frees.items, by_id);
    return vml_registry_prune(s, &where, &what, tell_one, t, err);
}

int image_prune(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(how_clear) struct prune_how how = { 0 };
    VML_AUTO(told_clear)
    struct told t = { .how = &how, .images = json_array(), .stay = json_array() };
    int rc = opt_parse(cli, &prune_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (table_add(&t.table, err, "ID", "NAME", "CREATED", "WHY", "OWN", NULL) < 0 ||
        prune(&how, &t, err) < 0)
        return -1;
    if (!cli->json)
        table_print(&t.table);
    sum_up(&t);
    return cli->json
               ? out_json(json_pack("{s:O, s:O, s:o, s:b}", "Images", t.images, "Stay", t.stay,
                                    "OwnBytes", json_size(t.bytes), "DryRun", how.dry_run),
                          err)
               : 0;
}
