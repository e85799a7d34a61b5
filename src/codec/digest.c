#include "vmlift/codec.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct vml_digest {
    EVP_MD_CTX *context;
};

int vml_digest_new(struct vml_digest **out, const char *algorithm, struct vml_error *err)
{
    static const struct {
        const char *name;
        const EVP_MD *(*md)(void);
    } known[] = { { "md5", EVP_md5 },       { "sha1", EVP_sha1 },     { "sha224", EVP_sha224 },
                  { "sha256", EVP_sha256 }, { "sha384", EVP_sha384 }, { "sha512", EVP_sha512 } };
    const EVP_MD *md = NULL;
    VML_AUTO(vml_digest_freep) struct vml_digest *d = calloc(1, sizeof *d);

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, algorithm) == 0)
            md = known[i].md();
    if (md == NULL)
        return vml_fail(err, VML_EUNSUPPORTED, "codec/digest", "digest '%s' is not known",
                        algorithm);
    if (d == NULL || (d->context = EVP_MD_CTX_new()) == NULL ||
        EVP_DigestInit_ex(d->context, md, NULL) != 1)
        return vml_fail_nomem(err);
    *out = d;
    d = NULL;
    return 0;
}

/* libcrypto's update and final of a digest fail only when misused. */
void vml_digest_update(struct vml_digest *d, const void *buf, size_t len)
{
    int ok = EVP_DigestUpdate(d->context, buf, len);

    assert(ok == 1);
    (void)ok;
}

void vml_digest_tap(void *digest, const void *buf, size_t len)
{
    vml_digest_update(digest, buf, len);
}

void vml_digest_final(struct vml_digest *d, uint8_t out[VML_DIGEST_MAX], size_t *len)
{
    unsigned n = 0;
    int ok = EVP_DigestFinal_ex(d->context, out, &n);

    assert(ok == 1);
    (void)ok;
    *len = n;
}

void vml_digest_free(struct vml_digest *d)
{
    if (d == NULL)
        return;
    EVP_MD_CTX_free(d->context);
    free(d);
}

void vml_digest_freep(struct vml_digest **d)
{
    vml_digest_free(*d);
    *d = NULL;
}

void vml_hex(char *out, const void *buf, size_t len)
{
    const uint8_t *p = buf;

    for (size_t i = 0; i < len; i++) {
        *out++ = "0123456789abcdef"[p[i] >> 4];
        *out++ = "0123456789abcdef"[p[i] & 15];
    }
    *out = '\0';
}
