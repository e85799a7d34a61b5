#include "http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { HEADERS_MAX = 64 << 10, IDLE_MAX = 256 };

struct http {
    char *ca_bundle;
    bool no_verify, direct;
    pthread_mutex_t lock;
    CURL *idle[IDLE_MAX];
    size_t n_idle;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool ready;

static void start_curl(void)
{
    ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

int http_new(struct http **out, const struct http_config *c, struct vml_error *err)
{
    struct http *h;

    pthread_once(&once, start_curl);
    h = calloc(1, sizeof *h);
    if (!ready || h == NULL) {
        free(h);
        return vml_fail_nomem(err);
    }
    pthread_mutex_init(&h->lock, NULL);
    h->no_verify = c->no_verify;
    h->direct = c->direct;
    if (c->ca_bundle != NULL && (h->ca_bundle = strdup(c->ca_bundle)) == NULL) {
        http_free(h);
        return vml_fail_nomem(err);
    }
    *out = h;
    return 0;
}

void http_free(struct http *h)
{
    if (h == NULL)
        return;
    for (size_t i = 0; i < h->n_idle; i++)
        curl_easy_cleanup(h->idle[i]);
    pthread_mutex_destroy(&h->lock);
    free(h->ca_bundle);
    free(h);
}

static CURL *take_handle(struct http *h)
{
    CURL *curl = NULL;

    pthread_mutex_lock(&h->lock);
    if (h->n_idle > 0)
        curl = h->idle[--h->n_idle];
    pthread_mutex_unlock(&h->lock);
    return curl != NULL ? curl : curl_easy_init();
}

static void give_back(struct http *h, CURL *curl)
{
    curl_easy_reset(curl); /* connections stay */
    pthread_mutex_lock(&h->lock);
    if (h->n_idle < IDLE_MAX) {
        h->idle[h->n_idle++] = curl;
        curl = NULL;
    }
    pthread_mutex_unlock(&h->lock);
    curl_easy_cleanup(curl);
}

/* --- what comes ------------------------------------------------------------------------------- */

struct receiver {
    struct http_answer *answer;
    bool too_large, no_memory;
};

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct receiver *to = arg;
    struct http_answer *a = to->answer;
    size_t len = size * n;
    char *grown;

    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) /* "100 Continue" had headers of its own */
        a->headers_len = 0;
    if (a->headers_len + len + 2 > HEADERS_MAX) {
        to->too_large = true;
        return 0;
    }
    grown = realloc(a->headers, a->headers_len + len + 2);
    if (grown == NULL) {
        to->no_memory = true;
        return 0;
    }
    a->headers = grown;
    memcpy(grown + a->headers_len, line, len);
    a->headers_len += len;
    while (a->headers_len > 0 && strchr("\r\n", grown[a->headers_len - 1]) != NULL)
        a->headers_len--;
    grown[a->headers_len++] = '\n';
    grown[a->headers_len] = '\0';
    return len;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct receiver *to = arg;
    struct http_answer *a = to->answer;
    size_t len = size * n;

    if (len > HTTP_BODY_MAX - a->body_len) {
        to->too_large = true;
        return 0;
    }
    if (a->body_cap - a->body_len <= len) {
        size_t cap = vml_max_u64(2 * a->body_cap, a->body_len + len + 1);
        char *grown = realloc(a->body, cap);

        if (grown == NULL) {
            to->no_memory = true;
            return 0;
        }
        a->body = grown;
        a->body_cap = cap;
    }
    memcpy(a->body + a->body_len, bytes, len);
    a->body_len += len;
    a->body[a->body_len] = '\0';
    return len;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct http_request *r = arg;

    (void)a, (void)b, (void)c, (void)d;
    return vml_interrupted() && !r->cleanup;
}

static int on_request(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    struct receiver *to = arg;

    (void)remote, (void)local, (void)remote_port, (void)local_port;
    to->answer->sent++;
    return CURL_PREREQFUNC_OK;
}

void http_answer_clear(struct http_answer *a)
{
    free(a->headers);
    free(a->body);
    *a = (struct http_answer){ 0 };
}

/* The same, but that its memory is kept. */
static void answer_restart(struct http_answer *a)
{
    a->status = 0;
    a->sent = 0;
    a->headers_len = a->body_len = 0;
    if (a->headers != NULL)
        a->headers[0] = '\0';
    if (a->body != NULL)
        a->body[0] = '\0';
}

const char *http_header(const struct http_answer *a, const char *name, char *buf, size_t size)
{
    size_t n = strlen(name);

    for (const char *line = a->headers; line != NULL && *line != '\0';) {
        size_t len = strcspn(line, "\n");

        if (len > n && line[n] == ':' && strncasecmp(line, name, n) == 0) {
            const char *value = line + n + 1;

            value += strspn(value, " \t");
            len -= (size_t)(value - line);
            if (len >= size)
                return NULL;
            memcpy(buf, value, len);
            buf[len] = '\0';
            return buf;
        }
        line += len + (line[len] == '\n');
    }
    return NULL;
}

/* --- one exchange ----------------------------------------------------------------------------- */

static int make_headers(struct curl_slist **out, const struct http_request *r,
                        struct vml_error *err)
{
    /* libcurl would wait for a "100 Continue" before every block that it sends */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    bool typed = false;

    for (size_t i = 0; i < r->n_headers; i++)
        typed = typed || strcasecmp(r->headers[i].name, "Content-Type") == 0;
    if (list != NULL && !typed && curl_slist_append(list, "Content-Type:") == NULL) {
        curl_slist_free_all(list); /* it would call everything a form */
        return vml_fail_nomem(err);
    }
    for (size_t i = 0; list != NULL && i < r->n_headers; i++) {
        struct curl_slist *more = NULL;
        char *line = NULL;

        /* "Name;" is libcurl's way to say a header without a value */
        if (asprintf(&line, r->headers[i].value[0] != '\0' ? "%s: %s" : "%s;", r->headers[i].name,
                     r->headers[i].value) >= 0) {
            more = curl_slist_append(list, line);
            free(line);
        }
        if (more == NULL) {
            curl_slist_free_all(list);
            return vml_fail_nomem(err);
        }
        list = more;
    }
    *out = list;
    return list != NULL ? 0 : vml_fail_nomem(err);
}

static void free_slist(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

static void set_body(CURL *curl, const struct http_request *r)
{
    if (strcmp(r->method, "GET") == 0) {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
        return;
    }
    if (strcmp(r->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        return;
    }
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->body_len > 0 ? r->body : "");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, r->method);
}

static void set_up(CURL *curl, const struct http *h, const struct http_request *r,
                   struct curl_slist *headers, struct receiver *to)
{
    curl_easy_setopt(curl, CURLOPT_URL, r->url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L); /* as it was signed */
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, to);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, to);
    curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_request);
    curl_easy_setopt(curl, CURLOPT_PREREQDATA, to);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, (void *)r);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, r->connect_ms);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, r->total_ms);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (r->stall_ms + 999) / 1000);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 128L << 10);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
    if (h->ca_bundle != NULL)
        curl_easy_setopt(curl, CURLOPT_CAINFO, h->ca_bundle);
    if (h->no_verify) {
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (h->direct)
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    set_body(curl, r);
}

/* Whom it was that could not be reached; without what follows the host. */
static int failed(CURLcode rc, const char *words, const struct http_request *r,
                  const struct receiver *to, struct vml_error *err)
{
    const char *url = r->url, *host = strstr(url, "://");
    size_t len = host != NULL ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?") : strlen(url);
    const char *slug = "aws/broken";

    if (rc == CURLE_ABORTED_BY_CALLBACK)
        return vml_fail_interrupted(err);
    if (to->no_memory || rc == CURLE_OUT_OF_MEMORY)
        return vml_fail_nomem(err);
    if (to->too_large)
        return vml_fail(err, VML_EIO, "aws/too-large",
                        "%.*s: the answer is larger than vmlift takes: %u bytes of headers, %u of "
                        "the rest",
                        (int)len, url, (unsigned)HEADERS_MAX, HTTP_BODY_MAX);
    switch ((int)rc) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        slug = "aws/connect";
        break;
    case CURLE_OPERATION_TIMEDOUT:
        slug = "aws/timeout";
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        slug = "aws/tls";
        break;
    case CURLE_URL_MALFORMAT:
        slug = "aws/url";
        break;
    default:
        break;
    }
    return vml_fail(err, VML_EIO, slug, "%.*s: %s", (int)len, url,
                    words[0] != '\0' ? words : curl_easy_strerror(rc));
}

int http_exchange(struct http *h, const struct http_request *r, struct http_answer *a,
                  struct vml_error *err)
{
    VML_AUTO(free_slist) struct curl_slist *headers = NULL;
    struct receiver to = { .answer = a };
    char words[CURL_ERROR_SIZE] = "";
    CURL *curl;
    CURLcode rc;

    answer_restart(a);
    if (make_headers(&headers, r, err) < 0)
        return -1;
    curl = take_handle(h);
    if (curl == NULL)
        return vml_fail_nomem(err);
    set_up(curl, h, r, headers, &to);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
    rc = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a->status);
    give_back(h, curl);
    if (rc != CURLE_OK)
        return failed(rc, words, r, &to, err);
    return 0;
}

int http_sleep(double seconds, bool cleanup, struct vml_error *err)
{
    while (seconds > 0) {
        double step = seconds < 0.1 ? seconds : 0.1;
        struct timespec t = { .tv_nsec = (long)(step * 1e9) };

        if (vml_interrupted() && !cleanup)
            return vml_fail_interrupted(err);
        nanosleep(&t, NULL);
        seconds -= step;
    }
    return vml_interrupted() && !cleanup ? vml_fail_interrupted(err) : 0;
}
