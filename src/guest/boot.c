/* How a disk boots: what the other files find, put together and judged. */
#include "guest/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EDGE        (64u << 10) /* of either end: nothing in it, and a disk is blank */
#define LOOKED_INTO 32u         /* partitions; each costs some 25 KiB */

struct vml_partition *vml_boot_add_partition(struct vml_boot *b)
{
    if (b->n_partitions < VML_PARTITIONS_MAX)
        return &b->partitions[b->n_partitions++];
    if (!b->more_partitions)
        vml_note(&b->notes, "boot/partitions-many", "more than %u partitions", VML_PARTITIONS_MAX);
    b->more_partitions = true;
    return NULL;
}

struct vml_loader *vml_boot_add_loader(struct vml_boot *b, const char *kind, unsigned partition,
                                       const char *path)
{
    struct vml_loader *l = &b->loaders[b->n_loaders];

    if (b->n_loaders == VML_BOOT_LOADERS)
        return NULL;
    b->n_loaders++;
    l->partition = partition;
    snprintf(l->kind, sizeof l->kind, "%s", kind);
    snprintf(l->path, sizeof l->path, "%s", path);
    return l;
}

static bool is_arm(const char *arch)
{
    return strncmp(arch, "arm", 3) == 0;
}

void vml_boot_arch(struct vml_boot *b, unsigned strength, const char *arch, const char *from)
{
    if (arch[0] == '\0')
        return;
    if (b->arch[0] != '\0' && is_arm(arch) != is_arm(b->arch))
        vml_note(&b->notes, "boot/architectures", "%s is for %s, and %s is for %s", b->arch_from,
                 b->arch, from, arch);
    if (strength <= b->arch_strength)
        return;
    b->arch_strength = strength;
    snprintf(b->arch, sizeof b->arch, "%s", arch);
    snprintf(b->arch_from, sizeof b->arch_from, "%s", from);
}

/* --- partitions ----------------------------------------------------------------------------- */

static void check_ranges(struct vml_boot *b, uint64_t size)
{
    for (size_t i = 0; i < b->n_partitions; i++) {
        struct vml_partition *p = &b->partitions[i];

        p->outside = p->off >= size || p->len > size - p->off;
        if (p->outside)
            vml_note(&b->notes, "boot/partition-outside",
                     "partition %u reaches past the end of the disk: to byte %llu of %llu",
                     p->number, (unsigned long long)(p->off + p->len), (unsigned long long)size);
        for (size_t k = 0; k < i; k++) {
            const struct vml_partition *q = &b->partitions[k];

            if (p->off < q->off + q->len && q->off < p->off + p->len &&
                !(q->extended && p->logical) && !p->extended)
                vml_note(&b->notes, "boot/partition-overlap", "partitions %u and %u overlap",
                         q->number, p->number);
        }
    }
}

static void look_into_volume(void *arg, struct vml_volume *v, const struct vml_region *g)
{
    vml_content_read(&v->content, g);
    vml_linux_read(arg, 0, v->name, g);
}

static void look_into(struct vml_boot *b, struct vml_partition *p, const struct vml_region *disk)
{
    struct vml_region g = { disk->view, p->off, p->len };
    size_t before = b->n_loaders;

    vml_content_read(&p->content, &g);
    if (strcmp(p->content.type, "vfat") == 0 || p->esp)
        vml_efi_read(b, p, &g);
    for (; !p->esp && before < b->n_loaders; before++)
        if (b->loaders[before].fallback)
            vml_note(&b->notes, "boot/esp-type",
                     "partition %u has %s, but not the type of an EFI system partition", p->number,
                     b->loaders[before].path);
    if (strcmp(p->content.type, "LVM2_member") == 0)
        vml_lvm_read(b, &g, look_into_volume, b);
    else if (strncmp(p->content.type, "ext", 3) == 0)
        vml_linux_read(b, p->number, NULL, &g);
}

/* EFI system partitions first: the limit must not end before what matters most. */
static void look_into_partitions(struct vml_boot *b, const struct vml_region *disk, bool esp)
{
    unsigned n = 0;

    for (size_t i = 0; i < b->n_partitions; i++) {
        struct vml_partition *p = &b->partitions[i];

        if (p->outside || p->extended || p->bios_boot || p->esp != esp)
            continue;
        if (n++ == LOOKED_INTO) {
            vml_note(&b->notes, "boot/partitions-many",
                     "only the first %u partitions were looked into", LOOKED_INTO);
            return;
        }
        look_into(b, p, disk);
    }
}

static void look_into_whole(struct vml_boot *b, const struct vml_region *disk)
{
    if (strcmp(b->whole.type, "LVM2_member") == 0)
        vml_lvm_read(b, disk, look_into_volume, b);
    else if (strncmp(b->whole.type, "ext", 3) == 0)
        vml_linux_read(b, 0, NULL, disk);
}

/* Some first sectors end as an MBR does, and may be all zero where that has its entries. */
static bool is_boot_sector(const struct vml_boot *b)
{
    static const char *const types[] = { "vfat", "ntfs", "exfat", "BitLocker" };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(b->whole.type, types[i]) == 0)
            return true;
    return false;
}

static bool is_zero(const struct vml_region *disk, uint64_t off, size_t len)
{
    uint8_t buf[EDGE];

    len = (size_t)vml_min_u64(len, disk->len - off);
    return vml_region_read(disk, buf, len, off) && vml_is_zero(buf, len);
}

/* Nothing at either end, as far as it was looked at. */
static bool is_blank(const struct vml_region *disk)
{
    return is_zero(disk, 0, EDGE) && is_zero(disk, disk->len - vml_min_u64(EDGE, disk->len), EDGE);
}

/* --- the judgement -------------------------------------------------------------------------- */

static bool esp_loads(struct vml_boot *b)
{
    const struct vml_loader *told = NULL;
    bool esp = false;

    for (size_t i = 0; i < b->n_partitions; i++) {
        const struct vml_partition *p = &b->partitions[i];

        esp = esp || p->esp;
        for (size_t k = 0; p->esp && k < b->n_loaders; k++) {
            const struct vml_loader *l = &b->loaders[k];

            if (l->partition != p->number || l->arch[0] == '\0')
                continue;
            if (l->fallback)
                return true;
            told = l;
        }
    }
    if (told != NULL)
        vml_note(&b->notes, "boot/no-fallback",
                 "the loader is %s, which only firmware that was told of it starts: a new machine "
                 "looks for /EFI/BOOT/BOOT%s.EFI",
                 told->path, is_arm(told->arch) ? "AA64" : "X64");
    else if (esp)
        vml_note(&b->notes, "boot/esp-empty", "the EFI system partition has no loader");
    return told != NULL;
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

static void tell_table(struct vml_boot *b)
{
    static const char *const names[] = { [VML_TABLE_MBR] = "MBR", [VML_TABLE_GPT] = "GPT" };

    if (b->table != VML_TABLE_NONE)
        found(b, "%s%s with %zu partition%s", b->hybrid ? "hybrid " : "", names[b->table],
              b->n_partitions, b->n_partitions == 1 ? "" : "s");
    else if (b->whole.type[0] != '\0')
        found(b, "no partition table, the disk is %s", b->whole.type);
    else
        found(b, "no partition table");
    for (size_t i = 0; i < b->n_partitions; i++) {
        const struct vml_partition *p = &b->partitions[i];

        if (p->esp)
            found(b, "partition %u is an EFI system partition", p->number);
        if (p->bios_boot)
            found(b, "partition %u is a BIOS boot partition", p->number);
        if (strcmp(p->content.type, "crypto_LUKS") == 0 ||
            strcmp(p->content.type, "BitLocker") == 0)
            found(b, "partition %u is encrypted (%s)", p->number, p->content.type);
    }
}

static void tell(struct vml_boot *b)
{
    tell_table(b);
    if (b->code[0] == '\0')
        found(b, "no boot code");
    else if (strcmp(b->code, "unknown") == 0)
        found(b, "unknown boot code");
    else
        found(b, "boot code of %s", b->code);
    for (size_t i = 0; i < b->n_loaders; i++)
        if (b->loaders[i].fallback)
            found(b, "%s (%s, %s)", b->loaders[i].path, b->loaders[i].kind, b->loaders[i].arch);
    for (size_t i = 0; i < b->notes.n; i++)
        if (strcmp(b->notes.items[i].slug, "boot/unread") != 0)
            found(b, "%s", b->notes.items[i].text);
}

static void judge(struct vml_boot *b, const struct vml_region *disk)
{
    uint8_t mbr[VML_SECTOR] = { 0 };
    bool has_sector = vml_region_read(disk, mbr, sizeof mbr, 0);

    vml_content_read(&b->whole, disk);
    if (b->whole.type[0] == '\0' && is_blank(disk)) {
        found(b, "blank at both ends");
        return;
    }
    if (has_sector && !vml_gpt_read(b, disk, mbr) && !is_boot_sector(b))
        vml_mbr_read(b, disk, mbr);
    check_ranges(b, disk->len);
    if (b->table == VML_TABLE_NONE)
        look_into_whole(b, disk);
    if (has_sector)
        vml_code_read(b, disk, mbr);
    look_into_partitions(b, disk, true);
    look_into_partitions(b, disk, false);
    b->uefi = esp_loads(b);
    vml_linux_root(b);
    if (vml_view_spent(disk->view))
        vml_note(&b->notes, "boot/unread",
                 "%u bytes of the disk were read, and what more it would take was left",
                 VML_BOOT_LIMIT);
    tell(b);
}

int vml_boot_read(struct vml_reader *r, struct vml_boot *b, struct vml_error *err)
{
    VML_AUTO(vml_view_freep) struct vml_view *view = NULL;

    *b = (struct vml_boot){ .table = VML_TABLE_NONE };
    b->partitions = calloc(VML_PARTITIONS_MAX, sizeof *b->partitions);
    b->volumes = calloc(VML_VOLUMES_MAX, sizeof *b->volumes);
    if (b->partitions == NULL || b->volumes == NULL)
        return vml_fail_nomem(err);
    if (vml_view_open(&view, r, VML_BOOT_LIMIT, err) < 0)
        return -1;
    judge(b, &(struct vml_region){ view, 0, r->size });
    b->read = vml_view_bytes(view);
    return vml_view_end(view, err);
}

void vml_boot_clear(struct vml_boot *b)
{
    free(b->partitions);
    free(b->volumes);
    vml_notes_clear(&b->notes);
    *b = (struct vml_boot){ .table = VML_TABLE_NONE };
}

const char *vml_boot_mode(const struct vml_boot *b)
{
    if (b->bios && b->uefi)
        return "uefi-preferred";
    return b->uefi ? "uefi" : b->bios ? "legacy-bios" : "";
}
