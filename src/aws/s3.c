#include "s3.h"

#include <stdlib.h>
#include <string.h>

#include "fault.h"

#define OURS "x-amz-meta-vmlift"

/* --- where ------------------------------------------------------------------------------------ */

/* Names that are not like this are older than the rule, and anything may be in them: they are
 * asked for by the path.  With a dot in it a name fits no certificate. */
static bool is_host(const char *bucket)
{
    size_t len = strlen(bucket);

    return len >= 3 && len <= 63 &&
           strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == len && bucket[0] != '-' &&
           bucket[len - 1] != '-';
}

static int check_name(const char *bucket, struct vml_error *err)
{
    size_t len = strlen(bucket);

    if (len < 3 || len > 255 ||
        strspn(bucket, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != len)
        return vml_fail(err, VML_EUSAGE, "s3/bucket", "%.255s: not the name of a bucket", bucket);
    return 0;
}

/* Is the endpoint AWS's own, in which each bucket has a host? */
static bool has_hosts(struct vml_aws *aws)
{
    char own[64];

    snprintf(own, sizeof own, "https://s3.%s.", vml_aws_region(aws));
    return strncmp(vml_aws_endpoint(aws, "s3"), own, strlen(own)) == 0;
}

static int print_path(const struct s3_object *o, bool by_host, char **path, struct vml_error *err)
{
    size_t len;
    FILE *f = vml_memstream(path, &len);

    if (f == NULL)
        return vml_fail_nomem(err);
    fputc('/', f);
    if (!by_host)
        aws_encode(f, o->bucket, false);
    if (!by_host && o->key != NULL)
        fputc('/', f);
    if (o->key != NULL)
        aws_encode(f, o->key, true);
    return fclose(f) == 0 ? 0 : vml_fail_nomem(err);
}

int s3_call(const struct s3_object *o, struct aws_call *c, struct http_answer *a, bool *again,
            struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = NULL;
    bool by_host = is_host(o->bucket) && has_hosts(o->aws);
    char host[80];

    if (check_name(o->bucket, err) < 0 || print_path(o, by_host, &path, err) < 0)
        return -1;
    snprintf(host, sizeof host, "%s.", by_host ? o->bucket : "");
    c->service = "s3";
    c->path = path;
    c->host_prefix = by_host ? host : NULL;
    return aws_call(o->aws, c, a, again, err);
}

/* --- what is simple --------------------------------------------------------------------------- */

/* A 403 that answered a HEAD has no words: a request that asks for the same right gets them. */
static int why_denied(const struct s3_object *o, struct vml_error *err)
{
    struct aws_call c = { .name = "ListObjectsV2",
                          .method = "GET",
                          .query = "list-type=2&max-keys=1" };
    VML_AUTO(http_answer_clear) struct http_answer a = { 0 };

    if (s3_call(o, &c, &a, NULL, err) < 0 && strcmp(err->slug, "AccessDenied") != 0)
        return -1;
    return vml_fail(err, VML_EREFUSED, "AccessDenied",
                    "bucket %s: the access key may not use it: it needs s3:ListBucket, and "
                    "s3:PutObject, s3:GetObject, s3:DeleteObject and s3:AbortMultipartUpload of "
                    "what is in it",
                    o->bucket);
}

int s3_check_bucket(struct vml_aws *aws, const char *bucket, struct vml_error *err)
{
    const struct s3_object o = { aws, bucket, NULL };
    struct aws_call c = { .name = "HeadBucket", .method = "HEAD" };
    VML_AUTO(http_answer_clear) struct http_answer a = { 0 };
    char region[32];
    int rc = s3_call(&o, &c, &a, NULL, err);

    /* VM Import reads no bucket of another region, though S3 itself may answer for one. */
    if (http_header(&a, "x-amz-bucket-region", region, sizeof region) != NULL &&
        strcmp(region, vml_aws_region(aws)) != 0)
        return vml_fail(err, VML_EREFUSED, "s3/region",
                        "bucket %s: it is in %s, and VM Import takes what is in the region it "
                        "imports to: %s",
                        bucket, region, vml_aws_region(aws));
    if (rc == 0 || err->code == VML_EINTERRUPTED)
        return rc;
    /* The answer to a HEAD has no words. */
    if (a.status == 404)
        return vml_fail(err, VML_ENOTFOUND, "NoSuchBucket", "bucket %s: there is none of that name",
                        bucket);
    return a.status == 403 ? why_denied(&o, err) : rc;
}

int s3_head(const struct s3_object *o, bool *exists, bool *ours, struct vml_error *err)
{
    struct aws_call c = { .name = "HeadObject", .method = "HEAD" };
    VML_AUTO(http_answer_clear) struct http_answer a = { 0 };
    char mark[16];

    *exists = *ours = false;
    if (s3_call(o, &c, &a, NULL, err) < 0)
        return a.status == 404 ? 0 : -1;
    *exists = true;
    *ours = http_header(&a, OURS, mark, sizeof mark) != NULL;
    return 0;
}

int s3_delete(const struct s3_object *o, const char *version, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *query = NULL;
    VML_AUTO(http_answer_clear) struct http_answer a = { 0 };
    struct aws_call c = { .name = "DeleteObject", .method = "DELETE", .cleanup = true };
    size_t len;
    FILE *f = vml_memstream(&query, &len);

    if (f == NULL)
        return vml_fail_nomem(err);
    if (version[0] != '\0') {
        fputs("versionId=", f);
        aws_encode(f, version, false);
    }
    if (fclose(f) != 0)
        return vml_fail_nomem(err);
    c.query = query;
    if (s3_call(o, &c, &a, NULL, err) < 0)
        return a.status == 404 && err->code == VML_ENOTFOUND ? 0 : -1;
    return 0;
}
