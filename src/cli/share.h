/* --with and --public: whom an image or a snapshot is shared with, or no longer. */
#ifndef VMLIFT_CLI_SHARE_H
#define VMLIFT_CLI_SHARE_H

#include "local.h"
#include "vmlift/share.h"

struct whom {
    const char *with;
    bool everyone, all;
};
#define OPT_WITH(type)                                                                 \
    { 0,                                                                               \
      "with",                                                                          \
      "N[,N...]",                                                                      \
      OPT_TEXT,                                                                        \
      offsetof(struct type, whom.with),                                                \
      "these accounts, "                                                               \
      "12 digits each" },                                                              \
    {                                                                                  \
        0, "public", NULL, OPT_FLAG, offsetof(struct type, whom.everyone), "everybody" \
    }
#define OPT_ALL(type)                                                                          \
    {                                                                                          \
        0, "all", NULL, OPT_FLAG, offsetof(struct type, whom.all), "whoever it is shared with" \
    }

/* What the options mean; `how` points into it. */
struct grantees {
    char *text;
    const char **items;
    size_t n;
    struct vml_sharing how;
};
void grantees_clear(struct grantees *g);
/* verb: for VML_EUSAGE usage/share, when nobody is named. */
int grantees_read(struct grantees *g, const struct whom *w, const char *verb, const char *kind,
                  bool remove, struct vml_error *err);

#endif
