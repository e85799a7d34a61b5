/* Encryption: what it is made of against other people's results, keys as files, keys at work. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "store/keys.h"
#include "vmlift/codec.h"

#define OWNER  "111111111111"
#define OTHER  "222222222222"
#define REGION "eu-central-1"

static char dir[64];

static void unhex(uint8_t *out, const char *hex)
{
    for (; hex[0] != '\0'; hex += 2) {
        unsigned byte = 0;

        CHECK(sscanf(hex, "%2x", &byte) == 1);
        *out++ = (uint8_t)byte;
    }
}

static void check_hex(const uint8_t *got, size_t len, const char *want)
{
    char hex[256];

    CHECK(2 * len < sizeof hex);
    vml_hex(hex, got, len);
    CHECK_STR(hex, want);
}

/* --- primitives ----------------------------------------------------------------------------- */

/* Test case 16 of "The Galois/Counter Mode of Operation" (McGrew, Viega). */
static void test_gcm(void)
{
    static const char plain[] = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                                "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
                      sealed[] = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                                 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662";
    uint8_t key[32], nonce[12], aad[20], text[60], tag[16];
    struct vml_error err;

    unhex(key, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    unhex(nonce, "cafebabefacedbaddecaf888");
    unhex(aad, "feedfacedeadbeeffeedfacedeadbeefabaddad2");
    unhex(text, plain);
    CHECK_OK(vml_seal(key, nonce, aad, sizeof aad, text, sizeof text, text, tag, &err), &err);
    check_hex(text, sizeof text, sealed);
    check_hex(tag, sizeof tag, "76fc6ece0f4e1768cddf8853bb2d551b");
    CHECK_OK(vml_unseal(key, nonce, aad, sizeof aad, text, sizeof text, text, tag, &err), &err);
    check_hex(text, sizeof text, plain);

    /* whatever changes, nothing comes out */
    uint8_t *const parts[] = { key, nonce, aad, text, tag };
    static const size_t sizes[] = { sizeof key, sizeof nonce, sizeof aad, sizeof text, sizeof tag };

    unhex(text, sealed);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        for (size_t bit = 0; bit < 8 * sizes[i]; bit++) {
            uint8_t out[60];

            parts[i][bit / 8] ^= (uint8_t)(1 << bit % 8);
            CHECK_FAILS(vml_unseal(key, nonce, aad, sizeof aad, text, sizeof text, out, tag, &err),
                        &err, "codec/seal");
            CHECK_INT(err.code, VML_EDATA);
            for (size_t k = 0; k < sizeof out; k++)
                CHECK_INT(out[k], 0);
            parts[i][bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    CHECK_OK(vml_seal(key, nonce, aad, sizeof aad, "", 0, text, tag, &err), &err);
    CHECK_OK(vml_unseal(key, nonce, aad, sizeof aad, "", 0, text, tag, &err), &err);
}

/* RFC 4231, cases 1 and 2: HMAC fills a shorter key up with zeroes itself. */
static void test_hmac(void)
{
    uint8_t key[VML_SECRET] = { 0 }, out[32];

    memset(key, 0x0b, 20);
    vml_hmac_sha256(key, "Hi There", 8, out);
    check_hex(out, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    memset(key, 0, sizeof key);
    memcpy(key, "Jefe", 4);
    vml_hmac_sha256(key, "what do ya want for nothing?", 28, out);
    check_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

/* The openssl program's scrypt. */
static void test_scrypt(void)
{
    struct vml_scrypt how = { .log_n = 12, .r = 8, .p = 2 };
    uint8_t key[VML_SECRET];
    char salt[65], command[512], want[128] = "", got[65];
    struct vml_error err;
    size_t n = 0;
    FILE *p;

    for (unsigned i = 0; i < sizeof how.salt; i++)
        how.salt[i] = (uint8_t)(i * 7);
    CHECK_OK(vml_scrypt(&how, "correct horse", 13, key, &err), &err);
    vml_hex(salt, how.salt, sizeof how.salt);
    vml_hex(got, key, sizeof key);
    snprintf(
        command, sizeof command,
        "openssl kdf -keylen 32 -kdfopt pass:'correct horse' -kdfopt hexsalt:%s"
        " -kdfopt n:4096 -kdfopt r:8 -kdfopt p:2 SCRYPT 2>/dev/null | tr -d ':\\n' | tr A-F a-f",
        salt);
    p = popen(command, "r");
    CHECK(p != NULL);
    CHECK(fgets(want, sizeof want, p) != NULL || want[0] == '\0');
    pclose(p);
    n = strlen(want);
    if (n == 0)
        fprintf(stderr, "scrypt is not compared: there is no openssl program\n");
    else
        CHECK_STR(got, want);

    /* what a file may not ask for */
    static const struct vml_scrypt unsound[] = { { 9, 8, 1, { 0 } },  { 63, 8, 1, { 0 } },
                                                 { 64, 8, 1, { 0 } }, { 20, 8, 1, { 0 } },
                                                 { 17, 0, 1, { 0 } }, { 17, UINT32_MAX, 1, { 0 } },
                                                 { 17, 8, 0, { 0 } }, { 17, 8, 17, { 0 } } };
    for (size_t i = 0; i < sizeof unsound / sizeof unsound[0]; i++)
        CHECK(!vml_scrypt_sound(&unsound[i]));
    CHECK(vml_scrypt_sound(&(struct vml_scrypt){ 19, 8, 1, { 0 } }));
}

/* --- keys as files -------------------------------------------------------------------------- */

static struct vml_store *make_store(void)
{
    struct vml_store *s = NULL;
    struct vml_error err;

    snprintf(dir, sizeof dir, "/tmp/test_crypt.XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    CHECK_OK(vml_store_open(&s, dir, true, &err), &err);
    return s;
}

static void remove_store(struct vml_store *s)
{
    char command[96];

    vml_store_free(s);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    CHECK(system(command) == 0);
}

static int passphrase(void *arg, const char *key_id, char *buf, size_t cap, size_t *len,
                      struct vml_error *err)
{
    const char *text = arg;

    (void)key_id;
    if (text == NULL)
        return vml_fail(err, VML_EREFUSED, "key/passphrase", "nobody knows it");
    CHECK(strlen(text) <= cap);
    *len = strlen(text);
    memcpy(buf, text, *len);
    return 0;
}

static void use_as(struct vml_store *s, const char *account, const char *text)
{
    vml_store_set_user(s, &(struct vml_key_user){ account, passphrase, (void *)text });
}

static struct vml_key make_key(struct vml_store *s, const char *text)
{
    const struct vml_key_new what = { .owner = OWNER,
                                      .region = REGION,
                                      .description = "for a test",
                                      .passphrase = text,
                                      .passphrase_len = text != NULL ? strlen(text) : 0 };
    struct vml_key key;
    struct vml_error err;

    CHECK_OK(vml_key_create(s, &what, &key, &err), &err);
    return key;
}

static char *path_of(const char *id)
{
    char *path = NULL;

    CHECK(asprintf(&path, "%s/keys/%s.key", dir, id) > 0);
    return path;
}

static size_t slurp(const char *path, uint8_t *buf, size_t cap)
{
    FILE *f = fopen(path, "rb");
    size_t n;

    CHECK(f != NULL);
    n = fread(buf, 1, cap, f);
    CHECK(n < cap);
    fclose(f);
    return n;
}

static void spill(const char *path, const uint8_t *buf, size_t len)
{
    FILE *f = fopen(path, "wb");

    CHECK(f != NULL && fwrite(buf, 1, len, f) == len);
    CHECK(fclose(f) == 0);
}

static bool holds(const uint8_t *buf, size_t len, const void *what, size_t size)
{
    return memmem(buf, len, what, size) != NULL;
}

/* Every bit of a key's file counts. */
static void test_flips(struct vml_store *s, const char *text)
{
    struct vml_key key = make_key(s, text);
    VML_AUTO(vml_freep) char *path = path_of(key.id);
    uint8_t file[4096];
    size_t len = slurp(path, file, sizeof file);
    struct vml_error err;
    struct stat st;

    CHECK(stat(path, &st) == 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        struct vml_key_file f;

        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK_FAILS(vml_key_file_parse(file, len, &f, &err), &err, "key/damaged");
        vml_key_file_clear(&f);
        file[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t cut = 0; cut < len; cut++) {
        struct vml_key_file f;

        CHECK_FAILS(vml_key_file_parse(file, cut, &f, &err), &err, "key/damaged");
        vml_key_file_clear(&f);
    }
    vml_key_clear(&key);
}

/* Someone who writes a file with a good SHA-256 cannot exchange a secret of it, nor ask for more
 * memory than there is. */
static void test_forged(struct vml_store *s)
{
    struct vml_key key = make_key(s, NULL);
    VML_AUTO(vml_freep) char *path = path_of(key.id);
    static const size_t secrets[] = { 212, 212 + 12, 212 + 59, 272, 272 + 12, 272 + 59 };
    const struct vml_cipher *c = NULL;
    uint8_t good[4096], file[4096];
    size_t len = slurp(path, good, sizeof good);
    struct vml_error err;

    use_as(s, OWNER, NULL);
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        memcpy(file, good, len);
        file[secrets[i]] ^= 1;
        vml_sha256(file, len - 32, file + len - 32);
        spill(path, file, len);
        CHECK_FAILS(vml_cipher_get(s, key.id, REGION, &c, &err), &err, "key/damaged");
    }
    for (unsigned at = 88; at < 152; at += 4) { /* flags, scrypt, generation, counts */
        struct vml_key_file f;

        if (at == 136)
            continue; /* any generation may be */
        memcpy(file, good, len);
        memset(file + at, 0xff, 4);
        vml_sha256(file, len - 32, file + len - 32);
        CHECK_FAILS(vml_key_file_parse(file, len, &f, &err), &err, "key/damaged");
        vml_key_file_clear(&f);
    }
    memcpy(file, good, len);
    file[8] = 2;
    vml_sha256(file, len - 32, file + len - 32);
    spill(path, file, len);
    CHECK_FAILS(vml_cipher_get(s, key.id, REGION, &c, &err), &err, "key/version");
    spill(path, good, len);
    CHECK_OK(vml_cipher_get(s, key.id, REGION, &c, &err), &err);
    vml_key_clear(&key);
}

static void test_passphrase(struct vml_store *s)
{
    struct vml_key key = make_key(s, "correct horse");
    VML_AUTO(vml_freep) char *path = path_of(key.id);
    const struct vml_cipher *c = NULL, *again = NULL;
    uint8_t file[4096];
    struct vml_error err;
    size_t len;

    CHECK(key.passphrase);
    use_as(s, OWNER, NULL);
    CHECK_FAILS(vml_cipher_get(s, key.id, REGION, &c, &err), &err, "key/passphrase");
    use_as(s, OWNER, "correct hors");
    CHECK_FAILS(vml_cipher_get(s, key.id, REGION, &c, &err), &err, "key/passphrase");
    CHECK_INT(err.code, VML_EREFUSED);
    CHECK(strstr(err.text, "hors") == NULL);
    use_as(s, OWNER, "correct horse");
    CHECK_OK(vml_cipher_get(s, key.id, REGION, &c, &err), &err);
    /* once unlocked it is not asked for again */
    use_as(s, OWNER, NULL);
    CHECK_OK(vml_cipher_get(s, key.id, REGION, &again, &err), &err);
    CHECK(c == again);

    len = slurp(path, file, sizeof file);
    CHECK(!holds(file, len, c->address, 32) && !holds(file, len, c->data[0], 32));

    /* another passphrase, and what was sealed before still opens */
    uint8_t sealed[VML_ENVELOPE + 5], out[5];
    memcpy(sealed + VML_ENVELOPE, "hello", 5);
    CHECK_OK(vml_cipher_seal(c, "aad", 3, sealed, 5, &err), &err);
    use_as(s, OWNER, "correct horse");
    CHECK_OK(vml_key_rotate(s, key.id, OWNER, "battery staple", 14, &err), &err);
    CHECK_FAILS(vml_cipher_get(s, key.id, REGION, &again, &err), &err, "key/passphrase");
    use_as(s, OWNER, "battery staple");
    CHECK_OK(vml_cipher_get(s, key.id, REGION, &again, &err), &err);
    CHECK(again != c && again->n_data == 2 && again->generation == 2);
    CHECK(memcmp(again->data[0], c->data[0], 32) == 0);
    CHECK(memcmp(again->data[1], c->data[0], 32) != 0);
    CHECK(memcmp(again->address, c->address, 32) == 0);
    CHECK_OK(vml_cipher_open(again, "aad", 3, sealed, 5, out, &err), &err);
    CHECK(memcmp(out, "hello", 5) == 0);
    memcpy(sealed + VML_ENVELOPE, "after", 5);
    CHECK_OK(vml_cipher_seal(again, "aad", 3, sealed, 5, &err), &err);
    CHECK_FAILS(vml_cipher_open(c, "aad", 3, sealed, 5, out, &err), &err, "key/rotated");
    /* and rotated without a new one, it stays */
    CHECK_OK(vml_key_rotate(s, key.id, OWNER, NULL, 0, &err), &err);
    CHECK_OK(vml_cipher_get(s, key.id, REGION, &again, &err), &err);
    CHECK_INT(again->n_data, 3);
    CHECK_FAILS(vml_key_rotate(s, key.id, OWNER, "", 0, &err), &err, "key/passphrase");
    vml_key_clear(&key);
}

/* The wrapping key is another after each rotation, and the old one is nowhere. */
static void test_rotate(struct vml_store *s)
{
    struct vml_key key = make_key(s, NULL);
    VML_AUTO(vml_freep) char *path = path_of(key.id);
    uint8_t before[4096], after[4096];
    size_t len = slurp(path, before, sizeof before);
    struct vml_error err;

    use_as(s, OWNER, NULL);
    for (unsigned i = 2; i < 20; i++) {
        const struct vml_cipher *c = NULL;

        CHECK_OK(vml_key_rotate(s, key.id, OWNER, NULL, 0, &err), &err);
        CHECK_INT(slurp(path, after, sizeof after), len + 60 * (i - 1));
        CHECK(!holds(after, sizeof after, before + 164, 32));
        CHECK_OK(vml_cipher_get(s, key.id, REGION, &c, &err), &err);
        CHECK_INT(c->n_data, i);
    }
    vml_key_clear(&key);
}

/* --- whose they are ------------------------------------------------------------------------- */

static void test_grants(struct vml_store *s)
{
    struct vml_key key = make_key(s, NULL), got;
    const struct vml_cipher *c = NULL;
    struct vml_error err;

    use_as(s, OTHER, NULL);
    CHECK_FAILS(vml_cipher_get(s, key.id, REGION, &c, &err), &err, "key/denied");
    CHECK_FAILS(vml_key_grant(s, key.id, OTHER, OTHER, &err), &err, "key/denied");
    CHECK_FAILS(vml_key_rotate(s, key.id, OTHER, NULL, 0, &err), &err, "key/denied");
    CHECK_FAILS(vml_key_grant(s, key.id, OWNER, "22222222222", &err), &err, "key/account");
    CHECK_OK(vml_key_grant(s, key.id, OWNER, "333333333333", &err), &err);
    CHECK_OK(vml_key_grant(s, key.id, OWNER, OTHER, &err), &err);
    CHECK_OK(vml_key_grant(s, key.id, OWNER, OTHER, &err), &err);
    CHECK_OK(vml_key_grant(s, key.id, OWNER, OWNER, &err), &err);
    CHECK_OK(vml_key_get(s, key.id, OTHER, REGION, &got, &err), &err);
    CHECK_INT(got.n_grants, 2);
    CHECK_STR(got.grants[0], OTHER);
    CHECK_STR(got.grants[1], "333333333333");
    CHECK_STR(got.description, "for a test");
    vml_key_clear(&got);
    CHECK_OK(vml_cipher_get(s, key.id, REGION, &c, &err), &err);
    CHECK_FAILS(vml_cipher_get(s, key.id, "us-east-1", &c, &err), &err, "key/missing");
    CHECK_FAILS(vml_key_grant(s, key.id, OTHER, "444444444444", &err), &err, "key/denied");
    CHECK_OK(vml_key_revoke(s, key.id, OWNER, OTHER, &err), &err);
    CHECK_OK(vml_key_revoke(s, key.id, OWNER, OTHER, &err), &err);
    /* unlocked before or not */
    CHECK_FAILS(vml_cipher_get(s, key.id, REGION, &c, &err), &err, "key/denied");
    use_as(s, NULL, NULL);
    CHECK_FAILS(vml_cipher_get(s, key.id, REGION, &c, &err), &err, "key/denied");
    use_as(s, OWNER, NULL);
    CHECK_OK(vml_cipher_get(s, key.id, REGION, &c, &err), &err);
    vml_key_clear(&key);
}

static void test_default(struct vml_store *s)
{
    struct vml_key_new what = { .owner = OWNER, .region = "ap-south-1" };
    struct vml_key key, again;
    struct vml_error err;
    bool made = false;

    CHECK_OK(vml_key_default(s, &what, &key, &made, &err), &err);
    CHECK(made && key.is_default);
    CHECK_OK(vml_key_default(s, &what, &again, &made, &err), &err);
    CHECK(!made);
    CHECK_STR(again.id, key.id);
    CHECK_FAILS(vml_key_grant(s, key.id, OWNER, OTHER, &err), &err, "key/default");
    vml_key_clear(&again);
    what.region = "ap-south-2";
    CHECK_OK(vml_key_default(s, &what, &again, &made, &err), &err);
    CHECK(made && strcmp(again.id, key.id) != 0);
    vml_key_clear(&again);
    vml_key_clear(&key);
}

static int count_key(void *arg, const struct vml_key *k, struct vml_error *err)
{
    (void)k;
    (void)err;
    ++*(unsigned *)arg;
    return 0;
}

static void test_missing(struct vml_store *s)
{
    static const char *const ids[] = { "11111111-2222-4333-8444-555555555555", "",
                                       "../../etc/passwd", "11111111-2222-4333-8444-55555555555/" };
    const struct vml_cipher *c = NULL;
    struct vml_key key = make_key(s, NULL), other = make_key(s, NULL);
    VML_AUTO(vml_freep) char *path = path_of(key.id);
    VML_AUTO(vml_freep) char *to = path_of(other.id);
    unsigned before = 0, n = 0;
    struct vml_error err;

    use_as(s, OWNER, NULL);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        CHECK_FAILS(vml_cipher_get(s, ids[i], REGION, &c, &err), &err, "key/missing");
    CHECK_OK(vml_key_each(s, count_key, &before, &err), &err);
    /* one key's file under another's name; the rest are shown all the same */
    CHECK(rename(path, to) == 0);
    CHECK_FAILS(vml_cipher_get(s, key.id, REGION, &c, &err), &err, "key/missing");
    CHECK_FAILS(vml_cipher_get(s, other.id, REGION, &c, &err), &err, "key/damaged");
    CHECK_FAILS(vml_key_each(s, count_key, &n, &err), &err, "key/damaged");
    CHECK_INT(n, before - 2);
    CHECK(unlink(to) == 0);
    vml_key_clear(&key);
    vml_key_clear(&other);
}

/* --- keys at work --------------------------------------------------------------------------- */

static int compare_nonces(const void *a, const void *b)
{
    return memcmp(a, b, VML_NONCE);
}

static void test_nonces(struct vml_store *s)
{
    enum { N = 50000 };
    struct vml_key key = make_key(s, NULL);
    const struct vml_cipher *c = NULL;
    uint8_t(*nonces)[VML_NONCE] = calloc(N, sizeof *nonces);
    struct vml_error err;

    CHECK(nonces != NULL);
    CHECK_OK(vml_cipher_get(s, key.id, REGION, &c, &err), &err);
    for (size_t i = 0; i < N; i++) {
        uint8_t sealed[VML_ENVELOPE + 16] = { 0 };

        CHECK_OK(vml_cipher_seal(c, "", 0, sealed, 16, &err), &err);
        memcpy(nonces[i], sealed + 20, VML_NONCE);
    }
    qsort(nonces, N, sizeof *nonces, compare_nonces);
    for (size_t i = 1; i < N; i++)
        CHECK(memcmp(nonces[i - 1], nonces[i], VML_NONCE) != 0);
    free(nonces);
    vml_key_clear(&key);
}

static void test_sealed(struct vml_store *s)
{
    struct vml_key key = make_key(s, NULL), other = make_key(s, NULL);
    const struct vml_cipher *c = NULL, *d = NULL;
    uint8_t sealed[VML_ENVELOPE + 33], out[33], digest[32] = { 1 }, a[32], b[32];
    struct vml_error err;

    CHECK_OK(vml_cipher_get(s, key.id, REGION, &c, &err), &err);
    CHECK_OK(vml_cipher_get(s, other.id, REGION, &d, &err), &err);
    memset(sealed, 'x', sizeof sealed);
    CHECK_OK(vml_cipher_seal(c, "header", 6, sealed, 33, &err), &err);
    CHECK_OK(vml_cipher_open(c, "header", 6, sealed, 33, out, &err), &err);
    CHECK_FAILS(vml_cipher_open(c, "Header", 6, sealed, 33, out, &err), &err, "codec/seal");
    CHECK_FAILS(vml_cipher_open(d, "header", 6, sealed, 33, out, &err), &err, "codec/seal");
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(vml_cipher_open(c, "header", 6, sealed, 33, out, &err) < 0);
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    vml_cipher_address(c, digest, a);
    vml_cipher_address(d, digest, b);
    CHECK(memcmp(a, b, 32) != 0);
    vml_cipher_address(c, digest, b);
    CHECK(memcmp(a, b, 32) == 0);
    vml_key_clear(&key);
    vml_key_clear(&other);
}

int main(void)
{
    struct vml_store *s;

    test_gcm();
    test_hmac();
    test_scrypt();
    s = make_store();
    test_flips(s, NULL);
    test_flips(s, "a passphrase");
    test_forged(s);
    test_passphrase(s);
    test_rotate(s);
    test_grants(s);
    test_default(s);
    test_missing(s);
    test_nonces(s);
    test_sealed(s);
    remove_store(s);
    return 0;
}
