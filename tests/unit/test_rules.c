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
            .boot_mode = "uefi", .root_device = "/dev/sda1", .state = "available",
            .n_mappings = DISKS,
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

/* One change to a good record, and what is said about it. */
#define FAULT(name, body)              \
    static void name(struct record *r) \
    {                                  \
        body;                          \
    }
#define PUT(field, text) strcpy(field, text)

FAULT(nothing, (void)r)
FAULT(short_name, PUT(r->a.name, "x"))
FAULT(bad_owner, PUT(r->a.owner, "me"))
FAULT(bad_region, PUT(r->a.region, "mars"))
FAULT(bad_description, PUT(r->a.description, "\xff"))
FAULT(no_architecture, PUT(r->a.architecture, ""))
FAULT(bad_architecture, PUT(r->a.architecture, "amd64"))
FAULT(bad_virtualization, PUT(r->a.virtualization, "pv"))
FAULT(bad_boot_mode, PUT(r->a.boot_mode, "bios"))
FAULT(no_boot_mode, PUT(r->a.boot_mode, ""))
FAULT(bios, PUT(r->a.boot_mode, "legacy-bios"))
FAULT(preferred, PUT(r->a.boot_mode, "uefi-preferred"))
FAULT(pv_uefi, PUT(r->a.virtualization, "paravirtual"))
FAULT(pv, PUT(r->a.virtualization, "paravirtual"); PUT(r->a.boot_mode, ""))
FAULT(pv_windows, pv(r); PUT(r->a.platform, "windows"))
FAULT(pv_arm, pv(r); PUT(r->a.architecture, "arm64"))
FAULT(pv_clash, pv(r); PUT(r->a.root_device, "/dev/sda"); PUT(r->mappings[0].device, "/dev/sda");
      PUT(r->mappings[1].device, "/dev/sda3"))
FAULT(pv_near, pv(r); PUT(r->mappings[1].device, "/dev/sda11"))
FAULT(arm, PUT(r->a.architecture, "arm64"))
FAULT(arm_bios, PUT(r->a.architecture, "arm64"); PUT(r->a.boot_mode, "legacy-bios"))
FAULT(arm_preferred, PUT(r->a.architecture, "arm64"); PUT(r->a.boot_mode, "uefi-preferred"))
FAULT(xvda, PUT(r->a.root_device, "/dev/xvda"); PUT(r->mappings[0].device, "/dev/xvda"))
FAULT(bad_root, PUT(r->a.root_device, "/dev/sda"); PUT(r->mappings[0].device, "/dev/sda"))
FAULT(root_unmapped, PUT(r->a.root_device, "/dev/xvda"))
FAULT(root_without_snapshot, r->mappings[0].snapshot[0] = '\0')
FAULT(no_mappings, r->a.n_mappings = 0)
FAULT(twice, PUT(r->mappings[1].device, "/dev/sda1"))
FAULT(bad_device, PUT(r->mappings[1].device, "/dev/sdf1"))
FAULT(empty_volume, r->mappings[1].snapshot[0] = '\0'; r->mappings[1].size_gib = 1)
FAULT(sizeless, r->mappings[1].snapshot[0] = '\0'; r->mappings[1].size_gib = 0)
FAULT(too_small, r->mappings[1].size_gib = 29)
FAULT(larger, r->mappings[1].size_gib = 65536)
FAULT(too_large, r->mappings[1].size_gib = 65537)
FAULT(gp2_too_large, r->mappings[1].size_gib = 16385; PUT(r->mappings[1].volume_type, "gp2"))
FAULT(io1_too_small, r->mappings[1].snapshot[0] = '\0'; r->mappings[1].size_gib = 3;
      PUT(r->mappings[1].volume_type, "io1"))
FAULT(bad_type, PUT(r->mappings[1].volume_type, "gp4"))
FAULT(cold_root, r->mappings[0].size_gib = 125; PUT(r->mappings[0].volume_type, "sc1"))
FAULT(cold_data, r->mappings[1].size_gib = 125; PUT(r->mappings[1].volume_type, "sc1"))
FAULT(encrypted, r->mappings[0].encrypted = true)

static void test_records(void)
{
    static const struct {
        const char *about;
        void (*change)(struct record *r);
        const char *want, *text;
    } rows[] = {
#define ROW(change, ...) { #change, change, __VA_ARGS__ }
        ROW(nothing, NULL, NULL),
        ROW(short_name, "InvalidAMIName.Malformed", NULL),
        ROW(bad_owner, "InvalidUserID.Malformed", NULL),
        ROW(bad_region, "InvalidRegion", NULL),
        ROW(bad_description, "InvalidParameterValue", NULL),
        ROW(no_architecture, "InvalidParameterValue", NULL),
        ROW(bad_architecture, "InvalidParameterValue",
            "Value (amd64) for parameter architecture is invalid: it is one of i386, x86_64, "
            "arm64, "
            "x86_64_mac, arm64_mac"),
        ROW(bad_virtualization, "InvalidParameterValue", NULL),
        ROW(bad_boot_mode, "InvalidParameterValue", NULL),
        ROW(no_boot_mode, NULL, NULL),
        ROW(bios, NULL, NULL),
        ROW(preferred, NULL, NULL),
        ROW(pv_uefi, "InvalidParameterCombination", NULL),
        ROW(pv, NULL, NULL),
        ROW(pv_windows, "InvalidParameterCombination", NULL),
        ROW(pv_arm, "InvalidParameterCombination", NULL),
        ROW(pv_clash, "InvalidBlockDeviceMapping", NULL),
        ROW(pv_near, NULL, NULL),
        ROW(arm, NULL, NULL),
        ROW(arm_bios, "InvalidParameterCombination", NULL),
        ROW(arm_preferred, "InvalidParameterCombination", NULL),
        ROW(xvda, NULL, NULL),
        ROW(bad_root, "InvalidBlockDeviceMapping", NULL),
        ROW(root_unmapped, "InvalidBlockDeviceMapping",
            "No root snapshot specified in device mapping"),
        ROW(root_without_snapshot, "InvalidBlockDeviceMapping",
            "No root snapshot specified in device mapping"),
        ROW(no_mappings, "InvalidBlockDeviceMapping",
            "No root snapshot specified in device mapping"),
        ROW(twice, "InvalidBlockDeviceMapping", NULL),
        ROW(bad_device, "InvalidBlockDeviceMapping", NULL),
        ROW(empty_volume, NULL, NULL),
        ROW(sizeless, "InvalidBlockDeviceMapping",
            "Either snapshot ID or volume size must be provided for: /dev/sdf"),
        ROW(too_small, "InvalidBlockDeviceMapping",
            "Volume of size 29GB is smaller than snapshot 'snap-00000000000000002', expect size >= "
            "30GB"),
        ROW(larger, NULL, NULL),
        ROW(too_large, "InvalidParameterValue", NULL),
        ROW(gp2_too_large, "InvalidParameterValue", NULL),
        ROW(io1_too_small, "InvalidParameterValue", NULL),
        ROW(bad_type, "UnknownVolumeType", NULL),
        ROW(cold_root, "BootForVolumeTypeUnsupported", NULL),
        ROW(cold_data, NULL, NULL),
        ROW(encrypted, "InvalidBlockDeviceMapping", NULL),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct record r;
        good_record(&r);
        rows[i].change(&r);
        check_rule(vml_rule_register(&r.a, r.sizes, &err), rows[i].want, rows[i].about);
        if (rows[i].want)
            CHECK_INT(err.code, VML_EREFUSED);
        if (rows[i].text)
            CHECK_STR(err.text, rows[i].text);
    }
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
    test_tags_of_a_record();
    return 0;
}
