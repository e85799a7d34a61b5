/* The manifest of a package (DSP0243, 5.1): one digest for each file. */
#ifndef MANIFEST_H
#define MANIFEST_H

#include "vmlift/codec.h"

/* What a manifest may use, in this order: bit n of a mask, place n of an array. */
enum {
    MANIFEST_SHA1,
    MANIFEST_SHA224,
    MANIFEST_SHA256,
    MANIFEST_SHA384,
    MANIFEST_SHA512,
    MANIFEST_ALGORITHMS
};
#define MANIFEST_ALL (~(~0u << MANIFEST_ALGORITHMS))

struct manifest_algorithm {
    const char *name, *label; /* "sha256" to vml_digest_new, "SHA256" in the manifest */
    size_t len;               /* of a digest, bytes */
};
extern const struct manifest_algorithm manifest_algorithms[MANIFEST_ALGORITHMS];

struct manifest_line {
    char *file;
    unsigned algorithm;
    uint8_t digest[VML_DIGEST_MAX];
    size_t number; /* in the text, from 1 */
};
struct manifest {
    struct manifest_line *lines;
    size_t n;
};

/* One line, blanks at its ends cut off: "SHA256(file)= value".  It points into the text. */
struct manifest_form {
    unsigned algorithm;
    const char *file, *value; /* file without "./" */
    size_t file_len, value_len;
};
int manifest_parse_form(struct manifest_form *f, const char *p, const char *end, size_t number,
                        struct vml_error *err);
/* 2 * len hexadecimal digits into len bytes. */
bool manifest_parse_hex(uint8_t *out, const char *text, size_t len);

/* Reads what producers write: "SHA256(f)= hex", "SHA256 (f) = hex", CRLF, a byte order mark, digits
 * of either case.  VML_EDATA manifest/syntax with the line's number, also for a digest of the wrong
 * length and a line that is there twice; VML_EUNSUPPORTED manifest/algorithm.  *m is to be cleared,
 * also after a failure. */
int manifest_parse(struct manifest *m, const char *text, size_t len, struct vml_error *err);
void manifest_clear(struct manifest *m);
/* The algorithms that the manifest lists `file` with, as a mask. */
unsigned manifest_wants(const struct manifest *m, const char *file);

/* The line as the strictest readers want it ("SHA256(f)= hex\n": no space before the bracket, one
 * after the equals sign) into out, at most cap bytes with the NUL; its length without. */
size_t manifest_print(char *out, size_t cap, unsigned algorithm, const char *file,
                      const uint8_t *digest);

/* The digests of a file's bytes as they pass, once through, in one or more algorithms. */
struct manifest_sums {
    struct vml_digest *digest[MANIFEST_ALGORITHMS];
    uint64_t seen; /* bytes */
    unsigned done; /* mask of what is in sum */
    uint8_t sum[MANIFEST_ALGORITHMS][VML_DIGEST_MAX];
};
/* Start (again) with the algorithms of the mask. */
int manifest_sums_begin(struct manifest_sums *s, unsigned algorithms, struct vml_error *err);
void manifest_sums_tap(void *sums, const void *buf, size_t len); /* a vml_tap */
void manifest_sums_end(struct manifest_sums *s);                 /* fills sum and done */
void manifest_sums_clear(struct manifest_sums *s);

#endif
