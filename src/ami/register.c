/* An image of snapshots that are there, as RegisterImage makes one. */
#include "ami/register.h"

#include <inttypes.h>
#include <string.h>

#include "vmlift/registry.h"
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

/* --- registering ---------------------------------------------------------------------------- */

/* The root disk is read where something depends on it.  Whose snapshots these are, and what is
 * wrong with the record, is said when it is added. */
static int look_at_root(struct vml_store *s, struct vml_image *a, struct vml_notes *notes,
                        struct vml_error *err)
{
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot snap = { .description = NULL };
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    const struct vml_mapping *root = vml_image_root(a);
    VML_AUTO(vml_boot_clear) struct vml_boot boot = { .table = VML_TABLE_NONE };
    struct vml_error why;
    if (!root || !root->snapshot[0] || vml_snapshot_get(s, root->snapshot, &snap, &why) < 0 ||
        strcmp(snap.owner, a->owner) != 0 || strcmp(snap.region, a->region) != 0)
        return 0;
    uint64_t gib = root->size_gib > 0 ? root->size_gib : vml_div_up(snap.size, VML_GIB);
    if (vml_rule_pv_gpt(a->kernel, &why) == 0 && gib <= MBR_BOOT_GIB)
        return 0;
    if (vml_snapshot_open(&r, s, snap.id, err) < 0) {
        if (!snap.key[0])
            return -1;
        vml_note(notes, "image/root-unread",
                 "whether EC2 can boot from the root disk depends on its partitions, which could "
                 "not be read: %s [%s]",
                 err->text, err->slug);
        return 0;
    }
    return vml_boot_read(r, &boot, err) < 0 ? -1 : vml_image_look(a, gib, &boot, notes, err);
}

static int add(void *arg, struct vml_db *db, struct vml_error *err)
{
    return vml_registry_add(db, arg, "register", "", err);
}

int vml_register(struct vml_store *s, struct vml_image *a, struct vml_notes *notes,
                 struct vml_error *err)
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    a->created = vml_now();
    if (VML_SET(a->state, "State", VML_AVAILABLE, err) < 0 || vml_image_kernel(a, notes, err) < 0 ||
        vml_rule_register(a, NULL, err) < 0 || look_at_root(s, a, notes, err) < 0)
        return -1;
    for (size_t i = 0; i < a->marks.n_codes; i++)
        vml_note(notes, "image/billing-product",
                 "%s: EC2 takes billing products only of accounts that it gave leave to",
                 a->marks.codes[i].code);
    return vml_txn_begin(&t, s, err) < 0 ? -1 : vml_txn_commit(t, add, a, err);
}
