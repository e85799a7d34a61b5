/* Damage at rest, of packs and of rows: what finds it, and what then suffers. */
#include "store_fixture.h"

static void test_every_byte(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("flips");
    struct stat st;
    char id[32];
    int fd;

    import(s, "text:600K hole:1M", id);
    CHECK_INT(faults_of(s), 0);
    fd = open_pack(s);
    CHECK(fstat(fd, &st) == 0 && st.st_size < 4096);
    for (off_t off = 0; off < st.st_size; off++) {
        uint8_t bit = (uint8_t)(1 << off * 5 % 8);

        flip(fd, off, bit);
        if (faults_found(s, true) == 0 || faults_of(s) == 0) {
            fprintf(stderr, "a flipped bit at byte %lld was not found\n", (long long)off);
            abort();
        }
        flip(fd, off, bit);
    }
    CHECK_INT(faults_of(s), 0);
    close(fd);
}

/* Blocks that were wrong before their sums were made: only their SHA-256 tells, which of some
 * blocks is computed side by side. */
static void test_wrong_from_the_start(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("wrong");
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    uint8_t raw[1000] = "neither this", address[32], frame[4096];
    struct vml_error err;
    size_t len;

    CHECK(sizeof frame >= vml_frame_bound(sizeof raw));
    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    for (uint8_t i = 0; i < 40; i++) {
        size_t raw_len = sizeof raw - i;

        raw[20] = i;
        vml_sha256(raw, raw_len, address);
        address[31] ^= i == 0 || i == 17 || i == 39;
        CHECK_OK(vml_frame_make(VML_FRAME_DATA, NULL, address, raw, raw_len, frame, &len, &err),
                 &err);
        CHECK_OK(vml_txn_frame(t, frame, len, &err), &err);
    }
    CHECK_OK(vml_txn_commit(t, NULL, NULL, &err), &err);
    vml_txn_freep(&t);
    CHECK_INT(faults_found(s, true), 0);
    CHECK_INT(faults_of(s), 3);
    CHECK_STR(fault_slug, "store/block-damaged");
}

static void test_damage(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("damage");
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_collected c;
    struct vml_copy copy = { .threads = 2 };
    struct vml_error err;
    struct files f;
    uint64_t first;
    char id[32], other[32];
    uint8_t buf[512];
    off_t off;
    int fd;

    import(s, "hole:1M data:2M hole:8G", id);
    CHECK_OK(vml_snapshot_open(&r, s, id, &err), &err);
    fd = open_pack(s);

    /* a block of data, the second: bytes 1.5 to 2 MiB */
    off = offset_of(s, VML_FRAME_DATA, 1) + 64 + 1000;
    flip(fd, off, 4);
    CHECK_FAILS(vml_pread(r, buf, sizeof buf, (1536u << 10) + 7, &err), &err,
                "store/block-damaged");
    CHECK_INT(err.code, VML_EDATA);
    CHECK(strstr(err.text, "bytes 1572864..2097152") != NULL);
    CHECK_OK(vml_pread(r, buf, sizeof buf, 1u << 20, &err), &err);
    CHECK_FAILS(vml_compare(r, r, &copy, &first, &err), &err, "store/block-damaged");
    CHECK(strstr(err.text, id) != NULL);
    CHECK_INT(faults_of(s), 1);
    CHECK_STR(fault_slug, "store/block-damaged");
    CHECK(does_suffer(id, "1572864..2097152"));
    flip(fd, off, 4);
    CHECK_INT(faults_of(s), 0);
    /* told once, with both snapshots that have it */
    import(s, "hole:1M data:2M hole:16G", other);
    flip(fd, off, 4);
    CHECK_INT(faults_of(s), 1);
    CHECK(does_suffer(id, "1572864..2097152") && does_suffer(other, "1572864..2097152"));
    flip(fd, off, 4);
    CHECK_OK(vml_snapshot_delete(s, other, &err), &err);
    collect(s);
    CHECK_INT(faults_of(s), 0);

    /* the leaf: gc cannot know what lives, and frees nothing */
    off = offset_of(s, VML_FRAME_LEAF, 0) + 64 + 10;
    import(s, "text:5M", other);
    CHECK_OK(vml_snapshot_delete(s, other, &err), &err);
    f = files_of(s);
    flip(fd, off, 1);
    CHECK_FAILS(vml_store_collect(s, &c, &err), &err, "store/block-damaged");
    CHECK_INT(files_of(s).bytes, f.bytes);
    CHECK_INT(faults_of(s), 1);
    CHECK(does_suffer(id, "0..8589934592"));
    vml_reader_freep(&r);
    CHECK_OK(vml_snapshot_open(&r, s, id, &err), &err);
    CHECK_FAILS(vml_pread(r, buf, sizeof buf, 1u << 20, &err), &err, "store/block-damaged");
    flip(fd, off, 1);
    CHECK_OK(vml_pread(r, buf, sizeof buf, 1u << 20, &err), &err);
    vml_reader_freep(&r);
    collect(s);
    close(fd);

    /* the pack, which is the largest file */
    f = files_of(s);
    shell("mv %s/packs/%.2s/%s.pack %s/away", dir, f.key, f.key, top);
    vml_store_freep(&s);
    CHECK_OK(vml_store_open(&s, dir, false, &err), &err);
    CHECK_FAILS(vml_snapshot_open(&r, s, id, &err), &err, "store/block-missing");
    CHECK(strstr(err.text, id) != NULL);
    CHECK(faults_of(s) > 1);
    CHECK(does_suffer(id, "0..8593080320"));
    CHECK_FAILS(vml_store_collect(s, &c, &err), &err, "store/block-missing");
    shell("mv %s/away %s/packs/%.2s/%s.pack", top, dir, f.key, f.key);
    CHECK_INT(faults_of(s), 0);
}

/* Rows that are not what was written, however it came about. */
static void test_rows(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("rows");
    struct vml_collected c;
    struct vml_snapshot snap;
    struct vml_error err;
    struct files f;
    char id[32], other[32];

    import(s, "data:1M", id);
    import(s, "text:1M", other);
    f = files_of(s);
    CHECK_OK(vml_db_exec(s->db, "UPDATE snapshots SET size = size - 512 WHERE seq = 1", &err),
             &err);
    CHECK(faults_of(s) >= 1);
    CHECK_FAILS(vml_snapshot_get(s, id, &snap, &err), &err, "catalog/corrupt");
    CHECK(strstr(err.text, id) != NULL && strstr(err.text, "snapshots") != NULL);
    CHECK_OK(vml_snapshot_get(s, other, &snap, &err), &err);
    vml_snapshot_clear(&snap);
    CHECK_OK(vml_db_exec(s->db, "UPDATE snapshots SET size = size + 512 WHERE seq = 1", &err),
             &err);
    CHECK_INT(faults_of(s), 0);
    CHECK_OK(vml_db_exec(s->db, "UPDATE blocks SET off = off + 1 WHERE type = 2", &err), &err);
    CHECK(faults_of(s) >= 1);
    CHECK_STR(fault_slug, "catalog/corrupt");
    CHECK_OK(vml_db_exec(s->db, "UPDATE blocks SET off = off - 1 WHERE type = 2", &err), &err);
    CHECK_INT(faults_of(s), 0);
    /* a row that is gone, which nothing else tells: gc does not take the snapshot's blocks away */
    CHECK_OK(vml_db_exec(s->db, "DELETE FROM snapshots WHERE seq = 1", &err), &err);
    CHECK(faults_of(s) >= 1);
    CHECK_FAILS(vml_store_collect(s, &c, &err), &err, "catalog/corrupt");
    CHECK(strstr(err.text, "nothing was freed") != NULL);
    CHECK_INT(files_of(s).bytes, f.bytes);
}

int main(void)
{
    CHECK(mkdtemp(top) != NULL);
    test_every_byte();
    test_wrong_from_the_start();
    test_damage();
    test_rows();
    shell("rm -rf %s", top);
    return 0;
}
