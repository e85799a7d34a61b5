/* Units that are handed on as they are stored: which are, which are not, and that damage is found
 * all the same. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"
#include "vmlift/codec.h"
#include "vmlift/copy.h"
#include "vmlift/endian.h"

enum { GRAIN = 65536, SECTOR = 512 };

static char folder[] = "/tmp/vmlift-stored.XXXXXX";

static const char *path_of(const char *name)
{
    static char paths[4][200];
    static unsigned turn;
    char *p = paths[turn++ % 4];

    snprintf(p, sizeof paths[0], "%s/%s", folder, name);
    return p;
}

static int write_vmdk(struct vml_reader *r, const char *name, const char *options, unsigned threads,
                      struct vml_error *err)
{
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct vml_copy c = { .threads = threads };
    struct vml_output *o;

    CHECK_OK(vml_output_create(&o, path_of(name), VML_OUTPUT_FORCE, err), err);
    CHECK_OK(vml_image_create(&w, &vml_format_vmdk, o, r->size, "streamOptimized", options, err),
             err);
    return vml_copy(r, w, &c, err);
}

static bool same_files(const char *a, const char *b)
{
    char command[500];

    snprintf(command, sizeof command, "cmp -s '%s' '%s'", path_of(a), path_of(b));
    return system(command) == 0;
}

/* A disk of those files; piped: front to back, as from a pipe. */
struct source {
    struct vml_input *file;
    struct vml_reader *r;
};

static void source_open(struct source *s, const char *name, bool piped)
{
    struct vml_error err;
    struct vml_input *in;

    CHECK_OK(vml_input_open(&s->file, path_of(name), &err), &err);
    CHECK_OK(piped ? vml_input_stream(&in, s->file, NULL, NULL, &err)
                   : vml_input_window(&in, s->file, name, 0, vml_input_size(s->file), &err),
             &err);
    CHECK_OK(vml_image_open(&s->r, vml_formats, in, "vmdk", &err), &err);
    CHECK(s->r->can_seek == !piped);
}

static void source_close(struct source *s)
{
    vml_reader_freep(&s->r);
    vml_input_freep(&s->file);
}

static int again(const char *from, bool piped, const char *to, const char *options,
                 unsigned threads, struct vml_error *err)
{
    struct source s = { 0 };
    int rc;

    source_open(&s, from, piped);
    rc = write_vmdk(s.r, to, options, threads, err);
    source_close(&s);
    return rc;
}

/* --- files ---------------------------------------------------------------------------------- */

/* Level 9 deflates better than the writer would by itself: if that comes out again, nothing was
 * deflated; with a level of its own everything is. */
static void passes_grains(void)
{
    VML_AUTO(vml_reader_freep)
    struct vml_reader *fake = fake_open("text:3M hole:40M data:1M zero:64K text:100K hole:1M "
                                        "text:64K");
    struct vml_error err;

    CHECK_OK(write_vmdk(fake, "nine", "level=9", 2, &err), &err);
    CHECK_OK(write_vmdk(fake, "one", "level=1", 2, &err), &err);
    CHECK_OK(write_vmdk(fake, "default", NULL, 2, &err), &err);
    CHECK(!same_files("one", "default")); /* which has some grains at level 2 */
    CHECK(!same_files("nine", "one"));
    for (int piped = 0; piped < 2; piped++) {
        for (unsigned threads = 1; threads <= 8; threads += 7) {
            CHECK_OK(again("nine", piped, "out", NULL, threads, &err), &err);
            CHECK(same_files("nine", "out"));
        }
        CHECK_OK(again("nine", piped, "out", "level=1", 2, &err), &err);
        CHECK(same_files("one", "out"));
    }
}

/* The disk's end inside a grain: what may be stored short is not passed on. */
static void short_tail(void)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *fake = fake_open("text:192K text:1K");
    struct vml_error err;

    CHECK_OK(write_vmdk(fake, "odd", "level=9,align=512", 1, &err), &err);
    CHECK_OK(write_vmdk(fake, "even", "level=9", 1, &err), &err);
    for (int piped = 0; piped < 2; piped++) {
        struct source a = { 0 }, b = { 0 };
        struct vml_copy c = { .threads = 1 };
        uint64_t first;

        CHECK_OK(again("odd", piped, "out", NULL, 2, &err), &err);
        source_open(&a, "even", false);
        source_open(&b, "out", false);
        CHECK_INT(b.r->size, 4 * GRAIN);
        CHECK_OK(vml_compare(a.r, b.r, &c, &first, &err), &err);
        CHECK_INT(first, VML_SIZE_UNKNOWN);
        source_close(&a);
        source_close(&b);
    }
}

/* Each byte of a grain's stream, changed, is found: nothing is passed on unseen.  Only the bits
 * that fill up the last byte of deflate's, in front of the checksum, mean nothing to anyone. */
static void finds_damage(void)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *fake = fake_open("text:64K");
    enum { AT = 128 * SECTOR };
    uint8_t head[16], byte;
    struct vml_error err;
    uint32_t len;
    int fd;

    CHECK_OK(write_vmdk(fake, "good", "level=9", 1, &err), &err);
    fd = open(path_of("good"), O_RDWR);
    CHECK(fd >= 0 && pread(fd, head, sizeof head, AT) == sizeof head);
    len = le32(head + 8);
    CHECK(len > 50 && len < GRAIN);
    for (uint32_t i = 0; i < len; i++) {
        CHECK(pread(fd, &byte, 1, AT + 12 + i) == 1);
        byte ^= 0x10;
        CHECK(pwrite(fd, &byte, 1, AT + 12 + i) == 1);
        for (int piped = 0; piped < 2; piped++) {
            int rc = again("good", piped, "bad", NULL, 1, &err);

            CHECK(rc < 0 || i == len - 5);
            CHECK(rc == 0 || strcmp(err.slug, "vmdk/inflate") == 0 ||
                  strcmp(err.slug, "vmdk/grain-len") == 0 ||
                  strcmp(err.slug, "vmdk/trailing") == 0);
            CHECK((rc == 0) == (access(path_of("bad"), F_OK) == 0));
            unlink(path_of("bad"));
        }
        byte ^= 0x10;
        CHECK(pwrite(fd, &byte, 1, AT + 12 + i) == 1);
    }
    close(fd);
}

/* --- a reader that stores what it likes ------------------------------------------------------ */

/* A unit for each letter: t text, z stored zeroes, o a stream that is longer than need be, h hole,
 * x damaged. */
struct odd {
    struct vml_reader base;
    const char *units;
    bool fetched[16];
};

static void unit_bytes(char kind, uint8_t unit[GRAIN])
{
    memset(unit, 0, GRAIN);
    if (kind != 'z')
        for (size_t i = 0; i < GRAIN; i++)
            unit[i] = (uint8_t)(kind + i % 7);
}

/* The stream of a unit: deflated by level 7; o: 20000 empty blocks in front, by hand. */
static size_t unit_stream(char kind, uint8_t *out, size_t cap)
{
    uint8_t unit[GRAIN];
    struct vml_error err;
    size_t len;

    unit_bytes(kind, unit);
    CHECK_OK(vml_deflate(7, unit, GRAIN, out, cap, &len, &err), &err);
    if (kind == 'o') {
        memmove(out + 2 + 20000 * 5, out + 2, len - 2);
        for (size_t i = 0; i < 20000; i++)
            memcpy(out + 2 + i * 5, "\0\0\0\377\377", 5);
        len += 20000 * 5;
    }
    if (kind == 'x')
        out[len - 1] ^= 1;
    return len;
}

static int odd_extent(struct vml_reader *r, uint64_t off, struct vml_extent *x,
                      struct vml_error *err)
{
    const struct odd *o = (struct odd *)r;

    (void)err;
    x->len = GRAIN;
    x->at = off / GRAIN;
    x->kind = o->units[x->at] == 'h' ? VML_HOLE : VML_DATA;
    return 0;
}

static int odd_fetch(struct vml_reader *r, struct vml_extent *x, struct vml_error *err)
{
    struct odd *o = (struct odd *)r;
    size_t cap = 4 * GRAIN;

    (void)err;
    o->fetched[x->at] = true;
    x->payload = malloc(cap);
    CHECK(x->payload != NULL);
    x->payload_len = unit_stream(o->units[x->at], x->payload, cap);
    return 0;
}

static int odd_load(struct vml_reader *r, const struct vml_extent *x, uint64_t off, size_t len,
                    void *buf, struct vml_error *err)
{
    const struct odd *o = (struct odd *)r;
    size_t used;

    CHECK(off == x->off && len == GRAIN);
    if (x->payload != NULL)
        return vml_inflate(x->payload, x->payload_len, &used, buf, len, err);
    unit_bytes(o->units[x->at], buf);
    return 0;
}

static void odd_free(struct vml_reader *r)
{
    (void)r;
}

static const struct vml_reader_ops odd_ops = {
    .extent = odd_extent, .load = odd_load, .fetch = odd_fetch, .free = odd_free
};

static struct odd odd_of(const char *units)
{
    return (struct odd){ .base = { .ops = &odd_ops,
                                   .size = strlen(units) * GRAIN,
                                   .unit = GRAIN,
                                   .codec = VML_CODEC_ZLIB,
                                   .can_seek = true },
                         .units = units };
}

/* Walks the grains of a file that was written, and says which have the very stream of the source:
 * "0= 2~" is grain 0 as it was stored and grain 2 otherwise. */
static void grains_of(const char *name, const char *units, char *out)
{
    VML_AUTO(vml_freep) uint8_t *file = calloc(1, 1 << 20);
    VML_AUTO(vml_freep) uint8_t *want = malloc(4 * GRAIN);
    FILE *f = fopen(path_of(name), "rb");
    size_t len, at = 128 * SECTOR;

    CHECK(f != NULL && file != NULL && want != NULL);
    len = fread(file, 1, 1 << 20, f);
    CHECK(fclose(f) == 0 && len < 1 << 20);
    *out = '\0';
    while (le32(file + at + 8) != 0) {
        size_t grain = le64(file + at) / (GRAIN / SECTOR), n = le32(file + at + 8);
        size_t stored = unit_stream(units[grain], want, 4 * GRAIN);
        bool same = n == stored && memcmp(file + at + 12, want, n) == 0;

        out += sprintf(out, "%zu%c ", grain, same ? '=' : '~');
        at += vml_round_up(12 + n, SECTOR);
    }
}

static void chooses(void)
{
    struct odd o = odd_of("tzhottth");
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct vml_copy c = { .threads = 3 };
    struct vml_output *out;
    struct vml_error err;
    char grains[200];

    CHECK_OK(write_vmdk(&o.base, "chosen", NULL, 1, &err), &err);
    grains_of("chosen", o.units, grains);
    CHECK_STR(grains, "0= 3~ 4= 5= 6= ");

    o = odd_of("txh"); /* damaged, and found */
    CHECK_FAILS(write_vmdk(&o.base, "none", NULL, 1, &err), &err, "codec/inflate");

    o = odd_of("ttht"); /* a level of one's own, another codec, another unit: nothing is fetched */
    CHECK_OK(write_vmdk(&o.base, "level", "level=7", 1, &err), &err);
    o.base.codec = VML_CODEC_NONE;
    CHECK_OK(write_vmdk(&o.base, "codec", NULL, 1, &err), &err);
    o.base.codec = VML_CODEC_ZLIB;
    CHECK_OK(vml_output_create(&out, path_of("raw"), 0, &err), &err);
    CHECK_OK(vml_image_create(&w, &vml_format_raw, out, o.base.size, NULL, NULL, &err), &err);
    CHECK_OK(vml_copy(&o.base, w, &c, &err), &err);
    for (size_t i = 0; i < 4; i++)
        CHECK(!o.fetched[i]);
}

int main(void)
{
    char command[100];

    CHECK(mkdtemp(folder) != NULL);
    vml_set_clock(1700000000); /* so that the same disk is the same file */
    passes_grains();
    short_tail();
    finds_damage();
    chooses();
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}
