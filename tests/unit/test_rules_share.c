/* EC2's rules for sharing and copying, each with its code and where it is known its words. */
#include "check.h"

#include "vmlift/rules.h"

#define OWNER    "111111111111"
#define FRIEND   "222222222222"
#define STRANGER "333333333333"
#define KEY      "00000000-0000-4000-8000-000000000001"

static struct vml_error err;

/* What a row wants: EC2's code or NULL, its words or NULL, and part of the way round or NULL. */
struct want {
    const char *slug, *text, *way;
};

static void check_rule(const char *rule, int rc, const struct vml_notes *notes,
                       const struct want *want)
{
    const char *got = rc < 0 ? err.slug : "nothing", *slug = want->slug ? want->slug : "nothing";
    bool way = want->way == NULL;
    for (size_t i = 0; i < notes->n; i++)
        way = way || strstr(notes->items[i].text, want->way) != NULL;
    if (strcmp(got, slug) != 0 || (want->slug && err.code != VML_EREFUSED) ||
        (want->text && strcmp(err.text, want->text) != 0) || !way ||
        (!want->slug && notes->n > 0)) {
        fprintf(stderr, "%s: [%s] \"%s\", not [%s]; %zu ways round\n", rule, got,
                rc < 0 ? err.text : "", slug, notes->n);
        abort();
    }
}

/* --- an image of two disks ------------------------------------------------------------------ */

enum { DISKS = 2 };
struct facts {
    struct vml_image a;
    struct vml_mapping mappings[DISKS];
    struct vml_grant grants[4];
    struct vml_product_code codes[2];
    struct vml_source sources[DISKS];
    struct vml_copying copying;
    struct vml_sharing sharing;
    const char *grantees[4];
    bool default_key;
};

static void good(struct facts *f)
{
    *f = (struct facts){
        .a = { .id = "ami-00000000000000001",
               .name = "web",
               .owner = OWNER,
               .region = "us-east-1",
               .architecture = "x86_64",
               .virtualization = "hvm",
               .root_device = "/dev/sda1",
               .root_type = "ebs",
               .state = "available",
               .n_mappings = DISKS },
        .mappings = { { .device = "/dev/sda1", .snapshot = "snap-00000000000000001" },
                      { .device = "/dev/sdf", .snapshot = "snap-00000000000000002" } },
        .sources = { { "snap-00000000000000001", "", true, false },
                     { "snap-00000000000000002", "", true, false } },
        .copying = { .account = OWNER, .region = "eu-west-1" },
        .sharing = { .kind = VML_GRANT_LAUNCH, .n = 1 },
        .grantees = { FRIEND },
    };
    f->a.mappings = f->mappings;
    f->a.marks.grants = f->grants;
    f->a.marks.codes = f->codes;
    f->sharing.grantees = f->grantees;
}

static void grant(struct facts *f, const char *kind, const char *grantee)
{
    struct vml_grant *g = &f->grants[f->a.marks.n_grants++];
    strcpy(g->kind, kind);
    strcpy(g->grantee, grantee);
}

static void code(struct facts *f, const char *type)
{
    struct vml_product_code *c = &f->codes[f->a.marks.n_codes++];
    strcpy(c->type, type);
    strcpy(c->code, "code-1");
}

static void with(struct facts *f, const char *grantee)
{
    f->grantees[0] = grantee;
}

static void encrypted(struct facts *f)
{
    f->mappings[1].encrypted = true;
    f->sources[1].key = KEY;
    f->sources[1].key_usable = true;
}

#define MAKE(name, body)              \
    static void name(struct facts *f) \
    {                                 \
        body;                         \
    }

MAKE(as_it_is, (void)f)
MAKE(short_account, with(f, "22222222222"))
MAKE(letters, with(f, "22222222222x"))
MAKE(empty_account, with(f, ""))
MAKE(other_group, with(f, "everyone"))
MAKE(one_of_two, f->grantees[1] = "x"; f->sharing.n = 2)
MAKE(public, with(f, VML_EVERYONE))
MAKE(public_removed, encrypted(f); public(f); f->sharing.remove = true)
MAKE(removed_nonsense, with(f, "x"); f->sharing.remove = true)
MAKE(disabled, strcpy(f->a.state, "disabled"))
MAKE(deregistered, strcpy(f->a.state, "deregistered"))
MAKE(disabled_removed, disabled(f); f->sharing.remove = true)
MAKE(encrypted_public, encrypted(f); public(f))
MAKE(empty_encrypted_public, encrypted(f); f->mappings[1].snapshot[0] = '\0'; public(f))
MAKE(default_key, encrypted(f); f->default_key = true)
MAKE(default_key_removed, default_key(f); f->sharing.remove = true)
MAKE(billing, code(f, VML_PRODUCT_BILLING))
MAKE(marketplace, code(f, VML_PRODUCT_MARKETPLACE))
MAKE(devpay, code(f, VML_PRODUCT_DEVPAY))
MAKE(billing_public, billing(f); public(f))
MAKE(marketplace_public, marketplace(f); public(f))
MAKE(bucket_of_ebs, f->sharing.kind = VML_GRANT_READ_BUCKET)
MAKE(instance_store, strcpy(f->a.root_type, "instance-store"); f->a.n_mappings = 0)
MAKE(bucket, instance_store(f); f->sharing.kind = VML_GRANT_READ_BUCKET)

static void test_sharing_images(void)
{
    static const struct {
        const char *rule;
        void (*make)(struct facts *f);
        struct want want;
    } rows[] = {
        { "an image may be shared with an account", as_it_is, { 0 } },
        { "a user ID of 11 digits is none",
          short_account,
          { "InvalidAMIAttributeItemValue",
            "Invalid attribute item value \"22222222222\" for userId item type", NULL } },
        { "a user ID is digits", letters, { .slug = "InvalidAMIAttributeItemValue" } },
        { "a user ID is not empty", empty_account, { .slug = "InvalidAMIAttributeItemValue" } },
        { "the only group is all", other_group, { .slug = "InvalidAMIAttributeItemValue" } },
        { "one bad entry spoils all", one_of_two, { .slug = "InvalidAMIAttributeItemValue" } },
        { "bad entries cannot be removed either",
          removed_nonsense,
          { .slug = "InvalidAMIAttributeItemValue" } },
        { "an image may be public", public, { 0 } },
        { "a disabled image cannot be shared",
          disabled,
          { "IncorrectState", NULL, "vmlift image enable" } },
        { "permissions of a disabled image can be removed", disabled_removed, { 0 } },
        { "an image with an encrypted snapshot may be shared with an account", encrypted, { 0 } },
        { "an image with an encrypted snapshot cannot be public",
          encrypted_public,
          { .slug = "OperationNotPermitted" } },
        { "that it was public can be taken back", public_removed, { 0 } },
        { "an empty encrypted volume keeps no image from being public",
          empty_encrypted_public,
          { 0 } },
        { "an image with a snapshot under the default key cannot be shared",
          default_key,
          { "InvalidParameter",
            "Snapshots encrypted with the AWS Managed CMK can't be shared. Specify another "
            "snapshot",
            "image copy ami-00000000000000001 --encrypt --key" } },
        { "but unshared", default_key_removed, { 0 } },
        { "an image with a billing code may be shared with an account", billing, { 0 } },
        { "an image with a product code cannot be public",
          billing_public,
          { .slug = "OperationNotPermitted" } },
        { "nor one of the marketplace", marketplace_public, { .slug = "OperationNotPermitted" } },
        { "the bucket of an instance store may be shared", bucket, { 0 } },
        { "an image in snapshots has no bucket",
          bucket_of_ebs,
          { .slug = "InvalidParameterCombination" } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
        struct facts f;
        good(&f);
        rows[i].make(&f);
        check_rule(rows[i].rule,
                   vml_rule_share_image(&f.a, &f.sharing, f.default_key, &notes, &err), &notes,
                   &rows[i].want);
    }
}

static void test_sharing_snapshots(void)
{
    static const struct {
        const char *rule;
        bool encrypted;
        void (*make)(struct facts *f);
        struct want want;
    } rows[] = {
        { "a snapshot may be shared with an account", false, as_it_is, { 0 } },
        { "a snapshot may be public", false, public, { 0 } },
        { "a group is all", false, other_group, { .slug = "InvalidAMIAttributeItemValue" } },
        { "an encrypted snapshot may be shared with an account", true, as_it_is, { 0 } },
        { "an encrypted snapshot is never public",
          true,
          public,
          { "OperationNotPermitted", "Encrypted snapshots cannot be shared publicly", NULL } },
        { "a snapshot under the default key is never shared",
          true,
          default_key,
          { "OperationNotPermitted", "Encrypted snapshots with EBS default key cannot be shared",
            "snapshot copy snap-00000000000000001 --encrypt --key" } },
        { "what was shared can be taken back", true, default_key_removed, { 0 } },
        { "a snapshot of the marketplace may be shared with an account",
          false,
          marketplace,
          { 0 } },
        { "a snapshot of the marketplace is never public",
          false,
          marketplace_public,
          { .slug = "OperationNotPermitted" } },
        { "a snapshot with a billing code may be public", false, billing_public, { 0 } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
        struct vml_snapshot s = { .id = "snap-00000000000000001", .owner = OWNER };
        struct facts f;
        good(&f);
        rows[i].make(&f);
        if (rows[i].encrypted)
            strcpy(s.key, KEY);
        check_rule(rows[i].rule,
                   vml_rule_share_snapshot(&s, &f.a.marks, &f.sharing, f.default_key, &notes, &err),
                   &notes, &rows[i].want);
    }
}

static void test_limit(void)
{
    static const char *many[VML_CHANGES_MAX + 1];
    struct vml_sharing how = { .kind = VML_GRANT_LAUNCH, .grantees = many, .n = VML_CHANGES_MAX };
    for (size_t i = 0; i < VML_CHANGES_MAX + 1; i++)
        many[i] = FRIEND;
    CHECK_OK(vml_rule_grantees(&how, &err), &err);
    how.n++;
    CHECK_FAILS(vml_rule_grantees(&how, &err), &err, "InvalidParameterValue");
}

MAKE(shared, grant(f, VML_GRANT_LAUNCH, FRIEND))
MAKE(is_public, grant(f, VML_GRANT_LAUNCH, VML_EVERYONE))
MAKE(shared_and_public, shared(f); is_public(f))

static void test_leaving(void)
{
    static const struct {
        const char *rule, *account;
        void (*make)(struct facts *f);
        struct want want;
    } rows[] = {
        { "a recipient may give its permission up", FRIEND, shared, { 0 } },
        { "also when the image is public besides", FRIEND, shared_and_public, { 0 } },
        { "not what everybody has", FRIEND, is_public, { .slug = "OperationNotPermitted" } },
        { "the owner always may launch", OWNER, shared, { .slug = "OperationNotPermitted" } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct vml_notes none = { 0 };
        struct facts f;
        good(&f);
        rows[i].make(&f);
        check_rule(rows[i].rule, vml_rule_leave(&f.a, rows[i].account, &err), &none, &rows[i].want);
    }
}

/* --- copying -------------------------------------------------------------------------------- */

static void by(struct facts *f, const char *account)
{
    f->copying.account = account;
    grant(f, VML_GRANT_LAUNCH, account);
}

MAKE(by_friend, by(f, FRIEND))
MAKE(one_unread, by_friend(f); f->sources[1].readable = false)
MAKE(empty_unread, one_unread(f); f->sources[1].snapshot = "")
MAKE(none_read, one_unread(f); f->sources[0].readable = false)
MAKE(friends_billing, by_friend(f); billing(f))
MAKE(friends_marketplace, by_friend(f); marketplace(f))
MAKE(friends_devpay, by_friend(f); devpay(f))
MAKE(code_and_unread, one_unread(f); billing(f))
MAKE(friends_encrypted, by_friend(f); encrypted(f))
MAKE(no_key, friends_encrypted(f); f->sources[1].key_usable = false)
MAKE(no_key_no_storage, no_key(f); f->sources[1].readable = false)
MAKE(encrypt, f->copying.encrypt = true)
MAKE(encrypt_with, encrypt(f); f->copying.key = KEY)
MAKE(key_alone, f->copying.key = KEY)
MAKE(own_key_lost, encrypted(f); f->sources[1].key_usable = false)
MAKE(pv, strcpy(f->a.virtualization, "paravirtual"))
MAKE(pv_to_ohio, pv(f); f->copying.region = "us-east-2")
MAKE(pv_to_paris, pv(f); f->copying.region = "eu-west-3")
MAKE(hvm_to_ohio, f->copying.region = "us-east-2")
MAKE(store_own, instance_store(f))
MAKE(store_friend, by_friend(f); instance_store(f))
MAKE(store_granted, store_friend(f); grant(f, VML_GRANT_READ_BUCKET, FRIEND))
MAKE(store_granted_other, store_friend(f); grant(f, VML_GRANT_READ_BUCKET, STRANGER))
MAKE(public_unread, is_public(f); f->copying.account = STRANGER; f->sources[0].readable = false)
MAKE(public_read, is_public(f); f->copying.account = STRANGER)
MAKE(friend_disabled, by_friend(f); disabled(f))

#define NO_STORAGE "You do not have permission to access the storage of this ami"
#define LAUNCH     "vmlift image create --from-image ami-00000000000000001"

static void test_copying_images(void)
{
    static const struct {
        const char *rule;
        void (*make)(struct facts *f);
        struct want want;
    } rows[] = {
        { "an account may copy its own image", as_it_is, { 0 } },
        { "its own with an encrypted snapshot", encrypted, { 0 } },
        { "its own with a billing code", billing, { 0 } },
        { "its own of the marketplace", marketplace, { 0 } },
        { "another's, when all snapshots are shared", by_friend, { 0 } },
        { "not when one snapshot is not shared",
          one_unread,
          { "InvalidRequest", NO_STORAGE,
            "snapshot share snap-00000000000000002 --with " FRIEND } },
        { "there is a way round: launch, and create an image",
          none_read,
          { "InvalidRequest", NO_STORAGE, LAUNCH } },
        { "an empty volume has no storage", empty_unread, { 0 } },
        { "a public image is no exception",
          public_unread,
          { "InvalidRequest", NO_STORAGE, LAUNCH } },
        { "a public image whose snapshots are public, too", public_read, { 0 } },
        { "not another's with a billing code",
          friends_billing,
          { "InvalidRequest",
            "Images with EC2 BillingProduct codes cannot be copied to another AWS account",
            LAUNCH } },
        { "not another's from the marketplace",
          friends_marketplace,
          { "InvalidRequest", "Images from AWS Marketplace cannot be copied to another AWS account",
            LAUNCH } },
        { "not another's with a DevPay code", friends_devpay, { "InvalidRequest", NULL, LAUNCH } },
        { "the code is what is told when the storage is closed, too",
          code_and_unread,
          { .slug = "InvalidRequest",
            .text =
                "Images with EC2 BillingProduct codes cannot be copied to another AWS account" } },
        { "another's encrypted one, with a granted key", friends_encrypted, { 0 } },
        { "not without the key",
          no_key,
          { "InvalidRequest", NULL, "vmlift key grant " KEY " --to " FRIEND } },
        { "a granted key is not enough without the storage",
          no_key_no_storage,
          { "InvalidRequest", NO_STORAGE, NULL } },
        { "not one's own without its key", own_key_lost, { .slug = "InvalidRequest" } },
        { "from plain to encrypted", encrypt, { 0 } },
        { "with a key of one's choice", encrypt_with, { 0 } },
        { "a key needs Encrypted",
          key_alone,
          { "InvalidParameterDependency",
            "The parameter KmsKeyId requires the parameter Encrypted to be set", NULL } },
        { "a disabled image cannot be copied",
          disabled,
          { "IncorrectState", NULL, "vmlift image enable" } },
        { "whoever it is shared with", friend_disabled, { .slug = "IncorrectState" } },
        { "nor a deregistered one", deregistered, { .slug = "IncorrectState" } },
        { "a paravirtual image to a region that has them", pv, { 0 } },
        { "not to one that has none", pv_to_ohio, { .slug = "UnsupportedOperation" } },
        { "nor to another", pv_to_paris, { .slug = "UnsupportedOperation" } },
        { "an hvm image to any region", hvm_to_ohio, { 0 } },
        { "an account may copy its own from an instance store", store_own, { 0 } },
        { "not another's without its bucket",
          store_friend,
          { "InvalidRequest", NO_STORAGE, LAUNCH } },
        { "another's with permission to read its bucket", store_granted, { 0 } },
        { "which must be its own", store_granted_other, { "InvalidRequest", NO_STORAGE, NULL } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
        struct facts f;
        good(&f);
        rows[i].make(&f);
        check_rule(rows[i].rule, vml_rule_copy_image(&f.a, &f.copying, f.sources, &notes, &err),
                   &notes, &rows[i].want);
    }
}

static void test_copying_snapshots(void)
{
    static const struct {
        const char *rule;
        void (*make)(struct facts *f);
        struct want want;
    } rows[] = {
        { "a snapshot that can be read can be copied", as_it_is, { 0 } },
        { "an encrypted one with its key", encrypted, { 0 } },
        { "not without", no_key, { "InvalidRequest", NULL, "vmlift key grant " KEY } },
        { "a key needs Encrypted", key_alone, { .slug = "InvalidParameterDependency" } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
        struct facts f;
        good(&f);
        rows[i].make(&f);
        check_rule(rows[i].rule, vml_rule_copy_snapshot(&f.copying, &f.sources[1], &notes, &err),
                   &notes, &rows[i].want);
    }
}

int main(void)
{
    test_sharing_images();
    test_sharing_snapshots();
    test_limit();
    test_leaving();
    test_copying_images();
    test_copying_snapshots();
    return 0;
}
