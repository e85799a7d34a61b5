/* Which lines of a text are others in another one. */
#ifndef VMLIFT_GUEST_DIFF_H
#define VMLIFT_GUEST_DIFF_H

#include "vmlift/base.h"

/* Tells each run of lines that differs: where it begins in a (from 1), and its bytes in both.  fn
 * returns -1 to stop. */
typedef int vml_diff_hunk(void *arg, unsigned line, const char *before, size_t n_before,
                          const char *after, size_t n_after, struct vml_error *err);
int vml_diff(const char *a, const char *b, vml_diff_hunk *fn, void *arg, struct vml_error *err);

#endif
