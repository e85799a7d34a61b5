/* What is inside a disk, from its own bytes. */
#ifndef VMLIFT_GUEST_H
#define VMLIFT_GUEST_H

#include "vmlift/image.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- how it boots: without mounting anything, in milliseconds ------------------------------- */

#define VML_BOOT_LIMIT (3u << 20) /* bytes of the disk that are read, at most */

enum vml_table { VML_TABLE_NONE, VML_TABLE_MBR, VML_TABLE_GPT };

/* What a partition, a volume or the whole disk holds, in the words of libblkid: "ext4", "vfat",
 * "LVM2_member", "crypto_LUKS", "BitLocker", "swap"; "" when nothing is known of it. */
struct vml_content {
    char type[24], version[16], label[64], uuid[40];
};
struct vml_partition {
    unsigned number;   /* as Linux counts them, logical ones from 5 on */
    uint64_t off, len; /* bytes, as the table says; they may reach past the disk's end */
    char type[40];     /* an MBR's "0x83", a GPT's GUID in lowercase */
    char name[112];    /* a GPT's, UTF-8 */
    bool active;       /* a BIOS's boot code is to start this one (MBR: 0x80; GPT: attribute 2) */
    bool logical;      /* inside an extended partition */
    bool extended;     /* only a frame for those */
    bool esp;          /* an EFI system partition */
    bool bios_boot;    /* where GRUB lies on a disk with a GPT */
    bool outside;      /* not wholly on the disk: nothing in it was looked at */
    struct vml_content content;
};
/* A logical volume of LVM. */
struct vml_volume {
    char name[132]; /* "vg0/root" */
    uint64_t len;
    struct vml_content content; /* of one that is a single run on this disk */
};
/* Something that starts a system, or is read by what does. */
struct vml_loader {
    char kind[24];      /* "grub2", "grub-legacy", "systemd-boot", "syslinux", "shim",
                           "windows", "linux", "unknown" */
    unsigned partition; /* 0: in the first sector of the disk, or: */
    char volume[132];   /* the volume; "" */
    char path[128];     /* in its file system, "/boot/grub/grub.cfg"; "" for code in sectors */
    char arch[16];      /* of an EFI program: x86_64, i386, arm64, or another's name; "" */
    bool fallback;      /* firmware starts it without being told to: EFI/BOOT/BOOT*.EFI */
};

#define VML_BOOT_LOADERS 24
struct vml_boot {
    enum vml_table table;
    bool hybrid;                      /* a GPT whose MBR has partitions of its own */
    struct vml_partition *partitions; /* owned, in the order of the table */
    size_t n_partitions;
    bool more_partitions;       /* than are listed */
    struct vml_volume *volumes; /* owned */
    size_t n_volumes;
    struct vml_content whole; /* of a disk without a table, or beside it (an ISO image) */
    struct vml_loader loaders[VML_BOOT_LOADERS];
    size_t n_loaders;
    char code[24];    /* what the first sector's boot code is: "grub2", "grub-legacy", "syslinux",
                         "windows", "lilo" .., "unknown"; "" when there is none */
    bool bios;        /* boot code that a BIOS would start, and something for it to start */
    bool uefi;        /* an EFI system partition with a loader */
    char reason[400]; /* one line: what was found */
    char arch[16];    /* x86_64, i386, arm64 or another; "" where nothing tells */
    char arch_from[160]; /* what told it */
    unsigned arch_strength;
    unsigned root;          /* the partition that holds the root file system, as far as can be */
    char root_volume[132];  /* told; or the volume; 0 and "": not known */
    char root_from[160];    /* why this one */
    char root_word[128];    /* "UUID=..", "/dev/sda1": what a loader tells the kernel */
    char xen_menu[64];      /* what PV-GRUB would read: "(hd0,0)/boot/grub/menu.lst"; "" */
    struct vml_notes notes; /* what is wrong or odd: slugs "boot/..." */
    uint64_t read;          /* bytes of the disk */
};
/* Reads at most VML_BOOT_LIMIT bytes of a seekable disk.  *b is to be cleared, also after a
 * failure. A lying table is a note, never a failure; -1 only when the disk cannot be read or memory
 * is missing. */
int vml_boot_read(struct vml_reader *r, struct vml_boot *b, struct vml_error *err);
void vml_boot_clear(struct vml_boot *b);
/* "legacy-bios", "uefi", "uefi-preferred" (both) or "" (neither). */
const char *vml_boot_mode(const struct vml_boot *b);

#ifdef __cplusplus
}
#endif
#endif
