/* An EBS snapshot is a disk that is read.
 *
 * Where it has blocks is listed page by page; each listed block has a token, without which it is
 * not to be had.  The pages that were used last are kept, so that memory does not grow with the
 * disk; what is missing is listed again.  So are the blocks of which a part was asked for: who
 * looks at partition tables and file systems asks for many small ones of each. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ebs.h"

enum { PAGES = 8, CACHED = 4 };

struct ebs_reader {
    struct vml_reader base;
    struct vml_aws *aws;
    pthread_mutex_t lock; /* of all below */
    struct ebs_page pages[PAGES];
    unsigned next; /* the page that goes when another comes */
    struct cached {
        uint64_t block;
        uint8_t *bytes; /* NULL: none */
    } cached[CACHED];
    unsigned next_cached;
};

static struct ebs_reader *reader_of(struct vml_reader *r)
{
    return (struct ebs_reader *)r;
}

/* The page that tells about a block; with the lock held. */
static int page_of(struct ebs_reader *r, uint64_t block, const struct ebs_page **out,
                   struct vml_error *err)
{
    struct ebs_page *p;

    for (size_t i = 0; i < PAGES; i++) {
        p = &r->pages[i];
        if (p->gib > 0 && block >= p->from && block < p->end) {
            *out = p;
            return 0;
        }
    }
    p = &r->pages[r->next];
    ebs_page_clear(p);
    if (ebs_list(r->aws, r->base.name, block, p, err) < 0)
        return -1;
    if (block >= p->end) /* interrupted between empty pages */
        return vml_fail_interrupted(err);
    r->next = (r->next + 1) % PAGES;
    *out = p;
    return 0;
}

/* The first item of a block's number or more; n where there is none. */
static size_t search(const struct ebs_page *p, uint64_t block)
{
    size_t low = 0, high = p->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (p->items[middle].block < block)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int reader_extent(struct vml_reader *base, uint64_t off, struct vml_extent *x,
                         struct vml_error *err)
{
    struct ebs_reader *r = reader_of(base);
    uint64_t block = off / EBS_BLOCK, end;
    const struct ebs_page *p;
    int rc;

    pthread_mutex_lock(&r->lock);
    rc = page_of(r, block, &p, err);
    if (rc == 0) {
        size_t i = search(p, block);

        if (i < p->n && p->items[i].block == block) {
            x->kind = VML_DATA;
            for (end = block + 1; ++i < p->n && p->items[i].block == end; end++)
                ;
        } else {
            x->kind = VML_HOLE;
            end = i < p->n ? p->items[i].block : p->end;
        }
        end = vml_min_u64(end, base->size / EBS_BLOCK);
        x->len = end * EBS_BLOCK - off;
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

/* The token is the caller's. */
static int token_of(struct ebs_reader *r, uint64_t block, char **token, struct vml_error *err)
{
    const struct ebs_page *p;
    int rc;

    pthread_mutex_lock(&r->lock);
    rc = page_of(r, block, &p, err);
    if (rc == 0) {
        size_t i = search(p, block);

        *token = i < p->n && p->items[i].block == block ? strdup(p->items[i].token) : NULL;
        if (*token == NULL)
            rc = vml_fail(err, VML_EIO, "aws/answer",
                          "ListSnapshotBlocks: block %llu was listed, and no longer is",
                          (unsigned long long)block);
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

static int load_block(struct ebs_reader *r, uint64_t block, void *buf, struct vml_error *err)
{
    struct ebs_listed which = { .block = block };
    int rc;

    if (token_of(r, block, &which.token, err) < 0)
        return -1;
    rc = ebs_get_block(r->aws, r->base.name, &which, buf, err);
    free(which.token);
    return rc;
}

static bool find_cached(struct ebs_reader *r, uint64_t block, size_t skip, size_t len, void *buf)
{
    bool found = false;

    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < CACHED && !found; i++) {
        const struct cached *c = &r->cached[i];

        found = c->bytes != NULL && c->block == block;
        if (found)
            memcpy(buf, c->bytes + skip, len);
    }
    pthread_mutex_unlock(&r->lock);
    return found;
}

static int load_part(struct ebs_reader *r, uint64_t block, size_t skip, size_t len, void *buf,
                     struct vml_error *err)
{
    struct cached new = { .block = block };
    struct cached *slot;
    uint8_t *old;

    if (find_cached(r, block, skip, len, buf))
        return 0;
    new.bytes = malloc(EBS_BLOCK);
    if (new.bytes == NULL)
        return vml_fail_nomem(err);
    if (load_block(r, block, new.bytes, err) < 0) {
        free(new.bytes);
        return -1;
    }
    memcpy(buf, new.bytes + skip, len);
    pthread_mutex_lock(&r->lock);
    slot = &r->cached[r->next_cached++ % CACHED];
    old = slot->bytes;
    *slot = new;
    pthread_mutex_unlock(&r->lock);
    free(old);
    return 0;
}

static int reader_load(struct vml_reader *base, const struct vml_extent *x, uint64_t off,
                       size_t len, void *buf, struct vml_error *err)
{
    struct ebs_reader *r = reader_of(base);
    uint8_t *to = buf;

    (void)x;
    while (len > 0) {
        size_t skip = (size_t)(off % EBS_BLOCK), n = (size_t)vml_min_u64(EBS_BLOCK - skip, len);
        int rc = n < EBS_BLOCK ? load_part(r, off / EBS_BLOCK, skip, n, to, err)
                               : load_block(r, off / EBS_BLOCK, to, err);

        if (rc < 0)
            return -1;
        to += n;
        off += n;
        len -= n;
    }
    return 0;
}

static void reader_free(struct vml_reader *base)
{
    struct ebs_reader *r = reader_of(base);

    for (size_t i = 0; i < PAGES; i++)
        ebs_page_clear(&r->pages[i]);
    for (size_t i = 0; i < CACHED; i++)
        free(r->cached[i].bytes);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static const struct vml_reader_ops ops = {
    .extent = reader_extent,
    .load = reader_load,
    .free = reader_free,
};

int vml_ebs_open(struct vml_reader **out, struct vml_aws *aws, const char *snapshot,
                 struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *owned = NULL;
    struct ebs_reader *r = calloc(1, sizeof *r);
    const struct ebs_page *p;

    if (r == NULL)
        return vml_fail_nomem(err);
    *r = (struct ebs_reader){ .base = { .ops = &ops,
                                        .format = "ebs",
                                        .subformat = "snapshot",
                                        .name = strdup(snapshot),
                                        .stored_size = VML_SIZE_UNKNOWN,
                                        .unit = EBS_BLOCK,
                                        .can_seek = true },
                              .aws = aws,
                              .lock = PTHREAD_MUTEX_INITIALIZER };
    owned = &r->base;
    if (r->base.name == NULL)
        return vml_fail_nomem(err);
    if (page_of(r, 0, &p, err) < 0)
        return -1;
    r->base.size = p->gib * VML_GIB;
    *out = owned;
    owned = NULL;
    return 0;
}
