#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmlift/codec.h"
#include "vmlift/endian.h"

#define MAGIC "vmlift ledger 1\n"
enum { HEAD = 4096, DIGEST = 32, AT_ONCE = 128, /* slots */ ID = 72 };
#define BLOCKS_MAX (UINT64_C(1) << 27) /* of 64 TiB */

struct ledger {
    int fd;
    struct ledger_head head;
};

/* --- opening ---------------------------------------------------------------------------------- */

static void print_head(uint8_t raw[HEAD], const struct ledger_head *h)
{
    memset(raw, 0, HEAD);
    memcpy(raw, MAGIC, 16);
    memcpy(raw + 16, h->snapshot, ID);
    memcpy(raw + 16 + ID, h->parent, ID);
    put_le64(raw + 16 + 2 * ID, h->blocks);
}

static bool parse_head(struct ledger_head *h, const uint8_t raw[HEAD])
{
    memcpy(h->snapshot, raw + 16, ID);
    memcpy(h->parent, raw + 16 + ID, ID);
    h->blocks = le64(raw + 16 + 2 * ID);
    return memcmp(raw, MAGIC, 16) == 0 && memchr(h->snapshot, '\0', ID) != NULL &&
           memchr(h->parent, '\0', ID) != NULL && h->blocks <= BLOCKS_MAX;
}

static struct ledger *ledger_new(struct vml_error *err)
{
    struct ledger *l = calloc(1, sizeof *l);

    if (l == NULL)
        vml_fail_nomem(err);
    else
        l->fd = -1;
    return l;
}

/* All of len, or to the file's end: *got. */
static int read_at(const struct ledger *l, void *buf, size_t len, uint64_t off, size_t *got,
                   struct vml_error *err)
{
    *got = 0;
    while (*got < len) {
        ssize_t n = pread(l->fd, (uint8_t *)buf + *got, len - *got, (off_t)(off + *got));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return vml_fail_errno(err, "the ledger of %s", l->head.snapshot);
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return 0;
}

static int write_at(struct ledger *l, const void *buf, size_t len, uint64_t off,
                    struct vml_error *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(l->fd, (const uint8_t *)buf + done, len - done, (off_t)(off + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return vml_fail_errno(err, "the ledger of %s", l->head.snapshot);
        done += (size_t)n;
    }
    return 0;
}

int ledger_create(struct ledger **out, const char *path, const struct ledger_head *head,
                  struct vml_error *err)
{
    VML_AUTO(ledger_freep) struct ledger *l = ledger_new(err);
    uint8_t raw[HEAD];

    if (l == NULL)
        return -1;
    l->head = *head;
    l->fd = path != NULL ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
                         : open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (l->fd < 0)
        return vml_fail_errno(err, "%s", path != NULL ? path : "/tmp");
    print_head(raw, head);
    if (write_at(l, raw, sizeof raw, 0, err) < 0)
        return -1;
    *out = l;
    l = NULL;
    return 0;
}

int ledger_open(struct ledger **out, const char *path, struct vml_error *err)
{
    VML_AUTO(ledger_freep) struct ledger *l = ledger_new(err);
    uint8_t raw[HEAD];
    size_t got;

    if (l == NULL)
        return -1;
    l->fd = open(path, O_RDWR | O_CLOEXEC);
    if (l->fd < 0)
        return vml_fail_errno(err, "%s", path);
    if (read_at(l, raw, sizeof raw, 0, &got, err) < 0)
        return -1;
    if (got < sizeof raw || !parse_head(&l->head, raw))
        return vml_fail(err, VML_EDATA, "aws/ledger", "%s: not a ledger of vmlift's", path);
    *out = l;
    l = NULL;
    return 0;
}

void ledger_free(struct ledger *l)
{
    if (l == NULL)
        return;
    if (l->fd >= 0)
        close(l->fd);
    free(l);
}

void ledger_freep(struct ledger **l)
{
    ledger_free(*l);
    *l = NULL;
}

const struct ledger_head *ledger_head(const struct ledger *l)
{
    return &l->head;
}

/* --- slots ------------------------------------------------------------------------------------ */

static bool used(const uint8_t digest[DIGEST])
{
    static const uint8_t none[DIGEST];

    return memcmp(digest, none, DIGEST) != 0;
}

static uint64_t slot(uint64_t block)
{
    return HEAD + block * DIGEST;
}

int ledger_get(const struct ledger *l, uint64_t block, uint8_t digest[32], struct vml_error *err)
{
    size_t got = 0;

    if (block < l->head.blocks && read_at(l, digest, DIGEST, slot(block), &got, err) < 0)
        return -1;
    if (got < DIGEST)
        memset(digest, 0, DIGEST);
    return 0;
}

int ledger_put(struct ledger *l, uint64_t block, const uint8_t digest[32], struct vml_error *err)
{
    return write_at(l, digest, DIGEST, slot(block), err);
}

/* Slots from *block on into buf, holes of the file skipped; *n is 0 at the end. */
static int read_slots(const struct ledger *l, uint64_t *block, uint64_t end, uint8_t *buf,
                      size_t *n, struct vml_error *err)
{
    off_t at = lseek(l->fd, (off_t)slot(*block), SEEK_DATA);
    size_t got;

    *n = 0;
    if (at < 0 && errno == ENXIO)
        return 0;
    if (at < 0)
        return vml_fail_errno(err, "the ledger of %s", l->head.snapshot);
    *block = vml_max_u64(*block, ((uint64_t)at - HEAD) / DIGEST);
    if (*block >= end)
        return 0;
    *n = (size_t)vml_min_u64(AT_ONCE, end - *block);
    if (read_at(l, buf, *n * DIGEST, slot(*block), &got, err) < 0)
        return -1;
    *n = got / DIGEST;
    return 0;
}

int ledger_next(const struct ledger *l, uint64_t from, uint64_t end, uint64_t *block,
                struct vml_error *err)
{
    uint8_t buf[AT_ONCE * DIGEST];
    size_t n = 1;

    end = vml_min_u64(end, l->head.blocks);
    for (uint64_t at = from; at < end && n > 0; at += n) {
        if (read_slots(l, &at, end, buf, &n, err) < 0)
            return -1;
        for (size_t i = 0; i < n; i++) {
            if (used(buf + i * DIGEST)) {
                *block = at + i;
                return 0;
            }
        }
    }
    *block = end;
    return 0;
}

int ledger_add(struct ledger *to, const struct ledger *from, struct vml_error *err)
{
    uint64_t end = vml_min_u64(to->head.blocks, from->head.blocks);
    uint8_t buf[AT_ONCE * DIGEST], there[DIGEST];
    size_t n = 1;

    for (uint64_t at = 0; at < end && n > 0; at += n) {
        if (read_slots(from, &at, end, buf, &n, err) < 0)
            return -1;
        for (size_t i = 0; i < n; i++) {
            const uint8_t *digest = buf + i * DIGEST;

            if (!used(digest))
                continue;
            if (ledger_get(to, at + i, there, err) < 0 ||
                (!used(there) && ledger_put(to, at + i, digest, err) < 0))
                return -1;
        }
    }
    return 0;
}

static void digest_free(struct vml_digest **d)
{
    vml_digest_free(*d);
}

int ledger_sum(const struct ledger *l, uint8_t sum[32], uint64_t *count, struct vml_error *err)
{
    VML_AUTO(digest_free) struct vml_digest *d = NULL;
    uint8_t buf[AT_ONCE * DIGEST], whole[VML_DIGEST_MAX];
    size_t n = 1, len;

    if (vml_digest_new(&d, "sha256", err) < 0)
        return -1;
    *count = 0;
    for (uint64_t at = 0; at < l->head.blocks && n > 0; at += n) {
        if (read_slots(l, &at, l->head.blocks, buf, &n, err) < 0)
            return -1;
        for (size_t i = 0; i < n; i++) {
            if (used(buf + i * DIGEST)) {
                vml_digest_update(d, buf + i * DIGEST, DIGEST);
                ++*count;
            }
        }
    }
    vml_digest_final(d, whole, &len);
    memcpy(sum, whole, DIGEST);
    return 0;
}

int ledger_sync(struct ledger *l, struct vml_error *err)
{
    return fdatasync(l->fd) == 0 ? 0 : vml_fail_errno(err, "the ledger of %s", l->head.snapshot);
}
