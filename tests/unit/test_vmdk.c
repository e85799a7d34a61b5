/* VMDK: every field that may be wrong is made wrong once, in files of our own writer and in small
 * ones made by hand after what others write.  Each file is read twice: as a file and as a pipe. */
#include "vmdk_disk.h"

#include "vmlift/codec.h"

/* --- fields of the header and descriptor ---------------------------------------------------- */

struct poke {
    const char *what;
    size_t off;
    unsigned width; /* bytes */
    uint64_t value;
    const char *slug, *pipe_slug; /* pipe_slug: NULL means the same */
};

static void poke(uint8_t *p, unsigned width, uint64_t value)
{
    uint8_t le[8];

    put_le64(le, value);
    memcpy(p, le, width);
}

static void check_pokes(struct bytes b, const struct poke *list, size_t n, bool pipe)
{
    for (size_t i = 0; i < n; i++) {
        struct bytes c = copy(b, 0);

        poke(c.p + list[i].off, list[i].width, list[i].value);
        bad(c, FILE_MODE, list[i].slug, list[i].what);
        if (pipe)
            bad(c, PIPE_MODE, list[i].pipe_slug != NULL ? list[i].pipe_slug : list[i].slug,
                list[i].what);
        free(c.p);
    }
}

static const struct poke header_pokes[] = {
    { "magic of an unfinished file", 0, 4, 0x766d646b, "input/truncated", NULL },
    { "version 0", 4, 4, 0, "vmdk/version", NULL },
    { "version 4", 4, 4, 4, "vmdk/version", NULL },
    { "unknown high flag", 10, 1, 0x04 | 0x03, "vmdk/flags", NULL },
    { "no capacity", 12, 8, 0, "vmdk/capacity", NULL },
    { "capacity over 64 TiB", 12, 8, (UINT64_C(64) << 31) + 1, "vmdk/capacity", NULL },
    { "capacity that wraps", 12, 8, UINT64_C(1) << 62, "vmdk/capacity", NULL },
    { "grain of 0", 20, 8, 0, "vmdk/grain-size", NULL },
    { "grain of 100", 20, 8, 100, "vmdk/grain-size", NULL },
    { "grain of 4", 20, 8, 4, "vmdk/grain-size", NULL },
    { "grain of 4096", 20, 8, 4096, "vmdk/grain-size", NULL },
    { "descriptor far away", 28, 8, UINT64_MAX, "vmdk/desc-range", NULL },
    { "no entries in a table", 44, 4, 0, "vmdk/gt-size", NULL },
    { "many entries in a table", 44, 4, 1u << 31, "vmdk/gt-size", NULL },
    { "overHead far away", 64, 8, UINT64_MAX, "vmdk/overhead", NULL },
    { "line ends translated", 75, 1, '\n', "vmdk/text-mode", NULL },
};

static void test_sparse_fields(void)
{
    struct bytes b = make("monolithicSparse", NULL, DISK);
    uint64_t rgd = le64(b.p + 48), gd = le64(b.p + 56);
    size_t gt = (size_t)le32(b.p + gd * SECTOR) * SECTOR;
    size_t twin = (size_t)le32(b.p + rgd * SECTOR) * SECTOR;
    uint32_t first = le32(b.p + gt);
    const struct poke places[] = {
        { "markers without compression", 10, 1, 2, "vmdk/flags", NULL },
        { "compression without markers", 10, 1, 1, "vmdk/flags", NULL },
        { "capacity beyond the file", 12, 8, UINT64_C(63) << 31, "vmdk/capacity", NULL },
        { "directory past the end", 56, 8, 1u << 30, "vmdk/gd-range", NULL },
        { "no directory", 56, 8, 0, "vmdk/gd-range", NULL },
        { "directory at the end", 56, 8, UINT64_MAX, "vmdk/gd-range", NULL },
        { "directory in the descriptor", 56, 8, 20, "vmdk/gd-range", NULL },
        { "redundant directory past the end", 48, 8, 1u << 30, "vmdk/gd-range", NULL },
        { "table past the end", gd * SECTOR, 4, 0x7fffffff, "vmdk/gt-range", NULL },
        { "table in the descriptor", gd * SECTOR, 4, 3, "vmdk/gt-range", NULL },
        { "entry in one copy only", twin + 9 * 4, 4, first, "vmdk/gd-mismatch", NULL },
        { "no redundant table", rgd * SECTOR, 4, 0, "vmdk/gd-mismatch", NULL },
        { "no descriptor", 36, 8, 0, "vmdk/subformat", NULL },
    };
    const struct poke entries[] = {
        { "zeroes without the flag", 0, 4, 1, "vmdk/zero-gte", NULL },
        { "grain past the end", 0, 4, 0xfffffff0, "vmdk/grain-range", NULL },
        { "grain in the descriptor", 0, 4, 2, "vmdk/grain-overlap", NULL },
        { "grain in the directory", 0, 4, gd, "vmdk/grain-overlap", NULL },
        { "another grain's place", 0, 4, first + 128, "vmdk/grain-dup", NULL },
        { "grain that the file's end cuts", 0, 4, b.len / SECTOR - 1, "input/truncated", NULL },
    };

    good(b, FILE_MODE, DISK, __LINE__);
    bad(b, PIPE_MODE, "vmdk/pipe-order", "monolithicSparse");
    check_pokes(b, header_pokes, 3, false); /* the flag's byte differs */
    check_pokes(b, header_pokes + 4, N(header_pokes) - 4, false);
    check_pokes(b, places, N(places), false);
    for (size_t i = 0; i < N(entries); i++) { /* in both copies */
        struct bytes c = copy(b, 0);

        poke(c.p + gt, 4, entries[i].value);
        poke(c.p + twin, 4, entries[i].value);
        bad(c, FILE_MODE, entries[i].slug, entries[i].what);
        free(c.p);
    }
    free(b.p);
}

static void test_stream_fields(void)
{
    struct bytes b = make("streamOptimized", NULL, DISK);
    size_t footer = b.len - 1024, gd = (size_t)le64(b.p + footer + 56) * SECTOR;
    size_t gt = (size_t)le32(b.p + gd) * SECTOR, grain = (size_t)le32(b.p + gt + 4) * SECTOR;
    uint32_t size = le32(b.p + grain + 8);
    const struct poke list[] = {
        { "unknown compression", 77, 2, 0, "vmdk/compression", NULL },
        { "no compression flag", 10, 1, 2, "vmdk/flags", NULL },
        { "no descriptor", 36, 8, 0, "vmdk/footer", "vmdk/subformat" },
        { "footer that differs", footer + 12, 1, 1, "vmdk/footer", NULL },
        { "footer without magic", footer, 1, 'k', "vmdk/footer", NULL },
        { "footer to a footer", footer + 56, 8, UINT64_MAX, "vmdk/footer", NULL },
        { "directory past the end", footer + 56, 8, 1u << 30, "vmdk/gd-range", "vmdk/footer" },
        { "no footer marker", footer - 512 + 12, 4, 4, "vmdk/footer", "vmdk/marker-size" },
        { "no end marker", b.len - 512 + 12, 4, 4, "input/truncated", NULL },
        { "unknown marker", footer - 512 + 12, 4, 9, "vmdk/footer", "vmdk/marker" },
        { "entry of another grain", gt + 4, 4, le32(b.p + gt), "vmdk/lba-gte", NULL },
        { "entry past the end", gt + 4, 4, 0xffffff00, "vmdk/grain-range", "vmdk/lba-gte" },
        { "entry for zeroes", gt + 4, 4, 1, "vmdk/zero-gte", NULL },
        { "entry in the descriptor", gt + 4, 4, 5, "vmdk/grain-overlap", "vmdk/lba-gte" },
        { "table past the end", gd, 4, 0x7fffffff, "vmdk/gt-range", NULL },
        { "directory that swaps its tables", gd, 8,
          (uint64_t)le32(b.p + gd) << 32 | le32(b.p + gd + 4), "vmdk/lba-gte", NULL },
        { "sector inside a grain", grain, 8, 127, "vmdk/lba", NULL },
        { "sector of another grain", grain, 8, 128 * 9, "vmdk/lba-gte", "vmdk/pipe-order" },
        { "the same sector again", grain, 8, 0, "vmdk/lba-gte", "vmdk/lba" },
        { "sector behind the disk", grain, 8, DISK / SECTOR, "vmdk/lba", NULL },
        { "grain much too long", grain + 8, 4, 2 * GRAIN + 1, "vmdk/marker-size", NULL },
        { "grain longer than its stream", grain + 8, 4, size + 1, "vmdk/trailing", NULL },
        { "grain shorter than its stream", grain + 8, 4, size / 2, "vmdk/inflate", NULL },
        { "damage inside a grain", grain + 12 + size / 2, 1, ~b.p[grain + 12 + size / 2] & 0xffu,
          "vmdk/inflate", NULL },
    };

    good(b, FILE_MODE, DISK, __LINE__);
    good(b, PIPE_MODE, DISK, __LINE__);
    check_pokes(b, header_pokes, N(header_pokes), true);
    check_pokes(b, list, N(list), true);
    free(b.p);
}

/* Of our own files no length but the whole will do. */
static void test_truncation(void)
{
    static const char *const subformats[] = { "streamOptimized", "monolithicSparse" };

    for (unsigned i = 0; i < 2; i++) {
        struct bytes b = make(subformats[i], NULL, DISK), c;

        for (size_t len = 1; len < b.len; len += len < 1024 ? 100 : 1000) {
            for (enum mode mode = FILE_MODE; mode <= (i == 0 ? PIPE_MODE : FILE_MODE); mode++) {
                struct vml_error err;
                bool same;

                c = (struct bytes){ b.p, len };
                CHECK(read_disk(c, mode, DISK, &same, &err) < 0);
            }
        }
        c = copy(b, SECTOR);
        c.len += SECTOR;
        if (i == 0) {
            bad(c, FILE_MODE, "vmdk/footer", "a sector appended");
            bad(c, PIPE_MODE, "vmdk/footer", "a sector appended");
        }
        free(c.p);
        free(b.p);
    }
}

/* A flipped bit anywhere: refused, or it does not matter.  By its tables a file is read without
 * looking at what they do not tell of, so that an entry which became 0 is a hole; a pipe finds even
 * that. */
static void test_flips(void)
{
    struct bytes b = make("streamOptimized", "level=6", DISK);
    size_t gd = (size_t)le64(b.p + b.len - 1024 + 56) * SECTOR;
    size_t gt = (size_t)le32(b.p + gd) * SECTOR;
    unsigned refused = 0;

    for (size_t at = 0; at < b.len; at += at < 600 ? 1 : at >= gt - SECTOR ? 7 : 131) {
        struct vml_error err;
        bool same;

        b.p[at] ^= (uint8_t)(1u << at % 8);
        if (read_disk(b, PIPE_MODE, DISK, &same, &err) < 0)
            refused++;
        else if (!same) {
            fprintf(stderr, "bit %zu of byte %zu changes the disk\n", at % 8, at);
            abort();
        }
        b.p[at] ^= (uint8_t)(1u << at % 8);
    }
    CHECK(refused > 500);
    free(b.p);
}

/* --- descriptors ---------------------------------------------------------------------------- */

#define HEAD "# Disk DescriptorFile\nversion=1\nCID=12345678\n"
#define ROOT "parentCID=ffffffff\n"
#define MONO "createType=\"monolithicSparse\"\n"
#define SOLE "RW 81920 SPARSE \"x.vmdk\"\n"
static const struct {
    const char *text, *slug; /* slug: NULL is good */
} descriptors[] = {
    { HEAD ROOT MONO SOLE, NULL },
    { "\xef\xbb\xbf# Disk DescriptorFile\r\nVERSION = 1 \r\ncid=1\r\nPARENTCID=FFFFFFFF\t\r\n"
      "CreateType = MonolithicSparse\r\n\r\nrw 81920 sparse x.vmdk\r\nddb.comment=\"a = b\"\r\n",
      NULL },
    { HEAD MONO SOLE "parentFileNameHint=\"\"\n", NULL },
    { HEAD ROOT MONO "RW 81920 SPARSE \"/etc/passwd\"\n", NULL }, /* never opened */
    { HEAD ROOT MONO SOLE "hello\n", "vmdk/desc-line" },
    { HEAD ROOT MONO SOLE "=x\n", "vmdk/desc-line" },
    { HEAD ROOT MONO SOLE "a\x01z=x\n", "vmdk/desc-line" },
    { HEAD ROOT MONO "RW many SPARSE \"x\"\n", "vmdk/desc-line" },
    { HEAD ROOT MONO "RW 99999999999999999999 SPARSE \"x\"\n", "vmdk/desc-line" },
    { HEAD ROOT MONO "RW 81920\n", "vmdk/desc-line" },
    { HEAD ROOT SOLE, "vmdk/desc-field" },
    { "version=1\n" ROOT MONO SOLE, "vmdk/desc-field" },
    { "CID=1\n" ROOT MONO SOLE, "vmdk/desc-field" },
    { HEAD HEAD ROOT MONO SOLE, "vmdk/desc-field" },
    { HEAD ROOT MONO MONO SOLE, "vmdk/desc-field" },
    { HEAD "parentCID=00000000\n" MONO SOLE, "image/parent" },
    { HEAD "parentCID=fffffffe\n" MONO SOLE, "image/parent" },
    { HEAD ROOT MONO SOLE "parentFileNameHint=\"C:\\\\x.vmdk\"\n", "image/parent" },
    { HEAD ROOT MONO SOLE "parentFileNameHint=\"x\x1b[2J.vmdk\"\n", "vmdk/desc-line" },
    { HEAD "parentCID=123456789\n" MONO SOLE, "vmdk/desc-field" },
    { HEAD "parentCID=0x12\n" MONO SOLE, "vmdk/desc-field" },
    { HEAD "parentCID=\n" MONO SOLE, "vmdk/desc-field" },
    { "version=1\nCID=none\n" ROOT MONO SOLE, "vmdk/desc-field" },
    { HEAD ROOT MONO "RW 81920 SPARSE \"x\" 0 1\n", "vmdk/desc-line" },
    { HEAD ROOT MONO "RW 81920 SPARSE \"x\" one\n", "vmdk/desc-line" },
    { HEAD ROOT "createType=\"monolithicFlat\"\n" SOLE, "vmdk/subformat" },
    { HEAD ROOT "createType=\"twoGbMaxExtentSparse\"\n" SOLE, "vmdk/subformat" },
    { HEAD ROOT MONO, "vmdk/subformat" },
    { HEAD ROOT MONO SOLE SOLE, "vmdk/subformat" },
    { HEAD ROOT MONO "RW 81920 FLAT \"/etc/passwd\" 0\n", "vmdk/subformat" },
    { HEAD ROOT MONO "NOACCESS 81920 SPARSE \"x\"\n", "vmdk/subformat" },
};

static void test_descriptors(void)
{
    struct bytes b = make("monolithicSparse", NULL, DISK);
    struct vml_reader *r;
    struct vml_error err;

    for (size_t i = 0; i < N(descriptors); i++) {
        memset(b.p + SECTOR, 0, 20 * SECTOR);
        memcpy(b.p + SECTOR, descriptors[i].text, strlen(descriptors[i].text));
        if (descriptors[i].slug == NULL)
            good(b, FILE_MODE, DISK, __LINE__);
        else
            bad(b, FILE_MODE, descriptors[i].slug, descriptors[i].text);
    }
    /* what a file says is not sent to a terminal as it is */
    memset(b.p + SECTOR, 0, 20 * SECTOR);
    strcpy((char *)b.p + SECTOR, HEAD "parentFileNameHint=\"a\x1b[2Jb\"\n" MONO SOLE);
    CHECK_FAILS(open_as(&r, &b, FILE_MODE, &err), &err, "vmdk/desc-line");
    CHECK(strstr(err.text, "a\\x1b[2Jb") != NULL && strchr(err.text, '\x1b') == NULL);
    /* one that fills its sector and has no NUL */
    memset(b.p + SECTOR, '#', 20 * SECTOR);
    memcpy(b.p + SECTOR, HEAD ROOT MONO SOLE, strlen(HEAD ROOT MONO SOLE));
    good(b, FILE_MODE, DISK, __LINE__);
    free(b.p);
}

static void test_notes(void)
{
    struct bytes b = make("monolithicSparse", NULL, DISK);
    struct vml_reader *r;
    struct vml_error err;
    char *extent = strstr((char *)b.p + SECTOR, "RW 81920");

    CHECK(extent != NULL);
    memcpy(extent, "RW 81919", 8);
    b.p[72] = 1;
    CHECK_OK(open_as(&r, &b, FILE_MODE, &err), &err);
    CHECK_INT(r->notes.n, 2);
    CHECK_STR(r->notes.items[0].slug, "vmdk/extent-size");
    CHECK_STR(r->notes.items[1].slug, "vmdk/dirty");
    CHECK_INT(r->size, DISK);
    CHECK_STR(r->subformat, "monolithicSparse");
    vml_reader_free(r);
    free(b.p);
}

/* Known, and refused by name. */
static void test_foreign(void)
{
    static const struct {
        const char *head;
        size_t len;
        const char *slug;
    } list[] = {
#define TEXT(s, slug) { s, sizeof(s) - 1, slug }
        TEXT(HEAD "what\n", "vmdk/desc-line"),
        TEXT("COWD\1\0\0\0\3\0\0\0", "vmdk/subformat"),
        TEXT("\xbe\xba\xfe\xca\0\0\0\0\1\0\0\0\2\0\0\0", "vmdk/subformat"),
        TEXT("KDMV", "input/truncated"),
#undef TEXT
    };

    for (size_t i = 0; i < N(list); i++) {
        struct bytes b = { (uint8_t *)(uintptr_t)list[i].head, list[i].len };

        bad(b, FILE_MODE, list[i].slug, list[i].head);
        bad(b, PIPE_MODE, list[i].slug, list[i].head);
    }
}

static void test_probe(void)
{
    static const struct {
        const char *head;
        int claim;
    } list[] = { { "KDMV", 100 },
                 { "COWD", 0 },
                 { "# Disk DescriptorFile\n", 90 },
                 { "# disk descriptorfile\r\n", 90 },
                 { "version=1\ncreateType=\"vmfs\"\n", 90 },
                 { "createType=\"vmfs\"\n", 0 },
                 { "\x02version=1\ncreateType=\"vmfs\"\n", 0 },
                 { "hello\n", 0 },
                 { "", 0 } };

    for (size_t i = 0; i < N(list); i++) {
        struct bytes b = { (uint8_t *)(uintptr_t)list[i].head, strlen(list[i].head) };
        struct vml_input *in;
        struct vml_error err;

        CHECK_OK(vml_input_callback(&in, "pipe", VML_SIZE_UNKNOWN, pull, &b, &err), &err);
        CHECK_INT(vml_format_vmdk.probe(in, &err), list[i].claim);
        vml_input_free(in);
    }
}

/* --- dialects of others, by hand ------------------------------------------------------------ */

static size_t add_grain(struct bytes *b, uint64_t grain, size_t len, size_t stored)
{
    uint8_t data[GRAIN] = { 0 };
    size_t at = b->len, n;
    struct vml_error err;

    fill(data, grain * GRAIN, len);
    CHECK_OK(vml_deflate(6, data, stored, b->p + at + 12, vml_deflate_bound(stored), &n, &err),
             &err);
    put_le64(b->p + at, grain * 128);
    put_le32(b->p + at + 8, (uint32_t)n);
    b->len = (size_t)vml_round_up(at + 12 + n, SECTOR);
    return at / SECTOR;
}

/* As qemu-img writes: directory and tables in front (without a redundant copy here), no other
 * markers, no footer, the last grain short, zeroes behind it.  513.5 grains. */
static struct bytes front_tables(uint64_t order[4])
{
    struct bytes b = { calloc(1, 1 << 20), 0 };
    uint64_t size = 513 * GRAIN + GRAIN / 2;
    int n;

    CHECK(b.p != NULL);
    memcpy(b.p, "KDMV", 4);
    put_le32(b.p + 4, 3);
    put_le32(b.p + 8, 0x30001);
    put_le64(b.p + 12, size / SECTOR);
    put_le64(b.p + 20, 128);
    put_le64(b.p + 28, 1);
    put_le64(b.p + 36, 20);
    put_le32(b.p + 44, 512);
    put_le64(b.p + 56, 21);
    put_le64(b.p + 64, 128);
    memcpy(b.p + 73, "\n \r\n\1", 5);
    n = sprintf((char *)b.p + SECTOR,
                HEAD ROOT "createType=\"streamOptimized\"\nRW %llu SPARSE \"q.vmdk\"\n",
                (unsigned long long)(size / SECTOR));
    CHECK(n > 0);
    put_le32(b.p + 21 * SECTOR, 22);
    put_le32(b.p + 21 * SECTOR + 4, 26);
    b.len = OVERHEAD;
    for (unsigned i = 0; i < 4; i++) {
        size_t len = order[i] == 513 ? GRAIN / 2 : GRAIN;

        put_le32(b.p + 22 * SECTOR + order[i] * 4, (uint32_t)add_grain(&b, order[i], len, len));
    }
    return b;
}

static void test_front_tables(void)
{
    uint64_t up[] = { 0, 1, 5, 513 }, down[] = { 0, 5, 1, 513 };
    uint64_t size = 513 * GRAIN + GRAIN / 2;
    struct bytes b = front_tables(up), c;
    size_t last = (size_t)le32(b.p + 26 * SECTOR + 4) * SECTOR;

    good(b, FILE_MODE, size, __LINE__);
    good(b, PIPE_MODE, size, __LINE__);
    b.len += 64000 / SECTOR * SECTOR; /* qemu-img's tail */
    good(b, FILE_MODE, size, __LINE__);
    good(b, PIPE_MODE, size, __LINE__);
    b.p[b.len - 1] = 1;
    bad(b, PIPE_MODE, "vmdk/footer", "something in the tail");
    b.p[b.len - 1] = 0;
    b.len = last + 12 + le32(b.p + last + 8); /* not even padded */
    good(b, FILE_MODE, size, __LINE__);
    good(b, PIPE_MODE, size, __LINE__);
    b.len -= 1;
    bad(b, FILE_MODE, "input/truncated", "last grain cut");
    bad(b, PIPE_MODE, "input/truncated", "last grain cut");
    b.len = last;
    bad(b, FILE_MODE, "vmdk/grain-range", "last grain missing");
    bad(b, PIPE_MODE, "input/truncated", "last grain missing");
    b.len = 24 * SECTOR;
    bad(b, PIPE_MODE, "input/truncated", "cut inside a table");
    free(b.p);

    b = front_tables(up);
    put_le32(b.p + 21 * SECTOR + 4, 4); /* a table in front of the directory */
    bad(b, PIPE_MODE, "vmdk/pipe-order", "table in front of the directory");
    free(b.p);

    b = front_tables(down); /* open-vmdk's threads once wrote like this */
    good(b, FILE_MODE, size, __LINE__);
    bad(b, PIPE_MODE, "vmdk/pipe-order", "grains out of order");
    free(b.p);

    /* zeroes by flag; a progress marker; a grain in the middle that is short, or too long */
    b = front_tables(up);
    put_le32(b.p + 22 * SECTOR + 7 * 4, 1);
    bad(b, PIPE_MODE, "vmdk/zero-gte", "zeroes without the flag");
    b.p[8] |= 4;
    good(b, FILE_MODE, size, __LINE__);
    good(b, PIPE_MODE, size, __LINE__);
    put_le32(b.p + b.len + 12, 4);
    c = (struct bytes){ b.p, b.len + SECTOR };
    good(c, PIPE_MODE, size, __LINE__);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t data[GRAIN + SECTOR] = { 0 };
        size_t n, at = (size_t)le32(b.p + 22 * SECTOR + 5 * 4) * SECTOR;
        struct vml_error err;

        CHECK_OK(vml_deflate(9, data, i == 0 ? GRAIN - SECTOR : sizeof data, b.p + at + 12,
                             vml_deflate_bound(sizeof data), &n, &err),
                 &err);
        CHECK(n < 500);
        put_le32(b.p + at + 8, (uint32_t)n);
        bad(b, FILE_MODE, "vmdk/grain-len", "a grain of another length");
    }
    free(b.p);
}

int main(void)
{
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    close(fd);
    make_pattern();
    test_sparse_fields();
    test_stream_fields();
    test_truncation();
    test_flips();
    test_descriptors();
    test_notes();
    test_foreign();
    test_probe();
    test_front_tables();
    CHECK_INT(unlink(path), 0);
    return 0;
}
