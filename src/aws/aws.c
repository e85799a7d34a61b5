#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "internal.h"

enum { ATTEMPTS = 12, ATTEMPTS_MAX = 100, TIMEOUT = 30 };

static const char *const service_names[SERVICES] = { "ec2", "ebs", "s3" };

enum service service_of(const char *name)
{
    enum service s = SERVICE_EC2;

    while (s < SERVICES - 1 && strcmp(service_names[s], name) != 0)
        s++;
    return s;
}

/* --- region ----------------------------------------------------------------------------------- */

/* A region becomes a part of a host's name. */
static int check_region(const char *region, struct vml_error *err)
{
    if (region[0] == '\0' || strlen(region) > 31 ||
        strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(region))
        return vml_fail(err, VML_EUSAGE, "aws/region", "region %s: not a name like us-east-1",
                        region);
    return 0;
}

static int find_region(struct vml_aws *aws, const char *given, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *setting = NULL;

    if (given == NULL)
        given = env_get(aws->env, "AWS_REGION");
    if (given == NULL)
        given = env_get(aws->env, "AWS_DEFAULT_REGION");
    if (given == NULL && profile_setting(&aws->credentials.profile, "region", &setting, err) < 0)
        return -1;
    if (given == NULL)
        given = setting;
    if (given == NULL && instance_region(aws->region, aws->credentials.http, aws->env, err) < 0)
        return -1;
    if (given == NULL && aws->region[0] == '\0')
        return vml_fail(err, VML_EUSAGE, "aws/region",
                        "no region: --region, AWS_REGION or the profile's setting says which");
    if (check_region(given != NULL ? given : aws->region, err) < 0)
        return -1;
    if (given != NULL)
        snprintf(aws->region, sizeof aws->region, "%s", given);
    return 0;
}

/* --- endpoints -------------------------------------------------------------------------------- */

/* The domain of a region's partition; botocore's endpoints.json has them. */
static const char *domain(const char *region)
{
    static const struct {
        const char *prefix, *domain;
    } partitions[] = {
        { "cn-", "amazonaws.com.cn" },   { "us-iso-", "c2s.ic.gov" },
        { "us-isob-", "sc2s.sgov.gov" }, { "us-isof-", "csp.hci.ic.gov" },
        { "eusc-", "amazonaws.eu" },
    };

    for (size_t i = 0; i < sizeof partitions / sizeof partitions[0]; i++)
        if (strncmp(region, partitions[i].prefix, strlen(partitions[i].prefix)) == 0)
            return partitions[i].domain;
    return "amazonaws.com";
}

static int check_endpoint(const char *url, struct vml_error *err)
{
    const char *host = NULL;

    if (strncasecmp(url, "https://", 8) == 0)
        host = url + 8;
    else if (strncasecmp(url, "http://", 7) == 0)
        host = url + 7;
    if (host == NULL || strcspn(host, "/") == 0 || strpbrk(host, "?#@ \t\r\n\"\\") != NULL)
        return vml_fail(err, VML_EUSAGE, "aws/endpoint",
                        "endpoint %s: not like https://host or http://host:port", url);
    return 0;
}

static int find_endpoint(struct vml_aws *aws, enum service s, const char *given,
                         struct vml_error *err)
{
    static const char *const variables[SERVICES] = { "AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_EBS",
                                                     "AWS_ENDPOINT_URL_S3" };
    VML_AUTO(vml_freep) char *setting = NULL;
    const char *url = given;
    int len;

    if (url == NULL)
        url = env_get(aws->env, variables[s]);
    if (url == NULL)
        url = env_get(aws->env, "AWS_ENDPOINT_URL");
    if (url == NULL) {
        if (profile_setting(&aws->credentials.profile, "endpoint_url", &setting, err) < 0)
            return -1;
        url = setting;
    }
    if (url != NULL && check_endpoint(url, err) < 0)
        return -1;
    len = url != NULL ? asprintf(&aws->endpoints[s], "%s", url)
                      : asprintf(&aws->endpoints[s], "https://%s.%s.%s", service_names[s],
                                 aws->region, domain(aws->region));
    if (len < 0) {
        aws->endpoints[s] = NULL;
        return vml_fail_nomem(err);
    }
    while (len > 0 && aws->endpoints[s][len - 1] == '/')
        aws->endpoints[s][--len] = '\0';
    return 0;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int configure(struct vml_aws *aws, const struct vml_aws_config *c, struct vml_error *err)
{
    struct http_config http = { .ca_bundle = c->ca_bundle, .no_verify = c->no_verify };
    const char *attempts = env_get(c->env, "AWS_MAX_ATTEMPTS");
    long n = attempts != NULL ? strtol(attempts, NULL, 10) : 0;

    if (http.ca_bundle == NULL)
        http.ca_bundle = env_get(c->env, "AWS_CA_BUNDLE");
    aws->attempts = c->attempts > 0              ? c->attempts
                    : n > 0 && n <= ATTEMPTS_MAX ? (unsigned)n
                                                 : ATTEMPTS;
    aws->timeout_ms = 1000L * (c->timeout > 0 ? c->timeout : TIMEOUT);
    if (http_new(&aws->http, &http, err) < 0 ||
        credentials_init(&aws->credentials, c->env, c->profile, err) < 0 ||
        find_region(aws, c->region, err) < 0)
        return -1;
    for (enum service s = 0; s < SERVICES; s++)
        if (find_endpoint(aws, s, c->endpoint_url, err) < 0)
            return -1;
    return 0;
}

int vml_aws_open(struct vml_aws **out, const struct vml_aws_config *c, struct vml_error *err)
{
    VML_AUTO(vml_aws_freep) struct vml_aws *aws = calloc(1, sizeof *aws);

    if (aws == NULL)
        return vml_fail_nomem(err);
    aws->env = c->env;
    aws->credentials.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    pace_init(&aws->pace);
    if (configure(aws, c, err) < 0)
        return -1;
    *out = aws;
    aws = NULL;
    return 0;
}

void vml_aws_free(struct vml_aws *aws)
{
    if (aws == NULL)
        return;
    for (enum service s = 0; s < SERVICES; s++)
        free(aws->endpoints[s]);
    credentials_clear(&aws->credentials);
    http_free(aws->http);
    pace_clear(&aws->pace);
    free(aws);
}

void vml_aws_freep(struct vml_aws **aws)
{
    vml_aws_free(*aws);
    *aws = NULL;
}

const char *vml_aws_region(const struct vml_aws *aws)
{
    return aws->region;
}

const char *vml_aws_endpoint(const struct vml_aws *aws, const char *service)
{
    return aws->endpoints[service_of(service)];
}

void vml_aws_stats(struct vml_aws *aws, struct vml_aws_stats *out)
{
    pace_stats(&aws->pace, out);
}
