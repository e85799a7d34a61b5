/* Unlocking keys, and what unlocked ones do. */
#include "store/crypt.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/keys.h"
#include "vmlift/endian.h"

#define BOUND 20u /* bytes of the envelope that are authenticated as they stand */

/* --- the keyring ---------------------------------------------------------------------------- */

static void cipher_free(struct vml_cipher *c)
{
    if (c == NULL)
        return;
    if (c->data != NULL)
        vml_wipe(c->data, c->n_data * sizeof *c->data);
    free(c->data);
    vml_wipe(c, sizeof *c);
    free(c);
}

static void cipher_freep(struct vml_cipher **c)
{
    cipher_free(*c);
    *c = NULL;
}

void vml_keyring_init(struct vml_keyring *r)
{
    *r = (struct vml_keyring){ .first = NULL };
    pthread_mutex_init(&r->lock, NULL);
}

void vml_keyring_clear(struct vml_keyring *r)
{
    while (r->first != NULL) {
        struct vml_cipher *c = r->first;

        r->first = c->next;
        cipher_free(c);
    }
    pthread_mutex_destroy(&r->lock);
}

void vml_store_set_user(struct vml_store *s, const struct vml_key_user *user)
{
    s->keys.user = *user;
}

/* The file matched its SHA-256: a secret in it that does not open was put there. */
static int unwrap(const struct vml_key_file *f, const struct vml_secret *by, enum vml_wrap what,
                  uint32_t number, const struct vml_wrapped *w, uint8_t *secret,
                  struct vml_error *err)
{
    if (vml_unwrap(by->bytes, f->raw_id, what, number, w, secret, err) == 0)
        return 0;
    return err->code == VML_EDATA ? vml_fail(err, VML_EDATA, "key/damaged",
                                             "key %s: a secret in it is not its own", f->key.id)
                                  : -1;
}

static int unlock(struct vml_keyring *r, const struct vml_key_file *f, struct vml_cipher **out,
                  struct vml_error *err)
{
    VML_AUTO(vml_secret_wipe) struct vml_secret wrapping = { { 0 } };
    VML_AUTO(cipher_freep) struct vml_cipher *c = calloc(1, sizeof *c);

    if (c == NULL || (c->data = calloc(f->key.versions, sizeof *c->data)) == NULL)
        return vml_fail_nomem(err);
    memcpy(c->id, f->key.id, sizeof c->id);
    memcpy(c->raw_id, f->raw_id, sizeof c->raw_id);
    c->n_data = f->key.versions;
    c->generation = f->generation;
    if (vml_key_wrapping(f, &r->user, wrapping.bytes, err) < 0 ||
        unwrap(f, &wrapping, VML_WRAP_ADDRESS, 0, &f->address, c->address, err) < 0)
        return -1;
    for (uint32_t i = 0; i < c->n_data; i++)
        if (unwrap(f, &wrapping, VML_WRAP_DATA, i + 1, &f->data[i], c->data[i], err) < 0)
            return -1;
    *out = c;
    c = NULL;
    return 0;
}

/* Unlocked before, and not rotated since. */
static int find_or_unlock(struct vml_keyring *r, const struct vml_key_file *f,
                          const struct vml_cipher **out, struct vml_error *err)
{
    struct vml_cipher *c = r->first;

    while (c != NULL && (strcmp(c->id, f->key.id) != 0 || c->generation != f->generation ||
                         c->n_data != f->key.versions))
        c = c->next;
    if (c == NULL) {
        if (unlock(r, f, &c, err) < 0)
            return -1;
        c->next = r->first;
        r->first = c;
    }
    *out = c;
    return 0;
}

static int get(struct vml_store *s, struct vml_key_file *f, const struct vml_cipher **out,
               struct vml_error *err)
{
    int rc;

    pthread_mutex_lock(&s->keys.lock);
    rc = find_or_unlock(&s->keys, f, out, err);
    pthread_mutex_unlock(&s->keys.lock);
    return rc;
}

/* The file is read each time: what was granted may be revoked. */
int vml_cipher_get(struct vml_store *s, const char *key_id, const char *region,
                   const struct vml_cipher **out, struct vml_error *err)
{
    VML_AUTO(vml_key_file_clear) struct vml_key_file f = { .data = NULL };

    if (vml_key_load(s, key_id, &f, err) < 0 ||
        vml_key_check_use(&f.key, s->keys.user.account, region, err) < 0)
        return -1;
    return get(s, &f, out, err);
}

int vml_cipher_any(struct vml_store *s, const char *key_id, const struct vml_cipher **out,
                   struct vml_error *err)
{
    VML_AUTO(vml_key_file_clear) struct vml_key_file f = { .data = NULL };

    return vml_key_load(s, key_id, &f, err) < 0 ? -1 : get(s, &f, out, err);
}

/* --- addresses and sealed bytes --------------------------------------------------------------- */

void vml_cipher_address(const struct vml_cipher *c, const uint8_t digest[32], uint8_t address[32])
{
    vml_hmac_sha256(c->address, digest, 32, address);
}

/* What is authenticated: the caller's bytes, then the beginning of the envelope. */
struct bound {
    uint8_t *bytes;
    size_t len;
};

static void bound_clear(struct bound *b)
{
    free(b->bytes);
}

static int bind(struct bound *b, const void *aad, size_t aad_len, const uint8_t *envelope,
                struct vml_error *err)
{
    b->len = aad_len + BOUND;
    b->bytes = malloc(b->len);
    if (b->bytes == NULL)
        return vml_fail_nomem(err);
    memcpy(b->bytes, aad, aad_len);
    memcpy(b->bytes + aad_len, envelope, BOUND);
    return 0;
}

int vml_cipher_seal(const struct vml_cipher *c, const void *aad, size_t aad_len, uint8_t *out,
                    size_t len, struct vml_error *err)
{
    VML_AUTO(bound_clear) struct bound b = { .bytes = NULL };

    memcpy(out, c->raw_id, 16);
    put_le32(out + 16, c->n_data);
    if (vml_random(out + 20, VML_NONCE, err) < 0 || bind(&b, aad, aad_len, out, err) < 0)
        return -1;
    return vml_seal(c->data[c->n_data - 1], out + 20, b.bytes, b.len, out + VML_ENVELOPE, len,
                    out + VML_ENVELOPE, out + 32, err);
}

int vml_cipher_open(const struct vml_cipher *c, const void *aad, size_t aad_len,
                    const uint8_t *sealed, size_t len, void *out, struct vml_error *err)
{
    VML_AUTO(bound_clear) struct bound b = { .bytes = NULL };
    uint32_t number = le32(sealed + 16);

    if (memcmp(sealed, c->raw_id, 16) != 0 || number == 0)
        return vml_fail(err, VML_EDATA, "codec/seal", "it is not sealed with key %s", c->id);
    if (number > c->n_data)
        return vml_fail(err, VML_EREFUSED, "key/rotated",
                        "key %s: was rotated while it was in use (data key %u, unlocked %u)", c->id,
                        number, c->n_data);
    if (bind(&b, aad, aad_len, sealed, err) < 0)
        return -1;
    return vml_unseal(c->data[number - 1], sealed + 20, b.bytes, b.len, sealed + VML_ENVELOPE, len,
                      out, sealed + 32, err);
}
