/* The local registry: reading images.
 *
 * A deregistered image keeps its rows, so that asking for it again can say "no longer available";
 * its name and its snapshots are free. */
#include "ami/registry.h"

#include <stdio.h>
#include <string.h>

#include "ami/image_rows.h"

/* --- queries -------------------------------------------------------------------------------- */

/* Statements in the same order, walked side by side: however many images there are, it is one query
 * for each table.  The first one's row stays open until the end, so that all see one state of the
 * catalog. */
struct cursor {
    struct vml_stmt *images;
    struct vml_stmt *parts[VML_PARTS];
    int row[VML_PARTS]; /* once started: 1 when there is a row */
    bool started;
};

static void cursor_close(struct cursor *c)
{
    for (size_t i = 0; i < VML_PARTS; i++)
        vml_stmt_free(c->parts[i]);
    vml_stmt_free(c->images);
}

#define REGISTERED " AND i.state <> '" VML_DEREGISTERED "'"
/* ?1 is who asks, ?2 the region. */
#define OWN "i.region = ?2 AND i.owner = ?1" REGISTERED
#define SHARED                                               \
    "EXISTS (SELECT 1 FROM grants g WHERE g.resource = i.id" \
    " AND g.kind = '" VML_GRANT_LAUNCH "' AND g.grantee IN (?1, '" VML_EVERYONE "'))"
#define SEEN "i.region = ?2 AND (i.owner = ?1 OR " SHARED ")" REGISTERED

/* value: ?3, NULL when `which` has none. */
static int cursor_open(struct cursor *c, struct vml_db *db, const struct vml_where *where,
                       const char *which, const char *value, struct vml_error *err)
{
    const char *types = value ? "ttt" : "tt";
    char sql[1024];
    snprintf(sql, sizeof sql, "SELECT i.* FROM images i WHERE %s ORDER BY i.seq, i.id", which);
    if (vml_db_query(db, &c->images, err, sql, types, where->owner, where->region, value) < 0)
        return -1;
    for (size_t i = 0; i < VML_PARTS; i++) {
        const struct vml_part *part = &vml_image_parts[i];
        snprintf(sql, sizeof sql,
                 "SELECT p.* FROM images i JOIN %s p ON p.%s = i.id WHERE %s"
                 " ORDER BY i.seq, i.id, %s",
                 part->table, i == 0 ? "image" : "resource", which, part->order);
        if (vml_db_query(db, &c->parts[i], err, sql, types, where->owner, where->region, value) < 0)
            return -1;
    }
    return 0;
}

static int cursor_start(struct cursor *c, struct vml_error *err)
{
    for (size_t i = 0; i < VML_PARTS && !c->started; i++) {
        c->row[i] = vml_stmt_step(c->parts[i], err);
        if (c->row[i] < 0)
            return -1;
    }
    c->started = true;
    return 0;
}

/* 1: *a, which was empty, is the next image; 0: there are no more. */
static int cursor_next(struct cursor *c, struct vml_image *a, struct vml_error *err)
{
    int row = vml_stmt_step(c->images, err);
    if (row <= 0)
        return row;
    if (vml_image_read(a, c->images, err) < 0 || cursor_start(c, err) < 0)
        return -1;
    for (size_t i = 0; i < VML_PARTS; i++) {
        while (c->row[i] > 0 && strcmp(vml_stmt_text(c->parts[i], 0), a->id) == 0) {
            if (vml_row_check(c->parts[i], 0, vml_image_parts[i].table, err) < 0 ||
                vml_image_parts[i].read(a, c->parts[i], err) < 0)
                return -1;
            c->row[i] = vml_stmt_step(c->parts[i], err);
        }
        if (c->row[i] < 0)
            return -1;
    }
    return 1;
}

int vml_registry_each(struct vml_store *s, const struct vml_where *where, vml_image_fn *fn,
                      void *arg, struct vml_error *err)
{
    VML_AUTO(cursor_close) struct cursor c = { 0 };
    if (cursor_open(&c, vml_store_db(s), where, SEEN, NULL, err) < 0)
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

/* --- one ------------------------------------------------------------------------------------ */

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
                     "SELECT * FROM images WHERE owner = ? AND region = ? AND (id = ? OR name = ?)"
                     " AND state = '" VML_DEREGISTERED "' ORDER BY seq DESC",
                     "tttt", where->owner, where->region, id_or_name, id_or_name) < 0)
        return -1;
    int row = vml_stmt_step(st, err);
    if (row < 0 || (row > 0 && vml_row_check(st, 0, "images", err) < 0))
        return -1;
    if (row > 0)
        return vml_fail(err, VML_ENOTFOUND, "InvalidAMIID.Unavailable",
                        "The image id '[%s]' is no longer available", vml_stmt_text(st, 0));
    if (strncmp(id_or_name, "ami-", 4) == 0 && !is_id(id_or_name))
        return vml_fail(err, VML_EREFUSED, "InvalidAMIID.Malformed",
                        "Invalid id: \"%.128s\" (expecting \"ami-...\")", id_or_name);
    return vml_fail(err, VML_ENOTFOUND, "InvalidAMIID.NotFound",
                    "The image id '[%.128s]' does not exist", id_or_name);
}

/* 1: *out is the one, 0: there is none.  Several: a copy may have the name of another image. */
static int find(struct vml_db *db, const struct vml_where *where, const char *which,
                const char *value, struct vml_image *out, struct vml_error *err)
{
    VML_AUTO(cursor_close) struct cursor c = { 0 };
    VML_AUTO(vml_image_clear) struct vml_image a = { 0 };
    VML_AUTO(vml_image_clear) struct vml_image second = { 0 };
    if (cursor_open(&c, db, where, which, value, err) < 0)
        return -1;
    int row = cursor_next(&c, &a, err);
    if (row <= 0)
        return row;
    int more = cursor_next(&c, &second, err);
    if (more < 0)
        return -1;
    if (more > 0)
        return vml_fail(err, VML_EREFUSED, "image/ambiguous",
                        "%s: is the name of %s and of %s: name one by its ID", value, a.id,
                        second.id);
    *out = a;
    a = (struct vml_image){ 0 };
    return 1;
}

int vml_registry_get(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                     struct vml_image *out, struct vml_error *err)
{
    static const char *const by_id[] = { SEEN " AND i.id = ?3", NULL };
    static const char *const by_name[] = { OWN " AND i.name = ?3", SEEN " AND i.name = ?3", NULL };
    struct vml_db *db = vml_store_db(s);
    *out = (struct vml_image){ 0 };
    for (const char *const *which = is_id(id_or_name) ? by_id : by_name; *which; which++) {
        int found = find(db, where, *which, id_or_name, out, err);
        if (found != 0)
            return found < 0 ? -1 : 0;
    }
    return missing(db, where, id_or_name, err);
}

/* --- what was done -------------------------------------------------------------------------- */

int vml_registry_history(struct vml_store *s, const char *id, vml_event_fn *fn, void *arg,
                         struct vml_error *err)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    if (vml_db_query(vml_store_db(s), &st, err,
                     "SELECT * FROM history WHERE resource = ? ORDER BY position", "t", id) < 0)
        return -1;
    for (;;) {
        int row = vml_stmt_step(st, err);
        if (row <= 0)
            return row;
        if (vml_row_check(st, 0, "history", err) < 0)
            return -1;
        struct vml_event e = { .at = vml_stmt_int(st, 2),
                               .account = vml_stmt_text(st, 3),
                               .action = vml_stmt_text(st, 4),
                               .detail = vml_stmt_text(st, 5) };
        if (fn(arg, &e, err) < 0)
            return -1;
    }
}
