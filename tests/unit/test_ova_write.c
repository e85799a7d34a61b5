/* What is written into an OVA: the source's words, the options', and what VMware has of both. */
#include <sys/stat.h>
#include <unistd.h>

#include "../../formats/ova.h"
#include "check.h"
#include "fake.h"
#include "vmlift/copy.h"

static char folder[] = "/tmp/vmlift-ova-write.XXXXXX";
static char text[1 << 16]; /* of the last OVA: its description, */
static char notes[2000];   /* and the slugs of what was noted */

static const char *path_of(const char *name)
{
    static char path[200];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Of a plain tar of ours: the first member. */
static void read_description(const char *name)
{
    FILE *f = fopen(path_of(name), "rb");
    size_t len;

    CHECK(f != NULL && fseek(f, 512, SEEK_SET) == 0);
    len = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[len] = '\0';
    CHECK(strstr(text, "</Envelope>") != NULL);
    *(strstr(text, "</Envelope>") + 12) = '\0';
}

static int fill_disk(struct vml_package_out *p, size_t i, uint64_t size, struct vml_error *err)
{
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_copy c = { .threads = 1 };
    char spec[40];

    snprintf(spec, sizeof spec, "text:%llu", (unsigned long long)size);
    r = fake_open(spec);
    return vml_package_add(p, i, &w, err) < 0 ? -1 : vml_copy(r, w, &c, err);
}

static int write_ova(const char *name, const struct vml_machine *m,
                     const struct vml_new_disk *disks, size_t n, const char *options,
                     struct vml_error *err)
{
    VML_AUTO(vml_package_out_freep) struct vml_package_out *p = NULL;
    struct vml_output *o;

    CHECK_OK(vml_output_create(&o, path_of(name), VML_OUTPUT_FORCE, err), err);
    if (vml_package_create(&p, vml_formats, &vml_format_ova, o, m, disks, n, NULL, options, err) <
        0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (!disks[i].empty && fill_disk(p, i, disks[i].size, err) < 0)
            return -1;
    notes[0] = '\0';
    for (size_t i = 0; i < vml_package_out_notes(p)->n; i++)
        sprintf(notes + strlen(notes), "%s ", vml_package_out_notes(p)->items[i].slug);
    if (vml_package_finish(p, err) < 0)
        return -1;
    read_description(name);
    return 0;
}

/* --- options -------------------------------------------------------------------------------- */

#define FAMILY(x)    "<vssd:VirtualSystemType>" x "</vssd:VirtualSystemType>"
#define SUBTYPE(x)   "<rasd:ResourceSubType>" x "</rasd:ResourceSubType>"
#define CPUS(x)      "<rasd:ElementName>" x " virtual CPU(s)</rasd:ElementName>"
#define CONFIG(k, v) "<vmw:Config ovf:required=\"false\" vmw:key=\"" k "\" vmw:value=\"" v "\"/>"
#define EFI          CONFIG("firmware", "efi")
#define SECURE       CONFIG("bootOptions.efiSecureBootEnabled", "true")
#define NETWORK(x)   "<Network ovf:name=\"" x "\">"
#define CONNECTS(x)  "<rasd:Connection>" x "</rasd:Connection>"
#define NIC(x)       "<rasd:Description>" x " ethernet adapter"

static const struct vml_machine lone = { .name = "lone" };
static const struct vml_machine box = { .name = "a box",
                                        .os = "Debian_64",
                                        .os_id = 96,
                                        .hardware = "virtualbox-2.2",
                                        .cpus = 3,
                                        .memory = (uint64_t)3 << 30,
                                        .nics = { { "NAT", "virtio" }, { "LAN", "PCNet32" } },
                                        .n_nics = 2 };
static const struct vml_machine vm = { .name = "vm",
                                       .os = "Debian GNU/Linux 11 (64-bit)",
                                       .os_type = "debian11_64Guest",
                                       .os_id = 96,
                                       .hardware = "vmx-08 vmx-09",
                                       .firmware = VML_FIRMWARE_UEFI,
                                       .nics = { { "LAN", "VmxNet3" }, { "LAN", "e1000" } },
                                       .n_nics = 2 };
static const struct vml_machine alone = { .name = "no network", .hardware = "vmx-13" };
static const struct vml_machine secure = { .secure_boot = true };

static const struct row {
    const struct vml_machine *source;
    const char *controller, *options;
    const char *has[6], *has_not[3];
    const char *notes;
} rows[] = {
    { &lone,
      "",
      NULL,
      { FAMILY("vmx-10"), SUBTYPE("lsilogic"), CPUS("1"), "1024MB", NETWORK("VM Network"),
        NIC("E1000") },
      { "firmware", "Ethernet 2" },
      "" },
    { &lone,
      "",
      "cpus=8,memory=2G,firmware=efi,secure_boot=on,name=A & B,os=Linux",
      { FAMILY("vmx-13"), CPUS("8"), "2048MB", EFI, SECURE, "<Name>A &amp; B</Name>" },
      { "\"A & B", "lone" },
      "" },
    { &lone,
      "",
      "os=windows2019srv_64Guest,name=x",
      { "ovf:id=\"102\" vmw:osType=\"windows2019srv_64Guest\"", "ovf:href=\"x-disk1.vmdk\"" },
      { "lone" },
      "" },
    { &box,
      "AHCI",
      NULL,
      { FAMILY("vmx-10"), SUBTYPE("vmware.sata.ahci"), CPUS("3"), "3072MB", NIC("E1000"),
        NIC("PCNet32") },
      { "virtio", "virtualbox" },
      "ova/network-model ova/hardware " },
    { &box,
      "AHCI",
      "adapter=nvme,network=one+two+three",
      { FAMILY("vmx-13"), SUBTYPE("vmware.nvme.controller"), CONNECTS("one"), CONNECTS("three"),
        "Ethernet 3" },
      { "NAT", "sata" },
      "ova/network-model ova/hardware " },
    { &box,
      "virtio-scsi",
      "network=none,hw=vmx-19",
      { FAMILY("vmx-19"), SUBTYPE("lsilogic"), "ovf:id=\"96\">" },
      { "NetworkSection", "Ethernet", "osType" },
      "ova/controller " },
    { &vm,
      "VirtualSCSI",
      NULL,
      { FAMILY("vmx-09"), SUBTYPE("VirtualSCSI"), EFI, NIC("VmxNet3"), NIC("E1000"),
        "ovf:id=\"96\" vmw:osType=\"debian11_64Guest\"" },
      { "vmx-08", "VM Network" },
      "" },
    { &vm, "vmware.nvme.controller", NULL, { FAMILY("vmx-13") }, { "vmx-09" }, "ova/hardware " },
    { &vm,
      "LSILogicSAS",
      "firmware=bios,network=DMZ,os=Some OS",
      { FAMILY("vmx-09"), SUBTYPE("lsilogicsas"), CONFIG("firmware", "bios"), NIC("VmxNet3"),
        NETWORK("DMZ"), "\"otherGuest64\"" },
      { "LAN", "Ethernet 2", "debian" },
      "" },
    { &vm,
      "PIIX4",
      NULL,
      { "<rasd:ResourceType>5</rasd:ResourceType>", "IDE controller 0" },
      { "SCSI", "SATA" },
      "" },
    { &alone,
      "buslogic",
      NULL,
      { FAMILY("vmx-13"), SUBTYPE("buslogic") },
      { "NetworkSection", "Ethernet" },
      "" },
    { &secure, "", NULL, { FAMILY("vmx-13"), EFI, SECURE }, { "vmx-10" }, "" },
    { &secure, "", "firmware=bios", { FAMILY("vmx-10") }, { "SecureBoot" }, "" },
};

static void test_options(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct vml_new_disk disk = { .size = 65536 };
        struct vml_error err;

        snprintf(disk.controller, sizeof disk.controller, "%s", row->controller);
        CHECK_OK(write_ova("o.ova", row->source, &disk, 1, row->options, &err), &err);
        for (size_t k = 0; k < 6 && row->has[k] != NULL; k++)
            if (strstr(text, row->has[k]) == NULL) {
                fprintf(stderr, "row %zu: no %s in\n%s", i, row->has[k], text);
                abort();
            }
        for (size_t k = 0; k < 3 && row->has_not[k] != NULL; k++)
            if (strstr(text, row->has_not[k]) != NULL) {
                fprintf(stderr, "row %zu: %s in\n%s", i, row->has_not[k], text);
                abort();
            }
        CHECK_STR(notes, row->notes);
    }
}

static void test_refused_options(void)
{
    static const char *const bad[] = {
        "cpus=0",
        "cpus=769",
        "cpus=two",
        "cpus=-1",
        "memory=0",
        "memory=1023",
        "memory=1025M",
        "memory=25T",
        "firmware=csm",
        "secure_boot=yes",
        "name=",
        "adapter=virtio",
        "adapter=VirtualSCSI",
        "network=",
        "network=a++b",
        "network=a+",
        "network=1+2+3+4+5+6+7+8+9+10+11",
        "hw=vmx-9",
        "hw=vmx-1x",
        "hw=10",
        "hw=vmx-09,adapter=sata",
        "hw=vmx-10,adapter=nvme",
        "hw=vmx-10,secure_boot=on",
        "hw=vmx-07,firmware=efi",
        "firmware=bios,secure_boot=on",
        "level=0",
        "level=10",
        "manifest=sha384",
        "colour=red",
    };
    struct vml_new_disk disk = { .size = 65536 };
    struct vml_error err;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int rc = write_ova("bad.ova", &lone, &disk, 1, bad[i], &err);

        if (rc == 0 || err.code != VML_EUSAGE) {
            fprintf(stderr, "-o %s: %s\n", bad[i], rc == 0 ? "taken" : err.text);
            abort();
        }
    }
    CHECK(access(path_of("bad.ova"), F_OK) < 0);
}

/* --- controllers ---------------------------------------------------------------------------- */

/* As many disks as fit, and not one more. */
static void test_limits(void)
{
    static const struct {
        const char *name;
        unsigned most;
    } limits[] = { { "lsilogic", 60 }, { "lsilogicsas", 60 }, { "buslogic", 60 }, { "pvscsi", 60 },
                   { "sata", 120 },    { "nvme", 60 },        { "ide", 4 } };

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        const struct ovf_controller_type *type = ovf_controller_named(limits[i].name);
        struct ovf_controllers c = { 0 };
        bool taken[4][40] = { { false } };
        struct vml_error err;
        size_t controller;
        unsigned unit;

        for (unsigned n = 0; n < limits[i].most; n++) {
            CHECK_OK(ovf_place_disk(&c, type, &controller, &unit, &err), &err);
            CHECK(controller < 4 && unit < 40 && !taken[controller][unit]);
            CHECK(type->bus != OVF_SCSI || (unit != 7 && unit <= 15));
            taken[controller][unit] = true;
        }
        CHECK_FAILS(ovf_place_disk(&c, type, &controller, &unit, &err), &err, "ova/disks");
    }
}

/* Disks on controllers of several kinds come back in their order, on what they hung on. */
static void test_mixed(void)
{
    static const char *const kinds[] = { "lsilogic", "AHCI",   "IDE",    "IDE",
                                         "IDE",      "pvscsi", "pvscsi", "vmware.nvme.controller",
                                         "buslogic", "AHCI" };
    static const char *const items[] = { "lsilogic",    "vmware.sata.ahci",
                                         "VirtualSCSI", "vmware.nvme.controller",
                                         "buslogic",    "vmware.sata.ahci" };
    enum { N = sizeof kinds / sizeof kinds[0] };
    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;
    struct vml_new_disk disks[N] = { { 0 } };
    struct vml_input *in;
    struct vml_error err;
    const char *at = text;

    for (size_t i = 0; i < N; i++) {
        disks[i].size = (i + 1) * 65536;
        snprintf(disks[i].controller, sizeof disks[i].controller, "%s", kinds[i]);
    }
    CHECK_OK(write_ova("mixed.ova", &vm, disks, N, NULL, &err), &err);
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        char want[80];

        snprintf(want, sizeof want, SUBTYPE("%s"), items[i]);
        at = strstr(at, want);
        CHECK(at != NULL);
        at++;
    }
    CHECK(strstr(text, "IDE controller 1") != NULL);
    CHECK_OK(vml_input_open(&in, path_of("mixed.ova"), &err), &err);
    CHECK_OK(vml_package_open(&p, vml_formats, in, NULL, &err), &err);
    CHECK_INT(vml_package_count(p), N);
    for (size_t i = 0; i < N; i++)
        CHECK_INT(vml_package_disk(p, i)->capacity, (i + 1) * 65536);
}

/* What the VMDK says of the adapter is what the description says. */
static void test_disk_adapter(void)
{
    static const struct {
        const char *options, *line;
    } is[] = {
        { "adapter=ide,hw=vmx-08", "ddb.adapterType = \"ide\"" },
        { "adapter=ide,hw=vmx-08", "ddb.virtualHWVersion = \"8\"" },
        { "adapter=buslogic", "ddb.adapterType = \"buslogic\"" },
        { "adapter=pvscsi", "ddb.adapterType = \"lsilogic\"" },
        { "adapter=nvme", "ddb.adapterType = \"lsilogic\"" },
        { "adapter=nvme", "ddb.virtualHWVersion = \"13\"" },
    };
    struct vml_new_disk disk = { .size = 65536 };
    struct vml_error err;

    for (size_t i = 0; i < sizeof is / sizeof is[0]; i++) {
        char command[400];

        CHECK_OK(write_ova("a.ova", &lone, &disk, 1, is[i].options, &err), &err);
        snprintf(command, sizeof command, "grep -aqxF '%s' '%s'", is[i].line, path_of("a.ova"));
        CHECK_INT(system(command), 0);
    }
}

/* --- empty disks ---------------------------------------------------------------------------- */

static void test_empty(void)
{
    struct vml_new_disk disks[] = {
        { .size = 1 << 30, .empty = true },
        { .size = 65536 },
        { .size = 2 << 20, .empty = true, .controller = "IDE" },
    };
    struct vml_error err;

    CHECK_OK(write_ova("e.ova", &lone, disks, 3, NULL, &err), &err);
    CHECK(strstr(text, "ovf:capacity=\"1073741824\" ovf:capacityAllocationUnits=\"byte\" "
                       "ovf:diskId=\"vmdisk1\" ovf:format") != NULL);
    CHECK(strstr(text, "ovf:diskId=\"vmdisk2\" ovf:fileRef=\"file2\"") != NULL);
    CHECK(strstr(text, "ovf:diskId=\"vmdisk3\" ovf:format") != NULL);
    CHECK(strstr(text, "e-disk1.vmdk") == NULL && strstr(text, "e-disk3.vmdk") == NULL);
    CHECK(strstr(text, "ovf:/disk/vmdisk3<") != NULL);
    CHECK_OK(write_ova("e.ova", &lone, disks, 1, NULL, &err), &err); /* nothing else */
    CHECK(strstr(text, "fileRef") == NULL);
}

int main(void)
{
    char command[100];

    CHECK(mkdtemp(folder) != NULL);
    test_options();
    test_refused_options();
    test_limits();
    test_mixed();
    test_disk_adapter();
    test_empty();
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}
