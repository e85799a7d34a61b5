/* How a disk boots, from its own bytes.
 *
 *   0      440      446          512                                     size
 *   | boot code | id | 4 entries | 55 AA | GPT header, entries ..  ..  backup of the GPT |
 *
 * libblkid reads the tables: it checks a GPT's sums and takes the backup where the first is
 * damaged, and knows what looks like an MBR and is the boot sector of a FAT.  It wants a file
 * descriptor, so it gets a memory file of the disk's size that holds the first and the last MiB:
 * logical partitions, whose tables are strewn over the disk, are not counted, and nothing can make
 * it read more. */
#include "vmlift/guest.h"

#include <blkid.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#define EDGE      (UINT64_C(1) << 20) /* what is read at each end */
#define SECTOR    512
#define BOOT_CODE 440u
#define ENTRIES   446u
#define SIGNATURE 510u

#define TYPE_ESP       "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
#define TYPE_BIOS_BOOT "21686148-6449-6e6f-744e-656564454649"
#define MBR_TYPE_ESP   0xef
#define GPT_BOOTABLE   (1ull << 2) /* attribute: legacy BIOS bootable, for syslinux */

struct edges {
    uint8_t *head, *tail;
    size_t head_len, tail_len; /* the tail starts behind the head; a small disk has none */
};

static void edges_clear(struct edges *e)
{
    free(e->head);
    free(e->tail);
}

static int read_edges(struct edges *e, struct vml_reader *r, struct vml_error *err)
{
    e->head_len = (size_t)vml_min_u64(EDGE, r->size);
    e->tail_len = (size_t)vml_min_u64(EDGE, r->size - e->head_len);
    e->head = malloc(e->head_len + 1);
    e->tail = malloc(e->tail_len + 1);
    if (e->head == NULL || e->tail == NULL)
        return vml_fail_nomem(err);
    if (vml_pread(r, e->head, e->head_len, 0, err) < 0)
        return -1;
    return e->tail_len == 0 ? 0 : vml_pread(r, e->tail, e->tail_len, r->size - e->tail_len, err);
}

/* One more thing that was found. */
static void __attribute__((format(printf, 2, 3))) found(struct vml_boot *b, const char *fmt, ...)
{
    size_t used = strlen(b->reason);
    va_list args;

    if (used > 0 && used + 2 < sizeof b->reason) {
        memcpy(b->reason + used, "; ", 3);
        used += 2;
    }
    va_start(args, fmt);
    vsnprintf(b->reason + used, sizeof b->reason - used, fmt, args);
    va_end(args);
}

/* --- the MBR -------------------------------------------------------------------------------- */

static bool has_boot_code(const struct edges *e)
{
    return e->head_len >= SECTOR && e->head[SIGNATURE] == 0x55 && e->head[SIGNATURE + 1] == 0xaa &&
           !vml_is_zero(e->head, BOOT_CODE);
}

/* In front of a GPT: some firmware starts the boot code only then, so that it is set where it is
 * meant to be started. */
static bool has_active_entry(const struct edges *e)
{
    for (size_t i = 0; i < 4 && e->head_len >= SECTOR; i++) {
        const uint8_t *entry = e->head + ENTRIES + 16 * i;

        if (entry[0] == 0x80 && entry[4] != 0)
            return true;
    }
    return false;
}

/* The one entry by which an MBR covers a GPT. */
static bool has_protective_entry(const struct edges *e)
{
    for (size_t i = 0; i < 4 && e->head_len >= SECTOR; i++)
        if (e->head[ENTRIES + 16 * i + 4] == 0xee)
            return e->head[SIGNATURE] == 0x55 && e->head[SIGNATURE + 1] == 0xaa;
    return false;
}

/* --- the table ------------------------------------------------------------------------------ */

struct table {
    uint64_t size;   /* of the disk */
    unsigned inside; /* partitions that start on the disk */
    bool esp, bios_boot, bootable;
};

static void read_partition(struct table *t, struct vml_boot *b, blkid_partition p)
{
    const char *type = blkid_partition_get_type_string(p);
    bool gpt = b->table == VML_TABLE_GPT;
    int number = blkid_partition_get_partno(p);
    uint64_t start = (uint64_t)blkid_partition_get_start(p);
    uint64_t length = (uint64_t)blkid_partition_get_size(p), sectors = t->size / SECTOR;

    if (start >= sectors || length > sectors - start)
        found(b, "partition %d reaches past the end of the disk", number);
    if (start >= sectors)
        return;
    t->inside++;
    if (gpt ? type != NULL && strcasecmp(type, TYPE_ESP) == 0
            : blkid_partition_get_type(p) == MBR_TYPE_ESP) {
        t->esp = true;
        found(b, "partition %d is an EFI system partition", number);
    }
    if (gpt && type != NULL && strcasecmp(type, TYPE_BIOS_BOOT) == 0) {
        t->bios_boot = true;
        found(b, "partition %d is a BIOS boot partition", number);
    }
    if (gpt && (blkid_partition_get_flags(p) & GPT_BOOTABLE) != 0)
        t->bootable = true;
}

static void read_table(struct table *t, struct vml_boot *b, blkid_partlist list)
{
    blkid_parttable table;
    const char *type;
    int n;

    if (list == NULL || (table = blkid_partlist_get_table(list)) == NULL)
        return;
    type = blkid_parttable_get_type(table);
    n = blkid_partlist_numof_partitions(list);
    if (type != NULL && strcmp(type, "gpt") == 0)
        b->table = VML_TABLE_GPT;
    else if (type != NULL && strcmp(type, "dos") == 0)
        b->table = VML_TABLE_MBR;
    else if (type != NULL && strcasecmp(type, "pmbr") != 0) /* has_protective_entry finds that */
        found(b, "a partition table of type %s", type);
    if (b->table == VML_TABLE_NONE)
        return;
    b->partitions = n > 0 ? (unsigned)n : 0;
    found(b, "%s with %u partition%s", b->table == VML_TABLE_GPT ? "GPT" : "MBR", b->partitions,
          b->partitions == 1 ? "" : "s");
    if (b->table == VML_TABLE_GPT && blkid_parttable_get_offset(table) != SECTOR)
        found(b, "the first GPT is damaged, its backup at the disk's end is used");
    for (int i = 0; i < n; i++)
        read_partition(t, b, blkid_partlist_get_partition(list, i));
}

static int make_file(const struct edges *e, uint64_t size)
{
    int fd = memfd_create("vmlift-boot", MFD_CLOEXEC);

    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)size) == 0 &&
        pwrite(fd, e->head, e->head_len, 0) == (ssize_t)e->head_len &&
        pwrite(fd, e->tail, e->tail_len, (off_t)(size - e->tail_len)) == (ssize_t)e->tail_len)
        return fd;
    close(fd);
    return -1;
}

/* false: it could not be looked at, which is no fault of the disk. */
static bool probe(struct table *t, struct vml_boot *b, const struct edges *e, uint64_t size)
{
    int fd = make_file(e, size);
    blkid_probe pr = fd >= 0 ? blkid_new_probe() : NULL;
    bool done = pr != NULL && blkid_probe_set_device(pr, fd, 0, 0) == 0;

    if (done)
        read_table(t, b, blkid_probe_get_partitions(pr));
    if (pr != NULL)
        blkid_free_probe(pr);
    if (fd >= 0)
        close(fd);
    return done;
}

/* A GPT that starts at the second sector of 4096 bytes: EBS volumes have sectors of 512. */
static bool has_large_sectors(const struct edges *e)
{
    return e->head_len >= 4096 + 8 && memcmp(e->head + 4096, "EFI PART", 8) == 0;
}

static void judge(struct vml_boot *b, const struct edges *e, uint64_t size)
{
    struct table t = { .size = size };
    bool code = has_boot_code(e);

    if (vml_is_zero(e->head, e->head_len) && vml_is_zero(e->tail, e->tail_len)) {
        found(b, "blank");
        return;
    }
    if (!probe(&t, b, e, size))
        found(b, "the partition table could not be examined");
    else if (b->table == VML_TABLE_NONE && has_large_sectors(e))
        found(b, "a GPT for sectors of 4096 bytes, which machines with sectors of 512 do not see");
    else if (b->table == VML_TABLE_NONE && has_protective_entry(e))
        found(b, "an MBR that announces a GPT, but no valid GPT");
    else if (b->table == VML_TABLE_NONE && b->reason[0] == '\0')
        found(b, "no partition table");
    found(b, code ? "boot code" : "no boot code");
    b->uefi = t.esp;
    if (b->table == VML_TABLE_MBR)
        b->bios = code && t.inside > 0;
    if (b->table == VML_TABLE_GPT)
        b->bios = code && (t.bios_boot || t.bootable || has_active_entry(e));
}

int vml_boot_read(struct vml_reader *r, struct vml_boot *b, struct vml_error *err)
{
    VML_AUTO(edges_clear) struct edges e = { 0 };

    *b = (struct vml_boot){ .table = VML_TABLE_NONE };
    if (read_edges(&e, r, err) < 0)
        return -1;
    judge(b, &e, r->size);
    return 0;
}

const char *vml_boot_mode(const struct vml_boot *b)
{
    if (b->bios && b->uefi)
        return "uefi-preferred";
    return b->uefi ? "uefi" : b->bios ? "legacy-bios" : "";
}
