/* OVA: how a package was written: its members, its manifest's spelling, its tar. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ova.h"
#include "vmlift/facts.h"

/* --- the tar -------------------------------------------------------------------------------- */

/* Octal, or (GNU's, from 8 GiB on) base 256, which leads with a set bit. */
static uint64_t tar_size(const uint8_t field[12])
{
    uint64_t n = 0;

    if ((field[0] & 0x80) != 0) {
        for (unsigned i = 4; i < 12; i++)
            n = n << 8 | field[i];
        return n;
    }
    for (unsigned i = 0; i < 12 && n < UINT64_C(1) << 60; i++)
        if (field[i] >= '0' && field[i] <= '7')
            n = n << 3 | (uint64_t)(field[i] - '0');
    return n;
}

/* Is there a header in pax's own format?  The first one is enough: what it says of the sizes behind
 * it need not be known. */
static int look_for_pax(struct vml_input *in, bool *pax, struct vml_error *err)
{
    uint64_t at = 0, size = vml_input_size(in);

    for (unsigned n = 0; n < 4 * OVA_MEMBERS_MAX && at + 512 <= size; n++) {
        uint8_t h[512];
        uint64_t len;

        if (vml_input_pread(in, h, sizeof h, at, err) < 0)
            return -1;
        *pax = h[156] == 'x' || h[156] == 'g';
        len = tar_size(h + 124);
        if (*pax || vml_is_zero(h, sizeof h) || len > size)
            return 0;
        at += 512 + vml_round_up(len, 512);
    }
    return 0;
}

/* --- the manifest --------------------------------------------------------------------------- */

/* What stands in front of a line's bracket, where it is none of the algorithms' names. */
static void look_at_spelling(const char *text, char word[24])
{
    size_t n = strcspn(text, "(\r\n");

    for (size_t i = 0; i < MANIFEST_ALGORITHMS; i++)
        if (text[n] != '(' || (n == strlen(manifest_algorithms[i].label) &&
                               memcmp(text, manifest_algorithms[i].label, n) == 0))
            return;
    snprintf(word, 24, "%.*s", n < 23 ? (int)n : 23, text);
    for (char *p = word; *p != '\0'; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
}

static int look_at_manifest(struct ova *p, struct vml_input *in, struct vml_package_facts *f,
                            struct vml_error *err)
{
    const struct ova_member *m = &p->members[p->mf];
    VML_AUTO(vml_freep) char *text = NULL;

    f->manifest = true;
    if (p->manifest.n == 0)
        return 0;
    snprintf(f->manifest_digest, sizeof f->manifest_digest, "%s",
             manifest_algorithms[p->manifest.lines[0].algorithm].label);
    text = calloc(1, (size_t)m->size + 1); /* it was read once, so there is a limit */
    if (text == NULL)
        return vml_fail_nomem(err);
    if (vml_input_pread(m->file != NULL ? m->file : in, text, (size_t)m->size, m->off, err) < 0)
        return -1;
    for (const char *line = text; line != NULL && f->manifest_word[0] == '\0';) {
        look_at_spelling(line, f->manifest_word);
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return 0;
}

/* --- members and disks ---------------------------------------------------------------------- */

/* What cannot be read is left out; the archive itself may end early. */
static int read_members(struct ova *p, struct vml_error *err)
{
    for (;;) {
        size_t before = p->n;
        struct ova_member *m = NULL;

        if (ova_next_member(p, &m, err) == 0) {
            if (m == NULL)
                return 0;
        } else if (err->code != VML_EDATA && err->code != VML_EUNSUPPORTED) {
            return -1;
        } else if (p->n == before) {
            return 0;
        }
    }
}

static int take_disks(const struct ova *p, struct vml_facts *f, struct vml_error *err)
{
    f->package.described = true;
    f->package.machine = p->base.machine;
    f->disks = calloc(p->base.n_disks + 1, sizeof *f->disks);
    if (f->disks == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < p->base.n_disks; i++) {
        const struct vml_disk *d = &p->base.disks[i];
        const struct ovf_disk *said = &p->description.disks[i];
        struct vml_disk_facts *to = &f->disks[i];

        *to = (struct vml_disk_facts){ .gzip = said->gzip,
                                       .chunked = said->chunk > 0,
                                       .said_capacity = said->capacity,
                                       .said_stored = said->file_size,
                                       .stored = d->stored_size,
                                       .size = VML_SIZE_UNKNOWN };
        snprintf(to->controller, sizeof to->controller, "%s", d->controller);
        f->n_disks++;
        if (d->file != NULL && (to->name = strdup(d->file)) == NULL)
            return vml_fail_nomem(err);
    }
    return 0;
}

static int take_package(struct ova *p, struct vml_input *in, struct vml_package_facts *f,
                        struct vml_error *err)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->members[i].size > f->largest) {
            f->largest = p->members[i].size;
            snprintf(f->largest_name, sizeof f->largest_name, "%s", p->members[i].name);
        }
    return p->mf != OVA_NONE ? look_at_manifest(p, in, f, err) : 0;
}

static int look_at_tar(struct ova *p, struct vml_input *in, struct vml_facts *f,
                       struct vml_error *err)
{
    if (ova_open_archive(p, err) < 0 || read_members(p, err) < 0 ||
        take_package(p, in, &f->package, err) < 0 || look_for_pax(in, &f->package.pax, err) < 0)
        return -1;
    f->package.ovf_first = p->ovf == 0;
    if (p->ovf == OVA_NONE || p->text == NULL)
        return 0;
    if (ova_parse_description(p, err) < 0)
        return -1;
    for (size_t i = 0; i < p->n; i++)
        if (ova_match_disk(p, i, err) < 0)
            return -1;
    return take_disks(p, f, err);
}

static int look_at_folder(struct ova *p, struct vml_input *in, struct vml_facts *f,
                          struct vml_error *err)
{
    f->package.folder = true;
    if (ovf_list_folder(p, err) < 0 || take_package(p, in, &f->package, err) < 0)
        return -1;
    return take_disks(p, f, err);
}

static int look_as(int (*look)(struct ova *p, struct vml_input *in, struct vml_facts *f,
                               struct vml_error *err),
                   struct vml_input *in, struct vml_facts *f, struct vml_error *err)
{
    const struct ovf_how how = { .look = true };
    struct ova *p;
    int rc;

    if (ova_start(&p, in, &how, err) < 0)
        return -1;
    rc = look(p, in, f, err);
    ova_stop(p);
    return rc;
}

int ova_facts(struct vml_input *in, struct vml_facts *f, struct vml_error *err)
{
    return look_as(look_at_tar, in, f, err);
}

int ovf_facts(struct vml_input *in, struct vml_facts *f, struct vml_error *err)
{
    return look_as(look_at_folder, in, f, err);
}
