#include <inttypes.h>
#include <string.h>

#include "out.h"
#include "target.h"
#include "vmlift/package.h"

struct info {
    const char *from;
    struct parents parents;
};

static const struct opt opts[] = {
    OPT_FROM(info),
    OPT_PARENTS(info),
    { 0 },
};

static const struct opt_verb verb = {
    "info",
    "SRC...",
    1,
    -1,
    "Tells each image's format, sizes and notes, and of an OVA the machine and its disks. data "
    "size "
    "counts the bytes that the image stores a value for; it is read from the image's tables, not "
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

/* A disk as text, and as members of *v. */
static int tell_disk(struct vml_reader *r, bool json, json_t **v, struct vml_error *err)
{
    uint64_t data;
    char buf[32];

    if (data_size(r, &data, err) < 0)
        return -1;
    if (json) {
        *v = json_pack("{s:s, s:s, s:o, s:o, s:o, s:I, s:o}", "format", r->format, "subformat",
                       r->subformat, "virtual_size", json_size(r->size), "file_size",
                       json_size(r->stored_size), "data_size", json_size(data), "unit",
                       (json_int_t)r->unit, "notes", notes_of(&r->notes));
        if (*v != NULL && r->parent_name != NULL)
            json_object_set_new(*v, "parent", json_text(r->parent_name));
        return *v != NULL ? 0 : vml_fail_nomem(err);
    }
    out_line(stdout, "%-14s %s (%s)", "format:", r->format, r->subformat);
    if (r->parent_name != NULL)
        out_line(stdout, "%-14s %s", "parent:", r->parent_name);
    print_size("virtual size:", r->size);
    print_size("file size:", r->stored_size);
    print_size("data size:", data);
    out_line(stdout, "%-14s %s", "unit:", vml_size_format(buf, r->unit));
    print_notes(&r->notes);
    return 0;
}

static const char *firmware_name(enum vml_firmware f)
{
    return f == VML_FIRMWARE_UEFI ? "uefi" : f == VML_FIRMWARE_BIOS ? "bios" : "";
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
}

/* A lone disk: its members beside the path. */
static int tell_lone(struct vml_package *p, const char *path, bool json, json_t **v,
                     struct vml_error *err)
{
    VML_AUTO(json_freep) json_t *disk = NULL;
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;

    if (!json)
        out_line(stdout, "%-14s %s", "path:", path);
    if (vml_package_reader(p, 0, &r, err) < 0 || tell_disk(r, json, &disk, err) < 0)
        return -1;
    if (json) {
        *v = json_pack("{s:o}", "path", json_text(path));
        json_object_update(*v, disk);
    }
    return 0;
}

/* In the machine's order where that can be; an OVA that is compressed gives its disks as they are
 * stored. *i is SIZE_MAX before the first; *r is NULL at the end. */
static int next_disk(struct vml_package *p, size_t *i, struct vml_reader **r, struct vml_error *err)
{
    if (!vml_package_can_seek(p))
        return vml_package_next(p, i, r, err);
    *r = NULL;
    ++*i;
    return *i < vml_package_count(p) ? vml_package_reader(p, *i, r, err) : 0;
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
    for (size_t i = SIZE_MAX;;) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
        json_t *disk = NULL;

        if (next_disk(p, &i, &r, err) < 0)
            return -1;
        if (r == NULL)
            break;
        const char *file = vml_package_disk(p, i)->file;
        if (!json)
            out_line(stdout, "disk %zu:        %s", i + 1, file);
        if (tell_disk(r, json, &disk, err) < 0)
            return -1;
        if (json) {
            json_object_set_new(disk, "file", json_text(file));
            json_array_append_new(disks, disk);
        }
    }
    if (json)
        *v = json_pack("{s:o, s:s, s:o, s:O, s:o}", "path", json_text(path), "format",
                       vml_package_format(p), "machine", machine_json(vml_package_machine(p)),
                       "disks", disks, "notes", notes_of(vml_package_notes(p)));
    return 0;
}

static int tell(const struct info *how, const char *path, bool json, json_t **v,
                struct vml_error *err)
{
    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;
    const struct vml_format *format = NULL;
    struct vml_parents parents = parents_named(&how->parents);
    struct vml_input *in = NULL;

    if (how->from != NULL && format_named(&format, how->from, err) < 0)
        return -1;
    if (vml_input_open(&in, path, err) < 0)
        return -1;
    if (!vml_input_can_seek(in)) {
        vml_fail(err, VML_EUNSUPPORTED, "input/needs-file",
                 "%s: info needs a file, since a pipe would be used up by looking",
                 vml_input_name(in));
        vml_input_free(in);
        return -1;
    }
    parents.alone = !parents.follow && parents.n_files == 0;
    if (vml_package_open_chain(&p, vml_formats, in, how->from, &parents, err) < 0)
        return -1;
    if (vml_format_find(&format, vml_formats, vml_package_format(p), err) < 0)
        return -1;
    return format->package == NULL ? tell_lone(p, path, json, v, err)
                                   : tell_machine(p, path, json, v, err);
}

/* With several operands a bad one does not keep the others from being told. */
static int tell_all(struct cli *cli, const struct info *how, struct vml_error *err)
{
    int status = 0;

    for (int i = 0; i < cli->n_words; i++) {
        struct vml_error e = { 0 };
        json_t *v = NULL;
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (i > 0 && !cli->json)
            out_line(stdout, "%s", "");
        if (tell(how, cli->words[i], cli->json, &v, &e) < 0) {
            out_line(stderr, "vmlift: %s [%s]", e.text, e.slug);
            if (cli->json)
                v = json_pack("{s:o, s:o}", "path", json_text(cli->words[i]), "error",
                              json_error(&e));
            status = status != 0 ? status : vml_error_status(&e);
        }
        if (cli->json && out_json_line(v, err) < 0)
            return -1;
    }
    return status;
}

static void info_clear(struct info *how)
{
    opt_list_clear(&how->parents.files);
}

int cmd_info(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(info_clear) struct info how = { 0 };
    json_t *v = NULL;
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (cli->n_words > 1 && how.parents.files.n > 0)
        return vml_fail(err, VML_EUSAGE, "usage/parent", "--parent is for one SRC, not for %d",
                        cli->n_words);
    if (cli->n_words > 1)
        return tell_all(cli, &how, err);
    if (tell(&how, cli->words[0], cli->json, &v, err) < 0)
        return -1;
    return cli->json ? out_json(v, err) : 0;
}
