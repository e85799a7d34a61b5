/* Tars made by GNU tar and Python, and lists of their members as Python sees them. */
#include <stdarg.h>
#include <unistd.h>

#include "check.h"
#include "vmlift/io.h"

static char dir[] = "/tmp/test_archive.XXXXXX";

static int sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int sh(const char *fmt, ...)
{
    char command[8192];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(command, sizeof command, fmt, ap);
    va_end(ap);
    return system(command); /* NOLINT(cert-env33-c): tar and friends, on our own words */
}

static void remove_dir(void)
{
    sh("rm -rf %s", dir);
}

static struct vml_input *open_input(const char *name)
{
    char path[256];
    struct vml_input *in;
    struct vml_error err;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    CHECK_OK(vml_input_open(&in, path, &err), &err);
    return in;
}

/* The whole list, or the failure on the way to it.  *end: of the last member. */
static int list(struct vml_input *in, size_t *n, uint64_t *end, struct vml_error *err)
{
    VML_AUTO(vml_archive_freep) struct vml_archive *a = NULL;
    struct vml_member m;
    bool got = true;

    *n = 0;
    if (vml_archive_open(&a, in, err) < 0)
        return -1;
    for (;; ++*n) {
        if (vml_archive_next(a, &m, &got, err) < 0)
            return -1;
        if (!got)
            return 0;
        *end = vml_round_up(m.off + m.size, 512);
    }
}

/* From a file and as from a pipe. */
static void check_fails(const char *name, const char *slug)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = open_input(name);
    VML_AUTO(vml_input_freep) struct vml_input *stream = NULL;
    struct vml_error err;
    uint64_t end;
    size_t n;

    CHECK_FAILS(list(in, &n, &end, &err), &err, slug);
    CHECK(strchr(err.text, '\n') == NULL || strcmp(slug, "ova/member-name") == 0);
    CHECK_OK(vml_input_stream(&stream, in, NULL, NULL, &err), &err);
    CHECK_FAILS(list(stream, &n, &end, &err), &err, slug);
}

static void read_current(struct vml_archive *a, uint64_t size, uint8_t **out)
{
    struct vml_error err;
    size_t got, used = 0;

    *out = malloc(size + 1);
    do { /* in odd steps */
        CHECK_OK(vml_archive_read(a, *out + used, vml_min_u64(777, size + 1 - used), &got, &err),
                 &err);
        used += got;
    } while (got > 0 && used <= size);
    CHECK_INT(used, size);
}

/* NAME.list has "offset size name" for each file in NAME. */
static void check_list(const char *name, bool contents)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = open_input(name);
    VML_AUTO(vml_input_freep) struct vml_input *stream = NULL;
    VML_AUTO(vml_archive_freep) struct vml_archive *a = NULL;
    VML_AUTO(vml_archive_freep) struct vml_archive *b = NULL;
    struct vml_member m, o;
    struct vml_error err;
    char path[300], line[1024], want[1024];
    size_t n = 0;
    bool got;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s.list", dir, name);
    f = fopen(path, "r");
    CHECK(f != NULL);
    CHECK_OK(vml_archive_open(&a, in, &err), &err);
    CHECK_OK(vml_input_stream(&stream, in, NULL, NULL, &err), &err);
    if (contents)
        CHECK_OK(vml_archive_open(&b, stream, &err), &err);
    for (; fgets(line, sizeof line, f) != NULL; n++) {
        CHECK_OK(vml_archive_next(a, &m, &got, &err), &err);
        CHECK(got);
        snprintf(want, sizeof want, "%" PRIu64 " %" PRIu64 " %s\n", m.off, m.size, m.name);
        CHECK_STR(want, line);
        if (contents) {
            uint8_t *x, *y, *z = malloc(m.size + 1);

            CHECK_OK(vml_archive_next(b, &o, &got, &err), &err);
            CHECK(got);
            CHECK_STR(o.name, m.name);
            CHECK_INT(o.size, m.size);
            CHECK(o.off == VML_SIZE_UNKNOWN);
            if (n % 3 == 2) /* skipped by the next vml_archive_next */
                o.size = 0;
            read_current(a, m.size, &x);
            CHECK_OK(vml_input_pread(in, z, m.size, m.off, &err), &err);
            CHECK(memcmp(x, z, m.size) == 0);
            if (n % 3 != 2) {
                read_current(b, m.size, &y);
                CHECK(memcmp(x, y, m.size) == 0);
                free(y);
            }
            free(x);
            free(z);
        }
    }
    CHECK(n > 0);
    CHECK_OK(vml_archive_next(a, &m, &got, &err), &err);
    CHECK(!got);
    if (contents) {
        CHECK_OK(vml_archive_next(b, &o, &got, &err), &err);
        CHECK(!got);
    }
    fclose(f);
}

static const char lister[] =
    "import sys, tarfile\n"
    "for name in sys.argv[1:]:\n"
    "    with tarfile.open(name, 'r:') as t, open(name + '.list', 'w') as out:\n"
    "        for m in t:\n"
    "            if m.isreg():\n"
    "                n = m.name[2:] if m.name.startswith('./') else m.name\n"
    "                print(m.offset_data, m.size, n, file=out)\n";

/* One odd member each. */
static const char odd_maker[] =
    "import io, tarfile\n"
    "def one(tar, name, type=tarfile.REGTYPE, link='', data=b'hello'):\n"
    "    with tarfile.open(tar, 'w', format=tarfile.GNU_FORMAT) as t:\n"
    "        for n, y in (('vm.ovf', tarfile.REGTYPE), (name, type)):\n"
    "            i = tarfile.TarInfo('x')\n"
    "            i.name, i.type, i.linkname = n, y, link if y != tarfile.REGTYPE else ''\n"
    "            i.size = len(data) if y == tarfile.REGTYPE else 0\n"
    "            t.addfile(i, io.BytesIO(data) if i.size else None)\n"
    "one('symlink', 'disk.vmdk', tarfile.SYMTYPE, '/etc/passwd')\n"
    "one('hardlink', 'disk.vmdk', tarfile.LNKTYPE, 'vm.ovf')\n"
    "one('char', 'disk.vmdk', tarfile.CHRTYPE)\n"
    "one('block', 'disk.vmdk', tarfile.BLKTYPE)\n"
    "one('fifo', 'disk.vmdk', tarfile.FIFOTYPE)\n"
    "one('absolute', '/etc/passwd')\n"
    "one('dotdot', '../disk.vmdk')\n"
    "one('dotdot-inside', 'a/../../disk.vmdk')\n"
    "one('dotdot-end', 'a/..')\n"
    "one('backslash', 'a\\\\disk.vmdk')\n"
    "one('control', 'disk\\x1b[2J.vmdk')\n"
    "one('newline', 'disk\\n.vmdk')\n"
    "one('folder-dotdot', '../', tarfile.DIRTYPE)\n"
    "one('dots-are-fine', '..a/b..c')\n"
    "one('long', 'n' * 250)\n"
    "with tarfile.open('many', 'w') as t:\n"
    "    for i in range(257):\n"
    "        t.addfile(tarfile.TarInfo('f%d' % i))\n"
    "with tarfile.open('most', 'w') as t:\n"
    "    for i in range(256):\n"
    "        t.addfile(tarfile.TarInfo('f%d' % i))\n"
    "for name, format in (('big-gnu', tarfile.GNU_FORMAT), ('big-pax', tarfile.PAX_FORMAT)):\n"
    "    with open(name, 'wb') as f:\n"
    "        for member, size in (('a.ovf', 700), ('big.vmdk', (9 << 30) + 5), ('c.mf', 10)):\n"
    "            i = tarfile.TarInfo(member)\n"
    "            i.size = size\n"
    "            f.write(i.tobuf(format))\n"
    "            f.seek((size + 511) // 512 * 512, 1)\n"
    "        f.truncate(f.tell() + 1024)\n"
    "huge = tarfile.TarInfo('huge.vmdk')\n"
    "huge.size = (1 << 63) - 4096\n"
    "open('huge', 'wb').write(huge.tobuf(tarfile.GNU_FORMAT) + bytes(4096))\n"
    "huge = bytearray(huge.tobuf(tarfile.GNU_FORMAT))\n"
    "huge[124:136] = b'\\xff' * 12\n" /* -1 in base 256 */
    "huge[148:156] = b' ' * 8\n"
    "huge[148:156] = b'%06o\\0 ' % sum(huge)\n"
    "open('negative', 'wb').write(huge + bytes(4096))\n";

static void test_flavours(void)
{
    static const char *const flavours[] = { "v7", "oldgnu", "gnu", "ustar", "posix" };
    char name[32];

    CHECK_INT(sh("cd %s && mkdir -p d/sub && head -c 1300 /dev/urandom >d/vm.ovf && : >d/empty && "
                 "head -c 512 /dev/urandom >d/sub/one-block && head -c 9000 /dev/urandom >'d/a b' "
                 "&& head -c 100000 /dev/urandom >d/disk.vmdk && chmod -R a+rX d",
                 dir),
              0);
    for (size_t i = 0; i < sizeof flavours / sizeof flavours[0]; i++) {
        CHECK_INT(sh("cd %s && tar --format=%s -cf t-%s -C d . && "
                     "tar --format=%s -cf u-%s -C d disk.vmdk 'a b' sub",
                     dir, flavours[i], flavours[i], flavours[i], flavours[i]),
                  0);
        CHECK_INT(sh("cd %s && python3 list.py t-%s u-%s", dir, flavours[i], flavours[i]), 0);
        snprintf(name, sizeof name, "u-%s", flavours[i]);
        check_list(name, true);
        snprintf(name, sizeof name, "t-%s", flavours[i]);
        check_list(name, true);
    }
    /* names longer than ustar has room for, and not ASCII */
    CHECK_INT(sh("cd %s && long=$(printf '%%0200d' 7) && mkdir e && cp d/vm.ovf e/$long && "
                 "cp d/vm.ovf e/d\303\274\342\202\254.ovf && for f in gnu posix; do "
                 "tar --format=$f -cf l-$f -C e $long d\303\274\342\202\254.ovf; done && "
                 "PYTHONUTF8=1 python3 list.py l-gnu l-posix",
                 dir),
              0);
    check_list("l-gnu", true);
    check_list("l-posix", true);
    if (sh("command -v bsdtar >/dev/null") == 0) {
        CHECK_INT(sh("cd %s && bsdtar --format pax -cf b -C d disk.vmdk 'a b' sub && "
                     "python3 list.py b",
                     dir),
                  0);
        check_list("b", true);
    }
}

static void test_odd(void)
{
    static const struct {
        const char *name, *slug;
    } odd[] = {
        { "symlink", "ova/member-type" },       { "hardlink", "ova/member-type" },
        { "char", "ova/member-type" },          { "block", "ova/member-type" },
        { "fifo", "ova/member-type" },          { "absolute", "ova/member-name" },
        { "dotdot", "ova/member-name" },        { "dotdot-inside", "ova/member-name" },
        { "dotdot-end", "ova/member-name" },    { "backslash", "ova/member-name" },
        { "control", "ova/member-name" },       { "newline", "ova/member-name" },
        { "folder-dotdot", "ova/member-name" }, { "many", "ova/layout" },
        { "huge", "input/truncated" },          { "negative", "ova/container" },
    };
    struct vml_error err;
    uint64_t end;
    size_t n;

    CHECK_INT(
        sh("cd %s && python3 odd.py && python3 list.py big-gnu big-pax dots-are-fine long", dir),
        0);
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        check_fails(odd[i].name, odd[i].slug);
    check_list("dots-are-fine", true);
    check_list("long", true);
    check_list("big-gnu", false);
    check_list("big-pax", false);
    VML_AUTO(vml_input_freep) struct vml_input *most = open_input("most");
    CHECK_OK(list(most, &n, &end, &err), &err);
    CHECK_INT(n, 256);

    CHECK_INT(sh("cd %s && truncate -s 1M holes && printf x >>holes && "
                 "tar --format=gnu -Scf sparse-gnu holes && for v in 0.0 0.1 1.0; do "
                 "tar --format=posix -Scf sparse-$v --sparse-version=$v holes; done && "
                 "truncate -s 1M hole && tar --format=gnu -Scf sparse-all hole",
                 dir),
              0);
    check_fails("sparse-gnu", "ova/member-type");
    check_fails("sparse-0.0", "ova/member-type");
    check_fails("sparse-0.1", "ova/member-type");
    check_fails("sparse-1.0", "ova/member-type");
    check_fails("sparse-all", "ova/member-type");

    CHECK_INT(sh("cd %s && gzip -c t-gnu >gz && : >nothing && "
                 "head -c 2048 /dev/zero | tr '\\0' x >text",
                 dir),
              0);
    check_fails("gz", "ova/container");
    check_fails("nothing", "ova/container");
    check_fails("text", "ova/container");
}

/* Cut anywhere: refused, or (at the edge of a member) only those before the cut are listed. */
static void test_cuts(const char *name)
{
    VML_AUTO(vml_input_freep) struct vml_input *in = open_input(name);
    uint64_t size = vml_input_size(in), cut, end, ignored;
    unsigned refused = 0;
    struct vml_error err;
    size_t all, n;

    CHECK_OK(list(in, &all, &end, &err), &err);
    for (cut = 1; cut < size; cut += cut % 512 == 511 || cut % 512 == 0 ? 1 : 255) {
        VML_AUTO(vml_input_freep) struct vml_input *part = NULL, *stream = NULL;
        int rc, rc_stream;

        CHECK_OK(vml_input_window(&part, in, "cut", 0, cut, &err), &err);
        rc = list(part, &n, &ignored, &err);
        CHECK(rc == 0 ? (n == all) == (cut >= end)
                      : strcmp(err.slug, "input/truncated") == 0 ||
                            strcmp(err.slug, "ova/container") == 0);
        CHECK_OK(vml_input_stream(&stream, part, NULL, NULL, &err), &err);
        rc_stream = list(stream, &n, &ignored, &err);
        CHECK_INT(rc_stream, rc);
        refused += rc < 0;
    }
    CHECK(refused > 100);
}

int main(void)
{
    char path[256];
    FILE *f;

    if (sh("command -v python3 >/dev/null") != 0)
        return 77;
    CHECK(mkdtemp(dir) != NULL);
    atexit(remove_dir);
    snprintf(path, sizeof path, "%s/list.py", dir);
    CHECK((f = fopen(path, "w")) != NULL && fputs(lister, f) >= 0 && fclose(f) == 0);
    snprintf(path, sizeof path, "%s/odd.py", dir);
    CHECK((f = fopen(path, "w")) != NULL && fputs(odd_maker, f) >= 0 && fclose(f) == 0);
    test_flavours();
    test_odd();
    test_cuts("u-gnu");
    test_cuts("u-posix");
    return 0;
}
