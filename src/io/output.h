/* An output, for its writing and its commit; nothing else includes it. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdatomic.h>
#include <string.h>
#include <sys/types.h>

#include "vmlift/io.h"

enum output_kind { OUTPUT_FILE, OUTPUT_DEVICE, OUTPUT_PIPE, OUTPUT_APPEND, OUTPUT_CALLBACK };

struct vml_output {
    enum output_kind kind;
    char *name; /* as given */
    char *part; /* the working name, where nameless files do not exist; else NULL */
    int fd, dir;
    bool force;
    mode_t mode;              /* of a new file, before the umask */
    bool named;               /* has its name, in a commit that is not over */
    char *old;                /* where the file that it replaces is meanwhile; else NULL */
    struct vml_output *next;  /* of its siblings, or of those that it is one of */
    struct vml_output *whole; /* whose sibling it is, and whose dir counts; NULL: nobody's */
    uint64_t end;             /* where write appends */
    _Atomic uint64_t written; /* bytes in all, wherever */
    uint64_t size;            /* device */
    struct vml_output *of;    /* append */
    vml_tap *tap;
    vml_push *push; /* callback */
    void *arg;      /* of either */
};

static inline int output_folder(const struct vml_output *o)
{
    return o->whole != NULL ? o->whole->dir : o->dir;
}

/* The last component of the name, which is what is created inside o->dir. */
static inline const char *output_base(const struct vml_output *o)
{
    const char *slash = strrchr(o->name, '/');

    return slash == NULL ? o->name : slash + 1;
}

/* A name of no meaning beside o's own, malloc'd. */
int output_working_name(const struct vml_output *o, char **name, struct vml_error *err);
/* The error of a name that is taken; -1. */
int output_exists(const struct vml_output *o, struct vml_error *err);

#endif
