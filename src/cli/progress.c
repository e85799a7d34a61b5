#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REDRAW 0.1 /* seconds */

static double between(const struct timespec *a, const struct timespec *b)
{
    return (double)(b->tv_sec - a->tv_sec) + (double)(b->tv_nsec - a->tv_nsec) / 1e9;
}

static int columns(void)
{
    struct winsize w;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

void progress_start(struct progress *p, bool asked, uint64_t total)
{
    *p = (struct progress){ .on = asked || isatty(STDERR_FILENO), .total = total };
    clock_gettime(CLOCK_MONOTONIC, &p->start);
    p->drawn = p->start;
}

void progress_attach(struct progress *p, struct vml_copy *copy)
{
    copy->progress = p->on ? progress_tick : NULL;
    copy->arg = p;
}

/* No escape sequences: blanks cover what the line before left over. */
static void show(struct progress *p, const char *line)
{
    int n = (int)strlen(line);

    fprintf(stderr, "\r%s%*s", line, p->shown > n ? p->shown - n : 0, "");
    fflush(stderr);
    p->shown = n;
}

static void draw(struct progress *p, double seconds)
{
    uint64_t done = p->before + p->current;
    double rate = seconds > 0 ? (double)done / seconds : 0;
    char size[32], tail[160], line[256], bar[129], more[64] = "";

    if (p->more != NULL)
        p->more(p->more_arg, more, sizeof more);

    if (p->total == VML_SIZE_UNKNOWN || p->total == 0) {
        char per_second[32];
        snprintf(line, sizeof line, "%s  %s/s%s", vml_size_format(size, done),
                 vml_size_format(per_second, (uint64_t)rate), more);
        show(p, line);
        return;
    }
    double part = done < p->total ? (double)done / (double)p->total : 1;
    unsigned eta =
        rate > 0 ? (unsigned)((double)(p->total - vml_min_u64(done, p->total)) / rate) : 0;
    int n =
        snprintf(tail, sizeof tail, " %3d%%  %s/s  ETA %u:%02u:%02u%s", (int)(part * 100),
                 vml_size_format(size, (uint64_t)rate), eta / 3600, eta / 60 % 60, eta % 60, more);
    int room = columns() - n - 3; /* the brackets, and the last column stays free */
    room = room > 128 ? 128 : room < 0 ? 0 : room;
    memset(bar, ' ', (size_t)room);
    memset(bar, '=', (size_t)(part * room));
    bar[room] = '\0';
    snprintf(line, sizeof line, "[%s]%s", bar, tail);
    show(p, line);
}

void progress_tick(void *progress, uint64_t done, uint64_t size)
{
    struct progress *p = progress;
    struct timespec now;

    (void)size;
    if (!p->on)
        return;
    if (done < p->current) /* the next disk has begun */
        p->before += p->current;
    p->current = done;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (between(&p->drawn, &now) < REDRAW)
        return;
    p->drawn = now;
    draw(p, between(&p->start, &now));
}

void progress_hide(struct progress *p)
{
    if (!p->on || p->shown == 0)
        return;
    show(p, "");
    fputc('\r', stderr);
}

void progress_end(struct progress *p)
{
    progress_hide(p);
    p->on = false;
}
