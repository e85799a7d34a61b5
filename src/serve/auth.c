/* Who asks: Signature Version 4 of the request, made once more with the secret that the store has
 * for the access key.
 *
 * A signature stands in the header Authorization, or in the query of a presigned URL.  Either way
 * `host` and every x-amz-* header that is there must be signed.  Where no x-amz-content-sha256 says
 * what was signed as the payload it is the body's own digest, also for EBS: botocore 1.29 with its
 * other signer (awscrt) leaves that header out of PutSnapshotBlock. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "serve/serve.h"
#include "vmlift/codec.h"
#include "vmlift/rules.h"

#define ALGORITHM   "AWS4-HMAC-SHA256"
#define SKEW        (15 * 60)          /* seconds */
#define EXPIRES_MAX (7 * 24 * 60 * 60) /* of a presigned URL */

/* What a request says of its signature; the texts are cut from `copy`. */
struct claim {
    char *copy;
    const char *credential, *signed_headers, *signature;
    const char *key, *day, *region, *service; /* of the credential */
    const char *time;
    uint64_t expires; /* 0: in a header */
};

static void claim_clear(struct claim *c)
{
    free(c->copy);
}

static int fail_incomplete(const char *what, struct vml_error *err)
{
    return vml_fail(err, VML_EREFUSED, "IncompleteSignature",
                    "The request signature does not conform to AWS standards: %s", what);
}

static int fail_mismatch(const char *what, struct vml_error *err)
{
    return vml_fail(err, VML_EREFUSED, "SignatureDoesNotMatch",
                    "The request signature we calculated does not match the signature you "
                    "provided. Check your AWS Secret Access Key and signing method.%s%s",
                    what[0] != '\0' ? " " : "", what);
}

/* --- what it says ----------------------------------------------------------------------------- */

/* "AWS4-HMAC-SHA256 Credential=A, SignedHeaders=B, Signature=C" */
static int read_header(struct claim *c, const char *value, struct vml_error *err)
{
    char *save = NULL;

    c->copy = strdup(value);
    if (c->copy == NULL)
        return vml_fail_nomem(err);
    const char *algorithm = strtok_r(c->copy, " ", &save);
    if (algorithm == NULL || strcmp(algorithm, ALGORITHM) != 0)
        return fail_incomplete("the algorithm is " ALGORITHM, err);
    for (char *part; (part = strtok_r(NULL, ", ", &save)) != NULL;) {
        char *equals = strchr(part, '=');
        if (equals == NULL)
            return fail_incomplete("Authorization has a part without '='", err);
        *equals = '\0';
        if (strcmp(part, "Credential") == 0)
            c->credential = equals + 1;
        else if (strcmp(part, "SignedHeaders") == 0)
            c->signed_headers = equals + 1;
        else if (strcmp(part, "Signature") == 0)
            c->signature = equals + 1;
    }
    return 0;
}

/* In place. */
static void percent_decode(char *text)
{
    char *to = text;

    for (; *text != '\0'; text++) {
        int high = *text == '%' ? vml_hex_digit(text[1]) : -1;
        int low = high >= 0 ? vml_hex_digit(text[2]) : -1;
        *to++ = low >= 0 ? (char)(high << 4 | low) : *text;
        text += low >= 0 ? 2 : 0;
    }
    *to = '\0';
}

static int read_query(struct claim *c, const char *query, struct vml_error *err)
{
    char *save = NULL;
    const char *algorithm = "", *expires = "";

    c->copy = strdup(query);
    if (c->copy == NULL)
        return vml_fail_nomem(err);
    const struct {
        const char *name, **value;
    } members[] = {
        { "X-Amz-Algorithm", &algorithm },    { "X-Amz-Credential", &c->credential },
        { "X-Amz-Date", &c->time },           { "X-Amz-SignedHeaders", &c->signed_headers },
        { "X-Amz-Signature", &c->signature }, { "X-Amz-Expires", &expires },
    };
    for (char *part = strtok_r(c->copy, "&", &save); part; part = strtok_r(NULL, "&", &save)) {
        char *equals = strchr(part, '=');
        if (equals == NULL)
            continue;
        *equals = '\0';
        percent_decode(equals + 1);
        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
            if (strcmp(part, members[i].name) == 0)
                *members[i].value = equals + 1;
    }
    if (strcmp(algorithm, ALGORITHM) != 0)
        return fail_incomplete("X-Amz-Algorithm is " ALGORITHM, err);
    size_t digits = strspn(expires, "0123456789");
    c->expires =
        digits > 0 && digits < 8 && expires[digits] == '\0' ? strtoull(expires, NULL, 10) : 0;
    if (c->expires == 0 || c->expires > EXPIRES_MAX)
        return fail_incomplete("X-Amz-Expires is a number of seconds, 604800 at most", err);
    return 0;
}

/* Is it in the query? */
static bool has_query(const char *query, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = strstr(query, name); at != NULL; at = strstr(at + 1, name))
        if ((at == query || at[-1] == '&') && at[len] == '=')
            return true;
    return false;
}

static int read_claim(const struct vml_request *r, struct claim *c, struct vml_error *err)
{
    const char *header = vml_request_header(r, "Authorization");
    bool presigned = has_query(r->query, "X-Amz-Signature");

    if (header == NULL && !presigned)
        return vml_fail(err, VML_EREFUSED, "MissingAuthenticationToken",
                        "The request must be signed with an access key (" ALGORITHM ")");
    if (header != NULL && presigned)
        return fail_incomplete("it is signed twice, by a header and in the query", err);
    /* Keys of an endpoint are for good: none comes with a token. */
    if (vml_request_header(r, "x-amz-security-token") != NULL ||
        has_query(r->query, "X-Amz-Security-Token"))
        return vml_fail(err, VML_EREFUSED, "InvalidClientTokenId",
                        "The security token included in the request is invalid: the access keys "
                        "of this endpoint have none");
    if ((header != NULL ? read_header(c, header, err) : read_query(c, r->query, err)) < 0)
        return -1;
    if (header != NULL)
        c->time = vml_request_header(r, "x-amz-date");
    if (c->credential == NULL || c->signed_headers == NULL || c->signature == NULL)
        return fail_incomplete("Credential, SignedHeaders and Signature are all needed", err);
    return c->time != NULL ? 0 : fail_incomplete("X-Amz-Date is missing", err);
}

/* "AKIA.../20261120/us-east-1/ec2/aws4_request" */
static int read_credential(struct claim *c, struct vml_error *err)
{
    const char **parts[] = { &c->key, &c->day, &c->region, &c->service };
    char *at = (char *)(uintptr_t)c->credential; /* into our copy */

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char *slash = strchr(at, '/');
        if (slash == NULL)
            return fail_incomplete("Credential is KEY/DAY/REGION/SERVICE/aws4_request", err);
        *slash = '\0';
        *parts[i] = at;
        at = slash + 1;
    }
    if (strcmp(at, "aws4_request") != 0)
        return fail_incomplete("Credential does not end in aws4_request", err);
    return 0;
}

/* --- when ------------------------------------------------------------------------------------- */

/* "20261120T152013Z" */
static int read_time(const char *text, int64_t *at, struct vml_error *err)
{
    struct tm tm = { 0 };
    const char *end = strlen(text) == 16 && strspn(text, "0123456789TZ") == 16
                          ? strptime(text, "%Y%m%dT%H%M%SZ", &tm)
                          : NULL;

    if (end == NULL || *end != '\0')
        return fail_incomplete("X-Amz-Date is a time like 20261120T152013Z", err);
    *at = timegm(&tm);
    return 0;
}

/* By the real clock: SOURCE_DATE_EPOCH is for what is written. */
static int check_time(const struct claim *c, struct vml_error *err)
{
    int64_t now = time(NULL), at = 0, until;

    if (read_time(c->time, &at, err) < 0)
        return -1;
    if (strncmp(c->time, c->day, 8) != 0 || strlen(c->day) != 8)
        return fail_mismatch("The day in Credential is not that of X-Amz-Date.", err);
    until = at + (c->expires > 0 ? (int64_t)c->expires : SKEW);
    if (at - SKEW > now || now > until)
        return vml_fail(err, VML_EREFUSED, "RequestExpired",
                        "Request has expired. It is of %s, and it is %lld seconds %s that", c->time,
                        (long long)(now > at ? now - at : at - now), now > at ? "after" : "before");
    return 0;
}

/* --- what is signed --------------------------------------------------------------------------- */

static bool is_listed(const char *list, const char *name)
{
    size_t len = strlen(name);

    while (*list != '\0') {
        size_t n = strcspn(list, ";");
        if (n == len && strncasecmp(list, name, n) == 0)
            return true;
        list += n + (list[n] == ';');
    }
    return false;
}

static int check_listed(const struct vml_request *r, const struct claim *c, struct vml_error *err)
{
    char what[128];

    if (!is_listed(c->signed_headers, "host"))
        return fail_mismatch("The header host must be signed.", err);
    for (size_t i = 0; i < r->n_headers; i++) {
        const char *name = r->headers[i].name;
        if (strncasecmp(name, "x-amz-", 6) != 0 || is_listed(c->signed_headers, name))
            continue;
        snprintf(what, sizeof what, "The header %.64s is there and not signed.", name);
        return fail_mismatch(what, err);
    }
    return 0;
}

/* What was signed as the body: a hash that is its own, or the word that it was not. */
static int payload(struct vml_request *r, const struct claim *c, char out[80],
                   struct vml_error *err)
{
    const char *said = vml_request_header(r, "x-amz-content-sha256");
    bool unsigned_body = said != NULL && strcmp(said, "UNSIGNED-PAYLOAD") == 0;

    if (unsigned_body && strcmp(c->service, "ebs") == 0) {
        snprintf(out, 80, "%s", said);
        return 0;
    }
    vml_hex(out, vml_request_digest(r), 32);
    if (said != NULL && strcasecmp(said, out) != 0)
        return fail_mismatch("x-amz-content-sha256 is not that of the body.", err);
    return 0;
}

static int check_signature(struct vml_request *r, const struct claim *c, const char *secret,
                           struct vml_error *err)
{
    VML_AUTO(vml_freep) struct vml_header *headers = calloc(r->n_headers + 1, sizeof *headers);
    VML_AUTO(vml_freep) char *canonical = NULL;
    const struct vml_sigv4_scope scope = { c->time, c->region, c->service };
    char hash[80], expected[65];
    struct vml_sigv4_request q = { r->method, r->path, r->query, headers, 0, hash };

    if (headers == NULL)
        return vml_fail_nomem(err);
    if (payload(r, c, hash, err) < 0)
        return -1;
    for (size_t i = 0; i < r->n_headers; i++)
        if (is_listed(c->signed_headers, r->headers[i].name))
            headers[q.n_headers++] = r->headers[i];
    if (vml_sigv4_canonical(&canonical, NULL, &q, c->service, err) < 0 ||
        vml_sigv4_signature(expected, canonical, &scope, secret, err) < 0)
        return -1;
    if (strlen(c->signature) != 64 || CRYPTO_memcmp(c->signature, expected, 64) != 0)
        return fail_mismatch("", err);
    return 0;
}

/* --- who -------------------------------------------------------------------------------------- */

static int check_scope(const struct vml_request *r, const struct claim *c, struct vml_error *err)
{
    const char *service = vml_request_is_ebs(r) ? "ebs" : "ec2";
    struct vml_error ignored;
    char what[128];

    if (strcmp(c->service, service) != 0) {
        snprintf(what, sizeof what, "Credential should be scoped to correct service: '%s'.",
                 service);
        return fail_mismatch(what, err);
    }
    if (vml_rule_region(c->region, &ignored) < 0)
        return vml_fail(err, VML_EREFUSED, "AuthFailure",
                        "Credential should be scoped to a valid region, not '%.64s'", c->region);
    return vml_server_region(r->server, c->region, err);
}

int vml_authenticate(struct vml_request *r, struct vml_error *err)
{
    VML_AUTO(claim_clear) struct claim c = { NULL };
    VML_AUTO(vml_access_key_clear) struct vml_access_key key = { .id = "" };

    if (read_claim(r, &c, err) < 0 || read_credential(&c, err) < 0 || check_time(&c, err) < 0)
        return -1;
    int found = vml_access_keys_find(vml_server_keys(r->server), c.key, &key, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return vml_fail(err, VML_EREFUSED, "AuthFailure",
                        "AWS was not able to validate the provided access credentials");
    if (check_listed(r, &c, err) < 0 || check_signature(r, &c, key.secret, err) < 0 ||
        check_scope(r, &c, err) < 0)
        return -1;
    snprintf(r->account, sizeof r->account, "%s", key.account);
    snprintf(r->region, sizeof r->region, "%s", c.region);
    snprintf(r->service, sizeof r->service, "%s", c.service);
    r->where = (struct vml_where){ r->account, r->region };
    return 0;
}
