#include "guest/plan.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/diff.h"

/* A file that a step has read; it is written when its text is another. */
struct planned_file {
    char *path;      /* without links on the way */
    char *old, *new; /* old is NULL where there was none */
    bool forget;     /* no copy is kept */
};
struct planned_action {
    enum { ASIDE, REMOVE, LINK, COPY, RUN } kind;
    char *path, *from; /* from: what a link leads to, what is copied */
    const char *slug;  /* of a command's failure */
};
struct vml_plan {
    const struct vml_guest *guest;
    struct vml_prepared *told;
    const char *step;
    struct planned_file *files;
    size_t n_files;
    struct planned_action *actions;
    size_t n_actions;
};

int vml_plan_open(struct vml_plan **out, const struct vml_guest *guest, struct vml_prepared *told,
                  struct vml_error *err)
{
    if ((*out = calloc(1, sizeof **out)) == NULL)
        return vml_fail_nomem(err);
    (*out)->guest = guest;
    (*out)->told = told;
    (*out)->step = "";
    return 0;
}

void vml_plan_freep(struct vml_plan **plan)
{
    struct vml_plan *p = *plan;

    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n_files; i++) {
        free(p->files[i].path);
        free(p->files[i].old);
        free(p->files[i].new);
    }
    for (size_t i = 0; i < p->n_actions; i++) {
        free(p->actions[i].path);
        free(p->actions[i].from);
    }
    free(p->files);
    free(p->actions);
    free(p);
    *plan = NULL;
}

void vml_names_freep(char ***names)
{
    for (size_t i = 0; *names != NULL && (*names)[i] != NULL; i++)
        free((*names)[i]);
    free(*names);
    *names = NULL;
}

void vml_plan_step(struct vml_plan *p, const char *id)
{
    p->step = id;
}

const struct vml_guest *vml_plan_guest(const struct vml_plan *p)
{
    return p->guest;
}

static bool is_changed(const struct planned_file *f)
{
    return f->new != NULL && (f->old == NULL || strcmp(f->old, f->new) != 0);
}

bool vml_plan_is_empty(const struct vml_plan *p)
{
    for (size_t i = 0; i < p->n_files; i++)
        if (is_changed(&p->files[i]))
            return false;
    return p->n_actions == 0;
}

bool vml_plan_adds_files(const struct vml_plan *p)
{
    for (size_t i = 0; i < p->n_files; i++)
        if (p->files[i].old == NULL && p->files[i].new != NULL)
            return true;
    return false;
}

bool vml_plan_touches(const struct vml_plan *p, const char *prefix)
{
    for (size_t i = 0; i < p->n_files; i++)
        if (is_changed(&p->files[i]) && strncmp(p->files[i].path, prefix, strlen(prefix)) == 0)
            return true;
    for (size_t i = 0; i < p->n_actions; i++)
        if (p->actions[i].kind == ASIDE && strncmp(p->actions[i].path, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

/* --- what is told --------------------------------------------------------------------------- */

/* Takes before and after over; NULL is that there was no memory. */
static int tell(struct vml_plan *p, char *what, unsigned line, char *before, char *after,
                struct vml_error *err)
{
    struct vml_prepared *t = p->told;
    struct vml_prep_change *more = realloc(t->changes, (t->n_changes + 1) * sizeof *more);

    if (more != NULL)
        t->changes = more;
    if (more == NULL || what == NULL || before == NULL || after == NULL) {
        free(what);
        free(before);
        free(after);
        return vml_fail_nomem(err);
    }
    t->changes[t->n_changes++] = (struct vml_prep_change){
        .step = p->step, .what = what, .line = line, .before = before, .after = after
    };
    return 0;
}

static int tell_done(struct vml_plan *p, struct vml_error *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int tell_done(struct vml_plan *p, struct vml_error *err, const char *fmt, ...)
{
    char *what = NULL;
    va_list args;

    va_start(args, fmt);
    if (vasprintf(&what, fmt, args) < 0)
        what = NULL;
    va_end(args);
    return tell(p, what, 0, strdup(""), strdup(""), err);
}

struct telling {
    struct vml_plan *plan;
    const char *path;
};

static int tell_hunk(void *arg, unsigned line, const char *before, size_t n_before,
                     const char *after, size_t n_after, struct vml_error *err)
{
    const struct telling *t = arg;

    return tell(t->plan, strdup(t->path), line, strndup(before, n_before), strndup(after, n_after),
                err);
}

void vml_plan_note(struct vml_plan *p, const char *slug, const char *fmt, ...)
{
    VML_AUTO(vml_freep) char *text = NULL;
    va_list args;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        text = NULL;
    va_end(args);
    vml_note(&p->told->notes, slug, "%s", text != NULL ? text : fmt);
}

/* --- what is seen --------------------------------------------------------------------------- */

static struct planned_action *find_action(struct vml_plan *p, const char *path)
{
    for (size_t i = p->n_actions; i-- > 0;)
        if (p->actions[i].kind != RUN && strcmp(p->actions[i].path, path) == 0)
            return &p->actions[i];
    return NULL;
}

static struct planned_file *find_file(struct vml_plan *p, const char *path)
{
    for (size_t i = 0; i < p->n_files; i++)
        if (strcmp(p->files[i].path, path) == 0)
            return &p->files[i];
    return NULL;
}

/* Takes path and old over. */
static struct planned_file *add_file(struct vml_plan *p, char *path, char *old)
{
    struct planned_file *more = realloc(p->files, (p->n_files + 1) * sizeof *more);

    if (more != NULL)
        p->files = more;
    if (more == NULL || path == NULL) {
        free(path);
        free(old);
        return NULL;
    }
    p->files[p->n_files] = (struct planned_file){ .path = path, .old = old };
    return &p->files[p->n_files++];
}

/* The file at path, read when it is first asked for. */
static int load(struct vml_plan *p, const char *path, struct planned_file **out,
                struct vml_error *err)
{
    char *real = NULL, *text = NULL;

    if ((*out = find_file(p, path)) != NULL)
        return 0;
    if (p->guest->ops->read(p->guest->arg, path, &real, &text, err) < 0)
        return -1;
    if (real != NULL && (*out = find_file(p, real)) != NULL) {
        free(real);
        free(text);
        return 0;
    }
    *out = add_file(p, real != NULL ? real : strdup(path), text);
    return *out != NULL ? 0 : vml_fail_nomem(err);
}

int vml_plan_read(struct vml_plan *p, const char *path, char **text, struct vml_error *err)
{
    const struct planned_action *a = find_action(p, path);
    struct planned_file *f;

    *text = NULL;
    if (a != NULL)
        return 0;
    if (load(p, path, &f, err) < 0)
        return -1;
    if (f->new == NULL && f->old == NULL)
        return 0;
    *text = strdup(f->new != NULL ? f->new : f->old);
    return *text != NULL ? 0 : vml_fail_nomem(err);
}

int vml_plan_stat(struct vml_plan *p, const char *path, enum vml_stat *kind, struct vml_error *err)
{
    static const enum vml_stat of[] = { [ASIDE] = VML_STAT_NONE,
                                        [REMOVE] = VML_STAT_NONE,
                                        [LINK] = VML_STAT_LINK,
                                        [COPY] = VML_STAT_FILE };
    const struct planned_action *a = find_action(p, path);
    const struct planned_file *f = find_file(p, path);
    VML_AUTO(vml_freep) char *target = NULL;

    if (a != NULL) {
        *kind = of[a->kind];
        return 0;
    }
    if (f != NULL && f->new != NULL) {
        *kind = VML_STAT_FILE;
        return 0;
    }
    return p->guest->ops->stat(p->guest->arg, path, kind, &target, err);
}

bool vml_plan_has(struct vml_plan *p, const char *path)
{
    struct vml_error ignored;
    enum vml_stat kind;

    return vml_plan_stat(p, path, &kind, &ignored) == 0 &&
           (kind == VML_STAT_FILE || kind == VML_STAT_LINK);
}

int vml_plan_target(struct vml_plan *p, const char *path, char **target, struct vml_error *err)
{
    const struct planned_action *a = find_action(p, path);
    enum vml_stat kind;

    *target = NULL;
    if (a != NULL && a->kind == LINK)
        return (*target = strdup(a->from)) != NULL ? 0 : vml_fail_nomem(err);
    return a != NULL ? 0 : p->guest->ops->stat(p->guest->arg, path, &kind, target, err);
}

int vml_plan_list(struct vml_plan *p, const char *folder, char ***names, struct vml_error *err)
{
    size_t n = 0;

    if (p->guest->ops->list(p->guest->arg, folder, names, err) < 0)
        return -1;
    for (size_t i = 0; (*names)[i] != NULL; i++) {
        char path[1024];
        const struct planned_action *a;

        snprintf(path, sizeof path, "%s/%s", folder, (*names)[i]);
        a = find_action(p, path);
        if (a != NULL && (a->kind == ASIDE || a->kind == REMOVE))
            free((*names)[i]);
        else
            (*names)[n++] = (*names)[i];
    }
    (*names)[n] = NULL;
    return 0;
}

/* --- what is planned ------------------------------------------------------------------------ */

static int write_file(struct vml_plan *p, const char *path, char *text, bool forget,
                      struct vml_error *err)
{
    VML_AUTO(vml_freep) char *new = text;
    struct planned_file *f;

    if (text == NULL)
        return vml_fail_nomem(err);
    if (load(p, path, &f, err) < 0)
        return -1;
    const char *now = f->new != NULL ? f->new : f->old;
    if (now != NULL && strcmp(now, text) == 0)
        return 0;
    if (vml_diff(now != NULL ? now : "", text, tell_hunk, &(struct telling){ p, f->path }, err) < 0)
        return -1;
    if (now == NULL && text[0] == '\0' && tell_done(p, err, "make %s", f->path) < 0)
        return -1;
    free(f->new);
    f->new = text;
    f->forget = f->forget || forget;
    new = NULL;
    return 0;
}

int vml_plan_write(struct vml_plan *p, const char *path, char *text, struct vml_error *err)
{
    return write_file(p, path, text, false, err);
}

int vml_plan_forget(struct vml_plan *p, const char *path, const char *text, struct vml_error *err)
{
    return write_file(p, path, strdup(text), true, err);
}

static int add_action(struct vml_plan *p, int kind, const char *path, const char *from,
                      const char *slug, struct vml_error *err)
{
    struct planned_action *more = realloc(p->actions, (p->n_actions + 1) * sizeof *more);

    if (more == NULL)
        return vml_fail_nomem(err);
    p->actions = more;
    more += p->n_actions++;
    *more = (struct planned_action){
        .kind = kind, .path = strdup(path), .from = from != NULL ? strdup(from) : NULL, .slug = slug
    };
    return more->path == NULL || (from != NULL && more->from == NULL) ? vml_fail_nomem(err) : 0;
}

/* Where the original of path is kept: no tool takes a name that begins with a dot for one of its
 * configurations, be it by its suffix or by all that lies in a folder. */
static char *kept_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *out;

    return asprintf(&out, "%.*s/.%s.vmlift-orig", (int)(slash - path), path, slash + 1) < 0 ? NULL
                                                                                            : out;
}

int vml_plan_aside(struct vml_plan *p, const char *path, const char *why, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *to = kept_name(path);

    if (to == NULL)
        return vml_fail_nomem(err);
    return add_action(p, ASIDE, path, to, NULL, err) < 0
               ? -1
               : tell_done(p, err, "move %s to %s: %s", path, to, why);
}

int vml_plan_remove(struct vml_plan *p, const char *path, const char *why, struct vml_error *err)
{
    return add_action(p, REMOVE, path, NULL, NULL, err) < 0
               ? -1
               : tell_done(p, err, "remove %s: %s", path, why);
}

int vml_plan_link(struct vml_plan *p, const char *target, const char *path, const char *why,
                  struct vml_error *err)
{
    return add_action(p, LINK, path, target, NULL, err) < 0
               ? -1
               : tell_done(p, err, "link %s to %s: %s", path, target, why);
}

int vml_plan_copy(struct vml_plan *p, const char *from, const char *to, struct vml_error *err)
{
    return add_action(p, COPY, to, from, NULL, err) < 0
               ? -1
               : tell_done(p, err, "copy %s to %s", from, to);
}

int vml_plan_run(struct vml_plan *p, const char *command, const char *why, const char *slug,
                 struct vml_error *err)
{
    return add_action(p, RUN, command, NULL, slug, err) < 0
               ? -1
               : tell_done(p, err, "run %s: %s", command, why);
}

/* --- what is done --------------------------------------------------------------------------- */

static int apply_file(struct vml_plan *p, const struct planned_file *f, struct vml_error *err)
{
    const struct vml_guest *g = p->guest;
    VML_AUTO(vml_freep) char *kept = kept_name(f->path);
    VML_AUTO(vml_freep) char *target = NULL;
    enum vml_stat kind = VML_STAT_FILE;

    if (kept == NULL)
        return vml_fail_nomem(err);
    if (f->old != NULL && !f->forget && g->ops->stat(g->arg, kept, &kind, &target, err) < 0)
        return -1;
    /* What a first run kept is what it was; a later one's is not. */
    if (kind == VML_STAT_NONE && g->ops->copy(g->arg, f->path, kept, err) < 0)
        return -1;
    return g->ops->write(g->arg, f->path, f->new, strlen(f->new), err);
}

static int apply_action(struct vml_plan *p, const struct planned_action *a, struct vml_error *err)
{
    const struct vml_guest *g = p->guest;

    switch (a->kind) {
    case ASIDE:
        return g->ops->move(g->arg, a->path, a->from, err);
    case REMOVE:
        return g->ops->remove(g->arg, a->path, err);
    case LINK:
        return g->ops->link(g->arg, a->from, a->path, err);
    case COPY:
        return g->ops->copy(g->arg, a->from, a->path, err);
    case RUN:
        break;
    }
    if (g->ops->run(g->arg, a->path, err) == 0)
        return 0;
    if (a->slug == NULL || strcmp(err->slug, "prep/command") != 0)
        return -1;
    vml_note(&p->told->notes, a->slug, "%s", err->text);
    return 0;
}

int vml_plan_apply(struct vml_plan *p, struct vml_error *err)
{
    for (size_t i = 0; i < p->n_files; i++)
        if (is_changed(&p->files[i]) && apply_file(p, &p->files[i], err) < 0)
            return -1;
    for (int programs = 0; programs < 2; programs++)
        for (size_t i = 0; i < p->n_actions; i++)
            if ((p->actions[i].kind == RUN) == programs && apply_action(p, &p->actions[i], err) < 0)
                return -1;
    return 0;
}
