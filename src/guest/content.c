/* What a partition holds, by libblkid.  It wants a file descriptor, so it gets a memory file of the
 * partition's size in which those of its bytes stand that tell one file system from another, and
 * nothing can make it read more of the disk: at 0 (ext, XFS, NTFS, FAT, LVM, LUKS, BitLocker,
 * squashfs, swap), at 32 KiB (ISO 9660, JFS), at 64 KiB (Btrfs, swap of 64 KiB pages), and where
 * two of them point to. */
#include "guest/internal.h"

#include <blkid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmlift/endian.h"

#define PIECE_MAX (12u << 10)

static bool write_at(int fd, const uint8_t *buf, size_t len, uint64_t off)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, buf, len, (off_t)off);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        buf += n;
        len -= (size_t)n;
        off += (uint64_t)n;
    }
    return true;
}

/* Copies what there is of [off, off+len).  What cannot be read is left out. */
static bool copy_piece(int fd, const struct vml_region *g, uint64_t off, size_t len)
{
    uint8_t buf[PIECE_MAX];

    if (off >= g->len)
        return true;
    len = (size_t)vml_min_u64(vml_min_u64(len, sizeof buf), g->len - off);
    return !vml_region_read(g, buf, len, off) || write_at(fd, buf, len, off);
}

/* libblkid believes an NTFS only with the first records of its master file table, and a BitLocker
 * volume only with the metadata that its boot sector names; a FAT's label is in its root. */
static bool copy_pointed(int fd, const struct vml_region *g, const uint8_t *boot)
{
    uint64_t cluster = (uint64_t)le16(boot + 11) * boot[13];
    struct vml_fat fat;

    if (memcmp(boot + 3, "NTFS    ", 8) == 0 && cluster > 0 && le64(boot + 48) < g->len / cluster)
        return copy_piece(fd, g, le64(boot + 48) * cluster, PIECE_MAX);
    if (memcmp(boot + 3, "-FVE-FS-", 8) == 0)
        return copy_piece(fd, g, le64(boot + 176), 4096);
    if (!vml_fat_open(&fat, g))
        return true;
    if (fat.root_len > 0)
        return copy_piece(fd, g, fat.root, 4096);
    return fat.root < 2 || copy_piece(fd, g, fat.data + (fat.root - 2) * fat.cluster, 4096);
}

static bool fill_file(int fd, const struct vml_region *g)
{
    static const struct {
        unsigned off, len;
    } pieces[] = { { 0, 8192 }, { 32768, 4096 }, { 61440, 12288 } };
    uint8_t boot[VML_SECTOR];

    if (ftruncate(fd, (off_t)g->len) < 0)
        return false;
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
        if (!copy_piece(fd, g, pieces[i].off, pieces[i].len))
            return false;
    return !vml_region_read(g, boot, sizeof boot, 0) || copy_pointed(fd, g, boot);
}

static void take(char *to, size_t size, blkid_probe pr, const char *name)
{
    const char *value;

    if (blkid_probe_lookup_value(pr, name, &value, NULL) == 0 && value != NULL)
        snprintf(to, size, "%s", value);
}

static bool probe(struct vml_content *c, blkid_probe pr, int fd, uint64_t len)
{
    int rc;

    if (blkid_probe_set_device(pr, fd, 0, (blkid_loff_t)len) != 0)
        return false;
    blkid_probe_enable_partitions(pr, 0);
    blkid_probe_enable_superblocks(pr, 1);
    blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_VERSION |
                                              BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID);
    errno = 0;
    rc = blkid_do_safeprobe(pr);
    if (errno == ENOMEM) /* which it takes for "not this one" */
        return false;
    if (rc == -2) /* the signatures of two: which one holds is not to be told */
        snprintf(c->type, sizeof c->type, "ambiguous");
    if (rc < -2)
        errno = -rc; /* want of memory, which it passes on like this */
    if (rc != 0)
        return rc == 1 || rc == -2;
    take(c->type, sizeof c->type, pr, "TYPE");
    take(c->version, sizeof c->version, pr, "VERSION");
    take(c->label, sizeof c->label, pr, "LABEL");
    take(c->uuid, sizeof c->uuid, pr, "UUID");
    return c->type[0] != '\0'; /* without memory it leaves out any of them */
}

void vml_content_read(struct vml_content *c, const struct vml_region *g)
{
    blkid_probe pr;
    bool done;
    int fd;

    *c = (struct vml_content){ .type = "" };
    if (g->len < VML_SECTOR)
        return;
    fd = memfd_create("vmlift-content", MFD_CLOEXEC);
    pr = fd >= 0 ? blkid_new_probe() : NULL;
    done = pr != NULL && fill_file(fd, g) && probe(c, pr, fd, g->len);
    if (!done)
        vml_view_fail(g->view, "looking for file systems");
    if (pr != NULL)
        blkid_free_probe(pr);
    if (fd >= 0)
        close(fd);
}
