/* What targets say: a row for each rule, from the facts to the answer. */
#include "check.h"

#include "vmlift/target.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

#define SET(field, text) snprintf(field, sizeof(field), "%s", text)

static struct vml_error err;

/* --- facts that nobody has anything against --------------------------------------------------- */

static char name[] = "web-disk1.vmdk";
static struct vml_disk_facts disk;
static struct vml_disk_facts disks[30];
static struct vml_facts facts;

static void lone(const char *format, const char *subformat, uint64_t size)
{
    disk = (struct vml_disk_facts){ .format = format,
                                    .size = size,
                                    .stored = size,
                                    .said_stored = VML_SIZE_UNKNOWN,
                                    .said_capacity = VML_SIZE_UNKNOWN };
    snprintf(disk.subformat, sizeof disk.subformat, "%s", subformat);
    facts = (struct vml_facts){ .format = format, .disks = &disk, .n_disks = 1 };
}

static void stream(void)
{
    lone("vmdk", "streamOptimized", GIB);
    disk.vmdk = (struct vml_vmdk_facts){ .sparse = true,
                                         .version = 3,
                                         .compression = 1,
                                         .adapter = "lsilogic",
                                         .desc_room = 9000,
                                         .eos = true,
                                         .ordered = true };
}

static void sparse(void)
{
    lone("vmdk", "monolithicSparse", GIB);
    disk.vmdk = (struct vml_vmdk_facts){
        .sparse = true, .version = 1, .adapter = "lsilogic", .desc_room = 9000
    };
}

static void flat(void)
{
    lone("vmdk", "monolithicFlat", GIB);
}

static void vmfs(void)
{
    lone("vmdk", "vmfs", GIB);
}

static void fixed(void)
{
    lone("vhd", "fixed", GIB);
}

static void dynamic(void)
{
    lone("vhd", "dynamic", GIB);
}

static void raw(void)
{
    lone("raw", "", GIB);
}

static void qcow2(void)
{
    lone("qcow2", "v3", GIB);
}

static void ova(void)
{
    stream();
    disk.name = name;
    SET(disk.controller, "lsilogic");
    disk.stored = disk.said_stored = 1000;
    disk.said_capacity = disk.size;
    facts.format = "ova";
    facts.is_package = true;
    facts.package = (struct vml_package_facts){ .described = true,
                                                .ovf_first = true,
                                                .manifest = true,
                                                .manifest_digest = "SHA256",
                                                .largest = 1000,
                                                .largest_name = "web-disk1.vmdk",
                                                .machine = { .hardware = "vmx-10" } };
}

/* --- what is changed about them --------------------------------------------------------------- */

#define CHANGE(called, how)  \
    static void called(void) \
    {                        \
        how;                 \
    }

static void hardware(const char *text)
{
    SET(facts.package.machine.hardware, text);
}

static void of(size_t n)
{
    for (size_t i = 0; i < n; i++)
        disks[i] = disk;
    facts.disks = disks;
    facts.n_disks = n;
}

CHANGE(version_1, disk.vmdk.version = 1)
CHANGE(version_2, disk.vmdk.version = 2)
CHANGE(no_end, disk.vmdk.eos = false)
CHANGE(trailing, disk.vmdk.trailing = 64000)
CHANGE(short_grain, disk.vmdk.short_grain = true)
CHANGE(disorder, disk.vmdk.ordered = false)
CHANGE(narrow, disk.vmdk.desc_room = 100)
CHANGE(on_ide, SET(disk.vmdk.adapter, "ide"))
CHANGE(piece, disk.vmdk.piece = true; disk.subformat[0] = '\0')
CHANGE(cowd, SET(disk.subformat, "vmfsSparse"))
CHANGE(child, disk.child = true)
CHANGE(differ, disk.vhd.footers_differ = true)
CHANGE(copy_lost, disk.vhd.copy_lost = true)
CHANGE(odd_size, disk.size += 253952)
CHANGE(tiny, disk.size = 19 * MIB)
CHANGE(least, disk.size = 20 * MIB)
CHANGE(most, disk.size = 32767 * GIB)
CHANGE(beyond, disk.size = 32768 * GIB)
CHANGE(at_8_tib, disk.size = 8 * TIB)
CHANGE(above_8_tib, disk.size = 8 * TIB + MIB)
CHANGE(at_16_tib, disk.size = 16 * TIB)
CHANGE(unread, disk.format = NULL)
CHANGE(gzip, disk.gzip = true; disk.format = NULL)
CHANGE(chunked, disk.chunked = true; disk.format = NULL)
CHANGE(no_file, disk.name = NULL; disk.format = NULL)
CHANGE(wrong_stored, disk.said_stored = 1001)
CHANGE(wrong_capacity, disk.said_capacity = 8192)
CHANGE(ide_controller, SET(disk.controller, "IDE"))
CHANGE(pvscsi, SET(disk.controller, "VirtualSCSI"))
CHANGE(raw_inside, disk.format = "raw"; disk.subformat[0] = '\0')
CHANGE(vmfs_inside, SET(disk.subformat, "vmfs"); disk.vmdk.sparse = false)
CHANGE(not_first, facts.package.ovf_first = false)
CHANGE(nothing_read, facts.n_disks = 0; facts.package.described = facts.package.ovf_first = false)
CHANGE(folder, facts.package.folder = true; facts.package.ovf_first = false)
CHANGE(spaced, SET(facts.package.manifest_word, "SHA256 "))
CHANGE(sha1, SET(facts.package.manifest_digest, "SHA1"))
CHANGE(sha512, SET(facts.package.manifest_digest, "SHA512"))
CHANGE(no_manifest, facts.package.manifest = false; facts.package.manifest_digest[0] = '\0')
CHANGE(trailing_alone, trailing(); no_manifest())
CHANGE(pax, facts.package.pax = true)
CHANGE(pax_9_gib, pax(); facts.package.largest = 9 * GIB)
CHANGE(gnu_9_gib, facts.package.largest = 9 * GIB)
CHANGE(virtualbox, hardware("virtualbox-2.2"))
CHANGE(vmx_13, hardware("vmx-13"))
CHANGE(vmx_19, hardware("vmx-19"))
CHANGE(secure, facts.package.machine.secure_boot = true)
CHANGE(secure_13, secure(); vmx_13())
CHANGE(unsaid, hardware(""))
CHANGE(two_nics, facts.package.machine.n_nics = 2)
CHANGE(of_21, of(21))
CHANGE(of_22, of(22))
CHANGE(nothing, )

/* --- rows ------------------------------------------------------------------------------------- */

#define A (1u << VML_TARGET_AWS)
#define E (1u << VML_TARGET_ESXI)
#define Z (1u << VML_TARGET_AZURE)
#define B (1u << VML_TARGET_VIRTUALBOX)
#define W (1u << VML_TARGET_WORKSTATION)
#define F VML_FAULT
#define N VML_NOTE

struct row {
    void (*base)(void), (*change)(void);
    unsigned targets; /* that are to be asked, */
    const char *rule; /* and each tells just this; NULL: nothing */
    enum vml_level level;
    const char *says, *mend;
};

#define STREAM "vmlift convert web.img web-stream.vmdk -o subformat=streamOptimized"
#define SPARSE "vmlift convert web.img web-sparse.vmdk -o subformat=monolithicSparse"
#define FIXED  "vmlift convert web.img web-fixed.vhd -o subformat=fixed"
#define WHOLE  "vmlift convert web.img web-whole.vhd -o subformat=dynamic"
#define NEW    "vmlift convert --repack web.img web-new.ova"
#define ANEW   "vmlift convert web.img web-new.ova" /* disks that are to be compressed again */

static const struct row rows[] = {
    /* what is meant for a target is clean */
    { stream, nothing, A | E | B | W, NULL, 0, NULL, NULL },
    { sparse, nothing, B | W, NULL, 0, NULL, NULL },
    { flat, nothing, B | W, NULL, 0, NULL, NULL },
    { vmfs, nothing, E, NULL, 0, NULL, NULL },
    { fixed, nothing, A | Z | B, NULL, 0, NULL, NULL },
    { dynamic, nothing, A | B, NULL, 0, NULL, NULL },
    { raw, nothing, A | B, NULL, 0, NULL, NULL },
    { ova, nothing, A | E | B | W, NULL, 0, NULL, NULL },
    { ova, no_manifest, A | E | B | W, NULL, 0, NULL, NULL },
    { ova, unsaid, A | E | B | W, NULL, 0, NULL, NULL },
    { ova, no_file, A | E | B | W, NULL, 0, NULL, NULL },

    /* VMDK */
    { sparse, nothing, A, "target/vmdk-stream", F, "File uses unsupported compression algorithm 0",
      STREAM },
    { flat, nothing, A, "target/vmdk-stream", F,
      "Disk validation failed [Unsupported VMDK File Format]", STREAM },
    { vmfs, nothing, A, "target/vmdk-stream", F,
      "Disk validation failed [Unsupported VMDK File Format]", STREAM },
    { sparse, nothing, E, "target/vmdk-hosted", F, "Unsupported or invalid disk type", STREAM },
    { flat, nothing, E, "target/vmdk-hosted", F, "Unsupported or invalid disk type", STREAM },
    { stream, version_1, E, "target/vmdk-version", F,
      "Not a supported disk format (sparse VMDK version too old)", STREAM },
    { stream, version_1, A | B | W, NULL, 0, NULL, NULL },
    { sparse, version_2, B, "target/vmdk-version", F, NULL, SPARSE },
    { stream, no_end, E, "target/vmdk-end", F, NULL, STREAM },
    { stream, no_end, W, "target/vmdk-end", VML_WARNING, NULL, STREAM },
    { stream, trailing, E, "target/vmdk-end", F, NULL, STREAM },
    { stream, trailing, A | B, NULL, 0, NULL, NULL },
    { ova, trailing, W, "target/vmdk-end", F,
      "SHA digest of file web-disk1.vmdk does not match manifest.", NEW },
    { ova, trailing_alone, W, "target/vmdk-end", VML_WARNING, NULL, NEW },
    { stream, short_grain, A, "target/vmdk-short-grain", VML_WARNING,
      "Uncompressed data has an invalid length", STREAM },
    { stream, disorder, B, "target/vmdk-order", VML_WARNING, NULL, STREAM },
    { sparse, narrow, B, "target/vmdk-descriptor", N, NULL, NULL },
    { stream, on_ide, E, "target/adapter", VML_WARNING, NULL, STREAM },
    { ova, on_ide, E, NULL, 0, NULL, NULL }, /* there the description decides */
    { sparse, piece, A | E | Z | B | W, "target/vmdk-piece", F, NULL, NULL },
    { vmfs, cowd, B, "target/vmdk-snapshot", VML_WARNING, NULL, NULL },
    { vmfs, cowd, E, NULL, 0, NULL, NULL },

    /* VHD */
    { fixed, child, A, "target/vhd-differencing", F, "Footers not identical",
      "vmlift convert --follow-parents web.img web-whole.vhd -o subformat=dynamic" },
    { dynamic, differ, A, "target/vhd-footers", VML_WARNING, "Footers not identical", WHOLE },
    { dynamic, copy_lost, A, "target/vhd-footers", VML_WARNING, "Footers not identical", WHOLE },
    { dynamic, nothing, Z, "target/vhd-fixed", F, NULL, FIXED },
    { stream, nothing, Z, "target/vhd-fixed", F, NULL, FIXED },
    { raw, nothing, Z, "target/vhd-fixed", F, NULL, FIXED },
    { ova, nothing, Z, "target/vhd-fixed", F, NULL, FIXED },
    { fixed, odd_size, Z, "target/vhd-size", F,
      "The upload size in bytes 1073996288 - 512 bytes for the VHD footer (1073995776 in this "
      "case) "
      "must be a multiple of MiB.",
      FIXED },
    { fixed, odd_size, A | B, NULL, 0, NULL, NULL },
    { fixed, tiny, Z, "target/disk-size", F, NULL, NULL },
    { fixed, least, Z, NULL, 0, NULL, NULL },
    { fixed, most, Z, NULL, 0, NULL, NULL },
    { fixed, beyond, Z, "target/disk-size", F, NULL, NULL },

    /* any disk */
    { raw, nothing, E, "target/disk-format", F, NULL, STREAM },
    { fixed, nothing, W, "target/disk-format", F, NULL, SPARSE },
    { raw, at_8_tib, W, "target/disk-format", F, NULL, STREAM }, /* too large for SPARSE */
    { qcow2, nothing, A, "target/disk-format", F, NULL, STREAM },
    { raw, at_8_tib, A, NULL, 0, NULL, NULL },
    { raw, above_8_tib, A, "target/disk-size", VML_WARNING, NULL, NULL },
    { raw, at_16_tib, A, "target/disk-size", F, NULL, NULL },
    { fixed, unread, A | E | Z | B | W, "target/unread", VML_WARNING, NULL, NULL },

    /* what a package says of its disks */
    { ova, gzip, E, "target/ova-compressed", F,
      "OVF package with compressed disks is currently not supported for OVF import", ANEW },
    { ova, gzip, A, "target/ova-compressed", VML_WARNING, NULL, ANEW },
    { ova, gzip, B | W, NULL, 0, NULL, NULL },
    { ova, chunked, A, "target/ova-chunked", F,
      "Disk validation failed [OVF file parsing error: OVA with chunked disk files is not "
      "supported]",
      ANEW },
    { ova, chunked, B, "target/ova-chunked", VML_WARNING, NULL, ANEW },
    { ova, chunked, E | W, NULL, 0, NULL, NULL },
    { ova, wrong_stored, E | W, "target/ovf-size", F,
      "Wrong file size specified in OVF descriptor for 'web-disk1.vmdk' (specified: 1001, actual "
      "1000)",
      NEW },
    { ova, wrong_capacity, E | W, "target/ovf-capacity", F, NULL, NEW },
    { ova, ide_controller, E | W, "target/controller", N, NULL, NULL },
    { ova, pvscsi, W, "target/controller", N, "Unsupported virtual hardware device 'VirtualSCSI'",
      NULL },
    { ova, raw_inside, E | W, "target/disk-format", F, NULL, ANEW },
    { ova, vmfs_inside, E, "target/vmdk-stream", VML_WARNING, NULL, ANEW },

    /* packages */
    { ova, not_first, E | W, "target/ova-order", F,
      "Did not find an .ovf file at the beginning of the OVA package", NEW },
    { ova, not_first, B, "target/ova-order", F, NULL, NEW },
    { ova, nothing_read, A | E | Z | B | W, "target/unread", VML_WARNING, NULL, NULL },
    { ova, folder, A, "target/ovf-folder", F, NULL, ANEW },
    { ova, folder, E | B | W, NULL, 0, NULL, NULL },
    { ova, spaced, E, "target/manifest-spelling", F, "Invalid OVF checksum algorithm: SHA256 ",
      NEW },
    { ova, sha1, E, "target/manifest-sha1", VML_WARNING, "Invalid OVF checksum algorithm: SHA1.",
      NEW },
    { ova, sha1, A | B | W, NULL, 0, NULL, NULL },
    { ova, sha512, B, "target/manifest-digest", VML_WARNING, NULL, NEW },
    { ova, pax, E, NULL, 0, NULL, NULL },
    { ova, gnu_9_gib, E, NULL, 0, NULL, NULL },
    { ova, pax_9_gib, E, "target/tar-pax", F, NULL, NEW },
    { ova, virtualbox, E, "target/hardware-family", F,
      "Unsupported hardware family 'virtualbox-2.2'.", NEW },
    { ova, virtualbox, W, "target/hardware-family", VML_WARNING,
      "Unsupported hardware family 'virtualbox-2.2'.", NEW },
    { ova, virtualbox, A | B, NULL, 0, NULL, NULL },
    { ova, vmx_13, E | W, NULL, 0, NULL, NULL },
    { ova, vmx_19, E, "target/hardware-version", N, "Unsupported hardware family 'vmx-19'.",
      NEW " -o hw=vmx-13" },
    { ova, secure, E | W, "target/secure-boot", VML_WARNING, NULL, NEW },
    { ova, secure_13, E | W, NULL, 0, NULL, NULL },
    { ova, two_nics, A, "target/nics", VML_WARNING, NULL, NULL },
    { ova, of_21, A, NULL, 0, NULL, NULL },
    { ova, of_22, A, "target/volumes", F, NULL, NULL },
};

struct seen {
    size_t row, n;
};

static void same(const struct seen *s, const char *what, const char *got, const char *want)
{
    if ((got == NULL) != (want == NULL) || (got != NULL && strcmp(got, want) != 0)) {
        fprintf(stderr, "row %zu: %s is %s, not %s\n", s->row, what, got ? got : "(none)",
                want ? want : "(none)");
        abort();
    }
}

static void check_finding(void *arg, const struct vml_target_finding *f)
{
    struct seen *s = arg;
    const struct row *r = &rows[s->row];

    s->n++;
    same(s, "rule", f->rule, r->rule);
    same(s, "says", f->says, r->says);
    same(s, "mend", f->mend, r->mend);
    CHECK_INT(f->level, r->level);
    CHECK(f->text[0] != '\0');
}

static void test_rows(void)
{
    const struct vml_target_file file = { .path = "web.img" };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (unsigned t = 0; t < VML_TARGETS; t++) {
            struct seen s = { .row = i };

            if ((rows[i].targets >> t & 1) == 0)
                continue;
            rows[i].base();
            rows[i].change();
            CHECK_OK(vml_target_judge(&facts, t, &file, check_finding, &s, &err), &err);
            if (s.n != (rows[i].rule != NULL)) {
                fprintf(stderr, "row %zu: %s tells %zu findings\n", i, vml_target_name(t), s.n);
                abort();
            }
        }
}

/* --- commands --------------------------------------------------------------------------------- */

static char mends[64][256];
static size_t n_mends;

static void keep_mend(void *arg, const struct vml_target_finding *f)
{
    (void)arg;
    snprintf(mends[n_mends++], sizeof mends[0], "%s", f->mend != NULL ? f->mend : "(none)");
}

static void check_mend(enum vml_target target, const struct vml_target_file *file, const char *want)
{
    n_mends = 0;
    CHECK_OK(vml_target_judge(&facts, target, file, keep_mend, NULL, &err), &err);
    CHECK(n_mends > 0);
    CHECK_STR(mends[0], want);
}

static void test_commands(void)
{
    static const struct {
        const char *path, *mend;
    } names[] = {
        { "a b/it's.raw", "vmlift convert 'a b/it'\\''s.raw' 'a b/it'\\''s-fixed.vhd' "
                          "-o subformat=fixed" },
        { "-x.raw", "vmlift convert ./-x.raw ./-x-fixed.vhd -o subformat=fixed" },
        { "a.b/disk", "vmlift convert a.b/disk a.b/disk-fixed.vhd -o subformat=fixed" },
        { ".hidden", "vmlift convert .hidden .hidden-fixed.vhd -o subformat=fixed" },
        { "$(rm).raw", "vmlift convert '$(rm).raw' '$(rm)-fixed.vhd' -o subformat=fixed" },
        { "~/w.raw", "vmlift convert '~/w.raw' '~/w-fixed.vhd' -o subformat=fixed" },
    };

    raw();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        check_mend(VML_TARGET_AZURE, &(struct vml_target_file){ .path = names[i].path },
                   names[i].mend);
    check_mend(VML_TARGET_AZURE, &(struct vml_target_file){ .path = "w", .format = "raw" },
               "vmlift convert -f raw w w-fixed.vhd -o subformat=fixed");
    check_mend(VML_TARGET_AZURE, &(struct vml_target_file){ .path = "w", .damaged = true },
               "(none)");
    ova();
    of(2);
    check_mend(VML_TARGET_AZURE, &(struct vml_target_file){ .path = "w.ova" },
               "vmlift convert --disk 1 w.ova w-disk1-fixed.vhd -o subformat=fixed");
    CHECK_STR(mends[1], "vmlift convert --disk 2 w.ova w-disk2-fixed.vhd -o subformat=fixed");
    ova();
    sha1();
    short_grain();
    check_mend(VML_TARGET_ESXI, &(struct vml_target_file){ .path = "w.ova" },
               "vmlift convert w.ova w-new.ova");
}

static void test_names(void)
{
    unsigned targets = 0;

    CHECK_OK(vml_target_add(&targets, "aws", &err), &err);
    CHECK_OK(vml_target_add(&targets, "workstation", &err), &err);
    CHECK_INT(targets, A | W);
    CHECK_OK(vml_target_add(&targets, "all", &err), &err);
    CHECK_INT(targets, A | E | Z | B | W);
    CHECK_FAILS(vml_target_add(&targets, "AWS", &err), &err, "usage/target");
    CHECK_FAILS(vml_target_add(&targets, "", &err), &err, "usage/target");
    CHECK(vml_target_name(VML_TARGETS) == NULL);
}

int main(void)
{
    test_rows();
    test_commands();
    test_names();
    return 0;
}
