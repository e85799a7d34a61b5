/* Boot mode and architecture between who says what and the disk. */
#include "check.h"

#include "ami/firmware.h"

#define BIOS                           \
    {                                  \
        .bios = true, .reason = "code" \
    }
#define UEFI                                                                      \
    {                                                                             \
        .uefi = true, .reason = "loader", .arch = "x86_64", .arch_from = "loader" \
    }
#define BOTH                                         \
    {                                                \
        .bios = true, .uefi = true, .reason = "both" \
    }
#define NOTHING           \
    {                     \
        .reason = "blank" \
    }
#define ARM                                                                      \
    {                                                                            \
        .uefi = true, .reason = "loader", .arch = "arm64", .arch_from = "loader" \
    }
#define OLD                                                                   \
    {                                                                         \
        .bios = true, .reason = "code", .arch = "i386", .arch_from = "kernel" \
    }
#define OTHER                                                                      \
    {                                                                              \
        .uefi = true, .reason = "loader", .arch = "riscv64", .arch_from = "loader" \
    }

static const struct {
    const char *user_mode, *user_arch, *tpm, *virt;
    enum vml_firmware ovf;
    struct vml_boot disk;
    const char *mode, *arch; /* or the slug, and NULL */
    size_t notes;
} rows[] = {
    /* the disk alone */
    { "", "", "", "hvm", VML_FIRMWARE_UNKNOWN, BIOS, "legacy-bios", "x86_64", 0 },
    { "", "", "", "hvm", VML_FIRMWARE_UNKNOWN, UEFI, "uefi", "x86_64", 0 },
    { "", "", "", "hvm", VML_FIRMWARE_UNKNOWN, BOTH, "uefi-preferred", "x86_64", 0 },
    { "", "", "", "hvm", VML_FIRMWARE_UNKNOWN, ARM, "uefi", "arm64", 0 },
    { "", "", "", "hvm", VML_FIRMWARE_UNKNOWN, OLD, "legacy-bios", "i386", 0 },
    { "", "", "", "hvm", VML_FIRMWARE_UNKNOWN, OTHER, "uefi", "x86_64", 1 },
    { "", "", "", "hvm", VML_FIRMWARE_UNKNOWN, NOTHING, "", "x86_64", 1 },
    /* the OVF */
    { "", "", "", "hvm", VML_FIRMWARE_BIOS, BIOS, "legacy-bios", "x86_64", 0 },
    { "", "", "", "hvm", VML_FIRMWARE_BIOS, BOTH, "legacy-bios", "x86_64", 0 },
    { "", "", "", "hvm", VML_FIRMWARE_UEFI, NOTHING, "uefi", "x86_64", 1 },
    { "", "", "", "hvm", VML_FIRMWARE_BIOS, UEFI, "import/boot-mode", NULL, 0 },
    { "", "", "", "hvm", VML_FIRMWARE_UEFI, BIOS, "import/boot-mode", NULL, 0 },
    /* the user, before the OVF */
    { "uefi", "", "", "hvm", VML_FIRMWARE_BIOS, UEFI, "uefi", "x86_64", 1 },
    { "uefi-preferred", "", "", "hvm", VML_FIRMWARE_UEFI, BOTH, "uefi-preferred", "x86_64", 0 },
    { "uefi-preferred", "", "", "hvm", VML_FIRMWARE_UNKNOWN, BIOS, "uefi-preferred", "x86_64", 0 },
    { "legacy-bios", "", "", "hvm", VML_FIRMWARE_UNKNOWN, BOTH, "legacy-bios", "x86_64", 0 },
    { "legacy-bios", "", "", "hvm", VML_FIRMWARE_UNKNOWN, NOTHING, "legacy-bios", "x86_64", 1 },
    { "legacy-bios", "", "", "hvm", VML_FIRMWARE_BIOS, UEFI, "import/boot-mode", NULL, 0 },
    { "uefi", "", "", "hvm", VML_FIRMWARE_UNKNOWN, BIOS, "import/boot-mode", NULL, 0 },
    { "", "", "v2.0", "hvm", VML_FIRMWARE_BIOS, UEFI, "uefi", "x86_64", 0 },
    { "", "", "v2.0", "hvm", VML_FIRMWARE_UNKNOWN, BIOS, "import/boot-mode", NULL, 0 },
    { "", "", "", "paravirtual", VML_FIRMWARE_UEFI, BIOS, "", "x86_64", 0 },
    /* architectures */
    { "", "x86_64", "", "hvm", VML_FIRMWARE_UNKNOWN, OLD, "legacy-bios", "x86_64", 1 },
    { "", "x86_64", "", "hvm", VML_FIRMWARE_UNKNOWN, ARM, "import/architecture", NULL, 0 },
    { "", "arm64", "", "hvm", VML_FIRMWARE_UNKNOWN, UEFI, "import/architecture", NULL, 0 },
    { "", "arm64", "", "hvm", VML_FIRMWARE_UNKNOWN, BIOS, "import/boot-mode", NULL, 0 },
    { "", "arm64", "", "hvm", VML_FIRMWARE_UNKNOWN, NOTHING, "uefi", "arm64", 1 },
};

static int settle(size_t i, bool force, bool look, struct vml_image *a, struct vml_notes *notes,
                  struct vml_error *err)
{
    const struct vml_machine ovf = { .firmware = rows[i].ovf };

    *a = (struct vml_image){ 0 };
    snprintf(a->boot_mode, sizeof a->boot_mode, "%s", rows[i].user_mode);
    snprintf(a->architecture, sizeof a->architecture, "%s", rows[i].user_arch);
    snprintf(a->tpm, sizeof a->tpm, "%s", rows[i].tpm);
    snprintf(a->virtualization, sizeof a->virtualization, "%s", rows[i].virt);
    const struct vml_said said = vml_firmware_said(a, &ovf, force);
    if (vml_firmware_settle(&said, a, NULL, "", notes, err) < 0)
        return -1;
    CHECK_INT(notes->n, 0); /* nobody has looked yet */
    return look ? vml_firmware_settle(&said, a, &rows[i].disk, "d.raw", notes, err) : 0;
}

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VML_AUTO(vml_notes_clear) struct vml_notes notes = { 0 };
        VML_AUTO(vml_notes_clear) struct vml_notes forced = { 0 };
        struct vml_error err = { 0 };
        struct vml_image a;
        int rc = settle(i, false, true, &a, &notes, &err);

        if (rows[i].arch == NULL) {
            CHECK_INT(rc, -1);
            CHECK_STR(err.slug, rows[i].mode);
            CHECK_INT(vml_error_status(&err), 5);
            CHECK_OK(settle(i, true, true, &a, &forced, &err), &err);
            CHECK(forced.n > 0);
            continue;
        }
        CHECK_OK(rc, &err);
        if (strcmp(a.boot_mode, rows[i].mode) != 0 || strcmp(a.architecture, rows[i].arch) != 0 ||
            notes.n != rows[i].notes) {
            fprintf(stderr, "row %zu: %s, %s, %zu notes\n", i, a.boot_mode, a.architecture,
                    notes.n);
            abort();
        }
        CHECK_OK(settle(i, false, false, &a, &forced, &err), &err);
    }
    return 0;
}
