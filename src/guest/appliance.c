#include "guest/appliance.h"

#include "guest/libguestfs.h"

#ifdef VMLIFT_GUESTFS

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vmlift/endian.h"

/* --- files ---------------------------------------------------------------------------------- */

static char *tree_pread(void *arg, const char *path, uint64_t off, size_t len, size_t *got)
{
    *got = 0;
    return vml_guestfs.pread(arg, path, (int)len, (int64_t)off, got);
}

static char **tree_list(void *arg, const char *path)
{
    return vml_guestfs.ls(arg, path);
}

static enum vml_tree_kind tree_kind(void *arg, const char *path, bool itself)
{
    struct guestfs_statns *st =
        itself ? vml_guestfs.lstatns(arg, path) : vml_guestfs.statns(arg, path);
    enum vml_tree_kind kind = VML_TREE_NOTHING;

    if (st == NULL)
        return VML_TREE_NOTHING;
    if (S_ISREG(st->st_mode))
        kind = VML_TREE_FILE;
    else if (S_ISDIR(st->st_mode))
        kind = VML_TREE_FOLDER;
    else if (S_ISLNK(st->st_mode))
        kind = VML_TREE_LINK;
    vml_guestfs.free_statns(st);
    return kind;
}

void vml_appliance_tree(struct guestfs_h *g, struct vml_tree *t)
{
    *t = (struct vml_tree){ tree_pread, tree_list, tree_kind, g };
}

/* --- the registry --------------------------------------------------------------------------- */

static bool open_hive(struct vml_appliance_hives *a, const char *hive)
{
    int n = strcmp(hive, "SYSTEM") == 0 ? 0 : 1;

    if (a->open == n)
        return true;
    vml_appliance_hives_close(a);
    if (a->paths[n] == NULL || vml_guestfs.hivex_open(a->g, a->paths[n], -1) < 0)
        return false;
    a->open = n;
    return true;
}

/* 0: there is no such key. */
static int64_t find_key(struct vml_appliance_hives *a, const char *hive, const char *key)
{
    int64_t node = open_hive(a, hive) ? vml_guestfs.hivex_root(a->g) : 0;
    char name[256];

    while (node > 0 && *key != '\0') {
        size_t n = strcspn(key, "\\");

        if (n >= sizeof name)
            return 0;
        memcpy(name, key, n);
        name[n] = '\0';
        node = vml_guestfs.hivex_node_get_child(a->g, node, name);
        key += n + (key[n] == '\\');
    }
    return node > 0 ? node : 0;
}

/* Its bytes and its type; NULL. */
static char *find_value(struct vml_appliance_hives *a, const char *hive, const char *key,
                        const char *value, size_t *len, int64_t *type)
{
    int64_t node = find_key(a, hive, key);
    int64_t at = node > 0 ? vml_guestfs.hivex_node_get_value(a->g, node, value) : 0;

    if (at <= 0)
        return NULL;
    *type = vml_guestfs.hivex_value_type(a->g, at);
    return vml_guestfs.hivex_value_value(a->g, at, len);
}

/* A list's texts end with a zero each, and itself with one more. */
static char *text_of(const uint8_t *raw, size_t len)
{
    char *text = malloc(len / 2 * 3 + 1);
    size_t at = 0, zeroes = 0;

    for (size_t i = 0; text != NULL && i + 1 < len; i += 2) {
        unsigned c = le16(raw + i);

        if (c == 0) {
            zeroes++;
            continue;
        }
        if (zeroes > 0 && at > 0)
            text[at++] = ' ';
        zeroes = 0;
        if (c < 0x80) {
            text[at++] = (char)c;
        } else if (c < 0x800) {
            text[at++] = (char)(0xc0 | c >> 6);
            text[at++] = (char)(0x80 | (c & 0x3f));
        } else if (c >= 0xd800 && c < 0xe000) {
            text[at++] = '?'; /* nothing that is looked for has characters beyond the first plane */
        } else {
            text[at++] = (char)(0xe0 | c >> 12);
            text[at++] = (char)(0x80 | (c >> 6 & 0x3f));
            text[at++] = (char)(0x80 | (c & 0x3f));
        }
    }
    if (text != NULL)
        text[at] = '\0';
    return text;
}

static char *hive_text(void *arg, const char *hive, const char *key, const char *value)
{
    enum { REG_SZ = 1, REG_EXPAND_SZ = 2, REG_MULTI_SZ = 7 };
    size_t len = 0;
    int64_t type = 0;
    VML_AUTO(vml_freep) char *raw = find_value(arg, hive, key, value, &len, &type);

    return raw != NULL && (type == REG_SZ || type == REG_EXPAND_SZ || type == REG_MULTI_SZ)
               ? text_of((const uint8_t *)raw, len)
               : NULL;
}

static bool hive_number(void *arg, const char *hive, const char *key, const char *value,
                        uint32_t *n)
{
    enum { REG_DWORD = 4 };
    size_t len = 0;
    int64_t type = 0;
    VML_AUTO(vml_freep) char *raw = find_value(arg, hive, key, value, &len, &type);

    if (raw == NULL || type != REG_DWORD || len != 4)
        return false;
    *n = le32((const uint8_t *)raw);
    return true;
}

static char **hive_list(void *arg, const char *hive, const char *key)
{
    struct vml_appliance_hives *a = arg;
    int64_t node = find_key(a, hive, key);
    struct guestfs_hivex_node_list *nodes =
        node > 0 ? vml_guestfs.hivex_node_children(a->g, node) : NULL;
    char **names = nodes != NULL ? calloc(nodes->len + 1, sizeof *names) : NULL;
    size_t n = 0;

    for (uint32_t i = 0; names != NULL && i < nodes->len; i++) {
        names[n] = vml_guestfs.hivex_node_name(a->g, nodes->val[i].hivex_node_h);
        n += names[n] != NULL;
    }
    if (nodes != NULL)
        vml_guestfs.free_hivex_node_list(nodes);
    return names;
}

void vml_appliance_hives(struct vml_appliance_hives *a, struct vml_hives *h)
{
    a->open = -1;
    *h = (struct vml_hives){ hive_text, hive_number, hive_list, a };
}

void vml_appliance_hives_close(struct vml_appliance_hives *a)
{
    if (a->open >= 0)
        (void)vml_guestfs.hivex_close(a->g);
    a->open = -1;
}

#endif
