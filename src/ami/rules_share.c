/* Whom an image or a snapshot may be shared with, and who may copy it. */
#include <string.h>

#include "vmlift/rules.h"

/* The way round a refusal. */
#define NOTE(notes, ...)                                      \
    do {                                                      \
        if (notes)                                            \
            vml_note((notes), "rule/way-round", __VA_ARGS__); \
    } while (0)

static bool everyone(const char *grantee)
{
    return strcmp(grantee, VML_EVERYONE) == 0;
}

static bool with_everyone(const struct vml_sharing *how)
{
    for (size_t i = 0; i < how->n; i++) {
        if (everyone(how->grantees[i]))
            return true;
    }
    return false;
}

static bool has_code(const struct vml_marks *m, const char *type)
{
    for (size_t i = 0; i < m->n_codes; i++) {
        if (strcmp(m->codes[i].type, type) == 0)
            return true;
    }
    return false;
}

static bool is_encrypted(const struct vml_image *a)
{
    for (size_t i = 0; i < a->n_mappings; i++) {
        if (a->mappings[i].snapshot[0] && a->mappings[i].encrypted)
            return true;
    }
    return false;
}

/* --- sharing -------------------------------------------------------------------------------- */

/* EC2 tells users and groups apart; here the one group is a word, and what is neither it nor an
 * account is told as a user. */
int vml_rule_grantees(const struct vml_sharing *how, struct vml_error *err)
{
    if (how->n > VML_CHANGES_MAX) /* documented of snapshots */
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "%zu changes of permissions at once, at most %u allowed", how->n,
                        VML_CHANGES_MAX);
    for (size_t i = 0; i < how->n; i++) {
        const char *g = how->grantees[i];
        if (!everyone(g) && (strlen(g) != 12 || strspn(g, "0123456789") != 12))
            return vml_fail(err, VML_EREFUSED, "InvalidAMIAttributeItemValue",
                            "Invalid attribute item value \"%.64s\" for userId item type", g);
    }
    return 0;
}

/* What EC2 says of a disabled image and to publishing an image of encrypted snapshots or with
 * product codes is not documented, but that it refuses. */
int vml_rule_share_image(const struct vml_image *a, const struct vml_sharing *how, bool default_key,
                         struct vml_notes *notes, struct vml_error *err)
{
    if (vml_rule_grantees(how, err) < 0)
        return -1;
    if (how->remove)
        return 0;
    if (strcmp(a->state, VML_DISABLED) == 0) {
        NOTE(notes, "\"vmlift image enable %s\" first", a->id);
        return vml_fail(err, VML_EREFUSED, "IncorrectState",
                        "The image '%s' is disabled and cannot be shared", a->id);
    }
    if (strcmp(how->kind, VML_GRANT_READ_BUCKET) == 0 &&
        strcmp(a->root_type, VML_INSTANCE_STORE) != 0)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "The image '%s' is in snapshots and not in a bucket", a->id);
    if (default_key) {
        NOTE(notes,
             "\"vmlift image copy %s --encrypt --key KEY\" makes an image that can be shared",
             a->id);
        return vml_fail(err, VML_EREFUSED, "InvalidParameter",
                        "Snapshots encrypted with the AWS Managed CMK can't be shared. Specify "
                        "another snapshot");
    }
    if (!with_everyone(how))
        return 0;
    if (is_encrypted(a))
        return vml_fail(err, VML_EREFUSED, "OperationNotPermitted",
                        "Images with encrypted snapshots cannot be shared publicly");
    if (a->marks.n_codes > 0)
        return vml_fail(err, VML_EREFUSED, "OperationNotPermitted",
                        "Images with product codes cannot be shared publicly");
    return 0;
}

int vml_rule_share_snapshot(const struct vml_snapshot *s, const struct vml_marks *m,
                            const struct vml_sharing *how, bool default_key,
                            struct vml_notes *notes, struct vml_error *err)
{
    if (vml_rule_grantees(how, err) < 0)
        return -1;
    if (how->remove)
        return 0;
    if (s->key[0] && with_everyone(how))
        return vml_fail(err, VML_EREFUSED, "OperationNotPermitted",
                        "Encrypted snapshots cannot be shared publicly");
    if (default_key) {
        NOTE(notes, "\"vmlift snapshot copy %s --encrypt --key KEY\" makes one that can be shared",
             s->id);
        return vml_fail(err, VML_EREFUSED, "OperationNotPermitted",
                        "Encrypted snapshots with EBS default key cannot be shared");
    }
    if (has_code(m, VML_PRODUCT_MARKETPLACE) && with_everyone(how))
        return vml_fail(err, VML_EREFUSED, "OperationNotPermitted",
                        "Snapshots with product codes of AWS Marketplace cannot be shared "
                        "publicly");
    return 0;
}

/* EC2's words for these are not known. */
int vml_rule_leave(const struct vml_image *a, const char *account, struct vml_error *err)
{
    if (strcmp(a->owner, account) == 0)
        return vml_fail(err, VML_EREFUSED, "OperationNotPermitted",
                        "Account %s owns the image '%s'", account, a->id);
    for (size_t i = 0; i < a->marks.n_grants; i++) {
        const struct vml_grant *g = &a->marks.grants[i];
        if (strcmp(g->kind, VML_GRANT_LAUNCH) == 0 && strcmp(g->grantee, account) == 0)
            return 0;
    }
    return vml_fail(err, VML_EREFUSED, "OperationNotPermitted",
                    "The image '%s' is public, and not shared with account %s by itself", a->id,
                    account);
}

/* --- reading -------------------------------------------------------------------------------- */

static void note_launch(const struct vml_image *a, struct vml_notes *notes)
{
    NOTE(notes,
         "launch a machine of it, and make an image of that: \"vmlift image create --from-image "
         "%s --name NAME\"",
         a->id);
}

static int no_storage(const struct vml_image *a, const char *account, const char *snapshot,
                      struct vml_notes *notes, struct vml_error *err)
{
    if (snapshot)
        NOTE(notes, "account %s can grant it: \"vmlift snapshot share %s --with %s\"", a->owner,
             snapshot, account);
    note_launch(a, notes);
    return vml_fail(err, VML_EREFUSED, "InvalidRequest",
                    "You do not have permission to access the storage of this ami");
}

int vml_rule_read_image(const struct vml_image *a, const char *account,
                        const struct vml_source *sources, struct vml_notes *notes,
                        struct vml_error *err)
{
    if (strcmp(a->root_type, VML_INSTANCE_STORE) == 0 && strcmp(a->owner, account) != 0 &&
        !vml_marks_granted(&a->marks, VML_GRANT_READ_BUCKET, account))
        return no_storage(a, account, NULL, notes, err);
    for (size_t i = 0; i < a->n_mappings; i++) {
        if (sources[i].snapshot[0] && !sources[i].readable)
            return no_storage(a, account, sources[i].snapshot, notes, err);
    }
    return 0;
}

/* --- copying -------------------------------------------------------------------------------- */

static int rule_encrypt(const struct vml_copying *how, struct vml_error *err)
{
    if (how->key && !how->encrypt)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterDependency",
                        "The parameter KmsKeyId requires the parameter Encrypted to be set");
    return 0;
}

/* EC2 takes the order to copy, and the copy fails with this. */
static int rule_key(const struct vml_source *from, const char *account, struct vml_notes *notes,
                    struct vml_error *err)
{
    if (!from->key[0] || from->key_usable)
        return 0;
    NOTE(notes, "the key's owner can grant it: \"vmlift key grant %s --to %s\"", from->key,
         account);
    return vml_fail(err, VML_EREFUSED, "InvalidRequest",
                    "Given key ID is not accessible: %s, with which %s is encrypted, is not "
                    "granted to account %s",
                    from->key, from->snapshot, account);
}

/* Of other accounts' images.  EC2's sentence about DevPay is not known. */
static int rule_codes(const struct vml_image *a, struct vml_notes *notes, struct vml_error *err)
{
    static const char *const rows[][2] = {
        { VML_PRODUCT_BILLING,
          "Images with EC2 BillingProduct codes cannot be copied to another AWS account" },
        { VML_PRODUCT_MARKETPLACE,
          "Images from AWS Marketplace cannot be copied to another AWS account" },
        { VML_PRODUCT_DEVPAY,
          "Images with DevPay product codes cannot be copied to another AWS account" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!has_code(&a->marks, rows[i][0]))
            continue;
        note_launch(a, notes);
        return vml_fail(err, VML_EREFUSED, "InvalidRequest", "%s", rows[i][1]);
    }
    return 0;
}

int vml_rule_copy_image(const struct vml_image *a, const struct vml_copying *how,
                        const struct vml_source *sources, struct vml_notes *notes,
                        struct vml_error *err)
{
    if (rule_encrypt(how, err) < 0)
        return -1;
    if (strcmp(a->state, "available") != 0) {
        if (strcmp(a->state, VML_DISABLED) == 0)
            NOTE(notes, "\"vmlift image enable %s\" first", a->id);
        return vml_fail(err, VML_EREFUSED, "IncorrectState",
                        "The image '%s' is %s and cannot be copied", a->id, a->state);
    }
    if ((strcmp(a->owner, how->account) != 0 && rule_codes(a, notes, err) < 0) ||
        vml_rule_read_image(a, how->account, sources, notes, err) < 0)
        return -1;
    for (size_t i = 0; i < a->n_mappings; i++) {
        if (rule_key(&sources[i], how->account, notes, err) < 0)
            return -1;
    }
    return strcmp(a->virtualization, "paravirtual") == 0 ? vml_rule_pv_region(how->region, err) : 0;
}

int vml_rule_copy_snapshot(const struct vml_copying *how, const struct vml_source *source,
                           struct vml_notes *notes, struct vml_error *err)
{
    return rule_encrypt(how, err) < 0 ? -1 : rule_key(source, how->account, notes, err);
}
