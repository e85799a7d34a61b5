/* The members of an OVA: description, manifest, disks, and what each says of the others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ova.h"

#define MANIFEST_SIZE_MAX (1u << 20)

/* --- names ---------------------------------------------------------------------------------- */

static bool has_suffix(const char *name, const char *suffix)
{
    const char *slash = strrchr(name, '/'), *base = slash != NULL ? slash + 1 : name;
    size_t len = strlen(base), n = strlen(suffix);

    /* "._vm.ovf" is what macOS keeps beside vm.ovf */
    return len > n && strncmp(base, "._", 2) != 0 && strcasecmp(base + len - n, suffix) == 0;
}

char *ova_beside(const char *from, const char *name)
{
    const char *slash = strrchr(from, '/');
    char *path;

    while (name[0] == '.' && name[1] == '/')
        name += 2;
    if (asprintf(&path, "%.*s%s", slash != NULL ? (int)(slash + 1 - from) : 0, from, name) < 0)
        return NULL;
    return path;
}

static int hex_value(char c)
{
    const char *digits = "0123456789abcdefABCDEF", *at = c != '\0' ? strchr(digits, c) : NULL;

    return at == NULL ? -1 : (int)(at - digits) - (at - digits > 15 ? 6 : 0);
}

char *ova_decode(const char *href)
{
    char *name = malloc(strlen(href) + 1), *to = name;

    for (; name != NULL && *href != '\0'; href++) {
        int high = *href == '%' ? hex_value(href[1]) : -1,
            low = high >= 0 ? hex_value(href[2]) : -1;

        *to++ = low >= 0 ? (char)(high << 4 | low) : *href;
        href += low >= 0 ? 2 : 0;
    }
    if (name != NULL)
        *to = '\0';
    return name;
}

/* Does href mean this member?  It is a URI reference, or a name as it stands. */
static bool names(const char *href, const char *member)
{
    VML_AUTO(vml_freep) char *name = NULL;

    if (strcmp(href, member) == 0)
        return true;
    if (strchr(href, '%') == NULL)
        return false;
    name = ova_decode(href);
    return name != NULL && strcmp(name, member) == 0;
}

/* --- members -------------------------------------------------------------------------------- */

int ova_add_member(struct ova *p, const char *name, uint64_t size, uint64_t off,
                   struct ova_member **out, struct vml_error *err)
{
    struct ova_member *m = &p->members[p->n];

    if (p->n == OVA_MEMBERS_MAX)
        return vml_fail(err, VML_EDATA, "ova/layout", "more than %u members", OVA_MEMBERS_MAX);
    for (size_t i = 0; i < p->n; i++)
        if (strcasecmp(p->members[i].name, name) == 0)
            return vml_fail(err, VML_EDATA, "ova/member-dup", "members '%s' and '%s' have one name",
                            p->members[i].name, name);
    m->name = strdup(name);
    if (m->name == NULL)
        return vml_fail_nomem(err);
    m->size = size;
    m->off = off;
    m->disk = OVA_NONE;
    p->n++;
    *out = m;
    return 0;
}

/* The whole of the member, at which an archive stands, with a NUL behind it. */
static int read_text(struct ova *p, const struct ova_member *m, size_t max, char **text,
                     size_t *len, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *buf = NULL;

    if (m->size > max)
        return vml_fail(err, VML_EDATA, "ova/text-size", "%s: %llu bytes, more than %zu", m->name,
                        (unsigned long long)m->size, max);
    buf = malloc((size_t)m->size + 1);
    if (buf == NULL)
        return vml_fail_nomem(err);
    *len = (size_t)m->size;
    if (p->in_folder) {
        if (vml_input_pread(m->file != NULL ? m->file : p->in, buf, *len, 0, err) < 0)
            return -1;
    } else if (vml_archive_read(p->archive, buf, (size_t)m->size, len, err) < 0) {
        return -1;
    }
    if (*len != m->size)
        return vml_fail(err, VML_EDATA, "input/truncated", "%s: %zu of %llu bytes are there",
                        m->name, *len, (unsigned long long)m->size);
    buf[*len] = '\0';
    *text = buf;
    buf = NULL;
    return 0;
}

/* The same for what the manifest may list. */
static int read_summed(struct ova *p, struct ova_member *m, size_t max, char **text, size_t *len,
                       struct vml_error *err)
{
    if (read_text(p, m, max, text, len, err) < 0 ||
        manifest_sums_begin(&m->sums, MANIFEST_ALL, err) < 0)
        return -1;
    manifest_sums_tap(&m->sums, *text, *len);
    m->begun = true;
    return 0;
}

int ova_take_ovf(struct ova *p, struct ova_member *m, struct vml_error *err)
{
    if (p->ovf != OVA_NONE)
        return vml_fail(err, VML_EDATA, "ova/ovf", "two descriptions: '%s' and '%s'",
                        p->members[p->ovf].name, m->name);
    p->ovf = (size_t)(m - p->members);
    return read_summed(p, m, OVF_SIZE_MAX, &p->text, &p->text_len, err);
}

/* Names as the members have them. */
static int parse_manifest(struct ova *p, const struct ova_member *m, struct vml_error *err)
{
    if (manifest_parse(&p->manifest, p->mf_text, p->mf_len, err) < 0) {
        vml_error_prefix(err, "%s", m->name);
        return -1;
    }
    for (size_t i = 0; i < p->manifest.n; i++) {
        char *file = ova_beside(m->name, p->manifest.lines[i].file);

        if (file == NULL)
            return vml_fail_nomem(err);
        free(p->manifest.lines[i].file);
        p->manifest.lines[i].file = file;
        if (strcmp(file, m->name) == 0)
            return vml_fail(err, VML_EDATA, "manifest/syntax", "%s: it has a digest of itself",
                            m->name);
    }
    return 0;
}

static int take_manifest(struct ova *p, const struct ova_member *m, struct vml_error *err)
{
    if (p->mf != OVA_NONE)
        return vml_fail(err, VML_EDATA, "ova/manifest", "two manifests: '%s' and '%s'",
                        p->members[p->mf].name, m->name);
    p->mf = (size_t)(m - p->members);
    if (read_text(p, m, MANIFEST_SIZE_MAX, &p->mf_text, &p->mf_len, err) < 0)
        return -1;
    if (parse_manifest(p, m, err) < 0) {
        manifest_clear(&p->manifest); /* a check goes on without it */
        return -1;
    }
    return p->cert != OVA_NONE ? ova_check_signature(p, err) : 0;
}

static int take_certificate(struct ova *p, struct ova_member *m, struct vml_error *err)
{
    if (p->cert != OVA_NONE)
        return vml_fail(err, VML_EDATA, "ova/manifest", "two certificates: '%s' and '%s'",
                        p->members[p->cert].name, m->name);
    p->cert = (size_t)(m - p->members);
    if (read_summed(p, m, MANIFEST_SIZE_MAX, &p->cert_text, &p->cert_len, err) < 0)
        return -1;
    return p->mf != OVA_NONE ? ova_check_signature(p, err) : 0;
}

static bool is_proof(const struct ova_member *m)
{
    return has_suffix(m->name, ".mf") || has_suffix(m->name, ".cert");
}

int ova_take_member(struct ova *p, struct ova_member *m, struct vml_error *err)
{
    if (has_suffix(m->name, ".ovf"))
        return ova_take_ovf(p, m, err);
    if (p->how.no_manifest && is_proof(m))
        return 0;
    if (has_suffix(m->name, ".mf"))
        return take_manifest(p, m, err);
    if (has_suffix(m->name, ".cert"))
        return take_certificate(p, m, err);
    return 0;
}

int ova_next_member(struct ova *p, struct ova_member **m, struct vml_error *err)
{
    struct vml_member found;
    bool got;

    *m = NULL;
    if (vml_archive_next(p->archive, &found, &got, err) < 0)
        return -1;
    if (!got)
        return 0;
    if (ova_add_member(p, found.name, found.size, found.off, m, err) < 0)
        return -1;
    return ova_take_member(p, *m, err);
}

/* --- description and disks ------------------------------------------------------------------ */

int ova_parse_description(struct ova *p, struct vml_error *err)
{
    const char *name = p->members[p->ovf].name;
    struct ovf *d = &p->description;

    if (ovf_parse(d, p->text, p->text_len, &p->how, err) < 0) {
        if (!p->in_folder) /* else it is the input's own name */
            vml_error_prefix(err, "%s", name);
        return -1;
    }
    vml_freep(&p->text);
    p->base.machine = d->machine;
    for (size_t i = 0; i < d->notes.n; i++)
        vml_note(&p->base.notes, d->notes.items[i].slug, "%s", d->notes.items[i].text);
    p->base.disks = calloc(d->n_disks + 1, sizeof *p->base.disks);
    p->member_of = calloc(d->n_disks + 1, sizeof *p->member_of);
    if (p->base.disks == NULL || p->member_of == NULL)
        return vml_fail_nomem(err);
    p->base.n_disks = d->n_disks;
    for (size_t i = 0; i < d->n_disks; i++) {
        struct vml_disk *disk = &p->base.disks[i];

        disk->capacity = d->disks[i].capacity;
        disk->stored_size = VML_SIZE_UNKNOWN;
        memcpy(disk->controller, d->disks[i].controller, sizeof disk->controller);
        p->member_of[i] = OVA_NONE;
        if (d->disks[i].href == NULL)
            continue;
        disk->file = ova_beside(name, d->disks[i].href);
        if (disk->file == NULL)
            return vml_fail_nomem(err);
        disk->absent = d->disks[i].unread.code != VML_OK;
        if (disk->absent)
            vml_note(&p->base.notes, d->disks[i].unread.slug, "%s", d->disks[i].unread.text);
    }
    return 0;
}

/* Does the member hold a chunk of the file that href means?  "href.000000012" */
static bool names_chunk(const char *href, const char *member, size_t *chunk)
{
    size_t len = strlen(member), n = 0;
    char whole[1024];

    if (len <= 10 || len - 10 >= sizeof whole || member[len - 10] != '.')
        return false;
    for (const char *p = member + len - 9; *p != '\0'; p++) {
        if (*p < '0' || *p > '9')
            return false;
        n = 10 * n + (size_t)(*p - '0');
    }
    memcpy(whole, member, len - 10);
    whole[len - 10] = '\0';
    *chunk = n;
    return names(href, whole);
}

static int found_disk(struct ova *p, size_t i, struct ova_member *m, struct vml_error *err)
{
    struct vml_disk *d = &p->base.disks[i];
    uint64_t said = p->description.disks[i].file_size;

    free(d->file);
    d->file = strdup(m->name);
    if (d->file == NULL)
        return vml_fail_nomem(err);
    d->stored_size = m->size;
    if (said != VML_SIZE_UNKNOWN && said != m->size)
        vml_note(&p->base.notes, "ovf/size-differs",
                 "'%s' has %llu bytes, where the description says %llu", m->name,
                 (unsigned long long)m->size, (unsigned long long)said);
    return 0;
}

int ova_match_disk(struct ova *p, size_t m, struct vml_error *err)
{
    struct ova_member *member = &p->members[m];

    for (size_t i = 0; i < p->base.n_disks && member->disk == OVA_NONE; i++) {
        const struct ovf_disk *said = &p->description.disks[i];
        const char *file = p->base.disks[i].file;

        if (file == NULL || p->base.disks[i].absent)
            continue;
        if (said->chunk > 0 ? !names_chunk(file, member->name, &member->chunk)
                            : p->member_of[i] != OVA_NONE || !names(file, member->name))
            continue;
        member->disk = i;
        if (member->chunk == 0)
            p->member_of[i] = m;
        if (said->chunk == 0)
            return found_disk(p, i, member, err);
    }
    return 0;
}

struct ova_member *ova_find_chunk(const struct ova *p, size_t disk, size_t chunk)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->members[i].disk == disk && p->members[i].chunk == chunk)
            return &p->members[i];
    return NULL;
}

/* From 0 without a gap, each full but the last, and as many bytes as the description says. */
static int check_chunks(struct ova *p, size_t disk, struct vml_error *err)
{
    const struct ovf_disk *said = &p->description.disks[disk];
    struct vml_disk *d = &p->base.disks[disk];
    size_t there = 0, n = 0;
    uint64_t total = 0;

    for (size_t i = 0; i < p->n; i++)
        there += p->members[i].disk == disk;
    for (const struct ova_member *m; (m = ova_find_chunk(p, disk, n)) != NULL; n++) {
        total += m->size;
        if (m->size > said->chunk || (m->size < said->chunk && n + 1 < there))
            return vml_fail(err, VML_EDATA, "ovf/chunk",
                            "'%s' has %llu bytes, where the description says %llu for each but "
                            "the last",
                            m->name, (unsigned long long)m->size, (unsigned long long)said->chunk);
    }
    if (n < there)
        return vml_fail(err, VML_EDATA, "ovf/chunk", "'%s.%09zu' is missing", d->file, n);
    if (said->file_size != VML_SIZE_UNKNOWN && total != said->file_size)
        return vml_fail(err, VML_EDATA, "ovf/chunk",
                        "the %zu chunks of '%s' have %llu bytes, where the description says %llu",
                        n, d->file, (unsigned long long)total, (unsigned long long)said->file_size);
    d->stored_size = total;
    return 0;
}

struct ova_member *ova_find_member(const struct ova *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->members[i].name, name) == 0)
            return &p->members[i];
    return NULL;
}

void ova_note_manifest(struct ova *p)
{
    bool only_sha1 = p->manifest.n > 0;

    if (p->how.no_manifest)
        vml_note(&p->base.notes, "manifest/skipped",
                 "the manifest, if there is one, is not looked at, as was asked for: nothing says "
                 "what the bytes were");
    else if (p->mf == OVA_NONE)
        vml_note(&p->base.notes, "manifest/none", "no manifest: nothing says what the bytes were");
    for (size_t i = 0; i < p->manifest.n; i++) {
        const struct manifest_line *line = &p->manifest.lines[i];

        only_sha1 = only_sha1 && line->algorithm == MANIFEST_SHA1;
        if (ova_find_member(p, line->file) == NULL)
            vml_note(&p->base.notes, "manifest/absent",
                     "the manifest lists '%s', which is not in the package", line->file);
    }
    if (only_sha1)
        vml_note(&p->base.notes, "manifest/sha1",
                 "the manifest has SHA-1 only, which no longer proves who made the bytes");
}

/* What *err says of disk i; to be told about only, a note. */
static int cannot_read(struct ova *p, size_t i, const struct vml_error *err)
{
    if (!p->how.look)
        return -1;
    p->base.disks[i].absent = true;
    vml_note(&p->base.notes, err->slug, "%s", err->text);
    return 0;
}

/* A file that the description names and that is not there. */
static int missing_disk(const struct ova *p, size_t i, struct vml_error *err)
{
    const struct ovf_disk *said = &p->description.disks[i];
    bool chunks = said->chunk > 0;
    char size[64] = "";

    if (said->file_size != VML_SIZE_UNKNOWN)
        snprintf(size, sizeof size, " (%llu bytes)", (unsigned long long)said->file_size);
    return vml_fail(err, VML_EDATA, chunks ? "ovf/chunk" : "ovf/href",
                    "the description names '%s%s'%s, which is not %s", p->base.disks[i].file,
                    chunks ? ".000000000" : "", size,
                    p->in_folder ? "beside it" : "in the package");
}

static int check_found(struct ova *p, size_t i, struct vml_error *err)
{
    if (p->member_of[i] == OVA_NONE)
        return missing_disk(p, i, err);
    return p->description.disks[i].chunk > 0 ? check_chunks(p, i, err) : 0;
}

/* What will be missing from what becomes of the machine: ISO images, the variables of its firmware.
 */
static void note_others(struct ova *p)
{
    char names[200] = "";
    size_t used = 0, n = 0;

    for (size_t i = 0; i < p->n; i++) {
        const struct ova_member *m = &p->members[i];

        if (m->disk != OVA_NONE || i == p->ovf || i == p->mf || i == p->cert || is_proof(m) ||
            strncmp(m->name, "._", 2) == 0)
            continue;
        if (used < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s'%s'", n > 0 ? ", " : "",
                                     m->name);
        n++;
    }
    if (n > 0)
        vml_note(&p->base.notes, "ova/other-files",
                 "%zu of the files are none of the machine's disks, and are passed over: %s", n,
                 names);
}

int ova_all_known(struct ova *p, struct vml_error *err)
{
    for (size_t i = 0; i < p->base.n_disks; i++)
        if (p->base.disks[i].file != NULL && !p->base.disks[i].absent &&
            check_found(p, i, err) < 0 && cannot_read(p, i, err) < 0)
            return -1;
    ova_note_manifest(p);
    note_others(p);
    if (p->cert != OVA_NONE && p->mf == OVA_NONE)
        return vml_fail(err, VML_EDATA, "ova/cert-manifest",
                        "'%s' is there, and the manifest that it signs is not",
                        p->members[p->cert].name);
    return 0;
}
