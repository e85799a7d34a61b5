/* Packs of frames: what a block looks like at rest.  See heap.c for the layout. */
#ifndef VMLIFT_STORE_HEAP_H
#define VMLIFT_STORE_HEAP_H

#include "store/crypt.h"
#include "store/objects.h"

#define VML_FRAME_HEADER 64u
#define VML_FRAME_MAX    (512u << 10)                   /* raw bytes in a frame */
#define VML_FRAME_STORED (VML_FRAME_MAX + VML_ENVELOPE) /* and stored ones, without the header */
#define VML_PACK_HEADER  64u
#define VML_PACK_FOOTER  64u
#define VML_INDEX_ENTRY  48u

enum vml_frame_type {
    VML_FRAME_DATA = 1, /* a block of a disk */
    VML_FRAME_LEAF,     /* digests of 16384 blocks */
    VML_FRAME_ROOT,     /* digests of leaves */
    VML_FRAME_RECORD,   /* what the catalog says of a snapshot or an image, JSON */
};
/* The flag: these bytes are encrypted, in an envelope (crypt.h). */
enum vml_frame_codec { VML_CODEC_STORED, VML_CODEC_ZSTD, VML_CODEC_SEALED = 2 };

/* A frame in a pack. The type says what it was written for: a data block that happens to have the
 * bytes of a leaf has its address too, and is found under whichever came first. */
struct vml_entry {
    uint8_t address[32];
    uint32_t off, stored, raw;
    uint8_t type, codec;
};

/* --- frames --------------------------------------------------------------------------------- */

size_t vml_frame_bound(size_t raw);
/* Can there be such a frame?  For what comes from a file or a row. */
bool vml_entry_sound(const struct vml_entry *e);
/* The frame of len bytes whose address that is, at out (vml_frame_bound(len) bytes); encrypted with
 * cipher unless that is NULL. */
int vml_frame_make(enum vml_frame_type type, const struct vml_cipher *cipher,
                   const uint8_t address[32], const void *raw, size_t len, uint8_t *out,
                   size_t *out_len, struct vml_error *err);
/* Reads and checks the frame that stands where `e` says: header and payload, VML_FRAME_HEADER +
 * e->stored bytes.  VML_EDATA store/block-missing: the pack is not there; store/block-damaged. */
int vml_frame_fetch(struct vml_objects *packs, const char *pack, const struct vml_entry *e,
                    uint8_t *frame, struct vml_error *err);
/* The e->raw bytes in a frame that was fetched; an encrypted one is opened in place.  It must be
 * encrypted with cipher, or where that is NULL not at all. */
int vml_frame_expand(const char *pack, const struct vml_entry *e, const struct vml_cipher *cipher,
                     uint8_t *frame, void *raw, struct vml_error *err);
/* The key that a frame which was fetched is encrypted with; false: it is not. */
bool vml_frame_key(const struct vml_entry *e, const uint8_t *frame, char key_id[37]);
int vml_frame_damaged(struct vml_error *err, const char *pack, const struct vml_entry *e,
                      const char *why);

/* --- a pack being written: one thread at a time --------------------------------------------- */

struct vml_pack;
int vml_pack_create(struct vml_pack **out, struct vml_objects *packs, struct vml_error *err);
const char *vml_pack_id(const struct vml_pack *p);
bool vml_pack_has(const struct vml_pack *p, const uint8_t address[32]);
/* A complete frame; its address must not be in the pack yet. */
int vml_pack_append(struct vml_pack *p, const uint8_t *frame, size_t len, struct vml_error *err);
uint64_t vml_pack_bytes(const struct vml_pack *p); /* so far; once sealed, of the file */
bool vml_pack_crowded(const struct vml_pack *p);   /* its index takes no more */
const struct vml_entry *vml_pack_entries(const struct vml_pack *p, size_t *n);
/* What was appended reaches the disk, so that the seal need not wait for it. */
int vml_pack_flush(struct vml_pack *p, struct vml_error *err);
/* Index, footer; durable and under its name when it returns.  Only free may follow. */
int vml_pack_seal(struct vml_pack *p, struct vml_error *err);
void vml_pack_free(struct vml_pack *p); /* not sealed: nothing is left behind */
void vml_pack_freep(struct vml_pack **p);

/* --- a pack at rest ------------------------------------------------------------------------- */

/* Checks header, footer and index, and gives the index, ascending by off and without gaps;
 * malloc'd. VML_EDATA store/pack-missing, store/pack-damaged. */
int vml_pack_index(struct vml_objects *packs, const char *pack, struct vml_entry **entries,
                   size_t *n, struct vml_error *err);
/* The same from the frames' own headers, for a pack whose index cannot be read: as far as one
 * follows the other.  They are not checked. */
int vml_pack_salvage(struct vml_objects *packs, const char *pack, struct vml_entry **entries,
                     size_t *n, struct vml_error *err);

#endif
