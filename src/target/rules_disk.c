/* What a target asks of a disk, alone or in a package.  The comment in front of a row says where it
 * is known from. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "rules.h"

#define MIB             (UINT64_C(1) << 20)
#define GIB             (UINT64_C(1) << 30)
#define TIB             (UINT64_C(1) << 40)
#define VHD_FOOTER_SIZE 512u
#define DDB_UUIDS       256u /* bytes of the four lines that VirtualBox adds */

bool say(struct told *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(t->text, sizeof t->text, fmt, ap);
    va_end(ap);
    return true;
}

void say_more(struct told *t, const char *fmt, ...)
{
    size_t used = strlen(t->text);
    va_list ap;

    if (used > 0 && used + 2 < sizeof t->text) {
        memcpy(t->text + used, ", ", 3);
        used += 2;
    }
    va_start(ap, fmt);
    vsnprintf(t->text + used, sizeof t->text - used, fmt, ap);
    va_end(ap);
}

/* A piece of a disk of several files has one rule of its own. */
static bool is(const struct look *l, const char *format)
{
    return l->d->format != NULL && strcmp(l->d->format, format) == 0 && !l->d->vmdk.piece;
}

static bool is_stream(const struct look *l)
{
    return is(l, "vmdk") && strcmp(l->d->subformat, "streamOptimized") == 0;
}

static bool is_subformat(const struct look *l, const char *name)
{
    return strcasecmp(l->d->subformat, name) == 0;
}

static bool in_manifest(const struct look *l)
{
    return l->f->is_package && l->f->package.manifest;
}

/* Into the place of argument n. */
static void arg_size(struct told *t, unsigned n, uint64_t size)
{
    snprintf(t->args[n], sizeof t->args[n], "%llu", (unsigned long long)size);
}

static void arg_name(struct told *t, const struct look *l)
{
    snprintf(t->args[0], sizeof t->args[0], "%s", l->d->name);
}

/* --- VMDK ----------------------------------------------------------------------------------- */

static bool uncompressed(const struct look *l, struct told *t)
{
    return is(l, "vmdk") && l->d->vmdk.sparse && l->d->vmdk.compression == 0 &&
           say(t, "%s, where only streamOptimized VMDKs are taken", l->d->subformat);
}

static bool several_files(const struct look *l, struct told *t)
{
    return is(l, "vmdk") && !l->d->vmdk.sparse &&
           say(t, "%s, where only streamOptimized VMDKs are taken", l->d->subformat);
}

/* ESXi takes its own kinds and the stream; the others are those of "hosted" products. */
static bool hosted(const struct look *l, struct told *t)
{
    return is(l, "vmdk") && !is_stream(l) && strncasecmp(l->d->subformat, "vmfs", 4) != 0 &&
           !is_subformat(l, "seSparse") &&
           say(t,
               "%s is a kind of Workstation's, not of ESXi's: import it as streamOptimized, or "
               "make it vmfs for a datastore",
               l->d->subformat);
}

static bool vmfs_in_package(const struct look *l, struct told *t)
{
    return l->f->is_package && is(l, "vmdk") && !is_stream(l) &&
           strncasecmp(l->d->subformat, "vmfs", 4) == 0 &&
           say(t, "%s is one of several files, which a package cannot hold", l->d->subformat);
}

static bool version_1(const struct look *l, struct told *t)
{
    return is_stream(l) && l->d->vmdk.version < 3 &&
           say(t, "streamOptimized of version %u, where 3 is asked for", l->d->vmdk.version);
}

static bool version_2(const struct look *l, struct told *t)
{
    return is(l, "vmdk") && l->d->vmdk.sparse && l->d->vmdk.version == 2 &&
           say(t, "header version 2, where 1 and 3 are read");
}

/* How the stream ends: in an end-of-stream marker, and nothing behind it. */
static bool ends_badly(const struct look *l, struct told *t)
{
    const struct vml_vmdk_facts *v = &l->d->vmdk;

    if (!is_stream(l) || (v->eos && v->trailing == 0))
        return false;
    return v->eos
               ? say(t, "%llu bytes follow the end of the stream, as qemu-img leaves them",
                     (unsigned long long)v->trailing)
               : say(t, "the stream ends without an end-of-stream marker, as qemu-img leaves it");
}

static bool ends_badly_in_manifest(const struct look *l, struct told *t)
{
    if (!in_manifest(l) || !ends_badly(l, t))
        return false;
    arg_name(t, l);
    return true;
}

static bool ends_badly_alone(const struct look *l, struct told *t)
{
    return !in_manifest(l) && ends_badly(l, t);
}

static bool short_grain(const struct look *l, struct told *t)
{
    return is_stream(l) && l->d->vmdk.short_grain &&
           say(t, "the grain in which the disk ends is stored short, as qemu-img and open-vmdk do");
}

static bool disorder(const struct look *l, struct told *t)
{
    return is_stream(l) && !l->d->vmdk.ordered &&
           say(t, "the grains are not in the order of the disk, and an import does not go back");
}

static bool narrow(const struct look *l, struct told *t)
{
    return is(l, "vmdk") && l->d->vmdk.sparse && l->d->vmdk.desc_room < DDB_UUIDS &&
           say(t,
               "the descriptor has room for %llu bytes more; VirtualBox adds about %u when it "
               "writes to the disk",
               (unsigned long long)l->d->vmdk.desc_room, DDB_UUIDS);
}

static bool adapter(const struct look *l, struct told *t)
{
    return !l->f->is_package && is(l, "vmdk") && strcasecmp(l->d->vmdk.adapter, "ide") == 0 &&
           say(t,
               "the descriptor's adapter is 'ide', where lsilogic is what the machine will have");
}

static bool redo_log(const struct look *l, struct told *t)
{
    return is(l, "vmdk") &&
           (is_subformat(l, "vmfsSparse") || is_subformat(l, "seSparse") ||
            is_subformat(l, "vmfsSeSparse")) &&
           say(t, "%s is a kind of ESXi's snapshots", l->d->subformat);
}

/* --- VHD ------------------------------------------------------------------------------------ */

static bool differencing(const struct look *l, struct told *t)
{
    return is(l, "vhd") && l->d->child && say(t, "a differencing disk, which is not taken");
}

static bool footers(const struct look *l, struct told *t)
{
    const struct vml_vhd_facts *v = &l->d->vhd;

    if (!is(l, "vhd") || (!v->footers_differ && !v->copy_lost))
        return false;
    return v->copy_lost ? say(t, "the copy of the footer at the start is lost")
                        : say(t, "the footer at the end and its copy at the start differ");
}

static bool not_fixed(const struct look *l, struct told *t)
{
    if (l->f->is_package)
        return say(t, "disks are taken as fixed VHDs, not in a package");
    return l->d->format != NULL && !l->d->vmdk.piece &&
           (!is(l, "vhd") || !is_subformat(l, "fixed")) &&
           say(t, "%s%s%s, where only fixed VHDs are taken", l->d->format,
               l->d->subformat[0] != '\0' ? " " : "", l->d->subformat);
}

static bool no_whole_mib(const struct look *l, struct told *t)
{
    if (!is(l, "vhd") || l->d->size % MIB == 0)
        return false;
    arg_size(t, 0, l->d->size + VHD_FOOTER_SIZE);
    arg_size(t, 1, l->d->size);
    return say(t, "a disk of %llu bytes, no multiple of 1 MiB", (unsigned long long)l->d->size);
}

static bool azure_size(const struct look *l, struct told *t)
{
    return l->d->format != NULL && l->d->size != VML_SIZE_UNKNOWN &&
           (l->d->size < 20 * MIB || l->d->size > 32767 * GIB) &&
           say(t, "a disk of %llu bytes; from 20 MiB to 32767 GiB are taken",
               (unsigned long long)l->d->size);
}

/* --- any ------------------------------------------------------------------------------------- */

static bool no_vmdk(const struct look *l, struct told *t)
{
    return l->d->format != NULL && strcmp(l->d->format, "vmdk") != 0 &&
           say(t, "%s, where disks are VMDKs", l->d->format);
}

static bool of_qemu(const struct look *l, struct told *t)
{
    return is(l, "qcow2") && say(t, "qcow2, where VMDK, VHD, VHDX and raw disks are taken");
}

static bool huge(const struct look *l, struct told *t)
{
    return l->d->format != NULL && l->d->size != VML_SIZE_UNKNOWN && l->d->size >= 16 * TIB &&
           say(t, "a disk of %llu bytes; less than 16 TiB are taken",
               (unsigned long long)l->d->size);
}

static bool large(const struct look *l, struct told *t)
{
    return l->d->format != NULL && l->d->size > 8 * TIB && l->d->size < 16 * TIB &&
           say(t, "a disk of %llu bytes; above 8 TiB an import manifest is needed",
               (unsigned long long)l->d->size);
}

/* Neither damage that the check has told, nor what a rule is about. */
static bool unread(const struct look *l, struct told *t)
{
    return l->d->format == NULL && !l->d->gzip && !l->d->chunked &&
           (!l->f->is_package || l->d->name != NULL) &&
           say(t, "cannot be looked into: what is asked of a disk is not known to be so");
}

static bool piece(const struct look *l, struct told *t)
{
    return l->d->vmdk.piece && say(t, "a piece of a disk of several files: check its descriptor, "
                                      "the small text file beside it");
}

/* --- what the package says of its disk -------------------------------------------------------- */

static bool gzip(const struct look *l, struct told *t)
{
    return l->d->gzip && say(t, "its file is compressed (ovf:compression)");
}

static bool chunked(const struct look *l, struct told *t)
{
    return l->d->chunked && say(t, "its file is stored in chunks (ovf:chunkSize)");
}

static bool wrong_stored(const struct look *l, struct told *t)
{
    const struct vml_disk_facts *d = l->d;

    if (!l->f->is_package || d->said_stored == VML_SIZE_UNKNOWN || d->stored == VML_SIZE_UNKNOWN ||
        d->chunked || d->said_stored == d->stored)
        return false;
    arg_name(t, l);
    arg_size(t, 1, d->said_stored);
    arg_size(t, 2, d->stored);
    return say(t, "the description says %llu bytes (ovf:size), and its file has %llu",
               (unsigned long long)d->said_stored, (unsigned long long)d->stored);
}

static bool wrong_capacity(const struct look *l, struct told *t)
{
    const struct vml_disk_facts *d = l->d;

    return l->f->is_package && d->format != NULL && d->size != VML_SIZE_UNKNOWN &&
           d->said_capacity != VML_SIZE_UNKNOWN && d->said_capacity != d->size &&
           say(t, "the description says a disk of %llu bytes (ovf:capacity), and it has %llu",
               (unsigned long long)d->said_capacity, (unsigned long long)d->size);
}

static bool on_ide(const struct look *l, struct told *t)
{
    return l->f->is_package && strcasecmp(l->d->controller, "ide") == 0 &&
           say(t, "hangs on an IDE controller, from which systems with SCSI drivers alone do not "
                  "boot");
}

static bool on_pvscsi(const struct look *l, struct told *t)
{
    if (!l->f->is_package || strcasecmp(l->d->controller, "VirtualSCSI") != 0)
        return false;
    snprintf(t->args[0], sizeof t->args[0], "%s", l->d->controller);
    return say(t, "hangs on a paravirtual SCSI controller");
}

const struct rule target_disk_rules[] = {
    { "target/unread", ALL, VML_WARNING, unread, NULL, MEND_NONE },
    /* GoogleCloudPlatform/compute-image-tools#1074, GNS3/gns3-gui#702: sure */
    { "target/vmdk-piece", ALL, VML_FAULT, piece, NULL, MEND_NONE },

    /* --- VM Import/Export User Guide, "Troubleshooting" and "Limitations" ----------------------
     */
    /* "algorithm" is the header's field, of which 0 is none: the guide gives the sentence, and
     * that the field is meant is seen from its words */
    { "target/vmdk-stream", AWS, VML_FAULT, uncompressed,
      "File uses unsupported compression algorithm 0", MEND_STREAM },
    { "target/vmdk-stream", AWS, VML_FAULT, several_files,
      "Disk validation failed [Unsupported VMDK File Format]", MEND_STREAM },
    /* the guide says "corrupted"; that a short grain is meant is inferred */
    { "target/vmdk-short-grain", AWS, VML_WARNING, short_grain,
      "Uncompressed data has an invalid length", MEND_STREAM },
    { "target/vhd-differencing", AWS, VML_FAULT, differencing, "Footers not identical",
      MEND_WHOLE },
    /* "or there was an error in creating the VHD": which one is inferred */
    { "target/vhd-footers", AWS, VML_WARNING, footers, "Footers not identical", MEND_WHOLE },
    /* "Requirements", the image formats */
    { "target/disk-format", AWS, VML_FAULT, of_qemu, NULL, MEND_STREAM },
    { "target/disk-size", AWS, VML_FAULT, huge, NULL, MEND_NONE },
    { "target/disk-size", AWS, VML_WARNING, large, NULL, MEND_NONE },
    { "target/ova-chunked", AWS, VML_FAULT, chunked,
      "Disk validation failed [OVF file parsing error: OVA with chunked disk files is not "
      "supported]",
      MEND_STREAM },
    /* the guide has no word about it: inferred */
    { "target/ova-compressed", AWS, VML_WARNING, gzip, NULL, MEND_STREAM },

    /* --- ESXi, Workstation ----------------------------------------------------------------------
     */
    /* itiligent/Easy-OpenWRT-Builder#3, pocopico/tinycore-redpill#11 (type 2), roxlukas/lmeve#45
     * (type 7), OpenNebula/one#5784: sure; which number is whose is not known */
    { "target/vmdk-hosted", ESXI, VML_FAULT, hosted, "Unsupported or invalid disk type",
      MEND_STREAM },
    /* DSP0243: a disk is one file of the package */
    { "target/vmdk-stream", ESXI, VML_WARNING, vmfs_in_package, NULL, MEND_STREAM },
    /* glennmatthews/cot#65, mininet/mininet#483: sure */
    { "target/vmdk-version", ESXI, VML_FAULT, version_1,
      "Not a supported disk format (sparse VMDK version too old)", MEND_STREAM },
    /* flatcar/scripts#540 ("400 Bad Request"), coreos/coreos-overlay#1009, qemu's issue 1357: sure
     * of files without the marker; with zeroes behind it home-assistant/operating-system#2121 saw
     * ESXi take one */
    { "target/vmdk-end", ESXI, VML_FAULT, ends_badly, NULL, MEND_STREAM },
    /* home-assistant/operating-system#2121 (Workstation 16), coreos/coreos-assembler#1156
     * (ovftool), osbuild/osbuild-composer#3926: sure; the digest is taken to the first zero sector
     */
    { "target/vmdk-end", WORKSTATION, VML_FAULT, ends_badly_in_manifest,
      "SHA digest of file %s does not match manifest.", MEND_STREAM },
    /* without a digest nothing was reported: inferred */
    { "target/vmdk-end", WORKSTATION, VML_WARNING, ends_badly_alone, NULL, MEND_STREAM },
    /* coreos-assembler's own recipe, home-assistant/operating-system#1674: such machines do not
     * always boot */
    { "target/adapter", ESXI, VML_WARNING, adapter, NULL, MEND_STREAM },
    /* home-assistant/operating-system#1056: depends on the system in the disk */
    { "target/controller", ESXI | WORKSTATION, VML_NOTE, on_ide, NULL, MEND_NONE },
    /* coreos/fedora-coreos-tracker#391: ovftool says it, and goes on */
    { "target/controller", WORKSTATION, VML_NOTE, on_pvscsi,
      "Unsupported virtual hardware device '%s'", MEND_NONE },
    /* EMCECS/ECS-CommunityEdition#329 (vSphere 6.5), vatesfr/xen-orchestra#5085: sure */
    { "target/ova-compressed", ESXI, VML_FAULT, gzip,
      "OVF package with compressed disks is currently not supported for OVF import", MEND_STREAM },
    /* gardenlinux/gardenlinux#2322 (vSphere aborts), coreos/fedora-coreos-tracker#391 (ovftool,
     * Workstation and Fusion, with the sentence): sure */
    { "target/ovf-size", ESXI | WORKSTATION, VML_FAULT, wrong_stored,
      "Wrong file size specified in OVF descriptor for '%s' (specified: %s, actual %s)",
      MEND_STREAM },
    /* home-assistant/operating-system#1084 (ESXi 6.7 and 7.0, Workstation 16),
     * LibreELEC/LibreELEC.tv#1878 (Player 12), vmware/open-vmdk#82: sure */
    { "target/ovf-capacity", ESXI | WORKSTATION, VML_FAULT, wrong_capacity, NULL, MEND_STREAM },
    /* "Virtual Disk Format 5.0": VMware's products know no other; ovftool's sources: VMDK alone */
    { "target/disk-format", ESXI, VML_FAULT, no_vmdk, NULL, MEND_STREAM },
    { "target/disk-format", WORKSTATION, VML_FAULT, no_vmdk, NULL, MEND_SPARSE },

    /* --- VirtualBox: its reader of VMDK, Storage/VMDK.cpp --------------------------------------
     */
    /* only versions 1 and 3 pass: sure */
    { "target/vmdk-version", VIRTUALBOX, VML_FAULT, version_2, NULL, MEND_SPARSE },
    /* its sequential reader; a disk that is attached is read by its tables: only of an import */
    { "target/vmdk-order", VIRTUALBOX, VML_WARNING, disorder, NULL, MEND_STREAM },
    /* no such kind in it: not tried */
    { "target/vmdk-snapshot", VIRTUALBOX, VML_WARNING, redo_log, NULL, MEND_NONE },
    /* vatesfr/xen-orchestra#6163: only of a disk that it writes to */
    { "target/vmdk-descriptor", VIRTUALBOX, VML_NOTE, narrow, NULL, MEND_NONE },
    /* not in its OVF reader; libguestfs/virt-v2v#189 has the like: not tried */
    { "target/ova-chunked", VIRTUALBOX, VML_WARNING, chunked, NULL, MEND_STREAM },

    /* --- Azure: "Prepare a Windows VHD or VHDX to upload to Azure", "About VHDs in Azure" -------
     */
    { "target/vhd-fixed", AZURE, VML_FAULT, not_fixed, NULL, MEND_FIXED },
    /* MicrosoftDocs/azure-docs#55178, microsoft/AzureStorageExplorer#3029 and #3033: sure */
    { "target/vhd-size", AZURE, VML_FAULT, no_whole_mib,
      "The upload size in bytes %s - 512 bytes for the VHD footer (%s in this case) must be a "
      "multiple of MiB.",
      MEND_FIXED },
    /* microsoft/AzureStorageExplorer#3029, by Microsoft: sure */
    { "target/disk-size", AZURE, VML_FAULT, azure_size, NULL, MEND_NONE },
    { 0 },
};
