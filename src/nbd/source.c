#include "nbd/source.h"

#include <string.h>

int source_check(const struct source_config *c, struct vml_error *err)
{
    if ((c->file == NULL) == (c->store == NULL))
        return vml_fail(err, VML_EUSAGE, "nbd/config", "give file=PATH, or store=FOLDER");
    if (c->file != NULL && (c->snapshot != NULL || c->image != NULL || c->account != NULL ||
                            c->region != NULL || c->passphrase != NULL))
        return vml_fail(err, VML_EUSAGE, "nbd/config",
                        "snapshot, image, account, region and passphrase go with store");
    if (c->store == NULL)
        return 0;
    if (c->format != NULL || c->vm != NULL || c->n_parents > 0 || c->follow || c->no_manifest)
        return vml_fail(err, VML_EUSAGE, "nbd/config",
                        "format, vm, no-manifest, parent and follow-parents go with file");
    if ((c->snapshot == NULL) == (c->image == NULL))
        return vml_fail(err, VML_EUSAGE, "nbd/config",
                        "with store give snapshot=ID, or image=ID or its name");
    if (c->snapshot != NULL && c->disk > 0)
        return vml_fail(err, VML_EUSAGE, "nbd/config", "a snapshot is one disk: no disk=N");
    return 0;
}

static int choose_disk(const struct source_config *c, const char *name, size_t n, size_t *i,
                       struct vml_error *err)
{
    if (c->disk > n)
        return vml_fail(err, VML_EUSAGE, "nbd/config", "%s: there is no disk %u, only %zu", name,
                        c->disk, n);
    if (c->disk == 0 && n > 1)
        return vml_fail(err, VML_EUNSUPPORTED, "package/one-disk",
                        "%s: holds %zu disks: pick one with disk=N", name, n);
    *i = c->disk > 0 ? c->disk - 1 : 0;
    return 0;
}

/* --- files ---------------------------------------------------------------------------------- */

static int open_file(struct source *s, const struct source_config *c, struct vml_error *err)
{
    const struct vml_open how = { .format = c->format,
                                  .vm = c->vm,
                                  .no_manifest = c->no_manifest,
                                  .parents = { .files = (const char *const *)c->parents,
                                               .n_files = c->n_parents,
                                               .follow = c->follow } };
    struct vml_input *in;
    size_t i;

    if (vml_input_open_in(&in, c->file, ".ovf", err) < 0 ||
        vml_package_open_as(&s->package, vml_formats, in, &how, err) < 0 ||
        choose_disk(c, c->file, vml_package_count(s->package), &i, err) < 0)
        return -1;
    return vml_package_reader(s->package, i, &s->reader, err);
}

/* --- stores --------------------------------------------------------------------------------- */

static int give_passphrase(void *arg, const char *key_id, char *buf, size_t cap, size_t *len,
                           struct vml_error *err)
{
    const struct source_config *c = arg;

    if (c->passphrase == NULL)
        return vml_fail(err, VML_EREFUSED, "key/passphrase",
                        "key %s: needs its passphrase: passphrase=+FILE", key_id);
    *len = strlen(c->passphrase);
    if (*len > cap)
        return vml_fail(err, VML_EUSAGE, "key/passphrase",
                        "the passphrase is longer than %zu bytes", cap);
    memcpy(buf, c->passphrase, *len);
    return 0;
}

/* The snapshot of the image's disk, in the order of its mappings; those without one do not count.
 */
static int find_in_image(const struct source *s, const struct source_config *c,
                         const struct vml_where *where, char snapshot[32], struct vml_error *err)
{
    VML_AUTO(vml_image_clear) struct vml_image a = { 0 };
    size_t n = 0, i;

    if (vml_registry_get(s->store, where, c->image, &a, err) < 0 ||
        vml_registry_readable(s->store, where, &a, NULL, err) < 0)
        return -1;
    for (size_t k = 0; k < a.n_mappings; k++)
        n += a.mappings[k].snapshot[0] != '\0';
    if (choose_disk(c, c->image, n, &i, err) < 0)
        return -1;
    for (const struct vml_mapping *m = a.mappings;; m++)
        if (m->snapshot[0] != '\0' && i-- == 0) {
            memcpy(snapshot, m->snapshot, sizeof m->snapshot);
            return 0;
        }
}

static int open_snapshot(struct source *s, const struct source_config *c, struct vml_error *err)
{
    const struct vml_where where = { c->account != NULL ? c->account : "000000000000",
                                     c->region != NULL ? c->region : "us-east-1" };
    char snapshot[32];

    if (vml_store_open(&s->store, c->store, false, err) < 0)
        return -1;
    vml_store_set_user(s->store, &(struct vml_key_user){ where.owner, give_passphrase, (void *)c });
    if (c->snapshot != NULL) {
        VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot seen = { 0 };

        return vml_registry_snapshot_get(s->store, &where, c->snapshot, &seen, err) < 0
                   ? -1
                   : vml_snapshot_open(&s->reader, s->store, c->snapshot, err);
    }
    return find_in_image(s, c, &where, snapshot, err) < 0
               ? -1
               : vml_snapshot_open(&s->reader, s->store, snapshot, err);
}

/* --- both ----------------------------------------------------------------------------------- */

int source_open(struct source *s, const struct source_config *c, struct vml_error *err)
{
    *s = (struct source){ 0 };
    if ((c->file != NULL ? open_file(s, c, err) : open_snapshot(s, c, err)) < 0)
        return -1;
    if (s->reader->can_seek)
        return 0;
    return vml_fail(err, VML_EUNSUPPORTED, "nbd/needs-seek",
                    "%s: is compressed as a whole, or stored in chunks, and can be read front to "
                    "back only: convert it first",
                    s->reader->name);
}

void source_close(struct source *s)
{
    vml_reader_freep(&s->reader);
    vml_package_freep(&s->package);
    vml_store_freep(&s->store);
}
