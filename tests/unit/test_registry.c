/* Images in the catalog: added, found, listed, deregistered. */
#include "check.h"

#include <ftw.h>
#include <time.h>
#include <unistd.h>

#include "catalog/rows.h"
#include "vmlift/registry.h"

static struct vml_error err;
static const struct vml_where here = { "123456789012", "us-east-1" };

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

struct snapshot_row {
    const char *id, *owner, *region;
    int64_t size;
};

static int insert_snapshot(void *arg, struct vml_db *db, struct vml_error *e)
{
    const struct snapshot_row *row = arg;
    static const uint8_t root[32] = { 1 };
    return vml_row_insert(db, e, "snapshots", "tittiibittb", row->id, INT64_C(1), row->owner,
                          row->region, row->size, INT64_C(0), root, sizeof root, INT64_C(0), "", "",
                          "", (size_t)0);
}

static void commit(struct vml_store *s, vml_txn_also *also, void *arg)
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    CHECK_OK(vml_txn_commit(t, also, arg, &err), &err);
}

/* A row only: the registry never looks at a snapshot's bytes. */
static void add_snapshot(struct vml_store *s, const char *id, const char *owner, const char *region,
                         uint64_t size)
{
    commit(s, insert_snapshot, &(struct snapshot_row){ id, owner, region, (int64_t)size });
}

#define ROOT_SNAPSHOT "snap-00000000000000001"
#define DATA_SNAPSHOT "snap-00000000000000002"

static void fill(struct vml_image *a, const char *name)
{
    *a = (struct vml_image){
        .description = "a \"web\" server",
        .owner = "123456789012",
        .region = "us-east-1",
        .architecture = "x86_64",
        .virtualization = "hvm",
        .boot_mode = "uefi-preferred",
        .root_device = "/dev/xvda",
        .root_type = "ebs",
        .platform = "windows",
        .state = "available",
        .created = 1700000000,
        .n_mappings = 3,
    };
    strcpy(a->name, name);
    a->source = strdup("web.ova");
    a->mappings = calloc(3, sizeof *a->mappings);
    CHECK(a->source && a->mappings);
    /* the root is not the first: the registry puts it there */
    a->mappings[0] = (struct vml_mapping){
        .device = "/dev/sdf", .snapshot = DATA_SNAPSHOT, .size_gib = 30, .volume_type = "gp2"
    };
    a->mappings[1] = (struct vml_mapping){
        .device = "/dev/sdg", .size_gib = 1, .volume_type = "gp3", .encrypted = true
    };
    a->mappings[2] = (struct vml_mapping){ .device = "/dev/xvda",
                                           .snapshot = ROOT_SNAPSHOT,
                                           .size_gib = 8,
                                           .volume_type = "gp3",
                                           .delete_on_termination = true };
    CHECK_OK(vml_marks_tag(&a->marks, "Name", "web", &err), &err);
    CHECK_OK(vml_marks_tag(&a->marks, "empty", "", &err), &err);
}

static int add_image(void *a, struct vml_db *db, struct vml_error *e)
{
    return vml_registry_add(db, a, "register", "", e);
}

static int add(struct vml_store *s, struct vml_image *a)
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    return vml_txn_commit(t, add_image, a, &err);
}

static void add_named(struct vml_store *s, const char *name, char id[32])
{
    VML_AUTO(vml_image_clear) struct vml_image a;
    fill(&a, name);
    CHECK_OK(add(s, &a), &err);
    strcpy(id, a.id);
}

static void check_get_fails(struct vml_store *s, const struct vml_where *where, const char *what,
                            const char *slug, const char *text)
{
    VML_AUTO(vml_image_clear) struct vml_image a = { 0 };
    CHECK_FAILS(vml_registry_get(s, where, what, &a, &err), &err, slug);
    CHECK_STR(err.text, text);
}

static void test_round_trip(struct vml_store *s)
{
    VML_AUTO(vml_image_clear) struct vml_image a, by_id = { 0 }, by_name = { 0 };
    fill(&a, "round trip");
    CHECK_OK(add(s, &a), &err);
    CHECK_INT(strlen(a.id), 21);
    CHECK(strncmp(a.id, "ami-", 4) == 0);
    CHECK_OK(vml_registry_get(s, &here, "round trip", &by_name, &err), &err);
    CHECK_STR(by_name.id, a.id);
    CHECK_OK(vml_registry_get(s, &here, a.id, &by_id, &err), &err);
    CHECK_STR(by_id.name, "round trip");
    CHECK_STR(by_id.description, a.description);
    CHECK_STR(by_id.owner, a.owner);
    CHECK_STR(by_id.region, a.region);
    CHECK_STR(by_id.architecture, a.architecture);
    CHECK_STR(by_id.virtualization, a.virtualization);
    CHECK_STR(by_id.boot_mode, a.boot_mode);
    CHECK_STR(by_id.root_device, a.root_device);
    CHECK_STR(by_id.platform, a.platform);
    CHECK_STR(by_id.state, "available");
    CHECK_STR(by_id.source, "web.ova");
    CHECK_INT(by_id.created, 1700000000);
    CHECK_INT(by_id.n_mappings, 3);
    static const char *const devices[] = { "/dev/xvda", "/dev/sdf", "/dev/sdg" };
    for (size_t i = 0; i < 3; i++) {
        const struct vml_mapping *got = &by_id.mappings[i], *want = &a.mappings[i];
        CHECK_STR(got->device, devices[i]);
        CHECK_STR(got->device, want->device);
        CHECK_STR(got->snapshot, want->snapshot);
        CHECK_INT(got->size_gib, want->size_gib);
        CHECK_STR(got->volume_type, want->volume_type);
        CHECK_INT(got->delete_on_termination, want->delete_on_termination);
        CHECK_INT(got->encrypted, want->encrypted);
    }
    CHECK(vml_image_root(&by_id) == &by_id.mappings[0]);
    CHECK_INT(by_id.marks.n_tags, 2);
    CHECK_STR(by_id.marks.tags[0].key, "Name");
    CHECK_STR(by_id.marks.tags[0].value, "web");
    CHECK_STR(by_id.marks.tags[1].key, "empty");
    CHECK_STR(by_id.marks.tags[1].value, "");
}

static void test_missing(struct vml_store *s)
{
    const struct vml_where elsewhere = { here.owner, "eu-west-1" };
    const struct vml_where stranger = { "210987654321", here.region };
    char id[32], text[128];
    add_named(s, "mine", id);
    snprintf(text, sizeof text, "The image id '[%s]' does not exist", id);
    check_get_fails(s, &elsewhere, id, "InvalidAMIID.NotFound", text);
    check_get_fails(s, &stranger, id, "InvalidAMIID.NotFound", text);
    check_get_fails(s, &here, "ami-0123456789abcdef0", "InvalidAMIID.NotFound",
                    "The image id '[ami-0123456789abcdef0]' does not exist");
    CHECK_INT(err.code, VML_ENOTFOUND);
    check_get_fails(s, &here, "ami-01234567", "InvalidAMIID.NotFound",
                    "The image id '[ami-01234567]' does not exist");
    check_get_fails(s, &here, "yours", "InvalidAMIID.NotFound",
                    "The image id '[yours]' does not exist");
    static const char *const malformed[] = { "ami-", "ami-0123456789abcdef",
                                             "ami-0123456789ABCDEF0", "ami-012345678",
                                             "ami-0123456789abcdef0x" };
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        snprintf(text, sizeof text, "Invalid id: \"%s\" (expecting \"ami-...\")", malformed[i]);
        check_get_fails(s, &here, malformed[i], "InvalidAMIID.Malformed", text);
    }
}

static void test_refusals(struct vml_store *s)
{
    char id[32], text[128];
    add_named(s, "taken", id);
    {
        VML_AUTO(vml_image_clear) struct vml_image a;
        fill(&a, "taken");
        CHECK_FAILS(add(s, &a), &err, "InvalidAMIName.Duplicate");
        CHECK_INT(err.code, VML_EREFUSED);
        snprintf(text, sizeof text, "AMI name taken is already in use by AMI %s", id);
        CHECK_STR(err.text, text);
        CHECK_STR(a.id, ""); /* nothing was given away */
    }
    {
        VML_AUTO(vml_image_clear) struct vml_image a;
        fill(&a, "no such snapshot");
        strcpy(a.mappings[0].snapshot, "snap-0000000000000000f");
        CHECK_FAILS(add(s, &a), &err, "InvalidSnapshot.NotFound");
    }
    {
        VML_AUTO(vml_image_clear) struct vml_image a;
        fill(&a, "another region's snapshot");
        strcpy(a.region, "eu-west-1");
        CHECK_FAILS(add(s, &a), &err, "InvalidSnapshot.NotFound");
    }
    {
        VML_AUTO(vml_image_clear) struct vml_image a;
        fill(&a, "too small");
        a.mappings[0].size_gib = 29;
        CHECK_FAILS(add(s, &a), &err, "InvalidBlockDeviceMapping");
    }
    /* The same name is free in another region and account. */
    add_snapshot(s, "snap-00000000000000003", "210987654321", "eu-west-1", VML_GIB);
    VML_AUTO(vml_image_clear) struct vml_image a;
    fill(&a, "taken");
    strcpy(a.owner, "210987654321");
    strcpy(a.region, "eu-west-1");
    a.n_mappings = 1;
    a.mappings[0] = a.mappings[2];
    strcpy(a.mappings[0].snapshot, "snap-00000000000000003");
    CHECK_OK(add(s, &a), &err);
}

static void test_deregister(struct vml_store *s)
{
    VML_AUTO(vml_image_clear) struct vml_image again = { 0 };
    VML_AUTO(vml_deregistered_clear) struct vml_deregistered was = { 0 }, gone = { 0 };
    char first[32], second[32], text[128];
    add_named(s, "short-lived", first);
    CHECK_OK(vml_registry_deregister(s, &here, "short-lived", false, &was, &err), &err);
    CHECK_STR(was.image.id, first);
    CHECK_STR(was.image.state, "deregistered");
    CHECK_INT(was.image.n_mappings, 3);
    snprintf(text, sizeof text, "The image id '[%s]' is no longer available", first);
    check_get_fails(s, &here, first, "InvalidAMIID.Unavailable", text);
    check_get_fails(s, &here, "short-lived", "InvalidAMIID.Unavailable", text);
    CHECK_FAILS(vml_registry_deregister(s, &here, first, false, &gone, &err), &err,
                "InvalidAMIID.Unavailable");
    CHECK_FAILS(vml_registry_deregister(s, &here, "ami-0123456789abcdef0", false, &gone, &err),
                &err, "InvalidAMIID.NotFound");
    /* the name is free again */
    add_named(s, "short-lived", second);
    CHECK_OK(vml_registry_get(s, &here, "short-lived", &again, &err), &err);
    CHECK_STR(again.id, second);
    check_get_fails(s, &here, first, "InvalidAMIID.Unavailable", text);
    CHECK_OK(vml_registry_deregister(s, &here, second, false, &gone, &err), &err);
}

/* --- listing -------------------------------------------------------------------------------- */

struct listing {
    size_t n, stop_at;
    char last[132];
};

static int on_image(void *arg, const struct vml_image *a, struct vml_error *e)
{
    struct listing *l = arg;
    CHECK_STR(a->owner, here.owner);
    CHECK_STR(a->region, here.region);
    CHECK_STR(a->state, "available");
    CHECK_INT(a->n_mappings, 3);
    CHECK_STR(a->mappings[0].device, "/dev/xvda");
    CHECK_STR(a->mappings[1].device, "/dev/sdf");
    CHECK_INT(a->marks.n_tags, 2);
    CHECK_STR(a->marks.tags[0].key, "Name");
    strcpy(l->last, a->name);
    return ++l->n == l->stop_at ? vml_fail(e, VML_EIO, "test/stop", "enough") : 0;
}

static void test_each(struct vml_store *s)
{
    struct listing before = { 0 }, all = { 0 }, some = { .stop_at = 3 };
    char id[32];
    CHECK_OK(vml_registry_each(s, &here, on_image, &before, &err), &err);
    add_named(s, "the newest", id);
    CHECK_OK(vml_registry_each(s, &here, on_image, &all, &err), &err);
    CHECK_INT(all.n, before.n + 1);
    CHECK_STR(all.last, "the newest");
    CHECK_FAILS(vml_registry_each(s, &here, on_image, &some, &err), &err, "test/stop");
    CHECK_INT(some.n, 3);
    const struct vml_where nobody = { "999999999999", "us-east-1" };
    struct listing none = { 0 };
    CHECK_OK(vml_registry_each(s, &nobody, on_image, &none, &err), &err);
    CHECK_INT(none.n, 0);
}

enum { MANY = 10000 };

static int add_many(void *arg, struct vml_db *db, struct vml_error *e)
{
    char name[32];
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        VML_AUTO(vml_image_clear) struct vml_image a;
        snprintf(name, sizeof name, "one of many %d", i);
        fill(&a, name);
        CHECK_OK(vml_registry_add(db, &a, "register", "", e), e);
    }
    return 0;
}

/* As many as an account with years of nightly builds has: a query for each table lists them. */
static void test_many(struct vml_store *s)
{
    struct listing before = { 0 }, all = { 0 };
    struct timespec t0, t1;
    CHECK_OK(vml_registry_each(s, &here, on_image, &before, &err), &err);
    commit(s, add_many, NULL);
    clock_gettime(CLOCK_MONOTONIC, &t0);
    CHECK_OK(vml_registry_each(s, &here, on_image, &all, &err), &err);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    CHECK_INT(all.n, before.n + MANY);
    printf("%zu images listed in %.3f s\n", all.n,
           (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9);
}

int main(void)
{
    char dir[] = "/tmp/vmlift-registry-XXXXXX", path[64];
    CHECK(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/store", dir);
    {
        VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
        CHECK_OK(vml_store_open(&s, path, true, &err), &err);
        add_snapshot(s, ROOT_SNAPSHOT, here.owner, here.region, 8 * VML_GIB);
        add_snapshot(s, DATA_SNAPSHOT, here.owner, here.region, 29 * VML_GIB + 1);
        test_round_trip(s);
        test_missing(s);
        test_refusals(s);
        test_deregister(s);
        test_each(s);
        test_many(s);
    }
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
