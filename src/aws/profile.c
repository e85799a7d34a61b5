/* ~/.aws/config and ~/.aws/credentials, as Python's RawConfigParser reads them for aws-cli: names
 * in any case, '=' or ':', whole lines of comment, and indented lines that belong to the line
 * above, where aws-cli keeps settings of single services. */
#include "profile.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20 };

const char *env_get(char *const *env, const char *name)
{
    size_t n = strlen(name);

    for (; env != NULL && *env != NULL; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return (*env)[n + 1] != '\0' ? *env + n + 1 : NULL;
    return NULL;
}

void secret_free(char *text)
{
    if (text != NULL)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
}

void secret_freep(char **text)
{
    secret_free(*text);
    *text = NULL;
}

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

int secret_read(char **out, const char *path, struct vml_error *err)
{
    VML_AUTO(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    size_t len = 0;
    char *text;

    if (fd < 0 || fstat(fd, &st) < 0)
        return vml_fail_errno(err, "%s", path);
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        return vml_fail(err, VML_EDATA, "aws/config", "%s: not a file of at most %d bytes", path,
                        FILE_MAX);
    text = malloc((size_t)st.st_size + 1);
    if (text == NULL)
        return vml_fail_nomem(err);
    while (len < (size_t)st.st_size) {
        ssize_t n = read(fd, text + len, (size_t)st.st_size - len);

        if (n <= 0)
            break;
        len += (size_t)n;
    }
    text[len] = '\0';
    *out = text;
    return 0;
}

/* --- one file --------------------------------------------------------------------------------- */

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Without the blanks at either end. */
static void trim(const char **text, size_t *len)
{
    while (*len > 0 && blank(**text)) {
        ++*text;
        --*len;
    }
    while (*len > 0 && blank((*text)[*len - 1]))
        --*len;
}

/* Is this line "[prefix name]", where the name may be quoted? */
static bool heads(const char *line, size_t len, const char *prefix, const char *name)
{
    size_t n = strlen(prefix);

    trim(&line, &len);
    if (len < 2 || line[0] != '[' || line[len - 1] != ']')
        return false;
    line++;
    len -= 2;
    trim(&line, &len);
    if (n > 0) {
        if (len <= n || memcmp(line, prefix, n) != 0 || !blank(line[n]))
            return false;
        line += n;
        len -= n;
        trim(&line, &len);
    }
    if (len >= 2 && (line[0] == '"' || line[0] == '\'') && line[len - 1] == line[0]) {
        line++;
        len -= 2;
    }
    return len == strlen(name) && memcmp(line, name, len) == 0;
}

/* The value of a key where a line of the section has one; key NULL: is there the section? */
static bool find(const char *text, const char *prefix, const char *name, const char *key,
                 const char **value, size_t *value_len)
{
    bool inside = false, found = false;

    while (*text != '\0') {
        size_t len = strcspn(text, "\n"), at;

        if (text[0] == '[') {
            inside = heads(text, len, prefix, name);
            if (inside && key == NULL)
                return true;
        } else if (inside && key != NULL && len > 0 && !blank(text[0]) &&
                   strchr("#;", text[0]) == NULL) {
            at = strcspn(text, "=:\n");
            const char *left = text;
            size_t left_len = at;

            trim(&left, &left_len);
            if (at < len && left_len == strlen(key) && strncasecmp(left, key, left_len) == 0) {
                *value = text + at + 1;
                *value_len = len - at - 1;
                trim(value, value_len);
                found = true; /* the last one holds */
            }
        }
        text += len + (text[len] == '\n');
    }
    return found;
}

static int get(const char *text, const char *prefix, const char *name, const char *key, char **out,
               struct vml_error *err)
{
    const char *value = NULL;
    size_t len = 0;

    *out = NULL;
    if (!find(text, prefix, name, key, &value, &len) || len == 0)
        return 0;
    *out = strndup(value, len);
    return *out != NULL ? 0 : vml_fail_nomem(err);
}

/* --- both of them ----------------------------------------------------------------------------- */

int profile_credential(const struct profile *p, const char *key, char **out, struct vml_error *err)
{
    return get(p->credentials, "", p->name, key, out, err);
}

int profile_setting(const struct profile *p, const char *key, char **out, struct vml_error *err)
{
    if (strcmp(p->name, "default") == 0 &&
        find(p->config, "", p->name, NULL, NULL, NULL)) /* "[profile default]" is allowed, too */
        return get(p->config, "", p->name, key, out, err);
    return get(p->config, "profile", p->name, key, out, err);
}

/* The file that a variable names, else the one in the home folder. */
static int read_file(char **out, char *const *env, const char *variable, const char *name,
                     struct vml_error *err)
{
    const char *given = env_get(env, variable), *home = env_get(env, "HOME");
    VML_AUTO(vml_freep) char *path = NULL;
    int rc = 0;

    if (given != NULL && strncmp(given, "~/", 2) == 0 && home != NULL)
        rc = asprintf(&path, "%s%s", home, given + 1);
    else if (given != NULL)
        rc = asprintf(&path, "%s", given);
    else if (home != NULL)
        rc = asprintf(&path, "%s/.aws/%s", home, name);
    if (rc < 0) {
        path = NULL;
        return vml_fail_nomem(err);
    }
    if (path == NULL || secret_read(out, path, err) < 0) {
        if (path != NULL && err->code != VML_ENOTFOUND)
            return -1;
        *out = strdup("");
    }
    return *out != NULL ? 0 : vml_fail_nomem(err);
}

int profile_read(struct profile *p, char *const *env, const char *name, struct vml_error *err)
{
    const char *chosen = name != NULL ? name : env_get(env, "AWS_PROFILE");

    *p = (struct profile){ .given = name != NULL };
    if (chosen == NULL)
        chosen = env_get(env, "AWS_DEFAULT_PROFILE");
    p->name = strdup(chosen != NULL ? chosen : "default");
    if (p->name == NULL)
        return vml_fail_nomem(err);
    if (read_file(&p->credentials, env, "AWS_SHARED_CREDENTIALS_FILE", "credentials", err) < 0 ||
        read_file(&p->config, env, "AWS_CONFIG_FILE", "config", err) < 0)
        return -1;
    if (chosen != NULL && strcmp(chosen, "default") != 0 &&
        !find(p->credentials, "", p->name, NULL, NULL, NULL) &&
        !find(p->config, "profile", p->name, NULL, NULL, NULL))
        return vml_fail(err, VML_EUSAGE, "aws/profile",
                        "profile %s: neither ~/.aws/config nor ~/.aws/credentials has it", p->name);
    return 0;
}

void profile_clear(struct profile *p)
{
    free(p->name);
    secret_free(p->credentials);
    secret_free(p->config);
    *p = (struct profile){ 0 };
}
