/* What the files of the store share. */
#ifndef VMLIFT_STORE_INTERNAL_H
#define VMLIFT_STORE_INTERNAL_H

#include "catalog/rows.h"
#include "store/crypt.h"
#include "store/heap.h"
#include "vmlift/store.h"

#define VML_PACK_TARGET (256u << 20) /* a pack is sealed when it has reached this */
#define VML_DIGESTED    4u           /* blocks that are digested side by side (codec.h) */
#define VML_LEAF_BLOCKS 16384u       /* digests in a leaf: 512 KiB of them */
#define VML_LEAF_SPAN   ((uint64_t)VML_LEAF_BLOCKS * VML_BLOCK) /* 8 GiB */
#define VML_LEAVES_MAX  (VML_DISK_MAX / VML_LEAF_SPAN)

struct vml_store {
    char *dir, *catalog; /* the folder, and the catalog's path */
    char uuid[37];
    uint64_t catalog_dev, catalog_ino; /* of the file that db has open */
    struct vml_objects *packs;
    struct vml_db *db;
    bool spent;           /* the reserve was given up to open the catalog */
    uint64_t pack_target; /* VML_PACK_TARGET; tests make it small */
    struct vml_keyring keys;
    const char *shared_fs; /* NULL: none */
    bool shared_fs_allowed;
};

/* --- store.c -------------------------------------------------------------------------------- */

/* Waits for the store's lock; it is held until *fd is closed.  Each call has a lock of its own,
 * also in the same thread.  store/replaced: a rebuild has made another catalog since s was opened.
 */
int vml_store_lock(const struct vml_store *s, bool exclusive, int *fd, struct vml_error *err);
/* The store without its catalog, and its lock, exclusive; `format` is made anew where it is lost or
 * damaged. */
int vml_store_open_packs(struct vml_store **out, const char *dir, unsigned flags, int *lock,
                         struct vml_error *err);
void vml_close_fdp(int *fd); /* -1: nothing to close */
/* flock, which vml_interrupt ends. */
int vml_wait_lock(int fd, int how, const char *path, struct vml_error *err);
char *vml_in_folder(const char *dir, const char *name, struct vml_error *err); /* malloc'd path */
/* That path was made in its folder becomes durable. */
int vml_sync_above(const char *path, struct vml_error *err);

/* --- catalog_swap.c ------------------------------------------------------------------------- */

#define VML_CATALOG     "catalog.db"
#define VML_CATALOG_NEW VML_CATALOG ".new" /* one that a rebuild is making */

/* While it is held shared no other catalog takes the place of the one that is being opened. */
int vml_lock_opening(const struct vml_store *s, bool exclusive, int *fd, struct vml_error *err);
/* VML_CATALOG_NEW, which nobody has open, becomes the catalog at one stroke; under the store's
 * exclusive lock.  The old one gets the name `kept` ("": there was none).  catalog/busy: somebody
 * has been reading the old one for too long. */
int vml_catalog_swap(const struct vml_store *s, char kept[64], struct vml_error *err);
/* What a rebuild that was cut short has left is removed; under the store's exclusive lock.  *bytes
 * grows by what that frees. */
int vml_catalog_sweep(const struct vml_store *s, uint64_t *bytes, struct vml_error *err);

/* --- reserve.c ------------------------------------------------------------------------------ */

/* What the store takes beforehand, to be given up where the disk is full. */
void vml_reserve_make(const struct vml_store *s);
bool vml_reserve_spend(const struct vml_store *s); /* false: there was none */

/* --- shared_fs.c ---------------------------------------------------------------------------- */

/* The kind of file system of several machines that a folder is on, or would be; NULL: on none. */
const char *vml_shared_fs(const char *dir);
/* May the store be written to?  VML_EREFUSED store/shared-fs. */
int vml_store_check_shared(const struct vml_store *s, struct vml_error *err);

/* --- blocks.c: the catalog's rows of blocks ------------------------------------------------- */

struct vml_place {
    char pack[VML_KEY];
    struct vml_entry entry;
};
/* From a row of blocks ("SELECT *"), which is checked. */
int vml_place_row(struct vml_stmt *st, struct vml_place *p, struct vml_error *err);
int vml_place_put(struct vml_db *db, const char *pack, const struct vml_entry *e,
                  struct vml_error *err);
int vml_block_find(struct vml_db *db, const uint8_t address[32], struct vml_place *p, bool *found,
                   struct vml_error *err);
/* The bytes of a block, checked by XXH3, which is encrypted with cipher (NULL: not encrypted).
 * VML_EDATA store/block-missing, store/block-damaged. */
int vml_block_read(struct vml_store *s, struct vml_db *db, const struct vml_cipher *cipher,
                   const uint8_t address[32], void *buf, size_t raw, struct vml_error *err);
/* Has the catalog a row of this pack? */
int vml_pack_known(struct vml_db *db, const char *pack, bool *known, struct vml_error *err);

struct vml_addresses {
    uint8_t (*items)[32]; /* owned */
    size_t n, cap;
};
int vml_addresses_add(struct vml_addresses *list, const uint8_t address[32], struct vml_error *err);
void vml_addresses_sort(struct vml_addresses *list);
void vml_addresses_clear(struct vml_addresses *list);
/* The rows of a sealed pack, inside a SQL transaction.  Blocks that are known keep their place, but
 * for those in `bad` (sorted; may be NULL): what is stored of them is damaged, and their rows move
 * to this pack; *healed counts these. */
int vml_blocks_add(struct vml_db *db, const struct vml_pack *pack, const struct vml_addresses *bad,
                   uint64_t *healed, struct vml_error *err);
bool vml_is_hole(const uint8_t address[32]);

/* --- txn.c ---------------------------------------------------------------------------------- */

struct vml_store *vml_txn_store(struct vml_txn *t);
/* A transaction without the store's lock, which whoever calls it has to hold meanwhile; between
 * calls a gc may run, and what the transaction has stored must be pinned (pins.c). */
int vml_txn_begin_unlocked(struct vml_txn **out, struct vml_store *s, struct vml_error *err);
/* A frame as vml_frame_make makes it, unless the pack has it already. */
int vml_txn_frame(struct vml_txn *t, const uint8_t *frame, size_t len, struct vml_error *err);
/* Is a block with this address stored, and still what was written?  When it is damaged, or its pack
 * is gone, the frame that is appended next takes its place.  Any thread; scratch has room for a
 * frame of VML_FRAME_MAX bytes. */
int vml_txn_known(struct vml_txn *t, const uint8_t address[32], uint8_t *scratch, bool *known,
                  struct vml_error *err);
/* Is there a block with this address, in the store or in the pack that is being filled? */
int vml_txn_stored(struct vml_txn *t, const uint8_t address[32], bool *stored,
                   struct vml_error *err);
/* Digest, compress and append a block, unless it is known; *address gets its digest. */
int vml_txn_block(struct vml_txn *t, enum vml_frame_type type, const void *raw, size_t len,
                  uint8_t address[32], struct vml_error *err);
/* A snapshot whose tree is written: a row for the commit. */
int vml_txn_add_snapshot(struct vml_txn *t, const struct vml_snapshot *snap, struct vml_error *err);

/* --- pins.c: what uploads keep from gc ------------------------------------------------------- */

struct vml_pins;
/* Under the store's lock, which need not be held on: until it is freed, or its process has ended,
 * or the deadline (vml_pins_clock) has passed, gc takes for live what is added, and the tree of
 * parent (NULL: none).  id names the file. */
int vml_pins_create(struct vml_pins **out, const struct vml_store *s, const char *id,
                    const struct vml_snapshot *parent, uint64_t deadline, struct vml_error *err);
/* Under the store's lock; one thread at a time. */
int vml_pins_add(struct vml_pins *p, const uint8_t address[32], struct vml_error *err);
int vml_pins_renew(struct vml_pins *p, uint64_t deadline, struct vml_error *err);
void vml_pins_free(struct vml_pins *p); /* nothing is pinned any more */
void vml_pins_freep(struct vml_pins **p);
/* Seconds that go on while the machine sleeps, the same to all processes until it starts anew. */
uint64_t vml_pins_clock(void);
#define VML_PINS_FOREVER UINT64_MAX
/* Under the store's exclusive lock: all that is pinned, and what nobody needs any more is removed.
 * tree gets a snapshot of which no more than ID (the upload's), size and root are there. */
struct vml_pins_seen {
    vml_snapshot_fn *tree;
    int (*block)(void *arg, const uint8_t address[32], struct vml_error *err);
    void *arg;
};
int vml_pins_each(const struct vml_store *s, const struct vml_pins_seen *seen,
                  struct vml_error *err);

/* --- reader.c ------------------------------------------------------------------------------- */

/* The disk of a snapshot whose row is known, with the cipher of its key (NULL: it has none). */
int vml_snapshot_reader(struct vml_reader **out, struct vml_store *s,
                        const struct vml_snapshot *snap, const struct vml_cipher *cipher,
                        struct vml_error *err);
/* The cipher of a snapshot's key, for the store's user (NULL: it is not encrypted), and its
 * description. */
int vml_snapshot_cipher(struct vml_store *s, struct vml_snapshot *snap,
                        const struct vml_cipher **cipher, struct vml_error *err);

/* --- record.c ------------------------------------------------------------------------------- */

#define VML_RESERVED  "reserved"  /* counter: the highest number that a commit took */
#define VML_COMMITTED "committed" /* the highest one whose commit came to its end */
int vml_counter_get(struct vml_db *db, const char *name, int64_t *value, struct vml_error *err);
int vml_counter_set(struct vml_db *db, const char *name, int64_t value, struct vml_error *err);
/* Begins a SQL transaction that has a number of its own, higher than that of any other so far. */
int vml_commit_begin(struct vml_db *db, int64_t *seq, int64_t *after, struct vml_error *err);

/* The record of an object, from its rows; malloc'd. */
int vml_record_make(struct vml_db *db, const char *object, int64_t seq, int64_t after, char **text,
                    struct vml_error *err);
struct vml_record {
    char object[64];
    int64_t seq, after;
    bool gone;
    void *rows; /* JSON */
};
/* VML_EDATA store/record. */
int vml_record_parse(struct vml_record *out, const void *text, size_t len, struct vml_error *err);
/* Its rows into the catalog; once. */
int vml_record_load(struct vml_db *db, const struct vml_record *r, struct vml_error *err);
void vml_record_clear(struct vml_record *r);
/* The records in a pack.  VML_EDATA also where one of them is damaged. */
typedef int vml_record_fn(void *arg, const struct vml_entry *e, const struct vml_record *r,
                          struct vml_error *err);
int vml_pack_records(struct vml_store *s, const char *pack, vml_record_fn *fn, void *arg,
                     struct vml_error *err);

/* Have the packs that the catalog does not know a commit with a higher number than it has given?
 * Then it has lost commits: VML_EDATA catalog/behind.  (A leftover of a commit that failed has a
 * number that the catalog knows.)  Nobody may be writing, or what they do is passed over. */
int vml_catalog_behind(struct vml_store *s, struct vml_db *db, struct vml_error *err);

/* --- snapshot.c ----------------------------------------------------------------------------- */

/* As the public one, in a catalog of the caller's. */
int vml_snapshot_rows(struct vml_db *db, vml_snapshot_fn *fn, void *arg, struct vml_error *err);

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
/* Shows fn each block of a chunk of data, the disk's last one padded with zeroes, and its SHA-256;
 * of a block of zeroes, which is a hole, that is zeroes too. */
typedef int vml_grow_fn(void *arg, size_t i, const uint8_t *block, const uint8_t digest[32],
                        struct vml_error *err);
int vml_grow_each(const struct vml_chunk *c, vml_grow_fn *fn, void *arg, struct vml_error *err);
/* Leaf number `leaf` of the disk is one that is stored: ascending, as blocks are. */
int vml_grow_leaf(struct vml_grow *g, uint64_t leaf, const uint8_t digest[32],
                  struct vml_error *err);
/* Has a tree room for these bytes of the disk (of a pipe, which may not end)? */
int vml_grow_check(uint64_t off, uint64_t len, struct vml_error *err);

/* --- scan.c --------------------------------------------------------------------------------- */

/* A frame to be checked; tag is the caller's. */
struct vml_scan_item {
    char pack[VML_KEY];
    struct vml_entry entry;
    int tag;
};
struct vml_scan {
    /* More of them, malloc'd; none: that was all.  One call at a time, from any thread. */
    int (*next)(void *arg, struct vml_scan_item **items, size_t *n, struct vml_error *err);
    /* One that was checked, header, XXH3 and SHA-256; record has its bytes if it is a record, else
     * it is NULL; fault is VML_EDATA, or NULL when it is good.  In their order, one call at a time,
     * from any thread, beside next. */
    int (*done)(void *arg, const struct vml_scan_item *item, const void *record,
                const struct vml_error *fault, struct vml_error *err);
    void *arg;
    struct vml_checked_keys *keys; /* for encrypted frames; NULL: their XXH3 is all that is checked
                                    */
    bool quick;                    /* of all frames: header and XXH3, and record is NULL */
};
int vml_scan(const struct vml_scan *scan, struct vml_objects *packs, struct vml_error *err);

/* --- damage.c ------------------------------------------------------------------------------- */

struct vml_damage {
    struct vml_store *store;
    struct vml_db *db; /* a connection whose temporary tables are nobody else's */
    vml_fault_fn *fn;
    void *arg;
    uint64_t faults; /* told */
    /* the walk's */
    const char *object;
    bool in_leaf, leaf_bad;
    uint8_t leaf[32];
    struct {
        int64_t bad;
        uint64_t off, len;
    } hit;
};
int vml_damage_begin(struct vml_damage *d, struct vml_error *err);
/* A fault to be told at the end; of the block at address, or (NULL) of something else.  Any thread.
 */
int vml_damage_note(struct vml_damage *d, const uint8_t *address, const struct vml_error *fault,
                    struct vml_error *err);
/* A fault that is told at once. */
void vml_damage_say(struct vml_damage *d, const struct vml_error *fault);
/* All snapshots and records: what suffers from what was noted, and what else they lack. */
int vml_damage_walk(struct vml_damage *d, struct vml_error *err);
int vml_damage_tell(struct vml_damage *d, struct vml_error *err);

/* --- verify_keys.c -------------------------------------------------------------------------- */

/* The keys that there are, for a check that does without those that are not to be had. */
struct vml_checked_keys {
    struct vml_store *store;
    pthread_mutex_t lock;
    char (*closed)[37]; /* owned: tried, and in vain */
    size_t n_closed;
};
void vml_checked_keys_init(struct vml_checked_keys *k, struct vml_store *s);
void vml_checked_keys_clear(struct vml_checked_keys *k);
/* *out is NULL when the key is missing, damaged, or its passphrase is not known.  Any thread. */
int vml_checked_key(struct vml_checked_keys *k, const char *id, const struct vml_cipher **out,
                    struct vml_error *err);
/* Notes damaged key files, and rows of encrypted snapshots that are not what was sealed; *closed
 * counts those whose key is not to be had. */
int vml_damage_keys(struct vml_damage *d, struct vml_checked_keys *k, uint64_t *closed,
                    struct vml_error *err);

/* --- tree.c --------------------------------------------------------------------------------- */

/* Shows fn the root, each leaf and each data block of a tree, in the order of the disk, with the
 * bytes [off, off+len) that hang on it.  fn returns 1 to go into a root or leaf (or for data), 0 to
 * leave it aside, -1 to stop. */
typedef int vml_tree_fn(void *arg, enum vml_frame_type type, const uint8_t address[32],
                        uint64_t off, uint64_t len, struct vml_error *err);
int vml_tree_walk(struct vml_store *s, struct vml_db *db, const struct vml_snapshot *snap,
                  vml_tree_fn *fn, void *arg, struct vml_error *err);

#endif
