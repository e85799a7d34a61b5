#include "guest/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *vml_tree_read(const struct vml_tree *t, const char *path)
{
    size_t got = 0;
    char *text = t->pread(t->arg, path, 0, VML_TREE_FILE_MAX, &got);

    if (text != NULL && got == VML_TREE_FILE_MAX) /* and perhaps more */
        vml_freep(&text);
    char *whole = text != NULL ? realloc(text, got + 1) : NULL;
    if (whole == NULL) {
        free(text);
        return NULL;
    }
    whole[got] = '\0';
    return whole;
}

char **vml_tree_list(const struct vml_tree *t, const char *path)
{
    return t->list(t->arg, path);
}

void vml_tree_list_freep(char ***list)
{
    for (size_t i = 0; *list != NULL && (*list)[i] != NULL; i++)
        free((*list)[i]);
    free(*list);
    *list = NULL;
}

bool vml_tree_has(const struct vml_tree *t, const char *path)
{
    enum vml_tree_kind kind = t->kind(t->arg, path, false);

    return kind == VML_TREE_FILE || kind == VML_TREE_FOLDER;
}

bool vml_tree_is_file(const struct vml_tree *t, const char *path)
{
    return t->kind(t->arg, path, false) == VML_TREE_FILE;
}

bool vml_tree_is_link(const struct vml_tree *t, const char *path)
{
    return t->kind(t->arg, path, true) == VML_TREE_LINK;
}

/* --- words in texts ------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

bool vml_line_next(const char **at, struct vml_line *line)
{
    const char *p = *at;

    if (p == NULL || *p == '\0')
        return false;
    size_t len = strcspn(p, "\n");
    *at = p[len] == '\n' ? p + len + 1 : NULL;
    line->number++;
    while (len > 0 && is_blank(*p)) {
        p++;
        len--;
    }
    while (len > 0 && is_blank(p[len - 1]))
        len--;
    line->text = p;
    line->len = len;
    return true;
}

static bool take(const char *from, size_t len, char *to, size_t cap)
{
    if (len >= cap)
        len = cap - 1;
    memcpy(to, from, len);
    to[len] = '\0';
    return true;
}

bool vml_line_word(const struct vml_line *line, unsigned n, char *word, size_t cap)
{
    for (size_t i = 0; i < line->len; n--) {
        size_t from = i;

        while (i < line->len && !is_blank(line->text[i]))
            i++;
        if (n == 0)
            return take(line->text + from, i - from, word, cap);
        while (i < line->len && is_blank(line->text[i]))
            i++;
    }
    return false;
}

bool vml_line_value(const struct vml_line *line, const char *name, char *value, size_t cap)
{
    size_t n = strlen(name);
    const char *p = line->text, *end = line->text + line->len;

    if (line->len <= n || memcmp(p, name, n) != 0)
        return false;
    for (p += n; p < end && is_blank(*p);)
        p++;
    if (p == end || *p != '=')
        return false;
    for (p++; p < end && is_blank(*p);)
        p++;
    if (end - p >= 2 && (*p == '"' || *p == '\'')) {
        const char *quote = memchr(p + 1, *p, (size_t)(end - p - 1));

        if (quote != NULL) {
            p++;
            end = quote;
        }
    }
    return take(p, (size_t)(end - p), value, cap);
}

bool vml_line_is(const struct vml_line *line, const char *text)
{
    return strlen(text) == line->len && memcmp(line->text, text, line->len) == 0;
}
