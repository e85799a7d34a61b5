/* The endpoint: the local registry over EC2's Query API and EBS's direct APIs, for clients that
 * know AWS and nothing else.
 *
 * Every request is signed (Signature Version 4) with an access key of this store; the account is
 * the key's, the region that of the credential scope.  What is refused is refused with EC2's codes.
 */
#ifndef VMLIFT_SERVE_H
#define VMLIFT_SERVE_H

#include "vmlift/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- keys.c: STORE/access-keys, mode 0600, replaced at one stroke ----------------------------- */

#define VML_ACCESS_KEYS_MAX 1000u
struct vml_access_key {
    char id[32];     /* "AKIA" and 16 letters and digits */
    char secret[48]; /* 40 characters; to be wiped: vml_access_key_clear */
    char account[16];
    int64_t created; /* seconds since 1970 */
};
void vml_access_key_clear(struct vml_access_key *k);
/* dir is a store's folder, in which nothing else is touched; any process may do this while another
 * one serves, and it holds from the next request on.
 *
 * A new key of the account (12 digits; the caller has checked), which is on the disk when this
 * returns.  VML_EREFUSED serve/key-many. */
int vml_access_key_add(const char *dir, const char *account, struct vml_access_key *out,
                       struct vml_error *err);
/* VML_ENOTFOUND serve/key-missing. */
int vml_access_key_remove(const char *dir, const char *id, struct vml_error *err);
/* All of them, oldest first; fn returns -1 to stop.  VML_EDATA serve/key-damaged: the file is none
 * of ours; VML_EREFUSED serve/key-mode: others may read it. */
typedef int vml_access_key_fn(void *arg, const struct vml_access_key *k, struct vml_error *err);
int vml_access_key_each(const char *dir, vml_access_key_fn *fn, void *arg, struct vml_error *err);

/* --- server.c --------------------------------------------------------------------------------- */

/* A request that was answered, or a task that has ended: for a log. Valid until the function
 * returns. */
struct vml_served {
    const char *id;                                  /* the request's */
    const char *account, *region, *service, *action; /* "" where that was not to be found out */
    unsigned status;                                 /* HTTP's */
    const char *code, *text;                         /* of the error; "" without one.  text is ours,
                                                        also where the client was told less */
    double seconds;
};
/* Called from any thread, one call at a time. */
typedef void vml_served_fn(void *arg, const struct vml_served *request);

struct vml_serve_config {
    const char *dir;      /* the store's folder */
    unsigned store_flags; /* as of vml_store_open */
    const char *listen;   /* "127.0.0.1:8250", "[::1]:8250"; port 0: one that is free */
    const char
        *certificate; /* PEM texts, for TLS: the certificate and those above it, and the key */
    const char *private_key;    /* of the first.  NULL: plain HTTP */
    bool plain_anywhere;        /* plain HTTP also where others can listen in: behind a proxy */
    const char *const *regions; /* that are served; none: all that are named like one */
    size_t n_regions;
    const char *buckets;   /* the folder whose folders are buckets; NULL: there are none */
    vml_served_fn *served; /* may be NULL */
    void *arg;
};
/* All strings must outlive it. */
struct vml_server;
/* Listens when it returns.  VML_EUSAGE serve/listen; VML_EREFUSED serve/plain: HTTP without TLS on
 * an address that is not loopback; VML_EREFUSED serve/tls: certificate and key are of no use;
 * VML_EIO serve/bind, serve/start. */
int vml_server_start(struct vml_server **out, const struct vml_serve_config *config,
                     struct vml_error *err);
/* "http://127.0.0.1:8250", with the port that it got. */
const char *vml_server_url(const struct vml_server *s);
/* Serves until vml_interrupt; then takes no more, and lets what is under way end, 10 seconds at
 * most: a copy ends with an error, as every long wait of the library does. */
void vml_server_run(struct vml_server *s);
void vml_server_free(struct vml_server *s);
void vml_server_freep(struct vml_server **s);

#ifdef __cplusplus
}
#endif
#endif
