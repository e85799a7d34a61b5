/* Where keys are looked for, in aws-cli's order: the environment (unless a profile was asked for by
 * name), the profile's own in ~/.aws/credentials, its credential_process, its own in ~/.aws/config,
 * the container's, the instance's. */
#include "credentials.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http.h"

enum {
    RENEW = 300,    /* seconds before its end in which a key is renewed */
    ASK_AGAIN = 30, /* seconds for which an answer is believed to be the newest */
};

void key_clear(struct key *k)
{
    secret_free(k->access_key);
    secret_free(k->secret);
    secret_free(k->token);
    *k = (struct key){ 0 };
}

static int key_copy(struct key *to, const struct key *from, struct vml_error *err)
{
    *to = (struct key){ .access_key = strdup(from->access_key),
                        .secret = strdup(from->secret),
                        .token = from->token != NULL ? strdup(from->token) : NULL,
                        .expires = from->expires };
    if (to->access_key != NULL && to->secret != NULL &&
        (to->token != NULL) == (from->token != NULL))
        return 0;
    key_clear(to);
    return vml_fail_nomem(err);
}

static bool two_digits(const char *text, int *out)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return false;
    *out = (text[0] - '0') * 10 + text[1] - '0';
    return true;
}

/* "2026-11-26T01:02:03Z", also with a fraction or an offset; 0: it is not. */
static int64_t parse_time(const char *text)
{
    struct tm tm = { 0 };
    int hours = 0, minutes = 0, sign = 1;
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

    if (end == NULL)
        return 0;
    if (*end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    if (*end == '+' || *end == '-') {
        sign = *end == '-' ? -1 : 1;
        if (!two_digits(end + 1, &hours) || end[3] != ':' || !two_digits(end + 4, &minutes))
            return 0;
    }
    return (int64_t)timegm(&tm) - (int64_t)sign * (hours * 3600 + minutes * 60);
}

/* --- the answers of processes, containers and instances --------------------------------------- */

static void json_free(json_t **v)
{
    json_decref(*v);
}

static char *member(const json_t *v, const char *name)
{
    const char *text = json_string_value(json_object_get(v, name));

    return text != NULL && text[0] != '\0' ? strdup(text) : NULL;
}

int key_parse(struct key *out, const char *text, const char *token_name, const char *from,
              struct vml_error *err)
{
    VML_AUTO(json_free) json_t *v = json_loads(text, 0, NULL);
    const char *code = json_string_value(json_object_get(v, "Code"));
    const char *expires = json_string_value(json_object_get(v, "Expiration"));

    *out = (struct key){ 0 };
    if (!json_is_object(v) || (code != NULL && strcmp(code, "Success") != 0))
        return vml_fail(err, VML_EDATA, "aws/credentials", "%s: %s%s", from,
                        code != NULL ? "it says " : "what it says of the keys is not JSON",
                        code != NULL ? code : "");
    *out = (struct key){ .access_key = member(v, "AccessKeyId"),
                         .secret = member(v, "SecretAccessKey"),
                         .token = member(v, token_name),
                         .expires = expires != NULL ? parse_time(expires) : 0 };
    if (out->access_key != NULL && out->secret != NULL && (expires == NULL || out->expires > 0))
        return 0;
    key_clear(out);
    return vml_fail(err, VML_EDATA, "aws/credentials",
                    "%s: AccessKeyId, SecretAccessKey or a proper Expiration is missing", from);
}

/* --- the environment and the files ------------------------------------------------------------ */

static int half(struct key *out, const char *from, struct vml_error *err)
{
    bool secret = out->secret == NULL;

    key_clear(out);
    return vml_fail(err, VML_EDATA, "aws/credentials", "%s: has an access key, but no %s", from,
                    secret ? "secret that belongs to it" : "access key");
}

static int from_environment(struct key *out, char *const *env, struct vml_error *err)
{
    const char *access_key = env_get(env, "AWS_ACCESS_KEY_ID");
    const char *secret = env_get(env, "AWS_SECRET_ACCESS_KEY");
    const char *token = env_get(env, "AWS_SESSION_TOKEN");
    const char *expires = env_get(env, "AWS_CREDENTIAL_EXPIRATION");

    if (access_key == NULL)
        return 0;
    if (token == NULL)
        token = env_get(env, "AWS_SECURITY_TOKEN");
    if (secret == NULL)
        return half(out, "the environment", err);
    *out = (struct key){ .access_key = (char *)access_key,
                         .secret = (char *)secret,
                         .token = (char *)token,
                         .expires = expires != NULL ? parse_time(expires) : 0 };
    return key_copy(out,
                    &(const struct key){ .access_key = out->access_key,
                                         .secret = out->secret,
                                         .token = out->token,
                                         .expires = out->expires },
                    err) < 0
               ? -1
               : 1;
}

typedef int profile_get(const struct profile *p, const char *key, char **out,
                        struct vml_error *err);

static int from_profile(struct key *out, const struct profile *p, profile_get *get,
                        struct vml_error *err)
{
    if (get(p, "aws_access_key_id", &out->access_key, err) < 0 ||
        get(p, "aws_secret_access_key", &out->secret, err) < 0 ||
        get(p, "aws_session_token", &out->token, err) < 0) {
        key_clear(out);
        return -1;
    }
    if (out->access_key == NULL) {
        key_clear(out);
        return 0;
    }
    return out->secret != NULL ? 1 : half(out, p->name, err);
}

static int from_process(struct key *out, const struct profile *p, char *const *env,
                        struct vml_error *err)
{
    VML_AUTO(secret_freep) char *command = NULL;

    if (profile_setting(p, "credential_process", &command, err) < 0)
        return -1;
    if (command == NULL && profile_credential(p, "credential_process", &command, err) < 0)
        return -1;
    return command != NULL ? process_credentials(out, command, env, err) : 0;
}

/* Ways that lead over AWS's STS or a browser. */
static int check_kind(const struct profile *p, struct vml_error *err)
{
    static const char *const kinds[] = { "role_arn", "sso_session", "sso_start_url" };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        VML_AUTO(vml_freep) char *value = NULL;

        if (profile_setting(p, kinds[i], &value, err) < 0 ||
            (value == NULL && profile_credential(p, kinds[i], &value, err) < 0))
            return -1;
        if (value != NULL)
            return vml_fail(err, VML_EUNSUPPORTED, "aws/profile-kind",
                            "profile %s: vmlift does not do %s by itself: eval \"$(aws configure "
                            "export-credentials --profile %s --format env)\" first, or make that a "
                            "credential_process of a profile",
                            p->name, kinds[i], p->name);
    }
    return 0;
}

static int look(struct key *out, struct credentials *c, struct vml_error *err)
{
    int rc = 0;

    if (!c->profile.given)
        rc = from_environment(out, c->env, err);
    if (rc == 0 && check_kind(&c->profile, err) < 0)
        return -1;
    if (rc == 0)
        rc = from_profile(out, &c->profile, profile_credential, err);
    if (rc == 0)
        rc = from_process(out, &c->profile, c->env, err);
    if (rc == 0)
        rc = from_profile(out, &c->profile, profile_setting, err);
    if (rc == 0)
        rc = container_credentials(out, c->http, c->env, err);
    if (rc == 0)
        rc = instance_credentials(out, c->http, c->env, err);
    if (rc == 0)
        return vml_fail(err, VML_ENOTFOUND, "aws/credentials",
                        "no keys: neither the environment (AWS_ACCESS_KEY_ID), nor profile %s in "
                        "~/.aws, nor a container or an instance has any",
                        c->profile.name);
    return rc < 0 ? -1 : 0;
}

/* --- keeping them ----------------------------------------------------------------------------- */

int credentials_init(struct credentials *c, char *const *env, const char *profile,
                     struct vml_error *err)
{
    *c = (struct credentials){ .env = env, .lock = PTHREAD_MUTEX_INITIALIZER };
    if (profile_read(&c->profile, env, profile, err) < 0)
        return -1;
    return http_new(&c->http, &(const struct http_config){ .direct = true }, err);
}

void credentials_clear(struct credentials *c)
{
    profile_clear(&c->profile);
    key_clear(&c->key);
    http_free(c->http);
    pthread_mutex_destroy(&c->lock);
}

/* With the lock held, which keeps others from asking the same. */
static int renew(struct credentials *c, struct vml_error *err)
{
    int64_t now = (int64_t)time(NULL);
    bool good = c->key.access_key != NULL && (c->key.expires == 0 || c->key.expires > now);
    bool old = c->key.access_key == NULL || c->stale ||
               (c->key.expires > 0 && c->key.expires - now < RENEW);
    struct profile fresh = { 0 };
    struct key key = { 0 };

    if (!old || (good && now - c->asked < ASK_AGAIN && !c->stale))
        return 0;
    c->asked = now;
    c->stale = false;
    if (c->key.access_key != NULL) { /* somebody may have written new ones into the files */
        if (profile_read(&fresh, c->env, c->profile.given ? c->profile.name : NULL, err) == 0) {
            profile_clear(&c->profile);
            c->profile = fresh;
        } else {
            profile_clear(&fresh);
        }
    }
    if (look(&key, c, err) < 0)
        return good && err->code != VML_EINTERRUPTED ? 0 : -1; /* it still has some time */
    key_clear(&c->key);
    c->key = key;
    return 0;
}

int credentials_get(struct credentials *c, struct key *out, struct vml_error *err)
{
    int rc;

    pthread_mutex_lock(&c->lock);
    rc = renew(c, err);
    if (rc == 0)
        rc = key_copy(out, &c->key, err);
    pthread_mutex_unlock(&c->lock);
    return rc;
}

bool credentials_renew(struct credentials *c, const char *access_key)
{
    bool other, again;

    pthread_mutex_lock(&c->lock);
    other = c->key.access_key == NULL || strcmp(c->key.access_key, access_key) != 0;
    again = other || (int64_t)time(NULL) - c->asked >= ASK_AGAIN;
    if (!other && again)
        c->stale = true;
    pthread_mutex_unlock(&c->lock);
    return again;
}
