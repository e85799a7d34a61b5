/* The endpoint and its access keys. */
#ifndef VMLIFT_CLI_SERVE_H
#define VMLIFT_CLI_SERVE_H

#include "cli.h"

verb_fn serve_key;

#endif
