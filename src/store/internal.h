/* What the files of the store share. */
#ifndef VMLIFT_STORE_INTERNAL_H
#define VMLIFT_STORE_INTERNAL_H

#include "catalog/db.h"
#include "store/crypt.h"
#include "store/heap.h"
#include "vmlift/store.h"

#define VML_PACK_TARGET (256u << 20) /* a pack is sealed when it has reached this */
#define VML_LEAF_BLOCKS 16384u       /* digests in a leaf: 512 KiB of them */
#define VML_LEAF_SPAN   ((uint64_t)VML_LEAF_BLOCKS * VML_BLOCK) /* 8 GiB */
#define VML_LEAVES_MAX  (VML_DISK_MAX / VML_LEAF_SPAN)

struct vml_store {
    char *dir, *catalog; /* the folder, and the catalog's path */
    char uuid[37];
    struct vml_objects *packs;
    struct vml_db *db;
    uint64_t pack_target; /* VML_PACK_TARGET; tests make it small */
    struct vml_keyring keys;
};

/* --- store.c -------------------------------------------------------------------------------- */

/* Waits for the store's lock; it is held until *fd is closed.  Each call has a lock of its own,
 * also in the same thread. */
int vml_store_lock(const struct vml_store *s, bool exclusive, int *fd, struct vml_error *err);
void vml_close_fdp(int *fd); /* -1: nothing to close */
/* flock, which vml_interrupt ends. */
int vml_wait_lock(int fd, int how, const char *path, struct vml_error *err);
char *vml_in_folder(const char *dir, const char *name, struct vml_error *err); /* malloc'd path */
/* That path was made in its folder becomes durable. */
int vml_sync_above(const char *path, struct vml_error *err);
int vml_uuid_new(uint8_t raw[16], char out[37], struct vml_error *err);
void vml_uuid_print(char out[37], const uint8_t raw[16]);

/* --- blocks.c: the catalog's rows of blocks ------------------------------------------------- */

struct vml_place {
    char pack[VML_KEY];
    struct vml_entry entry;
};
/* From the columns address, pack, off, stored, raw, codec, type, in this order. */
int vml_place_row(struct vml_stmt *st, struct vml_place *p, struct vml_error *err);
#define VML_PLACE_COLUMNS "address, pack, off, stored, raw, codec, type"
int vml_block_find(struct vml_db *db, const uint8_t address[32], struct vml_place *p, bool *found,
                   struct vml_error *err);
/* The bytes of a block, checked by XXH3.  VML_EDATA store/block-missing, store/block-damaged. */
int vml_block_read(struct vml_store *s, struct vml_db *db, const uint8_t address[32], void *buf,
                   size_t raw, struct vml_error *err);
/* The rows of a sealed pack, inside a SQL transaction; blocks that are known keep their place. */
int vml_blocks_add(struct vml_db *db, const struct vml_pack *pack, struct vml_error *err);
bool vml_is_hole(const uint8_t address[32]);

/* --- txn.c ---------------------------------------------------------------------------------- */

struct vml_store *vml_txn_store(struct vml_txn *t);
/* A frame as vml_frame_make makes it, unless the pack has it already. */
int vml_txn_frame(struct vml_txn *t, const uint8_t *frame, size_t len, struct vml_error *err);
/* Digest, compress and append a block, unless it is known; *address gets its digest. */
int vml_txn_block(struct vml_txn *t, enum vml_frame_type type, const void *raw, size_t len,
                  uint8_t address[32], struct vml_error *err);
/* A snapshot whose tree is written: a row for the commit. */
int vml_txn_add_snapshot(struct vml_txn *t, const struct vml_snapshot *snap,
                         const uint8_t record[32], struct vml_error *err);

/* --- snapshot.c ----------------------------------------------------------------------------- */

/* The record of a snapshot as a frame holds it: the same bytes for the same snapshot; malloc'd. */
int vml_snapshot_record(const struct vml_snapshot *snap, char **text, struct vml_error *err);
/* As the public ones, in a catalog of the caller's.  record: the address of the record's frame, or
 * NULL where the row has none; until fn returns. */
typedef int vml_snapshot_row_fn(void *arg, const struct vml_snapshot *snap, const uint8_t *record,
                                struct vml_error *err);
int vml_snapshot_rows(struct vml_db *db, vml_snapshot_row_fn *fn, void *arg, struct vml_error *err);

/* --- grow.c --------------------------------------------------------------------------------- */

/* A node of a tree that is complete: its digest into address. */
typedef int vml_grow_node(void *arg, enum vml_frame_type type, const void *raw, size_t len,
                          uint8_t address[32], struct vml_error *err);
struct vml_grow {
    vml_grow_node *node;
    void *arg;
    uint8_t *root;        /* VML_LEAVES_MAX digests */
    uint8_t *leaf;        /* the one being filled */
    uint64_t leaf_number; /* in the root */
    bool leaf_used;
};
int vml_grow_begin(struct vml_grow *g, vml_grow_node *node, void *arg, struct vml_error *err);
/* Block number `number` of the disk has that digest: ascending, and only those that are no hole. */
int vml_grow_block(struct vml_grow *g, uint64_t number, const uint8_t digest[32],
                   struct vml_error *err);
int vml_grow_end(struct vml_grow *g, uint64_t size, uint8_t root[32], struct vml_error *err);
void vml_grow_clear(struct vml_grow *g); /* also after a begin that failed */
/* Shows fn each block of a chunk of data, the disk's last one padded with zeroes. */
typedef int vml_grow_fn(void *arg, size_t i, const uint8_t *block, struct vml_error *err);
int vml_grow_each(const struct vml_chunk *c, vml_grow_fn *fn, void *arg, struct vml_error *err);
/* Has a tree room for these bytes of the disk (of a pipe, which may not end)? */
int vml_grow_check(uint64_t off, uint64_t len, struct vml_error *err);

/* --- tree.c --------------------------------------------------------------------------------- */

/* Shows fn the root, each leaf and each data block of a tree, in the order of the disk, with the
 * bytes [off, off+len) that hang on it.  fn returns 1 to go into a root or leaf (or for data), 0 to
 * leave it aside, -1 to stop. */
typedef int vml_tree_fn(void *arg, enum vml_frame_type type, const uint8_t address[32],
                        uint64_t off, uint64_t len, struct vml_error *err);
int vml_tree_walk(struct vml_store *s, struct vml_db *db, const struct vml_snapshot *snap,
                  vml_tree_fn *fn, void *arg, struct vml_error *err);

#endif
