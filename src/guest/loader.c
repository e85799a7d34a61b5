#include "guest/loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "guest/fstab.h"

/* --- texts ---------------------------------------------------------------------------------- */

/* What stands behind the first n words. */
static void rest(const struct vml_line *line, unsigned n, char *to, size_t cap)
{
    size_t i = 0;

    while (n-- > 0) {
        i += strcspn(line->text + i, " \t\n");
        while (i < line->len && (line->text[i] == ' ' || line->text[i] == '\t'))
            i++;
    }
    snprintf(to, cap, "%.*s", i < line->len ? (int)(line->len - i) : 0, line->text + i);
}

static bool take(const struct vml_line *line, struct vml_menu_entry *e)
{
    if (!vml_line_word(line, 1, e->kernel, sizeof e->kernel))
        return false;
    rest(line, 2, e->options, sizeof e->options);
    return true;
}

/* The first entry; which one is really started may depend on grubenv and scripts. */
bool vml_menu_grub2(const char *text, struct vml_menu_entry *e)
{
    struct vml_line line = { 0 };
    char word[16];

    while (vml_line_next(&text, &line))
        if (vml_line_word(&line, 0, word, sizeof word) &&
            (strcmp(word, "linux") == 0 || strcmp(word, "linux16") == 0 ||
             strcmp(word, "linuxefi") == 0) &&
            take(&line, e))
            return true;
    return false;
}

bool vml_menu_legacy(const char *text, struct vml_menu_entry *e)
{
    struct vml_line line = { 0 };
    char word[16], number[16];
    unsigned long wanted = 0, titles = 0;
    bool found = false;

    while (vml_line_next(&text, &line)) {
        if (!vml_line_word(&line, 0, word, sizeof word))
            continue;
        if (vml_line_value(&line, "default", number, sizeof number) ||
            (strcmp(word, "default") == 0 && vml_line_word(&line, 1, number, sizeof number)))
            wanted = strtoul(number, NULL, 10); /* "saved" is 0, where it begins */
        else if (strcmp(word, "title") == 0)
            titles++;
        else if (strcmp(word, "kernel") == 0 && titles > 0 && (!found || titles == wanted + 1))
            found = take(&line, e) || found;
    }
    return found;
}

bool vml_menu_syslinux(const char *text, struct vml_menu_entry *e)
{
    struct vml_line line = { 0 };
    struct vml_menu_entry at = { 0 };
    char word[16], name[64], wanted[64] = "", label[64] = "";
    bool found = false;

    while (vml_line_next(&text, &line)) {
        if (!vml_line_word(&line, 0, word, sizeof word) ||
            !vml_line_word(&line, 1, name, sizeof name))
            continue;
        if (strcasecmp(word, "default") == 0) {
            snprintf(wanted, sizeof wanted, "%s", name);
        } else if (strcasecmp(word, "label") == 0) {
            snprintf(label, sizeof label, "%s", name);
            at = (struct vml_menu_entry){ 0 };
        } else if (strcasecmp(word, "kernel") == 0 || strcasecmp(word, "linux") == 0) {
            (void)vml_line_word(&line, 1, at.kernel, sizeof at.kernel);
        } else if (strcasecmp(word, "append") == 0) {
            rest(&line, 1, at.options, sizeof at.options);
        }
        /* the default may be a menu's program: then it is the first label */
        if (at.kernel[0] != '\0' && (!found || strcmp(label, wanted) == 0)) {
            *e = at;
            found = true;
        } else if (found && strcmp(at.kernel, e->kernel) == 0 && e->options[0] == '\0') {
            *e = at; /* its options came behind it */
        }
    }
    return found;
}

bool vml_menu_entry(const char *text, struct vml_menu_entry *e)
{
    struct vml_line line = { 0 };
    char word[16];

    *e = (struct vml_menu_entry){ 0 };
    while (vml_line_next(&text, &line)) {
        if (!vml_line_word(&line, 0, word, sizeof word))
            continue;
        if (strcmp(word, "linux") == 0)
            (void)vml_line_word(&line, 1, e->kernel, sizeof e->kernel);
        else if (strcmp(word, "options") == 0)
            rest(&line, 1, e->options, sizeof e->options);
    }
    return e->kernel[0] != '\0';
}

const char *vml_kernel_option(const char *options, const char *option)
{
    size_t n = strlen(option);

    for (const char *p = options; (p = strstr(p, option)) != NULL; p += n)
        if ((p == options || p[-1] == ' ' || p[-1] == '\t') &&
            (option[n - 1] == '=' || p[n] == '\0' || p[n] == ' '))
            return p + n;
    return NULL;
}

/* --- files ---------------------------------------------------------------------------------- */

static bool read_menu(const struct vml_tree *t, const char *path,
                      bool (*parse)(const char *text, struct vml_menu_entry *e),
                      struct vml_menu_entry *e)
{
    VML_AUTO(vml_freep) char *text = vml_tree_read(t, path);

    return text != NULL && parse(text, e);
}

static void add_menu(struct vml_inspect *v, const char *path)
{
    size_t used = strlen(v->menus);

    snprintf(v->menus + used, sizeof v->menus - used, "%s%s", used > 0 ? ", " : "", path);
    v->n_menus++;
}

/* Its value in grubenv, of which the first block says NAME=VALUE on each line. */
static bool grubenv(const struct vml_tree *t, const char *name, char *value, size_t cap)
{
    static const char *const places[] = { "/boot/grub2/grubenv", "/boot/grub/grubenv" };

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        VML_AUTO(vml_freep) char *text = vml_tree_read(t, places[i]);
        struct vml_line line = { 0 };

        for (const char *at = text; at != NULL && vml_line_next(&at, &line);)
            if (vml_line_value(&line, name, value, cap))
                return true;
    }
    return false;
}

/* The entry that grubenv names, else the last by name, which is the newest kernel's. */
static bool read_entries(const struct vml_tree *t, struct vml_menu_entry *e)
{
    static const char folder[] = "/boot/loader/entries";
    VML_AUTO(vml_tree_list_freep) char **names = vml_tree_list(t, folder);
    char saved[160] = "", path[300], kernelopts[256];
    const char *best = NULL;

    (void)grubenv(t, "saved_entry", saved, sizeof saved);
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        size_t n = strlen(names[i]);

        if (n < 6 || strcmp(names[i] + n - 5, ".conf") != 0 || strstr(names[i], "rescue") != NULL)
            continue;
        if (strncmp(names[i], saved, n - 5) == 0 && saved[n - 5] == '\0') {
            best = names[i];
            break;
        }
        if (best == NULL || strverscmp(names[i], best) > 0)
            best = names[i];
    }
    if (best == NULL)
        return false;
    snprintf(path, sizeof path, "%s/%s", folder, best);
    if (!read_menu(t, path, vml_menu_entry, e))
        return false;
    if (strncmp(e->options, "$kernelopts", 11) == 0 &&
        grubenv(t, "kernelopts", kernelopts, sizeof kernelopts))
        snprintf(e->options, sizeof e->options, "%s", kernelopts);
    return true;
}

/* GRUB's own entry for the shell variable blscfg reads the others. */
static bool uses_entries(const struct vml_tree *t, const char *path)
{
    VML_AUTO(vml_freep) char *text = vml_tree_read(t, path);

    return text != NULL && strstr(text, "\nblscfg") != NULL;
}

static bool read_loaders(const struct vml_tree *t, struct vml_inspect *v, struct vml_menu_entry *e)
{
    static const struct {
        const char *path;
        bool (*parse)(const char *text, struct vml_menu_entry *e);
        bool grub;
    } places[] = {
        { "/boot/grub2/grub.cfg", vml_menu_grub2, true },
        { "/boot/grub/grub.cfg", vml_menu_grub2, true },
        { "/boot/grub/menu.lst", vml_menu_legacy, true },
        { "/boot/grub/grub.conf", vml_menu_legacy, true },
        { "/boot/extlinux/extlinux.conf", vml_menu_syslinux, false },
        { "/boot/syslinux/syslinux.cfg", vml_menu_syslinux, false },
        { "/extlinux.conf", vml_menu_syslinux, false },
        { "/boot/extlinux.conf", vml_menu_syslinux, false },
    };
    bool found = false;

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (!vml_tree_is_file(t, places[i].path) || vml_tree_is_link(t, places[i].path))
            continue;
        if (places[i].grub)
            add_menu(v, places[i].path);
        v->loader_spec = v->loader_spec || uses_entries(t, places[i].path);
        found = found || read_menu(t, places[i].path, places[i].parse, e);
    }
    return found || read_entries(t, e);
}

/* What update-grub would make the options of. */
static void read_defaults(const struct vml_tree *t, struct vml_menu_entry *e)
{
    VML_AUTO(vml_freep) char *text = vml_tree_read(t, "/etc/default/grub");
    struct vml_line line = { 0 };
    char one[120] = "", two[120] = "";

    for (const char *at = text; at != NULL && vml_line_next(&at, &line);) {
        (void)vml_line_value(&line, "GRUB_CMDLINE_LINUX", one, sizeof one);
        (void)vml_line_value(&line, "GRUB_CMDLINE_LINUX_DEFAULT", two, sizeof two);
    }
    snprintf(e->options, sizeof e->options, "%s%s%s", one, one[0] != '\0' ? " " : "", two);
}

void vml_loader_read(const struct vml_tree *t, struct vml_inspect *v, char kernel[160])
{
    struct vml_menu_entry e = { 0 };
    const char *root;

    if (!read_loaders(t, v, &e))
        read_defaults(t, &e);
    const char *base = strrchr(e.kernel, '/');
    snprintf(kernel, 160, "%s", base != NULL ? base + 1 : e.kernel);
    snprintf(v->kernel_options, sizeof v->kernel_options, "%s", e.options);
    root = vml_kernel_option(e.options, "root=");
    if (root != NULL) {
        snprintf(v->kernel_root, sizeof v->kernel_root, "%.*s", (int)strcspn(root, " \t"), root);
        v->kernel_root_kind = vml_spec_kind(v->kernel_root, "", "");
    }
    v->serial_console = vml_kernel_option(e.options, "console=ttyS0") != NULL ||
                        strstr(e.options, "console=ttyS0,") != NULL;
}
