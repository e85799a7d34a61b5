#include "source.h"

#include <string.h>

bool source_is_ebs(const char *path)
{
    return strncmp(path, EBS_SOURCE, strlen(EBS_SOURCE)) == 0;
}

const char *source_format(const char *path, const char *from)
{
    return source_is_ebs(path) ? "raw" : from;
}

int source_input_at(struct vml_input **out, const char *path, const struct aws_words *words,
                    struct vml_error *err)
{
    if (!source_is_ebs(path))
        return vml_input_open_in(out, path, ".ovf", err);
#ifdef VMLIFT_AWS
    return aws_input(words, path + strlen(EBS_SOURCE), out, err);
#else
    (void)words;
    return vml_fail(err, VML_EUNSUPPORTED, "source/ebs", "%s: this vmlift was built without AWS",
                    path);
#endif
}

int source_input(struct vml_input **out, const char *path, struct vml_error *err)
{
    return source_input_at(out, path, &(const struct aws_words){ 0 }, err);
}

int source_open(struct vml_package **out, const char *path, const struct vml_open *how,
                const char *verb, bool *seekable, struct vml_error *err)
{
    return source_open_at(out, path, how, &(const struct aws_words){ 0 }, verb, seekable, err);
}

int source_open_at(struct vml_package **out, const char *path, const struct vml_open *how,
                   const struct aws_words *words, const char *verb, bool *seekable,
                   struct vml_error *err)
{
    const struct vml_format *format = NULL;
    struct vml_open open = *how;
    struct vml_input *in = NULL;

    open.format = source_format(path, how->format);
    if (how->format != NULL && format_named(&format, how->format, err) < 0)
        return -1;
    if (source_input_at(&in, path, words, err) < 0)
        return -1;
    if (seekable != NULL) {
        *seekable = vml_input_can_seek(in);
    } else if (!vml_input_can_seek(in)) {
        vml_fail(err, VML_EUNSUPPORTED, "input/needs-file", "%s: %s needs a file, not a pipe",
                 vml_input_name(in), verb);
        vml_input_free(in);
        return -1;
    }
    return vml_package_open_as(out, vml_formats, in, &open, err);
}

int source_choose(const struct vml_package *p, const char *path, unsigned disk, size_t *i,
                  struct vml_error *err)
{
    size_t n = vml_package_count(p);

    if (disk > n)
        return vml_fail(err, VML_EUSAGE, "usage/disk", "%s: there is no disk %u, only %zu",
                        input_named(path), disk, n);
    if (disk == 0 && n > 1)
        return vml_fail(err, VML_EUNSUPPORTED, "package/one-disk",
                        "%s: holds %zu disks: pick one with --disk N", input_named(path), n);
    *i = disk > 0 ? disk - 1 : 0;
    return 0;
}

bool source_is_machine(const struct vml_package *p)
{
    struct vml_error ignored;
    const struct vml_format *format = NULL;

    return vml_format_find(&format, vml_formats, vml_package_format(p), &ignored) == 0 &&
           format->package != NULL;
}

static int tell_each(struct cli *cli, source_tell *tell, void *how, bool apart,
                     struct vml_error *err)
{
    int status = 0;

    for (int i = 0; i < cli->n_words; i++) {
        struct vml_error e = { 0 };
        json_t *v = NULL;

        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (i > 0 && apart && !cli->json)
            out_line(stdout, "%s", "");
        int rc = tell(how, cli->words[i], cli->json, &v, &e);
        if (rc < 0) {
            out_line(stderr, "vmlift: %s [%s]", e.text, e.slug);
            if (cli->json)
                v = json_pack("{s:o, s:o}", "path", json_text(cli->words[i]), "error",
                              json_error(&e));
            rc = vml_error_status(&e);
        }
        status = status != 0 ? status : rc;
        if (cli->json && out_json_line(v, err) < 0)
            return -1;
    }
    return status;
}

int source_tell_all(struct cli *cli, source_tell *tell, void *how, bool apart,
                    struct vml_error *err)
{
    json_t *v = NULL;

    if (cli->n_words > 1)
        return tell_each(cli, tell, how, apart, err);
    int rc = tell(how, cli->words[0], cli->json, &v, err);
    if (rc < 0 || !cli->json)
        return rc;
    return out_json(v, err) < 0 ? -1 : rc;
}
