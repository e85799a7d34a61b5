/* What import needs of the registry before there is an image. */
#ifndef VMLIFT_AMI_REGISTRY_H
#define VMLIFT_AMI_REGISTRY_H

#include "vmlift/registry.h"

#define VML_DEREGISTERED "deregistered"

/* InvalidAMIName.Duplicate when an image of a's owner and region has a's name. */
int vml_registry_name_free(struct vml_db *db, const struct vml_image *a, struct vml_error *err);

#endif
