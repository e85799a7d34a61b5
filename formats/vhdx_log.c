/* VHDX: the log, replayed in memory, so that the file stays as it is.
 *
 *   entry (whole pages of 4 KiB, around the log's end if need be):
 *     "loge" | 4 CRC-32C of the entry | 8 its length (4) | 12 tail (4) | 16 sequence (8) |
 *     24 descriptors (4) | 32 the log's GUID | 48 flushed file offset (8) | 56 last file offset (8)
 *     64 descriptors of 32 bytes, of one of two kinds:
 *       "desc" | 4 last bytes of the page | 8 first bytes | 16 where in the file | 24 sequence
 *       "zero" | 8 how many bytes         |               | 16 where in the file | 24 sequence
 *     for each "desc", in order, a page
 *       "data" | 4 sequence, high | 8 the page but for its first 8 and last 4 bytes | 4092 low
 *
 * A sequence is of entries that follow each other, each numbered one higher.  Its last entry, the
 * head, says by its tail where the first one is that is still to be written.  Of the sequences that
 * are whole the one whose head has the highest number counts; others are older, or were not
 * finished when the writer stopped, and then nobody was told that they are on the disk. */
#include <stdlib.h>

#include "vhdx.h"
#include "vmlift/codec.h"

#define ENTRY_HEAD  64u
#define DESCRIPTOR  32u
#define PATCHES_MAX 65536u /* they are looked through at each read; Hyper-V's log has 256 pages */

struct entry {
    uint64_t seq;   /* 0: no entry begins at this page */
    uint32_t pages; /* how many it takes */
    uint32_t tail;  /* page */
    uint32_t run;   /* which sequence it belongs to, from 1; 0: not known yet */
};

struct log {
    struct vhdx_file *f;
    uint32_t pages;
    uint64_t budget; /* pages that may still be read: those who lie of lengths are soon done with */
    struct entry *entries; /* by page */
};

static uint64_t page_at(const struct log *l, uint64_t page)
{
    return l->f->header.log_off + page % l->pages * VHDX_PAGE;
}

static int read_page(const struct log *l, uint64_t page, uint8_t p[VHDX_PAGE],
                     struct vml_error *err)
{
    return vml_input_pread(l->f->in, p, VHDX_PAGE, page_at(l, page), err);
}

/* --- which entries are whole ---------------------------------------------------------------- */

static uint32_t descriptor_pages(uint32_t n)
{
    return (uint32_t)((ENTRY_HEAD + (uint64_t)n * DESCRIPTOR + VHDX_PAGE - 1) / VHDX_PAGE);
}

/* What its first page says of an entry; false: it is none of this log. */
static bool parse_entry(const struct log *l, struct entry *e, const uint8_t *p)
{
    uint32_t len = le32(p + 8), tail = le32(p + 12);

    if (memcmp(p, "loge", 4) != 0 || memcmp(p + 32, l->f->header.log_guid, 16) != 0)
        return false;
    *e = (struct entry){ .seq = le64(p + 16), .pages = len / VHDX_PAGE, .tail = tail / VHDX_PAGE };
    return e->seq != 0 && len % VHDX_PAGE == 0 && tail % VHDX_PAGE == 0 && e->tail < l->pages &&
           e->pages > 0 && e->pages <= l->pages && descriptor_pages(le32(p + 24)) <= e->pages;
}

/* The descriptors on page p of an entry, from byte `at` on, of which *left are still to come; *data
 * counts those that have a page. */
static bool whole_descriptors(const uint8_t *p, size_t at, uint32_t *left, uint64_t seq,
                              uint32_t *data)
{
    for (; *left > 0 && at < VHDX_PAGE; at += DESCRIPTOR, (*left)--) {
        bool is_data = memcmp(p + at, "desc", 4) == 0;

        if ((!is_data && memcmp(p + at, "zero", 4) != 0) || le64(p + at + 24) != seq)
            return false;
        *data += is_data;
    }
    return true;
}

static bool whole_data(const uint8_t *p, uint64_t seq)
{
    return memcmp(p, "data", 4) == 0 && le32(p + 4) == (uint32_t)(seq >> 32) &&
           le32(p + VHDX_PAGE - 4) == (uint32_t)seq;
}

/* The entry that begins at a page into l->entries, if there is one and it is whole. */
static int read_entry(struct log *l, uint32_t page, struct vml_error *err)
{
    uint32_t sum = 0, said = 0, left = 0, data = 0, of_descriptors = 1;
    uint8_t p[VHDX_PAGE];
    struct entry e = { .pages = 1 };

    for (uint32_t i = 0; i < e.pages; i++) {
        bool whole;

        if (l->budget-- == 0)
            return vml_fail(err, VML_EDATA, "vhdx/log",
                            "the log's entries overlap each other, so that no sequence is found");
        if (read_page(l, (uint64_t)page + i, p, err) < 0)
            return -1;
        if (i == 0) {
            if (!parse_entry(l, &e, p))
                return 0;
            said = le32(p + 4);
            left = le32(p + 24);
            of_descriptors = descriptor_pages(left);
            put_le32(p + 4, 0);
        }
        whole = i < of_descriptors
                    ? whole_descriptors(p, i == 0 ? ENTRY_HEAD : 0, &left, e.seq, &data)
                    : whole_data(p, e.seq);
        if (!whole)
            return 0;
        sum = vml_crc32c(sum, p, VHDX_PAGE);
    }
    if (sum == said && data == e.pages - of_descriptors)
        l->entries[page] = e;
    return 0;
}

static int read_entries(struct log *l, struct vml_error *err)
{
    for (uint32_t i = 0; i < l->pages; i++) {
        if (i % 1024 == 0 && vml_interrupted())
            return vml_fail_interrupted(err);
        if (read_entry(l, i, err) < 0)
            return -1;
    }
    return 0;
}

/* --- which sequence counts ------------------------------------------------------------------ */

static uint32_t next_page(const struct log *l, uint32_t page)
{
    return (uint32_t)(((uint64_t)page + l->entries[page].pages) % l->pages);
}

/* Marks the entries of the sequence that begins at `page`, and returns its last one. */
static uint32_t number_run(struct log *l, uint32_t page, uint32_t run)
{
    for (;;) {
        uint32_t next = next_page(l, page);

        l->entries[page].run = run;
        if (l->entries[next].seq != l->entries[page].seq + 1 || l->entries[next].run != 0)
            return page;
        page = next;
    }
}

/* Does an entry stand right in front of this one? */
static void mark_followers(const struct log *l, bool *follows)
{
    for (uint32_t i = 0; i < l->pages; i++)
        if (l->entries[i].seq != 0 && l->entries[next_page(l, i)].seq == l->entries[i].seq + 1)
            follows[next_page(l, i)] = true;
}

/* The head of the sequence that counts; UINT32_MAX: there is none. */
static uint32_t find_head(struct log *l, const bool *follows)
{
    uint32_t best = UINT32_MAX, run = 0;

    for (uint32_t i = 0; i < l->pages; i++) {
        uint32_t head, tail;

        if (l->entries[i].seq == 0 || follows[i])
            continue;
        head = number_run(l, i, ++run);
        tail = l->entries[head].tail;
        if (l->entries[tail].run == run &&
            (best == UINT32_MAX || l->entries[head].seq > l->entries[best].seq))
            best = head;
    }
    return best;
}

/* --- what they write ------------------------------------------------------------------------ */

static int add_patch(struct vhdx_file *f, const struct vhdx_patch *patch, struct vml_error *err)
{
    if (f->n_patches == PATCHES_MAX)
        return vml_fail(err, VML_EUNSUPPORTED, "vhdx/log",
                        "the log changes more than %u places of the file", PATCHES_MAX);
    if (f->n_patches == f->cap_patches) {
        size_t cap = f->cap_patches > 0 ? f->cap_patches * 2 : 64;
        struct vhdx_patch *more = realloc(f->patches, cap * sizeof *more);

        if (more == NULL)
            return vml_fail_nomem(err);
        f->patches = more;
        f->cap_patches = cap;
    }
    f->patches[f->n_patches++] = *patch;
    return 0;
}

/* The headers and the log itself are no part of what the log may write. */
static int check_patch(const struct vhdx_file *f, const struct vhdx_patch *x, struct vml_error *err)
{
    const struct vhdx_header *h = &f->header;

    if (x->off % VHDX_PAGE == 0 && x->len % VHDX_PAGE == 0 && x->off >= VHDX_TABLES &&
        x->off <= f->end && x->len <= f->end - x->off &&
        (x->off + x->len <= h->log_off || x->off >= h->log_off + h->log_len))
        return 0;
    return vml_fail(err, VML_EDATA, "vhdx/log",
                    "the log writes %llu bytes at offset %llu; these are whole pages of %u, behind "
                    "the headers, outside the log, and in front of the file's end at %llu",
                    (unsigned long long)x->len, (unsigned long long)x->off, VHDX_PAGE,
                    (unsigned long long)f->end);
}

static int replay_entry(const struct log *l, uint32_t page, struct vml_error *err)
{
    uint8_t p[VHDX_PAGE];
    uint64_t data, on = page;
    uint32_t n;

    if (read_page(l, page, p, err) < 0)
        return -1;
    n = le32(p + 24);
    data = page + (uint64_t)descriptor_pages(n);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = ENTRY_HEAD + (uint64_t)i * DESCRIPTOR;
        const uint8_t *d = p + at % VHDX_PAGE;
        struct vhdx_patch x = { 0 };

        if (page + at / VHDX_PAGE != on) {
            on = page + at / VHDX_PAGE;
            if (read_page(l, on, p, err) < 0)
                return -1;
        }
        x.off = le64(d + 16);
        x.len = le64(d + 8);
        if (memcmp(d, "desc", 4) == 0) {
            memcpy(x.trail, d + 4, sizeof x.trail);
            memcpy(x.lead, d + 8, sizeof x.lead);
            x.len = VHDX_PAGE;
            x.data = page_at(l, data++);
        }
        if (check_patch(l->f, &x, err) < 0 || add_patch(l->f, &x, err) < 0)
            return -1;
    }
    return 0;
}

static int replay_sequence(struct log *l, uint32_t head, struct vml_notes *notes,
                           struct vml_error *err)
{
    struct vhdx_file *f = l->f;
    uint32_t i = l->entries[head].tail;
    uint64_t first = l->entries[i].seq, last = l->entries[head].seq, flushed;
    uint8_t p[VHDX_PAGE];

    if (read_page(l, head, p, err) < 0)
        return -1;
    flushed = le64(p + 48);
    if (flushed > f->size)
        return vml_fail(err, VML_EDATA, "vhdx/log",
                        "the log was written when the file had %llu bytes; it has %llu: it is cut "
                        "short",
                        (unsigned long long)flushed, (unsigned long long)f->size);
    f->end = vml_max_u64(f->end, le64(p + 56));
    for (;; i = next_page(l, i)) {
        if (replay_entry(l, i, err) < 0)
            return -1;
        if (i == head)
            break;
    }
    vml_note(notes, "vhdx/log-replayed",
             "whoever wrote this did not come to the end; what its log holds (%llu entries up to "
             "number %llu, %zu places) is read as if it were in its place",
             (unsigned long long)(last - first + 1), (unsigned long long)last, f->n_patches);
    for (uint32_t k = 0; k < l->pages; k++)
        if (l->entries[k].seq > last) {
            vml_note(notes, "vhdx/log-gap",
                     "the log's entry number %llu stands behind a gap, and is left out, as the "
                     "specification has it",
                     (unsigned long long)l->entries[k].seq);
            break;
        }
    return 0;
}

static int replay(struct log *l, bool *follows, struct vml_notes *notes, struct vml_error *err)
{
    uint32_t head;

    if (read_entries(l, err) < 0)
        return -1;
    mark_followers(l, follows);
    head = find_head(l, follows);
    if (head == UINT32_MAX)
        return vml_fail(err, VML_EDATA, "vhdx/log",
                        "the header says that the log (%u bytes at offset %llu) is to be replayed, "
                        "and no whole sequence of entries is in it",
                        (unsigned)l->f->header.log_len, (unsigned long long)l->f->header.log_off);
    return replay_sequence(l, head, notes, err);
}

int vhdx_log_replay(struct vhdx_file *f, struct vml_notes *notes, struct vml_error *err)
{
    static const uint8_t none[16];
    struct log l = { .f = f, .pages = f->header.log_len / VHDX_PAGE };
    bool *follows;
    int rc;

    if (memcmp(f->header.log_guid, none, sizeof none) == 0)
        return 0;
    if (l.pages == 0)
        return vml_fail(err, VML_EDATA, "vhdx/log", "the header names a log that has no room");
    l.budget = UINT64_C(4) * l.pages;
    l.entries = calloc(l.pages, sizeof *l.entries);
    follows = calloc(l.pages, sizeof *follows);
    if (l.entries == NULL || follows == NULL)
        rc = vml_fail_nomem(err);
    else
        rc = replay(&l, follows, notes, err);
    free(l.entries);
    free(follows);
    return rc;
}

/* --- reading through it --------------------------------------------------------------------- */

static int apply(const struct vhdx_file *f, const struct vhdx_patch *x, uint8_t *buf, size_t len,
                 uint64_t off, struct vml_error *err)
{
    uint64_t from = vml_max_u64(off, x->off), to = vml_min_u64(off + len, x->off + x->len);
    uint8_t page[VHDX_PAGE];

    if (from >= to)
        return 0;
    if (x->data == 0) {
        memset(buf + (from - off), 0, to - from);
        return 0;
    }
    if (vml_input_pread(f->in, page, VHDX_PAGE, x->data, err) < 0)
        return -1;
    memcpy(page, x->lead, sizeof x->lead);
    memcpy(page + VHDX_PAGE - sizeof x->trail, x->trail, sizeof x->trail);
    memcpy(buf + (from - off), page + (from - x->off), to - from);
    return 0;
}

int vhdx_pread(const struct vhdx_file *f, void *buf, size_t len, uint64_t off,
               struct vml_error *err)
{
    uint64_t there = off < f->size ? vml_min_u64(len, f->size - off) : 0;

    if (off + len > f->end) /* let it say so */
        there = len;
    if (there > 0 && vml_input_pread(f->in, buf, there, off, err) < 0)
        return -1;
    memset((uint8_t *)buf + there, 0, len - there); /* the log makes the file longer */
    for (size_t i = 0; i < f->n_patches; i++)
        if (apply(f, &f->patches[i], buf, len, off, err) < 0)
            return -1;
    return 0;
}
