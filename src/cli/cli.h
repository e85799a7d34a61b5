/* The program: the only code that prints, exits or reads the environment. */
#ifndef VMLIFT_CLI_H
#define VMLIFT_CLI_H

#include "vmlift/base.h"

struct cli {
    bool json;    /* --json was seen: results and errors go to standard output as one object */
    char **words; /* what is left of the command line after the options */
    int n_words;
};

/* Each returns the exit status (1 where the answer to the question is no), or -1 with err filled
 * in: main turns that into the message and the status. */
typedef int verb_fn(struct cli *cli, int argc, char **argv, struct vml_error *err);
struct verb {
    const char *name; /* NULL ends the table */
    verb_fn *run;
    const char *summary;
};

verb_fn cmd_convert, cmd_info, cmd_map, cmd_hash, cmd_check, cmd_compare, cmd_import, cmd_export,
    cmd_inspect, cmd_prep, cmd_image, cmd_snapshot, cmd_store, cmd_key, cmd_serve, cmd_publish;

/* Runs the row that argv[1] names, with argv moved on by one.  group is "" for the program's own
 * table, "image" and so on for a group's. */
int verb_run(struct cli *cli, const struct verb *table, const char *group, int argc, char **argv,
             struct vml_error *err);

#endif
