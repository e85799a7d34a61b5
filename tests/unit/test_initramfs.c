/* The files of an initramfs, as libarchive packs them: compressed in every way, behind microcode,
 * and cut off. */
#include <archive.h>
#include <archive_entry.h>

#include "check.h"
#include "guest_tree.h"

#include "guest/initramfs.h"

#define ROOM (1u << 20)

static const char *const names[] = { "usr/lib/modules/6.1/kernel/drivers/nvme/host/nvme.ko.zst",
                                     "a", "bin/busybox", "abc" };

static size_t pack(char *to, const char *const *list, size_t n, int (*filter)(struct archive *))
{
    struct archive *a = archive_write_new();
    size_t used = 0;

    CHECK_INT(archive_write_set_format_cpio_newc(a), ARCHIVE_OK);
    CHECK_INT(archive_write_set_bytes_per_block(a, 512), ARCHIVE_OK);
    CHECK_INT(filter(a), ARCHIVE_OK);
    CHECK_INT(archive_write_open_memory(a, to, ROOM, &used), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        struct archive_entry *e = archive_entry_new();

        archive_entry_set_pathname(e, list[i]);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_size(e, (la_int64_t)(i * 1001 + 3));
        CHECK_INT(archive_write_header(a, e), ARCHIVE_OK);
        for (size_t k = 0; k < i * 1001 + 3; k++)
            CHECK_INT(archive_write_data(a, "x", 1), 1);
        archive_entry_free(e);
    }
    CHECK_INT(archive_write_free(a), ARCHIVE_OK);
    return used;
}

struct seen {
    unsigned n;
    bool nvme, microcode;
};

static void see(void *arg, const char *name)
{
    struct seen *s = arg;

    s->n++;
    s->nvme = s->nvme || strcmp(name, names[0]) == 0;
    s->microcode = s->microcode || strstr(name, "microcode") != NULL;
}

static bool list(const char *bytes, size_t len, struct seen *s)
{
    const struct made_file files[] = { { "/initrd", bytes, len }, { NULL, NULL, 0 } };
    const struct vml_tree tree = made_tree(files);

    *s = (struct seen){ 0 };
    return vml_initramfs_list(&tree, "/initrd", see, s);
}

static void test_one(int (*filter)(struct archive *))
{
    static const char *const early[] = { "kernel/x86/microcode/GenuineIntel.bin", "early_cpio" };
    char *buf = calloc(2, ROOM);
    struct seen s;
    size_t len;

    CHECK(buf != NULL);
    len = pack(buf, names, 4, filter);
    CHECK(list(buf, len, &s));
    CHECK_INT(s.n, 4);
    CHECK(s.nvme && !s.microcode);
    for (size_t cut = 1; cut < len; cut += len / 23)
        (void)list(buf, cut, &s); /* whatever it says, it ends */
    CHECK(!list(buf, len / 2, &s));

    len = pack(buf, early, 2, archive_write_add_filter_none);
    memset(buf + len, 0, 512); /* as there are between them */
    len += 512;
    len += pack(buf + len, names, 4, filter);
    CHECK(list(buf, len, &s));
    CHECK_INT(s.n, 6);
    CHECK(s.nvme && s.microcode);
    free(buf);
}

static void test_bad(void)
{
    static const char zeroes[4096];
    struct seen s;
    char bad[200];

    CHECK(!list("no archive at all", 17, &s));
    CHECK(!list(zeroes, sizeof zeroes, &s));
    CHECK(!list("070701", 6, &s));
    /* a name of 4 GiB, of none, and digits that are none */
    snprintf(bad, sizeof bad, "070701%0104d", 0);
    memset(bad + 6 + 11 * 8, 'f', 8);
    CHECK(!list(bad, 110, &s));
    memset(bad + 6 + 11 * 8, '0', 8);
    CHECK(!list(bad, 110, &s));
    memset(bad + 6, 'z', 104);
    CHECK(!list(bad, 110, &s));
    CHECK_INT(s.n, 0);
}

int main(void)
{
    test_one(archive_write_add_filter_none);
    test_one(archive_write_add_filter_gzip);
    test_one(archive_write_add_filter_xz);
    test_one(archive_write_add_filter_zstd);
    test_one(archive_write_add_filter_lz4);
    test_one(archive_write_add_filter_bzip2);
    test_one(archive_write_add_filter_lzma);
    test_bad();
    return 0;
}
