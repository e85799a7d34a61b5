/* What AWS says when it does not do what it was asked. */
#ifndef VMLIFT_AWS_FAULT_H
#define VMLIFT_AWS_FAULT_H

#include "http.h"

enum fault_kind {
    FAULT_REFUSED,   /* for good: asking again would not change it */
    FAULT_TRANSIENT, /* may go away */
    FAULT_THROTTLED, /* asked too often */
    FAULT_EXPIRED,   /* the key's time is over */
    FAULT_CLOCK,     /* the signature's time is not the service's */
};
struct fault {
    enum fault_kind kind;
    char code[48];   /* "InvalidSnapshot.InUse"; http/STATUS when the answer has none */
    char reason[48]; /* EBS's: "SNAPSHOT_NOT_FOUND" */
    char message[400];
};
/* Of an answer whose status is not 2xx (or S3's of 200 whose body is an error). */
void fault_read(struct fault *f, const char *service, const struct http_answer *a);
/* Fills *err: "NAME: message", what to do about it where that is known, and the code as slug. */
int fault_fail(const struct fault *f, const char *name, long status, struct vml_error *err);

#endif
