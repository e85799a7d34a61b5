/* OVA: what is wrong with a package, all of it: members, description, manifest, and each disk by
 * the check of its own format.
 *
 * Only the archive itself ends the check: without its list there are no members.  Without a
 * description whatever looks like a disk is taken for one. */
#include <string.h>

#include "findings.h"
#include "ova.h"

struct check {
    struct findings to;
    struct ova *p;
    bool manifest; /* was read whole */
    bool described;
};

int ova_took(const struct findings *to, const struct vml_error *err)
{
    if (err->code != VML_EUNSUPPORTED)
        return findings_error(to, err);
    findings_add(to, VML_WARNING, err->slug, "%s", err->text);
    return 0;
}

static int took(const struct check *c, const struct vml_error *err)
{
    return ova_took(&c->to, err);
}

static int check_members(struct check *c, struct vml_error *err)
{
    struct ova *p = c->p;
    struct ova_member *m = NULL;

    for (;;) {
        bool had = p->mf != OVA_NONE;

        if (ova_next_member(p, &m, err) == 0) {
            if (m == NULL)
                break;
            c->manifest = c->manifest || (!had && p->mf != OVA_NONE);
            continue;
        }
        if (took(c, err) < 0)
            return -1;
    }
    if (p->mf != OVA_NONE && !c->manifest)
        findings_add(&c->to, VML_NOTE, "manifest/syntax",
                     "the manifest cannot be read: no digest is checked");
    return 0;
}

static int check_description(struct check *c, struct vml_error *err)
{
    struct ova *p = c->p;

    if (p->ovf == OVA_NONE) {
        findings_add(&c->to, VML_FAULT, "ova/ovf", "a tar of %zu files without an .ovf", p->n);
        return 0;
    }
    ova_note_order(p);
    if (p->text == NULL) /* it could not be read, which is told */
        return 0;
    if (ova_parse_description(p, err) < 0)
        return took(c, err);
    c->described = true;
    for (size_t i = 0; i < p->n; i++)
        if (ova_match_disk(p, i, err) < 0)
            return -1;
    return ova_all_known(p, err) < 0 ? took(c, err) : 0;
}

static int check_manifest(struct check *c, struct vml_error *err)
{
    struct ova *p = c->p;

    if (p->mf != OVA_NONE && !c->manifest)
        return 0;
    if (!c->described) /* else it was noted with the disks */
        ova_note_manifest(p);
    if (p->mf == OVA_NONE)
        return 0;
    if (p->ovf != OVA_NONE && ova_check_listed(p, p->ovf, err) < 0 && took(c, err) < 0)
        return -1;
    for (size_t m = 0; m < p->n; m++)
        if (p->members[m].disk != OVA_NONE && ova_check_listed(p, m, err) < 0 && took(c, err) < 0)
            return -1;
    for (size_t i = 0; i < p->manifest.n; i++)
        if (ova_check_line(p, &p->manifest.lines[i], err) < 0 && took(c, err) < 0)
            return -1;
    return 0;
}

/* --- disks ----------------------------------------------------------------------------------- */

static int check_disks(struct check *c, struct vml_error *err)
{
    struct ova *p = c->p;

    for (size_t m = 0; m < p->n; m++) {
        size_t i = p->members[m].disk;

        if (m == p->ovf || m == p->mf || m == p->cert || (c->described && i == OVA_NONE) ||
            (i != OVA_NONE && (p->member_of[i] != m || p->base.disks[i].absent)))
            continue;
        if (ova_check_disk(p, m, i, &c->to, err) < 0)
            return -1;
    }
    return 0;
}

/* --- all of it ------------------------------------------------------------------------------- */

/* Notes are told in the end; some of them are worth more here. */
static void tell_notes(const struct check *c)
{
    static const struct {
        const char *slug;
        enum vml_level level;
    } rows[] = {
        { "cert/syntax", VML_FAULT },       { "cert/unverified", VML_WARNING },
        { "cert/expired", VML_WARNING },    { "cert/not-yet", VML_WARNING },
        { "ova/order", VML_WARNING },       { "ovf/size-differs", VML_WARNING },
        { "manifest/absent", VML_WARNING }, { "ovf/parent", VML_WARNING },
        { "ovf/compressed", VML_WARNING },  { "ovf/href", VML_FAULT },
        { "ovf/chunk", VML_FAULT },         { "input/outside", VML_FAULT },
        { "input/kind", VML_FAULT },        { "io/denied", VML_FAULT },
    };
    const struct vml_notes *notes = &c->p->base.notes;

    for (size_t i = 0; i < notes->n; i++) {
        enum vml_level level = VML_NOTE;

        for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
            if (strcmp(rows[k].slug, notes->items[i].slug) == 0)
                level = rows[k].level;
        findings_add(&c->to, level, notes->items[i].slug, "%s", notes->items[i].text);
    }
}

static int check_tar(struct check *c, struct vml_error *err)
{
    if (ova_open_archive(c->p, err) < 0)
        return took(c, err);
    if (check_members(c, err) < 0 || check_description(c, err) < 0 || check_manifest(c, err) < 0 ||
        check_disks(c, err) < 0)
        return -1;
    tell_notes(c);
    return 0;
}

static int check_folder(struct check *c, struct vml_error *err)
{
    if (ovf_list_folder(c->p, err) < 0)
        return took(c, err);
    c->manifest = c->described = true;
    if ((ova_all_known(c->p, err) < 0 && took(c, err) < 0) || check_manifest(c, err) < 0 ||
        check_disks(c, err) < 0)
        return -1;
    tell_notes(c);
    return 0;
}

static int check_as(int (*look)(struct check *c, struct vml_error *err), struct vml_input *in,
                    vml_finding *tell, void *arg, struct vml_error *err)
{
    const struct ovf_how how = { .look = true, .every = true };
    struct check c = { .to = { tell, arg } };
    int rc;

    if (ova_start(&c.p, in, &how, err) < 0)
        return -1;
    rc = look(&c, err);
    ova_stop(c.p);
    return rc;
}

int ova_check(struct vml_input *in, vml_finding *tell, void *arg, struct vml_error *err)
{
    return check_as(check_tar, in, tell, arg, err);
}

int ovf_check(struct vml_input *in, vml_finding *tell, void *arg, struct vml_error *err)
{
    return check_as(check_folder, in, tell, arg, err);
}
