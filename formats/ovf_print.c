/* Writing an OVF 1.0 that VMware, VirtualBox and virt-v2v take: one system of the vmx family.  The
 * fields of an Item stand in alphabetical order, as the schema wants them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ovf.h"

/* InstanceIDs: disks come after the controllers, network adapters after the disks. */
enum { ID_CPU = 1, ID_MEMORY, ID_CONTROLLER };

/* What XML cannot hold becomes a question mark. */
static void put_escaped(FILE *f, const char *text)
{
    for (const char *p = text; *p != '\0';) {
        size_t n = vml_utf8_char(p);
        bool no_character = n == 0 || (unsigned char)*p < 0x20 || *p == 0x7f ||
                            strncmp(p, "\xef\xbf\xbe", 3) == 0 || /* U+FFFE */
                            strncmp(p, "\xef\xbf\xbf", 3) == 0;

        if (*p == '&')
            fputs("&amp;", f);
        else if (*p == '<')
            fputs("&lt;", f);
        else if (*p == '>')
            fputs("&gt;", f);
        else if (*p == '"')
            fputs("&quot;", f);
        else if (no_character)
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
        if (o->disks[i].file == NULL)
            continue;
        fputs("    <File ovf:href=\"", f);
        put_escaped(f, o->disks[i].file);
        fprintf(f, "\" ovf:id=\"file%zu\" ovf:size=\"%llu\"/>\n", i + 1,
                (unsigned long long)o->disks[i].file_size);
    }
    fputs("  </References>\n"
          "  <DiskSection>\n"
          "    <Info>Virtual disk information</Info>\n",
          f);
    for (size_t i = 0; i < o->n_disks; i++) {
        fprintf(f,
                "    <Disk ovf:capacity=\"%llu\" ovf:capacityAllocationUnits=\"byte\" "
                "ovf:diskId=\"vmdisk%zu\" ",
                (unsigned long long)o->disks[i].capacity, i + 1);
        if (o->disks[i].file != NULL)
            fprintf(f, "ovf:fileRef=\"file%zu\" ", i + 1);
        fputs("ovf:format=\"http://www.vmware.com/interfaces/specifications/vmdk.html"
              "#streamOptimized\"/>\n",
              f);
    }
    fputs("  </DiskSection>\n", f);
}

/* Each network once, however many adapters are on it. */
static void put_networks(FILE *f, const struct vml_machine *m)
{
    if (m->n_nics == 0)
        return;
    fputs("  <NetworkSection>\n"
          "    <Info>The list of logical networks</Info>\n",
          f);
    for (unsigned i = 0; i < m->n_nics; i++) {
        unsigned k = 0;

        while (strcmp(m->nics[k].network, m->nics[i].network) != 0)
            k++;
        if (k < i)
            continue;
        fputs("    <Network ovf:name=\"", f);
        put_escaped(f, m->nics[i].network);
        fputs("\">\n      <Description>The ", f);
        put_escaped(f, m->nics[i].network);
        fputs(" network</Description>\n    </Network>\n", f);
    }
    fputs("  </NetworkSection>\n", f);
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

static void put_controllers(FILE *f, const struct ovf_controllers *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct ovf_controller_type *t = c->items[i].type;
        unsigned address = c->items[i].address;

        fprintf(f,
                "      <Item>\n"
                "        <rasd:Address>%u</rasd:Address>\n"
                "        <rasd:Description>%s Controller</rasd:Description>\n"
                "        <rasd:ElementName>%s controller %u</rasd:ElementName>\n"
                "        <rasd:InstanceID>%zu</rasd:InstanceID>\n",
                address, t->bus_name, t->bus_name, address, ID_CONTROLLER + i);
        if (t->subtype != NULL)
            put_element(f, "        ", "rasd:ResourceSubType", t->subtype);
        fprintf(f,
                "        <rasd:ResourceType>%u</rasd:ResourceType>\n"
                "      </Item>\n",
                t->resource);
    }
}

static void put_disks(FILE *f, const struct ovf_text *o)
{
    for (size_t i = 0; i < o->n_disks; i++)
        fprintf(f,
                "      <Item>\n"
                "        <rasd:AddressOnParent>%u</rasd:AddressOnParent>\n"
                "        <rasd:ElementName>Hard disk %zu</rasd:ElementName>\n"
                "        <rasd:HostResource>ovf:/disk/vmdisk%zu</rasd:HostResource>\n"
                "        <rasd:InstanceID>%zu</rasd:InstanceID>\n"
                "        <rasd:Parent>%zu</rasd:Parent>\n"
                "        <rasd:ResourceType>17</rasd:ResourceType>\n"
                "      </Item>\n",
                o->disks[i].unit, i + 1, i + 1, ID_CONTROLLER + o->controllers->n + i,
                ID_CONTROLLER + o->disks[i].controller);
}

static void put_nics(FILE *f, const struct ovf_text *o)
{
    size_t id = ID_CONTROLLER + o->controllers->n + o->n_disks;

    for (unsigned i = 0; i < o->machine->n_nics; i++) {
        const struct vml_nic *nic = &o->machine->nics[i];

        fprintf(f,
                "      <Item>\n"
                "        <rasd:AddressOnParent>%u</rasd:AddressOnParent>\n"
                "        <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>\n",
                i);
        put_element(f, "        ", "rasd:Connection", nic->network);
        fprintf(f, "        <rasd:Description>%s ethernet adapter on &quot;", nic->model);
        put_escaped(f, nic->network);
        fprintf(f,
                "&quot;</rasd:Description>\n"
                "        <rasd:ElementName>Ethernet %u</rasd:ElementName>\n"
                "        <rasd:InstanceID>%zu</rasd:InstanceID>\n"
                "        <rasd:ResourceSubType>%s</rasd:ResourceSubType>\n"
                "        <rasd:ResourceType>10</rasd:ResourceType>\n"
                "      </Item>\n",
                i + 1, id + i, nic->model);
    }
}

/* VMware goes by its identifier, and where there is none by CIM's number, which the schema wants.
 * Without the number it is that of "other" (1) or of "other, 64-bit" (102). */
static void put_os(FILE *f, const struct vml_machine *m)
{
    const char *type = m->os_type[0] != '\0' ? m->os_type : m->os_id == 0 ? "otherGuest64" : NULL;
    unsigned other = type != NULL && strstr(type, "64") == NULL ? 1 : 102;

    fprintf(f, "    <OperatingSystemSection ovf:id=\"%u\"", m->os_id != 0 ? m->os_id : other);
    if (type != NULL) {
        fputs(" vmw:osType=\"", f);
        put_escaped(f, type);
        fputc('"', f);
    }
    fputs(">\n      <Info>The kind of installed guest operating system</Info>\n", f);
    put_element(f, "      ", "Description", m->os[0] != '\0' ? m->os : "Other (64-bit)");
    fputs("    </OperatingSystemSection>\n", f);
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
    put_os(f, m);
    fputs("    <VirtualHardwareSection>\n"
          "      <Info>Virtual hardware requirements</Info>\n"
          "      <System>\n"
          "        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>\n"
          "        <vssd:InstanceID>0</vssd:InstanceID>\n",
          f);
    put_element(f, "        ", "vssd:VirtualSystemIdentifier", name);
    put_element(f, "        ", "vssd:VirtualSystemType", m->hardware);
    fputs("      </System>\n", f);
    put_cpus_and_memory(f, m);
    put_controllers(f, o->controllers);
    put_disks(f, o);
    put_nics(f, o);
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
    FILE *f = vml_memstream(text, len);

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
    put_networks(f, what->machine);
    put_system(f, what);
    fputs("</Envelope>\n", f);
    return fclose(f) != 0 ? vml_fail_nomem(err) : 0;
}
