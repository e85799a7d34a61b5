/* What the parent of a snapshot has, so that it is not sent again. */
#include <stdarg.h>
#include <string.h>

#include "publish.h"

void publish_say(const struct publish *p, const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    if (p->how->say == NULL)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    p->how->say(p->how->say_arg, line);
}

const char *publish_parent_id(const struct publish *p, size_t i)
{
    return i < p->how->n_parents ? p->how->parents[i] : "";
}

/* Of a parent that is noted nowhere: where it has blocks, but not what is in them. */
static int list_parent(struct publish *p, const char *id, uint64_t blocks, struct ledger **out,
                       struct vml_error *err)
{
    struct ledger_head head = { .blocks = blocks };

    snprintf(head.snapshot, sizeof head.snapshot, "%s", id);
    if (ledger_create(out, NULL, &head, err) < 0)
        return -1;
    vml_note(p->how->notes, "publish/parent",
             "it is not noted here what is in %s: of a disk whose parent that is all data are sent",
             id);
    for (uint64_t from = 0; from < blocks;) {
        struct ebs_page page;
        int rc;

        if (ebs_list(p->aws, id, from, &page, err) < 0)
            return -1;
        rc = 0;
        for (size_t i = 0; rc == 0 && i < page.n; i++)
            rc = ledger_put(*out, page.items[i].block, ebs_unknown, err);
        from = page.end > from ? page.end : UINT64_MAX;
        ebs_page_clear(&page);
        if (rc < 0)
            return -1;
        if (vml_interrupted())
            return vml_fail_interrupted(err);
    }
    return 0;
}

int publish_parent(struct publish *p, const char *id, uint64_t blocks, struct ledger **out,
                   struct vml_error *err)
{
    *out = NULL;
    if (id[0] == '\0')
        return 0;
    if (job_known(&p->job, id, blocks, out, err) < 0)
        return -1;
    return *out != NULL ? 0 : list_parent(p, id, blocks, out, err);
}
