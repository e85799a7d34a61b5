/* Committing outputs: they get their names.
 *
 * A file with siblings (a descriptor and the files with the data) is committed so that its name,
 * by which all of them are found, never stands for a mixture:
 *
 *     sync all files | move the old NAME aside, sync the folder | for each sibling: move the old
 * one aside, link the new | sync the folder | link NAME | sync the folder | remove what is aside
 *
 * A name cannot be switched for several files at once.  Were the old ones replaced one by one, a
 * crash could leave the old descriptor with new data, which is read without complaint.  So there
 * is a moment at which nothing has the name: a crash then leaves complete files of data, the old
 * ones as ".NAME.XXXXXX.part", and nothing that claims to be a disk.  A failure undoes all of it:
 * what was linked is removed, what was aside comes back. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "output.h"

/* Under `name`, where nothing has it.  -1 and errno. */
static int link_free(struct vml_output *o, const char *name)
{
    int dir = output_folder(o);
    char proc[64];

    if (o->part == NULL) {
        snprintf(proc, sizeof proc, "/proc/self/fd/%d", o->fd);
        return linkat(AT_FDCWD, proc, dir, name, AT_SYMLINK_FOLLOW);
    }
    if (renameat2(dir, o->part, dir, name, RENAME_NOREPLACE) < 0) {
        if (errno != EINVAL || linkat(dir, o->part, dir, name, 0) < 0) /* EINVAL: NFS */
            return -1;
        (void)unlinkat(dir, o->part, 0);
    }
    free(o->part);
    o->part = NULL;
    return 0;
}

static int take_name(struct vml_output *o, struct vml_error *err)
{
    if (link_free(o, output_base(o)) < 0)
        return errno == EEXIST ? output_exists(o, err) : vml_fail_errno(err, "%s", o->name);
    o->named = true;
    return 0;
}

/* Over what has the name now. */
static int take_name_over(struct vml_output *o, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *name = NULL;

    if (o->part == NULL) {
        if (output_working_name(o, &name, err) < 0)
            return -1;
        if (link_free(o, name) < 0)
            return vml_fail_errno(err, "%s", o->name);
        o->part = name;
        name = NULL;
    }
    if (renameat(o->dir, o->part, o->dir, output_base(o)) < 0)
        return vml_fail_errno(err, "%s", o->name);
    free(o->part);
    o->part = NULL;
    return 0;
}

static int sync_folder(const struct vml_output *o, struct vml_error *err)
{
    return fsync(o->dir) < 0 ? vml_fail_errno(err, "%s: sync of its folder", o->name) : 0;
}

static int commit_alone(struct vml_output *o, struct vml_error *err)
{
    bool replaced = false;

    if (link_free(o, output_base(o)) < 0) {
        if (errno != EEXIST)
            return vml_fail_errno(err, "%s", o->name);
        if ((o->force ? take_name_over(o, err) : output_exists(o, err)) < 0)
            return -1;
        replaced = true;
    }
    if (sync_folder(o, err) == 0)
        return 0;
    /* After a failure there is no output, but for one whose predecessor cannot be brought back. */
    if (!replaced)
        (void)unlinkat(o->dir, output_base(o), 0);
    return -1;
}

/* What o replaces gets out of the way, to be brought back or removed. */
static int move_aside(struct vml_output *o, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *name = NULL;
    int dir = output_folder(o);

    if (!o->force)
        return 0;
    if (output_working_name(o, &name, err) < 0)
        return -1;
    if (renameat(dir, output_base(o), dir, name) < 0)
        return errno == ENOENT ? 0 : vml_fail_errno(err, "%s", o->name);
    o->old = name;
    name = NULL;
    return 0;
}

static void undo(struct vml_output *o)
{
    int dir = output_folder(o);

    if (o->named)
        (void)unlinkat(dir, output_base(o), 0);
    if (o->old != NULL)
        (void)renameat(dir, o->old, dir, output_base(o));
    o->named = false;
    vml_freep(&o->old);
}

static int place_all(struct vml_output *o, struct vml_error *err)
{
    if (move_aside(o, err) < 0 || (o->old != NULL && sync_folder(o, err) < 0))
        return -1;
    for (struct vml_output *s = o->next; s != NULL; s = s->next)
        if (move_aside(s, err) < 0 || take_name(s, err) < 0)
            return -1;
    if (sync_folder(o, err) < 0 || take_name(o, err) < 0)
        return -1;
    return sync_folder(o, err);
}

static int commit_all(struct vml_output *o, struct vml_error *err)
{
    for (struct vml_output *s = o->next; s != NULL; s = s->next)
        if (fdatasync(s->fd) < 0)
            return vml_fail_errno(err, "%s: sync", s->name);
    if (place_all(o, err) < 0) {
        if (o->named) /* before what it names */
            (void)unlinkat(o->dir, output_base(o), 0);
        o->named = false;
        for (struct vml_output *s = o->next; s != NULL; s = s->next)
            undo(s);
        (void)fsync(o->dir);
        undo(o);
        (void)fsync(o->dir);
        return -1;
    }
    for (struct vml_output *s = o; s != NULL; s = s->next)
        if (s->old != NULL)
            (void)unlinkat(o->dir, s->old, 0);
    return 0;
}

int vml_output_flush(struct vml_output *o, struct vml_error *err)
{
    if (o->kind != OUTPUT_FILE && o->kind != OUTPUT_DEVICE)
        return 0;
    return fdatasync(o->fd) < 0 ? vml_fail_errno(err, "%s: sync", o->name) : 0;
}

int vml_output_commit(struct vml_output *o, struct vml_error *err)
{
    assert(o->whole == NULL);
    switch (o->kind) {
    case OUTPUT_APPEND:
    case OUTPUT_CALLBACK:
    case OUTPUT_PIPE:
        return 0;
    case OUTPUT_DEVICE:
        return fsync(o->fd) < 0 ? vml_fail_errno(err, "%s: sync", o->name) : 0;
    case OUTPUT_FILE:
        break;
    }
    if (fdatasync(o->fd) < 0)
        return vml_fail_errno(err, "%s: sync", o->name);
    return o->next == NULL ? commit_alone(o, err) : commit_all(o, err);
}
