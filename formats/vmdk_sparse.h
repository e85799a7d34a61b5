/* A sparse file that can seek, for its reader and its tables; nothing else includes it. */
#ifndef VMDK_SPARSE_H
#define VMDK_SPARSE_H

#include <pthread.h>

#include "vmdk.h"

enum { CACHED_TABLES = 4 };

struct page { /* of a grain directory */
    bool valid;
    uint64_t first; /* the number of its first entry */
    uint8_t bytes[VMDK_GT_BYTES];
};
struct table {
    bool valid;
    uint64_t number;
    uint8_t bytes[VMDK_GT_BYTES];
};

struct sparse {
    struct vml_reader r; /* first: this is what core holds */
    struct vml_input *in;
    struct vmdk_header h;
    uint64_t file_size;
    pthread_mutex_t lock; /* guards all below */
    struct page gd, rgd;
    struct table cache[CACHED_TABLES];
    unsigned oldest, reads;
    uint8_t *checked;       /* a bit for each table */
    uint8_t *claimed;       /* a bit for each grain of the file; NULL when compressed */
    struct vml_extent hole; /* the last run of holes: random reads come back to it */
};

static inline bool sparse_in_file(const struct sparse *s, uint64_t sector, uint64_t bytes)
{
    return sector <= s->file_size / VMDK_SECTOR && bytes <= s->file_size - sector * VMDK_SECTOR;
}

/* --- vmdk_tables.c -------------------------------------------------------------------------- */

/* Are the directories where the header says?  Makes room for what is remembered of the tables. */
int sparse_check_tables(struct sparse *s, struct vml_error *err);
/* *out is NULL where the directory has no table; valid until the next call.  With s->lock held. */
int sparse_table_get(struct sparse *s, uint64_t number, const struct table **out, uint32_t *sector,
                     struct vml_error *err);

#endif
