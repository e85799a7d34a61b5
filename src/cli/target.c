#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vml_parents parents_named(const struct parents *p)
{
    return (
        struct vml_parents){ .files = p->files.items, .n_files = p->files.n, .follow = p->follow };
}

const char *input_named(const char *path)
{
    return strcmp(path, "-") == 0 ? "(stdin)" : path;
}

int format_named(const struct vml_format **out, const char *name, struct vml_error *err)
{
    if (vml_format_find(out, vml_formats, name, err) == 0)
        return 0;
    err->code = VML_EUSAGE; /* a word on the command line, not something found in a file */
    snprintf(err->slug, sizeof err->slug, "usage/format");
    return -1;
}

int target_format(const struct target *t, const char *path, const struct vml_format **out,
                  struct vml_error *err)
{
    const char *base = strrchr(path, '/');
    const char *dot = strrchr(base != NULL ? base : path, '.');

    if (t->name != NULL)
        return format_named(out, t->name, err);
    if (strcmp(path, "-") != 0 && dot != NULL &&
        vml_format_find(out, vml_formats, dot + 1, err) == 0)
        return 0;
    return vml_fail(err, VML_EUSAGE, "usage/output-format",
                    "%s: its name does not tell the format: say which with -O", path);
}

/* Appends the words of one -o to rest, but for subformat=. */
static int split(char *words, char **subformat, char *rest, struct vml_error *err)
{
    static const char key[] = "subformat=";
    char *save = NULL;

    for (char *w = strtok_r(words, ",", &save); w != NULL; w = strtok_r(NULL, ",", &save)) {
        if (strncmp(w, key, sizeof key - 1) != 0) {
            if (rest[0] != '\0')
                strcat(rest, ",");
            strcat(rest, w);
            continue;
        }
        if (*subformat != NULL)
            return vml_fail(err, VML_EUSAGE, "usage/twice", "-o subformat is given twice");
        if ((*subformat = strdup(w + sizeof key - 1)) == NULL)
            return vml_fail_nomem(err);
    }
    return 0;
}

int target_options(const struct target *t, char **subformat, char **rest, struct vml_error *err)
{
    size_t len = 1;

    *subformat = *rest = NULL;
    if (t->options.n == 0)
        return 0;
    for (size_t i = 0; i < t->options.n; i++)
        len += strlen(t->options.items[i]) + 1;
    if ((*rest = calloc(1, len)) == NULL)
        return vml_fail_nomem(err);
    for (size_t i = 0; i < t->options.n; i++) {
        VML_AUTO(vml_freep) char *words = strdup(t->options.items[i]);
        if (words == NULL)
            return vml_fail_nomem(err);
        if (split(words, subformat, *rest, err) < 0)
            return -1;
    }
    if ((*rest)[0] == '\0')
        vml_freep(rest);
    return 0;
}

int target_open(const struct target *t, const char *path, struct vml_output **out,
                struct vml_error *err)
{
    return vml_output_create(out, path, t->force ? VML_OUTPUT_FORCE : 0, err);
}
