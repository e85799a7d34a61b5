#include <inttypes.h>

#include "local.h"
#include "out.h"
#include "snapshot.h"

struct diff {
    struct local local;
    const char *source_region;
};

static const struct opt opts[] = {
    { 0, "source-region", "R", OPT_TEXT, offsetof(struct diff, source_region),
      "the region that A is in, by default that of B" },
    OPT_STORE(diff),
    OPT_WHERE(diff),
    { 0 },
};

static const struct opt_verb verb = {
    "snapshot diff",
    "A B",
    2,
    2,
    "Tells where the disks of two snapshots differ: offset and length of each run of blocks, in "
    "bytes. Exit status 1 when they differ, 0 (and nothing printed) when they do not. Of disks of "
    "unequal size the rest "
    "of the larger must read as zeroes. Only what the store knows of the blocks is compared, not "
    "their bytes, so that it takes no time and no key.",
    opts
};

struct answer {
    uint64_t runs, bytes;
    bool json, first;
};

static int count_run(void *arg, uint64_t off, uint64_t len, struct vml_error *err)
{
    struct answer *a = arg;

    (void)off;
    (void)err;
    a->runs++;
    a->bytes += len;
    return 0;
}

/* One element on a line: there may be millions, which are not to be held. */
static int show_run(void *arg, uint64_t off, uint64_t len, struct vml_error *err)
{
    struct answer *a = arg;

    (void)err;
    if (!a->json) {
        out_line(stdout, "%16" PRIu64 " %16" PRIu64, off, len);
        return 0;
    }
    printf("%s\n    {\"BlockIndex\": %" PRIu64 ", \"offset\": %" PRIu64 ", \"length\": %" PRIu64
           "}",
           a->first ? "" : ",", off / VML_BLOCK, off, len);
    a->first = false;
    return 0;
}

static void show_head(const struct vml_snapshot *a, const struct vml_snapshot *b, uint64_t bytes)
{
    printf("{\n  \"FirstSnapshotId\": \"%s\",\n  \"SecondSnapshotId\": \"%s\",\n"
           "  \"FirstSizeInBytes\": %" PRIu64 ",\n  \"SecondSizeInBytes\": %" PRIu64 ",\n"
           "  \"VolumeSize\": %" PRIu64 ",\n  \"BlockSize\": %u,\n  \"ChangedBytes\": %" PRIu64
           ",\n  \"ChangedBlocks\": [",
           a->id, b->id, a->size, b->size, vml_div_up(b->size, VML_GIB), VML_BLOCK, bytes);
}

int snapshot_diff(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct diff how = { 0 };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot a = { 0 };
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot b = { 0 };
    struct vml_where where;
    struct answer answer = { .first = true };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    answer.json = cli->json;
    /* Once to count, so that what fails is an error alone, and not half an answer before it. */
    if (local_open(&how.local, LOCAL_READ, &where, &s, err) < 0)
        return -1;
    const struct vml_where there = { where.owner,
                                     how.source_region != NULL ? how.source_region : where.region };
    if (vml_registry_snapshot_get(s, &there, cli->words[0], &a, err) < 0 ||
        vml_registry_snapshot_get(s, &where, cli->words[1], &b, err) < 0 ||
        vml_snapshot_diff(s, a.is.id, b.is.id, count_run, &answer, err) < 0)
        return -1;
    if (cli->json)
        show_head(&a.is, &b.is, answer.bytes);
    if (answer.runs > 0 && vml_snapshot_diff(s, a.is.id, b.is.id, show_run, &answer, err) < 0)
        return -1;
    if (cli->json)
        printf("%s]\n}\n", answer.runs > 0 ? "\n  " : "");
    return answer.runs > 0 ? 1 : 0;
}
