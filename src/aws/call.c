#include "call.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "fault.h"
#include "internal.h"
#include "vmlift/codec.h"

#define WAIT_FIRST             0.1 /* seconds: as long as the first wait may be; each may be twice the last */
#define WAIT_MAX               20.0
#define TRIES_IF_NEVER_REACHED 4 /* an address that is wrong does not become right */
enum { OWN_HEADERS = 6, EACH_BYTE_MS_SHIFT = 4 }; /* 16 KiB a second must be possible */

/* One call under way. */
struct doing {
    struct vml_aws *aws;
    const struct aws_call *call;
    char *url;
    char host[280];
    const char *payload; /* what is signed of the body */
    char digest[65];
    char renewed[132];    /* the access key that was given up, as it had expired */
    unsigned tries, sent; /* sent: requests that went out */
    double started;
};

static void doing_clear(struct doing *d)
{
    free(d->url);
}

void aws_encode(FILE *f, const char *text, bool keep_slashes)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
            strchr("-_.~", c) != NULL || (c == '/' && keep_slashes))
            fputc(c, f);
        else
            fprintf(f, "%%%02X", c);
    }
}

/* --- one try ---------------------------------------------------------------------------------- */

static int prepare(struct doing *d, struct vml_error *err)
{
    const struct aws_call *c = d->call;
    const char *endpoint = vml_aws_endpoint(d->aws, c->service);
    const char *host = strstr(endpoint, "://") + 3;
    const char *prefix = c->host_prefix != NULL ? c->host_prefix : "";
    size_t len = strcspn(host, "/");
    bool query = c->query != NULL && c->query[0] != '\0';
    uint8_t raw[32];

    /* a scheme's own port is not a part of Host */
    if (len > 3 && strncmp(host + len - 3, ":80", 3) == 0 && strncasecmp(endpoint, "http:", 5) == 0)
        len -= 3;
    if (len > 4 && strncmp(host + len - 4, ":443", 4) == 0 &&
        strncasecmp(endpoint, "https:", 6) == 0)
        len -= 4;
    if (strlen(prefix) + len >= sizeof d->host)
        return vml_fail(err, VML_EUSAGE, "aws/endpoint", "endpoint %s: the host's name is too long",
                        endpoint);
    snprintf(d->host, sizeof d->host, "%s%.*s", prefix, (int)len, host);
    if (asprintf(&d->url, "%.*s%s%s%s%s%s", (int)(host - endpoint), endpoint, prefix, host, c->path,
                 query ? "?" : "", query ? c->query : "") < 0) {
        d->url = NULL;
        return vml_fail_nomem(err);
    }
    d->payload = "UNSIGNED-PAYLOAD";
    if (!c->unsigned_body) {
        vml_sha256(c->body_len > 0 ? c->body : "", c->body_len, raw);
        vml_hex(d->digest, raw, sizeof raw);
        d->payload = d->digest;
    }
    return 0;
}

/* The path of the URL, which may begin with that of the endpoint. */
static void signed_path(const struct doing *d, char **path, struct vml_error *err)
{
    const char *start = strstr(d->url, "://") + 3;

    start += strcspn(start, "/?");
    *path = strndup(start, strcspn(start, "?"));
    if (*path == NULL)
        vml_fail_nomem(err);
}

static int send_signed(struct doing *d, const struct key *key, struct http_answer *a,
                       struct vml_error *err)
{
    const struct aws_call *c = d->call;
    VML_AUTO(vml_freep) struct vml_header *headers = NULL;
    VML_AUTO(vml_freep) char *path = NULL;
    VML_AUTO(vml_freep) char *authorization = NULL;
    bool s3 = strcmp(c->service, "s3") == 0;
    char when[17];
    size_t n = 0;

    headers = calloc(c->n_headers + OWN_HEADERS, sizeof *headers);
    if (headers == NULL)
        return vml_fail_nomem(err);
    headers[n++] = (struct vml_header){ "Host", d->host };
    headers[n++] = (struct vml_header){ "X-Amz-Date", vml_sigv4_time(when, (int64_t)time(NULL)) };
    if (key->token != NULL)
        headers[n++] = (struct vml_header){ "X-Amz-Security-Token", key->token };
    if (s3 || c->unsigned_body)
        headers[n++] = (struct vml_header){ "X-Amz-Content-SHA256", d->payload };
    for (size_t i = 0; i < c->n_headers; i++)
        headers[n++] = c->headers[i];
    signed_path(d, &path, err);
    if (path == NULL)
        return -1;
    const struct vml_sigv4_request request = { .method = c->method,
                                               .path = path,
                                               .query = c->query,
                                               .headers = headers,
                                               .n_headers = n,
                                               .payload = d->payload };
    const struct vml_sigv4_scope scope = { .time = when,
                                           .region = d->aws->region,
                                           .service = c->service };
    if (vml_sigv4_authorization(&authorization, &request, &scope, key->access_key, key->secret,
                                err) < 0)
        return -1;
    headers[n++] = (struct vml_header){ "Authorization", authorization };
    headers[n++] = (struct vml_header){ "User-Agent", "vmlift/" VMLIFT_VERSION };
    return http_exchange(
        d->aws->http,
        &(const struct http_request){ .method = c->method,
                                      .url = d->url,
                                      .headers = headers,
                                      .n_headers = n,
                                      .body = c->body,
                                      .body_len = c->body_len,
                                      .connect_ms = 10000,
                                      .cleanup = c->cleanup,
                                      .stall_ms = d->aws->timeout_ms,
                                      .total_ms = 2 * d->aws->timeout_ms + 1000L * c->longer +
                                                  (long)(c->body_len >> EACH_BYTE_MS_SHIFT) },
        a, err);
}

/* --- again? ----------------------------------------------------------------------------------- */

/* Uniform over [0, 1), of no consequence to anything but when callers that failed together come
 * back. */
static double chance(void)
{
    struct vml_error ignored;
    uint32_t n = 0;

    (void)vml_random(&n, sizeof n, &ignored);
    return n / 4294967296.0;
}

/* Full jitter: somewhere in a span that doubles with each try, so that callers do not come in
 * waves. */
static int wait_again(struct doing *d, struct vml_error *err)
{
    double span = WAIT_FIRST;

    for (unsigned i = 1; i < d->tries && span < WAIT_MAX; i++)
        span *= 2;
    return http_sleep((span < WAIT_MAX ? span : WAIT_MAX) * chance(), d->call->cleanup, err);
}

/* The error that ends it says how often it was tried. */
static int give_up(const struct doing *d, const char *why, struct vml_error *err)
{
    size_t used = strlen(err->text);

    if (d->tries > 1)
        snprintf(err->text + used, sizeof err->text - used, " (%s%u tries in %.0f s)", why,
                 d->tries, pace_now() - d->started);
    return -1;
}

/* After a failure that may go away, which *err tells: waits, or gives up. */
static int again(struct doing *d, bool connect, struct vml_error *err)
{
    struct vml_error interrupted;

    if (d->tries >= d->aws->attempts ||
        (connect && !atomic_load(&d->aws->reached[service_of(d->call->service)]) &&
         d->tries >= TRIES_IF_NEVER_REACHED))
        return give_up(d, "", err);
    if (!pace_retry(&d->aws->pace))
        return give_up(d, "the budget of retries is used up; ", err);
    if (wait_again(d, &interrupted) < 0) {
        *err = interrupted;
        return -1;
    }
    return 0;
}

/* Nobody answered, or not in full. */
static int after_trouble(struct doing *d, struct vml_error *err)
{
    bool connect = strcmp(err->slug, "aws/connect") == 0;

    if (err->code != VML_EIO || (!connect && strcmp(err->slug, "aws/timeout") != 0 &&
                                 strcmp(err->slug, "aws/broken") != 0)) {
        if (err->code != VML_EINTERRUPTED)
            vml_error_prefix(err, "%s", d->call->name);
        return -1;
    }
    vml_error_prefix(err, "%s", d->call->name);
    return again(d, connect, err);
}

/* The answer is a refusal: 0: ask again, -1: not. */
static int after_refusal(struct doing *d, const struct key *key, const struct http_answer *a,
                         struct vml_error *err)
{
    struct vml_error interrupted;
    struct fault f;

    fault_read(&f, d->call->service, a);
    fault_fail(&f, d->call->name, a->status, err);
    if (f.kind == FAULT_THROTTLED) { /* costs no budget: it slows down instead */
        pace_throttled(&d->aws->pace);
        if (d->tries >= d->aws->attempts * 4)
            return give_up(d, "", err);
        if (wait_again(d, &interrupted) < 0) {
            *err = interrupted;
            return -1;
        }
        return 0;
    }
    if (f.kind == FAULT_EXPIRED && strcmp(d->renewed, key->access_key) != 0 &&
        credentials_renew(&d->aws->credentials, key->access_key)) {
        snprintf(d->renewed, sizeof d->renewed, "%s", key->access_key);
        return 0;
    }
    if (a->status == 404 && d->call->missing > 0 && pace_now() - d->started < d->call->missing) {
        if (wait_again(d, &interrupted) < 0) {
            *err = interrupted;
            return -1;
        }
        return 0;
    }
    return f.kind == FAULT_TRANSIENT ? again(d, false, err) : -1;
}

/* 1: *a is what was asked for; 0: once more; -1. */
static int attempt(struct doing *d, struct http_answer *a, struct vml_error *err)
{
    VML_AUTO(key_clear) struct key key = { 0 };

    if (vml_interrupted() && !d->call->cleanup)
        return vml_fail_interrupted(err);
    if (credentials_get(&d->aws->credentials, &key, err) < 0 ||
        pace_wait(&d->aws->pace, d->call->cleanup, err) < 0)
        return -1;
    d->tries++;
    int rc = send_signed(d, &key, a, err);
    d->sent += a->sent;
    if (rc < 0)
        return after_trouble(d, err);
    atomic_store(&d->aws->reached[service_of(d->call->service)], true);
    if (a->status < 200 || a->status > 299)
        return after_refusal(d, &key, a, err);
    if (d->call->check != NULL && d->call->check(d->call->arg, a, err) < 0)
        return after_trouble(d, err);
    pace_answered(&d->aws->pace);
    return 1;
}

int aws_call(struct vml_aws *aws, const struct aws_call *c, struct http_answer *a, bool *more,
             struct vml_error *err)
{
    VML_AUTO(doing_clear)
    struct doing d = { .aws = aws, .call = c, .started = pace_now() };
    int rc;

    if (prepare(&d, err) < 0)
        return -1;
    do
        rc = attempt(&d, a, err);
    while (rc == 0);
    if (more != NULL)
        *more = d.sent > 1;
    return rc < 0 ? -1 : 0;
}
