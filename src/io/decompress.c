/* Inputs that are compressed as a whole: gzip, xz, zstd, bzip2.
 *
 * gzip goes through zlib, since libarchive 3.6 skips the checksum and the length behind each
 * member; the others through libarchive, with one filter and no archive format.  One layer only:
 * what comes out must not be compressed again.
 *
 * No ratio tells a bomb from a disk: 8 GiB of zeroes are a legitimate disk, and xz and zstd make
 * 1:7000 and 1:30000 of them. The guard is how much may come out: what the caller knows of the
 * disk's size, else the largest disk there is.  Nothing here grows with what comes out. */
#include "vmlift/io.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define BUFFER_SIZE (256u << 10)

struct unpack {
    struct vml_input *of;
    const char *kind;
    uint64_t taken, made, limit; /* bytes of `of`; bytes that came out; the most that may */
    uint8_t *buffer;
    bool ended;              /* `of` gave its last byte */
    struct vml_error failed; /* what reading it met; libarchive has no place for it */
    /* gzip: */
    z_stream z;
    bool inflating, between; /* z is there; the last member is complete */
    /* the others: */
    struct archive *archive;
    struct archive_entry *entry; /* libarchive's own may be NULL without memory, which it forgets */
    const uint8_t *block;        /* what libarchive gave and nobody took */
    size_t block_len;
};

/* --- reading what is compressed ------------------------------------------------------------- */

static int fill(struct unpack *u, size_t *got, struct vml_error *err)
{
    if (vml_interrupted())
        return vml_fail_interrupted(err);
    if (vml_input_read(u->of, u->buffer, BUFFER_SIZE, got, err) < 0)
        return -1;
    u->taken += *got;
    u->ended = *got == 0;
    return 0;
}

static int damaged(const struct unpack *u, const char *why, struct vml_error *err)
{
    return vml_fail(err, VML_EDATA, "input/damaged",
                    "%s-compressed data is damaged after %llu bytes of it gave %llu: %s", u->kind,
                    (unsigned long long)u->taken, (unsigned long long)u->made, why);
}

static int truncated(const struct unpack *u, struct vml_error *err)
{
    return vml_fail(err, VML_EDATA, "input/truncated",
                    "%s-compressed data ends in the middle, at %llu bytes, which gave %llu",
                    u->kind, (unsigned long long)u->taken, (unsigned long long)u->made);
}

/* --- gzip ----------------------------------------------------------------------------------- */

static int gzip_open(struct unpack *u, struct vml_error *err)
{
    if (inflateInit2(&u->z, 16 + MAX_WBITS) != Z_OK)
        return vml_fail_nomem(err);
    u->inflating = true;
    return 0;
}

/* One step; *got is 0 only at the end. Members stand one behind another, and nothing else may. */
static int gzip_some(struct unpack *u, void *buf, size_t len, size_t *got, struct vml_error *err)
{
    u->z.next_out = buf;
    u->z.avail_out = (unsigned)vml_min_u64(len, 1u << 30);
    *got = 0;
    while (*got == 0) {
        unsigned room = u->z.avail_out;
        size_t more = 0;
        int rc;

        if (u->z.avail_in == 0) {
            if (fill(u, &more, err) < 0)
                return -1;
            u->z.next_in = u->buffer;
            u->z.avail_in = (unsigned)more;
        }
        if (u->z.avail_in == 0)
            return u->between ? 0 : truncated(u, err);
        if (u->between && inflateReset(&u->z) != Z_OK)
            return vml_fail_nomem(err);
        u->between = false;
        rc = inflate(&u->z, Z_NO_FLUSH);
        if (rc == Z_MEM_ERROR)
            return vml_fail_nomem(err);
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
            return damaged(u, u->z.msg != NULL ? u->z.msg : "no reason given", err);
        u->between = rc == Z_STREAM_END;
        *got = room - u->z.avail_out;
    }
    return 0;
}

/* --- xz, zstd, bzip2 ------------------------------------------------------------------------ */

static la_ssize_t on_read(struct archive *a, void *arg, const void **buf)
{
    struct unpack *u = arg;
    size_t got = 0;

    (void)a;
    *buf = u->buffer;
    return fill(u, &got, &u->failed) < 0 ? -1 : (la_ssize_t)got;
}

static int archive_failed(const struct unpack *u, struct vml_error *err)
{
    const char *why = archive_error_string(u->archive);

    if (u->failed.code != VML_OK) {
        *err = u->failed;
        return -1;
    }
    if (archive_errno(u->archive) == ENOMEM)
        return vml_fail_nomem(err);
    return u->ended ? truncated(u, err) : damaged(u, why != NULL ? why : "no reason given", err);
}

static int nested(struct vml_error *err)
{
    return vml_fail(err, VML_EDATA, "input/nested",
                    "compressed data inside compressed data; vmlift undoes one layer");
}

static int archive_open(struct unpack *u, struct vml_error *err)
{
    int rc;

    u->archive = archive_read_new();
    u->entry = archive_entry_new();
    if (u->archive == NULL || u->entry == NULL)
        return vml_fail_nomem(err);
    if (strcmp(u->kind, "xz") == 0)
        rc = archive_read_support_filter_xz(u->archive);
    else if (strcmp(u->kind, "zstd") == 0)
        rc = archive_read_support_filter_zstd(u->archive);
    else
        rc = archive_read_support_filter_bzip2(u->archive);
    archive_read_set_read_callback(u->archive, on_read);
    if (rc < ARCHIVE_WARN || archive_read_support_format_raw(u->archive) != ARCHIVE_OK ||
        archive_read_support_format_empty(u->archive) != ARCHIVE_OK ||
        archive_read_set_callback_data(u->archive, u) != ARCHIVE_OK)
        return vml_fail_nomem(err); /* all that these can lack */
    if (archive_read_open1(u->archive) != ARCHIVE_OK) {
        /* It gives a reason for all else. */
        if (u->failed.code == VML_OK && archive_error_string(u->archive) == NULL)
            return vml_fail_nomem(err);
        return archive_failed(u, err);
    }
    if (archive_filter_count(u->archive) < 2) /* it counts the input as one; too short to tell */
        return truncated(u, err);
    if (archive_filter_count(u->archive) > 2)
        return nested(err);
    rc = archive_read_next_header2(u->archive, u->entry);
    return rc == ARCHIVE_OK || rc == ARCHIVE_EOF ? 0 : archive_failed(u, err);
}

/* A second stream with a damaged head is no stream to libarchive, which then stops before it. */
static int archive_ended(struct unpack *u, struct vml_error *err)
{
    size_t more = 0;

    if ((uint64_t)archive_filter_bytes(u->archive, -1) < u->taken)
        return damaged(u, "bytes follow its end", err);
    if (!u->ended && fill(u, &more, err) < 0)
        return -1;
    return more == 0 ? 0 : damaged(u, "bytes follow its end", err);
}

static int archive_some(struct unpack *u, void *buf, size_t len, size_t *got, struct vml_error *err)
{
    *got = 0;
    while (u->block_len == 0) {
        const void *block = NULL;
        la_int64_t off;
        int rc = archive_read_data_block(u->archive, &block, &u->block_len, &off);

        if (rc == ARCHIVE_EOF) {
            u->block_len = 0;
            return archive_ended(u, err);
        }
        if (rc != ARCHIVE_OK)
            return archive_failed(u, err);
        u->block = block;
    }
    *got = (size_t)vml_min_u64(len, u->block_len);
    memcpy(buf, u->block, *got);
    u->block += *got;
    u->block_len -= *got;
    return 0;
}

/* --- the input ------------------------------------------------------------------------------ */

static int unpack_pull(void *arg, void *buf, size_t len, size_t *got, struct vml_error *err)
{
    struct unpack *u = arg;

    if ((u->inflating ? gzip_some(u, buf, len, got, err) : archive_some(u, buf, len, got, err)) < 0)
        return -1;
    if (*got > u->limit - u->made)
        return vml_fail(err, VML_EDATA, "input/bomb",
                        "%llu bytes of %s-compressed data give more than %llu, the most that can "
                        "be meant",
                        (unsigned long long)u->taken, u->kind, (unsigned long long)u->limit);
    u->made += *got;
    return 0;
}

static void unpack_free(void *arg)
{
    struct unpack *u = arg;

    if (u == NULL)
        return;
    if (u->inflating)
        inflateEnd(&u->z);
    if (u->archive != NULL)
        archive_read_free(u->archive);
    archive_entry_free(u->entry);
    vml_input_free(u->of);
    free(u->buffer);
    free(u);
}

static void unpack_freep(struct unpack **u)
{
    unpack_free(*u);
    *u = NULL;
}

int vml_input_compression(struct vml_input *in, const char **kind, struct vml_error *err)
{
    static const struct {
        const char *kind, *magic;
        size_t len;
    } known[] = {
        { "gzip", "\x1f\x8b\x08", 3 },
        { "xz", "\xfd\x37\x7a\x58\x5a\x00", 6 },
        { "zstd", "\x28\xb5\x2f\xfd", 4 },
    };
    const void *p;
    size_t have;

    *kind = NULL;
    if (vml_input_peek(in, 10, &p, &have, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (have >= known[i].len && memcmp(p, known[i].magic, known[i].len) == 0)
            *kind = known[i].kind;
    /* "BZh9" alone could be text; a block or the end of the stream follows */
    if (have == 10 && memcmp(p, "BZh", 3) == 0 &&
        (memcmp((const uint8_t *)p + 4, "\x31\x41\x59\x26\x53\x59", 6) == 0 ||
         memcmp((const uint8_t *)p + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0))
        *kind = "bzip2";
    return 0;
}

int vml_input_decompress(struct vml_input **out, struct vml_input *of, uint64_t size,
                         uint64_t limit, struct vml_error *err)
{
    VML_AUTO(unpack_freep) struct unpack *u = calloc(1, sizeof *u);
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    struct unpack *arg = u;
    const char *again;
    int rc;

    if (u == NULL || (u->buffer = malloc(BUFFER_SIZE)) == NULL)
        return vml_fail_nomem(err);
    u->limit = limit;
    if (vml_input_compression(of, &u->kind, err) < 0)
        return -1;
    if (u->kind == NULL)
        return vml_fail(err, VML_EDATA, "input/damaged",
                        "it is to be compressed, and does not begin as gzip, xz, zstd or bzip2 do");
    u->of = of;
    rc = strcmp(u->kind, "gzip") == 0 ? gzip_open(u, err) : archive_open(u, err);
    if (rc == 0)
        rc = vml_input_callback(&in, vml_input_name(of), size, unpack_pull, u, err);
    if (rc == 0) {
        vml_input_on_free(in, unpack_free);
        vml_input_reads_from(in, of);
        u = NULL;
        rc = vml_input_compression(in, &again, err);
        if (rc == 0 && again != NULL)
            rc = nested(err);
    }
    if (rc < 0) {
        arg->of = NULL; /* the caller keeps it */
        return -1;
    }
    *out = in;
    in = NULL;
    return 0;
}
