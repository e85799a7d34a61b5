/* Every frame of many packs, checked by all cores.
 *
 * That is a copy like any other, so that there is one pool of threads: the reader's disk has a
 * place for each frame, whose bytes say where the frame is; the writer's encode, which runs in
 * parallel, fetches a chunk's frames, checks them, and digests what is in them side by side; put,
 * which runs in order, tells what was found. */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"
#include "vmlift/codec.h"
#include "vmlift/copy.h"

#define FRAMES 16u                  /* in a chunk: they are digested side by side */
#define PLACE  (VML_CHUNK / FRAMES) /* of a frame, on that disk */
static_assert(sizeof(struct vml_scan_item) <= PLACE, "an item fits into its place");

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
    x->len = PLACE;
    x->payload_len = sizeof *r->items;
    x->payload = malloc(x->payload_len);
    if (x->payload == NULL)
        return vml_fail_nomem(err);
    memcpy(x->payload, &r->items[r->next++], x->payload_len);
    return 0;
}

/* The rest of the place is nobody's business. */
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

/* Where a worker expands a chunk's frames: few, since the processor's caches are to hold them. */
struct scratch {
    struct scratch *next;
    uint8_t raw[FRAMES][VML_FRAME_MAX];
    uint8_t frame[VML_FRAME_HEADER + VML_FRAME_STORED]; /* one after the other */
};

struct scan_writer {
    struct vml_writer base;
    const struct vml_scan *scan;
    struct vml_objects *packs;
    pthread_mutex_t lock;
    struct scratch *idle; /* a list: as many as there are workers, at most */
};

/* What encode leaves for put of each frame; behind all of them stand the records' bytes. */
struct verdict {
    struct vml_error fault; /* code VML_OK: none */
    const uint8_t *record;  /* its bytes; NULL: it is none, or does not expand */
    const struct vml_cipher *cipher;
    bool expanded; /* the scratch has its bytes, which are to have its SHA-256 */
};

static struct scratch *borrow(struct scan_writer *w, struct vml_error *err)
{
    struct scratch *s;

    pthread_mutex_lock(&w->lock);
    s = w->idle;
    if (s != NULL)
        w->idle = s->next;
    pthread_mutex_unlock(&w->lock);
    if (s == NULL && (s = malloc(sizeof *s)) == NULL)
        vml_fail_nomem(err);
    return s;
}

static void give_back(struct scan_writer *w, struct scratch *s)
{
    pthread_mutex_lock(&w->lock);
    s->next = w->idle;
    w->idle = s;
    pthread_mutex_unlock(&w->lock);
}

static size_t count_frames(const struct vml_chunk *c)
{
    return (size_t)(c->len / PLACE);
}

static const struct vml_scan_item *item_of(const struct vml_chunk *c, size_t i)
{
    return (const struct vml_scan_item *)(c->data + i * PLACE);
}

/* All but the digest.  Of a block whose key is not to be had the XXH3 is all that can be checked;
 * nothing else is ever encrypted. */
static int open_frame(const struct scan_writer *w, const struct vml_scan_item *item, uint8_t *frame,
                      uint8_t *raw, struct verdict *v)
{
    const struct vml_entry *e = &item->entry;
    char key[37];

    *v = (struct verdict){ .fault.code = VML_OK };
    if (vml_frame_fetch(w->packs, item->pack, e, frame, &v->fault) < 0)
        return -1;
    if (w->scan->quick)
        return 0;
    if (vml_frame_key(e, frame, key)) {
        if (w->scan->keys != NULL && vml_checked_key(w->scan->keys, key, &v->cipher, &v->fault) < 0)
            return -1;
        if (v->cipher == NULL && e->type == VML_FRAME_DATA)
            return 0;
    }
    if (vml_frame_expand(item->pack, e, v->cipher, frame, raw, &v->fault) < 0)
        return -1;
    v->expanded = true;
    return 0;
}

static void check_digests(const struct vml_chunk *c, const struct scratch *s,
                          struct verdict *verdicts)
{
    const void *raw[FRAMES] = { NULL };
    size_t lens[FRAMES] = { 0 }, which[FRAMES], n = 0;
    uint8_t addresses[FRAMES][32];

    for (size_t i = 0; i < count_frames(c); i++) {
        if (!verdicts[i].expanded)
            continue;
        raw[n] = s->raw[i];
        lens[n] = item_of(c, i)->entry.raw;
        which[n++] = i;
    }
    vml_sha256_many(addresses, raw, lens, n);
    for (size_t i = 0; i < n; i++) {
        const struct vml_scan_item *item = item_of(c, which[i]);
        struct verdict *v = &verdicts[which[i]];

        if (v->cipher != NULL)
            vml_cipher_address(v->cipher, addresses[i], addresses[i]);
        if (memcmp(addresses[i], item->entry.address, 32) != 0)
            vml_frame_damaged(&v->fault, item->pack, &item->entry,
                              "its bytes do not have that SHA-256");
    }
}

static int check_frames(const struct scan_writer *w, struct vml_chunk *c, struct scratch *s,
                        struct vml_error *err)
{
    size_t n = count_frames(c);
    struct verdict *verdicts = (struct verdict *)c->enc;
    uint8_t *record = c->enc + n * sizeof *verdicts;

    for (size_t i = 0; i < n; i++) {
        struct verdict *v = &verdicts[i];

        if (open_frame(w, item_of(c, i), s->frame, s->raw[i], v) < 0 &&
            v->fault.code != VML_EDATA) {
            *err = v->fault;
            return -1;
        }
    }
    check_digests(c, s, verdicts);
    for (size_t i = 0; i < n; i++) {
        const struct vml_entry *e = &item_of(c, i)->entry;

        if (e->type != VML_FRAME_RECORD || !verdicts[i].expanded)
            continue;
        verdicts[i].record = memcpy(record, s->raw[i], e->raw);
        record += e->raw;
    }
    return 0;
}

static int scan_encode(struct vml_writer *base, struct vml_chunk *c, struct vml_error *err)
{
    struct scan_writer *w = (struct scan_writer *)base;
    size_t records = 0;
    struct scratch *s;
    int rc;

    for (size_t i = 0; i < count_frames(c); i++)
        if (item_of(c, i)->entry.type == VML_FRAME_RECORD)
            records += item_of(c, i)->entry.raw;
    if (vml_chunk_reserve(c, count_frames(c) * sizeof(struct verdict) + records, err) < 0)
        return -1;
    s = borrow(w, err);
    if (s == NULL)
        return -1;
    rc = check_frames(w, c, s, err);
    give_back(w, s);
    return rc;
}

static int scan_put(struct vml_writer *base, const struct vml_chunk *c, struct vml_error *err)
{
    const struct vml_scan *scan = ((struct scan_writer *)base)->scan;
    const struct verdict *verdicts = (const struct verdict *)c->enc;

    for (size_t i = 0; i < count_frames(c); i++) {
        const struct verdict *v = &verdicts[i];

        if (scan->done(scan->arg, item_of(c, i), v->record,
                       v->fault.code == VML_OK ? NULL : &v->fault, err) < 0)
            return -1;
    }
    return 0;
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
        .base = { .ops = &reader_ops, .size = VML_SIZE_UNKNOWN, .unit = PLACE },
        .scan = scan,
    };
    struct scan_writer w = {
        .base = { .ops = &writer_ops, .size = VML_SIZE_UNKNOWN, .unit = PLACE, .ordered = true },
        .scan = scan,
        .packs = packs,
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };
    struct vml_copy copy = { .threads = 0 };
    int rc = vml_copy(&r.base, &w.base, &copy, err);

    free(r.items);
    while (w.idle != NULL) {
        struct scratch *s = w.idle;

        w.idle = s->next;
        free(s);
    }
    pthread_mutex_destroy(&w.lock);
    return rc;
}
