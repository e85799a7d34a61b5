/* A disk of several files, for its reader and its check; nothing else includes it. */
#ifndef VMDK_EXTENTS_H
#define VMDK_EXTENTS_H

#include "vmdk.h"

struct piece {
    uint64_t start, size;    /* on the disk, bytes */
    uint64_t at;             /* FLAT: where it begins in the file, bytes */
    char *name;              /* of the file, UTF-8 where that is known */
    struct vml_input *in;    /* FLAT; the disk has it otherwise */
    struct vml_reader *disk; /* sparse; neither of both: ZERO */
};

struct extents {
    struct vml_reader r; /* first: this is what core holds */
    struct vml_input *in;
    struct piece *pieces;
    size_t n;
    char encoding[24]; /* of the names in the descriptor */
};

struct extents *extents_new(struct vml_input *in); /* NULL: no memory */
/* All but the input, which stays the caller's. */
void extents_discard(struct extents *e);
/* The descriptor itself, and room for its pieces. */
int extents_open_text(struct extents *e, struct vmdk_desc *d, struct vml_error *err);
int extents_open_piece(struct extents *e, size_t i, const struct vmdk_piece *line,
                       struct vml_error *err);
/* The file that the line names, if it is one that a descriptor may name. */
int extents_open_named(const struct extents *e, const struct vmdk_piece *line,
                       const struct piece *p, struct vml_input **in, struct vml_error *err);

enum { TYPE_FLAT, TYPE_SPARSE, TYPE_ZERO };
int extents_type(const struct vmdk_piece *line, struct vml_error *err);
/* Puts into the message which of the files it was; -1. */
int extents_failed_in(const struct piece *p, struct vml_error *err);

#endif
