/* Tars, member by member.  libarchive parses the headers (ustar, GNU, pax; tar only, no filters);
 * what a member is allowed to be is decided here.
 *
 * On an input that can seek, open lists all members, and libarchive is done: the bytes of a member
 * are then a range of the input, read without it.  On a pipe libarchive hands out the bytes too. */
#include "vmlift/io.h"

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TAR_BLOCK    512u
#define MEMBERS_MAX  256u
#define NAME_MAX_LEN 255u
#define BUFFER_SIZE  (64u << 10)

struct member {
    char *name;
    uint64_t size, off;
};

struct vml_archive {
    struct vml_input *in;
    struct archive *tar;
    struct archive_entry *entry; /* libarchive's own may be NULL without memory, which it forgets */
    uint8_t *buffer;
    size_t buffered;         /* bytes in it */
    bool ended;              /* the input gave its last byte */
    struct vml_error failed; /* what a callback met; libarchive has no place for it */
    unsigned entries;
    uint64_t expect;     /* where the next header has to stand */
    struct member *list; /* seekable only */
    size_t n, next;
    struct member current; /* its name belongs to the list, or (pipe) to the archive */
    uint64_t pos;          /* in the input while libarchive reads it, in the member after that */
};

/* --- what libarchive calls ------------------------------------------------------------------ */

static la_ssize_t on_read(struct archive *tar, void *arg, const void **buf)
{
    struct vml_archive *a = arg;
    size_t got = 0;
    int rc;

    (void)tar;
    *buf = a->buffer;
    if (vml_interrupted()) {
        vml_fail_interrupted(&a->failed);
        return -1;
    }
    if (vml_input_can_seek(a->in)) {
        got = (size_t)vml_min_u64(BUFFER_SIZE, vml_input_size(a->in) - a->pos);
        rc = vml_input_pread(a->in, a->buffer, got, a->pos, &a->failed);
    } else {
        rc = vml_input_read(a->in, a->buffer, BUFFER_SIZE, &got, &a->failed);
    }
    if (rc < 0)
        return -1;
    a->pos += got;
    a->buffered = got;
    a->ended = got == 0;
    return (la_ssize_t)got;
}

/* Only on inputs that can seek.  What is missing at the end is noticed by the read that follows. */
static la_int64_t on_skip(struct archive *tar, void *arg, la_int64_t request)
{
    struct vml_archive *a = arg;
    uint64_t step = vml_min_u64((uint64_t)request, vml_input_size(a->in) - a->pos);

    (void)tar;
    a->pos += step;
    return (la_int64_t)step;
}

static int tar_failed(struct vml_archive *a, struct vml_error *err)
{
    const char *why = archive_error_string(a->tar);

    if (a->failed.code != VML_OK) {
        *err = a->failed;
        return -1;
    }
    if (a->ended && a->entries > 0)
        return vml_fail(err, VML_EDATA, "input/truncated",
                        "the tar ends in the middle of a member: at offset %llu",
                        (unsigned long long)a->pos);
    if (archive_errno(a->tar) == ENOMEM)
        return vml_fail_nomem(err);
    return vml_fail(err, VML_EDATA, "ova/container", "not a tar that can be read: %s",
                    why != NULL ? why : "no reason given");
}

/* --- what a member may be ------------------------------------------------------------------- */

/* "./disk.vmdk", as `tar -cf x.ova .` names it, is "disk.vmdk". */
static const char *plain_name(const char *name)
{
    while (name[0] == '.' && name[1] == '/')
        for (name += 2; *name == '/'; name++)
            ;
    return name;
}

static const char *name_fault(const char *name)
{
    if (name[0] == '/')
        return "it is absolute";
    if (strlen(name) > NAME_MAX_LEN)
        return "it has more than 255 bytes";
    for (const char *p = name; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return "it has control characters";
        else if (*p == '\\')
            return "it has a backslash";
    for (const char *p = name; *p != '\0'; p += vml_utf8_char(p))
        if (vml_utf8_char(p) == 0)
            return "it is not UTF-8";
    for (const char *p = name; p != NULL; p = strchr(p, '/')) {
        p += *p == '/';
        if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0'))
            return "it leads out of the folder";
    }
    return NULL;
}

static const char *type_fault(struct archive_entry *e)
{
    if (archive_entry_hardlink(e) != NULL)
        return "a hard link";
    switch (archive_entry_filetype(e)) {
    case AE_IFREG:
        return archive_entry_sparse_count(e) > 0 ? "a sparse file" : NULL;
    case AE_IFDIR:
        return NULL;
    case AE_IFLNK:
        return "a symbolic link";
    case AE_IFIFO:
        return "a fifo";
    default:
        return "a device or a socket";
    }
}

/* *skip: a folder, which says nothing that the names of its files do not say. */
static int check_entry(struct archive_entry *e, const char **name, bool *skip,
                       struct vml_error *err)
{
    const char *stored = archive_entry_pathname(e), *fault;

    if (stored == NULL || *stored == '\0')
        return vml_fail(err, VML_EDATA, "ova/member-name", "a member has no name");
    fault = name_fault(stored);
    if (fault != NULL)
        return vml_fail(err, VML_EDATA, "ova/member-name", "member name '%s': %s", stored, fault);
    fault = type_fault(e);
    if (fault != NULL)
        return vml_fail(err, VML_EDATA, "ova/member-type",
                        "member '%s' is %s; a package holds plain files only", stored, fault);
    *skip = archive_entry_filetype(e) == AE_IFDIR;
    *name = plain_name(stored);
    if (!*skip && **name == '\0')
        return vml_fail(err, VML_EDATA, "ova/member-name", "member name '%s': it is empty", stored);
    if (!*skip && (!archive_entry_size_is_set(e) || archive_entry_size(e) < 0))
        return vml_fail(err, VML_EDATA, "ova/container", "member '%s' has no size", stored);
    return 0;
}

/* Every header stands where the data before it end; else other readers see other members here. */
static int check_position(const struct vml_archive *a, struct vml_error *err)
{
    uint64_t at = (uint64_t)archive_read_header_position(a->tar);

    if (at == a->expect)
        return 0;
    return vml_fail(err, VML_EDATA, "ova/container",
                    "the header after member %u stands at offset %llu, not at %llu", a->entries,
                    (unsigned long long)at, (unsigned long long)a->expect);
}

static int trailing(uint64_t off, struct vml_error *err)
{
    return vml_fail(err, VML_EDATA, "ova/layout",
                    "data behind the end of the tar, near offset %llu: other readers may see "
                    "members in it",
                    (unsigned long long)off);
}

static bool is_zero(const uint8_t *p, size_t len)
{
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* Behind the end there is only what fills it up.  libarchive stands behind the first block of
 * zeroes or two, with the rest of its buffer not looked at. */
static int check_tail(struct vml_archive *a, struct vml_error *err)
{
    uint64_t seen = (uint64_t)archive_filter_bytes(a->tar, 0), at = a->pos;
    size_t left = at > seen ? (size_t)vml_min_u64(at - seen, a->buffered) : 0;

    if (!is_zero(a->buffer + a->buffered - left, left))
        return trailing(seen, err);
    while (!a->ended) {
        uint64_t end = a->pos;
        bool hole = false;

        if (vml_input_can_seek(a->in) && a->pos < vml_input_size(a->in) &&
            vml_input_run(a->in, a->pos, &hole, &end, err) < 0)
            return -1;
        if (hole) {
            a->pos = end;
            continue;
        }
        if (on_read(a->tar, a, &(const void *){ NULL }) < 0)
            return tar_failed(a, err);
        if (!is_zero(a->buffer, a->buffered))
            return trailing(a->pos - a->buffered, err);
    }
    return 0;
}

/* The next plain file.  *e is NULL at the end. */
static int next_entry(struct vml_archive *a, struct archive_entry **e, const char **name,
                      struct vml_error *err)
{
    bool skip = true;

    while (skip) {
        int rc = archive_read_next_header2(a->tar, a->entry);

        *e = a->entry;
        /* The warning is about names (UTF-8 in a pax header) that the locale has no characters for;
         * their bytes are there all the same. */
        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN && rc != ARCHIVE_EOF)
            return tar_failed(a, err);
        if (check_position(a, err) < 0)
            return -1;
        if (rc == ARCHIVE_EOF) {
            *e = NULL;
            return check_tail(a, err);
        }
        if (++a->entries > MEMBERS_MAX)
            return vml_fail(err, VML_EDATA, "ova/layout", "more than %u members", MEMBERS_MAX);
        if (check_entry(*e, name, &skip, err) < 0)
            return -1;
        a->expect = (uint64_t)archive_filter_bytes(a->tar, 0) +
                    vml_round_up((uint64_t)archive_entry_size(*e), TAR_BLOCK);
    }
    return 0;
}

/* --- listing -------------------------------------------------------------------------------- */

static int list_members(struct vml_archive *a, struct vml_error *err)
{
    uint64_t end = vml_input_size(a->in);

    a->list = calloc(MEMBERS_MAX, sizeof *a->list);
    if (a->list == NULL)
        return vml_fail_nomem(err);
    for (;;) {
        struct member *m = &a->list[a->n];
        struct archive_entry *e;
        const char *name;

        if (next_entry(a, &e, &name, err) < 0)
            return -1;
        if (e == NULL)
            return 0;
        m->size = (uint64_t)archive_entry_size(e);
        m->off = (uint64_t)archive_filter_bytes(a->tar, 0);
        if (m->off > end || m->size > end - m->off)
            return vml_fail(err, VML_EDATA, "input/truncated",
                            "member '%s': %llu bytes at offset %llu, but the input ends at %llu",
                            name, (unsigned long long)m->size, (unsigned long long)m->off,
                            (unsigned long long)end);
        m->name = strdup(name);
        if (m->name == NULL)
            return vml_fail_nomem(err);
        a->n++;
    }
}

int vml_archive_open(struct vml_archive **out, struct vml_input *in, struct vml_error *err)
{
    VML_AUTO(vml_archive_freep) struct vml_archive *a = calloc(1, sizeof *a);

    if (a == NULL || (a->buffer = malloc(BUFFER_SIZE)) == NULL ||
        (a->entry = archive_entry_new()) == NULL || (a->tar = archive_read_new()) == NULL)
        return vml_fail_nomem(err);
    a->in = in;
    archive_read_set_read_callback(a->tar, on_read);
    if (vml_input_can_seek(in))
        archive_read_set_skip_callback(a->tar, on_skip);
    if (archive_read_support_format_tar(a->tar) != ARCHIVE_OK ||
        archive_read_set_callback_data(a->tar, a) != ARCHIVE_OK)
        return vml_fail_nomem(err); /* all that these can lack */
    if (archive_read_open1(a->tar) != ARCHIVE_OK) {
        /* It gives a reason for all else. */
        if (a->failed.code == VML_OK && archive_error_string(a->tar) == NULL)
            return vml_fail_nomem(err);
        return tar_failed(a, err);
    }
    if (vml_input_can_seek(in)) {
        if (list_members(a, err) < 0)
            return -1;
        archive_read_free(a->tar);
        a->tar = NULL;
    }
    *out = a;
    a = NULL;
    return 0;
}

/* --- reading -------------------------------------------------------------------------------- */

static int next_on_pipe(struct vml_archive *a, bool *got, struct vml_error *err)
{
    struct archive_entry *e;
    const char *name;

    if (next_entry(a, &e, &name, err) < 0)
        return -1;
    *got = e != NULL;
    if (e == NULL)
        return 0;
    free(a->current.name);
    a->current = (struct member){ .name = strdup(name),
                                  .size = (uint64_t)archive_entry_size(e),
                                  .off = VML_SIZE_UNKNOWN };
    return a->current.name != NULL ? 0 : vml_fail_nomem(err);
}

int vml_archive_next(struct vml_archive *a, struct vml_member *m, bool *got, struct vml_error *err)
{
    if (vml_input_can_seek(a->in)) {
        *got = a->next < a->n;
        if (*got)
            a->current = a->list[a->next++];
        a->pos = 0;
    } else if (next_on_pipe(a, got, err) < 0) {
        return -1;
    }
    if (!*got)
        return 0;
    *m = (struct vml_member){ .name = a->current.name,
                              .size = a->current.size,
                              .off = a->current.off };
    return 0;
}

static int read_on_pipe(struct vml_archive *a, void *buf, size_t len, size_t *got,
                        struct vml_error *err)
{
    uint8_t *p = buf;

    while (*got < len) {
        la_ssize_t n = archive_read_data(a->tar, p + *got, len - *got);

        if (n < 0)
            return tar_failed(a, err);
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return 0;
}

int vml_archive_read(struct vml_archive *a, void *buf, size_t len, size_t *got,
                     struct vml_error *err)
{
    *got = 0;
    if (!vml_input_can_seek(a->in))
        return read_on_pipe(a, buf, len, got, err);
    assert(a->pos <= a->current.size);
    len = (size_t)vml_min_u64(len, a->current.size - a->pos);
    if (vml_input_pread(a->in, buf, len, a->current.off + a->pos, err) < 0)
        return -1;
    a->pos += len;
    *got = len;
    return 0;
}

void vml_archive_free(struct vml_archive *a)
{
    if (a == NULL)
        return;
    if (a->in != NULL && !vml_input_can_seek(a->in))
        free(a->current.name);
    for (size_t i = 0; i < a->n; i++)
        free(a->list[i].name);
    free(a->list);
    if (a->tar != NULL)
        archive_read_free(a->tar);
    archive_entry_free(a->entry);
    free(a->buffer);
    free(a);
}

void vml_archive_freep(struct vml_archive **a)
{
    vml_archive_free(*a);
    *a = NULL;
}
