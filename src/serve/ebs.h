/* What the files of EBS's direct APIs share.
 *
 *     ebs.c          paths, and what is asked of snapshots that are not in the store yet
 *     ebs_start.c    StartSnapshot
 *     ebs_put.c      PutSnapshotBlock, CompleteSnapshot
 *     ebs_read.c     ListSnapshotBlocks, ListChangedBlocks, GetSnapshotBlock
 *     ebs_pending.c  snapshots that are being written
 *     ebs_token.c    block tokens and page tokens */
#ifndef VMLIFT_SERVE_EBS_H
#define VMLIFT_SERVE_EBS_H

#include <pthread.h>

#include "serve/serve.h"
#include "vmlift/upload.h"

/* Slugs: the exception and its reason (botocore's service model of EBS, 2019-11-02). */
#define EBS_PARAMETER   "ValidationException/INVALID_PARAMETER_VALUE"
#define EBS_BLOCK       "ValidationException/INVALID_BLOCK"
#define EBS_SNAPSHOT_ID "ValidationException/INVALID_SNAPSHOT_ID"
#define EBS_SIZE        "ValidationException/INVALID_VOLUME_SIZE"
#define EBS_KEY         "ValidationException/INVALID_CUSTOMER_KEY"
#define EBS_KEY_DENIED  "AccessDeniedException/DEPENDENCY_ACCESS_DENIED"
#define EBS_NOT_FOUND   "ResourceNotFoundException/SNAPSHOT_NOT_FOUND"
#define EBS_DENIED      "AccessDeniedException/UNAUTHORIZED_ACCOUNT"

/* --- ebs_pending.c -------------------------------------------------------------------------- */

enum pending_state { PENDING, COMPLETED, FAILED, CANCELLED };

/* What CompleteSnapshot says of the blocks that were put. */
struct ebs_promises {
    uint64_t count;
    uint8_t aggregate[32];
    bool has_aggregate;
};

/* A snapshot that was started; after its end for as long as there is room, so that who asks again
 * gets an answer. */
struct pending {
    struct pending *next; /* the one that was started after it */
    char account[16], region[32];
    struct vml_snapshot what; /* id, size, description, key, created */
    struct vml_marks marks;
    char parent[32], lineage[32]; /* "" without a parent; the first of all that hang together */
    struct vml_upload *upload;    /* NULL: it has ended */
    struct vml_store *store;      /* of the upload */
    enum pending_state state;
    unsigned progress;
    unsigned users;           /* who is putting into it right now */
    struct ebs_promises said; /* when it was completed */
};

struct vml_ebs {
    struct vml_server *server;
    uint8_t secret[32];   /* of tokens */
    pthread_mutex_t lock; /* all below */
    struct pending *first;
};

/* Takes p over, also when it fails.  ServiceQuotaExceededException. */
int vml_pending_add(struct vml_ebs *e, struct pending *p, struct vml_error *err);
void vml_pending_drop(struct vml_ebs *e, struct pending *p); /* one that was not added */
void vml_pending_free(struct pending *p); /* the same, of one without an upload */
/* The account's, held until it is let go; NULL: there is none.  *state is what it is in: while
 * one that is PENDING is held its upload may be used, whatever becomes of it. */
struct pending *vml_pending_hold(struct vml_ebs *e, const struct vml_where *where, const char *id,
                                 enum pending_state *state);
void vml_pending_let_go(struct vml_ebs *e, struct pending *p);
/* It has ended: for who holds it. */
void vml_pending_end(struct vml_ebs *e, struct pending *p, enum pending_state state);

/* --- ebs_token.c ---------------------------------------------------------------------------- */

#define EBS_TOKEN_SIZE 96u                /* with the NUL */
#define EBS_BLOCK_TIME (7 * 24 * 60 * 60) /* seconds for which one is good */
#define EBS_PAGE_TIME  (60 * 60)

/* What a token is for: it is good for nothing else. */
struct ebs_token {
    char kind;          /* 'b': a block, 'l' and 'c': a page of a list, or of one of changes */
    const char *region; /* and the snapshots that it is of; first is NULL but for changes */
    const char *snapshot, *first;
    uint64_t number;  /* the block's; the first one of the page */
    uint8_t name[32]; /* the block's */
};
/* EBS's are new with each call, and so are these: now, in microseconds, is in them. */
int vml_ebs_token_print(const struct vml_ebs *e, const struct ebs_token *t,
                        char out[EBS_TOKEN_SIZE], struct vml_error *err);
/* Fills number and name.  ValidationException/INVALID_BLOCK_TOKEN, .../INVALID_PAGE_TOKEN. */
int vml_ebs_token_parse(const struct vml_ebs *e, struct ebs_token *t, const char *text,
                        struct vml_error *err);
/* The secret of the store, which is made where there is none. */
int vml_ebs_secret(const char *dir, uint8_t secret[32], struct vml_error *err);
/* base64 of 32 bytes, and back; false: it is none. */
void vml_base64_print(char out[45], const uint8_t raw[32]);
bool vml_base64_parse(uint8_t raw[32], const char *text);

/* --- ebs.c ---------------------------------------------------------------------------------- */

/* A header that holds a number of 0..max.  1: *out has it, 0: it is not there. */
int vml_ebs_number(const struct vml_request *r, const char *header, uint64_t max, uint64_t *out,
                   struct vml_error *err);
/* Decimal digits and nothing else, not above max; what names it in the refusal. */
int vml_ebs_parse_number(const char *text, const char *what, uint64_t max, uint64_t *out,
                         struct vml_error *err);
/* A snapshot that is in the store and that the account sees; *out is to be cleared. */
int vml_ebs_snapshot(struct vml_request *r, const char *id, struct vml_registry_snapshot *out,
                     struct vml_error *err);
/* Errors of the store's keys, as EBS has them; others stay. */
int vml_ebs_key_error(struct vml_error *err);
/* Which lineage a snapshot in the store is of: its own ID unless it was uploaded over a parent. */
int vml_ebs_lineage(struct vml_store *s, const char *id, char out[32], struct vml_error *err);
/* For JSON: "arn:aws:kms:..", null without a key. */
json_t *vml_ebs_key_arn(const struct vml_request *r, const char *key);

/* --- the calls ------------------------------------------------------------------------------ */

/* What the path says. */
struct ebs_call {
    char id[65];
    uint64_t number; /* of a block */
};
typedef int ebs_fn(struct vml_ebs *e, struct vml_request *r, const struct ebs_call *c,
                   struct vml_answer *a, struct vml_error *err);
ebs_fn vml_ebs_start, vml_ebs_put, vml_ebs_complete, vml_ebs_list, vml_ebs_changed, vml_ebs_get;

#endif
