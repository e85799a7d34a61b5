/* As which virtualization type of EC2 a system can start: hvm, which a machine with firmware is,
 * and paravirtual, where PV-GRUB reads its menu.lst and a kernel made for it is started. */
#include <string.h>

#include "rules.h"

bool target_starts_with(const struct vml_kernel *k, enum vml_driver d)
{
    return k->drivers[d] == VML_DRIVER_BUILTIN || k->drivers[d] == VML_DRIVER_INITRAMFS;
}

/* What keeps it from it; NULL: nothing. */
static const char *no_hvm(const struct look *l)
{
    for (size_t i = 0; i < l->g->n_boots; i++)
        if (vml_boot_mode(&l->g->boots[i])[0] != '\0')
            return NULL;
    return "no disk has what firmware starts";
}

static const char *no_pv(const struct look *l)
{
    const char *menu = NULL;

    if (l->s->os != VML_OS_LINUX)
        return "only a Linux can";
    if (strcmp(l->s->arch, "x86_64") != 0 && strcmp(l->s->arch, "i386") != 0)
        return "only x86 can";
    if (l->k == NULL || l->k->xen_pv == VML_UNKNOWN)
        return "its kernel's configuration is not known";
    if (l->k->xen_pv == VML_NO)
        return "its kernel has no CONFIG_XEN_PV";
    if (!target_starts_with(l->k, VML_DRIVER_XEN_BLK))
        return "xen-blkfront is neither in its kernel nor in its initramfs";
    for (size_t i = 0; i < l->g->n_boots && menu == NULL; i++)
        if (l->g->boots[i].xen_menu[0] != '\0')
            menu = l->g->boots[i].xen_menu;
    return menu == NULL ? "there is no menu.lst that PV-GRUB would read" : NULL;
}

bool target_virtualization(const struct look *l, struct told *t)
{
    const char *hvm = no_hvm(l), *pv = no_pv(l);

    if (l->s == NULL || l->s->os == VML_OS_NONE)
        return false;
    if (hvm == NULL)
        say_more(t, "it can start as hvm");
    else
        say_more(t, "it cannot start as hvm (%s)", hvm);
    if (pv == NULL)
        say_more(t, "and as paravirtual");
    else
        say_more(t, "%s as paravirtual (%s)", hvm == NULL ? "but not" : "and not", pv);
    say_more(t, "and hvm is the better: paravirtual is for nine regions and for instance types of "
                "former generations, without ENA and UEFI");
    return true;
}
