/* What a partition holds, by libblkid.  It wants a file descriptor, so it gets a memory file of the
 * partition's size in which those of its bytes stand that tell one file system from another, and
 * nothing can make it read more of the disk:
 *
 *     0     ext, XFS, NTFS, FAT, LVM, LUKS, BitLocker, squashfs, swap   64 K   Btrfs, swap of 64
 * KiB pages 32 K  ISO 9660, JFS                                              elsewhere   what two
 * of them point to */
#include "guest/internal.h"

#include <blkid.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmlift/endian.h"

#define PIECE_MAX (12u << 10)

/* Copies what there is of [off, off+len). */
static bool copy_piece(int fd, const struct vml_region *g, uint64_t off, size_t len)
{
    uint8_t buf[PIECE_MAX];

    if (off >= g->len)
        return true;
    len = (size_t)vml_min_u64(vml_min_u64(len, sizeof buf), g->len - off);
    return vml_region_read(g, buf, len, off) && pwrite(fd, buf, len, (off_t)off) == (ssize_t)len;
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

static int make_file(const struct vml_region *g)
{
    static const struct {
        unsigned off, len;
    } pieces[] = { { 0, 8192 }, { 32768, 4096 }, { 61440, 12288 } };
    uint8_t boot[VML_SECTOR];
    int fd = memfd_create("vmlift-content", MFD_CLOEXEC);
    bool ok = fd >= 0 && ftruncate(fd, (off_t)g->len) == 0 &&
              vml_region_read(g, boot, sizeof boot, 0) && copy_pointed(fd, g, boot);

    for (size_t i = 0; ok && i < sizeof pieces / sizeof pieces[0]; i++)
        ok = copy_piece(fd, g, pieces[i].off, pieces[i].len);
    if (fd >= 0 && !ok) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void take(char *to, size_t size, blkid_probe pr, const char *name)
{
    const char *value;

    if (blkid_probe_lookup_value(pr, name, &value, NULL) == 0)
        snprintf(to, size, "%s", value);
}

static void probe(struct vml_content *c, blkid_probe pr, int fd, uint64_t len)
{
    int rc;

    if (blkid_probe_set_device(pr, fd, 0, (blkid_loff_t)len) != 0)
        return;
    blkid_probe_enable_partitions(pr, 0);
    blkid_probe_enable_superblocks(pr, 1);
    blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_VERSION |
                                              BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID);
    rc = blkid_do_safeprobe(pr);
    if (rc == -2) /* the signatures of two: which one holds is not to be told */
        snprintf(c->type, sizeof c->type, "ambiguous");
    if (rc != 0)
        return;
    take(c->type, sizeof c->type, pr, "TYPE");
    take(c->version, sizeof c->version, pr, "VERSION");
    take(c->label, sizeof c->label, pr, "LABEL");
    take(c->uuid, sizeof c->uuid, pr, "UUID");
}

void vml_content_read(struct vml_content *c, const struct vml_region *g)
{
    blkid_probe pr;
    int fd;

    *c = (struct vml_content){ .type = "" };
    if (g->len < VML_SECTOR || (fd = make_file(g)) < 0)
        return;
    pr = blkid_new_probe();
    if (pr != NULL) {
        probe(c, pr, fd, g->len);
        blkid_free_probe(pr);
    }
    close(fd);
}
