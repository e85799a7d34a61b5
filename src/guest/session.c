#include "guest/session.h"

#include "guest/libguestfs.h"

#ifdef VMLIFT_GUESTFS

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Beneath the folder: "/libguestfsXXXXXX/guestfsd.sock" is the longest socket. */
enum { SOCKET_ROOM = 40, DISKS_MAX = 64 };

/* Serves one disk. */
struct server {
    pid_t pid; /* 0: it does not run */
    char *socket, *pidfile, *log;
};
struct vml_session {
    const struct vml_appliance *how;
    char *folder;
    char *qemu_pidfile;
    struct server *servers;
    size_t n_servers;
    guestfs_h *g;
    struct vml_interrupt_hook hook;
    char why[200]; /* the last complaint of a program that libguestfs ran */
};

/* --- interruption --------------------------------------------------------------------------- */

/* libguestfs tells the process's number only after the start, which is the longest wait of all; so
 * qemu writes it.  As a signal handler may: with system calls alone. */
static void kill_qemu(const struct vml_session *s)
{
    char text[16];
    int fd = open(s->qemu_pidfile, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
    pid_t pid = 0;

    for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
        pid = 10 * pid + (text[i] - '0');
    if (pid > 1)
        (void)kill(pid, SIGKILL);
    if (fd >= 0)
        (void)close(fd);
}

/* A qemu that has not come so far as to write its number does not find its disks, and ends too. */
static void on_interrupt(void *arg)
{
    const struct vml_session *s = arg;
    int saved = errno;

    for (size_t i = 0; i < s->n_servers; i++)
        if (s->servers[i].pid > 0)
            (void)kill(s->servers[i].pid, SIGKILL);
    kill_qemu(s);
    errno = saved;
}

/* --- what serves the disks ------------------------------------------------------------------ */

static int spawn(struct server *v, char *const *argv, char *const *environment,
                 struct vml_error *err)
{
    posix_spawn_file_actions_t actions;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc != 0)
        return vml_fail_nomem(err);
    if ((rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0)) == 0 &&
        (rc = posix_spawn_file_actions_adddup2(&actions, 0, 1)) == 0 &&
        (rc = posix_spawn_file_actions_addopen(&actions, 2, v->log, O_WRONLY | O_CREAT | O_APPEND,
                                               0600)) == 0)
        rc = posix_spawnp(&v->pid, argv[0], &actions, NULL, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    if (rc == 0)
        return 0;
    v->pid = 0;
    if (rc == ENOENT)
        return vml_fail(
            err, VML_EUNSUPPORTED, "guest/no-nbdkit",
            "nbdkit is not there, which serves the disk to libguestfs (Debian: nbdkit)");
    errno = rc;
    return vml_fail_errno(err, "nbdkit");
}

static int start_server(struct vml_session *s, const struct vml_appliance_disk *disk,
                        struct vml_error *err)
{
    struct server *v = &s->servers[s->n_servers++];
    size_t n = 0;

    while (disk->params[n] != NULL)
        n++;
    VML_AUTO(vml_freep) const char **argv = calloc(n + 12, sizeof *argv);
    if (argv == NULL || asprintf(&v->socket, "%s/%zu.sock", s->folder, s->n_servers) < 0 ||
        asprintf(&v->pidfile, "%s/%zu.pid", s->folder, s->n_servers) < 0 ||
        asprintf(&v->log, "%s/%zu.log", s->folder, s->n_servers) < 0)
        return vml_fail_nomem(err);
    const char *const words[] = { "nbdkit",     "--foreground", "--exit-with-parent",
                                  "--readonly", "--unix",       v->socket,
                                  "--pidfile",  v->pidfile,     s->how->plugin };
    memcpy(argv, words, sizeof words);
    memcpy(argv + sizeof words / sizeof words[0], disk->params, n * sizeof *argv);
    return spawn(v, (char *const *)argv, s->how->environment, err);
}

/* The last thing that it calls an error; else its last words. */
static const char *last_error(char *text)
{
    static const char prefix[] = "nbdkit: error: ";
    const char *found = NULL, *line = text;
    char *save = NULL;

    for (char *p = strtok_r(text, "\n", &save); p != NULL; p = strtok_r(NULL, "\n", &save)) {
        line = p;
        if (strncmp(p, prefix, sizeof prefix - 1) == 0)
            found = p + sizeof prefix - 1;
    }
    return found != NULL ? found : line;
}

static int server_failed(const struct server *v, struct vml_error *err)
{
    char text[2048] = "";
    int fd = open(v->log, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        off_t size = lseek(fd, 0, SEEK_END);
        off_t from = size >= (off_t)sizeof text ? size - (off_t)sizeof text + 1 : 0;
        ssize_t n = pread(fd, text, sizeof text - 1, from);

        text[n > 0 ? n : 0] = '\0';
        close(fd);
    }
    return vml_fail(err, VML_EIO, "guest/nbdkit", "nbdkit does not serve the disk: %s",
                    last_error(text));
}

/* It writes its number when it listens; before that it opens the disk, which may take its time. */
static int wait_for_server(struct server *v, struct vml_error *err)
{
    static const struct timespec pause = { .tv_nsec = 20000000 };
    struct stat st;

    while (stat(v->pidfile, &st) < 0 || st.st_size == 0) {
        if (vml_interrupted())
            return vml_fail_interrupted(err);
        if (waitpid(v->pid, NULL, WNOHANG) == v->pid) {
            v->pid = 0;
            return server_failed(v, err);
        }
        nanosleep(&pause, NULL);
    }
    return 0;
}

static void stop_server(struct server *v)
{
    pid_t pid = v->pid;

    v->pid = 0;
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    free(v->socket);
    free(v->pidfile);
    free(v->log);
}

static int start_servers(struct vml_session *s, struct vml_error *err)
{
    for (size_t i = 0; i < s->how->n_disks; i++)
        if (start_server(s, &s->how->disks[i], err) < 0)
            return -1;
    for (size_t i = 0; i < s->n_servers; i++)
        if (wait_for_server(&s->servers[i], err) < 0)
            return -1;
    return 0;
}

/* --- libguestfs ----------------------------------------------------------------------------- */

/* What supermin or qemu complain of is the reason why the appliance does not start; libguestfs
 * itself says only that they failed. */
static void keep_complaint(struct vml_session *s, const char *text, size_t len)
{
    static const char *const who[] = { "supermin: ", "qemu-system-", "qemu-img: " };

    for (size_t i = 0; i < sizeof who / sizeof who[0]; i++)
        if (len > strlen(who[i]) && memcmp(text, who[i], strlen(who[i])) == 0)
            snprintf(s->why, sizeof s->why, "%.*s", (int)strcspn(text, "\r\n"), text);
}

static void on_event(guestfs_h *g, void *opaque, uint64_t event, int handle, int flags,
                     const char *buf, size_t buf_len, const uint64_t *array, size_t array_len)
{
    struct vml_session *s = opaque;
    const struct vml_appliance *how = s->how;

    (void)g;
    (void)handle;
    (void)flags;
    if (vml_interrupted()) /* before there was a qemu to be killed, perhaps */
        kill_qemu(s);
    if (event == GUESTFS_EVENT_PROGRESS) {
        if (how->progress != NULL && array_len >= 4 && array[3] > 0)
            how->progress(how->arg, (unsigned)(100 * array[2] / array[3]));
        return;
    }
    keep_complaint(s, buf, buf_len);
    if (how->log != NULL)
        how->log(how->arg, buf, buf_len);
}

/* libguestfs's sockets go into our folder, which is removed whatever happens. */
static int set_environment(struct vml_session *s, struct vml_error *err)
{
    char *const *theirs = s->how->environment;
    VML_AUTO(vml_freep) char *sockets = NULL;
    size_t n = 0;

    while (theirs != NULL && theirs[n] != NULL)
        n++;
    VML_AUTO(vml_freep) char **list = calloc(n + 2, sizeof *list);
    if (list == NULL || asprintf(&sockets, "XDG_RUNTIME_DIR=%s", s->folder) < 0)
        return vml_fail_nomem(err);
    list[0] = sockets;
    for (size_t i = 0, k = 1; i < n; i++)
        if (strncmp(theirs[i], "XDG_RUNTIME_DIR=", 16) != 0)
            list[k++] = theirs[i];
    return vml_guestfs.parse_environment_list(s->g, list) < 0
               ? vml_session_fail(s, err, "libguestfs's environment")
               : 0;
}

void vml_session_label(char label[8], size_t disk)
{
    snprintf(label, 8, "disk%c%c", (char)('a' + disk / 26 % 26), (char)('a' + disk % 26));
}

static int add_disk(struct vml_session *s, size_t number, struct vml_error *err)
{
    const struct vml_appliance_disk *disk = &s->how->disks[number];
    const struct server *v = &s->servers[number];
    VML_AUTO(vml_freep) char *server = NULL, *backing = NULL;
    char label[8];

    vml_session_label(label, number);

    if (asprintf(&server, "unix:%s", v->socket) < 0 ||
        asprintf(&backing, "nbd:unix:%s", v->socket) < 0)
        return vml_fail_nomem(err);
    if (disk->overlay == NULL) {
        char *servers[] = { server, NULL };
        if (vml_guestfs.add_drive_opts(
                s->g, "", GUESTFS_ADD_DRIVE_OPTS_READONLY, 1, GUESTFS_ADD_DRIVE_OPTS_FORMAT, "raw",
                GUESTFS_ADD_DRIVE_OPTS_PROTOCOL, "nbd", GUESTFS_ADD_DRIVE_OPTS_SERVER, servers,
                GUESTFS_ADD_DRIVE_OPTS_LABEL, label, -1) < 0)
            return vml_session_fail(s, err, "the disk");
        return 0;
    }
    if (vml_guestfs.disk_create(s->g, disk->overlay, "qcow2", -1, GUESTFS_DISK_CREATE_BACKINGFILE,
                                backing, GUESTFS_DISK_CREATE_BACKINGFORMAT, "raw", -1) < 0 ||
        vml_guestfs.add_drive_opts(s->g, disk->overlay, GUESTFS_ADD_DRIVE_OPTS_FORMAT, "qcow2",
                                   GUESTFS_ADD_DRIVE_OPTS_LABEL, label, -1) < 0)
        return vml_session_fail(s, err, "%s", disk->overlay);
    return 0;
}

static int launch(struct vml_session *s, struct vml_error *err)
{
    if (vml_guestfs.launch(s->g) == 0)
        return vml_interrupted() ? vml_fail_interrupted(err) : 0;
    if (vml_interrupted())
        return vml_fail_interrupted(err);
    return vml_fail(err, VML_EUNSUPPORTED, "guest/no-appliance",
                    "libguestfs's appliance does not start: %s (Debian: supermin, qemu-system-x86 "
                    "and a linux-image whose /boot/vmlinuz-* may be read; libguestfs-test-tool "
                    "tells more)",
                    s->why[0] != '\0' ? s->why : vml_guestfs.last_error(s->g));
}

static int start_guestfs(struct vml_session *s, struct vml_error *err)
{
    s->g = vml_guestfs.create_flags(GUESTFS_CREATE_NO_ENVIRONMENT);
    if (s->g == NULL)
        return vml_fail_nomem(err);
    vml_guestfs.set_error_handler(s->g, NULL, NULL);
    if (vml_guestfs.set_event_callback(s->g, on_event,
                                       GUESTFS_EVENT_PROGRESS | GUESTFS_EVENT_APPLIANCE |
                                           GUESTFS_EVENT_LIBRARY | GUESTFS_EVENT_WARNING |
                                           GUESTFS_EVENT_TRACE,
                                       0, s) < 0 ||
        vml_guestfs.set_backend(s->g, "direct") < 0 ||
        vml_guestfs.set_network(s->g, s->how->network) < 0)
        return vml_session_fail(s, err, "libguestfs");
    if (set_environment(s, err) < 0)
        return -1;
    if (vml_guestfs.set_tmpdir(s->g, s->folder) < 0 ||
        vml_guestfs.config(s->g, "-pidfile", s->qemu_pidfile) < 0)
        return vml_session_fail(s, err, "libguestfs");
    for (size_t i = 0; i < s->n_servers; i++)
        if (add_disk(s, i, err) < 0)
            return -1;
    return launch(s, err);
}

/* --- the session ---------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    (void)remove(path);
    return 0;
}

static int make_folder(struct vml_session *s, struct vml_error *err)
{
    const char *tmp = s->how->tmp != NULL ? s->how->tmp : "/tmp";
    char *name = NULL;

    if (asprintf(&name, "%s/vmlift-XXXXXX", tmp) < 0)
        return vml_fail_nomem(err);
    if (strlen(name) + SOCKET_ROOM > sizeof((struct sockaddr_un *)0)->sun_path) {
        free(name);
        return vml_fail(err, VML_EUSAGE, "guest/tmp",
                        "%s: too long a name for a folder with sockets, of which a path has at "
                        "most %zu bytes",
                        tmp, sizeof((struct sockaddr_un *)0)->sun_path - 1);
    }
    if (mkdtemp(name) == NULL) {
        vml_fail_errno(err, "%s", name);
        free(name);
        return -1;
    }
    s->folder = name;
    return asprintf(&s->qemu_pidfile, "%s/qemu.pid", name) < 0 ? vml_fail_nomem(err) : 0;
}

int vml_session_open(struct vml_session **out, const struct vml_appliance *how,
                     struct vml_error *err)
{
    VML_AUTO(vml_session_freep) struct vml_session *s = NULL;

    if (vml_guestfs_load(err) < 0)
        return -1;
    if ((s = calloc(1, sizeof *s)) == NULL)
        return vml_fail_nomem(err);
    s->how = how;
    if (how->n_disks > DISKS_MAX)
        return vml_fail(err, VML_EUNSUPPORTED, "guest/disks",
                        "%zu disks, of which libguestfs is given %d at most", how->n_disks,
                        DISKS_MAX);
    s->servers = calloc(how->n_disks, sizeof *s->servers);
    if (s->servers == NULL)
        return vml_fail_nomem(err);
    if (make_folder(s, err) < 0)
        return -1;
    s->hook = (struct vml_interrupt_hook){ on_interrupt, s };
    (void)vml_interrupt_add(&s->hook); /* without it: as soon as libguestfs says something */
    if (start_servers(s, err) < 0 || start_guestfs(s, err) < 0)
        return -1;
    *out = s;
    s = NULL;
    return 0;
}

struct guestfs_h *vml_session_guestfs(struct vml_session *s)
{
    return s->g;
}

int(vml_session_fail)(struct vml_session *s, struct vml_error *err, const char *fmt, ...)
{
    const char *said = vml_guestfs.last_error(s->g);
    VML_AUTO(vml_freep) char *what = NULL;
    va_list args;

    if (vml_interrupted())
        return vml_fail_interrupted(err);
    va_start(args, fmt);
    if (vasprintf(&what, fmt, args) < 0)
        what = NULL;
    va_end(args);
    vml_fail(err, VML_EIO, "guest/libguestfs", "%s", said != NULL ? said : "libguestfs failed");
    if (what != NULL)
        vml_error_prefix(err, "%s", what);
    return -1;
}

int vml_session_finish(struct vml_session *s, struct vml_error *err)
{
    if (vml_guestfs.umount_all(s->g) < 0 || vml_guestfs.shutdown(s->g) < 0)
        return vml_session_fail(s, err, "the appliance's end");
    (void)unlink(s->qemu_pidfile); /* the number may be another's from now on */
    return vml_interrupted() ? vml_fail_interrupted(err) : 0;
}

void vml_session_free(struct vml_session *s)
{
    if (s == NULL)
        return;
    if (s->g != NULL && vml_interrupted())
        kill_qemu(s);
    vml_interrupt_remove(&s->hook);
    if (s->g != NULL)
        vml_guestfs.close(s->g);
    for (size_t i = 0; i < s->n_servers; i++)
        stop_server(&s->servers[i]);
    if (s->folder != NULL)
        (void)nftw(s->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(s->servers);
    free(s->folder);
    free(s->qemu_pidfile);
    free(s);
}

#else

int vml_session_open(struct vml_session **out, const struct vml_appliance *how,
                     struct vml_error *err)
{
    (void)out;
    (void)how;
    return vml_guestfs_load(err);
}

void vml_session_free(struct vml_session *s)
{
    (void)s;
}

#endif

void vml_session_freep(struct vml_session **s)
{
    vml_session_free(*s);
    *s = NULL;
}
