/* The environment, and aws-cli's files. */
#ifndef VMLIFT_AWS_PROFILE_H
#define VMLIFT_AWS_PROFILE_H

#include "vmlift/aws.h"

/* The value of a variable; NULL when it is not there, or empty. */
const char *env_get(char *const *env, const char *name);

/* A profile out of both files, whose texts hold secrets. */
struct profile {
    char *name;
    bool given;                 /* and not chosen by the environment or for want of one */
    char *credentials, *config; /* the texts; "" of files that are not there */
};
/* name may be NULL.  VML_EUSAGE aws/profile: it was asked for, and is in neither file. */
int profile_read(struct profile *p, char *const *env, const char *name, struct vml_error *err);
void profile_clear(struct profile *p);

/* The value of a key of a section, the caller's to free with secret_free; NULL: there is none.
 * Sections are "[name]"; in the file "config" all but "default" are "[profile name]". */
int profile_credential(const struct profile *p, const char *key, char **out, struct vml_error *err);
int profile_setting(const struct profile *p, const char *key, char **out, struct vml_error *err);

/* Frees text that may be a secret, and leaves nothing of it. */
void secret_free(char *text);
void secret_freep(char **text);
/* The whole file, of at most 1 MiB; VML_ENOTFOUND io/not-found. */
int secret_read(char **out, const char *path, struct vml_error *err);

#endif
