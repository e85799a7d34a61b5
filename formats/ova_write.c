/* Writing an OVA in one pass, without a copy of a disk:
 *
 *     header | .ovf        its room is taken before the first disk, for the longest numbers that
 * can header | .mf         come; what stays free is blanks behind </Envelope> header | disk 1
 * appended as it comes, digested on the way; the header is written when the header | disk 2 size is
 * known two blocks of zeroes
 *
 * Headers are ustar, which every reader takes; a member of 8 GiB or more has its size in GNU's base
 * 256, which ustar has no room for. */
#include "ova.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"
#include "ovf.h"

#define TAR_BLOCK 512u
#define DISKS_MAX 120u /* four SATA controllers; nothing that VMware has holds more */
#define NO_DISK   SIZE_MAX

struct ova_writer {
    struct vml_package_writer base;
    struct vml_output *out;
    struct ova_choice choice;
    struct ovf_controllers controllers;
    char disk_options[64];
    size_t n, last; /* disks; the one being written, or NO_DISK */
    struct ovf_text_disk *disks;
    uint8_t (*sums)[VML_DIGEST_MAX]; /* of the disks */
    size_t ovf_len, mf_len;          /* the room they have */
    uint64_t start;                  /* of the disk being written: its header */
    struct vml_digest *digest;       /* its */
};

static struct ova_writer *writer(struct vml_package_writer *w)
{
    return (struct ova_writer *)w;
}

/* --- tar ------------------------------------------------------------------------------------ */

void ova_print_header(uint8_t h[TAR_BLOCK], const char *name, uint64_t size)
{
    int64_t now = vml_now();
    unsigned sum = 0;

    memset(h, 0, TAR_BLOCK);
    assert(strlen(name) < 100);
    memcpy(h, name, strlen(name));
    memcpy(h + 100, "0000644", 8);
    memcpy(h + 108, "0000000", 8); /* owner and group: root */
    memcpy(h + 116, "0000000", 8);
    if (size < UINT64_C(1) << 33) {
        snprintf((char *)h + 124, 12, "%011llo", (unsigned long long)size);
    } else {
        h[124] = 0x80;
        for (unsigned i = 0; i < 8; i++)
            h[135 - i] = (uint8_t)(size >> 8 * i);
    }
    now = now < 0 ? 0 : now >= INT64_C(1) << 33 ? (INT64_C(1) << 33) - 1 : now;
    snprintf((char *)h + 136, 12, "%011llo", (unsigned long long)now);
    memset(h + 148, ' ', 8); /* the checksum counts as blanks in itself */
    h[156] = '0';
    if (size < UINT64_C(1) << 33)
        memcpy(h + 257, "ustar\00000", 8); /* with version 00 */
    else
        memcpy(h + 257, "ustar  ", 8); /* GNU's */
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += h[i];
    snprintf((char *)h + 148, 8, "%06o", sum);
}

static uint64_t room(size_t len)
{
    return TAR_BLOCK + vml_round_up(len, TAR_BLOCK);
}

static int write_zeroes(struct vml_output *o, uint64_t len, struct vml_error *err)
{
    static const uint8_t zeroes[4096];

    while (len > 0) {
        size_t n = (size_t)vml_min_u64(len, sizeof zeroes);

        if (vml_output_write(o, zeroes, n, err) < 0)
            return -1;
        len -= n;
    }
    return 0;
}

/* --- description and manifest --------------------------------------------------------------- */

static int print_ovf(const struct ova_writer *w, char **text, size_t *len, struct vml_error *err)
{
    const struct ovf_text what = { .machine = &w->choice.machine,
                                   .id = w->choice.name,
                                   .controllers = &w->controllers,
                                   .disks = w->disks,
                                   .n_disks = w->n };

    return ovf_print(text, len, &what, err);
}

/* sum: of the description */
static int print_mf(const struct ova_writer *w, const uint8_t *sum, char **text, size_t *len,
                    struct vml_error *err)
{
    size_t cap = (w->n + 1) * 256; /* a name is shorter than 100, a digest 128 */
    char file[100];

    *text = malloc(cap);
    if (*text == NULL)
        return vml_fail_nomem(err);
    snprintf(file, sizeof file, "%s.ovf", w->choice.name);
    *len = manifest_print(*text, cap, w->choice.algorithm, file, sum);
    for (size_t i = 0; i < w->n; i++)
        if (w->disks[i].file != NULL)
            *len += manifest_print(*text + *len, cap - *len, w->choice.algorithm, w->disks[i].file,
                                   w->sums[i]);
    assert(*len < cap);
    return 0;
}

/* How long both are going to be. */
static int measure(struct ova_writer *w, struct vml_error *err)
{
    static const uint8_t no_sum[VML_DIGEST_MAX];
    VML_AUTO(vml_freep) char *ovf = NULL;
    VML_AUTO(vml_freep) char *mf = NULL;

    for (size_t i = 0; i < w->n; i++)
        w->disks[i].file_size = UINT64_MAX;
    if (print_ovf(w, &ovf, &w->ovf_len, err) < 0)
        return -1;
    if (w->choice.algorithm != OVA_NO_MANIFEST && print_mf(w, no_sum, &mf, &w->mf_len, err) < 0)
        return -1;
    return 0;
}

/* --- what core calls ------------------------------------------------------------------------ */

void ova_free(struct vml_package_writer *base)
{
    struct ova_writer *w = writer(base);

    if (w == NULL)
        return;
    for (size_t i = 0; w->disks != NULL && i < w->n; i++)
        free(w->disks[i].file);
    free(w->disks);
    free(w->sums);
    vml_digest_free(w->digest);
    vml_output_free(w->out);
    vml_notes_clear(&w->base.notes);
    free(w);
}

static void writer_freep(struct ova_writer **w)
{
    if (*w != NULL)
        ova_free(&(*w)->base);
}

/* What core rounds a disk's size to before the VMDK writer sees it. */
static uint64_t disk_align(const struct ova_writer *w)
{
    const struct vml_subformat *s = vml_format_vmdk.subformats;

    while (strcmp(s->name, w->base.disk_subformat) != 0)
        s++;
    return s->align;
}

static int plan_disks(struct ova_writer *w, const struct vml_new_disk *disks, struct vml_error *err)
{
    w->disks = calloc(w->n, sizeof *w->disks);
    w->sums = calloc(w->n, sizeof *w->sums);
    if (w->disks == NULL || w->sums == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < w->n; i++) {
        struct ovf_text_disk *d = &w->disks[i];

        d->capacity = vml_round_up(disks[i].size, disk_align(w));
        if (ovf_place_disk(&w->controllers,
                           ova_disk_adapter(&w->choice, disks[i].controller, &w->base.notes),
                           &d->controller, &d->unit, err) < 0)
            return -1;
        if (!disks[i].empty && asprintf(&d->file, "%s-disk%zu.vmdk", w->choice.name, i + 1) < 0) {
            d->file = NULL;
            return vml_fail_nomem(err);
        }
    }
    return 0;
}

int ova_create(struct vml_package_writer **out, struct vml_output *o,
               const struct vml_machine *machine, const struct vml_new_disk *disks, size_t n,
               const struct vml_create *c, struct vml_error *err)
{
    VML_AUTO(writer_freep) struct ova_writer *w = NULL;

    assert(vml_output_can_seek(o));
    if (n == 0 || n > DISKS_MAX)
        return vml_fail(err, VML_EUNSUPPORTED, "ova/disks", "%zu disks; from 1 to %u", n,
                        DISKS_MAX);
    w = calloc(1, sizeof *w);
    if (w == NULL)
        return vml_fail_nomem(err);
    w->base.disk_format = "vmdk";
    w->base.disk_subformat = "streamOptimized";
    w->n = n;
    w->last = NO_DISK;
    if (ova_choose(&w->choice, machine, c, vml_output_name(o), &w->base.notes, err) < 0 ||
        plan_disks(w, disks, err) < 0 ||
        ova_choose_hardware(&w->choice, c, &w->controllers, &w->base.notes, err) < 0 ||
        measure(w, err) < 0)
        return -1;
    if (write_zeroes(
            o, room(w->ovf_len) + (w->choice.algorithm != OVA_NO_MANIFEST ? room(w->mf_len) : 0),
            err) < 0)
        return -1;
    w->out = o;
    *out = &w->base;
    w = NULL;
    return 0;
}

/* The header and the padding of the disk that was written last. */
static int end_disk(struct ova_writer *w, struct vml_error *err)
{
    uint8_t header[TAR_BLOCK];
    struct ovf_text_disk *d;
    uint64_t size;
    size_t len;

    if (w->last == NO_DISK)
        return 0;
    d = &w->disks[w->last];
    size = vml_output_tell(w->out) - w->start - TAR_BLOCK;
    d->file_size = size;
    ova_print_header(header, d->file, size);
    if (vml_output_pwrite(w->out, header, sizeof header, w->start, err) < 0 ||
        write_zeroes(w->out, vml_round_up(size, TAR_BLOCK) - size, err) < 0)
        return -1;
    if (w->digest != NULL) {
        vml_digest_final(w->digest, w->sums[w->last], &len);
        vml_digest_freep(&w->digest);
    }
    return 0;
}

/* What the VMDK says of its machine is what the description says. */
static void describe_disk(struct ova_writer *w, size_t i)
{
    const struct ovf_controller *c = &w->controllers.items[w->disks[i].controller];
    int n = snprintf(w->disk_options, sizeof w->disk_options, "adapter=%s,hwversion=%u",
                     c->type->adapter, w->choice.hardware);

    if (w->choice.level > 0)
        snprintf(w->disk_options + n, sizeof w->disk_options - (size_t)n, ",level=%u",
                 w->choice.level);
    w->base.disk_options = w->disk_options;
}

int ova_add(struct vml_package_writer *base, size_t i, struct vml_output **o, struct vml_error *err)
{
    struct ova_writer *w = writer(base);

    assert(i < w->n && (w->last == NO_DISK || i > w->last) && w->disks[i].file != NULL);
    if (end_disk(w, err) < 0)
        return -1;
    w->start = vml_output_tell(w->out);
    if (w->choice.algorithm != OVA_NO_MANIFEST &&
        vml_digest_new(&w->digest, manifest_algorithms[w->choice.algorithm].name, err) < 0)
        return -1;
    w->last = i;
    describe_disk(w, i);
    if (write_zeroes(w->out, TAR_BLOCK, err) < 0)
        return -1;
    return vml_output_append(o, w->out, w->disks[i].file, w->digest != NULL ? vml_digest_tap : NULL,
                             w->digest, err);
}

/* A member at `off`, whose room was taken before. */
static int put_member(struct ova_writer *w, const char *suffix, const char *text, size_t len,
                      uint64_t off, struct vml_error *err)
{
    uint8_t header[TAR_BLOCK];
    char file[100];

    snprintf(file, sizeof file, "%s%s", w->choice.name, suffix);
    ova_print_header(header, file, len);
    if (vml_output_pwrite(w->out, header, sizeof header, off, err) < 0)
        return -1;
    return vml_output_pwrite(w->out, text, len, off + TAR_BLOCK, err);
}

/* The description, filled up with blanks and a line feed to its room. */
static int print_padded_ovf(const struct ova_writer *w, char **text, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *ovf = NULL;
    size_t len;

    if (print_ovf(w, &ovf, &len, err) < 0)
        return -1;
    assert(len <= w->ovf_len);
    *text = malloc(w->ovf_len);
    if (*text == NULL)
        return vml_fail_nomem(err);
    memcpy(*text, ovf, len);
    memset(*text + len, ' ', w->ovf_len - len);
    (*text)[w->ovf_len - 1] = '\n';
    return 0;
}

static int put_manifest(struct ova_writer *w, const char *ovf, struct vml_error *err)
{
    VML_AUTO(vml_digest_freep) struct vml_digest *d = NULL;
    VML_AUTO(vml_freep) char *mf = NULL;
    uint8_t sum[VML_DIGEST_MAX];
    size_t len;

    if (vml_digest_new(&d, manifest_algorithms[w->choice.algorithm].name, err) < 0)
        return -1;
    vml_digest_update(d, ovf, w->ovf_len);
    vml_digest_final(d, sum, &len);
    if (print_mf(w, sum, &mf, &len, err) < 0)
        return -1;
    assert(len == w->mf_len);
    return put_member(w, ".mf", mf, len, room(w->ovf_len), err);
}

int ova_finish(struct vml_package_writer *base, struct vml_error *err)
{
    struct ova_writer *w = writer(base);
    VML_AUTO(vml_freep) char *ovf = NULL;

    if (end_disk(w, err) < 0 || print_padded_ovf(w, &ovf, err) < 0 ||
        put_member(w, ".ovf", ovf, w->ovf_len, 0, err) < 0)
        return -1;
    if (w->choice.algorithm != OVA_NO_MANIFEST && put_manifest(w, ovf, err) < 0)
        return -1;
    if (write_zeroes(w->out, 2 * TAR_BLOCK, err) < 0)
        return -1;
    return vml_output_commit(w->out, err);
}
