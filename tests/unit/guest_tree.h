/* A guest's files, made up in a table: what src/guest reads of a tree. */
#ifndef GUEST_TREE_H
#define GUEST_TREE_H

#include "guest/tree.h"

/* text NULL: a folder; "-> x": a link, which leads nowhere.  len 0: the text's own. */
struct made_file {
    const char *path, *text;
    size_t len;
};

static inline const struct made_file *made_find(const struct made_file *f, const char *path)
{
    for (; f->path != NULL; f++)
        if (strcmp(f->path, path) == 0)
            return f;
    return NULL;
}

static inline bool made_is_link(const struct made_file *f)
{
    return f->text != NULL && strncmp(f->text, "-> ", 3) == 0;
}

static inline char *made_pread(void *arg, const char *path, uint64_t off, size_t len, size_t *got)
{
    const struct made_file *f = made_find(arg, path);
    size_t size;
    char *buf;

    *got = 0;
    if (f == NULL || f->text == NULL || made_is_link(f))
        return NULL;
    size = f->len > 0 ? f->len : strlen(f->text);
    if (off > size)
        off = size;
    *got = (size_t)vml_min_u64(len, size - off);
    buf = malloc(*got + 1);
    CHECK(buf != NULL);
    memcpy(buf, f->text + off, *got);
    return buf;
}

static inline char **made_list(void *arg, const char *path)
{
    char **names = calloc(100, sizeof *names);
    size_t n = 0, len = strlen(path);

    CHECK(names != NULL);
    for (const struct made_file *f = arg; f->path != NULL; f++)
        if (strncmp(f->path, path, len) == 0 && f->path[len] == '/' &&
            strchr(f->path + len + 1, '/') == NULL)
            names[n++] = strdup(f->path + len + 1);
    if (n == 0) {
        free(names);
        return NULL;
    }
    return names;
}

/* Folders are there by what is in them. */
static inline enum vml_tree_kind made_kind(void *arg, const char *path, bool itself)
{
    const struct made_file *f = made_find(arg, path);
    size_t len = strlen(path);

    if (f != NULL && made_is_link(f))
        return itself ? VML_TREE_LINK : VML_TREE_NOTHING;
    if (f != NULL)
        return f->text != NULL ? VML_TREE_FILE : VML_TREE_FOLDER;
    for (f = arg; f->path != NULL; f++)
        if (strncmp(f->path, path, len) == 0 && f->path[len] == '/')
            return VML_TREE_FOLDER;
    return VML_TREE_NOTHING;
}

static inline struct vml_tree made_tree(const struct made_file *files)
{
    return (struct vml_tree){ made_pread, made_list, made_kind, (void *)files };
}

#endif
