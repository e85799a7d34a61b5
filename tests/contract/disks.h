/* Disks in folders of their own, for the contract suite. */
#ifndef DISKS_H
#define DISKS_H

#include "check.h"
#include "vmlift/copy.h"

extern char folder[];   /* where all of it happens */
extern const char *now; /* what is being tested, for messages */

char *path_of(char buf[200], const char *name);
/* The name of a disk in a new folder. */
char *disk_in(char buf[200], const char *name);
/* Removes the folder that disk_in made, with as many files as `files`; 0: some. */
void remove_disk(const char *path, size_t files);
/* A failed write left nothing in the folder of `path`: no names, working ones neither. */
void expect_nothing(const char *path);

int write_disk(const struct vml_format *f, const char *sub, struct vml_reader *r, const char *path,
               unsigned threads, struct vml_error *err);
int open_disk(struct vml_reader **out, const char *path, const char *format, struct vml_error *err);
void same_disk(struct vml_reader *a, struct vml_reader *b);
/* The files of two disks that disk_in named, by their names and bytes; and removes both. */
void same_files(const char *a, const char *b);

#endif
