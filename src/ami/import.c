/* A package becomes an image: rules first, then bytes, then one commit.
 *
 *     rules that need no disk -> disks into snapshots -> manifest -> rules -> commit
 *
 * Boot mode and architecture are read from the root disk: first of all where that can seek, else
 * from the snapshot that it became.  Whatever fails before the commit leaves nothing visible. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ami/firmware.h"
#include "ami/marks_rows.h"
#include "ami/register.h"
#include "ami/registry.h"
#include "vmlift/key.h"
#include "vmlift/rules.h"

#define TO_COME \
    "snap-00000000000000000" /* in place of the ID of a snapshot that is not there yet */

struct import {
    struct vml_package *p;
    const struct vml_import *how;
    struct vml_copy *copy;
    struct vml_notes *notes;
    struct vml_txn *txn;
    struct vml_image image;
    struct vml_snapshot *snapshots; /* one for each disk */
    size_t n;
    struct vml_said said;
    bool kernel_said;     /* by the user */
    bool looked;          /* boot is there */
    struct vml_boot boot; /* of disk 0 */
    char key[37];         /* what the snapshots are encrypted with, or "" */
    struct vml_copy own_copy;
    struct vml_notes own_notes; /* nobody asked for them */
};

static void import_clear(struct import *m)
{
    vml_txn_free(m->txn);
    for (size_t i = 0; m->snapshots && i < m->n; i++)
        vml_snapshot_clear(&m->snapshots[i]);
    free(m->snapshots);
    vml_image_clear(&m->image);
    vml_boot_clear(&m->boot);
    vml_notes_clear(&m->own_notes);
}

/* --- before any byte is copied -------------------------------------------------------------- */

static const char *or_else(const char *value, const char *otherwise)
{
    return value ? value : otherwise;
}

/* What the caller left open and the package says. */
static int fill_image(struct import *m, struct vml_error *err)
{
    const struct vml_import *how = m->how;
    struct vml_image *a = &m->image;
    bool windows = strcasestr(vml_package_machine(m->p)->os, "windows");
    if (VML_SET(a->root_type, "Root device type", "ebs", err) < 0 ||
        VML_SET(a->state, "State", VML_AVAILABLE, err) < 0 ||
        (windows && VML_SET(a->platform, "Platform", "windows", err) < 0) ||
        vml_set_owned(&a->source_format, vml_package_format(m->p), err) < 0 ||
        /* The names of files that are encrypted are in the snapshots' sealed descriptions only. */
        vml_set_owned(&a->source, how->key ? "" : or_else(how->source, ""), err) < 0)
        return -1;
    a->created = vml_now();
    return 0;
}

/* Boot mode, architecture and what follows from it, as far as they can be known so far. */
static int settle(struct import *m, struct vml_error *err)
{
    VML_AUTO(vml_notes_clear) struct vml_notes early = { 0 }; /* a guess is not told */
    struct vml_image *a = &m->image;
    struct vml_notes *notes = m->looked ? m->notes : &early;
    const char *disk = m->n > 0 ? vml_package_disk_name(m->p, 0) : "";
    if (!m->kernel_said)
        a->kernel[0] = '\0';
    return vml_firmware_settle(&m->said, a, m->looked ? &m->boot : NULL, disk, notes, err) < 0
               ? -1
               : vml_image_kernel(a, notes, err);
}

/* Each disk's device, in the order of the disks; then the mappings that the caller added.  One that
 * the caller made of a disk's device says what that disk's volume is. */
static int map_disks(struct import *m, struct vml_error *err)
{
    struct vml_image *a = &m->image;
    struct vml_mapping *given = a->mappings;
    size_t n_given = a->n_mappings;
    a->mappings = NULL;
    a->n_mappings = 0;
    VML_AUTO(vml_freep) struct vml_mapping *owned = given;
    for (size_t i = 0; i < m->n; i++) {
        struct vml_mapping to = { .delete_on_termination = i == 0 };
        if (vml_rule_nth_device(to.device, a->root_device, i, err) < 0 ||
            VML_SET(to.volume_type, "Volume type", m->how->volume_type, err) < 0)
            return -1;
        for (size_t k = 0; k < n_given; k++) {
            if (strcmp(given[k].device, to.device) == 0) {
                to = given[k];
                memmove(&given[k], &given[k + 1], (--n_given - k) * sizeof *given);
                break;
            }
        }
        if (VML_SET(to.snapshot, "Snapshot", TO_COME, err) < 0 || vml_image_map(a, &to, err) < 0)
            return -1;
    }
    for (size_t k = 0; k < n_given; k++) {
        if (vml_image_map(a, &given[k], err) < 0)
            return -1;
    }
    return 0;
}

static int check_first(struct import *m, struct vml_error *err)
{
    if (fill_image(m, err) < 0 || settle(m, err) < 0 || vml_rule_record(&m->image, err) < 0)
        return -1;
    if (m->n == 0)
        return vml_fail(err, VML_EDATA, "import/no-disk", "the package has no disk to boot from");
    return map_disks(m, err) < 0 ? -1 : vml_rule_register(&m->image, NULL, err);
}

/* Early, so that no byte is read for nothing. */
static int check_key(struct import *m, struct vml_store *s, struct vml_error *err)
{
    VML_AUTO(vml_key_clear) struct vml_key key = { 0 };
    if (!m->how->key)
        return 0;
    if (vml_key_get(s, m->how->key, m->image.owner, m->image.region, &key, err) < 0)
        return -1;
    memcpy(m->key, key.id, sizeof m->key);
    return 0;
}

/* Before the bytes, where that can be. */
static int look_first(struct import *m, struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    if (!vml_package_can_seek(m->p))
        return 0;
    if (vml_package_reader(m->p, 0, &r, err) < 0)
        return -1;
    if (!r->can_seek)
        return 0;
    if (vml_boot_read(r, &m->boot, err) < 0) {
        vml_error_prefix(err, "%s", r->name);
        return -1;
    }
    m->looked = true;
    return settle(m, err) < 0 ? -1 : vml_rule_register(&m->image, NULL, err);
}

/* --- disks ---------------------------------------------------------------------------------- */

static void pass_notes(struct import *m, size_t i, const struct vml_notes *from)
{
    for (size_t k = 0; k < from->n; k++)
        vml_note(m->notes, from->items[k].slug, "disk %s: %s", vml_package_disk_name(m->p, i),
                 from->items[k].text);
}

/* As EC2 would take it: file names may hold any byte, descriptions 255 characters. */
static void make_description(char *text)
{
    char *p = text;
    for (size_t chars = 0; *p && chars < 255; chars++) {
        size_t len = vml_utf8_char(p);
        if (len == 0)
            *p = '?';
        p += len > 0 ? len : 1;
    }
    *p = '\0';
}

static int describe_snapshot(struct import *m, size_t i, struct vml_error *err)
{
    struct vml_snapshot *snap = &m->snapshots[i];
    const char *file = vml_package_disk_name(m->p, i);
    const char *source = or_else(m->how->source, file);
    int printed =
        strcmp(source, file) == 0
            ? asprintf(&snap->description, "created by vmlift from %s", file)
            : asprintf(&snap->description, "created by vmlift from %s disk %s", source, file);
    if (printed < 0) {
        snap->description = NULL;
        return vml_fail_nomem(err);
    }
    make_description(snap->description);
    snap->created = m->image.created;
    memcpy(snap->owner, m->image.owner, sizeof snap->owner);
    memcpy(snap->region, m->image.region, sizeof snap->region);
    memcpy(snap->key, m->key, sizeof snap->key);
    return 0;
}

/* Of a source that passes once the store can seek. */
static int look_last(struct import *m, struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *stored = NULL;
    if (vml_txn_reader(m->txn, &m->snapshots[0], &stored, err) < 0 ||
        vml_boot_read(stored, &m->boot, err) < 0)
        return -1;
    m->looked = true;
    return settle(m, err);
}

static int import_disk(struct import *m, size_t i, struct vml_reader *r, struct vml_error *err)
{
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    if (describe_snapshot(m, i, err) < 0 ||
        vml_txn_snapshot(m->txn, r->size, &m->snapshots[i], &w, err) < 0)
        return -1;
    if (vml_copy(r, w, m->copy, err) < 0)
        return -1;
    pass_notes(m, i, &r->notes);
    return i == 0 && !m->looked ? look_last(m, err) : 0;
}

static int import_disks(struct import *m, struct vml_error *err)
{
    for (size_t i = SIZE_MAX;;) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
        if (vml_package_next(m->p, &i, &r, err) < 0)
            return -1;
        if (!r)
            break;
        if (import_disk(m, i, r, err) < 0)
            return -1;
    }
    return vml_package_verify(m->p, err);
}

/* --- what the disks tell -------------------------------------------------------------------- */

static int map_snapshots(struct import *m, struct vml_error *err)
{
    for (size_t i = 0; i < m->n; i++) {
        struct vml_mapping *to = &m->image.mappings[i];
        memcpy(to->snapshot, m->snapshots[i].id, sizeof to->snapshot);
        if (to->size_gib == 0)
            to->size_gib = vml_div_up(m->snapshots[i].size, VML_GIB);
    }
    return vml_image_look(&m->image, m->image.mappings[0].size_gib, &m->boot, m->notes, err);
}

static int check_last(const struct import *m, struct vml_error *err)
{
    VML_AUTO(vml_freep) uint64_t *sizes = calloc(m->image.n_mappings, sizeof *sizes);
    if (!sizes)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < m->n; i++)
        sizes[i] = m->snapshots[i].size;
    return vml_rule_register(&m->image, sizes, err);
}

/* --- the whole ------------------------------------------------------------------------------ */

static int add_image(void *arg, struct vml_db *db, struct vml_error *err)
{
    struct import *m = arg;
    if (vml_registry_add(db, &m->image, "import", m->image.source, err) < 0)
        return -1;
    for (size_t i = 0; i < m->n; i++) {
        if (vml_history_add(db, m->snapshots[i].id, m->image.owner, "import", m->image.id, err) < 0)
            return -1;
    }
    return 0;
}

/* Takes over what *image says. */
static void begin(struct import *m, struct vml_package *p, const struct vml_import *how,
                  struct vml_image *image)
{
    m->p = p;
    m->how = how;
    m->n = vml_package_count(p);
    m->copy = how->copy ? how->copy : &m->own_copy;
    m->notes = how->notes ? how->notes : &m->own_notes;
    m->image = *image;
    *image = (struct vml_image){ 0 };
    m->said = vml_firmware_said(&m->image, vml_package_machine(p), how->force_boot);
    m->kernel_said = m->image.kernel[0];
}

int vml_import_plan(struct vml_package *p, const struct vml_import *how, struct vml_image *image,
                    struct vml_error *err)
{
    VML_AUTO(import_clear) struct import m = { 0 };
    uint64_t size;
    begin(&m, p, how, image);
    if (check_first(&m, err) < 0 || look_first(&m, err) < 0)
        return -1;
    size = vml_package_disk(p, 0)->capacity;
    if (m.looked && size != VML_SIZE_UNKNOWN &&
        vml_image_look(&m.image, vml_div_up(size, VML_GIB), &m.boot, m.notes, err) < 0)
        return -1;
    *image = m.image;
    m.image = (struct vml_image){ 0 };
    return 0;
}

int vml_import(struct vml_store *s, struct vml_package *p, const struct vml_import *how,
               struct vml_image *image, struct vml_error *err)
{
    VML_AUTO(import_clear) struct import m = { 0 };
    begin(&m, p, how, image);
    if (check_first(&m, err) < 0 || vml_registry_name_free(vml_store_db(s), &m.image, err) < 0 ||
        check_key(&m, s, err) < 0 || look_first(&m, err) < 0)
        return -1;
    m.snapshots = calloc(m.n, sizeof *m.snapshots);
    if (!m.snapshots)
        return vml_fail_nomem(err);
    if (vml_txn_begin(&m.txn, s, err) < 0 || import_disks(&m, err) < 0)
        return -1;
    if (map_snapshots(&m, err) < 0 || check_last(&m, err) < 0)
        return -1;
    if (vml_txn_commit(m.txn, add_image, &m, err) < 0)
        return -1;
    if (how->healed)
        *how->healed = vml_txn_healed(m.txn);
    if (vml_txn_healed(m.txn) > 0)
        vml_note(m.notes, "import/healed", "healed %" PRIu64 " damaged blocks of the store",
                 vml_txn_healed(m.txn));
    *image = m.image;
    m.image = (struct vml_image){ 0 };
    return 0;
}
