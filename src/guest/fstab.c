#include "guest/fstab.h"

#include <stdlib.h>
#include <string.h>

#include "guest/tree.h"

enum { MOUNTS_MAX = 1000 };

static bool is_one_of(const char *word, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcmp(word, *list) == 0)
            return true;
    return false;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool has_option(const char *options, const char *option)
{
    size_t n = strlen(option);

    for (const char *p = options; (p = strstr(p, option)) != NULL; p += n)
        if ((p == options || p[-1] == ',') && (p[n] == '\0' || p[n] == ','))
            return true;
    return false;
}

/* Of what lies beneath /dev. */
static enum vml_spec device_kind(const char *spec)
{
    static const struct {
        const char *prefix;
        enum vml_spec kind;
    } folders[] = {
        { "/dev/disk/by-uuid/", VML_SPEC_UUID },
        { "/dev/disk/by-label/", VML_SPEC_LABEL },
        { "/dev/disk/by-partuuid/", VML_SPEC_PARTUUID },
        { "/dev/disk/by-partlabel/", VML_SPEC_PARTLABEL },
        { "/dev/disk/", VML_SPEC_ID },
        { "/dev/mapper/", VML_SPEC_VOLUME },
        { "/dev/dm-", VML_SPEC_VOLUME },
        { "/dev/md", VML_SPEC_VOLUME }, /* found by what stands on its disks */
        { "/dev/zvol/", VML_SPEC_VOLUME },
        { "/dev/block/", VML_SPEC_DEVICE },
        { "/dev/cciss/", VML_SPEC_DEVICE },
        { "/dev/shm", VML_SPEC_VIRTUAL },
        { "/dev/loop", VML_SPEC_FILE },
    };

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (begins(spec, folders[i].prefix))
            return folders[i].kind;
    /* /dev/GROUP/VOLUME */
    return strchr(spec + strlen("/dev/"), '/') != NULL ? VML_SPEC_VOLUME : VML_SPEC_DEVICE;
}

enum vml_spec vml_spec_kind(const char *spec, const char *type, const char *options)
{
    static const char *const network[] = {
        "nfs",       "nfs4", "cifs",  "smbfs",      "smb3",           "ceph",
        "glusterfs", "afs",  "davfs", "ncpfs",      "lustre",         "beegfs",
        "ocfs2",     "gfs2", "sshfs", "fuse.sshfs", "fuse.glusterfs", NULL
    };
    static const char *const shared[] = { "vboxsf", "vmhgfs", "fuse.vmhgfs-fuse", "virtiofs", "9p",
                                          "prl_fs", NULL };
    static const char *const virtual[] = { "proc",       "sysfs",      "tmpfs",   "devpts",
                                           "devtmpfs",   "cgroup",     "cgroup2", "debugfs",
                                           "tracefs",    "securityfs", "mqueue",  "hugetlbfs",
                                           "overlay",    "ramfs",      "usbfs",   "binfmt_misc",
                                           "configfs",   "efivarfs",   "fusectl", "pstore",
                                           "rpc_pipefs", "none",       NULL };
    static const struct {
        const char *prefix;
        enum vml_spec kind;
    } tags[] = { { "UUID=", VML_SPEC_UUID },
                 { "LABEL=", VML_SPEC_LABEL },
                 { "PARTUUID=", VML_SPEC_PARTUUID },
                 { "PARTLABEL=", VML_SPEC_PARTLABEL },
                 { "ID=", VML_SPEC_ID } };

    if (is_one_of(type, shared))
        return VML_SPEC_SHARED;
    if (is_one_of(type, network))
        return VML_SPEC_NETWORK;
    if (is_one_of(type, virtual) || has_option(options, "bind") || has_option(options, "rbind"))
        return VML_SPEC_VIRTUAL;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
        if (begins(spec, tags[i].prefix))
            return tags[i].kind;
    if (begins(spec, "/dev/"))
        return device_kind(spec);
    if (begins(spec, "//") || strchr(spec, ':') != NULL)
        return VML_SPEC_NETWORK;
    return spec[0] == '/' ? VML_SPEC_FILE : VML_SPEC_VIRTUAL;
}

static const char *const names[] = {
    [VML_SPEC_DEVICE] = "device",     [VML_SPEC_ID] = "id",
    [VML_SPEC_UUID] = "uuid",         [VML_SPEC_LABEL] = "label",
    [VML_SPEC_PARTUUID] = "partuuid", [VML_SPEC_PARTLABEL] = "partlabel",
    [VML_SPEC_VOLUME] = "volume",     [VML_SPEC_NETWORK] = "network",
    [VML_SPEC_SHARED] = "shared",     [VML_SPEC_VIRTUAL] = "virtual",
    [VML_SPEC_FILE] = "file",         [VML_SPEC_BAD] = "bad",
};

const char *vml_spec_name(enum vml_spec kind)
{
    return names[kind];
}

/* fstab(5): "\040" is a blank, and so on. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *p = text; *p != '\0';) {
        if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' &&
            p[3] >= '0' && p[3] <= '7') {
            *to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
            p += 4;
        } else {
            *to++ = *p++;
        }
    }
    *to = '\0';
}

/* 'UUID="x"' is taken for UUID=x. */
static void unquote(char *text)
{
    char *to = text;

    for (const char *p = text; *p != '\0'; p++)
        if (*p != '"')
            *to++ = *p;
    *to = '\0';
}

static bool is_number(const char *word)
{
    return word[0] != '\0' && word[strspn(word, "0123456789")] == '\0';
}

static void read_line(const struct vml_line *line, struct vml_mount *m)
{
    char dump[16] = "0", pass[16] = "0";

    *m = (struct vml_mount){ .line = line->number };
    bool whole = vml_line_word(line, 0, m->spec, sizeof m->spec) &&
                 vml_line_word(line, 1, m->dir, sizeof m->dir) &&
                 vml_line_word(line, 2, m->type, sizeof m->type);
    (void)vml_line_word(line, 3, m->options, sizeof m->options);
    (void)vml_line_word(line, 4, dump, sizeof dump);
    (void)vml_line_word(line, 5, pass, sizeof pass);
    unescape(m->spec);
    unquote(m->spec);
    unescape(m->dir);
    whole = whole && (dump[0] == '#' || (is_number(dump) && (pass[0] == '#' || is_number(pass)))) &&
            (m->dir[0] == '/' || strcmp(m->dir, "none") == 0 || strcmp(m->dir, "swap") == 0);
    m->kind = whole ? vml_spec_kind(m->spec, m->type, m->options) : VML_SPEC_BAD;
}

int vml_fstab_parse(const char *text, struct vml_mount **mounts, size_t *n, struct vml_error *err)
{
    struct vml_line line = { 0 };

    while (vml_line_next(&text, &line) && *n < MOUNTS_MAX) {
        if (line.len == 0 || line.text[0] == '#')
            continue;
        struct vml_mount *more = realloc(*mounts, (*n + 1) * sizeof *more);
        if (more == NULL)
            return vml_fail_nomem(err);
        *mounts = more;
        read_line(&line, &more[(*n)++]);
    }
    return 0;
}
