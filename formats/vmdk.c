/* VMDK, VMware's disks: the two subformats that are one file.
 *
 *     monolithicSparse                        streamOptimized
 *     | header                          |     | header                                |
 *     | descriptor (text)               |     | descriptor (text)                     |
 *     | redundant directory and tables  |     | marker, deflated grain | ..           |
 *     | directory and tables            |     | marker, table of the 512 grains above |
 *     | grains of 64 KiB, in any order  |     | ..                                    |
 *                                             | marker, directory | marker, footer | end of stream
 * |
 *
 * vmdk_header.c  header and footer        vmdk_sparse.c        reading by the tables
 * vmdk_desc.c    descriptor               vmdk_stream.c        reading markers from a pipe
 * vmdk_grain.c   markers, inflate         vmdk_write_*.c       writing */
#include "vmdk.h"

#include <stdio.h>
#include <string.h>

#include "vmlift/endian.h"

#define SESPARSE_MAGIC UINT64_C(0xcafebabe)

enum magic { MAGIC_NONE, MAGIC_SPARSE, MAGIC_COWD, MAGIC_SESPARSE, MAGIC_TEXT };

static int magic_of(enum magic *magic, struct vml_input *in, struct vml_error *err)
{
    const void *p;
    size_t have;

    *magic = MAGIC_NONE;
    if (vml_input_peek(in, 4096, &p, &have, err) < 0)
        return -1;
    if (have >= 4 && (memcmp(p, "KDMV", 4) == 0 || memcmp(p, "kdmv", 4) == 0))
        *magic = MAGIC_SPARSE;
    else if (have >= 8 && memcmp(p, "COWD", 4) == 0 && le32((const uint8_t *)p + 4) == 1)
        *magic = MAGIC_COWD;
    else if (have >= 8 && le64(p) == SESPARSE_MAGIC)
        *magic = MAGIC_SESPARSE;
    else if (vmdk_desc_probe(p, have))
        *magic = MAGIC_TEXT;
    return 0;
}

static int vmdk_probe(struct vml_input *in, struct vml_error *err)
{
    static const int claims[] = { [MAGIC_NONE] = 0,
                                  [MAGIC_SPARSE] = 100,
                                  [MAGIC_COWD] = 90,
                                  [MAGIC_SESPARSE] = 90,
                                  [MAGIC_TEXT] = 90 };
    enum magic magic;

    return magic_of(&magic, in, err) < 0 ? -1 : claims[magic];
}

static int refuse_text(struct vml_input *in, struct vml_error *err)
{
    const void *p;
    size_t have;

    if (vml_input_peek(in, VMDK_DESC_MAX, &p, &have, err) < 0)
        return -1;
    return vmdk_desc_refuse(p, have, err);
}

static int refuse_kind(const char *kind, struct vml_error *err)
{
    return vml_fail(err, VML_EUNSUPPORTED, "vmdk/subformat",
                    "%s is not read; monolithicSparse and streamOptimized are", kind);
}

static int vmdk_open(struct vml_reader **out, struct vml_input *in, struct vml_error *err)
{
    enum magic magic;

    if (magic_of(&magic, in, err) < 0)
        return -1;
    switch (magic) {
    case MAGIC_SPARSE:
        return vml_input_can_seek(in) ? vmdk_sparse_open(out, in, err)
                                      : vmdk_stream_open(out, in, err);
    case MAGIC_COWD:
        return refuse_kind("an ESX redo log (COWD, vmfsSparse)", err);
    case MAGIC_SESPARSE:
        return refuse_kind("an ESX snapshot (seSparse)", err);
    case MAGIC_TEXT:
        return refuse_text(in, err);
    case MAGIC_NONE:
        break;
    }
    return vml_fail(err, VML_EDATA, "vmdk/magic", "not a VMDK: neither \"KDMV\" nor a descriptor");
}

static int vmdk_create(struct vml_writer **out, struct vml_output *o, const struct vml_create *c,
                       struct vml_error *err)
{
    return strcmp(c->subformat, "streamOptimized") == 0 ? vmdk_stream_create(out, o, c, err)
                                                        : vmdk_sparse_create(out, o, c, err);
}

/* Table entries are 32-bit sector numbers, so no file passes 2 TiB.  How far a stream gets depends
 * on its data; the writer watches. */
static const struct vml_subformat subformats[] = {
    { "streamOptimized", VML_CAN_READ | VML_CAN_WRITE | VML_PIPE_READ | VML_PIPE_WRITE,
      VML_DISK_MAX, VMDK_GRAIN },
    { "monolithicSparse", VML_CAN_READ | VML_CAN_WRITE, UINT64_C(2) << 40, VMDK_GRAIN },
    { NULL, 0, 0, 0 },
};

static const struct vml_option options[] = {
    { "level", "deflate level of streamOptimized, 1 (fast) to 9 (1)" },
    { "adapter", "lsilogic, buslogic, ide or legacyESX (lsilogic)" },
    { "hwversion", "virtual hardware version (10)" },
    { "align", "round the disk's size up to a multiple of this (64K)" },
    { NULL, NULL },
};

const struct vml_format vml_format_vmdk = {
    .name = "vmdk",
    .summary = "VMware: streamOptimized and monolithicSparse",
    .suffixes = "vmdk",
    .subformats = subformats,
    .options = options,
    .probe = vmdk_probe,
    .open = vmdk_open,
    .create = vmdk_create,
};
