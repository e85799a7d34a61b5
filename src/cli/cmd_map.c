#include <inttypes.h>
#include <string.h>

#include "out.h"
#include "source.h"
#include "target.h"

struct map {
    const char *from, *vm;
    bool no_manifest;
    unsigned disk;
};

static const struct opt opts[] = {
    OPT_FROM(map),
    OPT_PACKAGE(map),
    { 0, "disk", "N", OPT_COUNT, offsetof(struct map, disk),
      "disk N of a machine, counted from 1; needed where there are several" },
    { 0 },
};

static const struct opt_verb verb = {
    "map",
    "SRC",
    1,
    1,
    "Tells which bytes of the disk the image stores a value for (data), which it marks as zeroes "
    "(zero), which were never written (hole), and where in the file (or member of an OVA) the data "
    "is. Read from the image's tables, not from its data. With --json an array in the words of "
    "\"qemu-img map --output=json\".",
    opts
};

struct run {
    uint64_t off, len, at; /* at: in the file, of data that is one piece of it */
    enum vml_kind kind;
    bool placed, compressed;
};

/* Where the disk's data is in several files a reader's place means nothing to others. */
static bool in_one_file(const struct vml_reader *r)
{
    static const char *const subformats[] = {
        "raw", "monolithicSparse", "streamOptimized", "dynamic", "fixed", NULL
    };
    const char *const *s = subformats;

    while (*s != NULL && strcmp(*s, r->subformat) != 0)
        s++;
    return *s != NULL;
}

static bool goes_on(const struct run *a, const struct run *b)
{
    return a->kind == b->kind && a->compressed == b->compressed && a->placed == b->placed &&
           (!a->placed || a->at + a->len == b->at);
}

typedef int show_run(void *arg, const struct run *run, struct vml_error *err);

/* Shows the disk's runs, neighbours of one kind as one. */
static int each_run(struct vml_reader *r, show_run *show, void *arg, struct vml_error *err)
{
    struct run run = { 0 };
    bool placed = in_one_file(r);

    for (uint64_t off = 0; off < r->size; off += run.len) {
        struct vml_extent x;
        uint64_t end = off;
        do {
            if (vml_interrupted())
                return vml_fail_interrupted(err);
            if (vml_extent_at(r, end, &x, err) < 0) {
                vml_error_prefix(err, "%s", r->name);
                return -1;
            }
            struct run next = { .off = end, .len = x.len, .kind = x.kind };
            if (x.kind == VML_DATA) {
                next.compressed = x.stored > 0;
                next.placed = placed && !next.compressed;
                next.at = x.at;
            }
            vml_extent_clear(&x);
            if (end == off)
                run = next;
            else if (goes_on(&run, &next))
                run.len += next.len;
            else
                break;
            end = off + run.len;
        } while (end < r->size);
        if (show(arg, &run, err) < 0)
            return -1;
    }
    return 0;
}

static int show_nothing(void *arg, const struct run *run, struct vml_error *err)
{
    (void)arg;
    (void)run;
    (void)err;
    return 0;
}

static int show_line(void *arg, const struct run *run, struct vml_error *err)
{
    static const char *const kinds[] = {
        [VML_DATA] = "data", [VML_ZERO] = "zero", [VML_HOLE] = "hole"
    };
    char at[32] = "";

    (void)arg;
    (void)err;
    if (run->placed)
        snprintf(at, sizeof at, "  %" PRIu64, run->at);
    else if (run->compressed)
        snprintf(at, sizeof at, "  compressed");
    out_line(stdout, "%16" PRIu64 " %16" PRIu64 "  %s%s", run->off, run->len, kinds[run->kind], at);
    return 0;
}

/* One element on a line: a fragmented disk has millions, which are not to be held. */
static int show_json(void *first, const struct run *run, struct vml_error *err)
{
    VML_AUTO(json_freep)
    json_t *v = json_pack("{s:I, s:I, s:i, s:b, s:b, s:b, s:b}", "start", (json_int_t)run->off,
                          "length", (json_int_t)run->len, "depth", 0, "present",
                          run->kind != VML_HOLE, "zero", run->kind != VML_DATA, "data",
                          run->kind == VML_DATA, "compressed", run->compressed);
    bool *is_first = first;

    if (v != NULL && run->placed)
        json_object_set_new(v, "offset", json_integer((json_int_t)run->at));
    if (v == NULL)
        return vml_fail_nomem(err);
    fputs(*is_first ? "[" : ",\n", stdout);
    *is_first = false;
    return json_dumpf(v, stdout, JSON_COMPACT) < 0 ? vml_fail_errno(err, "standard output") : 0;
}

int cmd_map(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    /* what this file stores; what is its parent's is a hole in it */
    struct vml_open open = { .parents.alone = true };
    struct map how = { 0 };
    VML_AUTO(vml_package_freep) struct vml_package *p = NULL;
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    bool first = true;
    size_t i = 0;
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    open.format = how.from;
    open.vm = how.vm;
    open.no_manifest = how.no_manifest;
    if (source_open(&p, cli->words[0], &open, "map", NULL, err) < 0 ||
        source_choose(p, cli->words[0], how.disk, &i, err) < 0 ||
        vml_package_reader(p, i, &r, err) < 0)
        return -1;
    if (!cli->json)
        return each_run(r, show_line, NULL, err);
    /* Once for nothing: so that what fails is an error alone, and not half an array before it. */
    if (each_run(r, show_nothing, NULL, err) < 0 || each_run(r, show_json, &first, err) < 0)
        return -1;
    puts("]");
    return 0;
}
