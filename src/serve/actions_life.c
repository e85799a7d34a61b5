/* EC2: what becomes of an image until it is deregistered. */
#include "serve/actions.h"
#include "vmlift/filter.h"
#include "vmlift/share.h"

/* The image of one's own that the action is for. */
static int own_image(struct vml_request *r, const char **id, struct vml_error *err)
{
    return vml_need_image(r, "ImageId", id, err) < 0 || vml_check_own_image(r, *id, err) < 0
               ? -1
               : vml_dry_run(r, err);
}

int vml_do_enable_image(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    const char *id;

    if (own_image(r, &id, err) < 0 || vml_registry_enable(r->store, &r->where, id, NULL, err) < 0)
        return -1;
    vml_print_true(a);
    return 0;
}

int vml_do_disable_image(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    const char *id;

    if (own_image(r, &id, err) < 0 || vml_registry_disable(r->store, &r->where, id, NULL, err) < 0)
        return -1;
    vml_print_true(a);
    return 0;
}

int vml_do_enable_image_deprecation(struct vml_request *r, struct vml_answer *a,
                                    struct vml_error *err)
{
    const char *id, *when;
    int64_t at = 0;

    if (vml_param_need(r, "DeprecateAt", &when, err) < 0)
        return -1;
    if (!vml_ec2_time_parse(when, &at) || at <= 0)
        return vml_fail(err, VML_EREFUSED, "InvalidParameterValue",
                        "Value (%.64s) for parameter DeprecateAt is invalid. Expected a time like "
                        "2030-12-31T18:00:00Z",
                        when);
    if (own_image(r, &id, err) < 0 ||
        vml_registry_deprecate(r->store, &r->where, id, at, NULL, err) < 0)
        return -1;
    vml_print_true(a);
    return 0;
}

int vml_do_disable_image_deprecation(struct vml_request *r, struct vml_answer *a,
                                     struct vml_error *err)
{
    const char *id;

    if (own_image(r, &id, err) < 0 ||
        vml_registry_deprecate(r->store, &r->where, id, 0, NULL, err) < 0)
        return -1;
    vml_print_true(a);
    return 0;
}

/* --- protection ------------------------------------------------------------------------------- */

static int protect(struct vml_request *r, struct vml_answer *a, enum vml_protect how,
                   struct vml_error *err)
{
    VML_AUTO(vml_image_clear) struct vml_image image = { 0 };
    const char *id;

    if (own_image(r, &id, err) < 0 ||
        vml_registry_protect(r->store, &r->where, id, how, &image, err) < 0)
        return -1;
    vml_xml_text(a, "return", vml_image_deregistration(&image, vml_now()));
    return 0;
}

int vml_do_enable_image_protection(struct vml_request *r, struct vml_answer *a,
                                   struct vml_error *err)
{
    bool cooldown = false;

    return vml_param_bool(r, &cooldown, err, "WithCooldown") < 0
               ? -1
               : protect(r, a, cooldown ? VML_PROTECT_WITH_COOLDOWN : VML_PROTECT_ON, err);
}

int vml_do_disable_image_protection(struct vml_request *r, struct vml_answer *a,
                                    struct vml_error *err)
{
    return protect(r, a, VML_PROTECT_OFF, err);
}

/* --- of others' images ------------------------------------------------------------------------ */

int vml_do_cancel_launch_permission(struct vml_request *r, struct vml_answer *a,
                                    struct vml_error *err)
{
    VML_AUTO(vml_image_clear) struct vml_image image = { 0 };
    const char *id;

    if (vml_need_image(r, "ImageId", &id, err) < 0 ||
        vml_registry_get(r->store, &r->where, id, &image, err) < 0 || vml_dry_run(r, err) < 0 ||
        vml_registry_leave(r->store, &r->where, id, NULL, err) < 0)
        return -1;
    vml_print_true(a);
    return 0;
}
