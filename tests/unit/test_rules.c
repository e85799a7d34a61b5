/* EC2's rules, as tables. */
#include "check.h"

#include "vmlift/rules.h"

static struct vml_error err;

/* want: the slug of the refusal, or NULL where the answer is yes */
static void check_rule(int answer, const char *want, const char *about)
{
    const char *got = answer == 0 ? "ok" : err.slug;
    if (strcmp(got, want ? want : "ok") != 0) {
        fprintf(stderr, "%s: %s (%s), not %s\n", about, got, err.text, want ? want : "ok");
        abort();
    }
}

static const char *repeat(char *buf, const char *what, size_t n)
{
    buf[0] = '\0';
    for (char *p = buf; n-- > 0;)
        p = stpcpy(p, what);
    return buf;
}

static void test_names(void)
{
    char buf[256];
    static const struct {
        const char *name;
        bool good;
    } rows[] = {
        { "web", true },
        { "we", false },
        { "", false },
        { "Web 1.0/x_-@", true },
        { "it's (new) [2]", true },
        { "a,b", false },
        { "a:b", false },
        { "a\nb", false },
        { "caf\xc3\xa9", false },
        { "a+b", false },
        { "a#b", false },
        { "...", true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_rule(vml_rule_name(rows[i].name, &err),
                   rows[i].good ? NULL : "InvalidAMIName.Malformed", rows[i].name);
    CHECK_OK(vml_rule_name(repeat(buf, "x", 128), &err), &err);
    CHECK_FAILS(vml_rule_name(repeat(buf, "x", 129), &err), &err, "InvalidAMIName.Malformed");
    CHECK_INT(err.code, VML_EREFUSED);
    CHECK_STR(err.text, "AMI names must be between 3 and 128 characters long, and may contain "
                        "letters, numbers, '(', ')', '.', '-', '/' and '_'");
}

static void test_accounts_and_regions(void)
{
    static const struct {
        const char *region;
        bool good;
    } regions[] = {
        { "us-east-1", true },
        { "us-gov-west-1", true },
        { "ap-southeast-12", true },
        { "us-east", false },
        { "east-1", false },
        { "us-east1", false },
        { "US-EAST-1", false },
        { "us-east-1a", false },
        { "us--east-1", false },
        { "-us-east-1", false },
        { "", false },
        { "us-east-1-", false },
        { "usa-abcdefghijklmnopqrstuvwxyz-1", false }, /* 32 characters */
    };
    for (size_t i = 0; i < sizeof regions / sizeof *regions; i++)
        check_rule(vml_rule_region(regions[i].region, &err),
                   regions[i].good ? NULL : "InvalidRegion", regions[i].region);
    CHECK_OK(vml_rule_account("000000000000", &err), &err);
    CHECK_FAILS(vml_rule_account("00000000000", &err), &err, "InvalidUserID.Malformed");
    CHECK_FAILS(vml_rule_account("0000000000000", &err), &err, "InvalidUserID.Malformed");
    CHECK_FAILS(vml_rule_account("00000000000a", &err), &err, "InvalidUserID.Malformed");
}

static void test_devices(void)
{
    static const struct {
        const char *device;
        bool hvm_root, hvm, paravirtual_root, paravirtual;
    } rows[] = {
        { "/dev/sda1", true, false, true, false },
        { "/dev/xvda", true, false, false, false },
        { "/dev/sda", false, false, true, false },
        { "/dev/sda2", false, true, false, true },
        { "/dev/sda3", false, false, false, true },
        { "/dev/xvda1", false, false, false, false },
        { "/dev/sdf", false, true, false, true },
        { "/dev/sdf1", false, false, false, true },
        { "/dev/sdf15", false, false, false, true },
        { "/dev/sdf16", false, false, false, false },
        { "/dev/sdf0", false, false, false, false },
        { "/dev/sdf01", false, false, false, false },
        { "/dev/sdz", false, true, false, true },
        { "/dev/sdaa", false, false, false, false },
        { "/dev/hda", false, false, false, true },
        { "/dev/hdc3", false, false, false, true },
        { "/dev/xvdb", false, true, false, false },
        { "/dev/xvdba", false, true, false, false },
        { "/dev/xvddz", false, true, false, false },
        { "/dev/xvdea", false, false, false, false },
        { "/dev/xvdf", false, true, false, false },
        { "/dev/xvdf1", false, false, false, false },
        { "/dev/nvme0n1", false, false, false, false },
        { "/dev/sd", false, false, false, false },
        { "sdf", false, false, false, false },
        { "", false, false, false, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *d = rows[i].device, *no = "InvalidBlockDeviceMapping";
        check_rule(vml_rule_device(d, "hvm", true, &err), rows[i].hvm_root ? NULL : no, d);
        check_rule(vml_rule_device(d, "hvm", false, &err), rows[i].hvm ? NULL : no, d);
        check_rule(vml_rule_device(d, "paravirtual", true, &err),
                   rows[i].paravirtual_root ? NULL : no, d);
        check_rule(vml_rule_device(d, "paravirtual", false, &err), rows[i].paravirtual ? NULL : no,
                   d);
    }
    CHECK(vml_rule_device("/dev/sda", "hvm", true, &err) < 0);
    CHECK(strncmp(err.text, "Invalid device name /dev/sda", 28) == 0);
}

static void test_nth_device(void)
{
    static const struct {
        size_t i;
        const char *device;
    } rows[] = {
        { 0, "/dev/xvda" }, { 1, "/dev/sdf" },  { 11, "/dev/sdp" }, { 12, "/dev/sdq" },
        { 21, "/dev/sdz" }, { 22, "/dev/sdb" }, { 25, "/dev/sde" },
    };
    char device[32];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_OK(vml_rule_nth_device(device, "/dev/xvda", rows[i].i, &err), &err);
        CHECK_STR(device, rows[i].device);
    }
    for (size_t i = 1; i < 26; i++) { /* each is a name that both virtualizations take */
        CHECK_OK(vml_rule_nth_device(device, "/dev/sda1", i, &err), &err);
        CHECK_OK(vml_rule_device(device, "hvm", false, &err), &err);
        CHECK_OK(vml_rule_device(device, "paravirtual", false, &err), &err);
    }
    CHECK_FAILS(vml_rule_nth_device(device, "/dev/sda1", 26, &err), &err, "ami/too-many-disks");
}

/* --- whole records -------------------------------------------------------------------------- */

enum { DISKS = 2 };
struct record {
    struct vml_image a;
    struct vml_mapping mappings[DISKS];
    uint64_t sizes[DISKS];
};

static void good_record(struct record *r)
{
    *r = (struct record){
        .a = {
            .name = "web", .description = "a web server", .owner = "123456789012",
            .region = "us-east-1", .architecture = "x86_64", .virtualization = "hvm",
            .boot_mode = "uefi", .root_device = "/dev/sda1", .root_type = "ebs",
            .state = "available", .ena = true, .n_mappings = DISKS,
        },
        .mappings = {
            { .device = "/dev/sda1", .snapshot = "snap-00000000000000001", .size_gib = 8,
              .volume_type = "gp3", .delete_on_termination = true },
            { .device = "/dev/sdf", .snapshot = "snap-00000000000000002", .size_gib = 30,
              .volume_type = "gp3" },
        },
        .sizes = { 8 * VML_GIB, 29 * VML_GIB + 1 },
    };
    r->a.mappings = r->mappings;
}

/* How to make a record of the good one. */
#define MAKE(name, ...)                                                      \
    static void name(struct record *r)                                       \
    {                                                                        \
        struct vml_image *a = &r->a;                                         \
        struct vml_mapping *root = &r->mappings[0], *data = &r->mappings[1]; \
        (void)a;                                                             \
        (void)root;                                                          \
        (void)data;                                                          \
        __VA_ARGS__;                                                         \
    }
#define PUT(field, text) strcpy(field, text)
/* The second mapping is an empty volume; of this type, this size. */
#define EMPTY(type, gib)                                                   \
    *data = (struct vml_mapping){ .device = "/dev/sdf", .size_gib = gib }; \
    PUT(data->volume_type, type)
#define EMPTY_FAST(type, gib, io, through) \
    EMPTY(type, gib);                      \
    data->iops = io;                       \
    data->throughput = through
#define OTHER(device_name, what)    \
    *data = (struct vml_mapping)    \
    {                               \
        .device = device_name, what \
    }
/* PV-GRUBs of us-east-1 */
#define AKI_104 "aki-919dcaf8"
#define AKI_103 "aki-88aa75e1"
#define AKI     "aki-5c21674b"

MAKE(nothing, (void)0)
MAKE(short_name, PUT(a->name, "x"))
MAKE(bad_owner, PUT(a->owner, "me"))
MAKE(bad_region, PUT(a->region, "mars"))
MAKE(bad_description, PUT(a->description, "\xff"))
MAKE(long_description, repeat(a->description, "\xc3\xa9", 255))
MAKE(longer_description, repeat(a->description, "\xc3\xa9", 256))
MAKE(no_architecture, PUT(a->architecture, ""))
MAKE(bad_architecture, PUT(a->architecture, "amd64"))
MAKE(i386, PUT(a->architecture, "i386"))
MAKE(bad_virtualization, PUT(a->virtualization, "pv"))
MAKE(bad_root_type, PUT(a->root_type, "nfs"))
MAKE(bad_boot_mode, PUT(a->boot_mode, "bios"))
MAKE(no_boot_mode, PUT(a->boot_mode, ""))
MAKE(bios, PUT(a->boot_mode, "legacy-bios"))
MAKE(preferred, PUT(a->boot_mode, "uefi-preferred"))
MAKE(arm, PUT(a->architecture, "arm64"))
MAKE(arm_unsaid, arm(r); no_boot_mode(r))
MAKE(arm_bios, arm(r); bios(r))
MAKE(arm_preferred, arm(r); preferred(r))
MAKE(tpm, PUT(a->tpm, "v2.0"))
MAKE(tpm_old, PUT(a->tpm, "v1.2"))
MAKE(tpm_preferred, tpm(r); preferred(r))
MAKE(tpm_bios, tpm(r); bios(r))
MAKE(tpm_unsaid, tpm(r); no_boot_mode(r))
MAKE(imds, PUT(a->imds, "v2.0"))
MAKE(imds_old, PUT(a->imds, "v1.0"))
MAKE(sriov, PUT(a->sriov, "simple"))
MAKE(sriov_other, PUT(a->sriov, "full"))
MAKE(windows, PUT(a->platform, "windows"))
MAKE(platform_linux, PUT(a->platform, "linux"))
MAKE(hvm_kernel, PUT(a->kernel, AKI))
MAKE(hvm_ramdisk, PUT(a->ramdisk, "ari-01234567"))
MAKE(hvm_bad_kernel, PUT(a->kernel, "ami-5c21674b"))

MAKE(pv, PUT(a->virtualization, "paravirtual"); PUT(a->boot_mode, ""); PUT(a->kernel, AKI);
     a->ena = false)
MAKE(pv_i386, pv(r); i386(r); PUT(a->kernel, "aki-04206613"))
MAKE(pv_frankfurt, pv(r); PUT(a->region, "eu-central-1"); PUT(a->kernel, "aki-931fe3fc"))
MAKE(pv_gov, pv(r); PUT(a->region, "us-gov-west-1"); PUT(a->kernel, "aki-9ee55bff"))
MAKE(pv_older, pv(r); PUT(a->kernel, AKI_103))
MAKE(pv_no_kernel, pv(r); PUT(a->kernel, ""))
MAKE(pv_short_kernel, pv(r); PUT(a->kernel, "aki-5c21674"))
MAKE(pv_upper_kernel, pv(r); PUT(a->kernel, "aki-5C21674B"))
MAKE(pv_long_kernel, pv(r); PUT(a->kernel, "aki-0123456789abcdef0"))
MAKE(pv_elsewhere, pv(r); PUT(a->kernel, "aki-dc9ed9af"))
MAKE(pv_32_bit_kernel, pv(r); PUT(a->kernel, "aki-04206613"))
MAKE(pv_64_bit_kernel, pv_i386(r); PUT(a->kernel, AKI))
MAKE(pv_ramdisk, pv(r); PUT(a->ramdisk, "ari-0123456789abcdef0"))
MAKE(pv_bad_ramdisk, pv(r); PUT(a->ramdisk, "ari-0123"))
MAKE(pv_ohio, pv(r); PUT(a->region, "us-east-2"))
MAKE(pv_uefi, pv(r); PUT(a->boot_mode, "uefi"))
MAKE(pv_preferred, pv(r); PUT(a->boot_mode, "uefi-preferred"))
MAKE(pv_bios, pv(r); bios(r))
MAKE(pv_tpm, pv(r); tpm(r))
MAKE(pv_ena, pv(r); a->ena = true)
MAKE(pv_sriov, pv(r); sriov(r))
MAKE(pv_windows, pv(r); windows(r))
MAKE(pv_arm, pv(r); arm(r))
MAKE(pv_mac, pv(r); PUT(a->architecture, "x86_64_mac"))
MAKE(pv_clash, pv(r); PUT(a->root_device, "/dev/sda"); PUT(root->device, "/dev/sda");
     PUT(data->device, "/dev/sda3"))
MAKE(pv_near, pv(r); PUT(data->device, "/dev/sda11"))
MAKE(pv_partitions, pv(r); PUT(data->device, "/dev/sdf6"))

MAKE(xvda, PUT(a->root_device, "/dev/xvda"); PUT(root->device, "/dev/xvda"))
MAKE(bad_root, PUT(a->root_device, "/dev/sda"); PUT(root->device, "/dev/sda"))
MAKE(root_unmapped, PUT(a->root_device, "/dev/xvda"))
MAKE(root_without_snapshot, root->snapshot[0] = '\0')
MAKE(root_ephemeral,
     *root = (struct vml_mapping){ .device = "/dev/sda1", .virtual_name = "ephemeral0" })
MAKE(root_no_device, *root = (struct vml_mapping){ .device = "/dev/sda1", .no_device = true })
MAKE(no_mappings, a->n_mappings = 0)
MAKE(twice, PUT(data->device, "/dev/sda1"))
MAKE(bad_device, PUT(data->device, "/dev/sdf1"))
MAKE(location, a->location = (char *)"bucket/web.manifest.xml")

MAKE(store, location(r); PUT(a->root_type, "instance-store");
     *root = (struct vml_mapping){ .device = "/dev/sdb", .virtual_name = "ephemeral0" };
     a->n_mappings = 1)
MAKE(store_bare, store(r); a->n_mappings = 0)
MAKE(store_no_location, store(r); a->location = NULL)
MAKE(store_no_bucket, store(r); a->location = (char *)"/web.manifest.xml")
MAKE(store_no_key, store(r); a->location = (char *)"bucket/")
MAKE(store_url, store(r); a->location = (char *)"https://bucket/web.manifest.xml")
MAKE(store_root_snapshot, good_record(r); location(r); PUT(a->root_type, "instance-store"))

MAKE(ephemeral, OTHER("/dev/sdb", .virtual_name = "ephemeral23"))
MAKE(ephemeral_24, OTHER("/dev/sdb", .virtual_name = "ephemeral24"))
MAKE(ephemeral_01, OTHER("/dev/sdb", .virtual_name = "ephemeral01"))
MAKE(ephemeral_x, OTHER("/dev/sdb", .virtual_name = "ephemeral"))
MAKE(ephemeral_other, OTHER("/dev/sdb", .virtual_name = "swap"))
MAKE(ephemeral_sized, ephemeral(r); data->size_gib = 8)
MAKE(ephemeral_none, ephemeral(r); data->no_device = true)
MAKE(ephemeral_twice, store(r); ephemeral(r); a->n_mappings = 2; PUT(data->device, "/dev/sdc");
     PUT(data->virtual_name, "ephemeral0"))
MAKE(no_device, OTHER("/dev/sdb", .no_device = true))
MAKE(no_device_snapshot, no_device(r); PUT(data->snapshot, "snap-00000000000000002"))
MAKE(no_kind, OTHER("/dev/sdb", .iops = 0))

MAKE(empty_volume, EMPTY("gp3", 1))
MAKE(empty_encrypted, EMPTY("gp3", 1); data->encrypted = true)
MAKE(sizeless, EMPTY("gp3", 0))
MAKE(bad_snapshot, PUT(data->snapshot, "vol-00000000000000002"))
MAKE(old_snapshot, PUT(data->snapshot, "snap-01234567"))
MAKE(too_small, data->size_gib = 29)
MAKE(gp3_largest, data->size_gib = 65536)
MAKE(gp3_too_large, data->size_gib = 65537)
MAKE(gp2_largest, EMPTY("gp2", 16384))
MAKE(gp2_too_large, EMPTY("gp2", 16385))
MAKE(standard_largest, EMPTY("standard", 1024))
MAKE(standard_too_large, EMPTY("standard", 1025))
MAKE(st1_smallest, EMPTY("st1", 125))
MAKE(st1_too_small, EMPTY("st1", 124))
MAKE(sc1_too_large, EMPTY("sc1", 16385))
MAKE(st1_root, root->size_gib = 125; PUT(root->volume_type, "st1"))
MAKE(sc1_root, root->size_gib = 125; PUT(root->volume_type, "sc1"))
MAKE(bad_type, PUT(data->volume_type, "gp4"))
MAKE(encrypted, root->encrypted = true)

MAKE(io1, EMPTY_FAST("io1", 4, 200, 0))
MAKE(io1_too_small, EMPTY_FAST("io1", 3, 100, 0))
MAKE(io1_no_iops, EMPTY("io1", 4))
MAKE(io1_slow, EMPTY_FAST("io1", 4, 99, 0))
MAKE(io1_fast, EMPTY_FAST("io1", 16384, 64001, 0))
MAKE(io1_ratio, EMPTY_FAST("io1", 4, 201, 0))
MAKE(io2_no_iops, EMPTY("io2", 4))
MAKE(io2_fastest, EMPTY_FAST("io2", 256, 256000, 0))
MAKE(io2_fast, EMPTY_FAST("io2", 1000, 256001, 0))
MAKE(io2_ratio, EMPTY_FAST("io2", 255, 255001, 0))
MAKE(io2_too_large, EMPTY_FAST("io2", 65537, 100, 0))
MAKE(gp3_iops, EMPTY_FAST("gp3", 1, 3000, 0))
MAKE(gp3_slow, EMPTY_FAST("gp3", 100, 2999, 0))
MAKE(gp3_fastest, EMPTY_FAST("gp3", 160, 80000, 2000))
MAKE(gp3_fast, EMPTY_FAST("gp3", 1000, 80001, 0))
MAKE(gp3_ratio, EMPTY_FAST("gp3", 5, 6000, 0))
MAKE(gp3_throughput, EMPTY_FAST("gp3", 1, 0, 750))
MAKE(gp3_throughput_default, EMPTY_FAST("gp3", 1, 0, 751))
MAKE(gp3_throughput_ratio, EMPTY_FAST("gp3", 100, 4000, 1001))
MAKE(gp3_throughput_low, EMPTY_FAST("gp3", 100, 0, 124))
MAKE(gp3_throughput_high, EMPTY_FAST("gp3", 160, 80000, 2001))
MAKE(gp2_iops, EMPTY_FAST("gp2", 100, 3000, 0))
MAKE(st1_iops, EMPTY_FAST("st1", 125, 500, 0))
MAKE(io1_throughput, EMPTY_FAST("io1", 100, 1000, 125))
MAKE(gp2_throughput, EMPTY_FAST("gp2", 100, 0, 125))

static struct vml_product_code codes[2];
MAKE(billing, codes[0] = (struct vml_product_code){ VML_PRODUCT_BILLING, "bp-6ba54002" };
     a->marks.codes = codes; a->marks.n_codes = 1)
MAKE(billing_bad, billing(r); PUT(codes[0].code, "windows"))
MAKE(billing_twice, billing(r); codes[1] = codes[0]; a->marks.n_codes = 2)

static const char malformed_name[] = "InvalidAMIName.Malformed";
static const char mapping[] = "InvalidBlockDeviceMapping";
static const char value[] = "InvalidParameterValue";
static const char combination[] = "InvalidParameterCombination";
static const char missing[] = "MissingParameter";

/* want: EC2's code; text: how its sentence begins, where that is known or worth a look */
static const struct rule {
    const char *rule;
    void (*make)(struct record *r);
    const char *want, *text;
} rules[] = {
    { "a whole record is taken", nothing, NULL, NULL },
    { "names have 3 to 128 characters", short_name, malformed_name, "AMI names must be between 3" },
    { "owners have 12 digits", bad_owner, "InvalidUserID.Malformed", NULL },
    { "regions look like regions", bad_region, "InvalidRegion", NULL },
    { "descriptions are UTF-8", bad_description, value, NULL },
    { "descriptions have up to 255 characters, of any length", long_description, NULL, NULL },
    { "descriptions have no more than that", longer_description, value,
      "Description exceeds the maximum length of 255 characters: it has 256" },
    { "architecture is said", no_architecture, value, NULL },
    { "architecture is one of EC2's", bad_architecture, value,
      "Value (amd64) for parameter architecture is invalid: it is one of i386, x86_64, arm64, "
      "x86_64_mac, arm64_mac" },
    { "i386 is one", i386, NULL, NULL },
    { "virtualization is hvm or paravirtual", bad_virtualization, value,
      "Value (pv) for parameter virtualizationType is invalid: it is one of hvm, paravirtual" },
    { "the root is on EBS or in an instance store", bad_root_type, value, NULL },
    { "boot mode is one of three", bad_boot_mode, value, NULL },
    { "boot mode may be left to the instance type", no_boot_mode, NULL, NULL },
    { "legacy-bios is a boot mode", bios, NULL, NULL },
    { "uefi-preferred is a boot mode", preferred, NULL, NULL },
    { "arm64 boots by uefi", arm, NULL, NULL },
    { "arm64 needs no boot mode", arm_unsaid, NULL, NULL },
    { "arm64 has no BIOS", arm_bios, combination, NULL },
    { "arm64 is uefi, not uefi-preferred", arm_preferred, combination, NULL },
    { "a TPM with uefi", tpm, NULL, NULL },
    { "a TPM is v2.0", tpm_old, value, "Value (v1.2) for parameter tpmSupport is invalid" },
    { "a TPM needs uefi, not uefi-preferred", tpm_preferred, combination,
      "TPM v2.0 needs boot mode uefi, not uefi-preferred" },
    { "a TPM needs uefi, not legacy-bios", tpm_bios, combination, NULL },
    { "a TPM needs a boot mode that is said", tpm_unsaid, combination, NULL },
    { "IMDS v2.0 can be asked for", imds, NULL, NULL },
    { "IMDS v2.0 is all that can", imds_old, value, NULL },
    { "SR-IOV is simple", sriov, NULL, NULL },
    { "SR-IOV is nothing else", sriov_other, value, NULL },
    { "Windows is hvm", windows, NULL, NULL },
    { "the only platform that is said is windows", platform_linux, value, NULL },
    { "a kernel needs paravirtual", hvm_kernel, combination,
      "A kernel ID can only be specified for virtualization type paravirtual" },
    { "a RAM disk needs paravirtual", hvm_ramdisk, combination, "A RAM disk ID can only be" },
    { "kernels are aki-", hvm_bad_kernel, "InvalidKernelId.Malformed", NULL },

    { "paravirtual with the region's kernel", pv, NULL, NULL },
    { "paravirtual of 32 bits with its kernel", pv_i386, NULL, NULL },
    { "paravirtual in Frankfurt with Frankfurt's kernel", pv_frankfurt, NULL, NULL },
    { "paravirtual in GovCloud", pv_gov, NULL, NULL },
    { "an older PV-GRUB starts it, too", pv_older, NULL, NULL },
    { "paravirtual needs a kernel", pv_no_kernel, missing,
      "The request must contain the parameter kernelId" },
    { "kernel IDs have 8 digits", pv_short_kernel, "InvalidKernelId.Malformed",
      "The specified kernel ID is not valid" },
    { "kernel IDs are lowercase", pv_upper_kernel, "InvalidKernelId.Malformed", NULL },
    { "or 17 digits, though EC2 has no such kernel", pv_long_kernel, "InvalidManifest",
      "Invalid or unaccessible kernel id in ami manifest: aki-0123456789abcdef0" },
    { "kernels are of one region", pv_elsewhere, "InvalidManifest",
      "Invalid or unaccessible kernel id in ami manifest: aki-dc9ed9af is of eu-west-1; us-east-1 "
      "has aki-5c21674b" },
    { "a 32-bit kernel starts no 64-bit image", pv_32_bit_kernel, combination, NULL },
    { "a 64-bit kernel starts no 32-bit image", pv_64_bit_kernel, combination, NULL },
    { "PV-GRUB takes no RAM disk", pv_ramdisk, combination,
      "You can't specify a RAM disk (ari-0123456789abcdef0) when using a PV-GRUB AKI" },
    { "RAM disk IDs have 8 or 17 digits", pv_bad_ramdisk, "InvalidRamDiskId.Malformed", NULL },
    { "not all regions have paravirtual images", pv_ohio, "UnsupportedOperation",
      "Region us-east-2 has no paravirtual images" },
    { "paravirtual and uefi exclude each other", pv_uefi, combination, NULL },
    { "paravirtual and uefi-preferred, too", pv_preferred, combination, NULL },
    { "paravirtual may say legacy-bios", pv_bios, NULL, NULL },
    { "a TPM needs hvm", pv_tpm, combination, NULL },
    { "ENA needs hvm", pv_ena, combination, NULL },
    { "SR-IOV needs hvm", pv_sriov, combination, NULL },
    { "Windows needs hvm", pv_windows, combination, NULL },
    { "arm64 needs hvm", pv_arm, combination, NULL },
    { "a Mac needs hvm", pv_mac, combination, NULL },
    { "a disk and its partition are not both mapped", pv_clash, mapping, NULL },
    { "sda1 and sda11 are two partitions", pv_near, NULL, NULL },
    { "paravirtual maps partitions", pv_partitions, NULL, NULL },

    { "the root may be /dev/xvda", xvda, NULL, NULL },
    { "the root of hvm is not /dev/sda", bad_root, mapping, "Invalid device name /dev/sda" },
    { "the root device is mapped", root_unmapped, mapping,
      "No root snapshot specified in device mapping" },
    { "the root has a snapshot", root_without_snapshot, mapping,
      "No root snapshot specified in device mapping" },
    { "the root is no instance store volume", root_ephemeral, mapping,
      "No root snapshot specified in device mapping" },
    { "the root cannot be left out", root_no_device, mapping,
      "No root snapshot specified in device mapping" },
    { "there is a root", no_mappings, mapping, "No root snapshot specified in device mapping" },
    { "a device is mapped once", twice, mapping, "/dev/sda1 is being assigned to multiple times" },
    { "hvm maps no partitions", bad_device, mapping, "Invalid device name /dev/sdf1" },
    { "an EBS image has no location", location, combination, NULL },

    { "an instance-store image has a manifest", store, NULL, NULL },
    { "it needs no mappings", store_bare, NULL, NULL },
    { "it needs its location", store_no_location, missing,
      "The request must contain the parameter imageLocation" },
    { "a location has a bucket", store_no_bucket, "InvalidManifest", NULL },
    { "a location has a key", store_no_key, "InvalidManifest", NULL },
    { "a location is no URL", store_url, "InvalidManifest", NULL },
    { "an instance-store root has no snapshot", store_root_snapshot, mapping, NULL },

    { "instance store volumes up to ephemeral23", ephemeral, NULL, NULL },
    { "there is no ephemeral24", ephemeral_24, mapping, NULL },
    { "nor ephemeral01", ephemeral_01, mapping, NULL },
    { "they have a number", ephemeral_x, mapping, NULL },
    { "and are called ephemeral", ephemeral_other, mapping, NULL },
    { "an instance store volume has no size", ephemeral_sized, mapping, NULL },
    { "an instance store volume is a device", ephemeral_none, mapping, NULL },
    { "an instance store volume is mapped once", ephemeral_twice, mapping, NULL },
    { "a device may be left out", no_device, NULL, NULL },
    { "then it has no snapshot", no_device_snapshot, mapping, NULL },
    { "a mapping says what is there", no_kind, missing,
      "The request must contain the parameter ebs" },

    { "an empty volume has a size", empty_volume, NULL, NULL },
    { "it may be encrypted", empty_encrypted, NULL, NULL },
    { "a volume has a size or a snapshot", sizeless, mapping,
      "Either snapshot ID or volume size must be provided for: /dev/sdf" },
    { "snapshots are snap-", bad_snapshot, "InvalidSnapshotID.Malformed",
      "Invalid id: \"vol-00000000000000002\" (expecting \"snap-...\")" },
    { "and 8 digits, or 17", old_snapshot, NULL, NULL },
    { "a volume is no smaller than its snapshot", too_small, mapping,
      "Volume of size 29GB is smaller than snapshot 'snap-00000000000000002', expect size >= "
      "30GB" },
    { "gp3 up to 65536 GiB", gp3_largest, NULL, NULL },
    { "gp3 not beyond", gp3_too_large, value, NULL },
    { "gp2 up to 16384 GiB", gp2_largest, NULL, NULL },
    { "gp2 not beyond", gp2_too_large, value, NULL },
    { "standard up to 1024 GiB", standard_largest, NULL, NULL },
    { "standard not beyond", standard_too_large, value, NULL },
    { "st1 from 125 GiB", st1_smallest, NULL, NULL },
    { "st1 not below", st1_too_small, value, NULL },
    { "sc1 not beyond 16384 GiB", sc1_too_large, value, NULL },
    { "st1 does not boot", st1_root, "BootForVolumeTypeUnsupported", NULL },
    { "sc1 does not boot", sc1_root, "BootForVolumeTypeUnsupported", NULL },
    { "there is no gp4", bad_type, "UnknownVolumeType", NULL },
    { "a snapshot decides on encryption", encrypted, mapping,
      "the encrypted flag cannot be specified since device /dev/sda1 has a snapshot specified" },

    { "io1 with 50 IOPS per GiB", io1, NULL, NULL },
    { "io1 from 4 GiB", io1_too_small, value, NULL },
    { "io1 says its IOPS", io1_no_iops, combination,
      "The parameter iops must be specified for io1 volumes" },
    { "io1 from 100 IOPS", io1_slow, value, "Volume iops of 99 is too low; minimum is 100" },
    { "io1 up to 64000 IOPS", io1_fast, value, "Volume iops of 64001 is too high" },
    { "io1 with no more IOPS per GiB", io1_ratio, value,
      "Iops to volume size ratio of 50.250000 is too high; maximum is 50" },
    { "io2 says its IOPS", io2_no_iops, combination,
      "The parameter iops must be specified for io2 volumes" },
    { "io2 up to 256000 IOPS", io2_fastest, NULL, NULL },
    { "io2 not beyond", io2_fast, value, NULL },
    { "io2 with 1000 IOPS per GiB", io2_ratio, value, NULL },
    { "io2 up to 65536 GiB", io2_too_large, value, NULL },
    { "gp3 has 3000 IOPS at any size", gp3_iops, NULL, NULL },
    { "gp3 not below", gp3_slow, value, "Volume iops of 2999 is too low; minimum is 3000" },
    { "gp3 up to 80000 IOPS and 2000 MiB/s", gp3_fastest, NULL, NULL },
    { "gp3 not beyond", gp3_fast, value, NULL },
    { "gp3 with 500 IOPS per GiB", gp3_ratio, value,
      "Iops to volume size ratio of 1200.000000 is too high; maximum is 500" },
    { "gp3 has 750 MiB/s without more IOPS", gp3_throughput, NULL, NULL },
    { "and no more", gp3_throughput_default, value,
      "Throughput (MiBps) to iops ratio of 0.250333 is too high; maximum is 0.250000 MiBps per "
      "iops" },
    { "a quarter MiB/s for each of its IOPS", gp3_throughput_ratio, value, NULL },
    { "gp3 from 125 MiB/s", gp3_throughput_low, value, NULL },
    { "gp3 up to 2000 MiB/s", gp3_throughput_high, value, NULL },
    { "gp2 takes no IOPS", gp2_iops, combination,
      "The parameter iops is not supported for gp2 volumes" },
    { "st1 takes no IOPS", st1_iops, combination, NULL },
    { "io1 takes no throughput", io1_throughput, combination,
      "throughput can only be specified for volumeType gp3" },
    { "gp2 takes no throughput", gp2_throughput, combination, NULL },

    { "billing products are bp-", billing, NULL, NULL },
    { "and nothing else", billing_bad, value, NULL },
    { "each once", billing_twice, value, NULL },
};

static void test_records(void)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct record r;
        good_record(&r);
        rules[i].make(&r);
        check_rule(vml_rule_register(&r.a, r.sizes, &err), rules[i].want, rules[i].rule);
        if (rules[i].want)
            CHECK_INT(err.code, VML_EREFUSED);
        if (rules[i].text && strncmp(err.text, rules[i].text, strlen(rules[i].text)) != 0) {
            fprintf(stderr, "%s: \"%s\", not \"%s\"\n", rules[i].rule, err.text, rules[i].text);
            abort();
        }
    }
    printf("%zu rules of whole records\n", sizeof rules / sizeof *rules);
}

/* Before the snapshots are there, what does not depend on them is refused, and nothing else. */
static void test_early(void)
{
    static const struct rule early[] = {
        { "the disks' sizes are to come", nothing, NULL, NULL },
        { "the record is looked at", tpm_bios, combination, NULL },
        { "and devices", twice, mapping, NULL },
        { "and types", bad_type, "UnknownVolumeType", NULL },
        { "and sizes that are said", gp3_too_large, value, NULL },
        { "and performance", gp2_iops, combination, NULL },
        { "and instance store volumes", ephemeral_24, mapping, NULL },
        { "a size below the snapshot's is not known yet", too_small, NULL, NULL },
        { "nor is a snapshot that is missing", root_without_snapshot, NULL, NULL },
    };
    for (size_t i = 0; i < sizeof early / sizeof *early; i++) {
        struct record r;
        good_record(&r);
        r.mappings[0].size_gib = 0;
        early[i].make(&r);
        check_rule(vml_rule_register(&r.a, NULL, &err), early[i].want, early[i].rule);
    }
}

/* --- paravirtual images --------------------------------------------------------------------- */

static void test_kernels(void)
{
    static const struct {
        const char *region, *x86_64, *i386;
    } rows[] = {
        { "us-east-1", "aki-5c21674b", "aki-04206613" },
        { "us-west-1", "aki-59cc8239", "aki-43cf8123" },
        { "us-west-2", "aki-70cb0e10", "aki-7a69931a" },
        { "eu-west-1", "aki-dc9ed9af", "aki-1c9fd86f" },
        { "eu-central-1", "aki-931fe3fc", "aki-1419e57b" },
        { "ap-southeast-1", "aki-73a50110", "aki-17a40074" },
        { "ap-southeast-2", "aki-66506305", "aki-ba5665d9" },
        { "ap-northeast-1", "aki-7077ab11", "aki-f975a998" },
        { "sa-east-1", "aki-912fbcfd", "aki-7cd34110" },
        { "us-gov-west-1", "aki-9ee55bff", "aki-5ee9573f" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_STR(vml_rule_pv_grub(rows[i].region, "x86_64"), rows[i].x86_64);
        CHECK_STR(vml_rule_pv_grub(rows[i].region, "i386"), rows[i].i386);
        CHECK(!vml_rule_pv_grub(rows[i].region, "arm64"));
        CHECK_OK(vml_rule_pv_region(rows[i].region, &err), &err);
    }
    static const char *const without[] = { "us-east-2", "eu-west-2", "eu-north-1", "ap-northeast-2",
                                           "ca-central-1" };
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        CHECK(!vml_rule_pv_grub(without[i], "x86_64"));
        CHECK_FAILS(vml_rule_pv_region(without[i], &err), &err, "UnsupportedOperation");
    }
    CHECK_OK(vml_rule_pv_gpt(AKI, &err), &err);
    CHECK_OK(vml_rule_pv_gpt(AKI_104, &err), &err);
    CHECK_OK(vml_rule_pv_gpt("", &err), &err); /* hvm */
    CHECK_FAILS(vml_rule_pv_gpt(AKI_103, &err), &err, combination);
    CHECK(strstr(err.text, "PV-GRUB 1.03") && strstr(err.text, AKI " is the newest"));
    CHECK_FAILS(vml_rule_pv_gpt("aki-b6aa75df", &err), &err, combination);
    CHECK(strstr(err.text, "aki-04206613 is the newest"));
}

static void test_tags_of_a_record(void)
{
    VML_AUTO(vml_image_clear) struct vml_image a = { 0 };
    struct record r;
    char key[16];
    good_record(&r);
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "key%d", i);
        CHECK_OK(vml_marks_tag(&a.marks, key, "", &err), &err);
    }
    r.a.marks.tags = a.marks.tags;
    r.a.marks.n_tags = a.marks.n_tags;
    CHECK_OK(vml_rule_record(&r.a, &err), &err);
    CHECK_OK(vml_marks_tag(&a.marks, "one more", "", &err), &err);
    r.a.marks.tags = a.marks.tags;
    r.a.marks.n_tags = a.marks.n_tags;
    CHECK_FAILS(vml_rule_record(&r.a, &err), &err, "TagLimitExceeded");
    strcpy(a.marks.tags[7].key, "key6");
    r.a.marks.n_tags = 50;
    CHECK_FAILS(vml_rule_record(&r.a, &err), &err, "InvalidParameterValue");
    CHECK_STR(err.text, "Duplicate tag key 'key6' specified");
}

int main(void)
{
    test_names();
    test_accounts_and_regions();
    test_devices();
    test_nth_device();
    test_records();
    test_early();
    test_kernels();
    test_tags_of_a_record();
    return 0;
}
