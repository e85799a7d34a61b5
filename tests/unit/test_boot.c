/* How a disk boots: tables made by sfdisk and sgdisk, and then damaged. */
#include <unistd.h>

#include "check.h"
#include "vmlift/guest.h"

/* A disk in memory, which counts the bytes that are read. */
struct memory {
    struct vml_reader base;
    uint8_t *bytes; /* the first and last MiB; between them zeroes */
    uint64_t read;
    bool broken;
};
enum { MIB = 1 << 20 };

static int memory_extent(struct vml_reader *base, uint64_t off, struct vml_extent *x,
                         struct vml_error *err)
{
    (void)err;
    *x = (struct vml_extent){ .off = off, .len = base->size - off, .kind = VML_DATA };
    return 0;
}

static int memory_load(struct vml_reader *base, const struct vml_extent *x, uint64_t off,
                       size_t len, void *buf, struct vml_error *err)
{
    struct memory *m = (struct memory *)base;

    (void)x;
    if (m->broken)
        return vml_fail(err, VML_EIO, "io/error", "broken");
    m->read += len;
    if (m->bytes == NULL)
        memset(buf, 0, len);
    else
        memcpy(buf, m->bytes + off, len);
    return 0;
}

static const struct vml_reader_ops memory_ops = { .extent = memory_extent, .load = memory_load };

static struct memory disk(uint8_t *bytes, uint64_t size)
{
    return (struct memory){
        .base = { .ops = &memory_ops, .size = size, .unit = 512, .can_seek = true },
        .bytes = bytes,
    };
}

static struct vml_boot boot_of(uint8_t *bytes, uint64_t size)
{
    struct memory m = disk(bytes, size);
    struct vml_boot b;
    struct vml_error err = { 0 };

    CHECK_OK(vml_boot_read(&m.base, &b, &err), &err);
    CHECK(m.read <= 2 * MIB);
    CHECK(strlen(b.reason) > 0 && strchr(b.reason, '\n') == NULL);
    return b;
}

/* --- tables --------------------------------------------------------------------------------- */

static char image[64];

static bool have(const char *program)
{
    char command[128];

    snprintf(command, sizeof command, "PATH=$PATH:/usr/sbin:/sbin command -v %s >/dev/null",
             program);
    return system(command) == 0;
}

/* The bytes of a disk of `size` after `command`, in which $F is the disk's file. */
static uint8_t *made_by(const char *command, uint64_t size)
{
    char line[1024];
    uint8_t *bytes = malloc(size);
    FILE *f;

    CHECK(bytes != NULL);
    snprintf(
        line, sizeof line,
        "F=%s; PATH=$PATH:/usr/sbin:/sbin; rm -f $F; truncate -s %llu $F && { %s; } >/dev/null",
        image, (unsigned long long)size, command);
    CHECK_INT(system(line), 0);
    f = fopen(image, "rb");
    CHECK(f != NULL);
    CHECK_INT(fread(bytes, 1, size, f), size);
    fclose(f);
    return bytes;
}

#define CODE "printf '\\353\\143' | dd of=$F conv=notrunc status=none"
#define SIZE (UINT64_C(24) << 20)
#define LAST "49151" /* its last sector */
#define GPT  "printf 'label: gpt\\n"
#define BIOS "21686148-6449-6E6F-744E-656564454649"
#define GRUB GPT ",1M," BIOS "\\n,,L\\n' | sfdisk -q $F"
#define ESP  GPT ",16M,U\\n,,L\\n' | sfdisk -q $F"
/* numbered as in cloud images.  sgdisk syncs every file system, which takes its time: once only */
#define CLOUD "sgdisk -n 14:2048:+1M -t 14:EF02 -n 15:0:+16M -t 15:EF00 -n 1:0:0 $F"

static const struct {
    const char *command;
    enum vml_table table;
    unsigned partitions;
    bool bios, uefi;
    const char *mode, *reason; /* part of it */
} rows[] = {
    { "true", VML_TABLE_NONE, 0, false, false, "", "blank" },
    { "echo 'some text' | dd of=$F conv=notrunc status=none", VML_TABLE_NONE, 0, false, false, "",
      "no partition table; no boot code" },
    /* MBR */
    { "echo ,,L,* | sfdisk -q $F; " CODE, VML_TABLE_MBR, 1, true, false, "legacy-bios",
      "MBR with 1 partition; boot code" },
    { "echo ,,L | sfdisk -q $F; " CODE, VML_TABLE_MBR, 1, true, false, "legacy-bios",
      "; boot code" },
    { "echo ,,L,* | sfdisk -q $F", VML_TABLE_MBR, 1, false, false, "", "; no boot code" },
    { "printf 'label: dos\\n' | sfdisk -q $F; " CODE, VML_TABLE_MBR, 0, false, false, "",
      "MBR with 0 partitions" },
    { "printf ',16M,U\\n,,L\\n' | sfdisk -q $F", VML_TABLE_MBR, 2, false, true, "uefi",
      "partition 1 is an EFI system partition" },
    { "printf ',16M,U\\n,,L,*\\n' | sfdisk -q $F; " CODE, VML_TABLE_MBR, 2, true, true,
      "uefi-preferred", "MBR with 2 partitions" },
    { "echo ,,L,* | sfdisk -q $F; " CODE "; printf '\\0\\0' | "
      "dd of=$F conv=notrunc oflag=seek_bytes seek=510 status=none",
      VML_TABLE_NONE, 0, false, false, "", "no boot code" },
    /* GPT */
    { ESP, VML_TABLE_GPT, 2, false, true, "uefi",
      "GPT with 2 partitions; partition 1 is an EFI system partition; no boot code" },
    { GRUB, VML_TABLE_GPT, 2, false, false, "", "no boot code" },
    { GRUB "; " CODE, VML_TABLE_GPT, 2, true, false, "legacy-bios",
      "partition 1 is a BIOS boot partition; boot code" },
    { CLOUD "; " CODE, VML_TABLE_GPT, 3, true, true, "uefi-preferred", "partition 15 is an EFI" },
    { GPT ",,L\\n' | sfdisk -q $F; " CODE, VML_TABLE_GPT, 1, false, false, "", "; boot code" },
    { GPT "type=L,attrs=LegacyBIOSBootable\\n' | sfdisk -q $F; " CODE, VML_TABLE_GPT, 1, true,
      false, "legacy-bios", "GPT" },
    { GPT ",,L\\n' | sfdisk -q $F; " CODE "; printf '\\200' | "
          "dd of=$F conv=notrunc oflag=seek_bytes seek=446 status=none",
      VML_TABLE_GPT, 1, true, false, "legacy-bios", "; boot code" },
    /* a GPT that is not whole */
    { ESP "; dd if=/dev/zero of=$F conv=notrunc bs=512 seek=1 count=1 status=none", VML_TABLE_GPT,
      2, false, true, "uefi", "the first GPT is damaged" },
    { ESP "; printf x | dd of=$F conv=notrunc oflag=seek_bytes seek=1040 status=none",
      VML_TABLE_GPT, 2, false, true, "uefi", "the first GPT is damaged" },
    { ESP "; dd if=/dev/zero of=$F conv=notrunc bs=512 seek=" LAST " count=1 status=none",
      VML_TABLE_GPT, 2, false, true, "uefi", "GPT with 2 partitions" },
    { ESP "; for s in 1 " LAST "; do dd if=/dev/zero of=$F conv=notrunc bs=512 seek=$s count=1 "
          "status=none; done",
      VML_TABLE_NONE, 0, false, false, "", "no valid GPT" },
    { ESP "; for s in 1 " LAST "; do dd if=/dev/zero of=$F conv=notrunc bs=512 seek=$s count=1 "
          "status=none; done; printf 'EFI PART' | "
          "dd of=$F conv=notrunc oflag=seek_bytes seek=4096 status=none",
      VML_TABLE_NONE, 0, false, false, "", "sectors of 4096 bytes" },
};

static void test_tables(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VML_AUTO(vml_freep) uint8_t *bytes = made_by(rows[i].command, SIZE);
        struct vml_boot b = boot_of(bytes, SIZE);

        if (b.table != rows[i].table || b.partitions != rows[i].partitions ||
            b.bios != rows[i].bios || b.uefi != rows[i].uefi ||
            strcmp(vml_boot_mode(&b), rows[i].mode) != 0 ||
            strstr(b.reason, rows[i].reason) == NULL) {
            fprintf(stderr, "row %zu: table %d, %u partitions, bios %d, uefi %d: %s\n", i, b.table,
                    b.partitions, b.bios, b.uefi, b.reason);
            abort();
        }
    }
}

/* A FAT without a table: its boot sector looks like an MBR. */
static void test_floppy(void)
{
    VML_AUTO(vml_freep) uint8_t *bytes = NULL;
    struct vml_boot b;

    if (!have("mkfs.fat"))
        return;
    bytes = made_by("mkfs.fat $F", SIZE);
    b = boot_of(bytes, SIZE);
    CHECK_INT(b.table, VML_TABLE_NONE);
    CHECK_STR(vml_boot_mode(&b), "");
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
        struct vml_boot b = boot_of(mbr, sizes[i]);

        CHECK_INT(b.bios, sizes[i] >= MIB + 512); /* its partition starts at 1 MiB */
        CHECK_INT(strstr(b.reason, "past the end") != NULL, sizes[i] >= 1024 && sizes[i] < SIZE);
        b = boot_of(zero, sizes[i]);
        CHECK_STR(b.reason, "blank");
        boot_of(gpt, sizes[i]);
    }
    /* the odd bytes behind the last sector change nothing */
    memcpy(zero, gpt, SIZE);
    CHECK(boot_of(zero, SIZE + 100).uefi);
}

static void test_huge(void)
{
    struct vml_boot b = boot_of(NULL, VML_DISK_MAX);

    CHECK_STR(b.reason, "blank");
}

static void test_broken(void)
{
    struct memory m = disk(NULL, SIZE);
    struct vml_boot b;
    struct vml_error err = { 0 };

    m.broken = true;
    CHECK_FAILS(vml_boot_read(&m.base, &b, &err), &err, "io/error");
}

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    int fd;

    snprintf(image, sizeof image, "%.40s/test_boot.XXXXXX", tmp != NULL ? tmp : "/tmp");
    test_huge();
    test_broken();
    if (!have("sfdisk") || !have("sgdisk")) {
        fprintf(stderr, "skipped: sfdisk or sgdisk is not installed\n");
        return 77;
    }
    fd = mkstemp(image);
    CHECK(fd >= 0);
    close(fd);
    test_tables();
    test_floppy();
    test_sizes();
    CHECK_INT(unlink(image), 0);
    return 0;
}
