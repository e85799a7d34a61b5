/* "127.0.0.1:8250", "[::1]:8250", "localhost:8250": a socket. */
#include "serve/listen.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

/* The port after the last colon, and before it the host, without its brackets. */
static int split(const char *where, char host[256], char port[8], struct vml_error *err)
{
    const char *colon = strrchr(where, ':');
    size_t len = colon != NULL ? (size_t)(colon - where) : 0, digits;
    bool brackets = len > 2 && where[0] == '[' && where[len - 1] == ']';

    digits = colon != NULL ? strspn(colon + 1, "0123456789") : 0;
    if (len == 0 || len > 255 || digits == 0 || digits > 5 || colon[1 + digits] != '\0' ||
        strtoul(colon + 1, NULL, 10) > 65535 || (!brackets && memchr(where, ':', len) != NULL))
        return vml_fail(err, VML_EUSAGE, "serve/listen",
                        "%s is not HOST:PORT, like 127.0.0.1:8250 or [::1]:8250", where);
    snprintf(host, 256, "%.*s", (int)(brackets ? len - 2 : len), where + (brackets ? 1 : 0));
    snprintf(port, 8, "%s", colon + 1);
    return 0;
}

static int make_url(int fd, bool tls, char **url, struct vml_error *err)
{
    struct sockaddr_storage bound = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof bound;
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(fd, (struct sockaddr *)&bound, &len) < 0 ||
        getnameinfo((struct sockaddr *)&bound, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return vml_fail_errno(err, "the address of the socket");
    bool brackets = strchr(host, ':') != NULL;
    if (asprintf(url, "%s://%s%s%s:%s", tls ? "https" : "http", brackets ? "[" : "", host,
                 brackets ? "]" : "", port) < 0) {
        *url = NULL;
        return vml_fail_nomem(err);
    }
    return 0;
}

static int open_socket(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int use(const struct addrinfo *a, const char *where, bool anywhere, int *fd,
               struct vml_error *err)
{
    struct vml_error why;

    if (!anywhere && !is_loopback(a->ai_addr))
        return vml_fail(err, VML_EREFUSED, "serve/plain",
                        "%s: HTTP without TLS on an address that others reach: give a certificate "
                        "and its key, or say that it is behind a proxy that has them",
                        where);
    *fd = open_socket(a);
    if (*fd >= 0)
        return 0;
    (void)vml_fail_errno(&why, "%s", where);
    return vml_fail(err, VML_EIO, "serve/bind", "%s", why.text);
}

int vml_listen(const char *where, bool anywhere, bool tls, int *fd, char **url,
               struct vml_error *err)
{
    const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                    .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    char host[256], port[8];

    if (split(where, host, port, err) < 0)
        return -1;
    int rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0)
        return vml_fail(err, VML_EUSAGE, "serve/listen", "%s: %s", where, gai_strerror(rc));
    rc = use(found, where, anywhere, fd, err);
    freeaddrinfo(found);
    if (rc < 0)
        return -1;
    if (make_url(*fd, tls, url, err) == 0)
        return 0;
    close(*fd);
    return -1;
}
