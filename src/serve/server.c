/* HTTP, by libmicrohttpd: a thread for each connection, which lives as long as its client keeps it.
 *
 * A request is collected (1 MiB at most), then it is found out who asks, then it is answered; what
 * an answer takes, a copy of a disk too, its connection's thread does. */
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "serve/listen.h"
#include "serve/tasks.h"
#include "vmlift/codec.h"
#include "vmlift/key.h"

#define CONNECTIONS_MAX 256u
#define READ_BUFFER     (128u << 10) /* of a connection: its headers, and a piece of a body */
#define IDLE_SECONDS    60u
#define BODY_SECONDS    120 /* for all of a body to come in */
#define DRAIN_SECONDS   10

/* The store as one account has it: whose uses of keys they are is a property of a struct vml_store.
 */
struct held {
    struct held *next;
    char account[16];
    struct vml_store *store;
    dev_t dev; /* of its catalog, when it was opened */
    ino_t ino;
    unsigned users;
    bool stale; /* there is another catalog by now */
};

struct vml_server {
    struct vml_serve_config config;
    struct MHD_Daemon *daemon;
    MHD_socket quiet; /* the listening one, once no more is taken from it; else invalid */
    char *url, *catalog;
    struct vml_access_keys *keys;
    struct vml_tokens *tokens;
    struct vml_ebs *ebs;
    struct vml_tasks *task_list;
    pthread_mutex_t lock; /* of the list */
    struct held *stores;
    pthread_mutex_t log_lock;
    atomic_uint active; /* requests that are not answered yet */
    atomic_bool stopping;
};

/* A request on its way in. */
struct call {
    struct vml_request r;
    size_t cap;
    bool begun, counted;
    struct timespec start;
};

struct vml_access_keys *vml_server_keys(struct vml_server *s)
{
    return s->keys;
}

struct vml_tokens *vml_server_tokens(struct vml_server *s)
{
    return s->tokens;
}

struct vml_ebs *vml_server_ebs(struct vml_server *s)
{
    return s->ebs;
}

struct vml_tasks *vml_server_tasks(struct vml_server *s)
{
    return s->task_list;
}

const struct vml_serve_config *vml_server_config(const struct vml_server *s)
{
    return &s->config;
}

int vml_server_region(const struct vml_server *s, const char *region, struct vml_error *err)
{
    for (size_t i = 0; i < s->config.n_regions; i++)
        if (strcmp(s->config.regions[i], region) == 0)
            return 0;
    return s->config.n_regions == 0
               ? 0
               : vml_fail(err, VML_EREFUSED, "AuthFailure",
                          "Credential should be scoped to a valid region, not '%s': it is not one "
                          "of those that are served here",
                          region);
}

/* --- stores ----------------------------------------------------------------------------------- */

static void held_free(struct held *h)
{
    vml_store_free(h->store);
    free(h);
}

/* Takes out of the list what is of another catalog and not in use. */
static void drop_stale(struct vml_server *s)
{
    for (struct held **at = &s->stores; *at != NULL;) {
        struct held *h = *at;
        if (!h->stale || h->users > 0) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        held_free(h);
    }
}

static int open_held(struct vml_server *s, const char *account, const struct stat *st,
                     struct vml_error *err)
{
    struct held *h = calloc(1, sizeof *h);

    if (h == NULL)
        return vml_fail_nomem(err);
    if (vml_store_open(&h->store, s->config.dir, s->config.store_flags, err) < 0) {
        free(h);
        return -1;
    }
    snprintf(h->account, sizeof h->account, "%s", account);
    h->dev = st->st_dev;
    h->ino = st->st_ino;
    vml_store_set_user(h->store, &(struct vml_key_user){ .account = h->account });
    h->next = s->stores;
    s->stores = h;
    return 0;
}

/* With the lock held. */
static int hold(struct vml_server *s, const char *account, struct vml_store **out,
                struct vml_error *err)
{
    struct stat st;

    if (stat(s->catalog, &st) < 0)
        return vml_fail_errno(err, "%s", s->catalog);
    for (struct held *h = s->stores; h != NULL; h = h->next)
        h->stale = h->dev != st.st_dev || h->ino != st.st_ino;
    drop_stale(s);
    struct held *h = s->stores;
    while (h != NULL && (h->stale || strcmp(h->account, account) != 0))
        h = h->next;
    if (h == NULL && open_held(s, account, &st, err) < 0)
        return -1;
    if (h == NULL)
        h = s->stores;
    h->users++;
    *out = h->store;
    return 0;
}

int vml_server_hold(struct vml_server *s, const char *account, struct vml_store **out,
                    struct vml_error *err)
{
    pthread_mutex_lock(&s->lock);
    int rc = hold(s, account, out, err);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

void vml_server_let_go(struct vml_server *s, struct vml_store *store)
{
    pthread_mutex_lock(&s->lock);
    for (struct held *h = s->stores; h != NULL; h = h->next)
        if (h->store == store)
            h->users--;
    drop_stale(s);
    pthread_mutex_unlock(&s->lock);
}

/* --- requests --------------------------------------------------------------------------------- */

const char *vml_request_header(const struct vml_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}

const uint8_t *vml_request_digest(struct vml_request *r)
{
    if (!r->digested)
        vml_sha256(r->body != NULL ? (const void *)r->body : "", r->body_len, r->digest);
    r->digested = true;
    return r->digest;
}

bool vml_request_is_ebs(const struct vml_request *r)
{
    static const char root[] = "/snapshots";
    size_t len = sizeof root - 1;

    return strncmp(r->path, root, len) == 0 && (r->path[len] == '\0' || r->path[len] == '/');
}

static void call_free(struct call *c)
{
    struct vml_request *r = &c->r;

    vml_params_clear(&r->params);
    for (size_t i = 0; i < r->n_headers; i++) {
        free((char *)(uintptr_t)r->headers[i].name);
        free((char *)(uintptr_t)r->headers[i].value);
    }
    free(r->headers);
    free(r->path);
    free(r->query);
    free(r->body);
    free(c);
}

/* What comes first: the path and the query as they are, which libmicrohttpd decodes later. */
static void *call_new(void *server, const char *uri, struct MHD_Connection *connection)
{
    struct call *c = calloc(1, sizeof *c);
    size_t path = strcspn(uri, "?");

    (void)connection;
    if (c == NULL)
        return NULL;
    clock_gettime(CLOCK_MONOTONIC, &c->start);
    c->r.server = server;
    c->r.path = strndup(uri, path);
    c->r.query = strdup(uri[path] == '?' ? uri + path + 1 : "");
    if (c->r.path != NULL && c->r.query != NULL)
        return c;
    call_free(c);
    return NULL;
}

static enum MHD_Result add_header(void *call, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    struct vml_request *r = &((struct call *)call)->r;
    struct vml_header *more = reallocarray(r->headers, r->n_headers + 1, sizeof *more);

    (void)kind;
    if (more == NULL)
        return MHD_NO;
    r->headers = more;
    struct vml_header h = { strdup(name), strdup(value != NULL ? value : "") };
    if (h.name == NULL || h.value == NULL) {
        free((char *)(uintptr_t)h.name);
        free((char *)(uintptr_t)h.value);
        return MHD_NO;
    }
    more[r->n_headers++] = h;
    return MHD_YES;
}

static double seconds_since(const struct timespec *start)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

/* Room for the body that is told of; memory is taken as it comes. */
static bool reserve_body(struct call *c, const char *length)
{
    size_t len = length != NULL ? strtoull(length, NULL, 10) : 0;

    if (len == 0)
        return true;
    c->r.body = malloc(len);
    c->cap = c->r.body != NULL ? len : 0;
    return c->r.body != NULL;
}

/* A body grows as it comes, whatever Content-Length says. */
static bool add_body(struct call *c, const char *data, size_t len)
{
    struct vml_request *r = &c->r;

    if (len > VML_BODY_MAX - r->body_len || seconds_since(&c->start) > BODY_SECONDS)
        return false;
    if (r->body_len + len > c->cap) {
        size_t cap = vml_max_u64(vml_min_u64(2 * c->cap, VML_BODY_MAX), r->body_len + len);
        uint8_t *more = realloc(r->body, cap);
        if (more == NULL)
            return false;
        r->body = more;
        c->cap = cap;
    }
    memcpy(r->body + r->body_len, data, len);
    r->body_len += len;
    return true;
}

/* --- answers ---------------------------------------------------------------------------------- */

static int answer(struct vml_request *r, struct vml_answer *a, struct vml_error *err)
{
    struct vml_server *s = r->server;

    if (atomic_load(&s->stopping))
        return vml_fail(err, VML_EREFUSED, "Unavailable", "The server is stopping");
    if (vml_authenticate(r, err) < 0 || vml_server_hold(s, r->account, &r->store, err) < 0)
        return -1;
    int rc = vml_request_is_ebs(r) ? vml_ebs_answer(s->ebs, r, a, err) : vml_ec2_answer(r, a, err);
    vml_server_let_go(s, r->store);
    return rc;
}

static void tell(const struct call *c, const struct vml_answer *a)
{
    const struct vml_request *r = &c->r;
    struct vml_server *s = r->server;
    const struct vml_served served = { r->id,      r->account, r->region,
                                       r->service, r->action,  a->status,
                                       a->code,    a->text,    seconds_since(&c->start) };

    if (s->config.served == NULL)
        return;
    pthread_mutex_lock(&s->log_lock);
    s->config.served(s->config.arg, &served);
    pthread_mutex_unlock(&s->log_lock);
}

void vml_server_tell_task(struct vml_server *s, const struct vml_task *t,
                          const struct vml_error *err)
{
    static const char *const actions[] = { [VML_TASK_IMPORT_IMAGE] = "ImportImage",
                                           [VML_TASK_IMPORT_SNAPSHOT] = "ImportSnapshot",
                                           [VML_TASK_EXPORT_IMAGE] = "ExportImage" };
    bool ours = err != NULL && strncmp(t->message, "ServerError", 11) == 0;
    const struct vml_served served = { .id = t->id,
                                       .account = t->account,
                                       .region = t->region,
                                       .service = "ec2",
                                       .action = actions[t->kind],
                                       .status = err == NULL ? 200
                                                 : ours      ? 500
                                                             : 400,
                                       .code = err != NULL ? err->slug : "",
                                       .text = err != NULL ? err->text : "",
                                       .seconds = (double)(t->ended - t->begun) };

    if (s->config.served == NULL)
        return;
    pthread_mutex_lock(&s->log_lock);
    s->config.served(s->config.arg, &served);
    pthread_mutex_unlock(&s->log_lock);
}

/* The response owns the body from here on. */
static enum MHD_Result send_answer(struct MHD_Connection *connection, const struct vml_request *r,
                                   struct vml_answer *a)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(a->len, a->body, MHD_RESPMEM_MUST_FREE);

    if (response == NULL)
        return MHD_NO;
    a->body = NULL;
    MHD_add_response_header(response, "x-amzn-RequestId", r->id);
    if (a->type != NULL && a->len > 0)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
    for (size_t i = 0; i < a->n_headers; i++)
        MHD_add_response_header(response, a->headers[i].name, a->headers[i].value);
    if (atomic_load(&r->server->stopping))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result rc = MHD_queue_response(connection, a->status, response);
    MHD_destroy_response(response);
    return rc;
}

static enum MHD_Result finish(struct call *c, struct MHD_Connection *connection,
                              const struct vml_error *refused)
{
    VML_AUTO(vml_answer_clear) struct vml_answer a = { .status = 200 };
    struct vml_error err = { .code = VML_OK };

    if (refused != NULL)
        vml_answer_error(&a, &c->r, refused);
    else if (answer(&c->r, &a, &err) < 0)
        vml_answer_error(&a, &c->r, &err);
    tell(c, &a);
    return send_answer(connection, &c->r, &a);
}

/* Headers are in. */
static enum MHD_Result begin(struct call *c, struct MHD_Connection *connection, const char *method)
{
    struct vml_error err = { .code = VML_OK };
    uint8_t raw[16];
    int n = MHD_get_connection_values(connection, MHD_HEADER_KIND, NULL, NULL);

    c->begun = c->counted = true;
    atomic_fetch_add(&c->r.server->active, 1);
    c->r.method = method;
    if (vml_uuid_new(raw, c->r.id, &err) < 0)
        return MHD_NO;
    if (MHD_get_connection_values(connection, MHD_HEADER_KIND, add_header, c) != n)
        return MHD_NO;
    const char *length = vml_request_header(&c->r, "Content-Length");
    if (length == NULL || strtoull(length, NULL, 10) <= VML_BODY_MAX)
        return reserve_body(c, length) ? MHD_YES : MHD_NO;
    (void)vml_fail(&err, VML_EREFUSED, "RequestEntityTooLarge",
                   "A body of %.20s bytes, at most %u allowed", length, VML_BODY_MAX);
    return finish(c, connection, &err);
}

static enum MHD_Result handle(void *server, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_len, void **con_cls)
{
    struct call *c = *con_cls;

    (void)server;
    (void)url;
    (void)version;
    if (c == NULL)
        return MHD_NO;
    if (!c->begun)
        return begin(c, connection, method);
    if (*data_len == 0)
        return finish(c, connection, NULL);
    bool fits = add_body(c, data, *data_len);
    *data_len = 0;
    return fits ? MHD_YES : MHD_NO;
}

static void completed(void *server, struct MHD_Connection *connection, void **con_cls,
                      enum MHD_RequestTerminationCode how)
{
    struct vml_server *s = server;
    struct call *c = *con_cls;

    (void)connection;
    (void)how;
    if (c == NULL)
        return;
    if (c->counted)
        atomic_fetch_sub(&s->active, 1);
    call_free(c);
    *con_cls = NULL;
}

/* --- the server ------------------------------------------------------------------------------- */

static void say_nothing(void *arg, const char *fmt, va_list ap)
{
    (void)arg;
    (void)fmt;
    (void)ap;
}

static int start_daemon(struct vml_server *s, int fd, struct vml_error *err)
{
    bool tls = s->config.certificate != NULL;
    struct MHD_OptionItem secure[] = {
        { MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)s->config.certificate },
        { MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)s->config.private_key },
        { MHD_OPTION_HTTPS_PRIORITIES, 0,
          (void *)(uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" },
        { MHD_OPTION_END, 0, NULL },
    };
    struct MHD_OptionItem plain[] = { { MHD_OPTION_END, 0, NULL } };
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0u);

    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, s, MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, call_new, s,
        MHD_OPTION_NOTIFY_COMPLETED, completed, s, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)READ_BUFFER, MHD_OPTION_ARRAY, tls ? secure : plain, MHD_OPTION_END);
    if (s->daemon != NULL)
        return 0; /* else it has closed the socket */
    return tls ? vml_fail(err, VML_EREFUSED, "serve/tls",
                          "the certificate and its key cannot be used: are they a pair, in PEM?")
               : vml_fail(err, VML_EIO, "serve/start", "libmicrohttpd could not start");
}

static int start(struct vml_server *s, struct vml_error *err)
{
    struct vml_store *store = NULL;
    bool tls = s->config.certificate != NULL;
    int fd;

    if (asprintf(&s->catalog, "%s/catalog.db", s->config.dir) < 0) {
        s->catalog = NULL;
        return vml_fail_nomem(err);
    }
    /* Errors of the store are told now, not to the first client. */
    if (vml_store_open(&store, s->config.dir, s->config.store_flags, err) < 0)
        return -1;
    vml_store_free(store);
    if (tls && MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        return vml_fail(err, VML_EUNSUPPORTED, "serve/tls", "this libmicrohttpd has no TLS");
    if (vml_access_keys_new(&s->keys, s->config.dir, err) < 0 ||
        vml_tokens_new(&s->tokens, err) < 0 || vml_ebs_new(&s->ebs, s, err) < 0 ||
        vml_tasks_new(&s->task_list, s, err) < 0 ||
        vml_listen(s->config.listen, tls || s->config.plain_anywhere, tls, &fd, &s->url, err) < 0)
        return -1;
    return start_daemon(s, fd, err);
}

int vml_server_start(struct vml_server **out, const struct vml_serve_config *config,
                     struct vml_error *err)
{
    VML_AUTO(vml_server_freep) struct vml_server *s = calloc(1, sizeof *s);

    if (s == NULL)
        return vml_fail_nomem(err);
    s->config = *config;
    s->quiet = MHD_INVALID_SOCKET;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->log_lock, NULL);
    if (start(s, err) < 0)
        return -1;
    *out = s;
    s = NULL;
    return 0;
}

const char *vml_server_url(const struct vml_server *s)
{
    return s->url;
}

static void nap(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 50 * 1000 * 1000 }, NULL);
}

void vml_server_run(struct vml_server *s)
{
    struct timespec ticked, stopped;

    clock_gettime(CLOCK_MONOTONIC, &ticked);
    while (!vml_interrupted()) {
        nap();
        vml_tasks_work(s->task_list);
        if (seconds_since(&ticked) < 1)
            continue;
        clock_gettime(CLOCK_MONOTONIC, &ticked);
        vml_ebs_tick(s->ebs);
    }
    atomic_store(&s->stopping, true);
    s->quiet = MHD_quiesce_daemon(s->daemon); /* to be closed when its threads have ended */
    clock_gettime(CLOCK_MONOTONIC, &stopped);
    while (atomic_load(&s->active) > 0 && seconds_since(&stopped) < DRAIN_SECONDS)
        nap();
}

void vml_server_free(struct vml_server *s)
{
    if (s == NULL)
        return;
    if (s->daemon != NULL)
        MHD_stop_daemon(s->daemon);
    if (s->quiet != MHD_INVALID_SOCKET)
        close(s->quiet);
    vml_ebs_free(s->ebs);
    vml_tasks_free(s->task_list);
    while (s->stores != NULL) {
        struct held *next = s->stores->next;
        held_free(s->stores);
        s->stores = next;
    }
    vml_tokens_free(s->tokens);
    vml_access_keys_free(s->keys);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->log_lock);
    free(s->url);
    free(s->catalog);
    free(s);
}

void vml_server_freep(struct vml_server **s)
{
    vml_server_free(*s);
    *s = NULL;
}
