#include "check_guest.h"

#include <stdlib.h>
#include <string.h>

#include "appliance.h"
#include "source.h"

static bool is_ours(const struct vml_error *err)
{
    return err->code == VML_ENOMEM || err->code == VML_EINTERRUPTED;
}

/* A file system, or what one may lie in. */
static bool holds_something(const struct vml_boot *b)
{
    if (b->whole.type[0] != '\0' || b->n_volumes > 0)
        return true;
    for (size_t i = 0; i < b->n_partitions; i++)
        if (b->partitions[i].content.type[0] != '\0')
            return true;
    return false;
}

static int read_disk(struct check_guest *g, struct vml_package *p, size_t i, struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;

    if (vml_package_reader(p, i, &r, err) < 0)
        return -1;
    if (!r->can_seek)
        return vml_fail(err, VML_EUNSUPPORTED, "inspect/needs-seek",
                        "%s: is compressed as a whole and can be read front to back only", r->name);
    if (vml_boot_read(r, &g->boots[i], err) < 0) {
        g->facts.n_boots = i + 1; /* it is to be cleared nonetheless */
        return -1;
    }
    g->facts.n_boots = i + 1;
    return 0;
}

static int read_disks(struct check_guest *g, struct vml_package *p, struct vml_error *err)
{
    size_t n = vml_package_count(p);

    g->boots = calloc(n + 1, sizeof *g->boots);
    if (g->boots == NULL)
        return vml_fail_nomem(err);
    g->facts.boots = g->boots;
    for (size_t i = 0; i < n; i++)
        if (read_disk(g, p, i, err) < 0)
            return -1;
    return 0;
}

static int read_system(struct check_guest *g, const char *path, const struct vml_open *open,
                       bool lone, struct vml_error *err)
{
    VML_AUTO(appliance_clear) struct appliance into = { 0 };
    bool any = false;

    for (size_t i = 0; i < g->facts.n_boots; i++) {
        any = any || holds_something(&g->boots[i]);
        if (appliance_add_file(&into, path, open, lone ? 0 : (unsigned)i + 1, NULL, err) < 0)
            return -1;
    }
    if (any && appliance_inspect(&into, &g->system, err) < 0)
        return -1;
    g->facts.system = &g->system;
    return 0;
}

static int gather(struct check_guest *g, const char *path, const char *format,
                  struct vml_error *err)
{
    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;
    const struct vml_open open = { .format = format };

    if (source_open(&p, path, &open, "check", NULL, err) < 0 || read_disks(g, p, err) < 0)
        return -1;
    return read_system(g, path, &open, !source_is_machine(p), err);
}

int check_guest_gather(struct check_guest *g, const char *path, const char *format,
                       struct vml_error *err)
{
    *g = (struct check_guest){ .system.os = VML_OS_NONE };
    if (gather(g, path, format, err) == 0)
        return 0;
    if (is_ours(err))
        return -1;
    snprintf(g->unread, sizeof g->unread, "%s", err->text);
    g->facts.unread = g->unread;
    return 0;
}

void check_guest_clear(struct check_guest *g)
{
    for (size_t i = 0; i < g->facts.n_boots; i++)
        vml_boot_clear(&g->boots[i]);
    free(g->boots);
    vml_inspect_clear(&g->system);
}
