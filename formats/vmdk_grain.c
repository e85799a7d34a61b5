/* Compressed grains and the markers of a streamOptimized file.
 *
 *     a grain:     | u64 sector on the disk | u32 bytes | zlib stream .. | zeroes up to a sector |
 *     all others:  | u64 sectors that follow | u32 0 | u32 type | zeroes up to a sector |
 *
 * The streams are zlib's (RFC 1950), although VMware's note says RFC 1951. */
#include "vmdk.h"

#include <stdlib.h>

#include "vmlift/codec.h"
#include "vmlift/endian.h"

struct vmdk_marker vmdk_marker_parse(const uint8_t *p)
{
    return (struct vmdk_marker){ .value = le64(p), .size = le32(p + 8), .type = le32(p + 12) };
}

int vmdk_marker_check(const struct vmdk_marker *m, const struct vmdk_header *h, uint64_t at,
                      struct vml_error *err)
{
    /* What does not compress grows a little; no deflate doubles it. */
    if (m->size == 0 || m->size > 2 * h->grain)
        return vml_fail(err, VML_EDATA, "vmdk/marker-size",
                        "the grain at offset %llu is stored in %u bytes; from 1 to %u",
                        (unsigned long long)at, m->size, 2 * h->grain);
    if (m->value >= h->size / VMDK_SECTOR || m->value % (h->grain / VMDK_SECTOR) != 0)
        return vml_fail(err, VML_EDATA, "vmdk/lba",
                        "the grain at offset %llu is for sector %llu of the disk; a multiple of %u "
                        "below %llu is expected",
                        (unsigned long long)at, (unsigned long long)m->value,
                        h->grain / VMDK_SECTOR, (unsigned long long)(h->size / VMDK_SECTOR));
    return 0;
}

/* The same in the words of a VMDK. */
static int inflate_failed(uint64_t start, struct vml_error *err)
{
    const char *slug = NULL;

    if (strcmp(err->slug, "codec/inflate") == 0)
        slug = "vmdk/inflate";
    else if (strcmp(err->slug, "codec/length") == 0)
        slug = "vmdk/grain-len";
    if (slug != NULL) {
        struct vml_error cause = *err;

        vml_fail(err, VML_EDATA, slug, "grain at byte %llu of the disk: %s",
                 (unsigned long long)start, cause.text);
    }
    return -1;
}

static int inflate_whole(const struct vmdk_header *h, uint64_t start, const void *in, size_t in_len,
                         void *grain, struct vml_error *err)
{
    uint64_t left = h->size - start;
    size_t used = 0;
    int rc = vml_inflate(in, in_len, &used, grain, h->grain, err);

    /* The grain in which the disk ends is stored short by qemu-img and open-vmdk. */
    if (rc < 0 && left < h->grain && strcmp(err->slug, "codec/length") == 0)
        rc = vml_inflate(in, in_len, &used, grain, (size_t)left, err);
    if (rc < 0)
        return inflate_failed(start, err);
    if (used != in_len)
        return vml_fail(err, VML_EDATA, "vmdk/trailing",
                        "grain at byte %llu of the disk: %zu bytes are stored, but its stream ends "
                        "after %zu",
                        (unsigned long long)start, in_len, used);
    return 0;
}

int vmdk_grain_inflate(const struct vmdk_header *h, uint64_t start, const void *in, size_t in_len,
                       uint64_t off, size_t len, void *buf, struct vml_error *err)
{
    VML_AUTO(vml_freep) void *grain = NULL;

    if (off == start && len == h->grain)
        return inflate_whole(h, start, in, in_len, buf, err);
    grain = malloc(h->grain);
    if (grain == NULL)
        return vml_fail_nomem(err);
    if (inflate_whole(h, start, in, in_len, grain, err) < 0)
        return -1;
    memcpy(buf, (uint8_t *)grain + (off - start), len);
    return 0;
}
