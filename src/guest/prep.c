/* prep: a session, the guest in it, the plan, and what is done of it. */
#include "vmlift/prep.h"

#include <stdio.h>
#include <string.h>

#include "guest/libguestfs.h"
#include "guest/plan.h"
#include "guest/prep_guest.h"

#ifdef VMLIFT_GUESTFS

static int prepare(struct vml_session *s, const struct vml_prep_how *how, struct vml_prepared *out,
                   struct vml_error *err)
{
    VML_AUTO(vml_prep_guest_clear) struct vml_prep_guest guest = { .session = NULL };
    VML_AUTO(vml_plan_freep) struct vml_plan *plan = NULL;

    if (vml_prep_guest_open(&guest, s, &out->notes, err) < 0)
        return -1;
    snprintf(out->os, sizeof out->os, "%s", guest.product);
    out->windows = strcmp(guest.type, "windows") == 0;
    if (out->windows)
        return 0;
    if (strcmp(guest.type, "linux") != 0)
        return vml_fail(err, VML_EUNSUPPORTED, "prep/system", "%s (%s): only Linux can be prepared",
                        guest.product, guest.type);
    if (vml_plan_open(&plan, &guest.guest, out, err) < 0 ||
        vml_plan_steps(plan, how->steps, how->network, err) < 0)
        return -1;
    return how->dry_run ? 0 : vml_plan_apply(plan, err);
}

int vml_prep(const struct vml_appliance *where, const struct vml_prep_how *how,
             struct vml_prepared *out, struct vml_error *err)
{
    VML_AUTO(vml_session_freep) struct vml_session *s = NULL;

    if (vml_session_open(&s, where, err) < 0 || prepare(s, how, out, err) < 0)
        return -1;
    return vml_session_finish(s, err);
}

#else

int vml_prep(const struct vml_appliance *where, const struct vml_prep_how *how,
             struct vml_prepared *out, struct vml_error *err)
{
    (void)where;
    (void)how;
    (void)out;
    return vml_guestfs_load(err);
}

#endif
