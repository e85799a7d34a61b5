/* OVA: what is wrong with a package, all of it: members, description, manifest, and each disk by
 * the check of its own format.
 *
 * Only the archive itself ends the check: without its list there are no members.  Without a
 * description whatever looks like a disk is taken for one. */
#include <assert.h>
#include <string.h>

#include "findings.h"
#include "ova.h"

struct check {
    struct findings to;
    struct ova *p;
    bool manifest; /* was read whole */
    bool described;
};

/* A fault, or, of what is well-formed and unknown, a warning.  -1: neither. */
static int took(const struct check *c, const struct vml_error *err)
{
    if (err->code != VML_EUNSUPPORTED)
        return findings_error(&c->to, err);
    findings_add(&c->to, VML_WARNING, err->slug, "%s", err->text);
    return 0;
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
    for (size_t i = 0; i < p->base.n_disks; i++)
        if (p->member_of[i] == OVA_NONE && p->base.disks[i].file != NULL &&
            !p->base.disks[i].absent)
            findings_add(&c->to, VML_FAULT, "ovf/href",
                         "the description names '%s', which is not in the package",
                         p->base.disks[i].file);
    return 0;
}

static int check_manifest(struct check *c, struct vml_error *err)
{
    struct ova *p = c->p;

    if (p->cert != OVA_NONE && p->mf == OVA_NONE && !p->in_folder)
        findings_add(&c->to, VML_FAULT, "ova/cert-manifest",
                     "'%s' is there, and the manifest that it signs is not",
                     p->members[p->cert].name);
    if (p->mf != OVA_NONE && !c->manifest)
        return 0;
    if (!p->in_folder) /* there it was noted with the members */
        ova_note_manifest(p);
    if (p->mf == OVA_NONE)
        return 0;
    if (p->ovf != OVA_NONE && ova_check_listed(p, p->ovf, err) < 0 && took(c, err) < 0)
        return -1;
    for (size_t i = 0; i < p->base.n_disks; i++)
        if (p->member_of[i] != OVA_NONE && ova_check_listed(p, p->member_of[i], err) < 0 &&
            took(c, err) < 0)
            return -1;
    for (size_t i = 0; i < p->manifest.n; i++)
        if (ova_check_line(p, &p->manifest.lines[i], err) < 0 && took(c, err) < 0)
            return -1;
    return 0;
}

/* --- disks ----------------------------------------------------------------------------------- */

struct in_member {
    const struct findings *to;
    const char *name;
};

static void tell_in_member(void *arg, enum vml_level level, const char *slug, const char *text)
{
    const struct in_member *m = arg;

    findings_add(m->to, level, slug, "%s: %s", m->name, text);
}

static int probe(struct vml_input *in, const struct vml_format **out, struct vml_error *err)
{
    int most = 0;

    *out = NULL;
    for (size_t i = 0; vml_formats[i] != NULL; i++) {
        int claim = vml_formats[i]->package == NULL ? vml_formats[i]->probe(in, err) : 0;

        if (claim < 0)
            return -1;
        if (claim > most) {
            most = claim;
            *out = vml_formats[i];
        }
    }
    return 0;
}

/* What the description says of the disk, against the disk.  Takes `in` over. */
static void check_capacity(const struct check *c, const struct vml_format *f, struct vml_input *in,
                           const struct vml_disk *d)
{
    VML_AUTO(vml_input_freep) struct vml_input *owned = in;
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_error told; /* by the disk's own check */

    if (d->capacity == VML_SIZE_UNKNOWN || f->open(&r, in, &told) < 0)
        return;
    owned = NULL;
    if (r->size == d->capacity)
        return;
    if (f->check == NULL)
        findings_add(&c->to, VML_FAULT, "package/no-format",
                     "'%s' has no mark of a disk format, and is no raw disk either: %llu bytes, "
                     "where the description says %llu",
                     d->file, (unsigned long long)r->size, (unsigned long long)d->capacity);
    else
        findings_add(&c->to, VML_WARNING, "ovf/capacity-differs",
                     "'%s' holds %llu bytes, where the description says %llu", d->file,
                     (unsigned long long)r->size, (unsigned long long)d->capacity);
}

/* Member m, which the description calls d, or NULL when there is no telling. */
static int check_disk(const struct check *c, const struct ova_member *m, const struct vml_disk *d,
                      struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    struct in_member to = { &c->to, m->name };
    const struct vml_format *f;

    if (m->size == 0) {
        if (d != NULL)
            findings_add(&c->to, VML_FAULT, "input/truncated", "'%s' is empty", m->name);
        return 0;
    }
    if (vml_input_window(&in, m->file != NULL ? m->file : c->p->in, m->name, m->off, m->size, err) <
            0 ||
        probe(in, &f, err) < 0)
        return took(c, err);
    assert(f != NULL); /* raw claims anything */
    if (f->check != NULL && f->check(in, tell_in_member, &to, err) < 0) {
        vml_error_prefix(err, "%s", m->name);
        if (took(c, err) < 0)
            return -1;
    }
    if (d != NULL) {
        check_capacity(c, f, in, d);
        in = NULL;
    }
    return 0;
}

static int check_disks(struct check *c, struct vml_error *err)
{
    const struct ova *p = c->p;

    for (size_t m = 0; m < p->n; m++) {
        const struct vml_disk *d = NULL;
        bool in_parts = false;

        if (m == p->ovf || m == p->mf || m == p->cert)
            continue;
        for (size_t i = 0; i < p->base.n_disks; i++)
            if (p->member_of[i] == m) {
                d = &p->base.disks[i];
                in_parts = ova_in_parts(p, i);
            }
        if (in_parts)
            findings_add(&c->to, VML_NOTE, "check/nothing",
                         "'%s' is compressed or stored in chunks: its digest alone is looked at",
                         d->file);
        else if ((d != NULL || !c->described) && check_disk(c, &p->members[m], d, err) < 0)
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
    const struct vml_open how = { .look = true };
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
