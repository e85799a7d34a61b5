#include "findings.h"

#include <stdarg.h>
#include <stdio.h>

void findings_add(const struct findings *f, enum vml_level level, const char *slug, const char *fmt,
                  ...)
{
    char text[640];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    f->tell(f->arg, level, slug, text);
}

int findings_error(const struct findings *f, const struct vml_error *err)
{
    if (err->code != VML_EDATA)
        return -1;
    f->tell(f->arg, VML_FAULT, err->slug, err->text);
    return 0;
}

void findings_notes(const struct findings *f, enum vml_level level, const struct vml_notes *notes)
{
    for (size_t i = 0; i < notes->n; i++)
        f->tell(f->arg, level, notes->items[i].slug, notes->items[i].text);
}
