/* publish: an AMI of the local registry, or a file, becomes an AMI in AWS. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aws.h"
#include "lint.h"
#include "local.h"
#include "out.h"
#include "pull.h"
#include "record.h"
#include "source.h"
#include "vmlift/cost.h"
#include "vmlift/rules.h"

#define VOLUME_TYPE "gp3"
/* AWS takes some 100 ms for a block, wherever one asks from. */
#define CONNECTIONS      64
#define CONNECTIONS_ELSE 8
#define UPLOADS          8 /* of parts of 8 MiB, which are kept but once */

/* Of EBS's direct APIs: as its user guide prices calls, and what an account may make of them. */
#define PUT_PRICE     0.006 /* USD for a thousand */
#define PUTS_A_SECOND 1000

struct publish {
    struct local local;
    struct aws_words aws;
    const char *from, *vm, *via, *kms_key, *local_region, *bucket, *prefix, *role;
    struct record record;
    struct parents parents;
    struct opt_list bases;
    bool progress, no_manifest, force_boot, force, dry_run, resume, discard, cleanup, encrypted,
        pull;
    unsigned connections;
};

static const struct opt opts[] = {
    OPT_AWS_REGION(publish),
    OPT_AWS(publish),
    { 0, "via", "WAY", OPT_TEXT, offsetof(struct publish, via),
      "ebs (the default): block by block, by EBS's direct APIs; import-snapshot: each disk through "
      "--bucket, by VM Import; import-image: VM Import takes the machine, changes it and names "
      "it" },
    { 0, "bucket", "NAME", OPT_TEXT, offsetof(struct publish, bucket),
      "of S3, in the region: where --via import-.. uploads to, for as long as the import takes" },
    { 0, "prefix", "P", OPT_TEXT, offsetof(struct publish, prefix),
      "of what is uploaded to the bucket (vmlift/)" },
    { 0, "role", "NAME", OPT_TEXT, offsetof(struct publish, role),
      "as which VM Import reads the bucket (vmimport)" },
    { 0, "pull", NULL, OPT_FLAG, offsetof(struct publish, pull),
      "the other way: fetch an AMI from AWS into the local registry" },
    { 0, "dry-run", NULL, OPT_FLAG, offsetof(struct publish, dry_run),
      "only say what would be called, how much would be sent, and what that costs" },
    { 0, "resume", NULL, OPT_FLAG, offsetof(struct publish, resume),
      "go on with a publish of this name that was interrupted" },
    { 0, "discard", NULL, OPT_FLAG, offsetof(struct publish, discard),
      "remove what such a one made, and begin anew" },
    { 0, "cleanup", NULL, OPT_FLAG, offsetof(struct publish, cleanup),
      "after any failure remove what was made, also where --resume could go on" },
    { 0, "force", NULL, OPT_FLAG, offsetof(struct publish, force),
      "send also what check --target aws finds a fault with" },
    { 0, "connections", "N", OPT_COUNT, offsetof(struct publish, connections),
      "send N blocks at a time (64 to AWS itself, else 8)" },
    { 0, "parent-snapshot", "SNAP", OPT_LIST, offsetof(struct publish, bases),
      "send only what differs from this snapshot in AWS; repeated, for the next disk" },
    { 0, "encrypted", NULL, OPT_FLAG, offsetof(struct publish, encrypted),
      "encrypt the snapshots in AWS" },
    { 0, "kms-key", "ARN", OPT_TEXT, offsetof(struct publish, kms_key),
      "with --encrypted: with this key of KMS, and not the account's default" },
    OPT_FROM(publish),
    OPT_PACKAGE(publish),
    OPT_PARENTS(publish),
    OPT_RECORD(publish),
    { 0, "force-boot", NULL, OPT_FLAG, offsetof(struct publish, force_boot),
      "keep --boot-mode, --arch and the OVF's word although the disk contradicts them" },
    OPT_PASSPHRASE(publish),
    OPT_STORE(publish),
    { 0, "account", "N", OPT_TEXT, offsetof(struct publish, local.account),
      "of the local registry, 12 digits (VMLIFT_ACCOUNT, else 000000000000)" },
    { 0, "local-region", "R", OPT_TEXT, offsetof(struct publish, local_region),
      "of the local registry (us-east-1, and of --pull that in AWS)" },
    OPT_PROGRESS(publish),
    { 0 },
};

static const struct opt_verb verb = {
    "publish",
    "AMI|SRC",
    1,
    1,
    "Makes an AMI in AWS of the disks of SRC, an OVA or a lone disk, or of an AMI in the local "
    "registry, which goes before a file of the same name unless that has a slash in it. Each disk "
    "becomes a snapshot, sent block by block as it is read; blocks of zeroes are not sent. When "
    "the AMI is available its ID is printed.\n"
    "What was acknowledged is noted beside the store: a publish that was interrupted, or that the "
    "network failed, is gone on with by --resume. After other failures nothing is left in AWS, or "
    "a note says what, and how it is removed.",
    opts
};

static void publish_clear(struct publish *how)
{
    record_clear(&how->record);
    opt_list_clear(&how->parents.files);
    opt_list_clear(&how->bases);
}

/* --- where the disks come from --------------------------------------------------------------- */

struct disks_in {
    struct vml_package *p; /* a file's; or: */
    struct vml_store *s;
    const struct vml_image *image; /* the AMI's, whose snapshots these are */
    size_t at, n;
};

static void disks_in_clear(struct disks_in *d)
{
    vml_package_free(d->p);
    vml_store_free(d->s);
}

static int next_disk(void *arg, size_t *i, struct vml_reader **out, struct vml_error *err)
{
    struct disks_in *d = arg;

    if (d->p != NULL)
        return vml_package_next(d->p, i, out, err);
    while (d->at < d->image->n_mappings && d->image->mappings[d->at].snapshot[0] == '\0')
        d->at++;
    *out = NULL;
    if (d->at == d->image->n_mappings)
        return 0;
    *i = d->n++;
    return vml_snapshot_open(out, d->s, d->image->mappings[d->at++].snapshot, err);
}

static int verify_disks(void *arg, struct vml_error *err)
{
    struct disks_in *d = arg;

    return d->p != NULL ? vml_package_verify(d->p, err) : 0;
}

/* --- what the AMI is to be -------------------------------------------------------------------- */

static int plan_file(struct publish *how, const char *path, const char *region,
                     struct disks_in *from, struct vml_image *image, struct vml_notes *notes,
                     struct vml_error *err)
{
    const struct vml_open open = { .format = how->from,
                                   .vm = how->vm,
                                   .no_manifest = how->no_manifest,
                                   .parents = parents_named(&how->parents) };
    struct vml_where where;

    if (local_where(&how->local, &where, err) < 0)
        return -1;
    where.region = region;
    if (record_fill(&how->record, "publish", &where, VOLUME_TYPE, image, err) < 0 ||
        (!source_is_ebs(path) && lint_aws(path, how->from, false, how->force, notes, err) < 0) ||
        source_open(&from->p, path, &open, "publish", NULL, err) < 0)
        return -1;
    if (how->record.arch == NULL)
        image->architecture[0] = '\0'; /* to be found */
    const struct vml_import what = {
        .source = input_named(path),
        .volume_type = record_volume_type(&how->record, VOLUME_TYPE),
        .force_boot = how->force_boot,
        .notes = notes,
    };
    return vml_import_plan(from->p, &what, image, err);
}

/* The local AMI as it is, but for what the words say otherwise, and for what is a region's own. */
static int plan_image(struct publish *how, const char *region, struct vml_image *image,
                      struct vml_notes *notes, struct vml_error *err)
{
    const struct record *r = &how->record;
    const char *kernel;

    if ((r->name != NULL &&
         (vml_rule_name(r->name, err) < 0 || VML_SET(image->name, "Name", r->name, err) < 0)) ||
        (r->description != NULL &&
         VML_SET(image->description, "Description", r->description, err) < 0) ||
        VML_SET(image->region, "Region", region, err) < 0)
        return -1;
    image->id[0] = '\0';
    if (strcmp(image->virtualization, "paravirtual") == 0 && image->kernel[0] != '\0') {
        kernel = vml_rule_pv_grub(region, image->architecture);
        if (kernel != NULL && VML_SET(image->kernel, "Kernel ID", kernel, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < image->n_mappings; i++) {
        /* encrypted here is not encrypted there, and a snapshot's word goes before the mapping's */
        if (image->mappings[i].snapshot[0] != '\0')
            image->mappings[i].encrypted = false;
    }
    if (image->marks.n_codes > 0)
        vml_note(
            notes, "publish/products",
            "billing products and the like are AWS's to give: RegisterImage is asked for them, "
            "and may refuse");
    return 0;
}

/* 1: it is one; 0: there is none of that name. */
static int find_local(struct publish *how, const char *name, struct disks_in *from,
                      struct vml_image *image, struct vml_error *err)
{
    struct vml_where where;

    if (strchr(name, '/') != NULL || strcmp(name, "-") == 0)
        return 0;
    if (local_open(&how->local, LOCAL_LIST, &where, &from->s, err) < 0)
        return access(name, F_OK) == 0 ? 0 : -1;
    if (from->s == NULL)
        return 0;
    from->image = image;
    if (vml_registry_get(from->s, &where, name, image, err) == 0)
        return 1;
    if (err->code != VML_ENOTFOUND || strncmp(name, "ami-", 4) == 0)
        return -1;
    return access(name, F_OK) == 0 || source_is_ebs(name)
               ? 0
               : vml_fail(err, VML_ENOTFOUND, "publish/source",
                          "%s: neither a file nor an AMI of account %s in the local region %s",
                          name, where.owner, where.region);
}

/* Notes are beside the store: STORE.publish. */
static int publish_folder(const struct publish *how, char **out, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *dir = NULL;
    size_t len;

    if (local_dir(&how->local, &dir, err) < 0)
        return -1;
    len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        dir[--len] = '\0';
    if (asprintf(out, "%s.publish", dir) < 0) {
        *out = NULL;
        return vml_fail_nomem(err);
    }
    return 0;
}

static uint64_t total_size(const struct disks_in *from)
{
    struct vml_error ignored;
    uint64_t total = 0;

    for (size_t i = 0; from->p != NULL && i < vml_package_count(from->p); i++) {
        uint64_t size = vml_package_disk(from->p, i)->capacity;
        if (size == VML_SIZE_UNKNOWN)
            return size;
        total += size;
    }
    for (size_t i = 0; from->p == NULL && i < from->image->n_mappings; i++) {
        VML_AUTO(vml_snapshot_clear) struct vml_snapshot s = { 0 };
        if (from->image->mappings[i].snapshot[0] != '\0' &&
            vml_snapshot_get(from->s, from->image->mappings[i].snapshot, &s, &ignored) == 0)
            total += s.size;
    }
    return total;
}

/* --- what is told ----------------------------------------------------------------------------- */

struct telling {
    struct progress progress;
    bool calls; /* lines go to standard output: they are the answer */
};

static void say(void *arg, const char *line)
{
    struct telling *t = arg;

    if (t->calls) {
        out_line(stdout, "%s", line);
    } else if (t->progress.on) {
        progress_hide(&t->progress);
        out_line(stderr, "%s", line);
    }
}

static void telling_end(struct telling *t)
{
    progress_end(&t->progress);
}

/* --- the verb --------------------------------------------------------------------------------- */

static bool via_image(const struct publish *how)
{
    return how->via != NULL && strcmp(how->via, "import-image") == 0;
}

static bool via_bucket(const struct publish *how)
{
    return how->via != NULL && strcmp(how->via, "ebs") != 0;
}

static int check_way(const struct publish *how, struct vml_error *err)
{
    if (via_bucket(how) && !via_image(how) && strcmp(how->via, "import-snapshot") != 0)
        return vml_fail(err, VML_EUSAGE, "usage/via",
                        "publish: --via %s: is ebs, import-snapshot or import-image", how->via);
    if (via_bucket(how) != (how->bucket != NULL) ||
        (!via_bucket(how) && (how->prefix != NULL || how->role != NULL)))
        return vml_fail(err, VML_EUSAGE, "usage/via",
                        "publish: --via import-snapshot and import-image go with --bucket, and so "
                        "do --prefix and --role");
    if (via_bucket(how) && (how->dry_run || how->bases.n > 0))
        return vml_fail(err, VML_EUSAGE, "usage/via",
                        "publish: --dry-run and --parent-snapshot are for --via ebs");
    if (via_image(how) && (how->resume || how->discard))
        return vml_fail(err, VML_EUSAGE, "usage/via",
                        "publish: with --via import-image there is nothing to go on with");
    return 0;
}

static int check_words(const struct publish *how, struct vml_error *err)
{
    if (check_way(how, err) < 0)
        return -1;
    if (how->resume && how->discard)
        return vml_fail(err, VML_EUSAGE, "usage/resume",
                        "--resume and --discard exclude each other");
    if (how->kms_key != NULL && !how->encrypted)
        return vml_fail(err, VML_EUSAGE, "usage/kms", "--kms-key is for --encrypted");
    return 0;
}

/* All that one run of the verb has. */
struct run {
    struct vml_notes notes;
    struct vml_image image;
    struct vml_aws *aws;
    struct disks_in from;
    struct telling telling;
    struct vml_copy copy;
    struct vml_publish what;
    struct vml_publish_bucket bucket;
    char *folder;
};

static void run_clear(struct run *r)
{
    telling_end(&r->telling);
    disks_in_clear(&r->from);
    vml_aws_free(r->aws);
    vml_image_clear(&r->image);
    vml_notes_clear(&r->notes);
    free(r->folder);
}

static int pull(struct cli *cli, struct publish *how, const char *ami, struct vml_error *err)
{
    VML_AUTO(vml_aws_freep) struct vml_aws *aws = NULL;
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(vml_image_clear) struct vml_image image = { 0 };
    VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
    struct pull p = { .ami = ami,
                      .name = how->record.name,
                      .connections = how->connections,
                      .progress = how->progress };

    if (how->resume || how->discard || how->dry_run || how->via != NULL || how->bucket != NULL ||
        how->prefix != NULL || how->role != NULL)
        return vml_fail(err, VML_EUSAGE, "usage/pull",
                        "--pull does not go with --via, --bucket, --prefix, --role, --dry-run, "
                        "--resume and --discard");
    if (aws_open(&how->aws, &aws, err) < 0)
        return -1;
    how->local.region = how->local_region != NULL ? how->local_region : vml_aws_region(aws);
    if (local_open(&how->local, LOCAL_CREATE, &p.where, &s, err) < 0)
        return -1;
    p.store = s;
    if (pull_image(aws, &p, &image, err) < 0)
        return -1;
    return record_print(cli, &image, NULL, &notes, err);
}

static int plan(struct run *r, struct publish *how, const char *src, struct vml_error *err)
{
    const char *region;
    int rc;

    if (check_words(how, err) < 0 || aws_open(&how->aws, &r->aws, err) < 0 ||
        publish_folder(how, &r->folder, err) < 0)
        return -1;
    region = vml_aws_region(r->aws);
    how->local.region = how->local_region != NULL ? how->local_region : "us-east-1";
    rc = find_local(how, src, &r->from, &r->image, err);
    if (rc < 0)
        return -1;
    return rc > 0 ? plan_image(how, region, &r->image, &r->notes, err)
                  : plan_file(how, src, region, &r->from, &r->image, &r->notes, err);
}

static int publish(struct run *r, struct publish *how, struct vml_error *err)
{
    unsigned usual = via_bucket(how) ? UPLOADS
                     : strncmp(vml_aws_endpoint(r->aws, "ebs"), "https://ebs.", 12) == 0
                         ? CONNECTIONS
                         : CONNECTIONS_ELSE;

    r->copy.threads = how->connections > 0 ? how->connections : usual;
    r->bucket = (struct vml_publish_bucket){ how->bucket, how->prefix, how->role, via_image(how) };
    r->what = (struct vml_publish){
        .next = next_disk,
        .verify = verify_disks,
        .arg = &r->from,
        .bucket = via_bucket(how) ? &r->bucket : NULL,
        .folder = r->folder,
        .profile = how->aws.profile,
        .begun = how->resume    ? VML_BEGUN_RESUME
                 : how->discard ? VML_BEGUN_DISCARD
                                : VML_BEGUN_REFUSE,
        .dry_run = how->dry_run,
        .cleanup = how->cleanup,
        .parents = how->bases.items,
        .n_parents = how->bases.n,
        .encrypt = how->encrypted,
        .kms_key = how->kms_key,
        .copy = &r->copy,
        .say = say,
        .say_arg = &r->telling,
        .notes = &r->notes,
    };
    progress_start(&r->telling.progress, how->progress, total_size(&r->from));
    progress_attach(&r->telling.progress, &r->copy);
    aws_progress(&r->telling.progress, r->aws);
    int rc = vml_publish(r->aws, &r->what, &r->image, err);
    telling_end(&r->telling);
    return rc;
}

static int tell_plan(struct cli *cli, const struct run *r, struct vml_error *err)
{
    const struct vml_publish *what = &r->what;
    uint64_t bytes = what->put * VML_BLOCK, seconds = vml_div_up(what->put, PUTS_A_SECOND);
    double puts = (double)what->put / 1000 * PUT_PRICE;
    double month = vml_monthly_cost(bytes, VML_SNAPSHOT_PRICE);
    char size[32];

    if (cli->json) {
        json_t *told = json_array();
        json_add_notes(told, &r->notes);
        return out_json(json_pack("{s:s, s:b, s:I, s:I, s:I, s:f, s:f, s:I, s:o}", "Name",
                                  r->image.name, "DryRun", 1, "blocks", (json_int_t)what->put,
                                  "known_blocks", (json_int_t)what->known, "bytes",
                                  (json_int_t)bytes, "usd_calls", puts, "usd_a_month", month,
                                  "seconds_at_least", (json_int_t)seconds, "notes", told),
                        err);
    }
    out_line(stdout, "%" PRIu64 " blocks, %s, are to be sent; %" PRIu64 " are there", what->put,
             vml_size_format(size, bytes), what->known);
    out_line(
        stdout,
        "that is some USD %.2f for the calls, and USD %.2f a month for what is kept (prices of "
        "us-east-1)",
        puts, month);
    out_line(stdout,
             "it takes %" PRIu64 " s at least, as EBS has it; %" PRIu64 " s at 1 Gbit/s, %" PRIu64
             " s at 100 Mbit/s",
             seconds, vml_max_u64(seconds, bytes / 125000000), bytes / 12500000);
    return 0;
}

static int tell_result(struct cli *cli, const struct run *r, struct vml_error *err)
{
    return record_print(cli, &r->image,
                        json_pack("{s:s, s:I, s:I}", "Region", vml_aws_region(r->aws), "blocks",
                                  (json_int_t)r->what.put, "known_blocks",
                                  (json_int_t)r->what.known),
                        &r->notes, err);
}

int cmd_publish(struct cli *cli, int argc, char **argv, struct vml_error *err)
{
    VML_AUTO(publish_clear) struct publish how = { 0 };
    VML_AUTO(run_clear) struct run r = { 0 };
    int rc = opt_parse(cli, &verb, &how, argc, argv, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (how.pull)
        return pull(cli, &how, cli->words[0], err);
    r.telling.calls = how.dry_run && !cli->json;
    rc = plan(&r, &how, cli->words[0], err);
    if (rc == 0)
        rc = publish(&r, &how, err);
    if (r.from.p != NULL)
        out_notes(input_named(cli->words[0]), vml_package_notes(r.from.p));
    out_notes(input_named(cli->words[0]), &r.notes);
    if (rc < 0)
        return -1;
    return how.dry_run ? tell_plan(cli, &r, err) : tell_result(cli, &r, err);
}
