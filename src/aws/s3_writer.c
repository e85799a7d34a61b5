/* A disk's file goes into the parts of an object as it is made.
 *
 *     format's writer -> push -> the part that is being filled -> full parts -> sent
 *
 * The format puts its chunks one at a time, and only the copy has threads: so each worker, before
 * it encodes a chunk, sends a part that is full, if there is one.  Where parts come quicker than
 * they are sent, push sends one itself; so no more of them are kept than KEPT_MAX bytes or
 * KEPT_LEAST parts. */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "s3.h"

#define KEPT_MAX   (UINT64_C(64) << 20)
#define KEPT_LEAST 3u

struct full {
    struct full *next;
    unsigned number;
    size_t len, size;
    uint8_t bytes[];
};
struct stream {
    struct vml_writer base;
    struct vml_writer *of;
    struct s3_upload *upload;
    uint64_t most; /* that the file can be */
    char *version;
    struct full *filling; /* push's own: one at a time */
    unsigned n;           /* parts that were begun */
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t sent;
    struct full *first, **last; /* full, to be sent */
    unsigned kept;              /* parts that are full and not sent yet */
};

/* Sends one that is full.  1: it did, 0: there is none. */
static int send_one(struct stream *s, struct vml_error *err)
{
    struct full *part;

    pthread_mutex_lock(&s->lock);
    part = s->first;
    if (part != NULL)
        s->first = part->next;
    if (s->first == NULL)
        s->last = &s->first;
    pthread_mutex_unlock(&s->lock);
    if (part == NULL)
        return 0;
    int rc = s3_upload_part(s->upload, part->number, part->bytes, part->len, err);
    free(part);
    pthread_mutex_lock(&s->lock);
    s->kept--;
    pthread_cond_broadcast(&s->sent);
    pthread_mutex_unlock(&s->lock);
    return rc < 0 ? -1 : 1;
}

/* Waits until others have sent so many that there is room, or sends what they do not. */
static int make_room(struct stream *s, uint64_t size, struct vml_error *err)
{
    unsigned most = (unsigned)vml_max_u64(KEPT_LEAST, KEPT_MAX / size);

    for (;;) {
        pthread_mutex_lock(&s->lock);
        while (s->kept >= most && s->first == NULL)
            pthread_cond_wait(&s->sent, &s->lock);
        bool room = s->kept < most;
        pthread_mutex_unlock(&s->lock);
        if (room)
            return 0;
        if (send_one(s, err) < 0)
            return -1;
    }
}

static void part_is_full(struct stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->filling->next = NULL;
    *s->last = s->filling;
    s->last = &s->filling->next;
    s->kept++;
    pthread_mutex_unlock(&s->lock);
    s->filling = NULL;
}

static int begin_part(struct stream *s, struct vml_error *err)
{
    size_t size = (size_t)s3_part_size(s->most, ++s->n);

    if (make_room(s, size, err) < 0)
        return -1;
    s->filling = malloc(sizeof *s->filling + size);
    if (s->filling == NULL)
        return vml_fail_nomem(err);
    s->filling->number = s->n;
    s->filling->size = size;
    s->filling->len = 0;
    return 0;
}

static int push(void *arg, const void *buf, size_t len, struct vml_error *err)
{
    struct stream *s = arg;
    const uint8_t *from = buf;

    while (len > 0) {
        if (s->filling == NULL && begin_part(s, err) < 0)
            return -1;
        size_t n = vml_min_u64(len, s->filling->size - s->filling->len);
        memcpy(s->filling->bytes + s->filling->len, from, n);
        s->filling->len += n;
        from += n;
        len -= n;
        if (s->filling->len == s->filling->size)
            part_is_full(s);
    }
    return 0;
}

/* --- what the copy calls ---------------------------------------------------------------------- */

static int stream_encode(struct vml_writer *w, struct vml_chunk *c, struct vml_error *err)
{
    struct stream *s = (struct stream *)w;

    if (send_one(s, err) < 0)
        return -1;
    return s->of->ops->encode != NULL ? s->of->ops->encode(s->of, c, err) : 0;
}

static int stream_put(struct vml_writer *w, const struct vml_chunk *c, struct vml_error *err)
{
    struct stream *s = (struct stream *)w;

    return s->of->ops->put(s->of, c, err);
}

static int stream_finish(struct vml_writer *w, uint64_t size, struct vml_error *err)
{
    struct stream *s = (struct stream *)w;
    int rc;

    if (s->of->ops->finish(s->of, size, err) < 0)
        return -1;
    if (s->filling != NULL)
        part_is_full(s);
    do
        rc = send_one(s, err);
    while (rc > 0);
    if (rc < 0 || s3_upload_finish(s->upload, s->n, err) < 0)
        return -1;
    if (s->version != NULL)
        snprintf(s->version, 128, "%s", s3_upload_version(s->upload));
    return 0;
}

static void stream_free(struct vml_writer *w)
{
    struct stream *s = (struct stream *)w;

    vml_writer_free(s->of);
    s3_upload_free(s->upload);
    while (s->first != NULL) {
        struct full *next = s->first->next;
        free(s->first);
        s->first = next;
    }
    free(s->filling);
    pthread_cond_destroy(&s->sent);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static const struct vml_writer_ops stream_ops = {
    .encode = stream_encode, .put = stream_put, .finish = stream_finish, .free = stream_free
};

/* What a grain may grow by that does not compress, and tables. */
static uint64_t file_most(uint64_t size)
{
    return size + size / 32 + (UINT64_C(16) << 20);
}

static int open_stream(struct stream *s, const struct s3_object *o, const struct s3_disk *disk,
                       struct vml_error *err)
{
    VML_AUTO(vml_freep) char *name = NULL;
    struct vml_output *to = NULL;

    if (asprintf(&name, "s3://%s/%s", o->bucket, o->key) < 0) {
        name = NULL;
        return vml_fail_nomem(err);
    }
    if (vml_output_callback(&to, name, push, s, err) < 0 ||
        vml_image_create(&s->of, disk->format, to, disk->size, disk->subformat, disk->options,
                         err) < 0)
        return -1;
    assert(s->of->ordered);
    s->base.format = s->of->format;
    s->base.subformat = s->of->subformat;
    s->base.name = strdup(name);
    s->base.size = s->of->size;
    s->base.unit = s->of->unit;
    s->base.batch = s->of->batch;
    s->base.codec = s->of->codec;
    s->base.ordered = true;
    return s->base.name != NULL ? 0 : vml_fail_nomem(err);
}

int s3_writer(struct vml_writer **out, const struct s3_object *o, const struct s3_disk *disk,
              char version[128], struct vml_error *err)
{
    struct stream *s = calloc(1, sizeof *s);

    if (s == NULL)
        return vml_fail_nomem(err);
    s->base.ops = &stream_ops;
    s->most = file_most(disk->size);
    s->version = version;
    s->last = &s->first;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->sent, NULL);
    /* The header of the file is pushed by now, into a part that is not sent before it is full. */
    if (open_stream(s, o, disk, err) < 0 || s3_upload_begin(&s->upload, o, err) < 0) {
        vml_writer_free(&s->base);
        return -1;
    }
    *out = &s->base;
    return 0;
}
