/* Encrypted snapshots: what is read back, by whom, and what no change can pass off as theirs. */
#include <unistd.h>

#include "fake.h"
#include "store/internal.h"
#include "vmlift/codec.h"
#include "vmlift/copy.h"

#define OWNER  "111111111111"
#define REGION "us-east-1"
#define SPEC   "data:3M hole:9G text:2M zero:1M data:100"

static char dir[] = "/tmp/vmlift-test-encrypted.XXXXXX";
static struct vml_store *s;
static struct vml_error err;

static void use_as(const char *account)
{
    vml_store_set_user(s, &(struct vml_key_user){ .account = account });
}

static void make_key(char id[37])
{
    const struct vml_key_new what = { .owner = OWNER, .region = REGION };
    struct vml_key key;

    CHECK_OK(vml_key_create(s, &what, &key, &err), &err);
    memcpy(id, key.id, sizeof key.id);
    vml_key_clear(&key);
}

/* What is not committed yet can be read in its transaction. */
static void check_pending(struct vml_txn *t, const struct vml_snapshot *what, const char *spec)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *want = fake_open(spec);
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_copy copy = { .threads = 2 };
    uint64_t first;

    CHECK_OK(vml_txn_reader(t, what, &r, &err), &err);
    CHECK_OK(vml_compare(want, r, &copy, &first, &err), &err);
    CHECK_INT(first, VML_SIZE_UNKNOWN);
}

/* key NULL: not encrypted. */
static struct vml_snapshot import(const char *spec, const char *key, unsigned threads)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open(spec);
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct vml_snapshot what = { .owner = OWNER, .region = REGION, .created = 7 };
    struct vml_copy copy = { .threads = threads };

    if (key != NULL)
        memcpy(what.key, key, sizeof what.key);
    what.description = strdup("nobody's business");
    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    CHECK_OK(vml_txn_snapshot(t, r->size, &what, &w, &err), &err);
    CHECK_OK(vml_copy(r, w, &copy, &err), &err);
    vml_writer_freep(&w);
    check_pending(t, &what, spec);
    CHECK_OK(vml_txn_commit(t, NULL, NULL, &err), &err);
    return what;
}

static void check_same(const char *id, const char *spec)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *want = fake_open(spec);
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_copy copy = { .threads = 3 };
    uint64_t first;

    CHECK_OK(vml_snapshot_open(&r, s, id, &err), &err);
    CHECK_OK(vml_compare(want, r, &copy, &first, &err), &err);
    CHECK_INT(first, VML_SIZE_UNKNOWN);
}

static uint64_t blocks(void)
{
    struct vml_store_stats st;

    CHECK_OK(vml_store_stats(s, &st, &err), &err);
    return st.blocks;
}

static char fault[48];

static void remember(void *arg, const struct vml_fault *f)
{
    (void)arg;
    snprintf(fault, sizeof fault, "%s", f->slug);
}

static struct vml_verified verify(void)
{
    struct vml_verified found;

    fault[0] = '\0';
    CHECK_OK(vml_store_verify(s, false, remember, NULL, NULL, &found, &err), &err);
    return found;
}

/* --- there and back ------------------------------------------------------------------------- */

static void test_round_trip(const char *key, const char *other)
{
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot a = import(SPEC, key, 1), b, c, d, got;
    uint64_t n = blocks();
    const char *const name = "nobody's business";

    check_same(a.id, SPEC);
    b = import(SPEC, key, 8);
    CHECK_INT(blocks(), n);
    CHECK(memcmp(a.root, b.root, 32) == 0);
    c = import(SPEC, other, 3);
    CHECK_INT(blocks(), 2 * n);
    CHECK(memcmp(a.root, c.root, 32) != 0);
    d = import(SPEC, NULL, 3);
    CHECK_INT(blocks(), 3 * n);
    check_same(c.id, SPEC);
    check_same(d.id, SPEC);

    CHECK_OK(vml_snapshot_get(s, a.id, &got, &err), &err);
    CHECK_STR(got.key, key);
    CHECK_STR(got.description, "");
    CHECK(memmem(got.sealed, got.sealed_len, name, strlen(name)) == NULL);
    CHECK_OK(vml_snapshot_reveal(s, &got, &err), &err);
    CHECK_STR(got.description, name);
    vml_snapshot_clear(&got);
    CHECK_INT(verify().faults, 0);
    vml_snapshot_clear(&b);
    vml_snapshot_clear(&c);
    vml_snapshot_clear(&d);
}

static void test_denied(const char *key)
{
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot a = import("data:1M", key, 1);
    struct vml_snapshot what = { .owner = OWNER, .region = REGION };
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    struct vml_reader *r = NULL;
    struct vml_writer *w = NULL;
    static const char *const who[] = { NULL, "222222222222" };

    for (size_t i = 0; i < 2; i++) {
        use_as(who[i]);
        CHECK_FAILS(vml_snapshot_open(&r, s, a.id, &err), &err, "key/denied");
        CHECK_INT(err.code, VML_EREFUSED);
    }
    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    memcpy(what.key, key, sizeof what.key);
    CHECK_FAILS(vml_txn_snapshot(t, 1 << 20, &what, &w, &err), &err, "key/denied");
    use_as(OWNER);
    snprintf(what.region, sizeof what.region, "eu-west-1");
    CHECK_FAILS(vml_txn_snapshot(t, 1 << 20, &what, &w, &err), &err, "key/missing");
    CHECK(w == NULL && r == NULL);
}

/* --- frames --------------------------------------------------------------------------------- */

static void check_expand(const uint8_t *frame, size_t len, const struct vml_cipher *c,
                         const char *want)
{
    VML_AUTO(vml_freep) uint8_t *copy = malloc(len);
    VML_AUTO(vml_freep) uint8_t *raw = malloc(VML_FRAME_MAX);
    struct vml_entry e = { .off = VML_PACK_HEADER,
                           .type = frame[4],
                           .codec = frame[5],
                           .raw = VML_BLOCK,
                           .stored = (uint32_t)(len - VML_FRAME_HEADER) };

    CHECK(copy != NULL && raw != NULL && vml_entry_sound(&e));
    memcpy(copy, frame, len);
    memcpy(e.address, frame + 16, 32);
    if (want == NULL)
        CHECK_OK(vml_frame_expand("pack", &e, c, copy, raw, &err), &err);
    else
        CHECK_FAILS(vml_frame_expand("pack", &e, c, copy, raw, &err), &err, want);
}

/* A frame opens as what it was made, under its key, or not at all; vml_frame_expand asks for no
 * XXH3, as if somebody had made that right. */
static void test_frames(const char *key, const char *other)
{
    static const struct {
        const char *spec;
        bool sealed;
    } kinds[] = { { "data", true }, { "text", true }, { "data", false } };
    const struct vml_cipher *c = NULL, *d = NULL;
    VML_AUTO(vml_freep) uint8_t *block = malloc(VML_BLOCK);
    VML_AUTO(vml_freep) uint8_t *frame = malloc(vml_frame_bound(VML_BLOCK));
    uint8_t address[32] = { 1, 2, 3 };
    size_t len;

    CHECK(block != NULL && frame != NULL);
    CHECK_OK(vml_cipher_get(s, key, REGION, &c, &err), &err);
    CHECK_OK(vml_cipher_get(s, other, REGION, &d, &err), &err);
    for (size_t i = 0; i < 3; i++) {
        fake_bytes(kinds[i].spec, 0, VML_BLOCK, block);
        CHECK_OK(vml_frame_make(VML_FRAME_DATA, kinds[i].sealed ? c : NULL, address, block,
                                VML_BLOCK, frame, &len, &err),
                 &err);
        CHECK(len <= vml_frame_bound(VML_BLOCK));
        check_expand(frame, len, kinds[i].sealed ? c : NULL, NULL);
        check_expand(frame, len, d, "store/block-damaged");
        check_expand(frame, len, kinds[i].sealed ? NULL : c, "store/block-damaged");
        if (!kinds[i].sealed)
            continue;
        /* the address, the type, the key, the data key's number, nonce, tag, first and last byte */
        const size_t at[] = { 16, 47, 4, 64, 80, 84, 96, 112, len - 1 };
        for (size_t k = 0; k < sizeof at / sizeof at[0]; k++) {
            if (at[k] == 80)
                continue; /* another number: there is no such data key */
            frame[at[k]] ^= 3;
            check_expand(frame, len, c, "store/block-damaged");
            frame[at[k]] ^= 3;
        }
        frame[80]++;
        check_expand(frame, len, c, "key/rotated");
    }
}

/* --- rows ----------------------------------------------------------------------------------- */

static int put_row(void *arg, struct vml_db *db, struct vml_error *e)
{
    const struct vml_snapshot *a = arg;

    return vml_row_put(db, e, "snapshots", "tittiibittb", a->id, INT64_C(1), a->owner, a->region,
                       (int64_t)a->size, (int64_t)a->data_size, a->root, sizeof a->root, a->created,
                       "", a->key, a->sealed, a->sealed_len);
}

static void put(struct vml_snapshot *a)
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;

    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    CHECK_OK(vml_txn_commit(t, put_row, a, &err), &err);
}

/* Who can write the catalog, sums and records and all, and has no key, cannot give a snapshot
 * another content, size, owner or key. */
static void test_rows(const char *key, const char *other)
{
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot a = import("data:2M", key, 1);
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot b = import("text:2M", key, 1);
    struct vml_snapshot forged;
    struct vml_reader *r = NULL;

    for (unsigned i = 0; i < 5; i++) {
        forged = a;
        if (i == 0)
            memcpy(forged.root, b.root, 32);
        else if (i == 1)
            forged.size += 512;
        else if (i == 2)
            forged.created++;
        else if (i == 3)
            memcpy(forged.key, other, sizeof forged.key);
        else
            forged.sealed = b.sealed, forged.sealed_len = b.sealed_len;
        put(&forged);
        CHECK_FAILS(vml_snapshot_open(&r, s, a.id, &err), &err, "store/record");
        CHECK(strstr(err.text, a.id) != NULL);
        CHECK_INT(verify().faults, 1);
        CHECK_STR(fault, "store/record");
    }
    put(&a);
    CHECK_INT(verify().faults, 0);
    check_same(a.id, "data:2M");
}

/* --- without the key ------------------------------------------------------------------------ */

static void test_no_key(const char *key)
{
    VML_AUTO(vml_snapshot_clear) struct vml_snapshot a = import("data:5M", key, 1);
    VML_AUTO(vml_freep) char *path = NULL;
    VML_AUTO(vml_freep) char *away = NULL;
    struct vml_collected collected;
    struct vml_reader *r = NULL;
    struct vml_verified found;

    CHECK(asprintf(&path, "%s/keys/%s.key", dir, key) > 0);
    CHECK(asprintf(&away, "%s/keys/away", dir) > 0);
    CHECK_OK(vml_store_collect(s, &collected, &err), &err); /* records that were replaced */
    CHECK(rename(path, away) == 0);
    CHECK_FAILS(vml_snapshot_open(&r, s, a.id, &err), &err, "key/missing");
    CHECK_INT(err.code, VML_ENOTFOUND);
    found = verify();
    CHECK_INT(found.faults, 0);
    CHECK(found.ciphertext > 0);
    CHECK_OK(vml_store_collect(s, &collected, &err), &err);
    CHECK_INT(collected.blocks, 0);
    CHECK(rename(away, path) == 0);
    found = verify();
    CHECK_INT(found.faults + found.ciphertext, 0);
    check_same(a.id, "data:5M");
    CHECK_FAILS(vml_key_delete(s, key, OWNER, &err), &err, "key/in-use");
}

int main(void)
{
    char key[37], other[37];

    CHECK(mkdtemp(dir) != NULL);
    CHECK_OK(vml_store_open(&s, dir, true, &err), &err);
    make_key(key);
    make_key(other);
    use_as(OWNER);
    test_round_trip(key, other);
    test_denied(key);
    test_frames(key, other);
    test_rows(key, other);
    test_no_key(key);
    vml_store_free(s);
    CHECK(execlp("rm", "rm", "-rf", dir, (char *)NULL) == 0);
    return 0;
}
