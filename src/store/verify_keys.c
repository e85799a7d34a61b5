/* What verify does with keys: use those that there are, and say of which there are none. */
#include <stdlib.h>
#include <string.h>

#include "store/keys.h"

void vml_checked_keys_init(struct vml_checked_keys *k, struct vml_store *s)
{
    *k = (struct vml_checked_keys){ .store = s };
    pthread_mutex_init(&k->lock, NULL);
}

void vml_checked_keys_clear(struct vml_checked_keys *k)
{
    free(k->closed);
    pthread_mutex_destroy(&k->lock);
}

static int add_closed(struct vml_checked_keys *k, const char *id, struct vml_error *err)
{
    char(*more)[37] = realloc(k->closed, (k->n_closed + 1) * sizeof *more);

    if (more == NULL)
        return vml_fail_nomem(err);
    k->closed = more;
    memcpy(more[k->n_closed++], id, sizeof *more);
    return 0;
}

/* A key that opens is asked for each time, since it may be rotated meanwhile; one that does not is
 * tried once, since a wrong passphrase takes a third of a second. */
static int find_key(struct vml_checked_keys *k, const char *id, const struct vml_cipher **out,
                    struct vml_error *err)
{
    struct vml_error why;

    for (size_t i = 0; i < k->n_closed; i++)
        if (strcmp(k->closed[i], id) == 0)
            return 0;
    if (vml_cipher_any(k->store, id, out, &why) == 0)
        return 0;
    *out = NULL;
    if (why.code == VML_ENOTFOUND || why.code == VML_EREFUSED || why.code == VML_EDATA ||
        why.code == VML_EUNSUPPORTED)
        return add_closed(k, id, err);
    *err = why;
    return -1;
}

int vml_checked_key(struct vml_checked_keys *k, const char *id, const struct vml_cipher **out,
                    struct vml_error *err)
{
    int rc;

    *out = NULL;
    pthread_mutex_lock(&k->lock);
    rc = find_key(k, id, out, err);
    pthread_mutex_unlock(&k->lock);
    return rc;
}

struct check {
    struct vml_damage *damage;
    struct vml_checked_keys *keys;
    uint64_t *closed;
};

static int check_file(void *arg, const char *id, struct vml_error *err)
{
    const struct check *c = arg;
    VML_AUTO(vml_key_file_clear) struct vml_key_file f = { .data = NULL };
    struct vml_error fault;

    if (vml_key_load(c->damage->store, id, &f, &fault) == 0 || fault.code == VML_ENOTFOUND)
        return 0;
    if (fault.code == VML_EDATA || fault.code == VML_EUNSUPPORTED)
        return vml_damage_note(c->damage, NULL, &fault, err);
    *err = fault;
    return -1;
}

static int check_row(void *arg, const struct vml_snapshot *snap, struct vml_error *err)
{
    const struct check *c = arg;
    const struct vml_cipher *cipher = NULL;
    struct vml_snapshot revealed = *snap;
    struct vml_error fault;
    int rc;

    if (snap->key[0] == '\0')
        return 0;
    if (vml_checked_key(c->keys, snap->key, &cipher, err) < 0)
        return -1;
    if (cipher == NULL) {
        ++*c->closed;
        return 0;
    }
    revealed.description = NULL;
    rc = vml_snapshot_unseal(cipher, &revealed, &fault);
    free(revealed.description);
    if (rc == 0)
        return 0;
    *err = fault;
    if (fault.code != VML_EDATA)
        return -1;
    vml_error_prefix(&fault, "%s", snap->id);
    return vml_damage_note(c->damage, NULL, &fault, err);
}

int vml_damage_keys(struct vml_damage *d, struct vml_checked_keys *k, uint64_t *closed,
                    struct vml_error *err)
{
    struct check c = { .damage = d, .keys = k, .closed = closed };

    return vml_key_names(d->store, check_file, &c, err) < 0
               ? -1
               : vml_snapshot_rows(d->db, check_row, &c, err);
}
