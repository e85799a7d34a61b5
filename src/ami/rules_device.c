/* Device names, as EC2's rules have them: those of HVM images and of paravirtual ones. */
#include "ami/rules_local.h"

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

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
    if (vml_is_one_of(device, roots) != root)
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

int vml_rule_devices_clash(const struct vml_image *a, struct vml_error *err)
{
    for (size_t i = 0; i < a->n_mappings; i++) {
        const char *device = a->mappings[i].device;
        for (size_t k = 0; k < i; k++) {
            const char *other = a->mappings[k].device;
            if (strcmp(other, device) == 0)
                return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                                "%s is being assigned to multiple times", device);
            if (devices_clash(other, device))
                return vml_fail(err, VML_EREFUSED, "InvalidBlockDeviceMapping",
                                "Device names %s and %s cannot be in one image", other, device);
        }
    }
    return 0;
}
