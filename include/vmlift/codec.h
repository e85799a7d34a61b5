/* Compression and digests of whole buffers.  Every function may be called from any thread; working
 * memory is kept per thread and freed with it. */
#ifndef VMLIFT_CODEC_H
#define VMLIFT_CODEC_H

#include "vmlift/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* zlib streams (RFC 1950), as VMDK grains are, whatever VMware's note says about RFC 1951. */
#define VML_DEFLATE_FAST 1 /* ISA-L where it is built in; 2..9 (12 with libdeflate) are smaller */
size_t vml_deflate_bound(size_t len);
/* *out_len gets the stream's length; cap must be vml_deflate_bound(len) at least.  The same input,
 * level and build give the same bytes where vml_reproducible says so (base.h); else level 1 may
 * make some bytes more of it in one process than in another. */
int vml_deflate(int level, const void *in, size_t len, void *out, size_t cap, size_t *out_len,
                struct vml_error *err);
/* Inflates one stream into exactly `len` bytes.  *used gets the stream's own length (may be less
 * than in_len: padding).  VML_EDATA codec/inflate: not a zlib stream, damaged, or cut short;
 * codec/length: it holds less or more than `len` bytes (nothing is written past out + len).  A
 * stream that was cut short may show as either. */
int vml_inflate(const void *in, size_t in_len, size_t *used, void *out, size_t len,
                struct vml_error *err);

/* The same of a stream without zlib's header and sum (RFC 1951), as QCOW2's clusters are. */
int vml_inflate_raw(const void *in, size_t in_len, size_t *used, void *out, size_t len,
                    struct vml_error *err);

/* zstd frames of a known size, for the store's blocks. */
size_t vml_zstd_bound(size_t len);
int vml_zstd_compress(int level, const void *in, size_t len, void *out, size_t cap, size_t *out_len,
                      struct vml_error *err);
int vml_zstd_expand(const void *in, size_t in_len, void *out, size_t len, struct vml_error *err);
/* As many whole frames from the front of `in` as make exactly len bytes, as QCOW2's clusters are;
 * *used gets their length, and what follows is not looked at.  VML_EDATA codec/zstd: no frame,
 * damaged, cut short, or one that holds more than is missing. */
int vml_zstd_expand_front(const void *in, size_t in_len, size_t *used, void *out, size_t len,
                          struct vml_error *err);

/* Digests (libcrypto).  algorithm: "md5" (only what S3 wants), "sha1", "sha224", "sha256",
 * "sha384", "sha512". */
#define VML_DIGEST_MAX 64
struct vml_digest;
int vml_digest_new(struct vml_digest **out, const char *algorithm, struct vml_error *err);
void vml_digest_update(struct vml_digest *d, const void *buf, size_t len);
void vml_digest_tap(void *digest, const void *buf, size_t len); /* the same, as a vml_tap */
/* Ends it; *len gets the digest's length.  Only free may follow. */
void vml_digest_final(struct vml_digest *d, uint8_t out[VML_DIGEST_MAX], size_t *len);
void vml_digest_free(struct vml_digest *d);
void vml_digest_freep(struct vml_digest **d);
/* CRC-32C (Castagnoli; RFC 3720, appendix B.4) of len bytes more: crc is that of those before, 0
 * for none. */
uint32_t vml_crc32c(uint32_t crc, const void *buf, size_t len);
/* The same of CRC-32 (ISO-HDLC: zlib's, Ethernet's). */
uint32_t vml_crc32(uint32_t crc, const void *buf, size_t len);
void vml_sha256(const void *buf, size_t len, uint8_t out[32]);
/* The SHA-256 of n buffers, out[i] that of the lens[i] bytes at bufs[i].  The calling thread does
 * it all, several of them side by side where the CPU has what that takes (x86): of one length, 4
 * take as long as 2.4 would one by one, 16 with AVX-512 as long as 6. */
void vml_sha256_many(uint8_t (*out)[32], const void *const *bufs, const size_t *lens, size_t n);
/* Lowercase hex and a NUL into out (2 * len + 1 bytes). */
void vml_hex(char *out, const void *buf, size_t len);

#ifdef __cplusplus
}
#endif
#endif
