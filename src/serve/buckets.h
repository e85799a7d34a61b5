/* Buckets: folders beneath the one that the server was given, with objects as files.
 *
 *     DIR/BUCKET/KEY        a key's slashes are folders
 *
 * Nothing outside is reached: no "..", and no symbolic link is followed. */
#ifndef VMLIFT_SERVE_BUCKETS_H
#define VMLIFT_SERVE_BUCKETS_H

#include "vmlift/io.h"

#define VML_KEY_MAX 1024u

/* "s3://bucket/key" */
int vml_bucket_name(char **out, const char *bucket, const char *key, struct vml_error *err);
/* Is it the name of a bucket, and of an object in it?  InvalidParameterValue. */
int vml_bucket_check(const char *bucket, const char *key, struct vml_error *err);
/* VML_ENOTFOUND InvalidParameter. */
int vml_bucket_exists(const char *dir, const char *bucket, struct vml_error *err);
/* An object.  *of is what *out reads from: to be freed after it.  It has no folder.  Errors speak
 * of it as s3://bucket/key: VML_ENOTFOUND InvalidParameter. */
int vml_bucket_open(struct vml_input **out, struct vml_input **of, const char *dir,
                    const char *bucket, const char *key, struct vml_error *err);
/* A new object; folders that a key needs are made.  The bucket must be there. */
int vml_bucket_create(struct vml_output **out, const char *dir, const char *bucket, const char *key,
                      struct vml_error *err);

#endif
