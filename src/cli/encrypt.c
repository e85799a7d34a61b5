#include "encrypt.h"

#include <string.h>

#include "passphrase.h"

int encrypt_default(void *encrypt_where, char id[37], struct vml_error *err)
{
    const struct encrypt_where *w = encrypt_where;
    const struct local *l = w->local;
    const struct vml_where *where = w->where;
    VML_AUTO(vml_key_clear) struct vml_key key = { 0 };
    VML_AUTO(passphrase_clear) struct passphrase p = { .len = 0 };
    const char *file = local_passphrase_file(l);
    bool made = false;

    if (file != NULL && passphrase_read(&p, file, err) < 0)
        return -1;
    const struct vml_key_new what = { .owner = where->owner,
                                      .region = where->region,
                                      .description = "default key",
                                      .passphrase = p.len > 0 ? p.text : NULL,
                                      .passphrase_len = p.len };
    if (vml_key_default(w->store, &what, &key, &made, err) < 0)
        return -1;
    memcpy(id, key.id, sizeof key.id);
    if (made)
        vml_note(w->found, "key/made",
                 "key %s was made, the default one of account %s in %s; what is encrypted with it "
                 "cannot be read without its file, keys/%s.key in the store: keep a copy of that",
                 key.id, where->owner, where->region, key.id);
    return 0;
}

int encrypt_key(const struct encrypt *e, const char *verb, const struct local *l,
                struct vml_store *s, const struct vml_where *where, char id[37],
                struct vml_notes *found, struct vml_error *err)
{
    id[0] = '\0';
    if (!e->on)
        return e->key == NULL
                   ? 0
                   : vml_fail(err, VML_EUSAGE, "usage/key", "%s: --key needs --encrypt", verb);
    if (e->key == NULL)
        return encrypt_default(&(struct encrypt_where){ l, s, where, found }, id, err);
    if (strlen(e->key) != 36)
        return vml_fail(err, VML_EUSAGE, "usage/key", "--key: %.64s is not a key's ID", e->key);
    memcpy(id, e->key, 37);
    return 0;
}
