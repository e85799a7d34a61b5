/* zlib streams of whole buffers: level 1 by ISA-L (its own 2), but not into output that is to be
 * reproducible; the rest by libdeflate; everything by zlib where those are not built in.  All three
 * make streams that any of them reads; the bytes differ, so output is reproducible for one build.
 */
#include "vmlift/codec.h"

#include <stdlib.h>

#include "codec/local.h"

enum { ZLIB_WRAP = 64 }; /* header, checksum, and ISA-L's want of a little more than zlib's bound */

size_t vml_deflate_bound(size_t len)
{
    return compressBound(len) + ZLIB_WRAP + 5 * (len / 16384 + 1);
}

#ifdef VMLIFT_ISAL
static int deflate_isal(struct codec_local *local, const void *in, size_t len, void *out,
                        size_t cap, size_t *out_len, struct vml_error *err)
{
    struct isal_zstream *s;

    if (local->isal == NULL)
        local->isal = malloc(sizeof *local->isal);
    if (local->isal_level == NULL)
        local->isal_level = malloc(ISAL_DEF_LVL2_DEFAULT);
    if (local->isal == NULL || local->isal_level == NULL)
        return vml_fail_nomem(err);
    s = local->isal;
    isal_deflate_stateless_init(s);
    s->hist_bits = 0; /* how far back matches may lie: init leaves what the memory held before */
    s->gzip_flag = IGZIP_ZLIB;
    s->level = 2; /* of a system's disk 0.6 % less than its 1, in as little time */
    s->level_buf = local->isal_level;
    s->level_buf_size = ISAL_DEF_LVL2_DEFAULT;
    s->flush = NO_FLUSH;
    s->end_of_stream = 1;
    s->next_in = (uint8_t *)in; /* ISA-L lacks the const; it does not write there */
    s->avail_in = (uint32_t)len;
    s->next_out = out;
    s->avail_out = (uint32_t)cap;
    if (isal_deflate_stateless(s) != COMP_OK || s->avail_in != 0)
        return vml_fail(err, VML_EIO, "codec/deflate", "deflate of %zu bytes", len);
    *out_len = cap - s->avail_out;
    return 0;
}
#endif

#ifdef VMLIFT_LIBDEFLATE
static int deflate_any(struct codec_local *local, int level, const void *in, size_t len, void *out,
                       size_t cap, size_t *out_len, struct vml_error *err)
{
    struct libdeflate_compressor **c = &local->deflate[level < 1 ? 1 : level > 12 ? 12 : level];

    if (*c == NULL && (*c = libdeflate_alloc_compressor((int)(c - local->deflate))) == NULL)
        return vml_fail_nomem(err);
    *out_len = libdeflate_zlib_compress(*c, in, len, out, cap);
    if (*out_len == 0)
        return vml_fail(err, VML_EIO, "codec/deflate", "deflate of %zu bytes", len);
    return 0;
}

static int inflate_any(bool raw, const void *in, size_t in_len, size_t *used, void *out, size_t len,
                       struct vml_error *err)
{
    struct codec_local *local = codec_local();
    size_t got = 0;
    enum libdeflate_result rc;

    if (local == NULL ||
        (local->inflate == NULL && (local->inflate = libdeflate_alloc_decompressor()) == NULL))
        return vml_fail_nomem(err);
    rc = raw ? libdeflate_deflate_decompress_ex(local->inflate, in, in_len, out, len, used, &got)
             : libdeflate_zlib_decompress_ex(local->inflate, in, in_len, out, len, used, &got);
    if (rc == LIBDEFLATE_INSUFFICIENT_SPACE)
        return vml_fail(err, VML_EDATA, "codec/length", "inflates to more than %zu bytes", len);
    if (rc != LIBDEFLATE_SUCCESS)
        return vml_fail(err, VML_EDATA, "codec/inflate",
                        "%zu bytes are not a whole, undamaged %s stream", in_len,
                        raw ? "deflate" : "zlib");
    if (got != len)
        return vml_fail(err, VML_EDATA, "codec/length", "inflates to %zu bytes, not %zu", got, len);
    return 0;
}
#else
static int deflate_any(struct codec_local *local, int level, const void *in, size_t len, void *out,
                       size_t cap, size_t *out_len, struct vml_error *err)
{
    int n = level < 1 ? 1 : level > 9 ? 9 : level;
    z_stream *s = &local->deflate[n];

    if ((s->state == NULL ? deflateInit(s, n) : deflateReset(s)) != Z_OK)
        return vml_fail_nomem(err);
    s->next_in = in;
    s->avail_in = (uInt)len;
    s->next_out = out;
    s->avail_out = (uInt)cap;
    if (deflate(s, Z_FINISH) != Z_STREAM_END)
        return vml_fail(err, VML_EIO, "codec/deflate", "deflate of %zu bytes", len);
    *out_len = cap - s->avail_out;
    return 0;
}

static int inflate_any(bool raw, const void *in, size_t in_len, size_t *used, void *out, size_t len,
                       struct vml_error *err)
{
    struct codec_local *local = codec_local();
    int bits = raw ? -MAX_WBITS : MAX_WBITS;
    z_stream *s;
    int rc;

    if (local == NULL)
        return vml_fail_nomem(err);
    s = &local->inflate;
    if ((s->state == NULL ? inflateInit2(s, bits) : inflateReset2(s, bits)) != Z_OK)
        return vml_fail_nomem(err);
    s->next_in = in;
    s->avail_in = (uInt)in_len;
    s->next_out = out;
    s->avail_out = (uInt)len;
    rc = inflate(s, Z_FINISH);
    *used = in_len - s->avail_in;
    if (rc == Z_BUF_ERROR && s->avail_out == 0 && s->avail_in != 0)
        return vml_fail(err, VML_EDATA, "codec/length", "inflates to more than %zu bytes", len);
    if (rc != Z_STREAM_END)
        return vml_fail(err, VML_EDATA, "codec/inflate",
                        "%zu bytes are not a whole, undamaged %s stream", in_len,
                        raw ? "deflate" : "zlib");
    if (s->avail_out != 0)
        return vml_fail(err, VML_EDATA, "codec/length", "inflates to %zu bytes, not %zu",
                        len - s->avail_out, len);
    return 0;
}
#endif

int vml_inflate(const void *in, size_t in_len, size_t *used, void *out, size_t len,
                struct vml_error *err)
{
    return inflate_any(false, in, in_len, used, out, len, err);
}

int vml_inflate_raw(const void *in, size_t in_len, size_t *used, void *out, size_t len,
                    struct vml_error *err)
{
    return inflate_any(true, in, in_len, used, out, len, err);
}

int vml_deflate(int level, const void *in, size_t len, void *out, size_t cap, size_t *out_len,
                struct vml_error *err)
{
    struct codec_local *local = codec_local();

    if (local == NULL)
        return vml_fail_nomem(err);
#ifdef VMLIFT_ISAL
    /* ISA-L 2.30 enters one place into its table of matches under a hash that it takes from what a
     * register happens to hold, so that a match with a buffer's very first bytes is found or not:
     * of 12,000 processes 4 made one byte more of the same grain.  It is right either way, and no
     * use where the same bytes are promised. */
    if (level <= VML_DEFLATE_FAST && !vml_reproducible())
        return deflate_isal(local, in, len, out, cap, out_len, err);
#endif
    return deflate_any(local, level, in, len, out, cap, out_len, err);
}
