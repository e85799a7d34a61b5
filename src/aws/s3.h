/* S3, as far as VM Import needs it: objects that are made part by part, and taken away again.
 *
 * What AWS itself serves is asked for by the bucket's own host (bucket.s3.region.amazonaws.com),
 * what another endpoint serves by its path, as other makers' S3 has it. */
#ifndef VMLIFT_AWS_S3_H
#define VMLIFT_AWS_S3_H

#include "call.h"
#include "vmlift/image.h"

#define S3_PART_MIN  (UINT64_C(8) << 20) /* S3's own limits: 5 MiB, but for the last .. */
#define S3_PART_MAX  (UINT64_C(5) << 30)
#define S3_PARTS_MAX 10000u

struct s3_object {
    struct vml_aws *aws;
    const char *bucket, *key;
};

/* Is the bucket there, may it be asked, and is it in the region?  Errors are S3's codes, and
 * VML_EREFUSED s3/region, which names the bucket's own.  s3/bucket: not a bucket's name. */
int s3_check_bucket(struct vml_aws *aws, const char *bucket, struct vml_error *err);
/* *exists; and *ours: vmlift made it. */
int s3_head(const struct s3_object *o, bool *exists, bool *ours, struct vml_error *err);
/* Also after an interruption, and one that is not there (any more) is no error.  version: of a
 * bucket that keeps them, or "". */
int s3_delete(const struct s3_object *o, const char *version, struct vml_error *err);

/* --- s3_upload.c: an object, part by part ----------------------------------------------------- */

/* How large part number n (from 1 on) of an object of `most` bytes at most is to be: as small as
 * they may be at first, and growing evenly, so that S3_PARTS_MAX of them hold the object and one
 * that stays small has small parts. */
uint64_t s3_part_size(uint64_t most, unsigned n);

struct s3_upload;
/* What an earlier upload of the same object, whose process was killed, has left is taken away.
 * VML_EEXISTS s3/exists: there is an object of that name that is not vmlift's.  *o's words must
 * outlive it. */
int s3_upload_begin(struct s3_upload **out, const struct s3_object *o, struct vml_error *err);
/* Any thread, in any order, a part also again; n is from 1 on. */
int s3_upload_part(struct s3_upload *u, unsigned n, const void *bytes, size_t len,
                   struct vml_error *err);
/* Parts 1 to n are the object, which is there when this returns, with the sum that S3 has of it
 * compared. */
int s3_upload_finish(struct s3_upload *u, unsigned n, struct vml_error *err);
/* "" where the bucket keeps none.  Once it is finished. */
const char *s3_upload_version(const struct s3_upload *u);
/* One that is not finished is aborted, also after an interruption. */
void s3_upload_free(struct s3_upload *u);

/* --- s3_writer.c: a disk that becomes an object ----------------------------------------------- */

struct s3_disk {
    const struct vml_format *format; /* of which the subformat can go to a pipe */
    const char *subformat, *options;
    uint64_t size; /* of the disk */
};
/* Goes into parts as it is made; whoever encodes sends them, so as many at once as the copy has
 * threads.  version (may be NULL) gets what s3_upload_version says once it is finished, and *o's
 * words must outlive it. */
int s3_writer(struct vml_writer **out, const struct s3_object *o, const struct s3_disk *disk,
              char version[128], struct vml_error *err);

/* --- for s3_upload.c -------------------------------------------------------------------------- */

/* A call on the object, or the bucket (key NULL).  c's service, path and host are filled in. */
int s3_call(const struct s3_object *o, struct aws_call *c, struct http_answer *a, bool *again,
            struct vml_error *err);

#endif
