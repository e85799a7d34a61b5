/* What EC2 would refuse of changes to an image that is there: tags, attributes, deprecation,
 * disabling, protection, deregistration.  See rules.c. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "vmlift/rules.h"

#define TAG_KEY_MAX     128
#define TAG_VALUE_MAX   256
#define DESCRIPTION_MAX 255

/* --- tags ----------------------------------------------------------------------------------- */

int vml_rule_tag_key(const char *key, struct vml_error *err)
{
    size_t len;
    if (!vml_utf8_count(key, &len) || len == 0)
        return vml_fail(err, VML_EREFUSED, "InvalidTagKey.Malformed",
                        "Tag keys cannot be empty and must be UTF-8");
    if (len > TAG_KEY_MAX)
        return vml_fail(err, VML_EREFUSED, "InvalidTagKey.Malformed",
                        "Tag key exceeds the maximum length of %d characters: it has %zu",
                        TAG_KEY_MAX, len);
    if (strncasecmp(key, "aws:", 4) == 0)
        return vml_fail(err, VML_EREFUSED, "InvalidTagKey.Malformed",
                        "Tag keys starting with 'aws:' are reserved for internal use: '%s'", key);
    return 0;
}

int vml_rule_tag(const char *key, const char *value, struct vml_error *err)
{
    size_t len;
    if (vml_rule_tag_key(key, err) < 0)
        return -1;
    if (!vml_utf8_count(value, &len))
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "Tag value of '%s' must be UTF-8", key);
    if (len > TAG_VALUE_MAX)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "Tag value of '%s' exceeds the maximum length of %d characters: it has %zu",
                        key, TAG_VALUE_MAX, len);
    return 0;
}

int vml_rule_tags(const struct vml_tag *tags, size_t n, struct vml_error *err)
{
    if (n > VML_TAGS_MAX)
        return vml_fail(err, VML_EREFUSED, "TagLimitExceeded",
                        "The maximum number of tags for a resource is %u: there are %zu",
                        VML_TAGS_MAX, n);
    for (size_t i = 0; i < n; i++) {
        if (vml_rule_tag(tags[i].key, tags[i].value, err) < 0)
            return -1;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(tags[k].key, tags[i].key) == 0)
                return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                                "Duplicate tag key '%s' specified", tags[i].key);
        }
    }
    return 0;
}

/* --- attributes ----------------------------------------------------------------------------- */

int vml_rule_description(const char *description, struct vml_error *err)
{
    size_t chars;
    if (!vml_utf8_count(description, &chars))
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue", "Description must be UTF-8");
    if (chars > DESCRIPTION_MAX)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "Description exceeds the maximum length of %d characters: it has %zu",
                        DESCRIPTION_MAX, chars);
    return 0;
}

/* There is no word to take it back with: EC2 has one register another image instead. */
int vml_rule_imds(const char *support, struct vml_error *err)
{
    if (strcmp(support, "v2.0") != 0)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "Value (%.64s) for parameter imdsSupport is invalid: it is v2.0, and what "
                        "has it keeps it",
                        support);
    return 0;
}

/* EC2 refuses to make an image with product codes public; that codes are refused to an image that
 * is public, and what they may look like, are the strict answers. */
int vml_rule_product_code(const struct vml_image *a, const char *code, struct vml_error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t len = strlen(code), max = sizeof((struct vml_product_code *)0)->code - 1;
    if (len == 0 || len > max || strspn(code, allowed) != len)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "Value (%.80s) for parameter productCode is invalid: it is 1 to %zu "
                        "letters and digits",
                        code, max);
    if (vml_image_public(a))
        return vml_fail(err, VML_EREFUSED, "OperationNotPermitted",
                        "%s is public: an image with product codes cannot be", a->id);
    return 0;
}

/* --- deprecation ---------------------------------------------------------------------------- */

/* The same day and hour in another year; what was 29 February is 1 March where there is none. */
static int64_t years_after(int64_t seconds, int years)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    if (!gmtime_r(&t, &tm))
        return seconds;
    tm.tm_year += years;
    return timegm(&tm);
}

int vml_rule_deprecate(const struct vml_image *a, int64_t at, int64_t now, struct vml_error *err)
{
    char when[32], created[32];
    vml_ec2_time(when, at);
    if (at < now)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "DeprecateAt is in the past: %s", when);
    if (at > years_after(now, 10))
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "DeprecateAt is more than 10 years from now: %s", when);
    if (vml_image_public(a) && at > years_after(a->created, 2))
        return vml_fail(
            err, VML_EREFUSED, "InvalidParameterValue",
            "DeprecateAt of a public image is at most 2 years after its creation, which "
            "was at %s: %s",
            vml_ec2_time(created, a->created), when);
    return 0;
}

int64_t vml_rule_public_deprecated(const struct vml_image *a)
{
    int64_t latest = years_after(a->created, 2) / 60 * 60;
    return a->deprecated != 0 && a->deprecated < latest ? a->deprecated : latest;
}

/* A public image's deprecation comes of itself; the guide's way to get rid of it is to make the
 * image private. */
int vml_rule_undeprecate(const struct vml_image *a, struct vml_error *err)
{
    if (vml_image_public(a))
        return vml_fail(err, VML_EREFUSED, "OperationNotPermitted",
                        "%s is public, and so will be deprecated 2 years after its creation at the "
                        "latest: make it private first",
                        a->id);
    return 0;
}

/* --- disabling ------------------------------------------------------------------------------ */

/* What EC2 says to an image that is in the state asked for is not documented. */
int vml_rule_disable(const struct vml_image *a, struct vml_error *err)
{
    if (strcmp(a->state, VML_AVAILABLE) != 0)
        return vml_fail(err, VML_EREFUSED, "IncorrectState",
                        "The image '%s' is '%s': only one that is 'available' can be disabled",
                        a->id, a->state);
    return 0;
}

int vml_rule_enable(const struct vml_image *a, struct vml_error *err)
{
    if (strcmp(a->state, VML_DISABLED) != 0)
        return vml_fail(err, VML_EREFUSED, "IncorrectState",
                        "The image '%s' is '%s': only one that is 'disabled' can be enabled", a->id,
                        a->state);
    return 0;
}

/* --- deregistration ------------------------------------------------------------------------- */

/* Nobody gets around a cooldown by asking for protection without one. */
int vml_rule_protect(const struct vml_image *a, bool with_cooldown, int64_t now,
                     struct vml_error *err)
{
    const char *is = vml_image_protection(a, now);
    bool cools = strcmp(is, VML_PROTECTED_COOLDOWN) == 0 || strcmp(is, VML_COOLING_DOWN) == 0;
    if (cools && !with_cooldown)
        return vml_fail(err, VML_EREFUSED, "OperationNotPermitted",
                        "Deregistration protection of %s has a cooldown, which ends only when the "
                        "protection is switched off and 24 hours are over",
                        a->id);
    return 0;
}

int vml_rule_deregister(const struct vml_image *a, int64_t now, struct vml_error *err)
{
    const char *is = vml_image_protection(a, now);
    if (is[0] == '\0')
        return 0;
    if (strcmp(is, VML_COOLING_DOWN) == 0)
        return vml_fail(err, VML_EREFUSED, "OperationNotPermitted",
                        "The image %s is protected from deregistration for another %" PRId64
                        " seconds: the cooldown of its protection is not over",
                        a->id, a->protected_until - now);
    return vml_fail(err, VML_EREFUSED, "OperationNotPermitted",
                    "The image %s is protected from deregistration", a->id);
}
