/* The descriptor: lines of text, inside a sparse file or in a file of its own.
 *
 *     # Disk DescriptorFile
 *     version=1
 *     CID=fffffffe
 *     parentCID=ffffffff
 *     createType="streamOptimized"
 *     # Extent description
 *     RDONLY 2048 SPARSE "generated-stream.vmdk"
 *     # The Disk Data Base
 *     #DDB
 *     ddb.adapterType = "lsilogic"
 *
 * Keys are case-insensitive; disklib leaves spaces at the ends of lines, others write CRLF or leave
 * the quotes out; a NUL ends the text, but need not be there.  In a file that holds its own data
 * the extent's name is what the file was called once, and is never opened; a descriptor in a file
 * of its own is read by vmdk_extents.c. */
#include "vmdk.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct span {
    const char *p;
    size_t len;
};

static struct span span_trim(struct span s)
{
    while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = (struct span){ s.p + 1, s.len - 1 };
    while (s.len > 0 && strchr(" \t\r", s.p[s.len - 1]) != NULL)
        s.len--;
    return s;
}

static bool span_is(struct span s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.p, word, s.len) == 0;
}

/* The first word of *s, which is taken off it; a quoted word loses its quotes. */
static struct span span_word(struct span *s)
{
    struct span w = span_trim(*s), rest;
    const char *quote = w.len > 0 && w.p[0] == '"' ? memchr(w.p + 1, '"', w.len - 1) : NULL;
    size_t n = 0;

    if (quote != NULL) {
        rest.p = quote + 1;
        rest.len = w.len - (size_t)(rest.p - w.p);
        w = (struct span){ w.p + 1, (size_t)(quote - w.p - 1) };
    } else {
        while (n < w.len && w.p[n] != ' ' && w.p[n] != '\t')
            n++;
        rest = (struct span){ w.p + n, w.len - n };
        w.len = n;
    }
    *s = rest;
    return w;
}

/* Into a message: what is not printable ASCII is shown as \xNN, what is long is cut. */
static void span_show(char *out, size_t cap, struct span s)
{
    size_t used = 0;

    for (size_t i = 0; i < s.len && used + 5 < cap; i++) {
        unsigned char c = (unsigned char)s.p[i];

        used += (size_t)(c >= 0x20 && c < 0x7f ? snprintf(out + used, cap - used, "%c", c)
                                               : snprintf(out + used, cap - used, "\\x%02x", c));
    }
    out[used] = '\0';
}

static int bad_line(unsigned line, struct span text, struct vml_error *err)
{
    char shown[96];

    span_show(shown, sizeof shown, text);
    return vml_fail(err, VML_EDATA, "vmdk/desc-line", "descriptor line %u is not understood: %s",
                    line, shown);
}

static bool parse_number(uint64_t *n, struct span s)
{
    *n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!isdigit((unsigned char)s.p[i]) || *n > VML_DISK_MAX)
            return false;
        *n = *n * 10 + (uint64_t)(s.p[i] - '0');
    }
    return s.len > 0;
}

static char *span_copy(struct span s)
{
    return strndup(s.p, s.len);
}

/* RW 2048 SPARSE "name" [offset] */
static int parse_extent(struct vmdk_desc *d, struct span line, unsigned number,
                        struct vml_error *err)
{
    struct span rest = line, access = span_word(&rest), type, file, offset;
    struct vmdk_piece *p;
    uint64_t sectors, at = 0;

    if (!parse_number(&sectors, span_word(&rest)) || sectors > VML_DISK_MAX / VMDK_SECTOR)
        return bad_line(number, line, err);
    type = span_word(&rest);
    file = span_word(&rest);
    offset = span_word(&rest);
    if (type.len == 0 || type.len >= sizeof p->type || span_trim(rest).len > 0 ||
        (offset.len > 0 && (!parse_number(&at, offset) || at > VML_DISK_MAX / VMDK_SECTOR)))
        return bad_line(number, line, err);
    if (d->n_pieces == VMDK_PIECES_MAX)
        return vml_fail(err, VML_EDATA, "vmdk/extent-size",
                        "the descriptor has more than %u extents", VMDK_PIECES_MAX);
    p = realloc(d->pieces, (d->n_pieces + 1) * sizeof *p);
    if (p == NULL)
        return vml_fail_nomem(err);
    d->pieces = p;
    p += d->n_pieces;
    *p = (struct vmdk_piece){ .line = number,
                              .no_access = span_is(access, "NOACCESS"),
                              .size = sectors * VMDK_SECTOR,
                              .offset = at * VMDK_SECTOR,
                              .file = span_copy(file) };
    if (p->file == NULL)
        return vml_fail_nomem(err);
    span_show(p->type, sizeof p->type, type);
    d->n_pieces++;
    d->ended = false;
    d->size += p->size;
    return 0;
}

/* Eight digits, whatever it was written with. */
static int parse_cid(char cid[9], const char *key, struct span value, struct vml_error *err)
{
    char shown[32];

    span_show(shown, sizeof shown, value);
    if (value.len < 1 || value.len > 8 || strspn(shown, "0123456789abcdefABCDEF") != value.len)
        return vml_fail(err, VML_EDATA, "vmdk/desc-field",
                        "the descriptor's %s is '%s', not up to eight hexadecimal digits", key,
                        shown);
    snprintf(cid, 9, "%08lx", strtoul(shown, NULL, 16));
    return 0;
}

enum { KEY_VERSION, KEY_CID, KEY_TYPE, KEY_PARENT_CID, KEY_HINT, KEY_ENCODING, N_KEYS };
static const char *const keys[N_KEYS] = {
    "version", "CID", "createType", "parentCID", "parentFileNameHint", "encoding"
};

static int parse_key(struct vmdk_desc *d, bool seen[N_KEYS], struct span key, struct span value,
                     struct vml_error *err)
{
    unsigned k = 0;

    if (value.len > 0 && value.p[0] == '"')
        value = span_word(&value);
    if (key.len > 4 && strncasecmp(key.p, "ddb.", 4) == 0)
        d->ended = true;
    if (span_is(key, "ddb.adapterType")) /* of no use to a reader: it may be there twice */
        span_show(d->adapter, sizeof d->adapter, value);
    while (k < N_KEYS && !span_is(key, keys[k]))
        k++;
    if (k == N_KEYS)
        return 0;
    if (seen[k])
        return vml_fail(err, VML_EDATA, "vmdk/desc-field", "the descriptor has %s twice", keys[k]);
    seen[k] = true;
    if (k == KEY_CID || k == KEY_PARENT_CID)
        return parse_cid(k == KEY_CID ? d->cid : d->parent_cid, keys[k], value, err);
    if (k == KEY_TYPE)
        span_show(d->create_type, sizeof d->create_type, value);
    else if (k == KEY_ENCODING)
        span_show(d->encoding, sizeof d->encoding, value);
    else if (k == KEY_HINT && value.len > 0 && (d->hint = span_copy(value)) == NULL)
        return vml_fail_nomem(err);
    return 0;
}

static int parse_line(struct vmdk_desc *d, bool seen[N_KEYS], struct span line, unsigned number,
                      struct vml_error *err)
{
    struct span rest = line, word, key, value;
    const char *equals;

    if (line.len == 0 || line.p[0] == '#')
        return 0;
    for (size_t i = 0; i < line.len; i++) /* names are shown, on terminals too */
        if (iscntrl((unsigned char)line.p[i]) && line.p[i] != '\t')
            return bad_line(number, line, err);
    word = span_word(&rest);
    if (span_is(word, "RW") || span_is(word, "RDONLY") || span_is(word, "NOACCESS"))
        return parse_extent(d, line, number, err);
    equals = memchr(line.p, '=', line.len);
    if (equals == NULL || equals == line.p)
        return bad_line(number, line, err);
    key = span_trim((struct span){ line.p, (size_t)(equals - line.p) });
    value = span_trim((struct span){ equals + 1, line.len - (size_t)(equals + 1 - line.p) });
    return parse_key(d, seen, key, value, err);
}

/* The next line off *s. */
static struct span next_line(struct span *s)
{
    const char *end = memchr(s->p, '\n', s->len);
    struct span line = { s->p, end != NULL ? (size_t)(end - s->p) : s->len };
    size_t used = line.len + (end != NULL);

    *s = (struct span){ s->p + used, s->len - used };
    return span_trim(line);
}

static struct span desc_text(const char *text, size_t len)
{
    struct span s = { text, strnlen(text, len) };

    if (s.len >= 3 && memcmp(s.p, "\xef\xbb\xbf", 3) == 0)
        s = (struct span){ s.p + 3, s.len - 3 };
    return s;
}

void vmdk_desc_clear(struct vmdk_desc *d)
{
    for (size_t i = 0; i < d->n_pieces; i++)
        free(d->pieces[i].file);
    free(d->pieces);
    free(d->hint);
    *d = (struct vmdk_desc){ 0 };
}

int vmdk_desc_parse(struct vmdk_desc *d, const char *text, size_t len, struct vml_error *err)
{
    struct span rest = desc_text(text, len);
    bool seen[N_KEYS] = { false };

    *d = (struct vmdk_desc){ 0 };
    for (unsigned number = 1; rest.len > 0; number++)
        if (parse_line(d, seen, next_line(&rest), number, err) < 0)
            return -1;
    for (unsigned k = KEY_VERSION; k <= KEY_TYPE; k++)
        if (!seen[k])
            return vml_fail(err, VML_EDATA, "vmdk/desc-field", "the descriptor has no %s", keys[k]);
    return 0;
}

bool vmdk_desc_empty(const char *text, size_t len)
{
    return desc_text(text, len).len == 0;
}

bool vmdk_desc_probe(const void *text, size_t len)
{
    struct span rest = desc_text(text, len);
    bool type = false, version = false;

    for (unsigned number = 1; rest.len > 0; number++) {
        struct span line = next_line(&rest);

        if (number == 1 && span_is(line, "# Disk DescriptorFile"))
            return true;
        for (size_t i = 0; i < line.len; i++)
            if ((unsigned char)line.p[i] < 0x20 && line.p[i] != '\t')
                return false;
        type = type || (line.len > 10 && strncasecmp(line.p, "createType", 10) == 0);
        version = version || (line.len > 7 && strncasecmp(line.p, "version", 7) == 0);
    }
    return type && version;
}

/* A name on the machine that made the child, reduced to what may lie beside it here: the last part
 * of "C:\\VMs\\base.vmdk", "/vmfs/volumes/..", "[datastore1] vm/base.vmdk". */
static const char *parent_beside(const char *hint)
{
    const char *last = strrchr(hint, '/'), *back = strrchr(hint, '\\');

    if (back == NULL && hint[0] != '/' && hint[0] != '[')
        return hint;
    if (last == NULL || (back != NULL && back > last))
        last = back;
    return last != NULL ? last + 1 : hint;
}

int vmdk_desc_parent(const struct vmdk_desc *d, struct vml_reader *r, struct vml_error *err)
{
    bool none = d->parent_cid[0] == '\0' || strcmp(d->parent_cid, "ffffffff") == 0;

    snprintf(r->id, sizeof r->id, "%s", d->cid);
    if (none && d->hint == NULL)
        return 0;
    r->parent_name = strdup(d->hint != NULL ? parent_beside(d->hint) : "");
    if (r->parent_name == NULL)
        return vml_fail_nomem(err);
    if (!none && strcmp(d->parent_cid, "fffffffe") != 0) /* which says: ask ddb.longContentID */
        snprintf(r->parent_id, sizeof r->parent_id, "%s", d->parent_cid);
    return 0;
}

int vmdk_desc_check(const char *text, size_t len, const struct vmdk_header *h, struct vml_reader *r,
                    struct vml_error *err)
{
    VML_AUTO(vmdk_desc_clear) struct vmdk_desc d = { 0 };

    if (vmdk_desc_empty(text, len)) /* or room for one, with nothing in it */
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/subformat",
                        "has no descriptor inside: it is one piece of a disk of several files, "
                        "whose descriptor is what to give");
    if (vmdk_desc_parse(&d, text, len, err) < 0)
        return -1;
    if (strcasecmp(d.create_type, "monolithicSparse") != 0 &&
        strcasecmp(d.create_type, "streamOptimized") != 0)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/subformat",
                        "%s in one file with its descriptor; monolithicSparse and streamOptimized "
                        "are known",
                        d.create_type);
    if (d.n_pieces != 1 || strcasecmp(d.pieces[0].type, "SPARSE") != 0 || d.pieces[0].no_access)
        return vml_fail(err, VML_EUNSUPPORTED, "vmdk/subformat",
                        "the descriptor tells of %zu extents, the first of type '%s'; one of type "
                        "SPARSE is expected",
                        d.n_pieces,
                        d.n_pieces == 0         ? ""
                        : d.pieces[0].no_access ? "NOACCESS"
                                                : d.pieces[0].type);
    if (d.size != h->size)
        vml_note(&r->notes, "vmdk/extent-size",
                 "the descriptor says %llu sectors and the header %llu, which counts",
                 (unsigned long long)(d.size / VMDK_SECTOR),
                 (unsigned long long)(h->size / VMDK_SECTOR));
    return vmdk_desc_parent(&d, r, err);
}
