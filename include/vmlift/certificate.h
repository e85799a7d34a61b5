/* Certificates (X.509 in PEM) and what was signed with their keys (libcrypto).  Nothing is looked
 * up anywhere: who a certificate belongs to is what it says itself. */
#ifndef VMLIFT_CERTIFICATE_H
#define VMLIFT_CERTIFICATE_H

#include "vmlift/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct vml_certificate {
    char subject[256], issuer[256]; /* "CN=Acme,O=..", RFC 2253: ASCII, anything else escaped */
    int64_t not_before, not_after;  /* seconds since 1970; both included */
    bool self_signed;               /* by its own key */
    void *x509;                     /* codec's own */
};

/* The first certificate in len bytes of text; what stands in front of it is passed over.  VML_EDATA
 * certificate/syntax. */
int vml_certificate_read(struct vml_certificate **out, const char *text, size_t len,
                         struct vml_error *err);
/* Is `signature` one of data's digest (algorithm as in vml_digest_new) by the certificate's key?
 * RSA as PKCS #1 v1.5, EC as DER.  VML_EUNSUPPORTED certificate/key: its key is of a kind that
 * cannot be asked. */
int vml_certificate_verify(const struct vml_certificate *c, const char *algorithm, const void *data,
                           size_t len, const void *signature, size_t signature_len, bool *good,
                           struct vml_error *err);
void vml_certificate_free(struct vml_certificate *c);
void vml_certificate_freep(struct vml_certificate **c);

#ifdef __cplusplus
}
#endif
#endif
