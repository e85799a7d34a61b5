/* The local registry: reading images.
 *
 * A deregistered image keeps its rows, so that asking for it again can say "no longer available";
 * its name and its snapshots are free. */
#include "ami/registry.h"

#include <stdio.h>
#include <string.h>

#include "ami/image_rows.h"

/* --- queries -------------------------------------------------------------------------------- */

struct cursor {
    const char *account;     /* who asks */
    struct vml_stmt *images; /* the first that is opened and stepped */
    struct vml_side mappings;
    struct vml_marks_cursor marks;
};

static void cursor_close(struct cursor *c)
{
    vml_side_close(&c->mappings);
    vml_marks_close(&c->marks);
    vml_stmt_free(c->images);
}

/* ?1 is who asks, ?2 the region. */
#define OWN  "i.region = ?2 AND i.owner = ?1" VML_REGISTERED
#define SEEN VML_SEEN(VML_GRANT_LAUNCH) VML_REGISTERED

/* value: ?3, NULL when `which` has none. */
static int cursor_open(struct cursor *c, struct vml_db *db, const struct vml_where *where,
                       const char *which, const char *value, struct vml_error *err)
{
    char sql[1024];
    c->account = where->owner;
    snprintf(sql, sizeof sql, "SELECT i.* FROM images i WHERE %s ORDER BY i.seq, i.id", which);
    return vml_db_query(db, &c->images, err, sql, value ? "ttt" : "tt", where->owner, where->region,
                        value) < 0 ||
                   vml_side_open(&c->mappings, db, "images", "mappings", "image", "position", which,
                                 where, value, err) < 0
               ? -1
               : vml_marks_open(&c->marks, db, "images", which, where, value, err);
}

void vml_image_hide(struct vml_image *a, const char *account)
{
    if (strcmp(a->owner, account) == 0)
        return;
    vml_marks_hide(&a->marks, account);
    a->source[0] = '\0'; /* a path on the owner's machine */
}

/* 1: *a, which was empty, is the next image; 0: there are no more. */
static int cursor_next(struct cursor *c, struct vml_image *a, struct vml_error *err)
{
    int row = vml_stmt_step(c->images, err);
    if (row <= 0)
        return row;
    if (vml_image_read(a, c->images, err) < 0 ||
        vml_side_take(&c->mappings, a->id, vml_image_read_mapping, a, err) < 0 ||
        vml_marks_take(&c->marks, a->id, &a->marks, err) < 0)
        return -1;
    vml_image_hide(a, c->account);
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
    if (strncmp(id_or_name, "ami-", 4) == 0 && !vml_is_id(id_or_name, "ami-"))
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
    for (const char *const *which = vml_is_id(id_or_name, "ami-") ? by_id : by_name; *which;
         which++) {
        int found = find(db, where, *which, id_or_name, out, err);
        if (found != 0)
            return found < 0 ? -1 : 0;
    }
    return missing(db, where, id_or_name, err);
}

int vml_registry_own(struct vml_store *s, const struct vml_where *where, const char *id_or_name,
                     char id[32], struct vml_error *err)
{
    VML_AUTO(vml_image_clear) struct vml_image a = { 0 };
    if (vml_registry_get(s, where, id_or_name, &a, err) < 0) {
        /* Only of the account's own is it said. */
        if (strcmp(err->slug, "InvalidAMIID.Unavailable") != 0 || !vml_is_id(id_or_name, "ami-"))
            return -1;
        return vml_set_text(id, 32, "ImageId", id_or_name, err);
    }
    if (strcmp(a.owner, where->owner) != 0)
        return vml_fail(err, VML_EREFUSED, "AuthFailure", "Not authorized for image:%s", a.id);
    return vml_set_text(id, 32, "ImageId", a.id, err);
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
