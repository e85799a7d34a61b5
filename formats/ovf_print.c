/* Writing an OVF 1.0 that VMware, VirtualBox and virt-v2v take: one system of the vmx family,
 * lsilogic SCSI, an E1000, which each of them has.  The fields of an Item stand in alphabetical
 * order, as the schema wants them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ovf.h"

enum { ID_CPU = 1, ID_MEMORY, ID_NETWORK, ID_CONTROLLER };

/* The length of the UTF-8 character at p, 0 where there is none. */
static size_t utf8_length(const unsigned char *p)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (p[0] > 0xf4 || (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    if (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe) /* U+FFFE, U+FFFF */
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* What XML cannot hold becomes a question mark. */
static void put_escaped(FILE *f, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0';) {
        size_t n = utf8_length(p);

        if (*p == '&')
            fputs("&amp;", f);
        else if (*p == '<')
            fputs("&lt;", f);
        else if (*p == '>')
            fputs("&gt;", f);
        else if (*p == '"')
            fputs("&quot;", f);
        else if (n == 0 || *p < 0x20 || *p == 0x7f)
            fputc('?', f);
        else
            fwrite(p, 1, n, f);
        p += n > 0 ? n : 1;
    }
}

static void put_element(FILE *f, const char *indent, const char *name, const char *text)
{
    fprintf(f, "%s<%s>", indent, name);
    put_escaped(f, text);
    fprintf(f, "</%s>\n", name);
}

static void put_files(FILE *f, const struct ovf_text *o)
{
    fputs("  <References>\n", f);
    for (size_t i = 0; i < o->n_disks; i++) {
        fputs("    <File ovf:href=\"", f);
        put_escaped(f, o->disks[i].file);
        fprintf(f, "\" ovf:id=\"file%zu\" ovf:size=\"%llu\"/>\n", i + 1,
                (unsigned long long)o->disks[i].file_size);
    }
    fputs("  </References>\n"
          "  <DiskSection>\n"
          "    <Info>Virtual disk information</Info>\n",
          f);
    for (size_t i = 0; i < o->n_disks; i++)
        fprintf(f,
                "    <Disk ovf:capacity=\"%llu\" ovf:capacityAllocationUnits=\"byte\" "
                "ovf:diskId=\"vmdisk%zu\" ovf:fileRef=\"file%zu\" "
                "ovf:format=\"http://www.vmware.com/interfaces/specifications/vmdk.html"
                "#streamOptimized\"/>\n",
                (unsigned long long)o->disks[i].capacity, i + 1, i + 1);
    fputs("  </DiskSection>\n"
          "  <NetworkSection>\n"
          "    <Info>The list of logical networks</Info>\n"
          "    <Network ovf:name=\"VM Network\">\n"
          "      <Description>The VM Network network</Description>\n"
          "    </Network>\n"
          "  </NetworkSection>\n",
          f);
}

static void put_cpus_and_memory(FILE *f, const struct vml_machine *m)
{
    unsigned cpus = m->cpus > 0 ? m->cpus : 1;
    uint64_t mib = m->memory > 0 ? vml_div_up(m->memory, UINT64_C(1) << 20) : 1024;

    fprintf(f,
            "      <Item>\n"
            "        <rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits>\n"
            "        <rasd:Description>Number of Virtual CPUs</rasd:Description>\n"
            "        <rasd:ElementName>%u virtual CPU(s)</rasd:ElementName>\n"
            "        <rasd:InstanceID>%d</rasd:InstanceID>\n"
            "        <rasd:ResourceType>3</rasd:ResourceType>\n"
            "        <rasd:VirtualQuantity>%u</rasd:VirtualQuantity>\n"
            "      </Item>\n",
            cpus, ID_CPU, cpus);
    fprintf(f,
            "      <Item>\n"
            "        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>\n"
            "        <rasd:Description>Memory Size</rasd:Description>\n"
            "        <rasd:ElementName>%lluMB of memory</rasd:ElementName>\n"
            "        <rasd:InstanceID>%d</rasd:InstanceID>\n"
            "        <rasd:ResourceType>4</rasd:ResourceType>\n"
            "        <rasd:VirtualQuantity>%llu</rasd:VirtualQuantity>\n"
            "      </Item>\n",
            (unsigned long long)mib, ID_MEMORY, (unsigned long long)mib);
}

static void put_disks(FILE *f, const struct ovf_text *o)
{
    size_t controllers = vml_div_up(o->n_disks, OVF_DISKS_PER_CONTROLLER);

    for (size_t i = 0; i < controllers; i++)
        fprintf(f,
                "      <Item>\n"
                "        <rasd:Address>%zu</rasd:Address>\n"
                "        <rasd:Description>SCSI Controller</rasd:Description>\n"
                "        <rasd:ElementName>SCSI controller %zu</rasd:ElementName>\n"
                "        <rasd:InstanceID>%zu</rasd:InstanceID>\n"
                "        <rasd:ResourceSubType>lsilogic</rasd:ResourceSubType>\n"
                "        <rasd:ResourceType>6</rasd:ResourceType>\n"
                "      </Item>\n",
                i, i, ID_CONTROLLER + i);
    for (size_t i = 0; i < o->n_disks; i++) {
        size_t unit = i % OVF_DISKS_PER_CONTROLLER;

        unit += unit >= 7; /* SCSI target 7 is the controller */
        fprintf(f,
                "      <Item>\n"
                "        <rasd:AddressOnParent>%zu</rasd:AddressOnParent>\n"
                "        <rasd:ElementName>Hard disk %zu</rasd:ElementName>\n"
                "        <rasd:HostResource>ovf:/disk/vmdisk%zu</rasd:HostResource>\n"
                "        <rasd:InstanceID>%zu</rasd:InstanceID>\n"
                "        <rasd:Parent>%zu</rasd:Parent>\n"
                "        <rasd:ResourceType>17</rasd:ResourceType>\n"
                "      </Item>\n",
                unit, i + 1, i + 1, ID_CONTROLLER + controllers + i,
                ID_CONTROLLER + i / OVF_DISKS_PER_CONTROLLER);
    }
}

static void put_network(FILE *f)
{
    fprintf(f,
            "      <Item>\n"
            "        <rasd:AddressOnParent>0</rasd:AddressOnParent>\n"
            "        <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>\n"
            "        <rasd:Connection>VM Network</rasd:Connection>\n"
            "        <rasd:Description>E1000 ethernet adapter on &quot;VM Network&quot;"
            "</rasd:Description>\n"
            "        <rasd:ElementName>Ethernet 1</rasd:ElementName>\n"
            "        <rasd:InstanceID>%d</rasd:InstanceID>\n"
            "        <rasd:ResourceSubType>E1000</rasd:ResourceSubType>\n"
            "        <rasd:ResourceType>10</rasd:ResourceType>\n"
            "      </Item>\n",
            ID_NETWORK);
}

static void put_config(FILE *f, const char *key, const char *value)
{
    fprintf(f, "      <vmw:Config ovf:required=\"false\" vmw:key=\"%s\" vmw:value=\"%s\"/>\n", key,
            value);
}

static void put_system(FILE *f, const struct ovf_text *o)
{
    const struct vml_machine *m = o->machine;
    const char *name = m->name[0] != '\0' ? m->name : o->id;

    fputs("  <VirtualSystem ovf:id=\"", f);
    put_escaped(f, o->id);
    fputs("\">\n    <Info>A virtual machine</Info>\n", f);
    put_element(f, "    ", "Name", name);
    /* 102: other, 64-bit */
    fputs("    <OperatingSystemSection ovf:id=\"102\" vmw:osType=\"otherGuest64\">\n"
          "      <Info>The kind of installed guest operating system</Info>\n",
          f);
    put_element(f, "      ", "Description", m->os[0] != '\0' ? m->os : "Other (64-bit)");
    fputs("    </OperatingSystemSection>\n"
          "    <VirtualHardwareSection>\n"
          "      <Info>Virtual hardware requirements</Info>\n"
          "      <System>\n"
          "        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>\n"
          "        <vssd:InstanceID>0</vssd:InstanceID>\n",
          f);
    put_element(f, "        ", "vssd:VirtualSystemIdentifier", name);
    put_element(f, "        ", "vssd:VirtualSystemType", o->hardware);
    fputs("      </System>\n", f);
    put_cpus_and_memory(f, m);
    put_disks(f, o);
    put_network(f);
    if (m->firmware != VML_FIRMWARE_UNKNOWN)
        put_config(f, "firmware", m->firmware == VML_FIRMWARE_UEFI ? "efi" : "bios");
    if (m->secure_boot)
        put_config(f, "bootOptions.efiSecureBootEnabled", "true");
    fputs("    </VirtualHardwareSection>\n"
          "  </VirtualSystem>\n",
          f);
}

int ovf_print(char **text, size_t *len, const struct ovf_text *what, struct vml_error *err)
{
    FILE *f = open_memstream(text, len);
    bool failed;

    if (f == NULL)
        return vml_fail_nomem(err);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
          "<Envelope xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\""
          " xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\""
          " xmlns:rasd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
          "CIM_ResourceAllocationSettingData\""
          " xmlns:vmw=\"http://www.vmware.com/schema/ovf\""
          " xmlns:vssd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
          "CIM_VirtualSystemSettingData\""
          " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n",
          f);
    put_files(f, what);
    put_system(f, what);
    fputs("</Envelope>\n", f);
    failed = ferror(f) != 0;
    if (fclose(f) != 0 || failed) {
        free(*text);
        *text = NULL;
        return vml_fail_nomem(err);
    }
    return 0;
}
