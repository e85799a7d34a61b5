/* SHA-256 of several messages side by side, as far as they have whole pieces. */
#ifndef VMLIFT_CODEC_SHA256_H
#define VMLIFT_CODEC_SHA256_H

#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_Init and its like: see vml_sha256 */
#include <openssl/sha.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_PIECE     64u /* bytes that are compressed at once */
#define SHA256_LANES_MAX 16u /* of any way */

struct sha256_way {
    size_t lanes; /* messages side by side */
    /* The next pieces of each message, from data[i], into the state that c[i] has. */
    void (*compress)(SHA256_CTX *c, const uint8_t *const *data, size_t pieces);
};
/* The quickest way for n messages on this CPU; NULL: one by one. */
const struct sha256_way *sha256_way(size_t n);

#endif
