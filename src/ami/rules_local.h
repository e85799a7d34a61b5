/* What the files of EC2's rules share. */
#ifndef VMLIFT_AMI_RULES_LOCAL_H
#define VMLIFT_AMI_RULES_LOCAL_H

#include <string.h>

#include "ami/registry.h"
#include "vmlift/rules.h"

static inline bool vml_is_one_of(const char *word, const char *const *words)
{
    while (*words && strcmp(word, *words) != 0)
        words++;
    return *words != NULL;
}

static inline bool vml_is_hvm(const struct vml_image *a)
{
    return strcmp(a->virtualization, "hvm") == 0;
}

/* rules_device.c: no two mappings are of the same device, or of a disk and one of its partitions.
 */
int vml_rule_devices_clash(const struct vml_image *a, struct vml_error *err);
/* rules_volume.c: what one mapping says of its volume; snapshot_size as of vml_rule_register. */
int vml_rule_mapping(const struct vml_image *a, const struct vml_mapping *m,
                     const uint64_t *snapshot_size, struct vml_error *err);
/* rules_kernel.c: kernel and RAM disk, and all that being paravirtual asks for. */
int vml_rule_kernel(const struct vml_image *a, struct vml_error *err);

#endif
