/* AWS: requests that are signed, sent, sent again where that may help, and understood.
 *
 * Signing is ours (sigv4.c), libcurl only carries: that of libcurl 7.88 gets headers whose names
 * begin alike, queries and paths wrong. */
#ifndef VMLIFT_AWS_H
#define VMLIFT_AWS_H

#include "vmlift/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- sigv4.c: Signature Version 4.  Pure; who sends signs by it, who receives verifies ---------
 */

struct vml_header {
    const char *name, *value;
};

struct vml_sigv4_request {
    const char *method; /* "GET" */
    const char *path;   /* both as they go over the wire, percent-encoded; without "?", which */
    const char *query;  /* belongs to neither.  "" or NULL: none */
    const struct vml_header *headers; /* those that are to be signed, in any order and case; a name
                                         may come several times */
    size_t n_headers;
    const char *payload; /* lowercase hex of the body's SHA-256, or what the header
                            x-amz-content-sha256 says instead: "UNSIGNED-PAYLOAD" .. */
};
/* What a signature is good for: the credential scope. */
struct vml_sigv4_scope {
    const char *time; /* "20261120T152013Z": of x-amz-date, the first 8 are the day */
    const char *region, *service;
};

/* The canonical request; *signed_headers (may be NULL) gets the names, "host;x-amz-date".  Both are
 * the caller's to free.  The service decides what becomes of the path: "s3" takes it as it is, for
 * others "." and "..", and slashes that follow each other, go, and what was encoded is encoded once
 * more.  A query is taken apart, decoded, encoded and sorted; X-Amz-Signature is not a part of it.
 * VML_ENOMEM only. */
int vml_sigv4_canonical(char **out, char **signed_headers, const struct vml_sigv4_request *r,
                        const char *service, struct vml_error *err);
/* The signature of a canonical request, lowercase hex.  VML_ENOMEM only. */
int vml_sigv4_signature(char out[65], const char *canonical, const struct vml_sigv4_scope *scope,
                        const char *secret, struct vml_error *err);
/* The value of the header Authorization, the caller's to free. */
int vml_sigv4_authorization(char **out, const struct vml_sigv4_request *r,
                            const struct vml_sigv4_scope *scope, const char *access_key,
                            const char *secret, struct vml_error *err);
/* "20261120T152013Z" */
const char *vml_sigv4_time(char out[17], int64_t seconds);

/* --- aws.c: an account in a region -------------------------------------------------------------
 */

/* What is NULL or 0 is found as aws-cli finds it, in the environment and the files it names, else
 * in ~/.aws/config and ~/.aws/credentials. */
struct vml_aws_config {
    char *const *env;         /* "NAME=value" .., NULL, as environ is: also that of a profile's
                                 credential_process.  It must outlive the vml_aws */
    const char *profile;      /* a given one's keys are used although the environment has some */
    const char *region;       /* EC2's metadata are asked last */
    const char *endpoint_url; /* of all services */
    const char *ca_bundle;    /* a file of certificates */
    bool no_verify;           /* of TLS: whoever answers is believed */
    unsigned attempts;        /* to make a call, at most (12) */
    unsigned timeout;         /* seconds for which an answer may stand still (30) */
};
/* One account in one region, for any number of threads.  Its keys are looked for when they are
 * first needed, and again before they expire. */
struct vml_aws;
/* VML_EUSAGE aws/region (there is none, or it is not a name), aws/profile (no such one),
 * aws/endpoint (not a URL of http or https); VML_EIO when a file cannot be read. */
int vml_aws_open(struct vml_aws **out, const struct vml_aws_config *c, struct vml_error *err);
void vml_aws_free(struct vml_aws *aws);
void vml_aws_freep(struct vml_aws **aws);
const char *vml_aws_region(const struct vml_aws *aws);
/* Where the calls of a service ("ec2", "ebs", "s3") go: "https://ec2.eu-west-1.amazonaws.com". */
const char *vml_aws_endpoint(const struct vml_aws *aws, const char *service);
/* The ID of the key that signs, the caller's to free. */
int vml_aws_access_key(struct vml_aws *aws, char **out, struct vml_error *err);

struct vml_aws_stats {
    uint64_t requests, retries, throttled; /* all requests; those made again; those put off */
    double rate;                           /* requests a second that throttling left; 0: any */
    unsigned budget;                       /* how many more may be made again */
};
void vml_aws_stats(struct vml_aws *aws, struct vml_aws_stats *out);

#ifdef __cplusplus
}
#endif
#endif
