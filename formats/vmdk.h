/* What the files of the VMDK format share; nothing else includes it. */
#ifndef VMDK_H
#define VMDK_H

#include "vmlift/image.h"

#define VMDK_SECTOR    512u
#define VMDK_GTES      512u /* entries of a grain table: fixed by every known writer */
#define VMDK_GT_BYTES  (VMDK_GTES * 4u)
#define VMDK_GD_AT_END UINT64_MAX /* gdOffset: ask the footer */
#define VMDK_DESC_MAX  65536u     /* bytes of descriptor that are looked at */
#define VMDK_GRAIN     65536u     /* bytes; what vmlift writes, and nearly everyone else */

enum { /* header flags */
       VMDK_NEWLINE = 1u << 0,
       VMDK_RGD = 1u << 1,
       VMDK_ZERO_GTE = 1u << 2,
       VMDK_COMPRESSED = 1u << 16,
       VMDK_MARKERS = 1u << 17,
};
enum { VMDK_GTE_ZERO = 1 }; /* with VMDK_ZERO_GTE: the grain reads as zeroes */

/* --- vmdk_header.c -------------------------------------------------------------------------- */

struct vmdk_header {
    uint32_t version, flags;
    uint64_t size;  /* of the disk, bytes */
    uint32_t grain; /* bytes */
    uint64_t desc_sector, desc_sectors;
    uint64_t rgd_sector, gd_sector, overhead_sectors;
    bool dirty;
    uint64_t grains, tables; /* how many there are, from size and grain */
};

/* Checks everything that needs no other part of the file. */
int vmdk_header_parse(struct vmdk_header *h, const uint8_t p[VMDK_SECTOR], struct vml_error *err);
/* The part that follows from the disk's size, for writing. */
void vmdk_header_plan(struct vmdk_header *h, uint64_t size);
void vmdk_header_print(uint8_t p[VMDK_SECTOR], const struct vmdk_header *h);
/* A footer is the header over again; only gdOffset, which goes to h, and the dirty flag may differ.
 */
int vmdk_footer_parse(struct vmdk_header *h, const uint8_t header[VMDK_SECTOR],
                      const uint8_t footer[VMDK_SECTOR], struct vml_error *err);
static inline uint64_t vmdk_gd_sectors(const struct vmdk_header *h)
{
    return vml_div_up(h->tables * 4, VMDK_SECTOR);
}
static inline bool vmdk_has_rgd(const struct vmdk_header *h)
{
    return (h->flags & VMDK_RGD) != 0 && h->rgd_sector != 0 && h->rgd_sector != UINT64_MAX;
}

/* --- vmdk_desc.c ---------------------------------------------------------------------------- */

struct vmdk_desc {
    char create_type[32];
    char parent[128]; /* what it says of a parent, printable; "" when there is none */
    unsigned n_extents;
    uint64_t extent_sectors; /* their sum */
    char extent_type[16];    /* of the first */
    char extent_file[128];   /* of the first, printable; never opened */
};

/* A text descriptor starts like this, whatever file it stands in. */
bool vmdk_desc_probe(const void *text, size_t len);
int vmdk_desc_parse(struct vmdk_desc *d, const char *text, size_t len, struct vml_error *err);
/* The descriptor inside a sparse file: is the disk what the header and its tables say? */
int vmdk_desc_check(const char *text, size_t len, const struct vmdk_header *h,
                    struct vml_notes *notes, struct vml_error *err);
/* A descriptor alone: what it describes lies in other files; always fails. */
int vmdk_desc_refuse(const char *text, size_t len, struct vml_error *err);
/* The text of a descriptor for one sparse extent into out (zero-padded by the caller). */
#define VMDK_DESC_SECTORS 20u
int vmdk_desc_print(char out[VMDK_DESC_SECTORS * VMDK_SECTOR], const struct vml_create *c,
                    const char *extent, struct vml_error *err);

/* --- vmdk_grain.c --------------------------------------------------------------------------- */

enum { VMDK_EOS, VMDK_GT, VMDK_GD, VMDK_FOOTER, VMDK_PROGRESS }; /* marker types */
#define VMDK_MARKER 12u /* bytes of a grain's marker, in front of its data in the same sector */

struct vmdk_marker {
    uint64_t value; /* grain: its sector on the disk; else how many sectors follow */
    uint32_t size;  /* grain: bytes of the zlib stream; else 0 */
    uint32_t type;  /* where size is 0 */
};
struct vmdk_marker vmdk_marker_parse(const uint8_t *p); /* 16 bytes */
/* The marker of a grain: size and sector in bounds?  at: the marker's offset, for the message. */
int vmdk_marker_check(const struct vmdk_marker *m, const struct vmdk_header *h, uint64_t at,
                      struct vml_error *err);
/* Bytes [off, off+len) of the grain that starts at `start`, from its zlib stream.  Any thread. */
int vmdk_grain_inflate(const struct vmdk_header *h, uint64_t start, const void *in, size_t in_len,
                       uint64_t off, size_t len, void *buf, struct vml_error *err);

/* --- vmdk_sparse.c, vmdk_stream.c: readers; vmdk_write_*.c: writers ------------------ */

int vmdk_sparse_open(struct vml_reader **out, struct vml_input *in, struct vml_error *err);
int vmdk_stream_open(struct vml_reader **out, struct vml_input *in, struct vml_error *err);
int vmdk_stream_create(struct vml_writer **out, struct vml_output *o, const struct vml_create *c,
                       struct vml_error *err);
int vmdk_sparse_create(struct vml_writer **out, struct vml_output *o, const struct vml_create *c,
                       struct vml_error *err);

#endif
