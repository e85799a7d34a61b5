/* QCOW2: what is wrong with a file, all of it, and how it was written.  The layout is drawn in
 * qcow2.h.
 *
 * What each cluster of the file is used for is counted, and the counts are held against those that
 * the file keeps, unless it says that they may be wrong or they count what is not looked at: the
 * tables of internal snapshots and bitmaps. */
#include <stdio.h>
#include <stdlib.h>

#include "findings.h"
#include "qcow2.h"
#include "vmlift/facts.h"

enum { PIECE = 65536 };          /* bytes of a table read at a time */
#define CLUSTERS_MAX (32u << 20) /* of a file whose uses are counted: 64 MiB of counts */

struct check {
    struct findings to;
    struct vml_input *in;
    struct qcow2_header h;
    uint64_t clusters; /* of the file, the last one perhaps not whole */
    uint16_t *uses;    /* of each; NULL: too many */
};

/* A table that is read from front to back. */
struct table {
    uint64_t at, len;
    uint64_t first, have; /* bytes of it in `piece` */
    uint8_t piece[PIECE];
};

static int took(const struct check *c, int rc, const struct vml_error *err)
{
    return rc < 0 ? findings_error(&c->to, err) : 0;
}

static int table_get(const struct check *c, struct table *t, uint64_t pos, const uint8_t **p,
                     struct vml_error *err)
{
    if (pos - t->first >= t->have) {
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        t->have = 0;
        t->first = vml_round_down(pos, PIECE);
        if (vml_input_pread(c->in, t->piece, vml_min_u64(PIECE, t->len - t->first),
                            t->at + t->first, err) < 0)
            return -1;
        t->have = vml_min_u64(PIECE, t->len - t->first);
    }
    *p = t->piece + (pos - t->first);
    return 0;
}

static struct table *table_new(uint64_t at, uint64_t len, struct vml_error *err)
{
    struct table *t = malloc(sizeof *t);

    if (t == NULL) {
        vml_fail_nomem(err);
        return NULL;
    }
    t->at = at;
    t->len = len;
    t->first = t->have = 0;
    return t;
}

/* --- uses ----------------------------------------------------------------------------------- */

/* Bytes [at, at+len) of the file, of which no other but compressed clusters may use their clusters.
 */
static void use(struct check *c, const char *what, uint64_t n, uint64_t at, uint64_t len,
                bool shared)
{
    bool told = shared;

    if (c->uses == NULL || len == 0)
        return;
    for (uint64_t k = at >> c->h.cluster_bits; k <= (at + len - 1) >> c->h.cluster_bits; k++) {
        if (k >= c->clusters)
            return;
        if (c->uses[k] > 0 && !told) {
            findings_add(&c->to, VML_FAULT, "qcow2/overlap",
                         "%s %llu at offset %llu shares bytes with something else", what,
                         (unsigned long long)n, (unsigned long long)at);
            told = true;
        }
        if (c->uses[k] < UINT16_MAX)
            c->uses[k]++;
    }
}

/* --- the disk ------------------------------------------------------------------------------- */

static int check_l2(struct check *c, uint64_t i, uint64_t at, struct vml_error *err)
{
    const struct qcow2_header *h = &c->h;
    VML_AUTO(vml_freep) struct table *t = table_new(at, h->cluster, err);

    if (t == NULL)
        return -1;
    for (uint64_t k = 0; k < h->l2_entries; k++) {
        uint64_t n = i * h->l2_entries + k;
        struct qcow2_entry e;
        const uint8_t *p;

        if (table_get(c, t, k * h->entry_size, &p, err) < 0)
            return -1;
        if (qcow2_l2_entry(h, n, p, &e, err) < 0) {
            if (findings_error(&c->to, err) < 0)
                return -1;
        } else if (e.stored != 0) {
            use(c, "compressed cluster", n, e.at, e.stored, true);
        } else if (e.at != 0) {
            use(c, "cluster", n, e.at, h->cluster, false);
        }
    }
    return 0;
}

static int check_disk(struct check *c, struct vml_error *err)
{
    VML_AUTO(vml_freep)
    struct table *t = table_new(c->h.l1_off, c->h.l1_entries * 8, err);

    if (t == NULL)
        return -1;
    for (uint64_t i = 0; i < c->h.l1_entries; i++) {
        uint64_t at;
        const uint8_t *p;

        if (table_get(c, t, i * 8, &p, err) < 0)
            return -1;
        if (qcow2_l1_entry(&c->h, i, p, &at, err) < 0) {
            if (findings_error(&c->to, err) < 0)
                return -1;
        } else if (at != 0) {
            use(c, "L2 table", i, at, c->h.cluster, false);
            if (took(c, check_l2(c, i, at, err), err) < 0)
                return -1;
        }
    }
    return 0;
}

/* --- reference counts ----------------------------------------------------------------------- */

/* Where the counts differ from what is used, by how many clusters and where first. */
struct differ {
    uint64_t n, first;
};

static void differ_add(struct differ *d, uint64_t k)
{
    if (d->n++ == 0)
        d->first = k;
}

static uint64_t count_at(const struct qcow2_header *h, const uint8_t *block, uint64_t k)
{
    unsigned bits = 1u << h->refcount_order;

    switch (bits) {
    case 64:
        return be64(block + k * 8);
    case 32:
        return be32(block + k * 4);
    case 16:
        return be16(block + k * 2);
    case 8:
        return block[k];
    }
    return block[k * bits / 8] >> (k * bits % 8) & ((1u << bits) - 1);
}

/* The counts of the clusters from `first` on, in the block at `at`; 0: they are all zero. */
static int check_block(struct check *c, uint64_t first, uint64_t counts, uint64_t at,
                       uint8_t *block, struct differ *few, struct differ *many,
                       struct vml_error *err)
{
    if (at != 0 && vml_input_pread(c->in, block, c->h.cluster, at, err) < 0)
        return -1;
    for (uint64_t k = 0; k < counts && first + k < c->clusters; k++) {
        uint64_t is = at != 0 ? count_at(&c->h, block, k) : 0, uses = c->uses[first + k];

        if (uses < UINT16_MAX && is < uses)
            differ_add(few, first + k);
        else if (uses < UINT16_MAX && is > uses)
            differ_add(many, first + k);
    }
    return 0;
}

/* The block that entry i of the refcount table names; *at is 0 where there is none, or it is no
 * place for one. */
static void block_place(struct check *c, uint64_t i, const uint8_t *p, uint64_t *at)
{
    *at = be64(p);
    if (*at == 0)
        return;
    if (*at % c->h.cluster != 0 || *at > c->h.file_size || c->h.file_size - *at < c->h.cluster) {
        findings_add(&c->to, VML_FAULT, "qcow2/refcount-block",
                     "refcount block %llu is said to be at offset %llu; it is a cluster of %u "
                     "bytes that ends before %llu",
                     (unsigned long long)i, (unsigned long long)*at, c->h.cluster,
                     (unsigned long long)c->h.file_size);
        *at = 0;
    }
}

static void tell_differences(struct check *c, const struct differ *few, const struct differ *many)
{
    if (few->n > 0)
        findings_add(&c->to, VML_FAULT, "qcow2/refcount",
                     "%llu clusters, the first at offset %llu, are used more often than they are "
                     "counted: whoever writes to the file may overwrite them",
                     (unsigned long long)few->n,
                     (unsigned long long)few->first << c->h.cluster_bits);
    if (many->n > 0)
        findings_add(&c->to, VML_WARNING, "qcow2/leak",
                     "%llu clusters, the first at offset %llu, are counted and not used",
                     (unsigned long long)many->n,
                     (unsigned long long)many->first << c->h.cluster_bits);
}

static int check_refcounts(struct check *c, struct vml_error *err)
{
    const struct qcow2_header *h = &c->h;
    uint64_t counts = ((uint64_t)h->cluster * 8) >> h->refcount_order,
             entries = h->refcount_size / 8;
    VML_AUTO(vml_freep) struct table *t = table_new(h->refcount_off, h->refcount_size, err);
    VML_AUTO(vml_freep) uint8_t *block = malloc(h->cluster);
    struct differ few = { 0 }, many = { 0 };
    const uint8_t *p;
    uint64_t at;

    if (t == NULL)
        return -1;
    if (block == NULL)
        return vml_fail_nomem(err);
    for (uint64_t i = 0; i < entries; i++) {
        if (table_get(c, t, i * 8, &p, err) < 0)
            return -1;
        block_place(c, i, p, &at);
        if (at != 0)
            use(c, "refcount block", i, at, h->cluster, false);
    }
    if (c->uses == NULL || h->dirty || h->snapshots > 0 || h->bitmaps)
        return 0;
    for (uint64_t i = 0; i * counts < c->clusters; i++) {
        at = 0;
        if (i < entries) {
            if (table_get(c, t, i * 8, &p, err) < 0)
                return -1;
            at = be64(p);
        }
        if (at % h->cluster != 0 || at > h->file_size || h->file_size - at < h->cluster)
            continue; /* that was told */
        if (check_block(c, i * counts, counts, at, block, &few, &many, err) < 0)
            return -1;
    }
    tell_differences(c, &few, &many);
    return 0;
}

/* --- all ------------------------------------------------------------------------------------ */

static int check_all(struct check *c, struct vml_error *err)
{
    struct vml_notes notes = { 0 };
    int rc = qcow2_parse(&c->h, c->in, &notes, err);

    findings_notes(&c->to, VML_NOTE, &notes);
    vml_notes_clear(&notes);
    if (rc < 0)
        return took(c, rc, err);
    c->clusters = vml_div_up(c->h.file_size, c->h.cluster);
    if (c->clusters <= CLUSTERS_MAX) {
        c->uses = calloc(c->clusters, sizeof *c->uses);
        if (c->uses == NULL)
            return vml_fail_nomem(err);
    } else {
        findings_add(&c->to, VML_NOTE, "qcow2/overlap",
                     "clusters of %u bytes are too many to be held against each other",
                     c->h.cluster);
    }
    use(c, "header", 0, 0, c->h.cluster, false);
    use(c, "L1 table", 0, c->h.l1_off, c->h.l1_entries * 8, false);
    use(c, "refcount table", 0, c->h.refcount_off, c->h.refcount_size, false);
    if (took(c, check_disk(c, err), err) < 0)
        return -1;
    return took(c, check_refcounts(c, err), err);
}

int qcow2_check(struct vml_input *in, vml_finding *tell, void *arg, struct vml_error *err)
{
    struct check c = { .to = { tell, arg }, .in = in };
    int rc = check_all(&c, err);

    free(c.uses);
    return rc;
}

int qcow2_facts(struct vml_input *in, struct vml_disk_facts *f, struct vml_error *err)
{
    struct vml_notes notes = { 0 };
    struct qcow2_header h;
    int rc = qcow2_parse(&h, in, &notes, err);

    vml_notes_clear(&notes);
    if (rc < 0)
        return -1;
    snprintf(f->subformat, sizeof f->subformat, "%s", h.version == 2 ? "v2" : "v3");
    f->size = h.size;
    f->child = h.backing[0] != '\0';
    f->format = "qcow2";
    return 0;
}
