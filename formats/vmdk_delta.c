/* What ESX's two kinds of redo log share: a directory, tables of 4096 entries, grains.
 *
 *     directory         tables                  grains
 *     | entry |-------> | 4096 entries |------> of 512 bytes and more (COWD), of 4 KiB (seSparse)
 *     | 0     |         | 0: see the parent
 *     | ..    |
 *
 * How wide an entry is and what it says is the format's; see vmdk_cowd.c and vmdk_sesparse.c. */
#include <pthread.h>
#include <stdlib.h>

#include "vmdk.h"
#include "vmlift/endian.h"

enum { CACHED_TABLES = 4, TABLES_PER_RUN = 64 };

struct table {
    bool valid;
    uint64_t number;
    uint64_t at; /* in the file; 0 where there is none */
    uint8_t *bytes;
};

struct delta {
    struct vml_reader r; /* first: this is what core holds */
    struct vml_input *in;
    struct vmdk_delta d;
    uint64_t file_size;
    pthread_mutex_t lock; /* guards all below */
    struct table cache[CACHED_TABLES];
    unsigned oldest, looked_up;
};

static size_t table_bytes(const struct delta *s)
{
    return (size_t)s->d.width * VMDK_DELTA_GTES;
}

static uint64_t entry_at(const struct delta *s, const uint8_t *p)
{
    return s->d.width == 8 ? le64(p) : le32(p);
}

/* [at, at+len) inside [base, base+room)? */
static bool inside(uint64_t at, uint64_t len, uint64_t base, uint64_t room)
{
    return at >= base && at - base <= room && len <= room - (at - base);
}

/* --- tables --------------------------------------------------------------------------------- */

static int table_fill(struct delta *s, struct table *t, uint64_t number, struct vml_error *err)
{
    enum vml_kind kind;
    uint8_t p[8];

    t->valid = false;
    if (vml_input_pread(s->in, p, s->d.width, s->d.gd + number * s->d.width, err) < 0)
        return -1;
    if (!s->d.table_at(&s->d, entry_at(s, p), &kind, &t->at))
        return vml_fail(err, VML_EDATA, "vmdk/gt-range",
                        "grain table %llu: directory entry 0x%llx is of no known kind",
                        (unsigned long long)number, (unsigned long long)entry_at(s, p));
    if (kind == VML_HOLE)
        t->at = 0;
    else if (!inside(t->at, table_bytes(s), s->d.tables, s->d.tables_len))
        return vml_fail(err, VML_EDATA, "vmdk/gt-range",
                        "grain table %llu at offset %llu: not between %llu and %llu, where tables "
                        "are",
                        (unsigned long long)number, (unsigned long long)t->at,
                        (unsigned long long)s->d.tables,
                        (unsigned long long)(s->d.tables + s->d.tables_len));
    else if (t->bytes == NULL && (t->bytes = malloc(table_bytes(s))) == NULL)
        return vml_fail_nomem(err);
    else if (vml_input_pread(s->in, t->bytes, table_bytes(s), t->at, err) < 0)
        return -1;
    t->number = number;
    t->valid = true;
    return 0;
}

/* *out is valid until the next call. */
static int table_get(struct delta *s, uint64_t number, const struct table **out,
                     struct vml_error *err)
{
    struct table *t = NULL;

    for (unsigned i = 0; i < CACHED_TABLES; i++)
        if (s->cache[i].valid && s->cache[i].number == number)
            t = &s->cache[i];
    if (t == NULL) {
        t = &s->cache[s->oldest++ % CACHED_TABLES];
        s->looked_up++;
        if (table_fill(s, t, number, err) < 0)
            return -1;
    }
    *out = t;
    return 0;
}

/* --- grains --------------------------------------------------------------------------------- */

struct entry {
    enum vml_kind kind;
    uint64_t at;  /* DATA: in the file */
    uint64_t run; /* grains from this one on that are known to be of this kind; with a table: 1 */
};

static int check_place(const struct delta *s, uint64_t grain, uint64_t at, uint64_t table,
                       struct vml_error *err)
{
    uint64_t len = vml_min_u64(s->d.grain, s->d.size - grain * s->d.grain);

    if (at >= s->file_size || at < s->d.grains || at - s->d.grains >= s->d.grains_len)
        return vml_fail(err, VML_EDATA, "vmdk/grain-range",
                        "grain %llu: offset %llu is not between %llu and %llu, where grains are",
                        (unsigned long long)grain, (unsigned long long)at,
                        (unsigned long long)s->d.grains,
                        (unsigned long long)(s->d.grains + s->d.grains_len));
    if (!inside(at, len, 0, s->file_size))
        return vml_fail(err, VML_EDATA, "input/truncated",
                        "grain %llu: needs %llu bytes at offset %llu, but the file ends at %llu",
                        (unsigned long long)grain, (unsigned long long)len, (unsigned long long)at,
                        (unsigned long long)s->file_size);
    if (at < table + table_bytes(s) && table < at + len)
        return vml_fail(err, VML_EDATA, "vmdk/grain-overlap",
                        "grain %llu: offset %llu belongs to its own table",
                        (unsigned long long)grain, (unsigned long long)at);
    return 0;
}

static int entry_get(struct delta *s, uint64_t grain, struct entry *e, struct vml_error *err)
{
    unsigned i = grain % VMDK_DELTA_GTES;
    const struct table *t;
    uint64_t word;

    *e = (struct entry){ .kind = VML_HOLE, .run = VMDK_DELTA_GTES - i };
    if (table_get(s, grain / VMDK_DELTA_GTES, &t, err) < 0)
        return -1;
    if (t->at == 0)
        return 0;
    e->run = 1;
    word = entry_at(s, t->bytes + (size_t)i * s->d.width);
    if (!s->d.grain_at(&s->d, word, &e->kind, &e->at))
        return vml_fail(err, VML_EDATA, "vmdk/grain-range",
                        "grain %llu: table entry 0x%llx is of no known kind",
                        (unsigned long long)grain, (unsigned long long)word);
    return e->kind == VML_DATA ? check_place(s, grain, e->at, t->at, err) : 0;
}

static int run_get(struct delta *s, uint64_t grain, struct entry *first, struct vml_error *err)
{
    uint64_t grains = vml_div_up(s->d.size, s->d.grain), run;
    struct vml_error later; /* what is wrong further on is told when that is asked for */
    struct entry next;

    s->looked_up = 0;
    if (entry_get(s, grain, first, err) < 0)
        return -1;
    for (run = first->run; grain + run < grains && s->looked_up < TABLES_PER_RUN; run += next.run)
        if (entry_get(s, grain + run, &next, &later) < 0 || next.kind != first->kind ||
            (first->kind == VML_DATA && next.at != first->at + run * s->d.grain))
            break;
    first->run = run;
    return 0;
}

static int delta_extent(struct vml_reader *r, uint64_t off, struct vml_extent *x,
                        struct vml_error *err)
{
    struct delta *s = (struct delta *)r;
    uint64_t grain = off / s->d.grain, end;
    struct entry e;
    int rc;

    pthread_mutex_lock(&s->lock);
    rc = run_get(s, grain, &e, err);
    pthread_mutex_unlock(&s->lock);
    if (rc < 0)
        return -1;
    end = vml_min_u64(s->d.size, (grain + e.run) * s->d.grain);
    *x = (struct vml_extent){ .off = off, .len = end - off, .kind = e.kind };
    if (e.kind == VML_DATA)
        x->at = e.at + off % s->d.grain;
    return 0;
}

static int delta_load(struct vml_reader *r, const struct vml_extent *x, uint64_t off, size_t len,
                      void *buf, struct vml_error *err)
{
    struct delta *s = (struct delta *)r;

    return vml_input_pread(s->in, buf, len, x->at + (off - x->off), err);
}

static int delta_end(struct vml_reader *r, struct vml_error *err)
{
    return vml_input_unchanged(((struct delta *)r)->in, err);
}

/* --- opening -------------------------------------------------------------------------------- */

static void delta_free(struct vml_reader *r)
{
    struct delta *s = (struct delta *)r;

    for (unsigned i = 0; i < CACHED_TABLES; i++)
        free(s->cache[i].bytes);
    pthread_mutex_destroy(&s->lock);
    vml_input_free(s->in);
    free(s);
}

static const struct vml_reader_ops delta_ops = {
    .extent = delta_extent,
    .load = delta_load,
    .end = delta_end,
    .free = delta_free,
};

int vmdk_delta_open(struct vml_reader **out, struct vml_input *in, const struct vmdk_delta *d,
                    struct vml_error *err)
{
    struct delta *s = calloc(1, sizeof *s);

    if (s == NULL)
        return vml_fail_nomem(err);
    s->r = (struct vml_reader){ .ops = &delta_ops,
                                .format = "vmdk",
                                .size = d->size,
                                .stored_size = vml_input_size(in),
                                .unit = VMDK_SECTOR,
                                .can_seek = true };
    s->in = in;
    s->d = *d;
    s->file_size = vml_input_size(in);
    pthread_mutex_init(&s->lock, NULL);
    *out = &s->r;
    return 0;
}
