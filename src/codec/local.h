/* Each thread's working memory: made on first use, freed when the thread ends. */
#ifndef VMLIFT_CODEC_LOCAL_H
#define VMLIFT_CODEC_LOCAL_H

#include <zlib.h>
#include <zstd.h>
#ifdef VMLIFT_LIBDEFLATE
#include <libdeflate.h>
#endif
#ifdef VMLIFT_ISAL
#include <isa-l.h>
#endif

struct codec_local {
    ZSTD_CCtx *zstd_compress;
    ZSTD_DCtx *zstd_expand;
#ifdef VMLIFT_LIBDEFLATE
    struct libdeflate_compressor *deflate[13]; /* by level */
    struct libdeflate_decompressor *inflate;
#else
    z_stream deflate[10];
    z_stream inflate;
#endif
#ifdef VMLIFT_ISAL
    struct isal_zstream *isal;
    unsigned char *isal_level;
#endif
};

/* The calling thread's, or NULL when there is no memory. */
struct codec_local *codec_local(void);

#endif
