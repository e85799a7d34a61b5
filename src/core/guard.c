/* A writer in front of another, with a say in whether that one may finish. */
#include "vmlift/copy.h"

#include <stdlib.h>

struct guard {
    struct vml_writer
        base; /* without a name: the copy would put it before the errors of `before` */
    struct vml_writer *of;
    int (*before)(void *arg, struct vml_error *err);
    void *arg;
};

static int guard_result(const struct guard *g, int rc, struct vml_error *err)
{
    if (rc < 0 && g->of->name != NULL && err->code != VML_EINTERRUPTED)
        vml_error_prefix(err, "%s", g->of->name);
    return rc;
}

static int guard_encode(struct vml_writer *w, struct vml_chunk *c, struct vml_error *err)
{
    struct guard *g = (struct guard *)w;

    if (g->of->ops->encode == NULL)
        return 0;
    return guard_result(g, g->of->ops->encode(g->of, c, err), err);
}

static int guard_put(struct vml_writer *w, const struct vml_chunk *c, struct vml_error *err)
{
    struct guard *g = (struct guard *)w;

    return guard_result(g, g->of->ops->put(g->of, c, err), err);
}

static int guard_finish(struct vml_writer *w, uint64_t size, struct vml_error *err)
{
    struct guard *g = (struct guard *)w;

    if (g->before(g->arg, err) < 0)
        return -1;
    return guard_result(g, g->of->ops->finish(g->of, size, err), err);
}

static void guard_free(struct vml_writer *w)
{
    struct guard *g = (struct guard *)w;

    vml_writer_free(g->of);
    free(g);
}

static const struct vml_writer_ops guard_ops = {
    .encode = guard_encode, .put = guard_put, .finish = guard_finish, .free = guard_free
};

int vml_writer_guard(struct vml_writer **out, struct vml_writer *w,
                     int (*before)(void *arg, struct vml_error *err), void *arg,
                     struct vml_error *err)
{
    struct guard *g = malloc(sizeof *g);

    if (g == NULL) {
        vml_writer_free(w);
        return vml_fail_nomem(err);
    }
    *g = (struct guard){ .base = *w, .of = w, .before = before, .arg = arg };
    g->base.ops = &guard_ops;
    g->base.name = NULL;
    *out = &g->base;
    return 0;
}
