/* The disk of a machine that has no file: nothing was ever written to it. */
#include "core/empty.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static int empty_extent(struct vml_reader *r, uint64_t off, struct vml_extent *x,
                        struct vml_error *err)
{
    (void)err;
    *x = (struct vml_extent){ .off = off, .len = r->size - off, .kind = VML_HOLE };
    return 0;
}

static int empty_load(struct vml_reader *r, const struct vml_extent *x, uint64_t off, size_t len,
                      void *buf, struct vml_error *err)
{
    (void)r;
    (void)x;
    (void)off;
    (void)len;
    (void)buf;
    (void)err;
    assert(!"no extent has data");
    return 0;
}

static void empty_free(struct vml_reader *r)
{
    free(r);
}

static const struct vml_reader_ops empty_ops = {
    .extent = empty_extent,
    .load = empty_load,
    .free = empty_free,
};

int vml_empty_open(struct vml_reader **out, const char *package, const char *disk, uint64_t size,
                   struct vml_error *err)
{
    struct vml_reader *r;

    if (size == 0 || size > VML_DISK_MAX)
        return vml_fail(err, VML_EDATA, "image/size", "%s: %s of %llu bytes; from 1 to %llu",
                        package, disk, (unsigned long long)size, (unsigned long long)VML_DISK_MAX);
    r = calloc(1, sizeof *r);
    if (r == NULL)
        return vml_fail_nomem(err);
    *r = (struct vml_reader){ .ops = &empty_ops,
                              .format = "none",
                              .subformat = "empty",
                              .size = size,
                              .unit = 512,
                              .can_seek = true };
    if (asprintf(&r->name, "%s: %s", package, disk) < 0) {
        free(r);
        return vml_fail_nomem(err);
    }
    *out = r;
    return 0;
}
