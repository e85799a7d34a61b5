#include "vmlift/certificate.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void bio_freep(BIO **b)
{
    BIO_free(*b);
}

static void md_freep(EVP_MD_CTX **c)
{
    EVP_MD_CTX_free(*c);
}

/* An encrypted PEM must not make the library ask at the terminal. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

/* Cut to fit; never more than ASCII. */
static int print_name(char *out, size_t cap, const X509_NAME *name, struct vml_error *err)
{
    VML_AUTO(bio_freep) BIO *b = BIO_new(BIO_s_mem());
    char *text;
    long len;

    if (b == NULL)
        return vml_fail_nomem(err);
    if (X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253) < 0)
        return vml_fail(err, VML_EDATA, "certificate/syntax", "a name that cannot be read");
    len = BIO_get_mem_data(b, &text);
    if (len < 0)
        len = 0;
    if ((size_t)len >= cap)
        len = (long)cap - 1;
    memcpy(out, text, (size_t)len);
    out[len] = '\0';
    return 0;
}

static int read_time(int64_t *out, const ASN1_TIME *t, struct vml_error *err)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return vml_fail(err, VML_EDATA, "certificate/syntax", "a time that is none");
    *out = timegm(&tm);
    return 0;
}

int vml_certificate_read(struct vml_certificate **out, const char *text, size_t len,
                         struct vml_error *err)
{
    VML_AUTO(vml_certificate_freep) struct vml_certificate *c = calloc(1, sizeof *c);
    VML_AUTO(bio_freep) BIO *b = NULL;

    if (len > INT_MAX)
        return vml_fail(err, VML_EDATA, "certificate/syntax", "a text of %zu bytes", len);
    if (c == NULL || (b = BIO_new_mem_buf(text, (int)len)) == NULL)
        return vml_fail_nomem(err);
    c->x509 = PEM_read_bio_X509(b, NULL, no_password, NULL);
    ERR_clear_error();
    if (c->x509 == NULL)
        return vml_fail(err, VML_EDATA, "certificate/syntax", "no certificate that can be read");
    if (print_name(c->subject, sizeof c->subject, X509_get_subject_name(c->x509), err) < 0 ||
        print_name(c->issuer, sizeof c->issuer, X509_get_issuer_name(c->x509), err) < 0 ||
        read_time(&c->not_before, X509_get0_notBefore(c->x509), err) < 0 ||
        read_time(&c->not_after, X509_get0_notAfter(c->x509), err) < 0)
        return -1;
    c->self_signed = X509_self_signed(c->x509, 1) == 1;
    ERR_clear_error();
    *out = c;
    c = NULL;
    return 0;
}

int vml_certificate_verify(const struct vml_certificate *c, const char *algorithm, const void *data,
                           size_t len, const void *signature, size_t signature_len, bool *good,
                           struct vml_error *err)
{
    VML_AUTO(md_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY *key = X509_get0_pubkey(c->x509);
    const EVP_MD *md = EVP_get_digestbyname(algorithm);

    *good = false;
    if (context == NULL)
        return vml_fail_nomem(err);
    if (md == NULL || key == NULL || EVP_DigestVerifyInit(context, NULL, md, NULL, key) != 1) {
        ERR_clear_error();
        return vml_fail(err, VML_EUNSUPPORTED, "certificate/key",
                        "a key of this kind with %s is not understood", algorithm);
    }
    *good = EVP_DigestVerify(context, signature, signature_len, data, len) == 1;
    ERR_clear_error();
    return 0;
}

void vml_certificate_free(struct vml_certificate *c)
{
    if (c == NULL)
        return;
    X509_free(c->x509);
    free(c);
}

void vml_certificate_freep(struct vml_certificate **c)
{
    vml_certificate_free(*c);
    *c = NULL;
}
