/* The certificate of a package (DSP0243, 5.1): a signature of the manifest, and who made it:
 *
 *     SHA256(vm.mf)= 7f3a...            the digest of the manifest, signed
 *     -----BEGIN CERTIFICATE-----       X.509 in PEM
 *
 * A signature that is wrong refuses the package.  One that is right says that the manifest, and
 * with it every byte that it lists, is from whoever has the key; who that is says the certificate
 * alone, since no authority is asked: anyone can make one. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ova.h"
#include "vmlift/certificate.h"

#define SIGNATURE_MAX 2048u /* bytes; that of an RSA key of 16384 bits */

struct signature {
    unsigned algorithm;
    uint8_t bytes[SIGNATURE_MAX];
    size_t len;
};

static int syntax(struct vml_error *err, const char *what)
{
    return vml_fail(err, VML_EDATA, "cert/syntax", "%s", what);
}

/* The first line that is not blank. */
static int read_signature(struct signature *s, const struct ova *p, struct vml_error *err)
{
    const char *text = p->cert_text, *end = p->cert_text + p->cert_len, *stop;
    VML_AUTO(vml_freep) char *name = NULL;
    VML_AUTO(vml_freep) char *file = NULL;
    struct manifest_form form;

    while (text < end && strchr(" \t\r\n", *text) != NULL)
        text++;
    stop = memchr(text, '\n', (size_t)(end - text));
    for (stop = stop != NULL ? stop : end; stop > text && strchr(" \t\r", stop[-1]) != NULL;)
        stop--;
    if (manifest_parse_form(&form, text, stop, 1, err) < 0)
        return syntax(err, "its first line is not of the form SHA256(vm.mf)= signature");
    s->algorithm = form.algorithm;
    s->len = form.value_len / 2;
    if (s->len == 0 || form.value_len % 2 != 0 || s->len > sizeof s->bytes ||
        !manifest_parse_hex(s->bytes, form.value, s->len))
        return syntax(err, "its signature is not in hexadecimal digits");
    name = strndup(form.file, form.file_len);
    file = name != NULL ? ova_beside(p->members[p->cert].name, name) : NULL;
    if (file == NULL)
        return vml_fail_nomem(err);
    if (strcmp(file, p->members[p->mf].name) != 0)
        return syntax(err, "it is of another manifest");
    return 0;
}

/* Who signed, and what is to be known of that. */
static void note_signer(struct ova *p, const struct vml_certificate *c, unsigned algorithm)
{
    struct vml_notes *notes = &p->base.notes;
    const char *file = p->members[p->cert].name;
    int64_t now = (int64_t)time(NULL);

    vml_note(notes, "cert/signed",
             "'%s': '%s' is signed (%s%s) by '%s'; who that is was not checked with any authority",
             file, p->members[p->mf].name, manifest_algorithms[algorithm].label,
             algorithm == MANIFEST_SHA1 ? ", which no longer proves who made it" : "", c->subject);
    if (c->self_signed)
        vml_note(notes, "cert/self-signed",
                 "'%s': the certificate is self-signed: anyone can make one", file);
    else
        vml_note(notes, "cert/issuer", "'%s': issued by '%s', which is not checked", file,
                 c->issuer);
    if (now < c->not_before)
        vml_note(notes, "cert/not-yet", "'%s': the certificate is not valid yet", file);
    if (now > c->not_after)
        vml_note(notes, "cert/expired", "'%s': the certificate has expired", file);
}

static int check(struct ova *p, struct vml_error *err)
{
    VML_AUTO(vml_certificate_freep) struct vml_certificate *c = NULL;
    struct signature s;
    bool good;

    if (read_signature(&s, p, err) < 0 ||
        vml_certificate_read(&c, p->cert_text, p->cert_len, err) < 0 ||
        vml_certificate_verify(c, manifest_algorithms[s.algorithm].name, p->mf_text, p->mf_len,
                               s.bytes, s.len, &good, err) < 0)
        return -1;
    if (!good)
        return vml_fail(err, VML_EDATA, "ova/cert-signature",
                        "'%s': the signature is not one of '%s' by the key of '%s': one of the "
                        "three was changed",
                        p->members[p->cert].name, p->members[p->mf].name, c->subject);
    note_signer(p, c, s.algorithm);
    return 0;
}

/* What cannot be read proves nothing, and takes nothing away from the manifest. */
int ova_check_signature(struct ova *p, struct vml_error *err)
{
    const char *slug;

    if (check(p, err) == 0)
        return 0;
    if (strcmp(err->slug, "ova/cert-signature") == 0 || err->code == VML_ENOMEM)
        return -1;
    slug = err->code == VML_EUNSUPPORTED ? "cert/unverified" : "cert/syntax";
    vml_note(&p->base.notes, slug, "'%s': the signature is not verified: %s",
             p->members[p->cert].name, err->text);
    return 0;
}
