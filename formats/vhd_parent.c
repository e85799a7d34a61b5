/* VHD: what a differencing disk says of its parent.
 *
 *   dynamic header   40 UUID of the parent (16) | 56 its time | 64 its name (512, UTF-16BE) |
 *                   576 8 locators of 24 bytes: code, space, length, 0, offset (8)
 *
 * A locator points to the parent's path in the file: "W2ru" to the one relative to the child,
 * "W2ku" to the absolute one, both UTF-16LE.  The space that a locator's text may fill is told in
 * bytes by some and in sectors by others; the length is right in all. The time is the file's when
 * it was last written, which copying changes: only the UUID counts.
 */
#include <stdlib.h>

#include "utf16.h"
#include "vhd.h"
#include "vmlift/codec.h"

#define LOCATORS    8u
#define LOCATOR     24u
#define LOCATORS_AT 576u
#define PARENT_UUID 40u
#define PARENT_NAME 64u
#define NAME_UNITS  256u
#define TEXT_MAX    4096u      /* bytes of a path in a locator */
#define W2RU        0x57327275 /* code of a relative path, */
#define W2KU        0x57326b75 /* and of an absolute one */

/* The path that the locator with this code points to; *out stays NULL where there is none. */
static int read_locator(char **out, struct vml_input *in, const struct vhd_file *f,
                        const uint8_t header[VHD_HEADER], uint32_t code, struct vml_error *err)
{
    for (const uint8_t *p = header + LOCATORS_AT;
         p < header + LOCATORS_AT + (size_t)LOCATORS * LOCATOR; p += LOCATOR) {
        uint32_t len = be32(p + 8);
        uint64_t at = be64(p + 16);
        uint8_t text[TEXT_MAX];

        if (be32(p) != code || len == 0)
            continue;
        if (len > TEXT_MAX || len % 2 != 0 || at > f->footer_off || f->footer_off - at < len)
            return vml_fail(err, VML_EDATA, "vhd/parent-name",
                            "the parent's path is said to take %u bytes at offset %llu; it has an "
                            "even number of at most %u and ends before the footer at %llu",
                            len, (unsigned long long)at, TEXT_MAX,
                            (unsigned long long)f->footer_off);
        if (vml_input_pread(in, text, len, at, err) < 0)
            return -1;
        return utf16_decode(out, text, len / 2, false, "vhd/parent-name", err);
    }
    return 0;
}

/* The relative path is the parent's place beside the child.  The other two tell where it was on the
 * machine that made the child: of these the file's name is taken. */
static int find_name(char **out, struct vml_input *in, const struct vhd_file *f,
                     const uint8_t header[VHD_HEADER], struct vml_error *err)
{
    if (read_locator(out, in, f, header, W2RU, err) < 0)
        return -1;
    if (*out != NULL && (*out)[0] != '\0') {
        path_drop_dots(*out);
        return 0;
    }
    free(*out);
    *out = NULL;
    if (utf16_decode(out, header + PARENT_NAME, NAME_UNITS, true, "vhd/parent-name", err) < 0)
        return -1;
    if ((*out)[0] == '\0') {
        char *absolute = NULL;

        if (read_locator(&absolute, in, f, header, W2KU, err) < 0)
            return -1;
        if (absolute != NULL) {
            free(*out);
            *out = absolute;
        }
    }
    path_keep_last(*out);
    return 0;
}

int vml_vhd_parent(struct vml_reader *r, struct vml_input *in, const struct vhd_file *f,
                   struct vml_error *err)
{
    static const uint8_t none[16];
    uint8_t header[VHD_HEADER];

    if (vml_input_pread(in, header, sizeof header, f->footer.header_off, err) < 0)
        return -1;
    if (memcmp(header + PARENT_UUID, none, sizeof none) != 0)
        vml_hex(r->parent_id, header + PARENT_UUID, sizeof none);
    return find_name(&r->parent_name, in, f, header, err);
}
