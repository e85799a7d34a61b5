#include <string.h>

#include "inspect.h"
#include "table.h"

static const char *const systems[] = {
    [VML_OS_NONE] = "none",
    [VML_OS_LINUX] = "linux",
    [VML_OS_WINDOWS] = "windows",
    [VML_OS_OTHER] = "other",
};
static const char *const addresses[] = {
    [VML_ADDRESS_NONE] = "none",
    [VML_ADDRESS_DHCP] = "dhcp",
    [VML_ADDRESS_STATIC] = "static",
};
static const char *const pagefiles[] = {
    [VML_PAGEFILE_UNKNOWN] = "unknown",
    [VML_PAGEFILE_NONE] = "none",
    [VML_PAGEFILE_FIXED] = "fixed",
    [VML_PAGEFILE_MANAGED] = "managed",
};
static const char *const answers[] = {
    [VML_UNKNOWN] = "not known", [VML_NO] = "no", [VML_YES] = "yes"
};

static void version_of(char text[32], const struct vml_inspect *g)
{
    text[0] = '\0';
    if (g->major > 0 || g->minor > 0)
        snprintf(text, 32, "%d.%d", g->major, g->minor);
}

/* --- JSON ----------------------------------------------------------------------------------- */

/* What is not known is left out. */
static void set_text(json_t *v, const char *name, const char *text)
{
    if (text[0] != '\0')
        json_object_set_new(v, name, json_text(text));
}

static json_t *answer(enum vml_answer a)
{
    return a == VML_UNKNOWN ? json_null() : json_boolean(a == VML_YES);
}

static json_t *kernel_json(const struct vml_kernel *k)
{
    json_t *drivers = json_object();
    json_t *v = json_pack("{s:o, s:o, s:b, s:o, s:o}", "version", json_text(k->version), "path",
                          json_text(k->path), "default", k->chosen, "xen_pv", answer(k->xen_pv),
                          "xen_pvhvm", answer(k->xen_pvhvm));

    for (unsigned d = 0; d < VML_DRIVERS; d++)
        json_object_set_new(drivers, vml_driver_name(d),
                            json_string(vml_driver_at_name(k->drivers[d])));
    if (v == NULL) {
        json_decref(drivers);
        return NULL;
    }
    json_object_set_new(v, "drivers", drivers);
    set_text(v, "initramfs", k->initramfs);
    if (k->initramfs[0] != '\0')
        json_object_set_new(v, "initramfs_read", json_boolean(k->initramfs_read));
    return v;
}

static json_t *mount_json(const struct vml_mount *m)
{
    json_t *v =
        json_pack("{s:i, s:s, s:o, s:b}", "line", (int)m->line, "by", vml_spec_name(m->kind),
                  "spec", json_text(m->spec), "missing", m->missing);

    if (v == NULL)
        return NULL;
    set_text(v, "dir", m->dir);
    set_text(v, "type", m->type);
    set_text(v, "options", m->options);
    return v;
}

static json_t *nic_json(const struct vml_interface *n)
{
    json_t *v = json_pack("{s:o, s:s, s:o}", "name", json_text(n->name), "address",
                          addresses[n->address], "file", json_text(n->file));

    if (v == NULL)
        return NULL;
    set_text(v, "ip", n->ip);
    set_text(v, "mac", n->mac);
    return v;
}

static json_t *usage_json(const struct vml_space *u)
{
    json_t *v =
        json_pack("{s:o, s:o, s:o, s:o}", "dir", json_text(u->dir), "device", json_text(u->device),
                  "size", json_size(u->size), "free", json_size(u->free));

    if (v != NULL)
        set_text(v, "type", u->type);
    return v;
}

static void set_lists(json_t *v, const struct vml_inspect *g)
{
    json_t *usage = json_array(), *agents = json_array(), *identity = json_array();
    json_t *nics = json_array();

    for (size_t i = 0; i < g->n_usage; i++)
        json_array_append_new(usage, usage_json(&g->usage[i]));
    for (size_t i = 0; i < g->n_agents; i++)
        json_array_append_new(agents,
                              json_pack("{s:s, s:s, s:o}", "name", g->agents[i].name, "of",
                                        g->agents[i].of, "path", json_text(g->agents[i].path)));
    for (size_t i = 0; i < g->n_identity; i++)
        json_array_append_new(identity, json_pack("{s:s, s:o}", "what", g->identity[i].what, "path",
                                                  json_text(g->identity[i].path)));
    for (size_t i = 0; i < g->n_nics; i++)
        json_array_append_new(nics, nic_json(&g->nics[i]));
    json_object_set_new(v, "usage", usage);
    json_object_set_new(v, "agents", agents);
    json_object_set_new(v, "identity", identity);
    json_object_set_new(v, "network", nics);
}

static void set_linux(json_t *v, const struct vml_inspect *g)
{
    json_t *kernels = json_array(), *mounts = json_array();

    for (size_t i = 0; i < g->n_kernels; i++)
        json_array_append_new(kernels, kernel_json(&g->kernels[i]));
    for (size_t i = 0; i < g->n_mounts; i++)
        json_array_append_new(mounts, mount_json(&g->mounts[i]));
    json_object_set_new(v, "kernels", kernels);
    json_object_set_new(v, "fstab", mounts);
    set_text(v, "kernel_options", g->kernel_options);
    set_text(v, "kernel_root", g->kernel_root);
    if (g->kernel_root[0] != '\0')
        json_object_set_new(v, "kernel_root_by", json_string(vml_spec_name(g->kernel_root_kind)));
    json_object_set_new(v, "serial_console", json_boolean(g->serial_console));
    set_text(v, "grub_menus", g->menus);
    json_object_set_new(v, "boot_loader_specification", json_boolean(g->loader_spec));
    json_object_set_new(v, "predictable_names", answer(g->predictable));
    set_text(v, "predictable_names_from", g->predictable_from);
    set_text(v, "network_rules", g->net_rules);
    json_object_set_new(v, "dhcp_client", answer(g->dhcp_client));
    json_object_set_new(v, "ssh", answer(g->ssh));
    json_object_set_new(v, "ssh_enabled", answer(g->ssh_enabled));
}

static void set_windows(json_t *v, const struct vml_inspect *g)
{
    const struct vml_windows *w = &g->windows;
    json_t *o =
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "pagefile",
                  pagefiles[w->pagefile], "hibernation", answer(w->hibernation), "hibernated",
                  answer(w->hibernated), "fast_startup", answer(w->fast_startup), "remote_desktop",
                  answer(w->remote_desktop), "nvme", answer(w->nvme), "ena", answer(w->ena), "xen",
                  answer(w->xen), "virtio", answer(w->virtio), "hyperv_role",
                  answer(w->hyperv_role), "dotnet_4_5", answer(w->dotnet), "autologon",
                  answer(w->autologon), "utc_clock", answer(w->utc_clock));

    if (o == NULL)
        return;
    set_text(o, "edition", w->edition);
    set_text(o, "build", w->build);
    set_text(o, "language", w->language);
    set_text(o, "pagefiles", w->pagefiles);
    json_object_set_new(v, "windows", o);
}

json_t *inspect_guest_json(const struct vml_inspect *g)
{
    json_t *notes = json_array();
    json_t *v =
        json_pack("{s:s, s:I, s:o}", "os", systems[g->os], "systems", (json_int_t)g->n_systems,
                  "encrypted", g->encrypted ? json_text(g->encrypted_where) : json_null());
    char version[32];

    json_add_notes(notes, &g->notes);
    if (v == NULL) {
        json_decref(notes);
        return NULL;
    }
    json_object_set_new(v, "notes", notes);
    if (g->os == VML_OS_NONE)
        return v;
    version_of(version, g);
    set_text(v, "distro", g->distro);
    set_text(v, "product", g->product);
    set_text(v, "version", version);
    set_text(v, "architecture", g->arch);
    set_text(v, "host_name", g->hostname);
    set_text(v, "packages", g->packages);
    set_text(v, "root", g->root);
    if (g->root_disk > 0)
        json_object_set_new(v, "root_disk", json_integer(g->root_disk));
    set_text(v, "root_type", g->root_type);
    set_text(v, "root_subvolume", g->root_subvolume);
    set_text(v, "others", g->others);
    json_object_set_new(v, "cloud_init", answer(g->cloud_init));
    set_text(v, "cloud_init_off", g->cloud_init_off);
    json_object_set_new(v, "firewall", answer(g->firewall));
    set_lists(v, g);
    if (g->os == VML_OS_LINUX)
        set_linux(v, g);
    if (g->os == VML_OS_WINDOWS)
        set_windows(v, g);
    return v;
}

/* --- text ----------------------------------------------------------------------------------- */

static void print_system(const struct vml_inspect *g)
{
    char version[32];

    version_of(version, g);
    out_line(stdout, "%-14s %s (%s%s%s, %s%s%s)",
             "system:", g->product[0] != '\0' ? g->product : "of no name", g->distro,
             version[0] != '\0' ? " " : "", version, g->arch, g->packages[0] != '\0' ? ", " : "",
             g->packages);
    if (g->hostname[0] != '\0')
        out_line(stdout, "%-14s %s", "host name:", g->hostname);
    out_line(stdout, "%-14s %s, %s%s%s", "root file sys:", g->root,
             g->root_type[0] != '\0' ? g->root_type : "of unknown type",
             g->root_subvolume[0] != '\0' ? ", subvolume " : "", g->root_subvolume);
    if (g->others[0] != '\0')
        out_line(stdout, "%-14s %s", "other systems:", g->others);
    if (g->encrypted)
        out_line(stdout, "%-14s %s", "encrypted:", g->encrypted_where);
}

static int print_kernels(const struct vml_inspect *g, struct vml_error *err)
{
    VML_AUTO(table_clear) struct table t = { 0 };

    if (g->n_kernels == 0)
        return 0;
    if (table_add(&t, err, "", "KERNEL", "NVME", "ENA", "VIRTIO-BLK", "VIRTIO-NET", "XEN-BLKFRONT",
                  "XEN-NETFRONT", "XEN PV", "PVHVM", NULL) < 0)
        return -1;
    for (size_t i = 0; i < g->n_kernels; i++) {
        const struct vml_kernel *k = &g->kernels[i];
        const char *at[VML_DRIVERS];
        char name[100];

        for (unsigned d = 0; d < VML_DRIVERS; d++)
            at[d] = vml_driver_at_name(k->drivers[d]);
        snprintf(name, sizeof name, "%s%s", k->version, k->chosen && g->n_kernels > 1 ? "*" : "");
        if (table_add(&t, err, "", name, at[VML_DRIVER_NVME], at[VML_DRIVER_ENA],
                      at[VML_DRIVER_VIRTIO_BLK], at[VML_DRIVER_VIRTIO_NET], at[VML_DRIVER_XEN_BLK],
                      at[VML_DRIVER_XEN_NET], answers[k->xen_pv], answers[k->xen_pvhvm], NULL) < 0)
            return -1;
    }
    table_print(&t);
    return 0;
}

static int print_mounts(const struct vml_inspect *g, struct vml_error *err)
{
    VML_AUTO(table_clear) struct table t = { 0 };

    if (g->n_mounts == 0)
        return 0;
    if (table_add(&t, err, "", "FSTAB", "NAMED BY", "ON", "TYPE", "OPTIONS", NULL) < 0)
        return -1;
    for (size_t i = 0; i < g->n_mounts; i++) {
        const struct vml_mount *m = &g->mounts[i];
        char by[40];

        snprintf(by, sizeof by, "%s%s", vml_spec_name(m->kind), m->missing ? ", is not there" : "");
        if (table_add(&t, err, "", m->spec, by, m->dir, m->type, m->options, NULL) < 0)
            return -1;
    }
    table_print(&t);
    return 0;
}

static int print_usage(const struct vml_inspect *g, struct vml_error *err)
{
    VML_AUTO(table_clear) struct table t = { 0 };
    char size[32], left[32];

    if (g->n_usage == 0)
        return 0;
    if (table_add(&t, err, "", "FILE SYSTEM", "DEVICE", "TYPE", "SIZE", "FREE", NULL) < 0)
        return -1;
    for (size_t i = 0; i < g->n_usage; i++)
        if (table_add(&t, err, "", g->usage[i].dir, g->usage[i].device, g->usage[i].type,
                      vml_size_format(size, g->usage[i].size),
                      vml_size_format(left, g->usage[i].free), NULL) < 0)
            return -1;
    table_print(&t);
    return 0;
}

static void print_network(const struct vml_inspect *g)
{
    for (size_t i = 0; i < g->n_nics; i++) {
        const struct vml_interface *n = &g->nics[i];

        out_line(stdout, "%-14s %s: %s%s%s%s%s (%s)",
                 "network:", n->name[0] != '\0' ? n->name : "any", addresses[n->address],
                 n->ip[0] != '\0' ? " " : "", n->ip, n->mac[0] != '\0' ? ", only for " : "", n->mac,
                 n->file);
    }
}

static void print_linux(const struct vml_inspect *g)
{
    if (g->kernel_options[0] != '\0')
        out_line(stdout, "%-14s %s", "kernel words:", g->kernel_options);
    print_network(g);
    out_line(stdout, "%-14s %s%s%s",
             "network names:", g->predictable == VML_YES ? "as enp1s0" : "as eth0",
             g->predictable_from[0] != '\0' ? ", by " : "", g->predictable_from);
    if (g->cloud_init_off[0] != '\0')
        out_line(stdout, "%-14s off: %s", "cloud-init:", g->cloud_init_off);
    else
        out_line(stdout, "%-14s %s", "cloud-init:", answers[g->cloud_init]);
    out_line(stdout, "%-14s %s", "SSH server:",
             g->ssh != VML_YES           ? answers[g->ssh]
             : g->ssh_enabled == VML_YES ? "yes"
                                         : "yes, but it is not started");
}

static void print_windows(const struct vml_inspect *g)
{
    const struct vml_windows *w = &g->windows;

    if (w->edition[0] != '\0')
        out_line(stdout, "%-14s %s, build %s, language %s", "edition:", w->edition, w->build,
                 w->language);
    print_network(g);
    out_line(stdout, "%-14s nvme %s, ena %s, xen %s, virtio %s", "drivers:", answers[w->nvme],
             answers[w->ena], answers[w->xen], answers[w->virtio]);
    out_line(stdout, "%-14s %s%s%s", "page file:", pagefiles[w->pagefile],
             w->pagefiles[0] != '\0' ? ": " : "", w->pagefiles);
    out_line(stdout, "%-14s allowed %s, right now %s, fast startup %s",
             "hibernation:", answers[w->hibernation], answers[w->hibernated],
             answers[w->fast_startup]);
    out_line(stdout, "%-14s %s", "Remote Desktop:", answers[w->remote_desktop]);
}

int inspect_guest_text(const struct vml_inspect *g, struct vml_error *err)
{
    if (g->os == VML_OS_NONE) {
        out_line(stdout, "%-14s none was found", "system:");
    } else {
        print_system(g);
        if (g->os == VML_OS_LINUX)
            print_linux(g);
        if (g->os == VML_OS_WINDOWS)
            print_windows(g);
    }
    for (size_t i = 0; i < g->n_agents; i++)
        out_line(stdout, "%-14s %s (%s)", "agent:", g->agents[i].name, g->agents[i].of);
    for (size_t i = 0; i < g->n_identity; i++)
        out_line(stdout, "%-14s %s (%s)", "its own:", g->identity[i].what, g->identity[i].path);
    for (size_t i = 0; i < g->notes.n; i++)
        out_line(stdout, "%-14s %s [%s]", "note:", g->notes.items[i].text, g->notes.items[i].slug);
    return print_kernels(g, err) < 0 || print_mounts(g, err) < 0 ? -1 : print_usage(g, err);
}
