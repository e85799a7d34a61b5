/* Where two snapshots differ, from their trees alone.
 *
 * Equal leaves are passed over by their digests, so that a diff costs what was changed, and a block
 * of data is never read.  A disk that ends before the other is read as zeroes from there on, as
 * vml_compare reads it: of a tree that is too short, what lacks are holes.  So what a snapshot has
 * at all is where it differs from a disk of nothing. */
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

#include "vmlift/upload.h"

struct side {
    struct vml_snapshot snap;
    uint64_t n; /* leaves; 0: a disk of nothing */
    uint8_t *root, *leaf;
};

struct diff {
    struct vml_store *store;
    struct side a, b;
    uint64_t first; /* blocks before this one are passed over */
    vml_blocks_fn *fn;
    void *arg;
};

static void side_clear(struct side *x)
{
    vml_snapshot_clear(&x->snap);
    free(x->root);
    free(x->leaf);
}

static void diff_clear(struct diff *d)
{
    side_clear(&d->a);
    side_clear(&d->b);
}

/* Which bytes of whose disk suffer. */
static int suffers(const struct side *x, uint64_t off, uint64_t len, struct vml_error *err)
{
    if (err->code == VML_EDATA)
        vml_error_prefix(err, "%s: bytes %llu..%llu", x->snap.id, (unsigned long long)off,
                         (unsigned long long)vml_min_u64(off + len, x->snap.size));
    return -1;
}

static int open_side(struct vml_store *s, struct side *x, const char *id, struct vml_error *err)
{
    if (id != NULL && vml_snapshot_get(s, id, &x->snap, err) < 0)
        return -1;
    x->n = vml_div_up(x->snap.size, VML_LEAF_SPAN);
    x->root = malloc(x->n * 32 + 1);
    x->leaf = malloc(VML_BLOCK);
    return x->root != NULL && x->leaf != NULL ? 0 : vml_fail_nomem(err);
}

static int read_root(struct vml_store *s, struct side *x, struct vml_error *err)
{
    if (x->n == 0)
        return 0;
    return vml_block_read(s, s->db, NULL, x->snap.root, x->root, x->n * 32, err) < 0
               ? suffers(x, 0, x->snap.size, err)
               : 0;
}

static const uint8_t *leaf_address(const struct side *x, uint64_t i)
{
    static const uint8_t hole[32];

    return i < x->n ? x->root + i * 32 : hole;
}

static int read_leaf(struct vml_store *s, struct side *x, uint64_t i, struct vml_error *err)
{
    const uint8_t *address = leaf_address(x, i);

    if (vml_is_hole(address)) {
        memset(x->leaf, 0, VML_BLOCK);
        return 0;
    }
    return vml_block_read(s, s->db, NULL, address, x->leaf, VML_BLOCK, err) < 0
               ? suffers(x, i * VML_LEAF_SPAN, VML_LEAF_SPAN, err)
               : 0;
}

/* --- block by block ------------------------------------------------------------------------- */

static const uint8_t *name_at(const struct side *x, uint64_t i)
{
    const uint8_t *name = x->leaf + i * 32;

    return vml_is_hole(name) ? NULL : name;
}

static int diff_leaf(struct diff *d, uint64_t leaf, struct vml_error *err)
{
    uint64_t number = leaf * VML_LEAF_BLOCKS;

    if (read_leaf(d->store, &d->a, leaf, err) < 0 || read_leaf(d->store, &d->b, leaf, err) < 0)
        return -1;
    for (uint64_t i = 0; i < VML_LEAF_BLOCKS; i++) {
        int rc = 0;

        if (number + i >= d->first && memcmp(d->a.leaf + i * 32, d->b.leaf + i * 32, 32) != 0)
            rc = d->fn(d->arg, number + i, name_at(&d->a, i), name_at(&d->b, i), err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int diff_trees(struct diff *d, struct vml_error *err)
{
    uint64_t n = vml_max_u64(d->a.n, d->b.n);
    int rc = 0;

    if (d->a.n == d->b.n && memcmp(d->a.snap.root, d->b.snap.root, 32) == 0)
        return 0;
    if (read_root(d->store, &d->a, err) < 0 || read_root(d->store, &d->b, err) < 0)
        return -1;
    for (uint64_t i = d->first / VML_LEAF_BLOCKS; rc == 0 && i < n; i++) {
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (memcmp(leaf_address(&d->a, i), leaf_address(&d->b, i), 32) != 0)
            rc = diff_leaf(d, i, err);
    }
    return rc < 0 ? -1 : 0;
}

/* Nodes are not encrypted, but what is in them are HMACs under the key. */
static int check_keys(const struct vml_snapshot *a, const struct vml_snapshot *b,
                      struct vml_error *err)
{
    if (strcmp(a->key, b->key) == 0)
        return 0;
    return vml_fail(err, VML_EREFUSED, "snapshot/keys",
                    "%s is encrypted with %s and %s with %s, so that their blocks have other names "
                    "where they are equal: export both, and compare what they hold",
                    a->id, a->key[0] != '\0' ? a->key : "no key", b->id,
                    b->key[0] != '\0' ? b->key : "no key");
}

int vml_snapshot_diff_blocks(struct vml_store *s, const char *a, const char *b, uint64_t first,
                             vml_blocks_fn *fn, void *arg, struct vml_error *err)
{
    VML_AUTO(diff_clear) struct diff d = { .store = s, .first = first, .fn = fn, .arg = arg };

    if (open_side(s, &d.a, a, err) < 0 || open_side(s, &d.b, b, err) < 0 ||
        check_keys(&d.a.snap, &d.b.snap, err) < 0)
        return -1;
    return diff_trees(&d, err);
}

struct blocks {
    vml_block_fn *fn;
    void *arg;
};

static int tell_block(void *arg, uint64_t number, const uint8_t *a, const uint8_t *b,
                      struct vml_error *err)
{
    const struct blocks *t = arg;

    (void)a;
    return t->fn(t->arg, number, b, err);
}

int vml_snapshot_blocks(struct vml_store *s, const char *id, uint64_t first, vml_block_fn *fn,
                        void *arg, struct vml_error *err)
{
    struct blocks t = { .fn = fn, .arg = arg };
    VML_AUTO(diff_clear)
    struct diff d = { .store = s, .first = first, .fn = tell_block, .arg = &t };

    return open_side(s, &d.a, NULL, err) < 0 || open_side(s, &d.b, id, err) < 0
               ? -1
               : diff_trees(&d, err);
}

/* --- in runs -------------------------------------------------------------------------------- */

struct runs {
    uint64_t off, len; /* the run that may go on; len 0: none */
    uint64_t size;     /* of the larger disk */
    vml_diff_fn *fn;
    void *arg;
};

static int flush_run(struct runs *r, struct vml_error *err)
{
    uint64_t len = r->len;

    r->len = 0;
    return len > 0 ? r->fn(r->arg, r->off, len, err) : 0;
}

static int add_block(void *arg, uint64_t number, const uint8_t *a, const uint8_t *b,
                     struct vml_error *err)
{
    struct runs *r = arg;
    uint64_t off = number * VML_BLOCK;

    (void)a;
    (void)b;
    if (r->len > 0 && r->off + r->len != off && flush_run(r, err) < 0)
        return -1;
    if (r->len == 0)
        r->off = off;
    r->len += vml_min_u64(VML_BLOCK, r->size - off);
    return 0;
}

int vml_snapshot_diff(struct vml_store *s, const char *a, const char *b, vml_diff_fn *fn, void *arg,
                      struct vml_error *err)
{
    struct runs r = { .fn = fn, .arg = arg };
    VML_AUTO(diff_clear) struct diff d = { .store = s, .fn = add_block, .arg = &r };

    if (open_side(s, &d.a, a, err) < 0 || open_side(s, &d.b, b, err) < 0 ||
        check_keys(&d.a.snap, &d.b.snap, err) < 0)
        return -1;
    r.size = vml_max_u64(d.a.snap.size, d.b.snap.size);
    return diff_trees(&d, err) < 0 ? -1 : flush_run(&r, err);
}
