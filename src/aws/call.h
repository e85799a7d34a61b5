/* One call of an AWS service: signed, sent, and sent again while that may help. */
#ifndef VMLIFT_AWS_CALL_H
#define VMLIFT_AWS_CALL_H

#include "http.h"

struct aws_call {
    const char *service; /* "ec2", "ebs", "s3" */
    const char *name;    /* "PutSnapshotBlock", for what is said of it */
    const char *method, *path;
    const char *host_prefix;          /* before the endpoint's host: "bucket."; NULL: nothing */
    const char *query;                /* "" or NULL: none.  Path and query are percent-encoded */
    const struct vml_header *headers; /* beside those that every call has */
    size_t n_headers;
    const void *body;
    size_t body_len;
    bool unsigned_body; /* the body has a checksum of its own, which is signed */
    bool cleanup;       /* is made although vmlift was interrupted: nothing is to be left behind */
    unsigned longer;    /* seconds more than another call may take in all */
    unsigned missing;   /* seconds for which a 404 may mean that what was just made is not known
                           everywhere yet (EBS's own advice is 2 minutes) */
    /* Does an answer with status 200 to 299 make sense?  -1: it was cut short or garbled, and the
     * call is made again.  May be NULL. */
    int (*check)(void *arg, const struct http_answer *a, struct vml_error *err);
    void *arg;
};

/* *a, to be cleared, gets the answer of status 200 to 299; `again` (may be NULL) whether it
 * went out more than once, so that the first may have done its work and only its answer was lost.
 *
 * A refusal fails with AWS's code as slug ("InvalidAMIName.Duplicate") and "Name: its words";
 * VML_ENOTFOUND, VML_EEXISTS or VML_EREFUSED by the code; what only stands in the way (throttling,
 * 5xx, the network) VML_EIO, after all attempts.  Any thread. */
int aws_call(struct vml_aws *aws, const struct aws_call *c, struct http_answer *a, bool *again,
             struct vml_error *err);

/* Percent-encodes all but unreserved characters (and slashes), as signing wants it. */
void aws_encode(FILE *f, const char *text, bool keep_slashes);

#endif
