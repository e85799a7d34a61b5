#include <inttypes.h>
#include <string.h>

#include "out.h"
#include "source.h"
#include "target.h"
#include "vmlift/package.h"

struct info {
    const char *from, *vm;
    bool no_manifest;
    struct parents parents;
};

static const struct opt opts[] = {
    OPT_FROM(info),
    OPT_PACKAGE(info),
    OPT_PARENTS(info),
    { 0 },
};

static const struct opt_verb verb = {
    "info",
    "SRC...",
    1,
    -1,
    "Tells each image's format, sizes and notes, and of an OVA or an OVF the machine and its "
    "disks; "
    "of an OVF alone what the description says of those that are not beside it. data size counts "
    "the bytes that the image stores a value for; it is read from the image's tables, not "
    "from its data. A child disk is told by itself, with the name of its parent; with --parent or "
    "--follow-parents data size is of all of them together. With --json and several SRC there is "
    "one object on a line for each.",
    opts
};

/* Bytes in runs of data.  Tables only, so a huge sparse disk takes no longer than its tables. */
static int data_size(struct vml_reader *r, uint64_t *size, struct vml_error *err)
{
    struct vml_extent x;

    *size = 0;
    for (uint64_t off = 0; off < r->size; off += x.len) {
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (vml_extent_at(r, off, &x, err) < 0) {
            if (r->name != NULL)
                vml_error_prefix(err, "%s", r->name);
            return -1;
        }
        if (x.kind == VML_DATA)
            *size += x.len;
        vml_extent_clear(&x);
    }
    return 0;
}

static void print_notes(const struct vml_notes *notes)
{
    for (size_t i = 0; i < notes->n; i++)
        out_line(stdout, "note:          %s [%s]", notes->items[i].text, notes->items[i].slug);
}

static void print_size(const char *what, uint64_t size)
{
    char buf[32];

    out_line(stdout, "%-14s %s (%" PRIu64 " bytes)", what, vml_size_format(buf, size), size);
}

static json_t *notes_of(const struct vml_notes *notes)
{
    json_t *array = json_array();

    json_add_notes(array, notes);
    return array;
}

/* A disk as text, and as members of *v; d: what its package says of it, or NULL. */
static int tell_disk(struct vml_reader *r, const struct vml_disk *d, bool json, json_t **v,
                     struct vml_error *err)
{
    uint64_t stored = r->stored_size;

    uint64_t data;
    char buf[32];

    if (stored == VML_SIZE_UNKNOWN && d != NULL) /* several files, or one that is unpacked */
        stored = d->stored_size;
    if (data_size(r, &data, err) < 0)
        return -1;
    if (json) {
        *v = json_pack("{s:s, s:s, s:o, s:o, s:o, s:I, s:o}", "format", r->format, "subformat",
                       r->subformat, "virtual_size", json_size(r->size), "file_size",
                       json_size(stored), "data_size", json_size(data), "unit", (json_int_t)r->unit,
                       "notes", notes_of(&r->notes));
        if (*v != NULL && r->parent_name != NULL)
            json_object_set_new(*v, "parent", json_text(r->parent_name));
        return *v != NULL ? 0 : vml_fail_nomem(err);
    }
    out_line(stdout, "%-14s %s (%s)", "format:", r->format, r->subformat);
    if (r->parent_name != NULL)
        out_line(stdout, "%-14s %s", "parent:", r->parent_name);
    print_size("virtual size:", r->size);
    if (stored != VML_SIZE_UNKNOWN)
        print_size("file size:", stored);
    print_size("data size:", data);
    out_line(stdout, "%-14s %s", "unit:", vml_size_format(buf, r->unit));
    print_notes(&r->notes);
    return 0;
}

static const char *firmware_name(enum vml_firmware f)
{
    return f == VML_FIRMWARE_UEFI ? "uefi" : f == VML_FIRMWARE_BIOS ? "bios" : "";
}

static json_t *networks_json(const struct vml_machine *m)
{
    json_t *v = json_array();

    for (unsigned i = 0; i < m->n_nics; i++)
        json_array_append_new(v, json_pack("{s:o, s:o}", "network", json_text(m->nics[i].network),
                                           "model", json_text(m->nics[i].model)));
    return v;
}

/* What the description does not say is left out. */
static json_t *machine_json(const struct vml_machine *m)
{
    json_t *v = json_object();

    if (m->name[0] != '\0')
        json_object_set_new(v, "name", json_text(m->name));
    if (m->os[0] != '\0')
        json_object_set_new(v, "os", json_text(m->os));
    if (m->cpus > 0)
        json_object_set_new(v, "cpus", json_integer(m->cpus));
    if (m->memory > 0)
        json_object_set_new(v, "memory", json_size(m->memory));
    if (m->firmware != VML_FIRMWARE_UNKNOWN)
        json_object_set_new(v, "firmware", json_string(firmware_name(m->firmware)));
    json_object_set_new(v, "secure_boot", json_boolean(m->secure_boot));
    if (m->hardware[0] != '\0')
        json_object_set_new(v, "hardware", json_text(m->hardware));
    json_object_set_new(v, "networks", networks_json(m));
    return v;
}

static void print_machine(const struct vml_machine *m)
{
    if (m->name[0] != '\0')
        out_line(stdout, "%-14s %s", "name:", m->name);
    if (m->os[0] != '\0')
        out_line(stdout, "%-14s %s", "os:", m->os);
    if (m->cpus > 0)
        out_line(stdout, "%-14s %u", "cpus:", m->cpus);
    if (m->memory > 0)
        print_size("memory:", m->memory);
    if (m->firmware != VML_FIRMWARE_UNKNOWN)
        out_line(stdout, "%-14s %s%s", "firmware:", firmware_name(m->firmware),
                 m->secure_boot ? " (secure boot)" : "");
    if (m->hardware[0] != '\0')
        out_line(stdout, "%-14s %s", "hardware:", m->hardware);
    for (unsigned i = 0; i < m->n_nics; i++)
        out_line(stdout, "%-14s %s%s%s%s",
                 "network:", m->nics[i].network[0] != '\0' ? m->nics[i].network : "not connected",
                 m->nics[i].model[0] != '\0' ? " (" : "", m->nics[i].model,
                 m->nics[i].model[0] != '\0' ? ")" : "");
}

/* A lone disk: its members beside the path. */
static int tell_lone(struct vml_package *p, const char *path, bool json, json_t **v,
                     struct vml_error *err)
{
    VML_AUTO(json_freep) json_t *disk = NULL;
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;

    if (!json)
        out_line(stdout, "%-14s %s", "path:", path);
    if (vml_package_reader(p, 0, &r, err) < 0 || tell_disk(r, NULL, json, &disk, err) < 0)
        return -1;
    if (json) {
        *v = json_pack("{s:o}", "path", json_text(path));
        json_object_update(*v, disk);
    }
    return 0;
}

/* What the description says of a disk that cannot be read. */
static json_t *tell_absent(const struct vml_disk *d, bool json)
{
    if (json)
        return json_pack("{s:o, s:b}", "virtual_size", json_size(d->capacity), "absent", true);
    if (d->capacity != VML_SIZE_UNKNOWN)
        print_size("virtual size:", d->capacity);
    out_line(stdout, "%-14s %s", "file:", "cannot be read: see the notes");
    return NULL;
}

/* In the machine's order where that can be; an OVA that is compressed gives its disks as they are
 * stored. *i is SIZE_MAX before the first; *r is NULL at the end, and of a disk that is absent. */
static int next_disk(struct vml_package *p, size_t *i, struct vml_reader **r, struct vml_error *err)
{
    if (!vml_package_can_seek(p))
        return vml_package_next(p, i, r, err);
    *r = NULL;
    *i = *i == SIZE_MAX ? 0 : *i + 1;
    *i = *i < vml_package_count(p) ? *i : SIZE_MAX;
    return *i == SIZE_MAX || vml_package_disk(p, *i)->absent ? 0
                                                             : vml_package_reader(p, *i, r, err);
}

static int tell_disks(struct vml_package *p, bool json, json_t *disks, struct vml_error *err)
{
    for (size_t i = SIZE_MAX;;) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
        json_t *disk = NULL;

        if (next_disk(p, &i, &r, err) < 0)
            return -1;
        if (i == SIZE_MAX)
            return 0;
        const struct vml_disk *d = vml_package_disk(p, i);
        if (!json) {
            out_line(stdout, "disk %zu:        %s", i + 1, vml_package_disk_name(p, i));
            if (d->controller[0] != '\0')
                out_line(stdout, "%-14s %s", "controller:", d->controller);
        }
        if (r == NULL)
            disk = tell_absent(d, json);
        else if (tell_disk(r, d, json, &disk, err) < 0)
            return -1;
        if (!json)
            continue;
        json_object_set_new(disk, "file", d->file != NULL ? json_text(d->file) : json_null());
        if (d->controller[0] != '\0')
            json_object_set_new(disk, "controller", json_text(d->controller));
        json_array_append_new(disks, disk);
    }
}

static int tell_machine(struct vml_package *p, const char *path, bool json, json_t **v,
                        struct vml_error *err)
{
    VML_AUTO(json_freep) json_t *disks = json_array();

    if (!json) {
        out_line(stdout, "%-14s %s", "path:", path);
        out_line(stdout, "%-14s %s", "format:", vml_package_format(p));
        print_machine(vml_package_machine(p));
        print_notes(vml_package_notes(p));
    }
    if (tell_disks(p, json, disks, err) < 0)
        return -1;
    if (json)
        *v = json_pack("{s:o, s:s, s:o, s:O, s:o}", "path", json_text(path), "format",
                       vml_package_format(p), "machine", machine_json(vml_package_machine(p)),
                       "disks", disks, "notes", notes_of(vml_package_notes(p)));
    return 0;
}

static int tell(void *arg, const char *path, bool json, json_t **v, struct vml_error *err)
{
    const struct info *how = arg;
    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;
    struct vml_open open = { .format = how->from,
                             .vm = how->vm,
                             .no_manifest = how->no_manifest,
                             .parents = parents_named(&how->parents),
                             .look = true };

    open.parents.alone = !open.parents.follow && open.parents.n_files == 0;
    if (source_open(&p, path, &open, "info", NULL, err) < 0)
        return -1;
    return source_is_machine(p) ? tell_machine(p, path, json, v, err)
                                : tell_lone(p, path, json, v, err);
}

static void info_clear(struct info *how)
{
    opt_list_clear(&how->parents.files);
}

int cmd_info(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(info_clear) struct info how = { 0 };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (cli->n_words > 1 && how.parents.files.n > 0)
        return vml_fail(err, VML_EUSAGE, "usage/parent", "--parent is for one SRC, not for %d",
                        cli->n_words);
    return source_tell_all(cli, tell, &how, true, err);
}
