/* Names in UTF-16, as Microsoft's formats have them of a disk's parent. */
#ifndef UTF16_H
#define UTF16_H

#include "vmlift/base.h"

/* UTF-16 of n units, or up to a zero, as UTF-8 in *out, malloc'd; backslashes are turned.  big: the
 * units are big-endian.  VML_EDATA `slug` where it is no UTF-16. */
int utf16_decode(char **out, const uint8_t *p, size_t n, bool big, const char *slug,
                 struct vml_error *err);
/* The part of a path behind the last slash, or the drive, moved to its start. */
void path_keep_last(char *path);
/* Without "./" in front. */
void path_drop_dots(char *path);

#endif
