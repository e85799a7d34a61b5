/* Where blocks are: rows of the catalog, and reading what they point to. */
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

#include "vmlift/codec.h"

bool vml_is_hole(const uint8_t address[32])
{
    return vml_is_zero(address, 32);
}

/* A row is as little to be trusted as a file: what it says becomes lengths and a path. */
int vml_place_row(struct vml_stmt *st, struct vml_place *p, struct vml_error *err)
{
    size_t len;
    const void *address = vml_stmt_blob(st, 0, &len);
    const char *pack = vml_stmt_text(st, 1);
    int64_t off = vml_stmt_int(st, 2), stored = vml_stmt_int(st, 3), raw = vml_stmt_int(st, 4),
            codec = vml_stmt_int(st, 5), type = vml_stmt_int(st, 6);

    if (vml_row_check(st, 0, "blocks", err) < 0)
        return -1;
    if (len == 32 && strlen(pack) == VML_KEY - 1 &&
        strspn(pack, "0123456789abcdef") == VML_KEY - 1 && off >= 0 && off <= INT32_MAX &&
        stored >= 0 && stored <= VML_FRAME_STORED && raw >= 0 && raw <= VML_FRAME_MAX &&
        codec >= 0 && codec <= UINT8_MAX && type >= 0 && type <= UINT8_MAX) {
        memcpy(p->pack, pack, VML_KEY);
        p->entry = (struct vml_entry){ .off = (uint32_t)off,
                                       .stored = (uint32_t)stored,
                                       .raw = (uint32_t)raw,
                                       .type = (uint8_t)type,
                                       .codec = (uint8_t)codec };
        memcpy(p->entry.address, address, 32);
        if (vml_entry_sound(&p->entry))
            return 0;
    }
    return vml_fail(err, VML_EDATA, "catalog/corrupt",
                    "catalog: a block's row cannot be: pack %.40s, offset %lld, stored %lld, "
                    "raw %lld, codec %lld, type %lld",
                    pack, (long long)off, (long long)stored, (long long)raw, (long long)codec,
                    (long long)type);
}

int vml_block_find(struct vml_db *db, const uint8_t address[32], struct vml_place *p, bool *found,
                   struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(db, &st, err, "SELECT * FROM blocks WHERE address = ?", "b", address,
                     (size_t)32) < 0 ||
        (rc = vml_stmt_step(st, err)) < 0)
        return -1;
    *found = rc == 1;
    return rc == 1 ? vml_place_row(st, p, err) : 0;
}

static int read_at(struct vml_store *s, const struct vml_place *p, const struct vml_cipher *cipher,
                   void *buf, size_t raw, struct vml_error *err)
{
    VML_AUTO(vml_freep) uint8_t *frame = NULL;

    if (p->entry.raw != raw)
        return vml_frame_damaged(err, p->pack, &p->entry, "it does not have the length expected");
    frame = malloc(VML_FRAME_HEADER + p->entry.stored);
    if (frame == NULL)
        return vml_fail_nomem(err);
    if (vml_frame_fetch(s->packs, p->pack, &p->entry, frame, err) < 0)
        return -1;
    return vml_frame_expand(p->pack, &p->entry, cipher, frame, buf, err);
}

int vml_block_read(struct vml_store *s, struct vml_db *db, const struct vml_cipher *cipher,
                   const uint8_t address[32], void *buf, size_t raw, struct vml_error *err)
{
    struct vml_place at, before = { .pack = "" };
    bool found;

    for (;;) {
        if (vml_block_find(db, address, &at, &found, err) < 0)
            return -1;
        if (!found) {
            char hex[65];

            vml_hex(hex, address, 32);
            return vml_fail(err, VML_EDATA, "store/block-missing",
                            "block %.16s is in no pack that the catalog knows", hex);
        }
        /* A gc may have moved the block between the row and the read: then the row has changed. */
        if (strcmp(at.pack, before.pack) == 0)
            return -1;
        if (read_at(s, &at, cipher, buf, raw, err) == 0)
            return 0;
        if (strcmp(err->slug, "store/block-missing") != 0)
            return -1;
        before = at;
    }
}

/* --- the rows of a pack --------------------------------------------------------------------- */

static int compare_addresses(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

void vml_addresses_sort(struct vml_addresses *list)
{
    if (list->n > 0)
        qsort(list->items, list->n, 32, compare_addresses);
}

int vml_addresses_add(struct vml_addresses *list, const uint8_t address[32], struct vml_error *err)
{
    if (list->n == list->cap) {
        size_t cap = list->cap > 0 ? 2 * list->cap : 64;
        void *more = realloc(list->items, cap * 32);

        if (more == NULL)
            return vml_fail_nomem(err);
        list->items = more;
        list->cap = cap;
    }
    memcpy(list->items[list->n++], address, 32);
    return 0;
}

void vml_addresses_clear(struct vml_addresses *list)
{
    free(list->items);
    *list = (struct vml_addresses){ 0 };
}

int vml_place_put(struct vml_db *db, const char *pack, const struct vml_entry *e,
                  struct vml_error *err)
{
    return vml_row_put(db, err, "blocks", "btiiiii", e->address, (size_t)32, pack, (int64_t)e->off,
                       (int64_t)e->stored, (int64_t)e->raw, (int64_t)e->codec, (int64_t)e->type);
}

int vml_pack_known(struct vml_db *db, const char *pack, bool *known, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    int rc;

    if (vml_db_query(db, &st, err, "SELECT * FROM packs WHERE id = ?", "t", pack) < 0 ||
        (rc = vml_stmt_step(st, err)) < 0)
        return -1;
    *known = rc == 1;
    return *known ? vml_row_check(st, 0, "packs", err) : 0;
}

int vml_blocks_add(struct vml_db *db, const struct vml_pack *pack, const struct vml_addresses *bad,
                   uint64_t *healed, struct vml_error *err)
{
    const char *id = vml_pack_id(pack);
    size_t n;
    const struct vml_entry *e = vml_pack_entries(pack, &n);

    if (vml_row_insert(db, err, "packs", "ti", id, (int64_t)vml_pack_bytes(pack)) < 0)
        return -1;
    for (size_t i = 0; i < n; i++, e++) {
        if (vml_row_insert(db, err, "blocks", "btiiiii", e->address, (size_t)32, id,
                           (int64_t)e->off, (int64_t)e->stored, (int64_t)e->raw, (int64_t)e->codec,
                           (int64_t)e->type) == 0)
            continue;
        if (err->code != VML_EEXISTS)
            return -1;
        /* Another process may have brought the same block meanwhile; then ours is garbage. */
        if (bad == NULL || bad->n == 0 ||
            bsearch(e->address, bad->items, bad->n, 32, compare_addresses) == NULL)
            continue;
        if (vml_place_put(db, id, e, err) < 0)
            return -1;
        ++*healed;
    }
    return 0;
}
