/* A disk becomes an EBS snapshot.
 *
 * What is to be at a block is compared with what is there: what was put already (the ledger), else
 * what the parent has, else a hole, which is zeroes.  Only what differs is put.  So going on after
 * a kill, a child that has few changes, and zeroes over a parent's data are all the same rule. */
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "ebs.h"
#include "vmlift/codec.h"

enum { DIGEST = 32, BATCH_MAX = 16 };

/* Blocks whose digests are made together: 16 are quickest, where the CPU has what that takes, then
 * 4.  But each connection has so many in memory, which is to stay below 64 MiB in all, and many
 * connections are for networks that are slower than that. */
static uint32_t batch_of(unsigned connections)
{
    return connections <= 8 ? BATCH_MAX : connections <= 32 ? 4 : 1;
}

const uint8_t ebs_unknown[DIGEST] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                                      255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                                      255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
/* Of a block of zeroes. */
static const uint8_t zero_digest[DIGEST] = { 0x07, 0x85, 0x4d, 0x2f, 0xef, 0x29, 0x7a, 0x06,
                                             0xba, 0x81, 0x68, 0x5e, 0x66, 0x0c, 0x33, 0x2d,
                                             0xe3, 0x6d, 0x5d, 0x18, 0xd5, 0x46, 0x92, 0x7d,
                                             0x30, 0xda, 0xad, 0x6d, 0x7f, 0xda, 0x15, 0x41 };
static const uint8_t zeroes[EBS_BLOCK];

struct ebs_writer {
    struct vml_writer base;
    struct vml_aws *aws;
    struct ebs_put *p;
};

static struct ebs_writer *writer_of(struct vml_writer *w)
{
    return (struct ebs_writer *)w;
}

static int writer_encode(struct vml_writer *base, struct vml_chunk *c, struct vml_error *err)
{
    size_t n = (size_t)(c->len / EBS_BLOCK);
    const void *blocks[BATCH_MAX];
    size_t lens[BATCH_MAX];

    (void)base;
    assert(c->len % EBS_BLOCK == 0);
    if (vml_chunk_reserve(c, n * DIGEST, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i += BATCH_MAX) {
        size_t some = n - i < BATCH_MAX ? n - i : BATCH_MAX;

        for (size_t k = 0; k < some; k++) {
            blocks[k] = c->data + (i + k) * EBS_BLOCK;
            lens[k] = EBS_BLOCK;
        }
        vml_sha256_many((uint8_t(*)[DIGEST])(c->enc + i * DIGEST), blocks, lens, some);
    }
    c->enc_len = n * DIGEST;
    return 0;
}

static bool used(const uint8_t digest[DIGEST])
{
    static const uint8_t none[DIGEST];

    return memcmp(digest, none, DIGEST) != 0;
}

/* What is at a block of the snapshot so far. */
static int look(const struct ebs_put *p, uint64_t block, uint8_t digest[DIGEST],
                struct vml_error *err)
{
    if (ledger_get(p->ledger, block, digest, err) < 0)
        return -1;
    if (!used(digest) && p->parent != NULL && ledger_get(p->parent, block, digest, err) < 0)
        return -1;
    if (!used(digest))
        memcpy(digest, zero_digest, DIGEST);
    return 0;
}

static int put_block(struct ebs_writer *w, uint64_t block, const uint8_t *bytes,
                     const uint8_t digest[DIGEST], struct vml_error *err)
{
    struct ebs_put *p = w->p;
    uint8_t there[DIGEST];

    if (look(p, block, there, err) < 0)
        return -1;
    if (memcmp(there, digest, DIGEST) == 0) {
        atomic_fetch_add(&p->known, memcmp(digest, zero_digest, DIGEST) != 0);
        return 0;
    }
    if (!p->dry_run && ebs_put_block(w->aws, p->snapshot, block, bytes, digest, err) < 0)
        return -1;
    if (ledger_put(p->ledger, block, digest, err) < 0)
        return -1;
    atomic_fetch_add(&p->put, 1);
    return 0;
}

/* Zeroes from block to end: only where there is something. */
static int put_zeroes(struct ebs_writer *w, uint64_t block, uint64_t end, struct vml_error *err)
{
    while (block < end) {
        uint64_t own, parent = end;

        if (ledger_next(w->p->ledger, block, end, &own, err) < 0 ||
            (w->p->parent != NULL && ledger_next(w->p->parent, block, end, &parent, err) < 0))
            return -1;
        block = vml_min_u64(vml_min_u64(own, parent), end);
        if (block < end && put_block(w, block++, zeroes, zero_digest, err) < 0)
            return -1;
    }
    return 0;
}

static int writer_put(struct vml_writer *base, const struct vml_chunk *c, struct vml_error *err)
{
    struct ebs_writer *w = writer_of(base);
    uint64_t first = c->off / EBS_BLOCK, n = c->len / EBS_BLOCK;

    if (c->kind != VML_DATA)
        return put_zeroes(w, first, first + n, err);
    for (uint64_t i = 0; i < n; i++) {
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (put_block(w, first + i, c->data + i * EBS_BLOCK, c->enc + i * DIGEST, err) < 0)
            return -1;
    }
    return 0;
}

static int writer_finish(struct vml_writer *base, uint64_t size, struct vml_error *err)
{
    struct ebs_writer *w = writer_of(base);
    uint8_t sum[DIGEST];
    uint64_t count;

    (void)size;
    if (w->p->dry_run)
        return 0;
    if (ledger_sync(w->p->ledger, err) < 0 || ledger_sum(w->p->ledger, sum, &count, err) < 0)
        return -1;
    return ebs_complete(w->aws, w->p->snapshot, count, sum, err);
}

static void writer_free(struct vml_writer *base)
{
    free(writer_of(base));
}

static const struct vml_writer_ops ops = {
    .encode = writer_encode,
    .put = writer_put,
    .finish = writer_finish,
    .free = writer_free,
};

int ebs_writer(struct vml_writer **out, struct vml_aws *aws, struct ebs_put *p, uint64_t gib,
               unsigned connections, struct vml_error *err)
{
    struct ebs_writer *w = calloc(1, sizeof *w);

    if (w == NULL)
        return vml_fail_nomem(err);
    *w = (struct ebs_writer){
        .base = { .ops = &ops,
                  .format = "ebs",
                  .subformat = "snapshot",
                  .name = strdup(p->snapshot),
                  .size = gib * VML_GIB,
                  .unit = EBS_BLOCK,
                  .batch = batch_of(connections) * EBS_BLOCK },
        .aws = aws,
        .p = p,
    };
    if (w->base.name == NULL) {
        free(w);
        return vml_fail_nomem(err);
    }
    *out = &w->base;
    return 0;
}
