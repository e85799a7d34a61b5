/* A key's passphrase: from a file, or from the terminal without echo; never from the command line
 * or the environment itself, which other processes may read. */
#ifndef VMLIFT_CLI_PASSPHRASE_H
#define VMLIFT_CLI_PASSPHRASE_H

#include "vmlift/key.h"

struct passphrase {
    char text[VML_PASSPHRASE_MAX];
    size_t len; /* 0: there is none */
};
void passphrase_clear(struct passphrase *p); /* wipes it */

/* The first line of a file.  VML_EUSAGE usage/passphrase. */
int passphrase_read(struct passphrase *p, const char *path, struct vml_error *err);
/* Asks on the terminal, with twice a second time for what cannot be corrected.  VML_EREFUSED
 * key/passphrase where there is no terminal. */
int passphrase_ask(struct passphrase *p, const char *prompt, bool twice, struct vml_error *err);

#endif
