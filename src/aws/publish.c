/* Disks become snapshots of EBS, and these an AMI.
 *
 *     for each disk: token -> StartSnapshot -> blocks -> CompleteSnapshot
 *     then: are they what they should be? -> all completed -> RegisterImage -> available
 *
 * What was done is noted (job.h) before and after each step that leaves something in the account,
 * so that a kill at any place is gone on from. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ec2_image.h"
#include "publish.h"

enum { TIMEOUT = 4320 }; /* minutes without a block after which EBS gives a snapshot up: its most */

static void publish_clear(struct publish *p)
{
    job_clear(&p->job);
}

static void tell_state(void *arg, const char *id, const char *state)
{
    publish_say(arg, "%s is %s", id, state[0] != '\0' ? state : "not known yet");
}

/* The mapping of disk i. */
static struct vml_mapping *mapping_of(const struct publish *p, size_t i)
{
    size_t n = 0;

    for (size_t k = 0; k < p->image->n_mappings; k++)
        if (p->image->mappings[k].snapshot[0] != '\0' && n++ == i)
            return &p->image->mappings[k];
    return NULL;
}

/* --- one disk --------------------------------------------------------------------------------- */

/* A snapshot that was begun may have been given up by EBS, or deleted by somebody: then it is begun
 * anew. */
static int look_at_begun(struct publish *p, size_t i, struct vml_error *err)
{
    struct job_disk *d = &p->job.disks[i];
    struct ec2_snapshot s;

    if (d->snapshot[0] == '\0' || d->completed)
        return 0;
    if (ec2_snapshot(p->aws, d->snapshot, &s, err) < 0) {
        if (err->code != VML_ENOTFOUND)
            return -1;
        snprintf(s.state, sizeof s.state, "gone");
    }
    if (strcmp(s.state, "pending") == 0)
        return 0;
    if (strcmp(s.state, "completed") == 0) {
        d->completed = true; /* and the answer to that was lost */
        return job_save(&p->job, err);
    }
    vml_note(p->how->notes, "publish/anew", "%s, which was begun, is %s: disk %zu is sent anew",
             d->snapshot, s.state, i + 1);
    if (ec2_delete_snapshot(p->aws, d->snapshot, err) < 0 || job_forget_disk(&p->job, i, err) < 0)
        return -1;
    return job_save(&p->job, err);
}

static int start_disk(struct publish *p, size_t i, uint64_t size, struct vml_error *err)
{
    struct job_disk *d = &p->job.disks[i];
    char description[256];
    uint8_t raw[16];

    if (d->snapshot[0] != '\0')
        return 0;
    if (d->token[0] == '\0') {
        d->gib = vml_div_up(size, VML_GIB);
        snprintf(d->parent, sizeof d->parent, "%s", publish_parent_id(p, i));
        if (vml_uuid_new(raw, d->token, err) < 0 || job_save(&p->job, err) < 0)
            return -1;
    }
    snprintf(description, sizeof description, "%.200s, disk %zu, by vmlift", p->image->name, i + 1);
    const struct ebs_start start = { .gib = d->gib,
                                     .parent = d->parent,
                                     .description = description,
                                     .client_token = d->token,
                                     .tags = p->image->marks.tags,
                                     .n_tags = p->image->marks.n_tags,
                                     .timeout = TIMEOUT,
                                     .encrypted = p->how->encrypt && d->parent[0] == '\0',
                                     .kms_key = p->how->kms_key };
    if (ebs_start(p->aws, &start, d->snapshot, err) < 0)
        return -1;
    publish_say(p, "%s takes disk %zu", d->snapshot, i + 1);
    return job_save(&p->job, err);
}

static int send_disk(struct publish *p, size_t i, struct vml_reader *r, struct vml_error *err)
{
    struct job_disk *d = &p->job.disks[i];
    VML_AUTO(ledger_freep) struct ledger *ledger = NULL;
    VML_AUTO(ledger_freep) struct ledger *parent = NULL;
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct ebs_put put = { .snapshot = d->snapshot };
    uint64_t blocks = d->gib * EBS_PER_GIB;
    int rc;

    if (r->size > d->gib * VML_GIB)
        return vml_fail(err, VML_EREFUSED, "publish/changed",
                        "disk %zu has grown beyond the %" PRIu64
                        " GiB with which this was begun: begin anew",
                        i + 1, d->gib);
    if (job_ledger(&p->job, i, blocks, &ledger, err) < 0 ||
        publish_parent(p, d->parent, blocks, &parent, err) < 0)
        return -1;
    put.ledger = ledger;
    put.parent = parent;
    if (ebs_writer(&w, p->aws, &put, d->gib, p->how->copy->threads, err) < 0)
        return -1;
    rc = vml_copy(r, w, p->how->copy, err);
    p->how->put += put.put;
    p->how->known += put.known;
    if (rc < 0)
        return -1;
    d->completed = true;
    return job_save(&p->job, err);
}

static int publish_disk(struct publish *p, void *arg, size_t i, struct vml_reader *r,
                        struct vml_error *err)
{
    struct vml_mapping *m = mapping_of(p, i);

    (void)arg;
    if (m == NULL)
        return vml_fail(err, VML_EDATA, "publish/mapping", "no device is mapped to disk %zu",
                        i + 1);
    if (look_at_begun(p, i, err) < 0)
        return -1;
    if (!p->job.disks[i].completed &&
        (p->how->bucket != NULL
             ? publish_via_disk(p, i, r, err)
             : (start_disk(p, i, r->size, err) < 0 ? -1 : send_disk(p, i, r, err))) < 0)
        return -1;
    if (m->size_gib < p->job.disks[i].gib)
        m->size_gib = p->job.disks[i].gib;
    return 0;
}

int publish_each_disk(struct publish *p, publish_disk_fn *fn, void *arg, struct vml_error *err)
{
    for (size_t i = SIZE_MAX;;) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;

        if (p->how->next(p->how->arg, &i, &r, err) < 0)
            return -1;
        if (r == NULL)
            break;
        if (i >= JOB_DISKS_MAX)
            return vml_fail(err, VML_EREFUSED, "publish/disks", "more than %d disks",
                            JOB_DISKS_MAX);
        if (fn(p, arg, i, r, err) < 0)
            return -1;
        p->n = vml_max_u64(p->n, i + 1);
    }
    return p->how->verify != NULL ? p->how->verify(p->how->arg, err) : 0;
}

/* --- the image
 * ------------------------------------------------------------------------------------ */

static bool same_snapshots(const struct vml_image *a, const struct vml_image *b)
{
    for (size_t i = 0; i < a->n_mappings; i++) {
        bool found = a->mappings[i].snapshot[0] == '\0';

        for (size_t k = 0; k < b->n_mappings; k++)
            found = found || strcmp(a->mappings[i].snapshot, b->mappings[k].snapshot) == 0;
        if (!found)
            return false;
    }
    return true;
}

/* The name is taken: by this very job, whose answer was lost? */
static int find_own(struct publish *p, struct vml_error *err)
{
    VML_AUTO(vml_image_clear) struct vml_image there = { 0 };
    struct vml_error refusal = *err;

    if (vml_aws_image(p->aws, p->image->name, &there, err) < 0 ||
        !same_snapshots(p->image, &there)) {
        *err = refusal;
        return -1;
    }
    memcpy(p->image->id, there.id, sizeof there.id);
    return 0;
}

static int register_image(struct publish *p, struct vml_error *err)
{
    for (size_t i = 0; i < p->n; i++) {
        struct vml_mapping *m = mapping_of(p, i);

        if (ec2_wait_snapshot(p->aws, p->job.disks[i].snapshot, tell_state, p, err) < 0)
            return -1;
        snprintf(m->snapshot, sizeof m->snapshot, "%s", p->job.disks[i].snapshot);
    }
    if (ec2_register(p->aws, p->image, p->image->id, NULL, err) < 0 &&
        (strcmp(err->slug, "InvalidAMIName.Duplicate") != 0 || find_own(p, err) < 0))
        return -1;
    publish_say(p, "%s is registered", p->image->id);
    return ec2_wait_image(p->aws, p->image->id, tell_state, p, err);
}

/* So that no byte is sent for nothing. */
static int check_name(struct publish *p, struct vml_error *err)
{
    VML_AUTO(vml_image_clear) struct vml_image there = { 0 };

    if (p->job.found)
        return 0; /* it may be the job's own */
    if (vml_aws_image(p->aws, p->image->name, &there, err) == 0)
        return vml_fail(err, VML_EEXISTS, "InvalidAMIName.Duplicate",
                        "AMI name %s is already in use by AMI %s", p->image->name, there.id);
    if (strcmp(err->slug, "image/ambiguous") == 0)
        return vml_fail(err, VML_EEXISTS, "InvalidAMIName.Duplicate",
                        "AMI name %s is already in use by several AMIs", p->image->name);
    return err->code == VML_ENOTFOUND ? 0 : -1;
}

/* --- after a failure
 * ------------------------------------------------------------------------------ */

static void tell_left(const struct publish *p, const char *snapshot)
{
    vml_note(p->how->notes, "publish/left",
             "%s is left in %s: aws ec2 delete-snapshot --region %s --snapshot-id %s removes it",
             snapshot, vml_aws_region(p->aws), vml_aws_region(p->aws), snapshot);
}

static void tell_unknown(const struct publish *p)
{
    vml_note(p->how->notes, "publish/left",
             "whether a snapshot was begun in %s is not known: with --discard it is asked for once "
             "more, and removed",
             vml_aws_region(p->aws));
}

/* Takes back what was made.  -1: something is left, which notes tell. */
static int take_back(struct publish *p, struct vml_error *err)
{
    struct vml_error e;
    int rc = 0;

    for (size_t i = 0; i < JOB_DISKS_MAX; i++) {
        struct job_disk *d = &p->job.disks[i];

        if (d->task[0] != '\0' && publish_via_take_back(p, i, &e) < 0) {
            *err = e;
            rc = -1;
        }
        /* the answer that had the ID may have been lost: the token brings it again */
        if (d->task[0] != '\0' && d->snapshot[0] == '\0')
            continue;
        if (d->snapshot[0] == '\0' && d->token[0] != '\0' && vml_interrupted()) {
            tell_unknown(p);
            rc = vml_fail_interrupted(err);
        } else if (d->snapshot[0] == '\0' && d->token[0] != '\0' &&
                   start_disk(p, i, d->gib * VML_GIB, &e) < 0 && e.code == VML_EIO) {
            tell_unknown(p);
            *err = e;
            rc = -1;
        }
        if (d->snapshot[0] != '\0' && ec2_delete_snapshot(p->aws, d->snapshot, &e) < 0) {
            tell_left(p, d->snapshot);
            *err = e;
            rc = -1;
        }
    }
    return rc < 0 ? -1 : job_end(&p->job, false, err);
}

static bool may_mend(const struct vml_error *err)
{
    return err->code == VML_EIO || err->code == VML_EINTERRUPTED || err->code == VML_ENOMEM;
}

/* Disks come in the package's order, which need not be that of their numbers. */
static bool has_begun(const struct job *job)
{
    for (size_t i = 0; i < JOB_DISKS_MAX; i++)
        if (job->disks[i].token[0] != '\0')
            return true;
    return false;
}

static int after_failure(struct publish *p, struct vml_error *err)
{
    struct vml_error ignored;

    if (p->image->id[0] != '\0') { /* registered: its snapshots are in use */
        vml_note(p->how->notes, "publish/left", "%s is registered in %s, and not available yet",
                 p->image->id, vml_aws_region(p->aws));
        return -1;
    }
    if (!has_begun(&p->job)) {
        (void)job_end(&p->job, false, &ignored); /* nothing was made */
        return -1;
    }
    if (!may_mend(err) || p->how->cleanup) {
        (void)take_back(p, &ignored);
        return -1;
    }
    for (size_t i = 0; i < JOB_DISKS_MAX; i++)
        if (p->job.disks[i].snapshot[0] != '\0')
            tell_left(p, p->job.disks[i].snapshot);
    vml_note(p->how->notes, "publish/resume",
             "with --resume it goes on where it ended, with --discard what was made is removed");
    return -1;
}

/* --- the whole
 * ------------------------------------------------------------------------------------ */

static int begin(struct publish *p, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *where = NULL;

    if (asprintf(&where, "%s\n%s\n%s\n%s", vml_aws_endpoint(p->aws, "ebs"),
                 vml_aws_endpoint(p->aws, "ec2"), vml_aws_region(p->aws),
                 p->how->profile != NULL ? p->how->profile : "") < 0) {
        where = NULL;
        return vml_fail_nomem(err);
    }
    if (job_open(&p->job, p->how->folder, where, p->image->name, err) < 0)
        return -1;
    if (p->job.found && p->how->begun == VML_BEGUN_REFUSE)
        return vml_fail(err, VML_EEXISTS, "publish/begun",
                        "%s was begun to be published to %s, and has not ended: --resume goes on, "
                        "--discard begins anew",
                        p->image->name, vml_aws_region(p->aws));
    if (p->job.found && p->how->begun == VML_BEGUN_DISCARD) {
        if (take_back(p, err) < 0)
            return -1;
        job_clear(&p->job);
        if (job_open(&p->job, p->how->folder, where, p->image->name, err) < 0)
            return -1;
    }
    if (check_name(p, err) < 0) {
        struct vml_error ignored;

        (void)job_end(&p->job, false, &ignored);
        return -1;
    }
    return 0;
}

int vml_publish(struct vml_aws *aws, struct vml_publish *how, struct vml_image *image,
                struct vml_error *err)
{
    VML_AUTO(publish_clear)
    struct publish p = { .aws = aws, .how = how, .image = image, .job = { .lock = -1 } };

    if (how->dry_run)
        return publish_dry(&p, err);
    if (how->bucket != NULL && how->bucket->image)
        return publish_via_image(&p, err);
    if (how->bucket != NULL && publish_via_check(&p, err) < 0)
        return -1;
    if (begin(&p, err) < 0)
        return -1;
    if (publish_each_disk(&p, publish_disk, NULL, err) < 0 || register_image(&p, err) < 0)
        return after_failure(&p, err);
    return job_end(&p.job, true, err);
}
