/* EBS direct APIs: where they will be. */
#include "serve/serve.h"

int vml_ebs_new(struct vml_ebs **out, struct vml_server *s, struct vml_error *err)
{
    (void)s;
    (void)err;
    *out = NULL;
    return 0;
}

void vml_ebs_free(struct vml_ebs *e)
{
    (void)e;
}

int vml_ebs_answer(struct vml_ebs *e, struct vml_request *r, struct vml_answer *a,
                   struct vml_error *err)
{
    (void)e;
    (void)a;
    return vml_fail(err, VML_EUNSUPPORTED, "UnknownOperationException", "%s %s: not served",
                    r->method, r->path);
}

void vml_ebs_tick(struct vml_ebs *e)
{
    (void)e;
}

int vml_ebs_each(struct vml_ebs *e, const struct vml_where *where, vml_ebs_snapshot_fn *fn,
                 void *arg, struct vml_error *err)
{
    (void)e;
    (void)where;
    (void)fn;
    (void)arg;
    (void)err;
    return 0;
}

int vml_ebs_cancel(struct vml_ebs *e, const struct vml_where *where, const char *id,
                   struct vml_error *err)
{
    (void)e;
    (void)where;
    (void)id;
    (void)err;
    return 0;
}
