/* Fields of on-disk structures, at any alignment: le32(p + 12), put_be64(p + 40, size). */
#ifndef VMLIFT_ENDIAN_H
#define VMLIFT_ENDIAN_H

#include <stdint.h>
#include <string.h>

/* Not <endian.h>, whose functions a program compiled as strict C11 does not see. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define VML_LE(v, bits) (v)
#define VML_BE(v, bits) __builtin_bswap##bits(v)
#else
#define VML_LE(v, bits) __builtin_bswap##bits(v)
#define VML_BE(v, bits) (v)
#endif

#define VML_ENDIAN(name, bits, order)                              \
    static inline uint##bits##_t name##bits(const void *p)         \
    {                                                              \
        uint##bits##_t v;                                          \
        memcpy(&v, p, sizeof v);                                   \
        return order(v, bits);                                     \
    }                                                              \
    static inline void put_##name##bits(void *p, uint##bits##_t v) \
    {                                                              \
        v = order(v, bits);                                        \
        memcpy(p, &v, sizeof v);                                   \
    }

VML_ENDIAN(le, 16, VML_LE)
VML_ENDIAN(le, 32, VML_LE)
VML_ENDIAN(le, 64, VML_LE)
VML_ENDIAN(be, 16, VML_BE)
VML_ENDIAN(be, 32, VML_BE)
VML_ENDIAN(be, 64, VML_BE)

#undef VML_ENDIAN
#undef VML_LE
#undef VML_BE
#endif
