/* What an EC2 action is asked: parameters, flattened lists and structures.
 *
 *     Filter.1.Name=state&Filter.1.Value.1=available&Filter.1.Value.2=pending
 *
 * Everything that is sent is looked at: a parameter that nothing here takes is refused, not left
 * out. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "serve/serve.h"

#define PARAMS_MAX                                                                 \
    5000u /* 1,000 resources with 50 tags do not fit; EC2's own limit is 1 MiB too \
           */
#define NAME_SIZE 256u

/* --- decoding --------------------------------------------------------------------------------- */

static int fail_malformed(const char *why, struct vml_error *err)
{
    return vml_fail(err, VML_EREFUSED, "MalformedQueryString",
                    "The query string contains a syntax error: %s", why);
}

int vml_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place, over the first of n bytes; the NUL that ends it may be where the next begins. */
static int decode(char *text, size_t n, struct vml_error *err)
{
    char *to = text;
    size_t count;

    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            int high = n - i > 2 ? vml_hex_digit(text[i + 1]) : -1,
                low = high < 0 ? -1 : vml_hex_digit(text[i + 2]);
            if (low < 0)
                return fail_malformed("a '%' without two hex digits", err);
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0')
            return fail_malformed("a NUL", err);
        *to++ = c;
    }
    *to = '\0';
    return vml_utf8_count(text, &count) ? 0 : fail_malformed("it is not UTF-8", err);
}

/* --- parsing ---------------------------------------------------------------------------------- */

void vml_params_clear(struct vml_params *p)
{
    free(p->items);
    free(p->text);
    *p = (struct vml_params){ .n = 0 };
}

static int by_name(const void *a, const void *b)
{
    const struct vml_param *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* "name=value" at text, of n bytes, after which there is room for a NUL. */
static int parse_one(struct vml_params *p, char *text, size_t n, struct vml_error *err)
{
    char *equals = memchr(text, '=', n);
    char *value = equals != NULL ? equals + 1 : text + n;

    if (p->n == PARAMS_MAX)
        return vml_fail(err, VML_EREFUSED, "MalformedQueryString", "more than %u parameters",
                        PARAMS_MAX);
    text[n] = '\0';
    if (decode(value, (size_t)(text + n - value), err) < 0 ||
        decode(text, equals != NULL ? (size_t)(equals - text) : n, err) < 0)
        return -1;
    /* The signature of a URL, which has been seen to. */
    if (strncasecmp(text, "X-Amz-", 6) != 0)
        p->items[p->n++] = (struct vml_param){ text, value };
    return 0;
}

static size_t count(const char *text, char c)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += *text == c;
    return n;
}

int vml_params_parse(struct vml_params *p, const char *query, const void *body, size_t body_len,
                     struct vml_error *err)
{
    size_t query_len = strlen(query);
    char *end;

    if (body_len > 0 && memchr(body, '\0', body_len) != NULL)
        return fail_malformed("a NUL", err);
    p->text = malloc(query_len + body_len + 2);
    if (p->text == NULL)
        return vml_fail_nomem(err);
    memcpy(p->text, query, query_len);
    p->text[query_len] = '&';
    if (body_len > 0)
        memcpy(p->text + query_len + 1, body, body_len);
    end = p->text + query_len + 1 + body_len;
    *end = '\0';
    p->items = calloc(vml_min_u64(count(p->text, '&') + 1, PARAMS_MAX), sizeof *p->items);
    if (p->items == NULL)
        return vml_fail_nomem(err);
    for (char *at = p->text; at < end;) {
        size_t n = strcspn(at, "&");
        if (n > 0 && parse_one(p, at, n, err) < 0)
            return -1;
        at += n + 1;
    }
    qsort(p->items, p->n, sizeof *p->items, by_name);
    for (size_t i = 1; i < p->n; i++)
        if (strcmp(p->items[i - 1].name, p->items[i].name) == 0)
            return vml_fail(err, VML_EREFUSED, "MalformedQueryString",
                            "The parameter %.128s is given twice", p->items[i].name);
    return 0;
}

/* --- which there may be ----------------------------------------------------------------------- */

/* What follows in the name, when it begins with what the word of the list (of len characters) says;
 * else NULL. */
static const char *begins(const char *word, size_t len, const char *name)
{
    const char *end = word + len;

    while (word < end) {
        if (*word != '#') {
            if (*word++ != *name++)
                return NULL;
            continue;
        }
        size_t digits = strspn(name, "0123456789");
        if (digits == 0 || digits > 5 || name[0] == '0')
            return NULL;
        word++;
        name += digits;
    }
    return name;
}

static int check_one(const char *list, const char *name, struct vml_error *err)
{
    while (*list != '\0') {
        size_t len = strcspn(list, " "), no = list[0] == '!' ? 1 : 0;
        const char *rest = begins(list + no, len - no, name);
        if (no > 0 && rest != NULL && (rest[0] == '\0' || rest[0] == '.'))
            return vml_fail(err, VML_EUNSUPPORTED, "UnsupportedOperation",
                            "The parameter %s is not supported here", name);
        if (no == 0 && rest != NULL && rest[0] == '\0')
            return 0;
        list += len + strspn(list + len, " ");
    }
    return vml_fail(err, VML_EREFUSED, "UnknownParameter", "The parameter %.128s is not recognized",
                    name);
}

int vml_params_check(const struct vml_params *p, const char *list, struct vml_error *err)
{
    for (size_t i = 0; i < p->n; i++) {
        const char *name = p->items[i].name;
        bool common = strcmp(name, "Action") == 0 || strcmp(name, "Version") == 0 ||
                      strcmp(name, "DryRun") == 0;
        if (!common && check_one(list, name, err) < 0)
            return -1;
    }
    return 0;
}

/* --- asking ----------------------------------------------------------------------------------- */

static const char *find(const struct vml_params *p, const char *name)
{
    const struct vml_param key = { name, NULL };
    const struct vml_param *at = bsearch(&key, p->items, p->n, sizeof key, by_name);

    return at != NULL ? at->value : NULL;
}

/* Names that are printed: one that is too long is none that there could be. */

const char *vml_param(const struct vml_request *r, const char *fmt, ...)
{
    char name[NAME_SIZE];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    return find(&r->params, name);
}

int vml_param_need(const struct vml_request *r, const char *name, const char **out,
                   struct vml_error *err)
{
    *out = find(&r->params, name);
    if (*out == NULL || (*out)[0] == '\0')
        return vml_fail(err, VML_EREFUSED, "MissingParameter",
                        "The request must contain the parameter %s", name);
    return 0;
}

static int fail_value(const char *name, const char *value, const char *expected,
                      struct vml_error *err)
{
    return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                    "Value (%.128s) for parameter %s is invalid. Expected %s", value, name,
                    expected);
}

int vml_param_bool(const struct vml_request *r, bool *out, struct vml_error *err, const char *fmt,
                   ...)
{
    char name[NAME_SIZE];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    const char *value = find(&r->params, name);
    if (value == NULL)
        return 0;
    if (strcasecmp(value, "true") != 0 && strcasecmp(value, "false") != 0)
        return fail_value(name, value, "true or false", err);
    *out = value[0] == 't' || value[0] == 'T';
    return 0;
}

int vml_param_number(const struct vml_request *r, uint64_t *out, struct vml_error *err,
                     const char *fmt, ...)
{
    char name[NAME_SIZE];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    const char *value = find(&r->params, name);
    if (value == NULL)
        return 0;
    size_t len = strlen(value);
    if (len == 0 || len > 18 || strspn(value, "0123456789") != len)
        return fail_value(name, value, "a number", err);
    *out = strtoull(value, NULL, 10);
    return 0;
}

/* --- lists ------------------------------------------------------------------------------------ */

void vml_numbers_clear(struct vml_numbers *n)
{
    free(n->items);
    *n = (struct vml_numbers){ NULL, 0 };
}

static int by_number(const void *a, const void *b)
{
    const unsigned *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

int vml_param_numbers(const struct vml_request *r, struct vml_numbers *out, struct vml_error *err,
                      const char *fmt, ...)
{
    char prefix[NAME_SIZE];
    size_t kept = 0;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    size_t len = strlen(prefix);
    out->items = calloc(r->params.n + 1, sizeof *out->items);
    out->n = 0;
    if (out->items == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < r->params.n; i++) {
        const char *name = r->params.items[i].name;
        if (strncmp(name, prefix, len) == 0 && name[len] == '.')
            out->items[out->n++] = (unsigned)strtoul(name + len + 1, NULL, 10);
    }
    qsort(out->items, out->n, sizeof *out->items, by_number);
    for (size_t i = 0; i < out->n; i++)
        if (i == 0 || out->items[i] != out->items[i - 1])
            out->items[kept++] = out->items[i];
    out->n = kept;
    return 0;
}

void vml_texts_clear(struct vml_texts *t)
{
    free(t->items);
    *t = (struct vml_texts){ NULL, 0 };
}

int vml_param_list(const struct vml_request *r, const char *prefix, struct vml_texts *out,
                   struct vml_error *err)
{
    VML_AUTO(vml_numbers_clear) struct vml_numbers numbers = { NULL, 0 };

    if (vml_param_numbers(r, &numbers, err, "%s", prefix) < 0)
        return -1;
    out->items = calloc(numbers.n + 1, sizeof *out->items);
    out->n = 0;
    if (out->items == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < numbers.n; i++) {
        const char *value = vml_param(r, "%s.%u", prefix, numbers.items[i]);
        if (value != NULL)
            out->items[out->n++] = value;
    }
    return 0;
}
