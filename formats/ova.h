/* The parts of the OVA format: ova.c and ova_members.c read, ova_write.c writes.  An OVF with its
 * files beside it (ovf_folder.c) is the same without a tar. */
#ifndef OVA_H
#define OVA_H

#include "manifest.h"
#include "ovf.h"

/* --- reading -------------------------------------------------------------------------------- */

#define OVA_MEMBERS_MAX 256u /* what vml_archive lets through */
#define OVA_NONE        SIZE_MAX

struct ova_member {
    char *name;
    uint64_t size, off;
    struct vml_input *file; /* a file of its own, in a folder; NULL: in the tar */
    bool begun;             /* the sums were */
    struct manifest_sums sums;
    struct vml_input *window; /* under a stream that digests */
    size_t disk, chunk;       /* that it is of; OVA_NONE: of none */
};

struct ova {
    struct vml_package_reader base;
    struct vml_input *in; /* the tar, or the .ovf in its folder */
    bool in_folder;
    struct ovf_how how;
    struct ova_member *members;
    size_t n;
    size_t ovf, mf, cert; /* members; OVA_NONE until met */
    char *text;           /* of the OVF, until it was parsed */
    size_t text_len;
    char *mf_text, *cert_text; /* kept for the signature */
    size_t mf_len, cert_len;
    struct ovf description;
    size_t *member_of; /* disk; the first of its chunks */
    struct manifest manifest;
    uint8_t *step;
    /* a pipe: */
    struct vml_archive *archive; /* NULL once everything has passed */
    size_t current;              /* the member that is passing; OVA_NONE before the first */
    bool taken;                  /* and was given to someone as a disk */
    bool ahead;                  /* it was met by who looked for another chunk */
};

/* The next member of the archive, its name checked against the others; a description or a manifest
 * is read.  *m is NULL at the end. */
int ova_next_member(struct ova *p, struct ova_member **m, struct vml_error *err);
/* A member that was found, its name checked against the others; *m stays valid. */
int ova_add_member(struct ova *p, const char *name, uint64_t size, uint64_t off,
                   struct ova_member **m, struct vml_error *err);
/* Reads the description that it is. */
int ova_take_ovf(struct ova *p, struct ova_member *m, struct vml_error *err);
/* Reads it where it is a description, a manifest or a certificate. */
int ova_take_member(struct ova *p, struct ova_member *m, struct vml_error *err);
/* `name` as a description or manifest in the member `from` means it: beside itself.  To be freed;
 * NULL without memory. */
char *ova_beside(const char *from, const char *name);
/* href as a name: "%20" is a blank.  To be freed; NULL without memory. */
char *ova_decode(const char *href);
/* Machine and disks, once the .ovf was met. */
int ova_parse_description(struct ova *p, struct vml_error *err);
/* If member m is one of the disks, it is that from now on. */
int ova_match_disk(struct ova *p, size_t m, struct vml_error *err);
/* When the last member was met: is a disk missing, is there anything to note? */
int ova_all_known(struct ova *p, struct vml_error *err);
/* The member with a chunk of a disk; NULL where there is none (yet). */
struct ova_member *ova_find_chunk(const struct ova *p, size_t disk, size_t chunk);

/* ova_cert.c: of the manifest, when both were met: what is to be noted; VML_EDATA
 * ova/cert-signature. */
int ova_check_signature(struct ova *p, struct vml_error *err);

/* ova_parts.c: a disk that is compressed, or stored in chunks, front to back only. */
bool ova_in_parts(const struct ova *p, size_t disk);
/* Of each chunk in turn, p's own: the bytes of member m, to be freed. */
typedef int ova_open_member(struct ova *p, struct ova_member *m, const char *name, bool once,
                            struct vml_input **in, struct vml_error *err);
/* On a pipe: to the next member, which is *m, or NULL. */
typedef int ova_next_on_pipe(struct ova *p, struct ova_member **m, struct vml_error *err);
int ova_parts_open(struct vml_input **in, struct ova *p, size_t disk, const char *name, bool once,
                   ova_open_member *open, ova_next_on_pipe *next, struct vml_error *err);
/* The notes that the order of members and the manifest's lines ask for. */
void ova_note_order(struct ova *p);
void ova_note_manifest(struct ova *p);
/* Of the manifest: is member m in it; are a line's file and digest those of the package? */
int ova_check_listed(const struct ova *p, size_t m, struct vml_error *err);
int ova_check_line(struct ova *p, const struct manifest_line *line, struct vml_error *err);
/* A package of which nothing was read yet; `in` stays the caller's, who lets go of it by ova_stop.
 * The archive for ova_next_member is opened by ova_open_archive. */
int ova_start(struct ova **out, struct vml_input *in, const struct ovf_how *how,
              struct vml_error *err);
int ova_open_archive(struct ova *p, struct vml_error *err);
void ova_stop(struct ova *p);
/* What core calls of both (struct vml_package_ops). */
int ova_disk(struct vml_package_reader *base, size_t i, bool once, struct vml_input **in,
             struct vml_error *err);
int ova_next(struct vml_package_reader *base, size_t *i, struct vml_error *err);
int ova_verify(struct vml_package_reader *base, struct vml_error *err);
void ova_close(struct vml_package_reader *base);
/* ovf_folder.c: all members that the description and the manifest name. */
int ovf_list_folder(struct ova *p, struct vml_error *err);
struct ova_member *ova_find_member(const struct ova *p, const char *name);

/* --- checking ------------------------------------------------------------------------------- */

struct findings;
/* ova_check_disk.c: the disk in member m, number i of the description's; OVA_NONE where there is no
 * telling: whatever it is, raw but for a mark. */
int ova_check_disk(struct ova *p, size_t m, size_t i, const struct findings *to,
                   struct vml_error *err);
/* A fault, or, of what is well-formed and unknown, a warning.  -1: neither. */
int ova_took(const struct findings *to, const struct vml_error *err);

int ova_check(struct vml_input *in, vml_finding *tell, void *arg, struct vml_error *err);
int ovf_check(struct vml_input *in, vml_finding *tell, void *arg, struct vml_error *err);
/* ova_facts.c */
int ova_facts(struct vml_input *in, struct vml_facts *f, struct vml_error *err);
int ovf_facts(struct vml_input *in, struct vml_facts *f, struct vml_error *err);

/* --- writing -------------------------------------------------------------------------------- */

/* ova_options.c.  Versions of VMware's virtual hardware: ESXi 5.5's, and the first that has secure
 * boot. */
#define OVA_HARDWARE        10u
#define OVA_SECURE_HARDWARE 13u
#define OVA_NO_MANIFEST     MANIFEST_ALGORITHMS

struct ova_choice {
    struct vml_machine machine;                /* with all that VMware has to know */
    char name[80];                             /* of the files, without a suffix */
    unsigned hardware;                         /* the NN of machine.hardware, vmx-NN */
    unsigned algorithm;                        /* of the manifest, or OVA_NO_MANIFEST */
    unsigned level;                            /* of deflate; 0: not said */
    const struct ovf_controller_type *adapter; /* of all disks; NULL: of each its own */
};
extern const struct vml_option ova_options[];
/* All but the hardware.  path: the output's. */
int ova_choose(struct ova_choice *o, const struct vml_machine *source, const struct vml_create *c,
               const char *path, struct vml_notes *notes, struct vml_error *err);
/* What a disk hangs on whose source says `source` ("": nothing). */
const struct ovf_controller_type *ova_disk_adapter(const struct ova_choice *o, const char *source,
                                                   struct vml_notes *notes);
/* The hardware, once it is known what is in it. */
int ova_choose_hardware(struct ova_choice *o, const struct vml_create *c,
                        const struct ovf_controllers *disks, struct vml_notes *notes,
                        struct vml_error *err);

/* A tar header for a plain file. */
void ova_print_header(uint8_t h[512], const char *name, uint64_t size);

int ova_create(struct vml_package_writer **out, struct vml_output *o,
               const struct vml_machine *machine, const struct vml_new_disk *disks, size_t n,
               const struct vml_create *c, struct vml_error *err);
int ova_add(struct vml_package_writer *w, size_t i, struct vml_output **o, struct vml_error *err);
int ova_finish(struct vml_package_writer *w, struct vml_error *err);
void ova_free(struct vml_package_writer *w);

#endif
