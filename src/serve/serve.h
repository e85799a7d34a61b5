/* What the files of the endpoint share.
 *
 *     server.c    HTTP in and out (libmicrohttpd), one thread for each connection
 *       auth.c    who asks, in which region, for which service
 *       query.c   EC2: what is asked for          ebs.c  EBS: paths, headers, JSON
 *       actions.c EC2: the table of actions
 *       tasks.c   what takes longer than a request: VM Import/Export
 *       answer.c  what is answered, and how errors look on the wire */
#ifndef VMLIFT_SERVE_SERVE_H
#define VMLIFT_SERVE_SERVE_H

#include <jansson.h>

#include "vmlift/aws.h"
#include "vmlift/registry.h"
#include "vmlift/serve.h"

#define VML_BODY_MAX (1u << 20) /* of a request; a block of EBS has half of it */

/* --- a request -------------------------------------------------------------------------------- */

struct vml_param {
    const char *name, *value;
};
struct vml_params {
    struct vml_param *items; /* by name; owned */
    size_t n;
    char *text; /* that they point into; owned */
};

struct vml_request {
    struct vml_server *server;
    char id[37];
    const char *method;         /* "GET" */
    char *path, *query;         /* as they came over the wire; query "" without one; owned */
    struct vml_header *headers; /* owned, with what they point to */
    size_t n_headers;
    uint8_t *body; /* owned */
    size_t body_len;
    bool digested; /* digest is there: vml_request_digest */
    uint8_t digest[32];
    /* From auth.c. */
    char account[16], region[32], service[8];
    struct vml_where where; /* the two of them */
    /* From server.c, once it is known who asks. */
    struct vml_store *store; /* through which the account uses its keys */
    /* From actions.c: of EC2 alone. */
    struct vml_params params;
    char action[64];
    bool dry_run;
};
/* The value of the (first) header of that name; NULL: there is none. */
const char *vml_request_header(const struct vml_request *r, const char *name);
/* SHA-256 of the body, which is computed once. */
const uint8_t *vml_request_digest(struct vml_request *r);
/* 1: it is for EBS, 0: for EC2.  That is told by the path. */
bool vml_request_is_ebs(const struct vml_request *r);

/* --- auth.c ----------------------------------------------------------------------------------- */

/* Finds out who asks, and where.  The errors are EC2's: MissingAuthenticationToken,
 * IncompleteSignature, AuthFailure, SignatureDoesNotMatch, RequestExpired, InvalidClientTokenId. */
int vml_authenticate(struct vml_request *r, struct vml_error *err);

/* --- keys.c ----------------------------------------------------------------------------------- */

/* The keys as a server has them: read again when the file is another one. */
struct vml_access_keys;
int vml_access_keys_new(struct vml_access_keys **out, const char *dir, struct vml_error *err);
void vml_access_keys_free(struct vml_access_keys *keys);
/* 1: *out is the key, to be cleared; 0: there is none.  Any thread. */
int vml_access_keys_find(struct vml_access_keys *keys, const char *id, struct vml_access_key *out,
                         struct vml_error *err);

/* --- query.c: the parameters of an EC2 action ------------------------------------------------- */

/* Those of the query and of the body, both application/x-www-form-urlencoded; what signs a URL is
 * left out.  MalformedQueryString. */
int vml_params_parse(struct vml_params *p, const char *query, const void *body, size_t body_len,
                     struct vml_error *err);
void vml_params_clear(struct vml_params *p);
/* -1: it is none. */
int vml_hex_digit(char c);
/* Is each of them one that the list names?  "ImageId Owner.# !Outposts": where '#' is any number,
 * and "!" begins one, or a whole structure, that EC2 has and this does not: UnsupportedOperation.
 * UnknownParameter. */
int vml_params_check(const struct vml_params *p, const char *list, struct vml_error *err);

/* By its name, which is printed; NULL: it is not there. */
const char *vml_param(const struct vml_request *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* MissingParameter; "" is missing, too. */
int vml_param_need(const struct vml_request *r, const char *name, const char **out,
                   struct vml_error *err);
/* *out stays as it is where there is none.  InvalidParameterValue. */
int vml_param_bool(const struct vml_request *r, bool *out, struct vml_error *err, const char *fmt,
                   ...) __attribute__((format(printf, 4, 5)));
int vml_param_number(const struct vml_request *r, uint64_t *out, struct vml_error *err,
                     const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The numbers that follow "prefix." in the names of parameters, each once and ascending. */
struct vml_numbers {
    unsigned *items; /* owned */
    size_t n;
};
int vml_param_numbers(const struct vml_request *r, struct vml_numbers *out, struct vml_error *err,
                      const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void vml_numbers_clear(struct vml_numbers *n);
/* The values of "prefix.N", in the order of N. */
struct vml_texts {
    const char **items; /* owned, what they point to is the request's */
    size_t n;
};
int vml_param_list(const struct vml_request *r, const char *prefix, struct vml_texts *out,
                   struct vml_error *err);
void vml_texts_clear(struct vml_texts *t);

/* --- answer.c --------------------------------------------------------------------------------- */

#define VML_ANSWER_HEADERS 8u
struct vml_answer {
    unsigned status;  /* HTTP's; 200 unless it is set */
    const char *type; /* of the body */
    char *body;       /* owned */
    size_t len;
    struct vml_header headers[VML_ANSWER_HEADERS]; /* the values are owned */
    size_t n_headers;
    FILE *xml;      /* where an EC2 action writes what is inside its element */
    char code[64];  /* of an error, as the client got it; "" without one */
    char text[640]; /* and as it was */
};
void vml_answer_clear(struct vml_answer *a);
int vml_answer_header(struct vml_answer *a, const char *name, struct vml_error *err,
                      const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Take v, and body (malloc'd), over, also when they fail. */
int vml_answer_json(struct vml_answer *a, unsigned status, json_t *v, struct vml_error *err);
void vml_answer_bytes(struct vml_answer *a, unsigned status, const char *type, void *body,
                      size_t len);
/* In place of whatever the answer was: the error as EC2 says it, or EBS. */
void vml_answer_error(struct vml_answer *a, const struct vml_request *r,
                      const struct vml_error *err);

/* EC2's XML.  Text of any bytes: what XML cannot say becomes U+FFFD. */
void vml_xml_open(struct vml_answer *a, const char *element);
void vml_xml_close(struct vml_answer *a, const char *element);
void vml_xml_text(struct vml_answer *a, const char *element, const char *text);
/* Nothing at all where the text is NULL or "". */
void vml_xml_option(struct vml_answer *a, const char *element, const char *text);
void vml_xml_bool(struct vml_answer *a, const char *element, bool value);
void vml_xml_number(struct vml_answer *a, const char *element, uint64_t value);
void vml_xml_time(struct vml_answer *a, const char *element, int64_t seconds);

/* --- actions.c: EC2 --------------------------------------------------------------------------- */

/* Answers with what is inside of <ActionResponse>, on a->xml. */
typedef int vml_action_fn(struct vml_request *r, struct vml_answer *a, struct vml_error *err);
struct vml_action {
    const char *name;
    vml_action_fn *run;
    const char
        *params; /* that it takes, as of vml_params_check; Action, Version and DryRun apart */
};
int vml_ec2_answer(struct vml_request *r, struct vml_answer *a, struct vml_error *err);
/* To be called when all is checked that can be before anything is done: DryRunOperation when no
 * more than that was asked for. */
int vml_dry_run(struct vml_request *r, struct vml_error *err);

/* --- tokens.c: what is asked for twice is done once ------------------------------------------- */

struct vml_tokens;
int vml_tokens_new(struct vml_tokens **out, struct vml_error *err);
void vml_tokens_free(struct vml_tokens *t);
/* key: who asks, where, for what, with which token; digest: of all else that is asked.  1: *saved
 * is what was answered, the caller's to free; 0: nobody asked yet, and nobody else will get to do
 * it before vml_tokens_end.  While the first one is at work, a second waits.
 * IdempotentParameterMismatch. */
int vml_tokens_begin(struct vml_tokens *t, const char *key, const uint8_t digest[32], char **saved,
                     struct vml_error *err);
/* answer NULL: it failed, and may be asked for again. */
void vml_tokens_end(struct vml_tokens *t, const char *key, const char *answer);

/* --- server.c --------------------------------------------------------------------------------- */

struct vml_ebs;
struct vml_task;
struct vml_tasks;
struct vml_access_keys *vml_server_keys(struct vml_server *s);
struct vml_tokens *vml_server_tokens(struct vml_server *s);
struct vml_ebs *vml_server_ebs(struct vml_server *s);
struct vml_tasks *vml_server_tasks(struct vml_server *s);
/* Into the log: a task has ended, well where err is NULL. */
void vml_server_tell_task(struct vml_server *s, const struct vml_task *t,
                          const struct vml_error *err);
const struct vml_serve_config *vml_server_config(const struct vml_server *s);
/* AuthFailure: the region is not served. */
int vml_server_region(const struct vml_server *s, const char *region, struct vml_error *err);
/* The store as the account has it: held until it is let go.  What is held stays one store, also
 * when a rebuild puts another catalog in its place. */
int vml_server_hold(struct vml_server *s, const char *account, struct vml_store **out,
                    struct vml_error *err);
void vml_server_let_go(struct vml_server *s, struct vml_store *store);

/* --- ebs.c: EBS direct APIs ------------------------------------------------------------------- */

/* Errors have as slug the exception's name, and the reason after a slash where there is one:
 * "ValidationException/INVALID_BLOCK".  Any thread. */
int vml_ebs_new(struct vml_ebs **out, struct vml_server *s, struct vml_error *err);
void vml_ebs_free(struct vml_ebs *e); /* what is not completed is gone */
int vml_ebs_answer(struct vml_ebs *e, struct vml_request *r, struct vml_answer *a,
                   struct vml_error *err);
/* Once a second: ends what has timed out. */
void vml_ebs_tick(struct vml_ebs *e);

/* A snapshot that is not in the store yet, as DescribeSnapshots shows it to its owner. */
struct vml_ebs_snapshot {
    const char *id, *state; /* "pending", "error" */
    const char *description, *key;
    uint64_t size;
    int64_t started;
    unsigned progress; /* per cent */
    const struct vml_tag *tags;
    size_t n_tags;
};
typedef int vml_ebs_snapshot_fn(void *arg, const struct vml_ebs_snapshot *s, struct vml_error *err);
/* Those of the account in the region, the oldest first. */
int vml_ebs_each(struct vml_ebs *e, const struct vml_where *where, vml_ebs_snapshot_fn *fn,
                 void *arg, struct vml_error *err);
/* Forgets one that was not completed.  1: it did, 0: there is none of that ID. */
int vml_ebs_cancel(struct vml_ebs *e, const struct vml_where *where, const char *id,
                   struct vml_error *err);

#endif
