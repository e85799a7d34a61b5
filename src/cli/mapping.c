#include "mapping.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 64

/* The next word between colons, without its colon; false when there is none. */
static bool next_word(const char **rest, char word[WORD_MAX])
{
    const char *at = *rest;

    if (at == NULL)
        return false;
    size_t len = strcspn(at, ":");
    snprintf(word, WORD_MAX, "%.*s", (int)len, at);
    *rest = at[len] == ':' ? at + len + 1 : NULL;
    return true;
}

static int read_number(uint64_t *out, const char *word, const char *what, const char *text,
                       struct vml_error *err)
{
    size_t len = strlen(word);

    if (len == 0)
        return 0;
    if (len > 9 || strspn(word, "0123456789") != len)
        return vml_fail(err, VML_EUSAGE, "usage/mapping", "--mapping: %s: %s %s is not a number",
                        text, what, word);
    *out = strtoull(word, NULL, 10);
    return 0;
}

static int read_delete(bool *out, const char *word, const char *text, struct vml_error *err)
{
    if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
        *out = word[0] == 't';
    else if (word[0] != '\0')
        return vml_fail(err, VML_EUSAGE, "usage/mapping",
                        "--mapping: %s: delete on termination is true or false, not %s", text,
                        word);
    return 0;
}

/* What follows the type. */
static int read_rest(struct vml_mapping *m, const char *rest, const char *text,
                     struct vml_error *err)
{
    uint64_t *numbers[] = { &m->iops, &m->throughput };
    static const char *const names[] = { "IOPS", "throughput" };
    char word[WORD_MAX];

    for (size_t i = 0; next_word(&rest, word); i++) {
        if (strcmp(word, "encrypted") == 0 && rest == NULL)
            m->encrypted = true;
        else if (i < 2) {
            if (read_number(numbers[i], word, names[i], text, err) < 0)
                return -1;
        } else if (word[0] != '\0' || rest != NULL)
            return vml_fail(err, VML_EUSAGE, "usage/mapping",
                            "--mapping: %s: %s is too much: a volume is "
                            "[SNAPSHOT]:[SIZE]:[DELETE]:[TYPE[:IOPS[:THROUGHPUT]]]:[encrypted]",
                            text, word);
    }
    return 0;
}

static int read_volume(struct vml_mapping *m, const char *what, const char *text,
                       struct vml_error *err)
{
    const char *rest = what;
    char word[WORD_MAX];

    if (next_word(&rest, word) && VML_SET(m->snapshot, "Snapshot ID", word, err) < 0)
        return -1;
    if (next_word(&rest, word) && read_number(&m->size_gib, word, "size", text, err) < 0)
        return -1;
    if (next_word(&rest, word) && read_delete(&m->delete_on_termination, word, text, err) < 0)
        return -1;
    if (next_word(&rest, word) && VML_SET(m->volume_type, "Volume type", word, err) < 0)
        return -1;
    return read_rest(m, rest, text, err);
}

int mapping_parse(struct vml_mapping *m, const char *text, const char *root_device,
                  struct vml_error *err)
{
    const char *equals = strchr(text, '=');
    char device[WORD_MAX];

    *m = (struct vml_mapping){ .device = "" };
    if (equals == NULL || equals == text || equals[1] == '\0')
        return vml_fail(err, VML_EUSAGE, "usage/mapping",
                        "--mapping: %s is not DEVICE=none, DEVICE=ephemeralN or "
                        "DEVICE=[SNAPSHOT]:[SIZE]:[DELETE]:[TYPE[:IOPS[:THROUGHPUT]]]:[encrypted]",
                        text);
    snprintf(device, sizeof device, "%.*s", (int)(equals - text), text);
    if (VML_SET(m->device, "Device name", device, err) < 0)
        return -1;
    if (strcmp(equals + 1, "none") == 0) {
        m->no_device = true;
        return 0;
    }
    if (strncmp(equals + 1, "ephemeral", strlen("ephemeral")) == 0)
        return VML_SET(m->virtual_name, "Virtual name", equals + 1, err);
    m->delete_on_termination = strcmp(device, root_device) == 0;
    return read_volume(m, equals + 1, text, err);
}
