/* One line on standard error that tells how far a copy is. */
#ifndef VMLIFT_CLI_PROGRESS_H
#define VMLIFT_CLI_PROGRESS_H

#include <time.h>

#include "vmlift/copy.h"

struct progress {
    bool on;
    uint64_t total;           /* of all disks; VML_SIZE_UNKNOWN when it is not known */
    uint64_t before, current; /* bytes of the disks that are done, and of this one */
    struct timespec start, drawn;
    int shown; /* columns on the screen */
    /* What else is worth a few columns at the line's end; may be NULL. */
    void (*more)(void *more_arg, char *buf, size_t size);
    void *more_arg;
};

/* Shows itself on a terminal, elsewhere only when asked to (-p). */
void progress_start(struct progress *p, bool asked, uint64_t total);
/* Has the copy report here, or to nobody when there is nothing to show. */
void progress_attach(struct progress *p, struct vml_copy *copy);
/* For callers that have a callback of their own: done of the current disk. */
void progress_tick(void *progress, uint64_t done, uint64_t size);
/* Takes the line away, so that something may be printed; the next tick brings it back. */
void progress_hide(struct progress *p);
/* The same for good.  For VML_AUTO too. */
void progress_end(struct progress *p);

#endif
