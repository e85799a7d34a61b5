/* An image, or one snapshot, becomes a package or a lone disk. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmlift/ami.h"
#include "vmlift/share.h"

/* What is to be written: the machine and the snapshots its disks come from. */
struct machine {
    struct vml_machine is;
    struct vml_snapshot *disks;
    struct vml_new_disk *to; /* what becomes of them */
    size_t n;
};

static void machine_clear(struct machine *m)
{
    for (size_t i = 0; i < m->n; i++)
        vml_snapshot_clear(&m->disks[i]);
    free(m->disks);
    free(m->to);
}

static int add_disk(struct machine *m, struct vml_store *s, const char *id, struct vml_error *err)
{
    if (vml_snapshot_get(s, id, &m->disks[m->n], err) < 0)
        return -1;
    m->to[m->n].size = m->disks[m->n].size;
    m->n++;
    return 0;
}

static int reserve(struct machine *m, size_t n, struct vml_error *err)
{
    m->disks = calloc(n, sizeof *m->disks);
    m->to = calloc(n, sizeof *m->to);
    return m->disks && m->to ? 0 : vml_fail_nomem(err);
}

static int of_snapshot(struct machine *m, struct vml_store *s, const struct vml_export *how,
                       const char *id, struct vml_error *err)
{
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot r = { 0 };
    if (vml_registry_snapshot_get(s, how->where, id, &r, err) < 0 || reserve(m, 1, err) < 0 ||
        add_disk(m, s, id, err) < 0)
        return -1;
    snprintf(m->is.name, sizeof m->is.name, "%s", id);
    return 0;
}

static int of_image(struct machine *m, struct vml_store *s, const struct vml_export *how,
                    const char *id_or_name, struct vml_error *err)
{
    VML_AUTO(vml_image_clear) struct vml_image a = { 0 };
    if (vml_registry_get(s, how->where, id_or_name, &a, err) < 0 ||
        vml_registry_readable(s, how->where, &a, how->notes, err) < 0 ||
        reserve(m, a.n_mappings, err) < 0)
        return -1;
    for (size_t i = 0; i < a.n_mappings; i++) {
        if (a.mappings[i].virtual_name[0] || a.mappings[i].no_device)
            continue; /* no disk of the image's */
        if (!a.mappings[i].snapshot[0])
            return vml_fail(err, VML_EUNSUPPORTED, "export/no-snapshot",
                            "%s: device %s is an empty volume without a snapshot", a.id,
                            a.mappings[i].device);
        if (add_disk(m, s, a.mappings[i].snapshot, err) < 0)
            return -1;
    }
    if (m->n == 0)
        return vml_fail(err, VML_EUNSUPPORTED, "export/no-snapshot",
                        "%s has no snapshots: its root is in an instance store", a.id);
    snprintf(m->is.name, sizeof m->is.name, "%.*s", (int)sizeof m->is.name - 1, a.name);
    snprintf(m->is.os, sizeof m->is.os, "%s", a.platform);
    if (strncmp(a.boot_mode, "uefi", 4) == 0)
        m->is.firmware = VML_FIRMWARE_UEFI;
    else if (a.boot_mode[0])
        m->is.firmware = VML_FIRMWARE_BIOS;
    return 0;
}

static int export_disk(struct vml_package_out *p, size_t i, struct vml_store *s, const char *id,
                       struct vml_copy *copy, struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    if (vml_snapshot_open(&r, s, id, err) < 0 || vml_package_add(p, i, &w, err) < 0)
        return -1;
    return vml_copy(r, w, copy, err);
}

int vml_export(struct vml_store *s, const char *image_or_snapshot, struct vml_output *o,
               const struct vml_export *how, struct vml_error *err)
{
    VML_AUTO(vml_output_freep) struct vml_output *owned = o;
    VML_AUTO(machine_clear) struct machine m = { 0 };
    VML_AUTO(vml_package_out_freep) struct vml_package_out *p = NULL;
    bool lone = strncmp(image_or_snapshot, "snap-", 5) == 0;
    if ((lone ? of_snapshot : of_image)(&m, s, how, image_or_snapshot, err) < 0)
        return -1;
    if (m.n > 1 && !how->format->package)
        return vml_fail(err, VML_EUNSUPPORTED, "package/one-disk",
                        "%s has %zu disks and a %s file holds one: export it as .ova, or its "
                        "snapshots one by one",
                        image_or_snapshot, m.n, how->format->name);
    owned = NULL;
    if (vml_package_create(&p, how->table, how->format, o, &m.is, m.to, m.n, how->subformat,
                           how->options, err) < 0)
        return -1;
    for (size_t i = 0; i < m.n; i++) {
        if (export_disk(p, i, s, m.disks[i].id, how->copy, err) < 0)
            return -1;
    }
    return vml_package_finish(p, err);
}
