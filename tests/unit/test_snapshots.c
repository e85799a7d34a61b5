/* Snapshots as the registry has them: who sees which, marks, history, deleting. */
#include "check.h"

#include "store_fixture.h"
#include "vmlift/registry.h"

static struct vml_error err;
static const struct vml_where owner = { "000000000000", "us-east-1" };
static const struct vml_where friend = { "222222222222", "us-east-1" };
static const struct vml_where stranger = { "333333333333", "us-east-1" };

static void check_get(struct vml_store *s, const struct vml_where *where, const char *id,
                      const char *slug)
{
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot r = { 0 };
    if (slug != NULL)
        CHECK_FAILS(vml_registry_snapshot_get(s, where, id, &r, &err), &err, slug);
    else
        CHECK_OK(vml_registry_snapshot_get(s, where, id, &r, &err), &err);
}

/* --- changes -------------------------------------------------------------------------------- */

static int grant(void *account, struct vml_registry_snapshot *r, char detail[256],
                 struct vml_error *e)
{
    snprintf(detail, 256, "with %s", (const char *)account);
    CHECK_OK(vml_marks_tag(&r->marks, "Name", "web", e), e);
    CHECK_OK(vml_marks_code(&r->marks, VML_PRODUCT_BILLING, "bp-1", e), e);
    return vml_marks_grant(&r->marks, VML_GRANT_CREATE_VOLUME, account, e) < 0 ? -1 : 1;
}

static int nothing(void *arg, struct vml_registry_snapshot *r, char detail[256],
                   struct vml_error *e)
{
    (void)arg;
    (void)r;
    (void)detail;
    (void)e;
    return 0;
}

static int change_marks(struct vml_store *s, const struct vml_where *where, const char *id,
                        int (*edit)(void *, struct vml_registry_snapshot *, char[256],
                                    struct vml_error *),
                        const char *account)
{
    const struct vml_snapshot_change how = { "share", edit, (void *)(uintptr_t)account };
    return vml_registry_snapshot_change(s, where, id, &how, NULL, &err);
}

static int on_event(void *arg, const struct vml_event *e, struct vml_error *ignored)
{
    int *n = arg;
    (void)ignored;
    ++*n;
    CHECK_STR(e->account, owner.owner);
    CHECK_STR(e->action, "share");
    CHECK_STR(e->detail, "with 222222222222");
    return 0;
}

/* --- listing -------------------------------------------------------------------------------- */

static int on_snapshot(void *arg, const struct vml_registry_snapshot *r, struct vml_error *ignored)
{
    char *list = arg;
    (void)ignored;
    CHECK(strlen(list) < 200);
    sprintf(list + strlen(list), "%c%zu ", r->is.id[20], r->marks.n_tags);
    return 0;
}

static void check_each(struct vml_store *s, const struct vml_where *where, const char *want)
{
    char list[256] = "";
    CHECK_OK(vml_registry_snapshot_each(s, where, on_snapshot, list, &err), &err);
    CHECK_STR(list, want);
}

/* --- the tests ------------------------------------------------------------------------------ */

static void test_visibility(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("visibility");
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot r = { 0 };
    const struct vml_where elsewhere = { owner.owner, "eu-west-1" };
    char a[32], b[32], c[32], want[64];
    int events = 0;

    import(s, "data:1M", a);
    import(s, "data:2M", b);
    import(s, "data:3M", c);
    check_get(s, &owner, b, NULL);
    check_get(s, &elsewhere, b, "InvalidSnapshot.NotFound");
    check_get(s, &friend, b, "InvalidSnapshot.NotFound");
    snprintf(want, sizeof want, "The snapshot '%s' does not exist", b);
    CHECK_STR(err.text, want);
    check_get(s, &owner, "snap-0123456789abcdef0", "InvalidSnapshot.NotFound");
    check_get(s, &owner, "snap-01234567", "InvalidSnapshot.NotFound");
    check_get(s, &owner, "snap-0123456", "InvalidSnapshotID.Malformed");
    check_get(s, &owner, "web", "InvalidSnapshotID.Malformed");

    CHECK_FAILS(change_marks(s, &friend, b, grant, friend.owner), &err, "InvalidSnapshot.NotFound");
    CHECK_OK(change_marks(s, &owner, b, grant, friend.owner), &err);
    CHECK_OK(change_marks(s, &owner, b, nothing, NULL), &err);
    CHECK_OK(vml_registry_snapshot_get(s, &friend, b, &r, &err), &err);
    CHECK_INT(r.is.size, 2 << 20);
    CHECK_INT(r.marks.n_tags, 0); /* the owner's alone */
    CHECK_INT(r.marks.n_codes, 1);
    CHECK_STR(r.marks.codes[0].code, "bp-1");
    CHECK(vml_marks_granted(&r.marks, VML_GRANT_CREATE_VOLUME, friend.owner));
    CHECK(!vml_marks_granted(&r.marks, VML_GRANT_CREATE_VOLUME, stranger.owner));
    CHECK(!vml_marks_granted(&r.marks, VML_GRANT_LAUNCH, friend.owner));
    check_get(s, &stranger, b, "InvalidSnapshot.NotFound");
    CHECK_OK(vml_registry_history(s, b, on_event, &events, &err), &err);
    CHECK_INT(events, 1); /* an edit that does nothing leaves no trace */
    CHECK_FAILS(change_marks(s, &friend, b, grant, friend.owner), &err, "AuthFailure");

    snprintf(want, sizeof want, "%c0 %c1 %c0 ", a[20], b[20], c[20]);
    check_each(s, &owner, want);
    snprintf(want, sizeof want, "%c0 ", b[20]);
    check_each(s, &friend, want);
    check_each(s, &stranger, "");
    check_each(s, &elsewhere, "");
}

/* What a snapshot is marked with is in the packs, too. */
static void test_rebuild(void)
{
    struct vml_rebuilt rebuilt;
    char id[32];

    {
        VML_AUTO(vml_store_freep) struct vml_store *s = new_store("rebuild");
        import(s, "data:1M", id);
        CHECK_OK(change_marks(s, &owner, id, grant, friend.owner), &err);
    }
    shell("rm %s/catalog.db*", dir);
    CHECK_OK(vml_store_rebuild(dir, 0, NULL, NULL, NULL, &rebuilt, &err), &err);
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    CHECK_OK(vml_store_open(&s, dir, 0, &err), &err);
    check_get(s, &friend, id, NULL);
    check_get(s, &stranger, id, "InvalidSnapshot.NotFound");
}

static void test_delete(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("delete");
    char id[32];

    import(s, "data:1M", id);
    CHECK_OK(change_marks(s, &owner, id, grant, VML_EVERYONE), &err);
    check_get(s, &stranger, id, NULL);
    CHECK_FAILS(vml_registry_snapshot_delete(s, &stranger, id, &err), &err, "AuthFailure");
    CHECK_OK(vml_registry_snapshot_delete(s, &owner, id, &err), &err);
    CHECK_FAILS(vml_registry_snapshot_delete(s, &owner, id, &err), &err,
                "InvalidSnapshot.NotFound");
}

int main(void)
{
    CHECK(mkdtemp(top) != NULL);
    test_visibility();
    test_rebuild();
    test_delete();
    shell("rm -rf %s", top);
    return 0;
}
