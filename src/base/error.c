#include "vmlift/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(struct vml_error *err, enum vml_code code, const char *slug)
{
    err->code = code;
    snprintf(err->slug, sizeof err->slug, "%s", slug);
}

int(vml_fail)(struct vml_error *err, enum vml_code code, const char *slug, const char *fmt, ...)
{
    va_list ap;

    set(err, code, slug);
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    return -1;
}

static const struct {
    int number;
    enum vml_code code;
    const char *slug;
} errno_table[] = {
    { ENOENT, VML_ENOTFOUND, "io/not-found" },
    { ENOTDIR, VML_ENOTFOUND, "io/not-found" },
    { EEXIST, VML_EEXISTS, "io/exists" },
    { EACCES, VML_EIO, "io/denied" },
    { EPERM, VML_EIO, "io/denied" },
    { EROFS, VML_EIO, "io/denied" },
    { ENOSPC, VML_EIO, "io/full" },
    { EDQUOT, VML_EIO, "io/full" },
    { EFBIG, VML_EIO, "io/full" },
    { ENOMEM, VML_ENOMEM, "no-memory" },
};

int(vml_fail_errno)(struct vml_error *err, const char *fmt, ...)
{
    int number = errno;
    size_t used;
    va_list ap;

    set(err, VML_EIO, "io/error");
    for (size_t i = 0; i < sizeof errno_table / sizeof errno_table[0]; i++)
        if (errno_table[i].number == number)
            set(err, errno_table[i].code, errno_table[i].slug);
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(number));
    return -1;
}

int(vml_fail_nomem)(struct vml_error *err)
{
    return vml_fail(err, VML_ENOMEM, "no-memory", "out of memory");
}

void vml_error_prefix(struct vml_error *err, const char *fmt, ...)
{
    char text[sizeof err->text];
    size_t used;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    used = strlen(text);
    snprintf(text + used, sizeof text - used, ": %s", err->text);
    memcpy(err->text, text, sizeof text);
}

int vml_error_status(const struct vml_error *err)
{
    switch (err->code) {
    case VML_OK:
        return 0;
    case VML_EUSAGE:
        return 2;
    case VML_EDATA:
        return 3;
    case VML_EUNSUPPORTED:
        return 4;
    case VML_EREFUSED:
        return 5;
    case VML_ENOTFOUND:
    case VML_EEXISTS:
        return 6;
    case VML_EINTERRUPTED:
        return 130;
    case VML_EIO:
    case VML_ENOMEM:
        break;
    }
    return 7;
}

void vml_note(struct vml_notes *notes, const char *slug, const char *fmt, ...)
{
    enum { MAX = 32 };
    struct vml_note *note;
    va_list ap;

    if (notes->n == MAX)
        return;
    if (notes->items == NULL)
        notes->items = calloc(MAX, sizeof *notes->items);
    if (notes->items == NULL)
        return; /* a note less is no failure */
    note = &notes->items[notes->n];
    va_start(ap, fmt);
    if (vasprintf(&note->text, fmt, ap) < 0)
        note->text = NULL;
    va_end(ap);
    if (note->text == NULL)
        return;
    snprintf(note->slug, sizeof note->slug, "%s", slug);
    notes->n++;
}

void vml_notes_clear(struct vml_notes *notes)
{
    for (size_t i = 0; i < notes->n; i++)
        free(notes->items[i].text);
    free(notes->items);
    *notes = (struct vml_notes){ 0 };
}

void vml_freep(void *pp)
{
    void **p = pp;

    free(*p);
    *p = NULL;
}
