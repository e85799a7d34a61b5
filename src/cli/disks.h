/* The disks of a package on their way into another one, or into a lone file. */
#ifndef VMLIFT_CLI_DISKS_H
#define VMLIFT_CLI_DISKS_H

#include "out.h"
#include "vmlift/copy.h"
#include "vmlift/package.h"

struct disks {
    struct vml_package *from;
    bool seekable;   /* the package */
    bool machine;    /* the result is one, and no lone disk */
    size_t first, n; /* the disks to take */
    bool repack;     /* each is handed on as it is compressed, or refused */
    bool progress;   /* -p */
    /* What is read in place of disk i of the package, any number of times; NULL: the disk. */
    int (*read)(void *arg, size_t i, struct vml_reader **out, struct vml_error *err);
    void *arg;
    struct vml_copy copy;
    struct vml_package_out *to; /* what is made, for its notes */
    struct vml_notes notes;     /* those of the readers, which do not live long */
    json_t *list;               /* what was written, a member for each: to be made by the caller */
};
/* Takes disk `disk` (from 1; 0: all that there are) for a result of format `to`.  VML_EUSAGE
 * usage/disk, VML_EUNSUPPORTED package/one-disk; both name src. */
int disks_choose(struct disks *d, const char *src, unsigned disk, const struct vml_format *to,
                 struct vml_error *err);
/* Copies them, checks the source's manifest, and only then commits.  Takes *o over. */
int disks_copy(struct disks *d, const struct vml_format *format, struct vml_output **o,
               const char *subformat, const char *options, struct vml_error *err);
void disks_clear(struct disks *d);

#endif
