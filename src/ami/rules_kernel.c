/* Paravirtual images: where EC2 has them, and what starts them.
 *
 * Such an image has no boot loader of its own: EC2 starts a kernel image (AKI), which here is in
 * every case one of its PV-GRUBs; that looks for /boot/grub/menu.lst on the root device.  They are
 * of a region and of an architecture. */
#include "ami/rules_local.h"

/* "User provided kernels" in the EC2 user guide, 1.05 as it is now, 1.04 and 1.03 as they were in
 * 2014 and 2013; those called hd0.  The newest of a region comes first.  Regions that are not here
 * have no paravirtual images. */
static const struct pv_grub {
    const char *region;
    int version; /* 105: 1.05 */
    const char *x86_64, *i386;
} pv_grubs[] = {
    { "us-east-1", 105, "aki-5c21674b", "aki-04206613" },
    { "us-east-1", 104, "aki-919dcaf8", "aki-8f9dcae6" },
    { "us-east-1", 103, "aki-88aa75e1", "aki-b6aa75df" },
    { "us-west-1", 105, "aki-59cc8239", "aki-43cf8123" },
    { "us-west-1", 104, "aki-880531cd", "aki-8e0531cb" },
    { "us-west-1", 103, "aki-f77e26b2", "aki-f57e26b0" },
    { "us-west-2", 105, "aki-70cb0e10", "aki-7a69931a" },
    { "us-west-2", 104, "aki-fc8f11cc", "aki-f08f11c0" },
    { "us-west-2", 103, "aki-fc37bacc", "aki-fa37baca" },
    { "eu-west-1", 105, "aki-dc9ed9af", "aki-1c9fd86f" },
    { "eu-west-1", 104, "aki-52a34525", "aki-68a3451f" },
    { "eu-west-1", 103, "aki-71665e05", "aki-75665e01" },
    { "eu-central-1", 105, "aki-931fe3fc", "aki-1419e57b" },
    { "ap-southeast-1", 105, "aki-73a50110", "aki-17a40074" },
    { "ap-southeast-1", 104, "aki-503e7402", "aki-ae3973fc" },
    { "ap-southeast-1", 103, "aki-fe1354ac", "aki-f81354aa" },
    { "ap-southeast-2", 105, "aki-66506305", "aki-ba5665d9" },
    { "ap-southeast-2", 104, "aki-c362fff9", "aki-cd62fff7" },
    { "ap-southeast-2", 103, "aki-31990e0b", "aki-33990e09" },
    { "ap-northeast-1", 105, "aki-7077ab11", "aki-f975a998" },
    { "ap-northeast-1", 104, "aki-176bf516", "aki-136bf512" },
    { "ap-northeast-1", 103, "aki-44992845", "aki-42992843" },
    { "sa-east-1", 105, "aki-912fbcfd", "aki-7cd34110" },
    { "sa-east-1", 104, "aki-5553f448", "aki-5b53f446" },
    { "sa-east-1", 103, "aki-c48f51d9", "aki-ca8f51d7" },
    { "us-gov-west-1", 105, "aki-9ee55bff", "aki-5ee9573f" },
    { "us-gov-west-1", 104, "aki-1de98d3e", "aki-1fe98d3c" },
    { "us-gov-west-1", 103, "aki-79a4c05a", "aki-7ba4c058" },
};
#define GPT_VERSION 104 /* the first that reads a GPT */

#define N_PV_GRUBS (sizeof pv_grubs / sizeof *pv_grubs)

static const struct pv_grub *find(const char *kernel)
{
    for (const struct pv_grub *p = pv_grubs; p < pv_grubs + N_PV_GRUBS; p++) {
        if (strcmp(p->x86_64, kernel) == 0 || strcmp(p->i386, kernel) == 0)
            return p;
    }
    return NULL;
}

static const char *of_architecture(const struct pv_grub *p, const char *architecture)
{
    if (strcmp(architecture, "x86_64") == 0)
        return p->x86_64;
    return strcmp(architecture, "i386") == 0 ? p->i386 : NULL;
}

const char *vml_rule_pv_grub(const char *region, const char *architecture)
{
    for (const struct pv_grub *p = pv_grubs; p < pv_grubs + N_PV_GRUBS; p++) {
        if (strcmp(p->region, region) == 0)
            return of_architecture(p, architecture);
    }
    return NULL;
}

/* What EC2 says to it is not known. */
int vml_rule_pv_region(const char *region, struct vml_error *err)
{
    if (vml_rule_pv_grub(region, "x86_64"))
        return 0;
    return vml_fail(err, VML_EREFUSED, "UnsupportedOperation",
                    "Region %s has no paravirtual images: they are in us-east-1, us-west-1, "
                    "us-west-2, eu-west-1, eu-central-1, ap-northeast-1, ap-southeast-1, "
                    "ap-southeast-2, sa-east-1 and us-gov-west-1",
                    region);
}

int vml_rule_pv_gpt(const char *kernel, struct vml_error *err)
{
    const struct pv_grub *p = find(kernel);
    if (!p || p->version >= GPT_VERSION)
        return 0;
    return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                    "Kernel %s is PV-GRUB 1.%02d, which cannot read the GPT of the root disk: "
                    "1.04 is the first that can, %s is the newest in %s",
                    kernel, p->version % 100,
                    vml_rule_pv_grub(p->region, strcmp(p->i386, kernel) == 0 ? "i386" : "x86_64"),
                    p->region);
}

static int rule_ids(const struct vml_image *a, struct vml_error *err)
{
    if (a->kernel[0] && !vml_is_id(a->kernel, "aki-"))
        return vml_fail(err, VML_EREFUSED, "InvalidKernelId.Malformed",
                        "The specified kernel ID is not valid: \"%s\" (expecting \"aki-...\")",
                        a->kernel);
    if (a->ramdisk[0] && !vml_is_id(a->ramdisk, "ari-"))
        return vml_fail(err, VML_EREFUSED, "InvalidRamDiskId.Malformed",
                        "The specified RAM disk ID is not valid: \"%s\" (expecting \"ari-...\")",
                        a->ramdisk);
    return 0;
}

static int rule_hvm(const struct vml_image *a, struct vml_error *err)
{
    const char *what = a->kernel[0] ? "kernel" : a->ramdisk[0] ? "RAM disk" : NULL;
    if (!what)
        return 0;
    return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                    "A %s ID can only be specified for virtualization type paravirtual", what);
}

/* Features that need hvm. */
static int rule_without(const struct vml_image *a, struct vml_error *err)
{
    const char *what = strcmp(a->platform, "windows") == 0     ? "Platform windows"
                       : strncmp(a->boot_mode, "uefi", 4) == 0 ? "Boot mode uefi"
                       : a->tpm[0]                             ? "A TPM"
                       : a->ena                                ? "Enhanced networking (ENA)"
                       : a->sriov[0]                           ? "Enhanced networking (SR-IOV)"
                                                               : NULL;
    if (what)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "%s needs virtualization type hvm", what);
    if (strcmp(a->architecture, "x86_64") != 0 && strcmp(a->architecture, "i386") != 0)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "Architecture %s needs virtualization type hvm", a->architecture);
    return 0;
}

/* The sentence about a kernel from elsewhere is what people met at RegisterImage. */
static int rule_pv_grub(const struct vml_image *a, struct vml_error *err)
{
    const struct pv_grub *p = find(a->kernel);
    const char *fits = vml_rule_pv_grub(a->region, a->architecture);
    if (!a->kernel[0])
        return vml_fail(err, VML_EREFUSED, "MissingParameter",
                        "The request must contain the parameter kernelId: %s in %s has %s",
                        a->architecture, a->region, fits);
    if (!p || strcmp(p->region, a->region) != 0)
        return vml_fail(err, VML_EREFUSED, "InvalidManifest",
                        "Invalid or unaccessible kernel id in ami manifest: %s%s%s; %s has %s",
                        a->kernel, p ? " is of " : "", p ? p->region : "", a->region, fits);
    if (strcmp(of_architecture(p, a->architecture), a->kernel) != 0)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "Kernel %s cannot start architecture %s: %s has %s", a->kernel,
                        a->architecture, a->region, fits);
    if (a->ramdisk[0])
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "You can't specify a RAM disk (%s) when using a PV-GRUB AKI (%s)",
                        a->ramdisk, a->kernel);
    return 0;
}

int vml_rule_kernel(const struct vml_image *a, struct vml_error *err)
{
    if (rule_ids(a, err) < 0)
        return -1;
    if (vml_is_hvm(a))
        return rule_hvm(a, err);
    if (rule_without(a, err) < 0 || vml_rule_pv_region(a->region, err) < 0)
        return -1;
    return rule_pv_grub(a, err);
}
