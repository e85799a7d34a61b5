/* An initramfs is one cpio archive behind another, of which only the last is compressed:
 *
 *     | cpio: microcode | zeroes | cpio .. | zeroes | gzip, zstd, xz .. of: cpio: the files |
 *
 * (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).  A member of a cpio "newc"
 * is a header of 110 characters, the name, and the content, the latter two filled up to 4 bytes. */
#include "guest/initramfs.h"

#include <archive.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE     (2u << 20)          /* the most that libguestfs reads at once is not much more */
#define TOTAL_MAX (UINT64_C(4) << 30) /* of what is unpacked */

enum { HEADER = 110, NAME_MAX_LEN = 4096 };

/* --- cpio, as its bytes come ---------------------------------------------------------------- */

struct cpio {
    vml_initramfs_fn *tell;
    void *arg;
    char head[HEADER + NAME_MAX_LEN + 4];
    size_t have, need; /* of the header, and with it of the name */
    uint64_t skip;     /* content that is still to come */
    uint64_t total;
    bool done; /* the member that ends it was seen */
    bool bad;
};

static void cpio_start(struct cpio *c)
{
    c->have = 0;
    c->need = HEADER;
    c->skip = 0;
    c->done = false;
}

/* Field n of a header: 8 hexadecimal digits each, behind a magic of 6. */
static uint32_t field(const char *head, unsigned n)
{
    char text[9];

    memcpy(text, head + 6 + (size_t)n * 8, 8);
    text[8] = '\0';
    return (uint32_t)strtoul(text, NULL, 16);
}

static void cpio_header(struct cpio *c)
{
    uint32_t name = field(c->head, 11);

    if ((memcmp(c->head, "070701", 6) != 0 && memcmp(c->head, "070702", 6) != 0) || name == 0 ||
        name > NAME_MAX_LEN)
        c->bad = true;
    else
        c->need = (size_t)vml_round_up(HEADER + name, 4);
}

static void cpio_name(struct cpio *c)
{
    uint32_t len = field(c->head, 11);
    char *name = c->head + HEADER;

    name[len - 1] = '\0';
    c->skip = vml_round_up(field(c->head, 6), 4);
    c->have = 0;
    c->need = HEADER;
    if (strcmp(name, "TRAILER!!!") == 0)
        c->done = true;
    else
        c->tell(c->arg, name);
}

/* How many of the bytes it took: all but where it ended. */
static size_t cpio_feed(struct cpio *c, const char *bytes, size_t n)
{
    size_t at = 0;

    while (at < n && !c->done && !c->bad) {
        size_t left = n - at;

        if (c->skip > 0) {
            size_t over = (size_t)vml_min_u64(c->skip, left);
            c->skip -= over;
            at += over;
            continue;
        }
        size_t take = (size_t)vml_min_u64(c->need - c->have, left);
        memcpy(c->head + c->have, bytes + at, take);
        c->have += take;
        at += take;
        if (c->have < c->need)
            break;
        if (c->need == HEADER)
            cpio_header(c);
        else
            cpio_name(c);
    }
    c->total += at;
    c->bad = c->bad || c->total > TOTAL_MAX || vml_interrupted();
    return at;
}

/* --- the file ------------------------------------------------------------------------------- */

struct source {
    const struct vml_tree *tree;
    const char *path;
    uint64_t at;
    char *piece;
    size_t have; /* bytes of the piece; the file goes on at at + have */
};

static bool source_read(struct source *s)
{
    free(s->piece);
    s->have = 0;
    s->piece = s->tree->pread(s->tree->arg, s->path, s->at, PIECE, &s->have);
    return s->piece != NULL && s->have > 0;
}

static la_ssize_t give(struct archive *a, void *arg, const void **buf)
{
    struct source *s = arg;

    (void)a;
    if (!source_read(s))
        return 0;
    s->at += s->have;
    *buf = s->piece;
    return (la_ssize_t)s->have;
}

static void archive_freep(struct archive **a)
{
    archive_read_free(*a);
}

/* From s->at on: one compressed stream.  No filter is allowed that calls a program. */
static bool unpack(struct source *s, struct cpio *c)
{
    VML_AUTO(archive_freep) struct archive *a = archive_read_new();
    struct archive_entry *entry;
    const void *buf;
    size_t n;
    la_int64_t off;

    if (a == NULL || archive_read_support_filter_gzip(a) < ARCHIVE_WARN ||
        archive_read_support_filter_bzip2(a) < ARCHIVE_WARN ||
        archive_read_support_filter_xz(a) < ARCHIVE_WARN ||
        archive_read_support_filter_lzma(a) < ARCHIVE_WARN ||
        archive_read_support_filter_lz4(a) < ARCHIVE_WARN ||
        archive_read_support_filter_zstd(a) < ARCHIVE_WARN ||
        archive_read_support_format_raw(a) != ARCHIVE_OK ||
        archive_read_open(a, s, NULL, give, NULL) != ARCHIVE_OK ||
        archive_read_next_header(a, &entry) != ARCHIVE_OK)
        return false;
    cpio_start(c);
    while (!c->done && !c->bad && archive_read_data_block(a, &buf, &n, &off) == ARCHIVE_OK)
        (void)cpio_feed(c, buf, n);
    return c->done;
}

/* An archive as it is: s->at moves behind it. */
static bool walk(struct source *s, struct cpio *c)
{
    cpio_start(c);
    for (;;) {
        s->at += cpio_feed(c, s->piece, s->have);
        if (c->done || c->bad)
            return c->done;
        if (!source_read(s))
            return false;
    }
}

/* Moves on to what is not zero; false: there is nothing more. */
static bool next_archive(struct source *s)
{
    while (source_read(s)) {
        for (size_t i = 0; i < s->have; i++)
            if (s->piece[i] != '\0') {
                s->at += i;
                return true;
            }
        s->at += s->have;
    }
    return false;
}

static bool list(struct source *s, struct cpio *c)
{
    bool any = false;

    while (next_archive(s) && source_read(s)) {
        if (s->have < 6 || memcmp(s->piece, "07070", 5) != 0)
            return unpack(s, c);
        if (!walk(s, c))
            return false;
        any = true;
    }
    return any;
}

bool vml_initramfs_list(const struct vml_tree *t, const char *path, vml_initramfs_fn *tell,
                        void *arg)
{
    struct source s = { .tree = t, .path = path };
    struct cpio *c = calloc(1, sizeof *c);
    bool whole = false;

    if (c != NULL) {
        c->tell = tell;
        c->arg = arg;
        whole = list(&s, c);
    }
    free(s.piece);
    free(c);
    return whole;
}
