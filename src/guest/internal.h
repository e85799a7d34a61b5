/* What the files of this folder share.
 *
 *     boot.c      puts together what the others find, and judges
 *     view.c      the disk, of which a few MiB are read at most, each byte once
 *     mbr.c gpt.c the tables; code.c: what a BIOS would start
 *     content.c   what is in a partition, by libblkid
 *     lvm.c       the volumes of a physical volume
 *     fat.c ext.c files, to be looked at and no more
 *     efi.c       the loaders of an EFI system partition
 *     linux.c     the loaders' configurations, kernels, which partition is the root
 *
 * None of these trusts a number that stands on the disk: each loop has a bound of its own, and what
 * is read is paid out of the view's limit.  A read that is not possible is `false`, and then
 * nothing can be told; only a disk that cannot be read is an error, which the view keeps. */
#ifndef VMLIFT_GUEST_INTERNAL_H
#define VMLIFT_GUEST_INTERNAL_H

#include "vmlift/guest.h"

#define VML_SECTOR 512u

/* --- view.c --------------------------------------------------------------------------------- */

struct vml_view;
/* Of a seekable disk, which must outlive it; limit bytes of it are read at most. */
int vml_view_open(struct vml_view **out, struct vml_reader *r, size_t limit, struct vml_error *err);
void vml_view_freep(struct vml_view **v);
uint64_t vml_view_bytes(const struct vml_view *v); /* read so far */
bool vml_view_spent(const struct vml_view *v);     /* the limit kept something from being read */
/* malloc, whose failure the view keeps, too: else what cannot be told would be told wrong. */
void *vml_view_alloc(struct vml_view *v, size_t len);
/* Keeps errno, of something that is no fault of the disk. */
void vml_view_fail(struct vml_view *v, const char *what);
int vml_view_end(const struct vml_view *v, struct vml_error *err); /* -1: there was a failure */

/* A part of the disk: a partition, a volume, or all of it. */
struct vml_region {
    struct vml_view *view;
    uint64_t off, len;
};
/* Bytes [off, off+len) of the region; false: past its end, or see above. */
bool vml_region_read(const struct vml_region *g, void *buf, size_t len, uint64_t off);

/* --- mbr.c, gpt.c --------------------------------------------------------------------------- */

#define VML_MBR_ENTRIES 446u
/* Boot code or not, the sector ends as one that a BIOS starts. */
bool vml_sector_signed(const uint8_t sector[VML_SECTOR]);
/* Is one of the four entries that of a GPT's cover (0xee)?  Another one beside it makes it hybrid.
 */
bool vml_mbr_covers(const uint8_t mbr[VML_SECTOR], bool *hybrid);
/* Adds the partitions, also the logical ones.  false: the sector is no table. */
bool vml_mbr_read(struct vml_boot *b, const struct vml_region *disk, const uint8_t mbr[VML_SECTOR]);
/* Adds the partitions of the first table that is whole.  false: there is none. */
bool vml_gpt_read(struct vml_boot *b, const struct vml_region *disk, const uint8_t mbr[VML_SECTOR]);
#define VML_PARTITIONS_MAX 256u
#define VML_VOLUMES_MAX    64u
/* NULL when there are too many. */
struct vml_partition *vml_boot_add_partition(struct vml_boot *b);

#define VML_TYPE_ESP       "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
#define VML_TYPE_BIOS_BOOT "21686148-6449-6e6f-744e-656564454649"

/* --- code.c --------------------------------------------------------------------------------- */

/* What the boot code of the disk's first sector is, and whether it finds what it starts next. */
void vml_code_read(struct vml_boot *b, const struct vml_region *disk,
                   const uint8_t mbr[VML_SECTOR]);

/* --- content.c ------------------------------------------------------------------------------ */

void vml_content_read(struct vml_content *c, const struct vml_region *g);

/* --- lvm.c ---------------------------------------------------------------------------------- */

/* Adds the volumes of the physical volume g, with where they are, as far as that is one run in it:
 * fn is shown those. */
typedef void vml_lvm_fn(void *arg, struct vml_volume *v, const struct vml_region *g);
void vml_lvm_read(struct vml_boot *b, const struct vml_region *g, vml_lvm_fn *fn, void *arg);

/* --- files ---------------------------------------------------------------------------------- */

/* One that was found in a file system; what `at` means is the file system's. */
struct vml_file {
    uint64_t at, size;
    bool folder;
};
/* Shown a folder's names, "." and ".." left out; false ends it. */
typedef bool vml_file_fn(void *arg, const char *name, const struct vml_file *f);

struct vml_fat {
    struct vml_region g;
    unsigned bits; /* of an entry of the table: 12, 16, 32 */
    uint32_t cluster, clusters;
    uint64_t table, root, root_len, data; /* where they start; root_len 0: root is a cluster */
};
bool vml_fat_open(struct vml_fat *fat, const struct vml_region *g);
/* "EFI/BOOT/BOOTX64.EFI", in either case. */
bool vml_fat_find(const struct vml_fat *fat, const char *path, struct vml_file *out);
void vml_fat_list(const struct vml_fat *fat, const struct vml_file *folder, vml_file_fn *fn,
                  void *arg);
/* How many bytes there were. */
size_t vml_fat_read(const struct vml_fat *fat, const struct vml_file *f, void *buf, size_t len,
                    uint64_t off);

struct vml_ext {
    struct vml_region g;
    uint32_t block, inode_size, inodes_per_group, inodes, desc_size;
    uint64_t descs; /* where the group descriptors start */
    bool meta_bg, has_64bit;
    uint32_t first_meta_bg;
};
bool vml_ext_open(struct vml_ext *ext, const struct vml_region *g);
/* "/boot/grub/menu.lst", through symbolic links inside the file system. */
bool vml_ext_find(const struct vml_ext *ext, const char *path, struct vml_file *out);
void vml_ext_list(const struct vml_ext *ext, const struct vml_file *folder, vml_file_fn *fn,
                  void *arg);
size_t vml_ext_read(const struct vml_ext *ext, const struct vml_file *f, void *buf, size_t len,
                    uint64_t off);

/* --- efi.c ---------------------------------------------------------------------------------- */

/* The architecture that a program is for, as EC2 calls it, or another's name; "" where the bytes,
 * its first ones, are none. */
const char *vml_pe_arch(const uint8_t *p, size_t len);
/* Loaders of partition p, whose file system is a FAT. */
void vml_efi_read(struct vml_boot *b, const struct vml_partition *p, const struct vml_region *g);

/* --- linux.c -------------------------------------------------------------------------------- */

/* What it finds in a file system: partition number 0 is none, then it is volume `volume`. */
void vml_linux_read(struct vml_boot *b, unsigned partition, const char *volume,
                    const struct vml_region *g);
/* Which file system is the root's, from what was found. */
void vml_linux_root(struct vml_boot *b);

/* --- boot.c --------------------------------------------------------------------------------- */

/* NULL where there is no room for more. */
struct vml_loader *vml_boot_add_loader(struct vml_boot *b, const char *kind, unsigned partition,
                                       const char *path);
/* The first word is kept: later ones are weaker, or agree.  strength: the larger wins. */
void vml_boot_arch(struct vml_boot *b, unsigned strength, const char *arch, const char *from);
enum { VML_ARCH_WEAK = 1, VML_ARCH_LOADER, VML_ARCH_KERNEL };

#endif
