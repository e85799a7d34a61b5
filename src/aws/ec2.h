/* EC2's Query API: a form goes, XML comes. */
#ifndef VMLIFT_AWS_EC2_H
#define VMLIFT_AWS_EC2_H

#include "call.h"
#include "xml.h"

/* A request, filled in parameter by parameter:
 *     VML_AUTO(ec2_clear) struct ec2_request r = { 0 };
 *     ec2_begin(&r, "DescribeImages");
 *     ec2_add(&r, "self", "Owner.%u", 1);
 *     ec2_send(aws, &r, &doc, NULL, err)
 * Want of memory is told by ec2_send. */
struct ec2_request {
    const char *action;
    bool cleanup; /* as in struct aws_call */
    FILE *f;
    char *form;
    size_t len;
};
void ec2_begin(struct ec2_request *r, const char *action);
/* A value may be empty, but not NULL. */
void ec2_add(struct ec2_request *r, const char *value, const char *name_fmt, ...)
    __attribute__((format(printf, 3, 4)));
void ec2_clear(struct ec2_request *r);
/* *out gets the answer, to be freed by xml_freep; the root is its <ActionResponse>.  Errors, and
 * what again says: of aws_call. */
int ec2_send(struct vml_aws *aws, struct ec2_request *r, xmlDoc **out, bool *again,
             struct vml_error *err);

#endif
