/* Choosing a format, opening and creating disks, reading them at random. */
#include "vmlift/image.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/chain.h"
#include "core/compressed.h"
#include "core/create.h"

enum { ISO_MARK = 32768 }; /* where the volume descriptors of a CD begin */

/* --- which format --------------------------------------------------------------------------- */

static bool word_in(const char *word, size_t len, const char *list)
{
    while (*list != '\0') {
        size_t n = strcspn(list, " ");

        if (n == len && strncasecmp(list, word, n) == 0)
            return true;
        list += n;
        list += strspn(list, " ");
    }
    return false;
}

int vml_format_find(const struct vml_format **out, const struct vml_format *const *table,
                    const char *name, struct vml_error *err)
{
    char known[200] = "";

    for (size_t i = 0; table[i] != NULL; i++) {
        size_t used = strlen(known);

        if (strcasecmp(table[i]->name, name) == 0 ||
            word_in(name, strlen(name), table[i]->suffixes)) {
            *out = table[i];
            return 0;
        }
        snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? ", " : "", table[i]->name);
    }
    return vml_fail(err, VML_EUNSUPPORTED, "image/format", "format '%s' is not one of %s", name,
                    known);
}

/* What is no raw disk, though vmlift does not read it: other formats of disks, .. */
struct magic {
    const char *name;
    size_t off;
    const char *bytes;
    size_t len;
};
static const struct magic disks[] = {
    { "a QCOW image of version 1", 0, "QFI\xfb\0\0\0\1", 8 },
    { "a VDI image", 64, "\x7f\x10\xda\xbe", 4 },
    { "a QED image", 0, "QED\0", 4 },
    { "a Parallels image", 0, "WithoutFreeSpace", 16 },
    { "a Parallels image", 0, "WithouFreSpacExt", 16 },
    { "an Expert Witness image", 0, "EVF\x09\x0d\x0a\xff", 7 },
};
/* .. and files of which nothing boots.  A disk that its guest encrypts as a whole begins with
 * "LUKS" and is none of these. */
static const struct magic files[] = {
    { "gzip-compressed data", 0, "\x1f\x8b\x08", 3 },
    { "xz-compressed data", 0,
      "\xfd"
      "7zXZ\0",
      6 },
    { "zstd-compressed data", 0, "\x28\xb5\x2f\xfd", 4 },
    { "bzip2-compressed data", 0, "BZh", 3 },
    { "LZ4-compressed data", 0, "\x04\x22\x4d\x18", 4 },
    { "a ZIP archive", 0, "PK\x03\x04", 4 },
    { "a 7-Zip archive", 0, "7z\xbc\xaf\x27\x1c", 6 },
    { "a RAR archive", 0, "Rar!\x1a\x07", 6 },
    { "an XML document", 0, "<?xml", 5 },
    { "a PNG picture", 0, "\x89PNG\r\n\x1a\n", 8 },
    { "a PDF document", 0, "%PDF-", 5 },
};

static const char *find_magic(const struct magic *list, size_t n, const uint8_t *head, size_t have)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].off + list[i].len <= have &&
            memcmp(head + list[i].off, list[i].bytes, list[i].len) == 0)
            return list[i].name;
    return NULL;
}

/* What a web site answers where the disk is gone, kept under the disk's name. */
static bool is_html(const uint8_t *head, size_t have)
{
    static const char *const starts[] = { "<!doctype html", "<html" };
    size_t at = 0;

    while (at < have && strchr(" \t\r\n", head[at]) != NULL && head[at] != '\0')
        at++;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (have - at >= strlen(starts[i]) &&
            strncasecmp((const char *)head + at, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

/* A CD's file system; not one that is made to start from a disk as well, and so is one. */
static bool is_iso(const uint8_t *head, size_t have)
{
    return have >= ISO_MARK + 6 && memcmp(head + ISO_MARK, "\x01\x43\x44\x30\x30\x31", 6) == 0 &&
           memcmp(head + 510, "\x55\xaa", 2) != 0;
}

static int refuse_foreign(struct vml_input *in, struct vml_error *err)
{
    const char *name;
    const void *head;
    size_t have;

    if (vml_input_peek(in, ISO_MARK + 6, &head, &have, err) < 0)
        return -1;
    name = find_magic(disks, sizeof disks / sizeof disks[0], head, have);
    if (name == NULL)
        name = find_magic(files, sizeof files / sizeof files[0], head, have);
    if (name == NULL && is_html(head, have))
        name = "an HTML document";
    if (name == NULL && is_iso(head, have))
        name = "an ISO 9660 image of a CD";
    if (name == NULL)
        return 0;
    return vml_fail(err, VML_EUNSUPPORTED, "image/foreign",
                    "this is %s, which vmlift does not read (-f raw takes it as it is)", name);
}

/* Somebody else's mark at the start of what `f` claims by its end: who opens it with another
 * program gets another disk. */
static int refuse_two(struct vml_input *in, const struct vml_format *f, struct vml_error *err)
{
    const char *name;
    const void *head;
    size_t have;

    if (vml_input_peek(in, 512, &head, &have, err) < 0)
        return -1;
    name = find_magic(disks, sizeof disks / sizeof disks[0], head, have);
    if (name == NULL)
        return 0;
    return vml_fail(err, VML_EDATA, "image/ambiguous",
                    "has the marks of two formats: it is a %s, and begins as %s; -f %s takes it as "
                    "the one",
                    f->name, name, f->name);
}

int vml_image_probe_raw(const struct vml_format **out, const struct vml_format *const *table,
                        struct vml_input *in, bool any_raw, struct vml_error *err)
{
    const struct vml_format *best = NULL, *other = NULL;
    int most = 0;

    for (size_t i = 0; table[i] != NULL; i++) {
        int claim = table[i]->probe(in, err);

        if (claim < 0)
            return -1;
        if (claim > most) {
            if (most > 1)
                other = best;
            most = claim;
            best = table[i];
        } else if (claim > 1) {
            other = table[i];
        }
    }
    if (best == NULL)
        return vml_fail(err, VML_EDATA, "image/unknown", "not a format that vmlift knows");
    if (other != NULL) /* made by somebody who wants two programs to see two disks, or by chance */
        return vml_fail(err, VML_EDATA, "image/ambiguous",
                        "has the marks of two formats, %s and %s: -f says which one is meant",
                        best->name, other->name);
    if (most > 1) {
        *out = best;
        return refuse_two(in, best, err);
    }
    /* Only raw is left, which claims anything by 1. */
    if (refuse_foreign(in, err) < 0)
        return -1;
    if (!any_raw && !vml_input_can_seek(in))
        return vml_fail(err, VML_EUNSUPPORTED, "image/raw-pipe",
                        "no format known by its head; on a pipe a raw disk cannot be told from a "
                        "fixed VHD, whose only mark is at its end: say -f raw, or give a file");
    *out = best;
    return 0;
}

int vml_image_probe(const struct vml_format **out, const struct vml_format *const *table,
                    struct vml_input *in, struct vml_error *err)
{
    return vml_image_probe_raw(out, table, in, false, err);
}

/* --- opening -------------------------------------------------------------------------------- */

static int reader_named(struct vml_reader **out, const struct vml_format *f, struct vml_input **in,
                        struct vml_error *err)
{
    char *name = strdup(vml_input_name(*in));

    if (name == NULL)
        return vml_fail_nomem(err);
    if (f->open == NULL) {
        free(name);
        return vml_fail(err, VML_EUNSUPPORTED, "image/package",
                        "%s holds disks and is not one itself", f->name);
    }
    if (f->open(out, *in, err) < 0) {
        free(name);
        return -1;
    }
    *in = NULL;
    (*out)->name = name;
    assert((*out)->unit >= 512 && ((*out)->unit & ((*out)->unit - 1)) == 0);
    return 0;
}

/* What the input holds, as it stands or (packed) compressed as a whole. */
static int find_format(const struct vml_format **f, const struct vml_format *const *table,
                       struct vml_input **in, const char *name, bool packed, struct vml_error *err)
{
    const char *kind = NULL;

    if (packed && vml_input_compression(*in, &kind, err) < 0)
        return -1;
    if (kind != NULL)
        return vml_compressed_open(in, f, table, name, err);
    return name != NULL ? vml_format_find(f, table, name, err)
                        : vml_image_probe(f, table, *in, err);
}

int vml_image_open_alone(struct vml_reader **out, const struct vml_format *const *table,
                         struct vml_input *in, const char *format, bool packed,
                         struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *owned = in;
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    const struct vml_format *f = NULL;
    uint64_t stored = vml_input_size(in);
    bool unpacked = false;
    int rc = find_format(&f, table, &owned, format, packed, err);

    if (rc == 0) {
        unpacked = owned != in;
        rc = reader_named(&r, f, &owned, err);
    }
    if (rc < 0) {
        if (err->code != VML_EINTERRUPTED)
            vml_error_prefix(err, "%s", vml_input_name(owned));
        return -1;
    }
    assert(r != NULL);
    if (unpacked) /* the reader saw only what is inside */
        r->stored_size = stored;
    if (r->size != VML_SIZE_UNKNOWN && (r->size == 0 || r->size > VML_DISK_MAX))
        return vml_fail(err, VML_EDATA, "image/size", "%s: a disk of %llu bytes; from 1 to %llu",
                        r->name, (unsigned long long)r->size, (unsigned long long)VML_DISK_MAX);
    *out = r;
    r = NULL;
    return 0;
}

/* --- creating ------------------------------------------------------------------------------- */

const char *vml_create_option(const struct vml_create *c, const char *name, const char *def,
                              char buf[64])
{
    const char *p = c->options;
    size_t want = strlen(name);

    while (p != NULL && *p != '\0') {
        size_t n = strcspn(p, ",");

        if (n > want && p[want] == '=' && strncmp(p, name, want) == 0) {
            snprintf(buf, 64, "%.*s", (int)(n - want - 1), p + want + 1);
            return buf;
        }
        p += n + (p[n] == ',');
    }
    return def;
}

static int check_options(const struct vml_format *f, const char *options, struct vml_error *err)
{
    for (const char *p = options; p != NULL && *p != '\0';) {
        size_t n = strcspn(p, ","), key = strcspn(p, "=");
        const struct vml_option *o = f->options;

        if (key >= n)
            return vml_fail(err, VML_EUSAGE, "image/option", "option '%.*s': needs a value", (int)n,
                            p);
        while (o != NULL && o->name != NULL &&
               (strlen(o->name) != key || strncmp(o->name, p, key) != 0))
            o++;
        if (o == NULL || o->name == NULL)
            return vml_fail(err, VML_EUSAGE, "image/option", "%s has no option '%.*s'", f->name,
                            (int)key, p);
        if (n - key - 1 > 63)
            return vml_fail(err, VML_EUSAGE, "image/option", "option '%.*s': value too long",
                            (int)key, p);
        p += n + (p[n] == ',');
    }
    return 0;
}

static int refuse_read_only(const struct vml_format *f, struct vml_error *err)
{
    return vml_fail(err, VML_EUNSUPPORTED, "image/read-only", "%s is read, and not written",
                    f->name);
}

static int find_subformat(const struct vml_subformat **out, const struct vml_format *f,
                          const char *name, struct vml_error *err)
{
    const struct vml_subformat *s = f->subformats;

    while (s->name != NULL &&
           ((s->can & VML_CAN_WRITE) == 0 || (name != NULL && strcasecmp(s->name, name) != 0)))
        s++;
    if (s->name == NULL && name == NULL)
        return refuse_read_only(f, err);
    if (s->name == NULL)
        return vml_fail(err, VML_EUSAGE, "image/subformat", "%s cannot be written as '%s'", f->name,
                        name);
    *out = s;
    return 0;
}

/* `-o align=N`: N for the subformat's own rounding, where the format offers that option. */
static int find_align(uint64_t *align, const struct vml_create *c, const struct vml_subformat *s,
                      struct vml_error *err)
{
    char buf[64];
    const char *text = vml_create_option(c, "align", NULL, buf);

    *align = s->align > 0 ? s->align : 1;
    if (text == NULL)
        return 0;
    if (vml_size_parse(align, text, err) < 0)
        return -1;
    if (*align < 512 || *align > 1u << 20 || (*align & (*align - 1)) != 0)
        return vml_fail(err, VML_EUSAGE, "image/option",
                        "option 'align': %s is not a power of two from 512 to 1M", text);
    return 0;
}

int vml_create_check(const struct vml_format *f, const struct vml_output *o, struct vml_create *c,
                     const struct vml_subformat **out, struct vml_error *err)
{
    const struct vml_subformat *s = NULL;

    if (find_subformat(&s, f, c->subformat, err) < 0 || check_options(f, c->options, err) < 0)
        return -1;
    if (!vml_output_can_seek(o) && (s->can & VML_PIPE_WRITE) == 0)
        return vml_fail(err, VML_EUNSUPPORTED, "image/needs-seek",
                        "%s %s is completed at the end in places further in front: it cannot go to "
                        "a pipe",
                        f->name, s->name);
    c->subformat = s->name;
    *out = s;
    return 0;
}

/* Naming a subformat that takes the disk, where there is one. */
static int refuse_size(const struct vml_format *f, const struct vml_subformat *s, uint64_t size,
                       struct vml_error *err)
{
    const struct vml_subformat *other = f->subformats;

    while (other->name != NULL && ((other->can & VML_CAN_WRITE) == 0 || size > other->max))
        other++;
    return vml_fail(err, VML_EUNSUPPORTED, "image/too-large",
                    "%s %s holds %llu bytes at most, and the disk has %llu%s%s", f->name, s->name,
                    (unsigned long long)s->max, (unsigned long long)size,
                    other->name != NULL ? "; -o subformat=" : "",
                    other->name != NULL ? other->name : "");
}

static int create_checked(struct vml_writer **out, const struct vml_format *f,
                          struct vml_output **o, struct vml_create *c, struct vml_error *err)
{
    const struct vml_subformat *s = NULL;
    uint64_t align = 1;
    char *name;

    if (f->create == NULL && f->package != NULL)
        return vml_fail(err, VML_EUNSUPPORTED, "image/package",
                        "%s holds disks and is not one itself", f->name);
    if (f->create == NULL)
        return refuse_read_only(f, err);
    if (vml_create_check(f, *o, c, &s, err) < 0 || find_align(&align, c, s, err) < 0)
        return -1;
    if (c->size == VML_SIZE_UNKNOWN && (s->can & VML_ANY_SIZE) == 0)
        return vml_fail(err, VML_EUSAGE, "image/size-unknown",
                        "%s %s must know the disk's size beforehand, and a pipe does not tell it: "
                        "--size gives it",
                        f->name, s->name);
    if (c->size != VML_SIZE_UNKNOWN) {
        c->size = vml_round_up(c->size, align);
        if (c->size > s->max)
            return refuse_size(f, s, c->size, err);
    }
    name = strdup(vml_output_name(*o));
    if (name == NULL)
        return vml_fail_nomem(err);
    if (f->create(out, *o, c, err) < 0) {
        free(name);
        return -1;
    }
    *o = NULL;
    (*out)->name = name;
    assert((*out)->unit >= 512 && ((*out)->unit & ((*out)->unit - 1)) == 0);
    return 0;
}

int vml_image_create(struct vml_writer **out, const struct vml_format *format, struct vml_output *o,
                     uint64_t size, const char *subformat, const char *options,
                     struct vml_error *err)
{
    VML_AUTO(vml_output_freep) struct vml_output *owned = o;
    struct vml_create c = { .size = size, .subformat = subformat, .options = options };

    if (create_checked(out, format, &owned, &c, err) < 0) {
        vml_error_prefix(err, "%s", vml_output_name(o));
        return -1;
    }
    return 0;
}

/* --- extents and bytes ---------------------------------------------------------------------- */

void vml_extent_clear(struct vml_extent *x)
{
    free(x->payload);
    x->payload = NULL;
    x->payload_len = 0;
}

int vml_extent_at(struct vml_reader *r, uint64_t off, struct vml_extent *x, struct vml_error *err)
{
    assert(off < r->size);
    *x = (struct vml_extent){ .off = off };
    if (r->ops->extent(r, off, x, err) < 0) {
        vml_extent_clear(x);
        return -1;
    }
    /* These are promises between our own modules; what a file says was checked by its format. */
    assert(x->off == off && (x->len > 0 || r->size == VML_SIZE_UNKNOWN));
    assert(r->size == VML_SIZE_UNKNOWN || x->len <= r->size - off);
    assert(x->payload == NULL || (x->kind == VML_DATA && !r->can_seek));
    return 0;
}

int vml_run_at(struct vml_reader *r, uint64_t off, struct vml_extent *x, struct vml_error *err)
{
    uint64_t unit = vml_round_down(off, r->unit);

    if (vml_extent_at(r, unit, x, err) < 0)
        return -1;
    if (x->len > off - unit)
        return 0;
    return vml_extent_at(r, off, x, err); /* that was a short run before the one that holds off */
}

int vml_pread(struct vml_reader *r, void *buf, size_t len, uint64_t off, struct vml_error *err)
{
    uint8_t *p = buf;

    assert(r->can_seek);
    if (off > r->size || len > r->size - off)
        return vml_fail(err, VML_EUSAGE, "image/range",
                        "%zu bytes at offset %llu of a disk of %llu bytes", len,
                        (unsigned long long)off, (unsigned long long)r->size);
    while (len > 0) {
        struct vml_extent x;
        size_t n;

        if (vml_run_at(r, off, &x, err) < 0)
            return -1;
        n = (size_t)vml_min_u64(len, x.off + x.len - off);
        if (x.kind == VML_DATA) {
            if (r->ops->load(r, &x, off, n, p, err) < 0)
                return -1;
        } else {
            memset(p, 0, n);
        }
        p += n;
        off += n;
        len -= n;
    }
    return 0;
}

bool vml_is_zero(const void *buf, size_t len)
{
    const uint8_t *p = buf;

    /* Sixteen bytes by hand, then each byte against the one sixteen before it: memcmp is vectorised
     * in every libc. */
    for (size_t i = 0; i < 16 && i < len; i++)
        if (p[i] != 0)
            return false;
    return len <= 16 || memcmp(p, p + 16, len - 16) == 0;
}

int vml_chunk_reserve(struct vml_chunk *c, size_t cap, struct vml_error *err)
{
    if (cap <= c->enc_cap)
        return 0;
    free(c->enc);
    c->enc = malloc(cap);
    c->enc_cap = c->enc != NULL ? cap : 0;
    return c->enc != NULL ? 0 : vml_fail_nomem(err);
}

void vml_reader_free(struct vml_reader *r)
{
    char *name;

    if (r == NULL)
        return;
    vml_notes_clear(&r->notes);
    name = r->name;
    free(r->parent_name);
    r->parent_name = NULL;
    r->ops->free(r);
    free(name);
}

void vml_reader_freep(struct vml_reader **r)
{
    vml_reader_free(*r);
    *r = NULL;
}

void vml_writer_free(struct vml_writer *w)
{
    char *name;

    if (w == NULL)
        return;
    name = w->name;
    w->ops->free(w);
    free(name);
}

void vml_writer_freep(struct vml_writer **w)
{
    vml_writer_free(*w);
    *w = NULL;
}
