/* systemd-networkd and NetworkManager: files of [Sections] with lines of key=value. */
#include "guest/edit.h"

#include <string.h>
#include <strings.h>

struct ini {
    struct vml_word section, key, value; /* of this line; key.len 0: it is none */
    bool begins;                         /* this line begins a section */
};

static bool ini_next(const char **at, struct vml_text_line *line, struct ini *ini)
{
    if (!vml_text_line_next(at, line))
        return false;
    struct vml_word all = vml_word_trimmed(line->text, line->text + line->len);
    const char *equals = memchr(all.text, '=', all.len), *end = all.text + all.len;

    ini->key = ini->value = (struct vml_word){ all.text, 0 };
    ini->begins = all.len > 2 && all.text[0] == '[' && end[-1] == ']';
    if (ini->begins) {
        ini->section = (struct vml_word){ all.text + 1, all.len - 2 };
    } else if (equals != NULL && all.text[0] != '#' && all.text[0] != ';') {
        ini->key = vml_word_trimmed(all.text, equals);
        ini->value = vml_word_trimmed(equals + 1, end);
    }
    return true;
}

static bool ini_is(const struct ini *ini, const char *section, const char *key)
{
    return vml_word_is(&ini->section, section) && ini->key.len == strlen(key) &&
           strncasecmp(ini->key.text, key, ini->key.len) == 0;
}

/* The last value; false: it is not set. */
static bool ini_get(const char *text, const char *section, const char *key, struct vml_word *value)
{
    struct ini ini = { .section = { text, 0 } };
    struct vml_text_line line;
    bool found = false;

    while (ini_next(&text, &line, &ini))
        if (ini_is(&ini, section, key)) {
            *value = ini.value;
            found = true;
        }
    return found;
}

static bool ini_has(const char *text, const char *section, const char *key)
{
    struct vml_word ignored;

    return ini_get(text, section, key, &ignored);
}

/* --- systemd-networkd ----------------------------------------------------------------------- */

/* "Name=ens33" and "Name=en*": the first becomes eth0, the second gets company. */
static void write_names(FILE *f, const struct vml_text_line *line, const struct vml_word *value,
                        struct vml_nics *nics)
{
    const char *end = value->text + value->len, *p = value->text;
    bool globs = false;
    struct vml_word w;

    vml_text_put(f, line->text, value->text);
    vml_nics_write(f, nics, value->text, end);
    while (vml_word_next(&p, end, &w))
        globs = globs || (vml_word_begins(&w, "en") && memchr(w.text, '*', w.len) != NULL);
    if (globs && !vml_nics_match_eth0(value->text, end))
        fputs(" eth*", f);
    vml_text_put(f, end, line->text + line->full);
}

static bool is_static_networkd(const char *text)
{
    struct vml_word dhcp = { "no", 2 };
    static const char *const no[] = { "no", "false", "off", "0", "none", NULL };

    (void)ini_get(text, "Network", "DHCP", &dhcp);
    return ini_has(text, "Network", "Address") || ini_has(text, "Address", "Address") ||
           vml_word_is_any(&dhcp, no);
}

static bool is_card_networkd(const char *text)
{
    static const char *const others[] = { "Bridge", "Bond", "VLAN", "MACVLAN", "VXLAN", NULL };
    struct vml_word type = { "ether", 5 }, name = { "e", 1 };

    for (size_t i = 0; others[i] != NULL; i++)
        if (ini_has(text, "Network", others[i]))
            return false;
    (void)ini_get(text, "Match", "Type", &type);
    (void)ini_get(text, "Match", "Name", &name);
    return vml_word_is(&type, "ether") && !vml_word_begins(&name, "lo") &&
           (name.text[0] == 'e' || name.text[0] == '*');
}

char *vml_edit_networkd(const char *text, struct vml_nics *nics, bool *by_hand)
{
    static const char *const match[] = { "MACAddress", "PermanentMACAddress", "Path", "Driver",
                                         NULL };
    static const char *const network[] = { "Address", "Gateway", "DNS", "Domains", "DHCP", NULL };
    bool fixed = is_static_networkd(text), named = ini_has(text, "Match", "Name");
    struct ini ini = { .section = { text, 0 } };
    struct vml_text t;
    struct vml_text_line line;

    if (!is_card_networkd(text)) {
        *by_hand = *by_hand || !ini_has(text, "Match", "Type");
        return strdup(text);
    }
    if (!vml_text_begin(&t))
        return NULL;
    while (ini_next(&text, &line, &ini)) {
        bool route = vml_word_is(&ini.section, "Address") || vml_word_is(&ini.section, "Route");

        if (fixed && route)
            continue;
        if (vml_word_is(&ini.section, "Match") && vml_word_is_any(&ini.key, match))
            continue;
        if (fixed && vml_word_is(&ini.section, "Network") && vml_word_is_any(&ini.key, network))
            continue;
        if (ini_is(&ini, "Match", "Name"))
            write_names(t.f, &line, &ini.value, nics);
        else
            fwrite(line.text, 1, line.full, t.f);
        if (ini.begins && vml_word_is(&ini.section, "Match") && !named)
            fputs("Name=eth0\n", t.f);
        if (ini.begins && fixed && vml_word_is(&ini.section, "Network"))
            fputs("DHCP=yes\n", t.f);
    }
    return vml_text_end(&t);
}

/* --- NetworkManager ------------------------------------------------------------------------- */

static bool is_address_nm(const struct ini *ini)
{
    static const char *const keys[] = { "gateway",        "dns", "dns-search", "may-fail",
                                        "dhcp-client-id", NULL };

    return vml_word_begins(&ini->key, "address") || vml_word_begins(&ini->key, "route") ||
           vml_word_is_any(&ini->key, keys);
}

/* Bound to this machine's card. */
static bool is_binding_nm(const struct ini *ini)
{
    return ini_is(ini, "connection", "interface-name") || ini_is(ini, "ethernet", "mac-address") ||
           ini_is(ini, "802-3-ethernet", "mac-address") || ini_is(ini, "match", "path") ||
           ini_is(ini, "ethernet", "cloned-mac-address");
}

char *vml_edit_nm(const char *text)
{
    struct ini ini = { .section = { text, 0 } };
    struct vml_word type = { "", 0 }, four = { "", 0 }, six = { "", 0 };
    struct vml_text t;
    struct vml_text_line line;

    (void)ini_get(text, "connection", "type", &type);
    (void)ini_get(text, "ipv4", "method", &four);
    (void)ini_get(text, "ipv6", "method", &six);
    if ((!vml_word_is(&type, "ethernet") && !vml_word_is(&type, "802-3-ethernet")) ||
        ini_has(text, "connection", "master") || ini_has(text, "connection", "controller"))
        return strdup(text);
    if (!vml_text_begin(&t))
        return NULL;
    while (ini_next(&text, &line, &ini)) {
        bool fixed = (vml_word_is(&ini.section, "ipv4") && vml_word_is(&four, "manual")) ||
                     (vml_word_is(&ini.section, "ipv6") && vml_word_is(&six, "manual"));

        if (is_binding_nm(&ini) || (fixed && is_address_nm(&ini)))
            continue;
        if (fixed && ini.key.len == 6 && strncmp(ini.key.text, "method", 6) == 0)
            fputs("method=auto\n", t.f);
        else
            fwrite(line.text, 1, line.full, t.f);
    }
    return vml_text_end(&t);
}
