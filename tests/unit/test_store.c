/* The store as a whole: trees, deduplication, commits that happen or do not, gc, several processes.
 */
#include <signal.h>
#include <sys/wait.h>

#include "store_fixture.h"

/* --- the folder ----------------------------------------------------------------------------- */

static void test_open(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    VML_AUTO(vml_store_freep) struct vml_store *again = NULL;
    struct vml_error err;
    char path[256];
    struct stat st;

    snprintf(path, sizeof path, "%s/none", top);
    CHECK_FAILS(vml_store_open(&s, path, false, &err), &err, "store/not-found");
    CHECK(strstr(err.text, path) != NULL);
    CHECK_FAILS(vml_store_open(&s, "", true, &err), &err, "store/name");

    snprintf(path, sizeof path, "%s/a//b/store/", top);
    CHECK_OK(vml_store_open(&s, path, true, &err), &err);
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0700);
    CHECK_OK(vml_store_open(&again, path, true, &err), &err);
    CHECK_INT(strlen(s->uuid), 36);
    CHECK_STR(again->uuid, s->uuid);
    vml_store_freep(&again);
    vml_store_freep(&s);
    CHECK_OK(vml_store_open(&s, path, false, &err), &err);
    vml_store_freep(&s);

    shell("cd %s && mkdir empty other half && touch other/file file && touch half/lock &&"
          " mkdir half/packs",
          top);
    snprintf(path, sizeof path, "%s/empty", top);
    CHECK_FAILS(vml_store_open(&s, path, false, &err), &err, "store/not-found");
    CHECK_OK(vml_store_open(&s, path, true, &err), &err);
    vml_store_freep(&s);
    snprintf(path, sizeof path, "%s/half", top); /* a creation that was cut short */
    CHECK_OK(vml_store_open(&s, path, true, &err), &err);
    vml_store_freep(&s);
    snprintf(path, sizeof path, "%s/other", top);
    CHECK_FAILS(vml_store_open(&s, path, true, &err), &err, "store/format");
    CHECK_FAILS(vml_store_open(&s, path, false, &err), &err, "store/format");
    snprintf(path, sizeof path, "%s/file", top);
    CHECK(vml_store_open(&s, path, true, &err) < 0);
    CHECK_FAILS(vml_store_open(&s, path, false, &err), &err, "store/format");

    snprintf(path, sizeof path, "%s/empty", top);
    shell("printf 'vmlift store 2\\n%%036d\\n' 0 >%s/format", path);
    CHECK_FAILS(vml_store_open(&s, path, false, &err), &err, "store/version");
    shell("printf 'vmlift store 1\\n123\\n' >%s/format", path);
    CHECK_FAILS(vml_store_open(&s, path, false, &err), &err, "store/format");
    shell("printf 'something else' >%s/format", path);
    CHECK_FAILS(vml_store_open(&s, path, true, &err), &err, "store/format");
}

/* --- trees ---------------------------------------------------------------------------------- */

static void test_round_trip(void)
{
    static const char *const specs[] = {
        "data:1",
        "data:512K",
        "hole:1M",
        "zero:700000 data:1 hole:3M",
        "data:700000 hole:5000000 text:1234567 zero:1M data:12345 hole:99",
        "hole:8G data:1M hole:16G text:3000000 zero:1 hole:8G",
        "hole:8589410304 data:1M", /* the last block of one leaf and the first of the next */
    };
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("round");
    struct vml_store_stats st;
    struct vml_error err;
    uint64_t logical = 0;

    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        struct vml_snapshot snap;
        char id[32];

        import(s, specs[i], id);
        check_same(s, id, specs[i]);
        CHECK_OK(vml_snapshot_get(s, id, &snap, &err), &err);
        CHECK(strncmp(snap.id, "snap-", 5) == 0 && strlen(snap.id) == 22);
        CHECK_STR(snap.owner, "000000000000");
        CHECK_STR(snap.region, "us-east-1");
        CHECK_STR(snap.description, "");
        CHECK_INT(snap.created, 7);
        CHECK(snap.data_size <= snap.size);
        logical += snap.size;
        vml_snapshot_clear(&snap);
    }
    st = stats_of(s);
    CHECK_INT(st.snapshots, sizeof specs / sizeof specs[0]);
    CHECK_INT(st.logical, logical);
    CHECK_INT(st.stored, files_of(s).bytes);
    CHECK_INT(faults_of(s), 0);
    CHECK_FAILS(vml_snapshot_get(s, "snap-00000000000000000", &(struct vml_snapshot){ 0 }, &err),
                &err, "snapshot/not-found");
}

static void test_extents(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("extents");
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    VML_AUTO(vml_reader_freep) struct vml_reader *want = NULL;
    static const char spec[] = "hole:20G data:1536K zero:1M data:100 hole:8G data:1";
    struct vml_error err;
    struct vml_extent x;
    uint8_t got[1000], expected[1000];
    char id[32];
    uint64_t off = 0;
    int runs = 0;

    import(s, spec, id);
    want = fake_open(spec);
    CHECK_OK(vml_snapshot_open(&r, s, id, &err), &err);
    while (off < r->size) {
        CHECK_OK(vml_extent_at(r, off, &x, &err), &err);
        off += x.len;
        runs++;
    }
    CHECK_INT(off, r->size);
    /* 16 GiB of empty leaves, 4 GiB, data, hole, data, the leaf's rest, 4 GiB and data */
    CHECK_INT(runs, 8);
    /* across blocks, at any offset */
    for (off = (UINT64_C(20) << 30) - 700; off < (UINT64_C(20) << 30) + (3u << 20); off += 61931) {
        CHECK_OK(vml_pread(r, got, sizeof got, off, &err), &err);
        CHECK_OK(vml_pread(want, expected, sizeof expected, off, &err), &err);
        CHECK(memcmp(got, expected, sizeof got) == 0);
    }
    CHECK_OK(vml_pread(r, got, 1, r->size - 1, &err), &err);
    CHECK_OK(vml_pread(want, expected, 1, r->size - 1, &err), &err);
    CHECK(got[0] == expected[0]);
}

static void test_dedup(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("dedup");
    struct vml_store_stats first, second;
    struct vml_usage usage;
    char a[32], b[32];
    struct vml_snapshot x, y;
    struct vml_error err;

    /* 20 bytes over and over: block n begins with byte 8n mod 20 of them, so 5 differ */
    import(s, "text:32M data:1M hole:1M", a);
    first = stats_of(s);
    CHECK_INT(first.blocks, 5 + 2);
    CHECK_OK(vml_store_usage(s, &usage, NULL, NULL, &err), &err);
    CHECK_INT(usage.unique, 7 * VML_BLOCK);
    CHECK_INT(usage.garbage, 0);
    CHECK_INT(first.data, 33 << 20);
    import(s, "text:32M data:1M hole:1M", b);
    second = stats_of(s);
    CHECK_INT(second.blocks, first.blocks);
    CHECK_INT(second.snapshots, 2);
    CHECK(second.stored - first.stored < 1024); /* the record */
    CHECK_OK(vml_snapshot_get(s, a, &x, &err), &err);
    CHECK_OK(vml_snapshot_get(s, b, &y, &err), &err);
    CHECK(memcmp(x.root, y.root, 32) == 0 && strcmp(x.id, y.id) != 0);
    vml_snapshot_clear(&x);
    vml_snapshot_clear(&y);
    /* one block more: nothing else is new but a leaf and a root */
    import(s, "text:32M data:1M hole:512K data:512K", b);
    CHECK_INT(stats_of(s).blocks, first.blocks + 1);
    CHECK_INT(faults_of(s), 0);
}

/* The bytes of a leaf as the data of a disk: one address, whoever came first. */
static int leaf_extent(struct vml_reader *r, uint64_t off, struct vml_extent *x,
                       struct vml_error *err)
{
    (void)err;
    x->len = r->size - off;
    x->kind = VML_DATA;
    return 0;
}

static uint8_t leaf_bytes[VML_BLOCK];

static int leaf_load(struct vml_reader *r, const struct vml_extent *x, uint64_t off, size_t len,
                     void *buf, struct vml_error *err)
{
    (void)r;
    (void)x;
    (void)err;
    memcpy(buf, leaf_bytes + off, len);
    return 0;
}

static void leaf_free(struct vml_reader *r)
{
    (void)r;
}

static void test_leaf_as_data(void)
{
    static const struct vml_reader_ops ops = { .extent = leaf_extent,
                                               .load = leaf_load,
                                               .free = leaf_free };
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("leaf");
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_reader disk = { .ops = &ops, .size = VML_BLOCK, .unit = 512, .can_seek = true };
    struct vml_snapshot what = { .owner = "1", .region = "r" };
    struct vml_copy copy = { .threads = 1 };
    struct vml_error err;
    char a[32];
    uint64_t first;

    import(s, "data:1M", a);
    for (int64_t i = 0; i < 2; i++) {
        VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
        size_t len;

        CHECK_OK(vml_db_query(s->db, &st, &err,
                              "SELECT address FROM blocks WHERE type = ? ORDER BY off LIMIT 1"
                              " OFFSET ?",
                              "ii", (int64_t)VML_FRAME_DATA, i),
                 &err);
        CHECK_INT(vml_stmt_step(st, &err), 1);
        memcpy(leaf_bytes + 32 * i, vml_stmt_blob(st, 0, &len), 32);
    }
    /* these two digests are the leaf that is there */
    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    CHECK_OK(vml_txn_snapshot(t, VML_BLOCK, &what, &w, &err), &err);
    CHECK_OK(vml_copy(&disk, w, &copy, &err), &err);
    CHECK_OK(vml_txn_commit(t, NULL, NULL, &err), &err);
    CHECK_INT(stats_of(s).blocks, 2);
    vml_txn_freep(&t);
    /* gc comes to them as data first, and must walk the leaf all the same */
    CHECK_OK(vml_snapshot_delete(s, a, &err), &err);
    import(s, "data:1M", a);
    collect(s);
    CHECK_INT(stats_of(s).blocks, 2);
    check_same(s, a, "data:1M");
    CHECK_INT(faults_of(s), 0);
    /* and stay where they are when it is no leaf any more */
    CHECK_OK(vml_snapshot_delete(s, a, &err), &err);
    collect(s);
    CHECK_INT(stats_of(s).blocks, 0);
    CHECK_OK(vml_snapshot_open(&r, s, what.id, &err), &err);
    CHECK_OK(vml_compare(&disk, r, &copy, &first, &err), &err);
    CHECK_INT(first, VML_SIZE_UNKNOWN);
    CHECK_INT(faults_of(s), 0);
}

static void test_huge(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("huge");
    static const char spec[] = "data:1M hole:30T data:1 hole:35184368877567 data:4096";
    struct vml_store_stats st;
    struct vml_txn *t = NULL;
    struct vml_writer *w = NULL;
    struct vml_snapshot what = { .owner = "1", .region = "r" };
    struct vml_error err;
    char id[32];

    import(s, "hole:64T", id);
    st = stats_of(s);
    CHECK_INT(st.logical, VML_DISK_MAX);
    CHECK(st.stored < 2048);
    import(s, spec, id);
    check_same(s, id, spec);
    CHECK(stats_of(s).stored < (3u << 20));
    CHECK_INT(faults_of(s), 0);

    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    CHECK_FAILS(vml_txn_snapshot(t, VML_DISK_MAX + 1, &what, &w, &err), &err, "store/too-large");
    vml_txn_free(t);
}

/* --- commits that do not happen ------------------------------------------------------------- */

static int add_tag(void *arg, struct vml_db *db, struct vml_error *err)
{
    (void)arg;
    return vml_row_insert(db, err, "tags", "ttt", "r", "k", "v");
}

static int refuse(void *arg, struct vml_db *db, struct vml_error *err)
{
    CHECK_OK(add_tag(NULL, db, err), err);
    *(int *)arg += 1;
    return vml_fail(err, VML_EREFUSED, "test/refused", "no");
}

static void test_uncommitted(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("uncommitted");
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    struct vml_snapshot what;
    struct vml_error err;
    char id[32];
    int called = 0;

    /* nothing sealed yet: nothing at all is left */
    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    CHECK_OK(fill(t, "data:4M", 2, &what, &err), &err);
    vml_txn_freep(&t);
    CHECK_INT(files_of(s).n, 0);
    CHECK_INT(stats_of(s).snapshots, 0);
    CHECK_INT(stats_of(s).blocks, 0);

    /* packs sealed on the way: garbage, which gc removes */
    s->pack_target = 1u << 20;
    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    CHECK_OK(fill(t, "data:4M", 2, &what, &err), &err);
    vml_txn_freep(&t);
    CHECK(files_of(s).n >= 3);
    CHECK_INT(stats_of(s).snapshots, 0);
    CHECK_INT(faults_of(s), 0);
    collect(s);
    CHECK_INT(files_of(s).n, 0);
    CHECK_INT(stats_of(s).packs, 0);

    /* `also` says no */
    import(s, "data:3M", id);
    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    CHECK_OK(fill(t, "data:3M text:4M", 2, &what, &err), &err);
    CHECK_FAILS(vml_txn_commit(t, refuse, &called, &err), &err, "test/refused");
    CHECK_INT(called, 1);
    CHECK_FAILS(vml_txn_commit(t, NULL, NULL, &err), &err, "store/transaction");
    vml_txn_freep(&t);
    CHECK_INT(stats_of(s).snapshots, 1);
    CHECK_FAILS(vml_snapshot_get(s, what.id, &what, &err), &err, "snapshot/not-found");
    change(s, add_tag, NULL); /* the tag is not there */
    check_same(s, id, "data:3M");
    collect(s);
    CHECK_INT(files_of(s).bytes, stats_of(s).stored);
    check_same(s, id, "data:3M");

    /* a source that fails */
    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open("data:8M");
        VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
        struct vml_copy copy = { .threads = 3 };

        ((struct fake *)r)->fail_at = 2; /* a load is of 2 MiB */
        CHECK_OK(vml_txn_snapshot(t, r->size, &what, &w, &err), &err);
        CHECK_FAILS(vml_copy(r, w, &copy, &err), &err, "fake/load");
    }
    vml_txn_freep(&t);
    collect(s);
    CHECK_INT(files_of(s).bytes, stats_of(s).stored);
    CHECK_INT(stats_of(s).snapshots, 1);
}

/* Killed with packs sealed, one open, and no commit: no lock is left, and gc cleans up. */
static void test_killed(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("killed");
    int status;
    pid_t child;

    vml_store_freep(&s);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct vml_snapshot what;
        struct vml_txn *t = NULL;
        struct vml_error err;

        CHECK_OK(vml_store_open(&s, dir, false, &err), &err);
        s->pack_target = 1u << 20;
        CHECK_OK(vml_txn_begin(&t, s, &err), &err);
        CHECK_OK(fill(t, "data:4M text:1M", 1, &what, &err), &err);
        raise(SIGKILL);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    s = new_store("killed");
    CHECK(files_of(s).n > 0);
    CHECK_INT(stats_of(s).snapshots, 0);
    CHECK_INT(faults_of(s), 0);
    collect(s);
    CHECK_INT(files_of(s).n, 0);
}

/* --- gc ------------------------------------------------------------------------------------- */

static void test_collect(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("collect");
    VML_AUTO(vml_store_freep) struct vml_store *elsewhere = NULL;
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    struct vml_snapshot small, large;
    struct vml_collected c;
    struct vml_error err;
    struct files before;
    uint8_t buf[512];
    char id[32];

    /* in one pack: one snapshot of 2 MiB, one of 10 MiB that is deleted */
    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    CHECK_OK(fill(t, "data:2M", 2, &small, &err), &err);
    CHECK_OK(fill(t, "hole:2M data:10M", 2, &large, &err), &err);
    CHECK_OK(vml_txn_commit(t, NULL, NULL, &err), &err);
    vml_txn_freep(&t);
    CHECK_INT(files_of(s).n, 1);
    c = collect(s);
    CHECK_INT(c.blocks + c.packs + c.bytes, 0);

    CHECK_OK(vml_store_open(&elsewhere, dir, false, &err), &err);
    CHECK_OK(vml_snapshot_open(&r, elsewhere, small.id, &err), &err);
    CHECK_OK(vml_snapshot_delete(s, large.id, &err), &err);
    before = files_of(s);
    CHECK_FAILS(vml_snapshot_delete(s, large.id, &err), &err, "snapshot/not-found");
    shell("touch %s/packs/mine && mkdir -p %s/packs/00 && echo 1 >%s/packs/00/note", dir, dir, dir);
    shell("cp %s/format %s/packs/00/000102030405060708090a0b0c0d0e0f.pack", dir, dir);
    c = collect(s);
    CHECK_INT(c.blocks, 20 + 3); /* with a leaf, a root, a record */
    CHECK_INT(c.packs, 2);       /* the unknown one, and the one that was rewritten */
    CHECK(strcmp(files_of(s).key, before.key) != 0);
    CHECK_INT(before.bytes + 117 - files_of(s).bytes, c.bytes);
    CHECK(files_of(s).bytes < 2500000);
    CHECK_INT(files_of(s).bytes, stats_of(s).stored);
    shell("cd %s/packs && test -e mine && test -e 00/note", dir);
    check_same(s, small.id, "data:2M");
    CHECK_INT(faults_of(s), 0);
    /* a reader of another process does not notice that its blocks have moved */
    CHECK_OK(vml_pread(r, buf, sizeof buf, 1u << 20, &err), &err);
    vml_reader_freep(&r);

    /* several packs into few; a damaged frame stays where it is */
    s->pack_target = 1u << 20;
    import(s, "hole:2M data:1M hole:512K data:3M hole:1M text:1M data:2M", id);
    CHECK(files_of(s).n >= 5);
    CHECK_OK(vml_snapshot_delete(s, small.id, &err), &err);
    c = collect(s);
    CHECK(c.packs >= 1 && c.bytes >= 2u << 20);
    check_same(s, id, "hole:2M data:1M hole:512K data:3M hole:1M text:1M data:2M");
    CHECK_OK(vml_snapshot_delete(s, id, &err), &err);
    collect(s);
    CHECK_INT(files_of(s).n, 0);
    CHECK_INT(stats_of(s).blocks, 0);
}

static void test_collect_damaged(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("collect-damaged");
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    struct vml_snapshot small, large;
    struct vml_error err;
    off_t off;
    int fd;

    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    CHECK_OK(fill(t, "data:2M", 2, &small, &err), &err);
    CHECK_OK(fill(t, "hole:2M data:10M", 2, &large, &err), &err);
    CHECK_OK(vml_txn_commit(t, NULL, NULL, &err), &err);
    vml_txn_freep(&t);
    fd = open_pack(s);
    off = offset_of(s, VML_FRAME_DATA, 2) + 3000;
    flip(fd, off, 128);
    CHECK_OK(vml_snapshot_delete(s, large.id, &err), &err);
    collect(s);
    /* the old pack is kept for the one frame, and with its record of the snapshot that is gone the
     * one that says so */
    CHECK_INT(files_of(s).n, 3);
    CHECK_INT(faults_of(s), 1);
    flip(fd, off, 128);
    CHECK_INT(faults_of(s), 0);
    check_same(s, small.id, "data:2M");
    collect(s);
    CHECK_INT(files_of(s).n, 3); /* they hold little else than what lives, or it has moved */
    CHECK_INT(faults_of(s), 0);
    close(fd);
}

static int put_image(struct vml_db *db, const char *state, struct vml_error *err)
{
    return vml_row_put(db, err, "images", "titttttttttttttttittttttiiiti", "ami-1", INT64_C(1), "n",
                       "", "1", "r", "x86_64", "hvm", "", "/dev/sda1", "ebs", "", "", "", "", "",
                       "", INT64_C(0), state, "", "", "", "", "", INT64_C(0), INT64_C(0),
                       INT64_C(0), "", INT64_C(0));
}

static int add_image(void *snapshot, struct vml_db *db, struct vml_error *err)
{
    CHECK_OK(put_image(db, "available", err), err);
    return vml_row_insert(db, err, "mappings", "tittitiiiiti", "ami-1", INT64_C(0), "/dev/sda1",
                          (const char *)snapshot, INT64_C(1), "gp3", INT64_C(0), INT64_C(0),
                          INT64_C(1), INT64_C(0), "", INT64_C(0));
}

static int deregister_image(void *arg, struct vml_db *db, struct vml_error *err)
{
    (void)arg;
    return put_image(db, "deregistered", err);
}

static void test_in_use(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("in-use");
    struct vml_error err;
    char id[32];

    import(s, "text:1M", id);
    change(s, add_image, id);
    CHECK_INT(stats_of(s).images, 1);
    CHECK_FAILS(vml_snapshot_delete(s, id, &err), &err, "InvalidSnapshot.InUse");
    CHECK_INT(err.code, VML_EREFUSED);
    CHECK(strstr(err.text, id) != NULL && strstr(err.text, "ami-1") != NULL);
    change(s, deregister_image, NULL);
    CHECK_INT(stats_of(s).images, 0);
    CHECK_OK(vml_snapshot_delete(s, id, &err), &err);
    CHECK_INT(stats_of(s).snapshots, 0);
}

/* --- several processes ---------------------------------------------------------------------- */

static int count_snapshot(void *arg, const struct vml_snapshot *snap, struct vml_error *err)
{
    (void)err;
    CHECK(snap->size > 0);
    ++*(int *)arg;
    return 0;
}

/* Four processes import the same and different data while a fifth collects over and over. */
static void test_processes(void)
{
    enum { WRITERS = 4, ROUNDS = 3 };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_error err;
    pid_t children[WRITERS + 1];
    int seen = 0;

    snprintf(dir, sizeof dir, "%s/deep/er/processes", top); /* all of them make it */
    for (int i = 0; i <= WRITERS; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] != 0)
            continue;
        CHECK_OK(vml_store_open(&s, dir, true, &err), &err);
        s->pack_target = 2u << 20;
        for (int round = 0; round < ROUNDS; round++) {
            char spec[64], id[32], extra[32];

            snprintf(spec, sizeof spec, "data:3M hole:%dM text:2M data:1M", 1 + i % 2 + round);
            if (i == WRITERS) {
                usleep(50000);
                collect(s);
                continue;
            }
            import(s, spec, id);
            import(s, "text:9M", extra);
            CHECK_OK(vml_snapshot_delete(s, extra, &err), &err);
            check_same(s, id, spec);
        }
        vml_store_freep(&s);
        _exit(0);
    }
    for (int i = 0; i <= WRITERS; i++) {
        int status;

        CHECK(waitpid(children[i], &status, 0) == children[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    CHECK_OK(vml_store_open(&s, dir, false, &err), &err);
    CHECK_OK(vml_snapshot_each(s, count_snapshot, &seen, &err), &err);
    CHECK_INT(seen, WRITERS * ROUNDS);
    CHECK_INT(faults_of(s), 0);
    collect(s);
    CHECK_INT(faults_of(s), 0);
}

/* gc waits for a transaction, and can be interrupted there.  Last: the flag stays up. */
static void test_wait(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("wait");
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    struct vml_collected c;
    struct vml_error err;

    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    vml_interrupt();
    CHECK_FAILS(vml_store_collect(s, &c, &err), &err, "interrupted");
}

int main(void)
{
    CHECK(mkdtemp(top) != NULL);
    test_open();
    test_round_trip();
    test_extents();
    test_dedup();
    test_leaf_as_data();
    test_huge();
    test_uncommitted();
    test_killed();
    test_collect();
    test_collect_damaged();
    test_in_use();
    test_processes();
    test_wait();
    shell("rm -rf %s", top);
    return 0;
}
