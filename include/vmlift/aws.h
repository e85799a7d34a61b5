/* AWS: requests that are signed, sent, sent again where that may help, and understood.
 *
 * Signing is ours (sigv4.c), libcurl only carries: that of libcurl 7.88 gets headers whose names
 * begin alike, queries and paths wrong. */
#ifndef VMLIFT_AWS_H
#define VMLIFT_AWS_H

#include "vmlift/ami.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- sigv4.c: Signature Version 4.  Pure; who sends signs by it, who receives verifies -------- */

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

/* --- aws.c: an account in a region ------------------------------------------------------------ */

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

struct vml_aws_stats {
    uint64_t requests, retries, throttled; /* all requests; those made again; those put off */
    double rate;                           /* requests a second that throttling left; 0: any */
    unsigned budget;                       /* how many more may be made again */
};
void vml_aws_stats(struct vml_aws *aws, struct vml_aws_stats *out);

/* --- ebs_reader.c: a snapshot as a disk ------------------------------------------------------- */

/* The disk of a completed snapshot of EBS, by its direct APIs: seekable, of whole GiB.  The sum
 * that comes with each block is compared.  Errors are EBS's codes: ResourceNotFoundException ..;
 * *aws must outlive the reader. */
int vml_ebs_open(struct vml_reader **out, struct vml_aws *aws, const char *snapshot,
                 struct vml_error *err);

/* --- ec2_image.c ------------------------------------------------------------------------------ */

/* What EC2 says of an image, by its ID or, of one's own, its name; *out is to be cleared.
 * VML_ENOTFOUND InvalidAMIID.NotFound, VML_EREFUSED image/ambiguous: a name of several. */
int vml_aws_image(struct vml_aws *aws, const char *id_or_name, struct vml_image *out,
                  struct vml_error *err);

/* --- publish.c: disks become snapshots of EBS, and these an AMI
 * ----------------------------------- */

struct vml_publish_bucket {
    const char *name;   /* of a bucket in the region */
    const char *prefix; /* of keys in it; NULL: "vmlift/" */
    const char *role;   /* of the account, as which VM Import reads them; NULL: "vmimport" */
    bool image; /* ImportImage takes all of the machine, looks into its guest, changes it and
                   names the AMI itself; not: ImportSnapshot takes each disk as it is.
                   Nothing is noted of it, so it cannot be gone on with */
};
struct vml_publish {
    /* Disks in any order, each once: *i is the number of the next, *out NULL after the last; the
     * reader is freed before the next call.  Disk i is what is to be at the image's mapping number
     * i of those that have a snapshot. */
    int (*next)(void *arg, size_t *i, struct vml_reader **out, struct vml_error *err);
    /* Before the image is registered: were they what they should be (a manifest)?  May be NULL. */
    int (*verify)(void *arg, struct vml_error *err);
    void *arg;

    /* Not by EBS's direct APIs, but uploaded to a bucket and imported from there; NULL: not so. */
    const struct vml_publish_bucket *bucket;

    const char *folder;  /* where it is noted what was done; made where it is not there */
    const char *profile; /* whose account: NULL is the environment's */
    enum vml_publish_begun {
        VML_BEGUN_REFUSE, /* VML_EEXISTS publish/begun where one was begun and not ended */
        VML_BEGUN_RESUME, /* goes on with it: only what was not acknowledged is sent */
        VML_BEGUN_DISCARD /* removes what it made, and begins anew */
    } begun;
    bool dry_run;               /* says what would be done: nothing is asked for but reads */
    bool cleanup;               /* after a failure removes what was made also where going on with it
                                   might help */
    const char *const *parents; /* of disk i: a snapshot that is in the account, or "" */
    size_t n_parents;
    bool encrypt;        /* disks without a parent */
    const char *kms_key; /* NULL: the account's default */

    struct vml_copy *copy; /* threads are connections */
    /* May be NULL: one line of what is done, or would be. */
    void (*say)(void *say_arg, const char *line);
    void *say_arg;
    struct vml_notes *notes; /* publish/left: what is left in the account, and the command for it */

    uint64_t put, known; /* filled in: blocks that were sent, and that were there already */
};
/* *image says all of the AMI; its ID and its snapshots' are filled in.  When it returns 0 the AMI
 * is available.  Never two AMIs or snapshots for one of a name: what was begun is found again, by a
 * token that EBS knows, and by the name.
 *
 * A failure that asking again could mend (VML_EIO, and interruption) leaves what was made, for
 * VML_BEGUN_RESUME, and says so; after any other it is removed, or a note says what is left. */
int vml_publish(struct vml_aws *aws, struct vml_publish *how, struct vml_image *image,
                struct vml_error *err);

#ifdef __cplusplus
}
#endif
#endif
