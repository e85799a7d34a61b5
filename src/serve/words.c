/* What the parameters of several actions say. */
#include <string.h>

#include "serve/actions.h"
#include "vmlift/rules.h"

/* --- IDs -------------------------------------------------------------------------------------- */

static int check_id(const char *id, const char *prefix, const char *code, struct vml_error *err)
{
    return vml_is_id(id, prefix)
               ? 0
               : vml_fail(err, VML_EREFUSED, code, "Invalid id: \"%.128s\" (expecting \"%s...\")",
                          id, prefix);
}

int vml_need_image(const struct vml_request *r, const char *name, const char **id,
                   struct vml_error *err)
{
    return vml_param_need(r, name, id, err) < 0
               ? -1
               : check_id(*id, "ami-", "InvalidAMIID.Malformed", err);
}

int vml_need_snapshot(const struct vml_request *r, const char *name, const char **id,
                      struct vml_error *err)
{
    return vml_param_need(r, name, id, err) < 0
               ? -1
               : check_id(*id, "snap-", "InvalidSnapshotID.Malformed", err);
}

int vml_check_image_ids(const struct vml_texts *ids, struct vml_error *err)
{
    for (size_t i = 0; i < ids->n; i++)
        if (check_id(ids->items[i], "ami-", "InvalidAMIID.Malformed", err) < 0)
            return -1;
    return 0;
}

int vml_origin(const char *id, const char *prefix, const char *of, const char *code_prefix,
               char out[32], struct vml_error *err)
{
    char code[48];

    snprintf(code, sizeof code, "%sID.Malformed", code_prefix);
    if (check_id(id, prefix, code, err) < 0)
        return -1;
    snprintf(out, 32, "%s%s", of, id + strlen(prefix));
    return 0;
}

int vml_check_own_image(struct vml_request *r, const char *id, struct vml_error *err)
{
    VML_AUTO(vml_image_clear) struct vml_image a = { 0 };

    if (vml_registry_get(r->store, &r->where, id, &a, err) < 0)
        return -1;
    return strcmp(a.owner, r->account) == 0
               ? 0
               : vml_fail(err, VML_EREFUSED, "AuthFailure", "Not authorized for image:%s", id);
}

/* --- tags ------------------------------------------------------------------------------------- */

bool vml_is_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = strstr(words, word); at != NULL && len > 0; at = strstr(at + 1, word))
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

static int read_tags(const struct vml_request *r, unsigned n, struct vml_marks *m,
                     struct vml_error *err)
{
    VML_AUTO(vml_numbers_clear) struct vml_numbers numbers = { NULL, 0 };

    if (vml_param_numbers(r, &numbers, err, "TagSpecification.%u.Tag", n) < 0)
        return -1;
    for (size_t i = 0; i < numbers.n; i++) {
        const char *key = vml_param(r, "TagSpecification.%u.Tag.%u.Key", n, numbers.items[i]);
        const char *value = vml_param(r, "TagSpecification.%u.Tag.%u.Value", n, numbers.items[i]);
        if (vml_marks_tag(m, key != NULL ? key : "", value != NULL ? value : "", err) < 0)
            return -1;
    }
    return 0;
}

int vml_request_tags(const struct vml_request *r, const char *type, const char *types,
                     struct vml_marks *m, struct vml_error *err)
{
    VML_AUTO(vml_numbers_clear) struct vml_numbers numbers = { NULL, 0 };

    if (vml_param_numbers(r, &numbers, err, "TagSpecification") < 0)
        return -1;
    for (size_t i = 0; i < numbers.n; i++) {
        const char *said = vml_param(r, "TagSpecification.%u.ResourceType", numbers.items[i]);
        if (said == NULL || !vml_is_word(types, said))
            return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                            "'%.64s' is not a valid taggable resource type for this operation.",
                            said != NULL ? said : "");
        if (strcmp(said, type) == 0 && read_tags(r, numbers.items[i], m, err) < 0)
            return -1;
    }
    return vml_rule_tags(m->tags, m->n_tags, err);
}

/* --- keys ------------------------------------------------------------------------------------- */

int vml_request_key(const struct vml_request *r, const char **id, struct vml_error *err)
{
    static const char mark[] = ":key/";
    const char *said = vml_param(r, "KmsKeyId");
    const char *in_arn = said != NULL ? strstr(said, mark) : NULL;

    *id = in_arn != NULL ? in_arn + sizeof mark - 1 : said;
    if (said == NULL || strcmp(said, "alias/aws/ebs") == 0)
        *id = NULL;
    else if (strlen(*id) != 36)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "Value (%.128s) for parameter KmsKeyId is invalid. Expected a key's ID or "
                        "ARN, or alias/aws/ebs",
                        said);
    return 0;
}
