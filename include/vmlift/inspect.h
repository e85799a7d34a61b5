/* What is inside a machine's disks, as the system on them says it: what decides whether it will
 * start elsewhere, be reached there, and be a stranger to the machine that it was copied from. */
#ifndef VMLIFT_INSPECT_H
#define VMLIFT_INSPECT_H

#include "vmlift/appliance.h"

#ifdef __cplusplus
extern "C" {
#endif

enum vml_os {
    VML_OS_NONE, /* no system was found */
    VML_OS_LINUX,
    VML_OS_WINDOWS,
    VML_OS_OTHER,
};
enum vml_answer { VML_UNKNOWN, VML_NO, VML_YES };

/* What a kernel needs for the disks and networks of EC2 (Nitro: nvme, ena; Xen) and of KVM. */
enum vml_driver {
    VML_DRIVER_NVME,
    VML_DRIVER_ENA,
    VML_DRIVER_VIRTIO_BLK,
    VML_DRIVER_VIRTIO_NET,
    VML_DRIVER_XEN_BLK,
    VML_DRIVER_XEN_NET,
    VML_DRIVERS,
};
enum vml_driver_at {
    VML_DRIVER_UNKNOWN,
    VML_DRIVER_ABSENT,
    VML_DRIVER_MODULE,    /* in the root file system only, and so there when that is mounted */
    VML_DRIVER_INITRAMFS, /* a module there too */
    VML_DRIVER_BUILTIN,
};
const char *vml_driver_name(enum vml_driver d);        /* "nvme", "xen-blkfront" */
const char *vml_driver_at_name(enum vml_driver_at at); /* "built in", "initramfs" .. */

struct vml_kernel {
    char version[96];    /* "6.1.0-18-amd64" */
    char path[160];      /* "/boot/vmlinuz-6.1.0-18-amd64" */
    char initramfs[160]; /* its path; "": there is none */
    bool initramfs_read; /* what is in it could be listed */
    bool configured;     /* its configuration was found, which is what most below comes from */
    bool chosen;         /* started by default, as far as that can be told */
    enum vml_driver_at drivers[VML_DRIVERS];
    enum vml_answer xen_pv, xen_pvhvm; /* can it be a paravirtual guest, one with PV drivers */
};

/* How something names a disk. */
enum vml_spec {
    VML_SPEC_DEVICE, /* /dev/sda1: as this machine happened to count */
    VML_SPEC_ID,     /* /dev/disk/by-id, by-path: as this machine's hardware is */
    VML_SPEC_UUID,
    VML_SPEC_LABEL,
    VML_SPEC_PARTUUID,
    VML_SPEC_PARTLABEL,
    VML_SPEC_VOLUME,  /* of LVM or another mapping */
    VML_SPEC_NETWORK, /* nfs, cifs .. */
    VML_SPEC_SHARED,  /* a folder of the host: vboxsf, vmhgfs, 9p */
    VML_SPEC_VIRTUAL, /* proc, tmpfs, a bind mount */
    VML_SPEC_FILE,    /* a file of the system itself: a swap file, a loop */
    VML_SPEC_BAD,     /* the line is no entry */
};
const char *vml_spec_name(enum vml_spec kind); /* "device", "uuid" */

/* A line of fstab. */
struct vml_mount {
    unsigned line; /* from 1 */
    enum vml_spec kind;
    char spec[160], dir[160], type[24], options[160];
    bool missing; /* names something that none of the disks has */
};

enum vml_address { VML_ADDRESS_NONE, VML_ADDRESS_DHCP, VML_ADDRESS_STATIC };
/* A network interface as it is configured. */
struct vml_interface {
    char name[64], file[160];
    enum vml_address address;
    char ip[64];  /* of a static one, as it is written there */
    char mac[24]; /* it is meant for the interface with this address, and no other */
};

/* A program that is at home with one host or cloud. */
struct vml_agent {
    char name[40]; /* "open-vm-tools" */
    char of[24]; /* "VMware", "VirtualBox", "KVM", "Hyper-V", "Xen", "AWS", "Azure", "Google", "any"
                  */
    char path[160]; /* what told of it */
};
/* What a copy should not have in common with its original. */
struct vml_identity {
    char what[40]; /* "machine-id", "ssh host key", "licence" */
    char path[160];
};
struct vml_space {
    char dir[160], device[96], type[24];
    uint64_t size, free; /* bytes; free is what others than root may use */
};

enum vml_pagefile {
    VML_PAGEFILE_UNKNOWN,
    VML_PAGEFILE_NONE,
    VML_PAGEFILE_FIXED,
    VML_PAGEFILE_MANAGED
};
struct vml_windows {
    char edition[64]; /* EditionID: "ServerStandard" */
    char build[24];   /* "17763" */
    char language[8]; /* InstallLanguage: "0409" is US English */
    enum vml_pagefile pagefile;
    char pagefiles[160]; /* as the registry has it, " " between its lines */
    enum vml_answer hibernation, hibernated, fast_startup; /* hibernated: right now */
    /* nvme, xen, virtio: the driver of the disk, from the start on */
    enum vml_answer remote_desktop, nvme, ena, xen, virtio, hyperv_role, dotnet, autologon,
        utc_clock;
};

struct vml_inspect {
    enum vml_os os;
    char distro[32];  /* as libguestfs calls it: "debian", "rhel", "windows" */
    char product[96]; /* "Debian GNU/Linux 12 (bookworm)" */
    int major, minor; /* of its version; 0.0 is not known */
    char arch[16];    /* x86_64, i386, aarch64 .. as libguestfs tells it */
    char hostname[96];
    char packages[16];       /* "deb", "rpm"; "" */
    char root[96];           /* the device in the appliance: "/dev/sda1", "/dev/vg/root" */
    unsigned root_disk;      /* the disk that has it, from 1; 0: not known, or several */
    char root_type[24];      /* its file system */
    char root_subvolume[96]; /* of Btrfs; "" */
    size_t n_systems;        /* that were found; this is about the first */
    char others[160];        /* which else, ", " between them */
    bool encrypted;          /* LUKS or BitLocker somewhere on the disks, or a crypttab */
    char encrypted_where[96];
    /* Owned lists. */
    struct vml_space *usage;
    size_t n_usage;
    struct vml_agent *agents;
    size_t n_agents;
    struct vml_identity *identity;
    size_t n_identity;
    /* Linux */
    struct vml_kernel *kernels;
    size_t n_kernels;
    struct vml_mount *mounts;
    size_t n_mounts;
    bool fstab; /* there is one, and it was read */
    struct vml_interface *nics;
    size_t n_nics;
    enum vml_answer predictable; /* names as enp1s0; no: eth0 */
    char predictable_from[160];
    char net_rules[160];      /* udev rules that tie names to this machine's network cards */
    char kernel_options[256]; /* of the chosen kernel, or of the loader's defaults */
    char kernel_root[128];    /* root= of them */
    enum vml_spec kernel_root_kind;
    bool serial_console; /* console=ttyS0 among them */
    char menus[320];     /* the boot loader's, ", " between them */
    size_t n_menus;      /* of GRUB's, links counted once */
    bool loader_spec;    /* GRUB reads /boot/loader/entries (BLS) */
    enum vml_answer cloud_init, ssh, ssh_enabled, dhcp_client, firewall;
    char cloud_init_off[96]; /* what turns it off */
    /* Windows */
    struct vml_windows windows;
    struct vml_notes notes; /* what could not be read, or is odd: slugs "inspect/..." */
};

/* Starts the appliance, looks, and ends it; nothing is written.  *v is to be cleared, also after a
 * failure.  A disk without a system is an answer: VML_OS_NONE.  Failures are those of the
 * appliance (guest/no-libguestfs, guest/no-appliance ..). */
int vml_inspect_read(const struct vml_appliance *how, struct vml_inspect *v, struct vml_error *err);
void vml_inspect_clear(struct vml_inspect *v);

#ifdef __cplusplus
}
#endif
#endif
