/* What the files of this folder know of each other. */
#ifndef VMLIFT_AWS_INTERNAL_H
#define VMLIFT_AWS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "credentials.h"
#include "http.h"
#include "pace.h"

enum service { SERVICE_EC2, SERVICE_EBS, SERVICE_S3, SERVICES };

struct vml_aws {
    char *const *env;
    char region[32];
    char *endpoints[SERVICES];
    struct http *http;
    struct pace pace;
    struct credentials credentials;
    unsigned attempts;
    long timeout_ms;
    atomic_bool reached[SERVICES]; /* somebody answered: who cannot be reached now may be soon */
};

enum service service_of(const char *name);

#endif
