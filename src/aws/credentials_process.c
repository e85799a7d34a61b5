/* A profile's credential_process: a program that prints keys as JSON. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "credentials.h"

enum { WORDS_MAX = 64, OUTPUT_MAX = 64 << 10 };

/* The words of a command, as Python's shlex.split takes them apart: blanks divide, quotes of both
 * kinds and backslashes bind.  words point into text, which is written over; false: a quote is left
 * open, or there are too many. */
static bool split(char *text, char *words[WORDS_MAX + 1])
{
    char *from = text, *to = text, quote = '\0';
    bool inside = false;
    size_t n = 0;

    for (; *from != '\0'; from++) {
        bool gap = quote == '\0' && strchr(" \t\r\n", *from) != NULL;

        if (gap && !inside)
            continue;
        if (gap) {
            *to++ = '\0';
            inside = false;
            continue;
        }
        if (!inside && n == WORDS_MAX)
            return false;
        if (!inside)
            words[n++] = to;
        inside = true;
        if (quote == '\0' && (*from == '\'' || *from == '"'))
            quote = *from;
        else if (quote != '\0' && *from == quote)
            quote = '\0';
        else if (*from == '\\' && from[1] != '\0' &&
                 (quote == '\0' || (quote == '"' && strchr("\"\\", from[1]) != NULL)))
            *to++ = *++from;
        else
            *to++ = *from;
    }
    *to = '\0';
    words[n] = NULL;
    return quote == '\0' && n > 0;
}

static int start(pid_t *pid, char *words[], char *const *env, int fds[2], struct vml_error *err)
{
    posix_spawn_file_actions_t actions;
    int rc;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return vml_fail_errno(err, "credential_process");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    rc = posix_spawnp(pid, words[0], &actions, NULL, words, env);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (rc == 0)
        return 0;
    close(fds[0]);
    errno = rc;
    return vml_fail_errno(err, "credential_process %s", words[0]);
}

/* All that it prints, up to OUTPUT_MAX. */
static int collect(int fd, char *text, struct vml_error *err)
{
    size_t len = 0;

    while (len < OUTPUT_MAX) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int ready = poll(&p, 1, 200);
        ssize_t n;

        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (ready == 0 || (ready < 0 && errno == EINTR))
            continue;
        n = read(fd, text + len, OUTPUT_MAX - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return vml_fail_errno(err, "credential_process");
        if (n == 0)
            break;
        len += (size_t)n;
    }
    text[len] = '\0';
    return 0;
}

int process_credentials(struct key *out, const char *command, char *const *env,
                        struct vml_error *err)
{
    VML_AUTO(secret_freep) char *copy = strdup(command);
    VML_AUTO(vml_freep) char *text = calloc(1, OUTPUT_MAX + 1);
    char *words[WORDS_MAX + 1];
    int fds[2], status = 0, rc;
    pid_t pid;

    if (copy == NULL || text == NULL)
        return vml_fail_nomem(err);
    if (!split(copy, words))
        return vml_fail(err, VML_EDATA, "aws/credentials",
                        "credential_process: a quote is left open, or there are more than %d words",
                        WORDS_MAX);
    if (start(&pid, words, env, fds, err) < 0)
        return -1;
    rc = collect(fds[0], text, err);
    close(fds[0]);
    if (rc < 0)
        kill(pid, SIGTERM);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (rc == 0 && status != 0)
        rc = vml_fail(err, VML_EDATA, "aws/credentials", "credential_process %s ended with %s %d",
                      words[0], WIFEXITED(status) ? "status" : "signal",
                      WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    if (rc == 0)
        rc = key_parse(out, text, "SessionToken", "credential_process", err);
    OPENSSL_cleanse(text, OUTPUT_MAX);
    return rc < 0 ? -1 : 1;
}
