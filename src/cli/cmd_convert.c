#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"
#include "progress.h"
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
    struct vml_package *from;
    bool seekable;          /* the package */
    struct vml_input *pipe; /* beneath a raw disk whose size was given */
    struct vml_package_out *to;
    bool machine;    /* it is one, and no lone disk */
    size_t first, n; /* the disks to take */
    struct vml_copy copy;
    struct vml_notes notes; /* those of the readers, which do not live long */
    json_t *disks;
};

static void job_clear(struct job *j)
{
    vml_package_out_free(j->to);
    vml_package_free(j->from);
    vml_input_free(j->pipe);
    vml_notes_clear(&j->notes);
    json_decref(j->disks);
}

/* Nothing becomes visible before this. */
static int check_source(void *arg, struct vml_error *err)
{
    struct job *j = arg;

    return vml_package_verify(j->from, err);
}

/* Disk i to be read: in one pass with the manifest where the order of storage allows that. */
static int source_disk(struct job *j, size_t i, struct vml_reader **out, struct vml_error *err)
{
    size_t at;

    for (;;) {
        if (vml_package_next(j->from, &at, out, err) < 0)
            return -1;
        if (*out == NULL || at == i)
            break;
        if (!j->seekable && at > i && at < j->first + j->n)
            return vml_fail(err, VML_EUNSUPPORTED, "convert/disk-order",
                            "%s: disk %zu comes before disk %zu, and the result needs them in "
                            "order: give a file, not a pipe",
                            (*out)->name, at + 1, i + 1);
        vml_reader_freep(out);
    }
    return *out != NULL ? 0 : vml_package_reader(j->from, i, out, err);
}

/* The size of disk i before it is read: its own where it can be asked, else the description's. */
static int disk_size(const struct job *j, size_t i, uint64_t *size, struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;

    *size = vml_package_disk(j->from, i)->capacity;
    if (!j->seekable)
        return 0;
    if (vml_package_reader(j->from, i, &r, err) < 0)
        return -1;
    *size = r->size;
    return 0;
}

/* --repack promises that what is compressed stays as it is. */
static int check_passed_on(const struct vml_reader *r, const struct vml_writer *w,
                           struct vml_error *err)
{
    if (r->codec != VML_CODEC_NONE && r->codec == w->codec && r->unit == w->unit)
        return 0;
    return vml_fail(err, VML_EUNSUPPORTED, "convert/repack",
                    "%s: is a %s %s, which an OVA cannot take as it is stored; without --repack it "
                    "is converted",
                    r->name, r->format, r->subformat);
}

static void add_disk(struct job *j, const struct vml_writer *w, uint64_t size)
{
    json_array_append_new(
        j->disks,
        json_pack("{s:s, s:s, s:o, s:I, s:I, s:I}", "format", w->format, "subformat", w->subformat,
                  "virtual_size", json_size(size), "data", (json_int_t)j->copy.bytes.data, "zero",
                  (json_int_t)j->copy.bytes.zero, "hole", (json_int_t)j->copy.bytes.hole));
}

/* Disk k of the result. */
static int copy_disk(struct job *j, size_t k, struct vml_reader *r, uint64_t size,
                     struct vml_error *err)
{
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;

    if (r->size != size)
        return vml_fail(err, VML_EDATA, "convert/capacity",
                        "%s: has %" PRIu64 " bytes, and the machine's description says %" PRIu64,
                        r->name, r->size, size);
    if (vml_package_add(j->to, k, &w, err) < 0 ||
        (j->how->repack && check_passed_on(r, w, err) < 0))
        return -1;
    if (!j->machine) { /* this one's finish is all there is */
        struct vml_writer *plain = w;
        w = NULL;
        if (vml_writer_guard(&w, plain, check_source, j, err) < 0)
            return -1;
    }
    if (vml_copy(r, w, &j->copy, err) < 0)
        return -1;
    for (size_t i = 0; i < r->notes.n; i++)
        vml_note(&j->notes, r->notes.items[i].slug, "%s", r->notes.items[i].text);
    add_disk(j, w, size);
    return 0;
}

/* A machine's disks without a file stay so; anything else is a disk that is written.  *lead is the
 * first of these, opened, or NULL. */
static int plan_disks(struct job *j, struct vml_new_disk *disks, struct vml_reader **lead,
                      struct vml_error *err)
{
    size_t first = j->n;

    for (size_t k = j->n; k-- > 0;) {
        const struct vml_disk *d = vml_package_disk(j->from, j->first + k);

        disks[k].empty = j->machine && d->file == NULL;
        memcpy(disks[k].controller, d->controller, sizeof disks[k].controller);
        if (disks[k].empty)
            disks[k].size = d->capacity;
        else
            first = k;
    }
    for (size_t k = first + 1; k < j->n; k++)
        if (!disks[k].empty && disk_size(j, j->first + k, &disks[k].size, err) < 0)
            return -1;
    if (first == j->n)
        return 0;
    if (source_disk(j, j->first + first, lead, err) < 0)
        return -1;
    disks[first].size = (*lead)->size;
    return 0;
}

static int copy_disks(struct job *j, const struct vml_new_disk *disks, struct vml_reader **lead,
                      struct vml_error *err)
{
    for (size_t k = 0; k < j->n; k++) {
        if (disks[k].empty) {
            json_array_append_new(j->disks, json_pack("{s:b, s:o}", "empty", true, "virtual_size",
                                                      json_size(disks[k].size)));
            continue;
        }
        if (*lead == NULL && source_disk(j, j->first + k, lead, err) < 0)
            return -1;
        if (copy_disk(j, k, *lead, disks[k].size, err) < 0)
            return -1;
        vml_reader_freep(lead);
    }
    return 0;
}

static int copy_all(struct job *j, const struct vml_format *format, struct vml_output **o,
                    const char *subformat, const char *options, struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    VML_AUTO(vml_freep) struct vml_new_disk *disks = calloc(j->n, sizeof *disks);
    VML_AUTO(progress_end) struct progress progress = { 0 };
    struct vml_output *taken;
    uint64_t total = 0;

    if (disks == NULL || j->disks == NULL)
        return vml_fail_nomem(err);
    if (plan_disks(j, disks, &r, err) < 0)
        return -1;
    for (size_t k = 0; k < j->n; k++)
        if (!disks[k].empty)
            total = disks[k].size == VML_SIZE_UNKNOWN ? disks[k].size : total + disks[k].size;
    taken = *o;
    *o = NULL;
    if (vml_package_create(&j->to, vml_formats, format, taken, vml_package_machine(j->from), disks,
                           j->n, subformat, options, err) < 0)
        return -1;
    progress_start(&progress, j->how->progress, total);
    progress_attach(&progress, &j->copy);
    if (copy_disks(j, disks, &r, err) < 0 || (j->machine && check_source(j, err) < 0))
        return -1;
    return vml_package_finish(j->to, err);
}

static int check_repack(const struct job *j, const struct vml_format *to, const char *options,
                        struct vml_error *err)
{
    const struct vml_create create = { .options = options };
    char buf[64];

    if (to->package == NULL || !source_is_machine(j->from))
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

/* Which disks of the package are meant. */
static int choose(struct job *j, const char *src, const struct vml_format *to,
                  struct vml_error *err)
{
    size_t n = vml_package_count(j->from);

    j->n = n;
    if (j->how->disk > n)
        return vml_fail(err, VML_EUSAGE, "usage/disk", "%s: there is no disk %u, only %zu", src,
                        j->how->disk, n);
    if (j->how->disk > 0) {
        j->first = j->how->disk - 1;
        j->n = 1;
    } else if (n > 1 && to->package == NULL) {
        return vml_fail(err, VML_EUNSUPPORTED, "package/one-disk",
                        "%s: holds %zu disks and %s takes one: pick it with --disk N, or write an "
                        "OVA",
                        src, n, to->name);
    }
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
    const struct vml_open how = { .format = j->how->from,
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
    if (vml_package_open_as(&j->from, vml_formats, in, &how, err) < 0 ||
        (j->how->repack && check_repack(j, to, options, err) < 0) || choose(j, src, to, err) < 0)
        return -1;
    j->machine = to->package != NULL;
    j->seekable = vml_package_can_seek(j->from);
    int rc = copy_all(j, to, &o, subformat, options, err);
    out_notes(input_named(src), vml_package_notes(j->from));
    out_notes(input_named(src), &j->notes);
    if (j->to != NULL)
        out_notes(dst, vml_package_out_notes(j->to));
    if (rc < 0 || !cli->json)
        return rc;
    json_add_notes(notes, vml_package_notes(j->from));
    json_add_notes(notes, &j->notes);
    json_add_notes(notes, vml_package_out_notes(j->to));
    return out_json(json_pack("{s:o, s:o, s:s, s:O, s:O}", "source", json_text(src), "path",
                              json_text(dst), "format", to->name, "disks", j->disks, "notes",
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
    VML_AUTO(job_clear) struct job j = { .how = &how, .disks = json_array() };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    j.copy.threads = how.threads;
    return convert(cli, &j, cli->words[0], cli->words[1], err);
}
