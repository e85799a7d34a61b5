/* How a disk boots: tables made by sfdisk and sgdisk, and then damaged. */
#include "boot_disk.h"

enum { MIB = 1 << 20 };

/* --- tables --------------------------------------------------------------------------------- */

#define SYSLINUX "/usr/lib/SYSLINUX" /* $B */
#define CODE     "printf '\\353\\143' | dd of=$F conv=notrunc status=none"
#define SIZE     (UINT64_C(24) << 20)
#define LAST     "49151" /* its last sector */
#define GPT      "printf 'label: gpt\\n"
#define BIOS     "21686148-6449-6E6F-744E-656564454649"
#define GRUB     GPT ",1M," BIOS "\\n,,L\\n' | sfdisk -q $F"
/* a FAT in the partition at 1 MiB, with a loader */
#define FAT                                                                    \
    "; mkfs.fat --offset 2048 $F 16384 2>&1; mmd -i $F@@1M ::EFI ::EFI/BOOT; " \
    "printf '" PE(PE_X64) "' >$G; mcopy -i $F@@1M $G ::EFI/BOOT/BOOTX64.EFI"
#define TABLE GPT ",16M,U\\n,,L\\n' | sfdisk -q $F"
#define ESP   TABLE FAT
/* numbered as in cloud images.  sgdisk syncs every file system, which takes its time: once only */
#define CLOUD "sgdisk -n 14:2048:+1M -t 14:EF02 -n 15:0:+16M -t 15:EF00 -n 1:0:0 $F"

#define WRITE(what, at) \
    "; printf '" what "' | dd of=$F conv=notrunc oflag=seek_bytes seek=" at " status=none"
#define ERASE(sector) \
    "; dd if=/dev/zero of=$F conv=notrunc bs=512 seek=" sector " count=1 status=none"
#define MBR(lines) "printf '" lines "' | sfdisk -q $F"
#define ACTIVE_CODE                                                                                \
    "; printf x | dd of=$F conv=notrunc bs=512 seek=2048 status=none" WRITE("\\125\\252", "104908" \
                                                                                          "6")
#define EXTENDED MBR("start=2048,size=16384,type=5\\nstart=4096,size=100\\nstart=8192,size=100\\n")
#define LIKE_GRUB2 \
    WRITE("GRUB \\0Geom", "384") WRITE("\\0\\200\\1", "90") WRITE("\\125\\252", "510")

static const struct {
    const char *command;
    enum vml_table table;
    unsigned partitions;
    bool bios, uefi;
    const char *mode, *reason, *note; /* a part of the reason; a slug, or NULL: no note at all */
} rows[] = {
    { "true", VML_TABLE_NONE, 0, false, false, "", "blank", NULL },
    { "echo 'some text' | dd of=$F conv=notrunc status=none", VML_TABLE_NONE, 0, false, false, "",
      "no partition table; no boot code", NULL },
    /* MBR */
    { "echo ,,L,* | sfdisk -q $F; " CODE, VML_TABLE_MBR, 1, true, false, "legacy-bios",
      "MBR with 1 partition; unknown boot code", NULL },
    { "echo ,,L | sfdisk -q $F; " CODE, VML_TABLE_MBR, 1, false, false, "", "; unknown boot code",
      NULL },
    { "echo ,,L,* | sfdisk -q $F", VML_TABLE_MBR, 1, false, false, "", "; no boot code", NULL },
    { "printf 'label: dos\\n' | sfdisk -q $F; " CODE, VML_TABLE_MBR, 0, false, false, "",
      "MBR with 0 partitions", NULL },
    { MBR(",16M,U\\n,,L\\n") FAT, VML_TABLE_MBR, 2, false, true, "uefi",
      "partition 1 is an EFI system partition", NULL },
    { MBR(",16M,U\\n,,L\\n"), VML_TABLE_MBR, 2, false, false, "", "no FAT is in it",
      "boot/esp-damaged" },
    { MBR(",16M,U\\n,,L,*\\n") FAT "; " CODE, VML_TABLE_MBR, 2, true, true, "uefi-preferred",
      "MBR with 2 partitions", NULL },
    { "echo ,,L,* | sfdisk -q $F; " CODE WRITE("\\0\\0", "510"), VML_TABLE_NONE, 0, false, false,
      "", "no boot code", NULL },
    { MBR("size=10M\\nsize=5M\\n") WRITE("\\0\\020", "470"), VML_TABLE_MBR, 2, false, false, "",
      "partitions 1 and 2 overlap", "boot/partition-overlap" },
    { MBR("size=10M\\n") WRITE("\\377\\177", "460"), VML_TABLE_MBR, 1, false, false, "",
      "past the end", "boot/partition-outside" },
    /* boot code that is known */
    { MBR("size=10M,bootable") "; dd if=$B/mbr.bin of=$F conv=notrunc status=none" ACTIVE_CODE,
      VML_TABLE_MBR, 1, true, false, "legacy-bios", "boot code of syslinux", NULL },
    { MBR("size=10M,bootable") "; dd if=$B/mbr.bin of=$F conv=notrunc status=none", VML_TABLE_MBR,
      1, false, false, "", "has no boot code", "boot/active-none" },
    { MBR("size=10M") "; dd if=$B/mbr.bin of=$F conv=notrunc status=none", VML_TABLE_MBR, 1, false,
      false, "", "none is active", "boot/active-none" },
    { MBR("size=4M,bootable\\nsize=4M\\n")
          WRITE("\\200", "462") "; dd if=$B/mbr.bin of=$F conv=notrunc status=none" ACTIVE_CODE,
      VML_TABLE_MBR, 2, true, false, "legacy-bios", "2 partitions are active", "boot/active-many" },
    { GPT "size=10M,attrs=LegacyBIOSBootable\\n' | sfdisk -q $F; "
          "dd if=$B/gptmbr.bin of=$F conv=notrunc status=none" ACTIVE_CODE,
      VML_TABLE_GPT, 1, true, false, "legacy-bios", "boot code of syslinux", NULL },
    { MBR("size=10M") LIKE_GRUB2, VML_TABLE_MBR, 1, false, false, "", "goes on with sector 1",
      "boot/grub-core" },
    { MBR("size=10M") LIKE_GRUB2 WRITE("loading", "512"), VML_TABLE_MBR, 1, true, false,
      "legacy-bios", "boot code of grub2", NULL },
    /* logical partitions */
    { EXTENDED, VML_TABLE_MBR, 3, false, false, "", "MBR with 3 partitions", NULL },
    /* the second link of the chain leads to the first sector of the extended one */
    { EXTENDED WRITE("\\0\\0\\0\\0", "1049046"), VML_TABLE_MBR, 2, false, false, "",
      "comes back to sector 2048", "boot/extended-loop" },
    { EXTENDED WRITE("\\377\\377\\377\\0", "1049046"), VML_TABLE_MBR, 2, false, false, "",
      "leaves the extended partition", "boot/extended-outside" },
    { EXTENDED ERASE("2048"), VML_TABLE_MBR, 1, false, false, "", "no table of logical",
      "boot/extended-damaged" },
    /* GPT */
    { ESP, VML_TABLE_GPT, 2, false, true, "uefi",
      "GPT with 2 partitions; partition 1 is an EFI system partition; no boot code; "
      "/EFI/BOOT/BOOTX64.EFI (unknown, x86_64)",
      NULL },
    { GRUB, VML_TABLE_GPT, 2, false, false, "", "no boot code", NULL },
    { GRUB "; " CODE, VML_TABLE_GPT, 2, true, false, "legacy-bios",
      "partition 1 is a BIOS boot partition; unknown boot code", NULL },
    { CLOUD "; " CODE, VML_TABLE_GPT, 3, true, false, "legacy-bios", "partition 15 is an EFI",
      "boot/esp-damaged" },
    { GPT ",,L\\n' | sfdisk -q $F; " CODE, VML_TABLE_GPT, 1, false, false, "",
      "; unknown boot code", NULL },
    { GPT "type=L,attrs=LegacyBIOSBootable\\n' | sfdisk -q $F; " CODE, VML_TABLE_GPT, 1, true,
      false, "legacy-bios", "GPT", NULL },
    { GPT ",,L\\n' | sfdisk -q $F; " CODE WRITE("\\200", "446"), VML_TABLE_GPT, 1, true, false,
      "legacy-bios", "; unknown boot code", NULL },
    { ESP WRITE("\\203", "466") WRITE("\\1", "470") WRITE("\\1", "474"), VML_TABLE_GPT, 2, false,
      true, "uefi", "hybrid GPT with 2 partitions", NULL },
    { GPT ",,L\\n' | sfdisk -q $F" WRITE("\\0", "450"), VML_TABLE_MBR, 0, false, false, "",
      "nobody looks at it", "boot/gpt-unannounced" },
    /* a GPT that is not whole */
    { ESP ERASE("1"), VML_TABLE_GPT, 2, false, true, "uefi", "the first GPT is damaged: there is",
      "boot/gpt-first" },
    { ESP WRITE("x", "540"), VML_TABLE_GPT, 2, false, true, "uefi", "its header does not match",
      "boot/gpt-first" },
    { ESP WRITE("x", "1040"), VML_TABLE_GPT, 2, false, true, "uefi", "its entries do not match",
      "boot/gpt-first" },
    { ESP ERASE(LAST), VML_TABLE_GPT, 2, false, true, "uefi", "the GPT's backup in sector " LAST,
      "boot/gpt-backup" },
    { ESP "; dd if=$F of=$F conv=notrunc bs=512 skip=1 seek=" LAST " count=1 status=none",
      VML_TABLE_GPT, 2, false, true, "uefi", "that of another sector", "boot/gpt-backup" },
    { ESP ERASE("1") ERASE(LAST), VML_TABLE_MBR, 1, false, false, "", "none that is whole",
      "boot/gpt-lost" },
    { ESP ERASE("1") ERASE(LAST) WRITE("EFI PART", "4096"), VML_TABLE_MBR, 1, false, false, "",
      "sectors of 4096 bytes", "boot/gpt-4096" },
};

static void test_tables(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VML_AUTO(vml_freep) uint8_t *bytes = NULL;
        VML_AUTO(vml_boot_clear) struct vml_boot b = { 0 };

        if (strstr(rows[i].command, "$B") != NULL && access(SYSLINUX "/mbr.bin", R_OK) < 0)
            continue;
        bytes = made_by(rows[i].command, SIZE);
        b = boot_of(bytes, SIZE);
        if (b.table != rows[i].table || b.n_partitions != rows[i].partitions ||
            b.bios != rows[i].bios || b.uefi != rows[i].uefi ||
            strcmp(vml_boot_mode(&b), rows[i].mode) != 0 ||
            strstr(b.reason, rows[i].reason) == NULL ||
            (rows[i].note == NULL ? b.notes.n > 0 : !has_note(&b, rows[i].note))) {
            fprintf(stderr, "row %zu: table %d, %zu partitions, bios %d, uefi %d: %s\n", i, b.table,
                    b.n_partitions, b.bios, b.uefi, b.reason);
            abort();
        }
    }
}

/* What the rows' numbers do not show. */
static void test_fields(void)
{
    VML_AUTO(vml_freep)
    uint8_t *bytes = made_by(CLOUD "; sgdisk -c 1:'r\303\266\303\266t' $F", SIZE);
    VML_AUTO(vml_freep) uint8_t *extended = made_by(EXTENDED, SIZE);
    VML_AUTO(vml_boot_clear) struct vml_boot b = boot_of(bytes, SIZE);
    VML_AUTO(vml_boot_clear) struct vml_boot e = boot_of(extended, SIZE);

    CHECK_INT(b.partitions[0].number, 1);
    CHECK_STR(b.partitions[0].name, "r\303\266\303\266t");
    CHECK_STR(b.partitions[0].type, "0fc63daf-8483-4772-8e79-3d69d8477de4");
    CHECK_INT(b.partitions[1].number, 14);
    CHECK(b.partitions[1].bios_boot && b.partitions[2].esp);
    CHECK_INT(b.partitions[1].off, MIB);
    CHECK_INT(b.partitions[1].len, MIB);
    CHECK(e.partitions[0].extended && e.partitions[1].logical);
    CHECK_INT(e.partitions[1].number, 5);
    CHECK_INT(e.partitions[2].number, 6);
    CHECK_INT(e.partitions[2].off, 8192 * 512);
}

/* A FAT or NTFS without a table: its boot sector looks like an MBR. */
static void test_boot_sectors(void)
{
    static const char *const makers[][2] = { { "mkfs.fat", "mkfs.fat $F" },
                                             { "mkfs.ntfs", "mkfs.ntfs -q -F -f $F 2>&1" } };

    for (size_t i = 0; i < 2; i++) {
        VML_AUTO(vml_freep) uint8_t *bytes = NULL;
        VML_AUTO(vml_boot_clear) struct vml_boot b = { 0 };

        if (!have(makers[i][0]))
            continue;
        bytes = made_by(makers[i][1], SIZE);
        b = boot_of(bytes, SIZE);
        CHECK_INT(b.table, VML_TABLE_NONE);
        CHECK_STR(vml_boot_mode(&b), "");
        CHECK_STR(b.whole.type, i == 0 ? "vfat" : "ntfs");
    }
}

/* --- sizes ---------------------------------------------------------------------------------- */

/* A table at the start of a disk of any size, and cut off with it. */
static void test_sizes(void)
{
    static const uint64_t sizes[] = { 1,           511,         512,         513,         1024,
                                      4096,        33333,       MIB - 1,     MIB,         MIB + 1,
                                      2 * MIB - 1, 2 * MIB + 1, 3 * MIB + 7, SIZE - 1000, SIZE };
    VML_AUTO(vml_freep) uint8_t *mbr = made_by("echo ,,L,* | sfdisk -q $F; " CODE, SIZE);
    VML_AUTO(vml_freep) uint8_t *gpt = made_by(ESP, SIZE);
    VML_AUTO(vml_freep) uint8_t *zero = calloc(1, SIZE + 100);

    CHECK(zero != NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        VML_AUTO(vml_boot_clear) struct vml_boot a = boot_of(mbr, sizes[i]);
        VML_AUTO(vml_boot_clear) struct vml_boot b = boot_of(zero, sizes[i]);
        VML_AUTO(vml_boot_clear) struct vml_boot c = boot_of(gpt, sizes[i]);

        CHECK_INT(a.bios, sizes[i] == SIZE);
        CHECK_INT(has_note(&a, "boot/partition-outside"), sizes[i] >= 512 && sizes[i] < SIZE);
        CHECK_STR(b.reason, "blank at both ends");
    }
    /* the odd bytes behind the last sector change nothing */
    memcpy(zero, gpt, SIZE);
    VML_AUTO(vml_boot_clear) struct vml_boot odd = boot_of(zero, SIZE + 100);
    CHECK(odd.uefi);
    CHECK_INT(odd.notes.n, 0);
}

/* A disk that was enlarged. */
static void test_grown(void)
{
    VML_AUTO(vml_freep) uint8_t *gpt = made_by(ESP, SIZE);
    VML_AUTO(vml_freep) uint8_t *larger = calloc(1, 2 * SIZE);

    CHECK(larger != NULL);
    memcpy(larger, gpt, SIZE);
    VML_AUTO(vml_boot_clear) struct vml_boot b = boot_of(larger, 2 * SIZE);
    CHECK(b.uefi);
    CHECK(has_note(&b, "boot/gpt-not-at-end"));
}

static void test_huge(void)
{
    VML_AUTO(vml_boot_clear) struct vml_boot b = boot_of(NULL, VML_DISK_MAX);

    CHECK_STR(b.reason, "blank at both ends");
}

static void test_broken(void)
{
    struct memory m = disk(NULL, SIZE);
    VML_AUTO(vml_boot_clear) struct vml_boot b;
    struct vml_error err = { 0 };

    m.broken = true;
    CHECK_FAILS(vml_boot_read(&m.base, &b, &err), &err, "io/error");
}

int main(void)
{
    test_huge();
    test_broken();
    need((const char *const[]){ "sfdisk", "sgdisk", "mkfs.fat", "mcopy", NULL });
    image_begin("test_boot");
    test_tables();
    test_fields();
    test_boot_sectors();
    test_sizes();
    test_grown();
    CHECK_INT(unlink(image), 0);
    return 0;
}
