/* What AWS would refuse of a file, asked before a byte of it is sent. */
#ifndef VMLIFT_CLI_LINT_H
#define VMLIFT_CLI_LINT_H

#include "source.h"

/* As "check --target aws" judges: faults and warnings become notes, and a fault that stands in the
 * way is VML_EREFUSED publish/lint unless `force`.  vm_import: VM Import reads the file, so that
 * its format matters; else its disks alone are sent.  path is a file that can seek; a folder or
 * what is compressed as a whole is not looked at. */
int lint_aws(const char *path, const char *format, bool vm_import, bool force,
             struct vml_notes *notes, struct vml_error *err);

#endif
