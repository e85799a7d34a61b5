/* --encrypt and --key, of the verbs that make snapshots. */
#ifndef VMLIFT_CLI_ENCRYPT_H
#define VMLIFT_CLI_ENCRYPT_H

#include "local.h"

struct encrypt {
    bool on;
    const char *key;
};
#define OPT_ENCRYPT(type)                                                      \
    { 0,                                                                       \
      "encrypt",                                                               \
      NULL,                                                                    \
      OPT_FLAG,                                                                \
      offsetof(struct type, encrypt.on),                                       \
      "encrypt the snapshots, with the account's default key in the region" }, \
    {                                                                          \
        0, "key", "KEY", OPT_TEXT, offsetof(struct type, encrypt.key),         \
            "with --encrypt: the key to encrypt with"                          \
    }

/* The key that is meant, its ID; "": nothing is encrypted.  The default key is made when it is
 * first needed, which a note says; a passphrase that is named then protects it. */
int encrypt_key(const struct encrypt *e, const char *verb, const struct local *l,
                struct vml_store *s, const struct vml_where *where, char id[37],
                struct vml_notes *found, struct vml_error *err);

/* The default key alone, for a callback that is called when it is needed: of struct encrypt_where.
 */
struct encrypt_where {
    const struct local *local;
    struct vml_store *store;
    const struct vml_where *where;
    struct vml_notes *found;
};
int encrypt_default(void *encrypt_where, char id[37], struct vml_error *err);

#endif
