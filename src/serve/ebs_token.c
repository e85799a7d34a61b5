/* Tokens: what a list has said, so that it can be asked for without being looked for again.
 *
 *     0   kind
 *     1   u64 until when it is good, microseconds since 1970
 *     9   u64 number
 *     17  of a block: its name (32)
 *     end HMAC-SHA256 of all that and what it is for, 16 bytes of it
 *
 * in base64, as EBS's are: '+', '/' and '=' among it, which a client has to encode in a query.  So
 * a token is good until its time is up, also when the server was started anew, and for nothing that
 * was not listed.  It is no permission: whoever shows one must still be allowed to see the
 * snapshot. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "serve/ebs.h"
#include "vmlift/endian.h"
#include "vmlift/io.h"

#define MAC     16u
#define HEAD    17u
#define RAW_MAX (HEAD + 32 + MAC)

/* --- base64 --------------------------------------------------------------------------------- */

static size_t encoded(size_t len)
{
    return (len + 2) / 3 * 4;
}

static void encode(char *out, const uint8_t *raw, size_t len)
{
    EVP_EncodeBlock((unsigned char *)out, raw, (int)len);
}

/* Text that is the base64 of exactly len bytes, in its one right form. */
static bool decode(uint8_t *raw, size_t len, const char *text)
{
    uint8_t buf[RAW_MAX + 3];
    char again[EBS_TOKEN_SIZE];

    if (strlen(text) != encoded(len) ||
        EVP_DecodeBlock(buf, (const unsigned char *)text, (int)strlen(text)) < (int)len)
        return false;
    encode(again, buf, len);
    memcpy(raw, buf, len);
    return strcmp(text, again) == 0;
}

void vml_base64_print(char out[45], const uint8_t raw[32])
{
    encode(out, raw, 32);
}

bool vml_base64_parse(uint8_t raw[32], const char *text)
{
    return decode(raw, 32, text);
}

/* --- tokens --------------------------------------------------------------------------------- */

static size_t unsigned_len(const struct ebs_token *t)
{
    return HEAD + (t->kind == 'b' ? 32 : 0);
}

static int sign(const struct vml_ebs *e, const struct ebs_token *t, const uint8_t *raw,
                uint8_t mac[MAC], struct vml_error *err)
{
    uint8_t text[RAW_MAX + 256], full[EVP_MAX_MD_SIZE];
    size_t len = unsigned_len(t);
    unsigned full_len = 0;

    memcpy(text, raw, len);
    len += (size_t)snprintf((char *)text + len, 256, "%s\n%s\n%s", t->region, t->snapshot,
                            t->first != NULL ? t->first : "");
    if (HMAC(EVP_sha256(), e->secret, sizeof e->secret, text, len, full, &full_len) == NULL)
        return vml_fail_nomem(err);
    memcpy(mac, full, MAC);
    return 0;
}

static uint64_t microseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int vml_ebs_token_print(const struct vml_ebs *e, const struct ebs_token *t,
                        char out[EBS_TOKEN_SIZE], struct vml_error *err)
{
    uint8_t raw[RAW_MAX];
    uint64_t time = t->kind == 'b' ? EBS_BLOCK_TIME : EBS_PAGE_TIME;
    size_t len = unsigned_len(t);

    raw[0] = (uint8_t)t->kind;
    put_le64(raw + 1, microseconds() + time * 1000000);
    put_le64(raw + 9, t->number);
    if (t->kind == 'b')
        memcpy(raw + HEAD, t->name, 32);
    if (sign(e, t, raw, raw + len, err) < 0)
        return -1;
    encode(out, raw, len + MAC);
    return 0;
}

int vml_ebs_token_parse(const struct vml_ebs *e, struct ebs_token *t, const char *text,
                        struct vml_error *err)
{
    static const char block[] = "ValidationException/INVALID_BLOCK_TOKEN",
                      page[] = "ValidationException/INVALID_PAGE_TOKEN";
    const char *slug = t->kind == 'b' ? block : page,
               *what = t->kind == 'b' ? "The block token" : "The page token";
    uint8_t raw[RAW_MAX], mac[MAC];
    size_t len = unsigned_len(t);

    if (!decode(raw, len + MAC, text) || raw[0] != (uint8_t)t->kind)
        return vml_fail(err, VML_EREFUSED, slug, "%s is not valid", what);
    if (sign(e, t, raw, mac, err) < 0)
        return -1;
    if (CRYPTO_memcmp(mac, raw + len, MAC) != 0)
        return vml_fail(err, VML_EREFUSED, slug, "%s is not valid: it is not one for this", what);
    if (le64(raw + 1) < microseconds())
        return vml_fail(err, VML_EREFUSED, slug, "%s has expired", what);
    t->number = le64(raw + 9);
    if (t->kind == 'b')
        memcpy(t->name, raw + HEAD, 32);
    return 0;
}

/* --- the secret ----------------------------------------------------------------------------- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* 1: it is read; 0: there is none. */
static int read_secret(const char *path, uint8_t secret[32], struct vml_error *err)
{
    VML_AUTO(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint8_t raw[33];

    if (fd < 0)
        return errno == ENOENT ? 0 : vml_fail_errno(err, "%s", path);
    ssize_t n = read(fd, raw, sizeof raw);
    if (n < 0)
        return vml_fail_errno(err, "%s", path);
    if (n != 32)
        return vml_fail(err, VML_EDATA, "serve/token-secret",
                        "%s: it is damaged; without it a new one is made, and tokens that were "
                        "given are void",
                        path);
    memcpy(secret, raw, 32);
    return 1;
}

static int make_secret(const char *path, struct vml_error *err)
{
    VML_AUTO(vml_output_freep) struct vml_output *o = NULL;
    uint8_t raw[32];

    if (vml_random(raw, sizeof raw, err) < 0)
        return -1;
    if (vml_output_create(&o, path, VML_OUTPUT_PRIVATE, err) < 0 ||
        vml_output_write(o, raw, sizeof raw, err) < 0 || vml_output_commit(o, err) < 0)
        return err->code == VML_EEXISTS ? 0 : -1; /* another server was faster */
    return 0;
}

int vml_ebs_secret(const char *dir, uint8_t secret[32], struct vml_error *err)
{
    VML_AUTO(vml_freep) char *path = NULL;

    if (asprintf(&path, "%s/token-secret", dir) < 0) {
        path = NULL;
        return vml_fail_nomem(err);
    }
    int rc = read_secret(path, secret, err);
    if (rc == 0 && make_secret(path, err) == 0)
        rc = read_secret(path, secret, err);
    return rc == 1 ? 0 : -1;
}
