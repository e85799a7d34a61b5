/* Which account of AWS, in which region, and where it is asked: of verbs that speak with it. */
#ifndef VMLIFT_CLI_AWS_H
#define VMLIFT_CLI_AWS_H

#include "opt.h"
#include "progress.h"
#include "vmlift/aws.h"

struct aws_words {
    const char *region, *profile, *endpoint_url, *ca_bundle;
    bool no_verify;
    unsigned attempts, timeout;
};
/* All but the region, whose option is local.h's where a verb has that; the verb's struct has them
 * as `aws`. */
#define OPT_AWS(type)                                                                    \
    { 0,                                                                                 \
      "profile",                                                                         \
      "NAME",                                                                            \
      OPT_TEXT,                                                                          \
      offsetof(struct type, aws.profile),                                                \
      "the profile of aws-cli's files that says account and region (AWS_PROFILE)" },     \
        { 0,                                                                             \
          "endpoint-url",                                                                \
          "URL",                                                                         \
          OPT_TEXT,                                                                      \
          offsetof(struct type, aws.endpoint_url),                                       \
          "where it is asked, if not AWS itself (AWS_ENDPOINT_URL_EC2, _EBS, _S3, else " \
          "AWS_ENDPOINT_URL)" },                                                         \
        { 0,                                                                             \
          "ca-bundle",                                                                   \
          "FILE",                                                                        \
          OPT_TEXT,                                                                      \
          offsetof(struct type, aws.ca_bundle),                                          \
          "the certificates that are trusted (AWS_CA_BUNDLE, else the system's)" },      \
        { 0,                                                                             \
          "no-verify-ssl",                                                               \
          NULL,                                                                          \
          OPT_FLAG,                                                                      \
          offsetof(struct type, aws.no_verify),                                          \
          "trust whoever answers" },                                                     \
        { 0,                                                                             \
          "attempts",                                                                    \
          "N",                                                                           \
          OPT_COUNT,                                                                     \
          offsetof(struct type, aws.attempts),                                           \
          "make a call N times at most (AWS_MAX_ATTEMPTS, else 12)" },                   \
    {                                                                                    \
        0, "timeout", "SECONDS", OPT_COUNT, offsetof(struct type, aws.timeout),          \
            "wait so long for an answer that stands still (30)"                          \
    }
#define OPT_AWS_REGION(type)                                                         \
    {                                                                                \
        0, "region", "R", OPT_TEXT, offsetof(struct type, aws.region),               \
            "the region of AWS (AWS_REGION, AWS_DEFAULT_REGION, else the profile's)" \
    }

int aws_open(const struct aws_words *words, struct vml_aws **out, struct vml_error *err);
#define EBS_SOURCE  "ebs:" /* and a snapshot's ID: an input */
#define EBS_THREADS 8      /* that read one, where nobody says how many: it is far away */
/* The disk of a snapshot of EBS, as the bytes of a raw disk. */
int aws_input(const struct aws_words *words, const char *snapshot, struct vml_input **out,
              struct vml_error *err);
/* The progress line tells of calls that are made again, and how many more may be. */
void aws_progress(struct progress *p, struct vml_aws *aws);

#endif
