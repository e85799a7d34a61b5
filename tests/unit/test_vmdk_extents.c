/* VMDK of several files: what a descriptor may say, what a child tells of its parent, and each
 * field of ESX's redo logs made wrong once. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmlift/endian.h"
#include "vmlift/image.h"

enum { SECTOR = 512, MIB = 1 << 20 };

static char folder[] = "/tmp/test_vmdk_extents.XXXXXX";
static struct vml_error err;

static void put_file(const char *name, const void *bytes, size_t len)
{
    FILE *f = fopen(name, "wb");

    CHECK(f != NULL && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
}

/* The format's own open, which leaves the parent to core. */
static int open_disk(struct vml_reader **r, const char *name)
{
    struct vml_input *in;

    CHECK_OK(vml_input_open(&in, name, &err), &err);
    if (vml_format_vmdk.open(r, in, &err) == 0)
        return 0;
    vml_input_free(in);
    return -1;
}

#define HEAD  "# Disk DescriptorFile\nversion=1\nCID=1a2B\n"
#define ROOT  "parentCID=ffffffff\n"
#define SPLIT "createType=\"2gbMaxExtentFlat\"\n"
#define FLAT  "createType=\"monolithicFlat\"\n"

static int open_text(struct vml_reader **r, const char *text)
{
    put_file("disk.vmdk", text, strlen(text));
    return open_disk(r, "disk.vmdk");
}

/* Opens and reads all of it. */
static int read_all(const char *name)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    static uint8_t buf[MIB];
    int rc = open_disk(&r, name);

    for (uint64_t off = 0; rc == 0 && off < r->size; off += sizeof buf)
        rc = vml_pread(r, buf, (size_t)vml_min_u64(sizeof buf, r->size - off), off, &err);
    return rc;
}

/* --- descriptors ---------------------------------------------------------------------------- */

static void refusals(void)
{
    static const struct {
        const char *text, *slug;
    } list[] = {
        { HEAD ROOT FLAT, "vmdk/extent-size" },
        { HEAD ROOT FLAT "RW 0 ZERO\n", "vmdk/extent-size" },
        { HEAD ROOT FLAT "RW 8 ZERO\nRW 0 ZERO\n", "vmdk/extent-size" },
        { HEAD ROOT FLAT "RW 137438953472 ZERO\nRW 1 ZERO\n", "vmdk/extent-size" }, /* 64 TiB */
        { HEAD ROOT FLAT "RW 137438953473 ZERO\n", "vmdk/desc-line" },
        { HEAD ROOT FLAT "RW 18446744073709551615 ZERO\n", "vmdk/desc-line" },
        { HEAD ROOT FLAT "RW -8 ZERO\n", "vmdk/desc-line" },
        { HEAD ROOT FLAT "RW 8 FLAT \"flat\" 18446744073709551608\n", "vmdk/desc-line" },
        { HEAD ROOT FLAT "RW 8 FLAT \"flat\" 137438953472\n", "input/truncated" },
        { HEAD ROOT FLAT "RW 8 FLAT \"flat\" 2041\n", "input/truncated" },
        { HEAD ROOT FLAT "RX 8 ZERO\n", "vmdk/desc-line" },
        { HEAD ROOT FLAT "RW 8\n", "vmdk/desc-line" },
        { HEAD ROOT FLAT "RW 8 FLAT\n", "vmdk/extent-path" },
        { HEAD ROOT FLAT "RW 8 TAPE \"flat\"\n", "vmdk/extent-type" },
        { HEAD ROOT FLAT "RW 8 SPARSE \"flat\"\n", "vmdk/magic" },
        { HEAD ROOT FLAT "RW 8 SPARSE \"flat\" 8\n", "vmdk/extent-size" },
        { HEAD ROOT FLAT "RW 8 FLAT \"folder\"\n", "input/kind" },
        { HEAD ROOT FLAT "RW 8 FLAT \"disk.vmdk/x\"\n", "io/not-found" },
        { HEAD ROOT FLAT "NOACCESS 8 ZERO\n", "vmdk/no-access" },
        { HEAD ROOT "createType=\"streamOptimized\"\nRW 8 FLAT \"flat\"\n", "vmdk/subformat" },
        { HEAD ROOT "createType=\"what\"\nRW 8 FLAT \"flat\"\n", "vmdk/subformat" },
        { HEAD ROOT "createType=\"VMFSRDM\"\nRW 8 VMFSRDM \"flat\"\n", "vmdk/extent-type" },
        { HEAD ROOT FLAT FLAT "RW 8 ZERO\n", "vmdk/desc-field" },
        { HEAD ROOT "CID=1\n" FLAT "RW 8 ZERO\n", "vmdk/desc-field" },
        { HEAD ROOT "RW 8 ZERO\n", "vmdk/desc-field" },
        { HEAD ROOT FLAT "RW 8 ZERO\nhello\n", "vmdk/desc-line" },
        { HEAD ROOT SPLIT "RW 8 ZERO\n", "vmdk/desc-end" },
        { HEAD ROOT SPLIT "ddb.x=1\nRW 8 ZERO\n", "vmdk/desc-end" },
        { HEAD ROOT SPLIT "RW 8 ZERO\nddb.x=1\nRW 8 ZERO\n#DDB\n", "vmdk/desc-end" },
    };
    static char many[30000] = HEAD ROOT FLAT;
    struct vml_reader *r;

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        CHECK_FAILS(open_text(&r, list[i].text), &err, list[i].slug);
    for (int i = 0; i < 2048; i++)
        strcat(many, "RW 8 ZERO\n");
    CHECK_OK(open_text(&r, many), &err);
    CHECK_INT(r->size, 2048 * 8 * SECTOR);
    vml_reader_free(r);
    strcat(many, "RW 8 ZERO\n");
    CHECK_FAILS(open_text(&r, many), &err, "vmdk/extent-size");
}

/* Each run ends with its piece, wherever one asks. */
static void pieces(void)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    static uint8_t flat[MIB], got[3 * SECTOR];
    struct vml_extent x;

    for (size_t i = 0; i < sizeof flat; i++)
        flat[i] = (uint8_t)(i / SECTOR + 1);
    put_file("flat", flat, sizeof flat);
    CHECK_OK(open_text(&r, HEAD ROOT FLAT "RW 3 FLAT \"flat\" 7\nRW 2 ZERO\nrdonly 1 flat flat\n"),
             &err);
    CHECK_STR(r->subformat, "monolithicFlat");
    CHECK_INT(r->notes.n, 1); /* it ends with its extents */
    CHECK_STR(r->notes.items[0].slug, "vmdk/desc-end");
    CHECK_STR(r->id, "00001a2b");
    CHECK(r->parent_name == NULL && r->can_seek);
    CHECK_INT(r->size, 6 * SECTOR);
    CHECK_OK(vml_extent_at(r, SECTOR, &x, &err), &err);
    CHECK(x.kind == VML_DATA && x.len == 2 * SECTOR);
    CHECK_OK(vml_extent_at(r, 4 * SECTOR, &x, &err), &err);
    CHECK(x.kind == VML_ZERO && x.len == SECTOR);
    CHECK_OK(vml_extent_at(r, 5 * SECTOR, &x, &err), &err);
    CHECK(x.kind == VML_DATA && x.len == SECTOR);
    memset(got, 0xee, sizeof got);
    CHECK_OK(vml_pread(r, got, sizeof got, 2 * SECTOR + 256, &err), &err);
    CHECK(memcmp(got, flat + 9 * SECTOR + 256, 256) == 0);
    CHECK(vml_is_zero(got + 256, 2 * SECTOR) && memcmp(got + 1280, flat, 256) == 0);
    /* the file is shortened while it is read */
    CHECK(truncate("flat", SECTOR) == 0);
    CHECK_FAILS(vml_pread(r, got, SECTOR, 0, &err), &err, "source/changed");
    CHECK(strncmp(err.text, "flat: ", 6) == 0);
    put_file("flat", flat, sizeof flat);
}

/* --- children ------------------------------------------------------------------------------- */

static void children(void)
{
#define CHILD(cid, hint) HEAD cid "createType=\"custom\"\n" hint "RW 2048 FLAT \"hole\"\n"
    static const struct {
        const char *text, *name, *id;
    } list[] = {
        { CHILD(ROOT, ""), NULL, "" },
        { CHILD("", ""), NULL, "" },
        { CHILD("parentCID=FFFFFFFF\n", "parentFileNameHint=\n"), NULL, "" },
        { CHILD("parentCID=12ab\n", ""), "", "000012ab" },
        { CHILD("parentCID=fffffffe\n", "parentFileNameHint=base.vmdk\n"), "base.vmdk", "" },
        { CHILD(ROOT, "parentFileNameHint=\"base.vmdk\"\n"), "base.vmdk", "" },
#define HINT(h) CHILD("parentCID=1\n", "parentFileNameHint=\"" h "\"\n")
        { HINT("sub/base.vmdk"), "sub/base.vmdk", "00000001" },
        { HINT("../base.vmdk"), "../base.vmdk", "00000001" },
        { HINT("C:\\VMs\\win\\base 1.vmdk"), "base 1.vmdk", "00000001" },
        { HINT("..\\base.vmdk"), "base.vmdk", "00000001" },
        { HINT("C:/VMs\\base.vmdk"), "base.vmdk", "00000001" },
        { HINT("/vmfs/volumes/5e/vm/base.vmdk"), "base.vmdk", "00000001" },
        { HINT("[store 1] vm/base.vmdk"), "base.vmdk", "00000001" },
    };
    struct vml_extent x;
    int fd = open("hole", O_RDWR | O_CREAT, 0600);

    CHECK(fd >= 0 && ftruncate(fd, MIB) == 0);
    close(fd);
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;

        CHECK_OK(open_text(&r, list[i].text), &err);
        CHECK_STR(r->parent_id, list[i].id);
        CHECK((r->parent_name == NULL) == (list[i].name == NULL));
        if (list[i].name != NULL)
            CHECK_STR(r->parent_name, list[i].name);
        CHECK_OK(vml_extent_at(r, 0, &x, &err), &err);
        if (x.kind != VML_DATA) /* the file system tells: then the parent does not show through */
            CHECK(x.kind == (list[i].name == NULL ? VML_HOLE : VML_ZERO));
    }
}

/* --- redo logs ------------------------------------------------------------------------------ */

struct poke {
    size_t at;
    unsigned width;
    uint64_t value;
    const char *slug;
};

static void poke(uint8_t *p, unsigned width, uint64_t value)
{
    for (unsigned i = 0; i < width; i++)
        p[i] = (uint8_t)(value >> (8 * i));
}

/* `bytes` as "log" of disk.vmdk is a disk with one grain of data; each poke makes it wrong. */
static void check_log(const char *text, uint8_t *bytes, size_t len, uint64_t grain,
                      size_t grain_len, const struct poke *list, size_t n)
{
    VML_AUTO(vml_freep) uint8_t *got = malloc(grain_len), *copy = malloc(len);
    struct vml_reader *r;
    struct vml_extent x;

    CHECK(got != NULL && copy != NULL);
    put_file("log", bytes, len);
    CHECK_OK(open_text(&r, text), &err);
    CHECK_STR(r->parent_name, "base.vmdk");
    CHECK_OK(vml_extent_at(r, 0, &x, &err), &err);
    CHECK(x.kind == VML_HOLE && x.len == grain * grain_len);
    CHECK_OK(vml_extent_at(r, grain * grain_len, &x, &err), &err);
    CHECK(x.kind == VML_DATA && x.len == grain_len);
    CHECK_OK(vml_pread(r, got, grain_len, grain * grain_len, &err), &err);
    CHECK(memcmp(got, bytes + len - grain_len, grain_len) == 0);
    vml_reader_free(r);
    for (size_t i = 0; i < n; i++) {
        memcpy(copy, bytes, len);
        poke(copy + list[i].at, list[i].width, list[i].value);
        put_file("log", copy, len);
        CHECK_FAILS(read_all("disk.vmdk"), &err, list[i].slug);
        CHECK(strstr(err.text, "log") != NULL);
    }
    for (size_t cut = 0; cut < len; cut += cut < 4096 ? 100 : 1000) {
        put_file("log", bytes, cut);
        CHECK(read_all("disk.vmdk") < 0);
        CHECK(err.code == VML_EDATA);
    }
}

#define PARENT "parentCID=1\nparentFileNameHint=base.vmdk\n"

static void cowd(void)
{
    static uint8_t p[5 * SECTOR + 2 * 16384 + SECTOR];
    static const struct poke pokes[] = {
        { 0, 1, 'X', "vmdk/magic" },
        { 4, 4, 2, "vmdk/magic" },
        { 12, 4, 0, "vmdk/capacity" },
        { 12, 4, 5999, "vmdk/extent-size" },
        { 12, 4, 6128, "vmdk/extent-size" },
        { 12, 4, 8193, "vmdk/capacity" },
        { 16, 4, 0, "vmdk/grain-size" },
        { 16, 4, 3, "vmdk/grain-size" },
        { 16, 4, 4096, "vmdk/grain-size" },
        { 20, 4, 3, "vmdk/gd-range" },
        { 20, 4, UINT32_MAX, "vmdk/gd-range" },
        { 24, 4, 1, "vmdk/capacity" },
        { 24, 4, UINT32_MAX, "vmdk/gd-range" },
        { 2048, 4, 1, "vmdk/gt-range" },
        { 2048, 4, 4, "vmdk/gt-range" },
        { 2048, 4, 40, "vmdk/gt-range" },
        { 2048, 4, UINT32_MAX, "vmdk/gt-range" },
        { 5 * SECTOR, 4, 1, "vmdk/grain-range" },
        { 5 * SECTOR, 4, 4, "vmdk/grain-range" },
        { 5 * SECTOR, 4, 6, "vmdk/grain-overlap" },
        { 5 * SECTOR, 4, 70, "vmdk/grain-range" },
        { 5 * SECTOR, 4, UINT32_MAX, "vmdk/grain-range" },
    };

    memcpy(p, "COWD\1\0\0\0\3\0\0\0", 12);
    put_le32(p + 12, 6000);
    put_le32(p + 16, 1);
    put_le32(p + 20, 4);
    put_le32(p + 24, 2);
    put_le32(p + 2048, 5);
    put_le32(p + 2052, 37);
    put_le32(p + 37 * SECTOR + 1234 * 4, 69); /* grain 4096 + 1234 */
    memset(p + 69 * SECTOR, 'd', SECTOR);
    check_log(HEAD PARENT "createType=\"vmfsSparse\"\nRW 6000 VMFSSPARSE \"log\"\nddb.x=1\n", p,
              sizeof p, 4096 + 1234, SECTOR, pokes, sizeof pokes / sizeof pokes[0]);
    p[1648] = 1;
    put_file("log", p, sizeof p);
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    CHECK_OK(open_disk(&r, "disk.vmdk"), &err);
    CHECK_INT(r->notes.n, 1);
    CHECK_STR(r->notes.items[0].slug, "vmdk/dirty");
    CHECK(strncmp(r->notes.items[0].text, "log: ", 5) == 0);
}

static void sesparse(void)
{
    static uint8_t p[8 * SECTOR + 64 * SECTOR + 4096];
    enum { GD = 2 * SECTOR, GT = 8 * SECTOR };
    static const struct poke pokes[] = {
        { 0, 1, 0, "vmdk/magic" },
        { 8, 8, 1, "vmdk/version" },
        { 16, 8, 0, "vmdk/capacity" },
        { 16, 8, UINT64_MAX, "vmdk/capacity" },
        { 16, 8, 7999, "vmdk/extent-size" },
        { 16, 8, 8 * 4096 * 65, "vmdk/capacity" },
        { 24, 8, 16, "vmdk/grain-size" },
        { 32, 8, 32, "vmdk/gt-size" },
        { 40, 8, 1, "vmdk/flags" },
        { 72, 8, 1, "vmdk/flags" },
        { 80, 8, 0, "input/truncated" },
        { 80, 8, 2, "vmdk/magic" },
        { 80, 8, UINT64_MAX, "input/truncated" },
        { 128, 8, UINT64_MAX, "input/truncated" },
        { 136, 8, UINT64_MAX, "input/truncated" },
        { 136, 8, 0, "vmdk/capacity" },
        { 144, 8, 1 << 20, "input/truncated" },
        { 152, 8, 63, "vmdk/gt-range" },
        { 192, 8, 0, "input/truncated" },
        { 192, 8, 81, "input/truncated" },
        { 192, 8, 73, "input/truncated" },
        { SECTOR + 24, 1, 1, "vmdk/journal" },
        { GD, 8, UINT64_C(0x1000000000000001), "vmdk/gt-range" },
        { GD, 8, UINT64_C(0x10000000ffffffff), "vmdk/gt-range" },
        { GD, 8, 1, "vmdk/gt-range" },
        { GT, 8, 1, "vmdk/grain-range" },
        { GT, 8, UINT64_C(0x4000000000000000), "vmdk/grain-range" },
        { GT, 8, UINT64_C(0x3001000000000000), "vmdk/grain-range" },
        { GT, 8, UINT64_C(0x3fffffffffffffff), "vmdk/grain-range" },
    };

    put_le64(p, 0xcafebabe);
    put_le64(p + 8, UINT64_C(0x200000001));
    put_le64(p + 16, 8000);
    put_le64(p + 24, 8);
    put_le64(p + 32, 64);
    put_le64(p + 80, 1);
    put_le64(p + 88, 1);
    put_le64(p + 128, 2);
    put_le64(p + 136, 1);
    put_le64(p + 144, 8);
    put_le64(p + 152, 64);
    put_le64(p + 192, 72);
    put_le64(p + SECTOR, 0xcafecafe);
    put_le64(p + GD, UINT64_C(0x1000000000000000));
    put_le64(p + GT + 9 * 8, UINT64_C(0x3000000000000000));
    memset(p + 72 * SECTOR, 's', 4096);
    check_log(HEAD PARENT "createType=\"seSparse\"\nRW 8000 SESPARSE \"log\"\n", p, sizeof p, 9,
              4096, pokes, sizeof pokes / sizeof pokes[0]);
}

int main(void)
{
    CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0 && mkdir("folder", 0700) == 0);
    pieces();
    refusals();
    children();
    cowd();
    sesparse();
    CHECK(unlink("disk.vmdk") == 0 && unlink("flat") == 0 && unlink("hole") == 0);
    CHECK(unlink("log") == 0 && rmdir("folder") == 0);
    CHECK(chdir("/") == 0 && rmdir(folder) == 0);
    return 0;
}
