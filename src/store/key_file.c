/* STORE/keys/ID.key: a key, mode 0600.  All numbers are little-endian.
 *
 *     0    "VMLKEY1\0"          8 u32 version 1         12 u32 length of the file
 *     16   key ID (16 bytes)    32 account, 16 bytes    48 region, 32 bytes (NUL padded)
 *     80   i64 created          88 u32 flags: 1 default key, 2 a passphrase protects it
 *     92   scrypt: u32 log2 N, 96 u32 r, 100 u32 p, 104 salt (32); zeroes without a passphrase
 *     136  u32 generation of the wrapping key
 *     140  u32 data keys n      144 u32 grants g        148 u32 length of the description d
 *     152  wrapping key, 60     212 address key, 60     272 n data keys, 60 each, the oldest first
 *     then g accounts, 16 bytes each; d bytes of description; SHA-256 of all before, 32
 *
 *     wrapped secret: nonce (12), AES-256-GCM of the secret (32), tag (16); authenticated with it:
 *                     "vmlift key" and two NULs, key ID, u32 what (enum vml_wrap), u32 number
 *
 *     passphrase --scrypt--> (wraps) wrapping key --> address key, data keys
 *
 * Without a passphrase the wrapping key stands as it is, between zeroes.  The address key makes
 * HMACs that blocks are found by, and never changes; data key number i (from 1) encrypts, and the
 * last one does so for what is written now.  The SHA-256, last in every version, finds damage.  It
 * does not keep anyone from writing another file; but secrets of a passphrase's file cannot be
 * exchanged unnoticed. */
#include "store/key_file.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"
#include "vmlift/codec.h"
#include "vmlift/endian.h"
#include "vmlift/image.h"

#define FIXED   272u
#define WRAPPED 60u
#define ACCOUNT 16u
#define SUM     32u

enum { FLAG_DEFAULT = 1, FLAG_PASSPHRASE = 2 };

void vml_key_clear(struct vml_key *k)
{
    free(k->description);
    free(k->grants);
    *k = (struct vml_key){ .description = NULL };
}

void vml_key_file_clear(struct vml_key_file *f)
{
    vml_key_clear(&f->key);
    vml_wipe(&f->wrapping, sizeof f->wrapping);
    free(f->data); /* wrapped: of no use without the wrapping key */
    *f = (struct vml_key_file){ .data = NULL };
}

/* --- secrets -------------------------------------------------------------------------------- */

static void print_aad(uint8_t aad[36], const uint8_t raw_id[16], enum vml_wrap what,
                      uint32_t number)
{
    memcpy(aad, "vmlift key\0", 12);
    memcpy(aad + 12, raw_id, 16);
    put_le32(aad + 28, (uint32_t)what);
    put_le32(aad + 32, number);
}

int vml_wrap(const uint8_t by[VML_SECRET], const uint8_t raw_id[16], enum vml_wrap what,
             uint32_t number, const uint8_t secret[VML_SECRET], struct vml_wrapped *out,
             struct vml_error *err)
{
    uint8_t aad[36];

    print_aad(aad, raw_id, what, number);
    if (vml_random(out->nonce, sizeof out->nonce, err) < 0)
        return -1;
    return vml_seal(by, out->nonce, aad, sizeof aad, secret, VML_SECRET, out->secret, out->tag,
                    err);
}

int vml_unwrap(const uint8_t by[VML_SECRET], const uint8_t raw_id[16], enum vml_wrap what,
               uint32_t number, const struct vml_wrapped *w, uint8_t secret[VML_SECRET],
               struct vml_error *err)
{
    uint8_t aad[36];

    print_aad(aad, raw_id, what, number);
    return vml_unseal(by, w->nonce, aad, sizeof aad, w->secret, VML_SECRET, secret, w->tag, err);
}

static void print_wrapped(uint8_t *p, const struct vml_wrapped *w)
{
    memcpy(p, w->nonce, VML_NONCE);
    memcpy(p + VML_NONCE, w->secret, VML_SECRET);
    memcpy(p + VML_NONCE + VML_SECRET, w->tag, VML_TAG);
}

static void parse_wrapped(const uint8_t *p, struct vml_wrapped *w)
{
    memcpy(w->nonce, p, VML_NONCE);
    memcpy(w->secret, p + VML_NONCE, VML_SECRET);
    memcpy(w->tag, p + VML_NONCE + VML_SECRET, VML_TAG);
}

/* --- print ---------------------------------------------------------------------------------- */

static void print_fixed(uint8_t *p, const struct vml_key_file *f, size_t len)
{
    const struct vml_key *k = &f->key;

    memcpy(p, "VMLKEY1", 8);
    put_le32(p + 8, 1);
    put_le32(p + 12, (uint32_t)len);
    memcpy(p + 16, f->raw_id, 16);
    memcpy(p + 32, k->owner, strlen(k->owner));
    memcpy(p + 48, k->region, strlen(k->region));
    put_le64(p + 80, (uint64_t)k->created);
    put_le32(p + 88, (k->is_default ? FLAG_DEFAULT : 0u) | (k->passphrase ? FLAG_PASSPHRASE : 0u));
    if (k->passphrase) {
        put_le32(p + 92, f->scrypt.log_n);
        put_le32(p + 96, f->scrypt.r);
        put_le32(p + 100, f->scrypt.p);
        memcpy(p + 104, f->scrypt.salt, sizeof f->scrypt.salt);
    }
    put_le32(p + 136, f->generation);
    put_le32(p + 140, k->versions);
    put_le32(p + 144, (uint32_t)k->n_grants);
    put_le32(p + 148, (uint32_t)strlen(k->description));
    print_wrapped(p + 152, &f->wrapping);
    print_wrapped(p + 212, &f->address);
}

static size_t file_length(size_t data, size_t grants, size_t text)
{
    return FIXED + data * WRAPPED + grants * ACCOUNT + text + SUM;
}

int vml_key_file_print(const struct vml_key_file *f, uint8_t **out, size_t *len,
                       struct vml_error *err)
{
    const struct vml_key *k = &f->key;
    size_t text = strlen(k->description);
    uint8_t *file, *p;

    assert(k->versions >= 1 && k->versions <= VML_KEY_DATA_MAX);
    assert(k->n_grants <= VML_KEY_GRANTS_MAX && text <= VML_KEY_TEXT_MAX);
    *len = file_length(k->versions, k->n_grants, text);
    file = calloc(1, *len);
    if (file == NULL)
        return vml_fail_nomem(err);
    print_fixed(file, f, *len);
    p = file + FIXED;
    for (unsigned i = 0; i < k->versions; i++, p += WRAPPED)
        print_wrapped(p, &f->data[i]);
    for (size_t i = 0; i < k->n_grants; i++, p += ACCOUNT)
        memcpy(p, k->grants[i], ACCOUNT);
    memcpy(p, k->description, text);
    vml_sha256(file, *len - SUM, p + text);
    *out = file;
    return 0;
}

/* --- parse ---------------------------------------------------------------------------------- */

static int damaged(struct vml_error *err, const char *why)
{
    return vml_fail(err, VML_EDATA, "key/damaged", "%s", why);
}

/* A text in a field that NULs fill up, and nothing behind them. */
static bool parse_field(const uint8_t *p, size_t size, char *out, const char *of)
{
    size_t n = strnlen((const char *)p, size);

    memcpy(out, p, size);
    return n > 0 && n < size && vml_is_zero(p + n, size - n) && strspn(out, of) == n;
}

static bool parse_account(const uint8_t *p, char out[16])
{
    return parse_field(p, ACCOUNT, out, "0123456789") && strlen(out) == 12;
}

static int parse_fixed(const uint8_t *p, struct vml_key_file *f, struct vml_error *err)
{
    struct vml_key *k = &f->key;
    uint32_t flags = le32(p + 88);

    memcpy(f->raw_id, p + 16, 16);
    vml_uuid_print(k->id, f->raw_id);
    if (!parse_account(p + 32, k->owner) ||
        !parse_field(p + 48, sizeof k->region, k->region, "abcdefghijklmnopqrstuvwxyz0123456789-"))
        return damaged(err, "its account or region cannot be");
    k->created = (int64_t)le64(p + 80);
    k->is_default = (flags & FLAG_DEFAULT) != 0;
    k->passphrase = (flags & FLAG_PASSPHRASE) != 0;
    if ((flags & ~(uint32_t)(FLAG_DEFAULT | FLAG_PASSPHRASE)) != 0)
        return damaged(err, "it has flags that cannot be");
    f->scrypt = (struct vml_scrypt){ le32(p + 92), le32(p + 96), le32(p + 100), { 0 } };
    memcpy(f->scrypt.salt, p + 104, sizeof f->scrypt.salt);
    if (k->passphrase ? !vml_scrypt_sound(&f->scrypt) : !vml_is_zero(p + 92, 44))
        return damaged(err, "its scrypt parameters cannot be");
    f->generation = le32(p + 136);
    k->versions = le32(p + 140);
    parse_wrapped(p + 152, &f->wrapping);
    parse_wrapped(p + 212, &f->address);
    return 0;
}

static int parse_rest(const uint8_t *p, struct vml_key_file *f, size_t grants, size_t text,
                      struct vml_error *err)
{
    struct vml_key *k = &f->key;

    f->data = calloc(k->versions, sizeof *f->data);
    k->grants = calloc(grants + 1, sizeof *k->grants);
    k->description = calloc(1, text + 1);
    if (f->data == NULL || k->grants == NULL || k->description == NULL)
        return vml_fail_nomem(err);
    for (unsigned i = 0; i < k->versions; i++, p += WRAPPED)
        parse_wrapped(p, &f->data[i]);
    for (; k->n_grants < grants; k->n_grants++, p += ACCOUNT)
        if (!parse_account(p, k->grants[k->n_grants]))
            return damaged(err, "it is granted to what is no account");
    memcpy(k->description, p, text);
    return strlen(k->description) == text ? 0 : damaged(err, "its description cannot be");
}

int vml_key_file_parse(const uint8_t *p, size_t len, struct vml_key_file *f, struct vml_error *err)
{
    uint8_t sum[SUM];
    size_t data, grants, text;

    *f = (struct vml_key_file){ .data = NULL };
    if (len < FIXED + SUM || len > VML_KEY_FILE_MAX || memcmp(p, "VMLKEY1", 8) != 0)
        return damaged(err, "it is not a key, or cut short");
    vml_sha256(p, len - SUM, sum);
    if (memcmp(sum, p + len - SUM, SUM) != 0 || le32(p + 12) != len)
        return damaged(err, "it does not match its SHA-256");
    if (le32(p + 8) != 1)
        return vml_fail(err, VML_EUNSUPPORTED, "key/version",
                        "a key file of version %u, and this vmlift knows version 1", le32(p + 8));
    data = le32(p + 140);
    grants = le32(p + 144);
    text = le32(p + 148);
    if (data < 1 || data > VML_KEY_DATA_MAX || grants > VML_KEY_GRANTS_MAX ||
        text > VML_KEY_TEXT_MAX || file_length(data, grants, text) != len)
        return damaged(err, "its counts cannot be");
    return parse_fixed(p, f, err) < 0 ? -1 : parse_rest(p + FIXED, f, grants, text, err);
}
