/* What the parts of the reader of VHDX share.  Private to formats/vhdx*.c.
 *
 *   0    64K     128K    192K    256K         1M (all that follows: anywhere, in whole MiB)
 *   | id | header| header| region| region | .. | log | metadata | BAT | blocks ...
 *                          table   table
 *
 * Everything is little-endian.  Of the headers that are whole the one with the higher sequence
 * number counts; the region tables are copies of each other and say where metadata and BAT are.
 * The BAT has 64 bits for each block of the disk: bits 0-2 its state, bits 20-63 its offset in MiB.
 * After every chunk of blocks (2^23 sectors) stands one entry more, for a bitmap of the chunk's
 * sectors, which only a differencing disk has.  A header that names a log says that the writer did
 * not come to its end: what the log holds is to be written over the rest before it is read
 * (vhdx_log.c).
 *
 * Facts are from Microsoft's [MS-VHDX], "Virtual Hard Disk v2 (VHDX) File Format"; where files
 * differ from it, the comment says whose. */
#ifndef FORMATS_VHDX_H
#define FORMATS_VHDX_H

#include "vmlift/endian.h"
#include "vmlift/image.h"

#define VHDX_MIB        (UINT64_C(1) << 20)
#define VHDX_PAGE       4096u
#define VHDX_HEADERS    65536u  /* where the first header is, and how far the second one from it; */
#define VHDX_TABLES     196608u /* the first region table, */
#define VHDX_TABLE      65536u  /* its size, and that of the metadata's table */
#define VHDX_ENTRIES    2047u   /* how many entries such a table may have */
#define VHDX_BLOCK_MAX  (UINT32_C(256) << 20)
#define VHDX_BITMAP_MAX 65536u /* bytes of bitmap for one block */

enum vhdx_state {
    VHDX_NOT_PRESENT = 0,
    VHDX_UNDEFINED = 1,
    VHDX_ZERO = 2,
    VHDX_UNMAPPED = 3,
    VHDX_UNMAPPED_095 = 5, /* in drafts of the specification */
    VHDX_PRESENT = 6,      /* of a bitmap's entry too */
    VHDX_PARTIAL = 7,      /* sector by sector here or in the parent, as the bitmap says */
};

struct vhdx_header {
    uint64_t seq;
    uint8_t data_guid[16]; /* another one after each writing: what children know their parent by */
    uint8_t log_guid[16];  /* of the log's entries; all zero: the log is empty */
    uint16_t log_version, version;
    uint32_t log_len;
    uint64_t log_off;
};

struct vhdx_region {
    uint64_t off, len; /* bytes; len is 0 until it is found */
};

/* From the metadata. */
struct vhdx_params {
    uint32_t block_size, sector_size;
    bool leave_allocated, has_parent;
    uint64_t disk_size;
    uint64_t locator_off; /* of the parent locator in the file, with has_parent */
    uint32_t locator_len;
};

/* Bytes [off, off+len) of the file are others: zeroes (with data 0), or one page, whose middle is
 * in the log, at data. */
struct vhdx_patch {
    uint64_t off, len, data;
    uint8_t lead[8], trail[4];
};

struct vhdx_file {
    struct vml_input *in;
    uint64_t size; /* of the file as it is, */
    uint64_t end;  /* and as the log leaves it */
    struct vhdx_header header;
    struct vhdx_region bat, metadata;
    struct vhdx_params params;
    struct vhdx_patch *patches; /* in the order in which they are to be written */
    size_t n_patches, cap_patches;
};

/* What is told of a fault that need not end the reading: 0, or -1 with *err (which may be *fault)
 * to end it all the same. */
typedef int vhdx_fault(void *arg, const struct vml_error *fault, struct vml_error *err);

/* Is there room for len bytes at off, behind the first MiB and in front of the file's end? */
static inline bool vhdx_fits(const struct vhdx_file *f, uint64_t off, uint64_t len)
{
    return off >= VHDX_MIB && off <= f->end && len <= f->end - off;
}

/* vhdx_log.c */
/* Exactly len bytes at off, which lie before f->end, as the log leaves them.  Any thread. */
int vhdx_pread(const struct vhdx_file *f, void *buf, size_t len, uint64_t off,
               struct vml_error *err);
/* The log of f->header into f->patches and f->end, and a note of it. */
int vhdx_log_replay(struct vhdx_file *f, struct vml_notes *notes, struct vml_error *err);

/* vhdx_parse.c: all but the entries of the BAT, read and checked.  fault hears of a header or a
 * region table that is lost while its double is whole.  vhdx_clear also after a failure. */
int vhdx_parse(struct vhdx_file *f, struct vml_input *in, struct vml_notes *notes,
               vhdx_fault *fault, void *arg, struct vml_error *err);
void vhdx_clear(struct vhdx_file *f);
/* "2dc27766-f623-4200-9d64-115e9bfd4a08" */
void vhdx_guid_print(char text[40], const uint8_t guid[16]);

/* vhdx_bat.c: the block table through a window that moves along.  One thread at a time. */
struct vhdx_bat {
    const struct vhdx_file *f;
    uint64_t blocks, ratio;              /* of the disk; in a chunk */
    uint64_t entries;                    /* of the table, bitmaps' too */
    uint64_t window_first, window_count; /* entries in `window`, as stored */
    uint8_t *window;
};
int vhdx_bat_open(struct vhdx_bat *b, const struct vhdx_file *f, struct vml_error *err);
void vhdx_bat_clear(struct vhdx_bat *b);
int vhdx_bat_block(struct vhdx_bat *b, uint64_t block, uint64_t *entry, struct vml_error *err);
/* The entry of the bitmap for the chunk that `block` is in. */
int vhdx_bat_bitmap(struct vhdx_bat *b, uint64_t block, uint64_t *entry, struct vml_error *err);
/* The first block from `block` on that is not known to be absent by a hole of the file. */
int vhdx_bat_skip(struct vhdx_bat *b, uint64_t *block, struct vml_error *err);
/* Every entry: states, ranges, and that nothing shares bytes with anything. */
int vhdx_bat_check(struct vhdx_bat *b, vhdx_fault *fault, void *arg, struct vml_error *err);

static inline enum vhdx_state vhdx_state(uint64_t entry)
{
    return (enum vhdx_state)(entry & 7);
}
static inline uint64_t vhdx_offset(uint64_t entry)
{
    return entry & ~(VHDX_MIB - 1);
}

/* vhdx_parent.c: parent_name and parent_id of a differencing disk. */
int vhdx_parent(struct vml_reader *r, const struct vhdx_file *f, struct vml_error *err);

/* vhdx_check.c */
const char *vhdx_subformat(const struct vhdx_params *p);
int vml_vhdx_check(struct vml_input *in, vml_finding *tell, void *arg, struct vml_error *err);
int vml_vhdx_facts(struct vml_input *in, struct vml_disk_facts *facts, struct vml_error *err);

#endif
