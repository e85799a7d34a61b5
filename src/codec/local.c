#include "codec/local.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void local_free(void *p)
{
    struct codec_local *local = p;

    ZSTD_freeCCtx(local->zstd_compress);
    ZSTD_freeDCtx(local->zstd_expand);
#ifdef VMLIFT_LIBDEFLATE
    for (size_t i = 0; i < sizeof local->deflate / sizeof local->deflate[0]; i++)
        libdeflate_free_compressor(local->deflate[i]);
    libdeflate_free_decompressor(local->inflate);
#else
    for (size_t i = 0; i < sizeof local->deflate / sizeof local->deflate[0]; i++)
        deflateEnd(&local->deflate[i]);
    inflateEnd(&local->inflate);
#endif
#ifdef VMLIFT_ISAL
    free(local->isal);
    free(local->isal_level);
#endif
    free(local);
}

static void make_key(void)
{
    (void)pthread_key_create(&key, local_free);
}

struct codec_local *codec_local(void)
{
    struct codec_local *local;

    pthread_once(&once, make_key);
    local = pthread_getspecific(key);
    if (local == NULL && (local = calloc(1, sizeof *local)) != NULL &&
        pthread_setspecific(key, local) != 0) {
        free(local);
        local = NULL;
    }
    return local;
}
