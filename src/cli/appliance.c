#include "appliance.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "out.h"
#include "vmlift/registry.h"

#define PLUGIN "nbdkit-vmlift-plugin.so"

/* --- the disks' parameters ------------------------------------------------------------------ */

/* Owned words, of which the last is NULL. */
struct words {
    char **items;
    size_t n;
};

static int __attribute__((format(printf, 3, 4)))
add_word(struct words *w, struct vml_error *err, const char *fmt, ...)
{
    char **items = realloc(w->items, (w->n + 2) * sizeof *items);
    va_list args;
    int n;

    if (items == NULL)
        return vml_fail_nomem(err);
    w->items = items;
    va_start(args, fmt);
    n = vasprintf(&items[w->n], fmt, args);
    va_end(args);
    if (n >= 0)
        w->n++;
    items[w->n] = NULL;
    return n < 0 ? vml_fail_nomem(err) : 0;
}

static void free_words(char **items)
{
    for (size_t i = 0; items != NULL && items[i] != NULL; i++)
        free(items[i]);
    free(items);
}

static void words_clear(struct words *w)
{
    free_words(w->items);
}

/* Takes the words over when it succeeds. */
static int add_disk(struct appliance *a, struct words *w, const char *overlay,
                    struct vml_error *err)
{
    size_t n = a->how.n_disks;
    struct vml_appliance_disk *disks = realloc(a->disks, (n + 1) * sizeof *disks);

    if (disks == NULL)
        return vml_fail_nomem(err);
    disks[n] =
        (struct vml_appliance_disk){ .params = (const char *const *)w->items, .overlay = overlay };
    a->disks = disks;
    a->how.n_disks = n + 1;
    *w = (struct words){ 0 };
    return 0;
}

static int add_parents(struct words *w, const struct vml_parents *parents, struct vml_error *err)
{
    for (size_t i = 0; i < parents->n_files; i++)
        if (add_word(w, err, "parent=%s", parents->files[i]) < 0)
            return -1;
    return parents->follow ? add_word(w, err, "follow-parents=true") : 0;
}

int appliance_add_file(struct appliance *a, const char *path, const struct vml_open *open,
                       unsigned disk, const char *overlay, struct vml_error *err)
{
    VML_AUTO(words_clear) struct words w = { 0 };

    if (add_word(&w, err, "file=%s", path) < 0 ||
        (open->format != NULL && add_word(&w, err, "format=%s", open->format) < 0) ||
        (open->vm != NULL && add_word(&w, err, "vm=%s", open->vm) < 0) ||
        (open->no_manifest && add_word(&w, err, "no-manifest=true") < 0) ||
        add_parents(&w, &open->parents, err) < 0 ||
        (disk > 0 && add_word(&w, err, "disk=%u", disk) < 0))
        return -1;
    return add_disk(a, &w, overlay, err);
}

int appliance_add_stored(struct appliance *a, const char *store, const struct vml_where *where,
                         const char *id, unsigned disk, const char *passphrase_file,
                         const char *overlay, struct vml_error *err)
{
    VML_AUTO(words_clear) struct words w = { 0 };
    bool snapshot = strncmp(id, "snap-", 5) == 0;

    if (add_word(&w, err, "store=%s", store) < 0 ||
        add_word(&w, err, "account=%s", where->owner) < 0 ||
        add_word(&w, err, "region=%s", where->region) < 0 ||
        add_word(&w, err, "%s=%s", snapshot ? "snapshot" : "image", id) < 0 ||
        (passphrase_file != NULL && add_word(&w, err, "passphrase=+%s", passphrase_file) < 0) ||
        (disk > 0 && !snapshot && add_word(&w, err, "disk=%u", disk) < 0))
        return -1;
    return add_disk(a, &w, overlay, err);
}

/* --- the appliance -------------------------------------------------------------------------- */

/* Beside the program, as it is built; where the installation put it; or where nbdkit looks. */
static const char *find_plugin(char path[PATH_MAX])
{
    static const char *const places[] = { "", "../" VMLIFT_LIBDIR "/nbdkit/plugins/" };
    char folder[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);

    folder[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[1] = '\0';
    for (size_t i = 0; slash != NULL && i < sizeof places / sizeof places[0]; i++) {
        int len = snprintf(path, PATH_MAX, "%s%s%s", folder, places[i], PLUGIN);

        if (len < PATH_MAX && access(path, R_OK) == 0)
            return path;
    }
    return "vmlift";
}

static void print_log(void *arg, const char *text, size_t len)
{
    (void)arg;
    while (len > 0 && text[len - 1] == '\n')
        len--;
    out_line(stderr, "%.*s", (int)len, text);
}

const struct vml_appliance *appliance_how(struct appliance *a)
{
    a->how.disks = a->disks;
    a->how.plugin = find_plugin(a->plugin);
    a->how.environment = environ;
    a->how.tmp = getenv("TMPDIR");
    if (getenv("LIBGUESTFS_DEBUG") != NULL || getenv("LIBGUESTFS_TRACE") != NULL)
        a->how.log = print_log;
    return &a->how;
}

static void show(void *arg, unsigned percent)
{
    (void)arg;
    fprintf(stderr, "\rlooking inside: %3u%%", percent);
}

void appliance_wait(struct appliance *a)
{
    if (!isatty(STDERR_FILENO) || a->how.log != NULL)
        return;
    a->how.progress = show;
    show(NULL, 0);
}

void appliance_waited(const struct appliance *a)
{
    if (a->how.progress != NULL)
        fputs("\r\033[K", stderr);
}

int appliance_inspect(struct appliance *a, struct vml_inspect *g, struct vml_error *err)
{
    const struct vml_appliance *how = appliance_how(a);

    appliance_wait(a);
    int rc = vml_inspect_read(how, g, err);
    appliance_waited(a);
    return rc;
}

void appliance_clear(struct appliance *a)
{
    for (size_t i = 0; i < a->how.n_disks; i++)
        free_words((char **)a->disks[i].params);
    free(a->disks);
    *a = (struct appliance){ 0 };
}
