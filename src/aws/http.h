/* One HTTP exchange over libcurl, which keeps connections alive. */
#ifndef VMLIFT_AWS_HTTP_H
#define VMLIFT_AWS_HTTP_H

#include "vmlift/aws.h"

/* Handles that are not in use, each with the connections it keeps.  Any thread. */
struct http;
struct http_config {
    const char *ca_bundle; /* a file of certificates; NULL: the system's */
    bool no_verify;        /* whoever answers is believed */
    bool direct;           /* through no proxy, whatever the environment says to libcurl */
};
int http_new(struct http **out, const struct http_config *c, struct vml_error *err);
void http_free(struct http *h);

struct http_request {
    const char *method, *url;
    const struct vml_header *headers; /* "Name: value" each; an empty value is sent, too */
    size_t n_headers;
    const void *body;
    size_t body_len;
    long connect_ms; /* to be connected within, TLS and all */
    long stall_ms;   /* for which nothing may move; a multiple of a second */
    long total_ms;   /* for all of it */
    bool cleanup;    /* goes on although vmlift was interrupted: nothing is to be left behind */
};

struct http_answer {
    long status;
    char *headers; /* as they came, each line ended with a newline; owned */
    char *body;    /* owned; a NUL follows it.  NULL where there is none */
    size_t headers_len, body_len, body_cap;
    unsigned sent; /* how often the request went out: libcurl sends it again by itself where a
                      connection that was kept has ended, and nobody knows what became of the first
                      one */
};
void http_answer_clear(struct http_answer *a);
/* The value of a header, into buf; NULL: there is none, or it is longer than that. */
const char *http_header(const struct http_answer *a, const char *name, char *buf, size_t size);

/* Any status is an answer.  -1: there is none.  All are VML_EIO, and those marked * may go away by
 * themselves: aws/connect*, aws/timeout*, aws/broken* (the connection ended, or what came is not
 * HTTP), aws/tls (the certificate), aws/url; aws/too-large: more than HTTP_BODY_MAX. */
#define HTTP_BODY_MAX (64u << 20)
int http_exchange(struct http *h, const struct http_request *r, struct http_answer *a,
                  struct vml_error *err);

/* Sleeps, but not through an interruption, which it fails with, unless this is to clean up. */
int http_sleep(double seconds, bool cleanup, struct vml_error *err);

#endif
