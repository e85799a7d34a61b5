#include "lint.h"

#include <string.h>

#include "vmlift/target.h"

struct lint {
    bool vm_import;
    struct vml_notes *notes;
    unsigned faults;
    char first[64]; /* the rule of the first */
};

/* Rules about how a file is written, and about what VM Import does with a machine: EBS's direct
 * APIs see neither. */
static bool about_import(const char *rule)
{
    static const char *const rules[] = { "target/vmdk-stream",    "target/vmdk-short-grain",
                                         "target/vmdk-piece",     "target/vhd-differencing",
                                         "target/vhd-footers",    "target/disk-format",
                                         "target/disk-size",      "target/ova-chunked",
                                         "target/ova-compressed", "target/ovf-folder",
                                         "target/volumes",        "target/nics" };

    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (strcmp(rules[i], rule) == 0)
            return true;
    return false;
}

static void tell(void *arg, const struct vml_target_finding *f)
{
    struct lint *l = arg;

    if (f->level == VML_NOTE || (!l->vm_import && about_import(f->rule)))
        return;
    vml_note(l->notes, f->rule, "%s%s%s%s", f->text, f->says != NULL ? "; AWS says \"" : "",
             f->says != NULL ? f->says : "", f->says != NULL ? "\"" : "");
    if (f->level == VML_FAULT && l->faults++ == 0)
        snprintf(l->first, sizeof l->first, "%s", f->rule);
}

int lint_aws(const char *path, const char *format, bool vm_import, bool force,
             struct vml_notes *notes, struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    const struct vml_target_file file = { .path = path, .format = format };
    struct lint l = { .vm_import = vm_import, .notes = notes };
    const struct vml_format *f = NULL;
    struct vml_facts facts;
    const char *kind;
    int rc;

    if (source_input(&in, path, err) < 0)
        return -1;
    if (!vml_input_can_seek(in))
        return 0;
    if (vml_input_compression(in, &kind, err) < 0)
        return -1;
    if (kind != NULL)
        return 0;
    if ((format != NULL ? format_named(&f, format, err)
                        : vml_image_probe(&f, vml_formats, in, err)) < 0)
        return -1;
    rc = vml_facts_gather(&facts, vml_formats, f, in, err);
    if (rc == 0)
        rc = vml_target_judge(&facts, VML_TARGET_AWS, &file, tell, &l, err);
    vml_facts_clear(&facts);
    if (rc < 0 || l.faults == 0 || force)
        return rc;
    return vml_fail(err, VML_EREFUSED, "publish/lint",
                    "%s: AWS would refuse it (%s%s; check --target aws tells more); --force sends "
                    "it all the same",
                    path, l.first, l.faults > 1 ? ", .." : "");
}
