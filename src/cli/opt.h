/* A verb's options are a table, from which the words are read and the help is printed. */
#ifndef VMLIFT_CLI_OPT_H
#define VMLIFT_CLI_OPT_H

#include "cli.h"

enum opt_type {
    OPT_FLAG,  /* bool */
    OPT_TEXT,  /* const char *: into argv */
    OPT_SIZE,  /* uint64_t; VML_SIZE_UNKNOWN is a good thing to start with */
    OPT_COUNT, /* unsigned, from 1 to 1024 */
    OPT_LIST,  /* struct opt_list: may be given again and again; the others are refused twice */
};
struct opt {
    char letter;       /* 0: only the long one */
    const char *name;  /* NULL: only the letter */
    const char *value; /* what the help calls it; NULL for a flag */
    enum opt_type type;
    size_t at; /* offsetof, in the verb's struct of options */
    const char *help;
};
struct opt_list {
    const char **items; /* into argv */
    size_t n;
};
void opt_list_clear(struct opt_list *l);

struct opt_verb {
    const char *name, *operands; /* "image show", "AMI..." */
    int min, max;                /* how many operands; max is -1 for any number */
    const char *help;            /* paragraphs, divided by a newline; folded when printed */
    const struct opt *opts;      /* ends with an empty row */
};

/* Reads the words after argv[0] into *values and cli->words.  0, -1 (VML_EUSAGE usage/...), or 1:
 * the help was asked for and is printed.  --json and --help are known to every verb. */
int opt_parse(struct cli *cli, const struct opt_verb *v, void *values, int argc, char **argv,
              struct vml_error *err);

/* text folded at 80 columns, every line indented, the first from where the cursor is (column). */
void opt_fold(const char *text, unsigned indent, unsigned column);
/* " (did you mean convert?)" when a candidate is near to word, else "".  Call it with each
 * candidate through opt_near. */
struct opt_near {
    const char *word, *best;
    size_t distance;
};
void opt_near_try(struct opt_near *near, const char *candidate);
const char *opt_near_hint(const struct opt_near *near, const char *prefix, char buf[64]);

#endif
