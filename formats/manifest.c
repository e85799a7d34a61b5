/* The manifest of a package:
 *
 *     SHA256(vm.ovf)= 3a7bd3e2...
 *     SHA256(vm-disk1.vmdk)= 9f86d081...
 *
 * Written by many hands: `SHA1 (f) = x` is openssl's and macOS's, CRLF Windows's. */
#include "manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct manifest_algorithm manifest_algorithms[MANIFEST_ALGORITHMS] = {
    [MANIFEST_SHA1] = { "sha1", "SHA1", 20 },       [MANIFEST_SHA224] = { "sha224", "SHA224", 28 },
    [MANIFEST_SHA256] = { "sha256", "SHA256", 32 }, [MANIFEST_SHA384] = { "sha384", "SHA384", 48 },
    [MANIFEST_SHA512] = { "sha512", "SHA512", 64 },
};

/* --- reading -------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static int syntax(struct vml_error *err, size_t number, const char *what)
{
    return vml_fail(err, VML_EDATA, "manifest/syntax", "manifest line %zu: %s", number, what);
}

/* "SHA256", also "sha-256". */
static int parse_algorithm(unsigned *algorithm, const char *text, size_t len, size_t number,
                           struct vml_error *err)
{
    char word[16];
    size_t n = 0;

    for (size_t i = 0; i < len && n + 1 < sizeof word; i++)
        if (text[i] != '-')
            word[n++] = text[i];
    word[n] = '\0';
    for (*algorithm = 0; *algorithm < MANIFEST_ALGORITHMS; ++*algorithm)
        if (strcasecmp(word, manifest_algorithms[*algorithm].name) == 0)
            return 0;
    return vml_fail(err, VML_EUNSUPPORTED, "manifest/algorithm",
                    "manifest line %zu: digest '%.*s' is not one of SHA1, SHA224, SHA256, SHA384, "
                    "SHA512",
                    number, (int)(len < 32 ? len : 32), text);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool manifest_parse_hex(uint8_t *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* The name may hold any bracket, so the one that closes it is the last. */
int manifest_parse_form(struct manifest_form *f, const char *p, const char *end, size_t number,
                        struct vml_error *err)
{
    const char *open = memchr(p, '(', (size_t)(end - p)),
               *close = memrchr(p, ')', (size_t)(end - p));
    const char *word_end = open, *value;

    if (open == NULL || close == NULL || close <= open + 1)
        return syntax(err, number, "not of the form SHA256(file)= digest");
    while (word_end > p && is_blank(word_end[-1]))
        word_end--;
    for (value = close + 1; value < end && is_blank(*value);)
        value++;
    if (value == end || *value != '=')
        return syntax(err, number, "not of the form SHA256(file)= digest");
    for (value++; value < end && is_blank(*value);)
        value++;
    if (parse_algorithm(&f->algorithm, p, (size_t)(word_end - p), number, err) < 0)
        return -1;
    for (open++; close - open > 2 && open[0] == '.' && open[1] == '/';)
        open += 2;
    if (memchr(open, '\0', (size_t)(close - open)) != NULL)
        return syntax(err, number, "a NUL byte in the name");
    f->file = open;
    f->file_len = (size_t)(close - open);
    f->value = value;
    f->value_len = (size_t)(end - value);
    return 0;
}

/* Never empty. */
static int parse_line(struct manifest_line *line, const char *p, const char *end,
                      struct vml_error *err)
{
    const struct manifest_algorithm *algorithm;
    struct manifest_form f;

    if (manifest_parse_form(&f, p, end, line->number, err) < 0)
        return -1;
    line->algorithm = f.algorithm;
    algorithm = &manifest_algorithms[f.algorithm];
    if (f.value_len != 2 * algorithm->len)
        return vml_fail(err, VML_EDATA, "manifest/syntax",
                        "manifest line %zu: a digest of %zu hex digits, where %s has %zu",
                        line->number, f.value_len, algorithm->label, 2 * algorithm->len);
    if (!manifest_parse_hex(line->digest, f.value, algorithm->len))
        return syntax(err, line->number, "the digest is not hexadecimal");
    line->file = strndup(f.file, f.file_len);
    return line->file != NULL ? 0 : vml_fail_nomem(err);
}

static int check_repeat(const struct manifest *m, const struct manifest_line *line,
                        struct vml_error *err)
{
    for (const struct manifest_line *l = m->lines; l < line; l++)
        if (l->algorithm == line->algorithm && strcmp(l->file, line->file) == 0)
            return vml_fail(err, VML_EDATA, "manifest/syntax",
                            "manifest line %zu: '%s' is in line %zu already", line->number,
                            line->file, l->number);
    return 0;
}

int manifest_parse(struct manifest *m, const char *text, size_t len, struct vml_error *err)
{
    enum { LINES_MAX = 1280 }; /* five algorithms for each member that an archive may have */
    const char *p = text, *stop = text + len;
    size_t number = 0;

    *m = (struct manifest){ .lines = calloc(LINES_MAX, sizeof *m->lines) };
    if (m->lines == NULL)
        return vml_fail_nomem(err);
    if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        p += 3;
    while (p < stop) {
        const char *nl = memchr(p, '\n', (size_t)(stop - p)), *end = nl != NULL ? nl : stop;
        const char *start = p;
        struct manifest_line *line;

        number++;
        p = nl != NULL ? nl + 1 : stop;
        while (start < end && is_blank(*start))
            start++;
        while (end > start && is_blank(end[-1]))
            end--;
        if (start == end)
            continue;
        if (m->n == LINES_MAX)
            return syntax(err, number, "more lines than a package can have files");
        line = &m->lines[m->n++];
        line->number = number;
        if (parse_line(line, start, end, err) < 0 || check_repeat(m, line, err) < 0)
            return -1;
    }
    return 0;
}

void manifest_clear(struct manifest *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->lines[i].file);
    free(m->lines);
    *m = (struct manifest){ 0 };
}

unsigned manifest_wants(const struct manifest *m, const char *file)
{
    unsigned mask = 0;

    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->lines[i].file, file) == 0)
            mask |= 1u << m->lines[i].algorithm;
    return mask;
}

/* --- writing -------------------------------------------------------------------------------- */

size_t manifest_print(char *out, size_t cap, unsigned algorithm, const char *file,
                      const uint8_t *digest)
{
    char hex[2 * VML_DIGEST_MAX + 1];

    vml_hex(hex, digest, manifest_algorithms[algorithm].len);
    return (size_t)snprintf(out, cap, "%s(%s)= %s\n", manifest_algorithms[algorithm].label, file,
                            hex);
}

/* --- digests on the way --------------------------------------------------------------------- */

void manifest_sums_clear(struct manifest_sums *s)
{
    for (unsigned i = 0; i < MANIFEST_ALGORITHMS; i++)
        vml_digest_freep(&s->digest[i]);
    *s = (struct manifest_sums){ 0 };
}

int manifest_sums_begin(struct manifest_sums *s, unsigned algorithms, struct vml_error *err)
{
    manifest_sums_clear(s);
    for (unsigned i = 0; i < MANIFEST_ALGORITHMS; i++)
        if ((algorithms & 1u << i) != 0 &&
            vml_digest_new(&s->digest[i], manifest_algorithms[i].name, err) < 0)
            return -1;
    return 0;
}

void manifest_sums_tap(void *sums, const void *buf, size_t len)
{
    struct manifest_sums *s = sums;

    for (unsigned i = 0; i < MANIFEST_ALGORITHMS; i++)
        if (s->digest[i] != NULL)
            vml_digest_update(s->digest[i], buf, len);
    s->seen += len;
}

void manifest_sums_end(struct manifest_sums *s)
{
    size_t len;

    for (unsigned i = 0; i < MANIFEST_ALGORITHMS; i++)
        if (s->digest[i] != NULL) {
            vml_digest_final(s->digest[i], s->sum[i], &len);
            vml_digest_freep(&s->digest[i]);
            s->done |= 1u << i;
        }
}
