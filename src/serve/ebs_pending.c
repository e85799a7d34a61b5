/* Snapshots that are being written.  They are the server's alone: whoever asks again after it was
 * started anew finds none, and the store's gc what they have left. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "serve/ebs.h"

#define PENDING_MAX 100u  /* of an account: EBS's own quota */
#define ENDED_MAX   1000u /* that are remembered */

void vml_pending_free(struct pending *p)
{
    vml_snapshot_clear(&p->what);
    vml_marks_clear(&p->marks);
    free(p);
}

/* --- the list: with the lock held ----------------------------------------------------------- */

static bool is_of(const struct pending *p, const struct vml_where *where)
{
    return strcmp(p->account, where->owner) == 0 && strcmp(p->region, where->region) == 0;
}

/* Forgets the oldest of those that have ended, where they are too many. */
static void forget(struct vml_ebs *e)
{
    size_t ended = 0;

    for (struct pending *p = e->first; p != NULL; p = p->next)
        ended += p->state != PENDING;
    for (struct pending **at = &e->first; ended > ENDED_MAX && *at != NULL;) {
        struct pending *p = *at;

        if (p->state == PENDING || p->users > 0 || p->upload != NULL) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        vml_pending_free(p);
        ended--;
    }
}

static int add(struct vml_ebs *e, struct pending *p, struct vml_error *err)
{
    struct pending **at = &e->first;
    unsigned same = 0;

    for (; *at != NULL; at = &(*at)->next)
        same += (*at)->state == PENDING && strcmp((*at)->account, p->account) == 0;
    if (same >= PENDING_MAX)
        return vml_fail(err, VML_EREFUSED, "ServiceQuotaExceededException",
                        "The account has %u pending snapshots, and may have no more", same);
    *at = p;
    return 0;
}

/* Takes what it was written with away from it, to be freed without the lock, which others wait
 * for. */
static struct pending take(struct pending *p)
{
    const struct pending was = *p;

    p->upload = NULL;
    p->store = NULL;
    return was;
}

static void drop(struct vml_ebs *e, const struct pending *was)
{
    vml_upload_free(was->upload);
    if (was->store != NULL)
        vml_server_let_go(e->server, was->store);
}

/* --- one of them ---------------------------------------------------------------------------- */

int vml_pending_add(struct vml_ebs *e, struct pending *p, struct vml_error *err)
{
    pthread_mutex_lock(&e->lock);
    int rc = add(e, p, err);
    forget(e);
    pthread_mutex_unlock(&e->lock);
    if (rc < 0)
        vml_pending_drop(e, p);
    return rc;
}

void vml_pending_drop(struct vml_ebs *e, struct pending *p)
{
    const struct pending was = take(p);

    drop(e, &was);
    vml_pending_free(p);
}

struct pending *vml_pending_hold(struct vml_ebs *e, const struct vml_where *where, const char *id,
                                 enum pending_state *state)
{
    pthread_mutex_lock(&e->lock);
    struct pending *p = e->first;
    while (p != NULL && (!is_of(p, where) || p->state == CANCELLED || strcmp(p->what.id, id) != 0))
        p = p->next;
    if (p != NULL) {
        *state = p->state;
        p->users++;
    }
    pthread_mutex_unlock(&e->lock);
    return p;
}

void vml_pending_let_go(struct vml_ebs *e, struct pending *p)
{
    struct pending was = { .upload = NULL };

    pthread_mutex_lock(&e->lock);
    if (--p->users == 0 && p->state != PENDING)
        was = take(p);
    pthread_mutex_unlock(&e->lock);
    drop(e, &was);
}

void vml_pending_end(struct vml_ebs *e, struct pending *p, enum pending_state state)
{
    pthread_mutex_lock(&e->lock);
    if (p->state == PENDING)
        p->state = state;
    pthread_mutex_unlock(&e->lock);
}

/* --- all of them ---------------------------------------------------------------------------- */

/* Those that are pending, held. */
static size_t hold_all(struct vml_ebs *e, struct pending **list, size_t cap)
{
    size_t n = 0;

    pthread_mutex_lock(&e->lock);
    for (struct pending *p = e->first; p != NULL && n < cap; p = p->next)
        if (p->state == PENDING) {
            p->users++;
            list[n++] = p;
        }
    pthread_mutex_unlock(&e->lock);
    return n;
}

/* A put may be waiting for the disk, and with it whoever asks its upload: not the whole list. */
void vml_ebs_tick(struct vml_ebs *e)
{
    struct pending *list[10 * PENDING_MAX];
    size_t n = hold_all(e, list, sizeof list / sizeof list[0]);

    for (size_t i = 0; i < n; i++) {
        if (vml_upload_dead(list[i]->upload))
            vml_pending_end(e, list[i], FAILED);
        vml_pending_let_go(e, list[i]);
    }
}

static int tell(const struct pending *p, vml_ebs_snapshot_fn *fn, void *arg, struct vml_error *err)
{
    const struct vml_ebs_snapshot s = {
        .id = p->what.id,
        .state = p->state == PENDING ? "pending" : "error",
        .description = p->what.description,
        .key = p->what.key,
        .size = p->what.size,
        .started = p->what.created,
        .progress = p->progress,
        .tags = p->marks.tags,
        .n_tags = p->marks.n_tags,
    };

    return p->state == PENDING || p->state == FAILED ? fn(arg, &s, err) : 0;
}

int vml_ebs_each(struct vml_ebs *e, const struct vml_where *where, vml_ebs_snapshot_fn *fn,
                 void *arg, struct vml_error *err)
{
    int rc = 0;

    pthread_mutex_lock(&e->lock);
    for (const struct pending *p = e->first; rc == 0 && p != NULL; p = p->next)
        if (is_of(p, where))
            rc = tell(p, fn, arg, err);
    pthread_mutex_unlock(&e->lock);
    return rc;
}

int vml_ebs_cancel(struct vml_ebs *e, const struct vml_where *where, const char *id,
                   struct vml_error *err)
{
    enum pending_state state;
    struct pending *p = vml_pending_hold(e, where, id, &state);
    bool there;

    (void)err;
    if (p == NULL)
        return 0;
    pthread_mutex_lock(&e->lock);
    there = p->state != COMPLETED;
    if (there)
        p->state = CANCELLED;
    pthread_mutex_unlock(&e->lock);
    vml_pending_let_go(e, p);
    return there;
}

void vml_ebs_free(struct vml_ebs *e)
{
    if (e == NULL)
        return;
    while (e->first != NULL) {
        struct pending *p = e->first;

        e->first = p->next;
        vml_pending_drop(e, p);
    }
    pthread_mutex_destroy(&e->lock);
    OPENSSL_cleanse(e->secret, sizeof e->secret);
    free(e);
}
