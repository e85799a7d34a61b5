/* An OVF that lies in a folder with its files beside it:
 *
 *     vm.ovf          the description
 *     vm.mf           digests, where it is there
 *     vm.cert         a signature of the manifest, likewise
 *     vm-disk1.vmdk   what the description names, beneath the folder of vm.ovf
 *
 * To the rest of the format these are the members of a tar.  A file is opened only because the
 * description, or the manifest, names it, only beneath the folder and through no link, and is then
 * read by itself: a disk whose descriptor names further files is none of a package, since the
 * manifest would not be of its bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ova.h"

/* *in is NULL where there is no such file. */
static int open_beside(struct ova *p, const char *name, struct vml_input **in,
                       struct vml_error *err)
{
    *in = NULL;
    if (vml_input_sibling(in, p->in, name, err) == 0) {
        vml_input_alone(*in);
        return 0;
    }
    return err->code == VML_ENOTFOUND ? 0 : -1;
}

/* *m is NULL where there is no such file. */
static int add_file(struct ova *p, const char *name, struct ova_member **m, struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;

    *m = ova_find_member(p, name);
    if (*m != NULL)
        return 0;
    if (open_beside(p, name, &in, err) < 0)
        return -1;
    if (in == NULL)
        return 0;
    if (ova_add_member(p, name, vml_input_size(in), 0, m, err) < 0)
        return -1;
    (*m)->file = in;
    in = NULL;
    return 0;
}

/* vm.mf, vm.cert: where they are there. */
static int add_beside(struct ova *p, const char *suffix, struct vml_error *err)
{
    const char *ovf = p->members[p->ovf].name, *dot = strrchr(ovf, '.');
    VML_AUTO(vml_freep) char *name = NULL;
    struct ova_member *m;

    if (asprintf(&name, "%.*s%s", (int)(dot != NULL ? (size_t)(dot - ovf) : strlen(ovf)), ovf,
                 suffix) < 0) {
        name = NULL;
        return vml_fail_nomem(err);
    }
    if (add_file(p, name, &m, err) < 0)
        return -1;
    return m != NULL ? ova_take_member(p, m, err) : 0;
}

/* The disk's one file, by its href as it stands or as a URI. */
static int add_whole(struct ova *p, const char *href, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *decoded = NULL;
    struct ova_member *m;

    if (add_file(p, href, &m, err) < 0)
        return -1;
    if (m != NULL || strchr(href, '%') == NULL)
        return 0;
    decoded = ova_decode(href);
    if (decoded == NULL)
        return vml_fail_nomem(err);
    return add_file(p, decoded, &m, err);
}

/* Chunks as far as they go on. */
static int add_chunks(struct ova *p, const char *href, struct vml_error *err)
{
    struct ova_member *m;
    size_t n = 0;

    do {
        VML_AUTO(vml_freep) char *name = NULL;

        if (asprintf(&name, "%s.%09zu", href, n++) < 0) {
            name = NULL;
            return vml_fail_nomem(err);
        }
        if (add_file(p, name, &m, err) < 0)
            return -1;
    } while (m != NULL);
    return 0;
}

static int add_disk(struct ova *p, size_t i, struct vml_error *err)
{
    struct vml_disk *d = &p->base.disks[i];
    int rc = p->description.disks[i].chunk > 0 ? add_chunks(p, d->file, err)
                                               : add_whole(p, d->file, err);

    if (rc == 0)
        return 0;
    vml_error_prefix(err, "disk '%s'", p->description.disks[i].id);
    if (!p->how.look || err->code == VML_EINTERRUPTED || err->code == VML_ENOMEM)
        return -1;
    d->absent = true;
    vml_note(&p->base.notes, err->slug, "%s", err->text);
    return 0;
}

/* What the manifest lists besides is checked too, if it is there. */
static int add_listed(struct ova *p, struct vml_error *err)
{
    for (size_t i = 0; i < p->manifest.n; i++) {
        struct ova_member *m;

        if (add_file(p, p->manifest.lines[i].file, &m, err) < 0 && err->code != VML_EREFUSED)
            return -1;
    }
    return 0;
}

int ovf_list_folder(struct ova *p, struct vml_error *err)
{
    const char *path = vml_input_name(p->in), *slash = strrchr(path, '/');
    struct ova_member *m;

    if (!vml_input_can_seek(p->in))
        return vml_fail(err, VML_EUNSUPPORTED, "input/no-folder",
                        "the disks of an OVF lie beside it, and this is a pipe: give its name, or "
                        "an OVA");
    p->in_folder = true;
    if (ova_add_member(p, slash != NULL ? slash + 1 : path, vml_input_size(p->in), 0, &m, err) < 0)
        return -1;
    if (ova_take_ovf(p, m, err) < 0 || add_beside(p, ".mf", err) < 0 ||
        add_beside(p, ".cert", err) < 0 || ova_parse_description(p, err) < 0)
        return -1;
    for (size_t i = 0; i < p->base.n_disks; i++)
        if (p->base.disks[i].file != NULL && !p->base.disks[i].absent && add_disk(p, i, err) < 0)
            return -1;
    if (add_listed(p, err) < 0)
        return -1;
    for (size_t i = 0; i < p->n; i++)
        if (ova_match_disk(p, i, err) < 0)
            return -1;
    return 0;
}

static const struct vml_package_ops ovf_ops;

static int folder_open(struct vml_package_reader **out, struct vml_input *in,
                       const struct vml_open *how, struct vml_error *err)
{
    const struct ovf_how read = { .vm = how->vm,
                                  .look = how->look,
                                  .no_manifest = how->no_manifest };
    struct ova *p = NULL;

    if (ova_start(&p, in, &read, err) < 0)
        return -1;
    p->base.ops = &ovf_ops;
    if (ovf_list_folder(p, err) < 0 || ova_all_known(p, err) < 0) {
        ova_stop(p);
        return -1;
    }
    *out = &p->base;
    return 0;
}

/* --- what it is ----------------------------------------------------------------------------- */

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

/* Past "<?..?>", "<!..>" and comments in front of the first element. */
static const char *first_element(const char *p)
{
    for (p = skip_blanks(p); p != NULL && p[0] == '<' && (p[1] == '?' || p[1] == '!');
         p = p != NULL ? skip_blanks(p) : NULL) {
        bool comment = strncmp(p, "<!--", 4) == 0;

        p = strstr(p, comment ? "-->" : ">");
        p = p != NULL ? p + (comment ? 3 : 1) : NULL;
    }
    return p;
}

/* "<Envelope", of whatever prefix; in UTF-16 it is claimed only to be refused by name. */
static int folder_probe(struct vml_input *in, struct vml_error *err)
{
    char text[4097];
    const void *head;
    const char *p, *colon;
    size_t have, n;

    if (vml_input_peek(in, sizeof text - 1, &head, &have, err) < 0)
        return -1;
    if (have >= 4 && (memcmp(head, "\xff\xfe<", 4) == 0 || memcmp(head, "\xfe\xff\0<", 4) == 0))
        return 50;
    memcpy(text, head, have);
    text[have] = '\0';
    p = first_element(strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text);
    if (p == NULL || *p != '<')
        return 0;
    n = strcspn(++p, " \t\r\n/>");
    colon = memchr(p, ':', n);
    if (colon != NULL) {
        n -= (size_t)(colon + 1 - p);
        p = colon + 1;
    }
    return n == strlen("Envelope") && strncasecmp(p, "Envelope", n) == 0 ? 95 : 0;
}

static const struct vml_package_ops ovf_ops = {
    .open = folder_open,
    .disk = ova_disk,
    .next = ova_next,
    .verify = ova_verify,
    .close = ova_close,
    .facts = ovf_facts,
};

static const struct vml_subformat subformats[] = {
    { "folder", VML_CAN_READ, VML_DISK_MAX, 512 },
    { 0 },
};

const struct vml_format vml_format_ovf = {
    .name = "ovf",
    .summary = "machine with its disks (OVF and files beside it)",
    .suffixes = "ovf",
    .subformats = subformats,
    .probe = folder_probe,
    .package = &ovf_ops,
    .check = ovf_check,
};
