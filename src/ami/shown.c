/* What EC2 tells of an image that follows from its record. */
#include <string.h>

#include "vmlift/filter.h"

/* EC2 User Guide, "AMI billing information fields".  Whose licence a Linux has (Red Hat's, SUSE's
 * ..) its code does not tell. */
static const char *billed(const struct vml_image *a, const char *linux_one,
                          const char *licensed_one, const char *byol_one)
{
    bool licensed = false;
    for (size_t i = 0; i < a->marks.n_codes; i++)
        licensed = licensed || strcmp(a->marks.codes[i].type, VML_PRODUCT_BILLING) == 0;
    if (strcmp(a->platform, "windows") == 0)
        return licensed ? licensed_one : byol_one;
    return licensed ? "" : linux_one;
}

const char *vml_image_platform_details(const struct vml_image *a)
{
    return billed(a, "Linux/UNIX", "Windows", "Windows BYOL");
}

const char *vml_image_usage_operation(const struct vml_image *a)
{
    return billed(a, "RunInstances", "RunInstances:0002", "RunInstances:0800");
}

/* As Enable- and DisableImageDeregistrationProtection say it; what EC2 says of a cooldown is not
 * documented. */
const char *vml_image_deregistration(const struct vml_image *a, int64_t now)
{
    const char *is = vml_image_protection(a, now);
    if (is[0] == '\0')
        return "disabled";
    return strcmp(is, VML_PROTECTED) == 0 ? "enabled-without-cooldown" : is;
}
