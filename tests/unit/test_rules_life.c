/* EC2's rules about an image that is there, as a table: each row is one of them in words. */
#include "check.h"

#include "vmlift/rules.h"

#define NOW     INT64_C(1795000000) /* 2026-11-18 */
#define DAY     INT64_C(86400)
#define ABC     "abcdefghijklmnopqrstuvwxyz"
#define CREATED INT64_C(1772323200) /* 2026-03-01 */

static struct vml_error err;

/* What a row does; `a` is available, private and unprotected. */
#define TRY(name, ...)                   \
    static int name(struct vml_image *a) \
    {                                    \
        (void)a;                         \
        __VA_ARGS__;                     \
    }
#define STATE(text)    strcpy(a->state, text)
#define PROTECTED(how) strcpy(a->protection, how)

static void share_with(struct vml_image *a, const char *who)
{
    CHECK_OK(vml_marks_grant(&a->marks, VML_GRANT_LAUNCH, who, &err), &err);
}

/* n times `what`; in one of two places, so that a key and a value can be such. */
static const char *repeat(int place, const char *what, size_t n)
{
    static char buf[2][1100];
    char *p = buf[place];
    *p = '\0';
    while (n-- > 0)
        p = stpcpy(p, what);
    return buf[place];
}

static int tag(const char *key, const char *value)
{
    return vml_rule_tag(key, value, &err);
}

static int many_tags(size_t n)
{
    VML_AUTO(vml_marks_clear) struct vml_marks m = { 0 };
    char key[16];
    for (size_t i = 0; i < n; i++) {
        snprintf(key, sizeof key, "key%zu", i);
        CHECK_OK(vml_marks_tag(&m, key, "", &err), &err);
    }
    return vml_rule_tags(m.tags, m.n_tags, &err);
}

static int two_tags(const char *first, const char *second)
{
    VML_AUTO(vml_marks_clear) struct vml_marks m = { 0 };
    CHECK_OK(vml_marks_tag(&m, first, "1", &err), &err);
    CHECK_OK(vml_marks_tag(&m, second, "2", &err), &err);
    return vml_rule_tags(m.tags, m.n_tags, &err);
}

TRY(tag_plain, return tag("Name", "web"))
TRY(tag_empty_key, return tag("", "web"))
TRY(tag_key_128, return tag(repeat(0, "k", 128), ""))
TRY(tag_key_129, return tag(repeat(0, "k", 129), ""))
TRY(tag_value_256, return tag("k", repeat(1, "v", 256)))
TRY(tag_value_257, return tag("k", repeat(1, "v", 257)))
TRY(tag_characters, return tag(repeat(0, "\xc3\xa9", 128), repeat(1, "\xf0\x9f\x98\x80", 256)))
TRY(tag_empty_value, return tag("k", ""))
TRY(tag_aws, return tag("aws:x", "web"))
TRY(tag_aws_case, return tag("aWS:x", "web"))
TRY(tag_awsx, return tag("awsx", "web"))
TRY(tag_key_latin1, return tag("bad\xff", "web"))
TRY(tag_key_overlong, return tag("overlong\xc0\xaf", "web"))
TRY(tag_key_surrogate, return tag("surrogate\xed\xa0\x80", "web"))
TRY(tag_key_cut, return tag("cut\xe2\x82", "web"))
TRY(tag_key_beyond, return tag("beyond\xf4\x90\x80\x80", "web"))
TRY(tag_value_latin1, return tag("k", "bad\x80"))
TRY(tags_50, return many_tags(50))
TRY(tags_51, return many_tags(51))
TRY(tags_twice, return two_tags("k", "k"))
TRY(tags_case, return two_tags("k", "K"))
TRY(untag_aws, return vml_rule_tag_key("aws:x", &err))
TRY(untag_plain, return vml_rule_tag_key("x", &err))

TRY(description_none, return vml_rule_description("", &err))
TRY(description_255, return vml_rule_description(repeat(0, "d", 255), &err))
TRY(description_256, return vml_rule_description(repeat(0, "d", 256), &err))
TRY(description_latin1, return vml_rule_description("\xff", &err))
TRY(imds_2, return vml_rule_imds("v2.0", &err))
TRY(imds_1, return vml_rule_imds("v1.0", &err))
TRY(imds_back, return vml_rule_imds("", &err))

TRY(code_plain, return vml_rule_product_code(a, ABC "0123", &err))
TRY(code_empty, return vml_rule_product_code(a, "", &err))
TRY(code_signs, return vml_rule_product_code(a, "a-b", &err))
TRY(code_64, return vml_rule_product_code(a, repeat(0, "c", 64), &err))
TRY(code_public, share_with(a, VML_EVERYONE); return vml_rule_product_code(a, ABC, &err))

static int deprecate(const struct vml_image *a, int64_t at)
{
    return vml_rule_deprecate(a, at, NOW, &err);
}

TRY(deprecate_now, return deprecate(a, NOW))
TRY(deprecate_past, return deprecate(a, NOW - 1))
TRY(deprecate_10, return deprecate(a, NOW + (10 * 365 + 3) * DAY))
TRY(deprecate_beyond, return deprecate(a, NOW + (10 * 365 + 3) * DAY + 1))
TRY(deprecate_leap, a->created = INT64_C(1709164800); /* 2024-02-29 */
    share_with(a, VML_EVERYONE);
    return vml_rule_deprecate(a, INT64_C(1772323200), INT64_C(1709164800), &err))
TRY(deprecate_public, share_with(a, VML_EVERYONE); return deprecate(a, CREATED + 731 * DAY))
TRY(deprecate_public_late, share_with(a, VML_EVERYONE);
    return deprecate(a, CREATED + 731 * DAY + 1))
TRY(deprecate_shared_late, share_with(a, "111111111111"); return deprecate(a, CREATED + 732 * DAY))
TRY(cancel, return vml_rule_undeprecate(a, &err))
TRY(cancel_public, share_with(a, VML_EVERYONE); return vml_rule_undeprecate(a, &err))

TRY(disable, return vml_rule_disable(a, &err))
TRY(disable_twice, STATE("disabled"); return vml_rule_disable(a, &err))
TRY(disable_protected, PROTECTED("enabled"); return vml_rule_disable(a, &err))
TRY(disable_public, share_with(a, VML_EVERYONE); return vml_rule_disable(a, &err))
TRY(enable, STATE("disabled"); return vml_rule_enable(a, &err))
TRY(enable_twice, return vml_rule_enable(a, &err))

static int protect(const struct vml_image *a, bool with_cooldown)
{
    return vml_rule_protect(a, with_cooldown, NOW, &err);
}

TRY(protect_plain, return protect(a, false))
TRY(protect_cooldown, return protect(a, true))
TRY(protect_more, PROTECTED("enabled"); return protect(a, true))
TRY(protect_less, PROTECTED("enabled-with-cooldown"); return protect(a, false))
TRY(protect_cooling, PROTECTED("cooldown"); a->protected_until = NOW + 1; return protect(a, false))
TRY(protect_cooling_again, PROTECTED("cooldown"); a->protected_until = NOW + 1;
    return protect(a, true))
TRY(protect_cooled, PROTECTED("cooldown"); a->protected_until = NOW; return protect(a, false))

static int deregister(const struct vml_image *a)
{
    return vml_rule_deregister(a, NOW, &err);
}

TRY(deregister_plain, return deregister(a))
TRY(deregister_protected, PROTECTED("enabled"); return deregister(a))
TRY(deregister_with_cooldown, PROTECTED("enabled-with-cooldown"); return deregister(a))
TRY(deregister_cooling, PROTECTED("cooldown"); a->protected_until = NOW + 1; return deregister(a))
TRY(deregister_cooled, PROTECTED("cooldown"); a->protected_until = NOW; return deregister(a))
TRY(deregister_disabled, STATE("disabled"); return deregister(a))
TRY(deregister_shared, share_with(a, VML_EVERYONE); return deregister(a))

static const struct {
    const char *rule;
    int (*try)(struct vml_image *a);
    const char *want; /* EC2's code; NULL: it may be done */
} rows[] = {
    { "an image can be tagged", tag_plain, NULL },
    { "a key is not empty", tag_empty_key, "InvalidTagKey.Malformed" },
    { "a key has up to 128 characters", tag_key_128, NULL },
    { "and no more", tag_key_129, "InvalidTagKey.Malformed" },
    { "a value has up to 256 characters", tag_value_256, NULL },
    { "and no more", tag_value_257, "InvalidParameterValue" },
    { "characters count, not bytes", tag_characters, NULL },
    { "a value may be empty", tag_empty_value, NULL },
    { "keys with aws: are Amazon's", tag_aws, "InvalidTagKey.Malformed" },
    { "in whatever case", tag_aws_case, "InvalidTagKey.Malformed" },
    { "without the colon they are not", tag_awsx, NULL },
    { "a key is UTF-8", tag_key_latin1, "InvalidTagKey.Malformed" },
    { "in its shortest form", tag_key_overlong, "InvalidTagKey.Malformed" },
    { "without surrogates", tag_key_surrogate, "InvalidTagKey.Malformed" },
    { "whole characters", tag_key_cut, "InvalidTagKey.Malformed" },
    { "of Unicode", tag_key_beyond, "InvalidTagKey.Malformed" },
    { "a value is UTF-8, too", tag_value_latin1, "InvalidParameterValue" },
    { "there are up to 50 tags", tags_50, NULL },
    { "and no more", tags_51, "TagLimitExceeded" },
    { "one request names a key once", tags_twice, "InvalidParameterValue" },
    { "keys in another case are other keys", tags_case, NULL },
    { "nobody takes Amazon's tags away", untag_aws, "InvalidTagKey.Malformed" },
    { "of others the key alone is enough", untag_plain, NULL },

    { "a description may be empty", description_none, NULL },
    { "it has up to 255 characters", description_255, NULL },
    { "and no more", description_256, "InvalidParameterValue" },
    { "it is UTF-8", description_latin1, "InvalidParameterValue" },
    { "IMDS support is v2.0", imds_2, NULL },
    { "and nothing else", imds_1, "InvalidParameterValue" },
    { "it is never taken back", imds_back, "InvalidParameterValue" },
    { "product codes are letters and digits", code_plain, NULL },
    { "a product code is not empty", code_empty, "InvalidParameterValue" },
    { "nor has it other signs", code_signs, "InvalidParameterValue" },
    { "nor more than 63 characters", code_64, "InvalidParameterValue" },
    { "a public image gets no product code", code_public, "OperationNotPermitted" },

    { "an image may be deprecated from now on", deprecate_now, NULL },
    { "but not from a time that is over", deprecate_past, "InvalidParameterValue" },
    { "within 10 years", deprecate_10, NULL },
    { "and no later", deprecate_beyond, "InvalidParameterValue" },
    { "a public one within 2 years of its creation", deprecate_public, NULL },
    { "and no later", deprecate_public_late, "InvalidParameterValue" },
    { "of what was made on 29 February until 1 March", deprecate_leap, NULL },
    { "one that is shared with accounts is not public", deprecate_shared_late, NULL },
    { "deprecation can be cancelled", cancel, NULL },
    { "but not of a public image", cancel_public, "OperationNotPermitted" },

    { "an image can be disabled", disable, NULL },
    { "once", disable_twice, "IncorrectState" },
    { "protection is from deregistration only", disable_protected, NULL },
    { "a public one can be disabled, too", disable_public, NULL },
    { "a disabled image can be enabled", enable, NULL },
    { "others cannot", enable_twice, "IncorrectState" },

    { "an image can be protected", protect_plain, NULL },
    { "also with a cooldown", protect_cooldown, NULL },
    { "which can be added", protect_more, NULL },
    { "but not dropped", protect_less, "OperationNotPermitted" },
    { "nor got around while it runs", protect_cooling, "OperationNotPermitted" },
    { "meanwhile protection with a cooldown is possible", protect_cooling_again, NULL },
    { "and once it is over any", protect_cooled, NULL },

    { "an image can be deregistered", deregister_plain, NULL },
    { "but not while it is protected", deregister_protected, "OperationNotPermitted" },
    { "with a cooldown or without", deregister_with_cooldown, "OperationNotPermitted" },
    { "nor before the cooldown is over", deregister_cooling, "OperationNotPermitted" },
    { "then it can", deregister_cooled, NULL },
    { "also when it is disabled", deregister_disabled, NULL },
    { "or shared with everybody", deregister_shared, NULL },
};

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        VML_AUTO(vml_image_clear)
        struct vml_image a = { .id = "ami-0123456789abcdef0",
                               .state = "available",
                               .created = CREATED };
        const char *want = rows[i].want ? rows[i].want : "ok";
        const char *got = rows[i].try(&a) == 0 ? "ok" : err.slug;
        if (strcmp(got, want) != 0) {
            fprintf(stderr, "row %zu, %s: %s (%s), not %s\n", i + 1, rows[i].rule, got, err.text,
                    want);
            abort();
        }
        if (rows[i].want)
            CHECK_INT(err.code, VML_EREFUSED);
    }
    struct vml_image a = { .created = CREATED + 59 };
    CHECK_INT(vml_rule_public_deprecated(&a), CREATED + 731 * DAY);
    a.deprecated = CREATED + 731 * DAY + 60;
    CHECK_INT(vml_rule_public_deprecated(&a), CREATED + 731 * DAY);
    a.deprecated = CREATED + DAY;
    CHECK_INT(vml_rule_public_deprecated(&a), CREATED + DAY);
    printf("%zu rules\n", sizeof rows / sizeof *rows);
    return 0;
}
