#include <inttypes.h>
#include <string.h>

#include "check_guest.h"
#include "out.h"
#include "source.h"
#include "target.h"
#include "vmlift/target.h"

enum { JSON_MAX = 10000 }; /* findings of a file in its object; they are counted beyond that */

struct check {
    const char *from;
    struct opt_list target_names;
    unsigned targets; /* of vml_target, a bit each; 0: damage alone is looked for */
    bool no_guest;
};

static const struct opt opts[] = {
    OPT_FROM(check),
    { 0, "target", "T", OPT_LIST, offsetof(struct check, target_names),
      "also tell what T would say of the file: aws, esxi, azure, virtualbox, workstation, or all "
      "of "
      "them; may be repeated" },
    { 0, "no-guest", NULL, OPT_FLAG, offsetof(struct check, no_guest),
      "with --target: do not look for the system inside" },
    { 0 },
};

static const struct opt_verb verb = {
    "check",
    "FILE...",
    1,
    -1,
    "Looks for damage: every table, bound, overlap, checksum, redundant copy and marker, of an OVA "
    "or OVF also members, manifest, certificate and description, and inflates all that is "
    "compressed. Every fault is "
    "told, not only the first. Exit status 1 when there is a fault; notes and warnings are none. "
    "With --json and several FILE there is one object on a line for each.\n"
    "With --target also what AWS's import, ESXi and others would say of it before anything is "
    "uploaded, in their own words where they are known, and the command that mends it. For aws "
    "that "
    "takes in the system inside, which libguestfs looks into for some seconds.",
    opts
};

static const char *const levels[] = {
    [VML_NOTE] = "note", [VML_WARNING] = "warning", [VML_FAULT] = "fault"
};

struct report {
    const char *path;
    bool json;
    uint64_t count[VML_FAULT + 1];
    json_t *findings; /* with json */
    uint64_t refused; /* faults that the target at hand finds */
    char *mend;       /* not yet printed, since what follows may be mended by it too */
};

static void tell(void *arg, enum vml_level level, const char *slug, const char *text)
{
    struct report *r = arg;

    r->count[level]++;
    if (!r->json)
        out_line(stdout, "%s: %s: %s [%s]", r->path, levels[level], text, slug);
    else if (json_array_size(r->findings) < JSON_MAX)
        json_array_append_new(r->findings, json_pack("{s:s, s:s, s:o}", "level", levels[level],
                                                     "slug", slug, "text", json_text(text)));
}

/* --- targets --------------------------------------------------------------------------------- */

/* The command alone on its line, to be copied. */
static void print_mend(struct report *r)
{
    if (r->mend != NULL)
        out_line(stdout, "    %s", r->mend);
    vml_freep(&r->mend);
}

static void tell_target(void *arg, const struct vml_target_finding *f)
{
    struct report *r = arg;
    const char *target = vml_target_name(f->target);

    r->count[f->level]++;
    r->refused += f->level == VML_FAULT;
    if (r->json) {
        if (json_array_size(r->findings) < JSON_MAX)
            json_array_append_new(
                r->findings,
                json_pack("{s:s, s:s, s:o, s:s, s:s, s:o, s:o}", "level", levels[f->level], "slug",
                          f->rule, "text", json_text(f->text), "target", target, "rule", f->rule,
                          "says", f->says != NULL ? json_text(f->says) : json_null(), "mend",
                          f->mend != NULL ? json_text(f->mend) : json_null()));
        return;
    }
    if (r->mend != NULL && (f->mend == NULL || strcmp(r->mend, f->mend) != 0))
        print_mend(r);
    if (f->says != NULL)
        out_line(stdout, "%s: %s: %s: %s; it says \"%s\" [%s]", r->path, target, levels[f->level],
                 f->text, f->says, f->rule);
    else
        out_line(stdout, "%s: %s: %s: %s [%s]", r->path, target, levels[f->level], f->text,
                 f->rule);
    if (r->mend == NULL && f->mend != NULL)
        r->mend = strdup(f->mend);
}

/* Of what is damaged nothing more is asked. */
static int judge_guest(const struct check *how, const struct vml_facts *facts, enum vml_target t,
                       const struct vml_target_file *file, struct report *r, struct vml_error *err)
{
    VML_AUTO(check_guest_clear) struct check_guest guest = { .system.os = VML_OS_NONE };

    if (t != VML_TARGET_AWS || how->no_guest || file->damaged)
        return 0;
    if (check_guest_gather(&guest, r->path, how->from, err) < 0)
        return -1;
    return vml_target_judge_guest(facts, &guest.facts, t, file, tell_target, r, err);
}

static int judge(const struct check *how, const struct vml_format *format, struct vml_input *in,
                 struct report *r, struct vml_error *err)
{
    struct vml_target_file file = { .path = r->path,
                                    .format = how->from,
                                    .damaged = r->count[VML_FAULT] > 0 };
    struct vml_facts facts;
    int rc = vml_facts_gather(&facts, vml_formats, format, in, err);

    for (unsigned t = 0; rc == 0 && t < VML_TARGETS; t++) {
        if ((how->targets >> t & 1) == 0)
            continue;
        r->refused = 0;
        rc = vml_target_judge(&facts, t, &file, tell_target, r, err);
        if (rc == 0)
            rc = judge_guest(how, &facts, t, &file, r, err);
        print_mend(r);
        if (rc == 0 && !r->json && r->refused == 0 && !file.damaged)
            out_line(stdout, "%s: %s: no fault", r->path, vml_target_name(t));
    }
    vml_facts_clear(&facts);
    return rc;
}

/* --- damage ---------------------------------------------------------------------------------- */

static int find_format(const struct check *how, struct vml_input *in,
                       const struct vml_format **format, struct vml_error *err)
{
    const char *kind;

    if (how->from != NULL)
        return format_named(format, how->from, err);
    if (vml_input_compression(in, &kind, err) < 0)
        return -1;
    if (kind != NULL)
        return vml_fail(err, VML_EUNSUPPORTED, "check/compressed",
                        "is compressed with %s as a whole, which check does not look into: convert "
                        "reads it, or decompress it first",
                        kind);
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

/* Damage first: it stands in the way of every target.  A kind that is not checked has facts. */
static int look_for_both(const struct check *how, const struct vml_format *format,
                         struct vml_input *in, struct report *r, struct vml_error *err)
{
    int rc = look_as(format, in, r, err);

    if (how->targets == 0)
        return rc;
    if (rc < 0) {
        if (err->code != VML_EUNSUPPORTED)
            return -1;
        tell(r, VML_NOTE, err->slug, err->text);
    }
    return judge(how, format, in, r, err);
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
    if (find_format(how, in, format, err) == 0 && look_for_both(how, *format, in, r, err) == 0)
        return 0;
    if (err->code != VML_EINTERRUPTED)
        vml_error_prefix(err, "%s", vml_input_name(in));
    return -1;
}

/* NULL when there are none. */
static json_t *json_targets(const struct check *how)
{
    json_t *list = how->targets != 0 ? json_array() : NULL;

    for (unsigned t = 0; t < VML_TARGETS; t++)
        if ((how->targets >> t & 1) != 0)
            json_array_append_new(list, json_string(vml_target_name(t)));
    return list;
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
    *v = json_pack("{s:o, s:s, s:o*, s:I, s:I, s:I, s:O}", "path", json_text(path), "format",
                   format->name, "targets", json_targets(how), "faults",
                   (json_int_t)r.count[VML_FAULT], "warnings", (json_int_t)r.count[VML_WARNING],
                   "notes", (json_int_t)r.count[VML_NOTE], "findings", findings);
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

static int run(struct cli *cli, struct check *how, struct vml_error *err)
{
    json_t *v = NULL;
    int rc;

    for (size_t i = 0; i < how->target_names.n; i++)
        if (vml_target_add(&how->targets, how->target_names.items[i], err) < 0)
            return -1;
    if (cli->n_words > 1)
        return check_all(cli, how, err);
    rc = check(how, cli->words[0], cli->json, &v, err);
    if (rc < 0 || !cli->json)
        return rc;
    return out_json(v, err) < 0 ? -1 : rc;
}

int cmd_check(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct check how = { 0 };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc == 0)
        rc = run(cli, &how, err);
    else if (rc > 0)
        rc = 0;
    opt_list_clear(&how.target_names);
    return rc;
}
