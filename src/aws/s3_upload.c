/* Multipart uploads.
 *
 *     POST ?uploads                      an ID
 *     PUT  ?partNumber=N&uploadId=..     each part, with its MD5 and (signed) its SHA-256
 *     POST ?uploadId=..                  all of them, by their ETags; 200 may have an error for a
 * body DELETE ?uploadId=..                none of it
 *
 * A part's ETag is its MD5, the object's the MD5 of theirs and their number, unless a KMS key
 * encrypts it: both are compared.  (Amazon S3 User Guide, "Uploading an object using multipart
 * upload"; API Reference, CompleteMultipartUpload.) */
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "s3.h"
#include "vmlift/codec.h"
#include "xml.h"

#define MD5_SIZE     16u
#define ETAG_SIZE    80u
#define COMPLETE_MAX 600u /* seconds: S3 puts the parts together meanwhile */

struct part {
    char etag[ETAG_SIZE]; /* without its quotes; "" until it is there */
    uint8_t md5[MD5_SIZE];
};
struct s3_upload {
    struct s3_object of;
    char *id; /* percent-encoded */
    char version[128];
    pthread_mutex_t lock;
    struct part *parts; /* S3_PARTS_MAX */
    bool opaque;        /* ETags are no sums */
    bool finished;
};

uint64_t s3_part_size(uint64_t most, unsigned n)
{
    const uint64_t mib = UINT64_C(1) << 20, all = S3_PARTS_MAX;
    uint64_t more = most > all * S3_PART_MIN ? most - all * S3_PART_MIN : 0;
    /* The n-th has n steps more than the least, and 1 + 2 + .. + all of them are what is missing.
     */
    uint64_t step = vml_div_up(2 * vml_div_up(more, all), all + 1);

    return vml_min_u64(vml_round_up(S3_PART_MIN + step * n, mib), S3_PART_MAX);
}

/* --- sums ------------------------------------------------------------------------------------- */

static int md5(uint8_t out[MD5_SIZE], const void *bytes, size_t len, struct vml_error *err)
{
    VML_AUTO(vml_digest_freep) struct vml_digest *d = NULL;
    uint8_t sum[VML_DIGEST_MAX];
    size_t n;

    if (vml_digest_new(&d, "md5", err) < 0)
        return -1;
    vml_digest_update(d, bytes, len);
    vml_digest_final(d, sum, &n);
    memcpy(out, sum, MD5_SIZE);
    return 0;
}

/* Some put quotes around it and some do not. */
static void strip_quotes(char etag[ETAG_SIZE])
{
    size_t len = strlen(etag);

    if (len >= 2 && etag[0] == '"' && etag[len - 1] == '"') {
        memmove(etag, etag + 1, len - 2);
        etag[len - 2] = '\0';
    }
}

/* "d41d8cd9..", with -N where n is not 0. */
static void print_etag(char out[ETAG_SIZE], const uint8_t sum[MD5_SIZE], unsigned n)
{
    char hex[2 * MD5_SIZE + 1];

    vml_hex(hex, sum, MD5_SIZE);
    snprintf(out, ETAG_SIZE, n > 0 ? "%s-%u" : "%s", hex, n);
}

/* --- the beginning ---------------------------------------------------------------------------- */

static int read_id(void *arg, const struct http_answer *a, struct vml_error *err)
{
    char *id = arg;
    VML_AUTO(xml_freep) xmlDoc *doc = NULL;

    if (xml_read(&doc, a->body, a->body_len, err) < 0)
        return -1;
    xml_text(xmlDocGetRootElement(doc), "UploadId", id, 1024);
    return id[0] != '\0' ? 0
                         : vml_fail(err, VML_EIO, "aws/broken", "the answer has no upload's ID");
}

static int encode_id(char **out, const char *id, struct vml_error *err)
{
    size_t len;
    FILE *f = vml_memstream(out, &len);

    if (f == NULL)
        return vml_fail_nomem(err);
    aws_encode(f, id, false);
    return fclose(f) == 0 ? 0 : vml_fail_nomem(err);
}

static int start(struct s3_upload *u, struct vml_error *err)
{
    static const struct vml_header headers[] = { { "Content-Type", "application/octet-stream" },
                                                 { "x-amz-meta-vmlift", VMLIFT_VERSION } };
    VML_AUTO(http_answer_clear) struct http_answer a = { 0 };
    char id[1024] = "";
    struct aws_call c = { .name = "CreateMultipartUpload",
                          .method = "POST",
                          .query = "uploads=",
                          .headers = headers,
                          .n_headers = 2,
                          .check = read_id,
                          .arg = id };

    return s3_call(&u->of, &c, &a, NULL, err) < 0 ? -1 : encode_id(&u->id, id, err);
}

static int abort_one(const struct s3_object *o, const char *id, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *query = NULL;
    VML_AUTO(http_answer_clear) struct http_answer a = { 0 };
    struct aws_call c = { .name = "AbortMultipartUpload", .method = "DELETE", .cleanup = true };

    if (asprintf(&query, "uploadId=%s", id) < 0) {
        query = NULL;
        return vml_fail_nomem(err);
    }
    c.query = query;
    if (s3_call(o, &c, &a, NULL, err) < 0)
        return a.status == 404 ? 0 : -1;
    return 0;
}

/* One page of uploads that are under way; *more: there are others, and *after goes on with them. */
static int list_page(const struct s3_object *o, const char *query, xmlDoc **doc,
                     struct vml_error *err)
{
    const struct s3_object bucket = { o->aws, o->bucket, NULL };
    VML_AUTO(http_answer_clear) struct http_answer a = { 0 };
    struct aws_call c = { .name = "ListMultipartUploads", .method = "GET", .query = query };

    return s3_call(&bucket, &c, &a, NULL, err) < 0 ? -1 : xml_read(doc, a.body, a.body_len, err);
}

static int print_query(char **query, const struct s3_object *o, struct vml_error *err)
{
    size_t len;
    FILE *f = vml_memstream(query, &len);

    if (f == NULL)
        return vml_fail_nomem(err);
    fputs("max-uploads=1000&prefix=", f);
    aws_encode(f, o->key, false);
    fputs("&uploads=", f);
    return fclose(f) == 0 ? 0 : vml_fail_nomem(err);
}

/* Those of the object that were begun and never ended: by a process that was killed, or by a
 * request whose answer was lost.  Aborting is not what is asked for: who may not list them has them
 * stay. */
static int abort_others(const struct s3_upload *u, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *query = NULL;
    VML_AUTO(xml_freep) xmlDoc *doc = NULL;
    char key[1100], id[1024];

    if (print_query(&query, &u->of, err) < 0)
        return -1;
    if (list_page(&u->of, query, &doc, err) < 0)
        return err->code == VML_EREFUSED ? 0 : -1;
    for (xmlNode *n = xml_find(xmlDocGetRootElement(doc), "Upload"); n != NULL; n = xml_next(n)) {
        VML_AUTO(vml_freep) char *other = NULL;
        if (strcmp(xml_text(n, "Key", key, sizeof key), u->of.key) != 0)
            continue;
        if (encode_id(&other, xml_text(n, "UploadId", id, sizeof id), err) < 0 ||
            (strcmp(other, u->id) != 0 && abort_one(&u->of, other, err) < 0))
            return -1;
    }
    return 0;
}

static int begin(struct s3_upload *u, struct vml_error *err)
{
    bool exists, ours;

    u->parts = calloc(S3_PARTS_MAX, sizeof *u->parts);
    if (u->parts == NULL)
        return vml_fail_nomem(err);
    if (s3_head(&u->of, &exists, &ours, err) < 0)
        return -1;
    if (exists && !ours)
        return vml_fail(err, VML_EEXISTS, "s3/exists",
                        "s3://%s/%s: an object that is not vmlift's has this name", u->of.bucket,
                        u->of.key);
    return start(u, err) < 0 ? -1 : abort_others(u, err);
}

int s3_upload_begin(struct s3_upload **out, const struct s3_object *o, struct vml_error *err)
{
    struct s3_upload *u = calloc(1, sizeof *u);

    if (u == NULL)
        return vml_fail_nomem(err);
    u->of = *o;
    pthread_mutex_init(&u->lock, NULL);
    if (begin(u, err) < 0) {
        s3_upload_free(u);
        return -1;
    }
    *out = u;
    return 0;
}

/* --- parts ------------------------------------------------------------------------------------ */

struct sending {
    struct part part;
    bool opaque;
};

/* What arrived is what was sent. */
static int check_part(void *arg, const struct http_answer *a, struct vml_error *err)
{
    struct sending *s = arg;
    char want[ETAG_SIZE], how[32];

    if (http_header(a, "ETag", s->part.etag, sizeof s->part.etag) == NULL)
        return vml_fail(err, VML_EIO, "aws/broken", "the answer has no ETag");
    strip_quotes(s->part.etag);
    s->opaque = http_header(a, "x-amz-server-side-encryption", how, sizeof how) != NULL &&
                strncmp(how, "aws:kms", 7) == 0;
    print_etag(want, s->part.md5, 0);
    if (!s->opaque && strcmp(s->part.etag, want) != 0)
        return vml_fail(err, VML_EIO, "aws/broken", "the part has arrived as %.60s, not as %s",
                        s->part.etag, want);
    return 0;
}

int s3_upload_part(struct s3_upload *u, unsigned n, const void *bytes, size_t len,
                   struct vml_error *err)
{
    struct sending s = { .opaque = false };
    char sum[4 * MD5_SIZE];
    const struct vml_header header = { "Content-MD5", sum };
    VML_AUTO(vml_freep) char *query = NULL;
    VML_AUTO(http_answer_clear) struct http_answer a = { 0 };

    if (n == 0 || n > S3_PARTS_MAX)
        return vml_fail(err, VML_EUNSUPPORTED, "s3/too-large",
                        "s3://%s/%s: more than %u parts, which is all that an object can have",
                        u->of.bucket, u->of.key, S3_PARTS_MAX);
    if (md5(s.part.md5, bytes, len, err) < 0)
        return -1;
    EVP_EncodeBlock((unsigned char *)sum, s.part.md5, MD5_SIZE);
    if (asprintf(&query, "partNumber=%u&uploadId=%s", n, u->id) < 0) {
        query = NULL;
        return vml_fail_nomem(err);
    }
    struct aws_call c = { .name = "UploadPart",
                          .method = "PUT",
                          .query = query,
                          .headers = &header,
                          .n_headers = 1,
                          .body = bytes,
                          .body_len = len,
                          .check = check_part,
                          .arg = &s };
    if (s3_call(&u->of, &c, &a, NULL, err) < 0)
        return -1;
    pthread_mutex_lock(&u->lock);
    u->parts[n - 1] = s.part;
    u->opaque |= s.opaque;
    pthread_mutex_unlock(&u->lock);
    return 0;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* The ETag that the object must have; "" where that is nobody's to tell. */
static int whole_etag(const struct s3_upload *u, unsigned n, char out[ETAG_SIZE],
                      struct vml_error *err)
{
    VML_AUTO(vml_freep) uint8_t *sums = calloc(n, MD5_SIZE);
    uint8_t sum[MD5_SIZE];

    out[0] = '\0';
    if (u->opaque)
        return 0;
    if (sums == NULL)
        return vml_fail_nomem(err);
    for (unsigned i = 0; i < n; i++)
        memcpy(sums + (size_t)i * MD5_SIZE, u->parts[i].md5, MD5_SIZE);
    if (md5(sum, sums, (size_t)n * MD5_SIZE, err) < 0)
        return -1;
    print_etag(out, sum, n);
    return 0;
}

static int print_parts(const struct s3_upload *u, unsigned n, char **body, size_t *len,
                       struct vml_error *err)
{
    FILE *f = vml_memstream(body, len);

    if (f == NULL)
        return vml_fail_nomem(err);
    fputs("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">", f);
    for (unsigned i = 0; i < n; i++)
        fprintf(f, "<Part><ETag>&quot;%s&quot;</ETag><PartNumber>%u</PartNumber></Part>",
                u->parts[i].etag, i + 1);
    fputs("</CompleteMultipartUpload>", f);
    return fclose(f) == 0 ? 0 : vml_fail_nomem(err);
}

/* S3 says 200 before it is done, so that the connection lives meanwhile; what became of it is in
 * the body. */
static int check_whole(void *arg, const struct http_answer *a, struct vml_error *err)
{
    const char *want = arg;
    VML_AUTO(xml_freep) xmlDoc *doc = NULL;
    xmlNode *root;
    struct fault f;
    char etag[ETAG_SIZE];

    if (xml_read(&doc, a->body, a->body_len, err) < 0)
        return -1;
    root = xmlDocGetRootElement(doc);
    if (strcmp((const char *)root->name, "Error") == 0) {
        fault_read(&f, "s3", a);
        if (f.kind == FAULT_TRANSIENT || f.kind == FAULT_THROTTLED)
            return vml_fail(err, VML_EIO, "aws/broken", "%.200s: %.400s", f.code, f.message);
        return fault_fail(&f, "CompleteMultipartUpload", a->status, err);
    }
    xml_text(root, "ETag", etag, sizeof etag);
    strip_quotes(etag);
    if (etag[0] == '\0')
        return vml_fail(err, VML_EIO, "aws/broken", "the answer has no ETag");
    if (want[0] != '\0' && strcmp(etag, want) != 0)
        return vml_fail(err, VML_EIO, "s3/damaged", "the object has arrived as %.60s, not as %s",
                        etag, want);
    return 0;
}

/* The first answer was lost, and the upload is gone: is it the object by now? */
static bool is_there(const struct s3_upload *u, const char *want)
{
    struct aws_call c = { .name = "HeadObject", .method = "HEAD" };
    VML_AUTO(http_answer_clear) struct http_answer a = { 0 };
    struct vml_error ignored;
    char etag[ETAG_SIZE];

    if (want[0] == '\0' || s3_call(&u->of, &c, &a, NULL, &ignored) < 0 ||
        http_header(&a, "ETag", etag, sizeof etag) == NULL)
        return false;
    strip_quotes(etag);
    return strcmp(etag, want) == 0;
}

int s3_upload_finish(struct s3_upload *u, unsigned n, struct vml_error *err)
{
    static const struct vml_header type = { "Content-Type", "application/xml" };
    VML_AUTO(vml_freep) char *query = NULL;
    VML_AUTO(vml_freep) char *body = NULL;
    VML_AUTO(http_answer_clear) struct http_answer a = { 0 };
    char want[ETAG_SIZE];
    size_t len;
    bool again;

    if (whole_etag(u, n, want, err) < 0 || print_parts(u, n, &body, &len, err) < 0)
        return -1;
    if (asprintf(&query, "uploadId=%s", u->id) < 0) {
        query = NULL;
        return vml_fail_nomem(err);
    }
    struct aws_call c = { .name = "CompleteMultipartUpload",
                          .method = "POST",
                          .query = query,
                          .headers = &type,
                          .n_headers = 1,
                          .body = body,
                          .body_len = len,
                          .longer = COMPLETE_MAX,
                          .check = check_whole,
                          .arg = want };
    if (s3_call(&u->of, &c, &a, &again, err) < 0 &&
        !(again && strcmp(err->slug, "NoSuchUpload") == 0 && is_there(u, want))) {
        struct vml_error ignored;
        if (strcmp(err->slug, "s3/damaged") == 0)
            (void)s3_delete(&u->of, "", &ignored);
        return -1;
    }
    if (http_header(&a, "x-amz-version-id", u->version, sizeof u->version) == NULL)
        u->version[0] = '\0';
    u->finished = true;
    return 0;
}

const char *s3_upload_version(const struct s3_upload *u)
{
    return u->version;
}

void s3_upload_free(struct s3_upload *u)
{
    struct vml_error ignored;

    if (u == NULL)
        return;
    if (!u->finished && u->id != NULL)
        (void)abort_one(&u->of, u->id, &ignored);
    pthread_mutex_destroy(&u->lock);
    free(u->parts);
    free(u->id);
    free(u);
}
