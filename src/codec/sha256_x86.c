/* SHA-256 of several messages side by side, by what x86 has for it. */
#include "codec/sha256.h"

#ifdef __x86_64__

#include <cpuid.h>
#include <immintrin.h>
#include <pthread.h>
#include <stdbool.h>

/* FIPS 180-4, 4.2.2 */
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* --- four: the SHA instructions ------------------------------------------------------------- */

static bool find_sha(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSSE3) != 0 && (c & bit_SSE4_1) != 0 &&
           __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA) != 0;
}

#define EACH_LANE _Pragma("GCC unroll 4") for (size_t l = 0; l < 4; l++)

/* The next `pieces` pieces of four messages, each into its own state (FIPS 180-4, 6.2.2).  The
 * instructions take the state's words in two halves, A B E F and C D G H with the first on top, and
 * do two rounds each: they give the new A B E F, and the old one is the new C D G H.  w holds the
 * last 16 words of the message schedule, four to an i. */
__attribute__((target("sha,sse4.1"))) static void
compress_4(SHA256_CTX *c, const uint8_t *const *data, size_t pieces)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i abef[4], cdgh[4];

    EACH_LANE
    {
        __m128i low = _mm_loadu_si128((const __m128i *)c[l].h),
                high = _mm_loadu_si128((const __m128i *)c[l].h + 1);

        abef[l] = _mm_shuffle_epi32(_mm_unpacklo_epi64(low, high), 0x1b);
        cdgh[l] = _mm_shuffle_epi32(_mm_unpackhi_epi64(low, high), 0x1b);
    }
    for (size_t at = 0; at < pieces * SHA256_PIECE; at += SHA256_PIECE) {
        __m128i w[4][4], x[4], y[4];

        EACH_LANE
        {
            x[l] = abef[l];
            y[l] = cdgh[l];
        }
#pragma GCC unroll 16
        for (size_t i = 0; i < 16; i++) { /* four rounds each */
            const __m128i k = _mm_loadu_si128((const __m128i *)constants + i);

            EACH_LANE
            {
                __m128i *oldest = &w[l][i % 4], last = w[l][(i + 3) % 4], sum;

                if (i < 4)
                    *oldest = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data[l] + at) + i),
                                               big_endian);
                else
                    *oldest = _mm_sha256msg2_epu32(
                        _mm_add_epi32(_mm_sha256msg1_epu32(*oldest, w[l][(i + 1) % 4]),
                                      _mm_alignr_epi8(last, w[l][(i + 2) % 4], 4)),
                        last);
                sum = _mm_add_epi32(*oldest, k);
                y[l] = _mm_sha256rnds2_epu32(y[l], x[l], sum);
                x[l] = _mm_sha256rnds2_epu32(x[l], y[l], _mm_shuffle_epi32(sum, 0x0e));
            }
        }
        EACH_LANE
        {
            abef[l] = _mm_add_epi32(abef[l], x[l]);
            cdgh[l] = _mm_add_epi32(cdgh[l], y[l]);
        }
    }
    EACH_LANE
    {
        __m128i abef_up = _mm_shuffle_epi32(abef[l], 0x1b),
                cdgh_up = _mm_shuffle_epi32(cdgh[l], 0x1b);

        _mm_storeu_si128((__m128i *)c[l].h, _mm_unpacklo_epi64(abef_up, cdgh_up));
        _mm_storeu_si128((__m128i *)c[l].h + 1, _mm_unpackhi_epi64(abef_up, cdgh_up));
    }
}

/* --- sixteen: AVX-512, a message in each lane of a register ---------------------------------- */

static bool find_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

#define AVX512 __attribute__((target("avx512f,avx512bw")))

#define ADD(x, y)       _mm512_add_epi32(x, y)
#define XOR(x, y, z)    _mm512_ternarylogic_epi32(x, y, z, 0x96)
#define CHOOSE(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xca)
#define MOST(x, y, z)   _mm512_ternarylogic_epi32(x, y, z, 0xe8)
/* FIPS 180-4, 4.1.2: three turns of x, or two and a shift. */
#define TURNS(x, i, j, k) \
    XOR(_mm512_ror_epi32(x, i), _mm512_ror_epi32(x, j), _mm512_ror_epi32(x, k))
#define SHIFT(x, i, j, k) \
    XOR(_mm512_ror_epi32(x, i), _mm512_ror_epi32(x, j), _mm512_srli_epi32(x, k))

/* Word i of message l from place l of r[i] to place i of r[l]: pairs, fours and so on. */
AVX512 static inline void transpose(__m512i r[16])
{
    __m512i t[16];

#pragma GCC unroll 8
    for (size_t i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) {
        const __m512i *pair = &r[i / 4 * 8 + i % 4];

        t[i / 4 * 8 + i % 4] = _mm512_shuffle_i32x4(pair[0], pair[4], 0x88);
        t[i / 4 * 8 + i % 4 + 4] = _mm512_shuffle_i32x4(pair[0], pair[4], 0xdd);
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    }
}

/* Sixteen rounds.  a to h change their names from round to round, not their places.  A round's e is
 * what the next one waits for, and so it is added up beside a, not before it. */
AVX512 static inline __attribute__((always_inline)) void rounds(__m512i s[8], __m512i w[16],
                                                                const uint32_t k[16], bool extend)
{
#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++) {
        const __m512i a = s[(16 - i) % 8], b = s[(17 - i) % 8], c = s[(18 - i) % 8];
        const __m512i e = s[(20 - i) % 8], f = s[(21 - i) % 8], g = s[(22 - i) % 8];
        __m512i *d = &s[(19 - i) % 8], *h = &s[(23 - i) % 8], known, choice, turns;

        if (extend)
            w[i] = ADD(ADD(w[i], w[(i + 9) % 16]),
                       ADD(SHIFT(w[(i + 1) % 16], 7, 18, 3), SHIFT(w[(i + 14) % 16], 17, 19, 10)));
        known = ADD(*h, ADD(w[i], _mm512_set1_epi32((int)k[i])));
        choice = CHOOSE(e, f, g);
        turns = TURNS(e, 6, 11, 25);
        *d = ADD(ADD(ADD(*d, known), choice), turns);
        *h = ADD(ADD(ADD(known, choice), turns), ADD(MOST(a, b, c), TURNS(a, 2, 13, 22)));
    }
}

AVX512 static void compress_16(SHA256_CTX *c, const uint8_t *const *data, size_t pieces)
{
    const __m512i big_endian = _mm512_set4_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);
    uint32_t words[8][16];
    __m512i state[8];

    for (size_t i = 0; i < 8; i++) {
        for (size_t l = 0; l < 16; l++)
            words[i][l] = c[l].h[i];
        state[i] = _mm512_loadu_si512(words[i]);
    }
    for (size_t at = 0; at < pieces * SHA256_PIECE; at += SHA256_PIECE) {
        __m512i w[16], s[8];

#pragma GCC unroll 16
        for (size_t l = 0; l < 16; l++)
            w[l] = _mm512_shuffle_epi8(_mm512_loadu_si512(data[l] + at), big_endian);
        transpose(w);
#pragma GCC unroll 8
        for (size_t i = 0; i < 8; i++)
            s[i] = state[i];
        rounds(s, w, constants, false);
        for (size_t i = 16; i < 64; i += 16)
            rounds(s, w, constants + i, true);
#pragma GCC unroll 8
        for (size_t i = 0; i < 8; i++)
            state[i] = ADD(state[i], s[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        _mm512_storeu_si512(words[i], state[i]);
        for (size_t l = 0; l < 16; l++)
            c[l].h[i] = words[i][l];
    }
}

/* --- which of them -------------------------------------------------------------------------- */

static bool has_sha, has_avx512;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Once: in a virtual machine the hypervisor answers CPUID, in as much time as a piece takes. */
static void find_all(void)
{
    has_sha = find_sha();
    has_avx512 = find_avx512();
}

const struct sha256_way *sha256_way(size_t n)
{
    static const struct sha256_way four = { 4, compress_4 }, sixteen = { 16, compress_16 };

    pthread_once(&once, find_all);
    /* With fewer than these some lanes would be empty, and others quicker. */
    if (has_avx512 && n >= 11)
        return &sixteen;
    return has_sha && n >= 3 ? &four : NULL;
}

#else

const struct sha256_way *sha256_way(size_t n)
{
    (void)n;
    return NULL;
}

#endif
