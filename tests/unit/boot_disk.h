/* Disks for the tests of src/guest: made by other people's tools, held in memory. */
#ifndef BOOT_DISK_H
#define BOOT_DISK_H

#include <unistd.h>

#include "check.h"
#include "vmlift/guest.h"

/* A disk in memory, which counts the bytes that are read. */
struct memory {
    struct vml_reader base;
    const uint8_t *bytes; /* NULL: zeroes */
    uint64_t read;
    bool broken;
};

static inline int memory_extent(struct vml_reader *base, uint64_t off, struct vml_extent *x,
                                struct vml_error *err)
{
    (void)err;
    *x = (struct vml_extent){ .off = off, .len = base->size - off, .kind = VML_DATA };
    return 0;
}

static inline int memory_load(struct vml_reader *base, const struct vml_extent *x, uint64_t off,
                              size_t len, void *buf, struct vml_error *err)
{
    struct memory *m = (struct memory *)base;

    (void)x;
    if (m->broken)
        return vml_fail(err, VML_EIO, "io/error", "broken");
    m->read += len;
    if (m->bytes == NULL)
        memset(buf, 0, len);
    else
        memcpy(buf, m->bytes + off, len);
    return 0;
}

static const struct vml_reader_ops memory_ops = { .extent = memory_extent, .load = memory_load };

static inline struct memory disk(const uint8_t *bytes, uint64_t size)
{
    return (struct memory){
        .base = { .ops = &memory_ops, .size = size, .unit = 512, .can_seek = true },
        .bytes = bytes,
    };
}

/* To be cleared. */
static inline struct vml_boot boot_of(const uint8_t *bytes, uint64_t size)
{
    struct memory m = disk(bytes, size);
    struct vml_boot b;
    struct vml_error err = { 0 };

    CHECK_OK(vml_boot_read(&m.base, &b, &err), &err);
    CHECK(m.read <= VML_BOOT_LIMIT);
    CHECK_INT(m.read, b.read);
    CHECK(strlen(b.reason) > 0 && strchr(b.reason, '\n') == NULL);
    return b;
}

static char image[80]; /* the file that the tools write */

static inline bool have(const char *program)
{
    char command[128];

    snprintf(command, sizeof command, "PATH=$PATH:/usr/sbin:/sbin command -v %s >/dev/null",
             program);
    return system(command) == 0;
}

/* Ends the program as skipped where one of them (NULL ends the list) is missing. */
static inline void need(const char *const *programs)
{
    for (; *programs != NULL; programs++)
        if (!have(*programs)) {
            fprintf(stderr, "skipped: %s is not installed\n", *programs);
            exit(77);
        }
}

/* image names a new file from now on, and is to be removed at the end. */
static inline void image_begin(const char *name)
{
    const char *tmp = getenv("TMPDIR");
    int fd;

    snprintf(image, sizeof image, "%.40s/%s.XXXXXX", tmp != NULL ? tmp : "/tmp", name);
    fd = mkstemp(image);
    CHECK(fd >= 0);
    close(fd);
}

/* The bytes of a disk of `size` after `command`, in which $F is the disk's file, and at $G another.
 */
static inline uint8_t *made_by(const char *command, uint64_t size)
{
    char line[4096];
    uint8_t *bytes = malloc(size);
    FILE *f;

    CHECK(bytes != NULL);
    snprintf(line, sizeof line,
             "F=%s; G=$F.g; B=/usr/lib/SYSLINUX; PATH=$PATH:/usr/sbin:/sbin; export "
             "MTOOLS_SKIP_CHECK=1; "
             "rm -rf $F $G; truncate -s %llu $F && { %s\n} >/dev/null; s=$?; rm -rf $G; exit $s",
             image, (unsigned long long)size, command);
    if (system(line) != 0) {
        fprintf(stderr, "failed: %s\n", line);
        abort();
    }
    f = fopen(image, "rb");
    CHECK(f != NULL);
    CHECK_INT(fread(bytes, 1, size, f), size);
    fclose(f);
    return bytes;
}

static inline bool has_note(const struct vml_boot *b, const char *slug)
{
    for (size_t i = 0; i < b->notes.n; i++)
        if (strcmp(b->notes.items[i].slug, slug) == 0)
            return true;
    return false;
}

/* The smallest program for UEFI there can be, as text for printf: machine is two bytes. */
#define PE(machine) "MZ%58s\\100\\0\\0\\0PE\\0\\0" machine "\\0\\0%112s"
#define PE_X64      "\\144\\206"
#define PE_ARM      "\\144\\252"

#endif
