#include <inttypes.h>
#include <string.h>

#include "out.h"
#include "progress.h"
#include "source.h"
#include "target.h"
#include "vmlift/package.h"

struct compare {
    const char *from, *second, *vm;
    bool no_manifest;
    struct parents parents;
    bool progress;
    unsigned threads;
};

static const struct opt opts[] = {
    { 'f', NULL, "FMT", OPT_TEXT, offsetof(struct compare, from),
      "format of A; otherwise it is found from the content, never from the name" },
    { 'F', NULL, "FMT", OPT_TEXT, offsetof(struct compare, second), "format of B" },
    { 0, "vm", "NAME", OPT_TEXT, offsetof(struct compare, vm),
      "of a package of several machines the one of this name; in B too, if it has several" },
    { 0, "no-manifest", NULL, OPT_FLAG, offsetof(struct compare, no_manifest),
      "look neither at a package's manifest nor at its certificate" },
    OPT_PARENTS(compare),
    OPT_COPY(compare),
    { 0 },
};

static const struct opt_verb verb = {
    "compare",
    "A B",
    2,
    2,
    "Tells whether A and B hold the same disks, whatever their formats: exit status 0 when they "
    "do, "
    "1 when they differ. Of disks of unequal size the rest of the larger must read as zeroes. "
    "The parents that --parent names are of A; --follow-parents finds those of both.",
    opts
};

struct answer {
    size_t a_disks, b_disks; /* how many */
    size_t disk;             /* the first that differs, counted from 1; 0: none */
    uint64_t first;          /* and where */
};

static int compare_disks(const struct compare *how, struct vml_package *a, struct vml_package *b,
                         struct answer *to, struct vml_error *err)
{
    struct vml_copy copy = { .threads = how->threads };
    VML_AUTO(progress_end) struct progress progress = { 0 };

    to->a_disks = vml_package_count(a);
    to->b_disks = vml_package_count(b);
    for (size_t i = 0; to->a_disks == to->b_disks && i < to->a_disks && to->disk == 0; i++) {
        VML_AUTO(vml_reader_freep) struct vml_reader *ra = NULL;
        VML_AUTO(vml_reader_freep) struct vml_reader *rb = NULL;
        if (vml_package_reader(a, i, &ra, err) < 0 || vml_package_reader(b, i, &rb, err) < 0)
            return -1;
        progress_start(&progress, how->progress, vml_max_u64(ra->size, rb->size));
        progress_attach(&progress, &copy);
        if (vml_compare(ra, rb, &copy, &to->first, err) < 0)
            return -1;
        progress_end(&progress);
        if (to->first != VML_SIZE_UNKNOWN)
            to->disk = i + 1;
    }
    return 0;
}

/* B is often what A's machine became: its only one, or a lone disk. */
static int open_second(struct vml_package **out, const char *path, const struct vml_open *how,
                       struct vml_error *err)
{
    struct vml_open only = *how;

    only.vm = NULL;
    if (source_open(out, path, &only, "compare", NULL, err) == 0)
        return 0;
    if (how->vm == NULL || strcmp(err->slug, "ovf/multi") != 0)
        return -1;
    return source_open(out, path, how, "compare", NULL, err);
}

static void compare_clear(struct compare *how)
{
    opt_list_clear(&how->parents.files);
}

int cmd_compare(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(compare_clear) struct compare how = { 0 };
    VML_AUTO(vml_package_freep) struct vml_package *a = NULL;
    VML_AUTO(vml_package_freep) struct vml_package *b = NULL;
    struct answer answer = { 0 };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    const struct vml_open of_a = { .format = how.from,
                                   .vm = how.vm,
                                   .no_manifest = how.no_manifest,
                                   .parents = parents_named(&how.parents) };
    const struct vml_open of_b = { .format = how.second,
                                   .vm = how.vm,
                                   .no_manifest = how.no_manifest,
                                   .parents.follow = how.parents.follow };
    if (source_open(&a, cli->words[0], &of_a, "compare", NULL, err) < 0 ||
        open_second(&b, cli->words[1], &of_b, err) < 0 ||
        compare_disks(&how, a, b, &answer, err) < 0)
        return -1;
    bool same = answer.a_disks == answer.b_disks && answer.disk == 0;
    if (cli->json) {
        json_t *v = json_pack("{s:b}", "same", same);
        if (answer.a_disks != answer.b_disks)
            json_object_set_new(
                v, "disks",
                json_pack("[I, I]", (json_int_t)answer.a_disks, (json_int_t)answer.b_disks));
        if (answer.disk > 0)
            json_object_update_new(v, json_pack("{s:I, s:o}", "disk", (json_int_t)answer.disk,
                                                "first_difference", json_size(answer.first)));
        if (out_json(v, err) < 0)
            return -1;
    } else if (same) {
        out_line(stdout, "the same");
    } else if (answer.a_disks != answer.b_disks) {
        out_line(stdout, "differ: %zu and %zu disks", answer.a_disks, answer.b_disks);
    } else if (answer.a_disks > 1) {
        out_line(stdout, "differ: disk %zu at offset %" PRIu64, answer.disk, answer.first);
    } else {
        out_line(stdout, "differ: at offset %" PRIu64, answer.first);
    }
    return same ? 0 : 1;
}
