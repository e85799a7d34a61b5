#include "vmlift/base.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char units[] = "KMGTPE";

int vml_size_parse(uint64_t *size, const char *text, struct vml_error *err)
{
    char *end = NULL;
    unsigned long long n;
    unsigned shift = 0;

    errno = 0;
    n = isdigit((unsigned char)text[0]) ? strtoull(text, &end, 10) : 0;
    if (end != NULL && *end != '\0') {
        const char *unit = strchr(units, toupper((unsigned char)*end));

        if (unit != NULL) {
            shift = 10u * (unsigned)(unit - units + 1);
            end++;
        }
        if (strcasecmp(end, "iB") == 0 || strcasecmp(end, "B") == 0)
            end += strlen(end);
    }
    if (end == NULL || *end != '\0')
        return vml_fail(err, VML_EUSAGE, "size/syntax",
                        "size '%s': a number of bytes, or one with K, M, G, T, P or E", text);
    if (errno == ERANGE || n > UINT64_MAX >> shift)
        return vml_fail(err, VML_EUSAGE, "size/range", "size '%s': beyond 64 bits", text);
    *size = (uint64_t)n << shift;
    return 0;
}

/* To the nearest.  Its tenfold may be beyond 64 bits, a remainder's is not. */
static uint64_t tenths_of(uint64_t size, unsigned u)
{
    unsigned shift = 10 * u;
    uint64_t rest = size & ((UINT64_C(1) << shift) - 1);

    /* rest is below 2^60 */
    return (size >> shift) * 10 + ((rest * 10 + (UINT64_C(1) << (shift - 1))) >> shift);
}

const char *vml_size_format(char buf[32], uint64_t size)
{
    unsigned u = 0;
    uint64_t tenths;

    while (u < 6 && size >> (10 * (u + 1)) != 0)
        u++;
    if (u == 0) {
        snprintf(buf, 32, "%llu B", (unsigned long long)size);
        return buf;
    }
    tenths = tenths_of(size, u);
    if (tenths == 10240 && u < 6) /* 1023.95 and more: that is one of the next */
        tenths = tenths_of(size, ++u);
    if (tenths % 10 == 0)
        snprintf(buf, 32, "%llu %ciB", (unsigned long long)(tenths / 10), units[u - 1]);
    else
        snprintf(buf, 32, "%llu.%llu %ciB", (unsigned long long)(tenths / 10),
                 (unsigned long long)(tenths % 10), units[u - 1]);
    return buf;
}
