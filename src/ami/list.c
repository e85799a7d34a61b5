/* The local registry: the images that are asked for.
 *
 * What filters ask of columns of the images' table is asked in SQL, so that a list costs what it
 * finds; everything is asked once more of the record, which has been checked. */
#include <stdlib.h>
#include <string.h>

#include "ami/filter.h"
#include "ami/image_rows.h"
#include "ami/registry.h"
#include "vmlift/rules.h"

/* --- who and whose -------------------------------------------------------------------------- */

bool vml_query_is_alias(const char *who)
{
    return strcmp(who, "amazon") == 0 || strcmp(who, "aws-marketplace") == 0;
}

const char *vml_query_account(const char *who, const struct vml_where *where)
{
    return strcmp(who, "self") == 0 ? where->owner : who;
}

int vml_query_check(const char *const *who, size_t n, bool aliases, struct vml_error *err)
{
    for (size_t i = 0; i < n; i++) {
        bool word = strcmp(who[i], "self") == 0 || strcmp(who[i], VML_EVERYONE) == 0 ||
                    (aliases && vml_query_is_alias(who[i]));
        if (!word && vml_rule_account(who[i], err) < 0)
            return -1;
    }
    return 0;
}

bool vml_query_granted(const char *const *who, size_t n, const struct vml_where *where,
                       const char *owner, const struct vml_marks *m, const char *kind)
{
    bool own = strcmp(owner, where->owner) == 0;
    for (size_t i = 0; i < n; i++) {
        const char *account = vml_query_account(who[i], where);
        bool told = own || strcmp(account, where->owner) == 0 || strcmp(account, VML_EVERYONE) == 0;
        for (size_t k = 0; told && k < m->n_grants; k++) {
            if (strcmp(m->grants[k].kind, kind) == 0 && strcmp(m->grants[k].grantee, account) == 0)
                return true;
        }
    }
    return false;
}

static bool has_owner(const struct vml_image_query *q, const struct vml_where *where,
                      const struct vml_image *a)
{
    for (size_t i = 0; i < q->n_owners; i++) {
        const char *o = q->owners[i];
        if (strcmp(o, VML_EVERYONE) == 0 || strcmp(a->owner, vml_query_account(o, where)) == 0 ||
            (vml_query_is_alias(o) && strcmp(vml_image_owner_alias(a), o) == 0))
            return true;
    }
    return q->n_owners == 0;
}

/* By an explicit permission, as EC2 has it: what is public is not everybody's own. */
static bool is_executable(const struct vml_image_query *q, const struct vml_where *where,
                          const struct vml_image *a)
{
    return q->n_executable_by == 0 || vml_query_granted(q->executable_by, q->n_executable_by, where,
                                                        a->owner, &a->marks, VML_GRANT_LAUNCH);
}

static bool is_disabled(const struct vml_image *a)
{
    return strcmp(a->state, "disabled") == 0;
}

static bool is_hidden(const struct vml_image_query *q, const struct vml_where *where,
                      const struct vml_image *a)
{
    if (is_disabled(a))
        return !q->disabled;
    return !q->deprecated && q->n_ids == 0 && strcmp(a->owner, where->owner) != 0 &&
           a->deprecated != 0 && a->deprecated <= vml_now();
}

static bool is_asked(const struct vml_image_query *q, const struct vml_where *where,
                     const struct vml_image *a)
{
    return !is_hidden(q, where, a) && has_owner(q, where, a) && is_executable(q, where, a) &&
           (!q->filters || vml_filters_image(q->filters, a));
}

/* --- the question in SQL -------------------------------------------------------------------- */

/* How often a pattern may have a "*" in SQL: SQLite's GLOB tries every way, which takes for ever
 * where there are many. */
#define STARS_MAX 3u

struct sql {
    char *text;
    size_t len;
    FILE *out;
    struct vml_value *values;
    char **globs; /* owned */
    size_t n, n_globs;
};

static void sql_clear(struct sql *s)
{
    if (s->out)
        (void)fclose(s->out);
    free(s->text);
    free(s->values);
    for (size_t i = 0; i < s->n_globs; i++)
        free(s->globs[i]);
    free(s->globs);
}

static int bind(struct sql *s, const char *text, struct vml_error *err)
{
    struct vml_value *more = reallocarray(s->values, s->n + 1, sizeof *more);
    if (!more)
        return vml_fail_nomem(err);
    s->values = more;
    more[s->n++] = (struct vml_value){ .type = 't', .p = text, .len = strlen(text) };
    return 0;
}

/* As SQLite's GLOB has it, which knows sets of characters, and no escapes. */
static char *glob_of(const char *pattern)
{
    char *glob = malloc(3 * strlen(pattern) + 1), *to = glob;
    for (const char *p = pattern; glob && *p; p++) {
        bool literal = *p == '\\';
        if (literal)
            p++;
        if (*p == '[' || (literal && *p != '\\')) {
            *to++ = '[';
            *to++ = *p;
            *to++ = ']';
        } else {
            *to++ = *p;
        }
    }
    if (glob)
        *to = '\0';
    return glob;
}

static int bind_glob(struct sql *s, const char *pattern, struct vml_error *err)
{
    char **more = reallocarray(s->globs, s->n_globs + 1, sizeof *more);
    if (!more)
        return vml_fail_nomem(err);
    s->globs = more;
    char *glob = glob_of(pattern);
    if (!glob)
        return vml_fail_nomem(err);
    more[s->n_globs++] = glob;
    return bind(s, glob, err);
}

static bool is_simple(const struct vml_filter *f)
{
    for (size_t i = 0; i < f->n; i++) {
        size_t stars = 0;
        for (const char *p = f->values[i].pattern; *p; p++)
            stars += *p == '*';
        if (!f->values[i].literal && stars > STARS_MAX)
            return false;
    }
    return true;
}

/* "(column = ?3 OR column GLOB ?4)" */
static int add_values(struct sql *s, const char *column, const struct vml_filter *f,
                      struct vml_error *err)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct vml_filter_value *v = &f->values[i];
        if ((v->literal ? bind(s, v->literal, err) : bind_glob(s, v->pattern, err)) < 0)
            return -1;
        fprintf(s->out, "%s%s %s ?%zu", i > 0 ? " OR " : "(", column, v->literal ? "=" : "GLOB",
                s->n);
    }
    fputs(")", s->out);
    return 0;
}

/* A question that SQL cannot answer is left to the record. */
static int add_filter(struct sql *s, const struct vml_filter *f, struct vml_error *err)
{
    const char *name = f->kind->name;
    if (!is_simple(f))
        return 0;
    if (f->kind->column) {
        char column[40];
        snprintf(column, sizeof column, "i.%s", f->kind->column);
        fputs(" AND ", s->out);
        return add_values(s, column, f, err);
    }
    bool tag = strcmp(name, "tag:") == 0;
    if (!tag && strcmp(name, "tag-key") != 0)
        return 0;
    fputs(" AND EXISTS (SELECT 1 FROM tags t WHERE t.resource = i.id AND ", s->out);
    if (tag) {
        if (bind(s, f->name + strlen(name), err) < 0)
            return -1;
        fprintf(s->out, "t.key = ?%zu AND ", s->n);
    }
    if (add_values(s, tag ? "t.value" : "t.key", f, err) < 0)
        return -1;
    fputs(")", s->out);
    return 0;
}

static int add_owners(struct sql *s, const struct vml_image_query *q, const struct vml_where *where,
                      struct vml_error *err)
{
    for (size_t i = 0; i < q->n_owners; i++) {
        if (strcmp(q->owners[i], VML_EVERYONE) == 0 || vml_query_is_alias(q->owners[i]))
            return 0;
    }
    for (size_t i = 0; i < q->n_owners; i++) {
        if (bind(s, vml_query_account(q->owners[i], where), err) < 0)
            return -1;
        fprintf(s->out, "%s?%zu", i > 0 ? ", " : " AND i.owner IN (", s->n);
    }
    if (q->n_owners > 0)
        fputs(")", s->out);
    return 0;
}

static int make_sql(struct sql *s, const struct vml_image_query *q, const struct vml_where *where,
                    struct vml_error *err)
{
    s->out = vml_memstream(&s->text, &s->len);
    if (!s->out)
        return vml_fail_nomem(err);
    fputs("SELECT i.* FROM images i WHERE " VML_SEEN(VML_GRANT_LAUNCH) VML_REGISTERED, s->out);
    if (bind(s, where->owner, err) < 0 || bind(s, where->region, err) < 0 ||
        add_owners(s, q, where, err) < 0)
        return -1;
    if (!q->disabled)
        fputs(" AND i.state <> 'disabled'", s->out);
    for (size_t i = 0; q->filters && i < q->filters->n; i++) {
        if (add_filter(s, &q->filters->items[i], err) < 0)
            return -1;
    }
    fputs(" ORDER BY i.seq, i.id", s->out);
    FILE *out = s->out;
    s->out = NULL;
    return fclose(out) != 0 ? vml_fail_nomem(err) : 0;
}

/* --- what has to be read -------------------------------------------------------------------- */

static bool asks_marks(const struct vml_image_query *q)
{
    for (size_t i = 0; i < q->n_owners; i++) {
        if (vml_query_is_alias(q->owners[i]))
            return true;
    }
    for (size_t i = 0; q->filters && i < q->filters->n; i++) {
        if (!q->filters->items[i].kind->column)
            return true;
    }
    return q->n_executable_by > 0;
}

/* That another one's image is seen is for its own grants to say, which are checked, too. */
static int read_rest(struct vml_db *db, const struct vml_where *where, bool marks,
                     struct vml_image *a, struct vml_error *err)
{
    bool own = strcmp(a->owner, where->owner) == 0;
    if (vml_image_read_mappings(db, a, err) < 0 ||
        ((marks || !own) && vml_marks_read(db, a->id, &a->marks, err) < 0))
        return -1;
    vml_image_hide(a, where->owner);
    return 0;
}

/* --- answering ------------------------------------------------------------------------------ */

static int list_all(struct vml_store *s, const struct vml_where *where,
                    const struct vml_image_query *q, vml_image_fn *fn, void *arg,
                    struct vml_error *err)
{
    struct vml_db *db = vml_store_db(s);
    VML_AUTO(sql_clear) struct sql sql = { 0 };
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL; /* open, so that all see one state */
    bool marks = !q->brief || asks_marks(q);
    int row;
    if (make_sql(&sql, q, where, err) < 0 ||
        vml_db_query_values(db, &st, err, sql.text, sql.values, sql.n) < 0)
        return -1;
    while ((row = vml_stmt_step(st, err)) > 0) {
        VML_AUTO(vml_image_clear) struct vml_image a = { 0 };
        if (vml_image_read(&a, st, err) < 0 || read_rest(db, where, marks, &a, err) < 0 ||
            (is_asked(q, where, &a) && fn(arg, &a, err) < 0))
            return -1;
    }
    return row;
}

struct named {
    struct vml_image *images;
    size_t n;
};

static void named_clear(struct named *l)
{
    for (size_t i = 0; i < l->n; i++)
        vml_image_clear(&l->images[i]);
    free(l->images);
}

static int by_seq(const void *a, const void *b)
{
    const struct vml_image *x = a, *y = b;
    return x->seq != y->seq ? (x->seq > y->seq) - (x->seq < y->seq) : strcmp(x->id, y->id);
}

/* By ID or name, each at most once. */
static int list_named(struct vml_store *s, const struct vml_where *where,
                      const struct vml_image_query *q, vml_image_fn *fn, void *arg,
                      struct vml_error *err)
{
    VML_AUTO(named_clear) struct named l = { .images = calloc(q->n_ids, sizeof *l.images) };
    if (!l.images)
        return vml_fail_nomem(err);
    for (; l.n < q->n_ids; l.n++) {
        if (vml_registry_get(s, where, q->ids[l.n], &l.images[l.n], err) < 0)
            return -1;
    }
    qsort(l.images, l.n, sizeof *l.images, by_seq);
    for (size_t i = 0; i < l.n; i++) {
        const struct vml_image *a = &l.images[i];
        bool again = i > 0 && strcmp(a->id, l.images[i - 1].id) == 0;
        if (!again && q->notes && is_disabled(a) && !q->disabled)
            vml_note(q->notes, "image/hidden", "%s is disabled, and not asked for", a->id);
        if (!again && is_asked(q, where, a) && fn(arg, a, err) < 0)
            return -1;
    }
    return 0;
}

int vml_registry_list(struct vml_store *s, const struct vml_where *where,
                      const struct vml_image_query *q, vml_image_fn *fn, void *arg,
                      struct vml_error *err)
{
    if (vml_query_check(q->owners, q->n_owners, true, err) < 0 ||
        vml_query_check(q->executable_by, q->n_executable_by, false, err) < 0)
        return -1;
    return q->n_ids > 0 ? list_named(s, where, q, fn, arg, err)
                        : list_all(s, where, q, fn, arg, err);
}
