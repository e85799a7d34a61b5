/* QCOW2: reading.  The layout is drawn in qcow2.h.
 *
 * The tables are read in slices, of which a few are held; what they say is checked where it is
 * looked up.  Neighbours that lie behind each other in the file are one extent, but compressed
 * clusters, of which each is one.  Internal snapshots have tables of their own, which are not
 * looked at. */
#include <pthread.h>
#include <stdlib.h>

#include "qcow2.h"
#include "vmlift/codec.h"

enum {
    SLICES = 8,
    SLICE_MAX = 65536,
    STEPS = 16384, /* clusters of one extent: so that none of the callers waits long */
};

struct slice {
    uint64_t at; /* in the file; UINT64_MAX: empty */
    uint8_t *bytes;
};

struct qcow2_reader {
    struct vml_reader base;
    struct vml_input *in;
    struct qcow2_header h;
    uint32_t slice_size; /* a table starts with a slice */

    pthread_mutex_t lock; /* for all below */
    struct slice slices[SLICES];
    unsigned oldest;
};

/* What the disk has from some byte on. */
struct run {
    enum vml_kind kind;
    uint64_t len, at;
    uint32_t stored;
};

/* --- tables --------------------------------------------------------------------------------- */

/* The bytes of a table's entry at `at`, until the next call.  Under the lock. */
static int table_entry(struct qcow2_reader *r, uint64_t at, const uint8_t **p,
                       struct vml_error *err)
{
    uint64_t start = vml_round_down(at, r->slice_size);
    struct slice *s = NULL;

    for (unsigned i = 0; i < SLICES && s == NULL; i++)
        if (r->slices[i].at == start)
            s = &r->slices[i];
    if (s == NULL) {
        size_t len = (size_t)vml_min_u64(r->slice_size, r->h.file_size - start);

        s = &r->slices[r->oldest];
        r->oldest = (r->oldest + 1) % SLICES;
        s->at = UINT64_MAX;
        if (vml_input_pread(r->in, s->bytes, len, start, err) < 0)
            return -1;
        s->at = start;
    }
    *p = s->bytes + (at - start);
    return 0;
}

static int l2_table(struct qcow2_reader *r, uint64_t i, uint64_t *table, struct vml_error *err)
{
    const uint8_t *p;

    if (table_entry(r, r->h.l1_off + i * 8, &p, err) < 0)
        return -1;
    return qcow2_l1_entry(&r->h, i, p, table, err);
}

/* All that the disk needs, before any byte of it is handed out. */
static int check_l1(struct qcow2_reader *r, struct vml_error *err)
{
    uint64_t span = (uint64_t)r->h.l2_entries * r->h.cluster, table;

    for (uint64_t i = 0; i * span < r->h.size; i++) {
        if (i % 65536 == 0 && vml_interrupted())
            return vml_fail_interrupted(err);
        if (l2_table(r, i, &table, err) < 0)
            return -1;
    }
    return 0;
}

/* --- extents -------------------------------------------------------------------------------- */

/* The subclusters that are as the one at off, which is in the entry's cluster. */
static void run_in_cluster(const struct qcow2_header *h, const struct qcow2_entry *e, uint64_t off,
                           struct run *run)
{
    uint32_t inside = (uint32_t)(off & (h->cluster - 1)), sub = inside / h->sub, end = sub + 1;
    bool here = (e->here >> sub & 1) != 0, zero = (e->zero >> sub & 1) != 0;

    while ((uint64_t)end * h->sub < h->cluster && ((e->here >> end & 1) != 0) == here &&
           ((e->zero >> end & 1) != 0) == zero)
        end++;
    *run = (struct run){ .kind = here   ? VML_DATA
                                 : zero ? VML_ZERO
                                        : VML_HOLE,
                         .len = (uint64_t)end * h->sub - inside };
    if (here && e->stored == 0)
        run->at = e->at + inside;
    if (here && e->stored != 0) {
        run->at = e->at;
        run->stored = e->stored;
        run->len = h->cluster - inside;
    }
}

/* As far as one entry says it.  Under the lock. */
static int run_at(struct qcow2_reader *r, uint64_t off, struct run *run, struct vml_error *err)
{
    const struct qcow2_header *h = &r->h;
    uint64_t n = off >> h->cluster_bits, i = n / h->l2_entries, table;
    struct qcow2_entry e;
    const uint8_t *p;

    if (l2_table(r, i, &table, err) < 0)
        return -1;
    if (table == 0) {
        *run = (struct run){ .kind = VML_HOLE };
        run->len = (i + 1) * h->l2_entries * h->cluster - off;
        return 0;
    }
    if (table_entry(r, table + n % h->l2_entries * h->entry_size, &p, err) < 0 ||
        qcow2_l2_entry(h, n, p, &e, err) < 0)
        return -1;
    run_in_cluster(h, &e, off, run);
    return 0;
}

/* With what follows and is the same.  Under the lock. */
static int run_grow(struct qcow2_reader *r, uint64_t off, struct run *run, struct vml_error *err)
{
    struct vml_error later; /* what is wrong further on is told when that is asked for */
    struct run next;

    if (run_at(r, off, run, err) < 0)
        return -1;
    for (unsigned i = 0; i < STEPS && run->stored == 0 && run->len < r->h.size - off; i++) {
        if (run_at(r, off + run->len, &next, &later) < 0 || next.kind != run->kind ||
            next.stored != 0 || (run->kind == VML_DATA && next.at != run->at + run->len))
            break;
        run->len += next.len;
    }
    return 0;
}

static int qcow2_extent(struct vml_reader *base, uint64_t off, struct vml_extent *x,
                        struct vml_error *err)
{
    struct qcow2_reader *r = (struct qcow2_reader *)base;
    struct run run;
    int rc;

    pthread_mutex_lock(&r->lock);
    rc = run_grow(r, off, &run, err);
    pthread_mutex_unlock(&r->lock);
    if (rc < 0)
        return -1;
    *x = (struct vml_extent){ .off = off,
                              .len = vml_min_u64(run.len, base->size - off),
                              .kind = run.kind,
                              .at = run.at,
                              .stored = run.stored };
    return 0;
}

/* --- bytes ---------------------------------------------------------------------------------- */

/* The whole cluster that starts at byte `start` of the disk. */
static int expand(struct qcow2_reader *r, const struct vml_extent *x, uint64_t start, void *out,
                  struct vml_error *err)
{
    VML_AUTO(vml_freep) void *in = malloc(x->stored);
    size_t used; /* sectors are counted, and another cluster may begin in the last one */
    int rc;

    if (in == NULL)
        return vml_fail_nomem(err);
    if (vml_input_pread(r->in, in, x->stored, x->at, err) < 0)
        return -1;
    rc = r->h.zstd ? vml_zstd_expand_front(in, x->stored, &used, out, r->h.cluster, err)
                   : vml_inflate_raw(in, x->stored, &used, out, r->h.cluster, err);
    if (rc < 0 && err->code == VML_EDATA) {
        struct vml_error cause = *err;

        vml_fail(err, VML_EDATA, "qcow2/compressed",
                 "the compressed cluster at byte %llu of the disk, offset %llu: %s",
                 (unsigned long long)start, (unsigned long long)x->at, cause.text);
    }
    return rc;
}

static int qcow2_load(struct vml_reader *base, const struct vml_extent *x, uint64_t off, size_t len,
                      void *buf, struct vml_error *err)
{
    struct qcow2_reader *r = (struct qcow2_reader *)base;
    VML_AUTO(vml_freep) uint8_t *cluster = NULL;
    uint64_t start = vml_round_down(off, r->h.cluster);

    if (x->stored == 0)
        return vml_input_pread(r->in, buf, len, x->at + (off - x->off), err);
    if (off == start && len == r->h.cluster)
        return expand(r, x, start, buf, err);
    cluster = malloc(r->h.cluster);
    if (cluster == NULL)
        return vml_fail_nomem(err);
    if (expand(r, x, start, cluster, err) < 0)
        return -1;
    memcpy(buf, cluster + (off - start), len);
    return 0;
}

static int qcow2_end(struct vml_reader *base, struct vml_error *err)
{
    return vml_input_unchanged(((struct qcow2_reader *)base)->in, err);
}

/* Without the input, which a failed open leaves to its caller. */
static void reader_discard(struct qcow2_reader **r)
{
    if (*r == NULL)
        return;
    vml_notes_clear(&(*r)->base.notes);
    free((*r)->base.parent_name);
    pthread_mutex_destroy(&(*r)->lock);
    for (unsigned i = 0; i < SLICES; i++)
        free((*r)->slices[i].bytes);
    free(*r);
    *r = NULL;
}

static void qcow2_free(struct vml_reader *base)
{
    struct qcow2_reader *r = (struct qcow2_reader *)base;

    vml_input_free(r->in);
    reader_discard(&r);
}

static const struct vml_reader_ops ops = {
    .extent = qcow2_extent, .load = qcow2_load, .end = qcow2_end, .free = qcow2_free
};

/* --- opening -------------------------------------------------------------------------------- */

static int make_slices(struct qcow2_reader *r, struct vml_error *err)
{
    r->slice_size = (uint32_t)vml_min_u64(r->h.cluster, SLICE_MAX);
    for (unsigned i = 0; i < SLICES; i++) {
        r->slices[i] = (struct slice){ .at = UINT64_MAX, .bytes = malloc(r->slice_size) };
        if (r->slices[i].bytes == NULL)
            return vml_fail_nomem(err);
    }
    return 0;
}

static int name_parent(struct qcow2_reader *r, struct vml_error *err)
{
    if (r->h.backing[0] == '\0')
        return 0;
    r->base.parent_name = strdup(r->h.backing);
    if (r->base.parent_name == NULL)
        return vml_fail_nomem(err);
    memcpy(r->base.parent_format, r->h.backing_format, sizeof r->base.parent_format);
    r->base.parent_not_raw = r->h.backing_format[0] == '\0';
    return 0;
}

static int qcow2_open(struct vml_reader **out, struct vml_input *in, struct vml_error *err)
{
    VML_AUTO(reader_discard) struct qcow2_reader *r = NULL;

    if (!vml_input_can_seek(in))
        return vml_fail(err, VML_EUNSUPPORTED, "qcow2/needs-seek",
                        "cannot be read from a pipe: its tables point anywhere; give the file "
                        "itself");
    r = calloc(1, sizeof *r);
    if (r == NULL)
        return vml_fail_nomem(err);
    pthread_mutex_init(&r->lock, NULL);
    r->in = in;
    if (qcow2_parse(&r->h, in, &r->base.notes, err) < 0)
        return -1;
    r->base.ops = &ops;
    r->base.format = "qcow2";
    r->base.subformat = r->h.version == 2 ? "v2" : "v3";
    r->base.size = r->h.size;
    r->base.stored_size = r->h.file_size;
    r->base.unit = r->h.sub; /* a compressed cluster is 32 of them where entries are extended */
    r->base.can_seek = true;
    if (make_slices(r, err) < 0 || check_l1(r, err) < 0 || name_parent(r, err) < 0)
        return -1;
    *out = &r->base;
    r = NULL;
    return 0;
}

static const struct vml_subformat subformats[] = {
    { "v3", VML_CAN_READ, VML_DISK_MAX, 512 },
    { "v2", VML_CAN_READ, VML_DISK_MAX, 512 },
    { 0 },
};

const struct vml_format vml_format_qcow2 = {
    .name = "qcow2",
    .summary = "QEMU, KVM, OpenStack; read only",
    .suffixes = "qcow2",
    .subformats = subformats,
    .probe = qcow2_probe,
    .open = qcow2_open,
    .check = qcow2_check,
    .facts = qcow2_facts,
};
