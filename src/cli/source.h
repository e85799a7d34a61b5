/* What a verb looks at: files that can seek, and the disks in them. */
#ifndef VMLIFT_CLI_SOURCE_H
#define VMLIFT_CLI_SOURCE_H

#include "aws.h"
#include "out.h"
#include "target.h"
#include "vmlift/package.h"

/* What of a package, and how; the verb's struct has both words. */
#define OPT_PACKAGE(type)                                                     \
    { 0,                                                                      \
      "vm",                                                                   \
      "NAME",                                                                 \
      OPT_TEXT,                                                               \
      offsetof(struct type, vm),                                              \
      "of a package of several machines the one of this name" },              \
    {                                                                         \
        0, "no-manifest", NULL, OPT_FLAG, offsetof(struct type, no_manifest), \
            "look neither at a package's manifest nor at its certificate"     \
    }

/* The file at path, "-", or the one .ovf in the folder at path. */
int source_input(struct vml_input **out, const char *path, struct vml_error *err);
/* The same, and "ebs:SNAPSHOT", the disk of a snapshot in AWS; the words say where. */
int source_input_at(struct vml_input **out, const char *path, const struct aws_words *words,
                    struct vml_error *err);
bool source_is_ebs(const char *path);
/* What is said of its format, but that a snapshot in AWS is the bytes of a disk. */
const char *source_format(const char *path, const char *from);

/* Opens the package or lone disk at path.  The word how->format is checked before the file is
 * opened.  VML_EUNSUPPORTED input/needs-file for a
 * pipe, in the name of the verb, unless the caller wants to know whether it is one (seekable). */
int source_open(struct vml_package **out, const char *path, const struct vml_open *how,
                const char *verb, bool *seekable, struct vml_error *err);
/* The same with words that say where a snapshot in AWS is. */
int source_open_at(struct vml_package **out, const char *path, const struct vml_open *how,
                   const struct aws_words *words, const char *verb, bool *seekable,
                   struct vml_error *err);
/* The number of the disk that --disk N means (N from 1; 0: not given, and there must be one only):
 * VML_EUSAGE usage/disk, VML_EUNSUPPORTED package/one-disk. */
int source_choose(const struct vml_package *p, const char *path, unsigned disk, size_t *i,
                  struct vml_error *err);
/* Tells about each operand; with several a bad one does not keep the others from being told: the
 * first error's status is the program's.  tell prints, or with --json makes *v, which is printed:
 * of several operands each on a line; it returns -1, or the status that it would have the program
 * end with.  apart: an empty line between their texts. */
typedef int source_tell(void *how, const char *path, bool json, json_t **v, struct vml_error *err);
int source_tell_all(struct cli *cli, source_tell *tell, void *how, bool apart,
                    struct vml_error *err);
/* Is it a machine, and no lone disk? */
bool source_is_machine(const struct vml_package *p);

#endif
