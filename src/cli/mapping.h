/* A block device mapping as EC2's own tools have it on the command line. */
#ifndef VMLIFT_CLI_MAPPING_H
#define VMLIFT_CLI_MAPPING_H

#include "vmlift/ami.h"

/* One of
 *     DEVICE=none
 *     DEVICE=ephemeralN
 *     DEVICE=[SNAPSHOT]:[SIZE]:[DELETE]:[TYPE[:IOPS[:THROUGHPUT]]]:[encrypted]
 * as ec2-register and ec2-run-instances took it, which knew no throughput; what follows the last
 * word that matters may be left out.  SIZE is in GiB.  The root's volume is deleted with the
 * machine unless DELETE says false, others only when it says true.  A type that is not said is "".
 * VML_EUSAGE usage/mapping. */
int mapping_parse(struct vml_mapping *m, const char *text, const char *root_device,
                  struct vml_error *err);

#endif
