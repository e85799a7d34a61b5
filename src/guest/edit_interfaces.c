/* Network configurations: a machine in EC2 has eth0, its address comes by DHCP, and its MAC address
 * is another one each time.  Here the names, and /etc/network/interfaces of ifupdown. */
#include "guest/edit.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

/* "eth" and digits */
static bool is_eth(const char *name, size_t len)
{
    size_t i = 3;

    if (len < 4 || strncmp(name, "eth", 3) != 0)
        return false;
    while (i < len && isdigit((unsigned char)name[i]))
        i++;
    return i == len;
}

/* What udev calls a network card by where it sits: eno1, ens33, enp0s3, enx005056.. */
static bool is_predictable(const char *name, size_t len)
{
    return len >= 4 && len < 16 && name[0] == 'e' && name[1] == 'n' &&
           strchr("ospxbX", name[2]) != NULL &&
           (isdigit((unsigned char)name[3]) || name[2] == 'x') && memchr(name, '.', len) == NULL &&
           memchr(name, ':', len) == NULL && memchr(name, '*', len) == NULL;
}

static bool is_taken(const struct vml_nics *nics, const char *to)
{
    for (size_t i = 0; i < nics->n; i++)
        if (strcmp(nics->to[i], to) == 0)
            return true;
    return false;
}

const char *vml_nics_name(struct vml_nics *nics, const char *name, size_t len)
{
    bool stays = is_eth(name, len);
    char to[16];

    for (size_t i = 0; i < nics->n; i++)
        if (strlen(nics->from[i]) == len && memcmp(nics->from[i], name, len) == 0)
            return nics->to[i];
    if (nics->n == VML_NICS || len >= 16 || (!stays && !is_predictable(name, len)))
        return NULL;
    snprintf(to, sizeof to, "%.*s", (int)len, name);
    for (unsigned i = 0; !stays && i < VML_NICS; i++) {
        snprintf(to, sizeof to, "eth%u", i);
        if (!is_taken(nics, to))
            break;
    }
    snprintf(nics->from[nics->n], sizeof nics->from[0], "%.*s", (int)len, name);
    memcpy(nics->to[nics->n], to, sizeof to);
    return nics->to[nics->n++];
}

void vml_nics_write(FILE *f, struct vml_nics *nics, const char *from, const char *end)
{
    const char *p = from;
    struct vml_word w;

    while (vml_word_next(&p, end, &w)) {
        const char *to = vml_nics_name(nics, w.text, w.len);

        if (to == NULL)
            continue;
        vml_text_put(f, from, w.text);
        fputs(to, f);
        from = w.text + w.len;
    }
    vml_text_put(f, from, end);
}

bool vml_nics_match_eth0(const char *p, const char *end)
{
    struct vml_word w;

    while (vml_word_next(&p, end, &w)) {
        char pattern[64];

        snprintf(pattern, sizeof pattern, "%.*s", (int)w.len, w.text);
        if (fnmatch(pattern, "eth0", 0) == 0)
            return true;
    }
    return false;
}

/* --- /etc/network/interfaces ---------------------------------------------------------------- */

struct stanza {
    bool card;    /* an iface of a network card */
    bool address; /* one that was static: its address and what goes with it are to go */
};

static const char *const addresses[] = { "address",        "netmask",         "gateway",
                                         "broadcast",      "network",         "pointopoint",
                                         "hwaddress",      "dns-nameservers", "dns-search",
                                         "dns-nameserver", "dns-domain",      NULL };

/* A stanza is of a bridge and so on when it says so before the next one begins. */
static bool is_built(const char *next)
{
    struct vml_text_line line;
    const char *at = next;

    while (vml_text_line_next(&at, &line)) {
        const char *p = line.text;
        struct vml_word w;

        if (!vml_word_next(&p, line.text + line.len, &w))
            continue;
        if (vml_word_is(&w, "iface") || vml_word_is(&w, "auto") || vml_word_is(&w, "mapping") ||
            vml_word_begins(&w, "allow-"))
            return false;
        if (vml_word_begins(&w, "bridge") || vml_word_begins(&w, "bond") ||
            vml_word_begins(&w, "vlan"))
            return true;
    }
    return false;
}

/* "iface NAME FAMILY METHOD" */
static void write_iface(FILE *f, const struct vml_text_line *line, const char *next,
                        struct vml_nics *nics, struct stanza *s, bool *by_hand)
{
    const char *end = line->text + line->len, *p = line->text;
    struct vml_word w, name, family = { p, 0 }, method = { p, 0 };
    const char *to;

    *s = (struct stanza){ 0 };
    (void)vml_word_next(&p, end, &w);
    if (!vml_word_next(&p, end, &name)) {
        fwrite(line->text, 1, line->full, f);
        return;
    }
    (void)(vml_word_next(&p, end, &family) && vml_word_next(&p, end, &method));
    to = vml_nics_name(nics, name.text, name.len);
    if (is_built(next) || (to == NULL && !vml_word_is(&name, "lo"))) {
        *by_hand = true;
        to = NULL;
    }
    s->card = to != NULL;
    s->address = to != NULL && vml_word_is(&method, "static");
    vml_text_put(f, line->text, name.text);
    if (to != NULL)
        fputs(to, f);
    else
        fwrite(name.text, 1, name.len, f);
    if (s->address) {
        vml_text_put(f, name.text + name.len, method.text);
        fputs(vml_word_is(&family, "inet6") ? "auto" : "dhcp", f);
        p = method.text + method.len;
    } else {
        p = name.text + name.len;
    }
    vml_text_put(f, p, line->text + line->full);
}

char *vml_edit_interfaces(const char *text, struct vml_nics *nics, bool *by_hand)
{
    struct stanza s = { 0 };
    struct vml_text t;
    struct vml_text_line line;

    if (!vml_text_begin(&t))
        return NULL;
    while (vml_text_line_next(&text, &line)) {
        const char *p = line.text, *end = line.text + line.len;
        struct vml_word w = { p, 0 };

        (void)vml_word_next(&p, end, &w);
        if (vml_word_is(&w, "iface")) {
            write_iface(t.f, &line, text, nics, &s, by_hand);
        } else if (vml_word_is(&w, "auto") || vml_word_begins(&w, "allow-")) {
            s = (struct stanza){ 0 };
            vml_text_put(t.f, line.text, p);
            vml_nics_write(t.f, nics, p, end);
            vml_text_put(t.f, end, line.text + line.full);
        } else if (!(s.address && vml_word_is_any(&w, addresses))) {
            fwrite(line.text, 1, line.full, t.f);
        }
    }
    return vml_text_end(&t);
}

bool vml_interfaces_any(const char *text)
{
    struct vml_text_line line;

    while (vml_text_line_next(&text, &line)) {
        const char *p = line.text, *end = p + line.len;
        struct vml_word w, name;

        if (vml_word_next(&p, end, &w) && vml_word_is(&w, "iface") &&
            vml_word_next(&p, end, &name) && !vml_word_is(&name, "lo"))
            return true;
    }
    return false;
}
