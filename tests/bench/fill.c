/* Many images of one snapshot, in few transactions, since it is not the filling that is measured.
 *     fill STORE SNAPSHOT N
 * Every tenth is called web-NNNNN, the others db-NNNNN; every third has the tag Env=Prod. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "vmlift/registry.h"

#define ACCOUNT "000000000000"
#define REGION  "us-east-1"
#define BATCH   100

static struct vml_error err;

struct batch {
    const char *snapshot;
    int first, n;
};

static int add_one(struct vml_db *db, const char *snapshot, int i, struct vml_error *e)
{
    VML_AUTO(vml_image_clear)
    struct vml_image a = {
        .owner = ACCOUNT,
        .region = REGION,
        .architecture = "x86_64",
        .virtualization = "hvm",
        .boot_mode = "uefi",
        .root_device = "/dev/sda1",
        .root_type = "ebs",
        .ena = true,
        .state = "available",
        .created = 1700000000 + i,
    };
    struct vml_mapping m = {
        .device = "/dev/sda1", .size_gib = 8, .volume_type = "gp3", .delete_on_termination = true
    };
    snprintf(a.name, sizeof a.name, "%s-%05d", i % 10 == 0 ? "web" : "db", i);
    snprintf(a.description, sizeof a.description, "number %d of many", i);
    CHECK_OK(VML_SET(m.snapshot, "SnapshotId", snapshot, e), e);
    CHECK_OK(vml_image_map(&a, &m, e), e);
    CHECK_OK(vml_marks_tag(&a.marks, "Env", i % 3 == 0 ? "Prod" : "Test", e), e);
    CHECK_OK(vml_marks_tag(&a.marks, "Name", a.name, e), e);
    return vml_registry_add(db, &a, "register", "", e);
}

static int add_batch(void *arg, struct vml_db *db, struct vml_error *e)
{
    const struct batch *b = arg;
    for (int i = b->first; i < b->first + b->n; i++)
        CHECK_OK(add_one(db, b->snapshot, i, e), e);
    return 0;
}

int main(int argc, char **argv)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    CHECK(argc == 4);
    int n = (int)strtol(argv[3], NULL, 10);
    CHECK_OK(vml_store_open(&s, argv[1], 0, &err), &err);
    for (int i = 0; i < n; i += BATCH) {
        VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
        struct batch b = { argv[2], i, n - i < BATCH ? n - i : BATCH };
        CHECK_OK(vml_txn_begin(&t, s, &err), &err);
        CHECK_OK(vml_txn_commit(t, add_batch, &b, &err), &err);
    }
    return 0;
}
