/* Reading an OVA: a tar of
 *
 *     vm.ovf          the description; first, or a pipe cannot be read
 *     vm.mf           digests of the others; second, though some put it last
 *     vm.cert         who signed the manifest; third
 *     vm-disk1.vmdk   ..
 *
 * From a file the members are listed first, and a disk is a window of the file.  From a pipe they
 * pass by once: what comes before the disk that is asked for is read over, its digests taken on the
 * way, in every algorithm as long as the manifest was not met. */
#include "ova.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP (1u << 20) /* bytes hashed at a time */

static struct ova *ova(struct vml_package_reader *p)
{
    return (struct ova *)p;
}

/* Which disk is in member m? */
static size_t disk_in(const struct ova *p, size_t m)
{
    for (size_t i = 0; i < p->base.n_disks; i++)
        if (p->member_of[i] == m)
            return i;
    return OVA_NONE;
}

/* --- pipes ---------------------------------------------------------------------------------- */

static bool on_pipe(const struct ova *p)
{
    return !vml_input_can_seek(p->in);
}

static int read_current(void *arg, void *buf, size_t len, size_t *got, struct vml_error *err)
{
    struct ova *p = arg;

    assert(p->archive != NULL);
    if (vml_archive_read(p->archive, buf, len, got, err) < 0)
        return -1;
    manifest_sums_tap(&p->members[p->current].sums, buf, *got);
    return 0;
}

/* What nobody read of the member that is passing. */
static int drain_current(struct ova *p, struct vml_error *err)
{
    size_t got;

    do {
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (read_current(p, p->step, STEP, &got, err) < 0)
            return -1;
    } while (got > 0);
    return 0;
}

/* To the next member; p->archive is NULL after the last. */
static int advance(struct ova *p, struct vml_error *err)
{
    struct ova_member *m;

    if (p->current != OVA_NONE && drain_current(p, err) < 0)
        return -1;
    if (ova_next_member(p, &m, err) < 0)
        return -1;
    p->taken = false;
    if (m == NULL) {
        vml_archive_freep(&p->archive);
        return ova_all_known(p, err);
    }
    p->current = (size_t)(m - p->members);
    if (m->begun || p->current == p->mf)
        return 0;
    m->begun = true;
    if (manifest_sums_begin(&m->sums,
                            p->mf == OVA_NONE && !p->how.no_manifest
                                ? MANIFEST_ALL
                                : manifest_wants(&p->manifest, m->name),
                            err) < 0)
        return -1;
    return ova_match_disk(p, p->current, err);
}

static int open_pipe(struct ova *p, struct vml_error *err)
{
    while (p->ovf == OVA_NONE) {
        const char *name, *base;

        if (advance(p, err) < 0)
            return -1;
        if (p->archive == NULL)
            return vml_fail(err, VML_EDATA, "ova/ovf", "the archive is empty");
        name = p->members[p->current].name;
        base = strrchr(name, '/') != NULL ? strrchr(name, '/') + 1 : name;
        if (p->ovf == OVA_NONE && strncmp(base, "._", 2) != 0)
            return vml_fail(err, VML_EUNSUPPORTED, "ova/pipe-order",
                            "the first member is '%s'; on a pipe it has to be the .ovf", name);
    }
    return ova_parse_description(p, err);
}

/* --- files ---------------------------------------------------------------------------------- */

void ova_note_order(struct ova *p)
{
    size_t first = 0;

    while (strncmp(p->members[first].name, "._", 2) == 0)
        first++;
    if (p->ovf != first)
        vml_note(&p->base.notes, "ova/order",
                 "'%s' is not the first member: VMware and VirtualBox refuse such a package",
                 p->members[p->ovf].name);
}

/* Bytes of a member. */
static int window_on(const struct ova *p, const struct ova_member *m, const char *name,
                     struct vml_input **out, struct vml_error *err)
{
    return vml_input_window(out, m->file != NULL ? m->file : p->in, name, m->off, m->size, err);
}

static int open_file(struct ova *p, struct vml_error *err)
{
    struct ova_member *m;

    do
        if (ova_next_member(p, &m, err) < 0)
            return -1;
    while (m != NULL);
    vml_archive_freep(&p->archive);
    if (p->ovf == OVA_NONE)
        return vml_fail(err, VML_EDATA, "ova/ovf", "a tar of %zu files without an .ovf", p->n);
    ova_note_order(p);
    if (ova_parse_description(p, err) < 0)
        return -1;
    for (size_t i = 0; i < p->n; i++)
        if (ova_match_disk(p, i, err) < 0)
            return -1;
    return ova_all_known(p, err);
}

/* The member's sums to its end, from where a stream left off. */
static int finish_sums(struct ova *p, struct ova_member *m, struct vml_error *err)
{
    if (m->sums.done != 0)
        return 0;
    if (!m->begun && manifest_sums_begin(&m->sums, manifest_wants(&p->manifest, m->name), err) < 0)
        return -1;
    m->begun = true;
    while (m->sums.seen < m->size) {
        size_t len = (size_t)vml_min_u64(STEP, m->size - m->sums.seen);

        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (vml_input_pread(m->file != NULL ? m->file : p->in, p->step, len, m->off + m->sums.seen,
                            err) < 0)
            return -1;
        manifest_sums_tap(&m->sums, p->step, len);
    }
    manifest_sums_end(&m->sums);
    return 0;
}

/* --- what core calls ------------------------------------------------------------------------ */

void ova_close(struct vml_package_reader *base)
{
    struct ova *p = ova(base);

    if (p == NULL)
        return;
    vml_archive_freep(&p->archive);
    for (size_t i = 0; i < p->n; i++) {
        vml_input_free(p->members[i].window);
        vml_input_free(p->members[i].file);
        manifest_sums_clear(&p->members[i].sums);
        free(p->members[i].name);
    }
    for (size_t i = 0; i < base->n_disks; i++)
        free(base->disks[i].file);
    free(base->disks);
    free(p->member_of);
    free(p->members);
    free(p->text);
    free(p->mf_text);
    free(p->cert_text);
    free(p->step);
    manifest_clear(&p->manifest);
    ovf_clear(&p->description);
    vml_notes_clear(&base->notes);
    vml_input_free(p->in);
    free(p);
}

static const struct vml_package_ops ova_ops;

static void ova_freep(struct ova **p)
{
    if (*p != NULL)
        ova_close(&(*p)->base);
}

int ova_start(struct ova **out, struct vml_input *in, const struct ovf_how *how,
              struct vml_error *err)
{
    VML_AUTO(ova_freep) struct ova *p = calloc(1, sizeof *p);

    if (p == NULL || (p->members = calloc(OVA_MEMBERS_MAX, sizeof *p->members)) == NULL ||
        (p->step = malloc(STEP)) == NULL)
        return vml_fail_nomem(err);
    p->base.ops = &ova_ops;
    p->ovf = p->mf = p->cert = p->current = OVA_NONE;
    p->how = *how;
    p->in = in;
    *out = p;
    p = NULL;
    return 0;
}

int ova_open_archive(struct ova *p, struct vml_error *err)
{
    return vml_archive_open(&p->archive, p->in, err);
}

void ova_stop(struct ova *p)
{
    vml_archive_freep(&p->archive);
    p->in = NULL; /* the caller keeps it */
    ova_close(&p->base);
}

static int reader_open(struct vml_package_reader **out, struct vml_input *in,
                       const struct vml_open *how, struct vml_error *err)
{
    /* a tar has everything, or is damaged */
    const struct ovf_how whole = { .vm = how->vm, .no_manifest = how->no_manifest };
    struct ova *p = NULL;

    if (ova_start(&p, in, &whole, err) < 0)
        return -1;
    if (ova_open_archive(p, err) < 0 || (on_pipe(p) ? open_pipe(p, err) : open_file(p, err)) < 0) {
        ova_stop(p);
        return -1;
    }
    *out = &p->base;
    return 0;
}

static int passed(const struct ova *p, size_t i, struct vml_error *err)
{
    return vml_fail(err, VML_EUNSUPPORTED, "ova/pipe-order",
                    "'%s' has passed already; a pipe gives its disks once, as they are stored",
                    p->base.disks[i].file);
}

static int open_on_pipe(struct ova *p, struct ova_member *m, const char *name, bool once,
                        struct vml_input **in, struct vml_error *err)
{
    (void)once;
    p->taken = true;
    return vml_input_callback(in, name, m->size, read_current, p, err);
}

static int next_on_pipe(struct ova *p, struct ova_member **m, struct vml_error *err)
{
    *m = NULL;
    if (p->archive == NULL)
        return 0;
    if (advance(p, err) < 0)
        return -1;
    if (p->archive != NULL)
        *m = &p->members[p->current];
    return 0;
}

static int disk_on_pipe(struct ova *p, size_t i, bool once, const char *name, struct vml_input **in,
                        struct vml_error *err)
{
    if (!once)
        return vml_fail(err, VML_EUNSUPPORTED, "ova/needs-seek",
                        "a package from a pipe can be read front to back only");
    if (p->member_of[i] != OVA_NONE && (p->member_of[i] != p->current || p->taken))
        return passed(p, i, err);
    while (p->archive != NULL && p->member_of[i] == OVA_NONE)
        if (advance(p, err) < 0)
            return -1;
    p->ahead = false;
    if (ova_in_parts(p, i))
        return ova_parts_open(in, p, i, name, once, open_on_pipe, next_on_pipe, err);
    return open_on_pipe(p, &p->members[p->current], name, once, in, err);
}

static int open_in_file(struct ova *p, struct ova_member *m, const char *name, bool once,
                        struct vml_input **in, struct vml_error *err)
{
    if (!once)
        return window_on(p, m, name, in, err);
    if (m->window == NULL && window_on(p, m, name, &m->window, err) < 0)
        return -1;
    m->begun = true;
    if (manifest_sums_begin(&m->sums, manifest_wants(&p->manifest, m->name), err) < 0)
        return -1;
    return vml_input_stream(in, m->window, manifest_sums_tap, &m->sums, err);
}

static int disk_in_file(struct ova *p, size_t i, bool once, const char *name, struct vml_input **in,
                        struct vml_error *err)
{
    if (ova_in_parts(p, i))
        return ova_parts_open(in, p, i, name, once, open_in_file, NULL, err);
    return open_in_file(p, &p->members[p->member_of[i]], name, once, in, err);
}

int ova_disk(struct vml_package_reader *base, size_t i, bool once, struct vml_input **in,
             struct vml_error *err)
{
    struct ova *p = ova(base);
    VML_AUTO(vml_freep) char *name = NULL;

    if (base->disks[i].absent)
        return vml_fail(err, VML_EDATA, "ovf/href", "'%s' cannot be read", base->disks[i].file);
    if (asprintf(&name, "%s: %s", vml_input_name(p->in), base->disks[i].file) < 0) {
        name = NULL;
        return vml_fail_nomem(err);
    }
    return on_pipe(p) ? disk_on_pipe(p, i, once, name, in, err)
                      : disk_in_file(p, i, once, name, in, err);
}

int ova_next(struct vml_package_reader *base, size_t *i, struct vml_error *err)
{
    struct ova *p = ova(base);
    size_t last = *i != OVA_NONE ? p->member_of[*i] : OVA_NONE;

    *i = OVA_NONE;
    if (on_pipe(p)) {
        while (p->archive != NULL && *i == OVA_NONE) {
            if (!p->ahead && advance(p, err) < 0)
                return -1;
            p->ahead = false;
            *i = p->archive != NULL ? disk_in(p, p->current) : OVA_NONE;
        }
        return 0;
    }
    for (size_t m = last != OVA_NONE ? last + 1 : 0; m < p->n && *i == OVA_NONE; m++)
        *i = disk_in(p, m);
    return 0;
}

int ova_check_line(struct ova *p, const struct manifest_line *line, struct vml_error *err)
{
    const struct manifest_algorithm *algorithm = &manifest_algorithms[line->algorithm];
    struct ova_member *m = ova_find_member(p, line->file);
    char want[2 * VML_DIGEST_MAX + 1], have[2 * VML_DIGEST_MAX + 1];

    if (m == NULL)
        return 0;
    if (finish_sums(p, m, err) < 0)
        return -1;
    if (memcmp(m->sums.sum[line->algorithm], line->digest, algorithm->len) == 0)
        return 0;
    vml_hex(want, line->digest, algorithm->len);
    vml_hex(have, m->sums.sum[line->algorithm], algorithm->len);
    return vml_fail(err, VML_EDATA, "manifest/mismatch",
                    "'%s' has the %s %s, where the manifest says %s", m->name, algorithm->label,
                    have, want);
}

int ova_check_listed(const struct ova *p, size_t m, struct vml_error *err)
{
    if (manifest_wants(&p->manifest, p->members[m].name) != 0)
        return 0;
    return vml_fail(err, VML_EDATA, "manifest/missing-member", "'%s' is not in the manifest '%s'",
                    p->members[m].name, p->members[p->mf].name);
}

int ova_verify(struct vml_package_reader *base, struct vml_error *err)
{
    struct ova *p = ova(base);

    while (p->archive != NULL)
        if (advance(p, err) < 0)
            return -1;
    if (p->mf == OVA_NONE)
        return 0;
    if (ova_check_listed(p, p->ovf, err) < 0)
        return -1;
    for (size_t i = 0; i < p->n; i++)
        if (p->members[i].disk != OVA_NONE && ova_check_listed(p, i, err) < 0)
            return -1;
    for (size_t i = 0; i < p->manifest.n; i++)
        if (ova_check_line(p, &p->manifest.lines[i], err) < 0)
            return -1;
    return 0;
}

/* A tar by its first header: the checksum, and the magic that all but the oldest have. */
static int ova_probe(struct vml_input *in, struct vml_error *err)
{
    const void *head;
    const uint8_t *p;
    unsigned sum = 0, stored = 0;
    size_t have, i = 148;

    if (vml_input_peek(in, 512, &head, &have, err) < 0)
        return -1;
    if (have < 512)
        return 0;
    for (p = head; i < 156 && p[i] == ' ';)
        i++;
    for (; i < 156 && p[i] >= '0' && p[i] <= '7'; i++)
        stored = stored << 3 | (unsigned)(p[i] - '0');
    for (i = 0; i < 512; i++)
        sum += i >= 148 && i < 156 ? ' ' : p[i];
    if (p[0] == '\0' || sum != stored)
        return 0;
    return memcmp(p + 257, "ustar", 5) == 0 ? 95 : 60;
}

static const struct vml_package_ops ova_ops = {
    .open = reader_open,
    .disk = ova_disk,
    .next = ova_next,
    .verify = ova_verify,
    .close = ova_close,
    .facts = ova_facts,
    .create = ova_create,
    .add = ova_add,
    .finish = ova_finish,
    .free = ova_free,
};

static const struct vml_subformat subformats[] = {
    { "tar", VML_CAN_READ | VML_CAN_WRITE | VML_PIPE_READ, VML_DISK_MAX, 512 },
    { 0 },
};

const struct vml_format vml_format_ova = {
    .name = "ova",
    .summary = "machine with its disks (OVF in a tar)",
    .suffixes = "ova",
    .subformats = subformats,
    .options = ova_options,
    .probe = ova_probe,
    .package = &ova_ops,
    .check = ova_check,
};
