/* ifcfg-NAME of RHEL and SUSE, and netplan. */
#include "guest/edit.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmlift/base.h"

/* --- ifcfg-NAME ----------------------------------------------------------------------------- */

static bool is_address_ifcfg(const struct vml_text_line *line)
{
    static const char *const keys[] = { "IPADDR", "NETMASK", "PREFIX", "GATEWAY",
                                        "DNS",    "NETWORK", "DOMAIN", "BROADCAST" };
    const char *p = line->text + strspn(line->text, " \t");

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        size_t len = strlen(keys[i]);

        if (strncmp(p, keys[i], len) != 0)
            continue;
        len += strspn(p + len, "0123456789");
        len += strncmp(p + len, "_", 1) == 0 ? 1 + strspn(p + len + 1, "0123456789") : 0;
        if (p[len] == '=')
            return true;
    }
    return false;
}

static bool is_static_ifcfg(const char *text)
{
    static const char *const ours[] = { "dhcp", "dhcp4", "dhcp+autoip", "bootp", NULL };
    VML_AUTO(vml_freep) char *proto = vml_variable(text, "BOOTPROTO");

    return proto == NULL || !vml_word_is_any(&(struct vml_word){ proto, strlen(proto) }, ours);
}

static bool has_any(const char *text, const char *const *names)
{
    for (; *names != NULL; names++) {
        VML_AUTO(vml_freep) char *value = vml_variable(text, *names);

        if (value != NULL && value[0] != '\0')
            return true;
    }
    return false;
}

static bool is_card_ifcfg(const char *text)
{
    static const char *const built[] = { "BRIDGE",      "MASTER",         "SLAVE",
                                         "VLAN",        "BONDING_MASTER", "BRIDGE_PORTS",
                                         "TEAM_MASTER", "ETHERDEVICE",    NULL };
    VML_AUTO(vml_freep) char *type = vml_variable(text, "TYPE");

    return !has_any(text, built) && (type == NULL || strcasecmp(type, "Ethernet") == 0);
}

char *vml_edit_ifcfg(const char *text, struct vml_nics *nics, char name[16])
{
    VML_AUTO(vml_freep) char *device = vml_variable(text, "DEVICE");
    const char *old = device != NULL ? device : name;
    const char *to = is_card_ifcfg(text) ? vml_nics_name(nics, old, strlen(old)) : NULL;
    bool fixed = is_static_ifcfg(text), proto = false;
    struct vml_text t;
    struct vml_text_line line;

    if (to == NULL) {
        name[0] = '\0';
        return strdup(text);
    }
    snprintf(name, 16, "%s", to);
    if (!vml_text_begin(&t))
        return NULL;
    for (const char *at = text; vml_text_line_next(&at, &line);) {
        const char *end = line.text + line.full;
        struct vml_word value;

        if (vml_text_line_variable(&line, "HWADDR", &value) ||
            vml_text_line_variable(&line, "MACADDR", &value) || (fixed && is_address_ifcfg(&line)))
            continue;
        if (vml_text_line_variable(&line, "DEVICE", &value)) {
            vml_text_put(t.f, line.text, value.text);
            fputs(to, t.f);
            line.text = value.text + value.len;
        } else if (fixed && vml_text_line_variable(&line, "BOOTPROTO", &value)) {
            vml_text_put(t.f, line.text, value.text);
            fputs("dhcp", t.f);
            line.text = value.text + value.len;
            proto = true;
        }
        vml_text_put(t.f, line.text, end);
    }
    if (fixed && !proto)
        fprintf(t.f, "%sBOOTPROTO=dhcp\n", vml_text_gap(text));
    return vml_text_end(&t);
}

/* --- netplan -------------------------------------------------------------------------------- */

/* "key:" at the line's beginning, in whatever depth; value is what stands behind. */
static bool yaml_key(const struct vml_text_line *line, const char *key, struct vml_word *value)
{
    const char *end = line->text + line->len;
    struct vml_word all = vml_word_trimmed(line->text, end);
    size_t len = strlen(key);

    if (all.len <= len || strncmp(all.text, key, len) != 0 || all.text[len] != ':')
        return false;
    *value = vml_word_trimmed(all.text + len + 1, end);
    if (value->len > 1 && (value->text[0] == '"' || value->text[0] == '\''))
        *value = (struct vml_word){ value->text + 1, value->len - 2 };
    return true;
}

bool vml_netplan_is_dhcp(const char *text, bool *by_hand)
{
    static const char *const built[] = { "bridges", "bonds", "vlans", "wifis", "tunnels" };
    static const char *const yes[] = { "true", "yes", "on", NULL };
    bool dhcp = false, matched = false, fixed = false;
    struct vml_text_line line;

    while (vml_text_line_next(&text, &line)) {
        struct vml_word v;

        for (size_t i = 0; i < sizeof built / sizeof built[0]; i++)
            *by_hand = *by_hand || yaml_key(&line, built[i], &v);
        if (yaml_key(&line, "dhcp4", &v) && vml_word_is_any(&v, yes))
            dhcp = true;
        if (yaml_key(&line, "addresses", &v) || yaml_key(&line, "macaddress", &v) ||
            yaml_key(&line, "driver", &v))
            fixed = true;
        if (yaml_key(&line, "eth0", &v) ||
            (yaml_key(&line, "name", &v) && vml_nics_match_eth0(v.text, v.text + v.len)))
            matched = true;
    }
    return dhcp && matched && !fixed;
}

char *vml_netplan_dhcp(const char *old)
{
    struct vml_text_line line;
    struct vml_word renderer = { "", 0 };
    struct vml_text t;

    while (vml_text_line_next(&old, &line))
        (void)yaml_key(&line, "renderer", &renderer);
    if (!vml_text_begin(&t))
        return NULL;
    fputs("network:\n  version: 2\n", t.f);
    if (renderer.len > 0)
        fprintf(t.f, "  renderer: %.*s\n", (int)renderer.len, renderer.text);
    fputs("  ethernets:\n"
          "    cards:\n"
          "      match:\n"
          "        name: \"e*\"\n"
          "      dhcp4: true\n"
          "      dhcp6: true\n",
          t.f);
    return vml_text_end(&t);
}
