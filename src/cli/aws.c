#include "aws.h"

#include <inttypes.h>
#include <stdlib.h>
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

/* --- a snapshot as an input ------------------------------------------------------------------- */

struct ebs_source {
    struct vml_aws *aws;
    struct vml_reader *r;
};

static int source_pread(void *arg, void *buf, size_t len, uint64_t off, struct vml_error *err)
{
    struct ebs_source *s = arg;

    return vml_pread(s->r, buf, len, off, err);
}

static int source_run(void *arg, uint64_t off, bool *hole, uint64_t *end, struct vml_error *err)
{
    struct ebs_source *s = arg;
    struct vml_extent x;

    if (vml_extent_at(s->r, off, &x, err) < 0)
        return -1;
    *hole = x.kind != VML_DATA;
    *end = x.off + x.len;
    return 0;
}

static const struct vml_random_ops source_ops = { .pread = source_pread, .run = source_run };

static void source_drop(void *arg)
{
    struct ebs_source *s = arg;

    vml_reader_free(s->r);
    vml_aws_free(s->aws);
    free(s);
}

int aws_input(const struct aws_words *words, const char *snapshot, struct vml_input **out,
              struct vml_error *err)
{
    struct ebs_source *s = calloc(1, sizeof *s);

    if (s == NULL)
        return vml_fail_nomem(err);
    if (aws_open(words, &s->aws, err) < 0 || vml_ebs_open(&s->r, s->aws, snapshot, err) < 0 ||
        vml_input_random(out, snapshot, s->r->size, &source_ops, s, err) < 0) {
        source_drop(s);
        return -1;
    }
    vml_input_on_free(*out, source_drop);
    return 0;
}
