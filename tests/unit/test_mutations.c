/* One byte of an image is another: the disk is the same, or it is refused, or it is that byte of
 * the disk's data and no other.  What a format keeps once, without a sum or a copy, is listed below
 * with what it may do; that nothing crashes is the sanitizers' to say.  The seed is fixed. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "fake.h"
#include "vmlift/copy.h"

enum { ROUNDS = 3000, MAX_FREE = 8 };

/* --- samples ---------------------------------------------------------------------------------- */

struct range {
    uint64_t from, to;
};

static const struct sample {
    const struct vml_format *format;
    const char *subformat, *disk;
    uint64_t front;              /* half of the mutations are below this, where the structure is, */
    uint64_t back;               /* or in as many last bytes */
    struct range free[MAX_FREE]; /* bytes that may change the disk without a trace, and why: */
} samples[] = {
    { .format = &vml_format_vmdk,
      .subformat = "monolithicSparse",
      .disk = "data:100K hole:300K text:64K hole:560K",
      .front = 65536,
      .free = { { 12, 28 } } }, /* the header's capacity and grain size: nothing repeats them */
    { .format = &vml_format_vmdk,
      .subformat = "streamOptimized",
      .disk = "data:100K hole:300K text:64K hole:560K",
      .front = 2048,
      .back = 6 * 512 + 2048 },
    { .format = &vml_format_vhd,
      .subformat = "dynamic",
      .disk = "text:4K hole:2044K data:4K hole:2044K text:4K hole:2044K",
      .front = 4096,
      .back = 512,
      .free = { { 2048, 2560 } } }, /* the first block's bitmap */
    { .format = &vml_format_vhd,
      .subformat = "fixed",
      .disk = "data:1M",
      .front = 512,
      .back = 512 },
};

struct image {
    int fd;
    char path[64];
    uint8_t *bytes, *disk;
    size_t len;
    uint64_t size;
    struct vml_extent data[64]; /* where the disk's bytes are in the file, if they are so */
    size_t n_data;
};

static void open_image(struct vml_reader **r, const struct image *im, int *rc,
                       struct vml_error *err)
{
    struct vml_input *in = NULL;

    CHECK_OK(vml_input_open(&in, im->path, err), err);
    *rc = vml_image_open(r, vml_formats, in, NULL, err);
}

static void make(struct image *im, const struct sample *s)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open(s->disk);
    VML_AUTO(vml_reader_freep) struct vml_reader *again = NULL;
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    char path[] = "/tmp/test_mutations.XXXXXX";
    struct vml_copy c = { .threads = 1 };
    struct vml_output *o = NULL;
    struct vml_error err;
    int rc, tmp = mkstemp(path);

    CHECK(tmp >= 0);
    CHECK_OK(vml_output_create(&o, path, VML_OUTPUT_FORCE, &err), &err);
    CHECK_OK(vml_image_create(&w, s->format, o, r->size, s->subformat, NULL, &err), &err);
    CHECK_OK(vml_copy(r, w, &c, &err), &err);
    close(tmp);
    tmp = open(path, O_RDONLY);
    CHECK(tmp >= 0 && unlink(path) == 0);
    im->len = (size_t)lseek(tmp, 0, SEEK_END);
    im->bytes = malloc(im->len);
    CHECK(im->bytes != NULL && pread(tmp, im->bytes, im->len, 0) == (ssize_t)im->len);
    close(tmp);
    im->fd = memfd_create("image", 0);
    snprintf(im->path, sizeof im->path, "/proc/self/fd/%d", im->fd);
    CHECK(im->fd >= 0 && pwrite(im->fd, im->bytes, im->len, 0) == (ssize_t)im->len);

    open_image(&again, im, &rc, &err);
    CHECK_OK(rc, &err);
    im->size = again->size;
    im->disk = malloc(im->size);
    CHECK(im->disk != NULL);
    CHECK_OK(vml_pread(again, im->disk, im->size, 0, &err), &err);
    for (uint64_t off = 0; off < im->size;) {
        struct vml_extent x;

        CHECK_OK(vml_extent_at(again, off, &x, &err), &err);
        CHECK(im->n_data < sizeof im->data / sizeof im->data[0]);
        if (x.kind == VML_DATA && x.stored == 0)
            im->data[im->n_data++] = x;
        off += x.len;
    }
}

/* --- mutations -------------------------------------------------------------------------------- */

static uint64_t seed = 2611;

static uint64_t any(uint64_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (seed >> 33) % below;
}

static uint64_t choose(const struct sample *s, const struct image *im)
{
    uint64_t structure = s->front + s->back, at;

    switch (any(4)) {
    case 0:
        return any(im->len);
    case 1:
        return any(512);
    }
    at = any(structure);
    return at < s->front ? at : im->len - s->back + (at - s->front);
}

/* Byte `at` of the file is this one of the disk; SIZE_MAX: of none. */
static uint64_t data_at(const struct image *im, uint64_t at)
{
    for (size_t i = 0; i < im->n_data; i++)
        if (at >= im->data[i].at && at - im->data[i].at < im->data[i].len)
            return im->data[i].off + (at - im->data[i].at);
    return UINT64_MAX;
}

static bool is_free(const struct sample *s, uint64_t at)
{
    for (size_t i = 0; i < MAX_FREE; i++)
        if (at >= s->free[i].from && at < s->free[i].to)
            return true;
    return false;
}

static void silent(const struct sample *s, uint64_t at, unsigned was, unsigned is, const char *what)
{
    fprintf(stderr, "%s %s: byte %" PRIu64 " is %02x, not %02x: %s\n", s->format->name,
            s->subformat, at, is, was, what);
    abort();
}

/* False: it is refused. */
static bool read_mutant(const struct image *im, uint8_t *got, uint64_t *size)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_error err = { 0 };
    int rc;

    open_image(&r, im, &rc, &err);
    if (rc == 0) {
        *size = r->size;
        if (r->size == im->size)
            rc = vml_pread(r, got, r->size, 0, &err);
    }
    CHECK(rc == 0 || (err.text[0] != '\0' && strchr(err.slug, '/') != NULL));
    return rc == 0;
}

static void ignore(void *arg, enum vml_level level, const char *slug, const char *text)
{
    (void)arg;
    (void)level;
    CHECK(slug[0] != '\0' && text[0] != '\0');
}

static void mutate(const struct sample *s, struct image *im, uint8_t *got)
{
    uint64_t at = choose(s, im), size = 0, of = data_at(im, at);
    uint8_t was = im->bytes[at];
    uint8_t is = (uint8_t)(any(2) == 0 ? was ^ 1u << any(8) : any(4) == 0 ? 0 : any(256));
    struct vml_input *in = NULL;
    struct vml_error err;

    CHECK_INT(pwrite(im->fd, &is, 1, (off_t)at), 1);
    if (read_mutant(im, got, &size) && !is_free(s, at)) {
        if (size != im->size)
            silent(s, at, was, is, "a disk of another size");
        if (of != UINT64_MAX) {
            if (got[of] != is)
                silent(s, at, was, is, "the byte of the disk is not the file's");
            got[of] = was;
        }
        if (memcmp(got, im->disk, size) != 0)
            silent(s, at, was, is, "another disk, and nothing is said");
    }
    CHECK_OK(vml_input_open(&in, im->path, &err), &err);
    (void)s->format->check(in, ignore, NULL, &err); /* it may refuse; it may not crash */
    vml_input_free(in);
    CHECK_INT(pwrite(im->fd, &was, 1, (off_t)at), 1);
}

int main(void)
{
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct image im = { .fd = -1 };
        uint8_t *got;

        make(&im, &samples[i]);
        got = malloc(im.size);
        CHECK(got != NULL);
        for (unsigned k = 0; k < ROUNDS; k++)
            mutate(&samples[i], &im, got);
        free(got);
        free(im.disk);
        free(im.bytes);
        close(im.fd);
    }
    return 0;
}
