/* A snapshot once more: under another name, in another region, for another account, with another
 * key.  Blocks are found by what they hold, so that the copy is a row and a record, unless the
 * blocks have to be encrypted anew. */
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

static void source_clear(struct vml_snapshot *s)
{
    vml_snapshot_clear(s);
}

static int same_tree(struct vml_store *s, struct vml_txn *t, const struct vml_snapshot *from,
                     struct vml_snapshot *to, struct vml_error *err)
{
    const struct vml_cipher *cipher = NULL;

    to->size = from->size;
    to->data_size = from->data_size;
    memcpy(to->root, from->root, sizeof to->root);
    if (vml_new_id(to->id, "snap-", err) < 0 ||
        (to->key[0] != '\0' && (vml_cipher_get(s, to->key, to->region, &cipher, err) < 0 ||
                                vml_snapshot_seal(cipher, to, err) < 0)))
        return -1;
    return vml_txn_add_snapshot(t, to, err);
}

static int new_tree(struct vml_store *s, struct vml_txn *t, const struct vml_snapshot *from,
                    struct vml_snapshot *to, struct vml_copy *c, struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;

    return vml_snapshot_open(&r, s, from->id, err) < 0 ||
                   vml_txn_snapshot(t, from->size, to, &w, err) < 0
               ? -1
               : vml_copy(r, w, c, err);
}

int vml_txn_copy_snapshot(struct vml_txn *t, struct vml_store *s, const char *id,
                          struct vml_snapshot *what, struct vml_copy *c, struct vml_error *err)
{
    VML_AUTO(source_clear) struct vml_snapshot from = { .description = NULL };

    if (vml_snapshot_get(s, id, &from, err) < 0)
        return -1;
    if (what->key[0] == '\0')
        memcpy(what->key, from.key, sizeof what->key);
    if (what->description == NULL) {
        if (vml_snapshot_reveal(s, &from, err) < 0)
            return -1;
        what->description = from.description;
        from.description = NULL;
    }
    return strcmp(what->key, from.key) == 0 ? same_tree(s, t, &from, what, err)
                                            : new_tree(s, t, &from, what, c, err);
}
