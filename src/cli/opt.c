#include "opt.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH      80u
#define HELP_AT    24u /* column of an option's help */
#define OPTS_MAX   64  /* of one verb */
#define COUNT_MAX  1024
#define LONG_FIRST 256 /* above the letters */

static const struct opt common[] = {
    { 0, "json", NULL, OPT_FLAG, 0, "print one JSON object on standard output; errors too" },
    { 'h', "help", NULL, OPT_FLAG, 0, "print this help" },
};
enum { COMMON_JSON, COMMON_HELP, N_COMMON };

static size_t count(const struct opt *opts)
{
    size_t n = 0;

    while (opts[n].letter != 0 || opts[n].name != NULL)
        n++;
    assert(n <= OPTS_MAX);
    return n;
}

static const struct opt *nth(const struct opt_verb *v, size_t n, size_t i)
{
    return i < n ? &v->opts[i] : &common[i - n];
}

/* "--size" or "-f", as messages say it. */
static const char *spelled(const struct opt *o, char buf[64])
{
    if (o->name != NULL)
        snprintf(buf, 64, "--%s", o->name);
    else
        snprintf(buf, 64, "-%c", o->letter);
    return buf;
}

void opt_list_clear(struct opt_list *l)
{
    free(l->items);
}

/* --- help ----------------------------------------------------------------------------------- */

void opt_fold(const char *text, unsigned indent, unsigned column)
{
    bool first = column <= indent; /* of its line: no space before it */

    if (column > indent) {
        putchar('\n');
        column = 0;
        first = true;
    }
    while (*text != '\0') {
        size_t word = strcspn(text, " \n");
        if (!first && column + 1 + word > WIDTH) {
            putchar('\n');
            column = 0;
            first = true;
        }
        if (column < indent) {
            printf("%*s", (int)(indent - column), "");
            column = indent;
        }
        printf("%s%.*s", first ? "" : " ", (int)word, text);
        column += (first ? 0 : 1) + (unsigned)word;
        first = false;
        text += word;
        if (*text == '\n') {
            putchar('\n');
            column = 0;
            first = true;
        }
        if (*text != '\0')
            text++;
    }
    putchar('\n');
}

static void print_help(const struct opt_verb *v, size_t n)
{
    char buf[64];

    printf("usage: vmlift %s [OPTION...]%s%s\n\n", v->name, v->operands[0] != '\0' ? " " : "",
           v->operands);
    opt_fold(v->help, 0, 0);
    putchar('\n');
    for (size_t i = 0; i < n + N_COMMON; i++) {
        const struct opt *o = nth(v, n, i);
        int column = snprintf(buf, sizeof buf, o->letter != 0 ? "  -%c" : "    ", o->letter);
        if (o->name != NULL)
            column += snprintf(buf + column, sizeof buf - (size_t)column, "%s--%s",
                               o->letter != 0 ? ", " : "  ", o->name);
        if (o->value != NULL)
            column += snprintf(buf + column, sizeof buf - (size_t)column, " %s", o->value);
        fputs(buf, stdout);
        /* Two columns between an option and its help, else the help starts on the next line. */
        opt_fold(o->help, HELP_AT, (unsigned)column + 2 > HELP_AT ? WIDTH : (unsigned)column);
    }
}

/* --- hints ---------------------------------------------------------------------------------- */

/* Levenshtein; words longer than an option is are as far as can be. */
static size_t distance(const char *a, const char *b)
{
    size_t row[33], la = strlen(a), lb = strlen(b);

    if (la > 32 || lb > 32)
        return SIZE_MAX;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (row[j] + 1 < best)
                best = row[j] + 1;
            row[j] = best;
        }
    }
    return row[lb];
}

void opt_near_try(struct opt_near *near, const char *candidate)
{
    size_t d = distance(near->word, candidate), len = strlen(candidate);

    if (d <= 1 + len / 4 && d < len && (near->best == NULL || d < near->distance)) {
        near->best = candidate;
        near->distance = d;
    }
}

const char *opt_near_hint(const struct opt_near *near, const char *prefix, char buf[64])
{
    buf[0] = '\0';
    if (near->best != NULL)
        snprintf(buf, 64, " (did you mean %s%s?)", prefix, near->best);
    return buf;
}

/* --- reading -------------------------------------------------------------------------------- */

static int read_count(unsigned *out, const char *text, const char *name, struct vml_error *err)
{
    char *end = NULL;
    unsigned long v = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || v < 1 || v > COUNT_MAX)
        return vml_fail(err, VML_EUSAGE, "usage/value", "%s: %s is not a number from 1 to %d", name,
                        text, COUNT_MAX);
    *out = (unsigned)v;
    return 0;
}

static int store(const struct opt *o, void *values, const char *text, int argc, bool again,
                 struct vml_error *err)
{
    void *at = (char *)values + o->at;
    char name[64];

    spelled(o, name);
    if (again && o->type != OPT_LIST && o->type != OPT_FLAG)
        return vml_fail(err, VML_EUSAGE, "usage/twice", "%s is given twice", name);
    switch (o->type) {
    case OPT_FLAG:
        *(bool *)at = true;
        return 0;
    case OPT_TEXT:
        *(const char **)at = text;
        return 0;
    case OPT_COUNT:
        return read_count(at, text, name, err);
    case OPT_SIZE:
        if (vml_size_parse(at, text, err) == 0)
            return 0;
        vml_error_prefix(err, "%s", name);
        return -1;
    case OPT_LIST: {
        struct opt_list *l = at;
        if (l->items == NULL && (l->items = calloc((size_t)argc, sizeof *l->items)) == NULL)
            return vml_fail_nomem(err);
        l->items[l->n++] = text;
        return 0;
    }
    }
    return 0;
}

static int fail_unknown(const struct opt_verb *v, size_t n, const char *word, struct vml_error *err)
{
    char buf[64], name[64];
    struct opt_near near = { name, NULL, 0 };

    if (optopt != 0 && optopt < LONG_FIRST)
        return vml_fail(err, VML_EUSAGE, "usage/option", "unknown option -%c", optopt);
    if (optopt >= LONG_FIRST)
        return vml_fail(err, VML_EUSAGE, "usage/value", "--%s takes no value",
                        nth(v, n, (size_t)(optopt - LONG_FIRST))->name);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    for (size_t i = 0; i < n + N_COMMON; i++)
        if (nth(v, n, i)->name != NULL)
            opt_near_try(&near, nth(v, n, i)->name);
    return vml_fail(err, VML_EUSAGE, "usage/option", "unknown option --%s%s", name,
                    opt_near_hint(&near, "--", buf));
}

static int read_words(struct cli *cli, const struct opt_verb *v, void *values, size_t n,
                      const struct option *longs, const char *letters, int argc, char **argv,
                      bool *help, struct vml_error *err)
{
    bool seen[OPTS_MAX + N_COMMON] = { false };
    int rc = 0, c;
    char buf[64];

    optind = 0; /* glibc: begin anew */
    opterr = 0;
    while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        struct vml_error later;
        struct vml_error *e = rc == 0 ? err : &later; /* go on after the first: --json may follow */
        size_t i = 0;
        if (c == '?') {
            rc = fail_unknown(v, n, argv[optind - 1], e);
            continue;
        }
        int which = c == ':' ? optopt : c;
        if (which >= LONG_FIRST)
            i = (size_t)(which - LONG_FIRST);
        else
            while (nth(v, n, i)->letter != which)
                i++;
        if (c == ':')
            rc = vml_fail(e, VML_EUSAGE, "usage/value", "%s needs a value (%s)",
                          spelled(nth(v, n, i), buf), nth(v, n, i)->value);
        else if (i == n + COMMON_JSON)
            cli->json = true;
        else if (i == n + COMMON_HELP)
            *help = true;
        else if (store(&v->opts[i], values, optarg, argc, seen[i], e) < 0)
            rc = -1;
        seen[i] = true;
    }
    return rc;
}

int opt_parse(struct cli *cli, const struct opt_verb *v, void *values, int argc, char **argv,
              struct vml_error *err)
{
    size_t n = count(v->opts);
    struct option longs[OPTS_MAX + N_COMMON + 1];
    char letters[2 * (OPTS_MAX + N_COMMON) + 2] = ":", *l = letters + 1;
    size_t n_longs = 0;
    bool help = false;

    for (size_t i = 0; i < n + N_COMMON; i++) {
        const struct opt *o = nth(v, n, i);
        bool value = o->type != OPT_FLAG;
        if (o->name != NULL)
            longs[n_longs++] = (struct option){ o->name, value ? required_argument : no_argument,
                                                NULL, LONG_FIRST + (int)i };
        if (o->letter != 0) {
            *l++ = o->letter;
            if (value)
                *l++ = ':';
        }
    }
    *l = '\0';
    longs[n_longs] = (struct option){ 0 };

    int rc = read_words(cli, v, values, n, longs, letters, argc, argv, &help, err);
    if (help) {
        print_help(v, n);
        return 1;
    }
    cli->words = argv + optind;
    cli->n_words = argc - optind;
    if (rc == 0 && (cli->n_words < v->min || (v->max >= 0 && cli->n_words > v->max)))
        rc = vml_fail(err, VML_EUSAGE, "usage/operands", "%s: vmlift %s takes %s, not %d words",
                      cli->n_words < v->min ? "too few" : "too many", v->name,
                      v->operands[0] != '\0' ? v->operands : "no operands", cli->n_words);
    else if (rc < 0)
        vml_error_prefix(err, "%s", v->name);
    return rc;
}
