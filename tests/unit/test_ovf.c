/* OVF dialects in a few lines each, what is refused and by which name, and that what is printed is
 * read again.  With VMLIFT_CORPUS every .ovf below it is read too: its verdict is printed, a crash
 * or an error without a name fails. */
#include "../../formats/ovf.h"

#include <fts.h>
#include <unistd.h>

#include "check.h"

static const struct ovf_how whole = { 0 };

static int parse(struct ovf *o, const char *text, struct vml_error *err)
{
    return ovf_parse(o, text, strlen(text), &whole, err);
}

static void check_fails(const char *text, const char *slug)
{
    struct vml_error err;
    struct ovf o;

    CHECK_FAILS(parse(&o, text, &err), &err, slug);
    CHECK(err.code == VML_EDATA || err.code == VML_EUNSUPPORTED);
    ovf_clear(&o);
}

/* --- units ---------------------------------------------------------------------------------- */

static void test_units(void)
{
    static const struct {
        const char *quantity, *units;
        uint64_t bytes; /* 0: refused */
    } rows[] = {
        { "10", NULL, 10 },
        { "10", "byte", 10 },
        { " 10 ", " bytes ", 10 },
        { "10", "byte * 2^30", 10ull << 30 },
        { "10", "byte*2^30", 10ull << 30 },
        { "10", "byte * 2 ^ 20", 10ull << 20 },
        { "4", "byte*1024*1024", 4ull << 20 },
        { "4", "byte * 10^9", 4000000000 },
        { "4", "KiloBytes", 4ull << 10 },
        { "4", "MegaBytes", 4ull << 20 },
        { "4", "GigaBytes", 4ull << 30 },
        { "4", "MB", 4ull << 20 },
        { "4", "GB", 4ull << 30 },
        { "4", "GiB", 4ull << 30 },
        { "4", "TB", 4ull << 40 },
        { "18446744073709551615", "byte", UINT64_MAX },
        { "18446744073709551616", "byte", 0 },
        { "17179869184", "byte * 2^30", 0 },
        { "1", "byte * 2^64", 0 },
        { "1", "byte * 0^99999999999", 0 },
        { "1", "byte *", 0 },
        { "1", "byte * 2^", 0 },
        { "1", "byte * x", 0 },
        { "1", "byte 2", 0 },
        { "1", "hertz * 10^6", 0 },
        { "1", "", 0 },
        { "", "byte", 0 },
        { "-1", "byte", 0 },
        { "1.5", "byte * 2^30", 0 },
        { "0x10", "byte", 0 },
        { "ten", "byte", 0 },
    };
    struct vml_error err;
    uint64_t bytes;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].bytes == 0) {
            CHECK_FAILS(ovf_bytes(&bytes, rows[i].quantity, rows[i].units, &err), &err,
                        "ovf/capacity");
            continue;
        }
        CHECK_OK(ovf_bytes(&bytes, rows[i].quantity, rows[i].units, &err), &err);
        CHECK_INT(bytes, rows[i].bytes);
    }
}

/* --- dialects ------------------------------------------------------------------------------- */

#define OVF_1                                                         \
    "<?xml version='1.0' encoding='UTF-8'?>\n"                        \
    "<Envelope xmlns='http://schemas.dmtf.org/ovf/envelope/1'"        \
    " xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1'"             \
    " xmlns:rasd='http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/" \
    "CIM_ResourceAllocationSettingData'"                              \
    " xmlns:vmw='http://www.vmware.com/schema/ovf'>\n"
#define FILES                                                              \
    "<References><File ovf:id='file1' ovf:href='a.vmdk' ovf:size='1000'/>" \
    "<File ovf:id='file2' ovf:href='sub/b.vmdk'/></References>\n"
#define DISKS(more)                                               \
    "<DiskSection><Info/>"                                        \
    "<Disk ovf:diskId='d1' ovf:fileRef='file1' ovf:capacity='10'" \
    " ovf:capacityAllocationUnits='byte * 2^30'/>" more "</DiskSection>\n"
#define DISK_2 "<Disk ovf:diskId='d2' ovf:fileRef='file2' ovf:capacity='512'/>"
#define SYSTEM(items)                                            \
    "<VirtualSystem ovf:id='vm'><Info/><Name>My &amp; VM</Name>" \
    "<VirtualHardwareSection>" items "</VirtualHardwareSection></VirtualSystem>"
#define ITEM(fields)   "<Item>" fields "</Item>\n"
#define R(name, value) "<rasd:" name ">" value "</rasd:" name ">"
#define CONTROLLER(id, address) \
    ITEM(R("Address", address) R("InstanceID", id) R("ResourceType", "6"))
#define DISK_ITEM(disk, parent, unit)                                           \
    ITEM(R("AddressOnParent", unit) R("HostResource", disk) R("Parent", parent) \
             R("ResourceType", "17"))

static void test_vmware(void)
{
    struct vml_error err;
    struct ovf o;

    CHECK_OK(parse(&o,
                   OVF_1 FILES DISKS(DISK_2) SYSTEM(
                       ITEM(R("InstanceID", "1") R("ResourceType", "3") R("VirtualQuantity", " 4 "))
                           ITEM(R("AllocationUnits", "byte * 2^20") R("ResourceType", "4") R(
                               "VirtualQuantity", "2048")) CONTROLLER("4", "1") CONTROLLER("3", "0")
                               DISK_ITEM("ovf:/disk/d1", "4", "0") DISK_ITEM("/disk/d2", "3", "1")
                                   DISK_ITEM("/disk/d2", "3", "2") /* twice: counts once */
                       "<vmw:Config vmw:key='firmware' vmw:value='efi'/>"
                       "<vmw:Config vmw:key='bootOptions.efiSecureBootEnabled' "
                       "vmw:value='true'/>") "</Envelope>",
                   &err),
             &err);
    CHECK_STR(o.machine.name, "My & VM");
    CHECK_INT(o.machine.cpus, 4);
    CHECK_INT(o.machine.memory, 2048ull << 20);
    CHECK_INT(o.machine.firmware, VML_FIRMWARE_UEFI);
    CHECK(o.machine.secure_boot);
    CHECK_INT(o.n_disks, 2);
    CHECK_STR(o.disks[0].id, "d2"); /* on controller 0 */
    CHECK_STR(o.disks[0].href, "sub/b.vmdk");
    CHECK_INT(o.disks[0].capacity, 512);
    CHECK(o.disks[0].file_size == VML_SIZE_UNKNOWN);
    CHECK_STR(o.disks[1].href, "a.vmdk");
    CHECK_INT(o.disks[1].capacity, 10ull << 30);
    CHECK_INT(o.disks[1].file_size, 1000);
    ovf_clear(&o);
}

static void test_ovf_0_9(void)
{
    struct vml_error err;
    struct ovf o;

    CHECK_OK(
        parse(
            &o,
            "<ovf:Envelope xmlns:ovf='http://www.vmware.com/schema/ovf/1/envelope'"
            " xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xmlns:rasd='r' xmlns:vmw='v'>"
            "<ovf:References><ovf:File ovf:href='in.vmdk' ovf:id='f'/></ovf:References>"
            "<ovf:Section xsi:type='ovf:DiskSection_Type'>"
            "<ovf:Disk ovf:capacity='1073741824' ovf:diskId='d' ovf:fileRef='f'/></ovf:Section>"
            "<ovf:Content ovf:id='old' xsi:type='ovf:VirtualSystem_Type'>"
            "<ovf:Section ovf:id='107' vmw:osType='linux' "
            "xsi:type='ovf:OperatingSystemSection_Type'/>"
            "<ovf:Section xsi:type='ovf:VirtualHardwareSection_Type'>"
            "<ovf:Item><rasd:InstanceId>2</rasd:InstanceId><rasd:ResourceType>4</rasd:ResourceType>"
            "<rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits>"
            "<rasd:VirtualQuantity>8192</rasd:VirtualQuantity></ovf:Item>"
            "<ovf:Item><rasd:InstanceId>7</rasd:InstanceId><rasd:ResourceType>17</"
            "rasd:ResourceType>"
            "<rasd:HostResource>/disk/d</rasd:HostResource></ovf:Item>"
            "</ovf:Section></ovf:Content></ovf:Envelope>",
            &err),
        &err);
    CHECK_STR(o.machine.name, "old");
    CHECK_STR(o.machine.os, "linux");
    CHECK_INT(o.machine.memory, 8192ull << 20);
    CHECK_INT(o.machine.firmware, VML_FIRMWARE_UNKNOWN);
    CHECK_INT(o.n_disks, 1);
    CHECK_STR(o.disks[0].href, "in.vmdk");
    CHECK_INT(o.disks[0].capacity, 1 << 30);
    ovf_clear(&o);
}

/* OVF 2, with a prefix that nobody declared, as VirtualBox writes it. */
static void test_virtualbox(void)
{
    struct vml_error err;
    struct ovf o;

    CHECK_OK(parse(&o,
                   "<Envelope xmlns='http://schemas.dmtf.org/ovf/envelope/2' xmlns:ovf='o'"
                   " xmlns:sasd='s' xmlns:vbox='http://www.virtualbox.org/ovf/machine'>" FILES
                   "<DiskSection><Disk ovf:diskId='d1' ovf:fileRef='file1'/></DiskSection>"
                   "<VirtualSystem ovf:id='ubuntu'><OperatingSystemSection ovf:id='94'>"
                   "<Description>Ubuntu_64</Description></OperatingSystemSection>"
                   "<VirtualHardwareSection><StorageItem>"
                   "<sasd:AddressOnParent>0</sasd:AddressOnParent>"
                   "<sasd:HostResource>/disk/d1</sasd:HostResource>"
                   "<sasd:ResourceType>17</sasd:ResourceType><undeclared:X/></StorageItem>"
                   "</VirtualHardwareSection>"
                   "<vbox:Machine name='ubuntu'><Hardware><Firmware type='EFI'/></Hardware>"
                   "</vbox:Machine></VirtualSystem></Envelope>",
                   &err),
             &err);
    CHECK_STR(o.machine.os, "Ubuntu_64");
    CHECK_INT(o.machine.firmware, VML_FIRMWARE_UEFI);
    CHECK(!o.machine.secure_boot);
    CHECK_INT(o.n_disks, 1);
    CHECK(o.disks[0].capacity == VML_SIZE_UNKNOWN);
    ovf_clear(&o);
}

/* A disk that belongs to another configuration is none of this machine. */
static void test_configurations(void)
{
    struct vml_error err;
    struct ovf o;

    CHECK_OK(
        parse(
            &o,
            OVF_1 FILES DISKS(
                DISK_2) "<DeploymentOptionSection><Configuration ovf:id='small'/>"
                        "<Configuration ovf:id='big' ovf:default='true'/></DeploymentOptionSection>"
                        "<VirtualSystem ovf:id='vm'><VirtualHardwareSection>"
                        "<Item ovf:configuration='small'>" R("ResourceType", "3") R(
                            "VirtualQuantity",
                            "1") "</Item><Item ovf:configuration='medium big'>" R("ResourceType",
                                                                                  "3")
                            R("VirtualQuantity", "8") "</Item><Item ovf:bound='max'>" R(
                                "ResourceType",
                                "3") R("VirtualQuantity",
                                       "64") "</Item><Item ovf:configuration='small'>" R("HostResou"
                                                                                         "rce",
                                                                                         "ovf:/"
                                                                                         "disk/d1")
                                R("ResourceType", "17") "</Item><Item ovf:configuration='big'>" R(
                                    "HostResource", "ovf:/disk/d2")
                                    R("ResourceType", "17") "</Item></VirtualHardwareSection></"
                                                            "VirtualSystem></Envelope>",
            &err),
        &err);
    CHECK_INT(o.machine.cpus, 8);
    CHECK_INT(o.n_disks, 1);
    CHECK_STR(o.disks[0].id, "d2");
    CHECK_INT(o.notes.n, 1);
    CHECK_STR(o.notes.items[0].slug, "ovf/configuration");
    ovf_clear(&o);
}

static void test_property(void)
{
    struct vml_error err;
    struct ovf o;

    CHECK_OK(parse(&o,
                   OVF_1 FILES
                   "<DiskSection><Disk ovf:diskId='d' ovf:fileRef='file1' ovf:capacity='${size}'"
                   " ovf:capacityAllocationUnits='byte * 2^30'/></DiskSection>"
                   "<VirtualSystem ovf:id='vm'><ProductSection><Property ovf:key='siz'/>"
                   "<Property ovf:key='size' ovf:value='5'/></ProductSection></VirtualSystem>"
                   "</Envelope>",
                   &err),
             &err);
    CHECK_INT(o.disks[0].capacity, 5ull << 30);
    ovf_clear(&o);
    check_fails(OVF_1 FILES
                "<DiskSection><Disk ovf:diskId='d' ovf:fileRef='file1' ovf:capacity='${none}'/>"
                "</DiskSection><VirtualSystem ovf:id='vm'/></Envelope>",
                "ovf/capacity");
}

/* --- refused -------------------------------------------------------------------------------- */

#define ONE_DISK(files, disk)                                                     \
    OVF_1 "<References>" files "</References><DiskSection>" disk "</DiskSection>" \
          "<VirtualSystem ovf:id='vm'/></Envelope>"
#define FILE_1           "<File ovf:id='f' ovf:href='a.vmdk'/>"
#define DISK(attributes) "<Disk ovf:diskId='d' " attributes "/>"

static void test_refused(void)
{
    check_fails("<Domain/>", "ovf/envelope");
    check_fails(OVF_1 "</Envelope>", "ovf/no-system");
    check_fails(OVF_1 SYSTEM("") "</Envelope>", "ovf/no-disk");
    check_fails(OVF_1 FILES DISKS("") "<EncryptionSection/>" SYSTEM("") "</Envelope>",
                "ovf/encrypted");
    check_fails(OVF_1 FILES DISKS("") SYSTEM(DISK_ITEM("ovf:/disk/other", "", "0")) "</Envelope>",
                "ovf/ref");
    check_fails(OVF_1 FILES DISKS("<Disk ovf:diskId='d1' ovf:fileRef='file2'/>")
                    SYSTEM("") "</Envelope>",
                "ovf/ref");
    check_fails(OVF_1 FILES DISKS("<Disk ovf:diskId='d2' ovf:fileRef='file1'/>")
                    SYSTEM("") "</Envelope>",
                "ovf/shared-file");
    check_fails(ONE_DISK(FILE_1, DISK("")), "ovf/empty-disk");
    check_fails(ONE_DISK(FILE_1, "<Disk ovf:fileRef='f'/>"), "ovf/ref");
    check_fails(ONE_DISK(FILE_1, DISK("ovf:fileRef='g'")), "ovf/ref");
    check_fails(ONE_DISK(FILE_1 FILE_1, DISK("ovf:fileRef='f'")), "ovf/ref");
    check_fails(ONE_DISK(FILE_1, DISK("ovf:fileRef='f' ovf:parentRef='p'")), "ovf/parent");
    check_fails(ONE_DISK(FILE_1, DISK("ovf:fileRef='f' ovf:capacity='x'")), "ovf/capacity");
    check_fails(ONE_DISK(FILE_1, DISK("ovf:fileRef='f' ovf:capacity='0'")), "ovf/capacity");
    check_fails(ONE_DISK(FILE_1, DISK("ovf:fileRef='f' ovf:capacity='-1'")), "ovf/capacity");
    check_fails(ONE_DISK(FILE_1, DISK("ovf:fileRef='f' ovf:capacity='99999999999999'")),
                "ovf/capacity");
    check_fails(ONE_DISK("<File ovf:id='f' ovf:href='a' ovf:compression='bzip2'/>",
                         DISK("ovf:fileRef='f'")),
                "ovf/compressed");
    check_fails(
        ONE_DISK("<File ovf:id='f' ovf:href='a' ovf:chunkSize='x'/>", DISK("ovf:fileRef='f'")),
        "ovf/chunk");
    check_fails(ONE_DISK("<File ovf:id='f'/>", DISK("ovf:fileRef='f'")), "ovf/href");
    static const char *const hrefs[] = { "",          "/etc/passwd", "http://x/a.vmdk", "file:///a",
                                         "../a.vmdk", "a/../../b",   "a\\b.vmdk" };
    for (size_t i = 0; i < sizeof hrefs / sizeof hrefs[0]; i++) {
        char text[1024];

        snprintf(text, sizeof text,
                 "%s<References><File ovf:id='f' ovf:href='%s'/></References><DiskSection>%s"
                 "</DiskSection><VirtualSystem ovf:id='vm'/></Envelope>",
                 OVF_1, hrefs[i], DISK("ovf:fileRef='f'"));
        check_fails(text, "ovf/href");
    }
}

static void test_multi(void)
{
    struct vml_error err;
    struct ovf o;

    CHECK_FAILS(
        parse(&o,
              OVF_1 FILES DISKS("") "<VirtualSystemCollection ovf:id='app'>"
                                    "<VirtualSystem ovf:id='web'/><VirtualSystem ovf:id='db'/>"
                                    "</VirtualSystemCollection></Envelope>",
              &err),
        &err, "ovf/multi");
    CHECK(strstr(err.text, "'web', 'db'") != NULL);
    ovf_clear(&o);
    CHECK_OK(parse(&o,
                   OVF_1 FILES DISKS(
                       "") "<VirtualSystemCollection ovf:id='app'>"
                           "<VirtualSystem ovf:id='web'/></VirtualSystemCollection></Envelope>",
                   &err),
             &err);
    CHECK_STR(o.machine.name, "web");
    ovf_clear(&o);
}

/* n times `unit` between `before` and `after` */
static char *repeated(const char *before, const char *unit, size_t n, const char *after)
{
    size_t step = strlen(unit), at = strlen(before);
    char *text = malloc(at + n * step + strlen(after) + 1);

    CHECK(text != NULL);
    memcpy(text, before, at);
    for (size_t i = 0; i < n; i++, at += step)
        memcpy(text + at, unit, step);
    memcpy(text + at, after, strlen(after) + 1);
    return text;
}

static void check_repeated(const char *before, const char *unit, size_t n, const char *after,
                           const char *slug)
{
    char *text = repeated(before, unit, n, after);

    check_fails(text, slug);
    free(text);
}

static void test_hostile_xml(void)
{
    struct vml_error err;
    struct ovf o;

    check_fails("<!DOCTYPE Envelope><Envelope/>", "xml/dtd");
    check_fails("<!DOCTYPE e [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><Envelope>&b;</Envelope>",
                "xml/dtd");
    check_fails("<!DOCTYPE e [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><Envelope>&x;</Envelope>",
                "xml/dtd");
    check_fails("<!DOCTYPE e SYSTEM 'http://127.0.0.1:1/e.dtd'><Envelope/>", "xml/dtd");
    check_fails("<Envelope>&nothing;</Envelope>", "xml/entity");
    check_fails("", "xml/syntax");
    check_fails("hello", "xml/syntax");
    check_fails("<Envelope>", "xml/syntax");
    check_fails("<Envelope/><Envelope/>", "xml/syntax");
    check_fails("<Envelope a='1' a='2'/>", "xml/syntax");
    check_fails("<Envelope>\xff\xfe</Envelope>", "xml/syntax");
    check_fails("<?xml version='1.0' encoding='UTF-7'?><Envelope>+ADw-x+AD4-</Envelope>",
                "ovf/no-system");
    CHECK_FAILS(ovf_parse(&o, "\xff\xfe<\0E\0/\0>\0", 10, &whole, &err), &err, "xml/syntax");
    ovf_clear(&o);
    CHECK_FAILS(parse(&o, "<Envelope>\n\n<a>\n</b></Envelope>", &err), &err, "xml/syntax");
    CHECK(strstr(err.text, "line 4") != NULL);
    ovf_clear(&o);

    check_repeated("<Envelope>", "<a>", 70, "", "xml/limit");
    check_repeated("<Envelope>", "<a/>", 100001, "</Envelope>", "xml/limit");
    check_repeated("<Envelope>", "<a b=''/>", 50001, "</Envelope>", "xml/limit");
    check_repeated("<Envelope a='", "xxxxxxxx", 10000, "'/>", "xml/limit");
    check_repeated("<!-- <'> --><Envelope ", "a='>' ", 100000, "/>", "xml/limit");
    check_repeated("<Envelope>", "        ", 700000, "</Envelope>", "xml/limit");
    check_repeated("<Envelope>", "<!-- -->", 500000, "</Envelope>", "ovf/no-system");
    check_repeated("<Envelope><![CDATA[", "<\"", 100000, "]]></Envelope>", "ovf/no-system");
}

/* Every beginning of a good text is refused by name. */
static void test_cuts(void)
{
    static const char text[] = OVF_1 FILES DISKS(DISK_2) SYSTEM(CONTROLLER("3", "0")) "</Envelope>";
    struct vml_error err;
    struct ovf o;

    CHECK_OK(parse(&o, text, &err), &err);
    ovf_clear(&o);
    for (size_t len = 0; len < sizeof text - 1; len++) {
        CHECK_FAILS(ovf_parse(&o, text, len, &whole, &err), &err, "xml/syntax");
        ovf_clear(&o);
    }
}

/* --- writing -------------------------------------------------------------------------------- */

static void test_print(void)
{
    struct vml_machine machine = { .name = "a <b> & \"c\" \xc3\xbc \xff\x01",
                                   .os = "Debian",
                                   .cpus = 3,
                                   .memory = (5ull << 30) + 1,
                                   .firmware = VML_FIRMWARE_UEFI,
                                   .secure_boot = true,
                                   .hardware = "vmx-13" };
    struct ovf_controllers controllers = { 0 };
    char names[20][16];
    struct ovf_text_disk disks[20];
    struct ovf_text what = { &machine, "vm", &controllers, disks, 20 };
    struct vml_error err;
    struct ovf o;
    char *text;
    size_t len, longer;

    for (size_t i = 0; i < 20; i++) {
        snprintf(names[i], sizeof names[i], "disk%zu.vmdk", i + 1);
        disks[i] = (struct ovf_text_disk){ .file = names[i],
                                           .file_size = 1000 + i,
                                           .capacity = (i + 1) << 30 };
        CHECK_OK(ovf_place_disk(&controllers, ovf_controller_named("lsilogic"),
                                &disks[i].controller, &disks[i].unit, &err),
                 &err);
    }
    CHECK_OK(ovf_print(&text, &len, &what, &err), &err);
    CHECK_INT(strlen(text), len);
    CHECK_OK(ovf_parse(&o, text, len, &whole, &err), &err);
    CHECK_STR(o.machine.name, "a <b> & \"c\" \xc3\xbc ??");
    CHECK_STR(o.machine.os, "Debian");
    CHECK_INT(o.machine.cpus, 3);
    CHECK_INT(o.machine.memory, (5ull << 30) + (1 << 20));
    CHECK_INT(o.machine.firmware, VML_FIRMWARE_UEFI);
    CHECK(o.machine.secure_boot);
    CHECK_INT(o.n_disks, 20);
    CHECK_INT(o.notes.n, 0);
    for (size_t i = 0; i < 20; i++) { /* in their order, over two controllers */
        CHECK_STR(o.disks[i].href, names[i]);
        CHECK_INT(o.disks[i].capacity, (i + 1) << 30);
        CHECK_INT(o.disks[i].file_size, 1000 + i);
    }
    /* SCSI target 7 is the controller's own */
    CHECK(strstr(text, "<rasd:AddressOnParent>7<") == NULL);
    CHECK(strstr(text, "<rasd:AddressOnParent>15<") != NULL);
    ovf_clear(&o);
    free(text);

    for (size_t i = 0; i < 20; i++)
        disks[i].file_size = UINT64_MAX;
    CHECK_OK(ovf_print(&text, &longer, &what, &err), &err);
    CHECK_INT(longer, len + 20 * 16);
    free(text);

    machine = (struct vml_machine){ 0 };
    what.n_disks = 1;
    CHECK_OK(ovf_print(&text, &len, &what, &err), &err);
    CHECK_OK(ovf_parse(&o, text, len, &whole, &err), &err);
    CHECK_STR(o.machine.name, "vm");
    CHECK_INT(o.machine.cpus, 1);
    CHECK_INT(o.machine.memory, 1 << 30);
    CHECK_INT(o.machine.firmware, VML_FIRMWARE_UNKNOWN);
    ovf_clear(&o);
    free(text);
}

/* --- other people's ------------------------------------------------------------------------- */

static void read_corpus_file(const char *path, unsigned *good)
{
    static char text[OVF_SIZE_MAX + 1];
    FILE *f = fopen(path, "rb");
    struct vml_error err = { 0 };
    struct ovf o;
    size_t len;

    CHECK(f != NULL);
    len = fread(text, 1, sizeof text, f);
    fclose(f);
    if (ovf_parse(&o, text, len, &whole, &err) == 0) {
        printf("%s: %s, %u CPUs, %zu disks, firmware %d\n", path, o.machine.name, o.machine.cpus,
               o.n_disks, (int)o.machine.firmware);
        ++*good;
    } else {
        CHECK(strchr(err.slug, '/') != NULL && err.text[0] != '\0');
        printf("%s: %s [%s]\n", path, err.text, err.slug);
    }
    ovf_clear(&o);
}

static void test_corpus(char *folder)
{
    char *const roots[] = { folder, NULL };
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    unsigned all = 0, good = 0;
    FTSENT *e;

    CHECK(walk != NULL);
    while ((e = fts_read(walk)) != NULL)
        if (e->fts_info == FTS_F && e->fts_namelen > 4 &&
            strcmp(e->fts_name + e->fts_namelen - 4, ".ovf") == 0) {
            read_corpus_file(e->fts_path, &good);
            all++;
        }
    fts_close(walk);
    printf("%u of %u are read\n", good, all);
}

int main(void)
{
    char *corpus = getenv("VMLIFT_CORPUS");

    test_units();
    test_vmware();
    test_ovf_0_9();
    test_virtualbox();
    test_configurations();
    test_property();
    test_refused();
    test_multi();
    test_hostile_xml();
    test_cuts();
    test_print();
    if (corpus != NULL && corpus[0] != '\0')
        test_corpus(corpus);
    return 0;
}
