#include "codec/crypt.h"

#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_Init and its like, as in digest.c */
#include <assert.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <stdlib.h>

void vml_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}

void vml_secret_wipe(struct vml_secret *s)
{
    vml_wipe(s, sizeof *s);
}

/* --- AES-256-GCM ---------------------------------------------------------------------------- */

/* Freeing a context wipes the key's schedule. */
static void context_freep(EVP_CIPHER_CTX **c)
{
    EVP_CIPHER_CTX_free(*c);
}

/* libcrypto's only reasons to fail here are memory and a build without the cipher.  The second it
 * calls unsupported; the first has many names, or none where there is no room for any.  But one
 * allocation that fails while it looks for its algorithms is unsupported, too, for as long as the
 * process lives. */
static int crypto_fail(struct vml_error *err, const char *what)
{
    bool unsupported = ERR_GET_REASON(ERR_peek_error()) == ERR_R_UNSUPPORTED;
    void *room = malloc(4096);
    bool full = room == NULL;

    free(room);
    ERR_clear_error();
    return unsupported && !full
               ? vml_fail(err, VML_EIO, "codec/crypto",
                          "libcrypto: it has no %s, or had no memory to load it", what)
               : vml_fail_nomem(err);
}

int vml_seal(const uint8_t key[VML_SECRET], const uint8_t nonce[VML_NONCE], const void *aad,
             size_t aad_len, const void *in, size_t len, void *out, uint8_t tag[VML_TAG],
             struct vml_error *err)
{
    VML_AUTO(context_freep) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0, rest = 0;

    assert(len <= INT_MAX && aad_len <= INT_MAX);
    if (c == NULL)
        return vml_fail_nomem(err);
    if (EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) != 1 ||
        EVP_EncryptUpdate(c, NULL, &n, aad, (int)aad_len) != 1 ||
        EVP_EncryptUpdate(c, out, &n, in, (int)len) != 1 ||
        EVP_EncryptFinal_ex(c, (uint8_t *)out + n, &rest) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, (int)VML_TAG, tag) != 1)
        return crypto_fail(err, "AES-256-GCM");
    assert((size_t)n + (size_t)rest == len);
    return 0;
}

int vml_unseal(const uint8_t key[VML_SECRET], const uint8_t nonce[VML_NONCE], const void *aad,
               size_t aad_len, const void *in, size_t len, void *out, const uint8_t tag[VML_TAG],
               struct vml_error *err)
{
    VML_AUTO(context_freep) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0, rest = 0;

    assert(len <= INT_MAX && aad_len <= INT_MAX);
    if (c == NULL)
        return vml_fail_nomem(err);
    if (EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) != 1 ||
        EVP_DecryptUpdate(c, NULL, &n, aad, (int)aad_len) != 1 ||
        EVP_DecryptUpdate(c, out, &n, in, (int)len) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, (int)VML_TAG, (void *)tag) != 1)
        return crypto_fail(err, "AES-256-GCM");
    if (EVP_DecryptFinal_ex(c, (uint8_t *)out + n, &rest) == 1)
        return 0;
    vml_wipe(out, len); /* what is not authentic is nobody's to see */
    return vml_fail(err, VML_EDATA, "codec/seal", "it does not open with this key");
}

/* --- HMAC, scrypt --------------------------------------------------------------------------- */

/* One of HMAC's two digests (RFC 2104): of the key under a pad, then the text. */
static void padded_sha256(const uint8_t key[VML_SECRET], uint8_t pad, const void *buf, size_t len,
                          uint8_t out[32])
{
    uint8_t block[64];
    SHA256_CTX c;

    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)((i < VML_SECRET ? key[i] : 0) ^ pad);
    SHA256_Init(&c);
    SHA256_Update(&c, block, sizeof block);
    SHA256_Update(&c, buf, len);
    SHA256_Final(out, &c);
    vml_wipe(block, sizeof block);
    vml_wipe(&c, sizeof c);
}

/* Not HMAC(): that needs memory, and a block's address must not depend on there being any. */
void vml_hmac_sha256(const uint8_t key[VML_SECRET], const void *buf, size_t len, uint8_t out[32])
{
    uint8_t inner[32];

    padded_sha256(key, 0x36, buf, len, inner);
    padded_sha256(key, 0x5c, inner, sizeof inner, out);
}

bool vml_scrypt_sound(const struct vml_scrypt *how)
{
    return how->log_n >= 10 && how->log_n <= 22 && how->r >= 1 && how->r <= 32 && how->p >= 1 &&
           how->p <= 16 && ((uint64_t)128 * how->r << how->log_n) <= (UINT64_C(512) << 20);
}

static void kdf_freep(EVP_KDF **k)
{
    EVP_KDF_free(*k);
}

static void kdf_context_freep(EVP_KDF_CTX **c)
{
    EVP_KDF_CTX_free(*c);
}

int vml_scrypt(const struct vml_scrypt *how, const void *passphrase, size_t len,
               uint8_t key[VML_SECRET], struct vml_error *err)
{
    VML_AUTO(kdf_freep) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
    VML_AUTO(kdf_context_freep) EVP_KDF_CTX *c = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    uint64_t n = UINT64_C(1) << how->log_n, most = UINT64_C(1) << 30;
    uint32_t r = how->r, p = how->p;

    assert(vml_scrypt_sound(how));
    if (c == NULL)
        return crypto_fail(err, "scrypt");
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, (void *)passphrase, len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)how->salt, sizeof how->salt),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &most),
        OSSL_PARAM_construct_end(),
    };
    if (EVP_KDF_derive(c, key, VML_SECRET, params) != 1)
        return crypto_fail(err, "scrypt");
    return 0;
}
