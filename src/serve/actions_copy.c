/* EC2: CopyImage and CopySnapshot.  A copy is whole when the answer comes; it takes time only where
 * it is encrypted anew. */
#include <string.h>

#include "serve/actions.h"
#include "vmlift/key.h"
#include "vmlift/rules.h"
#include "vmlift/share.h"

static int default_key(void *request, char id[37], struct vml_error *err)
{
    struct vml_request *r = request;
    VML_AUTO(vml_key_clear) struct vml_key key = { .id = "" };
    const struct vml_key_new what = { .owner = r->account,
                                      .region = r->region,
                                      .description = "default key" };
    bool made;

    if (vml_key_default(r->store, &what, &key, &made, err) < 0)
        return -1;
    memcpy(id, key.id, sizeof key.id);
    return 0;
}

struct copying {
    struct vml_copy copy;
    struct vml_notes notes;
    struct vml_marks tags; /* of the copy, or of the snapshots of an image's */
    struct vml_copying_how how;
};

static void copying_clear(struct copying *c)
{
    vml_notes_clear(&c->notes);
    vml_marks_clear(&c->tags);
}

static int read_copying(struct vml_request *r, struct copying *c, struct vml_error *err)
{
    struct vml_copying_how *how = &c->how;

    *how = (struct vml_copying_how){
        .description = vml_param(r, "Description"),
        .default_key = default_key,
        .arg = r,
        .copy = &c->copy,
        .notes = &c->notes,
    };
    if (vml_param_need(r, "SourceRegion", &how->source_region, err) < 0 ||
        vml_param_bool(r, &how->encrypt, err, "Encrypted") < 0 ||
        vml_request_key(r, &how->key, err) < 0)
        return -1;
    if (vml_param(r, "KmsKeyId") != NULL && !how->encrypt)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterDependency",
                        "The parameter KmsKeyId requires the parameter Encrypted to be set.");
    return how->description != NULL ? vml_rule_description(how->description, err) : 0;
}

/* --- CopyImage -------------------------------------------------------------------------------- */

int vml_tag_made(struct vml_request *r, const struct vml_image *image, const struct vml_marks *m,
                 struct vml_error *err)
{
    const char *ids[VML_MAPPINGS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < image->n_mappings && n < VML_MAPPINGS_MAX; i++)
        if (image->mappings[i].snapshot[0] != '\0')
            ids[n++] = image->mappings[i].snapshot;
    return m->n_tags == 0 || n == 0
               ? 0
               : vml_registry_tag_all(r->store, &r->where, ids, n, m->tags, m->n_tags, false, err);
}

static int copy_image(struct vml_request *r, struct copying *c, const char *id,
                      const struct vml_marks *tags, struct vml_image *made, struct vml_error *err)
{
    if (vml_registry_copy_image(r->store, &r->where, id, &c->how, made, err) < 0)
        return -1;
    return tags->n_tags > 0 && vml_registry_tag(r->store, &r->where, made->id, tags->tags,
                                                tags->n_tags, NULL, err) < 0
               ? -1
               : vml_tag_made(r, made, &c->tags, err);
}

/* All that the copy is to have, before it is made: those of the source, and those of the request.
 */
static int check_tags(const struct vml_image *source, const struct copying *c,
                      const struct vml_marks *tags, const char *account, struct vml_error *err)
{
    bool copied = c->how.tags && strcmp(source->owner, account) == 0;
    size_t n = tags->n_tags + (copied ? source->marks.n_tags : 0);

    for (size_t i = 0; copied && i < source->marks.n_tags; i++)
        for (size_t k = 0; k < tags->n_tags; k++)
            n -= strcmp(source->marks.tags[i].key, tags->tags[k].key) == 0;
    return n <= VML_TAGS_MAX ? 0
                             : vml_fail(err, VML_EREFUSED, "TagLimitExceeded",
                                        "The maximum number of tags for a resource is %u: there "
                                        "are %zu",
                                        VML_TAGS_MAX, n);
}

int vml_do_copy_image(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(copying_clear) struct copying c = { .tags = { 0 } };
    VML_AUTO(vml_marks_clear) struct vml_marks tags = { 0 };
    VML_AUTO(vml_image_clear) struct vml_image source = { 0 };
    VML_AUTO(vml_image_clear) struct vml_image made = { 0 };
    const char *id;

    if (vml_need_image(r, "SourceImageId", &id, err) < 0 || read_copying(r, &c, err) < 0 ||
        vml_param_need(r, "Name", &c.how.name, err) < 0 || vml_rule_name(c.how.name, err) < 0 ||
        vml_param_bool(r, &c.how.tags, err, "CopyImageTags") < 0 ||
        vml_request_tags(r, "image", "image snapshot", &tags, err) < 0 ||
        vml_request_tags(r, "snapshot", "image snapshot", &c.tags, err) < 0)
        return -1;
    const struct vml_where there = { r->account, c.how.source_region };
    if (vml_registry_get(r->store, &there, id, &source, err) < 0 ||
        check_tags(&source, &c, &tags, r->account, err) < 0 || vml_dry_run(r, err) < 0 ||
        copy_image(r, &c, id, &tags, &made, err) < 0)
        return -1;
    vml_xml_text(a, "imageId", made.id);
    return 0;
}

/* --- CopySnapshot ----------------------------------------------------------------------------- */

/* SDKs sign a URL for the source's region, and say which region this is: that is known. */
static int check_destination(const struct vml_request *r, struct vml_error *err)
{
    const char *region = vml_param(r, "DestinationRegion");

    return region == NULL || strcmp(region, r->region) == 0
               ? 0
               : vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                          "Value (%.64s) for parameter destinationRegion is invalid: the request "
                          "is signed for %s",
                          region, r->region);
}

int vml_do_copy_snapshot(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    VML_AUTO(copying_clear) struct copying c = { .tags = { 0 } };
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot source = { 0 };
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot made = { .id = "" };
    const char *id, *of;

    if (vml_need_snapshot(r, "SourceSnapshotId", &id, err) < 0 || read_copying(r, &c, err) < 0 ||
        check_destination(r, err) < 0 ||
        vml_request_tags(r, "snapshot", "snapshot", &c.tags, err) < 0)
        return -1;
    const struct vml_where there = { r->account, c.how.source_region };
    if (vml_registry_snapshot_get(r->store, &there, id, &source, err) < 0) {
        if (strcmp(there.region, r->region) == 0)
            vml_not_yet(r, id, err);
        return -1;
    }
    if (vml_dry_run(r, err) < 0 ||
        vml_registry_copy_snapshot(r->store, &r->where, id, &c.how, &made, err) < 0)
        return -1;
    of = made.id;
    if (c.tags.n_tags > 0 && vml_registry_tag_all(r->store, &r->where, &of, 1, c.tags.tags,
                                                  c.tags.n_tags, false, err) < 0)
        return -1;
    vml_xml_text(a, "snapshotId", made.id);
    vml_print_tags(a, c.tags.tags, c.tags.n_tags);
    return 0;
}
