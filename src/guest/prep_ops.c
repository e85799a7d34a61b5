/* A guest's files and programs, by libguestfs. */
#include "guest/prep_guest.h"

#ifdef VMLIFT_GUESTFS

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/libguestfs.h"

static guestfs_h *handle(const struct vml_prep_guest *g)
{
    return vml_session_guestfs(g->session);
}

static int op_stat(void *arg, const char *path, enum vml_stat *kind, char **target,
                   struct vml_error *err)
{
    const struct vml_prep_guest *g = arg;
    struct guestfs_statns *st = vml_guestfs.lstatns(handle(g), path);
    int64_t mode = st != NULL ? st->st_mode : 0;

    *kind = VML_STAT_NONE;
    *target = NULL;
    if (st == NULL) {
        int why = vml_guestfs.last_errno(handle(g));
        return why == ENOENT || why == ENOTDIR ? 0 : vml_session_fail(g->session, err, "%s", path);
    }
    vml_guestfs.free_statns(st);
    *kind = S_ISREG(mode)   ? VML_STAT_FILE
            : S_ISDIR(mode) ? VML_STAT_FOLDER
            : S_ISLNK(mode) ? VML_STAT_LINK
                            : VML_STAT_OTHER;
    if (S_ISLNK(mode) && (*target = vml_guestfs.readlink(handle(g), path)) == NULL)
        return vml_session_fail(g->session, err, "%s", path);
    return 0;
}

static int op_read(void *arg, const char *path, char **real, char **text, struct vml_error *err)
{
    const struct vml_prep_guest *g = arg;
    int is_file =
        vml_guestfs.is_file_opts(handle(g), path, GUESTFS_IS_FILE_OPTS_FOLLOWSYMLINKS, 1, -1);
    size_t len = 0;

    *real = *text = NULL;
    if (is_file <= 0)
        return is_file == 0 ? 0 : vml_session_fail(g->session, err, "%s", path);
    if ((*real = vml_guestfs.realpath(handle(g), path)) == NULL)
        return vml_session_fail(g->session, err, "%s", path);
    int64_t size = vml_guestfs.filesize(handle(g), *real);
    if (size >= 0 && size <= (int64_t)VML_TEXT_MAX)
        *text = vml_guestfs.read_file(handle(g), *real, &len);
    if (size < 0 || (size <= (int64_t)VML_TEXT_MAX && *text == NULL)) {
        free(*real);
        return vml_session_fail(g->session, err, "%s", path);
    }
    if (*text == NULL || memchr(*text, '\0', len) != NULL) {
        free(*text);
        free(*real);
        *real = *text = NULL;
    }
    return 0;
}

static int op_list(void *arg, const char *folder, char ***names, struct vml_error *err)
{
    const struct vml_prep_guest *g = arg;
    int is_folder =
        vml_guestfs.is_dir_opts(handle(g), folder, GUESTFS_IS_DIR_OPTS_FOLLOWSYMLINKS, 1, -1);

    if (is_folder < 0)
        return vml_session_fail(g->session, err, "%s", folder);
    *names = is_folder ? vml_guestfs.ls(handle(g), folder) : calloc(1, sizeof **names);
    if (*names != NULL)
        return 0;
    return is_folder ? vml_session_fail(g->session, err, "%s", folder) : vml_fail_nomem(err);
}

/* The folders in front of the path's last slash. */
static int make_folder(const struct vml_prep_guest *g, const char *path, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *folder = strdup(path);

    if (folder == NULL)
        return vml_fail_nomem(err);
    *strrchr(folder, '/') = '\0';
    if (folder[0] == '\0' || vml_guestfs.mkdir_p(handle(g), folder) == 0)
        return 0;
    return vml_session_fail(g->session, err, "%s", folder);
}

static int op_write(void *arg, const char *path, const char *text, size_t len,
                    struct vml_error *err)
{
    const struct vml_prep_guest *g = arg;

    if (make_folder(g, path, err) < 0)
        return -1;
    return vml_guestfs.write(handle(g), path, text, len) < 0
               ? vml_session_fail(g->session, err, "%s", path)
               : 0;
}

static int op_copy(void *arg, const char *from, const char *to, struct vml_error *err)
{
    const struct vml_prep_guest *g = arg;

    if (make_folder(g, to, err) < 0)
        return -1;
    return vml_guestfs.cp_a(handle(g), from, to) < 0 ? vml_session_fail(g->session, err, "%s", to)
                                                     : 0;
}

static int op_move(void *arg, const char *from, const char *to, struct vml_error *err)
{
    const struct vml_prep_guest *g = arg;

    return vml_guestfs.mv(handle(g), from, to) < 0 ? vml_session_fail(g->session, err, "%s", from)
                                                   : 0;
}

static int op_remove(void *arg, const char *path, struct vml_error *err)
{
    const struct vml_prep_guest *g = arg;

    return vml_guestfs.rm(handle(g), path) < 0 ? vml_session_fail(g->session, err, "%s", path) : 0;
}

static int op_link(void *arg, const char *target, const char *path, struct vml_error *err)
{
    const struct vml_prep_guest *g = arg;

    if (make_folder(g, path, err) < 0)
        return -1;
    return vml_guestfs.ln_sf(handle(g), target, path) < 0
               ? vml_session_fail(g->session, err, "%s", path)
               : 0;
}

/* Of much that a program complained of, the end. */
static const char *last_words(const char *text)
{
    const char *line, *at = text;

    if (text == NULL)
        return "it failed";
    while (strlen(at) > 300 && (line = strchr(at, '\n')) != NULL)
        at = line + 1;
    return at;
}

static int op_run(void *arg, const char *command, struct vml_error *err)
{
    const struct vml_prep_guest *g = arg;
    VML_AUTO(vml_freep) char *output = NULL, *words = NULL;

    /* The appliance's own settings are none of the guest's. */
    if (asprintf(&words,
                 "export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C; cd / && { %s; } >/dev/null",
                 command) < 0)
        return vml_fail_nomem(err);
    output = vml_guestfs.sh(handle(g), words);
    if (output != NULL)
        return 0;
    if (vml_interrupted())
        return vml_fail_interrupted(err);
    return vml_fail(err, VML_EIO, "prep/command", "%s: %s", command,
                    last_words(vml_guestfs.last_error(handle(g))));
}

const struct vml_guest_ops vml_prep_guest_ops = { .stat = op_stat,
                                                  .read = op_read,
                                                  .list = op_list,
                                                  .write = op_write,
                                                  .copy = op_copy,
                                                  .move = op_move,
                                                  .remove = op_remove,
                                                  .link = op_link,
                                                  .run = op_run };

#endif
