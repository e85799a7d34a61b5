/* What a target asks of an OVA.  The comment in front of a row says where it is known from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules.h"

enum { AWS_VOLUMES_MAX = 21, VMX_SECURE_BOOT = 13, VMX_OF_65 = 13 };
#define TAR_MEMBER_MAX (UINT64_C(8) << 30) /* of a size in octal */

unsigned target_vmx(const struct vml_machine *m)
{
    return strncmp(m->hardware, "vmx-", 4) == 0 ? (unsigned)strtoul(m->hardware + 4, NULL, 10) : 0;
}

static bool unread(const struct look *l, struct told *t)
{
    return !l->f->package.described &&
           say(t,
               "its description cannot be read: what is asked of a machine is not known to be so");
}

static bool order(const struct look *l, struct told *t)
{
    return l->f->package.described && !l->f->package.folder && !l->f->package.ovf_first &&
           say(t, "the description is not the first member");
}

static bool spelling(const struct look *l, struct told *t)
{
    const char *word = l->f->package.manifest_word;

    if (word[0] == '\0')
        return false;
    snprintf(t->args[0], sizeof t->args[0], "%s", word);
    return say(t, "the manifest has '%s(' in front of a name, where '%s(' is read", word,
               l->f->package.manifest_digest);
}

static bool digest_is(const struct look *l, struct told *t, const char *digest)
{
    if (strcmp(l->f->package.manifest_digest, digest) != 0)
        return false;
    snprintf(t->args[0], sizeof t->args[0], "%s", digest);
    return true;
}

static bool sha1(const struct look *l, struct told *t)
{
    return digest_is(l, t, "SHA1") && say(t, "the manifest has SHA-1, which vCenter refuses from "
                                             "6.5 on");
}

static bool long_digest(const struct look *l, struct told *t)
{
    return (digest_is(l, t, "SHA384") || digest_is(l, t, "SHA512")) &&
           say(t, "the manifest has %s, where SHA1 and SHA256 are read", t->args[0]);
}

static bool pax(const struct look *l, struct told *t)
{
    const struct vml_package_facts *p = &l->f->package;

    return p->pax && p->largest >= TAR_MEMBER_MAX &&
           say(t, "'%s' has %llu bytes, and its size is in a pax header, which is not read",
               p->largest_name, (unsigned long long)p->largest);
}

static bool family(const struct look *l, struct told *t)
{
    const struct vml_machine *m = &l->f->package.machine;

    if (m->hardware[0] == '\0' || target_vmx(m) > 0)
        return false;
    snprintf(t->args[0], sizeof t->args[0], "%s", m->hardware);
    return say(t, "the machine was made for '%s', not for VMware's vmx-NN", m->hardware);
}

static bool recent(const struct look *l, struct told *t)
{
    const struct vml_machine *m = &l->f->package.machine;
    unsigned vmx = target_vmx(m);

    if (vmx <= VMX_OF_65)
        return false;
    snprintf(t->args[0], sizeof t->args[0], "%s", m->hardware);
    return say(t, "virtual hardware %u needs ESXi %s", vmx,
               vmx <= 14   ? "6.7"
               : vmx == 15 ? "6.7 U2"
               : vmx <= 17 ? "7.0"
               : vmx == 18 ? "7.0 U1"
               : vmx == 19 ? "7.0 U2"
               : vmx == 20 ? "8.0"
                           : "8.0 U2 or later");
}

static bool secure_boot(const struct look *l, struct told *t)
{
    const struct vml_machine *m = &l->f->package.machine;
    unsigned vmx = target_vmx(m);

    return m->secure_boot && vmx > 0 && vmx < VMX_SECURE_BOOT &&
           say(t, "secure boot needs virtual hardware %u, and the machine has %u",
               (unsigned)VMX_SECURE_BOOT, vmx);
}

static bool folder(const struct look *l, struct told *t)
{
    return l->f->package.folder && say(t, "a description with its files beside it, where machines "
                                          "are taken as OVA");
}

static bool volumes(const struct look *l, struct told *t)
{
    return l->f->n_disks > AWS_VOLUMES_MAX &&
           say(t,
               "%zu disks; a machine may have %u volumes: the others can be imported by "
               "ImportSnapshot",
               l->f->n_disks, (unsigned)AWS_VOLUMES_MAX);
}

static bool nics(const struct look *l, struct told *t)
{
    return l->f->package.machine.n_nics > 1 &&
           say(t, "%u network interfaces; the imported machine will have one, with DHCP",
               l->f->package.machine.n_nics);
}

const struct rule target_package_rules[] = {
    { "target/unread", ALL, VML_WARNING, unread, NULL, MEND_NONE },
    /* coreos/coreos-assembler#1141 (Workstation 15.5, vSphere 6.7), osbuild/image-builder#431
     * (Workstation 17, ovftool 4.4): sure */
    { "target/ova-order", ESXI | WORKSTATION, VML_FAULT, order,
      "Did not find an .ovf file at the beginning of the OVA package", MEND_NEW },
    /* hashicorp/vagrant#1741: sure */
    { "target/ova-order", VIRTUALBOX, VML_FAULT, order, NULL, MEND_NEW },
    /* home-assistant/operating-system#826 ("SHA256 (f)") and #3654 ("SHA2-256(f)"): sure */
    { "target/manifest-spelling", ESXI, VML_FAULT, spelling, "Invalid OVF checksum algorithm: %s",
      MEND_NEW },
    /* OpenCTI-Platform/opencti#1642 (6.7), MISP/MISP#3947 (vCenter 6.5), librenms/packer-builds#30
     * (7), nextcloud/vm#2607 (8); the host by itself takes it: depends on who imports */
    { "target/manifest-sha1", ESXI, VML_WARNING, sha1, "Invalid OVF checksum algorithm: %s.",
      MEND_NEW },
    /* VirtualBox's reader of manifests knows two digests (its source): not tried */
    { "target/manifest-digest", VIRTUALBOX, VML_WARNING, long_digest, NULL, MEND_NEW },
    /* vmware/open-vmdk#65, by VMware: sure */
    { "target/tar-pax", ESXI, VML_FAULT, pax, NULL, MEND_NEW },
    /* securityroots/dradispro-tracker#297, opensemanticsearch/open-semantic-search#96,
     * cyphonmdr/cyphon#176: sure */
    { "target/hardware-family", ESXI, VML_FAULT, family, "Unsupported hardware family '%s'.",
      MEND_NEW },
    /* dirkhh/adsb-feeder-image#67, Banno/packer-post-processor-vsphere-ova#9: it is said, and the
     * import goes on by "Retry" */
    { "target/hardware-family", WORKSTATION, VML_WARNING, family,
      "Unsupported hardware family '%s'.", MEND_NEW },
    /* VMware's KB 1003746 (versions by product); librenms/packer-builds#36, nextcloud/vm#556 */
    { "target/hardware-version", ESXI, VML_NOTE, recent, "Unsupported hardware family '%s'.",
      MEND_OLDER },
    /* vSphere Security, "Enable or Disable UEFI Secure Boot for a Virtual Machine": sure, but what
     * an older version does with it is not known */
    { "target/secure-boot", ESXI | WORKSTATION, VML_WARNING, secure_boot, NULL, MEND_NEW },
    /* VM Import/Export User Guide, "Image formats": OVA and single disks */
    { "target/ovf-folder", AWS, VML_FAULT, folder, NULL, MEND_NEW },
    /* the same, "Limitations": sure */
    { "target/volumes", AWS, VML_FAULT, volumes, NULL, MEND_NONE },
    /* the same: the import goes on */
    { "target/nics", AWS, VML_WARNING, nics, NULL, MEND_NONE },
    { 0 },
};
