/* What a verb looks at: files that can seek, and the disks in them. */
#ifndef VMLIFT_CLI_SOURCE_H
#define VMLIFT_CLI_SOURCE_H

#include "vmlift/package.h"

/* Opens the package or lone disk at path in the format called from, or (NULL) the probed one.  The
 * words of from are checked before the file is opened.  VML_EUNSUPPORTED input/needs-file for a
 * pipe, in the name of the verb, unless the caller wants to know whether it is one (seekable). */
int source_open(struct vml_package **out, const char *path, const char *from,
                const struct vml_parents *parents, const char *verb, bool *seekable,
                struct vml_error *err);
/* The number of the disk that --disk N means (N from 1; 0: not given, and there must be one only):
 * VML_EUSAGE usage/disk, VML_EUNSUPPORTED package/one-disk. */
int source_choose(const struct vml_package *p, const char *path, unsigned disk, size_t *i,
                  struct vml_error *err);
/* Is it a machine, and no lone disk? */
bool source_is_machine(const struct vml_package *p);

#endif
