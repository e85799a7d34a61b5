#include "guest/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/initramfs.h"

enum { KERNELS_MAX = 8 };

static const struct {
    const char *name, *file, *option;
} drivers[VML_DRIVERS] = {
    [VML_DRIVER_NVME] = { "nvme", "nvme", "CONFIG_BLK_DEV_NVME" },
    [VML_DRIVER_ENA] = { "ena", "ena", "CONFIG_ENA_ETHERNET" },
    [VML_DRIVER_VIRTIO_BLK] = { "virtio-blk", "virtio_blk", "CONFIG_VIRTIO_BLK" },
    [VML_DRIVER_VIRTIO_NET] = { "virtio-net", "virtio_net", "CONFIG_VIRTIO_NET" },
    [VML_DRIVER_XEN_BLK] = { "xen-blkfront", "xen_blkfront", "CONFIG_XEN_BLKDEV_FRONTEND" },
    [VML_DRIVER_XEN_NET] = { "xen-netfront", "xen_netfront", "CONFIG_XEN_NETDEV_FRONTEND" },
};

const char *vml_driver_name(enum vml_driver d)
{
    return drivers[d].name;
}

const char *vml_driver_at_name(enum vml_driver_at at)
{
    static const char *const names[] = {
        [VML_DRIVER_UNKNOWN] = "unknown",  [VML_DRIVER_ABSENT] = "absent",
        [VML_DRIVER_MODULE] = "module",    [VML_DRIVER_INITRAMFS] = "initramfs",
        [VML_DRIVER_BUILTIN] = "built in",
    };

    return names[at];
}

/* --- texts ---------------------------------------------------------------------------------- */

char vml_kernel_config(const char *text, const char *option)
{
    struct vml_line line = { 0 };
    size_t n = strlen(option);
    char value[8], word[80];

    while (vml_line_next(&text, &line)) {
        if (line.len <= n)
            continue;
        if (vml_line_value(&line, option, value, sizeof value))
            return value[0];
        if (line.text[0] == '#' && vml_line_word(&line, 1, word, sizeof word) &&
            strcmp(word, option) == 0)
            return 'n';
    }
    return 0;
}

bool vml_kernel_is_module(const char *path, size_t len, const char *module)
{
    size_t n = strlen(module);
    const char *base = memrchr(path, '/', len);

    base = base != NULL ? base + 1 : path;
    if (len - (size_t)(base - path) < n + 3 || strncmp(base + n, ".ko", 3) != 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((base[i] == '-' ? '_' : base[i]) != module[i])
            return false;
    return true;
}

bool vml_kernel_lists(const char *text, const char *module)
{
    struct vml_line line = { 0 };

    while (vml_line_next(&text, &line)) {
        const char *colon = memchr(line.text, ':', line.len);
        size_t len = colon != NULL ? (size_t)(colon - line.text) : line.len;

        if (vml_kernel_is_module(line.text, len, module))
            return true;
    }
    return false;
}

/* --- one kernel ----------------------------------------------------------------------------- */

/* What is known of it while its drivers are looked for. */
struct look {
    char *config, *builtin, *modules; /* texts, or NULL */
    bool in_initramfs[VML_DRIVERS];
    bool no_modules; /* there is no folder of them, and what the initramfs has is known */
};

static void look_clear(struct look *l)
{
    free(l->config);
    free(l->builtin);
    free(l->modules);
}

/* Arch calls a kernel "linux" and Alpine "lts", and says elsewhere which version that is. */
static bool find_modules(const struct vml_tree *t, const char *version, char folder[256])
{
    snprintf(folder, 256, "/lib/modules/%s", version);
    if (vml_tree_has(t, folder))
        return true;
    VML_AUTO(vml_tree_list_freep) char **names = vml_tree_list(t, "/lib/modules");
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        size_t n = strlen(names[i]), m = strlen(version);
        char path[300];

        snprintf(path, sizeof path, "/lib/modules/%s/pkgbase", names[i]);
        VML_AUTO(vml_freep) char *base = vml_tree_read(t, path);
        if ((n > m && names[i][n - m - 1] == '-' && strcmp(names[i] + n - m, version) == 0) ||
            (base != NULL && strncmp(base, version, m) == 0 && base[m] == '\n')) {
            snprintf(folder, 256, "/lib/modules/%s", names[i]);
            return true;
        }
    }
    return false;
}

static char *read_in(const struct vml_tree *t, const char *folder, const char *name)
{
    char path[400];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return vml_tree_read(t, path);
}

static void find_initramfs(const struct vml_tree *t, struct vml_kernel *k)
{
    static const char *const names[] = { "/boot/initrd.img-%s", "/boot/initramfs-%s.img",
                                         "/boot/initrd-%s",     "/boot/initrd-%s.img",
                                         "/boot/initramfs-%s",  NULL };

    for (const char *const *name = names; *name != NULL; name++) {
        snprintf(k->initramfs, sizeof k->initramfs, *name, k->version);
        if (vml_tree_is_file(t, k->initramfs))
            return;
    }
    k->initramfs[0] = '\0';
}

static void seen_in_initramfs(void *arg, const char *name)
{
    struct look *l = arg;

    for (unsigned d = 0; d < VML_DRIVERS; d++)
        if (vml_kernel_is_module(name, strlen(name), drivers[d].file))
            l->in_initramfs[d] = true;
}

static enum vml_driver_at find_driver(const struct look *l, enum vml_driver d)
{
    char set = l->config != NULL ? vml_kernel_config(l->config, drivers[d].option) : 0;

    if (set == 'y' || (l->builtin != NULL && vml_kernel_lists(l->builtin, drivers[d].file)))
        return VML_DRIVER_BUILTIN;
    if (l->in_initramfs[d])
        return VML_DRIVER_INITRAMFS;
    if (l->modules != NULL)
        return vml_kernel_lists(l->modules, drivers[d].file) ? VML_DRIVER_MODULE
                                                             : VML_DRIVER_ABSENT;
    /* without a folder of modules there is what the initramfs has, and nothing else */
    return l->config != NULL && (set != 'm' || l->no_modules) ? VML_DRIVER_ABSENT
                                                              : VML_DRIVER_UNKNOWN;
}

/* Before Linux 4.12 CONFIG_XEN alone made a kernel paravirtual. */
static void find_xen(const struct look *l, struct vml_kernel *k)
{
    char pv, pvhvm, xen;

    if (l->config == NULL) {
        k->xen_pv = strstr(k->version, "xen") != NULL ? VML_YES : VML_UNKNOWN;
        return;
    }
    xen = vml_kernel_config(l->config, "CONFIG_XEN");
    pv = vml_kernel_config(l->config, "CONFIG_XEN_PV");
    pvhvm = vml_kernel_config(l->config, "CONFIG_XEN_PVHVM");
    k->xen_pv = xen == 'y' && (pv == 'y' || pv == 0) ? VML_YES : VML_NO;
    k->xen_pvhvm = xen == 'y' && pvhvm == 'y' ? VML_YES : VML_NO;
}

static void read_kernel(const struct vml_tree *t, struct vml_kernel *k)
{
    VML_AUTO(look_clear) struct look l = { 0 };
    char folder[256], path[256];

    snprintf(path, sizeof path, "/boot/config-%s", k->version);
    l.config = vml_tree_read(t, path);
    l.no_modules = !find_modules(t, k->version, folder);
    if (!l.no_modules) {
        l.builtin = read_in(t, folder, "modules.builtin");
        l.modules = read_in(t, folder, "modules.dep");
        if (l.config == NULL)
            l.config = read_in(t, folder, "config");
    }
    k->configured = l.config != NULL;
    find_initramfs(t, k);
    k->initramfs_read =
        k->initramfs[0] != '\0' && vml_initramfs_list(t, k->initramfs, seen_in_initramfs, &l);
    for (unsigned d = 0; d < VML_DRIVERS; d++)
        k->drivers[d] = find_driver(&l, d);
    find_xen(&l, k);
}

/* --- all of them ---------------------------------------------------------------------------- */

/* The version that a file's name in /boot ends with; NULL: it is no kernel that one starts. */
static const char *version_of(const char *name)
{
    static const char *const prefixes[] = { "vmlinuz-", "vmlinux-", "kernel-", "bzImage-", NULL };

    for (const char *const *p = prefixes; *p != NULL; p++)
        if (strncmp(name, *p, strlen(*p)) == 0)
            return strstr(name, "rescue") == NULL && strstr(name, ".old") == NULL &&
                           strstr(name, ".bak") == NULL && strstr(name, ".gz") == NULL
                       ? name + strlen(*p)
                       : NULL;
    return NULL;
}

static int newer_first(const void *a, const void *b)
{
    return strverscmp(((const struct vml_kernel *)b)->version,
                      ((const struct vml_kernel *)a)->version);
}

static int add_kernels(const struct vml_tree *t, struct vml_inspect *v, struct vml_error *err)
{
    VML_AUTO(vml_tree_list_freep) char **names = vml_tree_list(t, "/boot");

    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        const char *version = version_of(names[i]);
        struct vml_kernel *more;

        if (version == NULL)
            continue;
        more = realloc(v->kernels, (v->n_kernels + 1) * sizeof *more);
        if (more == NULL)
            return vml_fail_nomem(err);
        v->kernels = more;
        more += v->n_kernels++;
        *more = (struct vml_kernel){ .xen_pv = VML_UNKNOWN };
        snprintf(more->version, sizeof more->version, "%s", version);
        snprintf(more->path, sizeof more->path, "/boot/%s", names[i]);
    }
    if (v->n_kernels > 1)
        qsort(v->kernels, v->n_kernels, sizeof *v->kernels, newer_first);
    return 0;
}

static void choose(struct vml_inspect *v, const char *chosen)
{
    for (size_t i = 0; i < v->n_kernels; i++)
        if (strcmp(v->kernels[i].path + strlen("/boot/"), chosen) == 0) {
            v->kernels[i].chosen = true;
            return;
        }
    if (v->n_kernels > 0)
        v->kernels[0].chosen = true;
}

int vml_kernels_read(const struct vml_tree *t, struct vml_inspect *v, const char *chosen,
                     struct vml_error *err)
{
    if (add_kernels(t, v, err) < 0)
        return -1;
    choose(v, chosen);
    for (size_t i = 0; i < v->n_kernels; i++) {
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (i >= KERNELS_MAX && !v->kernels[i].chosen) {
            vml_note(&v->notes, "inspect/kernels-many", "%s: not looked into, being one of %zu",
                     v->kernels[i].path, v->n_kernels);
            continue;
        }
        read_kernel(t, &v->kernels[i]);
    }
    return 0;
}
