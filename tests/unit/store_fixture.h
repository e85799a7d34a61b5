/* A store of its own for each test, in a folder of the program's: what the tests of the store
 * share. */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake.h"
#include "store/internal.h"
#include "vmlift/codec.h"
#include "vmlift/copy.h"

static char top[] = "/tmp/vmlift-test-store.XXXXXX";
static char dir[128]; /* of the store under test */

static inline void shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline void shell(const char *fmt, ...)
{
    char command[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(command, sizeof command, fmt, ap);
    va_end(ap);
    CHECK(system(command) == 0);
}

/* A new, empty store called name. */
static inline struct vml_store *new_store(const char *name)
{
    struct vml_store *s = NULL;
    struct vml_error err;

    snprintf(dir, sizeof dir, "%s/%s", top, name);
    CHECK_OK(vml_store_open(&s, dir, true, &err), &err);
    return s;
}

static inline int fill(struct vml_txn *t, const char *spec, unsigned threads,
                       struct vml_snapshot *what, struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = fake_open(spec);
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct vml_copy copy = { .threads = threads };

    *what = (struct vml_snapshot){ .owner = "000000000000", .region = "us-east-1", .created = 7 };
    CHECK_OK(vml_txn_snapshot(t, r->size, what, &w, err), err);
    return vml_copy(r, w, &copy, err);
}

static inline void import(struct vml_store *s, const char *spec, char id[32])
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    struct vml_snapshot what;
    struct vml_error err;

    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    CHECK_OK(fill(t, spec, 4, &what, &err), &err);
    CHECK_OK(vml_txn_commit(t, NULL, NULL, &err), &err);
    memcpy(id, what.id, 32);
}

static inline void check_same(struct vml_store *s, const char *id, const char *spec)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *want = fake_open(spec);
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    struct vml_copy copy = { .threads = 3 };
    struct vml_error err;
    uint64_t first;

    CHECK_OK(vml_snapshot_open(&r, s, id, &err), &err);
    CHECK_INT(r->size, want->size);
    CHECK_OK(vml_compare(want, r, &copy, &first, &err), &err);
    CHECK_INT(first, VML_SIZE_UNKNOWN);
}

/* A change of rows alone. */
static inline void change(struct vml_store *s, vml_txn_also *also, void *arg)
{
    VML_AUTO(vml_txn_freep) struct vml_txn *t = NULL;
    struct vml_error err;

    CHECK_OK(vml_txn_begin(&t, s, &err), &err);
    CHECK_OK(vml_txn_commit(t, also, arg, &err), &err);
}

static inline struct vml_store_stats stats_of(struct vml_store *s)
{
    struct vml_store_stats st;
    struct vml_error err;

    CHECK_OK(vml_store_stats(s, &st, &err), &err);
    return st;
}

/* The last fault that verify told, and all that suffers from any. */
static char fault_slug[48], fault_text[640], suffers[2048];

static inline void remember(void *arg, const struct vml_fault *f)
{
    size_t len = strlen(suffers);

    (void)arg;
    snprintf(fault_slug, sizeof fault_slug, "%s", f->slug);
    snprintf(fault_text, sizeof fault_text, "%s", f->text);
    if (f->object != NULL)
        snprintf(suffers + len, sizeof suffers - len, "%s bytes %llu..%llu\n", f->object,
                 (unsigned long long)f->off, (unsigned long long)(f->off + f->len));
}

static inline bool does_suffer(const char *object, const char *bytes)
{
    char line[128];

    snprintf(line, sizeof line, "%s bytes %s\n", object, bytes);
    return strstr(suffers, line) != NULL;
}

static inline uint64_t faults_found(struct vml_store *s, bool quick)
{
    struct vml_error err;
    struct vml_verified found;

    fault_slug[0] = fault_text[0] = suffers[0] = '\0';
    CHECK_OK(vml_store_verify(s, quick, remember, NULL, NULL, &found, &err), &err);
    CHECK((found.faults == 0) == (fault_slug[0] == '\0'));
    return found.faults;
}

static inline uint64_t faults_of(struct vml_store *s)
{
    return faults_found(s, false);
}

static inline struct vml_collected collect(struct vml_store *s)
{
    struct vml_collected c;
    struct vml_error err;

    CHECK_OK(vml_store_collect(s, &c, &err), &err);
    return c;
}

struct files {
    int n;
    uint64_t bytes, largest;
    char key[VML_KEY]; /* of the largest */
};

static inline int see_file(void *arg, const char *key, uint64_t size, struct vml_error *err)
{
    struct files *f = arg;

    (void)err;
    f->n++;
    f->bytes += size;
    if (size >= f->largest) {
        f->largest = size;
        strcpy(f->key, key);
    }
    return 0;
}

static inline struct files files_of(struct vml_store *s)
{
    struct files f = { 0 };
    struct vml_error err;

    CHECK_OK(vml_objects_list(s->packs, see_file, &f, &err), &err);
    return f;
}

static inline int open_pack(struct vml_store *s)
{
    struct files f = files_of(s);
    char path[256];
    int fd;

    CHECK_INT(f.n, 1);
    snprintf(path, sizeof path, "%s/packs/%.2s/%s.pack", s->dir, f.key, f.key);
    fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static inline void flip(int fd, off_t off, uint8_t bits)
{
    uint8_t byte;

    CHECK(pread(fd, &byte, 1, off) == 1);
    byte ^= bits;
    CHECK(pwrite(fd, &byte, 1, off) == 1);
}

/* Where in its pack a block of this type is: the nth of them. */
static inline off_t offset_of(struct vml_store *s, enum vml_frame_type type, int64_t nth)
{
    VML_AUTO(vml_stmt_freep) struct vml_stmt *st = NULL;
    struct vml_error err;

    CHECK_OK(vml_db_query(s->db, &st, &err,
                          "SELECT off FROM blocks WHERE type = ? ORDER BY off LIMIT 1 OFFSET ?",
                          "ii", (int64_t)type, nth),
             &err);
    CHECK_INT(vml_stmt_step(st, &err), 1);
    return (off_t)vml_stmt_int(st, 0);
}

#endif
