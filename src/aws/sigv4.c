/* Signature Version 4, as "Signing AWS API requests" in the IAM user guide has it.
 *
 *     canonical = METHOD \n path \n query \n (name:value \n)... \n names \n payload
 *     string    = AWS4-HMAC-SHA256 \n time \n day/region/service/aws4_request \n
 * hex(sha256(canonical)) key       = hmac(hmac(hmac(hmac("AWS4" secret, day), region), service),
 * "aws4_request") signature = hex(hmac(key, string))
 *
 * Headers are sorted by name, without the colon: x-amz-checksum goes before
 * x-amz-checksum-algorithm, though '-' is less than ':'.  A name without a value is "name=" in the
 * canonical query. */
#include "vmlift/aws.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "vmlift/codec.h"

#define ALGORITHM   "AWS4-HMAC-SHA256"
#define DIGEST_SIZE 32

struct pair {
    const char *name, *value;
    size_t name_len, value_len;
    size_t nth; /* keeps those of one name in their order */
};

/* --- percent encoding ------------------------------------------------------------------------ */

static bool unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

static char *encode_char(char *to, unsigned char c)
{
    if (unreserved(c)) {
        *to++ = (char)c;
        return to;
    }
    *to++ = '%';
    *to++ = "0123456789ABCDEF"[c >> 4];
    *to++ = "0123456789ABCDEF"[c & 15];
    return to;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decoded and encoded again, so that it does not matter how it was sent; a '%' that begins nothing
 * stands for itself. */
static char *encode_again(char *to, const char *from, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        int high = from[i] == '%' && len - i > 2 ? hex_digit(from[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(from[i + 2]) : -1;

        if (low >= 0) {
            to = encode_char(to, (unsigned char)(high << 4 | low));
            i += 2;
        } else {
            to = encode_char(to, (unsigned char)from[i]);
        }
    }
    return to;
}

/* --- path ------------------------------------------------------------------------------------- */

/* Where the segment before `end` begins, at a slash. */
static char *drop_segment(char *start, char *end)
{
    while (end > start && *--end != '/')
        ;
    return end;
}

/* to has room for 3 bytes for each of path's, and 2. */
static void canonical_path(char *to, const char *path)
{
    char *start = to;

    while (*path != '\0') {
        size_t skip = strspn(path, "/"), len = strcspn(path + skip, "/");
        const char *segment = path + skip;

        path = segment + len;
        if (len == 0 || (len == 1 && segment[0] == '.'))
            continue;
        if (len == 2 && memcmp(segment, "..", 2) == 0) {
            to = drop_segment(start, to);
            continue;
        }
        *to++ = '/';
        for (size_t i = 0; i < len; i++)
            to = encode_char(to, (unsigned char)segment[i]);
    }
    if (to == start || path[-1] == '/')
        *to++ = '/';
    *to = '\0';
}

static int print_path(FILE *f, const char *path, const char *service, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = NULL;

    if (path == NULL || path[0] == '\0' || strcmp(service, "s3") == 0) {
        fputs(path == NULL || path[0] == '\0' ? "/" : path, f);
        return 0;
    }
    text = malloc(3 * strlen(path) + 2);
    if (text == NULL)
        return vml_fail_nomem(err);
    canonical_path(text, path);
    fputs(text, f);
    return 0;
}

/* --- query and headers ------------------------------------------------------------------------ */

static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int rc = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return rc != 0 ? rc : (a_len > b_len) - (a_len < b_len);
}

static int by_name_and_value(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int rc = compare_bytes(x->name, x->name_len, y->name, y->name_len);

    return rc != 0 ? rc : compare_bytes(x->value, x->value_len, y->value, y->value_len);
}

static int by_name(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int rc = compare_bytes(x->name, x->name_len, y->name, y->name_len);

    return rc != 0 ? rc : (x->nth > y->nth) - (x->nth < y->nth);
}

static bool pair_is(const struct pair *p, const char *name)
{
    return p->name_len == strlen(name) && memcmp(p->name, name, p->name_len) == 0;
}

static size_t count_char(const char *text, char c)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += *text == c;
    return n;
}

static int print_query(FILE *f, const char *query, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = NULL;
    VML_AUTO(vml_freep) struct pair *pairs = NULL;
    size_t n = 0;
    char *to;

    if (query == NULL || query[0] == '\0')
        return 0;
    to = text = malloc(3 * strlen(query) + 1);
    pairs = calloc(count_char(query, '&') + 1, sizeof *pairs);
    if (text == NULL || pairs == NULL)
        return vml_fail_nomem(err);
    while (*query != '\0') {
        size_t len = strcspn(query, "&"), name = strcspn(query, "&=");
        struct pair *p = &pairs[n];

        p->name = to;
        to = encode_again(to, query, name);
        p->name_len = (size_t)(to - p->name);
        p->value = to;
        if (name < len)
            to = encode_again(to, query + name + 1, len - name - 1);
        p->value_len = (size_t)(to - p->value);
        n += len > 0 && !pair_is(p, "X-Amz-Signature");
        query += len + (query[len] == '&');
    }
    qsort(pairs, n, sizeof *pairs, by_name_and_value);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%s%.*s=%.*s", i > 0 ? "&" : "", (int)pairs[i].name_len, pairs[i].name,
                (int)pairs[i].value_len, pairs[i].value);
    return 0;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without blanks at either end, and one space for each run of them. */
static void print_value(FILE *f, const char *value)
{
    bool begun = false, gap = false;

    for (; *value != '\0'; value++) {
        if (blank(*value)) {
            gap = begun;
            continue;
        }
        if (gap)
            fputc(' ', f);
        fputc(*value, f);
        begun = true;
        gap = false;
    }
}

/* The headers sorted, their names in lower case in *text, which they point into. */
static int sort_headers(struct pair **out, char **text, const struct vml_sigv4_request *r,
                        struct vml_error *err)
{
    size_t total = 1;
    char *to;

    for (size_t i = 0; i < r->n_headers; i++)
        total += strlen(r->headers[i].name);
    to = *text = malloc(total);
    *out = calloc(r->n_headers + 1, sizeof **out);
    if (*text == NULL || *out == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < r->n_headers; i++) {
        struct pair *p = &(*out)[i];

        *p = (struct pair){ .name = to, .value = r->headers[i].value, .nth = i };
        for (const char *c = r->headers[i].name; *c != '\0'; c++)
            *to++ = (char)(*c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c);
        p->name_len = (size_t)(to - p->name);
    }
    qsort(*out, r->n_headers, sizeof **out, by_name);
    return 0;
}

static bool same_name(const struct pair *a, const struct pair *b)
{
    return compare_bytes(a->name, a->name_len, b->name, b->name_len) == 0;
}

static void print_headers(FILE *f, const struct pair *headers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fprintf(f, "%.*s:", (int)headers[i].name_len, headers[i].name);
        print_value(f, headers[i].value);
        while (i + 1 < n && same_name(&headers[i], &headers[i + 1])) {
            fputc(',', f);
            print_value(f, headers[++i].value);
        }
        fputc('\n', f);
    }
}

static void print_names(FILE *f, const struct pair *headers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !same_name(&headers[i - 1], &headers[i]))
            fprintf(f, "%s%.*s", i == 0 ? "" : ";", (int)headers[i].name_len, headers[i].name);
}

/* --- what is signed --------------------------------------------------------------------------- */

static int print_canonical(FILE *f, const struct vml_sigv4_request *r, const char *service,
                           const struct pair *headers, struct vml_error *err)
{
    fprintf(f, "%s\n", r->method);
    if (print_path(f, r->path, service, err) < 0)
        return -1;
    fputc('\n', f);
    if (print_query(f, r->query, err) < 0)
        return -1;
    fputc('\n', f);
    print_headers(f, headers, r->n_headers);
    fputc('\n', f);
    print_names(f, headers, r->n_headers);
    fprintf(f, "\n%s", r->payload);
    return 0;
}

static int names_of(char **out, const struct pair *headers, size_t n, struct vml_error *err)
{
    size_t len;
    FILE *f = vml_memstream(out, &len);

    if (f == NULL)
        return vml_fail_nomem(err);
    print_names(f, headers, n);
    return fclose(f) == 0 ? 0 : vml_fail_nomem(err);
}

int vml_sigv4_canonical(char **out, char **signed_headers, const struct vml_sigv4_request *r,
                        const char *service, struct vml_error *err)
{
    VML_AUTO(vml_freep) struct pair *headers = NULL;
    VML_AUTO(vml_freep) char *names = NULL;
    VML_AUTO(vml_freep) char *text = NULL;
    size_t len;
    FILE *f;

    if (sort_headers(&headers, &names, r, err) < 0)
        return -1;
    f = vml_memstream(&text, &len);
    if (f == NULL)
        return vml_fail_nomem(err);
    int rc = print_canonical(f, r, service, headers, err);
    if (fclose(f) != 0 && rc == 0)
        rc = vml_fail_nomem(err);
    if (rc < 0 ||
        (signed_headers != NULL && names_of(signed_headers, headers, r->n_headers, err) < 0))
        return -1;
    *out = text;
    text = NULL;
    return 0;
}

static int hmac(uint8_t out[DIGEST_SIZE], const void *key, size_t key_len, const char *text,
                struct vml_error *err)
{
    unsigned len = DIGEST_SIZE;

    return HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), out,
                &len) != NULL
               ? 0
               : vml_fail_nomem(err);
}

/* key gets what is derived from the secret: good for one day, region and service. */
static int signing_key(uint8_t key[DIGEST_SIZE], const struct vml_sigv4_scope *scope,
                       const char *secret, struct vml_error *err)
{
    char day[9];
    char *start = NULL;
    int len = asprintf(&start, "AWS4%s", secret), rc;

    if (len < 0)
        return vml_fail_nomem(err);
    snprintf(day, sizeof day, "%s", scope->time);
    rc = hmac(key, start, (size_t)len, day, err);
    OPENSSL_cleanse(start, (size_t)len);
    free(start);
    if (rc < 0 || hmac(key, key, DIGEST_SIZE, scope->region, err) < 0 ||
        hmac(key, key, DIGEST_SIZE, scope->service, err) < 0)
        return -1;
    return hmac(key, key, DIGEST_SIZE, "aws4_request", err);
}

int vml_sigv4_signature(char out[65], const char *canonical, const struct vml_sigv4_scope *scope,
                        const char *secret, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = NULL;
    uint8_t digest[DIGEST_SIZE], key[DIGEST_SIZE];
    char hex[2 * DIGEST_SIZE + 1];
    int rc;

    vml_sha256(canonical, strlen(canonical), digest);
    vml_hex(hex, digest, sizeof digest);
    if (asprintf(&text, ALGORITHM "\n%s\n%.8s/%s/%s/aws4_request\n%s", scope->time, scope->time,
                 scope->region, scope->service, hex) < 0) {
        text = NULL;
        return vml_fail_nomem(err);
    }
    rc = signing_key(key, scope, secret, err);
    if (rc == 0)
        rc = hmac(digest, key, sizeof key, text, err);
    OPENSSL_cleanse(key, sizeof key);
    vml_hex(out, digest, sizeof digest);
    return rc;
}

int vml_sigv4_authorization(char **out, const struct vml_sigv4_request *r,
                            const struct vml_sigv4_scope *scope, const char *access_key,
                            const char *secret, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *canonical = NULL;
    VML_AUTO(vml_freep) char *names = NULL;
    char signature[65];

    if (vml_sigv4_canonical(&canonical, &names, r, scope->service, err) < 0 ||
        vml_sigv4_signature(signature, canonical, scope, secret, err) < 0)
        return -1;
    if (asprintf(out,
                 ALGORITHM " Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
                 access_key, scope->time, scope->region, scope->service, names, signature) < 0) {
        *out = NULL;
        return vml_fail_nomem(err);
    }
    return 0;
}

const char *vml_sigv4_time(char out[17], int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL)
        tm = (struct tm){ .tm_year = 70, .tm_mday = 1 };
    if (strftime(out, 17, "%Y%m%dT%H%M%SZ", &tm) == 0)
        out[0] = '\0';
    return out;
}
