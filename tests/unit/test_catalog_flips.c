/* Single flipped bits in a catalog: each is told by the check, or opening refuses it, or every row
 * reads as before (it hit free space, or a figure that nobody needs).  None gives other rows.
 *     test_catalog_flips [STRIDE]    1: every bit; without it some thousands, evenly spread */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "store/internal.h"

#define STRIDE 499 /* a prime: all bits of a byte, all places of a page */

static char dir[] = "/tmp/vmlift-test-flips.XXXXXX";
static char path[64];

/* --- a small catalog with rows in every table ----------------------------------------------- */

static int fill(void *arg, struct vml_db *db, struct vml_error *err)
{
    (void)arg;
    for (int64_t i = 1; i <= 12; i++) {
        char id[32], name[32], snapshot[32];
        uint8_t root[32] = { (uint8_t)i };

        snprintf(id, sizeof id, "ami-%017x", (unsigned)i);
        snprintf(snapshot, sizeof snapshot, "snap-%017x", (unsigned)i);
        snprintf(name, sizeof name, "machine number %d", (int)i);
        CHECK_OK(vml_row_insert(db, err, "snapshots", "tittiibittb", snapshot, i, "123456789012",
                                "us-east-1", i << 30, i << 20, root, sizeof root, 1700000000 + i,
                                "created by a test", "", "", (size_t)0),
                 err);
        CHECK_OK(vml_row_insert(db, err, "images", "titttttttttttttttittttttiiiti", id, i, name,
                                "a description", "123456789012", "us-east-1", "x86_64", "hvm",
                                "uefi", "/dev/sda1", "ebs", "", "", "", "", "", "v2.0", INT64_C(1),
                                i % 3 == 0 ? "deregistered" : "available", "", "web.ova", "ova", "",
                                "", INT64_C(0), 1700000000 + i, INT64_C(0), "", INT64_C(0)),
                 err);
        CHECK_OK(vml_row_insert(db, err, "mappings", "tittitiiiiti", id, INT64_C(0), "/dev/sda1",
                                snapshot, i, "gp3", INT64_C(3000), INT64_C(125), INT64_C(1),
                                INT64_C(0), "", INT64_C(0)),
                 err);
        CHECK_OK(vml_row_insert(db, err, "tags", "ttt", id, "Name", name), err);
        CHECK_OK(vml_row_insert(db, err, "grants", "ttt", id, "launch", "210987654321"), err);
        CHECK_OK(vml_row_insert(db, err, "codes", "ttt", id, "billing", "bp-1234abcd"), err);
        CHECK_OK(vml_row_insert(db, err, "history", "tiittt", id, INT64_C(0), 1700000000 + i,
                                "123456789012", "import", "web.ova"),
                 err);
    }
    return 0;
}

static int delete_some(void *arg, struct vml_db *db, struct vml_error *err)
{
    (void)arg;
    return vml_row_delete(db, NULL, err, "tags", "resource > ?", "t", "ami-00000000000000009");
}

static void commit(struct vml_store *s, vml_txn_also *also)
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    struct vml_error err;

    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    CHECK_OK(vml_txn_commit(t, also, NULL, &err), &err);
}

static void make_catalog(void)
{
    VML_AUTO(vml_store_freep) struct vml_store *s = NULL;
    char store[64];
    struct vml_error err;

    snprintf(store, sizeof store, "%s/store", dir);
    snprintf(path, sizeof path, "%s/catalog.db", store);
    CHECK_OK(vml_store_open(&s, store, true, &err), &err);
    commit(s, fill);
    commit(s, delete_some); /* some free space */
}

/* --- reading all of it ---------------------------------------------------------------------- */

/* A digest of all rows, each of them checked; -1: one could not be read. */
static int read_all(struct vml_db *db, char *out, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < vml_n_tables; i++) {
        const struct vml_sql_table *t = &vml_tables[i];
        VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
        struct vml_error err;
        char sql[64];
        int rc;

        snprintf(sql, sizeof sql, "SELECT * FROM %s", t->name);
        if (vml_db_query(db, &st, &err, sql, "") < 0)
            return -1;
        while ((rc = vml_stmt_step(st, &err)) == 1) {
            if (vml_row_check(st, 0, t->name, &err) < 0)
                return -1;
            for (size_t k = 0; t->types[k] != '\0'; k++) {
                struct vml_value v = vml_row_value(st, 0, k);

                CHECK(len + 2 * v.len + 32 < size);
                len += (size_t)snprintf(out + len, size - len, "%c%lld:", v.type, (long long)v.i);
                for (size_t b = 0; b < v.len; b++)
                    len +=
                        (size_t)snprintf(out + len, size - len, "%02x", ((const uint8_t *)v.p)[b]);
            }
            len += (size_t)snprintf(out + len, size - len, "\n");
        }
        if (rc < 0)
            return -1;
    }
    return 0;
}

static void count_fault(void *arg, const struct vml_error *fault)
{
    (void)fault;
    ++*(int *)arg;
}

enum verdict { REFUSED, TOLD, HARMLESS, N_VERDICTS };
static char before[1 << 17], after[1 << 17];

static enum verdict judge(off_t bit)
{
    VML_AUTO(vml_db_freep) struct vml_db *db = NULL;
    struct vml_error err;
    int faults = 0, rc;

    if (vml_db_open(&db, path, false, &err) < 0)
        return REFUSED;
    if (vml_catalog_check(db, count_fault, &faults, &err) < 0) {
        fprintf(stderr, "bit %lld: the check failed: %s\n", (long long)bit, err.text);
        abort();
    }
    rc = read_all(db, after, sizeof after);
    if (faults > 0)
        return TOLD;
    if (rc < 0 || strcmp(before, after) != 0) {
        fprintf(stderr, "bit %lld: not told, and the rows are %s\n", (long long)bit,
                rc < 0 ? "unreadable" : "others");
        abort();
    }
    return HARMLESS;
}

static void flip(int fd, off_t bit)
{
    uint8_t byte;

    CHECK(pread(fd, &byte, 1, bit / 8) == 1);
    byte ^= (uint8_t)(1 << bit % 8);
    CHECK(pwrite(fd, &byte, 1, bit / 8) == 1);
}

int main(int argc, char **argv)
{
    VML_AUTO(vml_close_fdp) int fd = -1;
    off_t stride = argc > 1 ? strtol(argv[1], NULL, 10) : STRIDE, tried = 0;
    long verdicts[N_VERDICTS] = { 0 };
    char command[64];
    struct stat st;

    CHECK(stride > 0 && mkdtemp(dir) != NULL);
    make_catalog();
    {
        VML_AUTO(vml_db_freep) struct vml_db *db = NULL;
        struct vml_error err;

        CHECK_OK(vml_db_open(&db, path, false, &err), &err);
        CHECK_INT(read_all(db, before, sizeof before), 0);
        CHECK(strlen(before) > 4096);
    }
    CHECK_INT(judge(0), HARMLESS);
    fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    for (off_t bit = 0; bit < st.st_size * 8; bit += stride, tried++) {
        flip(fd, bit);
        verdicts[judge(bit)]++;
        flip(fd, bit);
    }
    CHECK_INT(judge(0), HARMLESS);
    printf("%lld of %lld bits: %ld refused, %ld told, %ld harmless, none silent\n",
           (long long)tried, (long long)st.st_size * 8, verdicts[REFUSED], verdicts[TOLD],
           verdicts[HARMLESS]);
    CHECK(verdicts[TOLD] > 0 && verdicts[HARMLESS] > 0);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK(system(command) == 0);
    return 0;
}
