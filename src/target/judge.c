/* The rules, applied to a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules.h"

static const char *const names[VML_TARGETS] = { [VML_TARGET_AWS] = "aws",
                                                [VML_TARGET_ESXI] = "esxi",
                                                [VML_TARGET_AZURE] = "azure",
                                                [VML_TARGET_VIRTUALBOX] = "virtualbox",
                                                [VML_TARGET_WORKSTATION] = "workstation" };

const char *vml_target_name(enum vml_target t)
{
    return t < VML_TARGETS ? names[t] : NULL;
}

int vml_target_add(unsigned *targets, const char *name, struct vml_error *err)
{
    if (strcmp(name, "all") == 0) {
        *targets |= ALL;
        return 0;
    }
    for (unsigned t = 0; t < VML_TARGETS; t++)
        if (strcmp(name, names[t]) == 0) {
            *targets |= 1u << t;
            return 0;
        }
    return vml_fail(err, VML_EUSAGE, "usage/target",
                    "no target '%s'; there are aws, esxi, azure, virtualbox, workstation, and all",
                    name);
}

struct judge {
    enum vml_target target;
    const struct vml_target_file *file;
    vml_target_tell *tell;
    void *arg;
};

/* The sentence with each %s replaced in turn. */
static void fill(char *out, size_t cap, const char *says, const struct told *t)
{
    size_t used = 0, n = 0;

    for (const char *p = says; *p != '\0' && used + 1 < cap; p++) {
        if (p[0] == '%' && p[1] == 's') {
            used += (size_t)snprintf(out + used, cap - used, "%s", t->args[n++]);
            p++;
        } else {
            out[used++] = *p;
        }
    }
    out[used < cap ? used : cap - 1] = '\0';
}

static int report(const struct judge *j, const struct rule *r, const struct look *l,
                  const struct told *t, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *mend = NULL;
    char text[640], says[640];

    if (!j->file->damaged && target_mend(&mend, l, r->mend, j->file, err) < 0)
        return -1;
    if (l->d != NULL && l->d->name != NULL)
        snprintf(text, sizeof text, "'%s': %s", l->d->name, t->text);
    else
        snprintf(text, sizeof text, "%s", t->text);
    if (r->says != NULL)
        fill(says, sizeof says, r->says, t);
    j->tell(j->arg, &(struct vml_target_finding){ .target = j->target,
                                                  .level = r->level,
                                                  .rule = r->slug,
                                                  .text = text,
                                                  .says = r->says != NULL ? says : NULL,
                                                  .mend = mend });
    return 0;
}

static int apply_one(const struct judge *j, const struct rule *r, const struct look *l,
                     struct vml_error *err)
{
    struct told t = { 0 };

    return (r->targets >> j->target & 1) != 0 && r->broken(l, &t) ? report(j, r, l, &t, err) : 0;
}

static int apply(const struct judge *j, const struct rule *rules, const struct look *l,
                 struct vml_error *err)
{
    for (const struct rule *r = rules; r->slug != NULL; r++)
        if (apply_one(j, r, l, err) < 0)
            return -1;
    return 0;
}

int vml_target_judge(const struct vml_facts *facts, enum vml_target target,
                     const struct vml_target_file *file, vml_target_tell *tell, void *arg,
                     struct vml_error *err)
{
    struct judge j = { target, file, tell, arg };
    struct look l = { .f = facts };

    if (facts->is_package && apply(&j, target_package_rules, &l, err) < 0)
        return -1;
    for (size_t i = 0; i < facts->n_disks; i++) {
        l.d = &facts->disks[i];
        l.number = i + 1;
        if (apply(&j, target_disk_rules, &l, err) < 0)
            return -1;
    }
    return 0;
}

static const struct vml_kernel *chosen(const struct vml_inspect *s)
{
    for (size_t i = 0; s != NULL && i < s->n_kernels; i++)
        if (s->kernels[i].chosen)
            return &s->kernels[i];
    return NULL;
}

int vml_target_judge_guest(const struct vml_facts *facts, const struct vml_target_guest *guest,
                           enum vml_target target, const struct vml_target_file *file,
                           vml_target_tell *tell, void *arg, struct vml_error *err)
{
    const struct vml_inspect *s = guest->system;
    struct judge j = { target, file, tell, arg };
    struct look l = { .f = facts, .g = guest, .s = s, .k = chosen(s) };

    bool system = s != NULL && s->os != VML_OS_NONE;
    const struct rule *const tables[] = {
        target_boot_rules,
        system ? target_system_rules : NULL,
        system && s->os == VML_OS_LINUX ? target_linux_rules : NULL,
        system && s->os == VML_OS_WINDOWS ? target_windows_rules : NULL,
    };

    /* What one command mends comes last, and together. */
    for (int prep = 0; prep < 2; prep++)
        for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
            for (const struct rule *r = tables[i]; r != NULL && r->slug != NULL; r++)
                if ((r->mend == MEND_PREP) == (prep == 1) && apply_one(&j, r, &l, err) < 0)
                    return -1;
    return 0;
}
