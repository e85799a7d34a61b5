/* What "image copy" and "snapshot copy" have in common. */
#ifndef VMLIFT_CLI_COPYING_H
#define VMLIFT_CLI_COPYING_H

#include "encrypt.h"
#include "out.h"
#include "progress.h"
#include "target.h"
#include "vmlift/share.h"

struct copying {
    struct local local;
    struct encrypt encrypt;
    const char *name, *description, *source_region;
    bool tags, progress;
    unsigned threads;
};
/* The last rows of the table. */
#define OPT_COPYING                                                                                \
    { 0,                                                                                           \
      "source-region",                                                                             \
      "R",                                                                                         \
      OPT_TEXT,                                                                                    \
      offsetof(struct copying, source_region),                                                     \
      "the region that the source is in, by default that of the copy" },                           \
        OPT_ENCRYPT(copying), OPT_PASSPHRASE(copying), OPT_STORE(copying), OPT_SHARED_FS(copying), \
        OPT_WHERE(copying), OPT_COPY(copying),                                                     \
    {                                                                                              \
        0                                                                                          \
    }

/* The store and what the copy is to be; it must stay where it is. */
struct copier {
    const char *source; /* what the notes are about */
    struct vml_store *store;
    struct vml_where where;
    struct vml_copying_how how;
    struct vml_notes notes;
    struct encrypt_where key;
    struct progress progress;
    struct vml_copy copy;
};
int copier_open(struct copier *c, struct copying *how, const char *source, struct vml_error *err);
/* Prints the notes, too. */
void copier_close(struct copier *c);
/* The copy is made: its ID, or with --json v, which it takes over. */
int copier_answer(struct cli *cli, const char *id, json_t *v, struct vml_error *err);

#endif
