/* Copying images and snapshots: EC2's CopyImage and CopySnapshot.
 *
 * Everything is checked before a byte is read or a key made; then the new snapshots and the record
 * become visible in one commit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ami/marks_rows.h"
#include "ami/registry.h"
#include "vmlift/key.h"
#include "vmlift/rules.h"
#include "vmlift/share.h"

/* --- sources -------------------------------------------------------------------------------- */

static int is_usable(struct vml_store *s, const struct vml_where *where,
                     const struct vml_snapshot *snap, bool *usable, struct vml_error *err)
{
    VML_AUTO(vml_key_clear) struct vml_key key = { 0 };
    if (!snap->key[0])
        return 0;
    *usable = vml_key_get(s, snap->key, where->owner, snap->region, &key, err) == 0;
    if (*usable || strcmp(err->slug, "key/denied") == 0)
        return 0;
    vml_error_prefix(err, "snapshot %s", snap->id);
    return -1;
}

/* What an account may read of an image: of each mapping the snapshot, as far as it is seen. */
struct sources {
    struct vml_registry_snapshot *snapshots;
    struct vml_source *is;
    size_t n;
};

static void sources_clear(struct sources *l)
{
    for (size_t i = 0; i < l->n; i++)
        vml_registry_snapshot_clear(&l->snapshots[i]);
    free(l->snapshots);
    free(l->is);
}

static int look(struct vml_store *s, const struct vml_where *where, const char *id,
                struct vml_registry_snapshot *r, struct vml_source *is, struct vml_error *err)
{
    *is = (struct vml_source){ .snapshot = id, .key = "" };
    if (!id[0])
        return 0;
    if (vml_registry_snapshot_get(s, where, id, r, err) < 0)
        return err->code == VML_ENOTFOUND ? 0 : -1;
    is->readable = true;
    is->key = r->is.key;
    return 0;
}

static int look_at_all(struct vml_store *s, const struct vml_where *where,
                       const struct vml_image *a, struct sources *l, struct vml_error *err)
{
    l->snapshots = calloc(a->n_mappings + 1, sizeof *l->snapshots);
    l->is = calloc(a->n_mappings + 1, sizeof *l->is);
    if (!l->snapshots || !l->is)
        return vml_fail_nomem(err);
    for (; l->n < a->n_mappings; l->n++) {
        if (look(s, where, a->mappings[l->n].snapshot, &l->snapshots[l->n], &l->is[l->n], err) < 0)
            return -1;
    }
    return 0;
}

static int try_keys(struct vml_store *s, const struct vml_where *where, struct sources *l,
                    struct vml_error *err)
{
    for (size_t i = 0; i < l->n; i++) {
        if (is_usable(s, where, &l->snapshots[i].is, &l->is[i].key_usable, err) < 0)
            return -1;
    }
    return 0;
}

int vml_registry_readable(struct vml_store *s, const struct vml_where *where,
                          const struct vml_image *a, struct vml_notes *notes, struct vml_error *err)
{
    VML_AUTO(sources_clear) struct sources l = { 0 };
    return look_at_all(s, where, a, &l, err) < 0
               ? -1
               : vml_rule_read_image(a, where->owner, l.is, notes, err);
}

/* --- snapshots ------------------------------------------------------------------------------ */

/* One that was copied, and whose rows beside its own are still to be written. */
struct copied {
    const struct vml_registry_snapshot *from;
    struct vml_snapshot to;
};

/* "": the source's.  A key is for its own region, and an account's own is what it keeps. */
static int choose_key(const struct vml_copying_how *how, const struct vml_where *where,
                      const struct vml_snapshot *from, char id[37], struct vml_error *err)
{
    bool keeps = strcmp(from->owner, where->owner) == 0 && strcmp(from->region, where->region) == 0;
    id[0] = '\0';
    if (how->encrypt ? how->key != NULL : (!from->key[0] || keeps))
        return how->encrypt ? vml_set_text(id, 37, "KmsKeyId", how->key, err) : 0;
    return how->default_key(how->arg, id, err);
}

static int copy_snapshot(struct vml_txn *t, struct vml_store *s, const struct vml_where *where,
                         const struct vml_copying_how *how, const char *description,
                         struct copied *c, struct vml_error *err)
{
    if (choose_key(how, where, &c->from->is, c->to.key, err) < 0 ||
        VML_SET(c->to.owner, "Owner", where->owner, err) < 0 ||
        VML_SET(c->to.region, "Region", where->region, err) < 0 ||
        (description && vml_set_owned(&c->to.description, description, err) < 0))
        return -1;
    c->to.created = vml_now();
    return vml_txn_copy_snapshot(t, s, c->from->is.id, &c->to, how->copy, err);
}

/* Whose product it is stays with what is copied; tags and grants do not. */
static int mark_copied(struct vml_db *db, const struct copied *c, struct vml_error *err)
{
    const struct vml_marks codes = { .codes = c->from->marks.codes,
                                     .n_codes = c->from->marks.n_codes };
    char detail[256];
    snprintf(detail, sizeof detail, "of %s in %s", c->from->is.id, c->from->is.region);
    return vml_marks_write(db, c->to.id, &codes, err) < 0
               ? -1
               : vml_history_add(db, c->to.id, c->to.owner, "copy", detail, err);
}

static int mark_one(void *arg, struct vml_db *db, struct vml_error *err)
{
    return mark_copied(db, arg, err);
}

static struct vml_where source_of(const struct vml_where *where, const struct vml_copying_how *how)
{
    return (struct vml_where){ where->owner,
                               how->source_region ? how->source_region : where->region };
}

static struct vml_copying asked(const struct vml_where *where, const struct vml_copying_how *how)
{
    return (struct vml_copying){ where->owner, where->region, how->encrypt, how->key };
}

int vml_registry_copy_snapshot(struct vml_store *s, const struct vml_where *where, const char *id,
                               const struct vml_copying_how *how, struct vml_snapshot *out,
                               struct vml_error *err)
{
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot from = { 0 };
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    struct copied c = { .from = &from };
    struct vml_source source = { .snapshot = id, .readable = true };
    const struct vml_where there = source_of(where, how);
    const struct vml_copying copying = asked(where, how);

    *out = (struct vml_snapshot){ 0 };
    if (vml_rule_account(where->owner, err) < 0 || vml_rule_region(where->region, err) < 0 ||
        vml_registry_snapshot_get(s, &there, id, &from, err) < 0 ||
        is_usable(s, &there, &from.is, &source.key_usable, err) < 0)
        return -1;
    source.key = from.is.key;
    if (vml_rule_copy_snapshot(&copying, &source, how->notes, err) < 0)
        return -1;
    int rc = vml_txn_begin(&t, s, err) < 0 ||
                     copy_snapshot(t, s, where, how, how->description, &c, err) < 0
                 ? -1
                 : vml_txn_commit(t, mark_one, &c, err);
    if (rc == 0)
        *out = c.to;
    else
        vml_snapshot_clear(&c.to);
    return rc;
}

/* --- images --------------------------------------------------------------------------------- */

struct copy {
    struct vml_store *store;
    const struct vml_where *where;
    const struct vml_copying_how *how;
    struct vml_image from, to;
    struct sources sources;
    struct copied *copied;
    size_t n_copied;
};

static void copy_clear(struct copy *c)
{
    for (size_t i = 0; i < c->n_copied; i++)
        vml_snapshot_clear(&c->copied[i].to);
    free(c->copied);
    sources_clear(&c->sources);
    vml_image_clear(&c->from);
    vml_image_clear(&c->to);
}

/* EC2's console begins with this; cut where it is too long, between characters. */
static int describe(struct copy *c, struct vml_error *err)
{
    const struct vml_copying_how *how = c->how;
    char text[512];
    if (how->description)
        return VML_SET(c->to.description, "Description", how->description, err);
    int len = snprintf(text, sizeof text, "[Copied %s from %s] %s", c->from.id, c->from.region,
                       c->from.name);
    if (len > 255)
        text[255] = '\0'; /* names are ASCII */
    return VML_SET(c->to.description, "Description", text, err);
}

static int copy_marks(struct copy *c, struct vml_error *err)
{
    const struct vml_marks *m = &c->from.marks;
    bool own = strcmp(c->from.owner, c->where->owner) == 0;
    for (size_t i = 0; i < m->n_codes; i++) {
        if (vml_marks_code(&c->to.marks, m->codes[i].type, m->codes[i].code, err) < 0)
            return -1;
    }
    if (c->how->tags && !own && c->how->notes)
        vml_note(c->how->notes, "copy/tags",
                 "any tags of %s are those of account %s, and are not copied", c->from.id,
                 c->from.owner);
    for (size_t i = 0; i < m->n_tags && c->how->tags; i++) {
        if (vml_marks_tag(&c->to.marks, m->tags[i].key, m->tags[i].value, err) < 0)
            return -1;
    }
    return 0;
}

/* Where the copy is started from is the owner's affair, and so is what it was made from. */
static int copy_texts(struct copy *c, struct vml_error *err)
{
    bool own = strcmp(c->from.owner, c->where->owner) == 0;
    char location[256] = "";
    if (c->from.location && c->from.location[0])
        snprintf(location, sizeof location, "amis-for-%s-in-%s/%s.manifest.xml", c->to.owner,
                 c->to.region, c->to.id);
    return vml_set_owned(&c->to.location, location, err) < 0 ||
                   vml_set_owned(&c->to.source, own && c->from.source ? c->from.source : "", err) <
                       0
               ? -1
               : vml_set_owned(&c->to.source_format,
                               c->from.source_format ? c->from.source_format : "", err);
}

/* Kernels are of a region: PV-GRUB has another ID in each. */
static int copy_kernel(struct copy *c, struct vml_error *err)
{
    const char *kernel = vml_rule_pv_grub(c->to.region, c->to.architecture);
    if (!c->from.kernel[0] || strcmp(c->from.region, c->to.region) == 0)
        return 0;
    if (c->how->notes && kernel)
        vml_note(c->how->notes, "copy/kernel", "kernel %s of %s is %s in %s", c->from.kernel,
                 c->from.region, kernel, c->to.region);
    return VML_SET(c->to.kernel, "KernelId", kernel ? kernel : "", err);
}

/* All of the record but its snapshots. */
static int make_record(struct copy *c, struct vml_error *err)
{
    struct vml_image *to = &c->to;
    const struct vml_image *from = &c->from;
    *to = *from;
    to->location = to->source = to->source_format = NULL;
    to->mappings = NULL;
    to->n_mappings = 0;
    to->marks = (struct vml_marks){ 0 };
    to->created = vml_now();
    to->deprecated = to->protected_until = 0;
    to->protection[0] = '\0';
    for (size_t i = 0; i < from->n_mappings; i++) {
        struct vml_mapping m = from->mappings[i];
        m.encrypted = m.encrypted && !m.snapshot[0]; /* else its snapshot says it */
        if (vml_image_map(to, &m, err) < 0)
            return -1;
    }
    return vml_new_id(to->id, "ami-", err) < 0 ||
                   VML_SET(to->name, "Name", c->how->name, err) < 0 ||
                   VML_SET(to->owner, "Owner", c->where->owner, err) < 0 ||
                   VML_SET(to->region, "Region", c->where->region, err) < 0 ||
                   VML_SET(to->source_image, "SourceImageId", from->id, err) < 0 ||
                   VML_SET(to->source_region, "SourceRegion", from->region, err) < 0 ||
                   describe(c, err) < 0 || copy_marks(c, err) < 0 || copy_texts(c, err) < 0 ||
                   copy_kernel(c, err) < 0
               ? -1
               : vml_rule_record(to, err);
}

/* The copy of the i-th mapping's snapshot, which may be that of an earlier one. */
static int copy_disk(struct copy *c, struct vml_txn *t, size_t i, struct vml_error *err)
{
    const struct vml_registry_snapshot *from = &c->sources.snapshots[i];
    char description[256];
    for (size_t k = 0; k < i; k++) {
        if (strcmp(c->from.mappings[k].snapshot, c->from.mappings[i].snapshot) == 0)
            return VML_SET(c->to.mappings[i].snapshot, "SnapshotId", c->to.mappings[k].snapshot,
                           err);
    }
    struct copied *new = &c->copied[c->n_copied++];
    new->from = from;
    snprintf(description, sizeof description,
             "Copied for DestinationAmi %s from SourceAmi %s for SourceSnapshot %s", c->to.id,
             c->from.id, from->is.id);
    return copy_snapshot(t, c->store, c->where, c->how, description, new, err) < 0
               ? -1
               : VML_SET(c->to.mappings[i].snapshot, "SnapshotId", new->to.id, err);
}

static int copy_disks(struct copy *c, struct vml_txn *t, struct vml_error *err)
{
    c->copied = calloc(c->from.n_mappings + 1, sizeof *c->copied);
    if (!c->copied)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < c->from.n_mappings; i++) {
        if (c->from.mappings[i].snapshot[0] && copy_disk(c, t, i, err) < 0)
            return -1;
    }
    return 0;
}

static int register_copy(void *arg, struct vml_db *db, struct vml_error *err)
{
    struct copy *c = arg;
    char detail[256];
    for (size_t i = 0; i < c->n_copied; i++) {
        if (mark_copied(db, &c->copied[i], err) < 0)
            return -1;
    }
    snprintf(detail, sizeof detail, "of %s in %s", c->from.id, c->from.region);
    return vml_registry_add_copy(db, &c->to, "copy", detail, err);
}

int vml_registry_copy_image(struct vml_store *s, const struct vml_where *where,
                            const char *id_or_name, const struct vml_copying_how *how,
                            struct vml_image *out, struct vml_error *err)
{
    VML_AUTO(copy_clear) struct copy c = { .store = s, .where = where, .how = how };
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    const struct vml_where there = source_of(where, how);
    const struct vml_copying copying = asked(where, how);
    *out = (struct vml_image){ 0 };
    if (vml_registry_get(s, &there, id_or_name, &c.from, err) < 0 ||
        look_at_all(s, &there, &c.from, &c.sources, err) < 0 ||
        try_keys(s, &there, &c.sources, err) < 0 ||
        vml_rule_copy_image(&c.from, &copying, c.sources.is, how->notes, err) < 0 ||
        make_record(&c, err) < 0 || vml_txn_begin(&t, s, err) < 0 || copy_disks(&c, t, err) < 0 ||
        vml_txn_commit(t, register_copy, &c, err) < 0)
        return -1;
    *out = c.to;
    c.to = (struct vml_image){ 0 };
    return 0;
}
