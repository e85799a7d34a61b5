#include <string.h>

#include "disks.h"
#include "local.h"
#include "out.h"
#include "progress.h"
#include "source.h"
#include "target.h"

struct export
{
    struct local local;
    struct aws_words aws; /* where a snapshot in AWS is */
    struct target to;
    bool progress;
    unsigned threads;
};

static const struct opt opts[] = {
    OPT_AWS(export),
    OPT_TARGET(export),
    OPT_PASSPHRASE(export),
    OPT_STORE(export),
    OPT_WHERE(export),
    OPT_COPY(export),
    { 0 },
};

static const struct opt_verb verb = {
    "export",
    "AMI|SNAPSHOT DST",
    2,
    2,
    "Writes an AMI's disks, or a lone snapshot, to DST. An AMI "
    "of several disks needs a format that "
    "holds them (ova). \"-\" is standard output. "
    "\"ebs:SNAPSHOT\" is a snapshot in AWS, in the region that is "
    "said or, without that, the environment's or the profile's.",
    opts
};

static void export_clear(struct export *how)
{
    opt_list_clear(&how->to.options);
}

/* A snapshot in AWS is a raw disk that is converted. */
static int export_ebs(struct cli *cli, struct export *how, const char *src, const char *dst,
                      struct vml_error *err)
{
    VML_AUTO(vml_freep) char *subformat = NULL;
    VML_AUTO(vml_freep) char *options = NULL;
    VML_AUTO(vml_output_freep) struct vml_output *o = NULL;
    VML_AUTO(disks_clear) struct disks disks = { .list = json_array(), .seekable = true };
    const struct vml_format *format = NULL;

    if (target_format(&how->to, dst, &format, err) < 0 ||
        target_options(&how->to, &subformat, &options, err) < 0 ||
        target_open(&how->to, dst, &o, err) < 0 ||
        source_open_at(&disks.from, src, &(const struct vml_open){ 0 }, &how->aws, "export", NULL,
                       err) < 0 ||
        disks_choose(&disks, src, 0, format, err) < 0)
        return -1;
    disks.machine = format->package != NULL;
    disks.progress = how->progress;
    disks.copy.threads = how->threads > 0 ? how->threads : EBS_THREADS;
    int rc = disks_copy(&disks, format, &o, subformat, options, err);
    out_notes(src, &disks.notes);
    if (disks.to != NULL)
        out_notes(dst, vml_package_out_notes(disks.to));
    if (rc < 0 || !cli->json)
        return rc;
    return out_json(json_pack("{s:o, s:o, s:s}", "source", json_text(src), "path", json_text(dst),
                              "format", format->name),
                    err);
}

static int export(struct cli *cli, struct export *how, const char *id, const char *dst,
                  struct vml_error *err)
{
    VML_AUTO(vml_freep) char *subformat = NULL;
    VML_AUTO(vml_freep) char *options = NULL;
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(progress_end) struct progress progress = { 0 };
    VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
    struct vml_copy copy = { .threads = how->threads };
    struct vml_where where;
    struct vml_output *o = NULL;
    const struct vml_format *format = NULL;

    if (cli->json && strcmp(dst, "-") == 0)
        return vml_fail(err, VML_EUSAGE, "usage/json",
                        "standard output cannot take both the disk and the JSON object");
    how->aws.region = how->local.region;
    if (source_is_ebs(id))
        return export_ebs(cli, how, id, dst, err);
    if (local_where(&how->local, &where, err) < 0 ||
        target_format(&how->to, dst, &format, err) < 0 ||
        target_options(&how->to, &subformat, &options, err) < 0 ||
        local_store(&how->local, LOCAL_READ, &s, err) < 0 ||
        target_open(&how->to, dst, &o, err) < 0)
        return -1;
    progress_start(&progress, how->progress, local_size(s, &where, id));
    progress_attach(&progress, &copy);
    const struct vml_export what = {
        .table = vml_formats,
        .format = format,
        .subformat = subformat,
        .options = options,
        .where = &where,
        .copy = &copy,
        .notes = &notes,
    };
    int rc = vml_export(s, id, o, &what, err);
    progress_end(&progress);
    out_notes(id, &notes);
    if (rc < 0 || !cli->json)
        return rc;
    return out_json(json_pack("{s:o, s:o, s:s}", "source", json_text(id), "path", json_text(dst),
                              "format", format->name),
                    err);
}

int cmd_export(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(export_clear) struct export how = { 0 };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    return export(cli, &how, cli->words[0], cli->words[1], err);
}
