#include "vmlift/base.h"

size_t vml_utf8_char(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t n = p[0] < 0x80   ? 1
               : p[0] < 0xc2 ? 0
               : p[0] < 0xe0 ? 2
               : p[0] < 0xf0 ? 3
               : p[0] < 0xf5 ? 4
                             : 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xed && p[1] > 0x9f;
    bool too_high = p[0] == 0xf4 && p[1] > 0x8f;
    return n > 1 && (overlong || surrogate || too_high) ? 0 : n;
}

bool vml_utf8_count(const char *text, size_t *count)
{
    size_t step;
    for (*count = 0; *text; text += step, ++*count) {
        step = vml_utf8_char(text);
        if (step == 0)
            return false;
    }
    return true;
}
