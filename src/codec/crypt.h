/* What encryption is made of (libcrypto): AES-256-GCM, HMAC-SHA-256, scrypt.  Policy, and which key
 * is for what, is the store's.  Any thread; nothing of a key is kept between calls. */
#ifndef VMLIFT_CODEC_CRYPT_H
#define VMLIFT_CODEC_CRYPT_H

#include "vmlift/base.h"

#define VML_SECRET 32u /* bytes of every key here */
#define VML_NONCE  12u
#define VML_TAG    16u

/* Zeroes that the compiler does not leave out. */
void vml_wipe(void *p, size_t n);

struct vml_secret {
    uint8_t bytes[VML_SECRET];
};
void vml_secret_wipe(struct vml_secret *s); /* for VML_AUTO */

/* AES-256-GCM (NIST SP 800-38D): len bytes of `in` to `out`, which may be the same; aad is
 * authenticated and not encrypted.  A nonce must never come twice with the same key: twice gives
 * away both texts' difference, and the means to forge.  len and aad_len are below 2 GiB. */
int vml_seal(const uint8_t key[VML_SECRET], const uint8_t nonce[VML_NONCE], const void *aad,
             size_t aad_len, const void *in, size_t len, void *out, uint8_t tag[VML_TAG],
             struct vml_error *err);
/* VML_EDATA codec/seal: another key, or not what was sealed; `out` is then zeroes. */
int vml_unseal(const uint8_t key[VML_SECRET], const uint8_t nonce[VML_NONCE], const void *aad,
               size_t aad_len, const void *in, size_t len, void *out, const uint8_t tag[VML_TAG],
               struct vml_error *err);

void vml_hmac_sha256(const uint8_t key[VML_SECRET], const void *buf, size_t len, uint8_t out[32]);

/* scrypt (RFC 7914) takes 128 * r << log_n bytes of memory, which is the point of it. */
struct vml_scrypt {
    uint32_t log_n, r, p;
    uint8_t salt[32];
};
/* Cheap enough to try on a file's word: at most 512 MiB and a few seconds. */
bool vml_scrypt_sound(const struct vml_scrypt *how);
int vml_scrypt(const struct vml_scrypt *how, const void *passphrase, size_t len,
               uint8_t key[VML_SECRET], struct vml_error *err);

#endif
