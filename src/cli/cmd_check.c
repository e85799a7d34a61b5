#include <inttypes.h>
#include <string.h>

#include "out.h"
#include "source.h"
#include "target.h"
#include "vmlift/image.h"

enum { JSON_MAX = 10000 }; /* findings of a file in its object; they are counted beyond that */

struct check {
    const char *from;
};

static const struct opt opts[] = {
    OPT_FROM(check),
    { 0 },
};

static const struct opt_verb verb = {
    "check",
    "FILE...",
    1,
    -1,
    "Looks for damage: every table, bound, overlap, checksum, redundant copy and marker, of an OVA "
    "also members, manifest and description, and inflates all that is compressed. Every fault is "
    "told, not only the first. Exit status 1 when there is a fault; notes and warnings are none. "
    "With --json and several FILE there is one object on a line for each.",
    opts
};

struct report {
    const char *path;
    bool json;
    uint64_t count[VML_FAULT + 1];
    json_t *findings; /* with json */
};

static void tell(void *arg, enum vml_level level, const char *slug, const char *text)
{
    static const char *const names[] = {
        [VML_NOTE] = "note", [VML_WARNING] = "warning", [VML_FAULT] = "fault"
    };
    struct report *r = arg;

    r->count[level]++;
    if (!r->json)
        out_line(stdout, "%s: %s: %s [%s]", r->path, names[level], text, slug);
    else if (json_array_size(r->findings) < JSON_MAX)
        json_array_append_new(r->findings, json_pack("{s:s, s:s, s:o}", "level", names[level],
                                                     "slug", slug, "text", json_text(text)));
}

static int find_format(const struct check *how, struct vml_input *in,
                       const struct vml_format **format, struct vml_error *err)
{
    if (how->from != NULL)
        return format_named(format, how->from, err);
    return vml_image_probe(format, vml_formats, in, err);
}

static int look_as(const struct vml_format *format, struct vml_input *in, struct report *r,
                   struct vml_error *err)
{
    if (format->check != NULL)
        return format->check(in, tell, r, err);
    if (format != &vml_format_raw)
        return vml_fail(err, VML_EUNSUPPORTED, "check/format", "%s is not checked", format->name);
    tell(r, VML_NOTE, "check/nothing",
         "a raw disk is its bytes and nothing else: there is nothing to check");
    return 0;
}

static int look(const struct check *how, struct report *r, const struct vml_format **format,
                struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;

    if (source_input(&in, r->path, err) < 0)
        return -1;
    if (!vml_input_can_seek(in))
        return vml_fail(err, VML_EUNSUPPORTED, "input/needs-file",
                        "%s: check needs a file, not a pipe", vml_input_name(in));
    if (find_format(how, in, format, err) == 0 && look_as(*format, in, r, err) == 0)
        return 0;
    if (err->code != VML_EINTERRUPTED)
        vml_error_prefix(err, "%s", vml_input_name(in));
    return -1;
}

/* One file; its object in *v.  0, 1 with faults, -1. */
static int check(const struct check *how, const char *path, bool json, json_t **v,
                 struct vml_error *err)
{
    VML_AUTO(json_freep) json_t *findings = json_array();
    struct report r = { .path = path, .json = json, .findings = findings };
    const struct vml_format *format = NULL;
    int rc = look(how, &r, &format, err);

    if (rc < 0)
        return -1;
    bool faults = r.count[VML_FAULT] > 0;
    if (!json) {
        if (faults)
            out_line(stdout, "%s: %" PRIu64 " fault%s", path, r.count[VML_FAULT],
                     r.count[VML_FAULT] > 1 ? "s" : "");
        else
            out_line(stdout, "%s: no fault", path);
        return faults;
    }
    *v = json_pack("{s:o, s:s, s:I, s:I, s:I, s:O}", "path", json_text(path), "format",
                   format->name, "faults", (json_int_t)r.count[VML_FAULT], "warnings",
                   (json_int_t)r.count[VML_WARNING], "notes", (json_int_t)r.count[VML_NOTE],
                   "findings", findings);
    return faults;
}

/* With several operands a bad one does not keep the others from being told.  What could not be
 * looked at weighs more than a fault. */
static int check_all(struct cli *cli, const struct check *how, struct vml_error *err)
{
    int status = 0;
    bool faults = false;

    for (int i = 0; i < cli->n_words; i++) {
        struct vml_error e = { 0 };
        json_t *v = NULL;
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        int rc = check(how, cli->words[i], cli->json, &v, &e);
        if (rc < 0) {
            out_line(stderr, "vmlift: %s [%s]", e.text, e.slug);
            if (cli->json)
                v = json_pack("{s:o, s:o}", "path", json_text(cli->words[i]), "error",
                              json_error(&e));
            status = status != 0 ? status : vml_error_status(&e);
        }
        faults = faults || rc > 0;
        if (cli->json && out_json_line(v, err) < 0)
            return -1;
    }
    return status != 0 ? status : faults;
}

int cmd_check(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct check how = { 0 };
    json_t *v = NULL;
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (cli->n_words > 1)
        return check_all(cli, &how, err);
    rc = check(&how, cli->words[0], cli->json, &v, err);
    if (rc < 0 || !cli->json)
        return rc;
    return out_json(v, err) < 0 ? -1 : rc;
}
