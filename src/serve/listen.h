/* Where the server listens. */
#ifndef VMLIFT_SERVE_LISTEN_H
#define VMLIFT_SERVE_LISTEN_H

#include "serve/serve.h"

/* A listening socket at "HOST:PORT", and its URL, the caller's to free.  anywhere: the address may
 * be one that is not loopback. */
int vml_listen(const char *where, bool anywhere, bool tls, int *fd, char **url,
               struct vml_error *err);

#endif
