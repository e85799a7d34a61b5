/* The record of a machine image. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmlift/ami.h"

void vml_image_clear(struct vml_image *a)
{
    vml_marks_clear(&a->marks);
    free(a->mappings);
    free(a->location);
    free(a->source);
    free(a->source_format);
    *a = (struct vml_image){ 0 };
}

int vml_set_text(char *field, size_t size, const char *what, const char *value,
                 struct vml_error *err)
{
    size_t len = strlen(value);
    if (len >= size)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "%s of %zu bytes, at most %zu allowed", what, len, size - 1);
    memcpy(field, value, len + 1);
    return 0;
}

int vml_set_owned(char **field, const char *value, struct vml_error *err)
{
    char *copy = strdup(value);
    if (!copy)
        return vml_fail_nomem(err);
    free(*field);
    *field = copy;
    return 0;
}

int vml_image_map(struct vml_image *a, const struct vml_mapping *m, struct vml_error *err)
{
    struct vml_mapping *more = reallocarray(a->mappings, a->n_mappings + 1, sizeof *more);
    if (!more)
        return vml_fail_nomem(err);
    a->mappings = more;
    more[a->n_mappings++] = *m;
    return 0;
}

const struct vml_mapping *vml_image_root(const struct vml_image *a)
{
    for (size_t i = 0; i < a->n_mappings; i++) {
        if (strcmp(a->mappings[i].device, a->root_device) == 0)
            return &a->mappings[i];
    }
    return NULL;
}

bool vml_image_public(const struct vml_image *a)
{
    return vml_marks_granted(&a->marks, VML_GRANT_LAUNCH, VML_EVERYONE);
}

const char *vml_image_protection(const struct vml_image *a, int64_t now)
{
    bool over = strcmp(a->protection, VML_COOLING_DOWN) == 0 && a->protected_until <= now;
    return over ? "" : a->protection;
}

const char *vml_ec2_time(char buf[32], int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(buf, 32, "%Y-%m-%dT%H:%M:%S.000Z", &tm) == 0)
        snprintf(buf, 32, "%lld", (long long)seconds);
    return buf;
}

bool vml_ec2_time_parse(const char *text, int64_t *seconds)
{
    static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ",
                                         "%Y-%m-%dT%H:%M:%S.000Z" };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm tm = { 0 };
        const char *end = strptime(text, forms[i], &tm);
        int day = tm.tm_mday;
        if (!end || *end)
            continue;
        *seconds = timegm(&tm);
        return tm.tm_mday == day; /* there is no 31 June */
    }
    return false;
}
