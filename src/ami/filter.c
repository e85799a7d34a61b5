/* Filters: their texts, and patterns. */
#include "ami/filter.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* EC2 User Guide: up to 50 filters in a request; its error says 200 values. */
#define FILTERS_MAX 50
#define VALUES_MAX  200
#define VALUE_MAX   255 /* characters; the guide again */

/* --- patterns ------------------------------------------------------------------------------- */

/* A character as SQLite's GLOB takes it, which must not think otherwise of what a list is asked
 * for: a byte, and after one that begins a longer sequence whatever goes on with it. */
static size_t character(const char *p)
{
    size_t n = 1;
    if ((unsigned char)p[0] >= 0xc0) {
        while (((unsigned char)p[n] & 0xc0) == 0x80)
            n++;
    }
    return n;
}

/* The step in the pattern that matches the character at text, of n bytes; 0: it does not. */
static size_t match_one(const char *pattern, const char *text, size_t n)
{
    if (pattern[0] == '?')
        return 1;
    size_t escaped = pattern[0] == '\\' ? 1 : 0;
    return strncmp(pattern + escaped, text, n) == 0 ? escaped + n : 0;
}

/* Only the last "*" is ever tried again: what an earlier one could take more of, it can, too. */
bool vml_pattern_match(const char *pattern, const char *text)
{
    const char *star = NULL, *again = NULL;
    while (*text) {
        size_t n = character(text), step = 0;
        if (*pattern == '*') {
            star = ++pattern;
            again = text;
            continue;
        }
        if (*pattern)
            step = match_one(pattern, text, n);
        if (step > 0) {
            pattern += step;
            text += n;
        } else if (star) {
            pattern = star;
            again += character(again);
            text = again;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* --- answers -------------------------------------------------------------------------------- */

bool vml_filter_takes(const struct vml_filter *f, const char *text)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct vml_filter_value *v = &f->values[i];
        if (v->literal ? strcmp(v->literal, text) == 0 : vml_pattern_match(v->pattern, text))
            return true;
    }
    return false;
}

bool vml_filter_has(const struct vml_filter *f, const char *text)
{
    return text[0] && vml_filter_takes(f, text);
}

bool vml_filter_flag(const struct vml_filter *f, bool flag)
{
    return vml_filter_takes(f, flag ? "true" : "false");
}

bool vml_filter_number(const struct vml_filter *f, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    return vml_filter_takes(f, text);
}

bool vml_filter_tag_key(const struct vml_filter *f, const struct vml_marks *m)
{
    for (size_t i = 0; i < m->n_tags; i++) {
        if (vml_filter_takes(f, m->tags[i].key))
            return true;
    }
    return false;
}

bool vml_filter_tag(const struct vml_filter *f, const struct vml_marks *m)
{
    const char *key = f->name + strlen(f->kind->name);
    for (size_t i = 0; i < m->n_tags; i++) {
        if (strcmp(m->tags[i].key, key) == 0)
            return vml_filter_takes(f, m->tags[i].value);
    }
    return false;
}

static bool take_one(const struct vml_filter *f, const void *record)
{
    const char *at = (const char *)record + f->kind->at, *owned;
    switch (f->kind->by) {
    case VML_BY_TEXT:
        return vml_filter_has(f, at);
    case VML_BY_OWNED:
        memcpy(&owned, at, sizeof owned);
        return owned && vml_filter_has(f, owned);
    case VML_BY_ANSWER:
        return f->kind->answer(f, record);
    case VML_BY_NOBODY:
        break; /* refused when it was added */
    }
    return false;
}

bool vml_filters_take(const struct vml_filters *f, const void *record)
{
    for (size_t i = 0; i < f->n; i++) {
        if (!take_one(&f->items[i], record))
            return false;
    }
    return true;
}

/* --- names ---------------------------------------------------------------------------------- */

static const struct vml_filter_kind *find_kind(enum vml_filter_of of, const char *name)
{
    const struct vml_filter_kind *k =
        of == VML_FILTER_IMAGES ? vml_image_filters : vml_snapshot_filters;
    for (; k->name; k++) {
        size_t len = strlen(k->name);
        bool open = k->name[len - 1] == ':';
        if (open ? strncmp(name, k->name, len) == 0 && name[len] : strcmp(name, k->name) == 0)
            return k;
    }
    return NULL;
}

static int set_kind(const struct vml_filters *f, struct vml_filter *x, struct vml_error *err)
{
    x->kind = find_kind(f->of, x->name);
    if (!x->kind)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "The filter '%.128s' is invalid", x->name);
    if (x->kind->by == VML_BY_NOBODY)
        return vml_fail(err, VML_EUNSUPPORTED, "image/filter",
                        "the filter '%s' is one of EC2's, but nothing here knows its answer",
                        x->name);
    return 0;
}

/* --- values --------------------------------------------------------------------------------- */

/* The first escape sequence that is none; NULL: they are all good. */
static const char *wrong_escape(const char *pattern)
{
    for (const char *p = strchr(pattern, '\\'); p; p = strchr(p + 2, '\\')) {
        if (!p[1] || !strchr("*?\\", p[1]))
            return p;
    }
    return NULL;
}

int vml_pattern_check(const char *pattern, struct vml_error *err)
{
    const char *wrong = wrong_escape(pattern);
    return wrong ? vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                            "Invalid filter value: The escape sequence '%.*s' is invalid",
                            (int)(wrong[1] ? 1 + character(wrong + 1) : 1), wrong)
                 : 0;
}

static size_t characters(const char *text)
{
    size_t n = 0;
    for (; *text; text += character(text))
        n++;
    return n;
}

static int set_literal(struct vml_filter_value *v, struct vml_error *err)
{
    char *to = strdup(v->pattern);
    v->literal = to;
    if (!to)
        return vml_fail_nomem(err);
    for (const char *p = v->pattern; *p; p++) {
        if (*p == '*' || *p == '?') {
            free(v->literal);
            v->literal = NULL;
            return 0;
        }
        if (*p == '\\')
            p++;
        *to++ = *p;
    }
    *to = '\0';
    return 0;
}

static size_t count_values(const struct vml_filters *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++)
        n += f->items[i].n;
    return n;
}

/* Takes the text over, also when it fails. */
static int add_value(struct vml_filters *f, char *text, struct vml_error *err)
{
    struct vml_filter *x = &f->items[f->n - 1];
    struct vml_filter_value *more = reallocarray(x->values, x->n + 1, sizeof *more);
    if (!more) {
        free(text);
        return vml_fail_nomem(err);
    }
    x->values = more;
    more[x->n] = (struct vml_filter_value){ .pattern = text };
    struct vml_filter_value *v = &more[x->n++];
    if (vml_pattern_check(text, err) < 0)
        return -1;
    if (characters(text) > VALUE_MAX)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "Invalid filter value: %zu characters, at most %d allowed",
                        characters(text), VALUE_MAX);
    if (count_values(f) > VALUES_MAX)
        return vml_fail(err, VML_EREFUSED, "FilterLimitExceeded",
                        "The maximum number of filter values specified on a single call is %d",
                        VALUES_MAX);
    return set_literal(v, err);
}

/* --- texts ---------------------------------------------------------------------------------- */

/* Takes the name over, also when it fails. */
static int add_filter(struct vml_filters *f, char *name, struct vml_error *err)
{
    struct vml_filter *more = reallocarray(f->items, f->n + 1, sizeof *more);
    if (!more) {
        free(name);
        return vml_fail_nomem(err);
    }
    f->items = more;
    more[f->n] = (struct vml_filter){ .name = name };
    if (f->n++ == FILTERS_MAX)
        return vml_fail(err, VML_EREFUSED, "FilterLimitExceeded",
                        "The maximum number of filters specified on a single call is %d",
                        FILTERS_MAX);
    return set_kind(f, &f->items[f->n - 1], err);
}

/* The text up to a comma, of which "\," is none; *next is what follows, or NULL. */
static char *take_item(const char *text, const char **next)
{
    char *item = strdup(text), *to = item;
    while (item && *text && *text != ',') {
        if (text[0] == '\\' && text[1] == ',')
            text++;
        else if (text[0] == '\\' && text[1])
            *to++ = *text++;
        *to++ = *text++;
    }
    if (item)
        *to = '\0';
    *next = *text ? text + 1 : NULL;
    return item;
}

static int add_values(struct vml_filters *f, const char *text, struct vml_error *err)
{
    while (text) {
        char *value = take_item(text, &text);
        if (!value)
            return vml_fail_nomem(err);
        if (add_value(f, value, err) < 0)
            return -1;
    }
    return 0;
}

/* "Name=...,Values=...": name is what follows the first "=". */
static int add_long(struct vml_filters *f, const char *name, struct vml_error *err)
{
    static const char middle[] = ",Values=";
    const char *values = strstr(name, middle);
    if (!values)
        return vml_fail(err, VML_EUSAGE, "usage/filter", "filter Name=%s: no \"%s\"", name, middle);
    char *copy = strndup(name, (size_t)(values - name));
    if (!copy)
        return vml_fail_nomem(err);
    return add_filter(f, copy, err) < 0 ? -1 : add_values(f, values + strlen(middle), err);
}

/* One "name=value", or a value of the filter before it. */
static int add_short(struct vml_filters *f, char *item, bool first, struct vml_error *err)
{
    char *equals = strchr(item, '=');
    if (!equals && first) {
        vml_fail(err, VML_EUSAGE, "usage/filter", "filter %s: not name=value", item);
        free(item);
        return -1;
    }
    if (!equals)
        return add_value(f, item, err);
    *equals = '\0';
    char *value = strdup(equals + 1);
    if (!value) {
        free(item);
        return vml_fail_nomem(err);
    }
    if (add_filter(f, item, err) < 0) {
        free(value);
        return -1;
    }
    return add_value(f, value, err);
}

int vml_filters_add(struct vml_filters *f, const char *text, struct vml_error *err)
{
    if (strncmp(text, "Name=", 5) == 0)
        return add_long(f, text + 5, err);
    for (bool first = true; text; first = false) {
        char *item = take_item(text, &text);
        if (!item)
            return vml_fail_nomem(err);
        if (add_short(f, item, first, err) < 0)
            return -1;
    }
    return 0;
}

int vml_filters_add_values(struct vml_filters *f, const char *name, const char *const *values,
                           size_t n, struct vml_error *err)
{
    char *copy = strdup(name);
    if (!copy)
        return vml_fail_nomem(err);
    if (add_filter(f, copy, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        char *value = strdup(values[i]);
        if (!value)
            return vml_fail_nomem(err);
        if (add_value(f, value, err) < 0)
            return -1;
    }
    return 0;
}

void vml_filters_clear(struct vml_filters *f)
{
    for (size_t i = 0; i < f->n; i++) {
        struct vml_filter *x = &f->items[i];
        for (size_t k = 0; k < x->n; k++) {
            free(x->values[k].pattern);
            free(x->values[k].literal);
        }
        free(x->values);
        free(x->name);
    }
    free(f->items);
    *f = (struct vml_filters){ .of = f->of };
}
