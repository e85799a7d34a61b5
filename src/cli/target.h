/* What an output is to be, from -O, -o and its name. */
#ifndef VMLIFT_CLI_TARGET_H
#define VMLIFT_CLI_TARGET_H

#include "opt.h"
#include "vmlift/image.h"

/* Options of every verb that copies, for its table; type is the verb's struct. */
#define OPT_FROM(type)                                                                          \
    {                                                                                           \
        'f', NULL, "FMT", OPT_TEXT, offsetof(struct type, from),                                \
            "format of the source; otherwise it is found from the content, never from the name" \
    }
/* The parents of a source that is a child disk; the verb's struct has them as `parents`. */
#define OPT_PARENTS(type)                                                                  \
    { 0,                                                                                   \
      "parent",                                                                            \
      "FILE",                                                                              \
      OPT_LIST,                                                                            \
      offsetof(struct type, parents.files),                                                \
      "the parent of a disk that holds only what differs from it; repeated, the parent's " \
      "parent" },                                                                          \
    {                                                                                      \
        0, "follow-parents", NULL, OPT_FLAG, offsetof(struct type, parents.follow),        \
            "open the parents that such disks name, beneath the child's own folder only"   \
    }
#define OPT_PROGRESS(type)                                          \
    {                                                               \
        'p', NULL, NULL, OPT_FLAG, offsetof(struct type, progress), \
            "show progress also when standard error is no terminal" \
    }
#define OPT_COPY(type)                                                                \
    OPT_PROGRESS(type),                                                               \
    {                                                                                 \
        0, "threads", "N", OPT_COUNT, offsetof(struct type, threads),                 \
            "work with N threads, not one for each CPU; the result is the same bytes" \
    }
#define OPT_TARGET(type)                                                                      \
    { 'O',                                                                                    \
      NULL,                                                                                   \
      "FMT",                                                                                  \
      OPT_TEXT,                                                                               \
      offsetof(struct type, to.name),                                                         \
      "format of the result; otherwise its name's suffix says it (raw, img, vmdk, vhd, vpc, " \
      "ova)" },                                                                               \
        { 'o',                                                                                \
          NULL,                                                                               \
          "K=V,...",                                                                          \
          OPT_LIST,                                                                           \
          offsetof(struct type, to.options),                                                  \
          "options of the format: subformat=NAME and what FORMATS lists in vmlift(1)" },      \
    {                                                                                         \
        0, "force", NULL, OPT_FLAG, offsetof(struct type, to.force),                          \
            "replace an existing file, or write to a block device"                            \
    }

struct target {
    const char *name; /* of the format, as given; or NULL */
    struct opt_list options;
    bool force;
};

struct parents {
    struct opt_list files;
    bool follow;
};
/* As the library takes them; points into p. */
struct vml_parents parents_named(const struct parents *p);

/* What messages call the input: "(stdin)" for "-", as the library does. */
const char *input_named(const char *path);
/* The row that the words -f or -O name, checked before any file is opened. */
int format_named(const struct vml_format **out, const char *name, struct vml_error *err);
/* The format: by -O, else by the suffix of path.  VML_EUSAGE usage/output-format. */
int target_format(const struct target *t, const char *path, const struct vml_format **out,
                  struct vml_error *err);
/* subformat=NAME taken out of the options, the rest joined by commas.  Both malloc'd, or NULL. */
int target_options(const struct target *t, char **subformat, char **rest, struct vml_error *err);
int target_open(const struct target *t, const char *path, struct vml_output **out,
                struct vml_error *err);

#endif
