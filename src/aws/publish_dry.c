/* What a publish would do: the disks are read, and only counted. */
#include <inttypes.h>
#include <string.h>

#include "publish.h"

static int count_disk(struct publish *p, void *arg, size_t i, struct vml_reader *r,
                      struct vml_error *err)
{
    uint64_t gib = vml_div_up(r->size, VML_GIB), blocks = gib * EBS_PER_GIB;
    const char *parent_id = publish_parent_id(p, i);
    const struct ledger_head head = { .blocks = blocks };
    VML_AUTO(ledger_freep) struct ledger *ledger = NULL;
    VML_AUTO(ledger_freep) struct ledger *parent = NULL;
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct ebs_put put = { .snapshot = "snap-0", .dry_run = true };

    (void)arg;
    if (ledger_create(&ledger, NULL, &head, err) < 0 ||
        publish_parent(p, parent_id, blocks, &parent, err) < 0)
        return -1;
    put.ledger = ledger;
    put.parent = parent;
    if (ebs_writer(&w, p->aws, &put, gib, p->how->copy->threads, err) < 0 ||
        vml_copy(r, w, p->how->copy, err) < 0)
        return -1;
    publish_say(p, "StartSnapshot VolumeSize=%" PRIu64 "%s%s", gib,
                parent_id[0] != '\0' ? " ParentSnapshotId=" : "", parent_id);
    publish_say(p, "PutSnapshotBlock, %" PRIu64 " times", (uint64_t)put.put);
    publish_say(p, "CompleteSnapshot ChangedBlocksCount=%" PRIu64, (uint64_t)put.put);
    p->how->put += put.put;
    p->how->known += put.known;
    return 0;
}

int publish_dry(struct publish *p, struct vml_error *err)
{
    const struct vml_image *a = p->image;

    p->job.folder = strdup(p->how->folder);
    if (p->job.folder == NULL)
        return vml_fail_nomem(err);
    if (publish_each_disk(p, count_disk, NULL, err) < 0)
        return -1;
    publish_say(
        p,
        "RegisterImage Name=%s Architecture=%s VirtualizationType=%s%s%s RootDeviceName=%s, "
        "%zu mappings, %zu tags",
        a->name, a->architecture, a->virtualization, a->boot_mode[0] != '\0' ? " BootMode=" : "",
        a->boot_mode, a->root_device, a->n_mappings, a->marks.n_tags);
    return 0;
}
