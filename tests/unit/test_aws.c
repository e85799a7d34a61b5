/* Where keys, regions and endpoints come from, and how often is asked.  What goes over the wire is
 * for cli/80, for which `test_aws - SERVICE METHOD PATH QUERY [BODY]` makes one call. */
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aws/call.h"
#include "aws/fault.h"
#include "aws/internal.h"
#include "check.h"

extern char **environ;

static char folder[] = "/tmp/vmlift-test-aws-XXXXXX";

static const char *in_folder(char buf[PATH_MAX], const char *name)
{
    snprintf(buf, PATH_MAX, "%s/%s", folder, name);
    return buf;
}

static void put_file(const char *name, const char *text)
{
    char path[PATH_MAX];
    FILE *f = fopen(in_folder(path, name), "w");

    CHECK(f != NULL);
    fputs(text, f);
    CHECK(fclose(f) == 0);
}

/* Each is the whole environment but for the home. */
struct found {
    const char *profile;
    const char *env[6];
    const char *access_key, *secret, *token; /* or: */
    const char *slug;
};

static const char *home(void)
{
    static char text[64];

    snprintf(text, sizeof text, "HOME=%s", folder);
    return text;
}

static void fill_env(char *out[12], const char *const *env)
{
    size_t n = 0;

    out[n++] = (char *)home();
    out[n++] = (char *)"AWS_EC2_METADATA_DISABLED=true";
    for (; *env != NULL; env++)
        out[n++] = (char *)*env;
    out[n] = NULL;
}

static void test_keys(void)
{
    static const struct found cases[] = {
        { NULL, { "AWS_ACCESS_KEY_ID=AE", "AWS_SECRET_ACCESS_KEY=se" }, "AE", "se", NULL, NULL },
        { NULL,
          { "AWS_ACCESS_KEY_ID=AE", "AWS_SECRET_ACCESS_KEY=se", "AWS_SESSION_TOKEN=te",
            "AWS_PROFILE=both" },
          "AE",
          "se",
          "te",
          NULL },
        { NULL, { "AWS_ACCESS_KEY_ID=AE" }, NULL, NULL, NULL, "aws/credentials" },
        { NULL, { NULL }, "AD", "sd", NULL, NULL },
        /* a profile that is asked for by name goes before the environment */
        { "both",
          { "AWS_ACCESS_KEY_ID=AE", "AWS_SECRET_ACCESS_KEY=se" },
          "AB",
          "s#b;=x",
          "tb",
          NULL },
        { NULL, { "AWS_PROFILE=config" }, "AC", "sc", NULL, NULL },
        { NULL, { "AWS_DEFAULT_PROFILE=quoted name" }, "AQ", "sq", NULL, NULL },
        { "process", { NULL }, "AP", "s p", "tp", NULL },
        { "broken", { NULL }, NULL, NULL, NULL, "aws/credentials" },
        { "failing", { NULL }, NULL, NULL, NULL, "aws/credentials" },
        { "half", { NULL }, NULL, NULL, NULL, "aws/credentials" },
        { "role", { NULL }, NULL, NULL, NULL, "aws/profile-kind" },
        { "empty", { NULL }, NULL, NULL, NULL, "aws/credentials" },
        { "nobody", { NULL }, NULL, NULL, NULL, "aws/profile" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct credentials c;
        struct key key = { 0 };
        struct vml_error err = { 0 };
        char *env[12];

        fill_env(env, cases[i].env);
        int rc = credentials_init(&c, env, cases[i].profile, &err);
        if (rc == 0)
            rc = credentials_get(&c, &key, &err);
        CHECK_STR(rc == 0 ? "" : err.slug, cases[i].slug != NULL ? cases[i].slug : "");
        CHECK(strstr(err.text, "s#b") == NULL && strstr(err.text, "s p") == NULL);
        if (rc == 0) {
            CHECK_STR(key.access_key, cases[i].access_key);
            CHECK_STR(key.secret, cases[i].secret);
            CHECK_STR(key.token != NULL ? key.token : "",
                      cases[i].token != NULL ? cases[i].token : "");
        }
        key_clear(&key);
        credentials_clear(&c);
    }
}

/* A process that gives a key for a short time is asked again; one that is good is not. */
static void test_renewal(void)
{
    static const char *const none[] = { NULL };
    struct credentials c;
    struct key key;
    struct vml_error err;
    char *env[12];

    fill_env(env, none);
    CHECK_OK(credentials_init(&c, env, "counting", &err), &err);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(credentials_get(&c, &key, &err), &err);
        CHECK_STR(key.access_key, "A1");
        key_clear(&key);
    }
    CHECK(!credentials_renew(&c, "A1")); /* it was asked for a moment ago */
    c.asked -= 60;
    CHECK(credentials_renew(&c, "A1"));
    CHECK_OK(credentials_get(&c, &key, &err), &err);
    CHECK_STR(key.access_key, "A2");
    key_clear(&key);
    c.asked -= 60;
    c.key.expires = vml_now() + 10; /* it is about to end */
    CHECK_OK(credentials_get(&c, &key, &err), &err);
    CHECK_STR(key.access_key, "A3");
    key_clear(&key);
    credentials_clear(&c);
}

static void test_places(void)
{
    static const struct {
        const char *env[6];
        const char *profile, *region_given, *url;
        const char *region, *ec2, *ebs, *s3, *slug;
    } cases[] = {
        { { "AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=x" },
          NULL,
          NULL,
          NULL,
          "eu-west-1",
          "https://ec2.eu-west-1.amazonaws.com",
          "https://ebs.eu-west-1.amazonaws.com",
          "https://s3.eu-west-1.amazonaws.com",
          NULL },
        { { NULL },
          "config",
          NULL,
          NULL,
          "cn-north-1",
          "https://ec2.cn-north-1.amazonaws.com.cn",
          "https://ebs.cn-north-1.amazonaws.com.cn",
          "https://s3.cn-north-1.amazonaws.com.cn",
          NULL },
        { { "AWS_ENDPOINT_URL=http://a:1/", "AWS_ENDPOINT_URL_EBS=http://b:2/x/" },
          NULL,
          "us-east-1",
          NULL,
          "us-east-1",
          "http://a:1",
          "http://b:2/x",
          "http://a:1",
          NULL },
        { { "AWS_ENDPOINT_URL=http://a:1/" },
          NULL,
          "us-east-1",
          "http://[::1]:8250",
          "us-east-1",
          "http://[::1]:8250",
          "http://[::1]:8250",
          "http://[::1]:8250",
          NULL },
        { { NULL }, "both", NULL, NULL, NULL, NULL, NULL, NULL, "aws/region" },
        { { NULL }, NULL, "../x", NULL, NULL, NULL, NULL, NULL, "aws/region" },
        { { NULL }, NULL, "us-east-1", "ftp://x", NULL, NULL, NULL, NULL, "aws/endpoint" },
        { { NULL }, NULL, "us-east-1", "http://u@x", NULL, NULL, NULL, NULL, "aws/endpoint" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vml_aws *aws = NULL;
        struct vml_error err = { 0 };
        char *env[12];

        fill_env(env, cases[i].env);
        int rc = vml_aws_open(&aws,
                              &(const struct vml_aws_config){ .env = env,
                                                              .profile = cases[i].profile,
                                                              .region = cases[i].region_given,
                                                              .endpoint_url = cases[i].url },
                              &err);
        CHECK_STR(rc == 0 ? "" : err.slug, cases[i].slug != NULL ? cases[i].slug : "");
        if (rc == 0) {
            CHECK_STR(vml_aws_region(aws), cases[i].region);
            CHECK_STR(vml_aws_endpoint(aws, "ec2"), cases[i].ec2);
            CHECK_STR(vml_aws_endpoint(aws, "ebs"), cases[i].ebs);
            CHECK_STR(vml_aws_endpoint(aws, "s3"), cases[i].s3);
        }
        vml_aws_free(aws);
    }
}

/* Throttling halves, or so, what gets through; the budget ends, and is filled up by answers. */
static void test_pace(void)
{
    struct vml_aws_stats stats;
    struct vml_error err;
    struct pace p;
    double start;

    pace_init(&p);
    start = pace_now();
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(pace_wait(&p, false, &err), &err);
        pace_answered(&p);
    }
    CHECK(pace_now() - start < 1); /* nobody was put off */
    p.since = pace_now() - 2;      /* as if that had been 500 a second */
    p.cut = p.since;
    pace_throttled(&p);
    pace_throttled(&p); /* of the same time: counts once */
    pace_stats(&p, &stats);
    CHECK(stats.rate > 200 && stats.rate < 400);
    CHECK_INT(stats.throttled, 2);
    start = pace_now();
    for (int i = 0; i < 60; i++)
        CHECK_OK(pace_wait(&p, false, &err), &err);
    CHECK(pace_now() - start > 0.1);
    for (int i = 0; i < PACE_BUDGET; i++)
        CHECK(pace_retry(&p));
    CHECK(!pace_retry(&p));
    for (int i = 0; i < 4; i++)
        pace_answered(&p);
    CHECK(pace_retry(&p) && !pace_retry(&p));
    pace_clear(&p);
}

static void test_faults(void)
{
    static const struct {
        const char *service, *headers, *body;
        long status;
        enum fault_kind kind;
        enum vml_code code;
        const char *slug, *text;
    } cases[] = {
        { "ec2", "",
          "<Response><Errors><Error><Code>InvalidAMIID.NotFound</Code><Message>The image id "
          "'[ami-1]' does not exist</Message></Error></Errors><RequestID>x</RequestID></Response>",
          400, FAULT_REFUSED, VML_ENOTFOUND, "InvalidAMIID.NotFound",
          "Act: The image id '[ami-1]' does not exist" },
        { "ec2", "",
          "<Response><Errors><Error><Code>RequestLimitExceeded</Code></Error></Errors>"
          "</Response>",
          503, FAULT_THROTTLED, VML_EIO, "RequestLimitExceeded", NULL },
        { "ec2", "",
          "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not "
          "authorized to perform this operation. Encoded authorization failure message: AAAA"
          "</Message></Error></Errors></Response>",
          403, FAULT_REFUSED, VML_EREFUSED, "UnauthorizedOperation",
          "Act: You are not authorized to perform this operation.; aws sts "
          "decode-authorization-message tells which policy says so" },
        { "ebs", "x-amzn-ErrorType: ValidationException:http://x/\n",
          "{\"Message\":\"no\",\"Reason\":\"INVALID_BLOCK\"}", 400, FAULT_REFUSED, VML_EREFUSED,
          "ValidationException", "Act: no (INVALID_BLOCK)" },
        { "ebs", "x-amzn-ErrorType: RequestThrottledException\n", "{\"Message\":\"slow\"}", 400,
          FAULT_THROTTLED, VML_EIO, "RequestThrottledException", "Act: slow" },
        { "ebs", "", "{\"__type\":\"com.amazon#ResourceNotFoundException\",\"message\":\"gone\"}",
          404, FAULT_REFUSED, VML_ENOTFOUND, "ResourceNotFoundException", "Act: gone" },
        { "ebs", "x-amzn-ErrorType: AccessDeniedException\n",
          "{\"Message\":\"no\",\"Reason\":\"UNAUTHORIZED_ACCOUNT\"}", 403, FAULT_REFUSED,
          VML_EREFUSED, "AccessDeniedException",
          "Act: no (UNAUTHORIZED_ACCOUNT); the account's policies must allow ebs:Act" },
        { "ebs", "", "<html>", 502, FAULT_TRANSIENT, VML_EIO, "http/502",
          "Act: answered with status 502 and no words" },
        { "s3", "", "<Error><Code>NoSuchBucket</Code><Message>m</Message></Error>", 404,
          FAULT_REFUSED, VML_ENOTFOUND, "NoSuchBucket", "Act: m" },
        { "s3", "", "<Error><Code>RequestTimeTooSkewed</Code><Message>m</Message></Error>", 403,
          FAULT_CLOCK, VML_EREFUSED, "RequestTimeTooSkewed",
          "Act: m; is this machine's clock right?" },
        { "s3", "", "<Error><Code>SlowDown</Code><Message>m</Message></Error>", 503,
          FAULT_THROTTLED, VML_EIO, "SlowDown", "Act: m" },
        { "s3", "", NULL, 403, FAULT_REFUSED, VML_EREFUSED, "http/403", NULL },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct http_answer a = { .status = cases[i].status,
                                       .headers = (char *)cases[i].headers,
                                       .body = (char *)cases[i].body,
                                       .body_len =
                                           cases[i].body != NULL ? strlen(cases[i].body) : 0 };
        struct vml_error err;
        struct fault f;

        fault_read(&f, cases[i].service, &a);
        CHECK_INT(f.kind, cases[i].kind);
        CHECK_FAILS(fault_fail(&f, "Act", a.status, &err), &err, cases[i].slug);
        CHECK_INT(err.code, cases[i].code);
        if (cases[i].text != NULL)
            CHECK_STR(err.text, cases[i].text);
    }
}

/* One call in the environment that there is; says what became of it on a line. */
static int call(char **words)
{
    struct vml_aws *aws = NULL;
    struct vml_aws_stats stats = { 0 };
    struct http_answer a = { 0 };
    struct vml_error err = { 0 };
    static const struct vml_header type = { "Content-Type", "application/x-test" };
    int rc =
        vml_aws_open(&aws, &(const struct vml_aws_config){ .env = environ, .timeout = 2 }, &err);

    if (rc == 0)
        rc = aws_call(
            aws,
            &(const struct aws_call){ .service = words[0],
                                      .name = "Test",
                                      .method = words[1],
                                      .path = words[2],
                                      .query = words[3],
                                      .headers = &type,
                                      .n_headers = 1,
                                      .body = words[4],
                                      .body_len = words[4] != NULL ? strlen(words[4]) : 0 },
            &a, NULL, &err);
    if (aws != NULL)
        vml_aws_stats(aws, &stats);
    printf("%s|%s|%d|%s\n", rc == 0 ? "ok" : err.slug, rc == 0 ? (a.body ? a.body : "") : err.text,
           (int)stats.requests, stats.throttled > 0 ? "throttled" : "");
    http_answer_clear(&a);
    vml_aws_free(aws);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

int main(int argc, char **argv)
{
    char command[PATH_MAX];

    if (argc > 5 && strcmp(argv[1], "-") == 0)
        return call(argv + 2);
    CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0 && mkdir(".aws", 0700) == 0);
    put_file(".aws/credentials",
             "# keys\n[default]\naws_access_key_id = AD\naws_secret_access_key=sd\n"
             "[both]\r\naws_access_key_id = AB\r\nAWS_Secret_Access_Key = s#b;=x\r\n"
             "aws_session_token : tb\r\n"
             "[quoted name]\naws_access_key_id=AQ\naws_secret_access_key=sq\n"
             "[half]\naws_access_key_id=AH\n");
    snprintf(command, sizeof command,
             "[default]\n[profile both]\naws_access_key_id=no\n"
             "[profile config]\nregion = cn-north-1\ns3 =\n  region = no\naws_access_key_id=AC\n"
             "aws_secret_access_key=sc\n"
             "[profile process]\ncredential_process = sh -c 'echo \"$1\"' \"a b\" "
             "\"{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"AP\\\","
             "\\\"SecretAccessKey\\\":\\\"s p\\\",\\\"SessionToken\\\":\\\"tp\\\"}\"\n"
             "[profile broken]\ncredential_process = echo 'x\n"
             "[profile failing]\ncredential_process = false\n"
             "[profile role]\nrole_arn = arn:x\nsource_profile = default\n"
             "[profile empty]\nregion = us-east-1\n"
             "[profile counting]\ncredential_process = sh %s/count\n",
             folder);
    put_file(".aws/config", command);
    put_file("count", "cd \"$(dirname \"$0\")\"\necho x >>calls\nn=$(grep -c x calls)\n"
                      "echo \"{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"A$n\\\","
                      "\\\"SecretAccessKey\\\":\\\"s\\\","
                      "\\\"Expiration\\\":\\\"2099-01-01T00:00:00+00:00\\\"}\"\n");
    test_keys();
    test_renewal();
    test_places();
    test_pace();
    test_faults();
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
