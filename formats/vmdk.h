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

/* Is it one, if only one with a damaged magic?  That is then told, rather than its tables being
 * copied as part of a raw disk. */
bool vmdk_header_probe(const uint8_t *p, size_t len);
/* Checks everything that needs no other part of the file. */
int vmdk_header_parse(struct vmdk_header *h, const uint8_t p[VMDK_SECTOR], struct vml_error *err);
/* The part that follows from the disk's size, for writing. */
void vmdk_header_plan(struct vmdk_header *h, uint64_t size);
/* May a file that is being written end here?  Its tables point with 32 bits. */
int vmdk_header_reach(uint64_t end_sector, struct vml_error *err);
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

#define VMDK_PIECES_MAX 2048u

/* A line of the extent description: a piece of the disk, and where its bytes are. */
struct vmdk_piece {
    unsigned line;
    bool no_access;
    char type[16];   /* printable */
    uint64_t size;   /* bytes of the disk */
    uint64_t offset; /* bytes into the file */
    char *file;      /* as it stands there, no control characters; "" when there is none */
};
struct vmdk_desc {
    char create_type[32]; /* printable */
    char adapter[24];     /* ddb.adapterType, printable */
    char encoding[24];    /* of the names, printable; "" when it is not said */
    char cid[9];          /* eight hexadecimal digits */
    char parent_cid[9];   /* or "" when it is not said */
    char *hint;           /* parentFileNameHint, no control characters; NULL when there is none */
    struct vmdk_piece *pieces;
    size_t n_pieces;
    uint64_t size; /* the sum of theirs: no overflow, but it may be any */
    bool ended;    /* the disk data base (ddb.*) begins behind the last of them */
};
void vmdk_desc_clear(struct vmdk_desc *d);

/* A text descriptor starts like this, whatever file it stands in. */
bool vmdk_desc_probe(const void *text, size_t len);
bool vmdk_desc_empty(const char *text, size_t len);
/* *d is to be cleared, also on failure. */
int vmdk_desc_parse(struct vmdk_desc *d, const char *text, size_t len, struct vml_error *err);
/* The IDs, and the parent when there is one, into r, whose parent_name is then r's. */
int vmdk_desc_parent(const struct vmdk_desc *d, struct vml_reader *r, struct vml_error *err);
/* The descriptor inside a sparse file: is the disk what the header and its tables say?  r gets the
 * notes and the parent. */
int vmdk_desc_check(const char *text, size_t len, const struct vmdk_header *h, struct vml_reader *r,
                    struct vml_error *err);

/* --- vmdk_name.c ---------------------------------------------------------------------------- */

/* The name of a file in UTF-8, malloc'd: as it stands where the encoding is UTF-8 or not known, or
 * the name is not in it. */
int vmdk_name_utf8(char **out, const char *name, const char *encoding, struct vml_error *err);

/* --- vmdk_desc_print.c ----------------------------------------------------------------------- */

/* The text of a descriptor for one sparse extent into out (zero-padded by the caller). */
#define VMDK_DESC_SECTORS 20u
int vmdk_desc_print(char out[VMDK_DESC_SECTORS * VMDK_SECTOR], const struct vml_create *c,
                    const char *extent, struct vml_error *err);
/* Any descriptor, malloc'd. encoding and extents are whole lines, or "". */
int vmdk_desc_text(char **text, const struct vml_create *c, const char *encoding,
                   const char *extents, struct vml_error *err);
/* Can a descriptor have this name; and (opened) does a reader take it for a file beside it? */
int vmdk_desc_name(const char *name, bool opened, struct vml_error *err);

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

/* --- vmdk_delta.c: what ESX's two kinds of redo log share ------------------------------------ */

#define VMDK_DELTA_GTES 4096u /* entries of a table, in both */

struct vmdk_delta {
    uint64_t size;   /* of the disk, bytes */
    uint32_t grain;  /* bytes */
    unsigned width;  /* bytes of an entry, 4 or 8 */
    uint64_t gd;     /* where the directory is in the file, bytes */
    uint64_t tables; /* where the tables are */
    uint64_t tables_len;
    uint64_t grains; /* where the grains are */
    uint64_t grains_len;
    /* What an entry of the directory (of a table) says; *at is a place in the file, in bytes, not
     * checked yet; false: nothing that is known.  A directory's HOLE: no table. */
    bool (*table_at)(const struct vmdk_delta *d, uint64_t entry, enum vml_kind *kind, uint64_t *at);
    bool (*grain_at)(const struct vmdk_delta *d, uint64_t entry, enum vml_kind *kind, uint64_t *at);
};
/* The places in *d lie in the file, and nothing overflows. */
int vmdk_delta_open(struct vml_reader **out, struct vml_input *in, const struct vmdk_delta *d,
                    struct vml_error *err);

/* --- readers and writers --------------------------------------------------------------------- */

enum vmdk_magic { VMDK_NOTHING, VMDK_SPARSE, VMDK_COWD, VMDK_SESPARSE, VMDK_TEXT };
int vmdk_magic(enum vmdk_magic *magic, struct vml_input *in, struct vml_error *err);

/* piece: one of a disk whose descriptor is elsewhere. */
int vmdk_sparse_open(struct vml_reader **out, struct vml_input *in, bool piece,
                     struct vml_error *err);
int vmdk_stream_open(struct vml_reader **out, struct vml_input *in, struct vml_error *err);
int vmdk_cowd_open(struct vml_reader **out, struct vml_input *in, struct vml_error *err);
int vmdk_sesparse_open(struct vml_reader **out, struct vml_input *in, struct vml_error *err);
/* A descriptor in a file of its own. */
int vmdk_extents_open(struct vml_reader **out, struct vml_input *in, struct vml_error *err);
struct findings;
/* All that is wrong with it and its files. */
int vmdk_extents_check(struct vml_input *in, const struct findings *to, struct vml_error *err);
int vmdk_stream_create(struct vml_writer **out, struct vml_output *o, const struct vml_create *c,
                       struct vml_error *err);
int vmdk_sparse_create(struct vml_writer **out, struct vml_output *o, const struct vml_create *c,
                       struct vml_error *err);

/* vmdk_write_extents.c: a descriptor and the files it names. */
#define VMDK_SPLIT     (UINT64_C(2047) << 20) /* bytes of disk in a piece of twoGbMaxExtent* */
#define VMDK_FLAT_UNIT 4096u
int vmdk_extents_create(struct vml_writer **out, struct vml_output *o, const struct vml_create *c,
                        struct vml_error *err);

/* vmdk_write_sparse.c: a hosted sparse file that is being written, grains in ascending order. */
struct vmdk_sparse {
    struct vml_output *o; /* not owned */
    struct vmdk_header h;
    uint64_t end;   /* of the file, bytes */
    uint64_t table; /* the number of the one that is being filled */
    uint8_t entries[VMDK_GT_BYTES];
};
/* c: what its descriptor tells; NULL: it has none, being a piece of a disk. */
int vmdk_sparse_begin(struct vmdk_sparse *s, struct vml_output *o, uint64_t size,
                      const struct vml_create *c, struct vml_error *err);
/* A writer's encode: a byte in c->enc for each grain, 0 where all of it is zero.  Any thread. */
int vmdk_sparse_map(struct vml_writer *w, struct vml_chunk *c, struct vml_error *err);
/* off: in this file's disk, a multiple of VMDK_GRAIN; map: as made by vmdk_sparse_map. */
int vmdk_sparse_put(struct vmdk_sparse *s, uint64_t off, const uint8_t *data, size_t len,
                    const uint8_t *map, struct vml_error *err);
int vmdk_sparse_end(struct vmdk_sparse *s, struct vml_error *err); /* and then commit */

/* vmdk_facts.c */
int vmdk_facts(struct vml_input *in, struct vml_disk_facts *f, struct vml_error *err);
/* vmdk_check.c */
int vmdk_check(struct vml_input *in, vml_finding *tell, void *arg, struct vml_error *err);

#endif
