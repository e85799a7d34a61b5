/* The physical volumes of LVM2.
 *
 *     sector 0..3   label: 0 "LABELONE", 8 u64 its sector, 20 u32 where the header is, 24 "LVM2
 * 001" header        32 UUID, 32 u64 size, then pairs of u64 offset and length, {0, 0} after each
 * list: the data's, then the metadata's metadata      4 " LVM2 x[5A%r0N*>", 40 u64 offset and 48
 * u64 length of the text in this area, which is a ring behind its first 512 bytes
 *
 * The text is nested: name { key = value .. name { .. } }.  Of it only what names the volumes and
 * says where their first bytes are is taken. */
#include "guest/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmlift/endian.h"

#define TEXT_MAX (256u << 10)
#define DEPTH    6

static bool find_label(const struct vml_region *g, uint8_t sector[VML_SECTOR])
{
    for (uint64_t i = 0; i < 4; i++)
        if (vml_region_read(g, sector, VML_SECTOR, i * VML_SECTOR) &&
            memcmp(sector, "LABELONE", 8) == 0 && memcmp(sector + 24, "LVM2 001", 8) == 0)
            return true;
    return false;
}

/* Where the first area of metadata is. */
static bool find_area(const uint8_t *label, uint64_t *area, uint64_t *len)
{
    size_t at = le32(label + 20);
    unsigned lists = 0;

    for (at += 40; at <= VML_SECTOR - 16; at += 16) {
        if (le64(label + at) == 0) {
            lists++;
        } else if (lists == 1) {
            *area = le64(label + at);
            *len = le64(label + at + 8);
            return true;
        }
    }
    return false;
}

/* The text, malloc'd and with a NUL behind it; NULL where it cannot be had. */
static char *read_text(const struct vml_region *g)
{
    uint8_t label[VML_SECTOR], head[VML_SECTOR];
    uint64_t area, area_len, off, len, first;
    char *text;

    if (!find_label(g, label) || le32(label + 20) > VML_SECTOR ||
        !find_area(label, &area, &area_len) || !vml_region_read(g, head, sizeof head, area) ||
        memcmp(head + 4, " LVM2 x[5A%r0N*>", 16) != 0)
        return NULL;
    off = le64(head + 40);
    len = le64(head + 48);
    if (len == 0 || len > TEXT_MAX || area_len <= VML_SECTOR || off < VML_SECTOR ||
        off >= area_len || len > area_len - VML_SECTOR)
        return NULL;
    first = vml_min_u64(len, area_len - off);
    text = vml_view_alloc(g->view, (size_t)len + 1);
    if (text == NULL)
        return NULL;
    if (!vml_region_read(g, text, (size_t)first, area + off) ||
        !vml_region_read(g, text + first, (size_t)(len - first), area + VML_SECTOR)) {
        free(text);
        return NULL;
    }
    text[len] = '\0';
    return text;
}

/* --- the text ------------------------------------------------------------------------------- */

struct lvm {
    struct vml_boot *b;
    const struct vml_region *g;
    vml_lvm_fn *fn;
    void *arg;
    char path[DEPTH][128]; /* names of the blocks around here */
    unsigned depth;
    uint64_t extent, pe_start; /* bytes */
    char pv[64], pv_id[48];    /* the block in physical_volumes that is this one */
    char own_id[48];
    /* of the volume being read */
    uint64_t start, count, extents;
    unsigned segments;
    bool visible, plain, here;
};

/* The next word: a name, a number, a text without its quotes, or one of { } [ ] = and ','. */
static bool next_word(const char **p, char *word, size_t size)
{
    const char *s = *p;
    size_t n = 0;

    for (;;) {
        s += strspn(s, " \t\r\n,");
        if (*s != '#')
            break;
        s += strcspn(s, "\n");
    }
    if (*s == '\0')
        return false;
    if (*s == '"') {
        for (s++; *s != '\0' && *s != '"'; s++)
            if (n + 1 < size)
                word[n++] = *s;
        s += *s == '"';
    } else if (strchr("{}[]=", *s) != NULL) {
        word[n++] = *s++;
    } else {
        for (; *s != '\0' && strchr(" \t\r\n,{}[]=\"#", *s) == NULL; s++)
            if (n + 1 < size)
                word[n++] = *s;
    }
    word[n] = '\0';
    *p = s;
    return true;
}

static bool inside(const struct lvm *l, unsigned depth, const char *block)
{
    return l->depth == depth && strcmp(l->path[1], block) == 0;
}

static void begin_block(struct lvm *l)
{
    if (inside(l, 3, "logical_volumes")) {
        l->segments = 0;
        l->extents = 0;
        l->visible = l->plain = l->here = false;
    }
}

static void end_block(struct lvm *l)
{
    struct vml_region g = *l->g;
    struct vml_volume *v;

    if (!inside(l, 3, "logical_volumes") || !l->visible || l->b->n_volumes == VML_VOLUMES_MAX)
        return;
    v = &l->b->volumes[l->b->n_volumes++];
    snprintf(v->name, sizeof v->name, "%.64s/%.64s", l->path[0], l->path[2]);
    v->len = l->extents <= VML_DISK_MAX / l->extent ? l->extents * l->extent : 0;
    if (!l->plain || !l->here || l->start > l->g->len / l->extent)
        return;
    g.off += l->pe_start + l->start * l->extent;
    g.len = vml_min_u64(l->count, VML_DISK_MAX / l->extent) * l->extent;
    if (l->pe_start + l->start * l->extent >= l->g->len)
        return;
    g.len = vml_min_u64(g.len, l->g->len - l->pe_start - l->start * l->extent);
    l->fn(l->arg, v, &g);
}

/* The words in a list: of stripes the first physical volume, and its extent. */
static void take_list(struct lvm *l, const char *key, const char **p)
{
    char word[128];

    for (unsigned i = 0; next_word(p, word, sizeof word) && strcmp(word, "]") != 0; i++) {
        if (strcmp(key, "status") == 0 && inside(l, 3, "logical_volumes") &&
            strcmp(word, "VISIBLE") == 0)
            l->visible = true;
        if (strcmp(key, "stripes") != 0 || !inside(l, 4, "logical_volumes") || l->segments != 1)
            continue;
        if (i == 0)
            l->here = strcmp(word, l->pv) == 0;
        else if (i == 1)
            l->start = strtoull(word, NULL, 10);
    }
}

static void take_value(struct lvm *l, const char *key, const char *value)
{
    uint64_t number = strtoull(value, NULL, 10);

    if (l->depth == 1 && strcmp(key, "extent_size") == 0 && number > 0 && number < 1u << 30)
        l->extent = number * VML_SECTOR;
    else if (inside(l, 3, "physical_volumes") && strcmp(key, "id") == 0 &&
             strcmp(value, l->own_id) == 0)
        snprintf(l->pv, sizeof l->pv, "%.63s", l->path[2]);
    else if (inside(l, 3, "physical_volumes") && strcmp(key, "pe_start") == 0 &&
             strcmp(l->path[2], l->pv) == 0 && number < l->g->len / VML_SECTOR)
        l->pe_start = number * VML_SECTOR;
    else if (inside(l, 4, "logical_volumes") && strcmp(key, "extent_count") == 0) {
        if (l->segments++ == 0)
            l->count = number;
        l->extents += vml_min_u64(number, UINT32_MAX);
    } else if (inside(l, 4, "logical_volumes") && strcmp(key, "stripe_count") == 0 &&
               l->segments == 1)
        l->plain = number == 1;
}

static void parse(struct lvm *l, const char *p)
{
    char word[128], key[128] = "";
    bool value = false;

    while (next_word(&p, word, sizeof word)) {
        if (strcmp(word, "{") == 0) {
            if (l->depth == DEPTH)
                return;
            memcpy(l->path[l->depth++], key, sizeof key);
            begin_block(l);
        } else if (strcmp(word, "}") == 0) {
            if (l->depth == 0)
                return;
            end_block(l);
            l->depth--;
        } else if (strcmp(word, "=") == 0) {
            value = true;
            continue;
        } else if (value && strcmp(word, "[") == 0) {
            take_list(l, key, &p);
        } else if (value) {
            take_value(l, key, word);
        } else {
            memcpy(key, word, sizeof key);
        }
        value = false;
    }
}

/* The label has the UUID's 32 characters, the text has it with dashes. */
static void print_id(char out[48], const uint8_t *id)
{
    static const unsigned groups[] = { 6, 4, 4, 4, 4, 4, 6 };

    for (size_t i = 0; i < 7; i++) {
        memcpy(out, id, groups[i]);
        out += groups[i];
        id += groups[i];
        *out++ = i < 6 ? '-' : '\0';
    }
}

void vml_lvm_read(struct vml_boot *b, const struct vml_region *g, vml_lvm_fn *fn, void *arg)
{
    struct lvm l = { .b = b, .g = g, .fn = fn, .arg = arg, .extent = VML_SECTOR };
    uint8_t label[VML_SECTOR];
    VML_AUTO(vml_freep) char *text = read_text(g);

    if (text == NULL || !find_label(g, label)) {
        vml_note(&b->notes, "boot/lvm", "the metadata of an LVM physical volume cannot be read");
        return;
    }
    if (le32(label + 20) <= VML_SECTOR - 32)
        print_id(l.own_id, label + le32(label + 20));
    parse(&l, text);
}
