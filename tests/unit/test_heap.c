/* Packs of frames: what was appended is read back, and no changed byte goes unseen. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "store/heap.h"
#include "vmlift/codec.h"

static char dir[] = "/tmp/vmlift-test-heap.XXXXXX";
static uint8_t block[VML_FRAME_MAX], back[VML_FRAME_MAX];
static uint8_t frame[VML_FRAME_MAX + 8192];

static void shell(const char *command)
{
    CHECK(system(command) == 0);
}

/* A frame of len bytes that follow from seed; noise does not compress. */
static size_t make(uint32_t seed, size_t len, bool noise, uint8_t address[32])
{
    struct vml_error err;
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    size_t n;

    for (size_t i = 0; i < len; i++) {
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
        block[i] = noise ? (uint8_t)(x >> 56) : (uint8_t)(seed + i / 1000);
    }
    vml_sha256(block, len, address);
    CHECK_OK(vml_frame_make(VML_FRAME_DATA, NULL, address, block, len, frame, &n, &err), &err);
    CHECK(n <= vml_frame_bound(len));
    return n;
}

static void path_of(char path[128], const char *id)
{
    snprintf(path, 128, "%s/%.2s/%s.pack", dir, id, id);
}

static int count_object(void *arg, const char *key, uint64_t size, struct vml_error *err)
{
    (void)err;
    CHECK(strlen(key) == 32 && size > 0);
    ++*(int *)arg;
    return 0;
}

static int count_objects(struct vml_objects *packs)
{
    struct vml_error err;
    int n = 0;

    CHECK_OK(vml_objects_list(packs, count_object, &n, &err), &err);
    return n;
}

static void test_frame(void)
{
    uint8_t address[32];
    size_t n;

    n = make(1, 512u << 10, false, address);
    CHECK(n < 4096); /* shrinks: zstd */
    CHECK_INT(frame[5], VML_CODEC_ZSTD);
    n = make(1, 512u << 10, true, address);
    CHECK_INT(n, VML_FRAME_HEADER + (512u << 10)); /* does not: stored */
    CHECK_INT(frame[5], VML_CODEC_STORED);
    CHECK_INT(make(1, 0, false, address), VML_FRAME_HEADER);
}

/* 3 frames and an empty one; *id gets the pack's ID. */
static void write_pack(struct vml_objects *packs, char id[VML_KEY], size_t scale)
{
    static const bool noise[] = { true, false, true, false };
    VML_AUTO(vml_pack_freep) struct vml_pack *p = NULL;
    struct vml_error err;
    uint8_t address[32];

    CHECK_OK(vml_pack_create(&p, packs, &err), &err);
    for (uint32_t i = 0; i < 4; i++) {
        size_t n = make(i, i == 3 ? 0 : scale * (i + 1), noise[i], address);

        CHECK(!vml_pack_has(p, address));
        CHECK_OK(vml_pack_append(p, frame, n, &err), &err);
        CHECK(vml_pack_has(p, address));
    }
    CHECK_OK(vml_pack_seal(p, &err), &err);
    strcpy(id, vml_pack_id(p));
}

static void test_pack(struct vml_objects *packs)
{
    VML_AUTO(vml_freep) struct vml_entry *index = NULL;
    struct vml_error err;
    char id[VML_KEY], path[128];
    struct stat st;
    size_t n;

    write_pack(packs, id, 100000);
    path_of(path, id);
    CHECK(stat(path, &st) == 0);
    CHECK_OK(vml_pack_index(packs, id, &index, &n, &err), &err);
    CHECK_INT(n, 4);
    CHECK_INT(index[0].off, VML_PACK_HEADER);
    CHECK_INT(st.st_size, index[3].off + VML_FRAME_HEADER + 4 * VML_INDEX_ENTRY + VML_PACK_FOOTER);
    for (uint32_t i = 0; i < 4; i++) {
        uint8_t address[32];

        make(i, i == 3 ? 0 : 100000 * (i + 1), i % 2 == 0, address);
        CHECK(memcmp(address, index[i].address, 32) == 0);
        CHECK_OK(vml_frame_fetch(packs, id, &index[i], frame, &err), &err);
        CHECK_OK(vml_frame_expand(id, &index[i], NULL, frame, back, &err), &err);
        CHECK(memcmp(back, block, index[i].raw) == 0);
    }
    /* where another frame is, or none */
    index[1].off = index[0].off;
    CHECK_FAILS(vml_frame_fetch(packs, id, &index[1], frame, &err), &err, "store/block-damaged");
    index[0].off++;
    CHECK_FAILS(vml_frame_fetch(packs, id, &index[0], frame, &err), &err, "store/block-damaged");
    CHECK_OK(vml_objects_delete(packs, id, &err), &err);
    CHECK_OK(vml_objects_delete(packs, id, &err), &err);
    CHECK_FAILS(vml_frame_fetch(packs, id, &index[2], frame, &err), &err, "store/block-missing");
}

/* Every frame and the index, from what the file is now. */
static bool all_good(struct vml_objects *packs, const char *id, const struct vml_entry *want,
                     size_t n_want)
{
    VML_AUTO(vml_freep) struct vml_entry *index = NULL;
    struct vml_error err;
    size_t n;

    if (vml_pack_index(packs, id, &index, &n, &err) < 0) {
        CHECK_INT(err.code, VML_EDATA);
        return false;
    }
    CHECK_INT(n, n_want);
    for (size_t i = 0; i < n; i++) {
        CHECK(memcmp(index[i].address, want[i].address, 32) == 0);
        if (vml_frame_fetch(packs, id, &index[i], frame, &err) < 0) {
            CHECK_INT(err.code, VML_EDATA);
            return false;
        }
    }
    return true;
}

static void test_flips(struct vml_objects *packs)
{
    VML_AUTO(vml_freep) struct vml_entry *index = NULL;
    struct vml_error err;
    char id[VML_KEY], path[128];
    struct stat st;
    size_t n;
    int fd;

    write_pack(packs, id, 300);
    path_of(path, id);
    fd = open(path, O_RDWR);
    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    CHECK_OK(vml_pack_index(packs, id, &index, &n, &err), &err);
    CHECK(all_good(packs, id, index, n));
    for (off_t off = 0; off < st.st_size; off++)
        for (int bit = 0; bit < 8; bit++) {
            uint8_t byte;

            CHECK(pread(fd, &byte, 1, off) == 1);
            byte ^= (uint8_t)(1 << bit);
            CHECK(pwrite(fd, &byte, 1, off) == 1);
            if (all_good(packs, id, index, n)) {
                fprintf(stderr, "bit %d of byte %lld was not found\n", bit, (long long)off);
                abort();
            }
            byte ^= (uint8_t)(1 << bit);
            CHECK(pwrite(fd, &byte, 1, off) == 1);
        }
    CHECK(all_good(packs, id, index, n));
    close(fd);
}

static void test_lengths(struct vml_objects *packs)
{
    VML_AUTO(vml_freep) struct vml_entry *index = NULL;
    VML_AUTO(vml_objects_freep) struct vml_objects *fresh = NULL;
    struct vml_error err;
    char id[VML_KEY], path[128];
    struct stat st;
    size_t n;

    write_pack(packs, id, 300);
    path_of(path, id);
    CHECK(stat(path, &st) == 0);
    CHECK(truncate(path, st.st_size + 1) == 0);
    CHECK_FAILS(vml_pack_index(packs, id, &index, &n, &err), &err, "store/pack-damaged");
    for (off_t len = st.st_size - 1; len >= 0; len -= 7) {
        vml_objects_freep(&fresh); /* an open file's size was asked for once */
        CHECK_OK(vml_objects_open(&fresh, dir, &err), &err);
        CHECK(truncate(path, len) == 0);
        CHECK_FAILS(vml_pack_index(fresh, id, &index, &n, &err), &err, "store/pack-damaged");
    }
    CHECK_OK(vml_objects_delete(packs, id, &err), &err);
    CHECK_FAILS(vml_pack_index(packs, id, &index, &n, &err), &err, "store/pack-missing");
}

/* More packs than files are kept open. */
static void test_many(struct vml_objects *packs)
{
    enum { PACKS = 100 };
    static char ids[PACKS][VML_KEY];
    struct vml_error err;
    int before = count_objects(packs);

    for (int i = 0; i < PACKS; i++)
        write_pack(packs, ids[i], 10);
    CHECK_INT(count_objects(packs), before + PACKS);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < PACKS; i++) {
            uint64_t size;

            CHECK_OK(vml_objects_size(packs, ids[i], &size, &err), &err);
            CHECK(size > 4 * VML_INDEX_ENTRY);
        }
    for (int i = 0; i < PACKS; i++)
        CHECK_OK(vml_objects_delete(packs, ids[i], &err), &err);
    CHECK_INT(count_objects(packs), before);
}

/* What is not sealed leaves nothing; what is not ours is left alone. */
static void test_leftovers(struct vml_objects *packs)
{
    VML_AUTO(vml_pack_freep) struct vml_pack *p = NULL;
    struct vml_error err;
    uint8_t address[32];
    char command[512];
    uint64_t bytes = 0;
    int before = count_objects(packs);
    size_t n = make(9, 1000, true, address);

    CHECK_OK(vml_pack_create(&p, packs, &err), &err);
    CHECK_OK(vml_pack_append(p, frame, n, &err), &err);
    vml_pack_freep(&p);
    CHECK_INT(count_objects(packs), before);

    snprintf(command, sizeof command,
             "mkdir -p %s/ab/ab0123456789abcdef0123456789abcd.pack %s/ab %s/xy && cd %s/ab &&"
             " touch README 000123456789abcdef0123456789abcd.pack"
             " ab0123456789abcdef0123456789abce.pack.bak ../xy/z",
             dir, dir, dir, dir);
    shell(command);
    CHECK_INT(count_objects(packs), before);
    snprintf(command, sizeof command,
             "cd %s/ab && echo 123 >.ab0123456789abcdef0123456789abcd.pack.01234567.part", dir);
    shell(command);
    CHECK_OK(vml_objects_sweep(packs, &bytes, &err), &err);
    CHECK_INT(bytes, 4);
    snprintf(command, sizeof command, "cd %s/ab && test $(ls -A | wc -l) -eq 4", dir);
    shell(command);
}

int main(void)
{
    VML_AUTO(vml_objects_freep) struct vml_objects *packs = NULL;
    struct vml_error err;
    char command[64];

    CHECK(mkdtemp(dir) != NULL);
    CHECK_OK(vml_objects_open(&packs, dir, &err), &err);
    test_frame();
    test_pack(packs);
    test_flips(packs);
    test_lengths(packs);
    test_many(packs);
    test_leftovers(packs);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    shell(command);
    return 0;
}
