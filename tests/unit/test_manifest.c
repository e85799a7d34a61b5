/* Manifests in the spellings that are met, and what is no manifest. */
#include "../../formats/manifest.h"
#include "check.h"

#define ABC_SHA1   "a9993e364706816aba3e25717850c26c9cd0d89d"
#define ABC_SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC_SHA512                                                     \
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" \
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"

static const struct {
    const char *text, *file;
    unsigned algorithm;
} good[] = {
    { "SHA256(a.vmdk)= " ABC_SHA256 "\n", "a.vmdk", MANIFEST_SHA256 },
    { "SHA256(a.vmdk)=" ABC_SHA256, "a.vmdk", MANIFEST_SHA256 },
    { "SHA256 (a.vmdk) = " ABC_SHA256 "\r\n", "a.vmdk", MANIFEST_SHA256 },
    { "\xef\xbb\xbfsha256(a.vmdk)= " ABC_SHA256 "\n", "a.vmdk", MANIFEST_SHA256 },
    { "\n \t\r\n  SHA-256(a.vmdk)\t=\t" ABC_SHA256 " \n\n", "a.vmdk", MANIFEST_SHA256 },
    { "SHA256(a.vmdk)= BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD\n",
      "a.vmdk", MANIFEST_SHA256 },
    { "SHA256(./a.vmdk)= " ABC_SHA256 "\n", "a.vmdk", MANIFEST_SHA256 },
    { "SHA256(a (1).vmdk)= " ABC_SHA256 "\n", "a (1).vmdk", MANIFEST_SHA256 },
    { "SHA1(sub/a=b.vmdk)= " ABC_SHA1 "\n", "sub/a=b.vmdk", MANIFEST_SHA1 },
    { "SHA512(a.vmdk)= " ABC_SHA512 "\n", "a.vmdk", MANIFEST_SHA512 },
    { "SHA224(a.vmdk)= 23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7\n", "a.vmdk",
      MANIFEST_SHA224 },
    { "Sha-384 (a.vmdk) "
      "=cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c"
      "825a7",
      "a.vmdk", MANIFEST_SHA384 },
};

static const struct {
    const char *text, *slug, *says;
} bad[] = {
    { "SHA256(a)= " ABC_SHA1 "\n", "manifest/syntax", "line 1" },
    { "\n\nSHA256(a)= xx7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n",
      "manifest/syntax", "line 3" },
    { "SHA256(a)= \x12"
      "a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      "manifest/syntax", "line 1" },
    { "SHA256(a)= " ABC_SHA256 "\nhello\n", "manifest/syntax", "line 2" },
    { "SHA256()= " ABC_SHA256 "\n", "manifest/syntax", "line 1" },
    { "SHA256(a= " ABC_SHA256 "\n", "manifest/syntax", "line 1" },
    { "SHA256)a(= " ABC_SHA256 "\n", "manifest/syntax", "line 1" },
    { "SHA256(a) " ABC_SHA256 "\n", "manifest/syntax", "line 1" },
    { "SHA256(a)=\n", "manifest/syntax", "line 1" },
    { "SHA256(a)= " ABC_SHA256 " " ABC_SHA256 "\n", "manifest/syntax", "line 1" },
    { ABC_SHA256 "  a\n", "manifest/syntax", "line 1" },
    { "(a)= " ABC_SHA256 "\n", "manifest/algorithm", "line 1" },
    { "MD5(a)= 900150983cd24fb0d6963f7d28e17f72\n", "manifest/algorithm", "MD5" },
    { "SHA3-256(a)= " ABC_SHA256 "\n", "manifest/algorithm", "SHA3-256" },
    { "SHA256(a)= " ABC_SHA256 "\nSHA256(b)= " ABC_SHA256 "\nSHA256 (./a) = " ABC_SHA256 "\n",
      "manifest/syntax", "line 3" },
};

static void test_good(void)
{
    struct manifest_sums sums = { 0 };
    struct vml_error err;

    CHECK_OK(manifest_sums_begin(&sums, MANIFEST_ALL, &err), &err);
    manifest_sums_tap(&sums, "a", 1);
    manifest_sums_tap(&sums, "bc", 2);
    manifest_sums_end(&sums);
    CHECK_INT(sums.seen, 3);
    CHECK_INT(sums.done, MANIFEST_ALL);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct manifest m;

        CHECK_OK(manifest_parse(&m, good[i].text, strlen(good[i].text), &err), &err);
        CHECK_INT(m.n, 1);
        CHECK_STR(m.lines[0].file, good[i].file);
        CHECK_INT(m.lines[0].algorithm, good[i].algorithm);
        CHECK(memcmp(m.lines[0].digest, sums.sum[good[i].algorithm],
                     manifest_algorithms[good[i].algorithm].len) == 0);
        CHECK_INT(manifest_wants(&m, good[i].file), 1u << good[i].algorithm);
        CHECK_INT(manifest_wants(&m, "other"), 0);
        manifest_clear(&m);
    }
    manifest_sums_clear(&sums);
}

static void test_bad(void)
{
    static const char nul[] = "SHA1(a\0b)= " ABC_SHA1 "\n";
    struct vml_error err;
    struct manifest m;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_FAILS(manifest_parse(&m, bad[i].text, strlen(bad[i].text), &err), &err, bad[i].slug);
        CHECK(strstr(err.text, bad[i].says) != NULL);
        manifest_clear(&m);
    }
    CHECK_FAILS(manifest_parse(&m, nul, sizeof nul - 1, &err), &err, "manifest/syntax");
    manifest_clear(&m);
    CHECK_OK(manifest_parse(&m, "", 0, &err), &err);
    CHECK_INT(m.n, 0);
    manifest_clear(&m);
}

/* Two algorithms for one file are two lines; a line that was printed is read again. */
static void test_print(void)
{
    static const char two[] = "SHA1(a)= " ABC_SHA1 "\nSHA256(a)= " ABC_SHA256 "\n";
    struct vml_error err;
    struct manifest m;
    char text[512];
    size_t len;

    CHECK_OK(manifest_parse(&m, two, sizeof two - 1, &err), &err);
    CHECK_INT(manifest_wants(&m, "a"), 1u << MANIFEST_SHA1 | 1u << MANIFEST_SHA256);
    len = manifest_print(text, sizeof text, MANIFEST_SHA1, "a", m.lines[0].digest);
    len += manifest_print(text + len, sizeof text - len, MANIFEST_SHA256, "a", m.lines[1].digest);
    CHECK_STR(text, two);
    CHECK_INT(len, sizeof two - 1);
    manifest_clear(&m);
}

int main(void)
{
    test_good();
    test_bad();
    test_print();
    return 0;
}
