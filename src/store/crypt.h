/* Keys at work: unlocked, in memory. */
#ifndef VMLIFT_STORE_CRYPT_H
#define VMLIFT_STORE_CRYPT_H

#include <pthread.h>

#include "store/key_file.h"

/* A key as it was when it was unlocked.  Stays in the keyring until the store is freed. */
struct vml_cipher {
    char id[37];
    uint8_t raw_id[16];
    uint8_t address[VML_SECRET];
    uint8_t (*data)[VML_SECRET];
    uint32_t n_data, generation;
    struct vml_cipher *next;
};

struct vml_keyring {
    pthread_mutex_t lock; /* the list; and one unlocks at a time, so that one passphrase is asked */
    struct vml_key_user user;
    struct vml_cipher *first;
};
void vml_keyring_init(struct vml_keyring *r);
void vml_keyring_clear(struct vml_keyring *r); /* wipes everything */

/* The key, unlocked for the store's user.  Errors as vml_key_get's, and VML_EREFUSED
 * key/passphrase. */
int vml_cipher_get(struct vml_store *s, const char *key_id, const char *region,
                   const struct vml_cipher **out, struct vml_error *err);
/* For upkeep, which is nobody's: grants are not looked at. */
int vml_cipher_any(struct vml_store *s, const char *key_id, const struct vml_cipher **out,
                   struct vml_error *err);

/* Where a block with that SHA-256 is found: nobody without the key can tell which block it is, nor
 * whether another key has the same. */
void vml_cipher_address(const struct vml_cipher *c, const uint8_t digest[32], uint8_t address[32]);

/* --- sealed bytes: an envelope and the ciphertext --------------------------------------------- */

/*     0 key ID (16)   16 u32 number of the data key   20 nonce (12)   32 tag (16)   48 ciphertext
 *
 * AES-256-GCM; what the caller gives and bytes 0..19 are authenticated with it.  The nonce is
 * random: of 2^32 texts under one data key (2 PiB of blocks) two have the same with a chance of
 * 2^-33, which is what NIST SP 800-38D allows, and a rotation begins anew.  It is not made from
 * address or content: the same block compressed by another zstd is another text, and that would
 * be the one reuse that gives both away. */
#define VML_ENVELOPE 48u

/* The len bytes that stand at out + VML_ENVELOPE are encrypted where they are. */
int vml_cipher_seal(const struct vml_cipher *c, const void *aad, size_t aad_len, uint8_t *out,
                    size_t len, struct vml_error *err);
/* sealed has VML_ENVELOPE + len bytes; the len bytes inside come to out.  VML_EDATA codec/seal:
 * changed, or of another key; VML_EREFUSED key/rotated: by a data key made since c was unlocked. */
int vml_cipher_open(const struct vml_cipher *c, const void *aad, size_t aad_len,
                    const uint8_t *sealed, size_t len, void *out, struct vml_error *err);

/* --- seal.c: what is said of a snapshot ------------------------------------------------------- */

/* The description into snap->sealed, bound to all else that its row says, the root among it: who
 * has no key can neither read the one nor change the other unnoticed. */
int vml_snapshot_seal(const struct vml_cipher *c, struct vml_snapshot *snap, struct vml_error *err);
/* And back, into snap->description.  VML_EDATA store/record: the row is not what was sealed. */
int vml_snapshot_unseal(const struct vml_cipher *c, struct vml_snapshot *snap,
                        struct vml_error *err);

#endif
