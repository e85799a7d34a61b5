/* Lists of images: what is seen, what is hidden, and that SQL asks what the filters ask. */
#include "check.h"

#include "catalog/rows.h"
#include "store_fixture.h"
#include "vmlift/filter.h"

static struct vml_error err;
#define SELF   "000000000000"
#define FRIEND "222222222222"
#define AMAZON "137112412989"
static const struct vml_where self = { SELF, "us-east-1" };

/* --- what there is -------------------------------------------------------------------------- */

static const struct made {
    const char *name, *owner, *region, *state, *grantee; /* grantee may be NULL */
    int64_t deprecated;
    const char *env, *description;
} made[] = {
    { "own-a", SELF, "us-east-1", "available", NULL, 0, "Prod", "the first" },
    { "own-old", SELF, "us-east-1", "available", NULL, 1, "Test", "" },
    { "own-off", SELF, "us-east-1", "disabled", NULL, 0, "Prod", "" },
    { "own-[ab]", SELF, "us-east-1", "available", "333333333333", 0, "", "a*b?c\\d" },
    { "shared", FRIEND, "us-east-1", "available", SELF, 0, "Prod", "of a friend" },
    { "secret", FRIEND, "us-east-1", "available", "333333333333", 0, "Prod", "" },
    { "public", FRIEND, "us-east-1", "available", "all", 0, NULL, "\xc3\xa9t\xc3\xa9" },
    { "pub-old", FRIEND, "us-east-1", "available", "all", 1, NULL, "" },
    { "pub-soon", FRIEND, "us-east-1", "available", "all", INT64_C(1) << 40, NULL, "" },
    { "al2023", AMAZON, "us-east-1", "available", "all", 0, NULL, "" },
    { "elsewhere", SELF, "eu-west-1", "available", "all", 0, NULL, "" },
    { "gone", SELF, "us-east-1", "deregistered", NULL, 0, "Prod", "" },
};
#define N_MADE (sizeof made / sizeof *made)

static int make(void *arg, struct vml_db *db, struct vml_error *e)
{
    const struct made *m = arg;
    static const uint8_t root[32] = { 1 };
    char snapshot[32];
    VML_AUTO(vml_image_clear)
    struct vml_image a = { .architecture = "x86_64",
                           .virtualization = "hvm",
                           .root_device = "/dev/xvda",
                           .root_type = "ebs",
                           .created = 1764072000 };
    if (vml_new_id(snapshot, "snap-", e) < 0 ||
        vml_row_insert(db, e, "snapshots", "tittiibittb", snapshot, INT64_C(1), m->owner, m->region,
                       (int64_t)VML_GIB, INT64_C(0), root, sizeof root, INT64_C(0), "", "", "",
                       (size_t)0) < 0)
        return -1;
    struct vml_mapping root_mapping = { .device = "/dev/xvda",
                                        .size_gib = 8,
                                        .volume_type = "gp3" };
    CHECK_OK(VML_SET(root_mapping.snapshot, "", snapshot, e), e);
    CHECK_OK(vml_image_map(&a, &root_mapping, e), e);
    CHECK_OK(VML_SET(a.name, "", m->name, e), e);
    CHECK_OK(VML_SET(a.owner, "", m->owner, e), e);
    CHECK_OK(VML_SET(a.region, "", m->region, e), e);
    CHECK_OK(VML_SET(a.state, "", m->state, e), e);
    CHECK_OK(VML_SET(a.description, "", m->description, e), e);
    a.deprecated = m->deprecated;
    if (m->env != NULL)
        CHECK_OK(vml_marks_tag(&a.marks, "Env", m->env, e), e);
    if (m->grantee != NULL)
        CHECK_OK(vml_marks_grant(&a.marks, VML_GRANT_LAUNCH, m->grantee, e), e);
    return vml_registry_add(db, &a, "register", "", e);
}

static struct vml_store *fill_store(void)
{
    struct vml_store *s = new_store("list");
    for (size_t i = 0; i < N_MADE; i++) {
        VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
        CHECK_OK(vml_txn_begin(&t, s, &err), &err);
        CHECK_OK(vml_txn_commit(t, make, (void *)(uintptr_t)&made[i], &err), &err);
    }
    return s;
}

/* --- asking --------------------------------------------------------------------------------- */

static int on_image(void *arg, const struct vml_image *a, struct vml_error *e)
{
    char *names = arg;
    (void)e;
    CHECK(strlen(names) + strlen(a->name) < 250);
    CHECK_INT(a->n_mappings, 1);
    sprintf(names + strlen(names), "%s%s", names[0] != '\0' ? " " : "", a->name);
    return 0;
}

struct question {
    const char *rule;
    const char *owners[3], *executable_by[3], *ids[3];
    const char *filter;
    bool deprecated, disabled;
    const char *want; /* names, or the refusal */
};

static size_t count(const char *const *words)
{
    size_t n = 0;
    while (n < 3 && words[n] != NULL)
        n++;
    return n;
}

static void ask(struct vml_store *s, const struct vml_where *where, const struct question *q,
                bool brief, char names[256])
{
    VML_AUTO(vml_filters_clear) struct vml_filters f = { .of = VML_FILTER_IMAGES };
    const struct vml_image_query query = { .filters = &f,
                                           .ids = q->ids,
                                           .n_ids = count(q->ids),
                                           .owners = q->owners,
                                           .n_owners = count(q->owners),
                                           .executable_by = q->executable_by,
                                           .n_executable_by = count(q->executable_by),
                                           .brief = brief,
                                           .deprecated = q->deprecated,
                                           .disabled = q->disabled };
    names[0] = '\0';
    if ((q->filter != NULL && vml_filters_add(&f, q->filter, &err) < 0) ||
        vml_registry_list(s, where, &query, on_image, names, &err) < 0)
        strcpy(names, err.slug);
}

static const struct question questions[] = {
    { .rule = "own, shared and public ones in the region; neither disabled nor deregistered ones, "
              "nor others' that are deprecated; oldest first",
      .want = "own-a own-old own-[ab] shared public pub-soon al2023" },
    { .rule = "disabled ones when asked for",
      .disabled = true,
      .want = "own-a own-old own-off own-[ab] shared public pub-soon al2023" },
    { .rule = "deprecated ones when asked for",
      .deprecated = true,
      .want = "own-a own-old own-[ab] shared public pub-old pub-soon al2023" },
    { .rule = "deprecated ones when named", .ids = { "pub-old" }, .want = "pub-old" },
    { .rule = "named ones in their own order",
      .ids = { "shared", "own-a", "shared" },
      .want = "own-a shared" },
    { .rule = "disabled ones not even when named", .ids = { "own-off", "own-a" }, .want = "own-a" },
    { .rule = "what is not seen does not exist",
      .ids = { "own-a", "secret" },
      .want = "InvalidAMIID.NotFound" },
    { .rule = "nor what is elsewhere", .ids = { "elsewhere" }, .want = "InvalidAMIID.NotFound" },
    { .rule = "what is gone says so", .ids = { "gone" }, .want = "InvalidAMIID.Unavailable" },
    { .rule = "an ID must be one", .ids = { "ami-x" }, .want = "InvalidAMIID.Malformed" },
    { .rule = "own", .owners = { "self" }, .want = "own-a own-old own-[ab]" },
    { .rule = "of an account", .owners = { FRIEND }, .want = "shared public pub-soon" },
    { .rule = "of several", .owners = { AMAZON, "self" }, .want = "own-a own-old own-[ab] al2023" },
    { .rule = "of all",
      .owners = { "all" },
      .want = "own-a own-old own-[ab] shared public pub-soon al2023" },
    { .rule = "of an alias", .owners = { "amazon" }, .want = "al2023" },
    { .rule = "of an alias or an account",
      .owners = { "amazon", FRIEND },
      .want = "shared public pub-soon al2023" },
    { .rule = "of the Marketplace", .owners = { "aws-marketplace" }, .want = "" },
    { .rule = "an account has 12 digits", .owners = { "me" }, .want = "InvalidUserID.Malformed" },
    { .rule = "who may launch by name", .executable_by = { "self" }, .want = "shared" },
    { .rule = "one's own number is self", .executable_by = { SELF }, .want = "shared" },
    { .rule = "whom one gave permission", .executable_by = { "333333333333" }, .want = "own-[ab]" },
    { .rule = "public ones", .executable_by = { "all" }, .want = "public pub-soon al2023" },
    { .rule = "of several grantees",
      .executable_by = { "all", "self" },
      .want = "shared public pub-soon al2023" },
    { .rule = "grantees are accounts",
      .executable_by = { "amazon" },
      .want = "InvalidUserID.Malformed" },
    { .rule = "owner and filter", .owners = { "self" }, .filter = "tag:Env=Prod", .want = "own-a" },
    { .rule = "named, owner and filter",
      .owners = { "self" },
      .ids = { "own-a", "shared", "own-old" },
      .filter = "tag:Env=Prod,Test",
      .want = "own-a own-old" },
    { .rule = "others' tags are not told",
      .owners = { FRIEND },
      .filter = "tag-key=*",
      .want = "" },
    { .rule = "the state of a filter does not bring up what is hidden",
      .filter = "state=disabled",
      .want = "" },
    { .rule = "but asking for both does",
      .filter = "state=disabled",
      .disabled = true,
      .want = "own-off" },
};

static void test_questions(struct vml_store *s)
{
    char names[256];
    for (size_t i = 0; i < 2 * (sizeof questions / sizeof *questions); i++) {
        const struct question *q = &questions[i / 2];
        ask(s, &self, q, i % 2 != 0, names);
        if (strcmp(names, q->want) == 0)
            continue;
        fprintf(stderr, "%s: \"%s\", not \"%s\"\n", q->rule, names, q->want);
        abort();
    }
}

/* --- the same question, twice --------------------------------------------------------------- */

static int match_one(void *arg, const struct vml_image *a, struct vml_error *e)
{
    const struct vml_filters *const *f = arg;
    char *names = (char *)(f + 1);
    return vml_filters_image(*f, a) ? on_image(names, a, e) : 0;
}

/* SQL may leave a question to the record, but must never answer it otherwise. */
static void test_sql(struct vml_store *s)
{
    static const char *const filters[] = {
        "name=own-*",
        "name=own-[ab]",
        "name=*[ab]",
        "name=own-[*",
        "name=*]",
        "name=own-?",
        "name=*-*d*",
        "name=*o*w*n*-*a",
        "name=*o*w*n*-*z",
        "name=own-a,shared",
        "name=own-a,sh*,zzz",
        "name=",
        "description=*",
        "description=?t?",
        "description=a\\*b\\?c\\\\d",
        "description=a*b?c\\\\d",
        "description=\\*",
        "platform=*",
        "platform=",
        "owner-id=2*",
        "tag:Env=Prod",
        "tag:Env=",
        "tag:Env=*",
        "tag:Env=?rod,T*",
        "tag-key=Env",
        "tag-key=E?v",
        "tag-key=env",
        "state=available,deregistered",
        "architecture=x86_64,virtualization-type=hvm,name=*a*",
        "image-id=ami-*",
        "ena-support=false",
        "manifest-location=222*",
        "root-device-name=/dev/xvd?",
        "is-public=true,name=pub*",
    };
    size_t some = 0;
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        VML_AUTO(vml_filters_clear) struct vml_filters f = { .of = VML_FILTER_IMAGES };
        const struct question q = { .filter = filters[i], .deprecated = true, .disabled = true };
        struct {
            const struct vml_filters *f;
            char names[256];
        } want = { &f, "" };
        char got[256];
        CHECK_OK(vml_filters_add(&f, filters[i], &err), &err);
        CHECK_OK(vml_registry_each(s, &self, match_one, &want, &err), &err);
        ask(s, &self, &q, i % 2 != 0, got);
        if (strcmp(got, want.names) != 0) {
            fprintf(stderr, "%s: SQL finds \"%s\", not \"%s\"\n", filters[i], got, want.names);
            abort();
        }
        some += want.names[0] != '\0';
    }
    CHECK(some > 20);
}

int main(void)
{
    CHECK(mkdtemp(top) != NULL);
    VML_AUTO(vml_store_freep) struct vml_store *s = fill_store();
    test_questions(s);
    test_sql(s);
    shell("rm -rf %s", top);
    return 0;
}
