/* DescribeSnapshots' filters (EC2 API reference), and what they ask of the record. */
#include <stddef.h>

#include "ami/filter.h"

/* A snapshot in the store is whole; there is one tier. */
#define ANSWERS(name, test)                                          \
    static bool name(const struct vml_filter *f, const void *record) \
    {                                                                \
        const struct vml_registry_snapshot *r = record;              \
        (void)f;                                                     \
        (void)r;                                                     \
        return test;                                                 \
    }
ANSWERS(encrypted, vml_filter_flag(f, r->is.key[0] != '\0'))
ANSWERS(owner_alias, false) /* an alias is for images */
ANSWERS(progress, vml_filter_has(f, r->progress ? r->progress : "100%"))
ANSWERS(status, vml_filter_has(f, r->state ? r->state : "completed"))
ANSWERS(tier, vml_filter_has(f, "standard"))
ANSWERS(tag_key, vml_filter_tag_key(f, &r->marks))
ANSWERS(tag, vml_filter_tag(f, &r->marks))
ANSWERS(volume, vml_filter_has(f, VML_NO_VOLUME))
ANSWERS(volume_size, vml_filter_number(f, vml_div_up(r->is.size, VML_GIB)))

static bool start_time(const struct vml_filter *f, const void *record)
{
    const struct vml_registry_snapshot *r = record;
    char buf[32];
    return vml_filter_has(f, vml_ec2_time(buf, r->is.created));
}

#define MEMBER(name, by, member)                                             \
    {                                                                        \
        name, by, offsetof(struct vml_registry_snapshot, is.member), 0, NULL \
    }
#define ANSWER(name, fn)                 \
    {                                    \
        name, VML_BY_ANSWER, 0, fn, NULL \
    }

const struct vml_filter_kind vml_snapshot_filters[] = {
    MEMBER("description", VML_BY_OWNED, description),
    ANSWER("encrypted", encrypted),
    ANSWER("owner-alias", owner_alias),
    MEMBER("owner-id", VML_BY_TEXT, owner),
    ANSWER("progress", progress),
    MEMBER("snapshot-id", VML_BY_TEXT, id),
    ANSWER("start-time", start_time),
    ANSWER("status", status),
    ANSWER("storage-tier", tier),
    ANSWER("tag-key", tag_key),
    ANSWER("tag:", tag),
    ANSWER("volume-id", volume),
    ANSWER("volume-size", volume_size),
    { 0 },
};

bool vml_filters_snapshot(const struct vml_filters *f, const struct vml_registry_snapshot *r)
{
    return vml_filters_take(f, r);
}
