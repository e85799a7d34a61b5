/* Limits of the VMDK writers that no disk of a sensible size meets. */
#include <sys/stat.h>
#include <unistd.h>

#include "../../formats/vmdk.h"
#include "check.h"

static char folder[] = "/tmp/vmlift-vmdk.XXXXXX";
static struct vml_error err;

/* A sector number has 32 bits: a file that is full up to there takes no further grain. */
static void two_tib(void)
{
    static struct vmdk_sparse s;
    static const uint8_t map[] = { 1 };
    static uint8_t grain[VMDK_GRAIN] = { 1 };
    const uint64_t last = (UINT64_C(1) << 41) - 2 * (uint64_t)VMDK_GRAIN;
    struct vml_output *o;
    struct stat st;

    CHECK_OK(vml_output_create(&o, "sparse", 0, &err), &err);
    CHECK_OK(vmdk_sparse_begin(&s, o, UINT64_C(2) << 40, NULL, &err), &err);
    s.end = last; /* as if all in front of it were grains */
    CHECK_OK(vmdk_sparse_put(&s, 0, grain, sizeof grain, map, &err), &err);
    CHECK_INT(s.end, last + VMDK_GRAIN);
    CHECK_FAILS(vmdk_sparse_put(&s, VMDK_GRAIN, grain, sizeof grain, map, &err), &err,
                "vmdk/too-large");
    CHECK_INT(s.end, last + VMDK_GRAIN);
    CHECK_OK(vmdk_sparse_end(&s, &err), &err);
    CHECK_OK(vml_output_commit(o, &err), &err);
    vml_output_free(o);
    CHECK(stat("sparse", &st) == 0 && (uint64_t)st.st_size == last + VMDK_GRAIN);
    CHECK(unlink("sparse") == 0);
}

static int create(const char *path, uint64_t size, const char *subformat)
{
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct vml_output *o;

    CHECK_OK(vml_output_create(&o, path, 0, &err), &err);
    return vml_image_create(&w, &vml_format_vmdk, o, size, subformat, NULL, &err);
}

static void names(void)
{
    static const char *const flat[] = { "a\"b.vmdk", "a\nb",     "a\\b",
                                        "50%.vmdk",  "C:a.vmdk", "a\x7f.vmdk",
                                        "\xe4.vmdk", "a\xc3",    "\xf5\x80\x80\x80" };
    static const char *const sparse[] = { "a\"b.vmdk", "a\nb", "\xe4.vmdk" };
    char longest[256];

    for (size_t i = 0; i < sizeof flat / sizeof flat[0]; i++) {
        CHECK_FAILS(create(flat[i], 1 << 20, "monolithicFlat"), &err, "vmdk/name");
        CHECK_FAILS(create(flat[i], 1 << 20, "twoGbMaxExtentSparse"), &err, "vmdk/name");
    }
    for (size_t i = 0; i < sizeof sparse / sizeof sparse[0]; i++)
        CHECK_FAILS(create(sparse[i], 1 << 20, "monolithicSparse"), &err, "vmdk/name");
    CHECK_OK(create("C:a \xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xbe.vmdk", 1 << 20, "monolithicSparse"),
             &err);
    CHECK_OK(create("\xc3\xa4 b\xf0\x9f\x92\xbe", 1 << 20, "monolithicFlat"), &err);
    memset(longest, 'x', 255);
    longest[255] = '\0';
    CHECK_OK(create(longest, 1 << 20, "monolithicSparse"), &err);
    /* "-flat.vmdk" is too much: known now, not after the copy */
    CHECK(create(longest, 1 << 20, "monolithicFlat") < 0);
    CHECK_STR(err.slug, "io/error");
}

/* As many files as a descriptor that is read again can name, and one more. */
static void many(void)
{
    char name[200];

    CHECK_FAILS(create("d", VMDK_PIECES_MAX * VMDK_SPLIT + 1, "twoGbMaxExtentFlat"), &err,
                "image/too-large");
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    CHECK_FAILS(create(name, 400 * VMDK_SPLIT, "twoGbMaxExtentFlat"), &err, "vmdk/desc-size");
    CHECK_OK(create(name, 250 * VMDK_SPLIT, "twoGbMaxExtentFlat"), &err);
}

int main(void)
{
    CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
    two_tib();
    names();
    many();
    CHECK(chdir("/") == 0 && rmdir(folder) == 0);
    return 0;
}
