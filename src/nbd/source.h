/* The disk that the plugin serves: of an image file, a snapshot, or a machine image. */
#ifndef VMLIFT_NBD_SOURCE_H
#define VMLIFT_NBD_SOURCE_H

#include "vmlift/ami.h"
#include "vmlift/key.h"
#include "vmlift/share.h"

#define SOURCE_PARENTS_MAX 64u

/* As the configuration says it; every word is owned. */
struct source_config {
    char *file, *format, *vm; /* a file, or .. */
    char *parents[SOURCE_PARENTS_MAX];
    size_t n_parents;
    bool follow, no_manifest;
    char *store, *snapshot, *image, *account, *region; /* .. a store and what of it */
    unsigned disk;                                     /* from 1; 0 is not said */
    char *passphrase;
};
/* Do these go together?  VML_EUSAGE nbd/config. */
int source_check(const struct source_config *c, struct vml_error *err);

struct source {
    struct vml_reader *reader;
    struct vml_package *package;
    struct vml_store *store;
};
/* Any number of threads may read it then. VML_EUNSUPPORTED nbd/needs-seek: a disk that is
 * compressed as a whole.  *s is to be closed also after a failure; c must outlive it. */
int source_open(struct source *s, const struct source_config *c, struct vml_error *err);
void source_close(struct source *s);

#endif
