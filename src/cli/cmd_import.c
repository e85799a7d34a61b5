#include <stdlib.h>
#include <string.h>

#include "encrypt.h"
#include "out.h"
#include "progress.h"
#include "source.h"
#include "tags.h"
#include "target.h"

struct import {
    struct local local;
    const char *from, *vm, *name, *description, *arch, *virt, *boot_mode, *root_device;
    struct encrypt encrypt;
    struct parents parents;
    struct opt_list tags;
    bool progress, no_manifest;
    unsigned threads;
};

#define TEXT(name, value, field, help)                                 \
    {                                                                  \
        0, name, value, OPT_TEXT, offsetof(struct import, field), help \
    }
static const struct opt opts[] = {
    OPT_FROM(import),
    OPT_PACKAGE(import),
    OPT_PARENTS(import),
    TEXT("name", "NAME", name, "the AMI's name, which its account and region have only once"),
    TEXT("description", "TEXT", description, "the AMI's description"),
    TEXT("arch", "A", arch, "x86_64 (the default), i386 or arm64"),
    TEXT("virt", "V", virt, "hvm (the default) or paravirtual"),
    TEXT("boot-mode", "M", boot_mode,
         "legacy-bios, uefi or uefi-preferred; otherwise what the OVF or the disk says"),
    TEXT("root-device", "D", root_device, "the root disk's device name (/dev/sda1)"),
    { 0, "tag", "K=V", OPT_LIST, offsetof(struct import, tags), "tag the AMI; may be repeated" },
    OPT_ENCRYPT(import),
    OPT_PASSPHRASE(import),
    OPT_STORE(import),
    OPT_SHARED_FS(import),
    OPT_WHERE(import),
    OPT_COPY(import),
    { 0 },
};
#undef TEXT

static const struct opt_verb verb = {
    "import",
    "SRC",
    1,
    1,
    "Keeps the disks of SRC, an OVA or a lone disk, as snapshots in the store, registers an AMI of "
    "them and prints its ID. The manifest is checked, and all of it becomes visible at once or not "
    "at all. \"-\" is standard input.",
    opts
};

static void import_clear(struct import *how)
{
    opt_list_clear(&how->tags);
    opt_list_clear(&how->parents.files);
}

/* --- the verb ------------------------------------------------------------------------------- */

static uint64_t total_size(const struct vml_package *p)
{
    uint64_t total = 0;

    for (size_t i = 0; i < vml_package_count(p); i++) {
        uint64_t size = vml_package_disk(p, i)->capacity;
        if (size == VML_SIZE_UNKNOWN)
            return size;
        total += size;
    }
    return total;
}

static json_t *result(const struct vml_image *a, uint64_t healed, json_t *notes)
{
    json_t *snapshots = json_array();

    for (size_t i = 0; i < a->n_mappings; i++)
        json_array_append_new(snapshots, json_string(a->mappings[i].snapshot));
    return json_pack("{s:s, s:o, s:I, s:O}", "ImageId", a->id, "SnapshotIds", snapshots, "healed",
                     (json_int_t)healed, "notes", notes);
}

static int import(struct cli *cli, struct import *how, const char *src, struct vml_image *image,
                  struct vml_notes *found, struct vml_error *err)
{
    VML_AUTO(tags_clear) struct tags tags = { 0 };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;
    VML_AUTO(progress_end) struct progress progress = { 0 };
    VML_AUTO(json_freep) json_t *notes = json_array();
    struct vml_copy copy = { .threads = how->threads };
    struct vml_where where;
    char key[37];
    const struct vml_open open = { .format = how->from,
                                   .vm = how->vm,
                                   .no_manifest = how->no_manifest,
                                   .parents = parents_named(&how->parents) };
    uint64_t healed = 0;
    bool seekable;

    if (how->name == NULL)
        return vml_fail(err, VML_EUSAGE, "usage/name", "import: the AMI needs a name: --name NAME");
    if (local_where(&how->local, &where, err) < 0 ||
        tags_read(NULL, &how->tags, false, &tags, err) < 0 ||
        source_open(&p, src, &open, "import", &seekable, err) < 0 ||
        local_store(&how->local, LOCAL_CREATE, &s, err) < 0 ||
        encrypt_key(&how->encrypt, "import", &how->local, s, &where, key, found, err) < 0)
        return -1;
    progress_start(&progress, how->progress, total_size(p));
    progress_attach(&progress, &copy);
    const struct vml_import what = {
        .name = how->name,
        .description = how->description,
        .owner = where.owner,
        .region = where.region,
        .architecture = how->arch,
        .virtualization = how->virt,
        .boot_mode = how->boot_mode,
        .root_device = how->root_device,
        .source = input_named(src),
        .key = key[0] != '\0' ? key : NULL,
        .tags = tags.items,
        .n_tags = tags.n,
        .copy = &copy,
        .healed = &healed,
        .notes = found,
    };
    int rc = vml_import(s, p, &what, image, err);
    progress_end(&progress);
    out_notes(input_named(src), vml_package_notes(p));
    out_notes(input_named(src), found);
    if (rc < 0)
        return -1;
    if (!cli->json) {
        out_line(stdout, "%s", image->id);
        return 0;
    }
    json_add_notes(notes, vml_package_notes(p));
    json_add_notes(notes, found);
    return out_json(result(image, healed, notes), err);
}

int cmd_import(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(import_clear) struct import how = { 0 };
    VML_AUTO(vml_image_clear) struct vml_image image = { 0 };
    VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (import(cli, &how, cli->words[0], &image, &notes, err) < 0)
        return -1;
    if (out_flush(err) < 0) { /* it is there all the same, and the user must learn its name */
        vml_error_prefix(err, "%s is registered", image.id);
        return -1;
    }
    return 0;
}
