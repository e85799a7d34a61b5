/* Snapshots that are written block by block: whatever the order, whoever puts, and whatever gc does
 * meanwhile, what is finished is the disk that an import would have made. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "store_fixture.h"
#include "vmlift/key.h"
#include "vmlift/upload.h"

static struct vml_error err;

static const struct vml_snapshot mine = { .owner = "000000000000",
                                          .region = "us-east-1",
                                          .created = 7 };

static struct vml_upload *begin(struct vml_store *s, uint64_t size, const char *parent,
                                unsigned timeout)
{
    struct vml_upload *u = NULL;

    CHECK_OK(vml_upload_begin(&u, s, size, parent, &mine, timeout, &err), &err);
    CHECK(strncmp(vml_upload_snapshot(u)->id, "snap-", 5) == 0);
    return u;
}

static void take_id(const struct vml_upload *u, char id[32])
{
    memcpy(id, vml_upload_snapshot(u)->id, 32);
}

/* --- putting a disk ------------------------------------------------------------------------- */

/* Block n of a disk, its digest, and whether it has any data. */
static bool load(struct vml_reader *r, uint64_t n, uint8_t *block, uint8_t digest[32])
{
    struct vml_error why;
    uint64_t off = n * VML_BLOCK;

    memset(block, 0, VML_BLOCK);
    CHECK_OK(vml_pread(r, block, (size_t)vml_min_u64(VML_BLOCK, r->size - off), off, &why), &why);
    vml_sha256(block, VML_BLOCK, digest);
    return !vml_is_zero(block, VML_BLOCK);
}

/* Is there nothing but a hole? */
static bool is_hole(struct vml_reader *r, uint64_t n)
{
    struct vml_extent x;
    struct vml_error why;

    if (n * VML_BLOCK >= r->size)
        return true;
    CHECK_OK(vml_extent_at(r, n * VML_BLOCK, &x, &why), &why);
    return x.kind == VML_HOLE && x.len >= vml_min_u64(VML_BLOCK, r->size - n * VML_BLOCK);
}

enum { THREADS = 4 };

struct job {
    struct vml_upload *u;
    const char *spec;
    uint64_t first;
    bool zeroes; /* are put, too */
};

/* Every fourth block, from the back. */
static void *put_some(void *arg)
{
    const struct job *job = arg;
    VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open(job->spec);
    VML_AUTO(vml_freep) uint8_t *block = malloc(VML_BLOCK);
    uint8_t digest[32];
    struct vml_error why;

    CHECK(block != NULL);
    for (uint64_t n = vml_div_up(r->size, VML_BLOCK); n-- > 0;) {
        if (n % THREADS != job->first || (!job->zeroes && is_hole(r, n)))
            continue;
        if (load(r, n, block, digest) || job->zeroes)
            CHECK_OK(vml_upload_put(job->u, n, block, digest, &why), &why);
    }
    return NULL;
}

static void put_all(struct vml_upload *u, const char *spec, bool zeroes)
{
    pthread_t threads[THREADS];
    struct job jobs[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){ .u = u, .spec = spec, .first = i, .zeroes = zeroes };
        CHECK(pthread_create(&threads[i], NULL, put_some, &jobs[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* The SHA-256 of the digests of the blocks that have data, or of all. */
static uint64_t linear(const char *spec, bool zeroes, uint8_t out[32])
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open(spec);
    VML_AUTO(vml_freep) uint8_t *block = malloc(VML_BLOCK);
    uint64_t blocks = vml_div_up(r->size, VML_BLOCK), n = 0;
    VML_AUTO(vml_freep) uint8_t *digests = malloc(blocks * 32);

    CHECK(block != NULL && digests != NULL);
    for (uint64_t i = 0; i < blocks; i++)
        n += load(r, i, block, digests + n * 32) || zeroes;
    vml_sha256(digests, n * 32, out);
    return n;
}

static void finish(struct vml_upload *u, const uint8_t aggregate[32])
{
    CHECK_OK(vml_upload_finish(u, vml_upload_count(u), aggregate, NULL, NULL, &err), &err);
}

static void upload(struct vml_store *s, const char *spec, const char *parent, char id[32])
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open(spec);
    VML_AUTO(vml_upload_freep) struct vml_upload *u = begin(s, r->size, parent, 0);

    put_all(u, spec, false);
    finish(u, NULL);
    take_id(u, id);
}

/* It is what an import of the same disk is. */
static void check_like_import(struct vml_store *s, const char *id, const char *spec)
{
    struct vml_snapshot a, b;
    char other[32];

    import(s, spec, other);
    check_same(s, id, spec);
    CHECK_OK(vml_snapshot_get(s, id, &a, &err), &err);
    CHECK_OK(vml_snapshot_get(s, other, &b, &err), &err);
    CHECK(memcmp(a.root, b.root, 32) == 0);
    CHECK_INT(a.size, b.size);
    CHECK_INT(a.data_size, b.data_size);
    CHECK_INT(a.created, 7);
    CHECK_STR(a.owner, "000000000000");
    vml_snapshot_clear(&a);
    vml_snapshot_clear(&b);
}

/* --- tests ---------------------------------------------------------------------------------- */

static void test_round_trip(void)
{
    static const char *const specs[] = {
        "data:1",
        "hole:1M",
        "data:700000 hole:5M text:1234567 zero:1M data:12345 hole:99",
        "data:3M hole:20G text:4M",
        "hole:8589410304 data:1M", /* the last block of one leaf and the first of the next */
    };
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("round");
    char id[32];

    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        upload(s, specs[i], NULL, id);
        check_like_import(s, id, specs[i]);
    }
    CHECK_INT(faults_of(s), 0);
}

static void test_promises(void)
{
    static const char spec[] = "data:3M hole:1M text:2M data:100";
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("promises");
    VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open(spec);
    VML_AUTO(vml_upload_freep) struct vml_upload *u = NULL;
    VML_AUTO(vml_freep) uint8_t *block = calloc(1, VML_BLOCK);
    uint8_t sum[32], digest[32];
    uint64_t n = linear(spec, false, sum);
    char id[32];

    CHECK_FAILS(vml_upload_begin(&u, s, 0, NULL, &mine, 0, &err), &err, "upload/size");
    CHECK_FAILS(vml_upload_begin(&u, s, VML_DISK_MAX + 1, NULL, &mine, 0, &err), &err,
                "store/too-large");
    CHECK_FAILS(vml_upload_begin(&u, s, 1, "snap-00000000000000000", &mine, 0, &err), &err,
                "snapshot/not-found");
    u = begin(s, r->size, NULL, 0);
    take_id(u, id);
    put_all(u, spec, false);
    CHECK_INT(vml_upload_count(u), n);
    CHECK_FAILS(vml_upload_put(u, 13, block, NULL, &err), &err, "upload/block");
    /* a rewritten block counts once, and what was put last holds */
    CHECK_OK(vml_upload_put(u, 1, block, NULL, &err), &err);
    CHECK_INT(vml_upload_count(u), n);
    CHECK_FAILS(vml_upload_finish(u, n, sum, NULL, NULL, &err), &err, "upload/aggregate");
    CHECK_INT(err.code, VML_EREFUSED);
    load(r, 1, block, digest);
    CHECK_OK(vml_upload_put(u, 1, block, digest, &err), &err);
    CHECK_FAILS(vml_upload_finish(u, n + 1, sum, NULL, NULL, &err), &err, "upload/count");
    CHECK_FAILS(vml_snapshot_get(s, id, &(struct vml_snapshot){ 0 }, &err), &err,
                "snapshot/not-found");
    CHECK(!vml_upload_dead(u));
    CHECK_OK(vml_upload_finish(u, n, sum, NULL, NULL, &err), &err);
    check_like_import(s, id, spec);
    /* once more */
    CHECK_OK(vml_upload_finish(u, n, sum, NULL, NULL, &err), &err);
    CHECK_FAILS(vml_upload_finish(u, n - 1, sum, NULL, NULL, &err), &err, "upload/count");
    CHECK_FAILS(vml_upload_put(u, 1, block, NULL, &err), &err, "upload/over");
    CHECK(!vml_upload_dead(u));
    CHECK_INT(vml_upload_count(u), n);
}

/* A block of zeroes that is put counts, and is a hole. */
static void test_zeroes(void)
{
    static const char spec[] = "zero:1M data:1M hole:2M";
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("zeroes");
    VML_AUTO(vml_upload_freep) struct vml_upload *u = begin(s, 4u << 20, NULL, 0);
    uint8_t sum[32], zero[32];
    VML_AUTO(vml_freep) uint8_t *block = calloc(1, VML_BLOCK);

    vml_sha256(block, VML_BLOCK, zero);
    put_all(u, spec, true);
    CHECK_INT(linear(spec, true, sum), 8);
    CHECK_OK(vml_upload_finish(u, 8, sum, NULL, NULL, &err), &err);
    check_like_import(s, vml_upload_snapshot(u)->id, spec);
    vml_upload_freep(&u);
    /* and nothing put at all is SHA-256 of nothing */
    u = begin(s, 1u << 30, NULL, 0);
    vml_sha256("", 0, sum);
    CHECK_OK(vml_upload_finish(u, 0, sum, NULL, NULL, &err), &err);
    check_like_import(s, vml_upload_snapshot(u)->id, "hole:1G");
}

struct seen {
    uint64_t first, last, n, only_a, only_b, enough;
};

static int see_block(void *arg, uint64_t number, const uint8_t name[32], struct vml_error *why)
{
    struct seen *seen = arg;

    (void)why;
    CHECK(name != NULL && !vml_is_hole(name) && (seen->n == 0 || number > seen->last));
    seen->first = seen->n == 0 ? number : seen->first;
    seen->last = number;
    return ++seen->n == seen->enough;
}

static int see_blocks(void *arg, uint64_t number, const uint8_t *a, const uint8_t *b,
                      struct vml_error *why)
{
    struct seen *seen = arg;

    CHECK(a != NULL || b != NULL);
    CHECK(a == NULL || b == NULL || memcmp(a, b, 32) != 0);
    seen->only_a += b == NULL;
    seen->only_b += a == NULL;
    return see_block(seen, number, a != NULL ? a : b, why);
}

static void test_parent(void)
{
    static const struct {
        const char *parent, *child;
        uint64_t differ, only_a, only_b;
    } rows[] = {
        { "data:3M hole:9G text:2M", "data:3M hole:9G text:2M", 0, 0, 0 },
        { "data:3M hole:1M data:2M", "data:1M zero:1M data:1M text:1M data:2M", 4, 2, 2 },
        { "data:100", "data:100 hole:1M", 0, 0, 0 }, /* counted in part, then whole */
        { "data:100", "text:100 hole:9G data:1", 2, 0, 1 },
        { "hole:1M data:1M", "hole:2M", 2, 2, 0 },
        { "data:1M hole:32G data:1M", "data:1M hole:16G text:1M hole:16383M data:1M", 2, 0, 2 },
    };
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("parent");
    char parent[32], child[32];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open(rows[i].child);
        VML_AUTO(vml_reader_freep) struct vml_reader *old = fake_open(rows[i].parent);
        VML_AUTO(vml_upload_freep) struct vml_upload *u = NULL;
        VML_AUTO(vml_freep) uint8_t *block = malloc(VML_BLOCK), *was = malloc(VML_BLOCK);
        struct seen seen = { 0 };
        uint8_t digest[32], before[32];

        import(s, rows[i].parent, parent);
        u = begin(s, r->size, parent, 0);
        for (uint64_t n = 0; n < vml_div_up(r->size, VML_BLOCK); n++) {
            bool data = !is_hole(r, n) && load(r, n, block, digest),
                 had = !is_hole(old, n) && load(old, n, was, before);

            if (!data)
                memset(block, 0, VML_BLOCK);
            if (data != had || (data && memcmp(before, digest, 32) != 0))
                CHECK_OK(vml_upload_put(u, n, block, NULL, &err), &err);
        }
        CHECK_INT(vml_upload_count(u), rows[i].differ);
        finish(u, NULL);
        take_id(u, child);
        check_like_import(s, child, rows[i].child);
        CHECK_OK(vml_snapshot_diff_blocks(s, parent, child, 0, see_blocks, &seen, &err), &err);
        CHECK_INT(seen.n, rows[i].differ);
        CHECK_INT(seen.only_a, rows[i].only_a);
        CHECK_INT(seen.only_b, rows[i].only_b);
    }
    import(s, "data:2M", parent);
    CHECK_FAILS(
        vml_upload_begin(&(struct vml_upload *){ NULL }, s, 1u << 20, parent, &mine, 0, &err), &err,
        "upload/size");
}

static void test_reading(void)
{
    static const char spec[] = "data:2M hole:9G text:3M";
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("reading");
    VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open(spec);
    VML_AUTO(vml_freep) uint8_t *want = malloc(VML_BLOCK), *got = malloc(VML_BLOCK);
    const uint64_t text = (UINT64_C(9) << 30) / VML_BLOCK + 4;
    struct seen seen = { 0 };
    uint8_t digest[32];
    char id[32];

    import(s, spec, id);
    CHECK_OK(vml_snapshot_blocks(s, id, 0, see_block, &seen, &err), &err);
    CHECK_INT(seen.n, 10);
    CHECK_INT(seen.last, text + 5);
    seen = (struct seen){ .enough = 3 };
    CHECK_OK(vml_snapshot_blocks(s, id, 2, see_block, &seen, &err), &err);
    CHECK_INT(seen.n, 3);
    CHECK_INT(seen.first, 2);
    CHECK_INT(seen.last, text);
    seen = (struct seen){ 0 };
    CHECK_OK(vml_snapshot_blocks(s, id, text + 6, see_block, &seen, &err), &err);
    CHECK_OK(vml_snapshot_blocks(s, id, UINT64_MAX, see_block, &seen, &err), &err);
    CHECK_INT(seen.n, 0);
    load(r, text + 1, want, digest);
    CHECK_OK(vml_snapshot_block(s, id, digest, got, &err), &err);
    CHECK(memcmp(got, want, VML_BLOCK) == 0);
    digest[0] ^= 1;
    CHECK_FAILS(vml_snapshot_block(s, id, digest, got, &err), &err, "store/block-missing");
    CHECK_FAILS(vml_snapshot_blocks(s, "snap-1", 0, see_block, &seen, &err), &err,
                "snapshot/not-found");
}

/* --- gc meanwhile --------------------------------------------------------------------------- */

static int pins_of(const struct vml_store *s)
{
    char path[256];
    int n = 0;

    snprintf(path, sizeof path, "%s/uploads", s->dir);
    DIR *d = opendir(path);
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    if (d != NULL)
        closedir(d);
    return n;
}

/* All that the upload needs loses whatever else it was in use by. */
static void test_gc(void)
{
    static const char old[] = "data:2M hole:10M text:20M", now[] = "text:2M hole:10M data:20M";
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("gc");
    VML_AUTO(vml_upload_freep) struct vml_upload *u = NULL;
    char parent[32], same[32];

    s->pack_target = 4u << 20; /* so that some are sealed on the way */
    import(s, old, parent);
    import(s, now, same); /* of whose blocks none is stored twice */
    u = begin(s, 32u << 20, parent, 0);
    CHECK_OK(vml_snapshot_delete(s, parent, &err), &err);
    collect(s);
    put_all(u, now, true);
    CHECK_INT(pins_of(s), 1);
    CHECK_OK(vml_snapshot_delete(s, same, &err), &err);
    collect(s);
    collect(s);
    finish(u, NULL);
    CHECK_INT(pins_of(s), 0);
    collect(s);
    check_same(s, vml_upload_snapshot(u)->id, now);
    vml_upload_freep(&u);
    /* of the parent's tree, too, and of packs that it has sealed itself */
    import(s, old, parent);
    u = begin(s, 33u << 20, parent, 0);
    put_all(u, "data:2M hole:10M text:1M hole:19M data:1M", false);
    CHECK_OK(vml_snapshot_delete(s, parent, &err), &err);
    collect(s);
    finish(u, NULL);
    collect(s);
    check_same(s, vml_upload_snapshot(u)->id, "data:2M hole:10M text:20M data:1M");
    CHECK_INT(faults_of(s), 0);
}

/* What ends without being finished leaves nothing that a gc would not take away. */
static void test_ends(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("ends");
    VML_AUTO(vml_upload_freep) struct vml_upload *u = NULL;
    VML_AUTO(vml_freep) uint8_t *block = calloc(1, VML_BLOCK);
    int status;
    pid_t child;

    s->pack_target = 1u << 20;
    u = begin(s, 8u << 20, NULL, 0);
    put_all(u, "data:8M", false);
    vml_upload_freep(&u);
    CHECK_INT(pins_of(s), 0);
    CHECK(collect(s).blocks > 0);
    CHECK_INT(stats_of(s).packs, 0);

    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct vml_store *other = NULL;

        CHECK_OK(vml_store_open(&other, dir, 0, &err), &err);
        other->pack_target = 1u << 20;
        u = begin(other, 8u << 20, NULL, 0);
        put_all(u, "data:8M", false);
        raise(SIGKILL);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    CHECK_INT(pins_of(s), 1);
    CHECK(collect(s).blocks > 0);
    CHECK_INT(pins_of(s), 0);
    CHECK_INT(stats_of(s).packs, 0);

    u = begin(s, 8u << 20, NULL, 1);
    put_all(u, "data:8M", false);
    CHECK(!vml_upload_dead(u));
    usleep(2200000);
    CHECK(collect(s).blocks > 0);
    CHECK_INT(stats_of(s).packs, 0);
    CHECK(vml_upload_dead(u));
    CHECK_FAILS(vml_upload_put(u, 0, block, NULL, &err), &err, "upload/expired");
    CHECK_FAILS(vml_upload_finish(u, vml_upload_count(u), NULL, NULL, NULL, &err), &err,
                "upload/expired");
    vml_upload_freep(&u);
    CHECK_INT(pins_of(s), 0);

    /* a put is a sign of life */
    u = begin(s, 8u << 20, NULL, 1);
    for (uint64_t n = 0; n < 5; n++) {
        usleep(700000);
        CHECK_OK(vml_upload_put(u, n, block, NULL, &err), &err);
    }
    finish(u, NULL);
}

/* Whoever takes pins away by force gets no snapshot that lacks a block. */
static void test_lost_pins(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("lost");
    VML_AUTO(vml_upload_freep) struct vml_upload *u = NULL;

    s->pack_target = 1u << 20;
    u = begin(s, 8u << 20, NULL, 0);
    put_all(u, "data:8M", false);
    shell("rm %s/uploads/*", dir);
    collect(s);
    CHECK_FAILS(vml_upload_finish(u, 16, NULL, NULL, NULL, &err), &err, "store/block-missing");
    CHECK(vml_upload_dead(u));
    CHECK_INT(stats_of(s).snapshots, 0);
    vml_upload_freep(&u);
    /* and a file that is none of ours stays, while one that is damaged stops gc */
    u = begin(s, 8u << 20, NULL, 0);
    shell("touch %s/uploads/readme && printf x | dd of=%s/uploads/%s.pins conv=notrunc"
          " status=none",
          dir, dir, vml_upload_snapshot(u)->id);
    CHECK_FAILS(vml_store_collect(s, &(struct vml_collected){ 0 }, &err), &err, "upload/pins");
    vml_upload_freep(&u);
    collect(s);
    CHECK_INT(pins_of(s), 1);
}

/* A rebuild makes another catalog, which the upload cannot know. */
static void test_rebuilt(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("rebuilt");
    VML_AUTO(vml_upload_freep) struct vml_upload *u = begin(s, 8u << 20, NULL, 0);
    VML_AUTO(vml_freep) uint8_t *block = calloc(1, VML_BLOCK);
    struct vml_rebuilt done;

    put_all(u, "data:4M", false);
    CHECK_OK(vml_store_rebuild(dir, 0, remember, NULL, NULL, &done, &err), &err);
    CHECK(!vml_upload_dead(u));
    CHECK_FAILS(vml_upload_put(u, 0, block, NULL, &err), &err, "store/replaced");
    CHECK(vml_upload_dead(u));
    CHECK_FAILS(vml_upload_finish(u, 8, NULL, NULL, NULL, &err), &err, "store/replaced");
}

/* Several uploads in one process, each by several threads, while another process collects. */
static void test_many(void)
{
    enum { UPLOADS = 6 };
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_upload *u[UPLOADS];
    char spec[UPLOADS][64];
    pid_t gc;
    int status;

    vml_store_free(new_store("many"));
    gc = fork();
    CHECK(gc >= 0);
    CHECK_OK(vml_store_open(&s, dir, 0, &err), &err);
    s->pack_target = 2u << 20;
    if (gc == 0)
        for (;;) {
            collect(s);
            usleep(20000);
        }
    for (int i = 0; i < UPLOADS; i++)
        u[i] = begin(s, 64u << 20, NULL, 600);
    for (int i = 0; i < UPLOADS; i++) {
        snprintf(spec[i], sizeof spec[i], "hole:%dM text:3M data:%dM hole:%dM", i, 4 + i,
                 57 - 2 * i);
        put_all(u[i], spec[i], false);
    }
    for (int i = 0; i < UPLOADS; i++)
        finish(u[i], NULL);
    kill(gc, SIGKILL);
    CHECK(waitpid(gc, &status, 0) == gc && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    collect(s);
    for (int i = 0; i < UPLOADS; i++) {
        check_same(s, vml_upload_snapshot(u[i])->id, spec[i]);
        vml_upload_free(u[i]);
    }
    CHECK_INT(faults_of(s), 0);
}

static void test_encrypted(void)
{
    static const char spec[] = "data:3M hole:9G text:2M",
                      more[] = "data:3M hole:9G text:1M data:1M";
    VML_AUTO(vml_store_freep) struct vml_store *s = new_store("encrypted");
    VML_AUTO(vml_upload_freep) struct vml_upload *u = NULL;
    VML_AUTO(vml_freep) uint8_t *block = malloc(VML_BLOCK);
    const struct vml_key_new new_key = { .owner = mine.owner, .region = mine.region };
    struct vml_snapshot what = mine, got;
    struct vml_key key;
    struct seen seen = { .enough = 1 };
    uint8_t sum[32];
    uint64_t n = linear("data:3M hole:8M text:2M", false, sum);
    char plain[32], child[32];

    vml_store_set_user(s, &(struct vml_key_user){ .account = mine.owner });
    CHECK_OK(vml_key_create(s, &new_key, &key, &err), &err);
    memcpy(what.key, key.id, sizeof what.key);
    import(s, "data:1M", plain);
    CHECK_FAILS(vml_upload_begin(&u, s, 1u << 20, plain, &what, 0, &err), &err, "upload/key");
    what.description = (char *)(uintptr_t) "nobody's business";
    CHECK_OK(vml_upload_begin(&u, s, (UINT64_C(9) << 30) + (5u << 20), NULL, &what, 0, &err), &err);
    put_all(u, spec, false);
    CHECK_OK(vml_upload_finish(u, n, NULL, NULL, NULL, &err), &err);
    check_same(s, vml_upload_snapshot(u)->id, spec);
    CHECK_OK(vml_snapshot_get(s, vml_upload_snapshot(u)->id, &got, &err), &err);
    CHECK_STR(got.key, key.id);
    CHECK_STR(got.description, "");
    CHECK_OK(vml_snapshot_reveal(s, &got, &err), &err);
    CHECK_STR(got.description, "nobody's business");
    vml_snapshot_clear(&got);

    /* what hangs on it is encrypted as it is */
    upload(s, more, vml_upload_snapshot(u)->id, child);
    check_same(s, child, more);
    CHECK_OK(vml_snapshot_get(s, child, &got, &err), &err);
    CHECK_STR(got.key, key.id);
    vml_snapshot_clear(&got);
    CHECK_OK(
        vml_snapshot_diff_blocks(s, vml_upload_snapshot(u)->id, child, 0, see_blocks, &seen, &err),
        &err);
    CHECK_INT(seen.n, 1);
    CHECK_FAILS(vml_snapshot_diff_blocks(s, plain, child, 0, see_blocks, &seen, &err), &err,
                "snapshot/keys");
    vml_upload_freep(&u);

    /* the aggregate is that of what was put, and a key that is gone is missed */
    what.description = NULL;
    CHECK_OK(vml_upload_begin(&u, s, 13u << 20, NULL, &what, 0, &err), &err);
    put_all(u, "data:3M hole:8M text:2M", false);
    CHECK_OK(vml_upload_finish(u, n, sum, NULL, NULL, &err), &err);
    vml_upload_freep(&u);
    CHECK_INT(faults_of(s), 0);
    vml_key_clear(&key);
    CHECK_OK(vml_key_create(s, &new_key, &key, &err), &err);
    memcpy(what.key, key.id, sizeof what.key);
    CHECK_OK(vml_upload_begin(&u, s, 1u << 20, NULL, &what, 0, &err), &err);
    CHECK_OK(vml_key_delete(s, key.id, mine.owner, &err), &err);
    CHECK_FAILS(vml_upload_finish(u, 0, NULL, NULL, NULL, &err), &err, "key/missing");
    vml_key_clear(&key);
}

int main(void)
{
    CHECK(mkdtemp(top) != NULL);
    test_round_trip();
    test_promises();
    test_zeroes();
    test_parent();
    test_reading();
    test_gc();
    test_ends();
    test_lost_pins();
    test_rebuilt();
    test_many();
    test_encrypted();
    shell("rm -rf %s", top);
    return 0;
}
