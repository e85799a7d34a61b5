/* The codecs against zlib and known digests, and every way in which a stream can be wrong. */
#include <openssl/evp.h>
#include <sys/mman.h>
#include <zlib.h>

#include "check.h"
#include "vmlift/codec.h"

enum { LEN = 65536 };
static uint8_t in[LEN], out[LEN + 1], packed[2 * LEN];

static void fill(unsigned seed)
{
    for (size_t i = 0; i < LEN; i++) {
        seed = seed * 1103515245u + 12345u;
        in[i] = i % 3 == 0 ? (uint8_t)(seed >> 16) : (uint8_t)(i >> 8);
    }
}

static void deflate_levels(void)
{
    struct vml_error err;
    size_t n, used, again;

    for (int level = 1; level <= 9; level++)
        for (size_t len = 1; len <= LEN; len = len * 4 + (len == LEN)) {
            uLongf got = LEN;

            fill((unsigned)(level * 100) + (unsigned)len);
            CHECK(vml_deflate_bound(len) <= sizeof packed);
            CHECK_OK(vml_deflate(level, in, len, packed, vml_deflate_bound(len), &n, &err), &err);
            CHECK_INT(uncompress(out, &got, packed, n), Z_OK);
            CHECK(got == len && memcmp(in, out, len) == 0);
            memset(out, 0xaa, sizeof out);
            /* padding behind the stream is not part of it */
            CHECK_OK(vml_inflate(packed, n + 100, &used, out, len, &err), &err);
            CHECK(used == n && memcmp(in, out, len) == 0 && out[len] == 0xaa);
            CHECK_OK(vml_deflate(level, in, len, packed, sizeof packed, &again, &err), &err);
            CHECK_INT(again, n);
        }
}

static void bad_streams(void)
{
    struct vml_error err;
    uLongf n = sizeof packed;
    size_t used;

    fill(1);
    CHECK_INT(compress2(packed, &n, in, LEN, 6), Z_OK);
    CHECK_OK(vml_inflate(packed, n, &used, out, LEN, &err), &err);
    CHECK_FAILS(vml_inflate(packed, n, &used, out, LEN - 1, &err), &err, "codec/length");
    CHECK_FAILS(vml_inflate(packed, n, &used, out, LEN + 1, &err), &err, "codec/length");
    CHECK(vml_inflate(packed, n - 1, &used, out, LEN, &err) < 0 && err.code == VML_EDATA);
    CHECK_FAILS(vml_inflate(packed, 0, &used, out, LEN, &err), &err, "codec/inflate");
    packed[n - 1] ^= 1; /* Adler-32 */
    CHECK_FAILS(vml_inflate(packed, n, &used, out, LEN, &err), &err, "codec/inflate");
    packed[n - 1] ^= 1;
    packed[0] = 0;
    CHECK_FAILS(vml_inflate(packed, n, &used, out, LEN, &err), &err, "codec/inflate");
}

/* A stream without a header, and bytes behind it that are none of it. */
static void raw_streams(void)
{
    z_stream s = { 0 };
    struct vml_error err;
    size_t used = 0, n;

    fill(1);
    CHECK_INT(deflateInit2(&s, 6, Z_DEFLATED, -12, 8, Z_DEFAULT_STRATEGY), Z_OK);
    s.next_in = in;
    s.avail_in = LEN;
    s.next_out = packed;
    s.avail_out = sizeof packed;
    CHECK_INT(deflate(&s, Z_FINISH), Z_STREAM_END);
    n = sizeof packed - s.avail_out;
    deflateEnd(&s);
    memset(packed + n, 0xff, 16);
    CHECK_OK(vml_inflate_raw(packed, n + 16, &used, out, LEN, &err), &err);
    CHECK_INT(used, n);
    CHECK(memcmp(in, out, LEN) == 0);
    CHECK_FAILS(vml_inflate_raw(packed, n, &used, out, LEN - 1, &err), &err, "codec/length");
    CHECK_FAILS(vml_inflate_raw(packed, n, &used, out, LEN + 1, &err), &err, "codec/length");
    CHECK(vml_inflate_raw(packed, n - 1, &used, out, LEN, &err) < 0 && err.code == VML_EDATA);
    CHECK(vml_inflate(packed, n, &used, out, LEN, &err) < 0 && err.code == VML_EDATA);
}

/* Two frames, and bytes behind them that are none. */
static void zstd_front(void)
{
    struct vml_error err;
    size_t used = 0, n, more;

    fill(1);
    CHECK_OK(vml_zstd_compress(1, in, LEN / 2, packed, sizeof packed, &n, &err), &err);
    CHECK_OK(vml_zstd_compress(1, in + LEN / 2, LEN - LEN / 2, packed + n, sizeof packed - n, &more,
                               &err),
             &err);
    n += more;
    memset(packed + n, 0xff, 16);
    CHECK_OK(vml_zstd_expand_front(packed, n + 16, &used, out, LEN, &err), &err);
    CHECK_INT(used, n);
    CHECK(memcmp(in, out, LEN) == 0);
    CHECK_FAILS(vml_zstd_expand_front(packed, n, &used, out, LEN - 1, &err), &err, "codec/zstd");
    CHECK_FAILS(vml_zstd_expand_front(packed, n, &used, out, LEN + 1, &err), &err, "codec/zstd");
    CHECK_FAILS(vml_zstd_expand_front(packed, n - 1, &used, out, LEN, &err), &err, "codec/zstd");
}

static void zstd(void)
{
    struct vml_error err;
    size_t n;

    fill(2);
    CHECK_OK(vml_zstd_compress(1, in, LEN, packed, vml_zstd_bound(LEN), &n, &err), &err);
    CHECK_OK(vml_zstd_expand(packed, n, out, LEN, &err), &err);
    CHECK(memcmp(in, out, LEN) == 0);
    CHECK(vml_zstd_expand(packed, n, out, LEN - 1, &err) < 0);
    CHECK_FAILS(vml_zstd_expand(packed, n, out, LEN + 1, &err), &err, "codec/length");
    packed[0] ^= 1;
    CHECK_FAILS(vml_zstd_expand(packed, n, out, LEN, &err), &err, "codec/zstd");
}

static void digests(void)
{
    /* FIPS 180-2, "abc" */
    static const struct {
        const char *algorithm, *hex;
    } abc[] = {
        { "md5", "900150983cd24fb0d6963f7d28e17f72" },
        { "sha1", "a9993e364706816aba3e25717850c26c9cd0d89d" },
        { "sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    };
    struct vml_error err;

    for (size_t i = 0; i < sizeof abc / sizeof abc[0]; i++) {
        VML_AUTO(vml_digest_freep) struct vml_digest *d = NULL;
        uint8_t sum[VML_DIGEST_MAX];
        char hex[2 * VML_DIGEST_MAX + 1];
        size_t len;

        CHECK_OK(vml_digest_new(&d, abc[i].algorithm, &err), &err);
        vml_digest_update(d, "a", 1);
        vml_digest_tap(d, "bc", 2);
        vml_digest_final(d, sum, &len);
        vml_hex(hex, sum, len);
        CHECK_STR(hex, abc[i].hex);
    }
    {
        struct vml_digest *d = NULL;
        uint8_t sum[32];
        char hex[65];

        CHECK_FAILS(vml_digest_new(&d, "md17", &err), &err, "codec/digest");
        vml_sha256("abc", 3, sum);
        vml_hex(hex, sum, 32);
        CHECK_STR(hex, abc[2].hex);
    }
}

/* Against libcrypto, which computes one at a time: each number of messages, so that each way to
 * have them side by side is taken with full and with empty lanes, in lengths about the ends of
 * pieces. */
static void sha256_of_many(void)
{
    enum { MANY = 40 };
    static const size_t usual[] = { 0, 1, 55, 56, 63, 64, 65, 119, 128, 1000, 4096, 20000 };
    const void *bufs[MANY];
    size_t lens[MANY];
    uint8_t got[MANY + 1][32], want[32];

    fill(3);
    for (size_t n = 0; n <= MANY; n++)
        for (size_t k = 0; k <= sizeof usual / sizeof usual[0]; k++) {
            for (size_t i = 0; i < n; i++) {
                bufs[i] = in + 37 * i; /* aligned to nothing */
                lens[i] = k < sizeof usual / sizeof usual[0] ? usual[k] : 700 * (n - i) % 1999;
            }
            memset(got, 0xaa, sizeof got);
            vml_sha256_many(got, bufs, lens, n);
            for (size_t i = 0; i < n; i++) {
                CHECK(EVP_Digest(bufs[i], lens[i], want, NULL, EVP_sha256(), NULL) == 1);
                CHECK(memcmp(got[i], want, 32) == 0);
            }
            CHECK(got[n][0] == 0xaa && got[n][31] == 0xaa);
        }
}

/* Their length in bits takes more than 32 bits. */
static void sha256_of_long_ones(void)
{
    const size_t len = (513u << 20) + 5;
    void *p = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const void *bufs[] = { p, p, p };
    size_t lens[] = { len, len, len };
    uint8_t got[3][32], want[32];

    CHECK(p != MAP_FAILED);
    vml_sha256_many(got, bufs, lens, 3);
    CHECK(EVP_Digest(p, len, want, NULL, EVP_sha256(), NULL) == 1);
    for (size_t i = 0; i < 3; i++)
        CHECK(memcmp(got[i], want, 32) == 0);
    munmap(p, len);
}

static void crc32c(void)
{
    uint8_t zeroes[32] = { 0 }; /* RFC 3720, B.4 */

    CHECK(vml_crc32c(0, zeroes, sizeof zeroes) == 0x8a9136aa);
    CHECK(vml_crc32c(0, "123456789", 9) == 0xe3069283);
    CHECK(vml_crc32c(vml_crc32c(0, "1234", 4), "56789", 5) == 0xe3069283);
    CHECK(vml_crc32c(7, "", 0) == 7);
}

int main(void)
{
    deflate_levels();
    bad_streams();
    raw_streams();
    zstd_front();
    zstd();
    digests();
    sha256_of_many();
    sha256_of_long_ones();
    crc32c();
    return 0;
}
