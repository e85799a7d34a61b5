/* What an image is to be, of the verbs that register one. */
#ifndef VMLIFT_CLI_RECORD_H
#define VMLIFT_CLI_RECORD_H

#include "opt.h"
#include "out.h"
#include "vmlift/registry.h"

struct record {
    const char *name, *description, *arch, *virt, *kernel, *ramdisk, *boot_mode, *tpm, *imds;
    const char *platform, *root_device, *volume_type;
    bool ena, no_ena, sriov;
    struct opt_list mappings, products, tags;
};
void record_clear(struct record *r);

#define OPT_RECORD_TEXT(type, option, value, field, help)                     \
    {                                                                         \
        0, option, value, OPT_TEXT, offsetof(struct type, record.field), help \
    }
#define OPT_RECORD_FLAG(type, option, field, help)                           \
    {                                                                        \
        0, option, NULL, OPT_FLAG, offsetof(struct type, record.field), help \
    }
#define OPT_RECORD_LIST(type, option, value, field, help)                     \
    {                                                                         \
        0, option, value, OPT_LIST, offsetof(struct type, record.field), help \
    }
/* The verb's struct has them as `record`. */
#define OPT_RECORD(type)                                                                           \
    OPT_RECORD_TEXT(type, "name", "NAME", name,                                                    \
                    "the AMI's name, which its account and region have only once"),                \
        OPT_RECORD_TEXT(type, "description", "TEXT", description, "the AMI's description"),        \
        OPT_RECORD_LIST(type, "tag", "K=V", tags, "tag the AMI; may be repeated"),                 \
        OPT_RECORD_TEXT(                                                                           \
            type, "arch", "A", arch,                                                               \
            "x86_64, i386 or arm64; import finds it where it is not said, else x86_64"),           \
        OPT_RECORD_TEXT(type, "virt", "V", virt, "hvm (the default) or paravirtual"),              \
        OPT_RECORD_TEXT(type, "kernel", "AKI", kernel,                                             \
                        "starts a paravirtual AMI; by default the region's newest PV-GRUB"),       \
        OPT_RECORD_TEXT(type, "ramdisk", "ARI", ramdisk, "the RAM disk of a paravirtual AMI"),     \
        OPT_RECORD_TEXT(type, "boot-mode", "M", boot_mode,                                         \
                        "legacy-bios, uefi or uefi-preferred; import finds it where it is not "    \
                        "said"),                                                                   \
        OPT_RECORD_TEXT(type, "tpm", "V", tpm, "v2.0: machines have a TPM; needs uefi"),           \
        OPT_RECORD_TEXT(type, "imds", "V", imds, "v2.0: machines ask for metadata by token only"), \
        OPT_RECORD_FLAG(type, "ena", ena, "enhanced networking by ENA (hvm has it by default)"),   \
        OPT_RECORD_FLAG(type, "no-ena", no_ena, "hvm, but without ENA"),                           \
        OPT_RECORD_FLAG(type, "sriov", sriov, "enhanced networking by SR-IOV (Intel 82599)"),      \
        OPT_RECORD_TEXT(type, "platform", "P", platform, "windows"),                               \
        OPT_RECORD_TEXT(type, "root-device", "D", root_device,                                     \
                        "the root disk's device name (/dev/sda1)"),                                \
        OPT_RECORD_LIST(type, "mapping", "DEVICE=WHAT", mappings,                                  \
                        "what is at a device: none, ephemeralN or a volume, see MAPPINGS in "      \
                        "vmlift(1); may be repeated"),                                             \
        OPT_RECORD_TEXT(type, "volume-type", "T", volume_type,                                     \
                        "of volumes whose mapping does not say it"),                               \
        OPT_RECORD_LIST(type, "billing-product", "BP", products,                                   \
                        "a licence that EC2 charges for; may be repeated")

#define EC2_VOLUME_TYPE "gp2" /* what EC2 takes where no type is said */
/* The empty *a as the words say it, an EBS image; volumes without a type get `type` unless
 * --volume-type says another.  VML_EUSAGE usage/name in the name of the verb, usage/tag,
 * usage/mapping, usage/ena; and EC2's refusals of what a record cannot hold. */
int record_fill(const struct record *r, const char *verb, const struct vml_where *where,
                const char *type, struct vml_image *a, struct vml_error *err);
/* What it says of volumes, or else that type. */
const char *record_volume_type(const struct record *r, const char *type);
/* The snapshot is what is at the device, whose mapping may be there without one. */
int record_map(const struct record *r, struct vml_image *a, const char *device,
               const char *snapshot, struct vml_error *err);
/* IDs of the snapshots that its volumes come from. */
json_t *record_snapshots(const struct vml_image *a);
/* The result of such a verb: the ID of the AMI; with --json also its snapshots, the notes, and
 * `more` (taken over; or NULL).  It is registered also when that cannot be printed, which the error
 * says. */
int record_print(const struct cli *cli, const struct vml_image *a, json_t *more,
                 const struct vml_notes *notes, struct vml_error *err);

#endif
