#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appliance.h"
#include "inspect.h"
#include "local.h"
#include "source.h"
#include "target.h"

struct inspect {
    struct local local;
    const char *from, *vm;
    bool boot, no_manifest;
    struct parents parents;
    unsigned disk;
};

static const struct opt opts[] = {
    { 0, "boot", NULL, OPT_FLAG, offsetof(struct inspect, boot),
      "only how it boots: from at most 4 MiB of the disk's own bytes, in milliseconds" },
    { 0, "disk", "N", OPT_COUNT, offsetof(struct inspect, disk),
      "only disk N of a machine, counted from 1" },
    OPT_FROM(inspect),
    OPT_PACKAGE(inspect),
    OPT_PARENTS(inspect),
    OPT_PASSPHRASE(inspect),
    OPT_STORE(inspect),
    OPT_WHERE(inspect),
    { 0 },
};

static const struct opt_verb verb = {
    "inspect",
    "SRC...",
    1,
    -1,
    "Tells what is inside the disks of each SRC: an image file of any format, an OVA, or of the "
    "store an AMI (by ID or name) or a snapshot. Nothing is written, and nothing extracted.\n"
    "First how each disk boots, from its own bytes: the partition table, boot code, EFI loaders, "
    "file systems and LVM volumes, and from these the boot mode that an AMI of it needs, its "
    "architecture and its root.\n"
    "Then, unless --boot is given, the system: which it is, its kernels and what they can drive, "
    "fstab, network, cloud-init, SSH server, agents of hosts and clouds, what a copy should not "
    "have in common with it, disk use; of a Windows what its registry says. libguestfs looks for "
    "that, in a small machine of its own, which takes some seconds to start. Where it is missing "
    "that is said, with exit status 4, and the first part is told nonetheless.",
    opts
};

/* One SRC. */
struct look {
    struct inspect *how;
    json_t *v;             /* its object; NULL: as text */
    struct appliance into; /* its disks, for libguestfs */
};

/* --- a disk --------------------------------------------------------------------------------- */

/* Which of a machine's it is, for whom there are several. */
struct disk {
    size_t number; /* from 1; 0: there is only one */
    const char *name, *what;
};

static json_t *disk_json(const struct vml_reader *r, const struct disk *d, const struct vml_boot *b)
{
    json_t *v = json_pack("{s:s, s:o}", "format", r->format, "virtual_size", json_size(r->size));

    if (v == NULL)
        return NULL;
    if (d->number > 0)
        json_object_set_new(v, d->what, json_text(d->name));
    json_t *boot = inspect_boot_json(b);
    if (boot == NULL || json_object_update(v, boot) < 0) {
        json_decref(v);
        v = NULL;
    }
    json_decref(boot);
    return v;
}

/* As text, or as an object in *v. */
static int tell_disk(struct vml_reader *r, const struct disk *d, bool json, json_t **v,
                     struct vml_error *err)
{
    VML_AUTO(vml_boot_clear) struct vml_boot b = { 0 };

    if (!r->can_seek)
        return vml_fail(err, VML_EUNSUPPORTED, "inspect/needs-seek",
                        "%s: is compressed as a whole and can be read front to back only: convert "
                        "it first",
                        r->name);
    if (vml_boot_read(r, &b, err) < 0) {
        vml_error_prefix(err, "%s", r->name);
        return -1;
    }
    if (json) {
        *v = disk_json(r, d, &b);
        return *v != NULL ? 0 : vml_fail_nomem(err);
    }
    if (d->number > 0)
        out_line(stdout, "disk %zu:        %s", d->number, d->name);
    return inspect_boot_text(&b, err);
}

/* The object of a SRC: its one disk's members, or an array of its disks. */
static int put_disk(const struct look *l, json_t *disk, bool lone, struct vml_error *err)
{
    int rc;

    if (disk == NULL)
        return 0;
    rc = lone ? json_object_update(l->v, disk)
              : json_array_append(json_object_get(l->v, "disks"), disk);
    json_decref(disk);
    return rc < 0 ? vml_fail_nomem(err) : 0;
}

/* --- files ---------------------------------------------------------------------------------- */

static int tell_package(struct look *l, const char *path, struct vml_package *p, bool lone,
                        const struct vml_open *open, struct vml_error *err)
{
    for (size_t i = 0; i < vml_package_count(p); i++) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
        struct disk d = { .number = lone ? 0 : i + 1,
                          .name = vml_package_disk_name(p, i),
                          .what = "file" };
        json_t *disk = NULL;

        if (l->how->disk > 0 && i != l->how->disk - 1)
            continue;
        if (vml_package_reader(p, i, &r, err) < 0 ||
            tell_disk(r, &d, l->v != NULL, &disk, err) < 0 || put_disk(l, disk, lone, err) < 0 ||
            appliance_add_file(&l->into, path, open, (unsigned)d.number, NULL, err) < 0)
            return -1;
    }
    return 0;
}

static int tell_file(struct look *l, const char *path, struct vml_error *err)
{
    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;
    const struct inspect *how = l->how;
    const struct vml_open open = { .format = how->from,
                                   .vm = how->vm,
                                   .no_manifest = how->no_manifest,
                                   .parents = parents_named(&how->parents) };
    size_t chosen;

    if (source_open(&p, path, &open, "inspect", NULL, err) < 0 ||
        (how->disk > 0 && source_choose(p, path, how->disk, &chosen, err) < 0))
        return -1;
    bool lone = !source_is_machine(p);
    if (l->v != NULL && !lone) {
        json_object_set_new(l->v, "format", json_string(vml_package_format(p)));
        json_object_set_new(l->v, "disks", json_array());
    }
    return tell_package(l, path, p, lone, &open, err);
}

/* --- the store ------------------------------------------------------------------------------ */

/* What of a store is looked at: a snapshot by itself, or an AMI's. */
struct stored {
    struct vml_store *store;
    const struct vml_where *where;
    const char *id; /* as libguestfs is told */
};

static int tell_snapshot(struct look *l, const struct stored *s, const char *snapshot,
                         const struct disk *d, struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    VML_AUTO(vml_freep) char *dir = NULL;
    const struct local *local = &l->how->local;
    json_t *disk = NULL;

    if (vml_snapshot_open(&r, s->store, snapshot, err) < 0 ||
        tell_disk(r, d, l->v != NULL, &disk, err) < 0 ||
        put_disk(l, disk, d->number == 0, err) < 0 || local_dir(local, &dir, err) < 0)
        return -1;
    const char *passphrase = local_passphrase_file(local);
    if (passphrase == NULL && local->asked[0] != '\0')
        passphrase = local->asked;
    return appliance_add_stored(&l->into, dir, s->where, s->id, (unsigned)d->number, passphrase,
                                NULL, err);
}

static int tell_lone_snapshot(struct look *l, const struct stored *s, struct vml_error *err)
{
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot snap = { 0 };

    if (vml_snapshot_get(s->store, s->id, &snap, err) < 0)
        return -1;
    if (strcmp(snap.owner, s->where->owner) != 0 || strcmp(snap.region, s->where->region) != 0)
        return vml_fail(err, VML_ENOTFOUND, "snapshot/not-found",
                        "%s: no such snapshot of account %s in %s", s->id, s->where->owner,
                        s->where->region);
    return tell_snapshot(l, s, s->id, &(struct disk){ 0 }, err);
}

static int tell_image(struct look *l, const struct stored *s, const struct vml_image *a,
                      struct vml_error *err)
{
    const struct inspect *how = l->how;
    size_t n = 0;

    if (l->v != NULL) {
        json_object_set_new(l->v, "format", json_string("ami"));
        json_object_set_new(l->v, "disks", json_array());
    }
    for (size_t i = 0; i < a->n_mappings; i++) {
        struct disk d = { .name = a->mappings[i].device, .what = "device" };

        if (a->mappings[i].snapshot[0] == '\0')
            continue;
        d.number = ++n;
        if ((how->disk == 0 || n == how->disk) &&
            tell_snapshot(l, s, a->mappings[i].snapshot, &d, err) < 0)
            return -1;
    }
    return how->disk <= n ? 0
                          : vml_fail(err, VML_EUSAGE, "usage/disk",
                                     "%s: there is no disk %u, only %zu", a->id, how->disk, n);
}

/* A file that is there is meant; of other words those that the store knows.  *found is false where
 * it does not, and the word is no ID. */
static int tell_stored(struct look *l, const char *word, bool *found, struct vml_error *err)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(vml_image_clear) struct vml_image image = { 0 };
    struct vml_where where;
    bool snapshot = strncmp(word, "snap-", 5) == 0, id = snapshot || strncmp(word, "ami-", 4) == 0;

    *found = false;
    if (local_open(&l->how->local, id ? LOCAL_READ : LOCAL_LIST, &where, &s, err) < 0)
        return -1;
    if (s == NULL)
        return 0;
    if (!snapshot && vml_registry_get(s, &where, word, &image, err) < 0)
        return id || err->code != VML_ENOTFOUND ? -1 : 0;
    *found = true;
    if (snapshot)
        return tell_lone_snapshot(l, &(struct stored){ s, &where, word }, err);
    return tell_image(l, &(struct stored){ s, &where, image.id }, &image, err);
}

/* --- the system on the disks ---------------------------------------------------------------- */

static int put_guest(const struct look *l, const struct vml_inspect *g, struct vml_error *err)
{
    if (l->v == NULL) {
        out_line(stdout, "%s", "");
        return inspect_guest_text(g, err);
    }
    json_t *guest = inspect_guest_json(g);
    return guest != NULL && json_object_set_new(l->v, "guest", guest) == 0 ? 0
                                                                           : vml_fail_nomem(err);
}

/* How the disks boot is told by then, and remains so: without libguestfs the status alone, and a
 * line beside it, say that this was not all. */
static int tell_system(struct look *l, const char *word, struct vml_error *err)
{
    VML_AUTO(vml_inspect_clear) struct vml_inspect g = { .os = VML_OS_NONE };

    if (appliance_inspect(&l->into, &g, err) == 0)
        return put_guest(l, &g, err);
    if (err->code == VML_EINTERRUPTED)
        return -1;
    out_line(stderr, "vmlift: %s: %s [%s]", word, err->text, err->slug);
    if (l->v != NULL) {
        json_object_set_new(l->v, "guest", json_null());
        json_object_set_new(l->v, "error", json_error(err));
    }
    return vml_error_status(err);
}

/* --- the verb ------------------------------------------------------------------------------- */

static void look_clear(struct look *l)
{
    json_decref(l->v);
    appliance_clear(&l->into);
}

static int tell(void *arg, const char *word, bool json, json_t **out, struct vml_error *err)
{
    VML_AUTO(look_clear)
    struct look l = { .how = arg, .v = json ? json_pack("{s:o}", "path", json_text(word)) : NULL };
    bool found = false;
    int rc = 0;

    if (json && l.v == NULL)
        return vml_fail_nomem(err);
    if (!json)
        out_line(stdout, "%-14s %s", "path:", word);
    if (strcmp(word, "-") != 0 && strchr(word, '/') == NULL && access(word, F_OK) < 0 &&
        tell_stored(&l, word, &found, err) < 0)
        return -1;
    if (!found && tell_file(&l, word, err) < 0)
        return -1;
    if (!l.how->boot && (rc = tell_system(&l, word, err)) < 0)
        return -1;
    *out = l.v;
    l.v = NULL;
    return rc;
}

static void inspect_clear(struct inspect *how)
{
    opt_list_clear(&how->parents.files);
}

int cmd_inspect(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(inspect_clear) struct inspect how = { 0 };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    how.local.keep = !how.boot;
    if (cli->n_words > 1 && how.parents.files.n > 0)
        return vml_fail(err, VML_EUSAGE, "usage/parent", "--parent is for one SRC, not for %d",
                        cli->n_words);
    return source_tell_all(cli, tell, &how, true, err);
}
