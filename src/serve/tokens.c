/* Client tokens: who asks again for what was done, since the answer got lost, gets the same answer.
 *
 * They are kept as long as the server runs, the last TOKENS_MAX of them. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "serve/serve.h"

#define TOKENS_MAX 4096u

struct token {
    char *key, *answer; /* answer NULL: it is being done */
    uint8_t digest[32];
    uint64_t used; /* when, in the order of all */
};
struct vml_tokens {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    struct token items[TOKENS_MAX]; /* those without a key are free */
    uint64_t clock;
};

int vml_tokens_new(struct vml_tokens **out, struct vml_error *err)
{
    struct vml_tokens *t = calloc(1, sizeof *t);

    if (t == NULL)
        return vml_fail_nomem(err);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->ended, NULL);
    *out = t;
    return 0;
}

static void token_clear(struct token *t)
{
    free(t->key);
    free(t->answer);
    *t = (struct token){ NULL, NULL, { 0 }, 0 };
}

void vml_tokens_free(struct vml_tokens *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < TOKENS_MAX; i++)
        token_clear(&t->items[i]);
    pthread_cond_destroy(&t->ended);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static struct token *find(struct vml_tokens *t, const char *key)
{
    for (size_t i = 0; i < TOKENS_MAX; i++)
        if (t->items[i].key != NULL && strcmp(t->items[i].key, key) == 0)
            return &t->items[i];
    return NULL;
}

/* A free one, or the one that was not asked for for the longest time; NULL: all are at work. */
static struct token *take(struct vml_tokens *t)
{
    struct token *oldest = NULL;

    for (size_t i = 0; i < TOKENS_MAX; i++) {
        struct token *at = &t->items[i];
        if (at->key == NULL)
            return at;
        if (at->answer != NULL && (oldest == NULL || at->used < oldest->used))
            oldest = at;
    }
    if (oldest != NULL)
        token_clear(oldest);
    return oldest;
}

static int begin(struct vml_tokens *t, const char *key, const uint8_t digest[32],
                 struct vml_error *err)
{
    struct token *at = take(t);

    if (at == NULL)
        return vml_fail(err, VML_EREFUSED, "RequestLimitExceeded",
                        "%u requests with a client token are being worked on", TOKENS_MAX);
    at->key = strdup(key);
    if (at->key == NULL)
        return vml_fail_nomem(err);
    memcpy(at->digest, digest, sizeof at->digest);
    at->used = ++t->clock;
    return 0;
}

/* With the lock held. */
static int find_or_begin(struct vml_tokens *t, const char *key, const uint8_t digest[32],
                         char **saved, struct vml_error *err)
{
    struct token *at;

    while ((at = find(t, key)) != NULL) {
        if (memcmp(at->digest, digest, sizeof at->digest) != 0)
            return vml_fail(err, VML_EREFUSED, "IdempotentParameterMismatch",
                            "The request uses the same client token as a previous, but "
                            "non-identical request");
        if (at->answer != NULL) {
            at->used = ++t->clock;
            *saved = strdup(at->answer);
            return *saved != NULL ? 1 : vml_fail_nomem(err);
        }
        pthread_cond_wait(&t->ended, &t->lock);
    }
    return begin(t, key, digest, err);
}

int vml_tokens_begin(struct vml_tokens *t, const char *key, const uint8_t digest[32], char **saved,
                     struct vml_error *err)
{
    *saved = NULL;
    pthread_mutex_lock(&t->lock);
    int rc = find_or_begin(t, key, digest, saved, err);
    pthread_mutex_unlock(&t->lock);
    return rc;
}

void vml_tokens_end(struct vml_tokens *t, const char *key, const char *answer)
{
    pthread_mutex_lock(&t->lock);
    struct token *at = find(t, key);
    if (at != NULL && answer != NULL)
        at->answer = strdup(answer);
    if (at != NULL && at->answer == NULL)
        token_clear(at);
    pthread_cond_broadcast(&t->ended);
    pthread_mutex_unlock(&t->lock);
}
