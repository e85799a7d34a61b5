#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "disks.h"
#include "source.h"
#include "target.h"
#include "vmlift/copy.h"
#include "vmlift/package.h"

struct convert {
    const char *from, *vm;
    bool no_manifest;
    struct target to;
    struct parents parents;
    bool progress, repack;
    unsigned threads, disk;
    uint64_t size;
};

static const struct opt opts[] = {
    OPT_FROM(convert),
    OPT_PACKAGE(convert),
    OPT_PARENTS(convert),
    OPT_TARGET(convert),
    { 0, "disk", "N", OPT_COUNT, offsetof(struct convert, disk),
      "take only disk N of a machine, counted from 1" },
    { 0, "size", "SIZE", OPT_SIZE, offsetof(struct convert, size),
      "size of the disk, for -f raw from a pipe, which must hold just as much; of a compressed "
      "file "
      "it saves the pass that counts" },
    { 0, "repack", NULL, OPT_FLAG, offsetof(struct convert, repack),
      "write the OVA anew, with its disks as they are compressed, which are only checked" },
    OPT_COPY(convert),
    { 0 },
};

static const struct opt_verb verb = {
    "convert",
    "SRC DST",
    2,
    2,
    "Copies the disk or the machine in SRC to DST in another format. SRC may be an OVA, "
    "or an OVF with its files beside it, by its name or its folder's; a format of one disk takes "
    "an OVA of one disk, or the one that --disk names. SRC may be compressed with "
    "gzip, xz, zstd or bzip2. A manifest is checked before DST appears, and DST appears only when "
    "it is complete. \"-\" is standard input or output.\n"
    "An OVA keeps what its source says of the machine, as far as VMware has it; -o says otherwise. "
    "With --repack an OVA is made anew, with --force onto itself: description and "
    "manifest are made new, members are in VMware's order and named after DST or -o name=, and "
    "each disk is checked and handed on as it is compressed, or refused. Members that are no disks "
    "and a certificate are left out.",
    opts
};

/* A raw disk from a pipe gets its size by an input that says it; the format sees to it that the
 * pipe holds neither less nor more. */
static int pull(void *pipe, void *buf, size_t len, size_t *got, struct vml_error *err)
{
    return vml_input_read(pipe, buf, len, got, err);
}

static int open_input(const struct convert *how, const char *path, struct vml_input **pipe,
                      struct vml_input **out, struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    const struct vml_format *format = NULL;
    const char *kind = NULL;

    if (how->from != NULL && format_named(&format, how->from, err) < 0)
        return -1;
    if (how->size != VML_SIZE_UNKNOWN && format != &vml_format_raw)
        return vml_fail(err, VML_EUSAGE, "usage/size", "--size is for -f raw");
    if (source_input(&in, path, err) < 0)
        return -1;
    if (how->size != VML_SIZE_UNKNOWN && vml_input_compression(in, &kind, err) < 0) {
        vml_error_prefix(err, "%s", vml_input_name(in));
        return -1;
    }
    if (kind != NULL) {
        if (vml_input_decompress(out, in, how->size, VML_DISK_MAX, err) < 0) {
            vml_error_prefix(err, "%s", vml_input_name(in));
            return -1;
        }
        in = NULL;
        return 0;
    }
    if (how->size != VML_SIZE_UNKNOWN && vml_input_size(in) == VML_SIZE_UNKNOWN) {
        if (vml_input_callback(out, vml_input_name(in), how->size, pull, in, err) < 0)
            return -1;
        *pipe = in;
        in = NULL;
        return 0;
    }
    if (how->size != VML_SIZE_UNKNOWN && how->size != vml_input_size(in))
        return vml_fail(err, VML_EUSAGE, "usage/size",
                        "%s: has %" PRIu64 " bytes, and --size says %" PRIu64, path,
                        vml_input_size(in), how->size);
    *out = in;
    in = NULL;
    return 0;
}

/* --- the disks ------------------------------------------------------------------------------ */

struct job {
    const struct convert *how;
    struct vml_input *pipe; /* beneath a raw disk whose size was given */
    struct disks disks;
};

static void job_clear(struct job *j)
{
    disks_clear(&j->disks); /* which reads from the pipe */
    vml_input_free(j->pipe);
}

static int check_repack(const struct job *j, const struct vml_format *to, const char *options,
                        struct vml_error *err)
{
    const struct vml_create create = { .options = options };
    char buf[64];

    if (to->package == NULL || !source_is_machine(j->disks.from))
        return vml_fail(err, VML_EUSAGE, "usage/repack",
                        "--repack is for machines: from an OVA to an OVA");
    if (j->how->disk > 0)
        return vml_fail(err, VML_EUSAGE, "usage/repack",
                        "--repack keeps all disks: it does not go with --disk");
    if (vml_create_option(&create, "level", NULL, buf) != NULL)
        return vml_fail(err, VML_EUSAGE, "usage/repack",
                        "--repack keeps disks as they are compressed: it does not go with "
                        "-o level=");
    return 0;
}

static int convert(struct cli *cli, struct job *j, const char *src, const char *dst,
                   struct vml_error *err)
{
    VML_AUTO(vml_freep) char *subformat = NULL;
    VML_AUTO(vml_freep) char *options = NULL;
    VML_AUTO(vml_output_freep) struct vml_output *o = NULL;
    VML_AUTO(json_freep) json_t *notes = json_array();
    const struct vml_format *to = NULL;
    const struct vml_open how = { .format = source_format(src, j->how->from),
                                  .vm = j->how->vm,
                                  .no_manifest = j->how->no_manifest,
                                  .parents = parents_named(&j->how->parents) };
    struct vml_input *in = NULL;

    if (cli->json && strcmp(dst, "-") == 0)
        return vml_fail(err, VML_EUSAGE, "usage/json",
                        "standard output cannot take both the disk and the JSON object");
    if (target_format(&j->how->to, dst, &to, err) < 0 ||
        target_options(&j->how->to, &subformat, &options, err) < 0 ||
        open_input(j->how, src, &j->pipe, &in, err) < 0)
        return -1;
    if (target_open(&j->how->to, dst, &o, err) < 0) {
        vml_input_free(in);
        return -1;
    }
    if (vml_package_open_as(&j->disks.from, vml_formats, in, &how, err) < 0 ||
        (j->how->repack && check_repack(j, to, options, err) < 0) ||
        disks_choose(&j->disks, src, j->how->disk, to, err) < 0)
        return -1;
    j->disks.machine = to->package != NULL;
    j->disks.seekable = vml_package_can_seek(j->disks.from);
    int rc = disks_copy(&j->disks, to, &o, subformat, options, err);
    out_notes(input_named(src), vml_package_notes(j->disks.from));
    out_notes(input_named(src), &j->disks.notes);
    if (j->disks.to != NULL)
        out_notes(dst, vml_package_out_notes(j->disks.to));
    if (rc < 0 || !cli->json)
        return rc;
    json_add_notes(notes, vml_package_notes(j->disks.from));
    json_add_notes(notes, &j->disks.notes);
    json_add_notes(notes, vml_package_out_notes(j->disks.to));
    return out_json(json_pack("{s:o, s:o, s:s, s:O, s:O}", "source", json_text(src), "path",
                              json_text(dst), "format", to->name, "disks", j->disks.list, "notes",
                              notes),
                    err);
}

static void convert_clear(struct convert *how)
{
    opt_list_clear(&how->to.options);
    opt_list_clear(&how->parents.files);
}

int cmd_convert(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(convert_clear) struct convert how = { .size = VML_SIZE_UNKNOWN };
    VML_AUTO(job_clear) struct job j = { .how = &how, .disks = { .list = json_array() } };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    j.disks.copy.threads = how.threads;
    j.disks.repack = how.repack;
    j.disks.progress = how.progress;
    return convert(cli, &j, cli->words[0], cli->words[1], err);
}
