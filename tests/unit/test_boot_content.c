/* What is in partitions and whole disks: file systems, files in them, loaders, volumes; and what
 * becomes of it when bits of it flip. */
#include "boot_disk.h"

#define MIB (UINT64_C(1) << 20)

/* --- contents, by those who make them ------------------------------------------------------- */

static const struct {
    const char *program, *command, *type, *label, *version;
} contents[] = {
    { "mkfs.ext2", "mkfs.ext2 -q -F -L one $F", "ext2", "one", "1.0" },
    { "mkfs.ext4", "mkfs.ext4 -q -F -L one $F", "ext4", "one", "1.0" },
    { "mkfs.xfs", "mkfs.xfs -q -f -L one $F", "xfs", "one", "" },
    { "mkfs.btrfs", "mkfs.btrfs -q -f -L one $F 2>&1", "btrfs", "one", "" },
    { "jfs_mkfs", "jfs_mkfs -q -L one $F", "jfs", "one", "" },
    { "mkfs.ntfs", "mkfs.ntfs -q -f -F -L one $F 2>&1", "ntfs", "one", "" },
    { "mkfs.fat", "mkfs.fat -F 16 -n ONE $F 2>&1", "vfat", "ONE", "FAT16" },
    { "mkfs.fat", "mkfs.fat -F 32 -n ONE $F 2>&1", "vfat", "ONE", "FAT32" },
    { "mkswap", "mkswap -L one $F 2>&1", "swap", "one", "1" },
    { "mkswap", "mkswap -p 65536 -L one $F 2>&1", "swap", "one", "1" },
    { "mksquashfs", "mksquashfs /etc/apt $G -quiet && dd if=$G of=$F conv=notrunc status=none",
      "squashfs", "", "4.0" },
    { "cryptsetup",
      "printf pass | cryptsetup -q luksFormat --type luks1 "
      "--pbkdf-force-iterations 1000 $F -",
      "crypto_LUKS", "", "1" },
    { "cryptsetup",
      "printf pass | cryptsetup -q luksFormat --type luks2 --label one --pbkdf "
      "pbkdf2 --pbkdf-force-iterations 1000 $F -",
      "crypto_LUKS", "one", "2" },
    { "genisoimage",
      "genisoimage -quiet -V one -o $G /etc/apt && "
      "dd if=$G of=$F conv=notrunc status=none",
      "iso9660", "one", "" },
};

static void test_contents(void)
{
    for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
        VML_AUTO(vml_freep) uint8_t *bytes = NULL;
        VML_AUTO(vml_boot_clear) struct vml_boot b = { 0 };

        if (!have(contents[i].program))
            continue;
        bytes = made_by(contents[i].command, 320 * MIB);
        b = boot_of(bytes, 320 * MIB);
        CHECK_STR(b.whole.type, contents[i].type);
        CHECK_STR(b.whole.label, contents[i].label);
        if (contents[i].version[0] != '\0')
            CHECK_STR(b.whole.version, contents[i].version);
        CHECK_INT(b.table, VML_TABLE_NONE);
        CHECK_STR(vml_boot_mode(&b), "");
        CHECK_INT(b.root, 0);
    }
}

/* --- EFI system partitions ------------------------------------------------------------------ */

#define ESP_SIZE "65536" /* KiB */
#define ESP(fat)                                                          \
    "printf 'label: gpt\\n,64M,U\\n,,L\\n' | sfdisk -q $F; mkfs.fat " fat \
    " --offset 2048 $F " ESP_SIZE " 2>&1; mmd -i $F@@1M ::EFI; "
#define FOLDER(name)       "mmd -i $F@@1M ::" name "; "
#define PUT(machine, name) "printf '" PE(machine) "' >$G; mcopy -i $F@@1M $G ::" name "; "

static const struct {
    const char *command, *kind, *path, *arch; /* of the first loader; "": there is none */
    bool fallback, uefi;
    const char *boot_arch, *note;
} loaders[] = {
    { ESP("-F 12 -s 64") FOLDER("EFI/BOOT") PUT(PE_X64, "EFI/BOOT/BOOTX64.EFI"), "unknown",
      "/EFI/BOOT/BOOTX64.EFI", "x86_64", true, true, "x86_64", NULL },
    { ESP("-F 16") FOLDER("EFI/BOOT") PUT(PE_ARM, "EFI/boot/bootaa64.efi"), "unknown",
      "/EFI/BOOT/BOOTAA64.EFI", "arm64", true, true, "arm64", NULL },
    { ESP("-F 32 -s 1") FOLDER("EFI/BOOT") PUT("\\114\\001", "EFI/BOOT/BOOTIA32.EFI"), "unknown",
      "/EFI/BOOT/BOOTIA32.EFI", "i386", true, true, "i386", NULL },
    { ESP("-F 32 -s 1") FOLDER("EFI/AlmaLinux") PUT(PE_X64, "EFI/AlmaLinux/systemd-bootx64.efi"),
      "unknown", "/EFI/AlmaLinux/systemd-bootx64.efi", "x86_64", false, true, "x86_64",
      "boot/no-fallback" },
    { ESP("-F 32 -s 1") FOLDER("EFI/Microsoft") FOLDER("EFI/Microsoft/Boot")
          PUT(PE_X64, "EFI/Microsoft/Boot/bootmgfw.efi"),
      "windows", "/EFI/Microsoft/Boot/bootmgfw.efi", "x86_64", false, true, "x86_64",
      "boot/no-fallback" },
    { ESP("-F 32 -s 1"), "", "", "", false, false, "", "boot/esp-empty" },
    { ESP("-F 32 -s 1") FOLDER("EFI/BOOT") "echo text >$G; mcopy -i $F@@1M $G "
                                           "::EFI/BOOT/BOOTX64.EFI; ",
      "", "", "", false, false, "", "boot/loader-damaged" },
    { ESP("-F 32 -s 1") FOLDER("EFI/BOOT") PUT(PE_X64, "EFI/BOOT/BOOTX64.EFI")
          PUT(PE_ARM, "EFI/BOOT/BOOTAA64.EFI"),
      "unknown", "/EFI/BOOT/BOOTX64.EFI", "x86_64", true, true, "x86_64", "boot/architectures" },
    { "printf 'label: gpt\\n,64M,L\\n' | sfdisk -q $F; mkfs.fat --offset 2048 $F " ESP_SIZE
      " 2>&1; mmd -i $F@@1M ::EFI; " FOLDER("EFI/BOOT") PUT(PE_X64, "EFI/BOOT/BOOTX64.EFI"),
      "unknown", "/EFI/BOOT/BOOTX64.EFI", "x86_64", true, false, "x86_64", "boot/esp-type" },
};

static void test_loaders(void)
{
    for (size_t i = 0; i < sizeof loaders / sizeof loaders[0]; i++) {
        VML_AUTO(vml_freep) uint8_t *bytes = made_by(loaders[i].command, 72 * MIB);
        VML_AUTO(vml_boot_clear) struct vml_boot b = boot_of(bytes, 72 * MIB);
        const struct vml_loader *l = &b.loaders[0];

        CHECK_STR(l->kind, loaders[i].kind);
        CHECK_STR(l->path, loaders[i].path);
        CHECK_STR(l->arch, loaders[i].arch);
        CHECK_INT(l->fallback, loaders[i].fallback);
        CHECK_INT(b.uefi, loaders[i].uefi);
        CHECK_STR(b.arch, loaders[i].boot_arch);
        CHECK(loaders[i].note == NULL ? b.notes.n == 0 : has_note(&b, loaders[i].note));
    }
}

/* A folder of many entries: the file is found behind them, and a loop of clusters ends. */
static void test_large_folder(void)
{
    static const char command[] = ESP("-F 32 -s 1") FOLDER(
        "EFI/BOOT") "for i in $(seq 300); do mkdir -p $G; "
                    "echo x >$G/a-name-that-is-long-$i.txt; done; mcopy -i $F@@1M $G/* ::EFI/BOOT; "
                    "rm -r $G; " PUT(PE_X64, "EFI/BOOT/BOOTX64.EFI");
    VML_AUTO(vml_freep) uint8_t *bytes = made_by(command, 72 * MIB);
    VML_AUTO(vml_boot_clear) struct vml_boot b = boot_of(bytes, 72 * MIB);
    uint8_t *table = bytes + MIB + 32 * 512;

    CHECK(b.uefi);
    for (size_t i = 3; i < 1000; i++) { /* every cluster leads to itself */
        uint8_t next[4] = { (uint8_t)i, (uint8_t)(i >> 8), 0, 0 };

        memcpy(table + 4 * i, next, 4);
    }
    VML_AUTO(vml_boot_clear) struct vml_boot looped = boot_of(bytes, 72 * MIB);
    CHECK(!looped.uefi);
}

/* --- ext ------------------------------------------------------------------------------------ */

/* the tree at $G */
#define TREE                                                                                \
    "mkdir -p $G/boot/grub $G/etc $G/usr/sbin $G/usr/lib/systemd; ln -s usr/sbin $G/sbin; " \
    "ln -s ../lib/systemd/systemd $G/usr/sbin/init; echo x >$G/etc/fstab; "                 \
    "printf '\\177ELF\\002\\001\\001%9s\\002\\000\\076\\000' >$G/usr/lib/systemd/systemd; " \
    "echo 'kernel /boot/vmlinuz root=/dev/sda1 ro' >$G/boot/grub/menu.lst; "
/* a kernel's first KiB: "HdrS" at 0x202, protocol 2.15, a 64-bit entry or not */
#define KERNEL(flags)  "printf '%514sHdrS\\017\\002%46s" flags "\\000%500s' >$G/boot/vmlinuz-6; "
#define WHOLE(options) "mkfs.ext4 -q -F -d $G " options " $F 2>&1"

static const struct {
    const char *command, *arch, *from, *xen;
    bool root;
} trees[] = {
    { TREE WHOLE(""), "x86_64", "/sbin/init of the disk", "(hd0)/boot/grub/menu.lst", true },
    { TREE WHOLE("-b 1024"), "x86_64", "/sbin/init", "(hd0)/boot/grub/menu.lst", true },
    { TREE WHOLE("-O ^extent,^64bit -b 1024"), "x86_64", "/sbin/init", "(hd0)/boot/", true },
    { TREE WHOLE("-b 4096 -O ^metadata_csum,^flex_bg"), "x86_64", "/sbin/init", "(hd0)", true },
    { TREE WHOLE("-O meta_bg,^resize_inode -b 1024"), "", "", "", false },
    /* not read: nobody makes a root like this */
    { TREE WHOLE("-O inline_data -I 256"), "", "", "", false },
    { TREE KERNEL("\\001") WHOLE(""), "x86_64", "the kernel /boot/vmlinuz-6 of the disk", "",
      true },
    { TREE KERNEL("\\000") WHOLE(""), "i386", "the kernel /boot/vmlinuz-6", "", true },
    /* folders of many names, with an index */
    { TREE "touch $(seq -f \"$G/boot/name-%05g\" 3000); " KERNEL("\\000") WHOLE("-b 1024 -N 4000"),
      "i386", "the kernel", "(hd0)", true },
    { TREE "rm $G/sbin; ln -s sbin $G/sbin; rm $G/etc/fstab; " WHOLE(""), "", "", "(hd0)", false },
    { "mkdir $G; " WHOLE(""), "", "", "", false },
};

static void test_trees(void)
{
    for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
        VML_AUTO(vml_freep) uint8_t *bytes = made_by(trees[i].command, 64 * MIB);
        VML_AUTO(vml_boot_clear) struct vml_boot b = boot_of(bytes, 64 * MIB);

        if (strcmp(b.arch, trees[i].arch) != 0 || strstr(b.arch_from, trees[i].from) == NULL ||
            strstr(b.xen_menu, trees[i].xen) == NULL || (b.root_from[0] != '\0') != trees[i].root) {
            fprintf(stderr, "tree %zu: %s (%s), %s, root by '%s'\n", i, b.arch, b.arch_from,
                    b.xen_menu, b.root_from);
            abort();
        }
    }
}

/* The configuration names the root, in a partition whose files are not read. */
static void test_root_by_word(void)
{
    static const char command[] =
        "printf 'label: dos\\n,16M\\n,400M\\n' | sfdisk -q $F; mkdir -p $G/grub2; "
        "echo 'linux /vmlinuz root=UUID=0d4c2b3a-1111-4222-8333-944455566677 ro' "
        ">$G/grub2/grub.cfg; mkfs.ext2 -q -F -d $G -E offset=1048576 $F 16M 2>&1; rm -r $G; "
        "truncate -s 400M $G; mkfs.xfs -q -m uuid=0d4c2b3a-1111-4222-8333-944455566677 $G; "
        "dd if=$G of=$F bs=1M seek=17 conv=notrunc,sparse status=none";
    VML_AUTO(vml_freep) uint8_t *bytes = NULL;
    VML_AUTO(vml_boot_clear) struct vml_boot b = { 0 };

    if (!have("mkfs.xfs"))
        return;
    bytes = made_by(command, 420 * MIB);
    b = boot_of(bytes, 420 * MIB);
    CHECK_INT(b.root, 2);
    CHECK_STR(b.root_from, "the loader says root=UUID=0d4c2b3a-1111-4222-8333-944455566677");
    CHECK_STR(b.loaders[0].path, "/grub2/grub.cfg");
}

/* --- bits that flip ------------------------------------------------------------------------- */

#define SEEDS 400u

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Where the structures are that are read: the table, the start of each partition, what is set. */
static void flip(uint8_t *bytes, const uint64_t *places, size_t n, uint32_t seed)
{
    uint32_t state = seed * 2654435761u + 1, count = 1 + next_random(&state) % 8;

    while (count-- > 0) {
        uint64_t at = places[next_random(&state) % n] + next_random(&state) % 2048;

        bytes[at] = next_random(&state) % 4 == 0 ? 0xff : bytes[at] ^ (uint8_t)next_random(&state);
    }
}

/* Whatever it says, it ends, stays inside the disk and reads no more than the limit (boot_of). */
static void test_flips(void)
{
    static const char command[] =
        "printf 'label: dos\\nsize=16M,type=U\\nsize=16M,bootable\\ntype=5\\nsize=2M\\nsize=2M\\n' "
        "| sfdisk -q $F; mkfs.fat -F 16 --offset 2048 $F 16384 2>&1; mmd -i $F@@1M ::EFI "
        "::EFI/BOOT; printf '" PE(
            PE_X64) "' >$G; mcopy -i $F@@1M $G ::EFI/BOOT/BOOTX64.EFI; "
                    "rm $G; " TREE KERNEL(
                        "\\001") "mkfs.ext4 -q -F -b 1024 -d $G -E offset=17825792 $F 16M 2>&1";
    const uint64_t size = 48 * MIB, fat = MIB, ext = 17 * MIB;
    VML_AUTO(vml_freep) uint8_t *whole = made_by(command, size);
    VML_AUTO(vml_freep) uint8_t *bytes = malloc(size);
    uint64_t places[64];
    size_t n = 0;

    CHECK(bytes != NULL);
    VML_AUTO(vml_boot_clear) struct vml_boot good = boot_of(whole, size);
    CHECK(good.uefi);
    CHECK_STR(good.arch, "x86_64");
    CHECK_INT(good.n_partitions, 5);
    places[n++] = 0;
    places[n++] = 33 * MIB;
    for (uint64_t i = 0; i < 40; i++) /* used blocks; zeroes have nothing that could lead astray */
        places[n++] = (i < 8 ? fat : ext) + i * 2048 + (i < 8 && i > 0 ? 16384 : 0);
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        memcpy(bytes, whole, size);
        flip(bytes, places, n, seed);
        VML_AUTO(vml_boot_clear) struct vml_boot b = boot_of(bytes, size);
        CHECK(b.n_partitions <= 256);
    }
    for (uint64_t cut = 1; cut < size; cut = cut * 3 / 2 + 7) {
        VML_AUTO(vml_boot_clear) struct vml_boot b = boot_of(whole, cut);
        CHECK(b.n_loaders <= VML_BOOT_LOADERS);
    }
}

int main(void)
{
    need((const char *const[]){ "sfdisk", "mkfs.fat", "mcopy", "mkfs.ext4", NULL });
    image_begin("test_boot_content");
    test_contents();
    test_loaders();
    test_large_folder();
    test_trees();
    test_root_by_word();
    test_flips();
    CHECK_INT(unlink(image), 0);
    return 0;
}
