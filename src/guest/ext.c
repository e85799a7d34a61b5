/* Files of ext2, ext3 and ext4, to be looked at.
 *
 *     1024   superblock: 0 u32 inodes, 20 u32 first data block, 24 u32 log2 of the block / 1024,
 *            40 u32 inodes in a group, 56 u16 0xef53, 76 u32 revision, 88 u16 length of an inode,
 *            96 u32 incompatible features, 254 u16 length of a group descriptor,
 *            260 u32 first group of META_BG
 *     group  descriptors behind it: 8 u32 block of the inodes (64bit: and 40 u32)
 *     inode  0 u16 mode, 4 u32 length (108 u32 high), 32 u32 flags, 40 60 bytes: block numbers, the
 *            root of a tree of extents, or the target of a short link
 *
 * The journal is not replayed: what a machine that lost its power wrote last may be missing. Trees,
 * links and folders are the disk's word, so each walk has a bound. */
#include "guest/internal.h"

#include <stdlib.h>
#include <string.h>

#include "vmlift/endian.h"

#define ROOT_INODE 2u
#define INODE      128u         /* of it is needed */
#define FOLDER_MAX (128u << 10) /* bytes of a folder that are looked at */
#define LINKS_MAX  8u
#define DEPTH_MAX  5u
#define PATH_BYTES 256u

#define FEATURE_META_BG 0x10u
#define FEATURE_64BIT   0x80u
#define FEATURES_KNOWN  0x3f7d6u /* neither compressed files nor a journal by itself */
#define FLAG_ENCRYPTED  0x800u
#define FLAG_EXTENTS    0x80000u
#define FLAG_INLINE     0x10000000u
#define MODE_KIND       0xf000u
#define MODE_FOLDER     0x4000u
#define MODE_FILE       0x8000u
#define MODE_LINK       0xa000u

struct inode {
    unsigned mode;
    uint32_t flags;
    uint64_t size;
    uint8_t map[60];
};

bool vml_ext_open(struct vml_ext *ext, const struct vml_region *g)
{
    uint8_t s[1024];
    uint32_t shift, features;

    *ext = (struct vml_ext){ .g = *g };
    if (!vml_region_read(g, s, sizeof s, 1024) || le16(s + 56) != 0xef53)
        return false;
    shift = le32(s + 24);
    features = le32(s + 76) > 0 ? le32(s + 96) : 0;
    if (shift > 6 || (features & ~FEATURES_KNOWN) != 0)
        return false;
    ext->block = 1024u << shift;
    ext->inodes = le32(s);
    ext->inodes_per_group = le32(s + 40);
    ext->inode_size = le32(s + 76) > 0 ? le16(s + 88) : INODE;
    ext->has_64bit = (features & FEATURE_64BIT) != 0;
    ext->meta_bg = (features & FEATURE_META_BG) != 0;
    ext->first_meta_bg = le32(s + 260);
    ext->desc_size = ext->has_64bit ? le16(s + 254) : 32;
    ext->descs = ((uint64_t)le32(s + 20) + 1) * ext->block;
    return ext->inodes_per_group > 0 && ext->inode_size >= INODE && ext->inode_size <= ext->block &&
           ext->desc_size >= 32 && ext->desc_size <= ext->block;
}

/* With META_BG the descriptors stand in the group they are about, a block of them in each. */
static uint64_t descriptor_place(const struct vml_ext *ext, uint32_t group)
{
    uint32_t per_block = ext->block / ext->desc_size;

    if (!ext->meta_bg || group / per_block < ext->first_meta_bg)
        return ext->descs + (uint64_t)group * ext->desc_size;
    return UINT64_MAX; /* rare: made by resizing beyond 16 TiB; not followed */
}

static bool read_inode(const struct vml_ext *ext, uint64_t number, struct inode *out)
{
    uint8_t d[64] = { 0 }, raw[INODE];
    uint64_t table;
    uint32_t group;

    if (number == 0 || number > ext->inodes)
        return false;
    group = (uint32_t)((number - 1) / ext->inodes_per_group);
    if (!vml_region_read(&ext->g, d, ext->desc_size < 64 ? 32 : 64, descriptor_place(ext, group)))
        return false;
    table =
        le32(d + 8) | (ext->has_64bit && ext->desc_size >= 64 ? (uint64_t)le32(d + 40) << 32 : 0);
    if (table > ext->g.len / ext->block ||
        !vml_region_read(&ext->g, raw, sizeof raw,
                         table * ext->block +
                             (number - 1) % ext->inodes_per_group * (uint64_t)ext->inode_size))
        return false;
    out->mode = le16(raw);
    out->flags = le32(raw + 32);
    out->size = le32(raw + 4) | (uint64_t)le32(raw + 108) << 32;
    memcpy(out->map, raw + 40, sizeof out->map);
    return (out->flags & (FLAG_INLINE | FLAG_ENCRYPTED)) == 0;
}

/* --- which block holds a block of a file: 0 is a hole, or none ------------------------------ */

static uint64_t in_extents(const struct vml_ext *ext, const uint8_t *root, uint64_t want)
{
    VML_AUTO(vml_freep) uint8_t *node = vml_view_alloc(ext->g.view, ext->block);
    const uint8_t *p = root;
    size_t room = 60;

    for (unsigned depth = 0; node != NULL && depth <= DEPTH_MAX; depth++) {
        unsigned n = le16(p + 2);
        const uint8_t *last = NULL;
        uint64_t block;

        if (le16(p) != 0xf30a || 12u + 12u * n > room)
            return 0;
        for (unsigned i = 0; i < n && le32(p + 12 + 12 * i) <= want; i++)
            last = p + 12 + 12 * i;
        if (last == NULL)
            return 0;
        if (le16(p + 6) == 0) { /* a leaf; more than 32768 blocks: not written yet */
            uint64_t skip = want - le32(last);

            return skip < le16(last + 4) && le16(last + 4) <= 32768
                       ? (le32(last + 8) | (uint64_t)le16(last + 6) << 32) + skip
                       : 0;
        }
        block = le32(last + 4) | (uint64_t)le16(last + 8) << 32;
        if (block > ext->g.len / ext->block ||
            !vml_region_read(&ext->g, node, ext->block, block * ext->block))
            return 0;
        p = node;
        room = ext->block;
    }
    return 0;
}

static uint64_t in_map(const struct vml_ext *ext, const uint8_t *map, uint64_t want)
{
    uint64_t per = ext->block / 4, span = 1;
    uint32_t block;
    unsigned level = 0;
    uint8_t raw[4];

    if (want < 12)
        return le32(map + 4 * want);
    want -= 12;
    for (span = per; level < 2 && want >= span; level++) {
        want -= span;
        span *= per;
    }
    if (want >= span)
        return 0;
    block = le32(map + 48 + 4 * level);
    while (block != 0 && span > 1) {
        span /= per;
        if (block > ext->g.len / ext->block ||
            !vml_region_read(&ext->g, raw, sizeof raw,
                             block * (uint64_t)ext->block + want / span * 4))
            return 0;
        block = le32(raw);
        want %= span;
    }
    return block;
}

static size_t read_bytes(const struct vml_ext *ext, const struct inode *in, void *buf, size_t len,
                         uint64_t off)
{
    size_t done = 0;

    if (off >= in->size)
        return 0;
    len = (size_t)vml_min_u64(len, in->size - off);
    while (done < len) {
        uint64_t number = (off + done) / ext->block, skip = (off + done) % ext->block;
        size_t n = (size_t)vml_min_u64(len - done, ext->block - skip);
        uint64_t block = (in->flags & FLAG_EXTENTS) != 0 ? in_extents(ext, in->map, number)
                                                         : in_map(ext, in->map, number);

        if (block > ext->g.len / ext->block)
            break;
        if (block == 0)
            memset((uint8_t *)buf + done, 0, n);
        else if (!vml_region_read(&ext->g, (uint8_t *)buf + done, n, block * ext->block + skip))
            break;
        done += n;
    }
    return done;
}

size_t vml_ext_read(const struct vml_ext *ext, const struct vml_file *f, void *buf, size_t len,
                    uint64_t off)
{
    struct inode in;

    return read_inode(ext, f->at, &in) && (in.mode & MODE_KIND) == MODE_FILE
               ? read_bytes(ext, &in, buf, len, off)
               : 0;
}

/* --- folders -------------------------------------------------------------------------------- */

/* Shown each name with its inode; false ends it. */
typedef bool name_fn(void *arg, const char *name, size_t len, uint32_t inode);

/* Also a folder with an index reads as a plain one: the index hides in entries of inode 0. */
static void each_name(const struct vml_ext *ext, const struct inode *folder, name_fn *fn, void *arg)
{
    VML_AUTO(vml_freep) uint8_t *block = vml_view_alloc(ext->g.view, ext->block);

    for (uint64_t off = 0; block != NULL && off < vml_min_u64(folder->size, FOLDER_MAX);
         off += ext->block) {
        size_t n = read_bytes(ext, folder, block, ext->block, off), len;

        for (size_t at = 0; at + 8 <= n; at += len) {
            const uint8_t *e = block + at;

            len = le16(e + 4);
            if (len < 8 || len > n - at || e[6] > len - 8)
                break;
            if (le32(e) != 0 && !fn(arg, (const char *)e + 8, e[6], le32(e)))
                return;
        }
        if (n < ext->block)
            return;
    }
}

struct wanted {
    const char *name;
    size_t len;
    uint32_t inode;
};

static bool match(void *arg, const char *name, size_t len, uint32_t inode)
{
    struct wanted *w = arg;

    if (len == w->len && memcmp(name, w->name, len) == 0)
        w->inode = inode;
    return w->inode == 0;
}

/* The target and what is left of the path behind it, as the new path.  false: too long. */
static bool follow(const struct vml_ext *ext, const struct inode *link, char path[PATH_BYTES],
                   const char *rest)
{
    char target[PATH_BYTES];
    size_t n = (size_t)vml_min_u64(link->size, PATH_BYTES), left = strlen(rest);

    if (n == 0 || n + 1 + left + 1 > PATH_BYTES)
        return false;
    if (n < sizeof link->map)
        memcpy(target, link->map, n);
    else if (read_bytes(ext, link, target, n, 0) < n)
        return false;
    memmove(path + n + 1, rest, left + 1);
    memcpy(path, target, n);
    path[n] = '/';
    return memchr(target, '\0', n) == NULL;
}

static uint32_t lookup(const struct vml_ext *ext, const char *start, struct inode *in)
{
    char path[PATH_BYTES];
    uint32_t number = ROOT_INODE, parent = ROOT_INODE;
    const char *p = path;

    if (strlen(start) >= sizeof path || !read_inode(ext, number, in))
        return 0;
    memcpy(path, start, strlen(start) + 1);
    for (unsigned links = 0;;) {
        struct wanted w;

        if ((in->mode & MODE_KIND) == MODE_LINK) {
            if (links++ == LINKS_MAX || !follow(ext, in, path, p))
                return 0;
            p = path;
            number = path[0] == '/' ? ROOT_INODE : parent;
            if (!read_inode(ext, number, in))
                return 0;
        }
        p += strspn(p, "/");
        if (*p == '\0')
            return number;
        if ((in->mode & MODE_KIND) != MODE_FOLDER)
            return 0;
        w = (struct wanted){ .name = p, .len = strcspn(p, "/") };
        each_name(ext, in, match, &w);
        parent = number;
        number = w.inode;
        p += w.len;
        if (!read_inode(ext, number, in))
            return 0;
    }
}

bool vml_ext_find(const struct vml_ext *ext, const char *path, struct vml_file *out)
{
    struct inode in;

    out->at = lookup(ext, path, &in);
    if (out->at == 0)
        return false;
    out->size = in.size;
    out->folder = (in.mode & MODE_KIND) == MODE_FOLDER;
    return true;
}

struct lister {
    vml_file_fn *fn;
    void *arg;
};

static bool show(void *arg, const char *name, size_t len, uint32_t inode)
{
    struct lister *l = arg;
    struct vml_file f = { .at = inode };
    char text[256];

    memcpy(text, name, len);
    text[len] = '\0';
    return text[0] == '.' || l->fn(l->arg, text, &f);
}

void vml_ext_list(const struct vml_ext *ext, const struct vml_file *folder, vml_file_fn *fn,
                  void *arg)
{
    struct lister l = { fn, arg };
    struct inode in;

    if (read_inode(ext, folder->at, &in) && (in.mode & MODE_KIND) == MODE_FOLDER)
        each_name(ext, &in, show, &l);
}
