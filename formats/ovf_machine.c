/* The machine of a description: what it has, but for its disks. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ovf_walk.h"

/* --- items ---------------------------------------------------------------------------------- */

bool ovf_is_item(const xmlNode *n)
{
    return ovf_xml_is(n, "Item") || ovf_xml_is(n, "StorageItem") ||
           ovf_xml_is(n, "EthernetPortItem");
}

const xmlNode *ovf_next_item(const struct ovf_walk *w, const xmlNode *after)
{
    const xmlNode *n = after != NULL         ? after->next
                       : w->hardware != NULL ? w->hardware->children
                                             : NULL;

    while (n != NULL && !(ovf_is_item(n) && ovf_applies(w, n)))
        n = n->next;
    return n;
}

uint64_t ovf_field_number(const xmlNode *item, const char *name, uint64_t otherwise)
{
    char buf[32];

    return ovf_number_or(ovf_child_text(item, name, buf, sizeof buf), otherwise);
}

/* The first item of this type that is not merely the bound of a range. */
static const xmlNode *find_resource(const struct ovf_walk *w, uint64_t type)
{
    const xmlNode *n = ovf_next_item(w, NULL);

    while (n != NULL &&
           (ovf_field_number(n, "ResourceType", 0) != type || ovf_xml_attr(n, "bound") != NULL))
        n = ovf_next_item(w, n);
    return n;
}

static void read_memory(const struct ovf_walk *w, struct vml_machine *m)
{
    const xmlNode *item = find_resource(w, 4);
    char quantity[32], units[64];
    struct vml_error ignored;

    if (item == NULL)
        return;
    ovf_child_text(item, "VirtualQuantity", quantity, sizeof quantity);
    ovf_child_text(item, "AllocationUnits", units, sizeof units);
    if (ovf_bytes(&m->memory, quantity, units[0] != '\0' ? units : NULL, &ignored) < 0) {
        m->memory = 0;
        vml_note(&w->out->notes, "ovf/memory", "the size of the memory is not understood: %s",
                 ignored.text);
    }
}

static void read_vmware_config(const struct ovf_walk *w, struct vml_machine *m)
{
    for (const xmlNode *n = w->hardware != NULL ? w->hardware->children : NULL; n != NULL;
         n = n->next) {
        const char *key, *value;

        if (!ovf_xml_is(n, "Config") && !ovf_xml_is(n, "ExtraConfig"))
            continue;
        key = ovf_xml_attr(n, "key");
        value = ovf_xml_attr(n, "value");
        if (key == NULL || value == NULL)
            continue;
        if (strcmp(key, "firmware") == 0 && strcasecmp(value, "efi") == 0)
            m->firmware = VML_FIRMWARE_UEFI;
        else if (strcmp(key, "firmware") == 0 && strcasecmp(value, "bios") == 0)
            m->firmware = VML_FIRMWARE_BIOS;
        else if (strcmp(key, "bootOptions.efiSecureBootEnabled") == 0 ||
                 strcmp(key, "uefi.secureBoot.enabled") == 0)
            m->secure_boot = ovf_is_true(value);
    }
}

static void read_virtualbox(const struct ovf_walk *w, struct vml_machine *m)
{
    const xmlNode *n = ovf_xml_child(w->system, NULL, "Machine");
    const char *type;

    n = n != NULL ? ovf_xml_child(n, NULL, "Hardware") : NULL;
    n = n != NULL ? ovf_xml_child(n, NULL, "Firmware") : NULL;
    type = n != NULL ? ovf_xml_attr(n, "type") : NULL;
    if (type != NULL && strncasecmp(type, "EFI", 3) == 0) /* EFI, EFI32, EFI64, EFIDUAL */
        m->firmware = VML_FIRMWARE_UEFI;
    else if (type != NULL && strcasecmp(type, "BIOS") == 0)
        m->firmware = VML_FIRMWARE_BIOS;
}

/* The family that the machine was made for, as <System> has it. */
static void read_hardware(const struct ovf_walk *w, struct vml_machine *m)
{
    const xmlNode *system = w->hardware != NULL ? ovf_xml_child(w->hardware, NULL, "System") : NULL;

    ovf_child_text(system, "VirtualSystemType", m->hardware, sizeof m->hardware);
}

static void read_nics(const struct ovf_walk *w, struct vml_machine *m)
{
    size_t left = 0;

    for (const xmlNode *n = ovf_next_item(w, NULL); n != NULL; n = ovf_next_item(w, n)) {
        struct vml_nic *nic = &m->nics[m->n_nics];

        if (ovf_field_number(n, "ResourceType", 0) != 10 || ovf_xml_attr(n, "bound") != NULL)
            continue;
        if (m->n_nics == VML_NICS_MAX) {
            left++;
            continue;
        }
        ovf_child_text(n, "Connection", nic->network, sizeof nic->network);
        ovf_child_text(n, "ResourceSubType", nic->model, sizeof nic->model);
        m->n_nics++;
    }
    if (left > 0)
        vml_note(&w->out->notes, "ovf/networks",
                 "the machine has %zu network adapters, of which %u are kept", left + VML_NICS_MAX,
                 VML_NICS_MAX);
}

static void read_os(const struct ovf_walk *w, struct vml_machine *m)
{
    const xmlNode *os = ovf_section(w->system, NULL, "OperatingSystemSection");
    const char *type = os != NULL ? ovf_xml_attr(os, "osType") : NULL;
    const char *id = os != NULL ? ovf_xml_attr(os, "id") : NULL;
    uint64_t n = id != NULL ? ovf_number_or(id, 0) : 0;

    ovf_child_text(os, "Description", m->os, sizeof m->os);
    if (m->os[0] == '\0' && type != NULL)
        snprintf(m->os, sizeof m->os, "%s", type);
    if (type != NULL && strlen(type) < sizeof m->os_type)
        snprintf(m->os_type, sizeof m->os_type, "%s", type);
    m->os_id = n <= 999 ? (unsigned)n : 0; /* CIM's list ends at 122 so far */
}

void ovf_read_machine(const struct ovf_walk *w)
{
    struct vml_machine *m = &w->out->machine;
    const xmlNode *cpus = find_resource(w, 3);
    const char *id = ovf_xml_attr(w->system, "id");
    uint64_t n;

    ovf_child_text(w->system, "Name", m->name, sizeof m->name);
    if (m->name[0] == '\0' && id != NULL)
        snprintf(m->name, sizeof m->name, "%s", id);
    n = cpus != NULL ? ovf_field_number(cpus, "VirtualQuantity", 0) : 0;
    m->cpus = n <= 4096 ? (unsigned)n : 0;
    read_os(w, m);
    read_memory(w, m);
    read_virtualbox(w, m);
    read_vmware_config(w, m);
    read_hardware(w, m);
    read_nics(w, m);
}
