/* The keys that sign: found as aws-cli finds them, renewed before they expire. */
#ifndef VMLIFT_AWS_CREDENTIALS_H
#define VMLIFT_AWS_CREDENTIALS_H

#include <pthread.h>

#include "profile.h"

struct http;

struct key {
    char *access_key, *secret, *token; /* owned; token NULL: there is none */
    int64_t expires;                   /* seconds since 1970; 0: never */
};
void key_clear(struct key *k); /* leaves nothing of it in memory */

struct credentials {
    char *const *env;
    struct profile profile;
    struct http *http; /* for container and instance metadata: through no proxy */
    pthread_mutex_t lock;
    struct key key;
    int64_t asked; /* when they were looked for last */
    bool stale;    /* somebody was told that they are no good any more */
};
int credentials_init(struct credentials *c, char *const *env, const char *profile,
                     struct vml_error *err);
void credentials_clear(struct credentials *c);
/* A copy, to be cleared.  Any thread.  VML_ENOTFOUND aws/credentials: none anywhere;
 * VML_EUNSUPPORTED aws/profile-kind: the profile gets its keys in a way that vmlift does not know;
 * VML_EDATA aws/credentials: half of them, or no sense; VML_EIO. */
int credentials_get(struct credentials *c, struct key *out, struct vml_error *err);
/* The key was refused because its time is over: the next get looks for another.  False: that was
 * done a moment ago. */
bool credentials_renew(struct credentials *c, const char *access_key);

/* --- where they come from: 1 found, 0 not there, -1 error ------------------------------------- */

/* credentials_process.c: command is split into words as a shell does it, and run without one. */
int process_credentials(struct key *out, const char *command, char *const *env,
                        struct vml_error *err);
/* credentials_remote.c */
int container_credentials(struct key *out, struct http *http, char *const *env,
                          struct vml_error *err);
int instance_credentials(struct key *out, struct http *http, char *const *env,
                         struct vml_error *err);
/* The region of the instance this runs on. */
int instance_region(char region[32], struct http *http, char *const *env, struct vml_error *err);

/* The JSON object that processes, containers and instances answer with; token_name is "Token" or
 * "SessionToken".  VML_EDATA aws/credentials, in the name of `from`. */
int key_parse(struct key *out, const char *text, const char *token_name, const char *from,
              struct vml_error *err);

#endif
