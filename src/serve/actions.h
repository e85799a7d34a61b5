/* EC2's actions, a file for each subject. */
#ifndef VMLIFT_SERVE_ACTIONS_H
#define VMLIFT_SERVE_ACTIONS_H

#include "serve/serve.h"

/* actions_region.c */
vml_action_fn vml_do_describe_regions;

#endif
