/* Machine images: the record, EC2's rules, the local registry, import and export. */
#ifndef VMLIFT_AMI_H
#define VMLIFT_AMI_H

#include "vmlift/copy.h"
#include "vmlift/guest.h"
#include "vmlift/package.h"
#include "vmlift/store.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VML_GIB          (UINT64_C(1) << 30)
#define VML_MAPPINGS_MAX 64

/* One block device mapping. */
struct vml_mapping {
    char device[32]; /* "/dev/sda1" */
    char snapshot[32];
    uint64_t size_gib;
    char volume_type[12]; /* "gp3" */
    bool delete_on_termination, encrypted;
};
struct vml_tag {
    char *key, *value; /* owned by what holds the tag */
};
struct vml_image {
    char id[32]; /* "ami-" and 17 hex digits */
    char name[132], description[256];
    char owner[16], region[32];
    char architecture[16];   /* x86_64, i386, arm64 */
    char virtualization[16]; /* hvm, paravirtual */
    char boot_mode[16];      /* legacy-bios, uefi, uefi-preferred, or "" (the instance type's) */
    char root_device[32], platform[16], state[16];
    char *source; /* what it was made from; owned, "" when not said */
    int64_t created;
    struct vml_mapping *mappings; /* owned; the root's first */
    size_t n_mappings;
    struct vml_tag *tags; /* owned */
    size_t n_tags;
};
void vml_image_clear(struct vml_image *a);
int vml_image_tag(struct vml_image *a, const char *key, const char *value, struct vml_error *err);
/* The mapping of the root device, or NULL. */
const struct vml_mapping *vml_image_root(const struct vml_image *a);

/* --- rules.c: pure; each refusal is VML_EREFUSED with EC2's error code as slug and its words  */

int vml_rule_name(const char *name, struct vml_error *err);       /* InvalidAMIName.Malformed */
int vml_rule_account(const char *account, struct vml_error *err); /* 12 digits */
int vml_rule_region(const char *region, struct vml_error *err);   /* like us-east-1 */
int vml_rule_tag(const char *key, const char *value, struct vml_error *err);
int vml_rule_device(const char *device, const char *virtualization, bool root,
                    struct vml_error *err);
/* The part of vml_rule_register that needs no disk: everything but the mappings. */
int vml_rule_record(const struct vml_image *a, struct vml_error *err);
/* The whole record as RegisterImage would check it; snapshot_size (bytes) for each mapping. */
int vml_rule_register(const struct vml_image *a, const uint64_t *snapshot_size,
                      struct vml_error *err);
/* The device name for disk i of an image whose root is root_device: the root itself for 0, then
 * /dev/sdf .. /dev/sdp, then /dev/sdq .. /dev/sdz, then /dev/sdb .. /dev/sde (VML_EREFUSED
 * ami/too-many-disks after that). */
int vml_rule_nth_device(char out[32], const char *root_device, size_t i, struct vml_error *err);

/* --- registry.c ----------------------------------------------------------------------------- */

/* Checks the rules (InvalidAMIName.Duplicate among them), gives the ID when a->id is empty, and
 * adds the rows; to be called inside a SQL transaction (vml_txn_commit's `also`). */
int vml_registry_add(struct vml_db *db, struct vml_image *a, struct vml_error *err);
/* By ID or name among those of the region that the owner owns.  Fills *out, to be cleared.
 * InvalidAMIID.NotFound, InvalidAMIID.Unavailable (deregistered), InvalidAMIID.Malformed ("ami-..."
 * that is neither an ID nor a name). */
struct vml_where {
    const char *owner, *region;
};
int vml_registry_get(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                     struct vml_image *out, struct vml_error *err);
/* Oldest first, only those of the region that the owner owns. fn returns -1 to stop. */
typedef int vml_image_fn(void *arg, const struct vml_image *a, struct vml_error *err);
int vml_registry_each(struct vml_store *s, const struct vml_where *where, vml_image_fn *fn,
                      void *arg, struct vml_error *err);
/* The snapshots stay. *out (may be NULL) gets the record as it was, to be cleared. */
int vml_registry_deregister(struct vml_store *s, const struct vml_where *where,
                            const char *id_or_name, struct vml_image *out, struct vml_error *err);

/* --- import.c, export.c --------------------------------------------------------------------- */

struct vml_import {
    const char *name, *description; /* description may be NULL */
    const char *owner, *region;     /* 12 digits; "us-east-1" */
    const char *architecture;       /* NULL: x86_64 */
    const char *virtualization;     /* NULL: hvm */
    const char *boot_mode;          /* NULL: from the OVF, else from the disk */
    const char *root_device;        /* NULL: /dev/sda1 */
    const char *source;             /* recorded in the image: where the package came from; of an
                                       encrypted one only in the snapshots' sealed descriptions */
    const char *key;                /* encrypt the snapshots with it; NULL: do not */
    const struct vml_tag *tags;
    size_t n_tags;
    struct vml_copy *copy;   /* threads and progress (by disk) */
    uint64_t *healed;        /* may be NULL: gets how many damaged blocks of the store were healed,
                                since the disks had them */
    struct vml_notes *notes; /* gets what is worth saying beside the package's own notes:
                                the disks' notes; OVF and disk disagree on firmware .. */
};
/* One snapshot for each disk, the manifest checked, the image registered; all in one commit. Before
 * any byte is copied the rules that need no disk are checked. *out is the record, to be cleared. */
int vml_import(struct vml_store *s, struct vml_package *p, const struct vml_import *how,
               struct vml_image *out, struct vml_error *err);

/* Writes an image (its disks in mapping order, the root first) or a lone snapshot to `o`, which it
 * takes over also on failure. */
struct vml_export {
    const struct vml_format *const *table;
    const struct vml_format *format;
    const char *subformat, *options; /* may be NULL */
    const struct vml_where *where;
    struct vml_copy *copy;
};
int vml_export(struct vml_store *s, const char *image_or_snapshot, struct vml_output *o,
               const struct vml_export *how, struct vml_error *err);

#ifdef __cplusplus
}
#endif
#endif
