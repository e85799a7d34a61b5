/* A disk of 64 TiB with 1 GiB of data costs its 1 GiB: in bytes, in frames and in memory.  What is
 * counted here is what takes time, so that no clock is asked. */
#include <sys/resource.h>
#include <unistd.h>

#include "fake.h"
#include "store/internal.h"
#include "vmlift/copy.h"

#define DATA   (UINT64_C(1) << 30)
#define MEMORY (128 << 10) /* KiB; a table of the disk's blocks would be 4 GiB */

static const char spec[] = "data:256M hole:20T data:256M hole:20T data:256M hole:24575G data:256M";

static int64_t rows_of(struct vml_store *s, int type)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    struct vml_error err;

    CHECK_OK(vml_db_query(vml_store_db(s), &st, &err, "SELECT count(*) FROM blocks WHERE type = ?",
                          "i", (int64_t)type),
             &err);
    CHECK_INT(vml_stmt_step(st, &err), 1);
    return vml_stmt_int(st, 0);
}

static void import(struct vml_store *s, char id[32])
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open(spec);
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct vml_snapshot what = { .owner = "000000000000", .region = "us-east-1", .created = 7 };
    struct vml_copy copy = { .threads = 2 };
    struct vml_error err;

    CHECK_INT(r->size, VML_DISK_MAX);
    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    CHECK_OK(vml_txn_snapshot(t, r->size, &what, &w, &err), &err);
    CHECK_OK(vml_copy(r, w, &copy, &err), &err);
    CHECK_OK(vml_txn_commit(t, NULL, NULL, &err), &err);
    CHECK_INT(copy.bytes.data, DATA); /* loaded, digested and compressed was nothing else */
    CHECK_INT(copy.bytes.hole, VML_DISK_MAX - DATA);
    CHECK_INT(what.data_size, DATA);
    memcpy(id, what.id, 32);
}

static int count_run(void *arg, uint64_t off, uint64_t len, struct vml_error *err)
{
    uint64_t *n = arg;

    (void)off;
    (void)len;
    (void)err;
    ++*n;
    return 0;
}

int main(void)
{
    char dir[] = "/tmp/vmlift-test-sparse.XXXXXX", command[64], a[32], b[32];
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    struct vml_store_stats st, second;
    struct vml_usage usage;
    struct vml_error err;
    struct rusage used;
    uint64_t runs = 0;

    CHECK(mkdtemp(dir) != NULL);
    CHECK_OK(vml_store_open(&s, dir, VML_STORE_CREATE, &err), &err);
    import(s, a);
    CHECK_OK(vml_store_stats(s, &st, &err), &err);
    CHECK_INT(rows_of(s, VML_FRAME_DATA), DATA / VML_BLOCK);
    CHECK_INT(rows_of(s, VML_FRAME_LEAF), 4);
    CHECK_INT(rows_of(s, VML_FRAME_ROOT), 1);
    CHECK_INT(rows_of(s, VML_FRAME_RECORD), 1);
    CHECK(st.stored > DATA && st.stored - DATA < (1u << 20)); /* tree, record, headers, indexes */

    /* Again: a record. */
    import(s, b);
    CHECK_OK(vml_store_stats(s, &second, &err), &err);
    CHECK(second.stored - st.stored < 1024);

    /* And what walks trees does not walk holes. */
    CHECK_OK(vml_store_usage(s, &usage, NULL, NULL, &err), &err);
    CHECK_INT(usage.unique, DATA);
    CHECK_INT(usage.garbage, 0);
    CHECK_OK(vml_snapshot_diff(s, a, b, count_run, &runs, &err), &err);
    CHECK_INT(runs, 0);
    CHECK(getrusage(RUSAGE_SELF, &used) == 0);
    printf("beside the data %llu bytes; at most %ld MiB of memory\n",
           (unsigned long long)(st.stored - DATA), used.ru_maxrss >> 10);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    CHECK(used.ru_maxrss < MEMORY);
#endif
    vml_store_freep(&s);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? 0 : 1;
}
