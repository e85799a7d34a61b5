/* Numbers and units as descriptions spell them. */
#include <string.h>
#include <strings.h>

#include "ovf_walk.h"

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

/* Decimal digits; NULL when there are none or the number is too large. */
static const char *parse_digits(const char *p, uint64_t *value)
{
    const char *start = p;

    for (*value = 0; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(*p - '0'), value))
            return NULL;
    return p != start ? p : NULL;
}

static bool parse_number(const char *text, uint64_t *value)
{
    const char *p = parse_digits(skip_blanks(text), value);

    return p != NULL && *skip_blanks(p) == '\0';
}

uint64_t ovf_number_or(const char *text, uint64_t otherwise)
{
    uint64_t value;

    return parse_number(text, &value) ? value : otherwise;
}

static const struct {
    const char *word;
    unsigned shift;
} unit_words[] = {
    { "byte", 0 },       { "bytes", 0 }, { "b", 0 },    { "kilobyte", 10 },
    { "kilobytes", 10 }, { "kb", 10 },   { "kib", 10 }, { "megabyte", 20 },
    { "megabytes", 20 }, { "mb", 20 },   { "mib", 20 }, { "gigabyte", 30 },
    { "gigabytes", 30 }, { "gb", 30 },   { "gib", 30 }, { "terabyte", 40 },
    { "terabytes", 40 }, { "tb", 40 },   { "tib", 40 },
};

/* "byte", "byte * 2^20", "byte*1024*1024", "MegaBytes". */
static bool parse_units(const char *p, uint64_t *bytes)
{
    size_t len = strcspn(p = skip_blanks(p), " \t*"), i = 0;

    while (i < sizeof unit_words / sizeof unit_words[0] &&
           (strlen(unit_words[i].word) != len || strncasecmp(unit_words[i].word, p, len) != 0))
        i++;
    if (i == sizeof unit_words / sizeof unit_words[0])
        return false;
    *bytes = UINT64_C(1) << unit_words[i].shift;
    for (p = skip_blanks(p + len); *p == '*'; p = skip_blanks(p)) {
        uint64_t base, power = 1;

        p = parse_digits(skip_blanks(p + 1), &base);
        if (p == NULL)
            return false;
        p = skip_blanks(p);
        if (*p == '^' && (p = parse_digits(skip_blanks(p + 1), &power)) == NULL)
            return false;
        if (power > 63)
            return false;
        for (; power > 0; power--)
            if (__builtin_mul_overflow(*bytes, base, bytes))
                return false;
    }
    return *p == '\0';
}

int ovf_bytes(uint64_t *bytes, const char *quantity, const char *units, struct vml_error *err)
{
    uint64_t value, unit = 1;

    if (!parse_number(quantity, &value))
        return vml_fail(err, VML_EDATA, "ovf/capacity", "'%s' is not a number of bytes", quantity);
    if (units != NULL && !parse_units(units, &unit))
        return vml_fail(err, VML_EDATA, "ovf/capacity", "units '%s' are not understood", units);
    if (__builtin_mul_overflow(value, unit, bytes))
        return vml_fail(err, VML_EDATA, "ovf/capacity", "%s times '%s' is more than 2^64 bytes",
                        quantity, units);
    return 0;
}
