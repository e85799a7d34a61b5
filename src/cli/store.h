/* The verbs of "vmlift store" that have files of their own. */
#ifndef VMLIFT_CLI_STORE_H
#define VMLIFT_CLI_STORE_H

#include "cli.h"

verb_fn store_stats;

#endif
