/* The copy loop, and the only threads.
 *
 * Each worker repeats: under the in-lock take the next ticket and let the reader tell the extents
 * of one chunk; unlocked: load, zero test, encode; then put: at once where the writer takes any
 * order, else the slot is marked done, and whoever finds the oldest slot done puts all that are
 * ready.  Nobody waits unless the ring is full: 4 slots for each worker keep it at about 100 % of
 * ideal, where waiting for one's turn reached 61 to 81 %.
 *
 * A failure at ticket t ends the taking of tickets; what is under way below t still goes on, so
 * that the failure that lies first in the disk is the one reported, whatever the timing.
 *
 * Where reader and writer store the same unit in the same codec, load still decodes every unit, by
 * which it is known to be right; encode gets the stored bytes beside, and need not make them again:
 * deflate costs several times what all the rest does. */
#include "vmlift/copy.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS_PER_WORKER = 4, THREADS_MAX = 256 };

/* The part of an extent that lies in one chunk. */
struct piece {
    struct vml_extent x;
    uint64_t off, len;
};

struct slot {
    struct vml_chunk chunk;
    uint8_t *buf; /* chunk size; made on first use, as are: */
    struct vml_stored
        *stored; /* one for each of the reader's units; only where they are passed on */
    size_t n_stored;
    struct piece *pieces;
    size_t n_pieces, cap_pieces;
    uint64_t ticket;
    bool done;
};

struct job {
    struct vml_reader *r;
    struct vml_writer *w;
    struct vml_copy *opts;
    uint32_t align, chunk_size;
    bool pass_stored; /* the writer takes units as the reader stores them */

    pthread_mutex_t in;      /* the reader's extents, and the ticket that goes with them */
    uint64_t ticket;         /* the next one */
    uint64_t off;            /* where it starts in the disk */
    uint64_t size;           /* of the target; unknown until the end for a raw pipe */
    struct vml_extent ahead; /* the extent that reaches beyond the last chunk; len 0: none */

    pthread_mutex_t out; /* all below; taken inside `in`, never around it */
    pthread_cond_t room;
    struct slot *slots;
    size_t n_slots;
    uint64_t turn; /* the ticket to put next (ordered) */
    bool putting;
    uint64_t done;
    uint64_t failed; /* ticket of the failure; UINT64_MAX: none */
    struct vml_error error;
};

/* --- failing -------------------------------------------------------------------------------- */

static void job_fail(struct job *j, uint64_t ticket, const struct vml_error *err)
{
    pthread_mutex_lock(&j->out);
    if (ticket < j->failed) {
        j->failed = ticket;
        j->error = *err;
    }
    pthread_cond_broadcast(&j->room);
    pthread_mutex_unlock(&j->out);
}

static int reader_failed(const struct job *j, struct vml_error *err)
{
    if (j->r->name != NULL && err->code != VML_EINTERRUPTED)
        vml_error_prefix(err, "%s", j->r->name);
    return -1;
}

static int writer_failed(const struct job *j, struct vml_error *err)
{
    if (j->w->name != NULL && err->code != VML_EINTERRUPTED)
        vml_error_prefix(err, "%s", j->w->name);
    return -1;
}

/* --- taking a chunk: serial, cheap ---------------------------------------------------------- */

/* Make j->ahead the extent at `off`, which is below the end. Sets j->size when a raw pipe ends. */
static int look_ahead(struct job *j, uint64_t off, struct vml_error *err)
{
    if (j->ahead.len > 0 && off < j->ahead.off + j->ahead.len)
        return 0;
    if (j->r->size != VML_SIZE_UNKNOWN && off >= j->r->size) { /* the target is larger */
        j->ahead = (struct vml_extent){ .off = off, .len = j->size - off, .kind = VML_HOLE };
        return 0;
    }
    if (vml_extent_at(j->r, off, &j->ahead, err) < 0)
        return reader_failed(j, err);
    if (j->ahead.len == 0)
        j->size = off;
    return 0;
}

static int add_piece(struct slot *s, const struct vml_extent *x, uint64_t off, uint64_t len,
                     struct vml_error *err)
{
    if (s->n_pieces == s->cap_pieces) {
        size_t cap = s->cap_pieces > 0 ? 2 * s->cap_pieces : 16;
        struct piece *grown = realloc(s->pieces, cap * sizeof *grown);

        if (grown == NULL)
            return vml_fail_nomem(err);
        s->pieces = grown;
        s->cap_pieces = cap;
    }
    s->pieces[s->n_pieces++] = (struct piece){ .x = *x, .off = off, .len = len };
    return 0;
}

static void clear_pieces(struct slot *s)
{
    for (size_t i = 0; i < s->n_pieces; i++)
        vml_extent_clear(&s->pieces[i].x);
    s->n_pieces = 0;
}

/* A run without data that is worth a chunk of its own: reaches the next aligned offset or the end.
 */
static uint64_t hole_length(const struct job *j, uint64_t off)
{
    uint64_t end = j->ahead.off + j->ahead.len;

    if (j->ahead.kind == VML_DATA)
        return 0;
    if (end < j->size)
        end = vml_round_down(end, j->align);
    return end > off ? end - off : 0;
}

/* The next chunk into s: its place, kind and pieces, no bytes.  1: got one, 0: the disk has ended.
 */
static int take_chunk(struct job *j, struct slot *s, struct vml_error *err)
{
    struct vml_chunk *c = &s->chunk;
    uint64_t pos = j->off, limit = j->off + j->chunk_size;

    c->off = j->off;
    c->kind = VML_HOLE;
    while (pos < j->size && pos < limit) {
        uint64_t hole, end;

        if (look_ahead(j, pos, err) < 0)
            return -1;
        if (j->ahead.len == 0)
            break;
        hole = pos % j->align == 0 ? hole_length(j, pos) : 0;
        if (hole > 0 && c->kind == VML_DATA)
            break; /* the data so far is a chunk, the hole the next */
        if (hole > 0) {
            c->kind = j->ahead.kind;
            pos += hole;
            break;
        }
        c->kind = VML_DATA;
        end = vml_min_u64(j->ahead.off + j->ahead.len, limit);
        if (j->ahead.kind != VML_DATA) /* only up to where a chunk of its own can start */
            end = vml_min_u64(end, vml_round_up(pos + 1, j->align));
        /* a payload is one unit of the reader's, and chunks are aligned to those */
        assert(j->ahead.payload == NULL || end == j->ahead.off + j->ahead.len);
        if (add_piece(s, &j->ahead, pos, end - pos, err) < 0)
            return -1;
        j->ahead.payload = NULL; /* the piece owns it now */
        pos = end;
    }
    c->len = pos - c->off;
    j->off = pos;
    return c->len > 0;
}

/* --- the work: parallel, pure --------------------------------------------------------------- */

static int reserve_slot(const struct job *j, struct slot *s, struct vml_error *err)
{
    if (s->buf == NULL)
        s->buf = malloc(j->chunk_size);
    if (s->stored == NULL && j->pass_stored)
        s->stored = calloc(j->chunk_size / j->r->unit, sizeof *s->stored);
    return s->buf == NULL || (s->stored == NULL && j->pass_stored) ? vml_fail_nomem(err) : 0;
}

/* The bytes of a piece; of a whole unit also those that are stored, if the writer takes them. */
static int load_piece(const struct job *j, struct slot *s, struct piece *p, struct vml_error *err)
{
    uint8_t *to = s->buf + (p->off - s->chunk.off);
    bool pass = j->pass_stored && p->off % j->r->unit == 0 && p->len == j->r->unit;

    if (p->x.kind != VML_DATA) {
        memset(to, 0, p->len);
        return 0;
    }
    if (pass && p->x.payload == NULL && j->r->ops->fetch(j->r, &p->x, err) < 0)
        return reader_failed(j, err);
    if (j->r->ops->load(j->r, &p->x, p->off, p->len, to, err) < 0)
        return reader_failed(j, err);
    if (pass)
        s->stored[s->n_stored++] =
            (struct vml_stored){ .off = p->off, .bytes = p->x.payload, .len = p->x.payload_len };
    return 0;
}

static int work(struct job *j, struct slot *s, struct vml_error *err)
{
    struct vml_chunk *c = &s->chunk;

    c->data = NULL;
    c->enc_len = 0;
    s->n_stored = 0;
    if (c->kind != VML_DATA)
        return 0;
    if (reserve_slot(j, s, err) < 0)
        return -1;
    for (size_t i = 0; i < s->n_pieces; i++)
        if (load_piece(j, s, &s->pieces[i], err) < 0)
            return -1;
    if (vml_is_zero(s->buf, c->len)) {
        c->kind = VML_ZERO;
        return 0;
    }
    c->data = s->buf;
    c->stored = s->stored;
    c->n_stored = s->n_stored;
    if (j->w->ops->encode != NULL && j->w->ops->encode(j->w, c, err) < 0)
        return writer_failed(j, err);
    c->stored = NULL; /* the pieces, whose bytes these are, go before the chunk is put */
    c->n_stored = 0;
    return 0;
}

/* --- putting -------------------------------------------------------------------------------- */

/* With j->out held. */
static void count(struct job *j, const struct vml_chunk *c)
{
    if (c->kind == VML_DATA)
        j->opts->bytes.data += c->len;
    else if (c->kind == VML_ZERO)
        j->opts->bytes.zero += c->len;
    else
        j->opts->bytes.hole += c->len;
    j->done += c->len;
    if (j->opts->progress != NULL)
        j->opts->progress(j->opts->arg, j->done, j->size);
}

static int put(struct job *j, struct slot *s, struct vml_error *err)
{
    return j->w->ops->put(j->w, &s->chunk, err) < 0 ? writer_failed(j, err) : 0;
}

/* Mark s done; if nobody is putting, put all that are ready in their order. */
static void put_in_turn(struct job *j, struct slot *s)
{
    struct vml_error err;

    pthread_mutex_lock(&j->out);
    s->done = true;
    if (!j->putting) {
        struct slot *oldest = &j->slots[j->turn % j->n_slots];

        j->putting = true;
        while (oldest->done && j->turn < j->failed) {
            int rc;

            pthread_mutex_unlock(&j->out);
            rc = put(j, oldest, &err);
            if (rc < 0)
                job_fail(j, oldest->ticket, &err);
            pthread_mutex_lock(&j->out);
            if (rc < 0)
                break;
            count(j, &oldest->chunk);
            oldest->done = false;
            j->turn++;
            pthread_cond_broadcast(&j->room);
            oldest = &j->slots[j->turn % j->n_slots];
        }
        j->putting = false;
    }
    pthread_mutex_unlock(&j->out);
}

/* The slot for the next ticket, once it is free; NULL when the copy has failed.  Called with `in`
 * held, by which j->ticket stands still. */
static struct slot *free_slot(struct job *j, struct slot *own)
{
    struct slot *s = own;

    pthread_mutex_lock(&j->out);
    if (own == NULL) {
        while (j->failed == UINT64_MAX && j->ticket >= j->turn + j->n_slots)
            pthread_cond_wait(&j->room, &j->out);
        s = &j->slots[j->ticket % j->n_slots];
    }
    if (j->failed != UINT64_MAX)
        s = NULL;
    pthread_mutex_unlock(&j->out);
    return s;
}

/* --- workers -------------------------------------------------------------------------------- */

static bool stopped(const struct job *j)
{
    return vml_interrupted() || (j->opts->stop != NULL && j->opts->stop(j->opts->arg));
}

/* One chunk from the reader to the writer.  False: no more of them for this worker. */
static bool carry(struct job *j, struct slot *own)
{
    struct vml_error err;
    struct slot *s;
    uint64_t ticket;
    bool wanted;
    int rc;

    pthread_mutex_lock(&j->in);
    s = free_slot(j, own);
    if (s == NULL) {
        pthread_mutex_unlock(&j->in);
        return false;
    }
    ticket = s->ticket = j->ticket++;
    rc = take_chunk(j, s, &err);
    pthread_mutex_unlock(&j->in);
    if (rc == 0) {
        clear_pieces(s);
        return false;
    }
    if (stopped(j)) {
        rc = vml_fail_interrupted(&err);
        ticket = 0; /* nothing that is under way is wanted any more */
    } else if (rc > 0) {
        rc = work(j, s, &err);
    }
    clear_pieces(s);
    if (rc < 0) {
        job_fail(j, ticket, &err);
        return false;
    }
    if (own == NULL) {
        put_in_turn(j, s);
        return true;
    }
    pthread_mutex_lock(&j->out);
    wanted = ticket < j->failed;
    pthread_mutex_unlock(&j->out);
    if (wanted && put(j, s, &err) < 0) {
        job_fail(j, ticket, &err);
        return false;
    }
    pthread_mutex_lock(&j->out);
    count(j, &s->chunk);
    pthread_mutex_unlock(&j->out);
    return true;
}

struct worker {
    struct job *job;
    struct slot *own; /* NULL: any of the ring, in order */
    pthread_t thread;
};

static void *worker_main(void *arg)
{
    struct worker *me = arg;

    while (carry(me->job, me->own))
        ;
    return NULL;
}

/* Runs with as many threads as can be had; the calling one is the first of them. */
static void run(struct job *j, struct worker *workers, unsigned threads)
{
    unsigned started = 1;

    for (unsigned i = 0; i < threads; i++)
        workers[i] = (struct worker){ .job = j, .own = j->w->ordered ? NULL : &j->slots[i] };
    while (started < threads &&
           pthread_create(&workers[started].thread, NULL, worker_main, &workers[started]) == 0)
        started++;
    worker_main(&workers[0]);
    for (unsigned i = 1; i < started; i++)
        pthread_join(workers[i].thread, NULL);
}

static void job_clear(struct job *j)
{
    for (size_t i = 0; i < j->n_slots; i++) {
        clear_pieces(&j->slots[i]);
        free(j->slots[i].pieces);
        free(j->slots[i].buf);
        free(j->slots[i].stored);
        free(j->slots[i].chunk.enc);
    }
    free(j->slots);
    vml_extent_clear(&j->ahead);
    pthread_mutex_destroy(&j->in);
    pthread_mutex_destroy(&j->out);
    pthread_cond_destroy(&j->room);
}

static int finish(struct job *j, struct vml_error *err)
{
    if (stopped(j))
        return vml_fail_interrupted(err);
    if (j->r->ops->end != NULL && j->r->ops->end(j->r, err) < 0)
        return reader_failed(j, err);
    return j->w->ops->finish(j->w, j->size, err) < 0 ? writer_failed(j, err) : 0;
}

int vml_copy(struct vml_reader *r, struct vml_writer *w, struct vml_copy *c, struct vml_error *err)
{
    struct worker workers[THREADS_MAX];
    struct job j = {
        .r = r,
        .w = w,
        .opts = c,
        .in = PTHREAD_MUTEX_INITIALIZER,
        .out = PTHREAD_MUTEX_INITIALIZER,
        .room = PTHREAD_COND_INITIALIZER,
        .align = (uint32_t)vml_max_u64(r->unit, w->unit),
        .chunk_size = vml_chunk_size(r, w),
        .pass_stored = r->codec != VML_CODEC_NONE && r->codec == w->codec && r->unit == w->unit,
        .failed = UINT64_MAX,
    };
    unsigned threads = c->threads;
    int rc;

    if (threads == 0) {
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);

        threads = cpus > 0 ? (unsigned)cpus : 1;
    }
    threads = (unsigned)vml_min_u64(threads, THREADS_MAX);
    assert(w->size == VML_SIZE_UNKNOWN || (r->size != VML_SIZE_UNKNOWN && w->size >= r->size));
    j.size = w->size != VML_SIZE_UNKNOWN ? w->size : r->size;
    c->bytes.data = c->bytes.zero = c->bytes.hole = 0;
    j.n_slots = w->ordered ? (size_t)threads * SLOTS_PER_WORKER : threads;
    j.slots = calloc(j.n_slots, sizeof *j.slots);
    if (j.slots == NULL) {
        j.n_slots = 0;
        rc = vml_fail_nomem(err);
    } else {
        run(&j, workers, threads);
        if (j.failed != UINT64_MAX)
            *err = j.error;
        rc = j.failed != UINT64_MAX ? -1 : finish(&j, err);
    }
    job_clear(&j);
    return rc;
}
