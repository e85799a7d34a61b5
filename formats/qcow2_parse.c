/* QCOW2: the header, its extensions, and what an entry of a table means.  The layout is drawn in
 * qcow2.h. */
#include <string.h>

#include "qcow2.h"

#define MAGIC "QFI\xfb"

#define HEADER_2     72u  /* bytes of version 2's header, */
#define HEADER_3     104u /* and of version 3's at least; */
#define HEADER_KNOWN 112u /* with the field behind it that this code knows */

#define L1_MAX        (32u << 20) /* bytes of a table: QEMU's limits, which no writer exceeds */
#define REFCOUNTS_MAX (8u << 20)
#define NAME_MAX_LEN  1023u

enum { CLUSTER_BITS_MIN = 9, CLUSTER_BITS_EXTENDED = 14, CLUSTER_BITS_MAX = 21 };

/* incompatible features */
enum { DIRTY = 1, CORRUPT = 2, DATA_FILE = 4, COMPRESSION = 8, EXTENDED = 16, ALL_KNOWN = 31 };
enum { ZLIB = 0, ZSTD = 1 };

/* header extensions */
#define EXT_END            0u
#define EXT_BACKING_FORMAT 0xe2792acau
#define EXT_BITMAPS        0x23852875u

#define OFFSET_MASK UINT64_C(0x00fffffffffffe00)
#define COPIED      (UINT64_C(1) << 63)
#define COMPRESSED  (UINT64_C(1) << 62)
#define ALL_ZERO    UINT64_C(1)

/* Version 1 is another format, which refuses itself by its name (image/foreign). */
int qcow2_probe(struct vml_input *in, struct vml_error *err)
{
    const void *head;
    size_t have;

    if (vml_input_peek(in, 8, &head, &have, err) < 0)
        return -1;
    if (have < 4 || memcmp(head, MAGIC, 4) != 0)
        return 0;
    return have >= 8 && be32((const uint8_t *)head + 4) == 1 ? 0 : 100;
}

/* [at, at+len) in a file of `size` bytes? */
static bool inside(uint64_t at, uint64_t len, uint64_t size)
{
    return at <= size && len <= size - at;
}

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
    return a < b + b_len && b < a + a_len;
}

/* --- the header ----------------------------------------------------------------------------- */

static int check_features(struct qcow2_header *h, const uint8_t *p, struct vml_error *err)
{
    uint64_t bits = be64(p + 72), unknown = bits & ~(uint64_t)ALL_KNOWN;
    unsigned type = p[104], bit = 0;

    while (unknown != 0 && (unknown >> bit & 1) == 0)
        bit++;
    if (unknown != 0)
        return vml_fail(err, VML_EUNSUPPORTED, "qcow2/feature",
                        "needs the incompatible feature of bit %u, which is not known here", bit);
    if ((bits & CORRUPT) != 0)
        return vml_fail(err, VML_EDATA, "qcow2/corrupt",
                        "is marked as corrupt by the program that wrote it last");
    if ((bits & DATA_FILE) != 0)
        return vml_fail(err, VML_EUNSUPPORTED, "qcow2/data-file",
                        "keeps its data in another file; qemu-img convert makes it one");
    if (type != ((bits & COMPRESSION) != 0 ? ZSTD : ZLIB))
        return vml_fail(err, VML_EUNSUPPORTED, "qcow2/compression-type",
                        "compression type %u, and the feature bit for it is %s; 0 (zlib) without "
                        "it and 1 (zstd) with it are read",
                        type, (bits & COMPRESSION) != 0 ? "set" : "not set");
    h->dirty = (bits & DIRTY) != 0;
    h->zstd = type == ZSTD;
    h->extended = (bits & EXTENDED) != 0;
    return 0;
}

static int check_clusters(struct qcow2_header *h, struct vml_error *err)
{
    unsigned least = h->extended ? CLUSTER_BITS_EXTENDED : CLUSTER_BITS_MIN;

    if (h->cluster_bits < least || h->cluster_bits > CLUSTER_BITS_MAX)
        return vml_fail(err, VML_EDATA, "qcow2/cluster-size",
                        "clusters of 2^%u bytes; from 2^%u to 2^%u", h->cluster_bits, least,
                        (unsigned)CLUSTER_BITS_MAX);
    h->cluster = 1u << h->cluster_bits;
    h->entry_size = h->extended ? 16 : 8;
    h->l2_entries = h->cluster / h->entry_size;
    h->sub = h->extended ? h->cluster / QCOW2_SUBCLUSTERS : h->cluster;
    return 0;
}

static int check_table(const struct qcow2_header *h, const char *what, const char *slug,
                       uint64_t at, uint64_t len, struct vml_error *err)
{
    if (at < h->cluster || at % h->cluster != 0 || !inside(at, len, h->file_size))
        return vml_fail(err, VML_EDATA, slug,
                        "the %s of %llu bytes is said to be at offset %llu; it starts with a "
                        "cluster of %u bytes, not the first, and ends before %llu",
                        what, (unsigned long long)len, (unsigned long long)at, h->cluster,
                        (unsigned long long)h->file_size);
    return 0;
}

static int check_tables(const struct qcow2_header *h, struct vml_error *err)
{
    uint64_t clusters, want;

    if (h->size > VML_DISK_MAX)
        return vml_fail(err, VML_EDATA, "qcow2/size", "a disk of %llu bytes; at most %llu",
                        (unsigned long long)h->size, (unsigned long long)VML_DISK_MAX);
    clusters = vml_div_up(h->size, h->cluster);
    want = vml_div_up(clusters, h->l2_entries);
    if (h->l1_entries < want || h->l1_entries > L1_MAX / 8)
        return vml_fail(err, VML_EDATA, "qcow2/l1-size",
                        "the L1 table has %llu entries; from %llu, for a disk of %llu bytes, to %u",
                        (unsigned long long)h->l1_entries, (unsigned long long)want,
                        (unsigned long long)h->size, L1_MAX / 8);
    if (h->refcount_size > REFCOUNTS_MAX)
        return vml_fail(err, VML_EDATA, "qcow2/refcount-table",
                        "the refcount table has %llu bytes; at most %u",
                        (unsigned long long)h->refcount_size, REFCOUNTS_MAX);
    if (h->l1_entries > 0 &&
        check_table(h, "L1 table", "qcow2/l1-range", h->l1_off, h->l1_entries * 8, err) < 0)
        return -1;
    if (check_table(h, "refcount table", "qcow2/refcount-table", h->refcount_off, h->refcount_size,
                    err) < 0)
        return -1;
    if (overlap(h->l1_off, h->l1_entries * 8, h->refcount_off, h->refcount_size))
        return vml_fail(err, VML_EDATA, "qcow2/l1-range",
                        "the L1 table at offset %llu shares bytes with the refcount table at %llu",
                        (unsigned long long)h->l1_off, (unsigned long long)h->refcount_off);
    return 0;
}

/* What stands between the header and the backing file's name.  What is unknown here may be passed
 * over, says the document. */
static int read_extensions(struct qcow2_header *h, struct vml_input *in, uint64_t at, uint64_t end,
                           struct vml_error *err)
{
    uint8_t p[8];

    while (end > at && end - at >= sizeof p) {
        uint32_t type, len;

        if (vml_input_pread(in, p, sizeof p, at, err) < 0)
            return -1;
        type = be32(p);
        len = be32(p + 4);
        if (type == EXT_END)
            return 0;
        at += sizeof p;
        if (len > end - at)
            return vml_fail(err, VML_EDATA, "qcow2/extension",
                            "the header extension %08x has %u bytes at offset %llu; all of them "
                            "end before %llu",
                            type, len, (unsigned long long)at, (unsigned long long)end);
        if (type == EXT_BACKING_FORMAT) {
            if (len >= sizeof h->backing_format)
                return vml_fail(err, VML_EDATA, "qcow2/backing-format",
                                "the backing file's format has a name of %u bytes; at most %zu",
                                len, sizeof h->backing_format - 1);
            if (vml_input_pread(in, h->backing_format, len, at, err) < 0)
                return -1;
            h->backing_format[len] = '\0';
        } else if (type == EXT_BITMAPS) {
            h->bitmaps = true;
        }
        at += vml_round_up(len, 8);
    }
    return 0;
}

static int read_backing(struct qcow2_header *h, struct vml_input *in, uint64_t at, uint32_t len,
                        uint32_t header_len, struct vml_error *err)
{
    uint64_t end = vml_min_u64(h->cluster, h->file_size);

    if (at < header_len || len == 0 || len > NAME_MAX_LEN || !inside(at, len, end))
        return vml_fail(err, VML_EDATA, "qcow2/backing-name",
                        "the backing file's name is said to have %u bytes at offset %llu; it has "
                        "from 1 to %u, between %u and %llu",
                        len, (unsigned long long)at, NAME_MAX_LEN, header_len,
                        (unsigned long long)end);
    if (vml_input_pread(in, h->backing, len, at, err) < 0)
        return -1;
    h->backing[len] = '\0';
    if (strlen(h->backing) != len)
        return vml_fail(err, VML_EDATA, "qcow2/backing-name",
                        "the backing file's name of %u bytes at offset %llu holds a zero byte", len,
                        (unsigned long long)at);
    return 0;
}

static int check_header_3(struct qcow2_header *h, const uint8_t *p, uint32_t *header_len,
                          struct vml_error *err)
{
    h->refcount_order = be32(p + 96);
    *header_len = be32(p + 100);
    if (*header_len < HEADER_3 || *header_len % 8 != 0)
        return vml_fail(err, VML_EDATA, "qcow2/header-length",
                        "the header has %u bytes; a multiple of 8, not below %u", *header_len,
                        HEADER_3);
    if (h->refcount_order > 6)
        return vml_fail(err, VML_EDATA, "qcow2/refcount-order",
                        "reference counts of 2^%u bits; at most 2^6", h->refcount_order);
    return 0;
}

static void add_notes(const struct qcow2_header *h, struct vml_notes *notes)
{
    if (h->dirty)
        vml_note(notes, "qcow2/dirty",
                 "was not closed: its reference counts may be wrong, which reading does not need");
    if (h->snapshots > 0)
        vml_note(notes, "qcow2/snapshots",
                 "holds %u internal snapshots, which are left out: the disk as it is now is read",
                 h->snapshots);
}

int qcow2_parse(struct qcow2_header *h, struct vml_input *in, struct vml_notes *notes,
                struct vml_error *err)
{
    uint8_t p[HEADER_KNOWN] = { 0 };
    uint32_t header_len = HEADER_2;
    uint64_t name_at, end;

    *h = (struct qcow2_header){ .file_size = vml_input_size(in), .refcount_order = 4 };
    if (vml_input_pread(in, p, HEADER_2, 0, err) < 0)
        return -1;
    if (memcmp(p, MAGIC, 4) != 0)
        return vml_fail(err, VML_EDATA, "qcow2/magic", "does not begin with \"QFI\" and byte fb");
    h->version = be32(p + 4);
    if (h->version != 2 && h->version != 3)
        return vml_fail(err, VML_EUNSUPPORTED, "qcow2/version", "version %u, not 2 or 3",
                        h->version);
    if (h->version == 3) {
        if (vml_input_pread(in, p + HEADER_2, HEADER_3 - HEADER_2, HEADER_2, err) < 0 ||
            check_header_3(h, p, &header_len, err) < 0)
            return -1;
        if (header_len >= HEADER_KNOWN &&
            vml_input_pread(in, p + HEADER_3, HEADER_KNOWN - HEADER_3, HEADER_3, err) < 0)
            return -1;
        if (check_features(h, p, err) < 0)
            return -1;
    }
    name_at = be64(p + 8);
    h->cluster_bits = be32(p + 20);
    h->size = be64(p + 24);
    h->l1_entries = be32(p + 36);
    h->l1_off = be64(p + 40);
    h->refcount_off = be64(p + 48);
    h->snapshots = be32(p + 60);
    if (be32(p + 32) != 0)
        return vml_fail(err, VML_EUNSUPPORTED, "qcow2/encrypted",
                        "is encrypted (method %u); qemu-img convert decrypts it", be32(p + 32));
    if (check_clusters(h, err) < 0)
        return -1;
    h->refcount_size = (uint64_t)be32(p + 56) << h->cluster_bits;
    if (header_len > h->cluster)
        return vml_fail(err, VML_EDATA, "qcow2/header-length",
                        "the header has %u bytes, and its cluster %u", header_len, h->cluster);
    if (check_tables(h, err) < 0 ||
        (name_at != 0 && read_backing(h, in, name_at, be32(p + 16), header_len, err) < 0))
        return -1;
    end = name_at != 0 ? name_at : vml_min_u64(h->cluster, h->file_size);
    if (read_extensions(h, in, header_len, end, err) < 0)
        return -1;
    add_notes(h, notes);
    return 0;
}

/* --- entries -------------------------------------------------------------------------------- */

/* Where nothing of the disk can be, nor a table of it. */
static bool is_taken(const struct qcow2_header *h, uint64_t at, uint64_t len)
{
    return at < h->cluster || overlap(at, len, h->l1_off, h->l1_entries * 8) ||
           overlap(at, len, h->refcount_off, h->refcount_size);
}

int qcow2_l1_entry(const struct qcow2_header *h, uint64_t i, const uint8_t *p, uint64_t *table,
                   struct vml_error *err)
{
    uint64_t entry = be64(p), at = entry & OFFSET_MASK;

    *table = 0;
    if (entry == 0)
        return 0;
    if ((entry & ~(OFFSET_MASK | COPIED)) != 0 || at % h->cluster != 0)
        return vml_fail(err, VML_EDATA, "qcow2/l1-entry",
                        "entry %llu of the L1 table is %016llx: bits are set that mean nothing",
                        (unsigned long long)i, (unsigned long long)entry);
    if (!inside(at, h->cluster, h->file_size))
        return vml_fail(err, VML_EDATA, "qcow2/l2-range",
                        "L2 table %llu is said to be at offset %llu, of %u bytes, and the file "
                        "ends at %llu",
                        (unsigned long long)i, (unsigned long long)at, h->cluster,
                        (unsigned long long)h->file_size);
    if (is_taken(h, at, h->cluster))
        return vml_fail(err, VML_EDATA, "qcow2/l2-range",
                        "L2 table %llu is said to be at offset %llu, inside the header or a table",
                        (unsigned long long)i, (unsigned long long)at);
    *table = at;
    return 0;
}

static int check_place(const struct qcow2_header *h, uint64_t n, uint64_t at, uint64_t len,
                       struct vml_error *err)
{
    if (!inside(at, len, h->file_size))
        return vml_fail(err, VML_EDATA, "qcow2/cluster-range",
                        "cluster %llu is said to take %llu bytes at offset %llu, and the file ends "
                        "at %llu",
                        (unsigned long long)n, (unsigned long long)len, (unsigned long long)at,
                        (unsigned long long)h->file_size);
    if (is_taken(h, at, len))
        return vml_fail(err, VML_EDATA, "qcow2/cluster-range",
                        "cluster %llu is said to be at offset %llu, inside the header or a table",
                        (unsigned long long)n, (unsigned long long)at);
    return 0;
}

static int bad_entry(uint64_t n, uint64_t entry, const char *why, struct vml_error *err)
{
    return vml_fail(err, VML_EDATA, "qcow2/l2-entry", "the entry of cluster %llu is %016llx: %s",
                    (unsigned long long)n, (unsigned long long)entry, why);
}

/* How many bytes are told in sectors, the first of which the offset may be inside of: no more than
 * a bound, which at the file's end may lie behind it. */
static int compressed_entry(const struct qcow2_header *h, uint64_t n, uint64_t entry,
                            struct qcow2_entry *e, struct vml_error *err)
{
    unsigned shift = 62 - (h->cluster_bits - 8);
    uint64_t at = entry & ((UINT64_C(1) << shift) - 1);
    uint64_t sectors = ((entry & (COMPRESSED - 1)) >> shift) + 1;
    uint64_t len = sectors * 512 - at % 512;

    if (check_place(h, n, at, 1, err) < 0)
        return -1;
    e->at = at;
    e->stored = (uint32_t)vml_min_u64(len, h->file_size - at);
    e->here = UINT32_MAX;
    return 0;
}

/* Bytes of the cluster that are the disk's and stand in the file. */
static uint64_t stored_len(const struct qcow2_header *h, uint64_t n, uint32_t here)
{
    uint64_t len = vml_min_u64(h->cluster, h->size - vml_min_u64(h->size, n << h->cluster_bits));
    unsigned last = QCOW2_SUBCLUSTERS;

    if (!h->extended)
        return here != 0 ? len : 0;
    while (last > 0 && (here >> (last - 1) & 1) == 0)
        last--;
    return vml_min_u64(len, (uint64_t)last * h->sub);
}

int qcow2_l2_entry(const struct qcow2_header *h, uint64_t n, const uint8_t *p,
                   struct qcow2_entry *e, struct vml_error *err)
{
    uint64_t entry = be64(p), at = entry & OFFSET_MASK;
    uint64_t bits = h->extended ? be64(p + 8) : 0;
    uint64_t allowed = OFFSET_MASK | COPIED | (h->extended || h->version < 3 ? 0 : ALL_ZERO);

    *e = (struct qcow2_entry){ 0 };
    if ((entry & COMPRESSED) != 0) {
        if (bits != 0)
            return bad_entry(n, bits, "a compressed cluster has no subclusters", err);
        return compressed_entry(h, n, entry, e, err);
    }
    if ((entry & ~allowed) != 0 || at % h->cluster != 0)
        return bad_entry(n, entry, "bits are set that mean nothing", err);
    if (at == 0 && (entry & COPIED) != 0)
        return bad_entry(n, entry, "it is said to be in use, and nowhere", err);
    e->at = at;
    e->here = h->extended ? (uint32_t)bits : at != 0 && (entry & ALL_ZERO) == 0 ? UINT32_MAX : 0;
    e->zero = h->extended ? (uint32_t)(bits >> 32) : (entry & ALL_ZERO) != 0 ? UINT32_MAX : 0;
    if ((e->here & e->zero) != 0)
        return bad_entry(n, bits, "a subcluster is said to be there and zeroes", err);
    if (e->here != 0 && at == 0)
        return bad_entry(n, bits, "a subcluster is said to be there, and nowhere", err);
    return at != 0 ? check_place(h, n, at, stored_len(h, n, e->here), err) : 0;
}
