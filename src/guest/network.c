#include "guest/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NICS_MAX = 100 };

/* NULL: there is no memory, or there are too many. */
static struct vml_interface *add(struct vml_inspect *v, const char *file, const char *name)
{
    struct vml_interface *more =
        v->n_nics < NICS_MAX ? realloc(v->nics, (v->n_nics + 1) * sizeof *more) : NULL;

    if (more == NULL)
        return NULL;
    v->nics = more;
    more += v->n_nics++;
    *more = (struct vml_interface){ .address = VML_ADDRESS_NONE };
    snprintf(more->name, sizeof more->name, "%s", name);
    snprintf(more->file, sizeof more->file, "%s", file);
    return more;
}

static int added(const struct vml_inspect *v, const struct vml_interface *nic,
                 struct vml_error *err)
{
    return nic != NULL || v->n_nics == NICS_MAX ? 0 : vml_fail_nomem(err);
}

static void set(char *to, size_t cap, const char *from)
{
    snprintf(to, cap, "%s", from);
}

bool vml_network_is_eth(const char *name)
{
    return strncmp(name, "eth", 3) == 0 && name[3] >= '0' && name[3] <= '9';
}

static bool is_yes(const char *word)
{
    return strcasecmp(word, "yes") == 0 || strcasecmp(word, "true") == 0 ||
           strcasecmp(word, "on") == 0 || strcmp(word, "1") == 0;
}

/* --- ifupdown ------------------------------------------------------------------------------- */

int vml_network_ifupdown(struct vml_inspect *v, const char *file, const char *text,
                         struct vml_error *err)
{
    struct vml_line line = { 0 };
    struct vml_interface *nic = NULL; /* whose stanza it is */
    char word[64], name[64], family[16], method[16];

    while (vml_line_next(&text, &line)) {
        if (!vml_line_word(&line, 0, word, sizeof word) || word[0] == '#')
            continue;
        if (strcmp(word, "iface") == 0) {
            nic = NULL;
            if (!vml_line_word(&line, 1, name, sizeof name) ||
                !vml_line_word(&line, 2, family, sizeof family) ||
                !vml_line_word(&line, 3, method, sizeof method) || strcmp(family, "inet") != 0 ||
                strcmp(method, "loopback") == 0)
                continue;
            nic = add(v, file, name);
            if (added(v, nic, err) < 0)
                return -1;
            if (nic != NULL)
                nic->address = strcmp(method, "dhcp") == 0     ? VML_ADDRESS_DHCP
                               : strcmp(method, "static") == 0 ? VML_ADDRESS_STATIC
                                                               : VML_ADDRESS_NONE;
        } else if (nic != NULL && strcmp(word, "address") == 0) {
            (void)vml_line_word(&line, 1, nic->ip, sizeof nic->ip);
        } else if (nic != NULL && strcmp(word, "hwaddress") == 0) {
            /* "hwaddress ether MAC": one that it is given, not one that it must have */
        } else if (strcmp(word, "auto") == 0 || strncmp(word, "allow-", 6) == 0 ||
                   strcmp(word, "mapping") == 0 || strncmp(word, "source", 6) == 0) {
            nic = NULL;
        }
    }
    return 0;
}

/* --- netplan -------------------------------------------------------------------------------- */

/* "key: value" of a line of YAML, with its indentation; a list's "- value" has the key "-". */
struct yaml {
    size_t indent;
    char key[64], value[96];
};

static bool yaml_next(const char **at, struct yaml *y)
{
    struct vml_line line = { 0 };

    while (vml_line_next(at, &line)) {
        const char *p = line.text, *colon;
        size_t len = line.len;

        if (len == 0 || *p == '#')
            continue;
        /* what vml_line_next took off in front */
        for (y->indent = 0; p[-(ptrdiff_t)y->indent - 1] == ' ';)
            y->indent++;
        *y->key = *y->value = '\0';
        if (*p == '-') {
            set(y->key, sizeof y->key, "-");
            for (p++, len--; len > 0 && *p == ' '; len--)
                p++;
        } else {
            colon = memchr(p, ':', len);
            if (colon == NULL)
                continue;
            snprintf(y->key, sizeof y->key, "%.*s", (int)(colon - p), p);
            len -= (size_t)(colon - p) + 1;
            p = colon + 1;
            while (len > 0 && *p == ' ') {
                p++;
                len--;
            }
        }
        for (size_t i = 1; i < len; i++) /* a remark behind it */
            if (p[i] == '#' && p[i - 1] == ' ') {
                len = i;
                break;
            }
        for (size_t i = 0, k = 0; i < len && k + 1 < sizeof y->value; i++)
            if (strchr("\"'", p[i]) == NULL) {
                y->value[k++] = p[i];
                y->value[k] = '\0';
            }
        for (size_t k = strlen(y->value); k > 0 && y->value[k - 1] == ' ';)
            y->value[--k] = '\0';
        for (char *k = y->key; (k = strpbrk(k, "\"'")) != NULL;)
            memmove(k, k + 1, strlen(k));
        return true;
    }
    return false;
}

/* The first address of "[10.0.0.2/24, ...]", or of an element of a list. */
static void first_address(struct vml_interface *nic, const char *value)
{
    value += strspn(value, "[ ");
    size_t n = strcspn(value, ",] {");

    if (nic->ip[0] != '\0' || n == 0 || memchr(value, ':', n) != NULL) /* IPv6 is no matter here */
        return;
    snprintf(nic->ip, sizeof nic->ip, "%.*s", (int)n, value);
    if (nic->address == VML_ADDRESS_NONE)
        nic->address = VML_ADDRESS_STATIC;
}

static bool is_netplan_group(const char *key)
{
    static const char *const groups[] = { "ethernets", "wifis",  "bonds", "bridges",
                                          "vlans",     "modems", NULL };

    for (const char *const *g = groups; *g != NULL; g++)
        if (strcmp(*g, key) == 0)
            return true;
    return false;
}

static void netplan_member(struct vml_interface *nic, const struct yaml *y, const char *within)
{
    if (strcmp(y->key, "dhcp4") == 0 && is_yes(y->value))
        nic->address = VML_ADDRESS_DHCP;
    else if ((strcmp(y->key, "addresses") == 0 && strcmp(within, "nameservers") != 0) ||
             (strcmp(y->key, "-") == 0 && strcmp(within, "addresses") == 0))
        first_address(nic, y->value);
    else if (strcmp(y->key, "macaddress") == 0 && strcmp(within, "match") == 0)
        set(nic->mac, sizeof nic->mac, y->value);
    else if (strcmp(y->key, "match") == 0 && strchr(y->value, '{') != NULL) {
        const char *mac = strstr(y->value, "macaddress: ");

        if (mac != NULL)
            snprintf(nic->mac, sizeof nic->mac, "%.17s", mac + strlen("macaddress: "));
    } else if (strcmp(y->key, "set-name") == 0)
        set(nic->name, sizeof nic->name, y->value);
}

/* group:
 *   name:
 *     member: value
 *     frame:
 *       member: value */
int vml_network_netplan(struct vml_inspect *v, const char *file, const char *text,
                        struct vml_error *err)
{
    VML_AUTO(vml_freep) char *copy = NULL;
    struct yaml y = { 0 };
    size_t group = SIZE_MAX, name = SIZE_MAX, member = SIZE_MAX;
    struct vml_interface *nic = NULL;
    char frame[64] = "", within[64] = "";

    if (asprintf(&copy, "\n%s", text) <
        0) /* so that there is something in front of its first byte */
        return vml_fail_nomem(err);
    for (const char *at = copy; yaml_next(&at, &y);) {
        if (is_netplan_group(y.key) && y.value[0] == '\0' && (nic == NULL || y.indent <= group)) {
            group = y.indent;
            name = SIZE_MAX;
            nic = NULL;
        } else if (group == SIZE_MAX) {
            continue;
        } else if (y.indent <= group && y.key[0] != '-') {
            group = SIZE_MAX;
            nic = NULL;
        } else if (name == SIZE_MAX || y.indent <= name) {
            name = y.indent;
            member = SIZE_MAX;
            *frame = *within = '\0';
            nic = add(v, file, y.key);
            if (added(v, nic, err) < 0)
                return -1;
        } else if (nic != NULL) {
            if (member == SIZE_MAX)
                member = y.indent;
            /* a list may stand as far left as its key */
            set(within, sizeof within, y.indent > member || y.key[0] == '-' ? frame : "");
            if (y.indent == member && y.key[0] != '-')
                set(frame, sizeof frame, y.key);
            netplan_member(nic, &y, within);
        }
    }
    return 0;
}

/* --- ifcfg ---------------------------------------------------------------------------------- */

int vml_network_ifcfg(struct vml_inspect *v, const char *file, const char *text,
                      struct vml_error *err)
{
    const char *base = strstr(file, "ifcfg-");
    struct vml_interface *nic = add(v, file, base != NULL ? base + strlen("ifcfg-") : "");
    struct vml_line line = { 0 };
    char value[64];

    if (nic == NULL)
        return added(v, nic, err);
    while (vml_line_next(&text, &line)) {
        if (vml_line_value(&line, "DEVICE", value, sizeof value) && value[0] != '\0')
            set(nic->name, sizeof nic->name, value);
        else if (vml_line_value(&line, "HWADDR", value, sizeof value))
            set(nic->mac, sizeof nic->mac, value);
        else if (vml_line_value(&line, "IPADDR", value, sizeof value) ||
                 vml_line_value(&line, "IPADDR0", value, sizeof value))
            set(nic->ip, sizeof nic->ip, value);
        else if (vml_line_value(&line, "BOOTPROTO", value, sizeof value) &&
                 (strncasecmp(value, "dhcp", 4) == 0 || strcasecmp(value, "bootp") == 0))
            nic->address = VML_ADDRESS_DHCP;
    }
    if (nic->address == VML_ADDRESS_NONE && nic->ip[0] != '\0')
        nic->address = VML_ADDRESS_STATIC;
    if (strcmp(nic->name, "lo") == 0)
        v->n_nics--;
    return 0;
}

/* --- keyfiles of NetworkManager, .network of systemd ---------------------------------------- */

/* A line that opens a section, whose name is kept. */
static bool is_section(const struct vml_line *line, char *section, size_t cap)
{
    if (line->len < 2 || line->text[0] != '[')
        return false;
    snprintf(section, cap, "%.*s", (int)strcspn(line->text + 1, "]\n"), line->text + 1);
    return true;
}

static void keyfile_line(struct vml_interface *nic, const char *section,
                         const struct vml_line *line)
{
    char value[64];

    if (strcmp(section, "connection") == 0) {
        if (vml_line_value(line, "interface-name", value, sizeof value))
            set(nic->name, sizeof nic->name, value);
    } else if (strcmp(section, "ipv4") == 0) {
        if (vml_line_value(line, "method", value, sizeof value))
            nic->address = strcmp(value, "auto") == 0     ? VML_ADDRESS_DHCP
                           : strcmp(value, "manual") == 0 ? VML_ADDRESS_STATIC
                                                          : VML_ADDRESS_NONE;
        else if (vml_line_value(line, "address1", value, sizeof value) ||
                 vml_line_value(line, "addresses", value, sizeof value))
            snprintf(nic->ip, sizeof nic->ip, "%.*s", (int)strcspn(value, ",;"), value);
    } else if (strcmp(section, "ethernet") == 0 || strcmp(section, "802-3-ethernet") == 0) {
        if (vml_line_value(line, "mac-address", value, sizeof value))
            set(nic->mac, sizeof nic->mac, value);
    }
}

static void networkd_line(struct vml_interface *nic, const char *section,
                          const struct vml_line *line)
{
    char value[64];

    if (strcmp(section, "Match") == 0) {
        if (vml_line_value(line, "Name", value, sizeof value))
            set(nic->name, sizeof nic->name, value);
        else if (vml_line_value(line, "MACAddress", value, sizeof value))
            set(nic->mac, sizeof nic->mac, value);
    } else if (strcmp(section, "Network") == 0 || strcmp(section, "Address") == 0) {
        if (vml_line_value(line, "DHCP", value, sizeof value) &&
            (is_yes(value) || strcmp(value, "ipv4") == 0 || strcmp(value, "both") == 0))
            nic->address = VML_ADDRESS_DHCP;
        else if (vml_line_value(line, "Address", value, sizeof value))
            first_address(nic, value);
    }
}

static int sections(struct vml_inspect *v, const char *file, const char *text, const char *skip,
                    void (*take)(struct vml_interface *nic, const char *section,
                                 const struct vml_line *line),
                    struct vml_error *err)
{
    struct vml_interface *nic = add(v, file, "");
    struct vml_line line = { 0 };
    char section[32] = "", type[32];

    if (nic == NULL)
        return added(v, nic, err);
    while (vml_line_next(&text, &line)) {
        if (is_section(&line, section, sizeof section))
            continue;
        if (skip != NULL && strcmp(section, "connection") == 0 &&
            vml_line_value(&line, "type", type, sizeof type) && strcmp(type, skip) == 0) {
            v->n_nics--;
            return 0;
        }
        take(nic, section, &line);
    }
    if (strcmp(nic->name, "lo") == 0)
        v->n_nics--;
    return 0;
}

int vml_network_keyfile(struct vml_inspect *v, const char *file, const char *text,
                        struct vml_error *err)
{
    return sections(v, file, text, "loopback", keyfile_line, err);
}

int vml_network_networkd(struct vml_inspect *v, const char *file, const char *text,
                         struct vml_error *err)
{
    return sections(v, file, text, NULL, networkd_line, err);
}

/* --- all of them ---------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static int read_file(const struct vml_tree *t, struct vml_inspect *v, const char *path,
                     vml_network_parse *parse, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *text = vml_tree_read(t, path);

    return text != NULL ? parse(v, path, text, err) : 0;
}

static int read_folder(const struct vml_tree *t, struct vml_inspect *v, const char *folder,
                       const char *begin, const char *end, vml_network_parse *parse,
                       struct vml_error *err)
{
    VML_AUTO(vml_tree_list_freep) char **names = vml_tree_list(t, folder);

    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        char path[300];

        /* what editors and installers leave beside it is read by nobody */
        if (strncmp(names[i], begin, strlen(begin)) != 0 || !ends_with(names[i], end) ||
            ends_with(names[i], "~") || ends_with(names[i], ".bak") ||
            ends_with(names[i], ".orig") || ends_with(names[i], ".vmlift-orig") ||
            ends_with(names[i], ".rpmsave"))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (read_file(t, v, path, parse, err) < 0)
            return -1;
    }
    return 0;
}

static const struct {
    const char *folder, *begin, *end;
    vml_network_parse *parse;
} folders[] = {
    { "/etc/network/interfaces.d", "", "", vml_network_ifupdown },
    { "/etc/netplan", "", ".yaml", vml_network_netplan },
    { "/etc/sysconfig/network-scripts", "ifcfg-", "", vml_network_ifcfg },
    { "/etc/sysconfig/network", "ifcfg-", "", vml_network_ifcfg },
    { "/etc/NetworkManager/system-connections", "", "", vml_network_keyfile },
    { "/etc/systemd/network", "", ".network", vml_network_networkd },
};

/* Rules that give a name to the card with one address: those that udev wrote by itself until 2013,
 * and links that match an address. */
static void read_rules(const struct vml_tree *t, struct vml_inspect *v)
{
    static const char path[] = "/etc/udev/rules.d/70-persistent-net.rules";
    VML_AUTO(vml_freep) char *text = vml_tree_read(t, path);
    struct vml_line line = { 0 };

    for (const char *at = text; at != NULL && vml_line_next(&at, &line);)
        if (line.len > 0 && line.text[0] != '#')
            set(v->net_rules, sizeof v->net_rules, path);
}

static void find_client(const struct vml_tree *t, struct vml_inspect *v)
{
    static const char *const clients[] = { "/sbin/dhclient",
                                           "/usr/sbin/dhclient",
                                           "/sbin/dhcpcd",
                                           "/usr/sbin/dhcpcd",
                                           "/usr/sbin/NetworkManager",
                                           "/lib/systemd/systemd-networkd",
                                           "/usr/lib/systemd/systemd-networkd",
                                           "/usr/sbin/wicked",
                                           "/sbin/udhcpc",
                                           "/usr/sbin/udhcpc",
                                           "/sbin/dhcp-client",
                                           "/sbin/pump",
                                           NULL };

    v->dhcp_client = VML_NO;
    for (const char *const *c = clients; *c != NULL && v->dhcp_client == VML_NO; c++)
        if (vml_tree_is_file(t, *c))
            v->dhcp_client = VML_YES;
}

int vml_network_read(const struct vml_tree *t, struct vml_inspect *v, struct vml_error *err)
{
    if (read_file(t, v, "/etc/network/interfaces", vml_network_ifupdown, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (read_folder(t, v, folders[i].folder, folders[i].begin, folders[i].end, folders[i].parse,
                        err) < 0)
            return -1;
    read_rules(t, v);
    find_client(t, v);
    return 0;
}
