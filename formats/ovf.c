/* Reading an OVF.
 *
 *     Envelope
 *       References          File  id, href, size, compression, chunkSize
 *       DiskSection         Disk  diskId, fileRef, capacity, capacityAllocationUnits, parentRef
 *       DeploymentOptionSection   Configuration  id, default
 *       VirtualSystem  id         (or one VirtualSystemCollection around it)
 *         Name
 *         ProductSection          Property  key, value: ${key} in a capacity
 *         OperatingSystemSection  Description
 *         VirtualHardwareSection
 *           Item                  ResourceType 3 CPUs, 4 memory, 5 6 20 controllers, 17 disk
 *           Config                key="firmware" value="efi"                       VMware
 *         Machine/Hardware/Firmware  type="EFI"                                    VirtualBox
 *
 * OVF 0.9 says <Section xsi:type="ovf:DiskSection_Type"> for <DiskSection> and <Content> for
 * <VirtualSystem>; OVF 2 has StorageItem beside Item.  Lenient in what does not touch a disk's
 * bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ovf_walk.h"

#define SYSTEMS_MAX 64u

/* --- finding sections ----------------------------------------------------------------------- */

/* <DiskSection>, or the 0.9 form. */
static bool is_section(const xmlNode *n, const char *name)
{
    const char *type, *colon;
    size_t len = strlen(name);

    if (ovf_xml_is(n, name))
        return true;
    if (!ovf_xml_is(n, "Section") && !ovf_xml_is(n, "Content"))
        return false;
    type = ovf_xml_attr(n, "type");
    if (type == NULL)
        return false;
    colon = strchr(type, ':');
    type = colon != NULL ? colon + 1 : type;
    return strncmp(type, name, len) == 0 && strcmp(type + len, "_Type") == 0;
}

static const xmlNode *section(const xmlNode *parent, const xmlNode *after, const char *name)
{
    const xmlNode *n = after != NULL ? after->next : parent->children;

    while (n != NULL && !is_section(n, name))
        n = n->next;
    return n;
}

const char *ovf_child_text(const xmlNode *parent, const char *name, char *buf, size_t cap)
{
    return ovf_xml_text(parent != NULL ? ovf_xml_child(parent, NULL, name) : NULL, buf, cap);
}

/* The systems below n, of which the first SYSTEMS_MAX are kept. */
static void collect_systems(const xmlNode *n, const xmlNode **found, size_t *count)
{
    for (n = n->children; n != NULL; n = n->next)
        if (is_section(n, "VirtualSystem")) {
            if (*count < SYSTEMS_MAX)
                found[*count] = n;
            ++*count;
        } else if (is_section(n, "VirtualSystemCollection")) {
            collect_systems(n, found, count);
        }
}

static int find_system(struct ovf_walk *w, struct vml_error *err)
{
    const xmlNode *found[SYSTEMS_MAX] = { NULL };
    size_t count = 0, used = 0;
    char names[400] = "";

    collect_systems(w->root, found, &count);
    if (count == 0)
        return vml_fail(err, VML_EDATA, "ovf/no-system", "the OVF describes no VirtualSystem");
    w->system = found[0];
    if (count == 1)
        return 0;
    for (size_t i = 0; i < count && i < SYSTEMS_MAX && used < sizeof names; i++) {
        const char *id = ovf_xml_attr(found[i], "id");

        used += (size_t)snprintf(names + used, sizeof names - used, "%s'%s'", i > 0 ? ", " : "",
                                 id != NULL ? id : "");
    }
    return vml_fail(err, VML_EUNSUPPORTED, "ovf/multi",
                    "%zu machines in one package, where one is expected: %s", count, names);
}

bool ovf_applies(const struct ovf_walk *w, const xmlNode *n)
{
    const char *list = ovf_xml_attr(n, "configuration");
    size_t want = strlen(w->configuration);

    if (list == NULL || w->configuration[0] == '\0')
        return true;
    while (*list != '\0') {
        size_t len = strcspn(list, " ");

        if (len == want && strncmp(list, w->configuration, len) == 0)
            return true;
        list += len;
        list += strspn(list, " ");
    }
    return false;
}

/* The default configuration, or the first one. */
static void find_configuration(struct ovf_walk *w)
{
    const xmlNode *options = section(w->root, NULL, "DeploymentOptionSection"), *chosen, *n;
    const char *id;

    if (options == NULL || (chosen = ovf_xml_child(options, NULL, "Configuration")) == NULL)
        return;
    for (n = chosen; n != NULL; n = ovf_xml_child(options, n, "Configuration")) {
        const char *is_default = ovf_xml_attr(n, "default");

        if (is_default != NULL && (strcmp(is_default, "true") == 0 || strcmp(is_default, "1") == 0))
            chosen = n;
    }
    id = ovf_xml_attr(chosen, "id");
    if (id == NULL)
        return;
    snprintf(w->configuration, sizeof w->configuration, "%s", id);
    vml_note(&w->out->notes, "ovf/configuration",
             "of several configurations '%s' is taken, the default", id);
}

/* --- the machine ---------------------------------------------------------------------------- */

bool ovf_is_item(const xmlNode *n)
{
    return ovf_xml_is(n, "Item") || ovf_xml_is(n, "StorageItem");
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

static bool is_true(const char *value)
{
    return strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
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
            m->secure_boot = is_true(value);
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

static void read_machine(const struct ovf_walk *w)
{
    struct vml_machine *m = &w->out->machine;
    const xmlNode *os = section(w->system, NULL, "OperatingSystemSection");
    const xmlNode *cpus = find_resource(w, 3);
    const char *id = ovf_xml_attr(w->system, "id");
    const char *type = os != NULL ? ovf_xml_attr(os, "osType") : NULL;
    uint64_t n;

    ovf_child_text(w->system, "Name", m->name, sizeof m->name);
    if (m->name[0] == '\0' && id != NULL)
        snprintf(m->name, sizeof m->name, "%s", id);
    ovf_child_text(os, "Description", m->os, sizeof m->os);
    if (m->os[0] == '\0' && type != NULL)
        snprintf(m->os, sizeof m->os, "%s", type);
    n = cpus != NULL ? ovf_field_number(cpus, "VirtualQuantity", 0) : 0;
    m->cpus = n <= 4096 ? (unsigned)n : 0;
    read_memory(w, m);
    read_virtualbox(w, m);
    read_vmware_config(w, m);
}

/* --- all of it ------------------------------------------------------------------------------ */

int ovf_parse(struct ovf *out, const char *text, size_t len, struct vml_error *err)
{
    VML_AUTO(ovf_xml_freep) xmlDoc *doc = NULL;
    struct ovf_walk w = { .out = out };

    *out = (struct ovf){ 0 };
    if (len > OVF_SIZE_MAX)
        return vml_fail(err, VML_EDATA, "xml/limit", "XML of %zu bytes, more than %u", len,
                        OVF_SIZE_MAX);
    if (ovf_xml_load(&doc, text, len, err) < 0)
        return -1;
    w.root = xmlDocGetRootElement(doc);
    if (w.root == NULL || !ovf_xml_is(w.root, "Envelope"))
        return vml_fail(err, VML_EDATA, "ovf/envelope",
                        "not an OVF: the outermost element is '%s', not 'Envelope'",
                        w.root != NULL ? (const char *)w.root->name : "");
    if (section(w.root, NULL, "EncryptionSection") != NULL)
        return vml_fail(err, VML_EUNSUPPORTED, "ovf/encrypted", "the package is encrypted");
    if (find_system(&w, err) < 0)
        return -1;
    find_configuration(&w);
    w.references = ovf_xml_child(w.root, NULL, "References");
    w.disk_section = section(w.root, NULL, "DiskSection");
    w.hardware = section(w.system, NULL, "VirtualHardwareSection");
    while (w.hardware != NULL && !ovf_applies(&w, w.hardware))
        w.hardware = section(w.system, w.hardware, "VirtualHardwareSection");
    read_machine(&w);
    return ovf_read_disks(&w, err);
}

void ovf_clear(struct ovf *o)
{
    for (size_t i = 0; i < o->n_disks; i++) {
        free(o->disks[i].id);
        free(o->disks[i].href);
    }
    free(o->disks);
    vml_notes_clear(&o->notes);
    *o = (struct ovf){ 0 };
}
