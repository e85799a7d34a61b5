/* An image of snapshots that are there, as RegisterImage makes one. */
#include "ami/register.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ami/marks_rows.h"
#include "vmlift/rules.h"

#define MBR_BOOT_GIB 2047 /* the largest boot volume with an MBR */

int vml_image_kernel(struct vml_image *a, struct vml_notes *notes, struct vml_error *err)
{
    const char *kernel = vml_rule_pv_grub(a->region, a->architecture);
    if (a->kernel[0] || strcmp(a->virtualization, "paravirtual") != 0 || !kernel)
        return 0;
    vml_note(notes, "image/kernel", "kernel %s, the newest PV-GRUB for %s in %s, is to start it",
             kernel, a->architecture, a->region);
    return VML_SET(a->kernel, "Kernel", kernel, err);
}

int vml_image_look(const struct vml_image *a, uint64_t root_gib, const struct vml_boot *boot,
                   struct vml_notes *notes, struct vml_error *err)
{
    if (boot->table == VML_TABLE_MBR && root_gib > MBR_BOOT_GIB)
        vml_note(notes, "image/mbr-size",
                 "the root disk has an MBR and %" PRIu64
                 " GiB: EC2 boots from at most %d GiB of such a disk",
                 root_gib, MBR_BOOT_GIB);
    return boot->table == VML_TABLE_GPT ? vml_rule_pv_gpt(a->kernel, err) : 0;
}

/* --- the disks ------------------------------------------------------------------------------ */

void vml_disks_clear(struct vml_disks *d)
{
    for (size_t i = 0; i < d->n; i++)
        vml_registry_snapshot_clear(&d->are[i]);
    free(d->are);
    free(d->sizes);
}

static int get_unseen(struct vml_store *s, const char *id, struct vml_registry_snapshot *out,
                      struct vml_error *err)
{
    return vml_snapshot_get(s, id, &out->is, err) < 0
               ? -1
               : vml_marks_read(vml_store_db(s), id, &out->marks, err);
}

int vml_disks_get(struct vml_store *s, const struct vml_image *a, bool unseen,
                  struct vml_disks *out, struct vml_error *err)
{
    const struct vml_where where = { a->owner, a->region };
    out->are = calloc(a->n_mappings + 1, sizeof *out->are);
    out->sizes = calloc(a->n_mappings + 1, sizeof *out->sizes);
    if (!out->are || !out->sizes)
        return vml_fail_nomem(err);
    for (; out->n < a->n_mappings; out->n++) {
        const char *id = a->mappings[out->n].snapshot;
        struct vml_registry_snapshot *to = &out->are[out->n];
        if (id[0] && (unseen ? get_unseen(s, id, to, err)
                             : vml_registry_snapshot_get(s, &where, id, to, err)) < 0)
            return -1;
        out->sizes[out->n] = to->is.size;
    }
    return 0;
}

static bool has_code(const struct vml_marks *m, const struct vml_product_code *code)
{
    for (size_t i = 0; i < m->n_codes; i++) {
        if (strcmp(m->codes[i].type, code->type) == 0 && strcmp(m->codes[i].code, code->code) == 0)
            return true;
    }
    return false;
}

int vml_disks_codes(const struct vml_disks *d, struct vml_image *a, struct vml_error *err)
{
    for (size_t i = 0; i < d->n; i++) {
        for (size_t k = 0; k < d->are[i].marks.n_codes; k++) {
            const struct vml_product_code *code = &d->are[i].marks.codes[k];
            if (!has_code(&a->marks, code) &&
                vml_marks_code(&a->marks, code->type, code->code, err) < 0)
                return -1;
        }
    }
    return 0;
}

int vml_disks_look(struct vml_store *s, const struct vml_disks *d, const struct vml_image *a,
                   struct vml_notes *notes, struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    const struct vml_mapping *root = vml_image_root(a);
    VML_AUTO(vml_boot_clear) struct vml_boot boot = { .table = VML_TABLE_NONE };
    struct vml_error why;
    if (!root || !root->snapshot[0])
        return 0;
    const struct vml_snapshot *disk = &d->are[root - a->mappings].is;
    uint64_t gib = root->size_gib > 0 ? root->size_gib : vml_div_up(disk->size, VML_GIB);
    if (vml_rule_pv_gpt(a->kernel, &why) == 0 && gib <= MBR_BOOT_GIB)
        return 0;
    if (vml_snapshot_open(&r, s, disk->id, err) < 0) {
        if (!disk->key[0])
            return -1;
        vml_note(notes, "image/root-unread",
                 "whether EC2 can boot from the root disk depends on its partitions, which could "
                 "not be read: %s [%s]",
                 err->text, err->slug);
        return 0;
    }
    return vml_boot_read(r, &boot, err) < 0 ? -1 : vml_image_look(a, gib, &boot, notes, err);
}

/* --- registering ---------------------------------------------------------------------------- */

static int add(void *arg, struct vml_db *db, struct vml_error *err)
{
    return vml_registry_add(db, arg, "register", "", err);
}

int vml_register(struct vml_store *s, struct vml_image *a, struct vml_notes *notes,
                 struct vml_error *err)
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    VML_AUTO(vml_disks_clear) struct vml_disks disks = { 0 };
    size_t n_products = a->marks.n_codes;
    a->created = vml_now();
    if (VML_SET(a->state, "State", VML_AVAILABLE, err) < 0 || vml_image_kernel(a, notes, err) < 0 ||
        vml_rule_register(a, NULL, err) < 0 || vml_disks_get(s, a, false, &disks, err) < 0 ||
        vml_disks_codes(&disks, a, err) < 0 || vml_disks_look(s, &disks, a, notes, err) < 0)
        return -1;
    for (size_t i = 0; i < n_products; i++)
        vml_note(notes, "image/billing-product",
                 "%s: EC2 takes billing products only of accounts that it gave leave to",
                 a->marks.codes[i].code);
    return vml_txn_begin(&t, s, err) < 0 ? -1 : vml_txn_commit(t, add, a, err);
}
