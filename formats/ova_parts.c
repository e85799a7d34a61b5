/* Disks of an OVA that are not one plain member (DSP0243, 7.1):
 *
 *     chunkSize="N"        members NAME.000000000, NAME.000000001 ..: one stream of bytes
 *     compression="gzip"   that stream, or the one member, is compressed
 *
 * Both are read front to back. The manifest's digests are of the members as they are stored. */
#include <stdlib.h>
#include <string.h>

#include "ova.h"

struct parts {
    struct ova *p;
    size_t disk, chunk; /* the chunk that comes after `in` */
    char *name;
    bool once, ended;
    struct vml_input *in; /* the member that is being read */
    ova_open_member *open;
    ova_next_on_pipe *next;
};

bool ova_in_parts(const struct ova *p, size_t disk)
{
    return p->description.disks[disk].gzip || p->description.disks[disk].chunk > 0;
}

static void parts_free(void *arg)
{
    struct parts *c = arg;

    if (c == NULL)
        return;
    vml_input_free(c->in);
    free(c->name);
    free(c);
}

static void parts_freep(struct parts **c)
{
    parts_free(*c);
    *c = NULL;
}

/* c->in is the next chunk, or NULL after the last. */
static int next_chunk(struct parts *c, struct vml_error *err)
{
    struct ova_member *m;

    vml_input_freep(&c->in);
    if (c->chunk > 0 && c->p->description.disks[c->disk].chunk == 0)
        return 0;
    if (c->chunk > 0 && c->next != NULL) {
        if (c->next(c->p, &m, err) < 0)
            return -1;
        if (m != NULL && m->disk == c->disk && m->chunk != c->chunk)
            return vml_fail(err, VML_EUNSUPPORTED, "ova/pipe-order",
                            "'%s' comes where chunk %zu is to come: give a file, not a pipe",
                            m->name, c->chunk);
        c->p->ahead = m != NULL && m->disk != c->disk;
        if (m == NULL || c->p->ahead)
            return 0;
    } else {
        m = ova_find_chunk(c->p, c->disk, c->chunk);
    }
    if (m == NULL)
        return 0;
    c->chunk++;
    return c->open(c->p, m, c->name, c->once, &c->in, err);
}

static int parts_pull(void *arg, void *buf, size_t len, size_t *got, struct vml_error *err)
{
    struct parts *c = arg;

    *got = 0;
    while (!c->ended && *got == 0) {
        if (c->in != NULL && vml_input_read(c->in, buf, len, got, err) < 0)
            return -1;
        if (*got > 0)
            break;
        if (next_chunk(c, err) < 0)
            return -1;
        c->ended = c->in == NULL;
    }
    return 0;
}

/* How much may come out of gzip: what the disk holds, with room for tables around it. */
static uint64_t most(const struct ova *p, size_t disk)
{
    uint64_t capacity = p->base.disks[disk].capacity;

    return capacity == VML_SIZE_UNKNOWN ? VML_DISK_MAX : 2 * capacity + (UINT64_C(64) << 20);
}

int ova_parts_open(struct vml_input **in, struct ova *p, size_t disk, const char *name, bool once,
                   ova_open_member *open, ova_next_on_pipe *next, struct vml_error *err)
{
    VML_AUTO(parts_freep) struct parts *c = calloc(1, sizeof *c);
    VML_AUTO(vml_input_freep) struct vml_input *stored = NULL;

    if (c == NULL || (c->name = strdup(name)) == NULL)
        return vml_fail_nomem(err);
    c->p = p;
    c->disk = disk;
    c->once = once;
    c->open = open;
    c->next = next;
    if (vml_input_callback(&stored, name, VML_SIZE_UNKNOWN, parts_pull, c, err) < 0)
        return -1;
    vml_input_on_free(stored, parts_free);
    c = NULL;
    if (!p->description.disks[disk].gzip)
        *in = stored;
    else if (vml_input_decompress(in, stored, VML_SIZE_UNKNOWN, most(p, disk), err) < 0)
        return -1;
    stored = NULL;
    return 0;
}
