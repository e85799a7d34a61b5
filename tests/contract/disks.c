#include "disks.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

char folder[] = "/tmp/vmlift-contract.XXXXXX";
const char *now = ""; /* what is being tested, for messages */

char *path_of(char buf[200], const char *name)
{
    snprintf(buf, 200, "%s/%s", folder, name);
    return buf;
}

char *disk_in(char buf[200], const char *name)
{
    CHECK(mkdir(path_of(buf, name), 0700) == 0);
    return strcat(buf, "/disk");
}

void remove_disk(const char *path, size_t files)
{
    char dir[300], file[600];
    struct dirent *e;
    size_t n = 0;
    DIR *d;

    snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(path, '/') - path), path);
    d = opendir(dir);
    CHECK(d != NULL);
    while ((e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(file, sizeof file, "%s/%s", dir, e->d_name);
        CHECK(unlink(file) == 0);
        n++;
    }
    closedir(d);
    CHECK(files == 0 ? n > 0 : n == files);
    CHECK(rmdir(dir) == 0);
}

void expect_nothing(const char *path)
{
    char dir[300];

    snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(path, '/') - path), path);
    if (rmdir(dir) < 0) {
        fprintf(stderr, "%s: something was left behind in %s\n", now, dir);
        abort();
    }
}

int write_disk(const struct vml_format *f, const char *sub, struct vml_reader *r, const char *path,
               unsigned threads, struct vml_error *err)
{
    VML_AUTO(vml_writer_freep) struct vml_writer *w = NULL;
    struct vml_copy c = { .threads = threads };
    struct vml_output *o;

    if (vml_output_create(&o, path, 0, err) < 0 ||
        vml_image_create(&w, f, o, r->size, sub, NULL, err) < 0)
        return -1;
    return vml_copy(r, w, &c, err);
}

int open_disk(struct vml_reader **out, const char *path, const char *format, struct vml_error *err)
{
    struct vml_input *in;

    if (vml_input_open(&in, path, err) < 0)
        return -1;
    return vml_image_open(out, vml_formats, in, format, err);
}

void same_disk(struct vml_reader *a, struct vml_reader *b)
{
    struct vml_copy c = { .threads = 2 };
    struct vml_error err;
    uint64_t first;

    CHECK_OK(vml_compare(a, b, &c, &first, &err), &err);
    CHECK_INT(first, VML_SIZE_UNKNOWN);
    CHECK_OK(vml_compare(b, a, &c, &first, &err), &err);
    CHECK_INT(first, VML_SIZE_UNKNOWN);
}

static void same_file(const char *a, const char *b)
{
    VML_AUTO(vml_reader_freep) struct vml_reader *one = NULL;
    VML_AUTO(vml_reader_freep) struct vml_reader *two = NULL;
    struct vml_error err;
    struct stat st[2];

    CHECK(stat(a, &st[0]) == 0 && stat(b, &st[1]) == 0 && st[0].st_size == st[1].st_size);
    CHECK_OK(open_disk(&one, a, "raw", &err), &err);
    CHECK_OK(open_disk(&two, b, "raw", &err), &err);
    same_disk(one, two); /* not diff, which reads all holes */
}

void same_files(const char *a, const char *b)
{
    char dir[200], one[500], two[500];
    struct dirent *e;
    size_t n = 0;
    DIR *d;

    snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(a, '/') - a), a);
    d = opendir(dir);
    CHECK(d != NULL);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(one, sizeof one, "%s/%s", dir, e->d_name);
        snprintf(two, sizeof two, "%.*s/%s", (int)(strrchr(b, '/') - b), b, e->d_name);
        same_file(one, two);
        n++;
    }
    closedir(d);
    remove_disk(a, n);
    remove_disk(b, n);
}
