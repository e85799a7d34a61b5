/* The menus of boot loaders: what they start, how long they wait, and where they are seen. */
#include "guest/edit.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmlift/base.h"

#define LONGEST 30 /* seconds; Ubuntu and Debian wait that long after a start that failed */
#define USUAL   5
#define SERIAL  "serial --unit=0 --speed=115200"

static bool waits_long(long seconds)
{
    return seconds < 0 || seconds > LONGEST;
}

/* --- grub.cfg: its entries ------------------------------------------------------------------ */

struct menu {
    struct menu_entry {
        struct vml_word title, id;
        bool starts; /* a Linux */
    } entries[64];
    size_t n;
};

static struct vml_word quoted(const char *p, const char *end)
{
    struct vml_word w = { p, 0 };

    while (p < end && isspace((unsigned char)*p))
        p++;
    if (p == end || (*p != '\'' && *p != '"'))
        return w;
    const char *close = memchr(p + 1, *p, (size_t)(end - p - 1));
    return close != NULL ? (struct vml_word){ p + 1, (size_t)(close - p - 1) } : w;
}

static void add_entry(struct menu *m, const struct vml_text_line *line, const char *after)
{
    static const char *const keys[] = { "$menuentry_id_option", "--id" };
    const char *end = line->text + line->len;
    struct menu_entry *e = &m->entries[m->n];

    if (m->n == sizeof m->entries / sizeof m->entries[0])
        return;
    m->n++;
    *e = (struct menu_entry){ .title = quoted(after, end) };
    for (size_t i = 0; i < 2 && e->id.text == NULL; i++) {
        const char *at = memmem(line->text, line->len, keys[i], strlen(keys[i]));

        if (at == NULL)
            continue;
        at += strlen(keys[i]);
        at += *at == '=';
        e->id = quoted(at, end);
        if (e->id.len == 0)
            (void)vml_word_next(&at, end, &e->id);
    }
}

/* Those on the menu's first page; what a submenu has counts as its own. */
static void read_menu(const char *text, struct menu *m)
{
    struct vml_text_line line;
    size_t depth = 0;

    m->n = 0;
    while (vml_text_line_next(&text, &line)) {
        const char *p = line.text + strspn(line.text, " \t");
        bool begins =
            vml_text_line_begins(&line, "menuentry") || vml_text_line_begins(&line, "submenu");

        if (begins && depth == 0)
            add_entry(m, &line, p + strcspn(p, " \t\n"));
        if (begins)
            depth++;
        else if (*p == '}' && depth > 0)
            depth--;
        else if (depth > 0 && m->n > 0 && strncmp(p, "linux", 5) == 0 &&
                 memmem(line.text, line.len, "memtest", 7) == NULL)
            m->entries[m->n - 1].starts = true;
    }
}

/* "0", "1>2", "gnulinux-simple-..", a title */
static const struct menu_entry *find_entry(const struct menu *m, const struct vml_word *name)
{
    const char *deeper = memchr(name->text, '>', name->len);
    struct vml_word first = { name->text,
                              deeper != NULL ? (size_t)(deeper - name->text) : name->len };
    size_t digits = 0, number = 0;

    for (; digits < first.len && digits < 6 && isdigit((unsigned char)first.text[digits]); digits++)
        number = number * 10 + (size_t)(first.text[digits] - '0');
    if (digits == first.len)
        return number < m->n ? &m->entries[number] : NULL;
    for (size_t i = 0; i < m->n; i++) {
        const struct menu_entry *e = &m->entries[i];

        if ((e->title.len == first.len && memcmp(e->title.text, first.text, first.len) == 0) ||
            (e->id.len == first.len && memcmp(e->id.text, first.text, first.len) == 0))
            return e;
    }
    return NULL;
}

/* -1: the default is good, or there is nothing better. */
static int better_default(const struct menu *m, const struct vml_word *name)
{
    const struct menu_entry *e;

    if (name->len == 0 || memchr(name->text, '$', name->len) != NULL || m->n == 0)
        return -1;
    e = find_entry(m, name);
    if (e != NULL && e->starts)
        return -1;
    for (size_t i = 0; i < m->n; i++)
        if (m->entries[i].starts)
            return (int)i;
    return -1;
}

/* "set NAME=VALUE" */
static bool is_setting(const struct vml_text_line *line, const char *name, struct vml_word *value)
{
    const char *p = line->text, *end = p + line->len;
    struct vml_word w;
    struct vml_text_line rest;

    if (!vml_word_next(&p, end, &w) || !vml_word_is(&w, "set"))
        return false;
    rest = (struct vml_text_line){ p, (size_t)(end - p), (size_t)(end - p) };
    return vml_text_line_variable(&rest, name, value);
}

int vml_grub_default(const char *text)
{
    struct vml_text_line line;
    struct vml_word value;
    struct menu m;
    int better = -1;

    read_menu(text, &m);
    while (better < 0 && vml_text_line_next(&text, &line))
        if (is_setting(&line, "default", &value))
            better = better_default(&m, &value);
    return better;
}

/* NULL: as it is. */
static const char *new_value(const struct vml_text_line *line, const struct menu *m,
                             struct vml_word *value, bool *timeout, char buf[16])
{
    int better;

    if (is_setting(line, "timeout", value)) {
        *timeout = true;
        if (value->len == 0 || value->text[0] == '$' || !waits_long(strtol(value->text, NULL, 10)))
            return NULL;
        snprintf(buf, 16, "%d", USUAL);
        return buf;
    }
    if (!is_setting(line, "default", value) || (better = better_default(m, value)) < 0)
        return NULL;
    snprintf(buf, 16, "%d", better);
    return buf;
}

char *vml_edit_grub_menu(const char *text)
{
    VML_AUTO(vml_freep) char *body = NULL;
    struct vml_text t;
    struct vml_text_line line;
    struct menu m;
    bool timeout = false;

    read_menu(text, &m);
    if (!vml_text_begin(&t))
        return NULL;
    for (const char *at = text; vml_text_line_next(&at, &line);) {
        struct vml_word value;
        char buf[16];
        const char *new = new_value(&line, &m, &value, &timeout, buf);
        const char *end = line.text + line.full;

        if (new != NULL) {
            fwrite(line.text, 1, (size_t)(value.text - line.text), t.f);
            fputs(new, t.f);
            line.text = value.text + value.len;
        }
        fwrite(line.text, 1, (size_t)(end - line.text), t.f);
    }
    body = vml_text_end(&t);
    /* Without a word GRUB 2 waits for ever. */
    if (body == NULL || timeout || m.n == 0 || !vml_text_begin(&t)) {
        char *out = body;

        body = NULL;
        return out;
    }
    fprintf(t.f, "set timeout=%d\n%s", USUAL, body);
    return vml_text_end(&t);
}

char *vml_edit_grub_timeouts(const char *defaults)
{
    static const char *const names[] = { "GRUB_TIMEOUT", "GRUB_RECORDFAIL_TIMEOUT" };
    char *text = strdup(defaults);

    for (size_t i = 0; text != NULL && i < sizeof names / sizeof names[0]; i++) {
        VML_AUTO(vml_freep) char *value = vml_variable(text, names[i]);
        char *old = text, usual[16];

        if (value == NULL || !waits_long(strtol(value, NULL, 10)))
            continue;
        snprintf(usual, sizeof usual, "%d", USUAL);
        text = vml_edit_variable(old, names[i], usual, false);
        free(old);
    }
    return text;
}

/* --- menu.lst ------------------------------------------------------------------------------- */

static bool any_begins(const char *text, const char *word)
{
    struct vml_text_line line;

    while (vml_text_line_next(&text, &line))
        if (vml_text_line_begins(&line, word))
            return true;
    return false;
}

static char *put_first(const char *first, const char *text)
{
    char *out;

    return asprintf(&out, "%s%s", first, text) < 0 ? NULL : out;
}

char *vml_edit_legacy_menu(const char *text)
{
    const char *at = text;
    struct vml_text t;
    struct vml_text_line line;

    if (!any_begins(text, "timeout"))
        return any_begins(text, "title") ? put_first("timeout 5\n", text) : strdup(text);
    if (!vml_text_begin(&t))
        return NULL;
    while (vml_text_line_next(&at, &line)) {
        const char *p = line.text + strspn(line.text, " \t");

        if (vml_text_line_begins(&line, "timeout") && waits_long(strtol(p + 7, NULL, 10)))
            fprintf(t.f, "timeout %d\n", USUAL);
        else
            fwrite(line.text, 1, line.full, t.f);
    }
    return vml_text_end(&t);
}

/* --- extlinux: keywords in either case, tenths of a second ---------------------------------- */

static bool keyword(const struct vml_text_line *line, const char *key, long *value)
{
    const char *p = line->text, *end = p + line->len;
    struct vml_word w;

    if (!vml_word_next(&p, end, &w) || w.len != strlen(key) || strncasecmp(w.text, key, w.len) != 0)
        return false;
    *value = strtol(p, NULL, 10);
    return true;
}

char *vml_edit_extlinux_menu(const char *text)
{
    struct vml_text t;
    struct vml_text_line line;
    bool asks = false, timeout = false, labels = false;
    long value;

    for (const char *at = text; vml_text_line_next(&at, &line);) {
        asks = asks || (keyword(&line, "prompt", &value) && value != 0) ||
               keyword(&line, "ui", &value) || keyword(&line, "menu", &value);
        timeout = timeout || keyword(&line, "timeout", &value);
        labels = labels || keyword(&line, "label", &value);
    }
    if (!vml_text_begin(&t))
        return NULL;
    if (asks && !timeout && labels)
        fprintf(t.f, "timeout %d\n", USUAL * 10);
    for (const char *at = text; vml_text_line_next(&at, &line);)
        if (keyword(&line, "timeout", &value) && (value > LONGEST * 10 || (value <= 0 && asks)))
            fprintf(t.f, "timeout %d\n", USUAL * 10);
        else
            fwrite(line.text, 1, line.full, t.f);
    return vml_text_end(&t);
}

/* --- on ttyS0 ------------------------------------------------------------------------------- */

char *vml_edit_grub_serial(const char *text)
{
    static const char ours[] = SERIAL "\n"
                                      "terminal_input console serial\n"
                                      "terminal_output console serial\n";
    const char *at = text;
    struct vml_text t;
    struct vml_text_line line;
    bool done = any_begins(text, "serial");

    if (!vml_text_begin(&t))
        return NULL;
    while (vml_text_line_next(&at, &line)) {
        /* Behind what the header says of terminals, in front of what shows the menu. */
        if (!done &&
            (vml_text_line_begins(&line, "### END /etc/grub.d/00_header ###") ||
             vml_text_line_begins(&line, "menuentry") || vml_text_line_begins(&line, "submenu"))) {
            fputs(ours, t.f);
            done = true;
        }
        fwrite(line.text, 1, line.full, t.f);
    }
    return vml_text_end(&t);
}

char *vml_edit_grub_defaults_serial(const char *defaults)
{
    static const char *const terminals[] = { "GRUB_TERMINAL", "GRUB_TERMINAL_OUTPUT",
                                             "GRUB_TERMINAL_INPUT" };
    VML_AUTO(vml_freep) char *text = strdup(defaults);
    VML_AUTO(vml_freep) char *command = vml_variable(defaults, "GRUB_SERIAL_COMMAND");
    char *out;

    for (size_t i = 0; i < sizeof terminals / sizeof terminals[0]; i++) {
        VML_AUTO(vml_freep) char *value = vml_variable(defaults, terminals[i]);

        if (value != NULL && strstr(value, "serial") != NULL)
            return strdup(defaults);
    }
    /* GRUB_TERMINAL wins over the two others. */
    out = text != NULL ? vml_edit_variable(text, "GRUB_TERMINAL", "console serial", true) : NULL;
    if (out == NULL || command != NULL)
        return out;
    free(text);
    text = out;
    return vml_edit_variable(text, "GRUB_SERIAL_COMMAND", SERIAL, true);
}

char *vml_edit_legacy_serial(const char *text)
{
    if (any_begins(text, "serial") || !any_begins(text, "title"))
        return strdup(text);
    return put_first(SERIAL "\nterminal --timeout=5 serial console\n", text);
}

char *vml_edit_extlinux_serial(const char *text)
{
    struct vml_text_line line;
    bool labels = false;
    long value;

    for (const char *at = text; vml_text_line_next(&at, &line);) {
        if (keyword(&line, "serial", &value))
            return strdup(text);
        labels = labels || keyword(&line, "label", &value) || keyword(&line, "include", &value);
    }
    return labels ? put_first("serial 0 115200\n", text) : strdup(text);
}

char *vml_edit_inittab(const char *text)
{
    const char *at = text;
    struct vml_text_line line;
    struct vml_text t;

    while (vml_text_line_next(&at, &line))
        if (line.text[0] != '#' && memmem(line.text, line.len, "ttyS0", 5) != NULL)
            return strdup(text);
    if (!vml_text_begin(&t))
        return NULL;
    fprintf(t.f, "%s%sT0:23:respawn:/sbin/getty -L ttyS0 115200 vt100\n", text, vml_text_gap(text));
    return vml_text_end(&t);
}

char *vml_edit_list(const char *text, const char *word)
{
    const char *at = text;
    struct vml_text_line line;
    char *out;

    while (vml_text_line_next(&at, &line))
        if (vml_text_line_begins(&line, word))
            return strdup(text);
    return asprintf(&out, "%s%s%s\n", text, vml_text_gap(text), word) < 0 ? NULL : out;
}
