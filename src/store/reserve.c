/* Room that is kept for a full disk.  SQLite cannot even open the catalog where its -shm cannot
 * grow, and gc needs a WAL to free anything.  So a store holds on to a few MiB that are given up
 * then: a file "reserve", with nothing in it.  All of it is best effort; without one, a full disk
 * stays full until something else makes room. */
#include "store/internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define RESERVE (4 << 20) /* as large as SQLite lets a WAL grow of itself */

static char *reserve_path(const struct vml_store *s)
{
    struct vml_error ignored;

    return vml_in_folder(s->dir, "reserve", &ignored);
}

void vml_reserve_make(const struct vml_store *s)
{
    VML_AUTO(vml_freep) char *path = reserve_path(s);
    int fd = path != NULL ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;

    if (fd < 0)
        return;
    if (fallocate(fd, 0, 0, RESERVE) < 0)
        (void)unlink(path);
    close(fd);
}

bool vml_reserve_spend(const struct vml_store *s)
{
    VML_AUTO(vml_freep) char *path = reserve_path(s);

    return path != NULL && unlink(path) == 0;
}
