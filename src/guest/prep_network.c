/* The network: eth0, with DHCP, by whichever of the programs that configure it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/edit.h"
#include "guest/plan.h"

struct network {
    struct vml_plan *p;
    struct vml_nics nics;
    bool by_hand;    /* something stays that needs a person */
    bool configured; /* something says what the card is to do */
    bool ifupdown;   /* /etc/network/interfaces does */
    struct {
        size_t files;
        char first[512];
        bool dhcp, by_hand;
    } netplan;
};

typedef int file_fn(struct network *n, const char *path, const char *text, struct vml_error *err);

/* Each file of the folder that ends with suffix, but for those that begin with a dot. */
static int each(struct network *n, const char *folder, const char *suffix, file_fn *fn,
                struct vml_error *err)
{
    VML_AUTO(vml_names_freep) char **names = NULL;

    if (vml_plan_list(n->p, folder, &names, err) < 0)
        return -1;
    for (size_t i = 0; names[i] != NULL; i++) {
        size_t len = strlen(names[i]), s = strlen(suffix);
        VML_AUTO(vml_freep) char *text = NULL;
        char path[512];

        if (names[i][0] == '.' || len < s || strcmp(names[i] + len - s, suffix) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (vml_plan_read(n->p, path, &text, err) < 0 ||
            (text != NULL && fn(n, path, text, err) < 0))
            return -1;
    }
    return 0;
}

/* --- ifupdown ------------------------------------------------------------------------------- */

static int interfaces(struct network *n, const char *path, const char *text, struct vml_error *err)
{
    n->ifupdown = n->ifupdown || vml_interfaces_any(text);
    return vml_plan_write(n->p, path, vml_edit_interfaces(text, &n->nics, &n->by_hand), err);
}

static bool any_of(struct vml_plan *p, const char *const *paths)
{
    for (; *paths != NULL; paths++)
        if (vml_plan_has(p, *paths))
            return true;
    return false;
}

static int ifupdown(struct network *n, struct vml_error *err)
{
    static const char path[] = "/etc/network/interfaces";
    static const char *const clients[] = { "/sbin/dhclient",
                                           "/usr/sbin/dhclient",
                                           "/sbin/udhcpc",
                                           "/usr/bin/udhcpc",
                                           "/sbin/dhcpcd",
                                           "/usr/sbin/dhcpcd",
                                           NULL };
    VML_AUTO(vml_freep) char *text = NULL;

    if (vml_plan_read(n->p, path, &text, err) < 0)
        return -1;
    if ((text != NULL && interfaces(n, path, text, err) < 0) ||
        each(n, "/etc/network/interfaces.d", "", interfaces, err) < 0)
        return -1;
    n->configured = n->configured || n->ifupdown;
    if (n->ifupdown && !any_of(n->p, clients))
        vml_plan_note(n->p, "prep/no-dhcp-client",
                      "ifupdown asks for its address by DHCP and there is no client for it: "
                      "install isc-dhcp-client");
    return 0;
}

/* --- netplan -------------------------------------------------------------------------------- */

static int look_at_netplan(struct network *n, const char *path, const char *text,
                           struct vml_error *err)
{
    (void)err;
    n->configured = true;
    n->netplan.dhcp = vml_netplan_is_dhcp(text, &n->netplan.by_hand);
    if (n->netplan.files++ == 0)
        snprintf(n->netplan.first, sizeof n->netplan.first, "%s", path);
    return 0;
}

static int replace_netplan(struct network *n, const char *path, const char *text,
                           struct vml_error *err)
{
    if (strcmp(path, n->netplan.first) == 0)
        return vml_plan_write(n->p, path, vml_netplan_dhcp(text), err);
    return vml_plan_aside(n->p, path, "netplan adds its files up", err);
}

/* Since it does, several files are one that is right only when there is just that one. */
static int netplan(struct network *n, struct vml_error *err)
{
    if (each(n, "/etc/netplan", ".yaml", look_at_netplan, err) < 0)
        return -1;
    n->by_hand = n->by_hand || n->netplan.by_hand;
    if (n->netplan.by_hand || (n->netplan.files == 1 && n->netplan.dhcp))
        return 0;
    return each(n, "/etc/netplan", ".yaml", replace_netplan, err);
}

/* --- the others ----------------------------------------------------------------------------- */

static int networkd(struct network *n, const char *path, const char *text, struct vml_error *err)
{
    n->configured = true;
    return vml_plan_write(n->p, path, vml_edit_networkd(text, &n->nics, &n->by_hand), err);
}

/* A .link file gives names to cards by their MAC address. */
static int link_file(struct network *n, const char *path, const char *text, struct vml_error *err)
{
    return strstr(text, "MACAddress") != NULL && strstr(text, "Name") != NULL
               ? vml_plan_aside(n->p, path, "it names a card by its MAC address", err)
               : 0;
}

static int nm(struct network *n, const char *path, const char *text, struct vml_error *err)
{
    n->configured = true;
    return vml_plan_write(n->p, path, vml_edit_nm(text), err);
}

/* A file that is called after its interface gets its new name. */
static int ifcfg(struct network *n, const char *path, const char *text, struct vml_error *err)
{
    const char *base = strrchr(path, '/') + 1;
    char name[16] = "", to[512];

    if (strncmp(base, "ifcfg-", 6) != 0 || strcmp(base, "ifcfg-lo") == 0)
        return 0;
    if (strchr(base, '~') != NULL || strchr(base, '.') != NULL) /* a copy that an editor left */
        return 0;
    snprintf(name, sizeof name, "%.15s", base + 6);
    VML_AUTO(vml_freep) char *new = vml_edit_ifcfg(text, &n->nics, name);
    if (new == NULL)
        return vml_fail_nomem(err);
    n->configured = true;
    if (name[0] == '\0') {
        n->by_hand = true;
        return 0;
    }
    snprintf(to, sizeof to, "%.*sifcfg-%s", (int)(base - path), path, name);
    if (vml_plan_write(n->p, to, strdup(new), err) < 0)
        return -1;
    return strcmp(to, path) == 0 ? 0 : vml_plan_aside(n->p, path, "its interface is renamed", err);
}

/* --- the step ------------------------------------------------------------------------------- */

static int udev_rules(struct vml_plan *p, struct vml_error *err)
{
    static const char *const rules[] = { "/etc/udev/rules.d/70-persistent-net.rules",
                                         "/etc/udev/rules.d/75-persistent-net-generator.rules",
                                         "/etc/udev/rules.d/z25_persistent-net.rules", NULL };

    for (size_t i = 0; rules[i] != NULL; i++) {
        VML_AUTO(vml_freep) char *text = NULL;

        if (vml_plan_read(p, rules[i], &text, err) < 0)
            return -1;
        /* One that is empty, or a link to /dev/null, is there to keep another from being made. */
        if (text != NULL && text[0] != '\0' &&
            vml_plan_aside(p, rules[i], "it names cards by their MAC addresses", err) < 0)
            return -1;
    }
    return 0;
}

/* Nothing says anything: what is installed is told, in the order of what wins. */
static int configure(struct network *n, struct vml_error *err)
{
    if (vml_plan_has(n->p, "/usr/sbin/NetworkManager")) /* which asks by DHCP by itself */
        return 0;
    if (vml_plan_has(n->p, "/sbin/ifup") || vml_plan_has(n->p, "/usr/sbin/ifup")) {
        VML_AUTO(vml_freep) char *text = NULL;
        char *new;

        if (vml_plan_read(n->p, "/etc/network/interfaces", &text, err) < 0)
            return -1;
        if (asprintf(&new, "%s\nauto eth0\niface eth0 inet dhcp\n", text != NULL ? text : "") < 0)
            return vml_fail_nomem(err);
        return vml_plan_write(n->p, "/etc/network/interfaces", new, err);
    }
    vml_plan_note(n->p, "prep/no-network",
                  "nothing was found that configures the network: see to it that eth0 gets its "
                  "address by DHCP");
    return 0;
}

int vml_step_network(struct vml_plan *p, struct vml_error *err)
{
    struct network n = { .p = p };

    if (ifupdown(&n, err) < 0 || netplan(&n, err) < 0 ||
        each(&n, "/etc/systemd/network", ".network", networkd, err) < 0 ||
        each(&n, "/etc/systemd/network", ".link", link_file, err) < 0 ||
        each(&n, "/etc/NetworkManager/system-connections", "", nm, err) < 0 ||
        each(&n, "/etc/sysconfig/network-scripts", "", ifcfg, err) < 0 ||
        each(&n, "/etc/sysconfig/network", "", ifcfg, err) < 0)
        return -1;
    if (n.by_hand)
        vml_plan_note(p, "prep/network-by-hand",
                      "the network has bridges, bonds, VLANs or cards of another kind, which are "
                      "left as they are: EC2 gives one card, which asks for its address by DHCP");
    if (!n.configured && configure(&n, err) < 0)
        return -1;
    return udev_rules(p, err) < 0 ? -1 : vml_plan_eth0(p, err);
}
