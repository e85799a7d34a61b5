/* The local registry: images, their mappings and tags as rows of the catalog.
 *
 * A deregistered image keeps its rows, so that asking for it again can say "no longer available";
 * its name and its snapshots are free. */
#include "ami/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/rows.h"

#define DEREGISTERED "deregistered"

/* --- adding --------------------------------------------------------------------------------- */

int vml_registry_name_free(struct vml_db *db, const struct vml_image *a, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    if (vml_db_query(db, &st, err,
                     "SELECT * FROM images WHERE owner = ? AND region = ? AND name = ?"
                     " AND state <> '" DEREGISTERED "'",
                     "ttt", a->owner, a->region, a->name) < 0)
        return -1;
    int row = vml_stmt_step(st, err);
    if (row > 0 && vml_row_check(st, 0, "images", err) < 0)
        return -1;
    if (row > 0)
        return vml_fail(err, VML_EREFUSED, "InvalidAMIName.Duplicate",
                        "AMI name %s is already in use by AMI %s", a->name, vml_stmt_text(st, 0));
    return row;
}

/* The bytes of each mapping's snapshot, which must be the image's owner's and in its region. */
static int snapshot_sizes(struct vml_db *db, const struct vml_image *a, uint64_t *sizes,
                          struct vml_error *err)
{
    for (size_t i = 0; i < a->n_mappings; i++) {
        if (!a->mappings[i].snapshot[0])
            continue;
        VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
        if (vml_db_query(db, &st, err,
                         "SELECT * FROM snapshots WHERE id = ? AND owner = ? AND region = ?", "ttt",
                         a->mappings[i].snapshot, a->owner, a->region) < 0)
            return -1;
        int row = vml_stmt_step(st, err);
        if (row < 0)
            return -1;
        if (row == 0)
            return vml_fail(err, VML_ENOTFOUND, "InvalidSnapshot.NotFound",
                            "The snapshot '%s' does not exist", a->mappings[i].snapshot);
        if (vml_row_check(st, 0, "snapshots", err) < 0)
            return -1;
        sizes[i] = (uint64_t)vml_stmt_int(st, 4);
    }
    return 0;
}

static int check(struct vml_db *db, const struct vml_image *a, struct vml_error *err)
{
    VML_AUTO(vml_freep) uint64_t *sizes = calloc(a->n_mappings + 1, sizeof *sizes);
    if (!sizes)
        return vml_fail_nomem(err);
    if (snapshot_sizes(db, a, sizes, err) < 0 || vml_rule_register(a, sizes, err) < 0)
        return -1;
    return vml_registry_name_free(db, a, err);
}

/* Who registers says nothing of encryption: a volume is encrypted when its snapshot is. */
static int mark_encrypted(struct vml_db *db, struct vml_image *a, struct vml_error *err)
{
    for (size_t i = 0; i < a->n_mappings; i++) {
        VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
        if (vml_db_query(db, &st, err, "SELECT * FROM snapshots WHERE id = ?", "t",
                         a->mappings[i].snapshot) < 0)
            return -1;
        int row = vml_stmt_step(st, err);
        if (row < 0)
            return -1;
        if (row > 0 && vml_row_check(st, 0, "snapshots", err) < 0)
            return -1;
        a->mappings[i].encrypted = row > 0 && vml_stmt_text(st, 9)[0] != '\0';
    }
    return 0;
}

static void put_root_first(struct vml_image *a)
{
    size_t i = (size_t)(vml_image_root(a) - a->mappings);
    struct vml_mapping root = a->mappings[i];
    memmove(a->mappings + 1, a->mappings, i * sizeof root);
    a->mappings[0] = root;
}

static int insert_mappings(struct vml_db *db, const struct vml_image *a, struct vml_error *err)
{
    for (size_t i = 0; i < a->n_mappings; i++) {
        const struct vml_mapping *m = &a->mappings[i];
        if (vml_row_insert(db, err, "mappings", "tittitii", a->id, (int64_t)i, m->device,
                           m->snapshot, (int64_t)m->size_gib, m->volume_type,
                           (int64_t)m->delete_on_termination, (int64_t)m->encrypted) < 0)
            return -1;
    }
    return 0;
}

static int insert_tags(struct vml_db *db, const struct vml_image *a, struct vml_error *err)
{
    for (size_t i = 0; i < a->n_tags; i++) {
        if (vml_row_insert(db, err, "tags", "ttt", a->id, a->tags[i].key, a->tags[i].value) < 0)
            return -1;
    }
    return 0;
}

#define IMAGE_TYPES "tittttttttttti"
#define IMAGE_VALUES(a, seq, state)                                                          \
    (a)->id, (seq), (a)->name, (a)->description, (a)->owner, (a)->region, (a)->architecture, \
        (a)->virtualization, (a)->boot_mode, (a)->root_device, (a)->platform, (state),       \
        (a)->source ? (a)->source : "", (a)->created

int vml_registry_add(struct vml_db *db, struct vml_image *a, struct vml_error *err)
{
    int64_t seq;
    if (check(db, a, err) < 0 || mark_encrypted(db, a, err) < 0)
        return -1;
    if (!a->id[0] && vml_new_id(a->id, "ami-", err) < 0)
        return -1;
    put_root_first(a);
    if (vml_row_next(db, "images", &seq, err) < 0 ||
        vml_row_insert(db, err, "images", IMAGE_TYPES, IMAGE_VALUES(a, seq, a->state)) < 0)
        return -1;
    return insert_mappings(db, a, err) < 0 ? -1 : insert_tags(db, a, err);
}

/* --- reading -------------------------------------------------------------------------------- */

/* Three statements in the same order, walked side by side: however many images there are, it is
 * three queries.  The first one's row stays open until the end, so that all three see one state of
 * the catalog. */
struct cursor {
    struct vml_stmt *images, *mappings, *tags;
    bool started;
    int mapping, tag; /* once started: 1 when there is a row */
};

static void cursor_close(struct cursor *c)
{
    vml_stmt_free(c->tags);
    vml_stmt_free(c->mappings);
    vml_stmt_free(c->images);
}

/* What an image is looked up by. */
enum key { BY_NOTHING, BY_ID, BY_NAME };

static int query(struct vml_db *db, struct vml_stmt **st, const char *select, const char *order,
                 const struct vml_where *where, enum key key, const char *value,
                 struct vml_error *err)
{
    static const char *const filters[] = {
        [BY_NOTHING] = "",
        [BY_ID] = " AND i.id = ?",
        [BY_NAME] = " AND i.name = ?",
    };
    char sql[512];
    snprintf(sql, sizeof sql,
             "%s WHERE i.owner = ? AND i.region = ? AND i.state <> '" DEREGISTERED "'%s"
             " ORDER BY i.seq, i.id%s",
             select, filters[key], order);
    return vml_db_query(db, st, err, sql, key == BY_NOTHING ? "tt" : "ttt", where->owner,
                        where->region, value);
}

static int cursor_open(struct cursor *c, struct vml_db *db, const struct vml_where *where,
                       enum key key, const char *value, struct vml_error *err)
{
    static const char images[] = "SELECT i.* FROM images i";
    static const char mappings[] = "SELECT m.* FROM images i JOIN mappings m ON m.image = i.id";
    static const char tags[] = "SELECT t.* FROM images i JOIN tags t ON t.resource = i.id";
    if (query(db, &c->images, images, "", where, key, value, err) < 0 ||
        query(db, &c->mappings, mappings, ", m.position", where, key, value, err) < 0)
        return -1;
    return query(db, &c->tags, tags, ", t.key", where, key, value, err);
}

static void set(char *field, size_t size, const char *value)
{
    snprintf(field, size, "%s", value);
}
#define SET(field, value) set(field, sizeof(field), value)

static int read_image(struct vml_image *a, struct vml_stmt *st, struct vml_error *err)
{
    if (vml_row_check(st, 0, "images", err) < 0)
        return -1;
    SET(a->id, vml_stmt_text(st, 0));
    SET(a->name, vml_stmt_text(st, 2));
    SET(a->description, vml_stmt_text(st, 3));
    SET(a->owner, vml_stmt_text(st, 4));
    SET(a->region, vml_stmt_text(st, 5));
    SET(a->architecture, vml_stmt_text(st, 6));
    SET(a->virtualization, vml_stmt_text(st, 7));
    SET(a->boot_mode, vml_stmt_text(st, 8));
    SET(a->root_device, vml_stmt_text(st, 9));
    SET(a->platform, vml_stmt_text(st, 10));
    SET(a->state, vml_stmt_text(st, 11));
    a->source = strdup(vml_stmt_text(st, 12));
    a->created = vml_stmt_int(st, 13);
    return a->source ? 0 : vml_fail_nomem(err);
}

static int read_mapping(struct vml_image *a, struct vml_stmt *st, struct vml_error *err)
{
    if (vml_row_check(st, 0, "mappings", err) < 0)
        return -1;
    struct vml_mapping *all = reallocarray(a->mappings, a->n_mappings + 1, sizeof *all);
    if (!all)
        return vml_fail_nomem(err);
    a->mappings = all;
    struct vml_mapping *m = &all[a->n_mappings++];
    *m = (struct vml_mapping){
        .size_gib = (uint64_t)vml_stmt_int(st, 4),
        .delete_on_termination = vml_stmt_int(st, 6) != 0,
        .encrypted = vml_stmt_int(st, 7) != 0,
    };
    SET(m->device, vml_stmt_text(st, 2));
    SET(m->snapshot, vml_stmt_text(st, 3));
    SET(m->volume_type, vml_stmt_text(st, 5));
    return 0;
}

/* 1: *a, which was empty, is the next image; 0: there are no more. */
static int cursor_next(struct cursor *c, struct vml_image *a, struct vml_error *err)
{
    int row = vml_stmt_step(c->images, err);
    if (row <= 0)
        return row;
    if (read_image(a, c->images, err) < 0)
        return -1;
    if (!c->started) {
        c->started = true;
        c->mapping = vml_stmt_step(c->mappings, err);
        c->tag = c->mapping < 0 ? -1 : vml_stmt_step(c->tags, err);
    }
    while (c->mapping > 0 && strcmp(vml_stmt_text(c->mappings, 0), a->id) == 0) {
        if (read_mapping(a, c->mappings, err) < 0)
            return -1;
        c->mapping = vml_stmt_step(c->mappings, err);
    }
    if (c->mapping < 0)
        return -1;
    while (c->tag > 0 && strcmp(vml_stmt_text(c->tags, 0), a->id) == 0) {
        if (vml_row_check(c->tags, 0, "tags", err) < 0 ||
            vml_image_tag(a, vml_stmt_text(c->tags, 1), vml_stmt_text(c->tags, 2), err) < 0)
            return -1;
        c->tag = vml_stmt_step(c->tags, err);
    }
    return c->tag < 0 ? -1 : 1;
}

int vml_registry_each(struct vml_store *s, const struct vml_where *where, vml_image_fn *fn,
                      void *arg, struct vml_error *err)
{
    VML_AUTO(cursor_close) struct cursor c = { 0 };
    if (cursor_open(&c, vml_store_db(s), where, BY_NOTHING, NULL, err) < 0)
        return -1;
    for (;;) {
        VML_AUTO(vml_image_clear) struct vml_image a = { 0 };
        int row = cursor_next(&c, &a, err);
        if (row <= 0)
            return row;
        if (fn(arg, &a, err) < 0)
            return -1;
    }
}

/* "ami-" and 17 hex digits, or 8 as they were before 2016. */
static bool is_id(const char *text)
{
    if (strncmp(text, "ami-", 4) != 0)
        return false;
    size_t digits = strspn(text + 4, "0123456789abcdef");
    return text[4 + digits] == '\0' && (digits == 17 || digits == 8);
}

/* Why there is no such image. */
static int missing(struct vml_db *db, const struct vml_where *where, const char *id_or_name,
                   struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    if (vml_db_query(db, &st, err,
                     "SELECT id FROM images WHERE owner = ? AND region = ? AND (id = ? OR name = ?)"
                     " AND state = '" DEREGISTERED "' ORDER BY seq DESC",
                     "tttt", where->owner, where->region, id_or_name, id_or_name) < 0)
        return -1;
    int row = vml_stmt_step(st, err);
    if (row < 0)
        return -1;
    if (row > 0)
        return vml_fail(err, VML_ENOTFOUND, "InvalidAMIID.Unavailable",
                        "The image ID '%s' is no longer available", vml_stmt_text(st, 0));
    if (strncmp(id_or_name, "ami-", 4) == 0 && !is_id(id_or_name))
        return vml_fail(err, VML_EREFUSED, "InvalidAMIID.Malformed",
                        "Invalid id: \"%.128s\" (expecting \"ami-...\")", id_or_name);
    return vml_fail(err, VML_ENOTFOUND, "InvalidAMIID.NotFound",
                    "The image id '[%.128s]' does not exist", id_or_name);
}

int vml_registry_get(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                     struct vml_image *out, struct vml_error *err)
{
    VML_AUTO(cursor_close) struct cursor c = { 0 };
    VML_AUTO(vml_image_clear) struct vml_image a = { 0 };
    *out = (struct vml_image){ 0 };
    enum key key = is_id(id_or_name) ? BY_ID : BY_NAME;
    if (cursor_open(&c, vml_store_db(s), where, key, id_or_name, err) < 0)
        return -1;
    int row = cursor_next(&c, &a, err);
    if (row <= 0)
        return row < 0 ? -1 : missing(vml_store_db(s), where, id_or_name, err);
    *out = a;
    a = (struct vml_image){ 0 };
    return 0;
}

/* --- removing ------------------------------------------------------------------------------- */

struct deregister {
    struct vml_store *store;
    const struct vml_where *where;
    const char *id_or_name;
    struct vml_image was;
};

static int image_seq(struct vml_db *db, const char *id, int64_t *seq, struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    if (vml_db_query(db, &st, err, "SELECT * FROM images WHERE id = ?", "t", id) < 0 ||
        vml_stmt_step(st, err) < 0)
        return -1;
    *seq = vml_stmt_int(st, 1);
    return vml_row_check(st, 0, "images", err);
}

static int deregister(void *arg, struct vml_db *db, struct vml_error *err)
{
    struct deregister *d = arg;
    int64_t seq;
    if (vml_registry_get(d->store, d->where, d->id_or_name, &d->was, err) < 0 ||
        image_seq(db, d->was.id, &seq, err) < 0)
        return -1;
    return vml_row_put(db, err, "images", IMAGE_TYPES, IMAGE_VALUES(&d->was, seq, DEREGISTERED));
}

int vml_registry_deregister(struct vml_store *s, const struct vml_where *where,
                            const char *id_or_name, struct vml_image *out, struct vml_error *err)
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    struct deregister d = { .store = s, .where = where, .id_or_name = id_or_name };
    if (out)
        *out = (struct vml_image){ 0 };
    if (vml_txn_begin(&t, s, err) < 0)
        return -1;
    if (vml_txn_commit(t, deregister, &d, err) < 0) {
        vml_image_clear(&d.was);
        return -1;
    }
    if (out)
        *out = d.was;
    else
        vml_image_clear(&d.was);
    return 0;
}
