/* What the reader and the writer of VHD share.  Private to formats/vhd*.c.
 *
 *   fixed:    | the disk's bytes ...                                  | footer |
 *
 *   dynamic:  | footer | header  | BAT           | block | block | .. | footer |
 *             0        512       1536 (usually)  |
 *                                                '- bitmap (512) | data (2 MiB)
 *
 * Everything is big-endian.  The BAT holds one number for each block of the disk: the sector of the
 * block's bitmap, or all ones for a block that was never written.  Bit 7 of a bitmap's first byte
 * is the block's first sector; a sector whose bit is clear was never written either, whatever its
 * bytes are.  A differencing disk is a dynamic one in which what was never written is the parent's.
 *
 * Facts are from Microsoft's "Virtual Hard Disk Image Format Specification" 1.0; where files differ
 * from it, the comment says whose. */
#ifndef FORMATS_VHD_H
#define FORMATS_VHD_H

#include "vmlift/endian.h"
#include "vmlift/image.h"

#define VHD_SECTOR     512u
#define VHD_FOOTER     512u
#define VHD_FOOTER_SUM 64u /* where the checksum is, */
#define VHD_CREATOR    28u /* and who made the file */
#define VHD_HEADER     1024u
#define VHD_HEADER_SUM 36u
#define VHD_VERSION    0x00010000u
#define VHD_NO_OFFSET  UINT64_MAX
#define VHD_NO_BLOCK   UINT32_MAX
#define VHD_DYNAMIC_MAX                                                                \
    (UINT64_C(2040) << 30)           /* what Microsoft's and everybody's tools stop at \
                                      */
#define VHD_EPOCH INT64_C(946684800) /* 2000-01-01, from which it counts seconds */

#define VHD_CYLINDERS_MAX 65535u
#define VHD_HEADS_MAX     16u
#define VHD_SPT_MAX       255u

enum vhd_type { VHD_FIXED = 2, VHD_DYNAMIC = 3, VHD_DIFFERENCING = 4 };

struct vhd_footer {
    uint32_t version;
    uint64_t header_off; /* of the dynamic header; VHD_NO_OFFSET in a fixed disk */
    uint32_t time;
    char creator[4]; /* "win ", "vpc ", "qemu" ..: not NUL-terminated */
    uint64_t original_size, current_size;
    uint16_t cylinders;
    uint8_t heads, spt; /* sectors per track */
    uint32_t type;
    uint8_t uuid[16];
    bool saved; /* a suspended machine uses the disk */
};

struct vhd_header {
    uint64_t table_off;
    uint32_t version;
    uint32_t entries, block_size; /* of the BAT; bytes */
};

/* A file's own structures, and where they end: for the checks of what points into it. */
struct vhd_file {
    uint64_t size, footer_off; /* the footer that ends the file */
    struct vhd_footer footer;
    struct vhd_header header; /* not of a fixed disk */
    uint64_t disk_size;
};

/* The complement of the sum of all bytes but the four of the checksum itself, at `at`. */
static inline uint32_t vhd_sum(const uint8_t *p, size_t len, size_t at)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++)
        if (i - at >= 4)
            sum += p[i];
    return ~sum;
}

/* A bit for each sector of a block, in whole sectors. */
static inline uint32_t vhd_bitmap_size(uint32_t block_size)
{
    return (uint32_t)vml_round_up(vml_div_up(block_size / VHD_SECTOR, 8), VHD_SECTOR);
}

static inline bool vhd_overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
    return a < b + b_len && b < a + a_len;
}

/* vhd_parse.c, step by step, for the check: */
int vhd_parse_footer(struct vhd_footer *f, const uint8_t *p, uint64_t off, struct vml_error *err);
/* The footer that ends the file; *off is UINT64_MAX when there is none. */
int vhd_read_tail(struct vml_input *in, uint8_t p[VHD_FOOTER], uint64_t *off,
                  struct vml_error *err);
int vhd_check_size(const struct vhd_file *f, struct vml_error *err);
uint64_t vhd_disk_size(const struct vhd_footer *f, struct vml_notes *notes);
void vhd_note_room(const struct vhd_file *f, struct vml_notes *notes);
/* The dynamic header, and where the block table is. */
int vhd_read_header(struct vml_input *in, struct vhd_file *f, uint8_t p[VHD_HEADER],
                    struct vml_error *err);
int vhd_check_header(const struct vhd_file *f, struct vml_error *err);

/* vhd_facts.c */
int vml_vhd_facts(struct vml_input *in, struct vml_disk_facts *f, struct vml_error *err);

/* vhd_check.c */
int vml_vhd_check(struct vml_input *in, vml_finding *tell, void *arg, struct vml_error *err);

/* vhd_parse.c: all but the entries of the BAT, read and checked. */
int vml_vhd_parse(struct vhd_file *f, struct vml_input *in, struct vml_notes *notes,
                  struct vml_error *err);
int vml_vhd_probe(struct vml_input *in, struct vml_error *err);

/* vhd_parent.c: parent_name and parent_id of a differencing disk. */
int vml_vhd_parent(struct vml_reader *r, struct vml_input *in, const struct vhd_file *f,
                   struct vml_error *err);

/* vhd_write.c */
int vml_vhd_create(struct vml_writer **out, struct vml_output *o, const struct vml_create *c,
                   struct vml_error *err);

#endif
