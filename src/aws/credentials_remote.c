/* Keys of the container or the EC2 instance that vmlift runs in.  Both are asked at addresses of
 * the machine's own link, in the clear: so through no proxy, and a container's URL must be such an
 * address, or HTTPS. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "credentials.h"
#include "http.h"

#define CONTAINER "http://169.254.170.2"
#define INSTANCE  "http://169.254.169.254"
#define INSTANCE6 "http://[fd00:ec2::254]"

/* An answer with keys or tokens in it. */
static void secret_answer_clear(struct http_answer *a)
{
    if (a->body != NULL)
        OPENSSL_cleanse(a->body, a->body_cap);
    http_answer_clear(a);
}

struct ask {
    const char *method, *name, *value; /* one header, or NULL */
    unsigned tries;
};

/* 1: *a is an answer of 200; 0: nobody is there, or has it. */
static int ask(struct http_answer *a, struct http *http, const char *url, const struct ask *how,
               struct vml_error *err)
{
    const struct vml_header header = { how->name, how->value };
    const struct http_request r = { .method = how->method,
                                    .url = url,
                                    .headers = &header,
                                    .n_headers = how->name != NULL,
                                    .connect_ms = 1000,
                                    .stall_ms = 2000,
                                    .total_ms = 5000 };

    for (unsigned i = 0; i < how->tries; i++) {
        if (http_exchange(http, &r, a, err) == 0 && a->status < 500)
            return a->status == 200 && a->body != NULL;
        if (err->code == VML_EINTERRUPTED || vml_interrupted())
            return -1;
    }
    return 0;
}

/* --- containers ------------------------------------------------------------------------------- */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* An address that leads nowhere but to this machine; as aws-cli has it. */
static bool local_url(const char *url)
{
    static const char *const hosts[] = { "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]",
                                         "localhost",     "127.0.0.1",      "[::1]" };

    if (begins(url, "https://"))
        return true;
    if (!begins(url, "http://"))
        return false;
    url += strlen("http://");
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        size_t n = strlen(hosts[i]);

        if (strncmp(url, hosts[i], n) == 0 && strchr(":/?", url[n]) != NULL)
            return true;
    }
    return false;
}

/* The value of the header Authorization; NULL: none. */
static int authorization(char **out, char *const *env, struct vml_error *err)
{
    const char *file = env_get(env, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = env_get(env, "AWS_CONTAINER_AUTHORIZATION_TOKEN");

    *out = NULL;
    if (file == NULL && token == NULL)
        return 0;
    if (file == NULL)
        *out = strdup(token);
    else if (secret_read(out, file, err) < 0)
        return -1;
    if (*out == NULL)
        return vml_fail_nomem(err);
    (*out)[strcspn(*out, "\r\n")] = '\0';
    return 0;
}

int container_credentials(struct key *out, struct http *http, char *const *env,
                          struct vml_error *err)
{
    const char *relative = env_get(env, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = env_get(env, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    VML_AUTO(secret_answer_clear) struct http_answer a = { 0 };
    VML_AUTO(secret_freep) char *token = NULL;
    VML_AUTO(vml_freep) char *url = NULL;
    int rc;

    if (relative == NULL && full == NULL)
        return 0;
    if (asprintf(&url, "%s%s", relative != NULL ? CONTAINER : "",
                 relative != NULL ? relative : full) < 0) {
        url = NULL;
        return vml_fail_nomem(err);
    }
    if (!local_url(url))
        return vml_fail(err, VML_EREFUSED, "aws/credentials",
                        "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor this machine");
    if (authorization(&token, env, err) < 0)
        return -1;
    rc = ask(&a, http, url,
             &(const struct ask){ .method = "GET",
                                  .name = token != NULL ? "Authorization" : NULL,
                                  .value = token,
                                  .tries = 3 },
             err);
    if (rc == 0)
        return vml_fail(err, VML_EIO, "aws/credentials",
                        "the container's keys: no answer from where "
                        "AWS_CONTAINER_CREDENTIALS_%s_URI says",
                        relative != NULL ? "RELATIVE" : "FULL");
    if (rc < 0 || key_parse(out, a.body, "Token", "the container's keys", err) < 0)
        return -1;
    return 1;
}

/* --- instances: version 2 of the metadata service, which wants a token first ------------------ */

struct metadata {
    char *base;
    char *token;
};

static void metadata_clear(struct metadata *m)
{
    free(m->base);
    secret_free(m->token);
}

/* 1: there is a service, and it gave a token. */
static int metadata_open(struct metadata *m, struct http *http, char *const *env,
                         struct vml_error *err)
{
    const char *disabled = env_get(env, "AWS_EC2_METADATA_DISABLED");
    const char *endpoint = env_get(env, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = env_get(env, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    VML_AUTO(secret_answer_clear) struct http_answer a = { 0 };
    VML_AUTO(vml_freep) char *url = NULL;
    int rc;

    if (disabled != NULL && strcasecmp(disabled, "true") == 0)
        return 0;
    if (endpoint == NULL)
        endpoint = mode != NULL && strcasecmp(mode, "ipv6") == 0 ? INSTANCE6 : INSTANCE;
    m->base = strdup(endpoint);
    if (m->base == NULL)
        return vml_fail_nomem(err);
    if (m->base[0] != '\0' && m->base[strlen(m->base) - 1] == '/')
        m->base[strlen(m->base) - 1] = '\0';
    if (asprintf(&url, "%s/latest/api/token", m->base) < 0) {
        url = NULL;
        return vml_fail_nomem(err);
    }
    rc = ask(&a, http, url,
             &(const struct ask){ .method = "PUT",
                                  .name = "X-aws-ec2-metadata-token-ttl-seconds",
                                  .value = "21600",
                                  .tries = 1 },
             err);
    if (rc <= 0)
        return rc;
    m->token = strdup(a.body);
    return m->token != NULL ? 1 : vml_fail_nomem(err);
}

static int metadata_get(struct http_answer *a, const struct metadata *m, struct http *http,
                        const char *path, const char *name, struct vml_error *err)
{
    VML_AUTO(vml_freep) char *url = NULL;

    if (asprintf(&url, "%s/latest/meta-data/%s%s", m->base, path, name) < 0) {
        url = NULL;
        return vml_fail_nomem(err);
    }
    return ask(
        a, http, url,
        &(const struct ask){
            .method = "GET", .name = "X-aws-ec2-metadata-token", .value = m->token, .tries = 3 },
        err);
}

int instance_credentials(struct key *out, struct http *http, char *const *env,
                         struct vml_error *err)
{
    static const char path[] = "iam/security-credentials/";
    VML_AUTO(metadata_clear) struct metadata m = { 0 };
    VML_AUTO(secret_answer_clear) struct http_answer role = { 0 };
    VML_AUTO(secret_answer_clear) struct http_answer keys = { 0 };
    int rc = metadata_open(&m, http, env, err);

    if (rc > 0)
        rc = metadata_get(&role, &m, http, path, "", err);
    if (rc <= 0)
        return rc;
    role.body[strcspn(role.body, "\r\n")] = '\0';
    if (role.body[0] == '\0' || strpbrk(role.body, "/?#% ") != NULL)
        return 0; /* an instance without a role */
    rc = metadata_get(&keys, &m, http, path, role.body, err);
    if (rc <= 0)
        return rc;
    return key_parse(out, keys.body, "Token", "the instance's keys", err) < 0 ? -1 : 1;
}

int instance_region(char region[32], struct http *http, char *const *env, struct vml_error *err)
{
    VML_AUTO(metadata_clear) struct metadata m = { 0 };
    VML_AUTO(secret_answer_clear) struct http_answer a = { 0 };
    int rc = metadata_open(&m, http, env, err);

    if (rc > 0)
        rc = metadata_get(&a, &m, http, "placement/", "region", err);
    if (rc > 0)
        snprintf(region, 32, "%s", a.body);
    return rc;
}
