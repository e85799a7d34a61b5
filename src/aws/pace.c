#include "pace.h"

#include <time.h>

#include "http.h"

#define CUT      0.7 /* of the rate that got through */
#define GROW     0.3 /* requests a second more with every answer: a third more in a second */
#define CUT_REST 0.5 /* seconds in which refusals are of requests from before the last cut */
#define WINDOW   2.0
#define RATE_MIN 0.5
#define LENIENT  50.0   /* what the rate is cut to at least by a refusal that comes alone .. */
#define ALONE    5.0    /* .. so many seconds after the last */
#define RATE_MAX 5000.0 /* a rate that grew so far is none */
#define REFILL   0.25   /* of a retry, for every answer */

double pace_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void pace_init(struct pace *p)
{
    *p = (struct pace){ .lock = PTHREAD_MUTEX_INITIALIZER,
                        .since = pace_now(),
                        .budget = PACE_BUDGET };
}

void pace_clear(struct pace *p)
{
    pthread_mutex_destroy(&p->lock);
}

int pace_wait(struct pace *p, bool cleanup, struct vml_error *err)
{
    double now = pace_now(), wait = 0;

    pthread_mutex_lock(&p->lock);
    p->stats.requests++;
    if (p->rate > 0) {
        p->next = p->next > now ? p->next : now;
        wait = p->next - now;
        p->next += 1 / p->rate;
    }
    pthread_mutex_unlock(&p->lock);
    return wait > 0 ? http_sleep(wait, cleanup, err) : 0;
}

/* With the lock held: what got through lately, in requests a second. */
static double measured(struct pace *p, double now)
{
    double span = now - p->since, rate = p->answered / (span > 0.1 ? span : 0.1);

    if (span > WINDOW) { /* what is long ago tells little */
        p->since = now - WINDOW / 2;
        p->answered = rate * (WINDOW / 2);
    }
    return rate;
}

void pace_throttled(struct pace *p)
{
    double now = pace_now(), rate;

    pthread_mutex_lock(&p->lock);
    p->stats.throttled++;
    rate = measured(p, now);
    if (now - p->cut > CUT_REST) {
        double least = now - p->cut > ALONE ? LENIENT : RATE_MIN;

        p->cut = now;
        if (p->rate > 0 && p->rate < rate)
            rate = p->rate;
        p->rate = rate * CUT > least ? rate * CUT : least;
    }
    pthread_mutex_unlock(&p->lock);
}

void pace_answered(struct pace *p)
{
    double now = pace_now();

    pthread_mutex_lock(&p->lock);
    (void)measured(p, now);
    p->answered++;
    if (p->rate > 0 && now - p->cut > CUT_REST) {
        p->rate += GROW;
        if (p->rate > RATE_MAX)
            p->rate = 0;
    }
    p->budget += p->budget < PACE_BUDGET ? REFILL : 0;
    pthread_mutex_unlock(&p->lock);
}

bool pace_retry(struct pace *p)
{
    bool left;

    pthread_mutex_lock(&p->lock);
    left = p->budget >= 1;
    if (left) {
        p->budget--;
        p->stats.retries++;
    }
    pthread_mutex_unlock(&p->lock);
    return left;
}

void pace_stats(struct pace *p, struct vml_aws_stats *out)
{
    pthread_mutex_lock(&p->lock);
    *out = p->stats;
    out->budget = (unsigned)p->budget;
    out->rate = p->rate;
    pthread_mutex_unlock(&p->lock);
}
