/* Making a machine ready for EC2: what is changed inside its disks, on a copy. */
#ifndef VMLIFT_PREP_H
#define VMLIFT_PREP_H

#include "vmlift/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct vml_appliance; /* appliance.h */

struct vml_prep_step {
    const char *id, *title; /* "fstab", one line; NULL ends the table */
    bool on_request;        /* not done unless it is chosen by name */
};
/* In the order in which they are done. */
extern const struct vml_prep_step vml_prep_steps[];

/* A set of steps: bit i is number i of the table. */
uint32_t vml_prep_usual(void); /* all that need not be asked for */
/* The bit of the step called `id`.  VML_EUSAGE usage/step lists those that exist. */
int vml_prep_step_find(uint32_t *bit, const char *id, struct vml_error *err);

struct vml_prep_how {
    uint32_t steps;
    bool dry_run; /* nothing is written; the appliance's disks need no overlays */
    bool network; /* the guest's own package manager may fetch cloud-init */
};

/* One thing that was changed, or would be. */
struct vml_prep_change {
    const char *step;     /* its id */
    char *what;           /* one line: a file, or what was done */
    unsigned line;        /* of the file as it was, from 1; 0: it is no change of lines */
    char *before, *after; /* lines, each with its newline but for a file's last; "" for none */
};
struct vml_prepared {
    struct vml_prep_change *changes; /* owned */
    size_t n_changes;
    char os[128];           /* what the guest calls itself */
    bool windows;           /* nothing was changed: the notes are all there is */
    struct vml_notes notes; /* what is left to be done by hand: slugs "prep/..." */
};
/* Starts the appliance, finds the one system in its disks and changes what the steps say: all that
 * is known before it starts to write is planned first, so a failure there has changed nothing.
 * Every file that is changed keeps a copy of what it was beside it, ".NAME.vmlift-orig", which is
 * made once; what ssh-host-keys and machine-id take away leaves none.  *out is to be cleared, also
 * after a failure.  VML_EUNSUPPORTED prep/no-system, prep/several-systems, prep/system (neither
 * Linux nor Windows); VML_EIO guest/libguestfs; and the failures of the appliance itself. */
int vml_prep(const struct vml_appliance *where, const struct vml_prep_how *how,
             struct vml_prepared *out, struct vml_error *err);
void vml_prepared_clear(struct vml_prepared *p);

#ifdef __cplusplus
}
#endif
#endif
