/* EC2: what snapshots there are, those included that are still being written (ebs.c). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "serve/actions.h"
#include "serve/filters.h"
#include "serve/page.h"
#include "vmlift/key.h"
#include "vmlift/rules.h"
#include "vmlift/share.h"

/* --- those that are written ------------------------------------------------------------------- */

typedef int record_fn(void *arg, const struct vml_registry_snapshot *s, struct vml_error *err);

struct unwritten {
    const struct vml_request *r;
    record_fn *fn;
    void *arg;
};

/* As a record of the registry. */
static int as_record(void *arg, const struct vml_ebs_snapshot *e, struct vml_error *err)
{
    struct unwritten *u = arg;
    char progress[8];
    struct vml_registry_snapshot s = {
        .is = { .size = e->size, .created = e->started },
        .marks = { .tags = (struct vml_tag *)(uintptr_t)e->tags, .n_tags = e->n_tags },
        .state = e->state,
        .progress = progress,
    };

    snprintf(progress, sizeof progress, "%u%%", e->progress);
    snprintf(s.is.id, sizeof s.is.id, "%s", e->id);
    snprintf(s.is.owner, sizeof s.is.owner, "%s", u->r->account);
    snprintf(s.is.region, sizeof s.is.region, "%s", u->r->region);
    snprintf(s.is.key, sizeof s.is.key, "%s", e->key != NULL ? e->key : "");
    s.is.description = (char *)(uintptr_t)(e->description != NULL ? e->description : "");
    return u->fn(u->arg, &s, err);
}

static int each_unwritten(struct vml_request *r, record_fn *fn, void *arg, struct vml_error *err)
{
    struct unwritten u = { r, fn, arg };

    return vml_ebs_each(vml_server_ebs(r->server), &r->where, as_record, &u, err);
}

struct search {
    const char *id;
    bool found;
};

static int look(void *arg, const struct vml_registry_snapshot *s, struct vml_error *err)
{
    struct search *search = arg;

    (void)err;
    search->found = search->found || strcmp(s->is.id, search->id) == 0;
    return 0;
}

int vml_is_unwritten(struct vml_request *r, const char *id, bool *yes, struct vml_error *err)
{
    struct search search = { id, false };
    int rc = each_unwritten(r, look, &search, err);

    *yes = search.found;
    return rc;
}

void vml_not_yet(struct vml_request *r, const char *id, struct vml_error *err)
{
    struct vml_error ignored;
    bool yes = false;

    if (strcmp(err->slug, "InvalidSnapshot.NotFound") == 0 &&
        vml_is_unwritten(r, id, &yes, &ignored) == 0 && yes)
        (void)vml_fail(err, VML_EREFUSED, "IncorrectState", "Snapshot '%s' is not 'completed'.",
                       id);
}

/* --- DescribeSnapshots ------------------------------------------------------------------------ */

struct describe {
    struct vml_request *r;
    struct vml_answer *a;
    struct vml_page page;
    struct vml_filters filters;
    struct vml_texts ids, owners, restorable_by;
    struct vml_texts written; /* those of ids that the registry knows, or does not know */
};

static void describe_clear(struct describe *d)
{
    vml_filters_clear(&d->filters);
    vml_texts_clear(&d->ids);
    vml_texts_clear(&d->owners);
    vml_texts_clear(&d->restorable_by);
    vml_texts_clear(&d->written);
}

static int describe_one(void *arg, const struct vml_registry_snapshot *s, struct vml_error *err)
{
    struct describe *d = arg;
    char position[64];

    snprintf(position, sizeof position, "%016" PRIx64, (uint64_t)s->is.seq);
    return vml_page_takes(&d->page, position) ? vml_print_snapshot(d->a, d->r, s, err) : 0;
}

static bool is_in(const char *text, const struct vml_texts *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i], text) == 0)
            return true;
    return false;
}

/* They are one's own, and nobody else has a permission yet.  They come last: '~' is behind what
 * describe_one says. */
static int describe_unwritten(void *arg, const struct vml_registry_snapshot *s,
                              struct vml_error *err)
{
    struct describe *d = arg;
    char position[96];

    if ((d->ids.n > 0 && !is_in(s->is.id, &d->ids)) ||
        (d->owners.n > 0 && !is_in("self", &d->owners) && !is_in(s->is.owner, &d->owners)) ||
        (d->restorable_by.n > 0 && !is_in("self", &d->restorable_by)) ||
        !vml_filters_snapshot(&d->filters, s))
        return 0;
    snprintf(position, sizeof position, "~%016" PRIx64 " %s", (uint64_t)s->is.created, s->is.id);
    return vml_page_takes(&d->page, position) ? vml_print_snapshot(d->a, d->r, s, err) : 0;
}

/* IDs that are unknown are refused, but the registry does not know what is not in it yet. */
static int sort_out(struct describe *d, struct vml_error *err)
{
    d->written.items = calloc(d->ids.n + 1, sizeof *d->written.items);
    if (d->written.items == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < d->ids.n; i++) {
        bool unwritten;
        if (vml_is_unwritten(d->r, d->ids.items[i], &unwritten, err) < 0)
            return -1;
        if (!unwritten)
            d->written.items[d->written.n++] = d->ids.items[i];
    }
    return 0;
}

static int read_query(struct describe *d, struct vml_error *err)
{
    const struct vml_request *r = d->r;

    if (vml_request_filters(r, &d->filters, err) < 0 ||
        vml_param_list(r, "SnapshotId", &d->ids, err) < 0 ||
        vml_param_list(r, "Owner", &d->owners, err) < 0 ||
        vml_param_list(r, "RestorableBy", &d->restorable_by, err) < 0 ||
        vml_page_read(&d->page, r, 5, err) < 0)
        return -1;
    if (d->ids.n > 0 && vml_param(r, "MaxResults") != NULL)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "The parameter snapshotId cannot be used with the parameter maxResults");
    return sort_out(d, err);
}

int vml_do_describe_snapshots(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(describe_clear)
    struct describe d = { .r = r, .a = a, .filters = { .of = VML_FILTER_SNAPSHOTS } };

    if (read_query(&d, err) < 0 || vml_dry_run(r, err) < 0)
        return -1;
    const struct vml_snapshot_query query = {
        .filters = &d.filters,
        .ids = d.written.items,
        .n_ids = d.written.n,
        .owners = d.owners.items,
        .n_owners = d.owners.n,
        .restorable_by = d.restorable_by.items,
        .n_restorable_by = d.restorable_by.n,
    };
    vml_xml_open(a, "snapshotSet");
    if (((d.ids.n == 0 || d.written.n > 0) &&
         vml_registry_snapshot_list(r->store, &r->where, &query, describe_one, &d, err) < 0) ||
        each_unwritten(r, describe_unwritten, &d, err) < 0)
        return -1;
    vml_xml_close(a, "snapshotSet");
    vml_page_end(&d.page, a);
    return 0;
}

/* --- CreateSnapshot --------------------------------------------------------------------------- */

static int no_key(void *arg, char id[37], struct vml_error *err)
{
    (void)arg;
    (void)id;
    return vml_fail(err, VML_EREFUSED, "InvalidRequest",
                    "The volume is encrypted with a key of another account or region");
}

static int fail_volume(const char *volume, struct vml_error *err)
{
    return vml_fail(err, VML_ENOTFOUND, "InvalidVolume.NotFound",
                    "The volume '%.64s' does not exist.", volume);
}

/* The answer is the snapshot itself, outside of any list; "item" would be one too many. */
static void print_made(struct vml_answer *a, const struct vml_snapshot *s, const char *volume,
                       const struct vml_marks *tags)
{
    vml_xml_text(a, "snapshotId", s->id);
    vml_xml_text(a, "volumeId", volume);
    vml_xml_text(a, "status", "completed");
    vml_xml_time(a, "startTime", s->created);
    vml_xml_text(a, "progress", "100%");
    vml_xml_text(a, "ownerId", s->owner);
    vml_xml_number(a, "volumeSize", vml_div_up(s->size, VML_GIB));
    vml_xml_text(a, "description", s->description != NULL ? s->description : "");
    vml_xml_bool(a, "encrypted", s->key[0] != '\0');
    vml_print_tags(a, tags->tags, tags->n_tags);
}

int vml_do_create_snapshot(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot source = { 0 };
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot made = { .id = "" };
    VML_AUTO(vml_marks_clear) struct vml_marks tags = { 0 };
    const char *volume, *description = vml_param(r, "Description");
    struct vml_copy copy = { .threads = 0 };
    const struct vml_copying_how how = { .description = description != NULL ? description : "",
                                         .default_key = no_key,
                                         .copy = &copy };
    char origin[32];

    if (vml_param_need(r, "VolumeId", &volume, err) < 0 ||
        vml_origin(volume, "vol-", "snap-", "InvalidVolume", origin, err) < 0 ||
        vml_rule_description(how.description, err) < 0 ||
        vml_request_tags(r, "snapshot", "snapshot", &tags, err) < 0)
        return -1;
    if (vml_registry_snapshot_get(r->store, &r->where, origin, &source, err) < 0)
        return err->code == VML_ENOTFOUND ? fail_volume(volume, err) : -1;
    if (vml_dry_run(r, err) < 0 ||
        vml_registry_copy_snapshot(r->store, &r->where, origin, &how, &made, err) < 0)
        return -1;
    const char *id = made.id;
    if (tags.n_tags > 0 &&
        vml_registry_tag_all(r->store, &r->where, &id, 1, tags.tags, tags.n_tags, false, err) < 0)
        return -1;
    print_made(a, &made, volume, &tags);
    return 0;
}

/* --- DeleteSnapshot --------------------------------------------------------------------------- */

int vml_do_delete_snapshot(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    struct vml_ebs *ebs = vml_server_ebs(r->server);
    bool unwritten;
    const char *id;

    if (vml_need_snapshot(r, "SnapshotId", &id, err) < 0 ||
        vml_is_unwritten(r, id, &unwritten, err) < 0 ||
        (!unwritten && vml_registry_snapshot_own(r->store, &r->where, id, err) < 0) ||
        vml_dry_run(r, err) < 0)
        return -1;
    int cancelled = unwritten ? vml_ebs_cancel(ebs, &r->where, id, err) : 0;
    if (cancelled < 0 ||
        (cancelled == 0 && vml_registry_snapshot_delete(r->store, &r->where, id, err) < 0))
        return -1;
    vml_print_true(a);
    return 0;
}
