#include <errno.h>

#include "check.h"
#include "vmlift/endian.h"

static void sizes(void)
{
    static const struct {
        const char *text;
        uint64_t size;
    } good[] = {
        { "0", 0 },
        { "512", 512 },
        { "64K", 65536 },
        { "64k", 65536 },
        { "1MiB", 1 << 20 },
        { "8G", UINT64_C(8) << 30 },
        { "2TB", UINT64_C(2) << 40 },
        { "100B", 100 },
        { "15E", UINT64_C(15) << 60 },
    };
    static const struct {
        const char *text, *slug;
    } bad[] = {
        { "", "size/syntax" },     { "-1", "size/syntax" },
        { "1.5G", "size/syntax" }, { "12Q", "size/syntax" },
        { "1G1", "size/syntax" },  { " 1", "size/syntax" },
        { "16E", "size/range" },   { "99999999999999999999", "size/range" },
    };
    static const struct {
        uint64_t size;
        const char *text;
    } shown[] = {
        { 0, "0 B" },
        { 1023, "1023 B" },
        { 1024, "1 KiB" },
        { 1536, "1.5 KiB" },
        { UINT64_C(8) << 30, "8 GiB" },
        { UINT64_C(2150) << 30, "2.1 TiB" },
        { (UINT64_C(2) << 40) + (UINT64_C(40) << 30), "2 TiB" },
        { (UINT64_C(1) << 20) - 53, "1023.9 KiB" },
        { (UINT64_C(1) << 20) - 51, "1 MiB" },
        { (UINT64_C(1) << 60) - 1, "1 EiB" },
        { UINT64_MAX, "16 EiB" },
    };
    struct vml_error err;
    char buf[32];
    uint64_t size;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        CHECK_OK(vml_size_parse(&size, good[i].text, &err), &err);
        CHECK_INT(size, good[i].size);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_FAILS(vml_size_parse(&size, bad[i].text, &err), &err, bad[i].slug);
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        CHECK_STR(vml_size_format(buf, shown[i].size), shown[i].text);
}

static void errors(void)
{
    struct vml_error err;
    char longest[2000];

    CHECK_INT(vml_fail(&err, VML_EDATA, "a/b", "grain %d", 7), -1);
    vml_error_prefix(&err, "%s", "x.vmdk");
    CHECK_STR(err.text, "x.vmdk: grain 7");
    CHECK_INT(vml_error_status(&err), 3);
    errno = ENOSPC;
    CHECK_INT(vml_fail_errno(&err, "write at %d", 5), -1);
    CHECK_STR(err.slug, "io/full");
    CHECK_INT(vml_error_status(&err), 7);
    CHECK(strncmp(err.text, "write at 5: ", 12) == 0);
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    vml_error_prefix(&err, "%s", longest);
    CHECK_INT(strlen(err.text), sizeof err.text - 1);
}

static void notes(void)
{
    struct vml_notes n = { 0 };

    for (int i = 0; i < 40; i++)
        vml_note(&n, "a/b", "number %d", i);
    CHECK_INT(n.n, 32);
    CHECK_STR(n.items[31].text, "number 31");
    vml_notes_clear(&n);
    CHECK_INT(n.n, 0);
}

static void fields(void)
{
    uint8_t p[9] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };

    CHECK_INT(le32(p + 1), 0x04030201);
    CHECK_INT(be16(p + 3), 0x0304);
    CHECK_INT(be64(p + 1), 0x0102030405060708);
    put_be32(p + 1, 0xfffefdfc);
    CHECK_INT(p[1], 0xff);
    CHECK_INT(p[4], 0xfc);
}

static void ids(void)
{
    struct vml_error err;
    char a[32], b[32];

    CHECK_OK(vml_new_id(a, "ami-", &err), &err);
    CHECK_OK(vml_new_id(b, "ami-", &err), &err);
    CHECK_INT(strlen(a), 21);
    CHECK_INT(strspn(a + 4, "0123456789abcdef"), 17);
    CHECK(strcmp(a, b) != 0);
}

int main(void)
{
    sizes();
    errors();
    notes();
    fields();
    ids();
    return 0;
}
