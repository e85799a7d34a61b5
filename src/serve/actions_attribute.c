/* EC2: attributes of images and snapshots, the permissions of others first of all.
 *
 * Both forms in which permissions are changed are in use (awscli has options for each):
 *
 *     LaunchPermission.Add.1.UserId=111122223333&LaunchPermission.Remove.1.Group=all
 *     Attribute=launchPermission&OperationType=add&UserId.1=111122223333&UserGroup.1=all */
#include <stdlib.h>
#include <string.h>

#include "serve/actions.h"
#include "vmlift/filter.h"
#include "vmlift/rules.h"
#include "vmlift/share.h"

/* --- whom ------------------------------------------------------------------------------------- */

/* Who is to be given a permission, and from whom it is to be taken. */
struct change {
    struct vml_texts add, remove;
    struct vml_sharing how, then;
};

static void change_clear(struct change *c)
{
    vml_texts_clear(&c->add);
    vml_texts_clear(&c->remove);
}

static int fail_item(const char *value, const char *type, struct vml_error *err)
{
    return vml_fail(err, VML_EREFUSED, "InvalidAMIAttributeItemValue",
                    "Invalid attribute item value \"%.64s\" for %s item type.", value, type);
}

/* The registry calls everyone "all", which is no account. */
static int add(struct vml_texts *to, const char *value, bool group, struct vml_error *err)
{
    const char **more = reallocarray(to->items, to->n + 1, sizeof *more);
    struct vml_error ignored;

    if (more == NULL)
        return vml_fail_nomem(err);
    to->items = more;
    if (group ? strcmp(value, VML_EVERYONE) != 0 : vml_rule_account(value, &ignored) < 0)
        return fail_item(value, group ? "userGroup" : "userId", err);
    more[to->n++] = value;
    return 0;
}

static int read_items(const struct vml_request *r, const char *prefix, struct vml_texts *to,
                      struct vml_error *err)
{
    VML_AUTO(vml_numbers_clear) struct vml_numbers numbers = { NULL, 0 };

    if (vml_param_numbers(r, &numbers, err, "%s", prefix) < 0)
        return -1;
    for (size_t i = 0; i < numbers.n; i++) {
        const char *user = vml_param(r, "%s.%u.UserId", prefix, numbers.items[i]);
        const char *group = vml_param(r, "%s.%u.Group", prefix, numbers.items[i]);
        if ((user == NULL) == (group == NULL))
            return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                            "%s.%u: one of UserId and Group", prefix, numbers.items[i]);
        if (add(to, user != NULL ? user : group, group != NULL, err) < 0)
            return -1;
    }
    return 0;
}

static int read_flat(const struct vml_request *r, struct change *c, struct vml_error *err)
{
    VML_AUTO(vml_texts_clear) struct vml_texts users = { NULL, 0 };
    VML_AUTO(vml_texts_clear) struct vml_texts groups = { NULL, 0 };
    const char *operation = vml_param(r, "OperationType");

    if (vml_param_list(r, "UserId", &users, err) < 0 ||
        vml_param_list(r, "UserGroup", &groups, err) < 0)
        return -1;
    if (users.n + groups.n == 0)
        return 0;
    if (operation == NULL)
        return vml_fail(err, VML_EREFUSED, "MissingParameter",
                        "The request must contain the parameter OperationType");
    if (strcmp(operation, "add") != 0 && strcmp(operation, "remove") != 0)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "Value (%.64s) for parameter operationType is invalid: it is one of add, "
                        "remove",
                        operation);
    struct vml_texts *to = operation[0] == 'a' ? &c->add : &c->remove;
    for (size_t i = 0; i < users.n; i++)
        if (add(to, users.items[i], false, err) < 0)
            return -1;
    for (size_t i = 0; i < groups.n; i++)
        if (add(to, groups.items[i], true, err) < 0)
            return -1;
    return 0;
}

/* member: "LaunchPermission". */
static int read_change(const struct vml_request *r, const char *member, const char *kind,
                       struct change *c, struct vml_error *err)
{
    char prefix[64];

    snprintf(prefix, sizeof prefix, "%s.Add", member);
    if (read_items(r, prefix, &c->add, err) < 0)
        return -1;
    snprintf(prefix, sizeof prefix, "%s.Remove", member);
    if (read_items(r, prefix, &c->remove, err) < 0 || read_flat(r, c, err) < 0)
        return -1;
    c->how = (struct vml_sharing){ .kind = kind, .grantees = c->add.items, .n = c->add.n };
    c->then = (struct vml_sharing){
        .kind = kind, .grantees = c->remove.items, .n = c->remove.n, .remove = true
    };
    if (c->how.n > 0 && c->then.n > 0)
        c->how.then = &c->then;
    else if (c->then.n > 0)
        c->how = c->then;
    return 0;
}

static bool changes_something(const struct change *c)
{
    return c->add.n + c->remove.n > 0;
}

/* --- ModifyImageAttribute --------------------------------------------------------------------- */

/* The value of an attribute in either form; NULL: it is not asked for. */
static const char *new_value(const struct vml_request *r, const char *attribute, const char *member)
{
    const char *named = vml_param(r, "Attribute"), *value = vml_param(r, "%s.Value", member);

    if (value == NULL && named != NULL && strcmp(named, attribute) == 0)
        value = vml_param(r, "Value");
    return value;
}

static int fail_attribute(const char *said, struct vml_error *err)
{
    return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                    "Value (%.64s) for parameter attribute is invalid. Unknown attribute.", said);
}

static int check_attribute(const struct vml_request *r, const char *words, struct vml_error *err)
{
    const char *said = vml_param(r, "Attribute");

    return said == NULL || vml_is_word(words, said) ? 0 : fail_attribute(said, err);
}

/* What is said in one form must not be contradicted, or left out, in the other. */
static int check_form(const struct vml_request *r, const char *attribute, struct vml_error *err)
{
    const char *named = vml_param(r, "Attribute");
    bool value = vml_is_word("description imdsSupport", attribute);

    if ((named != NULL && strcmp(named, attribute) != 0) ||
        (vml_param(r, "Value") != NULL && (named == NULL || !value)) ||
        (vml_param(r, "OperationType") != NULL && value))
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "The parameters Attribute, OperationType and Value are not those of %s",
                        attribute);
    return 0;
}

static int modify(struct vml_request *r, const char *id, const struct vml_modify *what,
                  struct change *c, struct vml_error *err)
{
    int asked = (what->description != NULL) + (what->imds != NULL) + (what->n_codes > 0) +
                changes_something(c);

    if (asked == 0)
        return vml_fail(err, VML_EREFUSED, "MissingParameter",
                        "The request must contain an attribute to modify");
    if (asked > 1)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "Only one attribute may be modified at a time");
    const char *attribute = what->description != NULL ? "description"
                            : what->imds != NULL      ? "imdsSupport"
                            : what->n_codes > 0       ? "productCodes"
                                                      : "launchPermission";
    if (check_form(r, attribute, err) < 0 || vml_check_own_image(r, id, err) < 0 ||
        vml_dry_run(r, err) < 0)
        return -1;
    return changes_something(c)
               ? vml_registry_share(r->store, &r->where, id, &c->how, false, NULL, NULL, err)
               : vml_registry_modify(r->store, &r->where, id, what, NULL, err);
}

int vml_do_modify_image_attribute(struct vml_request *r, struct vml_answer *a,
                                  struct vml_error *err)
{
    VML_AUTO(change_clear) struct change c = { .add = { NULL, 0 } };
    VML_AUTO(vml_texts_clear) struct vml_texts codes = { NULL, 0 };
    const char *id;

    if (vml_need_image(r, "ImageId", &id, err) < 0 ||
        check_attribute(r, "description imdsSupport launchPermission productCodes", err) < 0 ||
        vml_param_list(r, "ProductCode", &codes, err) < 0 ||
        read_change(r, "LaunchPermission", VML_GRANT_LAUNCH, &c, err) < 0)
        return -1;
    const struct vml_modify what = {
        .description = new_value(r, "description", "Description"),
        .imds = new_value(r, "imdsSupport", "ImdsSupport"),
        .codes = codes.items,
        .n_codes = codes.n,
    };
    if (modify(r, id, &what, &c, err) < 0)
        return -1;
    vml_print_true(a);
    return 0;
}

int vml_do_reset_image_attribute(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    const struct vml_sharing all = { .kind = VML_GRANT_LAUNCH, .remove = true, .all = true };
    const char *id, *attribute;

    if (vml_need_image(r, "ImageId", &id, err) < 0 ||
        vml_param_need(r, "Attribute", &attribute, err) < 0 ||
        check_attribute(r, "launchPermission", err) < 0 || vml_check_own_image(r, id, err) < 0 ||
        vml_dry_run(r, err) < 0 ||
        vml_registry_share(r->store, &r->where, id, &all, false, NULL, NULL, err) < 0)
        return -1;
    vml_print_true(a);
    return 0;
}

/* --- DescribeImageAttribute ------------------------------------------------------------------- */

static void print_value(struct vml_answer *a, const char *element, const char *value)
{
    vml_xml_open(a, element);
    vml_xml_option(a, "value", value);
    vml_xml_close(a, element);
}

static void print_grants(struct vml_answer *a, const char *element, const struct vml_marks *m,
                         const char *kind)
{
    vml_xml_open(a, element);
    for (size_t i = 0; i < m->n_grants; i++) {
        bool everyone = strcmp(m->grants[i].grantee, VML_EVERYONE) == 0;
        if (strcmp(m->grants[i].kind, kind) != 0)
            continue;
        vml_xml_open(a, "item");
        vml_xml_text(a, everyone ? "group" : "userId", m->grants[i].grantee);
        vml_xml_close(a, "item");
    }
    vml_xml_close(a, element);
}

static int print_attribute(struct vml_answer *a, const struct vml_image *i, const char *name,
                           struct vml_error *err)
{
    const struct {
        const char *name, *value;
    } values[] = {
        { "description", i->description },
        { "kernel", i->kernel },
        { "ramdisk", i->ramdisk },
        { "sriovNetSupport", i->sriov },
        { "bootMode", i->boot_mode },
        { "tpmSupport", i->tpm },
        { "imdsSupport", i->imds },
        { "uefiData", "" },         /* is not taken when an image is registered */
        { "lastLaunchedTime", "" }, /* nothing is */
        { "deregistrationProtection", vml_image_deregistration(i, vml_now()) },
    };

    if (strcmp(name, "launchPermission") == 0) {
        print_grants(a, name, &i->marks, VML_GRANT_LAUNCH);
        return 0;
    }
    if (strcmp(name, "productCodes") == 0) {
        vml_print_products(a, &i->marks);
        return 0;
    }
    /* As EC2 has it (API reference), whose attribute this is. */
    if (strcmp(name, "blockDeviceMapping") == 0)
        return vml_fail(err, VML_EREFUSED, "AuthFailure",
                        "Unauthorized attempt to access restricted resource");
    for (size_t k = 0; k < sizeof values / sizeof values[0]; k++)
        if (strcmp(name, values[k].name) == 0) {
            print_value(a, name, values[k].value);
            return 0;
        }
    return fail_attribute(name, err);
}

int vml_do_describe_image_attribute(struct vml_request *r, struct vml_answer *a,
                                    struct vml_error *err)
{
    VML_AUTO(vml_image_clear) struct vml_image image = { 0 };
    const char *id, *attribute;

    if (vml_need_image(r, "ImageId", &id, err) < 0 ||
        vml_param_need(r, "Attribute", &attribute, err) < 0 ||
        vml_check_own_image(r, id, err) < 0 ||
        vml_registry_get(r->store, &r->where, id, &image, err) < 0)
        return -1;
    vml_xml_text(a, "imageId", image.id);
    return print_attribute(a, &image, attribute, err) < 0 ? -1 : vml_dry_run(r, err);
}

/* --- snapshots -------------------------------------------------------------------------------- */

/* The account's own, of which the attribute is asked for. */
static int own_snapshot(struct vml_request *r, const char **id, const char *words,
                        struct vml_error *err)
{
    return vml_need_snapshot(r, "SnapshotId", id, err) < 0 || check_attribute(r, words, err) < 0
               ? -1
               : vml_registry_snapshot_own(r->store, &r->where, *id, err);
}

int vml_do_describe_snapshot_attribute(struct vml_request *r, struct vml_answer *a,
                                       struct vml_error *err)
{
    VML_AUTO(vml_registry_snapshot_clear) struct vml_registry_snapshot s = { 0 };
    const char *id, *attribute;

    if (vml_param_need(r, "Attribute", &attribute, err) < 0 ||
        own_snapshot(r, &id, "createVolumePermission productCodes", err) < 0 ||
        vml_dry_run(r, err) < 0 || vml_registry_snapshot_get(r->store, &r->where, id, &s, err) < 0)
        return -1;
    vml_xml_text(a, "snapshotId", s.is.id);
    if (strcmp(attribute, "productCodes") == 0)
        vml_print_products(a, &s.marks);
    else
        print_grants(a, attribute, &s.marks, VML_GRANT_CREATE_VOLUME);
    return 0;
}

int vml_do_modify_snapshot_attribute(struct vml_request *r, struct vml_answer *a,
                                     struct vml_error *err)
{
    VML_AUTO(change_clear) struct change c = { .add = { NULL, 0 } };
    const char *id;

    if (own_snapshot(r, &id, "createVolumePermission", err) < 0 ||
        read_change(r, "CreateVolumePermission", VML_GRANT_CREATE_VOLUME, &c, err) < 0)
        return -1;
    if (!changes_something(&c))
        return vml_fail(err, VML_EREFUSED, "MissingParameter",
                        "The request must contain an attribute to modify");
    if (c.add.n > 0 && c.remove.n > 0)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterCombination",
                        "Permissions may be added or removed, not both at once");
    if (vml_dry_run(r, err) < 0 ||
        vml_registry_share_snapshot(r->store, &r->where, id, &c.how, NULL, NULL, err) < 0)
        return -1;
    vml_print_true(a);
    return 0;
}

int vml_do_reset_snapshot_attribute(struct vml_request *r, struct vml_answer *a,
                                    struct vml_error *err)
{
    const struct vml_sharing all = { .kind = VML_GRANT_CREATE_VOLUME, .remove = true, .all = true };
    const char *id, *attribute;

    if (vml_param_need(r, "Attribute", &attribute, err) < 0 ||
        own_snapshot(r, &id, "createVolumePermission", err) < 0 || vml_dry_run(r, err) < 0 ||
        vml_registry_share_snapshot(r->store, &r->where, id, &all, NULL, NULL, err) < 0)
        return -1;
    vml_print_true(a);
    return 0;
}
