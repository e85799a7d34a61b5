#include "vmlift/codec.h"

#include <zstd.h>
#include <zstd_errors.h>

#include "codec/local.h"

size_t vml_zstd_bound(size_t len)
{
    return ZSTD_compressBound(len);
}

/* Its contexts grow with what they are given; want of memory is no damage. */
static int failed(enum vml_code code, size_t n, struct vml_error *err)
{
    if (ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
        return vml_fail_nomem(err);
    return vml_fail(err, code, "codec/zstd", "zstd: %s", ZSTD_getErrorName(n));
}

int vml_zstd_compress(int level, const void *in, size_t len, void *out, size_t cap, size_t *out_len,
                      struct vml_error *err)
{
    struct codec_local *local = codec_local();

    if (local == NULL)
        return vml_fail_nomem(err);
    if (local->zstd_compress == NULL && (local->zstd_compress = ZSTD_createCCtx()) == NULL)
        return vml_fail_nomem(err);
    *out_len = ZSTD_compressCCtx(local->zstd_compress, out, cap, in, len, level);
    if (ZSTD_isError(*out_len))
        return failed(VML_EIO, *out_len, err);
    return 0;
}

static ZSTD_DCtx *expander(struct vml_error *err)
{
    struct codec_local *local = codec_local();

    if (local == NULL ||
        (local->zstd_expand == NULL && (local->zstd_expand = ZSTD_createDCtx()) == NULL)) {
        vml_fail_nomem(err);
        return NULL;
    }
    return local->zstd_expand;
}

int vml_zstd_expand(const void *in, size_t in_len, void *out, size_t len, struct vml_error *err)
{
    ZSTD_DCtx *expand = expander(err);
    size_t n;

    if (expand == NULL)
        return -1;
    n = ZSTD_decompressDCtx(expand, out, len, in, in_len);
    if (ZSTD_isError(n))
        return failed(VML_EDATA, n, err);
    if (n != len)
        return vml_fail(err, VML_EDATA, "codec/length", "expands to %zu bytes, not %zu", n, len);
    return 0;
}

int vml_zstd_expand_front(const void *in, size_t in_len, size_t *used, void *out, size_t len,
                          struct vml_error *err)
{
    ZSTD_DCtx *expand = expander(err);
    size_t made = 0;

    if (expand == NULL)
        return -1;
    *used = 0;
    while (made < len) {
        const uint8_t *frame = (const uint8_t *)in + *used;
        size_t n = ZSTD_findFrameCompressedSize(frame, in_len - *used), got = n;

        if (!ZSTD_isError(n))
            got = ZSTD_decompressDCtx(expand, (uint8_t *)out + made, len - made, frame, n);
        if (ZSTD_isError(got))
            return vml_fail(err, VML_EDATA, "codec/zstd", "zstd: %s", ZSTD_getErrorName(got));
        *used += n;
        made += got;
    }
    return 0;
}
