/* A stream into memory that tells when it had none.  Where open_memstream cannot grow, glibc 2.36
 * says so to the one call that met it and sets no error: what follows is written after the hole. */
#include "vmlift/base.h"

#include <stdlib.h>
#include <string.h>

struct memory {
    char *text;
    size_t len, cap;
    bool failed;
    char **out;
    size_t *out_len;
};

static ssize_t memory_write(void *cookie, const char *buf, size_t len)
{
    struct memory *m = cookie;

    if (m->failed)
        return 0;
    if (len >= m->cap - m->len) { /* and a NUL */
        size_t cap = 2 * m->cap + len;
        char *more = realloc(m->text, cap);

        m->failed = more == NULL;
        if (more == NULL)
            return 0;
        m->text = more;
        m->cap = cap;
    }
    memcpy(m->text + m->len, buf, len);
    m->len += len;
    return (ssize_t)len;
}

static int memory_close(void *cookie)
{
    struct memory *m = cookie;
    bool failed = m->failed;

    if (failed) {
        free(m->text);
        m->text = NULL;
    } else {
        m->text[m->len] = '\0';
    }
    *m->out = m->text;
    *m->out_len = m->len;
    free(m);
    return failed ? -1 : 0;
}

FILE *vml_memstream(char **text, size_t *len)
{
    static const cookie_io_functions_t functions = { .write = memory_write, .close = memory_close };
    struct memory *m = calloc(1, sizeof *m);
    FILE *f = NULL;

    *text = NULL;
    if (m != NULL)
        m->text = malloc(m->cap = 256);
    if (m != NULL && m->text != NULL) {
        m->out = text;
        m->out_len = len;
        f = fopencookie(m, "w", functions);
    }
    if (f == NULL && m != NULL) {
        free(m->text);
        free(m);
    }
    return f;
}
