/* A key as a file.  See key_file.c for the layout. */
#ifndef VMLIFT_STORE_KEY_FILE_H
#define VMLIFT_STORE_KEY_FILE_H

#include "codec/crypt.h"
#include "vmlift/key.h"

#define VML_KEY_DATA_MAX   1024u /* data keys: rotations, and one */
#define VML_KEY_GRANTS_MAX 1024u
#define VML_KEY_TEXT_MAX   8192u /* bytes of a description */
#define VML_KEY_FILE_MAX   (128u << 10)

/* A secret under another one: AES-256-GCM.  Or the secret as it is: nonce and tag are zeroes. */
struct vml_wrapped {
    uint8_t nonce[VML_NONCE], secret[VML_SECRET], tag[VML_TAG];
};

struct vml_key_file {
    struct vml_key key; /* versions is the number of data keys */
    uint8_t raw_id[16];
    struct vml_scrypt scrypt;    /* where key.passphrase */
    struct vml_wrapped wrapping; /* under the passphrase's key, or as it is */
    struct vml_wrapped address;  /* under the wrapping key, and so are the data keys */
    struct vml_wrapped *data;    /* owned */
    uint32_t generation;         /* of the wrapping key: how often it was made */
};
void vml_key_file_clear(struct vml_key_file *f); /* wipes the secrets */

/* The file's bytes: malloc'd, to be wiped and freed.  What f holds must be within the limits. */
int vml_key_file_print(const struct vml_key_file *f, uint8_t **out, size_t *len,
                       struct vml_error *err);
/* Any bytes: VML_EDATA key/damaged, VML_EUNSUPPORTED key/version.  *f is to be cleared. */
int vml_key_file_parse(const uint8_t *p, size_t len, struct vml_key_file *f, struct vml_error *err);

/* What a wrapped secret is, so that one cannot stand in for another. */
enum vml_wrap { VML_WRAP_WRAPPING, VML_WRAP_ADDRESS, VML_WRAP_DATA };
int vml_wrap(const uint8_t by[VML_SECRET], const uint8_t raw_id[16], enum vml_wrap what,
             uint32_t number, const uint8_t secret[VML_SECRET], struct vml_wrapped *out,
             struct vml_error *err);
/* VML_EDATA codec/seal: `by` is another key. */
int vml_unwrap(const uint8_t by[VML_SECRET], const uint8_t raw_id[16], enum vml_wrap what,
               uint32_t number, const struct vml_wrapped *w, uint8_t secret[VML_SECRET],
               struct vml_error *err);

#endif
