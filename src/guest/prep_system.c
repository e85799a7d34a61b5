/* Steps about what runs when the machine runs: agents of other hypervisors, cloud-init, identities.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/edit.h"
#include "guest/plan.h"

/* --- agents --------------------------------------------------------------------------------- */

static const struct {
    const char *service, *what;
} agents[] = {
    { "open-vm-tools", "VMware's tools" },
    { "vmtoolsd", "VMware's tools" },
    { "vmware-tools", "VMware's tools" },
    { "vgauth", "VMware's tools" },
    { "vgauthd", "VMware's tools" },
    { "run-vmblock-fuse", "VMware's tools" },
    { "vboxadd", "VirtualBox's additions" },
    { "vboxadd-service", "VirtualBox's additions" },
    { "virtualbox-guest-utils", "VirtualBox's additions" },
    { "vboxservice", "VirtualBox's additions" },
    { "qemu-guest-agent", "QEMU's agent" },
    { "spice-vdagentd", "SPICE's agent" },
    { "hv-kvp-daemon", "Hyper-V's daemons" },
    { "hv-vss-daemon", "Hyper-V's daemons" },
    { "hv-fcopy-daemon", "Hyper-V's daemons" },
    { "hypervkvpd", "Hyper-V's daemons" },
    { "hypervvssd", "Hyper-V's daemons" },
    { "hypervfcopyd", "Hyper-V's daemons" },
    { "walinuxagent", "Azure's agent" },
    { "waagent", "Azure's agent" },
    { "google-guest-agent", "Google's agent" },
    { "xe-daemon", "XenServer's tools" },
    { "xe-linux-distribution", "XenServer's tools" },
    { "prltoolsd", "Parallels' tools" },
};

static bool runs_systemd(struct vml_plan *p)
{
    return vml_plan_has(p, "/lib/systemd/systemd") || vml_plan_has(p, "/usr/lib/systemd/systemd");
}

/* A unit, or a script of sysvinit's that systemd makes one of. */
static bool has_unit(struct vml_plan *p, const char *service)
{
    static const char *const places[] = { "/lib/systemd/system/%s.service",
                                          "/usr/lib/systemd/system/%s.service",
                                          "/etc/systemd/system/%s.service", "/etc/init.d/%s" };

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char path[160];

        snprintf(path, sizeof path, places[i], service);
        if (vml_plan_has(p, path))
            return true;
    }
    return false;
}

static int mask(struct vml_plan *p, const char *service, const char *what, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *target = NULL;
    enum vml_stat kind;
    char path[160], why[96];

    snprintf(path, sizeof path, "/etc/systemd/system/%s.service", service);
    snprintf(why, sizeof why, "%s do not run elsewhere", what);
    if (vml_plan_target(p, path, &target, err) < 0 || vml_plan_stat(p, path, &kind, err) < 0)
        return -1;
    if (target != NULL && strcmp(target, "/dev/null") == 0)
        return 0;
    if (kind != VML_STAT_NONE && vml_plan_aside(p, path, why, err) < 0)
        return -1;
    return vml_plan_link(p, "/dev/null", path, why, err);
}

/* sysvinit: what starts it in its runlevels. */
static int take_out(struct vml_plan *p, const char *service, const char *what,
                    struct vml_error *err)
{
    for (int level = 2; level <= 5; level++) {
        VML_AUTO(vml_names_freep) char **names = NULL;
        char folder[32];

        snprintf(folder, sizeof folder, "/etc/rc%d.d", level);
        if (vml_plan_list(p, folder, &names, err) < 0)
            return -1;
        for (size_t i = 0; names[i] != NULL; i++) {
            char path[512];

            snprintf(path, sizeof path, "%s/%s", folder, names[i]);
            if (names[i][0] == 'S' && strlen(names[i]) > 3 && strcmp(names[i] + 3, service) == 0 &&
                vml_plan_aside(p, path, what, err) < 0)
                return -1;
        }
    }
    return 0;
}

int vml_step_agents(struct vml_plan *p, struct vml_error *err)
{
    bool systemd = runs_systemd(p);

    for (size_t i = 0; i < sizeof agents / sizeof agents[0]; i++) {
        if (systemd && has_unit(p, agents[i].service) &&
            mask(p, agents[i].service, agents[i].what, err) < 0)
            return -1;
        if (!systemd && take_out(p, agents[i].service, agents[i].what, err) < 0)
            return -1;
    }
    return 0;
}

/* --- cloud-init ----------------------------------------------------------------------------- */

static const struct {
    const char *program, *install;
} managers[] = {
    { "/usr/bin/apt-get", "apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y "
                          "--no-install-recommends install cloud-init" },
    { "/usr/bin/dnf", "dnf -y install cloud-init" },
    { "/usr/bin/yum", "yum -y install cloud-init" },
    { "/usr/bin/zypper", "zypper --non-interactive install cloud-init" },
};

static bool has_cloud_init(struct vml_plan *p)
{
    return vml_plan_has(p, "/usr/bin/cloud-init") || vml_plan_has(p, "/usr/local/bin/cloud-init");
}

static int cloud_init(struct vml_plan *p, bool network, struct vml_error *err)
{
    if (has_cloud_init(p)) {
        if (vml_plan_has(p, "/etc/cloud/cloud-init.disabled"))
            vml_plan_note(p, "prep/cloud-init-off",
                          "/etc/cloud/cloud-init.disabled keeps cloud-init from running: no key "
                          "pair and no user data reach the machine");
        return 0;
    }
    for (size_t i = 0; i < sizeof managers / sizeof managers[0]; i++) {
        if (!vml_plan_has(p, managers[i].program))
            continue;
        if (network)
            return vml_plan_run(p, managers[i].install, "it brings key pairs and user data",
                                "prep/cloud-init-failed", err);
        vml_plan_note(p, "prep/no-cloud-init",
                      "cloud-init is not installed, so no key pair and no user data reach the "
                      "machine: --network installs it, or in it: %s",
                      managers[i].install);
        return 0;
    }
    vml_plan_note(p, "prep/no-cloud-init",
                  "cloud-init is not installed, so no key pair and no user data reach the machine");
    return 0;
}

int vml_step_cloud_init_install(struct vml_plan *p, struct vml_error *err)
{
    return cloud_init(p, true, err);
}

int vml_step_cloud_init(struct vml_plan *p, struct vml_error *err)
{
    return cloud_init(p, false, err);
}

/* --- identities ----------------------------------------------------------------------------- */

#define KEYS_UNIT "/etc/systemd/system/vmlift-ssh-host-keys.service"

/* Debian makes them when the package is installed, and never again. */
static int make_at_start(struct vml_plan *p, struct vml_error *err)
{
    static const char *const services[] = { "ssh", "sshd" };
    static const char unit[] = "[Unit]\n"
                               "Description=SSH host keys of this machine\n"
                               "Before=ssh.service sshd.service\n"
                               "ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key\n"
                               "\n"
                               "[Service]\n"
                               "Type=oneshot\n"
                               "ExecStart=/usr/bin/ssh-keygen -A\n";

    if (!vml_plan_has(p, "/usr/bin/ssh-keygen") || !runs_systemd(p)) {
        vml_plan_note(p, "prep/no-ssh-keygen",
                      "the SSH host keys are gone, and nothing makes new ones when it starts: "
                      "ssh-keygen -A does");
        return 0;
    }
    if (vml_plan_write(p, KEYS_UNIT, strdup(unit), err) < 0)
        return -1;
    for (size_t i = 0; i < 2; i++) {
        char link[128];

        snprintf(link, sizeof link,
                 "/etc/systemd/system/%s.service.wants/vmlift-ssh-host-keys.service", services[i]);
        if (has_unit(p, services[i]) && !vml_plan_has(p, link) &&
            vml_plan_link(p, KEYS_UNIT, link, "new keys before the server starts", err) < 0)
            return -1;
    }
    return 0;
}

int vml_step_ssh_host_keys(struct vml_plan *p, struct vml_error *err)
{
    VML_AUTO(vml_names_freep) char **names = NULL;
    bool any = false;

    if (vml_plan_list(p, "/etc/ssh", &names, err) < 0)
        return -1;
    for (size_t i = 0; names[i] != NULL; i++) {
        char path[512];

        if (strncmp(names[i], "ssh_host_", 9) != 0)
            continue;
        snprintf(path, sizeof path, "/etc/ssh/%s", names[i]);
        if (vml_plan_remove(p, path, "every machine has its own", err) < 0)
            return -1;
        any = true;
    }
    /* RHEL has units for it, cloud-init makes them too. */
    bool made = has_cloud_init(p) ||
                vml_plan_has(p, "/usr/lib/systemd/system/sshd-keygen.target") ||
                vml_plan_has(p, "/usr/lib/systemd/system/sshd-keygen.service");
    return any && !made ? make_at_start(p, err) : 0;
}

/* An empty one is made anew by systemd, and one that is not there by D-Bus. */
int vml_step_machine_id(struct vml_plan *p, struct vml_error *err)
{
    static const char path[] = "/etc/machine-id", dbus[] = "/var/lib/dbus/machine-id";
    VML_AUTO(vml_freep) char *text = NULL;
    enum vml_stat kind;

    if (vml_plan_read(p, path, &text, err) < 0 || vml_plan_stat(p, dbus, &kind, err) < 0)
        return -1;
    if (text != NULL && text[0] != '\0' && strcmp(text, "uninitialized\n") != 0 &&
        vml_plan_forget(p, path, "", err) < 0)
        return -1;
    return kind == VML_STAT_FILE ? vml_plan_remove(p, dbus, "every machine has its own", err) : 0;
}

/* --- labels --------------------------------------------------------------------------------- */

/* New files have none, and what has none cannot be read by most. */
int vml_step_selinux(struct vml_plan *p, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *config = NULL;
    VML_AUTO(vml_freep) char *mode = NULL;

    if (!vml_plan_adds_files(p))
        return 0;
    if (vml_plan_read(p, "/etc/selinux/config", &config, err) < 0)
        return -1;
    mode = config != NULL ? vml_variable(config, "SELINUX") : NULL;
    if (mode == NULL || (strcmp(mode, "enforcing") != 0 && strcmp(mode, "permissive") != 0))
        return 0;
    return vml_plan_write(p, "/.autorelabel", strdup(""), err);
}
