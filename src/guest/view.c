/* The disk as it is looked at: pages of 4 KiB, each read once, so that whoever looks need not care
 * how often, and all of them together cannot read more than the limit. */
#include "guest/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

struct vml_view {
    struct vml_reader *r;
    struct vml_error error; /* the first one; VML_OK: none */
    bool spent;
    uint64_t bytes;
    size_t max, used;  /* pages */
    uint8_t *pages;    /* max of them: memory that is not touched costs nothing */
    uint64_t *numbers; /* of those in use, + 1 */
    uint32_t *slots;   /* hash table: index in pages + 1 */
    size_t n_slots;    /* a power of two, at least twice max */
};

static void view_free(struct vml_view *v)
{
    if (v == NULL)
        return;
    free(v->pages);
    free(v->numbers);
    free(v->slots);
    free(v);
}

void vml_view_freep(struct vml_view **v)
{
    view_free(*v);
    *v = NULL;
}

int vml_view_open(struct vml_view **out, struct vml_reader *r, size_t limit, struct vml_error *err)
{
    VML_AUTO(vml_view_freep) struct vml_view *v = calloc(1, sizeof *v);

    assert(r->can_seek && r->size != VML_SIZE_UNKNOWN);
    if (v == NULL)
        return vml_fail_nomem(err);
    v->r = r;
    v->max = limit / PAGE;
    for (v->n_slots = 64; v->n_slots < 2 * v->max;)
        v->n_slots *= 2;
    v->pages = malloc(v->max * PAGE);
    v->numbers = calloc(v->max, sizeof *v->numbers);
    v->slots = calloc(v->n_slots, sizeof *v->slots);
    if (v->pages == NULL || v->numbers == NULL || v->slots == NULL)
        return vml_fail_nomem(err);
    *out = v;
    v = NULL;
    return 0;
}

uint64_t vml_view_bytes(const struct vml_view *v)
{
    return v->bytes;
}

bool vml_view_spent(const struct vml_view *v)
{
    return v->spent;
}

void *vml_view_alloc(struct vml_view *v, size_t len)
{
    void *p = malloc(len);

    if (p == NULL && v->error.code == VML_OK)
        vml_fail_nomem(&v->error);
    return p;
}

void vml_view_fail(struct vml_view *v, const char *what)
{
    if (v->error.code == VML_OK)
        vml_fail_errno(&v->error, "%s", what);
}

int vml_view_end(const struct vml_view *v, struct vml_error *err)
{
    if (v->error.code == VML_OK)
        return 0;
    *err = v->error;
    return -1;
}

static uint32_t *find_slot(const struct vml_view *v, uint64_t number)
{
    size_t i = (size_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 40) & (v->n_slots - 1);

    while (v->slots[i] != 0 && v->numbers[v->slots[i] - 1] != number)
        i = (i + 1) & (v->n_slots - 1);
    return &v->slots[i];
}

/* Pages [first, end), none of which is there, by one read. */
static bool load(struct vml_view *v, uint64_t first, uint64_t end)
{
    uint64_t off = first * PAGE, len = vml_min_u64(end * PAGE, v->r->size) - off;
    uint8_t *to = v->pages + v->used * PAGE;

    if (v->error.code != VML_OK)
        return false;
    if (end - first > v->max - v->used) {
        v->spent = true;
        return false;
    }
    if (vml_pread(v->r, to, (size_t)len, off, &v->error) < 0)
        return false;
    memset(to + len, 0, (size_t)((end - first) * PAGE - len));
    v->bytes += len;
    for (; first < end; first++) {
        v->numbers[v->used] = first;
        *find_slot(v, first) = (uint32_t)++v->used;
    }
    return true;
}

static bool load_missing(struct vml_view *v, uint64_t first, uint64_t end)
{
    while (first < end) {
        uint64_t stop = first;

        while (stop < end && *find_slot(v, stop) == 0)
            stop++;
        if (stop > first && !load(v, first, stop))
            return false;
        first = stop + 1; /* the page at stop is there, or stop is the end */
    }
    return true;
}

bool vml_region_read(const struct vml_region *g, void *buf, size_t len, uint64_t off)
{
    struct vml_view *v = g->view;
    uint8_t *to = buf;

    if (off > g->len || len > g->len - off || g->off > v->r->size ||
        off + len > v->r->size - g->off)
        return false;
    if (len == 0)
        return true;
    off += g->off;
    if (!load_missing(v, off / PAGE, (off + len - 1) / PAGE + 1))
        return false;
    while (len > 0) {
        size_t skip = off % PAGE, n = (size_t)vml_min_u64(len, PAGE - skip);

        memcpy(to, v->pages + (size_t)(*find_slot(v, off / PAGE) - 1) * PAGE + skip, n);
        to += n;
        off += n;
        len -= n;
    }
    return true;
}
