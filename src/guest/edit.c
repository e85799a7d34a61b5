/* Lines, words and variables of a configuration file. */
#include "guest/edit.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmlift/base.h"

bool vml_text_line_next(const char **at, struct vml_text_line *line)
{
    line->text = *at;
    line->len = strcspn(*at, "\n");
    line->full = line->len + (line->text[line->len] == '\n');
    *at += line->full;
    return line->full > 0;
}

static size_t blanks(const char *p, const char *end)
{
    size_t n = 0;

    while (p + n < end && (p[n] == ' ' || p[n] == '\t' || p[n] == '\r'))
        n++;
    return n;
}

bool vml_text_line_begins(const struct vml_text_line *line, const char *word)
{
    const char *end = line->text + line->len, *p = line->text + blanks(line->text, end);
    size_t len = strlen(word);

    return (size_t)(end - p) >= len && strncmp(p, word, len) == 0 &&
           (p + len == end || isblank((unsigned char)p[len]));
}

bool vml_word_next(const char **at, const char *end, struct vml_word *word)
{
    const char *p = *at + blanks(*at, end);

    word->text = p;
    while (p < end && !isblank((unsigned char)*p) && *p != '\r' && *p != '\n')
        p++;
    word->len = (size_t)(p - word->text);
    *at = p;
    return word->len > 0;
}

bool vml_word_is(const struct vml_word *word, const char *text)
{
    return strlen(text) == word->len && strncmp(word->text, text, word->len) == 0;
}

bool vml_word_begins(const struct vml_word *word, const char *text)
{
    size_t len = strlen(text);

    return len <= word->len && strncmp(word->text, text, len) == 0;
}

bool vml_word_is_any(const struct vml_word *w, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strlen(*words) == w->len && strncasecmp(*words, w->text, w->len) == 0)
            return true;
    return false;
}

struct vml_word vml_word_trimmed(const char *p, const char *end)
{
    while (p < end && isspace((unsigned char)*p))
        p++;
    while (end > p && isspace((unsigned char)end[-1]))
        end--;
    return (struct vml_word){ p, (size_t)(end - p) };
}

bool vml_text_begin(struct vml_text *t)
{
    t->f = vml_memstream(&t->text, &t->len);
    return t->f != NULL;
}

void vml_text_put(FILE *f, const char *from, const char *to)
{
    fwrite(from, 1, (size_t)(to - from), f);
}

const char *vml_text_gap(const char *text)
{
    return text[0] != '\0' && text[strlen(text) - 1] != '\n' ? "\n" : "";
}

char *vml_text_end(struct vml_text *t)
{
    return fclose(t->f) == 0 ? t->text : NULL;
}

/* --- variables ------------------------------------------------------------------------------ */

bool vml_text_line_variable(const struct vml_text_line *line, const char *name,
                            struct vml_word *value)
{
    const char *end = line->text + line->len, *p = line->text + blanks(line->text, end);
    size_t len = strlen(name);

    if (strncmp(p, "export ", 7) == 0)
        p += 7;
    if ((size_t)(end - p) <= len || strncmp(p, name, len) != 0 || p[len] != '=')
        return false;
    p += len + 1;
    if (p < end && (*p == '"' || *p == '\'')) {
        const char *close = memchr(p + 1, *p, (size_t)(end - p - 1));

        *value = (struct vml_word){ p + 1, (size_t)((close != NULL ? close : end) - p - 1) };
        return close != NULL;
    }
    value->text = p;
    while (p < end && !isblank((unsigned char)*p) && *p != '\r')
        p++;
    value->len = (size_t)(p - value->text);
    return true;
}

char *vml_variable(const char *text, const char *name)
{
    struct vml_word found = { NULL, 0 }, value;
    struct vml_text_line line;

    while (vml_text_line_next(&text, &line))
        if (vml_text_line_variable(&line, name, &value))
            found = value;
    return found.text != NULL ? strndup(found.text, found.len) : NULL;
}

char *vml_edit_variable(const char *text, const char *name, const char *value, bool add)
{
    struct vml_text t;
    const char *at = text;
    struct vml_text_line line;
    struct vml_word old;

    if (!vml_text_begin(&t))
        return NULL;
    while (vml_text_line_next(&at, &line)) {
        if (!vml_text_line_variable(&line, name, &old)) {
            fwrite(line.text, 1, line.full, t.f);
            continue;
        }
        add = false;
        fwrite(line.text, 1, (size_t)(old.text - line.text), t.f);
        bool bare = old.text[-1] == '=' && strpbrk(value, " \t;&|<>()'") != NULL;
        fprintf(t.f, bare ? "\"%s\"" : "%s", value);
        fwrite(old.text + old.len, 1, (size_t)(line.text + line.full - old.text - old.len), t.f);
    }
    if (add)
        fprintf(t.f, "%s%s=%s%s%s\n", vml_text_gap(text), name,
                strchr(value, ' ') != NULL ? "\"" : "", value,
                strchr(value, ' ') != NULL ? "\"" : "");
    return vml_text_end(&t);
}

char *vml_edit_unset(const char *text, const char *name)
{
    struct vml_text t;
    struct vml_text_line line;
    struct vml_word value;

    if (!vml_text_begin(&t))
        return NULL;
    while (vml_text_line_next(&text, &line)) {
        if (vml_text_line_variable(&line, name, &value))
            fputc('#', t.f);
        fwrite(line.text, 1, line.full, t.f);
    }
    return vml_text_end(&t);
}
