/* Files of a FAT file system, to be looked at: FAT12, FAT16 and FAT32 with long names.
 *
 *     sector 0   11 u16 bytes in a sector, 13 sectors in a cluster, 14 u16 reserved sectors,
 *                16 tables, 17 u16 entries of the root (12, 16), 19 u16 / 32 u32 sectors,
 *                22 u16 / 36 u32 sectors of a table, 44 u32 the root's cluster (32)
 *     entry      32 bytes: 0 name, 11 attributes, 12 case, 20 u16 and 26 u16 first cluster, 28 u32
 * length; with attributes 0x0f a piece of the long name of the entry that follows
 *
 * Chains may loop: each walk has a bound. */
#include "guest/internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "vmlift/endian.h"

#define ENTRY        32u
#define FOLDER_MAX   (64u << 10) /* bytes of a folder that are looked at */
#define CHAIN_MAX    (1u << 16)  /* clusters of a file */
#define LONG_MAX     256u
#define FOLDER_ATTR  0x10u
#define VOLUME_ATTR  0x08u
#define LONG_ATTR    0x0fu
#define LOWER_NAME   0x08u /* Windows NT's way to keep a short name in lowercase */
#define LOWER_SUFFIX 0x10u

bool vml_fat_open(struct vml_fat *fat, const struct vml_region *g)
{
    uint8_t s[VML_SECTOR];
    uint64_t sector, sectors, table, start;

    *fat = (struct vml_fat){ .g = *g };
    if (!vml_region_read(g, s, sizeof s, 0) || (s[0] != 0xeb && s[0] != 0xe9) ||
        !vml_sector_signed(s))
        return false;
    sector = le16(s + 11);
    if ((sector & (sector - 1)) != 0 || sector < 512 || sector > 4096 || s[13] == 0 ||
        (s[13] & (s[13] - 1)) != 0 || le16(s + 14) == 0 || s[16] == 0 || s[21] < 0xf0)
        return false;
    sectors = le16(s + 19) != 0 ? le16(s + 19) : le32(s + 32);
    table = le16(s + 22) != 0 ? le16(s + 22) : le32(s + 36);
    fat->root_len = (uint64_t)le16(s + 17) * ENTRY;
    fat->table = le16(s + 14) * sector;
    fat->root = fat->table + s[16] * table * sector;
    fat->data = fat->root + vml_round_up(fat->root_len, sector);
    fat->cluster = (uint32_t)(s[13] * sector);
    start = fat->data / sector;
    if (table == 0 || sectors <= start)
        return false;
    fat->clusters = (uint32_t)vml_min_u64((sectors - start) / s[13], 0x0ffffff5);
    fat->bits = fat->clusters < 4085 ? 12 : fat->clusters < 65525 ? 16 : 32;
    if (le16(s + 22) == 0) { /* whatever the number of clusters: so do Linux and UEFI */
        fat->bits = 32;
        fat->root = le32(s + 44);
        fat->root_len = 0;
    }
    return fat->bits == 32 ? fat->root_len == 0 : fat->root_len > 0;
}

/* 0 at the end, or where the table says nonsense. */
static uint32_t next_cluster(const struct vml_fat *fat, uint32_t cluster)
{
    uint64_t at = fat->table + (uint64_t)cluster * fat->bits / 8;
    uint8_t e[4] = { 0 };
    uint32_t next;

    if (!vml_region_read(&fat->g, e, fat->bits == 32 ? 4 : 2, at))
        return 0;
    next = le32(e) & 0x0fffffff;
    if (fat->bits == 12)
        next = cluster % 2 != 0 ? next >> 4 : next & 0xfff;
    return next >= 2 && next - 2 < fat->clusters ? next : 0;
}

/* Where byte `off` of what begins at the cluster is; 0: nowhere. */
static uint64_t place_of(const struct vml_fat *fat, uint64_t cluster, uint64_t off)
{
    uint64_t steps = off / fat->cluster;
    uint32_t at = (uint32_t)cluster;

    if (steps > CHAIN_MAX || at < 2 || at - 2 >= fat->clusters)
        return 0;
    for (; steps > 0 && at != 0; steps--)
        at = next_cluster(fat, at);
    return at == 0 ? 0 : fat->data + (uint64_t)(at - 2) * fat->cluster + off % fat->cluster;
}

size_t vml_fat_read(const struct vml_fat *fat, const struct vml_file *f, void *buf, size_t len,
                    uint64_t off)
{
    size_t done = 0;

    if (off >= f->size)
        return 0;
    len = (size_t)vml_min_u64(len, f->size - off);
    while (done < len) {
        size_t n = (size_t)vml_min_u64(len - done, fat->cluster - (off + done) % fat->cluster);
        uint64_t at = place_of(fat, f->at, off + done);

        if (at == 0 || !vml_region_read(&fat->g, (uint8_t *)buf + done, n, at))
            break;
        done += n;
    }
    return done;
}

/* --- folders -------------------------------------------------------------------------------- */

/* Entry number i of a folder (at 0: the root). */
static bool read_entry(const struct vml_fat *fat, uint64_t folder, uint64_t i, uint8_t e[ENTRY])
{
    uint64_t off = i * ENTRY, at;

    if (folder == 0 && fat->root_len > 0)
        return off < fat->root_len && vml_region_read(&fat->g, e, ENTRY, fat->root + off);
    at = place_of(fat, folder == 0 ? fat->root : folder, off);
    return at != 0 && vml_region_read(&fat->g, e, ENTRY, at);
}

/* The pieces come last first; 13 characters each, of which those of ASCII are kept. */
static void take_long(char name[LONG_MAX], const uint8_t *e)
{
    static const uint8_t places[] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };
    size_t at = ((e[0] & 0x1fu) - 1) * sizeof places;

    if ((e[0] & 0x1f) == 0 || at + sizeof places >= LONG_MAX)
        return;
    if ((e[0] & 0x40) != 0)
        memset(name, 0, LONG_MAX);
    for (size_t i = 0; i < sizeof places; i++) {
        unsigned c = le16(e + places[i]);

        name[at + i] = c == 0xffff ? '\0' : c < 0x80 ? (char)c : '?';
    }
}

static void take_short(char name[LONG_MAX], const uint8_t *e)
{
    size_t n = 0;

    for (size_t i = 0; i < 11; i++) {
        if (i == 8 && e[8] != ' ')
            name[n++] = '.';
        if (e[i] != ' ')
            name[n++] = (char)(e[i] >= 0x80                                    ? '?'
                               : (e[12] & (i < 8 ? LOWER_NAME : LOWER_SUFFIX)) ? tolower(e[i])
                                                                               : e[i]);
    }
    name[n] = '\0';
}

void vml_fat_list(const struct vml_fat *fat, const struct vml_file *folder, vml_file_fn *fn,
                  void *arg)
{
    char name[LONG_MAX] = "";
    uint8_t e[ENTRY];

    for (uint64_t i = 0; i < FOLDER_MAX / ENTRY && read_entry(fat, folder->at, i, e); i++) {
        struct vml_file f;

        if (e[0] == 0)
            return;
        if (e[0] == 0xe5) {
            name[0] = '\0';
            continue;
        }
        if (e[11] == LONG_ATTR) {
            take_long(name, e);
            continue;
        }
        if (name[0] == '\0')
            take_short(name, e);
        f.at = le16(e + 26) | (fat->bits == 32 ? (uint32_t)le16(e + 20) << 16 : 0);
        f.size = le32(e + 28);
        f.folder = (e[11] & FOLDER_ATTR) != 0;
        if ((e[11] & VOLUME_ATTR) == 0 && name[0] != '.' && !fn(arg, name, &f))
            return;
        name[0] = '\0';
    }
}

struct wanted {
    const char *name;
    size_t len;
    struct vml_file *out;
    bool found;
};

static bool match(void *arg, const char *name, const struct vml_file *f)
{
    struct wanted *w = arg;

    if (strlen(name) != w->len || strncasecmp(name, w->name, w->len) != 0)
        return true;
    *w->out = *f;
    w->found = true;
    return false;
}

bool vml_fat_find(const struct vml_fat *fat, const char *path, struct vml_file *out)
{
    struct vml_file at = { .at = 0, .folder = true };

    for (path += strspn(path, "/"); *path != '\0'; path += strspn(path, "/")) {
        struct wanted w = { .name = path, .len = strcspn(path, "/"), .out = out };

        if (!at.folder)
            return false;
        vml_fat_list(fat, &at, match, &w);
        if (!w.found || (out->folder && out->at == 0)) /* at 0 would be the root again */
            return false;
        at = *out;
        path += w.len;
    }
    *out = at;
    return true;
}
