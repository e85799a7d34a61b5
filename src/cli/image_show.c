#include <inttypes.h>
#include <string.h>

#include "cost.h"
#include "image.h"
#include "marks.h"
#include "vmlift/filter.h"

struct image {
    struct local local;
    bool cost;
    const char *price;
};

static const struct opt opts[] = {
    { 0, "cost", NULL, OPT_FLAG, offsetof(struct image, cost),
      "also what its snapshots cost in a month here, where equal blocks are kept once" },
    OPT_PRICE(image),
    OPT_STORE(image),
    OPT_WHERE(image),
    { 0 },
};

static void line(const char *what, const char *text)
{
    if (text != NULL && text[0] != '\0')
        out_line(stdout, "%-14s %s", what, text);
}

static void show_mapping(const struct vml_mapping *m, struct vml_store *s)
{
    char key[37], speed[64] = "";

    if (m->no_device || m->virtual_name[0] != '\0') {
        out_line(stdout, "%-14s %s %s", "disk:", m->device,
                 m->no_device ? "none" : m->virtual_name);
        return;
    }
    if (m->iops != 0)
        snprintf(speed, sizeof speed, " %" PRIu64 " IOPS", m->iops);
    if (m->throughput != 0)
        snprintf(speed + strlen(speed), sizeof speed - strlen(speed), " %" PRIu64 " MiB/s",
                 m->throughput);
    out_line(stdout, "%-14s %s %s %" PRIu64 " GiB %s%s%s%s%s", "disk:", m->device,
             m->snapshot[0] != '\0' ? m->snapshot : "empty", m->size_gib, m->volume_type, speed,
             m->encrypted ? " encrypted with " : "", m->encrypted ? image_key(s, m, key) : "",
             m->delete_on_termination ? "" : " kept on termination");
}

/* "v2.0 TPM, ENA" */
static void show_devices(const struct vml_image *a)
{
    char text[96];

    snprintf(text, sizeof text, "%s%s%s%s%s%s%s", a->ena ? ", ENA" : "",
             a->sriov[0] != '\0' ? ", SR-IOV " : "", a->sriov, a->tpm[0] != '\0' ? ", TPM " : "",
             a->tpm, a->imds[0] != '\0' ? ", IMDS " : "", a->imds);
    line("supports:", text[0] != '\0' ? text + 2 : "");
}

static void show_source(const struct vml_image *a)
{
    if (a->source != NULL && a->source[0] != '\0')
        out_line(stdout, "%-14s %s%s%s%s", "source:", a->source,
                 a->source_format != NULL && a->source_format[0] != '\0' ? " (" : "",
                 a->source_format != NULL ? a->source_format : "",
                 a->source_format != NULL && a->source_format[0] != '\0' ? ")" : "");
    if (a->source_image[0] != '\0')
        out_line(stdout, "%-14s %s%s%s", "made of:", a->source_image,
                 a->source_region[0] != '\0' ? " in " : "", a->source_region);
    if (a->crash_consistent)
        line("consistency:", "as after a crash: the machine was not stopped");
}

static void show_text(const struct vml_image *a, struct vml_store *s)
{
    char buf[192], when[32];

    line("id:", a->id);
    line("name:", a->name);
    line("description:", a->description);
    line("state:", a->state);
    line("owner:", a->owner);
    line("region:", a->region);
    line("location:", vml_image_location(a, buf));
    line("created:", out_time(when, a->created));
    if (a->deprecated != 0)
        out_line(stdout, "%-14s %s%s", "deprecated:", out_time(when, a->deprecated),
                 a->deprecated <= vml_now() ? "" : " (not yet)");
    line("protection:", vml_image_protection(a, vml_now()));
    show_source(a);
    out_line(stdout, "%-14s %s, %s", "machine:", a->architecture, a->virtualization);
    line("platform:", a->platform);
    line("boot mode:", a->boot_mode[0] != '\0' ? a->boot_mode : "not said");
    line("kernel:", a->kernel);
    line("RAM disk:", a->ramdisk);
    show_devices(a);
    line("root device:", a->root_device);
    for (size_t i = 0; i < a->n_mappings; i++)
        show_mapping(&a->mappings[i], s);
    marks_show(&a->marks);
}

/* Whoever owns it pays. */
static int show_cost(const struct vml_image *a, struct vml_store *s, const struct image *how,
                     double price, struct vml_error *err)
{
    char size[32], usd[48];
    uint64_t bytes;

    if (cost_ebs(s, a, &bytes, err) < 0)
        return -1;
    out_line(stdout, "%-14s %s a month in EBS, for %s", "cost:", cost_format(usd, bytes, price),
             vml_size_format(size, bytes));
    if (!how->cost)
        return 0;
    if (cost_own(s, a, &bytes, err) < 0)
        return -1;
    out_line(stdout, "%-14s %s a month here, for %s that nothing else uses", "",
             cost_format(usd, bytes, price), vml_size_format(size, bytes));
    return 0;
}

static int add_cost(json_t *v, const struct vml_image *a, struct vml_store *s, double price,
                    struct vml_error *err)
{
    uint64_t ebs, own;

    if (cost_ebs(s, a, &ebs, err) < 0 || cost_own(s, a, &own, err) < 0)
        return -1;
    json_object_set_new(v, "Cost",
                        json_pack("{s:f, s:s, s:o, s:o, s:o, s:o}", "Price", price, "Currency",
                                  "USD", "EbsBytes", json_size(ebs), "EbsMonthly",
                                  json_cost(ebs, price), "OwnBytes", json_size(own), "OwnMonthly",
                                  json_cost(own, price)));
    return 0;
}

static const struct opt_verb show_verb = {
    "image show", "AMI...", 1, -1, "Tells all that is recorded of each AMI, given by ID or name.",
    opts
};

static int show_one(const struct vml_image *a, struct vml_store *s, const struct vml_where *where,
                    const struct image *how, double price, struct vml_error *err)
{
    show_text(a, s);
    image_show_sharing(a, where->owner);
    return strcmp(a->owner, where->owner) == 0 ? show_cost(a, s, how, price, err) : 0;
}

static int show_json(json_t *images, const struct vml_image *a, struct vml_store *s,
                     const struct vml_where *where, const struct image *how, double price,
                     struct vml_error *err)
{
    json_t *v = image_json(a, s);

    image_add_sharing(v, a, where->owner);
    json_array_append_new(images, v);
    return how->cost && strcmp(a->owner, where->owner) == 0 ? add_cost(v, a, s, price, err) : 0;
}

int image_show(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    struct image how = { 0 };
    VML_AUTO(json_freep) json_t *images = json_array();
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_where where;
    double price;
    int rc = opt_parse(cli, &show_verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (cost_price(&price, how.price, err) < 0)
        return -1;
    if (local_open(&how.local, LOCAL_READ, &where, &s, err) < 0)
        return -1;
    for (int i = 0; i < cli->n_words; i++) {
        VML_AUTO(vml_image_clear) struct vml_image a = { 0 };
        if (vml_registry_get(s, &where, cli->words[i], &a, err) < 0)
            return -1;
        if (i > 0 && !cli->json)
            out_line(stdout, "%s", "");
        if ((cli->json ? show_json(images, &a, s, &where, &how, price, err)
                       : show_one(&a, s, &where, &how, price, err)) < 0)
            return -1;
    }
    return cli->json ? out_json(json_pack("{s:O}", "Images", images), err) : 0;
}
