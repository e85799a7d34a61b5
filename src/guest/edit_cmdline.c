/* The kernel's command line, wherever a boot loader keeps it.
 *
 * What generates these files (update-grub, grubby, kernel-install) is not run: it would look at the
 * machine that it runs on.  Its sources in /etc/default and the generated file get the same words
 * instead, so that the next run makes the same of them. */
#include "guest/edit.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GRUBENV 1024u /* bytes, as GRUB insists */

/* What a command line has. */
struct has {
    bool console, serial, ifnames, biosdevname;
};

static void look(const struct vml_word *words, struct has *has)
{
    const char *p = words->text, *end = p + words->len;
    struct vml_word w;

    while (vml_word_next(&p, end, &w)) {
        has->serial = has->serial || vml_word_begins(&w, "console=ttyS0");
        has->console = has->console || vml_word_begins(&w, "console=");
        has->ifnames = has->ifnames || vml_word_begins(&w, "net.ifnames=");
        has->biosdevname = has->biosdevname || vml_word_begins(&w, "biosdevname=");
    }
}

/* --- words ---------------------------------------------------------------------------------- */

/* root=/dev/sda1 and resume=/dev/sda5, which is what else a kernel waits for. */
static bool new_device(struct vml_word *w, size_t key, const char *mount, char buf[128],
                       const struct vml_cmdline *how)
{
    char spec[256], uuid[64] = "";

    snprintf(spec, sizeof spec, "%.*s", (int)(w->len - key), w->text + key);
    if (!vml_device_moves(spec))
        return true;
    if (!how->resolve(how->arg, spec, mount, uuid))
        return strcmp(mount, "/") == 0;
    if (uuid[0] == '\0')
        return true;
    *w = (struct vml_word){ buf,
                            (size_t)snprintf(buf, 128, "%.*sUUID=%s", (int)key, w->text, uuid) };
    return true;
}

/* Makes the word what it is to be; false: it goes. */
static bool new_word(struct vml_word *w, char buf[128], const struct vml_cmdline *how)
{
    if (how->resolve != NULL && vml_word_begins(w, "root="))
        return new_device(w, 5, "/", buf, how);
    if (how->resolve != NULL && vml_word_begins(w, "resume="))
        return new_device(w, 7, "swap", buf, how);
    if (how->names && vml_word_is(w, "net.ifnames=1"))
        *w = (struct vml_word){ "net.ifnames=0", 13 };
    else if (how->names && vml_word_is(w, "biosdevname=1"))
        *w = (struct vml_word){ "biosdevname=0", 13 };
    return true;
}

static void add(FILE *f, bool *any, const char *word)
{
    fprintf(f, "%s%s", *any ? " " : "", word);
    *any = true;
}

static void write_added(FILE *f, bool any, const struct vml_cmdline *how, const struct has *has)
{
    /* The last console is the one that /dev/console is; the screen stays where nothing else was
     * said. */
    if (how->console && !has->serial) {
        if (!has->console)
            add(f, &any, "console=tty0");
        add(f, &any, "console=ttyS0,115200n8");
    }
    if (how->names && !has->ifnames)
        add(f, &any, "net.ifnames=0");
    if (how->names && !has->biosdevname)
        add(f, &any, "biosdevname=0");
}

/* has is NULL where nothing is to be added. */
static void write_words(FILE *f, const struct vml_word *words, const struct vml_cmdline *how,
                        const struct has *has)
{
    const char *p = words->text, *end = p + words->len, *from = p;
    struct vml_word w;
    bool any = false;

    while (vml_word_next(&p, end, &w)) {
        const char *blanks = from;
        size_t n_blanks = (size_t)(w.text - from);
        char buf[128];

        from = p;
        if (!new_word(&w, buf, how)) /* and the blanks in front of it */
            continue;
        fwrite(blanks, 1, n_blanks, f);
        fwrite(w.text, 1, w.len, f);
        any = true;
    }
    if (has != NULL)
        write_added(f, any, how, has);
    fwrite(from, 1, (size_t)(end - from), f);
}

/* --- where they stand ----------------------------------------------------------------------- */

static bool contains(const struct vml_word *in, const char *what)
{
    return memmem(in->text, in->len, what, strlen(what)) != NULL;
}

/* "linux /boot/vmlinuz-6.1 WORDS".  *add: it is a Linux that starts on its own, and no memtest, nor
 * one beneath Xen, whose own console it has. */
static bool after_kernel(const struct vml_text_line *line, struct vml_word *words, bool *may_add)
{
    static const char *const commands[] = { "linux",  "linux16", "linuxefi",   "kernel",
                                            "module", "module2", "multiboot2", "multiboot" };
    const char *p = line->text, *end = p + line->len;
    struct vml_word command, kernel;

    if (!vml_word_next(&p, end, &command) || !vml_word_next(&p, end, &kernel))
        return false;
    *words = (struct vml_word){ p, (size_t)(end - p) };
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (!vml_word_is(&command, commands[i]))
            continue;
        *may_add = i < 4 && !contains(&kernel, "memtest") && !contains(&kernel, "xen") &&
                   !contains(&kernel, ".c32");
        return true;
    }
    return false;
}

/* "KEY WORDS", in either case. */
static bool after_key(const struct vml_text_line *line, const char *key, struct vml_word *words)
{
    const char *p = line->text, *end = p + line->len;
    struct vml_word w;

    if (!vml_word_next(&p, end, &w) || w.len != strlen(key) || strncasecmp(w.text, key, w.len) != 0)
        return false;
    *words = (struct vml_word){ p, (size_t)(end - p) };
    return true;
}

static bool after_text(const struct vml_text_line *line, const char *text, struct vml_word *words)
{
    size_t len = strlen(text);

    if (line->len < len || strncmp(line->text, text, len) != 0)
        return false;
    *words = (struct vml_word){ line->text + len, line->len - len };
    return true;
}

static bool in_variable(const struct vml_text_line *line, const char *add_to,
                        struct vml_word *words, bool *may_add)
{
    static const char *const names[] = { "GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT",
                                         "GRUB_CMDLINE_LINUX_RECOVERY", "EXTLINUX_PARAMETERS",
                                         "EXTLINUX_ROOT" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (vml_text_line_variable(line, names[i], words)) {
            *may_add = add_to != NULL && strcmp(names[i], add_to) == 0;
            return true;
        }
    return false;
}

static bool find_words(const struct vml_text_line *line, enum vml_cmdline_kind kind,
                       const char *add_to, struct vml_word *words, bool *may_add)
{
    *may_add = true;
    switch (kind) {
    case VML_CMDLINE_GRUB:
        return after_kernel(line, words, may_add);
    case VML_CMDLINE_LEGACY:
        return after_text(line, "# kopt=", words) || after_kernel(line, words, may_add);
    case VML_CMDLINE_EXTLINUX:
        if (!after_key(line, "append", words))
            return false;
        *may_add = contains(words, "root=");
        return true;
    case VML_CMDLINE_BLS:
        if (!after_key(line, "options", words))
            return false;
        *may_add = !contains(words, "$kernelopts"); /* then grubenv has them */
        return true;
    case VML_CMDLINE_GRUBENV:
        return after_text(line, "kernelopts=", words);
    case VML_CMDLINE_DEFAULTS:
        return in_variable(line, add_to, words, may_add);
    case VML_CMDLINE_PLAIN:
        *words = (struct vml_word){ line->text, line->len };
        return line->len > 0 && line->text[0] != '#';
    }
    return false;
}

/* --- a file --------------------------------------------------------------------------------- */

/* The variables of one file are put together by what reads them. */
static void look_at_all(const char *text, struct has *has)
{
    struct vml_text_line line;
    struct vml_word words;
    bool may_add;

    while (vml_text_line_next(&text, &line))
        if (in_variable(&line, NULL, &words, &may_add))
            look(&words, has);
}

/* Takes text over; NULL: it is too long, or there was no memory. */
static char *block_of(char *text)
{
    size_t len = text != NULL ? strlen(text) : 0;
    char *block;

    while (len > 0 && text[len - 1] == '#')
        len--;
    if (text == NULL || len > GRUBENV || (block = malloc(GRUBENV + 1)) == NULL) {
        free(text);
        return NULL;
    }
    memset(block, '#', GRUBENV);
    memcpy(block, text, len);
    block[GRUBENV] = '\0';
    free(text);
    return block;
}

char *vml_edit_cmdline(const char *text, enum vml_cmdline_kind kind, const struct vml_cmdline *how)
{
    const char *at = text;
    struct vml_text t;
    struct vml_text_line line;
    struct has all = { 0 };
    bool added = false;

    if (!vml_text_begin(&t))
        return NULL;
    look_at_all(text, &all);
    while (vml_text_line_next(&at, &line)) {
        struct vml_word words;
        struct has has = all;
        bool may_add;

        if (!find_words(&line, kind, how->add_to, &words, &may_add)) {
            fwrite(line.text, 1, line.full, t.f);
            continue;
        }
        if (kind != VML_CMDLINE_DEFAULTS) {
            has = (struct has){ 0 };
            look(&words, &has);
        }
        added = added || may_add;
        fwrite(line.text, 1, (size_t)(words.text - line.text), t.f);
        write_words(t.f, &words, how, may_add ? &has : NULL);
        fwrite(words.text + words.len, 1, (size_t)(line.text + line.full - words.text - words.len),
               t.f);
    }
    if (kind == VML_CMDLINE_DEFAULTS && how->add_to != NULL && !added &&
        ((how->console && !all.serial) || (how->names && (!all.ifnames || !all.biosdevname)))) {
        fprintf(t.f, "%s%s=\"", vml_text_gap(text), how->add_to);
        write_added(t.f, false, how, &all);
        fputs("\"\n", t.f);
    }
    char *out = vml_text_end(&t);
    if (kind != VML_CMDLINE_GRUBENV)
        return out;
    char *block = block_of(out);
    return block != NULL ? block : strdup(text); /* too long for its block: it stays as it is */
}
