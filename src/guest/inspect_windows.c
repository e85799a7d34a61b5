/* A Windows, by its registry. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "guest/inspect.h"

#define CURRENT_VERSION "Microsoft\\Windows NT\\CurrentVersion"

/* What a look at it needs; keys of SYSTEM are beneath the control set. */
struct look {
    const struct vml_tree *tree;
    const struct vml_hives *hives;
    const char *control;
    struct vml_inspect *v;
};

static char *system_text(const struct look *l, const char *key, const char *value)
{
    char path[300];

    snprintf(path, sizeof path, "%s\\%s", l->control, key);
    return l->hives->text(l->hives->arg, "SYSTEM", path, value);
}

static bool system_number(const struct look *l, const char *key, const char *value, uint32_t *n)
{
    char path[300];

    snprintf(path, sizeof path, "%s\\%s", l->control, key);
    return l->hives->number(l->hives->arg, "SYSTEM", path, value, n);
}

/* UNKNOWN where the value is not there. */
static enum vml_answer system_is(const struct look *l, const char *key, const char *value,
                                 uint32_t wanted)
{
    uint32_t n;

    return !system_number(l, key, value, &n) ? VML_UNKNOWN : n == wanted ? VML_YES : VML_NO;
}

static void software_text(const struct look *l, const char *key, const char *value, char *to,
                          size_t cap)
{
    VML_AUTO(vml_freep) char *text = l->hives->text(l->hives->arg, "SOFTWARE", key, value);

    if (text != NULL)
        snprintf(to, cap, "%s", text);
}

/* --- drivers -------------------------------------------------------------------------------- */

/* One that Windows starts, or may start, the disk's with the boot loader (Start 0, and not taken
 * back for machines without such hardware): an ordinary one is late for the disk that it is read
 * from. */
static bool has_service(const struct look *l, const char *name, bool of_disk)
{
    char key[100];
    uint32_t start, override = 0;

    snprintf(key, sizeof key, "Services\\%s", name);
    if (!system_number(l, key, "Start", &start) || start > (of_disk ? 0 : 3))
        return false;
    snprintf(key, sizeof key, "Services\\%s\\StartOverride", name);
    return !of_disk || !system_number(l, key, "0", &override) || override == 0;
}

static enum vml_answer any_service(const struct look *l, const char *const *names, bool of_disk)
{
    for (; *names != NULL; names++)
        if (has_service(l, *names, of_disk))
            return VML_YES;
    return VML_NO;
}

static void find_drivers(const struct look *l)
{
    static const char *const nvme[] = { "stornvme", "AWSNVMe", NULL };
    static const char *const ena[] = { "ena", NULL };
    static const char *const xen[] = { "xenvbd", "rhelscsi", NULL };
    static const char *const virtio[] = { "viostor", "vioscsi", NULL };
    static const char *const hyperv[] = { "vmms", NULL };
    struct vml_windows *w = &l->v->windows;

    w->nvme = any_service(l, nvme, true);
    w->ena = any_service(l, ena, false);
    w->xen = any_service(l, xen, true);
    w->virtio = any_service(l, virtio, true);
    w->hyperv_role = any_service(l, hyperv, false);
}

/* --- memory on disk ------------------------------------------------------------------------- */

/* "C:\pagefile.sys 1024 4096": the first and the last MiB; "?:" and "0 0" leave it to Windows. */
static enum vml_pagefile pagefile_kind(const char *text)
{
    const char *at = text;
    struct vml_line line = { 0 };
    char first[16], last[16];

    if (!vml_line_next(&at, &line) || line.len == 0)
        return VML_PAGEFILE_NONE;
    if (line.text[0] == '?' || !vml_line_word(&line, 1, first, sizeof first) ||
        !vml_line_word(&line, 2, last, sizeof last) || strcmp(first, "0") == 0)
        return VML_PAGEFILE_MANAGED;
    return strcmp(first, last) == 0 ? VML_PAGEFILE_FIXED : VML_PAGEFILE_MANAGED;
}

static void find_memory(const struct look *l)
{
    struct vml_windows *w = &l->v->windows;
    VML_AUTO(vml_freep)
    char *files = system_text(l, "Control\\Session Manager\\Memory Management", "PagingFiles");
    VML_AUTO(vml_freep) char *head = NULL;
    size_t got = 0;

    if (files != NULL) {
        w->pagefile = pagefile_kind(files);
        snprintf(w->pagefiles, sizeof w->pagefiles, "%s", files);
    }
    w->hibernation = system_is(l, "Control\\Power", "HibernateEnabled", 1);
    w->fast_startup = system_is(l, "Control\\Session Manager\\Power", "HiberbootEnabled", 1);
    /* it begins with "hibr" while there is a state in it, "wake" when that was taken up again */
    head = l->tree->pread(l->tree->arg, "/hiberfil.sys", 0, 4, &got);
    w->hibernated =
        head != NULL && got == 4 && strncasecmp(head, "hibr", 4) == 0 ? VML_YES : VML_NO;
}

/* --- network -------------------------------------------------------------------------------- */

static int find_networks(const struct look *l, struct vml_error *err)
{
    static const char parent[] = "Services\\Tcpip\\Parameters\\Interfaces";
    char key[300];

    snprintf(key, sizeof key, "%s\\%s", l->control, parent);
    VML_AUTO(vml_tree_list_freep) char **names = l->hives->list(l->hives->arg, "SYSTEM", key);
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        struct vml_inspect *v = l->v;
        uint32_t dhcp = 1;

        snprintf(key, sizeof key, "%s\\%s", parent, names[i]);
        VML_AUTO(vml_freep) char *ip = system_text(l, key, "IPAddress");
        if (!system_number(l, key, "EnableDHCP", &dhcp) && ip == NULL)
            continue;
        if (dhcp == 0 && ip != NULL && (ip[0] == '\0' || strncmp(ip, "0.0.0.0", 7) == 0))
            continue; /* of what is no card */
        struct vml_interface *more = realloc(v->nics, (v->n_nics + 1) * sizeof *more);
        if (more == NULL)
            return vml_fail_nomem(err);
        v->nics = more;
        more += v->n_nics++;
        *more =
            (struct vml_interface){ .address = dhcp != 0 ? VML_ADDRESS_DHCP : VML_ADDRESS_STATIC };
        snprintf(more->name, sizeof more->name, "%s", names[i]);
        snprintf(more->file, sizeof more->file, "registry");
        if (dhcp == 0 && ip != NULL)
            snprintf(more->ip, sizeof more->ip, "%.*s", (int)strcspn(ip, " "), ip);
    }
    return 0;
}

static void find_reach(const struct look *l)
{
    static const char *const profiles[] = { "DomainProfile", "StandardProfile", "PublicProfile" };
    struct vml_windows *w = &l->v->windows;
    char key[160];

    w->remote_desktop = system_is(l, "Control\\Terminal Server", "fDenyTSConnections", 0);
    l->v->firewall = VML_NO;
    for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
        snprintf(key, sizeof key, "Services\\SharedAccess\\Parameters\\FirewallPolicy\\%s",
                 profiles[i]);
        if (system_is(l, key, "EnableFirewall", 1) == VML_YES)
            l->v->firewall = VML_YES;
    }
}

/* --- installed ------------------------------------------------------------------------------ */

static const struct {
    const char *in_name, *name, *of;
} agents[] = {
    { "VMware Tools", "VMware Tools", "VMware" },
    { "VirtualBox Guest Additions", "VirtualBox Guest Additions", "VirtualBox" },
    { "QEMU guest agent", "qemu-guest-agent", "KVM" },
    { "Virtio-win", "virtio-win", "KVM" },
    { "Citrix VM Tools", "XenServer tools", "Xen" },
    { "XenServer", "XenServer tools", "Xen" },
    { "Parallels Tools", "Parallels Tools", "Parallels" },
    { "Windows Azure VM Agent", "Azure VM agent", "Azure" },
    { "AWS PV Drivers", "AWS PV drivers", "AWS" },
    { "Amazon SSM Agent", "amazon-ssm-agent", "AWS" },
    { "EC2ConfigService", "EC2Config", "AWS" },
    { "EC2Launch", "EC2Launch", "AWS" },
    { "Cloudbase-Init", "cloudbase-init", "any" },
};

static int find_installed(const struct look *l, const char *key, struct vml_error *err)
{
    VML_AUTO(vml_tree_list_freep) char **names = l->hives->list(l->hives->arg, "SOFTWARE", key);

    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        char path[300], shown[120] = "";

        snprintf(path, sizeof path, "%s\\%s", key, names[i]);
        software_text(l, path, "DisplayName", shown, sizeof shown);
        for (size_t k = 0; k < sizeof agents / sizeof agents[0]; k++)
            if (shown[0] != '\0' && strcasestr(shown, agents[k].in_name) != NULL &&
                vml_inspect_agent(l->v, agents[k].name, agents[k].of, shown, err) < 0)
                return -1;
    }
    return 0;
}

static int find_software(const struct look *l, struct vml_error *err)
{
    struct vml_windows *w = &l->v->windows;
    uint32_t release;
    char autologon[8] = "", state[64] = "";

    software_text(l, CURRENT_VERSION, "EditionID", w->edition, sizeof w->edition);
    software_text(l, CURRENT_VERSION, "CurrentBuildNumber", w->build, sizeof w->build);
    software_text(l, CURRENT_VERSION "\\Winlogon", "AutoAdminLogon", autologon, sizeof autologon);
    w->autologon = autologon[0] == '1' ? VML_YES : VML_NO;
    /* ".NET Framework: how to determine which versions are installed": 4.5 is 378389 */
    w->dotnet =
        l->hives->number(l->hives->arg, "SOFTWARE", "Microsoft\\NET Framework Setup\\NDP\\v4\\Full",
                         "Release", &release) &&
                release >= 378389
            ? VML_YES
            : VML_NO;
    software_text(l, "Microsoft\\Windows\\CurrentVersion\\Setup\\State", "ImageState", state,
                  sizeof state);
    if (strstr(state, "GENERALIZE") == NULL &&
        vml_inspect_identity(l->v, "SID and machine GUID (no sysprep)", "registry", err) < 0)
        return -1;
    l->v->cloud_init = VML_NO;
    if (find_installed(l, "Microsoft\\Windows\\CurrentVersion\\Uninstall", err) < 0 ||
        find_installed(l, "Wow6432Node\\Microsoft\\Windows\\CurrentVersion\\Uninstall", err) < 0)
        return -1;
    for (size_t i = 0; i < l->v->n_agents; i++)
        if (strcmp(l->v->agents[i].name, "cloudbase-init") == 0 ||
            strncmp(l->v->agents[i].name, "EC2", 3) == 0)
            l->v->cloud_init = VML_YES;
    return 0;
}

int vml_inspect_windows(const struct vml_tree *t, const struct vml_hives *h, const char *control,
                        struct vml_inspect *v, struct vml_error *err)
{
    const struct look l = { t, h, control, v };
    VML_AUTO(vml_freep)
    char *language = system_text(&l, "Control\\Nls\\Language", "InstallLanguage");

    if (language != NULL)
        snprintf(v->windows.language, sizeof v->windows.language, "%s", language);
    v->windows.utc_clock = system_is(&l, "Control\\TimeZoneInformation", "RealTimeIsUniversal", 1);
    find_drivers(&l);
    find_memory(&l);
    find_reach(&l);
    if (find_networks(&l, err) < 0)
        return -1;
    return find_software(&l, err); /* the other hive */
}
