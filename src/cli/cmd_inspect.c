#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
      "how it boots: from at most 4 MiB of the disk's own bytes" },
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
    "store an AMI (by ID or name) or a snapshot.\n"
    "With --boot: the partition table, boot code, EFI loaders, file systems and LVM volumes, and "
    "from these the boot mode that an AMI of it needs, its architecture and its root. Nothing is "
    "mounted and nothing is written.",
    opts
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
static int put_disk(json_t *of, json_t *disk, bool lone, struct vml_error *err)
{
    int rc;

    if (disk == NULL)
        return 0;
    rc =
        lone ? json_object_update(of, disk) : json_array_append(json_object_get(of, "disks"), disk);
    json_decref(disk);
    return rc < 0 ? vml_fail_nomem(err) : 0;
}

/* --- files ---------------------------------------------------------------------------------- */

static int tell_package(const struct inspect *how, struct vml_package *p, bool lone, json_t *v,
                        struct vml_error *err)
{
    for (size_t i = 0; i < vml_package_count(p); i++) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
        struct disk d = { .number = lone ? 0 : i + 1,
                          .name = vml_package_disk_name(p, i),
                          .what = "file" };
        json_t *disk = NULL;

        if (how->disk > 0 && i != how->disk - 1)
            continue;
        if (vml_package_reader(p, i, &r, err) < 0 || tell_disk(r, &d, v != NULL, &disk, err) < 0 ||
            put_disk(v, disk, lone, err) < 0)
            return -1;
    }
    return 0;
}

static int tell_file(const struct inspect *how, const char *path, json_t *v, struct vml_error *err)
{
    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;
    const struct vml_open open = { .format = how->from,
                                   .vm = how->vm,
                                   .no_manifest = how->no_manifest,
                                   .parents = parents_named(&how->parents) };
    size_t chosen;

    if (source_open(&p, path, &open, "inspect", NULL, err) < 0 ||
        (how->disk > 0 && source_choose(p, path, how->disk, &chosen, err) < 0))
        return -1;
    bool lone = !source_is_machine(p);
    if (v != NULL && !lone) {
        json_object_set_new(v, "format", json_string(vml_package_format(p)));
        json_object_set_new(v, "disks", json_array());
    }
    return tell_package(how, p, lone, v, err);
}

/* --- the store ------------------------------------------------------------------------------ */

static int tell_snapshot(struct vml_store *s, const char *id, const struct disk *d, json_t *v,
                         struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    json_t *disk = NULL;

    if (vml_snapshot_open(&r, s, id, err) < 0 || tell_disk(r, d, v != NULL, &disk, err) < 0)
        return -1;
    return put_disk(v, disk, d->number == 0, err);
}

static int tell_lone_snapshot(struct vml_store *s, const struct vml_where *where, const char *id,
                              json_t *v, struct vml_error *err)
{
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot snap = { 0 };

    if (vml_snapshot_get(s, id, &snap, err) < 0)
        return -1;
    if (strcmp(snap.owner, where->owner) != 0 || strcmp(snap.region, where->region) != 0)
        return vml_fail(err, VML_ENOTFOUND, "snapshot/not-found",
                        "%s: no such snapshot of account %s in %s", id, where->owner,
                        where->region);
    return tell_snapshot(s, id, &(struct disk){ 0 }, v, err);
}

static int tell_image(const struct inspect *how, struct vml_store *s, const struct vml_image *a,
                      json_t *v, struct vml_error *err)
{
    size_t n = 0;

    if (v != NULL) {
        json_object_set_new(v, "format", json_string("ami"));
        json_object_set_new(v, "disks", json_array());
    }
    for (size_t i = 0; i < a->n_mappings; i++) {
        struct disk d = { .name = a->mappings[i].device, .what = "device" };

        if (a->mappings[i].snapshot[0] == '\0')
            continue;
        d.number = ++n;
        if ((how->disk == 0 || n == how->disk) &&
            tell_snapshot(s, a->mappings[i].snapshot, &d, v, err) < 0)
            return -1;
    }
    return how->disk <= n ? 0
                          : vml_fail(err, VML_EUSAGE, "usage/disk",
                                     "%s: there is no disk %u, only %zu", a->id, how->disk, n);
}

/* A file that is there is meant; of other words those that the store knows.  *found is false where
 * it does not, and the word is no ID. */
static int tell_stored(struct inspect *how, const char *word, json_t *v, bool *found,
                       struct vml_error *err)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(vml_image_clear) struct vml_image image = { 0 };
    struct vml_where where;
    bool snapshot = strncmp(word, "snap-", 5) == 0, id = snapshot || strncmp(word, "ami-", 4) == 0;

    *found = false;
    if (local_open(&how->local, id ? LOCAL_READ : LOCAL_LIST, &where, &s, err) < 0)
        return -1;
    if (s == NULL)
        return 0;
    if (!snapshot && vml_registry_get(s, &where, word, &image, err) < 0)
        return id || err->code != VML_ENOTFOUND ? -1 : 0;
    *found = true;
    if (snapshot)
        return tell_lone_snapshot(s, &where, word, v, err);
    return tell_image(how, s, &image, v, err);
}

/* --- the verb ------------------------------------------------------------------------------- */

static int tell(void *arg, const char *word, bool json, json_t **out, struct vml_error *err)
{
    VML_AUTO(json_freep) json_t *v = json ? json_pack("{s:o}", "path", json_text(word)) : NULL;
    struct inspect *how = arg;
    bool found = false;

    if (json && v == NULL)
        return vml_fail_nomem(err);
    if (!json)
        out_line(stdout, "%-14s %s", "path:", word);
    if (strcmp(word, "-") != 0 && strchr(word, '/') == NULL && access(word, F_OK) < 0 &&
        tell_stored(how, word, v, &found, err) < 0)
        return -1;
    if (!found && tell_file(how, word, v, err) < 0)
        return -1;
    *out = v;
    v = NULL;
    return 0;
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
    if (!how.boot)
        return vml_fail(err, VML_EUSAGE, "usage/boot",
                        "inspect: say what to look for: --boot (how it boots)");
    if (cli->n_words > 1 && how.parents.files.n > 0)
        return vml_fail(err, VML_EUSAGE, "usage/parent", "--parent is for one SRC, not for %d",
                        cli->n_words);
    return source_tell_all(cli, tell, &how, true, err);
}
