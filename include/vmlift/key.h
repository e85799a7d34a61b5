/* The keys of a store's encrypted snapshots.
 *
 * A key belongs to an account in a region, as KMS's do, and other accounts may be granted its use.
 * It is a file, STORE/keys/ID.key: what it protects opens with that file, and with the passphrase
 * where it was made with one, and with nothing else.  Grants are this program's policy, not
 * cryptography: who can read a key's file, and knows its passphrase if it has one, has the key. */
#ifndef VMLIFT_KEY_H
#define VMLIFT_KEY_H

#include "vmlift/store.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VML_PASSPHRASE_MAX 1024u

struct vml_key {
    char id[37];        /* a UUID, as KMS's */
    char owner[16];     /* the account */
    char region[32];    /* the key is for nothing outside it */
    char *description;  /* owned; "" when there is none */
    int64_t created;    /* seconds since 1970 */
    bool is_default;    /* what is encrypted without naming a key takes this one */
    bool passphrase;    /* the file alone does not open anything */
    unsigned versions;  /* data keys: one, and one more for each rotation */
    char (*grants)[16]; /* owned: accounts that may use it too, ascending */
    size_t n_grants;
};
void vml_key_clear(struct vml_key *k);

/* --- who uses keys -------------------------------------------------------------------------- */

/* Puts the passphrase of a key into buf (cap bytes, VML_PASSPHRASE_MAX), without a NUL.  Called
 * from one thread at a time.  VML_EREFUSED key/passphrase when there is none to be had. */
typedef int vml_passphrase_fn(void *arg, const char *key_id, char *buf, size_t cap, size_t *len,
                              struct vml_error *err);
struct vml_key_user {
    const char *account; /* NULL: nobody, and no encrypted snapshot can be written or read */
    vml_passphrase_fn *passphrase; /* may be NULL: only keys without */
    void *arg;
};
/* Whose the uses of keys through this struct vml_store are; the strings and arg must outlive it.
 * Before other threads use the store. */
void vml_store_set_user(struct vml_store *s, const struct vml_key_user *user);

/* --- upkeep: each durable when it returns --------------------------------------------------- */

struct vml_key_new {
    const char *owner, *region;
    const char *description; /* may be NULL; at most 8192 bytes, as KMS's */
    const char *passphrase;  /* NULL: the file alone opens it */
    size_t passphrase_len;
};
/* Fills *out, to be cleared. */
int vml_key_create(struct vml_store *s, const struct vml_key_new *what, struct vml_key *out,
                   struct vml_error *err);
/* The default key of an account in a region; made of `what` where there is none yet (*made). */
int vml_key_default(struct vml_store *s, const struct vml_key_new *what, struct vml_key *out,
                    bool *made, struct vml_error *err);
/* VML_ENOTFOUND key/missing: there is no such file; VML_EDATA key/damaged; VML_EREFUSED key/denied:
 * account neither owns the key nor was granted it; key/missing too where it is another region's.
 * account NULL: whoever. */
int vml_key_get(struct vml_store *s, const char *id, const char *account, const char *region,
                struct vml_key *out, struct vml_error *err);
/* Every key of the store, oldest first; fn returns -1 to stop.  A damaged file is an error once all
 * others were shown. */
typedef int vml_key_fn(void *arg, const struct vml_key *k, struct vml_error *err);
int vml_key_each(struct vml_store *s, vml_key_fn *fn, void *arg, struct vml_error *err);
/* owner must own the key (key/denied).  A default key is its account's alone, as aws/ebs is
 * (key/default).  Granting what is granted, or revoking what is not, changes nothing. */
int vml_key_grant(struct vml_store *s, const char *id, const char *owner, const char *to,
                  struct vml_error *err);
int vml_key_revoke(struct vml_store *s, const char *id, const char *owner, const char *from,
                   struct vml_error *err);
/* A new wrapping key, by which the data keys are wrapped anew, and one data key more, which
 * everything written from then on takes.  What is stored stays as it is, and readable.  The
 * passphrase is asked for and stays, unless passphrase (of len bytes) is not NULL: then that one is
 * the new one. */
int vml_key_rotate(struct vml_store *s, const char *id, const char *owner, const char *passphrase,
                   size_t len, struct vml_error *err);
/* Waits for running transactions.  VML_EREFUSED key/in-use while a snapshot is encrypted with it.
 */
int vml_key_delete(struct vml_store *s, const char *id, const char *owner, struct vml_error *err);

#ifdef __cplusplus
}
#endif
#endif
