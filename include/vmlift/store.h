/* Sparse, deduplicated snapshots in a folder.  To the copy they are one more reader and writer.
 *
 *     STORE/format          "vmlift store 1\n" and the store's UUID; flock: shared by who opens the
 *                           catalog, exclusive while a rebuild puts another in its place
 *     STORE/lock            flock: shared by writers, exclusive for gc; nothing in it
 *     STORE/queue           flock: held while one waits for `lock`, so that a gc gets its turn
 *     STORE/reserve         room that a full disk gets
 *     STORE/catalog.db      SQLite: packs, blocks, snapshots, images, tags
 *     STORE/packs/xx/ID.pack  immutable frames
 *     STORE/keys/ID.key     keys of encrypted snapshots (vmlift/key.h)
 *     STORE/uploads/ID.pins what unfinished uploads need (vmlift/upload.h)
 *
 * A store may be used by several processes; a struct vml_store by several threads. */
#ifndef VMLIFT_STORE_H
#define VMLIFT_STORE_H

#include "vmlift/copy.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VML_BLOCK (512u << 10) /* what EBS direct APIs use too */

struct vml_store;
struct vml_db; /* the catalog: src/catalog/db.h */

struct vml_snapshot {
    char id[32]; /* "snap-" and 17 hex digits */
    char owner[16], region[32];
    char *description;  /* owned; "" when there is none */
    uint64_t size;      /* of the disk, bytes */
    uint64_t data_size; /* bytes of the blocks that are not holes */
    int64_t created;    /* seconds since 1970 */
    int64_t seq;        /* the order in which snapshots were made; the store's */
    uint8_t root[32];   /* digest of the root block: with the size it names the content */
    char key[37];       /* the key it is encrypted with (vmlift/key.h); "" when it is not */
    uint8_t *sealed;    /* owned: its description, encrypted, in an encrypted snapshot's row */
    size_t sealed_len;
};
void vml_snapshot_clear(struct vml_snapshot *s);

#define VML_STORE_CREATE 1u /* make the folder and an empty store where there is none */
#define VML_STORE_SHARED_FS                                               \
    2u /* write also on a file system of several machines (NFS and so on) \
        */
/* flags: any of these.  VML_ENOTFOUND store/not-found, VML_EDATA store/format, VML_EUNSUPPORTED
 * store/version. Errors name the folder.  Whatever writes to a store on a file system that other
 * machines may share is VML_EREFUSED store/shared-fs unless that was allowed here. */
int vml_store_open(struct vml_store **out, const char *dir, unsigned flags, struct vml_error *err);
/* The kind of file system of several machines that the store is on; NULL: on none. */
const char *vml_store_shared_fs(const struct vml_store *s);
void vml_store_free(struct vml_store *s);
void vml_store_freep(struct vml_store **s);
struct vml_db *vml_store_db(struct vml_store *s); /* the store's own */

/* --- writing: one transaction, one commit --------------------------------------------------- */

struct vml_txn;
/* Holds the store's lock shared until it is freed.  One thread drives a transaction; the writers in
 * it are filled one after another. */
int vml_txn_begin(struct vml_txn **out, struct vml_store *s, struct vml_error *err);
/* A writer for a new snapshot.  what->owner, region, description, created and key are taken from
 * `what`; ID, size, data_size, root and sealed are filled in there by the writer's finish, so
 * `what` must live until then.  The writer must be freed before the transaction.  With a key: the
 * errors of vml_key_get, and key/passphrase. */
int vml_txn_snapshot(struct vml_txn *t, uint64_t size, struct vml_snapshot *what,
                     struct vml_writer **out, struct vml_error *err);
/* The disk of a snapshot that one of its writers has finished, seekable, before the commit: what
 * was a pipe can be looked at here.  It costs a pack of its own.  The reader must be freed before
 * the transaction. */
int vml_txn_reader(struct vml_txn *t, const struct vml_snapshot *snap, struct vml_reader **out,
                   struct vml_error *err);
/* Adds rows in the same SQL transaction; called by commit between begin and commit of the SQL. What
 * it changes of snapshots and images is recorded in the transaction's pack, too. */
typedef int vml_txn_also(void *arg, struct vml_db *db, struct vml_error *err);
/* Packs are durable and under their names, then one SQL transaction shows everything at once. */
int vml_txn_commit(struct vml_txn *t, vml_txn_also *also, void *arg, struct vml_error *err);
/* How many damaged or missing blocks of the store got a good copy, since what was written had them.
 */
uint64_t vml_txn_healed(const struct vml_txn *t);
void vml_txn_free(struct vml_txn *t); /* not committed: nothing is visible */
void vml_txn_freep(struct vml_txn **t);

/* --- reading -------------------------------------------------------------------------------- */

/* The disk of a snapshot, seekable.  A block that is missing or damaged is an error that names the
 * snapshot and the byte range (VML_EDATA store/block-missing, store/block-damaged), never zeroes.
 * snapshot/not-found.  Of an encrypted one also the errors of vml_key_get and key/passphrase, for
 * the store's user (vml_store_set_user).  The store must outlive the reader. */
int vml_snapshot_open(struct vml_reader **out, struct vml_store *s, const char *id,
                      struct vml_error *err);
int vml_snapshot_get(struct vml_store *s, const char *id, struct vml_snapshot *out,
                     struct vml_error *err);
/* An encrypted snapshot that was got has no description: this gives it one, for the store's user;
 * errors as of vml_snapshot_open.  Any other stays as it is. */
int vml_snapshot_reveal(struct vml_store *s, struct vml_snapshot *snap, struct vml_error *err);
/* Every snapshot, oldest first.  fn returns -1 to stop. */
typedef int vml_snapshot_fn(void *arg, const struct vml_snapshot *snap, struct vml_error *err);
int vml_snapshot_each(struct vml_store *s, vml_snapshot_fn *fn, void *arg, struct vml_error *err);
/* A new snapshot of the same content, as a part of a transaction, which shows it.  what->owner,
 * region, description (NULL: the source's), created and key ("": the source's) are taken from
 * `what`, to be cleared; the rest is filled in.  No bytes are copied unless the key is another one;
 * then c has the threads and progress.  The store's user must be able to use the key in
 * what->region, and the source's to read it; errors as of vml_snapshot_open and vml_txn_snapshot.
 * The transaction keeps gc from taking away what the source is made of from now on. */
int vml_txn_copy_snapshot(struct vml_txn *t, struct vml_store *s, const char *id,
                          struct vml_snapshot *what, struct vml_copy *c, struct vml_error *err);
/* Removes the row; gc frees the blocks.  VML_EREFUSED InvalidSnapshot.InUse while an image uses it,
 * naming the image; snapshot/not-found. */
int vml_snapshot_delete(struct vml_store *s, const char *id, struct vml_error *err);
/* The same as a part of a transaction: to be called inside a vml_txn_also.  A refusal has changed
 * nothing. */
int vml_snapshot_delete_also(struct vml_db *db, const char *id, struct vml_error *err);
/* The same, for who deletes many in one transaction and has begun with vml_snapshot_uses_check. */
int vml_snapshot_delete_next(struct vml_db *db, const char *id, struct vml_error *err);
/* Can it be known which image uses which snapshot?  catalog/corrupt: an image that is damaged might
 * use any. */
int vml_snapshot_uses_check(struct vml_db *db, struct vml_error *err);
/* 1: image gets the ID of the oldest registered image that uses it; 0: none does. */
int vml_snapshot_user(struct vml_db *db, const char *id, char image[32], struct vml_error *err);

/* The byte ranges in which two disks differ, ascending: runs of blocks, the last one cut at the end
 * of the larger disk.  Of disks of unequal size the rest of the larger must be holes to be equal.
 * Only trees are read, and of these only what differs; no key is needed.  fn returns -1 to stop.
 * snapshot/not-found; VML_EREFUSED snapshot/keys: not encrypted with the same key, so that equal
 * blocks do not have equal digests. */
typedef int vml_diff_fn(void *arg, uint64_t off, uint64_t len, struct vml_error *err);
int vml_snapshot_diff(struct vml_store *s, const char *a, const char *b, vml_diff_fn *fn, void *arg,
                      struct vml_error *err);

/* The root that a snapshot of this disk has, without a store.  r is read once, front to back. */
int vml_tree_hash(struct vml_reader *r, struct vml_copy *c, uint8_t root[32],
                  struct vml_error *err);

/* --- upkeep --------------------------------------------------------------------------------- */

struct vml_store_stats {
    uint64_t snapshots, images, packs, blocks; /* counts */
    uint64_t logical;                          /* bytes of the snapshots' disks */
    uint64_t data;                             /* of their blocks that are not holes */
    uint64_t data_blocks; /* the same, each block counted whole, the last too */
    uint64_t stored;      /* of the packs' files */
};
int vml_store_stats(struct vml_store *s, struct vml_store_stats *out, struct vml_error *err);

struct vml_usage {
    uint64_t unique;     /* bytes of the distinct blocks that snapshots use, unpacked */
    uint64_t compressed; /* of the same, as they are stored */
    uint64_t garbage;    /* of the packs' files: what no snapshot or record uses */
};
struct vml_used {
    bool image;            /* or a snapshot */
    const char *id, *name; /* until fn returns; of a snapshot "" */
    uint64_t size, data;   /* of its disk or disks, and of their blocks that are not holes */
    uint64_t own;          /* stored bytes of what nothing else uses: what a gc would free when the
                              snapshot were deleted, or the image with those of its snapshots that
                              no other image uses */
};
/* Walks the distinct nodes of all trees.  fn (may be NULL) is told of every registered image, then
 * of every snapshot, oldest first, and returns -1 to stop.  Waits for a gc; an import or upload
 * that is under way counts as garbage. */
typedef int vml_usage_fn(void *arg, const struct vml_used *used, struct vml_error *err);
int vml_store_usage(struct vml_store *s, struct vml_usage *out, vml_usage_fn *fn, void *arg,
                    struct vml_error *err);

/* Something that is wrong, and one thing that suffers from it. */
struct vml_fault {
    const char *slug, *text; /* what, and where */
    bool more;               /* the fault that was told last; another thing suffers from it, too */
    const char *object;      /* the snapshot (or image), or NULL: nothing that has a name */
    uint64_t off, len;       /* which bytes of the snapshot's disk; len 0: its record */
    const struct vml_fault_image {
        char id[32];
        char name[132];
    } * images; /* the registered images that use the snapshot */
    size_t n_images;
};
/* Valid until fn returns. */
typedef void vml_fault_fn(void *arg, const struct vml_fault *fault);
/* Checks the catalog, reads every frame of every pack (XXH3 of the frame, SHA-256 of the block, on
 * all CPUs) and walks every tree.  quick: without the SHA-256, and so without unpacking; every bit
 * that has changed since it was written is found all the same, but neither what was wrong when it
 * was written nor what somebody changed who made new sums.
 * fn is told each fault, once for each thing that suffers; *out counts the faults.  Keys are used
 * that need no passphrase or whose passphrase the user gives.  -1 only when the check itself could
 * not be done.  progress is called from any thread, one call at a time, in bytes of packs. */
struct vml_verified {
    uint64_t faults;
    uint64_t
        ciphertext; /* encrypted snapshots of which only that was checked, without their keys */
};
int vml_store_verify(struct vml_store *s, bool quick, vml_fault_fn *fn, void *arg,
                     void (*progress)(void *arg, uint64_t done, uint64_t total),
                     struct vml_verified *out, struct vml_error *err);

struct vml_rebuilt {
    uint64_t packs, blocks, snapshots, images; /* what the new catalog holds */
    uint64_t faults;
    char kept[64]; /* the name of the old catalog in the store's folder, "" when there was none */
};
/* Makes a new catalog from the packs alone, whatever has become of the old one, which is kept
 * beside it.  Reads all packs, waits for everyone who writes, and keeps them waiting.  fn is told
 * what is damaged, as by vml_store_verify; what is damaged is left out, but a snapshot whose record
 * is good is registered, and its damaged bytes are errors when they are read.  Everybody who has
 * the store open must open it again (store/replaced).  flags: VML_STORE_SHARED_FS. */
int vml_store_rebuild(const char *dir, unsigned flags, vml_fault_fn *fn, void *arg,
                      void (*progress)(void *arg, uint64_t done, uint64_t total),
                      struct vml_rebuilt *out, struct vml_error *err);

struct vml_collected {
    uint64_t blocks, packs, bytes; /* blocks dropped, packs removed or rewritten, bytes freed */
};
/* Frees what no snapshot uses, and no upload.  Waits for running transactions; new ones wait for
 * it.  A catalog that is damaged, or behind the packs, says nothing about what is in use:
 * catalog/corrupt, catalog/behind. */
int vml_store_collect(struct vml_store *s, struct vml_collected *out, struct vml_error *err);

#ifdef __cplusplus
}
#endif
#endif
