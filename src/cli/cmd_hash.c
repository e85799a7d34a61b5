#include "out.h"
#include "progress.h"
#include "source.h"
#include "target.h"
#include "vmlift/codec.h"
#include "vmlift/copy.h"
#include "vmlift/store.h"

struct hash {
    const char *from, *vm;
    bool no_manifest;
    struct parents parents;
    bool tree, progress;
    unsigned threads, disk;
};

static const struct opt opts[] = {
    OPT_FROM(hash),
    OPT_PACKAGE(hash),
    OPT_PARENTS(hash),
    { 0, "disk", "N", OPT_COUNT, offsetof(struct hash, disk),
      "only disk N of a machine, counted from 1" },
    { 0, "tree", NULL, OPT_FLAG, offsetof(struct hash, tree),
      "the digest that a snapshot of the disk has in a store: computed in parallel, and holes cost "
      "nothing" },
    OPT_COPY(hash),
    { 0 },
};

static const struct opt_verb verb = {
    "hash",
    "SRC...",
    1,
    -1,
    "Prints the SHA-256 of each disk's bytes, whatever format they are in: what sha256sum says of "
    "the raw disk. Holes are not read. With --json and several SRC there is one object on a line "
    "for each. \"-\" is standard input.",
    opts
};

/* Disk i: a line, or an object in *v. */
static int hash_disk(const struct hash *how, const char *path, const char *file,
                     struct vml_reader *r, bool json, json_t **v, struct vml_error *err)
{
    VML_AUTO(progress_end) struct progress progress = { 0 };
    struct vml_copy copy = { .threads = how->threads };
    uint8_t digest[32];
    char hex[65];

    progress_start(&progress, how->progress, r->size);
    progress_attach(&progress, &copy);
    if ((how->tree ? vml_tree_hash : vml_hash)(r, &copy, digest, err) < 0)
        return -1;
    progress_end(&progress);
    vml_hex(hex, digest, sizeof digest);
    if (!json) {
        out_line(stdout, "%s  %s%s%s", hex, path, file != NULL ? ": " : "",
                 file != NULL ? file : "");
        return 0;
    }
    *v = json_pack("{s:o, s:s}", "virtual_size",
                   json_size(copy.bytes.data + copy.bytes.zero + copy.bytes.hole),
                   how->tree ? "root" : "sha256", hex);
    if (file != NULL && *v != NULL)
        json_object_set_new(*v, "file", json_text(file));
    return *v != NULL ? 0 : vml_fail_nomem(err);
}

/* The next disk: in the machine's order where the source can seek, else as they pass.  *out is NULL
 * after the last. */
static int next_disk(struct vml_package *p, bool seekable, size_t *i, struct vml_reader **out,
                     struct vml_error *err)
{
    if (!seekable)
        return vml_package_next(p, i, out, err);
    *i = *i == SIZE_MAX ? 0 : *i + 1;
    return *i < vml_package_count(p) ? vml_package_reader(p, *i, out, err) : 0;
}

static int hash_disks(const struct hash *how, struct vml_package *p, bool seekable,
                      const char *path, bool json, json_t *disks, struct vml_error *err)
{
    for (size_t i = SIZE_MAX;;) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
        json_t *disk = NULL;
        if (next_disk(p, seekable, &i, &r, err) < 0)
            return -1;
        if (r == NULL)
            return 0;
        if (how->disk > 0 && i != how->disk - 1)
            continue;
        const char *file = source_is_machine(p) ? vml_package_disk_name(p, i) : NULL;
        if (hash_disk(how, path, file, r, json, &disk, err) < 0)
            return -1;
        if (disk != NULL)
            json_array_append_new(disks, disk);
    }
}

static int tell(void *arg, const char *path, bool json, json_t **v, struct vml_error *err)
{
    const struct hash *how = arg;
    const struct vml_open open = { .format = how->from,
                                   .vm = how->vm,
                                   .no_manifest = how->no_manifest,
                                   .parents = parents_named(&how->parents) };
    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;
    VML_AUTO(json_freep) json_t *disks = json_array();
    bool seekable = false;
    size_t chosen;

    if (source_open(&p, path, &open, "hash", &seekable, err) < 0 ||
        (how->disk > 0 && source_choose(p, path, how->disk, &chosen, err) < 0) ||
        hash_disks(how, p, seekable, path, json, disks, err) < 0)
        return -1;
    if (!json)
        return 0;
    *v = json_pack("{s:o}", "path", json_text(path));
    if (source_is_machine(p))
        json_object_set(*v, "disks", disks);
    else
        json_object_update(*v, json_array_get(disks, 0));
    return 0;
}

static void hash_clear(struct hash *how)
{
    opt_list_clear(&how->parents.files);
}

int cmd_hash(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(hash_clear) struct hash how = { 0 };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    return source_tell_all(cli, tell, &how, false, err);
}
