/* Hashing is a copy whose writer keeps nothing.  What a digest takes in order, workers read and
 * decode in parallel before it. */
#include <assert.h>

#include "vmlift/codec.h"
#include "vmlift/copy.h"

enum { ZEROES = 64 << 10 };

struct hash {
    struct vml_writer base;
    struct vml_digest *digest;
};

static int hash_put(struct vml_writer *base, const struct vml_chunk *c, struct vml_error *err)
{
    static const uint8_t zeroes[ZEROES];
    struct hash *w = (struct hash *)base;

    if (c->kind == VML_DATA) {
        vml_digest_update(w->digest, c->data, c->len);
        return 0;
    }
    for (uint64_t left = c->len; left > 0;) {
        size_t n = (size_t)vml_min_u64(left, ZEROES);

        if (vml_interrupted())
            return vml_fail_interrupted(err);
        vml_digest_update(w->digest, zeroes, n);
        left -= n;
    }
    return 0;
}

static int hash_finish(struct vml_writer *base, uint64_t size, struct vml_error *err)
{
    (void)base;
    (void)size;
    (void)err;
    return 0;
}

static const struct vml_writer_ops hash_ops = { .put = hash_put, .finish = hash_finish };

int vml_hash(struct vml_reader *r, struct vml_copy *c, uint8_t out[32], struct vml_error *err)
{
    VML_AUTO(vml_digest_freep) struct vml_digest *digest = NULL;
    struct hash w = {
        .base = { .ops = &hash_ops, .size = r->size, .unit = 512, .ordered = true },
    };
    uint8_t sum[VML_DIGEST_MAX];
    size_t len;

    if (vml_digest_new(&digest, "sha256", err) < 0)
        return -1;
    w.digest = digest;
    if (vml_copy(r, &w.base, c, err) < 0)
        return -1;
    vml_digest_final(digest, sum, &len);
    assert(len == 32);
    for (size_t i = 0; i < len; i++)
        out[i] = sum[i];
    return 0;
}
