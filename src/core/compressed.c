/* A compressed file is read front to back, like a pipe, but again and again: so a raw disk in it
 * is gone through once for its size and its end, where a fixed VHD has its only mark, and then
 * read. */
#include "core/compressed.h"

#include <stdlib.h>
#include <string.h>

enum { TAIL = 512 };

int vml_compressed_look(struct vml_input **out, struct vml_input *of, struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *window = NULL;

    if (vml_input_window(&window, of, vml_input_name(of), 0, vml_input_size(of), err) < 0 ||
        vml_input_decompress(out, window, VML_SIZE_UNKNOWN, VML_DISK_MAX, err) < 0)
        return -1;
    window = NULL;
    return 0;
}

/* How many bytes are inside, and the last of them. */
static int count(struct vml_input *of, uint64_t *size, uint8_t tail[TAIL], struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    VML_AUTO(vml_freep) uint8_t *buf = malloc(TAIL + (1u << 20));
    size_t got = 1;

    if (buf == NULL)
        return vml_fail_nomem(err);
    if (vml_compressed_look(&in, of, err) < 0)
        return -1;
    memset(buf, 0, TAIL);
    for (*size = 0; got > 0; *size += got) {
        if (vml_input_read(in, buf + TAIL, 1u << 20, &got, err) < 0)
            return -1;
        memmove(buf, buf + got, TAIL);
    }
    memcpy(tail, buf, TAIL);
    return 0;
}

static int count_raw(struct vml_input *of, bool asked, uint64_t *size, struct vml_error *err)
{
    uint8_t tail[TAIL];

    if (count(of, size, tail, err) < 0)
        return -1;
    if (!asked && *size >= TAIL && memcmp(tail, "conectix", 8) == 0)
        return vml_fail(err, VML_EUNSUPPORTED, "image/compressed",
                        "a fixed VHD inside compressed data: unpack it first (-f raw takes the "
                        "bytes as they are)");
    return 0;
}

static int find_inside(struct vml_input *of, const struct vml_format **f,
                       const struct vml_format *const *table, struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;

    if (vml_compressed_look(&in, of, err) < 0)
        return -1;
    return vml_image_probe_raw(f, table, in, true, err);
}

static bool is_raw(const struct vml_format *f)
{
    return strcmp(f->name, "raw") == 0;
}

int vml_compressed_open(struct vml_input **in, const struct vml_format **f,
                        const struct vml_format *const *table, const char *name,
                        struct vml_error *err)
{
    struct vml_input *inside;
    uint64_t size = VML_SIZE_UNKNOWN;
    bool seeks = vml_input_can_seek(*in);

    if (name != NULL && vml_format_find(f, table, name, err) < 0)
        return -1;
    if (name == NULL && seeks && find_inside(*in, f, table, err) < 0)
        return -1;
    if (seeks && is_raw(*f) && count_raw(*in, name != NULL, &size, err) < 0)
        return -1;
    if (vml_input_decompress(&inside, *in, size, VML_DISK_MAX, err) < 0)
        return -1;
    *in = inside;
    return name == NULL && !seeks ? vml_image_probe(f, table, inside, err) : 0;
}
