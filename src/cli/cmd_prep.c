#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appliance.h"
#include "disks.h"
#include "source.h"
#include "target.h"
#include "vmlift/prep.h"

struct prep {
    const char *from, *vm;
    bool no_manifest;
    struct target to;
    struct parents parents;
    struct opt_list only, skip;
    bool dry_run, reset, network, progress;
    unsigned threads, disk;
};

static const struct opt opts[] = {
    { 0, "dry-run", NULL, OPT_FLAG, offsetof(struct prep, dry_run),
      "tell what would be changed, and change and write nothing" },
    { 0, "only", "ID", OPT_LIST, offsetof(struct prep, only),
      "do only this step; may be given again" },
    { 0, "skip", "ID", OPT_LIST, offsetof(struct prep, skip),
      "leave this step out; may be given again" },
    { 0, "reset", NULL, OPT_FLAG, offsetof(struct prep, reset),
      "also take away SSH host keys and machine-id, to be made anew" },
    { 0, "network", NULL, OPT_FLAG, offsetof(struct prep, network),
      "let the machine's package manager fetch cloud-init" },
    { 0, "disk", "N", OPT_COUNT, offsetof(struct prep, disk),
      "take only disk N of a machine, counted from 1" },
    OPT_FROM(prep),
    OPT_PACKAGE(prep),
    OPT_PARENTS(prep),
    OPT_TARGET(prep),
    OPT_COPY(prep),
    { 0 },
};

static const struct opt_verb verb = {
    "prep",
    "SRC DST",
    1,
    2,
    "Makes the machine in SRC ready for EC2 and writes it to DST, in any format that convert "
    "writes. SRC is not changed. The machine must be a Linux; libguestfs changes it, in its "
    "appliance. Each change is printed; a file that is changed keeps what it was beside it, as "
    ".NAME.vmlift-orig. A second run changes nothing. With --dry-run DST may be left out.\n"
    "Steps: fstab, root, network, console, menu, lvm, initramfs, fallback, agents, cloud-init, "
    "selinux; on request (--reset, or --only) ssh-host-keys and machine-id. vmlift(1) tells what "
    "each does, and notes what is left to be done by hand.",
    opts
};

/* --- what is to be done --------------------------------------------------------------------- */

static int add_steps(uint32_t *steps, const struct opt_list *ids, struct vml_error *err)
{
    for (size_t i = 0; i < ids->n; i++) {
        uint32_t bit = 0;

        if (vml_prep_step_find(&bit, ids->items[i], err) < 0)
            return -1;
        *steps |= bit;
    }
    return 0;
}

static int choose_steps(const struct prep *how, uint32_t *steps, struct vml_error *err)
{
    uint32_t only = 0, skip = 0, bit;

    if (add_steps(&only, &how->only, err) < 0 || add_steps(&skip, &how->skip, err) < 0)
        return -1;
    *steps = only != 0 ? only : vml_prep_usual();
    for (size_t i = 0; how->reset && vml_prep_steps[i].id != NULL; i++)
        if (vml_prep_steps[i].on_request &&
            vml_prep_step_find(&bit, vml_prep_steps[i].id, err) == 0)
            *steps |= bit;
    *steps &= ~skip;
    return *steps != 0 ? 0 : vml_fail(err, VML_EUSAGE, "usage/nothing", "prep: no step is left");
}

/* --- scratch -------------------------------------------------------------------------------- */

/* What the guest writes: a QCOW2 file for each disk, in a folder of their own while libguestfs
 * needs their names, then nameless. */
struct scratch {
    char *folder;
    size_t n;
    struct scratch_file {
        char *path;
        int fd; /* -1: not open yet */
    } * files;
};

static void scratch_unlink(struct scratch *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->files[i].path != NULL)
            (void)unlink(s->files[i].path);
    if (s->folder != NULL)
        (void)rmdir(s->folder);
    vml_freep(&s->folder);
}

static void scratch_clear(struct scratch *s)
{
    scratch_unlink(s);
    for (size_t i = 0; i < s->n; i++) {
        if (s->files[i].fd >= 0)
            (void)close(s->files[i].fd);
        free(s->files[i].path);
    }
    free(s->files);
}

static int scratch_make(struct scratch *s, size_t n, struct vml_error *err)
{
    const char *tmp = getenv("TMPDIR");

    if ((s->files = calloc(n, sizeof *s->files)) == NULL ||
        asprintf(&s->folder, "%s/vmlift-prep-XXXXXX", tmp != NULL && *tmp != '\0' ? tmp : "/tmp") <
            0)
        return vml_fail_nomem(err);
    if (mkdtemp(s->folder) == NULL) {
        vml_fail_errno(err, "%s", s->folder);
        vml_freep(&s->folder);
        return -1;
    }
    for (; s->n < n; s->n++) {
        s->files[s->n].fd = -1;
        if (asprintf(&s->files[s->n].path, "%s/%zu.qcow2", s->folder, s->n + 1) < 0) {
            s->files[s->n].path = NULL;
            return vml_fail_nomem(err);
        }
    }
    return 0;
}

/* From here on nothing is left behind, whatever ends the process. */
static int scratch_hide(struct scratch *s, struct vml_error *err)
{
    for (size_t i = 0; i < s->n; i++)
        if ((s->files[i].fd = open(s->files[i].path, O_RDONLY | O_CLOEXEC)) < 0)
            return vml_fail_errno(err, "%s", s->files[i].path);
    scratch_unlink(s);
    return 0;
}

/* --- the machine ---------------------------------------------------------------------------- */

struct job {
    const struct prep *how;
    struct appliance appliance;
    struct scratch scratch;
    struct disks disks;
    struct vml_prepared prepared;
};

static void job_clear(struct job *j)
{
    disks_clear(&j->disks);
    appliance_clear(&j->appliance);
    scratch_clear(&j->scratch);
    vml_prepared_clear(&j->prepared);
}

/* Disk i as it is prepared: what was written over what there was. */
static int read_disk(void *arg, size_t i, struct vml_reader **out, struct vml_error *err)
{
    const struct job *j = arg;
    struct vml_reader *below = NULL;
    struct vml_input *in = NULL;
    char path[32];

    if (vml_package_reader(j->disks.from, i, &below, err) < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", j->scratch.files[i - j->disks.first].fd);
    if (vml_input_open(&in, path, err) < 0) {
        vml_reader_free(below);
        return -1;
    }
    return vml_image_open_over(out, vml_formats, in, "qcow2", below, err);
}

static int prepare(struct job *j, const char *src, const struct vml_open *open, uint32_t steps,
                   struct vml_error *err)
{
    const struct vml_prep_how how = { .steps = steps,
                                      .dry_run = j->how->dry_run,
                                      .network = j->how->network };
    size_t n = j->disks.n;

    if (!how.dry_run && scratch_make(&j->scratch, n, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const char *overlay = how.dry_run ? NULL : j->scratch.files[i].path;
        unsigned disk =
            vml_package_count(j->disks.from) > 1 ? (unsigned)(j->disks.first + i) + 1 : 0;

        if (appliance_add_file(&j->appliance, src, open, disk, overlay, err) < 0)
            return -1;
    }
    j->appliance.how.network = how.network;
    const struct vml_appliance *where = appliance_how(&j->appliance);
    appliance_wait(&j->appliance);
    int rc = vml_prep(where, &how, &j->prepared, err);
    appliance_waited(&j->appliance);
    if (rc < 0)
        return -1;
    if (j->prepared.windows)
        return vml_fail(err, VML_EUNSUPPORTED, "prep/windows",
                        "%s: %s: only Linux is prepared, and nothing was changed or written: check "
                        "--target aws tells what is to be done in it",
                        src, j->prepared.os);
    /* A file system that was mounted is not the same bytes any more: what is ready is copied as it
     * is.
     */
    if (j->prepared.n_changes == 0)
        j->disks.read = NULL;
    return how.dry_run ? 0 : scratch_hide(&j->scratch, err);
}

/* --- what is told --------------------------------------------------------------------------- */

static void print_lines(FILE *f, char sign, char *text)
{
    for (char *tab = text; (tab = strchr(tab, '\t')) != NULL;)
        *tab = ' '; /* which would be shown escaped */
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");

        out_line(f, "  %c%.*s", sign, (int)len, text);
        text += len + (text[len] == '\n');
    }
}

/* What it prints is not needed again as it was. */
static void print_changes(FILE *f, struct vml_prepared *p, bool dry_run)
{
    out_line(f, "%-14s %s", "system:", p->os);
    for (size_t i = 0; i < p->n_changes; i++) {
        struct vml_prep_change *c = &p->changes[i];
        char step[32];

        snprintf(step, sizeof step, "%s:", c->step);
        if (c->line > 0)
            out_line(f, "%-14s %s, line %u", step, c->what, c->line);
        else
            out_line(f, "%-14s %s", step, c->what);
        print_lines(f, '-', c->before);
        print_lines(f, '+', c->after);
    }
    if (p->n_changes == 0)
        out_line(f, "%-14s %s", "changes:", "none: it is ready");
    else
        out_line(f, "%-14s %zu%s", "changes:", p->n_changes, dry_run ? ", none of them made" : "");
}

static json_t *changes_json(const struct vml_prepared *p)
{
    json_t *list = json_array();

    for (size_t i = 0; i < p->n_changes; i++) {
        const struct vml_prep_change *c = &p->changes[i];
        json_t *v = json_pack("{s:s, s:o}", "step", c->step, "what", json_text(c->what));

        if (v != NULL && c->line > 0) {
            json_object_set_new(v, "line", json_integer(c->line));
            json_object_set_new(v, "before", json_text(c->before));
            json_object_set_new(v, "after", json_text(c->after));
        }
        json_array_append_new(list, v);
    }
    return list;
}

static int answer(const struct cli *cli, struct job *j, const char *src, const char *dst,
                  const struct vml_format *to, struct vml_error *err)
{
    json_t *notes, *v;

    if (!cli->json)
        return 0;
    notes = json_array();
    json_add_notes(notes, vml_package_notes(j->disks.from));
    json_add_notes(notes, &j->disks.notes);
    json_add_notes(notes, &j->prepared.notes);
    if (j->disks.to != NULL)
        json_add_notes(notes, vml_package_out_notes(j->disks.to));
    v = json_pack("{s:o, s:o, s:b, s:o, s:o}", "source", json_text(src), "system",
                  json_text(j->prepared.os), "dry_run", j->how->dry_run, "changes",
                  changes_json(&j->prepared), "notes", notes);
    if (v != NULL && !j->how->dry_run) {
        json_object_set_new(v, "path", json_text(dst));
        json_object_set_new(v, "format", json_string(to->name));
        json_object_set(v, "disks", j->disks.list);
    }
    return out_json(v, err);
}

/* --- the verb ------------------------------------------------------------------------------- */

/* Everything that may be refused at once is looked at before the appliance starts. */
static int prep(struct cli *cli, struct job *j, const char *src, const char *dst,
                struct vml_error *err)
{
    VML_AUTO(vml_freep) char *subformat = NULL;
    VML_AUTO(vml_freep) char *options = NULL;
    VML_AUTO(vml_output_freep) struct vml_output *o = NULL;
    const struct prep *how = j->how;
    const struct vml_format *to = &vml_format_ova; /* takes any number of disks */
    const struct vml_open open = { .format = how->from,
                                   .vm = how->vm,
                                   .no_manifest = how->no_manifest,
                                   .parents = parents_named(&how->parents) };
    bool pipe = dst != NULL && strcmp(dst, "-") == 0;
    uint32_t steps;
    int rc;

    if (cli->json && pipe)
        return vml_fail(err, VML_EUSAGE, "usage/json",
                        "standard output cannot take both the disk and the JSON object");
    if (dst == NULL && !how->dry_run)
        return vml_fail(err, VML_EUSAGE, "usage/operands", "prep: takes SRC DST");
    if (choose_steps(how, &steps, err) < 0 ||
        (dst != NULL && (target_format(&how->to, dst, &to, err) < 0 ||
                         target_options(&how->to, &subformat, &options, err) < 0)) ||
        source_open(&j->disks.from, src, &open, "prep", NULL, err) < 0 ||
        disks_choose(&j->disks, src, how->disk, to, err) < 0 ||
        (!how->dry_run && target_open(&how->to, dst, &o, err) < 0))
        return -1;
    j->disks.machine = to->package != NULL;
    rc = prepare(j, src, &open, steps, err);
    out_notes(input_named(src), &j->prepared.notes);
    if (rc < 0)
        return -1;
    if (!cli->json)
        print_changes(pipe ? stderr : stdout, &j->prepared, how->dry_run);
    if (!how->dry_run)
        rc = disks_copy(&j->disks, to, &o, subformat, options, err);
    out_notes(input_named(src), vml_package_notes(j->disks.from));
    out_notes(input_named(src), &j->disks.notes);
    if (j->disks.to != NULL)
        out_notes(dst, vml_package_out_notes(j->disks.to));
    return rc < 0 ? -1 : answer(cli, j, src, dst, to, err);
}

static void prep_clear(struct prep *how)
{
    opt_list_clear(&how->to.options);
    opt_list_clear(&how->parents.files);
    opt_list_clear(&how->only);
    opt_list_clear(&how->skip);
}

int cmd_prep(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(prep_clear) struct prep how = { .from = NULL };
    VML_AUTO(job_clear) struct job j = { .how = &how, .disks = { .seekable = true } };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    j.disks.list = json_array();
    j.disks.read = read_disk;
    j.disks.arg = &j;
    j.disks.copy.threads = how.threads;
    j.disks.progress = how.progress;
    return prep(cli, &j, cli->words[0], cli->n_words > 1 ? cli->words[1] : NULL, err);
}
