#include "encrypt.h"
#include "out.h"
#include "progress.h"
#include "record.h"
#include "source.h"
#include "target.h"

#define IMPORT_VOLUME_TYPE "gp3" /* gp2 ends at 16 TiB */

struct import {
    struct local local;
    struct aws_words aws; /* where a snapshot of EBS is; the region is the local one */
    const char *from, *vm;
    struct record record;
    struct encrypt encrypt;
    struct parents parents;
    bool progress, no_manifest, force_boot;
    unsigned threads;
};

static const struct opt opts[] = {
    OPT_AWS(import),
    OPT_FROM(import),
    OPT_PACKAGE(import),
    OPT_PARENTS(import),
    OPT_RECORD(import),
    { 0, "force-boot", NULL, OPT_FLAG, offsetof(struct import, force_boot),
      "keep --boot-mode, --arch and the OVF's word although the disk contradicts them" },
    OPT_ENCRYPT(import),
    OPT_PASSPHRASE(import),
    OPT_STORE(import),
    OPT_SHARED_FS(import),
    OPT_WHERE(import),
    OPT_COPY(import),
    { 0 },
};

static const struct opt_verb verb = {
    "import",
    "SRC",
    1,
    1,
    "Keeps the disks of SRC, an OVA or a lone disk, as snapshots in the store, registers an AMI of "
    "them and prints its ID. The manifest is checked, and all of it becomes visible at once or not "
    "at all. \"-\" is standard input, \"ebs:SNAPSHOT\" the disk of a snapshot in AWS, in the "
    "region "
    "that is said or, without that, the environment's or the profile's.",
    opts
};

static void import_clear(struct import *how)
{
    record_clear(&how->record);
    opt_list_clear(&how->parents.files);
}

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

/* Its snapshots are what is in SRC. */
static int check_mappings(const struct vml_image *a, struct vml_error *err)
{
    for (size_t i = 0; i < a->n_mappings; i++)
        if (a->mappings[i].snapshot[0] != '\0')
            return vml_fail(err, VML_EUSAGE, "usage/mapping",
                            "import: --mapping: %s: the disks come from SRC; image register takes "
                            "snapshots",
                            a->mappings[i].device);
    return 0;
}

static int import(struct cli *cli, struct import *how, const char *src, struct vml_image *image,
                  struct vml_notes *found, struct vml_error *err)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;
    VML_AUTO(progress_end) struct progress progress = { 0 };
    struct vml_copy copy = { .threads = how->threads };
    struct vml_where where;
    char key[37];
    const struct vml_open open = { .format = how->from,
                                   .vm = how->vm,
                                   .no_manifest = how->no_manifest,
                                   .parents = parents_named(&how->parents) };
    uint64_t healed = 0;
    bool seekable;

    how->aws.region = how->local.region;
    if (source_is_ebs(src) && how->threads == 0)
        copy.threads = EBS_THREADS;
    if (local_where(&how->local, &where, err) < 0 ||
        record_fill(&how->record, "import", &where, IMPORT_VOLUME_TYPE, image, err) < 0 ||
        check_mappings(image, err) < 0 ||
        source_open_at(&p, src, &open, &how->aws, "import", &seekable, err) < 0 ||
        local_store(&how->local, LOCAL_CREATE, &s, err) < 0 ||
        encrypt_key(&how->encrypt, "import", &how->local, s, &where, key, found, err) < 0)
        return -1;
    if (how->record.arch == NULL)
        image->architecture[0] = '\0'; /* to be found */
    progress_start(&progress, how->progress, total_size(p));
    progress_attach(&progress, &copy);
    const struct vml_import what = {
        .source = input_named(src),
        .key = key[0] != '\0' ? key : NULL,
        .volume_type = record_volume_type(&how->record, IMPORT_VOLUME_TYPE),
        .force_boot = how->force_boot,
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
    json_t *more = json_pack("{s:I, s:o}", "healed", (json_int_t)healed, "notes", json_array());
    json_add_notes(json_object_get(more, "notes"), vml_package_notes(p));
    json_add_notes(json_object_get(more, "notes"), found);
    return record_print(cli, image, more, found, err);
}

int cmd_import(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(import_clear) struct import how = { 0 };
    VML_AUTO(vml_image_clear) struct vml_image image = { 0 };
    VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    return import(cli, &how, cli->words[0], &image, &notes, err);
}
