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
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ovf_walk.h"

#define SYSTEMS_MAX 64u

int(ovf_fault)(struct vml_error *err, const xmlNode *at, enum vml_code code, const char *slug,
               const char *fmt, ...)
{
    char text[600];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return vml_fail(err, code, slug, "line %ld: %s", xmlGetLineNo(at), text);
}

bool ovf_is_true(const char *value)
{
    return strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
}

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

const xmlNode *ovf_section(const xmlNode *parent, const xmlNode *after, const char *name)
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

/* "'a', 'b' (of the name 'B')" into buf, cut to fit. */
static void list_systems(const xmlNode *const *found, size_t count, char *buf, size_t cap)
{
    size_t used = 0;

    for (size_t i = 0; i < count && used < cap; i++) {
        const char *id = ovf_xml_attr(found[i], "id");
        char name[128];

        ovf_child_text(found[i], "Name", name, sizeof name);
        used += (size_t)snprintf(buf + used, cap - used, "%s'%s'", i > 0 ? ", " : "",
                                 id != NULL ? id : name);
        if (id != NULL && name[0] != '\0' && strcmp(id, name) != 0 && used < cap)
            used += (size_t)snprintf(buf + used, cap - used, " (%s)", name);
    }
}

/* The system with this id, else the only one with this Name.  *several: there are more of them. */
static const xmlNode *choose_system(const xmlNode *const *found, size_t count, const char *vm,
                                    bool *several)
{
    const xmlNode *by_name = NULL;
    char name[128];

    *several = false;
    for (size_t i = 0; i < count; i++) {
        const char *id = ovf_xml_attr(found[i], "id");

        if (id != NULL && strcmp(id, vm) == 0) {
            *several = false;
            return found[i];
        }
        if (strcmp(ovf_child_text(found[i], "Name", name, sizeof name), vm) != 0)
            continue;
        *several = by_name != NULL;
        by_name = found[i];
    }
    return by_name;
}

static int find_system(struct ovf_walk *w, const struct ovf_how *how, struct vml_error *err)
{
    const char *vm = how->vm;
    const xmlNode *found[SYSTEMS_MAX] = { NULL };
    size_t count = 0;
    char names[400] = "";
    bool several;

    collect_systems(w->root, found, &count);
    if (count == 0)
        return ovf_fault(err, w->root, VML_EDATA, "ovf/no-system",
                         "the OVF describes no VirtualSystem");
    if (count > SYSTEMS_MAX)
        return ovf_fault(err, found[SYSTEMS_MAX - 1], VML_EUNSUPPORTED, "ovf/multi",
                         "%zu machines in one package, more than %u", count, SYSTEMS_MAX);
    list_systems(found, count, names, sizeof names);
    w->several = count > 1 && !how->every;
    w->system = vm != NULL ? choose_system(found, count, vm, &several) : found[0];
    if (vm == NULL && count > 1 && how->every)
        vml_note(&w->out->notes, "ovf/multi", "%zu machines: %s", count, names);
    else if (vm == NULL && count > 1)
        return vml_fail(err, VML_EUNSUPPORTED, "ovf/multi",
                        "%zu machines in one package: choose one with --vm: %s", count, names);
    if (w->system == NULL)
        return vml_fail(err, VML_ENOTFOUND, "ovf/vm", "no machine is called '%s': there %s %s", vm,
                        count > 1 ? "are" : "is", names);
    if (vm != NULL && several)
        return vml_fail(err, VML_EUNSUPPORTED, "ovf/multi",
                        "several machines have the name '%s': choose one by its id: %s", vm, names);
    return 0;
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
    const xmlNode *options = ovf_section(w->root, NULL, "DeploymentOptionSection"), *chosen, *n;
    const char *id;

    if (options == NULL || (chosen = ovf_xml_child(options, NULL, "Configuration")) == NULL)
        return;
    for (n = chosen; n != NULL; n = ovf_xml_child(options, n, "Configuration")) {
        const char *is_default = ovf_xml_attr(n, "default");

        if (is_default != NULL && ovf_is_true(is_default))
            chosen = n;
    }
    id = ovf_xml_attr(chosen, "id");
    if (id == NULL)
        return;
    snprintf(w->configuration, sizeof w->configuration, "%s", id);
    vml_note(&w->out->notes, "ovf/configuration",
             "of several configurations '%s' is taken, the default", id);
}

/* --- what is not known ---------------------------------------------------------------------- */

static bool is_one_of(const xmlNode *n, const char *const *names)
{
    while (*names != NULL && !is_section(n, *names))
        names++;
    return *names != NULL;
}

/* What may stand in an item, or in the description of the hardware's family. */
static bool is_field(const xmlNode *n)
{
    static const char *const names[] = {
        "Address",
        "AddressOnParent",
        "AllocationUnits",
        "AutomaticAllocation",
        "AutomaticDeallocation",
        "Caption",
        "ChangeableType",
        "Connection",
        "ConsumerVisibility",
        "Description",
        "ElementName",
        "Generation",
        "HostResource",
        "InstanceID",
        "Limit",
        "MappingBehavior",
        "OtherResourceType",
        "Parent",
        "PoolID",
        "Reservation",
        "ResourceSubType",
        "ResourceType",
        "VirtualQuantity",
        "VirtualQuantityUnits",
        "Weight",
        "VirtualSystemIdentifier",
        "VirtualSystemType",
        NULL,
    };

    return is_one_of(n, names);
}

static bool is_known(const xmlNode *n)
{
    static const char *const names[] = {
        "References",
        "File",
        "Disk",
        "Strings",
        "Info",
        "Name",
        "VirtualSystem",
        "VirtualSystemCollection",
        "DiskSection",
        "NetworkSection",
        "DeploymentOptionSection",
        "SharedDiskSection",
        "ScaleOutSection",
        "PlacementGroupSection",
        "PlacementSection",
        "EncryptionSection",
        "AnnotationSection",
        "ProductSection",
        "EulaSection",
        "ResourceAllocationSection",
        "InstallSection",
        "StartupSection",
        "OperatingSystemSection",
        "VirtualHardwareSection",
        "EnvironmentFilesSection",
        "BootDeviceSection",
        "System",
        "Item",
        "StorageItem",
        "EthernetPortItem",
        NULL,
    };

    return is_one_of(n, names) || is_field(n);
}

static bool is_config(const xmlNode *n)
{
    return ovf_xml_is(n, "Config") || ovf_xml_is(n, "ExtraConfig");
}

/* Those that ovf_machine.c reads. */
static bool is_known_key(const char *key)
{
    return strcmp(key, "firmware") == 0 || strcmp(key, "bootOptions.efiSecureBootEnabled") == 0 ||
           strcmp(key, "uefi.secureBoot.enabled") == 0;
}

/* What says that it must be understood, and is not. */
static int check_required(const xmlNode *n, struct vml_error *err)
{
    const char *required = n->type == XML_ELEMENT_NODE ? ovf_xml_attr(n, "required") : NULL;
    const char *key;

    if (required == NULL || !ovf_is_true(required) || is_known(n))
        return 0;
    if (!is_config(n))
        return ovf_fault(err, n, VML_EUNSUPPORTED, "ovf/required",
                         "'%s' is required to be understood, and is not", n->name);
    key = ovf_xml_attr(n, "key");
    if (key != NULL && is_known_key(key))
        return 0;
    return ovf_fault(err, n, VML_EUNSUPPORTED, "ovf/required",
                     "setting '%s' is required to be understood, and is not",
                     key != NULL ? key : "");
}

/* What is passed over is passed over with all that is in it. */
static int check_below(const xmlNode *parent, struct vml_error *err)
{
    for (const xmlNode *n = parent != NULL ? parent->children : NULL; n != NULL; n = n->next)
        if (check_required(n, err) < 0 || (is_known(n) && check_below(n, err) < 0))
            return -1;
    return 0;
}

/* The standard means "required" of every section that does not say the contrary, but Ganeti and
 * VMware write some that say nothing: those are told. */
static int check_sections(const struct ovf_walk *w, const xmlNode *parent, struct vml_error *err)
{
    for (const xmlNode *n = parent->children; n != NULL; n = n->next) {
        if (check_required(n, err) < 0)
            return -1;
        if (n->type == XML_ELEMENT_NODE && !is_known(n) && !is_config(n) &&
            ovf_xml_attr(n, "required") == NULL)
            vml_note(&w->out->notes, "ovf/unknown", "line %ld: '%s' is not known: passed over",
                     xmlGetLineNo(n), n->name);
    }
    return 0;
}

/* Of the outermost element, of the machine, of what it is in, and all of what is read. */
static int check_known(const struct ovf_walk *w, struct vml_error *err)
{
    for (const xmlNode *n = w->system; n != NULL && n->type == XML_ELEMENT_NODE; n = n->parent)
        if (check_sections(w, n, err) < 0)
            return -1;
    return check_below(w->references, err) < 0 || check_below(w->disk_section, err) < 0 ||
                   check_below(w->hardware, err) < 0
               ? -1
               : 0;
}

/* --- all of it ------------------------------------------------------------------------------ */

int ovf_parse(struct ovf *out, const char *text, size_t len, const struct ovf_how *how,
              struct vml_error *err)
{
    VML_AUTO(ovf_xml_freep) xmlDoc *doc = NULL;
    struct ovf_walk w = { .out = out, .look = how->look };
    const xmlNode *encryption;

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
    encryption = ovf_section(w.root, NULL, "EncryptionSection");
    if (encryption != NULL)
        return ovf_fault(err, encryption, VML_EUNSUPPORTED, "ovf/encrypted",
                         "the package is encrypted");
    if (find_system(&w, how, err) < 0)
        return -1;
    find_configuration(&w);
    w.references = ovf_xml_child(w.root, NULL, "References");
    w.disk_section = ovf_section(w.root, NULL, "DiskSection");
    w.hardware = ovf_section(w.system, NULL, "VirtualHardwareSection");
    while (w.hardware != NULL && !ovf_applies(&w, w.hardware))
        w.hardware = ovf_section(w.system, w.hardware, "VirtualHardwareSection");
    if (check_known(&w, err) < 0)
        return -1;
    ovf_read_machine(&w);
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
