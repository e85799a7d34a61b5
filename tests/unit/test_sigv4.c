/* Signatures that others made: AWS's published example, and botocore 1.29's of the requests that
 * are easily signed wrong (test_sigv4 - signs what cli/80 has botocore sign too, by the hundred).
 */
#include <jansson.h>

#include "check.h"
#include "vmlift/aws.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define EMPTY  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct {
    const char *what, *method, *path, *query, *payload, *time, *region, *service;
    struct vml_header headers[8];
    const char *canonical, *signature;
} cases[] = {
    { "AWS's own example",
      "GET",
      "/",
      "Action=ListUsers&Version=2010-05-08",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "20150830T123600Z",
      "us-east-1",
      "iam",
      { { "host", "iam.amazonaws.com" },
        { "x-amz-date", "20150830T123600Z" },
        { "content-type", "application/x-www-form-urlencoded; charset=utf-8" } },
      "GET\n"
      "/\n"
      "Action=ListUsers&Version=2010-05-08\n"
      "content-type:application/x-www-form-urlencoded; charset=utf-8\n"
      "host:iam.amazonaws.com\n"
      "x-amz-date:20150830T123600Z\n"
      "\n"
      "content-type;host;x-amz-date\n"
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7" },
    { "a form and a session token",
      "POST",
      "/",
      "",
      "d08ae4f8d1ea3a019eb2bedca079daf66183abf967eb28ed0ae58be91e3e85c2",
      "20261120T152013Z",
      "eu-west-1",
      "ec2",
      { { "host", "ec2.eu-west-1.amazonaws.com" },
        { "x-amz-date", "20261120T152013Z" },
        { "content-type", "application/x-www-form-urlencoded; charset=utf-8" },
        { "x-amz-security-token", "IQoJtok/en+x==" } },
      "POST\n"
      "/\n"
      "\n"
      "content-type:application/x-www-form-urlencoded; charset=utf-8\n"
      "host:ec2.eu-west-1.amazonaws.com\n"
      "x-amz-date:20261120T152013Z\n"
      "x-amz-security-token:IQoJtok/en+x==\n"
      "\n"
      "content-type;host;x-amz-date;x-amz-security-token\n"
      "d08ae4f8d1ea3a019eb2bedca079daf66183abf967eb28ed0ae58be91e3e85c2",
      "a023c3def62a0fa1d426293196cf74fbc92471cc4626ce041a4619ffee980e6f" },
    { "names that begin alike",
      "PUT",
      "/snapshots/snap-0123456789abcdef0/blocks/7",
      "",
      "UNSIGNED-PAYLOAD",
      "20261120T152013Z",
      "us-east-1",
      "ebs",
      { { "host", "ebs.us-east-1.amazonaws.com" },
        { "x-amz-date", "20261120T152013Z" },
        { "x-amz-checksum-algorithm", "SHA256" },
        { "x-amz-checksum", "iDRV87iW76zjckbC5MlMmPd/AmSU7qkRRh9UxC1wIpc=" },
        { "x-amz-data-length", "524288" },
        { "x-amz-content-sha256", "UNSIGNED-PAYLOAD" } },
      "PUT\n"
      "/snapshots/snap-0123456789abcdef0/blocks/7\n"
      "\n"
      "host:ebs.us-east-1.amazonaws.com\n"
      "x-amz-checksum:iDRV87iW76zjckbC5MlMmPd/AmSU7qkRRh9UxC1wIpc=\n"
      "x-amz-checksum-algorithm:SHA256\n"
      "x-amz-content-sha256:UNSIGNED-PAYLOAD\n"
      "x-amz-data-length:524288\n"
      "x-amz-date:20261120T152013Z\n"
      "\n"
      "host;x-amz-checksum;x-amz-checksum-algorithm;x-amz-content-sha256;x-amz-data-length;x-amz-"
      "date\n"
      "UNSIGNED-PAYLOAD",
      "4b8bbe33fcd152461d1ffe7456e248fe5aae79dab64a5aa9ce6b5c560b0cfe69" },
    { "a query that is not sorted",
      "GET",
      "/snapshots/snap-0123456789abcdef0/blocks",
      "startingBlockIndex=0&maxResults=100&blockToken=AAUBAcu%2F%2BA%3D%3D",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "20261120T152013Z",
      "us-east-1",
      "ebs",
      { { "host", "ebs.us-east-1.amazonaws.com" }, { "x-amz-date", "20261120T152013Z" } },
      "GET\n"
      "/snapshots/snap-0123456789abcdef0/blocks\n"
      "blockToken=AAUBAcu%2F%2BA%3D%3D&maxResults=100&startingBlockIndex=0\n"
      "host:ebs.us-east-1.amazonaws.com\n"
      "x-amz-date:20261120T152013Z\n"
      "\n"
      "host;x-amz-date\n"
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "3e9cce4d7168e2beeabc6879865677c8b12de7fb79a133828fa69ac0b11442f9" },
    { "an encoded path, encoded again",
      "GET",
      "/a%20b/(c)/x",
      "",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "20261120T152013Z",
      "us-east-1",
      "ebs",
      { { "host", "ebs.us-east-1.amazonaws.com" }, { "x-amz-date", "20261120T152013Z" } },
      "GET\n"
      "/a%2520b/%28c%29/x\n"
      "\n"
      "host:ebs.us-east-1.amazonaws.com\n"
      "x-amz-date:20261120T152013Z\n"
      "\n"
      "host;x-amz-date\n"
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "1a5bf96021b2041299d121d1e98a86d9e76fdc53b12d1f42e20eb1c51cb19c61" },
    { "S3's path, as it is, and a name without value",
      "POST",
      "/b//../dir/a%20b%2Bc%20%281%29.bin",
      "uploads",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "20261120T152013Z",
      "us-east-1",
      "s3",
      { { "host", "127.0.0.1:8000" },
        { "x-amz-date", "20261120T152013Z" },
        { "x-amz-meta-a-b", "2" },
        { "x-amz-meta-a", "  1   1 " },
        { "x-amz-content-sha256",
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" } },
      "POST\n"
      "/b//../dir/a%20b%2Bc%20%281%29.bin\n"
      "uploads=\n"
      "host:127.0.0.1:8000\n"
      "x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
      "x-amz-date:20261120T152013Z\n"
      "x-amz-meta-a:1 1\n"
      "x-amz-meta-a-b:2\n"
      "\n"
      "host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-meta-a-b\n"
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "9fbce86f5e1ac5a61178410740fb88771be55dccf9a39f90573c628c3f41564c" },
};

static void test_cases(void)
{
    struct vml_error err;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vml_sigv4_request r = { .method = cases[i].method,
                                       .path = cases[i].path,
                                       .query = cases[i].query,
                                       .headers = cases[i].headers,
                                       .payload = cases[i].payload };
        const struct vml_sigv4_scope scope = { .time = cases[i].time,
                                               .region = cases[i].region,
                                               .service = cases[i].service };
        char *canonical = NULL, *names = NULL, *authorization = NULL, *want = NULL;
        char signature[65];

        while (r.n_headers < 8 && cases[i].headers[r.n_headers].name != NULL)
            r.n_headers++;
        CHECK_OK(vml_sigv4_canonical(&canonical, &names, &r, scope.service, &err), &err);
        CHECK_STR(canonical, cases[i].canonical);
        CHECK_OK(vml_sigv4_signature(signature, canonical, &scope, SECRET, &err), &err);
        CHECK_STR(signature, cases[i].signature);
        CHECK_OK(vml_sigv4_authorization(&authorization, &r, &scope, "AKIDEXAMPLE", SECRET, &err),
                 &err);
        CHECK(asprintf(&want,
                       "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/%.8s/%s/%s/aws4_request, "
                       "SignedHeaders=%s, Signature=%s",
                       scope.time, scope.region, scope.service, names, signature) > 0);
        CHECK_STR(authorization, want);
        free(canonical);
        free(names);
        free(authorization);
        free(want);
    }
}

/* A query or path means the same however it was encoded, in any order; what differs, differs. */
static void test_same(void)
{
    static const struct {
        const char *path, *query, *service;
        const char *other_path, *other_query;
        bool same;
    } pairs[] = {
        { "/", "b=1&a=2", "ec2", "/", "a=2&b=1", true },
        { "/", "a=%2f%7e", "ec2", "/", "a=%2F~", true },
        { "/", "uploads", "s3", "/", "uploads=", true },
        { "/", "a=1&X-Amz-Signature=0", "s3", "/", "a=1", true },
        { "/", "a=2&a=1", "ec2", "/", "a=1&a=2", true },
        { "/", "a=%zz", "ec2", "/", "a=%25zz", true },
        { "/", "a=%4", "ec2", "/", "a=%254", true },
        { "/", "a&b", "ec2", "/", "a=b", false },
        { "/", "a=+", "ec2", "/", "a=%20", false },
        { "//x/./y/../z", "", "ebs", "/x/z", "", true },
        { "/..", "", "ebs", "/", "", true },
        { "", NULL, "ebs", "/", "", true },
        { "/x/", "", "ebs", "/x", "", false },
        { "//x", "", "s3", "/x", "", false },
    };
    struct vml_error err;

    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct vml_sigv4_request r = {
            .method = "GET", .path = pairs[i].path, .query = pairs[i].query, .payload = EMPTY
        };
        char *one = NULL, *other = NULL;

        CHECK_OK(vml_sigv4_canonical(&one, NULL, &r, pairs[i].service, &err), &err);
        r.path = pairs[i].other_path;
        r.query = pairs[i].other_query;
        CHECK_OK(vml_sigv4_canonical(&other, NULL, &r, pairs[i].service, &err), &err);
        CHECK_INT(strcmp(one, other) == 0, pairs[i].same);
        free(one);
        free(other);
    }
}

static void test_time(void)
{
    char buf[17];

    CHECK_STR(vml_sigv4_time(buf, 1440938160), "20150830T123600Z");
    CHECK_STR(vml_sigv4_time(buf, 0), "19700101T000000Z");
}

static const char *text(const json_t *v, const char *key)
{
    return json_string_value(json_object_get(v, key));
}

/* One request on a line of standard input, as JSON; its canonical form and signature on one of
 * standard output. */
static int sign_lines(void)
{
    char *line = NULL;
    size_t cap = 0;

    while (getline(&line, &cap, stdin) > 0) {
        json_t *v = json_loads(line, 0, NULL), *headers = json_object_get(v, "headers");
        struct vml_header list[64];
        struct vml_sigv4_request r = { .method = text(v, "method"),
                                       .path = text(v, "path"),
                                       .query = text(v, "query"),
                                       .headers = list,
                                       .n_headers = json_array_size(headers),
                                       .payload = text(v, "payload") };
        const struct vml_sigv4_scope scope = { .time = text(v, "time"),
                                               .region = text(v, "region"),
                                               .service = text(v, "service") };
        char *canonical = NULL, signature[65], *out;
        struct vml_error err;

        CHECK(v != NULL && r.n_headers <= 64);
        for (size_t i = 0; i < r.n_headers; i++) {
            json_t *h = json_array_get(headers, i);

            list[i] = (struct vml_header){ json_string_value(json_array_get(h, 0)),
                                           json_string_value(json_array_get(h, 1)) };
        }
        CHECK_OK(vml_sigv4_canonical(&canonical, NULL, &r, scope.service, &err), &err);
        CHECK_OK(vml_sigv4_signature(signature, canonical, &scope, text(v, "secret"), &err), &err);
        v = (json_decref(v),
             json_pack("{s:s, s:s}", "canonical", canonical, "signature", signature));
        out = json_dumps(v, JSON_COMPACT);
        CHECK(out != NULL);
        puts(out);
        free(out);
        json_decref(v);
        free(canonical);
    }
    free(line);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "-") == 0)
        return sign_lines();
    test_cases();
    test_same();
    test_time();
    return 0;
}
