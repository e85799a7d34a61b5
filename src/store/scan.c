/* Every frame of many packs, checked by all cores.
 *
 * That is a copy like any other, so that there is one pool of threads: the reader's disk has a
 * block for each frame, whose bytes say where the frame is; the writer's encode, which runs in
 * parallel, fetches the frame and checks it; put, which runs in order, tells what was found. */
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"
#include "vmlift/codec.h"

/* --- the reader: where frames are ----------------------------------------------------------- */

struct scan_reader {
    struct vml_reader base;
    const struct vml_scan *scan;
    struct vml_scan_item *items;
    size_t n, next;
};

static int scan_extent(struct vml_reader *base, uint64_t off, struct vml_extent *x,
                       struct vml_error *err)
{
    struct scan_reader *r = (struct scan_reader *)base;

    (void)off;
    if (r->next == r->n) {
        free(r->items);
        r->items = NULL;
        r->n = r->next = 0;
        if (r->scan->next(r->scan->arg, &r->items, &r->n, err) < 0)
            return -1;
    }
    if (r->n == 0) {
        x->len = 0;
        return 0;
    }
    x->kind = VML_DATA;
    x->len = VML_BLOCK;
    x->payload_len = sizeof *r->items;
    x->payload = malloc(x->payload_len);
    if (x->payload == NULL)
        return vml_fail_nomem(err);
    memcpy(x->payload, &r->items[r->next++], x->payload_len);
    return 0;
}

/* The rest of the block is nobody's business. */
static int scan_load(struct vml_reader *base, const struct vml_extent *x, uint64_t off, size_t len,
                     void *buf, struct vml_error *err)
{
    (void)base;
    (void)off;
    (void)len;
    (void)err;
    memcpy(buf, x->payload, x->payload_len);
    return 0;
}

static void scan_free(struct vml_reader *base)
{
    (void)base;
}

static const struct vml_reader_ops reader_ops = { .extent = scan_extent,
                                                  .load = scan_load,
                                                  .free = scan_free };

/* --- the writer: whether they are good ------------------------------------------------------ */

struct scan_writer {
    struct vml_writer base;
    const struct vml_scan *scan;
    struct vml_objects *packs;
};

/* What encode leaves for put: the fault (code VML_OK: none), then the raw bytes. */
struct verdict {
    struct vml_error fault;
    uint8_t raw[VML_FRAME_MAX];
    uint8_t frame[VML_FRAME_HEADER + VML_FRAME_STORED];
};

/* Of a block whose key is not to be had the XXH3 is all that can be checked; nothing else is ever
 * encrypted. */
static int check_frame(const struct scan_writer *w, const struct vml_scan_item *item,
                       struct verdict *v)
{
    const struct vml_entry *e = &item->entry;
    const struct vml_cipher *cipher = NULL;
    uint8_t address[32];
    char key[37];

    if (vml_frame_fetch(w->packs, item->pack, e, v->frame, &v->fault) < 0)
        return -1;
    if (w->scan->quick)
        return 0;
    if (vml_frame_key(e, v->frame, key)) {
        if (w->scan->keys != NULL && vml_checked_key(w->scan->keys, key, &cipher, &v->fault) < 0)
            return -1;
        if (cipher == NULL && e->type == VML_FRAME_DATA)
            return 0;
    }
    if (vml_frame_expand(item->pack, e, cipher, v->frame, v->raw, &v->fault) < 0)
        return -1;
    vml_sha256(v->raw, e->raw, address);
    if (cipher != NULL)
        vml_cipher_address(cipher, address, address);
    if (memcmp(address, e->address, 32) == 0)
        return 0;
    return vml_frame_damaged(&v->fault, item->pack, e, "its bytes do not have that SHA-256");
}

static int scan_encode(struct vml_writer *base, struct vml_chunk *c, struct vml_error *err)
{
    struct verdict *v;

    if (vml_chunk_reserve(c, sizeof *v, err) < 0)
        return -1;
    v = (struct verdict *)c->enc;
    v->fault.code = VML_OK;
    if (check_frame((struct scan_writer *)base, (const struct vml_scan_item *)c->data, v) == 0 ||
        v->fault.code == VML_EDATA)
        return 0;
    *err = v->fault;
    return -1;
}

static int scan_put(struct vml_writer *base, const struct vml_chunk *c, struct vml_error *err)
{
    const struct vml_scan *scan = ((struct scan_writer *)base)->scan;
    const struct verdict *v = (const struct verdict *)c->enc;

    return scan->done(scan->arg, (const struct vml_scan_item *)c->data, v->raw,
                      v->fault.code == VML_OK ? NULL : &v->fault, err);
}

static int scan_finish(struct vml_writer *base, uint64_t size, struct vml_error *err)
{
    (void)base;
    (void)size;
    (void)err;
    return 0;
}

static const struct vml_writer_ops writer_ops = { .encode = scan_encode,
                                                  .put = scan_put,
                                                  .finish = scan_finish };

int vml_scan(const struct vml_scan *scan, struct vml_objects *packs, struct vml_error *err)
{
    struct scan_reader r = {
        .base = { .ops = &reader_ops, .size = VML_SIZE_UNKNOWN, .unit = VML_BLOCK },
        .scan = scan,
    };
    struct scan_writer w = {
        .base = { .ops = &writer_ops,
                  .size = VML_SIZE_UNKNOWN,
                  .unit = VML_BLOCK,
                  .ordered = true },
        .scan = scan,
        .packs = packs,
    };
    struct vml_copy copy = { .threads = 0 };
    int rc = vml_copy(&r.base, &w.base, &copy, err);

    free(r.items);
    return rc;
}
