/* Packs and their frames.  All numbers are little-endian; XXH3 is the 128-bit form in its canonical
 * (big-endian) order, over the bytes before it and what is named.
 *
 *     pack    0  header 64   "VMLPACK1", 8 u32 version 1, 12 u32 0, 16 pack ID (16 bytes), 32
 * zeroes, 48 XXH3 64  frames, without gaps x  index       48 bytes for each frame, in their order:
 * address (32), 32 u32 offset, 36 u32 stored length, 40 u32 raw length, 44 u8 type, 45 u8 codec, 46
 * u16 0 end  footer 64   "VMLPEND1", 8 u32 frames, 12 u32 0, 16 pack ID, 32 u64 x, 40 zeroes, 48
 * XXH3 (index, then bytes 0..47 of the footer)
 *
 *     frame   0  header 64   "VMLF", 4 u8 type, 5 u8 codec, 6 u16 0, 8 u32 raw length, 12 u32
 * stored length, 16 address: SHA-256 of the raw bytes, 48 XXH3 (bytes 0..47, then the payload) 64
 * payload     raw bytes (codec 0) or one zstd frame (codec 1), which is always shorter
 *
 * So every bit of a pack is under some XXH3: it finds damage.  It never decides what a block is,
 * since who chooses the bytes can choose this sum as well; that is for SHA-256. */
#include "store/heap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL /* the state's size is no part of the library's ABI */
#include <xxhash.h>

#include "vmlift/codec.h"
#include "vmlift/endian.h"

#define SUM         48u        /* where the XXH3 stands in each header and footer */
#define PACK_FRAMES 65536u     /* a power of two; 3 MiB of index */
#define PACK_MAX    (2u << 30) /* no pack comes near: one is sealed at 256 MiB */

static void print_sum(uint8_t *out, const void *a, size_t a_len, const void *b, size_t b_len)
{
    XXH3_state_t state;
    XXH128_canonical_t sum;

    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, a, a_len);
    XXH3_128bits_update(&state, b, b_len);
    XXH128_canonicalFromHash(&sum, XXH3_128bits_digest(&state));
    memcpy(out, sum.digest, sizeof sum.digest);
}

static bool sum_ok(const uint8_t *want, const void *a, size_t a_len, const void *b, size_t b_len)
{
    uint8_t sum[16];

    print_sum(sum, a, a_len, b, b_len);
    return memcmp(sum, want, sizeof sum) == 0;
}

/* --- frames --------------------------------------------------------------------------------- */

static void print_frame(uint8_t *p, const struct vml_entry *e)
{
    memcpy(p, "VMLF", 4);
    p[4] = e->type;
    p[5] = e->codec;
    put_le16(p + 6, 0);
    put_le32(p + 8, e->raw);
    put_le32(p + 12, e->stored);
    memcpy(p + 16, e->address, 32);
}

static bool parse_frame(const uint8_t *p, struct vml_entry *e)
{
    if (memcmp(p, "VMLF", 4) != 0 || le16(p + 6) != 0)
        return false;
    e->type = p[4];
    e->codec = p[5];
    e->raw = le32(p + 8);
    e->stored = le32(p + 12);
    memcpy(e->address, p + 16, 32);
    return true;
}

static bool is_sealed(const struct vml_entry *e)
{
    return (e->codec & VML_CODEC_SEALED) != 0;
}

bool vml_entry_sound(const struct vml_entry *e)
{
    uint32_t envelope = is_sealed(e) ? VML_ENVELOPE : 0, inside = e->stored - envelope;

    return e->type >= VML_FRAME_DATA && e->type <= VML_FRAME_RECORD && e->raw <= VML_FRAME_MAX &&
           e->codec <= (VML_CODEC_ZSTD | VML_CODEC_SEALED) && e->stored >= envelope &&
           ((e->codec & VML_CODEC_ZSTD) != 0 ? inside < e->raw : inside == e->raw) &&
           e->off >= VML_PACK_HEADER && e->off < PACK_MAX;
}

size_t vml_frame_bound(size_t raw)
{
    return VML_FRAME_HEADER + VML_ENVELOPE + vml_zstd_bound(raw);
}

int vml_frame_make(enum vml_frame_type type, const struct vml_cipher *cipher,
                   const uint8_t address[32], const void *raw, size_t len, uint8_t *out,
                   size_t *out_len, struct vml_error *err)
{
    struct vml_entry e = { .type = (uint8_t)type, .codec = VML_CODEC_ZSTD };
    size_t envelope = cipher != NULL ? VML_ENVELOPE : 0, stored;
    uint8_t *payload = out + VML_FRAME_HEADER;

    assert(len <= VML_FRAME_MAX);
    if (vml_zstd_compress(1, raw, len, payload + envelope, vml_zstd_bound(len), &stored, err) < 0)
        return -1;
    if (stored >= len) {
        e.codec = VML_CODEC_STORED;
        stored = len;
        memcpy(payload + envelope, raw, len);
    }
    if (cipher != NULL)
        e.codec |= VML_CODEC_SEALED;
    memcpy(e.address, address, 32);
    e.raw = (uint32_t)len;
    e.stored = (uint32_t)(envelope + stored);
    print_frame(out, &e);
    if (cipher != NULL && vml_cipher_seal(cipher, out, SUM, payload, stored, err) < 0)
        return -1;
    print_sum(out + SUM, out, SUM, payload, e.stored);
    *out_len = VML_FRAME_HEADER + e.stored;
    return 0;
}

static int frame_fail(struct vml_error *err, const char *slug, const char *pack,
                      const struct vml_entry *e, const char *why)
{
    char hex[65];

    vml_hex(hex, e->address, 32);
    return vml_fail(err, VML_EDATA, slug, "block %.16s in pack %s at offset %u: %s", hex, pack,
                    e->off, why);
}

int vml_frame_damaged(struct vml_error *err, const char *pack, const struct vml_entry *e,
                      const char *why)
{
    return frame_fail(err, "store/block-damaged", pack, e, why);
}

int vml_frame_fetch(struct vml_objects *packs, const char *pack, const struct vml_entry *e,
                    uint8_t *frame, struct vml_error *err)
{
    struct vml_entry found = { .off = e->off };

    assert(vml_entry_sound(e));
    if (vml_objects_get(packs, pack, frame, VML_FRAME_HEADER + e->stored, e->off, err) < 0) {
        if (err->code == VML_ENOTFOUND)
            return frame_fail(err, "store/block-missing", pack, e, "the pack is missing");
        if (err->code == VML_EDATA)
            return vml_frame_damaged(err, pack, e, "the pack is cut short");
        return -1;
    }
    if (!parse_frame(frame, &found))
        return vml_frame_damaged(err, pack, e, "there is no frame");
    if (memcmp(found.address, e->address, 32) != 0)
        return vml_frame_damaged(err, pack, e, "another block's frame is there");
    if (found.type != e->type || found.codec != e->codec || found.raw != e->raw ||
        found.stored != e->stored)
        return vml_frame_damaged(err, pack, e, "the frame's header is not the one recorded");
    if (!sum_ok(frame + SUM, frame, SUM, frame + VML_FRAME_HEADER, e->stored))
        return vml_frame_damaged(err, pack, e, "the frame does not match its XXH3");
    return 0;
}

bool vml_frame_key(const struct vml_entry *e, const uint8_t *frame, char key_id[37])
{
    if (!is_sealed(e))
        return false;
    vml_uuid_print(key_id, frame + VML_FRAME_HEADER);
    return true;
}

/* The header's fields are authenticated with the payload: an address is bound to its bytes. */
static int open_frame(const char *pack, const struct vml_entry *e, const struct vml_cipher *cipher,
                      uint8_t *frame, struct vml_error *err)
{
    uint8_t *sealed = frame + VML_FRAME_HEADER;

    if (vml_cipher_open(cipher, frame, SUM, sealed, e->stored - VML_ENVELOPE, sealed + VML_ENVELOPE,
                        err) == 0)
        return 0;
    return err->code == VML_EDATA
               ? vml_frame_damaged(err, pack, e, "it does not open with its snapshot's key")
               : -1;
}

int vml_frame_expand(const char *pack, const struct vml_entry *e, const struct vml_cipher *cipher,
                     uint8_t *frame, void *raw, struct vml_error *err)
{
    const uint8_t *inside = frame + VML_FRAME_HEADER;
    size_t stored = e->stored;

    if (is_sealed(e) != (cipher != NULL))
        return vml_frame_damaged(err, pack, e,
                                 is_sealed(e) ? "it is encrypted and must not be"
                                              : "it is not encrypted and must be");
    if (cipher != NULL) {
        if (open_frame(pack, e, cipher, frame, err) < 0)
            return -1;
        inside += VML_ENVELOPE;
        stored -= VML_ENVELOPE;
    }
    if ((e->codec & VML_CODEC_ZSTD) == 0) {
        memcpy(raw, inside, e->raw);
        return 0;
    }
    if (vml_zstd_expand(inside, stored, raw, e->raw, err) == 0)
        return 0;
    return err->code == VML_EDATA ? vml_frame_damaged(err, pack, e, "it does not expand") : -1;
}

/* --- writing a pack ------------------------------------------------------------------------- */

struct vml_pack {
    char id[VML_KEY];
    uint8_t raw_id[16];
    struct vml_output *out;
    uint64_t bytes;
    struct vml_entry *entries;
    uint32_t n, cap;
    uint32_t *slots; /* hash table of entries by address: number + 1, 0 where none is */
};

int vml_pack_create(struct vml_pack **out, struct vml_objects *packs, struct vml_error *err)
{
    uint8_t header[VML_PACK_HEADER] = { 0 };
    VML_AUTO(vml_pack_freep) struct vml_pack *p = calloc(1, sizeof *p);

    if (p == NULL || (p->slots = calloc(2 * PACK_FRAMES, sizeof *p->slots)) == NULL)
        return vml_fail_nomem(err);
    if (vml_random(p->raw_id, sizeof p->raw_id, err) < 0)
        return -1;
    vml_hex(p->id, p->raw_id, sizeof p->raw_id);
    memcpy(header, "VMLPACK1", 8);
    put_le32(header + 8, 1);
    memcpy(header + 16, p->raw_id, 16);
    print_sum(header + SUM, header, SUM, NULL, 0);
    if (vml_objects_create(packs, p->id, &p->out, err) < 0 ||
        vml_output_write(p->out, header, sizeof header, err) < 0)
        return -1;
    p->bytes = sizeof header;
    *out = p;
    p = NULL;
    return 0;
}

const char *vml_pack_id(const struct vml_pack *p)
{
    return p->id;
}

uint64_t vml_pack_bytes(const struct vml_pack *p)
{
    return p->bytes;
}

bool vml_pack_crowded(const struct vml_pack *p)
{
    return p->n == PACK_FRAMES;
}

const struct vml_entry *vml_pack_entries(const struct vml_pack *p, size_t *n)
{
    *n = p->n;
    return p->entries;
}

/* Where the address is, or would go. At most half of the slots are taken. */
static uint32_t *find_slot(const struct vml_pack *p, const uint8_t address[32])
{
    size_t i = le32(address) & (2 * PACK_FRAMES - 1);

    while (p->slots[i] != 0 && memcmp(p->entries[p->slots[i] - 1].address, address, 32) != 0)
        i = (i + 1) & (2 * PACK_FRAMES - 1);
    return &p->slots[i];
}

bool vml_pack_has(const struct vml_pack *p, const uint8_t address[32])
{
    return *find_slot(p, address) != 0;
}

int vml_pack_append(struct vml_pack *p, const uint8_t *frame, size_t len, struct vml_error *err)
{
    struct vml_entry e = { .off = (uint32_t)p->bytes };
    bool ok = parse_frame(frame, &e);

    assert(ok && vml_entry_sound(&e) && len == VML_FRAME_HEADER + e.stored);
    assert(!vml_pack_crowded(p) && !vml_pack_has(p, e.address));
    (void)ok;
    if (p->n == p->cap) {
        uint32_t cap = p->cap > 0 ? 2 * p->cap : 256;
        void *more = realloc(p->entries, cap * sizeof *p->entries);

        if (more == NULL)
            return vml_fail_nomem(err);
        p->entries = more;
        p->cap = cap;
    }
    if (vml_output_write(p->out, frame, len, err) < 0)
        return -1;
    p->bytes += len;
    *find_slot(p, e.address) = p->n + 1;
    p->entries[p->n++] = e;
    return 0;
}

static void print_entry(uint8_t *p, const struct vml_entry *e)
{
    memcpy(p, e->address, 32);
    put_le32(p + 32, e->off);
    put_le32(p + 36, e->stored);
    put_le32(p + 40, e->raw);
    p[44] = e->type;
    p[45] = e->codec;
    put_le16(p + 46, 0);
}

static void parse_entry(const uint8_t *p, struct vml_entry *e)
{
    memcpy(e->address, p, 32);
    e->off = le32(p + 32);
    e->stored = le32(p + 36);
    e->raw = le32(p + 40);
    e->type = p[44];
    e->codec = p[45];
}

int vml_pack_flush(struct vml_pack *p, struct vml_error *err)
{
    return vml_output_flush(p->out, err);
}

int vml_pack_seal(struct vml_pack *p, struct vml_error *err)
{
    size_t index = (size_t)p->n * VML_INDEX_ENTRY;
    VML_AUTO(vml_freep) uint8_t *tail = calloc(1, index + VML_PACK_FOOTER);
    uint8_t *footer;

    if (tail == NULL)
        return vml_fail_nomem(err);
    for (uint32_t i = 0; i < p->n; i++)
        print_entry(tail + (size_t)i * VML_INDEX_ENTRY, &p->entries[i]);
    footer = tail + index;
    memcpy(footer, "VMLPEND1", 8);
    put_le32(footer + 8, p->n);
    memcpy(footer + 16, p->raw_id, 16);
    put_le64(footer + 32, p->bytes);
    print_sum(footer + SUM, tail, index, footer, SUM);
    if (vml_output_write(p->out, tail, index + VML_PACK_FOOTER, err) < 0 ||
        vml_output_commit(p->out, err) < 0)
        return -1;
    p->bytes += index + VML_PACK_FOOTER;
    return 0;
}

void vml_pack_free(struct vml_pack *p)
{
    if (p == NULL)
        return;
    vml_output_free(p->out);
    free(p->entries);
    free(p->slots);
    free(p);
}

void vml_pack_freep(struct vml_pack **p)
{
    vml_pack_free(*p);
    *p = NULL;
}

/* --- a pack at rest ------------------------------------------------------------------------- */

static int pack_damaged(struct vml_error *err, const char *pack, const char *why)
{
    return vml_fail(err, VML_EDATA, "store/pack-damaged", "pack %s: %s", pack, why);
}

/* What cannot be read because the pack is not there, or not that long, is told of the pack. */
static int pack_get(struct vml_objects *packs, const char *pack, void *buf, size_t len,
                    uint64_t off, struct vml_error *err)
{
    if (vml_objects_get(packs, pack, buf, len, off, err) == 0)
        return 0;
    if (err->code == VML_ENOTFOUND)
        return vml_fail(err, VML_EDATA, "store/pack-missing", "pack %s: it is missing", pack);
    return err->code == VML_EDATA ? pack_damaged(err, pack, "it is cut short") : -1;
}

static int parse_index(const char *pack, const uint8_t *index, uint64_t end,
                       struct vml_entry *entries, size_t n, struct vml_error *err)
{
    uint64_t off = VML_PACK_HEADER;

    for (size_t i = 0; i < n; i++) {
        struct vml_entry *e = &entries[i];

        parse_entry(index + i * VML_INDEX_ENTRY, e);
        if (!vml_entry_sound(e) || e->off != off)
            return pack_damaged(err, pack, "its index has a frame that cannot be");
        off += VML_FRAME_HEADER + e->stored;
    }
    return off == end ? 0 : pack_damaged(err, pack, "its frames do not end where the index begins");
}

int vml_pack_index(struct vml_objects *packs, const char *pack, struct vml_entry **entries,
                   size_t *n, struct vml_error *err)
{
    uint8_t header[VML_PACK_HEADER], footer[VML_PACK_FOOTER];
    VML_AUTO(vml_freep) uint8_t *index = NULL;
    VML_AUTO(vml_freep) struct vml_entry *list = NULL;
    char id[VML_KEY];
    uint64_t size = 0, start;
    size_t count, len;

    if (pack_get(packs, pack, header, sizeof header, 0, err) < 0)
        return -1;
    vml_hex(id, header + 16, 16);
    if (memcmp(header, "VMLPACK1", 8) != 0 || le32(header + 8) != 1 || strcmp(id, pack) != 0 ||
        !sum_ok(header + SUM, header, SUM, NULL, 0))
        return pack_damaged(err, pack, "its header is damaged");
    if (vml_objects_size(packs, pack, &size, err) < 0)
        return -1;
    if (size < VML_PACK_HEADER + VML_PACK_FOOTER || size > PACK_MAX)
        return pack_damaged(err, pack, "it cannot be that long or short");
    if (pack_get(packs, pack, footer, sizeof footer, size - VML_PACK_FOOTER, err) < 0)
        return -1;
    vml_hex(id, footer + 16, 16);
    count = le32(footer + 8);
    start = le64(footer + 32);
    len = count * VML_INDEX_ENTRY;
    if (memcmp(footer, "VMLPEND1", 8) != 0 || strcmp(id, pack) != 0 || count > PACK_FRAMES ||
        start > size || len != size - VML_PACK_FOOTER - start)
        return pack_damaged(err, pack, "its footer is damaged");
    index = malloc(len + 1);
    list = calloc(count + 1, sizeof *list);
    if (index == NULL || list == NULL)
        return vml_fail_nomem(err);
    if (pack_get(packs, pack, index, len, start, err) < 0)
        return -1;
    if (!sum_ok(footer + SUM, index, len, footer, SUM))
        return pack_damaged(err, pack, "its index or footer is damaged");
    if (parse_index(pack, index, start, list, count, err) < 0)
        return -1;
    *entries = list;
    *n = count;
    list = NULL;
    return 0;
}

int vml_pack_salvage(struct vml_objects *packs, const char *pack, struct vml_entry **entries,
                     size_t *n, struct vml_error *err)
{
    VML_AUTO(vml_freep) struct vml_entry *list = calloc(PACK_FRAMES, sizeof *list);
    uint8_t header[VML_FRAME_HEADER];
    uint64_t size = 0, off = VML_PACK_HEADER;

    *n = 0;
    if (list == NULL)
        return vml_fail_nomem(err);
    if (vml_objects_size(packs, pack, &size, err) < 0)
        return -1;
    while (*n < PACK_FRAMES && off < PACK_MAX && off + VML_FRAME_HEADER <= size) {
        struct vml_entry *e = &list[*n];

        if (vml_objects_get(packs, pack, header, sizeof header, off, err) < 0)
            return -1;
        e->off = (uint32_t)off;
        if (!parse_frame(header, e) || !vml_entry_sound(e))
            break;
        off += VML_FRAME_HEADER + e->stored;
        ++*n;
    }
    *entries = list;
    list = NULL;
    return 0;
}
