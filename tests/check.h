/* What a unit test needs: each check says where and what, and ends the program. */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmlift/base.h"

#define CHECK(cond)                                                              \
    do {                                                                         \
        if (!(cond)) {                                                           \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #cond); \
            abort();                                                             \
        }                                                                        \
    } while (0)
#define CHECK_INT(got, want)                                                                   \
    do {                                                                                       \
        int64_t g_ = (int64_t)(got), w_ = (int64_t)(want);                                     \
        if (g_ != w_) {                                                                        \
            fprintf(stderr, "%s:%d: %s is %" PRId64 ", not %" PRId64 "\n", __FILE__, __LINE__, \
                    #got, g_, w_);                                                             \
            abort();                                                                           \
        }                                                                                      \
    } while (0)
#define CHECK_STR(got, want)                                                                   \
    do {                                                                                       \
        const char *g_ = (got), *w_ = (want);                                                  \
        if (strcmp(g_, w_) != 0) {                                                             \
            fprintf(stderr, "%s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #got, g_, \
                    w_);                                                                       \
            abort();                                                                           \
        }                                                                                      \
    } while (0)
/* call must return 0 */
#define CHECK_OK(call, err)                                                                 \
    do {                                                                                    \
        if ((call) < 0) {                                                                   \
            fprintf(stderr, "%s:%d: %s: %s [%s]\n", __FILE__, __LINE__, #call, (err)->text, \
                    (err)->slug);                                                           \
            abort();                                                                        \
        }                                                                                   \
    } while (0)
/* call must fail with this slug */
#define CHECK_FAILS(call, err, want)                                                             \
    do {                                                                                         \
        (err)->slug[0] = '\0';                                                                   \
        if ((call) == 0) {                                                                       \
            fprintf(stderr, "%s:%d: %s succeeded, not [%s]\n", __FILE__, __LINE__, #call, want); \
            abort();                                                                             \
        }                                                                                        \
        CHECK_STR((err)->slug, want);                                                            \
    } while (0)

#endif
