/* Steps that are about boot loaders: the root by UUID, the console, the menu. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/edit.h"
#include "guest/plan.h"

/* --- which files ---------------------------------------------------------------------------- */

static const struct place {
    const char *folder, *suffix; /* all that end so; suffix NULL: folder is the one file */
    enum vml_cmdline_kind kind;
    const char *add_to; /* of DEFAULTS */
} places[] = {
    { "/boot/grub/grub.cfg", NULL, VML_CMDLINE_GRUB, NULL },
    { "/boot/grub2/grub.cfg", NULL, VML_CMDLINE_GRUB, NULL },
    { "/boot/efi/EFI/centos/grub.cfg", NULL, VML_CMDLINE_GRUB, NULL },
    { "/boot/efi/EFI/redhat/grub.cfg", NULL, VML_CMDLINE_GRUB, NULL },
    { "/boot/grub/menu.lst", NULL, VML_CMDLINE_LEGACY, NULL },
    { "/boot/grub/grub.conf", NULL, VML_CMDLINE_LEGACY, NULL },
    { "/boot/extlinux", ".conf", VML_CMDLINE_EXTLINUX, NULL },
    { "/boot/extlinux", ".cfg", VML_CMDLINE_EXTLINUX, NULL },
    { "/boot/syslinux", ".cfg", VML_CMDLINE_EXTLINUX, NULL },
    { "/boot/extlinux.conf", NULL, VML_CMDLINE_EXTLINUX, NULL },
    { "/boot/syslinux.cfg", NULL, VML_CMDLINE_EXTLINUX, NULL },
    { "/extlinux.conf", NULL, VML_CMDLINE_EXTLINUX, NULL },
    { "/syslinux.cfg", NULL, VML_CMDLINE_EXTLINUX, NULL },
    { "/boot/loader/entries", ".conf", VML_CMDLINE_BLS, NULL },
    { "/boot/efi/loader/entries", ".conf", VML_CMDLINE_BLS, NULL },
    { "/efi/loader/entries", ".conf", VML_CMDLINE_BLS, NULL },
    { "/boot/grub/grubenv", NULL, VML_CMDLINE_GRUBENV, NULL },
    { "/boot/grub2/grubenv", NULL, VML_CMDLINE_GRUBENV, NULL },
    { "/etc/default/grub", NULL, VML_CMDLINE_DEFAULTS, "GRUB_CMDLINE_LINUX" },
    { "/etc/default/grub.d", ".cfg", VML_CMDLINE_DEFAULTS, NULL },
    { "/etc/default/extlinux", NULL, VML_CMDLINE_DEFAULTS, "EXTLINUX_PARAMETERS" },
    { "/etc/kernel/cmdline", NULL, VML_CMDLINE_PLAIN, NULL },
};

/* Does what a step does with one file, and takes text over. */
typedef int place_fn(struct vml_plan *p, const struct place *at, const char *path, char *text,
                     void *arg, struct vml_error *err);

static int one_file(struct vml_plan *p, const struct place *at, const char *path, place_fn *fn,
                    void *arg, struct vml_error *err)
{
    char *text = NULL;

    if (vml_plan_read(p, path, &text, err) < 0)
        return -1;
    return text != NULL ? fn(p, at, path, text, arg, err) : 0;
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t n = strlen(name), s = strlen(suffix);

    return n > s && name[0] != '.' && strcmp(name + n - s, suffix) == 0;
}

static int each_file(struct vml_plan *p, place_fn *fn, void *arg, struct vml_error *err)
{
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const struct place *at = &places[i];
        VML_AUTO(vml_names_freep) char **names = NULL;

        if (at->suffix == NULL && one_file(p, at, at->folder, fn, arg, err) < 0)
            return -1;
        if (at->suffix != NULL && vml_plan_list(p, at->folder, &names, err) < 0)
            return -1;
        for (size_t k = 0; names != NULL && names[k] != NULL; k++) {
            char path[512];

            snprintf(path, sizeof path, "%s/%s", at->folder, names[k]);
            if (ends_with(names[k], at->suffix) && one_file(p, at, path, fn, arg, err) < 0)
                return -1;
        }
    }
    return 0;
}

static int edit_cmdline(struct vml_plan *p, const struct place *at, const char *path, char *text,
                        void *arg, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *old = text;
    struct vml_cmdline *how = arg;

    how->add_to = at->add_to;
    return vml_plan_write(p, path, vml_edit_cmdline(old, at->kind, how), err);
}

/* --- root ----------------------------------------------------------------------------------- */

/* A kernel finds a file system by its UUID with the help of an initramfs. */
struct roots {
    unsigned files; /* with kernels in them */
    char without[512];
};

static int look_for_initrd(struct vml_plan *p, const struct place *at, const char *path, char *text,
                           void *arg, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *old = text;
    struct roots *r = arg;
    bool loader = at->kind == VML_CMDLINE_GRUB || at->kind == VML_CMDLINE_LEGACY ||
                  at->kind == VML_CMDLINE_EXTLINUX || at->kind == VML_CMDLINE_BLS;

    (void)p;
    (void)err;
    if (!loader)
        return 0;
    r->files++;
    if (strstr(old, "root=/dev/") != NULL && strcasestr(old, "initrd") == NULL)
        snprintf(r->without, sizeof r->without, "%s", path);
    return 0;
}

static int edit_resume(struct vml_plan *p, struct vml_error *err)
{
    static const char path[] = "/etc/initramfs-tools/conf.d/resume";
    VML_AUTO(vml_freep) char *text = NULL;
    VML_AUTO(vml_freep) char *value = NULL;
    char uuid[64] = "", new[80];

    if (vml_plan_read(p, path, &text, err) < 0)
        return -1;
    value = text != NULL ? vml_variable(text, "RESUME") : NULL;
    if (value == NULL || !vml_device_moves(value))
        return 0;
    bool there = vml_guest_resolve((void *)vml_plan_guest(p), value, "swap", uuid);
    snprintf(new, sizeof new, "%s%s", there && uuid[0] != '\0' ? "UUID=" : "none", uuid);
    return vml_plan_write(p, path, vml_edit_variable(text, "RESUME", new, false), err);
}

/* GRUB's own tool writes device names when it is told to. */
static int enable_uuids(struct vml_plan *p, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = NULL;
    VML_AUTO(vml_freep) char *value = NULL;

    if (vml_plan_read(p, "/etc/default/grub", &text, err) < 0)
        return -1;
    value = text != NULL ? vml_variable(text, "GRUB_DISABLE_LINUX_UUID") : NULL;
    if (value == NULL || strcmp(value, "true") != 0)
        return 0;
    return vml_plan_write(p, "/etc/default/grub", vml_edit_unset(text, "GRUB_DISABLE_LINUX_UUID"),
                          err);
}

int vml_step_root(struct vml_plan *p, struct vml_error *err)
{
    struct vml_cmdline how = { .resolve = vml_guest_resolve, .arg = (void *)vml_plan_guest(p) };
    struct roots roots = { 0 };

    if (each_file(p, look_for_initrd, &roots, err) < 0)
        return -1;
    if (roots.files == 0)
        vml_plan_note(p, "prep/no-loader",
                      "no configuration of GRUB, extlinux or systemd-boot was found: look at how "
                      "the kernel is told its root and its console");
    if (roots.without[0] != '\0') {
        vml_plan_note(p, "prep/no-initrd",
                      "%s starts a kernel without an initrd, which finds its root by a device's "
                      "name only: it is left as it is",
                      roots.without);
        return 0;
    }
    if (each_file(p, edit_cmdline, &how, err) < 0 || enable_uuids(p, err) < 0)
        return -1;
    return edit_resume(p, err);
}

/* --- the console ---------------------------------------------------------------------------- */

static int edit_serial(struct vml_plan *p, const struct place *at, const char *path, char *text,
                       void *arg, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *old = text;

    (void)arg;
    if (at->kind == VML_CMDLINE_GRUB)
        return vml_plan_write(p, path, vml_edit_grub_serial(old), err);
    if (at->kind == VML_CMDLINE_LEGACY)
        return vml_plan_write(p, path, vml_edit_legacy_serial(old), err);
    /* The first file that is read is the one whose first line it must be. */
    if (at->kind == VML_CMDLINE_EXTLINUX && at->suffix != NULL && strcmp(at->suffix, ".cfg") == 0 &&
        strcmp(path, "/boot/syslinux/syslinux.cfg") != 0)
        return 0;
    if (at->kind == VML_CMDLINE_EXTLINUX)
        return vml_plan_write(p, path, vml_edit_extlinux_serial(old), err);
    if (strcmp(path, "/etc/default/grub") == 0)
        return vml_plan_write(p, path, vml_edit_grub_defaults_serial(old), err);
    return 0;
}

/* A getty there: systemd starts one on the console that the kernel has. */
static int edit_getty(struct vml_plan *p, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *inittab = NULL;
    VML_AUTO(vml_freep) char *securetty = NULL;
    bool upstart = vml_plan_has(p, "/etc/init/tty1.conf");

    if (vml_plan_read(p, "/etc/inittab", &inittab, err) < 0 ||
        vml_plan_read(p, "/etc/securetty", &securetty, err) < 0)
        return -1;
    if (inittab != NULL && strstr(inittab, "respawn:") != NULL &&
        vml_plan_write(p, "/etc/inittab", vml_edit_inittab(inittab), err) < 0)
        return -1;
    if (upstart && !vml_plan_has(p, "/etc/init/ttyS0.conf") &&
        vml_plan_write(p, "/etc/init/ttyS0.conf",
                       strdup("start on stopped rc RUNLEVEL=[2345]\n"
                              "stop on runlevel [!2345]\n"
                              "respawn\n"
                              "exec /sbin/getty -L 115200 ttyS0 vt100\n"),
                       err) < 0)
        return -1;
    if (securetty == NULL)
        return 0;
    return vml_plan_write(p, "/etc/securetty", vml_edit_list(securetty, "ttyS0"), err);
}

int vml_step_console(struct vml_plan *p, struct vml_error *err)
{
    struct vml_cmdline how = { .console = true };

    if (each_file(p, edit_cmdline, &how, err) < 0 || each_file(p, edit_serial, NULL, err) < 0)
        return -1;
    return edit_getty(p, err);
}

/* --- the menu ------------------------------------------------------------------------------- */

static int edit_menu(struct vml_plan *p, const struct place *at, const char *path, char *text,
                     void *arg, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *old = text;
    int *better = arg;

    switch (at->kind) {
    case VML_CMDLINE_GRUB:
        *better = *better < 0 ? vml_grub_default(old) : *better;
        return vml_plan_write(p, path, vml_edit_grub_menu(old), err);
    case VML_CMDLINE_LEGACY:
        return vml_plan_write(p, path, vml_edit_legacy_menu(old), err);
    case VML_CMDLINE_EXTLINUX:
        return vml_plan_write(p, path, vml_edit_extlinux_menu(old), err);
    case VML_CMDLINE_DEFAULTS:
        return vml_plan_write(p, path, vml_edit_grub_timeouts(old), err);
    default:
        return 0;
    }
}

int vml_step_menu(struct vml_plan *p, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = NULL;
    int better = -1;
    char number[16];

    if (each_file(p, edit_menu, &better, err) < 0)
        return -1;
    if (better < 0)
        return 0;
    if (vml_plan_read(p, "/etc/default/grub", &text, err) < 0 || text == NULL)
        return text == NULL ? 0 : -1;
    snprintf(number, sizeof number, "%d", better);
    return vml_plan_write(p, "/etc/default/grub",
                          vml_edit_variable(text, "GRUB_DEFAULT", number, true), err);
}

/* --- names of network cards, which are the kernel's business -------------------------------- */

int vml_plan_eth0(struct vml_plan *p, struct vml_error *err)
{
    struct vml_cmdline how = { .names = true };

    return each_file(p, edit_cmdline, &how, err);
}
