/* Writing so that zeroes take no room. */
#include "vmlift/image.h"

enum { STEP = 4096 }; /* smaller holes are none to any file system */

int vml_write_sparse(struct vml_output *o, const void *buf, size_t len, uint64_t at,
                     struct vml_error *err)
{
    const uint8_t *p = buf;
    size_t pos = 0;

    while (pos < len) {
        size_t end = (size_t)vml_min_u64(pos + STEP, len);
        bool zero = vml_is_zero(p + pos, end - pos);

        while (end < len && vml_is_zero(p + end, (size_t)vml_min_u64(STEP, len - end)) == zero)
            end = (size_t)vml_min_u64(end + STEP, len);
        if ((zero ? vml_output_zero(o, at + pos, end - pos, err)
                  : vml_output_pwrite(o, p + pos, end - pos, at + pos, err)) < 0)
            return -1;
        pos = end;
    }
    return 0;
}
