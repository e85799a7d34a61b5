/* A small disk as a VMDK of our own writer, and what is read of it, for the tests of both. */
#ifndef VMDK_DISK_H
#define VMDK_DISK_H

#include "check.h"

#include <unistd.h>

#include "vmlift/copy.h"
#include "vmlift/endian.h"

enum { SECTOR = 512, GRAIN = 65536, DISK = 40 << 20, TABLE = 2048, OVERHEAD = 128 * SECTOR };

static const struct vml_format *const table[] = { &vml_format_vmdk, NULL };
static char path[] = "/tmp/test_vmdk.XXXXXX";

struct bytes {
    uint8_t *p;
    size_t len;
};

#define N(list) (sizeof(list) / sizeof(list)[0])

/* --- a disk --------------------------------------------------------------------------------- */

/* Grains 0 and 1 touch, 5 stands alone, 513 lies in the second table; half of each is zero. */
static const uint64_t data_grains[] = { 0, 1, 5, 513 };
static uint8_t pattern[4][GRAIN];

static inline const uint8_t *grain_data(uint64_t grain) /* NULL: zeroes */
{
    for (unsigned i = 0; i < 4; i++)
        if (data_grains[i] == grain)
            return pattern[i];
    return NULL;
}

/* Not of a few letters only: there Adler-32, which is all that guards a grain, often misses a match
 * that was moved (+1 -2 +1 in three bytes adds up to nothing). */
static inline void make_pattern(void)
{
    uint64_t x = 1;

    for (unsigned i = 0; i < 4; i++)
        for (unsigned k = 0; k < GRAIN / 2; k++) {
            x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
            pattern[i][k] = (uint8_t)(i == 1 ? x >> 56 : ' ' + (x >> 58));
        }
}

static inline void fill(uint8_t *buf, uint64_t off, size_t len)
{
    for (size_t n; len > 0; buf += n, off += n, len -= n) {
        const uint8_t *data = grain_data(off / GRAIN);

        n = vml_min_u64(len, GRAIN - off % GRAIN);
        if (data != NULL)
            memcpy(buf, data + off % GRAIN, n);
        else
            memset(buf, 0, n);
    }
}

static inline struct bytes read_file(void)
{
    struct bytes b = { malloc(8 << 20), 0 };
    FILE *f = fopen(path, "rb");

    CHECK(b.p != NULL && f != NULL);
    b.len = fread(b.p, 1, 8 << 20, f);
    fclose(f);
    return b;
}

static inline void write_file(struct bytes b)
{
    FILE *f = fopen(path, "wb");

    CHECK(f != NULL);
    CHECK_INT(fwrite(b.p, 1, b.len, f), b.len);
    CHECK(fclose(f) == 0);
}

static inline void put(struct vml_writer *w, struct vml_chunk *c)
{
    struct vml_error err;

    if (c->kind == VML_DATA)
        CHECK_OK(w->ops->encode(w, c, &err), &err);
    CHECK_OK(w->ops->put(w, c, &err), &err);
}

/* The disk above, as our own writer writes it. */
static inline struct bytes make(const char *subformat, const char *options, uint64_t size)
{
    static uint8_t data[2 * GRAIN];
    struct vml_error err;
    struct vml_output *o;
    struct vml_writer *w;
    struct vml_chunk c = { 0 };

    CHECK_OK(vml_output_create(&o, path, VML_OUTPUT_FORCE, &err), &err);
    CHECK_OK(vml_image_create(&w, &vml_format_vmdk, o, size, subformat, options, &err), &err);
    for (uint64_t off = 0; off < size; off += c.len) {
        c.off = off;
        c.len = vml_min_u64(sizeof data, size - off);
        c.kind = grain_data(off / GRAIN) != NULL || grain_data(off / GRAIN + 1) != NULL ? VML_DATA
                                                                                        : VML_HOLE;
        if (c.kind == VML_DATA)
            fill(data, off, c.len);
        c.data = c.kind == VML_DATA ? data : NULL;
        put(w, &c);
    }
    CHECK_OK(w->ops->finish(w, size, &err), &err);
    vml_writer_free(w);
    free(c.enc);
    return read_file();
}

/* --- reading it ----------------------------------------------------------------------------- */

enum mode { FILE_MODE, PIPE_MODE };

static inline int pull(void *arg, void *buf, size_t len, size_t *got, struct vml_error *err)
{
    struct bytes *b = arg;

    (void)err;
    *got = len < b->len ? len : b->len;
    *got = *got < 5000 ? *got : 5000; /* as little at once as a pipe may give */
    memcpy(buf, b->p, *got);
    b->p += *got;
    b->len -= *got;
    return 0;
}

static inline int open_as(struct vml_reader **r, struct bytes *b, enum mode mode,
                          struct vml_error *err)
{
    struct vml_input *in;

    if (mode == PIPE_MODE) {
        CHECK_OK(vml_input_callback(&in, "pipe", VML_SIZE_UNKNOWN, pull, b, err), err);
    } else {
        write_file(*b);
        CHECK_OK(vml_input_open(&in, path, err), err);
    }
    return vml_image_open(r, table, in, NULL, err);
}

/* Reads all of b's disk; *same tells whether it is the disk above, of `size` bytes. */
static inline int read_disk(struct bytes b, enum mode mode, uint64_t size, bool *same,
                            struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    static uint8_t want[2 * GRAIN], got[2 * GRAIN];
    uint64_t off = 0;
    int rc = open_as(&r, &b, mode, err);

    *same = rc == 0 && r->size == size;
    while (rc == 0 && off < r->size) {
        struct vml_extent x = { 0 };

        rc = vml_extent_at(r, off, &x, err);
        if (rc == 0 && x.kind == VML_DATA && x.len <= sizeof got) {
            CHECK(r->can_seek == (mode == FILE_MODE) && (x.off % r->unit) == 0);
            rc = r->ops->load(r, &x, off, (size_t)x.len, got, err);
            fill(want, off, (size_t)x.len);
            *same = *same && memcmp(want, got, (size_t)x.len) == 0;
        } else if (rc == 0) {
            for (uint64_t g = off / GRAIN; g <= 513 && g * GRAIN < off + x.len; g++)
                *same = *same && grain_data(g) == NULL;
        }
        off += x.len;
        vml_extent_clear(&x);
    }
    if (rc == 0 && r->ops->end != NULL)
        rc = r->ops->end(r, err);
    return rc;
}

static inline void good(struct bytes b, enum mode mode, uint64_t size, int line)
{
    struct vml_error err;
    bool same = false;

    if (read_disk(b, mode, size, &same, &err) < 0)
        fprintf(stderr, "line %d, mode %d: %s [%s]\n", line, mode, err.text, err.slug);
    else if (!same)
        fprintf(stderr, "line %d, mode %d: another disk\n", line, mode);
    else
        return;
    abort();
}

static inline void bad(struct bytes b, enum mode mode, const char *slug, const char *what)
{
    struct vml_error err = { 0 };
    bool same;
    int rc = read_disk(b, mode, DISK, &same, &err);

    if (rc == 0 || strcmp(err.slug, slug) != 0) {
        fprintf(stderr, "%s, mode %d: %s [%s], not [%s]\n", what, mode, rc == 0 ? "read" : err.text,
                rc == 0 ? "" : err.slug, slug);
        abort();
    }
}

static inline struct bytes copy(struct bytes b, size_t extra)
{
    struct bytes c = { calloc(1, b.len + extra), b.len };

    CHECK(c.p != NULL);
    memcpy(c.p, b.p, b.len);
    return c;
}

#endif
