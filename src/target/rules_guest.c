/* What AWS asks of any system, and of what starts it.  The comment in front of a row says where it
 * is known from; "guide" is the VM Import/Export User Guide. */
#include <stdio.h>
#include <string.h>

#include "rules.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

/* --- how it boots --------------------------------------------------------------------------- */

static bool unread(const struct look *l, struct told *t)
{
    return l->g->unread != NULL &&
           say(t, "what system is inside, and what is asked of it, is not known: %s", l->g->unread);
}

static bool has_system(const struct look *l)
{
    return l->s != NULL && l->s->os != VML_OS_NONE;
}

static bool no_system_in_package(const struct look *l, struct told *t)
{
    return l->f->is_package && l->g->unread == NULL && !has_system(l) &&
           say(t, "there is no system on the disks, which ImportImage wants");
}

static bool no_system_on_disk(const struct look *l, struct told *t)
{
    return !l->f->is_package && l->g->unread == NULL && !has_system(l) &&
           say(t,
               "there is no system on the disk, which ImportImage wants; ImportSnapshot takes it");
}

static const char *mode(const struct look *l)
{
    for (size_t i = 0; i < l->g->n_boots; i++)
        if (vml_boot_mode(&l->g->boots[i])[0] != '\0')
            return vml_boot_mode(&l->g->boots[i]);
    return "";
}

static bool no_boot(const struct look *l, struct told *t)
{
    return has_system(l) && mode(l)[0] == '\0' && l->g->n_boots > 0 &&
           say(t, "no disk has what a BIOS or a UEFI starts: %s", l->g->boots[0].reason);
}

static const char *boot_note(const struct look *l, const char *slug)
{
    for (size_t i = 0; i < l->g->n_boots; i++)
        for (size_t k = 0; k < l->g->boots[i].notes.n; k++)
            if (strcmp(l->g->boots[i].notes.items[k].slug, slug) == 0)
                return l->g->boots[i].notes.items[k].text;
    return NULL;
}

static bool is_debian(const struct look *l)
{
    return l->s != NULL && strcmp(l->s->distro, "debian") == 0;
}

/* Of a disk that a BIOS starts too nobody asks for it. */
static bool no_fallback(const struct look *l, struct told *t)
{
    const char *note = boot_note(l, "boot/no-fallback");

    return note != NULL && strcmp(mode(l), "uefi") == 0 && !is_debian(l) && say(t, "%s", note);
}

static bool no_fallback_of_debian(const struct look *l, struct told *t)
{
    const char *note = boot_note(l, "boot/no-fallback");

    return note != NULL && strcmp(mode(l), "uefi") == 0 && is_debian(l) &&
           say(t, "%s; ImportImage copies it there for a Debian, other ways do not", note);
}

static bool both_modes(const struct look *l, struct told *t)
{
    return strcmp(mode(l), "uefi-preferred") == 0 &&
           say(t, "starts by BIOS and by UEFI: ImportImage is told one of them, --boot-mode "
                  "legacy-bios or uefi; uefi-preferred it refuses, and only RegisterImage takes");
}

static bool uefi_mode(const struct look *l, struct told *t)
{
    return strcmp(mode(l), "uefi") == 0 &&
           say(t, "starts by UEFI: ImportImage is told --boot-mode uefi, and from a snapshot also "
                  "--platform");
}

static bool damaged_volumes(const struct look *l, struct told *t)
{
    const char *note = boot_note(l, "boot/lvm");

    return note != NULL && say(t, "%s", note);
}

const struct rule target_boot_rules[] = {
    { "target/guest-unread", AWS, VML_WARNING, unread, NULL, MEND_NONE },
    /* guide, "Troubleshooting": sure of an image; ImportSnapshot does not look */
    { "target/no-system", AWS, VML_FAULT, no_system_in_package, "Unknown OS / Missing OS files",
      MEND_NONE },
    { "target/no-system", AWS, VML_NOTE, no_system_on_disk, "Unknown OS / Missing OS files",
      MEND_NONE },
    { "target/no-boot", AWS, VML_FAULT, no_boot, "No bootable partition found", MEND_NONE },
    /* guide, "Limitations": sure; of Debian "we copy GRUBX64.EFI if it is missing" */
    { "target/fallback", AWS, VML_FAULT, no_fallback,
      "On Linux, you must have a fallback EFI binary, BOOTX64.EFI, located on the EFI System "
      "Partition.",
      MEND_PREP },
    { "target/fallback", AWS, VML_WARNING, no_fallback_of_debian,
      "On Linux, you must have a fallback EFI binary, BOOTX64.EFI, located on the EFI System "
      "Partition.",
      MEND_PREP },
    /* guide, "Boot modes" */
    { "target/boot-mode", AWS, VML_NOTE, both_modes, NULL, MEND_NONE },
    { "target/boot-mode", AWS, VML_NOTE, uefi_mode, NULL, MEND_NONE },
    /* guide, "Troubleshooting": "may indicate file or disk corruption" */
    { "target/volume-group", AWS, VML_WARNING, damaged_volumes,
      "Unsupported configuration - Logical volume group activation failed", MEND_NONE },
    { 0 },
};

/* --- any system ----------------------------------------------------------------------------- */

static bool encrypted(const struct look *l, struct told *t)
{
    return l->s->encrypted && say(t, "a volume is encrypted (%s)", l->s->encrypted_where);
}

static bool several(const struct look *l, struct told *t)
{
    return l->s->n_systems > 1 && say(t, "%zu systems: %s on %s, and %s", l->s->n_systems,
                                      l->s->product, l->s->root, l->s->others);
}

static bool other_os(const struct look *l, struct told *t)
{
    return l->s->os == VML_OS_OTHER && say(t, "the system is %s, neither a Linux nor a Windows",
                                           l->s->product[0] != '\0' ? l->s->product : l->s->distro);
}

static bool root_elsewhere(const struct look *l, struct told *t)
{
    for (size_t i = 0; i < l->g->n_boots; i++)
        if (vml_boot_mode(&l->g->boots[i])[0] != '\0')
            return l->s->root_disk > 0 && l->s->root_disk != i + 1 &&
                   say(t, "disk %zu is what starts, and the root is on disk %u (%s)", i + 1,
                       l->s->root_disk, l->s->root);
    return false;
}

static bool is_arm(const struct look *l)
{
    return strcmp(l->s->arch, "aarch64") == 0 || strncmp(l->s->arch, "arm", 3) == 0;
}

static bool foreign_arch(const struct look *l, struct told *t)
{
    return is_arm(l) && say(t,
                            "the system is for %s; ImportImage takes x86 alone, and RegisterImage "
                            "of an imported snapshot also arm64",
                            l->s->arch);
}

static bool not_listed(const struct look *l, struct told *t)
{
    return l->s->os != VML_OS_OTHER && target_system_known(l->s) == SYSTEM_NOT_LISTED &&
           say(t, "%s is none of the systems that VM Import lists", l->s->product);
}

static bool other_version(const struct look *l, struct told *t)
{
    return l->s->os != VML_OS_OTHER && target_system_known(l->s) == SYSTEM_OTHER_VERSION &&
           say(t,
               "%s (%s %d.%d) is no version that VM Import's list of 2023 has; newer lists have "
               "more",
               l->s->product, l->s->distro, l->s->major, l->s->minor);
}

static bool addresses(const struct look *l, struct told *t)
{
    for (size_t i = 0; i < l->s->n_nics; i++) {
        const struct vml_interface *n = &l->s->nics[i];

        if (n->address == VML_ADDRESS_STATIC)
            say_more(t, "%s has %s (%s)", n->name[0] != '\0' ? n->name : "an interface",
                     n->ip[0] != '\0' ? n->ip : "no DHCP", n->file);
    }
    return t->text[0] != '\0';
}

static bool is_linux(const struct look *l)
{
    return l->s->os == VML_OS_LINUX;
}

static bool address_linux(const struct look *l, struct told *t)
{
    return is_linux(l) && addresses(l, t);
}

static bool address_windows(const struct look *l, struct told *t)
{
    return !is_linux(l) && addresses(l, t);
}

static bool several_interfaces(const struct look *l, struct told *t)
{
    return l->f->package.machine.n_nics <= 1 && l->s->n_nics > 1 &&
           say(t, "%zu network interfaces are configured; the imported machine will have one",
               l->s->n_nics);
}

static bool is_own(const struct vml_agent *a)
{
    return strcmp(a->of, "AWS") == 0 || strcmp(a->of, "any") == 0;
}

static bool agents_of(const struct look *l, struct told *t, bool vmware)
{
    for (size_t i = 0; i < l->s->n_agents; i++) {
        const struct vml_agent *a = &l->s->agents[i];

        if (!is_own(a) && (strcmp(a->of, "VMware") == 0) == vmware)
            say_more(t, "%s is installed (%s)", a->name, a->of);
    }
    return t->text[0] != '\0';
}

static bool other_agents(const struct look *l, struct told *t)
{
    return agents_of(l, t, false);
}

static bool vmware_tools_linux(const struct look *l, struct told *t)
{
    return is_linux(l) && agents_of(l, t, true);
}

static bool vmware_tools_windows(const struct look *l, struct told *t)
{
    return !is_linux(l) && agents_of(l, t, true);
}

static bool little_space(const struct look *l, struct told *t)
{
    uint64_t least = l->s->os == VML_OS_WINDOWS ? 6 * GIB : 250 * MIB;
    char left[32], wanted[32];

    for (size_t i = 0; i < l->s->n_usage; i++) {
        const struct vml_space *u = &l->s->usage[i];

        if (strcmp(u->dir, "/") == 0 && u->free < least)
            return say(t, "the root has %s free, less than %s", vml_size_format(left, u->free),
                       vml_size_format(wanted, least));
    }
    return false;
}

static bool is_licence(const struct vml_identity *d)
{
    return strncmp(d->what, "licence: ", 9) == 0;
}

static bool identity(const struct look *l, struct told *t)
{
    for (size_t i = 0; i < l->s->n_identity; i++)
        if (!is_licence(&l->s->identity[i]))
            say_more(t, "%s (%s)", l->s->identity[i].what, l->s->identity[i].path);
    if (t->text[0] != '\0')
        say_more(t, "which every copy will have in common with it");
    return t->text[0] != '\0';
}

static bool licences(const struct look *l, struct told *t)
{
    for (size_t i = 0; i < l->s->n_identity; i++)
        if (is_licence(&l->s->identity[i]))
            say_more(t, "%s (%s)", l->s->identity[i].what + 9, l->s->identity[i].path);
    if (t->text[0] != '\0')
        say_more(t, "which a Linux brings along (BYOL): each copy uses it again");
    return t->text[0] != '\0';
}

static bool no_cloud_init(const struct look *l, struct told *t)
{
    if (l->s->cloud_init_off[0] != '\0')
        return say(t, "cloud-init is off: %s", l->s->cloud_init_off);
    return l->s->cloud_init == VML_NO &&
           say(t,
               l->s->os == VML_OS_WINDOWS
                   ? "neither EC2Launch nor cloudbase-init is installed: no password, name and "
                     "user data are taken from EC2"
                   : "cloud-init is not installed: no key, host name and user data are taken from "
                     "EC2, and the root does not grow with its volume");
}

static bool firewall(const struct look *l, struct told *t)
{
    return l->s->firewall == VML_YES && say(t, "a firewall is on: it must let %s in",
                                            l->s->os == VML_OS_WINDOWS ? "Remote Desktop" : "SSH");
}

const struct rule target_system_rules[] = {
    { "target/virtualization", AWS, VML_NOTE, target_virtualization, NULL, MEND_NONE },
    /* guide, "Limitations": sure */
    { "target/encrypted", AWS, VML_FAULT, encrypted,
      "Importing VMs with encrypted volumes isn't supported.", MEND_NONE },
    /* guide, "Troubleshooting": sure */
    { "target/several-systems", AWS, VML_FAULT, several,
      "Unsupported configuration - Multiple directories found", MEND_NONE },
    { "target/no-system", AWS, VML_FAULT, other_os, "Unknown OS / Missing OS files", MEND_NONE },
    { "target/root-disk", AWS, VML_WARNING, root_elsewhere,
      "An imported VM may fail to boot if the root partition is not on the same virtual hard drive "
      "as the MBR.",
      MEND_NONE },
    /* API reference, ImportImage */
    { "target/architecture", AWS, VML_FAULT, foreign_arch, NULL, MEND_NONE },
    /* guide, "Requirements": the table grows, so of ImportImage only */
    { "target/system-version", AWS, VML_WARNING, not_listed, NULL, MEND_NONE },
    { "target/system-version", AWS, VML_WARNING, other_version, NULL, MEND_NONE },
    /* guide, "Prepare your VM": prep mends it in a Linux */
    { "target/address", AWS, VML_WARNING, address_linux,
      "All static IP addresses currently assigned to the source VM are removed during import.",
      MEND_PREP },
    { "target/address", AWS, VML_WARNING, address_windows,
      "All static IP addresses currently assigned to the source VM are removed during import.",
      MEND_NONE },
    { "target/nics", AWS, VML_NOTE, several_interfaces,
      "Multiple network interfaces are not currently supported.", MEND_NONE },
    { "target/agents", AWS, VML_WARNING, vmware_tools_linux,
      "Uninstall the VMware Tools from your VMware VM.", MEND_PREP },
    { "target/agents", AWS, VML_WARNING, vmware_tools_windows,
      "Uninstall the VMware Tools from your VMware VM.", MEND_NONE },
    { "target/agents", AWS, VML_NOTE, other_agents, NULL, MEND_NONE },
    /* guide, "Limitations": 6 GiB of a Windows; "sufficient" of a Linux, 250 MB in older copies */
    { "target/space", AWS, VML_WARNING, little_space, NULL, MEND_NONE },
    { "target/firewall", AWS, VML_NOTE, firewall,
      "Otherwise, you won't be able to access your instance after the import is complete.",
      MEND_NONE },
    /* EC2 User Guide, "Create your own AMI": not asked for by the import */
    { "target/cloud-init", AWS, VML_NOTE, no_cloud_init, NULL, MEND_NONE },
    { "target/identity", AWS, VML_NOTE, identity, NULL, MEND_NONE },
    /* guide, "Licensing options" */
    { "target/licence", AWS, VML_NOTE, licences, NULL, MEND_NONE },
    { 0 },
};
