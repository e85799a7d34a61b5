#include "image.h"

int image_each(struct cli *cli, struct local *local, image_fn *fn, void *arg, struct vml_error *err)
{
    VML_AUTO(json_freep) json_t *images = json_array();
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_where where;

    if (local_open(local, LOCAL_WRITE, &where, &s, err) < 0)
        return -1;
    for (int i = 0; i < cli->n_words; i++) {
        VML_AUTO(vml_image_clear) struct vml_image a = { 0 };
        if (fn(arg, s, &where, cli->words[i], &a, err) < 0) {
            vml_error_prefix(err, "%s", cli->words[i]);
            out_done_before(cli, i);
            return -1;
        }
        if (cli->json)
            json_array_append_new(images, image_json(&a, s));
        else
            out_line(stdout, "%s", a.id);
    }
    return cli->json ? out_json(json_pack("{s:O}", "Images", images), err) : 0;
}
