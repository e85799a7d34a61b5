/* Compressed inputs: how much may come out, who owns what, and a last byte that is missing. */
#include <unistd.h>

#include "check.h"
#include "vmlift/io.h"

static char dir[] = "/tmp/vmlift-decompress.XXXXXX";

static int sh(const char *command)
{
    char line[512];

    snprintf(line, sizeof line, "cd %s && %s", dir, command);
    return system(line);
}

static struct vml_input *open_file(const char *name)
{
    struct vml_input *in;
    struct vml_error err;
    char path[128];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    CHECK_OK(vml_input_open(&in, path, &err), &err);
    return in;
}

/* How many bytes come out. */
static int count(const char *name, uint64_t limit, uint64_t *n, struct vml_error *err)
{
    VML_AUTO(vml_input_freep) struct vml_input *of = open_file(name);
    VML_AUTO(vml_input_freep) struct vml_input *in = NULL;
    char buf[4099];
    size_t got = 1;

    if (vml_input_decompress(&in, of, 77, limit, err) < 0)
        return -1;
    of = NULL;
    CHECK(!vml_input_can_seek(in));
    CHECK_INT(vml_input_size(in), 77);
    for (*n = 0; got > 0; *n += got)
        if (vml_input_read(in, buf, sizeof buf, &got, err) < 0)
            return -1;
    return 0;
}

static void kinds(const char *program)
{
    char line[200];
    struct vml_error err = { 0 };
    uint64_t n;

    snprintf(line, sizeof line,
             "head -c 3000001 /dev/zero | %s -c >z 2>/dev/null && head -c -1 z >cut", program);
    if (sh(line) != 0) {
        printf("%s is not installed: not asked\n", program);
        return;
    }
    CHECK_OK(count("z", 3000001, &n, &err), &err);
    CHECK_INT(n, 3000001);
    CHECK_FAILS(count("z", 3000000, &n, &err), &err, "input/bomb");
    CHECK_FAILS(count("cut", VML_SIZE_UNKNOWN, &n, &err), &err, "input/truncated");
}

static void plain(void)
{
    VML_AUTO(vml_input_freep) struct vml_input *of = NULL;
    struct vml_input *in;
    struct vml_error err = { 0 };
    const char *kind = "";

    CHECK_INT(sh("echo BZh9 is how a text may begin >text; : >empty"), 0);
    of = open_file("text");
    CHECK_OK(vml_input_compression(of, &kind, &err), &err);
    CHECK(kind == NULL);
    CHECK_FAILS(vml_input_decompress(&in, of, 0, 0, &err), &err, "input/damaged");
    vml_input_free(of);
    of = open_file("empty");
    CHECK_OK(vml_input_compression(of, &kind, &err), &err);
    CHECK(kind == NULL);
}

int main(void)
{
    CHECK(mkdtemp(dir) != NULL);
    kinds("gzip");
    kinds("xz");
    kinds("zstd");
    kinds("bzip2");
    plain();
    CHECK_INT(sh("rm -f z cut text empty"), 0);
    CHECK_INT(rmdir(dir), 0);
    return 0;
}
