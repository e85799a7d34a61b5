#include <inttypes.h>

#include "local.h"
#include "out.h"
#include "progress.h"
#include "store.h"
#include "target.h"

struct store {
    struct local local;
    bool progress, quick;
};

static const struct opt opts[] = {
    OPT_STORE(store),
    OPT_SHARED_FS(store),
    { 0 },
};
static const struct opt rebuild_opts[] = {
    OPT_STORE(store),
    OPT_SHARED_FS(store),
    OPT_PROGRESS(store),
    { 0 },
};
static const struct opt verify_opts[] = {
    { 0, "quick", NULL, OPT_FLAG, offsetof(struct store, quick),
      "Leave out SHA-256, for which each block has to be unpacked. Every bit that has changed "
      "since "
      "it was written is found all the same; what was wrong already when it was written, or was "
      "changed by somebody who made new sums, is not." },
    OPT_PASSPHRASE(store),
    OPT_STORE(store),
    OPT_PROGRESS(store),
    { 0 },
};

/* --- init ----------------------------------------------------------------------------------- */

static const struct opt_verb init_verb = {
    "store init",
    "",
    0,
    0,
    "Makes an empty store, and prints its folder. A store that is there already stays as it is. "
    "\"vmlift import\" makes the store too.",
    opts
};

static int store_init(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct store how = { 0 };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(vml_freep) char *dir = NULL;
    int rc = opt_parse(cli, &init_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (local_dir(&how.local, &dir, err) < 0 || local_store(&how.local, LOCAL_CREATE, &s, err) < 0)
        return -1;
    if (cli->json)
        return out_json(json_pack("{s:o}", "path", json_text(dir)), err);
    out_line(stdout, "%s", dir);
    return 0;
}

/* --- verify --------------------------------------------------------------------------------- */

struct verify {
    json_t *faults; /* NULL: print them as they come */
    struct progress progress;
};

static json_t *json_images(const struct vml_fault *f)
{
    json_t *images = json_array();

    for (size_t i = 0; i < f->n_images; i++)
        json_array_append_new(images, json_pack("{s:s, s:o}", "id", f->images[i].id, "name",
                                                json_text(f->images[i].name)));
    return images;
}

static void add_fault(json_t *faults, const struct vml_fault *f)
{
    json_t *fault;

    if (!f->more)
        json_array_append_new(faults, json_pack("{s:s, s:o, s:[]}", "slug", f->slug, "text",
                                                json_text(f->text), "suffers"));
    if (f->object == NULL)
        return;
    fault = json_array_get(faults, json_array_size(faults) - 1);
    json_array_append_new(json_object_get(fault, "suffers"),
                          json_pack("{s:s, s:I, s:I, s:o}", "object", f->object, "offset",
                                    (json_int_t)f->off, "length", (json_int_t)f->len, "images",
                                    json_images(f)));
}

/* "  snap-... bytes 0..524288 (ami-... name, ami-... name)" */
static void print_sufferer(const struct vml_fault *f)
{
    VML_AUTO(vml_freep) char *images = NULL;
    size_t len = 0;
    FILE *text = vml_memstream(&images, &len);

    for (size_t i = 0; text != NULL && i < f->n_images; i++)
        fprintf(text, "%s%s %s", i > 0 ? ", " : " (", f->images[i].id, f->images[i].name);
    if (text != NULL)
        fprintf(text, f->n_images > 0 ? ")" : "");
    if (text == NULL || fclose(text) != 0)
        return;
    if (f->len == 0)
        out_line(stdout, "  %s: its record%s", f->object, images);
    else
        out_line(stdout, "  %s: bytes %" PRIu64 "..%" PRIu64 "%s", f->object, f->off,
                 f->off + f->len, images);
}

static void on_fault(void *arg, const struct vml_fault *f)
{
    struct verify *v = arg;

    if (v->faults != NULL) {
        add_fault(v->faults, f);
        return;
    }
    progress_hide(&v->progress);
    if (!f->more)
        out_line(stdout, "%s [%s]", f->text, f->slug);
    if (f->object != NULL)
        print_sufferer(f);
}

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
    struct verify *v = arg;

    v->progress.total = total;
    progress_tick(&v->progress, done, total);
}

static void verify_clear(struct verify *v)
{
    progress_end(&v->progress);
    json_decref(v->faults);
}

static const struct opt_verb verify_verb = {
    "store verify",
    "",
    0,
    0,
    "Checks every row of the catalog and every block of the store. Prints each fault, and beneath "
    "it "
    "the snapshots, bytes and AMIs that suffer; exit status 1 when there is any.",
    verify_opts
};

static int store_verify(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct store how = { .local.quiet = true };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(verify_clear) struct verify v = { 0 };
    struct vml_verified found = { 0 };
    int rc = opt_parse(cli, &verify_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    v.faults = cli->json ? json_array() : NULL;
    if (local_store(&how.local, LOCAL_READ, &s, err) < 0)
        return -1;
    progress_start(&v.progress, how.progress, VML_SIZE_UNKNOWN);
    if (vml_store_verify(s, how.quick, on_fault, &v, on_progress, &found, err) < 0)
        return -1;
    progress_end(&v.progress);
    if (cli->json &&
        out_json(json_pack("{s:I, s:O, s:I}", "count", (json_int_t)found.faults, "faults", v.faults,
                           "ciphertext_only", (json_int_t)found.ciphertext),
                 err) < 0)
        return -1;
    if (!cli->json && found.ciphertext > 0)
        out_line(stdout,
                 "%" PRIu64
                 " encrypted snapshot%s could be checked as ciphertext only, without the "
                 "key or its passphrase",
                 found.ciphertext, found.ciphertext == 1 ? "" : "s");
    if (!cli->json && found.faults == 0)
        out_line(stdout, "no faults");
    return found.faults == 0 ? 0 : 1;
}

/* --- rebuild -------------------------------------------------------------------------------- */

static const struct opt_verb rebuild_verb = {
    "store rebuild",
    "",
    0,
    0,
    "Makes a lost or damaged catalog anew from the packs, and keeps the old one beside it. Prints "
    "what "
    "is damaged in the packs, and what suffers; exit status 1 when anything is.",
    rebuild_opts
};

static int print_rebuilt(struct cli *cli, const struct verify *v, const struct vml_rebuilt *r,
                         struct vml_error *err)
{
    if (cli->json)
        return out_json(json_pack("{s:I, s:I, s:I, s:I, s:s?, s:I, s:O}", "packs",
                                  (json_int_t)r->packs, "blocks", (json_int_t)r->blocks,
                                  "snapshots", (json_int_t)r->snapshots, "images",
                                  (json_int_t)r->images, "kept", r->kept[0] ? r->kept : NULL,
                                  "count", (json_int_t)r->faults, "faults", v->faults),
                        err);
    out_line(stdout,
             "%" PRIu64 " images, %" PRIu64 " snapshots and %" PRIu64 " blocks from %" PRIu64
             " packs",
             r->images, r->snapshots, r->blocks, r->packs);
    if (r->kept[0] != '\0')
        out_line(stdout, "the catalog that was there is kept as %s", r->kept);
    return 0;
}

static int store_rebuild(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct store how = { 0 };
    VML_AUTO(vml_freep) char *dir = NULL;
    VML_AUTO(verify_clear) struct verify v = { 0 };
    struct vml_rebuilt r;
    int rc = opt_parse(cli, &rebuild_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    v.faults = cli->json ? json_array() : NULL;
    if (local_dir(&how.local, &dir, err) < 0)
        return -1;
    progress_start(&v.progress, how.progress, VML_SIZE_UNKNOWN);
    if (vml_store_rebuild(dir, how.local.shared_fs ? VML_STORE_SHARED_FS : 0, on_fault, &v,
                          on_progress, &r, err) < 0)
        return -1;
    progress_end(&v.progress);
    if (print_rebuilt(cli, &v, &r, err) < 0)
        return -1;
    return r.faults == 0 ? 0 : 1;
}

/* --- gc ------------------------------------------------------------------------------------- */

static const struct opt_verb gc_verb = {
    "store gc",
    "",
    0,
    0,
    "Frees the space of what no snapshot uses. Waits for imports that are under way.",
    opts
};

static int store_gc(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct store how = { 0 };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_collected c;
    char buf[32];
    int rc = opt_parse(cli, &gc_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (local_store(&how.local, LOCAL_WRITE, &s, err) < 0 || vml_store_collect(s, &c, err) < 0)
        return -1;
    if (cli->json)
        return out_json(json_pack("{s:I, s:I, s:I}", "blocks", (json_int_t)c.blocks, "packs",
                                  (json_int_t)c.packs, "bytes", (json_int_t)c.bytes),
                        err);
    out_line(stdout, "freed %s: %" PRIu64 " blocks, %" PRIu64 " packs removed or rewritten",
             vml_size_format(buf, c.bytes), c.blocks, c.packs);
    return 0;
}

/* --- the group ------------------------------------------------------------------------------ */

static const struct verb verbs[] = {
    { "init", store_init, "make an empty store" },
    { "stats", store_stats, "count what the store holds" },
    { "verify", store_verify, "check every block and every snapshot" },
    { "rebuild", store_rebuild, "make a lost catalog anew from the packs" },
    { "gc", store_gc, "free the space of what no snapshot uses" },
    { 0 },
};

int cmd_store(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    return verb_run(cli, verbs, "store", argc, argv, err);
}
