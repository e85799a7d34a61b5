/* libguestfs's appliance over the disks that a verb was given. */
#ifndef VMLIFT_CLI_APPLIANCE_H
#define VMLIFT_CLI_APPLIANCE_H

#include <limits.h>

#include "vmlift/inspect.h"
#include "vmlift/package.h"

struct appliance {
    struct vml_appliance how; /* appliance_how makes it whole */
    struct vml_appliance_disk *disks;
    char plugin[PATH_MAX];
};

/* Adds disk `disk` (from 1; 0: the only one) of the file at path, opened as *open says; with an
 * overlay (struct vml_appliance_disk), which stays the caller's, or NULL. */
int appliance_add_file(struct appliance *a, const char *path, const struct vml_open *open,
                       unsigned disk, const char *overlay, struct vml_error *err);
/* The same of the store in the folder `store`: a snapshot, or disk `disk` of an AMI, as the account
 * in *where reads it.  passphrase_file may be NULL. */
struct vml_where;
int appliance_add_stored(struct appliance *a, const char *store, const struct vml_where *where,
                         const char *id, unsigned disk, const char *passphrase_file,
                         const char *overlay, struct vml_error *err);
/* What the library is to be given; *a must outlive its use, and is to be cleared. */
const struct vml_appliance *appliance_how(struct appliance *a);
/* The line on a terminal that says what takes so long, while there is a call of the library. */
void appliance_wait(struct appliance *a);
void appliance_waited(const struct appliance *a);
/* vml_inspect_read of the disks, with that line. */
int appliance_inspect(struct appliance *a, struct vml_inspect *g, struct vml_error *err);
void appliance_clear(struct appliance *a);

#endif
