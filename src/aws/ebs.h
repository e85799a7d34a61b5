/* EBS direct APIs: a snapshot's blocks go and come, 512 KiB each. */
#ifndef VMLIFT_AWS_EBS_H
#define VMLIFT_AWS_EBS_H

#include "call.h"
#include "ledger.h"
#include "vmlift/ami.h"

#define EBS_BLOCK (512u << 10)
/* Blocks of a GiB; volumes have whole ones. */
#define EBS_PER_GIB (VML_GIB / EBS_BLOCK)

/* --- ebs.c: the calls ------------------------------------------------------------------------- */

struct ebs_start {
    uint64_t gib;
    const char *parent;       /* a snapshot's ID, or "" */
    const char *description;  /* at most 255 characters */
    const char *client_token; /* the same token is the same snapshot */
    const struct vml_tag *tags;
    size_t n_tags;
    unsigned timeout;    /* minutes without a block after which EBS gives it up: 10 to 4320 */
    bool encrypted;      /* not with a parent, whose key a child has */
    const char *kms_key; /* NULL: the account's default */
};
#define EBS_ID 72 /* room for an ID */
int ebs_start(struct vml_aws *aws, const struct ebs_start *s, char id[EBS_ID],
              struct vml_error *err);
/* `bytes` are EBS_BLOCK of that digest. */
int ebs_put_block(struct vml_aws *aws, const char *snapshot, uint64_t block, const void *bytes,
                  const uint8_t digest[32], struct vml_error *err);
int ebs_complete(struct vml_aws *aws, const char *snapshot, uint64_t count, const uint8_t sum[32],
                 struct vml_error *err);

#define EBS_PAGE 1000u /* blocks that are listed at once */
struct ebs_page {
    uint64_t gib;  /* the volume's size */
    uint64_t from; /* all that the snapshot has of [from, end) is listed */
    uint64_t end;  /* UINT64_MAX: to the last */
    size_t n;
    struct ebs_listed {
        uint64_t block;
        char *token; /* with which it is asked for; owned */
    } * items;       /* owned; ascending */
};
void ebs_page_clear(struct ebs_page *p);
int ebs_list(struct vml_aws *aws, const char *snapshot, uint64_t from, struct ebs_page *p,
             struct vml_error *err);
/* Into EBS_BLOCK bytes; the sum that comes with them is compared. */
int ebs_get_block(struct vml_aws *aws, const char *snapshot, const struct ebs_listed *which,
                  void *bytes, struct vml_error *err);

/* --- ebs_writer.c ----------------------------------------------------------------------------- */

struct ebs_put {
    const char *snapshot;        /* pending */
    struct ledger *ledger;       /* what of it was put already; what is put now is noted there */
    const struct ledger *parent; /* what the parent has; NULL: there is none */
    bool dry_run;                /* blocks are only counted */
    _Atomic uint64_t put;        /* blocks that were put by the writer .. */
    _Atomic uint64_t known;      /* .. and those that are there already */
};
/* In a ledger of what a parent has: some block that nobody noted the digest of. */
extern const uint8_t ebs_unknown[32];
/* A writer of a volume of `gib`; *p and what it names must outlive it.  Blocks go in any order from
 * any thread, and only where they differ from what is there: zeroes over a hole do not, zeroes over
 * data of the parent do.  connections: how many threads will put, of which few may have larger
 * chunks.  finish completes the snapshot.  Freed unfinished it leaves the snapshot
 * pending. */
int ebs_writer(struct vml_writer **out, struct vml_aws *aws, struct ebs_put *p, uint64_t gib,
               unsigned connections, struct vml_error *err);

#endif
