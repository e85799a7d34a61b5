/* What of a snapshot EBS has acknowledged: the digest of each block, in a file.
 *
 *     0      "vmlift ledger 1\n", the snapshot's ID, its parent's, the number of its blocks
 *     4096   32 bytes for each block: its SHA-256, or zeroes: not put
 *
 * The file is as sparse as the disk.  A slot is written once its block was acknowledged: what a
 * kill or a power cut takes away is sent again, and what is there is compared with what would be
 * sent, so that a slot need not be trusted. */
#ifndef VMLIFT_AWS_LEDGER_H
#define VMLIFT_AWS_LEDGER_H

#include "vmlift/base.h"

struct ledger;
struct ledger_head {
    char snapshot[72], parent[72]; /* IDs; parent "": none */
    uint64_t blocks;
};
/* A new file, which must not be there yet; path NULL: one without a name, in /tmp. */
int ledger_create(struct ledger **out, const char *path, const struct ledger_head *head,
                  struct vml_error *err);
/* VML_ENOTFOUND io/not-found; VML_EDATA aws/ledger. */
int ledger_open(struct ledger **out, const char *path, struct vml_error *err);
void ledger_free(struct ledger *l);
void ledger_freep(struct ledger **l);
const struct ledger_head *ledger_head(const struct ledger *l);

/* Any thread.  get: zeroes where the block was not put, or lies beyond the last. */
int ledger_get(const struct ledger *l, uint64_t block, uint8_t digest[32], struct vml_error *err);
int ledger_put(struct ledger *l, uint64_t block, const uint8_t digest[32], struct vml_error *err);
/* The first block from `from` on, below `end`, that was put; `end` where there is none. */
int ledger_next(const struct ledger *l, uint64_t from, uint64_t end, uint64_t *block,
                struct vml_error *err);
/* Adds what `from` has and `to` has not. */
int ledger_add(struct ledger *to, const struct ledger *from, struct vml_error *err);
/* LINEAR: the SHA-256 of all digests in the order of the blocks; *count is how many they are. */
int ledger_sum(const struct ledger *l, uint8_t sum[32], uint64_t *count, struct vml_error *err);
/* What was put is on the disk. */
int ledger_sync(struct ledger *l, struct vml_error *err);

#endif
