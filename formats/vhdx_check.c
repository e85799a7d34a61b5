/* VHDX: what is wrong with a file, all of it, and how it was written.  The layout is drawn in
 * vhdx.h. */
#include <stdio.h>
#include <stdlib.h>

#include "findings.h"
#include "vhdx.h"
#include "vmlift/facts.h"

static int tell_fault(void *arg, const struct vml_error *fault, struct vml_error *err)
{
    *err = *fault;
    return findings_error(arg, err);
}

static int check_parsed(struct findings *to, const struct vhdx_file *f, struct vml_error *err)
{
    VML_AUTO(vhdx_bat_clear) struct vhdx_bat b = { 0 };

    if (vhdx_bat_open(&b, f, err) < 0)
        return findings_error(to, err);
    if (vhdx_bat_check(&b, tell_fault, to, err) < 0)
        return findings_error(to, err);
    if (f->params.has_parent) {
        struct vml_reader r = { 0 };
        int rc = vhdx_parent(&r, f, err);

        free(r.parent_name);
        return rc < 0 ? findings_error(to, err) : 0;
    }
    return 0;
}

/* Where one header or region table is lost its double leads on; without metadata there is no
 * table. */
int vml_vhdx_check(struct vml_input *in, vml_finding *tell, void *arg, struct vml_error *err)
{
    VML_AUTO(vhdx_clear) struct vhdx_file f = { 0 };
    struct findings to = { tell, arg };
    struct vml_notes notes = { 0 };
    int rc = vhdx_parse(&f, in, &notes, tell_fault, &to, err);

    findings_notes(&to, VML_WARNING, &notes);
    vml_notes_clear(&notes);
    return rc < 0 ? findings_error(&to, err) : check_parsed(&to, &f, err);
}

static int ignore_fault(void *arg, const struct vml_error *fault, struct vml_error *err)
{
    (void)arg;
    (void)fault;
    (void)err;
    return 0;
}

const char *vhdx_subformat(const struct vhdx_params *p)
{
    return p->has_parent ? "differencing" : p->leave_allocated ? "fixed" : "dynamic";
}

int vml_vhdx_facts(struct vml_input *in, struct vml_disk_facts *facts, struct vml_error *err)
{
    VML_AUTO(vhdx_clear) struct vhdx_file f = { 0 };
    struct vml_notes notes = { 0 };
    int rc = vhdx_parse(&f, in, &notes, ignore_fault, NULL, err);

    vml_notes_clear(&notes);
    if (rc < 0)
        return -1;
    snprintf(facts->subformat, sizeof facts->subformat, "%s", vhdx_subformat(&f.params));
    facts->size = f.params.disk_size;
    facts->child = f.params.has_parent;
    facts->format = "vhdx";
    return 0;
}
