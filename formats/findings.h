/* What the checks of the formats share. */
#ifndef FINDINGS_H
#define FINDINGS_H

#include "vmlift/image.h"

struct findings {
    vml_finding *tell;
    void *arg;
};

void findings_add(const struct findings *f, enum vml_level level, const char *slug, const char *fmt,
                  ...) __attribute__((format(printf, 4, 5)));
/* What a parser says is wrong with the file (VML_EDATA) is a fault, and 0 is returned.  Else -1:
 * the check cannot go on (I/O, memory), or the file is well-formed and nothing that vmlift knows.
 */
int findings_error(const struct findings *f, const struct vml_error *err);
void findings_notes(const struct findings *f, enum vml_level level, const struct vml_notes *notes);

#endif
