/* What EC2 would refuse, with its error codes and, where they are known, its words.  Pure: nothing
 * is read and nothing changed, so the shell and any endpoint say the same of the same record.
 *
 * Where EC2's own reaction is not documented the strict answer is given. */
#include <inttypes.h>
#include <string.h>

#include "vmlift/rules.h"

#define NAME_MIN       3
#define NAME_MAX_CHARS 128

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_one_of(const char *word, const char *const *words)
{
    while (*words && strcmp(word, *words) != 0)
        words++;
    return *words != NULL;
}

/* --- words ---------------------------------------------------------------------------------- */

int vml_rule_name(const char *name, struct vml_error *err)
{
    /* EC2's sentence leaves out the space and []'@, which its API reference allows. */
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "()[] ./-'@_";
    size_t len = strlen(name);
    if (len < NAME_MIN || len > NAME_MAX_CHARS || strspn(name, allowed) != len)
        return vml_fail(err, VML_EREFUSED, "InvalidAMIName.Malformed",
                        "AMI names must be between 3 and 128 characters long, and may contain "
                        "letters, numbers, '(', ')', '.', '-', '/' and '_'");
    return 0;
}

int vml_rule_account(const char *account, struct vml_error *err)
{
    if (strlen(account) != 12 || strspn(account, "0123456789") != 12)
        return vml_fail(err, VML_EREFUSED, "InvalidUserID.Malformed",
                        "Invalid user id: \"%.64s\" (expecting 12 digits)", account);
    return 0;
}

/* Three or more words joined by '-', the last a number: us-east-1, us-gov-west-1. */
int vml_rule_region(const char *region, struct vml_error *err)
{
    const char *p = region;
    size_t words = 0;
    while (is_lower(*p)) {
        while (is_lower(*p))
            p++;
        words++;
        if (*p == '-')
            p++;
    }
    bool numbered = is_digit(*p) && p > region && p[-1] == '-';
    while (is_digit(*p))
        p++;
    if (words < 2 || !numbered || *p != '\0' ||
        strlen(region) >= sizeof((struct vml_image *)0)->region)
        return vml_fail(err, VML_EREFUSED, "InvalidRegion",
                        "Invalid region: \"%.64s\" (expecting one like \"us-east-1\")", region);
    return 0;
}

/* --- device names --------------------------------------------------------------------------- */

/* "", or 1 .. 15 without a leading zero. */
static bool is_partition(const char *p)
{
    if (*p == '\0')
        return true;
    if (p[0] == '1' && is_digit(p[1]))
        return p[1] <= '5' && p[2] == '\0';
    return p[0] >= '1' && p[0] <= '9' && p[1] == '\0';
}

/* Disks only, but for sda1 (the root's) and sda2; sda and xvda1 are refused in practice though the
 * guide's table has the first. */
static bool is_hvm_device(const char *device)
{
    if (strcmp(device, "/dev/sda1") == 0 || strcmp(device, "/dev/sda2") == 0)
        return true;
    if (strncmp(device, "/dev/sd", 7) == 0)
        return is_lower(device[7]) && device[7] != 'a' && device[8] == '\0';
    if (strncmp(device, "/dev/xvd", 8) != 0 || !is_lower(device[8]))
        return false;
    return device[9] == '\0' || (device[8] <= 'd' && is_lower(device[9]) && device[10] == '\0');
}

static bool is_paravirtual_device(const char *device)
{
    bool disk = strncmp(device, "/dev/sd", 7) == 0 || strncmp(device, "/dev/hd", 7) == 0;
    return disk && is_lower(device[7]) && is_partition(device + 8);
}

int vml_rule_device(const char *device, const char *virtualization, bool root,
                    struct vml_error *err)
{
    static const char *const hvm_roots[] = { "/dev/sda1", "/dev/xvda", NULL };
    static const char *const paravirtual_roots[] = { "/dev/sda1", "/dev/sda", NULL };
    bool hvm = strcmp(virtualization, "hvm") == 0;
    const char *const *roots = hvm ? hvm_roots : paravirtual_roots;
    if (!(hvm ? is_hvm_device(device) : is_paravirtual_device(device)))
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "Invalid device name %.40s for a %s image", device, virtualization);
    if (is_one_of(device, roots) != root)
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "Invalid device name %s: %s and %s are the root's of a %s image%s", device,
                        roots[0], roots[1], virtualization, root ? ", and no others" : "");
    return 0;
}

int vml_rule_nth_device(char out[32], const char *root_device, size_t i, struct vml_error *err)
{
    /* What EC2 recommends for volumes first, what it leaves to instance stores last. */
    static const char letters[] = "fghijklmnopqrstuvwxyzbcde";
    if (i > sizeof letters - 1)
        return vml_fail(err, VML_EREFUSED, "ami/too-many-disks",
                        "disk %zu: an image has device names for at most %zu disks", i + 1,
                        sizeof letters);
    size_t len = strlen(i == 0 ? root_device : "/dev/sdX");
    if (len >= 32)
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping", "Invalid device name %.40s",
                        root_device);
    memcpy(out, i == 0 ? root_device : "/dev/sdX", len + 1);
    if (i > 0)
        out[7] = letters[i - 1];
    return 0;
}

/* --- the record ----------------------------------------------------------------------------- */

static int rule_enum(const char *parameter, const char *value, const char *const *words,
                     struct vml_error *err)
{
    if (is_one_of(value, words))
        return 0;
    char list[128] = "";
    for (size_t used = 0; *words; words++) {
        size_t len = strlen(*words);
        if (used + len + 3 > sizeof list)
            break;
        if (used > 0)
            used = (size_t)(stpcpy(list + used, ", ") - list);
        used = (size_t)(stpcpy(list + used, *words) - list);
    }
    return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                    "Value (%.64s) for parameter %s is invalid: it is one of %s", value, parameter,
                    list);
}

static int rule_boot(const struct vml_image *a, struct vml_error *err)
{
    static const char *const architectures[] = { "i386",       "x86_64",    "arm64",
                                                 "x86_64_mac", "arm64_mac", NULL };
    static const char *const virtualizations[] = { "hvm", "paravirtual", NULL };
    static const char *const boot_modes[] = { "legacy-bios", "uefi", "uefi-preferred", NULL };
    if (rule_enum("architecture", a->architecture, architectures, err) < 0 ||
        rule_enum("virtualizationType", a->virtualization, virtualizations, err) < 0)
        return -1;
    if (a->boot_mode[0] && rule_enum("bootMode", a->boot_mode, boot_modes, err) < 0)
        return -1;
    bool hvm = strcmp(a->virtualization, "hvm") == 0;
    bool arm = strncmp(a->architecture, "arm64", 5) == 0;
    if (!hvm && strncmp(a->boot_mode, "uefi", 4) == 0)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "Boot mode %s needs virtualization type hvm", a->boot_mode);
    if (!hvm && arm)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "Architecture %s needs virtualization type hvm", a->architecture);
    if (!hvm && strcmp(a->platform, "windows") == 0)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "Windows needs virtualization type hvm");
    if (arm && a->boot_mode[0] && strcmp(a->boot_mode, "uefi") != 0)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "Architecture %s boots in mode uefi only, not %s", a->architecture,
                        a->boot_mode);
    return 0;
}

int vml_rule_record(const struct vml_image *a, struct vml_error *err)
{
    if (vml_rule_name(a->name, err) < 0 || vml_rule_account(a->owner, err) < 0 ||
        vml_rule_region(a->region, err) < 0 || vml_rule_description(a->description, err) < 0 ||
        vml_rule_tags(a->marks.tags, a->marks.n_tags, err) < 0 || rule_boot(a, err) < 0)
        return -1;
    return vml_rule_device(a->root_device, a->virtualization, true, err);
}

/* --- mappings ------------------------------------------------------------------------------- */

struct volume_type {
    const char *name;
    uint64_t min_gib, max_gib;
    bool boots;
};
static const struct volume_type volume_types[] = {
    { "gp3", 1, 65536, true },    { "gp2", 1, 16384, true },     { "io1", 4, 16384, true },
    { "io2", 4, 65536, true },    { "standard", 1, 1024, true }, { "st1", 125, 16384, false },
    { "sc1", 125, 16384, false },
};

static const struct volume_type *volume_type(const char *name)
{
    for (size_t i = 0; i < sizeof volume_types / sizeof *volume_types; i++) {
        if (strcmp(volume_types[i].name, name) == 0)
            return &volume_types[i];
    }
    return NULL;
}

static int rule_volume(const struct vml_mapping *m, bool root, uint64_t snapshot_size,
                       struct vml_error *err)
{
    const struct volume_type *type = volume_type(m->volume_type);
    if (!type)
        return vml_fail(err, VML_EREFUSED, "UnknownVolumeType", "Unsupported volume type '%s'",
                        m->volume_type);
    if (root && !type->boots)
        return vml_fail(err, VML_EREFUSED, "BootForVolumeTypeUnsupported",
                        "Volume type %s cannot be the boot volume %s", type->name, m->device);
    if (!m->snapshot[0] && m->size_gib == 0)
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "Either snapshot ID or volume size must be provided for: %s", m->device);
    uint64_t least = m->snapshot[0] ? vml_div_up(snapshot_size, VML_GIB) : 0;
    if (m->size_gib < least)
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "Volume of size %" PRIu64
                        "GB is smaller than snapshot '%s', expect size >= %" PRIu64 "GB",
                        m->size_gib, m->snapshot, least);
    if (m->size_gib < type->min_gib || m->size_gib > type->max_gib)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "Volume of size %" PRIu64 "GB for %s: type %s has %" PRIu64 " to %" PRIu64
                        "GB",
                        m->size_gib, m->device, type->name, type->min_gib, type->max_gib);
    if (m->encrypted && m->snapshot[0])
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "the encrypted flag cannot be specified since device %s has a snapshot "
                        "specified",
                        m->device);
    return 0;
}

/* The same device, or (paravirtual) a disk and one of its partitions, whose names would clash in
 * the guest. */
static bool devices_clash(const char *a, const char *b)
{
    size_t len = strlen(a);
    if (len > strlen(b))
        return devices_clash(b, a);
    const char *rest = b + len;
    return strncmp(a, b, len) == 0 &&
           (*rest == '\0' || (!is_digit(b[len - 1]) && is_partition(rest)));
}

int vml_rule_register(const struct vml_image *a, const uint64_t *snapshot_size,
                      struct vml_error *err)
{
    if (vml_rule_record(a, err) < 0)
        return -1;
    const struct vml_mapping *root = vml_image_root(a);
    if (!root || !root->snapshot[0])
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "No root snapshot specified in device mapping");
    if (a->n_mappings > VML_MAPPINGS_MAX)
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "%zu device mappings, at most %d allowed", a->n_mappings, VML_MAPPINGS_MAX);
    for (size_t i = 0; i < a->n_mappings; i++) {
        const struct vml_mapping *m = &a->mappings[i];
        bool is_root = strcmp(m->device, a->root_device) == 0;
        if (vml_rule_device(m->device, a->virtualization, is_root, err) < 0)
            return -1;
        for (size_t k = 0; k < i; k++) {
            if (devices_clash(a->mappings[k].device, m->device))
                return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                                "Device names %s and %s cannot be in one image",
                                a->mappings[k].device, m->device);
        }
        if (rule_volume(m, is_root, snapshot_size[i], err) < 0)
            return -1;
    }
    return 0;
}
