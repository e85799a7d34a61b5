/* What the machine in an OVA is to be: what its source says, unless -o says otherwise, and of both
 * what VMware has. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ova.h"

#define CPUS_MAX    768u                 /* vSphere 8's */
#define MEMORY_MAX  (UINT64_C(24) << 40) /* likewise */
#define MEMORY_UNIT (UINT64_C(4) << 20)  /* VMware takes multiples of it */
#define NETWORK     "VM Network"         /* ESXi's first port group */

const struct vml_option ova_options[] = {
    { "manifest", "digests: sha256, sha1, sha512 or none (sha256)" },
    { "hw", "VMware's virtual hardware: vmx-NN" },
    { "cpus", "number of virtual CPUs" },
    { "memory", "size of the memory, a multiple of 4M" },
    { "firmware", "bios or efi" },
    { "secure_boot", "on or off" },
    { "name", "the machine's name, after which its files are called" },
    { "os", "the guest: one of VMware's identifiers (debian11_64Guest), or a description" },
    { "network", "NAME+NAME..: a network adapter on each; none" },
    { "adapter", "of all disks: lsilogic, lsilogicsas, buslogic, pvscsi, sata, nvme, ide" },
    { "level", "deflate level, 1 (fast) to 9; stored grains are passed on without it" },
    { 0 },
};

static int bad_value(const char *name, const char *text, const char *allowed, struct vml_error *err)
{
    return vml_fail(err, VML_EUSAGE, "image/option", "option '%s': '%s' is not %s", name, text,
                    allowed);
}

/* --- small ones ----------------------------------------------------------------------------- */

static int choose_manifest(struct ova_choice *o, const struct vml_create *c, struct vml_error *err)
{
    char buf[64];
    const char *text = vml_create_option(c, "manifest", "sha256", buf);

    o->algorithm = OVA_NO_MANIFEST;
    if (strcmp(text, "none") == 0)
        return 0;
    for (unsigned i = 0; i < MANIFEST_ALGORITHMS; i++)
        if (i != MANIFEST_SHA224 && i != MANIFEST_SHA384 &&
            strcmp(text, manifest_algorithms[i].name) == 0) {
            o->algorithm = i;
            return 0;
        }
    return bad_value("manifest", text, "one of sha256, sha1, sha512, none", err);
}

/* Decimal digits only, from min to max. */
static bool parse_count(unsigned *out, const char *text, unsigned min, unsigned max)
{
    size_t n = strspn(text, "0123456789");

    if (n == 0 || n > 6 || text[n] != '\0')
        return false;
    *out = (unsigned)strtoul(text, NULL, 10);
    return *out >= min && *out <= max;
}

static int choose_size(struct vml_machine *m, const struct vml_create *c, struct vml_error *err)
{
    char buf[64];
    const char *cpus = vml_create_option(c, "cpus", NULL, buf), *memory;

    if (cpus != NULL && !parse_count(&m->cpus, cpus, 1, CPUS_MAX))
        return vml_fail(err, VML_EUSAGE, "image/option",
                        "option 'cpus': '%s' is not a number from 1 to %u", cpus, CPUS_MAX);
    memory = vml_create_option(c, "memory", NULL, buf);
    if (memory == NULL)
        return 0;
    if (vml_size_parse(&m->memory, memory, err) < 0)
        return -1;
    if (m->memory == 0 || m->memory > MEMORY_MAX || m->memory % MEMORY_UNIT != 0)
        return bad_value("memory", memory, "a multiple of 4M up to 24T", err);
    return 0;
}

static int choose_firmware(struct vml_machine *m, const struct vml_create *c, struct vml_error *err)
{
    char buf[64], secure_buf[64];
    const char *firmware = vml_create_option(c, "firmware", NULL, buf);
    const char *secure = vml_create_option(c, "secure_boot", NULL, secure_buf);

    if (firmware != NULL && strcmp(firmware, "efi") != 0 && strcmp(firmware, "uefi") != 0 &&
        strcmp(firmware, "bios") != 0)
        return bad_value("firmware", firmware, "bios or efi", err);
    if (secure != NULL && strcmp(secure, "on") != 0 && strcmp(secure, "off") != 0)
        return bad_value("secure_boot", secure, "on or off", err);
    if (firmware != NULL)
        m->firmware = strcmp(firmware, "bios") == 0 ? VML_FIRMWARE_BIOS : VML_FIRMWARE_UEFI;
    if (secure != NULL)
        m->secure_boot = strcmp(secure, "on") == 0;
    if (m->secure_boot && m->firmware == VML_FIRMWARE_UNKNOWN)
        m->firmware = VML_FIRMWARE_UEFI; /* no other has it */
    if (m->secure_boot && m->firmware == VML_FIRMWARE_BIOS && secure != NULL)
        return vml_fail(err, VML_EUSAGE, "image/option",
                        "option 'secure_boot': a BIOS has none; firmware=efi has");
    m->secure_boot = m->secure_boot && m->firmware == VML_FIRMWARE_UEFI;
    return 0;
}

/* One of VMware's identifiers: "debian11_64Guest", "otherGuest64". */
static bool is_os_type(const char *os)
{
    const char *end = strstr(os, "Guest");

    return end != NULL && (end[5] == '\0' || strcmp(end + 5, "64") == 0) &&
           strlen(os) < sizeof((struct vml_machine *)NULL)->os_type &&
           strspn(os, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
               strlen(os);
}

static int choose_words(struct vml_machine *m, const struct vml_create *c, struct vml_error *err)
{
    char buf[64];
    const char *name = vml_create_option(c, "name", NULL, buf), *os;

    if (name != NULL && name[0] == '\0')
        return bad_value("name", name, "a name", err);
    if (name != NULL)
        snprintf(m->name, sizeof m->name, "%s", name);
    os = vml_create_option(c, "os", NULL, buf);
    if (os == NULL)
        return 0;
    snprintf(m->os, sizeof m->os, "%s", os);
    snprintf(m->os_type, sizeof m->os_type, "%s", is_os_type(os) ? os : "");
    m->os_id = 0;
    return 0;
}

/* What every system and every tar reader takes. */
static void plain_name(char out[80], const char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len && n < 70; i++) {
        unsigned char c = (unsigned char)text[i];
        bool plain = c < 0x80 && (isalnum(c) || c == '_' || (n > 0 && (c == '-' || c == '.')));

        out[n++] = plain ? text[i] : '_';
    }
    out[n] = '\0';
    if (n == 0)
        memcpy(out, "vm", 3);
}

/* Of the files: the option's, else the output's file name without its suffix. */
static void choose_file_name(struct ova_choice *o, const struct vml_create *c, const char *path)
{
    char buf[64];
    const char *name = vml_create_option(c, "name", NULL, buf);
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(base, '.');

    if (name != NULL)
        plain_name(o->name, name, strlen(name));
    else
        plain_name(o->name, base, dot != NULL && dot != base ? (size_t)(dot - base) : strlen(base));
}

/* --- networks ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned hardware; /* the first vmx-NN that has it */
} models[] = {
    { "E1000", 4 },  { "E1000e", 8 },  { "VmxNet3", 7 },
    { "VmxNet", 4 }, { "VmxNet2", 4 }, { "PCNet32", 4 },
};
enum { N_MODELS = sizeof models / sizeof models[0] };

/* The first of a list that VMware has; NULL: none. */
static const char *find_model(const char *list)
{
    static const char separators[] = " ,;\t";

    for (list += strspn(list, separators); *list != '\0'; list += strspn(list, separators)) {
        size_t len = strcspn(list, separators);

        for (size_t i = 0; i < N_MODELS; i++)
            if (strlen(models[i].name) == len && strncasecmp(models[i].name, list, len) == 0)
                return models[i].name;
        list += len;
    }
    return NULL;
}

/* As many adapters as there are names, divided by "+"; the models stay, and the last one's goes on.
 */
static int name_networks(struct vml_machine *m, char *names, struct vml_error *err)
{
    char last[sizeof m->nics[0].model] = "";
    unsigned known = m->n_nics;

    m->n_nics = 0;
    if (strcmp(names, "none") == 0)
        return 0;
    for (char *name = names, *end; name != NULL; name = end) {
        struct vml_nic *nic = &m->nics[m->n_nics];

        end = strchr(name, '+');
        if (end != NULL)
            *end++ = '\0';
        if (name[0] == '\0')
            return vml_fail(err, VML_EUSAGE, "image/option",
                            "option 'network': network %u has no name", m->n_nics + 1);
        if (m->n_nics == VML_NICS_MAX)
            return vml_fail(err, VML_EUSAGE, "image/option",
                            "option 'network': more than the %u that a machine can have",
                            VML_NICS_MAX);
        if (m->n_nics++ >= known)
            memcpy(nic->model, last, sizeof last);
        memcpy(last, nic->model, sizeof last);
        snprintf(nic->network, sizeof nic->network, "%s", name);
    }
    return 0;
}

static int choose_networks(struct vml_machine *m, const struct vml_create *c,
                           struct vml_notes *notes, struct vml_error *err)
{
    char names[64];

    /* A lone disk says nothing of its machine.  A description that does, and has no adapter, means
     * that. */
    if (m->n_nics == 0 && m->hardware[0] == '\0')
        m->nics[m->n_nics++] = (struct vml_nic){ .network = NETWORK };
    if (vml_create_option(c, "network", NULL, names) != NULL && name_networks(m, names, err) < 0)
        return -1;
    for (unsigned i = 0; i < m->n_nics; i++) {
        struct vml_nic *nic = &m->nics[i];
        const char *model = find_model(nic->model);

        if (nic->network[0] == '\0')
            snprintf(nic->network, sizeof nic->network, "%s", NETWORK);
        if (model == NULL && nic->model[0] != '\0')
            vml_note(notes, "ova/network-model",
                     "network adapter %u is a '%s', which VMware has not: an E1000 is written",
                     i + 1, nic->model);
        snprintf(nic->model, sizeof nic->model, "%s", model != NULL ? model : "E1000");
    }
    return 0;
}

/* --- controllers ---------------------------------------------------------------------------- */

static int choose_adapter(struct ova_choice *o, const struct vml_create *c, struct vml_error *err)
{
    char buf[64], allowed[160] = "one of ";
    const char *text = vml_create_option(c, "adapter", NULL, buf);

    if (text == NULL || (o->adapter = ovf_controller_named(text)) != NULL)
        return 0;
    ovf_controller_names(allowed + strlen(allowed), sizeof allowed - strlen(allowed));
    return bad_value("adapter", text, allowed, err);
}

const struct ovf_controller_type *ova_disk_adapter(const struct ova_choice *o, const char *source,
                                                   struct vml_notes *notes)
{
    const struct ovf_controller_type *type = o->adapter;

    if (type == NULL && source[0] != '\0') {
        type = ovf_controller_spelled(source);
        if (type == NULL)
            vml_note(notes, "ova/controller",
                     "a disk hangs on a '%s', which VMware has not: lsilogic is written", source);
    }
    return type != NULL ? type : ovf_controller_named("lsilogic");
}

/* --- virtual hardware ----------------------------------------------------------------------- */

/* The NN of vmx-NN, len characters; 0: it is none. */
static unsigned vmx_version(const char *text, size_t len)
{
    unsigned digits = 0, n = 0;

    if (len < 5 || len > 6 || strncmp(text, "vmx-", 4) != 0)
        return 0;
    for (size_t i = 4; i < len; i++, digits++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        n = 10 * n + (unsigned)(text[i] - '0');
    }
    return n;
}

/* The newest in a list of families that the machine was made for. */
static unsigned newest_vmx(const char *list)
{
    unsigned newest = 0;

    for (list += strspn(list, " ,"); *list != '\0'; list += strspn(list, " ,")) {
        size_t len = strcspn(list, " ,");
        unsigned n = vmx_version(list, len);

        newest = n > newest ? n : newest;
        list += len;
    }
    return newest;
}

/* The first version that has all of it, and what asks for that. */
static unsigned needed(const struct ova_choice *o, const struct ovf_controllers *disks,
                       const char **what)
{
    const struct vml_machine *m = &o->machine;
    unsigned most = 4;

    *what = "a virtual machine";
    for (size_t i = 0; i < disks->n; i++)
        if (disks->items[i].type->hardware > most) {
            most = disks->items[i].type->hardware;
            *what = disks->items[i].type->name;
        }
    for (unsigned i = 0; i < m->n_nics; i++)
        for (size_t k = 0; k < N_MODELS; k++)
            if (strcmp(models[k].name, m->nics[i].model) == 0 && models[k].hardware > most) {
                most = models[k].hardware;
                *what = models[k].name;
            }
    if (m->firmware == VML_FIRMWARE_UEFI && most < 8) {
        most = 8;
        *what = "EFI";
    }
    if (m->secure_boot && most < OVA_SECURE_HARDWARE) {
        most = OVA_SECURE_HARDWARE;
        *what = "secure boot";
    }
    return most;
}

int ova_choose_hardware(struct ova_choice *o, const struct vml_create *c,
                        const struct ovf_controllers *disks, struct vml_notes *notes,
                        struct vml_error *err)
{
    char buf[64];
    const char *text = vml_create_option(c, "hw", NULL, buf), *what;
    char *family = o->machine.hardware;
    unsigned least = needed(o, disks, &what), version = newest_vmx(family);

    if (text != NULL) {
        version = strlen(text) == 6 ? vmx_version(text, 6) : 0;
        if (version == 0)
            return bad_value("hw", text, "vmx-NN", err);
        if (version < least)
            return vml_fail(err, VML_EUSAGE, "image/option",
                            "option 'hw': %s has no %s, which came with vmx-%02u", text, what,
                            least);
    } else if (version == 0) {
        version = least > OVA_HARDWARE ? least : OVA_HARDWARE;
        if (family[0] != '\0')
            vml_note(notes, "ova/hardware",
                     "the machine was made for '%s', which VMware has not: vmx-%02u is written",
                     family, version);
    } else if (version < least) {
        vml_note(notes, "ova/hardware",
                 "vmx-%02u has no %s: vmx-%02u is written, which is the first that has", version,
                 what, least);
        version = least;
    }
    o->hardware = version;
    snprintf(family, sizeof o->machine.hardware, "vmx-%02u", version);
    return 0;
}

/* --- all of them ---------------------------------------------------------------------------- */

int ova_choose(struct ova_choice *o, const struct vml_machine *source, const struct vml_create *c,
               const char *path, struct vml_notes *notes, struct vml_error *err)
{
    char buf[64];
    const char *level = vml_create_option(c, "level", NULL, buf);

    *o = (struct ova_choice){ .machine = *source };
    choose_file_name(o, c, path);
    if (level != NULL && !parse_count(&o->level, level, 1, 9))
        return bad_value("level", level, "from 1 to 9", err);
    if (choose_manifest(o, c, err) < 0 || choose_size(&o->machine, c, err) < 0 ||
        choose_firmware(&o->machine, c, err) < 0 || choose_words(&o->machine, c, err) < 0 ||
        choose_adapter(o, c, err) < 0)
        return -1;
    return choose_networks(&o->machine, c, notes, err);
}
