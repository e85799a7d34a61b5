/* How large parts are.  What goes over the wire is for cli/86, for which
 * `test_s3 BUCKET KEY FILE` uploads a raw disk as a VMDK, and `test_s3 BUCKET KEY` deletes it. */
#include <signal.h>

#include "aws/s3.h"
#include "check.h"
#include "vmlift/copy.h"

extern char **environ;

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

static void part_sizes(void)
{
    static const uint64_t most[] = {
        0,   1,       5 * MIB, 10000 * S3_PART_MIN, 10000 * S3_PART_MIN + 1, 100 * GIB,
        TIB, 5 * TIB, 17 * TIB
    };

    for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
        uint64_t sum = 0, last = 0;
        for (unsigned n = 1; n <= S3_PARTS_MAX; n++) {
            uint64_t size = s3_part_size(most[i], n);
            CHECK(size >= last && size >= S3_PART_MIN && size <= S3_PART_MAX && size % MIB == 0);
            sum += last = size;
        }
        CHECK(sum >= most[i]);
        /* no more than twice as large as they had to be if all were alike */
        CHECK(last <= 2 * (vml_max_u64(most[i] / S3_PARTS_MAX, S3_PART_MIN) + MIB));
    }
    CHECK_INT(s3_part_size(64 * GIB, S3_PARTS_MAX), S3_PART_MIN);
    /* what is sparse begins with small parts, however large it may become */
    CHECK(s3_part_size(TIB, 1) <= S3_PART_MIN + MIB);
}

static void on_signal(int signal)
{
    (void)signal;
    vml_interrupt();
}

static int upload(const struct s3_object *o, const char *file, struct vml_error *err)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *r = NULL;
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct vml_input *in = NULL;
    struct vml_copy copy = { .threads = 4 };
    char version[128];

    if (vml_input_open(&in, file, err) < 0 || vml_image_open(&r, vml_formats, in, "raw", err) < 0)
        return -1;
    const struct s3_disk disk = { &vml_format_vmdk, "streamOptimized", NULL, r->size };
    return s3_writer(&w, o, &disk, version, err) < 0 ? -1 : vml_copy(r, w, &copy, err);
}

int main(int argc, char **argv)
{
    VML_AUTO(vml_aws_freep) struct vml_aws *aws = NULL;
    struct vml_error err;

    if (argc < 3) {
        part_sizes();
        return 0;
    }
    const struct sigaction act = { .sa_handler = on_signal };
    CHECK(sigaction(SIGINT, &act, NULL) == 0);
    vml_set_clock(0);
    const struct vml_aws_config config = { .env = environ, .attempts = 3 };
    int rc = vml_aws_open(&aws, &config, &err);
    const struct s3_object o = { aws, argv[1], argv[2] };
    if (rc == 0)
        rc = s3_check_bucket(aws, o.bucket, &err);
    if (rc == 0)
        rc = argc > 3 ? upload(&o, argv[3], &err) : s3_delete(&o, "", &err);
    if (rc < 0)
        fprintf(stderr, "%s [%s]\n", err.text, err.slug);
    return rc < 0;
}
