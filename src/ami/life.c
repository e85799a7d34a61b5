/* What an owner does to an image after it was registered, until it is deregistered: edits of the
 * record, each by vml_registry_change. */
#include "ami/registry.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmlift/registry.h"
#include "vmlift/rules.h"

#define DETAIL 256

/* Appends to what history is to say.  What has no room ends in "...", never in the middle of a
 * character. */
static void add_detail(char detail[DETAIL], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void add_detail(char detail[DETAIL], const char *fmt, ...)
{
    size_t used = strlen(detail), end = 0;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(detail + used, DETAIL - used, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < DETAIL - used)
        return;
    for (size_t step; detail[end]; end += step) {
        step = vml_utf8_char(detail + end);
        if (step == 0 || end + step + sizeof "..." > DETAIL)
            break;
    }
    strcpy(detail + end, "...");
}

/* What comes before the next item of a list. */
static const char *comma(const char *detail, const char *first)
{
    return detail[0] ? ", " : first;
}

/* --- tags ----------------------------------------------------------------------------------- */

struct tags {
    const struct vml_tag *items;
    size_t n;
};

/* Where the key is, or where it belongs: *there says which. */
static size_t find_tag(const struct vml_marks *m, const char *key, bool *there)
{
    size_t i = 0;
    while (i < m->n_tags && strcmp(m->tags[i].key, key) < 0)
        i++;
    *there = i < m->n_tags && strcmp(m->tags[i].key, key) == 0;
    return i;
}

/* 1: it is changed, 0: it was so before. */
static int put_tag(struct vml_marks *m, const struct vml_tag *tag, struct vml_error *err)
{
    bool there;
    size_t at = find_tag(m, tag->key, &there);
    if (there && strcmp(m->tags[at].value, tag->value) == 0)
        return 0;
    if (there)
        return vml_set_owned(&m->tags[at].value, tag->value, err) < 0 ? -1 : 1;
    if (vml_marks_tag(m, tag->key, tag->value, err) < 0)
        return -1;
    struct vml_tag last = m->tags[m->n_tags - 1];
    memmove(m->tags + at + 1, m->tags + at, (m->n_tags - 1 - at) * sizeof last);
    m->tags[at] = last;
    return 1;
}

static int put_tags(const struct tags *tags, struct vml_marks *m, char detail[DETAIL],
                    struct vml_error *err)
{
    int changed = 0;
    if (vml_rule_tags(tags->items, tags->n, err) < 0)
        return -1;
    for (size_t i = 0; i < tags->n; i++) {
        const struct vml_tag *tag = &tags->items[i];
        int rc = put_tag(m, tag, err);
        if (rc < 0)
            return -1;
        if (rc > 0)
            add_detail(detail, "%s%s=%s", comma(detail, ""), tag->key, tag->value);
        changed |= rc;
    }
    return vml_rule_tags(m->tags, m->n_tags, err) < 0 ? -1 : changed;
}

static int drop_all(struct vml_marks *m, char detail[DETAIL])
{
    int changed = m->n_tags > 0;
    while (m->n_tags > 0) {
        struct vml_tag *last = &m->tags[--m->n_tags];
        add_detail(detail, "%s%s=%s", comma(detail, ""), last->key, last->value);
        free(last->key);
        free(last->value);
    }
    return changed;
}

static int drop_tags(const struct tags *tags, struct vml_marks *m, char detail[DETAIL],
                     struct vml_error *err)
{
    int changed = 0;
    if (tags->n == 0)
        return drop_all(m, detail);
    for (size_t i = 0; i < tags->n; i++) {
        const struct vml_tag *tag = &tags->items[i];
        bool there;
        if (vml_rule_tag_key(tag->key, err) < 0)
            return -1;
        size_t at = find_tag(m, tag->key, &there);
        if (!there || (tag->value && strcmp(m->tags[at].value, tag->value) != 0))
            continue;
        add_detail(detail, "%s%s=%s", comma(detail, ""), tag->key, m->tags[at].value);
        free(m->tags[at].key);
        free(m->tags[at].value);
        m->n_tags--;
        memmove(m->tags + at, m->tags + at + 1, (m->n_tags - at) * sizeof *m->tags);
        changed = 1;
    }
    return changed;
}

static int tag_image(void *arg, struct vml_image *a, char detail[DETAIL], struct vml_error *err)
{
    return put_tags(arg, &a->marks, detail, err);
}

static int untag_image(void *arg, struct vml_image *a, char detail[DETAIL], struct vml_error *err)
{
    return drop_tags(arg, &a->marks, detail, err);
}

static int tag_snapshot(void *arg, struct vml_registry_snapshot *r, char detail[DETAIL],
                        struct vml_error *err)
{
    return put_tags(arg, &r->marks, detail, err);
}

static int untag_snapshot(void *arg, struct vml_registry_snapshot *r, char detail[DETAIL],
                          struct vml_error *err)
{
    return drop_tags(arg, &r->marks, detail, err);
}

int vml_registry_tag(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                     const struct vml_tag *tags, size_t n, struct vml_image *out,
                     struct vml_error *err)
{
    struct tags all = { tags, n };
    const struct vml_change how = { .action = "tag", .edit = tag_image, .arg = &all };
    return vml_registry_change(s, where, id_or_name, &how, out, err);
}

int vml_registry_untag(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                       const struct vml_tag *tags, size_t n, struct vml_image *out,
                       struct vml_error *err)
{
    struct tags all = { tags, n };
    const struct vml_change how = { .action = "untag", .edit = untag_image, .arg = &all };
    return vml_registry_change(s, where, id_or_name, &how, out, err);
}

int vml_registry_snapshot_tag(struct vml_store *s, const struct vml_where *where, const char *id,
                              const struct vml_tag *tags, size_t n, struct vml_error *err)
{
    struct tags all = { tags, n };
    const struct vml_snapshot_change how = { .action = "tag", .edit = tag_snapshot, .arg = &all };
    return vml_registry_snapshot_change(s, where, id, &how, NULL, err);
}

int vml_registry_snapshot_untag(struct vml_store *s, const struct vml_where *where, const char *id,
                                const struct vml_tag *tags, size_t n, struct vml_error *err)
{
    struct tags all = { tags, n };
    const struct vml_snapshot_change how = { .action = "untag",
                                             .edit = untag_snapshot,
                                             .arg = &all };
    return vml_registry_snapshot_change(s, where, id, &how, NULL, err);
}

/* Of images and snapshots at once. */
struct tag_all {
    struct vml_store *store;
    const struct vml_where *where;
    const char *const *ids;
    size_t n;
    struct tags tags;
    bool remove;
};

static int tag_one(struct tag_all *all, struct vml_db *db, const char *id, struct vml_error *err)
{
    const char *action = all->remove ? "untag" : "tag";
    const struct vml_change image = { .action = action,
                                      .edit = all->remove ? untag_image : tag_image,
                                      .arg = &all->tags };
    const struct vml_snapshot_change snapshot = {
        .action = action, .edit = all->remove ? untag_snapshot : tag_snapshot, .arg = &all->tags
    };
    VML_AUTO(vml_image_clear) struct vml_image out = { 0 };
    if (vml_is_id(id, "ami-"))
        return vml_change_in(all->store, db, all->where, id, &image, &out, err);
    if (vml_is_id(id, "snap-"))
        return vml_snapshot_change_in(all->store, all->where, id, &snapshot, NULL, err);
    return vml_fail(err, VML_EREFUSED, "InvalidID", "The ID '%.64s' is not valid", id);
}

static int tag_each(void *arg, struct vml_db *db, struct vml_error *err)
{
    struct tag_all *all = arg;
    for (size_t i = 0; i < all->n; i++) {
        if (tag_one(all, db, all->ids[i], err) < 0)
            return -1;
    }
    return 0;
}

int vml_registry_tag_all(struct vml_store *s, const struct vml_where *where, const char *const *ids,
                         size_t n_ids, const struct vml_tag *tags, size_t n, bool remove,
                         struct vml_error *err)
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    struct tag_all all = { s, where, ids, n_ids, { tags, n }, remove };
    return vml_txn_begin(&t, s, err) < 0 ? -1 : vml_txn_commit(t, tag_each, &all, err);
}

/* --- attributes ----------------------------------------------------------------------------- */

static bool has_code(const struct vml_image *a, const char *code)
{
    for (size_t i = 0; i < a->marks.n_codes; i++) {
        if (strcmp(a->marks.codes[i].type, VML_PRODUCT_MARKETPLACE) == 0 &&
            strcmp(a->marks.codes[i].code, code) == 0)
            return true;
    }
    return false;
}

static int edit_attributes(void *arg, struct vml_image *a, char detail[DETAIL],
                           struct vml_error *err)
{
    const struct vml_modify *how = arg;
    int changed = 0;
    if (how->imds && vml_rule_imds(how->imds, err) < 0)
        return -1;
    if (how->imds && strcmp(a->imds, how->imds) != 0) {
        if (VML_SET(a->imds, "ImdsSupport", how->imds, err) < 0)
            return -1;
        add_detail(detail, "%simds=%s", comma(detail, ""), how->imds);
        changed = 1;
    }
    for (size_t i = 0; i < how->n_codes; i++) {
        if (vml_rule_product_code(a, how->codes[i], err) < 0)
            return -1;
        if (has_code(a, how->codes[i]))
            continue;
        if (vml_marks_code(&a->marks, VML_PRODUCT_MARKETPLACE, how->codes[i], err) < 0)
            return -1;
        add_detail(detail, "%sproduct-code=%s", comma(detail, ""), how->codes[i]);
        changed = 1;
    }
    if (how->description && vml_rule_description(how->description, err) < 0)
        return -1;
    if (how->description && strcmp(a->description, how->description) != 0) {
        if (VML_SET(a->description, "Description", how->description, err) < 0)
            return -1;
        add_detail(detail, "%sdescription=%s", comma(detail, ""), how->description);
        changed = 1;
    }
    return changed;
}

int vml_registry_modify(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                        const struct vml_modify *modify, struct vml_image *out,
                        struct vml_error *err)
{
    struct vml_modify all = *modify;
    const struct vml_change how = { .action = "modify", .edit = edit_attributes, .arg = &all };
    return vml_registry_change(s, where, id_or_name, &how, out, err);
}

/* --- deprecation ---------------------------------------------------------------------------- */

static int edit_deprecation(void *arg, struct vml_image *a, char detail[DETAIL],
                            struct vml_error *err)
{
    const int64_t at = *(const int64_t *)arg, rounded = (at + 30) / 60 * 60;
    time_t t = (time_t)rounded;
    struct tm tm;
    if ((at == 0 ? vml_rule_undeprecate(a, err) : vml_rule_deprecate(a, at, vml_now(), err)) < 0)
        return -1;
    if (a->deprecated == rounded)
        return 0;
    a->deprecated = rounded;
    if (at != 0 && gmtime_r(&t, &tm))
        strftime(detail, DETAIL, "at %Y-%m-%dT%H:%MZ", &tm);
    return 1;
}

int vml_registry_deprecate(struct vml_store *s, const struct vml_where *where,
                           const char *id_or_name, int64_t at, struct vml_image *out,
                           struct vml_error *err)
{
    const struct vml_change how = { .action = at == 0 ? "cancel-deprecation" : "deprecate",
                                    .edit = edit_deprecation,
                                    .arg = &at };
    return vml_registry_change(s, where, id_or_name, &how, out, err);
}

/* --- disabling ------------------------------------------------------------------------------ */

static int edit_disable(void *arg, struct vml_image *a, char detail[DETAIL], struct vml_error *err)
{
    size_t kept = 0;
    (void)arg;
    if (vml_rule_disable(a, err) < 0 || VML_SET(a->state, "State", VML_DISABLED, err) < 0)
        return -1;
    for (size_t i = 0; i < a->marks.n_grants; i++) {
        const struct vml_grant *g = &a->marks.grants[i];
        if (strcmp(g->kind, VML_GRANT_LAUNCH) == 0)
            add_detail(detail, "%s%s", comma(detail, "no longer shared with "), g->grantee);
        else
            a->marks.grants[kept++] = *g;
    }
    a->marks.n_grants = kept;
    return 1;
}

static int edit_enable(void *arg, struct vml_image *a, char detail[DETAIL], struct vml_error *err)
{
    (void)arg;
    (void)detail;
    return vml_rule_enable(a, err) < 0 || VML_SET(a->state, "State", VML_AVAILABLE, err) < 0 ? -1
                                                                                             : 1;
}

int vml_registry_disable(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                         struct vml_image *out, struct vml_error *err)
{
    const struct vml_change how = { .action = "disable", .edit = edit_disable };
    return vml_registry_change(s, where, id_or_name, &how, out, err);
}

int vml_registry_enable(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                        struct vml_image *out, struct vml_error *err)
{
    const struct vml_change how = { .action = "enable", .edit = edit_enable };
    return vml_registry_change(s, where, id_or_name, &how, out, err);
}

/* --- protection ----------------------------------------------------------------------------- */

static int edit_protection(void *arg, struct vml_image *a, char detail[DETAIL],
                           struct vml_error *err)
{
    const enum vml_protect how = *(const enum vml_protect *)arg;
    const char *next = how == VML_PROTECT_ON ? VML_PROTECTED : VML_PROTECTED_COOLDOWN;
    int64_t now = vml_now(), until = 0;
    if (how == VML_PROTECT_OFF && strcmp(a->protection, VML_PROTECTED_COOLDOWN) == 0) {
        next = VML_COOLING_DOWN;
        until = now + VML_COOLDOWN;
        add_detail(detail, "holds for another 24 hours");
    } else if (how == VML_PROTECT_OFF) {
        /* A second time does not begin the cooldown anew. */
        if (strcmp(a->protection, VML_PROTECTED) != 0)
            return 0;
        next = "";
    } else if (vml_rule_protect(a, how == VML_PROTECT_WITH_COOLDOWN, now, err) < 0) {
        return -1;
    } else if (how == VML_PROTECT_WITH_COOLDOWN) {
        add_detail(detail, "with cooldown");
    }
    if (strcmp(a->protection, next) == 0)
        return 0;
    a->protected_until = until;
    return VML_SET(a->protection, "DeregistrationProtection", next, err) < 0 ? -1 : 1;
}

int vml_registry_protect(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                         enum vml_protect protect, struct vml_image *out, struct vml_error *err)
{
    const struct vml_change how = { .action = protect == VML_PROTECT_OFF ? "unprotect" : "protect",
                                    .edit = edit_protection,
                                    .arg = &protect };
    return vml_registry_change(s, where, id_or_name, &how, out, err);
}

/* --- deregistration ------------------------------------------------------------------------- */

struct deregister {
    bool delete_snapshots, checked; /* vml_snapshot_uses_check */
    struct vml_left *snapshots;
    size_t n;
};

void vml_deregistered_clear(struct vml_deregistered *d)
{
    vml_image_clear(&d->image);
    free(d->snapshots);
    d->snapshots = NULL;
    d->n = 0;
}

static int edit_deregister(void *arg, struct vml_image *a, char detail[DETAIL],
                           struct vml_error *err)
{
    struct deregister *d = arg;
    (void)detail;
    d->snapshots = calloc(a->n_mappings + 1, sizeof *d->snapshots);
    if (!d->snapshots)
        return vml_fail_nomem(err);
    if (vml_rule_deregister(a, vml_now(), err) < 0)
        return -1;
    return VML_SET(a->state, "State", VML_DEREGISTERED, err) < 0 ? -1 : 1;
}

static bool is_listed(const struct deregister *d, const char *snapshot)
{
    size_t i = 0;
    while (i < d->n && strcmp(d->snapshots[i].snapshot, snapshot) != 0)
        i++;
    return i < d->n;
}

/* The image is deregistered by now: whoever uses a snapshot is another one. */
static int leave_snapshots(void *arg, struct vml_db *db, const struct vml_image *a,
                           char detail[DETAIL], struct vml_error *err)
{
    struct deregister *d = arg;
    for (size_t i = 0; i < a->n_mappings; i++) {
        const char *id = a->mappings[i].snapshot;
        if (!id[0] || is_listed(d, id))
            continue;
        struct vml_left *left = &d->snapshots[d->n++];
        int used = VML_SET(left->snapshot, "SnapshotId", id, err) < 0
                       ? -1
                       : vml_snapshot_user(db, id, left->user, err);
        if (used < 0)
            return -1;
        left->result = d->delete_snapshots && used > 0 ? "skipped" : "";
        if (!d->delete_snapshots || used > 0)
            continue;
        left->result = "success";
        if (!d->checked && vml_snapshot_uses_check(db, err) < 0)
            return -1;
        d->checked = true;
        if (vml_snapshot_delete_next(db, id, err) == 0)
            add_detail(detail, "%s%s", comma(detail, "deleted "), id);
        else if (err->code == VML_ENOTFOUND) /* a rebuilt store may lack what it could not read */
            left->result = "client-error";
        else
            return -1;
    }
    return 0;
}

int vml_deregister_in(struct vml_store *s, struct vml_db *db, const struct vml_where *where,
                      const char *action, const char *id, bool delete_snapshots,
                      struct vml_deregistered *out, struct vml_error *err)
{
    struct deregister d = { .delete_snapshots = delete_snapshots, .checked = true };
    const struct vml_change how = {
        .action = action, .edit = edit_deregister, .arg = &d, .also = leave_snapshots
    };
    *out = (struct vml_deregistered){ 0 };
    int rc = vml_change_in(s, db, where, id, &how, &out->image, err);
    out->snapshots = d.snapshots;
    out->n = d.n;
    return rc;
}

int vml_registry_deregister(struct vml_store *s, const struct vml_where *where,
                            const char *id_or_name, bool delete_snapshots,
                            struct vml_deregistered *out, struct vml_error *err)
{
    struct deregister d = { .delete_snapshots = delete_snapshots };
    const struct vml_change how = {
        .action = "deregister", .edit = edit_deregister, .arg = &d, .also = leave_snapshots
    };
    *out = (struct vml_deregistered){ 0 };
    int rc = vml_registry_change(s, where, id_or_name, &how, &out->image, err);
    out->snapshots = d.snapshots;
    out->n = d.n;
    return rc;
}
