#include "copying.h"

int copier_open(struct copier *c, struct copying *how, const char *source, struct vml_error *err)
{
    if (local_open(&how->local, LOCAL_WRITE, &c->where, &c->store, err) < 0)
        return -1;
    const struct vml_where there = { c->where.owner, how->source_region != NULL ? how->source_region
                                                                                : c->where.region };
    c->source = source;
    c->copy = (struct vml_copy){ .threads = how->threads };
    progress_start(&c->progress, how->progress, local_size(c->store, &there, source));
    progress_attach(&c->progress, &c->copy);
    c->key = (struct encrypt_where){ &how->local, c->store, &c->where, &c->notes };
    c->how = (struct vml_copying_how){ .source_region = how->source_region,
                                       .name = how->name,
                                       .description = how->description,
                                       .tags = how->tags,
                                       .encrypt = how->encrypt.on,
                                       .key = how->encrypt.key,
                                       .default_key = encrypt_default,
                                       .arg = &c->key,
                                       .copy = &c->copy,
                                       .notes = &c->notes };
    return 0;
}

void copier_close(struct copier *c)
{
    progress_end(&c->progress);
    out_notes(c->source, &c->notes);
    vml_notes_clear(&c->notes);
    vml_store_freep(&c->store);
}

int copier_answer(struct cli *cli, const char *id, json_t *v, struct vml_error *err)
{
    if (!cli->json) {
        json_decref(v);
        out_line(stdout, "%s", id);
    } else if (out_json(v, err) < 0)
        return -1;
    if (out_flush(err) < 0) { /* it is there all the same, and the user must learn its name */
        vml_error_prefix(err, "%s is made", id);
        return -1;
    }
    return 0;
}
