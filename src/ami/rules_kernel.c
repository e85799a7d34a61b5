/* Paravirtual images: where EC2 has them, and what starts them. */
#include <string.h>

#include "vmlift/rules.h"

/* "User provided kernels" in the EC2 user guide: PV-GRUB 1.05, those called hd0. */
static const struct pv_grub {
    const char *region, *x86_64, *i386;
} pv_grubs[] = {
    { "us-east-1", "aki-5c21674b", "aki-04206613" },
    { "us-west-1", "aki-59cc8239", "aki-43cf8123" },
    { "us-west-2", "aki-70cb0e10", "aki-7a69931a" },
    { "eu-west-1", "aki-dc9ed9af", "aki-1c9fd86f" },
    { "eu-central-1", "aki-931fe3fc", "aki-1419e57b" },
    { "ap-southeast-1", "aki-73a50110", "aki-17a40074" },
    { "ap-southeast-2", "aki-66506305", "aki-ba5665d9" },
    { "ap-northeast-1", "aki-7077ab11", "aki-f975a998" },
    { "sa-east-1", "aki-912fbcfd", "aki-7cd34110" },
    { "us-gov-west-1", "aki-9ee55bff", "aki-5ee9573f" },
};

const char *vml_rule_pv_grub(const char *region, const char *architecture)
{
    for (size_t i = 0; i < sizeof pv_grubs / sizeof *pv_grubs; i++) {
        if (strcmp(pv_grubs[i].region, region) == 0)
            return strcmp(architecture, "x86_64") == 0 ? pv_grubs[i].x86_64
                   : strcmp(architecture, "i386") == 0 ? pv_grubs[i].i386
                                                       : NULL;
    }
    return NULL;
}

int vml_rule_pv_region(const char *region, struct vml_error *err)
{
    return vml_rule_pv_grub(region, "x86_64")
               ? 0
               : vml_fail(err, VML_EREFUSED, "UnsupportedOperation",
                          "Region %s has no paravirtual images", region);
}
