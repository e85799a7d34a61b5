/* Disks: what a format must provide.  A format file includes headers of this folder and nothing
 * else.
 *
 *     reader.extent  ->  chunk  ->  worker: load, zero test, encode  ->  writer.put  ->
 * writer.finish serial, cheap               parallel, pure                        ordered or not
 * commit
 *
 * Everything that holds a disk is a reader, everything that takes one is a writer. */
#ifndef VMLIFT_IMAGE_H
#define VMLIFT_IMAGE_H

#include "vmlift/io.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VML_DISK_MAX (UINT64_C(64) << 40) /* the largest disk that vmlift takes: EBS's limit */

enum vml_kind {
    VML_DATA,
    VML_ZERO, /* reads as zeroes */
    VML_HOLE, /* never written here: zeroes too, unless an overlay reads a parent there */
};

/* One run of the disk, as the source stores it. */
struct vml_extent {
    uint64_t off, len;
    enum vml_kind kind;
    /* The reader's own: where the bytes are, and how many as stored (0: as many as len). */
    uint64_t at;
    uint32_t stored;
    /* Or the stored bytes themselves, malloc'd, when the source is a pipe; whoever called extent
     * owns them (vml_extent_clear). */
    void *payload;
    size_t payload_len;
};
void vml_extent_clear(struct vml_extent *x);

/* How a unit is stored, where each is stored by itself: what a reader and a writer that agree in
 * this and in the unit hand on as it is. */
enum vml_codec {
    VML_CODEC_NONE, /* not so, or not known */
    VML_CODEC_ZLIB, /* one zlib stream (RFC 1950) and nothing else */
};

struct vml_reader {
    const struct vml_reader_ops *ops;
    const char *format, *subformat; /* static: "vmdk", "streamOptimized" */
    char *name;                     /* of the object, for errors; set by core, freed by core */
    uint64_t size;                  /* of the disk in bytes; VML_SIZE_UNKNOWN for raw from a pipe */
    uint64_t stored_size;           /* of the file or member; VML_SIZE_UNKNOWN for a pipe */
    uint32_t unit;                  /* data is decoded in units of this many bytes: a power of two,
                                       at least 512; an extent of data starts at a multiple of it */
    enum vml_codec codec;           /* of each unit of data; needs fetch where it can seek */
    bool can_seek;                  /* extent takes any offset, from any thread */
    struct vml_notes notes;
    /* A child disk's HOLEs are to be read from its parent.  A format fills these in and does not
     * look for the parent itself (vml_image_open_chain does). */
    char *parent_name; /* what the child calls its parent, as a path beside it; NULL: no child */
    char parent_format[16]; /* the format that the child says its parent has, which is then not
                               probed; "" where it does not say, */
    bool parent_not_raw;    /* and then a parent that nothing but raw claims is not taken */
    char parent_id[40];     /* the ID that the parent must have, "" when the child does not say */
    char id[40];            /* this disk's own: a VMDK's CID, a VHD's UUID, in lowercase hex */
};

/* The reader passed in is the one that the format's open made. */
struct vml_reader_ops {
    /* The run that starts at off, which is below size: kind and len > 0, and with DATA where it is.
     * Runs are contiguous; a run may end early (the next call goes on there), never past size, and
     * a compressed DATA run is what is decoded as one, with a codec one unit.  can_seek: any off,
     * any thread.  Otherwise serial, off is where the last run ended.  Size unknown: len = 0 says
     * that the disk ended at off. */
    int (*extent)(struct vml_reader *r, uint64_t off, struct vml_extent *x, struct vml_error *err);
    /* Bytes [off, off+len) of the disk, inside the DATA extent x, decoded into buf.  Any thread.
     * With x->payload the bytes come from there.  Any part of a unit may be asked for. */
    int (*load)(struct vml_reader *r, const struct vml_extent *x, uint64_t off, size_t len,
                void *buf, struct vml_error *err);
    /* The stored bytes of the DATA extent x, which is of one unit, into x->payload, from where load
     * then takes them.  Any thread.  Only of a seekable reader with a codec; else NULL. */
    int (*fetch)(struct vml_reader *r, struct vml_extent *x, struct vml_error *err);
    /* After the last extent (may be NULL): a pipe is read to its end and what stands there is
     * checked (tables, footer), a file is asked whether it changed meanwhile (vml_input_unchanged).
     * The copy calls it before the writer's finish. */
    int (*end)(struct vml_reader *r, struct vml_error *err);
    void (*free)(struct vml_reader *r); /* r and its input; never fails */
};

/* A whole unit as the reader stores it. */
struct vml_stored {
    uint64_t off; /* of the unit in the disk */
    const void *bytes;
    size_t len;
};

/* What travels to a writer.  off is a multiple of the writer's unit, and so is len but at the
 * disk's end.  Chunks cover the disk from 0 to size without gap or overlap. */
struct vml_chunk {
    uint64_t off, len;
    enum vml_kind kind;  /* DATA: len is at most the copy's chunk size (vml_chunk_size), and not
                            all of it is zero; ZERO and HOLE may be of any length */
    const uint8_t *data; /* len bytes; NULL unless DATA */
    /* For encode only: units of this chunk, ascending, stored in the writer's codec.  They were
     * decoded into data, so they are known to be whole and right.  Others may be missing. */
    const struct vml_stored *stored;
    size_t n_stored;
    uint8_t *enc; /* for encode's result: the slot's own buffer, kept from chunk to chunk */
    size_t enc_len, enc_cap; /* (vml_chunk_reserve) */
    void *user;              /* encode may leave one word for put; not freed by anyone */
};
/* Make room for cap bytes at c->enc, whose old bytes may be lost. */
int vml_chunk_reserve(struct vml_chunk *c, size_t cap, struct vml_error *err);

struct vml_writer {
    const struct vml_writer_ops *ops;
    const char *format, *subformat;
    char *name;           /* for errors; set and freed by core */
    uint64_t size;        /* of the disk; VML_SIZE_UNKNOWN where create took that */
    uint32_t unit;        /* power of two, at least 512 */
    uint32_t batch;       /* encode is quickest with chunks of so many bytes, a power of two; 0: any
                             number will do */
    enum vml_codec codec; /* encode takes units that are stored like this as they are; NONE: it
                             looks at data alone */
    bool
        ordered; /* put sees chunks in ascending order, one at a time; else any order, any thread */
};

struct vml_writer_ops {
    /* Pure, parallel, DATA chunks only; may be NULL: deflate grains, digest a block. */
    int (*encode)(struct vml_writer *w, struct vml_chunk *c, struct vml_error *err);
    int (*put)(struct vml_writer *w, const struct vml_chunk *c, struct vml_error *err);
    /* Footer, tables, commit: durable when it returns (a store's writer: when its transaction is
     * committed).  size is the disk's, for those that did not know. */
    int (*finish)(struct vml_writer *w, uint64_t size, struct vml_error *err);
    void (*free)(struct vml_writer *w); /* w and its output; not finished: nothing is left behind */
};

/* --- formats -------------------------------------------------------------------------------- */

enum {
    VML_CAN_READ = 1,
    VML_CAN_WRITE = 2,
    VML_PIPE_READ = 4,  /* also front to back from a pipe */
    VML_PIPE_WRITE = 8, /* also to a pipe */
    VML_ANY_SIZE = 16,  /* written without knowing the disk's size beforehand */
};
struct vml_subformat {
    const char *name;
    unsigned can;
    uint64_t max;   /* largest disk it can hold, bytes */
    uint32_t align; /* disk sizes are rounded up to this when written (zeroes are added), bytes */
};
struct vml_option {
    const char *name, *help; /* "level", "deflate level 1..9 (1)" */
};

/* What a writer is to make.  size is exactly the disk's: core has rounded it to the subformat's
 * align and checked max, names and options before create is called. */
struct vml_create {
    uint64_t size;         /* VML_SIZE_UNKNOWN only for a subformat with VML_ANY_SIZE */
    const char *subformat; /* one of the row's, never NULL */
    const char *options;   /* "k=v,k=v" or NULL; see vml_create_option */
};
/* The value of option `name` in c->options, copied into buf; def when it is not given. */
const char *vml_create_option(const struct vml_create *c, const char *name, const char *def,
                              char buf[64]);

/* A finding of a check: slug as an error would have it, one line of text. */
enum vml_level { VML_NOTE, VML_WARNING, VML_FAULT };
typedef void vml_finding(void *arg, enum vml_level level, const char *slug, const char *text);

struct vml_package_ops; /* package.h */
struct vml_disk_facts;  /* facts.h */
struct vml_format {
    const char *name, *summary;
    const char *suffixes;                   /* "vhd vpc": chooses an output's format by its name */
    const struct vml_subformat *subformats; /* ends with a NULL name; the first that can be written
                                               is the default */
    const struct vml_option *options;       /* of create; ends with a NULL name; may be NULL */
    /* Is it this?  0 no .. 100 certain; reads by peek, and by pread where it can seek. -1: failed.
     * Content decides, never a name. */
    int (*probe)(struct vml_input *in, struct vml_error *err);
    /* Takes `in` over when it succeeds, and has it until free; the caller keeps it on failure. NULL
     * for packages. */
    int (*open)(struct vml_reader **out, struct vml_input *in, struct vml_error *err);
    int (*create)(struct vml_writer **out, struct vml_output *o, const struct vml_create *c,
                  struct vml_error *err);  /* takes `o` over likewise */
    const struct vml_package_ops *package; /* set for formats of several disks (OVA) */
    /* Looks at every table, bound, overlap, checksum, redundant copy and marker of `in`, which can
     * seek and stays the caller's, and tells each fault, not only the first.  -1 only when it could
     * not look.  NULL: there is nothing but bytes. */
    int (*check)(struct vml_input *in, vml_finding *tell, void *arg, struct vml_error *err);
    /* How `in`, which can seek and stays the caller's, was written: all from `format` on in *f,
     * whose fields are zero before.  NULL for packages, and where there is nothing but a size. */
    int (*facts)(struct vml_input *in, struct vml_disk_facts *f, struct vml_error *err);
};

/* formats/table.c: NULL-terminated, the one list.  Core never names it: it takes a table. */
extern const struct vml_format *const vml_formats[];
extern const struct vml_format vml_format_raw, vml_format_vmdk, vml_format_vhd, vml_format_vhdx,
    vml_format_qcow2, vml_format_ova, vml_format_ovf;

/* --- core ----------------------------------------------------------------------------------- */

/* The row called `name` (or with it among its suffixes); VML_EUNSUPPORTED image/format lists those
 * that exist. */
int vml_format_find(const struct vml_format **out, const struct vml_format *const *table,
                    const char *name, struct vml_error *err);
/* The row that claims `in` most.  raw only where nothing else does and no foreign magic is seen
 * (VDI, compressed data ...: VML_EUNSUPPORTED image/foreign names it); on a pipe raw
 * must be asked for, since a fixed VHD cannot be told from it (image/raw-pipe). */
int vml_image_probe(const struct vml_format **out, const struct vml_format *const *table,
                    struct vml_input *in, struct vml_error *err);
/* Opens a disk in the format called `format`, or (NULL) the probed one.  Takes `in` over, also on
 * failure. Errors carry the input's name.  An `in` that is compressed as a whole is read front to
 * back; the size of a raw disk in it is then counted by a pass of its own, on a pipe unknown. A
 * fixed VHD in it is VML_EUNSUPPORTED image/compressed. */
int vml_image_open(struct vml_reader **out, const struct vml_format *const *table,
                   struct vml_input *in, const char *format, struct vml_error *err);
/* Where parents may come from: the files named by the user, child first, then its parent's parent;
 * or, with follow, what each child names, beneath the child's own folder only. */
struct vml_parents {
    const char *const *files;
    size_t n_files;
    bool follow;
    bool alone; /* none at all: the child by itself, its HOLEs and all; to tell about it only */
};
/* The same for a child with its parents: a reader over all of them (core/overlay.c). vml_image_open
 * is this without any parents: a child is VML_EUNSUPPORTED image/parent, naming the missing file
 * and the options that give it.  VML_EDATA image/parent-id when IDs do not agree; VML_EUNSUPPORTED
 * image/parent-format for a raw parent where parent_not_raw is set;
 * VML_EDATA image/parent-loop beyond 64 generations; VML_EUSAGE image/parent-unused when files are
 * left over. */
int vml_image_open_chain(struct vml_reader **out, const struct vml_format *const *table,
                         struct vml_input *in, const char *format,
                         const struct vml_parents *parents, struct vml_error *err);
/* The same for a child whose parent is open already, whatever the child says of it: `parent`, which
 * must be seekable, is read wherever the child has a HOLE.  Takes both over, also on failure. */
int vml_image_open_over(struct vml_reader **out, const struct vml_format *const *table,
                        struct vml_input *in, const char *format, struct vml_reader *parent,
                        struct vml_error *err);
/* The writer for a disk of `size` bytes.  subformat and options may be NULL.  Takes `o` over, also
 * on failure.  Refuses an unknown subformat or option (VML_EUSAGE), a pipe where the subformat
 * needs to seek (image/needs-seek) and a disk that is too large (image/too-large). */
int vml_image_create(struct vml_writer **out, const struct vml_format *format, struct vml_output *o,
                     uint64_t size, const char *subformat, const char *options,
                     struct vml_error *err);
/* Bytes [off, off+len) of a seekable disk.  Any thread. */
int vml_pread(struct vml_reader *r, void *buf, size_t len, uint64_t off, struct vml_error *err);
/* The run at off as the reader tells it, checked against the contract above; core, not the formats,
 * calls ops->extent. */
int vml_extent_at(struct vml_reader *r, uint64_t off, struct vml_extent *x, struct vml_error *err);

void vml_reader_free(struct vml_reader *r);
void vml_reader_freep(struct vml_reader **r);
void vml_writer_free(struct vml_writer *w);
void vml_writer_freep(struct vml_writer **w);

/* Are all len bytes zero? */
bool vml_is_zero(const void *buf, size_t len);
/* Bytes to `at` of an output that can seek, for writers whose file is the disk: what is zero, in
 * steps of 4 KiB, stays a hole of a new file.  Any thread. */
int vml_write_sparse(struct vml_output *o, const void *buf, size_t len, uint64_t at,
                     struct vml_error *err);

#ifdef __cplusplus
}
#endif
#endif
