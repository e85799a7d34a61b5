/* Files in a folder of their own, for the tests of VHD. */
#ifndef VHD_FILE_H
#define VHD_FILE_H

#include <unistd.h>

#include "check.h"
#include "vmlift/copy.h"
#include "vmlift/endian.h"

static const struct vml_format *const formats[] = { &vml_format_raw, &vml_format_vhd, NULL };
static char folder[64];

static inline const char *path_of(const char *name)
{
    static char path[4][128];
    static unsigned next;
    char *p = path[next++ % 4];

    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static inline void write_file(const char *path, const void *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");

    CHECK(f != NULL);
    CHECK_INT(fwrite(bytes, 1, len, f), len);
    CHECK_INT(fclose(f), 0);
}

static inline uint8_t *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    uint8_t *bytes;

    CHECK(f != NULL);
    CHECK_INT(fseek(f, 0, SEEK_END), 0);
    *len = (size_t)ftell(f);
    rewind(f);
    bytes = malloc(*len + 1);
    CHECK(bytes != NULL);
    CHECK_INT(fread(bytes, 1, *len, f), *len);
    fclose(f);
    return bytes;
}

static inline int open_file(struct vml_reader **r, const char *path, const char *format,
                            struct vml_error *err)
{
    struct vml_input *in = NULL;

    CHECK_OK(vml_input_open(&in, path, err), err);
    return vml_image_open(r, formats, in, format, err);
}

/* The checksum of a footer or header. */
static inline void sum(uint8_t *p, size_t len, size_t at)
{
    uint32_t total = 0;

    put_be32(p + at, 0);
    for (size_t i = 0; i < len; i++)
        total += p[i];
    put_be32(p + at, ~total);
}

static inline void make_folder(void)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%.40s/test_vhd.XXXXXX", tmp != NULL ? tmp : "/tmp");
    CHECK(mkdtemp(folder) != NULL);
}

#endif
