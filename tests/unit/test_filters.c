/* DescribeImages' and DescribeSnapshots' filters, as tables: each row is one rule. */
#include "check.h"

#include "vmlift/filter.h"

static struct vml_error err;

/* What a list is asked, and whether it has the image; or the refusal. */
#define YES "yes"
#define NO  "no"
struct row {
    const char *rule, *filter, *want;
};

/* --- an image that has all that there is ----------------------------------------------------- */

static void fill(struct vml_image *a)
{
    *a = (struct vml_image){
        .id = "ami-0123456789abcdef0",
        .name = "web-1.0 (new) [2]",
        .description = "a*b?c\\d, \xc3\xa9",
        .owner = "111111111111",
        .region = "us-east-1",
        .architecture = "x86_64",
        .virtualization = "hvm",
        .boot_mode = "uefi",
        .root_device = "/dev/xvda",
        .root_type = "ebs",
        .platform = "windows",
        .kernel = "aki-5c21674b",
        .sriov = "simple",
        .ena = true,
        .state = "available",
        .source_image = "ami-0fedcba9876543210",
        .source_region = "eu-west-1",
        .created = 1764072000, /* 2025-11-25T12:00:00Z */
    };
    const struct vml_mapping mappings[] = {
        { .device = "/dev/xvda",
          .snapshot = "snap-00000000000000001",
          .size_gib = 8,
          .volume_type = "gp3",
          .delete_on_termination = true },
        { .device = "/dev/sdf", .size_gib = 100, .volume_type = "io2", .encrypted = true },
        { .device = "/dev/sdb", .virtual_name = "ephemeral0" },
        { .device = "/dev/sdc", .no_device = true },
    };
    for (size_t i = 0; i < sizeof mappings / sizeof *mappings; i++)
        CHECK_OK(vml_image_map(a, &mappings[i], &err), &err);
    CHECK_OK(vml_marks_tag(&a->marks, "Env", "Prod", &err), &err);
    CHECK_OK(vml_marks_tag(&a->marks, "a=b,c", "x=y,z", &err), &err);
    CHECK_OK(vml_marks_tag(&a->marks, "empty", "", &err), &err);
    CHECK_OK(vml_marks_grant(&a->marks, VML_GRANT_LAUNCH, "222222222222", &err), &err);
    CHECK_OK(vml_marks_code(&a->marks, VML_PRODUCT_BILLING, "bp-6ba54002", &err), &err);
    CHECK_OK(vml_marks_code(&a->marks, VML_PRODUCT_MARKETPLACE, "abcdefghijklmnopqrstuvwxy", &err),
             &err);
}

static const struct row rows[] = {
    /* values */
    { "a value is all of the text", "name=web-1.0 (new) [2]", YES },
    { "a part of it is not enough", "name=web", NO },
    { "values are case-sensitive", "name=WEB*", NO },
    { "* stands for any characters", "name=web-*", YES },
    { "and for none", "name=*web-1.0 (new) [2]*", YES },
    { "* may be given again and again", "name=*1*(*)*2*", YES },
    { "what follows * must follow", "name=web-*3]", NO },
    { "? stands for one character", "architecture=x?6_64", YES },
    { "and not for none", "architecture=x86_64?", NO },
    { "a character may have several bytes", "description=a\\*b\\?c\\\\d\\, ?", YES },
    { "brackets stand for themselves", "name=*[2]", YES },
    { "and are no set of characters", "name=web-[12]*", NO },
    { "an escaped * is one", "description=a\\*b*", YES },
    { "and nothing else", "name=web\\*", NO },
    { "an escaped ? is one", "description=a?b\\?c*", YES },
    { "an escaped backslash is one", "description=*\\\\d*", YES },
    { "other escape sequences are refused", "name=web-\\d", "InvalidParameterValue" },
    { "also at the end", "name=web\\", "InvalidParameterValue" },
    { "values are ORed", "architecture=arm64,x86_64", YES },
    { "none of the values", "architecture=arm64,i386", NO },
    { "filters are ANDed", "name=web-*,state=available,tag:Env=Prod", YES },
    { "one of the filters does not", "name=web-*,state=disabled", NO },
    { "also when both have one name", "tag:Env=Prod,tag:Env=Test", NO },
    { "EC2's own form", "Name=architecture,Values=arm64,x86_64", YES },
    { "in it values may have =", "Name=tag:a=b,Values=c", NO },
    { "an empty value is of nothing but tags", "ramdisk-id=", NO },
    { "what is absent matches nothing", "ramdisk-id=*", NO },
    /* names */
    { "names are case-sensitive", "Architecture=x86_64", "InvalidParameterValue" },
    { "unknown names are refused", "boot-mode=uefi", "InvalidParameterValue" },
    { "a tag's key must be named", "tag:=Prod", "InvalidParameterValue" },
    { "nobody here knows of a free tier", "free-tier-eligible=true", "image/filter" },
    { "nor of allowed images", "image-allowed=true", "image/filter" },
    { "name=value is the form", "name", "usage/filter" },
    { "Name= wants Values=", "Name=name,web", "usage/filter" },
    /* each of EC2's */
    { "architecture", "architecture=x86_64", YES },
    { "of any mapping: deleted on termination", "block-device-mapping.delete-on-termination=true",
      YES },
    { "of any mapping: kept on termination", "block-device-mapping.delete-on-termination=false",
      YES },
    { "device name", "block-device-mapping.device-name=/dev/sdf", YES },
    { "device name of an instance's own volume", "block-device-mapping.device-name=/dev/sdb", YES },
    { "no such device", "block-device-mapping.device-name=/dev/sdz", NO },
    { "encrypted", "block-device-mapping.encrypted=true", YES },
    { "snapshot", "block-device-mapping.snapshot-id=snap-00000000000000001", YES },
    { "volume size in GiB", "block-device-mapping.volume-size=100", YES },
    { "no volume of that size", "block-device-mapping.volume-size=10", NO },
    { "an instance's own volume has no size", "block-device-mapping.volume-size=0", NO },
    { "volume type", "block-device-mapping.volume-type=io2", YES },
    { "creation date", "creation-date=2025-11-25T12:00:00.000Z", YES },
    { "creation date of a day", "creation-date=2025-11-25T*", YES },
    { "creation date of another day", "creation-date=2025-11-26T*", NO },
    { "description", "description=a\\*b\\?c\\\\d\\, \xc3\xa9", YES },
    { "enhanced networking", "ena-support=true", YES },
    { "flags are words", "ena-support=1", NO },
    { "hypervisor", "hypervisor=xen", YES },
    { "no other hypervisor", "hypervisor=ovm", NO },
    { "ID", "image-id=ami-0123456789abcdef0", YES },
    { "image type", "image-type=machine", YES },
    { "no kernel", "image-type=kernel", NO },
    { "shared with one is not public", "is-public=false", YES },
    { "kernel", "kernel-id=aki-5c21674b", YES },
    { "location is owner and name", "manifest-location=111111111111/web-1.0*", YES },
    { "what was made of a product is not the Marketplace's", "owner-alias=*", NO },
    { "owner", "owner-id=111111111111", YES },
    { "platform", "platform=windows", YES },
    { "product code", "product-code=abcdefghijklmnopqrstuvwxy", YES },
    { "a licence is no product code", "product-code=bp-6ba54002", NO },
    { "type of product code", "product-code.type=marketplace", YES },
    { "no such type of product code", "product-code.type=devpay", NO },
    { "root device", "root-device-name=/dev/xvda", YES },
    { "type of root device", "root-device-type=ebs", YES },
    { "source image", "source-image-id=ami-0fedcba9876543210", YES },
    { "source region", "source-image-region=eu-west-1", YES },
    { "made of no instance", "source-instance-id=*", NO },
    { "SR-IOV", "sriov-net-support=simple", YES },
    { "state", "state=available", YES },
    { "nothing failed", "state-reason-code=*", NO },
    { "nor has a message", "state-reason-message=*", NO },
    { "key and value of a tag", "tag:Env=Prod", YES },
    { "another value", "tag:Env=Test", NO },
    { "keys are case-sensitive", "tag:env=Prod", NO },
    { "keys are no patterns", "tag:E*=Prod", NO },
    { "values of tags are patterns", "tag:Env=P*", YES },
    { "key and value with = and commas", "Name=tag:a=b,c,Values=x=y\\,z", YES },
    { "a tag without a value", "tag:empty=", YES },
    { "any value of a tag, also none", "tag:empty=*", YES },
    { "key of a tag, whatever its value", "tag-key=Env", YES },
    { "any of the keys", "tag-key=Stage,Env", YES },
    { "no such key", "tag-key=Prod", NO },
    { "virtualization", "virtualization-type=hvm", YES },
};

static const char *ask(const struct vml_image *a, const char *text)
{
    VML_AUTO(vml_filters_clear) struct vml_filters f = { .of = VML_FILTER_IMAGES };
    if (vml_filters_add(&f, text, &err) < 0)
        return err.slug;
    return vml_filters_image(&f, a) ? YES : NO;
}

static void test_rows(void)
{
    VML_AUTO(vml_image_clear) struct vml_image a;
    fill(&a);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *got = ask(&a, rows[i].filter);
        if (strcmp(got, rows[i].want) == 0)
            continue;
        fprintf(stderr, "%s: %s: %s, not %s (%s)\n", rows[i].rule, rows[i].filter, got,
                rows[i].want, err.text);
        abort();
    }
}

/* --- a snapshot ------------------------------------------------------------------------------ */

static const struct row snapshot_rows[] = {
    { "description", "description=of ?eb*", YES },
    { "encrypted", "encrypted=true", YES },
    { "an alias is for images", "owner-alias=*", NO },
    { "owner", "owner-id=111111111111", YES },
    { "complete", "progress=100%", YES },
    { "ID", "snapshot-id=snap-00000000000000001", YES },
    { "start time", "start-time=2025-11-25T*", YES },
    { "status", "status=completed", YES },
    { "no other status", "status=pending,error", NO },
    { "tier", "storage-tier=standard", YES },
    { "tag", "tag:Env=Prod", YES },
    { "key of a tag", "tag-key=Env,Stage", YES },
    { "made of no volume", "volume-id=vol-ffffffff", YES },
    { "size, rounded up to GiB", "volume-size=3", YES },
    { "an image's filters are none of a snapshot's", "architecture=x86_64",
      "InvalidParameterValue" },
};

static void test_snapshot(void)
{
    VML_AUTO(vml_registry_snapshot_clear)
    struct vml_registry_snapshot r = { .is = { .id = "snap-00000000000000001",
                                               .owner = "111111111111",
                                               .region = "us-east-1",
                                               .size = 2 * VML_GIB + 1,
                                               .created = 1764072000,
                                               .key = "k" } };
    CHECK_OK(vml_set_owned(&r.is.description, "of web-1", &err), &err);
    CHECK_OK(vml_marks_tag(&r.marks, "Env", "Prod", &err), &err);
    for (size_t i = 0; i < sizeof snapshot_rows / sizeof *snapshot_rows; i++) {
        VML_AUTO(vml_filters_clear) struct vml_filters f = { .of = VML_FILTER_SNAPSHOTS };
        const struct row *row = &snapshot_rows[i];
        const char *got = vml_filters_add(&f, row->filter, &err) < 0 ? err.slug
                          : vml_filters_snapshot(&f, &r)             ? YES
                                                                     : NO;
        if (strcmp(got, row->want) == 0)
            continue;
        fprintf(stderr, "%s: %s: %s, not %s\n", row->rule, row->filter, got, row->want);
        abort();
    }
}

static void test_words(void)
{
    VML_AUTO(vml_filters_clear) struct vml_filters f = { .of = VML_FILTER_IMAGES };
    CHECK_FAILS(vml_filters_add(&f, "cluster=x", &err), &err, "InvalidParameterValue");
    CHECK_STR(err.text, "The filter 'cluster' is invalid");
    vml_filters_clear(&f);
    CHECK_FAILS(vml_filters_add(&f, "name=Fedora-(.\\d)", &err), &err, "InvalidParameterValue");
    CHECK_STR(err.text, "Invalid filter value: The escape sequence '\\d' is invalid");
}

/* Other images: what follows from owner, codes and grants. */
static void test_others(void)
{
    VML_AUTO(vml_image_clear) struct vml_image a = { .owner = "137112412989", .name = "al2023" };
    CHECK_STR(ask(&a, "owner-alias=amazon"), YES);
    CHECK_STR(ask(&a, "tag:Env="), NO); /* no tag is not an empty one */
    CHECK_STR(ask(&a, "is-public=true"), NO);
    CHECK_STR(ask(&a, "platform=*"), NO);
    CHECK_STR(ask(&a, "description=*"), NO);
    CHECK_STR(ask(&a, "ena-support=false"), YES);
    CHECK_OK(vml_marks_grant(&a.marks, VML_GRANT_LAUNCH, VML_EVERYONE, &err), &err);
    CHECK_STR(ask(&a, "is-public=true"), YES);
    CHECK_OK(VML_SET(a.owner, "Owner", "111111111111", &err), &err);
    CHECK_OK(vml_marks_code(&a.marks, VML_PRODUCT_MARKETPLACE, "abc", &err), &err);
    CHECK_STR(ask(&a, "owner-alias=aws-marketplace"), YES);
    CHECK_OK(vml_set_owned(&a.location, "bucket/image.manifest.xml", &err), &err);
    CHECK_STR(ask(&a, "manifest-location=bucket/*"), YES);
}

/* 50 filters and 200 values in one request. */
static void test_limits(void)
{
    VML_AUTO(vml_filters_clear) struct vml_filters f = { .of = VML_FILTER_IMAGES };
    char long_value[300] = "name=";
    for (int i = 0; i < 50; i++)
        CHECK_OK(vml_filters_add(&f, "name=a,b,c,d", &err), &err);
    CHECK_FAILS(vml_filters_add(&f, "name=a", &err), &err, "FilterLimitExceeded");
    vml_filters_clear(&f);
    for (int i = 0; i < 40; i++)
        CHECK_OK(vml_filters_add(&f, "name=a,b,c,d,e", &err), &err);
    CHECK_FAILS(vml_filters_add(&f, "name=a", &err), &err, "FilterLimitExceeded");
    vml_filters_clear(&f);
    memset(long_value + 5, 'x', 256);
    CHECK_FAILS(vml_filters_add(&f, long_value, &err), &err, "InvalidParameterValue");
}

/* A pattern that would keep one busy who tries every way. */
static void test_time(void)
{
    char pattern[256], text[256];
    for (size_t i = 0; i < 250; i += 2)
        memcpy(pattern + i, "*a", 3);
    strcat(pattern, "b");
    memset(text, 'a', 255);
    text[255] = '\0';
    CHECK(!vml_pattern_match(pattern, text));
    text[254] = 'b';
    CHECK(vml_pattern_match(pattern, text));
}

int main(void)
{
    test_rows();
    test_snapshot();
    test_words();
    test_others();
    test_limits();
    test_time();
    return 0;
}
