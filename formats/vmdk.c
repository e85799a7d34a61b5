/* VMDK, VMware's disks: two subformats that are one file ..
 *
 *     monolithicSparse                        streamOptimized
 *     | header                          |     | header                                |
 *     | descriptor (text)               |     | descriptor (text)                     |
 *     | redundant directory and tables  |     | marker, deflated grain | ..           |
 *     | directory and tables            |     | marker, table of the 512 grains above |
 *     | grains of 64 KiB, in any order  |     | ..                                    |
 *                                             | marker, directory | marker, footer | end |
 *
 * .. and those that are a descriptor in a file of its own, which names the files with the data:
 *
 *     disk.vmdk  ->  disk-flat.vmdk, or disk-s001.vmdk, disk-s002.vmdk, .. (as monolithicSparse),
 *                    or disk-delta.vmdk (COWD), or disk-sesparse.vmdk
 *
 * vmdk_header.c  header and footer        vmdk_sparse.c        reading by the tables
 * vmdk_desc*.c   descriptor               vmdk_stream.c        reading markers from a pipe
 * vmdk_grain.c   markers, inflate         vmdk_extents.c       reading the files of a descriptor
 * vmdk_check.c, vmdk_facts.c: what is wrong, how it was written
 * vmdk_write_*.c writing                  vmdk_cowd.c, vmdk_sesparse.c, vmdk_delta.c
 *                                                              reading ESX's redo logs */
#include "vmdk.h"

#include <stdio.h>
#include <string.h>

#include "vmlift/endian.h"

#define SESPARSE_MAGIC UINT64_C(0xcafebabe)

int vmdk_magic(enum vmdk_magic *magic, struct vml_input *in, struct vml_error *err)
{
    const void *p;
    size_t have;

    *magic = VMDK_NOTHING;
    if (vml_input_peek(in, 4096, &p, &have, err) < 0)
        return -1;
    if (vmdk_header_probe(p, have))
        *magic = VMDK_SPARSE;
    else if (have >= 8 && memcmp(p, "COWD", 4) == 0 && le32((const uint8_t *)p + 4) == 1)
        *magic = VMDK_COWD;
    else if (have >= 8 && le64(p) == SESPARSE_MAGIC)
        *magic = VMDK_SESPARSE;
    else if (vmdk_desc_probe(p, have))
        *magic = VMDK_TEXT;
    return 0;
}

static int vmdk_probe(struct vml_input *in, struct vml_error *err)
{
    static const int claims[] = { [VMDK_NOTHING] = 0,
                                  [VMDK_SPARSE] = 100,
                                  [VMDK_COWD] = 90,
                                  [VMDK_SESPARSE] = 90,
                                  [VMDK_TEXT] = 90 };
    enum vmdk_magic magic;

    return vmdk_magic(&magic, in, err) < 0 ? -1 : claims[magic];
}

static int refuse_piece(const char *kind, struct vml_error *err)
{
    return vml_fail(err, VML_EUNSUPPORTED, "vmdk/subformat",
                    "is %s without its descriptor, the small text file beside it, which is what to "
                    "give",
                    kind);
}

static int vmdk_open(struct vml_reader **out, struct vml_input *in, struct vml_error *err)
{
    enum vmdk_magic magic;

    if (vmdk_magic(&magic, in, err) < 0)
        return -1;
    switch (magic) {
    case VMDK_SPARSE:
        return vml_input_can_seek(in) ? vmdk_sparse_open(out, in, false, err)
                                      : vmdk_stream_open(out, in, err);
    case VMDK_COWD:
        return refuse_piece("an ESX redo log (COWD, vmfsSparse)", err);
    case VMDK_SESPARSE:
        return refuse_piece("an ESX snapshot (seSparse)", err);
    case VMDK_TEXT:
        return vmdk_extents_open(out, in, err);
    case VMDK_NOTHING:
        break;
    }
    return vml_fail(err, VML_EDATA, "vmdk/magic", "not a VMDK: neither \"KDMV\" nor a descriptor");
}

static int vmdk_create(struct vml_writer **out, struct vml_output *o, const struct vml_create *c,
                       struct vml_error *err)
{
    if (strcmp(c->subformat, "streamOptimized") == 0)
        return vmdk_stream_create(out, o, c, err);
    return strcmp(c->subformat, "monolithicSparse") == 0 ? vmdk_sparse_create(out, o, c, err)
                                                         : vmdk_extents_create(out, o, c, err);
}

/* Table entries are 32-bit sector numbers, so no file passes 2 TiB.  How far a stream gets depends
 * on its data; the writer watches. */
static const struct vml_subformat subformats[] = {
    { "streamOptimized", VML_CAN_READ | VML_CAN_WRITE | VML_PIPE_READ | VML_PIPE_WRITE,
      VML_DISK_MAX, VMDK_GRAIN },
    { "monolithicSparse", VML_CAN_READ | VML_CAN_WRITE, UINT64_C(2) << 40, VMDK_GRAIN },
    { "monolithicFlat", VML_CAN_READ | VML_CAN_WRITE, VML_DISK_MAX, VMDK_SECTOR },
    { "twoGbMaxExtentSparse", VML_CAN_READ | VML_CAN_WRITE, VMDK_PIECES_MAX *VMDK_SPLIT,
      VMDK_GRAIN },
    { "twoGbMaxExtentFlat", VML_CAN_READ | VML_CAN_WRITE, VMDK_PIECES_MAX *VMDK_SPLIT,
      VMDK_SECTOR },
    { "vmfs", VML_CAN_READ | VML_CAN_WRITE, VML_DISK_MAX, VMDK_SECTOR },
    { "vmfsSparse", VML_CAN_READ, UINT64_C(2) << 40, 0 },
    { "seSparse", VML_CAN_READ, VML_DISK_MAX, 0 },
    { "custom", VML_CAN_READ, VML_DISK_MAX, 0 },
    { NULL, 0, 0, 0 },
};

static const struct vml_option options[] = {
    { "level", "deflate level of streamOptimized, 1 (fast) to 9 (a mixture of 1 and 2)" },
    { "adapter", "lsilogic, buslogic, ide or legacyESX (lsilogic)" },
    { "hwversion", "virtual hardware version (10)" },
    { "align", "round the disk's size up to a multiple of this (64K; of flat ones 512)" },
    { NULL, NULL },
};

const struct vml_format vml_format_vmdk = {
    .name = "vmdk",
    .summary = "VMware: streamOptimized, sparse, flat, split, vmfs; ESX's redo logs are read",
    .suffixes = "vmdk",
    .subformats = subformats,
    .options = options,
    .probe = vmdk_probe,
    .open = vmdk_open,
    .create = vmdk_create,
    .check = vmdk_check,
    .facts = vmdk_facts,
};
