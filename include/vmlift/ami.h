/* Machine images: the record, import and export.  EC2's rules are in rules.h, the local registry in
 * registry.h. */
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

/* One block device mapping: a volume (of a snapshot, or empty), an instance store volume
 * (virtual_name), or the word that there is to be nothing (no_device). */
struct vml_mapping {
    char device[32];   /* "/dev/sda1" */
    char snapshot[32]; /* "" for an empty volume */
    uint64_t size_gib;
    char volume_type[12];      /* "gp3" */
    uint64_t iops, throughput; /* throughput in MiB/s; 0: the type's default */
    bool delete_on_termination, encrypted;
    char virtual_name[16]; /* "ephemeral0" */
    bool no_device;
};
struct vml_tag {
    char *key, *value; /* owned by what holds the tag */
};
/* Somebody else may use an image or a snapshot. */
#define VML_GRANT_LAUNCH        "launch"        /* an image: start machines of it */
#define VML_GRANT_CREATE_VOLUME "create-volume" /* a snapshot: read it, copy it */
#define VML_GRANT_READ_BUCKET   "read-bucket"   /* an image in an instance store: read its files */
#define VML_EVERYONE            "all"
struct vml_grant {
    char kind[16];
    char grantee[16]; /* an account, or VML_EVERYONE */
};
/* Whose product an image is. */
#define VML_PRODUCT_BILLING     "billing" /* a Windows or SUSE licence and the like: "bp-..." */
#define VML_PRODUCT_MARKETPLACE "marketplace"
#define VML_PRODUCT_DEVPAY      "devpay"
struct vml_product_code {
    char type[16];
    char code[64];
};
/* What an image or a snapshot is marked with. */
struct vml_marks {
    struct vml_tag *tags; /* owned; by key */
    size_t n_tags;
    struct vml_grant *grants; /* owned; by kind and grantee */
    size_t n_grants;
    struct vml_product_code *codes; /* owned; by type and code */
    size_t n_codes;
};
void vml_marks_clear(struct vml_marks *m);
/* Each adds one at the end; text that is too long is InvalidParameterValue. */
int vml_marks_tag(struct vml_marks *m, const char *key, const char *value, struct vml_error *err);
int vml_marks_grant(struct vml_marks *m, const char *kind, const char *grantee,
                    struct vml_error *err);
int vml_marks_code(struct vml_marks *m, const char *type, const char *code, struct vml_error *err);
/* Is there a grant of this kind for the account, itself or as one of everyone? */
bool vml_marks_granted(const struct vml_marks *m, const char *kind, const char *account);
/* Leaves what EC2 shows an account that is not the owner: no tags, and only the grants that are its
 * own or everyone's. */
void vml_marks_hide(struct vml_marks *m, const char *account);

/* What an image's state and protection may be. */
#define VML_AVAILABLE          "available"
#define VML_DISABLED           "disabled" /* not to be launched, shared or copied */
#define VML_DEREGISTERED       "deregistered"
#define VML_PROTECTED          "enabled"
#define VML_PROTECTED_COOLDOWN "enabled-with-cooldown"
#define VML_COOLING_DOWN       "cooldown" /* switched off, and holds until protected_until */
#define VML_INSTANCE_STORE     "instance-store"
struct vml_image {
    char id[32]; /* "ami-" and 17 hex digits */
    int64_t seq; /* the order in which images were made; the registry's */
    char name[132];
    char description[1024]; /* at most 255 characters */
    char owner[16], region[32];
    char architecture[16];   /* x86_64, i386, arm64 */
    char virtualization[16]; /* hvm, paravirtual */
    char boot_mode[16];      /* legacy-bios, uefi, uefi-preferred, or "" (the instance type's) */
    char root_device[32];
    char root_type[16];             /* ebs, VML_INSTANCE_STORE */
    char platform[16];              /* windows, or "" */
    char kernel[24], ramdisk[24];   /* "aki-..." and "ari-..." of a paravirtual one, or "" */
    char tpm[8], sriov[8], imds[8]; /* "v2.0", "simple", "v2.0", or "" */
    bool ena;
    char state[16];
    char *location;      /* the manifest in a bucket, of one in an instance store; owned, "" */
    char *source;        /* what it was made from; owned, "" when not said */
    char *source_format; /* "ova", "vmdk", .. ; owned, "" when not said */
    char source_image[32], source_region[32]; /* of a copy, or of one made of an image; "" */
    bool crash_consistent;                    /* made without stopping the machine */
    int64_t created, deprecated;              /* seconds since 1970; deprecated 0: never */
    char protection[24];                      /* from deregistration; "" without */
    int64_t protected_until;                  /* the end of a cooldown */
    struct vml_mapping *mappings;             /* owned; the root's first */
    size_t n_mappings;
    struct vml_marks marks;
};
void vml_image_clear(struct vml_image *a);
/* Adds a mapping at the end. */
int vml_image_map(struct vml_image *a, const struct vml_mapping *m, struct vml_error *err);
/* A member of fixed size gets the text: InvalidParameterValue, naming `what`, when it is longer. */
int vml_set_text(char *field, size_t size, const char *what, const char *value,
                 struct vml_error *err);
#define VML_SET(field, what, value, err) vml_set_text(field, sizeof(field), what, value, err)
/* An owned member gets a copy of the text. */
int vml_set_owned(char **field, const char *value, struct vml_error *err);
/* "2026-11-25T12:00:00.000Z" */
const char *vml_ec2_time(char buf[32], int64_t seconds);
/* What EC2 takes for a time: "2030-12-31", "2030-12-31T18:00Z", or with seconds (".000" too).
 * False: it is none. */
bool vml_ec2_time_parse(const char *text, int64_t *seconds);
/* The mapping of the root device, or NULL. */
const struct vml_mapping *vml_image_root(const struct vml_image *a);
/* May everybody launch it? */
bool vml_image_public(const struct vml_image *a);
/* Its protection at that time: "" also when a cooldown is over. */
const char *vml_image_protection(const struct vml_image *a, int64_t now);

/* --- import.c, export.c --------------------------------------------------------------------- */

struct vml_import {
    const char *source;      /* recorded in the image: where the package came from; of an
                                encrypted one only in the snapshots' sealed descriptions */
    const char *key;         /* encrypt the snapshots with it; NULL: do not */
    const char *volume_type; /* of the disks' volumes: "gp3" */
    bool force_boot;         /* what is said of boot mode and architecture holds although the root
                                disk contradicts it */
    struct vml_copy *copy;   /* threads and progress (by disk) */
    uint64_t *healed;        /* may be NULL: gets how many damaged blocks of the store were healed,
                                since the disks had them */
    struct vml_notes *notes; /* gets what is worth saying beside the package's own notes:
                                the disks' notes; OVF and disk disagree on firmware .. */
};
/* One snapshot for each disk, the manifest checked, the image registered; all in one commit. Before
 * any byte is copied the rules that need no disk are checked.
 *
 * *image says what the image is to be: name, owner, region, architecture, virtualization, root
 * device, and what of the rest is known; architecture, boot mode, platform and the kernel of a
 * paravirtual one are found where they are "".  Its mappings add devices without a snapshot; one of
 * the device of a disk (vml_rule_nth_device) says what that disk's volume is; one with a snapshot
 * and a size is of one that was made for the image.  It becomes the record that is registered, or
 * empty where that fails. */
int vml_import(struct vml_store *s, struct vml_package *p, const struct vml_import *how,
               struct vml_image *image, struct vml_error *err);

/* The same without any store, for who keeps the disks elsewhere: checks what can be checked before
 * they are copied, and *image becomes what is to be registered of them.  Its first mappings are the
 * disks', in their order, with some word where the ID of a snapshot is to be.  copy, key and healed
 * are not used; whether the name is free is not asked. */
int vml_import_plan(struct vml_package *p, const struct vml_import *how, struct vml_image *image,
                    struct vml_error *err);
/* A lone disk becomes a snapshot: what ImportSnapshot does.  what->owner, region, description and
 * key are taken from *what, as of vml_txn_snapshot, the rest is filled in; `from` is what its
 * history says. */
int vml_import_snapshot(struct vml_store *s, struct vml_reader *disk, const char *from,
                        struct vml_copy *copy, struct vml_snapshot *what, struct vml_error *err);

/* Writes an image (its disks in mapping order, the root first) or a lone snapshot to `o`, which it
 * takes over also on failure. */
struct vml_where;
struct vml_export {
    const struct vml_format *const *table;
    const struct vml_format *format;
    const char *subformat, *options; /* may be NULL */
    const struct vml_where *where;   /* who must be able to read it */
    struct vml_copy *copy;
    struct vml_notes *notes; /* may be NULL: the way round a refusal */
};
int vml_export(struct vml_store *s, const char *image_or_snapshot, struct vml_output *o,
               const struct vml_export *how, struct vml_error *err);

#ifdef __cplusplus
}
#endif
#endif
