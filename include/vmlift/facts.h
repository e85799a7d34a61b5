/* How a file was written, beyond the disk in it: what those that are to take it judge it by
 * (target.h).  Formats tell it; the check for damage is another matter (vml_format's check). */
#ifndef VMLIFT_FACTS_H
#define VMLIFT_FACTS_H

#include "vmlift/package.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of one disk. */
struct vml_disk_facts {
    /* What the package says of it; a lone disk has none of this. */
    char *name;                          /* of its file; NULL: it has none, or is a lone disk */
    char controller[24];                 /* as struct vml_disk has it */
    bool gzip, chunked;                  /* how it is stored; such a disk is not looked into */
    uint64_t said_capacity, said_stored; /* bytes; VML_SIZE_UNKNOWN where it is not said */
    uint64_t stored;                     /* bytes its file has; VML_SIZE_UNKNOWN: it is not there */

    const char *format; /* "vmdk", static; NULL: it was not looked into, or cannot be read, and
                           nothing below means anything */
    char
        subformat[32]; /* "streamOptimized", "dynamic"; of a VMDK descriptor as it is spelt there */
    uint64_t size;     /* of the disk, bytes; VML_SIZE_UNKNOWN where the file does not say */
    bool child;        /* holds only what differs from another disk */

    struct vml_vmdk_facts {
        bool sparse;          /* begins with a header, which says: */
        bool piece;           /* no descriptor: a part of a disk of several files */
        unsigned version;     /* 1 .. 3 */
        unsigned compression; /* 0 none, 1 deflate */
        char adapter[24];     /* ddb.adapterType; "" where it is not said */
        uint64_t desc_room;   /* bytes that may be added to the embedded descriptor */
        /* streamOptimized alone, from its markers: */
        bool eos;          /* the end-of-stream marker is there */
        uint64_t trailing; /* bytes behind it */
        bool ordered;      /* grains come in the order of the disk */
        bool short_grain;  /* the last one inflates to less than the others */
    } vmdk;
    struct vml_vhd_facts {
        bool footers_differ; /* the one at the end and its copy at the start (dynamic) */
        bool copy_lost;      /* there is none at the start */
    } vhd;
};

/* Of a package, by itself. */
struct vml_package_facts {
    bool folder;    /* no archive: an .ovf with its files beside it */
    bool ovf_first; /* of an archive: the description is the first member */
    bool manifest;  /* there is one; */
    char
        manifest_word[24];   /* what stands in front of the bracket in the first of its lines that
                                is not spelt as DSP0243 has it, with its blanks: "SHA256 "; else "" */
    char manifest_digest[8]; /* the algorithm of its first line: "SHA256" */
    char largest_name[128];  /* of the largest member, cut if need be, */
    uint64_t largest;        /* and its size in bytes */
    bool pax;                /* the archive has pax headers */
    bool described;          /* the description can be read, and says: */
    struct vml_machine machine;
};

struct vml_facts {
    const char *format; /* of the file: "ova", "vmdk" */
    bool is_package;
    struct vml_package_facts package;
    struct vml_disk_facts *disks; /* one of a lone disk */
    size_t n_disks;
};

/* `in` can seek, stays the caller's and may be of any of the formats in the table.  What is damaged
 * stays unknown, and is no failure: -1 when the file could not be looked at.  *f is to be cleared,
 * also after a failure. */
int vml_facts_gather(struct vml_facts *f, const struct vml_format *const *table,
                     const struct vml_format *format, struct vml_input *in, struct vml_error *err);
void vml_facts_clear(struct vml_facts *f);

#ifdef __cplusplus
}
#endif
#endif
