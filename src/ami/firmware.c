/* What an image is to be started by.
 *
 *     boot mode      the user's word, else what architecture and TPM leave, else the OVF's, else
 * what the disk can do architecture   the user's word, else what the disk is for, else x86_64
 *
 * The user's word goes before the OVF's, and that is told.  Where the disk contradicts a word the
 * image would not start, so that is refused, unless it is to be so all the same; a disk that starts
 * by nothing (data, or encrypted) contradicts nobody. */
#include "ami/firmware.h"

#include <string.h>

static bool is_ec2_arch(const char *arch)
{
    return strcmp(arch, "x86_64") == 0 || strcmp(arch, "i386") == 0 || strcmp(arch, "arm64") == 0;
}

static bool is_arm(const char *arch)
{
    return strncmp(arch, "arm64", 5) == 0;
}

static const char *mode_of(enum vml_firmware f)
{
    return f == VML_FIRMWARE_UEFI ? "uefi" : f == VML_FIRMWARE_BIOS ? "legacy-bios" : "";
}

struct vml_said vml_firmware_said(const struct vml_image *a, const struct vml_machine *ovf,
                                  bool force)
{
    struct vml_said said = { .ovf = ovf->firmware, .force = force };
    memcpy(said.user_mode, a->boot_mode, sizeof said.user_mode);
    memcpy(said.user_arch, a->architecture, sizeof said.user_arch);
    return said;
}

/* --- architecture --------------------------------------------------------------------------- */

static int settle_arch(const struct vml_said *said, struct vml_image *a, const struct vml_boot *b,
                       const char *disk, struct vml_notes *notes, struct vml_error *err)
{
    const char *found = b ? b->arch : "", *user = said->user_arch;
    if (!user[0]) {
        if (found[0] && !is_ec2_arch(found))
            vml_note(notes, "import/architecture", "disk %s is for %s, which EC2 has not: %s", disk,
                     found, b->arch_from);
        return VML_SET(a->architecture, "Architecture", is_ec2_arch(found) ? found : "x86_64", err);
    }
    if (!found[0] || strcmp(found, user) == 0)
        return 0;
    /* A machine of 64 bits starts a kernel of 32. */
    if (is_arm(found) == is_arm(user) || said->force) {
        vml_note(notes, "import/architecture", "the user says %s, disk %s is for %s: %s", user,
                 disk, found, b->arch_from);
        return 0;
    }
    return vml_fail(err, VML_EREFUSED, "import/architecture",
                    "the user says %s, but disk %s is for %s: %s (--force-boot: all the same)",
                    user, disk, found, b->arch_from);
}

/* --- boot mode ------------------------------------------------------------------------------ */

static bool boots_by(const struct vml_boot *b, const char *mode)
{
    if (strcmp(mode, "legacy-bios") == 0)
        return b->bios;
    return b->uefi || (strcmp(mode, "uefi-preferred") == 0 && b->bios);
}

/* "" where nobody says anything. */
static const char *word_of(const struct vml_said *said, const struct vml_image *a, const char **who)
{
    *who = "the user";
    if (said->user_mode[0])
        return said->user_mode;
    *who = a->tpm[0] ? "the TPM" : a->architecture;
    if (a->tpm[0] || is_arm(a->architecture))
        return "uefi";
    *who = "the OVF";
    return mode_of(said->ovf);
}

static void tell_ovf(const struct vml_said *said, struct vml_notes *notes)
{
    const char *ovf = mode_of(said->ovf), *user = said->user_mode;
    bool same =
        strncmp(user, "uefi", 4) == 0 ? said->ovf == VML_FIRMWARE_UEFI : strcmp(user, ovf) == 0;
    if (user[0] && ovf[0] && !same)
        vml_note(notes, "import/boot-mode", "the OVF says boot mode %s, the user %s, which holds",
                 ovf, user);
}

static int refuse(const char *who, const char *word, const struct vml_boot *b, const char *disk,
                  struct vml_error *err)
{
    bool ovf = strcmp(who, "the OVF") == 0;
    return vml_fail(err, VML_EREFUSED, "import/boot-mode",
                    "%s says boot mode %s, but disk %s says %s: %s (%s)", who, word, disk,
                    vml_boot_mode(b), b->reason,
                    ovf ? "--boot-mode M: which of them holds" : "--force-boot: all the same");
}

static int settle_mode(const struct vml_said *said, struct vml_image *a, const struct vml_boot *b,
                       const char *disk, struct vml_notes *notes, struct vml_error *err)
{
    const char *who, *word = word_of(said, a, &who), *found = b ? vml_boot_mode(b) : "";
    if (strcmp(a->virtualization, "hvm") != 0)
        return 0; /* its kernel's loader starts it */
    if (b) {
        tell_ovf(said, notes);
        if (!found[0])
            vml_note(notes, "import/boot-mode", "disk %s boots neither by BIOS nor by UEFI: %s",
                     disk, b->reason);
    }
    if (found[0] && word[0] && !boots_by(b, word)) {
        if (!said->force)
            return refuse(who, word, b, disk, err);
        vml_note(notes, "import/boot-mode", "%s says boot mode %s, disk %s says %s: %s", who, word,
                 disk, found, b->reason);
    }
    return VML_SET(a->boot_mode, "Boot mode", word[0] ? word : found, err);
}

int vml_firmware_settle(const struct vml_said *said, struct vml_image *a, const struct vml_boot *b,
                        const char *disk, struct vml_notes *notes, struct vml_error *err)
{
    return settle_arch(said, a, b, disk, notes, err) < 0
               ? -1
               : settle_mode(said, a, b, disk, notes, err);
}
