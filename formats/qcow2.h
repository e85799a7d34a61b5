/* QCOW2, QEMU's own, versions 2 and 3: docs/interop/qcow2.txt in QEMU's sources.  Big-endian.
 *
 *   0          cluster                     .. clusters anywhere, in any order ..         end
 *   | header | refcount table | refcount blocks | L1 table | L2 tables | data clusters |
 *      |  \_ extensions, name of the backing file: all in the first cluster
 *      |
 *      +--> L1 table --------> L2 table ------------> cluster of the disk
 *           u64: offset        u64: offset, bit 0: zeroes; or bit 62: a compressed cluster,
 *           0: none of them         which starts at any byte and shares its cluster with others
 *                              0: see the backing file
 *
 * Extended L2 entries are of 16 bytes: the second 8 have two bits for each 32nd of the cluster, "is
 * here" (low half) and "is zeroes" (high half), and then bit 0 of the first 8 means nothing.
 * Bit 63 of an entry says that nobody else uses what it points to: for writers.
 */
#ifndef QCOW2_H
#define QCOW2_H

#include "vmlift/endian.h"
#include "vmlift/image.h"

#define QCOW2_SUBCLUSTERS 32u
#define QCOW2_ENTRY_MAX   16u /* bytes of an L2 entry */

struct qcow2_header {
    uint32_t version, cluster; /* cluster: bytes */
    unsigned cluster_bits, refcount_order;
    uint64_t size, file_size;
    uint64_t l1_off, l1_entries; /* those that the table has: not fewer than the disk needs */
    uint64_t refcount_off, refcount_size;
    uint32_t snapshots;
    bool dirty, bitmaps, extended, zstd;
    uint32_t l2_entries, entry_size, sub; /* sub: bytes that one bit of an extended entry stands
                                             for; else the cluster's */
    char backing[1024];                   /* "" where there is none */
    char backing_format[16];              /* "" where it is not said */
};

/* An L2 entry. */
struct qcow2_entry {
    uint64_t at;         /* in the file; 0 where nothing is */
    uint32_t stored;     /* bytes to look for a compressed cluster in, at most; 0: it is not so */
    uint32_t here, zero; /* a bit for each subcluster; of others' entries all or none */
};

/* qcow2_parse.c: the header and all in its cluster, checked.  Only then are sizes and offsets of
 * tables inside the file. */
int qcow2_parse(struct qcow2_header *h, struct vml_input *in, struct vml_notes *notes,
                struct vml_error *err);
/* L1 entry i, at p: where its L2 table is; 0: there is none. */
int qcow2_l1_entry(const struct qcow2_header *h, uint64_t i, const uint8_t *p, uint64_t *table,
                   struct vml_error *err);
/* The L2 entry at p, which is that of the disk's n-th cluster; all that it says is in the file. */
int qcow2_l2_entry(const struct qcow2_header *h, uint64_t n, const uint8_t *p,
                   struct qcow2_entry *e, struct vml_error *err);

int qcow2_probe(struct vml_input *in, struct vml_error *err);
int qcow2_check(struct vml_input *in, vml_finding *tell, void *arg, struct vml_error *err);
int qcow2_facts(struct vml_input *in, struct vml_disk_facts *f, struct vml_error *err);

#endif
