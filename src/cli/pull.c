#include "pull.h"

#include <stdlib.h>
#include <string.h>

#include "aws.h"
#include "vmlift/rules.h"

/* What belongs to it there, and not here. */
static int adopt(const struct pull *p, const char *region, struct vml_image *a,
                 struct vml_error *err)
{
    VML_AUTO(vml_freep) char *source = NULL;
    const char *kernel;

    if (asprintf(&source, "%s in %s", a->id, region) < 0) {
        source = NULL;
        return vml_fail_nomem(err);
    }
    if (strcmp(a->root_type, "ebs") != 0)
        return vml_fail(err, VML_EUNSUPPORTED, "pull/instance-store",
                        "%s: its root device is of type %s: there is no snapshot to fetch", a->id,
                        a->root_type);
    if (vml_set_owned(&a->source, source, err) < 0 ||
        vml_set_owned(&a->source_format, "ebs", err) < 0 ||
        (p->name != NULL && VML_SET(a->name, "Name", p->name, err) < 0) ||
        VML_SET(a->owner, "Owner", p->where.owner, err) < 0 ||
        VML_SET(a->region, "Region", p->where.region, err) < 0 ||
        VML_SET(a->state, "State", VML_AVAILABLE, err) < 0)
        return -1;
    a->id[0] = '\0';
    a->created = vml_now();
    if (a->kernel[0] != '\0') { /* a region's own */
        kernel = vml_rule_pv_grub(p->where.region, a->architecture);
        if (kernel != NULL && VML_SET(a->kernel, "Kernel ID", kernel, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < a->n_mappings; i++)
        a->mappings[i].encrypted = false; /* what is fetched is in the clear */
    return vml_rule_record(a, err);
}

static int check_name(const struct pull *p, const struct vml_image *a, struct vml_error *err)
{
    VML_AUTO(vml_image_clear) struct vml_image there = { 0 };

    if (vml_registry_get(p->store, &p->where, a->name, &there, err) < 0)
        return err->code == VML_ENOTFOUND ? 0 : -1;
    if (strcmp(there.owner, p->where.owner) != 0)
        return 0;
    return vml_fail(err, VML_EEXISTS, "InvalidAMIName.Duplicate",
                    "AMI name %s is already in use by AMI %s", a->name, there.id);
}

static int fetch_disk(const struct pull *p, struct vml_aws *aws, struct vml_txn *txn,
                      struct vml_mapping *m, struct vml_snapshot *what, struct progress *progress,
                      struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct vml_copy copy = { .threads = p->connections > 0 ? p->connections : EBS_THREADS };

    if (asprintf(&what->description, "fetched by vmlift from %s in %s", m->snapshot,
                 vml_aws_region(aws)) < 0) {
        what->description = NULL;
        return vml_fail_nomem(err);
    }
    snprintf(what->owner, sizeof what->owner, "%s", p->where.owner);
    snprintf(what->region, sizeof what->region, "%s", p->where.region);
    what->created = vml_now();
    progress_attach(progress, &copy);
    if (vml_ebs_open(&r, aws, m->snapshot, err) < 0 ||
        vml_txn_snapshot(txn, r->size, what, &w, err) < 0 || vml_copy(r, w, &copy, err) < 0)
        return -1;
    memcpy(m->snapshot, what->id, sizeof m->snapshot);
    if (m->size_gib == 0)
        m->size_gib = vml_div_up(what->size, VML_GIB);
    return 0;
}

static int add_image(void *arg, struct vml_db *db, struct vml_error *err)
{
    struct vml_image *a = arg;

    return vml_registry_add(db, a, "pull", a->source, err);
}

struct snapshots {
    struct vml_snapshot items[VML_MAPPINGS_MAX];
    size_t n;
};

static void snapshots_clear(struct snapshots *s)
{
    for (size_t i = 0; i < s->n; i++)
        vml_snapshot_clear(&s->items[i]);
}

static uint64_t total_size(const struct vml_image *a)
{
    uint64_t total = 0;

    for (size_t i = 0; i < a->n_mappings; i++)
        if (a->mappings[i].snapshot[0] != '\0')
            total += a->mappings[i].size_gib * VML_GIB;
    return total;
}

int pull_image(struct vml_aws *aws, const struct pull *p, struct vml_image *image,
               struct vml_error *err)
{
    VML_AUTO(snapshots_clear) struct snapshots snapshots = { 0 };
    VML_AUTO(vml_txn_freep) struct vml_txn *txn = NULL;
    VML_AUTO(progress_end) struct progress progress = { 0 };

    if (vml_aws_image(aws, p->ami, image, err) < 0 ||
        adopt(p, vml_aws_region(aws), image, err) < 0 || check_name(p, image, err) < 0 ||
        vml_txn_begin(&txn, p->store, err) < 0)
        return -1;
    progress_start(&progress, p->progress, total_size(image));
    aws_progress(&progress, aws);
    for (size_t i = 0; i < image->n_mappings; i++) {
        if (image->mappings[i].snapshot[0] == '\0')
            continue;
        if (snapshots.n == VML_MAPPINGS_MAX)
            return vml_fail(err, VML_EREFUSED, "pull/disks", "more than %d disks",
                            VML_MAPPINGS_MAX);
        if (fetch_disk(p, aws, txn, &image->mappings[i], &snapshots.items[snapshots.n++], &progress,
                       err) < 0)
            return -1;
    }
    return vml_txn_commit(txn, add_image, image, err);
}
