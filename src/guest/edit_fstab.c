/* /etc/fstab: what a new machine finds under another name, or does not find. */
#include "guest/edit.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MARK "# vmlift: "

/* "a" is 0, "z" 25, "aa" 26.  How many letters there were. */
static size_t letters(const char *p, unsigned *disk)
{
    size_t n = 0;

    *disk = 0;
    for (; n < 3 && p[n] >= 'a' && p[n] <= 'z'; n++)
        *disk = *disk * 26 + (unsigned)(p[n] - 'a' + 1);
    *disk -= n > 0;
    return n;
}

/* At most four digits to the end of the name. */
static bool number_to_end(const char *p, unsigned *number)
{
    size_t n = 0;

    *number = 0;
    for (; n < 4 && isdigit((unsigned char)p[n]); n++)
        *number = *number * 10 + (unsigned)(p[n] - '0');
    return p[n] == '\0';
}

/* "0n1p2", "0p1" */
static bool parse_numbered(const char *p, const char *between, unsigned *disk, unsigned *part)
{
    char *end;

    if (!isdigit((unsigned char)*p))
        return false;
    *disk = (unsigned)(strtoul(p, &end, 10) & 0xffff);
    if (strncmp(end, between, strlen(between)) != 0)
        return false;
    end += strlen(between);
    *part = 0;
    return *end == '\0' || (*end == 'p' && end[1] != '\0' && number_to_end(end + 1, part));
}

bool vml_device_parse(const char *name, unsigned *disk, unsigned *part)
{
    static const char *const kinds[] = { "/dev/sd", "/dev/hd", "/dev/vd", "/dev/xvd" };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t len = strlen(kinds[i]), n;

        if (strncmp(name, kinds[i], len) != 0)
            continue;
        n = letters(name + len, disk);
        return n > 0 && number_to_end(name + len + n, part);
    }
    if (strncmp(name, "/dev/nvme", 9) == 0)
        return parse_numbered(name + 9, "n1", disk, part);
    if (strncmp(name, "/dev/mmcblk", 11) == 0)
        return parse_numbered(name + 11, "", disk, part);
    return false;
}

bool vml_device_moves(const char *name)
{
    unsigned disk, part;

    return vml_device_parse(name, &disk, &part) || strncmp(name, "/dev/disk/by-id/", 16) == 0 ||
           strncmp(name, "/dev/disk/by-path/", 18) == 0;
}

/* --- an entry ------------------------------------------------------------------------------- */

enum { SPEC, MOUNT, TYPE, OPTIONS, FIELDS };

struct entry {
    struct vml_word field[FIELDS];
    size_t n;
};

static void parse(const struct vml_text_line *line, struct entry *e)
{
    const char *p = line->text, *end = line->text + line->len;

    for (e->n = 0; e->n < FIELDS && vml_word_next(&p, end, &e->field[e->n]); e->n++)
        if (e->field[e->n].text[0] == '#')
            return;
}

static bool has_option(const struct entry *e, const char *option)
{
    const char *p = e->field[OPTIONS].text;
    size_t left = e->n > OPTIONS ? e->field[OPTIONS].len : 0;

    while (left > 0) {
        const char *comma = memchr(p, ',', left);
        struct vml_word w = { p, comma != NULL ? (size_t)(comma - p) : left };

        if (vml_word_is(&w, option))
            return true;
        left -= w.len + (comma != NULL);
        p += w.len + (comma != NULL);
    }
    return false;
}

/* Folders of the host, which no hypervisor of EC2 shares. */
static bool is_shared_by_host(const struct entry *e)
{
    static const char *const types[] = { "vboxsf",   "vmhgfs", "fuse.vmhgfs-fuse", "prl_fs", "9p",
                                         "virtiofs", NULL };

    return vml_word_is_any(&e->field[TYPE], types) ||
           vml_word_begins(&e->field[SPEC], "vmhgfs-fuse");
}

static bool is_remote(const struct entry *e)
{
    static const char *const types[] = { "cifs", "smbfs",      "smb3",       "nfs",
                                         "nfs4", "fuse.sshfs", "fuse.sshfs", NULL };

    return vml_word_is_any(&e->field[TYPE], types) || vml_word_begins(&e->field[SPEC], "sshfs#");
}

static bool is_removable(const char *spec)
{
    static const char *const names[] = { "/dev/sr",  "/dev/cdrom",  "/dev/dvd",    "/dev/fd",
                                         "/dev/scd", "/dev/floppy", "/media/cdrom" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(spec, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static bool is_tag(const char *spec)
{
    return strncmp(spec, "UUID=", 5) == 0 || strncmp(spec, "LABEL=", 6) == 0 ||
           strncmp(spec, "/dev/disk/by-uuid/", 18) == 0 ||
           strncmp(spec, "/dev/disk/by-label/", 19) == 0;
}

struct change {
    char uuid[64]; /* "": the name stays */
    bool nofail;
};

static void decide(const struct entry *e, vml_resolve_fn *resolve, void *arg, struct change *c)
{
    char spec[256], mount[256];

    snprintf(spec, sizeof spec, "%.*s", (int)e->field[SPEC].len, e->field[SPEC].text);
    snprintf(mount, sizeof mount, "%.*s", (int)e->field[MOUNT].len, e->field[MOUNT].text);
    if (vml_word_is(&e->field[TYPE], "swap"))
        snprintf(mount, sizeof mount, "swap");
    if (is_remote(e) || is_removable(spec)) {
        c->nofail = true;
    } else if (vml_device_moves(spec)) {
        if (!resolve(arg, spec, mount, c->uuid))
            c->nofail = true;
    } else if (is_tag(spec)) {
        char ignored[64];

        c->nofail = !resolve(arg, spec, mount, ignored);
    }
    /* Without its root nothing starts, whatever the options say. */
    c->nofail = c->nofail && strcmp(mount, "/") != 0 && !has_option(e, "nofail") &&
                !has_option(e, "noauto");
}

static void write_until(FILE *f, const char **from, const char *to)
{
    fwrite(*from, 1, (size_t)(to - *from), f);
    *from = to;
}

static void write_entry(FILE *f, const struct vml_text_line *line, const struct entry *e,
                        const struct change *c)
{
    const char *p = line->text;

    write_until(f, &p, e->field[SPEC].text);
    if (c->uuid[0] != '\0') {
        fprintf(f, "UUID=%s", c->uuid);
        p += e->field[SPEC].len;
    }
    if (c->nofail && e->n > OPTIONS) {
        write_until(f, &p, e->field[OPTIONS].text + e->field[OPTIONS].len);
        fputs(",nofail", f);
    } else if (c->nofail) {
        write_until(f, &p, e->field[TYPE].text + e->field[TYPE].len);
        fputs(" defaults,nofail", f);
    }
    write_until(f, &p, line->text + line->full);
}

char *vml_edit_fstab(const char *text, vml_resolve_fn *resolve, void *arg)
{
    struct vml_text t;
    struct vml_text_line line;

    if (!vml_text_begin(&t))
        return NULL;
    while (vml_text_line_next(&text, &line)) {
        struct change c = { .uuid = "" };
        struct entry e;

        parse(&line, &e);
        if (e.n > TYPE && !is_shared_by_host(&e)) {
            decide(&e, resolve, arg, &c);
            write_entry(t.f, &line, &e, &c);
            continue;
        }
        if (e.n > 0 && line.text[strspn(line.text, " \t")] != '#')
            fputs(MARK, t.f);
        fwrite(line.text, 1, line.full, t.f);
    }
    return vml_text_end(&t);
}
