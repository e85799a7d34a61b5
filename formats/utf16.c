#include "utf16.h"

#include <stdlib.h>
#include <string.h>

#include "vmlift/endian.h"

#define IS_HIGH(c) (((c)&0xfc00) == 0xd800)
#define IS_LOW(c)  (((c)&0xfc00) == 0xdc00)
#define UTF8_MAX   3u /* bytes of UTF-8 for one unit of UTF-16 */

static size_t put_utf8(char *p, uint32_t c)
{
    if (c < 0x80) {
        p[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        p[0] = (char)(0xc0 | c >> 6);
        p[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        p[0] = (char)(0xe0 | c >> 12);
        p[1] = (char)(0x80 | (c >> 6 & 0x3f));
        p[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    p[0] = (char)(0xf0 | c >> 18);
    p[1] = (char)(0x80 | (c >> 12 & 0x3f));
    p[2] = (char)(0x80 | (c >> 6 & 0x3f));
    p[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

int utf16_decode(char **out, const uint8_t *p, size_t n, bool big, const char *slug,
                 struct vml_error *err)
{
    char *text = malloc(n * UTF8_MAX + 1);
    size_t used = 0;

    if (text == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        uint32_t c = big ? be16(p + 2 * i) : le16(p + 2 * i), low = 0;

        if (c == 0)
            break;
        if (IS_HIGH(c) && i + 1 < n)
            low = big ? be16(p + 2 * i + 2) : le16(p + 2 * i + 2);
        if (IS_LOW(low)) {
            c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
            i++;
        } else if (IS_HIGH(c) || IS_LOW(c)) {
            free(text);
            return vml_fail(err, VML_EDATA, slug,
                            "the parent's name is no UTF-16: %04x at character %zu", (unsigned)c,
                            i);
        }
        used += put_utf8(text + used, c == '\\' ? '/' : c);
    }
    text[used] = '\0';
    *out = text;
    return 0;
}

void path_keep_last(char *path)
{
    const char *last = strrchr(path, '/');

    if (last == NULL)
        last = strrchr(path, ':');
    if (last != NULL)
        memmove(path, last + 1, strlen(last + 1) + 1);
}

void path_drop_dots(char *path)
{
    while (strncmp(path, "./", 2) == 0)
        memmove(path, path + 2, strlen(path + 2) + 1);
}
