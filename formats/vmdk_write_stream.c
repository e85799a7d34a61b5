/* Writing streamOptimized in the layout of VMware's disklib, which the strictest readers insist on.
 *
 *     | header, gdOffset all ones | descriptor | zeroes up to sector 128 |
 *     { marker, zlib stream, pad }  of each grain that is not all zero, ascending
 *     | marker, grain table |       after each 512 grains of the disk of which any was written
 *     | marker, grain directory | marker, footer | end of stream |   and nothing after it
 *
 * Only ever appended to, so it may go to a pipe.  Version 3, since ESXi finds 1 too old; every
 * grain holds 64 KiB, also the last, since AWS and 7-Zip refuse shorter ones; nothing follows the
 * end of the stream, since ovftool's digest ends there.
 *
 * A grain that the source stores as a zlib stream of its own is put as it is stored, unless a level
 * of deflate was asked for. */
#include "vmdk.h"

#include <stdlib.h>

#include "vmlift/codec.h"
#include "vmlift/endian.h"

enum {
    OVERHEAD_SECTORS = 128,
    NO_TABLE = -1,
    LEVEL_MIXED = 0, /* see grain_level */
    LEVEL_BETTER = 2,
    BETTER_EVERY = 3,
};

struct stream {
    struct vml_writer w; /* first: this is what core holds */
    struct vml_output *o;
    struct vmdk_header h;
    int level;
    uint64_t sector;    /* where the next byte goes */
    uint8_t *directory; /* on-disk form, whole sectors */
    int64_t table;      /* the number of the one that is being filled, or NO_TABLE */
    uint8_t entries[VMDK_GT_BYTES];
};

/* --- encode: grains into markers and zlib streams, any thread ------------------------------- */

/* The marker and the padding of the grain whose stream of n bytes is where it belongs. */
static void end_grain(struct vml_chunk *c, uint64_t off, size_t n)
{
    uint8_t *p = c->enc + c->enc_len;
    size_t whole = (size_t)vml_round_up(VMDK_MARKER + n, VMDK_SECTOR);

    put_le64(p, off / VMDK_SECTOR);
    put_le32(p + 8, (uint32_t)n);
    memset(p + VMDK_MARKER + n, 0, whole - VMDK_MARKER - n);
    c->enc_len += whole;
}

/* The fast level alone makes of a system's disk 10 % more than level 6, which others write; with
 * one grain in three at level 2 it is 8 %, for half more time.  Not where the grain in front did
 * not shrink to half (0 bytes: there was none), since there is little to be had.  It depends on the
 * chunk alone, so not on the number of threads. */
static int grain_level(const struct stream *s, uint64_t off, size_t before)
{
    if (s->level != LEVEL_MIXED)
        return s->level;
    return off / VMDK_GRAIN % BETTER_EVERY == BETTER_EVERY - 1 && before > 0 &&
                   before < VMDK_GRAIN / 2
               ? LEVEL_BETTER
               : VML_DEFLATE_FAST;
}

static int encode_grain(struct vml_chunk *c, uint64_t off, const uint8_t *grain, int level,
                        struct vml_error *err)
{
    size_t n = 0;

    if (vml_deflate(level, grain, VMDK_GRAIN, c->enc + c->enc_len + VMDK_MARKER,
                    vml_deflate_bound(VMDK_GRAIN), &n, err) < 0)
        return -1;
    end_grain(c, off, n);
    return 0;
}

/* The stream that the source has of this grain, if it is none that deflate would do better than
 * whatever the level: there is room for no larger one. */
static bool pass_grain(struct vml_chunk *c, uint64_t off, size_t *next)
{
    const struct vml_stored *stored;

    while (*next < c->n_stored && c->stored[*next].off < off)
        ++*next;
    if (*next == c->n_stored || c->stored[*next].off != off)
        return false;
    stored = &c->stored[*next];
    if (stored->len > vml_deflate_bound(VMDK_GRAIN))
        return false;
    memcpy(c->enc + c->enc_len + VMDK_MARKER, stored->bytes, stored->len);
    end_grain(c, off, stored->len);
    return true;
}

/* The disk's end inside a grain: zeroes up to its own end. */
static int encode_tail(struct vml_chunk *c, uint64_t off, const uint8_t *data, size_t len,
                       int level, struct vml_error *err)
{
    VML_AUTO(vml_freep) uint8_t *grain = calloc(1, VMDK_GRAIN);

    if (grain == NULL)
        return vml_fail_nomem(err);
    memcpy(grain, data, len);
    return encode_grain(c, off, grain, level, err);
}

static int stream_encode(struct vml_writer *w, struct vml_chunk *c, struct vml_error *err)
{
    const struct stream *s = (struct stream *)w;
    size_t room = VMDK_MARKER + vml_deflate_bound(VMDK_GRAIN) + VMDK_SECTOR, next = 0, before = 0;

    if (vml_chunk_reserve(c, (size_t)vml_div_up(c->len, VMDK_GRAIN) * room, err) < 0)
        return -1;
    c->enc_len = 0;
    for (uint64_t at = 0; at < c->len; at += VMDK_GRAIN) {
        size_t len = (size_t)vml_min_u64(VMDK_GRAIN, c->len - at);
        const uint8_t *grain = c->data + at;
        size_t start = c->enc_len;
        int level = grain_level(s, c->off + at, before);

        if (vml_is_zero(grain, len) || pass_grain(c, c->off + at, &next))
            continue;
        if ((len == VMDK_GRAIN ? encode_grain(c, c->off + at, grain, level, err)
                               : encode_tail(c, c->off + at, grain, len, level, err)) < 0)
            return -1;
        before = c->enc_len - start;
    }
    return 0;
}

/* --- put: append and note where ------------------------------------------------------------- */

static int append(struct stream *s, const void *p, size_t len, struct vml_error *err)
{
    if (vmdk_header_reach(s->sector + len / VMDK_SECTOR, err) < 0 ||
        vml_output_write(s->o, p, len, err) < 0)
        return -1;
    s->sector += len / VMDK_SECTOR;
    return 0;
}

static int append_marker(struct stream *s, unsigned type, uint64_t sectors, struct vml_error *err)
{
    uint8_t p[VMDK_SECTOR] = { 0 };

    put_le64(p, sectors);
    put_le32(p + 12, type);
    return append(s, p, sizeof p, err);
}

static int append_table(struct stream *s, struct vml_error *err)
{
    if (s->table == NO_TABLE)
        return 0;
    if (append_marker(s, VMDK_GT, VMDK_GT_BYTES / VMDK_SECTOR, err) < 0)
        return -1;
    put_le32(s->directory + s->table * 4, (uint32_t)s->sector);
    if (append(s, s->entries, sizeof s->entries, err) < 0)
        return -1;
    memset(s->entries, 0, sizeof s->entries);
    s->table = NO_TABLE;
    return 0;
}

static int stream_put(struct vml_writer *w, const struct vml_chunk *c, struct vml_error *err)
{
    struct stream *s = (struct stream *)w;
    const uint8_t *p = c->enc, *end = p + c->enc_len, *from = p;

    if (c->kind != VML_DATA)
        return 0;
    while (p < end) {
        struct vmdk_marker m = vmdk_marker_parse(p);
        uint64_t grain = m.value / (VMDK_GRAIN / VMDK_SECTOR);
        int64_t table = (int64_t)(grain / VMDK_GTES);

        if (table != s->table) {
            if (append(s, from, (size_t)(p - from), err) < 0 || append_table(s, err) < 0)
                return -1;
            from = p;
            s->table = table;
        }
        put_le32(s->entries + grain % VMDK_GTES * 4,
                 (uint32_t)(s->sector + (uint64_t)(p - from) / VMDK_SECTOR));
        p += vml_round_up(VMDK_MARKER + (uint64_t)m.size, VMDK_SECTOR);
    }
    return append(s, from, (size_t)(p - from), err);
}

static int stream_finish(struct vml_writer *w, uint64_t size, struct vml_error *err)
{
    struct stream *s = (struct stream *)w;
    uint64_t sectors = vmdk_gd_sectors(&s->h);
    uint8_t footer[VMDK_SECTOR];

    (void)size; /* known all along */
    if (append_table(s, err) < 0 || append_marker(s, VMDK_GD, sectors, err) < 0)
        return -1;
    s->h.gd_sector = s->sector;
    vmdk_header_print(footer, &s->h);
    if (append(s, s->directory, sectors * VMDK_SECTOR, err) < 0 ||
        append_marker(s, VMDK_FOOTER, 1, err) < 0 || append(s, footer, sizeof footer, err) < 0 ||
        append_marker(s, VMDK_EOS, 0, err) < 0)
        return -1;
    return vml_output_commit(s->o, err);
}

/* --- opening -------------------------------------------------------------------------------- */

static void stream_free(struct vml_writer *w)
{
    struct stream *s = (struct stream *)w;

    vml_output_free(s->o);
    free(s->directory);
    free(s);
}

static const struct vml_writer_ops stream_ops = {
    .encode = stream_encode,
    .put = stream_put,
    .finish = stream_finish,
    .free = stream_free,
};

static int parse_level(struct stream *s, const struct vml_create *c, struct vml_error *err)
{
    char buf[64];
    const char *level = vml_create_option(c, "level", NULL, buf);

    s->level = LEVEL_MIXED;
    if (level == NULL)
        return 0;
    if (level[0] < '1' || level[0] > '9' || level[1] != '\0')
        return vml_fail(err, VML_EUSAGE, "image/option", "option 'level': %s is not from 1 to 9",
                        level);
    s->level = level[0] - '0';
    s->w.codec = VML_CODEC_NONE; /* all grains get this level */
    return 0;
}

static int append_front(struct stream *s, const struct vml_create *c, struct vml_error *err)
{
    VML_AUTO(vml_freep) uint8_t *p = calloc(OVERHEAD_SECTORS, VMDK_SECTOR);

    if (p == NULL)
        return vml_fail_nomem(err);
    vmdk_header_print(p, &s->h);
    /* The name is disklib's for every stream, whatever its file is called. */
    if (vmdk_desc_print((char *)p + VMDK_SECTOR, c, "generated-stream.vmdk", err) < 0)
        return -1;
    return append(s, p, (size_t)OVERHEAD_SECTORS * VMDK_SECTOR, err);
}

int vmdk_stream_create(struct vml_writer **out, struct vml_output *o, const struct vml_create *c,
                       struct vml_error *err)
{
    struct stream *s = calloc(1, sizeof *s);
    int rc;

    if (s == NULL)
        return vml_fail_nomem(err);
    s->w = (struct vml_writer){ .ops = &stream_ops,
                                .format = "vmdk",
                                .subformat = "streamOptimized",
                                .size = c->size,
                                .unit = VMDK_GRAIN,
                                .codec = VML_CODEC_ZLIB,
                                .ordered = true };
    s->o = o;
    s->table = NO_TABLE;
    vmdk_header_plan(&s->h, c->size);
    s->h.version = 3;
    s->h.flags = VMDK_NEWLINE | VMDK_COMPRESSED | VMDK_MARKERS;
    s->h.gd_sector = VMDK_GD_AT_END;
    s->h.overhead_sectors = OVERHEAD_SECTORS;
    s->directory = calloc(vmdk_gd_sectors(&s->h), VMDK_SECTOR);
    rc = s->directory == NULL ? vml_fail_nomem(err) : parse_level(s, c, err);
    if (rc == 0)
        rc = append_front(s, c, err);
    if (rc < 0) {
        s->o = NULL; /* stays the caller's */
        stream_free(&s->w);
        return -1;
    }
    *out = &s->w;
    return 0;
}
