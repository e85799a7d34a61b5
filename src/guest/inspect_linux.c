#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "guest/fstab.h"
#include "guest/inspect.h"
#include "guest/kernel.h"
#include "guest/loader.h"
#include "guest/network.h"

/* --- programs of hosts and clouds ----------------------------------------------------------- */

static const struct {
    const char *path, *name, *of;
} agents[] = {
    { "/usr/bin/vmtoolsd", "open-vm-tools", "VMware" },
    { "/usr/sbin/vmtoolsd", "VMware Tools", "VMware" },
    { "/usr/lib/vmware-tools/sbin64/vmtoolsd", "VMware Tools", "VMware" },
    { "/etc/vmware-tools/locations", "VMware Tools", "VMware" },
    { "/usr/sbin/VBoxService", "VirtualBox Guest Additions", "VirtualBox" },
    { "/usr/bin/VBoxService", "VirtualBox Guest Additions", "VirtualBox" },
    { "/usr/sbin/qemu-ga", "qemu-guest-agent", "KVM" },
    { "/usr/bin/qemu-ga", "qemu-guest-agent", "KVM" },
    { "/usr/bin/spice-vdagent", "spice-vdagent", "KVM" },
    { "/usr/sbin/hv_kvp_daemon", "Hyper-V daemons", "Hyper-V" },
    { "/usr/sbin/hypervkvpd", "Hyper-V daemons", "Hyper-V" },
    { "/usr/sbin/waagent", "Azure Linux agent", "Azure" },
    { "/usr/bin/google_guest_agent", "Google guest agent", "Google" },
    { "/usr/sbin/xe-daemon", "xe-guest-utilities", "Xen" },
    { "/usr/bin/prltoolsd", "Parallels Tools", "Parallels" },
    { "/usr/bin/amazon-ssm-agent", "amazon-ssm-agent", "AWS" },
    { "/snap/amazon-ssm-agent", "amazon-ssm-agent", "AWS" },
    { "/opt/aws/bin/cfn-init", "aws-cfn-bootstrap", "AWS" },
};

static int find_agents(const struct vml_tree *t, struct vml_inspect *v, struct vml_error *err)
{
    for (size_t i = 0; i < sizeof agents / sizeof agents[0]; i++)
        if (vml_tree_has(t, agents[i].path) &&
            vml_inspect_agent(v, agents[i].name, agents[i].of, agents[i].path, err) < 0)
            return -1;
    return 0;
}

/* --- what a copy should not have ------------------------------------------------------------ */

static const struct {
    const char *path, *what;
} identities[] = {
    { "/etc/pki/consumer/cert.pem", "licence: Red Hat subscription" },
    { "/etc/sysconfig/rhn/systemid", "licence: Red Hat or ULN registration" },
    { "/etc/zypp/credentials.d/SCCcredentials", "licence: SUSE registration" },
    { "/var/lib/ubuntu-advantage/private/machine-token.json", "licence: Ubuntu Pro" },
    { "/var/lib/systemd/random-seed", "random seed" },
    { "/etc/iscsi/initiatorname.iscsi", "iSCSI initiator name" },
    { "/etc/nvme/hostid", "NVMe host ID" },
    { "/var/lib/cloud/instance", "cloud-init's instance" },
    { "/etc/puppetlabs/puppet/ssl/private_keys", "Puppet's keys" },
    { "/etc/salt/pki/minion/minion.pem", "Salt's key" },
    { "/etc/chef/client.pem", "Chef's key" },
};

static int find_machine_id(const struct vml_tree *t, struct vml_inspect *v, struct vml_error *err)
{
    static const char path[] = "/etc/machine-id";
    VML_AUTO(vml_freep) char *id = vml_tree_read(t, path);

    /* 32 digits; empty, or "uninitialized", where the next start makes one */
    return id != NULL && strspn(id, "0123456789abcdef") == 32
               ? vml_inspect_identity(v, "machine-id", path, err)
               : 0;
}

static int find_host_keys(const struct vml_tree *t, struct vml_inspect *v, struct vml_error *err)
{
    VML_AUTO(vml_tree_list_freep) char **names = vml_tree_list(t, "/etc/ssh");
    char path[160];

    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        size_t n = strlen(names[i]);

        if (strncmp(names[i], "ssh_host_", 9) != 0 || n < 4 ||
            strcmp(names[i] + n - 4, "_key") != 0)
            continue;
        snprintf(path, sizeof path, "/etc/ssh/%s", names[i]);
        if (vml_inspect_identity(v, "ssh host key", path, err) < 0)
            return -1;
    }
    return 0;
}

static int find_identity(const struct vml_tree *t, struct vml_inspect *v, struct vml_error *err)
{
    if (find_machine_id(t, v, err) < 0 || find_host_keys(t, v, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof identities / sizeof identities[0]; i++)
        if (vml_tree_has(t, identities[i].path) &&
            vml_inspect_identity(v, identities[i].what, identities[i].path, err) < 0)
            return -1;
    return 0;
}

/* --- how it is reached ---------------------------------------------------------------------- */

static bool any(const struct vml_tree *t, const char *const *paths)
{
    for (; *paths != NULL; paths++)
        if (vml_tree_has(t, *paths))
            return true;
    return false;
}

/* A link that a unit is started by; it may point to what is outside of the tree's sight. */
static bool wanted(const struct vml_tree *t, const char *const *names)
{
    static const char *const folders[] = { "multi-user.target.wants", "sockets.target.wants",
                                           "sysinit.target.wants", "network-pre.target.wants",
                                           "cloud-init.target.wants" };
    char path[200];

    for (; *names != NULL; names++)
        for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
            snprintf(path, sizeof path, "/etc/systemd/system/%s/%s", folders[i], *names);
            if (vml_tree_is_link(t, path) || vml_tree_has(t, path))
                return true;
        }
    return false;
}

/* Of SysV's runlevels 2 and 3: S02ssh. */
static bool started(const struct vml_tree *t, const char *name)
{
    static const char *const folders[] = { "/etc/rc2.d", "/etc/rc3.d", "/etc/rc.d/rc3.d",
                                           "/etc/init.d/rc3.d" };

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        VML_AUTO(vml_tree_list_freep) char **names = vml_tree_list(t, folders[i]);

        for (size_t k = 0; names != NULL && names[k] != NULL; k++)
            if (names[k][0] == 'S' && strlen(names[k]) > 3 && strcmp(names[k] + 3, name) == 0)
                return true;
    }
    return false;
}

static void find_ssh(const struct vml_tree *t, struct vml_inspect *v)
{
    static const char *const programs[] = { "/usr/sbin/sshd", "/usr/sbin/dropbear", NULL };
    static const char *const units[] = { "ssh.service", "sshd.service",     "ssh.socket",
                                         "sshd.socket", "dropbear.service", NULL };
    static const char *const links[] = { "/etc/runlevels/default/sshd", /* OpenRC */
                                         "/etc/init/ssh.conf", NULL };  /* Upstart */

    v->ssh = any(t, programs) ? VML_YES : VML_NO;
    if (v->ssh == VML_NO)
        return;
    v->ssh_enabled = wanted(t, units) || any(t, links) || started(t, "ssh") || started(t, "sshd")
                         ? VML_YES
                         : VML_NO;
}

static void find_firewall(const struct vml_tree *t, struct vml_inspect *v)
{
    static const char *const units[] = { "firewalld.service",     "nftables.service",
                                         "iptables.service",      "netfilter-persistent.service",
                                         "SuSEfirewall2.service", NULL };
    VML_AUTO(vml_freep) char *ufw = vml_tree_read(t, "/etc/ufw/ufw.conf");
    struct vml_line line = { 0 };
    char value[8];
    bool on = false;

    for (const char *at = ufw; at != NULL && vml_line_next(&at, &line);)
        if (vml_line_value(&line, "ENABLED", value, sizeof value))
            on = strcasecmp(value, "yes") == 0;
    v->firewall = on || wanted(t, units) || started(t, "iptables") ? VML_YES : VML_NO;
}

/* --- cloud-init ----------------------------------------------------------------------------- */

/* The last word on it, as cloud-init reads its files in their order; false: none says anything. */
static bool datasources(const struct vml_tree *t, char path[96], char list[160])
{
    static const char folder[] = "/etc/cloud/cloud.cfg.d";
    VML_AUTO(vml_tree_list_freep) char **names = vml_tree_list(t, folder);
    bool found = false;

    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        struct vml_line line = { 0 };
        char name[300];

        snprintf(name, sizeof name, "%s/%s", folder, names[i]);
        VML_AUTO(vml_freep) char *text = vml_tree_read(t, name);
        for (const char *at = text; at != NULL && vml_line_next(&at, &line);)
            if (line.len > 16 && strncmp(line.text, "datasource_list:", 16) == 0) {
                snprintf(path, 96, "%s", name);
                snprintf(list, 160, "%.*s", (int)line.len - 16, line.text + 16);
                found = true;
            }
    }
    return found;
}

static void find_cloud_init(const struct vml_tree *t, struct vml_inspect *v)
{
    static const char *const programs[] = { "/usr/bin/cloud-init", "/usr/local/bin/cloud-init",
                                            "/opt/freeware/bin/cloud-init", NULL };
    static const char off[] = "/etc/cloud/cloud-init.disabled";
    char path[96], list[160];

    v->cloud_init = any(t, programs) ? VML_YES : VML_NO;
    if (v->cloud_init == VML_NO)
        return;
    if (vml_tree_is_file(t, off))
        snprintf(v->cloud_init_off, sizeof v->cloud_init_off, "%s", off);
    else if (strstr(v->kernel_options, "cloud-init=disabled") != NULL)
        snprintf(v->cloud_init_off, sizeof v->cloud_init_off, "cloud-init=disabled");
    else if (datasources(t, path, list) && list[strspn(list, " ")] == '[' &&
             strstr(list, "Ec2") == NULL)
        snprintf(v->cloud_init_off, sizeof v->cloud_init_off, "%.60s has no Ec2", path);
}

/* --- names of network interfaces ------------------------------------------------------------ */

static void find_naming(const struct vml_tree *t, struct vml_inspect *v)
{
    static const char *const overrides[] = { "/etc/systemd/network/99-default.link",
                                             "/etc/udev/rules.d/80-net-setup-link.rules",
                                             "/etc/udev/rules.d/80-net-name-slot.rules" };
    static const char *const rules[] = { "/lib/udev/rules.d/80-net-setup-link.rules",
                                         "/usr/lib/udev/rules.d/80-net-setup-link.rules",
                                         "/lib/udev/rules.d/80-net-name-slot.rules",
                                         "/usr/lib/udev/rules.d/80-net-name-slot.rules", NULL };
    const char *option = vml_kernel_option(v->kernel_options, "net.ifnames=");

    v->predictable = VML_NO;
    if (option != NULL) {
        v->predictable = option[0] == '0' ? VML_NO : VML_YES;
        snprintf(v->predictable_from, sizeof v->predictable_from, "net.ifnames=%c", option[0]);
        return;
    }
    for (size_t i = 0; i < sizeof overrides / sizeof overrides[0]; i++)
        if (vml_tree_is_link(t, overrides[i])) { /* to /dev/null */
            snprintf(v->predictable_from, sizeof v->predictable_from, "%s", overrides[i]);
            return;
        }
    for (const char *const *r = rules; *r != NULL; r++)
        if (vml_tree_is_file(t, *r)) {
            v->predictable = VML_YES;
            snprintf(v->predictable_from, sizeof v->predictable_from, "%s", *r);
            return;
        }
}

/* --- disks ---------------------------------------------------------------------------------- */

static int read_fstab(const struct vml_tree *t, struct vml_inspect *v, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = vml_tree_read(t, "/etc/fstab");

    v->fstab = text != NULL;
    return text != NULL ? vml_fstab_parse(text, &v->mounts, &v->n_mounts, err) : 0;
}

/* Swap that gets a new key at each start is no obstacle. */
static void read_crypttab(const struct vml_tree *t, struct vml_inspect *v)
{
    VML_AUTO(vml_freep) char *text = vml_tree_read(t, "/etc/crypttab");
    struct vml_line line = { 0 };
    char name[64], key[64];

    for (const char *at = text; at != NULL && vml_line_next(&at, &line);)
        if (line.len > 0 && line.text[0] != '#' && vml_line_word(&line, 0, name, sizeof name) &&
            !(vml_line_word(&line, 2, key, sizeof key) && strstr(key, "random") != NULL)) {
            v->encrypted = true;
            snprintf(v->encrypted_where, sizeof v->encrypted_where, "/etc/crypttab: %s", name);
        }
}

static bool same_volume(const char *device, const char *spec)
{
    char mapper[200] = "/dev/mapper/";
    size_t used = strlen(mapper);

    if (strcmp(device, spec) == 0)
        return true;
    if (strncmp(device, "/dev/", 5) != 0 || strchr(device + 5, '/') == NULL)
        return false;
    for (const char *p = device + 5; *p != '\0' && used + 2 < sizeof mapper; p++) {
        if (*p == '-') /* is doubled there */
            mapper[used++] = '-';
        mapper[used++] = *p == '/' ? '-' : *p;
    }
    mapper[used] = '\0';
    return strcmp(mapper, spec) == 0;
}

/* What stands behind "UUID=" or in "/dev/disk/by-uuid/". */
static const char *named(const char *spec)
{
    const char *rest = strchr(spec, '=');

    return strncmp(spec, "/dev/", 5) != 0 && rest != NULL ? rest + 1 : strrchr(spec, '/') + 1;
}

static bool is_there(const struct vml_mount *m, const struct vml_block *b)
{
    switch (m->kind) {
    case VML_SPEC_UUID:
        return strcasecmp(named(m->spec), b->uuid) == 0;
    case VML_SPEC_LABEL:
        return strcmp(named(m->spec), b->label) == 0;
    case VML_SPEC_PARTUUID:
        return strcasecmp(named(m->spec), b->partuuid) == 0;
    case VML_SPEC_PARTLABEL:
        return strcmp(named(m->spec), b->partlabel) == 0;
    case VML_SPEC_VOLUME:
        return same_volume(b->device, m->spec) || strncmp(m->spec, "/dev/md", 7) == 0 ||
               strncmp(m->spec, "/dev/dm-", 8) == 0;
    default:
        return true; /* nobody can tell by the name alone */
    }
}

void vml_inspect_missing(struct vml_inspect *v, const struct vml_block *blocks, size_t n)
{
    for (size_t i = 0; i < v->n_mounts; i++) {
        bool found = false;

        for (size_t k = 0; k < n && !found; k++)
            found = is_there(&v->mounts[i], &blocks[k]);
        v->mounts[i].missing = n > 0 && !found;
    }
}

/* Its own word for itself, where libguestfs has none, in the words of libguestfs. */
static void take_id(struct vml_inspect *v, const char *id)
{
    static const struct {
        const char *id, *distro;
    } names[] = { { "ol", "oraclelinux" }, { "amzn", "amazonlinux" }, { "sles_sap", "sles" } };

    if (v->distro[0] != '\0')
        return;
    snprintf(v->distro, sizeof v->distro, "%s", id);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].id, id) == 0)
            snprintf(v->distro, sizeof v->distro, "%s", names[i].distro);
}

static void take_version(struct vml_inspect *v, const char *version)
{
    char *end = NULL;

    if (v->major > 0)
        return;
    v->major = (int)strtol(version, &end, 10);
    v->minor = *end == '.' ? (int)strtol(end + 1, NULL, 10) : 0;
}

/* What it calls itself: libguestfs's word for it is a number alone, where that comes from
 * elsewhere. */
static void read_name(const struct vml_tree *t, struct vml_inspect *v)
{
    static const char *const places[] = { "/etc/os-release", "/usr/lib/os-release" };
    VML_AUTO(vml_freep) char *text = NULL;
    struct vml_line line = { 0 };
    char word[32];

    for (size_t i = 0; text == NULL && i < sizeof places / sizeof places[0]; i++)
        text = vml_tree_read(t, places[i]);
    for (const char *at = text; at != NULL && vml_line_next(&at, &line);) {
        (void)vml_line_value(&line, "PRETTY_NAME", v->product, sizeof v->product);
        if (vml_line_value(&line, "ID", word, sizeof word))
            take_id(v, word);
        else if (vml_line_value(&line, "VERSION_ID", word, sizeof word))
            take_version(v, word);
    }
    VML_AUTO(vml_freep)
    char *host = v->hostname[0] == '\0' ? vml_tree_read(t, "/etc/hostname") : NULL;
    if (host != NULL)
        snprintf(v->hostname, sizeof v->hostname, "%.*s", (int)strcspn(host, " \t\r\n"), host);
}

/* --- all of it ------------------------------------------------------------------------------ */

int vml_inspect_linux(const struct vml_tree *t, struct vml_inspect *v, struct vml_error *err)
{
    char kernel[160];

    read_name(t, v);
    vml_loader_read(t, v, kernel);
    if (read_fstab(t, v, err) < 0 || vml_network_read(t, v, err) < 0 ||
        find_agents(t, v, err) < 0 || find_identity(t, v, err) < 0)
        return -1;
    read_crypttab(t, v);
    find_naming(t, v);
    find_ssh(t, v);
    find_firewall(t, v);
    find_cloud_init(t, v);
    return vml_kernels_read(t, v, kernel, err);
}
