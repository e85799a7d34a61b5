#include "aws.h"

#include <inttypes.h>
#include <unistd.h>

int aws_open(const struct aws_words *words, struct vml_aws **out, struct vml_error *err)
{
    return vml_aws_open(out,
                        &(const struct vml_aws_config){ .env = environ,
                                                        .profile = words->profile,
                                                        .region = words->region,
                                                        .endpoint_url = words->endpoint_url,
                                                        .ca_bundle = words->ca_bundle,
                                                        .no_verify = words->no_verify,
                                                        .attempts = words->attempts,
                                                        .timeout = words->timeout },
                        err);
}

static void tell_retries(void *aws, char *buf, size_t size)
{
    struct vml_aws_stats s;

    vml_aws_stats(aws, &s);
    buf[0] = '\0';
    if (s.retries > 0 || s.throttled > 0)
        snprintf(buf, size, "  again %" PRIu64 " of %u%s", s.retries,
                 (unsigned)s.retries + s.budget, s.rate > 0 ? ", throttled" : "");
}

void aws_progress(struct progress *p, struct vml_aws *aws)
{
    p->more = tell_retries;
    p->more_arg = aws;
}
