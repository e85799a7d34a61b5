/* SHA-256 of whole buffers, one and many.
 *
 * A round has to wait for the one before it, and a core could do much else meanwhile: several
 * messages side by side take little more time than one.  libcrypto has no call for that.  What it
 * takes is here and in sha256_x86.c, and no more than that: the compression of whole pieces.  Where
 * a message ends, and on other processors, it is libcrypto as ever. */
#include "codec/sha256.h"

#include "vmlift/base.h"
#include "vmlift/codec.h"

/* Not SHA256(): that allocates, and leaves *out as it was where it gets no memory. These three
 * cannot fail. */
void vml_sha256(const void *buf, size_t len, uint8_t out[32])
{
    SHA256_CTX c;

    SHA256_Init(&c);
    SHA256_Update(&c, buf, len);
    SHA256_Final(out, &c);
}

/* n of them, as far as the shortest has whole pieces in lanes, and from there one by one.  A lane
 * that is left over goes where the first one goes. */
static void digest_lanes(const struct sha256_way *way, uint8_t (*out)[32], const void *const *bufs,
                         const size_t *lens, size_t n)
{
    SHA256_CTX c[SHA256_LANES_MAX];
    const uint8_t *data[SHA256_LANES_MAX];
    size_t common = lens[0];

    for (size_t i = 0; i < way->lanes; i++) {
        SHA256_Init(&c[i]);
        data[i] = bufs[i < n ? i : 0];
    }
    for (size_t i = 1; i < n; i++)
        common = vml_min_u64(common, lens[i]);
    common -= common % SHA256_PIECE;
    way->compress(c, data, common / SHA256_PIECE);
    for (size_t i = 0; i < n; i++) {
        c[i].Nl = (SHA_LONG)(common << 3); /* the number of bits so far, in two halves */
        c[i].Nh = (SHA_LONG)((uint64_t)common >> 29);
        SHA256_Update(&c[i], data[i] + common, lens[i] - common);
        SHA256_Final(out[i], &c[i]);
    }
}

void vml_sha256_many(uint8_t (*out)[32], const void *const *bufs, const size_t *lens, size_t n)
{
    const struct sha256_way *way;

    for (size_t take; (way = sha256_way(n)) != NULL; n -= take) {
        take = (size_t)vml_min_u64(n, way->lanes);
        digest_lanes(way, out, bufs, lens, take);
        out += take;
        bufs += take;
        lens += take;
    }
    for (size_t i = 0; i < n; i++)
        vml_sha256(bufs[i], lens[i], out[i]);
}
