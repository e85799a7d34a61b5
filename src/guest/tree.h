/* The files of a guest, for what reads its configuration: the appliance's (tree.c), or made up by a
 * test.  Reads do not fail: what cannot be read cannot be told.  Only a file system that ceased to
 * answer is an error, which the tree keeps to the end. */
#ifndef VMLIFT_GUEST_TREE_H
#define VMLIFT_GUEST_TREE_H

#include "vmlift/base.h"

#define VML_TREE_FILE_MAX (3u << 20) /* a configuration that is longer is none */

enum vml_tree_kind { VML_TREE_NOTHING, VML_TREE_FILE, VML_TREE_FOLDER, VML_TREE_LINK };
struct vml_tree {
    /* Bytes [off, off+len) of a file, fewer at its end, malloc'd; NULL: there is no such file. */
    char *(*pread)(void *arg, const char *path, uint64_t off, size_t len, size_t *got);
    /* The names in a folder, sorted; NULL ends them.  Names and list are malloc'd. */
    char **(*list)(void *arg, const char *path);
    /* What path is, links followed, or (itself) not. */
    enum vml_tree_kind (*kind)(void *arg, const char *path, bool itself);
    void *arg;
};

/* The whole file as a text with a NUL behind it; NULL: there is none, or it is too long. */
char *vml_tree_read(const struct vml_tree *t, const char *path);
char **vml_tree_list(const struct vml_tree *t, const char *path);
void vml_tree_list_freep(char ***list);
bool vml_tree_has(const struct vml_tree *t, const char *path); /* a file or a folder */
bool vml_tree_is_file(const struct vml_tree *t, const char *path);
bool vml_tree_is_link(const struct vml_tree *t, const char *path);

/* --- words in texts ------------------------------------------------------------------------- */

/* Lines, one after the other, of a text that is left as it is: *at moves on, and is NULL at the
 * end. Blanks at either end are not part of a line. */
struct vml_line {
    const char *text;
    size_t len;
    unsigned number; /* from 1 */
};
bool vml_line_next(const char **at, struct vml_line *line);
/* The n-th word (from 0) between blanks, cut at cap - 1 bytes; false: there are fewer. */
bool vml_line_word(const struct vml_line *line, unsigned n, char *word, size_t cap);
/* The value of "name=value" or "name = value", of quotes freed; false: the line is another. */
bool vml_line_value(const struct vml_line *line, const char *name, char *value, size_t cap);
bool vml_line_is(const struct vml_line *line, const char *text);

#endif
