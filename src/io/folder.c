/* A folder that stands for the one file in it that its name tells. */
#include "vmlift/io.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static void closedir_p(DIR **d)
{
    if (*d != NULL)
        closedir(*d);
}

/* "._vm.ovf" is what macOS keeps beside vm.ovf */
static bool matches(const char *name, const char *suffix)
{
    size_t len = strlen(name), n = strlen(suffix);

    return len > n && strncmp(name, "._", 2) != 0 && strcasecmp(name + len - n, suffix) == 0;
}

/* The name of the only one, to be freed. */
static int find(const char *folder, const char *suffix, char **found, struct vml_error *err)
{
    VML_AUTO(closedir_p) DIR *d = opendir(folder);
    VML_AUTO(vml_freep) char *name = NULL;
    const struct dirent *e;

    if (d == NULL)
        return vml_fail_errno(err, "%s", folder);
    for (errno = 0; (e = readdir(d)) != NULL; errno = 0) {
        if (!matches(e->d_name, suffix))
            continue;
        if (name != NULL) {
            bool first =
                strcmp(name, e->d_name) < 0; /* the same words in any order of the folder */

            return vml_fail(err, VML_EDATA, "input/folder",
                            "%s: several %s files in the folder, '%s' and '%s': name one", folder,
                            suffix, first ? name : e->d_name, first ? e->d_name : name);
        }
        name = strdup(e->d_name);
        if (name == NULL)
            return vml_fail_nomem(err);
    }
    if (errno != 0)
        return vml_fail_errno(err, "%s", folder);
    if (name == NULL)
        return vml_fail(err, VML_EDATA, "input/folder", "%s: a folder without a file *%s", folder,
                        suffix);
    *found = name;
    name = NULL;
    return 0;
}

int vml_input_open_in(struct vml_input **out, const char *path, const char *suffix,
                      struct vml_error *err)
{
    VML_AUTO(vml_freep) char *name = NULL;
    VML_AUTO(vml_freep) char *file = NULL;
    struct stat st;

    if (strcmp(path, "-") == 0 || stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return vml_input_open(out, path, err);
    if (find(path, suffix, &name, err) < 0)
        return -1;
    if (asprintf(&file, "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", name) < 0) {
        file = NULL;
        return vml_fail_nomem(err);
    }
    if (lstat(file, &st) < 0)
        return vml_fail_errno(err, "%s", file);
    if (!S_ISREG(st.st_mode)) /* the folder was named, and not where a link in it leads */
        return vml_fail(err, VML_EDATA, "input/kind", "%s: not a file", file);
    return vml_input_open(out, file, err);
}
