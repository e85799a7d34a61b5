/* How often all callers together may ask, and how often again.
 *
 * A service that throttles one caller throttles all of them: the rate is cut for everybody to a
 * part of what got through, and grows again while nothing is refused.  What fails otherwise is
 * tried again out of a budget, which every answer fills up a little: one request in five may fail
 * for ever, but when all of them do, it is used up soon. */
#ifndef VMLIFT_AWS_PACE_H
#define VMLIFT_AWS_PACE_H

#include <pthread.h>

#include "vmlift/aws.h"

#define PACE_BUDGET 500 /* retries */

struct pace {
    pthread_mutex_t lock;
    double rate;     /* requests in a second; 0: as many as there are */
    double next;     /* when the next one may go; all times are in seconds of the monotonic clock */
    double cut;      /* when the rate was cut last */
    double since;    /* what got through is counted from here on */
    double answered; /* requests since then */
    double budget;
    struct vml_aws_stats stats;
};
void pace_init(struct pace *p);
void pace_clear(struct pace *p);
/* Waits for the turn of one more request. */
int pace_wait(struct pace *p, bool cleanup, struct vml_error *err);
void pace_throttled(struct pace *p);
void pace_answered(struct pace *p);
/* One retry out of the budget; false: there is none left. */
bool pace_retry(struct pace *p);
void pace_stats(struct pace *p, struct vml_aws_stats *out);
double pace_now(void);

#endif
