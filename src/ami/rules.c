/* What EC2 would refuse, with its error codes and, where they are known, its words.  Pure: nothing
 * is read and nothing changed, so the shell and any endpoint say the same of the same record.
 *
 * Where EC2's own reaction is not documented the strict answer is given.  Device names, volumes and
 * paravirtual images have rules of their own: rules_device.c, rules_volume.c, rules_kernel.c. */
#include "ami/rules_local.h"

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

/* --- the record ----------------------------------------------------------------------------- */

static int rule_enum(const char *parameter, const char *value, const char *const *words,
                     struct vml_error *err)
{
    if (vml_is_one_of(value, words))
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

/* A word that may be missing. */
static int rule_option(const char *parameter, const char *value, const char *const *words,
                       struct vml_error *err)
{
    return value[0] ? rule_enum(parameter, value, words, err) : 0;
}

static int rule_words(const struct vml_image *a, struct vml_error *err)
{
    static const char *const architectures[] = { "i386",       "x86_64",    "arm64",
                                                 "x86_64_mac", "arm64_mac", NULL };
    static const char *const virtualizations[] = { "hvm", "paravirtual", NULL };
    static const char *const root_types[] = { "ebs", VML_INSTANCE_STORE, NULL };
    static const char *const boot_modes[] = { "legacy-bios", "uefi", "uefi-preferred", NULL };
    static const char *const platforms[] = { "windows", NULL };
    static const char *const versions[] = { "v2.0", NULL };
    static const char *const sriov[] = { "simple", NULL };
    if (rule_enum("architecture", a->architecture, architectures, err) < 0 ||
        rule_enum("virtualizationType", a->virtualization, virtualizations, err) < 0 ||
        rule_enum("rootDeviceType", a->root_type, root_types, err) < 0)
        return -1;
    return rule_option("bootMode", a->boot_mode, boot_modes, err) < 0 ||
                   rule_option("platform", a->platform, platforms, err) < 0 ||
                   rule_option("tpmSupport", a->tpm, versions, err) < 0 ||
                   rule_option("imdsSupport", a->imds, versions, err) < 0 ||
                   rule_option("sriovNetSupport", a->sriov, sriov, err) < 0
               ? -1
               : 0;
}

static int rule_boot(const struct vml_image *a, struct vml_error *err)
{
    if (strncmp(a->architecture, "arm64", 5) == 0 && a->boot_mode[0] &&
        strcmp(a->boot_mode, "uefi") != 0)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "Architecture %s boots in mode uefi only, not %s", a->architecture,
                        a->boot_mode);
    if (a->tpm[0] && strcmp(a->boot_mode, "uefi") != 0)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "TPM %s needs boot mode uefi, not %s", a->tpm,
                        a->boot_mode[0] ? a->boot_mode : "one that is not said");
    return 0;
}

/* BUCKET/KEY, where the bundle's manifest is. */
static bool is_location(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-";
    size_t bucket = strspn(text, allowed), len;
    return bucket >= 3 && text[bucket] == '/' && text[bucket + 1] && vml_utf8_count(text, &len);
}

static int rule_location(const struct vml_image *a, struct vml_error *err)
{
    const char *location = a->location ? a->location : "";
    if (strcmp(a->root_type, "ebs") == 0)
        return location[0] ? vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                                      "An image location (%.128s) and a root snapshot cannot be "
                                      "specified together",
                                      location)
                           : 0;
    if (!location[0])
        return vml_fail(err, VML_EREFUSED, "MissingParameter",
                        "The request must contain the parameter imageLocation: the manifest of "
                        "an instance-store image");
    if (!is_location(location))
        return vml_fail(err, VML_EREFUSED, "InvalidManifest",
                        "Invalid image location: \"%.128s\" (expecting "
                        "\"BUCKET/NAME.manifest.xml\")",
                        location);
    return 0;
}

static int rule_codes(const struct vml_image *a, struct vml_error *err)
{
    for (size_t i = 0; i < a->marks.n_codes; i++) {
        const struct vml_product_code *c = &a->marks.codes[i];
        if (strcmp(c->type, VML_PRODUCT_BILLING) == 0 && !vml_is_id(c->code, "bp-"))
            return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                            "Invalid billing product: \"%s\" (expecting \"bp-...\")", c->code);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(a->marks.codes[k].type, c->type) == 0 &&
                strcmp(a->marks.codes[k].code, c->code) == 0)
                return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                                "Duplicate %s product code '%s' specified", c->type, c->code);
        }
    }
    return 0;
}

int vml_rule_record(const struct vml_image *a, struct vml_error *err)
{
    if (vml_rule_name(a->name, err) < 0 || vml_rule_account(a->owner, err) < 0 ||
        vml_rule_region(a->region, err) < 0 || vml_rule_description(a->description, err) < 0 ||
        vml_rule_tags(a->marks.tags, a->marks.n_tags, err) < 0 || rule_words(a, err) < 0 ||
        rule_codes(a, err) < 0 || vml_rule_kernel(a, err) < 0 || rule_boot(a, err) < 0 ||
        rule_location(a, err) < 0)
        return -1;
    return vml_rule_device(a->root_device, a->virtualization, true, err);
}

/* --- mappings ------------------------------------------------------------------------------- */

static int rule_root(const struct vml_image *a, struct vml_error *err)
{
    const struct vml_mapping *root = vml_image_root(a);
    bool ebs = strcmp(a->root_type, "ebs") == 0;
    if (ebs && (!root || !root->snapshot[0]))
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "No root snapshot specified in device mapping");
    if (!ebs && root)
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "The root device %s of an instance-store image comes from its manifest "
                        "and cannot be mapped",
                        root->device);
    return 0;
}

int vml_rule_register(const struct vml_image *a, const uint64_t *snapshot_size,
                      struct vml_error *err)
{
    if (vml_rule_record(a, err) < 0 || (snapshot_size && rule_root(a, err) < 0))
        return -1;
    if (a->n_mappings > VML_MAPPINGS_MAX)
        return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                        "%zu device mappings, at most %d allowed", a->n_mappings, VML_MAPPINGS_MAX);
    for (size_t i = 0; i < a->n_mappings; i++) {
        const struct vml_mapping *m = &a->mappings[i];
        bool is_root = strcmp(m->device, a->root_device) == 0;
        if (vml_rule_device(m->device, a->virtualization, is_root, err) < 0 ||
            vml_rule_mapping(a, m, snapshot_size ? &snapshot_size[i] : NULL, err) < 0)
            return -1;
    }
    return vml_rule_devices_clash(a, err);
}
