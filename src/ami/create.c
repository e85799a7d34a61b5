/* An image of a machine's disks, as CreateImage makes one.
 *
 * There are no machines here: one is what its image or its snapshots were when it was started, and
 * the snapshots of its disks are copies of those, with the same keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ami/marks_rows.h"
#include "ami/register.h"
#include "ami/registry.h"
#include "vmlift/rules.h"

#define NEW_VOLUME_TYPE "gp2" /* EC2's default */

/* --- what comes from an image --------------------------------------------------------------- */

static int check_source(const struct vml_image *from, struct vml_error *err)
{
    if (strcmp(from->state, VML_AVAILABLE) != 0)
        return vml_fail(err, VML_EREFUSED, "InvalidAMIID.Unavailable",
                        "The image id '[%s]' is %s and cannot be launched", from->id, from->state);
    if (strcmp(from->root_type, "ebs") != 0)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "%s has its root in an instance store: its machines are bundled, not "
                        "snapshotted",
                        from->id);
    return 0;
}

static bool is_volume(const struct vml_mapping *m)
{
    return !m->virtual_name[0] && !m->no_device;
}

/* A volume of the machine is what it is. */
static int change_volume(struct vml_mapping *is, const struct vml_mapping *to,
                         struct vml_error *err)
{
    const char *what = to->virtual_name[0]                                          ? "kind"
                       : to->snapshot[0] && strcmp(to->snapshot, is->snapshot) != 0 ? "snapshot"
                       : to->size_gib > 0 && to->size_gib != is->size_gib           ? "size"
                       : to->volume_type[0] && strcmp(to->volume_type, is->volume_type) != 0
                           ? "type"
                       : to->iops > 0 && to->iops != is->iops                   ? "iops"
                       : to->throughput > 0 && to->throughput != is->throughput ? "throughput"
                       : to->encrypted && !is->encrypted                        ? "encryption"
                                                                                : NULL;
    if (what)
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "The %s of %s cannot be changed: of a volume of the machine only "
                        "DeleteOnTermination can",
                        what, is->device);
    is->delete_on_termination = to->delete_on_termination;
    return 0;
}

static int change_mapping(struct vml_image *a, const struct vml_mapping *to, struct vml_error *err)
{
    struct vml_mapping *m = a->mappings, *end = m + a->n_mappings;
    while (m < end && strcmp(m->device, to->device) != 0)
        m++;
    if (m < end && is_volume(m) && !to->no_device)
        return change_volume(m, to, err);
    if (m < end) {
        memmove(m, m + 1, (size_t)(end - m - 1) * sizeof *m);
        a->n_mappings--;
    }
    bool gone = m < end && to->no_device;
    struct vml_mapping added = *to;
    if (is_volume(to) && !to->volume_type[0] &&
        VML_SET(added.volume_type, "Volume type", NEW_VOLUME_TYPE, err) < 0)
        return -1;
    return gone ? 0 : vml_image_map(a, &added, err);
}

/* The source's record takes what the caller says, and becomes the image. */
static int inherit(struct vml_image *from, struct vml_image *a, struct vml_error *err)
{
    VML_AUTO(vml_image_clear) struct vml_image was = *a;
    char owner[sizeof from->owner];
    memcpy(owner, from->owner, sizeof owner);
    *a = *from;
    *from = (struct vml_image){ 0 };
    memcpy(a->source_image, a->id, sizeof a->source_image);
    memcpy(a->source_region, a->region, sizeof a->source_region);
    memcpy(a->name, was.name, sizeof a->name);
    memcpy(a->description, was.description, sizeof a->description);
    memcpy(a->owner, was.owner, sizeof a->owner);
    memcpy(a->region, was.region, sizeof a->region);
    a->id[0] = a->protection[0] = '\0';
    a->deprecated = a->protected_until = 0;
    for (size_t i = 0; i < was.n_mappings; i++) {
        if (change_mapping(a, &was.mappings[i], err) < 0)
            return -1;
    }
    /* The source's tags and grants stay behind. */
    struct vml_marks marks = a->marks;
    a->marks = was.marks;
    was.marks = marks;
    for (size_t i = 0; i < marks.n_codes; i++) {
        if (vml_marks_code(&a->marks, marks.codes[i].type, marks.codes[i].code, err) < 0)
            return -1;
    }
    return strcmp(a->owner, owner) == 0 ? 0 : vml_set_owned(&a->source, "", err);
}

/* --- new snapshots -------------------------------------------------------------------------- */

struct create {
    const struct vml_creating *how;
    struct vml_image *a;
    struct vml_disks from;
    struct vml_snapshot *to; /* of each mapping that has one */
    char detail[256];
};

static void create_clear(struct create *c)
{
    for (size_t i = 0; c->to && i < c->from.n; i++)
        vml_snapshot_clear(&c->to[i]);
    free(c->to);
    vml_disks_clear(&c->from);
}

static int copy_disk(struct create *c, struct vml_store *s, struct vml_txn *t, size_t i,
                     struct vml_error *err)
{
    struct vml_copy none = { .threads = 0 }; /* the same key: there are no bytes to copy */
    const struct vml_snapshot *from = &c->from.are[i].is;
    struct vml_snapshot *to = &c->to[i];
    if (asprintf(&to->description, "Created by CreateImage for %s from %s", c->a->id, from->id) <
        0) {
        to->description = NULL;
        return vml_fail_nomem(err);
    }
    to->created = c->a->created;
    memcpy(to->owner, c->a->owner, sizeof to->owner);
    memcpy(to->region, c->a->region, sizeof to->region);
    if (vml_txn_copy_snapshot(t, s, from->id, to, &none, err) < 0)
        return -1;
    return VML_SET(c->a->mappings[i].snapshot, "Snapshot ID", to->id, err);
}

static int add(void *arg, struct vml_db *db, struct vml_error *err)
{
    struct create *c = arg;
    char detail[64];
    for (size_t i = 0; i < c->from.n; i++) {
        const struct vml_registry_snapshot *from = &c->from.are[i];
        const struct vml_marks codes = { .codes = from->marks.codes,
                                         .n_codes = from->marks.n_codes };
        if (!from->is.id[0])
            continue;
        snprintf(detail, sizeof detail, "of %s", from->is.id);
        if (vml_marks_write(db, c->to[i].id, &codes, err) < 0 ||
            vml_history_add(db, c->to[i].id, c->a->owner, "create", detail, err) < 0)
            return -1;
    }
    return vml_registry_add(db, c->a, "create", c->detail, err);
}

/* What can be refused is refused before there is anything. */
static int check(struct create *c, struct vml_store *s, struct vml_error *err)
{
    struct vml_image *a = c->a;
    struct vml_notes *notes = c->how->notes;
    bool of_image = c->how->image;
    /* Whether a volume is encrypted is known from its snapshot alone. */
    for (size_t i = 0; of_image && i < a->n_mappings; i++)
        a->mappings[i].encrypted = a->mappings[i].encrypted && !a->mappings[i].snapshot[0];
    if (vml_image_kernel(a, notes, err) < 0 || vml_rule_register(a, NULL, err) < 0 ||
        vml_disks_get(s, a, of_image, &c->from, err) < 0 || vml_disks_codes(&c->from, a, err) < 0)
        return -1;
    for (size_t i = 0; i < a->n_mappings; i++) {
        if (a->mappings[i].size_gib == 0)
            a->mappings[i].size_gib = vml_div_up(c->from.sizes[i], VML_GIB);
    }
    return vml_rule_register(a, c->from.sizes, err) < 0 ||
                   vml_disks_look(s, &c->from, a, notes, err) < 0
               ? -1
               : vml_registry_name_free(vml_store_db(s), a, err);
}

int vml_registry_create(struct vml_store *s, const struct vml_creating *how, struct vml_image *a,
                        struct vml_error *err)
{
    VML_AUTO(create_clear) struct create c = { .how = how, .a = a };
    VML_AUTO(vml_image_clear) struct vml_image from = { 0 };
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    const struct vml_where where = { a->owner, a->region };
    if (how->image && (vml_registry_get(s, &where, how->image, &from, err) < 0 ||
                       check_source(&from, err) < 0 || inherit(&from, a, err) < 0))
        return -1;
    a->created = vml_now();
    a->crash_consistent = how->no_reboot;
    if (VML_SET(a->state, "State", VML_AVAILABLE, err) < 0 || check(&c, s, err) < 0 ||
        vml_new_id(a->id, "ami-", err) < 0 || vml_txn_begin(&t, s, err) < 0)
        return -1;
    c.to = calloc(c.from.n + 1, sizeof *c.to);
    if (!c.to)
        return vml_fail_nomem(err);
    const struct vml_snapshot *root = &c.from.are[vml_image_root(a) - a->mappings].is;
    snprintf(c.detail, sizeof c.detail, "of %s%s", how->image ? a->source_image : root->id,
             how->no_reboot ? ", without a reboot" : "");
    for (size_t i = 0; i < c.from.n; i++) {
        if (c.from.are[i].is.id[0] && copy_disk(&c, s, t, i, err) < 0)
            return -1;
    }
    return vml_txn_commit(t, add, &c, err);
}
