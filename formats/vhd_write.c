/* VHD, writing.  The layout is drawn in vhd.h.
 *
 * - Dynamic: blocks in ascending order from behind the BAT, each with all bits of its bitmap set,
 * as qemu and Hyper-V write them; sectors of a block that hold nothing stay holes of the file.
 * - The current size is exactly the disk's.  The geometry is the specification's, which rounds
 * down, so that the creator decides which of the two qemu and others believe: only those that it
 * knows have their current size honoured, hence "win " (Hyper-V's) and not a name of our own.
 */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vhd.h"
#include "vmlift/codec.h"

#define BLOCK_SIZE (2u << 20)
#define TABLE_OFF  (VHD_FOOTER + VHD_HEADER)
#define UNIT       4096u

struct vhd_writer {
    struct vml_writer base;
    struct vml_output *o;
    pthread_mutex_t lock; /* for content: a fixed disk's chunks come in any order */
    uint8_t
        content[32]; /* the digests of all data chunks, combined; of zeroes unless reproducible */
    /* dynamic: */
    uint8_t *table; /* as stored, padded to whole sectors with empty entries */
    size_t table_len;
    uint64_t end; /* where the next block goes */
};

/* --- the structures ------------------------------------------------------------------------- */

/* The specification's algorithm: whole cylinders only, so that up to one is missing. */
static void set_geometry(struct vhd_footer *f)
{
    const uint64_t most = (uint64_t)VHD_CYLINDERS_MAX * VHD_HEADS_MAX * VHD_SPT_MAX;
    uint64_t sectors = vml_min_u64(f->current_size / VHD_SECTOR, most);
    uint64_t spt, heads, tracks; /* tracks: cylinders * heads */

    if (sectors >= (uint64_t)65535 * 16 * 63) {
        spt = 255;
        heads = 16;
        tracks = sectors / spt;
    } else {
        spt = 17;
        tracks = sectors / spt;
        heads = vml_max_u64((tracks + 1023) / 1024, 4);
        if (tracks >= heads * 1024 || heads > 16) {
            spt = 31;
            heads = 16;
            tracks = sectors / spt;
        }
        if (tracks >= heads * 1024) {
            spt = 63;
            heads = 16;
            tracks = sectors / spt;
        }
    }
    f->cylinders = (uint16_t)(tracks / heads);
    f->heads = (uint8_t)heads;
    f->spt = (uint8_t)spt;
}

static void print_footer(uint8_t p[VHD_FOOTER], const struct vhd_footer *f)
{
    memset(p, 0, VHD_FOOTER);
    memcpy(p, "conectix", 8);
    put_be32(p + 8, 2); /* features: the bit that is always set */
    put_be32(p + 12, f->version);
    put_be64(p + 16, f->header_off);
    put_be32(p + 24, f->time);
    memcpy(p + VHD_CREATOR, f->creator, sizeof f->creator);
    put_be32(p + 32, 0x000a0000); /* the creator's version: Windows 10's Hyper-V */
    memcpy(p + 36, "Wi2k", 4);
    put_be64(p + 40, f->original_size);
    put_be64(p + 48, f->current_size);
    put_be16(p + 56, f->cylinders);
    p[58] = f->heads;
    p[59] = f->spt;
    put_be32(p + 60, f->type);
    memcpy(p + 68, f->uuid, sizeof f->uuid);
    p[84] = f->saved;
    put_be32(p + VHD_FOOTER_SUM, vhd_sum(p, VHD_FOOTER, VHD_FOOTER_SUM));
}

static void print_header(uint8_t p[VHD_HEADER], const struct vhd_header *h)
{
    memset(p, 0, VHD_HEADER);
    memcpy(p, "cxsparse", 8);
    /* eight FF bytes: the specification's table says so, its text says four, and so wrote some */
    put_be64(p + 8, VHD_NO_OFFSET);
    put_be64(p + 16, h->table_off);
    put_be32(p + 24, h->version);
    put_be32(p + 28, h->entries);
    put_be32(p + 32, h->block_size);
    put_be32(p + VHD_HEADER_SUM, vhd_sum(p, VHD_HEADER, VHD_HEADER_SUM));
}

/* --- the footer's fields -------------------------------------------------------------------- */

/* Random, or where the output is to be reproducible the digest of size and content. */
static int set_uuid(const struct vhd_writer *w, struct vhd_footer *f, struct vml_error *err)
{
    uint8_t buf[8 + sizeof w->content], digest[32];

    if (vml_reproducible()) {
        put_be64(buf, f->current_size);
        memcpy(buf + 8, w->content, sizeof w->content);
        vml_sha256(buf, sizeof buf, digest);
        memcpy(f->uuid, digest, sizeof f->uuid);
    } else if (vml_random(f->uuid, sizeof f->uuid, err) < 0) {
        return -1;
    }
    f->uuid[6] = (f->uuid[6] & 0x0f) | 0x40; /* RFC 4122's version and variant: random */
    f->uuid[8] = (f->uuid[8] & 0x3f) | 0x80;
    return 0;
}

static int make_footer(const struct vhd_writer *w, enum vhd_type type, uint8_t p[VHD_FOOTER],
                       struct vml_error *err)
{
    int64_t now = vml_now() - VHD_EPOCH;
    struct vhd_footer f = {
        .version = VHD_VERSION,
        .header_off = type == VHD_FIXED ? VHD_NO_OFFSET : VHD_FOOTER,
        .time = now < 0 ? 0 : (uint32_t)vml_min_u64((uint64_t)now, UINT32_MAX),
        .creator = { 'w', 'i', 'n', ' ' },
        .original_size = w->base.size,
        .current_size = w->base.size,
        .type = type,
    };

    set_geometry(&f);
    if (set_uuid(w, &f, err) < 0)
        return -1;
    print_footer(p, &f);
    return 0;
}

/* The digest of a chunk and its place, where the UUID will need it. */
static int vhd_encode(struct vml_writer *base, struct vml_chunk *c, struct vml_error *err)
{
    uint8_t buf[8 + 32];

    (void)base;
    if (!vml_reproducible())
        return 0;
    if (vml_chunk_reserve(c, 32, err) < 0)
        return -1;
    put_be64(buf, c->off);
    vml_sha256(c->data, c->len, buf + 8);
    vml_sha256(buf, sizeof buf, c->enc);
    c->enc_len = 32;
    return 0;
}

/* Addition of bytes, so that the order of the chunks does not matter. */
static void note_content(struct vhd_writer *w, const struct vml_chunk *c)
{
    if (!vml_reproducible())
        return;
    assert(c->enc_len == sizeof w->content);
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < sizeof w->content; i++)
        w->content[i] = (uint8_t)(w->content[i] + c->enc[i]);
    pthread_mutex_unlock(&w->lock);
}

/* --- dynamic -------------------------------------------------------------------------------- */

/* Room for a block behind the last one. */
static int add_block(struct vhd_writer *w, uint8_t *entry, struct vml_error *err)
{
    uint8_t bitmap[BLOCK_SIZE / VHD_SECTOR / 8];
    uint64_t at = w->end;

    memset(bitmap, 0xff, sizeof bitmap);
    if (vml_output_resize(w->o, at + sizeof bitmap + BLOCK_SIZE, err) < 0 ||
        vml_output_pwrite(w->o, bitmap, sizeof bitmap, at, err) < 0 ||
        vml_output_zero(w->o, at + sizeof bitmap, BLOCK_SIZE, err) < 0)
        return -1;
    put_be32(entry, (uint32_t)(at / VHD_SECTOR));
    w->end = at + sizeof bitmap + BLOCK_SIZE;
    return 0;
}

static int dynamic_put(struct vml_writer *base, const struct vml_chunk *c, struct vml_error *err)
{
    struct vhd_writer *w = (struct vhd_writer *)base;
    uint64_t done = 0;

    if (c->kind != VML_DATA)
        return 0;
    note_content(w, c);
    while (done < c->len) {
        uint64_t off = c->off + done, inside = off % BLOCK_SIZE;
        uint64_t len = vml_min_u64(BLOCK_SIZE - inside, c->len - done);
        uint8_t *entry = w->table + off / BLOCK_SIZE * 4;
        uint64_t at;

        if (be32(entry) == VHD_NO_BLOCK && vml_is_zero(c->data + done, len)) {
            done += len;
            continue;
        }
        if (be32(entry) == VHD_NO_BLOCK && add_block(w, entry, err) < 0)
            return -1;
        at = (uint64_t)be32(entry) * VHD_SECTOR + vhd_bitmap_size(BLOCK_SIZE) + inside;
        if (vml_write_sparse(w->o, c->data + done, len, at, err) < 0)
            return -1;
        done += len;
    }
    return 0;
}

static int dynamic_finish(struct vml_writer *base, uint64_t size, struct vml_error *err)
{
    struct vhd_writer *w = (struct vhd_writer *)base;
    const struct vhd_header h = {
        .table_off = TABLE_OFF,
        .version = VHD_VERSION,
        .entries = (uint32_t)vml_div_up(base->size, BLOCK_SIZE),
        .block_size = BLOCK_SIZE,
    };
    uint8_t footer[VHD_FOOTER], header[VHD_HEADER];

    assert(size == base->size);
    (void)size;
    print_header(header, &h);
    if (make_footer(w, VHD_DYNAMIC, footer, err) < 0 ||
        vml_output_resize(w->o, w->end + VHD_FOOTER, err) < 0 ||
        vml_output_pwrite(w->o, footer, VHD_FOOTER, 0, err) < 0 ||
        vml_output_pwrite(w->o, header, VHD_HEADER, VHD_FOOTER, err) < 0 ||
        vml_output_pwrite(w->o, w->table, w->table_len, TABLE_OFF, err) < 0 ||
        vml_output_pwrite(w->o, footer, VHD_FOOTER, w->end, err) < 0)
        return -1;
    return vml_output_commit(w->o, err);
}

/* --- fixed ---------------------------------------------------------------------------------- */

static int fixed_put(struct vml_writer *base, const struct vml_chunk *c, struct vml_error *err)
{
    struct vhd_writer *w = (struct vhd_writer *)base;

    if (c->kind != VML_DATA)
        return vml_output_zero(w->o, c->off, c->len, err);
    note_content(w, c);
    return vml_write_sparse(w->o, c->data, c->len, c->off, err);
}

static int fixed_finish(struct vml_writer *base, uint64_t size, struct vml_error *err)
{
    struct vhd_writer *w = (struct vhd_writer *)base;
    uint8_t footer[VHD_FOOTER];

    assert(size == base->size);
    if (make_footer(w, VHD_FIXED, footer, err) < 0 ||
        vml_output_pwrite(w->o, footer, VHD_FOOTER, size, err) < 0)
        return -1;
    return vml_output_commit(w->o, err);
}

static int pipe_put(struct vml_writer *base, const struct vml_chunk *c, struct vml_error *err)
{
    static const uint8_t zeroes[64 << 10];
    struct vhd_writer *w = (struct vhd_writer *)base;

    if (c->kind == VML_DATA) {
        note_content(w, c);
        return vml_output_write(w->o, c->data, c->len, err);
    }
    for (uint64_t left = c->len; left > 0;) {
        size_t n = (size_t)vml_min_u64(left, sizeof zeroes);

        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (vml_output_write(w->o, zeroes, n, err) < 0)
            return -1;
        left -= n;
    }
    return 0;
}

static int pipe_finish(struct vml_writer *base, uint64_t size, struct vml_error *err)
{
    struct vhd_writer *w = (struct vhd_writer *)base;
    uint8_t footer[VHD_FOOTER];

    assert(size == base->size);
    (void)size;
    if (make_footer(w, VHD_FIXED, footer, err) < 0 ||
        vml_output_write(w->o, footer, VHD_FOOTER, err) < 0)
        return -1;
    return vml_output_commit(w->o, err);
}

/* --- creating ------------------------------------------------------------------------------- */

/* Without the output, which a failed create leaves to its caller. */
static void writer_discard(struct vhd_writer **w)
{
    if (*w == NULL)
        return;
    pthread_mutex_destroy(&(*w)->lock);
    free((*w)->table);
    free(*w);
    *w = NULL;
}

static void vhd_free(struct vml_writer *base)
{
    struct vhd_writer *w = (struct vhd_writer *)base;

    vml_output_free(w->o);
    writer_discard(&w);
}

static const struct vml_writer_ops dynamic_ops = {
    .encode = vhd_encode, .put = dynamic_put, .finish = dynamic_finish, .free = vhd_free
};
static const struct vml_writer_ops fixed_ops = {
    .encode = vhd_encode, .put = fixed_put, .finish = fixed_finish, .free = vhd_free
};
static const struct vml_writer_ops pipe_ops = {
    .encode = vhd_encode, .put = pipe_put, .finish = pipe_finish, .free = vhd_free
};

static int create_dynamic(struct vhd_writer *w, struct vml_error *err)
{
    w->base.ops = &dynamic_ops;
    w->base.ordered = true;
    w->table_len = vml_round_up(vml_div_up(w->base.size, BLOCK_SIZE) * 4, VHD_SECTOR);
    w->end = TABLE_OFF + w->table_len;
    w->table = malloc(w->table_len + 1); /* of an empty disk, too */
    if (w->table == NULL)
        return vml_fail_nomem(err);
    memset(w->table, 0xff, w->table_len);
    return vml_output_resize(w->o, w->end, err);
}

static int create_fixed(struct vhd_writer *w, struct vml_error *err)
{
    bool seek = vml_output_can_seek(w->o);

    w->base.ops = seek ? &fixed_ops : &pipe_ops;
    w->base.ordered = !seek;
    return seek ? vml_output_resize(w->o, w->base.size + VHD_FOOTER, err) : 0;
}

int vml_vhd_create(struct vml_writer **out, struct vml_output *o, const struct vml_create *c,
                   struct vml_error *err)
{
    VML_AUTO(writer_discard) struct vhd_writer *w = calloc(1, sizeof *w);
    bool fixed = strcmp(c->subformat, "fixed") == 0;

    assert(c->size % VHD_SECTOR == 0 && c->size <= (fixed ? VML_DISK_MAX : VHD_DYNAMIC_MAX));
    if (w == NULL)
        return vml_fail_nomem(err);
    pthread_mutex_init(&w->lock, NULL);
    w->o = o;
    w->base = (struct vml_writer){
        .format = "vhd",
        .subformat = fixed ? "fixed" : "dynamic",
        .size = c->size,
        .unit = UNIT,
    };
    if ((fixed ? create_fixed(w, err) : create_dynamic(w, err)) < 0)
        return -1;
    *out = &w->base;
    w = NULL;
    return 0;
}
