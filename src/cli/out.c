#include "out.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmlift/io.h"

/* Decodes the UTF-8 sequence at p (len bytes are there); its length, or 0 when it is none. */
static size_t utf8_decode(const unsigned char *p, size_t len, uint32_t *code)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;

    if (n == 0 || n > len)
        return 0;
    *code = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        *code = *code << 6 | (p[i] & 0x3f);
    }
    if (*code < least[n] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
        return 0;
    return n;
}

/* C0, DEL and C1 drive terminals; the others reorder or break the text around them. */
static bool is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* Memory was missing for a line, or for some JSON: those who end the output tell. */
static atomic_bool line_lost, json_lost;

static void *json_alloc(size_t n)
{
    void *p = malloc(n);

    if (p == NULL)
        atomic_store(&json_lost, true); /* json_object_set_new and its like say it to nobody */
    return p;
}

void out_lost(void)
{
    atomic_store(&line_lost, true);
    atomic_store(&json_lost, true);
}

void out_start(void)
{
    json_set_alloc_funcs(json_alloc, free);
}

#define ESCAPED 8 /* "\u2028" for three bytes, "\xNN" for one; and a NUL */

/* The next character, or byte that is none, as it may be shown; how many bytes it was. */
static size_t escape_one(char out[ESCAPED], const char *text, size_t left)
{
    const unsigned char *p = (const unsigned char *)text;
    uint32_t code = 0;
    size_t n = utf8_decode(p, left, &code);

    if (n > 0 && !is_unsafe(code))
        snprintf(out, ESCAPED, "%.*s", (int)n, text);
    else if (n > 1)
        snprintf(out, ESCAPED, "\\u%04" PRIx32, code);
    else
        snprintf(out, ESCAPED, "\\x%02x", p[0]);
    return n > 1 ? n : 1;
}

/* text with everything unsafe as \xNN or \uNNNN; NULL without memory. */
static char *escape(const char *text)
{
    size_t left = strlen(text);
    char *out = malloc(left * (ESCAPED - 1) + 1), *to = out;

    if (out == NULL)
        return NULL;
    *to = '\0';
    while (left > 0) {
        size_t n = escape_one(to, text, left);

        to += strlen(to);
        text += n;
        left -= n;
    }
    return out;
}

static void print_escaped(FILE *f, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        char shown[ESCAPED];
        size_t n = escape_one(shown, text, left);

        fputs(shown, f);
        text += n;
        left -= n;
    }
}

/* Without memory it says what it has room for, which every error is. */
void out_line(FILE *f, const char *fmt, ...)
{
    VML_AUTO(vml_freep) char *text = NULL;
    char room[1024];
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    va_end(ap);
    if (text == NULL) {
        va_start(ap, fmt);
        if (vsnprintf(room, sizeof room, fmt, ap) >= (int)sizeof room)
            atomic_store(&line_lost, true);
        va_end(ap);
    }
    print_escaped(f, text != NULL ? text : room);
    fputc('\n', f);
}

void out_error(const struct cli *cli, const struct vml_error *err)
{
    struct vml_error ignored = { 0 };

    out_line(stderr, "vmlift: %s [%s]", err->text, err->slug);
    if (cli->json)
        (void)out_json(json_pack("{s:o}", "error", json_error(err)), &ignored);
}

void out_notes(const char *name, const struct vml_notes *notes)
{
    for (size_t i = 0; i < notes->n; i++)
        out_line(stderr, "vmlift: note: %s%s%s [%s]", name != NULL ? name : "",
                 name != NULL ? ": " : "", notes->items[i].text, notes->items[i].slug);
}

void out_done_before(const struct cli *cli, int n)
{
    for (int i = 0; i < n; i++)
        out_line(stderr, "vmlift: note: %s: is done, and stays so [cli/done]", cli->words[i]);
}

const char *out_time(char buf[32], int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL || strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(buf, 32, "%" PRId64, seconds);
    return buf;
}

/* jansson tells of some characters at a time, for each of which a stdio call costs more. */
struct chunk {
    char text[8192];
    size_t len;
};

static int flush_chunk(struct chunk *c)
{
    size_t len = c->len;

    c->len = 0;
    return fwrite(c->text, 1, len, stdout) == len ? 0 : -1;
}

static int dump_some(const char *text, size_t len, void *chunk)
{
    struct chunk *c = chunk;

    if (len > sizeof c->text - c->len && flush_chunk(c) < 0)
        return -1;
    if (len > sizeof c->text)
        return fwrite(text, 1, len, stdout) == len ? 0 : -1;
    memcpy(c->text + c->len, text, len);
    c->len += len;
    return 0;
}

static int dump(json_t *v, size_t flags, struct vml_error *err)
{
    struct chunk c = { .len = 0 };

    if (v == NULL || atomic_load(&json_lost)) {
        json_decref(v);
        return vml_fail_nomem(err);
    }
    /* All ASCII: what would disturb a terminal is then escaped by JSON's own rules. */
    int rc = json_dump_callback(v, dump_some, &c, flags | JSON_ENSURE_ASCII);
    json_decref(v);
    if (rc < 0 || flush_chunk(&c) < 0 || putchar('\n') == EOF)
        return vml_fail_errno(err, "standard output");
    return 0;
}

int out_json(json_t *v, struct vml_error *err)
{
    return dump(v, JSON_INDENT(2), err);
}

int out_json_line(json_t *v, struct vml_error *err)
{
    return dump(v, JSON_COMPACT, err);
}

json_t *json_text(const char *text)
{
    json_t *v = json_string(text);

    if (v == NULL) {
        VML_AUTO(vml_freep) char *safe = escape(text);
        v = safe != NULL ? json_string(safe) : NULL;
    }
    return v;
}

json_t *json_size(uint64_t size)
{
    return size == VML_SIZE_UNKNOWN ? json_null() : json_integer((json_int_t)size);
}

json_t *json_error(const struct vml_error *err)
{
    return json_pack("{s:s, s:i, s:o}", "slug", err->slug, "status", vml_error_status(err),
                     "message", json_text(err->text));
}

void json_add_notes(json_t *array, const struct vml_notes *notes)
{
    for (size_t i = 0; i < notes->n; i++)
        json_array_append_new(array, json_pack("{s:s, s:o}", "slug", notes->items[i].slug, "text",
                                               json_text(notes->items[i].text)));
}

void json_freep(json_t **v)
{
    json_decref(*v);
}

int out_flush(struct vml_error *err)
{
    if (atomic_load(&line_lost))
        return vml_fail_nomem(err);
    if (fflush(stdout) != 0)
        return vml_fail_errno(err, "standard output");
    if (ferror(stdout))
        return vml_fail(err, VML_EIO, "io/error", "standard output: not everything was written");
    return 0;
}
