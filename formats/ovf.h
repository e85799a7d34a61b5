/* OVF descriptions (DSP0243 0.9, 1.x, 2.x): what ova.c reads from one and ova_write.c puts into
 * one. */
#ifndef OVF_H
#define OVF_H

#include "vmlift/package.h"

#define OVF_SIZE_MAX  (4u << 20) /* of the text */
#define OVF_DISKS_MAX 256u

struct ovf_disk {
    char *id, *href; /* href NULL: it has no file, and a capacity that is said */
    char controller[24];
    uint64_t capacity;       /* VML_SIZE_UNKNOWN where it is not said */
    uint64_t file_size;      /* likewise; as stored, all chunks together */
    bool gzip;               /* the file is compressed */
    uint64_t chunk;          /* bytes in each file HREF.000000000 .. but the last; 0: one file */
    struct vml_error unread; /* why its file is not to be opened; code VML_OK where it is */
};
struct ovf {
    struct vml_machine machine;
    struct ovf_disk *disks; /* in the order in which the machine sees them; each of its own file */
    size_t n_disks;
    struct vml_notes notes;
};

/* How a description is to be read. */
struct ovf_how {
    const char *vm; /* which machine, by id or Name; NULL: the only one */
    bool look;      /* to be told about only: what keeps a disk from being read (its href leads out
                       of the package, it is a delta ..) is in its `unread`, and a machine may have
                       no disk; else these are failures */
    bool no_manifest; /* as if there were none, and no certificate */
    bool every;       /* to be checked: the disks of all machines, as if the first had them */
};
/* Refused, with the line: xml/dtd, xml/entity, xml/limit, xml/syntax; ovf/envelope, ovf/no-system,
 * ovf/ref, ovf/href, ovf/capacity, ovf/chunk; VML_ENOTFOUND ovf/vm; VML_EUNSUPPORTED ovf/multi,
 * ovf/no-disk, ovf/empty-disk, ovf/parent, ovf/compressed, ovf/encrypted, ovf/required,
 * ovf/shared-file. *out is to be cleared, also after a failure. */
int ovf_parse(struct ovf *out, const char *text, size_t len, const struct ovf_how *how,
              struct vml_error *err);
void ovf_clear(struct ovf *o);

/* "10" of "byte * 2^30" in bytes.  Units are the programmatic ones of DSP0004 and the words that
 * are met in their place (MegaBytes, GB: powers of 1024); NULL is bytes.  VML_EDATA ovf/capacity.
 */
int ovf_bytes(uint64_t *bytes, const char *quantity, const char *units, struct vml_error *err);

/* --- writing -------------------------------------------------------------------------------- */

/* ovf_controllers.c */
enum ovf_bus { OVF_SCSI, OVF_SATA, OVF_NVME, OVF_IDE };
#define OVF_CONTROLLERS_MAX 14u /* four on each bus, two IDE */

struct ovf_controller_type {
    const char *name;     /* vmlift's: "pvscsi" */
    const char *subtype;  /* VMware's: "VirtualSCSI"; NULL: it needs none */
    const char *bus_name; /* "SCSI" */
    unsigned resource;    /* ResourceType */
    enum ovf_bus bus;
    unsigned disks_max, controllers_max; /* on one; on the bus */
    const char *adapter;                 /* what its disks have as ddb.adapterType */
    unsigned hardware;                   /* the first vmx-NN that has it */
};
/* By vmlift's name; by any spelling that a description may have.  NULL: VMware has no such thing.
 */
const struct ovf_controller_type *ovf_controller_named(const char *name);
const struct ovf_controller_type *ovf_controller_spelled(const char *word);
void ovf_controller_names(char *out, size_t cap); /* "lsilogic, .." */

struct ovf_controllers {
    size_t n;
    struct ovf_controller {
        const struct ovf_controller_type *type;
        unsigned address, used;
    } items[OVF_CONTROLLERS_MAX];
};
/* Where the next disk goes: behind the one before it, on the same controller if that is of this
 * type and has room, so that the disks keep their order.  VML_EUNSUPPORTED ova/disks. */
int ovf_place_disk(struct ovf_controllers *c, const struct ovf_controller_type *type,
                   size_t *controller, unsigned *unit, struct vml_error *err);

/* ovf_print.c */
struct ovf_text {
    const struct vml_machine *machine; /* hardware as it is to be said; networks and models have
                                          names */
    const char *id;                    /* of the machine; its name too where the machine has none */
    const struct ovf_controllers *controllers;
    const struct ovf_text_disk {
        char *file; /* NULL: the disk is empty */
        uint64_t file_size, capacity;
        size_t controller; /* of those */
        unsigned unit;
    } * disks;
    size_t n_disks;
};
/* The whole text, to be freed.  Of two that differ in sizes only, the one with more digits is
 * longer. */
int ovf_print(char **text, size_t *len, const struct ovf_text *what, struct vml_error *err);

#endif
