/* Sharing images and snapshots: EC2's ModifyImageAttribute, ModifySnapshotAttribute, the two resets
 * and CancelImageLaunchPermission. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ami/registry.h"
#include "vmlift/key.h"
#include "vmlift/rules.h"
#include "vmlift/share.h"

/* --- grants --------------------------------------------------------------------------------- */

static bool is_meant(const struct vml_grant *g, const struct vml_sharing *how)
{
    bool meant = how->all;
    for (size_t i = 0; i < how->n && !meant; i++)
        meant = strcmp(g->grantee, how->grantees[i]) == 0;
    return meant && strcmp(g->kind, how->kind) == 0;
}

static int take_away(struct vml_marks *m, const struct vml_sharing *how)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->n_grants; i++) {
        if (!is_meant(&m->grants[i], how))
            m->grants[kept++] = m->grants[i];
    }
    bool changed = kept < m->n_grants;
    m->n_grants = kept;
    return changed;
}

static bool has(const struct vml_marks *m, const char *kind, const char *grantee)
{
    for (size_t i = 0; i < m->n_grants; i++) {
        if (strcmp(m->grants[i].kind, kind) == 0 && strcmp(m->grants[i].grantee, grantee) == 0)
            return true;
    }
    return false;
}

static int by_kind(const void *a, const void *b)
{
    const struct vml_grant *x = a, *y = b;
    int kinds = strcmp(x->kind, y->kind);
    return kinds != 0 ? kinds : strcmp(x->grantee, y->grantee);
}

static int give(struct vml_marks *m, const struct vml_sharing *how, struct vml_error *err)
{
    size_t before = m->n_grants;
    for (size_t i = 0; i < how->n; i++) {
        if (!has(m, how->kind, how->grantees[i]) &&
            vml_marks_grant(m, how->kind, how->grantees[i], err) < 0)
            return -1;
    }
    if (m->n_grants == before)
        return 0;
    qsort(m->grants, m->n_grants, sizeof *m->grants, by_kind);
    return 1;
}

/* 1: something changed, which detail tells; 0: it was so already. */
static int change_grants(struct vml_marks *m, const struct vml_sharing *how, char detail[256],
                         struct vml_error *err)
{
    int changed = how->remove ? take_away(m, how) : give(m, how, err);
    size_t len = (size_t)snprintf(detail, 256, "%s:", how->kind);
    for (size_t i = 0; i < how->n && len < 240; i++)
        len += (size_t)snprintf(detail + len, 256 - len, " %.12s", how->grantees[i]);
    if (how->all || len >= 240)
        snprintf(detail + len, 256 - len, how->all ? " whoever had it" : " ..");
    return changed;
}

static const char *action(const struct vml_sharing *how)
{
    return how->remove ? "unshare" : "share";
}

/* --- default keys --------------------------------------------------------------------------- */

static int is_default(struct vml_store *s, const struct vml_snapshot *snap, bool *yes,
                      struct vml_error *err)
{
    VML_AUTO(vml_key_clear) struct vml_key key = { 0 };
    if (!snap->key[0])
        return 0;
    if (vml_key_get(s, snap->key, NULL, snap->region, &key, err) < 0)
        return -1;
    *yes = *yes || key.is_default;
    return 0;
}

static int has_default(struct vml_store *s, const struct vml_image *a, bool *yes,
                       struct vml_error *err)
{
    for (size_t i = 0; i < a->n_mappings; i++) {
        VML_AUTO(vml_snapshot_clear) struct vml_snapshot snap = { 0 };
        if (a->mappings[i].snapshot[0] &&
            (vml_snapshot_get(s, a->mappings[i].snapshot, &snap, err) < 0 ||
             is_default(s, &snap, yes, err) < 0))
            return -1;
    }
    return 0;
}

/* --- snapshots ------------------------------------------------------------------------------ */

struct share {
    struct vml_store *store;
    const struct vml_where *where;
    const struct vml_sharing *how;
    bool with_snapshots;
    struct vml_notes *notes;
};

static int edit_snapshot(void *arg, struct vml_registry_snapshot *r, char detail[256],
                         struct vml_error *err)
{
    const struct share *share = arg;
    bool default_key = false;
    if ((!share->how->remove && is_default(share->store, &r->is, &default_key, err) < 0) ||
        vml_rule_share_snapshot(&r->is, &r->marks, share->how, default_key, share->notes, err) < 0)
        return -1;
    return change_grants(&r->marks, share->how, detail, err);
}

int vml_registry_share_snapshot(struct vml_store *s, const struct vml_where *where, const char *id,
                                const struct vml_sharing *how, struct vml_notes *notes,
                                struct vml_registry_snapshot *out, struct vml_error *err)
{
    struct share share = { .store = s, .where = where, .how = how, .notes = notes };
    const struct vml_snapshot_change change = { action(how), edit_snapshot, &share };
    return vml_registry_snapshot_change(s, where, id, &change, out, err);
}

/* --- images --------------------------------------------------------------------------------- */

/* As the console's check box "create volume" does. */
static int share_snapshots(const struct share *share, const struct vml_image *a,
                           struct vml_error *err)
{
    struct vml_sharing how = *share->how;
    struct share of_snapshots = *share;
    const struct vml_snapshot_change change = { action(&how), edit_snapshot, &of_snapshots };
    int changed = 0;
    how.kind = VML_GRANT_CREATE_VOLUME;
    of_snapshots.how = &how;
    for (size_t i = 0; i < a->n_mappings; i++) {
        if (!a->mappings[i].snapshot[0])
            continue;
        int rc = vml_snapshot_change_in(share->store, share->where, a->mappings[i].snapshot,
                                        &change, NULL, err);
        if (rc < 0)
            return -1;
        changed |= rc;
    }
    return changed;
}

/* One way, and then the other where both are asked for. */
static int edit_way(const struct share *share, struct vml_image *a, char detail[256],
                    struct vml_error *err)
{
    bool default_key = false;
    if ((!share->how->remove && has_default(share->store, a, &default_key, err) < 0) ||
        vml_rule_share_image(a, share->how, default_key, share->notes, err) < 0)
        return -1;
    int changed = change_grants(&a->marks, share->how, detail, err);
    if (changed > 0 && vml_image_public(a))
        a->deprecated = vml_rule_public_deprecated(a);
    int below = changed >= 0 && share->with_snapshots ? share_snapshots(share, a, err) : 0;
    return changed < 0 || below < 0 ? -1 : changed | below;
}

static int edit_image(void *arg, struct vml_image *a, char detail[256], struct vml_error *err)
{
    struct share share = *(const struct share *)arg;
    int changed = 0;
    for (; share.how; share.how = share.how->then) {
        char one[256] = "";
        int rc = edit_way(&share, a, one, err);
        if (rc < 0)
            return -1;
        size_t len = strlen(detail);
        if (rc > 0)
            snprintf(detail + len, 256 - len, "%s%s%s", len > 0 ? "; " : "",
                     len > 0 && share.how->remove ? "no longer " : "", one);
        changed |= rc;
    }
    return changed;
}

int vml_registry_share(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                       const struct vml_sharing *how, bool with_snapshots, struct vml_notes *notes,
                       struct vml_image *out, struct vml_error *err)
{
    struct share share = { s, where, how, with_snapshots, notes };
    const struct vml_change change = { .action = action(how), .edit = edit_image, .arg = &share };
    return vml_registry_change(s, where, id_or_name, &change, out, err);
}

static int edit_leave(void *arg, struct vml_image *a, char detail[256], struct vml_error *err)
{
    const char *account = arg;
    const struct vml_sharing how = {
        .kind = VML_GRANT_LAUNCH, .grantees = &account, .n = 1, .remove = true
    };
    return vml_rule_leave(a, account, err) < 0 ? -1 : change_grants(&a->marks, &how, detail, err);
}

int vml_registry_leave(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                       struct vml_image *out, struct vml_error *err)
{
    const struct vml_change change = { .action = "leave",
                                       .edit = edit_leave,
                                       .arg = (void *)(uintptr_t)where->owner,
                                       .by_others = true };
    return vml_registry_change(s, where, id_or_name, &change, out, err);
}

const char *vml_image_type(const struct vml_image *a)
{
    bool launch = false;
    for (size_t i = 0; i < a->marks.n_codes; i++) {
        if (strcmp(a->marks.codes[i].type, VML_PRODUCT_MARKETPLACE) == 0)
            return "marketplace";
    }
    for (size_t i = 0; i < a->marks.n_grants; i++)
        launch = launch || strcmp(a->marks.grants[i].kind, VML_GRANT_LAUNCH) == 0;
    return vml_image_public(a) ? "public" : launch ? "shared" : "private";
}
