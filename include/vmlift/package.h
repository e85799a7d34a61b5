/* A machine and its disks.  An OVA is one, and so is an OVF with its files beside it; a lone VMDK,
 * VHD or RAW is a package of one disk. */
#ifndef VMLIFT_PACKAGE_H
#define VMLIFT_PACKAGE_H

#include "vmlift/image.h"

#ifdef __cplusplus
extern "C" {
#endif

enum vml_firmware { VML_FIRMWARE_UNKNOWN, VML_FIRMWARE_BIOS, VML_FIRMWARE_UEFI };

#define VML_NICS_MAX 10u /* VMware's limit */

/* What the description says of the machine; 0 or "" is "not said". */
struct vml_machine {
    char name[128], os[128];
    char os_type[40];  /* VMware's identifier of the guest: "debian11_64Guest" */
    unsigned os_id;    /* CIM's number of it: 96 */
    char hardware[32]; /* the family it was made for: "vmx-13", "virtualbox-2.2" */
    unsigned cpus;
    uint64_t memory; /* bytes */
    enum vml_firmware firmware;
    bool secure_boot;
    struct vml_nic {
        char network[64]; /* what it is connected to */
        char model[24];   /* "E1000", "VmxNet3", as the description spells it */
    } nics[VML_NICS_MAX];
    unsigned n_nics;
};

/* What the description says of a disk. */
struct vml_disk {
    char *file;           /* the member's name, or the lone file's; owned by the package; NULL: the
                             disk has no file, since it is to be created empty */
    char controller[24];  /* what it hangs on, as the description spells it: "lsilogic",
                             "VirtualSCSI", "vmware.sata.ahci", "IDE"; "" is "not said" */
    uint64_t capacity;    /* bytes; VML_SIZE_UNKNOWN where it is not said */
    uint64_t stored_size; /* of the member; VML_SIZE_UNKNOWN where it is not known */
    bool absent;          /* told about only: its file is not there, or cannot be read (a note says
                             why); see vml_open.look */
};

/* How a package or a lone disk is to be opened; {0}: as its content says, whole. */
struct vml_open {
    const char *format;         /* NULL: the probed one */
    const char *vm;             /* of several machines the one with this id or Name; NULL: there
                                   is one only */
    struct vml_parents parents; /* of a lone disk */
    bool look;                  /* to tell about it only: what an OVF names and is not beside it,
                                   or is not read, is a note (vml_disk.absent) */
    bool no_manifest;           /* as if there were neither manifest nor certificate; a note says so
                                   (manifest/skipped) */
};

/* A disk that is to be written. */
struct vml_new_disk {
    uint64_t size;       /* bytes */
    char controller[24]; /* as in struct vml_disk; "" leaves it to the format */
    bool empty;          /* its size is all that is written: it is not added */
};

/* --- what a package format provides (formats/ova.c) ----------------------------------------- */

struct vml_package_reader {
    const struct vml_package_ops *ops;
    struct vml_machine machine;
    struct vml_disk *disks; /* in the order in which the machine sees them */
    size_t n_disks;
    struct vml_notes notes;
};
struct vml_package_writer {
    const struct vml_package_ops *ops;
    /* What its disks are to be: "vmdk", "streamOptimized"; and of the one that was added last, what
     * its description says of it, too: "adapter=ide", or NULL. */
    const char *disk_format, *disk_subformat, *disk_options;
    struct vml_notes notes; /* what the machine has and the format has not */
};
struct vml_facts; /* facts.h */
struct vml_package_ops {
    /* Reads the description: machine and disks.  Takes `in` over when it succeeds.  Of `how` vm and
     * look are the format's. */
    int (*open)(struct vml_package_reader **out, struct vml_input *in, const struct vml_open *how,
                struct vml_error *err);
    /* Disk i's bytes, of a disk that has a file.  once: front to back, digesting for the manifest
     * on the way; disks in the order in which they are stored where the package is a pipe.  Not
     * once: seekable.  The input is the caller's; it must be freed before the package. */
    int (*disk)(struct vml_package_reader *p, size_t i, bool once, struct vml_input **in,
                struct vml_error *err);
    /* Which disk comes next in the order of storage, after *i (start with SIZE_MAX); SIZE_MAX when
     * there is none. */
    int (*next)(struct vml_package_reader *p, size_t *i, struct vml_error *err);
    /* Every member against the manifest; what was read `once` to its end is not read again.
     * VML_EDATA manifest/mismatch, manifest/syntax, manifest/missing-member. */
    int (*verify)(struct vml_package_reader *p, struct vml_error *err);
    void (*close)(struct vml_package_reader *p);
    /* How `in`, which can seek and stays the caller's, was written: package and disks, in the order
     * of `open`, each but for what is in the disk's own file.  A package that is damaged has as
     * many facts as can be told. */
    int (*facts)(struct vml_input *in, struct vml_facts *f, struct vml_error *err);

    /* A package of exactly n disks.  Takes `o` over when it succeeds. */
    int (*create)(struct vml_package_writer **out, struct vml_output *o,
                  const struct vml_machine *machine, const struct vml_new_disk *disks, size_t n,
                  const struct vml_create *c, struct vml_error *err);
    /* Where disk number i goes; called in their order for all that are not empty, each written
     * whole before the next. The output is the caller's. */
    int (*add)(struct vml_package_writer *w, size_t i, struct vml_output **o,
               struct vml_error *err);
    int (*finish)(struct vml_package_writer *w, struct vml_error *err); /* durable */
    void (*free)(struct vml_package_writer *w); /* not finished: nothing is left */
};

/* --- core/package.c ------------------------------------------------------------------------- */

struct vml_package;

/* Opens a package or a lone disk in the format called `format`, or (NULL) the probed one; `in` may
 * be compressed.  Takes `in` over, also on failure.  Errors carry the input's name. */
int vml_package_open(struct vml_package **out, const struct vml_format *const *table,
                     struct vml_input *in, const char *format, struct vml_error *err);
/* The same as `how` says, whose words must outlive the package.  A package's own disks can have no
 * parents: files named for it are VML_EUSAGE image/parent-unused; and a lone disk is no machine:
 * VML_EUSAGE package/vm-unused.  VML_EUNSUPPORTED ovf/multi lists the machines where there are
 * several and none is chosen, VML_ENOTFOUND ovf/vm where none is the one that was. */
int vml_package_open_as(struct vml_package **out, const struct vml_format *const *table,
                        struct vml_input *in, const struct vml_open *how, struct vml_error *err);
const char *
vml_package_format(const struct vml_package *p); /* "ova", or the lone disk's "vmdk" .. */
const struct vml_machine *vml_package_machine(const struct vml_package *p);
/* Its disks can be had in any order and any number of times; else (a pipe; an OVA that is
 * compressed as a whole) once, in the order of storage. */
bool vml_package_can_seek(const struct vml_package *p);
size_t vml_package_count(const struct vml_package *p);
const struct vml_disk *vml_package_disk(const struct vml_package *p, size_t i);
/* What to call it: its file, or "(empty)". */
const char *vml_package_disk_name(const struct vml_package *p, size_t i);
const struct vml_notes *vml_package_notes(const struct vml_package *p);
/* Disk i, a disk of holes where it has no file, to be read in any order and any number of times;
 * front to back only where it is compressed (can_seek of the reader).  The reader is the caller's
 * and must be freed before the package. A lone disk from a pipe can be had once. */
int vml_package_reader(struct vml_package *p, size_t i, struct vml_reader **out,
                       struct vml_error *err);
/* The next disk in the order of storage, to be read once, front to back, and freed before the next
 * call: one pass over the package.  A disk without a file comes behind the one that the machine
 * sees before it.  *i is its number; *out is NULL at the end. */
int vml_package_next(struct vml_package *p, size_t *i, struct vml_reader **out,
                     struct vml_error *err);
/* Checks the manifest, as far as it was not done on the way.  Before anything becomes visible. */
int vml_package_verify(struct vml_package *p, struct vml_error *err);
void vml_package_free(struct vml_package *p);
void vml_package_freep(struct vml_package **p);

/* A new package (or lone disk: n must be 1, else VML_EUNSUPPORTED package/one-disk) in `format`.
 * subformat and options (of the disk format; of the package format for packages) may be NULL.  The
 * machine's own words are kept where options do not say otherwise and the format has them; else
 * there is a note.  A lone disk is written as any other, also if it is empty.  Takes `o` over, also
 * on failure. */
struct vml_package_out;
int vml_package_create(struct vml_package_out **out, const struct vml_format *const *table,
                       const struct vml_format *format, struct vml_output *o,
                       const struct vml_machine *machine, const struct vml_new_disk *disks,
                       size_t n, const char *subformat, const char *options, struct vml_error *err);
const struct vml_notes *vml_package_out_notes(const struct vml_package_out *p);
/* The writer of disk number i, to be filled by vml_copy and freed by the caller before the next:
 * of all in their order, but for those of a machine that are empty. */
int vml_package_add(struct vml_package_out *p, size_t i, struct vml_writer **out,
                    struct vml_error *err);
int vml_package_finish(struct vml_package_out *p, struct vml_error *err);
void vml_package_out_free(struct vml_package_out *p);
void vml_package_out_freep(struct vml_package_out **p);

#ifdef __cplusplus
}
#endif
#endif
